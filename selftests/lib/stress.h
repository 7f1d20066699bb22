/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stress_test and its payload share: numbers only.
 */
#ifndef SELFTESTS_STRESS_H
#define SELFTESTS_STRESS_H

/* Each vCPU's block of u64, from GUEST_FREE on, a page each. */
#define STRESS_ID		0x00	/* which vCPU */
#define STRESS_ROUNDS		0x08	/* rounds done, modulo 2^31 */
#define STRESS_TSC		0x10	/* the last RDTSC */
#define STRESS_FAILED		0x18	/* what failed, one of these: */
#define STRESS_GOT		0x20
#define STRESS_WANT		0x28

#define STRESS_MEMORY		1	/* the block's memory */
#define STRESS_VECTOR		2	/* XMM7 */
#define STRESS_GS_BASE		3	/* KERNEL_GS_BASE */
#define STRESS_LSTAR		4	/* LSTAR */
#define STRESS_TIME		5	/* TSC */
#define STRESS_WINDOW		6	/* memory that the VMM changes */
#define STRESS_EXTRA_IPI	7	/* more IPIs came than were sent */

/* Windows: a page each, a 2 MiB page of the guest's tables apart. */
#define STRESS_WINDOWS		2
#define STRESS_WINDOW_GPA	0x10000000
#define STRESS_WINDOW_STEP	0x200000

/* How often vCPU 0 looks at them in a round: for some 100 us. */
#define STRESS_SPIN		2048

/* Vectors, and how often the LAPIC timer ticks, in ns. */
#define STRESS_IPI		0x40
#define STRESS_TIMER		0x51
#define STRESS_TIMER_COUNT	2000000

#endif
