/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest does with its LAPIC all the time, in loops to be counted and measured, through
 * the xAPIC page (x_...) and through MSRs (x2_...). Each returns the time that it took in TSC
 * ticks.
 */
#include "guest.h"

#define X2_TPR		0x808
#define X2_ICR		0x830
#define X2_TIMER_INIT	0x838
#define X2_SELF_IPI	0x83f

/* RAX = time now. Changes RDX. */
.macro now
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
.endm

/* R8 = start; then: RAX = ticks since. */
.macro begin
	now
	movq	%rax, %r8
.endm
.macro end
	now
	subq	%r8, %rax
	ret
.endm

function nothing
	begin
1:	decl	%edi
	jnz	1b
	end

/* x_tpr(n), x2_tpr(n), cr8(n): write TPR */
function x_tpr
	begin
	movl	$GUEST_APIC, %ecx
1:	movl	$0x10, 0x80(%rcx)
	decl	%edi
	jnz	1b
	movl	$0, 0x80(%rcx)
	end
function x2_tpr
	begin
	xorl	%edx, %edx
	movl	$X2_TPR, %ecx
	movl	$0x10, %eax
1:	wrmsr
	decl	%edi
	jnz	1b
	xorl	%eax, %eax
	wrmsr
	end
function cr8
	begin
	movl	$1, %ecx
1:	movq	%rcx, %cr8
	decl	%edi
	jnz	1b
	xorl	%ecx, %ecx
	movq	%rcx, %cr8
	end

/* u64 cr8_write(value): what it reads afterwards; u64 cr8_read() */
function cr8_write
	movq	%rdi, %cr8
function cr8_read
	movq	%cr8, %rax
	ret

/* void cr8_write_unmasked(value): and let in what that allows */
function cr8_write_unmasked
	sti
	nop
	movq	%rdi, %cr8
	nop
	cli
	ret

/* x_self(n), x2_self(n): interrupt oneself, handler and EOI (variable eoi) included */
function x_self
	begin
	movl	$GUEST_APIC, %esi
	sti
1:	movl	$0x40051, 0x300(%rsi)
	nop
	decl	%edi
	jnz	1b
	cli
	end
function x2_self
	begin
	movl	$X2_SELF_IPI, %esi
	sti
1:	movl	%esi, %ecx
	movl	$0x51, %eax
	xorl	%edx, %edx
	wrmsr
	nop
	decl	%edi
	jnz	1b
	cli
	end

/*
 * x_ipi(n, destination, vector), x2_ipi(): interrupt another vCPU and wait until its handler
 * has counted. No PAUSE, which may exit. Interrupts are on: the host's, too, come only then in the emulated host.
 */
function x_ipi
	movl	%edx, %r9d
	movl	irq_count(, %r9, 4), %r10d
	shll	$24, %esi
	begin
	sti
	movl	$GUEST_APIC, %ecx
1:	incl	%r10d
	movl	%esi, 0x310(%rcx)
	movl	%r9d, 0x300(%rcx)
2:	cmpl	%r10d, irq_count(, %r9, 4)
	jne	2b
	decl	%edi
	jnz	1b
	cli
	end
function x2_ipi
	movl	%edx, %r9d
	movl	irq_count(, %r9, 4), %r10d
	begin
	sti
	movl	$X2_ICR, %ecx
1:	incl	%r10d
	movl	%r9d, %eax
	movl	%esi, %edx
	wrmsr
2:	cmpl	%r10d, irq_count(, %r9, 4)
	jne	2b
	decl	%edi
	jnz	1b
	cli
	end

/* x_timer(n, count), x2_timer(): arm the timer, vector 0x52, and wait until its handler has counted */
function x_timer
	movl	irq_count + 4 * 0x52, %r10d
	begin
	movl	$GUEST_APIC, %ecx
	sti
1:	incl	%r10d
	movl	%esi, 0x380(%rcx)
2:	cmpl	%r10d, irq_count + 4 * 0x52
	jne	2b
	decl	%edi
	jnz	1b
	cli
	end
function x2_timer
	movl	irq_count + 4 * 0x52, %r10d
	begin
	movl	$X2_TIMER_INIT, %ecx
	sti
1:	incl	%r10d
	movl	%esi, %eax
	xorl	%edx, %edx
	wrmsr
2:	cmpl	%r10d, irq_count + 4 * 0x52
	jne	2b
	decl	%edi
	jnz	1b
	cli
	end

/* Be interrupted until the variable "stop" is not 0. */
function run_until_stopped
	lock incq running
	sti
1:	cmpq	$0, stop
	je	1b
	cli
	ret

/* The same, asleep: each interrupt wakes it. */
function halt_until_stopped
	lock incq running
1:	cli
	cmpq	$0, stop
	jne	2f
	/* STI protects the HLT from what comes after the look. */
	sti
	hlt
	jmp	1b
2:	ret

/* u64 msr_read(msr), void msr_write(msr, value); fault_vector says whether it worked */
function msr_read
	movl	%edi, %ecx
	probe	rdmsr
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret
function msr_write
	movl	%edi, %ecx
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	probe	wrmsr
	ret

/* void msr_write_unmasked(msr, value): and let in what that allows */
function msr_write_unmasked
	movl	%edi, %ecx
	movl	%esi, %eax
	xorl	%edx, %edx
	sti
	wrmsr
	nop
	cli
	ret

/* Six instructions with interrupts on */
function six
	sti
	nop
	nop
	nop
	nop
	cli
	ret

	.data
	.balign	8
	.global	running, stop
running:	.quad	0
stop:		.quad	0
