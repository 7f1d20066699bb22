// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_NMI: NMIs reach vector 2, once each, and not while one is being handled.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(nmi)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint32_t *count;
};

FIXTURE_VARIANT(nmi)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(nmi, irqchip) { .flags = VM_IRQCHIP };
FIXTURE_VARIANT_ADD(nmi, no_irqchip) { .flags = 0 };

FIXTURE_SETUP(nmi)
{
	self->vm = vm_create(variant->flags);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = (uint32_t *)guest_var(self->vm, "irq_count") + NMI_VECTOR;
}

FIXTURE_TEARDOWN(nmi)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(nmi, delivered_with_interrupts_off)
{
	unsigned int i;

	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_NMI, 0));
		EXPECT_EQ(i, guest_call(self->vcpu, "identity", i));
		EXPECT_EQ(i, *self->count);
	}
}

TEST_F(nmi, pending_is_visible)
{
	struct hv_vcpu_events e;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_NMI, 0));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.nmi.pending + e.nmi.injected);
	EXPECT_EQ(1, guest_call(self->vcpu, "identity", 1));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(0, e.nmi.pending + e.nmi.injected);
	EXPECT_EQ(0, e.nmi.masked);
}

/* Two may wait (one in service, one latched), a third is lost as on hardware. */
TEST_F(nmi, limit)
{
	unsigned int i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_NMI, 0));
	guest_call(self->vcpu, "identity", 1);
	guest_call(self->vcpu, "identity", 1);
	EXPECT_GE(*self->count, 1);
	EXPECT_LE(*self->count, 2);
}

/* While NMIs are masked one waits, not two; it comes when the mask goes. */
TEST_F(nmi, masked)
{
	struct hv_vcpu_events e;
	unsigned int i;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	e.nmi.masked = 1;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.nmi.masked);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_NMI, 0));
	guest_call(self->vcpu, "identity", 1);
	EXPECT_EQ(0, *self->count);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.nmi.masked);
	EXPECT_EQ(1, e.nmi.pending);
	e.nmi.masked = 0;
	e.flags |= HV_VCPUEVENT_VALID_NMI_PENDING;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &e));
	guest_call(self->vcpu, "identity", 1);
	guest_call(self->vcpu, "identity", 1);
	EXPECT_EQ(1, *self->count);
}

/* One that waits for the end of a handler comes right behind its IRET. */
TEST_F(nmi, behind_iret)
{
	struct hv_vcpu_events e;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	e.nmi.masked = 1;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_NMI, 0));
	EXPECT_LE(guest_call(self->vcpu, "iret_until_nmi"), 2);
	EXPECT_EQ(1, *self->count);
}

/* In the shadow of STI it waits for one instruction, and not by entering again and again. */
TEST_F(nmi, behind_sti)
{
	struct hv_vcpu_events e;
	struct hv_regs r;

	guest_start(self->vcpu, "identity", 1, (uint64_t[]){ 5 });
	r = vcpu_regs(self->vcpu);
	r.rflags |= RFLAGS_IF;
	vcpu_set_regs(self->vcpu, &r);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	e.interrupt.shadow = HV_X86_SHADOW_INT_STI;
	e.nmi.pending = 1;
	e.flags |= HV_VCPUEVENT_VALID_SHADOW | HV_VCPUEVENT_VALID_NMI_PENDING;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &e));
	EXPECT_EQ(5, guest_finish(self->vcpu));
	EXPECT_EQ(1, *self->count);
	/* The window of NMIs may open in the shadow: it is not the one to wait for. */
	if (!device_is_kvm() && cpu_is_intel())
		EXPECT_EQ(0, vcpu_stat(self->vcpu, "nmi_window_exits"));
}

/* Delivery through an IDT that isn't mapped yet: once. */
TEST_F(nmi, delivery_interrupted)
{
	unsigned int i;

	for (i = 1; i <= 5; i++) {
		mprotect(self->vm->ram + GUEST_IDT, PAGE, PROT_NONE);
		mprotect(self->vm->ram + GUEST_IDT, PAGE, PROT_READ | PROT_WRITE);
		ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_NMI, 0));
		guest_call(self->vcpu, "identity", 1);
		EXPECT_EQ(i, *self->count);
	}
}

TEST_HARNESS_MAIN
