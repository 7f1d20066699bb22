/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables of ioctls. The dispatcher (src/core/ioctl.c) copies the argument,
 * checks the caller's mm and the VM's health, and takes the lock: no handler does.
 */
#ifndef HV_IOCTL_H
#define HV_IOCTL_H

#include <linux/bits.h>
#include <linux/types.h>

struct hv_vm;
struct hv_vcpu;

/* What the dispatcher does before it calls the handler. */
#define HV_IOC_LOCK	BIT(0)	/* vm->lock, or vcpu->mutex */
#define HV_IOC_LOAD	BIT(1)	/* vCPU loaded (implies LOCK): backend state may be touched */
#define HV_IOC_COPYIN	BIT(2)	/* copy in although the number says _IOR (HV_SET_IRQCHIP) */
#define HV_IOC_NOARG	BIT(3)	/* @arg must be 0 */
#define HV_IOC_RAW	BIT(4)	/* no copies: @data is NULL, the handler reads @arg (may be NULL) */

/**
 * struct hv_ioctl - one call
 * @cmd: full 32-bit number: numbers without size collide
 * @flags: HV_IOC_*
 * @sys, @vm, @vcpu: handler by the kind of fd. @data: kernel copy of the fixed-size argument
 *	(_IOC_SIZE bytes; copied in if the number says _IOW, copied out after success if _IOR),
 *	NULL if the number has no size. @arg: the raw third argument, a user pointer for calls
 *	with a variable tail. Returns >= 0 or -errno.
 */
struct hv_ioctl {
	u32 cmd;
	u32 flags;
	union {
		long (*sys)(void *data, unsigned long arg);
		long (*vm)(struct hv_vm *vm, void *data, unsigned long arg);
		long (*vcpu)(struct hv_vcpu *vcpu, void *data, unsigned long arg);
	};
};

struct hv_ioctl_table {
	const struct hv_ioctl *ioctl;
	unsigned int nr;
};

#endif
