// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's clock as guests need it: the time and the TSC of one instant.
 *
 * The time is CLOCK_MONOTONIC_RAW plus the time that the host was suspended. NTP does
 * not adjust it, so it runs at the rate that the TSC promises; a guest that
 * extrapolates with the TSC stays on it.
 */
#include <linux/clocksource.h>
#include <linux/clocksource_ids.h>
#include <linux/compiler.h>
#include <linux/irq_work.h>
#include <linux/notifier.h>
#include <linux/pvclock_gtod.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <vdso/clocksource.h>
#include <hv/host.h>

/* Of no clocksource: struct timekeeper counts changes of its clocksource in 8 bits */
#define NO_SEQ	(-1)

/* While the timekeeper reads the TSC: its cs_was_changed_seq, else NO_SEQ */
static int tsc_seq = NO_SEQ;
static void (*changed)(void);

static void clock_work(struct irq_work *work)
{
	changed();
}

static DEFINE_IRQ_WORK(changed_work, clock_work);

/*
 * Called at each update of the timekeeper, inside its write section and with its lock
 * held: whoever reads the time consistently finds what was stored here.
 */
static int timekeeper_updated(struct notifier_block *nb, unsigned long was_set, void *data)
{
	const struct timekeeper *tk = data;
	bool tsc = tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;
	int seq = tsc ? tk->cs_was_changed_seq : NO_SEQ;

	if (seq == tsc_seq)
		return NOTIFY_OK;
	WRITE_ONCE(tsc_seq, seq);
	/* Not from here: time can't be read under this lock. */
	irq_work_queue(&changed_work);
	return NOTIFY_OK;
}

static struct notifier_block timekeeper_notifier = {
	.notifier_call = timekeeper_updated,
};

/**
 * host_clock_init() - begin to follow the host's clocksource
 * @callback: called, in interrupt context, when the host's time has begun or ceased to
 *	be read from the TSC
 *
 * Return: 0 or -errno.
 */
int host_clock_init(void (*callback)(void))
{
	changed = callback;
	return pvclock_gtod_register_notifier(&timekeeper_notifier);
}

/**
 * host_clock_exit() - undo host_clock_init(); no callback comes any more
 */
void host_clock_exit(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_notifier);
	irq_work_sync(&changed_work);
}

static u64 with_suspend(ktime_t raw)
{
	/* The offset changes at a resume only. */
	return ktime_to_ns(ktime_mono_to_any(raw, TK_OFFS_BOOT));
}

/**
 * host_clock_ns() - the host's time
 *
 * Context: any but NMI, and not while timekeeping is suspended.
 * Return: nanoseconds of the raw clock, time in suspend included.
 */
u64 host_clock_ns(void)
{
	return with_suspend(ktime_get_raw());
}

/**
 * host_clock_sample() - the host's time, its wall clock and its TSC at one instant
 * @s: result
 *
 * All three come from one reading of the TSC by the timekeeper.
 *
 * Context: as host_clock_ns().
 * Return: false if the host's time is not read from the TSC; then @s is not valid.
 */
bool host_clock_sample(struct host_clock_sample *s)
{
	struct system_time_snapshot snap;

	ktime_get_snapshot(&snap);
	if (READ_ONCE(tsc_seq) != snap.cs_was_changed_seq)
		return false;
	s->tsc = snap.cycles;
	s->ns = with_suspend(snap.raw);
	s->real_ns = ktime_to_ns(snap.real);
	return true;
}
