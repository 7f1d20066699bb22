// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a device as memory: each region of the function begins at its number, shifted
 * by HV_PCI_REGION_SHIFT. All of them can be read and written; BARs of memory can be mapped.
 *
 * A mapping has no pages of its own: they come one by one as they are touched, and all go
 * before the function is reset or leaves, from guests as well (the mmu notifier hears of it).
 * While it is reset, who touches it waits. When it has gone for good, or its link has failed, there
 * is a page of ones in the registers' place, so a guest finds what it finds when hardware is
 * pulled out. But it is memory, and keeps what is written to it: nobody is there who would drop
 * writes without an exit for each.
 *
 * The MSI-X table is the host's. Its pages can't be mapped, nor can it be accessed here.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <hv/assign.h>
#include <hv/host.h>
#include "internal.h"

#define REGION_MASK	(BIT_ULL(HV_PCI_REGION_SHIFT) - 1)
/* An access through the file is copied through a buffer of this size. */
#define CHUNK		256

/**
 * hv_pci_region_size() - size of a region in bytes, 0: absent
 * @dev: device
 * @region: its number
 */
u64 hv_pci_region_size(struct hv_pci *dev, unsigned int region)
{
	if (region == HV_PCI_REGION_CONFIG)
		return dev->pdev->cfg_size;
	return region < HV_PCI_NR_REGIONS ? pci_resource_len(dev->pdev, region) : 0;
}

/**
 * hv_pci_region_mappable() - may a BAR be mapped
 * @dev: device
 * @bar: its number
 *
 * Only memory, and not if others' registers may be in the same page.
 */
bool hv_pci_region_mappable(struct hv_pci *dev, unsigned int bar)
{
	return bar < PCI_STD_NUM_BARS &&
	       pci_resource_flags(dev->pdev, bar) & IORESOURCE_MEM &&
	       pci_resource_len(dev->pdev, bar) >= PAGE_SIZE &&
	       !(pci_resource_start(dev->pdev, bar) & ~PAGE_MASK);
}

/* Does [pos, pos + len) of a BAR meet the MSI-X table, which is taken to begin and end at @align */
static bool meets_msix(struct hv_pci *dev, unsigned int bar, u64 pos, u64 len, u64 align)
{
	const struct hv_pci_msix *msix = &dev->msix;
	u64 start = round_down(msix->table, align);
	u64 end = round_up((u64)msix->table + msix->nr * PCI_MSIX_ENTRY_SIZE, align);

	return msix->nr && bar == msix->bar && pos < end && start < pos + len;
}

/* ---- reading and writing: dev->mutex held ---- */

static void __iomem *bar_io(struct hv_pci *dev, unsigned int bar)
{
	if (!dev->io[bar])
		dev->io[bar] = pci_iomap(dev->pdev, bar, 0);
	return dev->io[bar];
}

/* One access of @size bytes, naturally aligned: a register may take only its own size. */
static void io_access(void __iomem *io, void *data, unsigned int size, bool write)
{
	switch (size) {
	case 4:
		if (write)
			iowrite32(*(u32 *)data, io);
		else
			*(u32 *)data = ioread32(io);
		break;
	case 2:
		if (write)
			iowrite16(*(u16 *)data, io);
		else
			*(u16 *)data = ioread16(io);
		break;
	default:
		if (write)
			iowrite8(*(u8 *)data, io);
		else
			*(u8 *)data = ioread8(io);
	}
}

static void io_copy(void __iomem *io, u64 pos, u8 *data, size_t len, bool write)
{
	unsigned int size;

	for (; len; len -= size, pos += size, data += size) {
		size = 4;
		while (size > len || pos & (size - 1))
			size /= 2;
		/* @data is aligned as @pos is: see chunk() */
		io_access(io + pos, data, size, write);
	}
}

static int bar_access(struct hv_pci *dev, unsigned int bar, u64 pos, u8 *data, size_t len,
		      bool write)
{
	void __iomem *io;

	if (meets_msix(dev, bar, pos, len, 1))
		return -EACCES;
	io = bar_io(dev, bar);
	if (!io)
		return -ENOMEM;
	io_copy(io, pos, data, len, write);
	return 0;
}

/*
 * The image is copied at its first use: while the kernel has it mapped other registers may not be
 * there, and about each ROM that isn't one it says so in the log.
 */
static int rom_copy(struct hv_pci *dev)
{
	void __iomem *io;
	size_t size, at, n;

	io = pci_map_rom(dev->pdev, &size);
	dev->rom_known = !io;
	if (!io)
		return 0;
	dev->rom = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	for (at = 0; dev->rom && at < size && !fatal_signal_pending(current); at += n) {
		n = min_t(size_t, size - at, PAGE_SIZE);
		memcpy_fromio(dev->rom + at, io + at, n);
		cond_resched();
	}
	pci_unmap_rom(dev->pdev, io);
	if (!dev->rom)
		return -ENOMEM;
	if (at < size) {
		kvfree(dev->rom);
		dev->rom = NULL;
		return -EINTR;
	}
	dev->rom_size = size;
	dev->rom_known = true;
	return 0;
}

static int rom_read(struct hv_pci *dev, u64 pos, u8 *data, size_t len)
{
	int rc = dev->rom_known ? 0 : rom_copy(dev);

	if (rc)
		return rc;
	/* All behind the image reads as ones. */
	memset(data, 0xff, len);
	if (pos < dev->rom_size)
		memcpy(data, dev->rom + pos, min_t(u64, len, dev->rom_size - pos));
	return 0;
}

/**
 * hv_pci_close_regions() - the device is closed, or goes: forget what was made at need
 * @dev: device
 */
void hv_pci_close_regions(struct hv_pci *dev)
{
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (dev->io[i])
			pci_iounmap(dev->pdev, dev->io[i]);
		dev->io[i] = NULL;
	}
	kvfree(dev->rom);
	dev->rom = NULL;
	dev->rom_size = 0;
	dev->rom_known = false;
}

static int region_access(struct hv_pci *dev, unsigned int region, u64 pos, u8 *data, size_t len,
			 bool write)
{
	if (dev->gone)
		return -ENODEV;
	if (dev->frozen && region != HV_PCI_REGION_CONFIG)
		return -EIO;
	switch (region) {
	case HV_PCI_REGION_CONFIG:
		if (write)
			return hv_pci_config_write(dev, pos, data, len);
		hv_pci_config_read(dev, pos, data, len);
		return 0;
	case HV_PCI_REGION_ROM:
		return write ? -EACCES : rom_read(dev, pos, data, len);
	default:
		return bar_access(dev, region, pos, data, len, write);
	}
}

/* How much of an access is done at once; 0: it ends here, at the end of the region. */
static size_t chunk(struct hv_pci *dev, loff_t pos, size_t len)
{
	u64 size = hv_pci_region_size(dev, pos >> HV_PCI_REGION_SHIFT);
	u64 offset = pos & REGION_MASK;

	if (pos < 0 || offset >= size)
		return 0;
	/* Up to a multiple of 8, so that the rest is aligned. */
	return min3((u64)len, size - offset, (u64)CHUNK - (offset & 7));
}

static ssize_t file_access(struct file *file, char __user *buf, size_t len, loff_t *pos,
			   bool write)
{
	struct hv_pci *dev = file->private_data;
	u8 room[CHUNK + 8] __aligned(8);
	size_t done = 0, n;
	u8 *data;
	int rc = 0;

	while (done < len && (n = chunk(dev, *pos, len - done))) {
		/* A BAR may take minutes. */
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		cond_resched();
		data = room + (*pos & 7);
		if (write && copy_from_user(data, buf + done, n)) {
			rc = -EFAULT;
			break;
		}
		mutex_lock(&dev->mutex);
		rc = region_access(dev, *pos >> HV_PCI_REGION_SHIFT, *pos & REGION_MASK, data, n,
				   write);
		mutex_unlock(&dev->mutex);
		if (!rc && !write && copy_to_user(buf + done, data, n))
			rc = -EFAULT;
		if (rc)
			break;
		*pos += n;
		done += n;
	}
	return done ?: rc;
}

/**
 * hv_pci_read() - read from the regions of a device
 * @file: device
 * @buf: where to
 * @len: how much
 * @pos: region and offset; advanced
 *
 * Return: number of bytes, 0 at the end of a region; -EACCES for the MSI-X table, -ENODEV if the
 * function is gone, -EIO if its link has failed, -EINTR if the caller is being killed, -EFAULT,
 * -ENOMEM.
 */
ssize_t hv_pci_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return file_access(file, buf, len, pos, false);
}

/**
 * hv_pci_write() - write to the regions of a device
 * @file: device
 * @buf: from where
 * @len: how much
 * @pos: region and offset; advanced
 *
 * Return: as for hv_pci_read(); -EACCES for the ROM, too.
 */
ssize_t hv_pci_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	return file_access(file, (char __user *)buf, len, pos, true);
}

/* ---- mapping ---- */

static vm_fault_t hv_pci_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct hv_pci *dev = vma->vm_file->private_data;
	u64 offset = ((u64)vmf->pgoff << PAGE_SHIFT) & REGION_MASK;
	unsigned int bar = (u64)vmf->pgoff >> (HV_PCI_REGION_SHIFT - PAGE_SHIFT);
	unsigned long pfn;
	vm_fault_t ret;

	/* A reset holds it for seconds. */
	down_read(&dev->map_lock);
	if (dev->unbinding || dev->frozen)
		pfn = page_to_pfn(dev->blank);
	else
		pfn = (pci_resource_start(dev->pdev, bar) + offset) >> PAGE_SHIFT;
	ret = vmf_insert_pfn(vma, vmf->address, pfn);
	up_read(&dev->map_lock);
	return ret;
}

/**
 * hv_pci_file_pfn() - what a mapping of a device's file shows
 * @file: file of a mapping, or NULL
 * @pgoff: offset in it, in pages
 *
 * Context: process context; takes map_lock.
 * Return: the frame; 0: it is no device's, or the function is going.
 */
u64 hv_pci_file_pfn(struct file *file, u64 pgoff)
{
	struct hv_pci *dev = hv_pci_of_file(file);
	unsigned int bar = pgoff >> (HV_PCI_REGION_SHIFT - PAGE_SHIFT);
	u64 pfn = 0;

	if (!dev)
		return 0;
	down_read(&dev->map_lock);
	/* That it can be mapped was looked at when it was: see hv_pci_mmap(). */
	if (!dev->unbinding)
		pfn = (pci_resource_start(dev->pdev, bar) + ((pgoff << PAGE_SHIFT) & REGION_MASK))
		      >> PAGE_SHIFT;
	up_read(&dev->map_lock);
	return pfn;
}

static const struct vm_operations_struct hv_pci_vm_ops = {
	.fault = hv_pci_fault,
};

/**
 * hv_pci_mmap() - map a BAR, or a part of it
 * @file: device
 * @vma: mapping, shared
 *
 * Return: 0; -EINVAL for a private mapping and for what is no part of a BAR that HV_PCI_GET_INFO
 * says can be mapped, -EACCES for pages of the MSI-X table.
 */
int hv_pci_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct hv_pci *dev = file->private_data;
	unsigned int bar = (u64)vma->vm_pgoff >> (HV_PCI_REGION_SHIFT - PAGE_SHIFT);
	u64 offset = ((u64)vma->vm_pgoff << PAGE_SHIFT) & REGION_MASK;
	u64 len = vma->vm_end - vma->vm_start;

	if (!(vma->vm_flags & VM_SHARED) || !hv_pci_region_mappable(dev, bar))
		return -EINVAL;
	if (offset + len > hv_pci_region_size(dev, bar))
		return -EINVAL;
	if (meets_msix(dev, bar, offset, len, PAGE_SIZE))
		return -EACCES;
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	host_vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &hv_pci_vm_ops;
	return 0;
}

/**
 * hv_pci_block() - take the registers from everybody, until hv_pci_unblock()
 * @dev: opened device
 *
 * Context: process context; dev->mutex held. The caller must not touch userspace memory
 * until then.
 */
void hv_pci_block(struct hv_pci *dev)
{
	lockdep_assert_held(&dev->mutex);
	down_write(&dev->map_lock);
	if (dev->file)
		unmap_mapping_range(dev->file->f_mapping, 0, 0, 1);
}

/**
 * hv_pci_blank() - the registers will not be there: make a page of ones for mappings
 * @dev: device
 *
 * What was written to the page when it was last shown is gone.
 *
 * Context: process context; between hv_pci_block() and hv_pci_unblock().
 */
void hv_pci_blank(struct hv_pci *dev)
{
	lockdep_assert_held_write(&dev->map_lock);
	memset(page_address(dev->blank), 0xff, PAGE_SIZE);
}

/**
 * hv_pci_unblock() - undo hv_pci_block(): who waits goes on, mappings are filled again
 * @dev: device
 */
void hv_pci_unblock(struct hv_pci *dev)
{
	up_write(&dev->map_lock);
}
