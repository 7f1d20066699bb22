// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts: lines of the IOAPIC, and GSIs that are messages of PCI devices.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hvrun.h"

/**
 * irq_line() - drive an interrupt line
 * @vm: the VM
 * @gsi: line; HV_CREATE_IRQCHIP routed it to the IOAPIC pin of the same number
 * @level: asserted or not
 *
 * Any thread. The caller serializes the changes of a line.
 */
void irq_line(struct vm *vm, unsigned int gsi, bool level)
{
	struct hv_irq_level irq = { .irq = gsi, .level = level };

	if (ioctl(vm->fd, HV_IRQ_LINE, &irq)) {
		msg("HV_IRQ_LINE: %s", strerror(errno));
		vm_stop(vm, EXIT_BROKEN);
	}
}

/**
 * irq_init() - the routes that a VM has from the start
 * @vm: the VM
 *
 * This machine has no PIC: a line reaches the IOAPIC only.
 */
void irq_init(struct vm *vm)
{
	struct irq *irq = &vm->irq;
	unsigned int pin;

	pthread_mutex_init(&irq->lock, NULL);
	irq->max = vm_check_extension(vm, HV_CAP_IRQ_ROUTING);
	irq->routes = calloc(1, sizeof(*irq->routes) +
			     irq->max * sizeof(irq->routes->entries[0]));
	if (!irq->routes)
		die("out of memory");
	for (pin = 0; pin < HV_IOAPIC_NUM_PINS; pin++)
		irq->routes->entries[pin] = (struct hv_irq_routing_entry) {
			.gsi = pin,
			.type = HV_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = HV_IRQCHIP_IOAPIC, .pin = pin },
		};
	irq->routes->nr = HV_IOAPIC_NUM_PINS;
}

/**
 * irq_add() - make a GSI for messages
 * @vm: the VM
 * @fd: eventfd whose events shall be the GSI's interrupts
 *
 * Until irq_route_msi() they reach nobody.
 *
 * Return: the GSI.
 */
unsigned int irq_add(struct vm *vm, int fd)
{
	struct irq *irq = &vm->irq;
	struct hv_irqfd irqfd = { .fd = fd };

	if (irq->routes->nr == irq->max)
		die("too many interrupts: the device has %u GSIs", irq->max);
	irqfd.gsi = irq->routes->nr++;
	/* a message that no LAPIC takes: its vector, 0, is illegal */
	irq->routes->entries[irqfd.gsi] = (struct hv_irq_routing_entry) {
		.gsi = irqfd.gsi,
		.type = HV_IRQ_ROUTING_MSI,
	};
	if (ioctl(vm->fd, HV_IRQFD, &irqfd))
		die("HV_IRQFD: %s", strerror(errno));
	return irqfd.gsi;
}

/**
 * irq_route_msi() - say which message a GSI is
 * @vm: the VM
 * @gsi: of irq_add()
 * @msi: address and data
 *
 * Any thread. The hypervisor takes the routes as a whole.
 */
void irq_route_msi(struct vm *vm, unsigned int gsi, const struct hv_irq_routing_msi *msi)
{
	struct irq *irq = &vm->irq;

	pthread_mutex_lock(&irq->lock);
	irq->routes->entries[gsi].u.msi = *msi;
	if (ioctl(vm->fd, HV_SET_GSI_ROUTING, irq->routes)) {
		msg("HV_SET_GSI_ROUTING: %s", strerror(errno));
		vm_stop(vm, EXIT_BROKEN);
	}
	pthread_mutex_unlock(&irq->lock);
}
