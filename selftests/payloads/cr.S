/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control and debug registers.
 */
#include "guest.h"

.macro control n
function read_cr\n
	movq	%cr\n, %rax
	ret
function write_cr\n
	probe	movq %rdi, %cr\n
	ret
.endm
	control	0
	control	2
	control	3
	control	4
	control	8

/* Every register can be the operand. */
function write_cr4_r15
	pushq	%r15
	movq	%rdi, %r15
	probe	movq %r15, %cr4
	popq	%r15
	ret
function read_cr0_r9
	movq	%cr0, %r9
	movq	%r9, %rax
	ret
/* RSP as the operand: its value comes and goes through the exit handler. */
function read_cr3_rsp
	movq	%rsp, %rdx
	movq	%cr3, %rsp
	movq	%rsp, %rax
	movq	%rdx, %rsp
	ret

function read_cr1
	probe	.byte 0x0f, 0x20, 0xc8		/* mov %cr1, %rax */
	ret
function write_cr5
	probe	.byte 0x0f, 0x22, 0xe8		/* mov %rax, %cr5 */
	ret

function smsw
	smswq	%rax
	ret
function lmsw
	probe	lmsw %di
	ret
function clts
	clts
	ret

/* An x87 instruction, and an SSE one. */
function use_x87
	probe	fninit
	ret
function use_sse
	probe	xorps %xmm0, %xmm0
	ret

/* Write a PTE at RDI with RSI, then flush by one of three ways; read (RDX). */
function remap_invlpg
	movq	(%rdx), %rax
	movq	%rsi, (%rdi)
	invlpg	(%rdx)
	movq	(%rdx), %rax
	ret
function remap_cr3
	movq	(%rdx), %rax
	movq	%rsi, (%rdi)
	movq	%cr3, %rax
	movq	%rax, %cr3
	movq	(%rdx), %rax
	ret
function remap_pge
	movq	(%rdx), %rax
	movq	%rsi, (%rdi)
	movq	%cr4, %rax
	xorq	$0x80, %rax
	movq	%rax, %cr4
	xorq	$0x80, %rax
	movq	%rax, %cr4
	movq	(%rdx), %rax
	ret
/* The same, with INVPCID of type RCX and its descriptor at R8 */
function remap_invpcid
	movq	(%rdx), %rax
	movq	%rsi, (%rdi)
	probe	invpcid (%r8), %rcx
	movq	(%rdx), %rax
	ret

/* void switch_pcids(a, b, n): MOV to CR3 of one and the other, @n times */
function switch_pcids
	movq	%rdx, %rcx
1:	movq	%rdi, %cr3
	movq	%rsi, %cr3
	decq	%rcx
	jnz	1b
	ret

.macro debug n
function read_db\n
	probe	movq %db\n, %rax
	ret
function write_db\n
	probe	movq %rdi, %db\n
	ret
.endm
	debug	0
	debug	1
	debug	2
	debug	3
	debug	6
	debug	7
function read_db4
	probe	.byte 0x0f, 0x21, 0xe0		/* mov %db4, %rax */
	ret
function write_db5
	movq	%rdi, %rax
	probe	.byte 0x0f, 0x23, 0xe8		/* mov %rax, %db5 */
	ret

/* Breakpoint on an instruction: DR0 = target. */
function break_here
	nop
break_target:
	nop
	movl	$0xb4ea, %eax
	ret
	.global	break_target

/* Single step: three instructions with TF. */
function single_step
	pushfq
	orl	$0x100, (%rsp)
	popfq
	nop
	nop
	pushfq
	andl	$~0x100, (%rsp)
	popfq
	ret

/* Single step over an instruction that exits. */
function step_cpuid
	pushq	%rbx
	pushfq
	orl	$0x100, (%rsp)
	popfq
	xorl	%eax, %eax
	cpuid
	nop
	pushfq
	andl	$~0x100, (%rsp)
	popfq
	popq	%rbx
	ret

function int3_
	int3
	movl	$3, %eax
	ret
function int3_prefixed
	.byte	0x66
	int3
	movl	$3, %eax
	ret
function icebp
	.byte	0xf1
	movl	$1, %eax
	ret

/* An exit in the middle: registers survive it. */
function out_
	outl	%eax, $PORT_MARK
	ret
