/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Second-stage page tables (EPT, NPT): one walker over two entry formats.
 * Pure but for the allocation of table pages.
 */
#ifndef HV_STAGE2_H
#define HV_STAGE2_H

#include <linux/types.h>

/**
 * struct hv_s2_format - how the backend's processor spells an entry
 * @table: bits of an entry that points to a lower table (present, all rights)
 * @leaf: bits of every leaf (present/read, memory type)
 * @write: set in a writable leaf
 * @exec: set in an executable leaf (EPT)
 * @noexec: set in a leaf that is not executable (NPT)
 * @present: an entry is in use when any of these is set
 * @large: marks a leaf above level 1
 * @accessed: set by the processor, 0 when it doesn't
 * @dirty: set by the processor, 0 when it doesn't
 * @addr: address bits of an entry
 * @levels: depth of the tables, 4 or 5
 */
struct hv_s2_format {
	u64 table;
	u64 leaf;
	u64 write;
	u64 exec;
	u64 noexec;
	u64 present;
	u64 large;
	u64 accessed;
	u64 dirty;
	u64 addr;
	unsigned int levels;
};

/**
 * struct hv_s2 - one set of tables
 * @fmt: the backend's format
 * @root: kernel address of the top table, a page
 * @root_pa: its physical address
 * @pages: table pages in use, the root included
 */
struct hv_s2 {
	const struct hv_s2_format *fmt;
	u64 *root;
	u64 root_pa;
	unsigned long pages;
};

/*
 * src/core/stage2.c. Locking: the caller holds the write side of hv_mmu.lock
 * for map and unmap, the read side for the others. @cache gives pages without sleeping.
 */
struct hv_s2_cache;
int hv_s2_init(struct hv_s2 *s2, const struct hv_s2_format *fmt);
void hv_s2_destroy(struct hv_s2 *s2);
int hv_s2_map(struct hv_s2 *s2, struct hv_s2_cache *cache, u64 gfn, u64 pfn,
	      unsigned int access);
bool hv_s2_unmap(struct hv_s2 *s2, u64 gfn, u64 npages);
bool hv_s2_young(struct hv_s2 *s2, u64 gfn, u64 npages, bool clear);
u64 hv_s2_lookup(struct hv_s2 *s2, u64 gfn);

#endif
