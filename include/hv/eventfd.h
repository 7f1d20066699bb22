/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event file descriptors: those that interrupt the guest, and those that it signals.
 */
#ifndef HV_EVENTFD_H
#define HV_EVENTFD_H

#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct hv_vm;

/**
 * struct hv_resampler - hears of the end of interrupts of a GSI
 * @gsi: GSI
 * @acked: the guest has ended an interrupt, and the line of HV_IRQ_RESAMPLE is down: whoever still
 *	wants it raises it again. Any context
 * @node: in hv_irqfds.resample
 */
struct hv_resampler {
	u32 gsi;
	void (*acked)(struct hv_resampler *resampler);
	struct hlist_node node;
};

/**
 * struct hv_irqfds - the irqfds of a VM
 * @lock: serializes changes of all below
 * @all: all of them
 * @resample: resamplers by GSI: irqfds with a resamplefd, and devices; readers use RCU
 * @nr_resample: number of them; read without the lock
 * @cleanup: removes those whose eventfd was closed
 * @fed_lock: guards @fed
 * @fed: those of which the interrupt of a device is known that signals the eventfd
 */
struct hv_irqfds {
	struct mutex lock;		/* changes of all below */
	struct list_head all;
	DECLARE_HASHTABLE(resample, 6);
	unsigned int nr_resample;
	struct work_struct cleanup;
	struct mutex fed_lock;		/* guards fed and its members */
	struct list_head fed;
};

/**
 * enum hv_io_space - address spaces of the guest's I/O
 * @HV_IO_MEMORY: guest-physical memory
 * @HV_IO_PORTS: ports
 * @HV_NR_IO_SPACES: number of them
 */
enum hv_io_space {
	HV_IO_MEMORY,
	HV_IO_PORTS,
	HV_NR_IO_SPACES,
};

struct hv_ioeventfd_table;

/**
 * struct hv_ioeventfds - the ioeventfds of a VM
 * @lock: serializes changes of the tables
 * @table: by address space, NULL: none. Replaced whole under @lock, readers use vm->srcu
 */
struct hv_ioeventfds {
	struct mutex lock;		/* changes of the tables */
	struct hv_ioeventfd_table __rcu *table[HV_NR_IO_SPACES];
};

/* src/irq/irqfd.c */
void hv_irqfds_init(struct hv_vm *vm);
void hv_irqfds_release(struct hv_vm *vm);
int hv_resampler_add(struct hv_vm *vm, struct hv_resampler *resampler);
void hv_resampler_remove(struct hv_vm *vm, struct hv_resampler *resampler);
void hv_irqfd_acked(struct hv_vm *vm, u32 gsi);

/* src/irq/ioeventfd.c */
void hv_ioeventfds_init(struct hv_vm *vm);
void hv_ioeventfds_destroy(struct hv_vm *vm);
bool hv_ioeventfd_at(struct hv_vm *vm, enum hv_io_space space, u64 addr);
bool hv_ioeventfd_signal(struct hv_vm *vm, enum hv_io_space space, u64 addr, unsigned int len,
			 const void *data);

#endif
