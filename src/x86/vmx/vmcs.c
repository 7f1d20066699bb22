// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS regions: allocation, initial contents, moving between CPUs, dump.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/smp.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/segment.h>
#include <asm/special_insns.h>
#include "vmx.h"

/**
 * vmcs_access_error() - a VMREAD or VMWRITE failed
 * @field: encoding
 * @write: VMWRITE
 *
 * hv reads and writes only fields that the processor has, so this is a bug or VMX has been
 * switched off by an emergency. Once is enough: the guest must not fill the log.
 */
void vmcs_access_error(unsigned long field, bool write)
{
	/* Switched off by a reboot or a crash: the entry reports it. */
	if (!this_cpu_read(vmx_cpu.on))
		return;
	pr_warn_once("hv: vmx: VM%s of field %#lx failed\n", write ? "WRITE" : "READ", field);
}

/**
 * vmx_alloc_region() - a VMXON or VMCS region
 * @node: NUMA node
 *
 * Context: process context, may sleep.
 * Return: region with its revision set, or NULL.
 */
struct vmx_region *vmx_alloc_region(int node)
{
	struct page *page = alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO, 0);
	struct vmx_region *region;

	if (!page)
		return NULL;
	region = page_address(page);
	region->revision = vmx_caps.revision;
	return region;
}

/**
 * vmx_vmcs_clear_local() - write a VMCS back to memory; it is active on this CPU
 * @vmx: vCPU
 *
 * Context: this is vmx->vmcs_cpu, interrupts off.
 */
void vmx_vmcs_clear_local(struct vmx_vcpu *vmx)
{
	vmx_insn_vmclear(__pa(vmx->vmcs));
	list_del(&vmx->link);
	vmx->sw.launched = false;
	/*
	 * Whoever sees -1 may load it elsewhere: by then the list entry must be gone, and the entry
	 * must use VMLAUNCH.
	 */
	smp_wmb();
	vmx->vmcs_cpu = -1;
}

static void vmx_vmcs_clear_ipi(void *data)
{
	struct vmx_vcpu *vmx = data;

	/* A CPU that went offline has cleared it already. */
	if (vmx->vmcs_cpu == smp_processor_id())
		vmx_vmcs_clear_local(vmx);
}

/**
 * vmx_vmcs_clear() - write a VMCS back to memory, on whatever CPU it is active
 * @vmx: vCPU that does not run
 *
 * A VMCS may be active on one CPU only (SDM 3C 24.1), and its contents may be cached
 * there: without the VMCLEAR a migrated vCPU would run with stale state.
 *
 * Context: interrupts on, preemption may be off.
 */
void vmx_vmcs_clear(struct vmx_vcpu *vmx)
{
	int cpu = READ_ONCE(vmx->vmcs_cpu);

	if (cpu != -1)
		smp_call_function_single(cpu, vmx_vmcs_clear_ipi, vmx, 1);
}

/* Host state that differs from CPU to CPU (SDM 3C 24.5) */
static void vmx_write_cpu_host_state(int cpu)
{
	u64 sysenter_esp;

	vmcs_writen(VMCS_HOST_TR_BASE, host_tss_base(cpu));
	vmcs_writen(VMCS_HOST_GDTR_BASE, host_gdt_base(cpu));
	vmcs_writen(VMCS_HOST_GS_BASE, host_kernel_gs_base(cpu));
	rdmsrl(MSR_IA32_SYSENTER_ESP, sysenter_esp);
	vmcs_writen(VMCS_HOST_SYSENTER_ESP, sysenter_esp);
}

/**
 * vmx_vmcs_load() - make a VMCS current on this CPU
 * @vmx: vCPU
 * @cpu: this CPU, in VMX operation
 *
 * Context: preemption off, interrupts on.
 */
void vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	unsigned long flags;

	if (vmx->vmcs_cpu == cpu) {
		vmx_insn_vmptrld(__pa(vmx->vmcs));
		return;
	}
	vmx_vmcs_clear(vmx);
	local_irq_save(flags);
	/* A fresh region must be cleared before it is first loaded (SDM 3C 24.11.3). */
	if (!vmx->cleared) {
		vmx_insn_vmclear(__pa(vmx->vmcs));
		vmx->cleared = true;
	}
	vmx->vmcs_cpu = cpu;
	smp_wmb(); /* pairs with the one in vmx_vmcs_clear_local() */
	list_add(&vmx->link, &c->loaded);
	vmx_insn_vmptrld(__pa(vmx->vmcs));
	local_irq_restore(flags);

	vmx_write_cpu_host_state(cpu);
	/* Translations that this CPU cached when the vCPU was last here may be stale by now. */
	hv_req_set(vmx->vcpu, HV_REQ_TLB_FLUSH);
}

/**
 * vmx_set_proc() - change processor-based controls
 * @vmx: loaded vCPU
 * @set: bits to set
 * @clear: bits to clear
 */
void vmx_set_proc(struct vmx_vcpu *vmx, u32 set, u32 clear)
{
	u32 proc = (vmx->proc & ~clear) | set;

	if (proc == vmx->proc)
		return;
	vmx->proc = proc;
	vmcs_write32(VMCS_PROC_BASED_CONTROLS, proc);
}

/**
 * vmx_set_pin() - change pin-based controls
 * @vmx: loaded vCPU
 * @set: bits to set
 * @clear: bits to clear
 */
void vmx_set_pin(struct vmx_vcpu *vmx, u32 set, u32 clear)
{
	u32 pin = (vmx->pin & ~clear) | set;

	if (pin == vmx->pin)
		return;
	vmx->pin = pin;
	vmcs_write32(VMCS_PIN_BASED_CONTROLS, pin);
}

/* Host state that is the same on all CPUs and for the life of the VMCS. */
static void vmx_write_constant_host_state(void)
{
	u64 val;

	vmcs_write16(VMCS_HOST_CS_SELECTOR, __KERNEL_CS);
	/* User data segments, RPL 3, can't be here (SDM 3C 26.2.3): reloaded in vmx_put(). */
	vmcs_write16(VMCS_HOST_DS_SELECTOR, 0);
	vmcs_write16(VMCS_HOST_ES_SELECTOR, 0);
	vmcs_write16(VMCS_HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write16(VMCS_HOST_FS_SELECTOR, 0);
	vmcs_write16(VMCS_HOST_GS_SELECTOR, 0);
	vmcs_write16(VMCS_HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmcs_writen(VMCS_HOST_CR0, read_cr0());
	vmcs_writen(VMCS_HOST_IDTR_BASE, host_idt_base());
	vmcs_writen(VMCS_HOST_RIP, (unsigned long)vmx_exit_point);
	rdmsrl(MSR_IA32_SYSENTER_CS, val);
	vmcs_write32(VMCS_HOST_SYSENTER_CS, val);
	rdmsrl(MSR_IA32_SYSENTER_EIP, val);
	vmcs_writen(VMCS_HOST_SYSENTER_EIP, val);
	rdmsrl(MSR_IA32_CR_PAT, val);
	vmcs_write64(VMCS_HOST_PAT, val);
	rdmsrl(MSR_EFER, val);
	vmcs_write64(VMCS_HOST_EFER, val);
}

/**
 * vmx_vmcs_init() - write everything of a new VMCS that a reset does not
 * @vcpu: loaded vCPU
 *
 * Return: 0.
 */
int vmx_vmcs_init(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 proc2 = vmx_caps.proc2;

	if (!vmx->vpid)
		proc2 &= ~PROC2_VPID;
	vmx->proc = vmx_caps.proc;
	vmx->pin = vmx_caps.pin;
	vmcs_write32(VMCS_PIN_BASED_CONTROLS, vmx->pin);
	vmcs_write32(VMCS_PROC_BASED_CONTROLS, vmx->proc);
	vmcs_write32(VMCS_PROC_BASED_CONTROLS2, proc2);
	vmcs_write32(VMCS_EXIT_CONTROLS, vmx_caps.exit);
	vmcs_write32(VMCS_ENTRY_CONTROLS, vmx_caps.entry);
	if (proc2 & PROC2_VPID)
		vmcs_write16(VMCS_VPID, vmx->vpid);
	if (proc2 & PROC2_PAUSE_LOOP)
		vmcs_write32(VMCS_PLE_GAP, hv_ple_gap());
	/* No enclaves for guests: every ENCLS leaf exits and is #UD (SDM 3C 24.6.16) */
	if (proc2 & PROC2_ENCLS_EXITING)
		vmcs_write64(VMCS_ENCLS_EXITING_BITMAP, ~0ull);
	if (proc2 & PROC2_XSAVES)
		vmcs_write64(VMCS_XSS_EXIT_BITMAP, 0);
	vmx_pml_init(vmx);
	vmcs_write64(VMCS_MSR_BITMAP, __pa(vmx->msr_bitmap));
	vmcs_write64(VMCS_EPT_POINTER, to_vmx_vm(vcpu->vm)->eptp);
	vmcs_write32(VMCS_PAGE_FAULT_ERROR_MASK, 0);
	vmcs_write32(VMCS_PAGE_FAULT_ERROR_MATCH, 0);
	vmcs_write32(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write32(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write32(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write32(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmx_apicv_vmcs_init(vcpu);
	/* No shadow VMCS (SDM 3C 24.4.2: the link pointer must then be all ones) */
	vmcs_write64(VMCS_LINK_POINTER, ~0ull);
	vmx_write_constant_host_state();
	return 0;
}

static const struct {
	const char *name;
	u32 field;
} vmx_dump_fields[] = {
#define VMCS_FIELD(name, enc) { #name, enc }
#include "vmcs_fields.h"
};

/**
 * vmx_vmcs_dump() - print the VMCS that an entry refused
 * @vcpu: loaded vCPU
 *
 * At debug level and rate-limited: a VMM can cause it at will.
 */
void vmx_vmcs_dump(struct hv_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 60 * HZ, 1);
	unsigned int i;

	if (!__ratelimit(&limit))
		return;
	for (i = 0; i < ARRAY_SIZE(vmx_dump_fields); i++)
		pr_debug("hv: vmx: %-24s %#lx\n", vmx_dump_fields[i].name,
			 __vmcs_read(vmx_dump_fields[i].field));
}
