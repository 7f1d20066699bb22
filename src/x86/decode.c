// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decoder of instructions that access memory; see hv/decode.h.
 *
 * The tables follow the opcode maps of SDM 2D appendix A. What is not in them is
 * HV_DECODE_UNSUPPORTED: the decoder claims #UD only for what it knows to be one.
 */
#include <hv/decode.h>
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* How the operands are encoded. 0 in a table: not supported. */
enum form {
	FORM_UNSUPPORTED,
	FORM_NONE,		/* nothing follows the opcode */
	FORM_IMM8,		/* one byte follows */
	FORM_MODRM,		/* in groups: ModRM of which only the length matters */
	FORM_MODRM_REG,		/* ModRM that is register to register whatever mod says */
	FORM_MR,		/* rm, reg */
	FORM_RM,		/* reg, rm */
	FORM_M,			/* rm */
	FORM_MI,		/* rm, immediate of the operand size, at most 4 bytes */
	FORM_MI8,		/* rm, sign-extended byte */
	FORM_MOFFS,		/* rAX and an address in the instruction */
	FORM_STRING,		/* rSI or rDI */
	FORM_GROUP,		/* ModRM.reg selects; @op is the index in groups[] */
};

/* Attributes */
#define A_BYTE		BIT(0)	/* 1-byte operation */
#define A_LOCK		BIT(1)	/* LOCK is legal if rm is the destination and memory */
#define A_MEM		BIT(2)	/* rm must be memory; a register is something else */
#define A_RM8		BIT(3)	/* rm is 1 byte, whatever the operand size */
#define A_RM16		BIT(4)	/* rm is 2 bytes */
#define A_NO64		BIT(5)	/* #UD in 64-bit mode */
#define A_DEF64		BIT(6)	/* 64-bit mode: 8 bytes unless 66, no 4-byte form */
#define A_NP		BIT(7)	/* 66, F2 and F3 select other instructions */
#define A_NOREP		BIT(8)	/* F2 and F3 select other instructions */
#define A_STORE		BIT(9)	/* moffs: rm is the destination */
#define A_NO16		BIT(10)	/* no 2-byte form */

struct opcode {
	u8 op;
	u8 form;
	u16 attr;
};

enum group {
	GRP_1B, GRP_1Z, GRP_1NO64, GRP_1S, GRP_1A, GRP_3B, GRP_3Z, GRP_4, GRP_5,
	GRP_6, GRP_7, GRP_8, GRP_9, GRP_11B, GRP_11Z,
};

#define GROUP1(form, attr)						\
{									\
	{ HV_OP_ADD, form, (attr) | A_LOCK },				\
	{ HV_OP_OR, form, (attr) | A_LOCK },				\
	{ HV_OP_ADC, form, (attr) | A_LOCK },				\
	{ HV_OP_SBB, form, (attr) | A_LOCK },				\
	{ HV_OP_AND, form, (attr) | A_LOCK },				\
	{ HV_OP_SUB, form, (attr) | A_LOCK },				\
	{ HV_OP_XOR, form, (attr) | A_LOCK },				\
	{ HV_OP_CMP, form, (attr) },					\
}

#define GROUP3(attr)							\
{									\
	{ HV_OP_TEST, FORM_MI, (attr) },				\
	{ HV_OP_TEST, FORM_MI, (attr) },				\
	{ HV_OP_NOT, FORM_M, (attr) | A_LOCK },				\
	{ HV_OP_NEG, FORM_M, (attr) | A_LOCK },				\
}

/* SDM 2D table A-6 */
static const struct opcode groups[][8] = {
	[GRP_1B] = GROUP1(FORM_MI, A_BYTE),
	[GRP_1Z] = GROUP1(FORM_MI, 0),
	[GRP_1NO64] = GROUP1(FORM_MI, A_BYTE | A_NO64),
	[GRP_1S] = GROUP1(FORM_MI8, 0),
	[GRP_1A] = { { HV_OP_POP, FORM_M, A_DEF64 } },
	[GRP_3B] = GROUP3(A_BYTE),
	[GRP_3Z] = GROUP3(0),
	[GRP_4] = {
		{ HV_OP_INC, FORM_M, A_BYTE | A_LOCK },
		{ HV_OP_DEC, FORM_M, A_BYTE | A_LOCK },
	},
	[GRP_5] = {
		{ HV_OP_INC, FORM_M, A_LOCK },
		{ HV_OP_DEC, FORM_M, A_LOCK },
		[6] = { HV_OP_PUSH, FORM_M, A_DEF64 },
	},
	/* Of groups 6 and 7 only the length is of interest */
	[GRP_6] = { [0 ... 5] = { HV_OP_OTHER, FORM_MODRM, 0 } },
	[GRP_7] = {
		[0 ... 4] = { HV_OP_OTHER, FORM_MODRM, 0 },
		[6 ... 7] = { HV_OP_OTHER, FORM_MODRM, 0 },
	},
	[GRP_8] = {
		[4] = { HV_OP_BT, FORM_MI8, 0 },
		[5] = { HV_OP_BTS, FORM_MI8, A_LOCK },
		[6] = { HV_OP_BTR, FORM_MI8, A_LOCK },
		[7] = { HV_OP_BTC, FORM_MI8, A_LOCK },
	},
	[GRP_9] = { [1] = { HV_OP_CMPXCHGXB, FORM_M, A_LOCK | A_MEM } },
	[GRP_11B] = { { HV_OP_MOV, FORM_MI, A_BYTE } },
	[GRP_11Z] = { { HV_OP_MOV, FORM_MI, 0 } },
};

#define ALU(code, op, lock)						\
	[(code) + 0] = { op, FORM_MR, A_BYTE | (lock) },		\
	[(code) + 1] = { op, FORM_MR, (lock) },				\
	[(code) + 2] = { op, FORM_RM, A_BYTE },				\
	[(code) + 3] = { op, FORM_RM, 0 }

/* SDM 2D table A-2 */
static const struct opcode map_1[256] = {
	ALU(0x00, HV_OP_ADD, A_LOCK),
	ALU(0x08, HV_OP_OR, A_LOCK),
	ALU(0x10, HV_OP_ADC, A_LOCK),
	ALU(0x18, HV_OP_SBB, A_LOCK),
	ALU(0x20, HV_OP_AND, A_LOCK),
	ALU(0x28, HV_OP_SUB, A_LOCK),
	ALU(0x30, HV_OP_XOR, A_LOCK),
	ALU(0x38, HV_OP_CMP, 0),
	[0x6c ... 0x6f] = { HV_OP_OTHER, FORM_NONE, 0 },	/* INS, OUTS */
	[0x80] = { GRP_1B, FORM_GROUP, 0 },
	[0x81] = { GRP_1Z, FORM_GROUP, 0 },
	[0x82] = { GRP_1NO64, FORM_GROUP, 0 },
	[0x83] = { GRP_1S, FORM_GROUP, 0 },
	[0x84] = { HV_OP_TEST, FORM_MR, A_BYTE },
	[0x85] = { HV_OP_TEST, FORM_MR, 0 },
	[0x86] = { HV_OP_XCHG, FORM_MR, A_BYTE | A_LOCK },
	[0x87] = { HV_OP_XCHG, FORM_MR, A_LOCK },
	[0x88] = { HV_OP_MOV, FORM_MR, A_BYTE },
	[0x89] = { HV_OP_MOV, FORM_MR, 0 },
	[0x8a] = { HV_OP_MOV, FORM_RM, A_BYTE },
	[0x8b] = { HV_OP_MOV, FORM_RM, 0 },
	[0x8f] = { GRP_1A, FORM_GROUP, 0 },
	[0x90] = { HV_OP_OTHER, FORM_NONE, 0 },			/* NOP, PAUSE, XCHG R8 */
	[0xa0] = { HV_OP_MOV, FORM_MOFFS, A_BYTE },
	[0xa1] = { HV_OP_MOV, FORM_MOFFS, 0 },
	[0xa2] = { HV_OP_MOV, FORM_MOFFS, A_BYTE | A_STORE },
	[0xa3] = { HV_OP_MOV, FORM_MOFFS, A_STORE },
	[0xa4] = { HV_OP_MOVS, FORM_STRING, A_BYTE },
	[0xa5] = { HV_OP_MOVS, FORM_STRING, 0 },
	[0xa6] = { HV_OP_CMPS, FORM_STRING, A_BYTE },
	[0xa7] = { HV_OP_CMPS, FORM_STRING, 0 },
	[0xaa] = { HV_OP_STOS, FORM_STRING, A_BYTE },
	[0xab] = { HV_OP_STOS, FORM_STRING, 0 },
	[0xac] = { HV_OP_LODS, FORM_STRING, A_BYTE },
	[0xad] = { HV_OP_LODS, FORM_STRING, 0 },
	[0xae] = { HV_OP_SCAS, FORM_STRING, A_BYTE },
	[0xaf] = { HV_OP_SCAS, FORM_STRING, 0 },
	[0xc6] = { GRP_11B, FORM_GROUP, 0 },
	[0xc7] = { GRP_11Z, FORM_GROUP, 0 },
	[0xcc] = { HV_OP_OTHER, FORM_NONE, 0 },			/* INT3 */
	[0xcd] = { HV_OP_OTHER, FORM_IMM8, 0 },			/* INT n */
	[0xcf] = { HV_OP_OTHER, FORM_NONE, 0 },			/* IRET */
	[0xe4 ... 0xe7] = { HV_OP_OTHER, FORM_IMM8, 0 },	/* IN, OUT imm8 */
	[0xec ... 0xef] = { HV_OP_OTHER, FORM_NONE, 0 },	/* IN, OUT DX */
	[0xf1] = { HV_OP_OTHER, FORM_NONE, 0 },			/* INT1 */
	[0xf4] = { HV_OP_OTHER, FORM_NONE, 0 },			/* HLT */
	[0xf6] = { GRP_3B, FORM_GROUP, 0 },
	[0xf7] = { GRP_3Z, FORM_GROUP, 0 },
	[0xfe] = { GRP_4, FORM_GROUP, 0 },
	[0xff] = { GRP_5, FORM_GROUP, 0 },
};

/* MOVSXD exists in 64-bit mode only; elsewhere 63 is ARPL */
static const struct opcode movsxd = { HV_OP_MOVSX, FORM_RM, 0 };

/* SDM 2D table A-3 */
static const struct opcode map_0f[256] = {
	[0x00] = { GRP_6, FORM_GROUP, A_NP },
	[0x01] = { GRP_7, FORM_GROUP, A_NP },
	[0x06] = { HV_OP_OTHER, FORM_NONE, 0 },			/* CLTS */
	[0x08] = { HV_OP_OTHER, FORM_NONE, 0 },			/* INVD */
	[0x09] = { HV_OP_OTHER, FORM_NONE, A_NOREP },		/* WBINVD */
	[0x20 ... 0x23] = { HV_OP_OTHER, FORM_MODRM_REG, 0 },	/* MOV CR, MOV DR */
	[0x30 ... 0x33] = { HV_OP_OTHER, FORM_NONE, 0 },	/* WRMSR RDTSC RDMSR RDPMC */
	[0x40 ... 0x4f] = { HV_OP_CMOVCC, FORM_RM, 0 },
	[0x90 ... 0x9f] = { HV_OP_SETCC, FORM_M, A_BYTE },
	[0xa2] = { HV_OP_OTHER, FORM_NONE, 0 },			/* CPUID */
	[0xa3] = { HV_OP_BT, FORM_MR, 0 },
	[0xaa] = { HV_OP_OTHER, FORM_NONE, 0 },			/* RSM */
	[0xab] = { HV_OP_BTS, FORM_MR, A_LOCK },
	[0xb0] = { HV_OP_CMPXCHG, FORM_MR, A_BYTE | A_LOCK },
	[0xb1] = { HV_OP_CMPXCHG, FORM_MR, A_LOCK },
	[0xb3] = { HV_OP_BTR, FORM_MR, A_LOCK },
	[0xb6] = { HV_OP_MOVZX, FORM_RM, A_RM8 },
	[0xb7] = { HV_OP_MOVZX, FORM_RM, A_RM16 },
	[0xba] = { GRP_8, FORM_GROUP, 0 },
	[0xbb] = { HV_OP_BTC, FORM_MR, A_LOCK },
	[0xbe] = { HV_OP_MOVSX, FORM_RM, A_RM8 },
	[0xbf] = { HV_OP_MOVSX, FORM_RM, A_RM16 },
	[0xc0] = { HV_OP_XADD, FORM_MR, A_BYTE | A_LOCK },
	[0xc1] = { HV_OP_XADD, FORM_MR, A_LOCK },
	[0xc3] = { HV_OP_MOV, FORM_MR, A_MEM | A_NP | A_NO16 },	/* MOVNTI */
	[0xc7] = { GRP_9, FORM_GROUP, 0 },
};

static const struct opcode movbe_load = { HV_OP_MOVBE, FORM_RM, A_MEM | A_NOREP };
static const struct opcode movbe_store = { HV_OP_MOVBE, FORM_MR, A_MEM | A_NOREP };

/* Vector moves (SDM 2B, MOVAPS and so on; VEX forms have the same opcodes) */
#define V_STORE		BIT(0)
#define V_ALIGN		BIT(1)	/* #GP if not aligned to its size */
#define V_HIGH		BIT(2)	/* bytes 8..15 of the register */
#define V_MERGE		BIT(3)	/* the other bytes are kept */
#define V_L0		BIT(4)	/* VEX.L = 1 is #UD */
#define V_W		BIT(5)	/* 4 bytes, 8 with W */

/* Mandatory prefix, numbered as in VEX.pp */
enum { PP_NONE, PP_66, PP_F3, PP_F2 };

struct vec_opcode {
	u8 map;
	u8 opcode;
	u8 pp;
	u8 size;		/* of the memory operand; 0: the whole register */
	u8 attr;
};

static const struct vec_opcode vec_opcodes[] = {
	{ HV_MAP_0F, 0x10, PP_NONE, 0, 0 },				/* MOVUPS */
	{ HV_MAP_0F, 0x10, PP_66, 0, 0 },				/* MOVUPD */
	{ HV_MAP_0F, 0x10, PP_F3, 4, 0 },				/* MOVSS */
	{ HV_MAP_0F, 0x10, PP_F2, 8, 0 },				/* MOVSD */
	{ HV_MAP_0F, 0x11, PP_NONE, 0, V_STORE },
	{ HV_MAP_0F, 0x11, PP_66, 0, V_STORE },
	{ HV_MAP_0F, 0x11, PP_F3, 4, V_STORE },
	{ HV_MAP_0F, 0x11, PP_F2, 8, V_STORE },
	{ HV_MAP_0F, 0x12, PP_NONE, 8, V_MERGE | V_L0 },		/* MOVLPS */
	{ HV_MAP_0F, 0x12, PP_66, 8, V_MERGE | V_L0 },			/* MOVLPD */
	{ HV_MAP_0F, 0x13, PP_NONE, 8, V_STORE | V_L0 },
	{ HV_MAP_0F, 0x13, PP_66, 8, V_STORE | V_L0 },
	{ HV_MAP_0F, 0x16, PP_NONE, 8, V_MERGE | V_HIGH | V_L0 },	/* MOVHPS */
	{ HV_MAP_0F, 0x16, PP_66, 8, V_MERGE | V_HIGH | V_L0 },		/* MOVHPD */
	{ HV_MAP_0F, 0x17, PP_NONE, 8, V_STORE | V_HIGH | V_L0 },
	{ HV_MAP_0F, 0x17, PP_66, 8, V_STORE | V_HIGH | V_L0 },
	{ HV_MAP_0F, 0x28, PP_NONE, 0, V_ALIGN },			/* MOVAPS */
	{ HV_MAP_0F, 0x28, PP_66, 0, V_ALIGN },				/* MOVAPD */
	{ HV_MAP_0F, 0x29, PP_NONE, 0, V_STORE | V_ALIGN },
	{ HV_MAP_0F, 0x29, PP_66, 0, V_STORE | V_ALIGN },
	{ HV_MAP_0F, 0x2b, PP_NONE, 0, V_STORE | V_ALIGN },		/* MOVNTPS */
	{ HV_MAP_0F, 0x2b, PP_66, 0, V_STORE | V_ALIGN },		/* MOVNTPD */
	{ HV_MAP_0F, 0x6e, PP_66, 4, V_W | V_L0 },			/* MOVD, MOVQ */
	{ HV_MAP_0F, 0x6f, PP_66, 0, V_ALIGN },				/* MOVDQA */
	{ HV_MAP_0F, 0x6f, PP_F3, 0, 0 },				/* MOVDQU */
	{ HV_MAP_0F, 0x7e, PP_66, 4, V_STORE | V_W | V_L0 },		/* MOVD, MOVQ */
	{ HV_MAP_0F, 0x7e, PP_F3, 8, V_L0 },				/* MOVQ */
	{ HV_MAP_0F, 0x7f, PP_66, 0, V_STORE | V_ALIGN },
	{ HV_MAP_0F, 0x7f, PP_F3, 0, V_STORE },
	{ HV_MAP_0F, 0xd6, PP_66, 8, V_STORE | V_L0 },			/* MOVQ */
	{ HV_MAP_0F, 0xe7, PP_66, 0, V_STORE | V_ALIGN },		/* MOVNTDQ */
	{ HV_MAP_0F, 0xf0, PP_F2, 0, 0 },				/* LDDQU */
	{ HV_MAP_0F38, 0x2a, PP_66, 0, V_ALIGN },			/* MOVNTDQA */
};

/* What is known while decoding and of no interest afterwards */
struct state {
	struct hv_insn *insn;
	const u8 *bytes;
	size_t len;
	u8 pos;
	u8 rep;			/* last of F2 and F3, or 0 */
	bool opsize;		/* 66 */
	bool addrsize;		/* 67 */
	u8 seg;			/* override or HV_INSN_NO_REG */
	u8 rex;			/* 40..4f, or made from VEX; 0 without */
};

#define REX_B	1
#define REX_X	2
#define REX_R	4
#define REX_W	8

static enum hv_decode_result fetch(struct state *s, unsigned int n, u64 *val)
{
	unsigned int i;

	*val = 0;
	if (s->pos + n > HV_INSN_MAX_LEN)
		return HV_DECODE_TOO_LONG;
	if (s->pos + n > s->len)
		return HV_DECODE_MORE;
	for (i = 0; i < n; i++)
		*val |= (u64)s->bytes[s->pos + i] << (8 * i);
	s->pos += n;
	return HV_DECODE_OK;
}

static enum hv_decode_result fetch_u8(struct state *s, u8 *val)
{
	u64 v;
	enum hv_decode_result r = fetch(s, 1, &v);

	*val = v;
	return r;
}

/* Sign-extended; @n 1, 2, 4 or 8 */
static enum hv_decode_result fetch_signed(struct state *s, unsigned int n, s64 *val)
{
	u64 v;
	enum hv_decode_result r = fetch(s, n, &v);

	*val = (s64)(v << (64 - 8 * n)) >> (64 - 8 * n);
	return r;
}

/*
 * A REX prefix counts only right before the opcode (SDM 2A 2.2.1). In 64-bit mode the
 * overrides by ES, CS, SS and DS are ignored (SDM 1 3.4.2.1), so they do not end one by FS
 * or GS either.
 */
static bool take_prefix(struct state *s, u8 b)
{
	bool m64 = s->insn->mode == 64;

	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		if (!m64)
			s->seg = (b >> 3) & 3;
		break;
	case 0x64:
	case 0x65:
		s->seg = HV_INSN_FS + (b & 1);
		break;
	case 0x66:
		s->opsize = true;
		break;
	case 0x67:
		s->addrsize = true;
		break;
	case 0xf0:
		s->insn->lock = true;
		break;
	case 0xf2:
	case 0xf3:
		s->rep = b;
		break;
	case 0x40 ... 0x4f:
		if (!m64)
			return false;
		s->rex = b;
		return true;
	default:
		return false;
	}
	s->rex = 0;
	return true;
}

/* SDM 2A table 2-1 */
static enum hv_decode_result decode_mem16(struct state *s)
{
	static const u8 base[8] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const u8 index[8] = {
		6, 7, 6, 7, HV_INSN_NO_REG, HV_INSN_NO_REG, HV_INSN_NO_REG, HV_INSN_NO_REG,
	};
	struct hv_insn_mem *m = &s->insn->mem;
	u8 mod = s->insn->modrm >> 6, rm = s->insn->modrm & 7;

	if (mod == 0 && rm == 6)
		return fetch_signed(s, 2, &m->disp);
	m->base = base[rm];
	m->index = index[rm];
	m->scale = m->index != HV_INSN_NO_REG;
	if (m->base == 5)
		m->seg = HV_INSN_SS;
	return mod ? fetch_signed(s, mod, &m->disp) : HV_DECODE_OK;
}

/* SDM 2A tables 2-2 and 2-3; 2.2.1.6 for RIP-relative */
static enum hv_decode_result decode_mem32(struct state *s)
{
	struct hv_insn_mem *m = &s->insn->mem;
	u8 mod = s->insn->modrm >> 6, base = s->insn->modrm & 7, index, sib;
	enum hv_decode_result r;
	bool has_sib = base == 4;

	if (has_sib) {
		r = fetch_u8(s, &sib);
		if (r)
			return r;
		base = sib & 7;
		index = ((sib >> 3) & 7) | (s->rex & REX_X ? 8 : 0);
		if (index != 4) {
			m->index = index;
			m->scale = 1 << (sib >> 6);
		}
	}
	if (mod == 0 && base == 5) {
		m->rip_relative = !has_sib && s->insn->mode == 64;
		return fetch_signed(s, 4, &m->disp);
	}
	m->base = base | (s->rex & REX_B ? 8 : 0);
	if (m->base == 4 || m->base == 5)
		m->seg = HV_INSN_SS;
	return mod ? fetch_signed(s, mod == 1 ? 1 : 4, &m->disp) : HV_DECODE_OK;
}

static void override_seg(struct state *s)
{
	if (s->seg != HV_INSN_NO_REG)
		s->insn->mem.seg = s->seg;
}

static enum hv_decode_result decode_modrm(struct state *s)
{
	struct hv_insn *insn = s->insn;
	enum hv_decode_result r = fetch_u8(s, &insn->modrm);

	if (r)
		return r;
	insn->has_modrm = true;
	insn->reg = ((insn->modrm >> 3) & 7) | (s->rex & REX_R ? 8 : 0);
	insn->rm = (insn->modrm & 7) | (s->rex & REX_B ? 8 : 0);
	insn->has_mem = (insn->modrm >> 6) != 3;
	return HV_DECODE_OK;
}

static enum hv_decode_result decode_mem(struct state *s)
{
	enum hv_decode_result r;

	if (!s->insn->has_mem)
		return HV_DECODE_OK;
	s->insn->rm = 0;
	r = s->insn->addr_size == 2 ? decode_mem16(s) : decode_mem32(s);
	override_seg(s);
	return r;
}

/* Without REX, byte registers 4..7 are AH, CH, DH and BH (SDM 2A table 2-2 and 2.2.1.2) */
static void fix_high_byte(struct state *s, unsigned int size, u8 *reg, bool *high)
{
	if (size == 1 && !s->rex && *reg >= 4) {
		*reg -= 4;
		*high = true;
	}
}

static void set_op_size(struct state *s, unsigned int attr)
{
	struct hv_insn *insn = s->insn;
	bool m64 = insn->mode == 64;

	if (attr & A_BYTE)
		insn->op_size = 1;
	else if (s->rex & REX_W)
		insn->op_size = 8;
	else if ((insn->mode == 16) != s->opsize && !(attr & A_NO16))
		insn->op_size = 2;
	else
		insn->op_size = m64 && (attr & A_DEF64) ? 8 : 4;

	if (attr & A_RM8)
		insn->mem_size = 1;
	else if (attr & A_RM16)
		insn->mem_size = 2;
	else
		insn->mem_size = insn->op_size;
}

/* Operands of the general-purpose instructions, after ModRM has been read */
static enum hv_decode_result decode_operands(struct state *s, const struct opcode *o)
{
	struct hv_insn *insn = s->insn;
	enum hv_decode_result r;

	set_op_size(s, o->attr);
	if (o == &movsxd) {
		/* With 66 the manuals and processors disagree on the source's size */
		if (insn->op_size == 2)
			return HV_DECODE_UNSUPPORTED;
		insn->mem_size = 4;
	}
	if (o->op == HV_OP_CMPXCHGXB) {
		insn->op_size = s->rex & REX_W ? 8 : 4;
		insn->mem_size = 2 * insn->op_size;
	}
	r = decode_mem(s);
	if (r)
		return r;

	insn->rm_is_dest = o->form != FORM_RM;
	if (!insn->has_mem)
		fix_high_byte(s, insn->mem_size, &insn->rm, &insn->rm_high);
	switch (o->form) {
	case FORM_MR:
	case FORM_RM:
		insn->src = HV_SRC_REG;
		fix_high_byte(s, insn->op_size, &insn->reg, &insn->reg_high);
		return HV_DECODE_OK;
	case FORM_MI:
		insn->imm_size = insn->op_size > 4 ? 4 : insn->op_size;
		break;
	case FORM_MI8:
		insn->imm_size = 1;
		break;
	default:
		insn->reg = 0;
		return HV_DECODE_OK;
	}
	insn->reg = 0;
	insn->src = HV_SRC_IMM;
	return fetch_signed(s, insn->imm_size, &insn->imm);
}

static enum hv_decode_result decode_moffs(struct state *s, const struct opcode *o)
{
	struct hv_insn *insn = s->insn;
	u64 addr;
	enum hv_decode_result r = fetch(s, insn->addr_size, &addr);

	set_op_size(s, o->attr);
	insn->mem.disp = addr;
	override_seg(s);
	insn->has_mem = true;
	insn->src = HV_SRC_REG;
	insn->rm_is_dest = o->attr & A_STORE;
	return r;
}

static void decode_string(struct state *s, const struct opcode *o)
{
	struct hv_insn *insn = s->insn;
	bool to_di = o->op == HV_OP_STOS || o->op == HV_OP_SCAS;

	set_op_size(s, o->attr);
	insn->has_mem = true;
	insn->rm_is_dest = o->op == HV_OP_STOS;
	insn->mem.base = to_di ? 7 : 6;
	if (to_di)
		insn->mem.seg = HV_INSN_ES;
	else
		override_seg(s);
}

/* LOCK needs a memory destination (SDM 2A, LOCK) */
static bool lock_ok(const struct hv_insn *insn, const struct opcode *o)
{
	return (o->attr & A_LOCK) && insn->has_mem && insn->rm_is_dest;
}

/* Registers that exist (SDM 2B, MOV). AMD: LOCK MOV CR0 is MOV CR8 (APM 3, MOV CRn) */
static bool mov_cr_dr_ok(const struct hv_insn *insn)
{
	u16 exist = insn->opcode & 1 ? 0x00ff : 0x011d;

	return !insn->lock && ((exist >> insn->reg) & 1);
}

/* Register forms of 0F 01 that are instructions (SDM 2D table A-6, APM 3 table A-7) */
static bool group7_reg_ok(const struct hv_insn *insn)
{
	switch (insn->modrm) {
	case 0xc1:		/* VMCALL */
	case 0xc8 ... 0xc9:	/* MONITOR, MWAIT */
	case 0xd0 ... 0xd1:	/* XGETBV, XSETBV */
	case 0xd8 ... 0xdf:	/* SVM instructions */
	case 0xe0 ... 0xe7:	/* SMSW */
	case 0xf0 ... 0xf7:	/* LMSW */
	case 0xf9:		/* RDTSCP */
		return true;
	case 0xf8:		/* SWAPGS */
		return insn->mode == 64;
	default:
		return false;
	}
}

static enum hv_decode_result decode_general(struct state *s, const struct opcode *o)
{
	struct hv_insn *insn = s->insn;
	enum hv_decode_result r = HV_DECODE_OK;
	u64 imm;

	insn->op = o->op;
	switch (o->form) {
	case FORM_UNSUPPORTED:
		return HV_DECODE_UNSUPPORTED;
	case FORM_NONE:
		override_seg(s);	/* of OUTS */
		break;
	case FORM_IMM8:
		r = fetch(s, 1, &imm);
		insn->imm = imm;
		insn->imm_size = 1;
		break;
	case FORM_MODRM:
		if (insn->opcode == 0x01 && !insn->has_mem && !group7_reg_ok(insn))
			return HV_DECODE_UNSUPPORTED;
		set_op_size(s, o->attr);
		r = decode_mem(s);
		break;
	case FORM_MODRM_REG:
		r = decode_modrm(s);
		insn->has_mem = false;
		if (!r && !mov_cr_dr_ok(insn))
			return HV_DECODE_UNSUPPORTED;
		break;
	case FORM_MOFFS:
		r = decode_moffs(s, o);
		break;
	case FORM_STRING:
		decode_string(s, o);
		break;
	default:
		r = insn->has_modrm ? HV_DECODE_OK : decode_modrm(s);
		if (r)
			return r;
		if ((o->attr & A_MEM) && !insn->has_mem)
			return HV_DECODE_UNSUPPORTED;
		r = decode_operands(s, o);
		break;
	}
	if (r)
		return r;
	if ((o->attr & A_NO64) && insn->mode == 64)
		return HV_DECODE_INVALID;
	if (insn->lock && !lock_ok(insn, o))
		return HV_DECODE_INVALID;
	return HV_DECODE_OK;
}

static enum hv_decode_result decode_vector(struct state *s, const struct vec_opcode *v)
{
	struct hv_insn *insn = s->insn;
	enum hv_decode_result r = decode_modrm(s);
	bool uses_vvvv = insn->vex && (v->attr & V_MERGE);

	if (r)
		return r;
	if (!insn->has_mem)
		return HV_DECODE_UNSUPPORTED;
	r = decode_mem(s);
	if (r)
		return r;
	if (insn->lock)
		return HV_DECODE_INVALID;
	/* SDM 2A 2.3.5.6, 2.4.4: unused VEX.vvvv is 1111b, L = 1 is #UD for some */
	if (insn->vex && ((insn->vex_l && (v->attr & V_L0)) || (!uses_vvvv && insn->vvvv)))
		return HV_DECODE_INVALID;

	if (insn->mode != 64)
		insn->vvvv &= 7;
	insn->op = v->attr & V_STORE ? HV_OP_VSTORE : HV_OP_VLOAD;
	insn->src = HV_SRC_REG;
	insn->rm_is_dest = v->attr & V_STORE;
	insn->op_size = insn->vex_l && !v->size ? 32 : 16;
	insn->mem_size = v->size ? v->size : insn->op_size;
	if ((v->attr & V_W) && (s->rex & REX_W))
		insn->mem_size = 8;
	insn->vec_off = v->attr & V_HIGH ? 8 : 0;
	insn->vec_merge = v->attr & V_MERGE;
	insn->vec_align = v->attr & V_ALIGN ? insn->mem_size : 1;
	return HV_DECODE_OK;
}

static const struct vec_opcode *find_vector(u8 map, u8 opcode, u8 pp)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(vec_opcodes); i++) {
		const struct vec_opcode *v = &vec_opcodes[i];

		if (v->map == map && v->opcode == opcode && v->pp == pp)
			return v;
	}
	return NULL;
}

/*
 * VEX prefix (SDM 2A 2.3.5); @b is C4 or C5. Outside of 64-bit mode these are LES and LDS
 * unless the next byte looks like a register form.
 */
static enum hv_decode_result decode_vex(struct state *s, u8 b)
{
	struct hv_insn *insn = s->insn;
	const struct vec_opcode *v;
	enum hv_decode_result r;
	u8 p0, p1, opcode;

	r = fetch_u8(s, &p0);
	if (r)
		return r;
	if (insn->mode != 64 && (p0 >> 6) != 3)
		return HV_DECODE_UNSUPPORTED;
	insn->map = HV_MAP_0F;
	p1 = p0;
	if (b == 0xc4) {
		r = fetch_u8(s, &p1);
		if (r)
			return r;
		insn->map = p0 & 0x1f;
	}
	if (insn->lock || s->opsize || s->rep || s->rex)
		return HV_DECODE_INVALID;
	r = fetch_u8(s, &opcode);
	if (r)
		return r;

	insn->vex = true;
	insn->vex_l = p1 & 4;
	insn->vvvv = (~p1 >> 3) & 15;
	if (insn->mode == 64) {
		s->rex = p0 & 0x80 ? 0 : REX_R;
		if (b == 0xc4)
			s->rex |= ((~p0 >> 5) & (REX_X | REX_B)) | (p1 & 0x80 ? REX_W : 0);
	}
	insn->opcode = opcode;
	v = find_vector(insn->map, opcode, p1 & 3);
	return v ? decode_vector(s, v) : HV_DECODE_UNSUPPORTED;
}

/* Opcodes whose meaning depends on more than map and byte, else the table's entry */
static const struct opcode *find_opcode(struct state *s)
{
	const struct hv_insn *insn = s->insn;

	switch (insn->map) {
	case HV_MAP_1:
		if (insn->opcode == 0x63 && insn->mode == 64)
			return &movsxd;
		return &map_1[insn->opcode];
	case HV_MAP_0F:
		return &map_0f[insn->opcode];
	case HV_MAP_0F38:
		if (insn->opcode == 0xf0)
			return &movbe_load;
		if (insn->opcode == 0xf1)
			return &movbe_store;
		break;
	}
	return NULL;
}

static enum hv_decode_result decode_opcode(struct state *s)
{
	struct hv_insn *insn = s->insn;
	const struct vec_opcode *v;
	const struct opcode *o;
	enum hv_decode_result r;
	u8 pp = s->rep == 0xf3 ? PP_F3 : s->rep ? PP_F2 : s->opsize ? PP_66 : PP_NONE;

	v = insn->map == HV_MAP_1 ? NULL : find_vector(insn->map, insn->opcode, pp);
	if (v)
		return decode_vector(s, v);

	insn->rep = s->rep == 0xf3;
	insn->repne = s->rep == 0xf2;
	o = find_opcode(s);
	if (!o)
		return HV_DECODE_UNSUPPORTED;
	if ((o->attr & A_NP) && pp != PP_NONE)
		return HV_DECODE_UNSUPPORTED;
	if ((o->attr & A_NOREP) && s->rep)
		return HV_DECODE_UNSUPPORTED;
	if (o->form == FORM_GROUP) {
		r = decode_modrm(s);
		if (r)
			return r;
		o = &groups[o->op][(insn->modrm >> 3) & 7];
	}
	return decode_general(s, o);
}

static enum hv_decode_result decode(struct state *s)
{
	struct hv_insn *insn = s->insn;
	enum hv_decode_result r;
	u8 b;

	do {
		r = fetch_u8(s, &b);
		if (r)
			return r;
	} while (take_prefix(s, b));

	insn->rex = s->rex;
	if (insn->mode == 64)
		insn->addr_size = s->addrsize ? 4 : 8;
	else
		insn->addr_size = (insn->mode == 16) != s->addrsize ? 2 : 4;

	if (b == 0xc4 || b == 0xc5)
		return decode_vex(s, b);

	insn->map = HV_MAP_1;
	if (b == 0x0f) {
		insn->map = HV_MAP_0F;
		r = fetch_u8(s, &b);
		if (!r && (b == 0x38 || b == 0x3a)) {
			insn->map = b == 0x38 ? HV_MAP_0F38 : HV_MAP_0F3A;
			r = fetch_u8(s, &b);
		}
		if (r)
			return r;
	}
	insn->opcode = b;
	return decode_opcode(s);
}

enum hv_decode_result hv_insn_decode(struct hv_insn *insn, const u8 *bytes, size_t len,
				     unsigned int mode)
{
	struct state s = {
		.insn = insn,
		.bytes = bytes,
		.len = len,
		.seg = HV_INSN_NO_REG,
	};
	enum hv_decode_result r;

	memset(insn, 0, sizeof(*insn));
	insn->mode = mode;
	insn->mem.seg = HV_INSN_DS;
	insn->mem.base = HV_INSN_NO_REG;
	insn->mem.index = HV_INSN_NO_REG;
	insn->vec_align = 1;
	r = decode(&s);
	insn->len = s.pos;
	return r;
}
