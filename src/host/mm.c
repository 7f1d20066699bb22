// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages behind userspace addresses.
 */
#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/irqflags.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/swap.h>
#include <hv/host.h>

/**
 * host_get_page - the page behind an address of the caller's
 * @hva: address
 * @write: for writing: a page that is shared is copied first
 * @writable: filled in: the page may be mapped writable, also when @write is false
 * @page: filled in; the caller drops the reference
 *
 * Context: may sleep.
 * Return: 0; -EFAULT: nothing is mapped there, or not with that right, or memory
 * without struct page (see host_get_pfnmap()); -EHWPOISON: the memory is broken;
 * -ENOMEM; -EINTR: the process is being killed.
 */
int host_get_page(unsigned long hva, bool write, bool *writable, struct page **page)
{
	unsigned int flags = FOLL_HWPOISON | (write ? FOLL_WRITE : 0);
	struct page *better;
	long n;

	*writable = true;
	/* Most pages are there and writable: no lock, no sleep. */
	if (get_user_page_fast_only(hva, FOLL_WRITE, page))
		return 0;

	n = get_user_pages_unlocked(hva, 1, page, flags);
	if (n != 1)
		return n < 0 ? n : -EFAULT;

	*writable = write;
	/* Was writable or became so: spares the guest a second fault. */
	if (!write && get_user_page_fast_only(hva, FOLL_WRITE, &better)) {
		put_page(*page);
		*page = better;
		*writable = true;
	}
	return 0;
}

/* What is mapped at @hva now: 0, or -EFAULT: nothing. mmap_lock held. */
#ifdef HOST_HAVE_FOLLOW_PFNMAP
static int pfnmap_lookup(struct vm_area_struct *vma, unsigned long hva, bool *writable, u64 *pfn)
{
	struct follow_pfnmap_args args = { .vma = vma, .address = hva };
	int ret = follow_pfnmap_start(&args);

	if (ret)
		return -EFAULT;
	*pfn = args.pfn;
	*writable = args.writable;
	follow_pfnmap_end(&args);
	return 0;
}
#else
static int pfnmap_lookup(struct vm_area_struct *vma, unsigned long hva, bool *writable, u64 *pfn)
{
	spinlock_t *ptl;	/* of the page table, held between the two calls */
	pte_t *pte;
	int ret = follow_pte(vma->vm_mm, hva, &pte, &ptl);

	if (ret)
		return -EFAULT;
	__acquire(ptl);	/* follow_pte() did */
	*pfn = pte_pfn(*pte);
	*writable = pte_write(*pte);
	pte_unmap_unlock(pte, ptl);
	return 0;
}
#endif

/**
 * host_get_pfnmap - the frame behind an address in a mapping without struct pages
 * @hva: address of the caller's
 * @write: for writing
 * @writable: filled in: may be mapped writable
 * @pfn: filled in; without a reference: valid as long as no invalidation comes
 *
 * Device memory, mapped VM_IO or VM_PFNMAP.
 *
 * Context: takes mmap_lock; may sleep.
 * Return: 0; -EFAULT: no such mapping, or not with that right; -EAGAIN: try again;
 * -ENOMEM; -EINTR: the process is being killed.
 */
int host_get_pfnmap(unsigned long hva, bool write, bool *writable, u64 *pfn)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool unlocked = false;
	int ret;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, hva);
	if (!vma || !(vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
	    !(vma->vm_flags & (write ? VM_WRITE : VM_READ))) {
		ret = -EFAULT;
		goto out;
	}

	ret = pfnmap_lookup(vma, hva, writable, pfn);
	if (ret || (write && !*writable)) {
		ret = fixup_user_fault(mm, hva, write ? FAULT_FLAG_WRITE : 0, &unlocked);
		/* The lock was dropped: the vma may be another now. */
		if (!ret && unlocked)
			ret = -EAGAIN;
		if (!ret)
			ret = pfnmap_lookup(vma, hva, writable, pfn);
		if (!ret && write && !*writable)
			ret = -EFAULT;
	}
out:
	mmap_read_unlock(mm);
	return ret;
}

/**
 * host_pfnmap_find - is an address in a mapping without struct pages
 * @hva: address of the caller's
 * @map: filled in if it is; the caller drops the file
 *
 * Context: takes mmap_lock; may sleep.
 * Return: false: it's memory, or nothing.
 */
bool host_pfnmap_find(unsigned long hva, struct host_pfnmap *map)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool found;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, hva);
	found = vma && vma->vm_flags & (VM_IO | VM_PFNMAP);
	if (found) {
		map->end = vma->vm_end;
		map->file = vma->vm_file ? get_file(vma->vm_file) : NULL;
		map->pgoff = vma->vm_pgoff + ((hva - vma->vm_start) >> PAGE_SHIFT);
	}
	mmap_read_unlock(mm);
	return found;
}

/**
 * host_mapping_level - how large a piece of memory the host maps at once at an address
 * @hva: address of the caller's
 *
 * The host's page tables are walked as get_user_pages_fast() does it: with interrupts off
 * they are not freed. The result may be old at once; whoever uses it checks for invalidations
 * since before the call.
 *
 * Context: any.
 * Return: 1: 4 KiB, or nothing; 2: 2 MiB; 3: 1 GiB.
 */
unsigned int host_mapping_level(unsigned long hva)
{
	unsigned int level = 1;
	unsigned long flags;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(current->mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		level = 3;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!pmd_none(pmd) && pmd_present(pmd) && pmd_leaf(pmd))
		level = 2;
out:
	local_irq_restore(flags);
	return level;
}

/**
 * host_pfn_is_ram - is a frame ordinary memory
 * @pfn: frame from host_get_pfnmap()
 *
 * Return: false: a device's, to be mapped uncached.
 */
bool host_pfn_is_ram(u64 pfn)
{
	return page_is_ram(pfn);
}

/**
 * host_page_used - a page was mapped into a guest
 * @page: page with a reference
 * @write: mapped writable: it counts as written from now on
 *
 * Dirty is set here once and not at unmap: a page that is cleaned for writeback is
 * made read-only in all mappings first, so the notifier takes it from the guest.
 *
 * Context: doesn't sleep.
 */
void host_page_used(struct page *page, bool write)
{
	/* The zero page and the like: nobody reclaims or writes them. */
	if (PageReserved(page))
		return;
	if (write)
		SetPageDirty(page);
	mark_page_accessed(page);
}

/**
 * host_count_table - tell the host of a page of second-stage tables
 * @table: the page, as it was allocated
 * @n: 1: it is one now; -1: it is about to be freed
 *
 * SecPageTables in /proc/meminfo, sec_pagetables in the memory.stat of the cgroup that it is
 * charged to.
 *
 * Context: any but hard interrupts.
 */
void host_count_table(void *table, int n)
{
	mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, n);
}

/**
 * host_vm_flags_set - set flags of a mapping that is being made
 * @vma: mapping
 * @flags: VM_*
 *
 * Context: mmap(), mmap_lock held for writing.
 */
void host_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#ifdef HOST_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* ---- the shrinker: one for the module ---- */

static unsigned long (*shrink_count)(void);
static long (*shrink_scan)(unsigned long nr);

static unsigned long host_shrink_count(struct shrinker *s, struct shrink_control *sc)
{
	return shrink_count() ?: SHRINK_EMPTY;
}

static unsigned long host_shrink_scan(struct shrinker *s, struct shrink_control *sc)
{
	long freed = shrink_scan(sc->nr_to_scan);

	return freed < 0 ? SHRINK_STOP : freed;
}

#ifdef HOST_HAVE_SHRINKER_ALLOC
static struct shrinker *host_shrinker;

static int shrinker_add(void)
{
	host_shrinker = shrinker_alloc(0, "hv-mmu");
	if (!host_shrinker)
		return -ENOMEM;
	host_shrinker->count_objects = host_shrink_count;
	host_shrinker->scan_objects = host_shrink_scan;
	shrinker_register(host_shrinker);
	return 0;
}

static void shrinker_del(void)
{
	shrinker_free(host_shrinker);
}
#else
static struct shrinker host_shrinker = {
	.count_objects = host_shrink_count,
	.scan_objects = host_shrink_scan,
	.seeks = DEFAULT_SEEKS,
};

static int shrinker_add(void)
{
	return register_shrinker(&host_shrinker, "hv-mmu");
}

static void shrinker_del(void)
{
	unregister_shrinker(&host_shrinker);
}
#endif

/**
 * host_shrinker_register - be asked for memory when the host is short of it
 * @count: how many objects can be freed
 * @scan: free about so many; returns how many were freed, -1: not now
 *
 * Both are called in reclaim: they must not wait for a lock under which memory is allocated.
 *
 * Context: module load.
 * Return: 0 or -ENOMEM.
 */
int host_shrinker_register(unsigned long (*count)(void), long (*scan)(unsigned long nr))
{
	shrink_count = count;
	shrink_scan = scan;
	return shrinker_add();
}

/**
 * host_shrinker_unregister - undo host_shrinker_register()
 */
void host_shrinker_unregister(void)
{
	shrinker_del();
}
