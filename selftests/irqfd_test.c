// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_IRQFD: eventfds that interrupt, through messages and pins; connecting and
 * disconnecting, also while they are signaled, routes change and the guest runs.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define REDTBL(pin)	(0x10 + 2 * (pin))
#define GSI		41
#define VECTOR		0x61

FIXTURE(irqfd)
{
	struct vm *vm;
	struct vcpu *vcpu;
	volatile uint32_t *count;
	int fd;
};

struct table {
	struct hv_irq_routing head;
	struct hv_irq_routing_entry e[4];
};

static struct hv_irq_routing_entry to_msi(uint32_t gsi, uint32_t vector)
{
	return (struct hv_irq_routing_entry) {
		.gsi = gsi, .type = HV_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = GUEST_APIC, .data = vector },
	};
}

static struct hv_irq_routing_entry to_pin(uint32_t gsi, uint32_t pin)
{
	return (struct hv_irq_routing_entry) {
		.gsi = gsi, .type = HV_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { HV_IRQCHIP_IOAPIC, pin },
	};
}

static void route(struct vm *vm, struct hv_irq_routing_entry entry)
{
	struct table t = { .head.nr = 1, .e = { entry } };

	must(hv_ioctl(vm->fd, HV_SET_GSI_ROUTING, &t));
}

static long irqfd(struct vm *vm, int fd, uint32_t gsi, uint32_t flags)
{
	return hv_ioctl(vm->fd, HV_IRQFD,
			&(struct hv_irqfd){ .fd = fd, .gsi = gsi, .flags = flags });
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		die("eventfd: %s", strerror(errno));
}

static int new_fd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	must(fd);
	return fd;
}

static void setup_vm(FIXTURE_DATA(irqfd) *self)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	self->fd = new_fd();
	route(self->vm, to_msi(GSI, VECTOR));
}

FIXTURE_SETUP(irqfd)
{
	setup_vm(self);
}

FIXTURE_TEARDOWN(irqfd)
{
	close(self->fd);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(irqfd, capability)
{
	EXPECT_EQ(1, check_cap(self->vm->sys, HV_CAP_IRQFD));
	EXPECT_EQ(1, check_cap(self->vm->sys, HV_CAP_IRQFD_RESAMPLE));
}

TEST_F(irqfd, refused)
{
	struct vm *bare = vm_create(VM_BARE);
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, irqfd(bare, self->fd, GSI, 0));
	EXPECT_EQ(-EINVAL, irqfd(self->vm, self->fd, GSI, 1 << 7));
	EXPECT_EQ(-EINVAL, irqfd(self->vm, pipes[0], GSI, 0));
	EXPECT_EQ(-EINVAL, irqfd(self->vm, pipes[0], GSI, HV_IRQFD_FLAG_DEASSIGN));
	EXPECT_EQ(-EBADF, irqfd(self->vm, 1000, GSI, 0));
	EXPECT_EQ(-EBADF, irqfd(self->vm, 1000, GSI, HV_IRQFD_FLAG_DEASSIGN));
	/* Disconnecting what isn't connected is no error. */
	EXPECT_EQ(0, irqfd(self->vm, self->fd, GSI, HV_IRQFD_FLAG_DEASSIGN));
	vm_free(bare);
	close(pipes[0]);
	close(pipes[1]);
}

/* An eventfd has one GSI of a VM; a GSI may have several eventfds. */
TEST_F(irqfd, duplicates)
{
	int dup_fd = dup(self->fd), other = new_fd();

	EXPECT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	EXPECT_EQ(-EBUSY, irqfd(self->vm, self->fd, GSI, 0));
	EXPECT_EQ(-EBUSY, irqfd(self->vm, self->fd, GSI + 1, 0));
	EXPECT_EQ(-EBUSY, irqfd(self->vm, dup_fd, GSI, 0));
	EXPECT_EQ(0, irqfd(self->vm, other, GSI, 0));
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	signal_fd(other);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	/* The other descriptor of the same eventfd is as good. */
	EXPECT_EQ(0, irqfd(self->vm, dup_fd, GSI, HV_IRQFD_FLAG_DEASSIGN));
	signal_fd(self->fd);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	close(dup_fd);
	close(other);
}

TEST_F(irqfd, message)
{
	uint64_t value;

	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	signal_fd(self->fd);
	/* The counter is reset. */
	EXPECT_EQ(-1, read(self->fd, &value, sizeof(value)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[VECTOR]);
	signal_fd(self->fd);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
}

/* Through a pin it's an edge: up and down again. */
TEST_F(irqfd, pin)
{
	guest_call(self->vcpu, "ioapic_write", REDTBL(20) + 1, 0);
	guest_call(self->vcpu, "ioapic_write", REDTBL(20), 0x51);
	route(self->vm, to_pin(GSI, 20));
	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	signal_fd(self->fd);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	EXPECT_EQ(2, self->count[0x51]);
}

TEST_F(irqfd, signaled_before)
{
	signal_fd(self->fd);
	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 1 });
	EXPECT_EQ(1, guest_finish(self->vcpu));
}

/* The route that counts is that of the moment. */
TEST_F(irqfd, route_changes)
{
	struct hv_irq_routing none = { 0 };

	must(hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &none));
	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	signal_fd(self->fd);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	route(self->vm, to_msi(GSI, 0x71));
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x71]);
	route(self->vm, to_msi(GSI, 0x72));
	signal_fd(self->fd);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x72]);
}

TEST_F(irqfd, deassign)
{
	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	/* Another GSI: not this one. */
	EXPECT_EQ(0, irqfd(self->vm, self->fd, GSI + 1, HV_IRQFD_FLAG_DEASSIGN));
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(0, irqfd(self->vm, self->fd, GSI, HV_IRQFD_FLAG_DEASSIGN));
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* And again: what was signaled meanwhile comes now. */
	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 2 });
	EXPECT_EQ(2, guest_finish(self->vcpu));
}

/* Closing the last descriptor disconnects; the VM's end does, too. */
TEST_F(irqfd, close)
{
	int other = dup(self->fd), i;

	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	close(self->fd);
	signal_fd(other);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	close(other);
	for (i = 0; i < 200; i++) {
		self->fd = new_fd();
		ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
		signal_fd(self->fd);
		close(self->fd);
	}
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	self->fd = new_fd();
	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	/* The VM fd goes, the vCPU stays. */
	close(self->vm->fd);
	signal_fd(self->fd);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
}

TEST_F(irqfd, wakes_halted)
{
	struct runner r;
	unsigned int i;

	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 200 });
	runner_start(&r, self->vcpu);
	for (i = 1; i <= 200; i++) {
		signal_fd(self->fd);
		ASSERT_TRUE(wait_for(self->count[VECTOR] == i)) {
			TH_LOG("interrupt %u of 200", i);
		}
	}
	EXPECT_TRUE(wait_for(r.done));
	runner_stop(&r);
	EXPECT_EQ(200, vcpu_regs(self->vcpu).rax);
}

TEST_F(irqfd, interrupts_running)
{
	struct runner r;
	unsigned int i;

	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	guest_start(self->vcpu, "spin_until", 1, (uint64_t[]){ 20 });
	runner_start(&r, self->vcpu);
	for (i = 1; i <= 20; i++) {
		signal_fd(self->fd);
		ASSERT_TRUE(wait_for(self->count[VECTOR] == i));
	}
	EXPECT_TRUE(wait_for(r.done));
	runner_stop(&r);
}

/* ---- races ---- */

/**
 * struct storm - threads that work against each other
 * @vm: VM
 * @fd: eventfd that is connected to GSI
 * @stop: end
 * @changes: what the thread has done
 */
struct storm {
	struct vm *vm;
	int fd;
	volatile bool stop;
	volatile unsigned long changes;
};

static void *change_routes(void *arg)
{
	struct storm *s = arg;

	while (!s->stop) {
		route(s->vm, to_msi(GSI, VECTOR + s->changes % 2));
		s->changes++;
		sched_yield();
	}
	return NULL;
}

/*
 * 100,000 signals while another thread replaces the routing table. Each says that "seq"
 * is one higher; the guest halts in between. A signal that is lost leaves it behind:
 * every 50th has to be seen before the next one is sent.
 */
TEST_F_TIMEOUT(irqfd, none_is_lost, 300)
{
	const unsigned long n = 100000;
	struct storm s = { .vm = self->vm };
	volatile uint64_t *seq = guest_var(self->vm, "seq");
	volatile uint64_t *seen = guest_var(self->vm, "seen");
	struct runner r;
	pthread_t t;
	unsigned long i, total;

	ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
	guest_start(self->vcpu, "follow", 1, &n);
	runner_start(&r, self->vcpu);
	ASSERT_EQ(0, pthread_create(&t, NULL, change_routes, &s));
	for (i = 1; i <= n; i++) {
		*seq = i;
		signal_fd(self->fd);
		if (i % 50)
			continue;
		while (*seen != i && !r.done && wait_for(*seen == i || r.done))
			;
		if (*seen != i)
			break;
	}
	EXPECT_EQ(n, *seen) {
		TH_LOG("stopped at %lu of %lu, seen %lu", i, n, (unsigned long)*seen);
	}
	EXPECT_TRUE(wait_for(r.done));
	s.stop = true;
	pthread_join(t, NULL);
	runner_stop(&r);
	/* Merged with one that waits, but never doubled. */
	total = self->count[VECTOR] + self->count[VECTOR + 1];
	EXPECT_GE(total, n / 50);
	EXPECT_LE(total, n);
	EXPECT_GT(s.changes, 10);
	TH_LOG("%lu signals, %lu interrupts, %lu tables", n, total, s.changes);
}

static void *signal_all_the_time(void *arg)
{
	struct storm *s = arg;

	while (!s->stop) {
		signal_fd(s->fd);
		s->changes++;
	}
	return NULL;
}

/* Disconnected means silent, however busy the other thread is. */
TEST_F(irqfd, deassign_while_signaled)
{
	struct storm s = { .vm = self->vm, .fd = self->fd };
	uint64_t before;
	pthread_t t;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&t, NULL, signal_all_the_time, &s));
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, 0));
		if (i % 3)
			sched_yield();
		ASSERT_EQ(0, irqfd(self->vm, self->fd, GSI, HV_IRQFD_FLAG_DEASSIGN));
		if (i % 30)
			continue;
		before = guest_call(self->vcpu, "window");
		sleep_us(200);
		EXPECT_EQ(before, guest_call(self->vcpu, "window"));
	}
	s.stop = true;
	pthread_join(t, NULL);
	EXPECT_GT(s.changes, 0);
	EXPECT_GT(self->count[VECTOR], 0);
}

static void *close_soon(void *arg)
{
	close((long)arg);
	return NULL;
}

/* The last descriptor is closed by another thread, or together with the VM. */
TEST_F(irqfd, close_races)
{
	unsigned int i;
	pthread_t t;

	for (i = 0; i < 200; i++) {
		int fd = new_fd();

		ASSERT_EQ(0, irqfd(self->vm, fd, GSI, 0));
		ASSERT_EQ(0, pthread_create(&t, NULL, close_soon, (void *)(long)fd));
		if (i % 20 == 19) {
			vcpu_free(self->vcpu);
			vm_free(self->vm);
			close(self->fd);
			setup_vm(self);
		} else {
			irqfd(self->vm, fd, GSI, HV_IRQFD_FLAG_DEASSIGN);
		}
		pthread_join(t, NULL);
	}
}

/* A VMM that is killed with signals under way leaves nothing behind. */
TEST(kill_9)
{
	unsigned int i;
	int status;

	for (i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (!pid) {
			FIXTURE_DATA(irqfd) d;
			struct storm s;
			struct runner r;
			pthread_t t;

			setup_vm(&d);
			must(irqfd(d.vm, d.fd, GSI, 0));
			s = (struct storm) { .vm = d.vm, .fd = d.fd };
			guest_start(d.vcpu, "halt_until", 1, (uint64_t[]){ -1ULL });
			runner_start(&r, d.vcpu);
			pthread_create(&t, NULL, signal_all_the_time, &s);
			change_routes(&s);
			_exit(0);
		}
		sleep_us(20000 + 3000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

TEST_HARNESS_MAIN
