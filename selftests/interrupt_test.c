// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_INTERRUPT: external interrupts of a VMM that has the interrupt controller
 * itself, and the window in which they can be given.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(intr)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_run *run;
	uint32_t *count;
};

FIXTURE_SETUP(intr)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->run = self->vcpu->run;
	self->count = guest_var(self->vm, "irq_count");
}

FIXTURE_TEARDOWN(intr)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/*
 * KVM injects at once and leaves it to the VMM to look at IF before: with IF clear
 * VMX refuses the entry, SVM delivers anyway.
 */
#define NEED_CHECK_OF_IF()						\
	do {								\
		if (device_is_kvm())					\
			SKIP(return, "KVM leaves the check to the VMM"); \
	} while (0)

static long interrupt(FIXTURE_DATA(intr) *self, uint32_t vector)
{
	return hv_ioctl(self->vcpu->fd, HV_INTERRUPT, &(struct hv_interrupt){ vector });
}

static void set_if(FIXTURE_DATA(intr) *self, bool on)
{
	struct hv_regs r = vcpu_regs(self->vcpu);

	r.rflags = on ? r.rflags | RFLAGS_IF : r.rflags & ~RFLAGS_IF;
	vcpu_set_regs(self->vcpu, &r);
}

TEST_F(intr, bad_vector)
{
	EXPECT_EQ(-EINVAL, interrupt(self, 256));
	EXPECT_EQ(-EINVAL, interrupt(self, 0xffffffff));
}

/* With PICs in the kernel there's nothing to do for the VMM's. */
TEST_F(intr, not_with_pic)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct hv_irqchip pic = { .chip_id = HV_IRQCHIP_PIC_MASTER };

	if (hv_ioctl(vm->fd, HV_GET_IRQCHIP, &pic))
		SKIP(return, "no PIC in the kernel");
	EXPECT_EQ(-ENXIO, hv_ioctl(vcpu->fd, HV_INTERRUPT, &(struct hv_interrupt){ 0x30 }));
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F(intr, delivered)
{
	guest_start(self->vcpu, "identity", 0, NULL);
	set_if(self, true);
	ASSERT_EQ(0, interrupt(self, 0x31));
	EXPECT_EQ(0, guest_finish(self->vcpu));
	EXPECT_EQ(1, self->count[0x31]);
	EXPECT_EQ(1, self->run->if_flag);
	EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
}

/* With IF clear it waits for the window, and userspace is told it's not ready. */
TEST_F(intr, waits_for_if)
{
	struct hv_sregs s;

	NEED_CHECK_OF_IF();
	ASSERT_EQ(0, interrupt(self, 0x40));
	s = vcpu_sregs(self->vcpu);
	EXPECT_EQ(1, s.interrupt_bitmap[1]);
	EXPECT_EQ(4, guest_call(self->vcpu, "identity", 4));
	EXPECT_EQ(0, self->count[0x40]);
	EXPECT_EQ(0, self->run->if_flag);
	EXPECT_EQ(0, self->run->ready_for_interrupt_injection);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x40]);
}

/* One can wait. KVM overwrites it without a word. */
TEST_F(intr, one_waits)
{
	NEED_CHECK_OF_IF();
	ASSERT_EQ(0, interrupt(self, 0x40));
	EXPECT_EQ(-EEXIST, interrupt(self, 0x41));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x40]);
	EXPECT_EQ(0, interrupt(self, 0x41));
}

/* request_interrupt_window: an exit as soon as the guest could take one. */
TEST_F(intr, window_exit)
{
	const uint64_t shadow = guest_sym(self->vm, "window") + 1;
	unsigned int tries = cpu_is_tcg() ? 10 : 1;

	self->run->request_interrupt_window = 1;
	/* Not in the shadow of STI. TCG forgets that at VMRUN, if the host is interrupted there. */
	do {
		guest_start(self->vcpu, "window", 0, NULL);
		ASSERT_EQ(HV_EXIT_IRQ_WINDOW_OPEN, vcpu_run(self->vcpu)) {
			vcpu_dump(self->vcpu);
		}
		EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
		EXPECT_EQ(1, self->run->if_flag);
	} while (--tries && vcpu_regs(self->vcpu).rip <= shadow);
	EXPECT_GT(vcpu_regs(self->vcpu).rip, shadow);
	self->run->request_interrupt_window = 0;
	ASSERT_EQ(0, interrupt(self, 0x50));
	EXPECT_EQ(1, guest_finish(self->vcpu));
	EXPECT_EQ(1, self->count[0x50]);
}

/* With interrupts off the guest runs on; the window is open at the end. */
TEST_F(intr, no_window_no_exit)
{
	self->run->request_interrupt_window = 1;
	guest_start(self->vcpu, "identity", 1, (uint64_t[]){ 6 });
	EXPECT_EQ(6, guest_finish(self->vcpu));
	self->run->request_interrupt_window = 0;
}

/* A window request while it's open: the exit comes at once. */
TEST_F(intr, window_is_open)
{
	guest_start(self->vcpu, "spin_until", 1, (uint64_t[]){ 1 });
	set_if(self, true);
	self->run->request_interrupt_window = 1;
	EXPECT_EQ(HV_EXIT_IRQ_WINDOW_OPEN, vcpu_run(self->vcpu));
	ASSERT_EQ(0, interrupt(self, 0x60));
	self->run->request_interrupt_window = 0;
	EXPECT_EQ(1, guest_finish(self->vcpu));
}

/* STI and MOV SS: the instruction after them isn't interrupted. */
TEST_F(intr, shadows)
{
	NEED_CHECK_OF_IF();
	ASSERT_EQ(0, interrupt(self, 0x70));
	guest_call(self->vcpu, "sti_shadow");
	EXPECT_EQ(1, self->count[0x70]);
	ASSERT_EQ(0, interrupt(self, 0x71));
	guest_call(self->vcpu, "mov_ss_shadow");
	EXPECT_EQ(1, self->count[0x71]);
}

TEST_F(intr, wakes_hlt)
{
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 1 });
	EXPECT_EQ(HV_EXIT_HLT, vcpu_run(self->vcpu));
	EXPECT_EQ(1, self->run->if_flag);
	ASSERT_EQ(0, interrupt(self, 0x33));
	EXPECT_EQ(1, guest_finish(self->vcpu));
}

TEST_F(intr, many)
{
	unsigned int i;

	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 100 });
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(HV_EXIT_HLT, vcpu_run(self->vcpu));
		ASSERT_EQ(0, interrupt(self, 0x20 + i));
	}
	EXPECT_EQ(100, guest_finish(self->vcpu));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(1, self->count[0x20 + i]);
}

/* Delivery that needs the IDT's page to be mapped first: once. */
TEST_F(intr, delivery_interrupted)
{
	unsigned int i;

	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 5 });
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(HV_EXIT_HLT, vcpu_run(self->vcpu));
		mprotect(self->vm->ram + GUEST_IDT, PAGE, PROT_NONE);
		mprotect(self->vm->ram + GUEST_IDT, PAGE, PROT_READ | PROT_WRITE);
		ASSERT_EQ(0, interrupt(self, 0x44));
	}
	EXPECT_EQ(5, guest_finish(self->vcpu));
	EXPECT_EQ(5, self->count[0x44]);
}

TEST_HARNESS_MAIN
