// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic of memory slots: validity, kinds of change, lookups.
 */
#include <linux/errno.h>
#include <linux/hv.h>
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/minmax.h>
#include <linux/string.h>
#endif
#include <hv/slots.h>

#define SLOT_PAGE_SHIFT	12
#define SLOT_PAGE_MASK	((1ULL << SLOT_PAGE_SHIFT) - 1)

/* Index of the first slot that ends above @gfn, @slots->nr if there is none. */
static unsigned int slot_lower_bound(const struct hv_memslots *slots, u64 gfn)
{
	unsigned int lo = 0, hi = slots->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (slots->slot[mid].gfn + slots->slot[mid].npages <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * hv_memslot_find - the slot that holds a guest frame
 * @slots: slots; kept alive by the caller (vm->srcu)
 * @gfn: guest frame number
 *
 * Return: the slot or NULL.
 */
const struct hv_memslot *hv_memslot_find(const struct hv_memslots *slots, u64 gfn)
{
	unsigned int i = slot_lower_bound(slots, gfn);

	if (i < slots->nr && slots->slot[i].gfn <= gfn)
		return &slots->slot[i];
	return NULL;
}

/* Place in by_id of the first slot that has this number or a higher one */
static unsigned int slot_id_bound(const struct hv_memslots *slots, u32 id)
{
	unsigned int lo = 0, hi = slots->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (slots->slot[slots->by_id[mid]].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Place in by_hva of the first slot that begins there or above */
static unsigned int slot_hva_bound(const struct hv_memslots *slots, u64 hva)
{
	unsigned int lo = 0, hi = slots->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (slots->slot[slots->by_hva[mid]].hva < hva)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * hv_memslot_by_id - the slot with a number
 * @slots: slots; kept alive by the caller (vm->srcu)
 * @id: the VMM's slot number
 *
 * Return: the slot or NULL.
 */
const struct hv_memslot *hv_memslot_by_id(const struct hv_memslots *slots, u32 id)
{
	unsigned int i = slot_id_bound(slots, id);

	if (i < slots->nr && slots->slot[slots->by_id[i]].id == id)
		return &slots->slot[slots->by_id[i]];
	return NULL;
}

/**
 * hv_slots_first_in_hva - where the slots begin that may reach beyond a userspace address
 * @slots: slots; kept alive by the caller (vm->srcu)
 * @start: the address
 *
 * Return: index in @slots->by_hva; those before it end at or below @start.
 */
unsigned int hv_slots_first_in_hva(const struct hv_memslots *slots, u64 start)
{
	unsigned int lo = 0, hi = slots->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (slots->hva_end[mid] <= start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * hv_memslot_hva_range - the part of a slot that lies in a range of userspace memory
 * @slot: slot
 * @start: first userspace address of the range
 * @end: end of the range
 * @gfn: first guest frame that has a byte in the range
 * @npages: number of frames that do
 *
 * Return: whether there is such a part; if not, @gfn and @npages are unchanged.
 */
bool hv_memslot_hva_range(const struct hv_memslot *slot, u64 start, u64 end,
			  u64 *gfn, u64 *npages)
{
	u64 slot_end = slot->hva + (slot->npages << SLOT_PAGE_SHIFT);
	u64 first, last;

	if (start < slot->hva)
		start = slot->hva;
	if (end > slot_end)
		end = slot_end;
	if (start >= end)
		return false;

	first = (start - slot->hva) >> SLOT_PAGE_SHIFT;
	last = (end - 1 - slot->hva) >> SLOT_PAGE_SHIFT;
	*gfn = slot->gfn + first;
	*npages = last - first + 1;
	return true;
}

/* What can be said about a request without looking at the present slots. */
static bool region_valid(const struct hv_userspace_memory_region *mem,
			 const struct hv_slot_limits *limits)
{
	if (mem->flags & ~limits->flags)
		return false;
	/* Bits 31:16 name an address space, of which there is one: id 0. */
	if (mem->slot >= HV_MAX_MEMSLOTS)
		return false;
	if ((mem->guest_phys_addr | mem->memory_size | mem->userspace_addr) & SLOT_PAGE_MASK)
		return false;
	if (mem->memory_size >> SLOT_PAGE_SHIFT > HV_MAX_SLOT_PAGES)
		return false;
	return mem->userspace_addr <= limits->hva_end &&
	       mem->memory_size <= limits->hva_end - mem->userspace_addr;
}

static bool slot_overlaps(const struct hv_memslots *slots, const struct hv_memslot *new)
{
	unsigned int i = slot_lower_bound(slots, new->gfn);

	/* At most one entry can be @new's own old place; the one behind it decides then. */
	for (; i < slots->nr && slots->slot[i].gfn < new->gfn + new->npages; i++)
		if (slots->slot[i].id != new->id)
			return true;
	return false;
}

/**
 * hv_slots_check - what a call to HV_SET_USER_MEMORY_REGION means, if it's allowed
 * @slots: the present slots
 * @mem: the request, a private copy
 * @limits: what this VM allows
 * @new: filled in: the slot as it will be (for a deletion: as it is)
 *
 * The cases are KVM's: a slot that exists can be moved or deleted, its size,
 * its memory and whether it's read-only can't change.
 *
 * Return: enum hv_slot_op; -EINVAL: not a valid request; -EEXIST: overlap.
 */
int hv_slots_check(const struct hv_memslots *slots,
		   const struct hv_userspace_memory_region *mem,
		   const struct hv_slot_limits *limits, struct hv_memslot *new)
{
	const struct hv_memslot *old;
	int op;

	if (!region_valid(mem, limits))
		return -EINVAL;

	old = hv_memslot_by_id(slots, mem->slot);
	if (!mem->memory_size) {
		if (!old)
			return -EINVAL;
		*new = *old;
		return HV_SLOT_DELETE;
	}

	*new = (struct hv_memslot) {
		.gfn = mem->guest_phys_addr >> SLOT_PAGE_SHIFT,
		.npages = mem->memory_size >> SLOT_PAGE_SHIFT,
		.hva = mem->userspace_addr,
		.flags = mem->flags,
		.id = mem->slot,
	};
	/* Below 2^52 + 2^31: a range that wraps in bytes doesn't in frames. */
	if (new->gfn + new->npages > limits->gfn_end)
		return -EINVAL;

	if (!old) {
		op = HV_SLOT_CREATE;
	} else {
		if (new->hva != old->hva || new->npages != old->npages ||
		    (new->flags ^ old->flags) & HV_MEM_READONLY)
			return -EINVAL;
		if (new->gfn == old->gfn)
			return new->flags == old->flags ? HV_SLOT_NONE : HV_SLOT_FLAGS;
		op = HV_SLOT_MOVE;
	}
	return slot_overlaps(slots, new) ? -EEXIST : op;
}

/**
 * hv_slots_size - memory that a set of slots takes
 * @nr: number of slots
 *
 * Return: bytes.
 */
size_t hv_slots_size(unsigned int nr)
{
	return sizeof(struct hv_memslots) +
	       nr * (sizeof(struct hv_memslot) + sizeof(u64) + 2 * sizeof(u16));
}

/**
 * hv_slots_layout - lay out a set of slots, empty as yet
 * @slots: hv_slots_size(@nr) bytes
 * @nr: number of slots that there shall be room for
 */
void hv_slots_layout(struct hv_memslots *slots, unsigned int nr)
{
	slots->generation = 0;
	slots->nr = 0;
	slots->hva_end = (u64 *)&slots->slot[nr];
	slots->by_hva = (u16 *)&slots->hva_end[nr];
	slots->by_id = &slots->by_hva[nr];
}

/* Take entry @i out of an index, whose slot leaves the array of slots. */
static void index_remove(u16 *index, unsigned int nr, unsigned int i)
{
	unsigned int place = index[i], j;

	memmove(&index[i], &index[i + 1], (nr - i - 1) * sizeof(*index));
	for (j = 0; j < nr - 1; j++)
		index[j] -= index[j] > place;
}

/* Put a slot, which comes in at @place of the array, into an index at @i. */
static void index_insert(u16 *index, unsigned int nr, unsigned int i, unsigned int place)
{
	unsigned int j;

	for (j = 0; j < nr; j++)
		index[j] += index[j] >= place;
	memmove(&index[i + 1], &index[i], (nr - i) * sizeof(*index));
	index[i] = place;
}

static void slots_remove(struct hv_memslots *to, unsigned int by_id, unsigned int by_hva)
{
	unsigned int place = to->by_id[by_id], nr = to->nr;

	index_remove(to->by_id, nr, by_id);
	index_remove(to->by_hva, nr, by_hva);
	memmove(&to->slot[place], &to->slot[place + 1], (nr - place - 1) * sizeof(*to->slot));
	to->nr--;
}

static void slots_insert(struct hv_memslots *to, unsigned int by_id, unsigned int by_hva,
			 const struct hv_memslot *new)
{
	unsigned int place = slot_lower_bound(to, new->gfn), nr = to->nr;

	index_insert(to->by_id, nr, by_id, place);
	index_insert(to->by_hva, nr, by_hva, place);
	memmove(&to->slot[place + 1], &to->slot[place], (nr - place) * sizeof(*to->slot));
	to->slot[place] = *new;
	to->nr++;
}

/*
 * Entry @first of by_hva came or went. As soon as the greatest end is again what it was for the
 * same slot, it is for all that follow.
 */
static void slots_fix_ends(struct hv_memslots *to, const struct hv_memslots *from,
			   unsigned int first)
{
	unsigned int i, was = 0;
	u64 end = first ? from->hva_end[first - 1] : 0;

	memcpy(to->hva_end, from->hva_end, first * sizeof(*to->hva_end));
	for (i = first; i < to->nr; i++) {
		const struct hv_memslot *slot = &to->slot[to->by_hva[i]];

		was = from->nr - (to->nr - i);
		end = max(end, slot->hva + (slot->npages << SLOT_PAGE_SHIFT));
		if (i > first && end == from->hva_end[was])
			break;
		to->hva_end[i] = end;
	}
	if (i < to->nr)
		memcpy(&to->hva_end[i], &from->hva_end[was], (to->nr - i) * sizeof(*to->hva_end));
}

/**
 * hv_slots_apply - make the array that follows from a change
 * @to: the new array, laid out for one entry more than @from has, or as many but for a creation
 * @from: the present slots
 * @op: HV_SLOT_CREATE, HV_SLOT_DELETE, HV_SLOT_MOVE or HV_SLOT_FLAGS
 * @new: the slot, as hv_slots_check() gave it
 */
void hv_slots_apply(struct hv_memslots *to, const struct hv_memslots *from,
		    enum hv_slot_op op, const struct hv_memslot *new)
{
	unsigned int by_id = slot_id_bound(from, new->id), by_hva = slot_hva_bound(from, new->hva);
	unsigned int nr = from->nr;

	to->nr = nr;
	to->generation = from->generation + 1;
	memcpy(to->slot, from->slot, nr * sizeof(*to->slot));
	memcpy(to->by_id, from->by_id, nr * sizeof(*to->by_id));
	memcpy(to->by_hva, from->by_hva, nr * sizeof(*to->by_hva));

	/* Others may have the same memory. */
	while (op != HV_SLOT_CREATE && from->by_hva[by_hva] != from->by_id[by_id])
		by_hva++;
	if (op == HV_SLOT_FLAGS)
		to->slot[to->by_id[by_id]] = *new;
	if (op == HV_SLOT_DELETE || op == HV_SLOT_MOVE)
		slots_remove(to, by_id, by_hva);
	if (op == HV_SLOT_CREATE || op == HV_SLOT_MOVE)
		slots_insert(to, by_id, by_hva, new);
	slots_fix_ends(to, from, to->nr == nr ? nr : by_hva);
}
