/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty logging: which pages of a slot were written. Private to src/core.
 */
#ifndef HV_CORE_DIRTY_H
#define HV_CORE_DIRTY_H

#include <hv/memory.h>

struct hv_clear_dirty_log;
struct hv_dirty_log;

/* dirty.c */
int hv_dirty_slot_prepare(struct hv_vm *vm, const struct hv_memslot *old, struct hv_memslot *new);
void hv_dirty_slot_unprepare(const struct hv_memslot *old, struct hv_memslot *new);
void hv_dirty_slot_changed(struct hv_vm *vm, const struct hv_memslot *old,
			   const struct hv_memslot *new);
void hv_dirty_bitmap_free(unsigned long *bitmap);
void hv_dirty_mark(struct hv_vm *vm, const struct hv_memslot *slot, u64 gfn, u64 npages);
void hv_dirty_vcpu_created(struct hv_vcpu *vcpu);
long hv_get_dirty_log(struct hv_vm *vm, const struct hv_dirty_log *log);
long hv_clear_dirty_log(struct hv_vm *vm, const struct hv_clear_dirty_log *log);

/* dirty_ring.c */
int hv_dirty_ring_alloc(struct hv_vcpu *vcpu);
void hv_dirty_ring_free(struct hv_vcpu *vcpu);
struct page *hv_dirty_ring_page(struct hv_vcpu *vcpu, unsigned long pgoff);
bool hv_dirty_ring_covers(struct hv_vcpu *vcpu, unsigned long pgoff);
bool hv_dirty_ring_full(struct hv_vcpu *vcpu);
bool hv_dirty_ring_has_room(struct hv_vm *vm);
void hv_dirty_ring_push(struct hv_vm *vm, const struct hv_memslot *slot, u64 offset);
long hv_dirty_rings_reset(struct hv_vm *vm);
long hv_dirty_ring_max(void);

#endif
