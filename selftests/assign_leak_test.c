// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that come and go leave nothing behind: pins, domains, locked memory and references are what they
 * were after a thousand rounds, and after a VMM is killed, or the device is unbound or removed, while
 * the device copies.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include "edu.h"
#include "file.h"
#include "kselftest_harness.h"

#define GPA	0x10000000UL
#define SIZE	0x20000UL
#define ROUNDS	1000U
#define KILLS	24U
/* KiB that other parts of the kernel may take meanwhile: less than a page in two rounds */
#define SLACK	2000L

/* Pages that are pinned now, in the whole machine: counted by each CPU, added up at need */
static long pinned(void)
{
	if (!file_write("/proc/sys/vm/stat_refresh", "1"))
		die("stat_refresh: %s", strerror(errno));
	return file_number("/proc/vmstat", "nr_foll_pin_acquired ") -
	       file_number("/proc/vmstat", "nr_foll_pin_released ");
}

FIXTURE(leak)
{
	struct vm *vm;
	struct edu *edu;
	uint8_t *mem;
	long pins;
};

FIXTURE_SETUP(leak)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	self->edu = edu_open(false);
	if (!self->edu)
		SKIP(return, NO_DEVICE);
	/* What the test before has left to a work item is done. */
	do {
		self->pins = pinned();
		sleep_us(50000);
	} while (pinned() != self->pins);
	self->vm = vm_create(VM_BARE);
	self->mem = ram_alloc(SIZE);
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
}

FIXTURE_TEARDOWN(leak)
{
	if (!self->edu)
		return;
	edu_close(self->edu);
	vm_free(self->vm);
	munmap(self->mem, SIZE);
}

static void expect_nothing_left(struct __test_metadata *_metadata, FIXTURE_DATA(leak) *self)
{
	EXPECT_TRUE(wait_for(pinned() == self->pins)) {
		TH_LOG("%ld pages pinned, %ld before", pinned(), self->pins);
	}
	/* Unbinding doesn't wait for that. */
	EXPECT_TRUE(wait_for(!file_number("/proc/self/status", "VmLck:")));
	EXPECT_TRUE(wait_for(!vm_stat(self->vm, "pinned_bytes")));
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));
	EXPECT_EQ(0, vm_stat(self->vm, "iommu_domains"));
}

TEST_F_TIMEOUT(leak, rounds, 120)
{
	unsigned int i;
	static long before;

	for (i = 0; i < ROUNDS; i++) {
		if (i == ROUNDS / 10)
			before = free_kib();
		ASSERT_EQ(0, edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
		if (!i)
			EXPECT_EQ(self->pins + (long)(SIZE / PAGE), pinned());
		if (i % 3 == 1) {
			must(vm_slot(self->vm, 2, 2 * GPA, PAGE, self->mem, 0));
			must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
		}
		ASSERT_EQ(0, edu_deassign(self->vm, self->edu));
	}
	expect_nothing_left(_metadata, self);
	EXPECT_GE(SLACK, before - free_kib());
}

/* A VMM that makes a device copy until it's killed */
static void victim(FIXTURE_DATA(leak) *self)
{
	struct edu *edu = edu_open(false);
	unsigned int i;

	if (!edu)
		_exit(1);
	for (;;) {
		struct vm *vm = vm_create(0);

		must(vm_slot(vm, 1, GPA, SIZE, self->mem, 0));
		must(edu_assign(vm, edu, HV_ASSIGN_WITHOUT_RESET, NULL));
		edu_bus_master(edu);
		for (i = 0; i < 3; i++) {
			edu_start(edu, true, GPA, EDU_DMA_SIZE);
			must(vm_slot(vm, 2, 2 * GPA, PAGE, self->mem, 0));
			must(vm_slot(vm, 2, 0, 0, NULL, 0));
			edu_wait(edu);
		}
		/* The VM is left behind with its device; the next one gets that by the file's close. */
		edu_close(edu);
		edu = edu_open(false);
		if (!edu)
			_exit(1);
	}
}

TEST_F_TIMEOUT(leak, kill_9, 120)
{
	unsigned int i;
	int status;

	edu_close(self->edu);
	for (i = 0; i < KILLS; i++) {
		pid_t pid = fork();

		if (!pid)
			victim(self);
		ASSERT_LT(0, pid);
		sleep_us(20000 + i * 37000 % 500000);
		EXPECT_EQ(0, waitpid(pid, &status, WNOHANG)) {
			TH_LOG("the VMM ended by itself");
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	self->edu = edu_open(false);
	ASSERT_NE(NULL, self->edu);
	expect_nothing_left(_metadata, self);
}

static void assign_and_copy(FIXTURE_DATA(leak) *self)
{
	must(edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	edu_bus_master(self->edu);
	edu_start(self->edu, true, GPA, EDU_DMA_SIZE);
}

/* The VM loses it at once, whatever the VMM does. */
TEST_F(leak, unbind_while_assigned)
{
	assign_and_copy(self);
	pci_unbind(self->edu->bdf);
	expect_nothing_left(_metadata, self);
	EXPECT_EQ(-ENOENT, edu_deassign(self->vm, self->edu));
	EXPECT_EQ(-ENODEV, edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	expect_nothing_left(_metadata, self);
}

TEST_F(leak, removal_while_assigned)
{
	assign_and_copy(self);
	pci_attribute(self->edu->bdf, "remove", "1");
	expect_nothing_left(_metadata, self);
	EXPECT_EQ(-ENODEV, edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	pci_rescan();
	EXPECT_TRUE(pci_present(self->edu->bdf));
}

/* In the middle of all, a slot's memory goes away, and a device with it. */
TEST_F(leak, memory_unmapped)
{
	assign_and_copy(self);
	must(munmap(self->mem, SIZE) ? -errno : 0);
	edu_wait(self->edu);
	EXPECT_EQ(SIZE, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
	expect_nothing_left(_metadata, self);
}

TEST_HARNESS_MAIN
