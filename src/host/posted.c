// SPDX-License-Identifier: GPL-2.0-only
/*
 * The notification vector of posted interrupts. A module can't have an interrupt vector of its
 * own, but the kernel has one for KVM whose handler does nothing but acknowledge and count
 * (PIN in /proc/interrupts). Whoever sends it to a CPU disturbs nobody else there: another
 * hypervisor's guest looks into its own descriptor and finds what is there anyway.
 */
#include <linux/kconfig.h>
#include <asm/apic.h>
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
