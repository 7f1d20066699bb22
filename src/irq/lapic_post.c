// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fixed interrupts on their way from a sender to the processor: posted by any context into
 * struct hv_posted, taken over into IRR by the vCPU's thread, chosen by priority (SDM 3A
 * 11.8).
 */
#include <linux/bitops.h>
#include <linux/preempt.h>
#include <hv/vcpu.h>
#include "lapic.h"

/* ---- any context ---- */

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
	 * 11.8.4). And what the sender wrote before it looks whether the vector is pending: if
	 * so, its handler is yet to come.
	 */
	smp_mb();
	if (apic_test_vector(apic, APIC_R_IRR, vector) ||
	    test_and_set_bit(vector, apic->posted.pir))
		return 0;
	/* Others count on the one who sets the bit, so it must not be scheduled away. */
	preempt_disable();
	if (!test_and_set_bit(HV_POSTED_ON, &apic->posted.control))
		hv_vcpu_kick(apic->vcpu);
	preempt_enable();
	return 1;
}

/* ---- the vCPU's own thread, or vcpu->mutex ---- */

/**
 * hv_lapic_sync() - move what has been posted into IRR
 * @apic: LAPIC
 */
void hv_lapic_sync(struct hv_lapic *apic)
{
	unsigned int i;
	u64 word;

	if (!test_bit(HV_POSTED_ON, &apic->posted.control))
		return;
	clear_bit(HV_POSTED_ON, &apic->posted.control);
	/* Who finds the bit clear sets it, and has set a request that may be missed below. */
	smp_mb__after_atomic();
	for (i = 0; i < ARRAY_SIZE(apic->posted.pir); i++) {
		if (!READ_ONCE(apic->posted.pir[i]))
			continue;
		word = xchg(&apic->posted.pir[i], 0);
		*apic_reg(apic, APIC_R_IRR + 2 * i) |= (u32)word;
		*apic_reg(apic, APIC_R_IRR + 2 * i + 1) |= word >> 32;
		apic->status_stale = true;
	}
}

/**
 * hv_lapic_forget_posted() - drop what nobody has taken over yet: reset, HV_SET_LAPIC
 * @apic: LAPIC
 */
void hv_lapic_forget_posted(struct hv_lapic *apic)
{
	unsigned int i;

	clear_bit(HV_POSTED_ON, &apic->posted.control);
	smp_mb__after_atomic(); /* as in hv_lapic_sync() */
	for (i = 0; i < ARRAY_SIZE(apic->posted.pir); i++)
		xchg(&apic->posted.pir[i], 0);
	apic->status_stale = true;
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
