// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX backend: its table, VMX operation on a CPU, VM and vCPU objects.
 */
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include "vmx.h"

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);
struct host_mitigations vmx_mitigations __ro_after_init;

static const char * const vmx_l1d_text[] __initconst = {
	[HOST_L1D_NEVER] = "",
	[HOST_L1D_COND] = ", conditional L1D flush",
	[HOST_L1D_ALWAYS] = ", L1D flush at each entry",
};

/* The guest needs them in the processor; TSC_AUX, which some have not, is last. */
static const struct hv_lazy_msr vmx_lazy_msrs[] = {
	{ MSR_STAR, offsetof(struct hv_vcpu_x86, star) },
	{ MSR_LSTAR, offsetof(struct hv_vcpu_x86, lstar) },
	{ MSR_SYSCALL_MASK, offsetof(struct hv_vcpu_x86, sfmask) },
	{ MSR_TSC_AUX, offsetof(struct hv_vcpu_x86, tsc_aux) },
};

static void vmx_free_vmxon_regions(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);

		free_page((unsigned long)c->vmxon);
		c->vmxon = NULL;
	}
}

static int __init vmx_setup(void)
{
	int cpu, r;

	r = vmx_caps_init();
	if (r)
		return r;
	vmx_hide_insns();
	vmx_ept_setup();
	hv_lazy_msrs_setup(vmx_lazy_msrs, ARRAY_SIZE(vmx_lazy_msrs) -
					  !boot_cpu_has(X86_FEATURE_RDTSCP));
	for_each_possible_cpu(cpu) {
		struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);

		INIT_LIST_HEAD(&c->loaded);
		c->vmxon = vmx_alloc_region(cpu_to_node(cpu));
		if (!c->vmxon) {
			vmx_free_vmxon_regions();
			return -ENOMEM;
		}
	}
	r = host_mitigations_init(&vmx_mitigations);
	if (r) {
		vmx_free_vmxon_regions();
		return r;
	}
	pr_info("hv: vmx: EPT%s, %s, INVEPT %s%s%s%s\n",
		vmx_caps.ept_ad ? " with A/D bits" : "",
		vmx_caps.vpid ? "VPID" : "no VPID",
		vmx_caps.invept_single ? "single-context" : "all-context",
		vmx_caps.pml ? ", PML" : "",
		vmx_caps.proc2 & PROC2_XSAVES ? ", XSAVES" : "",
		vmx_l1d_text[vmx_mitigations.l1d_flush]);
	vmx_apicv_setup();
	vmx_timer_setup();
	return 0;
}

static void vmx_teardown(void)
{
	host_mitigations_exit();
	vmx_free_vmxon_regions();
}

/* Enter VMX operation on this CPU (SDM 3C 23.7); interrupts off. */
static int vmx_cpu_enable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	int r;

	r = host_vmx_take();
	if (r)
		return r;
	/* No other hypervisor owns this CPU, so these are the host's values. */
	hv_lazy_msrs_init();
	if (!vmx_insn_vmxon(__pa(c->vmxon))) {
		host_vmx_release();
		return -EIO;
	}
	c->on = true;
	/* Whatever an earlier owner left in this CPU's TLBs (SDM 3C 28.4.3.3) */
	vmx_insn_invept(VMX_INV_ALL, 0);
	return 0;
}

/* Leave VMX operation; interrupts off, any context. */
static void vmx_cpu_disable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx, *next;

	if (!c->on)
		return;
	c->on = false;
	list_for_each_entry_safe(vmx, next, &c->loaded, link)
		vmx_vmcs_clear_local(vmx);
	vmx_insn_vmxoff();
	hv_lazy_msrs_restore();
	host_vmx_release();
}

static int vmx_vm_create(struct hv_vm *vm)
{
	struct vmx_vm *v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);

	if (!v)
		return -ENOMEM;
	vm->backend = v;
	v->eptp = vmx_eptp(vm);
	return 0;
}

static void vmx_vm_destroy(struct hv_vm *vm)
{
	vmx_apicv_vm_destroy(to_vmx_vm(vm));
	kfree(vm->backend);
	vm->backend = NULL;
}

static int vmx_vcpu_create(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = kzalloc(sizeof(*vmx), GFP_KERNEL_ACCOUNT);

	if (!vmx)
		return -ENOMEM;
	vmx->vcpu = vcpu;
	vmx->vmcs_cpu = -1;
	vmx->vmcs = vmx_alloc_region(numa_node_id());
	if (!vmx->vmcs)
		goto out_free;
	vmx->msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->msr_bitmap)
		goto out_vmcs;
	if (vmx_apicv_vcpu_create(vcpu))
		goto out_bitmap;
	if (vmx_pml_alloc(vmx))
		goto out_bitmap;
	vmx_timer_vcpu_create(vcpu);
	vmx->vpid = vmx_vpid_alloc();
	vmx->sw.spec_ctrl.present = vmx_mitigations.spec_ctrl;
	vmx->sw.spec_ctrl.kernel_ibrs = vmx_mitigations.kernel_ibrs;
	vmx_msr_bitmap_init(vmx);
	vcpu->backend = vmx;
	return 0;

out_bitmap:
	free_page((unsigned long)vmx->msr_bitmap);
out_vmcs:
	free_page((unsigned long)vmx->vmcs);
out_free:
	kfree(vmx);
	return -ENOMEM;
}

static void vmx_vcpu_destroy(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_vmcs_clear(vmx);
	vmx_vpid_free(vmx->vpid);
	vmx_pml_free(vmx);
	free_page((unsigned long)vmx->msr_bitmap);
	free_page((unsigned long)vmx->vmcs);
	kfree(vmx);
	vcpu->backend = NULL;
}

/* State that only the VMCS holds; the shared part sets registers through the table. */
static void vmx_vcpu_reset(struct hv_vcpu *vcpu, bool init)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!init) {
		vmx_vmcs_init(vcpu);
		vmcs_write32(VMCS_GUEST_SYSENTER_CS, 0);
		vmcs_writen(VMCS_GUEST_SYSENTER_ESP, 0);
		vmcs_writen(VMCS_GUEST_SYSENTER_EIP, 0);
		/* Power-up value (SDM 3A table 10-1) */
		vmcs_write64(VMCS_GUEST_PAT, 0x0007040600070406ull);
	}
	vmcs_write64(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmcs_write32(VMCS_GUEST_ACTIVITY_STATE, VMX_ACTIVITY_ACTIVE);
	vmcs_writen(VMCS_GUEST_PENDING_DEBUG, 0);
	vmcs_write32(VMCS_ENTRY_INTR_INFO, 0);
	vmx_set_proc(vmx, 0, PROC_INTR_WINDOW | PROC_NMI_WINDOW);
	vmx_update_intercepts(vcpu);
	hv_req_set(vcpu, HV_REQ_TLB_FLUSH);
}

static void vmx_update(struct hv_vcpu *vcpu, unsigned int what)
{
	if (what & HV_UPDATE_TSC)
		vmcs_write64(VMCS_TSC_OFFSET, vcpu->x86.tsc_offset);
	if (what & HV_UPDATE_INTERCEPTS)
		vmx_update_intercepts(vcpu);
	if ((what & HV_UPDATE_PLE) && (vmx_caps.proc2 & PROC2_PAUSE_LOOP))
		vmcs_write32(VMCS_PLE_WINDOW, vcpu->x86.ple_window);
	if (what & HV_UPDATE_APIC)
		vmx_apicv_update(vcpu);
	if (what & HV_UPDATE_IRQ_STATUS)
		vmx_apicv_status(vcpu);
	if (what & HV_UPDATE_EOI_EXITS)
		vmx_apicv_eoi_exits(vcpu);
	if (what & HV_UPDATE_DIRTY_LOG)
		vmx_pml_update(to_vmx(vcpu));
}

/* setup is called, and looked at, at module load only */
const struct hv_backend vmx_backend __refconst = {
	.name = "vmx",
	.s2_format = &vmx_ept_format,
	.exit_name = vmx_exit_name,
	.setup = vmx_setup,
	.teardown = vmx_teardown,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.vm_create = vmx_vm_create,
	.vm_destroy = vmx_vm_destroy,
	.vcpu_create = vmx_vcpu_create,
	.vcpu_destroy = vmx_vcpu_destroy,
	.vcpu_reset = vmx_vcpu_reset,
	.load = vmx_load,
	.put = vmx_put,
	.enter = vmx_enter,
	.handle_exit = vmx_handle_exit,
	.cache_regs = vmx_cache_regs,
	.get_segment = vmx_get_segment,
	.set_segment = vmx_set_segment,
	.get_access = vmx_get_access,
	.set_cr = vmx_set_cr,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.get_blocking = vmx_get_blocking,
	.set_blocking = vmx_set_blocking,
	.update = vmx_update,
	.inject = vmx_inject,
	.open_window = vmx_open_window,
	.flush_tlb = vmx_flush_tlb,
	.skip_insn = vmx_skip_insn,
};
