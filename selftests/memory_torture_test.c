// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two vCPUs write guest memory and check what they read, while the VMM and the kernel do to that
 * memory everything that can be done: it is discarded, moved, protected, merged, copied on
 * write, compacted, swapped out and in, truncated, made of large pages and of small ones, sent to
 * another node, and logged. Each of these has to have happened, if the host can do it.
 *
 * $STRESS_SECONDS says for how long, 4 by default. Swapping needs the kernel's module zram.
 */
#include "host_memory.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define VCPUS		2
#define NPAGES		1024UL
#define SIZE		(NPAGES * PAGE)
#define ROUNDS		1000
#define REGIONS		ARRAY_LEN(kinds)

/* With large pages possible, but for one; where pages may merge, few are written, and alike. */
static const struct {
	uint64_t gpa;
	unsigned int flags;
	uint32_t seldom;	/* these bits of a random number are 0 for a write */
	uint64_t values;	/* which bits of what is written may be set */
} kinds[] = {
	{ 0x20000000, 0, 0, ~0UL },
	{ 0x21001000, MEMORY_SHARED, 0, ~0UL },
	{ 0x22000000, MEMORY_VANISHES, 0, ~0UL },
	{ 0x23000000, MEMORY_SHARED | MEMORY_VANISHES, 0, ~0UL },
	{ 0x24000000, MEMORY_MERGES, 0xff000000, 3 },
	{ 0x25000000, MEMORY_HUGETLB, 0, ~0UL },
	{ 0x26000000, MEMORY_HUGETLB | MEMORY_SHARED | MEMORY_VANISHES, 0, ~0UL },
};

/* What a vCPU has written last, in the guest's memory: see the payload's torture() */
struct last {
	uint32_t seed, seldom;
	uint64_t count, values;
	uint64_t page[NPAGES];
};

struct worker {
	struct vcpu *vcpu;
	pthread_t thread;
	uint64_t last[REGIONS];	/* guest addresses */
	unsigned long calls, faults;
	uint64_t bad;
	unsigned int bad_region;
};

static struct memory regions[REGIONS];
static bool there[REGIONS];
static volatile bool stop;

/* Call the guest; memory that isn't there at the moment comes back. */
static uint64_t call(struct worker *w, unsigned int region)
{
	struct hv_run *run = w->vcpu->run;
	long ret;

	guest_start(w->vcpu, "torture", 5, (uint64_t[]){
		kinds[region].gpa + 8 * w->vcpu->id, NPAGES - 1, w->last[region], ROUNDS,
		!!(kinds[region].flags & MEMORY_VANISHES) });
	for (;;) {
		ret = vcpu_run_raw(w->vcpu);
		if (!ret && run->exit_reason == HV_EXIT_IO && run->io.port == PORT_DONE)
			return vcpu_regs(w->vcpu).rax;
		if (ret != -EFAULT && ret != -EINTR && ret != -EAGAIN)
			die("HV_RUN: %ld, exit %u, suberror %u, %llx %llx %llx %llx", ret,
			    run->exit_reason, run->internal.suberror, run->internal.data[0],
			    run->internal.data[1], run->internal.data[2], run->internal.data[3]);
		w->faults += ret == -EFAULT;
		sched_yield();
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int region = 0;

	while (!stop && !w->bad) {
		region = (region + 1) % REGIONS;
		if (!there[region])
			continue;
		w->bad = call(w, region);
		w->bad_region = region;
		w->calls++;
	}
	return NULL;
}

static void toggle_log(struct vm *vm, unsigned int region)
{
	static uint64_t bits[NPAGES / 64];
	static bool on[REGIONS];
	struct hv_dirty_log log = { .slot = 1 + region, .dirty_bitmap = (uintptr_t)bits };

	if (on[region] && rnd(4)) {
		must(hv_ioctl(vm->fd, HV_GET_DIRTY_LOG, &log));
		return;
	}
	on[region] = !on[region];
	must(vm_slot(vm, 1 + region, kinds[region].gpa, SIZE, regions[region].at,
		     on[region] ? HV_MEM_LOG_DIRTY_PAGES : 0));
}

/* All in turn, then any of them */
static void one_operation(struct vm *vm, unsigned long nr)
{
	unsigned int n = memory_operations();
	bool in_turn = nr < n * REGIONS;
	unsigned int region = in_turn ? nr / n : rnd(REGIONS);

	if (!there[region])
		return;
	if (!rnd(8))
		toggle_log(vm, region);
	memory_operation(&regions[region], in_turn ? nr % n : rnd(n), in_turn);
}

/* What the VMM sees is what was written last. */
static void verify(struct __test_metadata *_metadata, struct vm *vm, struct worker *w)
{
	unsigned int i, page;

	for (i = 0; i < REGIONS; i++) {
		const struct last *last = (struct last *)(vm->ram + w->last[i]);
		bool vanishes = kinds[i].flags & MEMORY_VANISHES;

		for (page = 0; there[i] && page < NPAGES; page++) {
			uint64_t v = *(uint64_t *)(regions[i].at + page * PAGE + 8 * w->vcpu->id);

			if (v != last->page[page] && (v || !vanishes))
				ASSERT_EQ(last->page[page], v) {
					TH_LOG("region %u page %u", i, page);
				}
		}
	}
}

static void start_worker(struct __test_metadata *_metadata, struct vm *vm, struct worker *w,
			 unsigned int id)
{
	struct last *last;
	unsigned int i;

	*w = (struct worker) { .vcpu = vcpu_create(vm, id) };
	vcpu_long_mode(w->vcpu, NULL);
	for (i = 0; i < REGIONS; i++) {
		w->last[i] = 0x100000 + (id * REGIONS + i) * 0x4000;
		last = (struct last *)(vm->ram + w->last[i]);
		memset(last, 0, sizeof(*last));
		last->seed = 1 + id * REGIONS + i;
		last->seldom = kinds[i].seldom;
		last->values = kinds[i].values;
	}
	ASSERT_EQ(0, pthread_create(&w->thread, NULL, work, w));
}

/* Each operation on each region, calls of both vCPUs, and all that was to come of it */
static bool all_done(const struct worker *w, unsigned long operations)
{
	return operations >= memory_operations() * REGIONS &&
	       w[0].calls >= REGIONS && w[1].calls >= REGIONS && memory_all_done();
}

FIXTURE(torture) { };

FIXTURE_SETUP(torture)
{
	host_memory_prepare();
}

FIXTURE_TEARDOWN(torture)
{
	host_memory_done();
}

TEST_F_TIMEOUT(torture, all, 600)
{
	const char *seconds = getenv("STRESS_SECONDS");
	struct vm *vm = vm_create(0);
	struct worker w[VCPUS];
	unsigned long operations = 0;
	unsigned int i;
	uint64_t end;

	vm_load(vm, "basic");
	for (i = 0; i < REGIONS; i++) {
		there[i] = memory_create(&regions[i], SIZE, kinds[i].flags);
		if (!there[i]) {
			TH_LOG("this host has no memory for region %u", i);
			continue;
		}
		ASSERT_EQ(0, vm_slot(vm, 1 + i, kinds[i].gpa, SIZE, regions[i].at, 0));
	}
	for (i = 0; i < VCPUS; i++)
		start_worker(_metadata, vm, &w[i], i);
	end = now_us() + (seconds ? atoi(seconds) : 4) * 1000000ULL;
	/* On a slow machine for as long as it takes to have done everything, but not for ever */
	while ((now_us() < end || !all_done(w, operations)) && now_us() < end + 100000000 &&
	       !w[0].bad && !w[1].bad) {
		one_operation(vm, operations);
		operations++;
	}
	stop = true;
	for (i = 0; i < VCPUS; i++)
		pthread_join(w[i].thread, NULL);
	EXPECT_EQ(0, memory_report());
	for (i = 0; i < VCPUS; i++) {
		EXPECT_EQ(0, w[i].bad) {
			TH_LOG("vCPU %u region %u", i, w[i].bad_region);
		}
		EXPECT_LE(REGIONS, w[i].calls);
		verify(_metadata, vm, &w[i]);
		TH_LOG("vCPU %u: %lu calls, %lu EFAULT", i, w[i].calls, w[i].faults);
	}
	TH_LOG("%lu operations", operations);
	EXPECT_LE(memory_operations() * REGIONS, operations);
}

TEST_HARNESS_MAIN
