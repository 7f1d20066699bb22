// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMCS or the processor holds for the guest, and the MSR bitmap.
 */
#include <linux/bitops.h>
#include <asm/msr-index.h>
#include "vmx.h"

/* Layout of the bitmap page: read low, read high, write low, write high (SDM 3C 24.6.9) */
#define BITMAP_WRITE	(0x800 * 8)
#define BITMAP_HIGH	(0x400 * 8)

/**
 * vmx_msr_intercept() - does an access to an MSR exit?
 * @vmx: vCPU
 * @index: MSR, in one of the two ranges that the bitmap covers
 * @read: reads exit
 * @write: writes exit
 *
 * The processor reads the bitmap at each access: no VMWRITE is needed.
 */
void vmx_msr_intercept(struct vmx_vcpu *vmx, u32 index, bool read, bool write)
{
	unsigned int bit = index & 0x1fff;

	if (index >= 0xc0000000)
		bit += BITMAP_HIGH;
	assign_bit(bit, vmx->msr_bitmap, read);
	assign_bit(bit + BITMAP_WRITE, vmx->msr_bitmap, write);
}

/* The processor or the VMCS switches these, and no value of theirs can harm the host. */
static const u32 vmx_passthrough_msrs[] = {
	MSR_FS_BASE,
	MSR_GS_BASE,
	MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
};

/**
 * vmx_msr_bitmap_init() - everything exits but what is safe and frequent
 * @vmx: vCPU
 */
void vmx_msr_bitmap_init(struct vmx_vcpu *vmx)
{
	unsigned int i;

	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(vmx_passthrough_msrs); i++)
		vmx_msr_intercept(vmx, vmx_passthrough_msrs[i], false, false);
}

/* The value may be in the processor or, while the host's is, in x86.kernel_gs_base. */
static u64 vmx_get_kernel_gs_base(struct hv_vcpu *vcpu)
{
	preempt_disable();
	if (to_vmx(vcpu)->guest_loaded)
		rdmsrl(MSR_KERNEL_GS_BASE, vcpu->x86.kernel_gs_base);
	preempt_enable();
	return vcpu->x86.kernel_gs_base;
}

static void vmx_set_kernel_gs_base(struct hv_vcpu *vcpu, u64 val)
{
	preempt_disable();
	vcpu->x86.kernel_gs_base = val;
	if (to_vmx(vcpu)->guest_loaded)
		wrmsrl(MSR_KERNEL_GS_BASE, val);
	preempt_enable();
}

/**
 * vmx_get_msr() - backend's get_msr
 * @vcpu: loaded vCPU
 * @index: MSR
 * @val: result
 *
 * Return: 0, or 1: held elsewhere.
 */
int vmx_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val)
{
	switch (index) {
	case MSR_FS_BASE:
		*val = vmcs_readn(VMCS_GUEST_FS_BASE);
		return 0;
	case MSR_GS_BASE:
		*val = vmcs_readn(VMCS_GUEST_GS_BASE);
		return 0;
	case MSR_KERNEL_GS_BASE:
		*val = vmx_get_kernel_gs_base(vcpu);
		return 0;
	case MSR_IA32_SYSENTER_CS:
		*val = vmcs_read32(VMCS_GUEST_SYSENTER_CS);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		*val = vmcs_readn(VMCS_GUEST_SYSENTER_ESP);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		*val = vmcs_readn(VMCS_GUEST_SYSENTER_EIP);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		*val = to_vmx(vcpu)->sw.spec_ctrl.guest;
		return 0;
	}
	return 1;
}

/**
 * vmx_set_msr() - backend's set_msr
 * @vcpu: loaded vCPU
 * @index: MSR
 * @val: value that has been checked
 *
 * Return: 0, or 1: held elsewhere (the value may still concern the backend).
 */
int vmx_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	switch (index) {
	case MSR_EFER:
		vmx_set_efer(vcpu, val);
		return 0;
	case MSR_FS_BASE:
		vmcs_writen(VMCS_GUEST_FS_BASE, val);
		return 0;
	case MSR_GS_BASE:
		vmcs_writen(VMCS_GUEST_GS_BASE, val);
		return 0;
	case MSR_KERNEL_GS_BASE:
		vmx_set_kernel_gs_base(vcpu, val);
		return 0;
	case MSR_IA32_SYSENTER_CS:
		vmcs_write32(VMCS_GUEST_SYSENTER_CS, val);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		vmcs_writen(VMCS_GUEST_SYSENTER_ESP, val);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		vmcs_writen(VMCS_GUEST_SYSENTER_EIP, val);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		/*
		 * A guest that uses it writes it at each kernel entry: let it, from the first
		 * value on. Until then the host saves reading it at each exit.
		 */
		vmx->sw.spec_ctrl.guest = val & hv_spec_ctrl_bits();
		if (val && !vmx->sw.spec_ctrl.live) {
			vmx->sw.spec_ctrl.live = true;
			vmx_msr_intercept(vmx, MSR_IA32_SPEC_CTRL, false, false);
		}
		return 0;
	case MSR_IA32_CR_PAT:
		vmcs_write64(VMCS_GUEST_PAT, val);
		return 1;
	}
	return 1;
}
