// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_CREATE_DEVICE with HV_DEV_TYPE_VFIO: the VMM shows the VM which devices of VFIO it gives to
 * the guest.
 *
 * DMA and interrupts go without it, by VFIO's own IOMMU domain and by irqfds. What the VM has to
 * know is whether that DMA snoops the caches: guest memory is write-back whatever the guest
 * says (src/x86/vmx/ept.c), and WBINVD does nothing. So devices that might not snoop are refused.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hv.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <hv/assign.h>
#include <hv/host.h>
#include <hv/ioctl.h>
#include <hv/vm.h>

/**
 * struct hv_vfio - what the fd of HV_CREATE_DEVICE stands for
 * @vm: VM, with a reference
 * @lock: guards @files
 * @files: of struct vfio_entry
 */
struct hv_vfio {
	struct hv_vm *vm;
	struct mutex lock;		/* guards files */
	struct list_head files;
};

/**
 * struct vfio_entry - a group or device
 * @node: in the list
 * @file: its file, with a reference: it stays with the VM when the VMM closes its fd
 */
struct vfio_entry {
	struct list_head node;
	struct file *file;
};

/* ---- attributes: lock held ---- */

static struct vfio_entry *find_entry(struct hv_vfio *dev, const struct file *file)
{
	struct vfio_entry *e;

	lockdep_assert_held(&dev->lock);
	list_for_each_entry(e, &dev->files, node)
		if (e->file == file)
			return e;
	return NULL;
}

static int add_file(struct hv_vfio *dev, struct file *file)
{
	struct vfio_entry *e;

	if (!host_vfio_file(file))
		return -EINVAL;
	if (find_entry(dev, file))
		return -EEXIST;
	if (!host_vfio_coherent(file))
		return -EOPNOTSUPP;
	e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	e->file = get_file(file);
	list_add_tail(&e->node, &dev->files);
	return 0;
}

static void remove_entry(struct vfio_entry *e)
{
	list_del(&e->node);
	fput(e->file);
	kfree(e);
}

static int del_file(struct hv_vfio *dev, const struct file *file)
{
	struct vfio_entry *e = find_entry(dev, file);

	if (!e)
		return -ENOENT;
	remove_entry(e);
	return 0;
}

/* ---- calls on the device ---- */

static int has_attr(const struct hv_device_attr *attr)
{
	if (attr->group != HV_DEV_VFIO_FILE)
		return -ENXIO;
	return attr->attr == HV_DEV_VFIO_FILE_ADD || attr->attr == HV_DEV_VFIO_FILE_DEL ?
	       0 : -ENXIO;
}

static int set_attr(struct hv_vfio *dev, const struct hv_device_attr *attr)
{
	struct file *file;
	s32 fd;
	int rc = has_attr(attr);

	if (rc)
		return rc;
	if (get_user(fd, (s32 __user *)attr->addr))
		return -EFAULT;
	file = fget(fd);
	if (!file)
		return -EBADF;
	mutex_lock(&dev->lock);
	if (attr->attr == HV_DEV_VFIO_FILE_ADD)
		rc = add_file(dev, file);
	else
		rc = del_file(dev, file);
	mutex_unlock(&dev->lock);
	fput(file);
	return rc;
}

static long vfio_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hv_vfio *dev = file->private_data;
	struct hv_device_attr attr;

	if (dev->vm->mm != current->mm || READ_ONCE(dev->vm->dead))
		return -EIO;
	if (cmd == HV_GET_DEVICE_ATTR)
		return -EPERM;
	if (cmd != HV_SET_DEVICE_ATTR && cmd != HV_HAS_DEVICE_ATTR)
		return -ENOTTY;
	if (copy_from_user(&attr, (void __user *)arg, sizeof(attr)))
		return -EFAULT;
	return cmd == HV_SET_DEVICE_ATTR ? set_attr(dev, &attr) : has_attr(&attr);
}

static int vfio_release(struct inode *inode, struct file *file)
{
	struct hv_vfio *dev = file->private_data;
	struct vfio_entry *e, *next;
	struct hv_vm *vm = dev->vm;

	list_for_each_entry_safe(e, next, &dev->files, node)
		remove_entry(e);
	mutex_destroy(&dev->lock);
	kfree(dev);
	/* The VM may have another one from here on. */
	mutex_lock(&vm->lock);
	vm->has_vfio = false;
	mutex_unlock(&vm->lock);
	hv_vm_put(vm);
	return 0;
}

static const struct file_operations vfio_fops = {
	.owner = THIS_MODULE,
	.release = vfio_release,
	.unlocked_ioctl = vfio_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* ---- HV_CREATE_DEVICE ---- */

static long create_vfio(struct hv_vm *vm)
{
	struct hv_vfio *dev;
	int fd;

	lockdep_assert_held(&vm->lock);
	if (vm->has_vfio)
		return -EBUSY;
	dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);
	if (!dev)
		return -ENOMEM;
	dev->vm = vm;
	mutex_init(&dev->lock);
	INIT_LIST_HEAD(&dev->files);
	hv_vm_get(vm);
	vm->has_vfio = true;
	fd = anon_inode_getfd("hv-vfio", &vfio_fops, dev, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	vm->has_vfio = false;
	/* The caller has a reference as well: not the last. */
	hv_vm_put(vm);
	kfree(dev);
	return fd;
}

static long create_device(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_create_device *call = data;
	long fd;

	if (call->type != HV_DEV_TYPE_VFIO)
		return -ENODEV;
	if (call->flags & ~HV_CREATE_DEVICE_TEST)
		return -EINVAL;
	if (call->flags & HV_CREATE_DEVICE_TEST)
		return 0;
	fd = create_vfio(vm);
	if (fd < 0)
		return fd;
	call->fd = fd;
	return 0;
}

static const struct hv_ioctl vm_ioctls[] = {
	{ HV_CREATE_DEVICE, HV_IOC_LOCK, .vm = create_device },
};

const struct hv_ioctl_table hv_vfio_vm_ioctls = { vm_ioctls, ARRAY_SIZE(vm_ioctls) };
