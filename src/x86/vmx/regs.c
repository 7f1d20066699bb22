// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest registers that the VMCS holds.
 */
#include <linux/kernel.h>
#include <asm/processor-flags.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <hv/host_inline.h>
#include "vmx.h"

/* CR0 and CR4 bits that change without an exit; the rest is read from the shadow. */
#define VMX_CR0_GUEST_OWNED	((u64)X86_CR0_TS)
#define VMX_CR4_GUEST_OWNED	((u64)(X86_CR4_PVI | X86_CR4_DE | X86_CR4_PCE |	\
				       X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT |	\
				       X86_CR4_TSD | X86_CR4_FSGSBASE | X86_CR4_PGE))

/**
 * vmx_cache_regs() - read registers from the VMCS
 * @vcpu: loaded vCPU
 * @mask: bits of enum hv_reg
 */
void vmx_cache_regs(struct hv_vcpu *vcpu, unsigned long mask)
{
	struct hv_vcpu_x86 *x86 = &vcpu->x86;
	u64 owned;

	mask &= ~x86->regs_avail;
	if (mask & BIT(HV_REG_RSP))
		x86->regs[HV_REG_RSP] = vmcs_readn(VMCS_GUEST_RSP);
	if (mask & BIT(HV_REG_RIP))
		x86->regs[HV_REG_RIP] = vmcs_readn(VMCS_GUEST_RIP);
	if (mask & BIT(HV_REG_RFLAGS))
		x86->rflags = vmcs_readn(VMCS_GUEST_RFLAGS);
	if (mask & BIT(HV_REG_CR0)) {
		owned = x86->cr0_guest_owned;
		x86->cr0 = (x86->cr0 & ~owned) | (vmcs_readn(VMCS_GUEST_CR0) & owned);
	}
	if (mask & BIT(HV_REG_CR3))
		x86->cr3 = vmcs_readn(VMCS_GUEST_CR3);
	if (mask & BIT(HV_REG_CR4)) {
		owned = x86->cr4_guest_owned;
		x86->cr4 = (x86->cr4 & ~owned) | (vmcs_readn(VMCS_GUEST_CR4) & owned);
	}
	if (mask & BIT(HV_REG_DR7)) {
		/* DR6 is not in the VMCS: still the guest's, as the caller has just exited. */
		get_debugreg(x86->dr6, 6);
		x86->dr7 = vmcs_readn(VMCS_GUEST_DR7);
	}
	x86->regs_avail |= mask;
}

/**
 * vmx_flush_regs() - write changed registers to the VMCS
 * @vcpu: loaded vCPU, about to enter
 */
void vmx_flush_regs(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x86 = &vcpu->x86;

	if (!x86->regs_dirty)
		return;
	if (x86->regs_dirty & BIT(HV_REG_RSP))
		vmcs_writen(VMCS_GUEST_RSP, x86->regs[HV_REG_RSP]);
	if (x86->regs_dirty & BIT(HV_REG_RIP))
		vmcs_writen(VMCS_GUEST_RIP, x86->regs[HV_REG_RIP]);
	if (x86->regs_dirty & BIT(HV_REG_RFLAGS))
		vmcs_writen(VMCS_GUEST_RFLAGS, x86->rflags);
}

/* Fields of one segment register; GDTR and IDTR have only a base and a limit. */
struct vmx_segment {
	u16 selector;
	u16 base;
	u16 limit;
	u16 ar;
};

#define VMX_DTABLE(name)				\
	[HV_SEG_##name] = {				\
		.base = VMCS_GUEST_##name##_BASE,	\
		.limit = VMCS_GUEST_##name##_LIMIT,	\
	}

#define VMX_SEGMENT(name)				\
	[HV_SEG_##name] = {				\
		.selector = VMCS_GUEST_##name##_SELECTOR,	\
		.base = VMCS_GUEST_##name##_BASE,	\
		.limit = VMCS_GUEST_##name##_LIMIT,	\
		.ar = VMCS_GUEST_##name##_AR,		\
	}

static const struct vmx_segment vmx_segments[] = {
	VMX_SEGMENT(ES), VMX_SEGMENT(CS), VMX_SEGMENT(SS), VMX_SEGMENT(DS),
	VMX_SEGMENT(FS), VMX_SEGMENT(GS), VMX_SEGMENT(LDTR), VMX_SEGMENT(TR),
	VMX_DTABLE(GDTR), VMX_DTABLE(IDTR),
};

/**
 * vmx_get_segment() - backend's get_segment
 * @vcpu: loaded vCPU
 * @seg: enum hv_seg
 * @s: result
 */
void vmx_get_segment(struct hv_vcpu *vcpu, int seg, struct hv_segment *s)
{
	const struct vmx_segment *f = &vmx_segments[seg];
	u32 ar;

	memset(s, 0, sizeof(*s));
	s->base = __vmcs_read(f->base);
	s->limit = __vmcs_read(f->limit);
	if (seg >= HV_NR_SEGS)
		return;
	s->selector = __vmcs_read(f->selector);
	ar = __vmcs_read(f->ar);
	s->unusable = !!(ar & VMX_AR_UNUSABLE);
	s->type = ar & VMX_AR_TYPE;
	s->s = !!(ar & VMX_AR_S);
	s->dpl = (ar >> VMX_AR_DPL_SHIFT) & 3;
	/* As KVM shows it: what can't be used is not present. */
	s->present = !s->unusable;
	s->avl = !!(ar & VMX_AR_AVL);
	s->l = !!(ar & VMX_AR_L);
	s->db = !!(ar & VMX_AR_DB);
	s->g = !!(ar & VMX_AR_G);
}

/**
 * vmx_get_access() - backend's get_access
 * @vcpu: loaded vCPU
 * @seg: enum hv_seg, a register with a selector
 *
 * Return: HV_ACCESS_*. An unusable SS has CPL in its DPL, too (SDM 3C 24.4.1).
 */
u32 vmx_get_access(struct hv_vcpu *vcpu, int seg)
{
	return __vmcs_read(vmx_segments[seg].ar) & 0xffff;
}

static u32 vmx_segment_ar(int seg, const struct hv_segment *s)
{
	u32 ar;

	/* SS has CPL in its DPL even then, and CS's is checked against it (SDM 3C 26.3.1.2). */
	if (s->unusable || !s->present)
		return VMX_AR_UNUSABLE | (u32)(s->dpl & 3) << VMX_AR_DPL_SHIFT;
	ar = (s->type & VMX_AR_TYPE) | (u32)(s->dpl & 3) << VMX_AR_DPL_SHIFT | VMX_AR_P;
	if (s->s)
		ar |= VMX_AR_S;
	if (s->avl)
		ar |= VMX_AR_AVL;
	if (s->l)
		ar |= VMX_AR_L;
	if (s->db)
		ar |= VMX_AR_DB;
	if (s->g)
		ar |= VMX_AR_G;
	/*
	 * The processor checks that usable segments have been accessed (SDM 3C 26.3.1.2),
	 * which loading them would have ensured; VMMs do not set the bit.
	 */
	if (seg != HV_SEG_LDTR)
		ar |= 1;
	/* TR must be busy (SDM 3C 26.3.1.2), which LTR would have made it. */
	if (seg == HV_SEG_TR)
		ar |= 2;
	return ar;
}

/**
 * vmx_set_segment() - backend's set_segment
 * @vcpu: loaded vCPU
 * @seg: enum hv_seg
 * @s: new contents
 */
void vmx_set_segment(struct hv_vcpu *vcpu, int seg, const struct hv_segment *s)
{
	const struct vmx_segment *f = &vmx_segments[seg];

	__vmcs_write(f->base, s->base);
	__vmcs_write(f->limit, s->limit);
	if (seg >= HV_NR_SEGS)
		return;
	__vmcs_write(f->selector, s->selector);
	__vmcs_write(f->ar, vmx_segment_ar(seg, s));
}

/*
 * In PAE paging the processor holds the four PDPTEs; it reads them from memory when the
 * guest loads CR3, but at VM entry from the VMCS (SDM 3C 26.3.2.4): after a change that
 * the guest did not make itself they must be read here.
 */
static void vmx_load_pdptes(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x86 = &vcpu->x86;
	u64 pdpte[4];
	int idx, r;

	if (!(x86->cr0 & X86_CR0_PG) || !(x86->cr4 & X86_CR4_PAE) || (x86->efer & EFER_LMA))
		return;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	r = hv_guest_read(vcpu->vm, x86->cr3 & GENMASK_ULL(31, 5), pdpte, sizeof(pdpte));
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	if (r)
		memset(pdpte, 0, sizeof(pdpte));
	vmcs_write64(VMCS_GUEST_PDPTE0, pdpte[0]);
	vmcs_write64(VMCS_GUEST_PDPTE1, pdpte[1]);
	vmcs_write64(VMCS_GUEST_PDPTE2, pdpte[2]);
	vmcs_write64(VMCS_GUEST_PDPTE3, pdpte[3]);
}

static void vmx_set_cr0(struct hv_vcpu *vcpu, u64 val)
{
	vcpu->x86.cr0_guest_owned = VMX_CR0_GUEST_OWNED;
	vcpu->x86.cr0 = val;
	/*
	 * NE must be 1 in VMX operation (SDM 3D A.7); the guest sees its own value in the shadow.
	 * CD and NW are the guest's business: with EPT they do not change the memory type.
	 */
	vmcs_writen(VMCS_GUEST_CR0,
		    (val | vmx_caps.cr0_fixed0) & ~(u64)(X86_CR0_NW | X86_CR0_CD));
	vmcs_writen(VMCS_CR0_READ_SHADOW, val);
	vmcs_writen(VMCS_CR0_GUEST_HOST_MASK, ~VMX_CR0_GUEST_OWNED);
}

/**
 * vmx_set_cr4() - CR4, its shadow and the mask of bits that the guest owns
 * @vcpu: loaded vCPU
 * @val: the guest's value
 */
void vmx_set_cr4(struct hv_vcpu *vcpu, u64 val)
{
	u64 owned = VMX_CR4_GUEST_OWNED & ~vcpu->x86.cr4_reserved;

	vcpu->x86.cr4_guest_owned = owned;
	vcpu->x86.cr4 = val;
	/*
	 * VMXE must be 1 in VMX operation (SDM 3D A.8). MCE is the host's: without it a machine
	 * check while the guest runs would shut the processor down (SDM 3B 15.3.2).
	 */
	vmcs_writen(VMCS_GUEST_CR4, (val & ~(u64)X86_CR4_MCE) | vmx_caps.cr4_fixed0 |
				    (host_cr4() & X86_CR4_MCE));
	vmcs_writen(VMCS_CR4_READ_SHADOW, val);
	vmcs_writen(VMCS_CR4_GUEST_HOST_MASK, ~owned);
}

/**
 * vmx_set_cr() - backend's set_cr
 * @vcpu: loaded vCPU
 * @cr: 0, 3 or 4
 * @val: value that has been checked
 *
 * Context: process context: PAE's PDPTEs are read from guest memory.
 */
void vmx_set_cr(struct hv_vcpu *vcpu, int cr, u64 val)
{
	u64 old0, old4;

	vmx_cache_regs(vcpu, BIT(HV_REG_CR0) | BIT(HV_REG_CR3) | BIT(HV_REG_CR4));
	old0 = vcpu->x86.cr0;
	old4 = vcpu->x86.cr4;
	switch (cr) {
	case 0:
		vmx_set_cr0(vcpu, val);
		vcpu->x86.regs_avail |= BIT(HV_REG_CR0);
		break;
	case 3:
		vcpu->x86.cr3 = val;
		vmcs_writen(VMCS_GUEST_CR3, val);
		vcpu->x86.regs_avail |= BIT(HV_REG_CR3);
		break;
	case 4:
		vmx_set_cr4(vcpu, val);
		vcpu->x86.regs_avail |= BIT(HV_REG_CR4);
		break;
	}
	/* SDM 3A 4.4.1 lists what makes a processor read them again. */
	if (cr == 3 || ((old0 ^ vcpu->x86.cr0) & (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)) ||
	    ((old4 ^ vcpu->x86.cr4) & (X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE | X86_CR4_SMEP)))
		vmx_load_pdptes(vcpu);
}

/**
 * vmx_set_efer() - IA32_EFER
 * @vcpu: loaded vCPU
 * @val: value that has been checked; LMA says whether the guest is in IA-32e mode
 */
void vmx_set_efer(struct hv_vcpu *vcpu, u64 val)
{
	u32 entry = vmx_caps.entry & ~ENTRY_IA32E_MODE;

	vcpu->x86.efer = val;
	/* Must agree with EFER.LMA (SDM 3C 26.3.1.1) */
	if (val & EFER_LMA) {
		entry |= ENTRY_IA32E_MODE;
		/* TR can only be a busy 64-bit TSS then (SDM 3C 26.3.1.2). */
		vmcs_write32(VMCS_GUEST_TR_AR, vmcs_read32(VMCS_GUEST_TR_AR) | VMX_TR_BUSY_64);
	}
	vmcs_write32(VMCS_ENTRY_CONTROLS, entry);
	vmcs_write64(VMCS_GUEST_EFER, val);
}
