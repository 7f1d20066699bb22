/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event file descriptors: those that interrupt the guest.
 */
#ifndef HV_EVENTFD_H
#define HV_EVENTFD_H

#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct hv_vm;

/**
 * struct hv_irqfds - the irqfds of a VM
 * @lock: serializes changes of all below
 * @all: all of them
 * @resample: those with a resamplefd, by GSI; readers use RCU
 * @nr_resample: number of the latter; read without the lock
 * @cleanup: removes those whose eventfd was closed
 */
struct hv_irqfds {
	struct mutex lock;		/* changes of all below */
	struct list_head all;
	DECLARE_HASHTABLE(resample, 6);
	unsigned int nr_resample;
	struct work_struct cleanup;
};

/* src/irq/irqfd.c */
void hv_irqfds_init(struct hv_vm *vm);
void hv_irqfds_release(struct hv_vm *vm);
void hv_irqfd_acked(struct hv_vm *vm, u32 gsi);

#endif
