/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the userspace unit tests share: a small random number generator. Its seed is
 * printed, and SEED=N in the environment draws others.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>
#include <stdlib.h>

#include <hv/decode.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

static u64 rng_state;

/* splitmix64 */
static inline u64 rnd(void)
{
	u64 z = (rng_state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline void seed(const char *test)
{
	const char *s = getenv("SEED");

	rng_state = s ? strtoull(s, NULL, 0) : 1;
	printf("# %s: SEED=%llu\n", test, rng_state);
	fflush(stdout);
}

/* Values at which carries, signs and overflows change, or anything */
static inline u64 rnd_operand(void)
{
	static const u64 corner[] = {
		0, 1, ~0ull, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
		0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0x0f, 0x10, 0x100, 0xfffe,
	};
	u64 r = rnd();

	return r & 1 ? corner[(r >> 1) % ARRAY_SIZE(corner)] : rnd();
}

#endif
