// SPDX-License-Identifier: GPL-2.0-only
/*
 * The LAPIC timer: one-shot, periodic and TSC-deadline mode (SDM 3A 11.5.4).
 *
 * Its clock is the processor's if that can end the guest at a time: hv_lapic_timer_next() tells
 * the backend when, and hv_lapic_timer_check() looks before each entry, so that the host's own
 * timer does not interrupt. While the vCPU sleeps, and on other processors always, the clock is
 * a host hrtimer. Its callback runs in a hard interrupt: it counts the expiry and asks the vCPU,
 * which posts the vector in hv_lapic_timer_fire().
 */
#include <linux/atomic.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include <hv/host.h>
#include "lapic.h"

static enum apic_timer_mode timer_mode(struct hv_lapic *apic)
{
	return APIC_TIMER_MODE(apic->lvt[APIC_LVT(APIC_R_LVT_TIMER)]);
}

static bool timer_counts(struct hv_lapic *apic)
{
	return apic->timer.initial && timer_mode(apic) <= APIC_TIMER_PERIODIC;
}

static u64 timer_elapsed(struct hv_lapic *apic)
{
	/* Modulo 2^64: a restored timer may have started before the host. */
	return ktime_get_ns() - apic->timer.start;
}

static enum hrtimer_restart timer_callback(struct hrtimer *hrtimer)
{
	struct hv_lapic_timer *t = container_of(hrtimer, struct hv_lapic_timer, timer);
	struct hv_lapic *apic = container_of(t, struct hv_lapic, timer);

	WRITE_ONCE(t->due, ktime_to_ns(hrtimer_get_expires(hrtimer)));
	atomic_set(&t->expired, 1);
	hv_vcpu_request(apic->vcpu, HV_REQ_TIMER);
	if (!t->period)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(hrtimer, ns_to_ktime(t->period));
	return HRTIMER_RESTART;
}

/* ---- the clock ---- */

/* Host TSC at a time, or an hour from now if that is earlier: then one looks again. */
static u64 tsc_at(u64 ns)
{
	const u64 hour = 3600 * 1000000000ULL;
	u64 now = ktime_get_ns();

	if (ns <= now)
		return 0;
	return rdtsc() + mul_u64_u32_div(min(ns - now, hour), tsc_khz, 1000000);
}

/* It isn't running. */
static void clock_start(struct hv_lapic *apic, u64 target)
{
	struct hv_lapic_timer *t = &apic->timer;

	if (!t->processor || t->asleep) {
		hrtimer_start(&t->timer, ns_to_ktime(target), HRTIMER_MODE_ABS_PINNED_HARD);
		return;
	}
	t->target = target;
	t->target_tsc = tsc_at(target);
	t->armed = true;
}

/* True: it was running, until @target. */
static bool clock_stop(struct hv_lapic *apic, u64 *target)
{
	struct hv_lapic_timer *t = &apic->timer;
	bool armed = t->armed;

	*target = t->target;
	t->armed = false;
	if (!hrtimer_cancel(&t->timer))
		return armed;
	*target = ktime_to_ns(hrtimer_get_expires(&t->timer));
	return true;
}

/* What the host timer's callback does, for the processor's clock */
static void clock_check(struct hv_lapic *apic)
{
	struct hv_lapic_timer *t = &apic->timer;
	u64 now;

	if (!t->armed || rdtsc() < t->target_tsc)
		return;
	now = ktime_get_ns();
	if (now < t->target) {
		t->target_tsc = tsc_at(t->target);
		return;
	}
	t->armed = false;
	t->due = t->target;
	atomic_set(&t->expired, 1);
	if (t->period)
		clock_start(apic, t->target +
			    (div64_u64(now - t->target, t->period) + 1) * t->period);
}

/**
 * hv_lapic_timer_check() - post what has expired by the processor's clock
 * @vcpu: vCPU with a LAPIC, by its own thread, before an entry
 */
void hv_lapic_timer_check(struct hv_vcpu *vcpu)
{
	struct hv_lapic_timer *t = &vcpu->x86.lapic->timer;

	if (t->armed && rdtsc() >= t->target_tsc)
		hv_lapic_timer_fire(vcpu);
}

/**
 * hv_lapic_timer_next() - when must the processor end the guest?
 * @vcpu: vCPU with a LAPIC, by its own thread
 * @tsc: host TSC, filled in
 *
 * Return: false: no matter when.
 */
bool hv_lapic_timer_next(struct hv_vcpu *vcpu, u64 *tsc)
{
	struct hv_lapic_timer *t = &vcpu->x86.lapic->timer;

	*tsc = t->target_tsc;
	return t->armed;
}

/**
 * hv_lapic_timer_by_processor() - the backend can end the guest at a host TSC
 * @vcpu: new vCPU with a LAPIC, not visible yet
 */
void hv_lapic_timer_by_processor(struct hv_vcpu *vcpu)
{
	vcpu->x86.lapic->timer.processor = true;
}

/**
 * hv_lapic_timer_sleep() - the vCPU is about to sleep, or awake again
 * @vcpu: vCPU, by its own thread
 * @asleep: which
 *
 * Context: process context.
 */
void hv_lapic_timer_sleep(struct hv_vcpu *vcpu, bool asleep)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	u64 target;
	bool active;

	if (!apic || !apic->timer.processor)
		return;
	active = clock_stop(apic, &target);
	apic->timer.asleep = asleep;
	if (active)
		clock_start(apic, target);
}

/* ---- the three modes ---- */

/* The clock isn't running. */
static void start_deadline(struct hv_lapic *apic)
{
	struct hv_lapic_timer *t = &apic->timer;
	unsigned long flags;
	u64 tsc, ns, now;

	if (!t->deadline)
		return;
	/* Both clocks at the same moment */
	local_irq_save(flags);
	tsc = hv_guest_tsc(apic->vcpu, rdtsc());
	now = ktime_get_ns();
	local_irq_restore(flags);

	if (t->deadline <= tsc) {
		WRITE_ONCE(t->due, now);
		atomic_set(&t->expired, 1);
		hv_req_set(apic->vcpu, HV_REQ_TIMER);
		return;
	}
	ns = apic_tsc_to_ns(t->deadline - tsc, apic->vcpu->x86.tsc_khz);
	t->period = 0;
	clock_start(apic, ktime_add_safe(ns_to_ktime(now), ns_to_ktime(ns)));
}

/* The clock isn't running. */
static void start_count(struct hv_lapic *apic)
{
	struct hv_lapic_timer *t = &apic->timer;
	bool periodic = timer_mode(apic) == APIC_TIMER_PERIODIC;
	u32 divisor = apic_divisor(t->dcr);
	u64 next;

	if (!timer_counts(apic))
		return;
	next = apic_timer_next(t->initial, divisor, periodic ? timer_elapsed(apic) : 0, periodic);
	t->period = 0;
	if (periodic) {
		/* The guest's period may be a nanosecond; the host must get on with its life. */
		t->period = max_t(u64, (u64)t->initial * divisor, APIC_TIMER_MIN_PERIOD);
		next = max_t(u64, next, APIC_TIMER_MIN_PERIOD);
	}
	clock_start(apic, t->start + next);
}

static void timer_start(struct hv_lapic *apic)
{
	if (timer_mode(apic) == APIC_TIMER_DEADLINE)
		start_deadline(apic);
	else
		start_count(apic);
}

/* How late the guest gets it: bucket n from 2^(n-1) ns on */
static void note_lateness(struct hv_lapic *apic)
{
	u64 *hist = apic->vcpu->stats.timer_late_hist;
	s64 late = ktime_get_ns() - READ_ONCE(apic->timer.due);

	hist[min_t(unsigned int, late > 0 ? fls64(late) : 0, HV_STATS_LOG_BUCKETS - 1)]++;
}

/* Post what has expired. False: it was a deadline that has not come yet. */
static bool timer_post(struct hv_lapic *apic)
{
	struct hv_lapic_timer *t = &apic->timer;

	clock_check(apic);
	if (!atomic_xchg(&t->expired, 0))
		return true;
	if (timer_mode(apic) == APIC_TIMER_DEADLINE) {
		if (!t->deadline)
			return true;
		if (t->deadline > hv_guest_tsc(apic->vcpu, rdtsc()))
			return false;
		/* IA32_TSC_DEADLINE is 0 after the interrupt (SDM 3A 11.5.4.1) */
		t->deadline = 0;
	}
	note_lateness(apic);
	hv_lapic_deliver_lvt(apic, APIC_LVT(APIC_R_LVT_TIMER));
	return true;
}

/**
 * hv_lapic_timer_fire() - the timer has expired: post its interrupt
 * @vcpu: vCPU, by its own thread (HV_REQ_TIMER)
 */
void hv_lapic_timer_fire(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	if (apic && !timer_post(apic))
		timer_start(apic);
}

/**
 * hv_lapic_timer_flush() - let nothing wait in the timer that belongs into IRR
 * @apic: LAPIC
 */
void hv_lapic_timer_flush(struct hv_lapic *apic)
{
	if (!timer_post(apic))
		timer_start(apic);
}

/*
 * Stop the clock; what expired before is posted under the settings of then, even if the host
 * is late to notice. A deadline that has not come yet is the caller's to start again or to drop.
 * True: it was running.
 */
static bool timer_halt(struct hv_lapic *apic)
{
	u64 target;
	bool active = clock_stop(apic, &target);

	if (active && ktime_get_ns() >= target) {
		WRITE_ONCE(apic->timer.due, target);
		atomic_set(&apic->timer.expired, 1);
		active = apic->timer.period;
	}
	timer_post(apic);
	return active;
}

/**
 * hv_lapic_timer_stop() - disarm, forget everything that has not been posted
 * @apic: LAPIC
 *
 * Context: process context.
 */
void hv_lapic_timer_stop(struct hv_lapic *apic)
{
	struct hv_lapic_timer *t = &apic->timer;
	u64 target;

	clock_stop(apic, &target);
	atomic_set(&t->expired, 0);
	t->initial = 0;
	t->deadline = 0;
}

/**
 * hv_lapic_timer_init() - before anything else here
 * @apic: LAPIC
 */
void hv_lapic_timer_init(struct hv_lapic *apic)
{
	host_hrtimer_setup(&apic->timer.timer, timer_callback, HRTIMER_MODE_ABS_PINNED_HARD);
}

/**
 * hv_lapic_timer_count() - the current-count register
 * @apic: LAPIC
 *
 * Return: 0 in TSC-deadline mode and after a one-shot has expired.
 */
u32 hv_lapic_timer_count(struct hv_lapic *apic)
{
	struct hv_lapic_timer *t = &apic->timer;

	if (!timer_counts(apic))
		return 0;
	return apic_timer_count(t->initial, apic_divisor(t->dcr), timer_elapsed(apic),
				timer_mode(apic) == APIC_TIMER_PERIODIC);
}

/**
 * hv_lapic_timer_set_count() - write the initial-count register
 * @apic: LAPIC
 * @initial: count, 0 stops the timer
 * @current_count: where to begin: @initial, or less when a state is restored; 0 then means
 *	that a one-shot has expired before
 *
 * Without effect in TSC-deadline mode (SDM 3A 11.5.4.1).
 */
void hv_lapic_timer_set_count(struct hv_lapic *apic, u32 initial, u32 current_count)
{
	struct hv_lapic_timer *t = &apic->timer;
	u64 now;

	if (timer_mode(apic) == APIC_TIMER_DEADLINE)
		return;
	timer_halt(apic);
	now = ktime_get_ns();
	t->initial = initial;
	current_count = min(current_count, initial);
	t->start = now - (u64)(initial - current_count) * apic_divisor(t->dcr);
	if (current_count || timer_mode(apic) == APIC_TIMER_PERIODIC)
		timer_start(apic);
}

/*
 * The same counter goes on with another divisor or in another mode. A one-shot that is not
 * active any more has expired and stays so.
 */
static void timer_go_on(struct hv_lapic *apic, bool active)
{
	if (active || timer_mode(apic) != APIC_TIMER_ONESHOT)
		timer_start(apic);
}

/**
 * hv_lapic_timer_set_dcr() - write the divide configuration register
 * @apic: LAPIC
 * @dcr: bits 0, 1 and 3
 */
void hv_lapic_timer_set_dcr(struct hv_lapic *apic, u32 dcr)
{
	struct hv_lapic_timer *t = &apic->timer;
	bool active;
	u32 count;

	if (dcr == t->dcr)
		return;
	if (!timer_counts(apic)) {
		t->dcr = dcr;
		return;
	}
	count = hv_lapic_timer_count(apic);
	active = timer_halt(apic);
	t->dcr = dcr;
	t->start = ktime_get_ns() - (u64)(t->initial - count) * apic_divisor(dcr);
	timer_go_on(apic, active);
}

/**
 * hv_lapic_timer_set_mode() - write the timer's LVT entry
 * @apic: LAPIC
 * @lvt: new entry
 *
 * A change to or from TSC-deadline mode disarms the timer (SDM 3A 11.5.4.1).
 */
void hv_lapic_timer_set_mode(struct hv_lapic *apic, u32 lvt)
{
	struct hv_lapic_timer *t = &apic->timer;
	u32 *entry = &apic->lvt[APIC_LVT(APIC_R_LVT_TIMER)];
	enum apic_timer_mode old = timer_mode(apic), new = APIC_TIMER_MODE(lvt);
	bool active;

	if (old == new) {
		/* An expiry before the write is still delivered by the old entry. */
		hv_lapic_timer_flush(apic);
		WRITE_ONCE(*entry, lvt);
		return;
	}
	active = timer_halt(apic);
	if (old == APIC_TIMER_PERIODIC && t->initial)
		/* Begin with the current round. */
		t->start = ktime_get_ns() -
			(u64)(t->initial - hv_lapic_timer_count(apic)) * apic_divisor(t->dcr);
	WRITE_ONCE(*entry, lvt);
	if (old == APIC_TIMER_DEADLINE || new == APIC_TIMER_DEADLINE) {
		t->initial = 0;
		t->deadline = 0;
		return;
	}
	timer_go_on(apic, active);
}

/**
 * hv_lapic_get_deadline() - read IA32_TSC_DEADLINE
 * @vcpu: vCPU with the mutex held
 *
 * Return: 0 if no deadline is armed.
 */
u64 hv_lapic_get_deadline(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	if (!apic || timer_mode(apic) != APIC_TIMER_DEADLINE)
		return 0;
	hv_lapic_timer_flush(apic);
	return apic->timer.deadline;
}

/**
 * hv_lapic_set_deadline() - write IA32_TSC_DEADLINE
 * @vcpu: vCPU with the mutex held
 * @val: guest TSC value, 0 disarms
 *
 * In another mode nothing is armed (SDM 3A 11.5.4.1), but the value is kept for a
 * HV_SET_LAPIC that selects the mode: a VMM may restore the two in either order.
 */
void hv_lapic_set_deadline(struct hv_vcpu *vcpu, u64 val)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	if (!apic)
		return;
	if (timer_mode(apic) == APIC_TIMER_DEADLINE) {
		timer_halt(apic);
		apic->timer.deadline = val;
		start_deadline(apic);
	} else {
		apic->timer.deadline = val;
	}
}

/**
 * hv_lapic_update_timer() - the relation between a TSC, the guest's or the host's, and time has
 *	changed
 * @vcpu: vCPU with the mutex held
 *
 * The guest's matters to a deadline. The host's, which begins anew in a suspend to memory, to
 * whatever waits for the processor.
 */
void hv_lapic_update_timer(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	u64 target;

	if (!apic)
		return;
	if (timer_mode(apic) == APIC_TIMER_DEADLINE) {
		timer_halt(apic);
		start_deadline(apic);
	} else if (clock_stop(apic, &target)) {
		clock_start(apic, target);
	}
}
