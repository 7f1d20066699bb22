// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory is the VMM's memory: what munmap, madvise, mprotect, mremap,
 * fork and huge pages do to it, the guest sees at once, running or not.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x10000000UL
#define NPAGES	16UL
#define HUGE	0x200000UL

FIXTURE(notifier)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *mem;
	struct runner runner;
};

FIXTURE_SETUP(notifier)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->mem = ram_alloc(NPAGES * PAGE);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, NPAGES * PAGE, self->mem, 0));
}

FIXTURE_TEARDOWN(notifier)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static volatile uint64_t *at(FIXTURE_DATA(notifier) *self, unsigned long page)
{
	return (volatile uint64_t *)(self->mem + page * PAGE);
}

/* Pages are populated by the guest's own accesses. */
TEST_F(notifier, demand)
{
	unsigned long i;

	guest_call(self->vcpu, "touch", GPA, NPAGES, 0x42);
	for (i = 0; i < NPAGES; i++)
		EXPECT_EQ(0x42, *at(self, i));
	EXPECT_EQ(NPAGES * 0x42, guest_call(self->vcpu, "sum", GPA, NPAGES));
}

/* A page that was only read is the zero page; a write makes a new one. */
TEST_F(notifier, zero_page)
{
	EXPECT_EQ(0, guest_call(self->vcpu, "sum", GPA, NPAGES));
	guest_call(self->vcpu, "store", GPA, 0x77);
	EXPECT_EQ(0x77, *at(self, 0));
	EXPECT_EQ(0x77, guest_call(self->vcpu, "sum", GPA, NPAGES));
	/* And the VMM's write to a page that the guest has read. */
	*at(self, 1) = 0x11;
	EXPECT_EQ(0x88, guest_call(self->vcpu, "sum", GPA, NPAGES));
}

TEST_F(notifier, dontneed)
{
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(0, madvise(self->mem, 8 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(NPAGES - 8, guest_call(self->vcpu, "sum", GPA, NPAGES));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 3);
	EXPECT_EQ(3, *at(self, 0));
}

/* munmap and mmap of something else at the same place. */
TEST_F(notifier, remap)
{
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(self->mem, mmap(self->mem, NPAGES * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	*at(self, 5) = 0x99;
	EXPECT_EQ(0x99, guest_call(self->vcpu, "sum", GPA, NPAGES));
}

TEST_F(notifier, munmap)
{
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(0, munmap(self->mem + PAGE, PAGE));
	EXPECT_EQ(1, guest_call(self->vcpu, "load", GPA));
	guest_start(self->vcpu, "load", 1, (uint64_t[]){ GPA + PAGE });
	EXPECT_EQ(-EFAULT, vcpu_run_raw(self->vcpu));
}

/* A page that the VMM can only read: the guest's write fails, doesn't succeed. */
TEST_F(notifier, mprotect)
{
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ));
	EXPECT_EQ(1, guest_call(self->vcpu, "load", GPA));
	guest_start(self->vcpu, "store", 2, (uint64_t[]){ GPA, 5 });
	EXPECT_EQ(-EFAULT, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(1, *at(self, 0));
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ | PROT_WRITE));
	guest_finish(self->vcpu);
	EXPECT_EQ(5, *at(self, 0));
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_NONE));
	guest_start(self->vcpu, "load", 1, (uint64_t[]){ GPA });
	EXPECT_EQ(-EFAULT, vcpu_run_raw(self->vcpu));
}

/* mremap moves the pages away: the slot's addresses are empty then. */
TEST_F(notifier, mremap)
{
	uint8_t *to = ram_alloc(NPAGES * PAGE);

	guest_call(self->vcpu, "touch", GPA, NPAGES, 7);
	ASSERT_EQ(to, mremap(self->mem, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(7, *(uint64_t *)to);
	guest_start(self->vcpu, "load", 1, (uint64_t[]){ GPA });
	EXPECT_EQ(-EFAULT, vcpu_run_raw(self->vcpu));
	/* And back again. */
	ASSERT_EQ(self->mem, mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, self->mem));
	EXPECT_EQ(7, guest_finish(self->vcpu));
}

/* After fork a write by either side copies: the guest's stays the parent's. */
TEST_F(notifier, fork_copies)
{
	int to_child[2], to_parent[2], status;
	char c = 0;
	pid_t pid;

	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	pid = fork();
	if (!pid) {
		/* The guest writes first, the child must see what was there at fork. */
		if (read(to_child[0], &c, 1) != 1)
			_exit(1);
		if (*at(self, 0) != 1)
			_exit(2);
		*at(self, 1) = 0xbad;
		_exit(0);
	}
	guest_call(self->vcpu, "store", GPA, 0x55);
	EXPECT_EQ(0x55, *at(self, 0));
	ASSERT_EQ(1, write(to_child[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(1, guest_call(self->vcpu, "load", GPA + PAGE));
	EXPECT_EQ(0x55, guest_call(self->vcpu, "load", GPA));
}

static void run_background(FIXTURE_DATA(notifier) *self, const char *function, uint64_t arg)
{
	guest_start(self->vcpu, function, 1, &arg);
	runner_start(&self->runner, self->vcpu);
}

/* The guest reads a page while the VMM writes it and takes it away. */
TEST_F(notifier, running_dontneed)
{
	volatile uint64_t *seen = guest_var(self->vm, "seen");
	unsigned int i;

	run_background(self, "poll", GPA);
	for (i = 1; i <= 30; i++) {
		*at(self, 0) = i;
		ASSERT_TRUE(wait_for(*seen == i)) {
			TH_LOG("round %u: seen %lu", i, *seen);
		}
		ASSERT_EQ(0, madvise(self->mem, PAGE, MADV_DONTNEED));
		ASSERT_TRUE(wait_for(*seen == 0)) {
			TH_LOG("round %u: seen %lu", i, *seen);
		}
	}
	runner_stop(&self->runner);
	EXPECT_EQ(-EINTR, self->runner.result);
}

/* When madvise has returned, no write to the old page may follow. */
TEST_F(notifier, running_writes)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	unsigned int i;

	run_background(self, "write_forever", GPA);
	for (i = 0; i < 30; i++) {
		uint64_t before = *counter;

		ASSERT_TRUE(wait_for(*counter > before + 10));
		ASSERT_EQ(0, madvise(self->mem, PAGE, MADV_DONTNEED));
		ASSERT_TRUE(wait_for(*at(self, 0) > before));
	}
	runner_stop(&self->runner);
	/* The last value that the guest wrote is in the VMM's memory. */
	EXPECT_LE(*counter - *at(self, 0), 1);
}

/* The memory is unmapped under the guest: its HV_RUN fails, it isn't killed. */
TEST_F(notifier, running_munmap)
{
	run_background(self, "write_forever", GPA);
	ASSERT_TRUE(wait_for(*at(self, 0) > 10));
	ASSERT_EQ(0, munmap(self->mem, PAGE));
	EXPECT_TRUE(wait_for(self->runner.done));
	runner_join(&self->runner);
	EXPECT_EQ(-EFAULT, self->runner.result);
}

TEST_F(notifier, running_mprotect)
{
	uint64_t last;

	run_background(self, "write_forever", GPA);
	ASSERT_TRUE(wait_for(*at(self, 0) > 10));
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ));
	last = *at(self, 0);
	EXPECT_TRUE(wait_for(self->runner.done));
	EXPECT_EQ(last, *at(self, 0));
	runner_join(&self->runner);
	EXPECT_EQ(-EFAULT, self->runner.result);
}

/* fork while the guest writes: the child's copy stands still. */
TEST_F(notifier, running_fork)
{
	int status;
	pid_t pid;

	run_background(self, "write_forever", GPA);
	ASSERT_TRUE(wait_for(*at(self, 0) > 10));
	pid = fork();
	if (!pid) {
		uint64_t value = *at(self, 0);

		sleep_us(5000);
		_exit(*at(self, 0) != value);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	runner_stop(&self->runner);
	EXPECT_EQ(-EINTR, self->runner.result);
}

struct deleter {
	struct vm *vm;
	volatile bool done;
	long result;
};

static void *delete_slot(void *arg)
{
	struct deleter *d = arg;

	d->result = vm_slot(d->vm, 1, 0, 0, NULL, 0);
	d->done = true;
	return NULL;
}

/* A page whose first access blocks until page_give(): the fd, or -1 */
static int page_hold(uint8_t *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	/* One that blocks can't be polled. */
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	must(ioctl(fd, UFFDIO_API, &api));
	must(ioctl(fd, UFFDIO_REGISTER, &reg));
	return fd;
}

static void page_give(int fd, uint8_t *page)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, PAGE } };

	must(ioctl(fd, UFFDIO_ZEROPAGE, &zero));
}

/*
 * A slot that is being deleted, while another vCPU holds the deletion up: the guest still has its
 * memory, and loses it at once when the VMM takes it away.
 */
TEST_F(notifier, leaving_slot)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	struct deleter d = { .vm = self->vm };
	uint8_t *held = ram_alloc(PAGE);
	struct runner holder;
	struct vcpu *other;
	struct pollfd waits = { .events = POLLIN };
	uint64_t before;
	pthread_t t;
	int fd;

	if (device_is_kvm())
		SKIP(return, "KVM removes mappings before it waits");
	fd = page_hold(held);
	if (fd < 0)
		SKIP(return, "no userfaultfd");
	waits.fd = fd;
	other = vcpu_create(self->vm, 1);
	vcpu_long_mode(other, NULL);
	ASSERT_EQ(0, vm_slot(self->vm, 2, 2 * GPA, PAGE, held, 0));
	run_background(self, "write_forever", GPA);
	ASSERT_TRUE(wait_for(*at(self, 0) > 10));
	guest_start(other, "load", 1, (uint64_t[]){ 2 * GPA });
	runner_start(&holder, other);
	ASSERT_EQ(1, poll(&waits, 1, 10000));
	ASSERT_EQ(POLLIN, waits.revents);

	ASSERT_EQ(0, pthread_create(&t, NULL, delete_slot, &d));
	sleep_us(50000);
	before = *counter;
	EXPECT_TRUE(wait_for(*counter > before + 10));
	EXPECT_FALSE(self->runner.done);
	EXPECT_FALSE(d.done);
	/* A page that goes before the deletion has begun is had again. */
	EXPECT_TRUE(wait_for((must(madvise(self->mem, PAGE, MADV_DONTNEED)), self->runner.done)));
	EXPECT_FALSE(d.done);

	page_give(fd, held);
	pthread_join(t, NULL);
	EXPECT_EQ(0, d.result);
	runner_join(&holder);
	runner_stop(&self->runner);
	EXPECT_EQ(0, self->runner.result);
	EXPECT_EQ(HV_EXIT_MMIO, self->vcpu->run->exit_reason);
	EXPECT_EQ(0, *at(self, 0));
	vcpu_free(other);
	close(fd);
}

/* Memory in a huge page, and the huge page broken up under the guest. */
TEST_F(notifier, huge_page)
{
	uint8_t *mem = ram_alloc(3 * HUGE);
	uint8_t *huge = (uint8_t *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
	const uint64_t gpa = 0x20000000;
	unsigned int i;

	madvise(huge, HUGE, MADV_HUGEPAGE);
	huge[0] = 0;
	ASSERT_EQ(0, vm_slot(self->vm, 2, gpa, HUGE, huge, 0));
	guest_call(self->vcpu, "touch", gpa, HUGE / PAGE, 0x13);
	for (i = 0; i < HUGE / PAGE; i++)
		if (*(uint64_t *)(huge + i * PAGE) != 0x13)
			break;
	EXPECT_EQ(HUGE / PAGE, i);
	/* One small page of it goes. */
	ASSERT_EQ(0, madvise(huge + 5 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ((HUGE / PAGE - 1) * 0x13, guest_call(self->vcpu, "sum", gpa, HUGE / PAGE));
	guest_call(self->vcpu, "touch", gpa, HUGE / PAGE, 0x14);
	EXPECT_EQ(0x14, *(uint64_t *)(huge + 5 * PAGE));
	ASSERT_EQ(0, madvise(huge, HUGE, MADV_DONTNEED));
	EXPECT_EQ(0, guest_call(self->vcpu, "sum", gpa, HUGE / PAGE));
}

/* A file that is shared: the guest's writes are the file's. */
TEST_F(notifier, shared_file)
{
	int fd = memfd_create("guest", 0);
	const uint64_t gpa = 0x20000000;
	uint64_t value = 0;
	uint8_t *mem;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, vm_slot(self->vm, 2, gpa, 4 * PAGE, mem, 0));
	guest_call(self->vcpu, "store", gpa + PAGE, 0xf11e);
	ASSERT_EQ(8, pread(fd, &value, 8, PAGE));
	EXPECT_EQ(0xf11e, value);
	value = 0xaaaa;
	ASSERT_EQ(8, pwrite(fd, &value, 8, 2 * PAGE));
	EXPECT_EQ(0xaaaa, guest_call(self->vcpu, "load", gpa + 2 * PAGE));
	/* Punch a hole: zeros. */
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	EXPECT_EQ(0, guest_call(self->vcpu, "load", gpa + 2 * PAGE));
	close(fd);
}

/* The slot is a window into a larger mapping: changes outside don't matter. */
TEST_F(notifier, neighbours)
{
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, 4 * PAGE, self->mem + 4 * PAGE, 0));
	EXPECT_EQ(4, guest_call(self->vcpu, "sum", GPA, 4));
	ASSERT_EQ(0, madvise(self->mem, 4 * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(self->mem + 8 * PAGE, 4 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(4, guest_call(self->vcpu, "sum", GPA, 4));
}

TEST_HARNESS_MAIN
