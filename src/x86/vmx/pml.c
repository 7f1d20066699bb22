// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-modification logging (SDM 3C 28.3.6): when the processor sets the dirty bit of an EPT
 * entry it notes the guest-physical address in a page of 512 entries, so that the first write
 * to a page costs no exit. It is on while the VM has a slot that logs.
 *
 * The page is emptied after each exit, before anybody can see the vCPU outside of HV_RUN.
 */
#include <linux/gfp.h>
#include <hv/memory.h>
#include "vmx.h"

/* The index of the next entry counts down, and is below 0 when the page is full. */
#define PML_FIRST	(VMX_PML_ENTRIES - 1)

/**
 * vmx_pml_alloc() - a new vCPU's page
 * @vmx: vCPU
 *
 * Return: 0 or -ENOMEM.
 */
int vmx_pml_alloc(struct vmx_vcpu *vmx)
{
	if (!vmx_caps.pml)
		return 0;
	vmx->pml = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vmx->pml ? 0 : -ENOMEM;
}

/**
 * vmx_pml_free() - undo vmx_pml_alloc()
 * @vmx: vCPU that does not run
 */
void vmx_pml_free(struct vmx_vcpu *vmx)
{
	free_page((unsigned long)vmx->pml);
}

/**
 * vmx_pml_init() - write a new VMCS's part of it
 * @vmx: loaded vCPU; logging is off
 */
void vmx_pml_init(struct vmx_vcpu *vmx)
{
	vmx->pml_on = false;
	if (!vmx->pml)
		return;
	vmcs_write64(VMCS_PML_ADDRESS, __pa(vmx->pml));
	vmcs_write16(VMCS_GUEST_PML_INDEX, PML_FIRST);
}

/**
 * vmx_pml_update() - log if a slot of the VM wants it
 * @vmx: loaded vCPU
 */
void vmx_pml_update(struct vmx_vcpu *vmx)
{
	bool on = vmx->pml && READ_ONCE(vmx->vcpu->vm->dirty.nr_slots);
	u32 proc2;

	if (on == vmx->pml_on)
		return;
	vmx->pml_on = on;
	proc2 = vmcs_read32(VMCS_PROC_BASED_CONTROLS2) & ~PROC2_PML;
	vmcs_write32(VMCS_PROC_BASED_CONTROLS2, proc2 | (on ? PROC2_PML : 0));
}

/**
 * vmx_pml_drain() - hand over what was logged since the last exit
 * @vmx: loaded vCPU
 *
 * Context: after an exit, interrupts on; inside a read section of vm->srcu.
 */
void vmx_pml_drain(struct vmx_vcpu *vmx)
{
	u16 index = vmcs_read16(VMCS_GUEST_PML_INDEX);
	unsigned int i;

	if (index == PML_FIRST)
		return;
	/* Full: 0xffff */
	for (i = index > PML_FIRST ? 0 : index + 1; i < VMX_PML_ENTRIES; i++)
		hv_dirty_mark_gfn(vmx->vcpu->vm, vmx->pml[i] >> PAGE_SHIFT);
	vmcs_write16(VMCS_GUEST_PML_INDEX, PML_FIRST);
}
