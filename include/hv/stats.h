/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of a VM and a vCPU, read through HV_GET_STATS_FD.
 */
#ifndef HV_STATS_H
#define HV_STATS_H

#include <linux/atomic.h>
#include <linux/types.h>

#define HV_STATS_EXIT_REASONS	168
/* Buckets of a logarithmic histogram: bucket 0 is 0, bucket n from 2^(n-1) on */
#define HV_STATS_LOG_BUCKETS	32

/**
 * struct hv_vm_stats - counters shared by all vCPUs
 * @pages_4k: 4 KiB second-stage mappings installed now
 * @pages_2m: the same of 2 MiB
 * @pages_1g: the same of 1 GiB
 * @table_pages: second-stage table pages
 * @remote_flushes: TLB flushes asked of all vCPUs
 * @irqs_posted: interrupts of devices that the IOMMU posts to a vCPU now
 * @irq_post_changes: times that one began to be posted or ceased to be
 * @pinned_bytes: memory pinned for devices
 * @devices: assigned devices
 * @iommu_domains: IOMMU domains
 */
struct hv_vm_stats {
	atomic64_t pages_4k;
	atomic64_t pages_2m;
	atomic64_t pages_1g;
	atomic64_t table_pages;
	atomic64_t remote_flushes;
	atomic64_t irqs_posted;
	atomic64_t irq_post_changes;
	atomic64_t pinned_bytes;
	atomic64_t devices;
	atomic64_t iommu_domains;
};

/**
 * struct hv_vcpu_stats - counters written by the vCPU's own thread only
 * @exits: VM exits
 * @exit_reason: VM exits by the backend's number of the reason
 * @user_exits: returns of HV_RUN to userspace
 * @io_exits: returns of HV_RUN with HV_EXIT_IO
 * @mmio_exits: returns of HV_RUN with HV_EXIT_MMIO
 * @signal_exits: returns of HV_RUN because of a signal
 * @halt_exits: HLT with nothing to do
 * @halt_wakeups: ends of a halt
 * @irq_exits: host interrupts that arrived in the guest
 * @irq_injections: interrupts injected
 * @nmi_injections: NMIs injected
 * @exception_injections: exceptions injected
 * @irq_window_exits: interrupt-window exits
 * @nmi_window_exits: NMI-window exits
 * @tlb_flushes: flushes of this vCPU's guest-physical translations
 * @tlb_guest_flushes: times that its linear translations were to be flushed
 * @faults: second-stage faults resolved by mapping a page
 * @mmio_emulations: instructions emulated for MMIO
 * @guest_entries: VM entries
 * @clock_updates: updates of the pvclock page
 * @halt_attempted_poll: halts that began with a poll
 * @halt_successful_poll: those of them in which the poll was long enough
 * @halt_poll_success_ns: time spent in these polls
 * @halt_poll_fail_ns: time spent in the others
 * @halt_wait_ns: time slept in halts
 * @halt_poll_success_hist: of the durations of polls that were long enough, ns
 * @halt_poll_fail_hist: of the others
 * @halt_wait_hist: of the sleeps
 * @timer_late_hist: of the LAPIC timer: from the expiry to its interrupt's being pending, ns
 * @pv_eois: EOIs that the guest signalled in its memory
 * @hypercalls: hypercalls
 * @directed_yield_attempted: tries to give this vCPU's turn to another one
 * @directed_yield_successful: those after which the other one ran
 */
struct hv_vcpu_stats {
	u64 exits;
	u64 exit_reason[HV_STATS_EXIT_REASONS];
	u64 user_exits;
	u64 io_exits;
	u64 mmio_exits;
	u64 signal_exits;
	u64 halt_exits;
	u64 halt_wakeups;
	u64 irq_exits;
	u64 irq_injections;
	u64 nmi_injections;
	u64 exception_injections;
	u64 irq_window_exits;
	u64 nmi_window_exits;
	u64 tlb_flushes;
	u64 tlb_guest_flushes;
	u64 faults;
	u64 mmio_emulations;
	u64 guest_entries;
	u64 clock_updates;
	u64 halt_attempted_poll;
	u64 halt_successful_poll;
	u64 halt_poll_success_ns;
	u64 halt_poll_fail_ns;
	u64 halt_wait_ns;
	u64 halt_poll_success_hist[HV_STATS_LOG_BUCKETS];
	u64 halt_poll_fail_hist[HV_STATS_LOG_BUCKETS];
	u64 halt_wait_hist[HV_STATS_LOG_BUCKETS];
	u64 timer_late_hist[HV_STATS_LOG_BUCKETS];
	u64 pv_eois;
	u64 hypercalls;
	u64 directed_yield_attempted;
	u64 directed_yield_successful;
};

struct hv_vm;
struct hv_vcpu;

/* src/observe/stats.c: HV_GET_STATS_FD; everything else only counts */
long hv_vm_stats_fd(struct hv_vm *vm);
long hv_vcpu_stats_fd(struct hv_vcpu *vcpu);

#endif
