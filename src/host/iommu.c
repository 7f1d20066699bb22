// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's IOMMU interface, where it differs between kernels.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/pci.h>
#include <hv/host.h>

/**
 * host_iommu_domain_alloc - a domain with no mappings
 * @pdev: function that will be attached to it first
 *
 * Return: the domain, or ERR_PTR().
 */
struct iommu_domain *host_iommu_domain_alloc(struct pci_dev *pdev)
{
#ifdef HOST_HAVE_PAGING_DOMAIN
	return iommu_paging_domain_alloc(&pdev->dev);
#else
	return iommu_domain_alloc(&pci_bus_type) ?: ERR_PTR(-ENOMEM);
#endif
}

/**
 * host_iommu_map - map a piece of memory
 * @domain: domain
 * @iova: address that devices use
 * @addr: physical address
 * @size: bytes; all three are multiples of 4096
 * @prot: IOMMU_*
 *
 * Context: may sleep.
 * Return: 0 or -errno; then nothing of it is mapped.
 */
int host_iommu_map(struct iommu_domain *domain, u64 iova, u64 addr, size_t size, int prot)
{
#ifdef HOST_HAVE_IOMMU_MAP_ATOMIC
	return iommu_map(domain, iova, addr, size, prot);
#else
	return iommu_map(domain, iova, addr, size, prot, GFP_KERNEL_ACCOUNT);
#endif
}

/**
 * host_iommu_enforce_snoop - let no device of a domain bypass caches
 * @domain: domain with a device attached and without mappings
 *
 * Return: false: the IOMMU can't do that.
 */
bool host_iommu_enforce_snoop(struct iommu_domain *domain)
{
	return domain->ops->enforce_cache_coherency &&
	       domain->ops->enforce_cache_coherency(domain);
}

/**
 * host_iommu_msi_isolated - are forged interrupt messages of a device blocked
 * @group: its IOMMU group
 * @pdev: the function
 *
 * Return: whether interrupts are remapped.
 */
bool host_iommu_msi_isolated(struct iommu_group *group, struct pci_dev *pdev)
{
#ifdef HOST_HAVE_ISOLATED_MSI
	return iommu_group_has_isolated_msi(group);
#else
	return irq_domain_check_msi_remap() ||
	       device_iommu_capable(&pdev->dev, IOMMU_CAP_INTR_REMAP);
#endif
}
