// SPDX-License-Identifier: GPL-2.0-only
/*
 * MONITOR, MWAIT and PAUSE: a guest can't stop the processor with them.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(mwait)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(mwait)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "insn");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(mwait)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/* NOPs (KVM's quirk) or, as CPUID doesn't show them, #UD. It never waits. */
TEST_F(mwait, monitor_mwait)
{
	EXPECT_EQ(0x3141, guest_call(self->vcpu, "monitor_mwait"));
	EXPECT_TRUE(guest_fault(self->vm) == NO_FAULT || guest_fault(self->vm) == UD_VECTOR) {
		TH_LOG("fault %d", guest_fault(self->vm));
	}
}

TEST_F(mwait, pause)
{
	EXPECT_EQ(0x9a5e, guest_call(self->vcpu, "pause_loop"));
}

TEST_HARNESS_MAIN
