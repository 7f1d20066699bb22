// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's edu device: opened, assigned, and told what to copy.
 */
#include <fcntl.h>
#include "edu.h"

#define BAR_SIZE	(1UL << 20)

#define EDU_CMD_START	1U
#define EDU_CMD_WRITE	2U	/* from the device to memory */

/**
 * edu_open() - bind an edu device to hv-pci and open it
 * @resettable: one that the kernel can reset, else one that it can't
 *
 * Return: the device; NULL: there's none behind an IOMMU.
 */
struct edu *edu_open(bool resettable)
{
	struct edu *edu = calloc(1, sizeof(*edu));

	if (!edu)
		die("no memory");
	if (!pci_find(EDU_VENDOR, EDU_DEVICE, resettable, edu->bdf)) {
		free(edu);
		return NULL;
	}
	pci_bind(edu->bdf);
	edu->fd = pci_open(edu->bdf);
	must(edu->fd);
	edu->bar = bar_map(edu->fd, 0, BAR_SIZE);
	return edu;
}

/**
 * edu_close() - close a device; it stays bound
 * @edu: device
 */
void edu_close(struct edu *edu)
{
	munmap((void *)edu->bar, BAR_SIZE);
	close(edu->fd);
	free(edu);
}

/**
 * edu_bus_master() - let it read and write memory
 * @edu: device that a VM has
 */
void edu_bus_master(struct edu *edu)
{
	config_write(edu->fd, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void edu_set(struct edu *edu, unsigned int reg, uint64_t value)
{
	*(volatile uint64_t *)(edu->bar + reg) = value;
}

/**
 * edu_idle() - has it done what it was told
 * @edu: device
 *
 * Return: whether it has.
 */
bool edu_idle(struct edu *edu)
{
	return !(*(volatile uint64_t *)(edu->bar + EDU_DMA_CMD) & EDU_CMD_START);
}

/**
 * edu_start() - begin to copy, which takes a tenth of a second
 * @edu: device
 * @write: to memory, else from it
 * @addr: address as the device uses it
 * @len: bytes
 */
void edu_start(struct edu *edu, bool write, uint64_t addr, uint32_t len)
{
	edu_set(edu, EDU_DMA_SRC, write ? EDU_BUFFER : addr);
	edu_set(edu, EDU_DMA_DST, write ? addr : EDU_BUFFER);
	edu_set(edu, EDU_DMA_COUNT, len);
	edu_set(edu, EDU_DMA_CMD, EDU_CMD_START | (write ? EDU_CMD_WRITE : 0));
}

/**
 * edu_wait() - wait until it's done
 * @edu: device
 */
void edu_wait(struct edu *edu)
{
	uint64_t end = now_us() + 20000000;

	while (!edu_idle(edu)) {
		if (now_us() > end)
			die("%s doesn't finish", edu->bdf);
		sleep_us(1000);
	}
}

/**
 * edu_copy() - copy, and wait until it's done
 * @edu: device
 * @write: to memory, else from it
 * @addr: address as the device uses it
 * @len: bytes
 */
void edu_copy(struct edu *edu, bool write, uint64_t addr, uint32_t len)
{
	edu_start(edu, write, addr, len);
	edu_wait(edu);
}

/**
 * edu_assign() - HV_ASSIGN_DEVICE
 * @vm: VM
 * @edu: device
 * @flags: HV_ASSIGN_*
 * @out: filled in; may be NULL
 *
 * Return: 0 or -errno.
 */
long edu_assign(struct vm *vm, struct edu *edu, uint32_t flags, struct hv_assign_device *out)
{
	struct hv_assign_device a = { .size = sizeof(a), .fd = edu->fd, .flags = flags };
	long ret = hv_ioctl(vm->fd, HV_ASSIGN_DEVICE, &a);

	if (out)
		*out = a;
	return ret;
}

/**
 * edu_deassign() - HV_DEASSIGN_DEVICE
 * @vm: VM
 * @edu: device
 *
 * Return: 0 or -errno.
 */
long edu_deassign(struct vm *vm, struct edu *edu)
{
	struct hv_deassign_device d = { .size = sizeof(d), .fd = edu->fd };

	return hv_ioctl(vm->fd, HV_DEASSIGN_DEVICE, &d);
}

/**
 * edu_phys() - where the device would find memory of this process if nobody translated
 * @p: in a page that is in memory
 *
 * Return: its physical address.
 */
uint64_t edu_phys(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8 || !(entry >> 63))
		die("no physical address");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE + (uintptr_t)p % PAGE;
}
