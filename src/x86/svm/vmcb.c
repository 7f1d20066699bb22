// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCB and the permission maps: allocation, contents that do not change, dump.
 */
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/string.h>
#include "svm.h"

/* A bit for each port and three more, in three pages (APM 2 15.10.1) */
#define IOPM_ORDER	2
#define MSRPM_ORDER	1

static void *svm_iopm;

/**
 * svm_iopm_alloc() - the I/O permission map of all guests: every port exits
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int svm_iopm_alloc(void)
{
	svm_iopm = (void *)__get_free_pages(GFP_KERNEL, IOPM_ORDER);
	if (!svm_iopm)
		return -ENOMEM;
	memset(svm_iopm, 0xff, PAGE_SIZE << IOPM_ORDER);
	return 0;
}

/**
 * svm_iopm_free() - undo svm_iopm_alloc()
 */
void svm_iopm_free(void)
{
	free_pages((unsigned long)svm_iopm, IOPM_ORDER);
	svm_iopm = NULL;
}

/**
 * svm_vmcb_alloc() - VMCB and MSR permission map of a new vCPU
 * @svm: vCPU
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int svm_vmcb_alloc(struct svm_vcpu *svm)
{
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb)
		return -ENOMEM;
	svm->msrpm = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);
	if (!svm->msrpm) {
		svm_vmcb_free(svm);
		return -ENOMEM;
	}
	svm->sw.vmcb_pa = svm_pa(svm->vmcb);
	return 0;
}

/**
 * svm_vmcb_free() - free what svm_vmcb_alloc() allocated
 * @svm: vCPU that runs nowhere
 */
void svm_vmcb_free(struct svm_vcpu *svm)
{
	free_pages((unsigned long)svm->msrpm, MSRPM_ORDER);
	free_page((unsigned long)svm->vmcb);
}

/**
 * svm_vmcb_init() - write everything of a new VMCB that a reset does not
 * @vcpu: loaded vCPU
 */
void svm_vmcb_init(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *ctl = &svm->vmcb->control;

	ctl->cr = SVM_CR_WRITE(4) | SVM_CR_READ(8) | SVM_CR_WRITE(8);
	ctl->intercepts = SVM_INTERCEPT_INTR | SVM_INTERCEPT_NMI | SVM_INTERCEPT_SMI |
			  SVM_INTERCEPT_INIT | SVM_INTERCEPT_CR0_SEL_WRITE |
			  SVM_INTERCEPT_RDPMC | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_RSM |
			  SVM_INTERCEPT_INVD | SVM_INTERCEPT_HLT | SVM_INTERCEPT_INVLPGA |
			  SVM_INTERCEPT_IOIO | SVM_INTERCEPT_MSR |
			  SVM_INTERCEPT_TASK_SWITCH | SVM_INTERCEPT_SHUTDOWN;
	/* No nested virtualization: all of SVM is #UD for the guest. */
	ctl->intercepts2 = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL |
			   SVM_INTERCEPT_VMLOAD | SVM_INTERCEPT_VMSAVE |
			   SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI | SVM_INTERCEPT_SKINIT |
			   SVM_INTERCEPT_ICEBP | SVM_INTERCEPT_WBINVD |
			   SVM_INTERCEPT_MONITOR | SVM_INTERCEPT_MWAIT |
			   SVM_INTERCEPT_XSETBV | SVM_INTERCEPT_RDPRU;
	ctl->intercepts3 = SVM_INTERCEPT_INVLPGB | SVM_INTERCEPT_MCOMMIT |
			   SVM_INTERCEPT_TLBSYNC;
	/* The count comes with HV_UPDATE_PLE; 0 cycles is no threshold (APM 2 15.14.4). */
	if (svm_caps.pause_filter)
		ctl->intercepts |= SVM_INTERCEPT_PAUSE;
	if (svm_caps.pause_filter && svm_caps.pause_threshold)
		ctl->pause_threshold = min_t(u32, hv_ple_gap(), U16_MAX);
	ctl->iopm_pa = svm_pa(svm_iopm);
	ctl->msrpm_pa = svm_pa(svm->msrpm);
	ctl->vintr = SVM_V_INTR_MASKING;
	ctl->nested_control = SVM_NP_ENABLE;
	ctl->nested_cr3 = svm_nested_cr3(vcpu->vm);
	ctl->clean = 0;
	svm->asid_generation = 0;
}

struct vmcb_field {
	const char *name;
	u16 offset;
};

#define VMCB_CONTROL(f)	{ #f, offsetof(struct vmcb, control.f) }
#define VMCB_SAVE(f)	{ #f, offsetof(struct vmcb, save.f) }

/* Quadwords, some with a neighbour in the upper half */
static const struct vmcb_field vmcb_fields[] = {
	VMCB_CONTROL(cr), VMCB_CONTROL(exceptions), VMCB_CONTROL(intercepts2),
	VMCB_CONTROL(iopm_pa), VMCB_CONTROL(msrpm_pa), VMCB_CONTROL(tsc_offset),
	VMCB_CONTROL(asid), VMCB_CONTROL(vintr), VMCB_CONTROL(interrupt_state),
	VMCB_CONTROL(nested_control), VMCB_CONTROL(nested_cr3), VMCB_CONTROL(clean),
	VMCB_SAVE(es), VMCB_SAVE(es.base), VMCB_SAVE(cs), VMCB_SAVE(cs.base),
	VMCB_SAVE(ss), VMCB_SAVE(ss.base), VMCB_SAVE(ds), VMCB_SAVE(ds.base),
	VMCB_SAVE(fs), VMCB_SAVE(fs.base), VMCB_SAVE(gs), VMCB_SAVE(gs.base),
	VMCB_SAVE(ldtr), VMCB_SAVE(ldtr.base), VMCB_SAVE(tr), VMCB_SAVE(tr.base),
	VMCB_SAVE(gdtr), VMCB_SAVE(gdtr.base), VMCB_SAVE(idtr), VMCB_SAVE(idtr.base),
	VMCB_SAVE(efer), VMCB_SAVE(cr0), VMCB_SAVE(cr3), VMCB_SAVE(cr4),
	VMCB_SAVE(dr6), VMCB_SAVE(dr7), VMCB_SAVE(rflags), VMCB_SAVE(rip),
	VMCB_SAVE(rsp), VMCB_SAVE(pat),
};

/**
 * svm_vmcb_dump() - print the VMCB that VMRUN refused
 * @vcpu: loaded vCPU
 *
 * At debug level and rate-limited: a VMM can cause it at will.
 */
void svm_vmcb_dump(struct hv_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 60 * HZ, 1);
	const void *vmcb = to_svm(vcpu)->vmcb;
	unsigned int i;

	if (!__ratelimit(&limit))
		return;
	for (i = 0; i < ARRAY_SIZE(vmcb_fields); i++)
		pr_debug("hv: svm: %-16s %#llx\n", vmcb_fields[i].name,
			 *(const u64 *)(vmcb + vmcb_fields[i].offset));
}
