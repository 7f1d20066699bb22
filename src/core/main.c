// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module and its device node, /dev/hv.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <hv/assign.h>
#include <hv/backend.h>
#include <hv/memory.h>
#include <hv/x86.h>
#include "core.h"
#include "dirty.h"

static const struct {
	u32 cap;
	u32 value;
} caps[] = {
	{ HV_CAP_USER_MEMORY, 1 },
	{ HV_CAP_NR_MEMSLOTS, HV_MAX_MEMSLOTS },
	{ HV_CAP_SYNC_MMU, 1 },
	{ HV_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ HV_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ HV_CAP_READONLY_MEM, 1 },
	{ HV_CAP_COALESCED_MMIO, HV_COALESCED_MMIO_PAGE_OFFSET },
	{ HV_CAP_COALESCED_PIO, 1 },
	{ HV_CAP_MANUAL_DIRTY_LOG_PROTECT2, HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
					    HV_DIRTY_LOG_INITIALLY_SET },
	{ HV_CAP_DEVICE_CTRL, 1 },
	{ HV_CAP_MEMORY_FAULT_INFO, 1 },
	{ HV_CAP_PRE_FAULT_MEMORY, 1 },
	{ HV_CAP_MAX_VCPUS, HV_MAX_VCPUS },
	{ HV_CAP_MAX_VCPU_ID, HV_MAX_VCPU_ID },
	{ HV_CAP_SET_BOOT_CPU_ID, 1 },
	{ HV_CAP_INTERNAL_ERROR_DATA, 1 },
	{ HV_CAP_CHECK_EXTENSION_VM, 1 },
	{ HV_CAP_IMMEDIATE_EXIT, 1 },
	{ HV_CAP_BINARY_STATS_FD, 1 },
	{ HV_CAP_ASSIGN_DEVICE, 1 },
};

/**
 * hv_check_extension() - HV_CHECK_EXTENSION, the same on the system fd and on VM fds
 * @cap: HV_CAP_*
 *
 * Clients compare with 1, take a value for what it says, and give up on a negative one:
 * so what is unknown is 0.
 *
 * Return: value of the capability, 0 if not offered.
 */
long hv_check_extension(unsigned long cap)
{
	unsigned int i;

	if (cap > U32_MAX)
		return 0;
	if (cap == HV_CAP_DIRTY_LOG_RING || cap == HV_CAP_DIRTY_LOG_RING_ACQ_REL)
		return hv_dirty_ring_max();
	/* A recommendation: more vCPUs than CPUs work, but slowly. */
	if (cap == HV_CAP_NR_VCPUS)
		return min_t(unsigned int, num_online_cpus(), HV_MAX_VCPUS);
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].value;
	return hv_x86_check_extension(cap);
}

static long get_api_version(void *data, unsigned long arg)
{
	return HV_API_VERSION;
}

static long create_vm(void *data, unsigned long arg)
{
	return hv_vm_create(arg);
}

static long check_extension(void *data, unsigned long arg)
{
	return hv_check_extension(arg);
}

static long get_vcpu_mmap_size(void *data, unsigned long arg)
{
	BUILD_BUG_ON(sizeof(struct hv_run) > PAGE_SIZE);
	return HV_VCPU_MMAP_PAGES * PAGE_SIZE;
}

static const struct hv_ioctl sys_ioctls[] = {
	{ HV_GET_API_VERSION, HV_IOC_NOARG, .sys = get_api_version },
	{ HV_CREATE_VM, 0, .sys = create_vm },
	{ HV_CHECK_EXTENSION, 0, .sys = check_extension },
	{ HV_GET_VCPU_MMAP_SIZE, HV_IOC_NOARG, .sys = get_vcpu_mmap_size },
};

const struct hv_ioctl_table hv_core_sys_ioctls = { sys_ioctls, ARRAY_SIZE(sys_ioctls) };

static const struct file_operations hv_sys_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = hv_sys_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice hv_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hv",
	.mode = 0660,
	.fops = &hv_sys_fops,
};

static int __init hv_init(void)
{
	int rc;

	rc = hv_backend_init();
	if (rc)
		return rc;
	rc = hv_x86_init();
	if (rc)
		goto err_backend;
	rc = hv_cpus_init();
	if (rc)
		goto err_x86;
	hv_nx_huge_init();
	rc = hv_mmu_module_init();
	if (rc)
		goto err_cpus;
	rc = hv_pci_init();
	if (rc) {
		pr_err("can't register the driver hv-pci: error %d\n", rc);
		goto err_mmu;
	}
	rc = misc_register(&hv_device);
	if (rc) {
		pr_err("can't register /dev/hv: error %d\n", rc);
		goto err_pci;
	}
	pr_info("/dev/hv is ready: %s backend, up to %u vCPUs and %u memory slots in a VM\n",
		hv_backend->name, HV_MAX_VCPUS, HV_MAX_MEMSLOTS);
	return 0;

err_pci:
	hv_pci_exit();
err_mmu:
	hv_mmu_module_exit();
err_cpus:
	hv_cpus_exit();
err_x86:
	hv_x86_exit();
err_backend:
	hv_backend_exit();
	return rc;
}

static void __exit hv_exit(void)
{
	misc_deregister(&hv_device);
	hv_pci_exit();
	hv_mmu_module_exit();
	hv_cpus_exit();
	hv_x86_exit();
	hv_backend_exit();
}

module_init(hv_init);
module_exit(hv_exit);

MODULE_DESCRIPTION("Hypervisor with the KVM ioctl interface at /dev/hv");
MODULE_AUTHOR("the hv authors");
MODULE_LICENSE("GPL");
