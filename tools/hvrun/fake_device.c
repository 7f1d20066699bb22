// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device with the KVM ABI that runs no guest, for tests of hvrun where there
 * is no device: linked into hvrun-test, which calls these wrappers instead of
 * open() and ioctl(). What it does wrong is in the environment:
 *
 *	FAKE_FAIL=CALL:ERRNO	that call fails (a name of the table below)
 *	FAKE_CAP=N		capability N is absent
 *	FAKE_VERSION=N		API version
 *	FAKE_EXIT=N		exit reason of each HV_RUN; a run without one waits
 *	FAKE_SUBERROR=N		suberror of an internal error
 *	FAKE_OUT=PORT:BYTE	HV_RUN writes BYTE to PORT instead
 *
 * When fake_wire is there, a tap interface is a socket whose other end that is. When
 * fake_cpuid is there, it gets what HV_SET_CPUID2 sets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_tun.h>

#include "hvrun.h"

#define FAKE_PATH	"/dev/fake"
#define TUN_PATH	"/dev/net/tun"
#define RUN_SIZE	(3 * 4096)
#define FAKE_CPUS	8

int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long call, ...);
int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long call, ...);

extern int *fake_wire __attribute__((weak));
extern struct hv_cpuid2 *fake_cpuid __attribute__((weak));
static int fake_fd = -1, tap_fd = -1;
static unsigned int nr_vcpus;
static struct {
	int fd;
	struct hv_run *run;
} vcpus[FAKE_CPUS];

static const struct {
	const char *name;
	unsigned long call;
} calls[] = {
	{ "version",	HV_GET_API_VERSION },
	{ "createvm",	HV_CREATE_VM },
	{ "irqchip",	HV_CREATE_IRQCHIP },
	{ "irqfd",	HV_IRQFD },
	{ "ioeventfd",	HV_IOEVENTFD },
	{ "offload",	TUNSETOFFLOAD },
	{ "cpuid",	HV_GET_SUPPORTED_CPUID },
	{ "memory",	HV_SET_USER_MEMORY_REGION },
	{ "vcpu",	HV_CREATE_VCPU },
	{ "setcpuid",	HV_SET_CPUID2 },
	{ "lapic",	HV_GET_LAPIC },
	{ "sregs",	HV_SET_SREGS },
	{ "regs",	HV_SET_REGS },
	{ "run",	HV_RUN },
};

static long env(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value ? strtol(value, NULL, 0) : otherwise;
}

static int open_wire(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
		return -1;
	*fake_wire = fds[1];
	tap_fd = fds[0];
	return tap_fd;
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	if (&fake_wire && !strcmp(path, TUN_PATH))
		return open_wire();
	if (strcmp(path, FAKE_PATH))
		return __real_open(path, flags, mode);
	fake_fd = __real_open("/dev/null", flags);
	return fake_fd;
}

static bool shall_fail(unsigned long call)
{
	const char *value = getenv("FAKE_FAIL");
	size_t i, length;

	for (i = 0; value && i < ARRAY_SIZE(calls); i++) {
		length = strlen(calls[i].name);
		if (calls[i].call == call && !strncmp(value, calls[i].name, length) &&
		    value[length] == ':') {
			errno = atoi(value + length + 1);
			return true;
		}
	}
	return false;
}

static int create_vcpu(void)
{
	int fd = memfd_create("run page", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, RUN_SIZE))
		return -1;
	vcpus[nr_vcpus].fd = fd;
	vcpus[nr_vcpus++].run = mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return fd;
}

static struct hv_run *run_page(int fd)
{
	unsigned int i = 0;

	while (vcpus[i].fd != fd)
		i++;
	return vcpus[i].run;
}

static int supported_cpuid(struct hv_cpuid2 *cpuid)
{
	/* cache type and level, threads that share it minus one, cores minus one */
	static const uint32_t caches[] = {
		1 | 1 << 5 | 1 << 14 | 7u << 26, 3 | 2 << 5 | 1 << 14 | 7u << 26,
		3 | 3 << 5 | 15 << 14 | 7u << 26, 0,
	};
	uint32_t i;

	cpuid->nent = 3 + ARRAY_SIZE(caches);
	cpuid->entries[0] = (struct hv_cpuid_entry2) {
		.function = 0, .eax = 0xd, .ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e,
	};
	cpuid->entries[1] = (struct hv_cpuid_entry2) { .function = 1 };
	cpuid->entries[2] = (struct hv_cpuid_entry2) { .function = 0x80000008, .eax = 39 };
	for (i = 0; i < ARRAY_SIZE(caches); i++)
		cpuid->entries[3 + i] = (struct hv_cpuid_entry2) {
			.function = 4, .index = i, .flags = HV_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = caches[i],
		};
	return 0;
}

static int set_cpuid(const struct hv_cpuid2 *cpuid)
{
	if (&fake_cpuid)
		memcpy(fake_cpuid, cpuid, sizeof(*cpuid) + cpuid->nent * sizeof(*cpuid->entries));
	return 0;
}

static int run_vcpu(struct hv_run *run)
{
	unsigned int port, byte;
	const char *out = getenv("FAKE_OUT");

	if (out && sscanf(out, "%x:%x", &port, &byte) == 2) {
		run->exit_reason = HV_EXIT_IO;
		run->io.direction = HV_EXIT_IO_OUT;
		run->io.size = 1;
		run->io.count = 1;
		run->io.port = port;
		run->io.data_offset = 4096;
		((uint8_t *)run)[4096] = byte;
		return 0;
	}
	if (!getenv("FAKE_EXIT")) {
		/* a guest that halts: until the kick */
		while (!run->immediate_exit)
			usleep(10000);
		errno = EINTR;
		return -1;
	}
	run->exit_reason = env("FAKE_EXIT", 0);
	if (run->exit_reason == HV_EXIT_INTERNAL_ERROR) {
		run->emulation_failure.suberror = env("FAKE_SUBERROR", 1);
		run->emulation_failure.ndata = 3;
		run->emulation_failure.flags =
			HV_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = 15;
		memset(run->emulation_failure.insn_bytes, 0xcc, 15);
	}
	return 0;
}

static int serve(int fd, unsigned long call, void *arg)
{
	switch (call) {
	case HV_GET_API_VERSION:
		return env("FAKE_VERSION", HV_API_VERSION);
	case HV_CHECK_EXTENSION:
		if ((long)arg == HV_CAP_MAX_VCPUS)
			return FAKE_CPUS;
		if ((long)arg == HV_CAP_IRQ_ROUTING)
			return 1024;
		return (long)arg != env("FAKE_CAP", -1);
	case HV_GET_VCPU_MMAP_SIZE:
		return RUN_SIZE;
	case HV_CREATE_VM:
		return memfd_create("vm", MFD_CLOEXEC);
	case HV_CREATE_VCPU:
		return create_vcpu();
	case HV_GET_SUPPORTED_CPUID:
		return supported_cpuid(arg);
	case HV_SET_CPUID2:
		return set_cpuid(arg);
	case HV_GET_TSC_KHZ:
		return 2500000;
	case HV_GET_REGS:
		memset(arg, 0x11, sizeof(struct hv_regs));
		return 0;
	case HV_GET_SREGS:
		memset(arg, 0x22, sizeof(struct hv_sregs));
		return 0;
	case HV_GET_LAPIC:
		memset(arg, 0, sizeof(struct hv_lapic_state));
		return 0;
	case HV_SET_MSRS:
		return ((struct hv_msrs *)arg)->nmsrs;
	case HV_RUN:
		return run_vcpu(run_page(fd));
	case HV_GET_STATS_FD:
		errno = ENOTTY;
		return -1;
	default:
		return 0;
	}
}

int __wrap_ioctl(int fd, unsigned long call, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, call);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd == tap_fd)
		return shall_fail(call) ? -1 : 0;
	/* a file that is no hypervisor device answers for itself */
	if (fake_fd < 0 || _IOC_TYPE(call) != HVIO)
		return __real_ioctl(fd, call, arg);
	if (shall_fail(call))
		return -1;
	return serve(fd, call, arg);
}
