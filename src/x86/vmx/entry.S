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
#include "entry.h"
#include "vmcs.h"

/* Slots of vcpu->x86.regs, in the order of ModRM; RSP is in the VMCS */
#define REG_RAX	(0 * 8)
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

	mov %rsi, %rax
	mov REG_RCX(%rax), %rcx
	mov REG_RDX(%rax), %rdx
	mov REG_RBX(%rax), %rbx
	mov REG_RBP(%rax), %rbp
	mov REG_RSI(%rax), %rsi
	mov REG_RDI(%rax), %rdi
	mov REG_R8(%rax), %r8
	mov REG_R9(%rax), %r9
	mov REG_R10(%rax), %r10
	mov REG_R11(%rax), %r11
	mov REG_R12(%rax), %r12
	mov REG_R13(%rax), %r13
	mov REG_R14(%rax), %r14
	mov REG_R15(%rax), %r15
	mov REG_RAX(%rax), %rax

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
	xor %ebx, %ebx			/* VMX_EXITED */

.Lclear:
	/* No value of the guest's may be used in speculation by what runs next. */
	xor %eax, %eax
	xor %ecx, %ecx
	xor %edx, %edx
	xor %ebp, %ebp
	xor %esi, %esi
	xor %edi, %edi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d

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
