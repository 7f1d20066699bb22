// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: registers through its page and, in x2APIC mode, through MSRs;
 * self-IPIs; HV_GET/SET_LAPIC.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define ICR_SELF	(1U << 18)
#define X2APIC(reg)	(0x800 + (reg) / 16)

FIXTURE(lapic)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint32_t *count;
};

FIXTURE_SETUP(lapic)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
}

FIXTURE_TEARDOWN(lapic)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static uint32_t rd(FIXTURE_DATA(lapic) *self, unsigned int reg)
{
	return guest_call(self->vcpu, "apic_read", reg);
}

static void wr(FIXTURE_DATA(lapic) *self, unsigned int reg, uint32_t value)
{
	guest_call(self->vcpu, "apic_write", reg, value);
}

static bool x2apic(FIXTURE_DATA(lapic) *self)
{
	struct hv_cpuid2 *c = supported_cpuid(self->vm);
	bool yes = cpuid_entry(c, 1, 0)->ecx & 1U << 21;

	free(c);
	return yes;
}

TEST_F(lapic, guest_sees_what_the_vmm_sees)
{
	static const unsigned int regs[] = {
		APIC_ID, APIC_VERSION, APIC_TPR, APIC_LDR, APIC_DFR, APIC_SVR,
		APIC_LVT_TIMER, APIC_LVT_LINT0, APIC_LVT_LINT1, APIC_LVT_ERROR,
		APIC_TIMER_INIT, APIC_TIMER_DIVIDE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(regs); i++)
		EXPECT_EQ(lapic_reg(self->vcpu, regs[i]), rd(self, regs[i])) {
			TH_LOG("register %#x", regs[i]);
		}
}

TEST_F(lapic, writes)
{
	/* KVM on AMD keeps the priority in CR8, which has four bits. */
	uint32_t tpr = cpu_is_intel() ? 0x35 : 0x30;

	wr(self, APIC_SVR, 0x1ff);
	EXPECT_EQ(0x1ff, rd(self, APIC_SVR));
	wr(self, APIC_TPR, tpr);
	EXPECT_EQ(tpr, rd(self, APIC_TPR));
	EXPECT_EQ(3, vcpu_sregs(self->vcpu).cr8);
	EXPECT_EQ(tpr, rd(self, APIC_PPR));
	wr(self, APIC_LDR, 0x42000000);
	EXPECT_EQ(0x42000000, rd(self, APIC_LDR));
	wr(self, APIC_LVT_LINT1, 0x400);
	EXPECT_EQ(0x400, rd(self, APIC_LVT_LINT1));
	/* Read-only and reserved bits stay. */
	wr(self, APIC_VERSION, 0);
	EXPECT_EQ(0x14, rd(self, APIC_VERSION) & 0xff);
	wr(self, APIC_LVT_ERROR, 0xffffffff);
	EXPECT_EQ(0, rd(self, APIC_LVT_ERROR) & 0xfffe0000);
	wr(self, APIC_TIMER_DIVIDE, 0xffffffff);
	EXPECT_EQ(0xb, rd(self, APIC_TIMER_DIVIDE) & 0xb);
}

/* Switching it off by software masks the LVTs (SDM 3A 11.4.7.2). */
TEST_F(lapic, software_disable)
{
	wr(self, APIC_SVR, 0x1ff);
	wr(self, APIC_LVT_ERROR, 0x66);
	EXPECT_EQ(0x66, rd(self, APIC_LVT_ERROR));
	wr(self, APIC_SVR, 0xff);
	EXPECT_EQ(0x10066, rd(self, APIC_LVT_ERROR));
}

TEST_F(lapic, self_ipi)
{
	wr(self, APIC_SVR, 0x1ff);
	EXPECT_EQ(1, guest_call(self->vcpu, "apic_write_then_window", APIC_ICR,
				ICR_SELF | 0x77));
	EXPECT_EQ(1, self->count[0x77]);
	/* To its own id. */
	wr(self, APIC_ICR2, 0);
	EXPECT_EQ(2, guest_call(self->vcpu, "apic_write_then_window", APIC_ICR, 0x78));
	EXPECT_EQ(1, self->count[0x78]);
	/* All including self. */
	EXPECT_EQ(3, guest_call(self->vcpu, "apic_write_then_window", APIC_ICR,
				2U << 18 | 0x79));
	/* All excluding self. */
	EXPECT_EQ(3, guest_call(self->vcpu, "apic_write_then_window", APIC_ICR,
				3U << 18 | 0x7a));
	/* It's sent at once: not busy. */
	EXPECT_EQ(0, rd(self, APIC_ICR) & 1U << 12);
}

/* In service until EOI: a second of the same class waits. */
TEST_F(lapic, in_service)
{
	wr(self, APIC_SVR, 0x1ff);
	guest_u32(self->vm, "eoi") = 0;
	EXPECT_EQ(1, guest_call(self->vcpu, "apic_write_then_window", APIC_ICR,
				ICR_SELF | 0x77));
	EXPECT_EQ(1U << (0x77 % 32), rd(self, APIC_ISR + 0x77 / 32 * 16));
	EXPECT_EQ(0x70, rd(self, APIC_PPR));
	EXPECT_EQ(1, guest_call(self->vcpu, "apic_write_then_window", APIC_ICR,
				ICR_SELF | 0x71));
	EXPECT_EQ(1U << (0x71 % 32), rd(self, APIC_IRR + 0x71 / 32 * 16));
	/* A higher class isn't held up. */
	EXPECT_EQ(2, guest_call(self->vcpu, "apic_write_then_window", APIC_ICR,
				ICR_SELF | 0x81));
	/* An EOI is of the highest vector in service. */
	wr(self, APIC_EOI, 0);
	EXPECT_EQ(0, rd(self, APIC_ISR + 0x81 / 32 * 16));
	EXPECT_EQ(1U << (0x77 % 32), rd(self, APIC_ISR + 0x77 / 32 * 16));
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	wr(self, APIC_EOI, 0);
	EXPECT_EQ(3, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x71]);
	wr(self, APIC_EOI, 0);
	EXPECT_EQ(0, rd(self, APIC_PPR));
}

TEST_F(lapic, x2apic_mode)
{
	uint64_t base;

	if (!x2apic(self))
		SKIP(return, "no x2APIC");
	wr(self, APIC_SVR, 0x1ff);
	/* In xAPIC mode the MSRs raise #GP. */
	guest_call(self->vcpu, "x2apic_read", X2APIC(APIC_ID));
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "x2apic_write", MSR_APIC_BASE,
		   GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_EXTD | APIC_BASE_BSP);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	base = vcpu_sregs(self->vcpu).apic_base;
	EXPECT_EQ(APIC_BASE_EXTD, base & APIC_BASE_EXTD);
	EXPECT_EQ(0, guest_call(self->vcpu, "x2apic_read", X2APIC(APIC_ID)));
	EXPECT_EQ(0x1ff, guest_call(self->vcpu, "x2apic_read", X2APIC(APIC_SVR)));
	EXPECT_EQ(1, guest_call(self->vcpu, "x2apic_read", X2APIC(APIC_LDR)));
	guest_call(self->vcpu, "x2apic_write", X2APIC(APIC_TPR), 0x20);
	EXPECT_EQ(0x20, guest_call(self->vcpu, "x2apic_read", X2APIC(APIC_TPR)));
	guest_call(self->vcpu, "x2apic_write", X2APIC(APIC_TPR), 0);
	/* Registers that x2APIC hasn't, reserved bits, writes to read-only ones. */
	guest_call(self->vcpu, "x2apic_read", X2APIC(APIC_DFR));
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "x2apic_read", X2APIC(APIC_ICR2));
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "x2apic_write", X2APIC(APIC_SVR), 1UL << 32);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	guest_call(self->vcpu, "x2apic_write", X2APIC(APIC_ID), 5);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	/* Self IPI register, and ICR as one MSR. */
	guest_u32(self->vm, "eoi") = 2;
	EXPECT_EQ(1, guest_call(self->vcpu, "x2apic_write_then_window", 0x83f, 0x88));
	EXPECT_EQ(1, self->count[0x88]);
	EXPECT_EQ(2, guest_call(self->vcpu, "x2apic_write_then_window", 0x830, 0x89));
	EXPECT_EQ(1, self->count[0x89]);
	/* Back to xAPIC isn't possible without going through disabled. */
	guest_call(self->vcpu, "x2apic_write", MSR_APIC_BASE,
		   GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_BSP);
	EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
}

TEST_F(lapic, needs_irqchip)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct hv_lapic_state l;
	struct hv_vapic_addr v = { 0 };

	memset(&l, 0, sizeof(l));
	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_GET_LAPIC, &l));
	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_SET_LAPIC, &l));
	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_SET_VAPIC_ADDR, &v));
	vcpu_free(vcpu);
	vm_free(vm);
}

static void set_reg(struct hv_lapic_state *l, unsigned int reg, uint32_t value)
{
	memcpy(l->regs + reg, &value, sizeof(value));
}

TEST_F(lapic, set_and_get)
{
	struct hv_lapic_state in, out;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_LAPIC, &in));
	set_reg(&in, APIC_SVR, 0x1f0);
	set_reg(&in, APIC_LVT_LINT0, 0x700);
	set_reg(&in, APIC_LVT_LINT1, 0x400);
	set_reg(&in, APIC_TPR, 0x10);
	set_reg(&in, APIC_LDR, 0x01000000);
	set_reg(&in, APIC_IRR + 0x20, 1U << 3);		/* vector 0x43 */
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_LAPIC, &in));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_LAPIC, &out));
	EXPECT_EQ(0x1f0, lapic_reg(self->vcpu, APIC_SVR));
	EXPECT_EQ(0x10, rd(self, APIC_TPR));
	EXPECT_EQ(0x400, rd(self, APIC_LVT_LINT1));
	/* The request that was pending is delivered. */
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x43]);
}

/* kvmtool's order: LAPIC before CPUID. */
TEST_F(lapic, before_cpuid)
{
	struct vm *vm = vm_create(VM_IRQCHIP | VM_BARE);
	struct vcpu *vcpu = vcpu_create_nocpuid(vm, 0);
	struct hv_lapic_state l;

	ASSERT_EQ(0, hv_ioctl(vcpu->fd, HV_GET_LAPIC, &l));
	set_reg(&l, APIC_LVT_LINT0, 0x700);
	set_reg(&l, APIC_LVT_LINT1, 0x400);
	EXPECT_EQ(0, hv_ioctl(vcpu->fd, HV_SET_LAPIC, &l));
	EXPECT_EQ(0x400, lapic_reg(vcpu, APIC_LVT_LINT1));
	vcpu_free(vcpu);
	vm_free(vm);
}

/* What QEMU calls at reset. */
TEST_F(lapic, vapic)
{
	struct hv_vapic_addr v = { 0 };
	struct hv_tpr_access_ctl t = { .enabled = 0 };

	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VAPIC_ADDR, &v));
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_TPR_ACCESS_REPORTING, &t));
	t.flags = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_TPR_ACCESS_REPORTING, &t));
}

/* A disabled LAPIC's page is nobody's: MMIO, or reads as ones (KVM's quirk). */
/* The page moves with IA32_APIC_BASE; where it was there is nothing. */
TEST_F(lapic, relocated)
{
	const uint64_t there = 0xfed80000;
	uint64_t base;

	/* What the processor remembers of the usual place must not outlast the move. */
	EXPECT_EQ(0, rd(self, APIC_TPR));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_APIC_BASE, &base));
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_APIC_BASE, there | (base & 0xfff)));
	guest_call(self->vcpu, "apic_write", there - GUEST_APIC + APIC_TPR, 0x30);
	EXPECT_EQ(0x30, guest_call(self->vcpu, "apic_read", there - GUEST_APIC + APIC_TPR));
	EXPECT_EQ(0x30, lapic_reg(self->vcpu, APIC_TPR));
	guest_start(self->vcpu, "apic_read", 1, (uint64_t[]){ APIC_TPR });
	EXPECT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	EXPECT_EQ(GUEST_APIC + APIC_TPR, self->vcpu->run->mmio.phys_addr);
	guest_finish(self->vcpu);
	ASSERT_EQ(1, vcpu_set_msr(self->vcpu, MSR_APIC_BASE, base));
	EXPECT_EQ(0x30, guest_call(self->vcpu, "apic_read", APIC_TPR));
}

TEST_F(lapic, globally_disabled)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	s.apic_base &= ~APIC_BASE_ENABLE;
	vcpu_set_sregs(self->vcpu, &s);
	guest_start(self->vcpu, "apic_read", 1, (uint64_t[]){ APIC_ID });
	if (vcpu_run(self->vcpu) == HV_EXIT_MMIO) {
		EXPECT_EQ(GUEST_APIC + APIC_ID, self->vcpu->run->mmio.phys_addr);
		guest_finish(self->vcpu);
	} else {
		ASSERT_EQ(HV_EXIT_IO, self->vcpu->run->exit_reason);
		EXPECT_EQ(0xffffffff, vcpu_regs(self->vcpu).rax);
	}
	s.apic_base |= APIC_BASE_ENABLE;
	vcpu_set_sregs(self->vcpu, &s);
	EXPECT_EQ(0x14, rd(self, APIC_VERSION) & 0xff);
}

TEST_HARNESS_MAIN
