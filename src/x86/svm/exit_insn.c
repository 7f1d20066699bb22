// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits by instructions with operands: control registers, debug registers, I/O, MSRs. The
 * VMCB has the operands if the processor has decode assists (APM 2 15.33); if not the
 * instruction is read and decoded.
 */
#include <linux/bitfield.h>
#include <linux/kernel.h>
#include <hv/decode.h>
#include "exit.h"
#include "svm.h"

/* EXITINFO1 of MOV CR (APM 2 15.8.1) and MOV DR (15.8.2) */
#define CR_INFO_MOV	BIT_ULL(63)	/* MOV: else CLTS, LMSW or SMSW */
#define CR_INFO_GPR	GENMASK_ULL(3, 0)

static int svm_emulate_cr(struct hv_vcpu *vcpu, const struct hv_insn *insn)
{
	switch (insn->opcode) {
	case 0x20:
		return hv_emulate_mov_from_cr(vcpu, insn->reg, insn->rm);
	case 0x22:
		return hv_emulate_mov_to_cr(vcpu, insn->reg, insn->rm);
	case 0x06:
		return hv_emulate_clts(vcpu);
	case 0x01:
		if (((insn->modrm >> 3) & 7) == 4)
			return hv_emulate_smsw(vcpu, insn);
		if (((insn->modrm >> 3) & 7) == 6)
			return hv_emulate_lmsw_insn(vcpu, insn);
		break;
	}
	/* It has been changed since it exited: see what it is now. */
	return HV_RESUME;
}

/**
 * svm_exit_cr() - MOV to or from CRn, CLTS, LMSW, SMSW
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int svm_exit_cr(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 info = svm->vmcb->control.exit_info1;
	u64 code = svm->exit_code;
	struct hv_insn insn;
	enum hv_reg gpr;
	int r;

	if (!svm_caps.decode_assists || !(info & CR_INFO_MOV))
		return hv_fetch_insn(vcpu, &insn, &r) ? svm_emulate_cr(vcpu, &insn) : r;
	gpr = FIELD_GET(CR_INFO_GPR, info);
	if (code == SVM_EXIT_CR0_SEL_WRITE)
		return hv_emulate_mov_to_cr(vcpu, 0, gpr);
	if (code >= SVM_EXIT_CR_WRITE)
		return hv_emulate_mov_to_cr(vcpu, code - SVM_EXIT_CR_WRITE, gpr);
	return hv_emulate_mov_from_cr(vcpu, code - SVM_EXIT_CR_READ, gpr);
}

/**
 * svm_exit_dr() - MOV to or from DRn
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int svm_exit_dr(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	bool to_dr = svm->exit_code >= SVM_EXIT_DR_WRITE;
	int dr = (svm->exit_code - SVM_EXIT_DR_READ) & 15;
	struct hv_insn insn;
	int r;

	if (svm_caps.decode_assists)
		return hv_emulate_mov_dr(vcpu, dr,
					 FIELD_GET(CR_INFO_GPR, svm->vmcb->control.exit_info1),
					 to_dr);
	/* The registers may become the guest's, with no need to know the operand. */
	if (!hv_fetch_insn(vcpu, &insn, &r))
		return r;
	if (insn.map != HV_MAP_0F || insn.opcode != (to_dr ? 0x23 : 0x21))
		return HV_RESUME;
	return hv_emulate_mov_dr(vcpu, insn.reg, insn.rm, to_dr);
}

/* EXITINFO1 of an I/O intercept (APM 2 figure 15-2) */
#define IO_INFO_IN		BIT_ULL(0)
#define IO_INFO_STRING		BIT_ULL(2)
#define IO_INFO_REP		BIT_ULL(3)
#define IO_INFO_SIZE		GENMASK_ULL(6, 4)	/* one bit: 1, 2 or 4 bytes */
#define IO_INFO_ADDR_SIZE	GENMASK_ULL(9, 7)	/* one bit: 2, 4 or 8 bytes */
#define IO_INFO_SEG		GENMASK_ULL(12, 10)	/* with decode assists; as enum hv_seg */
#define IO_INFO_PORT		GENMASK_ULL(31, 16)

/**
 * svm_exit_io() - IN, OUT, INS, OUTS
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int svm_exit_io(struct hv_vcpu *vcpu)
{
	u64 info = to_svm(vcpu)->vmcb->control.exit_info1;
	unsigned int size = FIELD_GET(IO_INFO_SIZE, info);
	u16 port = FIELD_GET(IO_INFO_PORT, info);
	unsigned int addr_size = FIELD_GET(IO_INFO_ADDR_SIZE, info) * 2;
	enum hv_seg seg = FIELD_GET(IO_INFO_SEG, info);
	bool in = info & IO_INFO_IN;
	struct hv_insn insn;
	int r;

	if (!(info & IO_INFO_STRING))
		return hv_emulate_pio(vcpu, port, size, in);

	/* Emulated processors without assists tell no address size either. */
	if (!svm_caps.decode_assists) {
		if (!hv_fetch_insn(vcpu, &insn, &r))
			return r;
		addr_size = insn.addr_size;
		seg = insn.mem.seg;
	}
	/* INS always uses ES. */
	return hv_emulate_string_pio(vcpu, port, size, in, info & IO_INFO_REP, addr_size,
				     in ? HV_SEG_ES : seg);
}

/**
 * svm_exit_msr() - RDMSR, WRMSR
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int svm_exit_msr(struct hv_vcpu *vcpu)
{
	/* EXITINFO1: 0 read, 1 write (APM 2 15.11) */
	return to_svm(vcpu)->vmcb->control.exit_info1 ? hv_emulate_wrmsr(vcpu) :
							hv_emulate_rdmsr(vcpu);
}
