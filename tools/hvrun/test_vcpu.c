// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU is told by CPUID, and what is said of it at the end. TAP.
 *
 * Linked with hvrun's sources and the fake device, with ASan and UBSan.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hvrun.h"

#define LEVELS	3

static union {
	struct hv_cpuid2 head;
	uint8_t room[16384];
} told;
/* What the fake device was given last */
struct hv_cpuid2 *fake_cpuid = &told.head;

static struct vm vm;
static struct options opt = { .memory = 4 * MIB, .device = "/dev/fake" };
static unsigned int count, failed;

static void report(bool good, const char *name)
{
	printf("%s %u %s\n", good ? "ok" : "not ok", ++count, name);
	failed += !good;
}

/* Leaf 4's EAX of a level; the fake device's caches have a level each */
static uint32_t cache(unsigned int level)
{
	unsigned int i;

	for (i = 0; i < told.head.nent; i++) {
		if (told.head.entries[i].function == 4 &&
		    told.head.entries[i].index == level - 1)
			return told.head.entries[i].eax;
	}
	return 0;
}

/* Threads that share a level, or cores of the package (SDM 2A, CPUID leaf 4) */
static unsigned int sharing(unsigned int level)
{
	return (cache(level) >> 14 & 0xfff) + 1;
}

static unsigned int cores(unsigned int level)
{
	return (cache(level) >> 26) + 1;
}

static void test_caches(void)
{
	static const struct {
		unsigned int cpus, cores;
	} sizes[] = { { 1, 1 }, { 2, 2 }, { 3, 4 }, { 64, 64 } };
	unsigned int level;
	char name[64];
	bool good;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		opt.cpus = sizes[i].cpus;
		vm.vcpus[opt.cpus - 1].vm = &vm;
		vm.vcpus[opt.cpus - 1].id = opt.cpus - 1;
		cpuid_set(&vm.vcpus[opt.cpus - 1]);
		good = sharing(1) == 1 && sharing(2) == 1 && sharing(3) == 16;
		for (level = 1; level <= LEVELS; level++)
			good = good && (cache(level) >> 5 & 7) == level &&
			       cores(level) == sizes[i].cores;
		snprintf(name, sizeof(name), "caches of %u CPUs: a core has its own", opt.cpus);
		report(good && !cache(LEVELS + 1), name);
	}
}

/* What print says on standard error */
static const char *captured(void (*print)(const struct vm *vm))
{
	static char text[8192];
	int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", MFD_CLOEXEC);
	ssize_t size;

	dup2(fd, STDERR_FILENO);
	print(&vm);
	dup2(saved, STDERR_FILENO);
	size = pread(fd, text, sizeof(text) - 1, 0);
	text[size < 0 ? 0 : size] = '\0';
	close(saved);
	close(fd);
	return text;
}

static bool time_is(uint64_t ns, const char *line)
{
	vm.vcpus[0].cpu_ns = ns;
	return strstr(captured(stats_print), line);
}

/* The fake device's TSC has 2.5 GHz. */
static void test_times(void)
{
	opt.cpus = 1;
	report(time_is(3456789, "vCPU time: 0.003 s, 8 million TSC cycles\n"),
	       "statistics of a few milliseconds");
	report(time_is(10000000000000000, "vCPU time: 10000000.000 s, 25000000000 million TSC"),
	       "statistics of 64 CPUs and two days");
}

int main(void)
{
	printf("TAP version 13\n");
	vm_init(&vm, &opt);
	vm_create(&vm);
	test_caches();
	test_times();
	printf("1..%u\n", count);
	return failed != 0;
}
