// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder against Zydis, an independent disassembler: what the decoder accepts must
 * agree in every field, what it calls #UD must be invalid, and what it must know (see
 * mnemonics[]) it must accept whenever there is a memory operand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>
#include <hv/decode.h>

#include <kselftest_harness.h>
#include "unit.h"

#define BUF_LEN	32	/* the instruction and something behind it */

/* What Zydis calls our operations. Their memory forms must be accepted. */
static const struct mnemonic {
	ZydisMnemonic zydis;
	enum hv_insn_op op;
} mnemonics[] = {
	{ ZYDIS_MNEMONIC_MOV, HV_OP_MOV },
	{ ZYDIS_MNEMONIC_MOVNTI, HV_OP_MOV },
	{ ZYDIS_MNEMONIC_MOVZX, HV_OP_MOVZX },
	{ ZYDIS_MNEMONIC_MOVSX, HV_OP_MOVSX },
	{ ZYDIS_MNEMONIC_MOVSXD, HV_OP_MOVSX },
	{ ZYDIS_MNEMONIC_MOVBE, HV_OP_MOVBE },
	{ ZYDIS_MNEMONIC_ADD, HV_OP_ADD },
	{ ZYDIS_MNEMONIC_OR, HV_OP_OR },
	{ ZYDIS_MNEMONIC_ADC, HV_OP_ADC },
	{ ZYDIS_MNEMONIC_SBB, HV_OP_SBB },
	{ ZYDIS_MNEMONIC_AND, HV_OP_AND },
	{ ZYDIS_MNEMONIC_SUB, HV_OP_SUB },
	{ ZYDIS_MNEMONIC_XOR, HV_OP_XOR },
	{ ZYDIS_MNEMONIC_CMP, HV_OP_CMP },
	{ ZYDIS_MNEMONIC_TEST, HV_OP_TEST },
	{ ZYDIS_MNEMONIC_NOT, HV_OP_NOT },
	{ ZYDIS_MNEMONIC_NEG, HV_OP_NEG },
	{ ZYDIS_MNEMONIC_INC, HV_OP_INC },
	{ ZYDIS_MNEMONIC_DEC, HV_OP_DEC },
	{ ZYDIS_MNEMONIC_XCHG, HV_OP_XCHG },
	{ ZYDIS_MNEMONIC_XADD, HV_OP_XADD },
	{ ZYDIS_MNEMONIC_CMPXCHG, HV_OP_CMPXCHG },
	{ ZYDIS_MNEMONIC_CMPXCHG8B, HV_OP_CMPXCHGXB },
	{ ZYDIS_MNEMONIC_CMPXCHG16B, HV_OP_CMPXCHGXB },
	{ ZYDIS_MNEMONIC_BT, HV_OP_BT },
	{ ZYDIS_MNEMONIC_BTS, HV_OP_BTS },
	{ ZYDIS_MNEMONIC_BTR, HV_OP_BTR },
	{ ZYDIS_MNEMONIC_BTC, HV_OP_BTC },
	{ ZYDIS_MNEMONIC_SETO, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNO, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_SETB, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNB, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_SETZ, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNZ, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_SETBE, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNBE, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_SETS, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNS, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_SETP, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNP, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_SETL, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNL, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_SETLE, HV_OP_SETCC }, { ZYDIS_MNEMONIC_SETNLE, HV_OP_SETCC },
	{ ZYDIS_MNEMONIC_CMOVO, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNO, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_CMOVB, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNB, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_CMOVZ, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNZ, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_CMOVBE, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNBE, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_CMOVS, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNS, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_CMOVP, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNP, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_CMOVL, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNL, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_CMOVLE, HV_OP_CMOVCC }, { ZYDIS_MNEMONIC_CMOVNLE, HV_OP_CMOVCC },
	{ ZYDIS_MNEMONIC_MOVSB, HV_OP_MOVS }, { ZYDIS_MNEMONIC_MOVSW, HV_OP_MOVS },
	{ ZYDIS_MNEMONIC_MOVSD, HV_OP_MOVS }, { ZYDIS_MNEMONIC_MOVSQ, HV_OP_MOVS },
	{ ZYDIS_MNEMONIC_STOSB, HV_OP_STOS }, { ZYDIS_MNEMONIC_STOSW, HV_OP_STOS },
	{ ZYDIS_MNEMONIC_STOSD, HV_OP_STOS }, { ZYDIS_MNEMONIC_STOSQ, HV_OP_STOS },
	{ ZYDIS_MNEMONIC_LODSB, HV_OP_LODS }, { ZYDIS_MNEMONIC_LODSW, HV_OP_LODS },
	{ ZYDIS_MNEMONIC_LODSD, HV_OP_LODS }, { ZYDIS_MNEMONIC_LODSQ, HV_OP_LODS },
	{ ZYDIS_MNEMONIC_CMPSB, HV_OP_CMPS }, { ZYDIS_MNEMONIC_CMPSW, HV_OP_CMPS },
	{ ZYDIS_MNEMONIC_CMPSD, HV_OP_CMPS }, { ZYDIS_MNEMONIC_CMPSQ, HV_OP_CMPS },
	{ ZYDIS_MNEMONIC_SCASB, HV_OP_SCAS }, { ZYDIS_MNEMONIC_SCASW, HV_OP_SCAS },
	{ ZYDIS_MNEMONIC_SCASD, HV_OP_SCAS }, { ZYDIS_MNEMONIC_SCASQ, HV_OP_SCAS },
	/* Loads and stores; the direction is checked with the operands */
	{ ZYDIS_MNEMONIC_MOVUPS, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVUPS, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVUPD, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVUPD, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVAPS, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVAPS, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVAPD, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVAPD, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVDQA, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVDQA, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVDQU, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVDQU, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVNTDQ, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVNTDQ, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVNTDQA, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVNTDQA, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVNTPS, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVNTPS, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVNTPD, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVNTPD, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVSS, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVSS, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVSD, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVSD, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVLPS, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVLPS, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVLPD, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVLPD, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVHPS, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVHPS, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVHPD, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVHPD, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVD, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVD, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_MOVQ, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VMOVQ, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_LDDQU, HV_OP_VLOAD }, { ZYDIS_MNEMONIC_VLDDQU, HV_OP_VLOAD },
	{ ZYDIS_MNEMONIC_PUSH, HV_OP_PUSH },
	{ ZYDIS_MNEMONIC_POP, HV_OP_POP },
};

static const unsigned int modes[] = { 16, 32, 64 };
static ZydisDecoder decoders[3];

static struct {
	unsigned long accepted, memory, invalid, unsupported;
	unsigned long per_op[HV_NR_OPS];
} stats;

static void setup(void)
{
	static const ZydisMachineMode m[] = {
		ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
		ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth w[] = {
		ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64,
	};
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (ZYAN_FAILED(ZydisDecoderInit(&decoders[i], m[i], w[i])))
			abort();
}

static ZydisRegister gpr(unsigned int nr, unsigned int size, bool high)
{
	static const ZydisRegisterClass c[] = {
		[2] = ZYDIS_REGCLASS_GPR16, [4] = ZYDIS_REGCLASS_GPR32, [8] = ZYDIS_REGCLASS_GPR64,
	};

	if (nr == HV_INSN_NO_REG)
		return ZYDIS_REGISTER_NONE;
	if (size != 1)
		return ZydisRegisterEncode(c[size], nr);
	/* Zydis: AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8B.. */
	if (high)
		return ZYDIS_REGISTER_AH + nr;
	return nr < 4 ? ZYDIS_REGISTER_AL + nr : ZYDIS_REGISTER_SPL + nr - 4;
}

static enum hv_insn_op op_of(const ZydisDecodedInstruction *zi)
{
	size_t i;

	/* Two names are both those of a string and of an SSE instruction */
	if (zi->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) {
		if (zi->mnemonic == ZYDIS_MNEMONIC_MOVSD)
			return HV_OP_VLOAD;
		if (zi->mnemonic == ZYDIS_MNEMONIC_CMPSD)
			return HV_OP_OTHER;
	}
	for (i = 0; i < ARRAY_SIZE(mnemonics); i++)
		if (mnemonics[i].zydis == zi->mnemonic)
			return mnemonics[i].op;
	return HV_OP_OTHER;
}

/* Formats the failure into msg and makes check() return it */
#define CHECK(cond, ...)						\
	do {								\
		if (!(cond)) {						\
			snprintf(msg, sizeof(msg), __VA_ARGS__);	\
			return msg;					\
		}							\
	} while (0)

static char msg[200];

/*
 * With SIB.base = 5 and mod = 0 there is no base, whatever REX.B is (SDM 2A table 2-5, and
 * emulate_native_test runs such instructions). Zydis 4.0 reports R13D and no displacement
 * if there is a 67 prefix.
 */
static bool zydis_sib_bug(const struct hv_insn *in, const ZydisDecodedOperand *o)
{
	return in->mode == 64 && in->addr_size == 4 && in->has_modrm && in->modrm < 0x40 &&
	       (in->modrm & 7) == 4 && in->mem.base == HV_INSN_NO_REG &&
	       o->mem.base == ZYDIS_REGISTER_R13D;
}

static const char *check_mem(const struct hv_insn *in, const ZydisDecodedOperand *o)
{
	static const ZydisRegister seg[] = {
		ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS, ZYDIS_REGISTER_SS,
		ZYDIS_REGISTER_DS, ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS,
	};
	ZydisRegister base = gpr(in->mem.base, in->addr_size, false);
	bool moffs = in->map == HV_MAP_1 && in->opcode >= 0xa0 && in->opcode <= 0xa3;
	u64 mask = moffs && in->addr_size < 8 ? (1ull << 8 * in->addr_size) - 1 : ~0ull;
	s64 disp = o->mem.disp.has_displacement ? o->mem.disp.value & mask : 0;

	if (in->mem.rip_relative)
		base = in->addr_size == 8 ? ZYDIS_REGISTER_RIP : ZYDIS_REGISTER_EIP;
	CHECK(o->mem.segment == seg[in->mem.seg], "segment %d", in->mem.seg);
	CHECK(o->mem.base == base || zydis_sib_bug(in, o), "base %d", in->mem.base);
	CHECK(o->mem.index == gpr(in->mem.index, in->addr_size, false), "index %d",
	      in->mem.index);
	CHECK(o->mem.index == ZYDIS_REGISTER_NONE || o->mem.scale == in->mem.scale,
	      "scale %d/%d", in->mem.scale, o->mem.scale);
	CHECK(disp == in->mem.disp || zydis_sib_bug(in, o), "disp %llx/%llx", in->mem.disp, disp);
	CHECK(o->size == in->mem_size * 8, "memory size %d/%d", in->mem_size, o->size / 8);
	return NULL;
}

static const char *check_reg(const struct hv_insn *in, const ZydisDecodedOperand *o)
{
	if (in->op == HV_OP_VLOAD || in->op == HV_OP_VSTORE) {
		ZydisRegister x = ZydisRegisterEncode(ZYDIS_REGCLASS_XMM, in->reg);
		ZydisRegister y = ZydisRegisterEncode(ZYDIS_REGCLASS_YMM, in->reg);

		CHECK(o->reg.value == (in->op_size == 32 ? y : x), "vector register %d", in->reg);
		return NULL;
	}
	CHECK(o->reg.value == gpr(in->reg, in->op_size, in->reg_high), "register %d", in->reg);
	return NULL;
}

static const char *check_imm(const struct hv_insn *in, const ZydisDecodedInstruction *zi,
			     const ZydisDecodedOperand *o)
{
	u64 mask = in->op_size < 8 ? (1ull << 8 * in->op_size) - 1 : ~0ull;

	/* Bit offsets are bytes whatever the operand size */
	if (in->op >= HV_OP_BT && in->op <= HV_OP_BTC)
		mask = 0xff;
	CHECK((o->imm.value.u & mask) == (in->imm & mask), "immediate %llx", in->imm);
	CHECK(zi->raw.imm[0].size == in->imm_size * 8, "immediate size %d", in->imm_size);
	return NULL;
}

static const char *check_operands(const struct hv_insn *in, const ZydisDecodedInstruction *zi,
				  const ZydisDecodedOperand *ops)
{
	bool seen_rm = false, seen_reg = false, seen_imm = false;
	bool string = in->op >= HV_OP_MOVS && in->op <= HV_OP_SCAS;
	const char *e = NULL;
	int i;

	for (i = 0; i < zi->operand_count && !e; i++) {
		const ZydisDecodedOperand *o = &ops[i];
		bool moffs = o->encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64;
		bool hidden = o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;

		if (string && o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    o->mem.base == gpr(in->mem.base, in->addr_size, false)) {
			seen_rm = true;
			e = check_mem(in, o);
		} else if (string || hidden) {
			continue;
		} else if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM || moffs) {
			seen_rm = true;
			CHECK((o->type == ZYDIS_OPERAND_TYPE_MEMORY) == in->has_mem, "has_mem");
			if (in->has_mem)
				e = check_mem(in, o);
			else
				CHECK(o->reg.value == gpr(in->rm, in->mem_size, in->rm_high),
				      "rm register %d", in->rm);
			/* CMP and TEST write neither, so the order is what counts */
			CHECK(e || in->rm_is_dest == (i == 0), "rm_is_dest %d", in->rm_is_dest);
		} else if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG ||
			   (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
			    o->visibility == ZYDIS_OPERAND_VISIBILITY_IMPLICIT)) {
			seen_reg = true;
			e = check_reg(in, o);
		} else if (o->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD) {
			ZydisRegister x = ZydisRegisterEncode(ZYDIS_REGCLASS_XMM, in->vvvv);

			CHECK(o->reg.value == x, "vvvv %d", in->vvvv);
		} else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			seen_imm = true;
			e = check_imm(in, zi, o);
		} else {
			CHECK(false, "unexpected operand %d", i);
		}
	}
	if (e)
		return e;
	CHECK(seen_rm, "no rm operand");
	CHECK(string || seen_reg == (in->src == HV_SRC_REG), "src %d", in->src);
	CHECK(string || seen_imm == (in->src == HV_SRC_IMM), "src %d", in->src);
	return NULL;
}

static const char *check_prefixes(const struct hv_insn *in, const ZydisDecodedInstruction *zi)
{
	const u64 rep = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE;
	bool lock = zi->attributes & ZYDIS_ATTRIB_HAS_LOCK;

	CHECK(in->lock == lock, "lock %d", in->lock);
	if (in->op >= HV_OP_MOVS && in->op <= HV_OP_SCAS) {
		CHECK(in->rep == !!(zi->attributes & rep), "rep %d", in->rep);
		CHECK(in->repne == !!(zi->attributes & ZYDIS_ATTRIB_HAS_REPNE), "repne %d",
		      in->repne);
	}
	CHECK(in->vex == (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX), "vex %d", in->vex);
	return NULL;
}

static bool has_memory(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops)
{
	int i;

	for (i = 0; i < zi->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return true;
	return false;
}

/* Forms of required mnemonics that are not covered, each for a reason */
static bool exempt(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops)
{
	int i;

	/* The 16-bit form is not the same everywhere */
	if (zi->mnemonic == ZYDIS_MNEMONIC_MOVSXD && zi->operand_width == 16)
		return true;
	/* AVX-512 and MMX registers are not in the list */
	if (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
	    zi->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
		return true;
	for (i = 0; i < zi->operand_count; i++) {
		ZydisRegisterClass c;

		if (ops[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		c = ZydisRegisterGetClass(ops[i].reg.value);
		if (c == ZYDIS_REGCLASS_MMX || c == ZYDIS_REGCLASS_SEGMENT)
			return true;
	}
	/* PUSH and POP whose only memory operand is the stack */
	if ((zi->mnemonic == ZYDIS_MNEMONIC_PUSH || zi->mnemonic == ZYDIS_MNEMONIC_POP) &&
	    ops[0].type != ZYDIS_OPERAND_TYPE_MEMORY)
		return true;
	return false;
}

static const char *check_accepted(const struct hv_insn *in, const ZydisDecodedInstruction *zi,
				  const ZydisDecodedOperand *ops)
{
	enum hv_insn_op op = op_of(zi);
	/* Zydis does not know that these have no 2-byte form; its operands are right */
	bool width_unknown = zi->mnemonic == ZYDIS_MNEMONIC_MOVNTI || op == HV_OP_VLOAD ||
			     op == HV_OP_CMPXCHGXB;
	const char *e;

	CHECK(in->len == zi->length, "length %d/%d", in->len, zi->length);
	CHECK(in->addr_size * 8 == zi->address_width, "address size %d/%d", in->addr_size,
	      zi->address_width / 8);
	CHECK(in->opcode == zi->opcode, "opcode %02x/%02x", in->opcode, zi->opcode);
	if (in->op == HV_OP_OTHER)
		return NULL;
	CHECK(op == (in->op == HV_OP_VSTORE ? HV_OP_VLOAD : in->op), "operation %d", in->op);
	CHECK(width_unknown || in->op_size == zi->operand_width / 8, "operand size %d/%d",
	      in->op_size, zi->operand_width / 8);
	e = check_prefixes(in, zi);
	return e ? e : check_operands(in, zi, ops);
}

static const char *check(const u8 *bytes, unsigned int m)
{
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	struct hv_insn in;
	enum hv_decode_result r = hv_insn_decode(&in, bytes, BUF_LEN, modes[m]);
	ZyanStatus z = ZydisDecoderDecodeFull(&decoders[m], bytes, BUF_LEN, &zi, ops);

	switch (r) {
	case HV_DECODE_OK:
		CHECK(ZYAN_SUCCESS(z), "accepted, Zydis says %x", z);
		stats.accepted++;
		stats.memory += in.has_mem;
		stats.per_op[in.op]++;
		return check_accepted(&in, &zi, ops);
	case HV_DECODE_INVALID:
		CHECK(ZYAN_FAILED(z), "refused, Zydis accepts");
		stats.invalid++;
		return NULL;
	case HV_DECODE_TOO_LONG:
		CHECK(z == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || ZYAN_FAILED(z),
		      "too long, Zydis accepts");
		return NULL;
	case HV_DECODE_UNSUPPORTED:
		stats.unsupported++;
		if (ZYAN_FAILED(z) || op_of(&zi) == HV_OP_OTHER)
			return NULL;
		CHECK(!has_memory(&zi, ops) || exempt(&zi, ops), "not supported, but must be");
		return NULL;
	default:
		CHECK(false, "result %d", r);
	}
}

static void report(const u8 *bytes, unsigned int m, const char *what)
{
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	char text[100] = "(invalid)";
	int i;

	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[m], bytes, BUF_LEN, &zi, ops))) {
		ZydisFormatter f;

		ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
		ZydisFormatterFormatInstruction(&f, &zi, ops, zi.operand_count_visible, text,
						sizeof(text), 0x1000, NULL);
	}
	printf("# %u-bit:", modes[m]);
	for (i = 0; i < 15; i++)
		printf(" %02x", bytes[i]);
	printf(" %s: %s\n", text, what);
	fflush(stdout);
}

/* Returns the number of disagreements, of which the first few are printed */
static unsigned long one(const u8 *bytes, unsigned int m)
{
	static unsigned int reported;
	const char *e = check(bytes, m);

	if (!e)
		return 0;
	if (reported++ < 20)
		report(bytes, m, e);
	return 1;
}

static const struct prefix {
	u8 len, b[4];
	bool only64;
	bool vex;	/* also with VEX maps */
} prefixes[] = {
	/* the first five with every ModRM, the others with a sample */
	{ 0, { 0 }, false, true }, { 1, { 0x66 }, false, true }, { 1, { 0x67 }, false, true },
	{ 1, { 0x48 }, true, true }, { 1, { 0x4f }, true, false },
	{ 1, { 0x40 }, true, false }, { 1, { 0xf0 }, false, true }, { 1, { 0xf2 }, false, false },
	{ 1, { 0xf3 }, false, true }, { 2, { 0x66, 0x67 }, false, false },
	{ 2, { 0x66, 0x66 }, false, false }, { 2, { 0x66, 0xf2 }, false, false },
	{ 2, { 0xf3, 0x66 }, false, false }, { 2, { 0xf2, 0xf3 }, false, false },
	{ 2, { 0xf3, 0xf2 }, false, false }, { 2, { 0xf0, 0xf2 }, false, false },
	{ 2, { 0xf3, 0xf0 }, false, false }, { 1, { 0x26 }, false, false },
	{ 1, { 0x2e }, false, false }, { 1, { 0x36 }, false, false },
	{ 1, { 0x3e }, false, false }, { 1, { 0x64 }, false, true },
	{ 1, { 0x65 }, false, false }, { 2, { 0x64, 0x2e }, false, false },
	{ 2, { 0x36, 0x65 }, false, true }, { 2, { 0x66, 0x48 }, true, false },
	{ 2, { 0x48, 0x66 }, true, false }, { 2, { 0xf3, 0x48 }, true, false },
	{ 2, { 0xf2, 0x4c }, true, false }, { 2, { 0xf0, 0x49 }, true, false },
	{ 2, { 0x67, 0x4a }, true, false }, { 2, { 0x41, 0x48 }, true, false },
	{ 3, { 0x66, 0xf3, 0x48 }, true, false },
};

/* What comes between the prefixes and the opcode byte */
static const struct map {
	u8 len, b[3];
} maps[] = {
	{ 0, { 0 } }, { 1, { 0x0f } },
	{ 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } },
	{ 2, { 0xc5, 0xf8 } }, { 2, { 0xc5, 0xf9 } }, { 2, { 0xc5, 0xfa } },
	{ 2, { 0xc5, 0xfb } }, { 2, { 0xc5, 0xfc } }, { 2, { 0xc5, 0xfd } },
	{ 2, { 0xc5, 0xfe } }, { 2, { 0xc5, 0xff } }, { 2, { 0xc5, 0x78 } },
	{ 2, { 0xc5, 0xa8 } }, { 2, { 0xc5, 0xb9 } }, { 2, { 0xc5, 0xe2 } },
	{ 3, { 0xc4, 0xe1, 0x79 } }, { 3, { 0xc4, 0xe1, 0xf9 } },
	{ 3, { 0xc4, 0xc1, 0xf9 } }, { 3, { 0xc4, 0xe1, 0x39 } },
	{ 3, { 0xc4, 0x01, 0x7a } }, { 3, { 0xc4, 0xe1, 0x68 } },
	{ 3, { 0xc4, 0xe2, 0x79 } }, { 3, { 0xc4, 0xe2, 0x7d } },
	{ 3, { 0xc4, 0xe2, 0xf9 } }, { 3, { 0xc4, 0xe0, 0x79 } },
	{ 3, { 0xc4, 0xe3, 0x79 } }, { 3, { 0xc4, 0xff, 0x79 } },
};

#define FIRST_VEX_MAP	4

static const u8 sibs[] = { 0x00, 0x24, 0x25, 0x65, 0x9c, 0xd5, 0xff };

static unsigned long all_tails(u8 *b, unsigned int n, unsigned int m, bool sample)
{
	static const u8 tail[] = { 0x80, 0x7f, 0xfe, 0x81, 0x12, 0xc3, 0x90, 0x34 };
	unsigned long errors = 0;
	unsigned int modrm, i, nr_sib;

	for (modrm = 0; modrm < 256; modrm += sample ? 5 : 1) {
		nr_sib = (modrm & 7) == 4 && modrm < 0xc0 ? sizeof(sibs) : 1;
		for (i = 0; i < nr_sib; i++) {
			b[n] = modrm;
			b[n + 1] = sibs[i];
			memcpy(&b[n + 2], tail, sizeof(tail));
			errors += one(b, m);
		}
	}
	return errors;
}

static unsigned long all_opcodes(const struct prefix *p, const struct map *map,
				 unsigned int m, bool sample)
{
	u8 b[BUF_LEN] = { 0 };
	unsigned long errors = 0;
	unsigned int opcode, n = 0;

	memcpy(b, p->b, p->len);
	n = p->len;
	memcpy(b + n, map->b, map->len);
	n += map->len;
	for (opcode = 0; opcode < 256; opcode++) {
		b[n] = opcode;
		errors += all_tails(b, n + 1, m, sample);
	}
	return errors;
}

static void print_stats(void)
{
	printf("# %lu accepted (%lu with memory), %lu invalid, %lu not supported\n",
	       stats.accepted, stats.memory, stats.invalid, stats.unsupported);
	fflush(stdout);
}

FIXTURE(zydis) {
};

FIXTURE_SETUP(zydis)
{
	setup();
}

FIXTURE_TEARDOWN(zydis)
{
}

/* Seconds of work; the time limit is for machines that do something else as well */
TEST_F_TIMEOUT(zydis, boundary_encodings, 250)
{
	unsigned long errors = 0;
	unsigned int m, i, j, op;

	for (m = 0; m < 3; m++)
		for (i = 0; i < ARRAY_SIZE(prefixes); i++)
			for (j = 0; j < ARRAY_SIZE(maps); j++) {
				bool vex = j >= FIRST_VEX_MAP;

				if ((prefixes[i].only64 && modes[m] != 64) ||
				    (vex && !prefixes[i].vex))
					continue;
				errors += all_opcodes(&prefixes[i], &maps[j], m, i >= 5 || j >= 2);
			}
	print_stats();
	ASSERT_EQ(errors, 0);
	for (op = 0; op < HV_NR_OPS; op++) {
		ASSERT_GT(stats.per_op[op], 0) {
			TH_LOG("operation %u was never seen", op);
		}
	}
}

/* Any prefixes, in any number up to beyond the limit of 15 bytes */
static void random_insn(u8 *b)
{
	static const u8 legacy[] = {
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf3,
	};
	static const u8 known[] = {
		0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x28, 0x29, 0x2b, 0x6e, 0x6f, 0x7e, 0x7f,
		0xd6, 0xe7, 0xf0, 0xa3, 0xba, 0xb1, 0xc1, 0xc7,
	};
	unsigned int i, n = 0;
	u64 r = rnd();

	for (i = 0; i < BUF_LEN; i += 8) {
		u64 v = rnd();

		memcpy(b + i, &v, 8);
	}
	if (!(r & 7))
		return;
	for (i = (r >> 3) & 3; i; i--)
		b[n++] = legacy[rnd() % sizeof(legacy)];
	if (!((r >> 5) & 0x1f))
		for (i = rnd() % 12; i; i--)
			b[n++] = legacy[rnd() % sizeof(legacy)];
	if ((r >> 10) & 1)
		b[n++] = 0x40 | (rnd() & 15);
	switch ((r >> 11) & 7) {
	case 0 ... 1:
		b[n++] = 0x0f;
		break;
	case 2:
		b[n++] = 0x0f;
		b[n++] = known[rnd() % sizeof(known)];
		break;
	case 3:
		b[n++] = 0xc5;
		b[n++] |= 0x78;
		b[n++] = known[rnd() % sizeof(known)];
		break;
	case 4:
		b[n++] = 0xc4;
		b[n] = (b[n] & 0xe0) | (1 + rnd() % 2);
		n++;
		b[n++] |= 0x78;
		b[n++] = known[rnd() % sizeof(known)];
		break;
	}
}

TEST_F_TIMEOUT(zydis, random_encodings, 250)
{
	unsigned long errors = 0, i;
	u8 b[BUF_LEN];

	seed("random_encodings");
	for (i = 0; i < 3000000; i++) {
		random_insn(b);
		errors += one(b, i % 3);
	}
	print_stats();
	ASSERT_EQ(errors, 0);
	ASSERT_GT(stats.memory, 300000);
}

/* Every proper prefix of an accepted instruction asks for more, in an exact-size buffer */
TEST_F_TIMEOUT(zydis, truncated, 250)
{
	unsigned long i, tried = 0;
	u8 b[BUF_LEN];
	struct hv_insn in, part;
	unsigned int n, mode;

	seed("truncated");
	for (i = 0; i < 200000; i++) {
		random_insn(b);
		mode = modes[i % 3];
		if (hv_insn_decode(&in, b, BUF_LEN, mode) != HV_DECODE_OK)
			continue;
		for (n = 0; n < in.len; n++) {
			u8 *exact = malloc(n);	/* ASan sees one byte too many */
			enum hv_decode_result r;

			memcpy(exact, b, n);
			r = hv_insn_decode(&part, exact, n, mode);
			free(exact);
			ASSERT_EQ(r, HV_DECODE_MORE);
		}
		/* and bytes behind it make no difference */
		ASSERT_EQ(hv_insn_decode(&part, b, in.len, mode), HV_DECODE_OK);
		ASSERT_EQ(memcmp(&in, &part, sizeof(in)), 0);
		tried++;
	}
	ASSERT_GT(tried, 10000);
}

/* 15 bytes are allowed, 16 are not (SDM 2A 2.3.11) */
TEST(length_limit)
{
	u8 b[16] = { 0 };
	struct hv_insn in;

	memset(b, 0x66, 13);
	b[13] = 0x8b;		/* mov ax, [bx+si] */
	ASSERT_EQ(hv_insn_decode(&in, b, 15, 64), HV_DECODE_OK);
	ASSERT_EQ(in.len, 15);
	ASSERT_EQ(hv_insn_decode(&in, b, 14, 64), HV_DECODE_MORE);
	memset(b, 0x66, 14);
	b[14] = 0x8b;
	ASSERT_EQ(hv_insn_decode(&in, b, 16, 64), HV_DECODE_TOO_LONG);
	memset(b, 0x66, 16);
	ASSERT_EQ(hv_insn_decode(&in, b, 16, 64), HV_DECODE_TOO_LONG);
}

TEST_HARNESS_MAIN
