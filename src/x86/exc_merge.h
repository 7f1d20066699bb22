/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of an exception that arises while another one is delivered (SDM 3A 6.15, "Interrupt
 * 8", tables 6-4 and 6-5; APM 2 8.2.9): no state, no kernel. Also compiled by the unit test in
 * userspace.
 */
#ifndef HV_EXC_MERGE_H
#define HV_EXC_MERGE_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/types.h>
#endif

#define HV_VEC_DF	8

enum hv_exc_class {
	HV_EXC_BENIGN,
	HV_EXC_CONTRIBUTORY,
	HV_EXC_PAGE_FAULT,
	HV_EXC_DOUBLE_FAULT,
};

enum hv_exc_merge {
	HV_EXC_SERIAL,		/* the second; the instruction raises the first again */
	HV_EXC_DOUBLE,		/* a double fault instead of both */
	HV_EXC_SHUTDOWN,
};

/* #DE, #TS, #NP, #SS, #GP, #CP contribute; #VE is as #PF */
#define HV_CONTRIBUTORY	(BIT(0) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(21))
#define HV_PAGE_FAULTS	(BIT(14) | BIT(20))

static inline enum hv_exc_class hv_exc_class(u8 vector)
{
	if (vector == HV_VEC_DF)
		return HV_EXC_DOUBLE_FAULT;
	if (vector < 32 && (HV_CONTRIBUTORY & BIT(vector)))
		return HV_EXC_CONTRIBUTORY;
	if (vector < 32 && (HV_PAGE_FAULTS & BIT(vector)))
		return HV_EXC_PAGE_FAULT;
	return HV_EXC_BENIGN;
}

static inline enum hv_exc_merge hv_exc_merge(u8 first, u8 second)
{
	enum hv_exc_class a = hv_exc_class(first), b = hv_exc_class(second);

	if (b == HV_EXC_BENIGN || a == HV_EXC_BENIGN)
		return HV_EXC_SERIAL;
	if (a == HV_EXC_DOUBLE_FAULT)
		return HV_EXC_SHUTDOWN;
	if (a == HV_EXC_CONTRIBUTORY && b == HV_EXC_PAGE_FAULT)
		return HV_EXC_SERIAL;
	return HV_EXC_DOUBLE;
}

#endif
