// SPDX-License-Identifier: GPL-2.0-only
/*
 * High-resolution timers.
 */
#include <linux/hrtimer.h>
#include <hv/host.h>

/**
 * host_hrtimer_setup() - initialize a timer on CLOCK_MONOTONIC
 * @timer: timer
 * @function: callback
 * @mode: as it will be started
 */
void host_hrtimer_setup(struct hrtimer *timer,
			enum hrtimer_restart (*function)(struct hrtimer *timer),
			enum hrtimer_mode mode)
{
#ifdef HOST_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
#endif
}
