// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts and registers of an assigned device: QEMU's edu interrupts by MSI and INTx, and the
 * guest finds its registers in a memory slot.
 */
#include "edu.h"
#include "kselftest_harness.h"

#define REDTBL(pin)	(0x10 + 2 * (pin))
#define RTE_LEVEL	(1U << 15)
#define RTE_MASKED	(1U << 16)
#define VECTOR		0x61
#define OTHER		0x72
#define PIN		20
#define GPA		0x3400000UL

FIXTURE(pci_interrupt)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct edu *edu;
	volatile uint32_t *count;
};

FIXTURE_SETUP(pci_interrupt)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	self->edu = edu_open(true);
	if (!self->edu)
		SKIP(return, NO_DEVICE);
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	must(edu_assign(self->vm, self->edu, 0, NULL));
	edu_bus_master(self->edu);
}

FIXTURE_TEARDOWN(pci_interrupt)
{
	bdf_t bdf;

	if (!self->edu)
		return;
	memcpy(bdf, self->edu->bdf, sizeof(bdf));
	edu_close(self->edu);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	if (!pci_present(bdf))
		pci_rescan();
}

static long set_irqs(struct edu *edu, uint32_t mode, uint32_t count, uint32_t gsi)
{
	struct hv_pci_irqs irqs = {
		.size = sizeof(irqs), .mode = mode, .count = count, .gsi = gsi,
	};

	return hv_ioctl(edu->fd, HV_PCI_SET_IRQS, &irqs);
}

static long set_vector(struct edu *edu, uint32_t vector, uint32_t data, uint32_t flags)
{
	struct hv_pci_vector_route r = {
		.size = sizeof(r), .vector = vector, .flags = flags, .addr = GUEST_APIC,
		.data = data,
	};

	return hv_ioctl(edu->fd, HV_PCI_SET_VECTOR, &r);
}

static struct hv_pci_vector_state get_vector(struct edu *edu)
{
	struct hv_pci_vector_state s = { .size = sizeof(s) };

	must(hv_ioctl(edu->fd, HV_PCI_GET_VECTOR, &s));
	return s;
}

static void edu_write(struct edu *edu, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(edu->bar + reg) = value;
}

/* An interrupt, and the host has taken it: it is on its way to the guest. */
static bool edu_interrupt(struct edu *edu)
{
	uint64_t before = get_vector(edu).count;

	edu_write(edu, EDU_IRQ_RAISE, 1);
	return wait_for(get_vector(edu).count == before + 1);
}

/* The guest has had @total, and not more. */
static bool arrives(FIXTURE_DATA(pci_interrupt) *self, uint64_t total)
{
	return wait_for(guest_call(self->vcpu, "window") >= total) &&
	       guest_call(self->vcpu, "window") == total;
}

TEST_F(pci_interrupt, refused)
{
	EXPECT_EQ(-ENXIO, set_vector(self->edu, 0, VECTOR, 0));
	EXPECT_EQ(-EINVAL, set_irqs(self->edu, HV_PCI_IRQ_MSI, 2, 0));
	EXPECT_EQ(-EINVAL, set_irqs(self->edu, HV_PCI_IRQ_MSI, 0x80000000, 0));
	EXPECT_EQ(-EINVAL, set_irqs(self->edu, HV_PCI_IRQ_MSI, ~0U, 0));
	EXPECT_EQ(-EINVAL, set_irqs(self->edu, HV_PCI_IRQ_MSIX, ~0U, 0));
	EXPECT_EQ(-EINVAL, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 1));
	EXPECT_EQ(-EINVAL, set_irqs(self->edu, HV_PCI_IRQ_INTX, 1, 4096));
	EXPECT_EQ(-EINVAL, set_irqs(self->edu, 4, 1, 0));
	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 0));
	EXPECT_EQ(-EINVAL, set_vector(self->edu, 1, VECTOR, 0));
	EXPECT_EQ(-EINVAL, set_vector(self->edu, 0, VECTOR, 2));
	EXPECT_EQ(0, get_vector(self->edu).irq);
}

TEST_F(pci_interrupt, msi)
{
	struct hv_pci_vector_state s;
	unsigned int i;

	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 0));
	ASSERT_EQ(0, set_vector(self->edu, 0, VECTOR, 0));
	for (i = 1; i <= 20; i++) {
		ASSERT_TRUE(edu_interrupt(self->edu));
		EXPECT_TRUE(arrives(self, i));
	}
	EXPECT_EQ(20, self->count[VECTOR]);
	/* The guest moves it. */
	ASSERT_EQ(0, set_vector(self->edu, 0, OTHER, 0));
	ASSERT_TRUE(edu_interrupt(self->edu));
	EXPECT_TRUE(arrives(self, 21));
	EXPECT_EQ(20, self->count[VECTOR]);
	EXPECT_EQ(1, self->count[OTHER]);
	s = get_vector(self->edu);
	EXPECT_EQ(21, s.count);
	EXPECT_EQ(HV_PCI_IRQ_MSI, s.mode);
	EXPECT_EQ(GUEST_APIC, s.addr);
	EXPECT_EQ(OTHER, s.data);
	EXPECT_EQ(0, s.flags);
	EXPECT_NE(0, s.irq);
}

TEST_F(pci_interrupt, wakes_a_vcpu)
{
	struct runner runner;

	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 0));
	ASSERT_EQ(0, set_vector(self->edu, 0, VECTOR, 0));
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 1 });
	runner_start(&runner, self->vcpu);
	EXPECT_FALSE(runner.done);
	edu_write(self->edu, EDU_IRQ_RAISE, 1);
	EXPECT_TRUE(wait_for(runner.done));
	runner_stop(&runner);
	EXPECT_EQ(1, self->count[VECTOR]);
}

TEST_F(pci_interrupt, masked)
{
	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 0));
	ASSERT_EQ(0, set_vector(self->edu, 0, VECTOR, HV_PCI_VECTOR_MASKED));
	ASSERT_TRUE(edu_interrupt(self->edu));
	ASSERT_TRUE(edu_interrupt(self->edu));
	EXPECT_EQ(0, guest_call(self->vcpu, "window"));
	EXPECT_EQ(HV_PCI_VECTOR_MASKED | HV_PCI_VECTOR_PENDING, get_vector(self->edu).flags);
	ASSERT_EQ(0, set_vector(self->edu, 0, VECTOR, 0));
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	EXPECT_EQ(0, get_vector(self->edu).flags);
}

/* Without a VM's leave to master the bus no message leaves the function. */
TEST_F(pci_interrupt, bus_master_off)
{
	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 0));
	ASSERT_EQ(0, set_vector(self->edu, 0, VECTOR, 0));
	config_write(self->edu->fd, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	edu_write(self->edu, EDU_IRQ_RAISE, 1);
	sleep_us(100000);
	EXPECT_EQ(0, get_vector(self->edu).count);
	edu_bus_master(self->edu);
	EXPECT_TRUE(edu_interrupt(self->edu));
}

TEST_F(pci_interrupt, reset_ends_it)
{
	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 0));
	ASSERT_EQ(0, set_vector(self->edu, 0, VECTOR, 0));
	ASSERT_EQ(0, hv_ioctl(self->edu->fd, HV_PCI_RESET, 0));
	EXPECT_EQ(-ENXIO, set_vector(self->edu, 0, VECTOR, 0));
	EXPECT_EQ(0, config_read(self->edu->fd, PCI_COMMAND, 2));
	EXPECT_EQ(0, hardware_config(self->edu->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
}

/* A level: masked when it comes, unmasked when the guest has ended it. */
TEST_F(pci_interrupt, intx)
{
	unsigned int round;
	struct runner runner;
	uint32_t before;

	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN) + 1, 0);
	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN), VECTOR | RTE_LEVEL);
	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_INTX, 1, PIN));
	for (round = 1; round <= 3; round++) {
		ASSERT_TRUE(edu_interrupt(self->edu));
		EXPECT_NE(0, hardware_config(self->edu->bdf, PCI_COMMAND, 2) &
			  PCI_COMMAND_INTX_DISABLE);
		edu_write(self->edu, EDU_IRQ_ACK, 1);
		EXPECT_TRUE(arrives(self, round));
		EXPECT_EQ(0, hardware_config(self->edu->bdf, PCI_COMMAND, 2) &
			  PCI_COMMAND_INTX_DISABLE);
		EXPECT_EQ(round, guest_call(self->vcpu, "window"));
	}
	/* It comes again and again until the device is told. */
	before = self->count[VECTOR];
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ before + 1 });
	runner_start(&runner, self->vcpu);
	edu_write(self->edu, EDU_IRQ_RAISE, 1);
	EXPECT_TRUE(wait_for(self->count[VECTOR] >= before + 5));
	edu_write(self->edu, EDU_IRQ_ACK, 1);
	EXPECT_TRUE(wait_for(runner.done));
	runner_stop(&runner);
	/* The guest's own bit */
	guest_call(self->vcpu, "window");
	before = self->count[VECTOR];
	config_write(self->edu->fd, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	edu_write(self->edu, EDU_IRQ_RAISE, 1);
	sleep_us(20000);
	guest_call(self->vcpu, "window");
	EXPECT_EQ(before, self->count[VECTOR]);
	edu_write(self->edu, EDU_IRQ_ACK, 1);
	EXPECT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_NONE, 0, 0));
}

static uint16_t hardware_command(struct edu *edu)
{
	return hardware_config(edu->bdf, PCI_COMMAND, 2);
}

/* Wait for an interrupt, and meanwhile change the command register that has its mask. */
static bool toggle_until_taken(struct edu *edu, uint64_t count)
{
	uint64_t end = now_us() + 20000000;
	unsigned int i;

	while (get_vector(edu).count != count) {
		if (now_us() > end)
			return false;
		for (i = 0; i < 16; i++)
			config_write(edu->fd, PCI_COMMAND, i & 1 ? PCI_COMMAND_MASTER : 0, 2);
	}
	return true;
}

/*
 * The mask of INTx stays when bus mastering is switched in the same register while the interrupt
 * comes. It comes when the device has computed something, so at any moment.
 */
TEST_F_TIMEOUT(pci_interrupt, intx_and_bus_master, 300)
{
	uint64_t count = 0;
	unsigned int round;

	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN) + 1, 0);
	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN), VECTOR | RTE_LEVEL);
	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_INTX, 1, PIN));
	edu_write(self->edu, EDU_STATUS, EDU_STATUS_IRQ);
	for (round = 1; round <= 300; round++) {
		edu_write(self->edu, EDU_FACT, 500000 + 5000 * round);
		ASSERT_TRUE(toggle_until_taken(self->edu, ++count));
		/* Nobody has acknowledged it. */
		ASSERT_NE(0, hardware_command(self->edu) & PCI_COMMAND_INTX_DISABLE)
			TH_LOG("round %u", round);
		edu_write(self->edu, EDU_IRQ_ACK, 1);
		ASSERT_TRUE(arrives(self, count));
		ASSERT_EQ(0, hardware_command(self->edu) & PCI_COMMAND_INTX_DISABLE);
	}
	EXPECT_EQ(count, get_vector(self->edu).count);
	EXPECT_EQ(count, self->count[VECTOR]);
	edu_write(self->edu, EDU_STATUS, 0);
}

/* Two devices have one pin. What one of them has asked for stays when the other is switched off. */
TEST_F(pci_interrupt, intx_shared)
{
	struct edu *other = edu_open(false);

	if (!other)
		SKIP(return, "no second edu device, which can't be reset");
	must(edu_assign(self->vm, other, HV_ASSIGN_WITHOUT_RESET, NULL));
	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN) + 1, 0);
	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN), VECTOR | RTE_LEVEL | RTE_MASKED);
	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_INTX, 1, PIN));
	ASSERT_EQ(0, set_irqs(other, HV_PCI_IRQ_INTX, 1, PIN));
	ASSERT_TRUE(edu_interrupt(other));
	ASSERT_TRUE(wait_for(ioapic_is_up(self->vm, PIN)));
	config_write(self->edu->fd, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN), VECTOR | RTE_LEVEL);
	edu_write(other, EDU_IRQ_ACK, 1);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	/* The other way round: the level goes with the one that had it. */
	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN), VECTOR | RTE_LEVEL | RTE_MASKED);
	ASSERT_TRUE(edu_interrupt(other));
	ASSERT_TRUE(wait_for(ioapic_is_up(self->vm, PIN)));
	config_write(other->fd, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	guest_call(self->vcpu, "ioapic_write", REDTBL(PIN), VECTOR | RTE_LEVEL);
	EXPECT_EQ(1, guest_call(self->vcpu, "window"));
	edu_write(other, EDU_IRQ_ACK, 1);
	edu_close(other);
}

/* The guest loses the function, and runs on. */
TEST_F(pci_interrupt, unbound_while_running)
{
	struct hv_msi msi = { .address_lo = GUEST_APIC, .data = OTHER };
	struct hv_pci_vector_state s = { .size = sizeof(s) };
	struct runner runner;

	ASSERT_EQ(0, set_irqs(self->edu, HV_PCI_IRQ_MSI, 1, 0));
	ASSERT_EQ(0, set_vector(self->edu, 0, VECTOR, 0));
	guest_start(self->vcpu, "halt_until", 1, (uint64_t[]){ 1 });
	runner_start(&runner, self->vcpu);
	pci_attribute(self->edu->bdf, "remove", "1");
	EXPECT_EQ(-ENODEV, hv_ioctl(self->edu->fd, HV_PCI_GET_VECTOR, &s));
	EXPECT_EQ(-ENODEV, set_vector(self->edu, 0, VECTOR, 0));
	EXPECT_FALSE(runner.done);
	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
	EXPECT_TRUE(wait_for(runner.done));
	runner_stop(&runner);
	EXPECT_EQ(1, self->count[OTHER]);
}

/* The registers are a memory slot's: no exit, until the function is reset or gone. */
TEST_F(pci_interrupt, registers)
{
	uint32_t exits;

	vm_load(self->vm, "mmio");
	must(vm_slot(self->vm, 1, GPA, 1 << 20, (void *)self->edu->bar, HV_MEM_NO_DMA));
	EXPECT_EQ(0x010000ed, (uint32_t)guest_call(self->vcpu, "load32", GPA + EDU_ID));
	exits = vcpu_stat(self->vcpu, "mmio_exits");
	guest_call(self->vcpu, "store32", GPA + EDU_INVERT, 0x1234);
	EXPECT_EQ(~0x1234U, (uint32_t)guest_call(self->vcpu, "load32", GPA + EDU_INVERT));
	EXPECT_EQ(exits, vcpu_stat(self->vcpu, "mmio_exits"));
	ASSERT_EQ(0, hv_ioctl(self->edu->fd, HV_PCI_RESET, 0));
	EXPECT_EQ(0x010000ed, (uint32_t)guest_call(self->vcpu, "load32", GPA + EDU_ID));
	pci_attribute(self->edu->bdf, "remove", "1");
	EXPECT_EQ(~0U, (uint32_t)guest_call(self->vcpu, "load32", GPA + EDU_ID));
}

TEST_HARNESS_MAIN
