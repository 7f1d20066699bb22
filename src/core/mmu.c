// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-stage faults: which page, and how large a piece of memory is mapped at once.
 *
 * A fault gets the host page without holding a lock and maps it under
 * hv_mmu.lock only if no invalidation of its address ended since it began
 * (invalidate_seq) or is in progress (invalidate_count, _start, _end). No
 * reference to the page is kept: the notifier (mmu_notifier.c) tells when it goes.
 *
 * The size of a leaf is the largest that the slot's alignment, the host's own mapping
 * and the slot's dirty log allow. The host's mapping is looked at after the sequence number
 * was read, too: whatever changes it ends in an invalidation.
 *
 * TLBs are flushed after hv_mmu.lock was dropped. Who finds that leaves of others
 * were removed but not yet flushed flushes too (unmap_seq, flushed_seq), since it
 * can't tell whether its own pages are among them.
 */
#include <linux/bitmap.h>
#include <linux/hv.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/srcu.h>
#include <asm/processor.h>
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/memory.h>
#include <hv/vcpu.h>
#include <hv/vm.h>
#include "core.h"
#include "dirty.h"
#include "mmu.h"

/* Pages unmapped at a time before others may have the lock: 256 MiB */
#define MMU_UNMAP_CHUNK		BIT_ULL(16)
#define MMU_GIB			BIT_ULL(18)

static atomic64_t *mmu_leaf_counter(struct hv_vm *vm, unsigned int level)
{
	static_assert(HV_S2_LEAF_LEVELS == 3);
	return level == 1 ? &vm->stats.pages_4k :
	       level == 2 ? &vm->stats.pages_2m : &vm->stats.pages_1g;
}

static void mmu_count_leaves(struct hv_vm *vm, const s64 *leaves, int sign)
{
	unsigned int i;

	for (i = 0; i < HV_S2_LEAF_LEVELS; i++)
		if (leaves[i])
			atomic64_add(sign * leaves[i], mmu_leaf_counter(vm, i + 1));
}

/* ---- unmap and flush ---- */

/*
 * How much to unmap at a time from @gfn: not a part of a leaf that is to go as a whole,
 * which would only be split.
 */
static u64 mmu_chunk(struct hv_mmu *mmu, u64 gfn, u64 npages)
{
	u64 chunk = MMU_UNMAP_CHUNK;
	unsigned int level;

	if (npages > chunk && hv_s2_lookup(&mmu->s2, gfn, &level) && level == 3)
		chunk = MMU_GIB;
	return min(npages, chunk - (gfn & (chunk - 1)));
}

/* Add up what an operation on the tables has removed. */
static void mmu_account(struct hv_vm *vm, const struct hv_s2_unmapped *gone,
			struct hv_s2_cache *tables)
{
	mmu_count_leaves(vm, gone->leaves, -1);
	atomic64_add((s64)gone->split - (s64)(gone->pages.nr - tables->nr),
		     &vm->stats.table_pages);
	if (gone->leaves[0] || gone->leaves[1] || gone->leaves[2] || gone->pages.nr != tables->nr)
		vm->mmu.unmap_seq++;
	*tables = gone->pages;
}

/**
 * hv_mmu_unmap - remove the leaves of a range
 * @vm: VM
 * @gfn: first guest frame
 * @npages: length
 * @yield: the lock may be dropped in between
 * @reap: also take away tables that become empty
 * @tables: those are added here, to be freed after hv_mmu_flush()
 *
 * Context: hv_mmu.lock held for writing on entry and on return.
 */
void hv_mmu_unmap(struct hv_vm *vm, u64 gfn, u64 npages, bool yield, bool reap,
		  struct hv_s2_cache *tables)
{
	struct hv_mmu *mmu = &vm->mmu;

	lockdep_assert_held_write(&mmu->lock);
	while (npages) {
		u64 n = mmu_chunk(mmu, gfn, npages);
		struct hv_s2_unmapped gone = { .pages = *tables };

		hv_s2_unmap(&mmu->s2, gfn, n, reap, &gone);
		mmu_account(vm, &gone, tables);

		gfn += n;
		npages -= n;
		if (npages && yield)
			cond_resched_rwlock_write(&mmu->lock);
	}
}

/**
 * hv_mmu_flush - wait until no processor uses what was removed
 * @vm: VM
 * @seq: value of hv_mmu.unmap_seq up to which removals matter
 *
 * Context: doesn't sleep, waits for IPIs: interrupts are on; hv_mmu.lock isn't held.
 */
void hv_mmu_flush(struct hv_vm *vm, s64 seq)
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
	hv_mmu_unmap(vm, slot->gfn, slot->npages, true, true, &tables);
	mmu->leaving.npages = 0;
	seq = mmu->unmap_seq;
	write_unlock(&mmu->lock);

	hv_mmu_flush(vm, seq);
	hv_s2_cache_free(&tables);
}

/**
 * hv_mmu_flush_now - hv_mmu_flush() of all that was removed so far
 * @vm: VM
 *
 * Context: as hv_mmu_flush().
 */
void hv_mmu_flush_now(struct hv_vm *vm)
{
	s64 seq;

	read_lock(&vm->mmu.lock);
	seq = vm->mmu.unmap_seq;
	read_unlock(&vm->mmu.lock);
	hv_mmu_flush(vm, seq);
}

/**
 * hv_mmu_protect_slot - have the next write to each page of a slot noticed
 * @vm: VM
 * @slot: slot; it logs dirty pages
 *
 * Context: vm->slots_lock held; may sleep.
 */
void hv_mmu_protect_slot(struct hv_vm *vm, const struct hv_memslot *slot)
{
	struct hv_mmu *mmu = &vm->mmu;
	u64 gfn = slot->gfn, end = slot->gfn + slot->npages;

	write_lock(&mmu->lock);
	while (gfn < end) {
		u64 n = min(end - gfn, MMU_UNMAP_CHUNK);

		if (hv_s2_protect(&mmu->s2, gfn, n, mmu->s2.fmt->log_size))
			mmu->unmap_seq++;
		gfn += n;
		cond_resched_rwlock_write(&mmu->lock);
	}
	write_unlock(&mmu->lock);
	hv_mmu_flush_now(vm);
}

/**
 * hv_mmu_protect_pages - have the next write to some pages noticed
 * @vm: VM
 * @gfn: guest frame that belongs to the first bit
 * @bits: the pages
 * @npages: number of bits; the lock is held for so long
 *
 * Context: doesn't sleep; hv_mmu_flush_now() is to follow.
 */
void hv_mmu_protect_pages(struct hv_vm *vm, u64 gfn, const unsigned long *bits, u64 npages)
{
	struct hv_mmu *mmu = &vm->mmu;
	unsigned long from, to;

	if (bitmap_empty(bits, npages))
		return;
	write_lock(&mmu->lock);
	for_each_set_bitrange(from, to, bits, npages)
		if (hv_s2_protect(&mmu->s2, gfn + from, to - from,
				  mmu->s2.fmt->log_size))
			mmu->unmap_seq++;
	write_unlock(&mmu->lock);
}

/**
 * hv_mmu_collapse_slot - map large pages again
 * @vm: VM
 * @slot: slot; it doesn't log dirty pages any more
 *
 * Tables that map what one large leaf can map are replaced by it. Where it isn't certain
 * that it can (pages are missing) the next fault does it.
 *
 * Context: vm->slots_lock held; may sleep.
 */
void hv_mmu_collapse_slot(struct hv_vm *vm, const struct hv_memslot *slot)
{
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache tables = {};
	u64 gfn = slot->gfn, end = slot->gfn + slot->npages;

	write_lock(&mmu->lock);
	while (gfn < end) {
		u64 n = min(end - gfn, MMU_GIB - (gfn & (MMU_GIB - 1)));
		struct hv_s2_unmapped gone = { .pages = tables };

		hv_s2_collapse(&mmu->s2, gfn, n, hv_nx_huge_pages, &gone);
		mmu_account(vm, &gone, &tables);
		gfn += n;
		cond_resched_rwlock_write(&mmu->lock);
	}
	write_unlock(&mmu->lock);
	hv_mmu_flush_now(vm);
	hv_s2_cache_free(&tables);
}

/**
 * hv_mmu_gpa_bits - width of the guest-physical addresses at which there can be memory
 *
 * Context: any, after the backend's setup.
 * Return: bits that both the processor and the second-stage tables have.
 */
unsigned int hv_mmu_gpa_bits(void)
{
	return min_t(unsigned int, boot_cpu_data.x86_phys_bits,
		     ilog2(hv_s2_gfn_end(hv_backend->s2_format)) + PAGE_SHIFT);
}

/* ---- faults ---- */

/**
 * struct mmu_page - a host page on its way into the tables
 * @slot: slot that it belongs to
 * @gfn: guest frame
 * @hva: userspace address
 * @seq: hv_mmu.invalidate_seq before it was looked up
 * @pfn: host frame
 * @page: page with a reference, NULL for memory without one
 * @access: HV_ACC_* that the mapping is to have
 * @level: size of the leaf
 */
struct mmu_page {
	const struct hv_memslot *slot;
	u64 gfn;
	unsigned long hva;
	unsigned long seq;
	u64 pfn;
	struct page *page;
	unsigned int access;
	unsigned int level;
};

/* Frames in a leaf, less one */
static u64 mmu_mask(unsigned int level)
{
	return BIT_ULL(HV_S2_BITS * (level - 1)) - 1;
}

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
	/* With a dirty log the first write is to be seen. */
	if (!ret && writable && !(p->slot->flags & HV_MEM_READONLY) &&
	    (write || !(p->slot->flags & HV_MEM_LOG_DIRTY_PAGES)))
		p->access |= HV_ACC_WRITE;
	return ret;
}

/* The largest leaf around @gfn that lies in the slot and is aligned in both address spaces */
static unsigned int mmu_slot_level(const struct hv_memslot *slot, u64 gfn, unsigned int max)
{
	unsigned int level;

	for (level = max; level > 1; level--) {
		u64 mask = mmu_mask(level), first = gfn & ~mask;

		if (!(((slot->hva >> PAGE_SHIFT) ^ slot->gfn) & mask) && first >= slot->gfn &&
		    first + mask < slot->gfn + slot->npages)
			break;
	}
	return level;
}

/*
 * Choose the size of the leaf. Executable large leaves are not made on processors with the
 * iTLB multihit erratum: there a fetch can find a page in two sizes and stop the machine.
 */
static void mmu_choose_level(struct hv_vm *vm, struct mmu_page *p, unsigned int access)
{
	unsigned int level = max(vm->mmu.s2.fmt->leaf_levels, 1u);

	level = mmu_slot_level(p->slot, p->gfn, level);
	if (level > 1)
		level = min(level, host_mapping_level(p->hva));
	/* As the host's mapping has it, but what it says of special memory isn't checked. */
	while (level > 1 && (p->pfn ^ p->gfn) & mmu_mask(level))
		level--;
	if (level > 1 && hv_nx_huge_pages) {
		if (access & HV_ACC_EXEC)
			level = 1;
		else
			p->access &= ~HV_ACC_EXEC;
	}
	/* Of a large leaf nobody could tell which page was written. */
	if (p->slot->flags & HV_MEM_LOG_DIRTY_PAGES)
		level = 1;
	p->level = level;
}

/* Was the page got before an invalidation that a part of the leaf may belong to? Lock held. */
static bool mmu_stale(const struct hv_mmu *mmu, const struct mmu_page *p)
{
	unsigned long size = (mmu_mask(p->level) + 1) << PAGE_SHIFT;
	unsigned long first = p->hva & ~(size - 1);

	if (mmu->invalidate_count &&
	    first < mmu->invalidate_end && first + size > mmu->invalidate_start)
		return true;
	return mmu->invalidate_seq != p->seq;
}

/* Something else is mapped where a leaf shall be: take it away. */
static void mmu_zap_leaf(struct hv_vm *vm, const struct mmu_page *p)
{
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache tables = {};
	u64 mask = mmu_mask(p->level);
	s64 seq;

	write_lock(&mmu->lock);
	hv_mmu_unmap(vm, p->gfn & ~mask, mask + 1, false, true, &tables);
	seq = mmu->unmap_seq;
	write_unlock(&mmu->lock);
	hv_mmu_flush(vm, seq);
	hv_s2_cache_free(&tables);
}

/* Map the page, lock held. -EAGAIN if it is stale. */
static int mmu_map_locked(struct hv_vm *vm, struct hv_s2_cache *cache, const struct mmu_page *p)
{
	u64 mask = mmu_mask(p->level);
	int ret;

	if (mmu_stale(&vm->mmu, p))
		return -EAGAIN;
	ret = hv_s2_map(&vm->mmu.s2, cache, p->gfn & ~mask, p->pfn & ~mask, p->level, p->access);
	/*
	 * While the notifier is kept out: afterwards the page may be somebody
	 * else's as soon as our reference is dropped.
	 */
	if (ret >= 0 && p->page)
		host_page_used(p->page, p->access & HV_ACC_WRITE);
	/* Only now that it can be written: see dirty.c */
	if (ret >= 0 && p->access & HV_ACC_WRITE)
		hv_dirty_mark(vm, p->slot, p->gfn, 1);
	return ret;
}

/* Map the page with as many tables as it takes. Takes over nothing: the caller has the page. */
static int mmu_map(struct hv_vm *vm, const struct mmu_page *p)
{
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache cache = {};
	u64 filled = 0;
	int ret;

	for (;;) {
		read_lock(&mmu->lock);
		ret = mmu_map_locked(vm, &cache, p);
		read_unlock(&mmu->lock);
		if (ret != -ENOMEM)
			break;

		ret = hv_s2_cache_fill(&cache, cache.want);
		filled += cache.nr;	/* it was empty */
		if (ret)
			break;
	}

	mmu_count_leaves(vm, cache.leaves, 1);
	if (filled)
		atomic64_add(filled - cache.nr, &vm->stats.table_pages);
	hv_s2_cache_free(&cache);
	return ret;
}

/* Is there a small leaf where a large one shall be? */
static bool mmu_has_leaf(struct hv_vm *vm, const struct mmu_page *p)
{
	u64 mask = mmu_mask(p->level);
	bool ret;

	read_lock(&vm->mmu.lock);
	ret = hv_s2_mapped(&vm->mmu.s2, p->gfn & ~mask, mask + 1);
	read_unlock(&vm->mmu.lock);
	return ret;
}

/*
 * Small leaves, or an empty table, where a large leaf shall be: memory that the host has merged
 * into a large page was unmapped meanwhile, so that they are few or none. With executable
 * pages kept small they are there on purpose.
 */
static int mmu_map_replacing(struct hv_vm *vm, struct mmu_page *p)
{
	int ret = mmu_map(vm, p);

	if (ret != -EEXIST)
		return ret;
	if (p->level > 1 && hv_nx_huge_pages && mmu_has_leaf(vm, p)) {
		p->level = 1;
		p->access |= HV_ACC_EXEC;
		ret = mmu_map(vm, p);
		if (ret != -EEXIST)
			return ret;
	}
	mmu_zap_leaf(vm, p);
	ret = mmu_map(vm, p);
	/* Another vCPU was faster: the guest faults again if that wasn't what it needs. */
	return ret == -EEXIST ? -EAGAIN : ret;
}

/*
 * Find the page of @p->gfn and map it. 0 or more: done; -EAGAIN: the host has changed
 * something meanwhile; -ENOENT: no slot, or a read-only one; otherwise as hv_mmu_fault().
 */
static int mmu_fault_page(struct hv_vm *vm, struct mmu_page *p, unsigned int access)
{
	bool write = access & HV_ACC_WRITE;
	int ret;

	p->slot = hv_memslot_find(hv_vm_memslots(vm), p->gfn);
	if (!p->slot || (write && p->slot->flags & HV_MEM_READONLY))
		return -ENOENT;
	p->hva = p->slot->hva + ((p->gfn - p->slot->gfn) << PAGE_SHIFT);

	p->seq = READ_ONCE(vm->mmu.invalidate_seq);
	/* The page is looked up after the number was read: see mmu_invalidate_end(). */
	smp_rmb();

	ret = mmu_get_page(p, write);
	if (ret)
		return ret;
	mmu_choose_level(vm, p, access);
	ret = mmu_map_replacing(vm, p);
	if (p->page)
		put_page(p->page);
	return ret;
}

/* Tell the VMM which memory it was that HV_RUN fails for with EFAULT. */
static void mmu_memory_fault(struct hv_vcpu *vcpu, u64 gpa, u64 size)
{
	struct hv_run *run = vcpu->run;

	run->exit_reason = HV_EXIT_MEMORY_FAULT;
	run->memory_fault.flags = 0;
	run->memory_fault.gpa = gpa;
	run->memory_fault.size = size;
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
	struct mmu_page p = { .gfn = gpa >> PAGE_SHIFT };
	int ret = mmu_fault_page(vcpu->vm, &p, access);

	switch (ret) {
	case -ENOENT:
		return HV_FAULT_MMIO;
	case -EHWPOISON:
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)p.hva, PAGE_SHIFT, current);
		return HV_FAULT_DONE;
	case -EAGAIN:
		return HV_FAULT_DONE;
	case -EFAULT:
		mmu_memory_fault(vcpu, gpa & PAGE_MASK, PAGE_SIZE);
		return ret;
	}
	if (ret < 0)
		return ret;
	vcpu->stats.faults++;
	return HV_FAULT_DONE;
}

/**
 * hv_mmu_prefault - map memory before the guest touches it
 * @vcpu: vCPU
 * @gpa: guest-physical address, a multiple of 4096
 * @size: bytes, a multiple of 4096, not 0
 *
 * One leaf, as a read by the guest would map it.
 *
 * Context: vcpu->mutex and a read section of vm->srcu held; the VM's address space;
 * may sleep.
 * Return: bytes from @gpa that are mapped now, at most @size; -ENOENT: no slot; -EFAULT: the
 * slot's memory isn't there; -EHWPOISON; -ENOMEM; -EINTR; -EAGAIN: try again.
 */
s64 hv_mmu_prefault(struct hv_vcpu *vcpu, u64 gpa, u64 size)
{
	struct mmu_page p = { .gfn = gpa >> PAGE_SHIFT };
	int ret = mmu_fault_page(vcpu->vm, &p, HV_ACC_READ);
	u64 mask;

	if (ret < 0)
		return ret;
	mask = mmu_mask(p.level);
	return min(size, (mask + 1 - (p.gfn & mask)) << PAGE_SHIFT);
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
		write_unlock(&mmu->lock);
		if (ret != -ENOMEM)
			break;
		ret = hv_s2_cache_fill(&cache, cache.want);
		filled += cache.nr;
		if (ret)
			break;
	}
	mmu_count_leaves(vm, cache.leaves, 1);
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
	struct mmu_page p = { .level = 1 };

	if (!READ_ONCE(mmu->own_mapped))
		return;
	write_lock(&mmu->lock);
	WRITE_ONCE(mmu->own_mapped, false);
	write_unlock(&mmu->lock);
	p.gfn = mmu->own_gfn;
	mmu_zap_leaf(vm, &p);
}

/* ---- life ---- */

/* VMs whose mappings may be taken away as a whole, for a reason that is not theirs */
static LIST_HEAD(mmu_vms);
static DEFINE_MUTEX(mmu_vms_lock);	/* guards mmu_vms; outside of vm->srcu */

/* Remove all mappings of a VM; its guest faults them in again. Takes vm->srcu; may sleep. */
static void mmu_zap_all(struct hv_vm *vm)
{
	struct hv_mmu *mmu = &vm->mmu;
	struct hv_s2_cache tables = {};
	struct hv_memslots *slots;
	unsigned int i;
	int idx;
	s64 seq;

	idx = srcu_read_lock(&vm->srcu);
	write_lock(&mmu->lock);
	/* Faults that have chosen how to map before now start again. */
	WRITE_ONCE(mmu->invalidate_seq, mmu->invalidate_seq + 1);
	slots = hv_vm_memslots(vm);
	for (i = 0; i < slots->nr; i++) {
		hv_mmu_unmap(vm, slots->slot[i].gfn, slots->slot[i].npages, true, true, &tables);
		cond_resched_rwlock_write(&mmu->lock);
	}
	seq = mmu->unmap_seq;
	write_unlock(&mmu->lock);
	srcu_read_unlock(&vm->srcu, idx);

	hv_mmu_flush(vm, seq);
	hv_s2_cache_free(&tables);
}

/* No vCPU is on a CPU: what is taken away isn't missed at once. */
static bool mmu_idle(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu;
	unsigned int i;

	hv_for_each_vcpu(i, vcpu, vm)
		if (READ_ONCE(vcpu->loaded))
			return false;
	return true;
}

/* Table pages that can be had from a VM */
static unsigned long mmu_reclaimable(struct hv_vm *vm)
{
	s64 pages = atomic64_read(&vm->stats.table_pages);

	/* The top one stays. */
	return pages > 1 && mmu_idle(vm) ? pages - 1 : 0;
}

/*
 * The host is short of memory: how many pages are in the tables of idle VMs. Called in
 * reclaim, which may come from under any lock but hv_mmu.lock: the lock is only tried.
 */
static unsigned long mmu_reclaim_count(void)
{
	unsigned long n = 0;
	struct hv_vm *vm;

	if (!mutex_trylock(&mmu_vms_lock))
		return 0;
	list_for_each_entry(vm, &mmu_vms, mmu.link)
		n += mmu_reclaimable(vm);
	mutex_unlock(&mmu_vms_lock);
	return n;
}

/* Free about @nr of them, from the VM that was left alone for longest. -1: not now */
static long mmu_reclaim_scan(unsigned long nr)
{
	unsigned long freed = 0;
	struct hv_vm *vm, *next;
	LIST_HEAD(done);

	if (!mutex_trylock(&mmu_vms_lock))
		return -1;
	list_for_each_entry_safe(vm, next, &mmu_vms, mmu.link) {
		unsigned long before = mmu_reclaimable(vm);
		s64 after;

		if (freed >= nr)
			break;
		if (!before)
			continue;
		mmu_zap_all(vm);
		after = atomic64_read(&vm->stats.table_pages) - 1;
		if (after < (s64)before)
			freed += before - after;
		list_move_tail(&vm->mmu.link, &done);
	}
	list_splice_tail(&done, &mmu_vms);
	mutex_unlock(&mmu_vms_lock);
	return freed;
}

/**
 * hv_mmu_module_init - let the host reclaim tables
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int __init hv_mmu_module_init(void)
{
	return host_shrinker_register(mmu_reclaim_count, mmu_reclaim_scan);
}

/**
 * hv_mmu_module_exit - undo hv_mmu_module_init()
 */
void hv_mmu_module_exit(void)
{
	host_shrinker_unregister();
}

/**
 * hv_mmu_zap_all_vms - how pages are mapped has changed: map them anew
 *
 * Context: may sleep.
 */
void hv_mmu_zap_all_vms(void)
{
	struct hv_vm *vm;

	mutex_lock(&mmu_vms_lock);
	list_for_each_entry(vm, &mmu_vms, mmu.link)
		mmu_zap_all(vm);
	mutex_unlock(&mmu_vms_lock);
}

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

	ret = hv_mmu_notifier_register(vm);
	if (ret)
		goto free;
	mutex_lock(&mmu_vms_lock);
	list_add_tail(&mmu->link, &mmu_vms);
	mutex_unlock(&mmu_vms_lock);
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
	mutex_lock(&mmu_vms_lock);
	list_del(&vm->mmu.link);
	mutex_unlock(&mmu_vms_lock);
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
