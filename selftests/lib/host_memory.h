/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a host can do to the memory of a process, while guests use it.
 */
#ifndef SELFTESTS_HOST_MEMORY_H
#define SELFTESTS_HOST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUGE		0x200000UL

#define MEMORY_SHARED	(1U << 0)	/* a file's, else private */
#define MEMORY_HUGETLB	(1U << 1)	/* of pages that were reserved for that */
#define MEMORY_VANISHES	(1U << 2)	/* pages may become zeros */
#define MEMORY_MERGES	(1U << 3)	/* pages are often alike */

/**
 * struct memory - a mapping
 * @at: where; at a multiple of HUGE
 * @size: bytes, a multiple of HUGE
 * @flags: MEMORY_*
 * @fd: file, -1 if private
 */
struct memory {
	uint8_t *at;
	size_t size;
	unsigned int flags;
	int fd;
};

bool host_swap_create(void);
bool host_swap_delete(void);
void host_memory_prepare(void);
void host_memory_done(void);
bool memory_create(struct memory *m, size_t size, unsigned int flags);
unsigned int memory_operations(void);
bool memory_operation(struct memory *m, unsigned int n, bool now);
bool memory_all_done(void);
unsigned int memory_report(void);
uint32_t rnd(uint32_t n);

#endif
