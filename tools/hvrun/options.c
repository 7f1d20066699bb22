// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
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
"  -k, --disk FILE[,ro]  block device on a file; may be repeated\n"
"  -n, --net tap=NAME[,mac=XX:XX:XX:XX:XX:XX]\n"
"                        network card on a tap interface; may be repeated\n"
"  -o, --console PATH    second console (hvc0) on \"pty\", a terminal, or a file\n"
"  -r, --rng             entropy device\n"
"  -d, --device PATH     device with the KVM ABI (default /dev/hv)\n"
"  -d, --device /dev/hv-pci/DDDD:BB:DD.F[,noreset]\n"
"                        PCI function of the host; may be repeated\n"
"  -s, --stats           print statistics at the end\n"
"  -h, --help            this text\n"
"\n"
"The serial console is on standard input and output. On a terminal, Ctrl-A x\n"
"ends hvrun, Ctrl-A Ctrl-A sends a Ctrl-A. SIGTERM presses the guest's power\n"
"button, a second one ends hvrun; SIGQUIT shows the registers. See hvrun(1).\n"
"Exit status: 0 guest powered off, 1 error, 2 usage, 3 guest reset,\n"
"4 triple fault, 5 the device gave the VM up, 128+N ended by signal N.\n";

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

/* FILE[,ro]; a comma that starts no option is part of the name */
static void parse_disk(struct options *opt, char *arg)
{
	struct disk_option *disk = &opt->disks[opt->nr_disks];
	size_t length = strlen(arg);

	if (opt->nr_disks++ == MAX_DISKS)
		bad_usage("--disk %s: at most %d disks", arg, MAX_DISKS);
	if (length > 3 && !strcmp(arg + length - 3, ",ro")) {
		disk->readonly = true;
		arg[length - 3] = '\0';
	}
	if (!*arg)
		bad_usage("--disk: no file given");
	disk->path = arg;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	int end = 0;

	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
		      &mac[3], &mac[4], &mac[5], &end) == 6 && !text[end] && !(mac[0] & 1);
}

static void parse_net(struct options *opt, char *arg)
{
	enum { TAP, MAC };
	static char *const keys[] = { [TAP] = "tap", [MAC] = "mac", NULL };
	struct net_option *net = &opt->nets[opt->nr_nets];
	char *rest = arg, *value;

	if (opt->nr_nets++ == MAX_NETS)
		bad_usage("--net %s: at most %d network cards", arg, MAX_NETS);
	while (*rest) {
		switch (getsubopt(&rest, keys, &value)) {
		case TAP:
			if (!value || !*value || strlen(value) >= IFNAMSIZ)
				bad_usage("--net tap=%s: not an interface's name", value ?: "");
			net->tap = value;
			break;
		case MAC:
			if (!value || !parse_mac(value, net->mac))
				bad_usage("--net mac=%s: not a station's address", value ?: "");
			net->has_mac = true;
			break;
		default:
			bad_usage("--net: unknown '%s', use tap=NAME[,mac=ADDRESS]", value);
		}
	}
	if (!net->tap)
		bad_usage("--net: no tap=NAME given");
}

/* The guest's hypervisor, or a function of the host: the folder tells. */
static void parse_device(struct options *opt, char *arg)
{
	struct function_option *function = &opt->functions[opt->nr_functions];
	char *comma;

	if (strncmp(arg, "/dev/hv-pci/", strlen("/dev/hv-pci/"))) {
		opt->device = arg;
		return;
	}
	if (opt->nr_functions++ == MAX_FUNCTIONS)
		bad_usage("--device %s: at most %d PCI functions", arg, MAX_FUNCTIONS);
	comma = strchr(arg, ',');
	if (comma && strcmp(comma, ",noreset"))
		bad_usage("--device: unknown '%s', use noreset", comma + 1);
	function->without_reset = comma;
	if (comma)
		*comma = '\0';
	function->path = arg;
}

static const struct option longopts[] = {
	{ "initrd",	required_argument, NULL, 'i' },
	{ "append",	required_argument, NULL, 'a' },
	{ "memory",	required_argument, NULL, 'm' },
	{ "cpus",	required_argument, NULL, 'c' },
	{ "disk",	required_argument, NULL, 'k' },
	{ "net",	required_argument, NULL, 'n' },
	{ "console",	required_argument, NULL, 'o' },
	{ "rng",	no_argument, NULL, 'r' },
	{ "device",	required_argument, NULL, 'd' },
	{ "stats",	no_argument, NULL, 's' },
	{ "help",	no_argument, NULL, 'h' },
	{ }
};

static void parse_option(struct options *opt, int c)
{
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
	case 'k':
		parse_disk(opt, optarg);
		break;
	case 'n':
		parse_net(opt, optarg);
		break;
	case 'o':
		opt->console = optarg;
		break;
	case 'r':
		opt->rng = true;
		break;
	case 'd':
		parse_device(opt, optarg);
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

/**
 * options_parse() - read the command line
 * @opt: result; points into @argv
 * @argc: as main() got it
 * @argv: as main() got it, changed
 *
 * Exits with a message on any error, and with the help text if asked for.
 */
void options_parse(struct options *opt, int argc, char **argv)
{
	int c;

	*opt = (struct options) {
		.append = "console=ttyS0",
		.device = "/dev/hv",
		.memory = 256 * MIB,
		.cpus = 1,
	};
	/* getopt's messages begin as ours */
	argv[0] = "hvrun";
	while ((c = getopt_long(argc, argv, "i:a:m:c:k:n:o:rd:sh", longopts, NULL)) != -1)
		parse_option(opt, c);
	if (optind == argc)
		bad_usage("no kernel given, see hvrun --help");
	if (optind + 1 < argc)
		bad_usage("unexpected argument '%s'", argv[optind + 1]);
	opt->kernel = argv[optind];
}
