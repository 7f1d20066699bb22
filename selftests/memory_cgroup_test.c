// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM takes of the kernel's memory is charged to its VMM's memory cgroup. When that has
 * no more, calls fail with ENOMEM and go on when there is some again, or the VMM is killed; in
 * both cases all of it is given back.
 *
 * A process that may not be killed for want of memory must not fault where there is none: all
 * of it is locked in memory.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include "cgroup.h"
#include "file.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define NAME	"hv_test"
#define GROUP	CGROUP_ROOT "/" NAME
#define GPA	0x20000000UL
/* Distance of slots: each needs a table of its own */
#define GAP	0x200000UL
#define SLOTS	500U
/* The kernel charges so many pages in advance, for each CPU. */
#define BATCH	(64 * PAGE)
#define STEP	(4 * PAGE)

/* By calls alone: stdio allocates memory. */
static long value_of(const char *path, const char *name)
{
	static char text[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (len < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
	text[len] = 0;
	at = strstr(text, name);
	if (!at)
		die("%s: no %s", path, name);
	return atol(at + strlen(name));
}

static long kernel_memory(void)
{
	return value_of(GROUP "/memory.stat", "kernel ");
}

static long kills(void)
{
	return value_of(GROUP "/memory.events", "oom_kill ");
}

static int group_open(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), GROUP "/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd);
	return fd;
}

/* May the group have @more bytes than it has; -1: as many as it likes. */
static void allow(long more)
{
	static int current, high, max;
	char text[32] = "max";

	/* They stay open: who opens a file is charged, in advance too. */
	if (!current) {
		current = open(GROUP "/memory.current", O_RDONLY | O_CLOEXEC);
		high = group_open("memory.high");
		max = group_open("memory.max");
	}
	if (more >= 0) {
		/* What was charged in advance is given back. */
		must(pread(current, text, sizeof(text), 0));
		must(pwrite(high, "0", 1, 0));
		must(pwrite(high, "max", 3, 0));
		/* by the other CPUs, soon */
		sleep_us(10000);
		must(pread(current, text, sizeof(text), 0));
		snprintf(text, sizeof(text), "%ld", atol(text) + more);
	}
	must(pwrite(max, text, strlen(text), 0));
}

static void may_be_killed(bool may)
{
	if (!file_write("/proc/self/oom_score_adj", may ? "1000" : "-1000"))
		die("oom_score_adj: %s", strerror(errno));
}

FIXTURE(cgroup)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *mem;
};

FIXTURE_SETUP(cgroup)
{
	self->vm = NULL;
	if (!cgroup_join(NAME))
		SKIP(return, "there are no memory cgroups here");
	/* Each CPU has its own. */
	host_cpu_pin(pthread_self(), 0);
	may_be_killed(false);
	must(mlockall(MCL_CURRENT | MCL_FUTURE));
	self->mem = ram_alloc(PAGE);
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	guest_call(self->vcpu, "load", 0);
}

FIXTURE_TEARDOWN(cgroup)
{
	if (!self->vm)
		return;
	allow(-1);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	cgroup_leave();
	EXPECT_EQ(0, rmdir(GROUP));
}

static void add_slots(FIXTURE_DATA(cgroup) *self)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		must(vm_slot(self->vm, 1 + i, GPA + i * GAP, PAGE, self->mem, 0));
}

static bool returns_to(long kernel)
{
	return wait_for(kernel_memory() < kernel + (long)BATCH);
}

/* Tables are charged while they are there. */
TEST_F(cgroup, tables)
{
	long before, with;
	unsigned int i;

	add_slots(self);
	before = kernel_memory();
	for (i = 0; i < SLOTS; i++)
		guest_call(self->vcpu, "store", GPA + i * GAP, i);
	with = kernel_memory();
	TH_LOG("%ld KiB before, %ld KiB with %u tables", before / 1024, with / 1024, SLOTS);
	EXPECT_LE(SLOTS * PAGE - BATCH, with - before);
	EXPECT_GT(SLOTS * PAGE * 5 / 4 + BATCH, with - before);
	for (i = 0; i < SLOTS; i++)
		must(vm_slot(self->vm, 1 + i, 0, 0, NULL, 0));
	if (!device_is_kvm())
		EXPECT_TRUE(returns_to(before));
}

/* A vCPU for which there is no table gets ENOMEM, and goes on where it was. */
TEST_F(cgroup, run)
{
	unsigned int i, failed = 0;
	long ret;

	add_slots(self);
	allow(SLOTS / 4 * PAGE);
	for (i = 0; i < SLOTS; i++) {
		guest_start(self->vcpu, "store", 2, (uint64_t[]){ GPA + i * GAP, i + 1 });
		ret = vcpu_run_raw(self->vcpu);
		if (ret) {
			EXPECT_EQ(-ENOMEM, ret);
			/* Again, and nothing has changed */
			if (!failed++)
				EXPECT_EQ(-ENOMEM, vcpu_run_raw(self->vcpu));
			allow(-1);
			guest_finish(self->vcpu);
			if (failed < 2)
				allow(SLOTS / 4 * PAGE);
		}
		EXPECT_EQ(i + 1, *(uint64_t *)self->mem);
	}
	EXPECT_EQ(2, failed);
	EXPECT_EQ(0, kills());
}

/* A VM with all that takes memory. Returns 0 or the first error. */
static long make_all(FIXTURE_DATA(cgroup) *self)
{
	struct hv_userspace_memory_region slot = {
		.slot = 1, .guest_phys_addr = 0, .memory_size = PAGE,
		.userspace_addr = (uintptr_t)self->mem, .flags = HV_MEM_LOG_DIRTY_PAGES };
	struct hv_ioeventfd io = { .addr = 0x100, .len = 2, .flags = HV_IOEVENTFD_FLAG_PIO };
	struct hv_irqfd irq = { .gsi = 5 };
	int fd[5] = { -1, -1, -1, -1, -1 };
	struct hv_sregs sregs;
	struct hv_regs regs = { .rflags = RFLAGS_FIXED };
	unsigned int i;
	long ret;

	ret = hv_ioctl(self->vm->sys, HV_CREATE_VM, 0);
	fd[0] = ret;
	if (ret >= 0)
		ret = hv_ioctl(fd[0], HV_CREATE_IRQCHIP, 0);
	if (ret >= 0)
		ret = hv_ioctl(fd[0], HV_CREATE_PIT2, &(struct hv_pit_config){});
	if (ret >= 0)
		ret = hv_ioctl(fd[0], HV_SET_USER_MEMORY_REGION, &slot);
	for (i = 1; ret >= 0 && i <= 2; i++) {
		ret = hv_ioctl(fd[0], HV_CREATE_VCPU, i - 1);
		fd[i] = ret;
	}
	if (ret >= 0) {
		ret = hv_ioctl(fd[1], HV_GET_STATS_FD, 0);
		fd[3] = ret;
	}
	if (ret >= 0) {
		fd[4] = eventfd(0, EFD_CLOEXEC);
		ret = fd[4] < 0 ? -errno : 0;
	}
	io.fd = fd[4];
	irq.fd = fd[4];
	if (ret >= 0)
		ret = hv_ioctl(fd[0], HV_IRQFD, &irq);
	if (ret >= 0)
		ret = hv_ioctl(fd[0], HV_IOEVENTFD, &io);
	/* OUT to PORT_DONE, in real mode */
	memcpy(self->mem, "\xe6\xd0", 2);
	if (ret >= 0)
		ret = hv_ioctl(fd[1], HV_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ret >= 0)
		ret = hv_ioctl(fd[1], HV_SET_SREGS, &sregs);
	if (ret >= 0)
		ret = hv_ioctl(fd[1], HV_SET_REGS, &regs);
	if (ret >= 0)
		ret = hv_ioctl(fd[1], HV_RUN, 0);
	for (i = ARRAY_LEN(fd); i--; )
		if (fd[i] >= 0)
			close(fd[i]);
	return ret;
}

/* Whatever there is no memory for fails with ENOMEM and leaves nothing behind. */
TEST_F_TIMEOUT(cgroup, calls, 120)
{
	unsigned int failed = 0;
	long before, more, ret;

	ASSERT_EQ(0, make_all(self));
	before = kernel_memory();
	for (more = 0; more < 8192 * 1024; more += STEP + more / 8) {
		allow(more);
		ret = make_all(self);
		if (!ret)
			break;
		failed++;
		EXPECT_EQ(-ENOMEM, ret) {
			TH_LOG("with %ld KiB", more / 1024);
		}
	}
	allow(-1);
	TH_LOG("%u times not enough, then %ld KiB", failed, more / 1024);
	EXPECT_EQ(0, ret);
	EXPECT_LT(1, failed);
	EXPECT_TRUE(returns_to(before)) {
		TH_LOG("%ld KiB before, %ld now", before / 1024, kernel_memory() / 1024);
	}
}

static void __attribute__((noreturn)) use_tables(uint8_t *mem, int ready, int go)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu;
	unsigned int i;
	char c;

	may_be_killed(true);
	vm_load(vm, "basic");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	for (i = 0; i < SLOTS; i++)
		must(vm_slot(vm, 1 + i, GPA + i * GAP, PAGE, mem, 0));
	guest_call(vcpu, "store", GPA, 1);
	if (write(ready, "", 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	for (i = 0; i < SLOTS; i++)
		guest_call(vcpu, "store", GPA + i * GAP, i);
	_exit(0);
}

/* A VMM that may be killed is, and its tables are free then. */
TEST_F(cgroup, kill)
{
	int ready[2], go[2], status;
	long before;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(ready) | pipe(go));
	before = kernel_memory();
	pid = fork();
	if (!pid)
		use_tables(self->mem, ready[1], go[0]);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	allow(SLOTS / 2 * PAGE);
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		TH_LOG("status %x", status);
	}
	allow(-1);
	EXPECT_EQ(1, kills());
	EXPECT_TRUE(returns_to(before));
	/* The others go on. */
	guest_call(self->vcpu, "load", GUEST_CODE);
}

TEST_HARNESS_MAIN
