/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exceptions, one function each.
 */
#include "guest.h"

function divide_error
	xorl	%edx, %edx
	movl	$1, %eax
	xorl	%ecx, %ecx
	probe	divl %ecx
	ret

function undefined
	probe	ud2
	ret

function breakpoint
	int3
	ret

/* Error code 0. */
function gp_canonical
	movq	$1, %rax
	rolq	$63, %rax
	probe	movq (%rax), %rcx
	ret

/* Error code: the selector. */
function gp_selector
	movl	$0x1f8, %eax
	probe	movw %ax, %ds
	ret

function not_present
	movl	$SEL_NOT_PRESENT, %eax
	probe	movw %ax, %ds
	ret

/* INT through a gate that isn't there: #GP with the vector in the error code. */
function gp_int
	sidt	idtr
	lidt	short_idt
	probe	int $0x50
	lidt	idtr
	ret

function ss_fault
	movq	$1, %rax
	rolq	$63, %rax
	pushq	%rbp
	movq	%rax, %rbp
	probe	movq (%rbp), %rcx
	popq	%rbp
	ret

function execute
	movq	$1f, fixup
	jmpq	*%rdi
1:	ret

/* A page fault in user mode: IRETQ to a load at CPL 3. */
function user_load
	movq	%rsp, saved_rsp
	movq	$user_back, fixup
	pushq	$SEL_USER_DATA
	pushq	$0x28000
	pushq	$2
	pushq	$SEL_USER_CODE64
	pushq	$1f
	iretq
1:	movq	(%rdi), %rax
user_back:
	/* The handler came back to CPL 3: a second fault ends the test. */
	ud2

/* Software interrupt. */
function int_0x80
	int	$0x80
	movl	$0x80, %eax
	ret

/* The stack is gone: #PF, then the push of its frame faults: #DF on IST1. */
function double_fault
	movq	%rsp, saved_rsp
	movq	$df_back, fixup
	movq	$0x7f0000000000, %rsp
	pushq	%rax
df_back:
	movq	saved_rsp, %rsp
	ret

/* STI and MOV SS block for one instruction; see the interrupt tests. */

	.data
	.balign	16
	.global	saved_rsp
saved_rsp:	.quad	0
idtr:		.fill	10, 1, 0
		.balign	16
short_idt:	.word	0x4ff
		.quad	GUEST_IDT
