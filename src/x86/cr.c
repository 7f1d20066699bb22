// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control registers, EFER and XCR0: validity, mode changes, and the
 * instructions that write them.
 */
#include <hv/backend.h>
#include <hv/decode.h>
#include <hv/host.h>
#include <hv/irq.h>
#include "internal.h"

#define HV_CR0_VALID	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)

/* CR4 bits of every processor that has VMX or SVM with nested paging */
#define HV_CR4_BASE	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
			 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | \
			 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

/* Bits that make PAE paging load its four PDPTEs (SDM 3A 4.4.1) */
#define HV_CR4_PDPTR	(X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE | X86_CR4_SMEP)
#define HV_CR0_PDPTR	(X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)

#define HV_CR3_NOFLUSH	BIT_ULL(63)
#define HV_CR3_PCID	0xfffULL
/* Reserved in a PAE PDPTE: 2:1 and 8:5 (SDM 3A 4.4.1) */
#define HV_PDPTE_RSVD	0x1e6ULL

/**
 * struct hv_cr4_feature - CR4 bit that a CPUID bit guards
 * @bit: CR4 bit
 * @host: X86_FEATURE_* of the host
 * @func: CPUID leaf
 * @reg: 1 EBX, 2 ECX
 * @cpuid_bit: bit number
 */
struct hv_cr4_feature {
	u64 bit;
	u32 host;
	u32 func;
	u8 reg;
	u8 cpuid_bit;
};

static const struct hv_cr4_feature hv_cr4_features[] = {
	{ X86_CR4_UMIP,		X86_FEATURE_UMIP,	7, 2, 2 },
	{ X86_CR4_LA57,		X86_FEATURE_LA57,	7, 2, 16 },
	{ X86_CR4_FSGSBASE,	X86_FEATURE_FSGSBASE,	7, 1, 0 },
	{ X86_CR4_PCIDE,	X86_FEATURE_PCID,	1, 2, 17 },
	{ X86_CR4_OSXSAVE,	X86_FEATURE_XSAVE,	1, 2, 26 },
	{ X86_CR4_SMEP,		X86_FEATURE_SMEP,	7, 1, 7 },
	{ X86_CR4_SMAP,		X86_FEATURE_SMAP,	7, 1, 20 },
	{ X86_CR4_PKE,		X86_FEATURE_PKU,	7, 2, 3 },
};

/*
 * CR4 bits that no guest on this host may set: what a vCPU without CPUID gets.
 */
u64 hv_cr4_host_reserved(void)
{
	u64 ok = HV_CR4_BASE;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hv_cr4_features); i++) {
		if (boot_cpu_has(hv_cr4_features[i].host))
			ok |= hv_cr4_features[i].bit;
	}
	return ~ok;
}

/**
 * hv_cr_cpuid_changed() - recompute what the guest's CPUID allows in CR4
 * @vcpu: vCPU with the mutex held
 */
void hv_cr_cpuid_changed(struct hv_vcpu *vcpu)
{
	u64 rsvd = hv_cr4_host_reserved();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hv_cr4_features); i++) {
		const struct hv_cr4_feature *f = &hv_cr4_features[i];

		if (!hv_cpuid_has(vcpu, f->func, 0, f->reg, f->cpuid_bit))
			rsvd |= f->bit;
	}
	vcpu->x86.cr4_reserved = rsvd;
}

/*
 * Give a checked value to the backend and the cache.
 */
void hv_write_cr(struct hv_vcpu *vcpu, int cr, u64 val)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	hv_call(set_cr, vcpu, cr, val);
	switch (cr) {
	case 0:
		x->cr0 = val;
		x->regs_avail |= BIT(HV_REG_CR0);
		break;
	case 3:
		x->cr3 = val;
		x->regs_avail |= BIT(HV_REG_CR3);
		break;
	case 4:
		x->cr4 = val;
		x->regs_avail |= BIT(HV_REG_CR4);
		break;
	}
}

static bool hv_pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

static u64 hv_phys_reserved(struct hv_vcpu *vcpu)
{
	return ~(BIT_ULL(vcpu->x86.maxphyaddr) - 1);
}

/*
 * The four PDPTEs that PAE paging keeps in the processor (SDM 3A 4.4.1) have no
 * reserved bits; loading them is the backend's. Caller holds vm->srcu.
 */
static bool hv_pdptrs_valid(struct hv_vcpu *vcpu, u64 cr3)
{
	u64 pdpte[4];
	unsigned int i;

	if (hv_guest_read(vcpu->vm, cr3 & 0xffffffe0, pdpte, sizeof(pdpte)))
		return false;
	for (i = 0; i < ARRAY_SIZE(pdpte); i++) {
		if ((pdpte[i] & 1) && (pdpte[i] & (HV_PDPTE_RSVD | hv_phys_reserved(vcpu))))
			return false;
	}
	return true;
}

static bool hv_cr0_valid(u64 val)
{
	if (val & ~HV_CR0_VALID)
		return false;
	if ((val & X86_CR0_NW) && !(val & X86_CR0_CD))
		return false;
	return !(val & X86_CR0_PG) || (val & X86_CR0_PE);
}

/*
 * Does a change of CR4 drop cached translations (SDM 3A 4.10.4.1; PSE: APM 2 5.5.2)? Rights that
 * other bits give or take are looked at when a translation is used.
 */
static bool hv_cr4_flushes(u64 old, u64 val)
{
	return ((old ^ val) & (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE)) ||
	       (old & ~val & X86_CR4_PCIDE) || (val & ~old & X86_CR4_SMEP);
}

static void hv_flush_linear(struct hv_vcpu *vcpu)
{
	hv_req_set(vcpu, HV_REQ_TLB_FLUSH_GUEST);
}

/* Switch IA-32e mode on or off with CR0.PG (SDM 3A 10.8.5); 1 = #GP. */
static int hv_switch_lma(struct hv_vcpu *vcpu, u64 cr0)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_segment cs;
	u64 efer = x->efer;

	if (!(efer & EFER_LME))
		return 0;
	if (cr0 & X86_CR0_PG) {
		hv_call(get_segment, vcpu, HV_SEG_CS, &cs);
		if (!(hv_cr4(vcpu) & X86_CR4_PAE) || cs.l)
			return 1;
		efer |= EFER_LMA;
	} else {
		if (hv_64bit_code(vcpu))
			return 1;
		efer &= ~(u64)EFER_LMA;
	}
	x->efer = efer;
	hv_call(set_msr, vcpu, MSR_EFER, efer);
	return 0;
}

/**
 * hv_set_cr0() - MOV to CR0
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @val: value
 *
 * SDM 3A 2.5. Undefined bits in 31:0 are dropped, as processors do.
 *
 * Return: 0, or 1 = #GP.
 */
int hv_set_cr0(struct hv_vcpu *vcpu, u64 val)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u64 old = hv_cr0(vcpu);
	u64 efer = x->efer;

	if (val >> 32)
		return 1;
	val = (val & HV_CR0_VALID) | X86_CR0_ET;
	if (!hv_cr0_valid(val))
		return 1;
	if (!(val & X86_CR0_PG) && (hv_cr4(vcpu) & X86_CR4_PCIDE))
		return 1;
	if ((old ^ val) & X86_CR0_PG) {
		if (hv_switch_lma(vcpu, val))
			return 1;
	}
	if (((old ^ val) & HV_CR0_PDPTR) && hv_pae_paging(val, hv_cr4(vcpu), x->efer) &&
	    !hv_pdptrs_valid(vcpu, hv_cr3(vcpu))) {
		if (x->efer != efer) {
			x->efer = efer;
			hv_call(set_msr, vcpu, MSR_EFER, efer);
		}
		return 1;
	}
	hv_write_cr(vcpu, 0, val);
	/* SDM 3A 4.10.4.1; WP is looked at when a translation is used. */
	if ((old ^ val) & X86_CR0_PG)
		hv_flush_linear(vcpu);
	return 0;
}

/**
 * hv_set_cr3() - MOV to CR3
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @val: value
 *
 * Return: 0, or 1 = #GP.
 */
int hv_set_cr3(struct hv_vcpu *vcpu, u64 val)
{
	bool noflush = false;

	if (hv_cr4(vcpu) & X86_CR4_PCIDE) {
		noflush = val & HV_CR3_NOFLUSH;
		val &= ~HV_CR3_NOFLUSH;
	}
	if (hv_long_mode(vcpu)) {
		if (val & hv_phys_reserved(vcpu))
			return 1;
	} else if (hv_pae_paging(hv_cr0(vcpu), hv_cr4(vcpu), vcpu->x86.efer) &&
		   !hv_pdptrs_valid(vcpu, val)) {
		return 1;
	}
	hv_write_cr(vcpu, 3, val);
	if (!noflush)
		hv_flush_linear(vcpu);
	return 0;
}

/**
 * hv_set_cr4() - MOV to CR4
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @val: value
 *
 * Return: 0, or 1 = #GP.
 */
int hv_set_cr4(struct hv_vcpu *vcpu, u64 val)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u64 old = hv_cr4(vcpu);

	if (val & x->cr4_reserved)
		return 1;
	if (hv_long_mode(vcpu)) {
		if (!(val & X86_CR4_PAE) || ((old ^ val) & X86_CR4_LA57))
			return 1;
	} else if (hv_pae_paging(hv_cr0(vcpu), val, x->efer) &&
		   ((old ^ val) & HV_CR4_PDPTR) && !hv_pdptrs_valid(vcpu, hv_cr3(vcpu))) {
		return 1;
	}
	if ((val & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE)) {
		/* SDM 3A 4.10.1 */
		if (!hv_long_mode(vcpu) || (hv_cr3(vcpu) & HV_CR3_PCID))
			return 1;
	}
	hv_write_cr(vcpu, 4, val);
	if (hv_cr4_flushes(old, val))
		hv_flush_linear(vcpu);
	return 0;
}

/**
 * hv_set_cr8() - MOV to CR8
 * @vcpu: loaded vCPU
 * @val: value
 *
 * Return: 0, or 1 = #GP.
 */
int hv_set_cr8(struct hv_vcpu *vcpu, u64 val)
{
	if (val > 15)
		return 1;
	if (vcpu->x86.lapic)
		hv_lapic_set_tpr(vcpu, val);
	else
		vcpu->x86.cr8 = val;
	return 0;
}

/**
 * hv_get_cr8() - the task priority
 * @vcpu: loaded vCPU
 */
u64 hv_get_cr8(struct hv_vcpu *vcpu)
{
	return vcpu->x86.lapic ? hv_lapic_get_tpr(vcpu) : vcpu->x86.cr8;
}

/*
 * EFER bits that can't be set: unknown to the host or, for the guest, to its CPUID.
 */
u64 hv_efer_reserved(struct hv_vcpu *vcpu, bool host)
{
	u64 ok = EFER_SCE;

	if (host || hv_cpuid_has(vcpu, 0x80000001, 0, 3, 29))
		ok |= EFER_LME | EFER_LMA;
	if (boot_cpu_has(X86_FEATURE_NX) && (host || hv_cpuid_has(vcpu, 0x80000001, 0, 3, 20)))
		ok |= EFER_NX;
	/* Fast FXSAVE and FXRSTOR (APM 2 3.1.7) */
	if (boot_cpu_has(X86_FEATURE_FXSR_OPT) &&
	    (host || hv_cpuid_has(vcpu, 0x80000001, 0, 3, 25)))
		ok |= EFER_FFXSR;
	return ~ok;
}

/**
 * hv_set_efer() - write IA32_EFER
 * @vcpu: loaded vCPU
 * @val: value
 * @host: by the VMM, which may also change LMA (the guest can't: it follows CR0.PG)
 *
 * Return: 0, or 1 = #GP.
 */
int hv_set_efer(struct hv_vcpu *vcpu, u64 val, bool host)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u64 old = x->efer;

	if (val & hv_efer_reserved(vcpu, host))
		return 1;
	if (!host) {
		if ((hv_cr0(vcpu) & X86_CR0_PG) && ((old ^ val) & EFER_LME))
			return 1;
		val = (val & ~(u64)EFER_LMA) | (old & EFER_LMA);
	}
	x->efer = val;
	hv_call(set_msr, vcpu, MSR_EFER, val);
	if ((old ^ val) & EFER_NX)
		hv_flush_linear(vcpu);
	return 0;
}

/*
 * SDM 1 13.3: x87 always, SSE with AVX, AVX-512 in one piece, AVX with it.
 */
bool hv_xcr0_valid(u64 val, u64 supported)
{
	u64 avx512 = val & XFEATURE_MASK_AVX512;

	if (!(val & XFEATURE_MASK_FP) || (val & ~supported))
		return false;
	if ((val & XFEATURE_MASK_YMM) && !(val & XFEATURE_MASK_SSE))
		return false;
	if (!!(val & XFEATURE_MASK_BNDREGS) != !!(val & XFEATURE_MASK_BNDCSR))
		return false;
	return !avx512 || (avx512 == XFEATURE_MASK_AVX512 && (val & XFEATURE_MASK_YMM));
}

/**
 * hv_set_xcr0() - write XCR0
 * @vcpu: loaded vCPU
 * @val: value
 *
 * Return: 0, or 1 = #GP.
 */
int hv_set_xcr0(struct hv_vcpu *vcpu, u64 val)
{
	if (!hv_xcr0_valid(val, vcpu->x86.supported_xcr0 | XFEATURE_MASK_FP))
		return 1;
	vcpu->x86.xcr0 = val;
	return 0;
}

/*
 * The CR4, CR0, EFER and CR3 of HV_SET_SREGS fit together.
 */
bool hv_sregs_valid(struct hv_vcpu *vcpu, const struct hv_sregs *s)
{
	if (!hv_cr0_valid(s->cr0 | X86_CR0_ET) || (s->cr4 & vcpu->x86.cr4_reserved))
		return false;
	if (s->efer & hv_efer_reserved(vcpu, true))
		return false;
	if ((s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		if (!(s->cr4 & X86_CR4_PAE) || !(s->efer & EFER_LMA))
			return false;
		return !(s->cr3 & hv_phys_reserved(vcpu));
	}
	/* no IA-32e mode: its bits must not claim so */
	return !(s->efer & EFER_LMA) && !s->cs.l;
}

static int hv_finish(struct hv_vcpu *vcpu, int gp)
{
	if (gp) {
		hv_queue_gp(vcpu);
		return HV_RESUME;
	}
	return hv_skip(vcpu);
}

/* Operands of MOV CR and MOV DR are 32 bits wide outside of 64-bit mode. */
static u64 hv_cr_operand(struct hv_vcpu *vcpu, u64 val)
{
	return hv_64bit_code(vcpu) ? val : (u32)val;
}

static int hv_mov_to_cr8(struct hv_vcpu *vcpu, u64 val)
{
	u64 old = hv_get_cr8(vcpu);
	int rc = hv_finish(vcpu, hv_set_cr8(vcpu, val));

	/* A lower priority may let the VMM's interrupt controller through. */
	if (rc == HV_RESUME && !vcpu->x86.lapic && val < old) {
		vcpu->run->exit_reason = HV_EXIT_SET_TPR;
		return HV_TO_USER;
	}
	return rc;
}

/**
 * hv_emulate_mov_to_cr() - MOV to a control register has exited
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @cr: 0, 3, 4 or 8
 * @gpr: source register
 *
 * Return: as handle_exit.
 */
int hv_emulate_mov_to_cr(struct hv_vcpu *vcpu, int cr, enum hv_reg gpr)
{
	u64 val = hv_cr_operand(vcpu, hv_reg_read(vcpu, gpr));

	switch (cr) {
	case 0:
		return hv_finish(vcpu, hv_set_cr0(vcpu, val));
	case 3:
		return hv_finish(vcpu, hv_set_cr3(vcpu, val));
	case 4:
		return hv_finish(vcpu, hv_set_cr4(vcpu, val));
	case 8:
		return hv_mov_to_cr8(vcpu, val);
	default:
		return hv_emulate_ud(vcpu);
	}
}

/**
 * hv_emulate_mov_from_cr() - MOV from a control register has exited
 * @vcpu: loaded vCPU
 * @cr: 0, 2, 3, 4 or 8
 * @gpr: destination register
 *
 * Return: as handle_exit.
 */
int hv_emulate_mov_from_cr(struct hv_vcpu *vcpu, int cr, enum hv_reg gpr)
{
	u64 val;

	switch (cr) {
	case 0:
		val = hv_cr0(vcpu);
		break;
	case 2:
		val = vcpu->x86.cr2;
		break;
	case 3:
		val = hv_cr3(vcpu);
		break;
	case 4:
		val = hv_cr4(vcpu);
		break;
	case 8:
		val = hv_get_cr8(vcpu);
		break;
	default:
		return hv_emulate_ud(vcpu);
	}
	hv_reg_write(vcpu, gpr, hv_cr_operand(vcpu, val));
	return hv_skip(vcpu);
}

/**
 * hv_emulate_clts() - CLTS has exited
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_clts(struct hv_vcpu *vcpu)
{
	hv_write_cr(vcpu, 0, hv_cr0(vcpu) & ~(u64)X86_CR0_TS);
	return hv_skip(vcpu);
}

/**
 * hv_emulate_lmsw() - LMSW has exited
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @msw: source operand
 *
 * It writes PE, MP, EM and TS; PE can only be set (SDM 2A, LMSW).
 *
 * Return: as handle_exit.
 */
int hv_emulate_lmsw(struct hv_vcpu *vcpu, u16 msw)
{
	u64 mask = X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;
	u64 cr0 = hv_cr0(vcpu);

	cr0 = (cr0 & ~mask) | (msw & (mask | X86_CR0_PE));
	return hv_finish(vcpu, hv_set_cr0(vcpu, cr0));
}

/**
 * hv_emulate_lmsw_insn() - LMSW has exited, its operand is not known
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @insn: the instruction
 *
 * Return: as handle_exit.
 */
int hv_emulate_lmsw_insn(struct hv_vcpu *vcpu, const struct hv_insn *insn)
{
	u16 msw;
	int r;

	if (!insn->has_mem)
		msw = hv_reg_read(vcpu, insn->rm);
	else if (!hv_read_operand16(vcpu, insn, &msw, &r))
		return r;
	return hv_emulate_lmsw(vcpu, msw);
}

/**
 * hv_emulate_smsw() - SMSW has exited
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @insn: the instruction
 *
 * Memory gets 16 bits, a register as much of CR0 as the operand size says (APM 3, SMSW).
 *
 * Return: as handle_exit.
 */
int hv_emulate_smsw(struct hv_vcpu *vcpu, const struct hv_insn *insn)
{
	u64 cr0 = hv_cr0(vcpu);
	struct hv_insn mov = *insn;

	if (!insn->has_mem) {
		u64 old = hv_reg_read(vcpu, insn->rm);

		if (insn->op_size == 2)
			cr0 = (old & ~0xffffULL) | (cr0 & 0xffff);
		hv_reg_write(vcpu, insn->rm, cr0);
		return hv_skip(vcpu);
	}
	mov.op = HV_OP_MOV;
	mov.src = HV_SRC_IMM;
	mov.imm = cr0 & 0xffff;
	mov.rm_is_dest = true;
	mov.op_size = 2;
	mov.mem_size = 2;
	return hv_emulate_insn(vcpu, &mov);
}

/**
 * hv_emulate_xsetbv() - XSETBV has exited
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_xsetbv(struct hv_vcpu *vcpu)
{
	u64 val = (u32)hv_reg_read(vcpu, HV_REG_RAX) | hv_reg_read(vcpu, HV_REG_RDX) << 32;

	/* VMX exits before the processor looks at CPL or CR4.OSXSAVE (SDM 3C 26.1.2) */
	if (!(hv_cr4(vcpu) & X86_CR4_OSXSAVE))
		return hv_emulate_ud(vcpu);
	if (hv_cpl(vcpu) || (u32)hv_reg_read(vcpu, HV_REG_RCX))
		return hv_finish(vcpu, 1);
	return hv_finish(vcpu, hv_set_xcr0(vcpu, val));
}
