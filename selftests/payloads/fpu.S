/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extended state: load it from memory, exit, store it.
 */
#include "guest.h"

/* void restore(area, mask): XRSTOR of all components in the mask, then an exit */
function restore_and_exit
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	xrstor64 (%rdi)
	outl	%eax, $PORT_MARK
	ret

/* void save(area, mask) */
function save
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	xsave64	(%rdi)
	ret

/* The same with FXSAVE, for processors without XSAVE. */
function fxrestore_and_exit
	fxrstor64 (%rdi)
	outl	%eax, $PORT_MARK
	ret
function fxsave_
	fxsave64 (%rdi)
	ret

/* Keep the vector registers busy: XMM0 counts, "counter" follows. */
function count_in_xmm
	sti
	movl	$1, %eax
	movq	%rax, %xmm1
	pxor	%xmm0, %xmm0
1:	paddq	%xmm1, %xmm0
	movq	%xmm0, counter
	incq	expected
	movq	%xmm0, %rax
	cmpq	%rax, expected
	je	1b
	movl	$0xbad, %eax
	ret

/* Arithmetic in x87: sum of 1/n. */
function x87_sum
	fninit
	fldz
	fld1
	movl	$1000, %ecx
1:	movl	%ecx, number
	fildl	number
	fdivr	%st(1), %st
	faddp	%st, %st(2)
	decl	%ecx
	jnz	1b
	fstp	%st(0)
	fstpl	sum
	movq	sum, %rax
	ret

	.data
	.balign	8
	.global	counter, expected, sum
counter:	.quad	0
expected:	.quad	0
sum:		.quad	0
number:		.long	0
