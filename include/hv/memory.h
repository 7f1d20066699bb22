/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: slots of userspace memory, their second-stage mapping, and
 * access to them from the kernel.
 */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include <linux/mmu_notifier.h>
#include <linux/rwlock.h>
#include <linux/types.h>
#include <hv/stage2.h>

#define HV_MAX_MEMSLOTS	512

struct hv_vm;
struct hv_vcpu;
struct hv_userspace_memory_region;

/**
 * struct hv_memslot - guest-physical range backed by userspace memory
 * @gfn: first guest frame
 * @npages: length in 4 KiB pages, never 0
 * @hva: userspace address of the first page
 * @flags: HV_MEM_*
 * @id: the VMM's slot number
 */
struct hv_memslot {
	u64 gfn;
	u64 npages;
	unsigned long hva;
	u32 flags;
	u32 id;
};

/**
 * struct hv_memslots - all slots of a VM, immutable once published
 * @rcu: not used for freeing (SRCU is synchronous); kept small on purpose
 * @generation: grows with each publication; cached lookups compare it
 * @nr: entries in @slot
 * @slot: sorted by @gfn, no overlap
 */
struct hv_memslots {
	u64 generation;
	unsigned int nr;
	struct hv_memslot slot[];
};

/**
 * struct hv_mmu - the VM's second-stage tables
 * @notifier: mmu notifier on vm->mm
 * @lock: guards @s2's tables against notifier, faults and slot changes; innermost
 *	but for nothing; interrupts on, does not sleep under it
 * @invalidate_seq: grows when an invalidation ends; @lock
 * @invalidate_count: invalidations in progress; @lock
 * @invalidate_start: lowest hva of those in progress; @lock
 * @invalidate_end: end of the highest; @lock
 * @s2: tables
 */
struct hv_mmu {
	struct mmu_notifier notifier;
	rwlock_t lock;
	unsigned long invalidate_seq;
	long invalidate_count;
	unsigned long invalidate_start;
	unsigned long invalidate_end;
	struct hv_s2 s2;
};

/* What a guest access wants, also the bits of a fault. */
#define HV_ACC_READ	BIT(0)
#define HV_ACC_WRITE	BIT(1)
#define HV_ACC_EXEC	BIT(2)

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
long hv_vm_set_memory_region(struct hv_vm *vm,
			     const struct hv_userspace_memory_region *mem);
const struct hv_memslot *hv_memslot_find(const struct hv_memslots *slots, u64 gfn);
struct hv_memslots *hv_vm_memslots(struct hv_vm *vm);

/* src/core/mmu.c: second-stage faults and the mmu notifier */
int hv_mmu_init(struct hv_vm *vm);
void hv_mmu_shutdown(struct hv_vm *vm);
void hv_mmu_destroy(struct hv_vm *vm);
int hv_mmu_fault(struct hv_vcpu *vcpu, u64 gpa, unsigned int access);
void hv_mmu_zap_slot(struct hv_vm *vm, const struct hv_memslot *slot);

/* src/core/guest_memory.c: callers hold vm->srcu; may fault and sleep */
int hv_guest_read(struct hv_vm *vm, u64 gpa, void *data, unsigned int len);
int hv_guest_write(struct hv_vm *vm, u64 gpa, const void *data, unsigned int len);
int hv_guest_cmpxchg(struct hv_vm *vm, u64 gpa, void *old, const void *new,
		     unsigned int len);

#endif
