// SPDX-License-Identifier: GPL-2.0-only
/*
 * Execution of one decoded instruction over callbacks; see hv/emulate.h.
 *
 * Every handler works on a copy of the registers (struct run) and returns HV_EMUL_OK when
 * the instruction is complete; only hv_emul_step() commits. So a handler can be left
 * anywhere and started again.
 */
#include <hv/emulate.h>
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#define FLAG_CF		BIT(0)
#define FLAG_PF		BIT(2)
#define FLAG_AF		BIT(4)
#define FLAG_ZF		BIT(6)
#define FLAG_SF		BIT(7)
#define FLAG_DF		BIT(10)
#define FLAG_OF		BIT(11)
#define FLAG_RF		BIT(16)
#define FLAG_VM		BIT(17)
#define FLAG_AC		BIT(18)

#define CR0_PE		BIT(0)
#define CR0_EM		BIT(2)
#define CR0_TS		BIT(3)
#define CR0_AM		BIT(18)
#define CR4_OSFXSR	BIT(9)
#define CR4_LA57	BIT(12)
#define CR4_OSXSAVE	BIT(18)
#define XCR0_SSE_AVX	6

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

enum { VEC_UD = 6, VEC_NM = 7, VEC_SS = 12, VEC_GP = 13, VEC_AC = 17 };

/**
 * struct run - one attempt at the instruction
 * @e: the emulation
 * @in: its instruction
 * @gpr: registers as they will be
 * @rflags: as it will be
 * @la: linear address of rm
 * @again: the REP instruction has more to do
 */
struct run {
	struct hv_emul *e;
	const struct hv_insn *in;
	u64 gpr[16];
	u64 rflags;
	u64 la;
	bool again;
};

/* ---- small helpers ---- */

static u64 size_mask(unsigned int size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

static u64 sign_bit(unsigned int size)
{
	return 1ull << (8 * size - 1);
}

static s64 sign_extend(u64 val, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (s64)(val << shift) >> shift;
}

static bool protected_mode(const struct hv_emul *e)
{
	return e->cpu.cr0 & CR0_PE;
}

static enum hv_emul_rc fault(struct run *r, u8 vector, bool has_error)
{
	/* No error codes in real mode (SDM 3B 21.1.4) */
	r->e->fault = (struct hv_emul_fault) {
		.vector = vector,
		.has_error = has_error && protected_mode(r->e),
	};
	return HV_EMUL_FAULT;
}

static u64 read_gpr(const struct run *r, unsigned int nr, unsigned int size, bool high)
{
	return (high ? r->gpr[nr] >> 8 : r->gpr[nr]) & size_mask(size);
}

/* 32-bit results are zero-extended, smaller ones keep the rest (SDM 1 3.4.1.1) */
static void write_gpr(struct run *r, unsigned int nr, unsigned int size, bool high, u64 val)
{
	unsigned int shift = high ? 8 : 0;
	u64 mask = size == 4 ? ~0ull : size_mask(size) << shift;

	val = (val & size_mask(size)) << shift;
	r->gpr[nr] = (r->gpr[nr] & ~mask) | val;
}

static u64 read_reg(const struct run *r)
{
	return read_gpr(r, r->in->reg, r->in->op_size, r->in->reg_high);
}

static void write_reg(struct run *r, u64 val)
{
	write_gpr(r, r->in->reg, r->in->op_size, r->in->reg_high, val);
}

static u64 read_src(const struct run *r)
{
	if (r->in->src == HV_SRC_IMM)
		return r->in->imm & size_mask(r->in->op_size);
	return read_reg(r);
}

/* ---- addresses ---- */

static u64 effective_address(const struct run *r)
{
	const struct hv_insn_mem *m = &r->in->mem;
	u64 ea = m->disp;

	if (m->rip_relative)
		ea += r->e->cpu.rip + r->in->len;
	if (m->base != HV_INSN_NO_REG)
		ea += r->gpr[m->base];
	if (m->index != HV_INSN_NO_REG)
		ea += r->gpr[m->index] * m->scale;
	return ea & size_mask(r->in->addr_size);
}

static enum hv_emul_rc segment_fault(struct run *r, unsigned int seg)
{
	return fault(r, seg == HV_INSN_SS ? VEC_SS : VEC_GP, true);
}

/* SDM 1 3.3.7.1; only FS and GS have a base (SDM 3A 3.4.4) */
static enum hv_emul_rc linear64(struct run *r, unsigned int seg, u64 off, unsigned int size,
				u64 *la)
{
	unsigned int unused = r->e->cpu.cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;
	u64 first = off, last;

	if (seg == HV_INSN_FS || seg == HV_INSN_GS)
		first += r->e->cpu.seg[seg].base;
	last = first + size - 1;
	if ((s64)(first << unused) >> unused != (s64)first ||
	    (s64)(last << unused) >> unused != (s64)last)
		return segment_fault(r, seg);
	*la = first;
	return HV_EMUL_OK;
}

/* Type and limit, SDM 3A 6.2 to 6.5 (5.3 and 5.5 in older editions) */
static bool segment_allows(const struct run *r, unsigned int seg, u64 off, unsigned int size,
			   bool write)
{
	const struct hv_emul_seg *s = &r->e->cpu.seg[seg];
	bool checked = protected_mode(r->e) && !(r->rflags & FLAG_VM);
	u64 last = off + size - 1;

	if (checked) {
		bool code = s->type & 8, rw = s->type & 2;

		if (s->unusable || (write && (code || !rw)) || (!write && code && !rw))
			return false;
		if (!code && (s->type & 4))
			return off > s->limit && last <= (s->db ? 0xffffffff : 0xffff);
	}
	return last <= s->limit;
}

/* Logical to linear address, with the faults of segmentation and alignment checking */
static enum hv_emul_rc linearize(struct run *r, unsigned int seg, u64 off, unsigned int size,
				 bool write, u64 *la)
{
	const struct hv_emul_cpu *cpu = &r->e->cpu;

	if (r->in->mode == 64) {
		enum hv_emul_rc rc = linear64(r, seg, off, size, la);

		if (rc)
			return rc;
	} else {
		if (!segment_allows(r, seg, off, size, write))
			return segment_fault(r, seg);
		*la = (u32)(cpu->seg[seg].base + off);
	}
	/* SDM 3A 6.15, interrupt 17 */
	if ((cpu->cr0 & CR0_AM) && (r->rflags & FLAG_AC) && cpu->cpl == 3 && size <= 8 &&
	    (*la & (size - 1)))
		return fault(r, VEC_AC, true);
	return HV_EMUL_OK;
}

/* ---- memory ---- */

/* Outside of 64-bit mode linear addresses wrap at 4 GiB; the callbacks need not know */
static unsigned int before_wrap(const struct run *r, u64 la, unsigned int len)
{
	u64 room = (1ull << 32) - la;

	return r->in->mode != 64 && room < len ? room : len;
}

static enum hv_emul_rc mem_read(struct run *r, u64 la, void *data, unsigned int len,
				unsigned int flags)
{
	const struct hv_emul_ops *ops = r->e->ops;
	unsigned int n = before_wrap(r, la, len);
	enum hv_emul_rc rc = ops->read(r->e, la, data, n, flags);

	if (!rc && n < len)
		rc = ops->read(r->e, 0, (u8 *)data + n, len - n, flags);
	return rc;
}

static enum hv_emul_rc mem_write(struct run *r, u64 la, const void *data, unsigned int len,
				 unsigned int flags)
{
	const struct hv_emul_ops *ops = r->e->ops;
	unsigned int n = before_wrap(r, la, len);
	enum hv_emul_rc rc = ops->write(r->e, la, data, n, flags);

	if (!rc && n < len)
		rc = ops->write(r->e, 0, (const u8 *)data + n, len - n, flags);
	return rc;
}

static unsigned int lock_flag(const struct run *r)
{
	bool locked = r->in->lock || (r->in->op == HV_OP_XCHG && r->in->has_mem);

	return locked ? HV_EMUL_LOCKED : 0;
}

/* @off_adjust: what a bit offset adds to the address */
static enum hv_emul_rc locate_rm(struct run *r, bool write, s64 off_adjust)
{
	u64 off;

	if (!r->in->has_mem)
		return HV_EMUL_OK;
	off = (effective_address(r) + off_adjust) & size_mask(r->in->addr_size);
	return linearize(r, r->in->mem.seg, off, r->in->mem_size, write, &r->la);
}

/* rm of at most 8 bytes, after locate_rm(). @write: a write_rm() follows */
static enum hv_emul_rc read_rm(struct run *r, bool write, u64 *val)
{
	unsigned int flags = write ? HV_EMUL_RMW | lock_flag(r) : 0;

	*val = 0;
	if (r->in->has_mem)
		return mem_read(r, r->la, val, r->in->mem_size, flags);
	*val = read_gpr(r, r->in->rm, r->in->mem_size, r->in->rm_high);
	return HV_EMUL_OK;
}

static enum hv_emul_rc write_rm(struct run *r, u64 val)
{
	if (r->in->has_mem)
		return mem_write(r, r->la, &val, r->in->mem_size, lock_flag(r));
	write_gpr(r, r->in->rm, r->in->mem_size, r->in->rm_high, val);
	return HV_EMUL_OK;
}

static enum hv_emul_rc load_rm(struct run *r, bool write, u64 *val)
{
	enum hv_emul_rc rc = locate_rm(r, write, 0);

	return rc ? rc : read_rm(r, write, val);
}

static enum hv_emul_rc store_rm(struct run *r, u64 val)
{
	enum hv_emul_rc rc = locate_rm(r, true, 0);

	return rc ? rc : write_rm(r, val);
}

/* ---- flags (SDM 1 3.4.3.1) ---- */

static void set_flag(struct run *r, u32 flag, bool on)
{
	r->rflags = on ? r->rflags | flag : r->rflags & ~(u64)flag;
}

static void set_result_flags(struct run *r, u64 res, unsigned int size)
{
	u8 low = res;

	low ^= low >> 4;
	low ^= low >> 2;
	low ^= low >> 1;
	set_flag(r, FLAG_PF, !(low & 1));
	set_flag(r, FLAG_ZF, !(res & size_mask(size)));
	set_flag(r, FLAG_SF, res & sign_bit(size));
}

static u64 alu_add(struct run *r, u64 a, u64 b, unsigned int carry, unsigned int size)
{
	u64 res = a + b + carry, top = sign_bit(size);

	set_result_flags(r, res, size);
	set_flag(r, FLAG_CF, ((a & b) | ((a | b) & ~res)) & top);
	set_flag(r, FLAG_OF, (a ^ res) & (b ^ res) & top);
	set_flag(r, FLAG_AF, (a ^ b ^ res) & 0x10);
	return res;
}

static u64 alu_sub(struct run *r, u64 a, u64 b, unsigned int borrow, unsigned int size)
{
	u64 res = a - b - borrow, top = sign_bit(size);

	set_result_flags(r, res, size);
	set_flag(r, FLAG_CF, ((~a & b) | ((~a | b) & res)) & top);
	set_flag(r, FLAG_OF, (a ^ b) & (a ^ res) & top);
	set_flag(r, FLAG_AF, (a ^ b ^ res) & 0x10);
	return res;
}

/* AF is undefined after these; processors clear it */
static u64 alu_logic(struct run *r, u64 res, unsigned int size)
{
	set_result_flags(r, res, size);
	r->rflags &= ~(FLAG_CF | FLAG_OF | FLAG_AF);
	return res;
}

/* SDM 2D table B-10 */
static bool condition(const struct run *r)
{
	u64 f = r->rflags;
	bool sf_ne_of = !(f & FLAG_SF) != !(f & FLAG_OF), met;

	switch ((r->in->opcode >> 1) & 7) {
	case 0:
		met = f & FLAG_OF;
		break;
	case 1:
		met = f & FLAG_CF;
		break;
	case 2:
		met = f & FLAG_ZF;
		break;
	case 3:
		met = f & (FLAG_CF | FLAG_ZF);
		break;
	case 4:
		met = f & FLAG_SF;
		break;
	case 5:
		met = f & FLAG_PF;
		break;
	case 6:
		met = sf_ne_of;
		break;
	default:
		met = sf_ne_of || (f & FLAG_ZF);
		break;
	}
	return met != (r->in->opcode & 1);
}

/* ---- moves ---- */

static enum hv_emul_rc do_mov(struct run *r)
{
	enum hv_emul_rc rc;
	u64 val;

	if (r->in->rm_is_dest)
		return store_rm(r, read_src(r));
	rc = load_rm(r, false, &val);
	if (!rc)
		write_reg(r, val);
	return rc;
}

static enum hv_emul_rc do_movsx(struct run *r)
{
	u64 val;
	enum hv_emul_rc rc = load_rm(r, false, &val);

	if (!rc)
		write_reg(r, sign_extend(val, r->in->mem_size));
	return rc;
}

static u64 swap_bytes(u64 val, unsigned int size)
{
	u64 res = 0;

	for (; size; size--, val >>= 8)
		res = (res << 8) | (val & 0xff);
	return res;
}

static enum hv_emul_rc do_movbe(struct run *r)
{
	unsigned int size = r->in->op_size;
	enum hv_emul_rc rc;
	u64 val;

	if (r->in->rm_is_dest)
		return store_rm(r, swap_bytes(read_reg(r), size));
	rc = load_rm(r, false, &val);
	if (!rc)
		write_reg(r, swap_bytes(val, size));
	return rc;
}

static enum hv_emul_rc do_cmov(struct run *r)
{
	u64 val;
	enum hv_emul_rc rc = load_rm(r, false, &val);

	/* A 32-bit register is zero-extended even if the condition is false */
	if (!rc)
		write_reg(r, condition(r) ? val : read_reg(r));
	return rc;
}

static enum hv_emul_rc do_setcc(struct run *r)
{
	return store_rm(r, condition(r));
}

/* ---- arithmetic ---- */

static u64 alu(struct run *r, u64 a, u64 b)
{
	unsigned int size = r->in->op_size, carry = r->rflags & FLAG_CF;

	switch (r->in->op) {
	case HV_OP_ADD:
		return alu_add(r, a, b, 0, size);
	case HV_OP_ADC:
		return alu_add(r, a, b, carry, size);
	case HV_OP_SBB:
		return alu_sub(r, a, b, carry, size);
	case HV_OP_OR:
		return alu_logic(r, a | b, size);
	case HV_OP_XOR:
		return alu_logic(r, a ^ b, size);
	case HV_OP_AND:
	case HV_OP_TEST:
		return alu_logic(r, a & b, size);
	default:		/* SUB, CMP */
		return alu_sub(r, a, b, 0, size);
	}
}

static enum hv_emul_rc do_alu(struct run *r)
{
	bool writes = r->in->op != HV_OP_CMP && r->in->op != HV_OP_TEST;
	bool to_rm = r->in->rm_is_dest;
	enum hv_emul_rc rc;
	u64 rm, res;

	rc = load_rm(r, to_rm && writes, &rm);
	if (rc)
		return rc;
	res = to_rm ? alu(r, rm, read_src(r)) : alu(r, read_src(r), rm);
	if (!writes)
		return HV_EMUL_OK;
	if (to_rm)
		return write_rm(r, res);
	write_reg(r, res);
	return HV_EMUL_OK;
}

static enum hv_emul_rc do_unary(struct run *r)
{
	unsigned int size = r->in->op_size;
	bool carry = r->rflags & FLAG_CF;
	enum hv_emul_rc rc;
	u64 val;

	rc = load_rm(r, true, &val);
	if (rc)
		return rc;
	switch (r->in->op) {
	case HV_OP_NOT:
		val = ~val;
		break;
	case HV_OP_NEG:
		val = alu_sub(r, 0, val, 0, size);
		break;
	case HV_OP_INC:
		val = alu_add(r, val, 1, 0, size);
		set_flag(r, FLAG_CF, carry);
		break;
	default:		/* DEC */
		val = alu_sub(r, val, 1, 0, size);
		set_flag(r, FLAG_CF, carry);
		break;
	}
	return write_rm(r, val);
}

static enum hv_emul_rc do_xchg(struct run *r)
{
	u64 rm, reg = read_reg(r);
	enum hv_emul_rc rc = load_rm(r, true, &rm);

	if (rc)
		return rc;
	write_reg(r, rm);
	return write_rm(r, reg);
}

static enum hv_emul_rc do_xadd(struct run *r)
{
	u64 rm, reg = read_reg(r);
	enum hv_emul_rc rc = load_rm(r, true, &rm);

	if (rc)
		return rc;
	/* XADD of a register with itself leaves the sum: the destination is last */
	write_reg(r, rm);
	return write_rm(r, alu_add(r, rm, reg, 0, r->in->op_size));
}

static enum hv_emul_rc do_cmpxchg(struct run *r)
{
	unsigned int size = r->in->op_size;
	u64 rm, reg = read_reg(r);
	enum hv_emul_rc rc = load_rm(r, true, &rm);

	if (rc)
		return rc;
	alu_sub(r, read_gpr(r, RAX, size, false), rm, 0, size);
	/* The destination is written in either case (SDM 2A, CMPXCHG) */
	if (r->rflags & FLAG_ZF)
		return write_rm(r, reg);
	write_gpr(r, RAX, size, false, rm);
	return r->in->has_mem ? write_rm(r, rm) : HV_EMUL_OK;
}

/* CMPXCHG8B and CMPXCHG16B: memory only */
static enum hv_emul_rc do_cmpxchgxb(struct run *r)
{
	unsigned int half = r->in->op_size;
	u64 low = 0, high = 0, mask = size_mask(half);
	enum hv_emul_rc rc;
	u8 buf[16];
	bool equal;

	rc = locate_rm(r, true, 0);
	if (rc)
		return rc;
	if (half == 8 && (r->la & 15))
		return fault(r, VEC_GP, true);
	rc = mem_read(r, r->la, buf, 2 * half, HV_EMUL_RMW | lock_flag(r));
	if (rc)
		return rc;
	memcpy(&low, buf, half);
	memcpy(&high, buf + half, half);
	equal = low == (r->gpr[RAX] & mask) && high == (r->gpr[RDX] & mask);
	if (equal) {
		memcpy(buf, &r->gpr[RBX], half);
		memcpy(buf + half, &r->gpr[RCX], half);
	} else {
		write_gpr(r, RAX, half, false, low);
		write_gpr(r, RDX, half, false, high);
	}
	set_flag(r, FLAG_ZF, equal);
	return mem_write(r, r->la, buf, 2 * half, lock_flag(r));
}

/* A bit offset in a register is signed and reaches beyond rm (SDM 2A, BT) */
static enum hv_emul_rc do_bit(struct run *r)
{
	unsigned int size = r->in->op_size, bits = 8 * size;
	bool writes = r->in->op != HV_OP_BT;
	u64 val, bit, off = read_src(r);
	s64 adjust = 0;
	enum hv_emul_rc rc;

	if (r->in->src == HV_SRC_REG)
		adjust = (sign_extend(off, size) >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
	rc = locate_rm(r, writes, adjust);
	if (rc)
		return rc;
	rc = read_rm(r, writes, &val);
	if (rc)
		return rc;
	bit = 1ull << (off & (bits - 1));
	set_flag(r, FLAG_CF, val & bit);
	switch (r->in->op) {
	case HV_OP_BTS:
		return write_rm(r, val | bit);
	case HV_OP_BTR:
		return write_rm(r, val & ~bit);
	case HV_OP_BTC:
		return write_rm(r, val ^ bit);
	default:
		return HV_EMUL_OK;
	}
}

/* ---- stack ---- */

static unsigned int stack_size(const struct run *r)
{
	if (r->in->mode == 64)
		return 8;
	return r->e->cpu.seg[HV_INSN_SS].db ? 4 : 2;
}

static enum hv_emul_rc do_push(struct run *r)
{
	unsigned int size = r->in->op_size, width = stack_size(r);
	enum hv_emul_rc rc;
	u64 val, sp, la;

	rc = load_rm(r, false, &val);
	if (rc)
		return rc;
	sp = (r->gpr[RSP] - size) & size_mask(width);
	rc = linearize(r, HV_INSN_SS, sp, size, true, &la);
	if (rc)
		return rc;
	write_gpr(r, RSP, width, false, sp);
	return mem_write(r, la, &val, size, 0);
}

static enum hv_emul_rc do_pop(struct run *r)
{
	unsigned int size = r->in->op_size, width = stack_size(r);
	u64 val = 0, sp = r->gpr[RSP] & size_mask(width), la;
	enum hv_emul_rc rc;

	rc = linearize(r, HV_INSN_SS, sp, size, false, &la);
	if (rc)
		return rc;
	rc = mem_read(r, la, &val, size, 0);
	if (rc)
		return rc;
	/* RSP as a base is used after its increment (SDM 2B, POP) */
	write_gpr(r, RSP, width, false, sp + size);
	return store_rm(r, val);
}

/* ---- strings ---- */

static enum hv_emul_rc string_address(struct run *r, unsigned int seg, unsigned int reg,
				      bool write, u64 *la)
{
	u64 off = r->gpr[reg] & size_mask(r->in->addr_size);

	return linearize(r, seg, off, r->in->op_size, write, la);
}

static void string_advance(struct run *r, unsigned int reg)
{
	unsigned int size = r->in->op_size;
	s64 step = r->rflags & FLAG_DF ? -(s64)size : size;

	write_gpr(r, reg, r->in->addr_size, false, r->gpr[reg] + step);
}

static enum hv_emul_rc string_move(struct run *r)
{
	unsigned int size = r->in->op_size;
	bool from_si = r->in->op == HV_OP_MOVS || r->in->op == HV_OP_LODS;
	bool to_di = r->in->op == HV_OP_MOVS || r->in->op == HV_OP_STOS;
	u64 src = 0, dst = 0, val = read_gpr(r, RAX, size, false);
	enum hv_emul_rc rc = HV_EMUL_OK;

	/* Both addresses before the first access, which may have a side effect */
	if (from_si)
		rc = string_address(r, r->in->mem.seg, RSI, false, &src);
	if (!rc && to_di)
		rc = string_address(r, HV_INSN_ES, RDI, true, &dst);
	if (!rc && from_si)
		rc = mem_read(r, src, &val, size, 0);
	if (!rc && to_di)
		rc = mem_write(r, dst, &val, size, 0);
	if (rc)
		return rc;
	if (from_si)
		string_advance(r, RSI);
	if (to_di)
		string_advance(r, RDI);
	else
		write_gpr(r, RAX, size, false, val);
	return HV_EMUL_OK;
}

static enum hv_emul_rc string_compare(struct run *r)
{
	unsigned int size = r->in->op_size;
	bool cmps = r->in->op == HV_OP_CMPS;
	u64 la1 = 0, la2, a = read_gpr(r, RAX, size, false), b = 0;
	enum hv_emul_rc rc = HV_EMUL_OK;

	if (cmps) {
		a = 0;
		rc = string_address(r, r->in->mem.seg, RSI, false, &la1);
	}
	if (!rc)
		rc = string_address(r, HV_INSN_ES, RDI, false, &la2);
	if (!rc && cmps)
		rc = mem_read(r, la1, &a, size, 0);
	if (!rc)
		rc = mem_read(r, la2, &b, size, 0);
	if (rc)
		return rc;
	alu_sub(r, a, b, 0, size);
	if (cmps)
		string_advance(r, RSI);
	string_advance(r, RDI);
	return HV_EMUL_OK;
}

/* One iteration (SDM 2B, REP) */
static enum hv_emul_rc do_string(struct run *r)
{
	bool compares = r->in->op == HV_OP_CMPS || r->in->op == HV_OP_SCAS;
	unsigned int width = r->in->addr_size;
	u64 count = r->gpr[RCX] & size_mask(width);
	bool repeated = r->in->rep || r->in->repne;
	enum hv_emul_rc rc;

	if (repeated && !count)
		return HV_EMUL_OK;
	rc = compares ? string_compare(r) : string_move(r);
	if (rc || !repeated)
		return rc;
	write_gpr(r, RCX, width, false, --count);
	r->again = count;
	/* REPE goes on while equal, REPNE while not */
	if (compares && !(r->rflags & FLAG_ZF) == r->in->rep)
		r->again = false;
	return HV_EMUL_OK;
}

/* ---- vectors ---- */

/* SDM 2A tables 2-20 and 2-22, SDM 3A 14.1 */
static enum hv_emul_rc vector_usable(struct run *r)
{
	const struct hv_emul_cpu *cpu = &r->e->cpu;
	bool avx = protected_mode(r->e) && !(cpu->rflags & FLAG_VM) &&
		   (cpu->cr4 & CR4_OSXSAVE) && (cpu->xcr0 & XCR0_SSE_AVX) == XCR0_SSE_AVX;
	bool sse = !(cpu->cr0 & CR0_EM) && (cpu->cr4 & CR4_OSFXSR);

	if (r->in->vex ? !avx : !sse)
		return fault(r, VEC_UD, false);
	if (cpu->cr0 & CR0_TS)
		return fault(r, VEC_NM, false);
	return HV_EMUL_OK;
}

static enum hv_emul_rc locate_vector(struct run *r, bool write)
{
	enum hv_emul_rc rc = vector_usable(r);

	if (!rc)
		rc = locate_rm(r, write, 0);
	if (!rc && (r->la & (r->in->vec_align - 1)))
		rc = fault(r, VEC_GP, true);
	return rc;
}

static enum hv_emul_rc do_vload(struct run *r)
{
	const struct hv_insn *in = r->in;
	const struct hv_emul_ops *ops = r->e->ops;
	u8 mem[32], reg[32] = { 0 };
	enum hv_emul_rc rc;

	rc = locate_vector(r, false);
	if (!rc)
		rc = mem_read(r, r->la, mem, in->mem_size, 0);
	if (rc)
		return rc;
	if (in->vec_merge)
		ops->get_vec(r->e, in->vex ? in->vvvv : in->reg, reg, 16);
	memcpy(reg + in->vec_off, mem, in->mem_size);
	/* Nothing can fail after this, so it need not be deferred */
	ops->set_vec(r->e, in->reg, reg, in->vex ? 32 : 16);
	return HV_EMUL_OK;
}

static enum hv_emul_rc do_vstore(struct run *r)
{
	const struct hv_insn *in = r->in;
	enum hv_emul_rc rc;
	u8 reg[32];

	rc = locate_vector(r, true);
	if (rc)
		return rc;
	r->e->ops->get_vec(r->e, in->reg, reg, in->op_size);
	return mem_write(r, r->la, reg + in->vec_off, in->mem_size, 0);
}

/* ---- the step ---- */

static enum hv_emul_rc (*const handlers[HV_NR_OPS])(struct run *r) = {
	[HV_OP_MOV] = do_mov,
	[HV_OP_MOVZX] = do_mov,
	[HV_OP_MOVSX] = do_movsx,
	[HV_OP_MOVBE] = do_movbe,
	[HV_OP_ADD ... HV_OP_TEST] = do_alu,
	[HV_OP_NOT ... HV_OP_DEC] = do_unary,
	[HV_OP_XCHG] = do_xchg,
	[HV_OP_XADD] = do_xadd,
	[HV_OP_CMPXCHG] = do_cmpxchg,
	[HV_OP_CMPXCHGXB] = do_cmpxchgxb,
	[HV_OP_BT ... HV_OP_BTC] = do_bit,
	[HV_OP_SETCC] = do_setcc,
	[HV_OP_CMOVCC] = do_cmov,
	[HV_OP_PUSH] = do_push,
	[HV_OP_POP] = do_pop,
	[HV_OP_MOVS ... HV_OP_SCAS] = do_string,
	[HV_OP_VLOAD] = do_vload,
	[HV_OP_VSTORE] = do_vstore,
};

static void clear_log(struct hv_emul *e)
{
	e->nr_log = 0;
	e->cursor = 0;
}

static enum hv_emul_rc commit(struct run *r)
{
	struct hv_emul_cpu *cpu = &r->e->cpu;

	memcpy(cpu->gpr, r->gpr, sizeof(cpu->gpr));
	cpu->rflags = r->rflags;
	if (r->again)
		return HV_EMUL_AGAIN;
	cpu->rflags &= ~FLAG_RF;
	cpu->rip += r->in->len;
	if (r->in->mode != 64)
		cpu->rip = (u32)cpu->rip;
	return HV_EMUL_DONE;
}

void hv_emul_init(struct hv_emul *e, const struct hv_emul_ops *ops, void *opaque)
{
	memset(e, 0, sizeof(*e));
	e->ops = ops;
	e->opaque = opaque;
}

enum hv_emul_rc hv_emul_step(struct hv_emul *e)
{
	struct run r = {
		.e = e,
		.in = &e->insn,
		.rflags = e->cpu.rflags,
	};
	enum hv_emul_rc rc;

	if (e->insn.op >= HV_NR_OPS || !handlers[e->insn.op])
		return HV_EMUL_UNHANDLED;
	memcpy(r.gpr, e->cpu.gpr, sizeof(r.gpr));
	e->cursor = 0;
	rc = handlers[e->insn.op](&r);
	if (rc == HV_EMUL_USERSPACE)
		return rc;
	clear_log(e);
	return rc ? rc : commit(&r);
}

enum hv_emul_rc hv_emul_mmio(struct hv_emul *e, u64 gpa, void *data, unsigned int len,
			     bool write)
{
	struct hv_emul_frag *f = &e->log[e->cursor];

	if (!len || len > sizeof(f->data) || e->cursor >= HV_EMUL_MAX_FRAGS)
		return HV_EMUL_UNHANDLED;
	if (e->cursor < e->nr_log && f->gpa == gpa && f->len == len && f->write == write &&
	    f->done) {
		if (!write)
			memcpy(data, f->data, len);
		e->cursor++;
		return HV_EMUL_OK;
	}
	memset(f, 0, sizeof(*f));
	f->gpa = gpa;
	f->len = len;
	f->write = write;
	if (write)
		memcpy(f->data, data, len);
	e->nr_log = e->cursor + 1;
	return HV_EMUL_USERSPACE;
}

const struct hv_emul_frag *hv_emul_pending(const struct hv_emul *e)
{
	const struct hv_emul_frag *f;

	if (!e->nr_log)
		return NULL;
	f = &e->log[e->nr_log - 1];
	return f->done ? NULL : f;
}

void hv_emul_complete(struct hv_emul *e, const void *data)
{
	struct hv_emul_frag *f;

	if (!hv_emul_pending(e))
		return;
	f = &e->log[e->nr_log - 1];
	if (!f->write)
		memcpy(f->data, data, f->len);
	f->done = true;
	e->cursor = e->nr_log;
}
