/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the vCPUs of stress_test do for as long as it likes: compute with state that a
 * missed save or restore would spoil, read memory that the VMM keeps changing, and
 * send each other interrupts. The first check that fails ends the vCPU: PORT_DONE with
 * STRESS_*, and what it got and wanted in its block.
 */
#include "guest.h"
#include "../lib/stress.h"

/*
 * RBX: the vCPU's block; R12, XMM7 and some MSRs: rounds, modulo 2^31; R13: writes.
 * @a and @b are registers.
 */
	.macro	fail_unless_equal a b code
	cmpq	\a, \b
	je	993f
	movq	\a, STRESS_GOT(%rbx)
	movq	\b, STRESS_WANT(%rbx)
	movl	$\code, %eax
	jmp	failed
993:
	.endm

failed:
	cli
	movq	%rax, STRESS_FAILED(%rbx)
	outl	%eax, $PORT_DONE
	hlt

/* Get ready: the LAPIC on, the registers that are compared at the start of round 0. */
prepare:
	movq	%rdi, %rbx
	movl	$GUEST_APIC, %eax
	movl	$0x1ff, 0xf0(%rax)
	xorl	%r12d, %r12d
	xorps	%xmm7, %xmm7
	xorl	%eax, %eax
	xorl	%edx, %edx
	movl	$0xc0000102, %ecx	/* KERNEL_GS_BASE */
	wrmsr
	movl	$0xc0000082, %ecx	/* LSTAR */
	wrmsr
	movq	$0, STRESS_TSC(%rbx)
	ret

/* One round of checks of the vCPU's own state. */
check_state:
	/* General and vector registers, memory. */
	movq	STRESS_ROUNDS(%rbx), %rax
	fail_unless_equal %rax, %r12, STRESS_MEMORY
	movq	%xmm7, %rax
	fail_unless_equal %rax, %r12, STRESS_VECTOR
	/* MSRs that the hypervisor may leave in the processor between exits. */
	movl	$0xc0000102, %ecx
	rdmsr
	fail_unless_equal %rax, %r12, STRESS_GS_BASE
	movl	$0xc0000082, %ecx
	rdmsr
	fail_unless_equal %rax, %r12, STRESS_LSTAR
	/* Time doesn't go back. */
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	STRESS_TSC(%rbx), %r8
	movq	%rax, STRESS_TSC(%rbx)
	cmpq	%r8, %rax
	jae	1f
	fail_unless_equal %rax, %r8, STRESS_TIME
1:
	/* The next round's values: 31 bits of the counter, canonical addresses. */
	incq	%r12
	andq	$0x7fffffff, %r12
	movq	%r12, STRESS_ROUNDS(%rbx)
	movq	%r12, %xmm7
	movq	%r12, %rax
	xorl	%edx, %edx
	movl	$0xc0000102, %ecx
	wrmsr
	movl	$0xc0000082, %ecx
	wrmsr
	/* Now and then to the VMM and back. */
	testb	$15, %r12b
	jnz	2f
	outl	%eax, $PORT_MARK
2:	ret

/*
 * Windows: memory that the VMM takes away and gives back. "window_expect" has what is to
 * be read there, 0 while it's being changed; if it was the same before and after the
 * read, the read saw that or the hypervisor has let the guest use a page that was gone.
 * RSI says how often: what the processor has cached of a page that goes is used on only
 * if nothing makes the vCPU exit meanwhile.
 */
check_windows:
	xorl	%r9d, %r9d
	movl	$STRESS_WINDOW_GPA, %r10d
1:	movq	window_expect(, %r9, 8), %r8
	movq	(%r10), %rax
	cmpq	window_expect(, %r9, 8), %r8
	jne	2f
	testq	%r8, %r8
	jz	2f
	fail_unless_equal %rax, %r8, STRESS_WINDOW
2:	/* And a write of each vCPU's own. */
	movq	STRESS_ID(%rbx), %rcx
	incq	%r13
	movq	%r13, 8(%r10, %rcx, 8)
	addq	$STRESS_WINDOW_STEP, %r10
	incl	%r9d
	cmpl	$STRESS_WINDOWS, %r9d
	jb	1b
	decq	%rsi
	jnz	check_windows
	ret

/* void stress_compute(block): never waits; an IPI to vCPU 1 when it has had the last. */
function stress_compute
	call	prepare
	sti
	/* A LAPIC that is off loses what comes (SDM 3A 11.4.7.2). */
2:	cmpq	$0, halt_ready
	je	2b
1:	call	check_state
	movl	$STRESS_SPIN, %esi
	call	check_windows
	movl	irq_count + 4 * STRESS_IPI, %eax
	movq	ipis, %rcx
	cmpq	%rcx, %rax
	jb	1b
	fail_unless_equal %rax, %rcx, STRESS_EXTRA_IPI
	incq	ipis
	movl	$GUEST_APIC, %eax
	movl	$1 << 24, 0x310(%rax)
	movl	$(1 << 14 | STRESS_IPI), 0x300(%rax)
	jmp	1b

/* void stress_halt(block, ticks): a round after each IPI or timer interrupt; 0: no timer. */
function stress_halt
	call	prepare
	movl	$GUEST_APIC, %eax
	movl	$0xb, 0x3e0(%rax)		/* divide by 1 */
	movl	$(1 << 17 | STRESS_TIMER), 0x320(%rax)
	movl	%esi, 0x380(%rax)
	movq	$1, halt_ready
	cli
1:	call	check_state
	movl	$1, %esi
	call	check_windows
	sti
	hlt
	cli
	jmp	1b

	.data
	.balign	8
	.global	window_expect
window_expect:	.fill	STRESS_WINDOWS, 8, 0
ipis:		.quad	0
halt_ready:	.quad	0
