// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's x87, SSE and extended state. While HV_RUN lasts it is in the task, as the
 * host's FPU code sees it; XCR0, XSS and PKRU are switched around each entry.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/host_inline.h>
#include "internal.h"

/* Offsets in the legacy region (SDM 1 table 10-2) and of the header (13.4.2) */
struct hv_fxsave {
	u16 fcw;
	u16 fsw;
	u8 ftw;
	u8 pad;
	u16 fop;
	u64 fip;
	u64 fdp;
	u32 mxcsr;
	u32 mxcsr_mask;
	u8 st[8][16];
	u8 xmm[16][16];
	u8 unused[96];
};

static_assert(sizeof(struct hv_fxsave) == 512);

#define HV_XSTATE_BV	512
#define HV_MXCSR_RESET	0x1f80
#define HV_FCW_INIT	0x37f

/**
 * hv_fpu_create() - allocate the guest's FPU state, in its initial state
 * @vcpu: new vCPU
 *
 * Return: 0 or -ENOMEM.
 */
int hv_fpu_create(struct hv_vcpu *vcpu)
{
	vcpu->x86.fpu = host_fpu_alloc();
	return vcpu->x86.fpu ? 0 : -ENOMEM;
}

/**
 * hv_fpu_destroy() - free it
 * @vcpu: vCPU that runs nowhere
 */
void hv_fpu_destroy(struct hv_vcpu *vcpu)
{
	host_fpu_free(vcpu->x86.fpu);
	vcpu->x86.fpu = NULL;
}

/**
 * hv_fpu_load() - HV_RUN begins: the task's FPU state becomes the guest's
 * @vcpu: vCPU with the mutex held
 *
 * Context: process context, preemption on.
 */
void hv_fpu_load(struct hv_vcpu *vcpu)
{
	host_fpu_swap(vcpu->x86.fpu, true);
	vcpu->x86.fpu_loaded = true;
}

/**
 * hv_fpu_put() - HV_RUN ends
 * @vcpu: vCPU with the mutex held
 *
 * Context: process context, preemption on.
 */
void hv_fpu_put(struct hv_vcpu *vcpu)
{
	host_fpu_swap(vcpu->x86.fpu, false);
	vcpu->x86.fpu_loaded = false;
}

static void *hv_xsave_buf(struct hv_vcpu *vcpu)
{
	return kvzalloc(max_t(u32, host_fpu_uabi_size(vcpu->x86.fpu), sizeof(struct hv_xsave)),
			GFP_KERNEL_ACCOUNT);
}

static int hv_put_xsave_buf(struct hv_vcpu *vcpu, const void *buf)
{
	return host_fpu_from_uabi(vcpu->x86.fpu, buf, host_guest_xcr0(), &vcpu->x86.pkru);
}

/**
 * hv_fpu_reset() - power-up state
 * @vcpu: vCPU with the mutex held
 * @init: INIT leaves all of it alone (SDM 3A table 10-1)
 */
void hv_fpu_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_fxsave *fx;

	if (init || vcpu->x86.fpu_loaded)
		return;
	fx = hv_xsave_buf(vcpu);
	if (!fx)
		return;
	/* XSTATE_BV 0: all components are in their initial state. */
	fx->fcw = HV_FCW_INIT;
	fx->mxcsr = HV_MXCSR_RESET;
	hv_put_xsave_buf(vcpu, fx);
	kvfree(fx);
}

/* PKRU matters to the guest if it can read it or if paging looks at it. */
static bool hv_pkru_in_use(const struct hv_vcpu_x86 *x)
{
	return (x->xcr0 & XFEATURE_MASK_PKRU) || (x->cr4 & X86_CR4_PKE);
}

/* The guest's XCR0, XSS and PKRU into the processor. */
static void hv_xstate_enter(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	/* Without CR4.OSXSAVE no instruction of the guest looks at XCR0. */
	if (boot_cpu_has(X86_FEATURE_OSXSAVE) && (x->cr4 & X86_CR4_OSXSAVE)) {
		if (x->xcr0 != x->host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, x->xcr0);
		if (x->xss != x->host_xss)
			native_wrmsrl(MSR_IA32_XSS, x->xss);
		x->xcr_loaded = true;
	}
	if (boot_cpu_has(X86_FEATURE_OSPKE)) {
		x->host_pkru = rdpkru();
		if (hv_pkru_in_use(x) && x->pkru != x->host_pkru)
			wrpkru(x->pkru);
	}
}

static void hv_xstate_exit(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (boot_cpu_has(X86_FEATURE_OSPKE)) {
		if (hv_pkru_in_use(x))
			x->pkru = rdpkru();
		if (rdpkru() != x->host_pkru)
			wrpkru(x->host_pkru);
	}
	if (x->xcr_loaded) {
		if (x->xcr0 != x->host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, x->host_xcr0);
		if (x->xss != x->host_xss)
			native_wrmsrl(MSR_IA32_XSS, x->host_xss);
		x->xcr_loaded = false;
	}
}

/**
 * hv_guest_state_enter() - what the entry does not switch: the guest's in
 * @vcpu: loaded vCPU, its FPU state in the registers
 *
 * Context: interrupts off, just before the entry.
 */
void hv_guest_state_enter(struct hv_vcpu *vcpu)
{
	hv_xstate_enter(vcpu);
	hv_debugregs_enter(vcpu);
}

/**
 * hv_guest_state_exit() - and the host's back
 * @vcpu: loaded vCPU
 *
 * Before any interrupt handler of the host runs: softirqs use the FPU, and the kernel has
 * breakpoints.
 *
 * Context: interrupts off, just after the exit.
 */
void hv_guest_state_exit(struct hv_vcpu *vcpu)
{
	hv_debugregs_exit(vcpu);
	hv_xstate_exit(vcpu);
}

/* ---- vector registers, for the emulation of MMIO ---- */

/* A register's name is part of the instruction: one function for each. */
#define HV_VEC_FNS(n)								\
static void hv_load_xmm_##n(void *mem)						\
{										\
	asm volatile("movdqu (%0), %%xmm" #n : : "r" (mem) : "memory");		\
}										\
static void hv_store_xmm_##n(void *mem)						\
{										\
	asm volatile("movdqu %%xmm" #n ", (%0)" : : "r" (mem) : "memory");	\
}										\
static void hv_load_ymm_##n(void *mem)						\
{										\
	asm volatile("vmovdqu (%0), %%ymm" #n : : "r" (mem) : "memory");	\
}										\
static void hv_store_ymm_##n(void *mem)						\
{										\
	asm volatile("vmovdqu %%ymm" #n ", (%0)" : : "r" (mem) : "memory");	\
}

HV_VEC_FNS(0)
HV_VEC_FNS(1)
HV_VEC_FNS(2)
HV_VEC_FNS(3)
HV_VEC_FNS(4)
HV_VEC_FNS(5)
HV_VEC_FNS(6)
HV_VEC_FNS(7)
HV_VEC_FNS(8)
HV_VEC_FNS(9)
HV_VEC_FNS(10)
HV_VEC_FNS(11)
HV_VEC_FNS(12)
HV_VEC_FNS(13)
HV_VEC_FNS(14)
HV_VEC_FNS(15)

#define HV_VEC_TABLE(name)							\
static void (*const name[])(void *mem) = {					\
	name##_0, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6,	\
	name##_7, name##_8, name##_9, name##_10, name##_11, name##_12,		\
	name##_13, name##_14, name##_15,					\
}

HV_VEC_TABLE(hv_load_xmm);
HV_VEC_TABLE(hv_store_xmm);
HV_VEC_TABLE(hv_load_ymm);
HV_VEC_TABLE(hv_store_ymm);

/**
 * hv_read_xmm() - read a vector register of the guest
 * @vcpu: vCPU inside HV_RUN: its state is the task's
 * @reg: 0 to 15
 * @data: result
 * @len: 16, or 32 (the processor has AVX)
 *
 * Context: process context.
 */
void hv_read_xmm(struct hv_vcpu *vcpu, int reg, void *data, unsigned int len)
{
	unsigned long flags;

	reg &= 15;
	local_irq_save(flags);
	host_fpu_return();
	if (len == 32)
		hv_store_ymm[reg](data);
	else
		hv_store_xmm[reg](data);
	local_irq_restore(flags);
}

/**
 * hv_write_xmm() - write a vector register of the guest
 * @vcpu: vCPU inside HV_RUN
 * @reg: 0 to 15
 * @data: value
 * @len: 16: the rest of the register stays; 32: everything above becomes 0
 *
 * Context: process context.
 */
void hv_write_xmm(struct hv_vcpu *vcpu, int reg, const void *data, unsigned int len)
{
	unsigned long flags;

	reg &= 15;
	local_irq_save(flags);
	host_fpu_return();
	if (len == 32)
		hv_load_ymm[reg]((void *)data);
	else
		hv_load_xmm[reg]((void *)data);
	local_irq_restore(flags);
}

/* ---- calls ---- */

/* Value of HV_CAP_XSAVE2 */
u32 hv_xsave2_size(void)
{
	return max_t(u32, hv_xsave_size(host_guest_xcr0(), false), sizeof(struct hv_xsave));
}

long hv_get_fpu(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_fxsave *fx = hv_xsave_buf(vcpu);
	struct hv_fpu *fpu = data;

	if (!fx)
		return -ENOMEM;
	host_fpu_to_uabi(vcpu->x86.fpu, fx, host_fpu_uabi_size(vcpu->x86.fpu),
			 vcpu->x86.pkru);
	memset(fpu, 0, sizeof(*fpu));
	memcpy(fpu->fpr, fx->st, sizeof(fpu->fpr));
	fpu->fcw = fx->fcw;
	fpu->fsw = fx->fsw;
	fpu->ftwx = fx->ftw;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->fip;
	fpu->last_dp = fx->fdp;
	fpu->mxcsr = fx->mxcsr;
	memcpy(fpu->xmm, fx->xmm, sizeof(fpu->xmm));
	kvfree(fx);
	return 0;
}

long hv_set_fpu(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_fxsave *fx = hv_xsave_buf(vcpu);
	const struct hv_fpu *fpu = data;
	long rc;

	if (!fx)
		return -ENOMEM;
	host_fpu_to_uabi(vcpu->x86.fpu, fx, host_fpu_uabi_size(vcpu->x86.fpu),
			 vcpu->x86.pkru);
	memcpy(fx->st, fpu->fpr, sizeof(fpu->fpr));
	fx->fcw = fpu->fcw;
	fx->fsw = fpu->fsw;
	fx->ftw = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->fip = fpu->last_ip;
	fx->fdp = fpu->last_dp;
	fx->mxcsr = fpu->mxcsr;
	memcpy(fx->xmm, fpu->xmm, sizeof(fpu->xmm));
	*(u64 *)((void *)fx + HV_XSTATE_BV) |= XFEATURE_MASK_FPSSE;
	rc = hv_put_xsave_buf(vcpu, fx);
	kvfree(fx);
	return rc;
}

static long hv_get_xsave_sized(struct hv_vcpu *vcpu, unsigned long arg, u32 size)
{
	void *buf = hv_xsave_buf(vcpu);
	long rc = 0;

	if (!buf)
		return -ENOMEM;
	host_fpu_to_uabi(vcpu->x86.fpu, buf, size, vcpu->x86.pkru);
	if (copy_to_user((void __user *)arg, buf, size))
		rc = -EFAULT;
	kvfree(buf);
	return rc;
}

long hv_get_xsave(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	if (hv_xsave2_size() > sizeof(struct hv_xsave))
		return -EINVAL;
	return hv_get_xsave_sized(vcpu, arg, sizeof(struct hv_xsave));
}

long hv_get_xsave2(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return hv_get_xsave_sized(vcpu, arg, hv_xsave2_size());
}

long hv_set_xsave(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	void *buf = hv_xsave_buf(vcpu);
	long rc;

	if (!buf)
		return -ENOMEM;
	rc = copy_from_user(buf, (void __user *)arg, hv_xsave2_size()) ? -EFAULT :
	     hv_put_xsave_buf(vcpu, buf);
	kvfree(buf);
	return rc;
}

long hv_get_xcrs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_xcrs *xcrs = data;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -EINVAL;
	memset(xcrs, 0, sizeof(*xcrs));
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->x86.xcr0;
	return 0;
}

long hv_set_xcrs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_xcrs *xcrs = data;
	unsigned int i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -EINVAL;
	if (xcrs->nr_xcrs > HV_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++) {
		if (xcrs->xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return hv_set_xcr0(vcpu, xcrs->xcrs[i].value) ? -EINVAL : 0;
	}
	return 0;
}
