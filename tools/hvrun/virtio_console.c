// SPDX-License-Identifier: GPL-2.0-only
/*
 * Console device (Virtio 1.2, 5.3): a second console, hvc0 in a Linux guest, on a
 * pseudo-terminal, a terminal, a FIFO or a file of the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "virtio.h"

enum { RX, TX };

#define BATCH		64
#define OUTPUT_MAX	4096
#define OUTPUT_PATIENCE	100	/* ms that a slow reader of the host is given */

/**
 * struct console - the console
 * @v: the virtio device
 * @fd: its other end
 * @has_input: there is somebody who types; a file is output only
 */
struct console {
	struct virtio v;
	int fd;
	bool has_input;
};

static struct console *from_virtio(struct virtio *v)
{
	return (struct console *)v;
}

static enum virtio_served receive(struct virtio *v)
{
	struct console *con = from_virtio(v);
	struct virtq_chain *c = &v->chain;
	ssize_t n;

	if (!con->has_input || !virtq_pop(&v->vq[RX], c)) {
		v->host_fd = -1;
		return con->has_input ? VIRTIO_EMPTY : VIRTIO_HOST;
	}
	if (c->readable) {
		v->vq[RX].broken = true;
		return VIRTIO_EMPTY;
	}
	v->host_fd = con->fd;
	n = readv(con->fd, c->iov, c->writable);
	if (n <= 0) {
		/* nothing there; or nobody will ever type again */
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			con->has_input = false;
			v->host_fd = -1;
		}
		virtq_unpop(&v->vq[RX]);
		return VIRTIO_HOST;
	}
	virtio_complete(v, RX, n);
	return VIRTIO_MORE;
}

/* What a reader does not take in time, or nobody reads, is lost, as on a wire. */
static void output(struct console *con, const uint8_t *data, size_t size)
{
	struct pollfd fd = { .fd = con->fd, .events = POLLOUT };
	ssize_t n;

	while (size) {
		n = write(con->fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && poll(&fd, 1, OUTPUT_PATIENCE) == 1 &&
		    !(fd.revents & POLLHUP))
			continue;
		if (n <= 0)
			return;
		data += n;
		size -= n;
	}
}

static enum virtio_served transmit(struct virtio *v)
{
	struct virtq_chain *c = &v->chain;
	uint8_t text[OUTPUT_MAX];
	size_t size;

	if (!virtq_pop(&v->vq[TX], c))
		return VIRTIO_EMPTY;
	if (c->writable) {
		v->vq[TX].broken = true;
		return VIRTIO_EMPTY;
	}
	/* a driver's buffers are pages; of a longer one the rest is lost */
	size = iov_to_buffer(c->iov, c->readable, text, sizeof(text));
	output(from_virtio(v), text, size);
	virtio_complete(v, TX, 0);
	return VIRTIO_MORE;
}

static enum virtio_served console_queue(struct virtio *v, unsigned int index)
{
	enum virtio_served left = VIRTIO_MORE;
	unsigned int n;

	for (n = 0; n < BATCH && left == VIRTIO_MORE; n++)
		left = index == RX ? receive(v) : transmit(v);
	return left;
}

static void console_stop(struct virtio *v)
{
	v->host_fd = -1;
}

static const struct virtio_ops ops = {
	.name = "console",
	.type = VIRTIO_ID_CONSOLE,
	.class_code = 0x078000,
	.queues = 2,
	.stop = console_stop,
	.queue = console_queue,
	.host_queue = RX,
};

/* The slave stays open here, or a user who hangs up would end the console. */
static int open_pty(void)
{
	struct termios raw;
	int fd, slave;

	fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || grantpt(fd) || unlockpt(fd))
		die("--console pty: %s", strerror(errno));
	slave = open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &raw))
		die("--console pty: %s", strerror(errno));
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	msg("console hvc0 is on %s", ptsname(fd));
	return fd;
}

static int open_path(const char *path, bool *has_input)
{
	struct stat st;
	int fd;

	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0666);
	if (fd < 0 || fstat(fd, &st))
		die("--console %s: %s", path, strerror(errno));
	*has_input = isatty(fd);
	if (!*has_input && !S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		die("--console %s: neither a terminal, a FIFO nor a file", path);
	return fd;
}

/**
 * console_create() - make the console
 * @vm: the VM, after vm_create()
 * @path: "pty", a terminal, or a FIFO or file that gets the output
 *
 * Exits with a message on any error.
 *
 * Return: the device.
 */
struct virtio *console_create(struct vm *vm, const char *path)
{
	bool has_input = true;
	int fd = strcmp(path, "pty") ? open_path(path, &has_input) : open_pty();
	struct console *con;

	con = calloc(1, sizeof(*con));
	if (!con)
		die("out of memory");
	con->fd = fd;
	con->has_input = has_input;
	virtio_init(&con->v, vm, &ops, NULL, 0);
	return &con->v;
}
