// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced I/O (HV_REGISTER_COALESCED_MMIO): writes to registers that may wait are put in a
 * ring that the VMM maps, and the guest goes on. The VMM takes them out before it does what
 * HV_RUN returns for. Each address space has a sorted array of zones, replaced as a whole; a write
 * finds out whether one covers it by binary search inside the read section of vm->srcu that every
 * exit has anyway.
 */
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/hv.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <hv/vm.h>

/* Of one address space. The array is copied at each change. */
#define HV_MAX_COALESCED_ZONES	1000

/**
 * struct coalesced_zone - addresses whose writes may wait
 * @start: first guest-physical address or port
 * @end: address behind the last one
 * @reach: highest @end of this zone and those before it: what begins in a zone or before it is
 *	covered by one of them if it ends here or below
 */
struct coalesced_zone {
	u64 start;
	u64 end;
	u64 reach;
};

/**
 * struct hv_coalesced_table - those of an address space; immutable once published
 * @nr: number of zones
 * @zone: by @start; they may overlap
 */
struct hv_coalesced_table {
	unsigned int nr;
	struct coalesced_zone zone[];
};

/* ---- writes of the guest ---- */

static bool table_covers(const struct hv_coalesced_table *t, u64 addr, unsigned int len)
{
	unsigned int lo = 0, hi = t->nr;

	/* The first one that starts above the address */
	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (t->zone[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && t->zone[lo - 1].reach > addr && t->zone[lo - 1].reach - addr >= len;
}

/*
 * The VMM may write anything to the indices: an impossible one counts as a full ring, and a wrong
 * one costs the VMM entries that it hasn't read.
 */
static bool ring_add(struct hv_coalesced *c, const struct hv_coalesced_mmio *entry)
{
	struct hv_coalesced_mmio_ring *ring = c->ring;
	u32 last, next;
	bool room;

	spin_lock(&c->ring_lock);
	last = READ_ONCE(ring->last);
	next = (last + 1) % HV_COALESCED_MMIO_MAX;
	/* Pairs with the VMM, which has read the entries below its index before it moved it. */
	room = last < HV_COALESCED_MMIO_MAX && next != smp_load_acquire(&ring->first);
	if (room) {
		ring->coalesced_mmio[last] = *entry;
		/* The entry before the index; the VMM reads them the other way round. */
		smp_store_release(&ring->last, next);
	}
	spin_unlock(&c->ring_lock);
	return room;
}

/**
 * hv_coalesced_write() - the guest writes: may it wait?
 * @vm: VM
 * @space: address space
 * @addr: guest-physical address or port
 * @len: 1 to 8 bytes
 * @data: the bytes
 *
 * Context: inside a read section of vm->srcu; doesn't sleep.
 * Return: true: it is in the ring. False: no zone covers all of it, or the ring is full; the
 * VMM gets it as an exit, before which it empties the ring.
 */
bool hv_coalesced_write(struct hv_vm *vm, enum hv_io_space space, u64 addr, unsigned int len,
			const void *data)
{
	const struct hv_coalesced_table *t;
	struct hv_coalesced_mmio entry = {
		.phys_addr = addr,
		.len = len,
		.pio = space == HV_IO_PORTS,
	};

	t = srcu_dereference(vm->coalesced.table[space], &vm->srcu);
	if (!t || len > sizeof(entry.data) || !table_covers(t, addr, len))
		return false;
	memcpy(entry.data, data, len);
	return ring_add(&vm->coalesced, &entry);
}

/* ---- changes: vm->coalesced.lock held ---- */

static struct hv_coalesced_table *table_of(struct hv_vm *vm, enum hv_io_space space)
{
	return rcu_dereference_protected(vm->coalesced.table[space],
					 lockdep_is_held(&vm->coalesced.lock));
}

static struct hv_coalesced_table *table_alloc(unsigned int nr)
{
	struct hv_coalesced_table *t;

	t = kvmalloc(struct_size(t, zone, nr), GFP_KERNEL_ACCOUNT);
	if (t)
		t->nr = 0;
	return t;
}

static void table_append(struct hv_coalesced_table *t, u64 start, u64 end)
{
	u64 reach = t->nr ? max(t->zone[t->nr - 1].reach, end) : end;

	t->zone[t->nr++] = (struct coalesced_zone){ start, end, reach };
}

/* @new is the table's from here on. On return no write of the guest uses the old one any more. */
static void table_publish(struct hv_vm *vm, enum hv_io_space space,
			  struct hv_coalesced_table *new)
{
	struct hv_coalesced_table *old = table_of(vm, space);

	if (!new->nr) {
		kvfree(new);
		new = NULL;
	}
	rcu_assign_pointer(vm->coalesced.table[space], new);
	if (!old)
		return;
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(old);
}

static int table_insert(struct hv_vm *vm, enum hv_io_space space, u64 start, u64 end)
{
	struct hv_coalesced_table *old = table_of(vm, space), *new;
	unsigned int nr = old ? old->nr : 0, i = 0;

	if (nr == HV_MAX_COALESCED_ZONES)
		return -ENOSPC;
	new = table_alloc(nr + 1);
	if (!new)
		return -ENOMEM;
	for (; i < nr && old->zone[i].start <= start; i++)
		table_append(new, old->zone[i].start, old->zone[i].end);
	table_append(new, start, end);
	for (; i < nr; i++)
		table_append(new, old->zone[i].start, old->zone[i].end);
	table_publish(vm, space, new);
	return 0;
}

static int table_remove(struct hv_vm *vm, enum hv_io_space space, u64 start, u64 end)
{
	struct hv_coalesced_table *old = table_of(vm, space), *new;
	unsigned int i;

	if (!old)
		return 0;
	new = table_alloc(old->nr);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < old->nr; i++)
		if (old->zone[i].start > start || old->zone[i].end < end)
			table_append(new, old->zone[i].start, old->zone[i].end);
	if (new->nr == old->nr)
		kvfree(new);
	else
		table_publish(vm, space, new);
	return 0;
}

/* ---- the calls ---- */

static int zone_check(const struct hv_coalesced_mmio_zone *zone)
{
	if (zone->pio > 1 || !zone->size || zone->addr + zone->size < zone->addr)
		return -EINVAL;
	return 0;
}

static enum hv_io_space zone_space(const struct hv_coalesced_mmio_zone *zone)
{
	return zone->pio ? HV_IO_PORTS : HV_IO_MEMORY;
}

/**
 * hv_coalesced_register() - HV_REGISTER_COALESCED_MMIO
 * @vm: VM
 * @zone: zone, a private copy
 *
 * Context: takes vm->coalesced.lock; not inside a read section of vm->srcu. Sleeps.
 * Return: 0; -EINVAL: empty, wraps, or neither memory nor ports; -ENOSPC: too many; -ENOMEM.
 */
long hv_coalesced_register(struct hv_vm *vm, const struct hv_coalesced_mmio_zone *zone)
{
	int ret = zone_check(zone);

	if (ret)
		return ret;
	mutex_lock(&vm->coalesced.lock);
	ret = table_insert(vm, zone_space(zone), zone->addr, zone->addr + zone->size);
	mutex_unlock(&vm->coalesced.lock);
	return ret;
}

/**
 * hv_coalesced_unregister() - HV_UNREGISTER_COALESCED_MMIO
 * @vm: VM
 * @zone: range, a private copy: each zone that holds all of it goes, as with KVM
 *
 * After it no write is added to the ring for a zone that has gone; what is there stays.
 *
 * Context: as hv_coalesced_register().
 * Return: 0, also if there was none; -EINVAL; -ENOMEM, nothing has changed then.
 */
long hv_coalesced_unregister(struct hv_vm *vm, const struct hv_coalesced_mmio_zone *zone)
{
	int ret = zone_check(zone);

	if (ret)
		return ret;
	mutex_lock(&vm->coalesced.lock);
	ret = table_remove(vm, zone_space(zone), zone->addr, zone->addr + zone->size);
	mutex_unlock(&vm->coalesced.lock);
	return ret;
}

/* ---- life ---- */

/**
 * hv_coalesced_init() - a new VM
 * @vm: VM that nobody else sees yet
 *
 * Return: 0 or -ENOMEM.
 */
int hv_coalesced_init(struct hv_vm *vm)
{
	mutex_init(&vm->coalesced.lock);
	spin_lock_init(&vm->coalesced.ring_lock);
	vm->coalesced.ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vm->coalesced.ring ? 0 : -ENOMEM;
}

/**
 * hv_coalesced_destroy() - free all
 * @vm: VM that nobody can reach any more; a mapping has a reference to the ring's page
 */
void hv_coalesced_destroy(struct hv_vm *vm)
{
	unsigned int space;

	for (space = 0; space < HV_NR_IO_SPACES; space++) {
		kvfree(rcu_dereference_protected(vm->coalesced.table[space], true));
		RCU_INIT_POINTER(vm->coalesced.table[space], NULL);
	}
	free_page((unsigned long)vm->coalesced.ring);
}
