// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host is suspended while a VM exists: afterwards its vCPUs go on, TSCs have not gone
 * backwards, the clock has counted the time, and the guest is told that it was paused.
 *
 * The kernel's test mode goes all the way except for the last step: CPUs, devices and the
 * system core are suspended for five seconds.
 */
#include <time.h>
#include <asm/kvm_para.h>
#include "file.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define SECOND		1000000000UL
#define TIME_PAGE	GUEST_FREE
#define FLAGS		29	/* offset of flags in the time page */
#define STABLE		(1U << 0)
#define STOPPED		(1U << 1)

static bool deep_sleep(void)
{
	char modes[64] = "";
	FILE *f = fopen("/sys/power/mem_sleep", "r");

	if (!f)
		return false;
	if (!fgets(modes, sizeof(modes), f))
		modes[0] = 0;
	fclose(f);
	return strstr(modes, "[deep]");
}

static uint64_t boottime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

TEST(host_suspend)
{
	uint64_t count, tsc, clock, host, slept, longest;
	struct hv_clock_data vm_clock = {};
	struct runner runner;
	struct vcpu *vcpu[2];
	volatile uint8_t *flags;
	struct vm *vm;
	unsigned int i;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	if (!deep_sleep() || !file_write("/sys/power/pm_test", "core"))
		SKIP(return, "this host has no test mode for suspend to memory");
	vm = vm_create(VM_IRQCHIP);
	vm_load(vm, "pv");
	for (i = 0; i < 2; i++) {
		vcpu[i] = vcpu_create(vm, i);
		vcpu_make_runnable(vcpu[i]);
		vcpu_long_mode(vcpu[i], NULL);
	}
	flags = vm->ram + TIME_PAGE + FLAGS;
	guest_call(vcpu[1], "wrmsr_", MSR_KVM_SYSTEM_TIME_NEW, TIME_PAGE | 1);
	longest = boottime();
	clock = guest_call(vcpu[1], "clock_read", TIME_PAGE);
	EXPECT_EQ(0, *flags & STOPPED);
	ASSERT_EQ(1, vcpu_get_msr(vcpu[1], MSR_TSC, &tsc));
	host = boottime();
	guest_start(vcpu[0], "wait_forever", 0, NULL);
	runner_start(&runner, vcpu[0]);

	ASSERT_TRUE(file_write("/sys/power/state", "mem"));
	file_write("/sys/power/pm_test", "none");

	count = guest_u64(vm, "counter");
	EXPECT_TRUE(wait_for(guest_u64(vm, "counter") != count));
	runner_stop(&runner);
	slept = boottime() - host;
	EXPECT_LT(SECOND, slept);
	count = tsc;
	ASSERT_EQ(1, vcpu_get_msr(vcpu[1], MSR_TSC, &tsc));
	EXPECT_GT(tsc, count);
	clock = guest_call(vcpu[1], "clock_read", TIME_PAGE) - clock;
	longest = boottime() - longest;
	/*
	 * How long it was asleep the host knows by its RTC, which has whole seconds, and by what it has
	 * found to be wrong the time before: up to another one.
	 */
	EXPECT_GT(clock + 2 * SECOND, slept);
	EXPECT_LT(clock, longest + 2 * SECOND);
	EXPECT_EQ(STOPPED, *flags & STOPPED);
	must(hv_ioctl(vm->fd, HV_GET_CLOCK, &vm_clock));
	EXPECT_EQ(vm_clock.flags & HV_CLOCK_TSC_STABLE ? STABLE : 0, *flags & STABLE);
	vcpu_free(vcpu[1]);
	vcpu_free(vcpu[0]);
	vm_free(vm);
}

TEST_HARNESS_MAIN
