/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device assignment: a PCI function that is bound to the driver hv-pci, its file, and the VM that
 * has it.
 *
 * What the two halves of src/assign do for each other. Assignment (HV_ASSIGN_DEVICE):
 *
 *	dev = hv_pci_get(fd);			the file stays open until hv_pci_put()
 *	...					pin the VM's memory
 *	mutex_lock(&dev->mutex);
 *	rc = hv_pci_prepare(dev, flag);		there, nobody's, reset, no DMA
 *	...					claim the group, make or join a domain
 *	hv_pci_attach(dev, vm);			from here on the guest may switch DMA on
 *	mutex_unlock(&dev->mutex);
 *	hv_pci_put(dev);
 *
 * HV_DEASSIGN_DEVICE, the last close and the unbinding of the driver call hv_pci_detach() with
 * dev->mutex held. It stops interrupts and DMA, resets the function, and calls
 * hv_assign_detach(), which undoes what stands at the dots. But for the pins: those are
 * hv_assign_finish()'s, when no lock is held.
 */
#ifndef HV_ASSIGN_H
#define HV_ASSIGN_H

#include <linux/bitmap.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <hv/eventfd.h>
#include <hv/ioctl.h>
#include <hv/post.h>

struct file;
struct hv_group;
struct hv_pci_info;
struct page;
struct hv_vm;

/**
 * struct hv_pci_config - configuration space as a guest sees it; hv_pci.mutex
 * @copy: what it reads
 * @write: bits of it that writes change
 * @hardware: bytes that are read from the hardware and written to it
 * @pcie: where the PCI Express capability is, 0: it has none
 */
struct hv_pci_config {
	u8 copy[PCI_CFG_SPACE_SIZE];
	u8 write[PCI_CFG_SPACE_SIZE];
	DECLARE_BITMAP(hardware, PCI_CFG_SPACE_SIZE);
	u8 pcie;
};

/**
 * struct hv_pci_msix - where a function has its MSI-X structures; fixed
 * @nr: entries of the table, 0: no MSI-X
 * @bar: BAR that the table is in
 * @table: offset there
 * @pba_bar: BAR that the pending bits are in
 * @pba: offset there
 */
struct hv_pci_msix {
	u32 nr;
	u32 bar;
	u32 table;
	u32 pba_bar;
	u32 pba;
};

/**
 * struct hv_pci_vector - an interrupt of a function, and where it goes in the VM
 * @dev: device
 * @irq: Linux's number of it on the host; 0: not requested
 * @lock: guards what follows; taken in the interrupt's handler, interrupts off
 * @addr: guest's message address
 * @data: guest's message data
 * @masked: the guest wants none now: one is remembered
 * @pending: ... and has come
 * @count: interrupts that the handler has seen
 * @post: how they go to a vCPU without the handler; hv_pci.mutex
 */
struct hv_pci_vector {
	struct hv_pci *dev;
	unsigned int irq;
	spinlock_t lock;		/* what follows */
	u64 addr;
	u32 data;
	bool masked;
	bool pending;
	u64 count;
	struct hv_post post;
};

/**
 * struct hv_pci - a PCI function bound to hv-pci
 * @dev: its device in the class hv-pci; counts references to this structure
 * @cdev: character device; an open file has a reference to it, and so to @dev
 * @pdev: PCI function; valid until @gone is set, and freed with this structure
 * @mutex: outermost lock of the device, outside of all locks of a VM. Whoever holds it may
 *	sleep, but does not wait for userspace
 * @gone: the driver has been unbound or the function removed: nothing touches the hardware any
 *	more, calls fail with ENODEV; @mutex
 * @unbinding: who has @mutex is the driver core, with the PCI device's lock, and about to set
 *	@gone: mappings show no registers any more; changed with @mutex and @map_lock
 * @file: the one open file or NULL; @mutex. Not counted
 * @events: who polls the file
 * @error: an error was reported since it was opened or reset; @mutex
 * @frozen: ... and its link can't be used until it is reset: nothing touches its registers; changed
 *	with @mutex and @map_lock
 * @vm: VM that has it, with a reference, or NULL; @mutex
 * @left: VM that has lost it to its unbinding, with a reference; for @finish
 * @finish: unpins that VM's memory
 * @can_reset: the kernel knows a way to reset it; fixed when it is opened
 * @needs_reset: the last reset failed, so it has what its user has left in it; @mutex
 * @saved: configuration when it was opened; @mutex
 * @config: configuration space
 * @msix: its MSI-X structures
 * @map_lock: held for reading while a page is mapped, for writing while the function is reset,
 *	freezes or goes. Inside mmap_lock and @mutex
 * @blank: page that is mapped instead of registers while the function is frozen, and when it is
 *	gone: of ones, but for what is written to it then
 * @io: BARs as the kernel has them mapped, or NULL; made at need, @mutex
 * @rom: image of the expansion ROM, or NULL; made at need, @mutex
 * @rom_size: its size in bytes
 * @rom_known: it was looked for
 * @irq_mode: HV_PCI_IRQ_*, @mutex
 * @nr_vectors: vectors allocated in it; @mutex
 * @vectors: them; handlers use theirs while it is requested
 * @gsi: where INTx goes; fixed while it is requested
 * @resampler: hears of the end of INTx
 * @intx_lock: guards @intx_on, @intx_masked and, while INTx is requested, the hardware's command
 *	register; interrupts off
 * @intx_on: the guest has not switched INTx off
 * @intx_masked: it came and is masked until the guest has ended it
 * @vm_link: in the list of the VM's devices; hv_dma.lock
 * @assign: IOMMU group whose DMA the VM has, shared by its members; @mutex and hv_dma.lock
 */
struct hv_pci {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	struct mutex mutex;		/* outside of all locks of a VM */
	bool gone;
	bool unbinding;
	struct file *file;
	wait_queue_head_t events;
	bool error;
	bool frozen;
	struct hv_vm *vm;
	struct hv_vm *left;
	struct work_struct finish;
	bool can_reset;
	bool needs_reset;
	struct pci_saved_state *saved;
	struct hv_pci_config config;
	struct hv_pci_msix msix;
	struct rw_semaphore map_lock;
	struct page *blank;
	void __iomem *io[PCI_STD_NUM_BARS];
	void *rom;
	size_t rom_size;
	bool rom_known;
	u32 irq_mode;
	u32 nr_vectors;
	struct hv_pci_vector *vectors;
	u32 gsi;
	struct hv_resampler resampler;
	spinlock_t intx_lock;		/* intx_on, intx_masked, the command register */
	bool intx_on;
	bool intx_masked;
	struct list_head vm_link;
	struct hv_group *assign;
};

/* src/assign/vfio.c */
struct hv_ioctl_table;
extern const struct hv_ioctl_table hv_vfio_vm_ioctls;	/* HV_CREATE_DEVICE */

/* src/assign/driver.c */
int hv_pci_init(void);
void hv_pci_exit(void);
struct hv_pci *hv_pci_get(int fd);
struct hv_pci *hv_pci_of_file(struct file *file);
void hv_pci_put(struct hv_pci *dev);

/* src/assign/region.c */
u64 hv_pci_file_pfn(struct file *file, u64 pgoff);

/* src/assign/device.c */
int hv_pci_prepare(struct hv_pci *dev, bool without_reset);
void hv_pci_attach(struct hv_pci *dev, struct hv_vm *vm);
struct hv_vm *hv_pci_detach(struct hv_pci *dev);
int hv_pci_reset(struct hv_pci *dev);

/* src/assign/assign.c */
extern const struct hv_ioctl_table hv_assign_vm_ioctls;
void hv_assign_restored(struct hv_pci *dev);
void hv_assign_unmap_bars(struct hv_pci *dev);
void hv_assign_detach(struct hv_pci *dev);
void hv_assign_finish(struct hv_vm *vm);
void hv_assign_info(struct hv_pci *dev, struct hv_pci_info *info);

#endif
