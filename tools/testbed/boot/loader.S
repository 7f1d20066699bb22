/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boot loader of the emulated Intel host.  It reads an unpacked kernel, an
 * initramfs and boot_params from the first ATA disk straight to where they
 * belong and enters the kernel in 64-bit mode (Linux x86 boot protocol).  A
 * general boot loader and the kernel's own decompressor would take five
 * billion instructions; this takes thirty million.
 *
 * disk.py puts it at the start of the disk and fills in the extents.
 */
#define LOADER		0x7c00			/* where the BIOS loads it */
#define MEMORY_MAP	0xa000
#define BOOT_PARAMS	0x90000
#define E820_ENTRIES	0x1e8			/* in boot_params */
#define E820_TABLE	0x2d0
#define E820_ENTRY	20
#define E820_MAX	128

#define ATA		0x1f0			/* ports of the primary channel */
#define ATA_COUNT	(ATA + 2)
#define ATA_LBA		(ATA + 3)
#define ATA_DEVICE	(ATA + 6)
#define ATA_COMMAND	(ATA + 7)
#define ATA_CONTROL	0x3f6
#define ATA_BUSY	0x80
#define ATA_DATA	0x08
#define ATA_READ	0x20
#define ATA_MOST	256			/* sectors in one command */

	.code16
	.globl	_start
_start:
	ljmp	$0, $begin
begin:
	cli
	xorl	%eax, %eax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$LOADER, %sp
	sti

	movw	$packet, %si			/* the rest of this file */
	movb	$0x42, %ah
	int	$0x13
	jc	stuck

	movw	$MEMORY_MAP, %di
	xorl	%ebx, %ebx
next_range:
	movl	$0xe820, %eax
	movl	$E820_ENTRY, %ecx
	movl	$0x534d4150, %edx		/* "SMAP" */
	int	$0x15
	jc	have_map
	incb	ranges
	addw	$E820_ENTRY, %di
	cmpb	$E820_MAX, ranges
	je	have_map
	testl	%ebx, %ebx
	jnz	next_range
have_map:
	inb	$0x92, %al			/* A20 */
	orb	$2, %al
	outb	%al, $0x92
	cli
	lgdt	gdt_register
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$0x08, $protected_mode
stuck:
	hlt
	jmp	stuck

	.balign	4
packet:
	.byte	16, 0
	.word	(end - _start) / 512 - 1	/* sectors, behind the first */
	.word	LOADER + 512, 0			/* offset and segment */
	.quad	1				/* from sector 1 */
ranges:
	.byte	0

	.org	510
	.word	0xaa55

	/* Filled in by disk.py: the kernel's entry; sector, sectors, address. */
	.org	512
entry:
	.long	0
extents:
	.fill	12 * 4, 1, 0

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9a000000ffff		/* 32-bit code */
	.quad	0x00af9a000000ffff		/* 64-bit code, __KERNEL_CS */
	.quad	0x00cf92000000ffff		/* data, __KERNEL_DS */
gdt_register:
	.word	gdt_register - gdt - 1
	.long	gdt

	.code32
protected_mode:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$LOADER, %esp
	cld
	movb	$2, %al				/* no interrupts */
	movw	$ATA_CONTROL, %dx
	outb	%al, %dx

	movl	$extents, %ebp
next_extent:
	movl	0(%ebp), %ebx
	movl	4(%ebp), %esi
	movl	8(%ebp), %edi
	testl	%esi, %esi
	jz	loaded
next_chunk:
	movl	$ATA_MOST, %ecx
	cmpl	%ecx, %esi
	jae	1f
	movl	%esi, %ecx
1:	subl	%ecx, %esi
	call	read
	testl	%esi, %esi
	jnz	next_chunk
	addl	$12, %ebp
	jmp	next_extent

/* Read %ecx sectors from %ebx on to %edi, and advance both. */
read:
	movw	$ATA_COMMAND, %dx
1:	inb	%dx, %al
	testb	$ATA_BUSY, %al
	jnz	1b
	movl	%ebx, %eax
	shrl	$24, %eax
	orb	$0xe0, %al			/* LBA, device 0 */
	movw	$ATA_DEVICE, %dx
	outb	%al, %dx
	movb	%cl, %al			/* 0 stands for 256 */
	movw	$ATA_COUNT, %dx
	outb	%al, %dx
	movl	%ebx, %eax
	movw	$ATA_LBA, %dx
	outb	%al, %dx
	shrl	$8, %eax
	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	incw	%dx
	outb	%al, %dx
	movb	$ATA_READ, %al
	movw	$ATA_COMMAND, %dx
	outb	%al, %dx
	addl	%ecx, %ebx
next_sector:
	pushl	%ecx
	movw	$ATA_COMMAND, %dx
2:	inb	%dx, %al
	andb	$(ATA_BUSY | ATA_DATA), %al
	cmpb	$ATA_DATA, %al
	jne	2b
	movw	$ATA, %dx
	movl	$256, %ecx
	rep insw
	popl	%ecx
	loop	next_sector
	ret

loaded:
	movzbl	ranges, %eax
	movb	%al, BOOT_PARAMS + E820_ENTRIES
	imull	$E820_ENTRY, %eax, %ecx
	movl	$MEMORY_MAP, %esi
	movl	$(BOOT_PARAMS + E820_TABLE), %edi
	rep movsb

	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER */
	rdmsr
	orl	$0x100, %eax			/* LME */
	wrmsr
	movl	$0x80000001, %eax		/* PG, PE, and caches on */
	movl	%eax, %cr0
	ljmpl	$0x10, $long_mode

	.code64
long_mode:
	movl	entry, %eax
	movl	$BOOT_PARAMS, %esi
	jmp	*%rax

	/* The first 4 GiB in pages of 1 GiB, each table in a page of its own. */
	.org	0x8000 - LOADER
pml4:
	.quad	pdpt + 0x3
	.org	0x9000 - LOADER
pdpt:
	.quad	0x00000083, 0x40000083, 0x80000083, 0xc0000083
	.org	0x9200 - LOADER
end:
