// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: second-stage faults, slots, the dirty log.
 */
#include "bench.h"

#define PAGES		32	/* touched in a round */
#define LARGE		(2UL << 20)
#define LOG_SIZE	(256UL << 20)
#define LOG_PAGES	(LOG_SIZE / PAGE)
#define LOG_STRIDE	(100 * PAGE)	/* one percent of the pages */

/* Memory of a slot, aligned so that a large page fits */
static void *aligned_memory(size_t size, int advice)
{
	uint8_t *mem = ram_alloc(size + LARGE);
	uint8_t *start = (uint8_t *)(((uintptr_t)mem + LARGE - 1) & ~(LARGE - 1));

	madvise(start, size, advice);
	return start;
}

/* One byte in each page, so that the host has it */
static void populate(uint8_t *mem, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += PAGE)
		*(volatile uint8_t *)(mem + i) = 1;
}

/* Cycles a fault: rounds touch new memory, the least counts. */
static long fault_cost(size_t stride, unsigned int count, bool present, int advice)
{
	size_t size = stride * count * ROUNDS;
	struct guest guest = guest_new(VM_IRQCHIP);
	uint8_t *mem = aligned_memory(size, advice);
	uint64_t best = UINT64_MAX;
	unsigned int i;

	if (present)
		populate(mem, size);
	must(vm_slot(guest.vm, 1, BENCH_MEMORY, size, mem, 0));
	for (i = 0; i < ROUNDS; i++) {
		uint64_t cycles = guest_timed(guest.vcpu, "bench_touch", count,
					      BENCH_MEMORY + i * stride * count, stride);

		if (cycles < best)
			best = cycles;
	}
	guest_free(&guest);
	munmap(mem, size);
	return best / count;
}

static long bench_fault(void)
{
	return fault_cost(PAGE, PAGES, true, MADV_NOHUGEPAGE);
}

static long bench_fault_absent(void)
{
	return fault_cost(PAGE, PAGES, false, MADV_NOHUGEPAGE);
}

static long bench_fault_large(void)
{
	return fault_cost(LARGE, 2, true, MADV_HUGEPAGE);
}

static long bench_slot_add(void)
{
	struct guest guest = guest_new(VM_IRQCHIP);
	void *mem = aligned_memory(LARGE, MADV_NOHUGEPAGE);
	uint64_t best = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t start = rdtsc_ordered();

		must(vm_slot(guest.vm, 1, BENCH_MEMORY, LARGE, mem, 0));
		start = rdtsc_ordered() - start;
		if (start < best)
			best = start;
		must(vm_slot(guest.vm, 1, BENCH_MEMORY, 0, mem, 0));
	}
	guest_free(&guest);
	munmap(mem, LARGE);
	return best;
}

static long bench_slot_delete(void)
{
	struct guest guest = guest_new(VM_IRQCHIP);
	void *mem = aligned_memory(LARGE, MADV_NOHUGEPAGE);
	uint64_t best = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t start;

		must(vm_slot(guest.vm, 1, BENCH_MEMORY, LARGE, mem, 0));
		start = rdtsc_ordered();
		must(vm_slot(guest.vm, 1, BENCH_MEMORY, 0, mem, 0));
		start = rdtsc_ordered() - start;
		if (start < best)
			best = start;
	}
	guest_free(&guest);
	munmap(mem, LARGE);
	return best;
}

/* The guest writes one percent of 256 MiB, the VMM collects and clears the log. */
static long dirty_rounds(struct guest *guest)
{
	void *bitmap = ram_alloc(LOG_PAGES / 8);
	struct hv_dirty_log log = { .slot = 1, .dirty_bitmap = (uintptr_t)bitmap };
	uint64_t best = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		uint64_t start = rdtsc_ordered();

		guest_timed(guest->vcpu, "bench_touch", LOG_SIZE / LOG_STRIDE, BENCH_MEMORY,
			    LOG_STRIDE);
		must(hv_ioctl(guest->vm->fd, HV_GET_DIRTY_LOG, &log));
		start = rdtsc_ordered() - start;
		/* The first round also maps what it touches. */
		if (i && start < best)
			best = start;
	}
	munmap(bitmap, LOG_PAGES / 8);
	return best;
}

static long bench_dirty(void)
{
	struct guest guest = guest_new(VM_IRQCHIP);
	uint8_t *mem = aligned_memory(LOG_SIZE, MADV_NOHUGEPAGE);
	long result = UNAVAILABLE;

	if (!vm_slot(guest.vm, 1, BENCH_MEMORY, LOG_SIZE, mem, HV_MEM_LOG_DIRTY_PAGES))
		result = dirty_rounds(&guest);
	guest_free(&guest);
	munmap(mem, LOG_SIZE);
	return result;
}

const struct benchmark memory_benchmarks[] = {
	{ "second-stage fault, 4 KiB, page present", "cycles", bench_fault },
	{ "second-stage fault, 4 KiB, page absent", "cycles", bench_fault_absent },
	{ "second-stage fault, 2 MiB, page present", "cycles", bench_fault_large },
	{ "slot added", "cycles", bench_slot_add },
	{ "slot deleted", "cycles", bench_slot_delete },
	{ "dirty round, 1 percent of 256 MiB", "cycles", bench_dirty },
	{ NULL, NULL, NULL }
};
