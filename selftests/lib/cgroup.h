/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory cgroups (v2), and files of the kernel's that take a text.
 */
#ifndef SELFTESTS_CGROUP_H
#define SELFTESTS_CGROUP_H

#include <stdbool.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"

bool file_write(const char *path, const char *value);
bool cgroup_join(const char *name);
void cgroup_leave(void);

#endif
