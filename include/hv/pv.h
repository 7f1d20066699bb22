/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest that knows it is one gets from hv: KVM's paravirtual interface
 * (Documentation/virt/kvm/x86/{cpuid,msr,hypercalls}.rst of the kernel).
 */
#ifndef HV_PV_H
#define HV_PV_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct hv_vm;
struct hv_vcpu;

/* Bit 0 of MSR_KVM_POLL_CONTROL: the host may poll after HLT */
#define HV_POLL_CONTROL_HOST	1

/**
 * struct hv_clock_point - a clock that runs with the host's TSC
 * @tsc: host TSC; 0: the clock was never read
 * @ns: what the clock showed then
 */
struct hv_clock_point {
	u64 tsc;
	u64 ns;
};

/**
 * struct hv_clock - the VM's clock: HV_GET_CLOCK, and pvclock in the guest
 * @link: in the list of all VMs' clocks, under that list's lock
 * @lock: guards what follows, and each vCPU's pv.clock_last
 * @master: all vCPUs compute the time from @base. Possible while the host's clock is read
 *	from the TSC and the vCPUs' TSCs agree
 * @base: the clock, while @master
 * @offset: the clock minus host_clock_ns(), while not @master; else about that
 * @wall_clock: MSR_KVM_WALL_CLOCK_NEW
 */
struct hv_clock {
	struct list_head link;
	spinlock_t lock;		/* guards the rest */
	bool master;
	struct hv_clock_point base;
	s64 offset;
	u64 wall_clock;
};

/**
 * struct hv_pv_vcpu - paravirtual state of a vCPU; vcpu->mutex unless noted
 * @features: KVM_FEATURE_* bits in the guest's CPUID
 * @enforce: the guest may use what @features has, nothing else
 * @system_time: MSR_KVM_SYSTEM_TIME_NEW: address of the time page, bit 0: enabled
 * @clock_stopped: tell the guest that it was paused, with the next update of the page
 * @steal_time: MSR_KVM_STEAL_TIME: address of the area, bit 0: enabled
 * @steal_tid: thread whose waiting is counted in @steal_seen
 * @steal_seen: its sched_info.run_delay when the area was last updated, ns
 * @at_boundary: no instruction of the guest is half done; the vCPU's thread
 * @preempted_told: the area says KVM_VCPU_PREEMPTED; the vCPU's thread, preemption off
 * @poll_control: MSR_KVM_POLL_CONTROL
 * @unhalted: the next HLT ends at once (KVM_HC_KICK_CPU); other vCPUs set it
 * @eoi_msr: MSR_KVM_PV_EOI_EN
 * @eoi_offered: the guest may signal the next EOI there; the vCPU's thread
 * @clock_last: the clock as last told to the guest; clock.lock of the VM
 */
struct hv_pv_vcpu {
	u32 features;
	bool enforce;
	u64 system_time;
	bool clock_stopped;
	u64 steal_time;
	pid_t steal_tid;
	u64 steal_seen;
	bool at_boundary;
	bool preempted_told;
	u64 poll_control;
	bool unhalted;
	u64 eoi_msr;
	bool eoi_offered;
	struct hv_clock_point clock_last;
};

/* ---- src/x86/pvclock.c ---- */
/* The vCPU's thread, before it enters: HV_REQ_CLOCK, HV_REQ_MASTER_CLOCK. Under vm->srcu. */
void hv_pvclock_update(struct hv_vcpu *vcpu);
void hv_clock_reconsider(struct hv_vm *vm);
/* Loaded on another CPU; preemption off */
void hv_pvclock_migrated(struct hv_vcpu *vcpu);
/* First step of a VM's end, while its vCPUs are still there */
void hv_clock_vm_leave(struct hv_vm *vm);
/* One CPU left, interrupts off, all tasks frozen; timekeeping runs */
void hv_clock_suspend(void);
void hv_clock_resume(void);

/* ---- src/x86/pv_eoi.c ---- */
/* The vCPU's thread: before the entry, interrupts off; and after the exit, under vm->srcu */
void hv_pv_eoi_offer(struct hv_vcpu *vcpu);
void hv_pv_eoi_collect(struct hv_vcpu *vcpu);

/* ---- src/x86/pv_steal.c ---- */
/* The vCPU's thread, before it enters: HV_REQ_STEAL. Under vm->srcu */
void hv_steal_update(struct hv_vcpu *vcpu);
/* It has been loaded, is being unloaded; preemption off */
void hv_steal_sched_in(struct hv_vcpu *vcpu);
void hv_steal_sched_out(struct hv_vcpu *vcpu);

#endif
