// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs from the guest's side: RDMSR and WRMSR of known ones work, of unknown
 * ones and with impossible values raise #GP, and the effects are the processor's.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(msr)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(msr)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "insn");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(msr)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static uint64_t rd(FIXTURE_DATA(msr) *self, uint32_t index)
{
	return guest_call(self->vcpu, "rdmsr_", index);
}

static int wr(FIXTURE_DATA(msr) *self, uint32_t index, uint64_t value)
{
	guest_call(self->vcpu, "wrmsr_", index, value);
	return guest_fault(self->vm);
}

/* What a kernel reads early in its boot. */
TEST_F(msr, readable)
{
	static const uint32_t known[] = {
		MSR_TSC, MSR_APIC_BASE, 0x8b, 0xfe, MSR_SYSENTER_CS, MSR_MCG_CAP, 0x17a,
		MSR_MISC_ENABLE, MSR_PAT, 0x2ff, 0x400, MSR_EFER, MSR_STAR, MSR_LSTAR,
		MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(known); i++) {
		rd(self, known[i]);
		EXPECT_EQ(NO_FAULT, guest_fault(self->vm)) {
			TH_LOG("MSR %#x", known[i]);
		}
	}
	EXPECT_EQ(EFER_LME | EFER_LMA, rd(self, MSR_EFER));
	EXPECT_EQ(GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_BSP, rd(self, MSR_APIC_BASE));
}

TEST_F(msr, unknown)
{
	static const uint32_t unknown[] = { 0x12345, 0x1fff, 0x2000, 0xc0001fff, 0xc0002000,
					    0xffffffff, 0xbfffffff };
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(unknown); i++) {
		rd(self, unknown[i]);
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm)) {
			TH_LOG("RDMSR %#x", unknown[i]);
		}
		EXPECT_EQ(0, guest_u64(self->vm, "fault_error"));
		EXPECT_EQ(GP_VECTOR, wr(self, unknown[i], 0)) {
			TH_LOG("WRMSR %#x", unknown[i]);
		}
		EXPECT_EQ(0, guest_u64(self->vm, "fault_error"));
	}
}

TEST_F(msr, round_trip)
{
	static const struct { uint32_t index; uint64_t value; } t[] = {
		{ MSR_SYSENTER_CS, 0x10 }, { MSR_SYSENTER_ESP, 0x123456 },
		{ MSR_SYSENTER_EIP, 0x7890 }, { MSR_STAR, 0x0023001000000000 },
		{ MSR_LSTAR, 0xffffffff81000000 }, { MSR_CSTAR, 0xffffffff81000040 },
		{ MSR_SFMASK, 0x47700 }, { MSR_KERNEL_GS_BASE, 0xffff888000000000 },
		{ MSR_FS_BASE, 0x7fff00000000 }, { MSR_GS_BASE, 0xffff888000001000 },
		{ MSR_PAT, 0x0007010600070106 }, { MSR_TSC_AUX, 0x1005 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(t); i++)
		EXPECT_EQ(NO_FAULT, wr(self, t[i].index, t[i].value)) {
			TH_LOG("MSR %#x", t[i].index);
		}
	for (i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t value;

		EXPECT_EQ(t[i].value, rd(self, t[i].index)) {
			TH_LOG("MSR %#x, the guest's view", t[i].index);
		}
		ASSERT_EQ(1, vcpu_get_msr(self->vcpu, t[i].index, &value));
		EXPECT_EQ(t[i].value, value) {
			TH_LOG("MSR %#x, the VMM's view", t[i].index);
		}
		ASSERT_EQ(1, vcpu_set_msr(self->vcpu, t[i].index, 0));
		EXPECT_EQ(0, rd(self, t[i].index));
	}
}

/* Without a LAPIC in the kernel, too; the VMM that has one finds the value in the run page. */
TEST_F(msr, apic_base)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t base, moved = 0x80000000;

	vm_load(vm, "insn");
	vcpu_long_mode(vcpu, NULL);
	base = guest_call(vcpu, "rdmsr_", MSR_APIC_BASE);
	EXPECT_EQ(GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_BSP, base);
	moved |= base & 0xfff;
	guest_call(vcpu, "wrmsr_", MSR_APIC_BASE, base);
	EXPECT_EQ(NO_FAULT, guest_fault(vm));
	guest_call(vcpu, "wrmsr_", MSR_APIC_BASE, moved);
	EXPECT_EQ(NO_FAULT, guest_fault(vm));
	EXPECT_EQ(moved, guest_call(vcpu, "rdmsr_", MSR_APIC_BASE));
	EXPECT_EQ(moved, vcpu->run->apic_base);
	/* Reserved bits; x2APIC without xAPIC (SDM 3A 11.12.5) */
	guest_call(vcpu, "wrmsr_", MSR_APIC_BASE, moved | 1);
	EXPECT_EQ(GP_VECTOR, guest_fault(vm));
	guest_call(vcpu, "wrmsr_", MSR_APIC_BASE, moved ^ APIC_BASE_ENABLE ^ APIC_BASE_EXTD);
	EXPECT_EQ(GP_VECTOR, guest_fault(vm));
	EXPECT_EQ(moved, vcpu->run->apic_base);
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F(msr, impossible_values)
{
	EXPECT_EQ(GP_VECTOR, wr(self, MSR_PAT, 0x0207040600070406));
	EXPECT_EQ(GP_VECTOR, wr(self, MSR_PAT, 0x0807040600070406));
	EXPECT_EQ(GP_VECTOR, wr(self, MSR_EFER, EFER_LME | EFER_LMA | 1UL << 1));
	EXPECT_EQ(GP_VECTOR, wr(self, MSR_EFER, 1UL << 63));
	/* LME can't change while paging is on (SDM 3A 10.8.5.1). */
	EXPECT_EQ(GP_VECTOR, wr(self, MSR_EFER, 0));
	EXPECT_EQ(GP_VECTOR, wr(self, MSR_APIC_BASE, 1UL << 60));
	EXPECT_EQ(EFER_LME | EFER_LMA, rd(self, MSR_EFER));
}

/* Registers that hold an address (SDM 3A 3.3.7.1, APM 2 5.3.1). */
TEST_F(msr, not_canonical)
{
	static const uint32_t addresses[] = {
		MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
		/* AMD's have 32 bits, for SYSENTER is not in long mode there (APM 2 6.1.2). */
		MSR_SYSENTER_EIP, MSR_SYSENTER_ESP,
	};
	unsigned int n = ARRAY_LEN(addresses) - (cpu_is_intel() ? 0 : 2);
	unsigned int i;

	/* Most are the processor's own business, which isn't asked. */
	if (cpu_is_tcg())
		SKIP(return, "TCG takes any value");
	for (i = 0; i < n; i++) {
		EXPECT_EQ(GP_VECTOR, wr(self, addresses[i], 1UL << 47)) {
			TH_LOG("MSR %#x", addresses[i]);
		}
		EXPECT_EQ(GP_VECTOR, wr(self, addresses[i], 1UL << 62));
	}
}

/* Not the host's: a guest can't reach what hv uses itself. */
TEST_F(msr, host_only)
{
	static const uint32_t host[] = { 0x480, 0x48b };	/* VMX capabilities */
	unsigned int i;

	if (check_cap(self->vm->fd, HV_CAP_NESTED_STATE))
		SKIP(return, "nested virtualization: the guest has them");
	for (i = 0; i < ARRAY_LEN(host); i++) {
		rd(self, host[i]);
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm)) {
			TH_LOG("MSR %#x", host[i]);
		}
		EXPECT_EQ(GP_VECTOR, wr(self, host[i], 0));
	}
}

TEST_F(msr, efer_bits)
{
	EXPECT_EQ(NO_FAULT, wr(self, MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE | EFER_NX));
	EXPECT_EQ(EFER_LME | EFER_LMA | EFER_SCE | EFER_NX, vcpu_sregs(self->vcpu).efer);
	EXPECT_EQ(NO_FAULT, wr(self, MSR_EFER, EFER_LME | EFER_LMA));
	/* LMA is the processor's: writing 0 doesn't clear it. */
	EXPECT_EQ(NO_FAULT, wr(self, MSR_EFER, EFER_LME));
	EXPECT_EQ(EFER_LME | EFER_LMA, rd(self, MSR_EFER));
}

/* SYSCALL goes where LSTAR says. */
TEST_F(msr, syscall)
{
	EXPECT_EQ(NO_FAULT, wr(self, MSR_STAR, (uint64_t)SEL_CODE64 << 32));
	EXPECT_EQ(NO_FAULT, wr(self, MSR_LSTAR, guest_sym(self->vm, "syscall_target")));
	EXPECT_EQ(NO_FAULT, wr(self, MSR_SFMASK, 0));
	EXPECT_EQ(NO_FAULT, wr(self, MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE));
	EXPECT_EQ(guest_sym(self->vm, "syscall_return"), guest_call(self->vcpu, "syscall_"));
	/* The host's own SYSCALL still works: this is one. */
	EXPECT_EQ(getpid(), getpid());
	EXPECT_EQ(guest_sym(self->vm, "syscall_return"), guest_call(self->vcpu, "syscall_"));
}

/* Two vCPUs of two VMs on one CPU: each has its own. */
TEST_F(msr, not_shared)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu;
	unsigned int i;

	vm_load(vm, "insn");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	for (i = 1; i < 20; i++) {
		guest_call(self->vcpu, "wrmsr_", MSR_KERNEL_GS_BASE, 0x1000 * i);
		guest_call(vcpu, "wrmsr_", MSR_KERNEL_GS_BASE, 0x2000 * i);
		guest_call(self->vcpu, "wrmsr_", MSR_LSTAR, 0x3000 * i);
		guest_call(vcpu, "wrmsr_", MSR_LSTAR, 0x4000 * i);
		guest_call(self->vcpu, "wrmsr_", MSR_TSC_AUX, i);
		guest_call(vcpu, "wrmsr_", MSR_TSC_AUX, i + 100);
		EXPECT_EQ(0x1000 * i, guest_call(self->vcpu, "rdmsr_", MSR_KERNEL_GS_BASE));
		EXPECT_EQ(0x2000 * i, guest_call(vcpu, "rdmsr_", MSR_KERNEL_GS_BASE));
		EXPECT_EQ(0x3000 * i, guest_call(self->vcpu, "rdmsr_", MSR_LSTAR));
		EXPECT_EQ(0x4000 * i, guest_call(vcpu, "rdmsr_", MSR_LSTAR));
		EXPECT_EQ(i, guest_call(self->vcpu, "rdmsr_", MSR_TSC_AUX));
		EXPECT_EQ(i + 100, guest_call(vcpu, "rdmsr_", MSR_TSC_AUX));
	}
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F(msr, swapgs)
{
	*(uint64_t *)(self->vm->ram + GUEST_FREE) = 0xaaaa;
	*(uint64_t *)(self->vm->ram + GUEST_FREE + PAGE) = 0xbbbb;
	wr(self, MSR_GS_BASE, GUEST_FREE);
	wr(self, MSR_KERNEL_GS_BASE, GUEST_FREE + PAGE);
	EXPECT_EQ(0xaaaa, guest_call(self->vcpu, "read_gs", 0));
	guest_call(self->vcpu, "swapgs_");
	EXPECT_EQ(0xbbbb, guest_call(self->vcpu, "read_gs", 0));
	EXPECT_EQ(GUEST_FREE, rd(self, MSR_KERNEL_GS_BASE));
	EXPECT_EQ(GUEST_FREE + PAGE, vcpu_sregs(self->vcpu).gs.base);
}

TEST_HARNESS_MAIN
