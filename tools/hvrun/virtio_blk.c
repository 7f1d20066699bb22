// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block device (Virtio 1.2, 5.2) on a raw file or a host's block device.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/virtio_blk.h>

#include "virtio.h"

#define SECTOR		512ull
#define SERIAL_SIZE	VIRTIO_BLK_ID_BYTES
/* without the fields of features that are not offered */
#define CONFIG_SIZE	(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4)
#define MAX_SEGMENTS	(VIRTQ_MAX_SIZE - 2)	/* beside header and status */
#define MAX_RANGES	16			/* of one discard */
#define MAX_CLEAR	(32 * MIB / SECTOR)	/* sectors of one discard */

/**
 * struct blk - a disk
 * @v: the virtio device
 * @path: the file, for messages and the serial number
 * @fd: the file
 * @size: bytes
 * @readonly: the guest must not write
 */
struct blk {
	struct virtio v;
	const char *path;
	int fd;
	uint64_t size;
	bool readonly;
};

static struct blk *from_virtio(struct virtio *v)
{
	return (struct blk *)v;
}

/* Reads or writes all of the pieces; the caller has checked that the file is long enough. */
static int transfer(struct blk *b, struct iovec *iov, unsigned int count, uint64_t offset,
		    bool is_write)
{
	ssize_t n;

	while (count) {
		n = is_write ? pwritev(b->fd, iov, count, offset) :
			       preadv(b->fd, iov, count, offset);
		if (n < 0 && errno == EINTR)
			continue;
		/* a file that became shorter ends early */
		if (n < 0 || (n == 0 && iov->iov_len))
			return -1;
		offset += n;
		count = iov_skip(&iov, count, n);
	}
	return 0;
}

static bool in_disk(const struct blk *b, uint64_t sector, uint64_t bytes)
{
	return sector <= b->size / SECTOR && bytes <= b->size - sector * SECTOR;
}

/* Without a flush command, a write is safe when it is done (5.2.6.2) */
static uint8_t write_done(struct blk *b)
{
	if (!virtio_has(&b->v, VIRTIO_BLK_F_FLUSH) && fdatasync(b->fd))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static uint8_t write_sectors(struct blk *b, struct iovec *iov, unsigned int count, uint64_t bytes,
			     uint64_t sector)
{
	if (b->readonly || bytes % SECTOR || !in_disk(b, sector, bytes))
		return VIRTIO_BLK_S_IOERR;
	if (transfer(b, iov, count, sector * SECTOR, true))
		return VIRTIO_BLK_S_IOERR;
	return write_done(b);
}

/* ---- discard and write zeroes ---- */

static int write_zeroes(struct blk *b, uint64_t offset, uint64_t size)
{
	static uint8_t zeroes[64 * KIB];
	struct iovec iov;
	uint64_t n;

	for (; size; size -= n, offset += n) {
		n = size < sizeof(zeroes) ? size : sizeof(zeroes);
		iov = (struct iovec) { .iov_base = zeroes, .iov_len = n };
		if (transfer(b, &iov, 1, offset, true))
			return -1;
	}
	return 0;
}

/* A discard is a hint: where the file cannot have holes, nothing happens. */
static uint8_t clear_range(struct blk *b, uint32_t type, uint64_t sector, uint32_t sectors,
			   uint32_t flags)
{
	uint64_t offset = sector * SECTOR, size = sectors * SECTOR;
	bool zero = type == VIRTIO_BLK_T_WRITE_ZEROES;

	/* a discard has no flags (5.2.6.2) */
	if (flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0))
		return VIRTIO_BLK_S_UNSUPP;
	if (sectors > MAX_CLEAR || !in_disk(b, sector, size))
		return VIRTIO_BLK_S_IOERR;
	if ((!zero || flags) &&
	    !fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size))
		return VIRTIO_BLK_S_OK;
	if (zero && write_zeroes(b, offset, size))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static uint8_t clear(struct blk *b, uint32_t type, const struct iovec *iov, unsigned int count,
		     uint64_t bytes)
{
	struct virtio_blk_discard_write_zeroes ranges[MAX_RANGES];
	unsigned int i, n = bytes / sizeof(ranges[0]);
	uint8_t status;

	if (b->readonly || !n || n > MAX_RANGES || bytes % sizeof(ranges[0]))
		return VIRTIO_BLK_S_IOERR;
	iov_to_buffer(iov, count, ranges, bytes);
	for (i = 0; i < n; i++) {
		status = clear_range(b, type, ranges[i].sector, ranges[i].num_sectors,
				     ranges[i].flags);
		if (status != VIRTIO_BLK_S_OK)
			return status;
	}
	return write_done(b);
}

/* ---- requests ---- */

static uint8_t get_id(const struct blk *b, const struct iovec *iov, unsigned int count,
		      uint32_t *written)
{
	char serial[SERIAL_SIZE] = "";
	const char *name = strrchr(b->path, '/');
	size_t length;

	name = name ? name + 1 : b->path;
	length = strlen(name);
	memcpy(serial, name, length < SERIAL_SIZE ? length : SERIAL_SIZE);
	*written = buffer_to_iov(iov, count, serial, SERIAL_SIZE);
	return VIRTIO_BLK_S_OK;
}

static uint8_t read_sectors(struct blk *b, struct iovec *iov, unsigned int count, uint64_t bytes,
			    uint64_t sector, uint32_t *written)
{
	if (bytes % SECTOR || bytes > UINT32_MAX - 1 || !in_disk(b, sector, bytes) ||
	    transfer(b, iov, count, sector * SECTOR, false))
		return VIRTIO_BLK_S_IOERR;
	*written = bytes;
	return VIRTIO_BLK_S_OK;
}

static uint8_t execute(struct blk *b, const struct virtio_blk_outhdr *h, struct iovec *out,
		       unsigned int outs, struct iovec *in, unsigned int ins, uint32_t *written)
{
	struct virtq_chain *c = &b->v.chain;
	uint64_t read_size = c->read_size - sizeof(*h);

	switch (h->type) {
	case VIRTIO_BLK_T_IN:
		return read_sectors(b, in, ins, c->write_size - 1, h->sector, written);
	case VIRTIO_BLK_T_OUT:
		return write_sectors(b, out, outs, read_size, h->sector);
	case VIRTIO_BLK_T_FLUSH:
		return fdatasync(b->fd) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		return get_id(b, in, ins, written);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return clear(b, h->type, out, outs, read_size);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* The status is the last byte of the writable buffers; cuts it off. */
static uint8_t *take_status(struct virtq_chain *c)
{
	struct iovec *last;

	while (c->writable) {
		last = &c->iov[c->readable + c->writable - 1];
		if (last->iov_len)
			return (uint8_t *)last->iov_base + --last->iov_len;
		c->writable--;
	}
	return NULL;
}

/* Returns false if this is no request at all. The framing is free (2.7.4.1). */
static bool serve_request(struct blk *b)
{
	struct virtq_chain *c = &b->v.chain;
	struct iovec *out = c->iov, *in = c->iov + c->readable;
	struct virtio_blk_outhdr h;
	unsigned int outs;
	uint32_t written = 0;
	uint8_t *status;

	if (iov_to_buffer(out, c->readable, &h, sizeof(h)) != sizeof(h))
		return false;
	status = take_status(c);
	if (!status)
		return false;
	outs = iov_skip(&out, c->readable, sizeof(h));
	*status = execute(b, &h, out, outs, in, c->writable, &written);
	virtio_complete(&b->v, 0, written + 1);
	return true;
}

static enum virtio_served blk_queue(struct virtio *v, unsigned int index)
{
	unsigned int n;

	for (n = 0; n < VIRTQ_MAX_SIZE; n++) {
		if (!virtq_pop(&v->vq[index], &v->chain))
			return VIRTIO_EMPTY;
		if (!serve_request(from_virtio(v))) {
			v->vq[index].broken = true;
			return VIRTIO_EMPTY;
		}
		virtio_done(v, index);
	}
	return VIRTIO_MORE;
}

static const struct virtio_ops ops = {
	.name = "disk",
	.type = VIRTIO_ID_BLOCK,
	.class_code = 0x010000,
	.queues = 1,
	.features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
		    1ull << VIRTIO_BLK_F_FLUSH,
	.queue = blk_queue,
};

#define WRITE_FEATURES	(1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES)

static void open_file(struct blk *b, const struct disk_option *opt)
{
	struct stat st;
	off_t size;

	b->path = opt->path;
	b->readonly = opt->readonly;
	b->fd = open(opt->path, (opt->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (b->fd < 0 || fstat(b->fd, &st))
		die("--disk %s: %s", opt->path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		die("--disk %s: neither a file nor a block device", opt->path);
	size = lseek(b->fd, 0, SEEK_END);
	if (size <= 0 || size % SECTOR)
		die("--disk %s: %lld bytes, not a multiple of 512", opt->path, (long long)size);
	b->size = size;
	/* two guests that write to one disk destroy it */
	if (flock(b->fd, (opt->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB))
		die("--disk %s: %s", opt->path, errno == EWOULDBLOCK ?
		    "another VM uses it" : strerror(errno));
}

/**
 * blk_create() - make a disk
 * @vm: the VM, after vm_create()
 * @opt: its file
 *
 * Exits with a message on any error.
 *
 * Return: the device.
 */
struct virtio *blk_create(struct vm *vm, const struct disk_option *opt)
{
	struct blk file = { }, *b;
	struct virtio_blk_config config = {
		.seg_max = MAX_SEGMENTS,
		.blk_size = SECTOR,
		.max_discard_sectors = MAX_CLEAR,
		.max_discard_seg = MAX_RANGES,
		.discard_sector_alignment = 1,
		.max_write_zeroes_sectors = MAX_CLEAR,
		.max_write_zeroes_seg = MAX_RANGES,
		.write_zeroes_may_unmap = 1,
	};

	open_file(&file, opt);
	b = malloc(sizeof(*b));
	if (!b)
		die("out of memory");
	*b = file;
	config.capacity = b->size / SECTOR;
	virtio_init(&b->v, vm, &ops, &config, CONFIG_SIZE);
	b->v.features |= b->readonly ? 1ull << VIRTIO_BLK_F_RO : WRITE_FEATURES;
	return &b->v;
}
