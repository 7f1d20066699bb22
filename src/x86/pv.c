// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of the paravirtual interface there is, and what a guest may use of it.
 */
#include <linux/kernel.h>
#include <linux/sched/stat.h>
#include <asm/kvm_para.h>
#include "internal.h"

/* Where a hypervisor's leaves may begin: one that offers several interfaces moves KVM's. */
#define HV_PV_LEAF_LAST		0x40010000
#define HV_PV_LEAF_STEP		0x100

#define HV_PV_FEATURES		(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) | \
				 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_PV_UNHALT) | \
				 BIT(KVM_FEATURE_PV_EOI) | \
				 BIT(KVM_FEATURE_PV_SEND_IPI) | \
				 BIT(KVM_FEATURE_POLL_CONTROL) | \
				 BIT(KVM_FEATURE_PV_SCHED_YIELD) | \
				 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))
/* If the host counts how long threads wait for a CPU */
#define HV_PV_STEAL_FEATURES	(BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_TLB_FLUSH))

/* The MSRs, and the feature that each belongs to */
static const struct {
	u32 index;
	u32 feature;
} hv_pv_msrs[] = {
	{ MSR_KVM_WALL_CLOCK, KVM_FEATURE_CLOCKSOURCE },
	{ MSR_KVM_SYSTEM_TIME, KVM_FEATURE_CLOCKSOURCE },
	{ MSR_KVM_WALL_CLOCK_NEW, KVM_FEATURE_CLOCKSOURCE2 },
	{ MSR_KVM_SYSTEM_TIME_NEW, KVM_FEATURE_CLOCKSOURCE2 },
	{ MSR_KVM_STEAL_TIME, KVM_FEATURE_STEAL_TIME },
	{ MSR_KVM_PV_EOI_EN, KVM_FEATURE_PV_EOI },
	{ MSR_KVM_POLL_CONTROL, KVM_FEATURE_POLL_CONTROL },
};

static void hv_pv_signature(u32 *ebx, u32 *ecx, u32 *edx)
{
	memcpy(ebx, KVM_SIGNATURE, 4);
	memcpy(ecx, KVM_SIGNATURE + 4, 4);
	memcpy(edx, KVM_SIGNATURE + 8, 4);
}

/**
 * hv_pv_fill_leaf() - a leaf of HV_GET_SUPPORTED_CPUID
 * @e: entry with the function number set
 */
void hv_pv_fill_leaf(struct hv_cpuid_entry2 *e)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
	if (e->function == KVM_CPUID_SIGNATURE) {
		e->eax = KVM_CPUID_FEATURES;
		hv_pv_signature(&e->ebx, &e->ecx, &e->edx);
	} else if (e->function == KVM_CPUID_FEATURES) {
		e->eax = HV_PV_FEATURES;
		if (sched_info_on())
			e->eax |= HV_PV_STEAL_FEATURES;
	}
}

/**
 * hv_pv_cpuid_changed() - note what the VMM shows of the interface
 * @vcpu: vCPU with a new table
 */
void hv_pv_cpuid_changed(struct hv_vcpu *vcpu)
{
	const struct hv_cpuid_entry2 *e;
	u32 base, ebx, ecx, edx;

	hv_pv_signature(&ebx, &ecx, &edx);
	vcpu->x86.pv.features = 0;
	for (base = KVM_CPUID_SIGNATURE; base < HV_PV_LEAF_LAST; base += HV_PV_LEAF_STEP) {
		e = hv_cpuid_find(vcpu, base, 0);
		if (!e || e->ebx != ebx || e->ecx != ecx || e->edx != edx)
			continue;
		e = hv_cpuid_find(vcpu, base + KVM_CPUID_FEATURES - KVM_CPUID_SIGNATURE, 0);
		vcpu->x86.pv.features = e ? e->eax : 0;
		return;
	}
}

/**
 * hv_pv_has() - may the guest use a feature?
 * @vcpu: vCPU with the mutex held
 * @feature: KVM_FEATURE_*
 *
 * As on KVM a guest may use what it was not told of, unless the VMM has enabled
 * HV_CAP_ENFORCE_PV_FEATURE_CPUID.
 */
bool hv_pv_has(struct hv_vcpu *vcpu, unsigned int feature)
{
	return !vcpu->x86.pv.enforce || (vcpu->x86.pv.features & BIT(feature));
}

/**
 * hv_pv_msr_allowed() - may an MSR of the interface be accessed?
 * @vcpu: vCPU with the mutex held
 * @index: MSR
 * @host: by the VMM, which may always
 */
bool hv_pv_msr_allowed(struct hv_vcpu *vcpu, u32 index, bool host)
{
	unsigned int i;

	if (host)
		return true;
	for (i = 0; i < ARRAY_SIZE(hv_pv_msrs); i++) {
		if (hv_pv_msrs[i].index == index)
			return hv_pv_has(vcpu, hv_pv_msrs[i].feature);
	}
	return false;
}

int hv_get_poll_control(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	*val = vcpu->x86.pv.poll_control;
	return 0;
}

/* A guest that polls itself before HLT wants no host that does it once more. */
int hv_set_poll_control(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	vcpu->x86.pv.poll_control = val;
	return 0;
}

/**
 * hv_pv_reset() - nothing is shared with the guest any more
 * @vcpu: vCPU
 * @init: by INIT, else power-up
 */
void hv_pv_reset(struct hv_vcpu *vcpu, bool init)
{
	hv_pvclock_reset(vcpu);
	vcpu->x86.pv.steal_time = 0;
	vcpu->x86.pv.eoi_msr = 0;
	vcpu->x86.pv.eoi_offered = false;
	WRITE_ONCE(vcpu->x86.pv.unhalted, false);
	if (!init)
		vcpu->x86.pv.poll_control = HV_POLL_CONTROL_HOST;
}
