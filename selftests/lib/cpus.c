// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's CPUs. Tests count those that they may use, 0 and up, whatever the kernel
 * calls them: somebody may keep a CPU from them.
 */
#include <fcntl.h>
#include <sched.h>
#include "hvtest.h"

/* Those that this process could use when it first asked, online or not since */
static const cpu_set_t *cpus_at_start(void)
{
	static cpu_set_t set;
	static bool known;

	if (!known)
		must(sched_getaffinity(0, sizeof(set), &set));
	known = true;
	return &set;
}

/* The kernel's number of our CPU @n */
static unsigned int cpu_number(unsigned int n)
{
	const cpu_set_t *set = cpus_at_start();
	unsigned int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set) && !n--)
			return cpu;
	die("there aren't that many CPUs");
}

/**
 * host_cpus() - number of CPUs that this process may use
 *
 * Call it before taking one away.
 */
unsigned int host_cpus(void)
{
	return CPU_COUNT(cpus_at_start());
}

/**
 * host_cpu_pin() - keep a thread on one of the host's CPUs
 * @thread: the thread
 * @n: the CPU, less than host_cpus(); offline: the thread goes where it can
 */
void host_cpu_pin(pthread_t thread, unsigned int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu_number(n), &set);
	pthread_setaffinity_np(thread, sizeof(set), &set);
}

/**
 * host_cpu_online() - take one of the host's CPUs away, or give it back
 * @n: the CPU, less than host_cpus(); not 0
 * @online: whether it's to be there
 *
 * Return: 0 or -errno.
 */
long host_cpu_online(unsigned int n, bool online)
{
	char path[64];
	long ret;
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu_number(n));
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = write(fd, online ? "1" : "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return ret;
}
