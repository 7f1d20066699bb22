// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that does wrong on request, to show that the testbed notices.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched.h>

static void freeze(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

/* A breakpoint of nobody's where the kernel can't go on */
static void int3(void)
{
	local_bh_disable();
	asm volatile("int3");
	local_bh_enable();
}

static int set_fault(const char *value, const struct kernel_param *param)
{
	if (sysfs_streq(value, "warn"))
		WARN(1, "requested\n");
	else if (sysfs_streq(value, "message"))
		pr_warn("requested\n");
	else if (sysfs_streq(value, "oops"))
		*(volatile int *)NULL = 0;
	else if (sysfs_streq(value, "int3"))
		int3();
	else if (sysfs_streq(value, "lockup"))
		for (;;)
			cpu_relax();
	else if (sysfs_streq(value, "freeze"))
		freeze();
	else if (sysfs_streq(value, "hang"))
		for (;;)
			schedule_timeout_uninterruptible(MAX_SCHEDULE_TIMEOUT);
	else if (sysfs_streq(value, "leak"))
		__module_get(THIS_MODULE);
	else
		return -EINVAL;
	return 0;
}

static const struct kernel_param_ops fault_ops = {
	.set = set_fault,
};

module_param_cb(fault, &fault_ops, NULL, 0200);
MODULE_PARM_DESC(fault, "warn, message, oops, int3, lockup, freeze, hang or leak");

static int __init testbed_fault_init(void)
{
	return 0;
}
module_init(testbed_fault_init);

static void __exit testbed_fault_exit(void)
{
}
module_exit(testbed_fault_exit);

MODULE_DESCRIPTION("Faults on request, for the testbed's own test");
MODULE_LICENSE("GPL");
