// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM whose devices need two domains, because one of them has an address reserved that the other
 * has not: slots are mapped in both, follow in both, and go from both. No emulator has two kinds of
 * IOMMU, so a module for tests (selftests/modules/reserve_region.c) reserves the address.
 *
 *	tools/testbed/run --kmod build/test-modules-6.1/reserve_region.ko \
 *		--device pcie-root-port,id=rp --device edu,bus=rp --device edu
 */
#include <limits.h>
#include "edu.h"
#include "kselftest_harness.h"

#define GPA		0x10000000UL
#define MOVED		0x20000000UL
#define SIZE		0x4000UL
/* Reserved for the second device */
#define HOLE		(GPA + PAGE)
#define BAR_GPA		0x30000000UL
#define BAR_SIZE	0x100000UL
#define LEN		64

FIXTURE(domains)
{
	struct vm *vm;
	struct edu *plain;
	struct edu *special;
	uint8_t *mem;
};

static int group_of(const bdf_t bdf)
{
	char path[PATH_MAX], to[PATH_MAX] = "";

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	if (readlink(path, to, sizeof(to) - 1) < 0)
		return -1;
	return atoi(strrchr(to, '/') + 1);
}

FIXTURE_SETUP(domains)
{
	char command[128];

	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	/* QEMU's AMD IOMMU takes functions behind a port for others. */
	if (!access("/sys/class/iommu/ivhd0", F_OK))
		SKIP(return, "DMA from behind a port is lost");
	self->plain = edu_open(false);
	self->special = edu_open(true);
	if (!self->plain || !self->special)
		SKIP(return, NO_DEVICE);
	system("rmmod reserve_region 2> /dev/null");
	snprintf(command, sizeof(command),
		 "modprobe reserve_region group=%d start=%lu length=%lu 2> /dev/null",
		 group_of(self->special->bdf), HOLE, PAGE);
	if (system(command))
		SKIP(return, "no module reserve_region");
	self->vm = vm_create(0);
	self->mem = ram_alloc(SIZE);
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	must(edu_assign(self->vm, self->plain, HV_ASSIGN_WITHOUT_RESET, NULL));
	must(edu_assign(self->vm, self->special, 0, NULL));
	edu_bus_master(self->plain);
	edu_bus_master(self->special);
}

FIXTURE_TEARDOWN(domains)
{
	if (self->plain)
		edu_close(self->plain);
	if (self->special)
		edu_close(self->special);
	if (self->vm)
		vm_free(self->vm);
	system("rmmod reserve_region 2> /dev/null");
}

static uint32_t domain_of(struct edu *edu)
{
	struct hv_pci_info info = { .size = sizeof(info) };

	must(hv_ioctl(edu->fd, HV_PCI_GET_INFO, &info));
	return info.domain;
}

/* Does the device write to @addr, where @vm has @mem? */
static bool reaches(struct vm *vm, struct edu *edu, uint64_t addr, uint8_t *mem)
{
	static uint8_t value;

	memset(vm->ram, ++value, LEN);
	memset(mem, 0, LEN);
	edu_copy(edu, false, 0, LEN);
	edu_copy(edu, true, addr, LEN);
	return mem[0] == value && mem[LEN - 1] == value;
}

TEST_F_TIMEOUT(domains, one_for_each, 60)
{
	EXPECT_EQ(2, vm_stat(self->vm, "iommu_domains"));
	EXPECT_NE(domain_of(self->plain), domain_of(self->special));
	/* Pinned once */
	EXPECT_EQ(GUEST_RAM_SIZE + SIZE, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_TRUE(reaches(self->vm, self->plain, GPA, self->mem));
	EXPECT_TRUE(reaches(self->vm, self->special, GPA, self->mem));
	EXPECT_TRUE(reaches(self->vm, self->plain, HOLE, self->mem + PAGE));
	EXPECT_FALSE(reaches(self->vm, self->special, HOLE, self->mem + PAGE));
	EXPECT_TRUE(reaches(self->vm, self->special, HOLE + PAGE, self->mem + 2 * PAGE));
	EXPECT_EQ(0, edu_deassign(self->vm, self->special));
	EXPECT_EQ(1, vm_stat(self->vm, "iommu_domains"));
	EXPECT_TRUE(reaches(self->vm, self->plain, HOLE, self->mem + PAGE));
	EXPECT_EQ(0, edu_deassign(self->vm, self->plain));
	EXPECT_EQ(0, vm_stat(self->vm, "iommu_domains"));
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
}

TEST_F_TIMEOUT(domains, slots_follow_in_both, 60)
{
	must(vm_slot(self->vm, 1, MOVED, SIZE, self->mem, 0));
	EXPECT_TRUE(reaches(self->vm, self->plain, MOVED + PAGE, self->mem + PAGE));
	EXPECT_TRUE(reaches(self->vm, self->special, MOVED + PAGE, self->mem + PAGE));
	EXPECT_FALSE(reaches(self->vm, self->plain, GPA, self->mem));
	EXPECT_FALSE(reaches(self->vm, self->special, GPA, self->mem));
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_TRUE(reaches(self->vm, self->special, GPA, self->mem));
	EXPECT_FALSE(reaches(self->vm, self->special, HOLE, self->mem + PAGE));
	must(vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_FALSE(reaches(self->vm, self->plain, GPA, self->mem));
	EXPECT_FALSE(reaches(self->vm, self->special, GPA, self->mem));
	EXPECT_EQ(GUEST_RAM_SIZE, vm_stat(self->vm, "pinned_bytes"));
}

static bool reaches_registers(struct vm *vm, struct edu *from, struct edu *to)
{
	volatile uint32_t *invert = (volatile uint32_t *)(to->bar + EDU_INVERT);
	static uint32_t value = 0x12345678;

	memcpy(vm->ram, &value, 4);
	edu_copy(from, false, 0, 4);
	edu_copy(from, true, BAR_GPA + EDU_INVERT, 4);
	return *invert == ~value++;
}

/* Registers that a slot shows are mapped in both, and go with their device. */
TEST_F_TIMEOUT(domains, registers, 60)
{
	must(vm_slot(self->vm, 2, BAR_GPA, BAR_SIZE, (void *)self->plain->bar, 0));
	EXPECT_TRUE(reaches_registers(self->vm, self->special, self->plain));
	EXPECT_EQ(0, edu_deassign(self->vm, self->plain));
	EXPECT_EQ(1, vm_stat(self->vm, "iommu_domains"));
	EXPECT_FALSE(reaches_registers(self->vm, self->special, self->plain));
	must(edu_assign(self->vm, self->plain, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_EQ(2, vm_stat(self->vm, "iommu_domains"));
	EXPECT_TRUE(reaches_registers(self->vm, self->special, self->plain));
}

TEST_HARNESS_MAIN
