// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU with nothing to do: HLT, and waiting for SIPI.
 *
 * Before its thread sleeps after HLT it may poll for a while: a wake-up through the scheduler
 * costs the guest tens of microseconds. How long is learnt for each vCPU, between 0 and a
 * bound: it grows when a sleep was so short that a longer poll would have caught it, and
 * shrinks when the vCPU sleeps longer than is worth polling for.
 */
#include <linux/bitops.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <hv/backend.h>
#include <hv/irq.h>
#include <hv/post.h>
#include <hv/vcpu.h>
#include "core.h"

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "longest poll after HLT, ns; 0: none");

static unsigned int halt_poll_ns_grow = 2;
module_param(halt_poll_ns_grow, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow, "factor by which a vCPU's poll grows; 0: not at all");

static unsigned int halt_poll_ns_grow_start = 10000;
module_param(halt_poll_ns_grow_start, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow_start, "first poll that is not 0, ns");

static unsigned int halt_poll_ns_shrink = 2;
module_param(halt_poll_ns_shrink, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_shrink, "divisor by which a vCPU's poll shrinks; 0: to nothing");

/* Requests that can wait until the vCPU has another reason to run: no end of a sleep. */
#define HV_REQS_NOT_WAKING	\
	(BIT(HV_REQ_TLB_FLUSH) | BIT(HV_REQ_TLB_FLUSH_GUEST) | BIT(HV_REQ_TSC) | \
	 BIT(HV_REQ_DIRTY_LOG))

static bool hv_block_ends(struct hv_vcpu *vcpu)
{
	return (READ_ONCE(vcpu->requests) & ~HV_REQS_NOT_WAKING) || hv_vcpu_runnable(vcpu) ||
	       signal_pending(current);
}

/* ---- how long to poll ---- */

static u32 halt_poll_max(struct hv_vcpu *vcpu)
{
	struct hv_vm *vm = vcpu->vm;

	/* The guest polls itself, or the VMM has set a bound of its own. */
	if (!(vcpu->x86.pv.poll_control & HV_POLL_CONTROL_HOST))
		return 0;
	return READ_ONCE(vm->halt_poll_set) ? READ_ONCE(vm->halt_poll_ns) :
					      READ_ONCE(halt_poll_ns);
}

static void halt_poll_grow(struct hv_vcpu *vcpu, u32 max)
{
	u32 factor = READ_ONCE(halt_poll_ns_grow);
	u32 start = READ_ONCE(halt_poll_ns_grow_start);

	if (factor)
		vcpu->halt_poll_ns = min_t(u64, max,
					   max_t(u64, start, (u64)vcpu->halt_poll_ns * factor));
}

static void halt_poll_shrink(struct hv_vcpu *vcpu)
{
	u32 divisor = READ_ONCE(halt_poll_ns_shrink);

	vcpu->halt_poll_ns = divisor ? vcpu->halt_poll_ns / divisor : 0;
	if (vcpu->halt_poll_ns < READ_ONCE(halt_poll_ns_grow_start))
		vcpu->halt_poll_ns = 0;
}

/* The vCPU had nothing to do for @ns: what would have been the right time to poll? */
static void halt_poll_learn(struct hv_vcpu *vcpu, u64 ns, u32 max)
{
	if (ns <= vcpu->halt_poll_ns)
		return;
	if (ns < max)
		halt_poll_grow(vcpu, max);
	else if (vcpu->halt_poll_ns)
		halt_poll_shrink(vcpu);
}

/* ---- polling and sleeping ---- */

static void histogram_add(u64 *histogram, u64 ns)
{
	histogram[min(fls64(ns), HV_STATS_LOG_BUCKETS - 1)]++;
}

/*
 * Poll until @end: true if there is something to do. Nobody else has to wait for that: the
 * poll ends when this CPU has another task to run.
 */
static bool halt_poll(struct hv_vcpu *vcpu, ktime_t start, ktime_t end)
{
	struct hv_vcpu_stats *stats = &vcpu->stats;
	ktime_t now = start;
	bool found = false;

	stats->halt_attempted_poll++;
	while (!need_resched() && single_task_running() && ktime_before(now, end)) {
		found = hv_block_ends(vcpu);
		if (found)
			break;
		cpu_relax();
		now = ktime_get();
	}
	now = ktime_sub(now, start);
	if (found) {
		stats->halt_successful_poll++;
		stats->halt_poll_success_ns += now;
		histogram_add(stats->halt_poll_success_hist, now);
	} else {
		stats->halt_poll_fail_ns += now;
		histogram_add(stats->halt_poll_fail_hist, now);
	}
	return found;
}

static void halt_sleep(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_stats *stats = &vcpu->stats;
	ktime_t start = ktime_get();
	bool slept = false;

	hv_post_sleep(vcpu, true);
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (hv_block_ends(vcpu))
			break;
		slept = true;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	hv_post_sleep(vcpu, false);
	if (slept) {
		start = ktime_sub(ktime_get(), start);
		stats->halt_wait_ns += start;
		histogram_add(stats->halt_wait_hist, start);
	}
}

/**
 * hv_vcpu_block() - wait until there is something to do
 * @vcpu: vCPU of this thread that is not runnable
 *
 * Context: process context, sleeps; called and returns with vm->srcu held.
 * Return: HV_RESUME.
 */
int hv_vcpu_block(struct hv_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	bool halted = READ_ONCE(vcpu->x86.mp_state) == HV_MP_STATE_HALTED;
	u32 max = halted ? halt_poll_max(vcpu) : 0;
	ktime_t start = ktime_get();

	vcpu->stats.halt_exits++;
	hv_vcpu_srcu_unlock(vcpu);
	hv_lapic_timer_sleep(vcpu, true);
	vcpu->halt_poll_ns = min(vcpu->halt_poll_ns, max);
	if (!vcpu->halt_poll_ns ||
	    !halt_poll(vcpu, start, ktime_add_ns(start, vcpu->halt_poll_ns)))
		halt_sleep(vcpu);
	if (halted)
		halt_poll_learn(vcpu, ktime_to_ns(ktime_sub(ktime_get(), start)), max);
	hv_lapic_timer_sleep(vcpu, false);
	hv_vcpu_srcu_lock(vcpu);
	vcpu->stats.halt_wakeups++;
	return HV_RESUME;
}
