// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fixed interrupts on their way from a sender to the processor: posted by any context into
 * struct hv_posted, taken over into IRR by the vCPU's thread, chosen by priority (SDM 3A
 * 11.8).
 */
#include <linux/bitops.h>
#include <linux/preempt.h>
#include <hv/backend.h>
#include <hv/vcpu.h>
#include "lapic.h"

/* ---- any context ---- */

/*
 * A level-triggered interrupt whose EOI the processor would not report yet: it waits for the
 * vCPU to exit, lest one that is notified of another interrupt takes this one too.
 */
static int hold(struct hv_lapic *apic, u8 vector)
{
	bool first;

	preempt_disable(); /* as in hv_lapic_post() */
	first = !test_and_set_bit(vector, apic->held);
	if (first) {
		set_bit(0, &apic->holding);
		hv_vcpu_request(apic->vcpu, HV_REQ_EVENT);
	}
	preempt_enable();
	return first;
}

/**
 * hv_lapic_post() - a fixed interrupt arrives
 * @apic: LAPIC
 * @vector: vector
 * @level: level-triggered
 *
 * Context: any.
 * Return: 1 taken, 0 was pending already, -1 refused: disabled, illegal vector.
 */
int hv_lapic_post(struct hv_lapic *apic, u8 vector, bool level)
{
	bool first;

	/* SDM 3A 11.4.7.2: software-disabled, only INIT, NMI, SMI and SIPI get through */
	if (!apic_hw_enabled(apic) || !apic_sw_enabled(apic))
		return -1;
	if (vector < APIC_MIN_VECTOR) {
		hv_lapic_error(apic, APIC_ESR_RECV_VECTOR);
		return -1;
	}
	if (apic_test_vector(apic, APIC_R_TMR, vector) != level) {
		if (level)
			apic_set_vector(apic, APIC_R_TMR, vector);
		else
			apic_clear_vector(apic, APIC_R_TMR, vector);
	}
	/*
	 * TMR before the request: whoever takes the vector finds its trigger mode (SDM 3A
	 * 11.8.4). TMR before the look at virtual and eoi_exits: pairs with
	 * hv_lapic_set_virtual() and update_eoi_exits(). And what the sender wrote before it
	 * looks whether the vector is pending: if so, its handler is yet to come.
	 */
	smp_mb();
	if (READ_ONCE(apic->virtual)) {
		if (level && !test_bit(vector, apic->eoi_exits))
			return hold(apic, vector);
	} else if (apic_test_vector(apic, APIC_R_IRR, vector)) {
		/* The processor's own IRR may be behind what its guest has already read. */
		return 0;
	}
	/* Others count on the one who sets a bit, so it must not be scheduled away then. */
	preempt_disable();
	first = !test_and_set_bit(vector, apic->posted.pir);
	if (first && !test_and_set_bit(HV_POSTED_ON, &apic->posted.control))
		hv_vcpu_notify(apic->vcpu);
	preempt_enable();
	return first;
}

/* ---- the vCPU's own thread, or vcpu->mutex ---- */

/* Move a bitmap that others add to into IRR; what was moved. */
static u64 take_over(struct hv_lapic *apic, unsigned long *map, unsigned int i)
{
	u64 word;

	if (!READ_ONCE(map[i]))
		return 0;
	word = xchg(&map[i], 0);
	*apic_reg(apic, APIC_R_IRR + 2 * i) |= (u32)word;
	*apic_reg(apic, APIC_R_IRR + 2 * i + 1) |= word >> 32;
	apic->status_stale = true;
	return word;
}

static void take_held(struct hv_lapic *apic)
{
	unsigned int i;
	u64 word;

	clear_bit(0, &apic->holding);
	smp_mb__after_atomic(); /* as in hv_lapic_sync() */
	for (i = 0; i < ARRAY_SIZE(apic->held); i++) {
		word = take_over(apic, apic->held, i);
		WRITE_ONCE(apic->eoi_exits[i], apic->eoi_exits[i] | word);
		apic->eoi_stale = true;
	}
}

/**
 * hv_lapic_sync() - move what has been posted into IRR
 * @apic: LAPIC
 */
void hv_lapic_sync(struct hv_lapic *apic)
{
	unsigned int i;

	if (unlikely(READ_ONCE(apic->holding)))
		take_held(apic);
	if (!test_bit(HV_POSTED_ON, &apic->posted.control))
		return;
	clear_bit(HV_POSTED_ON, &apic->posted.control);
	/* Who finds the bit clear sets it, and has set a request that may be missed below. */
	smp_mb__after_atomic();
	for (i = 0; i < ARRAY_SIZE(apic->posted.pir); i++)
		take_over(apic, apic->posted.pir, i);
}

/**
 * hv_lapic_sync_all() - the same, for a vCPU that may not be loaded
 * @apic: LAPIC
 *
 * An IOMMU that is told not to notify does not set HV_POSTED_ON.
 */
void hv_lapic_sync_all(struct hv_lapic *apic)
{
	set_bit(HV_POSTED_ON, &apic->posted.control);
	hv_lapic_sync(apic);
}

/**
 * hv_lapic_forget_posted() - drop what nobody has taken over yet: reset, HV_SET_LAPIC
 * @apic: LAPIC; ISR and IRR are about to be replaced, and TMR
 */
void hv_lapic_forget_posted(struct hv_lapic *apic)
{
	unsigned int i;

	clear_bit(0, &apic->holding);
	clear_bit(HV_POSTED_ON, &apic->posted.control);
	smp_mb__after_atomic(); /* as in hv_lapic_sync() */
	for (i = 0; i < ARRAY_SIZE(apic->posted.pir); i++) {
		xchg(&apic->held[i], 0);
		xchg(&apic->posted.pir[i], 0);
	}
	apic->status_stale = true;
	apic->tmr_changed = true;
}

/* Vectors in TMR, 64 at a time */
static u64 tmr_word(const struct hv_lapic *apic, unsigned int i)
{
	return READ_ONCE(*apic_reg(apic, APIC_R_TMR + 2 * i)) |
	       (u64)READ_ONCE(*apic_reg(apic, APIC_R_TMR + 2 * i + 1)) << 32;
}

/* The EOI of what is not level-triggered any more need not exit. */
static void update_eoi_exits(struct hv_lapic *apic)
{
	unsigned int i;

	apic->tmr_changed = false;
	for (i = 0; i < ARRAY_SIZE(apic->eoi_exits); i++)
		WRITE_ONCE(apic->eoi_exits[i], tmr_word(apic, i));
	/* A sender that found a bit still set had set it in TMR before. */
	smp_mb();
	for (i = 0; i < ARRAY_SIZE(apic->eoi_exits); i++)
		WRITE_ONCE(apic->eoi_exits[i], apic->eoi_exits[i] | tmr_word(apic, i));
	apic->eoi_stale = true;
}

/**
 * hv_lapic_pending() - the interrupt to deliver next
 * @vcpu: vCPU, by its own thread
 *
 * A software-disabled LAPIC still delivers what it has accepted before (SDM 3A 11.4.7.2).
 *
 * Context: any, interrupts on or off.
 * Return: vector, -1 if there is none or its class isn't above the processor priority.
 */
int hv_lapic_pending(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	int vector, isrv;

	hv_lapic_sync(apic);
	vector = apic_highest(apic_reg(apic, APIC_R_IRR));
	if (vector < 0 || !apic_hw_enabled(apic))
		return -1;
	isrv = apic_highest(apic_reg(apic, APIC_R_ISR));
	if ((vector & 0xf0) <= (apic_ppr(*apic_reg(apic, APIC_R_TPR), isrv) & 0xf0))
		return -1;
	return vector;
}

/**
 * hv_lapic_accept() - the processor takes an interrupt
 * @vcpu: vCPU, by its own thread
 * @vector: from hv_lapic_pending(); from there on it cannot vanish, so that no spurious
 *	interrupt arises
 *
 * Context: any, interrupts on or off.
 */
void hv_lapic_accept(struct hv_vcpu *vcpu, int vector)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	/* Locked: a sender that still finds it in IRR is served by the handler to come. */
	apic_clear_vector(apic, APIC_R_IRR, vector);
	apic_set_vector(apic, APIC_R_ISR, vector);
	apic->status_stale = true;
}

/* ---- for a processor that works on the registers by itself ---- */

/**
 * hv_lapic_is_xapic() - enabled, in xAPIC mode
 * @vcpu: vCPU; any context
 */
bool hv_lapic_is_xapic(struct hv_vcpu *vcpu)
{
	return vcpu->x86.lapic && READ_ONCE(vcpu->x86.lapic->addr.mode) == APIC_XAPIC;
}

/**
 * hv_lapic_is_x2apic() - enabled, in x2APIC mode
 * @vcpu: vCPU; any context
 */
bool hv_lapic_is_x2apic(struct hv_vcpu *vcpu)
{
	return vcpu->x86.lapic && apic_x2apic(vcpu->x86.lapic);
}

/**
 * hv_lapic_regs() - the page of registers
 * @vcpu: vCPU with a LAPIC
 */
void *hv_lapic_regs(struct hv_vcpu *vcpu)
{
	return vcpu->x86.lapic->regs;
}

/**
 * hv_lapic_posted() - the mailbox
 * @vcpu: vCPU with a LAPIC
 */
struct hv_posted *hv_lapic_posted(struct hv_vcpu *vcpu)
{
	return &vcpu->x86.lapic->posted;
}

/**
 * hv_lapic_iommu_posts() - the backend keeps the mailbox as an IOMMU wants it
 * @vcpu: new vCPU with a LAPIC, not visible yet
 *
 * Notification vector and destination follow the vCPU, and notifications are suppressed while it
 * is not loaded.
 */
void hv_lapic_iommu_posts(struct hv_vcpu *vcpu)
{
	vcpu->x86.lapic->iommu_posts = true;
}

/**
 * hv_lapic_virtual() - does the processor deliver interrupts and take EOIs by itself?
 * @vcpu: vCPU with a LAPIC, by its own thread
 */
bool hv_lapic_virtual(struct hv_vcpu *vcpu)
{
	return vcpu->x86.lapic->virtual;
}

/**
 * hv_lapic_set_virtual() - the processor begins, or ceases, to deliver interrupts by itself
 * @vcpu: vCPU with a LAPIC, by its own thread
 * @on: it does
 */
void hv_lapic_set_virtual(struct hv_vcpu *vcpu, bool on)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	WRITE_ONCE(apic->virtual, on);
	/* A sender that has not seen this has set TMR before. */
	smp_mb();
	apic->status_stale = true;
	apic->tmr_changed = true;
}

/**
 * hv_lapic_quiet() - is there nothing for an entry to do?
 * @vcpu: vCPU with a LAPIC, by its own thread
 *
 * Context: as hv_lapic_before_entry().
 * Return: true: hv_lapic_before_entry() would find nothing, and hv has nothing to inject.
 */
bool hv_lapic_quiet(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	if (READ_ONCE(apic->holding) || test_bit(HV_POSTED_ON, &apic->posted.control))
		return false;
	if (apic->virtual)
		return !apic->tmr_changed && !apic->status_stale && !apic->eoi_stale;
	return apic_highest(apic_reg(apic, APIC_R_IRR)) < 0;
}

/**
 * hv_lapic_before_entry() - take over what has been posted; what must the backend follow?
 * @vcpu: vCPU with a LAPIC, by its own thread
 *
 * Context: interrupts off, vcpu->mode is IN_GUEST: who posts later, notifies.
 * Return: HV_UPDATE_IRQ_STATUS, HV_UPDATE_EOI_EXITS.
 */
unsigned int hv_lapic_before_entry(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	unsigned int what = 0;

	hv_lapic_sync(apic);
	if (!apic->virtual)
		return 0;
	if (unlikely(apic->tmr_changed))
		update_eoi_exits(apic);
	if (apic->status_stale)
		what |= HV_UPDATE_IRQ_STATUS;
	if (apic->eoi_stale)
		what |= HV_UPDATE_EOI_EXITS;
	apic->status_stale = false;
	apic->eoi_stale = false;
	return what;
}

/**
 * hv_lapic_status() - highest vectors in IRR and ISR
 * @vcpu: vCPU with a LAPIC, by its own thread
 *
 * Return: IRR's in bits 7:0, ISR's in bits 15:8; 0 for none (SDM 3C 24.4.2, guest interrupt
 * status).
 */
u16 hv_lapic_status(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	int irr = apic_highest(apic_reg(apic, APIC_R_IRR));
	int isr = apic_highest(apic_reg(apic, APIC_R_ISR));

	return max(irr, 0) | max(isr, 0) << 8;
}

/**
 * hv_lapic_eoi_exits() - vectors whose EOI must exit
 * @vcpu: vCPU with a LAPIC, by its own thread
 */
const unsigned long *hv_lapic_eoi_exits(struct hv_vcpu *vcpu)
{
	return vcpu->x86.lapic->eoi_exits;
}

/**
 * hv_lapic_eoi_exit() - the processor has taken an EOI that hv_lapic_eoi_exits() names
 * @vcpu: vCPU with a LAPIC, by its own thread
 * @vector: vector; ISR does not have it any more
 */
void hv_lapic_eoi_exit(struct hv_vcpu *vcpu, u8 vector)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	if (apic_test_vector(apic, APIC_R_TMR, vector))
		hv_irq_eoi(vcpu, vector);
	else
		apic->tmr_changed = true;
}

/**
 * hv_lapic_tpr_threshold() - from which TPR on would an interrupt be delivered that is not now?
 * @vcpu: vCPU with a LAPIC, by its own thread
 *
 * Return: priority class of an interrupt that only TPR holds back; 0: there is none.
 */
unsigned int hv_lapic_tpr_threshold(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	int vector = apic_highest(apic_reg(apic, APIC_R_IRR));
	int class = vector >> 4;
	int isrv;

	if (vector < 0 || !apic_hw_enabled(apic))
		return 0;
	isrv = apic_highest(apic_reg(apic, APIC_R_ISR));
	if ((isrv >= 0 && isrv >> 4 >= class) || (int)(*apic_reg(apic, APIC_R_TPR) >> 4) < class)
		return 0;
	return class;
}
