// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chooses the backend for this processor and points the static calls at it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <hv/backend.h>

const struct hv_backend *hv_backend __ro_after_init;

#define HV_BACKEND_OP(op)	\
	DEFINE_STATIC_CALL_NULL(hv_op_##op, *(((struct hv_backend *)0)->op))
#include <hv/backend_ops.h>

static const struct hv_backend * const backends[] = {
	&vmx_backend,
	&svm_backend,
};

static void patch_calls(const struct hv_backend *b)
{
#define HV_BACKEND_OP(op)	static_call_update(hv_op_##op, b->op)
#include <hv/backend_ops.h>
}

/**
 * hv_backend_init() - find the backend that can work on this processor
 *
 * A backend says in the log why it can't; one of another vendor is silent.
 *
 * Context: module load; nothing of hv is visible yet.
 * Return: 0, or the errno of &struct hv_backend.setup: -ENODEV, -EOPNOTSUPP, -EACCES ...
 */
int __init hv_backend_init(void)
{
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		rc = backends[i]->setup();
		if (!rc) {
			hv_backend = backends[i];
			patch_calls(hv_backend);
			return 0;
		}
		if (rc != -ENODEV)
			return rc;
	}
	pr_err("this processor has no virtualization extension that hv supports (Intel VMX or AMD SVM)\n");
	return -ENODEV;
}

/**
 * hv_backend_exit() - undo hv_backend_init()
 *
 * Context: module unload or failed load; no VM exists.
 */
void hv_backend_exit(void)
{
	hv_backend->teardown();
}
