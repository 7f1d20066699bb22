/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

.section .noinstr.text, "ax"

/*
 * void host_call_gate(unsigned long entry)
 *
 * Enter an interrupt handler as the processor would have done through the IDT:
 * the frame that IRET expects (SDM 3A 6.14.2), on a stack aligned to 16 bytes, with
 * interrupts off. The handler's IRET returns behind the call.
 */
SYM_FUNC_START(host_call_gate)
	push %rbp
	mov %rsp, %rbp

	and $-16, %rsp
	push $__KERNEL_DS
	push %rbp
	pushf
	push $__KERNEL_CS
	CALL_NOSPEC rdi		/* pushes the RIP of the frame */

	/* IRET has done this already; objtool can't know. */
	mov %rbp, %rsp
	pop %rbp
	RET
SYM_FUNC_END(host_call_gate)

	.section .note.GNU-stack, "", @progbits
