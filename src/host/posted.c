// SPDX-License-Identifier: GPL-2.0-only
/*
 * The notification vector of posted interrupts. A module can't have an interrupt vector of its
 * own, but the kernel has one for KVM whose handler does nothing but acknowledge and count
 * (PIN in /proc/interrupts). Whoever sends it to a CPU disturbs nobody else there: another
 * hypervisor's guest looks into its own descriptor and finds what is there anyway.
 */
#include <linux/irq.h>
#include <linux/interrupt.h>
#include <linux/kconfig.h>
#include <linux/string.h>
#include <asm/apic.h>
#include <asm/irq_remapping.h>
#include <asm/irq_vectors.h>
#include <asm/smp.h>
#include <hv/host.h>

/**
 * host_posted_vector() - vector that tells a CPU to look into the posted-interrupt descriptor
 *
 * Return: vector, 0: this kernel has none.
 */
unsigned int host_posted_vector(void)
{
#if defined(POSTED_INTR_VECTOR) && IS_ENABLED(CONFIG_KVM)
	return POSTED_INTR_VECTOR;
#else
	return 0;
#endif
}

/**
 * host_send_posted() - notify a CPU
 * @cpu: CPU, not this one
 *
 * If a guest runs there the processor takes its posted interrupts over without an exit; else
 * the host's handler acknowledges.
 *
 * Context: any, preemption off; host_posted_vector() is not 0.
 */
void host_send_posted(int cpu)
{
	apic->send_IPI(cpu, host_posted_vector());
}

/**
 * host_apic_destination() - physical APIC destination of a CPU as an IOMMU wants it
 * @cpu: CPU
 *
 * Return: APIC id; in bits 15:8 while the host is in xAPIC mode (VT-d specification 9.11).
 */
u32 host_apic_destination(int cpu)
{
	u32 id = cpu_physical_id(cpu);

	return x2apic_mode ? id : id << 8 & 0xff00;
}

/* ---- interrupts of devices ---- */

#ifdef HOST_HAVE_INTEL_PI_DATA
#define vcpu_data	intel_iommu_pi_data
#endif

/* The chip that irq_set_vcpu_affinity() ends up at */
static const struct irq_chip *posting_chip(unsigned int irq)
{
	const struct irq_data *d;

	for (d = irq_get_irq_data(irq); d; d = d->parent_data)
		if (d->chip && d->chip->irq_set_vcpu_affinity &&
		    d->chip->irq_set_vcpu_affinity != irq_chip_set_vcpu_affinity_parent)
			return d->chip;
	return NULL;
}

/**
 * host_irq_can_post() - can an interrupt be posted into a descriptor of Intel's format?
 * @irq: Linux's number, requested
 *
 * The driver of Intel's IOMMU does not look whether the hardware can before it does what it is
 * asked; that of AMD takes another structure. A chip of somebody else that has the operation
 * means it.
 *
 * Context: process context.
 */
bool host_irq_can_post(unsigned int irq)
{
	const struct irq_chip *chip = posting_chip(irq);

	if (!chip)
		return false;
	if (strstarts(chip->name, "INTEL-IR"))
		return irq_remapping_cap(IRQ_POSTING_CAP);
	return !strstarts(chip->name, "AMD-IR");
}

/**
 * host_irq_post() - have an interrupt posted into a descriptor
 * @irq: Linux's number, host_irq_can_post()
 * @descriptor: physical address
 * @vector: guest's vector
 *
 * Context: any.
 * Return: 0 or -errno.
 */
int host_irq_post(unsigned int irq, u64 descriptor, u8 vector)
{
	struct vcpu_data data = {
		.pi_desc_addr = descriptor,
		.vector = vector,
	};

	return irq_set_vcpu_affinity(irq, &data);
}

/**
 * host_irq_remap() - back to the host's handler
 * @irq: Linux's number, posted
 *
 * On return nothing is written to the descriptor any more.
 *
 * Context: any.
 * Return: 0 or -errno.
 */
int host_irq_remap(unsigned int irq)
{
	return irq_set_vcpu_affinity(irq, NULL);
}
