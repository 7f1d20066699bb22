// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest registers that the VMCB holds.
 */
#include <linux/bitfield.h>
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <hv/host_inline.h>
#include "svm.h"

/* CR0 bits whose change does not exit (APM 2 15.8.1) */
#define SVM_CR0_GUEST_OWNED	((u64)(X86_CR0_TS | X86_CR0_MP))
#define SVM_CR0_CACHE		((u64)(X86_CR0_CD | X86_CR0_NW))

/**
 * svm_cache_regs() - read registers from the VMCB
 * @vcpu: loaded vCPU
 * @mask: bits of enum hv_reg
 */
void svm_cache_regs(struct hv_vcpu *vcpu, unsigned long mask)
{
	const struct vmcb_save *save = &to_svm(vcpu)->vmcb->save;
	struct hv_vcpu_x86 *x86 = &vcpu->x86;

	mask &= ~x86->regs_avail;
	if (mask & BIT(HV_REG_RSP))
		x86->regs[HV_REG_RSP] = save->rsp;
	if (mask & BIT(HV_REG_RIP))
		x86->regs[HV_REG_RIP] = save->rip;
	if (mask & BIT(HV_REG_RFLAGS))
		x86->rflags = save->rflags;
	if (mask & BIT(HV_REG_CR0))
		x86->cr0 = (x86->cr0 & ~x86->cr0_guest_owned) |
			   (save->cr0 & x86->cr0_guest_owned);
	if (mask & BIT(HV_REG_CR3))
		x86->cr3 = save->cr3;
	/* HV_REG_CR4: no bit of it changes without an exit. */
	if (mask & BIT(HV_REG_DR7)) {
		x86->dr6 = save->dr6;
		x86->dr7 = save->dr7;
	}
	x86->regs_avail |= mask;
}

/**
 * svm_flush_regs() - write registers to the VMCB
 * @vcpu: loaded vCPU, about to enter
 */
void svm_flush_regs(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_save *save = &svm->vmcb->save;
	struct hv_vcpu_x86 *x86 = &vcpu->x86;
	u64 dr6 = x86->debug_regs_live ? x86->dr6 : DR6_RESERVED;

	save->rax = x86->regs[HV_REG_RAX];
	if (x86->regs_dirty & BIT(HV_REG_RSP))
		save->rsp = x86->regs[HV_REG_RSP];
	if (x86->regs_dirty & BIT(HV_REG_RIP))
		save->rip = x86->regs[HV_REG_RIP];
	if (x86->regs_dirty & BIT(HV_REG_RFLAGS))
		save->rflags = x86->rflags;
	if (save->cr2 != x86->cr2) {
		save->cr2 = x86->cr2;
		svm_dirty(svm, SVM_CLEAN_CR2);
	}
	/* DR6 of a guest that does not own it tells what this entry has brought. */
	if (save->dr6 != dr6) {
		save->dr6 = dr6;
		svm_dirty(svm, SVM_CLEAN_DR);
	}
}

static struct vmcb_segment *svm_segment(struct svm_vcpu *svm, int seg)
{
	struct vmcb_save *save = &svm->vmcb->save;

	switch (seg) {
	case HV_SEG_ES:
		return &save->es;
	case HV_SEG_CS:
		return &save->cs;
	case HV_SEG_SS:
		return &save->ss;
	case HV_SEG_DS:
		return &save->ds;
	case HV_SEG_FS:
		return &save->fs;
	case HV_SEG_GS:
		return &save->gs;
	case HV_SEG_LDTR:
		return &save->ldtr;
	case HV_SEG_TR:
		return &save->tr;
	case HV_SEG_GDTR:
		return &save->gdtr;
	default:
		return &save->idtr;
	}
}

/*
 * What AMD processors leave undefined and VMX checks: a VMM may take the state to a host of
 * the other kind (APM 2 15.5.1; as KVM shows it).
 */
static void svm_fix_segment(struct svm_vcpu *svm, int seg, struct hv_segment *s)
{
	switch (seg) {
	case HV_SEG_CS:
		/* Some processors do not keep G of CS. */
		s->g = s->limit > 0xfffff;
		break;
	case HV_SEG_TR:
		s->type |= 2;
		break;
	case HV_SEG_SS:
		/* DB may be left over in an unusable one. CPL is not SS.DPL after SYSRET. */
		if (s->unusable)
			s->db = 0;
		s->dpl = svm->vmcb->save.cpl;
		fallthrough;
	case HV_SEG_DS:
	case HV_SEG_ES:
	case HV_SEG_FS:
	case HV_SEG_GS:
		/* Accessed, as loading it made it */
		if (!s->unusable)
			s->type |= 1;
		break;
	}
}

/**
 * svm_get_access() - backend's get_access
 * @vcpu: loaded vCPU
 * @seg: enum hv_seg, a register with a selector
 *
 * Return: HV_ACCESS_*; the VMCB has them without the gap (APM 2 15.5.1).
 */
u32 svm_get_access(struct hv_vcpu *vcpu, int seg)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 attr = svm_segment(svm, seg)->attributes;

	/* CPL is not SS.DPL after SYSRET. */
	if (seg == HV_SEG_SS)
		attr = (attr & ~SVM_ATTR_DPL) | FIELD_PREP(SVM_ATTR_DPL, svm->vmcb->save.cpl);
	return (attr & 0xff) | (attr & 0xf00) << 4;
}

/**
 * svm_get_segment() - backend's get_segment
 * @vcpu: loaded vCPU
 * @seg: enum hv_seg
 * @s: result
 */
void svm_get_segment(struct hv_vcpu *vcpu, int seg, struct hv_segment *s)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct vmcb_segment *f = svm_segment(svm, seg);

	memset(s, 0, sizeof(*s));
	s->base = f->base;
	s->limit = f->limit;
	if (seg >= HV_NR_SEGS)
		return;
	s->selector = f->selector;
	s->type = f->attributes & SVM_ATTR_TYPE;
	s->s = !!(f->attributes & SVM_ATTR_S);
	s->dpl = FIELD_GET(SVM_ATTR_DPL, f->attributes);
	s->present = !!(f->attributes & SVM_ATTR_P);
	s->unusable = !s->present;
	s->avl = !!(f->attributes & SVM_ATTR_AVL);
	s->l = !!(f->attributes & SVM_ATTR_L);
	s->db = !!(f->attributes & SVM_ATTR_DB);
	s->g = !!(f->attributes & SVM_ATTR_G);
	svm_fix_segment(svm, seg, s);
}

static u16 svm_segment_attributes(const struct hv_segment *s)
{
	u16 attr = FIELD_PREP(SVM_ATTR_TYPE, s->type) | FIELD_PREP(SVM_ATTR_DPL, s->dpl);

	if (s->s)
		attr |= SVM_ATTR_S;
	if (s->present && !s->unusable)
		attr |= SVM_ATTR_P;
	if (s->avl)
		attr |= SVM_ATTR_AVL;
	if (s->l)
		attr |= SVM_ATTR_L;
	if (s->db)
		attr |= SVM_ATTR_DB;
	if (s->g)
		attr |= SVM_ATTR_G;
	return attr;
}

/**
 * svm_set_segment() - backend's set_segment
 * @vcpu: loaded vCPU
 * @seg: enum hv_seg
 * @s: new contents
 */
void svm_set_segment(struct hv_vcpu *vcpu, int seg, const struct hv_segment *s)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_segment *f = svm_segment(svm, seg);

	f->base = s->base;
	f->limit = s->limit;
	if (seg >= HV_NR_SEGS) {
		svm_dirty(svm, SVM_CLEAN_DT);
		return;
	}
	f->selector = s->selector;
	f->attributes = svm_segment_attributes(s);
	if (seg == HV_SEG_SS)
		svm->vmcb->save.cpl = s->dpl & 3;
	svm_dirty(svm, SVM_CLEAN_SEG);
}

/*
 * CD and NW are the guest's business: the processor would make its accesses uncached
 * (APM 2 15.25.8). While they differ from what the guest believes, every access of CR0 exits;
 * otherwise only changes of bits other than TS and MP.
 */
static void svm_set_cr0(struct svm_vcpu *svm, u64 val)
{
	struct vmcb_control *ctl = &svm->vmcb->control;
	struct hv_vcpu_x86 *x86 = &svm->vcpu->x86;

	x86->cr0 = val;
	svm->vmcb->save.cr0 = val & ~SVM_CR0_CACHE;
	if (val & SVM_CR0_CACHE) {
		x86->cr0_guest_owned = 0;
		ctl->cr |= SVM_CR_READ(0) | SVM_CR_WRITE(0);
	} else {
		x86->cr0_guest_owned = SVM_CR0_GUEST_OWNED;
		ctl->cr &= ~(SVM_CR_READ(0) | SVM_CR_WRITE(0));
	}
	svm_dirty(svm, SVM_CLEAN_CR | SVM_CLEAN_INTERCEPTS);
}

/**
 * svm_set_cr4() - CR4 and whether reading it exits
 * @vcpu: loaded vCPU
 * @val: the guest's value
 */
void svm_set_cr4(struct hv_vcpu *vcpu, u64 val)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *ctl = &svm->vmcb->control;
	u64 mce = host_cr4() & X86_CR4_MCE;

	/*
	 * MCE is the host's: without it a machine check while the guest runs would shut the
	 * processor down (APM 2 9.3.1, 15.12.14).
	 */
	vcpu->x86.cr4 = val;
	svm->vmcb->save.cr4 = val | mce;
	if (mce & ~val)
		ctl->cr |= SVM_CR_READ(4);
	else
		ctl->cr &= ~SVM_CR_READ(4);
	svm_dirty(svm, SVM_CLEAN_CR | SVM_CLEAN_INTERCEPTS);
}

/**
 * svm_set_cr() - backend's set_cr
 * @vcpu: loaded vCPU
 * @cr: 0, 3 or 4
 * @val: value that has been checked
 *
 * PAE's PDPTEs are read from memory as they are needed (APM 2 15.25.10).
 */
void svm_set_cr(struct hv_vcpu *vcpu, int cr, u64 val)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	switch (cr) {
	case 0:
		svm_set_cr0(svm, val);
		break;
	case 3:
		vcpu->x86.cr3 = val;
		svm->vmcb->save.cr3 = val;
		svm_dirty(svm, SVM_CLEAN_CR);
		break;
	case 4:
		svm_set_cr4(vcpu, val);
		break;
	}
}

/**
 * svm_set_efer() - EFER
 * @vcpu: loaded vCPU
 * @val: value that has been checked
 */
void svm_set_efer(struct hv_vcpu *vcpu, u64 val)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	vcpu->x86.efer = val;
	/* VMRUN refuses a guest without SVME (APM 2 15.5.1). It can't see the bit: EFER exits. */
	svm->vmcb->save.efer = val | EFER_SVME;
	svm_dirty(svm, SVM_CLEAN_CR);
}
