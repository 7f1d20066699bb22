/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of an assignable device share. dev->mutex is held by callers unless the
 * function's own comment says otherwise.
 */
#ifndef HV_ASSIGN_INTERNAL_H
#define HV_ASSIGN_INTERNAL_H

#include <linux/hv.h>
#include <linux/pm.h>
#include <hv/assign.h>

struct pci_error_handlers;
struct poll_table_struct;
struct vm_area_struct;

/* device.c */
int hv_pci_opened(struct hv_pci *dev);
struct hv_vm *hv_pci_closed(struct hv_pci *dev);
struct hv_vm *hv_pci_unbound(struct hv_pci *dev);

/* ioctl.c */
long hv_pci_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* config.c */
void hv_pci_config_init(struct hv_pci *dev);
void hv_pci_config_read(struct hv_pci *dev, unsigned int pos, u8 *data, unsigned int len);
int hv_pci_config_write(struct hv_pci *dev, unsigned int pos, const u8 *data, unsigned int len);
void hv_pci_command_apply(struct hv_pci *dev);

/* region.c */
bool hv_pci_region_mappable(struct hv_pci *dev, unsigned int bar);
u64 hv_pci_region_size(struct hv_pci *dev, unsigned int region);
ssize_t hv_pci_read(struct file *file, char __user *buf, size_t len, loff_t *pos);
ssize_t hv_pci_write(struct file *file, const char __user *buf, size_t len, loff_t *pos);
int hv_pci_mmap(struct file *file, struct vm_area_struct *vma);
void hv_pci_block(struct hv_pci *dev);
void hv_pci_blank(struct hv_pci *dev);
void hv_pci_unblock(struct hv_pci *dev);
void hv_pci_close_regions(struct hv_pci *dev);

/* event.c */
extern const struct pci_error_handlers hv_pci_error_handlers;
extern const struct dev_pm_ops hv_pci_pm_ops;
__poll_t hv_pci_poll(struct file *file, struct poll_table_struct *wait);
void hv_pci_thaw(struct hv_pci *dev);

/* interrupt.c */
u32 hv_pci_nr_msi(struct hv_pci *dev);
bool hv_pci_has_intx(struct hv_pci *dev);
void hv_pci_bus_master(struct hv_pci *dev, bool on);
void hv_pci_intx_enable(struct hv_pci *dev, bool on);
long hv_pci_set_irqs(struct hv_pci *dev, const struct hv_pci_irqs *irqs);
long hv_pci_set_vector(struct hv_pci *dev, const struct hv_pci_vector_route *r);
long hv_pci_get_vector(struct hv_pci *dev, struct hv_pci_vector_state *s);
void hv_pci_free_irqs(struct hv_pci *dev);

#endif
