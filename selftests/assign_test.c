// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_ASSIGN_DEVICE: a device reads and writes the VM's memory at the guest's addresses, as long
 * as it is the VM's and as slots are there.
 */
#include <sys/resource.h>
#include "edu.h"
#include "kselftest_harness.h"

/* A slot that is not where its memory is in any other way */
#define GPA	0x3450000UL
#define SIZE	0x40000UL
#define BAR_GPA	0x20000000UL
#define BAR_SIZE	0x100000UL
#define LARGE_GPA	0x40000000UL
#define LARGE_SIZE	0x10000000UL
#define HUGE_PAGE	0x200000UL

FIXTURE(assign)
{
	struct vm *vm;
	struct edu *edu;
	uint8_t *mem;
};

FIXTURE_SETUP(assign)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	self->edu = edu_open(false);
	if (!self->edu)
		SKIP(return, NO_DEVICE);
	self->vm = vm_create(0);
	self->mem = ram_alloc(SIZE);
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
}

FIXTURE_TEARDOWN(assign)
{
	if (!self->edu)
		return;
	edu_close(self->edu);
	vm_free(self->vm);
	munmap(self->mem, SIZE);
}

static void assign(FIXTURE_DATA(assign) *self)
{
	must(edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	edu_bus_master(self->edu);
}

/* Different for every page and byte */
static void pattern(uint8_t *mem, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		mem[i] = i * 7 + (i >> 8) * 13 + seed;
}

/* A page copied from one address to another by the device */
static void copy_page(struct edu *edu, uint64_t from, uint64_t to)
{
	uint64_t i;

	for (i = 0; i < PAGE; i += EDU_DMA_SIZE) {
		edu_copy(edu, false, from + i, EDU_DMA_SIZE);
		edu_copy(edu, true, to + i, EDU_DMA_SIZE);
	}
}

TEST_F(assign, copies)
{
	uint64_t page;

	pattern(self->mem, SIZE, 1);
	assign(self);
	/* the first and the last page, and one across a page's end */
	for (page = 0; page < SIZE / PAGE; page += SIZE / PAGE - 1) {
		memset(self->vm->ram, 0, PAGE);
		copy_page(self->edu, GPA + page * PAGE, 0);
		EXPECT_EQ(0, memcmp(self->vm->ram, self->mem + page * PAGE, PAGE));
	}
	copy_page(self->edu, GPA + 0x800, GPA + 0x8800);
	EXPECT_EQ(0, memcmp(self->mem + 0x800, self->mem + 0x8800, PAGE));
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
}

/* What the guest writes the device reads, and the other way round. */
TEST_F(assign, shares_memory_with_the_guest)
{
	struct vcpu *vcpu;

	vm_load(self->vm, "basic");
	vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(vcpu, NULL);
	guest_call(vcpu, "touch", GPA, 2, 0x1234);
	assign(self);
	guest_call(vcpu, "touch", GPA + 2 * PAGE, 2, 0x5678);
	copy_page(self->edu, GPA + 2 * PAGE, GPA + 4 * PAGE);
	EXPECT_EQ(0, memcmp(self->mem + 2 * PAGE, self->mem + 4 * PAGE, PAGE));
	copy_page(self->edu, GPA, GPA + 5 * PAGE);
	EXPECT_EQ(0, memcmp(self->mem, self->mem + 5 * PAGE, PAGE));
	EXPECT_NE(0, memcmp(self->mem, self->mem + 2 * PAGE, PAGE));
	vcpu_free(vcpu);
}

static bool reaches_registers(FIXTURE_DATA(assign) *self, struct edu *other)
{
	static uint32_t value = 0x12345678;
	volatile uint32_t *invert = (volatile uint32_t *)(other->bar + EDU_INVERT);

	memcpy(self->vm->ram, &value, 4);
	edu_copy(self->edu, false, 0, 4);
	edu_copy(self->edu, true, BAR_GPA + EDU_INVERT, 4);
	return *invert == ~value++;
}

/* Devices of one VM reach each other's registers where slots show them; others' not. */
TEST_F(assign, registers_of_another_device)
{
	struct edu *other = edu_open(true);
	struct vm *vm2 = vm_create(0);
	void *bar;

	if (!other)
		SKIP(return, NO_DEVICE);
	bar = (void *)other->bar;
	assign(self);
	must(vm_slot(self->vm, 2, BAR_GPA, BAR_SIZE, bar, 0));
	EXPECT_EQ(GUEST_RAM_SIZE + SIZE, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_FALSE(reaches_registers(self, other));
	must(edu_assign(vm2, other, 0, NULL));
	EXPECT_FALSE(reaches_registers(self, other));
	must(edu_deassign(vm2, other));

	must(edu_assign(self->vm, other, 0, NULL));
	EXPECT_TRUE(reaches_registers(self, other));
	edu_copy(self->edu, false, BAR_GPA + EDU_ID, 4);
	edu_copy(self->edu, true, GPA, 4);
	EXPECT_EQ(0x010000ed, *(uint32_t *)self->mem);
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
	EXPECT_FALSE(reaches_registers(self, other));
	must(vm_slot(self->vm, 2, 2 * BAR_GPA, BAR_SIZE, bar, 0));
	EXPECT_FALSE(reaches_registers(self, other));
	must(vm_slot(self->vm, 2, BAR_GPA, BAR_SIZE, bar, 0));
	EXPECT_TRUE(reaches_registers(self, other));
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
	must(vm_slot(self->vm, 2, BAR_GPA, BAR_SIZE, bar, HV_MEM_READONLY));
	EXPECT_FALSE(reaches_registers(self, other));
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
	must(vm_slot(self->vm, 2, BAR_GPA, BAR_SIZE, bar, 0));
	EXPECT_TRUE(reaches_registers(self, other));
	EXPECT_EQ(GUEST_RAM_SIZE + SIZE, vm_stat(self->vm, "pinned_bytes"));

	must(edu_deassign(self->vm, other));
	EXPECT_FALSE(reaches_registers(self, other));
	/* The first one goes; the second one's mapping is another first one's then. */
	must(edu_assign(self->vm, other, 0, NULL));
	must(edu_deassign(self->vm, self->edu));
	assign(self);
	EXPECT_TRUE(reaches_registers(self, other));
	edu_close(other);
	EXPECT_EQ(1, vm_stat(self->vm, "devices"));
	vm_free(vm2);
}

static struct hv_pci_info info(FIXTURE_DATA(assign) *self)
{
	struct hv_pci_info info = { .size = sizeof(info) };

	must(hv_ioctl(self->edu->fd, HV_PCI_GET_INFO, &info));
	return info;
}

/* The device's file tells what it has of the VM. */
TEST_F(assign, info)
{
	EXPECT_EQ(0, info(self).flags & (HV_PCI_ASSIGNED | HV_PCI_SNOOP));
	EXPECT_EQ(0, info(self).domain);
	EXPECT_EQ(0, info(self).pinned_bytes);
	assign(self);
	EXPECT_NE(0, info(self).flags & HV_PCI_ASSIGNED);
	EXPECT_EQ(1, info(self).domain);
	EXPECT_EQ(GUEST_RAM_SIZE + SIZE, info(self).pinned_bytes);
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
	EXPECT_EQ(0, info(self).flags & HV_PCI_ASSIGNED);
	EXPECT_EQ(0, info(self).domain);
}

TEST_F(assign, statistics)
{
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));
	assign(self);
	EXPECT_EQ(GUEST_RAM_SIZE + SIZE, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_EQ(1, vm_stat(self->vm, "devices"));
	EXPECT_EQ(1, vm_stat(self->vm, "iommu_domains"));
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));
	EXPECT_EQ(0, vm_stat(self->vm, "iommu_domains"));
}

/* Memory that is there already, in pages of one size, and what it costs to give it to a device */
static void assign_large(struct __test_metadata *_metadata, FIXTURE_DATA(assign) *self,
			 int advice, const char *pages)
{
	uint8_t *mem = ram_alloc(LARGE_SIZE + HUGE_PAGE);
	uint8_t *start = mem + -(uintptr_t)mem % HUGE_PAGE;
	uint64_t us[3], i;

	madvise(start, LARGE_SIZE, advice);
	for (i = 0; i < LARGE_SIZE; i += PAGE)
		*(volatile uint64_t *)(start + i) = i;
	must(vm_slot(self->vm, 2, LARGE_GPA, LARGE_SIZE, start, 0));
	us[0] = now_us();
	assign(self);
	us[1] = now_us();
	EXPECT_EQ(GUEST_RAM_SIZE + SIZE + LARGE_SIZE, vm_stat(self->vm, "pinned_bytes"));
	/* From the first page to the last one */
	copy_page(self->edu, LARGE_GPA + PAGE, LARGE_GPA + LARGE_SIZE - PAGE);
	EXPECT_EQ(PAGE, *(uint64_t *)(start + LARGE_SIZE - PAGE));
	us[2] = now_us();
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
	us[2] = now_us() - us[2];
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
	TH_LOG("256 MiB of %s pages: assigned in %lu us, deassigned in %lu us", pages,
	       us[1] - us[0], us[2]);
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
	munmap(mem, LARGE_SIZE + HUGE_PAGE);
}

TEST_F(assign, large_slots)
{
	assign_large(_metadata, self, MADV_NOHUGEPAGE, "4 KiB");
	assign_large(_metadata, self, MADV_HUGEPAGE, "2 MiB");
}

/* With the device's file goes the device; with the VM's, too, and it can be another VM's. */
TEST_F(assign, closing)
{
	struct vm *other = vm_create(0);
	struct hv_assign_device a;

	assign(self);
	EXPECT_EQ(-EEXIST, edu_assign(other, self->edu, HV_ASSIGN_WITHOUT_RESET, &a));
	EXPECT_EQ(HV_ASSIGN_REASON_ASSIGNED, a.reason);
	EXPECT_EQ(-ENOENT, edu_deassign(other, self->edu));
	edu_close(self->edu);
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));

	self->edu = edu_open(false);
	assign(self);
	close(self->vm->fd);
	self->vm->fd = dup(other->fd);
	EXPECT_EQ(0, edu_assign(other, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_EQ(1, vm_stat(other, "devices"));
	vm_free(other);
}

/* A vCPU keeps the VM, but not its devices. */
TEST_F(assign, vcpu_alone)
{
	struct vcpu *vcpu = vcpu_create(self->vm, 0);
	struct vm *other = vm_create(0);

	assign(self);
	close(self->vm->fd);
	EXPECT_EQ(0, edu_assign(other, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	vcpu_free(vcpu);
	self->vm->fd = -1;
	vm_free(other);
}

TEST_F(assign, reassign)
{
	unsigned int i;

	pattern(self->mem, SIZE, 7);
	for (i = 1; i < 4; i++) {
		assign(self);
		copy_page(self->edu, GPA, GPA + i * PAGE);
		EXPECT_EQ(0, memcmp(self->mem, self->mem + i * PAGE, PAGE));
		EXPECT_NE(0, hardware_config(self->edu->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
		EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
		EXPECT_EQ(0, hardware_config(self->edu->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
		EXPECT_EQ(-ENOENT, edu_deassign(self->vm, self->edu));
	}
}

TEST_F(assign, bad_arguments)
{
	struct hv_assign_device a = { .size = sizeof(a), .fd = self->edu->fd,
				      .flags = HV_ASSIGN_WITHOUT_RESET }, b;
	struct hv_deassign_device d = { .size = sizeof(d), .fd = self->edu->fd };

	EXPECT_EQ(1, check_cap(self->vm->fd, HV_CAP_ASSIGN_DEVICE));
	b = a;
	b.size--;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ASSIGN_DEVICE, &b));
	b = a;
	b.flags = 1U << 31;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ASSIGN_DEVICE, &b));
	b = a;
	b.reserved = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ASSIGN_DEVICE, &b));
	b = a;
	b.fd = -1;
	EXPECT_EQ(-EBADF, hv_ioctl(self->vm->fd, HV_ASSIGN_DEVICE, &b));
	b.fd = self->vm->fd;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ASSIGN_DEVICE, &b));
	EXPECT_EQ(-EFAULT, hv_ioctl(self->vm->fd, HV_ASSIGN_DEVICE, NULL));
	d.flags = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_DEASSIGN_DEVICE, &d));
	d.flags = 0;
	d.size++;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_DEASSIGN_DEVICE, &d));
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
}

TEST_HARNESS_MAIN
