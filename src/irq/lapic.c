// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: registers, acceptance of interrupts, IPIs, INIT and SIPI (SDM 3A
 * chapter 11).
 */
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/apicdef.h>
#include <hv/backend.h>
#include <hv/regs.h>
#include "lapic.h"

/* Version 0x14, six LVT entries, no suppression of EOI broadcasts (SDM 3A 11.4.8) */
#define APIC_VERSION_VALUE	(0x14 | (APIC_NR_LVT - 1) << 16)

/* ICR bits that can be written: xAPIC (SDM 3A 11.6.1), x2APIC 11.12.9 */
#define APIC_ICR_LOW_VALID	0x000ccfffU

/* CPUID.01H:ECX (SDM 2A, CPUID) */
#define CPUID_1_ECX_X2APIC	21
#define CPUID_1_ECX_DEADLINE	24

#define APIC_REG_R	BIT(0)	/* readable */
#define APIC_REG_W	BIT(1)	/* writable */
#define APIC_REG_NO_X1	BIT(2)	/* not in the xAPIC page */
#define APIC_REG_NO_X2	BIT(3)	/* no MSR */
#define APIC_REG_RW	(APIC_REG_R | APIC_REG_W)

/**
 * struct apic_reg_info - what can be done with a register
 * @flags: APIC_REG_*
 * @valid: bits that can be written; others are ignored in the page, #GP as MSR
 */
struct apic_reg_info {
	u8 flags;
	u32 valid;
};

/* SDM 3A tables 11-1 and 11-6 */
static const struct apic_reg_info apic_regs[APIC_NR_REGS] = {
	[APIC_R_ID] = { APIC_REG_R },
	[APIC_R_VERSION] = { APIC_REG_R },
	[APIC_R_TPR] = { APIC_REG_RW, 0xff },
	[APIC_R_PPR] = { APIC_REG_R },
	[APIC_R_EOI] = { APIC_REG_W, 0 },
	[APIC_R_LDR] = { APIC_REG_RW, 0xff000000 },
	[APIC_R_DFR] = { APIC_REG_RW | APIC_REG_NO_X2, 0xf0000000 },
	[APIC_R_SVR] = { APIC_REG_RW, 0x3ff },
	[APIC_R_ISR ... APIC_R_ISR + 7] = { APIC_REG_R },
	[APIC_R_TMR ... APIC_R_TMR + 7] = { APIC_REG_R },
	[APIC_R_IRR ... APIC_R_IRR + 7] = { APIC_REG_R },
	[APIC_R_ESR] = { APIC_REG_RW, 0 },
	[APIC_R_ICR] = { APIC_REG_RW, APIC_ICR_LOW_VALID },
	[APIC_R_ICR2] = { APIC_REG_RW | APIC_REG_NO_X2, 0xff000000 },
	/* Bit 18 only with TSC-deadline mode: apic_valid_bits() */
	[APIC_R_LVT_TIMER] = { APIC_REG_RW, 0x000700ff },
	[APIC_R_LVT_THERMAL] = { APIC_REG_RW, 0x000107ff },
	[APIC_R_LVT_PERF] = { APIC_REG_RW, 0x000107ff },
	[APIC_R_LVT_LINT0] = { APIC_REG_RW, 0x0001a7ff },
	[APIC_R_LVT_LINT1] = { APIC_REG_RW, 0x0001a7ff },
	[APIC_R_LVT_ERROR] = { APIC_REG_RW, 0x000100ff },
	[APIC_R_TMICT] = { APIC_REG_RW, 0xffffffff },
	[APIC_R_TMCCT] = { APIC_REG_R },
	[APIC_R_DCR] = { APIC_REG_RW, 0xb },
	[APIC_R_SELF_IPI] = { APIC_REG_W | APIC_REG_NO_X1, 0xff },
};

/* ---- acceptance: any context ---- */

/**
 * hv_lapic_deliver_lvt() - a local interrupt source fires
 * @apic: LAPIC
 * @entry: its LVT entry, APIC_LVT()
 *
 * Context: any.
 */
void hv_lapic_deliver_lvt(struct hv_lapic *apic, unsigned int entry)
{
	u32 lvt = READ_ONCE(apic->lvt[entry]);
	/* The timer's and the error entry have no delivery mode: their bits are 0, fixed. */
	unsigned int mode = APIC_LVT_MODE(lvt);

	if ((lvt & APIC_LVT_MASK) || !apic_hw_enabled(apic))
		return;
	if (mode == HV_DM_NMI)
		hv_queue_nmi(apic->vcpu);
	else if (mode == HV_DM_FIXED)
		hv_lapic_post(apic, lvt & 0xff, false);
}

/**
 * hv_lapic_error() - record an error
 * @apic: LAPIC
 * @bit: APIC_ESR_*
 *
 * The first since the last write of ESR interrupts (SDM 3A 11.5.3).
 *
 * Context: any.
 */
void hv_lapic_error(struct hv_lapic *apic, unsigned int bit)
{
	u32 lvt = READ_ONCE(apic->lvt[APIC_LVT(APIC_R_LVT_ERROR)]);
	bool armed = !READ_ONCE(apic->errors);

	if (test_and_set_bit(bit, &apic->errors) || !armed)
		return;
	/* An illegal vector in the error entry itself ends here. */
	if ((lvt & 0xff) >= APIC_MIN_VECTOR)
		hv_lapic_deliver_lvt(apic, APIC_LVT(APIC_R_LVT_ERROR));
}

static int apic_receive_init(struct hv_lapic *apic)
{
	/* A SIPI from before is void (SDM 3A 9.4.3) */
	clear_bit(APIC_EVENT_SIPI, &apic->events);
	smp_mb__after_atomic(); /* a SIPI that comes later stays */
	set_bit(APIC_EVENT_INIT, &apic->events);
	hv_vcpu_request(apic->vcpu, HV_REQ_EVENT);
	return 1;
}

static int apic_receive_sipi(struct hv_lapic *apic, u8 vector)
{
	WRITE_ONCE(apic->sipi_vector, vector);
	smp_wmb(); /* pairs with test_and_clear_bit() in hv_lapic_do_init_sipi() */
	set_bit(APIC_EVENT_SIPI, &apic->events);
	hv_vcpu_request(apic->vcpu, HV_REQ_EVENT);
	return 1;
}

/**
 * hv_lapic_receive() - a message that names this LAPIC has arrived
 * @apic: LAPIC
 * @msg: message
 *
 * Context: any.
 * Return: 1 taken, 0 was pending already, -1 refused: disabled, illegal vector, a mode that
 * no processor here takes (SMI, ExtINT).
 */
int hv_lapic_receive(struct hv_lapic *apic, const struct hv_apic_msg *msg)
{
	switch (msg->mode) {
	case HV_DM_FIXED:
	case HV_DM_LOWEST:
		return hv_lapic_post(apic, msg->vector, msg->level);
	case HV_DM_NMI:
		hv_queue_nmi(apic->vcpu);
		return 1;
	case HV_DM_INIT:
		/* De-assert only sets arbitration ids of old processors (SDM 3A 11.6.1) */
		return msg->level && !msg->assert ? -1 : apic_receive_init(apic);
	case HV_DM_SIPI:
		return apic_receive_sipi(apic, msg->vector);
	default:
		return -1;
	}
}

/* ---- delivery to the processor: own thread ---- */

/**
 * hv_lapic_accepts_extint() - LINT0 is where the PIC's interrupts get in
 * @vcpu: vCPU with a LAPIC
 *
 * A hardware-disabled LAPIC passes its pins through (SDM 3A 11.4.3). A software-disabled
 * one has its LVT masked, except as it comes out of reset, see hv_lapic_reset().
 *
 * Context: any.
 */
bool hv_lapic_accepts_extint(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	u32 lvt = READ_ONCE(apic->lvt[APIC_LVT(APIC_R_LVT_LINT0)]);

	if (!apic_hw_enabled(apic))
		return true;
	return !(lvt & APIC_LVT_MASK) && APIC_LVT_MODE(lvt) == HV_DM_EXTINT;
}

/**
 * hv_lapic_lint0() - LINT0 rises
 * @vcpu: vCPU with a LAPIC
 *
 * An ExtINT is asked for at the next entry. In the other modes of LVT0 the edge is what
 * interrupts (SDM 3A 11.5.1).
 *
 * Context: any.
 */
void hv_lapic_lint0(struct hv_vcpu *vcpu)
{
	if (hv_lapic_accepts_extint(vcpu))
		hv_vcpu_request(vcpu, HV_REQ_EVENT);
	else
		hv_lapic_deliver_lvt(vcpu->x86.lapic, APIC_LVT(APIC_R_LVT_LINT0));
}

static void apic_eoi(struct hv_lapic *apic)
{
	int vector = apic_highest(apic_reg(apic, APIC_R_ISR));

	if (vector < 0)
		return;
	apic_clear_vector(apic, APIC_R_ISR, vector);
	apic->status_stale = true;
	if (apic_test_vector(apic, APIC_R_TMR, vector))
		hv_irq_eoi(apic->vcpu, vector);
}

/**
 * hv_lapic_eoi() - EOI: the interrupt of the highest priority in service has been handled
 * @vcpu: vCPU with a LAPIC, by its own thread
 *
 * Context: vcpu->mutex held.
 */
void hv_lapic_eoi(struct hv_vcpu *vcpu)
{
	apic_eoi(vcpu->x86.lapic);
}

/**
 * hv_lapic_eoi_is_private() - could the next EOI come late without anyone noticing?
 * @vcpu: vCPU with a LAPIC, by its own thread
 *
 * One interrupt is in service and it was edge-triggered, so that no IOAPIC waits; and no
 * other one is pending.
 *
 * Context: any.
 */
bool hv_lapic_eoi_is_private(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	int vector = apic_highest(apic_reg(apic, APIC_R_ISR));
	unsigned int i, in_service = 0;

	if (vector < 0 || apic_test_vector(apic, APIC_R_TMR, vector) ||
	    apic_highest(apic_reg(apic, APIC_R_IRR)) >= 0)
		return false;
	for (i = 0; i < APIC_VECTOR_WORDS; i++)
		in_service += hweight32(*apic_reg(apic, APIC_R_ISR + i));
	return in_service == 1;
}

/**
 * hv_lapic_get_tpr() - CR8
 * @vcpu: vCPU with the mutex held
 *
 * Return: task priority class, 0..15.
 */
u64 hv_lapic_get_tpr(struct hv_vcpu *vcpu)
{
	return *apic_reg(vcpu->x86.lapic, APIC_R_TPR) >> 4;
}

/**
 * hv_lapic_set_tpr() - write CR8
 * @vcpu: vCPU with the mutex held
 * @cr8: 0..15; the sub-class becomes 0 (SDM 3A 11.8.6)
 */
void hv_lapic_set_tpr(struct hv_vcpu *vcpu, u64 cr8)
{
	WRITE_ONCE(*apic_reg(vcpu->x86.lapic, APIC_R_TPR), (cr8 & 0xf) << 4);
}

/**
 * hv_lapic_tpr_subclass() - does TPR have a sub-class, which CR8 has not?
 * @vcpu: vCPU with a LAPIC, by its own thread
 *
 * Return: bits 3:0 of TPR are not 0 (SDM 3A 11.8.3.1).
 */
bool hv_lapic_tpr_subclass(struct hv_vcpu *vcpu)
{
	return *apic_reg(vcpu->x86.lapic, APIC_R_TPR) & 0xf;
}

/* ---- interprocessor interrupts ---- */

static void apic_send(struct hv_lapic *apic, u64 icr)
{
	struct hv_apic_msg msg = {
		.dest = apic_x2apic(apic) ? icr >> 32 : icr >> 56,
		.vector = icr,
		.mode = icr >> 8 & 7,
		.shorthand = icr >> 18 & 3,
		.logical = icr & BIT(11),
		.assert = icr & BIT(14),
	};

	/* IPIs are edge-triggered; only INIT looks at the level (SDM 3A 11.6.1) */
	if (msg.mode == HV_DM_INIT)
		msg.level = icr & BIT(15);
	if ((msg.mode == HV_DM_FIXED || msg.mode == HV_DM_LOWEST) &&
	    msg.vector < APIC_MIN_VECTOR) {
		hv_lapic_error(apic, APIC_ESR_SEND_VECTOR);
		return;
	}
	if (msg.mode == HV_DM_EXTINT)
		return;
	hv_apic_deliver(apic->vcpu->vm, apic->vcpu, &msg);
}

/* ---- registers: own thread or vcpu->mutex ---- */

/*
 * The ICR: 64 bits at its place for the processor's RDMSR in x2APIC mode (SDM 3C 29.5), two
 * registers otherwise.
 */
static u64 apic_icr(struct hv_lapic *apic)
{
	const u32 *low = apic_reg(apic, APIC_R_ICR);

	return *low | (u64)(apic_x2apic(apic) ? low[1] : *apic_reg(apic, APIC_R_ICR2)) << 32;
}

static void apic_set_icr(struct hv_lapic *apic, u64 icr)
{
	u32 *low = apic_reg(apic, APIC_R_ICR);
	bool x2apic = apic_x2apic(apic);

	low[0] = icr;
	low[1] = x2apic ? icr >> 32 : 0;
	*apic_reg(apic, APIC_R_ICR2) = x2apic ? 0 : icr >> 32;
}

static u32 apic_read(struct hv_lapic *apic, unsigned int reg)
{
	switch (reg) {
	case APIC_R_ID:
		return apic_x2apic(apic) ? apic->addr.id : apic->addr.id << 24;
	case APIC_R_VERSION:
		return APIC_VERSION_VALUE;
	case APIC_R_PPR:
		return apic_ppr(*apic_reg(apic, APIC_R_TPR),
				apic_highest(apic_reg(apic, APIC_R_ISR)));
	case APIC_R_LDR:
		return apic->addr.ldr;
	case APIC_R_DFR:
		return apic->addr.dfr;
	case APIC_R_SVR:
		return apic->svr;
	case APIC_R_ICR2:
		return apic_icr(apic) >> 32;
	case APIC_R_IRR ... APIC_R_IRR + 7:
		hv_lapic_sync(apic);
		fallthrough;
	case APIC_R_TPR:
	case APIC_R_ISR ... APIC_R_ISR + 7:
	case APIC_R_TMR ... APIC_R_TMR + 7:
	case APIC_R_ESR:
	case APIC_R_ICR:
		return READ_ONCE(*apic_reg(apic, reg));
	case APIC_R_LVT_TIMER ... APIC_R_LVT_ERROR:
		return apic->lvt[APIC_LVT(reg)];
	case APIC_R_TMICT:
		return apic->timer.initial;
	case APIC_R_TMCCT:
		return hv_lapic_timer_count(apic);
	case APIC_R_DCR:
		return apic->timer.dcr;
	default:
		return 0;
	}
}

/* Registers that live elsewhere: the page has a copy, for guests that read it by themselves. */
static void apic_show(struct hv_lapic *apic, unsigned int reg)
{
	WRITE_ONCE(*apic_reg(apic, reg), apic_read(apic, reg));
}

static void apic_show_all(struct hv_lapic *apic)
{
	static const u8 regs[] = {
		APIC_R_ID, APIC_R_VERSION, APIC_R_LDR, APIC_R_DFR, APIC_R_SVR, APIC_R_LVT_TIMER,
		APIC_R_LVT_THERMAL, APIC_R_LVT_PERF, APIC_R_LVT_LINT0, APIC_R_LVT_LINT1,
		APIC_R_LVT_ERROR, APIC_R_TMICT, APIC_R_DCR,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		apic_show(apic, regs[i]);
}

/* An LVT entry is masked as long as the LAPIC is software-disabled (SDM 3A 11.4.7.2). */
static void apic_write_lvt(struct hv_lapic *apic, unsigned int reg, u32 val)
{
	if (!apic_sw_enabled(apic))
		val |= APIC_LVT_MASK;
	if (reg == APIC_R_LVT_TIMER)
		hv_lapic_timer_set_mode(apic, val);
	else
		WRITE_ONCE(apic->lvt[APIC_LVT(reg)], val);
}

static void apic_write_svr(struct hv_lapic *apic, u32 val)
{
	int reg;

	WRITE_ONCE(apic->svr, val);
	hv_post_refresh(apic->vcpu->vm);
	if (val & APIC_SVR_ENABLE)
		return;
	for (reg = APIC_R_LVT_TIMER; reg <= APIC_R_LVT_ERROR; reg++)
		apic_write_lvt(apic, reg, apic->lvt[APIC_LVT(reg)]);
}

/* Reserved bits of @val are 0. The ICR as MSR has 64 bits and is not written here. */
static void apic_write(struct hv_lapic *apic, unsigned int reg, u32 val)
{
	switch (reg) {
	case APIC_R_TPR:
		WRITE_ONCE(*apic_reg(apic, APIC_R_TPR), val);
		return;
	case APIC_R_EOI:
		apic_eoi(apic);
		return;
	case APIC_R_LDR:
		WRITE_ONCE(apic->addr.ldr, val);
		hv_post_refresh(apic->vcpu->vm);
		break;
	case APIC_R_DFR:
		WRITE_ONCE(apic->addr.dfr, val | 0x0fffffff);
		hv_post_refresh(apic->vcpu->vm);
		break;
	case APIC_R_SVR:
		apic_write_svr(apic, val);
		break;
	case APIC_R_ESR:
		/* A write shows what was recorded since the last one (SDM 3A 11.5.3) */
		*apic_reg(apic, APIC_R_ESR) = xchg(&apic->errors, 0);
		return;
	case APIC_R_ICR:
		*apic_reg(apic, APIC_R_ICR) = val;
		apic_send(apic, apic_icr(apic));
		return;
	case APIC_R_ICR2:
		*apic_reg(apic, APIC_R_ICR2) = val;
		return;
	case APIC_R_LVT_TIMER ... APIC_R_LVT_ERROR:
		apic_write_lvt(apic, reg, val);
		break;
	case APIC_R_TMICT:
		hv_lapic_timer_set_count(apic, val, val);
		break;
	case APIC_R_DCR:
		hv_lapic_timer_set_dcr(apic, val);
		break;
	case APIC_R_SELF_IPI:
		/* Self, fixed, edge (SDM 3A 11.12.11) */
		apic_send(apic, 1 << 18 | val);
		return;
	}
	/* These two change others. */
	if (reg == APIC_R_SVR || reg == APIC_R_LVT_TIMER)
		apic_show_all(apic);
	else
		apic_show(apic, reg);
}

static u32 apic_valid_bits(struct hv_lapic *apic, unsigned int reg)
{
	u32 valid = apic_regs[reg].valid;

	if (reg == APIC_R_LVT_TIMER &&
	    !hv_cpuid_has(apic->vcpu, 1, 0, 2, CPUID_1_ECX_DEADLINE))
		valid &= ~BIT(18);
	return valid;
}

/**
 * hv_lapic_msr_read() - RDMSR 0x800..0x8ff
 * @vcpu: vCPU with the mutex held
 * @msr: MSR
 * @val: filled in
 *
 * Return: 0, or 1: #GP: not in x2APIC mode, no such register, write-only.
 */
int hv_lapic_msr_read(struct hv_vcpu *vcpu, u32 msr, u64 *val)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	unsigned int reg = msr - APIC_BASE_MSR;

	if (!apic || !apic_x2apic(apic) || reg >= APIC_NR_REGS)
		return 1;
	if (!(apic_regs[reg].flags & APIC_REG_R) || (apic_regs[reg].flags & APIC_REG_NO_X2))
		return 1;
	*val = reg == APIC_R_ICR ? apic_icr(apic) : apic_read(apic, reg);
	return 0;
}

/**
 * hv_lapic_msr_write() - WRMSR 0x800..0x8ff
 * @vcpu: vCPU with the mutex held
 * @msr: MSR
 * @val: value
 *
 * Return: 0, or 1: #GP: not in x2APIC mode, no such register, read-only, reserved bits
 * (SDM 3A 11.12.1.3).
 */
int hv_lapic_msr_write(struct hv_vcpu *vcpu, u32 msr, u64 val)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	unsigned int reg = msr - APIC_BASE_MSR;

	if (!apic || !apic_x2apic(apic) || reg >= APIC_NR_REGS)
		return 1;
	if (!(apic_regs[reg].flags & APIC_REG_W) || (apic_regs[reg].flags & APIC_REG_NO_X2))
		return 1;
	/* Derived from the id (SDM 3A 11.12.10.2) */
	if (reg == APIC_R_LDR)
		return 1;
	if (reg == APIC_R_ICR) {
		/* Delivery status is gone; processors ignore the bit */
		val &= ~(u64)APIC_ICR_BUSY;
		if ((u32)val & ~APIC_ICR_LOW_VALID)
			return 1;
		apic_set_icr(apic, val);
		apic_send(apic, val);
		return 0;
	}
	if (val & ~(u64)apic_valid_bits(apic, reg))
		return 1;
	apic_write(apic, reg, val);
	return 0;
}

/**
 * hv_lapic_page_readable() - may an x2APIC read of a register come from the page?
 * @reg: MSR number - 0x800
 *
 * Return: false: it is computed, or #GP.
 */
bool hv_lapic_page_readable(unsigned int reg)
{
	u8 flags = apic_regs[reg].flags;

	return (flags & APIC_REG_R) && !(flags & APIC_REG_NO_X2) && reg != APIC_R_TMCCT;
}

/* Reserved addresses are errors; the wrong direction is not (SDM 3A 11.5.3) */
static bool apic_page_reg(struct hv_lapic *apic, unsigned int reg, u8 right)
{
	u8 flags = reg < APIC_NR_REGS ? apic_regs[reg].flags : 0;

	if (!flags || (flags & APIC_REG_NO_X1)) {
		hv_lapic_error(apic, APIC_ESR_REGISTER);
		return false;
	}
	return flags & right;
}

/* Reads may be smaller than a register, but not touch two (SDM 3A 11.4.1). */
static void apic_page_read(struct hv_lapic *apic, unsigned int off, unsigned int len, void *data)
{
	unsigned int reg = off >> 4;
	u32 val;

	memset(data, 0, len);
	if ((off & 0xf) + len > sizeof(val))
		return;
	if (!apic_page_reg(apic, reg, APIC_REG_R))
		return;
	val = apic_read(apic, reg) >> ((off & 0xf) * 8);
	memcpy(data, &val, len);
}

static void apic_page_write(struct hv_lapic *apic, unsigned int off, unsigned int len,
			    const void *data)
{
	unsigned int reg = off >> 4;
	u32 val;

	if ((off & 0xf) || len != sizeof(val))
		return;
	/* The id is read-only, as processors may have it (SDM 3A 11.4.6) */
	if (!apic_page_reg(apic, reg, APIC_REG_W))
		return;
	memcpy(&val, data, sizeof(val));
	apic_write(apic, reg, val & apic_valid_bits(apic, reg));
}

/**
 * hv_lapic_written() - the guest has written a register in the page
 * @vcpu: vCPU, by its own thread
 * @offset: where; the value is there, reserved bits and all
 *
 * A register that has only a copy there gets it back.
 */
void hv_lapic_written(struct hv_vcpu *vcpu, unsigned int offset)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	unsigned int reg = offset >> 4;
	u32 val;

	if (reg >= APIC_NR_REGS)
		return;
	val = *apic_reg(apic, reg);
	if (reg == APIC_R_SELF_IPI && apic_x2apic(apic))
		apic_write(apic, reg, val & apic_regs[reg].valid);
	else if (apic_page_reg(apic, reg, APIC_REG_W))
		apic_write(apic, reg, val & apic_valid_bits(apic, reg));
	else
		apic_show(apic, reg);
}

/**
 * hv_lapic_mmio() - an access to the register page
 * @vcpu: vCPU, by its own thread
 * @gpa: guest-physical address
 * @len: bytes
 * @data: read from or filled in
 * @write: direction
 *
 * While the page is switched off (LAPIC disabled or in x2APIC mode) it reads as ones
 * (HV_X86_QUIRK_LAPIC_MMIO_HOLE).
 *
 * Return: false if the address is elsewhere.
 */
bool hv_lapic_mmio(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	u64 off = gpa - (vcpu->x86.apic_base & PAGE_MASK);

	if (!apic || off >= PAGE_SIZE)
		return false;
	if (apic->addr.mode != APIC_XAPIC) {
		if (!write)
			memset(data, 0xff, len);
	} else if (write) {
		apic_page_write(apic, off, len, data);
	} else {
		apic_page_read(apic, off, len, data);
	}
	return true;
}

/**
 * hv_irq_mmio() - an access to one of the controllers in the kernel
 * @vcpu: vCPU, by its own thread
 * @gpa: guest-physical address
 * @len: bytes, not crossing a page
 * @data: read from or filled in
 * @write: direction
 *
 * Return: true if it was one.
 */
bool hv_irq_mmio(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write)
{
	return hv_lapic_mmio(vcpu, gpa, len, data, write) ||
	       hv_ioapic_mmio(vcpu->vm, gpa, len, data, write);
}

/* ---- mode, reset, state ---- */

static void apic_set_mode(struct hv_lapic *apic, enum apic_mode mode)
{
	u64 icr = apic_icr(apic);

	if (mode == APIC_X2APIC)
		WRITE_ONCE(apic->addr.ldr, apic_x2apic_ldr(apic->addr.id));
	else if (apic_x2apic(apic))
		WRITE_ONCE(apic->addr.ldr, 0);
	WRITE_ONCE(apic->addr.mode, mode);
	hv_post_refresh(apic->vcpu->vm);
	apic_set_icr(apic, icr);
	apic_show_all(apic);
	hv_req_set(apic->vcpu, HV_REQ_APIC);
}

/* Registers as after power-up; after INIT too, but for the id (SDM 3A 11.4.7.1, 11.4.7.3) */
static void apic_reset_regs(struct hv_lapic *apic)
{
	struct hv_vcpu *vcpu = apic->vcpu;
	int i;

	hv_lapic_timer_stop(apic);
	for (i = 0; i < APIC_NR_LVT; i++)
		WRITE_ONCE(apic->lvt[i], APIC_LVT_MASK);
	/*
	 * KVM's deviation that guests without firmware and IOAPIC rely on: the PIC reaches
	 * the boot CPU though the LAPIC is not enabled (HV_X86_QUIRK_LINT0_REENABLED).
	 */
	if (vcpu->id == vcpu->vm->boot_vcpu_id)
		apic->lvt[APIC_LVT(APIC_R_LVT_LINT0)] = HV_DM_EXTINT << 8;
	apic->timer.dcr = 0;
	WRITE_ONCE(apic->svr, 0xff);
	WRITE_ONCE(apic->addr.dfr, 0xffffffff);
	WRITE_ONCE(apic->addr.ldr, 0);
	WRITE_ONCE(apic->errors, 0);
	/* Devices first: what they post from here on would survive. */
	hv_post_refresh(vcpu->vm);
	hv_lapic_forget_posted(apic);
	/* TPR, ISR, TMR, IRR, ESR, ICR; the caller fills in what is not 0 */
	memset(apic->regs, 0, PAGE_SIZE);
}

/**
 * hv_lapic_reset() - reset
 * @vcpu: vCPU with the mutex held
 * @init: by INIT, which keeps IA32_APIC_BASE and so the mode; else power-up
 */
void hv_lapic_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	apic_reset_regs(apic);
	if (!init) {
		vcpu->x86.apic_base = APIC_DEFAULT_PHYS_BASE | APIC_BASE_EN;
		if (vcpu->id == vcpu->vm->boot_vcpu_id)
			vcpu->x86.apic_base |= APIC_BASE_BSP;
		WRITE_ONCE(apic->events, 0);
		WRITE_ONCE(apic->sipi_vector, 0);
	}
	apic_set_mode(apic, apic_base_mode(vcpu->x86.apic_base));
}

/**
 * hv_lapic_set_base() - write IA32_APIC_BASE
 * @vcpu: vCPU with the mutex held; it may have no LAPIC in the kernel
 * @val: value
 * @host: by the VMM: any valid mode may follow any other
 *
 * Return: 0, or 1: #GP: reserved bits, x2APIC mode without its CPUID bit, a change that
 * SDM 3A 11.12.5 forbids.
 */
int hv_lapic_set_base(struct hv_vcpu *vcpu, u64 val, bool host)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	enum apic_mode old = apic_base_mode(vcpu->x86.apic_base), new = apic_base_mode(val);
	bool moved = (vcpu->x86.apic_base ^ val) & PAGE_MASK;

	if (new == APIC_INVALID || (val & APIC_BASE_LOW_RESERVED) || val >> 52)
		return 1;
	if (!host) {
		if (val >> vcpu->x86.maxphyaddr || !apic_mode_change_valid(old, new))
			return 1;
		if (new == APIC_X2APIC && !hv_cpuid_has(vcpu, 1, 0, 2, CPUID_1_ECX_X2APIC))
			return 1;
	}
	WRITE_ONCE(vcpu->x86.apic_base, val);
	if (!apic)
		return 0;
	/* A processor that serves accesses to the page does so at the usual place only. */
	if (moved)
		hv_req_set(vcpu, HV_REQ_APIC);
	if (old == new)
		return 0;
	/* Disabling may lose all state (SDM 3A 11.4.3); so it does, but not if the VMM does it. */
	if (new == APIC_DISABLED && !host)
		apic_reset_regs(apic);
	apic_set_mode(apic, new);
	hv_req_set(vcpu, HV_REQ_EVENT);
	return 0;
}

static void state_set(struct hv_lapic_state *s, unsigned int reg, u32 val)
{
	memcpy(s->regs + reg * 16, &val, sizeof(val));
}

static u32 state_get(const struct hv_lapic_state *s, unsigned int reg)
{
	u32 val;

	memcpy(&val, s->regs + reg * 16, sizeof(val));
	return val;
}

/* The id is at its xAPIC place in both modes, unless the VMM knows better. */
static u32 apic_state_id(const struct hv_lapic *apic)
{
	if (apic_x2apic(apic) && apic->vcpu->vm->x2apic_ids)
		return apic->addr.id;
	return apic->addr.id << 24;
}

/**
 * hv_lapic_get_state() - HV_GET_LAPIC
 * @vcpu: vCPU with the mutex held
 * @s: filled in
 *
 * Return: 0, -EINVAL without a LAPIC.
 */
int hv_lapic_get_state(struct hv_vcpu *vcpu, struct hv_lapic_state *s)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	unsigned int reg;

	BUILD_BUG_ON(sizeof(s->regs) != APIC_NR_REGS * 16);
	if (!apic)
		return -EINVAL;
	hv_lapic_timer_flush(apic);
	hv_lapic_sync_all(apic);
	memset(s, 0, sizeof(*s));
	for (reg = 0; reg < APIC_NR_REGS; reg++)
		if (apic_regs[reg].flags & APIC_REG_R)
			state_set(s, reg, apic_read(apic, reg));
	state_set(s, APIC_R_ID, apic_state_id(apic));
	return 0;
}

static void state_get_vectors(struct hv_lapic *apic, const struct hv_lapic_state *s,
			      unsigned int reg)
{
	unsigned int i;
	u32 word;

	for (i = 0; i < APIC_VECTOR_WORDS; i++) {
		word = state_get(s, reg + i);
		/* Reserved vectors can't be there (SDM 3A 11.8.4) */
		if (!i)
			word &= ~0xffffU;
		WRITE_ONCE(*apic_reg(apic, reg + i), word);
	}
}

/**
 * hv_lapic_set_state() - HV_SET_LAPIC
 * @vcpu: vCPU with the mutex held
 * @s: register page; reserved bits and read-only registers are ignored
 *
 * Depends on IA32_APIC_BASE, on nothing else that the VMM sets.
 *
 * Return: 0, -EINVAL without a LAPIC or in x2APIC mode with the id of another vCPU.
 */
int hv_lapic_set_state(struct hv_vcpu *vcpu, const struct hv_lapic_state *s)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	u64 deadline;
	unsigned int reg;

	if (!apic || (apic_x2apic(apic) && state_get(s, APIC_R_ID) != apic_state_id(apic)))
		return -EINVAL;

	deadline = apic->timer.deadline;
	hv_lapic_timer_stop(apic);
	for (reg = APIC_R_LVT_TIMER; reg <= APIC_R_LVT_ERROR; reg++)
		WRITE_ONCE(apic->lvt[APIC_LVT(reg)], state_get(s, reg) & apic_regs[reg].valid);
	*apic_reg(apic, APIC_R_TPR) = state_get(s, APIC_R_TPR) & 0xff;
	WRITE_ONCE(apic->svr, state_get(s, APIC_R_SVR) & apic_regs[APIC_R_SVR].valid);
	WRITE_ONCE(apic->addr.dfr, state_get(s, APIC_R_DFR) | 0x0fffffff);
	if (!apic_x2apic(apic))
		WRITE_ONCE(apic->addr.ldr, state_get(s, APIC_R_LDR) & 0xff000000);
	apic_set_icr(apic, (state_get(s, APIC_R_ICR) & APIC_ICR_LOW_VALID) |
			   (u64)state_get(s, APIC_R_ICR2) << 32);
	*apic_reg(apic, APIC_R_ESR) = state_get(s, APIC_R_ESR) & 0xff;
	WRITE_ONCE(apic->errors, 0);
	hv_post_refresh(vcpu->vm);
	hv_lapic_forget_posted(apic);
	state_get_vectors(apic, s, APIC_R_ISR);
	state_get_vectors(apic, s, APIC_R_TMR);
	state_get_vectors(apic, s, APIC_R_IRR);

	apic->timer.dcr = state_get(s, APIC_R_DCR) & apic_regs[APIC_R_DCR].valid;
	apic->timer.deadline = deadline;
	hv_lapic_update_timer(vcpu);
	hv_lapic_timer_set_count(apic, state_get(s, APIC_R_TMICT), state_get(s, APIC_R_TMCCT));
	apic_show_all(apic);
	hv_vcpu_request(vcpu, HV_REQ_EVENT);
	return 0;
}

/* ---- INIT and SIPI ---- */

/**
 * hv_lapic_has_init_sipi() - INIT or SIPI has come
 * @vcpu: vCPU, by its own thread
 *
 * If so the vCPU is asked to look: it must not enter the guest before
 * hv_lapic_do_init_sipi(), and the sender's request may be behind the event that is seen
 * here.
 */
bool hv_lapic_has_init_sipi(struct hv_vcpu *vcpu)
{
	if (!READ_ONCE(vcpu->x86.lapic->events))
		return false;
	hv_req_set(vcpu, HV_REQ_EVENT);
	return true;
}

static void apic_start_at(struct hv_vcpu *vcpu, u8 vector)
{
	struct hv_segment cs;

	/* SDM 3A 9.4.4.1: execution starts at 000VV000H */
	hv_call(get_segment, vcpu, HV_SEG_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	hv_call(set_segment, vcpu, HV_SEG_CS, &cs);
	hv_set_rip(vcpu, 0);
}

/**
 * hv_lapic_do_init_sipi() - do what INIT and SIPI ask for
 * @vcpu: vCPU, by its own thread, loaded
 *
 * INIT resets: the boot CPU runs on from its reset vector, others wait for SIPI (SDM 3A
 * 9.4.2). SIPI starts a vCPU that waits for it and is lost otherwise.
 *
 * Context: process context.
 */
void hv_lapic_do_init_sipi(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	bool bsp = vcpu->x86.apic_base & APIC_BASE_BSP;

	if (test_and_clear_bit(APIC_EVENT_INIT, &apic->events)) {
		hv_x86_vcpu_reset(vcpu, true);
		WRITE_ONCE(vcpu->x86.mp_state,
			   bsp ? HV_MP_STATE_RUNNABLE : HV_MP_STATE_INIT_RECEIVED);
	}
	if (test_and_clear_bit(APIC_EVENT_SIPI, &apic->events) &&
	    vcpu->x86.mp_state == HV_MP_STATE_INIT_RECEIVED) {
		apic_start_at(vcpu, READ_ONCE(apic->sipi_vector));
		WRITE_ONCE(vcpu->x86.mp_state, HV_MP_STATE_RUNNABLE);
	}
}

/**
 * hv_lapic_sipi_vector() - vector of the last SIPI
 * @vcpu: vCPU with a LAPIC
 */
u8 hv_lapic_sipi_vector(struct hv_vcpu *vcpu)
{
	return READ_ONCE(vcpu->x86.lapic->sipi_vector);
}

/**
 * hv_lapic_set_sipi_vector() - HV_SET_VCPU_EVENTS
 * @vcpu: vCPU with a LAPIC
 * @vector: vector of a SIPI; HV_SET_MP_STATE says whether one is pending
 */
void hv_lapic_set_sipi_vector(struct hv_vcpu *vcpu, u8 vector)
{
	WRITE_ONCE(vcpu->x86.lapic->sipi_vector, vector);
}

/**
 * hv_lapic_create() - give a new vCPU its LAPIC
 * @vcpu: not visible to anyone yet; hv_lapic_reset() follows
 *
 * Return: 0 or -ENOMEM.
 */
int hv_lapic_create(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

	/* Its own page, beginning with the mailbox: see struct hv_posted */
	BUILD_BUG_ON(sizeof(*apic) > PAGE_SIZE || offsetof(struct hv_lapic, posted));
	if (!apic)
		return -ENOMEM;
	apic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!apic->regs) {
		free_page((unsigned long)apic);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	apic->addr.id = vcpu->id;
	mutex_init(&apic->posts.lock);
	INIT_LIST_HEAD(&apic->posts.list);
	hv_lapic_timer_init(apic);
	vcpu->x86.lapic = apic;
	return 0;
}

/**
 * hv_lapic_destroy() - free a vCPU's LAPIC
 * @vcpu: vCPU that nobody can send to any more
 */
void hv_lapic_destroy(struct hv_vcpu *vcpu)
{
	struct hv_lapic *apic = vcpu->x86.lapic;

	hv_lapic_timer_stop(apic);
	free_page((unsigned long)apic->regs);
	free_page((unsigned long)apic);
	vcpu->x86.lapic = NULL;
}
