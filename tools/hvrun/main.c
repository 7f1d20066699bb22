// SPDX-License-Identifier: GPL-2.0-only
/*
 * hvrun: the order in which a VM is put together.
 */
#include "hvrun.h"

int main(int argc, char **argv)
{
	static struct vm vm;
	struct options opt;
	unsigned int i;
	uint64_t entry;
	int ret;

	options_parse(&opt, argc, argv);
	vm_init(&vm, &opt);
	entry = boot_load(&vm);
	vm_create(&vm);
	virtio_create_all(&vm);
	assign_all(&vm);
	acpi_build(&vm);
	for (i = 0; i < opt.cpus; i++)
		vcpu_create(&vm, i);
	/* the other vCPUs wait in the kernel for INIT and SIPI */
	vcpu_set_boot_state(&vm.vcpus[0], entry);
	ret = vm_run(&vm);
	if (opt.stats)
		stats_print(&vm);
	return ret;
}
