// SPDX-License-Identifier: GPL-2.0-only
/*
 * hvbench: run the benchmarks on each device that is named, side by side.
 */
#include <fcntl.h>
#include <getopt.h>
#include <sys/wait.h>
#include "bench.h"

#define MAX_DEVICES	4

static const struct benchmark * const groups[] = {
	exit_benchmarks, irq_benchmarks, memory_benchmarks, object_benchmarks,
};

static void usage(FILE *out)
{
	fprintf(out,
		"usage: hvbench [--only TEXT] [DEVICE]...\n"
		"\n"
		"Measures what operations cost on each DEVICE (default /dev/hv), which must speak\n"
		"the KVM ABI, and prints a line for each operation: the cost on each device, and the\n"
		"first device's in relation to the last one's. Each cost is the least of %d rounds.\n"
		"\n"
		"  --only TEXT  only operations whose name has TEXT in it\n"
		"  --help       this text\n"
		"\n"
		"Exit status: 0; 1: an operation failed; 2: wrong usage, or a device can't be opened.\n",
		ROUNDS);
}

/* In a process of its own: what one operation leaves behind, and how it ends, is its own affair. */
static bool measure(const struct benchmark *b, const char *device, long *cost)
{
	int fds[2], status;
	pid_t pid;

	fflush(stdout);
	if (pipe2(fds, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		setenv("HV_DEVICE", device, 1);
		*cost = b->run();
		_exit(write(fds[1], cost, sizeof(*cost)) != sizeof(*cost));
	}
	close(fds[1]);
	if (read(fds[0], cost, sizeof(*cost)) != sizeof(*cost))
		*cost = UNAVAILABLE;
	close(fds[0]);
	waitpid(pid, &status, 0);
	return status == 0;
}

static void print_cost(long cost)
{
	if (cost == UNAVAILABLE)
		printf(" %12s", "-");
	else
		printf(" %12ld", cost);
}

/* One line; false if it failed on a device. */
static bool run_benchmark(const struct benchmark *b, const char * const *devices, unsigned int nr)
{
	long cost[MAX_DEVICES];
	bool ok = true;
	unsigned int i;

	for (i = 0; i < nr; i++)
		ok &= measure(b, devices[i], &cost[i]);
	printf("%-42s", b->name);
	for (i = 0; i < nr; i++)
		print_cost(cost[i]);
	if (nr > 1) {
		if (cost[0] != UNAVAILABLE && cost[nr - 1] > 0)
			printf(" %7.2f", (double)cost[0] / cost[nr - 1]);
		else
			printf(" %7s", "-");
	}
	printf("  %s%s\n", b->unit, ok ? "" : "  FAILED");
	fflush(stdout);
	return ok;
}

static bool run_all(const char * const *devices, unsigned int nr, const char *only)
{
	const struct benchmark *b;
	bool ok = true;
	unsigned int i;

	printf("%-42s", "");
	for (i = 0; i < nr; i++)
		printf(" %12s", devices[i]);
	printf("%s\n", nr > 1 ? "   ratio" : "");
	for (i = 0; i < ARRAY_LEN(groups); i++)
		for (b = groups[i]; b->name; b++)
			if (!only || strstr(b->name, only))
				ok &= run_benchmark(b, devices, nr);
	return ok;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "only", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	static const char * const default_device[] = { "/dev/hv" };
	const char * const *devices = default_device;
	const char *only = NULL;
	unsigned int nr = 1, i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			only = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		devices = (const char * const *)argv + optind;
		nr = argc - optind;
	}
	if (nr > MAX_DEVICES) {
		fprintf(stderr, "hvbench: at most %d devices\n", MAX_DEVICES);
		return 2;
	}
	for (i = 0; i < nr; i++) {
		int fd = open(devices[i], O_RDWR | O_CLOEXEC);

		if (fd < 0) {
			fprintf(stderr, "hvbench: %s: %s\n", devices[i], strerror(errno));
			return 2;
		}
		close(fd);
	}
	return run_all(devices, nr, only) ? 0 : 1;
}
