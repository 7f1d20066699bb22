// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what may be shown, what is set, and what the guest's CPUID answers.
 */
#include <cpuid.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define CPUID_1_ECX_MWAIT	(1U << 3)
#define CPUID_1_ECX_VMX		(1U << 5)
#define CPUID_1_ECX_XSAVE	(1U << 26)
#define CPUID_1_ECX_OSXSAVE	(1U << 27)
#define CPUID_1_ECX_HYPERVISOR	(1U << 31)

FIXTURE(cpuid)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_cpuid2 *supported;
	uint64_t *out;
};

FIXTURE_SETUP(cpuid)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "insn");
	self->out = guest_var(self->vm, "out");
	self->vcpu = vcpu_create_nocpuid(self->vm, 0);
	self->supported = supported_cpuid(self->vm);
}

FIXTURE_TEARDOWN(cpuid)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static void use(FIXTURE_DATA(cpuid) *self)
{
	must(hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, self->supported));
	vcpu_long_mode(self->vcpu, NULL);
}

TEST_F(cpuid, size_protocol)
{
	struct hv_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	unsigned int n = self->supported->nent;

	c->nent = 0;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->vm->sys, HV_GET_SUPPORTED_CPUID, c));
	c->nent = 1;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->vm->sys, HV_GET_SUPPORTED_CPUID, c));
	c->nent = n - 1;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->vm->sys, HV_GET_SUPPORTED_CPUID, c));
	c->nent = n;
	EXPECT_EQ(0, hv_ioctl(self->vm->sys, HV_GET_SUPPORTED_CPUID, c));
	EXPECT_EQ(n, c->nent);
	c->nent = 256;
	EXPECT_EQ(0, hv_ioctl(self->vm->sys, HV_GET_SUPPORTED_CPUID, c));
	EXPECT_EQ(n, c->nent);
	/* kvmtool gives room for 100. */
	EXPECT_LT(n, 100);
	free(c);
}

/* Leaves that clients insist on, even if they're all zero. */
TEST_F(cpuid, leaves)
{
	static const uint32_t leaves[] = {
		0, 1, 7, 0xd, 0x80000000, 0x80000001, 0x80000002, 0x80000003,
		0x80000004, 0x80000005, 0x80000006, 0x80000008,
	};
	unsigned int i, eax, ebx, ecx, edx;
	struct hv_cpuid_entry2 *e;

	for (i = 0; i < ARRAY_LEN(leaves); i++)
		EXPECT_NE(NULL, cpuid_entry(self->supported, leaves[i], 0)) {
			TH_LOG("leaf %x", leaves[i]);
		}
	__cpuid(0, eax, ebx, ecx, edx);
	e = cpuid_entry(self->supported, 0, 0);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(ebx, e->ebx);
	EXPECT_EQ(ecx, e->ecx);
	EXPECT_EQ(edx, e->edx);
	EXPECT_GE(e->eax, 0xd);
	/* No subleaf is listed twice. */
	for (i = 0; i + 1 < self->supported->nent; i++) {
		struct hv_cpuid_entry2 *a = &self->supported->entries[i], *b = a + 1;

		EXPECT_FALSE(a->function == b->function && a->index == b->index);
	}
}

/* What's shown is true: no VMX without nested virtualization, bits of the host. */
TEST_F(cpuid, truth)
{
	struct hv_cpuid_entry2 *e = cpuid_entry(self->supported, 1, 0);
	unsigned int eax, ebx, ecx, edx;

	ASSERT_NE(NULL, e);
	__cpuid(1, eax, ebx, ecx, edx);
	/* x2APIC, TSC-deadline and HYPERVISOR may be the hypervisor's own. */
	EXPECT_EQ(0, e->ecx & ~ecx & ~(1U << 21 | 1U << 24 | CPUID_1_ECX_HYPERVISOR));
	EXPECT_EQ(0, e->edx & ~edx);
	if (check_cap(self->vm->fd, HV_CAP_NESTED_STATE) == 0)
		EXPECT_EQ(0, e->ecx & CPUID_1_ECX_VMX);
	/* What every 64-bit guest needs. */
	EXPECT_EQ(0x07808111, e->edx & 0x07808111);
	/* Memory can be where the processor can address it, or below. */
	e = cpuid_entry(self->supported, 0x80000008, 0);
	ASSERT_NE(NULL, e);
	if (!device_is_kvm())
		EXPECT_EQ(check_cap(self->vm->fd, HV_CAP_VM_GPA_BITS), e->eax >> 16);
	EXPECT_LE(e->eax >> 16 & 0xff, e->eax & 0xff);
}

/* Subleaves are marked: clients look them up by the flag. */
TEST_F(cpuid, significant_index)
{
	unsigned int i;

	for (i = 0; i < self->supported->nent; i++) {
		struct hv_cpuid_entry2 *e = &self->supported->entries[i];

		if (e->function == 7 || e->function == 0xd || e->function == 4 ||
		    e->function == 0xb)
			EXPECT_EQ(HV_CPUID_FLAG_SIGNIFCANT_INDEX,
				  e->flags & HV_CPUID_FLAG_SIGNIFCANT_INDEX) {
				TH_LOG("leaf %x", e->function);
			}
		if (e->function == 1 || e->function == 0)
			EXPECT_EQ(0, e->flags);
		/* The topology is the VMM's: all vCPUs would get the same id. */
		if (e->function == 0xb || e->function == 0x1f)
			EXPECT_EQ(0, e->eax | e->ebx | (e->ecx & 0xff00));
	}
}

TEST_F(cpuid, set_and_get)
{
	struct hv_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	unsigned int i;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, self->supported));
	c->nent = 1;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->vcpu->fd, HV_GET_CPUID2, c));
	/* KVM means to write the number, but doesn't. */
	if (!device_is_kvm())
		EXPECT_EQ(self->supported->nent, c->nent);
	c->nent = 256;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_CPUID2, c));
	if (!device_is_kvm())
		ASSERT_EQ(self->supported->nent, c->nent);
	for (i = 0; i < self->supported->nent; i++) {
		struct hv_cpuid_entry2 *a = &c->entries[i], *b = &self->supported->entries[i];

		EXPECT_EQ(b->function, a->function);
		EXPECT_EQ(b->index, a->index);
		/* Leaves 1, 7 and 0xd have bits that follow the guest's state. */
		if (a->function != 1 && a->function != 7 && a->function != 0xd)
			EXPECT_EQ(0, memcmp(a, b, sizeof(*a)));
	}
	free(c);
}

/* More than is supported is the VMM's business: QEMU adds MTRR, MCE, PAT. */
TEST_F(cpuid, unsupported_bits_accepted)
{
	cpuid_entry(self->supported, 1, 0)->edx |= 1U << 12 | 1U << 16 | 1U << 7 | 1U << 14;
	cpuid_entry(self->supported, 1, 0)->ecx |= CPUID_1_ECX_HYPERVISOR;
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, self->supported));
}

TEST_F(cpuid, empty_table)
{
	struct hv_cpuid2 c = { .nent = 0 };

	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, &c));
}

TEST_F(cpuid, guest_sees_table)
{
	struct {
		struct hv_cpuid2 head;
		struct hv_cpuid_entry2 e[4];
	} c = {
		.head.nent = 4,
		.e = {
			{ .function = 0, .eax = 0x10, .ebx = signature_INTEL_ebx,
			  .edx = signature_INTEL_edx, .ecx = signature_INTEL_ecx },
			{ .function = 0x10, .index = 0, .eax = 0x1111, .ebx = 0xb0b0b0b0,
			  .ecx = 0xffffffff, .edx = 0x80000000,
			  .flags = HV_CPUID_FLAG_SIGNIFCANT_INDEX },
			{ .function = 0x10, .index = 2, .eax = 0x2222, .ebx = 0xb,
			  .flags = HV_CPUID_FLAG_SIGNIFCANT_INDEX },
			{ .function = 0x8, .index = 0, .eax = 0x8888 },
		},
	};
	struct vcpu *vcpu = self->vcpu;

	/* Long mode needs the real table; then this one, before the first run. */
	use(self);
	ASSERT_EQ(0, hv_ioctl(vcpu->fd, HV_SET_CPUID2, &c));
	guest_call(vcpu, "cpuid_", 0x10, 0);
	EXPECT_EQ(0x1111, self->out[0]);
	EXPECT_EQ(0xb0b0b0b0, self->out[1]);
	EXPECT_EQ(0xffffffff, self->out[2]);
	EXPECT_EQ(0x80000000, self->out[3]);
	guest_call(vcpu, "cpuid_", 0x10, 2);
	EXPECT_EQ(0x2222, self->out[0]);
	EXPECT_EQ(0, self->out[3]);
	/* A subleaf that isn't there: zeros. */
	guest_call(vcpu, "cpuid_", 0x10, 1);
	EXPECT_EQ(0, self->out[0] | self->out[1] | self->out[3]);
	/* A leaf without subleaves answers for any ECX. */
	guest_call(vcpu, "cpuid_", 8, 77);
	EXPECT_EQ(0x8888, self->out[0]);
	/* A missing leaf in range: zeros. */
	guest_call(vcpu, "cpuid_", 9, 0);
	EXPECT_EQ(0, self->out[0] | self->out[1] | self->out[2] | self->out[3]);
	/* Bits 63:32 of EAX aren't looked at. */
	guest_call(vcpu, "cpuid_", 0xffffffff00000008, 0);
	EXPECT_EQ(0x8888, self->out[0]);
}

/* Beyond the last leaf Intel's processors answer with the last one (SDM 2A CPUID). */
TEST_F(cpuid, out_of_range)
{
	struct {
		struct hv_cpuid2 head;
		struct hv_cpuid_entry2 e[2];
	} c = {
		.head.nent = 2,
		.e = {
			{ .function = 0, .eax = 0x16, .ebx = signature_INTEL_ebx,
			  .edx = signature_INTEL_edx, .ecx = signature_INTEL_ecx },
			{ .function = 0x16, .eax = 3000, .ebx = 4000 },
		},
	};

	use(self);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, &c));
	guest_call(self->vcpu, "cpuid_", 0x123, 0);
	EXPECT_EQ(3000, self->out[0]);
	EXPECT_EQ(4000, self->out[1]);
}

/* CPUID.1:ECX.OSXSAVE follows CR4.OSXSAVE. */
TEST_F(cpuid, osxsave_follows_cr4)
{
	struct hv_sregs s;

	if (!(cpuid_entry(self->supported, 1, 0)->ecx & CPUID_1_ECX_XSAVE))
		SKIP(return, "no XSAVE");
	cpuid_entry(self->supported, 1, 0)->ecx |= CPUID_1_ECX_OSXSAVE;
	use(self);
	guest_call(self->vcpu, "cpuid_", 1, 0);
	EXPECT_EQ(0, self->out[2] & CPUID_1_ECX_OSXSAVE);
	s = vcpu_sregs(self->vcpu);
	s.cr4 |= CR4_OSXSAVE;
	vcpu_set_sregs(self->vcpu, &s);
	guest_call(self->vcpu, "cpuid_", 1, 0);
	EXPECT_NE(0, self->out[2] & CPUID_1_ECX_OSXSAVE);
}

/* CPUID.0xd.0:EBX is the size of what XCR0 enables. */
TEST_F(cpuid, xsave_size_follows_xcr0)
{
	struct hv_cpuid_entry2 *e = cpuid_entry(self->supported, 0xd, 0);
	struct hv_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 7 };

	if (!(cpuid_entry(self->supported, 1, 0)->ecx & CPUID_1_ECX_XSAVE) ||
	    !e || !(e->eax & 4))
		SKIP(return, "no AVX");
	use(self);
	guest_call(self->vcpu, "cpuid_", 0xd, 0);
	EXPECT_EQ(576, self->out[1]);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_XCRS, &xcrs));
	guest_call(self->vcpu, "cpuid_", 0xd, 0);
	EXPECT_EQ(832, self->out[1]);
}

TEST_F(cpuid, fixed_after_first_run)
{
	use(self);
	guest_call(self->vcpu, "cpuid_", 0, 0);
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, self->supported));
	cpuid_entry(self->supported, 0, 0)->eax++;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, self->supported));
	self->supported->nent--;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, self->supported));
}

/* Physical addresses of more bits than are possible. */
TEST_F(cpuid, impossible_address_width)
{
	struct hv_cpuid_entry2 *e = cpuid_entry(self->supported, 0x80000008, 0);

	ASSERT_NE(NULL, e);
	e->eax = (e->eax & ~0xff00) | 50 << 8;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, self->supported));
}

TEST_HARNESS_MAIN
