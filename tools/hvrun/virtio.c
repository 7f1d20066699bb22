// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all virtio devices share: the thread, its life between reset and
 * DRIVER_OK, and interrupts (Virtio 1.2, 2.1 and 3).
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio.h"

#define COMMON_FEATURES	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC | \
			 1ull << VIRTIO_RING_F_EVENT_IDX)

static int make_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		die("eventfd: %s", strerror(errno));
	return fd;
}

/**
 * virtio_init() - put a device on the bus
 * @v: all zero
 * @vm: the VM, after vm_create()
 * @ops: what kind of device
 * @config: device-specific configuration, little endian
 * @config_size: bytes of it
 *
 * Exits with a message on any error. virtio_start_all() lets it live.
 */
void virtio_init(struct virtio *v, struct vm *vm, const struct virtio_ops *ops,
		 const void *config, size_t config_size)
{
	unsigned int i;

	v->ops = ops;
	v->features = ops->features | COMMON_FEATURES;
	v->host_fd = -1;
	if (config_size > sizeof(v->config) || ops->queues > VIRTIO_MAX_QUEUES)
		die("%s: does not fit into struct virtio", ops->name);
	if (config)
		memcpy(v->config, config, config_size);
	v->config_size = config_size;
	pthread_mutex_init(&v->lock, NULL);
	v->wake_fd = make_eventfd();
	for (i = 0; i < ops->queues; i++)
		v->kick_fd[i] = make_eventfd();
	v->pci.vm = vm;
	virtio_pci_init(v);
}

/**
 * virtio_has() - was a feature negotiated?
 * @v: a device that runs
 * @feature: number of its bit
 *
 * Device thread.
 */
bool virtio_has(const struct virtio *v, unsigned int feature)
{
	return v->driver_features & 1ull << feature;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	/* it can only fail when the counter is full, then the thread is awake anyway */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void drain_fd(int fd)
{
	uint64_t count;

	/* empty: somebody else's doorbell, as good as none */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

/**
 * virtio_wake() - the device's status has changed
 * @v: the device
 *
 * Any thread.
 */
void virtio_wake(struct virtio *v)
{
	signal_fd(v->wake_fd);
}

/**
 * virtio_kick() - a queue's doorbell
 * @v: the device
 * @index: queue
 *
 * Any thread. The hypervisor writes to the eventfd itself, mostly.
 */
void virtio_kick(struct virtio *v, unsigned int index)
{
	if (index < v->ops->queues)
		signal_fd(v->kick_fd[index]);
}

/* ---- the thread ---- */

/**
 * virtio_broken() - the driver broke the rules: nothing but a reset helps (2.1.2)
 * @v: the device
 *
 * Device thread.
 */
void virtio_broken(struct virtio *v)
{
	uint16_t vector;

	pthread_mutex_lock(&v->lock);
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	v->running = false;
	v->isr |= VIRTIO_ISR_CONFIG;
	vector = v->config_vector;
	pthread_mutex_unlock(&v->lock);
	msix_raise(&v->msix, vector);
}

/* Under v->lock */
static bool open_queues(struct virtio *v)
{
	unsigned int i;

	for (i = 0; i < v->ops->queues; i++) {
		v->vq[i].broken = true;
		if (!v->queue[i].enabled)
			continue;
		if (!virtq_open(&v->vq[i], v->pci.vm, &v->queue[i].at, v->driver_features))
			return false;
	}
	return true;
}

static void start(struct virtio *v)
{
	unsigned int i;

	if (v->ops->start)
		v->ops->start(v);
	/* the doorbell may have rung before DRIVER_OK */
	for (i = 0; i < v->ops->queues; i++)
		virtio_kick(v, i);
}

static void stop(struct virtio *v)
{
	if (v->ops->stop)
		v->ops->stop(v);
	pthread_mutex_lock(&v->lock);
	v->running = false;
	virtio_pci_reset(v);
	pthread_mutex_unlock(&v->lock);
}

/**
 * virtio_update() - do what the driver asked for in the device status
 * @v: the device
 *
 * Device thread. The driver sees the end of a reset when the status is 0.
 */
void virtio_update(struct virtio *v)
{
	bool reset, begin, good = true;

	pthread_mutex_lock(&v->lock);
	reset = v->resetting;
	begin = !reset && !v->running && (v->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
		!(v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	if (begin) {
		good = open_queues(v);
		v->running = good;
	}
	pthread_mutex_unlock(&v->lock);
	if (reset)
		stop(v);
	else if (begin && good)
		start(v);
	else if (begin)
		virtio_broken(v);
}

/**
 * virtio_done() - tell the driver of the requests that were given back
 * @v: the device
 * @index: queue
 *
 * Device thread.
 */
void virtio_done(struct virtio *v, unsigned int index)
{
	uint16_t vector;

	if (!virtq_wants_interrupt(&v->vq[index]))
		return;
	pthread_mutex_lock(&v->lock);
	v->isr |= VIRTIO_ISR_QUEUE;
	vector = v->queue[index].vector;
	pthread_mutex_unlock(&v->lock);
	msix_raise(&v->msix, vector);
}

/**
 * virtio_complete() - give v->chain back
 * @v: the device
 * @index: its queue
 * @written: bytes written into its buffers
 *
 * Device thread. virtio_done() follows, after this or some more.
 */
void virtio_complete(struct virtio *v, unsigned int index, uint32_t written)
{
	virtq_push(&v->vq[index], &v->chain, written);
}

/**
 * virtio_serve() - serve a queue, if the device runs
 * @v: the device
 * @index: queue
 *
 * Device thread. It takes a bounded number of requests, so that a guest that
 * always has one more cannot keep the thread from a reset.
 *
 * Return: true if there may be more.
 */
bool virtio_serve(struct virtio *v, unsigned int index)
{
	struct virtq *q = &v->vq[index];
	enum virtio_served left;

	if (!v->running || !v->queue[index].enabled)
		return false;
	virtq_set_kicks(q, false);
	left = v->ops->queue(v, index);
	virtio_done(v, index);
	if (q->broken) {
		virtio_broken(v);
		return false;
	}
	if (left == VIRTIO_EMPTY)
		return virtq_set_kicks(q, true);
	return left == VIRTIO_MORE;
}

static void serve(struct virtio *v, unsigned int index)
{
	if (virtio_serve(v, index))
		virtio_kick(v, index);
}

static void wait_and_serve(struct virtio *v)
{
	struct pollfd fds[2 + VIRTIO_MAX_QUEUES] = {
		{ .fd = v->wake_fd, .events = POLLIN },
		{ .fd = v->running ? v->host_fd : -1, .events = POLLIN },
	};
	unsigned int i, n = v->ops->queues;

	for (i = 0; i < n; i++)
		fds[2 + i] = (struct pollfd) { .fd = v->kick_fd[i], .events = POLLIN };
	if (poll(fds, 2 + n, -1) < 0)
		return;
	if (fds[0].revents) {
		drain_fd(v->wake_fd);
		virtio_update(v);
	}
	for (i = 0; i < n; i++) {
		if (!fds[2 + i].revents)
			continue;
		drain_fd(v->kick_fd[i]);
		serve(v, i);
	}
	if (fds[1].revents)
		serve(v, v->ops->host_queue);
}

static void *device_thread(void *arg)
{
	struct virtio *v = arg;

	for (;;)
		wait_and_serve(v);
	return NULL;
}

/* ---- all of them ---- */

/**
 * virtio_create_all() - make the devices that the command line asks for
 * @vm: the VM, after vm_create()
 *
 * Exits with a message on any error.
 */
void virtio_create_all(struct vm *vm)
{
	const struct options *opt = vm->opt;
	unsigned int i;

	for (i = 0; i < opt->nr_disks; i++)
		vm->virtio[vm->nr_virtio++] = blk_create(vm, &opt->disks[i]);
	for (i = 0; i < opt->nr_nets; i++)
		vm->virtio[vm->nr_virtio++] = net_create(vm, &opt->nets[i]);
	if (opt->console)
		vm->virtio[vm->nr_virtio++] = console_create(vm, opt->console);
	if (opt->rng)
		vm->virtio[vm->nr_virtio++] = rng_create(vm);
}

/**
 * virtio_start_all() - let the devices serve their guest
 * @vm: the VM
 *
 * The threads take no signals if the caller has blocked them. They end with the
 * process: whatever a guest was told to be on the disk is there.
 */
void virtio_start_all(struct vm *vm)
{
	struct virtio *v;
	unsigned int i;
	int ret;

	for (i = 0; i < vm->nr_virtio; i++) {
		v = vm->virtio[i];
		ret = pthread_create(&v->thread, NULL, device_thread, v);
		if (ret)
			die("thread of %s: %s", v->ops->name, strerror(ret));
	}
}
