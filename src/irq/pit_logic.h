/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A counter of the 8254 as a function of the clock ticks since it was loaded (82C54 data sheet,
 * "Mode Definitions"): no state, no locks, no kernel. Also compiled by the unit test in
 * userspace.
 */
#ifndef HV_PIT_LOGIC_H
#define HV_PIT_LOGIC_H

#ifdef __KERNEL__
#include <linux/math64.h>
#include <linux/types.h>
#endif

#define PIT_HZ			1193182U	/* input clock of a PC */
#define PIT_MAX_COUNT		0x10000U
#define PIT_NS_PER_S		1000000000U

/* Modes (82C54): control word bits 3:1; 6 and 7 are 2 and 3 */
enum pit_mode {
	PIT_TERMINAL_COUNT,
	PIT_ONE_SHOT,		/* gate triggers */
	PIT_RATE,
	PIT_SQUARE,
	PIT_STROBE,
	PIT_HW_STROBE,		/* gate triggers */
	PIT_NO_MODE = 0xff,	/* no control word yet: KVM's value */
};

static inline bool pit_periodic(u8 mode)
{
	return mode == PIT_RATE || mode == PIT_SQUARE;
}

/* Started by a rising gate, not by the count */
static inline bool pit_gate_starts(u8 mode)
{
	return mode == PIT_ONE_SHOT || mode == PIT_HW_STROBE;
}

static inline u64 pit_ticks(u64 ns)
{
	return mul_u64_u32_div(ns, PIT_HZ, PIT_NS_PER_S);
}

/* Until @ticks have passed: rounded up, so that nothing is early */
static inline u64 pit_ns(u64 ticks)
{
	return div_u64(ticks * PIT_NS_PER_S + PIT_HZ - 1, PIT_HZ);
}

/* A count as written: BCD has four digits, 0 is the largest. */
static inline u32 pit_count_from_reg(u16 val, bool bcd)
{
	u32 count = val;

	if (bcd)
		count = (val >> 12) * 1000 + (val >> 8 & 0xf) * 100 + (val >> 4 & 0xf) * 10 +
			(val & 0xf);
	if (count)
		return count;
	return bcd ? 10000 : PIT_MAX_COUNT;
}

/* A counter's value as read */
static inline u16 pit_count_to_reg(u32 count, bool bcd)
{
	if (!bcd)
		return count;
	count %= 10000;
	return (count / 1000) << 12 | (count / 100 % 10) << 8 | (count / 10 % 10) << 4 | count % 10;
}

/* The counting element, @ticks after it was loaded with @count */
static inline u32 pit_counter(u8 mode, u32 count, u64 ticks, bool bcd)
{
	u32 wrap = bcd ? 10000 : PIT_MAX_COUNT;
	u64 rest;

	switch (mode) {
	case PIT_RATE:
		div64_u64_rem(ticks, count, &rest);
		return count - rest;
	case PIT_SQUARE:
		/* By two, in each half of the period from the even part of the count */
		div64_u64_rem(ticks, count, &rest);
		if (rest >= (count + 1) / 2)
			rest -= (count + 1) / 2;
		return (count & ~1U) - 2 * rest;
	default:
		/* Goes on past 0 from the largest number */
		div64_u64_rem(ticks, wrap, &rest);
		return (count + wrap - rest) % wrap;
	}
}

/* OUT, @ticks after the start */
static inline bool pit_out(u8 mode, u32 count, u64 ticks)
{
	u64 rest;

	switch (mode) {
	case PIT_TERMINAL_COUNT:
	case PIT_ONE_SHOT:
		return ticks >= count;
	case PIT_RATE:
		div64_u64_rem(ticks, count, &rest);
		return rest != count - 1;
	case PIT_SQUARE:
		div64_u64_rem(ticks, count, &rest);
		return rest < (count + 1) / 2;
	case PIT_STROBE:
	case PIT_HW_STROBE:
		return ticks != count;
	default:
		return true;
	}
}

#endif
