/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All general registers, in and out.
 */
#include "guest.h"

/* Store the registers in the order of struct hv_regs. */
function save_all
	movq	%rax, saved
	movq	%rbx, saved + 8
	movq	%rcx, saved + 16
	movq	%rdx, saved + 24
	movq	%rsi, saved + 32
	movq	%rdi, saved + 40
	movq	%rsp, saved + 48
	movq	%rbp, saved + 56
	movq	%r8, saved + 64
	movq	%r9, saved + 72
	movq	%r10, saved + 80
	movq	%r11, saved + 88
	movq	%r12, saved + 96
	movq	%r13, saved + 104
	movq	%r14, saved + 112
	movq	%r15, saved + 120
	outl	%eax, $PORT_DONE
	hlt

function load_all
	.set	base, 0x4142434445464700
	movq	$base + 0, %rax
	movq	$base + 1, %rbx
	movq	$base + 2, %rcx
	movq	$base + 3, %rdx
	movq	$base + 4, %rsi
	movq	$base + 5, %rdi
	movq	$base + 7, %rbp
	movq	$base + 8, %r8
	movq	$base + 9, %r9
	movq	$base + 10, %r10
	movq	$base + 11, %r11
	movq	$base + 12, %r12
	movq	$base + 13, %r13
	movq	$base + 14, %r14
	movq	$base + 15, %r15
	outl	%eax, $PORT_DONE
	hlt

function get_flags
	pushfq
	popq	%rax
	ret

function load_fs
	movq	%fs:(%rdi), %rax
	ret

function load_gs
	movq	%gs:(%rdi), %rax
	ret

	.data
	.balign	8
	.global	saved
saved:	.fill	16, 8, 0
