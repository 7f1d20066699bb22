// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device under test and the machine it's on.
 */
#include <cpuid.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "hvtest.h"

#define bit_HYPERVISOR	(1U << 31)

/* /dev/kvm is the misc device with this minor (Documentation/admin-guide/devices.txt). */
#define KVM_MINOR	232

/**
 * die_at() - end the test program: something that it needs doesn't work
 * @file: source file
 * @line: line
 * @fmt: what went wrong
 */
void die_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

/**
 * device_path() - the device under test
 *
 * Return: its path.
 */
const char *device_path(void)
{
	const char *path = getenv("HV_DEVICE");

	return path && *path ? path : "/dev/hv";
}

/**
 * device_open() - open the device under test
 *
 * Return: system fd.
 */
int device_open(void)
{
	int fd = open(device_path(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", device_path(), strerror(errno));
	return fd;
}

/**
 * device_is_kvm() - tests compare with stock KVM where it's meant to differ
 *
 * Return: true if the device under test is stock KVM.
 */
bool device_is_kvm(void)
{
	struct stat st;

	return !stat(device_path(), &st) && S_ISCHR(st.st_mode) &&
	       major(st.st_rdev) == 10 && minor(st.st_rdev) == KVM_MINOR;
}

/**
 * cpu_is_intel() - some results are the vendor's
 *
 * Return: true on Intel processors.
 */
bool cpu_is_intel(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_INTEL_ebx;
}

/**
 * cpu_is_tcg() - QEMU's emulated processors don't do all that the manual says
 *
 * Return: true if the processor is one of those.
 */
bool cpu_is_tcg(void)
{
	unsigned int eax, ebx, ecx, edx;

	/* The hypervisor's leaf is QEMU's own then: "TCGTCGTCGTCG". */
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_HYPERVISOR))
		return false;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	return ebx == 0x54474354 && ecx == 0x43544743 && edx == 0x47435447;
}

/* Bochs with several CPUs, and the guest on one of them */
static bool is_bochs_smp(void)
{
	const char *host = getenv("TESTBED_HOST");

	return host && !strcmp(host, "vmx") && sysconf(_SC_NPROCESSORS_CONF) > 1;
}

/**
 * cpu_repeats_faults() - does an instruction that faulted begin again after its handler was entered?
 *
 * It does now and then in Bochs 3.0 with several CPUs, in guests: when an interrupt of the host
 * arrives before the handler's first instruction, the exit saves the RIP of before the fault.
 *
 * Return: true in that emulated host.
 */
bool cpu_repeats_faults(void)
{
	return is_bochs_smp();
}

/**
 * cpu_sends_spurious() - does a guest now and then get the spurious vector, 255, unasked?
 *
 * Return: true in the emulated host where that was seen: Bochs 3.0 with several CPUs.
 */
bool cpu_sends_spurious(void)
{
	return is_bochs_smp();
}

/**
 * kvm_changes_tsc() - is the guest's TSC not what it was told to be?
 *
 * Return: true on stock KVM where the TSC is not known to run at one rate
 * (CPUID.80000007H:EDX.TscInvariant): it makes the guest's catch up with the host's time.
 */
bool kvm_changes_tsc(void)
{
	unsigned int eax, ebx, ecx, edx;

	return device_is_kvm() &&
	       !(__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & 1U << 8));
}

/**
 * hv_ioctl() - ioctl() that returns -errno
 * @fd: any fd
 * @nr: number
 *
 * Return: what the call returned, or -errno.
 */
long hv_ioctl(int fd, unsigned long nr, ...)
{
	unsigned long arg;
	va_list ap;
	long ret;

	va_start(ap, nr);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	ret = ioctl(fd, nr, arg);
	return ret < 0 ? -errno : ret;
}

/**
 * must_at() - end the program if a call failed
 * @file: source file
 * @line: line
 * @what: text of the call
 * @result: its result
 */
void must_at(const char *file, int line, const char *what, long result)
{
	if (result < 0)
		die_at(file, line, "%s: %s", what, strerror(-result));
}

/**
 * check_cap() - HV_CHECK_EXTENSION
 * @fd: system or VM fd
 * @cap: HV_CAP_*
 *
 * Return: value of the capability.
 */
long check_cap(int fd, long cap)
{
	return hv_ioctl(fd, HV_CHECK_EXTENSION, cap);
}

/**
 * parameter() - a parameter of hv's module that says what its Intel backend uses
 * @name: its name
 *
 * Return: false if it's off, if there is none, or on another processor.
 */
bool parameter(const char *name)
{
	char path[64], c = 'N';
	int fd;

	if (!cpu_is_intel())
		return false;
	snprintf(path, sizeof(path), "/sys/module/hv/parameters/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = 'N';
	close(fd);
	return c == 'Y';
}
