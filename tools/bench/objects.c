// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs and vCPUs: making them, and the kernel memory that they take.
 */
#include "bench.h"

/* So many that the pages which each CPU keeps for itself do not matter */
#define VMS		256
#define VCPU_VMS	8
#define VCPUS		60	/* of each of these VMs */
#define GIB_SIZE	(1536UL << 20)

static long bench_vm_create(void)
{
	uint64_t best = UINT64_MAX;
	int sys = device_open();
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t start = rdtsc_ordered();
		int fd = hv_ioctl(sys, HV_CREATE_VM, 0);

		start = rdtsc_ordered() - start;
		must(fd);
		close(fd);
		if (start < best)
			best = start;
	}
	close(sys);
	return best;
}

static long bench_vm_destroy(void)
{
	uint64_t best = UINT64_MAX;
	int sys = device_open();
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = hv_ioctl(sys, HV_CREATE_VM, 0);
		uint64_t start;

		must(fd);
		start = rdtsc_ordered();
		close(fd);
		start = rdtsc_ordered() - start;
		if (start < best)
			best = start;
	}
	close(sys);
	return best;
}

/* A VM that stays keeps the processor's extension on, so that only the VM itself counts. */
static long bench_second_vm(void)
{
	struct vm *first = vm_create(VM_BARE);
	long cycles = bench_vm_create();

	vm_free(first);
	return cycles;
}

static long bench_vcpu_create(void)
{
	struct vm *vm = vm_create(VM_IRQCHIP | VM_BARE);
	uint64_t best = UINT64_MAX;
	int fd[ROUNDS];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t start = rdtsc_ordered();

		fd[i] = hv_ioctl(vm->fd, HV_CREATE_VCPU, i);
		start = rdtsc_ordered() - start;
		must(fd[i]);
		if (start < best)
			best = start;
	}
	for (i = 0; i < ROUNDS; i++)
		close(fd[i]);
	vm_free(vm);
	return best;
}

/*
 * KiB of memory that nobody uses. Pages that a CPU keeps for its next allocations are not
 * in MemFree, and may be thousands: they are counted in zoneinfo.
 */
static long mem_free_now(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	long pages = 0, n;
	char line[128];

	if (!file)
		die("/proc/zoneinfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_free_pages %ld", &n) == 1 || sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	fclose(file);
	return pages * (PAGE / 1024);
}

/* What the kernel frees after an RCU grace period is waited for. */
static long mem_free(void)
{
	unsigned int same = 0, tries;
	long kib = 0;

	for (tries = 0; same < 3 && tries < 100; tries++) {
		long now = mem_free_now();

		same = now == kib ? same + 1 : 0;
		kib = now;
		usleep(20000);
	}
	return kib;
}

static long memory_per_vm(void)
{
	int sys = device_open(), fd[VMS];
	long before, used;
	unsigned int i;

	/* The first one may fill caches that stay. */
	fd[0] = hv_ioctl(sys, HV_CREATE_VM, 0);
	must(fd[0]);
	before = mem_free();
	for (i = 1; i < VMS; i++) {
		fd[i] = hv_ioctl(sys, HV_CREATE_VM, 0);
		must(fd[i]);
	}
	used = before - mem_free();
	for (i = 0; i < VMS; i++)
		close(fd[i]);
	close(sys);
	return used / (VMS - 1);
}

static long memory_per_vcpu(void)
{
	struct vm *vm[VCPU_VMS];
	int fd[VCPU_VMS][VCPUS];
	long before, used;
	unsigned int i, j;

	for (i = 0; i < VCPU_VMS; i++)
		vm[i] = vm_create(VM_IRQCHIP | VM_BARE);
	before = mem_free();
	for (i = 0; i < VCPU_VMS; i++)
		for (j = 0; j < VCPUS; j++) {
			fd[i][j] = hv_ioctl(vm[i]->fd, HV_CREATE_VCPU, j);
			must(fd[i][j]);
		}
	used = before - mem_free();
	for (i = 0; i < VCPU_VMS; i++) {
		for (j = 0; j < VCPUS; j++)
			close(fd[i][j]);
		vm_free(vm[i]);
	}
	return used / (VCPU_VMS * VCPUS);
}

/* Tables of a guest that has touched a page in each 2 MiB, for a GiB */
static long memory_per_gib(void)
{
	const size_t stride = 2UL << 20;
	struct guest guest = guest_new(VM_IRQCHIP);
	uint8_t *mem = ram_alloc(GIB_SIZE);
	long before, used;
	size_t i;

	madvise(mem, GIB_SIZE, MADV_NOHUGEPAGE);
	for (i = 0; i < GIB_SIZE; i += stride)
		*(volatile uint8_t *)(mem + i) = 1;
	before = mem_free();
	must(vm_slot(guest.vm, 1, BENCH_MEMORY, GIB_SIZE, mem, 0));
	guest_timed(guest.vcpu, "bench_touch", GIB_SIZE / stride, BENCH_MEMORY, stride);
	used = before - mem_free();
	guest_free(&guest);
	munmap(mem, GIB_SIZE);
	return used * 2 / 3;
}

const struct benchmark object_benchmarks[] = {
	{ "first VM created", "cycles", bench_vm_create },
	{ "last VM destroyed", "cycles", bench_vm_destroy },
	{ "another VM created", "cycles", bench_second_vm },
	{ "vCPU created", "cycles", bench_vcpu_create },
	{ "kernel memory of a VM", "KiB", memory_per_vm },
	{ "kernel memory of a vCPU", "KiB", memory_per_vcpu },
	{ "kernel memory for a GiB, 4 KiB pages", "KiB", memory_per_gib },
	{ NULL, NULL, NULL }
};
