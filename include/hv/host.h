/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host kernel behind host_*() functions: everything that depends on its
 * version, or on exports that newer kernels keep for KVM. What is asked at each exit is in
 * <hv/host_inline.h>.
 */
#ifndef HV_HOST_H
#define HV_HOST_H

#include <linux/hrtimer.h>
#include <linux/types.h>

struct eventfd_ctx;
struct file;
struct irq_bypass_consumer;
struct file;
struct fpu_guest;
struct iommu_domain;
struct iommu_group;
struct mm_struct;
struct page;
struct pci_dev;
struct vm_area_struct;

/* ---- src/host/entry.c: the way into and out of the guest ---- */
/* Task work, signals, reschedule before entry. Interrupts on; 0 or -EINTR (signal). */
int host_handle_work(void);
/* Interrupts off, around the entry; between enter and exit RCU is not watching. */
void host_guest_timing_enter(void);
void host_guest_timing_exit(void);
void host_guest_state_enter(void);	/* noinstr */
void host_guest_state_exit(void);	/* noinstr */
/* Make @cpu leave the guest: a reschedule IPI, harmless to anything else */
void host_kick_cpu(int cpu);

/* ---- src/host/intr.c: what arrived in the guest, given to the host's handlers ---- */
bool host_uses_fred(void);			/* no IDT gates to call */
void host_handle_irq(unsigned int vector);	/* interrupts off; IDT gate of the vector */
void host_handle_nmi(void);			/* noinstr, right after the exit */
void host_handle_mce(void);			/* interrupts off */
/* The host's policy for a split lock at @rip: true: handled, go on */
bool host_handle_split_lock(u64 rip);		/* process context */

/* ---- src/host/posted.c: posted interrupts ---- */
unsigned int host_posted_vector(void);		/* 0: this kernel has none */
void host_send_posted(int cpu);			/* preemption off */
u32 host_apic_destination(int cpu);
/* A device's interrupt into a descriptor, and back; any context */
bool host_irq_can_post(unsigned int irq);
int host_irq_post(unsigned int irq, u64 descriptor, u8 vector);
int host_irq_remap(unsigned int irq);

/* ---- src/host/state.c: host state for the backend ---- */
u64 host_tss_base(int cpu);
u64 host_gdt_base(int cpu);
u64 host_idt_base(void);
u64 host_kernel_gs_base(int cpu);	/* value of GS base in the kernel */
u64 host_entry_stack(int cpu);		/* IA32_SYSENTER_ESP of the host */
/* After VM exits left GDTR and TSS limits at their maximum; preemption off */
void host_restore_limits(void);
/* User FS/GS bases and selectors of current, to the places where VMCS and put need them */
struct host_segs {
	u16 fs_sel;
	u16 gs_sel;
	u16 ldt_sel;
	u16 ds_sel;
	u16 es_sel;
	u64 fs_base;
	u64 gs_base;	/* user's: in MSR_KERNEL_GS_BASE while in the kernel */
};

void host_save_segs(struct host_segs *s);	/* preemption off */
void host_load_segs(const struct host_segs *s);	/* preemption off; undo what the guest left */
void host_restore_debugregs(void);

/* ---- src/host/perf.c: interrupts off ---- */
bool host_perf_enter(void);	/* true: host_perf_exit() after the exit */
void host_perf_exit(void);
void host_restore_debugctl(u64 val);

/* ---- src/host/fpu.c ---- */
struct fpu_guest *host_fpu_alloc(void);
void host_fpu_free(struct fpu_guest *fpu);
int host_fpu_swap(struct fpu_guest *fpu, bool enter_guest);
void host_fpu_to_uabi(struct fpu_guest *fpu, void *buf, u32 size, u32 pkru);
int host_fpu_from_uabi(struct fpu_guest *fpu, const void *buf, u64 xcr0, u32 *pkru);
u32 host_fpu_uabi_size(struct fpu_guest *fpu);
void host_fpu_sync_xfd(void);
u64 host_xcr0(void);			/* features that the host has enabled */
u64 host_guest_xcr0(void);		/* those that a guest may be given without AMX permission */

/* ---- src/host/mitigation.c: speculation mitigations at entry and exit ---- */
/* L1TF: when to flush the L1 data cache before an entry */
enum host_l1d_flush {
	HOST_L1D_NEVER,
	HOST_L1D_COND,		/* if something has run that may have loaded others' data */
	HOST_L1D_ALWAYS,
};

struct host_mitigations {
	enum host_l1d_flush l1d_flush;
	bool verw;		/* MMIO stale data, where entry.S has no VERW */
	bool spec_ctrl;		/* IA32_SPEC_CTRL exists and is switched */
	bool kernel_ibrs;	/* legacy IBRS: always write SPEC_CTRL at exit */
	bool ibpb_exit_to_user;	/* VMSCAPE */
};

int host_mitigations_init(struct host_mitigations *m);
void host_mitigations_exit(void);
u64 host_spec_ctrl(void);		/* value that the host wants on this CPU; noinstr */
void host_clear_buffers(void);		/* noinstr, interrupts off */
void host_flush_l1d(void);		/* noinstr, interrupts off */
bool host_l1d_touched(void);		/* noinstr, interrupts off; forgets */
void host_ibpb(void);
bool host_itlb_multihit(void);		/* erratum that the administrator wants to be mitigated */

/* ---- src/host/vmx.c: VMX ownership ---- */
int host_vmx_take(void);		/* this CPU, interrupts off: CR4.VMXE; -EBUSY */
void host_vmx_release(void);
bool host_kvm_loaded(const char *module);

/* ---- src/host/svm.c: SVM ownership ---- */
int host_svm_take(void);		/* this CPU, interrupts off: EFER.SVME; -EBUSY */
void host_svm_release(void);

/* ---- src/host/power.c: hotplug, suspend, reboot, crash ---- */
struct host_power_ops {
	int (*cpu_online)(unsigned int cpu);	/* on that CPU, process context */
	int (*cpu_offline)(unsigned int cpu);
	void (*suspend)(void);			/* one CPU left, interrupts off */
	void (*resume)(void);
	void (*shutdown)(void);			/* reboot: process context, all CPUs */
	void (*crash)(void);			/* each CPU, any context, interrupts off */
};

int host_power_register(const struct host_power_ops *ops);
void host_power_unregister(void);
void host_crash_register(void);		/* while VMs exist: see kernel emergency callback */
void host_crash_unregister(void);

/* ---- src/host/mm.c ---- */
/**
 * struct host_pfnmap - a mapping without struct pages
 * @end: where it ends
 * @file: its file, with a reference, or NULL
 * @pgoff: offset in the file, in pages
 */
struct host_pfnmap {
	unsigned long end;
	struct file *file;
	u64 pgoff;
};

/* Page behind @hva for reading or writing, faulted in; takes a reference. Sleeps.
 * *writable: may be mapped writable (also for read faults if the host pte is).
 */
int host_get_page(unsigned long hva, bool write, bool *writable, struct page **page);
/* VM_PFNMAP/VM_IO mappings without struct page: -EFAULT if there is none */
int host_get_pfnmap(unsigned long hva, bool write, bool *writable, u64 *pfn);
bool host_pfnmap_find(unsigned long hva, struct host_pfnmap *map);
bool host_pfn_is_ram(u64 pfn);
unsigned int host_mapping_level(unsigned long hva);	/* 1: 4 KiB, 2: 2 MiB, 3: 1 GiB */
/* Memory that can be given back: how many objects, and free some: number freed, -1: not now */
int host_shrinker_register(unsigned long (*count)(void), long (*scan)(unsigned long nr));
void host_shrinker_unregister(void);
void host_vm_flags_set(struct vm_area_struct *vma, unsigned long flags);	/* in mmap() */
void host_page_used(struct page *page, bool write);	/* mapped into a guest */
void host_count_table(void *table, int n);

/* ---- src/host/clock.c: the host's time and its TSC ---- */
/**
 * struct host_clock_sample - one instant
 * @tsc: host TSC
 * @ns: CLOCK_MONOTONIC_RAW plus the time in suspend: host_clock_ns()
 * @real_ns: CLOCK_REALTIME
 */
struct host_clock_sample {
	u64 tsc;
	u64 ns;
	u64 real_ns;
};

int host_clock_init(void (*callback)(void));
void host_clock_exit(void);
u64 host_clock_ns(void);
bool host_clock_sample(struct host_clock_sample *s);	/* false: not a TSC clock */

/* ---- src/host/eventfd.c ---- */
void host_eventfd_signal(struct eventfd_ctx *ctx);	/* any context */

/* ---- src/host/irqbypass.c: process context ---- */
int host_bypass_register(struct irq_bypass_consumer *consumer, struct eventfd_ctx *eventfd);
void host_bypass_unregister(struct irq_bypass_consumer *consumer);

/* ---- src/host/pci.c ---- */
void host_pci_report_errors(struct pci_dev *pdev, bool on);

/* ---- src/host/iommu.c: IOMMU domains, process context ---- */
struct iommu_domain *host_iommu_domain_alloc(struct pci_dev *pdev);
int host_iommu_map(struct iommu_domain *domain, u64 iova, u64 addr, size_t size, int prot);
bool host_iommu_enforce_snoop(struct iommu_domain *domain);	/* before anything is mapped */
bool host_iommu_msi_isolated(struct iommu_group *group, struct pci_dev *pdev);

/* ---- src/host/vfio.c: process context ---- */
bool host_vfio_file(struct file *file);
bool host_vfio_coherent(struct file *file);	/* may sleep */

/* ---- src/host/timer.c ---- */
void host_hrtimer_setup(struct hrtimer *timer,
			enum hrtimer_restart (*function)(struct hrtimer *timer),
			enum hrtimer_mode mode);

#endif
