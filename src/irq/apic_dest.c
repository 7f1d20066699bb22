// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which LAPICs an interrupt message reaches (SDM 3A 11.6.2, 11.12.10).
 */
#include <hv/vm.h>
#include "lapic.h"

enum apic_shorthand {
	APIC_SH_NONE,
	APIC_SH_SELF,
	APIC_SH_ALL,
	APIC_SH_OTHERS,
};

/* One look at what other threads may be changing */
static struct apic_addr apic_addr_of(const struct hv_lapic *apic)
{
	return (struct apic_addr) {
		.mode = READ_ONCE(apic->addr.mode),
		.id = apic->addr.id,
		.ldr = READ_ONCE(apic->addr.ldr),
		.dfr = READ_ONCE(apic->addr.dfr),
	};
}

static bool reached(struct hv_vcpu *vcpu, struct hv_vcpu *src, const struct hv_apic_msg *msg)
{
	struct apic_addr addr = apic_addr_of(vcpu->x86.lapic);
	bool wide;

	if (addr.mode == APIC_DISABLED)
		return false;
	switch (msg->shorthand) {
	case APIC_SH_SELF:
		return vcpu == src;
	case APIC_SH_ALL:
		return true;
	case APIC_SH_OTHERS:
		return vcpu != src;
	default:
		if (src)
			wide = apic_x2apic(src->x86.lapic);
		else
			wide = vcpu->vm->x2apic_no_quirk && addr.mode == APIC_X2APIC;
		return apic_match(&addr, msg->dest, msg->logical, wide);
	}
}

/*
 * One of the destinations: that with the lowest priority class, and of those the one that
 * was chosen least often (SDM 3A 11.6.2.4 leaves the choice to the chipset).
 */
static bool better(const struct hv_lapic *a, const struct hv_lapic *b)
{
	u32 pa = READ_ONCE(*apic_reg(a, APIC_R_TPR)) >> 4;
	u32 pb = READ_ONCE(*apic_reg(b, APIC_R_TPR)) >> 4;

	if (pa != pb)
		return pa < pb;
	return (s32)(READ_ONCE(a->arbitrations) - READ_ONCE(b->arbitrations)) < 0;
}

static int deliver_to_one(struct hv_vm *vm, struct hv_vcpu *src, const struct hv_apic_msg *msg)
{
	struct hv_lapic *best = NULL;
	struct hv_vcpu *vcpu;
	unsigned int i;

	hv_for_each_vcpu(i, vcpu, vm) {
		struct hv_lapic *apic = vcpu->x86.lapic;

		if (!reached(vcpu, src, msg) || !apic_sw_enabled(apic))
			continue;
		if (!best || better(apic, best))
			best = apic;
	}
	if (!best)
		return -1;
	/* A lost increment does no harm. */
	WRITE_ONCE(best->arbitrations, READ_ONCE(best->arbitrations) + 1);
	return hv_lapic_receive(best, msg);
}

/**
 * hv_apic_deliver() - deliver an interrupt message
 * @vm: VM with in-kernel LAPICs
 * @src: sender, or NULL for IOAPIC and MSI
 * @msg: message
 *
 * Destinations of a sender in x2APIC mode have 32 bits, all others 8.
 *
 * Context: any, interrupts on or off; takes no lock.
 * Return: number of LAPICs that took it; 0 if all that could had it pending already
 * (coalesced); -1 if none is there or wants it.
 */
int hv_apic_deliver(struct hv_vm *vm, struct hv_vcpu *src, const struct hv_apic_msg *msg)
{
	struct hv_vcpu *vcpu;
	int total = -1, one;
	unsigned int i;

	if (!vm->irqchip_in_kernel)
		return -1;
	if (msg->mode == HV_DM_LOWEST || msg->redirect)
		return deliver_to_one(vm, src, msg);

	hv_for_each_vcpu(i, vcpu, vm) {
		if (!reached(vcpu, src, msg))
			continue;
		one = hv_lapic_receive(vcpu->x86.lapic, msg);
		if (one >= 0)
			total = one + (total < 0 ? 0 : total);
	}
	return total;
}

/**
 * hv_msi_valid() - can a message have this address?
 * @vm: VM
 * @addr: message address
 *
 * With HV_X2APIC_API_USE_32BIT_IDS bits 39:32 are reserved; else the upper half is not looked at.
 */
bool hv_msi_valid(struct hv_vm *vm, u64 addr)
{
	return !READ_ONCE(vm->x2apic_ids) || !(addr >> 32 & 0xff);
}

/*
 * What a message says: bits 19:12 of the address are the destination, 3 the redirection hint,
 * 2 logical (SDM 3A 11.11). The upper half of the address is not used, but with
 * HV_X2APIC_API_USE_32BIT_IDS bits 63:40 are bits 31:8 of the destination, as a VMM that remaps
 * interrupts gives them.
 */
static struct hv_apic_msg msi_message(struct hv_vm *vm, u64 addr, u32 data)
{
	struct hv_apic_msg msg = {
		.dest = addr >> 12 & 0xff,
		.vector = data,
		.mode = data >> 8 & 7,
		.logical = addr & BIT(2),
		.redirect = addr & BIT(3),
		.level = data & HV_MSI_LEVEL,
		.assert = true,
	};

	if (READ_ONCE(vm->x2apic_ids))
		msg.dest |= addr >> 32 & 0xffffff00;
	return msg;
}

/**
 * hv_msi_deliver() - deliver a message-signaled interrupt
 * @vm: VM with in-kernel LAPICs
 * @addr: message address
 * @data: message data
 *
 * Context: any.
 * Return: as hv_apic_deliver().
 */
int hv_msi_deliver(struct hv_vm *vm, u64 addr, u32 data)
{
	struct hv_apic_msg msg = msi_message(vm, addr, data);

	return hv_apic_deliver(vm, NULL, &msg);
}

/**
 * hv_msi_target() - the LAPIC to which an IOMMU could post a message
 * @vm: VM with in-kernel LAPICs
 * @route: message
 * @vector: set to its vector
 *
 * An IOMMU sets a bit for one vCPU and no more. Who else is named, whether a LAPIC is enabled, what
 * is level-triggered, is for software to look at with each message.
 *
 * Context: any. What it says may be different at once: hv_post_refresh().
 * Return: LAPIC; NULL: none, several, or it must not be posted.
 */
struct hv_lapic *hv_msi_target(struct hv_vm *vm, const struct hv_msi_route *route, u8 *vector)
{
	struct hv_apic_msg msg = msi_message(vm, route->addr, route->data);
	struct hv_lapic *target = NULL;
	struct hv_vcpu *vcpu;
	unsigned int i;

	if (!vm->irqchip_in_kernel || msg.level || msg.vector < APIC_MIN_VECTOR ||
	    (msg.mode != HV_DM_FIXED && msg.mode != HV_DM_LOWEST))
		return NULL;
	hv_for_each_vcpu(i, vcpu, vm) {
		if (!reached(vcpu, NULL, &msg))
			continue;
		if (target)
			return NULL;
		target = vcpu->x86.lapic;
	}
	if (!target || !target->iommu_posts || !apic_sw_enabled(target))
		return NULL;
	*vector = msg.vector;
	return target;
}
