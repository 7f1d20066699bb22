// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_MEM_LOG_DIRTY_PAGES, HV_GET_DIRTY_LOG and HV_CLEAR_DIRTY_LOG: exactly the pages that were
 * written are reported, once, and none is ever missed, whoever writes and whenever the log
 * is read.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x20000000UL
#define HUGE	0x200000UL
#define NPAGES	1024UL		/* two huge pages */
#define LONGS	(NPAGES / 64)

FIXTURE(dirty)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *mem;
	uint64_t bits[LONGS];
};

FIXTURE_SETUP(dirty)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->mem = ram_alloc((NPAGES + 512) * PAGE);
	self->mem = (uint8_t *)(((uintptr_t)self->mem + HUGE - 1) & ~(HUGE - 1));
	madvise(self->mem, NPAGES * PAGE, MADV_HUGEPAGE);
	memset(self->mem, 0, NPAGES * PAGE);
	/* If there are none, none may come later, either. */
	if (!ram_collapse(self->mem, NPAGES * PAGE))
		madvise(self->mem, NPAGES * PAGE, MADV_NOHUGEPAGE);
}

FIXTURE_TEARDOWN(dirty)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long slot_flags(FIXTURE_DATA(dirty) *self, uint32_t flags)
{
	return vm_slot(self->vm, 1, GPA, NPAGES * PAGE, self->mem, flags);
}

static long get_log(FIXTURE_DATA(dirty) *self)
{
	struct hv_dirty_log log = { .slot = 1, .dirty_bitmap = (uintptr_t)self->bits };

	memset(self->bits, 0xee, sizeof(self->bits));
	return hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log);
}

static long clear_log(FIXTURE_DATA(dirty) *self, uint64_t first, uint32_t n, uint64_t *bits)
{
	struct hv_clear_dirty_log log = {
		.slot = 1, .first_page = first, .num_pages = n, .dirty_bitmap = (uintptr_t)bits,
	};

	return hv_ioctl(self->vm->fd, HV_CLEAR_DIRTY_LOG, &log);
}

static bool is_set(const uint64_t *bits, unsigned long page)
{
	return bits[page / 64] >> (page % 64) & 1;
}

static unsigned int count(const uint64_t *bits)
{
	unsigned int i, n = 0;

	for (i = 0; i < LONGS; i++)
		n += __builtin_popcountll(bits[i]);
	return n;
}

static void write_page(FIXTURE_DATA(dirty) *self, unsigned long page, uint64_t value)
{
	guest_call(self->vcpu, "store", GPA + page * PAGE, value);
}

TEST_F(dirty, what_was_written)
{
	unsigned int round;

	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(0, count(self->bits));
	for (round = 0; round < 3; round++) {
		write_page(self, 3, round);
		write_page(self, 64, round);
		write_page(self, 3, round);
		write_page(self, NPAGES - 1, round);
		guest_call(self->vcpu, "sum", GPA, NPAGES);
		ASSERT_EQ(0, get_log(self));
		/* Stock KVM also reports pages that a read has mapped writable. */
		if (!device_is_kvm() || round)
			EXPECT_EQ(3, count(self->bits));
		EXPECT_TRUE(is_set(self->bits, 3));
		EXPECT_TRUE(is_set(self->bits, 64));
		EXPECT_TRUE(is_set(self->bits, NPAGES - 1));
		ASSERT_EQ(0, get_log(self));
		EXPECT_EQ(0, count(self->bits));
	}
}

/* Pages that were writable, small or large, before the log was switched on */
TEST_F(dirty, switched_on_later)
{
	uint64_t big;

	ASSERT_EQ(0, slot_flags(self, 0));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	big = vm_stat(self->vm, "pages_2m");
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(0, count(self->bits));
	write_page(self, 600, 2);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(1, count(self->bits));
	EXPECT_TRUE(is_set(self->bits, 600));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 3);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(NPAGES, count(self->bits));

	/* Switched off there's no log, and the pages become large again. */
	ASSERT_EQ(0, slot_flags(self, 0));
	EXPECT_EQ(-ENOENT, get_log(self));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 4);
	EXPECT_EQ(4 * NPAGES, guest_call(self->vcpu, "sum", GPA, NPAGES));
	if (!device_is_kvm())
		EXPECT_EQ(big, vm_stat(self->vm, "pages_2m"));
	/* And on again: nothing is left of the old log. */
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(0, count(self->bits));
	write_page(self, 601, 2);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(1, count(self->bits));
}

/* Memory that is discarded and comes back is logged like any other. */
TEST_F(dirty, discarded)
{
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	write_page(self, 5, 1);
	ASSERT_EQ(0, madvise(self->mem, NPAGES * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(1, count(self->bits));
	EXPECT_EQ(0, guest_call(self->vcpu, "sum", GPA, NPAGES));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(0, count(self->bits));
	write_page(self, 6, 1);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(1, count(self->bits));
	EXPECT_TRUE(is_set(self->bits, 6));
}

TEST_F(dirty, refused)
{
	struct hv_dirty_log log = { .slot = 2, .dirty_bitmap = (uintptr_t)self->bits };
	uint64_t ones[LONGS];

	memset(ones, 0xff, sizeof(ones));
	ASSERT_EQ(0, slot_flags(self, 0));
	EXPECT_EQ(-ENOENT, get_log(self));
	EXPECT_EQ(-ENOENT, clear_log(self, 0, 64, ones));
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(-ENOENT, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	log.slot = check_cap(self->vm->fd, HV_CAP_NR_MEMSLOTS);
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	log.slot = 1 | 7 << 16;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_EQ(-EFAULT, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, NULL));
	EXPECT_EQ(-EINVAL, clear_log(self, 1, 64, ones));
	EXPECT_EQ(-EINVAL, clear_log(self, 0, 63, ones));
	EXPECT_EQ(-EINVAL, clear_log(self, NPAGES, 64, ones));
	EXPECT_EQ(-EINVAL, clear_log(self, NPAGES + 64, 64, ones));
	EXPECT_EQ(-EINVAL, clear_log(self, ~63ULL, 128, ones));
	EXPECT_EQ(-EINVAL, clear_log(self, NPAGES - 64, 128, ones));
	EXPECT_EQ(-EFAULT, clear_log(self, 0, 64, (void *)8));
	EXPECT_EQ(0, clear_log(self, NPAGES - 64, 64, ones));
}

/* A log that can't be written to the caller isn't lost. KVM loses it. */
TEST_F(dirty, fault_keeps_log)
{
	struct hv_dirty_log log = { .slot = 1, .dirty_bitmap = 8 };

	if (device_is_kvm())
		SKIP(return, "KVM forgets what it couldn't copy");
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	write_page(self, 70, 1);
	EXPECT_EQ(-EFAULT, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(1, count(self->bits));
	EXPECT_TRUE(is_set(self->bits, 70));
}

static long enable_manual(struct vm *vm, uint64_t flags)
{
	struct hv_enable_cap cap = {
		.cap = HV_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { flags },
	};

	return hv_ioctl(vm->fd, HV_ENABLE_CAP, &cap);
}

TEST_F(dirty, manual)
{
	uint64_t bits[LONGS] = { 0 };

	EXPECT_EQ(3, check_cap(self->vm->fd, HV_CAP_MANUAL_DIRTY_LOG_PROTECT2));
	EXPECT_EQ(-EINVAL, enable_manual(self->vm, 4));
	EXPECT_EQ(-EINVAL, enable_manual(self->vm, HV_DIRTY_LOG_INITIALLY_SET));
	ASSERT_EQ(0, enable_manual(self->vm, HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	write_page(self, 10, 1);
	write_page(self, 100, 1);
	write_page(self, 101, 1);
	/* Reading the log changes nothing. */
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(3, count(self->bits));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(3, count(self->bits));
	/* Only what is in the range and in the bitmap is cleared. */
	bits[0] = 1ULL << (100 % 64) | 1ULL << 63;
	ASSERT_EQ(0, clear_log(self, 64, 64, bits));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(2, count(self->bits));
	EXPECT_FALSE(is_set(self->bits, 100));
	write_page(self, 101, 2);
	write_page(self, 100, 2);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(3, count(self->bits));
}

TEST_F(dirty, initially_set)
{
	uint64_t ones[LONGS];

	memset(ones, 0xff, sizeof(ones));
	ASSERT_EQ(0, enable_manual(self->vm, HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				   HV_DIRTY_LOG_INITIALLY_SET));
	ASSERT_EQ(0, slot_flags(self, 0));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(NPAGES, count(self->bits));
	/* A part of a page that is still large is cleared. */
	ASSERT_EQ(0, clear_log(self, 64, 128, ones));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(NPAGES - 128, count(self->bits));
	write_page(self, 64, 2);
	write_page(self, 1, 2);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(NPAGES - 127, count(self->bits));
	EXPECT_TRUE(is_set(self->bits, 64));
	ASSERT_EQ(0, clear_log(self, 0, NPAGES, ones));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(0, count(self->bits));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 3);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(NPAGES, count(self->bits));
}

/*
 * Where the processor logs (VMX with PML) a page that is written again costs no fault; when the
 * processor's log is full it exits, and nothing is lost.
 */
TEST_F(dirty, hardware_log)
{
	int fd = hv_ioctl(self->vcpu->fd, HV_GET_STATS_FD, 0);
	uint64_t faults[2], full[2];

	if (device_is_kvm() || !stat_read(fd, "exit_pml_full", &full[0]))
		SKIP(return, "hv with VMX");
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 1);
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(NPAGES, count(self->bits));
	ASSERT_TRUE(stat_read(fd, "faults", &faults[0]));
	guest_call(self->vcpu, "touch", GPA, NPAGES, 2);
	ASSERT_TRUE(stat_read(fd, "faults", &faults[1]));
	ASSERT_TRUE(stat_read(fd, "exit_pml_full", &full[1]));
	if (faults[1] - faults[0] >= NPAGES)
		SKIP(goto out, "no PML in this processor");
	EXPECT_EQ(0, faults[1] - faults[0]);
	EXPECT_LE(1, full[1] - full[0]);
out:
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(NPAGES, count(self->bits));
	close(fd);
}

/* ---- no write is missed ---- */

#define VCPUS	2
/* times that the log is collected, at least */
#define ROUNDS	4

/* Copy the pages that the log names, as a migration does. */
static void collect(FIXTURE_DATA(dirty) *self, uint8_t *copy, bool manual)
{
	unsigned long page;

	must(get_log(self));
	if (manual)
		must(clear_log(self, 0, NPAGES, self->bits));
	for (page = 0; page < NPAGES; page++)
		if (is_set(self->bits, page))
			memcpy(copy + page * PAGE, self->mem + page * PAGE, PAGE);
}

/* Guests write at random while the log is read; at the end the copy is what they have written. */
static void migrate(struct __test_metadata *_metadata, FIXTURE_DATA(dirty) *self, bool manual)
{
	struct vcpu *vcpu[VCPUS] = { self->vcpu };
	struct runner runner[VCPUS];
	uint8_t *copy = ram_alloc(NPAGES * PAGE);
	unsigned int i, rounds = 0;
	unsigned long page;
	uint64_t end;

	ASSERT_EQ(0, slot_flags(self, 0));
	for (i = 0; i < VCPUS; i++) {
		if (i) {
			vcpu[i] = vcpu_create(self->vm, i);
			vcpu_long_mode(vcpu[i], NULL);
		}
		guest_start(vcpu[i], "scatter", 3,
			    (uint64_t[]){ GPA + 8 * i, NPAGES - 1, i + 1 });
		runner_start(&runner[i], vcpu[i]);
	}
	sleep_us(20000);
	/* The log begins while they write; what was written before is copied once. */
	ASSERT_EQ(0, slot_flags(self, HV_MEM_LOG_DIRTY_PAGES));
	memcpy(copy, self->mem, NPAGES * PAGE);
	end = now_us() + 1500000;
	/* However slow the host is, they write while it is collected. */
	do {
		collect(self, copy, manual);
		rounds++;
	} while (now_us() < end || rounds < ROUNDS);
	for (i = 0; i < VCPUS; i++) {
		runner_stop(&runner[i]);
		EXPECT_EQ(-EINTR, runner[i].result);
	}
	collect(self, copy, manual);
	for (page = 0; page < NPAGES; page++)
		EXPECT_EQ(0, memcmp(copy + page * PAGE, self->mem + page * PAGE, PAGE)) {
			TH_LOG("page %lu differs after %u rounds", page, rounds);
		}
	EXPECT_NE(0, *(uint64_t *)self->mem + *(uint64_t *)(self->mem + PAGE));
	TH_LOG("%u rounds", rounds);
	for (i = 1; i < VCPUS; i++)
		vcpu_free(vcpu[i]);
}

TEST_F(dirty, never_missed)
{
	migrate(_metadata, self, false);
}

TEST_F(dirty, never_missed_manual)
{
	ASSERT_EQ(0, enable_manual(self->vm, HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				   HV_DIRTY_LOG_INITIALLY_SET));
	migrate(_metadata, self, true);
}

TEST_HARNESS_MAIN
