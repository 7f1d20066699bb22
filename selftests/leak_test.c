// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs that come and go leave nothing behind: free memory and the kernel's objects are what they
 * were after hundreds of them, and so are they after thousands of slots.
 */
#include <sys/eventfd.h>
#include "file.h"
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x20000000UL
#define NPAGES	256UL
#define CYCLES	300U
/* Distance of slots: each needs a table of its own */
#define GAP	0x200000UL
/* KiB that other parts of the kernel may take meanwhile: less than a page a cycle */
#define SLACK	800L

/**
 * struct memory - what the kernel has, in KiB, caches aside
 * @free: pages
 * @objects: pages of slab caches that nobody can reclaim
 */
struct memory {
	long free, objects;
};

static struct memory memory_now(void)
{
	long free = free_kib();

	return (struct memory) {
		.free = free,
		.objects = file_number("/proc/meminfo", "SUnreclaim:"),
	};
}

static void expect_same(struct __test_metadata *_metadata, struct memory before)
{
	struct memory after = memory_now();

	TH_LOG("KiB free: %ld before, %ld after; objects: %ld, %ld", before.free, after.free,
	       before.objects, after.objects);
	EXPECT_LT(0, before.free);
	EXPECT_LT(0, before.objects);
	EXPECT_GT(SLACK, before.free - after.free);
	EXPECT_GT(SLACK, after.objects - before.objects);
}

/* Interrupts, doorbells and a zone of a VM with or without an interrupt controller */
static void add_eventfds(struct vm *vm, unsigned int i)
{
	struct hv_coalesced_mmio_zone zone = { .addr = GUEST_MMIO, .size = PAGE };
	struct hv_ioeventfd io = { .addr = 0x100, .len = 2, .flags = HV_IOEVENTFD_FLAG_PIO };
	struct hv_irqfd irq = { .gsi = 5 };

	io.fd = eventfd(0, EFD_CLOEXEC);
	must(io.fd);
	irq.fd = io.fd;
	must(hv_ioctl(vm->fd, HV_IOEVENTFD, &io));
	if (vm->irqchip) {
		must(hv_ioctl(vm->fd, HV_IRQFD, &irq));
		must(hv_ioctl(vm->fd, HV_CREATE_PIT2, &(struct hv_pit_config){}));
	}
	if (i & 2) {
		io.flags |= HV_IOEVENTFD_FLAG_DEASSIGN;
		must(hv_ioctl(vm->fd, HV_IOEVENTFD, &io));
	}
	/* The VM keeps it. */
	close(io.fd);
	must(hv_ioctl(vm->fd, HV_REGISTER_COALESCED_MMIO, &zone));
}

/* Make a VM, run it, log, change slots, and close it in one of the possible orders. */
static void cycle(uint8_t *mem, unsigned int i)
{
	struct vm *vm = vm_create(i & 1 ? VM_IRQCHIP : 0);
	struct hv_dirty_log log = { .slot = 1 };
	static uint64_t bits[NPAGES / 64];
	struct vcpu *vcpu, *other;

	log.dirty_bitmap = (uintptr_t)bits;
	vm_load(vm, "basic");
	vcpu = vcpu_create(vm, 0);
	other = vcpu_create(vm, 1);
	add_eventfds(vm, i);
	vcpu_long_mode(vcpu, NULL);
	must(vm_slot(vm, 1, GPA, NPAGES * PAGE, mem, i & 2 ? HV_MEM_LOG_DIRTY_PAGES : 0));
	guest_call(vcpu, "touch", GPA, NPAGES, i);
	if (i & 2)
		must(hv_ioctl(vm->fd, HV_GET_DIRTY_LOG, &log));
	if (i & 4)
		must(vm_slot(vm, 1, 0, 0, NULL, 0));
	if (i & 8)
		close(hv_ioctl(vcpu->fd, HV_GET_STATS_FD, 0));
	if (i & 16) {
		close(vm->fd);
		vm->fd = -1;
	}
	vcpu_free(other);
	vcpu_free(vcpu);
	vm_free(vm);
}

/* For the sake of a longer time than TEST() gives */
FIXTURE(leak) { };
FIXTURE_SETUP(leak) { }
FIXTURE_TEARDOWN(leak) { }

/* Tables of a VM that doesn't run are given back when the host wants memory; it runs on. */
TEST_F(leak, reclaim)
{
	struct vm *vm = vm_create(0);
	uint8_t *mem = ram_alloc(NPAGES * PAGE);
	struct vcpu *vcpu;
	uint64_t before;
	unsigned int i;

	if (device_is_kvm())
		SKIP(return, "KVM doesn't");
	vm_load(vm, "basic");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	/* A table of its own for each slot */
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0, vm_slot(vm, 1 + i, GPA + i * GAP, PAGE, mem + i * PAGE, 0));
		guest_call(vcpu, "store", GPA + i * GAP, i);
	}
	before = vm_stat(vm, "table_pages");
	EXPECT_LE(64, before);
	if (!file_write("/proc/sys/vm/drop_caches", "2"))
		die("drop_caches: %s", strerror(errno));
	EXPECT_GE(before / 2, vm_stat(vm, "table_pages"));
	for (i = 0; i < 64; i++)
		EXPECT_EQ(i, guest_call(vcpu, "load", GPA + i * GAP));
	EXPECT_LE(64, vm_stat(vm, "table_pages"));
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F_TIMEOUT(leak, vms, 120)
{
	uint8_t *mem = ram_alloc(NPAGES * PAGE);
	struct memory before;
	unsigned int i;

	memset(mem, 1, NPAGES * PAGE);
	for (i = 0; i < 32; i++)
		cycle(mem, i);
	before = memory_now();
	for (i = 0; i < CYCLES; i++)
		cycle(mem, i);
	expect_same(_metadata, before);
}

/* Slots come, are touched and go, three thousand times; as many at a time as there can be. */
TEST_F_TIMEOUT(leak, slots, 120)
{
	struct vm *vm = vm_create(0);
	long nr = check_cap(vm->fd, HV_CAP_NR_MEMSLOTS), i, round;
	struct memory before;
	uint8_t *mem = ram_alloc(NPAGES * PAGE);
	struct vcpu *vcpu;

	if (device_is_kvm())
		SKIP(return, "stock KVM keeps some memory of deleted slots");
	if (nr > 512)
		nr = 512;
	vm_load(vm, "basic");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	memset(mem, 1, NPAGES * PAGE);
	before = memory_now();
	for (round = 0; round < 6; round++) {
		for (i = 1; i < nr; i++)
			ASSERT_EQ(0, vm_slot(vm, i, GPA + i * GAP, PAGE,
					     mem + i % NPAGES * PAGE, 0));
		for (i = 1; i < nr; i += 17)
			guest_call(vcpu, "store", GPA + i * GAP, i);
		for (i = 1; i < nr; i++)
			ASSERT_EQ(0, vm_slot(vm, i, 0, 0, NULL, 0));
	}
	expect_same(_metadata, before);
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_HARNESS_MAIN
