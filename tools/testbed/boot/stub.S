/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands where a bzImage has its decompressor: enter long mode and jump
 * to the kernel, which the boot loader has placed at its link address already.
 * Linux x86 boot protocol, 32-bit entry: flat segments, interrupts off, %esi
 * points to boot_params.  The image is loaded at STUB_ADDRESS, so the page
 * tables are constants: the first 4 GiB in pages of 1 GiB.
 */
	.code32
	.globl	_start
_start:
	cli
	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$(STUB_ADDRESS + pml4 - _start), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER */
	rdmsr
	orl	$0x100, %eax			/* LME */
	wrmsr
	lgdt	STUB_ADDRESS + gdt_register - _start
	movl	%cr0, %eax
	orl	$0x80000001, %eax		/* PG, PE */
	movl	%eax, %cr0
	ljmpl	$0x10, $(STUB_ADDRESS + long_mode - _start)

	.code64
long_mode:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%esi, %esi			/* boot_params, zero-extended */
	movl	$KERNEL_ENTRY, %eax
	jmp	*%rax

	.balign	8
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9a000000ffff		/* 64-bit code */
	.quad	0x00cf92000000ffff		/* data */
gdt_register:
	.word	gdt_register - gdt - 1
	.long	STUB_ADDRESS + gdt - _start

	.balign	4096
pml4:
	.quad	STUB_ADDRESS + pdpt - _start + 0x3
	.balign	4096
pdpt:
	.quad	0x00000083, 0x40000083, 0x80000083, 0xc0000083
	.balign	4096
