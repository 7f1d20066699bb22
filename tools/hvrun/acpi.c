// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI: the tables that tell the guest what this machine has, and the registers
 * that end it.
 *
 * The machine is "hardware-reduced" (ACPI 6.4, 4.1): no PIT, PIC, RTC, keyboard
 * controller or PM timer, which is exactly what hvrun does not have.
 */
#include <string.h>

#include "hvrun.h"

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
	uint64_t table[2];
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

/*
 * Name (\_S5, Package () { 5, 5, 0, 0 })
 * Scope (\_SB) {
 *	Device (COM1) {
 *		Name (_HID, EisaId ("PNP0501"))
 *		Name (_UID, 0)
 *		Name (_CRS, ResourceTemplate () {
 *			IO (Decode16, 0x3f8, 0x3f8, 1, 8)
 *			Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
 *		})
 *	}
 * }
 * Encoded by hand after ACPI 6.4, chapters 6.4 and 20.
 */
static const uint8_t dsdt_aml[] = {
	0x08, '_', 'S', '5', '_',			/* NameOp */
	0x12, 0x08, 0x04,				/* PackageOp, PkgLength, elements */
	0x0a, ACPI_S5_TYPE, 0x0a, ACPI_S5_TYPE, 0x00, 0x00,
	0x10, 0x39, '\\', '_', 'S', 'B', '_',		/* ScopeOp, PkgLength */
	0x5b, 0x82, 0x31, 'C', 'O', 'M', '1',		/* DeviceOp, PkgLength */
	0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01,
	0x08, '_', 'U', 'I', 'D', 0x00,
	0x08, '_', 'C', 'R', 'S', 0x11, 0x16, 0x0a, 0x13,	/* BufferOp of 19 bytes */
	0x47, 0x01,					/* I/O port descriptor, 16 bits decoded */
	SERIAL_PORT & 0xff, SERIAL_PORT >> 8, SERIAL_PORT & 0xff, SERIAL_PORT >> 8, 0x01, 0x08,
	0x89, 0x06, 0x00, 0x03, 0x01, SERIAL_IRQ, 0x00, 0x00, 0x00,	/* extended interrupt */
	0x79, 0x00,					/* end tag */
};

struct acpi_dsdt {
	struct acpi_header h;
	uint8_t aml[sizeof(dsdt_aml)];
} __packed;

/* The tables as they lie at ACPI_ADDR, each on its own 16 bytes. */
struct acpi_tables {
	struct acpi_rsdp rsdp __aligned(16);
	struct acpi_xsdt xsdt __aligned(16);
	struct acpi_fadt fadt __aligned(16);
	struct acpi_dsdt dsdt __aligned(16);
	struct acpi_madt madt __aligned(16);
};

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
 * @vm: the VM
 *
 * Return: guest-physical address of the RSDP.
 */
uint64_t acpi_build(struct vm *vm)
{
	struct acpi_tables *t = vm_memory(vm, ACPI_ADDR, sizeof(*t));

	build_rsdp(&t->rsdp);
	t->xsdt.table[0] = ACPI_ADDR + offsetof(struct acpi_tables, fadt);
	t->xsdt.table[1] = ACPI_ADDR + offsetof(struct acpi_tables, madt);
	finish(&t->xsdt.h, "XSDT", 1, sizeof(t->xsdt));
	build_fadt(&t->fadt);
	memcpy(t->dsdt.aml, dsdt_aml, sizeof(dsdt_aml));
	finish(&t->dsdt.h, "DSDT", 2, sizeof(t->dsdt));
	build_madt(&t->madt, vm->opt->cpus);
	return ACPI_ADDR + offsetof(struct acpi_tables, rsdp);
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
		msg("the guest asked for a reset");
		vm_stop(vm, EXIT_RESET);
	} else if (port == ACPI_SLEEP_CONTROL_PORT && (value & SLEEP_ENABLE) &&
		   type == ACPI_S5_TYPE) {
		msg("the guest powered itself off");
		vm_stop(vm, EXIT_POWEROFF);
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
