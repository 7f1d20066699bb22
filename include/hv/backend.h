/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a processor vendor's virtualization extension provides to the core.
 */
#ifndef HV_BACKEND_H
#define HV_BACKEND_H

#include <linux/hv.h>
#include <linux/static_call.h>
#include <hv/vcpu.h>

/* What keeps an event from being delivered at the next instruction boundary. */
#define HV_BLOCK_STI	BIT(0)	/* the instruction before was STI */
#define HV_BLOCK_MOV_SS	BIT(1)	/* ... MOV SS or POP SS */
#define HV_BLOCK_NMI	BIT(2)	/* an NMI handler runs (until IRET) */

/* Access rights of a segment, for @get_access */
#define HV_ACCESS_DPL(access)	((access) >> 5 & 3)
#define HV_ACCESS_L		BIT(13)
#define HV_ACCESS_DB		BIT(14)

/* What has changed, for @update */
#define HV_UPDATE_INTERCEPTS	BIT(0)	/* CPUID, guest debug, debug registers, MSR policy */
#define HV_UPDATE_TSC		BIT(1)	/* vcpu->x86.tsc_offset */
#define HV_UPDATE_PLE		BIT(2)	/* vcpu->x86.ple_window */
#define HV_UPDATE_APIC		BIT(3)	/* mode or base of the LAPIC */
/* Only for a LAPIC that hv_lapic_set_virtual() was called for; interrupts off before an entry */
#define HV_UPDATE_IRQ_STATUS	BIT(4)	/* hv_lapic_status() */
#define HV_UPDATE_EOI_EXITS	BIT(5)	/* hv_lapic_eoi_exits() */
#define HV_UPDATE_DIRTY_LOG	BIT(6)	/* whether vm->dirty.nr_slots is 0 */

/* Return values of @handle_exit and of everything it calls. Negative: errno. */
#define HV_TO_USER	0	/* run page is filled in, leave HV_RUN */
#define HV_RESUME	1	/* enter the guest again */

/**
 * struct hv_backend - operations of a backend
 * @name: "vmx", "svm"
 * @s2_format: entry format of the second-stage tables; valid after @setup
 * @exit_name: name of a basic exit reason for statistics and traces, NULL if none
 *
 * Module:
 * @setup: check and size up the processor. Process context. Says in the log why
 *	it can't work; -ENODEV wrong vendor (silent), -EOPNOTSUPP a feature is missing,
 *	-EACCES disabled by firmware.
 * @teardown: undo @setup
 * @cpu_enable: switch the extension on, on this CPU; interrupts off. -EBUSY: owned
 *	by someone else
 * @cpu_disable: make this CPU forget everything loaded, switch off; interrupts off,
 *	may come from crash context: takes no lock, allocates nothing. Harmless if off.
 *
 * Objects (process context, may sleep):
 * @vm_create: allocate the VM's private data
 * @vm_destroy: free it
 * @vcpu_create: allocate; the vCPU is not visible yet
 * @vcpu_destroy: free; the vCPU runs nowhere, may still be loaded on some CPU
 * @vcpu_reset: architectural power-up (init=false) or INIT state of what the backend holds;
 *	vCPU loaded
 *
 * Running:
 * @load: make the vCPU current on this CPU; preemption off
 * @put: give the CPU's state back to the host; preemption off
 * @enter: run the guest until the next VM exit. Interrupts off before and after. Calls
 *	hv_guest_state_enter() and hv_guest_state_exit() around it; host interrupts, NMIs and
 *	machine checks that ended it are handled inside, the first and the last after the
 *	host's state is back: softirqs may use the FPU.
 *	Returns 0; 1 if a host interrupt ended it, so the guest stands between two
 *	instructions; or -EIO if entry failed (handle_exit then reports it).
 * @handle_exit: after interrupts are on again: resume, to userspace, or -errno
 *
 * State (vCPU loaded):
 * @cache_regs: read the registers in @mask (bits of enum hv_reg) into vcpu->x86
 * @get_segment, @set_segment: index in enum hv_seg; of GDTR and IDTR base and limit only
 * @get_access: access rights of a segment register as in bits 23:8 of the second half of a
 *	descriptor (SDM 3A 3.4.5), HV_ACCESS_*; the DPL of SS is CPL
 * @set_cr: CR0, CR3 or CR4 (number); value has been checked
 * @get_msr, @set_msr: an MSR that the backend holds; 1 if it holds no such MSR. EFER is
 *	only set: x86.efer has its value
 * @get_blocking, @set_blocking: HV_BLOCK_* bits
 * @update: what the bits of HV_UPDATE_* name has changed: follow
 *
 * Events (interrupts off, just before @enter):
 * @inject: put an event into the entry; at most one an entry
 * @open_window: exit as soon as an interrupt (nmi=false) or NMI can be taken; on/off
 * @flush_tlb: before the entry, drop the linear translations of this vCPU; guest_only=false:
 *	and the guest-physical ones
 *
 * @skip_insn: advance RIP past the instruction that exited; 0 or -EIO
 */
struct hv_backend {
	const char *name;
	const struct hv_s2_format *s2_format;
	const char *(*exit_name)(unsigned int reason);

	int (*setup)(void);
	void (*teardown)(void);
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);

	int (*vm_create)(struct hv_vm *vm);
	void (*vm_destroy)(struct hv_vm *vm);
	int (*vcpu_create)(struct hv_vcpu *vcpu);
	void (*vcpu_destroy)(struct hv_vcpu *vcpu);
	void (*vcpu_reset)(struct hv_vcpu *vcpu, bool init);

	void (*load)(struct hv_vcpu *vcpu, int cpu);
	void (*put)(struct hv_vcpu *vcpu);
	int (*enter)(struct hv_vcpu *vcpu);
	int (*handle_exit)(struct hv_vcpu *vcpu);

	void (*cache_regs)(struct hv_vcpu *vcpu, unsigned long mask);
	void (*get_segment)(struct hv_vcpu *vcpu, int seg, struct hv_segment *s);
	void (*set_segment)(struct hv_vcpu *vcpu, int seg, const struct hv_segment *s);
	u32 (*get_access)(struct hv_vcpu *vcpu, int seg);
	void (*set_cr)(struct hv_vcpu *vcpu, int cr, u64 val);
	int (*get_msr)(struct hv_vcpu *vcpu, u32 index, u64 *val);
	int (*set_msr)(struct hv_vcpu *vcpu, u32 index, u64 val);
	u32 (*get_blocking)(struct hv_vcpu *vcpu);
	void (*set_blocking)(struct hv_vcpu *vcpu, u32 blocking);
	void (*update)(struct hv_vcpu *vcpu, unsigned int what);

	void (*inject)(struct hv_vcpu *vcpu, const struct hv_event *ev);
	void (*open_window)(struct hv_vcpu *vcpu, bool nmi, bool on);
	void (*flush_tlb)(struct hv_vcpu *vcpu, bool guest_only);
	int (*skip_insn)(struct hv_vcpu *vcpu);
};

/* The chosen backend; set once at module load before anything is visible. */
extern const struct hv_backend *hv_backend;

extern const struct hv_backend vmx_backend;
extern const struct hv_backend svm_backend;

/*
 * Calls on the path of an exit go through static calls; hv_call(load, vcpu, cpu)
 * reads hv_backend->load(vcpu, cpu).
 */
#define HV_BACKEND_OP(op)	\
	DECLARE_STATIC_CALL(hv_op_##op, *(((struct hv_backend *)0)->op))
#include <hv/backend_ops.h>

#define hv_call(op, ...)	static_call(hv_op_##op)(__VA_ARGS__)

/* src/core/backend.c: chooses the backend, patches the static calls */
int hv_backend_init(void);
void hv_backend_exit(void);

/*
 * src/core/cpus.c: the extension is on while VMs exist (first get, last put);
 * process context. -EBUSY: another hypervisor owns a CPU; all or none.
 */
int hv_cpus_get(void);
void hv_cpus_put(void);
int hv_cpus_init(void);
void hv_cpus_exit(void);

/* This CPU has the extension on; preemption off. */
bool hv_cpu_enabled(void);
/* A vCPU is about to be loaded here: is (or can be) the extension on? Preemption off. */
bool hv_cpu_enter(void);
/* ... and is unloaded again */
void hv_cpu_leave(void);
/* The host shuts down: the extension is off on every CPU and stays off. */
bool hv_cpus_stopped(void);

#endif
