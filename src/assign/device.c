// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of an opened function: from open to close it is enabled, and whenever it changes hands
 * it is reset. While it belongs to no VM it can't master the bus.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <hv/assign.h>
#include <hv/vm.h>
#include "internal.h"

/*
 * The configuration survives. A reset needs the lock of the PCI device: whoever unbinds the driver
 * has it, in this thread or in one that waits for dev->mutex; so do others, as a reset by sysfs.
 * Where it fails for that at the last close, the next opener resets the function, or who unbinds
 * it.
 */
static int reset_function(struct hv_pci *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int rc;

	lockdep_assert_held(&dev->mutex);
	/* Nobody would answer for a minute. */
	if (!pci_device_is_present(pdev))
		return -ENODEV;
	hv_pci_bus_master(dev, false);
	if (dev->unbinding) {
		pci_save_state(pdev);
		rc = __pci_reset_function_locked(pdev);
		pci_restore_state(pdev);
	} else {
		rc = pci_try_reset_function(pdev);
	}
	if (rc == -ENOTTY)
		rc = -EOPNOTSUPP;
	dev->needs_reset = rc && rc != -EOPNOTSUPP;
	return rc;
}

/**
 * hv_pci_reset() - reset the function, and what the guest sees of it
 * @dev: opened device
 *
 * Its interrupts are off then, it can't master the bus, and what mapped its registers has
 * lost them for the time of the reset.
 *
 * Context: process context, sleeps up to seconds; dev->mutex held.
 * Return: 0; -EOPNOTSUPP if there is no way to reset it, -ENODEV if it is gone, -EAGAIN if another
 * has the PCI device's lock: who unbinds it, resets it by sysfs, or handles an error of its link;
 * or what the reset failed with.
 */
int hv_pci_reset(struct hv_pci *dev)
{
	int rc;

	if (dev->gone)
		return -ENODEV;
	if (!dev->can_reset)
		return -EOPNOTSUPP;
	hv_pci_free_irqs(dev);
	hv_pci_block(dev);
	rc = reset_function(dev);
	hv_pci_config_init(dev);
	if (!rc) {
		WRITE_ONCE(dev->error, false);
		dev->frozen = false;
	}
	hv_pci_unblock(dev);
	return rc;
}

/* Nothing comes from it any more, whether or not it can be reset. */
static void stop(struct hv_pci *dev)
{
	hv_pci_bus_master(dev, false);
	hv_pci_free_irqs(dev);
	if (hv_pci_reset(dev))
		hv_pci_config_init(dev);
}

/* Where the MSI-X structures are (PCI Local Bus 3.0, 6.8.2) */
static void find_msix(struct hv_pci *dev)
{
	struct hv_pci_msix *msix = &dev->msix;
	struct pci_dev *pdev = dev->pdev;
	int nr = pci_msix_vec_count(pdev);
	u32 table, pba;

	msix->nr = 0;
	if (nr <= 0)
		return;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_PBA, &pba);
	msix->nr = nr;
	msix->bar = table & PCI_MSIX_TABLE_BIR;
	msix->table = table & PCI_MSIX_TABLE_OFFSET;
	msix->pba_bar = pba & PCI_MSIX_PBA_BIR;
	msix->pba = pba & PCI_MSIX_PBA_OFFSET;
}

/**
 * hv_pci_opened() - the file is opened
 * @dev: device that is not open
 *
 * Context: process context, sleeps; dev->mutex held.
 * Return: 0 or -errno.
 */
int hv_pci_opened(struct hv_pci *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int rc;

	rc = pci_enable_device(pdev);
	if (rc)
		return rc;
	rc = pci_request_regions(pdev, "hv-pci");
	if (rc)
		goto err_disable;
	pci_save_state(pdev);
	dev->saved = pci_store_saved_state(pdev);
	pci_intx(pdev, 0);
	rc = reset_function(dev);
	dev->can_reset = !rc;
	if (rc && rc != -EOPNOTSUPP)
		goto err_regions;
	find_msix(dev);
	hv_pci_config_init(dev);
	WRITE_ONCE(dev->error, false);
	dev->frozen = false;
	return 0;

err_regions:
	pci_load_and_free_saved_state(pdev, &dev->saved);
	pci_restore_state(pdev);
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
	pci_save_state(pdev);
	return rc;
}

/* Hand the hardware back as it was when the file was opened. Return: as hv_pci_unbound(). */
static struct hv_vm *shut_down(struct hv_pci *dev)
{
	struct hv_vm *vm = NULL;

	if (dev->vm)
		vm = hv_pci_detach(dev);
	else
		stop(dev);
	hv_pci_close_regions(dev);
	pci_load_and_free_saved_state(dev->pdev, &dev->saved);
	pci_restore_state(dev->pdev);
	pci_release_regions(dev->pdev);
	pci_disable_device(dev->pdev);
	pci_save_state(dev->pdev);
	return vm;
}

/**
 * hv_pci_closed() - the file is closed
 * @dev: device
 *
 * Context: process context, sleeps; dev->mutex held.
 * Return: VM that had it, for hv_assign_finish() without the mutex, or NULL.
 */
struct hv_vm *hv_pci_closed(struct hv_pci *dev)
{
	return dev->gone ? NULL : shut_down(dev);
}

/**
 * hv_pci_unbound() - the driver is unbound, maybe because the function was pulled out
 * @dev: device
 *
 * Context: process context, sleeps; dev->mutex and the PCI device's lock held.
 * Return: VM that had it, for hv_assign_finish() without the locks, or NULL.
 */
struct hv_vm *hv_pci_unbound(struct hv_pci *dev)
{
	struct hv_vm *vm = NULL;

	/* Before the reset, after which nobody but the host must reach the registers again */
	hv_pci_block(dev);
	hv_pci_blank(dev);
	WRITE_ONCE(dev->unbinding, true);
	hv_pci_unblock(dev);
	if (dev->vm)
		hv_assign_unmap_bars(dev);
	if (dev->file)
		vm = shut_down(dev);
	else if (dev->needs_reset)
		reset_function(dev);
	WRITE_ONCE(dev->gone, true);
	return vm;
}

/* ---- for src/assign/assign.c ---- */

/**
 * hv_pci_prepare() - a VM wants the device
 * @dev: opened device
 * @without_reset: it is wanted even if it can't be reset
 *
 * It is reset, if it can be, and can't master the bus; there is nothing to undo.
 *
 * Context: process context, sleeps; dev->mutex held.
 * Return: 0; -ENODEV if it is gone, -EBUSY if a VM has it, -EOPNOTSUPP if it can't be reset,
 * or what the reset failed with.
 */
int hv_pci_prepare(struct hv_pci *dev, bool without_reset)
{
	int rc;

	if (dev->gone)
		return -ENODEV;
	if (dev->vm)
		return -EBUSY;
	rc = hv_pci_reset(dev);
	return rc == -EOPNOTSUPP && without_reset ? 0 : rc;
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
	/* The guest may have been given its configuration space already. */
	hv_pci_command_apply(dev);
}

/**
 * hv_pci_detach() - take the device from its VM
 * @dev: device that a VM has
 *
 * Context: process context, sleeps; dev->mutex held, no lock of the VM.
 * Return: the VM, for hv_assign_finish() when dev->mutex isn't held any more.
 */
struct hv_vm *hv_pci_detach(struct hv_pci *dev)
{
	struct hv_vm *vm = dev->vm;

	lockdep_assert_held(&dev->mutex);
	stop(dev);
	hv_assign_detach(dev);
	dev->vm = NULL;
	return vm;
}
