/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of src/core share with each other and with nobody else.
 */
#ifndef HV_CORE_H
#define HV_CORE_H

#include <linux/fs.h>
#include <hv/ioctl.h>
#include <hv/vcpu.h>
#include <hv/vm.h>

/* The mapping of a vCPU: struct hv_run, the data of port I/O, the VM's coalesced ring. */
#define HV_VCPU_MMAP_PAGES	3

/* Tables of the calls that the core itself handles */
extern const struct hv_ioctl_table hv_core_sys_ioctls;	/* main.c */
extern const struct hv_ioctl_table hv_core_vm_ioctls;	/* vm.c */
extern const struct hv_ioctl_table hv_core_vcpu_ioctls;	/* vcpu.c */

/* ioctl.c: file operations */
long hv_sys_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long hv_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long hv_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* mmu.c */
int hv_mmu_module_init(void);
void hv_mmu_module_exit(void);

/* nx_huge.c */
void hv_nx_huge_init(void);

/* main.c */
long hv_check_extension(unsigned long cap);

/* vm.c */
long hv_vm_create(unsigned long type);

/* vcpu.c */
long hv_vcpu_create(struct hv_vm *vm, unsigned long id);
void hv_vcpu_destroy(struct hv_vcpu *vcpu);

/* halt.c */
int hv_vcpu_block(struct hv_vcpu *vcpu) __must_hold(&vcpu->vm->srcu);

/* yield.c */
void hv_vcpu_set_task(struct hv_vcpu *vcpu);

#endif
