// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulation against the processor: the same random instruction with the same operands
 * runs natively, from a page of generated code, and in the emulation; registers, flags,
 * memory and the kind of fault must be equal. 64-bit mode.
 *
 * The emulation then runs once more with all memory behind MMIO, which takes it out and back
 * in for each fragment, and must end the same.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <hv/decode.h>
#include <hv/emulate.h>

#include <kselftest_harness.h>
#include "unit.h"

#define ARENA_SIZE	8192	/* memory operands are here, guard pages around it */
#define WINDOW		256	/* bytes around the operand that get new contents */
#define STATUS_FLAGS	0x8d5	/* OF SF ZF AF PF CF */
#define FLAG_DF		0x400
#define GS_BASE		0x48	/* small: if it were forgotten, the arena would not be left */

struct regs {
	u64 gpr[16];
	u64 rflags;
	u8 vec[16][32];
};

/* Below 2 GiB, so that generated code can use absolute addresses */
static struct shared {
	struct regs in, out;
	u64 host_rsp;
} *shared;

static u8 *code, *insn_slot, *fault_exit, *arena;
static bool have_avx2, have_movbe, have_cx16;

static volatile sig_atomic_t native_fault;	/* vector + 1, 0: none */

/* ---- native execution ---- */

static u8 *emit(u8 *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

static u8 *emit_abs(u8 *p, const void *addr)
{
	u32 a = (u32)(uintptr_t)addr;

	return emit(p, &a, 4);
}

/* mov between a GPR and [addr]; opcode 8b loads, 89 stores */
static u8 *emit_mov(u8 *p, u8 opcode, unsigned int reg, const void *addr)
{
	u8 b[] = { 0x48 | (reg >> 3) << 2, opcode, 4 | (reg & 7) << 3, 0x25 };

	return emit_abs(emit(p, b, sizeof(b)), addr);
}

/* vmovdqu between a YMM register and [addr]; opcode 6f loads, 7f stores */
static u8 *emit_vec(u8 *p, u8 opcode, unsigned int reg, const void *addr)
{
	u8 b[] = { 0xc5, reg < 8 ? 0xfe : 0x7e, opcode, 4 | (reg & 7) << 3, 0x25 };

	return emit_abs(emit(p, b, sizeof(b)), addr);
}

static u8 *emit_op_abs(u8 *p, u8 opcode, u8 ext, const void *addr)
{
	u8 b[] = { opcode, 4 | ext << 3, 0x25 };

	return emit_abs(emit(p, b, sizeof(b)), addr);
}

/* Load all registers, 15 bytes for the instruction, store all registers */
static void build_code(void)
{
	static const u8 enter[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57 };
	static const u8 leave[] = { 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b };
	u8 *p = code;
	int i;

	p = emit(p, enter, sizeof(enter));
	p = emit_mov(p, 0x89, 4, &shared->host_rsp);
	for (i = 0; i < 16 && have_avx2; i++)
		p = emit_vec(p, 0x6f, i, shared->in.vec[i]);
	p = emit_op_abs(p, 0xff, 6, &shared->in.rflags);	/* push */
	p = emit(p, "\x9d", 1);					/* popf */
	for (i = 0; i < 16; i++)
		p = emit_mov(p, 0x8b, i, &shared->in.gpr[i]);
	insn_slot = p;
	p += HV_INSN_MAX_LEN;
	for (i = 0; i < 16; i++)
		p = emit_mov(p, 0x89, i, &shared->out.gpr[i]);
	p = emit_mov(p, 0x8b, 4, &shared->host_rsp);
	p = emit(p, "\x9c", 1);					/* pushf */
	p = emit_op_abs(p, 0x8f, 0, &shared->out.rflags);	/* pop */
	for (i = 0; i < 16 && have_avx2; i++)
		p = emit_vec(p, 0x7f, i, shared->out.vec[i]);
	fault_exit = p;
	p = emit_mov(p, 0x8b, 4, &shared->host_rsp);
	p = emit(p, "\xfc", 1);					/* cld */
	p = emit(p, leave, sizeof(leave));
	emit(p, "\xc3", 1);
}

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	native_fault = uc->uc_mcontext.gregs[REG_TRAPNO] + 1;
	uc->uc_mcontext.gregs[REG_RIP] = (uintptr_t)fault_exit;
}

static void *map_low(size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(KSFT_FAIL);
	}
	return p;
}

static void probe_cpu(void)
{
	unsigned int a, b, c = 0, d;

	__get_cpuid(1, &a, &b, &c, &d);
	have_movbe = c & bit_MOVBE;
	have_cx16 = c & bit_CMPXCHG16B;
	have_avx2 = __builtin_cpu_supports("avx2");
}

static void setup_native(void)
{
	static u8 stack[1 << 16];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	probe_cpu();
	shared = map_low(sizeof(*shared), PROT_READ | PROT_WRITE);
	code = map_low(4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	arena = (u8 *)map_low(ARENA_SIZE + 2 * 4096, PROT_NONE) + 4096;
	if (mprotect(arena, ARENA_SIZE, PROT_READ | PROT_WRITE))
		exit(KSFT_FAIL);
	build_code();
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE))
		exit(KSFT_FAIL);
}

static void run_native(const u8 *insn, unsigned int len)
{
	memset(insn_slot, 0x90, HV_INSN_MAX_LEN);
	memcpy(insn_slot, insn, len);
	native_fault = 0;
	((void (*)(void))code)();
}

/* ---- the emulation's world ---- */

static struct world {
	u8 mem[ARENA_SIZE];
	u8 vec[16][32];
	bool mmio;		/* everything is behind hv_emul_mmio() */
	bool outside;		/* an access left the arena */
	unsigned int accesses;
} world;

static enum hv_emul_rc access_mem(struct hv_emul *e, u64 la, void *data, unsigned int len,
				  bool write)
{
	u64 off = la - (uintptr_t)arena;
	enum hv_emul_rc rc;
	unsigned int n;

	if (off >= ARENA_SIZE || len > ARENA_SIZE - off) {
		world.outside = true;
		return HV_EMUL_UNHANDLED;
	}
	if (!world.mmio) {
		if (write)
			memcpy(world.mem + off, data, len);
		else
			memcpy(data, world.mem + off, len);
		return HV_EMUL_OK;
	}
	/* Fragments of at most 8 bytes inside a page; guest physical = offset */
	for (; len; len -= n, off += n, data = (u8 *)data + n) {
		n = 4096 - (off & 4095);
		n = n < len ? n : len;
		n = n < 8 ? n : 8;
		rc = hv_emul_mmio(e, off, data, n, write);
		if (rc)
			return rc;
	}
	return HV_EMUL_OK;
}

static enum hv_emul_rc op_read(struct hv_emul *e, u64 la, void *data, unsigned int len,
			       unsigned int flags)
{
	(void)flags;
	return access_mem(e, la, data, len, false);
}

static enum hv_emul_rc op_write(struct hv_emul *e, u64 la, const void *data, unsigned int len,
				unsigned int flags)
{
	(void)flags;
	return access_mem(e, la, (void *)data, len, true);
}

static void op_get_vec(struct hv_emul *e, unsigned int reg, void *data, unsigned int len)
{
	(void)e;
	memcpy(data, world.vec[reg], len);
}

static void op_set_vec(struct hv_emul *e, unsigned int reg, const void *data, unsigned int len)
{
	(void)e;
	memcpy(world.vec[reg], data, len);
}

static const struct hv_emul_ops ops = {
	.read = op_read, .write = op_write, .get_vec = op_get_vec, .set_vec = op_set_vec,
};

/* Userspace: do the pending access on the device, which is world.mem */
static bool serve(struct hv_emul *e, const struct hv_emul_cpu *before)
{
	const struct hv_emul_frag *f = hv_emul_pending(e);
	u8 data[8];

	if (!f || memcmp(before, &e->cpu, sizeof(*before)))
		return false;
	world.accesses++;
	if (f->write)
		memcpy(world.mem + f->gpa, f->data, f->len);
	else
		memcpy(data, world.mem + f->gpa, f->len);
	hv_emul_complete(e, data);
	return !hv_emul_pending(e);
}

static enum hv_emul_rc emulate(struct hv_emul *e, const struct hv_insn *in, bool mmio)
{
	struct hv_emul_cpu before;
	enum hv_emul_rc rc;
	int i;

	hv_emul_init(e, &ops, NULL);
	e->insn = *in;
	memcpy(e->cpu.gpr, shared->in.gpr, sizeof(e->cpu.gpr));
	e->cpu.rip = (uintptr_t)insn_slot;
	e->cpu.rflags = shared->in.rflags;
	e->cpu.cr0 = 1;
	e->cpu.cr4 = 1 << 9 | 1 << 18;
	e->cpu.xcr0 = 7;
	e->cpu.cpl = 3;
	e->cpu.seg[HV_INSN_GS].base = GS_BASE;
	memcpy(world.vec, shared->in.vec, sizeof(world.vec));
	memcpy(world.mem, arena, ARENA_SIZE);
	world.mmio = mmio;
	world.outside = false;
	for (i = 0; i < 1000; i++) {
		before = e->cpu;
		rc = hv_emul_step(e);
		if (rc == HV_EMUL_USERSPACE) {
			if (!serve(e, &before))
				return HV_EMUL_OK;	/* never expected */
		} else if (rc != HV_EMUL_AGAIN) {
			return rc;
		}
	}
	return HV_EMUL_OK;
}

/* ---- random cases ---- */

static const u8 one_byte[] = {
	0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19,
	0x1a, 0x1b, 0x20, 0x21, 0x22, 0x23, 0x28, 0x29, 0x2a, 0x2b, 0x30, 0x31, 0x32, 0x33,
	0x38, 0x39, 0x3a, 0x3b, 0x63, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
	0x8a, 0x8b, 0x8f, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac,
	0xad, 0xae, 0xaf, 0xc6, 0xc7, 0xf6, 0xf7, 0xfe, 0xff, 0xff,
};

static const u8 two_byte[] = {
	0xa3, 0xab, 0xb3, 0xbb, 0xba, 0xba, 0xb0, 0xb1, 0xb6, 0xb7, 0xbe, 0xbf, 0xc0, 0xc1,
	0xc3, 0xc7, 0xc7, 0x40, 0x42, 0x44, 0x46, 0x48, 0x4a, 0x4c, 0x4e, 0x4f, 0x90, 0x92,
	0x94, 0x96, 0x98, 0x9a, 0x9c, 0x9e, 0x9f, 0x93,
};

static const u8 vector[] = {
	0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x28, 0x29, 0x2b, 0x6e, 0x6f, 0x7e, 0x7f, 0xd6,
	0xe7, 0xf0,
};

#define PICK(a)	((a)[rnd() % ARRAY_SIZE(a)])

static void random_bytes(u8 *b)
{
	static const u8 prefix[] = {
		0x66, 0x66, 0x67, 0x67, 0x65, 0x2e, 0x36, 0xf0, 0xf0, 0xf2, 0xf3, 0xf3,
	};
	unsigned int i, n = 0, kind = rnd() % 16;

	for (i = rnd() % 4; i > 1; i--)
		b[n++] = PICK(prefix);
	if (kind < 14 && rnd() & 1)
		b[n++] = 0x40 | (rnd() & 15);
	switch (kind) {
	case 0 ... 6:
		b[n++] = PICK(one_byte);
		break;
	case 7 ... 10:
		b[n++] = 0x0f;
		b[n++] = PICK(two_byte);
		break;
	case 11 ... 12:
		b[n++] = 0x0f;
		b[n++] = PICK(vector);
		break;
	case 13:
		b[n++] = 0x0f;
		b[n++] = 0x38;
		b[n++] = rnd() % 3 ? 0xf0 + (rnd() & 1) : 0x2a;
		break;
	case 14:
		b[n++] = 0xc5;
		b[n++] = rnd() | 0x78;
		b[n++] = PICK(vector);
		break;
	case 15:
		b[n++] = 0xc4;
		b[n++] = (rnd() & 0xe0) | 1;
		b[n++] = rnd() | (rnd() & 1 ? 0x78 : 0);
		b[n++] = PICK(vector);
		break;
	}
	while (n < 16)
		b[n++] = rnd();
	/* CMPXCHG8B is one of eight extensions */
	if ((b[n - 1] & 1) && (b[0] == 0x0f && b[1] == 0xc7))
		b[2] = (b[2] & ~0x38) | 0x08;
}

static bool usable(const struct hv_insn *in)
{
	if (in->op == HV_OP_OTHER || (in->vex && !have_avx2))
		return false;
	if (in->map == HV_MAP_0F38 && !have_movbe)
		return false;
	if (in->op == HV_OP_CMPXCHGXB && in->mem_size == 16 && !have_cx16)
		return false;
	/* The base of FS belongs to the C library */
	return !(in->has_mem && in->mem.seg == HV_INSN_FS);
}

static bool locked(const struct hv_insn *in)
{
	return in->lock || in->op == HV_OP_XCHG;
}

/* Where the operand shall be, somewhere in the middle of the arena */
static u64 pick_target(const struct hv_insn *in)
{
	u64 off = ARENA_SIZE / 2 - 64 + rnd() % 128;

	/* Split locks are slow, and fatal on some machines */
	if (locked(in) || rnd() & 1)
		off &= ~31ull;
	return (uintptr_t)arena + off;
}

static void patch(u8 *bytes, unsigned int pos, u64 val, unsigned int len)
{
	memcpy(bytes + pos, &val, len);
}

/* Set registers or the displacement so that rm is at @target */
static void aim(struct hv_insn *in, u8 *bytes, u64 target)
{
	struct hv_insn_mem *m = &in->mem;
	u64 *gpr = shared->in.gpr;
	unsigned int disp_pos = in->len - in->imm_size - 4;

	if (m->seg == HV_INSN_GS)
		target -= GS_BASE;
	if (in->op >= HV_OP_MOVS && in->op <= HV_OP_SCAS) {
		gpr[6] = target;
		gpr[7] = (uintptr_t)arena + ARENA_SIZE / 2 - 64 + rnd() % 128;
		gpr[1] = rnd() % 6;
	} else if (m->rip_relative) {
		patch(bytes, disp_pos, target - ((uintptr_t)insn_slot + in->len), 4);
	} else if (in->has_modrm && m->base != HV_INSN_NO_REG && m->base != m->index) {
		gpr[m->base] = target - m->disp;
		if (m->index != HV_INSN_NO_REG)
			gpr[m->base] -= gpr[m->index] * m->scale;
	} else if (m->index != HV_INSN_NO_REG) {
		gpr[m->index] = (target - m->disp) / (m->scale + (m->base == m->index));
	} else if (in->has_modrm) {
		patch(bytes, disp_pos, target, 4);
	} else {
		patch(bytes, in->len - in->addr_size, target, in->addr_size);
	}
	/* With 32-bit addresses the upper halves do not count */
	if (in->addr_size == 4 && m->base != HV_INSN_NO_REG)
		gpr[m->base] |= rnd() << 32;
}

static void fill(u8 *p, size_t n)
{
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		u64 v = rnd_operand();

		memcpy(p + i, &v, 8);
	}
}

static void random_state(struct hv_insn *in, u8 *bytes)
{
	struct regs *r = &shared->in;
	u64 target = pick_target(in), low, high;
	int i;

	for (i = 0; i < 16; i++)
		r->gpr[i] = rnd_operand();
	r->rflags = 0x202 | (rnd() & (STATUS_FLAGS | FLAG_DF));
	fill((u8 *)r->vec, sizeof(r->vec));
	fill(arena + ARENA_SIZE / 2 - WINDOW / 2, WINDOW);
	/* Equal bytes, so that compares go on */
	if (rnd() & 1)
		memset(arena + ARENA_SIZE / 2 - WINDOW / 2, rnd(), WINDOW);
	/* Bit offsets that stay in the arena */
	if (in->op >= HV_OP_BT && in->op <= HV_OP_BTC && in->src == HV_SRC_REG && in->has_mem)
		r->gpr[in->reg] = (s64)(rnd() % 20000) - 10000;
	if (in->op == HV_OP_PUSH || in->op == HV_OP_POP)
		r->gpr[4] = (uintptr_t)arena + ARENA_SIZE / 2 + rnd() % 64;
	/* Compare-and-exchange should succeed half of the time */
	if ((in->op == HV_OP_CMPXCHG || in->op == HV_OP_CMPXCHGXB) && rnd() & 1) {
		unsigned int half = in->op == HV_OP_CMPXCHG ? 8 : in->op_size;

		low = 0;
		high = 0;
		memcpy(&low, (void *)(uintptr_t)target, half);
		memcpy(&high, (u8 *)(uintptr_t)target + half, half);
		r->gpr[0] = low;
		r->gpr[2] = high;
	}
	if (in->has_mem)
		aim(in, bytes, target);
}

/* Flags that the manual leaves undefined */
static u64 defined_flags(const struct hv_insn *in)
{
	switch (in->op) {
	case HV_OP_BT ... HV_OP_BTC:
		return 0x41 | FLAG_DF;
	case HV_OP_AND:
	case HV_OP_OR:
	case HV_OP_XOR:
	case HV_OP_TEST:
		return (STATUS_FLAGS & ~0x10) | FLAG_DF;
	default:
		return STATUS_FLAGS | FLAG_DF;
	}
}

static char why[200];

static const char *compare(const struct hv_emul *e, const struct hv_insn *in)
{
	u64 flags = (e->cpu.rflags ^ shared->out.rflags) & defined_flags(in);
	int i;

	for (i = 0; i < 16; i++) {
		if (e->cpu.gpr[i] == shared->out.gpr[i])
			continue;
		snprintf(why, sizeof(why), "gpr %d: %llx, processor %llx", i, e->cpu.gpr[i],
			 shared->out.gpr[i]);
		return why;
	}
	if (flags) {
		snprintf(why, sizeof(why), "flags %llx, processor %llx", e->cpu.rflags,
			 shared->out.rflags);
		return why;
	}
	for (i = 0; i < 16 && have_avx2; i++)
		if (memcmp(world.vec[i], shared->out.vec[i], 32))
			return "vector register";
	if (memcmp(world.mem, arena, ARENA_SIZE))
		return "memory";
	if (e->cpu.rip != (uintptr_t)insn_slot + in->len)
		return "rip";
	return NULL;
}

static struct {
	unsigned long tried, ran, faulted, skipped, mmio, fragments;
	unsigned long per_op[HV_NR_OPS];
} stats;

static const char *one_case(struct hv_insn *in, u8 *bytes)
{
	static u8 before[ARENA_SIZE];
	static struct hv_emul direct, mmio;
	static struct world after;
	enum hv_emul_rc rc;

	random_state(in, bytes);
	if (hv_insn_decode(in, bytes, 15, 64) != HV_DECODE_OK)
		return "does not decode after patching";
	rc = emulate(&direct, in, false);
	if (world.outside) {
		stats.skipped++;
		return NULL;
	}
	after = world;
	world.accesses = 0;
	memcpy(before, arena, ARENA_SIZE);
	if (emulate(&mmio, in, true) != rc)
		return "MMIO ends in another way";
	if (memcmp(after.mem, world.mem, ARENA_SIZE) || memcmp(after.vec, world.vec, 512) ||
	    memcmp(&direct.cpu, &mmio.cpu, sizeof(direct.cpu)))
		return "MMIO has another result";
	stats.fragments += world.accesses;
	stats.mmio += world.accesses != 0;

	run_native(bytes, in->len);
	if (native_fault) {
		stats.faulted++;
		snprintf(why, sizeof(why), "processor faults with %d", native_fault - 1);
		if (rc != HV_EMUL_FAULT || direct.fault.vector != native_fault - 1)
			return why;
		/* Stores before the fault would be seen here */
		return memcmp(before, arena, ARENA_SIZE) ? "memory after fault" : NULL;
	}
	stats.ran++;
	stats.per_op[in->op]++;
	if (rc != HV_EMUL_DONE)
		return "processor does not fault";
	return compare(&direct, in);
}

FIXTURE(native) {
};

FIXTURE_SETUP(native)
{
	setup_native();
}

FIXTURE_TEARDOWN(native)
{
}

TEST_F_TIMEOUT(native, random, 250)
{
	unsigned long errors = 0;
	unsigned int i, op;
	u8 bytes[16];

	seed("native");
	while (stats.ran < 300000) {
		struct hv_insn in;
		const char *e;

		ASSERT_LT(stats.tried++, 10000000);
		random_bytes(bytes);
		if (hv_insn_decode(&in, bytes, 15, 64) != HV_DECODE_OK || !usable(&in))
			continue;
		e = one_case(&in, bytes);
		if (!e)
			continue;
		if (errors++ > 20)
			continue;
		printf("#");
		for (i = 0; i < in.len; i++)
			printf(" %02x", bytes[i]);
		printf(": %s\n", e);
		fflush(stdout);
	}
	printf("# %lu ran, %lu faulted, %lu left the arena; %lu as MMIO in %lu fragments\n",
	       stats.ran, stats.faulted, stats.skipped, stats.mmio, stats.fragments);
	fflush(stdout);
	ASSERT_EQ(errors, 0);
	ASSERT_LT(stats.skipped, stats.ran / 5);
	ASSERT_GT(stats.faulted, 1000);
	for (op = HV_OP_MOV; op < HV_NR_OPS; op++) {
		if (op == HV_OP_MOVBE && !have_movbe)
			continue;
		ASSERT_GT(stats.per_op[op], 100) {
			TH_LOG("operation %u was hardly ever run", op);
		}
	}
}

TEST_HARNESS_MAIN
