// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_IRQ_LINE through the IOAPIC to a LAPIC and to the guest's IDT: edge and
 * level, masks, EOI; routing of GSIs; the chip's state.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

/* GSIs from 16 on go to the IOAPIC only, with or without PICs. */
#define REDTBL(pin)	(0x10 + 2 * (pin))
#define RTE_LEVEL	(1U << 15)
#define RTE_MASK	(1U << 16)
#define RTE_REMOTE_IRR	(1U << 14)

FIXTURE(irq)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint32_t *count;
};

FIXTURE_SETUP(irq)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
}

FIXTURE_TEARDOWN(irq)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long line(FIXTURE_DATA(irq) *self, uint32_t gsi, uint32_t level)
{
	return hv_ioctl(self->vm->fd, HV_IRQ_LINE,
			&(struct hv_irq_level){ .irq = gsi, .level = level });
}

static long line_status(FIXTURE_DATA(irq) *self, uint32_t gsi, uint32_t level)
{
	struct hv_irq_level l = { .irq = gsi, .level = level };

	must(hv_ioctl(self->vm->fd, HV_IRQ_LINE_STATUS, &l));
	return l.status;
}

static void program(FIXTURE_DATA(irq) *self, unsigned int pin, uint32_t low)
{
	guest_call(self->vcpu, "ioapic_write", REDTBL(pin) + 1, 0);
	guest_call(self->vcpu, "ioapic_write", REDTBL(pin), low);
}

TEST_F(irq, needs_irqchip)
{
	struct vm *vm = vm_create(VM_BARE);
	struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_IOAPIC };
	struct hv_irq_level l = { .irq = 1, .level = 1 };
	struct hv_irq_routing routing = { 0 };
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = 0x40 };

	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_IRQ_LINE, &l));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_IRQ_LINE_STATUS, &l));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_SET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, hv_ioctl(vm->fd, HV_SET_GSI_ROUTING, &routing));
	EXPECT_EQ(-EINVAL, hv_ioctl(vm->fd, HV_SIGNAL_MSI, &msi));
	vm_free(vm);
}

TEST_F(irq, create_order)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *vcpu;

	EXPECT_EQ(-EEXIST, hv_ioctl(self->vm->fd, HV_CREATE_IRQCHIP, 0));
	vcpu = vcpu_create(vm, 0);
	EXPECT_EQ(-EINVAL, hv_ioctl(vm->fd, HV_CREATE_IRQCHIP, 0));
	vcpu_free(vcpu);
	vm_free(vm);
}

/* Registers of the chip (82093AA data sheet). */
TEST_F(irq, ioapic_registers)
{
	uint32_t version = guest_call(self->vcpu, "ioapic_read", 1);

	EXPECT_EQ(HV_IOAPIC_NUM_PINS - 1, version >> 16 & 0xff);
	EXPECT_EQ(RTE_MASK, guest_call(self->vcpu, "ioapic_read", REDTBL(20)));
	program(self, 20, 0x131 | RTE_LEVEL);
	EXPECT_EQ(0x131 | RTE_LEVEL, guest_call(self->vcpu, "ioapic_read", REDTBL(20)));
	guest_call(self->vcpu, "ioapic_write", REDTBL(20) + 1, 0x12000000);
	EXPECT_EQ(0x12000000, guest_call(self->vcpu, "ioapic_read", REDTBL(20) + 1));
	guest_call(self->vcpu, "ioapic_write", 0, 0x03000000);
	EXPECT_EQ(0x03000000, guest_call(self->vcpu, "ioapic_read", 0));
	/* Delivery status and remote IRR are read-only. */
	program(self, 18, 0x31 | 1U << 12 | RTE_REMOTE_IRR | RTE_MASK);
	EXPECT_EQ(0x31 | RTE_MASK, guest_call(self->vcpu, "ioapic_read", REDTBL(18)));
}

TEST_F(irq, edge)
{
	program(self, 20, 0x51);
	EXPECT_EQ(0, line(self, 20, 1));
	EXPECT_EQ(0, line(self, 20, 0));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x51]);
	/* No edge, no interrupt. */
	EXPECT_EQ(0, line(self, 20, 0));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* Two edges before the first is taken are one interrupt. */
	line(self, 20, 1);
	line(self, 20, 0);
	line(self, 20, 1);
	line(self, 20, 0);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	/* Held high: one. */
	line(self, 20, 1);
	line(self, 20, 1);
	EXPECT_EQ(3, guest_call(self->vcpu, "window"));
	line(self, 20, 1);
	EXPECT_EQ(3, guest_call(self->vcpu, "window"));
}

TEST_F(irq, edge_while_masked_is_lost)
{
	program(self, 20, 0x51 | RTE_MASK);
	line(self, 20, 1);
	line(self, 20, 0);
	program(self, 20, 0x51);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
}

TEST_F(irq, level)
{
	program(self, 21, 0x59 | RTE_LEVEL);
	line(self, 21, 1);
	guest_u32(self->vm, "eoi") = 0;
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* In service: remote IRR is set, no second one. */
	EXPECT_EQ(RTE_REMOTE_IRR,
		  guest_call(self->vcpu, "ioapic_read", REDTBL(21)) & RTE_REMOTE_IRR);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* EOI while the line is still high: again. */
	guest_call(self->vcpu, "apic_write", APIC_EOI, 0);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	/* EOI with the line low: that's it. */
	line(self, 21, 0);
	guest_call(self->vcpu, "apic_write", APIC_EOI, 0);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	EXPECT_EQ(0, guest_call(self->vcpu, "ioapic_read", REDTBL(21)) & RTE_REMOTE_IRR);
	EXPECT_EQ(2, self->count[0x59]);
}

/* A level that's high when the pin is unmasked comes then. */
TEST_F(irq, level_while_masked)
{
	program(self, 21, 0x59 | RTE_LEVEL | RTE_MASK);
	line(self, 21, 1);
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	program(self, 21, 0x59 | RTE_LEVEL);
	guest_u32(self->vm, "eoi") = 0;
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	line(self, 21, 0);
}

/* Masked while it is in service and the line is high: the EOI brings no other one. */
TEST_F(irq, masked_in_service)
{
	program(self, 21, 0x59 | RTE_LEVEL);
	line(self, 21, 1);
	guest_u32(self->vm, "eoi") = 0;
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	program(self, 21, 0x59 | RTE_LEVEL | RTE_MASK);
	EXPECT_EQ(0x59 | RTE_LEVEL | RTE_MASK | RTE_REMOTE_IRR,
		  guest_call(self->vcpu, "ioapic_read", REDTBL(21)));
	guest_call(self->vcpu, "apic_write", APIC_EOI, 0);
	EXPECT_EQ(0x59 | RTE_LEVEL | RTE_MASK,
		  guest_call(self->vcpu, "ioapic_read", REDTBL(21)));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	program(self, 21, 0x59 | RTE_LEVEL);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	line(self, 21, 0);
	guest_call(self->vcpu, "apic_write", APIC_EOI, 0);
}

/* Guests end a level interrupt by hand so: edge-triggered and masked for a moment. */
TEST_F(irq, edge_clears_remote_irr)
{
	program(self, 21, 0x59 | RTE_LEVEL);
	line(self, 21, 1);
	guest_u32(self->vm, "eoi") = 0;
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	guest_call(self->vcpu, "ioapic_write", REDTBL(21), 0x59 | RTE_MASK);
	EXPECT_EQ(0x59 | RTE_MASK, guest_call(self->vcpu, "ioapic_read", REDTBL(21)));
	line(self, 21, 0);
	guest_call(self->vcpu, "apic_write", APIC_EOI, 0);
	program(self, 21, 0x59 | RTE_LEVEL);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
}

TEST_F(irq, delivery_mode_nmi)
{
	program(self, 20, 4U << 8);
	line(self, 20, 1);
	guest_call(self->vcpu, "identity", 1);
	EXPECT_EQ(1, self->count[NMI_VECTOR]);
	line(self, 20, 0);
	guest_call(self->vcpu, "identity", 1);
	EXPECT_EQ(1, self->count[NMI_VECTOR]);
}

/*
 * A level that nobody takes back interrupts again at each EOI. After 10000 in a row there is
 * a pause, so that the guest, and its host, can do something else.
 */
TEST_F(irq, stuck_level)
{
	unsigned int i, n = 0;
	bool paused = false;

	program(self, 21, 0x59 | RTE_LEVEL);
	/* The pause is 10 ms, in which a busy machine may not look at all: then again. */
	for (i = 0; i < 10 && !paused; i++) {
		const unsigned int last = n + 10000;

		line(self, 21, 1);
		EXPECT_LE(last, guest_call(self->vcpu, "spin_until", last));
		paused = guest_call(self->vcpu, "window") == last;
		EXPECT_TRUE(wait_for((n = guest_call(self->vcpu, "window")) > last));
		line(self, 21, 0);
		n = guest_call(self->vcpu, "window");
		EXPECT_EQ(n, guest_call(self->vcpu, "window"));
	}
	EXPECT_TRUE(paused);
}

TEST_F(irq, status)
{
	program(self, 20, 0x51);
	EXPECT_GT(line_status(self, 20, 1), 0);
	/* No edge: merged with the one before. */
	EXPECT_EQ(0, line_status(self, 20, 1));
	program(self, 22, 0x51 | RTE_MASK);
	line_status(self, 22, 0);
	EXPECT_GE(0, line_status(self, 22, 1));
}

/* GSIs that are routed nowhere are no error: QEMU asserts them. */
TEST_F(irq, unrouted)
{
	struct hv_irq_routing none = { 0 };

	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &none));
	EXPECT_EQ(0, line(self, 20, 1));
	EXPECT_EQ(0, line(self, 20, 0));
	EXPECT_EQ(0, line(self, 1000, 1));
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
}

struct table {
	struct hv_irq_routing head;
	struct hv_irq_routing_entry e[4];
};

static struct hv_irq_routing_entry to_pin(uint32_t gsi, uint32_t pin)
{
	return (struct hv_irq_routing_entry) {
		.gsi = gsi, .type = HV_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { HV_IRQCHIP_IOAPIC, pin },
	};
}

static struct hv_irq_routing_entry to_msi(uint32_t gsi, uint32_t vector)
{
	return (struct hv_irq_routing_entry) {
		.gsi = gsi, .type = HV_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = GUEST_APIC, .data = vector },
	};
}

TEST_F(irq, routing)
{
	struct table t = { .head.nr = 2, .e = { to_pin(40, 20), to_msi(41, 0x61) } };

	program(self, 20, 0x51);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &t));
	line(self, 40, 1);
	line(self, 40, 0);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x51]);
	/* The old route of GSI 20 is gone. */
	line(self, 20, 1);
	line(self, 20, 0);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* A message: level 1 sends it, 0 does nothing. */
	EXPECT_EQ(0, line(self, 41, 0));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(0, line(self, 41, 1));
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x61]);
	EXPECT_EQ(0, line(self, 41, 1));
	EXPECT_EQ(3, guest_call(self->vcpu, "window"));
	/* The message changes. */
	t.e[1] = to_msi(41, 0x62);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &t));
	EXPECT_EQ(0, line(self, 41, 1));
	EXPECT_EQ(4, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x62]);
}

/* Placeholders with address and data 0 are accepted: QEMU, crosvm, kvmtool. */
TEST_F(irq, routing_placeholder)
{
	struct table t = { .head.nr = 1, .e = { to_msi(30, 0) } };

	t.e[0].u.msi.address_lo = 0;
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &t));
}

TEST_F(irq, routing_refused)
{
	struct table good = { .head.nr = 1, .e = { to_msi(41, 0x61) } }, t;

	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &good));
#define REFUSED(change)							\
	do {								\
		t = good;						\
		change;							\
		EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &t)) { \
			TH_LOG("%s", #change);				\
		}							\
	} while (0)
	REFUSED(t.head.flags = 1);
	REFUSED(t.e[0].type = 77);
	REFUSED(t.e[0].gsi = 5000);
	REFUSED(t.e[0].flags = 0x80);
	REFUSED(t.e[0] = to_pin(41, 24));
	REFUSED((t.e[0] = to_pin(41, 0), t.e[0].u.irqchip.irqchip = 9));
	/* A message excludes all else; a chip can't have two pins. */
	REFUSED((t.head.nr = 2, t.e[1] = to_pin(41, 20)));
	REFUSED((t.head.nr = 2, t.e[0] = to_pin(41, 20), t.e[1] = to_pin(41, 6)));
#undef REFUSED
	/* The table in force is the good one. */
	line(self, 41, 1);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
}

TEST_F(irq, chip_state)
{
	struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_IOAPIC }, back;

	program(self, 20, 0x51 | RTE_LEVEL | RTE_MASK);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
	EXPECT_EQ(GUEST_IOAPIC, chip.chip.ioapic.base_address);
	EXPECT_EQ(0x51 | RTE_LEVEL | RTE_MASK, chip.chip.ioapic.redirtbl[20].bits);
	EXPECT_EQ(0x51, chip.chip.ioapic.redirtbl[20].fields.vector);
	EXPECT_EQ(1, +chip.chip.ioapic.redirtbl[20].fields.mask);
	EXPECT_EQ(1, +chip.chip.ioapic.redirtbl[20].fields.trig_mode);
	chip.chip.ioapic.redirtbl[20].fields.mask = 0;
	chip.chip.ioapic.redirtbl[20].fields.trig_mode = 0;
	chip.chip.ioapic.redirtbl[20].fields.vector = 0x52;
	chip.chip.ioapic.id = 2;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_IRQCHIP, &chip));
	back.chip_id = HV_IRQCHIP_IOAPIC;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &back));
	EXPECT_EQ(0x52, back.chip.ioapic.redirtbl[20].bits);
	EXPECT_EQ(2, back.chip.ioapic.id);
	line(self, 20, 1);
	line(self, 20, 0);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x52]);
	chip.chip_id = 3;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_IRQCHIP, &chip));
}

/* Two vCPUs: the destination decides. */
TEST_F(irq, wakes_halted)
{
	struct runner r;

	program(self, 19, 0x54);
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 3 });
	runner_start(&r, self->vcpu);
	for (unsigned int i = 1; i <= 3; i++) {
		line(self, 19, 1);
		line(self, 19, 0);
		EXPECT_TRUE(wait_for(self->count[0x54] == i));
	}
	EXPECT_TRUE(wait_for(r.done));
	runner_stop(&r);
	EXPECT_EQ(3, vcpu_regs(self->vcpu).rax);
}

/* A guest that computes is interrupted, too: the interrupt makes it exit. */
TEST_F(irq, interrupts_running)
{
	struct runner r;
	unsigned int i;

	program(self, 19, 0x54);
	guest_start(self->vcpu, "spin_until", 1, (uint64_t[]){ 5 });
	runner_start(&r, self->vcpu);
	for (i = 1; i <= 5; i++) {
		line(self, 19, 1);
		line(self, 19, 0);
		EXPECT_TRUE(wait_for(self->count[0x54] == i));
	}
	EXPECT_TRUE(wait_for(r.done));
	runner_stop(&r);
	EXPECT_EQ(5, vcpu_regs(self->vcpu).rax);
}

TEST_HARNESS_MAIN
