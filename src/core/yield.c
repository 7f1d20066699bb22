// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directed yield: a vCPU that waits for another one gives its turn on the host's CPU to it.
 *
 * Who is worth it: a vCPU that could run but has no CPU (hv_vcpu_ready()). When a vCPU spins for a
 * lock, it is not known for whose; then each call prefers the next vCPU in a circle, so that
 * all get their turn.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <hv/backend.h>
#include <hv/vcpu.h>
#include "core.h"

/* Tries of one call: yield_to() takes the locks of two run queues. */
#define HV_YIELD_TRIES	3

/**
 * hv_vcpu_set_task() - the vCPU is run by this thread from now on
 * @vcpu: vCPU, its mutex held
 *
 * Context: process context.
 */
void hv_vcpu_set_task(struct hv_vcpu *vcpu)
{
	struct pid *old = vcpu->pid;

	if (likely(old == task_pid(current)))
		return;
	spin_lock(&vcpu->pid_lock);
	vcpu->pid = get_task_pid(current, PIDTYPE_PID);
	spin_unlock(&vcpu->pid_lock);
	put_pid(old);
}

/**
 * hv_vcpu_yield_to() - let the thread of another vCPU run in this one's place
 * @target: the other vCPU
 *
 * Context: process context, no locks held.
 * Return: above 0: it will run soon; 0: it does not; -ESRCH: nobody has to wait for a CPU.
 */
int hv_vcpu_yield_to(struct hv_vcpu *target)
{
	struct task_struct *task;
	int ret;

	/* The pid may be replaced, and freed, when another thread runs the vCPU. */
	spin_lock(&target->pid_lock);
	task = target->pid ? get_pid_task(target->pid, PIDTYPE_PID) : NULL;
	spin_unlock(&target->pid_lock);
	if (!task)
		return 0;
	ret = yield_to(task, true);
	put_task_struct(task);
	return ret;
}

/*
 * May @vcpu have what the spinning one waits for? One that was preempted in user mode holds no
 * lock of the kernel, unless an interrupt waits for it. One that was preempted while it
 * spun itself gets every other chance.
 */
static bool hv_yield_candidate(struct hv_vcpu *vcpu, bool kernel)
{
	bool eligible;

	if (!hv_vcpu_ready(vcpu))
		return false;
	if (kernel && READ_ONCE(vcpu->preempted) && !READ_ONCE(vcpu->preempted_in_kernel) &&
	    !test_bit(HV_REQ_EVENT, &vcpu->requests))
		return false;
	if (!READ_ONCE(vcpu->spinning))
		return true;
	eligible = READ_ONCE(vcpu->spin_eligible);
	WRITE_ONCE(vcpu->spin_eligible, !eligible);
	return eligible;
}

/**
 * hv_vcpu_on_spin() - a vCPU spins: let one run that it may be waiting for
 * @me: loaded vCPU
 * @kernel: @me spins in kernel mode
 *
 * Context: process context, no locks held.
 */
void hv_vcpu_on_spin(struct hv_vcpu *me, bool kernel)
{
	unsigned int last = READ_ONCE(me->vm->last_boosted);
	/* pairs with the release in hv_vcpu_create() */
	unsigned int nr = smp_load_acquire(&me->vm->nr_vcpus);
	unsigned int tries = HV_YIELD_TRIES;
	struct hv_vcpu *vcpu;
	unsigned int i, n;
	int ret;

	WRITE_ONCE(me->spinning, true);
	for (n = 1; n <= nr && tries; n++) {
		i = (last + n) % nr;
		vcpu = me->vm->vcpus[i];
		if (vcpu == me || !hv_yield_candidate(vcpu, kernel))
			continue;
		me->stats.directed_yield_attempted++;
		ret = hv_vcpu_yield_to(vcpu);
		if (ret > 0) {
			WRITE_ONCE(me->vm->last_boosted, i);
			me->stats.directed_yield_successful++;
			break;
		}
		if (ret < 0)
			tries--;
	}
	WRITE_ONCE(me->spinning, false);
	WRITE_ONCE(me->spin_eligible, false);
}
