// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dispatcher: finds a call in the tables and does what all calls have in
 * common, so that a handler sees only a checked copy of its argument and holds
 * the lock that its table row names.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <hv/assign.h>
#include <hv/irq.h>
#include <hv/x86.h>
#include "core.h"

/* Arguments up to this size are copied to the stack. */
#define HV_STACK_ARG	512

static const struct hv_ioctl_table * const sys_tables[] = {
	&hv_core_sys_ioctls, &hv_x86_sys_ioctls, NULL
};

static const struct hv_ioctl_table * const vm_tables[] = {
	&hv_irq_vm_ioctls, &hv_core_vm_ioctls, &hv_x86_vm_ioctls, &hv_assign_vm_ioctls,
	&hv_vfio_vm_ioctls, NULL
};

static const struct hv_ioctl_table * const vcpu_tables[] = {
	&hv_x86_vcpu_ioctls, &hv_irq_vcpu_ioctls, &hv_core_vcpu_ioctls, NULL
};

static const struct hv_ioctl *find_ioctl(const struct hv_ioctl_table * const *table, u32 cmd)
{
	unsigned int i;

	for (; *table; table++)
		for (i = 0; i < (*table)->nr; i++)
			if ((*table)->ioctl[i].cmd == cmd)
				return &(*table)->ioctl[i];
	return NULL;
}

/**
 * struct hv_arg - the kernel's copy of a fixed-size argument
 * @data: the copy, NULL if the call has none
 * @size: its size in bytes
 * @buf: room for the smaller ones
 */
struct hv_arg {
	void *data;
	unsigned int size;
	u8 buf[HV_STACK_ARG] __aligned(8);
};

static int arg_get(struct hv_arg *a, const struct hv_ioctl *ioc, unsigned long arg)
{
	a->data = NULL;
	a->size = _IOC_SIZE(ioc->cmd);
	if ((ioc->flags & HV_IOC_NOARG) && arg)
		return -EINVAL;
	if (!a->size || (ioc->flags & HV_IOC_RAW))
		return 0;

	if (a->size > sizeof(a->buf)) {
		a->data = kzalloc(a->size, GFP_KERNEL_ACCOUNT);
		if (!a->data)
			return -ENOMEM;
	} else {
		a->data = a->buf;
		memset(a->buf, 0, a->size);
	}
	if (!(_IOC_DIR(ioc->cmd) & _IOC_WRITE) && !(ioc->flags & HV_IOC_COPYIN))
		return 0;
	if (copy_from_user(a->data, (void __user *)arg, a->size)) {
		if (a->data != a->buf)
			kfree(a->data);
		return -EFAULT;
	}
	return 0;
}

/* Copy out after success, free. Returns what the ioctl returns. */
static long arg_put(struct hv_arg *a, const struct hv_ioctl *ioc, unsigned long arg, long ret)
{
	if (!a->data)
		return ret;
	if (ret >= 0 && (_IOC_DIR(ioc->cmd) & _IOC_READ) && !(ioc->flags & HV_IOC_COPYIN) &&
	    copy_to_user((void __user *)arg, a->data, a->size))
		ret = -EFAULT;
	if (a->data != a->buf)
		kfree(a->data);
	return ret;
}

/**
 * hv_sys_ioctl() - ioctl of /dev/hv
 * @file: the device
 * @cmd: HV_*
 * @arg: argument
 *
 * Return: >= 0, or -errno; -EINVAL for an unknown call.
 */
long hv_sys_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct hv_ioctl *ioc = find_ioctl(sys_tables, cmd);
	struct hv_arg a;
	long ret;

	if (!ioc)
		return -EINVAL;
	ret = arg_get(&a, ioc, arg);
	if (ret)
		return ret;
	return arg_put(&a, ioc, arg, ioc->sys(a.data, arg));
}

/* A VM belongs to one address space: its slots are addresses there. */
static int vm_usable(struct hv_vm *vm)
{
	return vm->mm == current->mm && !READ_ONCE(vm->dead) ? 0 : -EIO;
}

/**
 * hv_vm_ioctl() - ioctl of a VM fd
 * @file: VM fd
 * @cmd: HV_*
 * @arg: argument
 *
 * Return: >= 0, or -errno; -ENOTTY for an unknown call, -EIO from another address space or
 * for a dead VM.
 */
long hv_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hv_vm *vm = file->private_data;
	const struct hv_ioctl *ioc;
	struct hv_arg a;
	long ret;

	ret = vm_usable(vm);
	if (ret)
		return ret;
	ioc = find_ioctl(vm_tables, cmd);
	if (!ioc)
		return -ENOTTY;
	ret = arg_get(&a, ioc, arg);
	if (ret)
		return ret;

	if (ioc->flags & HV_IOC_LOCK) {
		ret = mutex_lock_killable(&vm->lock);
		if (!ret) {
			ret = ioc->vm(vm, a.data, arg);
			mutex_unlock(&vm->lock);
		}
	} else {
		ret = ioc->vm(vm, a.data, arg);
	}
	return arg_put(&a, ioc, arg, ret);
}

static long vcpu_call(struct hv_vcpu *vcpu, const struct hv_ioctl *ioc, void *data,
		      unsigned long arg)
{
	long ret;

	if (!(ioc->flags & (HV_IOC_LOCK | HV_IOC_LOAD)))
		return ioc->vcpu(vcpu, data, arg);

	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	if (ioc->flags & HV_IOC_LOAD) {
		hv_vcpu_load(vcpu);
		/* Not loaded: the host shuts down, virtualization is off for good. */
		ret = vcpu->loaded ? ioc->vcpu(vcpu, data, arg) : -EIO;
		hv_vcpu_put(vcpu);
	} else {
		ret = ioc->vcpu(vcpu, data, arg);
	}
	mutex_unlock(&vcpu->mutex);
	return ret;
}

static long vcpu_run(struct hv_vcpu *vcpu, unsigned long arg)
{
	long ret;

	if (arg)
		return -EINVAL;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	ret = hv_vcpu_run(vcpu);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

/**
 * hv_vcpu_ioctl() - ioctl of a vCPU fd
 * @file: vCPU fd
 * @cmd: HV_*
 * @arg: argument
 *
 * Return: >= 0, or -errno; -EINVAL for an unknown call, -EIO from another address space or
 * for a dead VM, -EINTR if killed while another thread uses the vCPU.
 */
long hv_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hv_vcpu *vcpu = file->private_data;
	const struct hv_ioctl *ioc;
	struct hv_arg a;
	long ret;

	ret = vm_usable(vcpu->vm);
	if (ret)
		return ret;
	if (cmd == HV_RUN)
		return vcpu_run(vcpu, arg);
	ioc = find_ioctl(vcpu_tables, cmd);
	if (!ioc)
		return -EINVAL;
	ret = arg_get(&a, ioc, arg);
	if (ret)
		return ret;
	return arg_put(&a, ioc, arg, vcpu_call(vcpu, ioc, a.data, arg));
}
