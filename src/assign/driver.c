// SPDX-License-Identifier: GPL-2.0-only
/*
 * hv-pci: a PCI driver that drives nothing. It is bound by the administrator (driver_override)
 * and gives each function a character device, /dev/hv-pci/DDDD:BB:DD.F, so that the mode of a file
 * says who may use the function. One file at a time.
 *
 * The driver claims no DMA of its own (driver_managed_dma): a VM claims that of the
 * whole IOMMU group, which the kernel refuses while a driver for the host has a member.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <hv/assign.h>
#include <hv/host.h>
#include "internal.h"

/* Functions bound at a time: minor numbers */
#define HV_PCI_MAX	1024

static dev_t first_devt;
static DEFINE_IDA(minors);
/* What unbinding doesn't wait for */
static struct workqueue_struct *finish_wq;

/* For tools: to open the function and see would reset it. */
static ssize_t opened_show(struct device *d, struct device_attribute *attr, char *buf)
{
	struct hv_pci *dev = container_of(d, struct hv_pci, dev);

	return sysfs_emit(buf, "%d\n", READ_ONCE(dev->file) ? 1 : 0);
}
static DEVICE_ATTR_RO(opened);

static struct attribute *hv_pci_attrs[] = {
	&dev_attr_opened.attr,
	NULL
};
ATTRIBUTE_GROUPS(hv_pci);

/* The name of a device has a slash: devtmpfs and udev make a directory of it. */
static struct class hv_pci_class = {
	.name = "hv-pci",
	.dev_groups = hv_pci_groups,
};

/* ---- the file ---- */

static int hv_pci_open(struct inode *inode, struct file *file)
{
	struct hv_pci *dev = container_of(inode->i_cdev, struct hv_pci, cdev);
	int rc;

	mutex_lock(&dev->mutex);
	if (dev->gone)
		rc = -ENODEV;
	else if (dev->file)
		rc = -EBUSY;
	else
		rc = hv_pci_opened(dev);
	if (!rc) {
		WRITE_ONCE(dev->file, file);
		file->private_data = dev;
	}
	mutex_unlock(&dev->mutex);
	return rc;
}

static int hv_pci_release(struct inode *inode, struct file *file)
{
	struct hv_pci *dev = file->private_data;
	struct hv_vm *vm;

	mutex_lock(&dev->mutex);
	vm = hv_pci_closed(dev);
	WRITE_ONCE(dev->file, NULL);
	mutex_unlock(&dev->mutex);
	hv_assign_finish(vm);
	return 0;
}

static const struct file_operations hv_pci_fops = {
	.owner = THIS_MODULE,
	.open = hv_pci_open,
	.release = hv_pci_release,
	.read = hv_pci_read,
	.write = hv_pci_write,
	.mmap = hv_pci_mmap,
	.poll = hv_pci_poll,
	.unlocked_ioctl = hv_pci_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = default_llseek,
};

/**
 * hv_pci_get() - the device behind a file descriptor
 * @fd: of the caller's
 *
 * Return: the device, which stays open until hv_pci_put(); or ERR_PTR(-EBADF), or
 * ERR_PTR(-EINVAL) if it is no file of this driver.
 */
struct hv_pci *hv_pci_get(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op != &hv_pci_fops) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file->private_data;
}

/**
 * hv_pci_of_file() - the device of a file
 * @file: any file, or NULL; kept open by the caller
 *
 * Return: the device, or NULL if it is no file of this driver.
 */
struct hv_pci *hv_pci_of_file(struct file *file)
{
	return file && file->f_op == &hv_pci_fops ? file->private_data : NULL;
}

/**
 * hv_pci_put() - done with it
 * @dev: device from hv_pci_get(); dev->mutex not held
 */
void hv_pci_put(struct hv_pci *dev)
{
	/* There is one file at a time, and the caller has kept it open. */
	fput(dev->file);
}

/* ---- the driver ---- */

static void hv_pci_free(struct device *d)
{
	struct hv_pci *dev = container_of(d, struct hv_pci, dev);

	ida_free(&minors, MINOR(dev->dev.devt) - MINOR(first_devt));
	pci_dev_put(dev->pdev);
	__free_page(dev->blank);
	kfree(dev);
}

static void finish(struct work_struct *work)
{
	struct hv_pci *dev = container_of(work, struct hv_pci, finish);

	hv_assign_finish(dev->left);
	put_device(&dev->dev);
}

static int hv_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct hv_pci *dev;
	int minor, rc;

	/* A bridge's registers are the host's way to others. */
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EINVAL;
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->blank = alloc_page(GFP_KERNEL);
	if (!dev->blank) {
		rc = -ENOMEM;
		goto err_dev;
	}
	minor = ida_alloc_max(&minors, HV_PCI_MAX - 1, GFP_KERNEL);
	if (minor < 0) {
		rc = minor;
		goto err_page;
	}
	mutex_init(&dev->mutex);
	init_rwsem(&dev->map_lock);
	spin_lock_init(&dev->intx_lock);
	init_waitqueue_head(&dev->events);
	INIT_LIST_HEAD(&dev->vm_link);
	INIT_WORK(&dev->finish, finish);
	dev->pdev = pci_dev_get(pdev);
	device_initialize(&dev->dev);
	dev->dev.class = &hv_pci_class;
	dev->dev.parent = &pdev->dev;
	dev->dev.devt = MKDEV(MAJOR(first_devt), MINOR(first_devt) + minor);
	dev->dev.release = hv_pci_free;
	rc = dev_set_name(&dev->dev, "hv-pci/%s", pci_name(pdev));
	if (rc)
		goto err;
	pci_set_drvdata(pdev, dev);
	host_pci_report_errors(pdev, true);
	/* For slot_reset(), while the file is closed */
	pci_save_state(pdev);
	cdev_init(&dev->cdev, &hv_pci_fops);
	dev->cdev.owner = THIS_MODULE;
	rc = cdev_device_add(&dev->cdev, &dev->dev);
	if (rc)
		goto err_errors;
	return 0;

err_errors:
	host_pci_report_errors(pdev, false);
err:
	put_device(&dev->dev);
	return rc;
err_page:
	__free_page(dev->blank);
err_dev:
	kfree(dev);
	return rc;
}

/*
 * Users find out by ENODEV; none is waited for. Locks of the kernel's are held, so what may wait
 * for the VMM is left to a work item.
 */
static void hv_pci_remove(struct pci_dev *pdev)
{
	struct hv_pci *dev = pci_get_drvdata(pdev);

	cdev_device_del(&dev->cdev, &dev->dev);
	mutex_lock(&dev->mutex);
	dev->left = hv_pci_unbound(dev);
	mutex_unlock(&dev->mutex);
	wake_up_all(&dev->events);
	host_pci_report_errors(pdev, false);
	if (dev->left) {
		get_device(&dev->dev);
		queue_work(finish_wq, &dev->finish);
	}
	put_device(&dev->dev);
}

static struct pci_driver hv_pci_driver = {
	.name = "hv-pci",
	.id_table = NULL,	/* only what driver_override names */
	.probe = hv_pci_probe,
	.remove = hv_pci_remove,
	.driver_managed_dma = true,
	.err_handler = &hv_pci_error_handlers,
	.driver.pm = &hv_pci_pm_ops,
};

/**
 * hv_pci_init() - register the driver; at module load
 *
 * Return: 0 or -errno.
 */
int hv_pci_init(void)
{
	int rc;

	finish_wq = alloc_workqueue("hv-pci", WQ_UNBOUND, 0);
	if (!finish_wq)
		return -ENOMEM;
	rc = alloc_chrdev_region(&first_devt, 0, HV_PCI_MAX, "hv-pci");
	if (rc)
		goto err_wq;
	rc = class_register(&hv_pci_class);
	if (rc)
		goto err_region;
	rc = pci_register_driver(&hv_pci_driver);
	if (rc)
		goto err_class;
	return 0;

err_class:
	class_unregister(&hv_pci_class);
err_region:
	unregister_chrdev_region(first_devt, HV_PCI_MAX);
err_wq:
	destroy_workqueue(finish_wq);
	return rc;
}

/**
 * hv_pci_exit() - unbind all functions; at module unload, no file is open
 */
void hv_pci_exit(void)
{
	pci_unregister_driver(&hv_pci_driver);
	/* Waits for the work, whose last step frees devices, maybe VMs. */
	destroy_workqueue(finish_wq);
	class_unregister(&hv_pci_class);
	unregister_chrdev_region(first_devt, HV_PCI_MAX);
	ida_destroy(&minors);
}
