// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory is mapped in pieces of 2 MiB and 1 GiB where the slot and the host's own mapping
 * allow it, and only there; what the host does to a part of such a piece is seen in that part
 * and nowhere else.
 */
#include "file.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x20000000UL
#define HUGE	0x200000UL
#define GIB	0x40000000UL
#define NSMALL	(HUGE / PAGE)
#define MAX_HOLES "/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none"

FIXTURE(large)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *mem;		/* three huge pages, aligned */
	uint64_t small;		/* 4 KiB mappings before the test */
	uint64_t big;		/* 2 MiB ones */
	long max_holes;		/* the host's MAX_HOLES before the test */
};

static uint8_t *aligned_alloc_huge(size_t size, size_t align)
{
	uint8_t *mem = ram_alloc(size + align);

	return (uint8_t *)(((uintptr_t)mem + align - 1) & ~(align - 1));
}

FIXTURE_SETUP(large)
{
	self->max_holes = file_number(MAX_HOLES, "");
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->mem = aligned_alloc_huge(3 * HUGE, HUGE);
	if (madvise(self->mem, 3 * HUGE, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages");
	memset(self->mem, 0, 3 * HUGE);
	if (!ram_collapse(self->mem, 3 * HUGE))
		SKIP(return, "the host has no huge pages: %s", strerror(errno));
	/* What the guest's code, stack and tables are in, is there before the test counts. */
	guest_call(self->vcpu, "identity", 1);
	self->small = vm_stat(self->vm, "pages_4k");
	self->big = vm_stat(self->vm, "pages_2m");
}

FIXTURE_TEARDOWN(large)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", self->max_holes);
	file_write(MAX_HOLES, text);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static uint64_t new_small(FIXTURE_DATA(large) *self)
{
	return vm_stat(self->vm, "pages_4k") - self->small;
}

static uint64_t new_big(FIXTURE_DATA(large) *self)
{
	return vm_stat(self->vm, "pages_2m") - self->big;
}

/* One fault maps 2 MiB. */
TEST_F(large, transparent)
{
	guest_call(self->vcpu, "identity", 1);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, 3 * HUGE, self->mem, 0));
	guest_call(self->vcpu, "touch", GPA, 3 * NSMALL, 1);
	EXPECT_EQ(3, new_big(self));
	EXPECT_EQ(0, new_small(self));
	EXPECT_EQ(1, *(uint64_t *)(self->mem + 3 * HUGE - PAGE));
	/* They go with the slot. */
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_EQ(0, new_big(self));
}

/* A page that is large in the VMM but lies askew in the guest, or only in part in the slot */
TEST_F(large, misaligned)
{
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA + PAGE, 2 * HUGE, self->mem, 0));
	guest_call(self->vcpu, "touch", GPA + PAGE, 2 * NSMALL, 1);
	EXPECT_EQ(0, new_big(self));
	EXPECT_EQ(2 * NSMALL, new_small(self));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));

	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA + PAGE, 3 * HUGE - 2 * PAGE, self->mem + PAGE, 0));
	guest_call(self->vcpu, "touch", GPA + PAGE, 3 * NSMALL - 2, 1);
	EXPECT_EQ(1, new_big(self));
	/* With the slot, stock KVM drops the others' mappings, and needs some again by now. */
	if (!device_is_kvm())
		EXPECT_EQ(2 * (NSMALL - 1), new_small(self));
}

/* Neighbouring slots on one huge page of the VMM: neither reaches into the other. */
TEST_F(large, divided)
{
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, HUGE / 2, self->mem, 0));
	ASSERT_EQ(0, vm_slot(self->vm, 2, GPA + HUGE / 2, HUGE / 2, self->mem + HUGE, 0));
	*(uint64_t *)(self->mem + HUGE / 2) = 0xbad;
	*(uint64_t *)(self->mem + HUGE) = 0x600d;
	EXPECT_EQ(0, guest_call(self->vcpu, "load", GPA));
	EXPECT_EQ(0x600d, guest_call(self->vcpu, "load", GPA + HUGE / 2));
	EXPECT_EQ(0, new_big(self));
}

/* One small page of a large one goes; the others keep their contents. */
TEST_F(large, part_goes)
{
	unsigned int i;

	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, HUGE, self->mem, 0));
	guest_call(self->vcpu, "touch", GPA, NSMALL, 7);
	ASSERT_EQ(1, new_big(self));
	/* The kernel's thread that makes large pages would fill the hole. */
	ASSERT_TRUE(file_write(MAX_HOLES, "0"));
	ASSERT_EQ(0, madvise(self->mem + 9 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(7 * (NSMALL - 1), guest_call(self->vcpu, "sum", GPA, NSMALL));
	EXPECT_EQ(0, guest_call(self->vcpu, "load", GPA + 9 * PAGE));
	EXPECT_EQ(0, new_big(self));
	guest_call(self->vcpu, "touch", GPA, NSMALL, 8);
	for (i = 0; i < NSMALL; i++)
		if (*(uint64_t *)(self->mem + i * PAGE) != 8)
			break;
	EXPECT_EQ(NSMALL, i);
	/* Read-only for the VMM, then not at all */
	ASSERT_EQ(0, mprotect(self->mem + PAGE, PAGE, PROT_READ));
	guest_start(self->vcpu, "store", 2, (uint64_t[]){ GPA + PAGE, 5 });
	EXPECT_EQ(-EFAULT, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(8, *(uint64_t *)(self->mem + PAGE));
	ASSERT_EQ(0, mprotect(self->mem + PAGE, PAGE, PROT_READ | PROT_WRITE));
	guest_finish(self->vcpu);
	EXPECT_EQ(5, *(uint64_t *)(self->mem + PAGE));
}

/* Small pages that become a large one while the guest has them */
TEST_F(large, merged_later)
{
	if (madvise(self->mem, HUGE, MADV_NOHUGEPAGE) || madvise(self->mem, HUGE, MADV_DONTNEED))
		SKIP(return, "can't have small pages");
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, HUGE, self->mem, 0));
	guest_call(self->vcpu, "touch", GPA, NSMALL, 3);
	ASSERT_EQ(0, new_big(self));
	ASSERT_EQ(NSMALL, new_small(self));
	madvise(self->mem, HUGE, MADV_HUGEPAGE);
	if (!ram_collapse(self->mem, HUGE)) {
		/* hv would hold a page. */
		if (!device_is_kvm())
			EXPECT_NE(EAGAIN, errno);
		SKIP(return, "the host has no huge pages: %s", strerror(errno));
	}
	EXPECT_EQ(3 * NSMALL, guest_call(self->vcpu, "sum", GPA, NSMALL));
	/* KVM leaves them small on processors that need nx_huge_pages. */
	if (!device_is_kvm()) {
		EXPECT_EQ(1, new_big(self));
		EXPECT_EQ(0, new_small(self));
	}
}

/* A large page of zeros that is only read, then written */
TEST_F(large, zero_page)
{
	uint8_t *mem = aligned_alloc_huge(HUGE, HUGE);

	madvise(mem, HUGE, MADV_HUGEPAGE);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, HUGE, mem, 0));
	EXPECT_EQ(0, guest_call(self->vcpu, "sum", GPA, NSMALL));
	guest_call(self->vcpu, "store", GPA + 77 * PAGE, 0x77);
	EXPECT_EQ(0x77, *(uint64_t *)(mem + 77 * PAGE));
	EXPECT_EQ(0x77, guest_call(self->vcpu, "sum", GPA, NSMALL));
}

#define POOL(size)	"/sys/kernel/mm/hugepages/hugepages-" size "/nr_hugepages"
#define MAP_SIZE(bits)	(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (bits) << 26)

TEST_F(large, hugetlb)
{
	uint8_t *mem;

	if (!file_write(POOL("2048kB"), "2"))
		SKIP(return, "no hugetlb pages");
	mem = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SIZE(21), -1, 0);
	if (mem == MAP_FAILED) {
		file_write(POOL("2048kB"), "0");
		SKIP(return, "no hugetlb pages");
	}
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, 2 * HUGE, mem, 0));
	guest_call(self->vcpu, "touch", GPA, 2 * NSMALL, 4);
	EXPECT_EQ(2, new_big(self));
	EXPECT_EQ(4, *(uint64_t *)(mem + 2 * HUGE - PAGE));
	munmap(mem, 2 * HUGE);
	EXPECT_EQ(0, new_big(self));
	file_write(POOL("2048kB"), "0");
}

TEST_F(large, hugetlb_1g)
{
	uint8_t *mem;

	file_write(POOL("1048576kB"), "1");
	mem = mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_SIZE(30), -1, 0);
	if (mem == MAP_FAILED)
		SKIP(return, "no page of 1 GiB");
	ASSERT_EQ(0, vm_slot(self->vm, 1, GIB, GIB, mem, 0));
	guest_call(self->vcpu, "store", GIB + 0x12345678, 0x1e9);
	EXPECT_EQ(0x1e9, *(uint64_t *)(mem + 0x12345678));
	EXPECT_EQ(1, vm_stat(self->vm, "pages_1g"));
	EXPECT_EQ(0, new_big(self));
	munmap(mem, GIB);
	EXPECT_EQ(0, vm_stat(self->vm, "pages_1g"));
	file_write(POOL("1048576kB"), "0");
}

/*
 * With nx_huge_pages a large page can't be executed: a fetch from it makes a small one, and
 * data accesses leave that alone. KVM splits later and joins again, in ways of its own.
 */
TEST_F(large, nx_huge_pages)
{
	static const char path[] = "/sys/module/hv/parameters/nx_huge_pages";
	/* mov $0x2a, %eax; ret */
	static const uint8_t code[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 };

	if (device_is_kvm())
		SKIP(return, "a parameter of hv");
	ASSERT_TRUE(file_write(path, "off"));
	memcpy(self->mem + 3 * PAGE, code, sizeof(code));
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, HUGE, self->mem, 0));
	EXPECT_EQ(0x2a, guest_call(self->vcpu, "jump", GPA + 3 * PAGE));
	EXPECT_LE(1, vm_stat(self->vm, "pages_2m"));

	ASSERT_TRUE(file_write(path, "force"));
	EXPECT_EQ(0, vm_stat(self->vm, "pages_2m"));
	guest_call(self->vcpu, "store", GPA, 1);
	EXPECT_EQ(1, vm_stat(self->vm, "pages_2m"));
	EXPECT_EQ(0x2a, guest_call(self->vcpu, "jump", GPA + 3 * PAGE));
	EXPECT_EQ(0, vm_stat(self->vm, "pages_2m"));
	guest_call(self->vcpu, "store", GPA, 2);
	guest_call(self->vcpu, "touch", GPA + 8 * PAGE, NSMALL - 8, 2);
	EXPECT_EQ(0, vm_stat(self->vm, "pages_2m"));
	EXPECT_EQ(0x2a, guest_call(self->vcpu, "jump", GPA + 3 * PAGE));
	ASSERT_TRUE(file_write(path, "auto"));
	EXPECT_EQ(0x2a, guest_call(self->vcpu, "jump", GPA + 3 * PAGE));
	EXPECT_FALSE(file_write(path, "sometimes"));
}

TEST_HARNESS_MAIN
