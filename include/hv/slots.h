/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory slots as data: what a change of one means, and lookups. No kernel
 * state is touched here, so the unit tests compile it in userspace.
 */
#ifndef HV_SLOTS_H
#define HV_SLOTS_H

#include <linux/types.h>

/* As many as KVM has; a change costs more the more there are, see bench.rst */
#define HV_MAX_MEMSLOTS		32764

/* Length limit of one slot, in pages: what fits the dirty log's bitmap interfaces. */
#define HV_MAX_SLOT_PAGES	((1ULL << 31) - 1)

struct hv_userspace_memory_region;

/**
 * struct hv_memslot - guest-physical range backed by userspace memory
 * @gfn: first guest frame
 * @npages: length in 4 KiB pages, never 0 in an array
 * @hva: userspace address of the first page
 * @flags: HV_MEM_*
 * @id: the VMM's slot number
 * @dirty_bitmap: a bit for each page that was written, and as many again for whoever collects
 *	them; NULL unless HV_MEM_LOG_DIRTY_PAGES is set and there are no dirty rings
 */
struct hv_memslot {
	u64 gfn;
	u64 npages;
	unsigned long hva;
	u32 flags;
	u32 id;
	unsigned long *dirty_bitmap;
};

/**
 * struct hv_memslots - all slots of a VM, immutable once published
 * @generation: grows with each publication; cached lookups compare it
 * @nr: entries in @slot
 * @hva_end: [i]: greatest end of the userspace memory of by_hva[0] to by_hva[i]: slots may
 *	share memory
 * @by_hva: indices in @slot in the order of their userspace addresses
 * @by_id: indices in @slot in the order of their numbers
 * @slot: sorted by @gfn, no overlap
 */
struct hv_memslots {
	u64 generation;
	unsigned int nr;
	u64 *hva_end;
	u16 *by_hva;
	u16 *by_id;
	struct hv_memslot slot[];
};

/**
 * struct hv_slot_limits - what a slot may use
 * @flags: accepted HV_MEM_* bits
 * @gfn_end: first guest frame that doesn't exist
 * @hva_end: first address that isn't userspace's
 */
struct hv_slot_limits {
	u32 flags;
	u64 gfn_end;
	u64 hva_end;
};

/**
 * enum hv_slot_op - what a call to HV_SET_USER_MEMORY_REGION means
 * @HV_SLOT_NONE: the slot is already so
 * @HV_SLOT_CREATE: the slot is new
 * @HV_SLOT_DELETE: the slot goes away
 * @HV_SLOT_MOVE: same memory at another guest-physical address
 * @HV_SLOT_FLAGS: only flags change
 */
enum hv_slot_op {
	HV_SLOT_NONE,
	HV_SLOT_CREATE,
	HV_SLOT_DELETE,
	HV_SLOT_MOVE,
	HV_SLOT_FLAGS,
};

int hv_slots_check(const struct hv_memslots *slots,
		   const struct hv_userspace_memory_region *mem,
		   const struct hv_slot_limits *limits, struct hv_memslot *new);
size_t hv_slots_size(unsigned int nr);
void hv_slots_layout(struct hv_memslots *slots, unsigned int nr);
void hv_slots_apply(struct hv_memslots *to, const struct hv_memslots *from,
		    enum hv_slot_op op, const struct hv_memslot *new);
const struct hv_memslot *hv_memslot_find(const struct hv_memslots *slots, u64 gfn);
const struct hv_memslot *hv_memslot_by_id(const struct hv_memslots *slots, u32 id);
unsigned int hv_slots_first_in_hva(const struct hv_memslots *slots, u64 start);
bool hv_memslot_hva_range(const struct hv_memslot *slot, u64 start, u64 end,
			  u64 *gfn, u64 *npages);

/* Every slot whose memory may overlap userspace addresses @start to @end; @i counts */
#define hv_for_each_slot_in_hva(slots, i, s, start, end)			\
	for ((i) = hv_slots_first_in_hva(slots, start);				\
	     (i) < (slots)->nr &&						\
	     ((s) = &(slots)->slot[(slots)->by_hva[i]], (s)->hva < (end));	\
	     (i)++)

#endif
