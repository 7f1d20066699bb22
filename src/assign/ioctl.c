// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls on the file of an assignable device.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <hv/assign.h>
#include "internal.h"

static void region_info(struct hv_pci *dev, struct hv_pci_info *info, unsigned int i)
{
	struct hv_pci_region *r = &info->region[i];

	r->offset = (u64)i << HV_PCI_REGION_SHIFT;
	r->size = hv_pci_region_size(dev, i);
	if (i == HV_PCI_REGION_CONFIG)
		return;
	if (hv_pci_region_mappable(dev, i))
		r->flags |= HV_PCI_REGION_MMAP;
	if (pci_resource_flags(dev->pdev, i) & IORESOURCE_IO)
		r->flags |= HV_PCI_REGION_PORTS;
	if (pci_resource_flags(dev->pdev, i) & IORESOURCE_PREFETCH)
		r->flags |= HV_PCI_REGION_PREFETCH;
	if (pci_resource_flags(dev->pdev, i) & IORESOURCE_MEM_64)
		r->flags |= HV_PCI_REGION_64BIT;
}

static long get_info(struct hv_pci *dev, void *data)
{
	struct hv_pci_info *info = data;
	struct pci_dev *pdev = dev->pdev;
	struct iommu_group *group;
	unsigned int i;

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (dev->can_reset)
		info->flags |= HV_PCI_CAN_RESET;
	if (dev->error)
		info->flags |= HV_PCI_ERROR;
	if (dev->vm)
		hv_assign_info(dev, info);
	info->class = pdev->class;
	info->vendor = pdev->vendor;
	info->device = pdev->device;
	info->subvendor = pdev->subsystem_vendor;
	info->subdevice = pdev->subsystem_device;
	if (hv_pci_has_intx(dev))
		info->flags |= HV_PCI_HAS_INTX;
	info->nr_msi = hv_pci_nr_msi(dev);
	info->nr_msix = dev->msix.nr;
	info->msix_bar = dev->msix.bar;
	info->msix_table = dev->msix.table;
	info->msix_pba_bar = dev->msix.pba_bar;
	info->msix_pba = dev->msix.pba;
	info->irq_mode = dev->irq_mode;
	info->nr_vectors = dev->nr_vectors;
	group = iommu_group_get(&pdev->dev);
	info->group = group ? iommu_group_id(group) : -1;
	iommu_group_put(group);
	for (i = 0; i < HV_PCI_NR_REGIONS; i++)
		region_info(dev, info, i);
	return 0;
}

static long set_irqs(struct hv_pci *dev, void *data)
{
	return hv_pci_set_irqs(dev, data);
}

static long set_vector(struct hv_pci *dev, void *data)
{
	return hv_pci_set_vector(dev, data);
}

static long get_vector(struct hv_pci *dev, void *data)
{
	return hv_pci_get_vector(dev, data);
}

static long reset(struct hv_pci *dev, void *data)
{
	return hv_pci_reset(dev);
}

static const struct {
	u32 cmd;
	long (*call)(struct hv_pci *dev, void *data);
} calls[] = {
	{ HV_PCI_GET_INFO, get_info },
	{ HV_PCI_RESET, reset },
	{ HV_PCI_SET_IRQS, set_irqs },
	{ HV_PCI_SET_VECTOR, set_vector },
	{ HV_PCI_GET_VECTOR, get_vector },
};

/* All structures begin with their size, which later versions of this header may enlarge. */
static long call_with_copy(struct hv_pci *dev, unsigned int n, void __user *arg)
{
	unsigned int size = _IOC_SIZE(calls[n].cmd);
	void *data = NULL;
	long ret;

	if (size) {
		data = memdup_user(arg, size);
		if (IS_ERR(data))
			return PTR_ERR(data);
		if (*(u64 *)data != size) {
			kfree(data);
			return -EINVAL;
		}
	}
	mutex_lock(&dev->mutex);
	ret = dev->gone ? -ENODEV : calls[n].call(dev, data);
	mutex_unlock(&dev->mutex);
	if (ret >= 0 && (_IOC_DIR(calls[n].cmd) & _IOC_READ) && copy_to_user(arg, data, size))
		ret = -EFAULT;
	kfree(data);
	return ret;
}

/**
 * hv_pci_ioctl() - ioctl of a device's file
 * @file: device
 * @cmd: HV_PCI_*
 * @arg: argument
 *
 * Return: >= 0, or -errno; -ENOTTY for an unknown call, -ENODEV if the function is gone.
 */
long hv_pci_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].cmd == cmd)
			return call_with_copy(file->private_data, i, (void __user *)arg);
	return -ENOTTY;
}
