// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI host bus (PCI Local Bus Specification 3.0, chapter 6): configuration
 * space through ports and through memory (PCI Express Base 3.0, 7.2.2), and the
 * memory BARs of the devices.
 *
 * hvrun is the firmware, too: it places the BARs. The guest may move them.
 */
#include <string.h>

#include "pci.h"

#define BRIDGE_VENDOR	0x1b36		/* Red Hat's, "generic PCIe host bridge" */
#define BRIDGE_DEVICE	0x0008
#define CLASS_BRIDGE	0x060000

#define ADDRESS_ENABLE	(1u << 31)
#define FIRST_CAP	0x40

/**
 * pci_init() - make the bus, with the host bridge in slot 0
 * @vm: the VM
 */
void pci_init(struct vm *vm)
{
	static struct pci_device bridge;

	pthread_mutex_init(&vm->pci.lock, NULL);
	pci_add(vm, &bridge, NULL, BRIDGE_VENDOR, BRIDGE_DEVICE, CLASS_BRIDGE);
}

static void set_writable(struct pci_device *dev, unsigned int offset, uint32_t bits)
{
	put32(dev->writable + offset, bits);
}

/**
 * pci_add() - put a device into the next free slot
 * @vm: the VM; its vCPUs do not run yet
 * @dev: the device, all zero
 * @ops: what it does, or NULL for a device without a BAR
 * @vendor: vendor id
 * @device: device id
 * @class_code: class, subclass, interface
 *
 * Exits with a message when the bus is full.
 */
void pci_add(struct vm *vm, struct pci_device *dev, const struct pci_ops *ops, uint16_t vendor,
	     uint16_t device, uint32_t class_code)
{
	unsigned int slot = vm->pci.count;

	if (slot == PCI_SLOTS)
		die("too many devices: the PCI bus has %zu slots", PCI_SLOTS - 1);
	dev->vm = vm;
	dev->ops = ops;
	dev->free = FIRST_CAP;
	dev->last = PCI_CAPABILITY_LIST;
	put16(dev->config + PCI_VENDOR_ID, vendor);
	put16(dev->config + PCI_DEVICE_ID, device);
	put32(dev->config + PCI_CLASS_REVISION, class_code << 8 | 1);
	put16(dev->config + PCI_SUBSYSTEM_VENDOR_ID, vendor);
	put16(dev->config + PCI_SUBSYSTEM_ID, device);
	if (ops) {
		put32(dev->config + PCI_BASE_ADDRESS_0, PCI_WINDOW_BASE + slot * PCI_BAR_SIZE);
		set_writable(dev, PCI_BASE_ADDRESS_0, ~(PCI_BAR_SIZE - 1));
		set_writable(dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			     PCI_COMMAND_INTX_DISABLE);
		set_writable(dev, PCI_CACHE_LINE_SIZE, 0xff);
		set_writable(dev, PCI_INTERRUPT_LINE, 0xff);
	}
	vm->pci.slots[slot] = dev;
	vm->pci.count++;
}

/**
 * pci_add_capability() - append a capability
 * @dev: the device
 * @id: PCI_CAP_ID_*
 * @body: what follows the two bytes of id and link
 * @size: bytes of @body
 *
 * Return: offset of the capability.
 */
uint8_t pci_add_capability(struct pci_device *dev, uint8_t id, const void *body, uint8_t size)
{
	uint8_t offset = dev->free;

	dev->config[dev->last] = offset;
	dev->config[offset + PCI_CAP_LIST_ID] = id;
	dev->last = offset + PCI_CAP_LIST_NEXT;
	memcpy(dev->config + offset + PCI_CAP_FLAGS, body, size);
	dev->free = (offset + PCI_CAP_FLAGS + size + 3) & ~3;
	dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	return offset;
}

/* ---- configuration space; under the bus's lock ---- */

/* The window is all that there is: elsewhere the BAR would hide RAM or the LAPICs. */
static void update_mapping(struct pci_device *dev)
{
	uint32_t bar = get32(dev->config + PCI_BASE_ADDRESS_0);
	bool mapped = get16(dev->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;

	mapped = mapped && bar >= PCI_WINDOW_BASE &&
		 bar - PCI_WINDOW_BASE <= PCI_WINDOW_SIZE - PCI_BAR_SIZE;
	if (mapped == dev->mapped && (!mapped || bar == dev->bar))
		return;
	if (dev->mapped)
		dev->ops->bar_mapped(dev, false);
	dev->bar = bar;
	dev->mapped = mapped;
	if (mapped)
		dev->ops->bar_mapped(dev, true);
}

static void config_write(struct pci_device *dev, unsigned int offset, const uint8_t *data,
			 unsigned int size)
{
	uint8_t *config = dev->config + offset, *writable = dev->writable + offset;
	unsigned int i;

	for (i = 0; i < size; i++)
		config[i] = (config[i] & ~writable[i]) | (data[i] & writable[i]);
	if (!dev->ops)
		return;
	update_mapping(dev);
	if (dev->ops->config_written)
		dev->ops->config_written(dev, offset, size);
}

static void config_read(struct pci_device *dev, unsigned int offset, uint8_t *data,
			unsigned int size)
{
	if (dev->ops && dev->ops->config_read)
		dev->ops->config_read(dev, offset, size);
	memcpy(data, dev->config + offset, size);
}

/*
 * @devfn: slot and function; @offset: up to 4095 through memory. Where nobody is,
 * all ones; there are no extended capabilities.
 */
static void config_access(struct vm *vm, unsigned int devfn, unsigned int offset, void *data,
			  unsigned int size, bool is_write)
{
	struct pci_device *dev = devfn & 7 ? NULL : vm->pci.slots[devfn >> 3];

	if (dev && dev->ops && dev->ops->config) {
		pthread_mutex_lock(&vm->pci.lock);
		dev->ops->config(dev, offset, data, size, is_write);
		pthread_mutex_unlock(&vm->pci.lock);
		return;
	}
	if (!dev || offset + size > PCI_CFG_SPACE_SIZE) {
		if (!is_write)
			memset(data, dev ? 0 : 0xff, size);
		return;
	}
	pthread_mutex_lock(&vm->pci.lock);
	if (is_write)
		config_write(dev, offset, data, size);
	else
		config_read(dev, offset, data, size);
	pthread_mutex_unlock(&vm->pci.lock);
}

/* ---- how the guest reaches it ---- */

static void address_access(struct vm *vm, unsigned int byte, void *data, unsigned int size,
			   bool is_write)
{
	uint32_t address = atomic_load(&vm->pci.address);

	if (is_write) {
		memcpy((uint8_t *)&address + byte, data, size);
		atomic_store(&vm->pci.address, address);
	} else {
		memcpy(data, (uint8_t *)&address + byte, size);
	}
}

/**
 * pci_port_access() - the guest accesses PCI_ADDRESS_PORT or PCI_DATA_PORT
 * @vm: the VM
 * @port: first port, in one of the two registers
 * @data: value, @size bytes
 * @size: 1, 2 or 4; does not reach beyond the register
 * @is_write: direction
 *
 * Any vCPU thread.
 */
void pci_port_access(struct vm *vm, uint16_t port, void *data, unsigned int size, bool is_write)
{
	uint32_t address = atomic_load(&vm->pci.address);

	if (port < PCI_DATA_PORT) {
		address_access(vm, port - PCI_ADDRESS_PORT, data, size, is_write);
		return;
	}
	/* bits 23:16 are the bus; there is only bus 0 */
	if ((address & ADDRESS_ENABLE) && !(address >> 16 & 0xff))
		config_access(vm, address >> 8 & 0xff, (address & 0xfc) + (port & 3), data, size,
			      is_write);
	else if (!is_write)
		memset(data, 0xff, size);
}

static struct pci_device *find_bar(struct vm *vm, uint32_t gpa, uint32_t *offset)
{
	struct pci_device *found = NULL, *dev;
	unsigned int i;

	pthread_mutex_lock(&vm->pci.lock);
	for (i = 0; i < vm->pci.count && !found; i++) {
		dev = vm->pci.slots[i];
		if (dev->mapped && gpa >= dev->bar && gpa - dev->bar < PCI_BAR_SIZE) {
			found = dev;
			*offset = gpa - dev->bar;
		}
	}
	pthread_mutex_unlock(&vm->pci.lock);
	return found;
}

/**
 * pci_window_access() - the guest accesses what may be a BAR of a function of the host
 * @vm: the VM
 * @is_port: ports, else memory
 * @addr: port or guest-physical address
 * @data: value, @size bytes
 * @size: 1 to 8
 * @is_write: direction
 *
 * Any vCPU thread.
 *
 * Return: whether one of them has it.
 */
bool pci_window_access(struct vm *vm, bool is_port, uint64_t addr, void *data, unsigned int size,
		       bool is_write)
{
	struct pci_device *dev;
	unsigned int i;

	for (i = 0; i < vm->pci.count; i++) {
		dev = vm->pci.slots[i];
		if (dev->ops && dev->ops->access &&
		    dev->ops->access(dev, is_port, addr, data, size, is_write))
			return true;
	}
	return false;
}

/**
 * pci_mmio_access() - the guest accesses memory that is no RAM
 * @vm: the VM
 * @gpa: guest-physical address
 * @data: value, @size bytes
 * @size: 1 to 8
 * @is_write: direction
 *
 * Any vCPU thread.
 *
 * Return: whether anybody is there.
 */
bool pci_mmio_access(struct vm *vm, uint64_t gpa, void *data, unsigned int size, bool is_write)
{
	struct pci_device *dev;
	uint32_t offset;

	if (gpa >= PCI_ECAM_BASE && gpa + size <= PCI_ECAM_BASE + PCI_ECAM_SIZE) {
		offset = gpa - PCI_ECAM_BASE;
		config_access(vm, offset >> 12, offset & 0xfff, data, size, is_write);
		return true;
	}
	if (gpa < PCI_WINDOW_BASE || gpa + size > PCI_WINDOW_BASE + PCI_WINDOW_SIZE)
		return false;
	dev = find_bar(vm, gpa, &offset);
	if (!dev || offset + size > PCI_BAR_SIZE)
		return pci_window_access(vm, false, gpa, data, size, is_write);
	if (is_write) {
		dev->ops->bar_write(dev, offset, data, size);
	} else {
		memset(data, 0, size);
		dev->ops->bar_read(dev, offset, data, size);
	}
	return true;
}
