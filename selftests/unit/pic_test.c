// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PICs by themselves: initialization, priorities, the ways to end an interrupt, cascade.
 */
#include <stdio.h>
/* The code under test, with its private parts */
#include "../../src/irq/pic.c"

#include <kselftest_harness.h>

#define M	0x20
#define S	0xa0

long compat_pages;
long compat_pages_left = -1;
s64 now_ns;

static bool accepts = true;

void hv_lapic_lint0(struct hv_vcpu *vcpu)
{
	vcpu->kicks += accepts;
}

/* Lines whose interrupts have ended */
static unsigned int acked;

bool hv_irqfd_resamples(struct hv_vm *vm)
{
	(void)vm;
	return true;
}

void hv_irq_acked(struct hv_vm *vm, unsigned int chip, unsigned int pin)
{
	if (vm->pic->lock.held)
		abort();
	acked |= 1u << (chip * 8 + pin);
}

static int set_pin(struct hv_vm *vm, unsigned int pin, bool level)
{
	return hv_pic_set_source(vm, pin, HV_IRQ_VMM, level);
}

FIXTURE(pics) {
	struct hv_vm vm;
	struct hv_vcpu v;
};

static void out(struct hv_vm *vm, u16 port, u8 val)
{
	if (!hv_pic_has_port(port))
		abort();
	hv_pic_pio(vm, port, &val, true);
}

static u8 in(struct hv_vm *vm, u16 port)
{
	u8 val = 0x5a;

	hv_pic_pio(vm, port, &val, false);
	return val;
}

static u8 irr(struct hv_vm *vm, u16 port)
{
	out(vm, port, 0x0a);
	return in(vm, port);
}

static u8 isr(struct hv_vm *vm, u16 port)
{
	out(vm, port, 0x0b);
	return in(vm, port);
}

static void init(struct hv_vm *vm, u8 icw4)
{
	out(vm, M, 0x11);
	out(vm, M + 1, 0x20);
	out(vm, M + 1, 0x04);
	out(vm, M + 1, icw4);
	out(vm, S, 0x11);
	out(vm, S + 1, 0x28);
	out(vm, S + 1, 0x02);
	out(vm, S + 1, icw4 & ~ICW4_SFNM);
}

static void pulse(struct hv_vm *vm, unsigned int pin)
{
	set_pin(vm, pin, true);
	set_pin(vm, pin, false);
}

/* The processor takes what there is: vector or -1 */
static int take(struct hv_vm *vm)
{
	return hv_pic_output(vm) ? hv_pic_ack(vm) : -1;
}

FIXTURE_SETUP(pics)
{
	accepts = true;
	acked = 0;
	ASSERT_EQ(0, hv_pic_create(&self->vm));
	self->v.vm = &self->vm;
	self->vm.vcpus[self->vm.nr_vcpus++] = &self->v;
	init(&self->vm, 0x01);
}

FIXTURE_TEARDOWN(pics)
{
	hv_pic_destroy(&self->vm);
}

TEST_F(pics, ports)
{
	u16 port;

	for (port = 0; port < 0xffff; port++)
		EXPECT_EQ(port == 0x20 || port == 0x21 || port == 0xa0 || port == 0xa1 ||
			  port == 0x4d0 || port == 0x4d1, hv_pic_has_port(port));
	out(&self->vm, M + 1, 0xfb);
	out(&self->vm, S + 1, 0x7e);
	EXPECT_EQ(0xfb, in(&self->vm, M + 1));
	EXPECT_EQ(0x7e, in(&self->vm, S + 1));
	out(&self->vm, 0x4d0, 0xff);
	out(&self->vm, 0x4d1, 0xff);
	EXPECT_EQ(0xf8, in(&self->vm, 0x4d0));
	EXPECT_EQ(0xde, in(&self->vm, 0x4d1));
}

TEST_F(pics, edge)
{
	struct hv_vm *vm = &self->vm;

	EXPECT_EQ(1, set_pin(vm, 3, true));
	EXPECT_EQ(1, self->v.kicks);
	EXPECT_EQ(0, set_pin(vm, 3, true));
	EXPECT_EQ(8, irr(vm, M));
	EXPECT_EQ(0x23, take(vm));
	EXPECT_EQ(0, irr(vm, M));
	EXPECT_EQ(8, isr(vm, M));
	out(vm, M, 0x20);
	EXPECT_EQ(0, isr(vm, M));
	/* The line is still high: no edge */
	EXPECT_EQ(0, set_pin(vm, 3, true));
	EXPECT_EQ(-1, take(vm));
	pulse(vm, 3);
	pulse(vm, 3);
	EXPECT_EQ(0x23, take(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(-1, take(vm));
}

TEST_F(pics, level)
{
	struct hv_vm *vm = &self->vm;

	out(vm, 0x4d0, 1 << 5);
	set_pin(vm, 5, true);
	EXPECT_EQ(0x25, take(vm));
	EXPECT_EQ(0x20, irr(vm, M));
	EXPECT_EQ(-1, take(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(0x25, take(vm));
	set_pin(vm, 5, false);
	EXPECT_EQ(0, irr(vm, M));
	out(vm, M, 0x20);
	EXPECT_EQ(-1, take(vm));
	/* A line that is high and becomes level-triggered */
	set_pin(vm, 6, true);
	EXPECT_EQ(0x26, take(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(-1, take(vm));
	out(vm, 0x4d0, 3 << 5);
	EXPECT_EQ(0x26, take(vm));
}

TEST_F(pics, masked)
{
	struct hv_vm *vm = &self->vm;

	out(vm, M + 1, 0x10);
	EXPECT_EQ(-1, set_pin(vm, 4, true));
	EXPECT_EQ(0, self->v.kicks);
	EXPECT_EQ(-1, take(vm));
	EXPECT_EQ(0x10, irr(vm, M));
	/* Nobody is interested yet, then somebody. */
	accepts = false;
	out(vm, M + 1, 0);
	EXPECT_EQ(0, self->v.kicks);
	out(vm, M + 1, 0x10);
	accepts = true;
	out(vm, M + 1, 0);
	EXPECT_EQ(1, self->v.kicks);
	EXPECT_EQ(0x24, take(vm));
}

TEST_F(pics, priorities)
{
	struct hv_vm *vm = &self->vm;

	pulse(vm, 7);
	pulse(vm, 4);
	pulse(vm, 1);
	EXPECT_EQ(0x21, take(vm));
	EXPECT_EQ(-1, take(vm));
	pulse(vm, 0);
	EXPECT_EQ(0x20, take(vm));
	EXPECT_EQ(3, isr(vm, M));
	/* The highest of those in service ends */
	out(vm, M, 0x20);
	EXPECT_EQ(2, isr(vm, M));
	EXPECT_EQ(-1, take(vm));
	out(vm, M, 0x60 | 1);
	EXPECT_EQ(0x24, take(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(0x27, take(vm));
}

TEST_F(pics, rotation)
{
	struct hv_vm *vm = &self->vm;

	/* 5 is the lowest: 6 the highest */
	out(vm, M, 0xc0 | 5);
	pulse(vm, 0);
	pulse(vm, 6);
	pulse(vm, 5);
	EXPECT_EQ(0x26, take(vm));
	/* Rotate on non-specific EOI: 7 is the highest */
	out(vm, M, 0xa0);
	EXPECT_EQ(0x20, take(vm));
	pulse(vm, 6);
	EXPECT_EQ(-1, take(vm));
	/* On specific EOI: 1 is the highest */
	out(vm, M, 0xe0);
	pulse(vm, 1);
	EXPECT_EQ(0x21, take(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(0x25, take(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(0x26, take(vm));
}

TEST_F(pics, automatic_eoi)
{
	struct hv_vm *vm = &self->vm;

	init(vm, 0x03);
	pulse(vm, 2 + 8);
	pulse(vm, 1);
	EXPECT_EQ(0x21, take(vm));
	EXPECT_EQ(0, isr(vm, M));
	EXPECT_EQ(0x2a, take(vm));
	EXPECT_EQ(0, isr(vm, S));
	EXPECT_EQ(-1, take(vm));
	/* Rotating: what came last has the lowest priority */
	out(vm, M, 0x80);
	pulse(vm, 3);
	EXPECT_EQ(0x23, take(vm));
	pulse(vm, 3);
	pulse(vm, 4);
	EXPECT_EQ(0x24, take(vm));
	pulse(vm, 4);
	pulse(vm, 0);
	EXPECT_EQ(0x20, take(vm));
	EXPECT_EQ(0x23, take(vm));
	EXPECT_EQ(0x24, take(vm));
	out(vm, M, 0x00);
	pulse(vm, 6);
	pulse(vm, 5);
	EXPECT_EQ(0x25, take(vm));
	pulse(vm, 5);
	EXPECT_EQ(0x25, take(vm));
	EXPECT_EQ(0x26, take(vm));
	/* ICW1 without ICW4 ends it */
	out(vm, M, 0x10);
	out(vm, M + 1, 0x30);
	out(vm, M + 1, 0x04);
	pulse(vm, 5);
	EXPECT_EQ(0x35, take(vm));
	EXPECT_EQ(0x20, isr(vm, M));
}

TEST_F(pics, special_mask)
{
	struct hv_vm *vm = &self->vm;

	pulse(vm, 1);
	EXPECT_EQ(0x21, take(vm));
	pulse(vm, 4);
	out(vm, M + 1, 0x02);
	EXPECT_EQ(-1, take(vm));
	out(vm, M, 0x68);
	EXPECT_EQ(0x24, take(vm));
	EXPECT_EQ(0x12, isr(vm, M));
	/* A non-specific EOI does not end the masked one. */
	out(vm, M, 0x20);
	EXPECT_EQ(0x02, isr(vm, M));
	out(vm, M, 0x20);
	EXPECT_EQ(0x02, isr(vm, M));
	out(vm, M, 0x48);
	pulse(vm, 4);
	EXPECT_EQ(-1, take(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(0x24, take(vm));
}

TEST_F(pics, cascade)
{
	struct hv_vm *vm = &self->vm;

	pulse(vm, 12);
	EXPECT_EQ(4, irr(vm, M));
	EXPECT_EQ(0x10, irr(vm, S));
	EXPECT_EQ(0x2c, take(vm));
	EXPECT_EQ(4, isr(vm, M));
	EXPECT_EQ(0x10, isr(vm, S));
	/* A higher one of the slave is locked out by the master. */
	pulse(vm, 9);
	EXPECT_EQ(-1, take(vm));
	pulse(vm, 1);
	EXPECT_EQ(0x21, take(vm));
	out(vm, M, 0x20);
	out(vm, M, 0x20);
	EXPECT_EQ(0x29, take(vm));
	out(vm, S, 0x20);
	out(vm, S, 0x20);
	out(vm, M, 0x20);
	EXPECT_EQ(-1, take(vm));
}

TEST_F(pics, special_fully_nested)
{
	struct hv_vm *vm = &self->vm;

	init(vm, 0x11);
	pulse(vm, 12);
	EXPECT_EQ(0x2c, take(vm));
	pulse(vm, 14);
	pulse(vm, 3);
	/* Lower in the slave, lower in the master */
	EXPECT_EQ(-1, take(vm));
	pulse(vm, 9);
	EXPECT_EQ(0x29, take(vm));
	out(vm, S, 0x20);
	EXPECT_EQ(-1, take(vm));
	out(vm, S, 0x20);
	EXPECT_EQ(0x2e, take(vm));
	out(vm, S, 0x20);
	EXPECT_EQ(0, isr(vm, S));
	out(vm, M, 0x20);
	EXPECT_EQ(0x23, take(vm));
}

TEST_F(pics, spurious)
{
	struct hv_vm *vm = &self->vm;

	out(vm, 0x4d0, 0x08);
	out(vm, 0x4d1, 0x02);
	set_pin(vm, 3, true);
	EXPECT_TRUE(hv_pic_output(vm));
	set_pin(vm, 3, false);
	EXPECT_FALSE(hv_pic_output(vm));
	EXPECT_EQ(0x27, hv_pic_ack(vm));
	EXPECT_EQ(0, isr(vm, M));
	/* The master has the request of the slave, which has none any more. */
	set_pin(vm, 9, true);
	set_pin(vm, 9, false);
	EXPECT_EQ(0x2f, take(vm));
	EXPECT_EQ(4, isr(vm, M));
	EXPECT_EQ(0, isr(vm, S));
}

TEST_F(pics, poll)
{
	struct hv_vm *vm = &self->vm;

	out(vm, M, 0x0c);
	EXPECT_EQ(0, in(vm, M));
	EXPECT_EQ(0, in(vm, M + 1));
	pulse(vm, 6);
	pulse(vm, 4);
	out(vm, M, 0x0c);
	EXPECT_EQ(0x84, in(vm, M + 1));
	EXPECT_EQ(0x10, isr(vm, M));
	EXPECT_FALSE(hv_pic_output(vm));
	out(vm, M, 0x20);
	EXPECT_EQ(0x26, take(vm));
	out(vm, M, 0x20);
	pulse(vm, 8);
	out(vm, M, 0x0c);
	EXPECT_EQ(0x82, in(vm, M));
	out(vm, S, 0x0c);
	EXPECT_EQ(0x80, in(vm, S));
	EXPECT_EQ(1, isr(vm, S));
}

TEST_F(pics, initialization)
{
	struct hv_vm *vm = &self->vm;

	out(vm, 0x4d0, 0x20);
	set_pin(vm, 4, true);
	set_pin(vm, 5, true);
	out(vm, M, 0x68);
	out(vm, M, 0xc3);
	out(vm, M + 1, 0x10);
	pulse(vm, 7);
	EXPECT_EQ(0x25, take(vm));
	init(vm, 0x01);
	/* The level is still there, edges are not; all is unmasked, 0 is the highest. */
	EXPECT_EQ(0x20, irr(vm, M));
	EXPECT_EQ(0, isr(vm, M));
	EXPECT_EQ(0, in(vm, M + 1));
	EXPECT_EQ(0x25, take(vm));
	pulse(vm, 0);
	EXPECT_EQ(0x20, take(vm));
	EXPECT_EQ(0, set_pin(vm, 4, true));
	set_pin(vm, 4, false);
	EXPECT_EQ(1, set_pin(vm, 4, true));
}

/* Whoever waits for the end of an interrupt hears of it, in all ways in which it can end. */
TEST_F(pics, acks)
{
	struct hv_vm *vm = &self->vm;

	pulse(vm, 1);
	EXPECT_TRUE(hv_pic_pending(vm, 1));
	take(vm);
	EXPECT_EQ(0, acked);
	EXPECT_TRUE(hv_pic_pending(vm, 1));
	out(vm, M, 0x20);
	EXPECT_EQ(1 << 1, acked);
	EXPECT_FALSE(hv_pic_pending(vm, 1));
	/* Nothing is in service: nothing ends. */
	acked = 0;
	out(vm, M, 0x20);
	out(vm, M, 0x65);
	EXPECT_EQ(0, acked);
	pulse(vm, 12);
	take(vm);
	out(vm, S, 0x64);
	EXPECT_EQ(1 << 12, acked);
	out(vm, M, 0xe2);
	EXPECT_EQ(1 << 12 | 1 << 2, acked);
	/* Masked is not pending; a new initialization ends all. */
	acked = 0;
	out(vm, M + 1, 0x08);
	pulse(vm, 3);
	EXPECT_FALSE(hv_pic_pending(vm, 3));
	pulse(vm, 4);
	take(vm);
	init(vm, 0x03);
	EXPECT_EQ(1 << 3 | 1 << 4, acked);
	acked = 0;
	pulse(vm, 5);
	take(vm);
	EXPECT_EQ(1 << 5, acked);
}

/* A line is high as long as one source holds it. */
TEST_F(pics, sources)
{
	struct hv_vm *vm = &self->vm;

	out(vm, 0x4d0, 1 << 5);
	hv_pic_set_source(vm, 5, HV_IRQ_RESAMPLE, true);
	set_pin(vm, 5, true);
	hv_pic_set_source(vm, 5, HV_IRQ_RESAMPLE, false);
	EXPECT_EQ(1 << 5, irr(vm, M));
	set_pin(vm, 5, false);
	EXPECT_EQ(0, irr(vm, M));
}

TEST_F(pics, state)
{
	struct hv_pic_state s, back;
	struct hv_vm *vm = &self->vm;

	memset(&s, 0xff, sizeof(s));
	ASSERT_EQ(0, hv_pic_set_state(vm, 1, &s));
	ASSERT_EQ(0, hv_pic_get_state(vm, 1, &back));
	EXPECT_EQ(0xf8, back.irq_base);
	EXPECT_EQ(7, back.priority_add);
	EXPECT_EQ(3, back.init_state);
	EXPECT_EQ(1, back.poll);
	EXPECT_EQ(0xde, back.elcr);
	EXPECT_EQ(0xde, back.elcr_mask);
	/* What waits in the state is delivered. */
	s = (struct hv_pic_state) { .irq_base = 0x70, .irr = 0x08 };
	ASSERT_EQ(0, hv_pic_set_state(vm, 0, &s));
	EXPECT_EQ(1, self->v.kicks);
	EXPECT_EQ(0x73, take(vm));
}

TEST_HARNESS_MAIN
