// SPDX-License-Identifier: GPL-2.0-only
/*
 * XSETBV, good and bad (SDM 1 13.3), and HV_GET/SET_XCRS.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(xsetbv)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint64_t supported;
	bool have;
};

FIXTURE_SETUP(xsetbv)
{
	struct hv_cpuid2 *c;
	struct hv_cpuid_entry2 *e;
	struct hv_sregs s;

	self->vm = vm_create(0);
	vm_load(self->vm, "insn");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	c = supported_cpuid(self->vm);
	e = cpuid_entry(c, 0xd, 0);
	self->have = cpuid_entry(c, 1, 0)->ecx & 1U << 26 && e;
	if (self->have) {
		self->supported = (uint64_t)e->edx << 32 | e->eax;
		s = vcpu_sregs(self->vcpu);
		s.cr4 |= CR4_OSXSAVE;
		vcpu_set_sregs(self->vcpu, &s);
	}
	free(c);
}

FIXTURE_TEARDOWN(xsetbv)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static int xsetbv(FIXTURE_DATA(xsetbv) *self, uint32_t index, uint64_t value)
{
	guest_call(self->vcpu, "xsetbv_", index, value);
	return guest_fault(self->vm);
}

static uint64_t vmm_xcr0(FIXTURE_DATA(xsetbv) *self)
{
	struct hv_xcrs x;

	must(hv_ioctl(self->vcpu->fd, HV_GET_XCRS, &x));
	return x.xcrs[0].value;
}

/* QEMU 7.2's TCG doesn't intercept it: nothing to see there. */
#define NEED_INTERCEPT()						\
	do {								\
		if (!self->have)					\
			SKIP(return, "no XSAVE");			\
		if (cpu_is_tcg() && (xsetbv(self, 0, 3), vmm_xcr0(self) != 3)) \
			SKIP(return, "TCG doesn't intercept XSETBV");	\
	} while (0)

TEST_F(xsetbv, good)
{
	NEED_INTERCEPT();
	EXPECT_EQ(NO_FAULT, xsetbv(self, 0, 1));
	EXPECT_EQ(1, guest_call(self->vcpu, "xgetbv_", 0));
	EXPECT_EQ(NO_FAULT, xsetbv(self, 0, 3));
	EXPECT_EQ(3, guest_call(self->vcpu, "xgetbv_", 0));
	EXPECT_EQ(3, vmm_xcr0(self));
	EXPECT_EQ(NO_FAULT, xsetbv(self, 0, self->supported));
	EXPECT_EQ(self->supported, guest_call(self->vcpu, "xgetbv_", 0));
	EXPECT_EQ(self->supported, vmm_xcr0(self));
}

TEST_F(xsetbv, bad)
{
	NEED_INTERCEPT();
	EXPECT_EQ(NO_FAULT, xsetbv(self, 0, 3));
	/* x87 can't be off, AVX needs SSE, unknown bits, unknown register. */
	EXPECT_EQ(GP_VECTOR, xsetbv(self, 0, 0));
	EXPECT_EQ(GP_VECTOR, xsetbv(self, 0, 2));
	EXPECT_EQ(GP_VECTOR, xsetbv(self, 0, 5));
	EXPECT_EQ(GP_VECTOR, xsetbv(self, 0, 3 | 1UL << 62));
	EXPECT_EQ(GP_VECTOR, xsetbv(self, 1, 3));
	EXPECT_EQ(GP_VECTOR, xsetbv(self, 0xffffffff, 3));
	/* A part of AVX-512 alone (SDM 1 13.3). */
	EXPECT_EQ(GP_VECTOR, xsetbv(self, 0, 7 | 1 << 5));
	EXPECT_EQ(3, guest_call(self->vcpu, "xgetbv_", 0));
}

/* Without CR4.OSXSAVE the instruction doesn't exist. */
TEST_F(xsetbv, not_enabled)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	if (!self->have)
		SKIP(return, "no XSAVE");
	s.cr4 &= ~CR4_OSXSAVE;
	vcpu_set_sregs(self->vcpu, &s);
	EXPECT_EQ(UD_VECTOR, xsetbv(self, 0, 1));
	guest_call(self->vcpu, "xgetbv_", 0);
	EXPECT_EQ(UD_VECTOR, guest_fault(self->vm));
}

TEST_F(xsetbv, from_the_vmm)
{
	struct hv_xcrs x = { .nr_xcrs = 1 };

	if (!self->have)
		SKIP(return, "no XSAVE");
	x.xcrs[0].value = self->supported;
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &x));
	EXPECT_EQ(self->supported, vmm_xcr0(self));
	EXPECT_EQ(self->supported, guest_call(self->vcpu, "xgetbv_", 0));
	x.xcrs[0].value = 0;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &x));
	x.xcrs[0].value = 1UL << 62 | 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &x));
	x.xcrs[0].value = 1;
	x.flags = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &x));
	x.flags = 0;
	x.nr_xcrs = HV_MAX_XCRS + 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &x));
	EXPECT_EQ(self->supported, vmm_xcr0(self));
}

/* The guest's XCR0 isn't the host's: floating point in between is right. */
TEST_F(xsetbv, host_keeps_its_own)
{
	volatile double d = 1.5;
	unsigned int i;

	if (!self->have)
		SKIP(return, "no XSAVE");
	for (i = 0; i < 10; i++) {
		xsetbv(self, 0, i & 1 ? self->supported : 1);
		d = d * 2 + 1;
	}
	EXPECT_EQ(2559, (long)d);
}

TEST_HARNESS_MAIN
