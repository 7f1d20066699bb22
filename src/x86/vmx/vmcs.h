/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMCS fields, controls and exit reasons (SDM 3D appendix B and C, 3C chapter 24),
 * and width-checked access to the current VMCS.
 */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#ifndef __ASSEMBLY__
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>
#include <asm/asm.h>
#endif

/* Used by entry.S */
#define VMCS_HOST_RSP			0x6c14

#ifndef __ASSEMBLY__

/*
 * Every field that hv uses, once: X(name, encoding). Accessors, and the dump of
 * a VMCS that the processor refused, come from this list.
 */
#define VMCS_CONTROL_FIELDS(X)			\
	X(VPID,				0x0000)	\
	X(IO_BITMAP_A,			0x2000)	\
	X(IO_BITMAP_B,			0x2002)	\
	X(MSR_BITMAP,			0x2004)	\
	X(TSC_OFFSET,			0x2010)	\
	X(EPT_POINTER,			0x201a)	\
	X(ENCLS_EXITING_BITMAP,		0x202e)	\
	X(XSS_EXIT_BITMAP,		0x202c)	\
	X(PIN_BASED_CONTROLS,		0x4000)	\
	X(PROC_BASED_CONTROLS,		0x4002)	\
	X(EXCEPTION_BITMAP,		0x4004)	\
	X(PAGE_FAULT_ERROR_MASK,	0x4006)	\
	X(PAGE_FAULT_ERROR_MATCH,	0x4008)	\
	X(CR3_TARGET_COUNT,		0x400a)	\
	X(EXIT_CONTROLS,		0x400c)	\
	X(EXIT_MSR_STORE_COUNT,		0x400e)	\
	X(EXIT_MSR_LOAD_COUNT,		0x4010)	\
	X(ENTRY_CONTROLS,		0x4012)	\
	X(ENTRY_MSR_LOAD_COUNT,		0x4014)	\
	X(ENTRY_INTR_INFO,		0x4016)	\
	X(ENTRY_EXCEPTION_ERROR,	0x4018)	\
	X(ENTRY_INSN_LEN,		0x401a)	\
	X(PROC_BASED_CONTROLS2,		0x401e)	\
	X(CR0_GUEST_HOST_MASK,		0x6000)	\
	X(CR4_GUEST_HOST_MASK,		0x6002)	\
	X(CR0_READ_SHADOW,		0x6004)	\
	X(CR4_READ_SHADOW,		0x6006)

#define VMCS_EXIT_FIELDS(X)			\
	X(GUEST_PHYSICAL_ADDRESS,	0x2400)	\
	X(INSTRUCTION_ERROR,		0x4400)	\
	X(EXIT_REASON,			0x4402)	\
	X(EXIT_INTR_INFO,		0x4404)	\
	X(EXIT_INTR_ERROR,		0x4406)	\
	X(IDT_VECTORING_INFO,		0x4408)	\
	X(IDT_VECTORING_ERROR,		0x440a)	\
	X(EXIT_INSN_LEN,		0x440c)	\
	X(EXIT_INSN_INFO,		0x440e)	\
	X(EXIT_QUALIFICATION,		0x6400)	\
	X(GUEST_LINEAR_ADDRESS,		0x640a)

#define VMCS_GUEST_FIELDS(X)			\
	X(GUEST_ES_SELECTOR,		0x0800)	\
	X(GUEST_CS_SELECTOR,		0x0802)	\
	X(GUEST_SS_SELECTOR,		0x0804)	\
	X(GUEST_DS_SELECTOR,		0x0806)	\
	X(GUEST_FS_SELECTOR,		0x0808)	\
	X(GUEST_GS_SELECTOR,		0x080a)	\
	X(GUEST_LDTR_SELECTOR,		0x080c)	\
	X(GUEST_TR_SELECTOR,		0x080e)	\
	X(LINK_POINTER,			0x2800)	\
	X(GUEST_DEBUGCTL,		0x2802)	\
	X(GUEST_PAT,			0x2804)	\
	X(GUEST_EFER,			0x2806)	\
	X(GUEST_PDPTE0,			0x280a)	\
	X(GUEST_PDPTE1,			0x280c)	\
	X(GUEST_PDPTE2,			0x280e)	\
	X(GUEST_PDPTE3,			0x2810)	\
	X(GUEST_ES_LIMIT,		0x4800)	\
	X(GUEST_CS_LIMIT,		0x4802)	\
	X(GUEST_SS_LIMIT,		0x4804)	\
	X(GUEST_DS_LIMIT,		0x4806)	\
	X(GUEST_FS_LIMIT,		0x4808)	\
	X(GUEST_GS_LIMIT,		0x480a)	\
	X(GUEST_LDTR_LIMIT,		0x480c)	\
	X(GUEST_TR_LIMIT,		0x480e)	\
	X(GUEST_GDTR_LIMIT,		0x4810)	\
	X(GUEST_IDTR_LIMIT,		0x4812)	\
	X(GUEST_ES_AR,			0x4814)	\
	X(GUEST_CS_AR,			0x4816)	\
	X(GUEST_SS_AR,			0x4818)	\
	X(GUEST_DS_AR,			0x481a)	\
	X(GUEST_FS_AR,			0x481c)	\
	X(GUEST_GS_AR,			0x481e)	\
	X(GUEST_LDTR_AR,		0x4820)	\
	X(GUEST_TR_AR,			0x4822)	\
	X(GUEST_INTERRUPTIBILITY,	0x4824)	\
	X(GUEST_ACTIVITY_STATE,		0x4826)	\
	X(GUEST_SYSENTER_CS,		0x482a)	\
	X(GUEST_CR0,			0x6800)	\
	X(GUEST_CR3,			0x6802)	\
	X(GUEST_CR4,			0x6804)	\
	X(GUEST_ES_BASE,		0x6806)	\
	X(GUEST_CS_BASE,		0x6808)	\
	X(GUEST_SS_BASE,		0x680a)	\
	X(GUEST_DS_BASE,		0x680c)	\
	X(GUEST_FS_BASE,		0x680e)	\
	X(GUEST_GS_BASE,		0x6810)	\
	X(GUEST_LDTR_BASE,		0x6812)	\
	X(GUEST_TR_BASE,		0x6814)	\
	X(GUEST_GDTR_BASE,		0x6816)	\
	X(GUEST_IDTR_BASE,		0x6818)	\
	X(GUEST_DR7,			0x681a)	\
	X(GUEST_RSP,			0x681c)	\
	X(GUEST_RIP,			0x681e)	\
	X(GUEST_RFLAGS,			0x6820)	\
	X(GUEST_PENDING_DEBUG,		0x6822)	\
	X(GUEST_SYSENTER_ESP,		0x6824)	\
	X(GUEST_SYSENTER_EIP,		0x6826)

#define VMCS_HOST_FIELDS(X)			\
	X(HOST_ES_SELECTOR,		0x0c00)	\
	X(HOST_CS_SELECTOR,		0x0c02)	\
	X(HOST_SS_SELECTOR,		0x0c04)	\
	X(HOST_DS_SELECTOR,		0x0c06)	\
	X(HOST_FS_SELECTOR,		0x0c08)	\
	X(HOST_GS_SELECTOR,		0x0c0a)	\
	X(HOST_TR_SELECTOR,		0x0c0c)	\
	X(HOST_PAT,			0x2c00)	\
	X(HOST_EFER,			0x2c02)	\
	X(HOST_SYSENTER_CS,		0x4c00)	\
	X(HOST_CR0,			0x6c00)	\
	X(HOST_CR3,			0x6c02)	\
	X(HOST_CR4,			0x6c04)	\
	X(HOST_FS_BASE,			0x6c06)	\
	X(HOST_GS_BASE,			0x6c08)	\
	X(HOST_TR_BASE,			0x6c0a)	\
	X(HOST_GDTR_BASE,		0x6c0c)	\
	X(HOST_IDTR_BASE,		0x6c0e)	\
	X(HOST_SYSENTER_ESP,		0x6c10)	\
	X(HOST_SYSENTER_EIP,		0x6c12)	\
	X(HOST_RIP,			0x6c16)

#define VMCS_FIELDS(X)	VMCS_CONTROL_FIELDS(X) VMCS_EXIT_FIELDS(X)	\
			VMCS_GUEST_FIELDS(X) VMCS_HOST_FIELDS(X)

enum vmcs_field {
#define X(name, enc)	VMCS_##name = enc,
	VMCS_FIELDS(X)
#undef X
};

/* Pin-based controls (SDM 3C 24.6.1) */
#define PIN_EXT_INTR_EXITING	BIT(0)
#define PIN_NMI_EXITING		BIT(3)
#define PIN_VIRTUAL_NMIS	BIT(5)

/* Primary processor-based controls (SDM 3C 24.6.2) */
#define PROC_INTR_WINDOW	BIT(2)
#define PROC_TSC_OFFSETTING	BIT(3)
#define PROC_HLT_EXITING	BIT(7)
#define PROC_INVLPG_EXITING	BIT(9)
#define PROC_MWAIT_EXITING	BIT(10)
#define PROC_RDPMC_EXITING	BIT(11)
#define PROC_RDTSC_EXITING	BIT(12)
#define PROC_CR3_LOAD_EXITING	BIT(15)
#define PROC_CR3_STORE_EXITING	BIT(16)
#define PROC_CR8_LOAD_EXITING	BIT(19)
#define PROC_CR8_STORE_EXITING	BIT(20)
#define PROC_NMI_WINDOW		BIT(22)
#define PROC_MOV_DR_EXITING	BIT(23)
#define PROC_UNCOND_IO_EXITING	BIT(24)
#define PROC_USE_MSR_BITMAP	BIT(28)
#define PROC_MONITOR_EXITING	BIT(29)
#define PROC_PAUSE_EXITING	BIT(30)
#define PROC_SECONDARY		BIT(31)

/* Secondary processor-based controls (SDM 3C 24.6.2) */
#define PROC2_EPT		BIT(1)
#define PROC2_RDTSCP		BIT(3)
#define PROC2_VPID		BIT(5)
#define PROC2_UNRESTRICTED	BIT(7)
#define PROC2_INVPCID		BIT(12)
#define PROC2_ENCLS_EXITING	BIT(15)
#define PROC2_XSAVES		BIT(20)

/* Exit and entry controls (SDM 3C 24.7.1, 24.8.1) */
#define EXIT_SAVE_DEBUG		BIT(2)
#define EXIT_HOST_64BIT		BIT(9)
#define EXIT_ACK_INTR		BIT(15)
#define EXIT_SAVE_PAT		BIT(18)
#define EXIT_LOAD_PAT		BIT(19)
#define EXIT_SAVE_EFER		BIT(20)
#define EXIT_LOAD_EFER		BIT(21)
#define ENTRY_LOAD_DEBUG	BIT(2)
#define ENTRY_IA32E_MODE	BIT(9)
#define ENTRY_LOAD_PAT		BIT(14)
#define ENTRY_LOAD_EFER		BIT(15)

/* Interruption-information fields (SDM 3C 24.8.3, 24.9.2, 24.9.3) */
#define INTR_VECTOR		0xffu
#define INTR_TYPE		GENMASK(10, 8)
#define INTR_TYPE_EXT		(0u << 8)
#define INTR_TYPE_NMI		(2u << 8)
#define INTR_TYPE_HARD_EXC	(3u << 8)
#define INTR_TYPE_SOFT_INTR	(4u << 8)
#define INTR_TYPE_PRIV_EXC	(5u << 8)
#define INTR_TYPE_SOFT_EXC	(6u << 8)
#define INTR_HAS_ERROR		BIT(11)
#define INTR_NMI_UNBLOCKED	BIT(12)	/* by IRET, in the exit's information */
#define INTR_VALID		BIT(31)

/* Interruptibility state (SDM 3C 24.4.2) */
#define GUEST_INTR_STI		BIT(0)
#define GUEST_INTR_MOV_SS	BIT(1)
#define GUEST_INTR_SMI		BIT(2)
#define GUEST_INTR_NMI		BIT(3)

#define VMX_ACTIVITY_ACTIVE	0

/* Access rights of a segment (SDM 3C 24.4.1) */
#define VMX_AR_TYPE		GENMASK(3, 0)
#define VMX_AR_S		BIT(4)
#define VMX_AR_DPL_SHIFT	5
#define VMX_AR_P		BIT(7)
#define VMX_AR_AVL		BIT(12)
#define VMX_AR_L		BIT(13)
#define VMX_AR_DB		BIT(14)
#define VMX_AR_G		BIT(15)
#define VMX_AR_UNUSABLE		BIT(16)

/* Pending debug exceptions (SDM 3C 24.4.2) */
#define PENDING_DEBUG_BS	BIT(14)

/* EPT violation's exit qualification (SDM 3C table 27-7) */
#define EPT_VIOL_READ		BIT(0)
#define EPT_VIOL_WRITE		BIT(1)
#define EPT_VIOL_FETCH		BIT(2)
#define EPT_VIOL_NMI_UNBLOCKED	BIT(12)

/* Basic exit reasons (SDM 3D appendix C) */
#define EXIT_FAILED_ENTRY	BIT(31)
enum vmx_exit_reason {
	EXIT_EXCEPTION_NMI = 0,
	EXIT_EXT_INTR = 1,
	EXIT_TRIPLE_FAULT = 2,
	EXIT_INIT = 3,
	EXIT_SIPI = 4,
	EXIT_INTR_WINDOW = 7,
	EXIT_NMI_WINDOW = 8,
	EXIT_TASK_SWITCH = 9,
	EXIT_CPUID = 10,
	EXIT_GETSEC = 11,
	EXIT_HLT = 12,
	EXIT_INVD = 13,
	EXIT_INVLPG = 14,
	EXIT_RDPMC = 15,
	EXIT_RDTSC = 16,
	EXIT_VMCALL = 18,
	EXIT_VMCLEAR = 19,
	EXIT_VMLAUNCH = 20,
	EXIT_VMPTRLD = 21,
	EXIT_VMPTRST = 22,
	EXIT_VMREAD = 23,
	EXIT_VMRESUME = 24,
	EXIT_VMWRITE = 25,
	EXIT_VMXOFF = 26,
	EXIT_VMXON = 27,
	EXIT_CR_ACCESS = 28,
	EXIT_DR_ACCESS = 29,
	EXIT_IO = 30,
	EXIT_RDMSR = 31,
	EXIT_WRMSR = 32,
	EXIT_INVALID_GUEST_STATE = 33,
	EXIT_MSR_LOAD = 34,
	EXIT_MWAIT = 36,
	EXIT_MONITOR_TRAP = 37,
	EXIT_MONITOR = 39,
	EXIT_PAUSE = 40,
	EXIT_MCE_DURING_ENTRY = 41,
	EXIT_EPT_VIOLATION = 48,
	EXIT_EPT_MISCONFIG = 49,
	EXIT_INVEPT = 50,
	EXIT_INVVPID = 53,
	EXIT_WBINVD = 54,
	EXIT_XSETBV = 55,
	EXIT_ENCLS = 60,
	EXIT_XSAVES = 63,
	EXIT_XRSTORS = 64,
	VMX_NR_EXITS = 70,
};

void vmcs_access_error(unsigned long field, bool write);

/*
 * VMX instructions report failure in CF and ZF (SDM 3C 30.2), and fault
 * when VMX was switched off for a reboot. Either way the caller gets 0 and
 * the failure is noted once.
 */
static __always_inline unsigned long __vmcs_read(unsigned long field)
{
	unsigned long val = 0;
	bool ok = false;

	asm volatile("1: vmread %[field], %[val]\n\t"
		     "seta %[ok]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [val] "+r" (val), [ok] "+q" (ok)
		     : [field] "r" (field)
		     : "cc");
	if (unlikely(!ok)) {
		vmcs_access_error(field, false);
		return 0;
	}
	return val;
}

static __always_inline void __vmcs_write(unsigned long field, unsigned long val)
{
	bool ok = false;

	asm volatile("1: vmwrite %[val], %[field]\n\t"
		     "seta %[ok]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [ok] "+q" (ok)
		     : [field] "r" (field), [val] "rm" (val)
		     : "cc");
	if (unlikely(!ok))
		vmcs_access_error(field, true);
}

/* Bits 14:13 of an encoding give the width (SDM 3C 24.11.2) */
#define VMCS_WIDTH(field)	(((field) >> 13) & 3)
#define VMCS_WIDTH_16		0
#define VMCS_WIDTH_64		1
#define VMCS_WIDTH_32		2
#define VMCS_WIDTH_NATURAL	3

#define vmcs_check_width(field, width)						\
	BUILD_BUG_ON_MSG(!__builtin_constant_p(field) ||			\
			 VMCS_WIDTH(field) != (width), "VMCS field has another width")

#define VMCS_ACCESSORS(suffix, type, width)					\
static __always_inline type vmcs_read##suffix(unsigned long field)		\
{										\
	vmcs_check_width(field, width);						\
	return __vmcs_read(field);						\
}										\
static __always_inline void vmcs_write##suffix(unsigned long field, type val)	\
{										\
	vmcs_check_width(field, width);						\
	__vmcs_write(field, val);						\
}

VMCS_ACCESSORS(16, u16, VMCS_WIDTH_16)
VMCS_ACCESSORS(32, u32, VMCS_WIDTH_32)
VMCS_ACCESSORS(64, u64, VMCS_WIDTH_64)
VMCS_ACCESSORS(n, unsigned long, VMCS_WIDTH_NATURAL)
#undef VMCS_ACCESSORS

#endif /* __ASSEMBLY__ */
#endif
