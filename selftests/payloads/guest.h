/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For guest payloads. A payload is linked at GUEST_CODE together with
 * runtime.S. 64-bit functions follow the C calling convention and are called
 * by guest_call(); 16- and 32-bit code is started at a label and ends with
 * "done". All of a payload is below 64 KiB, so 16-bit code reaches it, too.
 */
#include "../lib/layout.h"

/* A 64-bit function. */
.macro function name
	.text
	.code64
	.balign	16
	.global	\name
\name:
.endm

/*
 * Execute one instruction that may fault: the handler of runtime.S then goes
 * on after it and leaves the vector in fault_vector. 64-bit mode.
 */
.macro probe insn:vararg
	movq	$991f, fixup
	\insn
991:	movq	$0, fixup
.endm

/* The same in 32-bit mode. */
.macro probe32 insn:vararg
	movl	$992f, fixup
	\insn
992:	movl	$0, fixup
.endm

/* Tell the test that the guest got to a point; EAX says which. Any mode. */
.macro mark value
	movl	$\value, %eax
	outl	%eax, $PORT_MARK
.endm

/* End of a 16- or 32-bit payload. */
.macro done
	outl	%eax, $PORT_DONE
	hlt
.endm
