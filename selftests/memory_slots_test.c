// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_SET_USER_MEMORY_REGION: what is accepted and what isn't, and what the
 * guest sees after a slot was added, changed, moved or deleted.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x10000000UL

FIXTURE(slots)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *a;
	uint8_t *b;
	uint8_t bits;
};

FIXTURE_SETUP(slots)
{
	struct hv_cpuid2 *cpuid;
	struct hv_cpuid_entry2 *e;

	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->a = ram_alloc(64 * PAGE);
	self->b = ram_alloc(64 * PAGE);
	cpuid = supported_cpuid(self->vm);
	e = cpuid_entry(cpuid, 0x80000008, 0);
	/* The width of what can be mapped; where it isn't told, that of the processor */
	self->bits = e && e->eax >> 16 & 0xff ? e->eax >> 16 : e ? e->eax : 36;
	free(cpuid);
}

FIXTURE_TEARDOWN(slots)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/* What the guest reads: the value, or ~0 if it was MMIO. */
static uint64_t guest_load(struct vcpu *vcpu, uint64_t gpa)
{
	guest_start(vcpu, "load", 1, &gpa);
	if (vcpu_run(vcpu) == HV_EXIT_MMIO) {
		if (vcpu->run->mmio.phys_addr != gpa)
			die("MMIO at %llx", vcpu->run->mmio.phys_addr);
		memset(vcpu->run->mmio.data, 0xff, 8);
	} else if (vcpu->run->io.port == PORT_DONE) {
		return vcpu_regs(vcpu).rax;
	}
	return guest_finish(vcpu);
}

#define MISSING	(~0UL)

TEST_F(slots, misaligned)
{
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA + 1, PAGE, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA + 0x800, PAGE, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE + 1, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, 0x800, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, self->a + 1, 0));
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA));
}

TEST_F(slots, wrap_and_limits)
{
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, -PAGE, 2 * PAGE, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, 0x8000000000000000, 0x8000000000000000,
				   self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, -PAGE, self->a, 0));
	/* Userspace memory that wraps, or isn't userspace's. */
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, 2 * PAGE, (void *)-PAGE, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, (void *)0xffff888000000000, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, (void *)0x7ffffffff000, 0));
}

TEST_F(slots, slot_numbers)
{
	long max = check_cap(self->vm->fd, HV_CAP_NR_MEMSLOTS);

	EXPECT_EQ(0, vm_slot(self->vm, max - 1, GPA, PAGE, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, max, GPA + PAGE, PAGE, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 0xffff, GPA + PAGE, PAGE, self->a, 0));
	/* Bits 31:16 are the address space. */
	if (check_cap(self->vm->fd, HV_CAP_MULTI_ADDRESS_SPACE) <= 1)
		EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1 | 1 << 16, GPA + PAGE, PAGE,
					   self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1 | 7 << 16, GPA + PAGE, PAGE, self->a, 0));
}

TEST_F(slots, flags)
{
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, self->a, 1U << 30));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, self->a, 1U << 15));
	if (!check_cap(self->vm->fd, HV_CAP_READONLY_MEM))
		EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, self->a, HV_MEM_READONLY));
	if (!check_cap(self->vm->fd, HV_CAP_ASSIGN_DEVICE))
		EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, self->a, HV_MEM_NO_DMA));
}

TEST_F(slots, overlap)
{
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, 4 * PAGE, self->a, 0));
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 2, GPA, PAGE, self->b, 0));
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 2, GPA + 3 * PAGE, PAGE, self->b, 0));
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 2, GPA - PAGE, 2 * PAGE, self->b, 0));
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 2, GPA + PAGE, PAGE, self->b, 0));
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 2, GPA - PAGE, 6 * PAGE, self->b, 0));
	/* Neighbours are no overlap. */
	EXPECT_EQ(0, vm_slot(self->vm, 2, GPA - PAGE, PAGE, self->b, 0));
	EXPECT_EQ(0, vm_slot(self->vm, 3, GPA + 4 * PAGE, PAGE, self->b, 0));
	/* Moving onto another slot is. */
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 3, GPA + 3 * PAGE, PAGE, self->b, 0));
	/* The same userspace memory twice is allowed. */
	EXPECT_EQ(0, vm_slot(self->vm, 4, GPA + 16 * PAGE, 4 * PAGE, self->a, 0));
	*(uint64_t *)self->a = 0xabcd;
	EXPECT_EQ(0xabcd, guest_load(self->vcpu, GPA));
	EXPECT_EQ(0xabcd, guest_load(self->vcpu, GPA + 16 * PAGE));
}

TEST_F(slots, changes)
{
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, 4 * PAGE, self->a, 0));
	/* The same again is no change. */
	EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, 4 * PAGE, self->a, 0));
	/* Size and memory can't be changed. */
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, 5 * PAGE, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, 3 * PAGE, self->a, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, 4 * PAGE, self->b, 0));
	/* A slot that isn't there can't be deleted. */
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, GPA, 0, self->a, 0));
	EXPECT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, 0, 0, NULL, 0));
}

TEST_F(slots, add_and_delete)
{
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA));
	*(uint64_t *)self->a = 0x1234;
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->a, 0));
	EXPECT_EQ(0x1234, guest_load(self->vcpu, GPA));
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA + PAGE));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA));
	/* Other memory at the same place: nothing of the old is seen. */
	*(uint64_t *)self->b = 0x5678;
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->b, 0));
	EXPECT_EQ(0x5678, guest_load(self->vcpu, GPA));
	guest_call(self->vcpu, "store", GPA, 0x9999);
	EXPECT_EQ(0x9999, *(uint64_t *)self->b);
	EXPECT_EQ(0x1234, *(uint64_t *)self->a);
}

TEST_F(slots, move)
{
	*(uint64_t *)self->a = 0x1234;
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, 2 * PAGE, self->a, 0));
	EXPECT_EQ(0x1234, guest_load(self->vcpu, GPA));
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA + 8 * PAGE, 2 * PAGE, self->a, 0));
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA));
	EXPECT_EQ(0x1234, guest_load(self->vcpu, GPA + 8 * PAGE));
	/* Onto a part of itself. */
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA + 9 * PAGE, 2 * PAGE, self->a, 0));
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA + 8 * PAGE));
	EXPECT_EQ(0x1234, guest_load(self->vcpu, GPA + 9 * PAGE));
}

TEST_F(slots, resize)
{
	*(uint64_t *)self->a = 1;
	*(uint64_t *)(self->a + PAGE) = 2;
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->a, 0));
	EXPECT_EQ(1, guest_load(self->vcpu, GPA));
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA + PAGE));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, 2 * PAGE, self->a, 0));
	EXPECT_EQ(1, guest_load(self->vcpu, GPA));
	EXPECT_EQ(2, guest_load(self->vcpu, GPA + PAGE));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->a, 0));
	EXPECT_EQ(1, guest_load(self->vcpu, GPA));
	EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA + PAGE));
}

/* Slots of one page in any order, with gaps: each is found. */
TEST_F(slots, many)
{
	const unsigned int n = 30;
	unsigned int i;

	for (i = 0; i < n; i++) {
		unsigned int k = i * 7 % n;

		*(uint64_t *)(self->a + k * PAGE) = 0x100 + k;
		ASSERT_EQ(0, vm_slot(self->vm, 1 + i, GPA + 2 * k * PAGE, PAGE,
				     self->a + k * PAGE, 0));
	}
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0x100 + i, guest_load(self->vcpu, GPA + 2 * i * PAGE));
		EXPECT_EQ(MISSING, guest_load(self->vcpu, GPA + (2 * i + 1) * PAGE));
	}
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(0, vm_slot(self->vm, 1 + i, 0, 0, NULL, 0));
	for (i = 0; i < n; i++)
		EXPECT_EQ(i % 2 ? 0x100 + i * 7 % n : MISSING,
			  guest_load(self->vcpu, GPA + 2 * (i * 7 % n) * PAGE));
}

static uint64_t tsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (uint64_t)high << 32 | low;
}

/*
 * Thousands of slots, if HV_CAP_NR_MEMSLOTS allows, in an order that always inserts in the middle;
 * each is found, what is between them isn't. Every second one has the same memory, whose end the
 * guest sees in all of them.
 */
TEST_F_TIMEOUT(slots, thousands, 240)
{
	long max = check_cap(self->vm->fd, HV_CAP_NR_MEMSLOTS), n = max - 1, i, at;
	uint64_t start, first = 0, last = 0;

	if (n > 4000)
		n = 4000;
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, max, GPA, PAGE, self->a, 0));
	EXPECT_EQ(0, vm_slot(self->vm, max - 1, GPA, PAGE, self->a, 0));
	EXPECT_EQ(0, vm_slot(self->vm, max - 1, 0, 0, NULL, 0));
	*(uint64_t *)self->a = 0x77;
	*(uint64_t *)(self->a + PAGE) = 0x78;
	for (i = 0; i < n; i++) {
		at = i * 211 % n;
		start = tsc();
		ASSERT_EQ(0, vm_slot(self->vm, 1 + i, GPA + 2 * at * PAGE, PAGE,
				     self->a + (at & 1) * PAGE, 0));
		if (i < 100)
			first += tsc() - start;
		if (i >= n - 100)
			last += tsc() - start;
	}
	for (i = 0; i < n; i += i < 200 || i > n - 200 ? 1 : 97)
		ASSERT_EQ(0x77 + (i & 1), guest_load(self->vcpu, GPA + 2 * i * PAGE)) {
			TH_LOG("%ld", i);
		}
	for (i = 0; i < n; i += 997)
		ASSERT_EQ(MISSING, guest_load(self->vcpu, GPA + (2 * i + 1) * PAGE));
	/* The memory changes: every slot that has it shows that. */
	ASSERT_EQ(0, madvise(self->a, PAGE, MADV_DONTNEED));
	for (i = 0; i < n; i += i < 200 || i > n - 200 ? 1 : 97)
		ASSERT_EQ(i & 1 ? 0x78 : 0, guest_load(self->vcpu, GPA + 2 * i * PAGE)) {
			TH_LOG("%ld", i);
		}
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(0, vm_slot(self->vm, 1 + i, 0, 0, NULL, 0));
	for (i = 0; i < n; i += 97) {
		at = i * 211 % n;
		ASSERT_EQ(i & 1 ? (at & 1 ? 0x78 : 0) : MISSING,
			  guest_load(self->vcpu, GPA + 2 * at * PAGE)) {
			TH_LOG("%ld", i);
		}
	}
	TH_LOG("cycles to add one of the first 100 slots: %lu, of the last 100: %lu",
	       (unsigned long)first / 100, (unsigned long)last / 100);
}

TEST_F(slots, high_addresses)
{
	uint64_t *pml4 = (uint64_t *)(self->vm->ram + GUEST_PML4);
	uint64_t *pdpt = (uint64_t *)(self->vm->ram + GUEST_FREE);
	uint64_t *pd = (uint64_t *)(self->vm->ram + GUEST_FREE + PAGE);
	uint64_t gpa = 1UL << (self->bits - 1), top = 1UL << self->bits;
	uint64_t va = 1UL << 39;

	if (check_cap(self->vm->fd, HV_CAP_VM_GPA_BITS))
		EXPECT_EQ(self->bits, check_cap(self->vm->fd, HV_CAP_VM_GPA_BITS));
	/* The last page that can be addressed, and one beyond. */
	if (!device_is_kvm())
		EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, top, PAGE, self->b, 0));
	EXPECT_EQ(0, vm_slot(self->vm, 2, top - PAGE, PAGE, self->b, 0));
	ASSERT_EQ(0, vm_slot(self->vm, 1, gpa, PAGE, self->a, 0));
	pml4[1] = GUEST_FREE | 7;
	pdpt[0] = (GUEST_FREE + PAGE) | 7;
	pd[0] = gpa | 0xe7;
	pd[1] = (top - 0x200000) | 0xe7;
	*(uint64_t *)self->a = 0x600d;
	*(uint64_t *)(self->b + PAGE - 8) = 0x1a57;
	EXPECT_EQ(0x600d, guest_call(self->vcpu, "load", va));
	EXPECT_EQ(0x1a57, guest_call(self->vcpu, "load", va + 0x400000 - 8));
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
}

TEST_F(slots, read_only)
{
	uint64_t args[2] = { GPA, 0x5555 };

	if (!check_cap(self->vm->fd, HV_CAP_READONLY_MEM))
		SKIP(return, "no read-only memory");
	*(uint64_t *)self->a = 0x1234;
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->a, HV_MEM_READONLY));
	EXPECT_EQ(0x1234, guest_load(self->vcpu, GPA));
	guest_start(self->vcpu, "store", 2, args);
	ASSERT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	EXPECT_EQ(1, self->vcpu->run->mmio.is_write);
	EXPECT_EQ(GPA, self->vcpu->run->mmio.phys_addr);
	EXPECT_EQ(0x5555, *(uint64_t *)self->vcpu->run->mmio.data);
	guest_finish(self->vcpu);
	EXPECT_EQ(0x1234, *(uint64_t *)self->a);
	/* READONLY can't be changed. */
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, GPA, PAGE, self->a, 0));
	/* The VMM's own writes are seen. */
	*(uint64_t *)self->a = 0x4321;
	EXPECT_EQ(0x4321, guest_load(self->vcpu, GPA));
}

/* Code runs from read-only memory: firmware does. */
TEST_F(slots, read_only_code)
{
	static const uint8_t code[] = { 0xb8, 0x34, 0x12, 0, 0, 0xc3 };	/* mov, ret */

	if (!check_cap(self->vm->fd, HV_CAP_READONLY_MEM))
		SKIP(return, "no read-only memory");
	memcpy(self->a, code, sizeof(code));
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->a, HV_MEM_READONLY));
	EXPECT_EQ(0x1234, guest_call(self->vcpu, "jump", GPA));
	/* Memory that the VMM itself can only read. */
	ASSERT_EQ(0, mprotect(self->a, PAGE, PROT_READ));
	EXPECT_EQ(0x1234, guest_call(self->vcpu, "jump", GPA));
}

/* Slots come and go while the guest reads them: data or MMIO, nothing else. */
TEST_F(slots, flip_under_running_guest)
{
	struct hv_run *run = self->vcpu->run;
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	struct runner r;
	unsigned int i;

	*(uint64_t *)self->a = 0xa;
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->a, 0));
	guest_start(self->vcpu, "poll", 1, (uint64_t[]){ GPA });
	for (i = 0; i < 20; i++) {
		uint64_t before = *counter;

		runner_start(&r, self->vcpu);
		wait_for(*counter != before || r.done);
		EXPECT_EQ(0, vm_slot(self->vm, 1, 0, 0, NULL, 0));
		EXPECT_TRUE(wait_for(r.done));
		EXPECT_EQ(0, r.result);
		EXPECT_EQ(HV_EXIT_MMIO, run->exit_reason);
		EXPECT_EQ(GPA, run->mmio.phys_addr);
		EXPECT_EQ(0, vm_slot(self->vm, 1, GPA, PAGE, self->a, 0));
		runner_join(&r);
	}
}

/* Deleting the memory that the guest executes: no crash, a clean exit. */
TEST_F(slots, delete_code)
{
	struct runner r;

	guest_start(self->vcpu, "count_forever", 0, NULL);
	runner_start(&r, self->vcpu);
	ASSERT_TRUE(wait_for(guest_u64(self->vm, "counter") > 100));
	EXPECT_EQ(0, vm_slot(self->vm, 0, 0, 0, NULL, 0));
	/* KVM on AMD tries for ever to read an instruction that isn't there. */
	if (!wait_at_most(device_is_kvm() && !cpu_is_intel() ? 2000000 : 20000000, r.done))
		EXPECT_TRUE(device_is_kvm() && !cpu_is_intel());
	runner_stop(&r);
	/* ENOSPC: KVM sizes its page-table cache by the slots, and none is left. */
	if (!device_is_kvm())
		EXPECT_EQ(0, r.result);
	if (!r.result)
		EXPECT_TRUE(self->vcpu->run->exit_reason == HV_EXIT_INTERNAL_ERROR ||
			    self->vcpu->run->exit_reason == HV_EXIT_SHUTDOWN ||
			    self->vcpu->run->exit_reason == HV_EXIT_MMIO) {
			TH_LOG("exit %s", exit_name(self->vcpu->run->exit_reason));
		}
	/* The VM isn't dead: memory back, and it runs. */
	EXPECT_EQ(0, vm_slot(self->vm, 0, 0, GUEST_RAM_SIZE, self->vm->ram, 0));
	/* An exception may be in flight, as the page tables went, too. */
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &(struct hv_vcpu_events){}));
	vcpu_long_mode(self->vcpu, NULL);
	EXPECT_EQ(5, guest_call(self->vcpu, "identity", 5));
}

TEST_HARNESS_MAIN
