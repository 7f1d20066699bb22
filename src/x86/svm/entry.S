/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMRUN and #VMEXIT (APM 2 15.5 and 15.6).
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include "../guest_regs.S"
#include "entry.h"

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

	LOAD_GUEST_REGS

	/* TSA: nothing of the host's is loaded after it. */
	VM_CLEAR_CPU_BUFFERS

	vmrun %rax
	cli

	/* RAX and RSP are the host's again, all else is the guest's. */
	pop %rax			/* regs */
	STORE_GUEST_REGS

	pop %rdi			/* sw */
	mov SVM_SW_VMCB_PA(%rdi), %rax
	vmsave %rax
	mov SVM_SW_HOST_PA(%rdi), %rax
	vmload %rax

	xor %ebx, %ebx			/* SVM_EXITED */
	CLEAR_GUEST_REGS

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
