// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cannot be compared with the processor from a user program: which accesses an
 * instruction makes and in which order, restarts, faults of segmentation, 16 and 32-bit
 * modes, and hostile input.
 */
#include <string.h>

#include <hv/decode.h>
#include <hv/emulate.h>

#include <kselftest_harness.h>
#include "unit.h"

#define MEM_SIZE	65536
#define DONE		HV_EMUL_DONE
#define AGAIN		HV_EMUL_AGAIN
#define USER		HV_EMUL_USERSPACE

/* ---- a world whose memory is the linear address modulo 64 KiB ---- */

struct access {
	u64 la;
	u32 len;
	u32 flags;
	bool write;
};

static struct {
	u8 mem[MEM_SIZE];
	u8 vec[16][32];
	struct access log[16];
	unsigned int nr;
	u64 mmio;		/* this page of the linear address space is MMIO */
	u64 bad;		/* this one faults */
} w;

static void copy(u64 la, void *data, unsigned int len, bool write)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		u8 *m = &w.mem[(la + i) % MEM_SIZE];

		if (write)
			*m = ((u8 *)data)[i];
		else
			((u8 *)data)[i] = *m;
	}
}

static enum hv_emul_rc do_access(struct hv_emul *e, u64 la, void *data, unsigned int len,
				 bool write, unsigned int flags)
{
	enum hv_emul_rc rc;
	unsigned int n;

	if (w.nr < ARRAY_SIZE(w.log))
		w.log[w.nr++] = (struct access){ la, len, flags, write };
	if (w.bad && ((la & ~4095ull) == w.bad || ((la + len - 1) & ~4095ull) == w.bad)) {
		e->fault = (struct hv_emul_fault){ .vector = 14, .has_error = true, .cr2 = la };
		return HV_EMUL_FAULT;
	}
	for (; len; len -= n, la += n, data = (u8 *)data + n) {
		n = 4096 - (la & 4095);
		n = n < len ? n : len;
		n = n < 8 ? n : 8;
		if (!w.mmio || (la & ~4095ull) != w.mmio) {
			copy(la, data, n, write);
			continue;
		}
		rc = hv_emul_mmio(e, la, data, n, write);
		if (rc)
			return rc;
	}
	return HV_EMUL_OK;
}

static enum hv_emul_rc op_read(struct hv_emul *e, u64 la, void *data, unsigned int len,
			       unsigned int flags)
{
	return do_access(e, la, data, len, false, flags);
}

static enum hv_emul_rc op_write(struct hv_emul *e, u64 la, const void *data, unsigned int len,
				unsigned int flags)
{
	return do_access(e, la, (void *)data, len, true, flags);
}

static void op_get_vec(struct hv_emul *e, unsigned int reg, void *data, unsigned int len)
{
	(void)e;
	memcpy(data, w.vec[reg], len);
}

static void op_set_vec(struct hv_emul *e, unsigned int reg, const void *data, unsigned int len)
{
	(void)e;
	memcpy(w.vec[reg], data, len);
}

static const struct hv_emul_ops ops = {
	.read = op_read, .write = op_write, .get_vec = op_get_vec, .set_vec = op_set_vec,
};

/* A flat machine in the given mode: 16 is real mode, 32 and 64 are protected */
static void start(struct hv_emul *e, unsigned int mode, const char *bytes, unsigned int len)
{
	int i;

	memset(&w, 0, sizeof(w));
	hv_emul_init(e, &ops, NULL);
	if (hv_insn_decode(&e->insn, (const u8 *)bytes, len, mode) != HV_DECODE_OK ||
	    e->insn.len != len)
		abort();
	e->cpu.rip = 0x1000;
	e->cpu.rflags = 2;
	e->cpu.cr0 = mode == 16 ? 0 : 1;
	e->cpu.cr4 = 1 << 9 | 1 << 18;
	e->cpu.xcr0 = 7;
	for (i = 0; i < HV_INSN_NR_SEGS; i++) {
		e->cpu.seg[i].limit = mode == 16 ? 0xffff : 0xffffffff;
		e->cpu.seg[i].type = i == HV_INSN_CS ? 11 : 3;
		e->cpu.seg[i].db = mode == 32;
	}
}

#define START(e, mode, bytes)	start(e, mode, bytes, sizeof(bytes) - 1)

/* ---- accesses ---- */

#define EXPECT_ACCESS(i, a_la, a_len, a_write, a_flags)			\
	do {								\
		ASSERT_GT(w.nr, (unsigned int)(i));			\
		EXPECT_EQ(w.log[i].la, (u64)(a_la));			\
		EXPECT_EQ(w.log[i].len, (u32)(a_len));			\
		EXPECT_EQ(w.log[i].write, (bool)(a_write));		\
		EXPECT_EQ(w.log[i].flags, (u32)(a_flags));		\
	} while (0)

TEST(read_modify_write_is_announced)
{
	struct hv_emul e;

	START(&e, 64, "\x01\x08");			/* add [rax], ecx */
	ASSERT_EQ(hv_emul_step(&e), DONE);
	ASSERT_EQ(w.nr, 2);
	EXPECT_ACCESS(0, 0, 4, false, HV_EMUL_RMW);
	EXPECT_ACCESS(1, 0, 4, true, 0);

	START(&e, 64, "\xf0\x48\x0f\xba\x28\x05");	/* lock bts qword [rax], 5 */
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(0, 0, 8, false, HV_EMUL_RMW | HV_EMUL_LOCKED);
	EXPECT_ACCESS(1, 0, 8, true, HV_EMUL_LOCKED);
	EXPECT_EQ(w.mem[0], 0x20);

	START(&e, 64, "\x86\x08");			/* xchg [rax], cl */
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(0, 0, 1, false, HV_EMUL_RMW | HV_EMUL_LOCKED);

	START(&e, 64, "\x39\x08");			/* cmp [rax], ecx */
	ASSERT_EQ(hv_emul_step(&e), DONE);
	ASSERT_EQ(w.nr, 1);
	EXPECT_ACCESS(0, 0, 4, false, 0);

	START(&e, 64, "\x0f\xa3\x08");			/* bt [rax], ecx */
	e.cpu.gpr[1] = -33;
	e.cpu.gpr[0] = 0x100;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	ASSERT_EQ(w.nr, 1);
	EXPECT_ACCESS(0, 0xf8, 4, false, 0);
}

/* A store needs no read first: a device would see it */
TEST(plain_stores_do_not_read)
{
	static const char *const insn[] = { "\x89\x08", "\x88\x28", "\xc6\x00\x12", "\x0f\xc3\x08",
					    "\x0f\x94\x00", "\x0f\x11\x08", "\xaa" };
	static const unsigned int len[] = { 2, 2, 3, 3, 3, 3, 1 };
	struct hv_emul e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(insn); i++) {
		start(&e, 64, insn[i], len[i]);
		ASSERT_EQ(hv_emul_step(&e), DONE);
		ASSERT_EQ(w.nr, 1) {
			TH_LOG("instruction %u", i);
		}
		ASSERT_TRUE(w.log[0].write);
	}
}

/* "The destination receives a write cycle without regard to the result" (SDM 2A, CMPXCHG) */
TEST(failing_cmpxchg_writes)
{
	struct hv_emul e;

	START(&e, 64, "\xf0\x0f\xb1\x0b");		/* lock cmpxchg [rbx], ecx */
	e.cpu.gpr[0] = 1;
	w.mem[0] = 7;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	ASSERT_EQ(w.nr, 2);
	EXPECT_ACCESS(1, 0, 4, true, HV_EMUL_LOCKED);
	EXPECT_EQ(w.mem[0], 7);
	EXPECT_EQ(e.cpu.gpr[0], 7);
	EXPECT_EQ(e.cpu.rflags & 0x40, 0);
}

/* ---- restarts ---- */

/* Serve exactly the fragments given, then expect rc */
struct frag {
	u64 gpa;
	u8 len;
	bool write;
	u64 data;
};

static bool serve(struct hv_emul *e, const struct frag *f)
{
	const struct hv_emul_frag *p = hv_emul_pending(e);
	u64 data = 0;

	if (!p || p->gpa != f->gpa || p->len != f->len || p->write != f->write)
		return false;
	memcpy(&data, p->data, p->len);
	if (p->write && data != f->data)
		return false;
	hv_emul_complete(e, &f->data);
	return true;
}

TEST(restart_after_each_fragment)
{
	static const struct frag expect[] = {
		{ 0x5ffd, 3, false, 0x332211 }, { 0x5ffd, 3, true, 0x343412 },
	};
	struct hv_emul_cpu before;
	struct hv_emul e;
	unsigned int i;

	/* Crosses from MMIO to memory */
	START(&e, 64, "\x01\x08");			/* add [rax], ecx */
	e.cpu.gpr[0] = 0x5ffd;
	e.cpu.gpr[1] = 0x01011201;
	w.mmio = 0x5000;
	w.mem[0x6000] = 0x44;
	before = e.cpu;
	for (i = 0; i < ARRAY_SIZE(expect); i++) {
		ASSERT_EQ(hv_emul_step(&e), USER);
		ASSERT_EQ(memcmp(&before, &e.cpu, sizeof(before)), 0);
		/* asked again without an answer: the same */
		ASSERT_EQ(hv_emul_step(&e), USER);
		ASSERT_TRUE(serve(&e, &expect[i]));
	}
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_EQ(w.mem[0x6000], 0x45);
	EXPECT_EQ(e.cpu.rip, 0x1002);
	EXPECT_TRUE(!hv_emul_pending(&e));
}

/* A device in the kernel answers inside of the callback */
TEST(completion_inside_of_the_callback)
{
	struct hv_emul e;
	u64 val = 0, got = 0;

	START(&e, 64, "\x01\x08");
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, false), USER);
	val = 5;
	hv_emul_complete(&e, &val);
	/* The next access is a new one, not a replay of the first */
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, false), USER);
	hv_emul_complete(&e, &val);
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, true), USER);
	/* and a restart replays both reads */
	e.cursor = 0;
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, false), HV_EMUL_OK);
	EXPECT_EQ(got, 5);
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, false), HV_EMUL_OK);
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, true), USER);
}

TEST(changed_translation_drops_the_log)
{
	struct hv_emul e;
	u64 val = 5, got = 0;

	START(&e, 64, "\x01\x08");
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, false), USER);
	hv_emul_complete(&e, &val);
	ASSERT_EQ(hv_emul_mmio(&e, 0x10, &got, 4, true), USER);
	hv_emul_complete(&e, NULL);
	e.cursor = 0;
	ASSERT_EQ(hv_emul_mmio(&e, 0x2010, &got, 4, false), USER);
	EXPECT_EQ(e.nr_log, 1);
	EXPECT_EQ(hv_emul_pending(&e)->gpa, 0x2010);
}

TEST(log_is_bounded)
{
	struct hv_emul e;
	u64 val = 0;
	int i;

	START(&e, 64, "\x01\x08");
	ASSERT_EQ(hv_emul_mmio(&e, 0, &val, 0, false), HV_EMUL_UNHANDLED);
	ASSERT_EQ(hv_emul_mmio(&e, 0, &val, 9, false), HV_EMUL_UNHANDLED);
	for (i = 0; i < HV_EMUL_MAX_FRAGS; i++) {
		ASSERT_EQ(hv_emul_mmio(&e, 8 * i, &val, 8, i & 1), USER);
		hv_emul_complete(&e, &val);
	}
	ASSERT_EQ(hv_emul_mmio(&e, 0, &val, 8, false), HV_EMUL_UNHANDLED);
	hv_emul_complete(&e, NULL);	/* nothing is pending: ignored */
}

/* 32 bytes, of which 17 are MMIO */
TEST(vector_over_a_page_boundary)
{
	static const u8 lens[] = { 8, 8, 1 };
	struct hv_emul e;
	unsigned int i;

	START(&e, 64, "\xc5\xfe\x7f\x00");		/* vmovdqu [rax], ymm0 */
	e.cpu.gpr[0] = 0x5fef;
	for (i = 0; i < 32; i++)
		w.vec[0][i] = i;
	w.mmio = 0x5000;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		ASSERT_EQ(hv_emul_step(&e), USER);
		ASSERT_EQ(hv_emul_pending(&e)->len, lens[i]);
		ASSERT_EQ(hv_emul_pending(&e)->data[0], 8 * i);
		hv_emul_complete(&e, NULL);
	}
	ASSERT_EQ(hv_emul_step(&e), DONE);
	ASSERT_EQ(w.mem[0x6000], 17);
	ASSERT_EQ(w.mem[0x600e], 31);
}

/* ---- REP ---- */

TEST(rep_returns_after_each_iteration)
{
	struct hv_emul e;

	START(&e, 64, "\xf3\xa5");			/* rep movsd */
	e.cpu.gpr[1] = 3;
	e.cpu.gpr[6] = 0x2000;
	e.cpu.gpr[7] = 0x5000;
	memcpy(&w.mem[0x2000], "abcdefghijkl", 12);
	w.mmio = 0x5000;
	ASSERT_EQ(hv_emul_step(&e), USER);
	ASSERT_TRUE(serve(&e, &(struct frag){ 0x5000, 4, true, 0x64636261 }));
	ASSERT_EQ(hv_emul_step(&e), AGAIN);
	EXPECT_EQ(e.cpu.rip, 0x1000);
	EXPECT_EQ(e.cpu.gpr[1], 2);
	EXPECT_EQ(e.cpu.gpr[6], 0x2004);
	EXPECT_EQ(e.cpu.gpr[7], 0x5004);
	ASSERT_EQ(hv_emul_step(&e), USER);
	ASSERT_TRUE(serve(&e, &(struct frag){ 0x5004, 4, true, 0x68676665 }));
	ASSERT_EQ(hv_emul_step(&e), AGAIN);
	/* A fault in the third leaves the two that are done */
	w.bad = 0x5000;
	ASSERT_EQ(hv_emul_step(&e), HV_EMUL_FAULT);
	EXPECT_EQ(e.fault.vector, 14);
	EXPECT_EQ(e.cpu.gpr[1], 1);
	EXPECT_EQ(e.cpu.rip, 0x1000);
	w.bad = 0;
	ASSERT_EQ(hv_emul_step(&e), USER);
	ASSERT_TRUE(serve(&e, &(struct frag){ 0x5008, 4, true, 0x6c6b6a69 }));
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_EQ(e.cpu.rip, 0x1002);
	EXPECT_EQ(e.cpu.gpr[1], 0);
}

TEST(rep_with_zero_count_does_nothing)
{
	struct hv_emul e;

	START(&e, 64, "\xf3\x67\xaa");			/* rep stosb, ECX */
	e.cpu.gpr[1] = 0x100000000;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_EQ(w.nr, 0);
	EXPECT_EQ(e.cpu.rip, 0x1003);
}

/* ---- segments, address wrap ---- */

TEST(addresses_wrap_by_mode)
{
	struct hv_emul e;

	/* real mode: 16-bit offset, base of the segment */
	START(&e, 16, "\x8a\x40\x10");			/* mov al, [bx+si+16] */
	e.cpu.gpr[3] = 0xdead8000;
	e.cpu.gpr[6] = 0x7ff8;
	e.cpu.seg[HV_INSN_DS].base = 0xf0000;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(0, 0xf0008, 1, false, 0);

	/* BP selects SS */
	START(&e, 16, "\x89\x46\x02");			/* mov [bp+2], ax */
	e.cpu.gpr[5] = 0x100;
	e.cpu.seg[HV_INSN_SS].base = 0x20000;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(0, 0x20102, 2, true, 0);

	/* 32-bit: base + offset wraps at 4 GiB, in the middle of an operand as well */
	START(&e, 32, "\x89\x03");			/* mov [ebx], eax */
	e.cpu.gpr[0] = 0x44332211;
	e.cpu.gpr[3] = 0x1000;
	e.cpu.seg[HV_INSN_DS].base = 0xffffeffe;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	ASSERT_EQ(w.nr, 2);
	EXPECT_ACCESS(0, 0xfffffffe, 2, true, 0);
	EXPECT_ACCESS(1, 0, 2, true, 0);
	EXPECT_EQ(w.mem[1], 0x44);

	/* ES: cannot be overridden for STOS; 32-bit addresses by 67 in 16-bit code */
	START(&e, 16, "\x64\x67\xab");			/* fs stosw, EDI */
	e.cpu.gpr[7] = 0xfffe;
	e.cpu.seg[HV_INSN_ES].base = 0x30000;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(0, 0x3fffe, 2, true, 0);
	EXPECT_EQ(e.cpu.gpr[7], 0x10000);

	/* 16-bit string addresses wrap and leave the upper half */
	START(&e, 16, "\xaa");				/* stosb */
	e.cpu.gpr[7] = 0x1234ffff;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_EQ(e.cpu.gpr[7], 0x12340000);

	/* only FS and GS have a base in 64-bit mode */
	START(&e, 64, "\x2e\x8a\x00");			/* cs: mov al, [rax] */
	e.cpu.seg[HV_INSN_CS].base = 0x1000;
	e.cpu.seg[HV_INSN_DS].base = 0x2000;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(0, 0, 1, false, 0);
	START(&e, 64, "\x64\x67\x8a\x40\xff");		/* fs: mov al, [eax-1] */
	e.cpu.seg[HV_INSN_FS].base = 0xffff888000000000;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(0, 0xffff8880ffffffff, 1, false, 0);
}

TEST(stack_width_follows_ss)
{
	struct hv_emul e;

	START(&e, 32, "\xff\x33");			/* push dword [ebx] */
	e.cpu.seg[HV_INSN_SS].db = false;
	e.cpu.gpr[4] = 0xabcd0002;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_ACCESS(1, 0xfffe, 4, true, 0);
	EXPECT_EQ(e.cpu.gpr[4], 0xabcdfffe);
}

/* ---- faults ---- */

struct fault_case {
	const char *what;
	const char *bytes;
	u8 len;
	u8 mode;
	u8 vector;
	bool has_error;
	void (*prepare)(struct hv_emul *e);
};

static void limit_short(struct hv_emul *e)
{
	e->cpu.seg[HV_INSN_DS].limit = 0xfff;
	e->cpu.seg[HV_INSN_SS].limit = 0xfff;
	e->cpu.gpr[3] = 0xffd;
	e->cpu.gpr[5] = 0xffd;
}

static void expand_down(struct hv_emul *e)
{
	e->cpu.seg[HV_INSN_DS].type = 7;
	e->cpu.seg[HV_INSN_DS].limit = 0xfff;
	e->cpu.gpr[3] = 0xfff;
}

static void expand_down_16(struct hv_emul *e)
{
	expand_down(e);
	e->cpu.seg[HV_INSN_DS].db = false;
	e->cpu.gpr[3] = 0xfffd;
}

static void read_only(struct hv_emul *e)
{
	e->cpu.seg[HV_INSN_DS].type = 1;
}

static void null_selector(struct hv_emul *e)
{
	e->cpu.seg[HV_INSN_DS].unusable = true;
}

static void execute_only(struct hv_emul *e)
{
	e->cpu.seg[HV_INSN_CS].type = 9;
}

static void end_of_64k(struct hv_emul *e)
{
	e->cpu.gpr[3] = 0xffff;
	e->cpu.gpr[5] = 0xffff;
}

static void vm86(struct hv_emul *e)
{
	end_of_64k(e);
	e->cpu.cr0 = 1;
	e->cpu.rflags |= 1 << 17;
}

static void not_canonical(struct hv_emul *e)
{
	e->cpu.gpr[3] = 0x0000800000000000;
	e->cpu.gpr[5] = 0x0000800000000000;
}

static void leaves_canonical(struct hv_emul *e)
{
	e->cpu.gpr[3] = 0x00007ffffffffffd;
}

static void misaligned(struct hv_emul *e)
{
	e->cpu.gpr[3] = 8;
	e->cpu.gpr[5] = 8;
}

static void alignment_check(struct hv_emul *e)
{
	e->cpu.gpr[3] = 2;
	e->cpu.cpl = 3;
	e->cpu.cr0 |= 1 << 18;
	e->cpu.rflags |= 1 << 18;
}

static void alignment_cpl0(struct hv_emul *e)
{
	alignment_check(e);
	e->cpu.cpl = 0;
}

static void alignment_no_ac(struct hv_emul *e)
{
	alignment_check(e);
	e->cpu.rflags = 2;
}

/* Types mean nothing in virtual-8086 mode */
static void vm86_type(struct hv_emul *e)
{
	e->cpu.cr0 = 1;
	e->cpu.rflags |= 1 << 17;
	e->cpu.seg[HV_INSN_DS].type = 1;
}

static void task_switched(struct hv_emul *e)
{
	e->cpu.cr0 |= 1 << 3;
}

static void no_sse(struct hv_emul *e)
{
	e->cpu.cr4 = 0;
}

static void no_avx(struct hv_emul *e)
{
	e->cpu.xcr0 = 3;
}

#define MOV_EBX	"\x89\x03", 2		/* mov [ebx], eax */
#define MOV_EBP	"\x89\x45\x00", 3	/* mov [ebp], eax */
#define LD_EBX	"\x8b\x03", 2		/* mov eax, [ebx] */
#define LD16_BX	"\x8b\x07", 2		/* mov ax, [bx] */
#define LD16_BP	"\x8b\x46\x00", 3	/* mov ax, [bp] */
#define LD_CS	"\x2e\x8b\x03", 3	/* mov eax, cs:[ebx] */
#define ST_CS	"\x2e\x89\x03", 3	/* mov cs:[ebx], eax */
#define MOVAPS	"\x0f\x28\x03", 3	/* movaps xmm0, [ebx] */
#define MOVAPSP	"\x0f\x28\x45\x00", 4	/* movaps xmm0, [ebp] */
#define VMOVDQU	"\xc5\xfa\x6f\x03", 4	/* vmovdqu xmm0, [ebx] */
#define CX16	"\x48\x0f\xc7\x0b", 4	/* cmpxchg16b [rbx] */

static const struct fault_case fault_cases[] = {
	{ "limit", MOV_EBX, 32, 13, true, limit_short },
	{ "limit of the stack", MOV_EBP, 32, 12, true, limit_short },
	{ "inside an expand-down segment's limit", LD_EBX, 32, 13, true, expand_down },
	{ "above 64 KiB in a 16-bit one", LD_EBX, 32, 13, true, expand_down_16 },
	{ "store to read-only data", MOV_EBX, 32, 13, true, read_only },
	{ "null selector", LD_EBX, 32, 13, true, null_selector },
	{ "load from execute-only code", LD_CS, 32, 13, true, execute_only },
	{ "store to code", ST_CS, 32, 13, true, NULL },
	{ "real mode, end of segment", LD16_BX, 16, 13, false, end_of_64k },
	{ "real mode, end of stack", LD16_BP, 16, 12, false, end_of_64k },
	{ "virtual-8086, end of segment", LD16_BX, 16, 13, true, vm86 },
	{ "not canonical", LD_EBX, 64, 13, true, not_canonical },
	{ "stack not canonical", MOV_EBP, 64, 12, true, not_canonical },
	{ "end not canonical", LD_EBX, 64, 13, true, leaves_canonical },
	{ "MOVAPS", MOVAPS, 64, 13, true, misaligned },
	{ "MOVAPS on the stack", MOVAPSP, 64, 13, true, misaligned },
	{ "CMPXCHG16B", CX16, 64, 13, true, misaligned },
	{ "alignment check", LD_EBX, 64, 17, true, alignment_check },
	{ "CR0.TS", MOVAPS, 64, 7, false, task_switched },
	{ "CR0.TS, AVX", VMOVDQU, 64, 7, false, task_switched },
	{ "CR4.OSFXSR", MOVAPS, 64, 6, false, no_sse },
	{ "XCR0", VMOVDQU, 64, 6, false, no_avx },
	{ "AVX in real mode", "\xc5\xfa\x6f\x07", 4, 16, 6, false, NULL },
};

TEST(faults)
{
	struct hv_emul_cpu before;
	struct hv_emul e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fault_cases); i++) {
		const struct fault_case *c = &fault_cases[i];

		start(&e, c->mode, c->bytes, c->len);
		if (c->prepare)
			c->prepare(&e);
		before = e.cpu;
		EXPECT_EQ(hv_emul_step(&e), HV_EMUL_FAULT) {
			TH_LOG("%s", c->what);
		}
		EXPECT_EQ(e.fault.vector, c->vector) {
			TH_LOG("%s", c->what);
		}
		EXPECT_EQ(e.fault.has_error, c->has_error) {
			TH_LOG("%s", c->what);
		}
		EXPECT_EQ(e.fault.error, 0) {
			TH_LOG("%s", c->what);
		}
		EXPECT_EQ(w.nr, 0) {
			TH_LOG("%s: memory was accessed", c->what);
		}
		EXPECT_EQ(memcmp(&before, &e.cpu, sizeof(before)), 0) {
			TH_LOG("%s", c->what);
		}
	}
}

/* The same set-ups one byte or one bit on the other side do not fault */
TEST(near_faults)
{
	static const struct fault_case ok[] = {
		{ "limit", "\x88\x03", 2, 32, 0, false, limit_short },
		{ "above an expand-down limit", "\x8b\x43\x01", 3, 32, 0, false, expand_down },
		{ "below 64 KiB in a 16-bit one", "\x8a\x43\x02", 3, 32, 0, false, expand_down_16 },
		{ "load from read-only data", LD_EBX, 32, 0, false, read_only },
		{ "load from readable code", LD_CS, 32, 0, false, NULL },
		{ "null selector in 64-bit mode", LD_EBX, 64, 0, false, null_selector },
		{ "limit in 64-bit mode", LD_EBX, 64, 0, false, limit_short },
		{ "end of segment", "\x8a\x07", 2, 16, 0, false, end_of_64k },
		{ "last canonical", "\x8a\x43\x02", 3, 64, 0, false, leaves_canonical },
		{ "MOVUPS", "\x0f\x10\x03", 3, 64, 0, false, misaligned },
		{ "alignment check", "\x66\x8b\x03", 3, 64, 0, false, alignment_check },
		{ "alignment check, CPL 0", LD_EBX, 64, 0, false, alignment_cpl0 },
		{ "alignment check, no AC", LD_EBX, 64, 0, false, alignment_no_ac },
		{ "virtual-8086, type", "\x89\x07", 2, 16, 0, false, vm86_type },
		{ "CR0.TS without vectors", LD_EBX, 64, 0, false, task_switched },
	};
	struct hv_emul e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ok); i++) {
		start(&e, ok[i].mode, ok[i].bytes, ok[i].len);
		if (ok[i].prepare)
			ok[i].prepare(&e);
		EXPECT_EQ(hv_emul_step(&e), DONE) {
			TH_LOG("%s", ok[i].what);
		}
	}
	/* 57-bit addresses */
	START(&e, 64, "\x8b\x03");
	not_canonical(&e);
	e.cpu.cr4 |= 1 << 12;
	EXPECT_EQ(hv_emul_step(&e), DONE);
}

/* MOVS checks its destination before it reads, so a device is not read in vain */
TEST(movs_checks_both_segments_first)
{
	struct hv_emul e;

	START(&e, 32, "\xa5");
	e.cpu.seg[HV_INSN_ES].unusable = true;
	EXPECT_EQ(hv_emul_step(&e), HV_EMUL_FAULT);
	EXPECT_EQ(w.nr, 0);
}

TEST(retirement)
{
	struct hv_emul e;

	START(&e, 32, "\x8b\x03");
	e.cpu.rip = 0xfffffffe;
	e.cpu.rflags |= 1 << 16;	/* RF */
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_EQ(e.cpu.rip, 0);
	EXPECT_EQ(e.cpu.rflags, 2);

	START(&e, 64, "\x8b\x03");
	e.cpu.rip = 0xfffffffe;
	ASSERT_EQ(hv_emul_step(&e), DONE);
	EXPECT_EQ(e.cpu.rip, 0x100000000);
}

/* What was read for one instruction is not replayed for the next, nor after a fault */
TEST(log_ends_with_the_instruction)
{
	struct hv_emul e;
	u64 val = 1;

	START(&e, 64, "\xa5");				/* movsd */
	e.cpu.gpr[6] = 0x5000;
	e.cpu.gpr[7] = 0x2000;
	w.mmio = 0x5000;
	w.bad = 0x2000;
	ASSERT_EQ(hv_emul_step(&e), USER);
	hv_emul_complete(&e, &val);
	ASSERT_EQ(hv_emul_step(&e), HV_EMUL_FAULT);
	w.bad = 0;
	ASSERT_EQ(hv_emul_step(&e), USER);
	hv_emul_complete(&e, &val);
	ASSERT_EQ(hv_emul_step(&e), DONE);
	e.cpu.gpr[6] = 0x5000;
	ASSERT_EQ(hv_emul_step(&e), USER);
}

TEST(other_instructions_are_not_emulated)
{
	struct hv_emul e;

	START(&e, 64, "\xf4");				/* hlt */
	EXPECT_EQ(hv_emul_step(&e), HV_EMUL_UNHANDLED);
}

/* ---- hostile input ---- */

static enum hv_emul_rc random_rc(struct hv_emul *e, void *data, unsigned int len, bool write)
{
	u64 r = rnd();

	if (!len || len > 32)
		abort();
	if (!write)
		memset(data, r >> 8, len);
	switch (r & 7) {
	case 0:
		return HV_EMUL_FAULT;
	case 1:
		return HV_EMUL_UNHANDLED;
	case 2 ... 3:
		return hv_emul_mmio(e, r >> 60, data, len, write);
	default:
		return HV_EMUL_OK;
	}
}

static enum hv_emul_rc random_read(struct hv_emul *e, u64 la, void *data, unsigned int len,
				   unsigned int flags)
{
	if (e->insn.mode != 64 && la + len > 1ull << 32)
		abort();
	if (flags & ~(HV_EMUL_RMW | HV_EMUL_LOCKED))
		abort();
	return random_rc(e, data, len, false);
}

static enum hv_emul_rc random_write(struct hv_emul *e, u64 la, const void *data,
				    unsigned int len, unsigned int flags)
{
	if (e->insn.mode != 64 && la + len > 1ull << 32)
		abort();
	if (flags & ~HV_EMUL_LOCKED)
		abort();
	return random_rc(e, (void *)data, len, true);
}

static const struct hv_emul_ops random_ops = {
	.read = random_read, .write = random_write,
	.get_vec = op_get_vec, .set_vec = op_set_vec,
};

static void random_cpu(struct hv_emul_cpu *cpu)
{
	u64 *p = (u64 *)cpu;
	unsigned int i;

	for (i = 0; i < sizeof(*cpu) / 8; i++)
		p[i] = rnd_operand();
	for (i = 0; i < HV_INSN_NR_SEGS; i++) {
		cpu->seg[i].db = rnd() & 1;
		cpu->seg[i].unusable = !(rnd() & 7);
	}
}

FIXTURE(hostile) {
};

FIXTURE_SETUP(hostile)
{
	seed("random_bytes");
}

FIXTURE_TEARDOWN(hostile)
{
}

TEST_F_TIMEOUT(hostile, random_bytes, 250)
{
	static const unsigned int modes[] = { 16, 32, 64 };
	static struct hv_emul e;
	struct hv_emul_cpu before;
	unsigned long i, steps[HV_EMUL_UNHANDLED + 1] = { 0 };
	u64 bytes[2], reply;
	enum hv_emul_rc rc;
	unsigned int n;

	for (i = 0; i < 1500000; i++) {
		bytes[0] = rnd();
		bytes[1] = rnd();
		if (i & 1)
			bytes[0] = (bytes[0] << 8) | 0x0f;
		else if (!(i & 6))	/* REP and a string instruction */
			bytes[0] = (bytes[0] & ~0xffff) | 0xa4f3 | (rnd() & 0x0b01);
		hv_emul_init(&e, &random_ops, NULL);
		random_cpu(&e.cpu);
		if (hv_insn_decode(&e.insn, (u8 *)bytes, 15, modes[i % 3]) != HV_DECODE_OK)
			continue;
		for (n = 0; n < 5; n++) {
			before = e.cpu;
			rc = hv_emul_step(&e);
			ASSERT_NE(rc, HV_EMUL_OK);
			steps[rc]++;
			if (rc != DONE && rc != AGAIN)
				ASSERT_EQ(memcmp(&before, &e.cpu, sizeof(before)), 0);
			if (rc == USER) {
				ASSERT_NE(hv_emul_pending(&e), NULL);
				reply = rnd();
				hv_emul_complete(&e, &reply);
			}
			if (rc != USER && rc != AGAIN)
				break;
		}
	}
	for (n = HV_EMUL_DONE; n <= HV_EMUL_UNHANDLED; n++) {
		ASSERT_GT(steps[n], 1000) {
			TH_LOG("result %u", n);
		}
	}
}

TEST_HARNESS_MAIN
