/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VM entry and VM exit (SDM 3C chapters 26 and 27).
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include <asm/unwind_hints.h>
#include "../guest_regs.S"
#include "entry.h"
#include "vmcs.h"

/* Our stack during the guest, from RSP up; after an exit, below one saved RAX */
#define STACK_REGS	0
#define STACK_SWITCH	8

.section .noinstr.text, "ax"

/*
 * unsigned long vmx_enter_guest(struct vmx_switch *sw, u64 *regs)
 *
 * Loads the guest's registers, enters, and stores them again after the VM exit.
 * Interrupts are off. Returns VMX_EXITED, VMX_FAILED or VMX_FAULTED.
 */
SYM_FUNC_START(vmx_enter_guest)
	push %rbp
	mov %rsp, %rbp
	push %r15
	push %r14
	push %r13
	push %r12
	push %rbx
	push %rdi			/* STACK_SWITCH */
	push %rsi			/* STACK_REGS */

	/* HOST_RSP is the same from one entry to the next, but for another call chain. */
	cmp %rsp, VMX_SW_HOST_RSP(%rdi)
	je .Lhost_rsp_done
	mov %rsp, VMX_SW_HOST_RSP(%rdi)
	mov $VMCS_HOST_RSP, %eax
.Lvmwrite:
	vmwrite %rsp, %rax
.Lhost_rsp_done:

	/*
	 * From the write of SPEC_CTRL to the entry there must be no return and no
	 * indirect branch: the guest's value may leave them unprotected.
	 * The entry serializes on the processors that matter; no LFENCE.
	 */
	cmpb $0, VMX_SW_SWITCH_SPEC_CTRL(%rdi)
	je .Lspec_ctrl_done
	mov VMX_SW_SPEC_CTRL(%rdi), %eax
	cmp PER_CPU_VAR(x86_spec_ctrl_current), %eax
	je .Lspec_ctrl_done
	mov $MSR_IA32_SPEC_CTRL, %ecx
	xor %edx, %edx
	wrmsr
.Lspec_ctrl_done:

	/* CF: VMRESUME. None of the moves below changes flags, nor does VERW change CF. */
	movzbl VMX_SW_LAUNCHED(%rdi), %eax
	bt $0, %eax

	mov REG_RAX(%rsi), %rax
	LOAD_GUEST_REGS

	/* MDS, TAA, RFDS, MMIO stale data: last, nothing of the host's is loaded after it. */
	CLEAR_CPU_BUFFERS

	jnc .Lvmlaunch

	/* objtool: the exit comes back below with the stack as it is here. */
	UNWIND_HINT_SAVE
.Lvmresume:
	vmresume
	jmp .Lfailed
.Lvmlaunch:
	vmlaunch
	jmp .Lfailed

	_ASM_EXTABLE(.Lvmwrite, .Lfaulted)
	_ASM_EXTABLE(.Lvmresume, .Lfaulted)
	_ASM_EXTABLE(.Lvmlaunch, .Lfaulted)

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	/* HOST_RIP. The processor has loaded RSP; all else is the guest's. */
	UNWIND_HINT_RESTORE
	ENDBR

	push %rax
	mov 8 + STACK_REGS(%rsp), %rax
	pop REG_RAX(%rax)
	STORE_GUEST_REGS
	xor %ebx, %ebx			/* VMX_EXITED */

.Lclear:
	CLEAR_GUEST_REGS
	xor %edi, %edi

	/*
	 * Before the first unbalanced return: the return stack holds the guest's
	 * entries (retpoline, IBRS), or needs one retired call (eIBRS).
	 */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE

	pop %rsi			/* regs, no longer needed */
	pop %rdi			/* sw */
	add $VMX_SW_SPEC_CTRL, %rdi
	call hv_restore_spec_ctrl

	CLEAR_BRANCH_HISTORY_VMEXIT

	mov %rbx, %rax
	pop %rbx
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	pop %rbp
	RET

.Lfaulted:
	mov $VMX_FAULTED, %ebx
	jmp .Lclear
.Lfailed:
	mov $VMX_FAILED, %ebx
	jmp .Lclear
SYM_FUNC_END(vmx_enter_guest)

	.section .note.GNU-stack, "", @progbits
