// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts without exits: with virtual-interrupt delivery and posted interrupts TPR writes,
 * EOIs, self-IPIs and the arrival of interrupts cost no exit, and an IPI costs its sender one.
 * And what is there instead of them stays right: modes, registers, level-triggered
 * interrupts, other events. Runs with any of the module's parameters.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define ROUNDS		200
#define X2APIC(reg)	(0x800 + ((reg) >> 4))

FIXTURE(apicv)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct vcpu *other;
	uint32_t *count;
	bool virtual;
	bool posted;
	bool tpr_shadow;
};

FIXTURE_VARIANT(apicv)
{
	bool x2apic;
};

FIXTURE_VARIANT_ADD(apicv, xapic) { .x2apic = false };
FIXTURE_VARIANT_ADD(apicv, x2apic) { .x2apic = true };

static void apic_on(struct vcpu *vcpu, bool x2apic)
{
	if (x2apic) {
		guest_call(vcpu, "msr_write", MSR_APIC_BASE,
			   GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_EXTD |
			   (vcpu->id ? 0 : APIC_BASE_BSP));
		guest_call(vcpu, "msr_write", X2APIC(APIC_SVR), 0x1ff);
	} else {
		guest_call(vcpu, "apic_write", APIC_SVR, 0x1ff);
	}
}

FIXTURE_SETUP(apicv)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "apic");
	self->count = guest_var(self->vm, "irq_count");
	self->vcpu = vcpu_create(self->vm, 0);
	self->other = vcpu_create(self->vm, 1);
	vcpu_make_runnable(self->other);
	vcpu_long_mode(self->vcpu, NULL);
	vcpu_long_mode(self->other, NULL);
	apic_on(self->vcpu, variant->x2apic);
	apic_on(self->other, variant->x2apic);
	guest_u32(self->vm, "eoi") = variant->x2apic ? 2 : 1;
	self->virtual = !device_is_kvm() && parameter("apicv");
	self->posted = self->virtual && parameter("posted");
	self->tpr_shadow = !device_is_kvm() && parameter("tpr_shadow");
}

FIXTURE_TEARDOWN(apicv)
{
	vcpu_free(self->other);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/* The guest's name for a function of both modes */
#define MODE(name)	(variant->x2apic ? "x2_" name : "x_" name)

/*
 * Exits that a loop of ROUNDS in the guest causes, the one at its end not counted. Its first
 * round touches what it needs.
 */
static uint64_t loop_exits(struct __test_metadata *_metadata, struct vcpu *vcpu,
			   const char *function, uint64_t arg1, uint64_t arg2)
{
	uint64_t before, after, ticks, idle;

	guest_call(vcpu, function, 2, arg1, arg2);
	idle = guest_call(vcpu, "nothing", ROUNDS);
	before = vcpu_exits(vcpu);
	ticks = guest_call(vcpu, function, ROUNDS, arg1, arg2);
	after = vcpu_exits(vcpu) - 1;
	TH_LOG("%s: %lu exits and %ld ticks for 100", function, (after - before) * 100 / ROUNDS,
	       (long)(ticks - idle) * 100 / ROUNDS);
	return after - before;
}

static uint64_t read_reg(struct vcpu *vcpu, unsigned int reg, bool x2apic)
{
	return x2apic ? guest_call(vcpu, "msr_read", X2APIC(reg)) :
			guest_call(vcpu, "apic_read", reg);
}

static void write_reg(struct vcpu *vcpu, unsigned int reg, uint64_t val, bool x2apic)
{
	guest_call(vcpu, x2apic ? "msr_write" : "apic_write", x2apic ? X2APIC(reg) : reg, val);
}

TEST_F(apicv, tpr_write)
{
	uint64_t n;

	if (device_is_kvm() || !cpu_is_intel())
		SKIP(return, "counts what hv's Intel backend does");
	n = loop_exits(_metadata, self->vcpu, MODE("tpr"), 0, 0);
	EXPECT_EQ(self->tpr_shadow ? 0 : ROUNDS + 1, n);
	n = loop_exits(_metadata, self->vcpu, "cr8", 0, 0);
	EXPECT_EQ(self->tpr_shadow ? 0 : ROUNDS + 1, n);
}

static uint64_t cr8_exits(struct vcpu *vcpu)
{
	return vcpu_stat(vcpu, "exit_cr8_write") + vcpu_stat(vcpu, "exit_cr8_read");
}

/*
 * AMD: CR8 is V_TPR. It exits only while the write may let an interrupt in, or keep out one that
 * waits for IF.
 */
TEST_F(apicv, cr8_amd)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 0x41 };
	uint64_t n;

	if (device_is_kvm() || cpu_is_intel())
		SKIP(return, "counts what hv's AMD backend does");
	loop_exits(_metadata, self->vcpu, "cr8", 0, 0);
	EXPECT_EQ(5, guest_call(self->vcpu, "cr8_write", 5));
	EXPECT_EQ(0, cr8_exits(self->vcpu));
	EXPECT_EQ(0x50, lapic_reg(self->vcpu, APIC_TPR));
	write_reg(self->vcpu, APIC_TPR, 0x70, variant->x2apic);
	EXPECT_EQ(7, guest_call(self->vcpu, "cr8_read"));
	EXPECT_EQ(0, cr8_exits(self->vcpu));

	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	EXPECT_EQ(6, guest_call(self->vcpu, "cr8_write", 6));
	EXPECT_EQ(3, guest_call(self->vcpu, "cr8_write", 3));
	n = cr8_exits(self->vcpu);
	EXPECT_EQ(2, n);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(9, guest_call(self->vcpu, "cr8_write", 9));
	EXPECT_EQ(n, cr8_exits(self->vcpu));
}

/* A self-IPI, its handler and EOI */
TEST_F(apicv, self_ipi)
{
	uint64_t n;

	if (device_is_kvm() || !cpu_is_intel())
		SKIP(return, "counts what hv's Intel backend does");
	n = loop_exits(_metadata, self->vcpu, MODE("self"), 0, 0);
	EXPECT_EQ(2 + ROUNDS, self->count[0x51]);
	EXPECT_GE(n, self->virtual ? 0 : 2 * ROUNDS);
	EXPECT_LE(n, self->virtual ? 0 : 4 * ROUNDS);
}

static void start_other(struct __test_metadata *_metadata, FIXTURE_DATA(apicv) *self,
			struct runner *runner)
{
	guest_u64(self->vm, "stop") = 0;
	guest_start(self->other, "run_until_stopped", 0, NULL);
	runner_start(runner, self->other);
	ASSERT_TRUE(wait_for(guest_u64(self->vm, "running")));
}

static void stop_other(struct __test_metadata *_metadata, FIXTURE_DATA(apicv) *self,
		       struct runner *runner)
{
	guest_u64(self->vm, "stop") = 1;
	EXPECT_TRUE(wait_for(runner->done));
	runner_join(runner);
}

/*
 * An IPI to a running vCPU: one exit in the sender, none in the target. With two CPUs the
 * target would exit for each kick; with one it has been scheduled away for the sender.
 */
TEST_F(apicv, ipi_to_running)
{
	uint64_t before, irqs, n;
	struct runner runner;

	start_other(_metadata, self, &runner);
	if (device_is_kvm() || !cpu_is_intel()) {
		guest_call(self->vcpu, MODE("ipi"), ROUNDS, 1, 0x61);
		EXPECT_EQ(ROUNDS, self->count[0x61]);
		stop_other(_metadata, self, &runner);
		return;
	}
	guest_call(self->vcpu, MODE("ipi"), 2, 1, 0x61);
	before = vcpu_exits(self->other);
	irqs = vcpu_stat(self->other, "exit_external_interrupt");
	n = loop_exits(_metadata, self->vcpu, MODE("ipi"), 1, 0x61);
	EXPECT_EQ(4 + ROUNDS, self->count[0x61]);
	if (self->virtual) {
		EXPECT_EQ(0, vcpu_exits(self->other) - before);
		EXPECT_EQ(ROUNDS, n);
	}
	irqs = vcpu_stat(self->other, "exit_external_interrupt") - irqs;
	if (self->posted && host_cpus() > 1)
		EXPECT_LT(irqs, ROUNDS / 2);
	TH_LOG("host interrupts in the target: %lu", irqs);
	stop_other(_metadata, self, &runner);
}

/* The same with HV_SIGNAL_MSI */
TEST_F(apicv, msi_to_running)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC | 1 << 12, .data = 0x71 };
	uint64_t before = 0, irqs = 0;
	struct runner runner;
	unsigned int i;

	start_other(_metadata, self, &runner);
	for (i = 1; i <= ROUNDS; i++) {
		if (i == 2 && !device_is_kvm()) {
			before = vcpu_exits(self->other);
			irqs = vcpu_stat(self->other, "irq_exits");
		}
		EXPECT_GT(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi), 0);
		ASSERT_TRUE(wait_for(self->count[0x71] == i)) {
			TH_LOG("MSI %u", i);
		}
	}
	if (self->virtual)
		EXPECT_EQ(0, vcpu_exits(self->other) - before);
	if (!device_is_kvm()) {
		irqs = vcpu_stat(self->other, "irq_exits") - irqs;
		TH_LOG("host interrupts in the target: %lu", irqs);
	}
	stop_other(_metadata, self, &runner);
}

/* The timer of a vCPU that runs: one exit arms it, one is its expiry. The host takes no interrupt. */
TEST_F(apicv, timer)
{
	uint64_t n;

	write_reg(self->vcpu, APIC_TIMER_DIVIDE, 0xb, variant->x2apic);
	write_reg(self->vcpu, APIC_LVT_TIMER, 0x52, variant->x2apic);
	if (device_is_kvm() || !cpu_is_intel()) {
		guest_call(self->vcpu, MODE("timer"), ROUNDS, 40000);
		EXPECT_EQ(ROUNDS, self->count[0x52]);
		return;
	}
	n = loop_exits(_metadata, self->vcpu, MODE("timer"), 40000, 0);
	EXPECT_EQ(2 + ROUNDS, self->count[0x52]);
	/* Now and then it expires while the host's own interrupt has made the guest exit. */
	if (self->virtual && parameter("preemption_timer")) {
		EXPECT_LE(n, 2 * ROUNDS);
		EXPECT_GT(n, 2 * ROUNDS - ROUNDS / 5);
	}
}

/* ---- it stays right ---- */

/* What the guest reads is what HV_GET_LAPIC says. */
TEST_F(apicv, registers_agree)
{
	static const struct { unsigned int reg; uint32_t val; } writes[] = {
		{ APIC_TPR, 0x35 }, { APIC_SVR, 0x1f3 }, { APIC_LVT_TIMER, 0x10044 },
		{ APIC_LVT_LINT0, 0x10045 }, { APIC_LVT_LINT1, 0x400 },
		{ APIC_LVT_ERROR, 0x10046 }, { APIC_TIMER_DIVIDE, 0xb },
		{ APIC_TIMER_INIT, 0 }, { APIC_ESR, 0 },
	};
	static const unsigned int more[] = {
		APIC_VERSION, APIC_PPR, APIC_LDR, APIC_ISR, APIC_ISR + 0x70, APIC_TMR,
		APIC_IRR + 0x20, APIC_ICR, APIC_TIMER_CURRENT,
	};
	bool x2 = variant->x2apic;
	unsigned int i;

	if (device_is_kvm() && !cpu_is_intel())
		SKIP(return, "stock KVM drops the low bits of TPR on AMD");
	for (i = 0; i < ARRAY_LEN(writes); i++) {
		write_reg(self->vcpu, writes[i].reg, writes[i].val, x2);
		EXPECT_EQ(writes[i].val, read_reg(self->vcpu, writes[i].reg, x2)) {
			TH_LOG("register %x", writes[i].reg);
		}
		EXPECT_EQ(writes[i].val, lapic_reg(self->vcpu, writes[i].reg));
	}
	for (i = 0; i < ARRAY_LEN(more); i++)
		EXPECT_EQ(lapic_reg(self->vcpu, more[i]), read_reg(self->vcpu, more[i], x2)) {
			TH_LOG("register %x", more[i]);
		}
	EXPECT_EQ(1U << (x2 ? 0 : 24), read_reg(self->other, APIC_ID, x2));
}

/* Reserved bits and read-only registers: ignored in the page, #GP as MSRs */
TEST_F(apicv, reserved)
{
	bool x2 = variant->x2apic;

	if (device_is_kvm())
		SKIP(return, "stock KVM checks no reserved bits, and keeps an id that is written");
	if (x2 && cpu_repeats_faults())
		SKIP(return, "Bochs 3.0 with several CPUs repeats an instruction that has faulted");
	write_reg(self->vcpu, APIC_LVT_LINT0, 0xffffffff, x2);
	if (x2) {
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
		write_reg(self->vcpu, APIC_TPR, 0x100, true);
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
		write_reg(self->vcpu, APIC_EOI, 1, true);
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
		guest_call(self->vcpu, "msr_read", X2APIC(APIC_EOI));
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
		guest_call(self->vcpu, "msr_read", X2APIC(APIC_DFR));
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
		guest_call(self->vcpu, "msr_read", X2APIC(APIC_ICR2));
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
		guest_call(self->vcpu, "msr_read", 0x83f);
		EXPECT_EQ(GP_VECTOR, guest_fault(self->vm));
	} else {
		EXPECT_EQ(0x1a7ff, read_reg(self->vcpu, APIC_LVT_LINT0, false));
		write_reg(self->vcpu, APIC_ID, 0x77000000, false);
		EXPECT_EQ(0, read_reg(self->vcpu, APIC_ID, false));
		write_reg(self->vcpu, APIC_ICR2, 0x12345678, false);
		EXPECT_EQ(0x12000000, read_reg(self->vcpu, APIC_ICR2, false));
	}
}

/* A self-IPI with an illegal vector is an error (SDM 3A 11.5.3). */
TEST_F(apicv, illegal_self_ipi)
{
	bool x2 = variant->x2apic;

	if (device_is_kvm())
		SKIP(return, "stock KVM records no errors");
	write_reg(self->vcpu, APIC_ESR, 0, x2);
	if (x2)
		guest_call(self->vcpu, "msr_write", 0x83f, 5);
	else
		write_reg(self->vcpu, APIC_ICR, 0x40005, false);
	write_reg(self->vcpu, APIC_ESR, 0, x2);
	EXPECT_EQ(1U << 5, read_reg(self->vcpu, APIC_ESR, x2));
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
}

/* TPR holds an interrupt back until it is lowered, however it's lowered. */
TEST_F(apicv, tpr_holds)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 0x41 };
	bool x2 = variant->x2apic;

	if (device_is_kvm() && cpu_is_tcg())
		SKIP(return, "QEMU 7.2 aborts when MOV to CR8 meets a pending V_IRQ");
	write_reg(self->vcpu, APIC_TPR, 0x40, x2);
	EXPECT_GT(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi), 0);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	write_reg(self->vcpu, APIC_TPR, 0x30, x2);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	write_reg(self->vcpu, APIC_TPR, 0x50, x2);
	EXPECT_GT(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi), 0);
	EXPECT_EQ(0, guest_call(self->vcpu, "window") - 1);
	/* At once, without another exit */
	guest_call(self->vcpu, "cr8_write_unmasked", 3);
	EXPECT_EQ(2, self->count[0x41]);
	write_reg(self->vcpu, APIC_TPR, 0x50, x2);
	EXPECT_GT(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi), 0);
	if (x2)
		guest_call(self->vcpu, "msr_write_unmasked", X2APIC(APIC_TPR), 0);
	EXPECT_EQ(x2 ? 3 : 2, self->count[0x41]);
}

/* An interrupt that waits for IF is kept out by a TPR that rises meanwhile. */
TEST_F(apicv, tpr_rises)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 0x41 };

	if (device_is_kvm() && cpu_is_tcg())
		SKIP(return, "QEMU 7.2 aborts when MOV to CR8 meets a pending V_IRQ");
	EXPECT_GT(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi), 0);
	EXPECT_EQ(4, guest_call(self->vcpu, "cr8_write", 4));
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	EXPECT_EQ(3, guest_call(self->vcpu, "cr8_write", 3));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
}

/* MOV to CR8 clears the sub-class, even if it changes nothing else (SDM 3A 11.8.6). */
TEST_F(apicv, tpr_subclass)
{
	if (device_is_kvm() && !cpu_is_intel())
		SKIP(return, "stock KVM drops the low bits of TPR on AMD");
	write_reg(self->vcpu, APIC_TPR, 0x35, variant->x2apic);
	EXPECT_EQ(3, guest_call(self->vcpu, "cr8_read"));
	EXPECT_EQ(0x35, lapic_reg(self->vcpu, APIC_TPR));
	EXPECT_EQ(3, guest_call(self->vcpu, "cr8_write", 3));
	EXPECT_EQ(0x30, read_reg(self->vcpu, APIC_TPR, variant->x2apic));
}

/* One EOI exit for each level-triggered interrupt, none for others with the same vector */
TEST_F(apicv, level)
{
	struct hv_irq_level line = { .irq = 20, .level = 1 };
	struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_IOAPIC };
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 0x59 };
	uint64_t before;
	unsigned int i;

	must(hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[20].bits = 0x8059;
	must(hv_ioctl(self->vm->fd, HV_SET_IRQCHIP, &chip));
	for (i = 1; i <= 3; i++) {
		line.level = 1;
		must(hv_ioctl(self->vm->fd, HV_IRQ_LINE, &line));
		must(hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
		EXPECT_EQ(1, chip.chip.ioapic.redirtbl[20].bits >> 14 & 1);
		line.level = 0;
		must(hv_ioctl(self->vm->fd, HV_IRQ_LINE, &line));
		EXPECT_EQ(i, guest_call(self->vcpu, "window"));
		must(hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
		EXPECT_EQ(0, chip.chip.ioapic.redirtbl[20].bits >> 14 & 1);
	}
	if (!self->virtual)
		return;
	EXPECT_EQ(3, vcpu_stat(self->vcpu, "exit_virtual_eoi"));
	/* The vector is used for messages now. */
	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	guest_call(self->vcpu, "window");
	before = vcpu_stat(self->vcpu, "exit_virtual_eoi");
	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	guest_call(self->vcpu, "window");
	EXPECT_EQ(before, vcpu_stat(self->vcpu, "exit_virtual_eoi"));
}

/* What is pending survives a change of mode, and the old way in is closed. */
TEST_F(apicv, mode_change)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 0x41 };

	if (variant->x2apic)
		SKIP(return, "there's no way back");
	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	guest_call(self->vcpu, "apic_write", APIC_TPR, 0x20);
	guest_call(self->vcpu, "msr_write", MSR_APIC_BASE,
		   GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_EXTD | APIC_BASE_BSP);
	EXPECT_EQ(0x20, guest_call(self->vcpu, "msr_read", X2APIC(APIC_TPR)));
	EXPECT_EQ(0xffffffff, guest_call(self->vcpu, "apic_read", APIC_TPR));
	guest_u32(self->vm, "eoi") = 2;
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* The other one is as it was. */
	EXPECT_EQ(1U << 24, guest_call(self->other, "apic_read", APIC_ID));
	guest_call(self->other, "apic_write", APIC_TPR, 0x30);
	EXPECT_EQ(0x30, lapic_reg(self->other, APIC_TPR));
	EXPECT_EQ(0x20, lapic_reg(self->vcpu, APIC_TPR));
}

/* Memory that appears at the LAPIC's address hides it, as before. */
TEST_F(apicv, slot_over_the_page)
{
	uint8_t *ram;

	if (variant->x2apic || device_is_kvm())
		SKIP(return, "hv in xAPIC mode");
	EXPECT_EQ(0x1ff, guest_call(self->vcpu, "apic_read", APIC_SVR));
	ram = ram_alloc(PAGE);
	*(uint32_t *)(ram + APIC_SVR) = 0x12345678;
	must(vm_slot(self->vm, 5, GUEST_APIC, PAGE, ram, 0));
	EXPECT_EQ(0x12345678, guest_call(self->vcpu, "apic_read", APIC_SVR));
	must(vm_slot(self->vm, 5, GUEST_APIC, 0, ram, 0));
	EXPECT_EQ(0x1ff, guest_call(self->vcpu, "apic_read", APIC_SVR));
	munmap(ram, PAGE);
}

/* HV_GUESTDBG_BLOCKIRQ: no interrupt while the VMM single-steps. */
TEST_F(apicv, blocked_while_stepping)
{
	struct hv_guest_debug debug = {
		.control = HV_GUESTDBG_ENABLE | HV_GUESTDBG_SINGLESTEP | HV_GUESTDBG_BLOCKIRQ,
	};
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 0x41 };
	unsigned int i;

	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	guest_start(self->vcpu, "six", 0, NULL);
	must(hv_ioctl(self->vcpu->fd, HV_SET_GUEST_DEBUG, &debug));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(HV_EXIT_DEBUG, vcpu_run(self->vcpu));
		EXPECT_EQ(0, self->count[0x41]);
	}
	debug.control = 0;
	must(hv_ioctl(self->vcpu->fd, HV_SET_GUEST_DEBUG, &debug));
	guest_finish(self->vcpu);
	EXPECT_EQ(1, self->count[0x41]);
}

/* State that was saved with interrupts pending and in service goes on elsewhere. */
TEST_F(apicv, save_and_restore)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC };
	struct hv_lapic_state state;

	msi.data = 0x41;
	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	msi.data = 0x81;
	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	must(hv_ioctl(self->vcpu->fd, HV_GET_LAPIC, &state));
	EXPECT_EQ(2, *(uint32_t *)(state.regs + APIC_IRR + 0x20));
	EXPECT_EQ(2, *(uint32_t *)(state.regs + APIC_IRR + 0x40));
	guest_call(self->vcpu, "window");
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	must(hv_ioctl(self->vcpu->fd, HV_SET_LAPIC, &state));
	guest_call(self->vcpu, "window");
	EXPECT_EQ(4, guest_call(self->vcpu, "window"));
	/* In service: the lower one waits for the EOI. */
	*(uint32_t *)(state.regs + APIC_ISR + 0x40) = 2;
	*(uint32_t *)(state.regs + APIC_IRR + 0x40) = 0;
	must(hv_ioctl(self->vcpu->fd, HV_SET_LAPIC, &state));
	EXPECT_EQ(4, guest_call(self->vcpu, "window"));
	write_reg(self->vcpu, APIC_EOI, 0, variant->x2apic);
	EXPECT_EQ(5, guest_call(self->vcpu, "window"));
}

TEST_HARNESS_MAIN
