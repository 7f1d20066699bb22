// SPDX-License-Identifier: GPL-2.0-only
/*
 * The LAPIC's timer: one-shot, periodic and TSC-deadline (SDM 3A 11.5.4). The
 * bus runs at 1 GHz: at divide 1 a count is a nanosecond.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define TIMER_PERIODIC	(1U << 17)
#define TIMER_DEADLINE	(2U << 17)
#define TIMER_MASKED	(1U << 16)
#define DIVIDE_1	0xb
#define DIVIDE_16	0x3
#define VECTOR		0xec
#define X2APIC(reg)	(0x800 + (reg) / 16)

FIXTURE(timer)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint32_t *count;
};

static void wr(FIXTURE_DATA(timer) *self, unsigned int reg, uint32_t value)
{
	guest_call(self->vcpu, "apic_write", reg, value);
}

static uint32_t rd(FIXTURE_DATA(timer) *self, unsigned int reg)
{
	return guest_call(self->vcpu, "apic_read", reg);
}

FIXTURE_SETUP(timer)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
	wr(self, APIC_SVR, 0x1ff);
	wr(self, APIC_TIMER_DIVIDE, DIVIDE_1);
}

FIXTURE_TEARDOWN(timer)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/* Once, in 10 ms. Returns when. */
static uint64_t one_shot(struct __test_metadata *_metadata, FIXTURE_DATA(timer) *self)
{
	uint32_t before = self->count[VECTOR];
	uint64_t start = now_us(), took;

	wr(self, APIC_TIMER_INIT, 10000000);
	EXPECT_EQ(before + 1, guest_call(self->vcpu, "halt_until", before + 1));
	took = now_us() - start;
	EXPECT_GE(took, 9900);
	EXPECT_EQ(before + 1, self->count[VECTOR]);
	/* It doesn't come again. */
	EXPECT_EQ(0, rd(self, APIC_TIMER_CURRENT));
	sleep_us(20000);
	EXPECT_EQ(before + 1, guest_call(self->vcpu, "window"));
	return took;
}

TEST_F(timer, one_shot)
{
	wr(self, APIC_LVT_TIMER, VECTOR);
	EXPECT_TRUE(once_less(one_shot(_metadata, self), 500000));
}

/* While the guest computes: the timer makes it exit. */
TEST_F(timer, one_shot_running)
{
	wr(self, APIC_LVT_TIMER, VECTOR);
	wr(self, APIC_TIMER_INIT, 5000000);
	EXPECT_EQ(1, guest_call(self->vcpu, "spin_until", 1));
}

/* Each expiry is noted once, and by the processor's timer none costs a host interrupt. */
TEST_F(timer, lateness_counted)
{
	unsigned int i;
	uint64_t exits;
	bool processor;

	if (device_is_kvm())
		SKIP(return, "hv's statistics");
	processor = parameter("preemption_timer");
	exits = processor ? vcpu_stat(self->vcpu, "exit_preemption_timer") : 0;
	EXPECT_EQ(0, vcpu_stat(self->vcpu, "timer_late_hist"));
	wr(self, APIC_LVT_TIMER, VECTOR);
	/* If the guest does not get its CPU before it's time, it is no exit: then once more. */
	for (i = 1; i <= 5 || (processor && i <= 100 &&
			       vcpu_stat(self->vcpu, "exit_preemption_timer") == exits); i++) {
		wr(self, APIC_TIMER_INIT, 3000000);
		EXPECT_EQ(i, guest_call(self->vcpu, i & 1 ? "spin_until" : "halt_until", i));
		EXPECT_EQ(i, vcpu_stat(self->vcpu, "timer_late_hist"));
	}
	if (processor)
		EXPECT_GT(vcpu_stat(self->vcpu, "exit_preemption_timer"), exits);
}

TEST_F(timer, counts_down)
{
	uint32_t a, b;

	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_MASKED);
	wr(self, APIC_TIMER_INIT, 2000000000);
	a = rd(self, APIC_TIMER_CURRENT);
	sleep_us(2000);
	b = rd(self, APIC_TIMER_CURRENT);
	EXPECT_LE(a, 2000000000);
	EXPECT_LT(b, a);
	/* 2 ms are 2,000,000 counts. */
	EXPECT_GE(a - b, 1900000);
	/* 0 stops it. */
	wr(self, APIC_TIMER_INIT, 0);
	EXPECT_EQ(0, rd(self, APIC_TIMER_CURRENT));
}

/* By how much it counts down in 16 ms */
static uint32_t counts_of_16_ms(struct __test_metadata *_metadata, FIXTURE_DATA(timer) *self)
{
	uint32_t a, b;

	wr(self, APIC_TIMER_INIT, 0xffffffff);
	a = rd(self, APIC_TIMER_CURRENT);
	sleep_us(16000);
	b = rd(self, APIC_TIMER_CURRENT);
	EXPECT_GE(a - b, 950000);
	return a - b;
}

TEST_F(timer, divider)
{
	wr(self, APIC_TIMER_DIVIDE, DIVIDE_16);
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_MASKED);
	/* Undivided it would be 16 million. */
	EXPECT_TRUE(once_less(counts_of_16_ms(_metadata, self), 10000000));
}

TEST_F(timer, masked)
{
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_MASKED);
	wr(self, APIC_TIMER_INIT, 1000000);
	sleep_us(5000);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	EXPECT_EQ(0, rd(self, APIC_TIMER_CURRENT));
}

/* Five times, in 15 ms, or more often if the guest is held up, but never before their time */
static uint64_t periodic(struct __test_metadata *_metadata, FIXTURE_DATA(timer) *self)
{
	uint32_t before = self->count[VECTOR], n;
	uint64_t start = now_us(), took;

	wr(self, APIC_TIMER_INIT, 3000000);		/* 3 ms */
	n = guest_call(self->vcpu, "halt_until", before + 5);
	took = now_us() - start;
	EXPECT_GE(took, 14000);
	EXPECT_EQ(n, self->count[VECTOR]);
	EXPECT_GE(n, before + 5);
	EXPECT_LE(n, before + took / 3000 + 1);
	/* It goes on until it's stopped. */
	EXPECT_GE(guest_call(self->vcpu, "halt_until", n + 2), n + 2);
	wr(self, APIC_TIMER_INIT, 0);
	guest_call(self->vcpu, "window");
	n = self->count[VECTOR];
	sleep_us(10000);
	guest_call(self->vcpu, "window");
	EXPECT_EQ(n, self->count[VECTOR]);
	return took;
}

TEST_F(timer, periodic)
{
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_PERIODIC);
	EXPECT_TRUE(once_less(periodic(_metadata, self), 500000));
}

/* Missed periods are merged into one interrupt, as on hardware. */
TEST_F(timer, periodic_not_taken)
{
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_PERIODIC);
	wr(self, APIC_TIMER_INIT, 1000000);
	sleep_us(10000);
	wr(self, APIC_TIMER_INIT, 0);
	guest_call(self->vcpu, "window");
	EXPECT_LE(self->count[VECTOR], 2);
	EXPECT_GE(self->count[VECTOR], 1);
}

TEST_F(timer, deadline)
{
	uint64_t now, value;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	if (!check_cap(self->vm->fd, HV_CAP_TSC_DEADLINE_TIMER))
		SKIP(return, "no TSC-deadline mode");
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_DEADLINE);
	now = guest_call(self->vcpu, "deadline", 5000000);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(1, self->count[VECTOR]);
	/* Not before its time. */
	EXPECT_GE(now, guest_u64(self->vm, "deadline_at"));
	/* The MSR is 0 when it has expired. */
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_TSC_DEADLINE, &value));
	EXPECT_EQ(0, value);
	/* The count register isn't used in this mode. */
	wr(self, APIC_TIMER_INIT, 1000);
	EXPECT_EQ(0, rd(self, APIC_TIMER_CURRENT));
}

/* To TSC-deadline mode and back: nothing counts any more (SDM 3A 11.5.4.1). */
TEST_F(timer, mode_disarms)
{
	uint64_t before;

	if (!check_cap(self->vm->fd, HV_CAP_TSC_DEADLINE_TIMER))
		SKIP(return, "no TSC-deadline timer");
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_PERIODIC);
	wr(self, APIC_TIMER_INIT, 20000000);
	EXPECT_NE(0, rd(self, APIC_TIMER_CURRENT));
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_DEADLINE);
	EXPECT_EQ(0, rd(self, APIC_TIMER_CURRENT));
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_PERIODIC);
	EXPECT_EQ(0, rd(self, APIC_TIMER_INIT));
	EXPECT_EQ(0, rd(self, APIC_TIMER_CURRENT));
	/* Where all stood still for 20 ms one came before. */
	before = guest_call(self->vcpu, "window");
	sleep_us(50000);
	EXPECT_EQ(before, guest_call(self->vcpu, "window"));
}

/* A deadline in the past comes at once. */
TEST_F(timer, deadline_passed)
{
	if (!check_cap(self->vm->fd, HV_CAP_TSC_DEADLINE_TIMER))
		SKIP(return, "no TSC-deadline mode");
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_DEADLINE);
	guest_call(self->vcpu, "x2apic_write", MSR_TSC_DEADLINE, 1);
	EXPECT_EQ(1, guest_call(self->vcpu, "halt_until", 1));
}

/* 0 disarms it; the VMM can read and write it. */
TEST_F(timer, deadline_disarmed)
{
	uint64_t now, value;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	if (!check_cap(self->vm->fd, HV_CAP_TSC_DEADLINE_TIMER))
		SKIP(return, "no TSC-deadline mode");
	wr(self, APIC_LVT_TIMER, VECTOR | TIMER_DEADLINE);
	now = guest_call(self->vcpu, "rdtsc_");
	guest_call(self->vcpu, "x2apic_write", MSR_TSC_DEADLINE, now + (1UL << 40));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_TSC_DEADLINE, &value));
	EXPECT_EQ(now + (1UL << 40), value);
	guest_call(self->vcpu, "x2apic_write", MSR_TSC_DEADLINE, 0);
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_TSC_DEADLINE, &value));
	EXPECT_EQ(0, value);
	sleep_us(2000);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	/* Set by the VMM, as after a migration. */
	now = guest_call(self->vcpu, "rdtsc_");
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_TSC_DEADLINE, now + 1000));
	EXPECT_EQ(1, guest_call(self->vcpu, "halt_until", 1));
}

/*
 * The guest's TSC is slower than the rate that it has been given: the host's clock expires before
 * the deadline has come. Its LVT entry is written again and again, before, between and after.
 */
TEST_F(timer, deadline_entry_rewritten)
{
	uint64_t base, deadline, now, khz;
	struct runner runner;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	if (!check_cap(self->vm->fd, HV_CAP_TSC_DEADLINE_TIMER))
		SKIP(return, "no TSC-deadline mode");
	khz = hv_ioctl(self->vcpu->fd, HV_GET_TSC_KHZ, 0);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_TSC_KHZ, khz + khz * 240 / 1000000));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_APIC_BASE, &base));
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_APIC_BASE, base | APIC_BASE_EXTD));
	guest_u32(self->vm, "eoi") = 2;
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, X2APIC(APIC_LVT_TIMER), VECTOR | TIMER_DEADLINE));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_TSC, &now));
	/* A second: it expires 240 us too early. */
	deadline = now + khz * 1000;
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_TSC_DEADLINE, deadline));
	do {
		ASSERT_EQ(1, vcpu_set_msr(self->vcpu, X2APIC(APIC_LVT_TIMER),
					  VECTOR | TIMER_DEADLINE));
		ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_TSC, &now));
	} while (now < deadline);
	guest_start(self->vcpu, "spin_until", 1, (uint64_t[]){ 1 });
	runner_start(&runner, self->vcpu);
	EXPECT_TRUE(wait_for(runner.done));
	runner_stop(&runner);
	EXPECT_EQ(1, self->count[VECTOR]);
}

/* Timers of a VM that goes away while they run. */
TEST_F(timer, armed_at_close)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		struct vm *vm = vm_create(VM_IRQCHIP);
		struct vcpu *vcpu;

		vm_load(vm, "interrupts");
		vcpu = vcpu_create(vm, 0);
		vcpu_long_mode(vcpu, NULL);
		guest_call(vcpu, "apic_write", APIC_SVR, 0x1ff);
		guest_call(vcpu, "apic_write", APIC_LVT_TIMER, VECTOR | TIMER_PERIODIC);
		guest_call(vcpu, "apic_write", APIC_TIMER_INIT, 500000);
		vcpu_free(vcpu);
		vm_free(vm);
	}
	sleep_us(5000);
}

TEST_HARNESS_MAIN
