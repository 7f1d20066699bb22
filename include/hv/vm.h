/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM: what all vCPUs of one guest share.
 */
#ifndef HV_VM_H
#define HV_VM_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <hv/coalesced.h>
#include <hv/dma.h>
#include <hv/eventfd.h>
#include <hv/memory.h>
#include <hv/post.h>
#include <hv/pv.h>
#include <hv/stats.h>

#define HV_MAX_VCPUS	64
/* vCPU ids are APIC ids: xAPIC has 8 bits, 255 is broadcast (SDM 3A 11.4.6) */
#define HV_MAX_VCPU_ID	255

struct hv_vcpu;
struct hv_ioapic;
struct hv_pic;
struct hv_pit;
struct hv_route_table;

/**
 * struct hv_vm_x86 - the architecture's part of a VM
 * @tss_addr: HV_SET_TSS_ADDR, kept only to be accepted (unrestricted guest needs none); lock
 * @identity_map_addr: HV_SET_IDENTITY_MAP_ADDR, likewise; lock
 * @clock: the VM's clock
 * @tsc_khz: guest TSC rate of new vCPUs, kHz; fixed at create
 * @tsc_base: host TSC when the VM was created: vCPUs start with a guest TSC that
 *	is zero there, so all vCPUs of a VM agree without a write by the VMM
 * @tsc_lock: guards @tsc_offset
 * @tsc_offset: guest TSC minus host TSC as last set for a vCPU: new vCPUs, and those that the
 *	VMM sets to nearly the same, take it
 * @exception_payload: HV_CAP_EXCEPTION_PAYLOAD enabled; lock, set before the first vCPU
 * @triple_fault_event: HV_CAP_X86_TRIPLE_FAULT_EVENT enabled; lock
 */
struct hv_vm_x86 {
	u64 tss_addr;
	u64 identity_map_addr;
	struct hv_clock clock;
	u32 tsc_khz;
	u64 tsc_base;
	spinlock_t tsc_lock;		/* guards tsc_offset */
	u64 tsc_offset;
	bool exception_payload;
	bool triple_fault_event;
};

/**
 * struct hv_vm - one virtual machine
 * @ref: one for the VM fd, each vCPU fd, each statistics fd, the fd of HV_CREATE_DEVICE, and each
 *	PCI function that the VM has
 * @mm: the creator's address space (mmgrab); calls from another one get -EIO
 * @lock: outermost VM lock: vCPU creation, irqchip creation, clock
 * @slots_lock: serializes changes of @memslots; nests inside @lock
 * @srcu: readers of @memslots
 * @memslots: current slot array, replaced whole under @slots_lock
 * @mmu: second-stage tables and the notifier's state
 * @dirty: dirty logging; @slots_lock
 * @dma: assigned devices and what they reach
 * @vcpus: by creation index; entries below @nr_vcpus never change (smp_load_acquire)
 * @nr_vcpus: number of valid entries in @vcpus; written under @lock (smp_store_release)
 * @boot_vcpu_id: vCPU id that is the BSP; @lock, fixed once a vCPU exists
 * @halt_poll_set: HV_CAP_HALT_POLL was enabled: @halt_poll_ns counts; @lock
 * @halt_poll_ns: longest poll after HLT; @lock, vCPUs read it without
 * @last_boosted: index of the vCPU that last got another one's turn; a hint, any vCPU writes
 * @dead: an impossible state was met; every later call returns -EIO
 * @irqchip_in_kernel: HV_CREATE_IRQCHIP succeeded, vCPUs have a LAPIC;
 *	written under @lock before the first vCPU
 * @ioapic: in-kernel IOAPIC or NULL (split: the VMM has it); set once together with
 *	@irqchip_in_kernel
 * @nr_ioapic_routes: split: GSIs below it are pins of the VMM's IOAPIC; set with
 *	@irqchip_in_kernel
 * @x2apic_ids: HV_X2APIC_API_USE_32BIT_IDS; set under @lock
 * @x2apic_no_quirk: HV_X2APIC_API_DISABLE_BROADCAST_QUIRK; set under @lock
 * @pic: pair of in-kernel PICs or NULL; set with @ioapic
 * @pit: in-kernel PIT or NULL; set once under @lock (smp_store_release)
 * @routing: GSI routing, replaced whole under @irq_lock, readers use RCU
 * @irq_lock: serializes changes of @routing
 * @irqfds: eventfds that interrupt
 * @ioeventfds: eventfds that the guest signals
 * @coalesced: writes of the guest that wait for the VMM
 * @posts: interrupts of devices that the IOMMU may post
 * @has_vfio: there is an fd of HV_CREATE_DEVICE with HV_DEV_TYPE_VFIO; @lock
 * @x86: architecture part
 * @backend: private data of the backend
 * @stats: counters, see hv/stats.h
 * @id: number in messages
 */
struct hv_vm {
	struct kref ref;
	struct mm_struct *mm;
	struct mutex lock;		/* outermost */
	struct mutex slots_lock;	/* nests inside lock */
	struct srcu_struct srcu;
	struct hv_memslots __rcu *memslots;
	struct hv_mmu mmu;
	struct hv_dirty dirty;
	struct hv_dma dma;
	struct hv_vcpu *vcpus[HV_MAX_VCPUS];
	unsigned int nr_vcpus;
	u32 boot_vcpu_id;
	bool halt_poll_set;
	u32 halt_poll_ns;
	unsigned int last_boosted;
	bool dead;
	bool irqchip_in_kernel;
	struct hv_ioapic *ioapic;
	struct hv_pic *pic;
	struct hv_pit *pit;
	u32 nr_ioapic_routes;
	bool x2apic_ids;
	bool x2apic_no_quirk;
	struct hv_route_table __rcu *routing;
	struct mutex irq_lock;		/* writers of routing */
	struct hv_irqfds irqfds;
	struct hv_ioeventfds ioeventfds;
	struct hv_coalesced coalesced;
	struct hv_posts posts;
	bool has_vfio;
	struct hv_vm_x86 x86;
	void *backend;
	struct hv_vm_stats stats;
	unsigned int id;
};

/* src/core/vm.c */
void hv_vm_get(struct hv_vm *vm);
void hv_vm_put(struct hv_vm *vm);
struct hv_vcpu *hv_vcpu_by_id(struct hv_vm *vm, u32 id);
void hv_vm_dead(struct hv_vm *vm, const char *why);
void hv_vm_request_all(struct hv_vm *vm, unsigned int req);

/* Every vCPU that exists when the loop starts; new ones may be missed. */
#define hv_for_each_vcpu(i, vcpu, vm)						\
	for ((i) = 0;								\
	     /* pairs with the release in hv_vcpu_create() */			\
	     (i) < smp_load_acquire(&(vm)->nr_vcpus) &&				\
	     ((vcpu) = (vm)->vcpus[i], true);					\
	     (i)++)

#endif
