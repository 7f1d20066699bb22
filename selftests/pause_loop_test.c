// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that spins exits after a while, and gives its turn to the vCPU that it may be
 * waiting for.
 */
#include <sched.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define TURNS	40

FIXTURE(pause_loop)
{
	struct vm *vm;
	struct vcpu *vcpu[2];
	struct runner runner[2];
};

FIXTURE_SETUP(pause_loop)
{
	unsigned int i;

	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "pv");
	for (i = 0; i < 2; i++) {
		self->vcpu[i] = vcpu_create(self->vm, i);
		vcpu_make_runnable(self->vcpu[i]);
		vcpu_long_mode(self->vcpu[i], NULL);
	}
}

FIXTURE_TEARDOWN(pause_loop)
{
	vcpu_free(self->vcpu[1]);
	vcpu_free(self->vcpu[0]);
	vm_free(self->vm);
}

/* Exits because of PAUSE */
static uint64_t pause_exits(struct vcpu *vcpu)
{
	if (device_is_kvm())
		return vcpu_stat(vcpu, "exits");
	return vcpu_stat(vcpu, "exit_pause");
}

/*
 * Two vCPUs on one CPU take turns. Without help each waits until the scheduler ends the other
 * one's time slice; a spinning vCPU that yields to the other makes a turn take no time.
 */
TEST_F(pause_loop, yields)
{
	uint64_t yields = 0, start, us;
	unsigned int i;

	start = now_us();
	for (i = 0; i < 2; i++) {
		guest_start(self->vcpu[i], "take_turns", 3, (uint64_t[]){ i, !i, TURNS });
		runner_start(&self->runner[i], self->vcpu[i]);
		host_cpu_pin(self->runner[i].thread, 0);
	}
	for (i = 0; i < 2; i++)
		runner_join(&self->runner[i]);
	us = now_us() - start;
	for (i = 0; i < 2; i++)
		yields += vcpu_stat(self->vcpu[i], "directed_yield_successful");
	TH_LOG("%u turns in %lu us, %lu yields, %lu + %lu exits", 2 * TURNS, us, yields,
	       pause_exits(self->vcpu[0]), pause_exits(self->vcpu[1]));
	EXPECT_EQ(2 * TURNS, guest_u64(self->vm, "turns"));
	if (device_is_kvm())
		SKIP(return, "KVM does not count these yields");
	if (cpu_is_tcg())
		SKIP(return, "TCG has no pause filter");
	EXPECT_LT(TURNS / 2, yields);
	EXPECT_GE(vcpu_stat(self->vcpu[0], "directed_yield_attempted") +
		  vcpu_stat(self->vcpu[1], "directed_yield_attempted"), yields);
}

/* Alone, with nobody to yield to: the guest goes on, and the exits become rare. */
TEST_F(pause_loop, window_grows)
{
	uint64_t first, second;

	if (device_is_kvm())
		SKIP(return, "KVM does not count exits by reason");
	guest_start(self->vcpu[0], "wait_forever", 0, NULL);
	runner_start(&self->runner[0], self->vcpu[0]);
	sleep_us(300000);
	first = pause_exits(self->vcpu[0]);
	if (cpu_is_tcg()) {
		runner_stop(&self->runner[0]);
		SKIP(return, "TCG has no pause filter");
	}
	EXPECT_LT(0, first);
	sleep_us(300000);
	second = pause_exits(self->vcpu[0]) - first;
	runner_stop(&self->runner[0]);
	TH_LOG("%lu exits, then %lu", first, second);
	/* 300 ms are 15 million cycles of the slowest host; the first window is 4096. */
	EXPECT_LT(first + second, 300);
	/* The other vCPU could not have used the turn. */
	EXPECT_EQ(0, vcpu_stat(self->vcpu[0], "directed_yield_attempted"));
}

TEST_HARNESS_MAIN
