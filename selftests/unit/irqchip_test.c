// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt controllers as a whole: LAPICs, their timers and the IOAPIC of a VM with
 * four vCPUs, in a clock that stands still until the test moves it.
 */
#include <stdio.h>
/* The code under test, with its private parts */
#include "../../src/irq/lapic.c"
#include "../../src/irq/lapic_post.c"
#include "../../src/irq/lapic_timer.c"
#include "../../src/irq/apic_dest.c"
#include "../../src/irq/ioapic.c"

#include <kselftest_harness.h>

#define NR_VCPUS	4
#define MS		1000000ull
#define APIC_PAGE	0xfee00000ull

long compat_pages;
long compat_pages_left = -1;
s64 now_ns;
s64 tsc_epoch_ns;

static bool cpuid_bits = true;

bool hv_cpuid_has(struct hv_vcpu *vcpu, u32 func, u32 index, int reg, unsigned int bit)
{
	(void)vcpu, (void)func, (void)index, (void)reg, (void)bit;
	return cpuid_bits;
}

void hv_x86_vcpu_reset(struct hv_vcpu *vcpu, bool init)
{
	vcpu->inits += init;
	hv_lapic_reset(vcpu, init);
}

/* Who waits for EOIs releases the line, and asserts it again if the device wants more. */
static bool resamples;
static bool wants_more;
static unsigned long acked;

bool hv_irqfd_resamples(struct hv_vm *vm)
{
	(void)vm;
	return resamples;
}

void hv_irq_acked(struct hv_vm *vm, unsigned int chip, unsigned int pin)
{
	if (chip != HV_IRQCHIP_IOAPIC)
		abort();
	acked |= BIT(pin);
	hv_ioapic_set_source(vm, pin, HV_IRQ_RESAMPLE, false);
	if (wants_more)
		hv_ioapic_set_source(vm, pin, HV_IRQ_RESAMPLE, true);
}

void hv_irq_eoi(struct hv_vcpu *vcpu, u8 vector)
{
	hv_ioapic_eoi(vcpu->vm, vector);
}

FIXTURE(chips) {
	struct hv_vm vm;
	struct hv_vcpu v[NR_VCPUS];
};

static u32 rd(struct hv_vcpu *v, unsigned int reg)
{
	u32 val = 0xdeadbeef;

	if (!hv_irq_mmio(v, APIC_PAGE + reg * 16, 4, &val, false))
		abort();
	return val;
}

static void wr(struct hv_vcpu *v, unsigned int reg, u32 val)
{
	if (!hv_irq_mmio(v, APIC_PAGE + reg * 16, 4, &val, true))
		abort();
}

static int wrmsr(struct hv_vcpu *v, unsigned int reg, u64 val)
{
	return hv_lapic_msr_write(v, 0x800 + reg, val);
}

static u64 rdmsr(struct hv_vcpu *v, unsigned int reg)
{
	u64 val;

	return hv_lapic_msr_read(v, 0x800 + reg, &val) ? ~0ull : val;
}

static void io_wr(struct hv_vm *vm, u32 reg, u32 val)
{
	hv_ioapic_mmio(vm, 0xfec00000, 4, &reg, true);
	hv_ioapic_mmio(vm, 0xfec00010, 4, &val, true);
}

static u32 io_rd(struct hv_vm *vm, u32 reg)
{
	u32 val;

	hv_ioapic_mmio(vm, 0xfec00000, 4, &reg, true);
	hv_ioapic_mmio(vm, 0xfec00010, 4, &val, false);
	return val;
}

static void rte(struct hv_vm *vm, unsigned int pin, u64 val)
{
	io_wr(vm, 0x11 + 2 * pin, val >> 32);
	io_wr(vm, 0x10 + 2 * pin, val);
}

/* The processor takes what there is: vector or -1 */
static int take(struct hv_vcpu *v)
{
	int vector = hv_lapic_pending(v);

	if (vector >= 0)
		hv_lapic_accept(v, vector);
	return vector;
}

static void eoi(struct hv_vcpu *v)
{
	wr(v, APIC_R_EOI, 0);
}

/* Let time pass; the run loop does what the timer asks. */
static void pass(struct hv_vcpu *v, s64 ns)
{
	struct hrtimer *t = &v->x86.lapic->timer.timer;
	s64 until = now_ns + ns;

	for (;;) {
		if (test_and_clear_bit(HV_REQ_TIMER, &v->requests))
			hv_lapic_timer_fire(v);
		if (!t->active || t->expires > until)
			break;
		if (now_ns < t->expires)
			now_ns = t->expires;
		t->active = t->function(t) == HRTIMER_RESTART;
	}
	now_ns = until;
}

static void enable(struct hv_vcpu *v)
{
	wr(v, APIC_R_SVR, 0x1ff);
}

FIXTURE_SETUP(chips)
{
	unsigned int i;

	now_ns = 1000 * MS;
	tsc_epoch_ns = 0;
	self->vm.irqchip_in_kernel = true;
	ASSERT_EQ(0, hv_ioapic_create(&self->vm));
	for (i = 0; i < NR_VCPUS; i++) {
		self->v[i] = (struct hv_vcpu) { .vm = &self->vm, .id = i };
		self->v[i].x86.maxphyaddr = 40;
		self->v[i].x86.tsc_khz = 3000000;
		ASSERT_EQ(0, hv_lapic_create(&self->v[i]));
		hv_lapic_reset(&self->v[i], false);
		self->vm.vcpus[self->vm.nr_vcpus++] = &self->v[i];
	}
}

FIXTURE_TEARDOWN(chips)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		hv_lapic_destroy(&self->v[i]);
	hv_ioapic_destroy(&self->vm);
}

/* ---- registers ---- */

TEST_F(chips, power_up)
{
	struct hv_vcpu *v = &self->v[1];

	EXPECT_EQ(0x01000000, rd(v, APIC_R_ID));
	EXPECT_EQ(0x50014, rd(v, APIC_R_VERSION));
	EXPECT_EQ(0xff, rd(v, APIC_R_SVR));
	EXPECT_EQ(0xffffffff, rd(v, APIC_R_DFR));
	EXPECT_EQ(0x10000, rd(v, APIC_R_LVT_LINT0));
	EXPECT_EQ(0x700, rd(&self->v[0], APIC_R_LVT_LINT0));
	EXPECT_EQ(0xfee00900, self->v[0].x86.apic_base);
	EXPECT_EQ(0xfee00800, v->x86.apic_base);
	EXPECT_TRUE(hv_lapic_accepts_extint(&self->v[0]));
	EXPECT_FALSE(hv_lapic_accepts_extint(v));
}

TEST_F(chips, partial_accesses)
{
	struct hv_vcpu *v = &self->v[2];
	u8 byte = 0;
	u16 word = 0;
	u64 quad = ~0ull;

	EXPECT_TRUE(hv_irq_mmio(v, APIC_PAGE + 0x23, 1, &byte, false));
	EXPECT_EQ(2, byte);
	EXPECT_TRUE(hv_irq_mmio(v, APIC_PAGE + 0x22, 2, &word, false));
	EXPECT_EQ(0x200, word);
	EXPECT_TRUE(hv_irq_mmio(v, APIC_PAGE + 0x20, 8, &quad, false));
	EXPECT_EQ(0, quad);
	byte = 0x50;
	EXPECT_TRUE(hv_irq_mmio(v, APIC_PAGE + 0x80, 1, &byte, true));
	EXPECT_EQ(0, rd(v, APIC_R_TPR));
	EXPECT_FALSE(hv_irq_mmio(v, APIC_PAGE + 0x1000, 4, &quad, false));
	EXPECT_FALSE(hv_irq_mmio(v, APIC_PAGE - 4, 4, &quad, false));
}

TEST_F(chips, software_disable_masks)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	wr(v, APIC_R_LVT_TIMER, 0x20040);
	wr(v, APIC_R_LVT_LINT1, 0x400);
	EXPECT_EQ(0x20040, rd(v, APIC_R_LVT_TIMER));
	wr(v, APIC_R_SVR, 0xff);
	EXPECT_EQ(0x30040, rd(v, APIC_R_LVT_TIMER));
	EXPECT_EQ(0x10400, rd(v, APIC_R_LVT_LINT1));
	EXPECT_EQ(0x10700, rd(v, APIC_R_LVT_LINT0));
	wr(v, APIC_R_LVT_LINT1, 0x400);
	EXPECT_EQ(0x10400, rd(v, APIC_R_LVT_LINT1));
}

/* ---- acceptance ---- */

TEST_F(chips, priorities)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	EXPECT_EQ(1, hv_msi_deliver(&self->vm, 0xfee00000, 0x41));
	EXPECT_EQ(0, hv_msi_deliver(&self->vm, 0xfee00000, 0x41));
	EXPECT_EQ(1, hv_msi_deliver(&self->vm, 0xfee00000, 0x45));
	/* Told once until it looks */
	EXPECT_EQ(1, v->kicks);
	EXPECT_EQ(0x45, take(v));
	EXPECT_EQ(1, hv_msi_deliver(&self->vm, 0xfee00000, 0x46));
	EXPECT_EQ(2, v->kicks);
	/* Pending again, while the first is in service */
	EXPECT_EQ(1, hv_msi_deliver(&self->vm, 0xfee00000, 0x45));
	EXPECT_EQ(2, v->kicks);
	/* The same class has to wait, a higher one doesn't. */
	EXPECT_EQ(-1, take(v));
	EXPECT_EQ(0x40, rd(v, APIC_R_PPR));
	EXPECT_EQ(1, hv_msi_deliver(&self->vm, 0xfee00000, 0x51));
	EXPECT_EQ(0x51, take(v));
	EXPECT_EQ(1u << (0x51 - 0x40), rd(v, APIC_R_ISR + 2) & 0x20000);
	eoi(v);
	EXPECT_EQ(-1, take(v));
	eoi(v);
	EXPECT_EQ(0x46, take(v));
	eoi(v);
	EXPECT_EQ(0x45, take(v));
	eoi(v);
	EXPECT_EQ(0x41, take(v));
	eoi(v);
	eoi(v);
	EXPECT_EQ(0, rd(v, APIC_R_PPR));
	/* TPR holds back its class and those below. */
	hv_lapic_set_tpr(v, 6);
	EXPECT_EQ(0x60, rd(v, APIC_R_TPR));
	hv_msi_deliver(&self->vm, 0xfee00000, 0x6f);
	EXPECT_EQ(-1, take(v));
	hv_lapic_set_tpr(v, 5);
	EXPECT_EQ(5, hv_lapic_get_tpr(v));
	EXPECT_EQ(0x6f, take(v));
}

TEST_F(chips, disabled_refuses)
{
	struct hv_vcpu *v = &self->v[0];

	EXPECT_EQ(-1, hv_msi_deliver(&self->vm, 0xfee00000, 0x41));
	enable(v);
	hv_msi_deliver(&self->vm, 0xfee00000, 0x41);
	wr(v, APIC_R_SVR, 0xff);
	/* What was accepted before is still delivered. */
	EXPECT_EQ(0x41, take(v));
	EXPECT_EQ(-1, hv_msi_deliver(&self->vm, 0xfee00000, 0x42));
	/* NMIs get through (SDM 3A 11.4.7.2) */
	EXPECT_EQ(1, hv_msi_deliver(&self->vm, 0xfee00000, 0x400));
	EXPECT_EQ(1, v->nmis);
	EXPECT_EQ(0, hv_lapic_set_base(v, 0xfee00100, false));
	EXPECT_EQ(-1, hv_msi_deliver(&self->vm, 0xfee00000, 0x400));
	EXPECT_EQ(1, v->nmis);
	EXPECT_EQ(0xffffffff, rd(v, APIC_R_SVR));
}

TEST_F(chips, illegal_vectors)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	wr(v, APIC_R_LVT_ERROR, 0xf1);
	EXPECT_EQ(-1, hv_msi_deliver(&self->vm, 0xfee00000, 0x0f));
	EXPECT_EQ(0, rd(v, APIC_R_ESR));
	EXPECT_EQ(0xf1, take(v));
	eoi(v);
	/* Not armed until ESR is written */
	wr(v, APIC_R_ICR, 0x4000f);
	EXPECT_EQ(-1, take(v));
	wr(v, APIC_R_ESR, 0);
	EXPECT_EQ(0x60, rd(v, APIC_R_ESR));
	wr(v, APIC_R_ESR, 0);
	EXPECT_EQ(0, rd(v, APIC_R_ESR));
	/* Reserved address */
	rd(v, 0x04);
	EXPECT_EQ(0xf1, take(v));
	eoi(v);
	wr(v, APIC_R_ESR, 0);
	EXPECT_EQ(0x80, rd(v, APIC_R_ESR));
	/* The error entry's own vector is illegal: no recursion */
	wr(v, APIC_R_LVT_ERROR, 0x01);
	hv_msi_deliver(&self->vm, 0xfee00000, 0x0f);
	wr(v, APIC_R_ESR, 0);
	EXPECT_EQ(0x40, rd(v, APIC_R_ESR));
}

/* ---- IOAPIC ---- */

static void fire(struct hrtimer *t)
{
	if (t->expires > now_ns)
		now_ns = t->expires;
	t->active = t->function(t) == HRTIMER_RESTART;
}

TEST_F(chips, stuck_level)
{
	struct hv_vcpu *v = &self->v[0];
	struct hrtimer *pause = &self->vm.ioapic->pause;
	unsigned int i;

	enable(v);
	rte(&self->vm, 5, 0x8041);
	rte(&self->vm, 6, 0x8051);
	/* A line that is released in time is not stuck, however often it comes. */
	for (i = 0; i < 3 * IOAPIC_STUCK_EOIS; i++) {
		hv_ioapic_set_pin(&self->vm, 5, true);
		if (take(v) != 0x41)
			break;
		if (i % 2)
			hv_ioapic_set_pin(&self->vm, 5, false);
		eoi(v);
	}
	EXPECT_EQ(3 * IOAPIC_STUCK_EOIS, i);
	EXPECT_FALSE(pause->active);
	/* One that stays */
	hv_ioapic_set_pin(&self->vm, 5, true);
	for (i = 0; take(v) == 0x41; i++)
		eoi(v);
	EXPECT_EQ(IOAPIC_STUCK_EOIS, i);
	EXPECT_TRUE(pause->active);
	EXPECT_EQ(IOAPIC_STUCK_PAUSE, pause->expires - now_ns);
	/* Others go on meanwhile. */
	hv_ioapic_set_pin(&self->vm, 6, true);
	EXPECT_EQ(0x51, take(v));
	hv_ioapic_set_pin(&self->vm, 6, false);
	eoi(v);
	fire(pause);
	EXPECT_EQ(0x41, take(v));
	/* Released in the pause: nothing comes. */
	eoi(v);
	for (i = 1; take(v) == 0x41; i++)
		eoi(v);
	EXPECT_EQ(IOAPIC_STUCK_EOIS, i);
	hv_ioapic_set_pin(&self->vm, 5, false);
	fire(pause);
	EXPECT_EQ(-1, take(v));
}

/* The PIT hears of the end of an edge. */
TEST_F(chips, awaited_edge)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	EXPECT_EQ(-1, hv_ioapic_pending(&self->vm, 2));
	rte(&self->vm, 2, 0x41);
	EXPECT_EQ(0, hv_ioapic_pending(&self->vm, 2));
	hv_ioapic_set_source(&self->vm, 2, HV_IRQ_PIT, true);
	hv_ioapic_set_source(&self->vm, 2, HV_IRQ_PIT, false);
	EXPECT_EQ(1, hv_ioapic_pending(&self->vm, 2));
	EXPECT_EQ(0, io_rd(&self->vm, 0x14) & 0x4000);
	EXPECT_EQ(0x41, take(v));
	EXPECT_EQ(1, hv_ioapic_pending(&self->vm, 2));
	eoi(v);
	EXPECT_EQ(0, hv_ioapic_pending(&self->vm, 2));
	/* Edges of others are not followed. */
	hv_ioapic_set_pin(&self->vm, 2, true);
	EXPECT_EQ(0, hv_ioapic_pending(&self->vm, 2));
	EXPECT_EQ(0x41, take(v));
	eoi(v);
	hv_ioapic_set_pin(&self->vm, 2, false);
	/* Programmed anew: nothing is awaited. */
	hv_ioapic_set_source(&self->vm, 2, HV_IRQ_PIT, true);
	EXPECT_EQ(1, hv_ioapic_pending(&self->vm, 2));
	rte(&self->vm, 2, 0x42);
	EXPECT_EQ(0, hv_ioapic_pending(&self->vm, 2));
}

/* ---- IPIs ---- */

TEST_F(chips, shorthands)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		enable(&self->v[i]);
	wr(&self->v[1], APIC_R_ICR, 0x40050);
	wr(&self->v[1], APIC_R_ICR, 0x80060);
	wr(&self->v[1], APIC_R_ICR, 0xc0070);
	for (i = 0; i < NR_VCPUS; i++) {
		if (i != 1) {
			EXPECT_EQ(0x70, take(&self->v[i]));
			eoi(&self->v[i]);
		}
		EXPECT_EQ(0x60, take(&self->v[i]));
		eoi(&self->v[i]);
		EXPECT_EQ(i == 1 ? 0x50 : -1, take(&self->v[i]));
	}
}

TEST_F(chips, init_and_sipi)
{
	struct hv_vcpu *ap = &self->v[2];

	ap->x86.mp_state = HV_MP_STATE_UNINITIALIZED;
	/* SIPI without INIT is lost. */
	wr(&self->v[0], APIC_R_ICR2, 2 << 24);
	wr(&self->v[0], APIC_R_ICR, 0x4612);
	EXPECT_TRUE(hv_lapic_has_init_sipi(ap));
	hv_lapic_do_init_sipi(ap);
	EXPECT_FALSE(hv_lapic_has_init_sipi(ap));
	EXPECT_EQ(HV_MP_STATE_UNINITIALIZED, ap->x86.mp_state);
	/* As Linux does it: INIT, its de-assert, SIPI twice */
	enable(ap);
	wr(&self->v[0], APIC_R_ICR, 0xc500);
	wr(&self->v[0], APIC_R_ICR, 0x8500);
	hv_lapic_do_init_sipi(ap);
	EXPECT_EQ(1, ap->inits);
	EXPECT_EQ(HV_MP_STATE_INIT_RECEIVED, ap->x86.mp_state);
	EXPECT_EQ(0xff, rd(ap, APIC_R_SVR));
	EXPECT_FALSE(hv_lapic_has_init_sipi(ap));
	wr(&self->v[0], APIC_R_ICR, 0x4698);
	hv_lapic_do_init_sipi(ap);
	EXPECT_EQ(HV_MP_STATE_RUNNABLE, ap->x86.mp_state);
	EXPECT_EQ(0x9800, ap->cs.selector);
	EXPECT_EQ(0x98000, ap->cs.base);
	EXPECT_EQ(0, ap->rip);
	wr(&self->v[0], APIC_R_ICR, 0x4611);
	hv_lapic_do_init_sipi(ap);
	EXPECT_EQ(0x98000, ap->cs.base);
	EXPECT_EQ(1, ap->inits);
	/* The boot CPU runs on. */
	wr(ap, APIC_R_ICR2, 0);
	wr(ap, APIC_R_ICR, 0x4500);
	hv_lapic_do_init_sipi(&self->v[0]);
	EXPECT_EQ(HV_MP_STATE_RUNNABLE, self->v[0].x86.mp_state);
}

TEST_F(chips, lowest_priority)
{
	unsigned int i, count[NR_VCPUS] = { 0 };
	int got;

	for (i = 0; i < NR_VCPUS; i++) {
		wr(&self->v[i], APIC_R_LDR, 1u << (24 + i));
		if (i != 3)
			enable(&self->v[i]);
	}
	wr(&self->v[1], APIC_R_TPR, 0x20);
	/* Logical, everybody, redirection hint; 3 is disabled, 1 is busy */
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(1, hv_msi_deliver(&self->vm, 0xfee0f00c, 0x141));
		for (got = 0; got < NR_VCPUS; got++)
			if (take(&self->v[got]) == 0x41) {
				count[got]++;
				eoi(&self->v[got]);
			}
	}
	EXPECT_EQ(5, count[0]);
	EXPECT_EQ(0, count[1]);
	EXPECT_EQ(5, count[2]);
	EXPECT_EQ(0, count[3]);
	EXPECT_EQ(-1, hv_msi_deliver(&self->vm, 0xfee0800c, 0x141));
}

/* ---- x2APIC ---- */

TEST_F(chips, x2apic)
{
	struct hv_vcpu *v = &self->v[3];

	EXPECT_EQ(~0ull, rdmsr(v, APIC_R_ID));
	EXPECT_EQ(1, hv_lapic_set_base(v, 0xfee00400, false));
	EXPECT_EQ(1, hv_lapic_set_base(v, 0xfee00801, false));
	EXPECT_EQ(1, hv_lapic_set_base(v, 0x100fee00800, false));
	cpuid_bits = false;
	EXPECT_EQ(1, hv_lapic_set_base(v, 0xfee00c00, false));
	cpuid_bits = true;
	EXPECT_EQ(0, hv_lapic_set_base(v, 0xfee00c00, false));
	EXPECT_EQ(1, hv_lapic_set_base(v, 0xfee00800, false));
	EXPECT_EQ(3, rdmsr(v, APIC_R_ID));
	EXPECT_EQ(8, rdmsr(v, APIC_R_LDR));
	EXPECT_EQ(0xffffffff, rd(v, APIC_R_ID));
	/* Reserved bits, read-only, write-only, absent */
	EXPECT_EQ(1, wrmsr(v, APIC_R_EOI, 1));
	EXPECT_EQ(1, wrmsr(v, APIC_R_ESR, 1));
	EXPECT_EQ(1, wrmsr(v, APIC_R_TPR, 0x100));
	EXPECT_EQ(1, wrmsr(v, APIC_R_ID, 3));
	EXPECT_EQ(1, wrmsr(v, APIC_R_LDR, 8));
	EXPECT_EQ(1, wrmsr(v, APIC_R_DFR, 0));
	EXPECT_EQ(1, wrmsr(v, APIC_R_ICR2, 0));
	EXPECT_EQ(1, wrmsr(v, APIC_R_SVR, 0x11ff));
	EXPECT_EQ(1, wrmsr(v, APIC_R_ICR, 0x100000));
	EXPECT_EQ(1, wrmsr(v, 0x40, 0));
	EXPECT_EQ(~0ull, rdmsr(v, APIC_R_EOI));
	EXPECT_EQ(~0ull, rdmsr(v, APIC_R_SELF_IPI));
	EXPECT_EQ(0, wrmsr(v, APIC_R_SVR, 0x1ff));
	EXPECT_EQ(0, wrmsr(v, APIC_R_SELF_IPI, 0x77));
	EXPECT_EQ(0x77, take(v));
	EXPECT_EQ(0, wrmsr(v, APIC_R_EOI, 0));
	/* 32-bit destinations: 255 is nobody, all ones everybody */
	enable(&self->v[0]);
	EXPECT_EQ(0, wrmsr(v, APIC_R_ICR, 0xff00000051));
	EXPECT_EQ(-1, take(&self->v[0]));
	EXPECT_EQ(0, wrmsr(v, APIC_R_ICR, 0xffffffff00000051));
	EXPECT_EQ(0xffffffff00000051, rdmsr(v, APIC_R_ICR));
	EXPECT_EQ(0x51, take(&self->v[0]));
	EXPECT_EQ(0x51, take(v));
	/* INIT keeps the mode. */
	hv_lapic_reset(v, true);
	EXPECT_EQ(8, rdmsr(v, APIC_R_LDR));
	EXPECT_EQ(0xff, rdmsr(v, APIC_R_SVR));
	EXPECT_EQ(0, hv_lapic_set_base(v, 0xfee00000, false));
	EXPECT_EQ(1, hv_lapic_set_base(v, 0xfee00c00, false));
	EXPECT_EQ(0, hv_lapic_set_base(v, 0xfee00800, false));
	EXPECT_EQ(0, rd(v, APIC_R_LDR));
}

/* ---- timer ---- */

TEST_F(chips, oneshot)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	wr(v, APIC_R_DCR, 0xb);
	wr(v, APIC_R_LVT_TIMER, 0x40);
	wr(v, APIC_R_TMICT, 1000000);
	pass(v, 400000);
	EXPECT_EQ(600000, rd(v, APIC_R_TMCCT));
	EXPECT_EQ(-1, take(v));
	pass(v, 600000);
	EXPECT_EQ(0x40, take(v));
	eoi(v);
	EXPECT_EQ(0, rd(v, APIC_R_TMCCT));
	EXPECT_EQ(1000000, rd(v, APIC_R_TMICT));
	/* Once; and neither a new divisor nor a new vector starts it again. */
	wr(v, APIC_R_DCR, 0x3);
	wr(v, APIC_R_LVT_TIMER, 0x41);
	pass(v, 100 * MS);
	EXPECT_EQ(-1, take(v));
	/* Divisor changed in flight: half of it is left, but 16 times slower. */
	wr(v, APIC_R_DCR, 0xb);
	wr(v, APIC_R_TMICT, 1000000);
	pass(v, 500000);
	wr(v, APIC_R_DCR, 0x3);
	EXPECT_EQ(500000, rd(v, APIC_R_TMCCT));
	pass(v, 500000 * 16 - 1);
	EXPECT_EQ(-1, take(v));
	pass(v, 1);
	EXPECT_EQ(0x41, take(v));
	eoi(v);
	/* 0 stops. */
	wr(v, APIC_R_TMICT, 1000);
	wr(v, APIC_R_TMICT, 0);
	pass(v, MS);
	EXPECT_EQ(-1, take(v));
}

TEST_F(chips, masked_timer_counts)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	wr(v, APIC_R_DCR, 0xb);
	wr(v, APIC_R_LVT_TIMER, 0x10040);
	wr(v, APIC_R_TMICT, 1000);
	pass(v, 300);
	EXPECT_EQ(700, rd(v, APIC_R_TMCCT));
	pass(v, 1000);
	wr(v, APIC_R_LVT_TIMER, 0x40);
	pass(v, MS);
	EXPECT_EQ(-1, take(v));
}

TEST_F(chips, periodic)
{
	struct hv_vcpu *v = &self->v[0];
	unsigned int i;

	enable(v);
	wr(v, APIC_R_DCR, 0xb);
	wr(v, APIC_R_LVT_TIMER, 0x20040);
	wr(v, APIC_R_TMICT, 1000000);
	for (i = 0; i < 5; i++) {
		pass(v, 999999);
		EXPECT_EQ(1, rd(v, APIC_R_TMCCT));
		EXPECT_EQ(-1, take(v));
		pass(v, 1);
		EXPECT_EQ(0x40, take(v));
		EXPECT_EQ(1000000, rd(v, APIC_R_TMCCT));
		eoi(v);
	}
	/* To one-shot: the round goes on and is the last. */
	pass(v, 300000);
	wr(v, APIC_R_LVT_TIMER, 0x40);
	EXPECT_EQ(700000, rd(v, APIC_R_TMCCT));
	pass(v, 700000);
	EXPECT_EQ(0x40, take(v));
	eoi(v);
	pass(v, 10 * MS);
	EXPECT_EQ(-1, take(v));
	EXPECT_EQ(0, rd(v, APIC_R_TMCCT));
}

/* A period of a nanosecond costs the host at most an interrupt in 200 us. */
TEST_F(chips, periodic_too_fast)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	wr(v, APIC_R_DCR, 0xb);
	wr(v, APIC_R_LVT_TIMER, 0x20040);
	wr(v, APIC_R_TMICT, 1);
	v->kicks = 0;
	pass(v, 100 * MS);
	EXPECT_LE(v->kicks, 2 * 100 * MS / 200000);
	EXPECT_GT(v->kicks, 100);
}

TEST_F(chips, deadline)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	wr(v, APIC_R_LVT_TIMER, 0x40040);
	EXPECT_EQ(0, hv_lapic_get_deadline(v));
	hv_lapic_set_deadline(v, rdtsc() + 3 * MS);
	EXPECT_EQ(rdtsc() + 3 * MS, hv_lapic_get_deadline(v));
	EXPECT_EQ(0, rd(v, APIC_R_TMCCT));
	pass(v, MS - 1);
	EXPECT_EQ(-1, take(v));
	pass(v, 1);
	EXPECT_EQ(0x40, take(v));
	eoi(v);
	EXPECT_EQ(0, hv_lapic_get_deadline(v));
	/* In the past: at once */
	hv_lapic_set_deadline(v, 1);
	pass(v, 0);
	EXPECT_EQ(0x40, take(v));
	eoi(v);
	/* 0 and a change of the mode disarm. */
	hv_lapic_set_deadline(v, rdtsc() + 3000);
	hv_lapic_set_deadline(v, 0);
	pass(v, MS);
	EXPECT_EQ(-1, take(v));
	hv_lapic_set_deadline(v, rdtsc() + 3000);
	wr(v, APIC_R_LVT_TIMER, 0x40);
	wr(v, APIC_R_LVT_TIMER, 0x40040);
	pass(v, MS);
	EXPECT_EQ(-1, take(v));
	EXPECT_EQ(0, hv_lapic_get_deadline(v));
	/* The initial count does nothing here. */
	wr(v, APIC_R_TMICT, 10);
	pass(v, MS);
	EXPECT_EQ(-1, take(v));
	/* For ever: cut off, looked at again, not yet */
	hv_lapic_set_deadline(v, ~0ull);
	pass(v, 48ull * 3600 * 1000 * MS);
	EXPECT_EQ(-1, take(v));
	EXPECT_EQ(~0ull, hv_lapic_get_deadline(v));
}

/* The guest sets the timer again after it has expired, but the host hasn't noticed. */
TEST_F(chips, late_host)
{
	struct hv_vcpu *v = &self->v[0];

	enable(v);
	wr(v, APIC_R_DCR, 0xb);
	wr(v, APIC_R_LVT_TIMER, 0x40);
	wr(v, APIC_R_TMICT, 1000);
	now_ns += 2000;
	wr(v, APIC_R_TMICT, 5000);
	EXPECT_EQ(0x40, take(v));
	eoi(v);
	pass(v, 5000);
	EXPECT_EQ(0x40, take(v));
}

/* The processor's clock is too early, and the entry is written again before the deadline. */
TEST_F(chips, deadline_entry_rewritten)
{
	struct hv_vcpu *v = &self->v[0];

	hv_lapic_timer_by_processor(v);
	v->x86.tsc_khz = 3000720;
	enable(v);
	wr(v, APIC_R_LVT_TIMER, 0x40040);
	hv_lapic_set_deadline(v, rdtsc() + 3000 * MS);
	now_ns += 1000 * MS - 100000;
	wr(v, APIC_R_LVT_TIMER, 0x40040);
	EXPECT_EQ(-1, take(v));
	now_ns += 100000;
	hv_lapic_timer_check(v);
	EXPECT_EQ(0x40, take(v));
}

/* The host's TSC begins anew while the processor's clock runs. */
TEST_F(chips, tsc_begins_anew)
{
	struct hv_vcpu *v = &self->v[0];
	unsigned int i;

	hv_lapic_timer_by_processor(v);
	enable(v);
	wr(v, APIC_R_DCR, 0xb);
	wr(v, APIC_R_LVT_TIMER, 0x20040);
	wr(v, APIC_R_TMICT, 1000000);
	tsc_epoch_ns = now_ns;
	hv_lapic_update_timer(v);
	for (i = 0; i < 3; i++) {
		now_ns += 999999;
		hv_lapic_timer_check(v);
		EXPECT_EQ(-1, take(v));
		now_ns++;
		hv_lapic_timer_check(v);
		EXPECT_EQ(0x40, take(v));
		eoi(v);
	}
}

/* ---- IOAPIC ---- */

TEST_F(chips, ioapic_registers)
{
	struct hv_vm *vm = &self->vm;

	EXPECT_EQ(0x170011, io_rd(vm, 1));
	io_wr(vm, 0, 0x0f000000);
	EXPECT_EQ(0x0f000000, io_rd(vm, 0));
	EXPECT_EQ(0x10000, io_rd(vm, 0x10 + 46));
	rte(vm, 5, ~0ull & ~0x10000ull);
	EXPECT_EQ(0xaf00 | 0xff, io_rd(vm, 0x1a));
	EXPECT_EQ(0xff000000, io_rd(vm, 0x1b));
	io_wr(vm, 0x40, ~0u);
	EXPECT_EQ(0, io_rd(vm, 0x40));
	EXPECT_EQ(0, io_rd(vm, 0xff));
}

TEST_F(chips, edge)
{
	struct hv_vm *vm = &self->vm;
	struct hv_vcpu *v = &self->v[1];

	enable(v);
	rte(vm, 4, 1ull << 56 | 0x34);
	EXPECT_EQ(1, hv_ioapic_set_pin(vm, 4, true));
	EXPECT_EQ(0, hv_ioapic_set_pin(vm, 4, true));
	EXPECT_EQ(0x34, take(v));
	eoi(v);
	EXPECT_EQ(-1, take(v));
	hv_ioapic_set_pin(vm, 4, false);
	EXPECT_EQ(1, hv_ioapic_set_pin(vm, 4, true));
	EXPECT_EQ(0x34, take(v));
	eoi(v);
	rte(vm, 4, 1ull << 56 | 0x10034);
	hv_ioapic_set_pin(vm, 4, false);
	EXPECT_EQ(-1, hv_ioapic_set_pin(vm, 4, true));
	EXPECT_EQ(-1, hv_ioapic_set_pin(vm, 24, true));
}

TEST_F(chips, level)
{
	struct hv_vm *vm = &self->vm;
	struct hv_vcpu *v = &self->v[1];

	enable(v);
	rte(vm, 10, 1ull << 56 | 0x803a);
	EXPECT_EQ(1, hv_ioapic_set_pin(vm, 10, true));
	EXPECT_EQ(0xc03a, io_rd(vm, 0x24));
	EXPECT_EQ(0x3a, take(v));
	EXPECT_EQ(0x04000000, rd(v, APIC_R_TMR + 1));
	EXPECT_EQ(0, hv_ioapic_set_pin(vm, 10, true));
	/* Still asserted at the EOI: again */
	eoi(v);
	EXPECT_EQ(0xc03a, io_rd(vm, 0x24));
	EXPECT_EQ(0x3a, take(v));
	hv_ioapic_set_pin(vm, 10, false);
	eoi(v);
	EXPECT_EQ(0x803a, io_rd(vm, 0x24));
	EXPECT_EQ(-1, take(v));
	/* Asserted while masked: when it is unmasked */
	rte(vm, 10, 1ull << 56 | 0x1803a);
	EXPECT_EQ(-1, hv_ioapic_set_pin(vm, 10, true));
	io_wr(vm, 0x24, 0x803a);
	EXPECT_EQ(0x3a, take(v));
	/* Remote IRR is read-only, but edge mode clears it. */
	io_wr(vm, 0x24, 0x1803a);
	EXPECT_EQ(0x1c03a, io_rd(vm, 0x24));
	io_wr(vm, 0x24, 0x1003a);
	EXPECT_EQ(0x1003a, io_rd(vm, 0x24));
}

/* Two pins with one vector: the EOI is for both. */
TEST_F(chips, shared_vector)
{
	struct hv_vm *vm = &self->vm;
	struct hv_vcpu *v = &self->v[1];

	enable(v);
	rte(vm, 10, 1ull << 56 | 0x803a);
	rte(vm, 11, 1ull << 56 | 0x803a);
	hv_ioapic_set_pin(vm, 10, true);
	EXPECT_EQ(0, hv_ioapic_set_pin(vm, 11, true));
	EXPECT_EQ(0x3a, take(v));
	hv_ioapic_set_pin(vm, 10, false);
	eoi(v);
	EXPECT_EQ(0x3a, take(v));
	hv_ioapic_set_pin(vm, 11, false);
	eoi(v);
	EXPECT_EQ(-1, take(v));
}

/* A line has several sources; one of them releases it at the EOI. */
TEST_F(chips, resample)
{
	struct hv_vm *vm = &self->vm;
	struct hv_vcpu *v = &self->v[1];

	enable(v);
	rte(vm, 10, 1ull << 56 | 0x803a);
	resamples = true;
	acked = 0;
	hv_ioapic_set_source(vm, 10, HV_IRQ_RESAMPLE, true);
	EXPECT_EQ(0x3a, take(v));
	EXPECT_EQ(0, acked);
	eoi(v);
	EXPECT_EQ(BIT(10), acked);
	EXPECT_EQ(-1, take(v));
	/* The other source keeps the line up. */
	hv_ioapic_set_source(vm, 10, HV_IRQ_RESAMPLE, true);
	EXPECT_EQ(0, hv_ioapic_set_pin(vm, 10, true));
	EXPECT_EQ(0x3a, take(v));
	eoi(v);
	EXPECT_EQ(0x3a, take(v));
	hv_ioapic_set_pin(vm, 10, false);
	eoi(v);
	EXPECT_EQ(-1, take(v));
	/* Asserted again before the EOI is over */
	wants_more = true;
	hv_ioapic_set_source(vm, 10, HV_IRQ_RESAMPLE, true);
	EXPECT_EQ(0x3a, take(v));
	eoi(v);
	wants_more = false;
	EXPECT_EQ(0x3a, take(v));
	eoi(v);
	EXPECT_EQ(-1, take(v));
	resamples = false;
}

/* ---- state ---- */

TEST_F(chips, lapic_state)
{
	struct hv_vcpu *a = &self->v[0], *b = &self->v[1];
	struct hv_lapic_state s, t;

	enable(a);
	wr(a, APIC_R_DCR, 0xb);
	wr(a, APIC_R_LVT_TIMER, 0x20040);
	wr(a, APIC_R_TMICT, 1000000);
	hv_msi_deliver(&self->vm, 0xfee00000, 0x51);
	hv_msi_deliver(&self->vm, 0xfee00000, 0x62);
	EXPECT_EQ(0x62, take(a));
	pass(a, 250000);
	ASSERT_EQ(0, hv_lapic_get_state(a, &s));
	ASSERT_EQ(0, hv_lapic_set_state(b, &s));
	ASSERT_EQ(0, hv_lapic_get_state(b, &t));
	EXPECT_EQ(1, t.regs[0x23]);
	t.regs[0x23] = 0;
	EXPECT_EQ(0, memcmp(&s, &t, sizeof(s)));
	EXPECT_EQ(-1, take(b));
	eoi(b);
	EXPECT_EQ(0x51, take(b));
	eoi(b);
	pass(b, 749999);
	EXPECT_EQ(-1, take(b));
	pass(b, 1);
	EXPECT_EQ(0x40, take(b));
	/* In x2APIC mode the id has to be right. */
	EXPECT_EQ(0, hv_lapic_set_base(b, 0xfee00c00, true));
	EXPECT_EQ(-EINVAL, hv_lapic_set_state(b, &s));
	ASSERT_EQ(0, hv_lapic_get_state(b, &t));
	EXPECT_EQ(1, t.regs[0x23]);
	EXPECT_EQ(0, hv_lapic_set_state(b, &t));
	/* Whatever is in it */
	memset(&s, 0xff, sizeof(s));
	EXPECT_EQ(0, hv_lapic_set_base(b, 0xfee00800, true));
	EXPECT_EQ(0, hv_lapic_set_state(b, &s));
	EXPECT_EQ(0xf0, rd(b, APIC_R_PPR) & 0xf0);
	EXPECT_EQ(-1, take(b));
	pass(b, 100 * MS);
}

/* A deadline survives whichever of MSRs and LAPIC the VMM sets first. */
TEST_F(chips, deadline_state)
{
	struct hv_vcpu *a = &self->v[0], *b = &self->v[1];
	struct hv_lapic_state s;
	u64 deadline = rdtsc() + 3 * MS;
	int order;

	enable(a);
	wr(a, APIC_R_LVT_TIMER, 0x40040);
	hv_lapic_set_deadline(a, deadline);
	ASSERT_EQ(0, hv_lapic_get_state(a, &s));
	for (order = 0; order < 2; order++) {
		now_ns = 1000 * MS;
		hv_lapic_reset(b, false);
		if (order)
			hv_lapic_set_deadline(b, deadline);
		ASSERT_EQ(0, hv_lapic_set_state(b, &s));
		if (!order)
			hv_lapic_set_deadline(b, deadline);
		EXPECT_EQ(deadline, hv_lapic_get_deadline(b));
		pass(b, MS - 1);
		EXPECT_EQ(-1, take(b));
		pass(b, 1);
		EXPECT_EQ(0x40, take(b));
	}
}

TEST_F(chips, ioapic_state)
{
	struct hv_vm *vm = &self->vm;
	struct hv_vcpu *v = &self->v[1];
	struct hv_ioapic_state s;

	enable(v);
	rte(vm, 4, 1ull << 56 | 0x34);
	rte(vm, 10, 1ull << 56 | 0x803a);
	hv_ioapic_set_pin(vm, 4, true);
	hv_ioapic_set_pin(vm, 10, true);
	EXPECT_EQ(0x3a, take(v));
	ASSERT_EQ(0, hv_ioapic_get_state(vm, &s));
	EXPECT_EQ(0xfec00000, s.base_address);
	EXPECT_EQ(0xc03a, s.redirtbl[10].bits & 0xffffffff);
	EXPECT_EQ(1, s.redirtbl[10].fields.dest_id);
	/* The edge is delivered, the level stays. */
	EXPECT_EQ(1u << 10, s.irr);
	eoi(v);
	EXPECT_EQ(0x3a, take(v));
	eoi(v);
	take(v);
	hv_ioapic_set_pin(vm, 10, false);
	eoi(v);
	EXPECT_EQ(0x34, take(v));
	eoi(v);
	/* Restored without the remote IRR: delivered at once */
	s.redirtbl[10].fields.remote_irr = 0;
	ASSERT_EQ(0, hv_ioapic_set_state(vm, &s));
	EXPECT_EQ(0x3a, take(v));
	eoi(v);
}

TEST_HARNESS_MAIN
