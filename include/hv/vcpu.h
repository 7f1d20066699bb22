/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual CPU and its run loop.
 */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include <linux/hv.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>
#include <hv/vm.h>
#include <hv/x86.h>

/**
 * enum hv_vcpu_mode - where a vCPU is, for those who want its attention
 * @HV_OUTSIDE_GUEST: it will look at its requests before the next entry
 * @HV_IN_GUEST: it needs an IPI to look
 * @HV_EXITING_GUEST: an IPI is on the way
 */
enum hv_vcpu_mode {
	HV_OUTSIDE_GUEST,
	HV_IN_GUEST,
	HV_EXITING_GUEST,
};

/**
 * enum hv_req - work that a vCPU does before it enters the guest again
 * @HV_REQ_EVENT: an interrupt, NMI or exception may be deliverable (or LAPIC state changed)
 * @HV_REQ_UNBLOCK: leave the blocked state (it carries no work of its own)
 * @HV_REQ_TLB_FLUSH: drop every guest-physical translation of this vCPU
 * @HV_REQ_TLB_FLUSH_GUEST: drop what the processor has cached of the guest's own page tables
 * @HV_REQ_TIMER: the LAPIC timer has expired: post its vector
 * @HV_REQ_IOAPIC_EOI: the VMM's IOAPIC is to hear of an EOI: x86.ioapic_eoi
 * @HV_REQ_TRIPLE_FAULT: shut the vCPU down
 * @HV_REQ_TSC: TSC offset changed by another thread
 * @HV_REQ_MASTER_CLOCK: find out whether the VM's vCPUs can all use one clock
 * @HV_REQ_CLOCK: write the time page; after HV_REQ_MASTER_CLOCK, which asks for it
 * @HV_REQ_STEAL: update the steal time; the vCPU's thread has been scheduled in
 * @HV_REQ_APIC: mode or base of the LAPIC changed
 * @HV_REQ_DIRTY_RING: the dirty ring is nearly full
 * @HV_REQ_DIRTY_LOG: the processor is to begin, or to stop, to log what it writes
 * @HV_REQ_DEAD: the VM died: HV_RUN returns -EIO
 */
enum hv_req {
	HV_REQ_EVENT,
	HV_REQ_UNBLOCK,
	HV_REQ_TLB_FLUSH,
	HV_REQ_TLB_FLUSH_GUEST,
	HV_REQ_TIMER,
	HV_REQ_IOAPIC_EOI,
	HV_REQ_TRIPLE_FAULT,
	HV_REQ_TSC,
	HV_REQ_MASTER_CLOCK,
	HV_REQ_CLOCK,
	HV_REQ_STEAL,
	HV_REQ_APIC,
	HV_REQ_DIRTY_RING,
	HV_REQ_DIRTY_LOG,
	HV_REQ_DEAD,
};

/**
 * struct hv_vcpu - one virtual CPU
 * @vm: its VM, to which the vCPU's file has a reference
 * @id: id given by the VMM = initial APIC id
 * @index: position in vm->vcpus
 * @mutex: one ioctl at a time; everything below without a note is guarded by it
 * @run: the page shared with userspace; kernel address. Everything read from it is
 *	hostile: copy once, check the copy.
 * @pio_data: second page of the mapping: data of port I/O
 * @cpu: host CPU on which it is loaded or was last loaded, -1 at first; written with
 *	preemption off
 * @loaded: loaded on @cpu now (between hv_vcpu_load and hv_vcpu_put); preemption off
 * @mode: enum hv_vcpu_mode; atomic
 * @posted: in the guest, the processor takes over what is posted to the LAPIC: a notification
 *	is enough; others look
 * @requests: bits of enum hv_req; atomic
 * @wait: where it sleeps when halted or waiting for SIPI; any context may wake it
 * @halt_poll_ns: how long to poll at the next HLT
 * @pid_lock: guards @pid
 * @pid: thread that runs the vCPU, or ran it last; holds a reference
 * @preempted: its thread was preempted and waits for a CPU; others look
 * @ready: likewise, or it was woken from HLT and waits for a CPU; others look
 * @preempted_in_kernel: CPL was 0 when @preempted was set; others look
 * @spinning: it is looking for another vCPU to yield to; others look
 * @spin_eligible: while @spinning: the next one who looks may choose it; any vCPU of the VM
 *	writes, a lost update only changes whose turn it is
 * @preempt_notifier: loads and unloads the vCPU as its thread is scheduled
 * @sigset_active: @sigset was set by HV_SET_SIGNAL_MASK
 * @sigset: signal mask during HV_RUN
 * @srcu_idx: SRCU read lock held during HV_RUN outside the guest
 * @dirty_ring: pages that it has written; see there for locks
 * @stats: counters
 * @x86: architecture part
 * @backend: private data of the backend
 */
struct hv_vcpu {
	struct hv_vm *vm;
	u32 id;
	u32 index;
	struct mutex mutex;		/* one ioctl at a time */
	struct hv_run *run;
	void *pio_data;
	int cpu;
	bool loaded;
	int mode;
	bool posted;
	unsigned long requests;
	struct rcuwait wait;
	u32 halt_poll_ns;
	spinlock_t pid_lock;		/* guards pid */
	struct pid *pid;
	bool preempted;
	bool ready;
	bool preempted_in_kernel;
	bool spinning;
	bool spin_eligible;
	struct preempt_notifier preempt_notifier;
	bool sigset_active;
	sigset_t sigset;
	int srcu_idx;
	struct hv_dirty_ring dirty_ring;
	struct hv_vcpu_stats stats;
	struct hv_vcpu_x86 x86;
	void *backend;
};

/* src/core/vcpu.c */
void hv_vcpu_load(struct hv_vcpu *vcpu);
void hv_vcpu_put(struct hv_vcpu *vcpu);
struct hv_vcpu *hv_vcpu_running(struct hv_vm *vm);

/* src/core/kick.c */
void hv_vcpu_request(struct hv_vcpu *vcpu, unsigned int req);
void hv_vcpu_kick(struct hv_vcpu *vcpu);
void hv_vcpu_notify(struct hv_vcpu *vcpu);
void hv_vcpu_wake(struct hv_vcpu *vcpu);

/* src/core/yield.c */
int hv_vcpu_yield_to(struct hv_vcpu *target);
void hv_vcpu_on_spin(struct hv_vcpu *me, bool kernel);

/* It could run, but its thread has no CPU. Any context; it may have changed at once. */
static inline bool hv_vcpu_ready(struct hv_vcpu *vcpu)
{
	return READ_ONCE(vcpu->ready);
}

/* src/core/run.c */
long hv_vcpu_run(struct hv_vcpu *vcpu);

static inline bool hv_req_pending(struct hv_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests);
}

/*
 * Test and clear one request. The barrier pairs with the one in
 * hv_vcpu_request(): whoever sees the bit also sees what was written before it.
 */
static inline bool hv_req_take(struct hv_vcpu *vcpu, unsigned int req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	/* the bit before what it announces; pairs with the setter's smp_wmb() */
	smp_mb__after_atomic();
	return true;
}

/* A request that the vCPU makes to itself: no kick needed. */
static inline void hv_req_set(struct hv_vcpu *vcpu, unsigned int req)
{
	smp_wmb(); /* pairs with the barrier in hv_req_take() */
	set_bit(req, &vcpu->requests);
}

/* Leave and re-take the SRCU read lock around anything that sleeps for long. */
static inline void hv_vcpu_srcu_lock(struct hv_vcpu *vcpu)
{
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
}

static inline void hv_vcpu_srcu_unlock(struct hv_vcpu *vcpu)
{
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
}

#endif
