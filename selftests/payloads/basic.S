/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small things that many tests need: return, loop, touch memory.
 */
#include "guest.h"

/* Start of the payload: 16-bit code that says that it ran. */
	.code16
	.global	real_entry
real_entry:
	mark	0x16
	done

/* u64 add3(u64 a, u64 b, u64 c) */
function add3
	leaq	(%rdi, %rsi), %rax
	addq	%rdx, %rax
	ret

/*
 * Loops that only the host ends. Interrupts are on: some emulated processors
 * forget that with external-interrupt exiting IF doesn't hold an interrupt up.
 */

/* Count in "counter" until somebody stops the vCPU. */
function count_forever
	sti
1:	lock incq counter
	pause
	jmp	1b

/* The same without PAUSE: nothing but host events makes it exit. */
function spin
	sti
1:	incq	counter
	jmp	1b

/* Read @rdi for ever, the value goes to "seen". */
function poll
	sti
1:	movq	(%rdi), %rax
	movq	%rax, seen
	incq	counter
	jmp	1b

/* Write a growing number to @rdi for ever. */
function write_forever
	sti
1:	incq	counter
	movq	counter, %rax
	movq	%rax, (%rdi)
	jmp	1b

/* Write a growing number to random pages: scatter(u64 start, u64 npages - 1, u64 seed) */
function scatter
	sti
	xorl	%ecx, %ecx
1:	imull	$1664525, %edx, %edx
	addl	$1013904223, %edx
	movl	%edx, %eax
	shrl	$12, %eax
	andl	%esi, %eax
	shlq	$12, %rax
	incq	%rcx
	movq	%rcx, (%rdi, %rax)
	jmp	1b

/*
 * u64 torture(u64 start, u64 npages - 1, void *last, u64 rounds, u64 may_vanish): look at random
 * pages, whether each still has what was written last, or is zero if it may be, and write them.
 * last: u32 seed; u32 bits of the random number that must be 0 for a write; u64 count; u64 bits
 * of the count that are written; a u64 for each page. Returns 0, or what was found and shouldn't
 * be.
 */
function torture
	pushq	%rbx
	movl	(%rdx), %r9d
	movq	8(%rdx), %r10
1:	imull	$1664525, %r9d, %r9d
	addl	$1013904223, %r9d
	movl	%r9d, %eax
	shrl	$12, %eax
	andl	%esi, %eax
	leaq	24(%rdx, %rax, 8), %r11
	shlq	$12, %rax
	addq	%rdi, %rax
	movq	(%rax), %rbx
	cmpq	(%r11), %rbx
	je	2f
	testq	%rbx, %rbx
	jnz	4f
	testq	%r8, %r8
	jz	4f
2:	testl	%r9d, 4(%rdx)
	jnz	3f
	incq	%r10
	movq	%r10, %rbx
	andq	16(%rdx), %rbx
	movq	%rbx, (%rax)
	movq	%rbx, (%r11)
3:	decq	%rcx
	jnz	1b
	movl	%r9d, (%rdx)
	movq	%r10, 8(%rdx)
	xorl	%eax, %eax
	popq	%rbx
	ret
4:	movq	%rbx, %rax
	testq	%rax, %rax
	jnz	5f
	notq	%rax
5:	popq	%rbx
	ret

/* void touch(u64 start, u64 npages, u64 value): one u64 per page */
function touch
1:	movq	%rdx, (%rdi)
	addq	$4096, %rdi
	decq	%rsi
	jnz	1b
	ret

/* u64 sum(u64 start, u64 npages) */
function sum
	xorl	%eax, %eax
1:	addq	(%rdi), %rax
	addq	$4096, %rdi
	decq	%rsi
	jnz	1b
	ret

/* void jump(u64 address) */
function jump
	jmpq	*%rdi

/* u64 in8(u16 port), in32; out32(u16 port, u32 value) */
function in8
	movl	%edi, %edx
	movq	$-1, %rax
	inb	%dx, %al
	ret

function in32
	movl	%edi, %edx
	movq	$-1, %rax
	inl	%dx, %eax
	ret

/* IN forever: a guest that never stops exiting. */
function in_forever
	movl	%edi, %edx
1:	inl	%dx, %eax
	movl	%eax, seen
	incq	counter
	jmp	1b

	.data
	.balign	8
	.global	counter, seen
counter:	.quad	0
seen:		.quad	0
