// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory slots of a VM: changes, published to readers under SRCU.
 */
#include <linux/err.h>
#include <linux/hv.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <hv/dma.h>
#include <hv/memory.h>
#include <hv/vm.h>
#include "dirty.h"

static struct hv_memslots *memslots_alloc(unsigned int nr)
{
	struct hv_memslots *slots = kvmalloc(hv_slots_size(nr), GFP_KERNEL_ACCOUNT);

	if (slots)
		hv_slots_layout(slots, nr);
	return slots;
}

/**
 * hv_memslots_init - give a new VM its empty set of slots
 * @vm: VM
 *
 * Called by hv_mmu_init().
 *
 * Return: 0 or -ENOMEM.
 */
int hv_memslots_init(struct hv_vm *vm)
{
	struct hv_memslots *slots = memslots_alloc(0);

	if (!slots)
		return -ENOMEM;
	rcu_assign_pointer(vm->memslots, slots);
	return 0;
}

/**
 * hv_memslots_destroy - free the slots of a VM
 * @vm: VM without users; harmless if it has no slots
 *
 * Called by hv_mmu_destroy().
 */
void hv_memslots_destroy(struct hv_vm *vm)
{
	struct hv_memslots *slots = rcu_dereference_protected(vm->memslots, true);
	unsigned int i;

	for (i = 0; slots && i < slots->nr; i++)
		hv_dirty_bitmap_free(slots->slot[i].dirty_bitmap);
	kvfree(slots);
	RCU_INIT_POINTER(vm->memslots, NULL);
}

/**
 * hv_vm_memslots - the current slots
 * @vm: VM
 *
 * Context: inside a read section of vm->srcu, or vm->slots_lock held.
 * Return: slots, never NULL between hv_mmu_init() and hv_mmu_destroy().
 */
struct hv_memslots *hv_vm_memslots(struct hv_vm *vm)
{
	return srcu_dereference_check(vm->memslots, &vm->srcu,
				      lockdep_is_held(&vm->slots_lock));
}

/* Publish @to instead of @from; on return nobody uses @from any more. */
static void memslots_publish(struct hv_vm *vm, struct hv_memslots *from, struct hv_memslots *to,
			     enum hv_slot_op op, const struct hv_memslot *old)
{
	bool leaves = op == HV_SLOT_DELETE || op == HV_SLOT_MOVE;

	/*
	 * From the moment a slot isn't found any more until its mappings are
	 * gone, the notifier must still find them.
	 */
	if (leaves)
		hv_mmu_slot_leaves(vm, old);
	rcu_assign_pointer(vm->memslots, to);
	/* Then no fault is left that could map a page of the old slot, or as the old slot wants. */
	synchronize_srcu_expedited(&vm->srcu);
	if (leaves)
		hv_mmu_zap_slot(vm, old);
	/* A page of hv's own gives way; it is not mapped again where a slot is. */
	hv_mmu_unmap_own(vm);
}

/* Replace the slots by those with @op applied. */
static int memslots_change(struct hv_vm *vm, enum hv_slot_op op, struct hv_memslot *changed)
{
	struct hv_memslots *from = hv_vm_memslots(vm);
	struct hv_memslots *to = memslots_alloc(from->nr + (op == HV_SLOT_CREATE));
	struct hv_memslot *new = op == HV_SLOT_DELETE ? NULL : changed;
	const struct hv_memslot *old;
	int ret;

	if (!to)
		return -ENOMEM;
	old = op == HV_SLOT_CREATE ? NULL : hv_memslot_by_id(from, changed->id);
	ret = new ? hv_dirty_slot_prepare(vm, old, new) : 0;
	if (ret)
		goto err_slots;
	ret = hv_dma_slot_changing(vm, old, new);
	if (ret)
		goto err_dirty;
	hv_slots_apply(to, from, op, changed);
	memslots_publish(vm, from, to, op, old);
	hv_dma_slot_left(vm, old, new);
	hv_dirty_slot_changed(vm, old, new);
	kvfree(from);
	return 0;

err_dirty:
	hv_dirty_slot_unprepare(old, new);
err_slots:
	kvfree(to);
	return ret;
}

/**
 * hv_vm_set_memory_region - HV_SET_USER_MEMORY_REGION
 * @vm: VM; the caller's address space is the VM's
 * @mem: request, copied from userspace
 *
 * When it returns, no vCPU uses the old slot. Mappings of other slots are not
 * touched.
 *
 * Context: takes vm->slots_lock; not inside a read section of vm->srcu. Sleeps.
 * Return: 0; -EINVAL, -EEXIST: see hv_slots_check(); -ENOMEM; if devices are to reach it, what
 * hv_dma_slot_changing() returns.
 */
long hv_vm_set_memory_region(struct hv_vm *vm,
			     const struct hv_userspace_memory_region *mem)
{
	const struct hv_slot_limits limits = {
		.flags = HV_MEM_READONLY | HV_MEM_LOG_DIRTY_PAGES | HV_MEM_NO_DMA,
		.gfn_end = 1ULL << (hv_mmu_gpa_bits() - PAGE_SHIFT),
		.hva_end = TASK_SIZE_MAX,
	};
	struct hv_memslot new;
	int op;

	mutex_lock(&vm->slots_lock);
	op = hv_slots_check(hv_vm_memslots(vm), mem, &limits, &new);
	if (op > HV_SLOT_NONE)
		op = memslots_change(vm, op, &new);
	mutex_unlock(&vm->slots_lock);
	return op;
}
