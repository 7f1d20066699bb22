// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of VFIO. The module need not be there: its functions are looked up when somebody comes
 * with a file that may be one of its.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/vfio.h>
#include <hv/host.h>

#ifndef HOST_HAVE_VFIO_FILE_VALID
#define vfio_file_is_valid	vfio_file_is_group
#endif

/**
 * host_vfio_file() - is a file a group or a device of VFIO?
 * @file: file
 *
 * Context: process context.
 */
bool host_vfio_file(struct file *file)
{
	bool (*fn)(struct file *file) = symbol_get(vfio_file_is_valid);
	bool is;

	if (!fn)
		return false;
	is = fn(file);
	symbol_put(vfio_file_is_valid);
	return is;
}

/**
 * host_vfio_coherent() - does all DMA of a group or device snoop the caches?
 * @file: host_vfio_file()
 *
 * Context: process context, sleeps.
 * Return: true if the IOMMU makes it so whatever the device asks for, or the group has no IOMMU
 * domain yet.
 */
bool host_vfio_coherent(struct file *file)
{
	bool (*fn)(struct file *file) = symbol_get(vfio_file_enforced_coherent);
	bool is;

	if (!fn)
		return false;
	is = fn(file);
	symbol_put(vfio_file_enforced_coherent);
	return is;
}
