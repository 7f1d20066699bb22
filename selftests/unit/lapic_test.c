// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of the local APIC: destinations, priorities, mode changes, timer
 * counts. Expected values are worked out from the manual (SDM 3A chapter 11).
 */
#include <stdio.h>
#include <apic_logic.h>

#include <kselftest_harness.h>

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

static u64 rng = 88172645463325252ull;

static u64 rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* ---- destinations ---- */

static struct apic_addr xapic(u32 id, u32 model, u8 logical)
{
	return (struct apic_addr) {
		.mode = APIC_XAPIC, .id = id, .ldr = (u32)logical << 24,
		.dfr = model << 28 | 0x0fffffff,
	};
}

static struct apic_addr x2apic(u32 id)
{
	return (struct apic_addr) {
		.mode = APIC_X2APIC, .id = id, .ldr = apic_x2apic_ldr(id), .dfr = 0xffffffff,
	};
}

TEST(physical)
{
	struct apic_addr a = xapic(3, APIC_MODEL_FLAT, 8), b = x2apic(3);

	EXPECT_TRUE(apic_match(&a, 3, false, false));
	EXPECT_TRUE(apic_match(&b, 3, false, false));
	EXPECT_TRUE(apic_match(&a, 3, false, true));
	EXPECT_TRUE(apic_match(&b, 3, false, true));
	EXPECT_FALSE(apic_match(&a, 2, false, false));
	EXPECT_FALSE(apic_match(&b, 2, false, false));
	/* 32 bits are compared: 0x103 is somebody else. */
	EXPECT_FALSE(apic_match(&a, 0x103, false, true));
	EXPECT_FALSE(apic_match(&b, 0x103, false, true));
}

TEST(broadcast)
{
	struct apic_addr a[] = {
		xapic(3, APIC_MODEL_FLAT, 0), xapic(3, APIC_MODEL_CLUSTER, 0), xapic(3, 5, 0),
		x2apic(3),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(a); i++) {
		EXPECT_TRUE(apic_match(&a[i], 0xff, false, false));
		EXPECT_TRUE(apic_match(&a[i], 0xff, true, false));
		EXPECT_TRUE(apic_match(&a[i], 0xffffffff, false, true));
		EXPECT_TRUE(apic_match(&a[i], 0xffffffff, true, true));
		/* With 32 bits 255 is an id as any other. */
		EXPECT_FALSE(apic_match(&a[i], 0xff, false, true));
		a[i].mode = APIC_DISABLED;
		EXPECT_FALSE(apic_match(&a[i], 0xff, false, false));
		EXPECT_FALSE(apic_match(&a[i], 0xffffffff, false, true));
	}
}

TEST(logical_flat)
{
	unsigned int dest, ldr;

	for (dest = 0; dest < 0xff; dest++)
		for (ldr = 0; ldr <= 0xff; ldr++) {
			struct apic_addr a = xapic(0, APIC_MODEL_FLAT, ldr);

			ASSERT_EQ(!!(dest & ldr), apic_match(&a, dest, true, false));
		}
}

TEST(logical_cluster)
{
	unsigned int dest, ldr;

	for (dest = 0; dest < 0xff; dest++)
		for (ldr = 0; ldr <= 0xff; ldr++) {
			struct apic_addr a = xapic(0, APIC_MODEL_CLUSTER, ldr);
			struct apic_addr none = xapic(0, 3, ldr);

			ASSERT_EQ(dest >> 4 == ldr >> 4 && (dest & ldr & 0xf),
				  apic_match(&a, dest, true, false));
			ASSERT_FALSE(apic_match(&none, dest, true, false));
		}
}

TEST(logical_x2apic)
{
	unsigned int id, other;

	EXPECT_EQ(0x00000001, apic_x2apic_ldr(0));
	EXPECT_EQ(0x00008000, apic_x2apic_ldr(15));
	EXPECT_EQ(0x00010001, apic_x2apic_ldr(16));
	EXPECT_EQ(0x000f4000, apic_x2apic_ldr(254));
	for (id = 0; id < 255; id++) {
		struct apic_addr a = x2apic(id);

		for (other = 0; other < 255; other++)
			ASSERT_EQ(id == other,
				  apic_match(&a, apic_x2apic_ldr(other), true, true));
		/* All of the cluster, and nobody in it */
		ASSERT_TRUE(apic_match(&a, id >> 4 << 16 | 0xffff, true, true));
		ASSERT_FALSE(apic_match(&a, id >> 4 << 16, true, true));
	}
}

/* ---- modes ---- */

TEST(base_mode)
{
	EXPECT_EQ(APIC_DISABLED, apic_base_mode(0xfee00100));
	EXPECT_EQ(APIC_XAPIC, apic_base_mode(0xfee00900));
	EXPECT_EQ(APIC_X2APIC, apic_base_mode(0xfee00d00));
	EXPECT_EQ(APIC_INVALID, apic_base_mode(0xfee00500));
}

/* SDM 3A figure 11-27 */
TEST(mode_changes)
{
	static const bool valid[4][4] = {
		[APIC_DISABLED] = { [APIC_DISABLED] = true, [APIC_XAPIC] = true },
		[APIC_XAPIC] = {
			[APIC_DISABLED] = true, [APIC_XAPIC] = true, [APIC_X2APIC] = true,
		},
		[APIC_X2APIC] = { [APIC_DISABLED] = true, [APIC_X2APIC] = true },
	};
	int old, new;

	for (old = APIC_DISABLED; old <= APIC_X2APIC; old++)
		for (new = APIC_DISABLED; new <= APIC_INVALID; new++)
			EXPECT_EQ(valid[old][new], apic_mode_change_valid(old, new));
}

/* ---- priorities ---- */

TEST(highest)
{
	u32 regs[APIC_VECTOR_WORDS * 4] = { 0 };
	int i, j;

	/* What is between the registers does not count. */
	for (i = 0; i < APIC_VECTOR_WORDS * 4; i++)
		regs[i] = i % 4 ? ~0U : 0;
	EXPECT_EQ(-1, apic_highest(regs));
	for (i = 0; i < APIC_NR_VECTORS; i++) {
		regs[i / 32 * 4] |= 1U << i % 32;
		ASSERT_EQ(i, apic_highest(regs));
		/* What is below makes no difference. */
		j = rnd() % (i + 1);
		regs[j / 32 * 4] &= ~(1U << j % 32);
		if (j != i)
			ASSERT_EQ(i, apic_highest(regs));
	}
}

/* PPR as SDM 3A 11.8.3.1 says it, written the other way round */
TEST(ppr)
{
	int tpr, isrv;

	for (tpr = 0; tpr <= 0xff; tpr++) {
		ASSERT_EQ(tpr, apic_ppr(tpr, -1));
		for (isrv = 16; isrv <= 0xff; isrv++) {
			u8 ppr = apic_ppr(tpr, isrv);
			u8 class = tpr >> 4 > isrv >> 4 ? tpr >> 4 : isrv >> 4;
			u8 sub = tpr >> 4 >= isrv >> 4 ? tpr & 0xf : 0;

			ASSERT_EQ(class << 4 | sub, ppr);
		}
	}
}

/* ---- timer ---- */

/* SDM 3A figure 11-10 */
TEST(divisor)
{
	static const struct { u32 dcr, divisor; } t[] = {
		{ 0x0, 2 }, { 0x1, 4 }, { 0x2, 8 }, { 0x3, 16 },
		{ 0x8, 32 }, { 0x9, 64 }, { 0xa, 128 }, { 0xb, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(t); i++)
		EXPECT_EQ(t[i].divisor, apic_divisor(t[i].dcr));
}

TEST(count_oneshot)
{
	EXPECT_EQ(1000, apic_timer_count(1000, 1, 0, false));
	EXPECT_EQ(999, apic_timer_count(1000, 1, 1, false));
	EXPECT_EQ(1000, apic_timer_count(1000, 16, 15, false));
	EXPECT_EQ(999, apic_timer_count(1000, 16, 16, false));
	EXPECT_EQ(1, apic_timer_count(1000, 16, 15999, false));
	EXPECT_EQ(0, apic_timer_count(1000, 16, 16000, false));
	EXPECT_EQ(0, apic_timer_count(1000, 1, ~0ull, false));
	EXPECT_EQ(0, apic_timer_count(0, 1, 0, false));
	EXPECT_EQ(0xffffffff, apic_timer_count(0xffffffff, 128, 127, false));
}

TEST(count_periodic)
{
	u64 elapsed;

	EXPECT_EQ(0, apic_timer_count(0, 1, 77, true));
	for (elapsed = 0; elapsed < 100; elapsed++)
		ASSERT_EQ(7 - elapsed / 4 % 7, apic_timer_count(7, 4, elapsed, true));
	/* It never shows 0, or a guest that waits for less than some count misses rounds. */
	EXPECT_EQ(1, apic_timer_count(1, 1, ~0ull, true));
}

TEST(next)
{
	EXPECT_EQ(16000, apic_timer_next(1000, 16, 0, false));
	EXPECT_EQ(16000, apic_timer_next(1000, 16, 99999, false));
	EXPECT_EQ(16000, apic_timer_next(1000, 16, 0, true));
	EXPECT_EQ(16000, apic_timer_next(1000, 16, 16000, true));
	EXPECT_EQ(32000, apic_timer_next(1000, 16, 16001, true));
	EXPECT_EQ(0xffffffffull * 128, apic_timer_next(0xffffffff, 128, 0, true));
}

/* Whatever the guest writes: the expiry is not before now and less than a period away. */
TEST(next_random)
{
	int i;

	for (i = 0; i < 1000000; i++) {
		u32 initial = (rnd() >> rnd() % 32) | 1, divisor = 1 << rnd() % 8;
		u64 elapsed = rnd() >> 2 >> rnd() % 60;
		u64 next = apic_timer_next(initial, divisor, elapsed, true);
		u64 period = (u64)initial * divisor;

		ASSERT_EQ(0, next % period);
		ASSERT_GE(next, elapsed);
		ASSERT_LE(next - elapsed, period);
	}
}

TEST(tsc_to_ns)
{
	EXPECT_EQ(0, apic_tsc_to_ns(0, 1000000));
	EXPECT_EQ(1, apic_tsc_to_ns(1, 1000000));
	/* Never early: rounded up */
	EXPECT_EQ(1, apic_tsc_to_ns(1, 3000000));
	EXPECT_EQ(2, apic_tsc_to_ns(4, 3000000));
	EXPECT_EQ(1000000000, apic_tsc_to_ns(2400000000, 2400000));
	/* Cut off instead of wrapped: still hours */
	EXPECT_GT(apic_tsc_to_ns(~0ull, 5000000), 3600000000000ull);
	EXPECT_GT(apic_tsc_to_ns(~0ull, 1), 3600000000000ull);
	EXPECT_GT(apic_tsc_to_ns(~0ull, 0), 3600000000000ull);
}

/* Exact wherever it isn't cut off */
TEST(tsc_to_ns_random)
{
	int i;

	for (i = 0; i < 1000000; i++) {
		unsigned __int128 want;
		u64 ticks = rnd() >> 20 >> rnd() % 44;
		u32 khz = rnd() % 10000000 + 1;

		want = (unsigned __int128)ticks * 1000000;
		ASSERT_EQ((u64)((want + khz - 1) / khz), apic_tsc_to_ns(ticks, khz));
	}
}

TEST_HARNESS_MAIN
