// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes of the guest that signal eventfds (HV_IOEVENTFD). Each address space has a sorted
 * array, replaced as a whole. A write finds its entry by binary search inside the read section
 * of vm->srcu that every exit has anyway: no lock, nothing copied, no return to userspace.
 */
#include <linux/bsearch.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <hv/host.h>
#include <hv/vm.h>
#include "lapic.h"

#define IOEVENTFD_FLAGS		(HV_IOEVENTFD_FLAG_DATAMATCH | HV_IOEVENTFD_FLAG_PIO | \
				 HV_IOEVENTFD_FLAG_DEASSIGN)

/* Of one address space. The array is copied at each change. */
#define HV_MAX_IOEVENTFDS	65536

/**
 * struct ioeventfd - an address that signals
 * @addr: guest-physical address or port
 * @datamatch: value, 0 if all match
 * @eventfd: eventfd, with a reference
 * @len: length of the write, 0 if all match
 * @any_data: all values match
 */
struct ioeventfd {
	u64 addr;
	u64 datamatch;
	struct eventfd_ctx *eventfd;
	u8 len;
	bool any_data;
};

/**
 * struct hv_ioeventfd_table - those of an address space; immutable once published
 * @nr: number of entries
 * @e: sorted by address, length, value. What matches more than one value, or length, has no
 *	other entry beside it, so that this is also the order in which a write is compared
 */
struct hv_ioeventfd_table {
	unsigned int nr;
	struct ioeventfd e[];
};

/* ---- writes of the guest ---- */

static int compare_u64(u64 a, u64 b)
{
	return a < b ? -1 : a > b;
}

/* A write, as an entry without an eventfd, with an entry of the table */
static int compare_write(const void *key, const void *elt)
{
	const struct ioeventfd *w = key, *e = elt;
	int c = compare_u64(w->addr, e->addr);

	if (c || !e->len)
		return c;
	c = (int)w->len - e->len;
	if (c || e->any_data)
		return c;
	return compare_u64(w->datamatch, e->datamatch);
}

/* The same, of any length and with any value */
static int compare_addr(const void *key, const void *elt)
{
	const struct ioeventfd *e = elt;

	return compare_u64(*(const u64 *)key, e->addr);
}

/**
 * hv_ioeventfd_at() - there are eventfds at an address
 * @vm: VM
 * @space: address space
 * @addr: guest-physical address or port
 *
 * Context: inside a read section of vm->srcu.
 */
bool hv_ioeventfd_at(struct hv_vm *vm, enum hv_io_space space, u64 addr)
{
	const struct hv_ioeventfd_table *t;

	t = srcu_dereference(vm->ioeventfds.table[space], &vm->srcu);
	return t && __inline_bsearch(&addr, t->e, t->nr, sizeof(t->e[0]), compare_addr);
}

/**
 * hv_ioeventfd_signal() - the guest writes: is an eventfd there?
 * @vm: VM
 * @space: address space
 * @addr: guest-physical address or port
 * @len: 1, 2, 4 or 8 bytes; other lengths match entries of any length only
 * @data: the bytes
 *
 * Context: inside a read section of vm->srcu.
 * Return: true: it was signaled, the write is done.
 */
bool hv_ioeventfd_signal(struct hv_vm *vm, enum hv_io_space space, u64 addr, unsigned int len,
			 const void *data)
{
	const struct hv_ioeventfd_table *t;
	struct ioeventfd w = { .addr = addr, .len = len };
	const struct ioeventfd *e;

	t = srcu_dereference(vm->ioeventfds.table[space], &vm->srcu);
	if (!t)
		return false;
	memcpy(&w.datamatch, data, min_t(unsigned int, len, sizeof(w.datamatch)));
	e = __inline_bsearch(&w, t->e, t->nr, sizeof(*e), compare_write);
	if (!e)
		return false;
	host_eventfd_signal(e->eventfd);
	return true;
}

/* ---- changes: vm->ioeventfds.lock held ---- */

static struct hv_ioeventfd_table *table_of(struct hv_vm *vm, enum hv_io_space space)
{
	return rcu_dereference_protected(vm->ioeventfds.table[space],
					 lockdep_is_held(&vm->ioeventfds.lock));
}

/* NULL if there are no entries. */
static int table_alloc(struct hv_ioeventfd_table **t, unsigned int nr)
{
	*t = NULL;
	if (!nr)
		return 0;
	*t = kvmalloc(struct_size(*t, e, nr), GFP_KERNEL_ACCOUNT);
	if (!*t)
		return -ENOMEM;
	(*t)->nr = nr;
	return 0;
}

/* On return no write of the guest uses the old table any more. */
static void table_publish(struct hv_vm *vm, enum hv_io_space space,
			  struct hv_ioeventfd_table *new)
{
	struct hv_ioeventfd_table *old = table_of(vm, space);

	rcu_assign_pointer(vm->ioeventfds.table[space], new);
	if (!old)
		return;
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(old);
}

/* Would a write match both? */
static bool collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	if (a->len != b->len)
		return false;
	return a->any_data || b->any_data || a->datamatch == b->datamatch;
}

static bool before(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->addr != b->addr)
		return a->addr < b->addr;
	if (a->len != b->len)
		return a->len < b->len;
	return a->datamatch < b->datamatch;
}

static int table_insert(struct hv_vm *vm, enum hv_io_space space, const struct ioeventfd *new)
{
	struct hv_ioeventfd_table *old = table_of(vm, space), *t;
	unsigned int nr = old ? old->nr : 0, i, at = 0;
	int ret;

	for (i = 0; i < nr; i++) {
		if (collide(&old->e[i], new))
			return -EEXIST;
		if (before(&old->e[i], new))
			at = i + 1;
	}
	if (nr == HV_MAX_IOEVENTFDS)
		return -ENOSPC;
	ret = table_alloc(&t, nr + 1);
	if (ret)
		return ret;
	if (old) {
		memcpy(t->e, old->e, at * sizeof(*t->e));
		memcpy(t->e + at + 1, old->e + at, (nr - at) * sizeof(*t->e));
	}
	t->e[at] = *new;
	table_publish(vm, space, t);
	return 0;
}

static bool same(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->eventfd == b->eventfd && a->addr == b->addr && a->len == b->len &&
	       a->any_data == b->any_data && a->datamatch == b->datamatch;
}

/* The entry's reference to its eventfd is the caller's then. */
static int table_remove(struct hv_vm *vm, enum hv_io_space space, const struct ioeventfd *gone)
{
	struct hv_ioeventfd_table *old = table_of(vm, space), *t;
	unsigned int nr = old ? old->nr : 0, at;
	int ret;

	for (at = 0; at < nr && !same(&old->e[at], gone); at++)
		;
	if (at == nr)
		return -ENOENT;
	ret = table_alloc(&t, nr - 1);
	if (ret)
		return ret;
	if (t) {
		memcpy(t->e, old->e, at * sizeof(*t->e));
		memcpy(t->e + at, old->e + at + 1, (nr - 1 - at) * sizeof(*t->e));
	}
	table_publish(vm, space, t);
	return 0;
}

/* ---- the call ---- */

static int ioeventfd_check(const struct hv_ioeventfd *args)
{
	if (args->flags & ~IOEVENTFD_FLAGS)
		return -EINVAL;
	switch (args->len) {
	case 0:
		/* A write of any length has no value to compare. */
		if (args->flags & HV_IOEVENTFD_FLAG_DATAMATCH)
			return -EINVAL;
		break;
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}
	return args->addr + args->len < args->addr ? -EINVAL : 0;
}

/**
 * hv_ioeventfd_call() - HV_IOEVENTFD
 * @vm: VM
 * @data: struct hv_ioeventfd
 * @arg: not used
 *
 * Context: process context, sleeps.
 * Return: 0; -EINVAL for flags, length, a range that wraps, or an fd that is no eventfd;
 * -EBADF; -EEXIST if a write would match two; -ENOENT; -ENOSPC; -ENOMEM.
 */
long hv_ioeventfd_call(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_ioeventfd *args = data;
	bool match = args->flags & HV_IOEVENTFD_FLAG_DATAMATCH;
	bool deassign = args->flags & HV_IOEVENTFD_FLAG_DEASSIGN;
	enum hv_io_space space;
	struct ioeventfd e = {
		.addr = args->addr,
		.len = args->len,
		.datamatch = match ? args->datamatch : 0,
		.any_data = !match,
	};
	int ret = ioeventfd_check(args);

	if (ret)
		return ret;
	e.eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(e.eventfd))
		return PTR_ERR(e.eventfd);
	space = args->flags & HV_IOEVENTFD_FLAG_PIO ? HV_IO_PORTS : HV_IO_MEMORY;

	mutex_lock(&vm->ioeventfds.lock);
	ret = deassign ? table_remove(vm, space, &e) : table_insert(vm, space, &e);
	mutex_unlock(&vm->ioeventfds.lock);

	/* The table has taken the reference over, or gives its own back. */
	if (deassign && !ret)
		eventfd_ctx_put(e.eventfd);
	if (deassign || ret)
		eventfd_ctx_put(e.eventfd);
	return ret;
}

/* ---- life ---- */

/**
 * hv_ioeventfds_init() - a new VM
 * @vm: VM that nobody else sees yet
 */
void hv_ioeventfds_init(struct hv_vm *vm)
{
	mutex_init(&vm->ioeventfds.lock);
}

/**
 * hv_ioeventfds_destroy() - free all
 * @vm: VM that nobody can reach any more
 */
void hv_ioeventfds_destroy(struct hv_vm *vm)
{
	struct hv_ioeventfd_table *t;
	unsigned int space, i;

	for (space = 0; space < HV_NR_IO_SPACES; space++) {
		t = rcu_dereference_protected(vm->ioeventfds.table[space], true);
		RCU_INIT_POINTER(vm->ioeventfds.table[space], NULL);
		for (i = 0; t && i < t->nr; i++)
			eventfd_ctx_put(t->e[i].eventfd);
		kvfree(t);
	}
}
