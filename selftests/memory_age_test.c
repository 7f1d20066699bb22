// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the host reclaims memory it learns from the second stage's accessed bits what the guest
 * uses: pages that it doesn't use are swapped out, the others stay, although the VMM's own
 * page tables say the same of both.
 */
#include <fcntl.h>
#include "cgroup.h"
#include "file.h"
#include "host_memory.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define NAME	"hv_age"
#define GROUP	CGROUP_ROOT "/" NAME
#define GPA	0x20000000UL
/* The older half is the one that is used. */
#define HOT	1024UL
#define COLD	1024UL
#define SIZE	((HOT + COLD) * PAGE)

FIXTURE(age)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *mem;
	bool swap;
};

static void give_back(struct __test_metadata *_metadata, FIXTURE_DATA(age) *self)
{
	cgroup_leave();
	rmdir(GROUP);
	if (self->swap)
		EXPECT_TRUE(host_swap_delete());
}

FIXTURE_SETUP(age)
{
	self->vm = NULL;
	self->swap = host_swap_create();
	if (!self->swap || !cgroup_join(NAME) ||
	    access(GROUP "/memory.reclaim", F_OK)) {
		/* There is no teardown then. */
		give_back(_metadata, self);
		SKIP(return, "no swap, or no memory.reclaim, here");
	}
	self->mem = ram_alloc(SIZE);
	must(madvise(self->mem, SIZE, MADV_NOHUGEPAGE));
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
}

FIXTURE_TEARDOWN(age)
{
	if (self->vm) {
		vcpu_free(self->vcpu);
		vm_free(self->vm);
	}
	give_back(_metadata, self);
}

/* How many of @n pages from page @first on are swapped out */
static unsigned long swapped(FIXTURE_DATA(age) *self, unsigned long first, unsigned long n)
{
	static uint64_t entry[HOT + COLD];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned long i, out = 0;

	must(fd);
	if (pread(fd, entry, n * 8, ((uintptr_t)self->mem / PAGE + first) * 8) != (ssize_t)(n * 8))
		die("pagemap");
	close(fd);
	for (i = 0; i < n; i++)
		out += entry[i] >> 62 & 1;
	return out;
}

/*
 * A little is reclaimed at a time, and the guest uses one half in between, until half of the
 * other one is out. Returns how many pages of the used half have been, as a share in percent.
 */
static unsigned long used_in_percent(struct __test_metadata *_metadata, FIXTURE_DATA(age) *self)
{
	unsigned long hot = 0, cold = 0, round;

	guest_call(self->vcpu, "touch", GPA, HOT + COLD, 1);
	for (round = 0; round < 200 && cold < COLD / 2; round++) {
		/* What was lost comes back. */
		EXPECT_EQ(HOT, guest_call(self->vcpu, "sum", GPA, HOT));
		/* As much as there is; that less was reclaimed is EAGAIN. */
		file_write(GROUP "/memory.reclaim", "131072");
		hot += swapped(self, 0, HOT);
		cold = swapped(self, HOT, COLD);
	}
	TH_LOG("%lu rounds: %lu pages that aren't used are swapped out; one that is %lu times",
	       round, cold, hot);
	EXPECT_GE(cold, COLD / 2);
	/* They are the same when they come back. */
	EXPECT_EQ(HOT + COLD, guest_call(self->vcpu, "sum", GPA, HOT + COLD));
	return cold ? hot * 100 / cold : 100;
}

/* The kernel only estimates who uses what, and others use its memory, too. */
TEST_F_TIMEOUT(age, working_set, 120)
{
	EXPECT_TRUE(once_less(used_in_percent(_metadata, self), 25));
}

TEST_HARNESS_MAIN
