// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: one table says for each who holds it, who may read and
 * write it, and what is checked. What is not in the table is #GP.
 */
#include <linux/bsearch.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/kvm_para.h>
#include <asm/processor.h>
#include <hv/backend.h>
#include <hv/irq.h>
#include "internal.h"

#define HV_MAX_MSR_ENTRIES	255

/* MSRs that <asm/msr-index.h> does not name */
#define HV_MSR_BIOS_UPDT_TRIG	0x79
#define HV_MSR_BBL_CR_CTL	0x119
#define HV_MSR_AMD_DC_CFG	0xc0011022
#define HV_MSR_AMD_TW_CFG	0xc0011023
#define HV_MSR_AMD_EX_CFG	0xc001102c

#define HV_MISC_ENABLE_RESET	(MSR_IA32_MISC_ENABLE_FAST_STRING | \
				 MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | \
				 MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)
#define HV_PAT_RESET		0x0007040600070406ULL	/* SDM 3A table 12-12 */
#define HV_UCODE_REV_DEFAULT	BIT_ULL(32)

/* Values that the guest may know of the host's; the rest of the register reads 0 */
#define HV_ARCH_CAP_HOST	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | \
				 ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO | \
				 ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | \
				 ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | \
				 ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | \
				 ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | \
				 ARCH_CAP_RFDS_CLEAR)

static u64 hv_arch_capabilities __ro_after_init;
static u64 hv_ucode_rev __ro_after_init;

/* Flags of struct hv_msr_desc */
#define HV_MSR_SAVE	BIT(0)	/* in HV_GET_MSR_INDEX_LIST */
#define HV_MSR_BACKEND	BIT(1)	/* ask the backend first, it may hold it */
#define HV_MSR_CANON	BIT(2)	/* must be canonical */
#define HV_MSR_RO	BIT(3)	/* #GP if the guest writes it; the VMM can */
#define HV_MSR_IGNORE	BIT(4)	/* reads 0, writes by the guest have no effect */
#define HV_MSR_ZERO	BIT(5)	/* reads 0 */
#define HV_MSR_CPUIDS	BIT(6)	/* its CPUID bits are in hv_msr_cpuids[] */

/**
 * struct hv_msr_desc - an MSR, or a range of them
 * @first: its index, or the first of a range
 * @last: last of the range
 * @flags: HV_MSR_*
 * @valid: bits that can be set
 * @host: X86_FEATURE_* + 1 that the host needs, 0: none
 * @cpuid: guest needs this bit: leaf
 * @cpuid_reg: result register
 * @cpuid_bit: bit; there is no test for @cpuid 0
 * @offset: of the u64 in struct hv_vcpu_x86 that holds it; 0: there is none
 * @get: reads it, instead of @offset
 * @set: writes it, after the checks, instead of @offset
 */
struct hv_msr_desc {
	u32 first;
	u32 last;
	u16 flags;
	u16 host;
	u32 cpuid;
	u8 cpuid_reg;
	u8 cpuid_bit;
	u16 offset;
	u64 valid;
	int (*get)(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
	int (*set)(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);
};

/* ---- registers with a behaviour ---- */

static int hv_get_tsc(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = hv_guest_tsc(vcpu, rdtsc());
	return 0;
}

static int hv_set_tsc(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	hv_write_tsc(vcpu, val, host);
	return 0;
}

/* A write by the guest moves the TSC along (SDM 3B 18.17.3). */
static int hv_set_tsc_adjust(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!host)
		hv_adjust_tsc_offset(vcpu, val - vcpu->x86.tsc_adjust);
	vcpu->x86.tsc_adjust = val;
	return 0;
}

/* A VMM that has the APIC learns of it from the run page. */
static int hv_set_apic_base(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return hv_lapic_set_base(vcpu, val, host);
}

static int hv_get_deadline(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = 0;
	if (vcpu->x86.lapic)
		*val = hv_lapic_get_deadline(vcpu);
	else if (!host)
		return 1;
	return 0;
}

static int hv_set_deadline(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!vcpu->x86.lapic)
		return !host || val;
	hv_lapic_set_deadline(vcpu, val);
	return 0;
}

static int hv_get_x2apic(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	return vcpu->x86.lapic ? hv_lapic_msr_read(vcpu, index, val) : 1;
}

static int hv_set_x2apic(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return vcpu->x86.lapic ? hv_lapic_msr_write(vcpu, index, val) : 1;
}

static int hv_get_efer(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->x86.efer;
	return 0;
}

static int hv_set_efer_msr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return hv_set_efer(vcpu, val, host);
}

static int hv_set_pat(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!hv_pat_valid(val))
		return 1;
	vcpu->x86.pat = val;
	return 0;
}

/* Locked with nothing enabled: the firmware of this machine offers no VMX (SDM 3C 24.7). */
static int hv_get_feature_control(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = FEAT_CTL_LOCKED;
	return 0;
}

static int hv_set_feature_control(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return !host || (val & ~(u64)FEAT_CTL_LOCKED);
}

/*
 * LBR and branch single-stepping are not virtualized; guests that try get no effect
 * rather than a #GP that they don't expect from this processor.
 */
static int hv_set_debugctl(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return !!(val & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF));
}

/*
 * The commands act on the processor that executes the write: here that is enough, as the
 * vCPU is loaded on it.
 */
static int hv_set_pred_cmd(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (val && boot_cpu_has(X86_FEATURE_IBPB))
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return 0;
}

static int hv_set_flush_cmd(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (val && boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	return 0;
}

static int hv_set_ucode_rev(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	/* A guest writes 0 before it reads the revision with CPUID (SDM 3A 10.11.7.1). */
	if (host)
		vcpu->x86.ucode_rev = val;
	return 0;
}

static int hv_set_misc_enable(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	u64 ro = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL |
		 MSR_IA32_MISC_ENABLE_EMON;
	u64 *reg = &vcpu->x86.misc_enable;

	*reg = host ? val : (val & ~ro) | (*reg & ro);
	return 0;
}

/*
 * TscFreqSel: the TSC runs at the frequency of P0, which systems want to hear of an invariant
 * one. McStatusWrEn: MCi_STATUS can be written. The switches of caches and of the flush
 * filter have no effect (BKDG for family 10h, MSRC001_0015).
 */
static int hv_set_hwcr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	val &= ~(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8));
	if (val & ~(HV_HWCR_MC_STATUS_WR_EN | HV_HWCR_TSC_FREQ_SEL))
		return 1;
	vcpu->x86.hwcr = val;
	return 0;
}

/* Bit 1: LFENCE serializes, as the host has set it. A guest can only find it so. */
static u64 hv_de_cfg(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? BIT_ULL(1) : 0;
}

static int hv_get_de_cfg(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = hv_de_cfg();
	return 0;
}

static int hv_set_de_cfg(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return host ? !!(val & ~hv_de_cfg()) : val != hv_de_cfg();
}

/* ---- the table, sorted by index ---- */

#define HV_X86(field)	offsetof(struct hv_vcpu_x86, field)
#define HV_ALL		~0ULL
#define HV_HOST(f)	(X86_FEATURE_##f + 1)

static const struct hv_msr_desc hv_msrs[] = {
	{ .first = MSR_IA32_P5_MC_ADDR, .last = MSR_IA32_P5_MC_TYPE,
	  .get = hv_mce_get_msr, .set = hv_mce_set_msr, .valid = HV_ALL },
	{ .first = MSR_IA32_TSC, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .get = hv_get_tsc, .set = hv_set_tsc },
	{ .first = MSR_KVM_WALL_CLOCK, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .get = hv_get_wall_clock, .set = hv_set_wall_clock },
	{ .first = MSR_KVM_SYSTEM_TIME, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .get = hv_get_system_time, .set = hv_set_system_time },
	{ .first = MSR_IA32_PLATFORM_ID, .flags = HV_MSR_RO | HV_MSR_ZERO },
	{ .first = MSR_IA32_APICBASE, .offset = HV_X86(apic_base), .valid = HV_ALL,
	  .set = hv_set_apic_base },
	{ .first = MSR_IA32_EBL_CR_POWERON, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_SMI_COUNT, .flags = HV_MSR_SAVE | HV_MSR_RO | HV_MSR_ZERO },
	{ .first = MSR_IA32_FEAT_CTL, .valid = HV_ALL,
	  .get = hv_get_feature_control, .set = hv_set_feature_control },
	{ .first = MSR_IA32_TSC_ADJUST, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .cpuid = 7, .cpuid_reg = 1, .cpuid_bit = 1,
	  .offset = HV_X86(tsc_adjust), .set = hv_set_tsc_adjust },
	{ .first = MSR_IA32_SPEC_CTRL, .flags = HV_MSR_SAVE | HV_MSR_BACKEND | HV_MSR_CPUIDS,
	  .host = HV_HOST(MSR_SPEC_CTRL),
	  .valid = SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | SPEC_CTRL_SSBD,
	  .offset = HV_X86(spec_ctrl) },
	{ .first = MSR_IA32_PRED_CMD, .flags = HV_MSR_ZERO | HV_MSR_CPUIDS, .host = HV_HOST(IBPB),
	  .valid = PRED_CMD_IBPB, .set = hv_set_pred_cmd },
	{ .first = HV_MSR_BIOS_UPDT_TRIG, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_IA32_UCODE_REV, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .offset = HV_X86(ucode_rev), .set = hv_set_ucode_rev },
	{ .first = MSR_P6_PERFCTR0, .last = MSR_P6_PERFCTR1,
	  .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_PLATFORM_INFO, .flags = HV_MSR_RO | HV_MSR_ZERO | HV_MSR_SAVE },
	{ .first = MSR_MTRRcap, .flags = HV_MSR_RO, .get = hv_mtrr_get_msr },
	{ .first = MSR_IA32_ARCH_CAPABILITIES, .flags = HV_MSR_SAVE | HV_MSR_RO,
	  .cpuid = 7, .cpuid_reg = 3, .cpuid_bit = 29, .valid = HV_ALL,
	  .offset = HV_X86(arch_capabilities) },
	{ .first = MSR_IA32_FLUSH_CMD, .flags = HV_MSR_ZERO, .host = HV_HOST(FLUSH_L1D),
	  .cpuid = 7, .cpuid_reg = 3, .cpuid_bit = 28,
	  .valid = L1D_FLUSH, .set = hv_set_flush_cmd },
	{ .first = HV_MSR_BBL_CR_CTL, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_MISC_FEATURES_ENABLES, .flags = HV_MSR_SAVE | HV_MSR_ZERO },
	{ .first = MSR_IA32_SYSENTER_CS, .flags = HV_MSR_SAVE | HV_MSR_BACKEND,
	  .valid = U32_MAX },
	{ .first = MSR_IA32_SYSENTER_ESP, .last = MSR_IA32_SYSENTER_EIP,
	  .flags = HV_MSR_SAVE | HV_MSR_BACKEND | HV_MSR_CANON, .valid = HV_ALL },
	{ .first = MSR_IA32_MCG_CAP, .get = hv_mce_get_msr, .set = hv_mce_set_msr,
	  .valid = HV_ALL },
	{ .first = MSR_IA32_MCG_STATUS, .last = MSR_IA32_MCG_CTL, .flags = HV_MSR_SAVE,
	  .get = hv_mce_get_msr, .set = hv_mce_set_msr, .valid = HV_ALL },
	{ .first = MSR_P6_EVNTSEL0, .last = MSR_P6_EVNTSEL1,
	  .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_IA32_PERF_STATUS, .last = MSR_IA32_PERF_CTL,
	  .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_IA32_MISC_ENABLE, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .offset = HV_X86(misc_enable), .set = hv_set_misc_enable },
	{ .first = MSR_IA32_DEBUGCTLMSR, .flags = HV_MSR_ZERO, .valid = HV_ALL,
	  .set = hv_set_debugctl },
	{ .first = MSR_IA32_LASTBRANCHFROMIP, .last = MSR_IA32_LASTINTTOIP,
	  .flags = HV_MSR_RO | HV_MSR_ZERO },
	{ .first = 0x200, .last = 0x200 + HV_NR_VAR_MTRRS * 2 - 1, .flags = HV_MSR_SAVE,
	  .get = hv_mtrr_get_msr, .set = hv_mtrr_set_msr, .valid = HV_ALL },
	{ .first = MSR_MTRRfix64K_00000, .flags = HV_MSR_SAVE,
	  .get = hv_mtrr_get_msr, .set = hv_mtrr_set_msr, .valid = HV_ALL },
	{ .first = MSR_MTRRfix16K_80000, .last = MSR_MTRRfix16K_A0000, .flags = HV_MSR_SAVE,
	  .get = hv_mtrr_get_msr, .set = hv_mtrr_set_msr, .valid = HV_ALL },
	{ .first = MSR_MTRRfix4K_C0000, .last = MSR_MTRRfix4K_F8000, .flags = HV_MSR_SAVE,
	  .get = hv_mtrr_get_msr, .set = hv_mtrr_set_msr, .valid = HV_ALL },
	{ .first = MSR_IA32_CR_PAT, .flags = HV_MSR_SAVE | HV_MSR_BACKEND, .valid = HV_ALL,
	  .offset = HV_X86(pat), .set = hv_set_pat },
	{ .first = MSR_MTRRdefType, .flags = HV_MSR_SAVE,
	  .get = hv_mtrr_get_msr, .set = hv_mtrr_set_msr, .valid = HV_ALL },
	{ .first = MSR_IA32_MC0_CTL, .last = MSR_IA32_MC0_CTL + HV_NR_MCE_BANKS * 4 - 1,
	  .get = hv_mce_get_msr, .set = hv_mce_set_msr, .valid = HV_ALL },
	{ .first = MSR_RAPL_POWER_UNIT, .flags = HV_MSR_RO | HV_MSR_ZERO },
	{ .first = MSR_PKG_ENERGY_STATUS, .flags = HV_MSR_RO | HV_MSR_ZERO },
	{ .first = MSR_DRAM_ENERGY_STATUS, .flags = HV_MSR_RO | HV_MSR_ZERO },
	{ .first = MSR_PP0_ENERGY_STATUS, .flags = HV_MSR_RO | HV_MSR_ZERO },
	{ .first = MSR_PP1_ENERGY_STATUS, .flags = HV_MSR_RO | HV_MSR_ZERO },
	{ .first = MSR_IA32_TSC_DEADLINE, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .cpuid = 1, .cpuid_reg = 2, .cpuid_bit = 24,
	  .get = hv_get_deadline, .set = hv_set_deadline },
	{ .first = 0x800, .last = 0x8ff, .valid = HV_ALL,
	  .get = hv_get_x2apic, .set = hv_set_x2apic },
	{ .first = MSR_IA32_XSS, .flags = HV_MSR_SAVE, .host = HV_HOST(XSAVES),
	  .cpuid = 0xd, .cpuid_reg = 0, .cpuid_bit = 3, .offset = HV_X86(xss) },
	{ .first = MSR_KVM_WALL_CLOCK_NEW, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .get = hv_get_wall_clock, .set = hv_set_wall_clock },
	{ .first = MSR_KVM_SYSTEM_TIME_NEW, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .get = hv_get_system_time, .set = hv_set_system_time },
	{ .first = MSR_KVM_STEAL_TIME, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .get = hv_get_steal_time, .set = hv_set_steal_time },
	{ .first = MSR_KVM_PV_EOI_EN, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .get = hv_get_pv_eoi, .set = hv_set_pv_eoi },
	{ .first = MSR_KVM_POLL_CONTROL, .flags = HV_MSR_SAVE, .valid = HV_POLL_CONTROL_HOST,
	  .get = hv_get_poll_control, .set = hv_set_poll_control },
	{ .first = MSR_EFER, .valid = HV_ALL, .get = hv_get_efer, .set = hv_set_efer_msr },
	{ .first = MSR_STAR, .flags = HV_MSR_SAVE | HV_MSR_BACKEND, .valid = HV_ALL,
	  .offset = HV_X86(star) },
	{ .first = MSR_LSTAR, .flags = HV_MSR_SAVE | HV_MSR_BACKEND | HV_MSR_CANON,
	  .valid = HV_ALL, .offset = HV_X86(lstar) },
	{ .first = MSR_CSTAR, .flags = HV_MSR_SAVE | HV_MSR_BACKEND | HV_MSR_CANON,
	  .valid = HV_ALL, .offset = HV_X86(cstar) },
	{ .first = MSR_SYSCALL_MASK, .flags = HV_MSR_SAVE | HV_MSR_BACKEND,
	  .valid = U32_MAX, .offset = HV_X86(sfmask) },
	{ .first = MSR_FS_BASE, .last = MSR_GS_BASE, .valid = HV_ALL,
	  .flags = HV_MSR_BACKEND | HV_MSR_CANON },
	{ .first = MSR_KERNEL_GS_BASE, .flags = HV_MSR_SAVE | HV_MSR_BACKEND | HV_MSR_CANON,
	  .valid = HV_ALL, .offset = HV_X86(kernel_gs_base) },
	{ .first = MSR_TSC_AUX, .flags = HV_MSR_SAVE | HV_MSR_BACKEND | HV_MSR_CPUIDS,
	  .host = HV_HOST(RDTSCP), .valid = U32_MAX, .offset = HV_X86(tsc_aux) },
	/* What systems read or write on AMD processors without asking CPUID */
	{ .first = MSR_K7_EVNTSEL0, .last = MSR_K7_PERFCTR3,
	  .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_AMD64_SYSCFG, .flags = HV_MSR_ZERO },
	{ .first = MSR_K7_HWCR, .flags = HV_MSR_SAVE, .valid = HV_ALL,
	  .offset = HV_X86(hwcr), .set = hv_set_hwcr },
	{ .first = MSR_K8_TOP_MEM1, .flags = HV_MSR_ZERO },
	{ .first = MSR_K8_TOP_MEM2, .flags = HV_MSR_ZERO },
	{ .first = MSR_AMD64_NB_CFG, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_AMD64_PATCH_LOADER, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = MSR_K8_INT_PENDING_MSG, .flags = HV_MSR_ZERO },
	{ .first = MSR_FAM10H_MMIO_CONF_BASE, .flags = HV_MSR_ZERO },
	{ .first = MSR_K8_TSEG_ADDR, .last = MSR_K8_TSEG_MASK, .flags = HV_MSR_ZERO },
	{ .first = MSR_VM_HSAVE_PA, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = HV_MSR_AMD_DC_CFG, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = HV_MSR_AMD_TW_CFG, .flags = HV_MSR_ZERO },
	{ .first = MSR_AMD64_DE_CFG, .valid = HV_ALL,
	  .get = hv_get_de_cfg, .set = hv_set_de_cfg },
	{ .first = MSR_AMD64_BU_CFG2, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
	{ .first = HV_MSR_AMD_EX_CFG, .flags = HV_MSR_ZERO | HV_MSR_IGNORE },
};

static u32 hv_msr_last(const struct hv_msr_desc *d)
{
	return d->last ? : d->first;
}

static int hv_msr_cmp(const void *key, const void *elt)
{
	const struct hv_msr_desc *d = elt;
	u32 index = *(const u32 *)key;

	if (index < d->first)
		return -1;
	return index > hv_msr_last(d);
}

static const struct hv_msr_desc *hv_msr_find(u32 index)
{
	return __inline_bsearch(&index, hv_msrs, ARRAY_SIZE(hv_msrs), sizeof(hv_msrs[0]),
				hv_msr_cmp);
}

static bool hv_msr_on_host(const struct hv_msr_desc *d)
{
	return !d->host || cpu_has(&boot_cpu_data, d->host - 1);
}

/**
 * struct hv_msr_cpuid - a CPUID bit that an MSR comes with; one of several is enough
 * @index: MSR
 * @func: leaf
 * @reg: result register
 * @bits: bits in it
 */
struct hv_msr_cpuid {
	u32 index;
	u32 func;
	u8 reg;
	u32 bits;
};

static const struct hv_msr_cpuid hv_msr_cpuids[] = {
	/* RDTSCP, or RDPID alone (SDM 4, IA32_TSC_AUX) */
	{ MSR_TSC_AUX, 0x80000001, 3, BIT(27) },
	{ MSR_TSC_AUX, 7, 2, BIT(22) },
	/* IBRS, STIBP, SSBD: Intel's and AMD's (SDM 2A, CPUID; APM 3 E.4.7) */
	{ MSR_IA32_SPEC_CTRL, 7, 3, BIT(26) | BIT(27) | BIT(31) },
	{ MSR_IA32_SPEC_CTRL, 0x80000008, 1, BIT(14) | BIT(15) | BIT(24) },
	{ MSR_IA32_PRED_CMD, 7, 3, BIT(26) },
	{ MSR_IA32_PRED_CMD, 0x80000008, 1, BIT(12) },
};

static bool hv_msr_on_guest(struct hv_vcpu *vcpu, const struct hv_msr_desc *d, u32 index)
{
	const struct hv_cpuid_entry2 *e;
	unsigned int i;

	if (!(d->flags & HV_MSR_CPUIDS))
		return !d->cpuid || hv_cpuid_has(vcpu, d->cpuid, d->cpuid == 0xd, d->cpuid_reg,
						 d->cpuid_bit);
	for (i = 0; i < ARRAY_SIZE(hv_msr_cpuids); i++) {
		const struct hv_msr_cpuid *c = &hv_msr_cpuids[i];

		if (c->index != index)
			continue;
		e = hv_cpuid_find(vcpu, c->func, 0);
		if (e && (c->bits & (c->reg == 1 ? e->ebx : c->reg == 2 ? e->ecx : e->edx)))
			return true;
	}
	return false;
}

/* The VMM may save and restore what the guest's CPUID doesn't show, but the host has. */
static const struct hv_msr_desc *hv_msr_access(struct hv_vcpu *vcpu, u32 index, bool host)
{
	const struct hv_msr_desc *d = hv_msr_find(index);

	if (!d || !hv_msr_on_host(d))
		return NULL;
	if (!host && !hv_msr_on_guest(vcpu, d, index))
		return NULL;
	return d;
}

static u64 *hv_msr_field(struct hv_vcpu *vcpu, const struct hv_msr_desc *d)
{
	return (void *)&vcpu->x86 + d->offset;
}

/**
 * hv_get_msr() - read an MSR
 * @vcpu: loaded vCPU
 * @index: MSR
 * @val: result
 * @host: for the VMM
 *
 * Return: 0, or 1 = #GP.
 */
int hv_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	const struct hv_msr_desc *d = hv_msr_access(vcpu, index, host);

	if (!d)
		return 1;
	*val = 0;
	if (d->flags & HV_MSR_BACKEND) {
		if (!hv_call(get_msr, vcpu, index, val))
			return 0;
	}
	/* Write-only commands (SDM 4) */
	if (!host && (index == MSR_IA32_PRED_CMD || index == MSR_IA32_FLUSH_CMD))
		return 1;
	if (d->flags & HV_MSR_ZERO)
		return 0;
	if (d->get)
		return d->get(vcpu, index, val, host);
	if (!d->offset)
		return 1;
	*val = *hv_msr_field(vcpu, d);
	return 0;
}

/**
 * hv_set_msr() - write an MSR
 * @vcpu: loaded vCPU
 * @index: MSR
 * @val: value
 * @host: for the VMM
 *
 * Return: 0, or 1 = #GP.
 */
int hv_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	const struct hv_msr_desc *d = hv_msr_access(vcpu, index, host);

	if (!d)
		return 1;
	if (d->flags & HV_MSR_IGNORE)
		return host && val;
	if ((d->flags & HV_MSR_RO) && !host)
		return 1;
	if (val & ~d->valid)
		return 1;
	if ((d->flags & HV_MSR_CANON) && !hv_canonical(vcpu, val))
		return 1;
	if (d->set) {
		if (d->set(vcpu, index, val, host))
			return 1;
	} else if (d->offset) {
		*hv_msr_field(vcpu, d) = val;
	}
	if (d->flags & HV_MSR_BACKEND)
		hv_call(set_msr, vcpu, index, val);
	vcpu->x86.lazy_stale = true;
	return 0;
}

/**
 * hv_emulate_rdmsr() - RDMSR has exited
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_rdmsr(struct hv_vcpu *vcpu)
{
	u64 val;

	if (hv_get_msr(vcpu, hv_reg_read(vcpu, HV_REG_RCX), &val, false)) {
		hv_queue_gp(vcpu);
		return HV_RESUME;
	}
	hv_reg_write(vcpu, HV_REG_RAX, (u32)val);
	hv_reg_write(vcpu, HV_REG_RDX, val >> 32);
	return hv_skip(vcpu);
}

/**
 * hv_emulate_wrmsr() - WRMSR has exited
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_wrmsr(struct hv_vcpu *vcpu)
{
	u64 val = (u32)hv_reg_read(vcpu, HV_REG_RAX) | hv_reg_read(vcpu, HV_REG_RDX) << 32;

	if (hv_set_msr(vcpu, hv_reg_read(vcpu, HV_REG_RCX), val, false)) {
		hv_queue_gp(vcpu);
		return HV_RESUME;
	}
	return hv_skip(vcpu);
}

/* ---- reset and load ---- */

/* Most MSRs survive INIT (SDM 3A table 10-1). */
void hv_msr_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (init)
		return;
	x->misc_enable = HV_MISC_ENABLE_RESET;
	x->hwcr = HV_HWCR_TSC_FREQ_SEL;
	hv_set_msr(vcpu, MSR_IA32_CR_PAT, HV_PAT_RESET, true);
	x->ucode_rev = hv_ucode_rev;
	x->arch_capabilities = hv_arch_capabilities;
	x->spec_ctrl = 0;
	x->xss = 0;
	memset(&x->mtrr, 0, sizeof(x->mtrr));
}

void hv_msr_init(void)
{
	u64 cap = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, cap);
	cap &= HV_ARCH_CAP_HOST;
	/* The kernel also knows processors that are immune without saying so. */
	if (!boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN))
		cap |= ARCH_CAP_RDCL_NO;
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		cap |= ARCH_CAP_SSB_NO;
	if (!boot_cpu_has_bug(X86_BUG_MDS))
		cap |= ARCH_CAP_MDS_NO;
	/* A page-size change in the guest's tables alone can't hit the erratum under EPT. */
	cap |= ARCH_CAP_PSCHANGE_MC_NO;
	hv_arch_capabilities = cap;
	hv_ucode_rev = boot_cpu_data.microcode ? (u64)boot_cpu_data.microcode << 32 :
						 HV_UCODE_REV_DEFAULT;
}

/* ---- lists and calls ---- */

static const u32 hv_feature_msrs[] = {
	MSR_IA32_UCODE_REV,
	MSR_IA32_ARCH_CAPABILITIES,
	MSR_AMD64_DE_CFG,
};

static int hv_get_feature_msr(u32 index, u64 *val)
{
	switch (index) {
	case MSR_IA32_UCODE_REV:
		*val = hv_ucode_rev;
		return 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		*val = hv_arch_capabilities;
		return 0;
	case MSR_AMD64_DE_CFG:
		*val = hv_de_cfg();
		return 0;
	}
	return 1;
}

/* One index of the list; false if there are no more. */
static bool hv_nth_saved_msr(unsigned int n, u32 *index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hv_msrs); i++) {
		const struct hv_msr_desc *d = &hv_msrs[i];
		u32 count = hv_msr_last(d) - d->first + 1;

		if (!(d->flags & HV_MSR_SAVE) || !hv_msr_on_host(d))
			continue;
		if (n < count) {
			*index = d->first + n;
			return true;
		}
		n -= count;
	}
	return false;
}

static long hv_put_msr_list(struct hv_msr_list *head, unsigned long arg,
			    bool (*nth)(unsigned int n, u32 *index))
{
	struct hv_msr_list __user *user = (void __user *)arg;
	u32 room = head->nmsrs;
	unsigned int n;
	u32 index;

	for (n = 0; nth(n, &index); n++)
		;
	head->nmsrs = n;
	/* The number is told in any case: that is how a VMM asks for it. */
	if (put_user(n, &user->nmsrs))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	for (n = 0; nth(n, &index); n++) {
		if (put_user(index, &user->indices[n]))
			return -EFAULT;
	}
	return 0;
}

long hv_get_msr_index_list(void *data, unsigned long arg)
{
	return hv_put_msr_list(data, arg, hv_nth_saved_msr);
}

static bool hv_nth_feature_msr(unsigned int n, u32 *index)
{
	if (n >= ARRAY_SIZE(hv_feature_msrs))
		return false;
	*index = hv_feature_msrs[n];
	return true;
}

long hv_get_msr_feature_list(void *data, unsigned long arg)
{
	return hv_put_msr_list(data, arg, hv_nth_feature_msr);
}

/*
 * Do something with each entry of a struct hv_msrs, as far as it succeeds; @put: the entries are
 * the caller's to read afterwards. The number of those done, or -errno.
 */
static long hv_each_msr(struct hv_vcpu *vcpu, const struct hv_msrs *head, unsigned long arg,
			int (*one)(struct hv_vcpu *vcpu, struct hv_msr_entry *e), bool put)
{
	struct hv_msrs __user *user = (void __user *)arg;
	size_t size = head->nmsrs * sizeof(struct hv_msr_entry);
	struct hv_msr_entry *entries;
	long done;

	if (head->nmsrs > HV_MAX_MSR_ENTRIES)
		return -E2BIG;
	if (!head->nmsrs)
		return 0;
	entries = memdup_user(user->entries, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (done = 0; done < head->nmsrs; done++)
		if (one(vcpu, &entries[done]))
			break;
	if (put && copy_to_user(user->entries, entries, size))
		done = -EFAULT;
	kfree(entries);
	return done;
}

static int hv_get_one_feature_msr(struct hv_vcpu *vcpu, struct hv_msr_entry *e)
{
	return hv_get_feature_msr(e->index, &e->data);
}

static int hv_get_one_msr(struct hv_vcpu *vcpu, struct hv_msr_entry *e)
{
	return hv_get_msr(vcpu, e->index, &e->data, true);
}

static int hv_set_one_msr(struct hv_vcpu *vcpu, struct hv_msr_entry *e)
{
	return hv_set_msr(vcpu, e->index, e->data, true);
}

long hv_get_msrs_sys(void *data, unsigned long arg)
{
	return hv_each_msr(NULL, data, arg, hv_get_one_feature_msr, true);
}

long hv_get_msrs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return hv_each_msr(vcpu, data, arg, hv_get_one_msr, true);
}

long hv_set_msrs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return hv_each_msr(vcpu, data, arg, hv_set_one_msr, false);
}
