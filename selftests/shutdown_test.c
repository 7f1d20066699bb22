// SPDX-License-Identifier: GPL-2.0-only
/*
 * A triple fault is HV_EXIT_SHUTDOWN; the vCPU runs again once its state is set.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(shutdown)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_VARIANT(shutdown)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(shutdown, irqchip) { .flags = VM_IRQCHIP };
FIXTURE_VARIANT_ADD(shutdown, no_irqchip) { .flags = 0 };

FIXTURE_SETUP(shutdown)
{
	self->vm = vm_create(variant->flags);
	vm_load(self->vm, "insn");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(shutdown)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(shutdown, triple_fault)
{
	guest_start(self->vcpu, "triple_fault", 0, NULL);
	EXPECT_EQ(HV_EXIT_SHUTDOWN, vcpu_run(self->vcpu));
}

/* What QEMU does: reset the registers of the same vCPU. */
TEST_F(shutdown, runs_again)
{
	struct hv_vcpu_events events = { 0 };
	struct hv_mp_state mp = { HV_MP_STATE_RUNNABLE };
	unsigned int i;

	for (i = 0; i < 5; i++) {
		guest_start(self->vcpu, "triple_fault", 0, NULL);
		ASSERT_EQ(HV_EXIT_SHUTDOWN, vcpu_run(self->vcpu));
		vcpu_long_mode(self->vcpu, NULL);
		EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &events));
		EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_MP_STATE, &mp));
		EXPECT_EQ(i, guest_call(self->vcpu, "identity", i));
	}
}

/* State can be read after a shutdown. */
TEST_F(shutdown, state_is_readable)
{
	struct hv_sregs s;
	struct hv_vcpu_events e;

	guest_start(self->vcpu, "triple_fault", 0, NULL);
	ASSERT_EQ(HV_EXIT_SHUTDOWN, vcpu_run(self->vcpu));
	s = vcpu_sregs(self->vcpu);
	/* SVM resets the vCPU at a shutdown, VMX leaves it as it was. */
	if (cpu_is_intel())
		EXPECT_EQ(0, s.idt.limit);
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
}

TEST_HARNESS_MAIN
