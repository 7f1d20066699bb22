// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI-X (PCI Local Bus Specification 3.0, 6.8.2).
 *
 * Each vector has a GSI with a route to the message that the guest wrote into the
 * table, and an irqfd: an interrupt is one write() to it. Masking stays here: an
 * interrupt of a masked vector sets its pending bit, and unmasking it lets it go.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "msix.h"

/**
 * msix_init() - give a device MSI-X
 * @m: all zero
 * @pci: the device, after pci_add()
 * @vectors: number of vectors
 * @table_offset: of the table in BAR 0
 * @pending_offset: of the pending bits in BAR 0
 *
 * Exits with a message on any error.
 */
void msix_init(struct msix *m, struct pci_device *pci, unsigned int vectors,
	       uint32_t table_offset, uint32_t pending_offset)
{
	uint8_t body[PCI_CAP_MSIX_SIZEOF - PCI_CAP_FLAGS];
	unsigned int i;

	/* the low three bits of the offsets name the BAR */
	put16(body, vectors - 1);
	put32(body + PCI_MSIX_TABLE - PCI_CAP_FLAGS, table_offset);
	put32(body + PCI_MSIX_PBA - PCI_CAP_FLAGS, pending_offset);
	m->pci = pci;
	m->vectors = vectors;
	m->cap = pci_add_capability(pci, PCI_CAP_ID_MSIX, body, sizeof(body));
	put16(pci->writable + m->cap + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pthread_mutex_init(&m->lock, NULL);
	for (i = 0; i < vectors; i++) {
		put32(m->table[i] + PCI_MSIX_ENTRY_VECTOR_CTRL, PCI_MSIX_ENTRY_CTRL_MASKBIT);
		m->irqfd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (m->irqfd[i] < 0)
			die("eventfd: %s", strerror(errno));
		m->gsi[i] = irq_add(pci->vm, m->irqfd[i]);
	}
}

static bool is_masked(const struct msix *m, unsigned int vector)
{
	return m->masked || (get32(m->table[vector] + PCI_MSIX_ENTRY_VECTOR_CTRL) &
			     PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void fire(struct msix *m, unsigned int vector)
{
	uint64_t one = 1;

	/* it can only fail when there are 2^64 - 2 events that nobody took yet */
	if (write(m->irqfd[vector], &one, sizeof(one)) < 0)
		msg("MSI-X interrupt: %s", strerror(errno));
}

/* A vector that can fire has a route to its message. */
static void update_route(struct msix *m, unsigned int vector)
{
	const uint8_t *entry = m->table[vector];
	struct hv_irq_routing_msi route = {
		.address_lo = get32(entry + PCI_MSIX_ENTRY_LOWER_ADDR),
		.address_hi = get32(entry + PCI_MSIX_ENTRY_UPPER_ADDR),
		.data = get32(entry + PCI_MSIX_ENTRY_DATA),
	};

	if (!memcmp(&route, &m->route[vector], sizeof(route)))
		return;
	m->route[vector] = route;
	irq_route_msi(m->pci->vm, m->gsi[vector], &route);
}

static void update_vector(struct msix *m, unsigned int vector)
{
	if (!m->enabled || is_masked(m, vector))
		return;
	update_route(m, vector);
	if (m->pending & 1ull << vector) {
		m->pending &= ~(1ull << vector);
		fire(m, vector);
	}
}

/**
 * msix_config_written() - the guest may have changed the capability
 * @m: MSI-X of the device whose configuration space was written
 */
void msix_config_written(struct msix *m)
{
	uint16_t flags = get16(m->pci->config + m->cap + PCI_MSIX_FLAGS);
	unsigned int i;

	pthread_mutex_lock(&m->lock);
	m->enabled = flags & PCI_MSIX_FLAGS_ENABLE;
	m->masked = flags & PCI_MSIX_FLAGS_MASKALL;
	if (!m->enabled)
		m->pending = 0;
	for (i = 0; i < m->vectors; i++)
		update_vector(m, i);
	pthread_mutex_unlock(&m->lock);
}

/* Accesses are naturally aligned pieces of 4 or 8 bytes; others are undefined (6.8.2). */
static bool in_table(const struct msix *m, uint32_t offset, unsigned int size)
{
	return (size == 4 || size == 8) && offset % size == 0 &&
	       offset + size <= m->vectors * PCI_MSIX_ENTRY_SIZE;
}

/**
 * msix_table_read() - the guest reads the table
 * @m: MSI-X of a device
 * @offset: in the table
 * @data: zero, gets the value
 * @size: 1 to 8
 */
void msix_table_read(struct msix *m, uint32_t offset, void *data, unsigned int size)
{
	if (!in_table(m, offset, size))
		return;
	pthread_mutex_lock(&m->lock);
	memcpy(data, (uint8_t *)m->table + offset, size);
	pthread_mutex_unlock(&m->lock);
}

/**
 * msix_table_write() - the guest writes the table
 * @m: MSI-X of a device
 * @offset: in the table
 * @data: value
 * @size: 1 to 8
 */
void msix_table_write(struct msix *m, uint32_t offset, const void *data, unsigned int size)
{
	if (!in_table(m, offset, size))
		return;
	pthread_mutex_lock(&m->lock);
	memcpy((uint8_t *)m->table + offset, data, size);
	update_vector(m, offset / PCI_MSIX_ENTRY_SIZE);
	pthread_mutex_unlock(&m->lock);
}

/**
 * msix_pending_read() - the guest reads the pending bits
 * @m: MSI-X of a device
 * @offset: in the array of pending bits
 * @data: zero, gets the value
 * @size: 1 to 8
 */
void msix_pending_read(struct msix *m, uint32_t offset, void *data, unsigned int size)
{
	if (offset + size > sizeof(m->pending))
		return;
	pthread_mutex_lock(&m->lock);
	memcpy(data, (uint8_t *)&m->pending + offset, size);
	pthread_mutex_unlock(&m->lock);
}

/**
 * msix_raise() - send an interrupt
 * @m: MSI-X of a device
 * @vector: index into the table; any other value sends nothing
 *
 * Any thread.
 */
void msix_raise(struct msix *m, unsigned int vector)
{
	if (vector >= m->vectors)
		return;
	pthread_mutex_lock(&m->lock);
	if (m->enabled) {
		if (is_masked(m, vector))
			m->pending |= 1ull << vector;
		else
			fire(m, vector);
	}
	pthread_mutex_unlock(&m->lock);
}
