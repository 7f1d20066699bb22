/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mmu.c and the files beside it share: tables of a VM under hv_mmu.lock.
 */
#ifndef HV_CORE_MMU_H
#define HV_CORE_MMU_H

#include <hv/memory.h>

/* mmu.c */
void hv_mmu_unmap(struct hv_vm *vm, u64 gfn, u64 npages, bool yield, bool reap,
		  struct hv_s2_cache *tables);
void hv_mmu_flush(struct hv_vm *vm, s64 seq);

void hv_mmu_zap_all_vms(void);
void hv_mmu_protect_slot(struct hv_vm *vm, const struct hv_memslot *slot);
void hv_mmu_protect_pages(struct hv_vm *vm, u64 gfn, const unsigned long *bits, u64 npages);
void hv_mmu_collapse_slot(struct hv_vm *vm, const struct hv_memslot *slot);
void hv_mmu_flush_now(struct hv_vm *vm);

/* nx_huge.c: large pages are mapped not executable */
extern bool hv_nx_huge_pages;

/* mmu_notifier.c */
int hv_mmu_notifier_register(struct hv_vm *vm);

#endif
