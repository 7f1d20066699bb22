/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linked into every payload: where guest_call() returns to, and handlers for
 * all exceptions and interrupts of 32-bit and 64-bit mode.
 *
 * An exception is recorded (fault_*). If a probe is being executed, the guest goes
 * on after it; #DB and #BP go on where they are; any other exception ends
 * the test at PORT_FATAL. An NMI or an interrupt is counted (irq_count[vector],
 * irq_order) and, if eoi is set, its end is signaled to the LAPIC.
 */
#include "guest.h"

	.text

	.code64
	.global guest_done
guest_done:
	outl	%eax, $PORT_DONE
	hlt

/* Use each page that the delivery of an event needs, see vcpu_long_mode(). */
	.global	touch_tables
touch_tables:
	lock orb $0, GUEST_GDT
	lock orb $0, GUEST_IDT
	movl	$GUEST_STACK - 8 * GUEST_STACK_SIZE, %eax
1:	lock orb $0, (%rax)
	addl	$0x1000, %eax
	cmpl	$GUEST_IST, %eax
	jb	1b
	ret

/* One stub of 16 bytes for each vector. */
	.balign	16
	.global	isr64
isr64:
	.set	.Lvector, 0
	.rept	256
	.balign	16
	/* #DF #TS #NP #SS #GP #PF #AC push an error code (SDM 3A table 6-1). */
	.if	.Lvector != 8 && (.Lvector < 10 || .Lvector > 14) && .Lvector != 17
	pushq	$0
	.endif
	pushq	$.Lvector
	jmp	common64
	.set	.Lvector, .Lvector + 1
	.endr

/* Stack: RAX, RCX, vector, error code, RIP, CS, RFLAGS, RSP, SS. */
common64:
	pushq	%rcx
	pushq	%rax
	movq	16(%rsp), %rcx
	cmpq	$32, %rcx
	jae	interrupt64
	cmpq	$2, %rcx
	je	interrupt64

	movq	%rcx, fault_vector
	incq	fault_count
	movq	24(%rsp), %rax
	movq	%rax, fault_error
	movq	32(%rsp), %rax
	movq	%rax, fault_rip
	movq	48(%rsp), %rax
	movq	%rax, fault_rflags
	movq	%cr2, %rax
	movq	%rax, fault_cr2
	movq	%dr6, %rax
	movq	%rax, fault_dr6
	/* #DB and #BP are traps. */
	cmpq	$1, %rcx
	je	return64
	cmpq	$3, %rcx
	je	return64
	movq	fixup, %rax
	testq	%rax, %rax
	jz	fatal64
	movq	%rax, 32(%rsp)
	movq	$0, fixup
return64:
	popq	%rax
	popq	%rcx
	addq	$16, %rsp
	iretq
fatal64:
	outl	%eax, $PORT_FATAL
	hlt

interrupt64:
	/* Between STI and HLT, where the processor has lost STI's shadow: HLT would sleep on. */
	cmpl	$0, sti_hlt_splits
	je	1f
	movq	32(%rsp), %rax
	cmpw	$0xf4fb, -1(%rax)
	jne	1f
	incq	32(%rsp)
1:	lock incl irq_count(, %rcx, 4)
	cmpl	stray_vector, %ecx
	je	2f
	movq	$1, %rax
	lock xaddq %rax, irq_total
	andl	$63, %eax
	movb	%cl, irq_order(%rax)
	cmpq	$2, %rcx
	je	return64
2:	cmpl	$0, eoi
	je	return64
	cmpl	$2, eoi
	je	eoi_x2apic
	movl	$GUEST_APIC, %eax
	movl	$0, 0xb0(%rax)
	jmp	return64
eoi_x2apic:
	pushq	%rdx
	movl	$0x80b, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	popq	%rdx
	jmp	return64

	.code32
	.balign	16
	.global	isr32
isr32:
	.set	.Lvector, 0
	.rept	256
	.balign	16
	.if	.Lvector != 8 && (.Lvector < 10 || .Lvector > 14) && .Lvector != 17
	pushl	$0
	.endif
	pushl	$.Lvector
	jmp	common32
	.set	.Lvector, .Lvector + 1
	.endr

/* Stack: EAX, ECX, vector, error code, EIP, CS, EFLAGS. */
common32:
	pushl	%ecx
	pushl	%eax
	movl	8(%esp), %ecx
	cmpl	$32, %ecx
	jae	interrupt32
	movl	%ecx, fault_vector
	movl	$0, fault_vector + 4
	incl	fault_count
	movl	12(%esp), %eax
	movl	%eax, fault_error
	movl	16(%esp), %eax
	movl	%eax, fault_rip
	movl	24(%esp), %eax
	movl	%eax, fault_rflags
	movl	%cr2, %eax
	movl	%eax, fault_cr2
	cmpl	$1, %ecx
	je	return32
	cmpl	$3, %ecx
	je	return32
	movl	fixup, %eax
	testl	%eax, %eax
	jz	fatal32
	movl	%eax, 16(%esp)
	movl	$0, fixup
	jmp	return32
fatal32:
	outl	%eax, $PORT_FATAL
	hlt
interrupt32:
	incl	irq_count(, %ecx, 4)
	incl	irq_total
return32:
	popl	%eax
	popl	%ecx
	addl	$8, %esp
	iretl

	.data
	.balign	16
	.global	fault_vector, fault_error, fault_rip, fault_rflags, fault_cr2, fault_dr6
	.global	fault_count, fixup, irq_count, irq_total, irq_order, eoi, sti_hlt_splits
	.global	stray_vector
fault_vector:	.quad	-1
fault_error:	.quad	0
fault_rip:	.quad	0
fault_rflags:	.quad	0
fault_cr2:	.quad	0
fault_dr6:	.quad	0
fault_count:	.quad	0
fixup:		.quad	0
irq_total:	.quad	0
/* 0: no EOI, 1: through the xAPIC page, 2: through the x2APIC MSR */
eoi:		.long	0
/* An interrupt in the shadow of STI ends the HLT behind it: TCG (testing.rst) */
sti_hlt_splits:	.long	0
/*
 * What the processor delivers unasked, or 0: the spurious vector in Bochs (testing.rst), which makes
 * it in service like any other.
 */
stray_vector:	.long	0
		.long	0
irq_count:	.fill	256, 4, 0
irq_order:	.fill	64, 1, 0xff

/* ---- functions that several payloads have tests call ---- */

/* u64 identity(u64 x) */
function identity
	movq	%rdi, %rax
	ret

/* u64 load(u64 *p), void store(u64 *p, u64 value) */
function load
	probe	movq (%rdi), %rax
	ret
function store
	probe	movq %rsi, (%rdi)
	ret

/* u64 rep_stos32(u32 *p, u64 count): the pointer afterwards */
function rep_stos32
	movq	%rsi, %rcx
	movl	$0xaabbccdd, %eax
	cld
	rep stosl
	movq	%rdi, %rax
	ret

/* void out8(port, value), out16, out32 */
function out8
	movl	%edi, %edx
	movl	%esi, %eax
	outb	%al, %dx
	ret
function out16
	movl	%edi, %edx
	movl	%esi, %eax
	outw	%ax, %dx
	ret
function out32
	movl	%edi, %edx
	movl	%esi, %eax
	outl	%eax, %dx
	ret

/* u64 rdmsr_(u32 msr), void wrmsr_(u32 msr, u64 value), void xsetbv_(u32 index, u64 value) */
function rdmsr_
	movl	%edi, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	probe	rdmsr
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret
function wrmsr_
	movl	%edi, %ecx
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	probe	wrmsr
	ret
function xsetbv_
	movl	%edi, %ecx
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	probe	xsetbv
	ret

/* u32 apic_read(u32 reg), void apic_write(u32 reg, u32 value): the xAPIC's page */
function apic_read
	movl	$GUEST_APIC, %eax
	movl	(%rax, %rdi), %eax
	ret
function apic_write
	movl	$GUEST_APIC, %eax
	movl	%esi, (%rax, %rdi)
	ret

/* u64 window(): interrupts on for a few instructions; how many came so far */
function window
	sti
	nop
	nop
	cli
	movq	irq_total, %rax
	ret
