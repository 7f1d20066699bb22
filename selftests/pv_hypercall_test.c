// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's hypercalls: kick, IPIs to many, yield, clock pairing; and HV_CAP_ENFORCE_PV_FEATURE_CPUID.
 */
#include <time.h>
#include <asm/kvm_para.h>
#include <linux/kvm_para.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define SECOND		1000000000UL
#define VECTOR		0x51
#define PAIRING		GUEST_FREE

FIXTURE(pv)
{
	struct vm *vm;
	struct vcpu *vcpu[3];
};

FIXTURE_SETUP(pv)
{
	unsigned int i;

	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "pv");
	guest_u64(self->vm, "amd") = !cpu_is_intel();
	for (i = 0; i < 3; i++) {
		self->vcpu[i] = vcpu_create(self->vm, i);
		vcpu_make_runnable(self->vcpu[i]);
		vcpu_long_mode(self->vcpu[i], NULL);
	}
}

FIXTURE_TEARDOWN(pv)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		vcpu_free(self->vcpu[i]);
	vm_free(self->vm);
}

#define hypercall(self, ...)	((long)guest_call((self)->vcpu[0], "hypercall_", __VA_ARGS__))

static uint32_t mp_state(struct vcpu *vcpu)
{
	struct hv_mp_state s;

	must(hv_ioctl(vcpu->fd, HV_GET_MP_STATE, &s));
	return s.mp_state;
}

TEST_F(pv, offered)
{
	struct hv_cpuid2 *c = supported_cpuid(self->vm);
	uint32_t features = cpuid_entry(c, KVM_CPUID_FEATURES, 0)->eax;

	EXPECT_TRUE(features & 1U << KVM_FEATURE_PV_UNHALT);
	EXPECT_TRUE(features & 1U << KVM_FEATURE_PV_SEND_IPI);
	EXPECT_TRUE(features & 1U << KVM_FEATURE_PV_SCHED_YIELD);
	EXPECT_TRUE(features & 1U << KVM_FEATURE_POLL_CONTROL);
	EXPECT_TRUE(features & 1U << KVM_FEATURE_STEAL_TIME);
	EXPECT_TRUE(features & 1U << KVM_FEATURE_PV_TLB_FLUSH);
	free(c);
}

/* A kick ends the HLT of a vCPU that takes no interrupts. */
TEST_F(pv, kick)
{
	struct runner runner;

	guest_start(self->vcpu[1], "halts", 1, (uint64_t[]){ 1 });
	runner_start(&runner, self->vcpu[1]);
	ASSERT_TRUE(wait_for(guest_u64(self->vm, "counter") == 1));
	sleep_us(5000);
	EXPECT_FALSE(runner.done);
	EXPECT_EQ(0, hypercall(self, KVM_HC_KICK_CPU, 0, 1));
	EXPECT_TRUE(wait_for(runner.done));
	runner_stop(&runner);
	EXPECT_EQ(0x417, vcpu_regs(self->vcpu[1]).rax);
}

/* One that comes before the HLT ends that one, and no other. */
TEST_F(pv, kick_before_halt)
{
	struct runner runner;

	EXPECT_EQ(0, hypercall(self, KVM_HC_KICK_CPU, 0, 1));
	EXPECT_EQ(0, hypercall(self, KVM_HC_KICK_CPU, 0, 1));
	guest_start(self->vcpu[1], "halts", 1, (uint64_t[]){ 2 });
	runner_start(&runner, self->vcpu[1]);
	EXPECT_TRUE(wait_for(guest_u64(self->vm, "counter") == 2));
	sleep_us(5000);
	EXPECT_FALSE(runner.done);
	runner_stop(&runner);
	EXPECT_EQ(HV_MP_STATE_HALTED, mp_state(self->vcpu[1]));
	/* It has happened although the vCPU's thread has not seen it. */
	EXPECT_EQ(0, hypercall(self, KVM_HC_KICK_CPU, 0, 1));
	EXPECT_EQ(HV_MP_STATE_RUNNABLE, mp_state(self->vcpu[1]));
	/* Nobody there */
	EXPECT_EQ(0, hypercall(self, KVM_HC_KICK_CPU, 0, 77));
	EXPECT_EQ(0, hypercall(self, KVM_HC_KICK_CPU, 0, 1UL << 40));
}

static long send_ipi(FIXTURE_DATA(pv) *self, uint64_t low, uint64_t high, uint64_t min,
		     uint64_t icr)
{
	guest_u64(self->vm, "a3") = icr;
	return guest_call(self->vcpu[0], "hypercall4", KVM_HC_SEND_IPI, low, high, min);
}

static uint32_t irr(struct vcpu *vcpu)
{
	return lapic_reg(vcpu, APIC_IRR + VECTOR / 32 * 0x10) & 1U << VECTOR % 32;
}

static void lapic_on(struct vcpu *vcpu)
{
	struct hv_lapic_state s;

	must(hv_ioctl(vcpu->fd, HV_GET_LAPIC, &s));
	*(uint32_t *)(s.regs + APIC_SVR) = 0x1ff;
	must(hv_ioctl(vcpu->fd, HV_SET_LAPIC, &s));
}

TEST_F(pv, send_ipi)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		lapic_on(self->vcpu[i]);
	/* Ids 1 and 2, bits 0 and 1 from id 1 on */
	EXPECT_EQ(2, send_ipi(self, 3, 0, 1, VECTOR));
	EXPECT_EQ(0, irr(self->vcpu[0]));
	EXPECT_NE(0, irr(self->vcpu[1]));
	EXPECT_NE(0, irr(self->vcpu[2]));
	/* It is pending there; and those who don't exist don't count. */
	EXPECT_EQ(0, send_ipi(self, 0, 1UL << 63, 0, VECTOR));
	EXPECT_EQ(0, send_ipi(self, 0xff00, 0, 0, VECTOR));
	EXPECT_EQ(0, send_ipi(self, ~0UL, ~0UL, 1000, VECTOR));
	EXPECT_EQ(0, send_ipi(self, ~0UL, ~0UL, ~0UL, VECTOR));
	/* The destination is not in the ICR. */
	EXPECT_EQ(-KVM_EINVAL, send_ipi(self, 1, 0, 1, VECTOR | 1U << 11));
	EXPECT_EQ(-KVM_EINVAL, send_ipi(self, 1, 0, 1, VECTOR | 3U << 18));
}

TEST_F(pv, sched_yield)
{
	EXPECT_EQ(0, hypercall(self, KVM_HC_SCHED_YIELD, 1));
	EXPECT_EQ(0, hypercall(self, KVM_HC_SCHED_YIELD, 0));
	EXPECT_EQ(0, hypercall(self, KVM_HC_SCHED_YIELD, 77));
	EXPECT_EQ(0, hypercall(self, KVM_HC_SCHED_YIELD, ~0UL));
	EXPECT_LE(4, vcpu_stat(self->vcpu[0], "directed_yield_attempted"));
}

/* The wall clock and the guest's TSC of one instant */
TEST_F(pv, clock_pairing)
{
	struct kvm_clock_pairing *pair = (void *)(self->vm->ram + PAIRING);
	uint64_t before, ns, after, tsc;
	struct timespec now;
	long ret;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	clock_gettime(CLOCK_REALTIME, &now);
	before = now.tv_sec * SECOND + now.tv_nsec;
	memset(pair, 0xff, sizeof(*pair));
	ret = hypercall(self, KVM_HC_CLOCK_PAIRING, PAIRING, KVM_CLOCK_PAIRING_WALLCLOCK);
	if (ret == -KVM_EOPNOTSUPP)
		SKIP(return, "the host's clocksource isn't the TSC");
	ASSERT_EQ(0, ret);
	clock_gettime(CLOCK_REALTIME, &now);
	after = now.tv_sec * SECOND + now.tv_nsec;
	ns = pair->sec * SECOND + pair->nsec;
	EXPECT_GE(ns, before);
	EXPECT_LE(ns, after);
	EXPECT_EQ(0, pair->flags);
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu[0], MSR_TSC, &tsc));
	EXPECT_LT(pair->tsc, tsc);
	EXPECT_NE(0, pair->tsc);

	EXPECT_EQ(-KVM_EOPNOTSUPP, hypercall(self, KVM_HC_CLOCK_PAIRING, PAIRING, 1));
	EXPECT_EQ(-KVM_EFAULT, hypercall(self, KVM_HC_CLOCK_PAIRING, GUEST_MMIO, 0));
}

/* What the guest's CPUID does not show is not there, if the VMM says so. */
TEST_F(pv, enforce_cpuid)
{
	struct hv_enable_cap cap = { .cap = HV_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	struct hv_cpuid2 *c = supported_cpuid(self->vm);
	struct vcpu *vcpu;
	uint64_t val;

	EXPECT_LT(0, check_cap(self->vm->fd, HV_CAP_ENFORCE_PV_FEATURE_CPUID));
	cpuid_entry(c, KVM_CPUID_FEATURES, 0)->eax = 1U << KVM_FEATURE_PV_SCHED_YIELD;
	vcpu = vcpu_create_nocpuid(self->vm, 3);
	must(hv_ioctl(vcpu->fd, HV_SET_CPUID2, c));
	vcpu_make_runnable(vcpu);
	vcpu_long_mode(vcpu, NULL);

	/* As long as nothing is enforced */
	EXPECT_EQ(0, guest_call(vcpu, "hypercall_", KVM_HC_KICK_CPU, 0, 0));
	guest_call(vcpu, "rdmsr_", MSR_KVM_STEAL_TIME);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));

	ASSERT_EQ(0, hv_ioctl(vcpu->fd, HV_ENABLE_CAP, &cap));
	EXPECT_EQ(-KVM_ENOSYS, (long)guest_call(vcpu, "hypercall_", KVM_HC_KICK_CPU, 0, 0));
	EXPECT_EQ(0, guest_call(vcpu, "hypercall_", KVM_HC_SCHED_YIELD, 0));
	guest_call(vcpu, "rdmsr_", MSR_KVM_STEAL_TIME);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	guest_call(vcpu, "wrmsr_", MSR_KVM_SYSTEM_TIME_NEW, GUEST_FREE | 1);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	/* The VMM saves and restores them in any case. */
	if (!device_is_kvm())
		EXPECT_EQ(1, vcpu_get_msr(vcpu, MSR_KVM_STEAL_TIME, &val));
	cap.flags = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_ENABLE_CAP, &cap));
	cap = (struct hv_enable_cap){ .cap = 0xffff };
	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_ENABLE_CAP, &cap));
	vcpu_free(vcpu);
	free(c);
}

TEST_HARNESS_MAIN
