// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits whose qualification describes the instruction: control registers, debug
 * registers, I/O (SDM 3C tables 27-3, 27-4, 27-5).
 */
#include <linux/bitfield.h>
#include <linux/kernel.h>
#include "vmx.h"
#include "exit.h"

/* Table 27-3 */
#define CR_QUAL_NUMBER	GENMASK_ULL(3, 0)
#define CR_QUAL_TYPE	GENMASK_ULL(5, 4)
#define CR_QUAL_GPR	GENMASK_ULL(11, 8)
#define CR_QUAL_LMSW	GENMASK_ULL(31, 16)
#define CR_MOV_TO	0
#define CR_MOV_FROM	1
#define CR_CLTS		2
#define CR_LMSW		3

/**
 * vmx_exit_cr_access() - MOV to or from CRn, CLTS, LMSW
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int vmx_exit_cr_access(struct hv_vcpu *vcpu)
{
	u64 qual = vmx_qualification(to_vmx(vcpu));
	int cr = FIELD_GET(CR_QUAL_NUMBER, qual);
	enum hv_reg gpr = FIELD_GET(CR_QUAL_GPR, qual);

	switch (FIELD_GET(CR_QUAL_TYPE, qual)) {
	case CR_MOV_TO:
		return hv_emulate_mov_to_cr(vcpu, cr, gpr);
	case CR_MOV_FROM:
		return hv_emulate_mov_from_cr(vcpu, cr, gpr);
	case CR_CLTS:
		return hv_emulate_clts(vcpu);
	default:
		return hv_emulate_lmsw(vcpu, FIELD_GET(CR_QUAL_LMSW, qual));
	}
}

/* Table 27-4 */
#define DR_QUAL_NUMBER	GENMASK_ULL(2, 0)
#define DR_QUAL_FROM	BIT_ULL(4)
#define DR_QUAL_GPR	GENMASK_ULL(11, 8)

/**
 * vmx_exit_dr_access() - MOV to or from DRn
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int vmx_exit_dr_access(struct hv_vcpu *vcpu)
{
	u64 qual = vmx_qualification(to_vmx(vcpu));

	return hv_emulate_mov_dr(vcpu, FIELD_GET(DR_QUAL_NUMBER, qual),
				 FIELD_GET(DR_QUAL_GPR, qual), !(qual & DR_QUAL_FROM));
}

/* Table 27-5 */
#define IO_QUAL_SIZE	GENMASK_ULL(2, 0)	/* less one */
#define IO_QUAL_IN	BIT_ULL(3)
#define IO_QUAL_STRING	BIT_ULL(4)
#define IO_QUAL_REP	BIT_ULL(5)
#define IO_QUAL_PORT	GENMASK_ULL(31, 16)

/* Instruction information of INS and OUTS (SDM 3C table 27-8) */
#define IO_INFO_ADDR_SIZE	GENMASK(9, 7)	/* 0: 16 bits, 1: 32, 2: 64 */
#define IO_INFO_SEG		GENMASK(17, 15)	/* numbered as enum hv_seg */

/**
 * vmx_exit_io() - IN, OUT, INS, OUTS
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int vmx_exit_io(struct hv_vcpu *vcpu)
{
	u64 qual = vmx_qualification(to_vmx(vcpu));
	unsigned int size = FIELD_GET(IO_QUAL_SIZE, qual) + 1;
	u16 port = FIELD_GET(IO_QUAL_PORT, qual);
	bool in = qual & IO_QUAL_IN;
	u32 info;

	if (!(qual & IO_QUAL_STRING))
		return hv_emulate_pio(vcpu, port, size, in);

	/* Unlike IN and OUT, these access memory. */
	to_vmx(vcpu)->l1d_touched = true;
	info = vmcs_read32(VMCS_EXIT_INSN_INFO);
	/* The segment field is undefined for INS, which always uses ES. */
	return hv_emulate_string_pio(vcpu, port, size, in, qual & IO_QUAL_REP,
				     2 << FIELD_GET(IO_INFO_ADDR_SIZE, info),
				     in ? HV_SEG_ES : FIELD_GET(IO_INFO_SEG, info));
}
