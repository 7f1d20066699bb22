/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio devices (Virtual I/O Device Version 1.2): rings, transport, devices.
 *
 * Each device has a thread. The vCPU threads only store what the guest writes
 * to the transport's registers; rings and backends are the device thread's own.
 */
#ifndef HVRUN_VIRTIO_H
#define HVRUN_VIRTIO_H

#include <sys/uio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "msix.h"

#define VIRTQ_MAX_SIZE		256
#define VIRTIO_MAX_QUEUES	2
#define VIRTIO_MAX_CONFIG	64	/* largest device-specific configuration */
#define VIRTIO_NO_VECTOR	VIRTIO_MSI_NO_VECTOR

/* Bits of the ISR register (4.1.4.5) */
#define VIRTIO_ISR_QUEUE	1
#define VIRTIO_ISR_CONFIG	2

/* ---- virtqueue.c ---- */

/**
 * struct virtq - a split virtqueue in operation; the device thread's own
 * @vm: whose memory it lies in
 * @size: entries
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC was negotiated
 * @desc: descriptor table
 * @avail: driver area
 * @used: device area
 * @kick_event: its end: when to ring the doorbell, with @event_idx
 * @next_avail: free-running index of the next chain to take
 * @next_used: free-running index of the next used entry
 * @signalled: @next_used when the driver was last looked at for an interrupt
 * @broken: the driver broke the rules; nothing is taken any more
 */
struct virtq {
	struct vm *vm;
	uint16_t size;
	bool event_idx;
	bool indirect;
	const uint8_t *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t *kick_event;
	uint16_t next_avail;
	uint16_t next_used;
	uint16_t signalled;
	bool broken;
};

/**
 * struct virtq_chain - the buffers of one request
 * @head: index that goes back with virtq_push()
 * @iov: buffers in this process's memory: first those to read, then those to write
 * @readable: number of buffers that the device reads
 * @writable: number of buffers that the device writes
 * @read_size: bytes to read
 * @write_size: bytes to write
 */
struct virtq_chain {
	uint16_t head;
	struct iovec iov[VIRTQ_MAX_SIZE];
	unsigned int readable;
	unsigned int writable;
	uint64_t read_size;
	uint64_t write_size;
};

/**
 * struct virtq_addresses - where the driver has put a queue
 * @size: entries
 * @desc: guest-physical address of the descriptor table
 * @avail: of the driver area
 * @used: of the device area
 */
struct virtq_addresses {
	uint16_t size;
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

bool virtq_open(struct virtq *q, struct vm *vm, const struct virtq_addresses *at,
		uint64_t features);
bool virtq_pop(struct virtq *q, struct virtq_chain *chain);
void virtq_unpop(struct virtq *q);
void virtq_push(struct virtq *q, const struct virtq_chain *chain, uint32_t written);
bool virtq_wants_interrupt(struct virtq *q);
bool virtq_set_kicks(struct virtq *q, bool on);
size_t iov_to_buffer(const struct iovec *iov, unsigned int count, void *to, size_t size);
size_t buffer_to_iov(const struct iovec *iov, unsigned int count, const void *from, size_t size);
unsigned int iov_skip(struct iovec **iov, unsigned int count, size_t size);

/* ---- virtio.c ---- */

struct virtio;

/**
 * enum virtio_served - how a queue was left
 * @VIRTIO_EMPTY: no request is left; the driver has to ring for the next
 * @VIRTIO_MORE: there are more; serve it again
 * @VIRTIO_HOST: waits for host_fd
 */
enum virtio_served { VIRTIO_EMPTY, VIRTIO_MORE, VIRTIO_HOST };

/**
 * struct virtio_ops - a kind of device; all of it runs in the device's thread
 * @name: for messages
 * @type: VIRTIO_ID_*
 * @class_code: PCI class
 * @queues: number of queues
 * @features: what it offers, besides what virtio.c does by itself
 * @start: optional; features are negotiated and queues are open
 * @stop: optional; the guest has reset the device
 * @queue: take requests from a queue
 * @host_queue: which queue to serve when host_fd can be read
 */
struct virtio_ops {
	const char *name;
	uint16_t type;
	uint32_t class_code;
	unsigned int queues;
	uint64_t features;
	void (*start)(struct virtio *v);
	void (*stop)(struct virtio *v);
	enum virtio_served (*queue)(struct virtio *v, unsigned int index);
	unsigned int host_queue;
};

/**
 * struct virtio_queue_config - what the driver tells about a queue
 * @at: addresses
 * @vector: MSI-X vector or VIRTIO_NO_VECTOR
 * @enabled: the driver is done with it
 */
struct virtio_queue_config {
	struct virtq_addresses at;
	uint16_t vector;
	bool enabled;
};

/**
 * struct virtio - a virtio device
 * @pci: the PCI device
 * @msix: its interrupts
 * @ops: what kind of device
 * @lock: guards everything up to @thread
 * @features: offered
 * @driver_features: accepted by the driver
 * @status: device status as the driver wrote it, and VIRTIO_CONFIG_S_NEEDS_RESET
 * @resetting: the driver wrote 0; the thread has not yet come to rest
 * @running: the thread serves the queues
 * @feature_select: half of the features that the driver reads
 * @driver_feature_select: half that it writes
 * @queue_select: queue that it configures
 * @config_vector: MSI-X vector of configuration changes
 * @isr: causes, cleared when read
 * @queue: configuration of the queues
 * @pci_cfg_cap: offset of the capability that accesses the BAR
 * @config: device-specific configuration, does not change
 * @config_size: bytes of it
 * @said_doorbell: that a doorbell has no ioeventfd
 * @thread: serves the queues
 * @wake_fd: eventfd: look at @status
 * @kick_fd: an eventfd for each queue's doorbell
 * @host_fd: -1, or what the device waits for besides doorbells; the thread's own
 * @vq: the queues in operation; the thread's own
 * @chain: scratch of the thread
 */
struct virtio {
	struct pci_device pci;
	struct msix msix;
	const struct virtio_ops *ops;
	pthread_mutex_t lock;
	uint64_t features;
	uint64_t driver_features;
	uint8_t status;
	bool resetting;
	bool running;
	uint32_t feature_select;
	uint32_t driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t isr;
	struct virtio_queue_config queue[VIRTIO_MAX_QUEUES];
	uint8_t pci_cfg_cap;
	uint8_t config[VIRTIO_MAX_CONFIG];
	unsigned int config_size;
	atomic_bool said_doorbell;
	pthread_t thread;
	int wake_fd;
	int kick_fd[VIRTIO_MAX_QUEUES];
	int host_fd;
	struct virtq vq[VIRTIO_MAX_QUEUES];
	struct virtq_chain chain;
};

void virtio_init(struct virtio *v, struct vm *vm, const struct virtio_ops *ops,
		 const void *config, size_t config_size);
void virtio_update(struct virtio *v);
bool virtio_serve(struct virtio *v, unsigned int index);
void virtio_wake(struct virtio *v);
void virtio_kick(struct virtio *v, unsigned int index);
void virtio_done(struct virtio *v, unsigned int index);
void virtio_complete(struct virtio *v, unsigned int index, uint32_t written);
void virtio_broken(struct virtio *v);
bool virtio_has(const struct virtio *v, unsigned int feature);

/* ---- virtio_pci.c ---- */

void virtio_pci_init(struct virtio *v);
void virtio_pci_reset(struct virtio *v);

/* ---- the devices ---- */

struct virtio *blk_create(struct vm *vm, const struct disk_option *opt);
struct virtio *net_create(struct vm *vm, const struct net_option *opt);
struct virtio *console_create(struct vm *vm, const char *path);
struct virtio *rng_create(struct vm *vm);

#endif
