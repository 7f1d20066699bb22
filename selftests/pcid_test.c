// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process-context identifiers (SDM 3A 4.10.1) and INVPCID: the guest uses them without an exit, what
 * it invalidates is gone, and what the manual refuses is refused.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define CR4_PCIDE	(1UL << 17)
#define CR3_NOFLUSH	(1UL << 63)
#define ROUNDS		100
/* Types of INVPCID */
#define ADDRESS		0
#define CONTEXT		1
#define ALL_GLOBAL	2
#define ALL		3
/* A 2 MiB page of the guest's tables, and where it leads */
#define VA		(8UL << 21)
#define ENTRY		(GUEST_PD + 8 * 8)
#define FIRST		(0UL | 0xe7)
#define SECOND		(0x200000UL | 0xe7)

FIXTURE(pcid)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint64_t cr4;
	uint64_t *descriptor;
};

static bool cpuid_bit(struct vm *vm, uint32_t leaf, bool ebx, unsigned int bit)
{
	struct hv_cpuid2 *cpuid = supported_cpuid(vm);
	struct hv_cpuid_entry2 *e = cpuid_entry(cpuid, leaf, 0);
	bool has = e && ((ebx ? e->ebx : e->ecx) >> bit & 1);

	free(cpuid);
	return has;
}

FIXTURE_SETUP(pcid)
{
	self->vm = vm_create(VM_IRQCHIP);
	self->vcpu = NULL;
	if (!cpuid_bit(self->vm, 1, false, 17) || !cpuid_bit(self->vm, 7, true, 10))
		SKIP(return, "this processor has no PCIDs or no INVPCID");
	vm_load(self->vm, "cr");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->cr4 = guest_call(self->vcpu, "read_cr4");
	self->descriptor = (uint64_t *)(self->vm->ram + GUEST_FREE + 64);
	*(uint64_t *)(self->vm->ram + GUEST_FREE) = 0x1111;
	*(uint64_t *)(self->vm->ram + 0x200000 + GUEST_FREE) = 0x2222;
}

FIXTURE_TEARDOWN(pcid)
{
	if (self->vcpu)
		vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static int write_cr(FIXTURE_DATA(pcid) *self, unsigned int n, uint64_t value)
{
	guest_call(self->vcpu, n == 3 ? "write_cr3" : "write_cr4", value);
	return guest_fault(self->vm);
}

/* Map VA elsewhere and invalidate that: what does the guest read then? */
static uint64_t remap(FIXTURE_DATA(pcid) *self, unsigned int type, uint64_t pcid, uint64_t va)
{
	*(uint64_t *)(self->vm->ram + ENTRY) = FIRST;
	write_cr(self, 3, GUEST_PML4 | 1);
	self->descriptor[0] = pcid;
	self->descriptor[1] = va;
	return guest_call(self->vcpu, "remap_invpcid", ENTRY, SECOND, VA + GUEST_FREE, type,
			  GUEST_FREE + 64);
}

TEST_F(pcid, enable)
{
	EXPECT_EQ(GP_VECTOR, write_cr(self, 3, GUEST_PML4 | CR3_NOFLUSH));
	/* Only from PCID 0 on (SDM 3A 4.10.1) */
	EXPECT_EQ(NO_FAULT, write_cr(self, 3, GUEST_PML4 | 0x18));
	EXPECT_EQ(GP_VECTOR, write_cr(self, 4, self->cr4 | CR4_PCIDE));
	EXPECT_EQ(NO_FAULT, write_cr(self, 3, GUEST_PML4));
	EXPECT_EQ(NO_FAULT, write_cr(self, 4, self->cr4 | CR4_PCIDE));
	EXPECT_EQ(self->cr4 | CR4_PCIDE, guest_call(self->vcpu, "read_cr4"));
	EXPECT_EQ(self->cr4 | CR4_PCIDE, vcpu_sregs(self->vcpu).cr4);

	EXPECT_EQ(NO_FAULT, write_cr(self, 3, GUEST_PML4 | 0xabc | CR3_NOFLUSH));
	EXPECT_EQ(GUEST_PML4 | 0xabc, guest_call(self->vcpu, "read_cr3"));
	EXPECT_EQ(GUEST_PML4 | 0xabc, vcpu_sregs(self->vcpu).cr3);
	EXPECT_EQ(NO_FAULT, write_cr(self, 4, self->cr4));
	EXPECT_EQ(GUEST_PML4 | 0xabc, guest_call(self->vcpu, "read_cr3"));
}

TEST_F(pcid, invalidates)
{
	ASSERT_EQ(NO_FAULT, write_cr(self, 4, self->cr4 | CR4_PCIDE));
	EXPECT_EQ(0x2222, remap(self, ADDRESS, 1, VA + GUEST_FREE));
	EXPECT_EQ(0x2222, remap(self, CONTEXT, 1, 0));
	EXPECT_EQ(0x2222, remap(self, ALL_GLOBAL, 0, 0));
	EXPECT_EQ(0x2222, remap(self, ALL, 0, 0));
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
}

/* SDM 2A, INVPCID */
TEST_F(pcid, refused)
{
	/* Without PCIDs there is one context. */
	remap(self, CONTEXT, 1, 0);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	remap(self, CONTEXT, 0, 0);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));

	ASSERT_EQ(NO_FAULT, write_cr(self, 3, GUEST_PML4));
	ASSERT_EQ(NO_FAULT, write_cr(self, 4, self->cr4 | CR4_PCIDE));
	remap(self, ALL + 1, 0, 0);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	remap(self, CONTEXT, 0x1000, 0);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	remap(self, ADDRESS, 1, 1UL << 62);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
}

/* What an operating system does at each switch of processes */
TEST_F(pcid, no_exits)
{
	uint64_t before, calls;

	if (device_is_kvm())
		SKIP(return, "KVM has no counter for each exit");
	ASSERT_EQ(NO_FAULT, write_cr(self, 4, self->cr4 | CR4_PCIDE));
	before = vcpu_exits(self->vcpu);
	guest_call(self->vcpu, "switch_pcids", GUEST_PML4 | 1 | CR3_NOFLUSH,
		   GUEST_PML4 | 2 | CR3_NOFLUSH, 1);
	calls = vcpu_exits(self->vcpu) - before;
	before = vcpu_exits(self->vcpu);
	guest_call(self->vcpu, "switch_pcids", GUEST_PML4 | 1 | CR3_NOFLUSH,
		   GUEST_PML4 | 2 | CR3_NOFLUSH, ROUNDS);
	EXPECT_EQ(calls, vcpu_exits(self->vcpu) - before);
	/* The second time its memory is mapped. */
	remap(self, CONTEXT, 2, 0);
	before = vcpu_exits(self->vcpu);
	remap(self, CONTEXT, 2, 0);
	/* write_cr3() and remap_invpcid() */
	EXPECT_EQ(2 * calls, vcpu_exits(self->vcpu) - before);
}

TEST_HARNESS_MAIN
