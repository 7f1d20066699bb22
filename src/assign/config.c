// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space as a guest sees it. A copy of the hardware's, made at each reset, without
 * what is not known to be harmless. Writes change the copy, where it has bits that a guest
 * may own, and reach the hardware only in the ways that config_written() spells out. So no
 * write moves a BAR, switches what the host has set up, or changes how the function behaves
 * on its link. Extended capabilities are hidden: many reach beyond the function.
 *
 * Registers: PCI Local Bus 3.0 chapter 6, PCI Express Base 5.0 chapter 7, PCI Bus Power
 * Management 1.2 chapter 3.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <hv/assign.h>
#include "internal.h"

enum {
	VENDOR_CAPS_HIDDEN,
	VENDOR_CAPS_READ,
	VENDOR_CAPS_WRITE,
};

static uint assign_vendor_caps = VENDOR_CAPS_READ;
module_param(assign_vendor_caps, uint, 0644);
MODULE_PARM_DESC(assign_vendor_caps,
		 "Vendors' capabilities of assigned devices: 0: hidden, 1: read-only, 2: the guest's");

/* What a guest may set in the command register of the copy */
#define COMMAND_BITS	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |	\
			 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
/* Errors in the status register: the guest sees and clears the hardware's. */
#define STATUS_ERRORS	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |		\
			 PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |	\
			 PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY)
/* A capability has at least 4 bytes, so a list has no more of them. */
#define MAX_CAPS	((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / 4)

static u16 get16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static void set16(u8 *p, u16 val)
{
	p[0] = val;
	p[1] = val >> 8;
}

static void set32(u8 *p, u32 val)
{
	set16(p, val);
	set16(p + 2, val >> 16);
}

/* ---- capabilities: @cap: bytes of the copy, @write: the bits that writes change ---- */

static unsigned int size_pm(const u8 *cap)
{
	return PCI_PM_SIZEOF;
}

/*
 * The function stays in D0. What the guest sets is a state of the copy, which says that nothing
 * is lost on the way back. No D1, no D2, no PME.
 */
static void fill_pm(struct hv_pci *dev, u8 *cap, u8 *write)
{
	set16(cap + PCI_PM_PMC, get16(cap + PCI_PM_PMC) & (PCI_PM_CAP_VER_MASK | PCI_PM_CAP_DSI));
	set16(cap + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	set16(write + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	set16(cap + PCI_PM_PPB_EXTENSIONS, 0);
}

static unsigned int size_msi(const u8 *cap)
{
	u16 flags = get16(cap + PCI_MSI_FLAGS);
	bool is_64 = flags & PCI_MSI_FLAGS_64BIT;

	if (flags & PCI_MSI_FLAGS_MASKBIT)
		return (is_64 ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32) + 4;
	return (is_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32) + 2;
}

/* The host programs the hardware's: the messages of the copy are the guest's own. */
static void fill_msi(struct hv_pci *dev, u8 *cap, u8 *write)
{
	u16 flags = get16(cap + PCI_MSI_FLAGS) &
		    (PCI_MSI_FLAGS_QMASK | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	bool is_64 = flags & PCI_MSI_FLAGS_64BIT;

	set16(cap + PCI_MSI_FLAGS, flags);
	memset(cap + PCI_MSI_ADDRESS_LO, 0, size_msi(cap) - PCI_MSI_ADDRESS_LO);
	set16(write + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	set32(write + PCI_MSI_ADDRESS_LO, ~3U);
	if (is_64)
		set32(write + PCI_MSI_ADDRESS_HI, ~0U);
	set16(write + (is_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 0xffff);
	if (flags & PCI_MSI_FLAGS_MASKBIT)
		set32(write + (is_64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), ~0U);
}

static unsigned int size_msix(const u8 *cap)
{
	return PCI_CAP_MSIX_SIZEOF;
}

static void fill_msix(struct hv_pci *dev, u8 *cap, u8 *write)
{
	set16(cap + PCI_MSIX_FLAGS, get16(cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE);
	set16(write + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static unsigned int size_pcie(const u8 *cap)
{
	return (get16(cap + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_VERS) == 1 ?
	       PCI_CAP_EXP_ENDPOINT_SIZEOF_V1 : PCI_CAP_EXP_ENDPOINT_SIZEOF_V2;
}

/* Link and device as they are, to look at. Its Function Level Reset is hv_pci_reset(). */
static void fill_pcie(struct hv_pci *dev, u8 *cap, u8 *write)
{
	u8 *devcap = cap + PCI_EXP_DEVCAP + 3;

	set16(cap + PCI_EXP_FLAGS, get16(cap + PCI_EXP_FLAGS) &
	      (PCI_EXP_FLAGS_VERS | PCI_EXP_FLAGS_TYPE));
	*devcap &= ~(PCI_EXP_DEVCAP_FLR >> 24);
	if (dev->can_reset)
		*devcap |= PCI_EXP_DEVCAP_FLR >> 24;
	/* Sizes of payload and requests, ordering, ...: remembered, not acted on */
	set16(cap + PCI_EXP_DEVCTL, get16(cap + PCI_EXP_DEVCTL) & ~PCI_EXP_DEVCTL_BCR_FLR);
	set16(write + PCI_EXP_DEVCTL, 0xffff & ~PCI_EXP_DEVCTL_BCR_FLR);
	set16(cap + PCI_EXP_DEVSTA, 0);
	dev->config.pcie = cap - dev->config.copy;
}

static unsigned int size_vendor(const u8 *cap)
{
	return max_t(unsigned int, cap[PCI_CAP_FLAGS], 4);
}

static void fill_vendor(struct hv_pci *dev, u8 *cap, u8 *write)
{
	if (READ_ONCE(assign_vendor_caps) == VENDOR_CAPS_WRITE)
		bitmap_set(dev->config.hardware, cap - dev->config.copy + PCI_CAP_FLAGS,
			   size_vendor(cap) - PCI_CAP_FLAGS);
}

/**
 * struct allowed_cap - a capability that a guest may see
 * @id: PCI_CAP_ID_*
 * @size: its size in bytes
 * @fill: makes of the hardware's, in the copy, what the guest sees
 */
struct allowed_cap {
	u8 id;
	unsigned int (*size)(const u8 *cap);
	void (*fill)(struct hv_pci *dev, u8 *cap, u8 *write);
};

static const struct allowed_cap allowed_caps[] = {
	{ PCI_CAP_ID_PM, size_pm, fill_pm },
	{ PCI_CAP_ID_MSI, size_msi, fill_msi },
	{ PCI_CAP_ID_MSIX, size_msix, fill_msix },
	{ PCI_CAP_ID_EXP, size_pcie, fill_pcie },
	{ PCI_CAP_ID_VNDR, size_vendor, fill_vendor },
};

static const struct allowed_cap *find_allowed(u8 id)
{
	unsigned int i;

	if (id == PCI_CAP_ID_VNDR && READ_ONCE(assign_vendor_caps) == VENDOR_CAPS_HIDDEN)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(allowed_caps); i++)
		if (allowed_caps[i].id == id)
			return &allowed_caps[i];
	return NULL;
}

static void fill_caps(struct hv_pci *dev, const u8 *hw)
{
	struct hv_pci_config *config = &dev->config;
	const struct allowed_cap *allowed;
	/* The byte of the copy that points to the next one */
	u8 *link = &config->copy[PCI_CAPABILITY_LIST];
	unsigned int pos, n;

	if (!(get16(hw + PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return;
	pos = hw[PCI_CAPABILITY_LIST] & ~3;
	for (n = 0; pos >= PCI_STD_HEADER_SIZEOF && n < MAX_CAPS; n++) {
		allowed = find_allowed(hw[pos + PCI_CAP_LIST_ID]);
		/* A list may return to itself, or leave the space. */
		if (allowed && !config->copy[pos] &&
		    pos + allowed->size(hw + pos) <= PCI_CFG_SPACE_SIZE) {
			memcpy(config->copy + pos, hw + pos, allowed->size(hw + pos));
			allowed->fill(dev, config->copy + pos, config->write + pos);
			*link = pos;
			link = &config->copy[pos + PCI_CAP_LIST_NEXT];
			*link = 0;
		}
		pos = hw[pos + PCI_CAP_LIST_NEXT] & ~3;
	}
	if (config->copy[PCI_CAPABILITY_LIST])
		config->copy[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

/* ---- the header ---- */

/* The registers of BAR @bar, or the ROM's: the guest moves them in the copy. */
static void fill_bar(struct hv_pci *dev, unsigned int bar, unsigned int reg)
{
	unsigned long flags = pci_resource_flags(dev->pdev, bar);
	u64 len = pci_resource_len(dev->pdev, bar);
	u32 type;

	if (!len)
		return;
	if (bar == PCI_ROM_RESOURCE)
		type = 0;
	else if (flags & IORESOURCE_IO)
		type = PCI_BASE_ADDRESS_SPACE_IO;
	else
		type = (flags & IORESOURCE_PREFETCH ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0) |
		       (flags & IORESOURCE_MEM_64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0);
	set32(dev->config.copy + reg, type);
	/* A BAR of 4 GiB or more has no bit in the lower register. */
	set32(dev->config.write + reg, (u32)~(len - 1));
	if (bar == PCI_ROM_RESOURCE)
		dev->config.write[reg] |= PCI_ROM_ADDRESS_ENABLE;
	if (type & PCI_BASE_ADDRESS_MEM_TYPE_64 && bar != PCI_ROM_RESOURCE)
		set32(dev->config.write + reg + 4, ~(len - 1) >> 32);
}

static void fill_header(struct hv_pci *dev, const u8 *hw)
{
	struct hv_pci_config *config = &dev->config;
	unsigned int i;

	set16(config->copy + PCI_VENDOR_ID, dev->pdev->vendor);
	set16(config->copy + PCI_DEVICE_ID, dev->pdev->device);
	set16(config->write + PCI_COMMAND, COMMAND_BITS);
	memcpy(config->copy + PCI_CLASS_REVISION, hw + PCI_CLASS_REVISION, 4);
	config->write[PCI_CACHE_LINE_SIZE] = 0xff;
	config->write[PCI_LATENCY_TIMER] = 0xff;
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		fill_bar(dev, i, PCI_BASE_ADDRESS_0 + 4 * i);
	fill_bar(dev, PCI_ROM_RESOURCE, PCI_ROM_ADDRESS);
	set16(config->copy + PCI_SUBSYSTEM_VENDOR_ID, dev->pdev->subsystem_vendor);
	set16(config->copy + PCI_SUBSYSTEM_ID, dev->pdev->subsystem_device);
	config->write[PCI_INTERRUPT_LINE] = 0xff;
	if (hv_pci_has_intx(dev))
		config->copy[PCI_INTERRUPT_PIN] = dev->pdev->pin;
	config->copy[PCI_MIN_GNT] = hw[PCI_MIN_GNT];
	config->copy[PCI_MAX_LAT] = hw[PCI_MAX_LAT];
}

/**
 * hv_pci_config_init() - make the copy anew: after open and reset
 * @dev: device
 *
 * Context: process context; dev->mutex held.
 */
void hv_pci_config_init(struct hv_pci *dev)
{
	u8 hw[PCI_CFG_SPACE_SIZE];
	unsigned int i;
	u32 val;

	lockdep_assert_held(&dev->mutex);
	for (i = 0; i < sizeof(hw); i += 4) {
		if (pci_user_read_config_dword(dev->pdev, i, &val))
			val = ~0U;
		set32(hw + i, val);
	}
	memset(&dev->config, 0, sizeof(dev->config));
	fill_header(dev, hw);
	fill_caps(dev, hw);
}

/* ---- access ---- */

static u8 read_byte(struct hv_pci *dev, unsigned int pos)
{
	u16 status;
	u8 val;

	/* No extended capability: the list is one header of zeros. */
	if (pos >= PCI_CFG_SPACE_SIZE)
		return 0;
	val = dev->config.copy[pos];
	if (pos == PCI_STATUS || pos == PCI_STATUS + 1) {
		if (pci_user_read_config_word(dev->pdev, PCI_STATUS, &status))
			return val;
		/* Of the hardware's own state: errors, and that it asserts INTx */
		status &= STATUS_ERRORS | PCI_STATUS_INTERRUPT;
		return val | status >> 8 * (pos - PCI_STATUS);
	}
	if (test_bit(pos, dev->config.hardware))
		pci_user_read_config_byte(dev->pdev, pos, &val);
	return val;
}

/**
 * hv_pci_config_read() - read bytes of the guest's view
 * @dev: device that is there
 * @pos: where, within the function's configuration space
 * @data: filled in
 * @len: how many bytes
 *
 * Context: process context; dev->mutex held.
 */
void hv_pci_config_read(struct hv_pci *dev, unsigned int pos, u8 *data, unsigned int len)
{
	lockdep_assert_held(&dev->mutex);
	for (; len--; pos++)
		*data++ = read_byte(dev, pos);
}

/**
 * hv_pci_command_apply() - let the hardware follow the guest's command register
 * @dev: device that is there
 *
 * Memory and ports stay decoded: it's the VMM that takes them from the guest's address space.
 * Mastering the bus is for a function whose DMA is a VM's.
 *
 * Context: process context; dev->mutex held.
 */
void hv_pci_command_apply(struct hv_pci *dev)
{
	u16 command = get16(dev->config.copy + PCI_COMMAND);

	hv_pci_bus_master(dev, dev->vm && command & PCI_COMMAND_MASTER);
	hv_pci_intx_enable(dev, !(command & PCI_COMMAND_INTX_DISABLE));
}

static bool touches(unsigned int pos, unsigned int len, unsigned int reg, unsigned int size)
{
	return pos < reg + size && reg < pos + len;
}

/* All that a write does to the hardware, but for bytes that are the hardware's own. */
static int config_written(struct hv_pci *dev, unsigned int pos, const u8 *data, unsigned int len)
{
	unsigned int flr = dev->config.pcie + PCI_EXP_DEVCTL + 1;
	u16 errors = 0;
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (touches(pos, len, PCI_STATUS + i, 1))
			errors |= data[PCI_STATUS + i - pos] << 8 * i;
	/* Written as 1 they are cleared. */
	if (errors & STATUS_ERRORS)
		pci_user_write_config_word(dev->pdev, PCI_STATUS, errors & STATUS_ERRORS);
	if (touches(pos, len, PCI_COMMAND, 2))
		hv_pci_command_apply(dev);
	if (dev->config.pcie && dev->can_reset && touches(pos, len, flr, 1) &&
	    data[flr - pos] & (PCI_EXP_DEVCTL_BCR_FLR >> 8))
		return hv_pci_reset(dev);
	return 0;
}

/**
 * hv_pci_config_write() - write bytes of the guest's view
 * @dev: device that is there
 * @pos: where, within the function's configuration space
 * @data: bytes
 * @len: how many
 *
 * Context: process context; dev->mutex held.
 * Return: 0, or -errno of a reset that the write asked for.
 */
int hv_pci_config_write(struct hv_pci *dev, unsigned int pos, const u8 *data, unsigned int len)
{
	struct hv_pci_config *config = &dev->config;
	unsigned int i, at;

	lockdep_assert_held(&dev->mutex);
	for (i = 0; i < len; i++) {
		at = pos + i;
		if (at >= PCI_CFG_SPACE_SIZE)
			break;
		config->copy[at] = (config->copy[at] & ~config->write[at]) |
				   (data[i] & config->write[at]);
		if (test_bit(at, config->hardware))
			pci_user_write_config_byte(dev->pdev, at, data[i]);
	}
	return config_written(dev, pos, data, len);
}
