// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM: its life from HV_CREATE_VM to the last reference, and the calls on
 * its fd that belong to no other part.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <hv/backend.h>
#include <hv/irq.h>
#include <hv/memory.h>
#include <hv/stats.h>
#include "core.h"
#include "dirty.h"

/* Numbers in messages; may wrap */
static atomic_t last_vm_id = ATOMIC_INIT(0);

/* Last reference is gone: no fd, no vCPU thread, nobody else can reach the VM. */
static void vm_destroy(struct kref *ref)
{
	struct hv_vm *vm = container_of(ref, struct hv_vm, ref);
	unsigned int i;

	/* First: the notifier is the last one from outside that looks into the VM. */
	hv_mmu_shutdown(vm);
	hv_clock_vm_leave(vm);
	/* Their timers send interrupts to vCPUs. */
	if (vm->pit)
		hv_pit_destroy(vm);
	if (vm->ioapic)
		hv_ioapic_destroy(vm);
	if (vm->pic)
		hv_pic_destroy(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		hv_vcpu_destroy(vm->vcpus[i]);
	hv_routing_destroy(vm);
	hv_ioeventfds_destroy(vm);
	hv_coalesced_destroy(vm);
	hv_backend->vm_destroy(vm);
	hv_mmu_destroy(vm);
	hv_x86_vm_destroy(vm);
	hv_cpus_put();
	cleanup_srcu_struct(&vm->srcu);
	mmdrop(vm->mm);
	kfree(vm);
}

/**
 * hv_vm_get() - take a reference
 * @vm: a VM to which the caller has one already
 */
void hv_vm_get(struct hv_vm *vm)
{
	kref_get(&vm->ref);
}

/**
 * hv_vm_put() - drop a reference; the last one destroys the VM
 * @vm: the VM
 *
 * Context: process context, sleeps; none of the VM's locks held.
 */
void hv_vm_put(struct hv_vm *vm)
{
	kref_put(&vm->ref, vm_destroy);
}

/**
 * hv_vcpu_by_id() - find a vCPU
 * @vm: its VM
 * @id: the VMM's number of it, its APIC id
 *
 * Context: any. A vCPU that is being created may be missed unless vm->lock is held.
 * Return: the vCPU, valid as long as the VM, or NULL.
 */
struct hv_vcpu *hv_vcpu_by_id(struct hv_vm *vm, u32 id)
{
	struct hv_vcpu *vcpu;
	unsigned int i;

	hv_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

/**
 * hv_vm_dead() - an impossible state was met: give this VM up, not the host
 * @vm: the VM
 * @why: for the log
 *
 * Every later call on the VM and its vCPUs returns -EIO. The log gets one warning for a
 * VM, and not many from a crowd of VMs.
 *
 * Context: any.
 */
void hv_vm_dead(struct hv_vm *vm, const char *why)
{
	struct hv_vcpu *vcpu;
	unsigned int i;

	if (xchg(&vm->dead, true))
		return;
	pr_warn_ratelimited("VM %u is dead: %s\n", vm->id, why);
	/* Not hv_vm_request_all(), which waits */
	hv_for_each_vcpu(i, vcpu, vm)
		hv_vcpu_request(vcpu, HV_REQ_DEAD);
}

/* ---- calls ---- */

static long set_user_memory_region(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_vm_set_memory_region(vm, data);
}

static long get_dirty_log(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_get_dirty_log(vm, data);
}

static long clear_dirty_log(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_clear_dirty_log(vm, data);
}

static long reset_dirty_rings(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_dirty_rings_reset(vm);
}

static long register_coalesced(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_coalesced_register(vm, data);
}

static long unregister_coalesced(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_coalesced_unregister(vm, data);
}

static long create_vcpu(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_vcpu_create(vm, arg);
}

static long check_extension(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_check_extension(arg);
}

static long set_boot_cpu_id(struct hv_vm *vm, void *data, unsigned long arg)
{
	if (vm->nr_vcpus)
		return -EBUSY;
	if (arg >= HV_MAX_VCPU_ID)
		return -EINVAL;
	vm->boot_vcpu_id = arg;
	return 0;
}

static long get_stats_fd(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_vm_stats_fd(vm);
}

static const struct hv_ioctl vm_ioctls[] = {
	{ HV_SET_USER_MEMORY_REGION, 0, .vm = set_user_memory_region },
	{ HV_GET_DIRTY_LOG, 0, .vm = get_dirty_log },
	{ HV_CLEAR_DIRTY_LOG, HV_IOC_COPYIN, .vm = clear_dirty_log },
	{ HV_RESET_DIRTY_RINGS, 0, .vm = reset_dirty_rings },
	{ HV_REGISTER_COALESCED_MMIO, 0, .vm = register_coalesced },
	{ HV_UNREGISTER_COALESCED_MMIO, 0, .vm = unregister_coalesced },
	{ HV_CREATE_VCPU, HV_IOC_LOCK, .vm = create_vcpu },
	{ HV_CHECK_EXTENSION, 0, .vm = check_extension },
	{ HV_SET_BOOT_CPU_ID, HV_IOC_LOCK, .vm = set_boot_cpu_id },
	{ HV_GET_STATS_FD, 0, .vm = get_stats_fd },
};

const struct hv_ioctl_table hv_core_vm_ioctls = { vm_ioctls, ARRAY_SIZE(vm_ioctls) };

/* ---- the fd ---- */

static int vm_release(struct inode *inode, struct file *file)
{
	struct hv_vm *vm = file->private_data;

	/*
	 * No call can come any more. vCPUs may live on, without interrupts from eventfds and
	 * without devices.
	 */
	hv_irqfds_release(vm);
	hv_dma_release(vm);
	hv_vm_put(vm);
	return 0;
}

static const struct file_operations hv_vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = hv_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* All or nothing; the caller owns the first reference. */
static struct hv_vm *vm_create(void)
{
	struct hv_vm *vm;
	int rc;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mutex_init(&vm->irq_lock);
	hv_irqfds_init(vm);
	hv_ioeventfds_init(vm);
	hv_posts_init(vm);
	hv_dma_init(vm);
	vm->id = atomic_inc_return(&last_vm_id);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	rc = hv_coalesced_init(vm);
	if (rc)
		goto err_mm;
	rc = init_srcu_struct(&vm->srcu);
	if (rc)
		goto err_coalesced;
	rc = hv_cpus_get();
	if (rc)
		goto err_srcu;
	rc = hv_x86_vm_create(vm);
	if (rc)
		goto err_cpus;
	/* From here on the notifier looks into the VM. */
	rc = hv_mmu_init(vm);
	if (rc)
		goto err_x86;
	rc = hv_backend->vm_create(vm);
	if (rc)
		goto err_mmu;
	return vm;

err_mmu:
	hv_mmu_shutdown(vm);
	hv_mmu_destroy(vm);
err_x86:
	hv_x86_vm_destroy(vm);
err_cpus:
	hv_cpus_put();
err_srcu:
	cleanup_srcu_struct(&vm->srcu);
err_coalesced:
	hv_coalesced_destroy(vm);
err_mm:
	mmdrop(vm->mm);
	kfree(vm);
	return ERR_PTR(rc);
}

/**
 * hv_vm_create() - HV_CREATE_VM
 * @type: 0
 *
 * Context: process context, sleeps.
 * Return: the new fd, or -errno: -EINVAL for another type, -EBUSY if another hypervisor owns
 * a CPU, -EMFILE, -ENOMEM, -EINTR.
 */
long hv_vm_create(unsigned long type)
{
	struct file *file;
	struct hv_vm *vm;
	int fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = vm_create();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("hv-vm", &hv_vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		hv_vm_put(vm);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	/* The point of no return: another thread may use, or close, the fd at once. */
	fd_install(fd, file);
	return fd;
}
