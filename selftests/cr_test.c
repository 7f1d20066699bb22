// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's accesses to control registers: values, refusals (SDM 3A 2.5)
 * and effects.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

/* QEMU 7.2's TCG truncates what a guest moves to a control register and checks nothing. */
#define NEED_CHECKING_CPU()						\
	do {								\
		if (cpu_is_tcg())					\
			SKIP(return, "TCG checks no value of a control register"); \
	} while (0)

FIXTURE(cr)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_VARIANT(cr)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(cr, irqchip) { .flags = VM_IRQCHIP };
FIXTURE_VARIANT_ADD(cr, no_irqchip) { .flags = 0 };

FIXTURE_SETUP(cr)
{
	self->vm = vm_create(variant->flags);
	vm_load(self->vm, "cr");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(cr)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static int write_cr(FIXTURE_DATA(cr) *self, unsigned int n, uint64_t value)
{
	char name[16];

	snprintf(name, sizeof(name), "write_cr%u", n);
	guest_call(self->vcpu, name, value);
	return guest_fault(self->vm);
}

TEST_F(cr, reads)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	s.cr2 = 0x123456789a;
	vcpu_set_sregs(self->vcpu, &s);
	EXPECT_EQ(s.cr0, guest_call(self->vcpu, "read_cr0"));
	EXPECT_EQ(s.cr2, guest_call(self->vcpu, "read_cr2"));
	EXPECT_EQ(s.cr3, guest_call(self->vcpu, "read_cr3"));
	EXPECT_EQ(s.cr4, guest_call(self->vcpu, "read_cr4"));
	EXPECT_EQ(s.cr0, guest_call(self->vcpu, "read_cr0_r9"));
	EXPECT_EQ(s.cr3, guest_call(self->vcpu, "read_cr3_rsp"));
	EXPECT_EQ(s.cr0, guest_call(self->vcpu, "smsw"));
}

TEST_F(cr, cr2_is_the_guests)
{
	EXPECT_EQ(NO_FAULT, write_cr(self, 2, 0xffff123400000000));
	EXPECT_EQ(0xffff123400000000, guest_call(self->vcpu, "read_cr2"));
	EXPECT_EQ(0xffff123400000000, vcpu_sregs(self->vcpu).cr2);
}

TEST_F(cr, cr0_bits)
{
	uint64_t cr0 = guest_call(self->vcpu, "read_cr0");

	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 ^ CR0_WP));
	EXPECT_EQ(cr0 ^ CR0_WP, guest_call(self->vcpu, "read_cr0"));
	EXPECT_EQ(cr0 ^ CR0_WP, vcpu_sregs(self->vcpu).cr0);
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 | CR0_AM | CR0_TS));
	EXPECT_EQ(cr0 | CR0_AM | CR0_TS, guest_call(self->vcpu, "read_cr0"));
	/* Caches off: the guest sees what it wrote. */
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 | CR0_CD));
	EXPECT_EQ(cr0 | CR0_CD, guest_call(self->vcpu, "read_cr0"));
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 | CR0_CD | CR0_NW));
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0));
	/* ET can't be cleared. */
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 & ~CR0_ET));
	EXPECT_EQ(cr0, guest_call(self->vcpu, "read_cr0"));
	/* NE is the guest's, though VMX wants it set. */
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 & ~CR0_NE));
	EXPECT_EQ(cr0 & ~CR0_NE, guest_call(self->vcpu, "read_cr0"));
}

TEST_F(cr, cr0_refused)
{
	uint64_t cr0 = guest_call(self->vcpu, "read_cr0");

	NEED_CHECKING_CPU();
	EXPECT_EQ(GP_VECTOR, write_cr(self, 0, cr0 | 1UL << 32));
	EXPECT_EQ(GP_VECTOR, write_cr(self, 0, cr0 | CR0_NW));
	EXPECT_EQ(GP_VECTOR, write_cr(self, 0, cr0 & ~CR0_PE));
	/* Paging can't be switched off in 64-bit code (SDM 3A 10.8.5.4 has why). */
	EXPECT_EQ(GP_VECTOR, write_cr(self, 0, cr0 & ~(CR0_PE | CR0_PG)));
	EXPECT_EQ(0, guest_u64(self->vm, "fault_error"));
	EXPECT_EQ(cr0, guest_call(self->vcpu, "read_cr0"));
}

TEST_F(cr, cr4_refused)
{
	uint64_t cr4 = guest_call(self->vcpu, "read_cr4");

	NEED_CHECKING_CPU();
	EXPECT_EQ(GP_VECTOR, write_cr(self, 4, cr4 & ~CR4_PAE));
	EXPECT_EQ(GP_VECTOR, write_cr(self, 4, cr4 | 1UL << 63));
	EXPECT_EQ(GP_VECTOR, write_cr(self, 4, cr4 | 1UL << 31));
	EXPECT_EQ(GP_VECTOR, write_cr(self, 4, cr4 | 1UL << 15));
	guest_call(self->vcpu, "write_cr4_r15", cr4 | 1UL << 63);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	if (!check_cap(self->vm->fd, HV_CAP_NESTED_STATE))
		EXPECT_EQ(GP_VECTOR, write_cr(self, 4, cr4 | CR4_VMXE));
	EXPECT_EQ(cr4, guest_call(self->vcpu, "read_cr4"));
}

TEST_F(cr, cr4_bits)
{
	uint64_t cr4 = guest_call(self->vcpu, "read_cr4");
	static const uint64_t bits[] = { CR4_PGE, CR4_DE, CR4_TSD, CR4_PSE, CR4_OSFXSR };
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(bits); i++) {
		EXPECT_EQ(NO_FAULT, write_cr(self, 4, cr4 ^ bits[i]));
		EXPECT_EQ(cr4 ^ bits[i], guest_call(self->vcpu, "read_cr4"));
		EXPECT_EQ(cr4 ^ bits[i], vcpu_sregs(self->vcpu).cr4);
	}
}

/* A CR4 bit whose feature the guest's CPUID doesn't have is reserved. */
TEST_F(cr, cr4_without_cpuid)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu = vcpu_create_nocpuid(vm, 0);
	struct hv_cpuid2 *c = supported_cpuid(vm);
	uint64_t cr4;

	vm_load(vm, "cr");
	cpuid_entry(c, 1, 0)->ecx &= ~(1U << 26);	/* XSAVE */
	must(hv_ioctl(vcpu->fd, HV_SET_CPUID2, c));
	vcpu_long_mode(vcpu, NULL);
	cr4 = guest_call(vcpu, "read_cr4");
	guest_call(vcpu, "write_cr4", cr4 | CR4_OSXSAVE);
	EXPECT_EQ(GP_VECTOR, guest_fault(vm));
	vcpu_free(vcpu);
	vm_free(vm);
}

/* Cached translations are dropped only by what makes them wrong (SDM 3A 4.10.4.1). */
TEST_F(cr, flushes)
{
	uint64_t cr0 = guest_call(self->vcpu, "read_cr0");
	uint64_t cr4 = guest_call(self->vcpu, "read_cr4");
	uint64_t flushes;

	if (device_is_kvm())
		SKIP(return, "KVM counts flushes for other reasons together with these");
	flushes = vcpu_stat(self->vcpu, "tlb_guest_flushes");
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 ^ CR0_WP));
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0));
	EXPECT_EQ(flushes, vcpu_stat(self->vcpu, "tlb_guest_flushes"));
	EXPECT_EQ(NO_FAULT, write_cr(self, 4, cr4 ^ CR4_PSE));
	EXPECT_EQ(flushes + 1, vcpu_stat(self->vcpu, "tlb_guest_flushes"));
	EXPECT_EQ(NO_FAULT, write_cr(self, 4, cr4));
	EXPECT_EQ(flushes + 2, vcpu_stat(self->vcpu, "tlb_guest_flushes"));
}

TEST_F(cr, cr3_refused)
{
	NEED_CHECKING_CPU();
	EXPECT_EQ(GP_VECTOR, write_cr(self, 3, GUEST_PML4 | 1UL << 62));
	EXPECT_EQ(GUEST_PML4, guest_call(self->vcpu, "read_cr3"));
	/* PWT and PCD are ignored bits of it. */
	EXPECT_EQ(NO_FAULT, write_cr(self, 3, GUEST_PML4 | 0x18));
	EXPECT_EQ(GUEST_PML4 | 0x18, guest_call(self->vcpu, "read_cr3"));
}

TEST_F(cr, cr8)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		guest_start(self->vcpu, "write_cr8", 1, (uint64_t[]){ i });
		/* Without a LAPIC KVM reports each lowering to the VMM. */
		while (vcpu_run(self->vcpu) == HV_EXIT_SET_TPR)
			;
		EXPECT_EQ(PORT_DONE, self->vcpu->run->io.port);
		EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
		EXPECT_EQ(i, self->vcpu->run->cr8);
		EXPECT_EQ(i, guest_call(self->vcpu, "read_cr8"));
		EXPECT_EQ(i, vcpu_sregs(self->vcpu).cr8);
		if (self->vm->irqchip)
			EXPECT_EQ(i << 4, lapic_reg(self->vcpu, APIC_TPR));
	}
}

TEST_F(cr, cr8_refused)
{
	NEED_CHECKING_CPU();
	EXPECT_EQ(GP_VECTOR, write_cr(self, 8, 16));
	/* Without a LAPIC KVM looks at the low byte only. */
	if (self->vm->irqchip || !device_is_kvm())
		EXPECT_EQ(GP_VECTOR, write_cr(self, 8, 1UL << 63));
}

/* Lowering CR8 without an in-kernel LAPIC: HV_EXIT_SET_TPR. */
TEST_F(cr, set_tpr_exit)
{
	unsigned int tpr_exits = 0;

	if (self->vm->irqchip)
		SKIP(return, "the LAPIC has it");
	self->vcpu->run->cr8 = 9;
	guest_start(self->vcpu, "write_cr8", 1, (uint64_t[]){ 2 });
	while (vcpu_run(self->vcpu) == HV_EXIT_SET_TPR) {
		tpr_exits++;
		EXPECT_EQ(2, self->vcpu->run->cr8);
	}
	/* AMD's processors keep CR8 to themselves. */
	if (cpu_is_intel())
		EXPECT_EQ(1, tpr_exits);
	EXPECT_EQ(2, self->vcpu->run->cr8);
}

TEST_F(cr, no_such_register)
{
	guest_call(self->vcpu, "read_cr1");
	EXPECT_EQ(UD_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "write_cr5");
	EXPECT_EQ(UD_VECTOR, guest_fault(self->vm));
}

TEST_F(cr, lmsw_clts)
{
	uint64_t cr0 = guest_call(self->vcpu, "read_cr0");

	guest_call(self->vcpu, "lmsw", (cr0 & 0xf) | CR0_TS);
	EXPECT_EQ(cr0 | CR0_TS, guest_call(self->vcpu, "read_cr0"));
	/* LMSW can't clear PE (SDM 2A LMSW). */
	guest_call(self->vcpu, "lmsw", CR0_TS);
	EXPECT_EQ(CR0_PE, guest_call(self->vcpu, "read_cr0") & CR0_PE);
	guest_call(self->vcpu, "clts");
	EXPECT_EQ(0, guest_call(self->vcpu, "read_cr0") & CR0_TS);
}

/* TS: the next FPU instruction raises #NM, whatever the host does with the FPU. */
TEST_F(cr, task_switched)
{
	uint64_t cr0 = guest_call(self->vcpu, "read_cr0");

	guest_call(self->vcpu, "use_sse");
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 | CR0_TS));
	guest_call(self->vcpu, "use_x87");
	EXPECT_EQ(NM_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "use_sse");
	EXPECT_EQ(NM_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "clts");
	guest_call(self->vcpu, "use_sse");
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, (cr0 | CR0_EM) & ~CR0_MP));
	guest_call(self->vcpu, "use_sse");
	EXPECT_EQ(UD_VECTOR, guest_fault(self->vm));
}

/* The kernel can write read-only pages unless WP is set. */
TEST_F(cr, write_protect)
{
	uint64_t *pd = (uint64_t *)(self->vm->ram + GUEST_PD);
	uint64_t cr0 = guest_call(self->vcpu, "read_cr0"), va = 8 << 21;

	pd[8] = 0 | 0xe5;	/* present, user, large; not writable */
	guest_call(self->vcpu, "store", va + GUEST_FREE, 1);
	EXPECT_EQ(PF_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(3, guest_u64(self->vm, "fault_error"));
	EXPECT_EQ(NO_FAULT, write_cr(self, 0, cr0 & ~CR0_WP));
	guest_call(self->vcpu, "store", va + GUEST_FREE, 0x77);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(0x77, *(uint64_t *)(self->vm->ram + GUEST_FREE));
}

/* What the guest maps elsewhere it sees after INVLPG, MOV to CR3 or PGE. */
TEST_F(cr, tlb)
{
	static const char * const ways[] = { "remap_invlpg", "remap_cr3", "remap_pge" };
	uint64_t *pd = (uint64_t *)(self->vm->ram + GUEST_PD);
	uint64_t va = 8 << 21;
	unsigned int i;

	*(uint64_t *)(self->vm->ram + GUEST_FREE) = 0x1111;
	*(uint64_t *)(self->vm->ram + 0x200000 + GUEST_FREE) = 0x2222;
	for (i = 0; i < ARRAY_LEN(ways); i++) {
		/* The entry says global, but PGE is off: MOV to CR3 flushes all the same. */
		pd[8] = 0 | 0xe7;
		guest_call(self->vcpu, "write_cr3", GUEST_PML4);
		EXPECT_EQ(0x2222, guest_call(self->vcpu, ways[i], GUEST_PD + 8 * 8,
					     0x200000 | 0xe7, va + GUEST_FREE)) {
			TH_LOG("%s", ways[i]);
		}
	}
}

/* A new CR3 from the VMM: nothing of the old translations is left. */
TEST_F(cr, new_cr3_from_vmm)
{
	uint64_t *pml4 = (uint64_t *)(self->vm->ram + 0x100000);
	uint64_t *pdpt = (uint64_t *)(self->vm->ram + 0x101000);
	uint64_t *pd = (uint64_t *)(self->vm->ram + 0x102000);
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	unsigned int i;

	memcpy(pml4, self->vm->ram + GUEST_PML4, PAGE);
	memcpy(pdpt, self->vm->ram + GUEST_PDPT, PAGE);
	memcpy(pd, self->vm->ram + GUEST_PD, PAGE);
	pml4[0] = 0x101007;
	pdpt[0] = 0x102007;
	pd[8] = 0x200000 | 0xe7;
	((uint64_t *)(self->vm->ram + GUEST_PD))[8] = 0 | 0xe7;
	*(uint64_t *)(self->vm->ram + GUEST_FREE) = 0x1111;
	*(uint64_t *)(self->vm->ram + 0x200000 + GUEST_FREE) = 0x2222;
	for (i = 0; i < 4; i++) {
		s.cr3 = i & 1 ? 0x100000 : GUEST_PML4;
		vcpu_set_sregs(self->vcpu, &s);
		EXPECT_EQ(i & 1 ? 0x2222 : 0x1111,
			  guest_call(self->vcpu, "load", (8 << 21) + GUEST_FREE));
	}
}

TEST_HARNESS_MAIN
