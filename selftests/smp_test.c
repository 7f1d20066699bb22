// SPDX-License-Identifier: GPL-2.0-only
/*
 * More than one vCPU: MP states, start-up by INIT and SIPI, IPIs.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define DM_INIT		(5U << 8)
#define DM_SIPI		(6U << 8)
#define ASSERT_LEVEL	(1U << 14)
#define SIPI_VECTOR	0x3a		/* starts at 0x3a000, which nothing else uses */

FIXTURE(smp)
{
	struct vm *vm;
	struct vcpu *bsp;
	struct vcpu *ap;
	struct runner runner;
};

FIXTURE_SETUP(smp)
{
	uint64_t start, end;

	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->bsp = vcpu_create(self->vm, 0);
	self->ap = vcpu_create(self->vm, 1);
	vcpu_long_mode(self->bsp, NULL);
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->bsp, "apic_write", APIC_SVR, 0x1ff);
	start = guest_sym(self->vm, "sipi_start");
	end = guest_sym(self->vm, "sipi_end");
	memcpy(self->vm->ram + SIPI_VECTOR * PAGE, self->vm->ram + start, end - start);
}

FIXTURE_TEARDOWN(smp)
{
	vcpu_free(self->ap);
	vcpu_free(self->bsp);
	vm_free(self->vm);
}

static uint32_t mp_state(struct vcpu *vcpu)
{
	struct hv_mp_state s;

	must(hv_ioctl(vcpu->fd, HV_GET_MP_STATE, &s));
	return s.mp_state;
}

static long set_mp_state(struct vcpu *vcpu, uint32_t state)
{
	return hv_ioctl(vcpu->fd, HV_SET_MP_STATE, &(struct hv_mp_state){ state });
}

static void ipi(FIXTURE_DATA(smp) *self, uint32_t dest, uint32_t icr)
{
	guest_call(self->bsp, "apic_write", APIC_ICR2, dest << 24);
	guest_call(self->bsp, "apic_write", APIC_ICR, icr);
}

/* An AP waits in HV_RUN; a signal ends that. */
TEST_F(smp, uninitialized_blocks)
{
	runner_start(&self->runner, self->ap);
	sleep_us(10000);
	EXPECT_FALSE(self->runner.done);
	runner_stop(&self->runner);
	EXPECT_EQ(-EINTR, self->runner.result);
	EXPECT_EQ(HV_MP_STATE_UNINITIALIZED, mp_state(self->ap));
}

/* HV_RUN returns EAGAIN once when the AP has been started. */
TEST_F(smp, init_sipi)
{
	struct hv_sregs s;

	ipi(self, 1, DM_INIT | ASSERT_LEVEL);
	EXPECT_EQ(HV_MP_STATE_INIT_RECEIVED, mp_state(self->ap));
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	/* Either is right: GET_MP_STATE works on what's pending. */
	EXPECT_TRUE(mp_state(self->ap) == HV_MP_STATE_SIPI_RECEIVED ||
		    mp_state(self->ap) == HV_MP_STATE_RUNNABLE);
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->ap)) {
		vcpu_dump(self->ap);
	}
	EXPECT_EQ(PORT_MARK, self->ap->run->io.port);
	EXPECT_EQ(0x51b1, vcpu_regs(self->ap).rax);
	s = vcpu_sregs(self->ap);
	EXPECT_EQ(SIPI_VECTOR << 8, s.cs.selector);
	EXPECT_EQ(SIPI_VECTOR << 12, s.cs.base);
	EXPECT_EQ(0, s.cr0 & CR0_PE);
	EXPECT_EQ(HV_MP_STATE_RUNNABLE, mp_state(self->ap));
}

TEST_F(smp, init_sipi_while_waiting)
{
	runner_start(&self->runner, self->ap);
	sleep_us(2000);
	ipi(self, 1, DM_INIT | ASSERT_LEVEL);
	sleep_us(2000);
	EXPECT_FALSE(self->runner.done);
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	/* A second SIPI, as kernels send, changes nothing. */
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	EXPECT_TRUE(wait_for(self->runner.done));
	runner_stop(&self->runner);
	EXPECT_EQ(0, self->runner.result);
	EXPECT_EQ(PORT_MARK, self->ap->run->io.port);
}

/* An INIT makes a SIPI void that the processor has not got to yet (SDM 3A 9.4.3). */
TEST_F(smp, init_after_sipi)
{
	ipi(self, 1, DM_INIT | ASSERT_LEVEL);
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	ipi(self, 1, DM_INIT | ASSERT_LEVEL);
	EXPECT_EQ(HV_MP_STATE_INIT_RECEIVED, mp_state(self->ap));
	runner_start(&self->runner, self->ap);
	sleep_us(10000);
	EXPECT_FALSE(self->runner.done);
	runner_stop(&self->runner);
	EXPECT_EQ(-EINTR, self->runner.result);
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->ap));
	EXPECT_EQ(PORT_MARK, self->ap->run->io.port);
}

/* SIPI without INIT is ignored. */
TEST_F(smp, sipi_without_init)
{
	ASSERT_EQ(0, set_mp_state(self->ap, HV_MP_STATE_RUNNABLE));
	vcpu_long_mode(self->ap, NULL);
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	EXPECT_EQ(5, guest_call(self->ap, "identity", 5));
}

/* INIT to a running vCPU resets it; memory and LAPIC id stay. */
TEST_F(smp, init_resets)
{
	struct hv_sregs s;

	ASSERT_EQ(0, set_mp_state(self->ap, HV_MP_STATE_RUNNABLE));
	vcpu_long_mode(self->ap, NULL);
	EXPECT_EQ(5, guest_call(self->ap, "identity", 5));
	ipi(self, 1, DM_INIT | ASSERT_LEVEL);
	EXPECT_EQ(HV_MP_STATE_INIT_RECEIVED, mp_state(self->ap));
	s = vcpu_sregs(self->ap);
	EXPECT_EQ(0xf000, s.cs.selector);
	EXPECT_EQ(0, s.efer);
	EXPECT_EQ(0, s.cr0 & (CR0_PE | CR0_PG));
	EXPECT_EQ(1U << 24, lapic_reg(self->ap, APIC_ID));
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->ap));
	EXPECT_EQ(PORT_MARK, self->ap->run->io.port) {
		vcpu_dump(self->ap);
	}
}

/* INIT stops a vCPU that computes; SIPI starts it elsewhere, all inside one HV_RUN. */
TEST_F(smp, init_while_running)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	uint64_t seen;

	ASSERT_EQ(0, set_mp_state(self->ap, HV_MP_STATE_RUNNABLE));
	vcpu_long_mode(self->ap, NULL);
	guest_start(self->ap, "count_sti", 0, NULL);
	runner_start(&self->runner, self->ap);
	ASSERT_TRUE(wait_for(*counter > 1000));
	/* SIPI to a vCPU that runs is ignored. */
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	seen = *counter;
	EXPECT_TRUE(wait_for(*counter > seen + 1000));
	EXPECT_FALSE(self->runner.done);

	ipi(self, 1, DM_INIT | ASSERT_LEVEL);
	/* A CPU of an emulator may stand still itself before it sees that. */
	EXPECT_TRUE(wait_for((seen = *counter, sleep_us(200000), seen == *counter)));
	EXPECT_FALSE(self->runner.done);
	/* While it waits for SIPI an interrupt does not start it. */
	ipi(self, 1, 0x90);
	sleep_us(5000);
	EXPECT_FALSE(self->runner.done);
	ipi(self, 1, DM_SIPI | SIPI_VECTOR);
	EXPECT_TRUE(wait_for(self->runner.done));
	runner_stop(&self->runner);
	EXPECT_EQ(0, self->runner.result);
	EXPECT_EQ(PORT_MARK, self->ap->run->io.port);
	EXPECT_EQ(seen, *counter);
}

/* A vCPU that is made while others run, and started by one of them */
TEST_F(smp, hot_add)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	struct runner busy, added;
	struct hv_lapic_state lapic;
	struct vcpu *vcpu;

	ASSERT_EQ(0, set_mp_state(self->ap, HV_MP_STATE_RUNNABLE));
	vcpu_long_mode(self->ap, NULL);
	guest_start(self->ap, "count_sti", 0, NULL);
	runner_start(&busy, self->ap);
	ASSERT_TRUE(wait_for(*counter > 1000));
	vcpu = vcpu_create(self->vm, 5);
	/* As VMMs do; KVM finds the new LAPIC only then. */
	must(hv_ioctl(vcpu->fd, HV_GET_LAPIC, &lapic));
	must(hv_ioctl(vcpu->fd, HV_SET_LAPIC, &lapic));
	EXPECT_EQ(HV_MP_STATE_UNINITIALIZED, mp_state(vcpu));
	runner_start(&added, vcpu);
	ipi(self, 5, DM_INIT | ASSERT_LEVEL);
	ipi(self, 5, DM_SIPI | SIPI_VECTOR);
	EXPECT_TRUE(wait_for(added.done));
	runner_stop(&added);
	EXPECT_EQ(0, added.result);
	EXPECT_EQ(PORT_MARK, vcpu->run->io.port);
	EXPECT_FALSE(busy.done);
	runner_stop(&busy);
	vcpu_free(vcpu);
}

TEST_F(smp, mp_states)
{
	static const uint32_t states[] = {
		HV_MP_STATE_RUNNABLE, HV_MP_STATE_UNINITIALIZED, HV_MP_STATE_HALTED,
		HV_MP_STATE_INIT_RECEIVED, HV_MP_STATE_RUNNABLE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(states); i++) {
		EXPECT_EQ(0, set_mp_state(self->ap, states[i]));
		EXPECT_EQ(states[i], mp_state(self->ap));
	}
	EXPECT_EQ(-EINVAL, set_mp_state(self->ap, 99));
	EXPECT_EQ(-EINVAL, set_mp_state(self->ap, 0xffffffff));
}

/* Without an in-kernel LAPIC there's one state. */
TEST_F(smp, mp_states_without_lapic)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	EXPECT_EQ(0, set_mp_state(vcpu, HV_MP_STATE_RUNNABLE));
	EXPECT_EQ(-EINVAL, set_mp_state(vcpu, HV_MP_STATE_UNINITIALIZED));
	EXPECT_EQ(-EINVAL, set_mp_state(vcpu, HV_MP_STATE_HALTED));
	EXPECT_EQ(-EINVAL, set_mp_state(vcpu, HV_MP_STATE_INIT_RECEIVED));
	vcpu_free(vcpu);
	vm_free(vm);
}

/* IPIs to a vCPU that halts, and one that computes. */
static void ipis_to(struct __test_metadata *_metadata, FIXTURE_DATA(smp) *self,
		    const char *function)
{
	uint32_t *count = guest_var(self->vm, "irq_count");
	unsigned int i;

	ASSERT_EQ(0, set_mp_state(self->ap, HV_MP_STATE_RUNNABLE));
	vcpu_long_mode(self->ap, NULL);
	guest_call(self->ap, "apic_write", APIC_SVR, 0x1ff);
	guest_start(self->ap, function, 0, NULL);
	runner_start(&self->runner, self->ap);
	ASSERT_TRUE(wait_for(guest_u64(self->vm, "ap_up") ||
			     guest_u64(self->vm, "counter") > 100));
	for (i = 1; i <= 50; i++) {
		ipi(self, 1, 0x90);
		ASSERT_TRUE(wait_for(count[0x90] == i)) {
			TH_LOG("IPI %u", i);
		}
	}
	/* All but self, and an NMI. */
	ipi(self, 0, 3U << 18 | 0x91);
	EXPECT_TRUE(wait_for(count[0x91] == 1));
	ipi(self, 1, 4U << 8);
	EXPECT_TRUE(wait_for(count[NMI_VECTOR] == 1));
	EXPECT_FALSE(self->runner.done);
	runner_stop(&self->runner);
	EXPECT_EQ(-EINTR, self->runner.result);
}

TEST_F(smp, ipi_to_halted)
{
	ipis_to(_metadata, self, "ap_loop");
}

TEST_F(smp, ipi_to_running)
{
	ipis_to(_metadata, self, "count_sti");
}

/* Both run at the same time on the same memory. */
TEST_F(smp, shared_counter)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	struct runner other;
	uint64_t seen;

	ASSERT_EQ(0, set_mp_state(self->ap, HV_MP_STATE_RUNNABLE));
	vcpu_long_mode(self->ap, NULL);
	guest_start(self->bsp, "count_sti", 0, NULL);
	guest_start(self->ap, "count_sti", 0, NULL);
	runner_start(&self->runner, self->ap);
	runner_start(&other, self->bsp);
	ASSERT_TRUE(wait_for(*counter > 10000));
	runner_stop(&self->runner);
	seen = *counter;
	EXPECT_TRUE(wait_for(*counter > seen + 1000));
	runner_stop(&other);
	EXPECT_EQ(-EINTR, self->runner.result) {
		vcpu_dump(self->ap);
	}
	EXPECT_EQ(-EINTR, other.result) {
		vcpu_dump(self->bsp);
	}
}

TEST_HARNESS_MAIN
