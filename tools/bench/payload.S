/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What hvbench's guests do. Functions take the number of iterations in RDI and
 * an argument in RSI and return the TSC cycles that the loop took.
 */
#include "guest.h"

/* R8 = TSC, and after the loop RAX = TSC - R8 */
.macro start_clock
	lfence
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, %r8
.endm

.macro stop_clock
	rdtscp
	shlq	$32, %rdx
	orq	%rdx, %rax
	subq	%r8, %rax
.endm

/* What is between "timed" and "again" is done @rdi times; it leaves RDI, RSI and R8 alone. */
.macro timed name
function \name
	pushq	%rbx
	start_clock
1:
.endm

.macro again
	decq	%rdi
	jnz	1b
	stop_clock
	popq	%rbx
	ret
.endm

timed bench_empty
	again

timed bench_cpuid
	xorl	%eax, %eax
	cpuid
	again

timed bench_rdmsr
	movl	%esi, %ecx
	rdmsr
	again

timed bench_wrmsr
	movl	%esi, %ecx
	rdmsr
	wrmsr
	again

timed bench_vmcall
	movl	$0x7fffffff, %eax
	vmcall
	again

timed bench_vmmcall
	movl	$0x7fffffff, %eax
	vmmcall
	again

timed bench_out
	movl	%esi, %edx
	outl	%eax, %dx
	again

timed bench_in
	movl	%esi, %edx
	inl	%dx, %eax
	again

timed bench_store
	movl	%eax, (%rsi)
	again

timed bench_load
	movl	(%rsi), %eax
	again

/* Touch one byte at each @rdx bytes from @rsi on, @rdi times. */
function bench_touch
	movq	%rdx, %r9
	start_clock
1:	incb	(%rsi)
	addq	%r9, %rsi
	decq	%rdi
	jnz	1b
	stop_clock
	ret

/* Self-IPIs of vector @rsi through the x2APIC, each of them taken before the next. */
function bench_self_ipi
	movl	$2, eoi
	movl	%esi, %r9d
	sti
	start_clock
1:	movl	irq_total, %r10d
	movl	$0x83f, %ecx
	movl	%r9d, %eax
	xorl	%edx, %edx
	wrmsr
2:	cmpl	irq_total, %r10d
	je	2b
	decq	%rdi
	jnz	1b
	stop_clock
	cli
	ret

/* Enable the LAPIC in x2APIC mode. */
function enable_x2apic
	movl	$0x1b, %ecx
	rdmsr
	orl	$0xc00, %eax
	wrmsr
	movl	$0x80f, %ecx
	movl	$0x1ff, %eax
	xorl	%edx, %edx
	wrmsr
	movl	$2, eoi
	ret

/* Halt until @rdi more interrupts have come. */
function bench_halt
	addq	irq_total, %rdi
	cli
1:	cmpq	%rdi, irq_total
	jae	2f
	sti
	hlt
	cli
	jmp	1b
2:	xorl	%eax, %eax
	ret
