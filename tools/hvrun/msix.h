/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Message-signaled interrupts of a PCI device (PCI Local Bus 3.0, 6.8.2).
 */
#ifndef HVRUN_MSIX_H
#define HVRUN_MSIX_H

#include "pci.h"

#define MSIX_VECTORS	8

/**
 * struct msix - the MSI-X capability of a device
 * @pci: the device
 * @lock: guards everything below; taken inside vm->pci.lock
 * @vectors: number of vectors, at most MSIX_VECTORS
 * @cap: offset of the capability in the configuration space
 * @enabled: the guest has switched it on
 * @masked: the guest has masked the function
 * @table: as the guest sees it: address, upper address, data, control
 * @pending: the pending bits
 * @gsi: each vector's interrupt number at the hypervisor
 * @route: message of each GSI's route, all zero as long as there is none
 * @irqfd: an event on it is an interrupt
 */
struct msix {
	struct pci_device *pci;
	pthread_mutex_t lock;
	unsigned int vectors;
	uint8_t cap;
	bool enabled;
	bool masked;
	uint8_t table[MSIX_VECTORS][PCI_MSIX_ENTRY_SIZE];
	uint64_t pending;
	unsigned int gsi[MSIX_VECTORS];
	struct hv_irq_routing_msi route[MSIX_VECTORS];
	int irqfd[MSIX_VECTORS];
};

void msix_init(struct msix *m, struct pci_device *pci, unsigned int vectors,
	       uint32_t table_offset, uint32_t pending_offset);
void msix_config_written(struct msix *m);
void msix_table_read(struct msix *m, uint32_t offset, void *data, unsigned int size);
void msix_table_write(struct msix *m, uint32_t offset, const void *data, unsigned int size);
void msix_pending_read(struct msix *m, uint32_t offset, void *data, unsigned int size);
void msix_raise(struct msix *m, unsigned int vector);

#endif
