// SPDX-License-Identifier: GPL-2.0-only
/*
 * --stats: what hvrun has counted, how much memory the guest has touched, and
 * the device's own counters in KVM's binary statistics format.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hvrun.h"

#define PAGE		4096ull

static void print_exits(const struct vm *vm)
{
	uint64_t sum[EXIT_REASONS] = { }, total = 0;
	unsigned int i, reason;
	const char *name;
	char number[32];

	for (i = 0; i < vm->opt->cpus; i++) {
		for (reason = 0; reason < EXIT_REASONS; reason++) {
			sum[reason] += vm->vcpus[i].exits[reason];
			total += vm->vcpus[i].exits[reason];
		}
	}
	fprintf(stderr, "hvrun: exits to userspace: %" PRIu64 "\n", total);
	for (reason = 0; reason < EXIT_REASONS; reason++) {
		if (!sum[reason])
			continue;
		snprintf(number, sizeof(number), "reason %u", reason);
		name = vcpu_exit_name(reason) ?: number;
		fprintf(stderr, "  %-32s %12" PRIu64 "\n", name, sum[reason]);
	}
}

/*
 * How long the vCPUs ran, and how many TSC cycles that was. An emulated processor
 * that counts one cycle per instruction makes instructions of them.
 */
static void print_time(const struct vm *vm)
{
	int tsc_khz = ioctl(vm->vcpus[0].fd, HV_GET_TSC_KHZ, 0);
	uint64_t ns = 0;
	unsigned int i;

	for (i = 0; i < vm->opt->cpus; i++)
		ns += vm->vcpus[i].cpu_ns;
	fprintf(stderr, "hvrun: vCPU time: %" PRIu64 ".%03u s", ns / 1000000000,
		(unsigned int)(ns / 1000000 % 1000));
	if (tsc_khz > 0)
		fprintf(stderr, ", %" PRIu64 " million TSC cycles",
			(uint64_t)((__uint128_t)ns * tsc_khz / 1000000000000));
	fprintf(stderr, "\n");
}

static void print_memory(const struct vm *vm)
{
	uint64_t pages = vm->opt->memory / PAGE, resident = 0, i;
	unsigned char *map = malloc(pages);

	if (!map || mincore(vm->mem, vm->opt->memory, map)) {
		fprintf(stderr, "hvrun: guest memory: %s\n", strerror(errno));
		free(map);
		return;
	}
	for (i = 0; i < pages; i++)
		resident += map[i] & 1;
	fprintf(stderr, "hvrun: guest memory: %" PRIu64 " KiB used of %" PRIu64 " KiB\n",
		(uint64_t)(resident * PAGE / KIB),
		(uint64_t)(vm->opt->memory / KIB));
	free(map);
}

static const char *unit_suffix(uint32_t flags)
{
	switch (flags & HV_STATS_UNIT_MASK) {
	case HV_STATS_UNIT_BYTES:
		return " bytes";
	case HV_STATS_UNIT_SECONDS:
		return " s";
	case HV_STATS_UNIT_CYCLES:
		return " cycles";
	default:
		return "";
	}
}

/* Powers of ten for times and counts, of two for bytes. */
static void print_exponent(const struct hv_stats_desc *desc)
{
	if (desc->exponent)
		fprintf(stderr, " x %s^%d",
			(desc->flags & HV_STATS_BASE_MASK) == HV_STATS_BASE_POW2 ? "2" : "10",
			desc->exponent);
}

/* A counter is one value, a histogram or an array several: those that are not zero. */
static void print_stat(const struct hv_stats_desc *desc, const uint64_t *data)
{
	unsigned int i;

	for (i = 0; i < desc->size; i++) {
		char name[128];

		if (!data[i])
			continue;
		if (desc->size == 1)
			snprintf(name, sizeof(name), "%s", desc->name);
		else
			snprintf(name, sizeof(name), "%s[%u]", desc->name, i);
		fprintf(stderr, "  %-32s %12" PRIu64, name, data[i]);
		print_exponent(desc);
		fprintf(stderr, "%s\n", unit_suffix(desc->flags));
	}
}

static bool read_at(int fd, uint64_t offset, void *to, size_t size)
{
	return pread(fd, to, size, offset) == (ssize_t)size;
}

/* One statistics file: a header, descriptors of equal size, and the values. */
static bool print_stats_file(int fd)
{
	struct hv_stats_header header;
	struct hv_stats_desc *desc;
	size_t desc_size;
	uint64_t *data;
	bool ok = true;
	uint32_t i;

	if (!read_at(fd, 0, &header, sizeof(header)) || header.name_size > 4096)
		return false;
	desc_size = sizeof(*desc) + header.name_size;
	desc = malloc(desc_size + 1);
	if (!desc)
		return false;
	for (i = 0; i < header.num_desc && ok; i++) {
		ok = read_at(fd, header.desc_offset + i * desc_size, desc, desc_size);
		if (!ok)
			break;
		((char *)desc)[desc_size] = '\0';
		data = calloc(desc->size + 1, sizeof(*data));
		ok = data && read_at(fd, header.data_offset + desc->offset, data,
				     desc->size * sizeof(*data));
		if (ok)
			print_stat(desc, data);
		free(data);
	}
	free(desc);
	return ok;
}

static void print_kernel_stats(int parent, const char *what)
{
	int fd = ioctl(parent, HV_GET_STATS_FD, NULL);

	/* a device without statistics is no error */
	if (fd < 0)
		return;
	fprintf(stderr, "hvrun: kernel counters, %s\n", what);
	if (!print_stats_file(fd))
		fprintf(stderr, "  not readable\n");
	close(fd);
}

/**
 * stats_print() - print all statistics on standard error
 * @vm: a VM whose vCPUs have stopped, its descriptors still open
 */
void stats_print(const struct vm *vm)
{
	char what[32];
	unsigned int i;

	print_time(vm);
	print_exits(vm);
	print_memory(vm);
	print_kernel_stats(vm->fd, "VM");
	for (i = 0; i < vm->opt->cpus; i++) {
		snprintf(what, sizeof(what), "vCPU %u", i);
		print_kernel_stats(vm->vcpus[i].fd, what);
	}
}
