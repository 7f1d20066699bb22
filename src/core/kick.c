// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting a vCPU's attention: a request bit, a barrier, and an IPI only if it is
 * in the guest. The protocol is described in Documentation/locking.rst.
 */
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/rcuwait.h>
#include <linux/smp.h>
#include <hv/host.h>
#include <hv/vcpu.h>
#include <hv/vm.h>

static DEFINE_PER_CPU(struct cpumask, hv_kick_mask);

/**
 * hv_vcpu_wake() - end a vCPU's sleep in HLT or wait-for-SIPI
 * @vcpu: vCPU
 *
 * Context: any.
 */
void hv_vcpu_wake(struct hv_vcpu *vcpu)
{
	if (rcuwait_wake_up(&vcpu->wait))
		WRITE_ONCE(vcpu->ready, true);
}

/**
 * hv_vcpu_kick() - make a vCPU look at its requests
 * @vcpu: vCPU
 *
 * Wakes it if it sleeps, makes it exit if it is in the guest.
 *
 * Context: any.
 */
void hv_vcpu_kick(struct hv_vcpu *vcpu)
{
	int cpu;

	hv_vcpu_wake(vcpu);
	/* Pairs with the store of the mode and the barrier behind it in hv_vcpu_enter(). */
	if (cmpxchg(&vcpu->mode, HV_IN_GUEST, HV_EXITING_GUEST) != HV_IN_GUEST)
		return;
	cpu = get_cpu();
	/* On its own CPU, in an interrupt: the interrupt itself ended the guest. */
	if (vcpu->cpu != cpu && cpu_online(vcpu->cpu))
		host_kick_cpu(vcpu->cpu);
	put_cpu();
}

/**
 * hv_vcpu_notify() - something was posted to a vCPU's LAPIC
 * @vcpu: vCPU
 *
 * Wakes it if it sleeps. In the guest the processor looks by itself, if it can; else the vCPU
 * exits and looks before the next entry.
 *
 * Context: any, preemption off; the caller has set HV_POSTED_ON, with a full barrier.
 */
void hv_vcpu_notify(struct hv_vcpu *vcpu)
{
	int cpu = READ_ONCE(vcpu->cpu);

	if (!READ_ONCE(vcpu->posted) || READ_ONCE(vcpu->mode) != HV_IN_GUEST) {
		hv_vcpu_kick(vcpu);
		return;
	}
	/*
	 * If it has left the guest since, or even the CPU, it finds HV_POSTED_ON before the
	 * next entry. On its own CPU it has left: this is an interrupt, or its own exit.
	 */
	if (cpu != smp_processor_id() && cpu_online(cpu))
		host_send_posted(cpu);
}

/**
 * hv_vcpu_request() - ask a vCPU for something before it next enters the guest
 * @vcpu: vCPU
 * @req: enum hv_req
 *
 * Everything written before the call is visible to the vCPU when it finds the bit.
 *
 * Context: any.
 */
void hv_vcpu_request(struct hv_vcpu *vcpu, unsigned int req)
{
	smp_wmb(); /* pairs with hv_req_take() */
	set_bit(req, &vcpu->requests);
	smp_mb__after_atomic(); /* the bit before the mode is read */
	hv_vcpu_kick(vcpu);
}

static void hv_kick_ack(void *unused)
{
}

/**
 * hv_vm_request_all() - ask all vCPUs, and wait until none is in the guest without having seen it
 * @vm: VM
 * @req: enum hv_req
 *
 * On return each vCPU is outside the guest, or has left it since and will find the
 * request before it enters again. For TLB flushes: pages may be freed afterwards.
 *
 * Context: interrupts on, no spinlock that a vCPU's exit path takes.
 */
void hv_vm_request_all(struct hv_vm *vm, unsigned int req)
{
	struct cpumask *mask;
	struct hv_vcpu *vcpu;
	unsigned int i;
	int me, cpu;

	me = get_cpu();
	mask = this_cpu_ptr(&hv_kick_mask);
	cpumask_clear(mask);
	hv_for_each_vcpu(i, vcpu, vm) {
		smp_wmb(); /* pairs with hv_req_take() */
		set_bit(req, &vcpu->requests);
		smp_mb__after_atomic(); /* the bit before the mode is read */
		/* EXITING_GUEST has an IPI on the way that may not have arrived yet. */
		if (cmpxchg(&vcpu->mode, HV_IN_GUEST, HV_EXITING_GUEST) == HV_OUTSIDE_GUEST)
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != -1 && cpu != me)
			cpumask_set_cpu(cpu, mask);
	}
	if (!cpumask_empty(mask))
		smp_call_function_many(mask, hv_kick_ack, NULL, true);
	put_cpu();
}
