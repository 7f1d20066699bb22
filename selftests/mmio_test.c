// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to guest-physical addresses without a slot reach the VMM, whatever
 * instruction makes them, and what the VMM answers reaches the guest's registers.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define WINDOW		0x2000		/* the device's memory, at GUEST_MMIO */
#define RFLAGS_CF	0x01UL
#define RFLAGS_ZF	0x40UL
#define RFLAGS_SF	0x80UL
#define RFLAGS_OF	0x800UL

FIXTURE(mmio)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint64_t base;
	uint8_t mem[WINDOW];
	unsigned int reads;
	unsigned int writes;
	unsigned int max_len;
};

FIXTURE_SETUP(mmio)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "mmio");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->base = GUEST_MMIO;
}

FIXTURE_TEARDOWN(mmio)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/* Serve MMIO from self->mem until the guest is done. */
static void serve(FIXTURE_DATA(mmio) *self)
{
	struct hv_run *run = self->vcpu->run;

	self->reads = self->writes = self->max_len = 0;
	for (;;) {
		uint32_t exit = vcpu_run(self->vcpu);
		uint64_t offset;

		if (exit == HV_EXIT_IO && run->io.port == PORT_DONE)
			return;
		if (exit != HV_EXIT_MMIO) {
			vcpu_dump(self->vcpu);
			die("unexpected exit");
		}
		offset = run->mmio.phys_addr - self->base;
		if (!run->mmio.len || run->mmio.len > 8 || offset + run->mmio.len > WINDOW) {
			vcpu_dump(self->vcpu);
			die("MMIO outside the window");
		}
		if (run->mmio.len > self->max_len)
			self->max_len = run->mmio.len;
		if (run->mmio.is_write) {
			memcpy(self->mem + offset, run->mmio.data, run->mmio.len);
			self->writes++;
		} else {
			memcpy(run->mmio.data, self->mem + offset, run->mmio.len);
			self->reads++;
		}
	}
}

static uint64_t call3(FIXTURE_DATA(mmio) *self, const char *function, uint64_t a,
		      uint64_t b, uint64_t c)
{
	guest_start(self->vcpu, function, 3, (uint64_t[]){ a, b, c });
	serve(self);
	return vcpu_regs(self->vcpu).rax;
}

static uint64_t call(FIXTURE_DATA(mmio) *self, const char *function, uint64_t a, uint64_t b)
{
	return call3(self, function, a, b, 0);
}

static void pattern(FIXTURE_DATA(mmio) *self)
{
	unsigned int i;

	for (i = 0; i < WINDOW; i++)
		self->mem[i] = 0x81 + i;
}

static uint32_t *word(FIXTURE_DATA(mmio) *self)
{
	return (uint32_t *)self->mem;
}

TEST_F(mmio, loads)
{
	static const struct {
		const char *function;
		unsigned int size;
		uint64_t result;
	} t[] = {
		{ "load8", 1, 0xffffffffffffff81 },
		{ "load16", 2, 0xffffffffffff8281 },
		{ "load32", 4, 0x84838281 },
		{ "load64", 8, 0x8887868584838281 },
		{ "load_high", 1, 0xffffffffffff81ff },
		{ "load_zx8", 1, 0x81 },
		{ "load_zx16", 2, 0x8281 },
		{ "load_zx8_16", 1, 0xffffffffffff0081 },
		{ "load_sx8", 1, 0xffffffffffffff81 },
		{ "load_sx16", 2, 0xffffffffffff8281 },
		{ "load_sx32", 4, 0xffffffff84838281 },
		{ "load_sx8_32", 1, 0xffffff81 },
	};
	unsigned int i;

	pattern(self);
	for (i = 0; i < ARRAY_LEN(t); i++) {
		EXPECT_EQ(t[i].result, call(self, t[i].function, GUEST_MMIO, 0)) {
			TH_LOG("%s", t[i].function);
		}
		EXPECT_EQ(1, self->reads);
		EXPECT_EQ(0, self->writes);
		EXPECT_EQ(t[i].size, self->max_len);
	}
}

TEST_F(mmio, load_operands)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	pattern(self);
	EXPECT_EQ(0x84838281, call(self, "load_sib", GUEST_MMIO, 0));
	EXPECT_EQ(0x8c8b8a89, call(self, "load_r15", GUEST_MMIO, 0));
	EXPECT_EQ(0x84838281, call(self, "load_moffs", 0, 0));
	EXPECT_EQ(0x84838281, call(self, "load_addr32", GUEST_MMIO, 0));
	s.fs.base = GUEST_MMIO - 0x1000;
	vcpu_set_sregs(self->vcpu, &s);
	EXPECT_EQ(0x84838281, call(self, "load_fs", 0x1000, 0));
}

TEST_F(mmio, stores)
{
	static const struct {
		const char *function;
		unsigned int size;
		const char *bytes;
	} t[] = {
		{ "store8", 1, "\x88" },
		{ "store16", 2, "\x88\x77" },
		{ "store32", 4, "\x88\x77\x66\x55" },
		{ "store64", 8, "\x88\x77\x66\x55\x44\x33\x22\x11" },
		{ "store_high", 1, "\x77" },
		{ "store_imm8", 1, "\x5a" },
		{ "store_imm16", 2, "\x5b\x5a" },
		{ "store_imm32", 4, "\x5d\x5c\x5b\x5a" },
		{ "store_imm64", 8, "\xfe\xff\xff\xff\xff\xff\xff\xff" },
		{ "store_nti32", 4, "\x88\x77\x66\x55" },
		{ "store_nti64", 8, "\x88\x77\x66\x55\x44\x33\x22\x11" },
		{ "store_moffs", 4, "\x88\x77\x66\x55" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(t); i++) {
		memset(self->mem, 0xee, 16);
		call(self, t[i].function, GUEST_MMIO, 0x1122334455667788);
		EXPECT_EQ(0, memcmp(self->mem, t[i].bytes, t[i].size)) {
			TH_LOG("%s", t[i].function);
		}
		EXPECT_EQ(0xee, self->mem[t[i].size]);
		EXPECT_EQ(1, self->writes);
		EXPECT_EQ(0, self->reads);
	}
}

TEST_F(mmio, movbe)
{
	struct hv_cpuid2 *c = supported_cpuid(self->vm);

	if (!(cpuid_entry(c, 1, 0)->ecx & 1U << 22))
		SKIP(return, "no MOVBE");
	pattern(self);
	EXPECT_EQ(0x81828384, call(self, "load_be32", GUEST_MMIO, 0));
	EXPECT_EQ(0x8182838485868788, call(self, "load_be64", GUEST_MMIO, 0));
	call(self, "store_be32", GUEST_MMIO, 0x11223344);
	EXPECT_EQ(0x44332211, *word(self));
}

TEST_F(mmio, read_modify_write)
{
	static const struct {
		const char *function;
		uint64_t before, operand, after;
		uint64_t flags;		/* of CF, ZF, SF, OF */
		bool write;
	} t[] = {
		{ "and32", 0xff00ff00, 0x0ff00ff0, 0x0f000f00, 0, true },
		{ "and32", 0xff00ff00, 0x00ff00ff, 0, RFLAGS_ZF, true },
		{ "or32", 0x1, 0x80000000, 0x80000001, RFLAGS_SF, true },
		{ "xor32", 0xff, 0xff, 0, RFLAGS_ZF, true },
		{ "add32", 0xffffffff, 1, 0, RFLAGS_CF | RFLAGS_ZF, true },
		{ "add32", 0x7fffffff, 1, 0x80000000, RFLAGS_SF | RFLAGS_OF, true },
		{ "sub32", 0, 1, 0xffffffff, RFLAGS_CF | RFLAGS_SF, true },
		{ "add8", 0x1ff, 1, 0x100, RFLAGS_CF | RFLAGS_ZF, true },
		{ "cmp32", 5, 5, 5, RFLAGS_ZF, false },
		{ "cmp32", 4, 5, 4, RFLAGS_CF | RFLAGS_SF, false },
		{ "test32", 0xf0, 0x0f, 0xf0, RFLAGS_ZF, false },
		{ "or_imm", 0x7, 0, 0x77, 0, true },
		{ "lock_or32", 0x7, 0x100, 0x107, 0, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t flags;

		*word(self) = t[i].before;
		flags = call(self, t[i].function, GUEST_MMIO, t[i].operand);
		EXPECT_EQ(t[i].after, *word(self)) {
			TH_LOG("%s, row %u", t[i].function, i);
		}
		EXPECT_EQ(t[i].flags,
			  flags & (RFLAGS_CF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)) {
			TH_LOG("%s, row %u", t[i].function, i);
		}
		EXPECT_EQ(1, self->reads);
		if (!t[i].write)
			EXPECT_EQ(0, self->writes);
	}
	*(uint64_t *)self->mem = 0xffffffff;
	call(self, "add64", GUEST_MMIO, 1);
	EXPECT_EQ(0x100000000UL, *(uint64_t *)self->mem);
}

TEST_F(mmio, bit_test)
{
	*word(self) = 0x8;
	EXPECT_EQ(RFLAGS_CF, call(self, "bt32", GUEST_MMIO, 0) & RFLAGS_CF);
	EXPECT_EQ(0x8, *word(self));
	EXPECT_EQ(RFLAGS_CF, call(self, "btr32", GUEST_MMIO, 0) & RFLAGS_CF);
	EXPECT_EQ(0, *word(self));
	EXPECT_EQ(0, call(self, "bts32", GUEST_MMIO, 0) & RFLAGS_CF);
	EXPECT_EQ(0x8, *word(self));
}

TEST_F(mmio, register_destination)
{
	*word(self) = 100;
	EXPECT_EQ(142, call(self, "add_from", GUEST_MMIO, 42));
	EXPECT_EQ(RFLAGS_ZF, call(self, "cmp_from", GUEST_MMIO, 100) & RFLAGS_ZF);
	EXPECT_EQ(RFLAGS_CF, call(self, "cmp_from", GUEST_MMIO, 99) & RFLAGS_CF);
}

TEST_F(mmio, exchange)
{
	*word(self) = 0x11111111;
	EXPECT_EQ(0x11111111, call(self, "xchg32", GUEST_MMIO, 0x22222222));
	EXPECT_EQ(0x22222222, *word(self));
	/* Compare fails: memory stays, EAX gets it. */
	EXPECT_EQ(0x22222222, call3(self, "cmpxchg32", GUEST_MMIO, 0x44444444, 0x33333333));
	EXPECT_EQ(0x22222222, *word(self));
	/* Compare succeeds. */
	EXPECT_EQ(0x122222222, call3(self, "cmpxchg32", GUEST_MMIO, 0x44444444, 0x22222222));
	EXPECT_EQ(0x44444444, *word(self));
}

TEST_F(mmio, strings)
{
	uint32_t *ram = (uint32_t *)(self->vm->ram + GUEST_FREE);
	unsigned int i;

	EXPECT_EQ(GUEST_MMIO + 20, call(self, "rep_stos32", GUEST_MMIO, 5));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0xaabbccdd, word(self)[i]);
	EXPECT_EQ(0, word(self)[5]);

	pattern(self);
	EXPECT_EQ(0x84838281, call(self, "lods32", GUEST_MMIO, 0));

	for (i = 0; i < 6; i++)
		ram[i] = 0x1000 + i;
	EXPECT_EQ(GUEST_MMIO + 24, call3(self, "rep_movs_to", GUEST_MMIO, GUEST_FREE, 6));
	EXPECT_EQ(0, memcmp(self->mem, ram, 24));

	pattern(self);
	EXPECT_EQ(GUEST_MMIO + 24, call3(self, "rep_movs_from", GUEST_MMIO, GUEST_FREE, 6));
	EXPECT_EQ(0, memcmp(self->mem, ram, 24));
}

/* MMIO to MMIO. */
TEST_F(mmio, string_both)
{
	pattern(self);
	call3(self, "rep_movs_to", GUEST_MMIO + 0x100, GUEST_MMIO, 4);
	EXPECT_EQ(0, memcmp(self->mem, self->mem + 0x100, 16));
	EXPECT_EQ(4, self->reads);
	EXPECT_EQ(4, self->writes);
}

/* Sixteen bytes come as more than one exit. */
TEST_F(mmio, sse)
{
	uint8_t *vector = guest_var(self->vm, "vector");
	unsigned int i;

	pattern(self);
	call(self, "load_sse", GUEST_MMIO + 0x40, 0);
	EXPECT_EQ(0, memcmp(vector, self->mem + 0x40, 16));
	EXPECT_EQ(2, self->reads);
	for (i = 0; i < 16; i++)
		vector[i] = 0xf0 + i;
	call(self, "store_sse", GUEST_MMIO + 0x80, 0);
	EXPECT_EQ(0, memcmp(vector, self->mem + 0x80, 16));
	call(self, "store_sse_aligned", GUEST_MMIO + 0xc0, 0);
	EXPECT_EQ(0, memcmp(vector, self->mem + 0xc0, 16));
}

TEST_F(mmio, avx)
{
	struct hv_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 7 };
	uint8_t *vector = guest_var(self->vm, "vector");
	struct hv_cpuid2 *c = supported_cpuid(self->vm);
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	unsigned int i;

	if (!(cpuid_entry(c, 1, 0)->ecx & 1U << 28))
		SKIP(return, "no AVX");
	if (device_is_kvm())
		SKIP(return, "KVM's emulator has no AVX");
	s.cr4 |= CR4_OSXSAVE;
	vcpu_set_sregs(self->vcpu, &s);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &xcrs));
	pattern(self);
	call(self, "load_avx", GUEST_MMIO + 0x40, 0);
	EXPECT_EQ(0, memcmp(vector, self->mem + 0x40, 16));
	for (i = 0; i < 16; i++)
		vector[i] = 0xf0 + i;
	call(self, "store_avx", GUEST_MMIO + 0x80, 0);
	EXPECT_EQ(0, memcmp(vector, self->mem + 0x80, 16));
}

/* What isn't known ends cleanly, with the bytes, and the VMM can go on. */
TEST_F(mmio, unknown_instruction)
{
	const struct hv_run *run = self->vcpu->run;
	uint64_t at = guest_sym(self->vm, "exotic");
	uint64_t after = guest_sym(self->vm, "after_exotic");
	struct hv_regs r;

	guest_start(self->vcpu, "exotic", 1, (uint64_t[]){ GUEST_MMIO });
	ASSERT_EQ(HV_EXIT_INTERNAL_ERROR, vcpu_run(self->vcpu));
	EXPECT_EQ(HV_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	r = vcpu_regs(self->vcpu);
	EXPECT_EQ(at, r.rip);
	ASSERT_GE(run->emulation_failure.ndata, 3);
	ASSERT_EQ(HV_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
		  run->emulation_failure.flags &
		  HV_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	ASSERT_GE(run->emulation_failure.insn_size, after - at);
	ASSERT_LE(run->emulation_failure.insn_size, 15);
	EXPECT_EQ(0, memcmp(run->emulation_failure.insn_bytes, self->vm->ram + at,
			    after - at));
	/* The VMM skips it. KVM has queued #UD: that goes, too. */
	r.rip = after;
	vcpu_set_regs(self->vcpu, &r);
	EXPECT_EQ(0xe807, guest_finish(self->vcpu));
}

/* KVM emulates MOVQ and MOVD neither; hv may, or says that it doesn't. */
TEST_F(mmio, sse_scalar)
{
	uint32_t exit;

	guest_start(self->vcpu, "store_movq", 2, (uint64_t[]){ GUEST_MMIO, 1 });
	exit = vcpu_run(self->vcpu);
	EXPECT_TRUE(exit == HV_EXIT_MMIO || exit == HV_EXIT_INTERNAL_ERROR);
}

/* Across a page, both without memory. */
TEST_F(mmio, page_crossing)
{
	pattern(self);
	EXPECT_EQ(*(uint64_t *)(self->mem + 0xffd), call(self, "load64", GUEST_MMIO + 0xffd, 0));
	EXPECT_GE(self->reads, 2);
	call(self, "store64", GUEST_MMIO + 0xffb, 0x1122334455667788);
	EXPECT_EQ(0x1122334455667788, *(uint64_t *)(self->mem + 0xffb));
	EXPECT_GE(self->writes, 2);
	EXPECT_EQ(*(uint16_t *)(self->mem + 0xfff) | 0xffffffffffff0000,
		  call(self, "load16", GUEST_MMIO + 0xfff, 0));
}

/* Memory on one side, none on the other. */
TEST_F(mmio, half_memory)
{
	uint8_t *page = ram_alloc(PAGE);
	uint64_t value = 0x0102030405060708;

	pattern(self);
	memset(page, 0x77, PAGE);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GUEST_MMIO - PAGE, PAGE, page, 0));
	call(self, "store64", GUEST_MMIO - 3, value);
	EXPECT_EQ(0, memcmp(page + PAGE - 3, &value, 3));
	EXPECT_EQ(0, memcmp(self->mem, (char *)&value + 3, 5));
	EXPECT_EQ(value, call(self, "load64", GUEST_MMIO - 3, 0));
}

/* The guest's own page tables say no before there's any MMIO. */
TEST_F(mmio, guest_page_fault)
{
	call(self, "probe_load", 0x7f0000000000, 0);
	EXPECT_EQ(PF_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(0, self->reads);
}

TEST_F(mmio, protected_mode)
{
	vcpu_protected_mode(self->vcpu, "mmio32");
	self->mem[8] = 0x5e;
	word(self)[3] = 0xfeedface;
	serve(self);
	EXPECT_EQ(0x12345678, word(self)[0]);
	EXPECT_EQ(0x9abc, *(uint16_t *)(self->mem + 4));
	EXPECT_EQ(0x5e, guest_u32(self->vm, "seen") & 0xff);
	EXPECT_EQ(0xfeedface, ((uint32_t *)guest_var(self->vm, "seen"))[1]);
}

TEST_F(mmio, real_mode)
{
	struct vm *vm = vm_create(VM_BARE);
	uint8_t *ram = ram_alloc(GUEST_RAM_SIZE);

	/* Memory below 0xa0000 only. */
	vm->ram = ram;
	ASSERT_EQ(0, vm_slot(vm, 0, 0, 0xa0000, ram, 0));
	vm_load(vm, "mmio");
	self->vm = vm;
	self->vcpu = vcpu_create(vm, 0);
	vcpu_real_mode(self->vcpu, "mmio16");
	self->base = 0xa0000;
	self->mem[0x20] = 0xa5;
	serve(self);
	EXPECT_EQ(0x1234, *(uint16_t *)(self->mem + 0x10));
	EXPECT_EQ(0xa5, guest_u32(vm, "seen") & 0xff);
	EXPECT_EQ(0xcafef00d, *(uint32_t *)(self->mem + 0x30));
	EXPECT_EQ(0, memcmp(self->mem + 0x40, "\x77\x77\x77\0", 4));
}

/* immediate_exit completes a pending read. */
TEST_F(mmio, immediate_exit_completes)
{
	struct hv_run *run = self->vcpu->run;

	guest_start(self->vcpu, "load32", 1, (uint64_t[]){ GUEST_MMIO });
	ASSERT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	memcpy(run->mmio.data, "\x01\x02\x03\x04", 4);
	run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(0x04030201, vcpu_regs(self->vcpu).rax);
	run->immediate_exit = 0;
	EXPECT_EQ(0x04030201, guest_finish(self->vcpu));
}

/* MOV r32, r/m32 with its operand at RDI becomes MOV r8, r/m8. */
static void shorten_load(uint8_t *code)
{
	while (code[0] != 0x8b || code[1] != 0x07)
		code++;
	code[0] = 0x8a;
}

/* The VMM, and the guest itself, may change an instruction between two times. */
TEST_F(mmio, code_changes)
{
	unsigned int i;

	pattern(self);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0x84838281, call(self, "load32", GUEST_MMIO, 0));
	shorten_load(guest_var(self->vm, "load32"));
	EXPECT_EQ(0xffffffffffffff81, call(self, "load32", GUEST_MMIO, 0));
}

/* The same instruction pointer leads to other memory once the page tables say so. */
TEST_F(mmio, code_remapped)
{
	const uint64_t copy = 64UL << 20, size = 2UL << 20;
	uint64_t *pd = (uint64_t *)(self->vm->ram + GUEST_PD);
	uint64_t pde = pd[0];
	uint8_t *ram = ram_alloc(size);
	unsigned int i;

	pattern(self);
	pd[2] = pde;
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0x84838281, call(self, "load_remapped", GUEST_MMIO, pde));
	memcpy(ram, self->vm->ram, size);
	shorten_load(ram + ((uint8_t *)guest_var(self->vm, "load_remapped") -
			    (uint8_t *)self->vm->ram));
	ASSERT_EQ(0, vm_slot(self->vm, 1, copy, size, ram, 0));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0xffffffffffffff81,
			  call(self, "load_remapped", GUEST_MMIO, pde | copy));
		EXPECT_EQ(0x84838281, call(self, "load_remapped", GUEST_MMIO, pde));
	}
}

/* An address that the processor hasn't: still MMIO or a fault, never a crash. */
TEST_F(mmio, high_address)
{
	uint64_t *pml4 = (uint64_t *)(self->vm->ram + GUEST_PML4);
	uint64_t *pdpt = (uint64_t *)(self->vm->ram + GUEST_FREE);
	uint64_t *pd = (uint64_t *)(self->vm->ram + GUEST_FREE + PAGE);

	pml4[1] = GUEST_FREE | 7;
	pdpt[0] = (GUEST_FREE + PAGE) | 7;
	pd[0] = 0x4000000000UL | 0xe7;		/* 256 GiB */
	self->base = 0x4000000000UL;
	pattern(self);
	EXPECT_EQ(0x84838281, call(self, "load32", 1UL << 39, 0));
}

TEST_HARNESS_MAIN
