// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event injection, interruptibility, windows, and what makes the guest exit.
 */
#include <linux/kernel.h>
#include <asm/trapnr.h>
#include "vmx.h"

static const u32 vmx_event_types[] = {
	[HV_EVENT_INTR] = INTR_TYPE_EXT,
	[HV_EVENT_NMI] = INTR_TYPE_NMI,
	[HV_EVENT_EXCEPTION] = INTR_TYPE_HARD_EXC,
	[HV_EVENT_SOFT_INTR] = INTR_TYPE_SOFT_INTR,
	[HV_EVENT_SOFT_EXCEPTION] = INTR_TYPE_SOFT_EXC,
	[HV_EVENT_PRIV_EXCEPTION] = INTR_TYPE_PRIV_EXC,
};

/**
 * vmx_inject() - backend's inject (SDM 3C 26.6)
 * @vcpu: loaded vCPU, about to enter
 * @ev: what to deliver
 *
 * The processor clears the valid bit at the next exit: nothing to undo.
 *
 * Context: interrupts off.
 */
void vmx_inject(struct hv_vcpu *vcpu, const struct hv_event *ev)
{
	u32 info = INTR_VALID | vmx_event_types[ev->type] | ev->vector;

	if (ev->has_error) {
		/* In real mode no error code is pushed, and asking for one fails the entry. */
		if (vcpu->x86.cr0 & X86_CR0_PE) {
			info |= INTR_HAS_ERROR;
			vmcs_write32(VMCS_ENTRY_EXCEPTION_ERROR, ev->error & 0xffff);
		}
	}
	if (ev->type >= HV_EVENT_SOFT_INTR)
		vmcs_write32(VMCS_ENTRY_INSN_LEN, ev->insn_len);
	vmcs_write32(VMCS_ENTRY_INTR_INFO, info);
}

/**
 * vmx_open_window() - backend's open_window
 * @vcpu: loaded vCPU
 * @nmi: for NMIs, else for interrupts
 * @on: exit as soon as it can be taken
 */
void vmx_open_window(struct hv_vcpu *vcpu, bool nmi, bool on)
{
	u32 bit = nmi ? PROC_NMI_WINDOW : PROC_INTR_WINDOW;

	vmx_set_proc(to_vmx(vcpu), on ? bit : 0, on ? 0 : bit);
}

/**
 * vmx_get_blocking() - backend's get_blocking
 * @vcpu: loaded vCPU
 */
u32 vmx_get_blocking(struct hv_vcpu *vcpu)
{
	u32 state = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY);
	u32 blocking = 0;

	if (state & GUEST_INTR_STI)
		blocking |= HV_BLOCK_STI;
	if (state & GUEST_INTR_MOV_SS)
		blocking |= HV_BLOCK_MOV_SS;
	if (state & GUEST_INTR_NMI)
		blocking |= HV_BLOCK_NMI;
	return blocking;
}

/**
 * vmx_set_blocking() - backend's set_blocking
 * @vcpu: loaded vCPU
 * @blocking: HV_BLOCK_*
 */
void vmx_set_blocking(struct hv_vcpu *vcpu, u32 blocking)
{
	u32 state = 0;

	/* Both at once fail the entry (SDM 3C 26.3.1.5). */
	if (blocking & HV_BLOCK_MOV_SS)
		state |= GUEST_INTR_MOV_SS;
	else if (blocking & HV_BLOCK_STI)
		state |= GUEST_INTR_STI;
	if (blocking & HV_BLOCK_NMI)
		state |= GUEST_INTR_NMI;
	vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, state);
}

/**
 * vmx_skip_insn() - backend's skip_insn
 * @vcpu: loaded vCPU after an exit whose instruction length is defined (SDM 3C 27.2.5)
 *
 * Return: 0.
 */
int vmx_skip_insn(struct hv_vcpu *vcpu)
{
	u64 old, rip;
	u32 state;

	vmx_cache_rip_rflags(vcpu);
	old = hv_rip(vcpu);
	rip = old + vmcs_read32(VMCS_EXIT_INSN_LEN);
	/* EIP wraps; in 64-bit mode RIP may go on past 4 GiB. */
	if (unlikely((old ^ rip) >> 31 == 3) && !hv_64bit_code(vcpu))
		rip = (u32)rip;
	hv_set_rip(vcpu, rip);

	/* STI and MOV SS block for one instruction: this was it. */
	state = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY);
	if (state & (GUEST_INTR_STI | GUEST_INTR_MOV_SS))
		vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
			     state & ~(GUEST_INTR_STI | GUEST_INTR_MOV_SS));
	/*
	 * A single-stepped instruction ends with #DB whoever executed it, and with what MOV SS has
	 * put off. Pending in the VMCS it would not end HLT, nobody would see it in the vCPU's
	 * state, and an entry that injects another event would drop it (SDM 3C 26.7.3).
	 */
	if (unlikely(hv_rflags(vcpu) & X86_EFLAGS_TF))
		hv_queue_exception_p(vcpu, X86_TRAP_DB, PENDING_DEBUG_BS |
				     vmcs_readn(VMCS_GUEST_PENDING_DEBUG));
	return 0;
}

/*
 * #DB and #AC can be raised in their own delivery, for ever, with interrupts
 * never open (CVE-2015-5307, CVE-2015-8104): they exit always. #MC is the host's.
 */
#define VMX_EXCEPTIONS	(BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC))

/* Instructions that the processor has only when a control says so (SDM 3C 25.3) */
static const struct {
	u32 control;
	u32 func;
	u32 index;
	u8 reg;
	u8 bit;
} vmx_insn_controls[] = {
	{ PROC2_RDTSCP, 0x80000001, 0, 3, 27 },
	{ PROC2_RDTSCP, 7, 0, 2, 22 },		/* RDPID */
	{ PROC2_INVPCID, 7, 0, 1, 10 },
	{ PROC2_XSAVES, 0xd, 1, 0, 3 },
};

/**
 * vmx_hide_insns() - guests are not told of instructions that are #UD for want of a control
 *
 * A hypervisor below hv may lack it, though its CPUID has the instruction.
 *
 * Context: module load, after vmx_caps_init().
 */
void __init vmx_hide_insns(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmx_insn_controls); i++)
		if (!(vmx_caps.proc2 & vmx_insn_controls[i].control))
			hv_cpuid_hide(vmx_insn_controls[i].func, vmx_insn_controls[i].index,
				      vmx_insn_controls[i].reg, vmx_insn_controls[i].bit);
}

/* What the guest's CPUID does not have is #UD for it. */
static void vmx_update_insn_controls(struct hv_vcpu *vcpu)
{
	u32 proc2 = vmcs_read32(VMCS_PROC_BASED_CONTROLS2);
	u32 want = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmx_insn_controls); i++)
		if (hv_cpuid_has(vcpu, vmx_insn_controls[i].func, vmx_insn_controls[i].index,
				 vmx_insn_controls[i].reg, vmx_insn_controls[i].bit))
			want |= vmx_insn_controls[i].control;
	proc2 &= ~(PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES);
	vmcs_write32(VMCS_PROC_BASED_CONTROLS2, proc2 | (want & vmx_caps.proc2));
}

/**
 * vmx_update_intercepts() - recompute what exits
 * @vcpu: loaded vCPU
 */
void vmx_update_intercepts(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct hv_vcpu_x86 *x86 = &vcpu->x86;
	u32 exceptions = VMX_EXCEPTIONS;
	bool guest_drs = x86->debug_regs_live && !x86->guest_debug;

	if ((x86->guest_debug & HV_GUESTDBG_ENABLE) &&
	    (x86->guest_debug & HV_GUESTDBG_USE_SW_BP))
		exceptions |= BIT(X86_TRAP_BP);
	vmcs_write32(VMCS_EXCEPTION_BITMAP, exceptions);
	vmx_set_proc(vmx, guest_drs ? 0 : PROC_MOV_DR_EXITING,
		     guest_drs ? PROC_MOV_DR_EXITING : 0);
	vmcs_writen(VMCS_GUEST_DR7, x86->guest_debug & HV_GUESTDBG_USE_HW_BP ?
				    x86->guest_debug_dr7 : x86->dr7);
	/* IBPB: of the guest's own doing and harmless, if its CPUID says that it may */
	vmx_msr_intercept(vmx, MSR_IA32_PRED_CMD, true,
			  !boot_cpu_has(X86_FEATURE_IBPB) ||
			  !(hv_cpuid_has(vcpu, 7, 0, 3, 26) ||
			    hv_cpuid_has(vcpu, 0x80000008, 0, 1, 12)));
	vmx_update_insn_controls(vcpu);
	vmx_apicv_update(vcpu);
	/* CR4 bits that a new CPUID makes reserved must exit. */
	vmx_set_cr4(vcpu, hv_cr4(vcpu));
}
