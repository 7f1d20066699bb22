// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: a bitmap for each slot with HV_MEM_LOG_DIRTY_PAGES.
 *
 * A page of such a slot is mapped small, and writable only once it was written: the fault of
 * the first write marks it. Whoever collects takes the bits, protects those pages again
 * and flushes TLBs. That no write is missed depends on an order:
 *
 * - who writes marks after the write (the kernel), or after the page has become
 *   writable (a fault); both of the latter under hv_mmu.lock, read;
 * - who collects takes the bit before it protects the page, and reads the page after the flush.
 *
 * So a write is before the flush, and seen by the collector, or faults, and is marked for the
 * next round. Collectors exclude each other by vm->slots_lock.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/hv.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <hv/backend.h>
#include <hv/dma.h>
#include <hv/memory.h>
#include <hv/vm.h>
#include "dirty.h"
#include "mmu.h"

/* Words of a bitmap that are worked off before others may have hv_mmu.lock */
#define DIRTY_BATCH	64

static bool slot_logs(const struct hv_memslot *slot)
{
	return slot && slot->flags & HV_MEM_LOG_DIRTY_PAGES;
}

/**
 * hv_dirty_bitmap_free - free a slot's bitmap
 * @bitmap: bitmap, or NULL
 */
void hv_dirty_bitmap_free(unsigned long *bitmap)
{
	kvfree(bitmap);
}

/**
 * hv_dirty_slot_prepare - give a slot that is to be published its bitmap
 * @vm: VM
 * @old: the slot as it is; NULL: it is new
 * @new: as it will be; its bitmap is filled in
 *
 * A slot that only moves keeps its bitmap: the memory is the same.
 *
 * Context: vm->slots_lock held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int hv_dirty_slot_prepare(struct hv_vm *vm, const struct hv_memslot *old, struct hv_memslot *new)
{
	size_t longs = BITS_TO_LONGS(new->npages);

	new->dirty_bitmap = NULL;
	if (!slot_logs(new))
		return 0;
	if (vm->dirty.ring_size)
		return 0;
	if (slot_logs(old)) {
		new->dirty_bitmap = old->dirty_bitmap;
		return 0;
	}
	/* The second half is for those who collect. */
	new->dirty_bitmap = kvcalloc(2 * longs, sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!new->dirty_bitmap)
		return -ENOMEM;
	if (vm->dirty.initially_set)
		bitmap_set(new->dirty_bitmap, 0, new->npages);
	return 0;
}

/**
 * hv_dirty_slot_unprepare - undo hv_dirty_slot_prepare()
 * @old: as there
 * @new: as there; NULL: nothing was prepared
 */
void hv_dirty_slot_unprepare(const struct hv_memslot *old, struct hv_memslot *new)
{
	if (new && !slot_logs(old))
		hv_dirty_bitmap_free(new->dirty_bitmap);
}

/*
 * The number of slots that log has changed by @n. With the first, processors that can begin to
 * note what they write: all of them before any dirty bit is cleared.
 */
static void dirty_count_slot(struct hv_vm *vm, int n)
{
	bool before = vm->dirty.nr_slots;

	WRITE_ONCE(vm->dirty.nr_slots, vm->dirty.nr_slots + n);
	if (before != !!vm->dirty.nr_slots && hv_backend->s2_format->log_size)
		hv_vm_request_all(vm, HV_REQ_DIRTY_LOG);
}

/**
 * hv_dirty_slot_changed - a slot was published, or another in its place
 * @vm: VM
 * @old: the slot as it was, unused by now; NULL: there was none
 * @new: as it is; NULL: it is gone
 *
 * Logging begins: what is mapped writable is protected, unless every page counts as
 * written at first. Logging ends: small pages become large ones again.
 *
 * Context: vm->slots_lock held; may sleep.
 */
void hv_dirty_slot_changed(struct hv_vm *vm, const struct hv_memslot *old,
			   const struct hv_memslot *new)
{
	bool was = slot_logs(old), is = slot_logs(new);

	if (was && !is)
		hv_dirty_bitmap_free(old->dirty_bitmap);
	if (is != was)
		dirty_count_slot(vm, is ? 1 : -1);
	if (!old || !new || old->gfn != new->gfn)
		return;		/* nothing is mapped */
	/* Rings have no place for all pages at once. */
	if (is && !was && (!vm->dirty.initially_set || vm->dirty.ring_size))
		hv_mmu_protect_slot(vm, new);
	if (was && !is)
		hv_mmu_collapse_slot(vm, new);
}

/**
 * hv_dirty_vcpu_created - a vCPU is to find out whether it logs
 * @vcpu: vCPU that is not visible yet
 */
void hv_dirty_vcpu_created(struct hv_vcpu *vcpu)
{
	if (hv_backend->s2_format->log_size)
		hv_req_set(vcpu, HV_REQ_DIRTY_LOG);
}

/**
 * hv_dirty_mark - pages were written
 * @vm: VM
 * @slot: their slot
 * @gfn: first of them
 * @npages: number; all in the slot
 *
 * Context: inside a read section of vm->srcu; after the write, see above. Doesn't sleep.
 */
void hv_dirty_mark(struct hv_vm *vm, const struct hv_memslot *slot, u64 gfn, u64 npages)
{
	u64 i = gfn - slot->gfn;

	if (!(slot->flags & HV_MEM_LOG_DIRTY_PAGES))
		return;
	if (vm->dirty.ring_size) {
		for (; npages; npages--)
			hv_dirty_ring_push(vm, slot, i++);
		return;
	}
	/* Not test_bit() first: the write must be visible before the bit is looked at. */
	for (; npages; npages--)
		set_bit(i++, slot->dirty_bitmap);
}

/**
 * hv_dirty_mark_gfn - the processor says that a page was written
 * @vm: VM
 * @gfn: guest frame
 *
 * Context: as hv_dirty_mark().
 */
void hv_dirty_mark_gfn(struct hv_vm *vm, u64 gfn)
{
	const struct hv_memslot *slot = hv_memslot_find(hv_vm_memslots(vm), gfn);

	/* No slot: it was deleted while the page was in the processor's log. */
	if (slot)
		hv_dirty_mark(vm, slot, gfn, 1);
}

/**
 * hv_dirty_mark_slot - all of a slot may have been written
 * @vm: VM
 * @id: number of the slot; harmless if there is none, or if it isn't logged
 *
 * Context: takes vm->srcu; may sleep.
 */
void hv_dirty_mark_slot(struct hv_vm *vm, u32 id)
{
	int idx = srcu_read_lock(&vm->srcu);
	const struct hv_memslot *slot = hv_memslot_by_id(hv_vm_memslots(vm), id);

	if (slot)
		hv_dirty_mark(vm, slot, slot->gfn, slot->npages);
	srcu_read_unlock(&vm->srcu, idx);
}

/**
 * hv_dirty_enable_manual - HV_CAP_MANUAL_DIRTY_LOG_PROTECT2
 * @vm: VM
 * @flags: HV_DIRTY_LOG_*
 *
 * Context: takes vm->slots_lock.
 * Return: 0 or -EINVAL.
 */
long hv_dirty_enable_manual(struct hv_vm *vm, u64 flags)
{
	u64 allowed = HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE;

	if (flags & HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		allowed |= HV_DIRTY_LOG_INITIALLY_SET;
	if (flags & ~allowed)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	vm->dirty.manual = flags & HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	vm->dirty.initially_set = flags & HV_DIRTY_LOG_INITIALLY_SET;
	mutex_unlock(&vm->slots_lock);
	return 0;
}

/* The slot @id if it has a bitmap; slots_lock held. */
static const struct hv_memslot *dirty_slot(struct hv_vm *vm, u32 id, long *err)
{
	const struct hv_memslot *slot;

	*err = -ENXIO;
	if (vm->dirty.ring_size)
		return NULL;
	*err = -EINVAL;
	/* Bits 31:16 name an address space, of which there is one. */
	if (id >= HV_MAX_MEMSLOTS)
		return NULL;
	*err = -ENOENT;
	slot = hv_memslot_by_id(hv_vm_memslots(vm), id);
	return slot && slot->dirty_bitmap ? slot : NULL;
}

/* Protect the pages whose bits are set in @taken, which begins at page @first of the slot. */
static void dirty_protect(struct hv_vm *vm, const struct hv_memslot *slot, u64 first,
			  const unsigned long *taken, u64 npages)
{
	u64 at = 0;

	while (at < npages) {
		u64 n = min_t(u64, npages - at, DIRTY_BATCH * BITS_PER_LONG);

		hv_mmu_protect_pages(vm, slot->gfn + first + at, taken + BIT_WORD(at), n);
		at += n;
		cond_resched();
	}
	hv_mmu_flush_now(vm);
}

static long dirty_get(struct hv_vm *vm, const struct hv_memslot *slot, void __user *to)
{
	size_t longs = BITS_TO_LONGS(slot->npages), i;
	unsigned long *bitmap = slot->dirty_bitmap, *taken = bitmap + longs;
	/* Not noted page by page, and nothing to protect: they are written again and again. */
	bool all = hv_dma_writes_slot(vm, slot);
	bool any = false;

	if (vm->dirty.manual) {
		if (all)
			bitmap_set(taken, 0, slot->npages);
		return copy_to_user(to, all ? taken : bitmap, longs * sizeof(long)) ? -EFAULT : 0;
	}

	for (i = 0; i < longs; i++) {
		taken[i] = READ_ONCE(bitmap[i]) ? xchg(&bitmap[i], 0) : 0;
		any |= taken[i];
		if (i % 4096 == 4095)
			cond_resched();
	}
	if (any)
		dirty_protect(vm, slot, 0, taken, slot->npages);
	if (all)
		bitmap_set(taken, 0, slot->npages);
	if (!copy_to_user(to, taken, longs * sizeof(long)))
		return 0;
	/* Nobody has learned of them: they are still to be collected. */
	for (i = 0; i < longs; i++)
		if (taken[i])
			atomic_long_or(taken[i], (atomic_long_t *)&bitmap[i]);
	return -EFAULT;
}

/**
 * hv_get_dirty_log - HV_GET_DIRTY_LOG
 * @vm: VM; the caller's address space is the VM's
 * @log: request, copied from userspace
 *
 * Context: takes vm->slots_lock; may sleep.
 * Return: 0; -EINVAL: no such slot number; -ENOENT: no such slot, or it isn't logged; -ENXIO: the
 * VM has dirty rings; -EFAULT: nothing was taken.
 */
long hv_get_dirty_log(struct hv_vm *vm, const struct hv_dirty_log *log)
{
	const struct hv_memslot *slot;
	long ret;

	mutex_lock(&vm->slots_lock);
	slot = dirty_slot(vm, log->slot, &ret);
	if (slot)
		ret = dirty_get(vm, slot, (void __user *)(unsigned long)log->dirty_bitmap);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

static long dirty_clear(struct hv_vm *vm, const struct hv_memslot *slot,
			const struct hv_clear_dirty_log *log)
{
	size_t longs = BITS_TO_LONGS(log->num_pages), i;
	unsigned long *bitmap = slot->dirty_bitmap + BIT_WORD(log->first_page);
	unsigned long *taken = slot->dirty_bitmap + BITS_TO_LONGS(slot->npages);
	bool any = false;

	if (copy_from_user(taken, (void __user *)(unsigned long)log->dirty_bitmap,
			   longs * sizeof(long)))
		return -EFAULT;
	for (i = 0; i < longs; i++) {
		if (!taken[i])
			continue;
		taken[i] &= atomic_long_fetch_andnot(taken[i], (atomic_long_t *)&bitmap[i]);
		any |= taken[i];
	}
	if (any)
		dirty_protect(vm, slot, log->first_page, taken, log->num_pages);
	return 0;
}

/**
 * hv_clear_dirty_log - HV_CLEAR_DIRTY_LOG
 * @vm: VM; the caller's address space is the VM's
 * @log: request, copied from userspace
 *
 * Context: takes vm->slots_lock; may sleep.
 * Return: 0; -EINVAL: no such slot number, or a range that is not in the slot or does not
 * begin and end at a multiple of 64 pages (but for the slot's end); -ENOENT: no such slot, or
 * it isn't logged; -ENXIO: the VM has dirty rings; -EFAULT: nothing was cleared.
 */
long hv_clear_dirty_log(struct hv_vm *vm, const struct hv_clear_dirty_log *log)
{
	const struct hv_memslot *slot;
	long ret;

	if (log->first_page & 63)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	slot = dirty_slot(vm, log->slot, &ret);
	if (slot) {
		u64 left = slot->npages - min_t(u64, slot->npages, log->first_page);

		if (log->first_page > slot->npages || log->num_pages > left ||
		    (log->num_pages < left && log->num_pages & 63))
			ret = -EINVAL;
		else
			ret = dirty_clear(vm, slot, log);
	}
	mutex_unlock(&vm->slots_lock);
	return ret;
}
