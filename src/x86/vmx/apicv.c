// SPDX-License-Identifier: GPL-2.0-only
/*
 * The LAPIC on the processor's own virtualization of it (SDM 3C chapter 29): TPR shadow, APIC
 * accesses and registers, virtual-interrupt delivery, posted interrupts. What the processor
 * lacks src/irq does; Documentation/interrupts.rst has the paths.
 */
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <asm/apicdef.h>
#include <hv/irq.h>
#include "vmx.h"
#include "exit.h"

/* Wishes at load; afterwards what is so, to be read in /sys/module/hv/parameters. */
static bool vmx_tpr_shadow = true;
module_param_named(tpr_shadow, vmx_tpr_shadow, bool, 0444);
MODULE_PARM_DESC(tpr_shadow, "Intel: the guest reads and writes TPR without exits");

static bool vmx_apicv = true;
module_param_named(apicv, vmx_apicv, bool, 0444);
MODULE_PARM_DESC(apicv, "Intel: the processor delivers interrupts to guests and takes their EOIs");

static bool vmx_posted = true;
module_param_named(posted, vmx_posted, bool, 0444);
MODULE_PARM_DESC(posted, "Intel: interrupts reach a running guest without an exit");

/* Controls that change with the mode of the LAPIC */
#define VMX_APIC_CONTROLS	(PROC2_VIRT_APIC | PROC2_VIRT_X2APIC | PROC2_APIC_REGS | \
				 PROC2_VIRT_INTR)
#define VMX_APICV_CONTROLS	(PROC2_APIC_REGS | PROC2_VIRT_INTR)

/* x2APIC registers by MSR number - 0x800 (SDM 3A table 11-6) */
#define X2APIC_MSRS		0x40
#define X2APIC_TPR		0x08
#define X2APIC_EOI		0x0b
#define X2APIC_SELF_IPI		0x3f

/**
 * vmx_apicv_setup() - choose the best of what the processor has, and say so
 *
 * Posted interrupts need virtual-interrupt delivery, and that and the virtualization of
 * APIC registers and of x2APIC mode need the TPR shadow (SDM 3C 26.2.1.1).
 *
 * Context: module load, vmx_caps is filled in.
 */
void __init vmx_apicv_setup(void)
{
	u32 proc2 = vmx_caps.proc2_optional;

	vmx_tpr_shadow = vmx_tpr_shadow && (vmx_caps.proc_optional & PROC_TPR_SHADOW);
	if (!vmx_tpr_shadow)
		vmx_caps.proc2_optional &= ~VMX_APIC_CONTROLS;
	vmx_apicv = vmx_apicv && vmx_tpr_shadow &&
		    (proc2 & VMX_APICV_CONTROLS) == VMX_APICV_CONTROLS;
	vmx_posted = vmx_posted && vmx_apicv && (vmx_caps.pin_optional & PIN_POSTED_INTR) &&
		     host_posted_vector();
	pr_info("hv: vmx: interrupts %s; %s\n",
		vmx_posted ? "posted to running guests" :
		vmx_apicv ? "delivered by the processor, sent with an exit" :
		"injected at entry",
		vmx_apicv ? "APIC registers, EOI and TPR without exits" :
		vmx_tpr_shadow ? "TPR without exits" : "each APIC access exits");
}

/* ---- objects ---- */

/**
 * vmx_apicv_vm_destroy() - free the APIC-access page
 * @v: VM that nobody can reach any more, its EPT gone
 */
void vmx_apicv_vm_destroy(struct vmx_vm *v)
{
	if (v->apic_access)
		__free_page(v->apic_access);
	v->apic_access = NULL;
}

/**
 * vmx_apicv_vcpu_create() - what a vCPU with a LAPIC needs
 * @vcpu: new vCPU; vm->lock held
 *
 * The APIC-access page marks accesses by its address; nobody sees what is in it.
 *
 * Return: 0 or -ENOMEM.
 */
int vmx_apicv_vcpu_create(struct hv_vcpu *vcpu)
{
	struct vmx_vm *v = to_vmx_vm(vcpu->vm);

	if (vcpu->x86.lapic && vmx_posted)
		hv_lapic_iommu_posts(vcpu);
	if (!vcpu->x86.lapic || v->apic_access ||
	    !(vmx_caps.proc2_optional & PROC2_VIRT_APIC))
		return 0;
	v->apic_access = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return v->apic_access ? 0 : -ENOMEM;
}

/**
 * vmx_apicv_vmcs_init() - fields that do not change; all controls are still off
 * @vcpu: loaded vCPU
 */
void vmx_apicv_vmcs_init(struct hv_vcpu *vcpu)
{
	struct vmx_vm *v = to_vmx_vm(vcpu->vm);

	if (!vcpu->x86.lapic || !vmx_tpr_shadow)
		return;
	vmcs_write64(VMCS_VIRTUAL_APIC_ADDR, __pa(hv_lapic_regs(vcpu)));
	vmcs_write32(VMCS_TPR_THRESHOLD, 0);
	if (v->apic_access)
		vmcs_write64(VMCS_APIC_ACCESS_ADDR, page_to_phys(v->apic_access));
	if (vmx_posted) {
		vmcs_write16(VMCS_POSTED_INTR_NV, host_posted_vector());
		vmcs_write64(VMCS_POSTED_INTR_DESC, __pa(hv_lapic_posted(vcpu)));
	}
}

/* ---- the mode of the LAPIC ---- */

static bool vmx_apic_at_default(struct hv_vcpu *vcpu)
{
	return hv_lapic_is_xapic(vcpu) &&
	       (READ_ONCE(vcpu->x86.apic_base) & PAGE_MASK) == APIC_DEFAULT_PHYS_BASE;
}

/*
 * In x2APIC mode: reads come from the page of registers, TPR, EOI and self-IPI are written
 * there (SDM 3C 29.5). Registers that do not exist must exit, for their #GP; and those that are
 * computed.
 */
static void vmx_update_x2apic_msrs(struct vmx_vcpu *vmx, u32 proc2)
{
	bool x2apic = proc2 & PROC2_VIRT_X2APIC;
	bool virt = x2apic && (proc2 & PROC2_VIRT_INTR);
	unsigned int reg;

	for (reg = 0; reg < X2APIC_MSRS; reg++) {
		bool read = virt && hv_lapic_page_readable(reg);
		bool write = virt && (reg == X2APIC_EOI || reg == X2APIC_SELF_IPI);

		if (reg == X2APIC_TPR) {
			read = x2apic;
			write = x2apic;
		}
		vmx_msr_intercept(vmx, APIC_BASE_MSR + reg, !read, !write);
	}
}

/* What the processor may do for this vCPU now */
static u32 vmx_apic_controls(struct hv_vcpu *vcpu)
{
	u32 debug = vcpu->x86.guest_debug;
	u32 controls = 0;

	if (vmx_apic_at_default(vcpu) && to_vmx_vm(vcpu->vm)->apic_access)
		controls |= PROC2_VIRT_APIC;
	if (hv_lapic_is_x2apic(vcpu))
		controls |= PROC2_VIRT_X2APIC;
	/* The VMM that single-steps may want no interrupts. */
	if (vmx_apicv && (hv_lapic_is_xapic(vcpu) || hv_lapic_is_x2apic(vcpu)) &&
	    !((debug & HV_GUESTDBG_BLOCKIRQ) && (debug & HV_GUESTDBG_SINGLESTEP)))
		controls |= VMX_APICV_CONTROLS;
	return controls & vmx_caps.proc2_optional;
}

/**
 * vmx_apicv_update() - the mode of the LAPIC, or guest debugging, has changed
 * @vcpu: loaded vCPU
 */
void vmx_apicv_update(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 old = vmcs_read32(VMCS_PROC_BASED_CONTROLS2);
	bool virtual, posted;
	u32 proc2;

	if (!vcpu->x86.lapic || !vmx_tpr_shadow)
		return;
	proc2 = (old & ~VMX_APIC_CONTROLS) | vmx_apic_controls(vcpu);
	virtual = proc2 & PROC2_VIRT_INTR;
	posted = virtual && vmx_posted;

	/* CR8 is the TPR in the page (SDM 3C 29.3). */
	vmx_set_proc(vmx, PROC_TPR_SHADOW, PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING);
	vmx_set_pin(vmx, posted ? PIN_POSTED_INTR : 0, posted ? 0 : PIN_POSTED_INTR);
	WRITE_ONCE(vcpu->posted, posted);
	if (proc2 != old) {
		vmcs_write32(VMCS_PROC_BASED_CONTROLS2, proc2);
		vmx_update_x2apic_msrs(vmx, proc2);
		/* Translations of the APIC's page are cached by kind (SDM 3C 29.4.5) */
		if ((proc2 ^ old) & PROC2_VIRT_APIC)
			hv_req_set(vcpu, HV_REQ_TLB_FLUSH);
	}
	vmx->tpr_threshold = 0;
	vmcs_write32(VMCS_TPR_THRESHOLD, 0);
	vmx->soft_apic = !virtual;
	hv_lapic_set_virtual(vcpu, virtual);
	/* Pairs with vmx_map_apic_access(): it maps, then looks at the modes. */
	smp_mb();
	if (!vmx_apic_at_default(vcpu))
		hv_mmu_unmap_own(vcpu->vm);
}

/**
 * vmx_apicv_status() - IRR or ISR was changed by software: RVI and SVI follow
 * @vcpu: loaded vCPU that has virtual-interrupt delivery
 */
void vmx_apicv_status(struct hv_vcpu *vcpu)
{
	vmcs_write16(VMCS_GUEST_INTR_STATUS, hv_lapic_status(vcpu));
}

/**
 * vmx_apicv_eoi_exits() - the vectors whose EOI exits have changed
 * @vcpu: loaded vCPU that has virtual-interrupt delivery
 */
void vmx_apicv_eoi_exits(struct hv_vcpu *vcpu)
{
	const unsigned long *map = hv_lapic_eoi_exits(vcpu);

	vmcs_write64(VMCS_EOI_EXIT_BITMAP0, map[0]);
	vmcs_write64(VMCS_EOI_EXIT_BITMAP1, map[1]);
	vmcs_write64(VMCS_EOI_EXIT_BITMAP2, map[2]);
	vmcs_write64(VMCS_EOI_EXIT_BITMAP3, map[3]);
}

/**
 * vmx_update_tpr_threshold() - exit when TPR lets an interrupt through that waits for it
 * @vcpu: loaded vCPU whose interrupts hv injects, about to enter
 *
 * Context: interrupts off.
 */
void vmx_update_tpr_threshold(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 threshold = hv_lapic_tpr_threshold(vcpu);

	if (threshold == vmx->tpr_threshold)
		return;
	vmx->tpr_threshold = threshold;
	vmcs_write32(VMCS_TPR_THRESHOLD, threshold);
}

/* ---- the posted-interrupt descriptor ---- */

/* hv_posted.control (SDM 3C table 29-1; VT-d specification 9.11) */
#define POSTED_SN		1	/* bit: the IOMMU sends no notification */
#define POSTED_NV		GENMASK_ULL(23, 16)
#define POSTED_NV_SHIFT		16
#define POSTED_NDST		GENMASK_ULL(63, 32)
#define POSTED_NDST_SHIFT	32

/**
 * vmx_posted_load() - notifications go to this CPU
 * @vcpu: vCPU
 * @cpu: this CPU
 *
 * What was posted while notifications were suppressed has not set ON: it is set here, so
 * that the next entry looks.
 *
 * Context: preemption off, no lock of the scheduler's held.
 */
void vmx_posted_load(struct hv_vcpu *vcpu, int cpu)
{
	struct hv_posted *p;
	u64 old, new;

	if (!vcpu->x86.lapic || !vmx_posted)
		return;
	p = hv_lapic_posted(vcpu);
	old = READ_ONCE(p->control);
	do {
		new = old & ~(POSTED_NDST | POSTED_NV | BIT(POSTED_SN));
		new |= (u64)host_apic_destination(cpu) << POSTED_NDST_SHIFT;
		new |= (u64)host_posted_vector() << POSTED_NV_SHIFT;
	} while (!try_cmpxchg(&p->control, (unsigned long *)&old, new));
	if (!(old & BIT(POSTED_SN)) || bitmap_empty(p->pir, 256))
		return;
	set_bit(HV_POSTED_ON, &p->control);
	/*
	 * Who sets the bit tells the vCPU; a sender that finds it set does not. The thread may have
	 * been preempted on its way to sleep, after its last look.
	 */
	hv_vcpu_wake(vcpu);
}

/**
 * vmx_posted_put() - no notifications: the vCPU does not run
 * @vcpu: vCPU
 *
 * Senders in software do not look at SN: they wake a thread that sleeps.
 *
 * Context: preemption off.
 */
void vmx_posted_put(struct hv_vcpu *vcpu)
{
	if (vcpu->x86.lapic && vmx_posted)
		set_bit(POSTED_SN, &hv_lapic_posted(vcpu)->control);
}

/* ---- exits ---- */

static bool vmx_all_at_default(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu;
	unsigned int i;

	hv_for_each_vcpu(i, vcpu, vm)
		if (!vmx_apic_at_default(vcpu))
			return false;
	return true;
}

/**
 * vmx_map_apic_access() - the guest has touched its APIC's page, which is not mapped
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @gpa: address that no slot backs
 *
 * The EPT is the VM's, the mode each vCPU's: as long as one of them has its APIC elsewhere or
 * has none, nobody has the page, and accesses are emulated.
 *
 * Return: true: mapped, enter the guest again.
 */
bool vmx_map_apic_access(struct hv_vcpu *vcpu, u64 gpa)
{
	struct vmx_vm *v = to_vmx_vm(vcpu->vm);

	if (gpa >> PAGE_SHIFT != APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT || !v->apic_access ||
	    !vmx_all_at_default(vcpu->vm))
		return false;
	if (hv_mmu_map_own(vcpu, gpa >> PAGE_SHIFT, page_to_pfn(v->apic_access)))
		return false;
	/* Pairs with vmx_apicv_update(): it changes the mode, then unmaps. */
	smp_mb();
	if (vmx_all_at_default(vcpu->vm))
		return true;
	hv_mmu_unmap_own(vcpu->vm);
	return false;
}

/* Exit qualification of an APIC access (SDM 3C table 27-6) */
#define APIC_ACCESS_OFFSET	GENMASK(11, 0)
#define APIC_ACCESS_TYPE(q)	((q) >> 12 & 0xf)
#define APIC_ACCESS_READ	0	/* linear access of an instruction */
#define APIC_ACCESS_WRITE	1
#define APIC_ACCESS_EVENT	3	/* linear access during event delivery */
#define APIC_ACCESS_GPA_EVENT	10	/* guest-physical, likewise */

/**
 * vmx_exit_apic_access() - an access to the APIC's page that the processor does not virtualize
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int vmx_exit_apic_access(struct hv_vcpu *vcpu)
{
	u64 qual = vmx_qualification(to_vmx(vcpu));
	unsigned int type = APIC_ACCESS_TYPE(qual);
	struct hv_mmio_exit exit = {
		.gpa = APIC_DEFAULT_PHYS_BASE | (qual & APIC_ACCESS_OFFSET),
	};

	to_vmx(vcpu)->l1d_touched = true;
	if (type == APIC_ACCESS_READ || type == APIC_ACCESS_WRITE)
		exit.own = type == APIC_ACCESS_READ ? HV_ACC_READ : HV_ACC_WRITE;
	if (type == APIC_ACCESS_EVENT || type == APIC_ACCESS_GPA_EVENT)
		return vmx_delivery_failure(vcpu, exit.gpa);
	return hv_emulate_mmio(vcpu, &exit);
}

/**
 * vmx_exit_apic_write() - the guest has written a register in the page; RIP is behind it
 * @vcpu: loaded vCPU
 *
 * Return: HV_RESUME.
 */
int vmx_exit_apic_write(struct hv_vcpu *vcpu)
{
	hv_lapic_written(vcpu, vmx_qualification(to_vmx(vcpu)) & APIC_ACCESS_OFFSET);
	return HV_RESUME;
}

/**
 * vmx_exit_eoi() - EOI of a vector in the EOI-exit bitmap; ISR is updated, RIP is behind it
 * @vcpu: loaded vCPU
 *
 * Return: HV_RESUME.
 */
int vmx_exit_eoi(struct hv_vcpu *vcpu)
{
	hv_lapic_eoi_exit(vcpu, vmx_qualification(to_vmx(vcpu)));
	return HV_RESUME;
}

/**
 * vmx_exit_tpr_threshold() - TPR went below the threshold: the next entry injects
 * @vcpu: loaded vCPU
 *
 * Return: HV_RESUME.
 */
int vmx_exit_tpr_threshold(struct hv_vcpu *vcpu)
{
	return HV_RESUME;
}
