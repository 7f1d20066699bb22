/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts: waiting for them, the LAPIC through its page and its MSRs.
 */
#include "guest.h"

/* Halt until @rdi interrupts have come. */
function halt_until
	cli
1:	cmpq	%rdi, irq_total
	jae	2f
	sti
	hlt
	cli
	jmp	1b
2:	movq	irq_total, %rax
	ret

/* The same without halting. */
function spin_until
	sti
1:	cmpq	%rdi, irq_total
	jb	1b
	cli
	movq	irq_total, %rax
	ret

/* u64 iret_until_nmi(): IRET, then wait for an NMI, the first; how often has it looked? */
function iret_until_nmi
	/* The page is there: no exit that is not the NMI's. */
	lock orl $0, irq_count + 2 * 4
	movq	%rsp, %rcx
	movl	%ss, %eax
	pushq	%rax
	pushq	%rcx
	pushfq
	movl	%cs, %eax
	pushq	%rax
	leaq	1f(%rip), %rax
	pushq	%rax
	iretq
1:	xorl	%eax, %eax
2:	cmpl	$0, irq_count + 2 * 4
	jne	3f
	incl	%eax
	cmpl	$10000000, %eax
	jne	2b
3:	ret

/* Follow "seq" until it is @rdi: each change of it is announced by an interrupt. */
function follow
	cli
1:	movq	seq, %rax
	movq	%rax, seen
	cmpq	%rdi, %rax
	jae	2f
	sti
	hlt
	cli
	jmp	1b
2:	ret

function hlt_
	cli
	incq	counter
	hlt
after_hlt:
	.global	after_hlt
	movl	$0x417, %eax
	ret

/* Single step: HLT, MOV, PUSHFQ, AND, POPFQ trap. */
function step_hlt
	pushfq
	orl	$0x100, (%rsp)
	popfq
	hlt
	movl	$0x417, %eax
	pushfq
	andl	$~0x100, (%rsp)
	popfq
	ret

/* STI protects the next instruction: interrupts come after "after_sti". */
function sti_shadow
	sti
	nop
after_sti:
	nop
	cli
	ret
	.global	after_sti

/* MOV SS does, too. */
function mov_ss_shadow
	movl	%ss, %eax
	sti
	movl	%eax, %ss
	nop
after_mov_ss:
	nop
	cli
	ret
	.global	after_mov_ss

/* u64 x2apic_read(msr), void x2apic_write(msr, value) */
function x2apic_read
	movl	%edi, %ecx
	probe	rdmsr
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret
function x2apic_write
	movl	%edi, %ecx
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	probe	wrmsr
	ret

/* u64 apic_write_then_window(reg, value): e.g. a self-IPI and its handler */
function apic_write_then_window
	movl	$GUEST_APIC, %eax
	movl	%esi, (%rax, %rdi)
	sti
	nop
	nop
	cli
	movq	irq_total, %rax
	ret

function x2apic_write_then_window
	movl	%edi, %ecx
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	wrmsr
	sti
	nop
	nop
	cli
	movq	irq_total, %rax
	ret

/* u64 rdtsc_plus(n): a deadline */
function rdtsc_
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret

/* Arm the TSC deadline timer for @rdi cycles from now and halt for it. */
function deadline
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, started
	addq	%rdi, %rax
	movq	%rax, deadline_at
	movq	%rax, %rdx
	shrq	$32, %rdx
	movl	$0x6e0, %ecx
	wrmsr
	cli
1:	cmpq	$0, irq_total
	jne	2f
	sti
	hlt
	cli
	jmp	1b
2:	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret

/* I/O APIC: ioapic_read(index), ioapic_write(index, value) */
function ioapic_read
	movl	$GUEST_IOAPIC, %eax
	movl	%edi, (%rax)
	movl	0x10(%rax), %eax
	ret
function ioapic_write
	movl	$GUEST_IOAPIC, %eax
	movl	%edi, (%rax)
	movl	%esi, 0x10(%rax)
	ret

/* u64 in8(port), in16(port) */
function in8
	movl	%edi, %edx
	xorl	%eax, %eax
	inb	%dx, %al
	ret

/* u64 in8_until(port, bit): read until the bit is set */
function in8_until
	movl	%edi, %edx
1:	inb	%dx, %al
	testb	%al, %sil
	jz	1b
	movzbl	%al, %eax
	ret

function in16
	movl	%edi, %edx
	xorl	%eax, %eax
	inw	%dx, %ax
	ret

/* void rep_out8(port, addr, count), void rep_in8(port, addr, count) */
function rep_out8
	movq	%rdx, %rcx
	movl	%edi, %edx
	cld
	rep outsb
	ret
function rep_in8
	movq	%rdx, %rcx
	movl	%edi, %edx
	movq	%rsi, %rdi
	cld
	rep insb
	ret

/* What a second vCPU does: say that it's up, then wait for interrupts. */
function ap_loop
	lock incq ap_up
	sti
1:	hlt
	jmp	1b

/* Count forever with interrupts on. */
function count_sti
	sti
1:	lock incq counter
	pause
	jmp	1b

/* Send an IPI (ICR2, ICR) and halt until this CPU's interrupts are @rdx. */
function ping
	movl	$GUEST_APIC, %eax
	movl	%edi, 0x310(%rax)
	movl	%esi, 0x300(%rax)
	cli
1:	cmpq	%rdx, irq_total
	jae	2f
	sti
	hlt
	cli
	jmp	1b
2:	movq	irq_total, %rax
	ret

/* Where a SIPI starts an application processor: copied there by the test. */
	.code16
	.global	sipi_start, sipi_end
sipi_start:
	movw	%cs, %ax
	movw	%ax, %ds
	movl	$0x51b1, %eax
	outl	%eax, $PORT_MARK
	cli
1:	hlt
	jmp	1b
sipi_end:

	.data
	.balign	8
	.global	ap_up, counter, started, deadline_at, seq, seen
seq:		.quad	0
seen:		.quad	0
ap_up:		.quad	0
counter:	.quad	0
started:	.quad	0
deadline_at:	.quad	0
