// SPDX-License-Identifier: GPL-2.0-only
/*
 * Polling after HLT: it learns how long, the VMM and the guest can forbid it, and it is
 * counted.
 */
#include <asm/kvm_para.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define HALTS		40
/* Periods of the LAPIC timer, which runs at 1 GHz; an emulated host is slow. */
#define PERIOD_NS	1000000
#define LONG_NS		10000000
/* Longer than a host should poll, but the halts of a slow one are longer, too */
#define LIMIT_NS	8000000

FIXTURE(halt_poll)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(halt_poll)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "pv");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(halt_poll)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long limit(FIXTURE_DATA(halt_poll) *self, uint64_t ns)
{
	return hv_ioctl(self->vm->fd, HV_ENABLE_CAP,
			&(struct hv_enable_cap){ .cap = HV_CAP_HALT_POLL, .args = { ns } });
}

/* Let it see that HLT is short, and return how often it has polled. */
static uint64_t polls(FIXTURE_DATA(halt_poll) *self)
{
	uint64_t before = vcpu_stat(self->vcpu, "halt_attempted_poll");

	guest_call(self->vcpu, "timer_halts", HALTS, PERIOD_NS);
	return vcpu_stat(self->vcpu, "halt_attempted_poll") - before;
}

/*
 * It has learnt to poll. On a busy machine the timer is faster than the guest, whose HLT finds its
 * interrupt there: nobody waits, nobody polls.
 */
static bool polls_by_and_by(FIXTURE_DATA(halt_poll) *self)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		if (polls(self) > HALTS / 4 && vcpu_stat(self->vcpu, "halt_successful_poll"))
			return true;
	return false;
}

/* Long halts, and it never polled. One that ended late makes the next a short one. */
static bool ceases_to_poll(FIXTURE_DATA(halt_poll) *self)
{
	uint64_t polled, failed;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		guest_call(self->vcpu, "timer_halts", 10, LONG_NS);
		polled = vcpu_stat(self->vcpu, "halt_attempted_poll");
		failed = vcpu_stat(self->vcpu, "halt_poll_fail_ns");
		guest_call(self->vcpu, "timer_halts", 5, LONG_NS);
		if (polled == vcpu_stat(self->vcpu, "halt_attempted_poll"))
			return failed == vcpu_stat(self->vcpu, "halt_poll_fail_ns");
	}
	return false;
}

TEST_F(halt_poll, learns)
{

	EXPECT_LT(0, check_cap(self->vm->fd, HV_CAP_HALT_POLL));
	ASSERT_EQ(0, limit(self, LIMIT_NS));
	EXPECT_TRUE(polls_by_and_by(self));
	EXPECT_LT(0, vcpu_stat(self->vcpu, "halt_poll_success_ns"));
	EXPECT_GE(vcpu_stat(self->vcpu, "halt_attempted_poll"),
		  vcpu_stat(self->vcpu, "halt_successful_poll"));

	/* With long halts it ceases to poll. */
	ASSERT_EQ(0, limit(self, PERIOD_NS / 2));
	EXPECT_TRUE(ceases_to_poll(self));
	EXPECT_LT(5 * LONG_NS, vcpu_stat(self->vcpu, "halt_wait_ns"));
}

/* The bound that the VMM sets */
TEST_F(halt_poll, forbidden_by_vmm)
{
	ASSERT_EQ(0, limit(self, 0));
	EXPECT_EQ(0, polls(self));
	/* The value is 32 bits wide. */
	EXPECT_EQ(-EINVAL, limit(self, 1UL << 32));
}

/* MSR_KVM_POLL_CONTROL: the guest polls itself */
TEST_F(halt_poll, forbidden_by_guest)
{
	ASSERT_EQ(0, limit(self, LIMIT_NS));
	EXPECT_EQ(1, guest_call(self->vcpu, "rdmsr_", MSR_KVM_POLL_CONTROL));
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_POLL_CONTROL, 0);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(0, polls(self));
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_POLL_CONTROL, 2);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_POLL_CONTROL, 1);
	EXPECT_TRUE(polls_by_and_by(self));
}

TEST_HARNESS_MAIN
