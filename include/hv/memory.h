/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: slots of userspace memory, their second-stage mapping, and
 * access to them from the kernel.
 */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <hv/slots.h>
#include <hv/stage2.h>

struct hv_vm;
struct hv_vcpu;
struct hv_userspace_memory_region;

/**
 * struct hv_mmu - the VM's second-stage tables
 * @notifier: mmu notifier on vm->mm
 * @link: in the list of all VMs (src/core/mmu.c)
 * @lock: faults and aging hold it for reading and change entries atomically;
 *	invalidations and slot changes hold it for writing. A dirty ring's lock is
 *	taken inside; interrupts on, nobody sleeps under it
 * @invalidate_seq: grows when an invalidation ends; written under @lock
 * @invalidate_count: invalidations in progress; @lock
 * @invalidate_start: lowest hva of those in progress; @lock
 * @invalidate_end: end of the highest; @lock
 * @leaving: slot that is no longer published but still mapped, npages 0: none; @lock.
 *	With it invalidations find memory that only an old slot has mapped
 * @unmap_seq: grows when leaves are removed; written under @lock
 * @flushed_seq: value of @unmap_seq up to which all TLBs have been flushed
 * @own_gfn: frame that hv_mmu_map_own() has mapped; written under @lock
 * @own_mapped: there is one; written under @lock
 * @s2: tables
 */
struct hv_mmu {
	struct mmu_notifier notifier;
	struct list_head link;
	rwlock_t lock;
	unsigned long invalidate_seq;
	unsigned long invalidate_count;
	unsigned long invalidate_start;
	unsigned long invalidate_end;
	struct hv_memslot leaving;
	s64 unmap_seq;
	atomic64_t flushed_seq;
	u64 own_gfn;
	bool own_mapped;
	struct hv_s2 s2;
};

/**
 * struct hv_dirty - the VM's dirty logging; vm->slots_lock
 * @manual: HV_CAP_MANUAL_DIRTY_LOG_PROTECT2: collecting protects nothing, HV_CLEAR_DIRTY_LOG does
 * @initially_set: ... and all pages count as written when logging begins
 * @nr_slots: slots that log; also read without the lock
 * @ring_size: entries of each vCPU's dirty ring; 0: bitmaps. Set before the first vCPU
 */
struct hv_dirty {
	bool manual;
	bool initially_set;
	unsigned int nr_slots;
	u32 ring_size;
};

/**
 * struct hv_dirty_ring - a vCPU's dirty ring
 * @entry: entries, shared with the VMM; NULL: none
 * @size: number of entries, a power of two; 0: no ring
 * @lock: guards @tail and the entry there; interrupts off
 * @tail: entries ever made; grows
 * @head: entries ever taken back; grows; vm->slots_lock
 */
struct hv_dirty_ring {
	struct hv_dirty_gfn *entry;
	u32 size;
	raw_spinlock_t lock;		/* guards tail */
	u32 tail;
	u32 head;
};

/**
 * enum hv_fault - what became of a second-stage fault
 * @HV_FAULT_DONE: mapped (or will be next time): enter the guest again
 * @HV_FAULT_MMIO: no slot there, or a write to a read-only slot: emulate
 */
enum hv_fault {
	HV_FAULT_DONE,
	HV_FAULT_MMIO,
};

/* src/core/memslot.c */
int hv_memslots_init(struct hv_vm *vm);
void hv_memslots_destroy(struct hv_vm *vm);
long hv_vm_set_memory_region(struct hv_vm *vm,
			     const struct hv_userspace_memory_region *mem);
struct hv_memslots *hv_vm_memslots(struct hv_vm *vm);

/* src/core/mmu.c: second-stage faults and the mmu notifier */
int hv_mmu_init(struct hv_vm *vm);
void hv_mmu_shutdown(struct hv_vm *vm);
void hv_mmu_destroy(struct hv_vm *vm);
int hv_mmu_fault(struct hv_vcpu *vcpu, u64 gpa, unsigned int access);
s64 hv_mmu_prefault(struct hv_vcpu *vcpu, u64 gpa, u64 size);
void hv_mmu_slot_leaves(struct hv_vm *vm, const struct hv_memslot *slot);
void hv_mmu_zap_slot(struct hv_vm *vm, const struct hv_memslot *slot);
int hv_mmu_map_own(struct hv_vcpu *vcpu, u64 gfn, u64 pfn);
void hv_mmu_unmap_own(struct hv_vm *vm);
unsigned int hv_mmu_gpa_bits(void);

/* src/core/dirty.c */
long hv_dirty_enable_manual(struct hv_vm *vm, u64 flags);
void hv_dirty_mark_gfn(struct hv_vm *vm, u64 gfn);
void hv_dirty_mark_slot(struct hv_vm *vm, u32 id);

/* src/core/dirty_ring.c */
long hv_dirty_ring_enable(struct hv_vm *vm, u64 bytes);

/* src/core/guest_memory.c: callers hold vm->srcu; may fault and sleep, but for _nofault */
int hv_guest_read(struct hv_vm *vm, u64 gpa, void *data, unsigned int len);
int hv_guest_write(struct hv_vm *vm, u64 gpa, const void *data, unsigned int len);
int hv_guest_read_entry(struct hv_vm *vm, const struct hv_memslot **slot, u64 gpa, u64 *entry,
			unsigned int size);
int hv_guest_write_nofault(struct hv_vm *vm, u64 gpa, const void *data, unsigned int len);
int hv_guest_cmpxchg(struct hv_vm *vm, u64 gpa, void *old, const void *new,
		     unsigned int len);

#endif
