// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of an opened function: from open to close it is enabled, and whenever it changes hands
 * it is reset. While it belongs to no VM it can't master the bus.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/hv.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <hv/assign.h>
#include <hv/vm.h>

static bool assign_without_reset;
module_param(assign_without_reset, bool, 0644);
MODULE_PARM_DESC(assign_without_reset,
		 "Devices that can't be reset may be assigned: they keep what a guest left in them");

/*
 * The configuration survives. A reset needs the lock of the PCI device: whoever unbinds the driver
 * has it, in this thread or in one that waits for dev->mutex.
 */
static int reset_function(struct hv_pci *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int rc;

	lockdep_assert_held(&dev->mutex);
	/* Nobody would answer for a minute. */
	if (!pci_device_is_present(pdev))
		return -ENODEV;
	pci_clear_master(pdev);
	if (dev->unbinding) {
		pci_save_state(pdev);
		rc = __pci_reset_function_locked(pdev);
		pci_restore_state(pdev);
	} else {
		rc = pci_try_reset_function(pdev);
	}
	return rc == -ENOTTY ? -EOPNOTSUPP : rc;
}

/**
 * hv_pci_reset() - reset the function
 * @dev: opened device
 *
 * Context: process context, sleeps up to seconds; dev->mutex held.
 * Return: 0; -EOPNOTSUPP if there is no way to reset it, -ENODEV if it is gone, -EAGAIN if it is
 * about to go, or what the reset failed with.
 */
int hv_pci_reset(struct hv_pci *dev)
{
	if (dev->gone)
		return -ENODEV;
	if (!dev->can_reset)
		return -EOPNOTSUPP;
	return reset_function(dev);
}

/**
 * hv_pci_open_locked() - the file is opened
 * @dev: device that is not open
 *
 * Return: 0 or -errno.
 */
int hv_pci_open_locked(struct hv_pci *dev)
{
	int rc;

	rc = pci_enable_device(dev->pdev);
	if (rc)
		return rc;
	rc = pci_request_regions(dev->pdev, "hv-pci");
	if (rc)
		goto err_disable;
	rc = reset_function(dev);
	dev->can_reset = !rc;
	if (rc && rc != -EOPNOTSUPP)
		goto err_regions;
	return 0;

err_regions:
	pci_release_regions(dev->pdev);
err_disable:
	pci_disable_device(dev->pdev);
	return rc;
}

/* Hand the hardware back. */
static void shut_down(struct hv_pci *dev)
{
	if (dev->vm)
		hv_pci_detach(dev);
	else
		hv_pci_reset(dev);
	pci_release_regions(dev->pdev);
	pci_disable_device(dev->pdev);
}

/**
 * hv_pci_close_locked() - the file is closed
 * @dev: device
 *
 * Context: process context, sleeps; dev->mutex held.
 */
void hv_pci_close_locked(struct hv_pci *dev)
{
	if (!dev->gone)
		shut_down(dev);
}

/**
 * hv_pci_remove_locked() - the driver is unbound, maybe because the function was pulled out
 * @dev: device
 *
 * Context: process context, sleeps; dev->mutex and the PCI device's lock held.
 */
void hv_pci_remove_locked(struct hv_pci *dev)
{
	dev->unbinding = true;
	if (dev->file)
		shut_down(dev);
	dev->gone = true;
}

/* ---- for src/assign/assign.c ---- */

/**
 * hv_pci_prepare() - a VM wants the device
 * @dev: opened device
 *
 * It is reset and can't master the bus; there is nothing to undo.
 *
 * Context: process context, sleeps; dev->mutex held.
 * Return: 0; -ENODEV if it is gone, -EBUSY if a VM has it, -EOPNOTSUPP if it can't be reset,
 * or what the reset failed with.
 */
int hv_pci_prepare(struct hv_pci *dev)
{
	int rc;

	if (dev->gone)
		return -ENODEV;
	if (dev->vm)
		return -EBUSY;
	rc = hv_pci_reset(dev);
	if (rc == -EOPNOTSUPP && READ_ONCE(assign_without_reset)) {
		add_taint(TAINT_USER, LOCKDEP_STILL_OK);
		return 0;
	}
	return rc;
}

/**
 * hv_pci_attach() - the VM has the device: its DMA reaches the VM's memory and nothing else
 * @dev: device, after hv_pci_prepare() in the same hold of dev->mutex
 * @vm: VM, which lives on as long as it has the device
 */
void hv_pci_attach(struct hv_pci *dev, struct hv_vm *vm)
{
	lockdep_assert_held(&dev->mutex);
	hv_vm_get(vm);
	dev->vm = vm;
}

/**
 * hv_pci_detach() - take the device from its VM
 * @dev: device that a VM has
 *
 * Context: process context, sleeps; dev->mutex held, no lock of the VM.
 */
void hv_pci_detach(struct hv_pci *dev)
{
	struct hv_vm *vm = dev->vm;

	lockdep_assert_held(&dev->mutex);
	pci_clear_master(dev->pdev);
	hv_pci_reset(dev);
	hv_assign_detach(dev);
	dev->vm = NULL;
	hv_vm_put(vm);
}

/* ---- calls ---- */

static void region_info(struct hv_pci *dev, struct hv_pci_info *info, unsigned int i)
{
	struct hv_pci_region *r = &info->region[i];

	r->offset = (u64)i << HV_PCI_REGION_SHIFT;
	if (i == HV_PCI_REGION_CONFIG) {
		r->size = dev->pdev->cfg_size;
		return;
	}
	r->size = pci_resource_len(dev->pdev, i);
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
	unsigned int i;

	if (dev->can_reset)
		info->flags |= HV_PCI_CAN_RESET;
	if (dev->vm)
		info->flags |= HV_PCI_ASSIGNED;
	info->class = pdev->class;
	info->vendor = pdev->vendor;
	info->device = pdev->device;
	info->subvendor = pdev->subsystem_vendor;
	info->subdevice = pdev->subsystem_device;
	for (i = 0; i < HV_PCI_NR_REGIONS; i++)
		region_info(dev, info, i);
	return 0;
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
