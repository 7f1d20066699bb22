// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading and writing a vCPU's registers, events and run state.
 */
#include <hv/backend.h>
#include <hv/irq.h>
#include "internal.h"

static bool hv_event_is_exception(const struct hv_event *ev)
{
	return ev->type == HV_EVENT_EXCEPTION || ev->type == HV_EVENT_PRIV_EXCEPTION;
}

/* ---- general registers ---- */

long hv_get_regs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_regs *r = data;

	r->rax = hv_reg_read(vcpu, HV_REG_RAX);
	r->rbx = hv_reg_read(vcpu, HV_REG_RBX);
	r->rcx = hv_reg_read(vcpu, HV_REG_RCX);
	r->rdx = hv_reg_read(vcpu, HV_REG_RDX);
	r->rsi = hv_reg_read(vcpu, HV_REG_RSI);
	r->rdi = hv_reg_read(vcpu, HV_REG_RDI);
	r->rsp = hv_reg_read(vcpu, HV_REG_RSP);
	r->rbp = hv_reg_read(vcpu, HV_REG_RBP);
	r->r8 = hv_reg_read(vcpu, HV_REG_R8);
	r->r9 = hv_reg_read(vcpu, HV_REG_R9);
	r->r10 = hv_reg_read(vcpu, HV_REG_R10);
	r->r11 = hv_reg_read(vcpu, HV_REG_R11);
	r->r12 = hv_reg_read(vcpu, HV_REG_R12);
	r->r13 = hv_reg_read(vcpu, HV_REG_R13);
	r->r14 = hv_reg_read(vcpu, HV_REG_R14);
	r->r15 = hv_reg_read(vcpu, HV_REG_R15);
	r->rip = hv_rip(vcpu);
	r->rflags = hv_rflags(vcpu);
	return 0;
}

long hv_set_regs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_regs *r = data;

	hv_reg_write(vcpu, HV_REG_RAX, r->rax);
	hv_reg_write(vcpu, HV_REG_RBX, r->rbx);
	hv_reg_write(vcpu, HV_REG_RCX, r->rcx);
	hv_reg_write(vcpu, HV_REG_RDX, r->rdx);
	hv_reg_write(vcpu, HV_REG_RSI, r->rsi);
	hv_reg_write(vcpu, HV_REG_RDI, r->rdi);
	hv_reg_write(vcpu, HV_REG_RSP, r->rsp);
	hv_reg_write(vcpu, HV_REG_RBP, r->rbp);
	hv_reg_write(vcpu, HV_REG_R8, r->r8);
	hv_reg_write(vcpu, HV_REG_R9, r->r9);
	hv_reg_write(vcpu, HV_REG_R10, r->r10);
	hv_reg_write(vcpu, HV_REG_R11, r->r11);
	hv_reg_write(vcpu, HV_REG_R12, r->r12);
	hv_reg_write(vcpu, HV_REG_R13, r->r13);
	hv_reg_write(vcpu, HV_REG_R14, r->r14);
	hv_reg_write(vcpu, HV_REG_R15, r->r15);
	/* What an instruction raised belongs to it, if the delivery was cut short. */
	if (r->rip != hv_rip(vcpu) && vcpu->x86.injected.type >= HV_EVENT_EXCEPTION)
		memset(&vcpu->x86.injected, 0, sizeof(vcpu->x86.injected));
	hv_set_rip(vcpu, r->rip);
	hv_set_rflags(vcpu, r->rflags);
	memset(&vcpu->x86.exception, 0, sizeof(vcpu->x86.exception));
	return 0;
}

/* ---- segment and system registers ---- */

static struct hv_segment *hv_sregs_seg(struct hv_sregs *s, int seg)
{
	switch (seg) {
	case HV_SEG_ES:
		return &s->es;
	case HV_SEG_CS:
		return &s->cs;
	case HV_SEG_SS:
		return &s->ss;
	case HV_SEG_DS:
		return &s->ds;
	case HV_SEG_FS:
		return &s->fs;
	case HV_SEG_GS:
		return &s->gs;
	case HV_SEG_LDTR:
		return &s->ldt;
	default:
		return &s->tr;
	}
}

/* The external interrupt that is on its way, or -1 */
static int hv_pending_extint(const struct hv_vcpu_x86 *x)
{
	if (x->injected.type == HV_EVENT_INTR)
		return x->injected.vector;
	return x->lapic ? -1 : x->extint;
}

static void hv_get_dtable(struct hv_vcpu *vcpu, enum hv_seg reg, struct hv_dtable *dt)
{
	struct hv_segment s;

	hv_call(get_segment, vcpu, reg, &s);
	dt->base = s.base;
	dt->limit = s.limit;
}

static void hv_set_dtable(struct hv_vcpu *vcpu, enum hv_seg reg, const struct hv_dtable *dt)
{
	const struct hv_segment s = { .base = dt->base, .limit = dt->limit };

	hv_call(set_segment, vcpu, reg, &s);
}

long hv_get_sregs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_sregs *s = data;
	int irq, seg;

	memset(s, 0, sizeof(*s));
	if (!vcpu->vm->x86.exception_payload)
		hv_deliver_payload(vcpu, &x->exception);
	for (seg = 0; seg < HV_NR_SEGS; seg++)
		hv_call(get_segment, vcpu, seg, hv_sregs_seg(s, seg));
	hv_get_dtable(vcpu, HV_SEG_GDTR, &s->gdt);
	hv_get_dtable(vcpu, HV_SEG_IDTR, &s->idt);
	s->cr0 = hv_cr0(vcpu);
	s->cr2 = x->cr2;
	s->cr3 = hv_cr3(vcpu);
	s->cr4 = hv_cr4(vcpu);
	s->cr8 = hv_get_cr8(vcpu);
	s->efer = x->efer;
	s->apic_base = x->apic_base;
	irq = hv_pending_extint(x);
	if (irq >= 0)
		s->interrupt_bitmap[irq / 64] |= BIT_ULL(irq % 64);
	return 0;
}

/* The only bit that is set, -1 for none, -EINVAL for several. */
static int hv_bitmap_vector(const struct hv_sregs *s)
{
	int vector = -1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->interrupt_bitmap); i++) {
		u64 word = s->interrupt_bitmap[i];

		if (!word)
			continue;
		if (vector >= 0 || (word & (word - 1)))
			return -EINVAL;
		vector = i * 64 + __ffs64(word);
	}
	return vector;
}

/* IA32_APIC_BASE of HV_SET_SREGS: unchanged is always fine. */
static int hv_sregs_apic_base(struct hv_vcpu *vcpu, u64 val)
{
	if (val == vcpu->x86.apic_base)
		return 0;
	return hv_set_msr(vcpu, MSR_IA32_APICBASE, val, true) ? -EINVAL : 0;
}

long hv_set_sregs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_sregs *s = data;
	int vector, seg;

	if (!hv_sregs_valid(vcpu, s))
		return -EINVAL;
	vector = hv_bitmap_vector(s);
	if (vector == -EINVAL || s->cr8 > 15)
		return -EINVAL;
	if (hv_sregs_apic_base(vcpu, s->apic_base))
		return -EINVAL;

	hv_set_dtable(vcpu, HV_SEG_GDTR, &s->gdt);
	hv_set_dtable(vcpu, HV_SEG_IDTR, &s->idt);
	x->cr2 = s->cr2;
	hv_set_cr8(vcpu, s->cr8);
	x->efer = s->efer;
	hv_call(set_msr, vcpu, MSR_EFER, s->efer);
	/* CR3 first: the backend may read PDPTEs when the paging mode changes. */
	hv_vcpu_srcu_lock(vcpu);
	hv_write_cr(vcpu, 3, s->cr3);
	hv_write_cr(vcpu, 0, s->cr0 | X86_CR0_ET);
	hv_write_cr(vcpu, 4, s->cr4);
	hv_vcpu_srcu_unlock(vcpu);
	for (seg = 0; seg < HV_NR_SEGS; seg++)
		hv_call(set_segment, vcpu, seg, hv_sregs_seg(s, seg));

	if (!x->lapic)
		x->extint = -1;
	if (vector >= 0)
		x->injected = (struct hv_event) { .type = HV_EVENT_INTR, .vector = vector };
	/* A vCPU in the reset state, as older VMMs start one without SET_MP_STATE */
	if (x->lapic && vcpu->id == vcpu->vm->boot_vcpu_id && s->cs.selector == 0xf000 &&
	    hv_rip(vcpu) == 0xfff0 && !(s->cr0 & X86_CR0_PE))
		WRITE_ONCE(x->mp_state, HV_MP_STATE_RUNNABLE);
	x->triple_fault = false;
	hv_req_take(vcpu, HV_REQ_TRIPLE_FAULT);
	hv_req_set(vcpu, HV_REQ_TLB_FLUSH_GUEST);
	hv_req_set(vcpu, HV_REQ_EVENT);
	return 0;
}

/* ---- events ---- */

static u8 hv_shadow(struct hv_vcpu *vcpu, u32 blocking)
{
	u8 shadow = 0;

	if (blocking & HV_BLOCK_STI)
		shadow |= HV_X86_SHADOW_INT_STI;
	if (blocking & HV_BLOCK_MOV_SS)
		shadow |= HV_X86_SHADOW_INT_MOV_SS;
	return shadow;
}

long hv_get_vcpu_events(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	bool payload = vcpu->vm->x86.exception_payload;
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_vcpu_events *ev = data;
	const struct hv_event *exc = &x->exception;
	u32 blocking = hv_call(get_blocking, vcpu);

	memset(ev, 0, sizeof(*ev));
	if (!payload)
		hv_deliver_payload(vcpu, &x->exception);
	if (hv_event_is_exception(&x->injected)) {
		exc = &x->injected;
		ev->exception.injected = 1;
	} else if (hv_event_is_exception(exc)) {
		ev->exception.pending = payload;
		/* Without the capability a VMM knows one kind only. */
		ev->exception.injected = !payload;
	}
	/* INT3 and INTO are executed again instead, as their length can't be told. */
	if (hv_event_is_exception(exc)) {
		ev->exception.nr = exc->vector;
		ev->exception.has_error_code = exc->has_error;
		ev->exception.error_code = exc->error;
		if (payload) {
			ev->exception_has_payload = exc->has_payload;
			ev->exception_payload = exc->payload;
		}
	}

	ev->interrupt.injected = hv_pending_extint(x) >= 0;
	if (ev->interrupt.injected)
		ev->interrupt.nr = hv_pending_extint(x);
	ev->interrupt.shadow = hv_shadow(vcpu, blocking);
	ev->nmi.injected = x->injected.type == HV_EVENT_NMI;
	ev->nmi.pending = atomic_read(&x->nmi_pending);
	ev->nmi.masked = !!(blocking & HV_BLOCK_NMI);
	if (x->lapic)
		ev->sipi_vector = hv_lapic_sipi_vector(vcpu);
	ev->flags = HV_VCPUEVENT_VALID_NMI_PENDING | HV_VCPUEVENT_VALID_SHADOW;
	if (payload)
		ev->flags |= HV_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->x86.triple_fault_event) {
		ev->triple_fault.pending = x->triple_fault;
		ev->flags |= HV_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
	return 0;
}

static bool hv_events_valid(struct hv_vcpu *vcpu, const struct hv_vcpu_events *ev)
{
	u32 known = HV_VCPUEVENT_VALID_NMI_PENDING | HV_VCPUEVENT_VALID_SIPI_VECTOR |
		    HV_VCPUEVENT_VALID_SHADOW;

	if (vcpu->vm->x86.exception_payload)
		known |= HV_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->x86.triple_fault_event)
		known |= HV_VCPUEVENT_VALID_TRIPLE_FAULT;
	if (ev->flags & ~known)
		return false;
	if (ev->flags & HV_VCPUEVENT_VALID_PAYLOAD) {
		if (ev->exception.pending && ev->exception.injected)
			return false;
		if (ev->exception.pending && ev->exception.nr == HV_VEC_NMI)
			return false;
	}
	if ((ev->exception.injected || ev->exception.pending) &&
	    (ev->exception.nr > 31 || ev->exception.nr == HV_VEC_NMI))
		return false;
	return true;
}

/* At most one event can be "injected": the exception, the NMI or the interrupt. */
static void hv_set_injected(struct hv_vcpu *vcpu, const struct hv_vcpu_events *ev)
{
	bool payload = ev->flags & HV_VCPUEVENT_VALID_PAYLOAD;
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_event exc = hv_vmm_exception(vcpu, ev->exception.nr);

	if (exc.type == HV_EVENT_EXCEPTION) {
		exc.has_error = ev->exception.has_error_code;
		exc.error = ev->exception.error_code;
	}
	memset(&x->injected, 0, sizeof(x->injected));
	memset(&x->exception, 0, sizeof(x->exception));
	if (ev->exception.injected) {
		/* Also what was only pending: see hv_get_vcpu_events(). */
		x->injected = exc;
	} else if (payload && ev->exception.pending) {
		exc.has_payload = ev->exception_has_payload;
		exc.payload = ev->exception_payload;
		x->exception = exc;
	}
	if (!x->lapic)
		x->extint = -1;
	if (x->injected.type != HV_EVENT_NONE)
		return;
	if (ev->nmi.injected)
		x->injected = (struct hv_event) {
			.type = HV_EVENT_NMI, .vector = HV_VEC_NMI,
		};
	else if (ev->interrupt.injected && !ev->interrupt.soft)
		x->injected = (struct hv_event) {
			.type = HV_EVENT_INTR, .vector = ev->interrupt.nr,
		};
}

long hv_set_vcpu_events(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_vcpu_events *ev = data;
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u32 blocking;

	if (!hv_events_valid(vcpu, ev))
		return -EINVAL;

	hv_set_injected(vcpu, ev);
	blocking = hv_call(get_blocking, vcpu) & ~HV_BLOCK_NMI;
	if (ev->nmi.masked)
		blocking |= HV_BLOCK_NMI;
	if (ev->flags & HV_VCPUEVENT_VALID_SHADOW) {
		blocking &= HV_BLOCK_NMI;
		if (ev->interrupt.shadow & HV_X86_SHADOW_INT_STI)
			blocking |= HV_BLOCK_STI;
		if (ev->interrupt.shadow & HV_X86_SHADOW_INT_MOV_SS)
			blocking |= HV_BLOCK_MOV_SS;
	}
	hv_call(set_blocking, vcpu, blocking);
	if (ev->flags & HV_VCPUEVENT_VALID_NMI_PENDING)
		atomic_set(&x->nmi_pending, min_t(unsigned int, ev->nmi.pending, 2));
	if ((ev->flags & HV_VCPUEVENT_VALID_SIPI_VECTOR) && x->lapic)
		hv_lapic_set_sipi_vector(vcpu, ev->sipi_vector);
	if (ev->flags & HV_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (ev->triple_fault.pending) {
			hv_triple_fault(vcpu);
		} else {
			x->triple_fault = false;
			hv_req_take(vcpu, HV_REQ_TRIPLE_FAULT);
		}
	}
	hv_req_set(vcpu, HV_REQ_EVENT);
	return 0;
}

/*
 * HV_INTERRUPT: an interrupt of the VMM's PIC
 */
long hv_interrupt(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_interrupt *irq = data;
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (irq->irq >= HV_NR_INTERRUPTS)
		return -EINVAL;
	if (vcpu->vm->pic)
		return -ENXIO;
	if (x->extint >= 0)
		return -EEXIST;
	x->extint = irq->irq;
	hv_req_set(vcpu, HV_REQ_EVENT);
	return 0;
}

/* ---- run state ---- */

long hv_get_mp_state(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_mp_state *mp = data;

	/* INIT and SIPI that have arrived have happened. */
	if (vcpu->x86.lapic && hv_lapic_has_init_sipi(vcpu)) {
		hv_vcpu_srcu_lock(vcpu);
		hv_lapic_do_init_sipi(vcpu);
		hv_vcpu_srcu_unlock(vcpu);
	}
	mp->mp_state = vcpu->x86.mp_state;
	/* A kick that has arrived has happened, too. */
	if (mp->mp_state == HV_MP_STATE_HALTED && READ_ONCE(vcpu->x86.pv.unhalted))
		mp->mp_state = HV_MP_STATE_RUNNABLE;
	return 0;
}

long hv_set_mp_state(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_mp_state *mp = data;
	struct hv_vcpu_x86 *x = &vcpu->x86;

	switch (mp->mp_state) {
	case HV_MP_STATE_RUNNABLE:
		break;
	case HV_MP_STATE_UNINITIALIZED:
	case HV_MP_STATE_INIT_RECEIVED:
	case HV_MP_STATE_HALTED:
	case HV_MP_STATE_SIPI_RECEIVED:
		if (!x->lapic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	if (mp->mp_state == HV_MP_STATE_SIPI_RECEIVED) {
		/* INIT has been, and a SIPI waits: send it again. */
		const struct hv_apic_msg sipi = {
			.dest = vcpu->id,
			.vector = hv_lapic_sipi_vector(vcpu),
			.mode = HV_DM_SIPI,
			.assert = true,
		};

		WRITE_ONCE(x->mp_state, HV_MP_STATE_INIT_RECEIVED);
		hv_apic_deliver(vcpu->vm, NULL, &sipi);
		return 0;
	}
	WRITE_ONCE(x->mp_state, mp->mp_state);
	hv_req_set(vcpu, HV_REQ_EVENT);
	return 0;
}
