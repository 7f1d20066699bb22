// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time: a 64-byte area in which the guest finds how long the vCPU's thread was ready
 * but did not run, and whether it runs now.
 *
 * The guest uses the second to leave a vCPU that does not run in peace: it does not spin for a
 * lock that the vCPU holds, and instead of an IPI that asks for a TLB flush it sets
 * KVM_VCPU_FLUSH_TLB in the same byte, which hv does before the vCPU runs again.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/srcu.h>
#include <asm/kvm_para.h>
#include <hv/memory.h>
#include "internal.h"

/* The guest can change the byte while it is exchanged, but not for ever. */
#define HV_STEAL_TRIES	8

static bool hv_steal_on(struct hv_vcpu *vcpu)
{
	return vcpu->x86.pv.steal_time & KVM_MSR_ENABLED;
}

static u64 hv_steal_gpa(struct hv_vcpu *vcpu)
{
	return vcpu->x86.pv.steal_time & KVM_STEAL_VALID_BITS;
}

/* The vCPU runs again: what was asked of it meanwhile? */
static void hv_steal_not_preempted(struct hv_vcpu *vcpu, u64 gpa)
{
	u8 old = KVM_VCPU_PREEMPTED, now = 0;
	unsigned int i;
	int rc = 1;

	for (i = 0; i < HV_STEAL_TRIES && rc == 1; i++)
		rc = hv_guest_cmpxchg(vcpu->vm, gpa, &old, &now, sizeof(now));
	/* To flush once too often is right, too. */
	if (rc || (old & KVM_VCPU_FLUSH_TLB))
		hv_req_set(vcpu, HV_REQ_TLB_FLUSH_GUEST);
}

/**
 * hv_steal_update() - the vCPU is about to run after its thread was scheduled in
 * @vcpu: vCPU of this thread; caller holds vm->srcu
 *
 * Context: process context, may sleep.
 */
void hv_steal_update(struct hv_vcpu *vcpu)
{
	struct hv_pv_vcpu *pv = &vcpu->x86.pv;
	u64 delay = current->sched_info.run_delay;
	struct hv_vm *vm = vcpu->vm;
	struct kvm_steal_time st;
	u64 gpa;

	if (!hv_steal_on(vcpu))
		return;
	gpa = hv_steal_gpa(vcpu);
	hv_steal_not_preempted(vcpu, gpa + offsetof(struct kvm_steal_time, preempted));
	pv->preempted_told = false;

	/* Another thread runs the vCPU now: its past is none of the guest's. */
	if (pv->steal_tid != current->pid) {
		pv->steal_tid = current->pid;
		pv->steal_seen = delay;
	}
	if (hv_guest_read(vm, gpa, &st, sizeof(st)))
		return;
	st.version = (st.version + 1) | 1;
	if (hv_guest_write(vm, gpa + offsetof(struct kvm_steal_time, version), &st.version,
			   sizeof(st.version)))
		return;
	smp_wmb(); /* the odd version before the time */
	st.steal += delay - pv->steal_seen;
	pv->steal_seen = delay;
	hv_guest_write(vm, gpa, &st.steal, sizeof(st.steal));
	smp_wmb(); /* the time before the even version */
	st.version++;
	hv_guest_write(vm, gpa + offsetof(struct kvm_steal_time, version), &st.version,
		       sizeof(st.version));
}

/**
 * hv_steal_sched_in() - the vCPU has been loaded
 * @vcpu: vCPU of this thread
 *
 * Context: preemption off.
 */
void hv_steal_sched_in(struct hv_vcpu *vcpu)
{
	if (hv_steal_on(vcpu))
		hv_req_set(vcpu, HV_REQ_STEAL);
}

/**
 * hv_steal_sched_out() - the vCPU is being unloaded: tell the guest's other vCPUs
 * @vcpu: vCPU of this thread
 *
 * Context: preemption off, possibly in the scheduler with interrupts off and its lock
 * held: the memory is not faulted in. If it isn't there the guest is not told.
 */
void hv_steal_sched_out(struct hv_vcpu *vcpu)
{
	static const u8 preempted = KVM_VCPU_PREEMPTED;
	struct hv_vm *vm = vcpu->vm;
	int idx;

	/*
	 * An instruction that is being emulated, or that userspace completes, may have
	 * translated an address already: it is too late to ask the vCPU for a flush.
	 */
	if (!hv_steal_on(vcpu) || !vcpu->x86.pv.at_boundary || vcpu->x86.pv.preempted_told)
		return;
	idx = srcu_read_lock(&vm->srcu);
	if (!hv_guest_write_nofault(vm, hv_steal_gpa(vcpu) +
				    offsetof(struct kvm_steal_time, preempted),
				    &preempted, sizeof(preempted)))
		vcpu->x86.pv.preempted_told = true;
	srcu_read_unlock(&vm->srcu, idx);
}

int hv_get_steal_time(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	*val = vcpu->x86.pv.steal_time;
	return 0;
}

int hv_set_steal_time(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	if (!sched_info_on() || (val & KVM_STEAL_RESERVED_MASK))
		return 1;
	vcpu->x86.pv.steal_time = val;
	vcpu->x86.pv.preempted_told = false;
	hv_steal_sched_in(vcpu);
	return 0;
}
