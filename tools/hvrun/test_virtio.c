// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest can do to the PCI bus, the rings and the devices, without a guest:
 * rules that are checked one by one, then random accesses. TAP.
 *
 * Linked with hvrun's sources and the fake device, with ASan and UBSan. Guest
 * memory lies between two pages that nobody may touch. The device threads do not
 * run: what they do is called here.
 *
 *	virtio-test [SEED [ROUNDS]]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/virtio_blk.h>

#include "virtio.h"

#define MEMORY		(4 * MIB)
#define PAGE		4096ull
#define DISK_SIZE	(64 * 512)
#define BAR(v)		((v)->pci.bar)

/* Where the tests put the queue of a device */
#define DESC		0x10000u
#define AVAIL		0x11000u
#define USED		0x12000u
#define DATA		0x20000u
#define INDIRECT	0x30000u

static struct vm vm;
static struct options opt = { .memory = MEMORY, .cpus = 1, .device = "/dev/fake" };
static unsigned int count, failed;

static void report(bool good, const char *name)
{
	printf("%s %u %s\n", good ? "ok" : "not ok", ++count, name);
	failed += !good;
}

/* ---- a guest's accesses ---- */

static void *at(uint64_t gpa)
{
	return vm.mem + gpa;
}

static uint64_t mmio_read(uint64_t gpa, unsigned int size)
{
	uint64_t value = 0;

	if (!pci_mmio_access(&vm, gpa, &value, size, false))
		return ~0ull;
	return value;
}

static void mmio_write(uint64_t gpa, uint64_t value, unsigned int size)
{
	pci_mmio_access(&vm, gpa, &value, size, true);
}

static unsigned int slot_of(const struct virtio *v)
{
	unsigned int slot = 0;

	while (vm.pci.slots[slot] != &v->pci)
		slot++;
	return slot;
}

static uint64_t ecam(const struct virtio *v, unsigned int offset)
{
	return PCI_ECAM_BASE + (slot_of(v) << 15) + offset;
}

static uint64_t common(const struct virtio *v, unsigned int offset)
{
	return BAR(v) + offset;
}

static void thread_once(struct virtio *v)
{
	unsigned int i;

	virtio_update(v);
	for (i = 0; i < v->ops->queues; i++)
		virtio_serve(v, i);
}

static uint8_t status(struct virtio *v)
{
	return mmio_read(common(v, VIRTIO_PCI_COMMON_STATUS), 1);
}

static void set_status(struct virtio *v, uint8_t value)
{
	mmio_write(common(v, VIRTIO_PCI_COMMON_STATUS), value, 1);
}

/* Where it was in the beginning */
static void map_bar(struct virtio *v)
{
	mmio_write(ecam(v, PCI_BASE_ADDRESS_0), PCI_WINDOW_BASE + slot_of(v) * PCI_BAR_SIZE, 4);
	mmio_write(ecam(v, PCI_COMMAND), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void reset(struct virtio *v)
{
	map_bar(v);
	set_status(v, 0);
	virtio_update(v);
}

static void accept_features(struct virtio *v, uint64_t features)
{
	mmio_write(common(v, VIRTIO_PCI_COMMON_GFSELECT), 0, 4);
	mmio_write(common(v, VIRTIO_PCI_COMMON_GF), features & 0xffffffff, 4);
	mmio_write(common(v, VIRTIO_PCI_COMMON_GFSELECT), 1, 4);
	mmio_write(common(v, VIRTIO_PCI_COMMON_GF), features >> 32, 4);
}

static void set_address(struct virtio *v, unsigned int offset, uint64_t gpa)
{
	mmio_write(common(v, offset), gpa & 0xffffffff, 4);
	mmio_write(common(v, offset + 4), gpa >> 32, 4);
}

static void set_queue(struct virtio *v, unsigned int index, uint16_t size, uint64_t desc,
		      uint64_t avail, uint64_t used)
{
	mmio_write(common(v, VIRTIO_PCI_COMMON_Q_SELECT), index, 2);
	mmio_write(common(v, VIRTIO_PCI_COMMON_Q_SIZE), size, 2);
	mmio_write(common(v, VIRTIO_PCI_COMMON_Q_MSIX), index, 2);
	set_address(v, VIRTIO_PCI_COMMON_Q_DESCLO, desc);
	set_address(v, VIRTIO_PCI_COMMON_Q_AVAILLO, avail);
	set_address(v, VIRTIO_PCI_COMMON_Q_USEDLO, used);
	mmio_write(common(v, VIRTIO_PCI_COMMON_Q_ENABLE), 1, 2);
}

#define FEATURES_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK)

/* From ACKNOWLEDGE to DRIVER_OK, with one queue of 8 entries */
static void begin(struct virtio *v, uint64_t features, unsigned int queue)
{
	accept_features(v, features | 1ull << VIRTIO_F_VERSION_1);
	set_status(v, FEATURES_OK);
	set_queue(v, queue, 8, DESC, AVAIL, USED);
	set_status(v, FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The same, from reset, and without the device's thread; ring all zero */
static void start_queue(struct virtio *v, uint64_t features, unsigned int queue)
{
	reset(v);
	memset(at(DESC), 0, INDIRECT + PAGE - DESC);
	begin(v, features, queue);
	virtio_update(v);
}

static void start(struct virtio *v, uint64_t features)
{
	start_queue(v, features, 0);
}

static void set_desc(uint64_t table, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
		     uint16_t next)
{
	struct vring_desc d = { .addr = addr, .len = len, .flags = flags, .next = next };

	memcpy((uint8_t *)at(table) + i * sizeof(d), &d, sizeof(d));
}

static void offer(uint16_t head)
{
	struct vring_avail *avail = at(AVAIL);

	avail->ring[avail->idx % 8] = head;
	avail->idx++;
}

static bool needs_reset(struct virtio *v)
{
	return status(v) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- rules ---- */

static struct virtio *disk, *readonly, *rng, *console, *net;

/* The host's side of the network */
static int wire;
int *fake_wire = &wire;

static void test_lifecycle(void)
{
	struct virtio *v = rng;

	start(v, 0);
	report(status(v) == (FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK), "DRIVER_OK is kept");
	set_status(v, 0);
	report(status(v), "a reset that the thread has not seen has not ended");
	virtio_update(v);
	report(!status(v), "a reset ends");
	accept_features(v, 1ull << VIRTIO_F_VERSION_1 | 1ull << 60);
	set_status(v, FEATURES_OK);
	report(!(status(v) & VIRTIO_CONFIG_S_FEATURES_OK), "a feature that was not offered");
	reset(v);
	set_status(v, FEATURES_OK);
	report(!(status(v) & VIRTIO_CONFIG_S_FEATURES_OK), "a driver without VERSION_1");
	reset(v);
	set_status(v, VIRTIO_CONFIG_S_DRIVER_OK);
	report(!(status(v) & VIRTIO_CONFIG_S_DRIVER_OK), "DRIVER_OK without FEATURES_OK");
}

static void test_queue_config(void)
{
	static const struct {
		const char *name;
		uint16_t size;
		uint64_t desc, avail, used;
	} bad[] = {
		{ "queue size 0", 0, DESC, AVAIL, USED },
		{ "queue size 6", 6, DESC, AVAIL, USED },
		{ "queue size 512", 512, DESC, AVAIL, USED },
		{ "queue size 65535", 65535, DESC, AVAIL, USED },
		{ "descriptors not aligned", 8, DESC + 8, AVAIL, USED },
		{ "driver area not aligned", 8, DESC, AVAIL + 1, USED },
		{ "device area not aligned", 8, DESC, AVAIL, USED + 2 },
		{ "descriptors behind the RAM", 8, MEMORY, AVAIL, USED },
		{ "descriptors across the end of the RAM", 8, MEMORY - 16, AVAIL, USED },
		{ "driver area across the end of the RAM", 8, DESC, MEMORY - 20, USED },
		{ "device area across the end of the RAM", 8, DESC, AVAIL, MEMORY - 68 },
		{ "descriptors at the end of all addresses", 8, ~15ull, AVAIL, USED },
		{ "device area at the end of all addresses", 8, DESC, AVAIL, ~3ull },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		reset(rng);
		accept_features(rng, 1ull << VIRTIO_F_VERSION_1);
		set_status(rng, FEATURES_OK);
		set_queue(rng, 0, bad[i].size, bad[i].desc, bad[i].avail, bad[i].used);
		set_status(rng, FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
		thread_once(rng);
		report(needs_reset(rng), bad[i].name);
	}
	start(rng, 0);
	mmio_write(common(rng, VIRTIO_PCI_COMMON_Q_SELECT), 0, 2);
	set_address(rng, VIRTIO_PCI_COMMON_Q_DESCLO, ~0ull);
	report(mmio_read(common(rng, VIRTIO_PCI_COMMON_Q_DESCLO), 4) == DESC,
	       "a queue in use does not move");
	mmio_write(common(rng, VIRTIO_PCI_COMMON_Q_SELECT), 7, 2);
	report(!mmio_read(common(rng, VIRTIO_PCI_COMMON_Q_SIZE), 2), "no queue 7");
	mmio_write(common(rng, VIRTIO_PCI_COMMON_MSIX), 99, 2);
	report(mmio_read(common(rng, VIRTIO_PCI_COMMON_MSIX), 2) == VIRTIO_NO_VECTOR,
	       "no vector 99");
}

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define INDIR	VRING_DESC_F_INDIRECT

static void test_rings(void)
{
	static const struct {
		const char *name;
		uint16_t head;
		uint16_t count;		/* what the driver says is there */
		bool indirect;		/* negotiated */
		struct vring_desc d[2], table[2];
		uint32_t written;	/* 0: the ring is broken */
	} t[] = {
		{ "one buffer", 0, 1, true, { { DATA, 100, WRITE, 0 } }, { }, 100 },
		{ "two buffers", 0, 1, true,
		  { { DATA, 100, WRITE | NEXT, 1 }, { DATA, 50, WRITE, 0 } }, { }, 150 },
		{ "indirect", 0, 1, true, { { INDIRECT, 32, INDIR, 0 } },
		  { { DATA, 30, WRITE | NEXT, 1 }, { DATA, 30, WRITE, 0 } }, 60 },
		{ "indirect behind a direct one", 0, 1, true,
		  { { DATA, 10, WRITE | NEXT, 1 }, { INDIRECT, 16, INDIR, 0 } },
		  { { DATA, 30, WRITE, 0 } }, 40 },
		{ "indirect, not negotiated", 0, 1, false, { { INDIRECT, 16, INDIR, 0 } },
		  { { DATA, 30, WRITE, 0 } }, 0 },
		{ "indirect and next", 0, 1, true, { { INDIRECT, 16, INDIR | NEXT, 1 } },
		  { { DATA, 30, WRITE, 0 } }, 0 },
		{ "indirect in indirect", 0, 1, true, { { INDIRECT, 16, INDIR, 0 } },
		  { { INDIRECT, 16, INDIR, 0 } }, 0 },
		{ "indirect of length 0", 0, 1, true, { { INDIRECT, 0, INDIR, 0 } }, { }, 0 },
		{ "indirect of length 17", 0, 1, true, { { INDIRECT, 17, INDIR, 0 } },
		  { { DATA, 30, WRITE, 0 } }, 0 },
		{ "indirect outside of the RAM", 0, 1, true,
		  { { MEMORY - 16, 32, INDIR, 0 } }, { }, 0 },
		{ "indirect circle", 0, 1, true, { { INDIRECT, 32, INDIR, 0 } },
		  { { DATA, 30, WRITE | NEXT, 1 }, { DATA, 30, WRITE | NEXT, 0 } }, 0 },
		{ "next outside of the indirect table", 0, 1, true, { { INDIRECT, 16, INDIR, 0 } },
		  { { DATA, 30, WRITE | NEXT, 1 }, { DATA, 30, WRITE, 0 } }, 0 },
		{ "circle", 0, 1, true, { { DATA, 10, WRITE | NEXT, 0 } }, { }, 0 },
		{ "head outside", 8, 1, true, { { DATA, 10, WRITE, 0 } }, { }, 0 },
		{ "next outside", 0, 1, true, { { DATA, 10, WRITE | NEXT, 8 } }, { }, 0 },
		{ "more than the ring holds", 0, 9, true, { { DATA, 10, WRITE, 0 } }, { }, 0 },
		{ "65535 more", 0, 65535, true, { { DATA, 10, WRITE, 0 } }, { }, 0 },
		{ "buffer outside of the RAM", 0, 1, true, { { MEMORY, 10, WRITE, 0 } }, { }, 0 },
		{ "buffer across the end of the RAM", 0, 1, true,
		  { { MEMORY - 5, 10, WRITE, 0 } }, { }, 0 },
		{ "buffer that wraps", 0, 1, true, { { ~0ull, 10, WRITE, 0 } }, { }, 0 },
		{ "buffer in the PCI window", 0, 1, true,
		  { { PCI_WINDOW_BASE, 10, WRITE, 0 } }, { }, 0 },
		{ "to read behind to write", 0, 1, true,
		  { { DATA, 10, WRITE | NEXT, 1 }, { DATA, 10, 0, 0 } }, { }, 0 },
		{ "to read where the device writes", 0, 1, true, { { DATA, 10, 0, 0 } }, { }, 0 },
	};
	const struct vring_used *used = at(USED);
	struct vring_avail *avail = at(AVAIL);
	bool good;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		start(rng, t[i].indirect ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0);
		memcpy(at(DESC), t[i].d, sizeof(t[i].d));
		memcpy(at(INDIRECT), t[i].table, sizeof(t[i].table));
		/* behind the table there is a good one */
		set_desc(DESC, 8, DATA, 10, WRITE, 0);
		avail->ring[0] = t[i].head;
		avail->idx = t[i].count;
		thread_once(rng);
		good = t[i].written ? !needs_reset(rng) && used->idx == 1 &&
				      used->ring[0].len == t[i].written :
				      needs_reset(rng) && !used->idx;
		report(good, t[i].name);
	}
	offer(0);
	thread_once(rng);
	report(!used->idx, "a broken ring stays broken");
	start(rng, 0);
	report(!needs_reset(rng), "a reset repairs it");
}

static void test_event_idx(void)
{
	const uint16_t *kick_event = (void *)&((struct vring_used *)at(USED))->ring[8];
	struct vring_avail *avail = at(AVAIL);

	start(rng, 1ull << VIRTIO_RING_F_EVENT_IDX);
	set_desc(DESC, 0, DATA, 16, WRITE, 0);
	avail->ring[8] = 1;	/* interrupt at the second */
	offer(0);
	thread_once(rng);
	report(!mmio_read(common(rng, 0x400), 1), "event idx: no interrupt before the event");
	report(*kick_event == 1, "event idx: the next kick is wanted");
	offer(0);
	thread_once(rng);
	report(mmio_read(common(rng, 0x400), 1) == VIRTIO_ISR_QUEUE, "event idx: interrupt");
	report(!mmio_read(common(rng, 0x400), 1), "reading ISR clears it");

	start(rng, 0);
	set_desc(DESC, 0, DATA, 16, WRITE, 0);
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	offer(0);
	thread_once(rng);
	report(!mmio_read(common(rng, 0x400), 1), "no interrupt when the driver wants none");
}

static bool pending(struct virtio *v, unsigned int vector)
{
	return mmio_read(BAR(v) + 0x3000, 8) & 1ull << vector;
}

static bool fired(struct virtio *v, unsigned int vector)
{
	uint64_t n;

	return read(v->msix.irqfd[vector], &n, sizeof(n)) == sizeof(n);
}

static void test_msix(void)
{
	struct virtio *v = rng;
	uint64_t flags = ecam(v, v->msix.cap + PCI_MSIX_FLAGS);
	uint64_t control = BAR(v) + 0x2000 + PCI_MSIX_ENTRY_VECTOR_CTRL;

	start(v, 0);
	mmio_write(flags, 0, 2);
	mmio_write(control, 1, 4);
	msix_raise(&v->msix, 0);
	report(!fired(v, 0) && !pending(v, 0), "MSI-X off: nothing happens");
	mmio_write(flags, PCI_MSIX_FLAGS_ENABLE, 2);
	msix_raise(&v->msix, 0);
	report(!fired(v, 0) && pending(v, 0), "vector masked: pending");
	mmio_write(control, 0, 4);
	report(fired(v, 0) && !pending(v, 0), "unmasked: it goes");
	msix_raise(&v->msix, 0);
	report(fired(v, 0) && !pending(v, 0), "not masked: at once");
	mmio_write(flags, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	msix_raise(&v->msix, 0);
	report(!fired(v, 0) && pending(v, 0), "function masked: pending");
	mmio_write(flags, PCI_MSIX_FLAGS_ENABLE, 2);
	report(fired(v, 0) && !pending(v, 0), "function unmasked: it goes");
	mmio_write(BAR(v) + 0x2000 + v->msix.vectors * 16, 0x55aa, 4);
	report(!mmio_read(BAR(v) + 0x2000 + v->msix.vectors * 16, 4), "no entry behind the table");
	mmio_write(flags, 0, 2);
}

static void test_bar(void)
{
	uint64_t bar = ecam(rng, PCI_BASE_ADDRESS_0), command = ecam(rng, PCI_COMMAND);
	uint32_t old = mmio_read(bar, 4);

	mmio_write(command, 0, 2);
	mmio_write(bar, ~0u, 4);
	report((uint32_t)mmio_read(bar, 4) == ~(PCI_BAR_SIZE - 1), "BAR: its size");
	mmio_write(command, PCI_COMMAND_MEMORY, 2);
	report(!rng->pci.mapped, "BAR outside of the window: not mapped");
	mmio_write(bar, PCI_WINDOW_BASE + 0x400000, 4);
	report(mmio_read(PCI_WINDOW_BASE + 0x400000 + VIRTIO_PCI_COMMON_NUMQ, 2) == 1,
	       "BAR: it moves");
	report(mmio_read(old + VIRTIO_PCI_COMMON_NUMQ, 2) == ~0ull, "BAR: and is gone there");
	mmio_write(bar, old, 4);
	mmio_write(ecam(rng, PCI_VENDOR_ID), 0, 4);
	report(mmio_read(ecam(rng, PCI_VENDOR_ID), 2) == 0x1af4, "vendor is read-only");
	report(mmio_read(PCI_ECAM_BASE + (31 << 15), 4) == 0xffffffff, "nobody in slot 31");
}

/* A request to the disk: header, data, status; returns the status */
static uint8_t request(struct virtio *v, uint32_t type, uint64_t sector, uint32_t length,
		       bool to_guest)
{
	struct virtio_blk_outhdr h = { .type = type, .sector = sector };
	uint8_t *result = at(DATA + 16);

	start(v, 1ull << VIRTIO_BLK_F_FLUSH);
	memcpy(at(DATA), &h, sizeof(h));
	memset(at(DATA + 0x1000), 0xa5, 4096);
	*result = 0xff;
	set_desc(DESC, 0, DATA, sizeof(h), NEXT, 1);
	set_desc(DESC, 1, DATA + 0x1000, length, (to_guest ? WRITE : 0) | NEXT, 2);
	set_desc(DESC, 2, DATA + 16, 1, WRITE, 0);
	offer(0);
	thread_once(v);
	return *result;
}

static void test_disk(void)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = 8, .num_sectors = 1 };
	const uint8_t *data = at(DATA + 0x1000);

	report(request(disk, VIRTIO_BLK_T_OUT, 8, 1024, false) == VIRTIO_BLK_S_OK, "disk: write");
	memset(at(DATA + 0x1000), 0, 4096);
	report(request(disk, VIRTIO_BLK_T_IN, 9, 512, true) == VIRTIO_BLK_S_OK &&
	       data[0] == 0xa5 && data[511] == 0xa5 && data[512] == 0xa5, "disk: read");
	report(request(disk, VIRTIO_BLK_T_IN, 64, 512, true) == VIRTIO_BLK_S_IOERR,
	       "disk: read behind the end");
	report(request(disk, VIRTIO_BLK_T_IN, 63, 1024, true) == VIRTIO_BLK_S_IOERR,
	       "disk: read across the end");
	report(request(disk, VIRTIO_BLK_T_OUT, 64, 512, false) == VIRTIO_BLK_S_IOERR,
	       "disk: write behind the end");
	report(request(disk, VIRTIO_BLK_T_OUT, ~0ull, 512, false) == VIRTIO_BLK_S_IOERR,
	       "disk: write at the end of all sectors");
	report(request(disk, VIRTIO_BLK_T_OUT, ~0ull >> 9, 512, false) == VIRTIO_BLK_S_IOERR,
	       "disk: write where sector * 512 wraps");
	report(request(disk, VIRTIO_BLK_T_IN, 0, 100, true) == VIRTIO_BLK_S_IOERR,
	       "disk: read of half a sector");
	report(request(readonly, VIRTIO_BLK_T_OUT, 0, 512, false) == VIRTIO_BLK_S_IOERR,
	       "disk: write to a read-only one");
	report(request(readonly, VIRTIO_BLK_T_IN, 0, 512, true) == VIRTIO_BLK_S_OK,
	       "disk: read a read-only one");
	report(request(disk, VIRTIO_BLK_T_FLUSH, 0, 0, false) == VIRTIO_BLK_S_OK, "disk: flush");
	report(request(disk, 77, 0, 0, false) == VIRTIO_BLK_S_UNSUPP, "disk: unknown request");
	report(request(disk, VIRTIO_BLK_T_GET_ID, 0, 20, true) == VIRTIO_BLK_S_OK &&
	       !strncmp((const char *)data, "disk-of-hvrun.", 14), "disk: serial number");
	/* the pattern is a range whose flags do not exist */
	report(request(disk, VIRTIO_BLK_T_DISCARD, 0, 16, false) == VIRTIO_BLK_S_UNSUPP,
	       "disk: discard with unknown flags");
	report(request(disk, VIRTIO_BLK_T_DISCARD, 0, 15, false) == VIRTIO_BLK_S_IOERR,
	       "disk: discard without a whole range");

	start(disk, 1ull << VIRTIO_BLK_F_FLUSH);
	memcpy(at(DATA), &(struct virtio_blk_outhdr) { .type = VIRTIO_BLK_T_WRITE_ZEROES }, 16);
	memcpy(at(DATA + 0x1000), &range, sizeof(range));
	set_desc(DESC, 0, DATA, 16, NEXT, 1);
	set_desc(DESC, 1, DATA + 0x1000, sizeof(range), NEXT, 2);
	set_desc(DESC, 2, DATA + 32, 1, WRITE, 0);
	offer(0);
	thread_once(disk);
	report(request(disk, VIRTIO_BLK_T_IN, 8, 1024, true) == VIRTIO_BLK_S_OK && !data[0] &&
	       !data[511] && data[512] == 0xa5, "disk: write zeroes");

	report(mmio_read(BAR(disk) + 0x800, 8) == DISK_SIZE / 512, "disk: capacity");
	report(!mmio_read(BAR(disk) + 0x800 + VIRTIO_MAX_CONFIG, 4),
	       "disk: nothing behind its configuration");

	start(disk, 0);
	set_desc(DESC, 0, DATA, 16, 0, 0);
	offer(0);
	thread_once(disk);
	report(needs_reset(disk), "disk: a request without room for its status");
}

static void test_net(void)
{
	const uint8_t packet[64] = { [0 ... 63] = 0x77 };
	const struct vring_used *used = at(USED);
	const uint8_t *data = at(DATA);

	start(net, 0);
	set_desc(DESC, 0, DATA, 100, WRITE, 0);
	offer(0);
	thread_once(net);
	report(!used->idx && !needs_reset(net), "net: a buffer waits for a packet");
	report(write(wire, packet, sizeof(packet)) == 64, "net: a packet comes");
	thread_once(net);
	report(used->idx == 1 && used->ring[0].len == 64 && data[63] == 0x77 && !data[64],
	       "net: it is in the buffer");
	report(data[9] == 0x77 && data[10] == 1 && !data[11] && data[12] == 0x77,
	       "net: its header says that it has one buffer");
	set_desc(DESC, 1, DATA, 11, WRITE, 0);
	offer(1);
	thread_once(net);
	report(needs_reset(net), "net: a buffer too small for the header");
}

static void drain_wire(void)
{
	uint8_t packet[65536];

	while (read(wire, packet, sizeof(packet)) > 0)
		;
}

/* ---- random guests ---- */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

static uint64_t rnd_address(void)
{
	static const uint64_t around[] = { 0, DESC, AVAIL, USED, DATA, INDIRECT, MEMORY,
					   LOW_RAM_MAX, HIGH_RAM_BASE, PCI_WINDOW_BASE, 0, ~0ull };
	uint64_t base = around[rnd(ARRAY_SIZE(around))];

	return rnd(2) ? base + 16 * rnd(16) : base - rnd(64);
}

static void random_desc(uint64_t table, unsigned int i)
{
	static const uint32_t length[] = { 0, 1, 12, 15, 16, 32, 512, 4096, 65536, ~0u };

	set_desc(table, i, rnd(4) ? DATA + rnd(8192) : rnd_address(), length[rnd(10)],
		 rnd(8) ? rnd(4) : rnd(8), rnd(8) ? rnd(8) : rnd(65536));
}

/* Rings that are almost good, so that the devices see requests of all kinds */
static void random_ring(void)
{
	struct vring_avail *avail = at(AVAIL);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		random_desc(DESC, i);
		random_desc(INDIRECT, i);
	}
	memcpy(at(DATA), &(struct virtio_blk_outhdr) {
		.type = rnd(16), .sector = rnd(4) ? rnd(70) : rnd_address() }, 16);
	offer(rnd(16) ? rnd(8) : rnd(65536));
	if (!rnd(64))
		avail->idx += rnd(65536);
	avail->flags = rnd(2);
	avail->ring[8] = rnd(65536);
}

static void random_access(struct virtio *v)
{
	static const unsigned int sizes[] = { 1, 2, 4, 8 };
	unsigned int size = sizes[rnd(4)];
	uint64_t value = rnd(2) ? rnd_address() : rnd(256), gpa;
	uint16_t port;

	if (rnd(2))
		gpa = BAR(v) + (rnd(5) << 10) * 4 + rnd(80);
	else
		gpa = rnd(2) ? ecam(v, rnd(300)) : PCI_ECAM_BASE + rnd(PCI_ECAM_SIZE);
	port = PCI_ADDRESS_PORT + rnd(8);
	if (rnd(2))
		pci_mmio_access(&vm, gpa, &value, size, rnd(2));
	else if ((port & 3) + size <= 4)
		pci_port_access(&vm, port, &value, size, rnd(2));
}

static void test_random(unsigned int rounds)
{
	struct virtio *v;
	unsigned int i, requests = 0, broken = 0;

	for (i = 0; i < rounds; i++) {
		v = vm.virtio[rnd(vm.nr_virtio)];
		if (!rnd(4) || needs_reset(v) || !v->running) {
			broken += v->running && needs_reset(v);
			/* start() clears the ring: as good as any state */
			start_queue(v, v->features & (rnd(2) ? ~0ull : rnd(65536)),
				    rnd(v->ops->queues));
		}
		random_ring();
		if (!rnd(8))
			random_access(v);
		if (v == net && rnd(2) && write(wire, at(DATA), rnd(2048)) < 0)
			drain_wire();
		thread_once(v);
		drain_wire();
		requests += ((struct vring_used *)at(USED))->idx;
	}
	printf("# %u rounds, %u requests\n", rounds, requests);
	report(requests > rounds / 20, "random guests: none got out of its memory");
}

/* The device threads run while the rings change under them. */
static void test_races(unsigned int rounds)
{
	struct virtio *v;
	unsigned int i;

	virtio_start_all(&vm);
	for (i = 0; i < rounds; i++) {
		v = vm.virtio[rnd(vm.nr_virtio)];
		random_ring();
		virtio_kick(v, rnd(v->ops->queues));
		random_access(v);
		if (rnd(16))
			continue;
		map_bar(v);
		set_status(v, 0);
		while (status(v))
			usleep(10);
		begin(v, v->features & ~(uint64_t)rnd(65536), rnd(v->ops->queues));
	}
	drain_wire();
	report(true, "random guests, as the rings are in use");
}

/* ---- what hvrun says ---- */

static unsigned int lines_said(void (*provoke)(void))
{
	int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", MFD_CLOEXEC);
	unsigned int lines = 0;
	char c;

	dup2(fd, STDERR_FILENO);
	provoke();
	dup2(saved, STDERR_FILENO);
	lseek(fd, 0, SEEK_SET);
	while (read(fd, &c, 1) == 1)
		lines += c == '\n';
	close(saved);
	close(fd);
	return lines;
}

static void place_bars(void)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		mmio_write(ecam(rng, PCI_COMMAND), 0, 2);
		map_bar(rng);
	}
}

static void restart_net(void)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		start(net, 0);
}

static void test_messages(void)
{
	setenv("FAKE_FAIL", "ioeventfd:17", 1);
	report(lines_said(place_bars) == 1, "a doorbell at another's address: said once");
	setenv("FAKE_FAIL", "offload:77", 1);
	report(lines_said(restart_net) == 1, "a tap that is gone: said once");
	unsetenv("FAKE_FAIL");
}

/* ---- set-up ---- */

/* Guest memory with a page on each side that must not be touched */
static void make_memory(void)
{
	uint8_t *p = mmap(NULL, MEMORY + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAGE, MEMORY, PROT_READ | PROT_WRITE))
		exit(1);
	munmap(vm.mem, MEMORY);
	vm.mem = p + PAGE;
}

static void make_devices(void)
{
	char *path = strdup("/tmp/disk-of-hvrun.XXXXXX");
	int fd = mkstemp(path);

	if (fd < 0 || ftruncate(fd, DISK_SIZE))
		exit(1);
	disk = blk_create(&vm, &(struct disk_option) { .path = path });
	unlink(path);
	close(fd);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, DISK_SIZE))
		exit(1);
	readonly = blk_create(&vm, &(struct disk_option) { .path = path, .readonly = true });
	unlink(path);
	close(fd);
	rng = rng_create(&vm);
	console = console_create(&vm, "/dev/null");
	net = net_create(&vm, &(struct net_option) { .tap = "lo" });
	vm.virtio[vm.nr_virtio++] = disk;
	vm.virtio[vm.nr_virtio++] = readonly;
	vm.virtio[vm.nr_virtio++] = rng;
	vm.virtio[vm.nr_virtio++] = console;
	vm.virtio[vm.nr_virtio++] = net;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 200000, i;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	printf("TAP version 13\n");
	vm_init(&vm, &opt);
	vm_create(&vm);
	make_memory();
	make_devices();
	for (i = 0; i < vm.nr_virtio; i++)
		reset(vm.virtio[i]);
	test_lifecycle();
	test_queue_config();
	test_rings();
	test_event_idx();
	test_msix();
	test_bar();
	test_disk();
	test_net();
	test_messages();
	test_random(rounds);
	test_races(rounds / 4);
	printf("1..%u\n", count);
	return failed != 0;
}
