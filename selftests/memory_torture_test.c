// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two vCPUs write guest memory and check what they read, while the VMM and the kernel do to that
 * memory everything that can be done: it is discarded, moved, protected, merged, copied on
 * write, compacted, truncated, made of large pages and of small ones, and logged.
 *
 * $STRESS_SECONDS says for how long, 4 by default.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define VCPUS		2
#define NPAGES		1024UL
#define SIZE		(NPAGES * PAGE)
#define HUGE		0x200000UL
#define ROUNDS		1000
#define OPERATIONS	100
/* What a vCPU has written last, for each region: seed, count, a value for each page */
#define LAST_SIZE	(16 + NPAGES * 8)

/* Not in every libc */
#define ADVICE_COLD	20
#define ADVICE_PAGEOUT	21
#define ADVICE_COLLAPSE	25

enum { ANON, SHARED, DISCARDED, TRUNCATED, REGIONS };

/* Guest-physical addresses: with large pages possible, and once without */
static const uint64_t gpas[REGIONS] = { 0x20000000, 0x21001000, 0x22000000, 0x23000000 };

struct region {
	uint8_t *mem;
	int fd;			/* -1: private */
	bool may_vanish;	/* pages may become zeros */
};

struct worker {
	struct vcpu *vcpu;
	pthread_t thread;
	uint64_t last[REGIONS];	/* guest addresses */
	unsigned long calls, faults;
	uint64_t bad;
	unsigned int bad_region;
};

static struct region regions[REGIONS];
static volatile bool stop;

static uint32_t rnd(uint32_t n)
{
	static uint64_t seed = 88172645463325252ULL;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

/* Call the guest; memory that isn't there at the moment comes back. */
static uint64_t call(struct worker *w, unsigned int region)
{
	struct hv_run *run = w->vcpu->run;
	long ret;

	guest_start(w->vcpu, "torture", 5, (uint64_t[]){
		gpas[region] + 8 * w->vcpu->id, NPAGES - 1, w->last[region], ROUNDS,
		regions[region].may_vanish });
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
		w->bad = call(w, region);
		w->bad_region = region;
		w->calls++;
	}
	return NULL;
}

static uint8_t *map_region(struct region *r, int prot)
{
	return mmap(r->mem, SIZE, prot, r->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED :
		    MAP_SHARED | MAP_FIXED, r->fd, 0);
}

static void region_setup(unsigned int i)
{
	struct region *r = &regions[i];
	uint8_t *at = mmap(NULL, SIZE + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	r->mem = (uint8_t *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));
	r->fd = -1;
	if (i == SHARED || i == TRUNCATED) {
		r->fd = memfd_create("guest", 0);
		must(ftruncate(r->fd, SIZE));
	}
	r->may_vanish = i == DISCARDED || i == TRUNCATED;
	if (map_region(r, PROT_READ | PROT_WRITE) != r->mem)
		die("mmap");
}

static void write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	/* A kernel without it does without it. */
	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
		errno = 0;
	if (fd >= 0)
		close(fd);
}

/* Everything that leaves contents as they are */
static void disturb(struct region *r, uint8_t *at, size_t len)
{
	static uint8_t *elsewhere;
	pid_t pid;

	switch (rnd(10)) {
	case 0:
		mprotect(at, len, PROT_READ);
		mprotect(at, len, PROT_READ | PROT_WRITE);
		break;
	case 1:
		mprotect(at, len, PROT_NONE);
		mprotect(at, len, PROT_READ | PROT_WRITE);
		break;
	case 2:
		if (!elsewhere)
			elsewhere = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		/* Only what has one kind of advice can be moved at once. */
		if (mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) != elsewhere)
			break;
		if (mremap(elsewhere, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
			die("mremap: %d", errno);
		/* Keep the place. */
		mmap(elsewhere, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 3:
		madvise(at, len, MADV_MERGEABLE);
		break;
	case 4:
		madvise(at, len, MADV_UNMERGEABLE);
		break;
	case 5:
		madvise(at, len, rnd(2) ? ADVICE_COLD : ADVICE_PAGEOUT);
		break;
	case 6:
		madvise(at, len, rnd(2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		break;
	case 7:
		madvise(r->mem, SIZE, MADV_HUGEPAGE);
		madvise(r->mem, SIZE, ADVICE_COLLAPSE);
		break;
	case 8:
		if (!rnd(8))
			write_file("/proc/sys/vm/compact_memory", "1");
		break;
	case 9:
		/* What parent and child share is copied by the next write. */
		pid = fork();
		if (!pid)
			_exit(*(volatile uint8_t *)at == 0xee);
		waitpid(pid, NULL, 0);
		break;
	}
}

static void discard(struct region *r, size_t offset, size_t len)
{
	if (r->fd < 0) {
		if (rnd(8))
			madvise(r->mem + offset, len, MADV_DONTNEED);
		else
			map_region(r, PROT_READ | PROT_WRITE);
	} else if (rnd(2)) {
		fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
	} else {
		must(ftruncate(r->fd, offset));
		must(ftruncate(r->fd, SIZE));
	}
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
	must(vm_slot(vm, 1 + region, gpas[region], SIZE, regions[region].mem,
		     on[region] ? HV_MEM_LOG_DIRTY_PAGES : 0));
}

static void one_operation(struct vm *vm)
{
	unsigned int i = rnd(REGIONS), first = rnd(NPAGES);
	size_t len = (1 + rnd(rnd(2) ? 8 : NPAGES - first)) * PAGE, offset = first * PAGE;
	struct region *r = &regions[i];

	if (offset + len > SIZE)
		len = SIZE - offset;
	if (!rnd(8))
		toggle_log(vm, i);
	else if (r->may_vanish && rnd(2))
		discard(r, offset, len);
	else
		disturb(r, r->mem + offset, len);
}

/* What the VMM sees is what was written last. */
static void verify(struct __test_metadata *_metadata, struct vm *vm, struct worker *w)
{
	unsigned int i, page;

	for (i = 0; i < REGIONS; i++) {
		const uint64_t *last = (uint64_t *)(vm->ram + w->last[i] + 16);

		for (page = 0; page < NPAGES; page++) {
			uint64_t v = *(uint64_t *)(regions[i].mem + page * PAGE + 8 * w->vcpu->id);

			if (v != last[page] && (v || !regions[i].may_vanish))
				ASSERT_EQ(last[page], v) {
					TH_LOG("region %u page %u", i, page);
				}
		}
	}
}

FIXTURE(torture) { };
FIXTURE_SETUP(torture) { }
FIXTURE_TEARDOWN(torture) { }

TEST_F_TIMEOUT(torture, all, 600)
{
	const char *seconds = getenv("STRESS_SECONDS");
	struct vm *vm = vm_create(0);
	struct worker w[VCPUS];
	unsigned long operations = 0;
	unsigned int i, j;
	uint64_t end;

	vm_load(vm, "basic");
	write_file("/sys/kernel/mm/ksm/run", "1");
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "5");
	for (i = 0; i < REGIONS; i++) {
		region_setup(i);
		ASSERT_EQ(0, vm_slot(vm, 1 + i, gpas[i], SIZE, regions[i].mem, 0));
	}
	for (i = 0; i < VCPUS; i++) {
		w[i] = (struct worker) { .vcpu = vcpu_create(vm, i) };
		vcpu_long_mode(w[i].vcpu, NULL);
		for (j = 0; j < REGIONS; j++) {
			w[i].last[j] = 0x100000 + (i * REGIONS + j) * 0x10000;
			memset(vm->ram + w[i].last[j], 0, LAST_SIZE);
			*(uint64_t *)(vm->ram + w[i].last[j]) = 1 + i * REGIONS + j;
		}
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work, &w[i]));
	}
	end = now_us() + (seconds ? atoi(seconds) : 4) * 1000000ULL;
	/* On a slow machine for as long as it takes to have done something, but not for ever */
	while ((now_us() < end || operations < OPERATIONS || w[0].calls < REGIONS ||
		w[1].calls < REGIONS) && now_us() < end + 100000000 && !w[0].bad && !w[1].bad) {
		one_operation(vm);
		operations++;
	}
	stop = true;
	for (i = 0; i < VCPUS; i++)
		pthread_join(w[i].thread, NULL);
	write_file("/sys/kernel/mm/ksm/run", "2");
	for (i = 0; i < VCPUS; i++) {
		EXPECT_EQ(0, w[i].bad) {
			TH_LOG("vCPU %u region %u", i, w[i].bad_region);
		}
		EXPECT_LE(REGIONS, w[i].calls);
		verify(_metadata, vm, &w[i]);
		TH_LOG("vCPU %u: %lu calls, %lu EFAULT", i, w[i].calls, w[i].faults);
	}
	TH_LOG("%lu operations", operations);
	EXPECT_LE(OPERATIONS, operations);
}

TEST_HARNESS_MAIN
