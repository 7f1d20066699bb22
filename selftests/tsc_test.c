// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's time-stamp counter: its offset, its frequency, RDTSCP.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(tsc)
{
	struct vm *vm;
	struct vcpu *vcpu;
	/* Cycles of ten seconds: far more than a test takes. */
	uint64_t much;
};

FIXTURE_SETUP(tsc)
{
	long khz;

	self->vm = vm_create(0);
	vm_load(self->vm, "insn");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	khz = hv_ioctl(self->vcpu->fd, HV_GET_TSC_KHZ, 0);
	self->much = khz > 0 ? khz * 10000UL : 1UL << 36;
}

FIXTURE_TEARDOWN(tsc)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static uint64_t rdtsc(FIXTURE_DATA(tsc) *self)
{
	return guest_call(self->vcpu, "rdtsc_");
}

TEST_F(tsc, starts_near_zero_and_grows)
{
	uint64_t a = rdtsc(self), b = rdtsc(self);

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	EXPECT_LT(a, self->much);
	EXPECT_GT(b, a);
	EXPECT_LT(b, self->much);
}

TEST_F(tsc, set_by_vmm)
{
	uint64_t value, a;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	/* A value far away is taken as it is. */
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_TSC, 1UL << 50));
	a = rdtsc(self);
	EXPECT_GE(a, 1UL << 50);
	EXPECT_LT(a, (1UL << 50) + self->much);
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_TSC, &value));
	EXPECT_GE(value, a);
	EXPECT_LT(value, (1UL << 50) + self->much);
}

TEST_F(tsc, set_by_guest)
{
	uint64_t a;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	guest_call(self->vcpu, "wrmsr_", MSR_TSC, 1UL << 52);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	a = rdtsc(self);
	EXPECT_GE(a, 1UL << 52);
	EXPECT_LT(a, (1UL << 52) + self->much);
	a = guest_call(self->vcpu, "rdmsr_", MSR_TSC);
	EXPECT_GE(a, 1UL << 52);
	EXPECT_LT(a, (1UL << 52) + self->much);
}

/* The host's TSC isn't the guest's. */
TEST_F(tsc, host_unaffected)
{
	uint64_t before = now_us(), after;

	guest_call(self->vcpu, "wrmsr_", MSR_TSC, 1UL << 62);
	rdtsc(self);
	after = now_us();
	EXPECT_GE(after, before);
	/* No machine is so busy, and 2^62 cycles are more, whatever the host's clock makes of them. */
	EXPECT_LT(after - before, 20000000);
}

TEST_F(tsc, rdtscp)
{
	struct hv_cpuid2 *c = supported_cpuid(self->vm);
	struct hv_cpuid_entry2 *e = cpuid_entry(c, 0x80000001, 0);
	uint64_t a;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	if (!e || !(e->edx & 1U << 27))
		SKIP(return, "no RDTSCP");
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_TSC_AUX, 0x1234));
	a = guest_call(self->vcpu, "rdtscp_");
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(0x1234, guest_u32(self->vm, "out"));
	EXPECT_LT(a, self->much);
	EXPECT_GT(guest_call(self->vcpu, "rdtscp_"), a);
}

TEST_F(tsc, frequency)
{
	long khz = hv_ioctl(self->vcpu->fd, HV_GET_TSC_KHZ, 0);

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	if (khz == -EIO)
		SKIP(return, "the host's TSC isn't stable");
	EXPECT_GT(khz, 1000);
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_TSC_KHZ, khz));
	EXPECT_EQ(khz, hv_ioctl(self->vcpu->fd, HV_GET_TSC_KHZ, 0));
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_TSC_KHZ, 0));
	EXPECT_EQ(khz, hv_ioctl(self->vcpu->fd, HV_GET_TSC_KHZ, 0));
	/* KVM makes up for a slow TSC in software. */
	if (!device_is_kvm() || check_cap(self->vm->fd, HV_CAP_TSC_CONTROL))
		EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_TSC_KHZ, 0xffffffff));
}

TEST_HARNESS_MAIN
