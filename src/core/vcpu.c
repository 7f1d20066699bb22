// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtual CPU: creation, its fd and run page, and its way on and off the
 * host's CPUs.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <hv/backend.h>
#include <hv/memory.h>
#include <hv/stats.h>
#include "core.h"
#include "dirty.h"

/* ---- loading: make the vCPU this thread's, and follow the thread ---- */

/* The vCPU that is loaded on a CPU */
static DEFINE_PER_CPU(struct hv_vcpu *, loaded_vcpu);

/* Preemption off */
static void load_on(struct hv_vcpu *vcpu, int cpu)
{
	if (!hv_cpu_enter()) {
		/*
		 * Shutdown, or a CPU that goes down was grabbed by another
		 * hypervisor meanwhile. The first ends everything anyhow.
		 */
		if (!hv_cpus_stopped())
			hv_vm_dead(vcpu->vm, "the virtualization extension was lost on a CPU");
		return;
	}
	hv_call(load, vcpu, cpu);
	if (vcpu->cpu != cpu)
		hv_pvclock_migrated(vcpu);
	hv_steal_sched_in(vcpu);
	WRITE_ONCE(vcpu->cpu, cpu);
	vcpu->loaded = true;
	this_cpu_write(loaded_vcpu, vcpu);
}

/* Preemption off */
static void unload(struct hv_vcpu *vcpu)
{
	if (!vcpu->loaded)
		return;
	hv_steal_sched_out(vcpu);
	vcpu->loaded = false;
	this_cpu_write(loaded_vcpu, NULL);
	hv_call(put, vcpu);
	hv_cpu_leave();
}

static void sched_in(struct preempt_notifier *pn, int cpu)
{
	struct hv_vcpu *vcpu = container_of(pn, struct hv_vcpu, preempt_notifier);

	load_on(vcpu, cpu);
	/* Behind the load, which may wake the thread: it has its CPU. */
	WRITE_ONCE(vcpu->preempted, false);
	WRITE_ONCE(vcpu->ready, false);
	if (vcpu->loaded)
		hv_ple_sched_in(vcpu);
}

static void sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct hv_vcpu *vcpu = container_of(pn, struct hv_vcpu, preempt_notifier);

	/* Who sleeps is woken when there is something to do, and is ready then. */
	if (vcpu->loaded && task_is_running(current)) {
		WRITE_ONCE(vcpu->preempted_in_kernel, hv_cpl_unsafe(vcpu) == 0);
		WRITE_ONCE(vcpu->preempted, true);
		WRITE_ONCE(vcpu->ready, true);
	}
	unload(vcpu);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

/**
 * hv_vcpu_load() - make the vCPU current on this CPU, and on each that the thread moves to
 * @vcpu: a vCPU that is loaded nowhere; its mutex is held
 *
 * Until hv_vcpu_put() the thread may sleep and be preempted: the vCPU follows it. Afterwards
 * vcpu->loaded is false if the host shuts down; no other state of the backend
 * may be touched then.
 *
 * Context: process context. Not recursive.
 */
void hv_vcpu_load(struct hv_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->preempt_notifier);
	load_on(vcpu, cpu);
	put_cpu();
}

/**
 * hv_vcpu_put() - undo hv_vcpu_load()
 * @vcpu: a vCPU loaded by this thread
 *
 * Context: process context.
 */
void hv_vcpu_put(struct hv_vcpu *vcpu)
{
	preempt_disable();
	unload(vcpu);
	preempt_notifier_unregister(&vcpu->preempt_notifier);
	preempt_enable();
}

/**
 * hv_vcpu_running() - the vCPU that the caller's thread has loaded
 * @vm: its VM
 *
 * Context: process context.
 * Return: the vCPU, or NULL if the thread has none of @vm.
 */
struct hv_vcpu *hv_vcpu_running(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu;

	preempt_disable();
	vcpu = this_cpu_read(loaded_vcpu);
	preempt_enable();
	return vcpu && vcpu->vm == vm ? vcpu : NULL;
}

/* ---- calls ---- */

static long set_signal_mask(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_signal_mask __user *umask = (void __user *)arg;
	sigset_t set;
	u32 len;

	if (!umask) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (get_user(len, &umask->len))
		return -EFAULT;
	if (len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, umask->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/*
 * HV_PRE_FAULT_MEMORY. What is done is taken off the range, so that the caller can go on
 * after a signal; an error is for the first page only.
 */
static long pre_fault_memory(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_pre_fault_memory *range = data;
	u64 size = range->size;
	s64 n = 0;

	if (range->flags || !PAGE_ALIGNED(range->gpa) || !PAGE_ALIGNED(size) ||
	    range->gpa + size <= range->gpa)
		return -EINVAL;

	while (range->size) {
		if (signal_pending(current)) {
			n = -EINTR;
			break;
		}
		hv_vcpu_srcu_lock(vcpu);
		n = hv_mmu_prefault(vcpu, range->gpa, range->size);
		hv_vcpu_srcu_unlock(vcpu);
		if (n < 0 && n != -EAGAIN)
			break;
		if (n > 0) {
			range->gpa += n;
			range->size -= n;
		}
		cond_resched();
	}
	return range->size == size ? n : 0;
}

static long get_stats_fd(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return hv_vcpu_stats_fd(vcpu);
}

static const struct hv_ioctl vcpu_ioctls[] = {
	{ HV_SET_SIGNAL_MASK, HV_IOC_LOCK | HV_IOC_RAW, .vcpu = set_signal_mask },
	{ HV_PRE_FAULT_MEMORY, HV_IOC_LOCK, .vcpu = pre_fault_memory },
	{ HV_GET_STATS_FD, 0, .vcpu = get_stats_fd },
};

const struct hv_ioctl_table hv_core_vcpu_ioctls = { vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls) };

/* ---- the fd ---- */

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct hv_vcpu *vcpu = vmf->vma->vm_file->private_data;
	struct page *page;

	if (vmf->pgoff == 0)
		page = virt_to_page(vcpu->run);
	else if (vmf->pgoff == HV_PIO_PAGE_OFFSET)
		page = virt_to_page(vcpu->pio_data);
	else if (vmf->pgoff == HV_COALESCED_MMIO_PAGE_OFFSET)
		page = virt_to_page(vcpu->vm->coalesced.ring);
	else
		page = hv_dirty_ring_page(vcpu, vmf->pgoff);
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct hv_vcpu *vcpu = file->private_data;

	/* A private copy of a ring would never change. */
	if ((hv_dirty_ring_covers(vcpu, vma->vm_pgoff) ||
	     hv_dirty_ring_covers(vcpu, vma->vm_pgoff + vma_pages(vma) - 1)) &&
	    (vma->vm_flags & VM_EXEC || !(vma->vm_flags & VM_SHARED)))
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

/* The vCPU itself lives as long as its VM. */
static int vcpu_release(struct inode *inode, struct file *file)
{
	struct hv_vcpu *vcpu = file->private_data;

	hv_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations hv_vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.mmap = vcpu_mmap,
	.unlocked_ioctl = hv_vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* ---- life ---- */

/* Power-up state. The vCPU is not visible yet, so that nobody needs its mutex. */
static int vcpu_power_up(struct hv_vcpu *vcpu)
{
	bool loaded;

	hv_vcpu_load(vcpu);
	loaded = vcpu->loaded;
	if (loaded)
		hv_x86_vcpu_reset(vcpu, false);
	hv_vcpu_put(vcpu);
	return loaded ? 0 : -EIO;
}

static struct hv_vcpu *vcpu_create(struct hv_vm *vm, u32 id)
{
	struct hv_vcpu *vcpu;
	int rc = -ENOMEM;

	vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->index = vm->nr_vcpus;
	vcpu->cpu = -1;
	vcpu->mode = HV_OUTSIDE_GUEST;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	spin_lock_init(&vcpu->pid_lock);
	preempt_notifier_init(&vcpu->preempt_notifier, &vcpu_preempt_ops);
	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->run)
		goto err_free;
	vcpu->pio_data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->pio_data)
		goto err_run;
	rc = hv_dirty_ring_alloc(vcpu);
	if (rc)
		goto err_pio;
	hv_dirty_vcpu_created(vcpu);
	rc = hv_x86_vcpu_create(vcpu);
	if (rc)
		goto err_ring;
	rc = hv_backend->vcpu_create(vcpu);
	if (rc)
		goto err_x86;
	rc = vcpu_power_up(vcpu);
	if (rc)
		goto err_backend;
	return vcpu;

err_backend:
	hv_backend->vcpu_destroy(vcpu);
err_x86:
	hv_x86_vcpu_destroy(vcpu);
err_ring:
	hv_dirty_ring_free(vcpu);
err_pio:
	free_page((unsigned long)vcpu->pio_data);
err_run:
	free_page((unsigned long)vcpu->run);
err_free:
	kfree(vcpu);
	return ERR_PTR(rc);
}

/**
 * hv_vcpu_destroy() - free a vCPU
 * @vcpu: of a VM that is being destroyed, or never published
 *
 * Context: process context, sleeps. Nobody else knows the vCPU. Userspace may still have
 * its pages mapped: a mapping has a reference to each page that it shows.
 */
void hv_vcpu_destroy(struct hv_vcpu *vcpu)
{
	hv_backend->vcpu_destroy(vcpu);
	hv_x86_vcpu_destroy(vcpu);
	hv_dirty_ring_free(vcpu);
	free_page((unsigned long)vcpu->pio_data);
	free_page((unsigned long)vcpu->run);
	put_pid(vcpu->pid);
	kfree(vcpu);
}

/**
 * hv_vcpu_create() - HV_CREATE_VCPU
 * @vm: the VM
 * @id: number of the new vCPU, its APIC id
 *
 * Context: process context, sleeps; vm->lock held.
 * Return: the new fd, or -errno: -EINVAL for an id out of range or too many vCPUs, -EEXIST,
 * -EMFILE, -ENOMEM.
 */
long hv_vcpu_create(struct hv_vm *vm, unsigned long id)
{
	struct hv_vcpu *vcpu;
	struct file *file;
	char name[24];
	int fd;

	lockdep_assert_held(&vm->lock);
	if (id >= HV_MAX_VCPU_ID || vm->nr_vcpus >= HV_MAX_VCPUS)
		return -EINVAL;
	if (hv_vcpu_by_id(vm, id))
		return -EEXIST;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vcpu = vcpu_create(vm, id);
	if (IS_ERR(vcpu)) {
		put_unused_fd(fd);
		return PTR_ERR(vcpu);
	}
	snprintf(name, sizeof(name), "hv-vcpu:%u", vcpu->id);
	file = anon_inode_getfile(name, &hv_vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		hv_vcpu_destroy(vcpu);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	hv_vm_get(vm);

	vm->vcpus[vcpu->index] = vcpu;
	/* Pairs with hv_for_each_vcpu(), which sees a complete vCPU or none. */
	smp_store_release(&vm->nr_vcpus, vcpu->index + 1);
	/* The point of no return: another thread may use, or close, the fd at once. */
	fd_install(fd, file);
	hv_post_refresh(vm);
	return fd;
}
