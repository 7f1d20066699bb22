// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_PRE_FAULT_MEMORY maps what it's asked for and says how far it got; and what HV_RUN tells of
 * memory that isn't there (HV_EXIT_MEMORY_FAULT).
 */
#include "file.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x20000000UL
#define NPAGES	64UL

FIXTURE(prefault)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *mem;
	struct hv_pre_fault_memory range;
};

FIXTURE_SETUP(prefault)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->mem = ram_alloc((NPAGES + 1) * PAGE);
	/* Small pages: an odd offset between the two addresses */
	if (!((uintptr_t)self->mem & (512 * PAGE - 1)))
		self->mem += PAGE;
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, NPAGES * PAGE, self->mem, 0));
}

FIXTURE_TEARDOWN(prefault)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long prefault(FIXTURE_DATA(prefault) *self, uint64_t gpa, uint64_t size)
{
	self->range = (struct hv_pre_fault_memory) { .gpa = gpa, .size = size };
	return hv_ioctl(self->vcpu->fd, HV_PRE_FAULT_MEMORY, &self->range);
}

TEST_F(prefault, maps)
{
	uint64_t before;

	if (!check_cap(self->vm->fd, HV_CAP_PRE_FAULT_MEMORY))
		SKIP(return, "no HV_CAP_PRE_FAULT_MEMORY");
	memset(self->mem, 1, NPAGES * PAGE);
	guest_call(self->vcpu, "identity", 1);
	before = vm_stat(self->vm, "pages_4k");
	ASSERT_EQ(0, prefault(self, GPA, NPAGES * PAGE));
	EXPECT_EQ(GPA + NPAGES * PAGE, self->range.gpa);
	EXPECT_EQ(0, self->range.size);
	EXPECT_EQ(NPAGES, vm_stat(self->vm, "pages_4k") - before);
	guest_call(self->vcpu, "touch", GPA, NPAGES, 5);
	EXPECT_EQ(NPAGES, vm_stat(self->vm, "pages_4k") - before);
	EXPECT_EQ(5, *(uint64_t *)(self->mem + 7 * PAGE));
	/* Again: nothing to do. */
	ASSERT_EQ(0, prefault(self, GPA, NPAGES * PAGE));
	EXPECT_EQ(0, self->range.size);
}

/* Parts of large pages: as far as was asked for, not to the end of what is mapped at once. */
TEST_F(prefault, large_pages)
{
	const uint64_t huge = 512 * PAGE;
	uint8_t *mem = ram_alloc(4 * huge);

	if (!check_cap(self->vm->fd, HV_CAP_PRE_FAULT_MEMORY))
		SKIP(return, "no HV_CAP_PRE_FAULT_MEMORY");
	mem += -(uintptr_t)mem & (huge - 1);
	must(madvise(mem, 3 * huge, MADV_HUGEPAGE));
	memset(mem, 1, 3 * huge);
	if (!ram_collapse(mem, 3 * huge))
		SKIP(return, "the host has no huge pages: %s", strerror(errno));
	ASSERT_EQ(0, vm_slot(self->vm, 2, 2 * GPA, 2 * huge, mem, 0));
	ASSERT_EQ(0, prefault(self, 2 * GPA + 5 * PAGE, 3 * PAGE));
	EXPECT_EQ(2 * GPA + 8 * PAGE, self->range.gpa);
	EXPECT_EQ(0, self->range.size);
	if (device_is_kvm() && !vm_stat(self->vm, "pages_2m"))
		SKIP(return, "KVM has not mapped a large page");
	EXPECT_EQ(1, vm_stat(self->vm, "pages_2m"));
	ASSERT_EQ(0, prefault(self, 2 * GPA + huge - PAGE, 2 * PAGE));
	EXPECT_EQ(2 * GPA + huge + PAGE, self->range.gpa);
	EXPECT_EQ(0, self->range.size);
	EXPECT_EQ(2, vm_stat(self->vm, "pages_2m"));
	/* From inside of one to behind the slot */
	EXPECT_EQ(0, prefault(self, 2 * GPA + PAGE, 2 * huge));
	EXPECT_EQ(2 * GPA + 2 * huge, self->range.gpa);
	EXPECT_EQ(PAGE, self->range.size);
}

static long table_kib(void)
{
	/* What each CPU has counted for itself */
	file_write("/proc/sys/vm/stat_refresh", "1");
	return file_number("/proc/meminfo", "SecPageTables:");
}

/* The host tells how much memory tables take: one and a bit for each of 300 pages, 2 MiB apart */
TEST_F(prefault, tables_are_reported)
{
	const unsigned int n = 300;
	long none, before, tables;
	struct vcpu *vcpu;
	struct vm *vm;
	unsigned int i;

	none = table_kib();
	if (none < 0)
		SKIP(return, "/proc/meminfo has no SecPageTables");
	vm = vm_create(0);
	vm_load(vm, "basic");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, vm_slot(vm, 1 + i, GPA + i * 512 * PAGE, PAGE, self->mem, 0));
	guest_call(vcpu, "load", GPA);
	before = table_kib();
	for (i = 0; i < n; i++)
		guest_call(vcpu, "load", GPA + i * 512 * PAGE);
	tables = (table_kib() - before) / 4;
	EXPECT_LE(n - 1, tables);
	EXPECT_GE(n + 3, tables);
	if (!device_is_kvm())
		EXPECT_EQ(vm_stat(vm, "table_pages") * 4, table_kib() - none);
	vcpu_free(vcpu);
	vm_free(vm);
	EXPECT_EQ(none, table_kib());
}

TEST_F(prefault, stops)
{
	if (!check_cap(self->vm->fd, HV_CAP_PRE_FAULT_MEMORY))
		SKIP(return, "no HV_CAP_PRE_FAULT_MEMORY");
	EXPECT_EQ(-EINVAL, prefault(self, GPA + 1, PAGE));
	EXPECT_EQ(-EINVAL, prefault(self, GPA, PAGE + 1));
	EXPECT_EQ(-EINVAL, prefault(self, GPA, 0));
	EXPECT_EQ(-EINVAL, prefault(self, -PAGE, PAGE));
	EXPECT_EQ(-EINVAL, prefault(self, GPA, -GPA + PAGE));
	self->range = (struct hv_pre_fault_memory) { .gpa = GPA, .size = PAGE, .flags = 1 };
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_PRE_FAULT_MEMORY, &self->range));
	EXPECT_EQ(-ENOENT, prefault(self, GPA - PAGE, PAGE));
	/* As far as the slot reaches, and as far as its memory does */
	EXPECT_EQ(0, prefault(self, GPA, 2 * NPAGES * PAGE));
	EXPECT_EQ(GPA + NPAGES * PAGE, self->range.gpa);
	EXPECT_EQ(NPAGES * PAGE, self->range.size);
	EXPECT_EQ(-ENOENT, prefault(self, self->range.gpa, self->range.size));
	ASSERT_EQ(0, munmap(self->mem + 3 * PAGE, PAGE));
	EXPECT_EQ(0, prefault(self, GPA, NPAGES * PAGE));
	EXPECT_EQ(GPA + 3 * PAGE, self->range.gpa);
	EXPECT_EQ(-EFAULT, prefault(self, GPA + 3 * PAGE, PAGE));
}

TEST_F(prefault, memory_fault_exit)
{
	if (!check_cap(self->vm->fd, HV_CAP_MEMORY_FAULT_INFO))
		SKIP(return, "no HV_CAP_MEMORY_FAULT_INFO");
	ASSERT_EQ(0, munmap(self->mem + 3 * PAGE, PAGE));
	guest_start(self->vcpu, "load", 1, (uint64_t[]){ GPA + 3 * PAGE + 0x128 });
	EXPECT_EQ(-EFAULT, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(HV_EXIT_MEMORY_FAULT, self->vcpu->run->exit_reason);
	EXPECT_EQ(0, self->vcpu->run->memory_fault.flags);
	EXPECT_EQ(GPA + 3 * PAGE, self->vcpu->run->memory_fault.gpa);
	EXPECT_EQ(PAGE, self->vcpu->run->memory_fault.size);
	ASSERT_EQ(self->mem + 3 * PAGE, mmap(self->mem + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(0, guest_finish(self->vcpu));
}

TEST_HARNESS_MAIN
