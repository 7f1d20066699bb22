/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver of QEMU's edu device (docs/specs/edu.rst of QEMU), as a guest has one: it finds the
 * device in configuration space, places its BAR, sets up its MSI, and lets it copy.
 */
#include "guest.h"

/* The device is in slot 1 of bus 0 (PCI Local Bus 3.0, 3.2.2.3.2). */
#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define DEVICE		0x80000800

#define IDS		0x11e81234
#define COMMAND		0x04
#define BAR0		0x10
#define CAPABILITIES	0x34
#define CAP_MSI		0x05
#define COMMAND_BITS	0x06		/* memory, bus master */

#define ID		0x00
#define INVERT		0x04
#define IRQ_STATUS	0x24
#define IRQ_ACK		0x64
#define DMA_SRC		0x80
#define DMA_DST		0x88
#define DMA_COUNT	0x90
#define DMA_CMD		0x98
#define BUFFER		0x40000
#define CMD_FROM_MEMORY	0x5		/* start, interrupt at the end */
#define CMD_TO_MEMORY	0x7

/* u32 config_read(u32 reg), void config_write(u32 reg, u32 value): whole registers */
function config_read
	movl	$CONFIG_ADDRESS, %edx
	leal	DEVICE(%rdi), %eax
	outl	%eax, %dx
	movl	$CONFIG_DATA, %edx
	inl	%dx, %eax
	ret
function config_write
	movl	$CONFIG_ADDRESS, %edx
	leal	DEVICE(%rdi), %eax
	outl	%eax, %dx
	movl	$CONFIG_DATA, %edx
	movl	%esi, %eax
	outl	%eax, %dx
	ret

/* Where the MSI capability is; 0: nowhere. */
function find_msi
	movl	$CAPABILITIES, %edi
	call	config_read
1:	movzbl	%al, %edi
	testl	%edi, %edi
	jz	2f
	call	config_read
	cmpb	$CAP_MSI, %al
	je	2f
	shrl	$8, %eax
	jmp	1b
2:	movl	%edi, %eax
	ret

/* u64 setup(u64 bar, u64 vector): what a driver does at first. Returns 0, or what has failed. */
function setup
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	movl	%edi, %ebx
	movl	%esi, %ebp
	xorl	%edi, %edi
	call	config_read
	movl	$1, %r12d
	cmpl	$IDS, %eax
	jne	1f

	movl	$BAR0, %edi
	movl	%ebx, %esi
	call	config_write
	movl	$COMMAND, %edi
	movl	$COMMAND_BITS, %esi
	call	config_write
	incl	%r12d
	movl	ID(%rbx), %eax
	cmpl	$0x010000ed, %eax
	jne	1f
	movl	$0x12345678, INVERT(%rbx)
	incl	%r12d
	cmpl	$~0x12345678, INVERT(%rbx)
	jne	1f

	/* 64-bit addresses, no mask bits (PCI Local Bus 3.0, 6.8.1) */
	incl	%r12d
	call	find_msi
	testl	%eax, %eax
	jz	1f
	movl	%eax, %r12d
	leal	4(%r12), %edi
	movl	$GUEST_APIC, %esi
	call	config_write
	leal	8(%r12), %edi
	xorl	%esi, %esi
	call	config_write
	leal	12(%r12), %edi
	movl	%ebp, %esi
	call	config_write
	movl	%r12d, %edi
	movl	$1 << 16, %esi
	call	config_write
	xorl	%r12d, %r12d
1:	movl	%r12d, %eax
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

/* Start what R8D says with RSI, RDX, ECX as registers, and halt until the device interrupts. */
transfer:
	movq	irq_total, %r9
	movq	%rsi, DMA_SRC(%rdi)
	movq	%rdx, DMA_DST(%rdi)
	movq	%rcx, DMA_COUNT(%rdi)
	movq	%r8, DMA_CMD(%rdi)
	cli
1:	cmpq	%r9, irq_total
	jne	2f
	sti
	hlt
	cli
	jmp	1b
2:	movl	IRQ_STATUS(%rdi), %eax
	movl	%eax, IRQ_ACK(%rdi)
	ret

/* u32 from_memory(bar, address, length): what the device says of its interrupt */
function from_memory
	movq	%rdx, %rcx
	movl	$BUFFER, %edx
	movl	$CMD_FROM_MEMORY, %r8d
	jmp	transfer

/* u32 to_memory(bar, address, length) */
function to_memory
	movq	%rdx, %rcx
	movq	%rsi, %rdx
	movl	$BUFFER, %esi
	movl	$CMD_TO_MEMORY, %r8d
	jmp	transfer

/* u64 copy(bar, from, to, length): bytes of @to that are not those of @from then */
function copy
	pushq	%rdx
	pushq	%rsi
	movq	%rcx, %rdx
	call	from_memory
	movq	8(%rsp), %rsi
	movq	%rcx, %rdx
	call	to_memory
	popq	%rsi
	popq	%rdi
	xorl	%eax, %eax
	cld
1:	cmpsb
	je	2f
	incq	%rax
2:	decq	%rcx
	jnz	1b
	ret

/* void attack(bar, mine, other, length): write to @other, then read it into @mine */
function attack
	pushq	%rsi
	pushq	%rdx
	movq	%rcx, %rdx
	call	from_memory
	movq	(%rsp), %rsi
	movq	%rcx, %rdx
	call	to_memory
	popq	%rsi
	movq	%rcx, %rdx
	call	from_memory
	popq	%rsi
	movq	%rcx, %rdx
	jmp	to_memory

/* u32 load32(p) */
function load32
	movl	(%rdi), %eax
	ret
