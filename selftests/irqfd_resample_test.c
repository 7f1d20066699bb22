// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_IRQFD with HV_IRQFD_FLAG_RESAMPLE: a level-triggered line that goes down, and a
 * second eventfd that tells, when the guest ends the interrupt.
 */
#include <sys/eventfd.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define REDTBL(pin)	(0x10 + 2 * (pin))
#define RTE_LEVEL	(1U << 15)
#define RTE_MASK	(1U << 16)
#define GSI		20
#define VECTOR		0x51

FIXTURE(resample)
{
	struct vm *vm;
	struct vcpu *vcpu;
	volatile uint32_t *count;
	int fd;
	int resamplefd;
};

static int new_fd(int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	must(fd);
	return fd;
}

static void program(struct vcpu *vcpu, uint32_t low)
{
	guest_call(vcpu, "ioapic_write", REDTBL(GSI) + 1, 0);
	guest_call(vcpu, "ioapic_write", REDTBL(GSI), low);
}

FIXTURE_SETUP(resample)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	program(self->vcpu, VECTOR | RTE_LEVEL);
	self->fd = new_fd(EFD_NONBLOCK);
	self->resamplefd = new_fd(EFD_NONBLOCK);
}

FIXTURE_TEARDOWN(resample)
{
	close(self->fd);
	close(self->resamplefd);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long connect_fds(struct vm *vm, int fd, int resamplefd)
{
	return hv_ioctl(vm->fd, HV_IRQFD,
			&(struct hv_irqfd){ .fd = fd, .gsi = GSI,
					    .flags = HV_IRQFD_FLAG_RESAMPLE,
					    .resamplefd = resamplefd });
}

static long disconnect(struct vm *vm, int fd)
{
	return hv_ioctl(vm->fd, HV_IRQFD,
			&(struct hv_irqfd){ .fd = fd, .gsi = GSI,
					    .flags = HV_IRQFD_FLAG_DEASSIGN });
}

static long line(struct vm *vm, uint32_t level)
{
	return hv_ioctl(vm->fd, HV_IRQ_LINE,
			&(struct hv_irq_level){ .irq = GSI, .level = level });
}

/* As the IOAPIC shows a line of a masked pin */
static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		die("eventfd: %s", strerror(errno));
}

static uint64_t taken(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void eoi(FIXTURE_DATA(resample) *self)
{
	guest_call(self->vcpu, "apic_write", APIC_EOI, 0);
}

TEST_F(resample, refused)
{
	EXPECT_EQ(-EBADF, connect_fds(self->vm, self->fd, 1000));
	EXPECT_EQ(-EINVAL, connect_fds(self->vm, self->fd, self->vm->sys));
	EXPECT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	EXPECT_EQ(-EBUSY, connect_fds(self->vm, self->fd, self->resamplefd));
	EXPECT_EQ(0, disconnect(self->vm, self->fd));
}

TEST_F(resample, until_eoi)
{
	ASSERT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* In service: nothing new, however often it's signaled. */
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(0, taken(self->resamplefd));
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
	/* The line is down. */
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(0, taken(self->resamplefd));
	/* The device still wants attention: once more. */
	signal_fd(self->fd);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
	EXPECT_EQ(2, self->count[VECTOR]);
}

/* All whose line it is are asked. */
TEST_F(resample, shared)
{
	int fd = new_fd(EFD_NONBLOCK), resamplefd = new_fd(EFD_NONBLOCK);

	ASSERT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	ASSERT_EQ(0, connect_fds(self->vm, fd, resamplefd));
	signal_fd(fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
	EXPECT_EQ(1, taken(resamplefd));
	/* One goes: the other one's interrupt stays. */
	signal_fd(self->fd);
	EXPECT_EQ(0, disconnect(self->vm, fd));
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
	EXPECT_EQ(0, taken(resamplefd));
	close(fd);
	close(resamplefd);
}

/* The VMM drives the same line: it's up as long as one of the two holds it. */
TEST_F(resample, with_irq_line)
{
	ASSERT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	line(self->vm, 1);
	signal_fd(self->fd);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	signal_fd(self->fd);
	line(self->vm, 0);
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	/* Released by the VMM while the eventfd holds it. */
	program(self->vcpu, VECTOR | RTE_LEVEL | RTE_MASK);
	signal_fd(self->fd);
	line(self->vm, 1);
	line(self->vm, 0);
	if (!device_is_kvm()) {
		struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_IOAPIC };

		must(hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
		EXPECT_EQ(1U << GSI, chip.chip.ioapic.irr);
	}
}

/* A line that nobody can release any more goes down. */
TEST_F(resample, deassign_releases)
{
	ASSERT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	program(self->vcpu, VECTOR | RTE_LEVEL | RTE_MASK);
	signal_fd(self->fd);
	EXPECT_EQ(0, disconnect(self->vm, self->fd));
	program(self->vcpu, VECTOR | RTE_LEVEL);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	/* By closing the eventfd, too. That takes effect a little later. */
	ASSERT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	program(self->vcpu, VECTOR | RTE_LEVEL | RTE_MASK);
	signal_fd(self->fd);
	EXPECT_TRUE(ioapic_is_up(self->vm, GSI));
	close(self->fd);
	self->fd = new_fd(EFD_NONBLOCK);
	EXPECT_TRUE(wait_for(!ioapic_is_up(self->vm, GSI)));
	program(self->vcpu, VECTOR | RTE_LEVEL);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
}

TEST_F(resample, signaled_before)
{
	signal_fd(self->fd);
	ASSERT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 1 });
	EXPECT_EQ(1, guest_finish(self->vcpu));
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
}

/* At the VM's state: what the line shows when it is saved and set again is released by the EOI. */
TEST_F(resample, chip_state)
{
	struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_IOAPIC };

	ASSERT_EQ(0, connect_fds(self->vm, self->fd, self->resamplefd));
	signal_fd(self->fd);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_IRQCHIP, &chip));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	eoi(self);
	EXPECT_EQ(1, taken(self->resamplefd));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
}

/**
 * struct dev - a device with a level-triggered interrupt
 * @fd: its interrupt
 * @resamplefd: the guest has ended one
 * @left: interrupts that it still wants to raise
 * @resampled: times that it was asked
 */
struct dev {
	int fd;
	int resamplefd;
	volatile unsigned int left;
	volatile unsigned int resampled;
};

static void *device_thread(void *arg)
{
	struct dev *d = arg;
	uint64_t n;

	while (d->left) {
		signal_fd(d->fd);
		if (read(d->resamplefd, &n, sizeof(n)) != sizeof(n))
			break;
		d->resampled += n;
		d->left--;
	}
	return NULL;
}

/* Each interrupt has one EOI, and each EOI one question: nothing lost, nothing double. */
TEST_F_TIMEOUT(resample, thousands, 120)
{
	const unsigned int rounds = 5000;
	struct dev d = { .left = rounds, .fd = self->fd, .resamplefd = new_fd(0) };
	struct runner r;
	pthread_t t;

	guest_u32(self->vm, "eoi") = 1;
	ASSERT_EQ(0, connect_fds(self->vm, d.fd, d.resamplefd));
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ rounds });
	runner_start(&r, self->vcpu);
	ASSERT_EQ(0, pthread_create(&t, NULL, device_thread, &d));
	while (!r.done && d.left) {
		unsigned int left = d.left;

		if (!wait_for(d.left != left || r.done))
			break;
	}
	/* The guest may be done before the device has counted the last one. */
	EXPECT_TRUE(wait_for(!d.left && r.done)) {
		TH_LOG("%u left, %u resampled, %u in the guest", d.left, d.resampled,
		       self->count[VECTOR]);
	}
	if (d.left)
		exit(1);
	pthread_join(t, NULL);
	runner_stop(&r);
	EXPECT_EQ(rounds, self->count[VECTOR]);
	EXPECT_EQ(rounds, d.resampled);
	close(d.resamplefd);
}

TEST_HARNESS_MAIN
