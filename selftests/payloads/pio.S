/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port I/O: plain and string forms in 16-, 32- and 64-bit code. The string
 * forms work on "buffer"; ports are 0x300 and up.
 */
#include "guest.h"

/* u64 in8(port), in16, in32 */

function in8
	movl	%edi, %edx
	movq	$-1, %rax
	inb	%dx, %al
	ret

function in16
	movl	%edi, %edx
	movq	$-1, %rax
	inw	%dx, %ax
	ret

/* A 32-bit destination: bits 63:32 become 0. */
function in32
	movl	%edi, %edx
	movq	$-1, %rax
	inl	%dx, %eax
	ret

function out_immediate
	movl	%edi, %eax
	outb	%al, $0x42
	ret

function in_immediate
	xorl	%eax, %eax
	inb	$0x43, %al
	ret

/* void rep_outs8(addr, count): RSI and RCX afterwards in "end" */
.macro outs_function name insn
function \name
	movq	%rsi, %rcx
	movq	%rdi, %rsi
	movl	$0x310, %edx
	cld
	rep \insn
	movq	%rsi, end
	movq	%rcx, end + 8
	ret
.endm
	outs_function	rep_outs8 outsb
	outs_function	rep_outs16 outsw
	outs_function	rep_outs32 outsl

.macro ins_function name insn
function \name
	movq	%rsi, %rcx
	movl	$0x311, %edx
	cld
	rep \insn
	movq	%rdi, end
	movq	%rcx, end + 8
	ret
.endm
	ins_function	rep_ins8 insb
	ins_function	rep_ins16 insw
	ins_function	rep_ins32 insl

/* Downwards. */
function rep_outs8_down
	movq	%rsi, %rcx
	movq	%rdi, %rsi
	movl	$0x310, %edx
	std
	rep outsb
	cld
	movq	%rsi, end
	movq	%rcx, end + 8
	ret

function rep_ins8_down
	movq	%rsi, %rcx
	movl	$0x311, %edx
	std
	rep insb
	cld
	movq	%rdi, end
	movq	%rcx, end + 8
	ret

/* Without REP, and with an FS override. */
function outs_fs
	movq	%rdi, %rsi
	movl	$0x310, %edx
	cld
	outsb	%fs:(%rsi), %dx
	movq	%rsi, end
	ret

/* 32-bit addresses in 64-bit code: ESI and ECX count, bits 63:32 are cleared. */
function rep_outs8_a32
	movabsq	$0x100000000, %rax
	leaq	(%rsi, %rax), %rcx
	leaq	(%rdi, %rax), %rsi
	movl	$0x310, %edx
	cld
	addr32 rep outsb
	movq	%rsi, end
	movq	%rcx, end + 8
	ret

/* INS to a page that the guest's tables don't map: #PF, no I/O. */
function ins_fault
	movl	$0x311, %edx
	cld
	movq	$1f, fixup
	insb
1:	movq	$0, fixup
	ret

/* Two INs in a row: the second is read after the first has ended. */
function in_twice
	movl	$0x312, %edx
	inl	%dx, %eax
	movl	%eax, %ecx
	inl	%dx, %eax
	shlq	$32, %rcx
	orq	%rcx, %rax
	ret

	.code32
	.global	string32
string32:
	movl	$buffer, %esi
	movl	$5, %ecx
	movl	$0x310, %edx
	cld
	rep outsw
	movl	%esi, end
	movl	$buffer, %edi
	movl	$3, %ecx
	movl	$0x311, %edx
	rep insl
	movl	%edi, end + 8
	done

	.code16
	.global	string16
string16:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	$buffer, %si
	movw	$6, %cx
	movw	$0x310, %dx
	cld
	rep outsb
	movw	%si, end
	movw	$buffer, %di
	movw	$4, %cx
	movw	$0x311, %dx
	rep insw
	movw	%di, end + 8
	inb	$0x55, %al
	movb	%al, end + 16
	movl	$0x89abcdef, %eax
	movw	$0x313, %dx
	outl	%eax, %dx
	done

	.data
	.balign	16
	.global	buffer, end
end:	.quad	0, 0, 0
buffer:	.fill	64, 1, 0
