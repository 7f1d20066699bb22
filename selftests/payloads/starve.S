/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that does one thing that needs the hypervisor, without end.
 */
#include "guest.h"

#define TIMER_VECTOR	0x52
#define TIMER_PERIODIC	(1 << 17)

function starve_cpuid
1:	xorl	%eax, %eax
	cpuid
	jmp	1b

function starve_rdmsr
1:	movl	$0x1b, %ecx
	rdmsr
	jmp	1b

/* The current count of the LAPIC's timer is nowhere but in the hypervisor. */
function starve_apic
	movl	$GUEST_APIC, %ecx
1:	movl	0x390(%rcx), %eax
	jmp	1b

function starve_self_ipi
	movl	$GUEST_APIC, %ecx
	sti
1:	movl	$0x40051, 0x300(%rcx)
	jmp	1b

/* A period of a nanosecond: running, and asleep */
.macro timer
	movl	$GUEST_APIC, %ecx
	movl	$0xb, 0x3e0(%rcx)
	movl	$TIMER_PERIODIC | TIMER_VECTOR, 0x320(%rcx)
	movl	$1, 0x380(%rcx)
	sti
.endm
function starve_timer
	timer
1:	jmp	1b
function starve_hlt
	timer
1:	hlt
	jmp	1b

function starve_pause
1:	pause
	jmp	1b

/* A #DB behind each instruction */
function starve_step
	pushfq
	orl	$0x100, (%rsp)
	popfq
1:	jmp	1b
