// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two VMs of two vCPUs each compute, wait and send each other IPIs, and check what they
 * see, while the host moves their threads from CPU to CPU, changes their memory slots,
 * takes their pages away, and takes its CPUs away. Each of these alone, then together
 * for $STRESS_SECONDS.
 */
#include <sched.h>
#include <stdarg.h>
#include <sys/resource.h>
#include "hvtest.h"
#include "stress.h"
#include "kselftest_harness.h"

#define VMS		2
#define VCPUS		2
#define STALL_US	30000000	/* no progress for so long: something is lost */
#define PAUSE_US	1000		/* between two changes, for the guests to go on */
#define SETTLE_US	300		/* for a write that must not come */
#define GONE		(1UL << 63)	/* with the generation: read where there's no slot */

#define MIGRATION	(1U << 0)
#define SLOTS		(1U << 1)
#define UNMAPPING	(1U << 2)
#define HOTPLUG		(1U << 3)

struct stress_vcpu {
	struct stress_vm *s;
	struct vcpu *vcpu;
	pthread_t thread;
	volatile uint64_t *block;
};

struct stress_vm {
	struct vm *vm;
	struct stress_vcpu vcpu[VCPUS];
	uint64_t generation[STRESS_WINDOWS];	/* what is there to read; the VM's number on top */
	volatile uint64_t *buffer[2];	/* window 0 is one of these */
	unsigned int current;
	volatile uint64_t gone;		/* what window 0 reads while it has no slot */
	volatile uint64_t *page;	/* window 1 */
	volatile uint64_t *elsewhere;	/* and where it's moved to */
};

static struct stress_vm vms[VMS];
static volatile bool stop;
static unsigned int cpus;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char failure[256];		/* the first one; under lock */
static volatile unsigned long migrations, flips, unmaps, hotplugs;	/* done */

static void __attribute__((format(printf, 1, 2))) complain(const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&lock);
	if (!failure[0]) {
		va_start(ap, fmt);
		vsnprintf(failure, sizeof(failure), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&lock);
	stop = true;
}

/* What the guest is to read in a window from now on; 0: don't look. */
static void expect(struct stress_vm *s, unsigned int window, uint64_t value)
{
	volatile uint64_t *expected = guest_var(s->vm, "window_expect");

	__atomic_store_n(&expected[window], value, __ATOMIC_SEQ_CST);
}

/* The guest's own writes in a window must not change while it has no access. */
static void expect_still(volatile uint64_t *memory, const char *what)
{
	uint64_t before[VCPUS];
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		before[i] = memory[1 + i];
	sleep_us(SETTLE_US);
	for (i = 0; i < VCPUS; i++)
		if (memory[1 + i] != before[i])
			complain("vCPU %u wrote to memory %s", i, what);
}

/* Take a window's slot away and give it another one's memory. */
static void flip_slot(unsigned int i)
{
	struct stress_vm *s = &vms[i % VMS];
	volatile uint64_t *old = s->buffer[s->current];
	volatile uint64_t *new = s->buffer[!s->current];

	expect(s, 0, 0);
	must(vm_slot(s->vm, 1, 0, 0, NULL, 0));
	/* Never the same twice, or the guest could miss what was there in between. */
	s->gone = s->generation[0] | GONE;
	expect(s, 0, s->gone);
	expect_still(old, "whose slot is gone");
	new[0] = ++s->generation[0];
	expect(s, 0, 0);
	must(vm_slot(s->vm, 1, STRESS_WINDOW_GPA, PAGE, (void *)new, 0));
	expect(s, 0, s->generation[0]);
	s->current = !s->current;
}

/* Take a page away and give another one, or the same again. */
static void unmap_page(unsigned int i)
{
	struct stress_vm *s = &vms[i % VMS];
	void *page = (void *)s->page;

	switch (i / VMS % 4) {
	case 0:
		expect(s, 1, 0);
		if (madvise(page, PAGE, MADV_DONTNEED))
			complain("madvise: %m");
		s->page[0] = ++s->generation[1];
		expect(s, 1, s->generation[1]);
		break;
	case 1:
		expect(s, 1, 0);
		if (mmap(page, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
			complain("mmap: %m");
		s->page[0] = ++s->generation[1];
		expect(s, 1, s->generation[1]);
		break;
	case 2:
		if (mprotect(page, PAGE, PROT_READ))
			complain("mprotect: %m");
		expect_still(s->page, "that is read-only");
		if (mprotect(page, PAGE, PROT_READ | PROT_WRITE))
			complain("mprotect: %m");
		break;
	case 3:
		if (mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   s->elsewhere) != s->elsewhere)
			complain("mremap: %m");
		expect_still(s->elsewhere, "that was moved away");
		if (mremap((void *)s->elsewhere, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   page) != page)
			complain("mremap back: %m");
		break;
	}
}

/* Move a vCPU's thread to another CPU, which may be offline. */
static void migrate(unsigned int i)
{
	static unsigned int seed = 1;
	struct stress_vcpu *v = &vms[i % VMS].vcpu[i / VMS % VCPUS];

	host_cpu_pin(v->thread, rand_r(&seed) % cpus);
}

/* Make a VM and let its guest do something. */
static void short_vm(void)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu;

	vm_load(vm, "basic");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	if (guest_call(vcpu, "identity", 5) != 5)
		complain("a new VM computes wrongly");
	vcpu_free(vcpu);
	vm_free(vm);
}

/* Take the last CPU away, or give it back. */
static void change_cpus(unsigned int i)
{
	bool online = i % 2;
	long ret = host_cpu_online(cpus - 1, online);

	if (ret)
		complain("CPU %u %s: %s", cpus - 1, online ? "online" : "offline", strerror(-ret));
	short_vm();
}

/* What is done to the VMs, and how often at least. */
static const struct activity {
	unsigned int flag;
	void (*once)(unsigned int i);
	volatile unsigned long *count;
	unsigned long least;
} activities[] = {
	{ MIGRATION, migrate, &migrations, 100 },
	{ SLOTS, flip_slot, &flips, 20 },
	{ UNMAPPING, unmap_page, &unmaps, 20 },
	{ HOTPLUG, change_cpus, &hotplugs, 4 },
};

static void *activity_main(void *arg)
{
	const struct activity *a = arg;
	unsigned int i;

	/* The vCPUs never sleep: don't queue behind them. */
	if (setpriority(PRIO_PROCESS, gettid(), -15))
		complain("setpriority: %m");
	for (i = 0; !stop; i++) {
		a->once(i);
		++*a->count;
		sleep_us(PAUSE_US);
	}
	return NULL;
}

static bool enough(unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(activities); i++)
		if (flags & activities[i].flag && *activities[i].count < activities[i].least)
			return false;
	return true;
}

static const char *const checks[] = {
	[STRESS_MEMORY] = "memory", [STRESS_VECTOR] = "XMM7",
	[STRESS_GS_BASE] = "KERNEL_GS_BASE", [STRESS_LSTAR] = "LSTAR",
	[STRESS_TIME] = "TSC", [STRESS_WINDOW] = "a window", [STRESS_EXTRA_IPI] = "IPIs",
};

static void explain(struct stress_vcpu *v)
{
	uint64_t check = v->block[STRESS_FAILED / 8];

	if (v->vcpu->run->exit_reason == HV_EXIT_IO && check < ARRAY_LEN(checks) && check)
		complain("vCPU %u: %s: got %#lx, expected %#lx", v->vcpu->id, checks[check],
			 v->block[STRESS_GOT / 8], v->block[STRESS_WANT / 8]);
	else
		complain("vCPU %u: exit %s", v->vcpu->id, exit_name(v->vcpu->run->exit_reason));
	vcpu_dump(v->vcpu);
}

/* Run a vCPU; serve it the windows while they aren't there. */
static void *vcpu_main(void *arg)
{
	struct stress_vcpu *v = arg;
	struct hv_run *run = v->vcpu->run;

	while (!stop) {
		long ret;

		/* The VMM's own vector registers aren't the guest's. */
		asm volatile("pcmpeqd %%xmm7, %%xmm7" ::: "xmm7");
		ret = vcpu_run_raw(v->vcpu);
		if (ret == -EINTR || ret == -EAGAIN)
			continue;
		if (ret == -EFAULT) {
			/* The page is away or read-only, and comes back. */
			sched_yield();
		} else if (ret) {
			complain("vCPU %u: HV_RUN: %s", v->vcpu->id, strerror(-ret));
		} else if (run->exit_reason == HV_EXIT_MMIO &&
			   run->mmio.phys_addr - STRESS_WINDOW_GPA < PAGE) {
			uint64_t gone = v->s->gone;

			memcpy(run->mmio.data, &gone, sizeof(run->mmio.data));
		} else if (run->exit_reason == HV_EXIT_IO && run->io.port == PORT_MARK) {
			continue;
		} else {
			explain(v);
			break;
		}
	}
	return NULL;
}

static void create(struct stress_vm *s, unsigned int number)
{
	static const char *const function[VCPUS] = { "stress_compute", "stress_halt" };
	unsigned int i;

	*s = (struct stress_vm) {};
	s->vm = vm_create(VM_IRQCHIP);
	vm_load(s->vm, "stress");
	guest_u32(s->vm, "eoi") = 1;
	for (i = 0; i < 2; i++)
		s->buffer[i] = ram_alloc(PAGE);
	s->page = ram_alloc(PAGE);
	s->elsewhere = ram_alloc(PAGE);
	for (i = 0; i < STRESS_WINDOWS; i++)
		s->generation[i] = (uint64_t)(number * STRESS_WINDOWS + i + 1) << 48;
	s->buffer[0][0] = s->generation[0];
	s->page[0] = s->generation[1];
	must(vm_slot(s->vm, 1, STRESS_WINDOW_GPA, PAGE, (void *)s->buffer[0], 0));
	must(vm_slot(s->vm, 2, STRESS_WINDOW_GPA + STRESS_WINDOW_STEP, PAGE,
		     (void *)s->page, 0));
	expect(s, 0, s->generation[0]);
	expect(s, 1, s->generation[1]);
	for (i = 0; i < VCPUS; i++) {
		struct stress_vcpu *v = &s->vcpu[i];
		uint64_t block = GUEST_FREE + i * PAGE;
		uint64_t args[] = { block, number ? 0 : STRESS_TIMER_COUNT };

		v->s = s;
		v->vcpu = vcpu_create(s->vm, i);
		v->block = (volatile uint64_t *)(s->vm->ram + block);
		v->block[STRESS_ID / 8] = i;
		vcpu_make_runnable(v->vcpu);
		vcpu_long_mode(v->vcpu, NULL);
		guest_start(v->vcpu, function[i], ARRAY_LEN(args), args);
	}
}

static void start(struct stress_vm *s)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		if (pthread_create(&s->vcpu[i].thread, NULL, vcpu_main, &s->vcpu[i]))
			die("pthread_create: %s", strerror(errno));
}

static void end(struct stress_vm *s)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++) {
		s->vcpu[i].vcpu->run->immediate_exit = 1;
		kick(s->vcpu[i].thread);
	}
	for (i = 0; i < VCPUS; i++) {
		pthread_join(s->vcpu[i].thread, NULL);
		vcpu_free(s->vcpu[i].vcpu);
	}
	vm_free(s->vm);
}

/* Counters that go on as long as nothing is lost. */
static const char *const counters[] = {
	"vCPU 0's rounds", "vCPU 1's rounds", "IPIs", "timer interrupts"
};

#define COUNTERS	ARRAY_LEN(counters)

static uint64_t counter(struct stress_vm *s, unsigned int i)
{
	volatile uint32_t *irq_count = guest_var(s->vm, "irq_count");

	if (i < VCPUS)
		return s->vcpu[i].block[STRESS_ROUNDS / 8];
	return irq_count[i == VCPUS ? STRESS_IPI : STRESS_TIMER];
}

/* When each counter last changed. Return: the longest ago. */
static uint64_t progress(uint64_t now)
{
	static uint64_t last[VMS][COUNTERS], since[VMS][COUNTERS];
	uint64_t oldest = now;
	unsigned int i, j;

	for (i = 0; i < VMS; i++) {
		for (j = 0; j < COUNTERS; j++) {
			uint64_t value = counter(&vms[i], j);

			/* VM 1 has no timer: nothing else wakes its vCPU if an IPI doesn't. */
			if (i == 1 && j == COUNTERS - 1)
				continue;
			if (value != last[i][j] || !since[i][j])
				since[i][j] = now;
			last[i][j] = value;
			if (now - since[i][j] > STALL_US)
				complain("VM %u: no more %s after %lu", i, counters[j], value);
			if (since[i][j] < oldest)
				oldest = since[i][j];
		}
	}
	return oldest;
}

/* Until the time is over, all has been done, and each counter has gone on after that. */
static void watch(unsigned int flags, uint64_t seconds)
{
	uint64_t end_us = now_us() + seconds * 1000000;

	while (!stop) {
		uint64_t now = now_us();
		uint64_t oldest = progress(now);

		if (now >= end_us && !enough(flags))
			end_us = now;
		if (oldest > end_us)
			return;
		sleep_us(20000);
	}
}

static void stress(unsigned int flags, uint64_t seconds)
{
	pthread_t threads[ARRAY_LEN(activities)];
	unsigned int i;

	kick_setup();
	for (i = 0; i < VMS; i++)
		create(&vms[i], i);
	for (i = 0; i < VMS; i++)
		start(&vms[i]);
	for (i = 0; i < ARRAY_LEN(activities); i++)
		if (flags & activities[i].flag &&
		    pthread_create(&threads[i], NULL, activity_main, (void *)&activities[i]))
			die("pthread_create: %s", strerror(errno));
	watch(flags, seconds);
	stop = true;
	for (i = 0; i < ARRAY_LEN(activities); i++)
		if (flags & activities[i].flag)
			pthread_join(threads[i], NULL);
	if (flags & HOTPLUG)
		host_cpu_online(cpus - 1, true);
	for (i = 0; i < VMS; i++) {
		printf("# VM %u: rounds %lu and %lu, %lu IPIs, %lu timer interrupts\n", i,
		       counter(&vms[i], 0), counter(&vms[i], 1), counter(&vms[i], 2),
		       counter(&vms[i], 3));
		end(&vms[i]);
	}
	fflush(stdout);
}

FIXTURE(stress) {
};

FIXTURE_VARIANT(stress)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(stress, two_vms) { .flags = 0 };
FIXTURE_VARIANT_ADD(stress, migration) { .flags = MIGRATION };
FIXTURE_VARIANT_ADD(stress, slots) { .flags = SLOTS };
FIXTURE_VARIANT_ADD(stress, unmapping) { .flags = UNMAPPING };
FIXTURE_VARIANT_ADD(stress, hotplug) { .flags = HOTPLUG };
FIXTURE_VARIANT_ADD(stress, together) { .flags = MIGRATION | SLOTS | UNMAPPING | HOTPLUG };

FIXTURE_SETUP(stress)
{
	cpus = host_cpus();
	if (variant->flags & (MIGRATION | HOTPLUG) && cpus < 2)
		SKIP(return, "the host has one CPU");
}

FIXTURE_TEARDOWN(stress)
{
}

TEST_F_TIMEOUT(stress, nothing_is_lost, 600)
{
	const char *seconds = getenv("STRESS_SECONDS");
	bool together = !(~variant->flags & (MIGRATION | SLOTS | UNMAPPING | HOTPLUG));

	stress(variant->flags, together && seconds ? strtoul(seconds, NULL, 0) : 2);
	EXPECT_STREQ("", failure);
	TH_LOG("%lu migrations, %lu slot flips, %lu unmappings, %lu hotplugs", migrations,
	       flips, unmaps, hotplugs);
}

TEST_HARNESS_MAIN
