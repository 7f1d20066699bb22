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

/* One constant a field: VMCS_GUEST_RIP, ... */
enum vmcs_field {
#define VMCS_FIELD(name, enc)	VMCS_##name = (enc)
#include "vmcs_fields.h"
};

/* Pin-based controls (SDM 3C 24.6.1) */
#define PIN_EXT_INTR_EXITING	BIT(0)
#define PIN_NMI_EXITING		BIT(3)
#define PIN_VIRTUAL_NMIS	BIT(5)
#define PIN_PREEMPTION_TIMER	BIT(6)
#define PIN_POSTED_INTR		BIT(7)

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
#define PROC_TPR_SHADOW		BIT(21)
#define PROC_NMI_WINDOW		BIT(22)
#define PROC_MOV_DR_EXITING	BIT(23)
#define PROC_UNCOND_IO_EXITING	BIT(24)
#define PROC_USE_MSR_BITMAP	BIT(28)
#define PROC_MONITOR_EXITING	BIT(29)
#define PROC_PAUSE_EXITING	BIT(30)
#define PROC_SECONDARY		BIT(31)

/* Secondary processor-based controls (SDM 3C 24.6.2) */
#define PROC2_VIRT_APIC		BIT(0)
#define PROC2_EPT		BIT(1)
#define PROC2_RDTSCP		BIT(3)
#define PROC2_VIRT_X2APIC	BIT(4)
#define PROC2_VPID		BIT(5)
#define PROC2_WBINVD_EXITING	BIT(6)
#define PROC2_UNRESTRICTED	BIT(7)
#define PROC2_APIC_REGS		BIT(8)
#define PROC2_VIRT_INTR		BIT(9)
#define PROC2_INVPCID		BIT(12)
#define PROC2_ENCLS_EXITING	BIT(15)
#define PROC2_PAUSE_LOOP	BIT(10)
#define PROC2_PML		BIT(17)
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
#define VMX_TR_BUSY_64		11

/* Pending debug exceptions (SDM 3C 24.4.2) */
#define PENDING_DEBUG_BS	BIT(14)

/* EPT violation's exit qualification (SDM 3C table 27-7) */
#define EPT_VIOL_READ		BIT(0)
#define EPT_VIOL_WRITE		BIT(1)
#define EPT_VIOL_FETCH		BIT(2)
#define EPT_VIOL_GLA_VALID	BIT(7)
#define EPT_VIOL_TRANSLATED	BIT(8)	/* not an access to a paging structure */
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
	EXIT_TPR_THRESHOLD = 43,
	EXIT_APIC_ACCESS = 44,
	EXIT_VIRTUAL_EOI = 45,
	EXIT_EPT_VIOLATION = 48,
	EXIT_EPT_MISCONFIG = 49,
	EXIT_INVEPT = 50,
	EXIT_INVVPID = 53,
	EXIT_PREEMPTION_TIMER = 52,
	EXIT_WBINVD = 54,
	EXIT_XSETBV = 55,
	EXIT_APIC_WRITE = 56,
	EXIT_PML_FULL = 62,
	EXIT_ENCLS = 60,
	EXIT_XSAVES = 63,
	EXIT_XRSTORS = 64,
	VMX_NR_EXITS = 70,
};

void vmcs_access_error(unsigned long field, bool write);

/*
 * VMX instructions report failure in CF and ZF (SDM 3C 30.2), and fault when VMX was switched off
 * for a reboot. Then both flags are what they were before, so one of them is set there. Either way
 * the caller gets 0 and the failure is noted once.
 */
static __always_inline unsigned long __vmcs_read(unsigned long field)
{
	unsigned long val;
	bool ok;

	/* XOR sets ZF */
	asm volatile("xor %k[val], %k[val]\n"
		     "1: vmread %[field], %[val]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [val] "=&r" (val), "=@cca" (ok)
		     : [field] "r" (field));
	if (unlikely(!ok)) {
		vmcs_access_error(field, false);
		return 0;
	}
	return val;
}

static __always_inline void __vmcs_write(unsigned long field, unsigned long val)
{
	bool ok;

	asm volatile("stc\n"
		     "1: vmwrite %[val], %[field]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@cca" (ok)
		     : [field] "r" (field), [val] "rm" (val));
	if (unlikely(!ok))
		vmcs_access_error(field, true);
}

/* Bits 14:13 of an encoding give the width (SDM 3C 24.11.2) */
#define VMCS_WIDTH(field)	(((field) >> 13) & 3)
#define VMCS_WIDTH_16		0
#define VMCS_WIDTH_64		1
#define VMCS_WIDTH_32		2
#define VMCS_WIDTH_NATURAL	3

static __always_inline void vmcs_check_width(unsigned long field, unsigned int width)
{
	BUILD_BUG_ON_MSG(!__builtin_constant_p(field) || VMCS_WIDTH(field) != width,
			 "VMCS field has another width");
}

static __always_inline u16 vmcs_read16(unsigned long field)
{
	vmcs_check_width(field, VMCS_WIDTH_16);
	return __vmcs_read(field);
}

static __always_inline void vmcs_write16(unsigned long field, u16 val)
{
	vmcs_check_width(field, VMCS_WIDTH_16);
	__vmcs_write(field, val);
}

static __always_inline u32 vmcs_read32(unsigned long field)
{
	vmcs_check_width(field, VMCS_WIDTH_32);
	return __vmcs_read(field);
}

static __always_inline void vmcs_write32(unsigned long field, u32 val)
{
	vmcs_check_width(field, VMCS_WIDTH_32);
	__vmcs_write(field, val);
}

static __always_inline u64 vmcs_read64(unsigned long field)
{
	vmcs_check_width(field, VMCS_WIDTH_64);
	return __vmcs_read(field);
}

static __always_inline void vmcs_write64(unsigned long field, u64 val)
{
	vmcs_check_width(field, VMCS_WIDTH_64);
	__vmcs_write(field, val);
}

static __always_inline unsigned long vmcs_readn(unsigned long field)
{
	vmcs_check_width(field, VMCS_WIDTH_NATURAL);
	return __vmcs_read(field);
}

static __always_inline void vmcs_writen(unsigned long field, unsigned long val)
{
	vmcs_check_width(field, VMCS_WIDTH_NATURAL);
	__vmcs_write(field, val);
}

#endif /* __ASSEMBLY__ */
#endif
