/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decoder of the x86 instructions that access memory: turns the bytes of one
 * instruction into a struct hv_insn, without executing or fetching anything.
 *
 * Pure C: no state, no allocation, no kernel dependency, so that userspace can
 * test it against an independent disassembler. hv/emulate.h gives the result a
 * meaning. All sizes are in bytes unless noted.
 */
#ifndef HV_DECODE_H
#define HV_DECODE_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
#ifndef BIT
#define BIT(n)	(1ul << (n))
#endif
#endif

/* Longest instruction (SDM 2A 2.3.11); a longer one is #GP(0) */
#define HV_INSN_MAX_LEN	15

/* "No register" in &struct hv_insn_mem */
#define HV_INSN_NO_REG	0xff

/* Segment registers as numbered in instructions (SDM 2A 2.1.5); equal to enum hv_seg. */
enum hv_insn_seg {
	HV_INSN_ES, HV_INSN_CS, HV_INSN_SS, HV_INSN_DS, HV_INSN_FS, HV_INSN_GS,
	HV_INSN_NR_SEGS,
};

/**
 * enum hv_decode_result - what hv_insn_decode() found
 * @HV_DECODE_OK: decoded; every field of the struct is valid
 * @HV_DECODE_MORE: the bytes end before the instruction does: fetch more and try again
 * @HV_DECODE_UNSUPPORTED: perhaps valid, but the decoder does not know it. Report the bytes
 *	(an internal-error exit), never guess
 * @HV_DECODE_INVALID: the processor raises #UD
 * @HV_DECODE_TOO_LONG: more than %HV_INSN_MAX_LEN bytes: the processor raises #GP(0)
 */
enum hv_decode_result {
	HV_DECODE_OK,
	HV_DECODE_MORE,
	HV_DECODE_UNSUPPORTED,
	HV_DECODE_INVALID,
	HV_DECODE_TOO_LONG,
};

/**
 * enum hv_insn_op - what the instruction does
 *
 * "rm" is the operand of ModRM.mod/rm (or the moffs address of A0..A3), "src" the other
 * one: a register or an immediate. Without @rm_is_dest of struct hv_insn the register is
 * written and rm is read.
 *
 * @HV_OP_OTHER: only @len, @opcode, @map, the prefixes and the ModRM fields are valid, and of
 *	groups 6 and 7 @op_size and @mem. These are instructions that exit for their own
 *	reason (HLT, IN, MOV CR, VMCALL, ...)
 * @HV_OP_MOV: also MOVNTI and moffs
 * @HV_OP_MOVZX: from @mem_size to @op_size
 * @HV_OP_MOVSX: also MOVSXD
 * @HV_OP_MOVBE: bytes reversed
 * @HV_OP_ADD: this and the next seven in the order of the opcode map's group 1
 * @HV_OP_OR: see @HV_OP_ADD
 * @HV_OP_ADC: see @HV_OP_ADD
 * @HV_OP_SBB: see @HV_OP_ADD
 * @HV_OP_AND: see @HV_OP_ADD
 * @HV_OP_SUB: see @HV_OP_ADD
 * @HV_OP_XOR: see @HV_OP_ADD
 * @HV_OP_CMP: rm (or the register) is not written
 * @HV_OP_TEST: rm is not written
 * @HV_OP_NOT: one operand
 * @HV_OP_NEG: one operand
 * @HV_OP_INC: one operand
 * @HV_OP_DEC: one operand
 * @HV_OP_XCHG: locked without a prefix when rm is memory
 * @HV_OP_XADD: both operands are written
 * @HV_OP_CMPXCHG: with RAX
 * @HV_OP_CMPXCHGXB: CMPXCHG8B or CMPXCHG16B by @mem_size; with RDX:RAX and RCX:RBX
 * @HV_OP_BT: src is a bit offset; from a register it may lead outside of rm's address
 * @HV_OP_BTS: as @HV_OP_BT
 * @HV_OP_BTR: as @HV_OP_BT
 * @HV_OP_BTC: as @HV_OP_BT
 * @HV_OP_SETCC: condition in the low four bits of @opcode
 * @HV_OP_CMOVCC: condition in the low four bits of @opcode; memory is always read
 * @HV_OP_PUSH: rm to the stack
 * @HV_OP_POP: from the stack to rm; RSP as a base is used after its increment
 * @HV_OP_MOVS: rm is the source seg:rSI; the destination is ES:rDI
 * @HV_OP_STOS: rm is the destination ES:rDI
 * @HV_OP_LODS: rm is the source seg:rSI
 * @HV_OP_CMPS: rm is the first source seg:rSI, compared with ES:rDI
 * @HV_OP_SCAS: rm is ES:rDI, compared with rAX
 * @HV_OP_VLOAD: @mem_size bytes of memory to a vector register, see @vec_off, @vec_merge
 * @HV_OP_VSTORE: @mem_size bytes of a vector register, from @vec_off, to memory
 * @HV_NR_OPS: number of the above
 */
enum hv_insn_op {
	HV_OP_OTHER,
	HV_OP_MOV, HV_OP_MOVZX, HV_OP_MOVSX, HV_OP_MOVBE,
	HV_OP_ADD, HV_OP_OR, HV_OP_ADC, HV_OP_SBB, HV_OP_AND, HV_OP_SUB, HV_OP_XOR, HV_OP_CMP,
	HV_OP_TEST, HV_OP_NOT, HV_OP_NEG, HV_OP_INC, HV_OP_DEC,
	HV_OP_XCHG, HV_OP_XADD, HV_OP_CMPXCHG, HV_OP_CMPXCHGXB,
	HV_OP_BT, HV_OP_BTS, HV_OP_BTR, HV_OP_BTC,
	HV_OP_SETCC, HV_OP_CMOVCC, HV_OP_PUSH, HV_OP_POP,
	HV_OP_MOVS, HV_OP_STOS, HV_OP_LODS, HV_OP_CMPS, HV_OP_SCAS,
	HV_OP_VLOAD, HV_OP_VSTORE,
	HV_NR_OPS,
};

/**
 * enum hv_insn_src - the operand that is not rm
 * @HV_SRC_NONE: there is none, or it is implied by the operation
 * @HV_SRC_REG: register @reg
 * @HV_SRC_IMM: @imm
 */
enum hv_insn_src {
	HV_SRC_NONE,
	HV_SRC_REG,
	HV_SRC_IMM,
};

/**
 * enum hv_insn_map - opcode map of @opcode (SDM 2D appendix A)
 * @HV_MAP_1: one-byte opcodes
 * @HV_MAP_0F: after 0F
 * @HV_MAP_0F38: after 0F 38
 * @HV_MAP_0F3A: after 0F 3A
 */
enum hv_insn_map {
	HV_MAP_1,
	HV_MAP_0F,
	HV_MAP_0F38,
	HV_MAP_0F3A,
};

/**
 * struct hv_insn_mem - address of the memory operand
 * @disp: displacement, sign-extended; for moffs the (zero-extended) address
 * @seg: enum hv_insn_seg in effect: override or default. Overrides by ES, CS, SS and DS are
 *	ignored in 64-bit mode
 * @base: GPR number or %HV_INSN_NO_REG
 * @index: GPR number or %HV_INSN_NO_REG
 * @scale: factor of the index: 1, 2, 4 or 8; 0 without an index
 * @rip_relative: @disp is relative to the next instruction
 */
struct hv_insn_mem {
	s64 disp;
	u8 seg;
	u8 base;
	u8 index;
	u8 scale;
	bool rip_relative;
};

/**
 * struct hv_insn - one decoded instruction
 * @mem: address of rm; valid if @has_mem
 * @imm: immediate, sign-extended to 64 bits: truncate to @op_size. HV_OP_OTHER: zero-extended
 * @op: enum hv_insn_op
 * @src: enum hv_insn_src
 * @len: length of the instruction
 * @mode: 16, 32 or 64: bits of the code segment
 * @map: enum hv_insn_map
 * @opcode: last opcode byte
 * @modrm: ModRM byte, if @has_modrm
 * @op_size: size of the operation = of the register operand (16 or 32 for vectors)
 * @mem_size: bytes of rm in memory; differs from @op_size for MOVZX, SETcc, vectors ...
 * @addr_size: 2, 4 or 8
 * @imm_size: bytes of the immediate in the instruction, 0 if there is none
 * @reg: number of the register operand (GPR, or vector register for VLOAD and VSTORE)
 * @rm: GPR number of rm when it is a register (!@has_mem)
 * @vvvv: second source register of a VEX instruction
 * @vec_off: offset of the memory operand in the vector register, 0 or 8
 * @vec_align: required alignment of a vector access; 1: none. Else #GP(0)
 * @has_modrm: there is a ModRM byte
 * @has_mem: rm is in memory
 * @reg_high: @reg is AH, CH, DH or BH (then @reg is 0..3)
 * @rm_high: @rm is AH, CH, DH or BH (then @rm is 0..3)
 * @rm_is_dest: rm is the destination
 * @vec_merge: VLOAD: the bytes not loaded come from @vvvv (VEX) or stay (legacy); without it
 *	they become 0
 * @lock: LOCK prefix (legal here)
 * @rep: F3 was the last of F2 and F3 (REP, REPE), unless it selects the opcode
 * @repne: F2 was the last of F2 and F3 (REPNE), unless it selects the opcode
 * @rex: a REX prefix in effect
 * @vex: VEX encoding
 * @vex_l: VEX.L: 256 bits
 */
struct hv_insn {
	struct hv_insn_mem mem;
	s64 imm;
	u8 op;
	u8 src;
	u8 len;
	u8 mode;
	u8 map;
	u8 opcode;
	u8 modrm;
	u8 op_size;
	u8 mem_size;
	u8 addr_size;
	u8 imm_size;
	u8 reg;
	u8 rm;
	u8 vvvv;
	u8 vec_off;
	u8 vec_align;
	bool has_modrm;
	bool has_mem;
	bool reg_high;
	bool rm_high;
	bool rm_is_dest;
	bool vec_merge;
	bool lock;
	bool rep;
	bool repne;
	bool rex;
	bool vex;
	bool vex_l;
};

/**
 * hv_insn_decode() - decode one instruction
 * @insn: filled in; whatever the result, it is completely initialized
 * @bytes: instruction bytes, from RIP on
 * @len: how many of them are valid; more than %HV_INSN_MAX_LEN are not looked at
 * @mode: 16, 32 or 64: bits of the code segment (CS.L and CS.D). Real and virtual-8086
 *	mode are 16 unless CS.D says otherwise
 *
 * Any context. The bytes may be hostile.
 *
 * Return: enum hv_decode_result.
 */
enum hv_decode_result hv_insn_decode(struct hv_insn *insn, const u8 *bytes, size_t len,
				     unsigned int mode);

#endif
