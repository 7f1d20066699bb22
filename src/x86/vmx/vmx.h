/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX backend's own objects. Private to src/x86/vmx.
 */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include <hv/backend.h>
#include <hv/host.h>
#include <hv/regs.h>
#include "entry.h"
#include "vmcs.h"

/**
 * struct vmx_caps - what hv uses of this processor, fixed at module load
 * @revision: VMCS revision identifier
 * @pin, @proc, @proc2, @exit, @entry: control values for a new VMCS
 * @pin_optional, @proc_optional, @proc2_optional: controls that may be switched on later
 * @cr0_fixed0, @cr4_fixed0: bits that must be 1 in VMX operation
 * @cr0_fixed1, @cr4_fixed1: bits that may be 1
 * @ept_ad: accessed and dirty bits in EPT entries
 * @ept_leaf_levels: sizes of EPT leaves: 1: 4 KiB, 2: and 2 MiB, 3: and 1 GiB
 * @invept_single: INVEPT of one EPT pointer, else of all
 * @vpid: VPIDs are used
 * @invvpid_single: INVVPID of one VPID
 * @pml: page-modification logging is used
 */
struct vmx_caps {
	u32 revision;
	u32 pin;
	u32 proc;
	u32 proc2;
	u32 exit;
	u32 entry;
	u32 pin_optional;
	u32 proc_optional;
	u32 proc2_optional;
	u64 cr0_fixed0;
	u64 cr0_fixed1;
	u64 cr4_fixed0;
	u64 cr4_fixed1;
	bool ept_ad;
	u8 ept_leaf_levels;
	bool invept_single;
	bool vpid;
	bool invvpid_single;
	bool pml;
};

extern struct vmx_caps vmx_caps;
extern struct host_mitigations vmx_mitigations;

/* A VMX region is at most 4 KiB (SDM 3D A.1) */
struct vmx_region {
	u32 revision;
	u32 abort;
	u8 data[PAGE_SIZE - 8];
};

/**
 * struct vmx_cpu - a CPU
 * @vmxon: VMXON region
 * @on: in VMX operation; written on that CPU with interrupts off
 * @loaded: vCPUs whose VMCS is active on this CPU (struct vmx_vcpu.link); changed
 *	on that CPU with interrupts off
 */
struct vmx_cpu {
	struct vmx_region *vmxon;
	bool on;
	struct list_head loaded;
};
DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

/**
 * struct vmx_vm - the backend's part of a VM
 * @eptp: EPT pointer
 * @apic_access: page that the EPT maps where xAPICs are, NULL: not used; set before the first
 *	vCPU with a LAPIC is there
 */
struct vmx_vm {
	u64 eptp;
	struct page *apic_access;
};

/**
 * struct vmx_vcpu - the backend's part of a vCPU; vcpu->mutex and loaded, unless noted
 * @vcpu: the vCPU
 * @vmcs: its VMCS
 * @msr_bitmap: page of MSR intercepts
 * @link: in vmx_cpu.loaded of @vmcs_cpu
 * @vmcs_cpu: CPU on which the VMCS is active, -1: clear
 * @cleared: the VMCS was VMCLEARed once after allocation
 * @vpid: 0 without VPIDs
 * @sw: what entry.S needs
 * @guest_loaded: the guest's KERNEL_GS_BASE is in the processor; host's segments are noted
 * @host_segs: the host's segment state, while @guest_loaded
 * @host_cr3, @host_cr4: values in the VMCS
 * @l1d_touched: code has run that may have loaded others' data into the L1 data cache
 * @pml: page of logged addresses, NULL without page-modification logging
 * @pml_on: the processor writes it
 * @proc: processor-based controls in the VMCS
 * @pin: pin-based controls in the VMCS
 * @soft_apic: interrupts of the LAPIC are injected by hv, TPR is the processor's
 * @tpr_threshold: TPR threshold in the VMCS
 * @exit_reason: of the last exit
 * @intr_info: of the last exit by exception, NMI or interrupt
 * @qualification: exit qualification, valid if HV_REG_EXIT_INFO is available
 * @fail: result of vmx_enter_guest() of the last entry
 */
struct vmx_vcpu {
	struct hv_vcpu *vcpu;
	struct vmx_region *vmcs;
	unsigned long *msr_bitmap;
	struct list_head link;
	int vmcs_cpu;
	bool cleared;
	u16 vpid;
	struct vmx_switch sw;
	bool guest_loaded;
	struct host_segs host_segs;
	u64 host_cr3;
	u64 host_cr4;
	bool l1d_touched;
	u64 *pml;
	bool pml_on;
	u32 proc;
	u32 pin;
	bool soft_apic;
	u32 tpr_threshold;
	u32 exit_reason;
	u32 intr_info;
	u64 qualification;
	unsigned long fail;
};

static inline struct vmx_vcpu *to_vmx(struct hv_vcpu *vcpu)
{
	return vcpu->backend;
}

static inline struct vmx_vm *to_vmx_vm(struct hv_vm *vm)
{
	return vm->backend;
}

/* caps.c */
int vmx_caps_init(void);

/* vmcs.c */
struct vmx_region *vmx_alloc_region(int node);
int vmx_vmcs_init(struct hv_vcpu *vcpu);
void vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu);
void vmx_vmcs_clear(struct vmx_vcpu *vmx);
void vmx_vmcs_clear_local(struct vmx_vcpu *vmx);
void vmx_vmcs_dump(struct hv_vcpu *vcpu);
void vmx_set_proc(struct vmx_vcpu *vmx, u32 set, u32 clear);
void vmx_set_pin(struct vmx_vcpu *vmx, u32 set, u32 clear);

/* ept.c */
extern struct hv_s2_format vmx_ept_format;
void vmx_ept_setup(void);
u64 vmx_eptp(struct hv_vm *vm);
void vmx_flush_tlb(struct hv_vcpu *vcpu, bool guest_only);
int vmx_vpid_alloc(void);
void vmx_vpid_free(u16 vpid);

/* pml.c */
#define VMX_PML_ENTRIES	512
int vmx_pml_alloc(struct vmx_vcpu *vmx);
void vmx_pml_free(struct vmx_vcpu *vmx);
void vmx_pml_init(struct vmx_vcpu *vmx);
void vmx_pml_update(struct vmx_vcpu *vmx);
void vmx_pml_drain(struct vmx_vcpu *vmx);

/* enter.c */
int vmx_enter(struct hv_vcpu *vcpu);
void vmx_load(struct hv_vcpu *vcpu, int cpu);
void vmx_put(struct hv_vcpu *vcpu);

/* exit.c */
int vmx_handle_exit(struct hv_vcpu *vcpu);
const char *vmx_exit_name(unsigned int reason);
void vmx_note_event_delivery(struct hv_vcpu *vcpu);
u64 vmx_qualification(struct vmx_vcpu *vmx);

/* regs.c */
void vmx_cache_regs(struct hv_vcpu *vcpu, unsigned long mask);
void vmx_flush_regs(struct hv_vcpu *vcpu);
void vmx_get_segment(struct hv_vcpu *vcpu, int seg, struct hv_segment *s);
void vmx_set_segment(struct hv_vcpu *vcpu, int seg, const struct hv_segment *s);
u32 vmx_get_access(struct hv_vcpu *vcpu, int seg);
void vmx_set_cr(struct hv_vcpu *vcpu, int cr, u64 val);
void vmx_set_cr4(struct hv_vcpu *vcpu, u64 val);
void vmx_set_efer(struct hv_vcpu *vcpu, u64 val);

/* msr.c */
int vmx_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val);
int vmx_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val);
void vmx_msr_bitmap_init(struct vmx_vcpu *vmx);
void vmx_msr_intercept(struct vmx_vcpu *vmx, u32 index, bool read, bool write);

/* event.c */
void vmx_inject(struct hv_vcpu *vcpu, const struct hv_event *ev);
void vmx_open_window(struct hv_vcpu *vcpu, bool nmi, bool on);
u32 vmx_get_blocking(struct hv_vcpu *vcpu);
void vmx_set_blocking(struct hv_vcpu *vcpu, u32 blocking);
int vmx_skip_insn(struct hv_vcpu *vcpu);
void vmx_hide_insns(void);
void vmx_update_intercepts(struct hv_vcpu *vcpu);

/* timer.c */
void vmx_timer_setup(void);
void vmx_timer_vcpu_create(struct hv_vcpu *vcpu);
void vmx_program_timer(struct hv_vcpu *vcpu);

/* apicv.c */
void vmx_apicv_setup(void);
void vmx_apicv_vm_destroy(struct vmx_vm *v);
int vmx_apicv_vcpu_create(struct hv_vcpu *vcpu);
void vmx_apicv_vmcs_init(struct hv_vcpu *vcpu);
void vmx_apicv_update(struct hv_vcpu *vcpu);
void vmx_apicv_status(struct hv_vcpu *vcpu);
void vmx_apicv_eoi_exits(struct hv_vcpu *vcpu);
void vmx_update_tpr_threshold(struct hv_vcpu *vcpu);
void vmx_posted_load(struct hv_vcpu *vcpu, int cpu);
void vmx_posted_put(struct hv_vcpu *vcpu);
bool vmx_map_apic_access(struct hv_vcpu *vcpu, u64 gpa);

/* VMX instructions (SDM 3C chapter 30); false: VMfail or fault */
static __always_inline bool vmx_insn_vmclear(u64 pa)
{
	bool ok = false;

	asm volatile("1: vmclear %1\n\tseta %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q" (ok) : "m" (pa) : "cc", "memory");
	return ok;
}

static __always_inline bool vmx_insn_vmptrld(u64 pa)
{
	bool ok = false;

	asm volatile("1: vmptrld %1\n\tseta %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q" (ok) : "m" (pa) : "cc", "memory");
	return ok;
}

static __always_inline bool vmx_insn_vmxon(u64 pa)
{
	bool ok = false;

	asm volatile("1: vmxon %1\n\tseta %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q" (ok) : "m" (pa) : "cc", "memory");
	return ok;
}

static __always_inline void vmx_insn_vmxoff(void)
{
	asm volatile("1: vmxoff\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
}

/* The two registers that every skipped instruction needs; see vmx_cache_regs() */
static inline void vmx_cache_rip_rflags(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x86 = &vcpu->x86;

	if (!(x86->regs_avail & BIT(HV_REG_RIP)))
		x86->regs[HV_REG_RIP] = vmcs_readn(VMCS_GUEST_RIP);
	if (!(x86->regs_avail & BIT(HV_REG_RFLAGS)))
		x86->rflags = vmcs_readn(VMCS_GUEST_RFLAGS);
	x86->regs_avail |= BIT(HV_REG_RIP) | BIT(HV_REG_RFLAGS);
}

#define VMX_INV_SINGLE	1	/* one EPT pointer, one VPID (SDM 3C 30.3) */
#define VMX_INV_ALL	2

static __always_inline bool vmx_insn_invept(unsigned long type, u64 eptp)
{
	struct { u64 eptp, zero; } desc = { eptp, 0 };
	bool ok = false;

	asm volatile("1: invept %1, %2\n\tseta %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+q" (ok) : "m" (desc), "r" (type) : "cc", "memory");
	return ok;
}

static __always_inline void vmx_insn_invvpid(unsigned long type, u16 vpid)
{
	struct { u64 vpid, la; } desc = { vpid, 0 };

	asm volatile("1: invvpid %0, %1\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : "m" (desc), "r" (type) : "cc", "memory");
}

#endif
