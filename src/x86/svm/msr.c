// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMCB holds for the guest, and the MSR permission map.
 */
#include <linux/bitops.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include "svm.h"

/* Two bits for each MSR, read and write; 2 KiB for each of three ranges (APM 2 15.11) */
#define MSRPM_RANGE_BITS	(0x800 * 8)
#define MSRPM_SIZE		(2 * PAGE_SIZE)

/**
 * svm_msr_intercept() - does an access to an MSR exit?
 * @svm: vCPU
 * @index: MSR, in one of the first two ranges that the map covers
 * @read: reads exit
 * @write: writes exit
 */
void svm_msr_intercept(struct svm_vcpu *svm, u32 index, bool read, bool write)
{
	unsigned int bit = (index & 0x1fff) * 2;

	if (index >= 0xc0000000)
		bit += MSRPM_RANGE_BITS;
	assign_bit(bit, svm->msrpm, read);
	assign_bit(bit + 1, svm->msrpm, write);
}

/* Switched by VMLOAD and VMSAVE: no value of theirs can harm the host (APM 2 15.5.2). */
static const u32 svm_passthrough_msrs[] = {
	MSR_FS_BASE,
	MSR_GS_BASE,
	MSR_KERNEL_GS_BASE,
	MSR_STAR,
	MSR_LSTAR,
	MSR_CSTAR,
	MSR_SYSCALL_MASK,
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
};

/**
 * svm_msrpm_init() - everything exits but what is safe and frequent
 * @svm: vCPU
 */
void svm_msrpm_init(struct svm_vcpu *svm)
{
	unsigned int i;

	memset(svm->msrpm, 0xff, MSRPM_SIZE);
	for (i = 0; i < ARRAY_SIZE(svm_passthrough_msrs); i++)
		svm_msr_intercept(svm, svm_passthrough_msrs[i], false, false);
}

/* Where the VMCB holds an MSR, or NULL */
static u64 *svm_msr_field(struct vmcb_save *save, u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
		return &save->fs.base;
	case MSR_GS_BASE:
		return &save->gs.base;
	case MSR_KERNEL_GS_BASE:
		return &save->kernel_gs_base;
	case MSR_STAR:
		return &save->star;
	case MSR_LSTAR:
		return &save->lstar;
	case MSR_CSTAR:
		return &save->cstar;
	case MSR_SYSCALL_MASK:
		return &save->sfmask;
	case MSR_IA32_SYSENTER_CS:
		return &save->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &save->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &save->sysenter_eip;
	}
	return NULL;
}

/* The guest's IA32_SPEC_CTRL: in the VMCB, or switched by entry.S */
static u64 *svm_spec_ctrl(struct svm_vcpu *svm)
{
	return svm_caps.v_spec_ctrl ? &svm->vmcb->save.spec_ctrl : &svm->sw.spec_ctrl.guest;
}

/**
 * svm_get_msr() - backend's get_msr
 * @vcpu: loaded vCPU
 * @index: MSR
 * @val: result
 *
 * Return: 0, or 1: held elsewhere.
 */
int svm_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const u64 *field = svm_msr_field(&svm->vmcb->save, index);

	if (index == MSR_IA32_SPEC_CTRL)
		field = svm_spec_ctrl(svm);
	if (!field)
		return 1;
	*val = *field;
	return 0;
}

/*
 * A guest that uses it writes it at each kernel entry: let it, from the first value on. Until
 * then the host saves reading it at each exit.
 */
static void svm_set_spec_ctrl(struct svm_vcpu *svm, u64 val)
{
	val &= hv_spec_ctrl_bits();
	*svm_spec_ctrl(svm) = val;
	if (!val || svm->sw.spec_ctrl.live)
		return;
	svm->sw.spec_ctrl.live = true;
	svm_msr_intercept(svm, MSR_IA32_SPEC_CTRL, false, false);
}

/**
 * svm_set_msr() - backend's set_msr
 * @vcpu: loaded vCPU
 * @index: MSR
 * @val: value that has been checked
 *
 * Return: 0, or 1: held elsewhere (the value may still concern the backend).
 */
int svm_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *field = svm_msr_field(&svm->vmcb->save, index);

	if (field) {
		*field = val;
		return 0;
	}
	switch (index) {
	case MSR_EFER:
		svm_set_efer(vcpu, val);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		svm_set_spec_ctrl(svm, val);
		return 0;
	case MSR_IA32_CR_PAT:
		svm->vmcb->save.pat = val;
		svm_dirty(svm, SVM_CLEAN_NP);
		return 1;
	}
	return 1;
}
