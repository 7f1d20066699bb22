/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's edu device as a device to assign: it copies between memory and a buffer of its own.
 */
#ifndef SELFTESTS_EDU_H
#define SELFTESTS_EDU_H

#include "pci.h"

/* What is copied at once, at most; with all 4096 bytes of the buffer QEMU 7.2 ends */
#define EDU_DMA_SIZE	2048U

/**
 * struct edu - a device that is opened
 * @bdf: its address
 * @fd: its file
 * @bar: its registers
 */
struct edu {
	bdf_t bdf;
	int fd;
	volatile uint8_t *bar;
};

struct edu *edu_open(bool resettable);
void edu_close(struct edu *edu);
long edu_assign(struct vm *vm, struct edu *edu, uint32_t flags, struct hv_assign_device *out);
long edu_deassign(struct vm *vm, struct edu *edu);
void edu_bus_master(struct edu *edu);
void edu_start(struct edu *edu, bool write, uint64_t addr, uint32_t len);
bool edu_idle(struct edu *edu);
void edu_wait(struct edu *edu);
void edu_copy(struct edu *edu, bool write, uint64_t addr, uint32_t len);
uint64_t edu_phys(const void *p);

#endif
