/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arithmetic of the local APIC: no state, no locks, no kernel. Also compiled by the unit
 * test in userspace.
 */
#ifndef HV_APIC_LOGIC_H
#define HV_APIC_LOGIC_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/math64.h>
#include <linux/types.h>
#endif

#define APIC_NR_VECTORS		256
#define APIC_VECTOR_WORDS	(APIC_NR_VECTORS / 32)
/* Vectors below are reserved for exceptions; the APIC refuses them (SDM 3A 11.5.2) */
#define APIC_MIN_VECTOR		16

/* IA32_APIC_BASE (SDM 3A 11.4.4, 11.12.1) */
#define APIC_BASE_BSP		BIT_ULL(8)
#define APIC_BASE_EXTD		BIT_ULL(10)
#define APIC_BASE_EN		BIT_ULL(11)
#define APIC_BASE_LOW_RESERVED	0x2ffULL

/* DFR bits 31:28 (SDM 3A 11.6.2.2) */
#define APIC_MODEL_FLAT		0xf
#define APIC_MODEL_CLUSTER	0x0

/* Two counter ticks a period apart are never less than this: the guest chooses the period */
#define APIC_TIMER_MIN_PERIOD	200000ULL	/* ns */

enum apic_mode {
	APIC_DISABLED,
	APIC_XAPIC,
	APIC_X2APIC,
	APIC_INVALID,
};

/**
 * struct apic_addr - what a LAPIC compares a destination with
 * @mode: enum apic_mode
 * @id: APIC id
 * @ldr: logical id as in the register: bits 31:24 (xAPIC), or all 32 (x2APIC)
 * @dfr: destination format register (xAPIC)
 */
struct apic_addr {
	u8 mode;
	u32 id;
	u32 ldr;
	u32 dfr;
};

/* SDM 3A 11.12.1, table 11-5 */
static inline enum apic_mode apic_base_mode(u64 base)
{
	switch (base & (APIC_BASE_EN | APIC_BASE_EXTD)) {
	case 0:
		return APIC_DISABLED;
	case APIC_BASE_EN:
		return APIC_XAPIC;
	case APIC_BASE_EN | APIC_BASE_EXTD:
		return APIC_X2APIC;
	default:
		return APIC_INVALID;
	}
}

/* Transitions by WRMSR (SDM 3A 11.12.5, figure 11-27) */
static inline bool apic_mode_change_valid(enum apic_mode old, enum apic_mode new)
{
	if (new == APIC_INVALID)
		return false;
	if (old == APIC_X2APIC && new == APIC_XAPIC)
		return false;
	return !(old == APIC_DISABLED && new == APIC_X2APIC);
}

/* Logical x2APIC id: cluster and one bit of 16 (SDM 3A 11.12.10.2) */
static inline u32 apic_x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

/*
 * Highest vector in eight registers of 32 bits, 16 bytes apart (SDM 3A 11.8.4), -1 if there
 * is none
 */
static inline int apic_highest(const u32 *regs)
{
	int i;

	for (i = APIC_VECTOR_WORDS - 1; i >= 0; i--) {
		u32 word = READ_ONCE(regs[i * 4]);

		if (word)
			return i * 32 + 31 - __builtin_clz(word);
	}
	return -1;
}

/* Processor priority; @isrv: highest vector in service or -1 (SDM 3A 11.8.3.1) */
static inline u8 apic_ppr(u8 tpr, int isrv)
{
	u8 in_service = isrv < 0 ? 0 : isrv & 0xf0;

	return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

/*
 * Would a LAPIC take a message to this destination? @wide: @dest has 32 bits (sent through
 * an x2APIC ICR, or by a VMM that knows of them), else 8 (SDM 3A 11.6.2, 11.12.10). All
 * ones is everybody, whatever mode the receiver is in.
 */
static inline bool apic_match(const struct apic_addr *a, u32 dest, bool logical, bool wide)
{
	u8 ldr = a->ldr >> 24;

	if (a->mode == APIC_DISABLED)
		return false;
	if (dest == 0xffffffff || (!wide && dest == 0xff))
		return true;
	if (!logical)
		return dest == a->id;
	if (a->mode == APIC_X2APIC)
		return dest >> 16 == a->ldr >> 16 && (dest & a->ldr & 0xffff);
	if (dest > 0xff)
		return false;
	switch (a->dfr >> 28) {
	case APIC_MODEL_FLAT:
		return dest & ldr;
	case APIC_MODEL_CLUSTER:
		return dest >> 4 == ldr >> 4 && (dest & ldr & 0xf);
	default:
		return false;
	}
}

/* Timer clock divisor by the divide configuration register (SDM 3A 11.5.4, figure 11-10) */
static inline u32 apic_divisor(u32 dcr)
{
	u32 code = (dcr & 3) | (dcr & 8) >> 1;

	return 1u << ((code + 1) & 7);
}

/*
 * Current count, @elapsed ns after the start with the initial count @initial. The bus clock
 * is 1 GHz. A periodic timer reloads when it reaches 0 (SDM 3A 11.5.4).
 */
static inline u32 apic_timer_count(u32 initial, u32 divisor, u64 elapsed, bool periodic)
{
	u64 ticks = div_u64(elapsed, divisor);

	if (!initial)
		return 0;
	if (periodic)
		div64_u64_rem(ticks, initial, &ticks);
	return ticks >= initial ? 0 : initial - ticks;
}

/* Time from the start to the first expiry at or after @elapsed, ns */
static inline u64 apic_timer_next(u32 initial, u32 divisor, u64 elapsed, bool periodic)
{
	u64 period = (u64)initial * divisor;
	u64 n = 1;

	if (periodic && elapsed > period)
		n = div64_u64(elapsed + period - 1, period);
	return period * n;
}

/*
 * TSC ticks in ns, rounded up. Cut off where it would overflow, after hours: the caller
 * looks again when that time has come.
 */
static inline u64 apic_tsc_to_ns(u64 ticks, u32 khz)
{
	const u64 max = (~0ULL - 0xffffffff) / 1000000;

	if (!khz)
		khz = 1;
	if (ticks > max)
		ticks = max;
	return div_u64(ticks * 1000000 + khz - 1, khz);
}

#endif
