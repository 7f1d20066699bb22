// SPDX-License-Identifier: GPL-2.0-only
/*
 * PV EOI: the guest signals the end of an interrupt without an exit, by clearing a bit in its
 * memory.
 *
 * hv sets the bit before an entry when the EOI concerns nobody but this LAPIC and nothing waits
 * for it. After the exit it takes the bit back: if the guest has cleared it, the EOI
 * is done then; else the guest will signal it as usual. What comes meanwhile makes the vCPU
 * exit first, so no interrupt waits for an EOI that is not seen.
 */
#include <linux/kernel.h>
#include <linux/srcu.h>
#include <asm/kvm_para.h>
#include <hv/irq.h>
#include <hv/memory.h>
#include "internal.h"

/* The word with the bit is aligned (Documentation/virt/kvm/x86/msr.rst). */
#define HV_PV_EOI_ALIGN		4

static u64 hv_pv_eoi_gpa(struct hv_vcpu *vcpu)
{
	return vcpu->x86.pv.eoi_msr & ~(u64)KVM_MSR_ENABLED;
}

/**
 * hv_pv_eoi_offer() - let the guest do without an exit, if that is right
 * @vcpu: vCPU that is about to enter, an interrupt in service
 *
 * Context: interrupts off. Without the memory the guest signals EOI as usual.
 */
void hv_pv_eoi_offer(struct hv_vcpu *vcpu)
{
	static const u8 offered = BIT(KVM_PV_EOI_BIT);
	struct hv_vm *vm = vcpu->vm;
	int idx;

	if (likely(!(vcpu->x86.pv.eoi_msr & KVM_MSR_ENABLED)) ||
	    !vcpu->x86.lapic || !hv_lapic_eoi_is_private(vcpu))
		return;
	/* It takes EOIs without an exit, and what is posted to it would wait for this one. */
	if (hv_lapic_virtual(vcpu))
		return;
	idx = srcu_read_lock(&vm->srcu);
	if (!hv_guest_write_nofault(vm, hv_pv_eoi_gpa(vcpu), &offered, sizeof(offered)))
		vcpu->x86.pv.eoi_offered = true;
	srcu_read_unlock(&vm->srcu, idx);
}

/**
 * hv_pv_eoi_collect() - has the guest done it?
 * @vcpu: vCPU that has exited; caller holds vm->srcu
 *
 * Comes before anything looks at the LAPIC.
 *
 * Context: process context, may sleep.
 */
void hv_pv_eoi_collect(struct hv_vcpu *vcpu)
{
	u64 gpa = hv_pv_eoi_gpa(vcpu);
	u8 word;

	vcpu->x86.pv.eoi_offered = false;
	if (hv_guest_read(vcpu->vm, gpa, &word, sizeof(word)))
		return;
	if (word & BIT(KVM_PV_EOI_BIT)) {
		/* Not yet: the guest must not believe it later. */
		word &= ~BIT(KVM_PV_EOI_BIT);
		hv_guest_write(vcpu->vm, gpa, &word, sizeof(word));
		return;
	}
	hv_lapic_eoi(vcpu);
	vcpu->stats.pv_eois++;
}

int hv_get_pv_eoi(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	*val = vcpu->x86.pv.eoi_msr;
	return 0;
}

int hv_set_pv_eoi(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	if ((val & ~(u64)KVM_MSR_ENABLED) & (HV_PV_EOI_ALIGN - 1))
		return 1;
	vcpu->x86.pv.eoi_msr = val;
	return 0;
}
