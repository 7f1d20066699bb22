/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PCI host bus: one bus, a host bridge and up to 31 devices of one function,
 * each with one memory BAR, MSI-X and no interrupt pin, or one of the host's (assign.c).
 */
#ifndef HVRUN_PCI_H
#define HVRUN_PCI_H

#include <linux/pci_regs.h>

#include "hvrun.h"

#define PCI_SLOTS	ARRAY_SIZE(((struct pci *)NULL)->slots)
#define PCI_BAR_SIZE	0x4000u

/* The ports of configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2) */
#define PCI_ADDRESS_PORT	0xcf8
#define PCI_DATA_PORT		0xcfc

struct pci_device;

/**
 * struct pci_ops - what a device does
 * @bar_read: the guest reads its BAR; @data is zero; any vCPU thread
 * @bar_write: the guest writes its BAR; any vCPU thread
 * @bar_mapped: the BAR came to (@mapped) or went from dev->bar; under vm->pci.lock
 * @config_read: optional; before bytes of the configuration space are read;
 *	under vm->pci.lock
 * @config_written: optional; after bytes of the configuration space were written;
 *	under vm->pci.lock
 * @config: instead of all of the above, for a device that has its own configuration space: an
 *	access to it, @offset up to 4095; under vm->pci.lock
 * @access: with @config: the guest accesses memory, or ports (@is_port), of the bus's windows;
 *	returns whether they are this device's; any vCPU thread
 */
struct pci_ops {
	void (*bar_read)(struct pci_device *dev, uint32_t offset, void *data, unsigned int size);
	void (*bar_write)(struct pci_device *dev, uint32_t offset, const void *data,
			  unsigned int size);
	void (*bar_mapped)(struct pci_device *dev, bool mapped);
	void (*config_read)(struct pci_device *dev, unsigned int offset, unsigned int size);
	void (*config_written)(struct pci_device *dev, unsigned int offset, unsigned int size);
	void (*config)(struct pci_device *dev, unsigned int offset, void *data, unsigned int size,
		       bool is_write);
	bool (*access)(struct pci_device *dev, bool is_port, uint64_t addr, void *data,
		       unsigned int size, bool is_write);
};

/**
 * struct pci_device - one device on the bus
 * @vm: the VM
 * @ops: what it does; NULL: nothing, it has no BAR
 * @config: configuration space, guarded by vm->pci.lock
 * @writable: bits of @config that the guest can change
 * @free: first byte behind the capabilities
 * @last: offset of the byte that links the next capability
 * @bar: where the BAR is while @mapped, guarded by vm->pci.lock
 * @mapped: the guest has decoding of memory accesses on
 * @pin: interrupt pin, 1: INTA#; 0: none
 * @gsi: line of the IOAPIC that it is connected to
 */
struct pci_device {
	struct vm *vm;
	const struct pci_ops *ops;
	uint8_t config[PCI_CFG_SPACE_SIZE];
	uint8_t writable[PCI_CFG_SPACE_SIZE];
	uint8_t free;
	uint8_t last;
	uint32_t bar;
	bool mapped;
	uint8_t pin;
	uint8_t gsi;
};

void pci_init(struct vm *vm);
void pci_add(struct vm *vm, struct pci_device *dev, const struct pci_ops *ops, uint16_t vendor,
	     uint16_t device, uint32_t class_code);
uint8_t pci_add_capability(struct pci_device *dev, uint8_t id, const void *body, uint8_t size);
void pci_port_access(struct vm *vm, uint16_t port, void *data, unsigned int size, bool is_write);
bool pci_window_access(struct vm *vm, bool is_port, uint64_t addr, void *data, unsigned int size,
		       bool is_write);
bool pci_mmio_access(struct vm *vm, uint64_t gpa, void *data, unsigned int size, bool is_write);

static inline uint16_t get16(const void *p)
{
	const uint8_t *b = p;

	return b[0] | b[1] << 8;
}

static inline uint32_t get32(const void *p)
{
	return get16(p) | (uint32_t)get16((const uint8_t *)p + 2) << 16;
}

static inline void put16(void *p, uint16_t value)
{
	uint8_t *b = p;

	b[0] = value;
	b[1] = value >> 8;
}

static inline void put32(void *p, uint32_t value)
{
	put16(p, value);
	put16((uint8_t *)p + 2, value >> 16);
}

#endif
