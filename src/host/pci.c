// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's PCI core, where it differs between kernels.
 */
#include <linux/aer.h>
#include <linux/pci.h>
#include <hv/host.h>

/**
 * host_pci_report_errors - a function tells its port of errors, or doesn't
 * @pdev: function
 * @on: it does
 *
 * Newer kernels see to it for every function. Nothing happens if errors are the firmware's.
 *
 * Context: process context.
 */
void host_pci_report_errors(struct pci_dev *pdev, bool on)
{
#ifdef HOST_HAVE_AER_ENABLE
	if (on)
		pci_enable_pcie_error_reporting(pdev);
	else
		pci_disable_pcie_error_reporting(pdev);
#endif
}
