/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pinned memory of slots. Private to src/assign.
 */
#ifndef HV_ASSIGN_PIN_H
#define HV_ASSIGN_PIN_H

#include <linux/list.h>
#include <linux/types.h>

struct hv_memslot;
struct hv_vm;

/**
 * struct hv_pin_run - pages that follow each other in the slot and in memory
 * @pfn: first page
 * @index: its place in the slot
 * @npages: number of pages
 */
struct hv_pin_run {
	u64 pfn;
	u32 index;
	u32 npages;
};

/**
 * struct hv_pin_bar - a part of a slot that shows registers of a function
 * @run: where; the pages are not pinned, they are there as long as the function is
 * @mapped: the VM has the function, so its other devices reach them; hv_dma.lock
 */
struct hv_pin_bar {
	struct hv_pin_run run;
	bool mapped;
};

/**
 * struct hv_pin - the pinned memory of a slot
 * @link: in hv_dma.pins; hv_dma.lock
 * @vm: the VM
 * @id: number of the slot
 * @gfn: where the slot is; hv_dma.lock
 * @npages: length of the slot
 * @writable: devices may write
 * @pinned: number of pinned pages; device memory isn't counted
 * @nr: number of runs
 * @max: room for runs
 * @run: the runs, in the order of the slot
 * @nr_bars: entries of @bar
 * @bar: mappings of device files in the slot
 */
struct hv_pin {
	struct list_head link;
	struct hv_vm *vm;
	u32 id;
	u64 gfn;
	u64 npages;
	bool writable;
	u64 pinned;
	unsigned int nr;
	unsigned int max;
	struct hv_pin_run *run;
	unsigned int nr_bars;
	struct hv_pin_bar *bar;
};

struct hv_pin *hv_pin_slot(struct hv_vm *vm, const struct hv_memslot *slot, bool *over_limit);
void hv_pin_free(struct hv_pin *pin);

#endif
