// SPDX-License-Identifier: GPL-2.0-only
/*
 * hvrun: command line, and the order in which a VM is put together.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvrun.h"

#define MIN_MEMORY	(4 * MIB)

static const char usage[] =
"Usage: hvrun [options] KERNEL\n"
"Boots a Linux kernel (bzImage or ELF vmlinux) in a virtual machine.\n"
"\n"
"  -i, --initrd FILE     initial ramdisk\n"
"  -a, --append CMDLINE  kernel command line (default \"console=ttyS0\")\n"
"  -m, --memory SIZE     guest RAM, with suffix K, M or G (default 256M)\n"
"  -c, --cpus N          number of virtual CPUs (default 1)\n"
"  -d, --device PATH     device with the KVM ABI (default /dev/hv)\n"
"  -s, --stats           print statistics at the end\n"
"  -h, --help            this text\n"
"\n"
"The serial console is on standard input and output. On a terminal, Ctrl-A x\n"
"ends hvrun, Ctrl-A Ctrl-A sends a Ctrl-A.\n"
"Exit status: 0 guest powered off, 1 error, 2 usage, 3 guest reset,\n"
"4 triple fault, 5 the device gave the VM up, 128+N ended by signal N.\n";

static void vmsg(const char *fmt, va_list ap)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, ap);
	/* one write, so that lines of several threads do not mix */
	fprintf(stderr, "hvrun: %s\n", line);
}

/**
 * msg() - print one line about the VM on standard error
 * @fmt: printf format, without a newline
 */
void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
}

/**
 * die() - print one line on standard error and exit with EXIT_ERROR
 * @fmt: printf format, without a newline
 *
 * For the time before the vCPUs run; afterwards vm_stop() ends the VM.
 */
void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
	exit(EXIT_ERROR);
}

static void __noreturn __printf(1, 2) bad_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
	exit(EXIT_USAGE);
}

static uint64_t parse_size(const char *arg)
{
	static const struct {
		char suffix;
		uint64_t unit;
	} units[] = { { 'K', KIB }, { 'M', MIB }, { 'G', GIB }, { '\0', 1 } };
	unsigned long long n;
	size_t i;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (errno || end == arg || *arg == '-')
		bad_usage("--memory %s: not a size", arg);
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (*end != units[i].suffix || (*end && end[1]))
			continue;
		if (n > UINT64_MAX / units[i].unit)
			bad_usage("--memory %s: too large", arg);
		n *= units[i].unit;
		if (n < MIN_MEMORY)
			bad_usage("--memory %s: too small, at least 4M", arg);
		if (n % (4 * KIB))
			bad_usage("--memory %s: not a multiple of 4K", arg);
		return n;
	}
	bad_usage("--memory %s: unknown suffix, use K, M or G", arg);
}

static unsigned int parse_cpus(const char *arg)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-')
		bad_usage("--cpus %s: not a number", arg);
	if (n < 1 || n > MAX_CPUS)
		bad_usage("--cpus %s: must be 1 to %d", arg, MAX_CPUS);
	return n;
}

static void parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option longopts[] = {
		{ "initrd",	required_argument, NULL, 'i' },
		{ "append",	required_argument, NULL, 'a' },
		{ "memory",	required_argument, NULL, 'm' },
		{ "cpus",	required_argument, NULL, 'c' },
		{ "device",	required_argument, NULL, 'd' },
		{ "stats",	no_argument, NULL, 's' },
		{ "help",	no_argument, NULL, 'h' },
		{ }
	};
	int c;

	*opt = (struct options) {
		.append = "console=ttyS0",
		.device = "/dev/hv",
		.memory = 256 * MIB,
		.cpus = 1,
	};
	/* getopt's messages begin as ours */
	argv[0] = "hvrun";
	while ((c = getopt_long(argc, argv, "i:a:m:c:d:sh", longopts, NULL)) != -1) {
		switch (c) {
		case 'i':
			opt->initrd = optarg;
			break;
		case 'a':
			opt->append = optarg;
			break;
		case 'm':
			opt->memory = parse_size(optarg);
			break;
		case 'c':
			opt->cpus = parse_cpus(optarg);
			break;
		case 'd':
			opt->device = optarg;
			break;
		case 's':
			opt->stats = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			/* getopt has said what is wrong */
			exit(EXIT_USAGE);
		}
	}
	if (optind == argc)
		bad_usage("no kernel given, see hvrun --help");
	if (optind + 1 < argc)
		bad_usage("unexpected argument '%s'", argv[optind + 1]);
	opt->kernel = argv[optind];
}

int main(int argc, char **argv)
{
	static struct vm vm;
	struct options opt;
	unsigned int i;
	uint64_t entry;
	int ret;

	parse_options(argc, argv, &opt);
	vm_init(&vm, &opt);
	entry = boot_load(&vm);
	vm_create(&vm);
	for (i = 0; i < opt.cpus; i++)
		vcpu_create(&vm, i);
	/* the other vCPUs wait in the kernel for INIT and SIPI */
	vcpu_set_boot_state(&vm.vcpus[0], entry);
	ret = vm_run(&vm);
	if (opt.stats)
		stats_print(&vm);
	return ret;
}
