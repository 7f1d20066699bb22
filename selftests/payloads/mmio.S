/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory accesses, to be done where there's no memory. Each function takes the
 * address in RDI and a value in RSI and returns what it read.
 */
#include "guest.h"

.macro mmio name insns:vararg
function \name
	\insns
	ret
.endm

/* Loads. RAX is all ones before, to see what stays. */
.macro load name insn:vararg
function \name
	movq	$-1, %rax
	\insn
	ret
.endm
	load	load8, movb (%rdi), %al
	load	load16, movw (%rdi), %ax
	load	load32, movl (%rdi), %eax
	load	load64, movq (%rdi), %rax
	load	load_high, movb (%rdi), %ah
	load	load_zx8, movzbl (%rdi), %eax
	load	load_zx16, movzwl (%rdi), %eax
	load	load_zx8_16, movzbw (%rdi), %ax
	load	load_sx8, movsbq (%rdi), %rax
	load	load_sx16, movswq (%rdi), %rax
	load	load_sx32, movslq (%rdi), %rax
	load	load_sx8_32, movsbl (%rdi), %eax
	load	load_be32, movbel (%rdi), %eax
	load	load_be64, movbeq (%rdi), %rax

/* Operand forms: SIB, displacement, RIP-relative is elsewhere, R8-R15, FS. */
function load_sib
	movq	$0x40, %rcx
	movl	-0x100(%rdi, %rcx, 4), %eax
	ret
function load_r15
	pushq	%r15
	movq	%rdi, %r15
	movl	8(%r15), %r9d
	movl	%r9d, %eax
	popq	%r15
	ret
function load_fs
	movl	%fs:(%rdi), %eax
	ret
function load_moffs
	movabsl	0x40000000, %eax
	ret
function store_moffs
	movl	%esi, %eax
	movabsl	%eax, 0x40000000
	ret
function load_addr32
	movabsq	$0xfff00000000, %rax
	orq	%rax, %rdi
	movl	(%edi), %eax
	ret

/*
 * A load after a change of the page directory's first entry, its own code's, to RSI. The
 * directory is seen at 4 MiB, too.
 */
function load_remapped
	movq	$-1, %rax
	movq	%rsi, 0x400000 + GUEST_PD
	invlpg	0
	movl	(%rdi), %eax
	ret

function probe_load
	probe	movl (%rdi), %eax
	ret

/* Stores. */
	mmio	store8, movb %sil, (%rdi)
	mmio	store16, movw %si, (%rdi)
	mmio	store32, movl %esi, (%rdi)
	mmio	store64, movq %rsi, (%rdi)
	mmio	store_imm8, movb $0x5a, (%rdi)
	mmio	store_imm16, movw $0x5a5b, (%rdi)
	mmio	store_imm32, movl $0x5a5b5c5d, (%rdi)
	mmio	store_imm64, movq $-2, (%rdi)
	mmio	store_nti32, movnti %esi, (%rdi)
	mmio	store_nti64, movnti %rsi, (%rdi)
	mmio	store_be32, movbel %esi, (%rdi)
function store_high
	movl	%esi, %eax
	movb	%ah, (%rdi)
	ret

/* Read-modify-write; returns RFLAGS. */
.macro rmw name insn:vararg
function \name
	xorl	%eax, %eax		/* known flags */
	\insn
	pushfq
	popq	%rax
	ret
.endm
	rmw	and32, andl %esi, (%rdi)
	rmw	or32, orl %esi, (%rdi)
	rmw	xor32, xorl %esi, (%rdi)
	rmw	add32, addl %esi, (%rdi)
	rmw	sub32, subl %esi, (%rdi)
	rmw	add8, addb %sil, (%rdi)
	rmw	add64, addq %rsi, (%rdi)
	rmw	cmp32, cmpl %esi, (%rdi)
	rmw	test32, testl %esi, (%rdi)
	rmw	or_imm, orl $0x70, (%rdi)
	rmw	lock_or32, lock orl %esi, (%rdi)
	rmw	bt32, btl $3, (%rdi)
	rmw	bts32, btsl $3, (%rdi)
	rmw	btr32, btrl $3, (%rdi)

/* Operand in memory, result in a register. */
function add_from
	movl	%esi, %eax
	addl	(%rdi), %eax
	ret
function cmp_from
	cmpl	(%rdi), %esi
	pushfq
	popq	%rax
	ret
function xchg32
	movl	%esi, %eax
	xchgl	%eax, (%rdi)
	ret
/* u64 cmpxchg32(addr, new, old): EAX | ZF << 32 */
function cmpxchg32
	movl	%edx, %eax
	lock cmpxchgl %esi, (%rdi)
	movl	%eax, %eax
	jnz	1f
	btsq	$32, %rax
1:	ret

/* String instructions: (dst or src, count). */
function lods32
	movq	%rdi, %rsi
	cld
	lodsl
	ret
/* rep_movs_to(mmio, ram, count), rep_movs_from(mmio, ram, count) in 32-bit units */
function rep_movs_to
	movq	%rdx, %rcx
	cld
	rep movsl
	movq	%rdi, %rax
	ret
function rep_movs_from
	movq	%rdx, %rcx
	xchgq	%rdi, %rsi
	cld
	rep movsl
	movq	%rsi, %rax
	ret

/* 16 bytes: value in "vector". */
function load_sse
	movdqu	(%rdi), %xmm3
	movdqu	%xmm3, vector
	ret
function store_sse
	movdqu	vector, %xmm5
	movdqu	%xmm5, (%rdi)
	ret
function store_sse_aligned
	movaps	vector, %xmm9
	movaps	%xmm9, (%rdi)
	ret
function store_movq
	movq	%rsi, %xmm1
	movq	%xmm1, (%rdi)
	ret
function load_movd
	movd	(%rdi), %xmm1
	movd	%xmm1, %eax
	ret

function load_avx
	vmovdqu	(%rdi), %xmm3
	vmovdqu	%xmm3, vector
	ret
function store_avx
	vmovdqu	vector, %xmm5
	vmovdqu	%xmm5, (%rdi)
	ret

/* An instruction that nobody emulates on a device's memory. */
function exotic
	paddd	(%rdi), %xmm0
after_exotic:
	movl	$0xe807, %eax
	ret
	.global	after_exotic

/* 16-bit and 32-bit code. */
	.code32
	.global	mmio32
mmio32:
	movl	$GUEST_MMIO, %ebx
	movl	$0x12345678, (%ebx)
	movw	$0x9abc, 4(%ebx)
	movb	8(%ebx), %al
	movl	%eax, seen
	movl	12(%ebx), %ecx
	movl	%ecx, seen + 4
	done

	.code16
	.global	mmio16
mmio16:
	/* 0xa0000: no slot there in this test */
	movw	$0xa000, %ax
	movw	%ax, %es
	movw	$0x1234, %es:0x10
	movb	%es:0x20, %al
	movb	%al, seen
	movl	$0xcafef00d, %ebx
	movl	%ebx, %es:0x30
	movw	$0x40, %di
	movb	$0x77, %al
	movw	$3, %cx
	cld
	rep stosb
	done

	.data
	.balign	16
	.global	vector, seen
vector:	.fill	16, 1, 0
seen:	.quad	0, 0
