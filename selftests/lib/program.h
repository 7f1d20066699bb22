/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of test programs that the build makes.
 */
#ifndef SELFTESTS_PROGRAM_H
#define SELFTESTS_PROGRAM_H

#include <stdbool.h>

/**
 * struct program - a test program
 * @name: its name; NULL ends the table
 * @main: its main function
 * @needs_device: it's skipped if there's no device to test
 */
struct program {
	const char *name;
	int (*main)(int argc, char **argv);
	bool needs_device;
};

extern const struct program programs[];

#endif
