// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues (Virtio 1.2, 2.7).
 *
 * All that lies in guest memory may change at any time, to anything: each value is
 * read once, then checked, then used. A driver that breaks the rules breaks its queue.
 */
#include <string.h>

#include "virtio.h"

#define load(p)			__atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define store(p, value)		__atomic_store_n(&(p), value, __ATOMIC_RELEASE)

/**
 * virtq_open() - start to use a queue
 * @q: the queue
 * @vm: whose memory it lies in
 * @at: where
 * @features: negotiated features
 *
 * Return: false if it is not in RAM, not aligned, or of a wrong size (2.7).
 */
bool virtq_open(struct virtq *q, struct vm *vm, const struct virtq_addresses *at,
		uint64_t features)
{
	uint64_t size = at->size;

	if (!size || size > VIRTQ_MAX_SIZE || (size & (size - 1)))
		return false;
	if (at->desc % VRING_DESC_ALIGN_SIZE || at->avail % VRING_AVAIL_ALIGN_SIZE ||
	    at->used % VRING_USED_ALIGN_SIZE)
		return false;
	*q = (struct virtq) {
		.vm = vm,
		.size = size,
		.event_idx = features & 1ull << VIRTIO_RING_F_EVENT_IDX,
		.indirect = features & 1ull << VIRTIO_RING_F_INDIRECT_DESC,
		.desc = vm_memory(vm, at->desc, size * sizeof(struct vring_desc)),
		/* each area ends with the event index */
		.avail = vm_memory(vm, at->avail, sizeof(struct vring_avail) +
				   size * sizeof(uint16_t) + sizeof(uint16_t)),
		.used = vm_memory(vm, at->used, sizeof(struct vring_used) +
				  size * sizeof(struct vring_used_elem) + sizeof(uint16_t)),
	};
	if (!q->desc || !q->avail || !q->used)
		return false;
	q->kick_event = (void *)&q->used->ring[size];
	return true;
}

static bool add_buffer(struct virtq *q, struct virtq_chain *chain, const struct vring_desc *d)
{
	bool writable = d->flags & VRING_DESC_F_WRITE;
	unsigned int n = chain->readable + chain->writable;
	void *p = vm_memory(q->vm, d->addr, d->len);

	/* buffers to read come first (2.7.4.2); no chain is longer than the queue (2.7.5.1) */
	if (!p || (!writable && chain->writable) || n >= q->size)
		return false;
	chain->iov[n] = (struct iovec) { .iov_base = p, .iov_len = d->len };
	if (writable) {
		chain->writable++;
		chain->write_size += d->len;
	} else {
		chain->readable++;
		chain->read_size += d->len;
	}
	return true;
}

/*
 * Walks a table, of the queue or of an indirect descriptor. Each descriptor adds
 * a buffer, so a chain that is a circle ends at the limit of buffers.
 */
static bool walk(struct virtq *q, struct virtq_chain *chain, const uint8_t *table,
		 uint32_t entries, uint16_t index, struct vring_desc *indirect)
{
	struct vring_desc d;

	do {
		if (index >= entries)
			return false;
		memcpy(&d, table + index * sizeof(d), sizeof(d));
		/* from here on the compiler has to take the copy */
		atomic_signal_fence(memory_order_seq_cst);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			/* only as the last of the queue's own table (2.7.5.3.1) */
			if (!indirect || !q->indirect || (d.flags & VRING_DESC_F_NEXT))
				return false;
			*indirect = d;
			return true;
		}
		if (!add_buffer(q, chain, &d))
			return false;
		index = d.next;
	} while (d.flags & VRING_DESC_F_NEXT);
	return true;
}

static bool walk_indirect(struct virtq *q, struct virtq_chain *chain, const struct vring_desc *d)
{
	const uint8_t *table = vm_memory(q->vm, d->addr, d->len);

	if (!table || !d->len || d->len % sizeof(*d))
		return false;
	return walk(q, chain, table, d->len / sizeof(*d), 0, NULL);
}

static bool read_chain(struct virtq *q, struct virtq_chain *chain)
{
	struct vring_desc indirect = { };

	chain->readable = 0;
	chain->writable = 0;
	chain->read_size = 0;
	chain->write_size = 0;
	if (!walk(q, chain, q->desc, q->size, chain->head, &indirect))
		return false;
	return !indirect.flags || walk_indirect(q, chain, &indirect);
}

/**
 * virtq_pop() - take the next request
 * @q: the queue
 * @chain: gets its buffers
 *
 * Return: false if there is none, or the queue is broken.
 */
bool virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
	uint16_t waiting = load(q->avail->idx) - q->next_avail;

	if (!waiting || q->broken)
		return false;
	if (waiting > q->size) {
		q->broken = true;
		return false;
	}
	chain->head = load(q->avail->ring[q->next_avail % q->size]);
	if (chain->head >= q->size || !read_chain(q, chain)) {
		q->broken = true;
		return false;
	}
	q->next_avail++;
	return true;
}

/**
 * virtq_unpop() - leave the request that was taken last for another time
 * @q: the queue
 */
void virtq_unpop(struct virtq *q)
{
	q->next_avail--;
}

/**
 * virtq_push() - give a request back
 * @q: the queue
 * @chain: of virtq_pop()
 * @written: bytes that were written into its buffers
 */
void virtq_push(struct virtq *q, const struct virtq_chain *chain, uint32_t written)
{
	struct vring_used_elem *e = &q->used->ring[q->next_used % q->size];

	store(e->id, chain->head);
	store(e->len, written);
	q->next_used++;
	/* the entry is visible before the index says that it is there */
	store(q->used->idx, q->next_used);
}

/**
 * virtq_wants_interrupt() - must the driver be told of what was pushed?
 * @q: the queue
 *
 * Return: true if something was pushed since the last call and the driver asked
 * to be told (2.7.7, 2.7.10).
 */
bool virtq_wants_interrupt(struct virtq *q)
{
	uint16_t old = q->signalled, event;

	if (old == q->next_used)
		return false;
	q->signalled = q->next_used;
	/* the driver writes its wish, then looks at the index; this looks the other way round */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(load(q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	event = load(q->avail->ring[q->size]);
	return vring_need_event(event, q->next_used, old);
}

/**
 * virtq_set_kicks() - ask the driver to ring, or not to ring, the doorbell
 * @q: the queue
 * @on: which
 *
 * Return: true if requests came before the driver could see that it has to ring.
 */
bool virtq_set_kicks(struct virtq *q, bool on)
{
	/* with event idx, an event behind us is no wish */
	if (!q->event_idx)
		store(q->used->flags, on ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (on)
		store(*q->kick_event, q->next_avail);
	if (!on || q->broken)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load(q->avail->idx) != q->next_avail;
}

/* ---- buffers that lie in pieces ---- */

/**
 * iov_to_buffer() - gather
 * @iov: pieces
 * @count: how many
 * @to: where to
 * @size: at most so many bytes
 *
 * Return: bytes copied.
 */
size_t iov_to_buffer(const struct iovec *iov, unsigned int count, void *to, size_t size)
{
	size_t done = 0, n;

	for (; count && done < size; count--, iov++) {
		n = iov->iov_len < size - done ? iov->iov_len : size - done;
		memcpy((uint8_t *)to + done, iov->iov_base, n);
		done += n;
	}
	return done;
}

/**
 * buffer_to_iov() - scatter
 * @iov: pieces
 * @count: how many
 * @from: where from
 * @size: bytes
 *
 * Return: bytes copied; less than @size if the pieces are smaller.
 */
size_t buffer_to_iov(const struct iovec *iov, unsigned int count, const void *from, size_t size)
{
	size_t done = 0, n;

	for (; count && done < size; count--, iov++) {
		n = iov->iov_len < size - done ? iov->iov_len : size - done;
		memcpy(iov->iov_base, (const uint8_t *)from + done, n);
		done += n;
	}
	return done;
}

/**
 * iov_skip() - leave out the first bytes
 * @iov: pieces; changed, and moved to the first that has bytes left
 * @count: how many
 * @size: bytes, at most all of them
 *
 * Return: how many pieces are left.
 */
unsigned int iov_skip(struct iovec **iov, unsigned int count, size_t size)
{
	while (count && size >= (*iov)->iov_len) {
		size -= (*iov)->iov_len;
		(*iov)++;
		count--;
	}
	if (count) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + size;
		(*iov)->iov_len -= size;
	}
	return count;
}
