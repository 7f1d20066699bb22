/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Coalesced I/O: writes of the guest that wait in a ring until the VMM looks.
 */
#ifndef HV_COALESCED_H
#define HV_COALESCED_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <hv/eventfd.h>

struct hv_coalesced_table;
struct hv_coalesced_mmio_ring;
struct hv_coalesced_mmio_zone;
struct hv_vm;

/**
 * struct hv_coalesced - a VM's zones and ring
 * @lock: serializes changes of the tables
 * @table: zones by address space, NULL: none. Replaced whole under @lock, readers use vm->srcu
 * @ring_lock: serializes vCPUs that add to the ring
 * @ring: page shared with userspace, in the mapping of each vCPU; kernel address. Everything
 *	read from it is hostile
 */
struct hv_coalesced {
	struct mutex lock;		/* changes of the tables */
	struct hv_coalesced_table __rcu *table[HV_NR_IO_SPACES];
	spinlock_t ring_lock;		/* adding to the ring */
	struct hv_coalesced_mmio_ring *ring;
};

/* src/core/coalesced.c */
int hv_coalesced_init(struct hv_vm *vm);
void hv_coalesced_destroy(struct hv_vm *vm);
long hv_coalesced_register(struct hv_vm *vm, const struct hv_coalesced_mmio_zone *zone);
long hv_coalesced_unregister(struct hv_vm *vm, const struct hv_coalesced_mmio_zone *zone);
bool hv_coalesced_write(struct hv_vm *vm, enum hv_io_space space, u64 addr, unsigned int len,
			const void *data);

#endif
