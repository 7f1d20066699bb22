// SPDX-License-Identifier: GPL-2.0-only
/*
 * FPU and extended state: HV_GET/SET_FPU, HV_GET/SET_XSAVE, and that x87, SSE, AVX
 * and AVX-512 registers survive exits and don't leak between guest and host.
 */
#include <cpuid.h>
#include <sys/syscall.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define AREA1		GUEST_FREE
#define AREA2		(GUEST_FREE + 0x4000)
#define XSTATE_BV	512		/* offset of the header (SDM 1 13.4.2) */
#define XFEATURES	0xe7UL		/* x87, SSE, AVX, AVX-512 */

FIXTURE(fpu)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_cpuid2 *cpuid;
	uint64_t features;
	struct hv_xsave *x;
};

FIXTURE_SETUP(fpu)
{
	struct hv_cpuid_entry2 *e;
	struct hv_sregs s;

	self->vm = vm_create(0);
	vm_load(self->vm, "fpu");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->cpuid = supported_cpuid(self->vm);
	e = cpuid_entry(self->cpuid, 0xd, 0);
	if (e && cpuid_entry(self->cpuid, 1, 0)->ecx & 1U << 26)
		self->features = e->eax & XFEATURES;
	if (self->features) {
		struct hv_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = self->features };

		s = vcpu_sregs(self->vcpu);
		s.cr4 |= CR4_OSXSAVE;
		vcpu_set_sregs(self->vcpu, &s);
		must(hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &x));
	}
	self->x = calloc(1, 65536);
}

FIXTURE_TEARDOWN(fpu)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	free(self->x);
}

/* Fill an XSAVE area with a pattern that all components can hold. */
static void fill(FIXTURE_DATA(fpu) *self, uint8_t *area, unsigned int seed)
{
	unsigned int i, n;

	memset(area, 0, 4096);
	*(uint16_t *)(area + 0) = 0x37f;		/* FCW */
	area[4] = 0xff;					/* FTW: all in use */
	*(uint32_t *)(area + 24) = 0x1f80;		/* MXCSR */
	for (i = 0; i < 8; i++) {			/* ST0 to ST7: 1.xxx */
		*(uint64_t *)(area + 32 + 16 * i) = 0x8000000000000000 | (seed + i) * 0x1234567;
		*(uint16_t *)(area + 40 + 16 * i) = 0x3fff;
	}
	for (i = 160; i < 416; i++)			/* XMM0 to XMM15 */
		area[i] = seed + i;
	for (n = 2; n < 8; n++) {
		struct hv_cpuid_entry2 *e = cpuid_entry(self->cpuid, 0xd, n);

		if (!(self->features & 1UL << n) || !e)
			continue;
		for (i = 0; i < e->eax; i++)
			area[e->ebx + i] = seed + i * 7 + n;
	}
	*(uint64_t *)(area + XSTATE_BV) = self->features ? self->features : 3;
}

/* Compare what both areas say about the registers; -1 if equal. */
static int differ(FIXTURE_DATA(fpu) *self, const uint8_t *a, const uint8_t *b)
{
	unsigned int i, n;

	for (i = 32; i < 416; i++) {
		/* Bytes 10 to 15 of each ST are reserved. */
		if (i < 160 && i % 16 >= 10)
			continue;
		if (a[i] != b[i])
			return i;
	}
	for (n = 2; n < 8; n++) {
		struct hv_cpuid_entry2 *e = cpuid_entry(self->cpuid, 0xd, n);

		if (!(self->features & 1UL << n) || !e)
			continue;
		for (i = e->ebx; i < e->ebx + e->eax; i++)
			if (a[i] != b[i])
				return i;
	}
	return -1;
}

/* Overwrite the host's own vector registers. */
static void trash_host(unsigned int seed)
{
	uint64_t v[2] = { seed * 0x0101010101010101UL, ~(seed * 0x0101010101010101UL) };

	asm volatile("movdqu (%0), %%xmm0; movdqu (%0), %%xmm1; movdqu (%0), %%xmm2;"
		     "movdqu (%0), %%xmm3; movdqu (%0), %%xmm4; movdqu (%0), %%xmm5;"
		     "movdqu (%0), %%xmm6; movdqu (%0), %%xmm7; movdqu (%0), %%xmm8;"
		     "movdqu (%0), %%xmm9; movdqu (%0), %%xmm10; movdqu (%0), %%xmm11;"
		     "movdqu (%0), %%xmm12; movdqu (%0), %%xmm13; movdqu (%0), %%xmm14;"
		     "movdqu (%0), %%xmm15"
		     : : "r"(v), "m"(v)
		     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
		       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* Call a function that exits once in the middle. */
static void call_with_exit(FIXTURE_DATA(fpu) *self, const char *f, uint64_t a, uint64_t b)
{
	guest_start(self->vcpu, f, 2, (uint64_t[]){ a, b });
	if (vcpu_run(self->vcpu) != HV_EXIT_IO || self->vcpu->run->io.port != PORT_MARK) {
		vcpu_dump(self->vcpu);
		die("no exit");
	}
}

TEST_F(fpu, fpu_round_trip)
{
	struct hv_fpu in = { .fcw = 0x27f, .fsw = 0x3800, .ftwx = 0x80, .mxcsr = 0x1f80 };
	struct hv_fpu out;
	unsigned int i;

	for (i = 0; i < sizeof(in.xmm); i++)
		((uint8_t *)in.xmm)[i] = i * 3;
	*(uint64_t *)in.fpr[0] = 0xc000000000000000;
	*(uint16_t *)(in.fpr[0] + 8) = 0x4000;
	in.last_opcode = 0x123;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_FPU, &in));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_FPU, &out));
	EXPECT_EQ(in.fcw, out.fcw);
	EXPECT_EQ(in.fsw, out.fsw);
	EXPECT_EQ(in.ftwx, out.ftwx);
	EXPECT_EQ(in.last_opcode, out.last_opcode);
	EXPECT_EQ(0, memcmp(in.fpr, out.fpr, sizeof(in.fpr)));
	EXPECT_EQ(0, memcmp(in.xmm, out.xmm, sizeof(in.xmm)));
}

/* MXCSR: KVM doesn't look at it. Reserved bits must not get to the processor. */
TEST_F(fpu, fpu_mxcsr)
{
	struct hv_fpu f = { .fcw = 0x37f, .mxcsr = 0x1fa0 };

	if (device_is_kvm())
		SKIP(return, "KVM ignores it");
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_FPU, &f));
	guest_call(self->vcpu, "fxsave_", AREA2);
	EXPECT_EQ(0x1fa0, *(uint32_t *)(self->vm->ram + AREA2 + 24));
	f.mxcsr = 0xffffffff;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_FPU, &f));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_FPU, &f));
	EXPECT_EQ(0x1fa0, f.mxcsr);
}

/* The guest sees what the VMM set. */
TEST_F(fpu, fpu_guest_sees)
{
	struct hv_fpu in = { .fcw = 0x37f, .ftwx = 0xff, .mxcsr = 0x1f80 };
	uint8_t *area = self->vm->ram + AREA2;
	unsigned int i;

	/* KVM forgets to mark the state as in use: it has to be, already. */
	if (device_is_kvm()) {
		fill(self, self->vm->ram + AREA1, 1);
		guest_start(self->vcpu, "fxrestore_and_exit", 1, (uint64_t[]){ AREA1 });
		ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	}
	for (i = 0; i < sizeof(in.xmm); i++)
		((uint8_t *)in.xmm)[i] = 0x40 + i;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_FPU, &in));
	guest_call(self->vcpu, "fxsave_", AREA2);
	EXPECT_EQ(0, memcmp(area + 160, in.xmm, sizeof(in.xmm)));
	EXPECT_EQ(0x37f, *(uint16_t *)area);
}

/* All components, through exits, while the host uses its own. */
TEST_F(fpu, survives_exits)
{
	uint8_t *in = self->vm->ram + AREA1, *out = self->vm->ram + AREA2;
	unsigned int i;

	if (!self->features)
		SKIP(return, "no XSAVE");
	for (i = 0; i < 10; i++) {
		fill(self, in, 0x11 * i + 1);
		memset(out, 0, 4096);
		call_with_exit(self, "restore_and_exit", AREA1, self->features);
		trash_host(i);
		guest_finish(self->vcpu);
		trash_host(i + 100);
		guest_call(self->vcpu, "save", AREA2, self->features);
		EXPECT_EQ(-1, differ(self, in, out)) {
			TH_LOG("byte %d of features %#lx", differ(self, in, out), self->features);
		}
	}
}

/* HV_GET_XSAVE says what the guest has; HV_SET_XSAVE gives it to the guest. */
TEST_F(fpu, xsave_get_and_set)
{
	uint8_t *in = self->vm->ram + AREA1, *out = self->vm->ram + AREA2;

	if (!self->features)
		SKIP(return, "no XSAVE");
	fill(self, in, 0x77);
	call_with_exit(self, "restore_and_exit", AREA1, self->features);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_XSAVE, self->x));
	EXPECT_EQ(-1, differ(self, in, (uint8_t *)self->x));
	EXPECT_EQ(self->features,
		  *(uint64_t *)((uint8_t *)self->x + XSTATE_BV) & self->features);
	guest_finish(self->vcpu);

	fill(self, (uint8_t *)self->x, 0x33);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_XSAVE, self->x));
	guest_call(self->vcpu, "save", AREA2, self->features);
	EXPECT_EQ(-1, differ(self, (uint8_t *)self->x, out));
}

/* A component whose XSTATE_BV bit is clear is in its initial state. */
TEST_F(fpu, xstate_bv)
{
	uint8_t *in = self->vm->ram + AREA1, *out = self->vm->ram + AREA2;
	unsigned int i;

	if (!self->features)
		SKIP(return, "no XSAVE");
	fill(self, in, 0x77);
	call_with_exit(self, "restore_and_exit", AREA1, self->features);
	guest_finish(self->vcpu);
	fill(self, (uint8_t *)self->x, 0x33);
	*(uint64_t *)((uint8_t *)self->x + XSTATE_BV) = 1;	/* x87 only */
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_XSAVE, self->x));
	memset(out, 0xee, 416);
	guest_call(self->vcpu, "save", AREA2, self->features);
	/* XSAVE leaves components in their initial state out of the area or zero. */
	if (*(uint64_t *)(out + XSTATE_BV) & 2)
		for (i = 160; i < 416; i++)
			EXPECT_EQ(0, out[i]);
}

TEST_F(fpu, xsave_refused)
{
	uint8_t *x = (uint8_t *)self->x;

	if (!self->features)
		SKIP(return, "no XSAVE");
	fill(self, x, 1);
	*(uint64_t *)(x + XSTATE_BV) |= 1UL << 62;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_XSAVE, x));
	fill(self, x, 1);
	*(uint32_t *)(x + 24) = 0xffffffff;		/* MXCSR */
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_XSAVE, x));
	fill(self, x, 1);
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_XSAVE, x));
}

/* QEMU sets the state before XCR0. */
TEST_F(fpu, xsave_before_xcr0)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	if (!self->features)
		SKIP(return, "no XSAVE");
	fill(self, (uint8_t *)self->x, 5);
	EXPECT_EQ(0, hv_ioctl(vcpu->fd, HV_SET_XSAVE, self->x));
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F(fpu, xsave2)
{
	long size = check_cap(self->vm->fd, HV_CAP_XSAVE2);
	uint8_t *x;

	if (!size)
		SKIP(return, "no XSAVE2");
	x = calloc(1, size);
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_XSAVE2, x));
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_XSAVE, x));
	free(x);
}

/* A second VM's guest sees nothing of the first one's registers. */
TEST_F(fpu, no_leak_between_guests)
{
	uint8_t *in = self->vm->ram + AREA1;
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu;
	unsigned int i;

	vm_load(vm, "fpu");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	fill(self, in, 0x99);
	guest_start(self->vcpu, "fxrestore_and_exit", 1, (uint64_t[]){ AREA1 });
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	trash_host(0x66);
	guest_call(vcpu, "fxsave_", AREA2);
	for (i = 160; i < 416; i++)
		if (vm->ram[AREA2 + i])
			break;
	EXPECT_EQ(416, i);
	vcpu_free(vcpu);
	vm_free(vm);
}

/* The host thread's registers come back from HV_RUN as they were. */
TEST_F(fpu, host_registers_are_kept)
{
	uint8_t *in = self->vm->ram + AREA1;
	uint64_t before[4] = { 0x1111222233334444, 0x5555666677778888, 0x99aabbccddeeff00,
			       0x0123456789abcdef };
	uint64_t after[4] = { 0 };
	long ret = __NR_ioctl;

	fill(self, in, 0x42);
	guest_start(self->vcpu, "fxrestore_and_exit", 1, (uint64_t[]){ AREA1 });
	asm volatile("movdqu (%[b]), %%xmm0\n\t"
		     "movdqu 16(%[b]), %%xmm13\n\t"
		     "syscall\n\t"
		     "movdqu %%xmm0, (%[a])\n\t"
		     "movdqu %%xmm13, 16(%[a])"
		     : "+a"(ret)
		     : [b] "r"(before), [a] "r"(after), "D"((long)self->vcpu->fd),
		       "S"((long)HV_RUN), "d"(0L)
		     : "rcx", "r11", "memory", "xmm0", "xmm13");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(PORT_MARK, self->vcpu->run->io.port);
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
}

/* AVX halves of the host's registers, too. */
TEST_F(fpu, host_avx_is_kept)
{
	uint8_t *in = self->vm->ram + AREA1;
	uint64_t before[4] = { 1, 2, 3, 4 }, after[4] = { 0 };
	long ret = __NR_ioctl;

	if (!(self->features & 4))
		SKIP(return, "no AVX");
	fill(self, in, 0x42);
	guest_start(self->vcpu, "restore_and_exit", 2, (uint64_t[]){ AREA1, self->features });
	asm volatile("vmovdqu (%[b]), %%ymm5\n\t"
		     "syscall\n\t"
		     "vmovdqu %%ymm5, (%[a])\n\t"
		     "vzeroupper"
		     : "+a"(ret)
		     : [b] "r"(before), [a] "r"(after), "D"((long)self->vcpu->fd),
		       "S"((long)HV_RUN), "d"(0L)
		     : "rcx", "r11", "memory", "xmm5");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
}

/* Preempted all the time: a guest and a host thread that both use vectors. */
TEST_F(fpu, preempted)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	uint64_t i, end;
	struct runner r;
	double d = 0;

	guest_start(self->vcpu, "count_in_xmm", 0, NULL);
	runner_start(&r, self->vcpu);
	ASSERT_TRUE(wait_for(*counter > 1000));
	end = now_us() + 50000;
	for (i = 1; now_us() < end; i++) {
		d += 1.0 / i;
		trash_host(i);
	}
	EXPECT_FALSE(r.done);
	runner_stop(&r);
	EXPECT_GT((long)(d * 1000), 0);
	EXPECT_EQ(-EINTR, r.result);
}

TEST_F(fpu, x87_result)
{
	union { uint64_t u; double d; } sum;
	double want = 0;
	int i;

	for (i = 1000; i >= 1; i--)
		want += 1.0 / i;
	sum.u = guest_call(self->vcpu, "x87_sum");
	EXPECT_LT((sum.d - want) * (sum.d - want), 1e-20);
}

TEST_HARNESS_MAIN
