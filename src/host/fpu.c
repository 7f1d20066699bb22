// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU state in the host kernel's own containers: while HV_RUN lasts the
 * guest's registers are the task's, so they survive preemption like any task's.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <hv/host.h>

/**
 * host_fpu_alloc() - container for one vCPU's FPU state, in its init state
 *
 * Context: process context.
 * Return: the container, or NULL.
 */
struct fpu_guest *host_fpu_alloc(void)
{
	struct fpu_guest *fpu = kzalloc(sizeof(*fpu), GFP_KERNEL_ACCOUNT);

	if (!fpu)
		return NULL;
	if (!fpu_alloc_guest_fpstate(fpu)) {
		kfree(fpu);
		return NULL;
	}
	return fpu;
}

/**
 * host_fpu_free() - free what host_fpu_alloc() returned
 * @fpu: container that is swapped out, or NULL
 */
void host_fpu_free(struct fpu_guest *fpu)
{
	if (!fpu)
		return;
	fpu_free_guest_fpstate(fpu);
	kfree(fpu);
}

/**
 * host_fpu_swap() - exchange the task's FPU state with a vCPU's
 * @fpu: the vCPU's
 * @enter_guest: true at the start of HV_RUN, false at its end
 *
 * Context: process context, preemption on.
 * Return: 0.
 */
int host_fpu_swap(struct fpu_guest *fpu, bool enter_guest)
{
	return fpu_swap_kvm_fpstate(fpu, enter_guest);
}

/**
 * host_fpu_to_uabi() - copy to the layout of XSAVE (standard form)
 * @fpu: swapped out
 * @buf: zeroed by this call
 * @size: bytes in @buf
 * @pkru: the guest's PKRU, which is kept elsewhere
 */
void host_fpu_to_uabi(struct fpu_guest *fpu, void *buf, u32 size, u32 pkru)
{
	fpu_copy_guest_fpstate_to_uabi(fpu, buf, size, fpu->fpstate->user_xfeatures, pkru);
}

/**
 * host_fpu_from_uabi() - the other direction
 * @fpu: swapped out
 * @buf: XSAVE image in standard form, at least host_fpu_uabi_size() bytes
 * @xcr0: features that the image may contain
 * @pkru: result, written if the image has it
 *
 * Return: 0, or -EINVAL for a bad header or MXCSR.
 */
int host_fpu_from_uabi(struct fpu_guest *fpu, const void *buf, u64 xcr0, u32 *pkru)
{
	return fpu_copy_uabi_to_guest_fpstate(fpu, buf, xcr0, pkru);
}

/**
 * host_fpu_uabi_size() - bytes of an XSAVE image
 * @fpu: container
 */
u32 host_fpu_uabi_size(struct fpu_guest *fpu)
{
	return max_t(u32, fpu->uabi_size, 4096);
}

/**
 * host_fpu_sync_xfd() - IA32_XFD may have been changed by the guest
 *
 * Context: interrupts off, after a VM exit.
 */
void host_fpu_sync_xfd(void)
{
	fpu_sync_guest_vmexit_xfd_state();
}

/**
 * host_xcr0() - features that the host has enabled in XCR0
 *
 * Return: XCR0, or x87 alone without XSAVE.
 */
u64 host_xcr0(void)
{
	return boot_cpu_has(X86_FEATURE_OSXSAVE) ? xgetbv(XCR_XFEATURE_ENABLED_MASK) :
						    XFEATURE_MASK_FP;
}

/**
 * host_guest_xcr0() - those that a guest may be given
 *
 * Not AMX: it needs a permission of the process and a larger image.
 */
u64 host_guest_xcr0(void)
{
	return host_xcr0() & xstate_get_guest_group_perm() &
	       (XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 |
		XFEATURE_MASK_PKRU);
}
