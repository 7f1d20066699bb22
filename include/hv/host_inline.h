/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is asked of the host at each exit: a part of src/host, inline because a call costs more than
 * most of these do.
 */
#ifndef HV_HOST_INLINE_H
#define HV_HOST_INLINE_H

#include <linux/percpu.h>
#include <linux/thread_info.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/fpu/api.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#ifdef HOST_HAVE_ENTRY_VIRT
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif

/**
 * host_work_pending() - is there work for host_handle_work()?
 *
 * Context: interrupts off: what comes later ends the guest with an IPI.
 */
static inline bool host_work_pending(void)
{
	xfer_to_guest_mode_prepare();
	return xfer_to_guest_mode_work_pending();
}

/**
 * host_work_pending_racy() - the same, asked early
 *
 * Context: any; what comes later is found by host_work_pending().
 */
static inline bool host_work_pending_racy(void)
{
	return __xfer_to_guest_mode_work_pending();
}

/**
 * host_cr3() - CR3 of this CPU, PCID included
 *
 * Context: interrupts off: a switch of the mm would make it stale.
 */
static inline u64 host_cr3(void)
{
	return __read_cr3();
}

/**
 * host_cr4() - CR4 of this CPU, from the kernel's shadow
 *
 * Context: interrupts off.
 */
static inline u64 host_cr4(void)
{
	return cr4_read_shadow();
}

/**
 * host_hw_breakpoint_active() - does this CPU use DR7?
 */
static inline bool host_hw_breakpoint_active(void)
{
	return hw_breakpoint_active();
}

/**
 * host_debugctl() - IA32_DEBUGCTL of this CPU
 *
 * Context: interrupts off.
 */
static inline u64 host_debugctl(void)
{
	return get_debugctlmsr();
}

/**
 * host_note_guest_exit() - VMSCAPE: this CPU has run a guest
 *
 * The kernel then issues an IBPB before it next returns to user space.
 *
 * Context: preemption off.
 */
static inline void host_note_guest_exit(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

/**
 * host_fpu_return() - make the registers hold what the task's FPU state says
 *
 * The task may have been scheduled away since, or an interrupt may have used the FPU.
 *
 * Context: interrupts off.
 */
static inline void host_fpu_return(void)
{
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

#endif
