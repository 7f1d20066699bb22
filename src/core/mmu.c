// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-stage faults, and the mmu notifier that takes pages away again.
 *
 * A fault gets the host page without holding a lock and maps it under
 * hv_mmu.lock only if no invalidation of its address ended since it began
 * (invalidate_seq) or is in progress (invalidate_count, _start, _end). No
 * reference to the page is kept: the notifier tells when it goes.
 *
 * TLBs are flushed after hv_mmu.lock was dropped. Who finds that leaves of others
 * were removed but not yet flushed flushes too (unmap_seq, flushed_seq), since it
 * can't tell whether its own pages are among them.
 */
#include <linux/hv.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <asm/processor.h>
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/memory.h>
#include <hv/vcpu.h>
#include <hv/vm.h>

/* Pages unmapped at a time before others may have the lock: 256 MiB */
#define MMU_UNMAP_CHUNK		BIT_ULL(16)

static struct hv_vm *mmu_vm(struct mmu_notifier *mn)
{
	return container_of(mn, struct hv_vm, mmu.notifier);
}

/* ---- unmap and flush ---- */

/*
 * Remove the leaves of a range. The lock is held on entry and on return; with @yield
 * it may be dropped in between.
 */
static void mmu_unmap(struct hv_vm *vm, u64 gfn, u64 npages, bool yield, bool reap,
		      struct hv_s2_cache *tables)
{
	struct hv_mmu *mmu = &vm->mmu;

	lockdep_assert_held_write(&mmu->lock);
	while (npages) {
		u64 n = min(npages, MMU_UNMAP_CHUNK - (gfn & (MMU_UNMAP_CHUNK - 1)));
		struct hv_s2_unmapped gone = { .pages = *tables };

		hv_s2_unmap(&mmu->s2, gfn, n, reap, &gone);
		if (gone.leaves[0] || gone.pages.nr != tables->nr)
			mmu->unmap_seq++;
		atomic64_sub(gone.leaves[0], &vm->stats.pages_4k);
		atomic64_sub(gone.pages.nr - tables->nr, &vm->stats.table_pages);
		*tables = gone.pages;

		gfn += n;
		npages -= n;
		if (npages && yield)
			cond_resched_rwlock_write(&mmu->lock);
	}
}

/*
 * Returns when no processor uses a translation that was removed up to @seq, a
 * value of unmap_seq. Doesn't sleep, waits for IPIs: interrupts are on.
 */
static void mmu_flush(struct hv_vm *vm, s64 seq)
{
	atomic64_t *flushed = &vm->mmu.flushed_seq;
	s64 old = atomic64_read_acquire(flushed);

	if (old >= seq)
		return;
	atomic64_inc(&vm->stats.remote_flushes);
	hv_vm_request_all(vm, HV_REQ_TLB_FLUSH);
	while (old < seq && !atomic64_try_cmpxchg_release(flushed, &old, seq))
		;
}

/* ---- the mmu notifier ---- */

/* Unmap what a slot has mapped of a range of userspace memory. */
static void mmu_unmap_slot_hva(struct hv_vm *vm, const struct hv_memslot *slot,
			       unsigned long start, unsigned long end, bool yield)
{
	struct hv_s2_cache tables = {};	/* none: those that become empty stay */
	u64 gfn, npages;

	if (hv_memslot_hva_range(slot, start, end, &gfn, &npages))
		mmu_unmap(vm, gfn, npages, yield, false, &tables);
}

/* The same for all slots, and for the one that is leaving. Lock as in mmu_unmap(); vm->srcu. */
static void mmu_unmap_hva(struct hv_vm *vm, unsigned long start, unsigned long end, bool yield)
{
	struct hv_memslot leaving = vm->mmu.leaving;
	struct hv_memslots *slots = hv_vm_memslots(vm);
	unsigned int i;

	for (i = 0; i < slots->nr; i++)
		mmu_unmap_slot_hva(vm, &slots->slot[i], start, end, yield);
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

	mmu_flush(vm, seq);
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
	for (i = 0; i < slots->nr; i++)
		young |= mmu_young(vm, &slots->slot[i], start, end, clear);
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

	mmu_flush(vm, seq);
}

static const struct mmu_notifier_ops mmu_notifier_ops = {
	.invalidate_range_start	= mmu_invalidate_start,
	.invalidate_range_end	= mmu_invalidate_end,
	.clear_flush_young	= mmu_clear_flush_young,
	.clear_young		= mmu_clear_young,
	.test_young		= mmu_test_young,
	.release		= mmu_release,
};

/* ---- slot changes ---- */

/**
 * hv_mmu_slot_leaves - a slot is about to be unpublished
 * @vm: VM
 * @slot: slot; hv_mmu_zap_slot() follows
 *
 * Context: vm->slots_lock held, so there is one at a time.
 */
void hv_mmu_slot_leaves(struct hv_vm *vm, const struct hv_memslot *slot)
{
	write_lock(&vm->mmu.lock);
	vm->mmu.leaving = *slot;
	write_unlock(&vm->mmu.lock);
}

/**
 * hv_mmu_zap_slot - remove all mappings of a slot's guest-physical range
 * @vm: VM
 * @slot: slot that was unpublished, or one whose pages shall be faulted in anew
 *
 * On return no vCPU reaches memory through the removed mappings.
 *
 * Context: vm->slots_lock held; sleeps.
 */
void hv_mmu_zap_slot(struct hv_vm *vm, const struct hv_memslot *slot)
{
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache tables = {};
	s64 seq;

	write_lock(&mmu->lock);
	mmu_unmap(vm, slot->gfn, slot->npages, true, true, &tables);
	mmu->leaving.npages = 0;
	seq = mmu->unmap_seq;
	write_unlock(&mmu->lock);

	mmu_flush(vm, seq);
	hv_s2_cache_free(&tables);
}

/**
 * hv_mmu_gfn_end - end of the guest-physical address space
 * @vm: VM
 *
 * Return: the first guest frame that neither the processor nor the tables can address.
 */
u64 hv_mmu_gfn_end(struct hv_vm *vm)
{
	return min(hv_s2_gfn_end(vm->mmu.s2.fmt),
		   1ULL << (boot_cpu_data.x86_phys_bits - PAGE_SHIFT));
}

/* ---- faults ---- */

/**
 * struct mmu_page - a host page on its way into the tables
 * @hva: userspace address
 * @pfn: host frame
 * @page: page with a reference, NULL for memory without one
 * @access: HV_ACC_* that the mapping is to have
 */
struct mmu_page {
	unsigned long hva;
	u64 pfn;
	struct page *page;
	unsigned int access;
};

/* The host page at @p->hva. May sleep; 0 or -errno. */
static int mmu_get_page(struct mmu_page *p, bool write)
{
	bool writable;
	int ret;

	p->access = HV_ACC_READ | HV_ACC_EXEC;
	p->page = NULL;
	ret = host_get_page(p->hva, write, &writable, &p->page);
	if (!ret) {
		p->pfn = page_to_pfn(p->page);
	} else if (ret == -EFAULT) {
		ret = host_get_pfnmap(p->hva, write, &writable, &p->pfn);
		if (!ret && !host_pfn_is_ram(p->pfn))
			p->access |= HV_ACC_IO;
	}
	if (!ret && writable)
		p->access |= HV_ACC_WRITE;
	return ret;
}

/* Was the page got before an invalidation that it may belong to? Lock held. */
static bool mmu_stale(const struct hv_mmu *mmu, unsigned long seq, unsigned long hva)
{
	if (mmu->invalidate_count &&
	    hva >= mmu->invalidate_start && hva < mmu->invalidate_end)
		return true;
	return mmu->invalidate_seq != seq;
}

/* Something else is mapped at @gfn: take it away. */
static void mmu_zap_gfn(struct hv_vm *vm, u64 gfn)
{
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache tables = {};
	s64 seq;

	write_lock(&mmu->lock);
	mmu_unmap(vm, gfn, 1, false, false, &tables);
	seq = mmu->unmap_seq;
	write_unlock(&mmu->lock);
	mmu_flush(vm, seq);
}

/*
 * Map the page unless it has become stale; then, or if something was in the way,
 * the guest faults again. Takes over nothing: the caller drops its reference.
 */
static int mmu_map(struct hv_vcpu *vcpu, u64 gfn, const struct mmu_page *p, unsigned long seq)
{
	struct hv_vm *vm = vcpu->vm;
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache cache = {};
	u64 filled = 0;
	int ret;

	for (;;) {
		read_lock(&mmu->lock);
		if (mmu_stale(mmu, seq, p->hva)) {
			ret = 0;
		} else {
			ret = hv_s2_map(&mmu->s2, &cache, gfn, p->pfn, 1, p->access);
			/*
			 * While the notifier is kept out: afterwards the page may
			 * be somebody else's as soon as our reference is dropped.
			 */
			if (ret >= 0 && p->page)
				host_page_used(p->page, p->access & HV_ACC_WRITE);
			if (ret > 0)
				atomic64_inc(&vm->stats.pages_4k);
		}
		read_unlock(&mmu->lock);
		if (ret != -ENOMEM)
			break;

		ret = hv_s2_cache_fill(&cache, cache.want);
		filled += cache.nr;	/* it was empty */
		if (ret)
			break;
	}

	atomic64_add(filled - cache.nr, &vm->stats.table_pages);
	hv_s2_cache_free(&cache);
	if (ret == -EEXIST) {
		mmu_zap_gfn(vm, gfn);
		ret = 0;
	}
	return ret;
}

/**
 * hv_mmu_fault - a vCPU found no second-stage mapping, or one without a right
 * @vcpu: vCPU
 * @gpa: guest-physical address
 * @access: HV_ACC_READ, HV_ACC_WRITE, HV_ACC_EXEC: what the guest tried
 *
 * A read maps the page writable if the host's page tables already are, else
 * read-only: a later write faults again and is copied by the host if need be.
 * A page that the hardware reported as broken gives the caller the SIGBUS that
 * its own access would have given.
 *
 * Context: vcpu->mutex and a read section of vm->srcu held; the VM's address space;
 * may sleep.
 * Return: enum hv_fault, or -EFAULT: the slot's memory isn't there; -ENOMEM; -EINTR: a
 * signal that ends the process.
 */
int hv_mmu_fault(struct hv_vcpu *vcpu, u64 gpa, unsigned int access)
{
	struct hv_vm *vm = vcpu->vm;
	bool write = access & HV_ACC_WRITE;
	u64 gfn = gpa >> PAGE_SHIFT;
	const struct hv_memslot *slot;
	struct mmu_page p;
	unsigned long seq;
	int ret;

	slot = hv_memslot_find(hv_vm_memslots(vm), gfn);
	if (!slot || (write && slot->flags & HV_MEM_READONLY))
		return HV_FAULT_MMIO;
	p.hva = slot->hva + ((gfn - slot->gfn) << PAGE_SHIFT);

	seq = READ_ONCE(vm->mmu.invalidate_seq);
	/* The page is looked up after the number was read: see mmu_invalidate_end(). */
	smp_rmb();

	ret = mmu_get_page(&p, write);
	if (ret == -EHWPOISON) {
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)p.hva, PAGE_SHIFT, current);
		return HV_FAULT_DONE;
	}
	if (ret == -EAGAIN)
		return HV_FAULT_DONE;
	if (ret)
		return ret;
	if (slot->flags & HV_MEM_READONLY)
		p.access &= ~HV_ACC_WRITE;

	ret = mmu_map(vcpu, gfn, &p, seq);
	if (p.page)
		put_page(p.page);
	if (ret < 0)
		return ret;
	vcpu->stats.faults++;
	return HV_FAULT_DONE;
}

/* ---- a page of hv's own ---- */

/**
 * hv_mmu_map_own - map a page that belongs to no slot
 * @vcpu: vCPU
 * @gfn: guest frame; one for each VM
 * @pfn: page that lives as long as the VM
 *
 * The backend's APIC-access page. Any change of slots unmaps it.
 *
 * Context: a read section of vm->srcu; may sleep.
 * Return: 0; -EEXIST: there is a slot; -ENOMEM.
 */
int hv_mmu_map_own(struct hv_vcpu *vcpu, u64 gfn, u64 pfn)
{
	struct hv_vm *vm = vcpu->vm;
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache cache = {};
	u64 filled = 0;
	int ret;

	if (hv_memslot_find(hv_vm_memslots(vm), gfn))
		return -EEXIST;
	for (;;) {
		write_lock(&mmu->lock);
		ret = hv_s2_map(&mmu->s2, &cache, gfn, pfn, 1, HV_ACC_READ | HV_ACC_WRITE);
		if (ret >= 0) {
			mmu->own_gfn = gfn;
			WRITE_ONCE(mmu->own_mapped, true);
		}
		if (ret > 0)
			atomic64_inc(&vm->stats.pages_4k);
		write_unlock(&mmu->lock);
		if (ret != -ENOMEM)
			break;
		ret = hv_s2_cache_fill(&cache, cache.want);
		filled += cache.nr;
		if (ret)
			break;
	}
	atomic64_add(filled - cache.nr, &vm->stats.table_pages);
	hv_s2_cache_free(&cache);
	return min(ret, 0);
}

/**
 * hv_mmu_unmap_own - undo hv_mmu_map_own()
 * @vm: VM
 *
 * On return no vCPU reaches the page. Harmless if it is not mapped.
 *
 * Context: interrupts on; doesn't sleep.
 */
void hv_mmu_unmap_own(struct hv_vm *vm)
{
	struct hv_mmu *mmu = &vm->mmu;

	if (!READ_ONCE(mmu->own_mapped))
		return;
	write_lock(&mmu->lock);
	WRITE_ONCE(mmu->own_mapped, false);
	write_unlock(&mmu->lock);
	mmu_zap_gfn(vm, mmu->own_gfn);
}

/* ---- life ---- */

/**
 * hv_mmu_init - empty slots and tables for a new VM, and the notifier
 * @vm: VM with mm, srcu and slots_lock ready
 *
 * Context: vm->mm is current's; takes its mmap_lock; sleeps.
 * Return: 0, -ENOMEM, or -EINTR.
 */
int hv_mmu_init(struct hv_vm *vm)
{
	struct hv_mmu *mmu = &vm->mmu;
	int ret;

	rwlock_init(&mmu->lock);
	ret = hv_memslots_init(vm);
	if (ret)
		return ret;
	ret = hv_s2_init(&mmu->s2, hv_backend->s2_format);
	if (ret)
		goto free;
	atomic64_inc(&vm->stats.table_pages);

	mmu->notifier.ops = &mmu_notifier_ops;
	ret = mmu_notifier_register(&mmu->notifier, vm->mm);
	if (ret)
		goto free;
	return 0;
free:
	hv_mmu_destroy(vm);
	return ret;
}

/**
 * hv_mmu_shutdown - stop following the address space
 * @vm: VM whose last reference has gone; hv_mmu_init() succeeded; before vm->mm is dropped
 *
 * Not before the last vCPU is closed: until then the guest may run. After the end
 * of the address space (its notifier's release came first) it is as good as before.
 *
 * Context: sleeps; outside of vm->srcu and mmap_lock.
 */
void hv_mmu_shutdown(struct hv_vm *vm)
{
	mmu_notifier_unregister(&vm->mmu.notifier, vm->mm);
}

/**
 * hv_mmu_destroy - free tables and slots
 * @vm: VM after hv_mmu_shutdown(); no vCPU runs, none will
 *
 * Context: sleeps.
 */
void hv_mmu_destroy(struct hv_vm *vm)
{
	atomic64_sub(hv_s2_destroy(&vm->mmu.s2), &vm->stats.table_pages);
	hv_memslots_destroy(vm);
}
