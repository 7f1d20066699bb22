/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes to device memory and ports, one and many. The address or port is in RDI, a value
 * in RSI.
 */
#include "guest.h"

function store8
	movb	%sil, (%rdi)
	ret
function store16
	movw	%si, (%rdi)
	ret
function store32
	movl	%esi, (%rdi)
	ret
function store64
	movq	%rsi, (%rdi)
	ret
function load32
	movl	(%rdi), %eax
	ret
function add32
	addl	%esi, (%rdi)
	ret

/* The store is the instruction after this label. */
function store_imm
	movl	$0x11223344, (%rdi)
	ret

/* Segment, 32-bit address, displacement and value: all that makes an instruction long */
function store_long
	.byte	0x64, 0x67			/* FS, 32-bit address */
	movl	$0x11223344, 0x7f000(%rdi)
	ret

function in32
	movl	%edi, %edx
	inl	%dx, %eax
	ret
/* u64 outs8(port, address, count): what is left of RCX */
function outs8
	movq	%rdx, %rcx
	movl	%edi, %edx
	cld
	rep outsb
	movq	%rcx, %rax
	ret

/* u64 store_loop(address, value, count): TSC cycles for all */
function store_loop
	movq	%rdx, %rcx
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, %r8
1:	movl	%esi, (%rdi)
	decq	%rcx
	jnz	1b
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	subq	%r8, %rax
	ret
/* The same without the stores, and with OUT */
function empty_loop
	movq	%rdx, %rcx
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, %r8
1:	decq	%rcx
	jnz	1b
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	subq	%r8, %rax
	ret
function out_loop
	movq	%rdx, %rcx
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, %r8
	movl	%edi, %edx
	movl	%esi, %eax
1:	outl	%eax, %dx
	decq	%rcx
	jnz	1b
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	subq	%r8, %rax
	ret

/* void count_stores(address, count): the value is the number of the store */
function count_stores
	xorl	%eax, %eax
1:	incq	%rax
	movl	%eax, (%rdi)
	cmpq	%rsi, %rax
	jne	1b
	ret

/* A store and its interrupt; returns irq_total */
function store_window
	movl	%esi, (%rdi)
	sti
	nop
	nop
	cli
	movq	irq_total, %rax
	ret

	.data
	.balign	8
	.global	bytes
bytes:	.byte	1, 2, 3, 3, 4, 3, 5, 6
