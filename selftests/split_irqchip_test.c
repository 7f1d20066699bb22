// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_CAP_SPLIT_IRQCHIP: local APICs in the kernel, IOAPIC and PIC in the VMM. Ends of
 * level-triggered interrupts exit, the PIC's vectors come by HV_INTERRUPT.
 * HV_CAP_X2APIC_API: ids of 32 bits.
 */
#include <sys/eventfd.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define PINS		24
#define LEVEL		(1U << 15 | 1U << 14)
#define LVT_MASKED	(1U << 16)
#define LVT_EXTINT	(7U << 8)

FIXTURE(split)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_run *run;
	uint32_t *count;
};

static long enable(struct vm *vm, uint32_t cap, uint64_t arg)
{
	return hv_ioctl(vm->fd, HV_ENABLE_CAP,
			&(struct hv_enable_cap){ .cap = cap, .args = { arg } });
}

FIXTURE_SETUP(split)
{
	self->vm = vm_create(0);
	must(enable(self->vm, HV_CAP_SPLIT_IRQCHIP, PINS));
	self->vm->irqchip = true;
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->run = self->vcpu->run;
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
}

FIXTURE_TEARDOWN(split)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long route(struct vm *vm, uint32_t gsi, uint32_t data)
{
	struct {
		struct hv_irq_routing head;
		struct hv_irq_routing_entry e;
	} t = {
		.head.nr = 1,
		.e = { .gsi = gsi, .type = HV_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = GUEST_APIC, .data = data } },
	};

	return hv_ioctl(vm->fd, HV_SET_GSI_ROUTING, &t);
}

static long line(struct vm *vm, uint32_t gsi)
{
	return hv_ioctl(vm->fd, HV_IRQ_LINE, &(struct hv_irq_level){ .irq = gsi, .level = 1 });
}

static long interrupt(FIXTURE_DATA(split) *self, uint32_t vector)
{
	return hv_ioctl(self->vcpu->fd, HV_INTERRUPT, &(struct hv_interrupt){ vector });
}

TEST_F(split, order)
{
	struct vm *vm = vm_create(VM_BARE);
	struct hv_enable_cap cap = { .cap = HV_CAP_SPLIT_IRQCHIP, .flags = 1 };
	struct vcpu *vcpu;

	EXPECT_EQ(1, check_cap(vm->sys, HV_CAP_SPLIT_IRQCHIP));
	EXPECT_EQ(-EINVAL, hv_ioctl(vm->fd, HV_ENABLE_CAP, &cap));
	EXPECT_EQ(-EINVAL, enable(vm, HV_CAP_SPLIT_IRQCHIP, 5000));
	EXPECT_EQ(0, enable(vm, HV_CAP_SPLIT_IRQCHIP, PINS));
	EXPECT_EQ(-EEXIST, enable(vm, HV_CAP_SPLIT_IRQCHIP, PINS));
	EXPECT_EQ(-EEXIST, hv_ioctl(vm->fd, HV_CREATE_IRQCHIP, 0));
	vm_free(vm);
	vm = vm_create(VM_BARE | VM_IRQCHIP);
	EXPECT_EQ(-EEXIST, enable(vm, HV_CAP_SPLIT_IRQCHIP, PINS));
	vm_free(vm);
	vm = vm_create(VM_BARE);
	vcpu = vcpu_create_nocpuid(vm, 0);
	EXPECT_EQ(-EEXIST, enable(vm, HV_CAP_SPLIT_IRQCHIP, PINS));
	vcpu_free(vcpu);
	vm_free(vm);
}

/* No chip but the LAPIC is in the kernel; no GSI has a pin. */
TEST_F(split, no_chips)
{
	struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_IOAPIC };
	struct {
		struct hv_irq_routing head;
		struct hv_irq_routing_entry e;
	} t = {
		.head.nr = 1,
		.e = { .gsi = 5, .type = HV_IRQ_ROUTING_IRQCHIP,
		       .u.irqchip = { HV_IRQCHIP_IOAPIC, 5 } },
	};
	struct hv_lapic_state lapic;

	EXPECT_EQ(-ENXIO, hv_ioctl(self->vm->fd, HV_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, hv_ioctl(self->vm->fd, HV_SET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &t));
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_LAPIC, &lapic));
	EXPECT_EQ(0, line(self->vm, 5));
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	guest_start(self->vcpu, "ioapic_read", 1, (uint64_t[]){ 1 });
	ASSERT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	EXPECT_EQ(GUEST_IOAPIC, self->run->mmio.phys_addr);
}

/* The end of a level-triggered interrupt of the VMM's IOAPIC is an exit. */
TEST_F(split, eoi_exit)
{
	unsigned int i;

	ASSERT_EQ(0, route(self->vm, 5, 0x51 | LEVEL));
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(0, line(self->vm, 5));
		guest_start(self->vcpu, "window", 0, NULL);
		ASSERT_EQ(HV_EXIT_IOAPIC_EOI, vcpu_run(self->vcpu)) {
			vcpu_dump(self->vcpu);
		}
		EXPECT_EQ(0x51, self->run->eoi.vector);
		EXPECT_EQ(i, guest_finish(self->vcpu));
	}
	EXPECT_EQ(3, self->count[0x51]);
}

TEST_F(split, no_eoi_exit)
{
	/* Edge-triggered; a message of a device, not of the IOAPIC; another vector */
	ASSERT_EQ(0, route(self->vm, 5, 0x51));
	EXPECT_EQ(0, line(self->vm, 5));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	ASSERT_EQ(0, route(self->vm, PINS, 0x51 | LEVEL));
	EXPECT_EQ(0, line(self->vm, PINS));
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	ASSERT_EQ(0, route(self->vm, PINS - 1, 0x52 | LEVEL));
	EXPECT_EQ(1, hv_ioctl(self->vm->fd, HV_SIGNAL_MSI,
			      &(struct hv_msi){ .address_lo = GUEST_APIC,
						.data = 0x51 | LEVEL }));
	EXPECT_EQ(3, guest_call(self->vcpu, "window"));
	/* The last pin of the range does. */
	EXPECT_EQ(0, line(self->vm, PINS - 1));
	guest_start(self->vcpu, "window", 0, NULL);
	ASSERT_EQ(HV_EXIT_IOAPIC_EOI, vcpu_run(self->vcpu));
	EXPECT_EQ(0x52, self->run->eoi.vector);
}

static void set_x2apic(struct vcpu *vcpu)
{
	struct hv_sregs s = vcpu_sregs(vcpu);

	s.apic_base |= APIC_BASE_ENABLE | APIC_BASE_EXTD;
	vcpu_set_sregs(vcpu, &s);
}

TEST_F(split, eoi_exit_x2apic)
{
	set_x2apic(self->vcpu);
	guest_u32(self->vm, "eoi") = 2;
	ASSERT_EQ(0, route(self->vm, 5, 0x51 | LEVEL));
	EXPECT_EQ(0, line(self->vm, 5));
	guest_start(self->vcpu, "window", 0, NULL);
	ASSERT_EQ(HV_EXIT_IOAPIC_EOI, vcpu_run(self->vcpu));
	EXPECT_EQ(0x51, self->run->eoi.vector);
	EXPECT_EQ(1, guest_finish(self->vcpu));
}

TEST_F(split, irqfd)
{
	struct hv_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 40 };
	uint64_t one = 1;

	ASSERT_EQ(0, route(self->vm, 40, 0x61));
	irqfd.flags = HV_IRQFD_FLAG_RESAMPLE;
	irqfd.resamplefd = irqfd.fd;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_IRQFD, &irqfd));
	irqfd.flags = 0;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_IRQFD, &irqfd));
	ASSERT_EQ(sizeof(one), write(irqfd.fd, &one, sizeof(one)));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x61]);
	close(irqfd.fd);
}

/* The PIC's way in is LINT0, as it comes out of reset on the boot CPU. */
TEST_F(split, extint)
{
	guest_u32(self->vm, "eoi") = 0;
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT);
	EXPECT_EQ(-EINVAL, interrupt(self, 256));
	ASSERT_EQ(0, interrupt(self, 0x40));
	EXPECT_EQ(-EEXIST, interrupt(self, 0x41));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x40]);
	/* It's in no register of the LAPIC. */
	EXPECT_EQ(0, lapic_reg(self->vcpu, APIC_ISR + 0x20));
	/* Masked: it waits. */
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT | LVT_MASKED);
	ASSERT_EQ(0, interrupt(self, 0x41));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT);
	EXPECT_EQ(2, guest_call(self->vcpu, "window"));
	EXPECT_EQ(1, self->count[0x41]);
}

TEST_F(split, window)
{
	guest_u32(self->vm, "eoi") = 0;
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT);
	guest_call(self->vcpu, "identity", 0);
	EXPECT_EQ(0, self->run->ready_for_interrupt_injection);
	self->run->request_interrupt_window = 1;
	guest_start(self->vcpu, "window", 0, NULL);
	ASSERT_EQ(HV_EXIT_IRQ_WINDOW_OPEN, vcpu_run(self->vcpu));
	EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
	ASSERT_EQ(0, interrupt(self, 0x50));
	self->run->request_interrupt_window = 0;
	EXPECT_EQ(1, guest_finish(self->vcpu));
	EXPECT_EQ(1, self->count[0x50]);
	/* Where the PIC can't get in there's no window. */
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT | LVT_MASKED);
	self->run->request_interrupt_window = 1;
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	self->run->request_interrupt_window = 0;
}

/* HLT waits in the kernel; the VMM interrupts HV_RUN to give its vector. */
TEST_F(split, extint_wakes)
{
	struct runner r;

	guest_u32(self->vm, "eoi") = 0;
	guest_call(self->vcpu, "apic_write", APIC_LVT_LINT0, LVT_EXTINT);
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 1 });
	runner_start(&r, self->vcpu);
	sleep_us(5000);
	EXPECT_FALSE(r.done);
	runner_stop(&r);
	EXPECT_EQ(-EINTR, r.result);
	ASSERT_EQ(0, interrupt(self, 0x50));
	EXPECT_EQ(1, guest_finish(self->vcpu));
	EXPECT_EQ(1, self->count[0x50]);
}

/* ---- ids of 32 bits ---- */

static long msi(FIXTURE_DATA(split) *self, uint32_t hi, uint32_t dest, uint32_t vector)
{
	return hv_ioctl(self->vm->fd, HV_SIGNAL_MSI,
			&(struct hv_msi){ .address_lo = GUEST_APIC | dest << 12,
					  .address_hi = hi, .data = vector });
}

TEST_F(split, x2apic_api)
{
	const uint64_t all = HV_X2APIC_API_USE_32BIT_IDS | HV_X2APIC_API_DISABLE_BROADCAST_QUIRK;
	struct vcpu *other;

	EXPECT_EQ(all, check_cap(self->vm->sys, HV_CAP_X2APIC_API));
	EXPECT_EQ(-EINVAL, enable(self->vm, HV_CAP_X2APIC_API, 4));
	other = vcpu_create(self->vm, 5);
	vcpu_make_runnable(other);
	vcpu_long_mode(other, NULL);
	guest_call(other, "apic_write", APIC_SVR, 0x1ff);
	set_x2apic(other);
	EXPECT_EQ(5U << 24, lapic_reg(other, APIC_ID));
	/* 0xff is everybody, and address bits above 31 are nothing. */
	EXPECT_EQ(1, msi(self, 0x100, 5, 0x51));
	EXPECT_EQ(2, msi(self, 0, 0xff, 0x52));
	ASSERT_EQ(0, enable(self->vm, HV_CAP_X2APIC_API, HV_X2APIC_API_USE_32BIT_IDS));
	EXPECT_EQ(5, lapic_reg(other, APIC_ID));
	EXPECT_EQ(0, lapic_reg(self->vcpu, APIC_ID));
	EXPECT_EQ(1, msi(self, 0, 5, 0x53));
	EXPECT_GE(0, msi(self, 0x100, 5, 0x54));
	EXPECT_EQ(-EINVAL, msi(self, 0x105, 5, 0x54));
	EXPECT_EQ(2, msi(self, 0, 0xff, 0x55));
	/* With the quirk off 0xff is an id to a LAPIC in x2APIC mode, and ~0 everybody. */
	ASSERT_EQ(0, enable(self->vm, HV_CAP_X2APIC_API, all));
	if (device_is_kvm())
		TH_LOG("KVM: no LAPIC in xAPIC mode gets 0xff if one is in x2APIC mode");
	else
		EXPECT_EQ(1, msi(self, 0, 0xff, 0x56));
	EXPECT_EQ(1U << (0x55 - 0x40) | 1U << (0x53 - 0x40) | 1U << (0x52 - 0x40) |
		  1U << (0x51 - 0x40), lapic_reg(other, APIC_IRR + 0x20));
	EXPECT_GE(msi(self, 0xffffff00, 0xff, 0x57), 1);
	EXPECT_TRUE(lapic_reg(other, APIC_IRR + 0x20) & 1U << (0x57 - 0x40));
	vcpu_free(other);
}

TEST_HARNESS_MAIN
