// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory cgroups (v2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cgroup.h"
#include "file.h"

/* As many CPUs as we may use */
static void give_cpus(const char *cpuset)
{
	char cpus[64] = "";
	int fd = open(CGROUP_ROOT "/command/cpuset.cpus", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, cpus, sizeof(cpus) - 1) > 0)
		file_write(cpuset, cpus);
	close(fd);
}

/**
 * cgroup_join() - move this process to a group of its own
 * @name: of the group, which is made if it isn't there
 *
 * Return: false if there are no memory cgroups here.
 */
bool cgroup_join(const char *name)
{
	char path[128];
	size_t len = snprintf(path, sizeof(path), CGROUP_ROOT "/%s", name);

	if (access(CGROUP_ROOT "/cgroup.controllers", F_OK) &&
	    mount("cgroup2", CGROUP_ROOT, "cgroup2", 0, NULL))
		return false;
	if (!file_write(CGROUP_ROOT "/cgroup.subtree_control", "+memory") ||
	    (mkdir(path, 0755) && errno != EEXIST))
		return false;
	/* A test that was ended may have left it behind. */
	snprintf(path + len, sizeof(path) - len, "/memory.max");
	file_write(path, "max");
	snprintf(path + len, sizeof(path) - len, "/cpuset.cpus");
	give_cpus(path);
	snprintf(path + len, sizeof(path) - len, "/cgroup.procs");
	return file_write(path, "0");
}

/**
 * cgroup_leave() - back to where all processes are
 */
void cgroup_leave(void)
{
	file_write(CGROUP_ROOT "/cgroup.procs", "0");
}
