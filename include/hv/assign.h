/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device assignment: a PCI function that is bound to the driver hv-pci, its file, and the VM that
 * has it.
 *
 * What the two halves of src/assign do for each other. Assignment (HV_ASSIGN_DEVICE):
 *
 *	dev = hv_pci_get(fd);			the file stays open until hv_pci_put()
 *	mutex_lock(&dev->mutex);
 *	rc = hv_pci_prepare(dev);		there, nobody's, reset, no DMA
 *	...					claim the group, make the domain, pin and map
 *	hv_pci_attach(dev, vm);			from here on the guest may switch DMA on
 *	mutex_unlock(&dev->mutex);
 *	hv_pci_put(dev);
 *
 * HV_DEASSIGN_DEVICE, the last close and the unbinding of the driver call hv_pci_detach() with
 * dev->mutex held. It stops interrupts and DMA, resets the function, and calls
 * hv_assign_detach(), which undoes what stands at the dots above.
 */
#ifndef HV_ASSIGN_H
#define HV_ASSIGN_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct file;
struct pci_dev;
struct hv_vm;

/**
 * struct hv_pci - a PCI function bound to hv-pci
 * @dev: its device in the class hv-pci; counts references to this structure
 * @cdev: character device; an open file has a reference to it, and so to @dev
 * @pdev: PCI function; valid until @gone is set, and freed with this structure
 * @mutex: outermost lock of the device, outside of all locks of a VM. Whoever holds it may
 *	sleep, but does not wait for userspace
 * @gone: the driver has been unbound or the function removed: nothing touches the hardware any
 *	more, calls fail with ENODEV; @mutex
 * @unbinding: this thread is the driver core's, with the PCI device's lock; @mutex
 * @file: the one open file or NULL; @mutex. Not counted
 * @vm: VM that has it, with a reference, or NULL; @mutex
 * @can_reset: the kernel knows a way to reset it; fixed when it is opened
 * @vm_link: for src/assign/assign.c: in the list of the VM's devices
 * @assign: for src/assign/assign.c: what the assignment consists of; @mutex
 */
struct hv_pci {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	struct mutex mutex;		/* outside of all locks of a VM */
	bool gone;
	bool unbinding;
	struct file *file;
	struct hv_vm *vm;
	bool can_reset;
	struct list_head vm_link;
	void *assign;
};

/* src/assign/driver.c */
int hv_pci_init(void);
void hv_pci_exit(void);
struct hv_pci *hv_pci_get(int fd);
void hv_pci_put(struct hv_pci *dev);

/* src/assign/device.c */
int hv_pci_open_locked(struct hv_pci *dev);
void hv_pci_close_locked(struct hv_pci *dev);
void hv_pci_remove_locked(struct hv_pci *dev);
int hv_pci_prepare(struct hv_pci *dev);
void hv_pci_attach(struct hv_pci *dev, struct hv_vm *vm);
void hv_pci_detach(struct hv_pci *dev);
int hv_pci_reset(struct hv_pci *dev);
long hv_pci_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/**
 * hv_assign_detach() - undo what HV_ASSIGN_DEVICE did beyond hv_pci_attach()
 * @dev: device whose interrupts and DMA are off; @dev->vm is still set
 *
 * Context: process context, sleeps; dev->mutex held.
 */
static inline void hv_assign_detach(struct hv_pci *dev)
{
}

#endif
