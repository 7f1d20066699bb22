// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of an assigned device. Its handler on the host delivers to the VM at once,
 * from hard interrupt context: an MSI as the message that the guest has programmed for it, INTx
 * as a GSI that stays up until the guest has ended the interrupt. Where the host can, MSIs are
 * posted to the vCPU and do not come to the handler (src/irq/post.c).
 *
 * MSI-X: the host allocates all of the function's vectors when the guest enables MSI-X, but
 * requests each when the guest first gives it a message: so the guest may add, move and mask
 * vectors while others interrupt.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/interrupt.h>
#include <linux/irqreturn.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <hv/assign.h>
#include <hv/eventfd.h>
#include <hv/irq.h>
#include <hv/vm.h>
#include "internal.h"

/* ---- MSI and MSI-X ---- */

/**
 * hv_pci_nr_msi() - how many messages the function can have by MSI
 * @dev: device
 */
u32 hv_pci_nr_msi(struct hv_pci *dev)
{
	return max(pci_msi_vec_count(dev->pdev), 0);
}

/* The device is attached as long as its interrupts are requested, so dev->vm stays. */
static irqreturn_t msi_handler(int irq, void *data)
{
	struct hv_pci_vector *v = data;
	unsigned long flags;
	bool deliver;
	u64 addr;
	u32 msg;

	spin_lock_irqsave(&v->lock, flags);
	v->count++;
	deliver = !v->masked;
	v->pending |= v->masked;
	addr = v->addr;
	msg = v->data;
	spin_unlock_irqrestore(&v->lock, flags);
	if (deliver)
		hv_msi_deliver(v->dev->vm, addr, msg);
	return IRQ_HANDLED;
}

static int request_msi(struct hv_pci *dev, unsigned int n)
{
	struct hv_pci_vector *v = &dev->vectors[n];
	int irq, rc;

	irq = pci_irq_vector(dev->pdev, n);
	if (irq < 0)
		return irq;
	rc = request_irq(irq, msi_handler, 0, dev_name(&dev->dev), v);
	if (rc)
		return rc;
	v->irq = irq;
	return 0;
}

/* The message or the mask has changed: on return what comes goes where they say. */
static void post_msi(struct hv_pci_vector *v)
{
	struct hv_msi_route route;
	bool masked;

	spin_lock_irq(&v->lock);
	route.addr = v->addr;
	route.data = v->data;
	masked = v->masked;
	spin_unlock_irq(&v->lock);
	hv_post_set(&v->post, v->irq, masked ? NULL : &route);
}

/* ---- INTx ---- */

/**
 * hv_pci_has_intx() - the function has an interrupt line, and a bit to mask it
 * @dev: device
 */
bool hv_pci_has_intx(struct hv_pci *dev)
{
	return dev->pdev->pin && dev->pdev->irq && pci_intx_mask_supported(dev->pdev);
}

static irqreturn_t intx_handler(int irq, void *data)
{
	struct hv_pci *dev = data;
	unsigned long flags;
	bool mine;

	spin_lock_irqsave(&dev->intx_lock, flags);
	/*
	 * The line is shared, and what is masked or switched off still says that it wants to
	 * interrupt. Its mask is set in any case: were it lost, the line would never go down.
	 */
	mine = pci_check_and_mask_intx(dev->pdev) && dev->intx_on && !dev->intx_masked;
	if (mine) {
		dev->intx_masked = true;
		dev->vectors[0].count++;
	}
	spin_unlock_irqrestore(&dev->intx_lock, flags);
	if (!mine)
		return IRQ_NONE;
	hv_irq_line_source(dev->vm, dev->gsi, HV_IRQ_RESAMPLE, true);
	return IRQ_HANDLED;
}

/* The guest has ended the interrupt, and its line is down: any context. */
static void intx_acked(struct hv_resampler *resampler)
{
	struct hv_pci *dev = container_of(resampler, struct hv_pci, resampler);
	unsigned long flags;
	bool still = false;

	spin_lock_irqsave(&dev->intx_lock, flags);
	/* Unmasks, unless the function asserts it: then it stays masked, and comes again. */
	if (dev->intx_on && dev->intx_masked) {
		dev->intx_masked = !pci_check_and_unmask_intx(dev->pdev);
		still = dev->intx_masked;
	}
	if (still)
		dev->vectors[0].count++;
	spin_unlock_irqrestore(&dev->intx_lock, flags);
	if (still)
		hv_irq_line_source(dev->vm, dev->gsi, HV_IRQ_RESAMPLE, true);
}

static void set_intx(struct hv_pci *dev, bool on)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->intx_lock, flags);
	dev->intx_on = on;
	dev->intx_masked = false;
	pci_intx(dev->pdev, on);
	spin_unlock_irqrestore(&dev->intx_lock, flags);
}

/**
 * hv_pci_intx_enable() - the guest's bit to switch INTx off
 * @dev: device
 * @on: it may interrupt
 *
 * Context: process context; dev->mutex held.
 */
void hv_pci_intx_enable(struct hv_pci *dev, bool on)
{
	if (dev->irq_mode != HV_PCI_IRQ_INTX || dev->intx_on == on)
		return;
	set_intx(dev, on);
	/* Others on the GSI that want it up raise it again. */
	if (!on)
		hv_irqfd_acked(dev->vm, dev->gsi);
}

/**
 * hv_pci_bus_master() - let the function master the bus, or not
 * @dev: device that is there
 * @on: it may
 *
 * The kernel reads the command register, changes the bit and writes it back. Meanwhile the handler
 * must not set another bit there, the mask of INTx.
 *
 * Context: process context; dev->mutex held.
 */
void hv_pci_bus_master(struct hv_pci *dev, bool on)
{
	unsigned long flags;

	lockdep_assert_held(&dev->mutex);
	spin_lock_irqsave(&dev->intx_lock, flags);
	if (on)
		pci_set_master(dev->pdev);
	else
		pci_clear_master(dev->pdev);
	spin_unlock_irqrestore(&dev->intx_lock, flags);
}

static int request_intx(struct hv_pci *dev, u32 gsi)
{
	struct pci_dev *pdev = dev->pdev;
	u8 command = dev->config.copy[PCI_COMMAND + 1];
	int rc;

	/* It is switched off, in the hardware as well, until somebody listens. */
	dev->gsi = gsi;
	dev->resampler.gsi = gsi;
	dev->resampler.acked = intx_acked;
	rc = hv_resampler_add(dev->vm, &dev->resampler);
	if (rc)
		return rc;
	rc = request_irq(pdev->irq, intx_handler, IRQF_SHARED, dev_name(&dev->dev), dev);
	if (rc) {
		hv_resampler_remove(dev->vm, &dev->resampler);
		return rc;
	}
	dev->vectors[0].irq = pdev->irq;
	set_intx(dev, !(command & (PCI_COMMAND_INTX_DISABLE >> 8)));
	return 0;
}

static void free_intx(struct hv_pci *dev)
{
	hv_pci_intx_enable(dev, false);
	free_irq(dev->pdev->irq, dev);
	hv_resampler_remove(dev->vm, &dev->resampler);
}

/* ---- calls ---- */

static void free_msis(struct hv_pci *dev)
{
	struct hv_pci_vector *v;
	unsigned int i;

	for (i = 0; i < dev->nr_vectors; i++) {
		v = &dev->vectors[i];
		if (!v->irq)
			continue;
		spin_lock_irq(&v->lock);
		v->masked = true;
		spin_unlock_irq(&v->lock);
		hv_post_clear(&v->post);
		free_irq(v->irq, v);
	}
	pci_free_irq_vectors(dev->pdev);
	/* The kernel has switched INTx on again. */
	pci_intx(dev->pdev, 0);
}

/**
 * hv_pci_free_irqs() - no interrupt comes any more
 * @dev: device
 *
 * Context: process context, waits for handlers; dev->mutex held.
 */
void hv_pci_free_irqs(struct hv_pci *dev)
{
	lockdep_assert_held(&dev->mutex);
	if (dev->irq_mode == HV_PCI_IRQ_INTX)
		free_intx(dev);
	else if (dev->irq_mode != HV_PCI_IRQ_NONE)
		free_msis(dev);
	dev->irq_mode = HV_PCI_IRQ_NONE;
	dev->nr_vectors = 0;
	kvfree(dev->vectors);
	dev->vectors = NULL;
}

static int alloc_vectors(struct hv_pci *dev, u32 nr)
{
	unsigned int i;

	dev->vectors = kvcalloc(nr, sizeof(*dev->vectors), GFP_KERNEL_ACCOUNT);
	if (!dev->vectors)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		dev->vectors[i].dev = dev;
		spin_lock_init(&dev->vectors[i].lock);
		hv_post_init(&dev->vectors[i].post, dev->vm);
		/* Without a message */
		dev->vectors[i].masked = true;
	}
	return 0;
}

static int enable_irqs(struct hv_pci *dev, const struct hv_pci_irqs *irqs)
{
	unsigned int flags = irqs->mode == HV_PCI_IRQ_MSIX ? PCI_IRQ_MSIX : PCI_IRQ_MSI;
	int rc;

	if (irqs->mode == HV_PCI_IRQ_INTX)
		return request_intx(dev, irqs->gsi);
	rc = pci_alloc_irq_vectors(dev->pdev, irqs->count, irqs->count, flags);
	return rc < 0 ? rc : 0;
}

static bool irqs_valid(struct hv_pci *dev, const struct hv_pci_irqs *irqs)
{
	if (irqs->reserved || (irqs->gsi && irqs->mode != HV_PCI_IRQ_INTX))
		return false;
	switch (irqs->mode) {
	case HV_PCI_IRQ_NONE:
		return !irqs->count;
	case HV_PCI_IRQ_INTX:
		/* The end of an interrupt is the in-kernel IOAPIC's to tell. */
		return irqs->count == 1 && irqs->gsi < HV_MAX_IRQ_ROUTES && hv_pci_has_intx(dev) &&
		       dev->vm && dev->vm->ioapic;
	case HV_PCI_IRQ_MSI:
		return irqs->count && irqs->count <= hv_pci_nr_msi(dev);
	case HV_PCI_IRQ_MSIX:
		return irqs->count && irqs->count <= dev->msix.nr;
	default:
		return false;
	}
}

/**
 * hv_pci_set_irqs() - HV_PCI_SET_IRQS
 * @dev: device that is there
 * @irqs: mode and number
 *
 * Context: process context; dev->mutex held.
 * Return: 0 or -errno: see the call.
 */
long hv_pci_set_irqs(struct hv_pci *dev, const struct hv_pci_irqs *irqs)
{
	int rc;

	if (!irqs_valid(dev, irqs))
		return -EINVAL;
	hv_pci_free_irqs(dev);
	if (irqs->mode == HV_PCI_IRQ_NONE)
		return 0;
	if (dev->frozen)
		return -EIO;
	/* Pairs with the release in create_irqchip(). */
	if (!dev->vm || !smp_load_acquire(&dev->vm->irqchip_in_kernel))
		return -ENXIO;
	rc = alloc_vectors(dev, irqs->count);
	if (!rc)
		rc = enable_irqs(dev, irqs);
	if (rc) {
		kvfree(dev->vectors);
		dev->vectors = NULL;
		return rc;
	}
	dev->irq_mode = irqs->mode;
	dev->nr_vectors = irqs->count;
	return 0;
}

/**
 * hv_pci_set_vector() - HV_PCI_SET_VECTOR
 * @dev: device that is there
 * @r: message of a vector
 *
 * Context: process context; dev->mutex held.
 * Return: 0 or -errno: see the call.
 */
long hv_pci_set_vector(struct hv_pci *dev, const struct hv_pci_vector_route *r)
{
	struct hv_pci_vector *v;
	bool deliver;
	int rc;

	if (r->flags & ~HV_PCI_VECTOR_MASKED || r->reserved)
		return -EINVAL;
	if (dev->irq_mode != HV_PCI_IRQ_MSI && dev->irq_mode != HV_PCI_IRQ_MSIX)
		return -ENXIO;
	if (r->vector >= dev->nr_vectors || !hv_msi_valid(dev->vm, r->addr))
		return -EINVAL;
	v = &dev->vectors[r->vector];
	spin_lock_irq(&v->lock);
	v->addr = r->addr;
	v->data = r->data;
	v->masked = r->flags & HV_PCI_VECTOR_MASKED;
	deliver = v->pending && !v->masked;
	v->pending &= v->masked;
	spin_unlock_irq(&v->lock);
	if (deliver)
		hv_msi_deliver(dev->vm, r->addr, r->data);
	if (!v->irq) {
		rc = request_msi(dev, r->vector);
		if (rc)
			return rc;
	}
	post_msi(v);
	/* What the handler took before is delivered: who has masked a vector relies on it. */
	synchronize_irq(v->irq);
	return 0;
}

/**
 * hv_pci_get_vector() - HV_PCI_GET_VECTOR
 * @dev: device that is there
 * @s: state of a vector; filled in
 *
 * Context: process context; dev->mutex held.
 * Return: 0; -EINVAL if there is no such vector.
 */
long hv_pci_get_vector(struct hv_pci *dev, struct hv_pci_vector_state *s)
{
	struct hv_post_info post;
	struct hv_pci_vector *v;

	if (s->vector >= dev->nr_vectors)
		return -EINVAL;
	v = &dev->vectors[s->vector];
	s->mode = dev->irq_mode;
	s->irq = v->irq;
	s->flags = 0;
	spin_lock_irq(&v->lock);
	s->addr = v->addr;
	s->data = v->data;
	s->count = v->count;
	if (v->masked)
		s->flags |= HV_PCI_VECTOR_MASKED;
	if (v->pending)
		s->flags |= HV_PCI_VECTOR_PENDING;
	spin_unlock_irq(&v->lock);
	hv_post_query(&v->post, &post);
	if (post.posted)
		s->flags |= HV_PCI_VECTOR_POSTED;
	return 0;
}
