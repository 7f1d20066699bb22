// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time: how long a vCPU's thread waited for a host CPU, and whether it runs now.
 */
#include <sched.h>
#include <stddef.h>
#include <asm/kvm_para.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define AREA		GUEST_FREE

FIXTURE(steal)
{
	struct vm *vm;
	struct vcpu *vcpu;
	volatile struct kvm_steal_time *area;
};

FIXTURE_SETUP(steal)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "pv");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->area = (void *)(self->vm->ram + AREA);
}

FIXTURE_TEARDOWN(steal)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static void enable(FIXTURE_DATA(steal) *self)
{
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_STEAL_TIME, AREA | KVM_MSR_ENABLED);
}

TEST_F(steal, msr)
{
	uint64_t val;

	enable(self);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(AREA | 1, guest_call(self->vcpu, "rdmsr_", MSR_KVM_STEAL_TIME));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_KVM_STEAL_TIME, &val));
	EXPECT_EQ(AREA | 1, val);
	/* Reserved bits: the area is aligned to 64 bytes. */
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_STEAL_TIME, AREA | 0x21);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(AREA | 1, guest_call(self->vcpu, "rdmsr_", MSR_KVM_STEAL_TIME));
	/* No memory there: nobody is harmed. */
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_STEAL_TIME, GUEST_MMIO | 1);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	guest_call(self->vcpu, "rdmsr_", MSR_KVM_STEAL_TIME);
}

/*
 * Run the guest for a while, then stop it between two instructions. The signal may come while the
 * host works on an exit, too, which is not the same: then once more.
 */
static void stop_between(FIXTURE_DATA(steal) *self)
{
	struct runner runner;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		guest_u64(self->vm, "counter") = 0;
		guest_start(self->vcpu, "wait_forever", 0, NULL);
		runner_start(&runner, self->vcpu);
		if (!wait_for(guest_u64(self->vm, "counter")))
			die("the guest didn't run");
		runner_stop(&runner);
		if (self->area->preempted)
			break;
	}
}

/* A vCPU that was stopped does not run; one that is in the middle of an I/O does. */
TEST_F(steal, preempted)
{
	enable(self);
	guest_call(self->vcpu, "rdmsr_", MSR_KVM_STEAL_TIME);
	EXPECT_EQ(0, self->area->preempted);
	EXPECT_EQ(0, self->area->version & 1);
	EXPECT_NE(0, self->area->version);

	stop_between(self);
	EXPECT_EQ(KVM_VCPU_PREEMPTED, self->area->preempted);
	EXPECT_EQ(0, guest_call(self->vcpu, "load8",
				AREA + offsetof(struct kvm_steal_time, preempted)));
}

/*
 * A vCPU that does not run is asked to flush its TLB by a bit: it has done so when it runs
 * again. The guest has read through a page-table entry that changes meanwhile.
 */
TEST_F(steal, flush_tlb)
{
	uint64_t *pd = (uint64_t *)(self->vm->ram + GUEST_PD);
	const char *counter = device_is_kvm() ? "tlb_flush" : "tlb_guest_flushes";
	uint64_t flushes;
	unsigned int i;

	/* 4 MiB of RAM: the second entry, of 2 MiB, goes to the first half. */
	*(uint64_t *)(self->vm->ram + 0x200000 + 0x50000) = 0xbbbb;
	*(uint64_t *)(self->vm->ram + 0x50000) = 0xaaaa;
	enable(self);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(i & 1 ? 0xaaaa : 0xbbbb,
			  guest_call(self->vcpu, "load64", 0x200000 + 0x50000));
		stop_between(self);
		ASSERT_EQ(KVM_VCPU_PREEMPTED, self->area->preempted);
		pd[1] ^= 0x200000;
		flushes = vcpu_stat(self->vcpu, counter);
		self->area->preempted |= KVM_VCPU_FLUSH_TLB;
		EXPECT_EQ(0, guest_call(self->vcpu, "load8",
					AREA + offsetof(struct kvm_steal_time, preempted)));
		EXPECT_LT(flushes, vcpu_stat(self->vcpu, counter));
	}
}

/* Run the guest for 300 ms on the CPU that this thread keeps busy meanwhile. */
static void run_beside(FIXTURE_DATA(steal) *self)
{
	struct runner runner;
	uint64_t start;

	guest_start(self->vcpu, "wait_forever", 0, NULL);
	runner_start(&runner, self->vcpu);
	host_cpu_pin(runner.thread, 0);
	host_cpu_pin(pthread_self(), 0);
	start = now_us();
	while (now_us() - start < 300000)
		;
	runner_stop(&runner);
	/* The area is up to date when the vCPU runs. */
	guest_call(self->vcpu, "rdmsr_", MSR_KVM_STEAL_TIME);
}

/*
 * Two threads want one CPU: the one that runs the vCPU waits half of the time. Not if the machine
 * stands still while that one has it: then once more.
 */
TEST_F(steal, counts)
{
	uint64_t start, before, steal = 0;
	unsigned int i;

	enable(self);
	guest_call(self->vcpu, "rdmsr_", MSR_KVM_STEAL_TIME);
	for (i = 0; i < 10 && steal <= 30000000; i++) {
		start = now_us();
		before = self->area->steal;
		run_beside(self);
		steal = self->area->steal - before;
		EXPECT_LE(steal, (now_us() - start) * 1000);
	}
	EXPECT_GT(steal, 30000000);
	EXPECT_EQ(0, self->area->version & 1);
}

TEST_HARNESS_MAIN
