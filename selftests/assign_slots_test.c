// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots change while a device is assigned, and while it copies: what is there it
 * reaches, what is gone it doesn't. Pins are counted, and what it may have written is in the dirty log.
 */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "edu.h"
#include "file.h"
#include "kselftest_harness.h"

#define GPA	0x10000000UL
#define GPA2	0x14000000UL
#define NPAGES	16UL
#define SIZE	(NPAGES * PAGE)
#define LEN	EDU_DMA_SIZE
#define ROUNDS	30U

FIXTURE(slots)
{
	struct vm *vm;
	struct edu *edu;
	uint8_t *mem;
};

FIXTURE_SETUP(slots)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	self->edu = edu_open(false);
	if (!self->edu)
		SKIP(return, NO_DEVICE);
	self->vm = vm_create(0);
	self->mem = ram_alloc(SIZE);
	must(edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	edu_bus_master(self->edu);
}

FIXTURE_TEARDOWN(slots)
{
	if (!self->edu)
		return;
	edu_close(self->edu);
	vm_free(self->vm);
	munmap(self->mem, SIZE);
}

/* Does what the device writes to @gpa arrive at @mem? */
static bool writes(FIXTURE_DATA(slots) *self, uint64_t gpa, uint8_t *mem)
{
	static uint8_t mark;

	memset(self->vm->ram, ++mark, LEN);
	edu_copy(self->edu, false, 0, LEN);
	edu_copy(self->edu, true, gpa, LEN);
	return mem[0] == mark && mem[LEN - 1] == mark;
}

TEST_F(slots, come_and_go)
{
	uint64_t pinned = vm_stat(self->vm, "pinned_bytes");

	EXPECT_EQ(GUEST_RAM_SIZE, pinned);
	EXPECT_FALSE(writes(self, GPA, self->mem));
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_EQ(pinned + SIZE, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_TRUE(writes(self, GPA, self->mem));
	EXPECT_TRUE(writes(self, GPA + SIZE - LEN, self->mem + SIZE - LEN));
	EXPECT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_EQ(pinned, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_FALSE(writes(self, GPA, self->mem));
}

/* Apart from its old place, and over it, upwards and downwards */
TEST_F(slots, move)
{
	static const uint64_t places[] = {
		GPA2, GPA2 + PAGE, GPA2, GPA2 + SIZE, GPA2 + SIZE - PAGE, GPA2 + PAGE,
	};
	uint64_t from = GPA;
	unsigned int i;

	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	for (i = 0; i < ARRAY_LEN(places); i++) {
		uint64_t pinned = vm_stat(self->vm, "pinned_bytes");
		uint64_t to = places[i];

		EXPECT_EQ(0, vm_slot(self->vm, 1, to, SIZE, self->mem, 0));
		EXPECT_EQ(pinned, vm_stat(self->vm, "pinned_bytes"));
		EXPECT_TRUE(writes(self, to, self->mem));
		EXPECT_TRUE(writes(self, to + SIZE - LEN, self->mem + SIZE - LEN));
		/* the page of the old place that isn't in the new one */
		EXPECT_FALSE(writes(self, to > from ? from : from + SIZE - PAGE,
				    to > from ? self->mem : self->mem + SIZE - PAGE));
		from = to;
	}
}

TEST_F(slots, shrink)
{
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_TRUE(writes(self, GPA + PAGE, self->mem + PAGE));
	must(vm_slot(self->vm, 1, 0, 0, NULL, 0));
	must(vm_slot(self->vm, 1, GPA, PAGE, self->mem, 0));
	EXPECT_TRUE(writes(self, GPA, self->mem));
	EXPECT_FALSE(writes(self, GPA + PAGE, self->mem + PAGE));
}

TEST_F(slots, no_dma)
{
	uint64_t pinned = vm_stat(self->vm, "pinned_bytes");

	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_NO_DMA));
	EXPECT_EQ(pinned, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_FALSE(writes(self, GPA, self->mem));
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_EQ(pinned + SIZE, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_TRUE(writes(self, GPA, self->mem));
	/* the flag, and the place */
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA2, SIZE, self->mem, HV_MEM_NO_DMA));
	EXPECT_EQ(pinned, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_FALSE(writes(self, GPA, self->mem));
	EXPECT_FALSE(writes(self, GPA2, self->mem));
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_TRUE(writes(self, GPA, self->mem));
	EXPECT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_EQ(pinned, vm_stat(self->vm, "pinned_bytes"));
}

/* The memory of a slot that has no memory, or none that can be written: nothing changes. */
TEST_F(slots, without_memory)
{
	uint64_t pinned = vm_stat(self->vm, "pinned_bytes");

	must(mprotect(self->mem + PAGE, PAGE, PROT_NONE) ? -errno : 0);
	EXPECT_EQ(-EFAULT, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_EQ(-EFAULT, vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(pinned, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_NO_DMA));
	EXPECT_EQ(-EFAULT, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_EQ(pinned, vm_stat(self->vm, "pinned_bytes"));
	must(mprotect(self->mem + PAGE, PAGE, PROT_READ) ? -errno : 0);
	EXPECT_EQ(-EFAULT, vm_slot(self->vm, 2, GPA2, SIZE, self->mem, 0));
	EXPECT_EQ(0, vm_slot(self->vm, 2, GPA2, SIZE, self->mem, HV_MEM_READONLY));
	EXPECT_EQ(pinned + SIZE, vm_stat(self->vm, "pinned_bytes"));
	must(mprotect(self->mem, SIZE, PROT_READ | PROT_WRITE) ? -errno : 0);
}

static bool all_set(const uint64_t *bitmap)
{
	return *bitmap == (1UL << NPAGES) - 1;
}

TEST_F(slots, dirty_log)
{
	uint64_t bitmap;
	struct hv_dirty_log log = { .slot = 1, .dirty_bitmap = (uintptr_t)&bitmap };
	unsigned int i;

	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
	for (i = 0; i < 3; i++) {
		bitmap = 0;
		EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
		EXPECT_TRUE(all_set(&bitmap));
	}
	/* A slot that devices can't reach has the log of the vCPUs only. */
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES | HV_MEM_NO_DMA));
	bitmap = 0;
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_TRUE(all_set(&bitmap));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_EQ(0, bitmap);
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
	/* What it wrote before it went is not forgotten. */
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_TRUE(all_set(&bitmap));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_EQ(0, bitmap);
}

TEST_F(slots, dirty_log_manual)
{
	uint64_t bitmap = 0;
	struct hv_dirty_log log = { .slot = 1, .dirty_bitmap = (uintptr_t)&bitmap };
	struct hv_clear_dirty_log clear = { .slot = 1, .num_pages = NPAGES,
					    .dirty_bitmap = (uintptr_t)&bitmap };
	struct hv_enable_cap cap = { .cap = HV_CAP_MANUAL_DIRTY_LOG_PROTECT2,
				     .args[0] = HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE };

	must(hv_ioctl(self->vm->fd, HV_ENABLE_CAP, &cap));
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_TRUE(all_set(&bitmap));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_CLEAR_DIRTY_LOG, &clear));
	bitmap = 0;
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_TRUE(all_set(&bitmap));
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
	bitmap = 0;
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_TRUE(all_set(&bitmap));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_CLEAR_DIRTY_LOG, &clear));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_EQ(0, bitmap);
}

/* A slot goes, or moves, at any moment of a transfer. What is written then has come before. */
TEST_F(slots, deleted_under_dma)
{
	unsigned int i, seen = 0;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t size = SIZE - i % NPAGES * PAGE;
		bool move = i & 1;

		must(vm_slot(self->vm, 1, GPA, size, self->mem, 0));
		memset(self->vm->ram, 0xa0 + i, LEN);
		edu_copy(self->edu, false, 0, LEN);
		memset(self->mem, 0, SIZE);
		edu_start(self->edu, true, GPA, LEN);
		sleep_us(i * 150000UL / ROUNDS);
		must(vm_slot(self->vm, 1, move ? GPA2 : 0, move ? size : 0,
			     move ? self->mem : NULL, 0));
		seen += self->mem[0] != 0;
		memset(self->mem, 0x11, SIZE);
		edu_wait(self->edu);
		EXPECT_EQ(0x11, self->mem[0]);
		EXPECT_EQ(0, memcmp(self->mem, self->mem + 1, SIZE - 1));
		if (move)
			must(vm_slot(self->vm, 1, 0, 0, NULL, 0));
	}
	TH_LOG("%u of %u transfers were done before", seen, ROUNDS);
	EXPECT_EQ(GUEST_RAM_SIZE, vm_stat(self->vm, "pinned_bytes"));
}

static long locked_kib(void)
{
	return file_number("/proc/self/status", "VmLck:");
}

static void set_ipc_lock(bool on)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	must(syscall(SYS_capget, &h, d) ? -errno : 0);
	if (on)
		d[0].effective |= 1U << CAP_IPC_LOCK;
	else
		d[0].effective &= ~(1U << CAP_IPC_LOCK);
	must(syscall(SYS_capset, &h, d) ? -errno : 0);
}

/* Locked memory is counted, and limited for those who may not lock as much as they like. */
TEST_F(slots, locked_memory)
{
	struct rlimit old, low = { .rlim_cur = GUEST_RAM_SIZE + SIZE / 2,
				   .rlim_max = RLIM_INFINITY };
	long before = locked_kib();
	struct hv_assign_device a;

	EXPECT_EQ((long)(GUEST_RAM_SIZE / 1024), before);
	must(getrlimit(RLIMIT_MEMLOCK, &old) ? -errno : 0);
	must(setrlimit(RLIMIT_MEMLOCK, &low) ? -errno : 0);
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_EQ(before + (long)(SIZE / 1024), locked_kib());
	EXPECT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_EQ(before, locked_kib());

	set_ipc_lock(false);
	EXPECT_EQ(-ENOMEM, vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	EXPECT_EQ(before, locked_kib());
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, SIZE / 2, self->mem, 0));
	EXPECT_EQ(0, edu_deassign(self->vm, self->edu));
	EXPECT_EQ(0, locked_kib());
	EXPECT_EQ(0, vm_slot(self->vm, 2, GPA2, PAGE, self->mem, 0));
	EXPECT_EQ(-ENOMEM, edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, &a));
	EXPECT_EQ(HV_ASSIGN_REASON_MEMLOCK, a.reason);
	EXPECT_NE(NULL, strstr(a.message, "RLIMIT_MEMLOCK"));
	EXPECT_EQ(0, locked_kib());
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
	set_ipc_lock(true);
	EXPECT_EQ(0, edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	must(setrlimit(RLIMIT_MEMLOCK, &old) ? -errno : 0);
}

TEST_HARNESS_MAIN
