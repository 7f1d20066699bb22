// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinning: a device can't wait for a page to be faulted in, so what it may reach stays where
 * it is. Pages are counted as locked memory of the VMM (RLIMIT_MEMLOCK), each pin once.
 *
 * Pins know where a page is in its slot, not where the slot is: a slot that moves keeps them.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/hv.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <hv/assign.h>
#include <hv/host.h>
#include <hv/slots.h>
#include <hv/vm.h>
#include "pin.h"

/* Pages pinned by one call: a page of pointers */
#define PIN_BATCH	(PAGE_SIZE / sizeof(struct page *))
/* Pages given back before others may run */
#define UNPIN_BATCH	16384U

/* Append a page; one that continues the last run makes that longer. */
static int pin_add(struct hv_pin *pin, u32 index, u64 pfn)
{
	struct hv_pin_run *last = pin->run + pin->nr - 1;
	struct hv_pin_run *bigger;
	unsigned int max;

	if (pin->nr && last->index + last->npages == index && last->pfn + last->npages == pfn) {
		last->npages++;
		return 0;
	}
	if (pin->nr == pin->max) {
		max = max(2 * pin->max, 16U);
		bigger = kvmalloc_array(max, sizeof(*bigger), GFP_KERNEL_ACCOUNT);
		if (!bigger)
			return -ENOMEM;
		if (pin->nr)
			memcpy(bigger, pin->run, array_size(pin->nr, sizeof(*bigger)));
		kvfree(pin->run);
		pin->run = bigger;
		pin->max = max;
	}
	pin->run[pin->nr++] = (struct hv_pin_run){ .pfn = pfn, .index = index, .npages = 1 };
	return 0;
}

/* Add pages that were pinned; those that aren't added are given back. */
static int pin_add_pages(struct hv_pin *pin, u32 index, struct page **pages, long n)
{
	long i;
	int ret;

	for (i = 0; i < n; i++) {
		ret = pin_add(pin, index + i, page_to_pfn(pages[i]));
		if (ret) {
			unpin_user_pages(pages + i, n - i);
			account_locked_vm(pin->vm->mm, n - i, false);
			break;
		}
	}
	pin->pinned += i;
	atomic64_add(i << PAGE_SHIFT, &pin->vm->stats.pinned_bytes);
	return i == n ? 0 : ret;
}

/*
 * Pin up to a batch. Return: number of pages, or -errno; *@over_limit: because of RLIMIT_MEMLOCK.
 *
 * Pages are asked for as if to be written even if devices may only read them: else a private
 * mapping's page would be replaced by a copy when the VMM writes it. Only where the
 * VMM can't write either it is done without.
 */
static long pin_batch(struct hv_pin *pin, unsigned long hva, unsigned int n,
		      unsigned int *flags, struct page **pages, bool *over_limit)
{
	long got;

	if (account_locked_vm(pin->vm->mm, n, true)) {
		*over_limit = true;
		return -ENOMEM;
	}
	got = pin_user_pages_fast(hva, n, *flags, pages);
	if (got <= 0 && !pin->writable && *flags & FOLL_WRITE) {
		*flags &= ~FOLL_WRITE;
		got = pin_user_pages_fast(hva, n, *flags, pages);
	}
	if (got < (long)n)
		account_locked_vm(pin->vm->mm, n - max(got, 0L), false);
	return got ?: -EFAULT;
}

/*
 * Device memory has no pages to pin. That of functions which a VM can have is noted: their devices
 * reach each other's registers by it. Other mappings are none of ours: nobody tells when they end.
 */
static int pin_note_bar(struct hv_pin *pin, const struct host_pfnmap *map, u64 index, u64 npages)
{
	struct hv_pin_bar *bars;
	u64 pfn = hv_pci_file_pfn(map->file, map->pgoff);

	if (!pfn)
		return 0;
	bars = krealloc_array(pin->bar, pin->nr_bars + 1, sizeof(*bars), GFP_KERNEL_ACCOUNT);
	if (!bars)
		return -ENOMEM;
	pin->bar = bars;
	bars[pin->nr_bars++] = (struct hv_pin_bar){
		.run = { .pfn = pfn, .index = index, .npages = npages },
	};
	return 0;
}

static int pin_pages(struct hv_pin *pin, unsigned long hva, struct page **pages,
		     bool *over_limit)
{
	unsigned int flags = FOLL_LONGTERM | FOLL_WRITE;
	u64 i = 0;

	while (i < pin->npages) {
		unsigned int n = min_t(u64, pin->npages - i, PIN_BATCH);
		unsigned long addr = hva + (i << PAGE_SHIFT);
		struct host_pfnmap map;
		long got;
		int ret;

		if (fatal_signal_pending(current))
			return -EINTR;
		if (host_pfnmap_find(addr, &map)) {
			u64 npages = min_t(u64, pin->npages - i, (map.end - addr) >> PAGE_SHIFT);

			ret = pin_note_bar(pin, &map, i, npages);
			if (map.file)
				fput(map.file);
			if (ret)
				return ret;
			i += npages;
			continue;
		}
		got = pin_batch(pin, addr, n, &flags, pages, over_limit);
		if (got < 0)
			return got;
		ret = pin_add_pages(pin, i, pages, got);
		if (ret)
			return ret;
		i += got;
		cond_resched();
	}
	return 0;
}

/**
 * hv_pin_slot - pin the memory of a slot
 * @vm: VM; its address space is the caller's
 * @slot: slot
 * @over_limit: set if that would exceed RLIMIT_MEMLOCK
 *
 * Context: vm->slots_lock held, hv_dma.lock not: faults pages in, sleeps as long as those
 * take.
 * Return: the pinned memory; ERR_PTR(-ENOMEM), -EFAULT: memory isn't there, or can't be
 * pinned or written; -EOPNOTSUPP: it is of a kind that can't be pinned; -EHWPOISON; -EINTR:
 * the process is being killed.
 */
struct hv_pin *hv_pin_slot(struct hv_vm *vm, const struct hv_memslot *slot, bool *over_limit)
{
	struct page **pages;
	struct hv_pin *pin;
	int ret;

	BUILD_BUG_ON(HV_MAX_SLOT_PAGES > U32_MAX);
	pin = kzalloc(sizeof(*pin), GFP_KERNEL_ACCOUNT);
	pages = kmalloc_array(PIN_BATCH, sizeof(*pages), GFP_KERNEL);
	if (!pin || !pages) {
		kfree(pin);
		kfree(pages);
		return ERR_PTR(-ENOMEM);
	}
	pin->vm = vm;
	pin->id = slot->id;
	pin->gfn = slot->gfn;
	pin->npages = slot->npages;
	pin->writable = !(slot->flags & HV_MEM_READONLY);
	ret = pin_pages(pin, slot->hva, pages, over_limit);
	kfree(pages);
	if (ret) {
		hv_pin_free(pin);
		return ERR_PTR(ret);
	}
	return pin;
}

/**
 * hv_pin_free - give the memory of a slot back
 * @pin: its pins; nothing is mapped in a domain any more
 *
 * Pages that devices may have written count as written.
 *
 * Context: takes mmap_lock, hv_dma.lock not held; sleeps. Any address space.
 */
void hv_pin_free(struct hv_pin *pin)
{
	unsigned int i;
	u32 at, n;

	for (i = 0; i < pin->nr; i++) {
		for (at = 0; at < pin->run[i].npages; at += n) {
			n = min(pin->run[i].npages - at, UNPIN_BATCH);
			unpin_user_page_range_dirty_lock(pfn_to_page(pin->run[i].pfn + at), n,
							 pin->writable);
			cond_resched();
		}
	}
	account_locked_vm(pin->vm->mm, pin->pinned, false);
	atomic64_sub(pin->pinned << PAGE_SHIFT, &pin->vm->stats.pinned_bytes);
	kvfree(pin->run);
	kfree(pin->bar);
	kfree(pin);
}
