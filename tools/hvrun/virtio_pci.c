// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI transport of virtio devices (Virtio 1.2, 4.1), without its legacy part.
 *
 * BAR 0 has everything, at the offsets below. A doorbell is an ioeventfd: the
 * hypervisor hands it to the device's thread without an exit to a vCPU thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "virtio.h"

#define VENDOR		0x1af4
#define DEVICE_BASE	0x1040		/* plus the virtio device type (4.1.2) */

/* BAR 0 */
#define COMMON		0x0000
#define ISR		0x0400
#define DEVICE		0x0800
#define NOTIFY		0x1000
#define MSIX_TABLE	0x2000
#define MSIX_PENDING	0x3000

#define NOTIFY_STRIDE	4

/* ---- common configuration; under v->lock ---- */

static struct virtio_queue_config *selected(struct virtio *v)
{
	return v->queue_select < v->ops->queues ? &v->queue[v->queue_select] : NULL;
}

static void read_queue(struct virtio *v, struct virtio_pci_common_cfg *c)
{
	const struct virtio_queue_config *q = selected(v);

	/* a queue that does not exist has size 0 (4.1.4.3.1) */
	c->queue_msix_vector = VIRTIO_NO_VECTOR;
	if (!q)
		return;
	c->queue_size = q->at.size;
	c->queue_msix_vector = q->vector;
	c->queue_enable = q->enabled;
	c->queue_notify_off = v->queue_select;
	c->queue_desc_lo = q->at.desc;
	c->queue_desc_hi = q->at.desc >> 32;
	c->queue_avail_lo = q->at.avail;
	c->queue_avail_hi = q->at.avail >> 32;
	c->queue_used_lo = q->at.used;
	c->queue_used_hi = q->at.used >> 32;
}

static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? features >> 32 * select : 0;
}

static void common_read(struct virtio *v, uint32_t offset, void *data, unsigned int size)
{
	struct virtio_pci_common_cfg c = {
		.device_feature_select = v->feature_select,
		.device_feature = half(v->features, v->feature_select),
		.guest_feature_select = v->driver_feature_select,
		.guest_feature = half(v->driver_features, v->driver_feature_select),
		.msix_config = v->config_vector,
		.num_queues = v->ops->queues,
		.device_status = v->status,
		.queue_select = v->queue_select,
	};

	read_queue(v, &c);
	if (offset + size <= sizeof(c))
		memcpy(data, (uint8_t *)&c + offset, size);
}

static void set_half(uint64_t *value, unsigned int which, uint32_t bits)
{
	*value = which ? (*value & 0xffffffff) | (uint64_t)bits << 32 :
			 (*value & ~0xffffffffull) | bits;
}

/* A vector that does not exist reads back as none: the driver then knows (4.1.5.1.2.1). */
static uint16_t valid_vector(const struct virtio *v, uint16_t vector)
{
	return vector < v->msix.vectors ? vector : VIRTIO_NO_VECTOR;
}

static void write_status(struct virtio *v, uint8_t value)
{
	if (!value && !v->status) {
		virtio_pci_reset(v);
	} else if (!value) {
		v->resetting = true;
	} else {
		/* 3.1.1 step 5: the driver reads back whether its choice is accepted */
		if ((v->driver_features & ~v->features) ||
		    !(v->driver_features & 1ull << VIRTIO_F_VERSION_1))
			value &= ~(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
		if (!((value | v->status) & VIRTIO_CONFIG_S_FEATURES_OK))
			value &= ~VIRTIO_CONFIG_S_DRIVER_OK;
		/* a driver never clears a bit but by a reset, nor sets this one */
		v->status |= value & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	}
	virtio_wake(v);
}

/* The rest is fixed once the driver said that the queue, or all of it, is ready. */
static void write_queue(struct virtio *v, uint32_t offset, uint32_t value)
{
	struct virtio_queue_config *q = selected(v);

	if (!q)
		return;
	if (offset == VIRTIO_PCI_COMMON_Q_MSIX)
		q->vector = valid_vector(v, value);
	if (q->enabled || (v->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		q->at.size = value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		q->enabled = value == 1;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&q->at.desc, offset & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		/* fields of 8 bytes, whose lower half is 8-byte aligned */
		set_half(&q->at.avail, offset & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&q->at.used, offset & 4, value);
		break;
	}
}

static void write_field(struct virtio *v, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		v->feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		v->driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		/* fixed once accepted */
		if (v->driver_feature_select < 2 && !(v->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&v->driver_features, v->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		v->config_vector = valid_vector(v, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		write_status(v, value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		v->queue_select = value;
		break;
	default:
		write_queue(v, offset, value);
	}
}

/* Bytes of a field: the driver accesses each as a whole (4.1.3.1) */
static unsigned int field_size(uint32_t offset)
{
	if (offset == VIRTIO_PCI_COMMON_STATUS || offset == VIRTIO_PCI_COMMON_CFGGENERATION)
		return 1;
	if (offset == VIRTIO_PCI_COMMON_MSIX || offset == VIRTIO_PCI_COMMON_NUMQ ||
	    (offset >= VIRTIO_PCI_COMMON_Q_SELECT && offset < VIRTIO_PCI_COMMON_Q_DESCLO))
		return 2;
	return 4;
}

static void common_write(struct virtio *v, uint32_t offset, const void *data, unsigned int size)
{
	uint8_t bytes[4] = { };

	/* nothing counts until the reset that is under way has ended */
	if (size != field_size(offset) || v->resetting)
		return;
	memcpy(bytes, data, size);
	write_field(v, offset, get32(bytes));
}

/**
 * virtio_pci_reset() - what the driver configured is gone
 * @v: the device, locked
 */
void virtio_pci_reset(struct virtio *v)
{
	unsigned int i;

	v->resetting = false;
	v->status = 0;
	v->driver_features = 0;
	v->feature_select = 0;
	v->driver_feature_select = 0;
	v->queue_select = 0;
	v->config_vector = VIRTIO_NO_VECTOR;
	v->isr = 0;
	for (i = 0; i < v->ops->queues; i++)
		v->queue[i] = (struct virtio_queue_config) {
			.at.size = VIRTQ_MAX_SIZE,
			.vector = VIRTIO_NO_VECTOR,
		};
}

/* ---- the BAR ---- */

static struct virtio *from_pci(struct pci_device *pci)
{
	return (struct virtio *)((char *)pci - offsetof(struct virtio, pci));
}

static void isr_read(struct virtio *v, uint8_t *data)
{
	*data = v->isr;
	v->isr = 0;
}

static void bar_read(struct pci_device *pci, uint32_t offset, void *data, unsigned int size)
{
	struct virtio *v = from_pci(pci);

	if (offset >= MSIX_PENDING) {
		msix_pending_read(&v->msix, offset - MSIX_PENDING, data, size);
		return;
	}
	if (offset >= MSIX_TABLE) {
		msix_table_read(&v->msix, offset - MSIX_TABLE, data, size);
		return;
	}
	pthread_mutex_lock(&v->lock);
	if (offset < ISR)
		common_read(v, offset - COMMON, data, size);
	else if (offset == ISR)
		isr_read(v, data);
	else if (offset >= DEVICE && offset - DEVICE + size <= v->config_size)
		memcpy(data, v->config + (offset - DEVICE), size);
	pthread_mutex_unlock(&v->lock);
}

static void bar_write(struct pci_device *pci, uint32_t offset, const void *data, unsigned int size)
{
	struct virtio *v = from_pci(pci);

	if (offset >= MSIX_TABLE && offset < MSIX_PENDING) {
		msix_table_write(&v->msix, offset - MSIX_TABLE, data, size);
	} else if (offset >= NOTIFY && offset < MSIX_TABLE) {
		/* a doorbell that came around its ioeventfd */
		virtio_kick(v, (offset - NOTIFY) / NOTIFY_STRIDE);
	} else if (offset < ISR) {
		pthread_mutex_lock(&v->lock);
		common_write(v, offset - COMMON, data, size);
		pthread_mutex_unlock(&v->lock);
	}
}

/* Whatever is written into a doorbell rings it: length 0 spares the decoding. */
static void bar_mapped(struct pci_device *pci, bool mapped)
{
	struct virtio *v = from_pci(pci);
	struct hv_ioeventfd doorbell = {
		.flags = mapped ? 0 : HV_IOEVENTFD_FLAG_DEASSIGN,
	};
	unsigned int i;

	for (i = 0; i < v->ops->queues; i++) {
		doorbell.addr = pci->bar + NOTIFY + i * NOTIFY_STRIDE;
		doorbell.fd = v->kick_fd[i];
		/* without it the doorbell is slower: bar_write() */
		if (ioctl(pci->vm->fd, HV_IOEVENTFD, &doorbell) && mapped)
			msg_once(&v->said_doorbell, "%s: HV_IOEVENTFD: %s", v->ops->name,
				 strerror(errno));
	}
}

/* ---- the configuration space ---- */

/* Where the capability that accesses the BAR through configuration space points (4.1.4.9) */
static bool pci_cfg_window(struct virtio *v, unsigned int offset, unsigned int size,
			   uint32_t *target, uint32_t *length)
{
	const uint8_t *cap = v->pci.config + v->pci_cfg_cap;
	unsigned int data = v->pci_cfg_cap + sizeof(struct virtio_pci_cap);

	if (offset >= data + 4 || offset + size <= data)
		return false;
	*target = get32(cap + offsetof(struct virtio_pci_cap, offset));
	*length = get32(cap + offsetof(struct virtio_pci_cap, length));
	return !cap[offsetof(struct virtio_pci_cap, bar)] &&
	       (*length == 1 || *length == 2 || *length == 4) &&
	       *target % *length == 0 && *target < PCI_BAR_SIZE;
}

static void config_read(struct pci_device *pci, unsigned int offset, unsigned int size)
{
	struct virtio *v = from_pci(pci);
	uint32_t target, length;
	uint8_t *data = pci->config + v->pci_cfg_cap + sizeof(struct virtio_pci_cap);

	if (!pci_cfg_window(v, offset, size, &target, &length))
		return;
	memset(data, 0, 4);
	bar_read(pci, target, data, length);
}

static void config_written(struct pci_device *pci, unsigned int offset, unsigned int size)
{
	struct virtio *v = from_pci(pci);
	uint32_t target, length;

	msix_config_written(&v->msix);
	if (pci_cfg_window(v, offset, size, &target, &length))
		bar_write(pci, target, pci->config + v->pci_cfg_cap +
			  sizeof(struct virtio_pci_cap), length);
}

static const struct pci_ops ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.bar_mapped = bar_mapped,
	.config_read = config_read,
	.config_written = config_written,
};

static uint8_t add_cap(struct pci_device *pci, uint8_t type, uint32_t offset, uint32_t length,
		       unsigned int extra)
{
	struct virtio_pci_notify_cap cap = {
		.cap = {
			.cap_len = sizeof(cap.cap) + extra,
			.cfg_type = type,
			.offset = offset,
			.length = length,
		},
		.notify_off_multiplier = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? NOTIFY_STRIDE : 0,
	};

	return pci_add_capability(pci, PCI_CAP_ID_VNDR, (uint8_t *)&cap + PCI_CAP_FLAGS,
				  cap.cap.cap_len - PCI_CAP_FLAGS);
}

/**
 * virtio_pci_init() - put the device on the bus
 * @v: the device
 *
 * Exits with a message on any error.
 */
void virtio_pci_init(struct virtio *v)
{
	struct pci_device *pci = &v->pci;
	uint8_t *writable;

	pci_add(pci->vm, pci, &ops, VENDOR, DEVICE_BASE + v->ops->type, v->ops->class_code);
	add_cap(pci, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, sizeof(struct virtio_pci_common_cfg), 0);
	add_cap(pci, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1, 0);
	add_cap(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, v->ops->queues * NOTIFY_STRIDE, 4);
	if (v->config_size)
		add_cap(pci, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, v->config_size, 0);
	v->pci_cfg_cap = add_cap(pci, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 4);
	writable = pci->writable + v->pci_cfg_cap;
	writable[offsetof(struct virtio_pci_cap, bar)] = 0xff;
	put32(writable + offsetof(struct virtio_pci_cap, offset), ~0u);
	put32(writable + offsetof(struct virtio_pci_cap, length), ~0u);
	put32(writable + sizeof(struct virtio_pci_cap), ~0u);
	/* one for each queue, one for configuration changes */
	msix_init(&v->msix, pci, v->ops->queues + 1, MSIX_TABLE, MSIX_PENDING);
	virtio_pci_reset(v);
}
