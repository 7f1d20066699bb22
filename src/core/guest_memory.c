// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to guest memory from the kernel, by guest-physical address. It goes
 * through the userspace mapping of the slot, so pages are faulted in, copied on
 * write and marked dirty by the host as for any other write of the VMM.
 *
 * Every address was checked when its slot was made (below TASK_SIZE_MAX), so the
 * accessors that don't check again are used.
 */
#include <linux/err.h>
#include <linux/hv.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <hv/memory.h>
#include <hv/vm.h>
#include "dirty.h"

/*
 * Where @gpa is in the caller's address space.
 * @left: filled in with the number of bytes from there to the end of the slot
 * Returns the slot or an error.
 */
static const struct hv_memslot *guest_hva(struct hv_vm *vm, u64 gpa, bool write,
					  void __user **hva, u64 *left)
{
	const struct hv_memslot *slot;
	u64 offset;

	if (current->mm != vm->mm)
		return ERR_PTR(-EFAULT);
	slot = hv_memslot_find(hv_vm_memslots(vm), gpa >> PAGE_SHIFT);
	if (!slot)
		return ERR_PTR(-ENOENT);
	if (write && slot->flags & HV_MEM_READONLY)
		return ERR_PTR(-EROFS);

	offset = gpa - (slot->gfn << PAGE_SHIFT);
	*hva = (void __user *)(slot->hva + offset);
	*left = (slot->npages << PAGE_SHIFT) - offset;
	return slot;
}

/* @len bytes at @gpa, all in @slot, may have been written. */
static void guest_written(struct hv_vm *vm, const struct hv_memslot *slot, u64 gpa,
			  unsigned int len)
{
	u64 first = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;

	if (slot->flags & HV_MEM_LOG_DIRTY_PAGES)
		hv_dirty_mark(vm, slot, first, last - first + 1);
}

/**
 * hv_guest_read - read guest memory
 * @vm: VM; the caller's address space is the VM's
 * @gpa: guest-physical address; the range may cross pages and slots
 * @data: buffer
 * @len: bytes
 *
 * Context: inside a read section of vm->srcu; may sleep.
 * Return: 0; -ENOENT: no slot there (the access is MMIO); -EFAULT: the slot's
 * memory can't be read. After an error the buffer may be partly filled.
 */
int hv_guest_read(struct hv_vm *vm, u64 gpa, void *data, unsigned int len)
{
	while (len) {
		const struct hv_memslot *slot;
		void __user *hva;
		unsigned int n;
		u64 left;

		slot = guest_hva(vm, gpa, false, &hva, &left);
		if (IS_ERR(slot))
			return PTR_ERR(slot);
		n = min_t(u64, len, left);
		if (__copy_from_user(data, hva, n))
			return -EFAULT;
		gpa += n;
		data += n;
		len -= n;
	}
	return 0;
}

/**
 * hv_guest_read_entry - read an entry of a page table of the guest
 * @vm: VM; the caller's address space is the VM's
 * @slot: the slot of the previous entry or NULL; the one of this entry afterwards. The tables
 *	of a guest lie close together, so that one search serves a whole walk
 * @gpa: guest-physical address, aligned to @size
 * @entry: result, zero-extended
 * @size: 4 or 8
 *
 * Context: inside one read section of vm->srcu for all calls with the same @slot; may sleep.
 * Return: as hv_guest_read().
 */
int hv_guest_read_entry(struct hv_vm *vm, const struct hv_memslot **slot, u64 gpa, u64 *entry,
			unsigned int size)
{
	u64 gfn = gpa >> PAGE_SHIFT;
	unsigned long hva;
	u32 low;

	if (!*slot || gfn - (*slot)->gfn >= (*slot)->npages) {
		if (current->mm != vm->mm)
			return -EFAULT;
		*slot = hv_memslot_find(hv_vm_memslots(vm), gfn);
		if (!*slot)
			return -ENOENT;
	}
	hva = (*slot)->hva + (gpa - ((*slot)->gfn << PAGE_SHIFT));
	if (size == 8)
		return __get_user(*entry, (u64 __user *)hva);
	if (__get_user(low, (u32 __user *)hva))
		return -EFAULT;
	*entry = low;
	return 0;
}

/**
 * hv_guest_write - write guest memory
 * @vm: VM; the caller's address space is the VM's
 * @gpa: guest-physical address; the range may cross pages and slots
 * @data: what to write
 * @len: bytes
 *
 * Context: inside a read section of vm->srcu; may sleep.
 * Return: 0; -ENOENT: no slot there, or -EROFS: a read-only one (in both cases the
 * access is MMIO); -EFAULT: the slot's memory can't be written. After an error
 * a part may have been written.
 */
int hv_guest_write(struct hv_vm *vm, u64 gpa, const void *data, unsigned int len)
{
	while (len) {
		const struct hv_memslot *slot;
		unsigned long failed;
		void __user *hva;
		unsigned int n;
		u64 left;

		slot = guest_hva(vm, gpa, true, &hva, &left);
		if (IS_ERR(slot))
			return PTR_ERR(slot);
		n = min_t(u64, len, left);
		failed = __copy_to_user(hva, data, n);
		guest_written(vm, slot, gpa, n);
		if (failed)
			return -EFAULT;
		gpa += n;
		data += n;
		len -= n;
	}
	return 0;
}

/**
 * hv_guest_write_nofault - write guest memory that is there now
 * @vm: VM; the caller's address space is the VM's
 * @gpa: guest-physical address; the range lies in one slot
 * @data: what to write
 * @len: bytes
 *
 * Context: inside a read section of vm->srcu, the thread has a vCPU loaded; any that may access
 * user memory: preemption or interrupts off, too, and in the scheduler with its lock held.
 * Return: 0, or as hv_guest_write(), -EFAULT also if the host would have to bring the
 * memory first, or the VMM to make room in the vCPU's dirty ring: an overflow would end
 * in hv_vm_dead(), which wakes threads.
 */
int hv_guest_write_nofault(struct hv_vm *vm, u64 gpa, const void *data, unsigned int len)
{
	const struct hv_memslot *slot;
	void __user *hva;
	u64 left;
	unsigned long missing;

	slot = guest_hva(vm, gpa, true, &hva, &left);
	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (left < len || (slot->flags & HV_MEM_LOG_DIRTY_PAGES && !hv_dirty_ring_has_room(vm)))
		return -EFAULT;
	pagefault_disable();
	missing = __copy_to_user_inatomic(hva, data, len);
	pagefault_enable();
	if (missing < len)
		guest_written(vm, slot, gpa, len);
	return missing ? -EFAULT : 0;
}

static int user_cmpxchg(void __user *hva, void *old, const void *new, unsigned int len)
{
	switch (len) {
	case 1:
		return __try_cmpxchg_user((u8 __user *)hva, (u8 *)old, *(u8 *)new, fault1);
	case 2:
		return __try_cmpxchg_user((u16 __user *)hva, (u16 *)old, *(u16 *)new, fault2);
	case 4:
		return __try_cmpxchg_user((u32 __user *)hva, (u32 *)old, *(u32 *)new, fault4);
	case 8:
		return __try_cmpxchg_user((u64 __user *)hva, (u64 *)old, *(u64 *)new, fault8);
	}
	return -EINVAL;
}

/**
 * hv_guest_cmpxchg - atomically compare and exchange guest memory
 * @vm: VM; the caller's address space is the VM's
 * @gpa: guest-physical address, aligned to @len
 * @old: expected value; on a mismatch the one that is there
 * @new: new value
 * @len: 1, 2, 4 or 8 bytes
 *
 * Context: inside a read section of vm->srcu; may sleep.
 * Return: 0: exchanged; 1: mismatch; -EINVAL: length or alignment; -ENOENT, -EROFS,
 * -EFAULT: as hv_guest_write().
 */
int hv_guest_cmpxchg(struct hv_vm *vm, u64 gpa, void *old, const void *new,
		     unsigned int len)
{
	const struct hv_memslot *slot;
	void __user *hva;
	u64 left;
	int ret;

	if (!len || gpa & (len - 1))
		return -EINVAL;
	slot = guest_hva(vm, gpa, true, &hva, &left);
	if (IS_ERR(slot))
		return PTR_ERR(slot);

	ret = user_cmpxchg(hva, old, new, len);
	if (!ret)
		guest_written(vm, slot, gpa, len);
	return ret;
}
