/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/post-device: a device whose interrupts an IOMMU can post, for post_test. Both are made of
 * software: see post_device.c.
 */
#ifndef POST_DEVICE_H
#define POST_DEVICE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define POST_DEVICE		"/dev/post-device"
#define POST_DEVICE_LINES	64

/**
 * struct post_device_line - give an interrupt its eventfd, as VFIO_DEVICE_SET_IRQS does
 * @line: which
 * @eventfd: eventfd; -1: disconnect
 */
struct post_device_line {
	__u32 line;
	__s32 eventfd;
};

/**
 * struct post_device_fire - raise interrupts, one after the other
 * @first: first line
 * @count: how many
 */
struct post_device_fire {
	__u32 first;
	__u32 count;
};

/**
 * struct post_device_state - what has happened to a line's interrupts since it was connected
 * @line: which; in, the rest is out
 * @posted: the entry of the interrupt-remapping table says "posted"
 * @vector: to this vector of the guest
 * @fired: raised
 * @remapped: given to the host's handler
 * @fresh: bit in PIR newly set
 * @merged: the bit was set already
 * @notified: notifications sent
 * @suppressed: notifications that SN forbade
 */
struct post_device_state {
	__u32 line;
	__u8 posted;
	__u8 vector;
	__u16 reserved;
	__u64 fired;
	__u64 remapped;
	__u64 fresh;
	__u64 merged;
	__u64 notified;
	__u64 suppressed;
};

#define POST_DEVICE_CONNECT	_IOW('p', 0xe0, struct post_device_line)
#define POST_DEVICE_FIRE	_IOW('p', 0xe1, struct post_device_fire)
#define POST_DEVICE_STATE	_IOWR('p', 0xe2, struct post_device_state)

#endif
