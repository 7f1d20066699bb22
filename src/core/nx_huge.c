// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameter nx_huge_pages: are large second-stage mappings executable? Where they are not, a
 * fetch maps its page as a small one. As KVM's parameter of this name, but for the
 * thread that joins pages again: what was split stays so until the host unmaps it.
 */
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <hv/host.h>
#include "core.h"
#include "mmu.h"

bool hv_nx_huge_pages __read_mostly;

static const char * const nx_modes[] = { "auto", "off", "force" };
static int nx_mode;	/* index in nx_modes; changed with the parameter's lock held */

static void nx_apply(void)
{
	bool on = nx_mode == 2 || (!nx_mode && host_itlb_multihit());

	if (on == hv_nx_huge_pages)
		return;
	WRITE_ONCE(hv_nx_huge_pages, on);
	hv_mmu_zap_all_vms();
}

static int nx_set(const char *val, const struct kernel_param *kp)
{
	int mode = sysfs_match_string(nx_modes, val);

	if (mode < 0)
		return mode;
	nx_mode = mode;
	nx_apply();
	return 0;
}

static int nx_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", nx_modes[nx_mode]);
}

static const struct kernel_param_ops nx_ops = { .set = nx_set, .get = nx_get };

module_param_cb(nx_huge_pages, &nx_ops, NULL, 0644);
MODULE_PARM_DESC(nx_huge_pages,
		 "Large pages not executable: auto (on processors that need it), off, force");

/**
 * hv_nx_huge_init() - choose if nothing was said
 *
 * Context: module load.
 */
void __init hv_nx_huge_init(void)
{
	nx_apply();
}
