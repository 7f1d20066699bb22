// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIT by itself: counters, modes, latches, ticks and what becomes of those that the guest
 * is too slow for, in a clock that stands still until the test moves it.
 */
#include <stdio.h>
/* The code under test, with its private parts */
#include "../../src/irq/pit.c"

#include <kselftest_harness.h>

#define MS	1000000ll
/* 10 ms, as a guest with 100 ticks a second has it */
#define TEN_MS	11932u

long compat_pages;
long compat_pages_left = -1;
s64 now_ns;

static unsigned int pulses;
static bool line, pending, serves;

int hv_irq_line_source(struct hv_vm *vm, u32 gsi, enum hv_irq_source src, bool level)
{
	(void)vm;
	if (gsi || src != HV_IRQ_PIT)
		abort();
	if (level && !line) {
		pulses++;
		pending = !serves;
	}
	line = level;
	return 1;
}

bool hv_irq_pending(struct hv_vm *vm, u32 gsi)
{
	(void)vm;
	(void)gsi;
	return pending;
}

FIXTURE(pits) {
	struct hv_vm vm;
};

static void out(struct hv_vm *vm, u16 port, u8 val)
{
	if (!hv_pit_has_port(vm, port))
		abort();
	hv_pit_pio(vm, port, &val, true);
}

static u8 in(struct hv_vm *vm, u16 port)
{
	u8 val = 0x5a;

	hv_pit_pio(vm, port, &val, false);
	return val;
}

static u16 in16(struct hv_vm *vm, u16 port)
{
	u16 low = in(vm, port);

	return low | in(vm, port) << 8;
}

static void program(struct hv_vm *vm, unsigned int n, unsigned int mode, u16 count)
{
	out(vm, 0x43, n << 6 | 0x30 | mode << 1);
	out(vm, 0x40 + n, count);
	out(vm, 0x40 + n, count >> 8);
}

/* Time of @ticks of the input clock, rounded up */
static s64 ns(u64 ticks)
{
	return pit_ns(ticks);
}

static void pass(struct hv_vm *vm, s64 ns)
{
	struct hrtimer *t = &vm->pit->timer;
	s64 until = now_ns + ns;

	while (t->active && t->expires <= until) {
		if (now_ns < t->expires)
			now_ns = t->expires;
		t->active = t->function(t) == HRTIMER_RESTART;
	}
	now_ns = until;
}

/* The guest ends the interrupt. */
static void ack(struct hv_vm *vm)
{
	pending = false;
	hv_pit_acked(vm);
}

FIXTURE_SETUP(pits)
{
	now_ns = 1000 * MS;
	pulses = 0;
	line = pending = false;
	serves = true;
	self->vm.pic = (void *)1;
	ASSERT_EQ(0, hv_pit_create(&self->vm, true));
}

FIXTURE_TEARDOWN(pits)
{
	hv_pit_destroy(&self->vm);
}

TEST_F(pits, create)
{
	struct hv_vm vm = { 0 };

	EXPECT_EQ(-EEXIST, hv_pit_create(&self->vm, true));
	EXPECT_EQ(-ENOENT, hv_pit_create(&vm, true));
	EXPECT_FALSE(hv_pit_has_port(&vm, 0x40));
	vm.pic = (void *)1;
	ASSERT_EQ(0, hv_pit_create(&vm, false));
	EXPECT_TRUE(hv_pit_has_port(&vm, 0x43));
	EXPECT_FALSE(hv_pit_has_port(&vm, 0x61));
	EXPECT_FALSE(hv_pit_has_port(&vm, 0x44));
	hv_pit_destroy(&vm);
	pass(&self->vm, 10000 * MS);
	EXPECT_EQ(0, pulses);
}

TEST_F(pits, rate_generator)
{
	struct hv_vm *vm = &self->vm;

	program(vm, 0, 2, TEN_MS);
	pass(vm, ns(TEN_MS) - 1);
	EXPECT_EQ(0, pulses);
	pass(vm, 1);
	EXPECT_EQ(1, pulses);
	pass(vm, 99 * ns(TEN_MS));
	EXPECT_EQ(100, pulses);
	/* A control word stops it. */
	out(vm, 0x43, 0x34);
	pass(vm, 1000 * MS);
	EXPECT_EQ(100, pulses);
	program(vm, 0, 7, TEN_MS);
	pass(vm, 1000 * MS);
	EXPECT_EQ(199, pulses);
}

/* However short the guest wants it, there is one in 200 us. */
TEST_F(pits, no_storm)
{
	struct hv_vm *vm = &self->vm;

	program(vm, 0, 2, 2);
	pass(vm, 10 * MS);
	EXPECT_EQ(50, pulses);
	/* It does not keep up: one in 5 ms is tried. */
	serves = false;
	pass(vm, MS);
	EXPECT_EQ(51, pulses);
	pass(vm, 4 * MS);
	EXPECT_EQ(51, pulses);
	now_ns += 1;
	ack(vm);
	EXPECT_EQ(52, pulses);
	ack(vm);
	EXPECT_EQ(52, pulses);
}

TEST_F(pits, one_shots)
{
	struct hv_vm *vm = &self->vm;

	program(vm, 0, 0, 1000);
	pass(vm, ns(1000));
	EXPECT_EQ(1, pulses);
	pass(vm, 1000 * MS);
	EXPECT_EQ(1, pulses);
	/* The first byte of a new count stops, the second starts. */
	program(vm, 0, 0, 1000);
	pass(vm, ns(500));
	out(vm, 0x40, 0xe8);
	pass(vm, ns(5000));
	EXPECT_EQ(1, pulses);
	out(vm, 0x40, 0x03);
	pass(vm, ns(1000));
	EXPECT_EQ(2, pulses);
	program(vm, 0, 4, 1000);
	pass(vm, ns(1000));
	EXPECT_EQ(2, pulses);
	pass(vm, ns(1));
	EXPECT_EQ(3, pulses);
	pass(vm, 1000 * MS);
	/* 1 and 5 need a gate that rises: that of counter 0 does not. */
	program(vm, 0, 1, 1000);
	pass(vm, 1000 * MS);
	program(vm, 0, 5, 1000);
	pass(vm, 1000 * MS);
	EXPECT_EQ(3, pulses);
	/* 0 is the largest. */
	program(vm, 0, 0, 0);
	pass(vm, ns(65536) - 1);
	EXPECT_EQ(3, pulses);
	pass(vm, 1);
	EXPECT_EQ(4, pulses);
}

TEST_F(pits, access_modes)
{
	struct hv_vm *vm = &self->vm;

	out(vm, 0x43, 0x54);		/* counter 1, low byte, mode 2 */
	out(vm, 0x41, 0x80);
	EXPECT_EQ(0x80, in(vm, 0x41));
	out(vm, 0x43, 0x64);		/* high byte */
	out(vm, 0x41, 0x12);
	EXPECT_EQ(0x12, in(vm, 0x41));
	program(vm, 1, 2, 0x1234);
	EXPECT_EQ(0x1234, in16(vm, 0x41));
	pass(vm, ns(0x34));
	EXPECT_EQ(0x1200, in16(vm, 0x41));
	pass(vm, ns(0x1200));
	EXPECT_EQ(0x1234, in16(vm, 0x41));
	EXPECT_EQ(0, in(vm, 0x43));
}

TEST_F(pits, latches)
{
	struct hv_vm *vm = &self->vm;

	program(vm, 1, 2, 0x1234);
	pass(vm, ns(4));
	out(vm, 0x43, 0x40);
	pass(vm, ns(0x30));
	/* The second latch command is ignored. */
	out(vm, 0x43, 0x40);
	EXPECT_EQ(0x1230, in16(vm, 0x41));
	EXPECT_EQ(0x1200, in16(vm, 0x41));
	/* Read back count and status of 1 and 2: status is read first. */
	program(vm, 2, 0, 0x100);
	out(vm, 0x43, 0xcc);
	EXPECT_EQ(0xb4, in(vm, 0x41));
	EXPECT_EQ(0x1200, in16(vm, 0x41));
	EXPECT_EQ(0x30, in(vm, 0x42));
	EXPECT_EQ(0x100, in16(vm, 0x42));
	/* No count yet: "null count", and the output as the mode begins */
	out(vm, 0x43, 0x70);
	out(vm, 0x43, 0xe4);
	EXPECT_EQ(0x70, in(vm, 0x41));
	out(vm, 0x43, 0x76);
	out(vm, 0x43, 0xe4);
	EXPECT_EQ(0xf6, in(vm, 0x41));
	/* One byte only */
	out(vm, 0x43, 0x54);
	out(vm, 0x41, 0x80);
	out(vm, 0x43, 0x40);
	pass(vm, ns(3));
	EXPECT_EQ(0x80, in(vm, 0x41));
	EXPECT_EQ(0x7d, in(vm, 0x41));
}

TEST_F(pits, bcd)
{
	struct hv_vm *vm = &self->vm;

	out(vm, 0x43, 0x75);
	out(vm, 0x41, 0x34);
	out(vm, 0x41, 0x12);
	EXPECT_EQ(0x1234, in16(vm, 0x41));
	pass(vm, ns(35));
	EXPECT_EQ(0x1199, in16(vm, 0x41));
	pass(vm, ns(1199));
	EXPECT_EQ(0x1234, in16(vm, 0x41));
	out(vm, 0x43, 0x71);
	out(vm, 0x41, 0);
	out(vm, 0x41, 0);
	EXPECT_EQ(0, in16(vm, 0x41));
	pass(vm, ns(1));
	EXPECT_EQ(0x9999, in16(vm, 0x41));
	pass(vm, ns(10000));
	EXPECT_EQ(0x9999, in16(vm, 0x41));
}

/* Values and OUT of all modes over two periods (82C54, figures 15 to 20) */
TEST_F(pits, modes)
{
	static const u16 square5[] = { 4, 2, 0, 4, 2, 4, 2, 0, 4, 2 };
	static const u16 square4[] = { 4, 2, 4, 2, 4, 2, 4, 2 };
	static const u16 rate3[] = { 3, 2, 1, 3, 2, 1 };
	unsigned int i;

	for (i = 0; i < 10; i++) {
		EXPECT_EQ(square5[i], pit_counter(PIT_SQUARE, 5, i, false));
		EXPECT_EQ(i % 5 < 3, pit_out(PIT_SQUARE, 5, i));
	}
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(square4[i], pit_counter(PIT_SQUARE, 4, i, false));
		EXPECT_EQ(i % 4 < 2, pit_out(PIT_SQUARE, 4, i));
	}
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(rate3[i], pit_counter(PIT_RATE, 3, i, false));
		EXPECT_EQ(i % 3 != 2, pit_out(PIT_RATE, 3, i));
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ((4 - i) & 0xffff, pit_counter(PIT_TERMINAL_COUNT, 4, i, false));
		EXPECT_EQ(i >= 4, pit_out(PIT_TERMINAL_COUNT, 4, i));
		EXPECT_EQ(i >= 4, pit_out(PIT_ONE_SHOT, 4, i));
		EXPECT_EQ(i != 4, pit_out(PIT_STROBE, 4, i));
		EXPECT_EQ(i != 4, pit_out(PIT_HW_STROBE, 4, i));
	}
	EXPECT_EQ(0, pit_counter(PIT_TERMINAL_COUNT, 0x10000, 0x20000, false) & 0xffff);
	/* Nothing is early, and a second is a second. */
	for (i = 1; i <= 0x10000; i++)
		if (pit_ticks(pit_ns(i)) != i)
			break;
	EXPECT_EQ(0x10001, i);
	EXPECT_EQ(PIT_HZ, pit_ticks(1000 * MS));
	EXPECT_EQ(PIT_HZ * 86400ull * 365, pit_ticks(86400ull * 365 * 1000 * MS));
}

TEST_F(pits, gate)
{
	struct hv_vm *vm = &self->vm;

	/* As guests measure their TSC: gate on, 0 or 2, poll OUT */
	out(vm, 0x61, 0x01);
	program(vm, 2, 0, 1000);
	EXPECT_EQ(0x01, in(vm, 0x61) & ~0x10);
	pass(vm, ns(999));
	EXPECT_EQ(0x01, in(vm, 0x61) & ~0x10);
	pass(vm, ns(1));
	EXPECT_EQ(0x21, in(vm, 0x61) & ~0x10);
	/* Mode 0 stands still while the gate is low. */
	program(vm, 2, 0, 1000);
	pass(vm, ns(300));
	out(vm, 0x61, 0x02);
	EXPECT_EQ(0x02, in(vm, 0x61) & ~0x10);
	pass(vm, ns(5000));
	EXPECT_EQ(700, in16(vm, 0x42));
	out(vm, 0x61, 0x01);
	pass(vm, ns(600));
	EXPECT_EQ(100, in16(vm, 0x42));
	pass(vm, ns(101));
	EXPECT_EQ(0x21, in(vm, 0x61) & ~0x10);
	/* Mode 2 starts again when it rises. */
	program(vm, 2, 2, 1000);
	pass(vm, ns(300));
	out(vm, 0x61, 0x00);
	EXPECT_EQ(0x20, in(vm, 0x61) & ~0x10);
	pass(vm, ns(300));
	out(vm, 0x61, 0x01);
	EXPECT_EQ(1000, in16(vm, 0x42));
	/* Mode 1 is triggered by it and does not mind that it falls. */
	program(vm, 2, 1, 1000);
	pass(vm, ns(2000));
	EXPECT_EQ(0x21, in(vm, 0x61) & ~0x10);
	out(vm, 0x61, 0x00);
	out(vm, 0x61, 0x01);
	EXPECT_EQ(0x01, in(vm, 0x61) & ~0x10);
	out(vm, 0x61, 0x00);
	pass(vm, ns(999));
	EXPECT_EQ(0x00, in(vm, 0x61) & ~0x10);
	pass(vm, ns(1));
	EXPECT_EQ(0x20, in(vm, 0x61) & ~0x10);
	/* Counter 2 interrupts nobody. */
	EXPECT_EQ(0, pulses);
}

TEST_F(pits, refresh_toggles)
{
	struct hv_vm *vm = &self->vm;
	u8 was = in(vm, 0x61);

	now_ns += 16384;
	EXPECT_EQ(0x10, (in(vm, 0x61) ^ was) & 0x10);
}

TEST_F(pits, reinjection)
{
	struct hv_vm *vm = &self->vm;
	unsigned int i;

	serves = false;
	program(vm, 0, 2, TEN_MS);
	pass(vm, 5 * ns(TEN_MS));
	EXPECT_EQ(1, pulses);
	/* Each end brings the next, until all five have come. */
	for (i = 2; i <= 5; i++) {
		ack(vm);
		EXPECT_EQ(i, pulses);
	}
	ack(vm);
	EXPECT_EQ(5, pulses);
	ack(vm);
	EXPECT_EQ(5, pulses);
	/* A host that is late: one callback for three periods */
	now_ns += 3 * ns(TEN_MS);
	pass(vm, 0);
	EXPECT_EQ(6, pulses);
	ack(vm);
	ack(vm);
	ack(vm);
	EXPECT_EQ(8, pulses);
	/* A new count voids what is owed. */
	pass(vm, 3 * ns(TEN_MS));
	EXPECT_EQ(9, pulses);
	program(vm, 0, 2, TEN_MS);
	ack(vm);
	EXPECT_EQ(9, pulses);
}

TEST_F(pits, no_reinjection)
{
	struct hv_vm *vm = &self->vm;

	ASSERT_EQ(0, hv_pit_reinject(vm, false));
	serves = false;
	program(vm, 0, 2, TEN_MS);
	pass(vm, 5 * ns(TEN_MS));
	/* All are delivered; the chip merges them. */
	EXPECT_EQ(5, pulses);
	ack(vm);
	EXPECT_EQ(5, pulses);
	ASSERT_EQ(0, hv_pit_reinject(vm, true));
	pending = true;
	pass(vm, 2 * ns(TEN_MS));
	EXPECT_EQ(5, pulses);
	ASSERT_EQ(0, hv_pit_reinject(vm, false));
	ack(vm);
	EXPECT_EQ(5, pulses);
}

TEST_F(pits, state)
{
	struct hv_vm *vm = &self->vm, bare = { 0 };
	struct hv_pit_state2 s, back;
	u32 flags = HV_PIT_FLAGS_HPET_LEGACY;

	EXPECT_EQ(-ENXIO, hv_pit_get_state(&bare, &s));
	EXPECT_EQ(-ENXIO, hv_pit_set_state(&bare, s.channels, NULL));
	EXPECT_EQ(-ENXIO, hv_pit_reinject(&bare, true));
	out(vm, 0x61, 0x03);
	program(vm, 0, 2, TEN_MS);
	program(vm, 2, 3, 0x400);
	out(vm, 0x42, 0x12);
	out(vm, 0x43, 0xc2);
	ASSERT_EQ(0, hv_pit_get_state(vm, &s));
	EXPECT_EQ(TEN_MS, s.channels[0].count);
	EXPECT_EQ(2, s.channels[0].mode);
	EXPECT_EQ(3, s.channels[0].rw_mode);
	EXPECT_EQ(now_ns, s.channels[0].count_load_time);
	EXPECT_EQ(1, s.channels[0].gate);
	EXPECT_EQ(1, s.channels[0].status_latched);
	EXPECT_EQ(TEN_MS, s.channels[0].latched_count);
	EXPECT_EQ(PIT_NO_MODE, s.channels[1].mode);
	EXPECT_EQ(0x12, s.channels[2].write_latch);
	EXPECT_EQ(4, s.channels[2].write_state);
	EXPECT_EQ(HV_PIT_FLAGS_SPEAKER_DATA_ON, s.flags);
	/* The same elsewhere; the timer starts again. */
	program(vm, 0, 0, 0);
	pass(vm, ns(10));
	ASSERT_EQ(0, hv_pit_set_state(vm, s.channels, &s.flags));
	ASSERT_EQ(0, hv_pit_get_state(vm, &back));
	s.channels[0].count_load_time = now_ns;
	s.channels[1].count_load_time = now_ns;
	s.channels[2].count_load_time = now_ns;
	EXPECT_EQ(0, memcmp(&s, &back, sizeof(s)));
	pass(vm, 10 * ns(TEN_MS));
	EXPECT_EQ(10, pulses);
	/* The HPET has the interrupt. */
	ASSERT_EQ(0, hv_pit_set_state(vm, s.channels, &flags));
	pass(vm, 10 * ns(TEN_MS));
	program(vm, 0, 2, TEN_MS);
	pass(vm, 10 * ns(TEN_MS));
	EXPECT_EQ(10, pulses);
	flags = 0;
	ASSERT_EQ(0, hv_pit_set_state(vm, s.channels, &flags));
	pass(vm, ns(TEN_MS));
	EXPECT_EQ(11, pulses);

	flags = 4;
	EXPECT_EQ(-EINVAL, hv_pit_set_state(vm, s.channels, &flags));
	s.channels[1].mode = 6;
	EXPECT_EQ(-EINVAL, hv_pit_set_state(vm, s.channels, NULL));
	s.channels[1].mode = 0xff;
	s.channels[2].count = 0x10001;
	EXPECT_EQ(-EINVAL, hv_pit_set_state(vm, s.channels, NULL));
	/* Nothing has changed. */
	pass(vm, ns(TEN_MS));
	EXPECT_EQ(12, pulses);
}

TEST_HARNESS_MAIN
