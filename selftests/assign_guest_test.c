// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that drives an assigned device, QEMU's edu, by itself: it places the BAR, sets up the MSI
 * and lets the device copy. This program is the VMM, and does no more than one has to: it passes
 * accesses to configuration space on, and does what they say with a memory slot and a vector.
 * Then the guest is hostile, and aims the device at all that isn't its own.
 */
#include <fcntl.h>
#include "edu.h"
#include "kselftest_harness.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define DEVICE		0x80000800

#define BAR		0xd0000000UL
#define OTHER_BAR	0xd8000000UL
#define BAR_SIZE	0x100000UL
#define VECTOR		0x61
#define FROM		0x100000UL
#define TO		0x200000UL
#define FREED		0x18000000UL
#define NO_DMA		0x1a000000UL
#define SIZE		0x4000UL
#define LEN		EDU_DMA_SIZE
/* What the device's interrupt says when a transfer has ended */
#define DMA_DONE	0x100

#define SECRET		0x5e
#define FORGED		0xa7

/*
 * Of the VMM: @address is what the guest has written to CONFIG_ADDRESS, @bar where it has its BAR
 * now (0: nowhere), @msi the offset of the MSI capability, which the guest has switched on
 * (@msi_on).
 */
FIXTURE(guest)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct edu *edu;
	uint8_t *victim;
	uint32_t address;
	uint64_t bar;
	unsigned int msi;
	bool msi_on;
};

/* ---- the VMM ---- */

static void update_bar(FIXTURE_DATA(guest) *self)
{
	uint32_t bar = config_read(self->edu->fd, PCI_BASE_ADDRESS_0, 4);

	if (!(config_read(self->edu->fd, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		bar = 0;
	if (bar == self->bar)
		return;
	if (self->bar)
		must(vm_slot(self->vm, 1, 0, 0, NULL, 0));
	/* What is no place for it is refused: then it's nowhere. */
	self->bar = bar;
	if (bar && vm_slot(self->vm, 1, bar, BAR_SIZE, (void *)self->edu->bar, HV_MEM_NO_DMA))
		self->bar = 0;
}

static void update_msi(FIXTURE_DATA(guest) *self)
{
	struct hv_pci_irqs irqs = { .size = sizeof(irqs), .mode = HV_PCI_IRQ_MSI, .count = 1 };
	struct hv_pci_vector_route r = { .size = sizeof(r) };
	int fd = self->edu->fd;

	if (!(config_read(fd, self->msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE))
		return;
	if (!self->msi_on)
		must(hv_ioctl(fd, HV_PCI_SET_IRQS, &irqs));
	self->msi_on = true;
	r.addr = config_read(fd, self->msi + PCI_MSI_ADDRESS_LO, 4) |
		 (uint64_t)config_read(fd, self->msi + PCI_MSI_ADDRESS_HI, 4) << 32;
	r.data = config_read(fd, self->msi + PCI_MSI_DATA_64, 2);
	must(hv_ioctl(fd, HV_PCI_SET_VECTOR, &r));
}

static void port_access(FIXTURE_DATA(guest) *self)
{
	struct hv_run *run = self->vcpu->run;
	uint32_t *data = (void *)run + run->io.data_offset;
	bool write = run->io.direction == HV_EXIT_IO_OUT;
	unsigned int reg = self->address & 0xfc;

	if (run->io.port == CONFIG_ADDRESS && write) {
		self->address = *data;
	} else if (run->io.port == CONFIG_DATA && (self->address & ~0xffU) == DEVICE && write) {
		config_write(self->edu->fd, reg, *data, 4);
		update_bar(self);
		update_msi(self);
	} else if (run->io.port == CONFIG_DATA && (self->address & ~0xffU) == DEVICE) {
		*data = config_read(self->edu->fd, reg, 4);
	} else {
		vcpu_dump(self->vcpu);
		die("the guest uses port %x", run->io.port);
	}
}

static uint64_t call(FIXTURE_DATA(guest) *self, const char *function, unsigned int nargs,
		     const uint64_t *args)
{
	struct hv_run *run = self->vcpu->run;

	guest_start(self->vcpu, function, nargs, args);
	for (;;) {
		switch (vcpu_run(self->vcpu)) {
		case HV_EXIT_IO:
			if (run->io.port == PORT_DONE)
				return vcpu_regs(self->vcpu).rax;
			port_access(self);
			break;
		case HV_EXIT_MMIO:
			/* Nobody is there. */
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
			break;
		default:
			vcpu_dump(self->vcpu);
			die("the guest didn't finish");
		}
	}
}

#define guest(self, function, ...)						\
	call(self, function, ARRAY_LEN(((uint64_t[]){ __VA_ARGS__ })),		\
	     (uint64_t[]){ __VA_ARGS__ })

FIXTURE_SETUP(guest)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	self->edu = edu_open(false);
	if (!self->edu)
		SKIP(return, NO_DEVICE);
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "edu");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	self->victim = ram_alloc(SIZE);
	memset(self->victim, SECRET, SIZE);
	must(mlock(self->victim, SIZE));
	must(edu_assign(self->vm, self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	self->msi = config_cap(self->edu->fd, PCI_CAP_ID_MSI);
	ASSERT_EQ(0, guest(self, "setup", BAR, VECTOR));
}

FIXTURE_TEARDOWN(guest)
{
	if (!self->edu)
		return;
	edu_close(self->edu);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	munmap(self->victim, SIZE);
}

/* ---- a guest that means well ---- */

static unsigned int interrupts(FIXTURE_DATA(guest) *self)
{
	return ((uint32_t *)guest_var(self->vm, "irq_count"))[VECTOR];
}

TEST_F(guest, copies)
{
	uint8_t *from = self->vm->ram + FROM;
	unsigned int i;

	for (i = 0; i < 2 * PAGE; i++)
		from[i] = i * 7 + (i >> 8) * 13;
	EXPECT_EQ(0, guest(self, "copy", BAR, FROM, TO, LEN));
	/* It would see a difference, and so does this side. */
	EXPECT_EQ(0, memcmp(self->vm->ram + TO, from, LEN));
	EXPECT_EQ(0, guest(self, "copy", BAR, FROM + PAGE - LEN / 2, TO + PAGE - 1, LEN));
	EXPECT_EQ(0, memcmp(self->vm->ram + TO + PAGE - 1, from + PAGE - LEN / 2, LEN));
	EXPECT_EQ(4, interrupts(self));
	EXPECT_EQ(4, guest_u64(self->vm, "irq_total"));
	EXPECT_EQ(DMA_DONE, guest(self, "to_memory", BAR, FROM, LEN));
}

/* The guest moves its BAR: the registers are where it says, and nowhere else. */
TEST_F(guest, moves_the_bar)
{
	uint32_t hw = hardware_config(self->edu->bdf, PCI_BASE_ADDRESS_0, 4);

	guest(self, "config_write", PCI_BASE_ADDRESS_0, OTHER_BAR);
	EXPECT_EQ(0x010000ed, guest(self, "load32", OTHER_BAR));
	EXPECT_EQ(~0U, guest(self, "load32", BAR));
	EXPECT_EQ(0, guest(self, "copy", OTHER_BAR, FROM, TO, LEN));
	/* Over its own memory: refused */
	*(uint32_t *)(self->vm->ram + FROM) = 0x11223344;
	guest(self, "config_write", PCI_BASE_ADDRESS_0, FROM);
	EXPECT_EQ(0x11223344, guest(self, "load32", FROM));
	guest(self, "config_write", PCI_BASE_ADDRESS_0, BAR);
	EXPECT_EQ(0x010000ed, guest(self, "load32", BAR));
	guest(self, "config_write", PCI_COMMAND, PCI_COMMAND_MASTER);
	EXPECT_EQ(~0U, guest(self, "load32", BAR));
	EXPECT_EQ(hw, hardware_config(self->edu->bdf, PCI_BASE_ADDRESS_0, 4));
}

/* It forbids the device to reach memory, and allows it again. */
TEST_F(guest, switches_bus_mastering)
{
	unsigned int i;

	memset(self->vm->ram + FROM, 0x33, LEN);
	guest(self, "from_memory", BAR, FROM, LEN);
	for (i = 0; i < 3; i++) {
		memset(self->vm->ram + TO, 0, LEN);
		guest(self, "config_write", PCI_COMMAND, PCI_COMMAND_MEMORY);
		EXPECT_EQ(0, hardware_config(self->edu->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
		edu_copy(self->edu, true, TO, LEN);
		EXPECT_EQ(0, self->vm->ram[TO]);
		guest(self, "config_write", PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		EXPECT_NE(0, hardware_config(self->edu->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
		edu_copy(self->edu, true, TO, LEN);
		EXPECT_EQ(0x33, self->vm->ram[TO]);
	}
}

/* ---- one that doesn't ---- */

static bool uniform(const uint8_t *p, size_t len)
{
	return !memcmp(p, p + 1, len - 1);
}

/* The guest lets the device write to @addr and read from there: neither works. */
static void attack(struct __test_metadata *_metadata, FIXTURE_DATA(guest) *self, uint64_t addr)
{
	uint8_t *mine = self->vm->ram + FROM;

	memset(mine, FORGED, LEN);
	guest(self, "attack", BAR, FROM, addr, LEN);
	EXPECT_TRUE(uniform(mine, LEN) && mine[0] != SECRET) {
		TH_LOG("memory at %#lx was read", addr);
	}
	EXPECT_TRUE(self->victim[0] == SECRET && uniform(self->victim, SIZE)) {
		TH_LOG("memory at %#lx was written", addr);
	}
}

/* What the guest has it reaches: so the next tests would notice. */
TEST_F(guest, own_slot)
{
	uint8_t *mine = self->vm->ram + FROM;

	must(vm_slot(self->vm, 2, FREED, SIZE, self->victim, 0));
	guest(self, "from_memory", BAR, FREED, LEN);
	guest(self, "to_memory", BAR, FROM, LEN);
	EXPECT_EQ(SECRET, mine[0]);
	memset(mine, FORGED, LEN);
	guest(self, "attack", BAR, FROM, FREED, LEN);
	EXPECT_EQ(FORGED, self->victim[0]);
	EXPECT_EQ(FORGED, mine[0]);
}

TEST_F(guest, attacks)
{
	const uint64_t addrs[] = {
		edu_phys(self->victim), FREED, NO_DMA, GUEST_RAM_SIZE, BAR, GUEST_IOAPIC, 1UL << 40,
		-(uint64_t)LEN,
	};
	unsigned int i, before;

	if (addrs[0] < GUEST_RAM_SIZE)
		SKIP(return, "an address that the VM has, too");
	must(vm_slot(self->vm, 2, FREED, SIZE, self->victim, 0));
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
	must(vm_slot(self->vm, 3, NO_DMA, SIZE, self->victim, HV_MEM_NO_DMA));
	before = interrupts(self);
	for (i = 0; i < ARRAY_LEN(addrs); i++)
		attack(_metadata, self, addrs[i]);
	/* Half at the end of all addresses, half in the VM's first page */
	memset(self->vm->ram + FROM, FORGED, LEN);
	memset(self->vm->ram, SECRET, LEN);
	guest(self, "attack", BAR, FROM, -(uint64_t)(LEN / 2), LEN);
	EXPECT_TRUE(self->vm->ram[LEN / 2] == SECRET && uniform(self->vm->ram + LEN / 2, LEN / 2));
	/* Each transfer's own interrupt */
	EXPECT_EQ(before + 4 * (ARRAY_LEN(addrs) + 1), interrupts(self));
	EXPECT_EQ(interrupts(self), guest_u64(self->vm, "irq_total"));
}

/*
 * Messages that the device writes itself. AMD-Vi remaps whatever comes. With VT-d they are in
 * remappable format (VT-d 5.1.2.2), and name entries that are other functions'; QEMU 7.2 lets the
 * others pass, which VT-d blocks (5.1.4).
 */
TEST_F(guest, forges_messages)
{
	static const uint32_t data[] = { 0x20, 0x80, 0xef, 4 << 8, 5 << 8 | 1 << 14 };
	bool amd = !access("/sys/class/iommu/ivhd0", F_OK);
	uint32_t *mine = (uint32_t *)(self->vm->ram + FROM);
	unsigned int i, handle;

	for (i = 0; amd && i < ARRAY_LEN(data); i++) {
		mine[0] = data[i];
		guest(self, "from_memory", BAR, FROM, 4);
		guest(self, "to_memory", BAR, GUEST_APIC, 4);
		guest(self, "to_memory", BAR, GUEST_APIC | 0xff << 12, 4);
	}
	mine[0] = 0;
	guest(self, "from_memory", BAR, FROM, 4);
	for (handle = 0; !amd && handle < 16; handle++)
		guest(self, "to_memory", BAR, GUEST_APIC | handle << 5 | 1 << 4, 4);
	EXPECT_EQ(interrupts(self), guest_u64(self->vm, "irq_total"));
}

TEST_HARNESS_MAIN
