/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of src/x86 share with each other and with nobody else.
 */
#ifndef HV_X86_INTERNAL_H
#define HV_X86_INTERNAL_H

#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/fpu/types.h>
#include <asm/msr-index.h>
#include <hv/decode.h>
#include <hv/regs.h>
#include <hv/vcpu.h>
#include <hv/x86.h>
#include "exc_merge.h"

/* Without a CPUID leaf 0x80000008 (SDM 2A, CPUID) */
#define HV_DEFAULT_MAXPHYADDR	36

/* DR7 bit 10 is always 1 (SDM 3B 18.2.4) */
#define HV_DR7_FIXED		0x400ULL
/* DR7 bits that enable a breakpoint */
#define HV_DR7_ENABLES		0xffULL
#define HV_DR7_GD		BIT_ULL(13)

/* MSR HWCR */
#define HV_HWCR_MC_STATUS_WR_EN	BIT_ULL(18)
#define HV_HWCR_TSC_FREQ_SEL	BIT_ULL(24)

/* Exception vectors (SDM 3A 6.15) */
#define HV_VEC_DB	1
#define HV_VEC_NMI	2
#define HV_VEC_BP	3
#define HV_VEC_OF	4
#define HV_VEC_UD	6
#define HV_VEC_SS	12
#define HV_VEC_GP	13
#define HV_VEC_PF	14
#define HV_VEC_AC	17

/* regs.c */
void hv_set_raw_rflags(struct hv_vcpu *vcpu, u64 val);

/* cr.c */
u64 hv_cr4_host_reserved(void);
void hv_cr_cpuid_changed(struct hv_vcpu *vcpu);
void hv_write_cr(struct hv_vcpu *vcpu, int cr, u64 val);
u64 hv_efer_reserved(struct hv_vcpu *vcpu, bool host);
bool hv_sregs_valid(struct hv_vcpu *vcpu, const struct hv_sregs *s);
bool hv_xcr0_valid(u64 val, u64 supported);

/* event.c */
void hv_deliver_payload(struct hv_vcpu *vcpu, struct hv_event *ev);
struct hv_event hv_vmm_exception(struct hv_vcpu *vcpu, u8 vector);

/* cpuid.c */
void hv_cpuid_init(void);
long hv_get_supported_cpuid(void *data, unsigned long arg);
long hv_set_cpuid2(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_cpuid2(struct hv_vcpu *vcpu, void *data, unsigned long arg);
u32 hv_xsave_size(u64 xcr0, bool compacted);

/* msr.c */
void hv_msr_init(void);
void hv_msr_reset(struct hv_vcpu *vcpu, bool init);
long hv_get_msr_index_list(void *data, unsigned long arg);
long hv_get_msr_feature_list(void *data, unsigned long arg);
long hv_get_msrs_sys(void *data, unsigned long arg);
long hv_get_msrs(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_msrs(struct hv_vcpu *vcpu, void *data, unsigned long arg);

/* mce.c */
#define HV_MCE_CAP_SUPPORTED	(MCG_CTL_P | MCG_SER_P)
int hv_mce_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_mce_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);
long hv_x86_get_mce_cap(void *data, unsigned long arg);
long hv_x86_setup_mce(struct hv_vcpu *vcpu, void *data, unsigned long arg);

/* mtrr.c */
int hv_mtrr_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_mtrr_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);
bool hv_pat_valid(u64 val);

/* tsc.c */
void hv_tsc_vm_init(struct hv_vm *vm);
void hv_tsc_reset(struct hv_vcpu *vcpu);
void hv_adjust_tsc_offset(struct hv_vcpu *vcpu, s64 delta);
long hv_set_tsc_khz(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_tsc_khz(struct hv_vcpu *vcpu, void *data, unsigned long arg);

/* pv.c */
void hv_pv_fill_leaf(struct hv_cpuid_entry2 *e);
void hv_pv_cpuid_changed(struct hv_vcpu *vcpu);
bool hv_pv_has(struct hv_vcpu *vcpu, unsigned int feature);
bool hv_pv_msr_allowed(struct hv_vcpu *vcpu, u32 index, bool host);
void hv_pv_reset(struct hv_vcpu *vcpu, bool init);
int hv_get_poll_control(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_set_poll_control(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);

/* pv_eoi.c */
int hv_get_pv_eoi(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_set_pv_eoi(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);

/* pv_steal.c */
int hv_get_steal_time(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_set_steal_time(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);

/* pvclock.c */
int hv_clock_init(void);
void hv_clock_exit(void);
void hv_clock_vm_init(struct hv_vm *vm);
void hv_pvclock_reset(struct hv_vcpu *vcpu);
int hv_get_system_time(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_set_system_time(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);
int hv_get_wall_clock(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_set_wall_clock(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);
long hv_hc_clock_pairing(struct hv_vcpu *vcpu, const u64 *arg);
long hv_kvmclock_ctrl(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_clock(struct hv_vm *vm, void *data, unsigned long arg);
long hv_set_clock(struct hv_vm *vm, void *data, unsigned long arg);

/* fpu.c */
u32 hv_xsave2_size(void);
long hv_get_fpu(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_fpu(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_xsave(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_xsave2(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_xsave(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_xcrs(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_xcrs(struct hv_vcpu *vcpu, void *data, unsigned long arg);

/* fetch.c */
bool hv_decode_insn(struct hv_vcpu *vcpu, struct hv_insn *insn, const u8 *bytes,
		    unsigned int len, unsigned int cpl, int *r);

/* mmio.c */
int hv_emulate_insn(struct hv_vcpu *vcpu, const struct hv_insn *insn);
bool hv_read_operand16(struct hv_vcpu *vcpu, const struct hv_insn *insn, u16 *val, int *r);

int hv_mmio_to_user(struct hv_vcpu *vcpu, u64 gpa, const void *data, unsigned int len, bool write,
		    int (*complete)(struct hv_vcpu *vcpu));
int hv_mmio_retire(struct hv_vcpu *vcpu, bool trap);

/* mmio_move.c */
bool hv_is_move(struct hv_vcpu *vcpu, const struct hv_mmio_exit *exit, const struct hv_insn *insn);
int hv_emulate_move(struct hv_vcpu *vcpu, struct hv_mmio_exit *exit, const struct hv_insn *insn);

/**
 * struct hv_code_page - where code was fetched from last, and the instruction
 *
 * The guest's page tables may change at any time without an exit. So nothing here is believed
 * before every entry that led here has been read again and is the same.
 *
 * @generation: of the slots; 0: nothing is here
 * @la: linear address, page-aligned
 * @cr0, @cr3, @cr4, @efer: the paging mode and root; CR0 and CR4 as far as paging looks at them
 * @user: fetched with CPL 3
 * @nr: entries of page tables
 * @entry: what they were, accessed bit set
 * @entry_hva: userspace addresses of them
 * @hva: userspace address of the page
 * @rip, @mode: of the instruction: linear address, bits of the code segment
 * @bytes: 16 of them from there on
 * @insn: decoded
 */
struct hv_code_page {
	u64 generation;
	u64 la;
	u64 cr0;
	u64 cr3;
	u64 cr4;
	u64 efer;
	bool user;
	unsigned int nr;
	u64 entry[5];
	unsigned long entry_hva[5];
	unsigned long hva;
	u64 rip;
	unsigned int mode;
	u64 bytes[2];
	struct hv_insn insn;
};

/* gpt.c */
bool hv_code_page_read(struct hv_vcpu *vcpu, struct hv_code_page *c, u64 la, bool user,
		       u64 bytes[2]);
int hv_code_page_find(struct hv_vcpu *vcpu, struct hv_code_page *c, u64 la, bool user,
		      struct hv_event *ev);
bool hv_translate_system(struct hv_vcpu *vcpu, u64 gva, u64 *gpa);

/* debugreg.c */
long hv_set_guest_debug(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_debugregs(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_debugregs(struct hv_vcpu *vcpu, void *data, unsigned long arg);

/* ioctl_state.c */
long hv_get_regs(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_regs(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_sregs(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_sregs(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_vcpu_events(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_vcpu_events(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_get_mp_state(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_set_mp_state(struct hv_vcpu *vcpu, void *data, unsigned long arg);
long hv_interrupt(struct hv_vcpu *vcpu, void *data, unsigned long arg);

#endif
