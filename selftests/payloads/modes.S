/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starting in each mode, and a guest that goes from real to protected to long
 * mode and back by itself (SDM 3A 10.9, 10.8.5).
 */
#include "guest.h"

	.code16
	.global	real_entry
real_entry:
	mark	0x16
	done

/* Segments above 64 KiB, and a big real mode access. */
	.global	real_segments
real_segments:
	movw	$0x4000, %ax
	movw	%ax, %ds
	movw	$0x1234, %bx
	movw	%bx, (0x10)
	movw	(0x10), %ax
	xorw	%cx, %cx
	movw	%cx, %ds
	done

/* INT in real mode goes through the vectors at 0. */
	.global	real_int
real_int:
	movw	$real_handler, 0x21 * 4
	movw	$0, 0x21 * 4 + 2
	movl	$0x1111, %eax
	int	$0x21
	done
real_handler:
	addl	$0x2222, %eax
	iretw

	.code32
	.global	protected_entry
protected_entry:
	mark	0x32
	done

	.code64
	.global	long_entry
long_entry:
	mark	0x64
	done

/* Real -> protected -> PAE paging -> long -> compatibility -> long -> real. */
	.code16
	.global	climb
climb:
	cli
	mark	1
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE32, $in_protected

	.code32
in_protected:
	movw	$SEL_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$0x30000, %esp
	mark	2
	/* PAE, then long mode. */
	movl	%cr4, %eax
	orl	$0x20, %eax
	movl	%eax, %cr4
	movl	$GUEST_PML4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	mark	3
	ljmpl	$SEL_CODE64, $in_long

	.code64
in_long:
	movabsq	$0x123456789abcdef0, %rax
	movq	%rax, wide
	mark	4
	/* Compatibility mode and back. */
	pushq	$SEL_CODE32
	pushq	$in_compat
	lretq

	.code32
in_compat:
	mark	5
	ljmpl	$SEL_CODE64, $in_long_again

	.code64
in_long_again:
	mark	6
	pushq	$SEL_CODE32
	pushq	$leave_long
	lretq

	/* Paging off leaves long mode. */
	.code32
leave_long:
	movl	%cr0, %eax
	andl	$0x7fffffff, %eax
	movl	%eax, %cr0
	movl	$0xc0000080, %ecx
	rdmsr
	andl	$~0x100, %eax
	wrmsr
	mark	7
	ljmpl	$SEL_CODE16, $in_16

	.code16
in_16:
	movw	$SEL_DATA16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	%cr0, %eax
	andl	$~1, %eax
	movl	%eax, %cr0
	ljmpw	$0, $real_again
real_again:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$GUEST_STACK16, %sp
	mark	8
	done

/* Protected mode with 32-bit paging of 4 MiB pages. */
	.code32
	.global	paging32
paging32:
	movl	%cr4, %eax
	orl	$0x10, %eax
	movl	%eax, %cr4
	movl	$GUEST_PD32, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	movl	$0x40000, %ebx
	movl	$0x87654321, (%ebx)
	movl	(%ebx), %eax
	done

/* PAE paging, not long mode: four PDPTEs at GUEST_FREE. */
	.global	paging_pae
paging_pae:
	movl	$GUEST_FREE, %ebx
	movl	$GUEST_PD + 1, (%ebx)
	movl	$0, 4(%ebx)
	movl	$GUEST_PD + 0x1001, 8(%ebx)
	movl	$0, 12(%ebx)
	movl	$GUEST_PD + 0x2001, 16(%ebx)
	movl	$0, 20(%ebx)
	movl	$GUEST_PD + 0x3001, 24(%ebx)
	movl	$0, 28(%ebx)
	movl	%cr4, %eax
	orl	$0x20, %eax
	movl	%eax, %cr4
	movl	%ebx, %cr3
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	movl	$0x41000, %ecx
	movl	$0x13572468, (%ecx)
	movl	(%ecx), %eax
	done

/* User mode in 64-bit mode: CPL 3 by IRETQ, back by an interrupt gate. */
function user_mode
	movq	%rsp, saved_rsp
	pushq	$SEL_USER_DATA
	pushq	$0x28000
	pushq	$2
	pushq	$SEL_USER_CODE64
	pushq	$in_user
	iretq
in_user:
	movw	%cs, %ax
	movzwl	%ax, %eax
	movl	%eax, user_cs
	movq	$back, fixup
	hlt				/* #GP: privileged */
back:
	/* The fault handler returned to CPL 3: leave through #UD's gate. */
	movl	$1, user_done
	movq	$0, fixup
	ud2

	.data
	.balign	8
	.global	wide, user_cs, user_done
wide:		.quad	0
saved_rsp:	.quad	0
user_cs:	.long	0
user_done:	.long	0
gdt_pointer:	.word	0x1ff
		.long	GUEST_GDT
