// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTRRs and PAT: checked and kept for the guest to read back. The memory types in effect
 * come from the second-stage tables.
 */
#include <linux/nospec.h>
#include "internal.h"

/* IA32_MTRR_DEF_TYPE: type, FE, E (SDM 3A 12.11.2.1) */
#define HV_MTRR_DEF_TYPE_VALID	0xcffULL
/* IA32_MTRRCAP: WC, fixed ranges, number of variable ranges (SDM 3A 12.11.1) */
#define HV_MTRRCAP		(0x500ULL | HV_NR_VAR_MTRRS)
#define HV_MTRR_PHYSBASE0	0x200
#define HV_MTRR_MASK_VALID	BIT_ULL(11)

/* UC, WC, WT, WP, WB (SDM 3A table 12-8); PAT knows UC- (7) too (table 12-10) */
#define HV_MTRR_TYPES	(BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6))
#define HV_PAT_TYPES	(HV_MTRR_TYPES | BIT(7))

static const u16 hv_fixed_mtrrs[] = {
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000,
	MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000,
	MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
};

static bool hv_types_valid(u64 val, u32 types)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		u8 type = val >> (i * 8);

		if (type > 7 || !(types & BIT(type)))
			return false;
	}
	return true;
}

bool hv_pat_valid(u64 val)
{
	return hv_types_valid(val, HV_PAT_TYPES);
}

static u64 *hv_mtrr_reg(struct hv_vcpu *vcpu, u32 index)
{
	struct hv_mtrr_state *m = &vcpu->x86.mtrr;
	unsigned int i;

	if (index == MSR_MTRRdefType)
		return &m->def_type;
	i = index - HV_MTRR_PHYSBASE0;
	if (i < ARRAY_SIZE(m->var))
		return &m->var[array_index_nospec(i, ARRAY_SIZE(m->var))];
	for (i = 0; i < ARRAY_SIZE(hv_fixed_mtrrs); i++) {
		if (hv_fixed_mtrrs[i] == index)
			return &m->fixed[i];
	}
	return NULL;
}

static bool hv_mtrr_valid(struct hv_vcpu *vcpu, u32 index, u64 val)
{
	u64 rsvd = ~(BIT_ULL(vcpu->x86.maxphyaddr) - 1);

	if (index == MSR_MTRRdefType)
		return !(val & ~HV_MTRR_DEF_TYPE_VALID) && (val & 0xff) < 8 &&
		       (HV_MTRR_TYPES & BIT(val & 0xff));
	if (index - HV_MTRR_PHYSBASE0 >= HV_NR_VAR_MTRRS * 2)
		return hv_types_valid(val, HV_MTRR_TYPES);
	if (index & 1)
		return !(val & (rsvd | 0x7ff));
	return !(val & (rsvd | 0xf00)) && (val & 0xff) < 8 && (HV_MTRR_TYPES & BIT(val & 0xff));
}

int hv_mtrr_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	const u64 *reg;

	if (index == MSR_MTRRcap) {
		*val = HV_MTRRCAP;
		return 0;
	}
	reg = hv_mtrr_reg(vcpu, index);
	if (!reg)
		return 1;
	*val = *reg;
	return 0;
}

int hv_mtrr_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	u64 *reg = hv_mtrr_reg(vcpu, index);

	if (!reg || !hv_mtrr_valid(vcpu, index, val))
		return 1;
	*reg = val;
	return 0;
}
