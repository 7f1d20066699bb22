// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pause-loop exiting: a guest that spins leaves the processor after a while, so that the vCPU
 * for which it waits can have it (SDM 3C 25.1.3; APM 2 15.14.4, "pause intercept filtering").
 *
 * How long it may spin is learnt for each vCPU. An exit means that the window was too short to
 * see the lock released: it grows. When the vCPU's thread is scheduled in, it begins anew or
 * shrinks: with another load of the host short spins may be the right thing.
 */
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <hv/backend.h>
#include "internal.h"

static unsigned int ple_gap = 128;
module_param(ple_gap, uint, 0444);
MODULE_PARM_DESC(ple_gap, "TSC cycles between two PAUSEs of one loop; 0: no pause-loop exits");

static unsigned int ple_window = 4096;
module_param(ple_window, uint, 0444);
MODULE_PARM_DESC(ple_window, "TSC cycles that a vCPU may spin at first");

static unsigned int ple_window_grow = 2;
module_param(ple_window_grow, uint, 0444);
MODULE_PARM_DESC(ple_window_grow, "factor (below ple_window) or summand; 1: does not grow");

static unsigned int ple_window_shrink;
module_param(ple_window_shrink, uint, 0444);
MODULE_PARM_DESC(ple_window_shrink, "divisor (below ple_window) or subtrahend; 0: back to ple_window");

static unsigned int ple_window_max = UINT_MAX;
module_param(ple_window_max, uint, 0444);
MODULE_PARM_DESC(ple_window_max, "most TSC cycles that a vCPU may spin");

/**
 * hv_ple_gap() - greatest distance of two PAUSEs of a loop
 *
 * Return: TSC cycles; 0: no pause-loop exiting.
 */
u32 hv_ple_gap(void)
{
	return ple_gap;
}

static void hv_ple_set(struct hv_vcpu *vcpu, u32 window)
{
	if (window == vcpu->x86.ple_window)
		return;
	vcpu->x86.ple_window = window;
	hv_call(update, vcpu, HV_UPDATE_PLE);
}

/* As KVM: a small number is a factor, a large one is added. */
static u32 hv_ple_grown(u32 window)
{
	u64 val = window;

	if (ple_window_grow < 1)
		return ple_window;
	val = ple_window_grow < ple_window ? val * ple_window_grow : val + ple_window_grow;
	return min_t(u64, val, ple_window_max);
}

static u32 hv_ple_shrunk(u32 window)
{
	if (ple_window_shrink < 1)
		return ple_window;
	if (ple_window_shrink < ple_window)
		window /= ple_window_shrink;
	else
		window -= min(window, ple_window_shrink);
	return max(window, ple_window);
}

/**
 * hv_emulate_pause() - PAUSE has exited: the guest spins
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_pause(struct hv_vcpu *vcpu)
{
	hv_ple_set(vcpu, hv_ple_grown(vcpu->x86.ple_window));
	/* Pause-loop exits come from CPL 0 only (SDM 3C 25.1.3); AMD's filter knows no CPL. */
	hv_vcpu_on_spin(vcpu, !hv_cpl(vcpu));
	return hv_skip(vcpu);
}

/**
 * hv_ple_sched_in() - the vCPU's thread has been scheduled in
 * @vcpu: vCPU that has just been loaded
 *
 * Context: preemption off.
 */
void hv_ple_sched_in(struct hv_vcpu *vcpu)
{
	if (ple_gap)
		hv_ple_set(vcpu, hv_ple_shrunk(vcpu->x86.ple_window));
}

/**
 * hv_ple_reset() - a vCPU's first window
 * @vcpu: loaded vCPU
 */
void hv_ple_reset(struct hv_vcpu *vcpu)
{
	vcpu->x86.ple_window = 0;
	if (ple_gap)
		hv_ple_set(vcpu, ple_window);
}
