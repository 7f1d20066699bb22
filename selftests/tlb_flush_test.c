// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flushes of second-stage translations, by hv's own counters: one for a whole range, none if
 * nothing was mapped; a vCPU outside of the guest does one before it enters again, for all that
 * has changed, and isn't disturbed before; one in the guest does it at once.
 *
 * That stale translations are not used can't be seen in emulated hosts, whose processors drop
 * them at each exit.
 */
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include "file.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x20000000UL
#define NPAGES	512UL
#define SIZE	(NPAGES * PAGE)
/* Whether the host may move memory that is locked */
#define MOVE_LOCKED	"/proc/sys/vm/compact_unevictable_allowed"
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif

FIXTURE(flush)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *mem;
	struct runner runner;
	uint64_t remote;
	uint64_t own;
};

/* No flush is to be the host's own idea: it neither moves this memory nor makes it large. */
static void keep(void *mem, size_t size)
{
	must(madvise(mem, size, MADV_NOHUGEPAGE) ? -errno : 0);
	must(mlock2(mem, size, MLOCK_ONFAULT) ? -errno : 0);
}

static void make_vm(FIXTURE_DATA(flush) *self, unsigned int flags)
{
	self->vm = vm_create(flags);
	keep(self->vm->ram, GUEST_RAM_SIZE);
	vm_load(self->vm, "basic");
}

FIXTURE_SETUP(flush)
{
	self->vm = NULL;
	if (device_is_kvm())
		SKIP(return, "KVM counts differently");
	/* A vCPU that comes to another CPU flushes, too. */
	host_cpu_pin(pthread_self(), 0);
	/* Memory that has its node isn't unmapped to find out who uses it; there may be one node. */
	syscall(SYS_set_mempolicy, MPOL_BIND, &(unsigned long){ 1 }, 64);
	file_write(MOVE_LOCKED, "0");
	make_vm(self, VM_IRQCHIP);
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->mem = ram_alloc(2 * SIZE);
	self->mem += -(uintptr_t)self->mem & (SIZE - 1);
	keep(self->mem, SIZE);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
}

FIXTURE_TEARDOWN(flush)
{
	if (!self->vm)
		return;
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	file_write(MOVE_LOCKED, "1");
}

static uint64_t remote(FIXTURE_DATA(flush) *self)
{
	return vm_stat(self->vm, "remote_flushes");
}

static uint64_t own(FIXTURE_DATA(flush) *self)
{
	return vcpu_stat(self->vcpu, "tlb_flushes");
}

/* The guest has all of the slot, writable, and nothing is to be flushed. */
static void map_all(FIXTURE_DATA(flush) *self)
{
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	self->remote = remote(self);
	self->own = own(self);
}

/* The guest runs for a moment: the vCPU has done @n flushes, of @m that were asked for. */
#define EXPECT_FLUSHES(n, m)						\
	do {								\
		EXPECT_EQ((m), remote(self) - self->remote);		\
		EXPECT_EQ(0, own(self) - self->own);			\
		guest_call(self->vcpu, "load", 0);			\
		EXPECT_EQ((n), own(self) - self->own);			\
		EXPECT_EQ((m), remote(self) - self->remote);		\
	} while (0)

TEST_F(flush, range)
{
	map_all(self);
	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_DONTNEED_LOCKED));
	EXPECT_FLUSHES(1, 1);
	/* Nothing is mapped any more. */
	self->own = own(self);
	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_DONTNEED_LOCKED));
	EXPECT_FLUSHES(0, 1);
	map_all(self);
	ASSERT_EQ(0, mprotect(self->mem, SIZE, PROT_READ));
	EXPECT_FLUSHES(1, 1);
}

/* What the guest hasn't got needs none. */
TEST_F(flush, not_mapped)
{
	guest_call(self->vcpu, "load", 0);
	memset(self->mem, 1, SIZE);
	self->remote = remote(self);
	self->own = own(self);
	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_DONTNEED_LOCKED));
	ASSERT_EQ(0, munmap(self->mem + PAGE, PAGE));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_FLUSHES(0, 0);
}

/* Outside of the guest the vCPU does one for many. */
TEST_F(flush, deferred)
{
	unsigned int i;

	map_all(self);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, madvise(self->mem + i * PAGE, PAGE, MADV_DONTNEED_LOCKED));
	EXPECT_FLUSHES(1, 20);
}

TEST_F(flush, slots)
{
	map_all(self);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA + SIZE, SIZE, self->mem, 0));
	EXPECT_FLUSHES(1, 1);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	map_all(self);
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_FLUSHES(1, 1);
	/* One that is added takes nothing away. */
	self->own = own(self);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_FLUSHES(0, 1);
}

static void log_get(FIXTURE_DATA(flush) *self, unsigned int dirty)
{
	uint64_t bits[NPAGES / 64] = {};
	unsigned int i, n = 0;

	must(hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG,
		      &(struct hv_dirty_log){ .slot = 1, .dirty_bitmap = (uintptr_t)bits }));
	for (i = 0; i < NPAGES / 64; i++)
		n += __builtin_popcountll(bits[i]);
	if (n != dirty)
		die("%u dirty pages, not %u", n, dirty);
}

/* Logging begins; pages are collected, many or none; logging ends. */
TEST_F(flush, dirty_log)
{
	map_all(self);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
	EXPECT_FLUSHES(1, 1);
	map_all(self);
	log_get(self, NPAGES);
	EXPECT_FLUSHES(1, 1);
	self->own = own(self);
	log_get(self, 0);
	EXPECT_FLUSHES(0, 1);
}

TEST_F(flush, dirty_ring)
{
	struct hv_enable_cap cap = { .cap = HV_CAP_DIRTY_LOG_RING, .args = { 65536 } };
	struct hv_dirty_gfn *ring;
	unsigned int i;

	vcpu_free(self->vcpu);
	vm_free(self->vm);
	make_vm(self, 0);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_ENABLE_CAP, &cap));
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	ring = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu->fd,
		    HV_DIRTY_LOG_PAGE_OFFSET * PAGE);
	ASSERT_NE(MAP_FAILED, ring);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
	map_all(self);
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS));
	EXPECT_FLUSHES(0, 0);
	for (i = 0; i < NPAGES; i++) {
		ASSERT_EQ(HV_DIRTY_GFN_F_DIRTY, ring[i].flags);
		ring[i].flags = HV_DIRTY_GFN_F_RESET;
	}
	EXPECT_EQ(NPAGES, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS));
	EXPECT_FLUSHES(1, 1);
	munmap(ring, 65536);
}

/* Small pages that become a large one again when logging ends */
TEST_F(flush, collapse)
{
	must(madvise(self->mem, SIZE, MADV_HUGEPAGE));
	memset(self->mem, 1, SIZE);
	map_all(self);
	if (vm_stat(self->vm, "pages_2m") != 1)
		SKIP(return, "no large page was to be had");
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
	map_all(self);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_EQ(1, vm_stat(self->vm, "pages_2m"));
	EXPECT_FLUSHES(1, 1);
}

static void start(FIXTURE_DATA(flush) *self, const char *function, uint64_t arg)
{
	guest_start(self->vcpu, function, 1, &arg);
	runner_start(&self->runner, self->vcpu);
}

/* In the guest: it's done before the call that takes the page has returned, or soon. */
TEST_F(flush, running)
{
	volatile uint64_t *seen = guest_var(self->vm, "seen");
	uint64_t i;

	start(self, "poll", GPA);
	for (i = 1; i <= 20; i++) {
		*(volatile uint64_t *)self->mem = i;
		ASSERT_TRUE(wait_for(*seen == i));
		self->own = own(self);
		self->remote = remote(self);
		ASSERT_EQ(0, madvise(self->mem, PAGE, MADV_DONTNEED_LOCKED));
		EXPECT_TRUE(wait_for(own(self) > self->own));
		EXPECT_EQ(1, remote(self) - self->remote);
	}
	runner_stop(&self->runner);
}

/* Asleep in HLT: it isn't woken. */
TEST_F(flush, halted)
{
	uint64_t entries;

	map_all(self);
	vm_load(self->vm, "interrupts");
	start(self, "hlt_", 0);
	ASSERT_TRUE(wait_for(vcpu_stat(self->vcpu, "halt_exits") > 0));
	sleep_us(20000);
	entries = vcpu_stat(self->vcpu, "guest_entries");
	self->own = own(self);
	self->remote = remote(self);
	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_DONTNEED_LOCKED));
	sleep_us(20000);
	EXPECT_EQ(1, remote(self) - self->remote);
	EXPECT_EQ(0, own(self) - self->own);
	EXPECT_EQ(entries, vcpu_stat(self->vcpu, "guest_entries"));
	runner_stop(&self->runner);
}

TEST_HARNESS_MAIN
