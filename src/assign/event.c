// SPDX-License-Identifier: GPL-2.0-only
/*
 * What befalls a function without its user's doing, and how the user hears of it: poll() on its
 * file, then HV_PCI_GET_INFO.
 *
 * The port above it reports an error of the function or its link (PCI Express Base 5.0, 6.2).
 * After one that is not fatal the function goes on, and its user decides. A fatal one ends with a
 * reset of the link: from the report on nobody reaches the function, then it is as after
 * HV_PCI_RESET.
 */
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/poll.h>
#include <linux/wait.h>
#include <hv/assign.h>
#include "internal.h"

/**
 * hv_pci_poll() - has anything befallen the function
 * @file: device
 * @wait: of poll()
 *
 * Return: EPOLLPRI after an error, until the function is reset; EPOLLHUP and EPOLLERR when it is
 * gone.
 */
__poll_t hv_pci_poll(struct file *file, struct poll_table_struct *wait)
{
	struct hv_pci *dev = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &dev->events, wait);
	/* dev->mutex is held for seconds by a reset; who changes them wakes us afterwards. */
	if (READ_ONCE(dev->gone))
		events |= EPOLLHUP | EPOLLERR;
	else if (READ_ONCE(dev->error))
		events |= EPOLLPRI;
	return events;
}

/* ---- errors: the PCI device's lock is held ---- */

/* Nothing of it is there until its link has been reset. */
static void freeze(struct hv_pci *dev)
{
	hv_pci_free_irqs(dev);
	hv_pci_block(dev);
	hv_pci_blank(dev);
	dev->frozen = true;
	hv_pci_unblock(dev);
}

static pci_ers_result_t error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct hv_pci *dev = pci_get_drvdata(pdev);

	mutex_lock(&dev->mutex);
	if (dev->file) {
		WRITE_ONCE(dev->error, true);
		if (state != pci_channel_io_normal)
			freeze(dev);
		wake_up_all(&dev->events);
	}
	mutex_unlock(&dev->mutex);
	switch (state) {
	case pci_channel_io_normal:
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

/* The link has been reset: the function knows nothing of its configuration any more. */
static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	struct hv_pci *dev = pci_get_drvdata(pdev);

	mutex_lock(&dev->mutex);
	if (dev->file) {
		/* They are still there if it's only another function below the port that failed. */
		hv_pci_free_irqs(dev);
		pci_load_saved_state(pdev, dev->saved);
		pci_restore_state(pdev);
		hv_pci_bus_master(dev, false);
		if (dev->vm)
			hv_assign_restored(dev);
		pci_intx(pdev, 0);
		hv_pci_config_init(dev);
		hv_pci_thaw(dev);
	} else {
		pci_restore_state(pdev);
		pci_save_state(pdev);
	}
	mutex_unlock(&dev->mutex);
	return PCI_ERS_RESULT_RECOVERED;
}

const struct pci_error_handlers hv_pci_error_handlers = {
	.error_detected = error_detected,
	.slot_reset = slot_reset,
};

/**
 * hv_pci_thaw() - the function has been reset: it can be reached again
 * @dev: opened device
 *
 * Context: process context; dev->mutex held.
 */
void hv_pci_thaw(struct hv_pci *dev)
{
	if (!dev->frozen)
		return;
	hv_pci_block(dev);
	dev->frozen = false;
	hv_pci_unblock(dev);
}

/* ---- suspend ---- */

/*
 * A function in D3 loses what its guest has put into it, and no guest can be told: the system
 * stays awake while a VM has one. Any other is the PCI core's to save and restore.
 */
static int suspend_prepare(struct device *d)
{
	struct hv_pci *dev = dev_get_drvdata(d);
	int rc;

	mutex_lock(&dev->mutex);
	rc = dev->vm ? -EBUSY : 0;
	mutex_unlock(&dev->mutex);
	if (rc)
		dev_notice(d, "a VM has it: the system can't be suspended\n");
	return rc;
}

const struct dev_pm_ops hv_pci_pm_ops = {
	.prepare = suspend_prepare,
};
