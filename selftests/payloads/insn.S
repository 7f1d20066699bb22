/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that a hypervisor handles, one function each. Those that may
 * fault are probed: see fault_vector.
 */
#include "guest.h"

/* void cpuid(leaf, subleaf): EAX, EBX, ECX, EDX in "out" */
function cpuid_
	pushq	%rbx
	movq	%rdi, %rax
	movq	%rsi, %rcx
	movq	$-1, %rbx
	movq	$-1, %rdx
	cpuid
	movq	%rax, out
	movq	%rbx, out + 8
	movq	%rcx, out + 16
	movq	%rdx, out + 24
	popq	%rbx
	ret

function swapgs_
	swapgs
	ret

function rdtsc_
	xorl	%eax, %eax
	probe	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret

/* u64 rdtscp(): TSC_AUX in "out" */
function rdtscp_
	probe	rdtscp
	movl	%ecx, out
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret

function hlt_
	hlt
	movl	$0x417, %eax
	ret

function vmcall_
	movq	%rdi, %rax
	probe	vmcall
	ret

function vmmcall_
	movq	%rdi, %rax
	probe	vmmcall
	ret

function invd_
	probe	invd
	ret

function wbinvd_
	probe	wbinvd
	ret

function clflush_
	clflush	(%rdi)
	movq	(%rdi), %rax
	ret

function invlpg_
	invlpg	(%rdi)
	ret

function monitor_mwait
	leaq	out, %rax
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	probe	monitor
	xorl	%eax, %eax
	xorl	%ecx, %ecx
	probe	mwait
	movl	$0x3141, %eax
	ret

function pause_loop
	movl	$10000, %ecx
1:	pause
	decl	%ecx
	jnz	1b
	movl	$0x9a5e, %eax
	ret

/* u64 xgetbv(index) */

function xgetbv_
	movl	%edi, %ecx
	probe	xgetbv
	shlq	$32, %rdx
	orq	%rdx, %rax
	ret

/* Instructions that a guest without VMX and SVM doesn't have. */
function vmxon_
	probe	vmxon out
	ret
function vmread_
	probe	vmread %rax, %rcx
	ret
function vmlaunch_
	probe	vmlaunch
	ret
function vmrun_
	probe	vmrun
	ret
function getsec_
	xorl	%eax, %eax
	probe	.byte 0x0f, 0x37
	ret
function rsm_
	probe	rsm
	ret
function invept_
	probe	invept out, %rax
	ret

/* SYSCALL to "syscall_target" (LSTAR), which returns its RCX: the return address. */
function syscall_
	syscall
syscall_return:
	ret
	.global	syscall_return

function syscall_target
	movq	%rcx, %rax
	jmpq	*%rcx

/* u64 read_gs(offset) */
function read_gs
	movq	%gs:(%rdi), %rax
	ret
function read_fs
	movq	%fs:(%rdi), %rax
	ret

/* Triple fault: no IDT. */
function triple_fault
	lidt	no_idt
	int3
	ret

/* Jump to another task (32-bit): SEL_TSS2, whose code is "task". */
	.code32
	.global	task_switch
task_switch:
	movl	$task, GUEST_TSS2 + 32
	movl	$2, GUEST_TSS2 + 36
	movl	$0x2f000, GUEST_TSS2 + 56
	movl	$SEL_DATA, GUEST_TSS2 + 72
	movl	$SEL_CODE32, GUEST_TSS2 + 76
	movl	$SEL_DATA, GUEST_TSS2 + 80
	movl	$SEL_DATA, GUEST_TSS2 + 84
	movl	$SEL_DATA, GUEST_TSS2 + 88
	movl	$SEL_DATA, GUEST_TSS2 + 92
	movl	$0x5a5a, GUEST_TSS2 + 40
	probe32	ljmpl $SEL_TSS2, $0
	/* Not switched: an exception came. */
	movl	$0xbad, %eax
	done
task:
	movl	$0x7a5c, %eax
	done

	.data
	.balign	16
	.global	out
out:	.quad	0, 0, 0, 0
no_idt:	.word	0
	.quad	0
