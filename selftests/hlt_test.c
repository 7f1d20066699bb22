// SPDX-License-Identifier: GPL-2.0-only
/*
 * HLT: without an in-kernel LAPIC it exits, with one it blocks in the kernel
 * until an interrupt or a signal comes.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(hlt)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_VARIANT(hlt)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(hlt, irqchip) { .flags = VM_IRQCHIP };
FIXTURE_VARIANT_ADD(hlt, no_irqchip) { .flags = 0 };

FIXTURE_SETUP(hlt)
{
	self->vm = vm_create(variant->flags);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(hlt)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static uint32_t mp_state(struct vcpu *vcpu)
{
	struct hv_mp_state s;

	must(hv_ioctl(vcpu->fd, HV_GET_MP_STATE, &s));
	return s.mp_state;
}

static uint64_t halts(int stats)
{
	uint64_t n;

	if (!stat_read(stats, "halt_exits", &n))
		die("no statistics of HLT");
	return n;
}

/* Start a thread and wait until it has come to its HLT. */
static void run_to_hlt(FIXTURE_DATA(hlt) *self, struct runner *r)
{
	/* KVM gives it only while the vCPU doesn't run. */
	int stats = hv_ioctl(self->vcpu->fd, HV_GET_STATS_FD, 0);
	uint64_t before;

	must(stats);
	before = halts(stats);
	runner_start(r, self->vcpu);
	if (!wait_for(halts(stats) > before))
		die("the guest didn't come to its HLT");
	close(stats);
	/* It falls asleep. */
	sleep_us(5000);
}

TEST_F(hlt, exits_without_lapic)
{
	if (self->vm->irqchip)
		SKIP(return, "it blocks");
	guest_start(self->vcpu, "hlt_", 0, NULL);
	EXPECT_EQ(HV_EXIT_HLT, vcpu_run(self->vcpu));
	/* RIP is after it; the next run goes on. */
	EXPECT_EQ(guest_sym(self->vm, "after_hlt"), vcpu_regs(self->vcpu).rip);
	EXPECT_EQ(0x417, guest_finish(self->vcpu));
}

/* The trap of a single step ends the halt, with interrupts off, too. */
TEST_F(hlt, single_step)
{
	guest_start(self->vcpu, "step_hlt", 0, NULL);
	if (!self->vm->irqchip)
		ASSERT_EQ(HV_EXIT_HLT, vcpu_run(self->vcpu));
	EXPECT_EQ(0x417, guest_finish(self->vcpu));
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(5, guest_u64(self->vm, "fault_count"));
}

TEST_F(hlt, blocks_with_lapic)
{
	struct runner r;

	if (!self->vm->irqchip)
		SKIP(return, "it exits");
	guest_start(self->vcpu, "hlt_", 0, NULL);
	run_to_hlt(self, &r);
	EXPECT_FALSE(r.done);
	runner_stop(&r);
	EXPECT_EQ(-EINTR, r.result);
	EXPECT_EQ(HV_MP_STATE_HALTED, mp_state(self->vcpu));
	EXPECT_EQ(guest_sym(self->vm, "after_hlt"), vcpu_regs(self->vcpu).rip);
	/* Still halted in the next run. */
	runner_start(&r, self->vcpu);
	sleep_us(5000);
	EXPECT_FALSE(r.done);
	runner_stop(&r);
	/* Until something wakes it: here the VMM. */
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_MP_STATE,
			      &(struct hv_mp_state){ HV_MP_STATE_RUNNABLE }));
	EXPECT_EQ(0x417, guest_finish(self->vcpu));
}

/* Microseconds of CPU time that this process uses in 100 ms */
static int64_t cpu_time(void)
{
	struct timespec before, after;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	sleep_us(100000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	return (after.tv_sec - before.tv_sec) * 1000000L +
	       (after.tv_nsec - before.tv_nsec) / 1000;
}

/* A halted vCPU uses no CPU time. */
TEST_F(hlt, idles)
{
	struct runner r;

	if (!self->vm->irqchip)
		SKIP(return, "it exits");
	guest_start(self->vcpu, "hlt_", 0, NULL);
	run_to_hlt(self, &r);
	EXPECT_TRUE(once_less(cpu_time(), 50000));
	runner_stop(&r);
}

static void nmi(struct __test_metadata *_metadata, FIXTURE_DATA(hlt) *self)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 4 << 8 };

	EXPECT_GT(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi), 0);
}

/* An NMI wakes it though interrupts are off. */
TEST_F(hlt, nmi_wakes)
{
	struct runner r;

	if (!self->vm->irqchip)
		SKIP(return, "it exits");
	/* KVM doesn't find a LAPIC that nobody has touched. */
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_start(self->vcpu, "hlt_", 0, NULL);
	runner_start(&r, self->vcpu);
	/*
	 * HV_NMI is a vCPU call and would wait: it goes through the APIC. One that
	 * comes before HLT doesn't wake, so try again.
	 */
	EXPECT_TRUE(wait_for((nmi(_metadata, self), r.done)));
	runner_stop(&r);
	EXPECT_EQ(0, r.result);
	EXPECT_EQ(0x417, vcpu_regs(self->vcpu).rax);
	EXPECT_LE(1, ((uint32_t *)guest_var(self->vm, "irq_count"))[NMI_VECTOR]);
}

/* An interrupt doesn't, with interrupts off; it waits until the guest takes it. */
TEST_F(hlt, masked_interrupt_does_not_wake)
{
	struct runner r;

	if (!self->vm->irqchip)
		SKIP(return, "it exits");
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_start(self->vcpu, "hlt_", 0, NULL);
	run_to_hlt(self, &r);
	EXPECT_GT(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI,
			   &(struct hv_msi){ .address_lo = GUEST_APIC, .data = 0x41 }), 0);
	sleep_us(20000);
	EXPECT_FALSE(r.done);
	runner_stop(&r);
	EXPECT_EQ(-EINTR, r.result);
	EXPECT_EQ(1U << 1, lapic_reg(self->vcpu, APIC_IRR + 0x20));
	vcpu_make_runnable(self->vcpu);
	EXPECT_EQ(0x417, guest_finish(self->vcpu));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
}

TEST_HARNESS_MAIN
