// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event injection, interruptibility, and the windows for interrupts and NMIs.
 *
 * SVM knows neither whether the guest is in an NMI handler (that takes the virtual NMI
 * feature, which hv does not use) nor an NMI window. hv blocks NMIs itself from the
 * injection of one to the end of the handler's IRET: IRET exits before it is executed,
 * and if another NMI waits the instruction is stepped over.
 */
#include <linux/kernel.h>
#include <linux/smp.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "svm.h"

static void svm_block_nmi(struct svm_vcpu *svm, bool on)
{
	svm->nmi_blocked = on;
	svm->iret_seen = false;
	svm_intercept(svm, on ? SVM_INTERCEPT_IRET : 0, on ? 0 : SVM_INTERCEPT_IRET);
}

/*
 * The VMM gives INT3 or INTO back: RIP is at the instruction, and what follows is to be pushed.
 * A processor that saves the next RIP also takes it from there (APM 2 15.20); for others RIP is
 * moved, and back if the delivery is cut short.
 */
static void svm_step_over_int3(struct hv_vcpu *vcpu, u32 insn_len)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 next = hv_rip(vcpu) + insn_len;

	/* EIP wraps. */
	if (!hv_64bit_code(vcpu))
		next = (u32)next;
	if (svm_caps.nrips) {
		svm->vmcb->control.next_rip = next;
		return;
	}
	svm->int3_rip = hv_rip(vcpu);
	hv_set_rip(vcpu, next);
}

/**
 * svm_inject() - backend's inject (APM 2 15.20)
 * @vcpu: loaded vCPU, about to enter
 * @ev: what to deliver
 *
 * Context: interrupts off.
 */
void svm_inject(struct hv_vcpu *vcpu, const struct hv_event *ev)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *ctl = &svm->vmcb->control;
	u64 inject = SVM_EVENT_VALID | ev->vector;

	/* The handler of this will come back to the NMI handler's IRET. */
	if (unlikely(svm->iret_seen))
		svm_block_nmi(svm, true);
	switch (ev->type) {
	case HV_EVENT_INTR:
		inject |= SVM_EVENT_INTR;
		break;
	case HV_EVENT_NMI:
		inject |= SVM_EVENT_NMI;
		svm_block_nmi(svm, true);
		break;
	case HV_EVENT_SOFT_INTR:
		/* RIP is at the instruction, which raises it again. */
		return;
	case HV_EVENT_SOFT_EXCEPTION:
		svm_step_over_int3(vcpu, ev->insn_len);
		fallthrough;
	default:
		inject |= SVM_EVENT_EXCEPTION;
	}
	if (ev->has_error)
		inject |= SVM_EVENT_HAS_ERROR | (u64)ev->error << SVM_EVENT_ERROR_SHIFT;
	ctl->event_inject = inject;
}

/*
 * The NMI handler's IRET has been executed when RIP has moved on, be it to a fault's
 * handler: that unblocks NMIs too.
 */
static void svm_note_iret(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm->iret_seen || svm->vmcb->save.rip == svm->iret_rip)
		return;
	svm_block_nmi(svm, false);
	hv_req_set(vcpu, HV_REQ_EVENT);
}

/**
 * svm_int3_again() - what svm_step_over_int3() was for has not been delivered
 * @vcpu: loaded vCPU, just exited
 *
 * Context: interrupts off.
 */
void svm_int3_again(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (vcpu->x86.injected.type == HV_EVENT_SOFT_EXCEPTION && !svm_caps.nrips)
		svm->vmcb->save.rip = svm->int3_rip;
}

/* What the guest itself raised by INT3, INTO or INT n is raised again by the instruction. */
static bool svm_is_soft(u64 info)
{
	u8 vector = info & SVM_EVENT_VECTOR;

	if ((info & SVM_EVENT_TYPE) == SVM_EVENT_SOFT_INTR)
		return true;
	if ((info & SVM_EVENT_TYPE) != SVM_EVENT_EXCEPTION)
		return false;
	return vector == X86_TRAP_BP || vector == X86_TRAP_OF;
}

/**
 * svm_note_event_delivery() - an event whose delivery this exit interrupted is to be redone
 * @vcpu: loaded vCPU, just exited
 *
 * APM 2 15.7.2: EXITINTINFO.
 *
 * Context: interrupts off.
 */
void svm_note_event_delivery(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct hv_event *ev = &vcpu->x86.injected;
	u64 info = svm->vmcb->control.exit_int_info;

	svm_note_iret(vcpu);
	/* The instruction that raised this may be gone: the VMM's stays as it is. */
	if (ev->type == HV_EVENT_SOFT_EXCEPTION && info == svm->injected) {
		svm_int3_again(vcpu);
		return;
	}
	ev->type = HV_EVENT_NONE;
	if (!(info & SVM_EVENT_VALID) || svm_is_soft(info))
		return;

	*ev = (struct hv_event){
		.vector = info & SVM_EVENT_VECTOR,
		.has_error = info & SVM_EVENT_HAS_ERROR,
	};
	if (ev->has_error)
		ev->error = info >> SVM_EVENT_ERROR_SHIFT;
	switch (info & SVM_EVENT_TYPE) {
	case SVM_EVENT_INTR:
		ev->type = HV_EVENT_INTR;
		break;
	case SVM_EVENT_NMI:
		ev->type = HV_EVENT_NMI;
		/* It is redone, so it must not be blocked by itself. */
		svm_block_nmi(svm, false);
		break;
	default:
		ev->type = HV_EVENT_EXCEPTION;
	}
}

/* Exit as soon as the guest can take an interrupt: a virtual one that is never delivered */
static void svm_open_intr_window(struct svm_vcpu *svm, bool on)
{
	struct vmcb_control *ctl = &svm->vmcb->control;
	u32 vintr = ctl->vintr & ~(SVM_V_IRQ | SVM_V_INTR_PRIO_MAX | SVM_V_IGN_TPR);

	if (on)
		vintr |= SVM_V_IRQ | SVM_V_INTR_PRIO_MAX | SVM_V_IGN_TPR;
	if (vintr == ctl->vintr)
		return;
	ctl->vintr = vintr;
	svm_dirty(svm, SVM_CLEAN_TPR);
	svm_intercept(svm, on ? SVM_INTERCEPT_VINTR : 0, on ? 0 : SVM_INTERCEPT_VINTR);
}

/*
 * An NMI waits. What it waits for decides: the handler's IRET will exit; after that, or in an
 * interrupt shadow, one instruction is stepped over; if only the entry's one event is in the
 * way, an interrupt of the host ends the guest right after its delivery.
 *
 * An instruction that reads TF while it is stepped over sees it set, as on KVM.
 */
static void svm_open_nmi_window(struct svm_vcpu *svm)
{
	struct hv_vcpu *vcpu = svm->vcpu;

	if (svm->nmi_blocked && !svm->iret_seen)
		return;
	if (!svm_get_blocking(vcpu) || (svm->vmcb->control.event_inject & SVM_EVENT_VALID)) {
		host_kick_cpu(smp_processor_id());
		return;
	}
	svm_cache_regs(vcpu, BIT(HV_REG_RFLAGS));
	svm->step_rflags = vcpu->x86.rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF);
	/* RF: a breakpoint at the instruction has had its turn. */
	vcpu->x86.rflags |= X86_EFLAGS_TF | X86_EFLAGS_RF;
	vcpu->x86.regs_dirty |= BIT(HV_REG_RFLAGS);
	svm->stepping = true;
}

/**
 * svm_end_step() - the exit after stepping over an instruction: give TF and RF back
 * @svm: vCPU, just exited
 *
 * An IRET has loaded its own TF: that one counts.
 */
void svm_end_step(struct svm_vcpu *svm)
{
	struct vmcb_save *save = &svm->vmcb->save;

	if (svm->iret_seen && save->rip != svm->iret_rip)
		return;
	save->rflags &= ~(u64)(X86_EFLAGS_TF | X86_EFLAGS_RF);
	save->rflags |= svm->step_rflags & X86_EFLAGS_TF;
	/* RF stays set only if the instruction has not been executed. */
	if (svm->iret_seen)
		save->rflags |= svm->step_rflags & X86_EFLAGS_RF;
}

/**
 * svm_open_window() - backend's open_window
 * @vcpu: loaded vCPU
 * @nmi: for NMIs, else for interrupts
 * @on: exit as soon as it can be taken
 *
 * Context: interrupts off.
 */
void svm_open_window(struct hv_vcpu *vcpu, bool nmi, bool on)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!nmi)
		svm_open_intr_window(svm, on);
	else if (on)
		svm_open_nmi_window(svm);
}

/**
 * svm_exit_iret() - the NMI handler is at its IRET
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int svm_exit_iret(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	vcpu->stats.nmi_window_exits++;
	svm_intercept(svm, 0, SVM_INTERCEPT_IRET);
	svm->iret_seen = true;
	svm->iret_rip = svm->vmcb->save.rip;
	return HV_RESUME;
}

/**
 * svm_get_blocking() - backend's get_blocking
 * @vcpu: loaded vCPU
 *
 * The processor does not tell the shadow of STI from that of MOV SS: it is taken for both.
 */
u32 svm_get_blocking(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 blocking = 0;

	if (svm->vmcb->control.interrupt_state & SVM_INTERRUPT_SHADOW)
		blocking |= HV_BLOCK_STI | HV_BLOCK_MOV_SS;
	if (svm->nmi_blocked)
		blocking |= HV_BLOCK_NMI;
	return blocking;
}

/**
 * svm_set_blocking() - backend's set_blocking
 * @vcpu: loaded vCPU
 * @blocking: HV_BLOCK_*
 */
void svm_set_blocking(struct hv_vcpu *vcpu, u32 blocking)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *ctl = &svm->vmcb->control;
	bool nmi = blocking & HV_BLOCK_NMI;

	if (blocking & (HV_BLOCK_STI | HV_BLOCK_MOV_SS))
		ctl->interrupt_state |= SVM_INTERRUPT_SHADOW;
	else
		ctl->interrupt_state &= ~SVM_INTERRUPT_SHADOW;
	if (nmi != svm->nmi_blocked)
		svm_block_nmi(svm, nmi);
}
