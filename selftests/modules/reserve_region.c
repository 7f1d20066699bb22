// SPDX-License-Identifier: GPL-2.0-only
/*
 * Let functions of one IOMMU group have an address reserved that others don't, as those behind another
 * kind of IOMMU have. No emulator has two kinds, and a VM with devices behind both needs two domains.
 *
 * What iommu_get_group_resv_regions() returns for the group gets one more entry.
 *
 *	modprobe reserve_region group=5 start=0x10001000 length=0x1000
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/slab.h>

static int group = -1;
module_param(group, int, 0444);
MODULE_PARM_DESC(group, "IOMMU group");
static ulong start;
module_param(start, ulong, 0444);
MODULE_PARM_DESC(start, "First address");
static ulong length = PAGE_SIZE;
module_param(length, ulong, 0444);
MODULE_PARM_DESC(length, "Bytes");

/* The call's list; NULL: of another group */
struct call {
	struct list_head *list;
};

static int on_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct iommu_group *g = (struct iommu_group *)regs_get_kernel_argument(regs, 0);
	struct call *call = (struct call *)ri->data;

	call->list = iommu_group_id(g) == group ?
		     (struct list_head *)regs_get_kernel_argument(regs, 1) : NULL;
	return 0;
}

static int on_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct call *call = (struct call *)ri->data;
	struct iommu_resv_region *r;

	if (!call->list || regs_return_value(regs))
		return 0;
	/* Who asked frees it with the others. */
	r = kzalloc(sizeof(*r), GFP_ATOMIC);
	if (!r)
		return 0;
	r->start = start;
	r->length = length;
	r->type = IOMMU_RESV_RESERVED;
	list_add_tail(&r->list, call->list);
	return 0;
}

static struct kretprobe probe = {
	.kp.symbol_name = "iommu_get_group_resv_regions",
	.entry_handler = on_entry,
	.handler = on_return,
	.data_size = sizeof(struct call),
	.maxactive = 16,
};

static int __init reserve_region_init(void)
{
	return register_kretprobe(&probe);
}
module_init(reserve_region_init);

static void __exit reserve_region_exit(void)
{
	unregister_kretprobe(&probe);
}
module_exit(reserve_region_exit);

MODULE_DESCRIPTION("An address that one IOMMU group has reserved, for tests");
MODULE_LICENSE("GPL");
