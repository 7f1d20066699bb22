// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_IOEVENTFD: writes of the guest, to device memory and ports, that signal eventfds
 * and don't exit; lengths, values, collisions; many; while it changes; what it costs.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define PORT		0x510
#define PIO		HV_IOEVENTFD_FLAG_PIO
#define MATCH		HV_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN	HV_IOEVENTFD_FLAG_DEASSIGN

FIXTURE(ioeventfd)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_run *run;
	int fd;
};

static int new_fd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	must(fd);
	return fd;
}

FIXTURE_SETUP(ioeventfd)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "ioeventfd");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->run = self->vcpu->run;
	self->fd = new_fd();
}

FIXTURE_TEARDOWN(ioeventfd)
{
	close(self->fd);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long set(struct vm *vm, int fd, uint64_t addr, uint32_t len, uint32_t flags,
		uint64_t value)
{
	return hv_ioctl(vm->fd, HV_IOEVENTFD,
			&(struct hv_ioeventfd){ .addr = addr, .len = len, .fd = fd,
						.flags = flags, .datamatch = value });
}

static uint64_t taken(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* The function finishes without an exit, and the eventfd was signaled @n times. */
#define EXPECT_SIGNALS(n, ...)						\
	do {								\
		guest_call(self->vcpu, __VA_ARGS__);			\
		EXPECT_EQ((n), taken(self->fd));			\
	} while (0)

/* The function exits: the write is the VMM's. */
#define EXPECT_EXIT(reason, function, ...)				\
	do {								\
		const uint64_t args[] = { __VA_ARGS__ };		\
									\
		guest_start(self->vcpu, function, ARRAY_LEN(args), args);	\
		EXPECT_EQ((reason), vcpu_run(self->vcpu));		\
		if (self->run->exit_reason == HV_EXIT_IO)		\
			EXPECT_EQ(PORT, self->run->io.port);		\
		guest_finish(self->vcpu);				\
		EXPECT_EQ(0, taken(self->fd));				\
	} while (0)

TEST_F(ioeventfd, capabilities)
{
	EXPECT_EQ(1, check_cap(self->vm->sys, HV_CAP_IOEVENTFD));
	EXPECT_EQ(1, check_cap(self->vm->sys, HV_CAP_IOEVENTFD_NO_LENGTH));
	EXPECT_EQ(1, check_cap(self->vm->sys, HV_CAP_IOEVENTFD_ANY_LENGTH));
}

TEST_F(ioeventfd, refused)
{
	EXPECT_EQ(-EINVAL, set(self->vm, self->fd, GUEST_MMIO, 4, 1 << 8, 0));
	EXPECT_EQ(-EINVAL, set(self->vm, self->fd, GUEST_MMIO, 3, 0, 0));
	EXPECT_EQ(-EINVAL, set(self->vm, self->fd, GUEST_MMIO, 16, 0, 0));
	EXPECT_EQ(-EINVAL, set(self->vm, self->fd, GUEST_MMIO, 0, MATCH, 0));
	EXPECT_EQ(-EINVAL, set(self->vm, self->fd, -2ULL, 4, 0, 0));
	EXPECT_EQ(-EINVAL, set(self->vm, self->vm->sys, GUEST_MMIO, 4, 0, 0));
	EXPECT_EQ(-EBADF, set(self->vm, 1000, GUEST_MMIO, 4, 0, 0));
	EXPECT_EQ(-ENOENT, set(self->vm, self->fd, GUEST_MMIO, 4, DEASSIGN, 0));
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO, 1);
}

/* Address, length and direction have to be right. */
TEST_F(ioeventfd, memory)
{
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO + 8, 4, 0, 0));
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO + 8, 1);
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO + 8, 0xffffffff);
	EXPECT_SIGNALS(1, "store_imm", GUEST_MMIO + 8);
	EXPECT_EXIT(HV_EXIT_MMIO, "store16", GUEST_MMIO + 8, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store64", GUEST_MMIO + 8, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 9, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 4, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "load32", GUEST_MMIO + 8);
}

TEST_F(ioeventfd, lengths)
{
	static const char * const store[] = { "store8", "store16", "store32", "store64" };
	unsigned int i, j;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 1 << i, 0, 0));
		for (j = 0; j < 4; j++) {
			if (i == j)
				EXPECT_SIGNALS(1, store[j], GUEST_MMIO, 1);
			else
				EXPECT_EXIT(HV_EXIT_MMIO, store[j], GUEST_MMIO, 1);
		}
		ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 1 << i, DEASSIGN, 0));
	}
	/* All four at one address */
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 1 << i, 0, 0));
	for (j = 0; j < 4; j++)
		EXPECT_SIGNALS(1, store[j], GUEST_MMIO, 1);
}

/* Length 0: a write of any length, whatever it writes */
TEST_F(ioeventfd, any_length)
{
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 0, 0, 0));
	EXPECT_SIGNALS(1, "store8", GUEST_MMIO, 1);
	EXPECT_SIGNALS(1, "store16", GUEST_MMIO, 2);
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO, 3);
	EXPECT_SIGNALS(1, "store64", GUEST_MMIO, 4);
	EXPECT_SIGNALS(1, "store_imm", GUEST_MMIO);
	/* KVM takes the length from a VMCS field that is undefined for such an exit. */
	if (!device_is_kvm())
		EXPECT_SIGNALS(1, "store_long", GUEST_MMIO - 0x7f000);
	EXPECT_EXIT(HV_EXIT_MMIO, "store8", GUEST_MMIO + 1, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO - 4, 1);
	/* KVM doesn't look at the direction either. */
	if (!device_is_kvm())
		EXPECT_EXIT(HV_EXIT_MMIO, "load32", GUEST_MMIO);
	/* At the end of a page */
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO + 0xffe, 0, 0, 0));
	EXPECT_SIGNALS(1, "store16", GUEST_MMIO + 0xffe, 1);
}

TEST_F(ioeventfd, datamatch)
{
	int other = new_fd();

	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 4, MATCH, 0x11223344));
	ASSERT_EQ(0, set(self->vm, other, GUEST_MMIO, 4, MATCH, 7));
	ASSERT_EQ(0, set(self->vm, other, GUEST_MMIO, 2, MATCH, 0x3344));
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO, 0x11223344);
	EXPECT_SIGNALS(1, "store_imm", GUEST_MMIO);
	EXPECT_EQ(0, taken(other));
	EXPECT_SIGNALS(0, "store32", GUEST_MMIO, 7);
	EXPECT_EQ(1, taken(other));
	EXPECT_SIGNALS(0, "store16", GUEST_MMIO, 0x3344);
	EXPECT_EQ(1, taken(other));
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO, 8);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO, 0x3344);
	EXPECT_EXIT(HV_EXIT_MMIO, "store64", GUEST_MMIO, 7);
	/* 64 bits, and a value that doesn't fit in the length */
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 8, MATCH, 0x1122334455667788));
	EXPECT_SIGNALS(1, "store64", GUEST_MMIO, 0x1122334455667788);
	EXPECT_EXIT(HV_EXIT_MMIO, "store64", GUEST_MMIO, 0x55667788);
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 1, MATCH, 0x134));
	EXPECT_EXIT(HV_EXIT_MMIO, "store8", GUEST_MMIO, 0x34);
	close(other);
}

TEST_F(ioeventfd, ports)
{
	ASSERT_EQ(0, set(self->vm, self->fd, PORT, 2, PIO | MATCH, 5));
	EXPECT_SIGNALS(1, "out16", PORT, 5);
	EXPECT_EXIT(HV_EXIT_IO, "out16", PORT, 6);
	EXPECT_EXIT(HV_EXIT_IO, "out8", PORT, 5);
	EXPECT_EXIT(HV_EXIT_IO, "in32", PORT);
	ASSERT_EQ(0, set(self->vm, self->fd, PORT, 2, PIO | MATCH | DEASSIGN, 5));
	EXPECT_EXIT(HV_EXIT_IO, "out16", PORT, 5);
	ASSERT_EQ(0, set(self->vm, self->fd, PORT, 0, PIO, 0));
	EXPECT_SIGNALS(1, "out8", PORT, 1);
	EXPECT_SIGNALS(1, "out16", PORT, 2);
	EXPECT_SIGNALS(1, "out32", PORT, 3);
	EXPECT_SIGNALS(8, "outs8", PORT, guest_sym(self->vm, "bytes"), 8);
	EXPECT_EXIT(HV_EXIT_IO, "in32", PORT);
}

/* OUTS: each byte is a write of its own; those that match signal, the others exit. */
TEST_F(ioeventfd, outs)
{
	const uint64_t args[] = { PORT, guest_sym(self->vm, "bytes"), 8 };
	const uint8_t *data = (uint8_t *)self->run + self->vm->run_size;
	uint8_t seen[8];
	unsigned int n = 0;

	if (device_is_kvm())
		SKIP(return, "KVM looks at the first element of a string only");
	ASSERT_EQ(0, set(self->vm, self->fd, PORT, 1, PIO | MATCH, 3));
	guest_start(self->vcpu, "outs8", 3, args);
	while (vcpu_run(self->vcpu) == HV_EXIT_IO && self->run->io.port == PORT) {
		data = (uint8_t *)self->run + self->run->io.data_offset;
		ASSERT_LE(n + self->run->io.count, sizeof(seen));
		memcpy(seen + n, data, self->run->io.count);
		n += self->run->io.count;
	}
	EXPECT_EQ(PORT_DONE, self->run->io.port);
	EXPECT_EQ(5, n);
	EXPECT_EQ(0, memcmp(seen, "\1\2\4\5\6", 5));
	EXPECT_EQ(3, taken(self->fd));
}

/* Memory and ports have addresses of their own. */
TEST_F(ioeventfd, spaces)
{
	ASSERT_EQ(0, set(self->vm, self->fd, PORT, 4, PIO, 0));
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO + PORT, 4, 0, 0));
	EXPECT_EQ(0, set(self->vm, self->fd, PORT, 4, 0, 0));
	EXPECT_EQ(-EEXIST, set(self->vm, self->fd, PORT, 4, PIO, 0));
	EXPECT_EQ(0, set(self->vm, self->fd, PORT, 4, DEASSIGN, 0));
	EXPECT_SIGNALS(1, "out32", PORT, 1);
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO + PORT, 1);
}

/* A write can't have two of them. */
TEST_F(ioeventfd, collisions)
{
	struct vm *vm = self->vm;
	int other = new_fd();

	ASSERT_EQ(0, set(vm, self->fd, GUEST_MMIO, 4, MATCH, 1));
	EXPECT_EQ(-EEXIST, set(vm, self->fd, GUEST_MMIO, 4, MATCH, 1));
	EXPECT_EQ(-EEXIST, set(vm, other, GUEST_MMIO, 4, MATCH, 1));
	EXPECT_EQ(-EEXIST, set(vm, other, GUEST_MMIO, 4, 0, 0));
	EXPECT_EQ(-EEXIST, set(vm, other, GUEST_MMIO, 0, 0, 0));
	EXPECT_EQ(0, set(vm, other, GUEST_MMIO, 4, MATCH, 2));
	EXPECT_EQ(0, set(vm, other, GUEST_MMIO, 2, 0, 0));
	EXPECT_EQ(-EEXIST, set(vm, other, GUEST_MMIO, 2, MATCH, 1));
	EXPECT_EQ(0, set(vm, other, GUEST_MMIO + 16, 0, 0, 0));
	EXPECT_EQ(-EEXIST, set(vm, other, GUEST_MMIO + 16, 0, 0, 0));
	EXPECT_EQ(-EEXIST, set(vm, other, GUEST_MMIO + 16, 1, MATCH, 1));
	close(other);
}

/* Everything is named to remove one: a mistake in one field finds none. */
TEST_F(ioeventfd, deassign)
{
	struct vm *vm = self->vm;
	int other = new_fd(), same = dup(self->fd);

	ASSERT_EQ(0, set(vm, self->fd, GUEST_MMIO, 4, MATCH, 1));
	EXPECT_EQ(-ENOENT, set(vm, other, GUEST_MMIO, 4, MATCH | DEASSIGN, 1));
	EXPECT_EQ(-ENOENT, set(vm, self->fd, GUEST_MMIO + 4, 4, MATCH | DEASSIGN, 1));
	EXPECT_EQ(-ENOENT, set(vm, self->fd, GUEST_MMIO, 2, MATCH | DEASSIGN, 1));
	EXPECT_EQ(-ENOENT, set(vm, self->fd, GUEST_MMIO, 4, MATCH | DEASSIGN, 2));
	EXPECT_EQ(-ENOENT, set(vm, self->fd, GUEST_MMIO, 4, DEASSIGN, 1));
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO, 1);
	EXPECT_EQ(0, set(vm, same, GUEST_MMIO, 4, MATCH | DEASSIGN, 1));
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO, 1);
	EXPECT_EQ(-ENOENT, set(vm, same, GUEST_MMIO, 4, MATCH | DEASSIGN, 1));
	EXPECT_EQ(0, set(vm, same, GUEST_MMIO, 4, 0, 0));
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO, 1);
	close(same);
	close(other);
}

/* Instructions that are more than one store */
TEST_F(ioeventfd, other_instructions)
{
	const uint64_t args[] = { GUEST_MMIO, 5 };

	if (device_is_kvm())
		SKIP(return, "KVM takes an instruction at such an address for one store");
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 0, 0, 0));
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO + 8, 0, 0, 0));
	/* Read, modify, write: the read is the VMM's. */
	guest_start(self->vcpu, "add32", 2, args);
	ASSERT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	EXPECT_EQ(0, self->run->mmio.is_write);
	EXPECT_EQ(0, taken(self->fd));
	guest_finish(self->vcpu);
	EXPECT_EQ(1, taken(self->fd));
	/* Four stores, of which the second and the fourth exit */
	guest_start(self->vcpu, "rep_stos32", 2, (uint64_t[]){ GUEST_MMIO, 4 });
	ASSERT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	EXPECT_EQ(GUEST_MMIO + 4, self->run->mmio.phys_addr);
	EXPECT_EQ(1, taken(self->fd));
	ASSERT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	EXPECT_EQ(GUEST_MMIO + 12, self->run->mmio.phys_addr);
	EXPECT_EQ(1, taken(self->fd));
	EXPECT_EQ(GUEST_MMIO + 16, guest_finish(self->vcpu));
	/* A store over a page's end, whose first half is memory */
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0x10000000, PAGE, self->vm->ram + GUEST_FREE, 0));
	ASSERT_EQ(0, set(self->vm, self->fd, 0x10001000, 0, 0, 0));
	guest_call(self->vcpu, "store32", 0x10000ffe, 0x44332211);
	EXPECT_EQ(1, taken(self->fd));
	EXPECT_EQ(0x2211, *(uint16_t *)(self->vm->ram + GUEST_FREE + 0xffe));
}

/* What is found doesn't depend on how many there are, or on their order. */
TEST_F_TIMEOUT(ioeventfd, many, 120)
{
	const unsigned int n = 1500;
	unsigned int i, at;

	for (i = 0; i < n; i++) {
		at = i * 7 % n;
		ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO + 4 * at, 4, 0, 0)) {
			TH_LOG("%u", i);
		}
	}
	for (i = 0; i < n; i += 13)
		EXPECT_SIGNALS(1, "store32", GUEST_MMIO + 4 * i, i);
	EXPECT_SIGNALS(1, "store32", GUEST_MMIO + 4 * (n - 1), i);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 4 * n, 1);
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO + 4 * i, 4, DEASSIGN, 0));
	for (i = 0; i < n; i += 100) {
		EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 4 * i, 1);
		EXPECT_SIGNALS(1, "store32", GUEST_MMIO + 4 * i + 4, 1);
	}
}

/* Nobody can read the eventfd any more: the guest doesn't notice. */
TEST_F(ioeventfd, closed)
{
	int fd = new_fd();

	ASSERT_EQ(0, set(self->vm, fd, GUEST_MMIO, 4, 0, 0));
	close(fd);
	guest_call(self->vcpu, "store32", GUEST_MMIO, 1);
	guest_call(self->vcpu, "store32", GUEST_MMIO, 1);
}

/* An eventfd that is signaled by a store, and interrupts. */
TEST_F(ioeventfd, to_irqfd)
{
	struct {
		struct hv_irq_routing head;
		struct hv_irq_routing_entry e;
	} t = {
		.head.nr = 1,
		.e = { .gsi = 40, .type = HV_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = GUEST_APIC, .data = 0x61 } },
	};
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu;

	vm_load(vm, "ioeventfd");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	guest_u32(vm, "eoi") = 1;
	guest_call(vcpu, "apic_write", APIC_SVR, 0x1ff);
	must(hv_ioctl(vm->fd, HV_SET_GSI_ROUTING, &t));
	must(hv_ioctl(vm->fd, HV_IRQFD, &(struct hv_irqfd){ .fd = self->fd, .gsi = 40 }));
	ASSERT_EQ(0, set(vm, self->fd, GUEST_MMIO, 0, 0, 0));
	EXPECT_EQ(1, guest_call(vcpu, "store_window", GUEST_MMIO, 1));
	EXPECT_EQ(2, guest_call(vcpu, "store_window", GUEST_MMIO, 1));
	vcpu_free(vcpu);
	vm_free(vm);
}

/**
 * struct storm - a thread that connects and disconnects
 * @vm: VM
 * @fd: eventfd
 * @stop: end
 * @signals: what the eventfd has counted
 * @late: it counted after it was disconnected
 */
struct storm {
	struct vm *vm;
	int fd;
	volatile bool stop;
	unsigned long signals;
	unsigned long late;
};

static void *on_and_off(void *arg)
{
	struct storm *s = arg;

	while (!s->stop) {
		must(set(s->vm, s->fd, GUEST_MMIO, 4, 0, 0));
		sleep_us(100);
		must(set(s->vm, s->fd, GUEST_MMIO, 4, DEASSIGN, 0));
		s->signals += taken(s->fd);
		sleep_us(50);
		s->late += taken(s->fd);
	}
	return NULL;
}

/* Each store signals or exits, and none signals after the call that disconnects. */
TEST_F_TIMEOUT(ioeventfd, changes_under_stores, 120)
{
	const unsigned int n = 20000;
	struct storm s = { .vm = self->vm, .fd = self->fd };
	unsigned long exits = 0;
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, on_and_off, &s));
	guest_start(self->vcpu, "count_stores", 2, (uint64_t[]){ GUEST_MMIO, n });
	while (vcpu_run(self->vcpu) == HV_EXIT_MMIO)
		exits++;
	EXPECT_EQ(HV_EXIT_IO, self->run->exit_reason);
	s.stop = true;
	pthread_join(t, NULL);
	EXPECT_EQ(n, exits + s.signals);
	EXPECT_EQ(0, s.late);
	EXPECT_GT(exits, 0);
	EXPECT_GT(s.signals, 0);
	TH_LOG("%lu exits, %lu signals", exits, s.signals);
}

/* Cycles of a write that signals. In the vmx host these are instructions. */
TEST_F(ioeventfd, cost)
{
	const uint64_t n = 1000;
	uint64_t empty, any, exact, port;

	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO, 0, 0, 0));
	ASSERT_EQ(0, set(self->vm, self->fd, GUEST_MMIO + 8, 4, 0, 0));
	ASSERT_EQ(0, set(self->vm, self->fd, PORT, 4, PIO, 0));
	guest_call(self->vcpu, "store_loop", GUEST_MMIO, 0, 10);
	empty = guest_call(self->vcpu, "empty_loop", 0, 0, n);
	any = guest_call(self->vcpu, "store_loop", GUEST_MMIO, 0, n);
	exact = guest_call(self->vcpu, "store_loop", GUEST_MMIO + 8, 0, n);
	port = guest_call(self->vcpu, "out_loop", PORT, 0, n);
	EXPECT_EQ(3 * n + 10, taken(self->fd));
	TH_LOG("cycles: store of any length %lu, of 4 bytes %lu, OUT %lu",
	       (unsigned long)((any - empty) / n), (unsigned long)((exact - empty) / n),
	       (unsigned long)((port - empty) / n));
}

/* A VMM that is killed in the middle leaves nothing behind. */
TEST(kill_9)
{
	unsigned int i;
	int status;

	for (i = 0; i < 8; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct storm s = { .vm = vm_create(0), .fd = new_fd() };
			struct vcpu *vcpu;
			pthread_t t;

			vm_load(s.vm, "ioeventfd");
			vcpu = vcpu_create(s.vm, 0);
			vcpu_long_mode(vcpu, NULL);
			guest_start(vcpu, "count_stores", 2, (uint64_t[]){ GUEST_MMIO, 0 });
			pthread_create(&t, NULL, on_and_off, &s);
			for (;;)
				vcpu_run(vcpu);
		}
		sleep_us(15000 + 3000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

TEST_HARNESS_MAIN
