/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vCPUs that interrupt each other without end. Each pair of a sender and a receiver has a vector
 * of its own, so that each interrupt can be waited for: the next is sent when the handler
 * of the last has counted it.
 */
#include "guest.h"

#define STORM_CPUS	4
#define STORM_VECTOR	0x40		/* + sender * STORM_CPUS + receiver */
#define FLOOD_DEPTH	8		/* vectors of a sender, at most */
#define FLOOD_VECTOR	0x80		/* + sender * FLOOD_DEPTH */
#define X2_ICR		0x830

/* Send vector EDI to vCPU R11D; R10D: in x2APIC mode. Changes RAX, RCX, RDX. */
.macro send
	testl	%r10d, %r10d
	jnz	3f
	movl	$GUEST_APIC, %ecx
	movl	%r11d, %eax
	shll	$24, %eax
	movl	%eax, 0x310(%rcx)
	movl	%edi, 0x300(%rcx)
	jmp	4f
3:	movl	$X2_ICR, %ecx
	movl	%edi, %eax
	movl	%r11d, %edx
	wrmsr
4:
.endm

/*
 * void storm(me, rounds, x2apic): @rounds interrupts, to the other vCPUs in turn. While one
 * is on its way this vCPU spins for a moment, but for every fourth round, and then sleeps until
 * anything comes (the test interrupts each of them again and again). Afterwards it sleeps.
 */
function storm
	movl	%edi, %r8d		/* me */
	movl	%esi, %r9d		/* rounds */
	movl	%edx, %r10d		/* x2apic */
	movl	%edi, %r11d		/* receiver */
	lock incq storm_up
	sti
1:	testl	%r9d, %r9d
	jz	9f
2:	incl	%r11d
	andl	$STORM_CPUS - 1, %r11d
	cmpl	%r8d, %r11d
	je	2b
	leal	STORM_VECTOR(%r11, %r8, STORM_CPUS), %edi
	/* Only this vCPU sends it. */
	movl	storm_sent(, %rdi, 4), %esi
	incl	%esi
	movl	%esi, storm_sent(, %rdi, 4)
	send
	movl	$200, %ecx
	testl	$3, %r9d
	jnz	6f
	/* STI protects the HLT from what comes after the look. */
5:	cli
	cmpl	%esi, irq_count(, %rdi, 4)
	je	7f
	sti
	hlt
	jmp	5b
6:	pause
	cmpl	%esi, irq_count(, %rdi, 4)
	je	7f
	decl	%ecx
	jnz	6b
	jmp	5b
7:	sti
	decl	%r9d
	jmp	1b
9:	lock incq storm_done
8:	hlt
	jmp	8b

/*
 * void flood(me, rounds, x2apic, depth): two vCPUs interrupt each other, each with @depth vectors in
 * turn, so that as many are on their way at a time. A vector is sent again when its handler has
 * counted the last one. This vCPU spins for that for a moment, then sleeps as above.
 */
function flood
	movl	%edi, %r8d		/* me */
	movl	%esi, %r9d		/* rounds */
	movl	%edx, %r10d		/* x2apic */
	movl	%edi, %r11d
	xorl	$1, %r11d		/* receiver */
	movl	%ecx, %ebp		/* depth */
	xorl	%ebx, %ebx
	lock incq storm_up
	sti
1:	testl	%r9d, %r9d
	jz	9f
	leal	FLOOD_VECTOR(%rbx, %r8, FLOOD_DEPTH), %edi
	movl	storm_sent(, %rdi, 4), %esi
	movl	$200, %ecx
5:	cmpl	%esi, irq_count(, %rdi, 4)
	je	7f
	pause
	decl	%ecx
	jnz	5b
6:	cli
	cmpl	%esi, irq_count(, %rdi, 4)
	je	7f
	sti
	hlt
	jmp	6b
7:	sti
	/* Only this vCPU sends it. */
	incl	%esi
	movl	%esi, storm_sent(, %rdi, 4)
	send
	decl	%r9d
	incl	%ebx
	cmpl	%ebp, %ebx
	jne	1b
	xorl	%ebx, %ebx
	jmp	1b
9:	lock incq storm_done
8:	hlt
	jmp	8b

/* u64 msr_write(msr, value), void apic_write(reg, value) */
function msr_write
	movl	%edi, %ecx
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	wrmsr
	ret

	.data
	.balign	8
	.global	storm_up, storm_done, storm_sent
storm_up:	.quad	0
storm_done:	.quad	0
storm_sent:	.fill	256, 4, 0
