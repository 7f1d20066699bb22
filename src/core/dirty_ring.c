// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings: instead of bitmaps, each vCPU has a ring of the pages that it has written, in
 * memory that the VMM maps. The VMM takes entries without a call; HV_RESET_DIRTY_RINGS
 * protects their pages again and frees the entries.
 *
 * An entry is DIRTY from hv to the VMM, RESET from the VMM to hv, else free. The VMM can write
 * anything there: hv keeps its own indices and believes nothing that it reads back.
 */
#include <linux/errno.h>
#include <linux/hv.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>
#include <hv/backend.h>
#include <hv/vcpu.h>
#include <hv/vm.h>
#include "core.h"
#include "dirty.h"
#include "mmu.h"

#define RING_MAX_ENTRIES	65536
/* Entries that one exit can need after the ring has been found nearly full */
#define RING_RESERVE		64

static u32 ring_reserve(void)
{
	return RING_RESERVE + hv_backend->s2_format->log_size;
}

/**
 * hv_dirty_ring_max - HV_CHECK_EXTENSION of HV_CAP_DIRTY_LOG_RING
 *
 * Return: bytes of the longest ring.
 */
long hv_dirty_ring_max(void)
{
	return RING_MAX_ENTRIES * sizeof(struct hv_dirty_gfn);
}

/**
 * hv_dirty_ring_enable - HV_CAP_DIRTY_LOG_RING: rings instead of bitmaps
 * @vm: VM
 * @bytes: size of each vCPU's ring
 *
 * Context: vm->lock held; takes vm->slots_lock.
 * Return: 0; -EINVAL: not a power of two, too short, a vCPU, an assigned device or a logged slot
 * exists, or there are rings already; -E2BIG.
 */
long hv_dirty_ring_enable(struct hv_vm *vm, u64 bytes)
{
	long ret = -EINVAL;

	if (!is_power_of_2(bytes) || bytes < PAGE_SIZE ||
	    bytes <= ring_reserve() * sizeof(struct hv_dirty_gfn))
		return -EINVAL;
	if (bytes > hv_dirty_ring_max())
		return -E2BIG;
	mutex_lock(&vm->slots_lock);
	if (!vm->nr_vcpus && !vm->dirty.ring_size && !vm->dirty.nr_slots &&
	    !READ_ONCE(vm->dma.users)) {
		vm->dirty.ring_size = bytes / sizeof(struct hv_dirty_gfn);
		ret = 0;
	}
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/**
 * hv_dirty_ring_alloc - give a new vCPU its ring, if the VM has rings
 * @vcpu: vCPU, not visible yet
 *
 * Return: 0 or -ENOMEM.
 */
int hv_dirty_ring_alloc(struct hv_vcpu *vcpu)
{
	struct hv_dirty_ring *ring = &vcpu->dirty_ring;

	ring->size = vcpu->vm->dirty.ring_size;
	raw_spin_lock_init(&ring->lock);
	if (!ring->size)
		return 0;
	ring->entry = __vmalloc(ring->size * sizeof(*ring->entry),
				GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return ring->entry ? 0 : -ENOMEM;
}

/**
 * hv_dirty_ring_free - undo hv_dirty_ring_alloc()
 * @vcpu: vCPU that nobody uses; the VMM's mapping has references to the pages
 */
void hv_dirty_ring_free(struct hv_vcpu *vcpu)
{
	vfree(vcpu->dirty_ring.entry);
}

/**
 * hv_dirty_ring_page - page of a ring for the VMM's mapping
 * @vcpu: vCPU
 * @pgoff: page of the vCPU's mapping
 *
 * Return: the page, or NULL if no ring is there.
 */
struct page *hv_dirty_ring_page(struct hv_vcpu *vcpu, unsigned long pgoff)
{
	struct hv_dirty_ring *ring = &vcpu->dirty_ring;

	if (!hv_dirty_ring_covers(vcpu, pgoff))
		return NULL;
	return vmalloc_to_page((void *)ring->entry +
			       ((pgoff - HV_DIRTY_LOG_PAGE_OFFSET) << PAGE_SHIFT));
}

/**
 * hv_dirty_ring_covers - is a page of a vCPU's mapping one of its ring
 * @vcpu: vCPU
 * @pgoff: page of the mapping
 */
bool hv_dirty_ring_covers(struct hv_vcpu *vcpu, unsigned long pgoff)
{
	unsigned long pages = vcpu->dirty_ring.size * sizeof(struct hv_dirty_gfn) >> PAGE_SHIFT;

	return pgoff >= HV_DIRTY_LOG_PAGE_OFFSET && pgoff - HV_DIRTY_LOG_PAGE_OFFSET < pages;
}

static u32 ring_used(const struct hv_dirty_ring *ring)
{
	return READ_ONCE(ring->tail) - READ_ONCE(ring->head);
}

/**
 * hv_dirty_ring_full - must the VMM take entries before the vCPU goes on
 * @vcpu: vCPU
 */
bool hv_dirty_ring_full(struct hv_vcpu *vcpu)
{
	const struct hv_dirty_ring *ring = &vcpu->dirty_ring;

	return ring->size && ring_used(ring) >= ring->size - ring_reserve();
}

/**
 * hv_dirty_ring_has_room - may this thread's vCPU write once more outside the guest?
 * @vm: VM
 *
 * Context: a vCPU of @vm is loaded; any.
 * Return: true: a few entries fit, or there are no rings.
 */
bool hv_dirty_ring_has_room(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu = hv_vcpu_running(vm);

	return vcpu && !hv_dirty_ring_full(vcpu);
}

/**
 * hv_dirty_ring_push - a page was written
 * @vm: VM with rings
 * @slot: its slot
 * @offset: page of the slot
 *
 * The entry goes to the ring of the vCPU that is loaded by the caller's thread; what the kernel
 * writes without one goes to the first vCPU's.
 *
 * Context: doesn't sleep.
 */
void hv_dirty_ring_push(struct hv_vm *vm, const struct hv_memslot *slot, u64 offset)
{
	struct hv_vcpu *vcpu = hv_vcpu_running(vm);
	struct hv_dirty_ring *ring;
	struct hv_dirty_gfn *e;
	unsigned long flags;
	bool overflow;

	if (!vcpu) {
		/* Pairs with the release in hv_vcpu_create() */
		if (!smp_load_acquire(&vm->nr_vcpus))
			return;		/* Nobody has run: there is nothing to be told yet. */
		vcpu = vm->vcpus[0];
	}
	ring = &vcpu->dirty_ring;
	/* The scheduler's lock may be held, which interrupt handlers want, too. */
	raw_spin_lock_irqsave(&ring->lock, flags);
	overflow = ring_used(ring) >= ring->size;
	if (!overflow) {
		e = &ring->entry[ring->tail & (ring->size - 1)];
		WRITE_ONCE(e->slot, slot->id);
		WRITE_ONCE(e->offset, offset);
		/* The entry before its flag; the VMM reads them the other way round. */
		smp_store_release(&e->flags, HV_DIRTY_GFN_F_DIRTY);
		WRITE_ONCE(ring->tail, ring->tail + 1);
	}
	raw_spin_unlock_irqrestore(&ring->lock, flags);

	if (overflow)
		hv_vm_dead(vm, "a dirty ring has overflowed");
	else if (hv_dirty_ring_full(vcpu))
		/* No kick: it may be in the scheduler, on its way to sleep. */
		hv_req_set(vcpu, HV_REQ_DIRTY_RING);
}

/* Take back what the VMM has done with; slots_lock held. */
static u32 ring_reset(struct hv_vcpu *vcpu)
{
	struct hv_dirty_ring *ring = &vcpu->dirty_ring;
	const struct hv_memslots *slots = hv_vm_memslots(vcpu->vm);
	const unsigned long one = 1;
	u32 n = 0, left = ring_used(ring);

	for (; left; left--, n++) {
		struct hv_dirty_gfn *e = &ring->entry[ring->head & (ring->size - 1)];
		const struct hv_memslot *slot;
		u64 offset;

		/* Pairs with the VMM's release: it doesn't look at the entry any more. */
		if (!(smp_load_acquire(&e->flags) & HV_DIRTY_GFN_F_RESET))
			break;
		slot = hv_memslot_by_id(slots, READ_ONCE(e->slot));
		offset = READ_ONCE(e->offset);
		WRITE_ONCE(e->flags, 0);
		if (slot && slot->flags & HV_MEM_LOG_DIRTY_PAGES && offset < slot->npages)
			hv_mmu_protect_pages(vcpu->vm, slot->gfn + offset, &one, 1);
		WRITE_ONCE(ring->head, ring->head + 1);
		if (n % 1024 == 1023) {
			if (signal_pending(current))
				return n + 1;
			cond_resched();
		}
	}
	return n;
}

/**
 * hv_dirty_rings_reset - HV_RESET_DIRTY_RINGS
 * @vm: VM
 *
 * Context: takes vm->slots_lock; may sleep.
 * Return: number of entries freed in all rings; -EINVAL: the VM has no rings.
 */
long hv_dirty_rings_reset(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu;
	unsigned int i;
	long n = 0;

	if (!vm->dirty.ring_size)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	hv_for_each_vcpu(i, vcpu, vm)
		n += ring_reset(vcpu);
	if (n)
		hv_mmu_flush_now(vm);
	mutex_unlock(&vm->slots_lock);
	return n;
}
