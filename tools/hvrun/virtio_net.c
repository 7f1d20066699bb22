// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network device (Virtio 1.2, 5.1) on a tap interface of the host.
 *
 * The tap speaks virtio's packet header, so a packet goes through in one system
 * call, and what is left to the receiver, checksum and segmentation, is left to
 * the host's network stack.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "virtio.h"

enum { RX, TX };

#define HEADER_SIZE	sizeof(struct virtio_net_hdr_v1)
/* the largest packet that is still to be segmented, with Ethernet header and VLAN tag */
#define MAX_PACKET	(HEADER_SIZE + 65535 + 18)

/**
 * struct net - a network card
 * @v: the virtio device
 * @tap: the tap interface; what it has for the guest waits until the guest has buffers
 * @said_offload: that the tap refused to be told what the guest computes by itself
 */
struct net {
	struct virtio v;
	int tap;
	atomic_bool said_offload;
};

static struct net *from_virtio(struct virtio *v)
{
	return (struct net *)v;
}

/* Packets from the host: the tap is read as long as there are buffers. */
static enum virtio_served receive(struct virtio *v)
{
	const struct virtio_net_hdr_v1 header = { .num_buffers = 1 };
	struct virtq_chain *c = &v->chain;
	struct iovec *iov = c->iov;
	unsigned int count;
	ssize_t n;

	if (!virtq_pop(&v->vq[RX], c)) {
		v->host_fd = -1;
		return VIRTIO_EMPTY;
	}
	if (c->readable || c->write_size < HEADER_SIZE) {
		v->vq[RX].broken = true;
		return VIRTIO_EMPTY;
	}
	v->host_fd = from_virtio(v)->tap;
	n = readv(v->host_fd, c->iov, c->writable);
	if (n < (ssize_t)HEADER_SIZE) {
		/* nothing there; or the interface was deleted, and nothing will ever be */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			v->host_fd = -1;
		virtq_unpop(&v->vq[RX]);
		return VIRTIO_HOST;
	}
	/* the tap leaves the last field alone (5.1.6.4.1) */
	count = iov_skip(&iov, c->writable, offsetof(struct virtio_net_hdr_v1, num_buffers));
	buffer_to_iov(iov, count, &header.num_buffers, sizeof(header.num_buffers));
	virtio_complete(v, RX, n);
	return VIRTIO_MORE;
}

/* Packets to the host: what the tap does not take is lost, as on a wire. */
static enum virtio_served transmit(struct virtio *v)
{
	struct virtq_chain *c = &v->chain;

	if (!virtq_pop(&v->vq[TX], c))
		return VIRTIO_EMPTY;
	if (c->writable || c->read_size < HEADER_SIZE) {
		v->vq[TX].broken = true;
		return VIRTIO_EMPTY;
	}
	if (c->read_size > MAX_PACKET ||
	    writev(from_virtio(v)->tap, c->iov, c->readable) < 0)
		c->read_size = 0;
	virtio_complete(v, TX, 0);
	return VIRTIO_MORE;
}

static enum virtio_served net_queue(struct virtio *v, unsigned int index)
{
	enum virtio_served left = VIRTIO_MORE;
	unsigned int n;

	for (n = 0; n < VIRTQ_MAX_SIZE && left == VIRTIO_MORE; n++)
		left = index == RX ? receive(v) : transmit(v);
	return left;
}

static void set_offload(struct virtio *v, unsigned int flags)
{
	if (ioctl(from_virtio(v)->tap, TUNSETOFFLOAD, flags))
		msg_once(&from_virtio(v)->said_offload, "net: TUNSETOFFLOAD: %s", strerror(errno));
}

static void net_start(struct virtio *v)
{
	set_offload(v, virtio_has(v, VIRTIO_NET_F_GUEST_CSUM) ? TUN_F_CSUM : 0);
}

static void net_stop(struct virtio *v)
{
	v->host_fd = -1;
	set_offload(v, 0);
}

static const struct virtio_ops ops = {
	.name = "net",
	.type = VIRTIO_ID_NET,
	.class_code = 0x020000,
	.queues = 2,
	.features = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_CSUM |
		    1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 |
		    1ull << VIRTIO_NET_F_HOST_TSO6,
	.start = net_start,
	.stop = net_stop,
	.queue = net_queue,
	.host_queue = RX,
};

static const char *tap_hint(int error)
{
	switch (error) {
	case EPERM:
		return " (not your interface: ip tuntap add ... user NAME)";
	case EBUSY:
		return " (another VM uses it)";
	case EINVAL:
		return " (not a tap interface)";
	default:
		return "";
	}
}

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header_size = HEADER_SIZE;
	int fd;

	/* TUNSETIFF would make a new one, which nobody has connected to anything */
	if (!if_nametoindex(name))
		die("--net tap=%s: no such interface (ip tuntap add %s mode tap)", name, name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("--net: /dev/net/tun: %s%s", strerror(errno),
		    errno == ENOENT || errno == ENODEV ? " (is the module tun loaded?)" : "");
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr))
		die("--net tap=%s: %s%s", name, strerror(errno), tap_hint(errno));
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_size))
		die("--net tap=%s: TUNSETVNETHDRSZ: %s", name, strerror(errno));
	return fd;
}

/**
 * net_create() - make a network card
 * @vm: the VM, after vm_create()
 * @opt: its tap interface and address
 *
 * Exits with a message on any error.
 *
 * Return: the device.
 */
struct virtio *net_create(struct vm *vm, const struct net_option *opt)
{
	struct virtio_net_config config = { };
	int tap = open_tap(opt->tap);
	struct net *net;

	net = calloc(1, sizeof(*net));
	if (!net)
		die("out of memory");
	net->tap = tap;
	memcpy(config.mac, opt->mac, sizeof(config.mac));
	/* without an address, a random one: locally administered, not multicast */
	if (!opt->has_mac && getrandom(config.mac, sizeof(config.mac), 0) == sizeof(config.mac))
		config.mac[0] = (config.mac[0] & ~1) | 2;
	virtio_init(&net->v, vm, &ops, &config,
		    offsetof(struct virtio_net_config, max_virtqueue_pairs));
	return &net->v;
}
