/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's general registers around an entry, as both backends move them: macros only, to
 * be included.
 */

/* Slots of vcpu->x86.regs, in the order of ModRM; RSP is in the VMCS or VMCB, RAX in the latter */
#define REG_RAX	(0 * 8)
#define REG_RCX	(1 * 8)
#define REG_RDX	(2 * 8)
#define REG_RBX	(3 * 8)
#define REG_RBP	(5 * 8)
#define REG_RSI	(6 * 8)
#define REG_RDI	(7 * 8)
#define REG_R8	(8 * 8)
#define REG_R9	(9 * 8)
#define REG_R10	(10 * 8)
#define REG_R11	(11 * 8)
#define REG_R12	(12 * 8)
#define REG_R13	(13 * 8)
#define REG_R14	(14 * 8)
#define REG_R15	(15 * 8)

/* Load all but RAX and RSP; RSI has the address of the slots, until the last. No flags change. */
.macro LOAD_GUEST_REGS
	mov REG_RCX(%rsi), %rcx
	mov REG_RDX(%rsi), %rdx
	mov REG_RBX(%rsi), %rbx
	mov REG_RBP(%rsi), %rbp
	mov REG_RDI(%rsi), %rdi
	mov REG_R8(%rsi), %r8
	mov REG_R9(%rsi), %r9
	mov REG_R10(%rsi), %r10
	mov REG_R11(%rsi), %r11
	mov REG_R12(%rsi), %r12
	mov REG_R13(%rsi), %r13
	mov REG_R14(%rsi), %r14
	mov REG_R15(%rsi), %r15
	mov REG_RSI(%rsi), %rsi
.endm

/* Store all but RAX and RSP to the slots at RAX. */
.macro STORE_GUEST_REGS
	mov %rcx, REG_RCX(%rax)
	mov %rdx, REG_RDX(%rax)
	mov %rbx, REG_RBX(%rax)
	mov %rbp, REG_RBP(%rax)
	mov %rsi, REG_RSI(%rax)
	mov %rdi, REG_RDI(%rax)
	mov %r8, REG_R8(%rax)
	mov %r9, REG_R9(%rax)
	mov %r10, REG_R10(%rax)
	mov %r11, REG_R11(%rax)
	mov %r12, REG_R12(%rax)
	mov %r13, REG_R13(%rax)
	mov %r14, REG_R14(%rax)
	mov %r15, REG_R15(%rax)
.endm

/*
 * No value of the guest's may be used in speculation by what runs next. RBX and RDI have the
 * host's already, or get it in a moment.
 */
.macro CLEAR_GUEST_REGS
	xor %eax, %eax
	xor %ecx, %ecx
	xor %edx, %edx
	xor %ebp, %ebp
	xor %esi, %esi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
.endm
