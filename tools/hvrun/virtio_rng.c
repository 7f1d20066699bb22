// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entropy device (Virtio 1.2, 5.4): the host's random numbers.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "virtio.h"

/* Bytes of one request; a guest that asks for more gets less, as it has to expect. */
#define MAX_REQUEST	4096
/* Requests until others of the thread's duties are looked at */
#define BATCH		16

static enum virtio_served rng_queue(struct virtio *v, unsigned int index)
{
	uint8_t bytes[MAX_REQUEST];
	struct virtq_chain *c = &v->chain;
	unsigned int n;
	size_t size;

	for (n = 0; n < BATCH; n++) {
		if (!virtq_pop(&v->vq[index], c))
			return VIRTIO_EMPTY;
		if (c->readable) {
			v->vq[index].broken = true;
			return VIRTIO_EMPTY;
		}
		size = c->write_size < MAX_REQUEST ? c->write_size : MAX_REQUEST;
		/* cannot fail, but for a signal, and this thread takes none */
		if (getrandom(bytes, size, 0) != (ssize_t)size)
			size = 0;
		buffer_to_iov(c->iov, c->writable, bytes, size);
		virtio_complete(v, index, size);
	}
	return VIRTIO_MORE;
}

static const struct virtio_ops ops = {
	.name = "rng",
	.type = VIRTIO_ID_RNG,
	.class_code = 0x00ff00,
	.queues = 1,
	.queue = rng_queue,
};

/**
 * rng_create() - make an entropy device
 * @vm: the VM, after vm_create()
 *
 * Exits with a message on any error.
 *
 * Return: the device.
 */
struct virtio *rng_create(struct vm *vm)
{
	struct virtio *v = calloc(1, sizeof(*v));

	if (!v)
		die("out of memory");
	virtio_init(v, vm, &ops, NULL, 0);
	return v;
}
