// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fresh vCPU is in the state after a hardware reset (SDM 3A table 10-1), as
 * KVM gives it: clients change a few fields and start from there.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(reset)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_VARIANT(reset)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(reset, irqchip) { .flags = VM_IRQCHIP };
FIXTURE_VARIANT_ADD(reset, no_irqchip) { .flags = 0 };

FIXTURE_SETUP(reset)
{
	self->vm = vm_create(variant->flags);
	self->vcpu = vcpu_create_nocpuid(self->vm, 0);
}

FIXTURE_TEARDOWN(reset)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(reset, general_registers)
{
	struct hv_regs r = vcpu_regs(self->vcpu);

	EXPECT_EQ(0xfff0, r.rip);
	EXPECT_EQ(2, r.rflags);
	EXPECT_EQ(0, r.rax);
	EXPECT_EQ(0, r.rbx);
	EXPECT_EQ(0, r.rcx);
	EXPECT_EQ(0, r.rsp);
	EXPECT_EQ(0, r.rbp);
	EXPECT_EQ(0, r.rsi);
	EXPECT_EQ(0, r.rdi);
	EXPECT_EQ(0, r.r8 | r.r9 | r.r10 | r.r11 | r.r12 | r.r13 | r.r14 | r.r15);
	/* RDX holds the processor's family, model and stepping. */
	EXPECT_GT(r.rdx, 0x300);
}

TEST_F(reset, segments)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	struct hv_segment *data[] = { &s.ds, &s.es, &s.fs, &s.gs, &s.ss };
	unsigned int i;

	EXPECT_EQ(0xf000, s.cs.selector);
	EXPECT_EQ(0xffff0000, s.cs.base);
	EXPECT_EQ(0xffff, s.cs.limit);
	/* SVM doesn't keep the accessed bit. */
	EXPECT_EQ(0xb, s.cs.type | 1);
	EXPECT_EQ(1, s.cs.present);
	EXPECT_EQ(1, s.cs.s);
	EXPECT_EQ(0, s.cs.l);
	EXPECT_EQ(0, s.cs.db);
	EXPECT_EQ(0, s.cs.unusable);
	for (i = 0; i < ARRAY_LEN(data); i++) {
		EXPECT_EQ(0, data[i]->selector);
		EXPECT_EQ(0, data[i]->base);
		EXPECT_EQ(0xffff, data[i]->limit);
		EXPECT_EQ(3, data[i]->type | 1);
		EXPECT_EQ(1, data[i]->present);
		EXPECT_EQ(1, data[i]->s);
		EXPECT_EQ(0, data[i]->dpl);
	}
	EXPECT_EQ(0xffff, s.ldt.limit);
	EXPECT_EQ(2, s.ldt.type);
	EXPECT_EQ(1, s.ldt.present);
	EXPECT_EQ(0, s.ldt.s);
	EXPECT_EQ(0xffff, s.tr.limit);
	EXPECT_TRUE(s.tr.type == 0xb || s.tr.type == 0x3);
	EXPECT_EQ(1, s.tr.present);
	EXPECT_EQ(0, s.tr.s);
	EXPECT_EQ(0, s.gdt.base);
	EXPECT_EQ(0xffff, s.gdt.limit);
	EXPECT_EQ(0, s.idt.base);
	EXPECT_EQ(0xffff, s.idt.limit);
}

TEST_F(reset, control_registers)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	unsigned int i;

	EXPECT_EQ(CR0_ET | CR0_NW | CR0_CD, s.cr0);
	EXPECT_EQ(0, s.cr2);
	EXPECT_EQ(0, s.cr3);
	EXPECT_EQ(0, s.cr4);
	EXPECT_EQ(0, s.cr8);
	EXPECT_EQ(0, s.efer);
	EXPECT_EQ(GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_BSP, s.apic_base);
	for (i = 0; i < ARRAY_LEN(s.interrupt_bitmap); i++)
		EXPECT_EQ(0, s.interrupt_bitmap[i]);
}

TEST_F(reset, debug_registers)
{
	struct hv_debugregs d;
	unsigned int i;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_DEBUGREGS, &d));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, d.db[i]);
	EXPECT_EQ(0xffff0ff0, d.dr6);
	EXPECT_EQ(0x400, d.dr7);
	EXPECT_EQ(0, d.flags);
	for (i = 0; i < ARRAY_LEN(d.reserved); i++)
		EXPECT_EQ(0, d.reserved[i]);
}

TEST_F(reset, fpu)
{
	struct hv_fpu f;
	unsigned int i, j;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_FPU, &f));
	EXPECT_EQ(0x37f, f.fcw);
	EXPECT_EQ(0, f.fsw);
	EXPECT_EQ(0, f.ftwx);
	for (i = 0; i < 16; i++)
		for (j = 0; j < 16; j++)
			EXPECT_EQ(0, f.xmm[i][j]);
}

TEST_F(reset, xcr0)
{
	struct hv_xcrs x;

	if (!check_cap(self->vm->fd, HV_CAP_XCRS))
		SKIP(return, "no XSAVE");
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_XCRS, &x));
	EXPECT_EQ(1, x.nr_xcrs);
	EXPECT_EQ(0, x.xcrs[0].xcr);
	EXPECT_EQ(1, x.xcrs[0].value);
}

TEST_F(reset, events)
{
	struct hv_vcpu_events e;

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(0, e.exception.injected);
	EXPECT_EQ(0, e.exception.pending);
	EXPECT_EQ(0, e.interrupt.injected);
	EXPECT_EQ(0, e.interrupt.shadow);
	EXPECT_EQ(0, e.nmi.injected);
	EXPECT_EQ(0, e.nmi.pending);
	EXPECT_EQ(0, e.nmi.masked);
	EXPECT_EQ(0, e.smi.smm);
	EXPECT_EQ(0, e.smi.pending);
}

TEST_F(reset, msrs)
{
	uint64_t value;

	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_PAT, &value));
	EXPECT_EQ(0x0007040600070406UL, value);
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_EFER, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_SYSENTER_CS, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_APIC_BASE, &value));
	EXPECT_EQ(GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_BSP, value);
}

TEST_F(reset, lapic)
{
	uint32_t maxlvt;

	if (!self->vm->irqchip)
		return;
	EXPECT_EQ(0, lapic_reg(self->vcpu, APIC_ID));
	EXPECT_EQ(0x14, lapic_reg(self->vcpu, APIC_VERSION) & 0xff);
	maxlvt = lapic_reg(self->vcpu, APIC_VERSION) >> 16 & 0xff;
	EXPECT_GE(maxlvt, 5);
	EXPECT_EQ(0, lapic_reg(self->vcpu, APIC_TPR));
	EXPECT_EQ(0xff, lapic_reg(self->vcpu, APIC_SVR));
	EXPECT_EQ(0xffffffff, lapic_reg(self->vcpu, APIC_DFR));
	EXPECT_EQ(0, lapic_reg(self->vcpu, APIC_LDR));
	EXPECT_EQ(0x10000, lapic_reg(self->vcpu, APIC_LVT_TIMER));
	EXPECT_EQ(0x10000, lapic_reg(self->vcpu, APIC_LVT_LINT1));
	EXPECT_EQ(0x10000, lapic_reg(self->vcpu, APIC_LVT_ERROR));
	/* KVM's quirk LINT0_REENABLED: ExtINT, not masked. */
	EXPECT_EQ(0x700, lapic_reg(self->vcpu, APIC_LVT_LINT0));
	EXPECT_EQ(0, lapic_reg(self->vcpu, APIC_IRR));
	EXPECT_EQ(0, lapic_reg(self->vcpu, APIC_ISR));
}

TEST_F(reset, mp_state)
{
	struct hv_mp_state s = { 99 };

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_MP_STATE, &s));
	EXPECT_EQ(HV_MP_STATE_RUNNABLE, s.mp_state);
}

/* The second vCPU isn't the boot CPU: with a LAPIC it waits for INIT and SIPI. */
TEST_F(reset, application_processor)
{
	struct vcpu *ap = vcpu_create_nocpuid(self->vm, 1);
	struct hv_sregs s = vcpu_sregs(ap);
	struct hv_mp_state mp;

	ASSERT_EQ(0, hv_ioctl(ap->fd, HV_GET_MP_STATE, &mp));
	EXPECT_EQ(GUEST_APIC | APIC_BASE_ENABLE, s.apic_base);
	EXPECT_EQ(0xf000, s.cs.selector);
	if (self->vm->irqchip) {
		EXPECT_EQ(HV_MP_STATE_UNINITIALIZED, mp.mp_state);
		EXPECT_EQ(1U << 24, lapic_reg(ap, APIC_ID));
		EXPECT_EQ(0x10000, lapic_reg(ap, APIC_LVT_LINT0));
	} else {
		EXPECT_EQ(HV_MP_STATE_RUNNABLE, mp.mp_state);
	}
	vcpu_free(ap);
}

TEST_F(reset, boot_cpu_id)
{
	struct vm *vm = vm_create(VM_BARE | variant->flags);
	struct hv_sregs s;
	struct vcpu *a, *b;

	if (!check_cap(vm->fd, HV_CAP_SET_BOOT_CPU_ID))
		SKIP(return, "no HV_SET_BOOT_CPU_ID");
	ASSERT_EQ(0, hv_ioctl(vm->fd, HV_SET_BOOT_CPU_ID, 1));
	a = vcpu_create_nocpuid(vm, 0);
	b = vcpu_create_nocpuid(vm, 1);
	s = vcpu_sregs(a);
	EXPECT_EQ(0, s.apic_base & APIC_BASE_BSP);
	s = vcpu_sregs(b);
	EXPECT_EQ(APIC_BASE_BSP, s.apic_base & APIC_BASE_BSP);
	EXPECT_EQ(-EBUSY, hv_ioctl(vm->fd, HV_SET_BOOT_CPU_ID, 0));
	vcpu_free(a);
	vcpu_free(b);
	vm_free(vm);
}

/* The first instruction comes from 0xfffffff0. */
TEST_F(reset, vector)
{
	uint8_t *rom = ram_alloc(PAGE);
	/* mov $0x5a, %al; out %al, $PORT_DONE */
	static const uint8_t code[] = { 0xb0, 0x5a, 0xe6, PORT_DONE };

	memcpy(rom + 0xff0, code, sizeof(code));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0xfffff000, PAGE, rom, 0));
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(PORT_DONE, self->vcpu->run->io.port);
	EXPECT_EQ(0x5a, ((uint8_t *)self->vcpu->run)[self->vcpu->run->io.data_offset]);
}

TEST_HARNESS_MAIN
