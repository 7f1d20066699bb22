// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI: the tables that tell the guest what this machine has, and the registers
 * that end it.
 *
 * The machine is "hardware-reduced" (ACPI 6.4, 4.1): no PIT, PIC, RTC, keyboard
 * controller or PM timer, which is exactly what hvrun does not have. Its power button
 * is a device whose events come as an interrupt of the Generic Event Device.
 */
#include <string.h>

#include "aml.h"
#include "pci.h"

/* ACPI 6.4, table 5.9: feature flags of the FADT */
#define FADT_WBINVD		(1u << 0)
#define FADT_PWR_BUTTON		(1u << 4)	/* no fixed power button */
#define FADT_SLP_BUTTON		(1u << 5)	/* no fixed sleep button */
#define FADT_RESET_REG_SUP	(1u << 10)
#define FADT_HW_REDUCED		(1u << 20)
/* Table 5.11: IA-PC boot architecture flags; bits 0 and 1 off: no legacy devices, no i8042 */
#define BOOT_NO_VGA		(1u << 2)
#define BOOT_NO_CMOS_RTC	(1u << 5)

/* ACPI 6.4, 4.8.3.7: sleep control register */
#define SLEEP_TYPE_SHIFT	2
#define SLEEP_TYPE_MASK		7
#define SLEEP_ENABLE		(1u << 5)

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __packed;

/* Generic address structure (5.2.3.2) */
struct acpi_gas {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address;
} __packed;

#define PORT_GAS(port) { .space = 1, .bit_width = 8, .access_size = 1, .address = (port) }

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t xchecksum;
	uint8_t reserved[3];
} __packed;

struct acpi_xsdt {
	struct acpi_header h;
	uint64_t table[3];
} __packed;

/* 5.2.9; what hardware-reduced ACPI ignores is one hole */
struct acpi_fadt {
	struct acpi_header h;
	uint8_t unused1[109 - 36];
	uint16_t boot_arch;
	uint8_t unused2;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_facs;
	uint64_t x_dsdt;
	uint8_t unused3[244 - 148];
	struct acpi_gas sleep_control;
	struct acpi_gas sleep_status;
	uint64_t hypervisor;
} __packed;

_Static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "FADT layout");
_Static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "FADT layout");
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT length of ACPI 6");

/* 5.2.12 */
struct acpi_madt {
	struct acpi_header h;
	uint32_t lapic_address;
	uint32_t flags;		/* bit 0 off: no PIC */
	struct {
		uint8_t type;
		uint8_t length;
		uint8_t id;
		uint8_t reserved;
		uint32_t address;
		uint32_t gsi_base;
	} __packed ioapic;
	struct {
		uint8_t type;
		uint8_t length;
		uint8_t uid;
		uint8_t apic_id;
		uint32_t flags;
	} __packed lapic[MAX_CPUS];
} __packed;

/* PCI Firmware 3.3, table 4-2 and 4-3: where the configuration space is in memory */
struct acpi_mcfg {
	struct acpi_header h;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus;
	uint8_t last_bus;
	uint32_t reserved2;
} __packed;

struct acpi_dsdt {
	struct acpi_header h;
	uint8_t aml[AML_MAX];
} __packed;

/* The tables as they lie at ACPI_ADDR, each on its own 16 bytes. */
struct acpi_tables {
	struct acpi_rsdp rsdp __aligned(16);
	struct acpi_xsdt xsdt __aligned(16);
	struct acpi_fadt fadt __aligned(16);
	struct acpi_dsdt dsdt __aligned(16);
	struct acpi_mcfg mcfg __aligned(16);
	struct acpi_madt madt __aligned(16);
};

_Static_assert(!offsetof(struct acpi_tables, rsdp), "the RSDP is at ACPI_ADDR");
_Static_assert(sizeof(struct acpi_tables) <= RESET_VECTOR - ACPI_ADDR, "tables fit");

static uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (size--)
		sum += *p++;
	return -sum;
}

static void finish(struct acpi_header *h, const char *signature, uint8_t revision, size_t length)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = length;
	h->revision = revision;
	memcpy(h->oem_id, "HV    ", sizeof(h->oem_id));
	memcpy(h->oem_table_id, "HVRUN   ", sizeof(h->oem_table_id));
	h->oem_revision = 1;
	memcpy(h->creator_id, "HV  ", sizeof(h->creator_id));
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, length);
}

static void build_fadt(struct acpi_fadt *fadt)
{
	*fadt = (struct acpi_fadt) {
		.boot_arch = BOOT_NO_VGA | BOOT_NO_CMOS_RTC,
		.flags = FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
			 FADT_RESET_REG_SUP | FADT_HW_REDUCED,
		.reset_reg = PORT_GAS(ACPI_RESET_PORT),
		.reset_value = ACPI_RESET_VALUE,
		.x_dsdt = ACPI_ADDR + offsetof(struct acpi_tables, dsdt),
		.sleep_control = PORT_GAS(ACPI_SLEEP_CONTROL_PORT),
		.sleep_status = PORT_GAS(ACPI_SLEEP_STATUS_PORT),
	};
	finish(&fadt->h, "FACP", 6, sizeof(*fadt));
}

static void build_madt(struct acpi_madt *madt, unsigned int cpus)
{
	unsigned int i;

	madt->lapic_address = LAPIC_BASE;
	madt->ioapic.type = 1;
	madt->ioapic.length = sizeof(madt->ioapic);
	madt->ioapic.address = IOAPIC_BASE;
	for (i = 0; i < cpus; i++) {
		madt->lapic[i].length = sizeof(madt->lapic[i]);
		madt->lapic[i].uid = i;
		madt->lapic[i].apic_id = i;
		madt->lapic[i].flags = 1;	/* enabled */
	}
	finish(&madt->h, "APIC", 5, offsetof(struct acpi_madt, lapic[cpus]));
}

static void build_mcfg(struct acpi_mcfg *mcfg)
{
	/* segment 0, bus 0 to 0 */
	*mcfg = (struct acpi_mcfg) { .base = PCI_ECAM_BASE };
	finish(&mcfg->h, "MCFG", 1, sizeof(*mcfg));
}

/* ---- the DSDT ---- */

/* 6.2.13: which line of the IOAPIC each interrupt pin of the bus is */
static void describe_pins(const struct vm *vm, struct aml *a)
{
	unsigned int slot, count = 0;

	for (slot = 0; slot < vm->pci.count; slot++)
		count += !!vm->pci.slots[slot]->pin;
	aml_name(a, "_PRT");
	aml_open_package(a, count);
	for (slot = 0; slot < vm->pci.count; slot++) {
		if (!vm->pci.slots[slot]->pin)
			continue;
		aml_open_package(a, 4);
		aml_integer(a, slot << 16 | 0xffff);
		aml_integer(a, vm->pci.slots[slot]->pin - 1);
		aml_integer(a, 0);
		aml_integer(a, vm->pci.slots[slot]->gsi);
		aml_close(a);
	}
	aml_close(a);
}

static void describe_pci(const struct vm *vm, struct aml *a)
{
	aml_open(a, AML_DEVICE, "PCI0");
	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0A08");
	aml_name(a, "_CID");
	aml_eisa_id(a, "PNP0A03");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_open_resources(a);
	aml_bus_numbers(a, 0, 0);
	aml_io(a, PCI_ADDRESS_PORT, 8);
	aml_io_window(a, PCI_PORTS_BASE, PCI_PORTS_SIZE);
	aml_memory_window(a, PCI_WINDOW_BASE, PCI_WINDOW_SIZE);
	aml_close_resources(a);
	describe_pins(vm, a);
	aml_close(a);

	/* the configuration space belongs to the board (PCI Firmware 3.3, 4.1.2) */
	aml_open(a, AML_DEVICE, "ECAM");
	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0C02");
	aml_open_resources(a);
	aml_memory(a, PCI_ECAM_BASE, PCI_ECAM_SIZE);
	aml_close_resources(a);
	aml_close(a);
}

static void describe_serial(struct aml *a)
{
	aml_open(a, AML_DEVICE, "COM1");
	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0501");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_open_resources(a);
	aml_io(a, SERIAL_PORT, 8);
	aml_interrupt(a, SERIAL_IRQ);
	aml_close_resources(a);
	aml_close(a);
}

/* 4.8.2.2.1.2: the power button; 5.6.9: the Generic Event Device has its interrupt */
static void describe_power_button(struct aml *a)
{
	aml_open(a, AML_DEVICE, "PWRB");
	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0C0C");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_close(a);

	aml_open(a, AML_DEVICE, "GED0");
	aml_name(a, "_HID");
	aml_string(a, "ACPI0013");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_open_resources(a);
	aml_interrupt(a, ACPI_EVENT_IRQ);
	aml_close_resources(a);
	/* the one interrupt has one meaning: the button was pressed */
	aml_open(a, AML_METHOD, "_EVT");
	aml_notify(a, "PWRB", 0x80);
	aml_close(a);
	aml_close(a);
}

static void build_dsdt(const struct vm *vm, struct acpi_dsdt *dsdt)
{
	static const uint8_t s5[] = { ACPI_S5_TYPE, ACPI_S5_TYPE, 0, 0 };
	struct aml a = { };

	aml_name(&a, "\\_S5");
	aml_package(&a, s5, sizeof(s5));
	aml_open(&a, AML_SCOPE, "\\_SB");
	describe_pci(vm, &a);
	describe_serial(&a);
	describe_power_button(&a);
	aml_close(&a);
	memcpy(dsdt->aml, a.code, a.size);
	finish(&dsdt->h, "DSDT", 2, sizeof(dsdt->h) + a.size);
}

static void build_rsdp(struct acpi_rsdp *rsdp)
{
	*rsdp = (struct acpi_rsdp) {
		.revision = 2,
		.length = sizeof(*rsdp),
		.xsdt = ACPI_ADDR + offsetof(struct acpi_tables, xsdt),
	};
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, "HV    ", sizeof(rsdp->oem_id));
	/* the first checksum covers what ACPI 1.0 knew */
	rsdp->checksum = checksum(rsdp, offsetof(struct acpi_rsdp, length));
	rsdp->xchecksum = checksum(rsdp, sizeof(*rsdp));
}

/**
 * acpi_build() - put the tables into guest memory at ACPI_ADDR
 * @vm: the VM, with all devices on the bus
 */
void acpi_build(struct vm *vm)
{
	struct acpi_tables *t = vm_memory(vm, ACPI_ADDR, sizeof(*t));

	build_rsdp(&t->rsdp);
	t->xsdt.table[0] = ACPI_ADDR + offsetof(struct acpi_tables, fadt);
	t->xsdt.table[1] = ACPI_ADDR + offsetof(struct acpi_tables, madt);
	t->xsdt.table[2] = ACPI_ADDR + offsetof(struct acpi_tables, mcfg);
	finish(&t->xsdt.h, "XSDT", 1, sizeof(t->xsdt));
	build_fadt(&t->fadt);
	build_dsdt(vm, &t->dsdt);
	build_mcfg(&t->mcfg);
	build_madt(&t->madt, vm->opt->cpus);
}

/**
 * acpi_write() - the guest writes one of the ACPI registers
 * @vm: the VM
 * @port: ACPI_*_PORT
 * @value: byte
 *
 * Any vCPU thread. S5 is the only sleep state.
 */
void acpi_write(struct vm *vm, uint16_t port, uint8_t value)
{
	unsigned int type = (value >> SLEEP_TYPE_SHIFT) & SLEEP_TYPE_MASK;

	if (port == ACPI_RESET_PORT && value == ACPI_RESET_VALUE) {
		if (vm_stop(vm, EXIT_RESET))
			msg("the guest asked for a reset");
	} else if (port == ACPI_SLEEP_CONTROL_PORT && (value & SLEEP_ENABLE) &&
		   type == ACPI_S5_TYPE) {
		if (vm_stop(vm, EXIT_POWEROFF))
			msg("the guest powered itself off");
	}
}

/**
 * acpi_read() - the guest reads one of the ACPI registers
 * @vm: the VM
 * @port: ACPI_*_PORT
 *
 * Return: 0: not sleeping, no wake event.
 */
uint8_t acpi_read(struct vm *vm __maybe_unused, uint16_t port __maybe_unused)
{
	return 0;
}

/**
 * acpi_power_button() - press the power button
 * @vm: a VM that runs
 *
 * Main loop. What becomes of it is the guest's choice.
 */
void acpi_power_button(struct vm *vm)
{
	irq_line(vm, ACPI_EVENT_IRQ, true);
	irq_line(vm, ACPI_EVENT_IRQ, false);
}
