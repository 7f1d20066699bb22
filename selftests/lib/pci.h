/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI functions of the host, for tests of device assignment.
 */
#ifndef SELFTESTS_PCI_H
#define SELFTESTS_PCI_H

#include <linux/pci_regs.h>
#include "hvtest.h"

/* QEMU's educational device (docs/specs/edu.rst of QEMU) */
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_ID		0x00	/* 0x010000ed */
#define EDU_INVERT	0x04	/* reads as the complement of what was written */
#define EDU_FACT	0x08	/* a number to compute the factorial of, in a thread of its own */
#define EDU_STATUS	0x20
#define EDU_STATUS_IRQ	0x80	/* interrupt when that is done */
#define EDU_IRQ_STATUS	0x24
#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_BUFFER	0x40000	/* its own memory, as its DMA sees it */

/* QEMU's virtio-rng, of which a test wants registers that a reset clears (Virtio 1.1, 4.1.4.3) */
#define RNG_BAR		4
#define RNG_QUEUES	0x10	/* number of queues, in the upper half */
#define RNG_STATUS	0x14	/* 8 bits: how far its driver has come */

/* A function's address, DDDD:BB:DD.F */
typedef char bdf_t[16];

/* What a test that needs a device says when there's none. */
#define NO_DEVICE	"no such device behind an IOMMU: tools/testbed/run --iommu, --device"

bool pci_find(uint16_t vendor, uint16_t device, bool resettable, bdf_t bdf);
bool pci_find_nth(uint16_t vendor, uint16_t device, unsigned int n, bdf_t bdf);
bool pci_find_rng(bdf_t bdf);
void pci_attribute(const bdf_t bdf, const char *name, const char *value);
bool pci_present(const bdf_t bdf);
void pci_rescan(void);
void pci_bind_to(const bdf_t bdf, const char *driver);
void pci_bind(const bdf_t bdf);
void pci_unbind(const bdf_t bdf);
void pci_probe(const bdf_t bdf);
bool pci_driver_is(const bdf_t bdf, const char *name);
long pci_open(const bdf_t bdf);
uint64_t region_offset(unsigned int region);
long region_read(int fd, unsigned int region, uint64_t pos, void *data, size_t len);
long region_write(int fd, unsigned int region, uint64_t pos, const void *data, size_t len);
uint32_t config_read(int fd, unsigned int pos, unsigned int len);
void config_write(int fd, unsigned int pos, uint32_t value, unsigned int len);
uint32_t hardware_config(const bdf_t bdf, unsigned int pos, unsigned int len);
unsigned int config_cap(int fd, uint8_t id);
void *bar_map(int fd, unsigned int bar, size_t size);

#endif
