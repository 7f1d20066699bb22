// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's TSC: its offset from the host's, and its rate.
 */
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include <hv/backend.h>
#include <hv/irq.h>
#include "internal.h"

/* Without scaling hardware the guest's TSC can only run as the host's; ppm as NTP adjusts */
#define HV_TSC_TOLERANCE_PPM	250

void hv_tsc_vm_init(struct hv_vm *vm)
{
	spin_lock_init(&vm->x86.tsc_lock);
	vm->x86.tsc_offset = -vm->x86.tsc_base;
}

/**
 * hv_guest_tsc() - the guest's TSC at a moment
 * @vcpu: vCPU
 * @host_tsc: the host's TSC at that moment
 */
u64 hv_guest_tsc(struct hv_vcpu *vcpu, u64 host_tsc)
{
	return host_tsc + vcpu->x86.tsc_offset;
}

/**
 * hv_tsc_refresh() - the TSC offset has changed: tell all who use it but the clock
 * @vcpu: loaded vCPU
 */
void hv_tsc_refresh(struct hv_vcpu *vcpu)
{
	hv_call(update, vcpu, HV_UPDATE_TSC);
	if (vcpu->x86.lapic)
		hv_lapic_update_timer(vcpu);
}

static void hv_set_tsc_offset(struct hv_vcpu *vcpu, u64 offset)
{
	if (vcpu->x86.tsc_offset == offset)
		return;
	WRITE_ONCE(vcpu->x86.tsc_offset, offset);
	hv_tsc_refresh(vcpu);
	hv_clock_reconsider(vcpu->vm);
	hv_req_set(vcpu, HV_REQ_CLOCK);
}

/* Power-up: all vCPUs of a VM count from the VM's creation or from its last setting. */
void hv_tsc_reset(struct hv_vcpu *vcpu)
{
	vcpu->x86.tsc_adjust = 0;
	vcpu->x86.tsc_offset = READ_ONCE(vcpu->vm->x86.tsc_offset);
	hv_call(update, vcpu, HV_UPDATE_TSC);
}

void hv_adjust_tsc_offset(struct hv_vcpu *vcpu, s64 delta)
{
	hv_set_tsc_offset(vcpu, vcpu->x86.tsc_offset + delta);
}

/*
 * A VMM restores the TSC of one vCPU after the other, each a little later, and means
 * the same TSC: a value within a second of what the VM was last set to is taken as
 * equal to it, and so is 0.
 */
static u64 hv_match_tsc_offset(struct hv_vcpu *vcpu, u64 val, u64 offset)
{
	struct hv_vm_x86 *vm = &vcpu->vm->x86;
	u64 second = (u64)vcpu->x86.tsc_khz * 1000;
	s64 diff;

	spin_lock(&vm->tsc_lock);
	diff = offset - vm->tsc_offset;
	if (!val || (u64)abs(diff) < second)
		offset = vm->tsc_offset;
	else
		WRITE_ONCE(vm->tsc_offset, offset);
	spin_unlock(&vm->tsc_lock);
	return offset;
}

/**
 * hv_write_tsc() - write IA32_TIME_STAMP_COUNTER
 * @vcpu: loaded vCPU
 * @val: value
 * @host: by the VMM; a write by the guest is added to IA32_TSC_ADJUST (SDM 3B 18.17.3)
 */
void hv_write_tsc(struct hv_vcpu *vcpu, u64 val, bool host)
{
	u64 offset = val - rdtsc();

	if (host)
		offset = hv_match_tsc_offset(vcpu, val, offset);
	else
		vcpu->x86.tsc_adjust += offset - vcpu->x86.tsc_offset;
	hv_set_tsc_offset(vcpu, offset);
}

long hv_set_tsc_khz(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	u64 khz = arg ? : tsc_khz;
	u64 tolerance = div_u64((u64)tsc_khz * HV_TSC_TOLERANCE_PPM, 1000000);

	if (khz > U32_MAX || khz + tolerance < tsc_khz || khz > tsc_khz + tolerance)
		return -EINVAL;
	vcpu->x86.tsc_khz = khz;
	if (vcpu->x86.lapic)
		hv_lapic_update_timer(vcpu);
	return 0;
}

long hv_get_tsc_khz(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return vcpu->x86.tsc_khz;
}
