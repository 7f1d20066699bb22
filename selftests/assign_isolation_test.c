// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile guest or VMM aims an assigned device at everything that isn't the VM's: memory of
 * the VMM, of another VM and of the kernel at their physical addresses, slots that are gone or
 * that devices mustn't reach, the window of interrupt messages, addresses that don't exist. The IOMMU
 * reports a fault, nothing is changed and nothing learned.
 */
#include <fcntl.h>
#include <sys/klog.h>
#include "edu.h"
#include "kselftest_harness.h"

#define GPA		0x10000000UL
#define FREED		0x18000000UL
#define NO_DMA		0x1a000000UL
#define READONLY	0x1c000000UL
#define OTHER_GPA	0x20000000UL
#define MSI_WINDOW	0xfee00000UL
#define SIZE		0x4000UL
#define LEN		EDU_DMA_SIZE

#define SECRET		0x5e
#define FORGED		0xa7

FIXTURE(isolation)
{
	struct vm *vm;
	struct vm *other;
	struct edu *edu;
	uint8_t *mem;
	uint8_t *victim;
};

FIXTURE_SETUP(isolation)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	self->edu = edu_open(false);
	if (!self->edu)
		SKIP(return, NO_DEVICE);
	self->vm = vm_create(0);
	self->other = vm_create(0);
	self->mem = ram_alloc(SIZE);
	self->victim = ram_alloc(SIZE);
	memset(self->victim, SECRET, SIZE);
	must(mlock(self->victim, SIZE));
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	must(edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	edu_bus_master(self->edu);
}

FIXTURE_TEARDOWN(isolation)
{
	if (!self->edu)
		return;
	edu_close(self->edu);
	vm_free(self->vm);
	vm_free(self->other);
}

/* Where the kernel's code is */
static uint64_t kernel_code(void)
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long long start = 0;
	char line[128];

	while (f && !start && fgets(line, sizeof(line), f))
		if (strstr(line, "Kernel code"))
			start = strtoull(line, NULL, 16);
	if (f)
		fclose(f);
	if (!start)
		die("no kernel in /proc/iomem");
	return start;
}

/* Faults that the IOMMU's driver has reported since the log was cleared */
static unsigned int faults(void)
{
	static char log[1 << 20];
	int n = klogctl(3, log, sizeof(log) - 1);
	unsigned int count = 0;
	char *p;

	log[n < 0 ? 0 : n] = 0;
	for (p = log; (p = strstr(p, "fault addr 0x")); p++)
		count++;
	for (p = log; (p = strstr(p, "IO_PAGE_FAULT")); p++)
		count++;
	return count;
}

/* QEMU 7.2's AMD IOMMU sends no interrupt for what it notes, so nothing is reported. */
static bool reports_faults(void)
{
	return access("/sys/class/iommu/ivhd0", F_OK);
}

/* A write to @addr is reported; the kernel does that no more than ten times in five seconds. */
static void expect_fault(struct __test_metadata *_metadata, struct edu *edu, uint64_t addr)
{
	unsigned int i;

	if (!reports_faults())
		return;
	for (i = 0; i < 60 && !faults(); i++)
		edu_copy(edu, true, addr, 4);
	EXPECT_LT(0, faults()) {
		TH_LOG("no fault at %#lx", addr);
	}
}

/* What the device's buffer has, by way of the VM's memory */
static void buffer_get(struct edu *edu, uint8_t *mem)
{
	memset(mem, 0xee, LEN);
	edu_copy(edu, true, GPA, LEN);
}

static bool uniform(const uint8_t *p, size_t len)
{
	return !memcmp(p, p + 1, len - 1);
}

/* Write to @addr, and read from there: nothing comes over that isn't all the same. */
static void attack(struct __test_metadata *_metadata, FIXTURE_DATA(isolation) *self, uint64_t addr)
{
	memset(self->mem, FORGED, LEN);
	edu_copy(self->edu, false, GPA, LEN);
	edu_copy(self->edu, true, addr, LEN);
	edu_copy(self->edu, false, addr, LEN);
	buffer_get(self->edu, self->mem);
	EXPECT_TRUE(uniform(self->mem, LEN)) {
		TH_LOG("memory at %#lx was read", addr);
	}
	EXPECT_NE(SECRET, self->mem[0]) {
		TH_LOG("memory at %#lx was read", addr);
	}
}

static bool untouched(const uint8_t *victim)
{
	return victim[0] == SECRET && uniform(victim, SIZE);
}

/* The device works, and the test would see what it isn't to reach. */
TEST_F(isolation, own_memory)
{
	memcpy(self->vm->ram, self->victim, LEN);
	edu_copy(self->edu, false, 0, LEN);
	buffer_get(self->edu, self->mem);
	EXPECT_EQ(0, memcmp(self->mem, self->victim, LEN));
	memset(self->mem, FORGED, LEN);
	edu_copy(self->edu, false, GPA, LEN);
	edu_copy(self->edu, true, 0, LEN);
	EXPECT_EQ(FORGED, self->vm->ram[0]);
}

TEST_F(isolation, memory_of_the_vmm)
{
	uint64_t addr = edu_phys(self->victim);

	if (addr < GUEST_RAM_SIZE)
		SKIP(return, "an address that the VM has, too");
	klogctl(5, NULL, 0);
	attack(_metadata, self, addr);
	EXPECT_TRUE(untouched(self->victim));
	expect_fault(_metadata, self->edu, addr);
}

/* At its physical address, and at the other guest's */
TEST_F(isolation, another_vm)
{
	must(vm_slot(self->other, 1, OTHER_GPA, SIZE, self->victim, 0));
	klogctl(5, NULL, 0);
	attack(_metadata, self, OTHER_GPA);
	attack(_metadata, self, edu_phys(self->victim));
	EXPECT_TRUE(untouched(self->victim));
	expect_fault(_metadata, self->edu, OTHER_GPA);
}

/* What a VM had is not what the next one has. */
TEST_F(isolation, vm_before)
{
	struct vm *next = vm_create(0);
	uint8_t *mem = ram_alloc(SIZE);

	must(vm_slot(self->vm, 2, FREED, SIZE, self->victim, 0));
	must(edu_deassign(self->vm, self->edu));
	must(vm_slot(next, 1, GPA, SIZE, mem, 0));
	must(edu_assign(next, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	edu_bus_master(self->edu);
	klogctl(5, NULL, 0);
	edu_copy(self->edu, false, FREED, LEN);
	memset(mem, 0, LEN);
	edu_copy(self->edu, true, GPA, LEN);
	EXPECT_TRUE(uniform(mem, LEN));
	EXPECT_NE(SECRET, mem[0]);
	edu_copy(self->edu, true, FREED, LEN);
	EXPECT_TRUE(untouched(self->victim));
	expect_fault(_metadata, self->edu, FREED);
	vm_free(next);
}

TEST_F(isolation, kernel)
{
	klogctl(5, NULL, 0);
	attack(_metadata, self, kernel_code());
	attack(_metadata, self, kernel_code() + 0x200000);
	expect_fault(_metadata, self->edu, kernel_code());
}

TEST_F(isolation, freed_slot)
{
	must(vm_slot(self->vm, 2, FREED, SIZE, self->victim, 0));
	edu_copy(self->edu, false, FREED, LEN);
	buffer_get(self->edu, self->mem);
	EXPECT_EQ(SECRET, self->mem[0]);
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
	klogctl(5, NULL, 0);
	attack(_metadata, self, FREED);
	EXPECT_TRUE(untouched(self->victim));
	expect_fault(_metadata, self->edu, FREED);
}

TEST_F(isolation, no_dma_slot)
{
	must(vm_slot(self->vm, 2, NO_DMA, SIZE, self->victim, HV_MEM_NO_DMA));
	klogctl(5, NULL, 0);
	attack(_metadata, self, NO_DMA);
	EXPECT_TRUE(untouched(self->victim));
	expect_fault(_metadata, self->edu, NO_DMA);
}

TEST_F(isolation, readonly_slot)
{
	must(vm_slot(self->vm, 2, READONLY, SIZE, self->victim, HV_MEM_READONLY));
	memset(self->mem, FORGED, LEN);
	edu_copy(self->edu, false, GPA, LEN);
	klogctl(5, NULL, 0);
	edu_copy(self->edu, true, READONLY, LEN);
	EXPECT_TRUE(untouched(self->victim));
	expect_fault(_metadata, self->edu, READONLY);
	edu_copy(self->edu, false, READONLY, LEN);
	buffer_get(self->edu, self->mem);
	EXPECT_EQ(0, memcmp(self->mem, self->victim, LEN));
}

/* Half in a slot, half behind it */
TEST_F(isolation, end_of_a_slot)
{
	/* Two neighbours in memory, one in the VM */
	must(vm_slot(self->vm, 2, FREED, PAGE, self->victim, 0));
	memset(self->mem, FORGED, LEN);
	edu_copy(self->edu, false, GPA, LEN);
	klogctl(5, NULL, 0);
	edu_copy(self->edu, true, FREED + PAGE - LEN / 2, LEN);
	EXPECT_EQ(SECRET, self->victim[PAGE]);
	EXPECT_TRUE(uniform(self->victim + PAGE, SIZE - PAGE));
	expect_fault(_metadata, self->edu, FREED + PAGE);
}

/*
 * Memory that the guest has at the window of interrupt messages is not what the device
 * finds there. A message in remappable format (VT-d 5.1.2.2) that names no entry is a fault.
 */
TEST_F(isolation, msi_window)
{
	must(vm_slot(self->vm, 2, MSI_WINDOW - PAGE, 3 * PAGE, self->victim, 0));
	memset(self->mem, FORGED, LEN);
	edu_copy(self->edu, false, GPA, LEN);
	edu_copy(self->edu, true, MSI_WINDOW - PAGE, LEN);
	EXPECT_EQ(FORGED, self->victim[0]);
	memset(self->victim, SECRET, SIZE);
	memset(self->mem, 0, LEN);
	edu_copy(self->edu, false, GPA, LEN);
	edu_copy(self->edu, true, MSI_WINDOW | 0x7ffe0 | 1 << 4, 4);
	EXPECT_TRUE(untouched(self->victim));
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
}

TEST_F(isolation, addresses_that_do_not_exist)
{
	static const uint64_t addrs[] = {
		1UL << 36, 1UL << 39, 1UL << 47, 1UL << 48, 1UL << 52, 1UL << 63, GPA | 1UL << 48,
		GPA | 1UL << 63,
	};
	unsigned int i;

	memcpy(self->mem + PAGE, self->victim, PAGE);
	klogctl(5, NULL, 0);
	for (i = 0; i < ARRAY_LEN(addrs); i++)
		attack(_metadata, self, addrs[i]);
	EXPECT_EQ(0, memcmp(self->mem + PAGE, self->victim, PAGE));
	expect_fault(_metadata, self->edu, addrs[0]);
}

/* A transfer that runs over the end of all addresses goes on at 0, which is the VM's. */
TEST_F(isolation, wrap_around)
{
	memset(self->vm->ram, SECRET, PAGE);
	memset(self->mem, FORGED, LEN);
	edu_copy(self->edu, false, GPA, LEN);
	klogctl(5, NULL, 0);
	edu_copy(self->edu, true, -(uint64_t)LEN, LEN);
	EXPECT_EQ(SECRET, self->vm->ram[0]);
	edu_copy(self->edu, true, -(uint64_t)(LEN / 2), LEN);
	EXPECT_EQ(SECRET, self->vm->ram[LEN / 2]);
	expect_fault(_metadata, self->edu, -(uint64_t)LEN);
}

TEST_HARNESS_MAIN
