// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers of a vCPU (what is read at every exit: hv/regs.h), reset, and the life of
 * the x86 part of VMs and vCPUs.
 */
#include <linux/atomic.h>
#include <linux/slab.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include <hv/backend.h>
#include <hv/emulate.h>
#include <hv/host.h>
#include <hv/irq.h>
#include "internal.h"

/* Serial number of the last vCPU that was made */
static atomic64_t hv_vcpu_serial;

void hv_set_raw_rflags(struct hv_vcpu *vcpu, u64 val)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	x->rflags = val | X86_EFLAGS_FIXED;
	x->regs_avail |= BIT(HV_REG_RFLAGS);
	x->regs_dirty |= BIT(HV_REG_RFLAGS);
}

/**
 * hv_set_rflags() - write RFLAGS
 * @vcpu: loaded vCPU
 * @val: value; bit 1 is set in any case
 */
void hv_set_rflags(struct hv_vcpu *vcpu, u64 val)
{
	if (vcpu->x86.guest_debug & HV_GUESTDBG_SINGLESTEP)
		val |= X86_EFLAGS_TF;
	hv_set_raw_rflags(vcpu, val);
}

/**
 * hv_cpl() - current privilege level
 * @vcpu: loaded vCPU
 *
 * It is the DPL of SS (SDM 3C 25.4.1, access rights); real mode is 0, virtual-8086 3.
 */
unsigned int hv_cpl(struct hv_vcpu *vcpu)
{
	if (!hv_cr0_bits(vcpu, X86_CR0_PE))
		return 0;
	if (!hv_long_mode(vcpu) && (hv_raw_rflags(vcpu) & X86_EFLAGS_VM))
		return 3;
	return HV_ACCESS_DPL(hv_call(get_access, vcpu, HV_SEG_SS));
}

/**
 * hv_cpl_unsafe() - privilege level of a guest whose registers may just be changing
 * @vcpu: loaded vCPU
 *
 * For the scheduler's callbacks, which may interrupt the thread anywhere: touches no cached
 * register.
 *
 * Context: preemption off.
 * Return: level, as good as can be.
 */
unsigned int hv_cpl_unsafe(struct hv_vcpu *vcpu)
{
	return HV_ACCESS_DPL(hv_call(get_access, vcpu, HV_SEG_SS));
}

/**
 * hv_linear_rip() - linear address of the next instruction
 * @vcpu: loaded vCPU
 */
u64 hv_linear_rip(struct hv_vcpu *vcpu)
{
	struct hv_segment cs;
	u64 rip = hv_rip(vcpu);

	if (hv_64bit_code(vcpu))
		return rip;
	hv_call(get_segment, vcpu, HV_SEG_CS, &cs);
	return (u32)(cs.base + rip);
}

/**
 * hv_canonical() - an address is canonical in the vCPU's paging mode
 * @vcpu: loaded vCPU
 * @addr: linear address
 */
bool hv_canonical(struct hv_vcpu *vcpu, u64 addr)
{
	unsigned int shift = hv_cr4_bits(vcpu, X86_CR4_LA57) ? 64 - 57 : 64 - 48;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

/**
 * hv_skip() - an instruction that exited has been emulated: go to the next one
 * @vcpu: loaded vCPU
 *
 * Ends HV_RUN if HV_SET_GUEST_DEBUG asked for single-stepping.
 *
 * Return: HV_RESUME, HV_TO_USER or -EIO.
 */
int hv_skip(struct hv_vcpu *vcpu)
{
	if (hv_call(skip_insn, vcpu))
		return -EIO;
	/* The trap of the guest's own TF has been queued by the backend. */
	if (vcpu->x86.guest_debug & HV_GUESTDBG_SINGLESTEP)
		return hv_handle_db(vcpu, DR_STEP);
	return HV_RESUME;
}

static void hv_reset_segments(struct hv_vcpu *vcpu)
{
	/* SDM 3A 10.1.1, table 10-1 */
	static const struct hv_segment cs = {
		.base = 0xffff0000, .limit = 0xffff, .selector = 0xf000,
		.type = 0xb, .present = 1, .s = 1,
	};
	static const struct hv_segment data = {
		.limit = 0xffff, .type = 3, .present = 1, .s = 1,
	};
	static const struct hv_segment ldt = { .limit = 0xffff, .type = 2, .present = 1 };
	static const struct hv_segment tr = { .limit = 0xffff, .type = 0xb, .present = 1 };
	static const struct hv_segment dt = { .limit = 0xffff };
	int seg;

	for (seg = HV_SEG_ES; seg <= HV_SEG_GS; seg++)
		hv_call(set_segment, vcpu, seg, seg == HV_SEG_CS ? &cs : &data);
	hv_call(set_segment, vcpu, HV_SEG_LDTR, &ldt);
	hv_call(set_segment, vcpu, HV_SEG_TR, &tr);
	hv_call(set_segment, vcpu, HV_SEG_GDTR, &dt);
	hv_call(set_segment, vcpu, HV_SEG_IDTR, &dt);
}

/**
 * hv_x86_vcpu_reset() - architectural reset of all x86 state
 * @vcpu: loaded vCPU
 * @init: by INIT, which keeps FPU, MTRRs, TSC and most MSRs; else power-up
 *
 * SDM 3A 10.1.1, table 10-1.
 */
void hv_x86_vcpu_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	const struct hv_cpuid_entry2 *sig = hv_cpuid_find(vcpu, 1, 0);
	u64 cr0 = X86_CR0_ET | X86_CR0_NW | X86_CR0_CD;

	if (init)
		cr0 = X86_CR0_ET | (hv_cr0(vcpu) & (X86_CR0_NW | X86_CR0_CD));

	hv_backend->vcpu_reset(vcpu, init);

	memset(x->regs, 0, sizeof(x->regs));
	x->regs_avail |= BIT(HV_NR_REGS) - 1;
	x->regs_dirty |= BIT(HV_NR_REGS) - 1;
	/* EDX: processor signature, here of the family that every guest knows */
	x->regs[HV_REG_RDX] = sig ? sig->eax : 0x600;
	hv_set_rip(vcpu, 0xfff0);
	hv_set_raw_rflags(vcpu, X86_EFLAGS_FIXED);

	x->efer = 0;
	hv_call(set_msr, vcpu, MSR_EFER, 0);
	hv_reset_segments(vcpu);
	x->cr2 = 0;
	hv_write_cr(vcpu, 0, cr0);
	hv_write_cr(vcpu, 4, 0);
	hv_write_cr(vcpu, 3, 0);
	hv_call(set_blocking, vcpu, 0);

	memset(&x->exception, 0, sizeof(x->exception));
	memset(&x->injected, 0, sizeof(x->injected));
	atomic_set(&x->nmi_pending, 0);
	x->extint = -1;
	x->bp_len = 1;
	x->triple_fault = false;
	x->complete = NULL;
	x->cr8 = 0;

	memset(x->dr, 0, sizeof(x->dr));
	x->dr6 = DR6_RESERVED;
	x->dr7 = HV_DR7_FIXED;
	hv_update_debugregs(vcpu);

	hv_msr_reset(vcpu, init);
	hv_pv_reset(vcpu, init);
	if (!init) {
		x->xcr0 = XFEATURE_MASK_FP;
		x->pkru = 0;
		hv_fpu_reset(vcpu, false);
		hv_tsc_reset(vcpu);
		if (!x->lapic) {
			x->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
			if (vcpu->id == vcpu->vm->boot_vcpu_id)
				x->apic_base |= MSR_IA32_APICBASE_BSP;
			x->mp_state = HV_MP_STATE_RUNNABLE;
		} else {
			x->mp_state = vcpu->id == vcpu->vm->boot_vcpu_id ?
				HV_MP_STATE_RUNNABLE : HV_MP_STATE_UNINITIALIZED;
		}
	}
	if (x->lapic)
		hv_lapic_reset(vcpu, init);
	hv_call(update, vcpu, HV_UPDATE_INTERCEPTS);
	hv_ple_reset(vcpu);
	hv_req_set(vcpu, HV_REQ_TLB_FLUSH);
	hv_req_set(vcpu, HV_REQ_EVENT);
}

/**
 * hv_x86_vcpu_create() - allocate the x86 part of a new vCPU
 * @vcpu: not visible to anyone yet; its id and vm are set
 *
 * The backend's vcpu_create and hv_x86_vcpu_reset() follow. Makes the LAPIC if the VM has
 * an in-kernel irqchip. Process context.
 *
 * Return: 0 or -ENOMEM.
 */
int hv_x86_vcpu_create(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	int rc;

	x->serial = atomic64_inc_return(&hv_vcpu_serial);
	x->extint = -1;
	x->tsc_khz = vcpu->vm->x86.tsc_khz;
	x->efer = 0;
	x->xcr0 = XFEATURE_MASK_FP;
	x->host_xcr0 = host_xcr0();
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, x->host_xss);
	x->maxphyaddr = HV_DEFAULT_MAXPHYADDR;
	x->cr4_reserved = hv_cr4_host_reserved();
	x->mcg_cap = HV_NR_MCE_BANKS | MCG_CTL_P;

	x->emul = kzalloc(sizeof(*x->emul), GFP_KERNEL_ACCOUNT);
	x->code_page = kzalloc(sizeof(*x->code_page), GFP_KERNEL_ACCOUNT);
	rc = x->emul && x->code_page ? hv_fpu_create(vcpu) : -ENOMEM;
	if (rc)
		goto free_emul;
	if (vcpu->vm->irqchip_in_kernel) {
		rc = hv_lapic_create(vcpu);
		if (rc)
			goto free_fpu;
	}
	return 0;

free_fpu:
	hv_fpu_destroy(vcpu);
free_emul:
	kfree(x->code_page);
	x->code_page = NULL;
	kfree(x->emul);
	x->emul = NULL;
	return rc;
}

/**
 * hv_x86_vcpu_destroy() - free what hv_x86_vcpu_create() made
 * @vcpu: vCPU that runs nowhere
 */
void hv_x86_vcpu_destroy(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->lapic)
		hv_lapic_destroy(vcpu);
	hv_fpu_destroy(vcpu);
	kfree(x->code_page);
	x->code_page = NULL;
	kfree(x->emul);
	x->emul = NULL;
	kvfree(x->cpuid);
	x->cpuid = NULL;
}

/**
 * hv_x86_vm_create() - initialize the x86 part of a new VM
 * @vm: not visible to anyone yet
 *
 * Return: 0.
 */
int hv_x86_vm_create(struct hv_vm *vm)
{
	vm->x86.tsc_khz = tsc_khz;
	vm->x86.tsc_base = rdtsc_ordered();
	hv_tsc_vm_init(vm);
	hv_clock_vm_init(vm);
	return 0;
}

/**
 * hv_x86_vm_destroy() - free what hv_x86_vm_create() made
 * @vm: VM without vCPUs
 */
void hv_x86_vm_destroy(struct hv_vm *vm)
{
	hv_clock_vm_leave(vm);
}

/**
 * hv_x86_init() - find out what the host's processor can offer to guests
 *
 * Context: module load, before anything is visible.
 *
 * Return: 0 or -errno.
 */
int hv_x86_init(void)
{
	hv_cpuid_init();
	hv_msr_init();
	return hv_clock_init();
}

/**
 * hv_x86_exit() - undo hv_x86_init()
 */
void hv_x86_exit(void)
{
	hv_clock_exit();
}
