// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SVM backend: its table, SVM on a CPU, VM and vCPU objects.
 */
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include "svm.h"

#define MSR_TSC_RATIO		0xc0000104
#define TSC_RATIO_ONE		BIT_ULL(32)	/* 8.32 fixed point (APM 2 15.30.5) */

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);
static struct host_mitigations svm_mitigations __ro_after_init;

static const struct hv_lazy_msr svm_lazy_msrs[] = {
	{ MSR_TSC_AUX, offsetof(struct hv_vcpu_x86, tsc_aux) },
};

static void svm_free_cpu_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		free_page((unsigned long)c->hsave);
		free_page((unsigned long)c->host);
		c->hsave = NULL;
		c->host = NULL;
	}
}

static int __init svm_alloc_cpu_pages(void)
{
	struct page *page;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		c->hsave = page ? page_address(page) : NULL;
		page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		c->host = page ? page_address(page) : NULL;
		if (!c->hsave || !c->host) {
			svm_free_cpu_pages();
			return -ENOMEM;
		}
	}
	return 0;
}

static int __init svm_setup(void)
{
	int r;

	r = svm_caps_init();
	if (r)
		return r;
	svm_npt_setup();
	hv_lazy_msrs_setup(svm_lazy_msrs, boot_cpu_has(X86_FEATURE_RDTSCP));
	r = svm_alloc_cpu_pages();
	if (r)
		return r;
	r = svm_iopm_alloc();
	if (r)
		goto out_pages;
	r = host_mitigations_init(&svm_mitigations);
	if (r)
		goto out_iopm;
	pr_info("hv: svm: NPT, %u ASIDs%s%s%s%s%s%s%s\n", svm_caps.nr_asids,
		svm_caps.flush_by_asid ? ", flush by ASID" : "",
		svm_caps.nrips ? ", next RIP" : "",
		svm_caps.decode_assists ? ", decode assists" : "",
		svm_caps.clean_bits ? ", clean bits" : "",
		svm_caps.v_spec_ctrl ? ", virtual SPEC_CTRL" : "",
		svm_caps.pause_filter ? ", pause filter" : "",
		svm_caps.avic ? ", AVIC not used" : "");
	return 0;

out_iopm:
	svm_iopm_free();
out_pages:
	svm_free_cpu_pages();
	return r;
}

static void svm_teardown(void)
{
	host_mitigations_exit();
	svm_iopm_free();
	svm_free_cpu_pages();
}

/* Switch SVM on, on this CPU (APM 2 15.4); interrupts off. */
static int svm_cpu_enable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	int r;

	r = host_svm_take();
	if (r)
		return r;
	/* No other hypervisor owns this CPU, so these are the host's values. */
	hv_lazy_msrs_init();
	wrmsrl(MSR_VM_HSAVE_PA, svm_pa(c->hsave));
	/* hv scales no guest's TSC; another hypervisor may have. */
	if (svm_caps.tsc_ratio)
		wrmsrl(MSR_TSC_RATIO, TSC_RATIO_ONE);
	svm_asid_cpu_init(c);
	c->on = true;
	return 0;
}

/* Switch SVM off; interrupts off, any context. */
static void svm_cpu_disable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);

	if (!c->on)
		return;
	c->on = false;
	hv_lazy_msrs_restore();
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	host_svm_release();
}

/* A VM has nothing that the second-stage tables do not have. */
static int svm_vm_create(struct hv_vm *vm)
{
	return 0;
}

static void svm_vm_destroy(struct hv_vm *vm)
{
}

static int svm_vcpu_create(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);
	int r;

	if (!svm)
		return -ENOMEM;
	svm->vcpu = vcpu;
	svm->cpu = -1;
	r = svm_vmcb_alloc(svm);
	if (r) {
		kfree(svm);
		return r;
	}
	svm->sw.spec_ctrl.present = svm_mitigations.spec_ctrl && !svm_caps.v_spec_ctrl;
	svm->sw.spec_ctrl.kernel_ibrs = svm_mitigations.kernel_ibrs;
	svm_msrpm_init(svm);
	vcpu->backend = svm;
	return 0;
}

static void svm_vcpu_destroy(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_vmcb_free(svm);
	kfree(svm);
	vcpu->backend = NULL;
}

/* State that only the VMCB holds; the shared part sets registers through the table. */
static void svm_vcpu_reset(struct hv_vcpu *vcpu, bool init)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	if (!init) {
		svm_vmcb_init(vcpu);
		vmcb->save.sysenter_cs = 0;
		vmcb->save.sysenter_esp = 0;
		vmcb->save.sysenter_eip = 0;
		/* Power-up value (APM 2 7.8.1) */
		vmcb->save.pat = 0x0007040600070406ull;
	}
	vmcb->save.debugctl = 0;
	vmcb->save.dr6 = DR6_RESERVED;
	vmcb->control.event_inject = 0;
	svm->stepping = false;
	svm_set_blocking(vcpu, 0);
	svm_open_window(vcpu, false, false);
	svm_update_intercepts(vcpu);
	svm_dirty(svm, ~0u);
	hv_req_set(vcpu, HV_REQ_TLB_FLUSH);
}

static void svm_update(struct hv_vcpu *vcpu, unsigned int what)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (what & HV_UPDATE_TSC) {
		svm->vmcb->control.tsc_offset = vcpu->x86.tsc_offset;
		svm_dirty(svm, SVM_CLEAN_INTERCEPTS);
	}
	if (what & HV_UPDATE_INTERCEPTS)
		svm_update_intercepts(vcpu);
	if ((what & HV_UPDATE_PLE) && svm_caps.pause_filter) {
		/* Counts PAUSEs, not cycles */
		svm->vmcb->control.pause_count = min_t(u32, vcpu->x86.ple_window, U16_MAX);
		svm_dirty(svm, SVM_CLEAN_INTERCEPTS);
	}
}

/* setup is called, and looked at, at module load only */
const struct hv_backend svm_backend __refconst = {
	.name = "svm",
	.s2_format = &svm_npt_format,
	.exit_name = svm_exit_name,
	.setup = svm_setup,
	.teardown = svm_teardown,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.vm_create = svm_vm_create,
	.vm_destroy = svm_vm_destroy,
	.vcpu_create = svm_vcpu_create,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_reset = svm_vcpu_reset,
	.load = svm_load,
	.put = svm_put,
	.enter = svm_enter,
	.handle_exit = svm_handle_exit,
	.cache_regs = svm_cache_regs,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.get_access = svm_get_access,
	.set_cr = svm_set_cr,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.get_blocking = svm_get_blocking,
	.set_blocking = svm_set_blocking,
	.update = svm_update,
	.inject = svm_inject,
	.open_window = svm_open_window,
	.flush_tlb = svm_flush_tlb,
	.skip_insn = svm_skip_insn,
};
