/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SVM backend's own objects. Private to src/x86/svm.
 */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include <linux/mem_encrypt.h>
#include <linux/percpu.h>
#include <asm/page.h>
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/regs.h>
#include "entry.h"
#include "vmcb.h"

/**
 * struct svm_caps - what hv uses of this processor, fixed at module load
 * @nr_asids: ASIDs 0 to @nr_asids - 1 exist; 0 is the host's
 * @nrips: the VMCB has the next RIP after exits by instructions
 * @decode_assists: and their operands, and the instruction bytes of nested page faults
 * @flush_by_asid: TLB_CONTROL can flush one ASID
 * @clean_bits: the processor looks at the VMCB clean bits
 * @tsc_ratio: there is a TSC ratio MSR
 * @v_spec_ctrl: the VMCB holds the guest's IA32_SPEC_CTRL
 * @pause_filter: PAUSE exits after a number of them, unless ple_gap is 0
 * @pause_threshold: ... of one loop, in which they are near to each other
 * @avic: there is an AVIC (left off)
 */
struct svm_caps {
	u32 nr_asids;
	bool nrips;
	bool decode_assists;
	bool flush_by_asid;
	bool clean_bits;
	bool tsc_ratio;
	bool v_spec_ctrl;
	bool pause_filter;
	bool pause_threshold;
	bool avic;
};

extern struct svm_caps svm_caps;

/**
 * struct svm_cpu - a CPU
 * @on: EFER.SVME is hv's; written on that CPU with interrupts off
 * @hsave: page in which VMRUN keeps the host's state (VM_HSAVE_PA)
 * @host: page for the host's part of what VMSAVE saves
 * @asid_generation: grows each time all ASIDs have been used; from 1; preemption off
 * @next_asid: first ASID of this generation that has not been used
 */
struct svm_cpu {
	bool on;
	void *hsave;
	void *host;
	u64 asid_generation;
	u32 next_asid;
};
DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/**
 * struct svm_vcpu - the backend's part of a vCPU; vcpu->mutex and loaded, unless noted
 * @vcpu: the vCPU
 * @vmcb: its VMCB
 * @msrpm: MSR permission map, two pages
 * @sw: what entry.S needs
 * @cpu: on which CPU it was last loaded, -1 at first
 * @host_saved: the host's part for VMLOAD has been saved since the load
 * @asid_generation: of the CPU's, in which the VMCB's ASID was given; 0: it needs another one
 * @nmi_blocked: an NMI handler runs
 * @iret_seen: it is at its IRET (at @iret_rip), which no longer exits
 * @iret_rip: see there
 * @stepping: one instruction is stepped over until an NMI can be taken
 * @step_rflags: the guest's TF and RF meanwhile
 * @stepped: the last entry was such a step
 * @injected: EVENTINJ of the last entry
 * @int3_rip: RIP of the INT3 or INTO that it stood for, on processors without next RIP
 * @exit_code: of the last exit
 * @fail: result of svm_enter_guest() of the last entry
 */
struct svm_vcpu {
	struct hv_vcpu *vcpu;
	struct vmcb *vmcb;
	unsigned long *msrpm;
	struct svm_switch sw;
	int cpu;
	bool host_saved;
	u64 asid_generation;
	bool nmi_blocked;
	bool iret_seen;
	u64 iret_rip;
	bool stepping;
	u64 step_rflags;
	bool stepped;
	u64 injected;
	u64 int3_rip;
	u64 exit_code;
	unsigned long fail;
};

static inline struct svm_vcpu *to_svm(struct hv_vcpu *vcpu)
{
	return vcpu->backend;
}

/* Physical addresses that the processor is given carry the encryption bit, if SME is on. */
static inline u64 svm_pa(const void *page)
{
	return __sme_set(__pa(page));
}

/* Fields that this clean bit stands for have changed. */
static inline void svm_dirty(struct svm_vcpu *svm, u32 clean)
{
	svm->vmcb->control.clean &= ~clean;
}

/* caps.c */
int svm_caps_init(void);

/* vmcb.c */
int svm_vmcb_alloc(struct svm_vcpu *svm);
void svm_vmcb_free(struct svm_vcpu *svm);
void svm_vmcb_init(struct hv_vcpu *vcpu);
void svm_vmcb_dump(struct hv_vcpu *vcpu);
int svm_iopm_alloc(void);
void svm_iopm_free(void);

/* npt.c */
extern struct hv_s2_format svm_npt_format;
void svm_npt_setup(void);
u64 svm_nested_cr3(struct hv_vm *vm);

/* asid.c */
void svm_asid_cpu_init(struct svm_cpu *c);
void svm_asid_check(struct svm_vcpu *svm);
void svm_flush_tlb(struct hv_vcpu *vcpu, bool guest_only);

/* enter.c */
int svm_enter(struct hv_vcpu *vcpu);
void svm_load(struct hv_vcpu *vcpu, int cpu);
void svm_put(struct hv_vcpu *vcpu);

/* tpr.c */
void svm_tpr_enter(struct hv_vcpu *vcpu);
void svm_tpr_exit(struct hv_vcpu *vcpu);

/* exit.c */
int svm_handle_exit(struct hv_vcpu *vcpu);
const char *svm_exit_name(unsigned int reason);

/* regs.c */
void svm_cache_regs(struct hv_vcpu *vcpu, unsigned long mask);
void svm_flush_regs(struct hv_vcpu *vcpu);
void svm_get_segment(struct hv_vcpu *vcpu, int seg, struct hv_segment *s);
void svm_set_segment(struct hv_vcpu *vcpu, int seg, const struct hv_segment *s);
u32 svm_get_access(struct hv_vcpu *vcpu, int seg);
void svm_set_cr(struct hv_vcpu *vcpu, int cr, u64 val);
void svm_set_cr4(struct hv_vcpu *vcpu, u64 val);
void svm_set_efer(struct hv_vcpu *vcpu, u64 val);

/* msr.c */
int svm_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val);
int svm_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val);
void svm_msrpm_init(struct svm_vcpu *svm);
void svm_msr_intercept(struct svm_vcpu *svm, u32 index, bool read, bool write);

/* event.c */
void svm_inject(struct hv_vcpu *vcpu, const struct hv_event *ev);
void svm_note_event_delivery(struct hv_vcpu *vcpu);
void svm_int3_again(struct hv_vcpu *vcpu);
void svm_open_window(struct hv_vcpu *vcpu, bool nmi, bool on);
u32 svm_get_blocking(struct hv_vcpu *vcpu);
void svm_set_blocking(struct hv_vcpu *vcpu, u32 blocking);
void svm_end_step(struct svm_vcpu *svm);
int svm_exit_iret(struct hv_vcpu *vcpu);

/* intercept.c */
void svm_intercept(struct svm_vcpu *svm, u32 set, u32 clear);
void svm_update_intercepts(struct hv_vcpu *vcpu);
int svm_skip_insn(struct hv_vcpu *vcpu);

#endif
