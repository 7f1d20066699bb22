// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this processor's SVM can do (APM 2 15.30, APM 3 appendix E.4.9), and which of it hv uses.
 */
#include <linux/kernel.h>
#include <linux/printk.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include "svm.h"

struct svm_caps svm_caps __ro_after_init;

/* CPUID.8000_0001:ECX */
#define CPUID_SVM		BIT(2)

/* CPUID.8000_000A:EDX */
#define CPUID_NPT		BIT(0)
#define CPUID_NRIPS		BIT(3)
#define CPUID_TSC_RATE		BIT(4)
#define CPUID_VMCB_CLEAN	BIT(5)
#define CPUID_FLUSH_BY_ASID	BIT(6)
#define CPUID_DECODE_ASSISTS	BIT(7)
#define CPUID_PAUSE_FILTER	BIT(10)
#define CPUID_PAUSE_THRESHOLD	BIT(12)
#define CPUID_AVIC		BIT(13)
#define CPUID_V_SPEC_CTRL	BIT(20)

/* MSR VM_CR (APM 2 15.30.1) */
#define MSR_VM_CR_LOCK		BIT_ULL(3)
#define MSR_VM_CR_SVMDIS	BIT_ULL(4)

/* SVM is there and the firmware has not locked it away. */
static int __init svm_check_available(void)
{
	u64 vm_cr;

	if (boot_cpu_data.x86_vendor != X86_VENDOR_AMD &&
	    boot_cpu_data.x86_vendor != X86_VENDOR_HYGON)
		return -ENODEV;
	/* CPUID itself: the kernel clears its own flag when firmware disabled SVM. */
	if (cpuid_eax(0x80000000) < 0x8000000a || !(cpuid_ecx(0x80000001) & CPUID_SVM)) {
		pr_err("hv: svm: the processor has no SVM\n");
		return -ENODEV;
	}
	if (host_uses_fred()) {
		pr_err("hv: svm: hv does not know FRED: boot with fred=off\n");
		return -EOPNOTSUPP;
	}
	if (rdmsrl_safe(MSR_VM_CR, &vm_cr))
		vm_cr = 0;
	if (vm_cr & MSR_VM_CR_SVMDIS) {
		pr_err("hv: svm: disabled by firmware (VM_CR%s): enable SVM in the setup\n",
		       vm_cr & MSR_VM_CR_LOCK ? ", locked" : "");
		return -EACCES;
	}
	return 0;
}

/**
 * svm_caps_init() - fill svm_caps
 *
 * Context: module load.
 * Return: 0; -ENODEV: no SVM; -EACCES: disabled by firmware; -EOPNOTSUPP: a feature is missing,
 * the log says which.
 */
int __init svm_caps_init(void)
{
	u32 eax, ebx, ecx, edx;
	int r;

	r = svm_check_available();
	if (r)
		return r;
	cpuid(0x8000000a, &eax, &ebx, &ecx, &edx);
	if (!(edx & CPUID_NPT)) {
		pr_err("hv: svm: the processor has no nested paging (NPT)\n");
		return -EOPNOTSUPP;
	}
	if (ebx < 2) {
		pr_err("hv: svm: the processor has no ASIDs\n");
		return -EOPNOTSUPP;
	}
	svm_caps = (struct svm_caps) {
		.nr_asids = ebx,
		.nrips = edx & CPUID_NRIPS,
		.decode_assists = edx & CPUID_DECODE_ASSISTS,
		.flush_by_asid = edx & CPUID_FLUSH_BY_ASID,
		.clean_bits = edx & CPUID_VMCB_CLEAN,
		.tsc_ratio = edx & CPUID_TSC_RATE,
		.pause_filter = hv_ple_gap() && (edx & CPUID_PAUSE_FILTER),
		.pause_threshold = edx & CPUID_PAUSE_THRESHOLD,
		.v_spec_ctrl = edx & CPUID_V_SPEC_CTRL,
		.avic = edx & CPUID_AVIC,
	};
	return 0;
}
