// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port and MMIO accesses of the guest, and which device they reach.
 *
 * Nobody answers at other addresses: reads give all ones, writes are lost, as
 * on a bus.
 */
#include <string.h>

#include "pci.h"

static void com1_write(struct vm *vm, uint16_t port, uint8_t value)
{
	serial_write(&vm->serial, port - SERIAL_PORT, value);
}

static uint8_t com1_read(struct vm *vm, uint16_t port)
{
	return serial_read(&vm->serial, port - SERIAL_PORT);
}

static const struct port_range {
	uint16_t first, last;
	void (*write)(struct vm *vm, uint16_t port, uint8_t value);
	uint8_t (*read)(struct vm *vm, uint16_t port);
} port_ranges[] = {
	{ RTC_INDEX_PORT, RTC_INDEX_PORT + 1, rtc_write, rtc_read },
	{ SERIAL_PORT, SERIAL_PORT + 7, com1_write, com1_read },
	{ ACPI_SLEEP_CONTROL_PORT, ACPI_RESET_PORT, acpi_write, acpi_read },
};

static void access_port(struct vm *vm, uint16_t port, uint8_t *data, bool is_write)
{
	const struct port_range *r = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(port_ranges); i++) {
		if (port >= port_ranges[i].first && port <= port_ranges[i].last)
			r = &port_ranges[i];
	}
	if (is_write && r)
		r->write(vm, port, *data);
	else if (!is_write)
		*data = r ? r->read(vm, port) : 0xff;
}

static bool is_pci_port(uint16_t port, unsigned int size)
{
	return port >= PCI_ADDRESS_PORT && port + size <= PCI_DATA_PORT + 4u &&
	       (port & 3) + size <= 4;
}

/* A wide access reaches the byte-wide registers that lie side by side. */
static void access_bytes(struct vm *vm, uint16_t port, uint8_t *data, unsigned int size,
			 bool is_write)
{
	unsigned int byte;

	for (byte = 0; byte < size; byte++)
		access_port(vm, port + byte, data + byte, is_write);
}

/**
 * io_port_exit() - serve an HV_EXIT_IO
 * @vcpu: whose run page describes the access
 *
 * One exit may carry many elements, of a REP INS or OUTS.
 */
void io_port_exit(struct vcpu *vcpu)
{
	struct hv_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool is_write = run->io.direction == HV_EXIT_IO_OUT;
	unsigned int i, size = run->io.size;

	for (i = 0; i < run->io.count; i++, data += size) {
		if (is_pci_port(run->io.port, size))
			pci_port_access(vcpu->vm, run->io.port, data, size, is_write);
		else if (run->io.port < PCI_PORTS_BASE ||
			 !pci_window_access(vcpu->vm, true, run->io.port, data, size, is_write))
			access_bytes(vcpu->vm, run->io.port, data, size, is_write);
	}
}

/**
 * io_mmio_exit() - serve an HV_EXIT_MMIO
 * @vcpu: whose run page describes the access
 *
 * LAPIC and IOAPIC are in the kernel; what is left is the PCI bus.
 */
void io_mmio_exit(struct vcpu *vcpu)
{
	struct hv_run *run = vcpu->run;

	if (!pci_mmio_access(vcpu->vm, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
			     run->mmio.is_write) && !run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}
