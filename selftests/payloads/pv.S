/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paravirtual interface, from inside: the clock, hypercalls.
 */
#include "guest.h"

/* u64 clock_read(struct pvclock_vcpu_time_info *page): the time, ns. Keeps RDI and RSI. */
function clock_read
	movl	(%rdi), %r8d			/* version */
	testl	$1, %r8d
	jnz	1f
	lfence
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	subq	8(%rdi), %rax			/* tsc_timestamp */
	movsbl	28(%rdi), %ecx			/* tsc_shift */
	testl	%ecx, %ecx
	js	2f
	shlq	%cl, %rax
	jmp	3f
2:	negl	%ecx
	shrq	%cl, %rax
3:	movl	24(%rdi), %edx			/* tsc_to_system_mul */
	mulq	%rdx
	shrdq	$32, %rdx, %rax
	addq	16(%rdi), %rax			/* system_time */
	lfence
	cmpl	(%rdi), %r8d
	je	4f
1:	pause
	jmp	clock_read
4:	ret

/*
 * u64 clock_hammer(page, u64 n): read the clock n times and compare it with the latest time
 * that any vCPU has read. Returns how often it was earlier; "worst" is by how much.
 */
function clock_hammer
	xorl	%r11d, %r11d
1:	movq	latest, %r9
	call	clock_read
	movq	%rax, %r10
	cmpq	%r9, %r10
	jae	2f
	incq	%r11
	subq	%r10, %r9
	cmpq	worst, %r9
	jbe	4f
	movq	%r9, worst
	jmp	4f
	/* latest = max(latest, what we have read) */
2:	movq	latest, %rax
3:	cmpq	%r10, %rax
	jae	4f
	lock cmpxchgq %r10, latest
	jne	3b
4:	lock incq reads
	decq	%rsi
	jnz	1b
	movq	%r11, %rax
	ret

/* void clock_hammer_forever(page): the same, without an end; "backwards" counts. */
function clock_hammer_forever
	sti
1:	movq	$100, %rsi
	call	clock_hammer
	lock addq %rax, backwards
	jmp	1b

/* u64 load64(u64 *p), u64 load8(u8 *p) */
function load64
	movq	(%rdi), %rax
	ret

function load8
	movzbl	(%rdi), %eax
	ret

/* u64 hypercall_(nr, a0, a1, a2), hypercall4(nr, a0, a1, a2) with "a3" */
function hypercall_
	movq	$0, a3
function hypercall4
	pushq	%rbx
	movq	%rdi, %rax
	movq	%rsi, %rbx
	movq	%rcx, %r8
	movq	%rdx, %rcx
	movq	%r8, %rdx
	movq	a3, %rsi
	cmpq	$0, amd
	jne	1f
	probe	vmcall
	popq	%rbx
	ret
1:	probe	vmmcall
	popq	%rbx
	ret

/* u64 halts(n): HLT with interrupts off n times, which only a kick ends; counts in "counter" */
function halts
	cli
1:	incq	counter
	hlt
	decq	%rdi
	jnz	1b
	movl	$0x417, %eax
	ret

/* Interrupts on, for ever. */
function wait_forever
	sti
1:	incq	counter
	pause
	jmp	1b

/* Enable the LAPIC, then take n interrupts of its periodic timer, halted in between. */
function timer_halts
	movl	$GUEST_APIC, %eax
	movl	$0x1ff, 0xf0(%rax)
	movl	$0xb, 0x3e0(%rax)		/* divide by 1 */
	movl	$0x20040, 0x320(%rax)		/* periodic, vector 0x40 */
	movl	%esi, 0x380(%rax)
	movl	$1, eoi
	addq	irq_total, %rdi
1:	cli
	cmpq	%rdi, irq_total
	jae	2f
	sti
	hlt
	jmp	1b
2:	movl	$0, 0x380(%rax)
	sti
	nop
	nop
	cli
	ret

/*
 * u64 self_ipis(u64 n, u8 *word, bool behind): send itself an interrupt n times. Each is ended
 * as Linux does: the bit in the word, or EOI; if @behind, another one waits behind it by then.
 * Returns how often the bit was enough; "irq_total" counts.
 */
function self_ipis
	xorl	%eax, %eax
	movl	$GUEST_APIC, %r8d
	movl	$0x1ff, 0xf0(%r8)
	movl	$0, eoi				/* the handler of runtime.S leaves it to us */
	sti
1:	movq	irq_total, %rcx
	movl	$0x40052, 0x300(%r8)		/* fixed, to self, vector 0x52 */
2:	cmpq	%rcx, irq_total
	je	2b
	testq	%rdx, %rdx
	jz	5f
	movl	$0x40042, 0x300(%r8)		/* of a lower priority */
5:	btrl	$0, (%rsi)
	jnc	3f
	incq	%rax
	jmp	4f
3:	movl	$0, 0xb0(%r8)
4:	testq	%rdx, %rdx
	jz	6f
	movl	$0, 0xb0(%r8)			/* of the one behind, which has come */
6:	decq	%rdi
	jnz	1b
	cli
	ret

/* Take turns with another vCPU: wait with PAUSE until "turn" is @rdi, then make it @rsi. */
function take_turns
	sti
1:	cmpq	%rdi, turn
	je	2f
	pause
	jmp	1b
2:	movq	%rsi, turn
	incq	turns
	decq	%rdx
	jnz	1b
	ret

	.data
	.balign	8
	.global	latest, worst, reads, backwards, counter, a3, amd, turn, turns
latest:		.quad	0
worst:		.quad	0
reads:		.quad	0
backwards:	.quad	0
counter:	.quad	0
a3:		.quad	0
amd:		.quad	0
turn:		.quad	0
turns:		.quad	0
