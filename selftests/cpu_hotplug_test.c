// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's CPUs come and go while vCPUs run: the guests go on, on the CPUs that are left,
 * and VMs can be made before, between and after. Needs two host CPUs.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define ROUNDS	5

static void *run_thread(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!vcpu->run->immediate_exit)
		vcpu_run_raw(vcpu);
	return NULL;
}

/* Make a VM and let its guest do something. */
static bool vm_works(void)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu;
	bool ok;

	vm_load(vm, "basic");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	ok = guest_call(vcpu, "identity", 5) == 5;
	vcpu_free(vcpu);
	vm_free(vm);
	return ok;
}

/* The guest counts on. */
static bool counts(volatile uint64_t *count)
{
	uint64_t before = *count;

	return wait_for(*count != before);
}

FIXTURE(hotplug) {
	struct vm *vm;
	struct vcpu *vcpu[2];
	pthread_t thread[2];
};

FIXTURE_SETUP(hotplug)
{
	static const char * const loop[] = { "count_sti", "ap_loop" };
	unsigned int i;

	if (host_cpus() < 2)
		SKIP(return, "the host has one CPU");
	kick_setup();
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	for (i = 0; i < 2; i++) {
		self->vcpu[i] = vcpu_create(self->vm, i);
		vcpu_make_runnable(self->vcpu[i]);
		vcpu_long_mode(self->vcpu[i], NULL);
		guest_start(self->vcpu[i], loop[i], 0, NULL);
		pthread_create(&self->thread[i], NULL, run_thread, self->vcpu[i]);
	}
}

FIXTURE_TEARDOWN(hotplug)
{
	unsigned int i;

	host_cpu_online(1, true);
	for (i = 0; i < 2; i++) {
		self->vcpu[i]->run->immediate_exit = 1;
		kick(self->thread[i]);
		pthread_join(self->thread[i], NULL);
		vcpu_free(self->vcpu[i]);
	}
	vm_free(self->vm);
}

TEST_F_TIMEOUT(hotplug, under_running_vcpus, 100)
{
	volatile uint64_t *count = guest_var(self->vm, "counter");
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, host_cpu_online(1, false));
		EXPECT_TRUE(counts(count));
		EXPECT_TRUE(vm_works());
		ASSERT_EQ(0, host_cpu_online(1, true));
		EXPECT_TRUE(counts(count));
		EXPECT_TRUE(vm_works());
	}
}

TEST_HARNESS_MAIN
