// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259 PICs in the kernel: their ports do not exit, their interrupts reach the
 * boot CPU through LINT0 or past a disabled LAPIC, their state can be read and set.
 */
#include <sys/eventfd.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define MASTER		0x20
#define SLAVE		0xa0
#define ELCR		0x4d0
#define BASE		0x40	/* vectors of the master; the slave's follow */
#define EOI		0x20
#define READ_IRR	0x0a
#define READ_ISR	0x0b
#define LVT_MASK	(1U << 16)
#define LVT_EXTINT	(7U << 8)

FIXTURE(pic)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint32_t *count;
};

static void out(FIXTURE_DATA(pic) *self, uint16_t port, uint8_t value)
{
	guest_call(self->vcpu, "out8", port, value);
}

static uint8_t in(FIXTURE_DATA(pic) *self, uint16_t port)
{
	return guest_call(self->vcpu, "in8", port);
}

static uint8_t reg(FIXTURE_DATA(pic) *self, uint16_t port, uint8_t which)
{
	out(self, port, which);
	return in(self, port);
}

static void init(FIXTURE_DATA(pic) *self, uint8_t icw4)
{
	out(self, MASTER, 0x11);
	out(self, MASTER + 1, BASE);
	out(self, MASTER + 1, 4);
	out(self, MASTER + 1, icw4);
	out(self, SLAVE, 0x11);
	out(self, SLAVE + 1, BASE + 8);
	out(self, SLAVE + 1, 2);
	out(self, SLAVE + 1, icw4 & ~0x10);
}

FIXTURE_SETUP(pic)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	init(self, 1);
}

FIXTURE_TEARDOWN(pic)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static int line(FIXTURE_DATA(pic) *self, uint32_t gsi, uint32_t level)
{
	struct hv_irq_level l = { .irq = gsi, .level = level };

	must(hv_ioctl(self->vm->fd, HV_IRQ_LINE_STATUS, &l));
	return l.status;
}

static void pulse(FIXTURE_DATA(pic) *self, uint32_t gsi)
{
	line(self, gsi, 1);
	line(self, gsi, 0);
}

/* Interrupts so far, after another chance for them */
static unsigned int window(FIXTURE_DATA(pic) *self)
{
	return guest_call(self->vcpu, "window");
}

static unsigned int irq(FIXTURE_DATA(pic) *self, unsigned int n)
{
	return self->count[BASE + n];
}

TEST_F(pic, ports)
{
	out(self, MASTER + 1, 0xfb);
	out(self, SLAVE + 1, 0x7e);
	EXPECT_EQ(0xfb, in(self, MASTER + 1));
	EXPECT_EQ(0x7e, in(self, SLAVE + 1));
	/* Lines 0 to 2, 8 and 13 are always edge-triggered. */
	out(self, ELCR, 0xff);
	out(self, ELCR + 1, 0xff);
	EXPECT_EQ(0xf8, in(self, ELCR));
	EXPECT_EQ(0xde, in(self, ELCR + 1));
}

/* A word is two bytes to the two ports. KVM drops it. */
TEST_F(pic, wide_accesses)
{
	if (device_is_kvm())
		SKIP(return, "KVM ignores accesses that are not a byte");
	out(self, MASTER + 1, 0x35);
	guest_call(self->vcpu, "out16", MASTER, 0xb7 << 8 | READ_ISR);
	EXPECT_EQ(0xb700, guest_call(self->vcpu, "in16", MASTER));
	/* Half in the kernel only: that is for userspace. */
	guest_start(self->vcpu, "out16", 2, (uint64_t[]){ MASTER + 1, 0x1234 });
	EXPECT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(MASTER + 1, self->vcpu->run->io.port);
	guest_finish(self->vcpu);
	EXPECT_EQ(0xb7, in(self, MASTER + 1));
}

TEST_F(pic, string_instructions)
{
	uint8_t *buf = self->vm->ram + GUEST_FREE;

	memcpy(buf, "\x11\x22\x33", 3);
	guest_call(self->vcpu, "rep_out8", MASTER + 1, GUEST_FREE, 3);
	EXPECT_EQ(0x33, in(self, MASTER + 1));
	guest_call(self->vcpu, "rep_in8", MASTER + 1, GUEST_FREE, 2);
	EXPECT_EQ(0, memcmp(buf, "\x33\x33\x33", 3));
	guest_call(self->vcpu, "rep_in8", MASTER + 1, GUEST_FREE, 0);
	EXPECT_EQ(0x33, buf[0]);
}

TEST_F(pic, edge)
{
	EXPECT_GT(line(self, 4, 1), 0);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, irq(self, 4));
	EXPECT_EQ(0x10, reg(self, MASTER, READ_ISR));
	out(self, MASTER, EOI);
	EXPECT_EQ(0, reg(self, MASTER, READ_ISR));
	line(self, 4, 1);
	EXPECT_EQ(1, window(self));
	line(self, 4, 0);
	pulse(self, 4);
	EXPECT_EQ(0x10, reg(self, MASTER, READ_IRR));
	EXPECT_EQ(2, window(self));
	/* In service: nothing of its own or a lower priority */
	pulse(self, 4);
	pulse(self, 5);
	EXPECT_EQ(2, window(self));
	pulse(self, 1);
	EXPECT_EQ(3, window(self));
	out(self, MASTER, EOI);
	EXPECT_EQ(3, window(self));
	out(self, MASTER, EOI);
	EXPECT_EQ(4, window(self));
	out(self, MASTER, EOI);
	EXPECT_EQ(5, window(self));
	EXPECT_EQ(1, irq(self, 1));
	EXPECT_EQ(3, irq(self, 4));
	EXPECT_EQ(1, irq(self, 5));
}

TEST_F(pic, level)
{
	out(self, ELCR, 1 << 5);
	line(self, 5, 1);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, window(self));
	out(self, MASTER, EOI);
	EXPECT_EQ(2, window(self));
	line(self, 5, 0);
	out(self, MASTER, EOI);
	EXPECT_EQ(2, window(self));
	EXPECT_EQ(2, irq(self, 5));
}

/* An irqfd with a resampler: the EOI releases the line and says so. */
TEST_F(pic, resample)
{
	struct hv_irqfd irqfd = { .gsi = 5, .flags = HV_IRQFD_FLAG_RESAMPLE };
	uint64_t one = 1, n;
	bool got = false;

	irqfd.fd = eventfd(0, 0);
	irqfd.resamplefd = eventfd(0, EFD_NONBLOCK);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_IRQFD, &irqfd));
	out(self, ELCR, 1 << 5);
	ASSERT_EQ(8, write(irqfd.fd, &one, 8));
	/* KVM has a thread assert the line. */
	EXPECT_TRUE(wait_for(window(self) == 1));
	EXPECT_EQ(0x20, reg(self, MASTER, READ_IRR));
	EXPECT_EQ(-1, read(irqfd.resamplefd, &n, 8));
	out(self, MASTER, EOI);
	EXPECT_TRUE(wait_for(got || (got = read(irqfd.resamplefd, &n, 8) == 8)));
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(0, reg(self, MASTER, READ_IRR));
	EXPECT_EQ(1, irq(self, 5));
	/* Automatic EOI, of an edge: the same */
	out(self, ELCR, 0);
	init(self, 3);
	ASSERT_EQ(8, write(irqfd.fd, &one, 8));
	EXPECT_TRUE(wait_for(window(self) == 2));
	got = false;
	EXPECT_TRUE(wait_for(got || (got = read(irqfd.resamplefd, &n, 8) == 8)));
	close(irqfd.fd);
	close(irqfd.resamplefd);
}

TEST_F(pic, masks)
{
	out(self, MASTER + 1, 0x10);
	EXPECT_GT(0, line(self, 4, 1));
	EXPECT_EQ(0, window(self));
	out(self, MASTER + 1, 0);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, irq(self, 4));
}

/* Until a guest initializes them they interrupt nobody. */
TEST_F(pic, untouched)
{
	struct vcpu *vcpu;
	struct vm *vm;

	if (device_is_kvm())
		SKIP(return, "KVM delivers vectors 0 to 7, which are exceptions");
	vm = vm_create(VM_IRQCHIP);
	vm_load(vm, "interrupts");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	must(hv_ioctl(vm->fd, HV_IRQ_LINE, &(struct hv_irq_level){ .irq = 4, .level = 1 }));
	EXPECT_EQ(0, guest_call(vcpu, "window"));
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F(pic, slave)
{
	pulse(self, 12);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, irq(self, 12));
	EXPECT_EQ(0x04, reg(self, MASTER, READ_ISR));
	EXPECT_EQ(0x10, reg(self, SLAVE, READ_ISR));
	pulse(self, 13);
	out(self, SLAVE, EOI);
	EXPECT_EQ(1, window(self));
	out(self, MASTER, EOI);
	EXPECT_EQ(2, window(self));
	EXPECT_EQ(1, irq(self, 13));
}

TEST_F(pic, special_fully_nested)
{
	init(self, 0x11);
	pulse(self, 12);
	EXPECT_EQ(1, window(self));
	pulse(self, 9);
	EXPECT_EQ(2, window(self));
	EXPECT_EQ(1, irq(self, 9));
	EXPECT_EQ(0x12, reg(self, SLAVE, READ_ISR));
}

TEST_F(pic, automatic_eoi)
{
	init(self, 3);
	pulse(self, 9);
	pulse(self, 1);
	pulse(self, 6);
	window(self);
	EXPECT_EQ(3, window(self));
	EXPECT_EQ(0, reg(self, MASTER, READ_ISR));
	EXPECT_EQ(0, reg(self, SLAVE, READ_ISR));
}

TEST_F(pic, rotation)
{
	/* 3 becomes the lowest, 4 the highest */
	out(self, MASTER, 0xc3);
	pulse(self, 0);
	pulse(self, 4);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, irq(self, 4));
	/* Rotate on EOI: 5 the highest, 4 the lowest */
	out(self, MASTER, 0xa0);
	EXPECT_EQ(2, window(self));
	EXPECT_EQ(1, irq(self, 0));
	pulse(self, 4);
	EXPECT_EQ(2, window(self));
	pulse(self, 5);
	EXPECT_EQ(3, window(self));
}

TEST_F(pic, special_mask)
{
	if (device_is_kvm())
		SKIP(return, "KVM keeps the mode but does not follow it");
	pulse(self, 1);
	EXPECT_EQ(1, window(self));
	pulse(self, 4);
	EXPECT_EQ(1, window(self));
	out(self, MASTER, 0x68);
	EXPECT_EQ(1, window(self));
	out(self, MASTER + 1, 2);
	EXPECT_EQ(2, window(self));
	EXPECT_EQ(0x12, reg(self, MASTER, READ_ISR));
	out(self, MASTER, 0x64);
	EXPECT_EQ(0x02, reg(self, MASTER, READ_ISR));
}

TEST_F(pic, poll)
{
	pulse(self, 6);
	out(self, MASTER, 0x0c);
	/* KVM has bit 7 clear and forgets that the line is in service (82C59A, "Poll Command"). */
	if (device_is_kvm()) {
		EXPECT_EQ(6, in(self, MASTER) & 7);
	} else {
		EXPECT_EQ(0x86, in(self, MASTER));
		EXPECT_EQ(0x40, reg(self, MASTER, READ_ISR));
		out(self, MASTER, 0x0c);
		EXPECT_EQ(0, in(self, MASTER) & 0x80);
	}
	EXPECT_EQ(0, window(self));
}

/* The request is gone when the processor asks for the vector. */
TEST_F(pic, spurious)
{
	out(self, ELCR + 1, 2);
	line(self, 9, 1);
	line(self, 9, 0);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, irq(self, 15));
	EXPECT_EQ(4, reg(self, MASTER, READ_ISR));
	EXPECT_EQ(0, reg(self, SLAVE, READ_ISR));
}

/* LVT0 decides while the LAPIC is there; without it INTR is direct (SDM 3A 11.4.3). */
TEST_F(pic, lint0)
{
	uint64_t base;

	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT | LVT_MASK);
	pulse(self, 4);
	EXPECT_EQ(0, window(self));
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, 0x51);
	EXPECT_EQ(0, self->count[BASE + 4]);
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT);
	window(self);
	EXPECT_EQ(1, irq(self, 4));
	out(self, MASTER, EOI);
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT | LVT_MASK);
	pulse(self, 4);
	window(self);
	EXPECT_EQ(1, irq(self, 4));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_APIC_BASE, &base));
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_APIC_BASE, base & ~APIC_BASE_ENABLE));
	window(self);
	EXPECT_EQ(2, irq(self, 4));
}

/* LINT0 in another mode than ExtINT: the edge interrupts, nobody asks the PIC. */
TEST_F(pic, lint0_other_modes)
{
	if (device_is_kvm())
		SKIP(return, "KVM connects the PIC to ExtINTs only");
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, 0x51);
	pulse(self, 4);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, self->count[0x51]);
	EXPECT_EQ(0x10, reg(self, MASTER, READ_IRR));
	guest_call(self->vcpu, "apic_write", APIC_EOI, 0);
	/* The output is still high: no edge */
	pulse(self, 5);
	EXPECT_EQ(1, window(self));
	/* NMI, after the guest has polled the requests away */
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, 4U << 8);
	out(self, MASTER, 0x0c);
	EXPECT_EQ(0x84, in(self, MASTER));
	out(self, MASTER, EOI);
	out(self, MASTER, 0x0c);
	EXPECT_EQ(0x85, in(self, MASTER));
	out(self, MASTER, EOI);
	self->count[NMI_VECTOR] = 0;
	pulse(self, 4);
	guest_call(self->vcpu, "identity", 1);
	EXPECT_EQ(1, self->count[NMI_VECTOR]);
}

/* Priorities of the LAPIC hold back its own interrupts only (SDM 3A 11.8.3.1). */
TEST_F(pic, not_held_by_tpr)
{
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_call(self->vcpu, "apic_write", APIC_TPR, 0xf0);
	pulse(self, 4);
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, irq(self, 4));
}

TEST_F(pic, wakes_halted)
{
	struct runner r;
	unsigned int i;

	init(self, 3);
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 3 });
	runner_start(&r, self->vcpu);
	for (i = 1; i <= 3; i++) {
		pulse(self, 3);
		EXPECT_TRUE(wait_for(irq(self, 3) == i));
	}
	EXPECT_TRUE(wait_for(r.done));
	runner_stop(&r);
	EXPECT_EQ(3, vcpu_regs(self->vcpu).rax);
}

TEST_F(pic, interrupts_running)
{
	struct runner r;
	unsigned int i;

	init(self, 3);
	guest_start(self->vcpu, "spin_until", 1, (uint64_t[]){ 5 });
	runner_start(&r, self->vcpu);
	for (i = 1; i <= 5; i++) {
		pulse(self, 11);
		EXPECT_TRUE(wait_for(irq(self, 11) == i));
	}
	EXPECT_TRUE(wait_for(r.done));
	runner_stop(&r);
}

/* A LAPIC whose LVT0 is masked, as those of application processors are, gets nothing. */
TEST_F(pic, boot_cpu_only)
{
	struct vcpu *ap = vcpu_create(self->vm, 1);

	ASSERT_EQ(0, hv_ioctl(ap->fd, HV_SET_MP_STATE,
			      &(struct hv_mp_state){ HV_MP_STATE_RUNNABLE }));
	vcpu_long_mode(ap, NULL);
	pulse(self, 4);
	EXPECT_EQ(0, guest_call(ap, "window"));
	EXPECT_EQ(1, window(self));
	vcpu_free(ap);
}

TEST_F(pic, state)
{
	struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_PIC_SLAVE };

	out(self, SLAVE + 1, 0x81);
	out(self, ELCR + 1, 0x0c);
	pulse(self, 14);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
	EXPECT_EQ(BASE + 8, chip.chip.pic.irq_base);
	EXPECT_EQ(0x81, chip.chip.pic.imr);
	EXPECT_EQ(0x40, chip.chip.pic.irr);
	EXPECT_EQ(0x0c, chip.chip.pic.elcr);
	EXPECT_EQ(0xde, chip.chip.pic.elcr_mask);
	EXPECT_EQ(0, chip.chip.pic.init_state);
	chip.chip.pic.imr = 0x40;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_IRQCHIP, &chip));
	EXPECT_EQ(0x40, in(self, SLAVE + 1));

	chip.chip_id = HV_IRQCHIP_PIC_MASTER;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
	EXPECT_EQ(BASE, chip.chip.pic.irq_base);
	/* A request that comes with the state is delivered. */
	chip.chip.pic.irr = 0x02;
	chip.chip.pic.irq_base = 0x60;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_IRQCHIP, &chip));
	EXPECT_EQ(1, window(self));
	EXPECT_EQ(1, self->count[0x61]);
}

TEST_HARNESS_MAIN
