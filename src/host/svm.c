// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns SVM on a CPU: EFER.SVME is the lock, as for KVM.
 */
#include <linux/errno.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <hv/host.h>

/**
 * host_svm_take() - become the owner of SVM on this CPU
 *
 * From then on perf's counters can tell host from guest, which takes SVME on this
 * family.
 *
 * Context: interrupts off.
 * Return: 0, or -EBUSY: another hypervisor has set EFER.SVME.
 */
int host_svm_take(void)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	amd_pmu_enable_virt();
	return 0;
}

/**
 * host_svm_release() - give SVM up on this CPU
 *
 * GIF first: with SVME clear nothing could set it any more, and neither INIT nor NMI would
 * reach the next kernel (APM 2 15.17). In a crash it may be clear.
 *
 * Context: interrupts off, any context.
 */
void host_svm_release(void)
{
	u64 efer;

	amd_pmu_disable_virt();
	asm volatile("1: stgi\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "memory");
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer & ~(u64)EFER_SVME);
}
