// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory slots of a VM: changes, published to readers under SRCU.
 */
#include <linux/err.h>
#include <linux/hv.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <hv/memory.h>
#include <hv/vm.h>

static struct hv_memslots *memslots_alloc(unsigned int nr)
{
	struct hv_memslots *slots;

	return kvzalloc(struct_size(slots, slot, nr), GFP_KERNEL_ACCOUNT);
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
	kvfree(rcu_dereference_protected(vm->memslots, true));
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

/* Replace the slots by those with @op applied; on return nobody uses the old ones. */
static int memslots_change(struct hv_vm *vm, enum hv_slot_op op, const struct hv_memslot *new)
{
	struct hv_memslots *from = hv_vm_memslots(vm);
	struct hv_memslots *to = memslots_alloc(from->nr + (op == HV_SLOT_CREATE));
	const struct hv_memslot *old;

	if (!to)
		return -ENOMEM;
	hv_slots_apply(to, from, op, new);

	old = op == HV_SLOT_CREATE ? NULL : hv_memslot_by_id(from, new->id);
	/*
	 * From the moment a slot isn't found any more until its mappings are
	 * gone, the notifier must still find them.
	 */
	if (old)
		hv_mmu_slot_leaves(vm, old);
	rcu_assign_pointer(vm->memslots, to);
	/* Then no fault is left that could map a page of the old slot. */
	synchronize_srcu_expedited(&vm->srcu);
	if (old)
		hv_mmu_zap_slot(vm, old);
	/* A page of hv's own gives way; it is not mapped again where a slot is. */
	hv_mmu_unmap_own(vm);
	kvfree(from);
	return 0;
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
 * Return: 0; -EINVAL, -EEXIST: see hv_slots_check(); -ENOMEM.
 */
long hv_vm_set_memory_region(struct hv_vm *vm,
			     const struct hv_userspace_memory_region *mem)
{
	const struct hv_slot_limits limits = {
		.flags = HV_MEM_READONLY,
		.gfn_end = hv_mmu_gfn_end(vm),
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
