// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of the x86 calls, and the capabilities that stand for them.
 */
#include <linux/cpumask.h>
#include <hv/backend.h>
#include <hv/ioctl.h>
#include <hv/irq.h>
#include "internal.h"

#define HV_X2APIC_API_FLAGS	(HV_X2APIC_API_USE_32BIT_IDS | \
				 HV_X2APIC_API_DISABLE_BROADCAST_QUIRK)

static const struct {
	u32 cap;
	u32 value;
} hv_x86_caps[] = {
	{ HV_CAP_IRQCHIP, 1 },
	{ HV_CAP_HLT, 1 },
	{ HV_CAP_SET_TSS_ADDR, 1 },
	{ HV_CAP_EXT_CPUID, 1 },
	{ HV_CAP_NOP_IO_DELAY, 1 },
	{ HV_CAP_MP_STATE, 1 },
	{ HV_CAP_USER_NMI, 1 },
	{ HV_CAP_SET_GUEST_DEBUG, 1 },
	{ HV_CAP_PIT2, 1 },
	{ HV_CAP_PIT_STATE2, 1 },
	{ HV_CAP_REINJECT_CONTROL, 1 },
	{ HV_CAP_IRQ_ROUTING, 4096 },
	{ HV_CAP_IRQ_INJECT_STATUS, 1 },
	{ HV_CAP_MCE, HV_NR_MCE_BANKS },
	{ HV_CAP_IRQFD, 1 },
	{ HV_CAP_IOEVENTFD, 1 },
	{ HV_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ HV_CAP_ADJUST_CLOCK, HV_CLOCK_TSC_STABLE | HV_CLOCK_REALTIME | HV_CLOCK_HOST_TSC },
	{ HV_CAP_VCPU_EVENTS, 1 },
	{ HV_CAP_INTR_SHADOW, HV_X86_SHADOW_INT_MOV_SS | HV_X86_SHADOW_INT_STI },
	{ HV_CAP_DEBUGREGS, 1 },
	{ HV_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ HV_CAP_GET_TSC_KHZ, 1 },
	{ HV_CAP_TSC_DEADLINE_TIMER, 1 },
	{ HV_CAP_KVMCLOCK_CTRL, 1 },
	{ HV_CAP_SIGNAL_MSI, 1 },
	{ HV_CAP_IRQFD_RESAMPLE, 1 },
	{ HV_CAP_ENABLE_CAP, 1 },
	{ HV_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ HV_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ HV_CAP_ENABLE_CAP_VM, 1 },
	{ HV_CAP_SPLIT_IRQCHIP, 1 },
	{ HV_CAP_X2APIC_API, HV_X2APIC_API_FLAGS },
	{ HV_CAP_GET_MSR_FEATURES, 1 },
	{ HV_CAP_EXCEPTION_PAYLOAD, 1 },
	{ HV_CAP_HALT_POLL, 1 },
	{ HV_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ HV_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
};

/**
 * hv_x86_check_extension() - value of an x86 capability
 * @cap: HV_CAP_*
 *
 * Return: the value, 0 if hv does not have it.
 */
long hv_x86_check_extension(u32 cap)
{
	unsigned int i;

	switch (cap) {
	case HV_CAP_XSAVE:
	case HV_CAP_XCRS:
		return boot_cpu_has(X86_FEATURE_XSAVE);
	case HV_CAP_XSAVE2:
		return boot_cpu_has(X86_FEATURE_XSAVE) ? hv_xsave2_size() : 0;
	case HV_CAP_NR_VCPUS:
		return min_t(unsigned int, num_online_cpus(), HV_MAX_VCPUS);
	case HV_CAP_VM_GPA_BITS:
		return hv_mmu_gpa_bits();
	}
	for (i = 0; i < ARRAY_SIZE(hv_x86_caps); i++) {
		if (hv_x86_caps[i].cap == cap)
			return hv_x86_caps[i].value;
	}
	return 0;
}

/* ---- system fd ---- */

static const struct hv_ioctl hv_sys_calls[] = {
	{ HV_GET_SUPPORTED_CPUID, 0, .sys = hv_get_supported_cpuid },
	{ HV_GET_MSR_INDEX_LIST, 0, .sys = hv_get_msr_index_list },
	{ HV_GET_MSR_FEATURE_INDEX_LIST, 0, .sys = hv_get_msr_feature_list },
	{ HV_GET_MSRS, 0, .sys = hv_get_msrs_sys },
	{ HV_X86_GET_MCE_CAP_SUPPORTED, 0, .sys = hv_x86_get_mce_cap },
};

const struct hv_ioctl_table hv_x86_sys_ioctls = { hv_sys_calls, ARRAY_SIZE(hv_sys_calls) };

/* ---- VM fd ---- */

/* Three pages below 4 GiB */
static long hv_set_tss_addr(struct hv_vm *vm, void *data, unsigned long arg)
{
	if (arg > BIT_ULL(32) - 3 * PAGE_SIZE)
		return -EINVAL;
	vm->x86.tss_addr = arg;
	return 0;
}

static long hv_set_identity_map_addr(struct hv_vm *vm, void *data, unsigned long arg)
{
	if (vm->nr_vcpus)
		return -EINVAL;
	vm->x86.identity_map_addr = *(u64 *)data;
	return 0;
}

static long hv_enable_cap(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_enable_cap *cap = data;

	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case HV_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return hv_dirty_enable_manual(vm, cap->args[0]);
	case HV_CAP_DIRTY_LOG_RING:
	case HV_CAP_DIRTY_LOG_RING_ACQ_REL:
		return hv_dirty_ring_enable(vm, cap->args[0]);
	case HV_CAP_EXCEPTION_PAYLOAD:
		vm->x86.exception_payload = cap->args[0];
		return 0;
	case HV_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->x86.triple_fault_event = cap->args[0];
		return 0;
	case HV_CAP_HALT_POLL:
		if (cap->args[0] > U32_MAX)
			return -EINVAL;
		WRITE_ONCE(vm->halt_poll_ns, cap->args[0]);
		WRITE_ONCE(vm->halt_poll_set, true);
		return 0;
	case HV_CAP_SPLIT_IRQCHIP:
		return hv_irqchip_split(vm, cap->args[0]);
	case HV_CAP_X2APIC_API:
		if (cap->args[0] & ~HV_X2APIC_API_FLAGS)
			return -EINVAL;
		if (cap->args[0] & HV_X2APIC_API_USE_32BIT_IDS)
			WRITE_ONCE(vm->x2apic_ids, true);
		if (cap->args[0] & HV_X2APIC_API_DISABLE_BROADCAST_QUIRK)
			WRITE_ONCE(vm->x2apic_no_quirk, true);
		hv_post_refresh(vm);
		return 0;
	}
	return -EINVAL;
}

static const struct hv_ioctl hv_vm_calls[] = {
	{ HV_SET_TSS_ADDR, HV_IOC_LOCK, .vm = hv_set_tss_addr },
	{ HV_SET_IDENTITY_MAP_ADDR, HV_IOC_LOCK, .vm = hv_set_identity_map_addr },
	{ HV_GET_CLOCK, HV_IOC_LOCK, .vm = hv_get_clock },
	{ HV_SET_CLOCK, HV_IOC_LOCK, .vm = hv_set_clock },
	{ HV_ENABLE_CAP, HV_IOC_LOCK, .vm = hv_enable_cap },
};

const struct hv_ioctl_table hv_x86_vm_ioctls = { hv_vm_calls, ARRAY_SIZE(hv_vm_calls) };

/* ---- vCPU fd ---- */

static long hv_nmi(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	hv_queue_nmi(vcpu);
	return 0;
}

static long hv_translate_call(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_translation *tr = data;
	u64 gpa;

	hv_vcpu_srcu_lock(vcpu);
	tr->valid = hv_translate_system(vcpu, tr->linear_address, &gpa);
	hv_vcpu_srcu_unlock(vcpu);
	tr->physical_address = tr->valid ? gpa : ~0ULL;
	tr->writeable = 1;
	tr->usermode = 0;
	memset(tr->pad, 0, sizeof(tr->pad));
	return 0;
}

static long hv_enable_vcpu_cap(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_enable_cap *cap = data;

	if (cap->flags || cap->cap != HV_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->x86.pv.enforce = cap->args[0];
	return 0;
}

static long hv_set_vapic_addr(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return vcpu->x86.lapic ? 0 : -EINVAL;
}

static long hv_tpr_access_reporting(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_tpr_access_ctl *ctl = data;

	return ctl->flags ? -EINVAL : 0;
}

#define HV_LOADED	(HV_IOC_LOCK | HV_IOC_LOAD)

static const struct hv_ioctl hv_vcpu_calls[] = {
	{ HV_GET_REGS, HV_LOADED, .vcpu = hv_get_regs },
	{ HV_SET_REGS, HV_LOADED, .vcpu = hv_set_regs },
	{ HV_GET_SREGS, HV_LOADED, .vcpu = hv_get_sregs },
	{ HV_SET_SREGS, HV_LOADED, .vcpu = hv_set_sregs },
	{ HV_GET_FPU, HV_LOADED, .vcpu = hv_get_fpu },
	{ HV_SET_FPU, HV_LOADED, .vcpu = hv_set_fpu },
	{ HV_GET_XSAVE, HV_LOADED | HV_IOC_RAW, .vcpu = hv_get_xsave },
	{ HV_GET_XSAVE2, HV_LOADED | HV_IOC_RAW, .vcpu = hv_get_xsave2 },
	{ HV_SET_XSAVE, HV_LOADED | HV_IOC_RAW, .vcpu = hv_set_xsave },
	{ HV_GET_XCRS, HV_LOADED, .vcpu = hv_get_xcrs },
	{ HV_SET_XCRS, HV_LOADED, .vcpu = hv_set_xcrs },
	{ HV_GET_MSRS, HV_LOADED, .vcpu = hv_get_msrs },
	{ HV_SET_MSRS, HV_LOADED, .vcpu = hv_set_msrs },
	{ HV_SET_CPUID2, HV_LOADED, .vcpu = hv_set_cpuid2 },
	{ HV_GET_CPUID2, HV_LOADED, .vcpu = hv_get_cpuid2 },
	{ HV_GET_MP_STATE, HV_LOADED, .vcpu = hv_get_mp_state },
	{ HV_SET_MP_STATE, HV_LOADED, .vcpu = hv_set_mp_state },
	{ HV_GET_VCPU_EVENTS, HV_LOADED, .vcpu = hv_get_vcpu_events },
	{ HV_SET_VCPU_EVENTS, HV_LOADED, .vcpu = hv_set_vcpu_events },
	{ HV_GET_DEBUGREGS, HV_LOADED, .vcpu = hv_get_debugregs },
	{ HV_SET_DEBUGREGS, HV_LOADED, .vcpu = hv_set_debugregs },
	{ HV_INTERRUPT, HV_LOADED, .vcpu = hv_interrupt },
	{ HV_NMI, HV_LOADED, .vcpu = hv_nmi },
	{ HV_SET_GUEST_DEBUG, HV_LOADED, .vcpu = hv_set_guest_debug },
	{ HV_TRANSLATE, HV_LOADED, .vcpu = hv_translate_call },
	{ HV_SET_TSC_KHZ, HV_LOADED, .vcpu = hv_set_tsc_khz },
	{ HV_GET_TSC_KHZ, HV_LOADED, .vcpu = hv_get_tsc_khz },
	{ HV_ENABLE_CAP, HV_LOADED, .vcpu = hv_enable_vcpu_cap },
	{ HV_KVMCLOCK_CTRL, HV_LOADED, .vcpu = hv_kvmclock_ctrl },
	{ HV_X86_SETUP_MCE, HV_LOADED, .vcpu = hv_x86_setup_mce },
	{ HV_SET_VAPIC_ADDR, HV_LOADED, .vcpu = hv_set_vapic_addr },
	{ HV_TPR_ACCESS_REPORTING, HV_LOADED, .vcpu = hv_tpr_access_reporting },
};

const struct hv_ioctl_table hv_x86_vcpu_ioctls = {
	hv_vcpu_calls, ARRAY_SIZE(hv_vcpu_calls)
};
