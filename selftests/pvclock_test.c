// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvclock (kvmclock): the time that a guest computes from its TSC and a page of its memory.
 */
#include <sched.h>
#include <time.h>
#include <asm/kvm_para.h>
#include "file.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define SECOND		1000000000UL
/* KVM and the test may not read the two clocks at the same instant. */
#define SLACK		(SECOND / 100)

#define TIME_PAGE(n)	(GUEST_FREE + (n) * PAGE)
#define WALL_PAGE	(GUEST_FREE + 0x10000)

#define STABLE		(1U << 0)
#define STOPPED		(1U << 1)

/* asm/pvclock-abi.h, which userspace does not have */
struct time_info {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
};

struct wall_clock {
	uint32_t version;
	uint32_t sec;
	uint32_t nsec;
};

FIXTURE(pvclock)
{
	struct vm *vm;
	struct vcpu *vcpu[2];
};

FIXTURE_SETUP(pvclock)
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

FIXTURE_TEARDOWN(pvclock)
{
	vcpu_free(self->vcpu[1]);
	vcpu_free(self->vcpu[0]);
	vm_free(self->vm);
}

static volatile struct time_info *page(FIXTURE_DATA(pvclock) *self, unsigned int i)
{
	return (void *)(self->vm->ram + TIME_PAGE(i));
}

static void enable(FIXTURE_DATA(pvclock) *self, unsigned int i)
{
	guest_call(self->vcpu[i], "wrmsr_", MSR_KVM_SYSTEM_TIME_NEW, TIME_PAGE(i) | 1);
}

static uint64_t guest_clock(FIXTURE_DATA(pvclock) *self, unsigned int i)
{
	return guest_call(self->vcpu[i], "clock_read", TIME_PAGE(i));
}

static struct hv_clock_data vm_clock(FIXTURE_DATA(pvclock) *self)
{
	struct hv_clock_data c = {};

	must(hv_ioctl(self->vm->fd, HV_GET_CLOCK, &c));
	return c;
}

/* The host keeps its time with the TSC: then the clock is stable. */
static bool host_has_tsc_clock(void)
{
	char name[16] = "";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");

	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
	}
	return !strcmp(name, "tsc\n");
}

TEST_F(pvclock, offered)
{
	struct hv_cpuid2 *c = supported_cpuid(self->vm);
	struct hv_cpuid_entry2 *e = cpuid_entry(c, KVM_CPUID_SIGNATURE, 0);
	uint32_t features = 1U << KVM_FEATURE_CLOCKSOURCE | 1U << KVM_FEATURE_CLOCKSOURCE2 |
			    1U << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT;

	ASSERT_NE(NULL, e);
	EXPECT_LE(KVM_CPUID_FEATURES, e->eax);
	EXPECT_EQ(0, memcmp(&e->ebx, "KVMK", 4));
	EXPECT_EQ(0, memcmp(&e->ecx, "VMKV", 4));
	EXPECT_EQ(0, memcmp(&e->edx, "M\0\0\0", 4));
	e = cpuid_entry(c, KVM_CPUID_FEATURES, 0);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(features, e->eax & features);
	EXPECT_EQ(0, e->edx);
	free(c);
}

/* The guest reads the same clock as HV_GET_CLOCK, on each vCPU. */
TEST_F(pvclock, same_as_get_clock)
{
	uint64_t before, guest, after;
	unsigned int i, n;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	for (i = 0; i < 2; i++)
		enable(self, i);
	for (n = 0; n < 20; n++) {
		for (i = 0; i < 2; i++) {
			before = vm_clock(self).clock;
			guest = guest_clock(self, i);
			after = vm_clock(self).clock;
			EXPECT_GE(guest + (device_is_kvm() ? SLACK : 0), before);
			EXPECT_LE(guest, after + (device_is_kvm() ? SLACK : 0));
		}
	}
}

TEST_F(pvclock, stable)
{
	struct hv_clock_data c;
	unsigned int i;

	if (!host_has_tsc_clock())
		SKIP(return, "the host's clocksource isn't the TSC");
	for (i = 0; i < 2; i++) {
		enable(self, i);
		guest_clock(self, i);
		EXPECT_EQ(STABLE, page(self, i)->flags);
		EXPECT_EQ(0, page(self, i)->version & 1);
	}
	/* One base for all, from the beginning; KVM takes a new one now and then. */
	if (!device_is_kvm()) {
		EXPECT_EQ(page(self, 0)->tsc_timestamp, page(self, 1)->tsc_timestamp);
		EXPECT_EQ(page(self, 0)->system_time, page(self, 1)->system_time);
	}
	c = vm_clock(self);
	EXPECT_EQ(HV_CLOCK_TSC_STABLE | HV_CLOCK_REALTIME | HV_CLOCK_HOST_TSC, c.flags);
}

/* Enabled by the old numbers of the MSRs, which are the same registers. */
TEST_F(pvclock, msrs)
{
	uint64_t val;

	guest_call(self->vcpu[0], "wrmsr_", MSR_KVM_SYSTEM_TIME, TIME_PAGE(0) | 1);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_LT(0, guest_clock(self, 0));
	EXPECT_EQ(TIME_PAGE(0) | 1, guest_call(self->vcpu[0], "rdmsr_", MSR_KVM_SYSTEM_TIME_NEW));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu[0], MSR_KVM_SYSTEM_TIME_NEW, &val));
	EXPECT_EQ(TIME_PAGE(0) | 1, val);
	/* Each vCPU has its own. */
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu[1], MSR_KVM_SYSTEM_TIME_NEW, &val));
	EXPECT_EQ(0, val);
	/* By the VMM, as after a migration */
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu[1], MSR_KVM_SYSTEM_TIME_NEW, TIME_PAGE(1) | 1));
	EXPECT_LT(0, guest_clock(self, 1));

	/* Off: the page is left alone. */
	guest_call(self->vcpu[0], "wrmsr_", MSR_KVM_SYSTEM_TIME_NEW, TIME_PAGE(0));
	memset((void *)page(self, 0), 0, sizeof(struct time_info));
	must(hv_ioctl(self->vm->fd, HV_SET_CLOCK, &(struct hv_clock_data){ .clock = 5 }));
	guest_call(self->vcpu[0], "rdmsr_", MSR_KVM_SYSTEM_TIME);
	EXPECT_EQ(0, page(self, 0)->version);
}

/* A page where there is no memory, or across its end, harms nobody. */
TEST_F(pvclock, bad_page)
{
	static const uint64_t bad[] = {
		GUEST_MMIO, GUEST_RAM_SIZE - 8, 0xfffffffffffff000, 1UL << 51,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		guest_call(self->vcpu[0], "wrmsr_", MSR_KVM_SYSTEM_TIME_NEW, bad[i] | 1);
		EXPECT_EQ(bad[i] | 1,
			  guest_call(self->vcpu[0], "rdmsr_", MSR_KVM_SYSTEM_TIME_NEW));
		guest_call(self->vcpu[0], "wrmsr_", MSR_KVM_WALL_CLOCK_NEW, bad[i]);
		EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	}
	enable(self, 0);
	EXPECT_LT(0, guest_clock(self, 0));
}

TEST_F(pvclock, wall_clock)
{
	volatile struct wall_clock *wall = (void *)(self->vm->ram + WALL_PAGE);
	struct timespec now;
	uint64_t wall_ns, guest;
	unsigned int i;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	enable(self, 0);
	for (i = 0; i < 2; i++) {
		guest_call(self->vcpu[0], "wrmsr_", MSR_KVM_WALL_CLOCK_NEW, WALL_PAGE);
		guest = guest_clock(self, 0);
		clock_gettime(CLOCK_REALTIME, &now);
		wall_ns = wall->sec * SECOND + wall->nsec + guest;
		EXPECT_LE(wall_ns, now.tv_sec * SECOND + now.tv_nsec + SLACK);
		EXPECT_GE(wall_ns + SECOND, now.tv_sec * SECOND + now.tv_nsec);
		EXPECT_LT(wall->nsec, SECOND);
		EXPECT_EQ(0, wall->version & 1);
		EXPECT_NE(0, wall->version);
		/* The VM's clock and the wall clock have the same distance. */
		must(hv_ioctl(self->vm->fd, HV_SET_CLOCK,
			      &(struct hv_clock_data){ .clock = 7000 * SECOND }));
	}
}

TEST_F(pvclock, set_clock)
{
	unsigned int i;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	for (i = 0; i < 2; i++)
		enable(self, i);
	guest_clock(self, 0);
	must(hv_ioctl(self->vm->fd, HV_SET_CLOCK,
		      &(struct hv_clock_data){ .clock = 5000 * SECOND }));
	for (i = 0; i < 2; i++) {
		EXPECT_GE(guest_clock(self, i), 5000 * SECOND);
		EXPECT_LT(guest_clock(self, i), 5010 * SECOND);
	}
	/* Backwards, when the VMM wants it */
	must(hv_ioctl(self->vm->fd, HV_SET_CLOCK, &(struct hv_clock_data){ .clock = 3 }));
	for (i = 0; i < 2; i++)
		EXPECT_LT(guest_clock(self, i), 10 * SECOND);
}

/* HV_KVMCLOCK_CTRL: the guest sees that it was paused until it clears the flag. */
TEST_F(pvclock, paused)
{
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu[0]->fd, HV_KVMCLOCK_CTRL, 0));
	enable(self, 0);
	guest_clock(self, 0);
	EXPECT_EQ(0, page(self, 0)->flags & STOPPED);
	ASSERT_EQ(0, hv_ioctl(self->vcpu[0]->fd, HV_KVMCLOCK_CTRL, 0));
	guest_clock(self, 0);
	EXPECT_EQ(STOPPED, page(self, 0)->flags & STOPPED);
	/* Another update keeps it, */
	must(hv_ioctl(self->vm->fd, HV_SET_CLOCK, &(struct hv_clock_data){ .clock = SECOND }));
	guest_clock(self, 0);
	EXPECT_EQ(STOPPED, page(self, 0)->flags & STOPPED);
	/* the guest clears it, and it stays so. */
	page(self, 0)->flags &= ~STOPPED;
	must(hv_ioctl(self->vm->fd, HV_SET_CLOCK, &(struct hv_clock_data){ .clock = SECOND }));
	guest_clock(self, 0);
	EXPECT_EQ(0, page(self, 0)->flags & STOPPED);
}

/* A write of the TSC does not change the time; TSCs that differ are no stable clock. */
TEST_F(pvclock, tsc_written)
{
	uint64_t before, after;
	unsigned int i;

	if (device_is_kvm())
		SKIP(return, "KVM leaves the page wrong until another update");
	for (i = 0; i < 2; i++) {
		enable(self, i);
		before = guest_clock(self, i);
		guest_call(self->vcpu[i], "wrmsr_", MSR_TSC, 1UL << 50);
		after = guest_clock(self, i);
		EXPECT_GE(after, before);
		EXPECT_LT(after, before + 10 * SECOND);
		before = vm_clock(self).clock;
		EXPECT_GE(before, after);
		EXPECT_LT(before, after + 10 * SECOND);
		EXPECT_EQ(0, page(self, i)->flags & STABLE);
		EXPECT_EQ(0, vm_clock(self).flags & HV_CLOCK_TSC_STABLE);
	}
	if (!host_has_tsc_clock())
		return;
	/* The VMM makes them equal again, as one that restores a VM does. */
	before = guest_clock(self, 0);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, vcpu_set_msr(self->vcpu[i], MSR_TSC, 1UL << 40));
	for (i = 0; i < 2; i++) {
		after = guest_clock(self, i);
		EXPECT_GE(after, before);
		EXPECT_LT(after, before + 10 * SECOND);
		EXPECT_EQ(STABLE, page(self, i)->flags);
		before = after;
	}
	EXPECT_EQ(HV_CLOCK_TSC_STABLE, vm_clock(self).flags & HV_CLOCK_TSC_STABLE);
}

#define CLOCKSOURCE	"/sys/devices/system/clocksource/clocksource0/"

/* Another clocksource than the TSC, false if the host has none. */
static bool other_clocksource(char *name, size_t size)
{
	char all[128] = "", *one, *rest = all;
	FILE *f = fopen(CLOCKSOURCE "available_clocksource", "r");

	if (!f)
		return false;
	if (!fgets(all, sizeof(all), f))
		all[0] = 0;
	fclose(f);
	all[strcspn(all, "\n")] = 0;
	while ((one = strsep(&rest, " "))) {
		if (!*one || !strcmp(one, "tsc"))
			continue;
		snprintf(name, size, "%s", one);
		return true;
	}
	return false;
}

static bool set_clocksource(const char *name)
{
	return file_write(CLOCKSOURCE "current_clocksource", name);
}

/* Both vCPUs' clocks and the VM's; none may be before @last. Returns the latest. */
static uint64_t check_clocks(struct __test_metadata *_metadata, FIXTURE_DATA(pvclock) *self,
			     uint64_t last)
{
	uint64_t slack = device_is_kvm() ? SLACK : 0;
	uint64_t now;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		now = guest_clock(self, i);
		EXPECT_GE(now + slack, last);
		EXPECT_LT(now, last + 10 * SECOND);
		last = now;
	}
	now = vm_clock(self).clock;
	EXPECT_GE(now + slack, last);
	EXPECT_LT(now, last + 10 * SECOND);
	return now;
}

/*
 * The host ceases to keep its time with the TSC, and begins again: guests are told that
 * their clocks can't be compared, then that they can, and time goes on.
 */
TEST_F(pvclock, host_changes_clocksource)
{
	char other[32];
	uint64_t now;
	unsigned int i, n;

	if (kvm_changes_tsc())
		SKIP(return, KVM_CHANGES_TSC);
	if (!host_has_tsc_clock() || !other_clocksource(other, sizeof(other)))
		SKIP(return, "the host has no two clocksources");
	for (i = 0; i < 2; i++)
		enable(self, i);
	now = guest_clock(self, 0);
	for (n = 0; n < 3; n++) {
		now = check_clocks(_metadata, self, now);
		if (!device_is_kvm())
			EXPECT_EQ(STABLE, page(self, 0)->flags);
		if (!set_clocksource(other))
			SKIP(return, "may not change the clocksource");
		ASSERT_TRUE(wait_for(!host_has_tsc_clock()));
		/* A little later */
		EXPECT_TRUE(wait_for((now = check_clocks(_metadata, self, now),
				      !(page(self, 0)->flags | page(self, 1)->flags))));
		EXPECT_EQ(0, vm_clock(self).flags);
		ASSERT_TRUE(set_clocksource("tsc"));
		ASSERT_TRUE(wait_for(host_has_tsc_clock()));
		now = check_clocks(_metadata, self, now);
		/* KVM looks for it at the next chance only. */
		if (!device_is_kvm())
			EXPECT_TRUE(wait_for((now = check_clocks(_metadata, self, now),
					      STABLE == (page(self, 0)->flags &
							 page(self, 1)->flags))));
	}
}

/*
 * Two vCPUs read the clock as fast as they can, and compare. Their threads change host CPUs,
 * are interrupted, and the VMM looks at the clock: it never goes backwards.
 */
TEST_F(pvclock, never_backwards)
{
	unsigned int cpus = host_cpus();
	uint64_t last = 0, now, end;
	struct runner runner[2];
	unsigned int i, round;

	if (!host_has_tsc_clock())
		SKIP(return, "the clock is not stable: guests compare what they read");
	for (i = 0; i < 2; i++)
		enable(self, i);
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 2; i++) {
			guest_start(self->vcpu[i], "clock_hammer_forever", 1,
				    (uint64_t[]){ TIME_PAGE(i) });
			runner_start(&runner[i], self->vcpu[i]);
			host_cpu_pin(runner[i].thread, i % cpus);
		}
		end = guest_u64(self->vm, "reads") + 2000;
		for (i = 0; i < 100 && guest_u64(self->vm, "reads") < end; i++) {
			/* Read first: what the VMM reads later can't be earlier. */
			uint64_t guest = guest_u64(self->vm, "latest");

			now = vm_clock(self).clock;
			EXPECT_GE(now, last);
			if (!device_is_kvm())
				EXPECT_GE(now, guest);
			last = now;
			host_cpu_pin(runner[0].thread, (i + 1) % cpus);
			host_cpu_pin(runner[1].thread, i / 2 % cpus);
			sleep_us(1000);
		}
		for (i = 0; i < 2; i++)
			runner_stop(&runner[i]);
		/* An update of both pages */
		for (i = 0; i < 2; i++)
			must(hv_ioctl(self->vcpu[i]->fd, HV_KVMCLOCK_CTRL, 0));
	}
	EXPECT_LT(2000, guest_u64(self->vm, "reads"));
	EXPECT_EQ(0, guest_u64(self->vm, "backwards")) {
		TH_LOG("by up to %lu ns", guest_u64(self->vm, "worst"));
	}
}

TEST_HARNESS_MAIN
