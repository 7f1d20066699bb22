/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMRUN and #VMEXIT (APM 2 15.5 and 15.6).
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include "entry.h"

/* Slots of vcpu->x86.regs, in the order of ModRM; RAX and RSP are in the VMCB */
#define REG_RCX	(1 * 8)
#define REG_RDX	(2 * 8)
#define REG_RBX	(3 * 8)
#define REG_RBP	(5 * 8)
#define REG_RSI	(6 * 8)
#define REG_RDI	(7 * 8)
#define REG_R8	(8 * 8)
#define REG_R9	(9 * 8)
#define REG_R10	(10 * 8)
#define REG_R11	(11 * 8)
#define REG_R12	(12 * 8)
#define REG_R13	(13 * 8)
#define REG_R14	(14 * 8)
#define REG_R15	(15 * 8)

/* Return thunks of the guest's making (retbleed, SRSO), and an IBPB where the host asks for it */
.macro UNTRAIN_RET_AFTER_GUEST
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif
.endm

.section .noinstr.text, "ax"

/*
 * unsigned long svm_enter_guest(struct svm_switch *sw, u64 *regs)
 *
 * Loads the guest's registers, enters, and stores them again after the #VMEXIT. Called
 * and returns with interrupts off and GIF set. Returns SVM_EXITED or SVM_FAULTED.
 *
 * While GIF is clear not even an NMI is taken (APM 2 15.17): it finds the host's
 * per-CPU data, stack and predictors in order when it is set again. What ended the guest
 * is then still pending: an NMI is taken right at STGI, an interrupt when the run loop
 * turns interrupts on.
 */
SYM_FUNC_START(svm_enter_guest)
	push %rbp
	mov %rsp, %rbp
	push %r15
	push %r14
	push %r13
	push %r12
	push %rbx
	push %rdi			/* sw */
	push %rsi			/* regs */

.Lclgi:
	clgi
	/*
	 * With V_INTR_MASKING the host's IF says whether interrupts of the host end the
	 * guest (APM 2 15.21.1). They wait for GIF. Not right before VMRUN: when an exit cuts
	 * the delivery of an event short, processors show STI's shadow as the guest's.
	 */
	sti

	/*
	 * From the write of SPEC_CTRL to the entry there must be no return and no
	 * indirect branch: the guest's value may leave them unprotected.
	 */
	cmpb $0, SVM_SW_SWITCH_SPEC_CTRL(%rdi)
	je .Lspec_ctrl_done
	mov SVM_SW_SPEC_CTRL(%rdi), %eax
	cmp PER_CPU_VAR(x86_spec_ctrl_current), %eax
	je .Lspec_ctrl_done
	mov $MSR_IA32_SPEC_CTRL, %ecx
	xor %edx, %edx
	wrmsr
.Lspec_ctrl_done:

	/* FS, GS, TR, LDTR, the SYSCALL and SYSENTER MSRs: no per-CPU data from here on */
	mov SVM_SW_VMCB_PA(%rdi), %rax
	vmload %rax

	mov REG_RCX(%rsi), %rcx
	mov REG_RDX(%rsi), %rdx
	mov REG_RBX(%rsi), %rbx
	mov REG_RBP(%rsi), %rbp
	mov REG_RDI(%rsi), %rdi
	mov REG_R8(%rsi), %r8
	mov REG_R9(%rsi), %r9
	mov REG_R10(%rsi), %r10
	mov REG_R11(%rsi), %r11
	mov REG_R12(%rsi), %r12
	mov REG_R13(%rsi), %r13
	mov REG_R14(%rsi), %r14
	mov REG_R15(%rsi), %r15
	mov REG_RSI(%rsi), %rsi

	/* TSA: nothing of the host's is loaded after it. */
	VM_CLEAR_CPU_BUFFERS

	vmrun %rax
	cli

	/* RAX and RSP are the host's again, all else is the guest's. */
	pop %rax			/* regs */
	mov %rcx, REG_RCX(%rax)
	mov %rdx, REG_RDX(%rax)
	mov %rbx, REG_RBX(%rax)
	mov %rbp, REG_RBP(%rax)
	mov %rsi, REG_RSI(%rax)
	mov %rdi, REG_RDI(%rax)
	mov %r8, REG_R8(%rax)
	mov %r9, REG_R9(%rax)
	mov %r10, REG_R10(%rax)
	mov %r11, REG_R11(%rax)
	mov %r12, REG_R12(%rax)
	mov %r13, REG_R13(%rax)
	mov %r14, REG_R14(%rax)
	mov %r15, REG_R15(%rax)

	pop %rdi			/* sw */
	mov SVM_SW_VMCB_PA(%rdi), %rax
	vmsave %rax
	mov SVM_SW_HOST_PA(%rdi), %rax
	vmload %rax

	/* No value of the guest's may be used in speculation by what runs next. */
	xor %eax, %eax
	xor %ebx, %ebx			/* SVM_EXITED */
	xor %ecx, %ecx
	xor %edx, %edx
	xor %ebp, %ebp
	xor %esi, %esi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d

	/* Before the first return: the return stack holds the guest's entries. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	UNTRAIN_RET_AFTER_GUEST

	add $SVM_SW_SPEC_CTRL, %rdi
	call hv_restore_spec_ctrl

	/* An NMI that ended the guest is taken here. */
	stgi
.Lout:
	mov %rbx, %rax
	pop %rbx
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	pop %rbp
	RET

	/* CLGI is #UD when SVM is off. GIF is set then. */
.Lfaulted:
	mov $SVM_FAULTED, %ebx
	add $16, %rsp			/* sw, regs */
	jmp .Lout
	_ASM_EXTABLE(.Lclgi, .Lfaulted)
SYM_FUNC_END(svm_enter_guest)

	.section .note.GNU-stack, "", @progbits
