/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IOMMU domains of a VM. Private to src/assign; all under hv_dma.lock.
 */
#ifndef HV_ASSIGN_DOMAIN_H
#define HV_ASSIGN_DOMAIN_H

#include <linux/list.h>
#include <linux/types.h>

struct hv_pin;
struct hv_pin_bar;
struct hv_vm;
struct iommu_domain;
struct iommu_group;
struct pci_dev;

/**
 * struct hv_hole - addresses that are never mapped
 * @first: first frame
 * @end: frame behind the last
 */
struct hv_hole {
	u64 first;
	u64 end;
};

/**
 * struct hv_domain - what a kind of devices reaches of a VM
 * @link: in hv_dma.domains
 * @iommu: the IOMMU's tables
 * @snoop: the IOMMU lets no DMA bypass the caches
 * @id: number, unique in the VM
 * @nr_groups: groups that are attached
 * @nr_holes: entries of @hole
 * @hole: sorted, apart from each other: where the devices' reserved regions are
 */
struct hv_domain {
	struct list_head link;
	struct iommu_domain *iommu;
	bool snoop;
	u32 id;
	unsigned int nr_groups;
	unsigned int nr_holes;
	struct hv_hole *hole;
};

/**
 * struct hv_group - an IOMMU group: functions that the IOMMU can't keep apart
 * @group: the kernel's, with a reference; its DMA is this structure's
 * @domain: the domain that it is attached to
 * @nr_devices: functions of it that the VM has
 */
struct hv_group {
	struct iommu_group *group;
	struct hv_domain *domain;
	unsigned int nr_devices;
};

int hv_domain_attach(struct hv_vm *vm, struct hv_group *group, struct pci_dev *pdev);
void hv_domain_detach(struct hv_vm *vm, struct hv_group *group);
int hv_domains_map_bars(struct hv_vm *vm, struct pci_dev *pdev);
void hv_domains_unmap_bars(struct hv_vm *vm, struct pci_dev *pdev);
bool hv_bar_is_of(const struct hv_pin_bar *bar, struct pci_dev *pdev);
int hv_domains_map(struct hv_vm *vm, const struct hv_pin *pin);
bool hv_domains_unmap(struct hv_vm *vm, const struct hv_pin *pin);

#endif
