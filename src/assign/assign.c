// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_ASSIGN_DEVICE: a PCI function becomes a VM's. What it reaches are the VM's slots; they
 * are pinned before, and pins and domains follow each change of them.
 *
 * A device must be able to go at any time without waiting for userspace, so pinning, which
 * waits for page faults, is apart from all else: it is done under vm->slots_lock alone, and what is
 * pinned is then taken over under hv_dma.lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hv.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <hv/assign.h>
#include <hv/dma.h>
#include <hv/host.h>
#include <hv/ioctl.h>
#include <hv/memory.h>
#include <hv/vm.h>
#include "domain.h"
#include "pin.h"

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Assign devices without interrupt remapping: they can send any interrupt");

/* Why not: returns @err. */
static __printf(4, 5) int refuse(struct hv_assign_device *a, int err, u32 reason,
				 const char *fmt, ...)
{
	va_list args;

	a->reason = reason;
	va_start(args, fmt);
	vscnprintf(a->message, sizeof(a->message), fmt, args);
	va_end(args);
	return err;
}

/* ---- pins of the VM ---- */

static bool slot_has_dma(const struct hv_memslot *slot)
{
	return slot && !(slot->flags & HV_MEM_NO_DMA);
}

static struct hv_pin *find_pin(struct hv_vm *vm, u32 id)
{
	struct hv_pin *pin;

	list_for_each_entry(pin, &vm->dma.pins, link)
		if (pin->id == id)
			return pin;
	return NULL;
}

/* What devices have written and nobody has asked for yet is not forgotten. */
static void free_pins(struct hv_vm *vm, struct list_head *pins)
{
	struct hv_pin *pin, *next;

	list_for_each_entry_safe(pin, next, pins, link) {
		if (pin->writable)
			hv_dirty_mark_slot(vm, pin->id);
		hv_pin_free(pin);
	}
}

/* One user less; with the last the pins go, which may wait for the VMM. dev->mutex not held. */
static void pins_put(struct hv_vm *vm)
{
	LIST_HEAD(unneeded);

	mutex_lock(&vm->dma.lock);
	if (!--vm->dma.users)
		list_splice_init(&vm->dma.pins, &unneeded);
	mutex_unlock(&vm->dma.lock);
	free_pins(vm, &unneeded);
}

/* Pin all slots for one user more, or fail and change nothing. slots_lock held. */
static int pins_get(struct hv_vm *vm, struct hv_assign_device *a)
{
	struct hv_memslots *slots = hv_vm_memslots(vm);
	bool first, over_limit = false;
	struct hv_pin *pin;
	unsigned int i;

	mutex_lock(&vm->dma.lock);
	first = !vm->dma.users++;
	mutex_unlock(&vm->dma.lock);
	if (!first)
		return 0;
	for (i = 0; i < slots->nr; i++) {
		if (!slot_has_dma(&slots->slot[i]))
			continue;
		pin = hv_pin_slot(vm, &slots->slot[i], &over_limit);
		if (IS_ERR(pin))
			break;
		mutex_lock(&vm->dma.lock);
		list_add_tail(&pin->link, &vm->dma.pins);
		mutex_unlock(&vm->dma.lock);
	}
	if (i == slots->nr)
		return 0;

	/* Before slots_lock goes: the next user must find all of them or none. */
	pins_put(vm);
	if (over_limit)
		return refuse(a, -ENOMEM, HV_ASSIGN_REASON_MEMLOCK,
			      "the VM's memory can't be pinned: RLIMIT_MEMLOCK is too low");
	if (PTR_ERR(pin) == -ENOMEM || PTR_ERR(pin) == -EINTR)
		return PTR_ERR(pin);
	return refuse(a, -EFAULT, HV_ASSIGN_REASON_MEMORY,
		      "the memory of slot %u can't be pinned: error %ld", slots->slot[i].id,
		      PTR_ERR(pin));
}

/* ---- checks ---- */

static int check_resv(struct hv_assign_device *a, struct iommu_group *group, struct pci_dev *pdev)
{
	struct iommu_resv_region *r;
	LIST_HEAD(list);
	int ret;

	ret = iommu_get_group_resv_regions(group, &list);
	list_for_each_entry(r, &list, list) {
		if (ret || r->type != IOMMU_RESV_DIRECT)
			continue;
		ret = refuse(a, -EADDRNOTAVAIL, HV_ASSIGN_REASON_IDENTITY_MAP,
			     "the firmware wants %pa mapped for the function, %zu bytes", &r->start,
			     r->length);
	}
	iommu_put_resv_regions(&pdev->dev, &list);
	return ret;
}

/* Can the function be kept from what isn't the VM's? */
static int check_isolation(struct hv_assign_device *a, struct iommu_group *group,
			   struct pci_dev *pdev)
{
	if (!device_iommu_capable(&pdev->dev, IOMMU_CAP_CACHE_COHERENCY))
		return refuse(a, -ENXIO, HV_ASSIGN_REASON_NOT_COHERENT,
			      "the IOMMU doesn't keep the function coherent with caches");
	if (!host_iommu_msi_isolated(group, pdev)) {
		if (!READ_ONCE(allow_unsafe_interrupts))
			return refuse(a, -EPERM, HV_ASSIGN_REASON_NO_INTR_REMAP,
				      "interrupts aren't remapped, the function could send any");
		pr_warn_ratelimited("%s is assigned without interrupt remapping, it can send any interrupt\n",
				    pci_name(pdev));
		add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	}
	return check_resv(a, group, pdev);
}

/* ---- groups ---- */

/* A function that has a driver which isn't one of those that leave DMA to others */
static int find_driven(struct device *dev, void *data)
{
	struct device_driver *driver = READ_ONCE(dev->driver);

	if (!driver || !dev_is_pci(dev) || to_pci_driver(driver)->driver_managed_dma)
		return 0;
	scnprintf(data, 32, ": %s has a driver", dev_name(dev));
	return 1;
}

static struct hv_group *find_group(struct hv_vm *vm, struct iommu_group *group)
{
	struct hv_pci *dev;

	list_for_each_entry(dev, &vm->dma.devices, vm_link)
		if (dev->assign->group == group)
			return dev->assign;
	return NULL;
}

/* Claim the DMA of a group and give it the VM's memory. Takes over the reference to it. */
static struct hv_group *group_create(struct hv_vm *vm, struct hv_assign_device *a,
				     struct iommu_group *group, struct pci_dev *pdev)
{
	struct hv_group *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);
	char driven[32] = "";
	int ret = -ENOMEM;

	if (!g)
		goto err_put;
	g->group = group;
	ret = iommu_group_claim_dma_owner(group, g);
	if (ret) {
		iommu_group_for_each_dev(group, driven, find_driven);
		ret = refuse(a, -EBUSY, HV_ASSIGN_REASON_GROUP_IN_USE,
			     "IOMMU group %d is in use%s", iommu_group_id(group), driven);
		goto err_free;
	}
	ret = hv_domain_attach(vm, g, pdev);
	if (ret)
		goto err_release;
	return g;

err_release:
	iommu_group_release_dma_owner(group);
	if (ret == -ERANGE)
		refuse(a, ret, HV_ASSIGN_REASON_ADDRESS,
		       "a slot is at an address that the IOMMU doesn't translate");
err_free:
	kfree(g);
err_put:
	iommu_group_put(group);
	return ERR_PTR(ret);
}

static void put_group(struct hv_vm *vm, struct hv_group *g)
{
	if (--g->nr_devices)
		return;
	hv_domain_detach(vm, g);
	iommu_group_release_dma_owner(g->group);
	iommu_group_put(g->group);
	kfree(g);
}

/* The group of a function, claimed and attached. hv_dma.lock held. */
static struct hv_group *get_group(struct hv_vm *vm, struct hv_assign_device *a,
				  struct pci_dev *pdev)
{
	struct iommu_group *group = iommu_group_get(&pdev->dev);
	struct hv_group *g;
	int ret;

	if (!group) {
		ret = refuse(a, -ENODEV, HV_ASSIGN_REASON_NO_IOMMU, "no IOMMU has the function");
		return ERR_PTR(ret);
	}
	ret = check_isolation(a, group, pdev);
	if (ret) {
		iommu_group_put(group);
		return ERR_PTR(ret);
	}
	g = find_group(vm, group);
	if (g)
		iommu_group_put(group);
	else
		g = group_create(vm, a, group, pdev);
	if (!IS_ERR(g))
		g->nr_devices++;
	return g;
}

/* ---- devices ---- */

/*
 * Without an IOMMU that sees to it the function itself mustn't bypass caches: memory holds what
 * others had there, until a cache is written back (PCIe 7.5.3.4, Enable No Snoop).
 */
static void forbid_no_snoop(struct hv_group *g, struct pci_dev *pdev)
{
	if (!g->domain->snoop)
		pcie_capability_clear_word(pdev, PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_NOSNOOP_EN);
}

/**
 * hv_assign_restored() - the function has its configuration from before it was assigned
 * @dev: device that a VM has, which can't master the bus yet
 *
 * Context: process context; dev->mutex held.
 */
void hv_assign_restored(struct hv_pci *dev)
{
	struct hv_vm *vm = dev->vm;

	mutex_lock(&vm->dma.lock);
	forbid_no_snoop(dev->assign, dev->pdev);
	mutex_unlock(&vm->dma.lock);
}

/* dev->mutex held. */
static int attach(struct hv_vm *vm, struct hv_pci *dev, struct hv_assign_device *a)
{
	struct hv_group *g;
	int ret;

	ret = hv_pci_prepare(dev, a->flags & HV_ASSIGN_WITHOUT_RESET);
	if (ret == -EBUSY)
		return refuse(a, -EEXIST, HV_ASSIGN_REASON_ASSIGNED, "a VM has the function");
	if (ret == -EOPNOTSUPP)
		return refuse(a, ret, HV_ASSIGN_REASON_NO_RESET, "the function can't be reset");
	if (ret)
		return ret;

	mutex_lock(&vm->dma.lock);
	g = get_group(vm, a, dev->pdev);
	if (!IS_ERR(g)) {
		ret = hv_domains_map_bars(vm, dev->pdev);
		if (ret) {
			put_group(vm, g);
			g = ERR_PTR(ret);
		}
	}
	if (!IS_ERR(g)) {
		forbid_no_snoop(g, dev->pdev);
		dev->assign = g;
		list_add_tail(&dev->vm_link, &vm->dma.devices);
		vm->dma.users++;
		atomic64_inc(&vm->stats.devices);
		hv_pci_attach(dev, vm);
	}
	mutex_unlock(&vm->dma.lock);
	return PTR_ERR_OR_ZERO(g);
}

/**
 * hv_assign_unmap_bars() - take the registers of a device from the VM's others, for good
 * @dev: device that a VM has, with @dev->unbinding set
 *
 * Context: process context, sleeps; dev->mutex held.
 */
void hv_assign_unmap_bars(struct hv_pci *dev)
{
	struct hv_vm *vm = dev->vm;

	mutex_lock(&vm->dma.lock);
	hv_domains_unmap_bars(vm, dev->pdev);
	mutex_unlock(&vm->dma.lock);
}

/**
 * hv_assign_detach() - undo what HV_ASSIGN_DEVICE did beyond hv_pci_attach()
 * @dev: device whose interrupts and DMA are off; @dev->vm is still set
 *
 * Memory stays pinned until hv_assign_finish().
 *
 * Context: process context, sleeps; dev->mutex held.
 */
void hv_assign_detach(struct hv_pci *dev)
{
	struct hv_vm *vm = dev->vm;

	mutex_lock(&vm->dma.lock);
	list_del_init(&dev->vm_link);
	hv_domains_unmap_bars(vm, dev->pdev);
	put_group(vm, dev->assign);
	dev->assign = NULL;
	atomic64_dec(&vm->stats.devices);
	mutex_unlock(&vm->dma.lock);
}

/**
 * hv_assign_finish() - the VM has lost a device: with the last one, unpin its memory
 * @vm: VM with a reference, which is dropped; NULL: none
 *
 * Context: process context, no lock held: the VMM has a say in how long it takes (it locks pages,
 * and takes mmap_lock for writing, which a thread of the VMM may hold in a page fault).
 */
void hv_assign_finish(struct hv_vm *vm)
{
	if (!vm)
		return;
	pins_put(vm);
	hv_vm_put(vm);
}

/**
 * hv_assign_info() - what a device has of its VM
 * @dev: device that a VM has
 * @info: domain, pinned_bytes and some flags are filled in
 *
 * Context: process context; dev->mutex held.
 */
void hv_assign_info(struct hv_pci *dev, struct hv_pci_info *info)
{
	struct hv_vm *vm = dev->vm;

	mutex_lock(&vm->dma.lock);
	info->flags |= HV_PCI_ASSIGNED;
	if (dev->assign->domain->snoop)
		info->flags |= HV_PCI_SNOOP;
	info->domain = dev->assign->domain->id;
	mutex_unlock(&vm->dma.lock);
	info->pinned_bytes = atomic64_read(&vm->stats.pinned_bytes);
}

/* ---- slots ---- */

/* Registers in a new slot: those of the VM's devices are to be reached by all of them. */
static void find_bars(struct hv_vm *vm, struct hv_pin *pin)
{
	struct hv_pci *dev;
	unsigned int i;

	for (i = 0; i < pin->nr_bars; i++)
		list_for_each_entry(dev, &vm->dma.devices, vm_link)
			/* One that goes has lost them: hv_assign_unmap_bars() */
			pin->bar[i].mapped |= !READ_ONCE(dev->unbinding) &&
					      hv_bar_is_of(&pin->bar[i], dev->pdev);
}

static int slot_appears(struct hv_vm *vm, const struct hv_memslot *new)
{
	bool over_limit = false, used;
	struct hv_pin *pin;
	int ret = 0;

	mutex_lock(&vm->dma.lock);
	used = vm->dma.users;
	mutex_unlock(&vm->dma.lock);
	if (!used)
		return 0;

	pin = hv_pin_slot(vm, new, &over_limit);
	if (IS_ERR(pin))
		return PTR_ERR(pin);
	mutex_lock(&vm->dma.lock);
	/* The last device may have gone meanwhile; none has come. */
	used = vm->dma.users;
	if (used) {
		find_bars(vm, pin);
		ret = hv_domains_map(vm, pin);
		if (!ret)
			list_add_tail(&pin->link, &vm->dma.pins);
	}
	mutex_unlock(&vm->dma.lock);
	if (!used || ret)
		hv_pin_free(pin);
	return ret;
}

/* Devices lose a slot for the time of the move if its old place and its new one overlap. */
static int slot_moves(struct hv_vm *vm, const struct hv_memslot *new)
{
	struct hv_pin *pin;
	u64 from;
	int ret = 0;

	mutex_lock(&vm->dma.lock);
	pin = find_pin(vm, new->id);
	if (!pin)
		goto out;
	from = pin->gfn;
	if (!hv_domains_unmap(vm, pin)) {
		ret = -EIO;
		goto out;
	}
	pin->gfn = new->gfn;
	ret = hv_domains_map(vm, pin);
	if (!ret)
		goto out;
	pin->gfn = from;
	/* The tables for it may be gone, and memory short. */
	if (hv_domains_map(vm, pin))
		hv_vm_dead(vm, "devices have lost a slot that could not be moved");
out:
	mutex_unlock(&vm->dma.lock);
	return ret;
}

/**
 * hv_dma_slot_changing - a slot is about to change: let devices reach what will be there
 * @vm: VM
 * @old: the slot as it is; NULL: it is new
 * @new: as it will be; NULL: it will be gone
 *
 * The last step before the slots are published: nothing undoes it.
 *
 * Context: vm->slots_lock held; the caller's address space is the VM's; sleeps.
 * Return: 0; -ENOMEM, maybe because of RLIMIT_MEMLOCK; otherwise as hv_pin_slot() and
 * hv_domains_map().
 */
int hv_dma_slot_changing(struct hv_vm *vm, const struct hv_memslot *old,
			 const struct hv_memslot *new)
{
	if (!slot_has_dma(new))
		return 0;
	if (!slot_has_dma(old))
		return slot_appears(vm, new);
	return old->gfn != new->gfn ? slot_moves(vm, new) : 0;
}

/**
 * hv_dma_slot_left - a slot has changed: take from devices what isn't there any more
 * @vm: VM
 * @old: the slot as it was; NULL: it is new
 * @new: as it is; NULL: it is gone
 *
 * On return no device reaches the memory of a slot that is gone.
 *
 * Context: vm->slots_lock held; sleeps.
 */
void hv_dma_slot_left(struct hv_vm *vm, const struct hv_memslot *old,
		      const struct hv_memslot *new)
{
	struct hv_pin *pin;
	LIST_HEAD(unneeded);

	if (!slot_has_dma(old) || slot_has_dma(new))
		return;
	mutex_lock(&vm->dma.lock);
	pin = find_pin(vm, old->id);
	/* If it could not be unmapped the pages stay until the domains are gone. */
	if (pin && hv_domains_unmap(vm, pin))
		list_move(&pin->link, &unneeded);
	mutex_unlock(&vm->dma.lock);
	free_pins(vm, &unneeded);
}

/**
 * hv_dma_writes_slot - may devices write to a slot without anybody's noticing
 * @vm: VM
 * @slot: slot
 *
 * Context: vm->slots_lock held.
 * Return: true: all of its pages count as written.
 */
bool hv_dma_writes_slot(struct hv_vm *vm, const struct hv_memslot *slot)
{
	struct hv_pin *pin;

	mutex_lock(&vm->dma.lock);
	pin = find_pin(vm, slot->id);
	mutex_unlock(&vm->dma.lock);
	return pin && !(slot->flags & HV_MEM_READONLY);
}

/* ---- calls ---- */

static int assign(struct hv_vm *vm, struct hv_pci *dev, struct hv_assign_device *a)
{
	int ret;

	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	if (vm->dirty.ring_size) {
		mutex_unlock(&vm->slots_lock);
		return refuse(a, -EXDEV, HV_ASSIGN_REASON_DIRTY_RINGS,
			      "the VM has dirty rings, which don't show what a device writes");
	}
	ret = pins_get(vm, a);
	mutex_unlock(&vm->slots_lock);
	if (ret)
		return ret;

	mutex_lock(&dev->mutex);
	ret = attach(vm, dev, a);
	mutex_unlock(&dev->mutex);
	pins_put(vm);
	return ret;
}

static long assign_device(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_assign_device __user *to = (void __user *)arg;
	struct hv_assign_device a;
	struct hv_pci *dev;
	long ret;

	if (copy_from_user(&a, to, sizeof(a)))
		return -EFAULT;
	if (a.size != sizeof(a) || a.flags & ~HV_ASSIGN_WITHOUT_RESET || a.reserved)
		return -EINVAL;
	dev = hv_pci_get(a.fd);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	a.reason = HV_ASSIGN_REASON_NONE;
	memset(a.message, 0, sizeof(a.message));
	ret = assign(vm, dev, &a);
	hv_pci_put(dev);
	if (copy_to_user(to, &a, sizeof(a)))
		return -EFAULT;
	return ret;
}

static long deassign_device(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_deassign_device *a = data;
	struct hv_vm *left = NULL;
	struct hv_pci *dev;

	if (a->size != sizeof(*a) || a->flags)
		return -EINVAL;
	dev = hv_pci_get(a->fd);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	mutex_lock(&dev->mutex);
	if (dev->vm == vm)
		left = hv_pci_detach(dev);
	mutex_unlock(&dev->mutex);
	hv_assign_finish(left);
	hv_pci_put(dev);
	return left ? 0 : -ENOENT;
}

static const struct hv_ioctl vm_ioctls[] = {
	{ HV_ASSIGN_DEVICE, HV_IOC_RAW, .vm = assign_device },
	{ HV_DEASSIGN_DEVICE, 0, .vm = deassign_device },
};

const struct hv_ioctl_table hv_assign_vm_ioctls = { vm_ioctls, ARRAY_SIZE(vm_ioctls) };

/* ---- life ---- */

/**
 * hv_dma_init - a new VM has no devices
 * @vm: VM
 */
void hv_dma_init(struct hv_vm *vm)
{
	mutex_init(&vm->dma.lock);
	INIT_LIST_HEAD(&vm->dma.domains);
	INIT_LIST_HEAD(&vm->dma.devices);
	INIT_LIST_HEAD(&vm->dma.pins);
}

/**
 * hv_dma_release - take all devices away
 * @vm: VM whose fd is closed: no call will give it another one
 *
 * Context: process context, sleeps; none of the VM's locks held.
 */
void hv_dma_release(struct hv_vm *vm)
{
	struct hv_vm *left;
	struct hv_pci *dev;

	for (;;) {
		mutex_lock(&vm->dma.lock);
		dev = list_first_entry_or_null(&vm->dma.devices, struct hv_pci, vm_link);
		if (dev)
			get_device(&dev->dev);
		mutex_unlock(&vm->dma.lock);
		if (!dev)
			return;
		/* Its file may be closed, or its driver unbound, right now. */
		mutex_lock(&dev->mutex);
		left = dev->vm == vm ? hv_pci_detach(dev) : NULL;
		mutex_unlock(&dev->mutex);
		hv_assign_finish(left);
		put_device(&dev->dev);
	}
}
