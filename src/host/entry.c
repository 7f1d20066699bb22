// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way into and out of the guest as the host kernel sees it: pending work,
 * time accounting, context tracking, reschedule IPIs.
 *
 * <linux/kvm_host.h> defines hv_* names of its own (Hyper-V's), so this file
 * includes no other header of the module.
 */
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#ifdef HOST_HAVE_ENTRY_VIRT
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif
#ifdef HOST_HAVE_IPI_TRACE
#include <trace/events/ipi.h>
#endif
#include <hv/host.h>

#ifndef HOST_HAVE_ENTRY_VIRT
/*
 * These kernels want a struct kvm_vcpu and, when a signal is pending, note it in
 * its run page and statistics. Nobody reads what they write there, so one
 * that all vCPUs share is enough.
 */
static struct kvm_run host_dummy_run;
static struct kvm_vcpu host_dummy_vcpu = { .run = &host_dummy_run };
#endif

/**
 * host_handle_work() - do what must be done before the guest runs
 *
 * Reschedules, runs task work and resume-user-mode work (cgroup throttling, rseq).
 *
 * Context: vCPU thread, interrupts on, no locks.
 * Return: 0, or -EINTR when a signal is pending.
 */
int host_handle_work(void)
{
#ifdef HOST_HAVE_ENTRY_VIRT
	return xfer_to_guest_mode_handle_work();
#else
	return xfer_to_guest_mode_handle_work(&host_dummy_vcpu);
#endif
}

/**
 * host_guest_timing_enter() - from here on, time is the guest's
 *
 * Context: interrupts off.
 */
void host_guest_timing_enter(void)
{
	guest_timing_enter_irqoff();
}

/**
 * host_guest_timing_exit() - the guest's time is over
 *
 * Called after interrupts were on for a moment, so that the tick that ended the
 * guest is charged to the guest.
 *
 * Context: interrupts off.
 */
void host_guest_timing_exit(void)
{
	guest_timing_exit_irqoff();
}

/**
 * host_guest_state_enter() - tell RCU, context tracking and lockdep
 *
 * Context: interrupts off; RCU is not watching afterwards: noinstr code only.
 */
noinstr void host_guest_state_enter(void)
{
	guest_state_enter_irqoff();
}

/**
 * host_guest_state_exit() - undo host_guest_state_enter()
 *
 * Context: interrupts off, noinstr.
 */
noinstr void host_guest_state_exit(void)
{
	guest_state_exit_irqoff();
}

/**
 * host_kick_cpu() - make a CPU leave the guest
 * @cpu: online CPU; this one, with interrupts off: its next entry ends at once
 *
 * A reschedule IPI: an external interrupt for the guest and nothing to do for the host.
 *
 * Context: any, preemption off.
 */
void host_kick_cpu(int cpu)
{
	smp_send_reschedule(cpu);
}
