/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of the kernel's that take a text, or have a number behind a name.
 */
#ifndef SELFTESTS_FILE_H
#define SELFTESTS_FILE_H

#include <stdbool.h>

bool file_write(const char *path, const char *value);
long file_number(const char *path, const char *name);
long free_kib(void);

#endif
