// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that makes the hypervisor work without end leaves the host its CPU: a thread on the
 * same CPU gets its turn, and a signal ends the guest. What the host's kernel thinks of it
 * (lockups, stalls) fails the run.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define TURNS		30
#define NAP		2000		/* us */
#define LATE		2000000		/* us; emulated hosts are slow, and share their machine */

FIXTURE(starve)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct runner runner;
};

FIXTURE_VARIANT(starve)
{
	const char *function;
};

FIXTURE_VARIANT_ADD(starve, cpuid) { .function = "starve_cpuid" };
FIXTURE_VARIANT_ADD(starve, rdmsr) { .function = "starve_rdmsr" };
FIXTURE_VARIANT_ADD(starve, apic) { .function = "starve_apic" };
FIXTURE_VARIANT_ADD(starve, self_ipi) { .function = "starve_self_ipi" };
FIXTURE_VARIANT_ADD(starve, timer) { .function = "starve_timer" };
FIXTURE_VARIANT_ADD(starve, hlt) { .function = "starve_hlt" };
FIXTURE_VARIANT_ADD(starve, pause) { .function = "starve_pause" };
FIXTURE_VARIANT_ADD(starve, step) { .function = "starve_step" };

FIXTURE_SETUP(starve)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "starve");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
}

FIXTURE_TEARDOWN(starve)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(starve, host_goes_on)
{
	uint64_t start, late, worst = 0;
	unsigned int i;

	host_cpu_pin(pthread_self(), 0);
	guest_start(self->vcpu, variant->function, 0, NULL);
	runner_start(&self->runner, self->vcpu);
	host_cpu_pin(self->runner.thread, 0);
	for (i = 0; i < TURNS; i++) {
		start = now_us();
		sleep_us(NAP);
		late = now_us() - start - NAP;
		if (late > worst)
			worst = late;
	}
	EXPECT_FALSE(self->runner.done);
	start = now_us();
	runner_stop(&self->runner);
	late = now_us() - start;
	EXPECT_EQ(-EINTR, self->runner.result);
	TH_LOG("%lu us late at most; stopped in %lu us", worst, late);
	EXPECT_LT(worst, LATE);
	EXPECT_LT(late, LATE);
}

TEST_HARNESS_MAIN
