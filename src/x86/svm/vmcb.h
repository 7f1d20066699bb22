/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine control block (APM 2 appendix B), and what is in its fields.
 */
#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* Intercepts of control and debug registers: reads in the low half, writes in the high one */
#define SVM_CR_READ(n)		BIT(n)
#define SVM_CR_WRITE(n)		BIT(16 + (n))
#define SVM_DR_ALL		0xffffffffu

/* Intercepts of events and instructions (APM 2 table B-1, offset 00Ch) */
#define SVM_INTERCEPT_INTR		BIT(0)
#define SVM_INTERCEPT_NMI		BIT(1)
#define SVM_INTERCEPT_SMI		BIT(2)
#define SVM_INTERCEPT_INIT		BIT(3)
#define SVM_INTERCEPT_VINTR		BIT(4)
#define SVM_INTERCEPT_CR0_SEL_WRITE	BIT(5)	/* bits other than TS and MP */
#define SVM_INTERCEPT_RDPMC		BIT(15)
#define SVM_INTERCEPT_CPUID		BIT(18)
#define SVM_INTERCEPT_RSM		BIT(19)
#define SVM_INTERCEPT_IRET		BIT(20)
#define SVM_INTERCEPT_INVD		BIT(22)
#define SVM_INTERCEPT_PAUSE		BIT(23)
#define SVM_INTERCEPT_HLT		BIT(24)
#define SVM_INTERCEPT_INVLPGA		BIT(26)
#define SVM_INTERCEPT_IOIO		BIT(27)
#define SVM_INTERCEPT_MSR		BIT(28)
#define SVM_INTERCEPT_TASK_SWITCH	BIT(29)
#define SVM_INTERCEPT_SHUTDOWN		BIT(31)

/* Offset 010h */
#define SVM_INTERCEPT_VMRUN		BIT(0)	/* VMRUN refuses to run without */
#define SVM_INTERCEPT_VMMCALL		BIT(1)
#define SVM_INTERCEPT_VMLOAD		BIT(2)
#define SVM_INTERCEPT_VMSAVE		BIT(3)
#define SVM_INTERCEPT_STGI		BIT(4)
#define SVM_INTERCEPT_CLGI		BIT(5)
#define SVM_INTERCEPT_SKINIT		BIT(6)
#define SVM_INTERCEPT_RDTSCP		BIT(7)
#define SVM_INTERCEPT_ICEBP		BIT(8)
#define SVM_INTERCEPT_WBINVD		BIT(9)
#define SVM_INTERCEPT_MONITOR		BIT(10)
#define SVM_INTERCEPT_MWAIT		BIT(11)
#define SVM_INTERCEPT_XSETBV		BIT(13)
#define SVM_INTERCEPT_RDPRU		BIT(14)

/* Offset 014h */
#define SVM_INTERCEPT_INVLPGB		BIT(0)
#define SVM_INTERCEPT_INVPCID		BIT(2)
#define SVM_INTERCEPT_MCOMMIT		BIT(3)
#define SVM_INTERCEPT_TLBSYNC		BIT(4)

/* TLB_CONTROL (APM 2 table 15-9) */
#define SVM_TLB_NOTHING		0
#define SVM_TLB_FLUSH_ALL	1	/* every ASID, the host's too */
#define SVM_TLB_FLUSH_ASID	3	/* with flush-by-ASID */

/* Virtual interrupts (offset 060h) */
#define SVM_V_TPR		GENMASK(3, 0)	/* bits 7:4 are reserved */
#define SVM_V_IRQ		BIT(8)
#define SVM_V_INTR_PRIO_MAX	(15u << 16)
#define SVM_V_IGN_TPR		BIT(20)
#define SVM_V_INTR_MASKING	BIT(24)

/* Offset 068h */
#define SVM_INTERRUPT_SHADOW	BIT_ULL(0)

/* Offset 090h */
#define SVM_NP_ENABLE		BIT_ULL(0)

/* EVENTINJ and EXITINTINFO (APM 2 15.20, 15.7.2) */
#define SVM_EVENT_VECTOR	GENMASK_ULL(7, 0)
#define SVM_EVENT_TYPE		GENMASK_ULL(10, 8)
#define SVM_EVENT_INTR		(0ull << 8)
#define SVM_EVENT_NMI		(2ull << 8)
#define SVM_EVENT_EXCEPTION	(3ull << 8)
#define SVM_EVENT_SOFT_INTR	(4ull << 8)
#define SVM_EVENT_HAS_ERROR	BIT_ULL(11)
#define SVM_EVENT_VALID		BIT_ULL(31)
#define SVM_EVENT_ERROR_SHIFT	32

/* VMCB clean bits (APM 2 15.15.3): a set bit says that the fields have not changed */
#define SVM_CLEAN_INTERCEPTS	BIT(0)	/* and TSC offset, pause filter */
#define SVM_CLEAN_ASID		BIT(2)
#define SVM_CLEAN_TPR		BIT(3)	/* virtual interrupts */
#define SVM_CLEAN_NP		BIT(4)	/* nested paging, guest PAT */
#define SVM_CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define SVM_CLEAN_DR		BIT(6)
#define SVM_CLEAN_DT		BIT(7)
#define SVM_CLEAN_SEG		BIT(8)	/* and CPL */
#define SVM_CLEAN_CR2		BIT(9)
#define SVM_CLEAN_ALL		GENMASK(9, 0)

/* Exit codes (APM 2 appendix C) */
#define SVM_EXIT_CR_READ	0x00	/* + number */
#define SVM_EXIT_CR_WRITE	0x10
#define SVM_EXIT_DR_READ	0x20
#define SVM_EXIT_DR_WRITE	0x30
#define SVM_EXIT_EXCEPTION	0x40	/* + vector */
#define SVM_EXIT_INTR		0x60
#define SVM_EXIT_NMI		0x61
#define SVM_EXIT_SMI		0x62
#define SVM_EXIT_INIT		0x63
#define SVM_EXIT_VINTR		0x64
#define SVM_EXIT_CR0_SEL_WRITE	0x65
#define SVM_EXIT_RDPMC		0x6f
#define SVM_EXIT_CPUID		0x72
#define SVM_EXIT_RSM		0x73
#define SVM_EXIT_IRET		0x74
#define SVM_EXIT_INVD		0x76
#define SVM_EXIT_PAUSE		0x77
#define SVM_EXIT_HLT		0x78
#define SVM_EXIT_INVLPGA	0x7a
#define SVM_EXIT_IOIO		0x7b
#define SVM_EXIT_MSR		0x7c
#define SVM_EXIT_TASK_SWITCH	0x7d
#define SVM_EXIT_SHUTDOWN	0x7f
#define SVM_EXIT_VMRUN		0x80
#define SVM_EXIT_VMMCALL	0x81
#define SVM_EXIT_VMLOAD		0x82
#define SVM_EXIT_VMSAVE		0x83
#define SVM_EXIT_STGI		0x84
#define SVM_EXIT_CLGI		0x85
#define SVM_EXIT_SKINIT		0x86
#define SVM_EXIT_RDTSCP		0x87
#define SVM_EXIT_ICEBP		0x88
#define SVM_EXIT_WBINVD		0x89
#define SVM_EXIT_MONITOR	0x8a
#define SVM_EXIT_MWAIT		0x8b
#define SVM_EXIT_XSETBV		0x8d
#define SVM_EXIT_RDPRU		0x8e
#define SVM_EXIT_INVLPGB	0xa0
#define SVM_EXIT_INVPCID	0xa2
#define SVM_EXIT_MCOMMIT	0xa3
#define SVM_EXIT_TLBSYNC	0xa4
#define SVM_EXIT_NPF		0x400
#define SVM_EXIT_INVALID	(~0ull)	/* VMRUN refused the VMCB */

/* Segment attributes: bits 55:52 and 47:40 of the descriptor (APM 2 15.5.1) */
#define SVM_ATTR_TYPE		GENMASK(3, 0)
#define SVM_ATTR_S		BIT(4)
#define SVM_ATTR_DPL		GENMASK(6, 5)
#define SVM_ATTR_P		BIT(7)
#define SVM_ATTR_AVL		BIT(8)
#define SVM_ATTR_L		BIT(9)
#define SVM_ATTR_DB		BIT(10)
#define SVM_ATTR_G		BIT(11)

struct vmcb_segment {
	u16 selector;
	u16 attributes;
	u32 limit;
	u64 base;
};

/* Control area (APM 2 table B-1) */
struct vmcb_control {
	u32 cr;				/* 000h: intercepts */
	u32 dr;
	u32 exceptions;
	u32 intercepts;
	u32 intercepts2;
	u32 intercepts3;
	u8 reserved_018[0x3c - 0x18];
	u16 pause_threshold;
	u16 pause_count;
	u64 iopm_pa;			/* 040h */
	u64 msrpm_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 vintr;			/* 060h */
	u32 vintr_vector;
	u64 interrupt_state;
	u64 exit_code;			/* 070h */
	u64 exit_info1;
	u64 exit_info2;
	u64 exit_int_info;
	u64 nested_control;		/* 090h */
	u64 avic_apic_bar;
	u64 ghcb_pa;
	u64 event_inject;
	u64 nested_cr3;			/* 0b0h */
	u64 lbr_control;
	u32 clean;
	u32 reserved_0c4;
	u64 next_rip;
	u8 insn_len;			/* 0d0h */
	u8 insn[15];
	u8 reserved_0e0[0x400 - 0xe0];
};

/* State save area (APM 2 table B-2) */
struct vmcb_save {
	struct vmcb_segment es, cs, ss, ds, fs, gs;
	struct vmcb_segment gdtr, ldtr, idtr, tr;
	u8 reserved_0a0[0xcb - 0xa0];
	u8 cpl;				/* 0cbh */
	u32 reserved_0cc;
	u64 efer;
	u8 reserved_0d8[0x148 - 0xd8];
	u64 cr4;			/* 148h */
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;			/* 170h */
	u64 rip;
	u8 reserved_180[0x1d8 - 0x180];
	u64 rsp;			/* 1d8h */
	u8 reserved_1e0[0x1f8 - 0x1e0];
	u64 rax;			/* 1f8h */
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;		/* 220h */
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;			/* 240h */
	u8 reserved_248[0x268 - 0x248];
	u64 pat;			/* 268h */
	u64 debugctl;
	u8 reserved_278[0x2e0 - 0x278];
	u64 spec_ctrl;			/* 2e0h */
	u8 reserved_2e8[0xc00 - 0x2e8];
};

struct vmcb {
	struct vmcb_control control;
	struct vmcb_save save;
};

static_assert(sizeof(struct vmcb) == 4096);
static_assert(offsetof(struct vmcb_control, pause_threshold) == 0x3c);
static_assert(offsetof(struct vmcb_control, iopm_pa) == 0x40);
static_assert(offsetof(struct vmcb_control, asid) == 0x58);
static_assert(offsetof(struct vmcb_control, vintr) == 0x60);
static_assert(offsetof(struct vmcb_control, exit_code) == 0x70);
static_assert(offsetof(struct vmcb_control, exit_int_info) == 0x88);
static_assert(offsetof(struct vmcb_control, nested_control) == 0x90);
static_assert(offsetof(struct vmcb_control, event_inject) == 0xa8);
static_assert(offsetof(struct vmcb_control, nested_cr3) == 0xb0);
static_assert(offsetof(struct vmcb_control, clean) == 0xc0);
static_assert(offsetof(struct vmcb_control, next_rip) == 0xc8);
static_assert(offsetof(struct vmcb_control, insn_len) == 0xd0);
static_assert(offsetof(struct vmcb, save) == 0x400);
static_assert(offsetof(struct vmcb_save, gdtr) == 0x60);
static_assert(offsetof(struct vmcb_save, tr) == 0x90);
static_assert(offsetof(struct vmcb_save, cpl) == 0xcb);
static_assert(offsetof(struct vmcb_save, efer) == 0xd0);
static_assert(offsetof(struct vmcb_save, cr4) == 0x148);
static_assert(offsetof(struct vmcb_save, rflags) == 0x170);
static_assert(offsetof(struct vmcb_save, rsp) == 0x1d8);
static_assert(offsetof(struct vmcb_save, rax) == 0x1f8);
static_assert(offsetof(struct vmcb_save, kernel_gs_base) == 0x220);
static_assert(offsetof(struct vmcb_save, cr2) == 0x240);
static_assert(offsetof(struct vmcb_save, pat) == 0x268);
static_assert(offsetof(struct vmcb_save, spec_ctrl) == 0x2e0);

#endif
