/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the devices of a VM reach: its memory slots, pinned and mapped in IOMMU domains.
 */
#ifndef HV_DMA_H
#define HV_DMA_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <hv/slots.h>

struct hv_pci;
struct hv_vm;

/**
 * struct hv_dma - a VM's devices and what they reach
 * @lock: guards all below. Nobody who holds it waits for userspace: its memory is pinned
 *	before. So a device can always be taken away
 * @domains: IOMMU domains, struct hv_domain
 * @devices: the VM's devices, struct hv_pci.vm_link
 * @pins: slots that are pinned, struct hv_pin; all that may be, while @users isn't 0
 * @users: devices, calls that are about to add one, and who has lost one and will unpin. Grows
 *	under vm->slots_lock, too
 * @last_domain: number of the youngest domain
 */
struct hv_dma {
	struct mutex lock;		/* all below */
	struct list_head domains;
	struct list_head devices;
	struct list_head pins;
	unsigned int users;
	u32 last_domain;
};

/* src/assign/assign.c */
void hv_dma_init(struct hv_vm *vm);
void hv_dma_release(struct hv_vm *vm);
int hv_dma_slot_changing(struct hv_vm *vm, const struct hv_memslot *old,
			 const struct hv_memslot *new);
void hv_dma_slot_left(struct hv_vm *vm, const struct hv_memslot *old,
		      const struct hv_memslot *new);
bool hv_dma_writes_slot(struct hv_vm *vm, const struct hv_memslot *slot);

#endif
