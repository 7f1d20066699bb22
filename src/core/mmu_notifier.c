// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mmu notifier: what becomes of the VMM's memory reaches the guest. The host says which
 * addresses change before it changes them; their leaves go and TLBs are flushed, and
 * whoever faults meanwhile waits or starts again (see mmu.c).
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>
#include <hv/memory.h>
#include <hv/vm.h>
#include "mmu.h"

static struct hv_vm *mmu_vm(struct mmu_notifier *mn)
{
	return container_of(mn, struct hv_vm, mmu.notifier);
}

/* Unmap what a slot has mapped of a range of userspace memory. */
static void mmu_unmap_slot_hva(struct hv_vm *vm, const struct hv_memslot *slot,
			       unsigned long start, unsigned long end, bool yield)
{
	struct hv_s2_cache tables = {};	/* none: those that become empty stay */
	u64 gfn, npages;

	if (hv_memslot_hva_range(slot, start, end, &gfn, &npages))
		hv_mmu_unmap(vm, gfn, npages, yield, false, &tables);
}

/* The same for all slots, and for the one that is leaving. Lock as in hv_mmu_unmap(); vm->srcu. */
static void mmu_unmap_hva(struct hv_vm *vm, unsigned long start, unsigned long end, bool yield)
{
	struct hv_memslot leaving = vm->mmu.leaving;
	struct hv_memslots *slots = hv_vm_memslots(vm);
	const struct hv_memslot *slot;
	unsigned int i;

	hv_for_each_slot_in_hva(slots, i, slot, start, end)
		mmu_unmap_slot_hva(vm, slot, start, end, yield);
	if (leaving.npages)
		mmu_unmap_slot_hva(vm, &leaving, start, end, yield);
}

static int mmu_invalidate_start(struct mmu_notifier *mn,
				const struct mmu_notifier_range *range)
{
	struct hv_vm *vm = mmu_vm(mn);
	struct hv_mmu *mmu = &vm->mmu;
	int idx;
	s64 seq;

	idx = srcu_read_lock(&vm->srcu);
	write_lock(&mmu->lock);
	if (mmu->invalidate_count++) {
		mmu->invalidate_start = min(mmu->invalidate_start, range->start);
		mmu->invalidate_end = max(mmu->invalidate_end, range->end);
	} else {
		mmu->invalidate_start = range->start;
		mmu->invalidate_end = range->end;
	}

	/*
	 * The slots are read only now: a fault that uses newer ones finds the count
	 * raised. Nothing here sleeps, so it doesn't matter whether the caller could,
	 * but for the yield.
	 */
	mmu_unmap_hva(vm, range->start, range->end, mmu_notifier_range_blockable(range));
	seq = mmu->unmap_seq;
	write_unlock(&mmu->lock);
	srcu_read_unlock(&vm->srcu, idx);

	hv_mmu_flush(vm, seq);
	return 0;
}

static void mmu_invalidate_end(struct mmu_notifier *mn,
			       const struct mmu_notifier_range *range)
{
	struct hv_mmu *mmu = &mmu_vm(mn)->mmu;

	write_lock(&mmu->lock);
	/* A fault that reads the new number without the lock gets its page after this. */
	WRITE_ONCE(mmu->invalidate_seq, mmu->invalidate_seq + 1);
	mmu->invalidate_count--;
	write_unlock(&mmu->lock);
}

static bool mmu_young(struct hv_vm *vm, const struct hv_memslot *slot,
		      unsigned long start, unsigned long end, bool clear)
{
	u64 gfn, npages;

	return hv_memslot_hva_range(slot, start, end, &gfn, &npages) &&
	       hv_s2_young(&vm->mmu.s2, gfn, npages, clear);
}

/*
 * Accessed bits are cleared without a TLB flush, as the x86 host does with its own
 * (ptep_clear_flush_young()): the worst is that a page in use looks idle once.
 * A slot that is leaving doesn't matter here.
 */
static int mmu_age(struct mmu_notifier *mn, unsigned long start, unsigned long end, bool clear)
{
	struct hv_vm *vm = mmu_vm(mn);
	const struct hv_memslot *slot;
	struct hv_memslots *slots;
	bool young = false;
	unsigned int i;
	int idx;

	/* Without accessed bits nothing is known: what is in use faults soon again. */
	if (!vm->mmu.s2.fmt->accessed)
		return 0;

	idx = srcu_read_lock(&vm->srcu);
	read_lock(&vm->mmu.lock);
	slots = hv_vm_memslots(vm);
	hv_for_each_slot_in_hva(slots, i, slot, start, end)
		young |= mmu_young(vm, slot, start, end, clear);
	read_unlock(&vm->mmu.lock);
	srcu_read_unlock(&vm->srcu, idx);
	return young;
}

static int mmu_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
				 unsigned long start, unsigned long end)
{
	return mmu_age(mn, start, end, true);
}

static int mmu_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	return mmu_age(mn, start, end, true);
}

static int mmu_test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	return mmu_age(mn, address, address + 1, false);
}

/*
 * The address space ends (exit, exec): its pages are freed after this. No thread
 * has it any more, so no fault maps a page again.
 */
static void mmu_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct hv_vm *vm = mmu_vm(mn);
	struct hv_mmu *mmu = &vm->mmu;
	int idx;
	s64 seq;

	idx = srcu_read_lock(&vm->srcu);
	write_lock(&mmu->lock);
	mmu_unmap_hva(vm, 0, ULONG_MAX, true);
	seq = mmu->unmap_seq;
	write_unlock(&mmu->lock);
	srcu_read_unlock(&vm->srcu, idx);

	hv_mmu_flush(vm, seq);
}

static const struct mmu_notifier_ops mmu_notifier_ops = {
	.invalidate_range_start	= mmu_invalidate_start,
	.invalidate_range_end	= mmu_invalidate_end,
	.clear_flush_young	= mmu_clear_flush_young,
	.clear_young		= mmu_clear_young,
	.test_young		= mmu_test_young,
	.release		= mmu_release,
};

/**
 * hv_mmu_notifier_register - follow an address space
 * @vm: VM with slots and tables
 *
 * Context: vm->mm is current's; takes its mmap_lock; sleeps.
 * Return: 0, -ENOMEM or -EINTR.
 */
int hv_mmu_notifier_register(struct hv_vm *vm)
{
	vm->mmu.notifier.ops = &mmu_notifier_ops;
	return mmu_notifier_register(&vm->mmu.notifier, vm->mm);
}
