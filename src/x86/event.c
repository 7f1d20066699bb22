// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions, NMIs and interrupts on their way into the guest: raising, merging
 * (SDM 3A 6.15, table 6-5), and choosing what the next entry delivers.
 */
#include <linux/smp.h>
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/irq.h>
#include "internal.h"

/* What hv_next_interrupt() says if the PIC in the kernel will name the vector */
#define HV_VECTOR_FROM_PIC	256

/* Exceptions that push an error code (SDM 3A table 6-1) */
#define HV_ERROR_CODES	(BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17) | \
			 BIT(21))
/* Traps and aborts; all the others are faults and push RFLAGS.RF (SDM 3B 18.3.1.1) */
#define HV_NOT_FAULTS	(BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(8) | BIT(18))

static bool hv_is_exception(const struct hv_event *ev)
{
	return ev->type == HV_EVENT_EXCEPTION || ev->type == HV_EVENT_SOFT_EXCEPTION ||
	       ev->type == HV_EVENT_PRIV_EXCEPTION;
}

static void hv_clear_event(struct hv_event *ev)
{
	memset(ev, 0, sizeof(*ev));
}

/**
 * hv_triple_fault() - the vCPU shuts down
 * @vcpu: vCPU with the mutex held
 *
 * HV_RUN will report HV_EXIT_SHUTDOWN before it enters the guest again.
 */
void hv_triple_fault(struct hv_vcpu *vcpu)
{
	hv_clear_event(&vcpu->x86.exception);
	hv_clear_event(&vcpu->x86.injected);
	vcpu->x86.triple_fault = true;
	hv_req_set(vcpu, HV_REQ_TRIPLE_FAULT);
}

/**
 * hv_queue_event() - raise an exception
 * @vcpu: vCPU with the mutex held
 * @ev: an exception; copied
 *
 * If another one waits or was being delivered, both become what table 6-5 says:
 * a double fault, a shutdown, or the new one (the instruction will raise the old one
 * again).
 */
void hv_queue_event(struct hv_vcpu *vcpu, const struct hv_event *ev)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_event *old = NULL;
	enum hv_exc_merge merge;

	if (hv_is_exception(&x->injected))
		old = &x->injected;
	else if (hv_is_exception(&x->exception))
		old = &x->exception;

	hv_req_set(vcpu, HV_REQ_EVENT);
	if (!old) {
		x->exception = *ev;
		return;
	}

	merge = hv_exc_merge(old->vector, ev->vector);
	if (merge == HV_EXC_SHUTDOWN) {
		hv_triple_fault(vcpu);
		return;
	}
	if (hv_is_exception(&x->injected))
		hv_clear_event(&x->injected);
	if (merge == HV_EXC_DOUBLE) {
		x->exception = (struct hv_event) {
			.type = HV_EVENT_EXCEPTION,
			.vector = HV_VEC_DF,
			.has_error = true,
		};
		return;
	}
	x->exception = *ev;
}

/**
 * hv_queue_exception() - raise an exception without error code
 * @vcpu: vCPU with the mutex held
 * @vector: vector
 */
void hv_queue_exception(struct hv_vcpu *vcpu, u8 vector)
{
	hv_queue_event(vcpu, &(struct hv_event) {
		.type = HV_EVENT_EXCEPTION,
		.vector = vector,
	});
}

/**
 * hv_queue_exception_e() - raise an exception with an error code
 * @vcpu: vCPU with the mutex held
 * @vector: vector
 * @error: error code; not pushed in real mode
 */
void hv_queue_exception_e(struct hv_vcpu *vcpu, u8 vector, u32 error)
{
	hv_queue_event(vcpu, &(struct hv_event) {
		.type = HV_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = true,
		.error = error,
	});
}

/**
 * hv_queue_exception_p() - raise an exception that changes a register at delivery
 * @vcpu: vCPU with the mutex held
 * @vector: #DB
 * @payload: bits for DR6, 1 = happened also for BLD and RTM
 */
void hv_queue_exception_p(struct hv_vcpu *vcpu, u8 vector, u64 payload)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	/* Delivering #DB clears DR7.GD (SDM 3B 18.2.4). */
	if (vector == HV_VEC_DB && (x->dr7 & HV_DR7_GD)) {
		x->dr7 &= ~HV_DR7_GD;
		hv_update_debugregs(vcpu);
	}
	hv_queue_event(vcpu, &(struct hv_event) {
		.type = HV_EVENT_EXCEPTION,
		.vector = vector,
		.has_payload = true,
		.payload = payload,
	});
}

/**
 * hv_vmm_exception() - an exception that the VMM names by its vector
 * @vcpu: vCPU with the mutex held
 * @vector: vector
 *
 * #BP and #OF are traps of INT3 and INTO, at which RIP still is when the VMM gets hold of them:
 * they push the address of what follows (SDM 3A 6.15). Both instructions are one byte long;
 * only an INT3 that has exited can be known to have prefixes.
 *
 * Return: the event, without an error code.
 */
struct hv_event hv_vmm_exception(struct hv_vcpu *vcpu, u8 vector)
{
	struct hv_event ev = { .type = HV_EVENT_EXCEPTION, .vector = vector };

	if (vector == HV_VEC_BP || vector == HV_VEC_OF) {
		ev.type = HV_EVENT_SOFT_EXCEPTION;
		ev.insn_len = vector == HV_VEC_BP ? vcpu->x86.bp_len : 1;
	}
	return ev;
}

/**
 * hv_queue_page_fault() - raise #PF
 * @vcpu: vCPU with the mutex held
 * @addr: linear address, for CR2
 * @error: error code (SDM 3A 4.7)
 */
void hv_queue_page_fault(struct hv_vcpu *vcpu, u64 addr, u32 error)
{
	hv_queue_event(vcpu, &(struct hv_event) {
		.type = HV_EVENT_EXCEPTION,
		.vector = HV_VEC_PF,
		.has_error = true,
		.error = error,
		.has_payload = true,
		.payload = addr,
	});
}

/**
 * hv_queue_nmi() - raise an NMI
 * @vcpu: vCPU
 *
 * One can wait while another is being handled (SDM 3A 6.7.1). Any context.
 */
void hv_queue_nmi(struct hv_vcpu *vcpu)
{
	atomic_add_unless(&vcpu->x86.nmi_pending, 1, 2);
	hv_vcpu_request(vcpu, HV_REQ_EVENT);
}

/*
 * Move the payload of an exception to its register.
 */
void hv_deliver_payload(struct hv_vcpu *vcpu, struct hv_event *ev)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (!ev->has_payload)
		return;
	ev->has_payload = false;
	if (ev->vector == HV_VEC_PF) {
		x->cr2 = ev->payload;
	} else if (ev->vector == HV_VEC_DB) {
		/*
		 * DR6: the breakpoint bits are replaced, the others accumulate; BLD and RTM
		 * are 0 when it happened (SDM 3B 18.2.3).
		 */
		x->dr6 &= ~(u64)DR_TRAP_BITS;
		x->dr6 |= DR6_RESERVED;
		x->dr6 |= ev->payload;
		x->dr6 ^= ev->payload & DR6_RESERVED;
		/* Bit 12 is the "enabled breakpoint" flag of a payload only. */
		x->dr6 &= ~BIT_ULL(12);
	}
	ev->payload = 0;
}

/**
 * hv_interrupt_allowed() - the guest would take an external interrupt now
 * @vcpu: loaded vCPU
 */
bool hv_interrupt_allowed(struct hv_vcpu *vcpu)
{
	if (!(hv_raw_rflags(vcpu) & X86_EFLAGS_IF))
		return false;
	return !(hv_call(get_blocking, vcpu) & (HV_BLOCK_STI | HV_BLOCK_MOV_SS));
}

/**
 * hv_nmi_allowed() - the guest would take an NMI now
 * @vcpu: loaded vCPU
 */
bool hv_nmi_allowed(struct hv_vcpu *vcpu)
{
	/* STI blocks NMIs too on some processors (SDM 3C 27.3.1.5) */
	return !(hv_call(get_blocking, vcpu) &
		 (HV_BLOCK_NMI | HV_BLOCK_STI | HV_BLOCK_MOV_SS));
}

static bool hv_interrupts_held(const struct hv_vcpu_x86 *x)
{
	return (x->guest_debug & HV_GUESTDBG_BLOCKIRQ) &&
	       (x->guest_debug & HV_GUESTDBG_SINGLESTEP);
}

/* The PIC's, or the VMM's, vector; HV_VECTOR_FROM_PIC; or -1: there is none, or it can't get in */
static int hv_extint_next(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (!x->lapic)
		return x->extint;
	if ((x->extint >= 0 || hv_pic_output(vcpu->vm)) && hv_lapic_accepts_extint(vcpu))
		return x->extint >= 0 ? x->extint : HV_VECTOR_FROM_PIC;
	return -1;
}

/*
 * Vector of the interrupt that is delivered next, by whomever, HV_VECTOR_FROM_PIC, or -1. The
 * PIC's come first: the priorities of the LAPIC are not for them (SDM 3A 11.8.3.1).
 */
static int hv_next_interrupt(struct hv_vcpu *vcpu)
{
	int vector;

	if (hv_interrupts_held(&vcpu->x86))
		return -1;
	vector = hv_extint_next(vcpu);
	if (vector < 0 && vcpu->x86.lapic)
		vector = hv_lapic_pending(vcpu);
	return vector;
}

/* The same, but for those of a LAPIC that the processor delivers by itself */
static int hv_next_injection(struct hv_vcpu *vcpu)
{
	if (!vcpu->x86.lapic || !hv_lapic_virtual(vcpu))
		return hv_next_interrupt(vcpu);
	return hv_interrupts_held(&vcpu->x86) ? -1 : hv_extint_next(vcpu);
}

static void hv_accept_interrupt(struct hv_vcpu *vcpu, int vector)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (vector == HV_VECTOR_FROM_PIC)
		vector = hv_pic_ack(vcpu->vm);
	else if (x->extint == vector && (!x->lapic || hv_lapic_accepts_extint(vcpu)))
		x->extint = -1;
	else
		hv_lapic_accept(vcpu, vector);
	x->injected = (struct hv_event) { .type = HV_EVENT_INTR, .vector = vector };
	vcpu->stats.irq_injections++;
}

/*
 * The VMM may have declared an interrupt "injected" that this guest state cannot
 * take: then it waits, instead of a failed entry (SDM 3C 27.3.1.4).
 */
static void hv_check_reinjection(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->injected.type != HV_EVENT_INTR || hv_interrupt_allowed(vcpu))
		return;
	x->extint = x->injected.vector;
	hv_clear_event(&x->injected);
}

static void hv_inject_exception(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_event *ev = &x->exception;

	hv_deliver_payload(vcpu, ev);
	if (ev->type == HV_EVENT_EXCEPTION && ev->vector < 32 &&
	    !(HV_NOT_FAULTS & BIT(ev->vector)))
		hv_set_raw_rflags(vcpu, hv_raw_rflags(vcpu) | X86_EFLAGS_RF);
	x->injected = *ev;
	hv_clear_event(ev);
	vcpu->stats.exception_injections++;
}

/* Real mode pushes no error code (SDM 3A 20.1.4); else it depends on the vector. */
static void hv_fix_error_code(struct hv_vcpu *vcpu, struct hv_event *ev)
{
	if (ev->type != HV_EVENT_EXCEPTION)
		return;
	if (!(hv_cr0_bits(vcpu, X86_CR0_PE)))
		ev->has_error = false;
	else
		ev->has_error = ev->vector < 32 && (HV_ERROR_CODES & BIT(ev->vector));
}

/* While one is being handled one more is remembered, not two (SDM 3A 6.7.1). */
static void hv_limit_nmis(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (atomic_read(&x->nmi_pending) < 2)
		return;
	if (x->injected.type == HV_EVENT_NMI || (hv_call(get_blocking, vcpu) & HV_BLOCK_NMI))
		atomic_dec(&x->nmi_pending);
}

/*
 * There is room for an interrupt of the VMM's PIC, and a way in. Asked before a window is
 * opened, which would else open for nothing, again and again.
 */
static bool hv_takes_user_irq(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (vcpu->vm->pic || x->extint >= 0)
		return false;
	return !x->lapic || hv_lapic_accepts_extint(vcpu);
}

/*
 * Only the shadow of STI is in the way of an NMI. The window of NMIs may be open in it (SDM 3C
 * 25.2): the guest would exit, wait for the shadow to end, and exit, for ever. That of interrupts
 * opens one instruction later. An event that this entry delivers ends the shadow.
 */
static bool hv_nmi_behind_sti(struct hv_vcpu *vcpu)
{
	return vcpu->x86.injected.type == HV_EVENT_NONE &&
	       hv_call(get_blocking, vcpu) == HV_BLOCK_STI;
}

/* The usual case: nothing to deliver, nothing that waits, and no window to close */
static bool hv_no_events(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->injected.type != HV_EVENT_NONE || x->exception.type != HV_EVENT_NONE)
		return false;
	if (x->windows || x->extint >= 0 || atomic_read(&x->nmi_pending))
		return false;
	if (READ_ONCE(vcpu->run->request_interrupt_window) || hv_pic_output(vcpu->vm))
		return false;
	return !x->lapic || hv_lapic_quiet(vcpu);
}

/**
 * hv_inject_events() - give the next event to the backend
 * @vcpu: loaded vCPU
 *
 * At most one: a delivery that a VM exit interrupted, an exception, an NMI or an
 * interrupt, in this order. Opens the windows for what waits behind it. The event
 * stays in x86.injected until the backend has seen at the next VM exit whether its
 * delivery was completed.
 *
 * Context: interrupts off, right before the entry.
 */
void hv_inject_events(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	unsigned int what;
	bool nmi, irq;
	int vector;

	if (likely(hv_no_events(vcpu)))
		return;
	hv_check_reinjection(vcpu);
	what = x->lapic ? hv_lapic_before_entry(vcpu) : 0;
	if (what)
		hv_call(update, vcpu, what);

	if (x->injected.type == HV_EVENT_NONE) {
		if (x->exception.type != HV_EVENT_NONE) {
			hv_inject_exception(vcpu);
		} else if (atomic_read(&x->nmi_pending) && hv_nmi_allowed(vcpu)) {
			atomic_dec(&x->nmi_pending);
			x->injected = (struct hv_event) {
				.type = HV_EVENT_NMI, .vector = HV_VEC_NMI,
			};
			vcpu->stats.nmi_injections++;
		} else {
			vector = hv_next_injection(vcpu);
			if (vector >= 0 && hv_interrupt_allowed(vcpu))
				hv_accept_interrupt(vcpu, vector);
		}
	}
	if (x->injected.type != HV_EVENT_NONE) {
		hv_fix_error_code(vcpu, &x->injected);
		hv_call(inject, vcpu, &x->injected);
	}

	hv_limit_nmis(vcpu);
	/* An exception behind a re-injection has no window: come back at once. */
	if (x->exception.type != HV_EVENT_NONE) {
		hv_req_set(vcpu, HV_REQ_EVENT);
		host_kick_cpu(smp_processor_id());
	}
	nmi = atomic_read(&x->nmi_pending);
	irq = READ_ONCE(vcpu->run->request_interrupt_window) && hv_takes_user_irq(vcpu);
	irq = irq || hv_next_injection(vcpu) >= 0;
	x->windows = nmi || irq;
	if (nmi && hv_nmi_behind_sti(vcpu)) {
		nmi = false;
		irq = true;
	}
	hv_call(open_window, vcpu, true, nmi);
	hv_call(open_window, vcpu, false, irq);
}

/**
 * hv_handle_ac() - an alignment check has exited
 * @vcpu: loaded vCPU
 * @error: its error code
 *
 * One that the guest has not asked for comes from the host's split-lock detection.
 *
 * Return: as handle_exit.
 */
int hv_handle_ac(struct hv_vcpu *vcpu, u32 error)
{
	bool own = hv_cpl(vcpu) == 3 && hv_cr0_bits(vcpu, X86_CR0_AM) &&
		   (hv_rflags(vcpu) & X86_EFLAGS_AC);

	if (own || !host_handle_split_lock(hv_rip(vcpu)))
		hv_queue_exception_e(vcpu, HV_VEC_AC, error);
	return HV_RESUME;
}

/**
 * hv_vcpu_has_events() - something would end HLT
 * @vcpu: loaded vCPU
 */
bool hv_vcpu_has_events(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->injected.type != HV_EVENT_NONE || x->exception.type != HV_EVENT_NONE)
		return true;
	if (x->triple_fault || READ_ONCE(x->pv.unhalted))
		return true;
	if (atomic_read(&x->nmi_pending) && hv_nmi_allowed(vcpu))
		return true;
	return hv_next_interrupt(vcpu) >= 0 && hv_interrupt_allowed(vcpu);
}

/**
 * hv_vcpu_runnable() - HV_RUN need not sleep
 * @vcpu: loaded vCPU
 *
 * It runs, or INIT, SIPI or an event that ends HLT is there.
 */
bool hv_vcpu_runnable(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->lapic && hv_lapic_has_init_sipi(vcpu))
		return true;
	switch (READ_ONCE(x->mp_state)) {
	case HV_MP_STATE_RUNNABLE:
		return true;
	case HV_MP_STATE_HALTED:
		return hv_vcpu_has_events(vcpu);
	default:
		return false;
	}
}

/**
 * hv_emulate_hlt() - HLT has exited
 * @vcpu: loaded vCPU
 *
 * With an in-kernel LAPIC the vCPU is HALTED and the run loop waits; without, the VMM
 * does.
 *
 * Return: as handle_exit.
 */
int hv_emulate_hlt(struct hv_vcpu *vcpu)
{
	int rc = hv_skip(vcpu);

	if (rc < 0)
		return rc;
	if (vcpu->x86.lapic) {
		/* The trap of a single step would end the halt at once (SDM 2A, HLT). */
		if (vcpu->x86.exception.type == HV_EVENT_NONE)
			WRITE_ONCE(vcpu->x86.mp_state, HV_MP_STATE_HALTED);
		return rc;
	}
	if (rc == HV_RESUME)
		vcpu->run->exit_reason = HV_EXIT_HLT;
	return HV_TO_USER;
}

/**
 * hv_vcpu_resume_halted() - the vCPU is runnable: a halt ends
 * @vcpu: loaded vCPU
 */
void hv_vcpu_resume_halted(struct hv_vcpu *vcpu)
{
	if (vcpu->x86.mp_state != HV_MP_STATE_HALTED)
		return;
	WRITE_ONCE(vcpu->x86.mp_state, HV_MP_STATE_RUNNABLE);
	WRITE_ONCE(vcpu->x86.pv.unhalted, false);
}

/**
 * hv_ready_for_user_irq() - an interrupt from HV_INTERRUPT would be delivered at once
 * @vcpu: loaded vCPU
 */
bool hv_ready_for_user_irq(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->injected.type != HV_EVENT_NONE || x->exception.type != HV_EVENT_NONE)
		return false;
	return hv_takes_user_irq(vcpu) && hv_interrupt_allowed(vcpu);
}

/**
 * hv_update_run_page() - tell the VMM the state that it looks at after each HV_RUN
 * @vcpu: loaded vCPU
 *
 * if_flag, cr8, apic_base, flags and ready_for_interrupt_injection.
 */
void hv_update_run_page(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_run *run = vcpu->run;

	run->if_flag = !!(hv_raw_rflags(vcpu) & X86_EFLAGS_IF);
	run->flags = 0;
	run->cr8 = hv_get_cr8(vcpu);
	run->apic_base = x->apic_base;
	/* Debug registers that the guest has not touched for so long cost more than an exit. */
	if (x->debug_regs_live) {
		x->debug_regs_live = false;
		hv_update_debugregs(vcpu);
	}
	/* With PICs in the kernel nobody waits for the VMM's. */
	run->ready_for_interrupt_injection = vcpu->vm->pic || hv_ready_for_user_irq(vcpu);
}
