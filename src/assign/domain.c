// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU domains: what devices reach of a VM, at the guest's own addresses.
 *
 * A VM has one domain for its devices, or more if they differ in what a domain has one of:
 * whether the IOMMU keeps caches coherent by force, and which addresses are reserved (the
 * window of interrupt messages at least). A slot is mapped in all of them.
 *
 * hv_dma.lock is held throughout.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <hv/dma.h>
#include <hv/host.h>
#include <hv/vm.h>
#include "domain.h"
#include "pin.h"

/* Mapped or unmapped at once: the largest page of any IOMMU, so none is split */
#define PIECE_PAGES	(1ULL << (30 - PAGE_SHIFT))

/* ---- mappings ---- */

/*
 * The next piece of frames *@gfn to @end that is mapped at once; *@gfn goes to its beginning.
 * Return: its length; 0: there is none.
 */
static u64 next_piece(const struct hv_domain *d, u64 *gfn, u64 end)
{
	unsigned int i;

	for (i = 0; i < d->nr_holes && d->hole[i].first < end; i++) {
		if (d->hole[i].end <= *gfn)
			continue;
		if (d->hole[i].first > *gfn) {
			end = d->hole[i].first;
			break;
		}
		*gfn = d->hole[i].end;
	}
	if (*gfn >= end)
		return 0;
	return min(end - *gfn, PIECE_PAGES - *gfn % PIECE_PAGES);
}

/* Unmap frames that were mapped as pieces. Return: false: they were not, the VM is dead. */
static bool unmap_frames(struct hv_vm *vm, struct hv_domain *d, struct iommu_iotlb_gather *gather,
			 u64 gfn, u64 end)
{
	u64 n;

	for (; (n = next_piece(d, &gfn, end)); gfn += n) {
		if (iommu_unmap_fast(d->iommu, gfn << PAGE_SHIFT, n << PAGE_SHIFT, gather) !=
		    n << PAGE_SHIFT) {
			hv_vm_dead(vm, "an IOMMU mapping is not as it was made");
			return false;
		}
		cond_resched();
	}
	return true;
}

/* Unmap a part of a slot. */
static bool unmap_run(struct hv_vm *vm, struct hv_domain *d, struct iommu_iotlb_gather *gather,
		      const struct hv_pin *pin, const struct hv_pin_run *run)
{
	u64 gfn = pin->gfn + run->index;

	return unmap_frames(vm, d, gather, gfn, gfn + run->npages);
}

/* @kind: IOMMU_CACHE for memory, IOMMU_MMIO for registers */
static int map_run(struct hv_vm *vm, struct hv_domain *d, const struct hv_pin *pin,
		   const struct hv_pin_run *run, int kind)
{
	int prot = IOMMU_READ | kind | (pin->writable ? IOMMU_WRITE : 0);
	u64 first = pin->gfn + run->index, end = first + run->npages, gfn = first, n;
	struct iommu_iotlb_gather gather;
	int ret;

	for (; (n = next_piece(d, &gfn, end)); gfn += n) {
		ret = host_iommu_map(d->iommu, gfn << PAGE_SHIFT,
				     (run->pfn + gfn - first) << PAGE_SHIFT, n << PAGE_SHIFT,
				     prot);
		if (ret && gfn > first) {
			iommu_iotlb_gather_init(&gather);
			unmap_frames(vm, d, &gather, first, gfn);
			iommu_iotlb_sync(d->iommu, &gather);
		}
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* Unmap the first @nr runs and @nr_bars BARs of a slot. The pages may be reused after it. */
static bool domain_unmap(struct hv_vm *vm, struct hv_domain *d, const struct hv_pin *pin,
			 unsigned int nr, unsigned int nr_bars)
{
	struct iommu_iotlb_gather gather;
	bool ok = true;
	unsigned int i;

	if (!nr && !nr_bars)
		return true;
	iommu_iotlb_gather_init(&gather);
	for (i = 0; i < nr && ok; i++)
		ok = unmap_run(vm, d, &gather, pin, &pin->run[i]);
	for (i = 0; i < nr_bars && ok; i++)
		if (pin->bar[i].mapped)
			ok = unmap_run(vm, d, &gather, pin, &pin->bar[i].run);
	iommu_iotlb_sync(d->iommu, &gather);
	return ok;
}

/* Map a slot. 0; -ERANGE: beyond what the IOMMU translates; or as iommu_map() failed. */
static int domain_map(struct hv_vm *vm, struct hv_domain *d, const struct hv_pin *pin)
{
	const struct iommu_domain_geometry *g = &d->iommu->geometry;
	unsigned int i, bar = 0;
	int ret;

	if (g->force_aperture && ((pin->gfn + pin->npages) << PAGE_SHIFT) - 1 > g->aperture_end)
		return -ERANGE;
	for (i = 0; i < pin->nr; i++) {
		ret = map_run(vm, d, pin, &pin->run[i], IOMMU_CACHE);
		if (ret)
			goto undo;
	}
	for (; bar < pin->nr_bars; bar++) {
		if (!pin->bar[bar].mapped)
			continue;
		ret = map_run(vm, d, pin, &pin->bar[bar].run, IOMMU_MMIO);
		if (ret)
			goto undo;
	}
	return 0;

undo:
	domain_unmap(vm, d, pin, i, bar);
	return ret;
}

/**
 * hv_domains_unmap - take a slot from all devices
 * @vm: VM
 * @pin: the slot, mapped in all domains
 *
 * Context: hv_dma.lock held; sleeps.
 * Return: true: no device reaches it any more; false: the VM is dead, and devices may.
 */
bool hv_domains_unmap(struct hv_vm *vm, const struct hv_pin *pin)
{
	struct hv_domain *d;
	bool ok = true;

	list_for_each_entry(d, &vm->dma.domains, link)
		ok &= domain_unmap(vm, d, pin, pin->nr, pin->nr_bars);
	return ok;
}

/**
 * hv_domains_map - give a slot to all devices
 * @vm: VM
 * @pin: the slot
 *
 * Context: hv_dma.lock held; sleeps.
 * Return: 0; -ERANGE: beyond what an IOMMU translates; -ENOMEM, or another error of the
 * IOMMU's driver; then no device has it.
 */
int hv_domains_map(struct hv_vm *vm, const struct hv_pin *pin)
{
	struct hv_domain *d;
	int ret;

	list_for_each_entry(d, &vm->dma.domains, link) {
		ret = domain_map(vm, d, pin);
		if (ret)
			goto undo;
	}
	return 0;

undo:
	list_for_each_entry_continue_reverse(d, &vm->dma.domains, link)
		domain_unmap(vm, d, pin, pin->nr, pin->nr_bars);
	return ret;
}

/* ---- registers of other devices ---- */

/**
 * hv_bar_is_of - whose registers are these
 * @bar: mapping of registers
 * @pdev: a function
 *
 * Return: whether they are the function's.
 */
bool hv_bar_is_of(const struct hv_pin_bar *bar, struct pci_dev *pdev)
{
	u64 start = bar->run.pfn << PAGE_SHIFT;
	u64 end = start + ((u64)bar->run.npages << PAGE_SHIFT);
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (pci_resource_flags(pdev, i) & IORESOURCE_MEM &&
		    start >= pci_resource_start(pdev, i) &&
		    end - 1 <= pci_resource_end(pdev, i))
			return true;
	return false;
}

/* Map registers in all domains, or in none. */
static int map_bar(struct hv_vm *vm, const struct hv_pin *pin, struct hv_pin_bar *bar)
{
	struct iommu_iotlb_gather gather;
	struct hv_domain *d;
	int ret;

	list_for_each_entry(d, &vm->dma.domains, link) {
		ret = map_run(vm, d, pin, &bar->run, IOMMU_MMIO);
		if (ret)
			goto undo;
	}
	bar->mapped = true;
	return 0;

undo:
	list_for_each_entry_continue_reverse(d, &vm->dma.domains, link) {
		iommu_iotlb_gather_init(&gather);
		unmap_run(vm, d, &gather, pin, &bar->run);
		iommu_iotlb_sync(d->iommu, &gather);
	}
	return ret;
}

/**
 * hv_domains_unmap_bars - a function leaves: take its registers from the VM's other devices
 * @vm: VM
 * @pdev: function
 *
 * Context: hv_dma.lock held; sleeps.
 */
void hv_domains_unmap_bars(struct hv_vm *vm, struct pci_dev *pdev)
{
	struct iommu_iotlb_gather gather;
	struct hv_domain *d;
	struct hv_pin *pin;
	unsigned int i;

	list_for_each_entry(pin, &vm->dma.pins, link) {
		for (i = 0; i < pin->nr_bars; i++) {
			if (!pin->bar[i].mapped || !hv_bar_is_of(&pin->bar[i], pdev))
				continue;
			list_for_each_entry(d, &vm->dma.domains, link) {
				iommu_iotlb_gather_init(&gather);
				unmap_run(vm, d, &gather, pin, &pin->bar[i].run);
				iommu_iotlb_sync(d->iommu, &gather);
			}
			pin->bar[i].mapped = false;
		}
	}
}

/**
 * hv_domains_map_bars - a function has come: what slots show of its registers all devices reach
 * @vm: VM
 * @pdev: function
 *
 * Context: hv_dma.lock held; sleeps.
 * Return: 0, or as hv_domains_map(); then none of them is mapped.
 */
int hv_domains_map_bars(struct hv_vm *vm, struct pci_dev *pdev)
{
	struct hv_pin *pin;
	unsigned int i;
	int ret;

	list_for_each_entry(pin, &vm->dma.pins, link) {
		for (i = 0; i < pin->nr_bars; i++) {
			if (pin->bar[i].mapped || !hv_bar_is_of(&pin->bar[i], pdev))
				continue;
			ret = map_bar(vm, pin, &pin->bar[i]);
			if (ret) {
				hv_domains_unmap_bars(vm, pdev);
				return ret;
			}
		}
	}
	return 0;
}

static int map_all(struct hv_vm *vm, struct hv_domain *d)
{
	struct hv_pin *pin;
	int ret;

	list_for_each_entry(pin, &vm->dma.pins, link) {
		ret = domain_map(vm, d, pin);
		if (ret)
			return ret;	/* all of the domain goes */
	}
	return 0;
}

/* ---- reserved regions ---- */

static int hole_cmp(const void *a, const void *b)
{
	const struct hv_hole *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Sort them, and make one of those that touch. */
static void holes_join(struct hv_domain *d)
{
	struct hv_hole *h = d->hole;
	unsigned int i, n = 0;

	sort(h, d->nr_holes, sizeof(*h), hole_cmp, NULL);
	for (i = 0; i < d->nr_holes; i++) {
		if (n && h[i].first <= h[n - 1].end)
			h[n - 1].end = max(h[n - 1].end, h[i].end);
		else
			h[n++] = h[i];
	}
	d->nr_holes = n;
}

/*
 * The addresses that a group's functions can't use. What the firmware only wants mapped until
 * the function has a driver (relaxable) isn't one of them.
 */
static int holes_read(struct hv_domain *d, struct hv_group *group, struct pci_dev *pdev)
{
	struct iommu_resv_region *r;
	unsigned int n = 0;
	LIST_HEAD(list);
	int ret;

	ret = iommu_get_group_resv_regions(group->group, &list);
	if (ret)
		goto out;
	list_for_each_entry(r, &list, list)
		n++;
	d->hole = kcalloc(n, sizeof(*d->hole), GFP_KERNEL_ACCOUNT);
	if (n && !d->hole) {
		ret = -ENOMEM;
		goto out;
	}
	list_for_each_entry(r, &list, list) {
		if (r->type == IOMMU_RESV_DIRECT_RELAXABLE || !r->length)
			continue;
		d->hole[d->nr_holes++] = (struct hv_hole){
			.first = r->start >> PAGE_SHIFT,
			.end = ((r->start + (r->length - 1)) >> PAGE_SHIFT) + 1,
		};
	}
	holes_join(d);
out:
	iommu_put_resv_regions(&pdev->dev, &list);
	return ret;
}

/* ---- domains ---- */

static void domain_free(struct hv_domain *d)
{
	if (d->iommu)
		iommu_domain_free(d->iommu);
	kfree(d->hole);
	kfree(d);
}

/* A domain to which a group is attached; nothing is mapped, no list has it. */
static struct hv_domain *domain_create(struct hv_group *group, struct pci_dev *pdev)
{
	struct hv_domain *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!d)
		return ERR_PTR(-ENOMEM);
	ret = holes_read(d, group, pdev);
	if (ret)
		goto err;
	d->iommu = host_iommu_domain_alloc(pdev);
	if (IS_ERR(d->iommu)) {
		ret = PTR_ERR(d->iommu);
		d->iommu = NULL;
		goto err;
	}
	ret = iommu_attach_group(d->iommu, group->group);
	if (ret)
		goto err;
	d->snoop = host_iommu_enforce_snoop(d->iommu);
	return d;
err:
	domain_free(d);
	return ERR_PTR(ret);
}

static bool domains_alike(const struct hv_domain *a, const struct hv_domain *b)
{
	return a->snoop == b->snoop && a->iommu->ops == b->iommu->ops &&
	       a->nr_holes == b->nr_holes &&
	       !memcmp(a->hole, b->hole, a->nr_holes * sizeof(*a->hole));
}

/*
 * Move a group from its fresh domain to one of the VM's that is like it. 0: moved; -ENOENT: it
 * stays; otherwise it is nowhere. IOMMUs of one kind may still differ, so it is tried.
 */
static int join_domain(struct hv_vm *vm, struct hv_group *group, struct hv_domain *fresh)
{
	struct hv_domain *d;
	int ret = -ENOENT;

	list_for_each_entry(d, &vm->dma.domains, link) {
		if (!domains_alike(d, fresh))
			continue;
		iommu_detach_group(fresh->iommu, group->group);
		ret = iommu_attach_group(d->iommu, group->group);
		if (!ret) {
			group->domain = d;
			d->nr_groups++;
			return 0;
		}
		ret = iommu_attach_group(fresh->iommu, group->group);
		if (ret)
			return ret;
		ret = -ENOENT;
	}
	return ret;
}

/**
 * hv_domain_attach - give a group the VM's memory, and nothing else
 * @vm: VM with all its slots pinned
 * @group: group whose DMA is the VM's, attached nowhere
 * @pdev: a function of it
 *
 * Context: hv_dma.lock held; sleeps.
 * Return: 0; -ERANGE: a slot is beyond what the IOMMU translates; -ENOMEM, or another error of
 * the IOMMU's driver.
 */
int hv_domain_attach(struct hv_vm *vm, struct hv_group *group, struct pci_dev *pdev)
{
	struct hv_domain *d = domain_create(group, pdev);
	int ret;

	if (IS_ERR(d))
		return PTR_ERR(d);
	ret = join_domain(vm, group, d);
	if (ret != -ENOENT) {
		domain_free(d);
		return ret;
	}
	ret = map_all(vm, d);
	if (ret) {
		iommu_detach_group(d->iommu, group->group);
		domain_free(d);
		return ret;
	}
	d->id = ++vm->dma.last_domain;
	d->nr_groups = 1;
	group->domain = d;
	list_add_tail(&d->link, &vm->dma.domains);
	atomic64_inc(&vm->stats.iommu_domains);
	return 0;
}

/**
 * hv_domain_detach - undo hv_domain_attach()
 * @vm: VM
 * @group: group whose devices are all gone or still; it reaches no memory after it
 *
 * Context: hv_dma.lock held; sleeps.
 */
void hv_domain_detach(struct hv_vm *vm, struct hv_group *group)
{
	struct hv_domain *d = group->domain;

	iommu_detach_group(d->iommu, group->group);
	group->domain = NULL;
	if (--d->nr_groups)
		return;
	list_del(&d->link);
	atomic64_dec(&vm->stats.iommu_domains);
	domain_free(d);
}
