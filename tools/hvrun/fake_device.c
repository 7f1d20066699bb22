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
 * When fake_wire is there, a tap interface is a socket whose other end that is.
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

#include "hvrun.h"

#define FAKE_PATH	"/dev/fake"
#define TUN_PATH	"/dev/net/tun"
#define RUN_SIZE	(3 * 4096)

int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long call, ...);
int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long call, ...);

extern int *fake_wire __attribute__((weak));
static int fake_fd = -1, tap_fd = -1;
static int vcpu_fd = -1;
static struct hv_run *fake_run;

static const struct {
	const char *name;
	unsigned long call;
} calls[] = {
	{ "version",	HV_GET_API_VERSION },
	{ "createvm",	HV_CREATE_VM },
	{ "irqchip",	HV_CREATE_IRQCHIP },
	{ "irqfd",	HV_IRQFD },
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
	vcpu_fd = memfd_create("run page", MFD_CLOEXEC);
	if (vcpu_fd < 0 || ftruncate(vcpu_fd, RUN_SIZE))
		return -1;
	fake_run = mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
	return vcpu_fd;
}

static int supported_cpuid(struct hv_cpuid2 *cpuid)
{
	cpuid->nent = 3;
	cpuid->entries[0] = (struct hv_cpuid_entry2) {
		.function = 0, .eax = 0xd, .ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e,
	};
	cpuid->entries[1] = (struct hv_cpuid_entry2) { .function = 1 };
	cpuid->entries[2] = (struct hv_cpuid_entry2) { .function = 0x80000008, .eax = 39 };
	return 0;
}

static int run_vcpu(void)
{
	unsigned int port, byte;
	const char *out = getenv("FAKE_OUT");

	if (out && sscanf(out, "%x:%x", &port, &byte) == 2) {
		fake_run->exit_reason = HV_EXIT_IO;
		fake_run->io.direction = HV_EXIT_IO_OUT;
		fake_run->io.size = 1;
		fake_run->io.count = 1;
		fake_run->io.port = port;
		fake_run->io.data_offset = 4096;
		((uint8_t *)fake_run)[4096] = byte;
		return 0;
	}
	if (!getenv("FAKE_EXIT")) {
		/* a guest that halts: until the kick */
		while (!fake_run->immediate_exit)
			usleep(10000);
		errno = EINTR;
		return -1;
	}
	fake_run->exit_reason = env("FAKE_EXIT", 0);
	if (fake_run->exit_reason == HV_EXIT_INTERNAL_ERROR) {
		fake_run->emulation_failure.suberror = env("FAKE_SUBERROR", 1);
		fake_run->emulation_failure.ndata = 3;
		fake_run->emulation_failure.flags =
			HV_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		fake_run->emulation_failure.insn_size = 15;
		memset(fake_run->emulation_failure.insn_bytes, 0xcc, 15);
	}
	return 0;
}

static int serve(unsigned long call, void *arg)
{
	switch (call) {
	case HV_GET_API_VERSION:
		return env("FAKE_VERSION", HV_API_VERSION);
	case HV_CHECK_EXTENSION:
		if ((long)arg == HV_CAP_MAX_VCPUS)
			return 8;
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
		return run_vcpu();
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
		return 0;
	/* a file that is no hypervisor device answers for itself */
	if (fake_fd < 0 || _IOC_TYPE(call) != HVIO)
		return __real_ioctl(fd, call, arg);
	if (shall_fail(call))
		return -1;
	return serve(call, arg);
}
