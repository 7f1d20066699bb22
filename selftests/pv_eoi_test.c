// SPDX-License-Identifier: GPL-2.0-only
/*
 * PV EOI: the guest ends an interrupt by clearing a bit in its memory.
 */
#include <asm/kvm_para.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define WORD		GUEST_FREE
#define IPIS		100
#define VECTOR		0x52

FIXTURE(pv_eoi)
{
	struct vm *vm;
	struct vcpu *vcpu;
	volatile uint32_t *word;
};

FIXTURE_SETUP(pv_eoi)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "pv");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->word = (void *)(self->vm->ram + WORD);
}

FIXTURE_TEARDOWN(pv_eoi)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static bool in_service(FIXTURE_DATA(pv_eoi) *self)
{
	return lapic_reg(self->vcpu, APIC_ISR + VECTOR / 32 * 0x10) & 1U << VECTOR % 32;
}

TEST_F(pv_eoi, msr)
{
	struct hv_cpuid2 *c = supported_cpuid(self->vm);
	uint64_t val;

	EXPECT_TRUE(cpuid_entry(c, KVM_CPUID_FEATURES, 0)->eax & 1U << KVM_FEATURE_PV_EOI);
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_PV_EOI_EN, WORD | 1);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_KVM_PV_EOI_EN, &val));
	EXPECT_EQ(WORD | 1, val);
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_PV_EOI_EN, WORD | 3);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	free(c);
}

/* Each interrupt is ended exactly once, by the bit or by an EOI. */
TEST_F(pv_eoi, ends_interrupts)
{
	uint64_t by_bit;

	guest_call(self->vcpu, "wrmsr_", MSR_KVM_PV_EOI_EN, WORD | 1);
	by_bit = guest_call(self->vcpu, "self_ipis", IPIS, WORD);
	TH_LOG("%lu of %u by the bit", by_bit, IPIS);
	EXPECT_EQ(IPIS, guest_u64(self->vm, "irq_total"));
	EXPECT_FALSE(in_service(self));
	EXPECT_EQ(0, *self->word);
	if (!device_is_kvm())
		EXPECT_EQ(by_bit, vcpu_stat(self->vcpu, "pv_eois"));
	if (!by_bit)
		SKIP(return, "this processor takes EOIs itself");
	EXPECT_LT(IPIS / 2, by_bit);

	/* Off: every EOI is an EOI. */
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_PV_EOI_EN, 0);
	EXPECT_EQ(0, guest_call(self->vcpu, "self_ipis", IPIS, WORD));
	EXPECT_EQ(2 * IPIS, guest_u64(self->vm, "irq_total"));
	EXPECT_FALSE(in_service(self));
}

/* An interrupt that waits for the EOI takes the offer back: the guest signals EOI itself. */
TEST_F(pv_eoi, taken_back)
{
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_PV_EOI_EN, WORD | 1);
	EXPECT_EQ(0, guest_call(self->vcpu, "self_ipis", IPIS, WORD, 1));
	EXPECT_EQ(2 * IPIS, guest_u64(self->vm, "irq_total"));
	EXPECT_FALSE(in_service(self));
}

/* Without memory there the guest still gets its interrupts. */
TEST_F(pv_eoi, no_memory)
{
	guest_call(self->vcpu, "wrmsr_", MSR_KVM_PV_EOI_EN, GUEST_MMIO | 1);
	EXPECT_EQ(0, guest_call(self->vcpu, "self_ipis", 10, WORD));
	EXPECT_EQ(10, guest_u64(self->vm, "irq_total"));
	EXPECT_FALSE(in_service(self));
}

TEST_HARNESS_MAIN
