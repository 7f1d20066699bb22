/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Second-stage page tables (EPT, NPT): one walker over two entry formats.
 * Pure but for the allocation of table pages, so the unit tests compile it
 * in userspace.
 */
#ifndef HV_STAGE2_H
#define HV_STAGE2_H

#include <linux/types.h>

#define HV_S2_BITS		9	/* of an address, resolved by a table */
#define HV_S2_ENTRIES		512
#define HV_S2_MAX_LEVELS	5
/* Sizes of a leaf: level 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB. */
#define HV_S2_LEAF_LEVELS	3

/**
 * struct hv_s2_format - how the backend's processor spells an entry
 * @table: bits of an entry that points to a lower table (present, all rights)
 * @leaf: bits of every leaf of ordinary memory (present/read, memory type)
 * @leaf_io: the same for a leaf of device memory, not cached; 0: not offered
 * @write: set in a writable leaf
 * @exec: set in an executable leaf (EPT)
 * @noexec: set in a leaf that is not executable (NPT)
 * @present: an entry is in use when any of these is set; none below bit 12 may
 *	be set by a page-aligned kernel address (see hv_s2_unmap())
 * @large: marks a leaf above level 1
 * @accessed: set by the processor, 0 when it doesn't
 * @dirty: set by the processor, 0 when it doesn't
 * @addr: address bits of an entry
 * @levels: depth of the tables, 4 or 5
 * @log_size: pages of which a vCPU can note, between an entry and the next exit, that it has set
 *	their dirty bit; 0: it notes none
 * @leaf_levels: sizes of leaves that the processor has: 1: 4 KiB, 2: and 2 MiB, 3: and 1 GiB
 */
struct hv_s2_format {
	u64 table;
	u64 leaf;
	u64 leaf_io;
	u64 write;
	u64 exec;
	u64 noexec;
	u64 present;
	u64 large;
	u64 accessed;
	u64 dirty;
	u64 addr;
	unsigned int levels;
	unsigned int leaf_levels;
	unsigned int log_size;
};

/**
 * struct hv_s2 - one set of tables
 * @fmt: the backend's format
 * @root: kernel address of the top table, a page
 * @root_pa: its physical address
 */
struct hv_s2 {
	const struct hv_s2_format *fmt;
	u64 *root;
	u64 root_pa;
};

/**
 * struct hv_s2_cache - table pages that no table refers to, zeroed but for the link
 * @head: first page; its first word is the address of the next
 * @nr: number of pages
 * @want: after hv_s2_map() returned -ENOMEM: pages that it needs to go on
 * @leaves: leaves that hv_s2_map() has made with this cache less those that it has split,
 *	by level - 1
 */
struct hv_s2_cache {
	u64 *head;
	unsigned long nr;
	unsigned int want;
	s64 leaves[HV_S2_LEAF_LEVELS];
};

/**
 * struct hv_s2_unmapped - what was removed; the caller adds up, then frees
 * @leaves: leaves removed less those that came in their place, by level - 1
 * @split: table pages added, in place of large leaves
 * @pages: table pages removed; not to be freed before the TLB flush
 */
struct hv_s2_unmapped {
	s64 leaves[HV_S2_LEAF_LEVELS];
	unsigned long split;
	struct hv_s2_cache pages;
};

/* Rights and kind of a mapping; the first three are also the bits of a fault. */
#define HV_ACC_READ	0x1u
#define HV_ACC_WRITE	0x2u
#define HV_ACC_EXEC	0x4u
#define HV_ACC_IO	0x8u	/* device memory: not cached */

/* src/core/stage2.c */
int hv_s2_init(struct hv_s2 *s2, const struct hv_s2_format *fmt);
u64 hv_s2_destroy(struct hv_s2 *s2);
int hv_s2_map(struct hv_s2 *s2, struct hv_s2_cache *cache, u64 gfn, u64 pfn,
	      unsigned int level, unsigned int access);
void hv_s2_unmap(struct hv_s2 *s2, u64 gfn, u64 npages, bool reap,
		 struct hv_s2_unmapped *gone);
bool hv_s2_young(struct hv_s2 *s2, u64 gfn, u64 npages, bool clear);
bool hv_s2_mapped(struct hv_s2 *s2, u64 gfn, u64 npages);
bool hv_s2_protect(struct hv_s2 *s2, u64 gfn, u64 npages, bool dirty);
void hv_s2_collapse(struct hv_s2 *s2, u64 gfn, u64 npages, bool nx,
		    struct hv_s2_unmapped *gone);
u64 hv_s2_lookup(struct hv_s2 *s2, u64 gfn, unsigned int *level);
u64 hv_s2_gfn_end(const struct hv_s2_format *fmt);
int hv_s2_cache_fill(struct hv_s2_cache *cache, unsigned int nr);
void hv_s2_cache_free(struct hv_s2_cache *cache);

#endif
