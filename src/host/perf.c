// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's performance monitoring around the guest: what the VM exit clears, and what
 * must not run in the guest.
 */
#include <linux/percpu.h>
#include <linux/types.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <hv/host.h>

/* PEBS writes its records through the current page tables: not while they are the guest's. */
static bool host_perf_switch(bool enter_guest)
{
	struct perf_guest_switch_msr *msr;
	bool switched = false;
	int i, nr;

	msr = perf_guest_get_msrs(&nr, NULL);
	if (!msr)
		return false;
	for (i = 0; i < nr; i++)
		if (msr[i].host != msr[i].guest) {
			wrmsrl(msr[i].msr, enter_guest ? msr[i].guest : msr[i].host);
			switched = true;
		}
	return switched;
}

/**
 * host_perf_enter() - counters that exclude guests, and PEBS, stop
 *
 * Context: interrupts off, before the entry.
 * Return: false: there were none, host_perf_exit() is not needed.
 */
bool host_perf_enter(void)
{
	return host_perf_switch(true);
}

/**
 * host_perf_exit() - and go on
 *
 * It asks again: an NMI that ended the guest may have stopped a counter.
 *
 * Context: interrupts off, after the exit.
 */
void host_perf_exit(void)
{
	host_perf_switch(false);
}

/**
 * host_restore_debugctl() - put it back: a VM exit clears it (SDM 3C 27.5.1)
 * @val: from host_debugctl() on this CPU
 *
 * Context: interrupts off.
 */
void host_restore_debugctl(u64 val)
{
	update_debugctlmsr(val);
}
