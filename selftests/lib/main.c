// SPDX-License-Identifier: GPL-2.0-only
/*
 * All tests are one executable, and each test program is a link to it: a
 * static C library in each of forty programs would make the emulated hosts'
 * boot twice as long. Each test's main() is renamed by the build and found
 * here by the name of the link.
 */
#include <libgen.h>
#include "hvtest.h"
#include "program.h"
#include "../include/kselftest.h"

int main(int argc, char **argv)
{
	const char *name = basename(argv[0]);
	const struct program *p;

	if (argc > 1 && !strcmp(name, "hv-selftests")) {
		name = argv[1];
		argc--;
		argv++;
	}
	for (p = programs; p->name; p++) {
		if (strcmp(p->name, name))
			continue;
		if (p->needs_device && access(device_path(), F_OK)) {
			printf("TAP version 13\n1..0 # SKIP there's no %s\n", device_path());
			return KSFT_SKIP;
		}
		return p->main(argc, argv);
	}
	for (p = programs; p->name; p++)
		printf("%s\n", p->name);
	return argc > 1 ? KSFT_FAIL : KSFT_PASS;
}
