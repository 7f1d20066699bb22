// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's machine-check banks (SDM 3B 16.3): storage that the guest and the VMM can
 * read and write. The host's machine checks are the host's.
 */
#include <linux/nospec.h>
#include <asm/mce.h>
#include "internal.h"

/* Banks are CTL, STATUS, ADDR, MISC */
#define HV_BANK_REGS	4

static u64 *hv_mce_bank_reg(struct hv_vcpu *vcpu, u32 index)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u32 nr = (x->mcg_cap & MCG_BANKCNT_MASK) * HV_BANK_REGS;
	u32 i = index - MSR_IA32_MC0_CTL;

	if (i >= nr || i >= ARRAY_SIZE(x->mce_banks))
		return NULL;
	return &x->mce_banks[array_index_nospec(i, ARRAY_SIZE(x->mce_banks))];
}

int hv_mce_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	const u64 *reg;

	switch (index) {
	case MSR_IA32_P5_MC_ADDR:
	case MSR_IA32_P5_MC_TYPE:
		*val = 0;
		return 0;
	case MSR_IA32_MCG_CAP:
		*val = x->mcg_cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*val = x->mcg_status;
		return 0;
	case MSR_IA32_MCG_CTL:
		*val = x->mcg_ctl;
		return !(x->mcg_cap & MCG_CTL_P) && !host;
	}
	reg = hv_mce_bank_reg(vcpu, index);
	if (!reg)
		return 1;
	*val = *reg;
	return 0;
}

static bool hv_mce_ctl_valid(u64 val)
{
	/*
	 * All or nothing, but Linux leaves out bit 10 of bank 4 for a GART erratum of old
	 * AMD processors, and bit 0 of bank 0 of Intel P6, whatever it runs on.
	 */
	return !val || (val | BIT_ULL(10) | BIT_ULL(0)) == ~0ULL;
}

int hv_mce_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u64 *reg;

	switch (index) {
	case MSR_IA32_MCG_STATUS:
		x->mcg_status = val;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(x->mcg_cap & MCG_CTL_P) && (val || !host))
			return 1;
		if (val && val != ~0ULL)
			return 1;
		x->mcg_ctl = val;
		return 0;
	case MSR_IA32_P5_MC_ADDR:
	case MSR_IA32_P5_MC_TYPE:
	case MSR_IA32_MCG_CAP:
		return 1;
	}
	reg = hv_mce_bank_reg(vcpu, index);
	if (!reg)
		return 1;
	switch ((index - MSR_IA32_MC0_CTL) % HV_BANK_REGS) {
	case 0:
		if (!hv_mce_ctl_valid(val))
			return 1;
		break;
	case 1:
		/* Software can only clear it (SDM 3B 16.3.2.2), unless AMD's switch is on. */
		if (val && !host && !(x->hwcr & HV_HWCR_MC_STATUS_WR_EN))
			return 1;
		break;
	}
	*reg = val;
	return 0;
}

/*
 * HV_X86_GET_MCE_CAP_SUPPORTED
 */
long hv_x86_get_mce_cap(void *data, unsigned long arg)
{
	*(u64 *)data = HV_MCE_CAP_SUPPORTED;
	return 0;
}

/*
 * HV_X86_SETUP_MCE
 */
long hv_x86_setup_mce(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u64 cap = *(u64 *)data;
	unsigned int banks = cap & MCG_BANKCNT_MASK;
	unsigned int i;

	if (!banks || banks > HV_NR_MCE_BANKS)
		return -EINVAL;
	if (cap & ~(HV_MCE_CAP_SUPPORTED | MCG_BANKCNT_MASK))
		return -EINVAL;
	x->mcg_cap = cap;
	if (cap & MCG_CTL_P)
		x->mcg_ctl = ~0ULL;
	for (i = 0; i < banks; i++)
		x->mce_banks[i * HV_BANK_REGS] = ~0ULL;
	return 0;
}
