// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this processor's VMX can do (SDM 3D appendix A), and which of it hv uses.
 */
#include <linux/kernel.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include <asm/hypervisor.h>
#include <asm/msr.h>
#include "vmx.h"

struct vmx_caps vmx_caps __ro_after_init;

/* IA32_VMX_BASIC (SDM 3D A.1) */
#define BASIC_REVISION		GENMASK_ULL(30, 0)
#define BASIC_REGION_SIZE	GENMASK_ULL(44, 32)
#define BASIC_MEMTYPE		GENMASK_ULL(53, 50)
#define BASIC_MEMTYPE_WB	(6ull << 50)
#define BASIC_IO_INSN_INFO	BIT_ULL(54)
#define BASIC_TRUE_CTLS		BIT_ULL(55)

/* IA32_VMX_EPT_VPID_CAP (SDM 3D A.10) */
#define EPT_CAP_WALK_4		BIT_ULL(6)
#define EPT_CAP_WB		BIT_ULL(14)
#define EPT_CAP_2M		BIT_ULL(16)
#define EPT_CAP_1G		BIT_ULL(17)
#define EPT_CAP_INVEPT		BIT_ULL(20)
#define EPT_CAP_AD		BIT_ULL(21)
#define EPT_CAP_INVEPT_SINGLE	BIT_ULL(25)
#define EPT_CAP_INVEPT_ALL	BIT_ULL(26)
#define EPT_CAP_INVVPID		BIT_ULL(32)
#define EPT_CAP_INVVPID_SINGLE	BIT_ULL(41)

/**
 * struct vmx_control - one set of control bits and what hv asks of it
 * @name: for the message
 * @msr: capability MSR
 * @required: hv does not work without
 * @wanted: used if there
 * @optional: off in a new VMCS; those that are there are noted
 * @value: result goes here
 * @there: which of @optional are there
 */
struct vmx_control {
	const char *name;
	u32 msr;
	u32 required;
	u32 wanted;
	u32 optional;
	u32 *value;
	u32 *there;
};

static const struct vmx_control vmx_controls[] __initconst = {
	{
		.name = "pin-based",
		.msr = MSR_IA32_VMX_TRUE_PINBASED_CTLS,
		.required = PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS,
		.optional = PIN_POSTED_INTR | PIN_PREEMPTION_TIMER,
		.value = &vmx_caps.pin,
		.there = &vmx_caps.pin_optional,
	}, {
		.name = "processor-based",
		.msr = MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
		.required = PROC_TSC_OFFSETTING | PROC_HLT_EXITING | PROC_MWAIT_EXITING |
			    PROC_RDPMC_EXITING | PROC_CR8_LOAD_EXITING |
			    PROC_CR8_STORE_EXITING | PROC_MOV_DR_EXITING |
			    PROC_UNCOND_IO_EXITING | PROC_USE_MSR_BITMAP |
			    PROC_MONITOR_EXITING | PROC_SECONDARY,
		.optional = PROC_TPR_SHADOW,
		.value = &vmx_caps.proc,
		.there = &vmx_caps.proc_optional,
	}, {
		.name = "secondary processor-based",
		.msr = MSR_IA32_VMX_PROCBASED_CTLS2,
		.required = PROC2_EPT | PROC2_UNRESTRICTED,
		.wanted = PROC2_VPID | PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES |
			  PROC2_ENCLS_EXITING | PROC2_WBINVD_EXITING | PROC2_PAUSE_LOOP |
			  PROC2_PML,
		.optional = PROC2_VIRT_APIC | PROC2_VIRT_X2APIC | PROC2_APIC_REGS |
			    PROC2_VIRT_INTR,
		.value = &vmx_caps.proc2,
		.there = &vmx_caps.proc2_optional,
	}, {
		.name = "VM-exit",
		.msr = MSR_IA32_VMX_TRUE_EXIT_CTLS,
		.required = EXIT_SAVE_DEBUG | EXIT_HOST_64BIT | EXIT_ACK_INTR |
			    EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_PAT | EXIT_LOAD_PAT,
		.value = &vmx_caps.exit,
	}, {
		.name = "VM-entry",
		.msr = MSR_IA32_VMX_TRUE_ENTRY_CTLS,
		.required = ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER | ENTRY_LOAD_PAT,
		.value = &vmx_caps.entry,
	},
};

/* A message names what is missing in the manual's words. */
struct vmx_named_control {
	u32 *value;
	u32 bit;
	const char *name;
};

static const struct vmx_named_control vmx_named_controls[] __initconst = {
	{ &vmx_caps.proc2, PROC2_EPT, "extended page tables (EPT)" },
	{ &vmx_caps.proc2, PROC2_UNRESTRICTED, "unrestricted guest" },
	{ &vmx_caps.pin, PIN_VIRTUAL_NMIS, "virtual NMIs" },
	{ &vmx_caps.proc, PROC_USE_MSR_BITMAP, "MSR bitmaps" },
};

static int __init vmx_size_up_control(const struct vmx_control *c)
{
	u32 must, may, missing;
	unsigned int i;

	/* Low half: bits that must be 1; high half: bits that may be 1 (SDM 3D A.3) */
	if (rdmsr_safe(c->msr, &must, &may)) {
		must = 0;
		may = 0;
	}
	*c->value = (must | c->required | c->wanted) & may;
	if (c->there)
		*c->there = c->optional & may;
	missing = c->required & ~may;
	if (!missing)
		return 0;
	for (i = 0; i < ARRAY_SIZE(vmx_named_controls); i++)
		if (vmx_named_controls[i].value == c->value &&
		    (vmx_named_controls[i].bit & missing)) {
			pr_err("hv: vmx: the processor has no %s\n", vmx_named_controls[i].name);
			return -EOPNOTSUPP;
		}
	pr_err("hv: vmx: the processor lacks %s controls %#x\n", c->name, missing);
	return -EOPNOTSUPP;
}

static int __init vmx_check_ept(void)
{
	u64 cap;

	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, cap);
	if (!(cap & EPT_CAP_WALK_4) || !(cap & EPT_CAP_WB) || !(cap & EPT_CAP_INVEPT) ||
	    !(cap & (EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL))) {
		pr_err("hv: vmx: the processor's EPT lacks 4 levels, write-back or INVEPT (%#llx)\n",
		       cap);
		return -EOPNOTSUPP;
	}
	vmx_caps.ept_ad = cap & EPT_CAP_AD;
	/* 1 GiB leaves without 2 MiB ones would be of no use. */
	vmx_caps.ept_leaf_levels = !(cap & EPT_CAP_2M) ? 1 : cap & EPT_CAP_1G ? 3 : 2;
	vmx_caps.invept_single = cap & EPT_CAP_INVEPT_SINGLE;
	/* Switched on when it is needed; it notes what sets dirty bits. */
	vmx_caps.pml = vmx_caps.ept_ad && vmx_caps.proc2 & PROC2_PML;
	vmx_caps.proc2 &= ~PROC2_PML;
	vmx_caps.vpid = vmx_caps.proc2 & PROC2_VPID;
	vmx_caps.invvpid_single = (cap & EPT_CAP_INVVPID) && (cap & EPT_CAP_INVVPID_SINGLE);
	return 0;
}

/* VMX is there and the firmware has not locked it away. */
static int __init vmx_check_available(void)
{
	if (boot_cpu_data.x86_vendor != X86_VENDOR_INTEL &&
	    boot_cpu_data.x86_vendor != X86_VENDOR_CENTAUR &&
	    boot_cpu_data.x86_vendor != X86_VENDOR_ZHAOXIN)
		return -ENODEV;
	if (host_uses_fred()) {
		pr_err("hv: vmx: hv can't call the host's interrupt handlers with FRED: boot with fred=off\n");
		return -EOPNOTSUPP;
	}
	/* CPUID.1:ECX.VMX itself: the kernel clears its own flag when firmware disabled VMX */
	if (!(cpuid_ecx(1) & BIT(5))) {
		pr_err("hv: vmx: the processor has no VMX\n");
		return -ENODEV;
	}
	if (!boot_cpu_has(X86_FEATURE_MSR_IA32_FEAT_CTL) || !boot_cpu_has(X86_FEATURE_VMX)) {
		pr_err("hv: vmx: disabled by firmware (IA32_FEATURE_CONTROL): enable VT-x in the setup\n");
		return -EACCES;
	}
	return 0;
}

/**
 * vmx_caps_init() - fill vmx_caps
 *
 * Context: module load.
 * Return: 0; -ENODEV: no VMX; -EACCES: disabled by firmware; -EOPNOTSUPP: a feature is missing,
 * the log says which.
 */
int __init vmx_caps_init(void)
{
	u64 basic;
	int i, r;

	r = vmx_check_available();
	if (r)
		return r;

	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	if (!(basic & BASIC_TRUE_CTLS) || !(basic & BASIC_IO_INSN_INFO) ||
	    (basic & BASIC_MEMTYPE) != BASIC_MEMTYPE_WB ||
	    ((basic & BASIC_REGION_SIZE) >> 32) > PAGE_SIZE) {
		pr_err("hv: vmx: the processor's VMX is too old (IA32_VMX_BASIC %#llx)\n", basic);
		return -EOPNOTSUPP;
	}
	vmx_caps.revision = basic & BASIC_REVISION;

	for (i = 0; i < ARRAY_SIZE(vmx_controls); i++) {
		r = vmx_size_up_control(&vmx_controls[i]);
		if (r)
			return r;
	}
	if (!hv_ple_gap())
		vmx_caps.proc2 &= ~PROC2_PAUSE_LOOP;
	/* On unless cleared (default1), but the true MSRs say that they can be cleared. */
	vmx_caps.proc &= ~(PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING);

	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, vmx_caps.cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, vmx_caps.cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, vmx_caps.cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, vmx_caps.cr4_fixed1);
	/* Unrestricted guest: PE and PG may be 0 all the same (SDM 3D A.7) */
	vmx_caps.cr0_fixed0 &= ~(u64)(X86_CR0_PE | X86_CR0_PG);
	return vmx_check_ept();
}
