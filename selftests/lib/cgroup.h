/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory cgroups (v2).
 */
#ifndef SELFTESTS_CGROUP_H
#define SELFTESTS_CGROUP_H

#include <stdbool.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"

bool cgroup_join(const char *name);
void cgroup_leave(void);

#endif
