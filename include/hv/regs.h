/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of a loaded vCPU: the cache over what the backend holds. Inline, because every exit
 * reads some.
 */
#ifndef HV_REGS_H
#define HV_REGS_H

#include <hv/backend.h>

static inline void hv_reg_cache(struct hv_vcpu *vcpu, unsigned int reg)
{
	if (!(vcpu->x86.regs_avail & BIT(reg)))
		hv_call(cache_regs, vcpu, BIT(reg));
}

/**
 * hv_reg_read() - read a general register or RIP
 * @vcpu: loaded vCPU
 * @reg: HV_REG_RAX ... HV_REG_RIP
 */
static inline u64 hv_reg_read(struct hv_vcpu *vcpu, enum hv_reg reg)
{
	if (reg == HV_REG_RSP || reg == HV_REG_RIP)
		hv_reg_cache(vcpu, reg);
	return vcpu->x86.regs[reg];
}

/**
 * hv_reg_write() - write a general register or RIP
 * @vcpu: loaded vCPU
 * @reg: HV_REG_RAX ... HV_REG_RIP
 * @val: value, all 64 bits
 */
static inline void hv_reg_write(struct hv_vcpu *vcpu, enum hv_reg reg, u64 val)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	x->regs[reg] = val;
	x->regs_avail |= BIT(reg);
	x->regs_dirty |= BIT(reg);
}

/**
 * hv_rip() - RIP, relative to the code segment
 * @vcpu: loaded vCPU
 */
static inline u64 hv_rip(struct hv_vcpu *vcpu)
{
	return hv_reg_read(vcpu, HV_REG_RIP);
}

/**
 * hv_set_rip() - write RIP
 * @vcpu: loaded vCPU
 * @val: value
 */
static inline void hv_set_rip(struct hv_vcpu *vcpu, u64 val)
{
	hv_reg_write(vcpu, HV_REG_RIP, val);
}

/**
 * hv_raw_rflags() - RFLAGS as the processor has them: with the TF of HV_GUESTDBG_SINGLESTEP
 * @vcpu: loaded vCPU
 */
static inline u64 hv_raw_rflags(struct hv_vcpu *vcpu)
{
	hv_reg_cache(vcpu, HV_REG_RFLAGS);
	return vcpu->x86.rflags;
}

/**
 * hv_rflags() - RFLAGS as the guest believes them to be
 * @vcpu: loaded vCPU
 *
 * Without the trace flag that HV_SET_GUEST_DEBUG's single-stepping added.
 */
static inline u64 hv_rflags(struct hv_vcpu *vcpu)
{
	u64 val = hv_raw_rflags(vcpu);

	if (vcpu->x86.guest_debug & HV_GUESTDBG_SINGLESTEP)
		val &= ~(u64)X86_EFLAGS_TF;
	return val;
}

/**
 * hv_cr0() - CR0 as the guest sees it
 * @vcpu: loaded vCPU
 */
static inline u64 hv_cr0(struct hv_vcpu *vcpu)
{
	hv_reg_cache(vcpu, HV_REG_CR0);
	return vcpu->x86.cr0;
}

/**
 * hv_cr3() - CR3
 * @vcpu: loaded vCPU
 */
static inline u64 hv_cr3(struct hv_vcpu *vcpu)
{
	hv_reg_cache(vcpu, HV_REG_CR3);
	return vcpu->x86.cr3;
}

/**
 * hv_cr4() - CR4 as the guest sees it
 * @vcpu: loaded vCPU
 */
static inline u64 hv_cr4(struct hv_vcpu *vcpu)
{
	hv_reg_cache(vcpu, HV_REG_CR4);
	return vcpu->x86.cr4;
}

/**
 * hv_cr0_bits() - some bits of CR0; those that always exit cost nothing
 * @vcpu: loaded vCPU
 * @mask: which bits
 */
static inline u64 hv_cr0_bits(struct hv_vcpu *vcpu, u64 mask)
{
	if (mask & vcpu->x86.cr0_guest_owned)
		hv_reg_cache(vcpu, HV_REG_CR0);
	return vcpu->x86.cr0 & mask;
}

/**
 * hv_cr4_bits() - some bits of CR4; those that always exit cost nothing
 * @vcpu: loaded vCPU
 * @mask: which bits
 */
static inline u64 hv_cr4_bits(struct hv_vcpu *vcpu, u64 mask)
{
	if (mask & vcpu->x86.cr4_guest_owned)
		hv_reg_cache(vcpu, HV_REG_CR4);
	return vcpu->x86.cr4 & mask;
}

/**
 * hv_long_mode() - IA-32e mode is active (EFER.LMA)
 * @vcpu: vCPU
 */
static inline bool hv_long_mode(struct hv_vcpu *vcpu)
{
	return vcpu->x86.efer & EFER_LMA;
}

/**
 * hv_64bit_code() - the vCPU executes 64-bit code
 * @vcpu: loaded vCPU
 */
static inline bool hv_64bit_code(struct hv_vcpu *vcpu)
{
	return hv_long_mode(vcpu) && (hv_call(get_access, vcpu, HV_SEG_CS) & HV_ACCESS_L);
}

#endif
