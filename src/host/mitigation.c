// SPDX-License-Identifier: GPL-2.0-only
/*
 * Speculation mitigations around the guest: the host kernel decides, hv follows.
 * What is done where: Documentation/entry.rst.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/smt.h>
#include <asm/cpufeature.h>
#include <asm/hardirq.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include <hv/host.h>

/* Larger than every L1 data cache that needs the software flush */
#define HOST_L1D_ORDER	4
static void *host_l1d_pages;

/*
 * None if the processor says that it needs none (ARCH_CAP_SKIP_VMENTRY_L1DFLUSH); else what
 * l1tf= or mitigations= on the kernel's command line mean for guests
 * (Documentation/admin-guide/hw-vuln/l1tf.rst).
 */
static enum host_l1d_flush host_l1d_policy(u64 arch_cap)
{
	if (!boot_cpu_has_bug(X86_BUG_L1TF) || (arch_cap & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH))
		return HOST_L1D_NEVER;
	switch (l1tf_mitigation) {
	case L1TF_MITIGATION_OFF:
		return HOST_L1D_NEVER;
	case L1TF_MITIGATION_FULL:
	case L1TF_MITIGATION_FULL_FORCE:
		return HOST_L1D_ALWAYS;
	default:
		return HOST_L1D_COND;
	}
}

/**
 * host_itlb_multihit() - a guest can stop this processor by an instruction fetch
 *
 * Erratum "machine check error on page size change": a fetch that finds a page in the
 * instruction TLB in two sizes. Not if mitigations are switched off.
 *
 * Return: whether large pages must not be executable.
 */
bool host_itlb_multihit(void)
{
	return boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
}

/**
 * host_mitigations_init() - what this host needs around the guest
 * @m: result
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int host_mitigations_init(struct host_mitigations *m)
{
	u64 arch_cap = 0;

	memset(m, 0, sizeof(*m));
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, arch_cap);

	m->spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	m->kernel_ibrs = cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS);
	/*
	 * MMIO stale data on parts without MDS: the kernel clears buffers only for guests that
	 * can reach device memory. hv does not tell them apart.
	 */
	m->verw = boot_cpu_has_bug(X86_BUG_MMIO_STALE_DATA) && !cpu_mitigations_off() &&
		  !cpu_feature_enabled(X86_FEATURE_CLEAR_CPU_BUF);
	m->ibpb_exit_to_user = cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER);
	m->l1d_flush = host_l1d_policy(arch_cap);
	if (m->l1d_flush && !boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		host_l1d_pages = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
							  HOST_L1D_ORDER);
		if (!host_l1d_pages)
			return -ENOMEM;
	}
	return 0;
}

/**
 * host_mitigations_exit() - undo host_mitigations_init()
 */
void host_mitigations_exit(void)
{
	free_pages((unsigned long)host_l1d_pages, HOST_L1D_ORDER);
	host_l1d_pages = NULL;
}

/**
 * host_spec_ctrl() - IA32_SPEC_CTRL that the host wants on this CPU
 *
 * Context: noinstr, preemption off.
 */
noinstr u64 host_spec_ctrl(void)
{
	return this_cpu_read(x86_spec_ctrl_current);
}

/**
 * host_flush_l1d() - L1TF: nothing of the host's stays in the L1 data cache
 *
 * With IA32_FLUSH_CMD if the processor has it (SDM 4, L1D_FLUSH), else by reading 64 KiB.
 *
 * Context: noinstr, interrupts off, last before the entry.
 */
noinstr void host_flush_l1d(void)
{
	unsigned int i;

	if (static_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}
	for (i = 0; i < PAGE_SIZE << HOST_L1D_ORDER; i += 64)
		asm volatile("movzbl (%0), %%eax" : : "r"(host_l1d_pages + i) : "eax");
	asm volatile("lfence" : : : "memory");
}

/**
 * host_l1d_touched() - has an interrupt handler run on this CPU since the last call?
 *
 * The kernel's interrupt entries set a flag for its own KVM; whoever flushes clears it.
 *
 * Context: noinstr, interrupts off.
 */
noinstr bool host_l1d_touched(void)
{
	bool touched = kvm_get_cpu_l1tf_flush_l1d();

	kvm_clear_cpu_l1tf_flush_l1d();
	return touched;
}

/**
 * host_clear_buffers() - VERW with a valid selector overwrites the processor's buffers
 *
 * Context: noinstr, interrupts off.
 */
noinstr void host_clear_buffers(void)
{
	static const u16 ds = __KERNEL_DS;

	/* The memory form: only it is guaranteed to clear (SDM 2C, VERW; Intel's MDS guidance). */
	asm volatile("verw %0" : : "m"(ds) : "cc");
}

/**
 * host_ibpb() - no branch prediction learned by one vCPU steers another
 *
 * Context: preemption off.
 */
void host_ibpb(void)
{
	if (cpu_feature_enabled(X86_FEATURE_USE_IBPB))
		indirect_branch_prediction_barrier();
}
