// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX preemption timer (SDM 3C 25.5.1) as clock of the LAPIC timer: it ends the guest at the
 * deadline, without an interrupt of the host.
 */
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tsc.h>
#include <hv/irq.h>
#include "vmx.h"
#include "exit.h"

static bool vmx_preemption_timer = true;
module_param_named(preemption_timer, vmx_preemption_timer, bool, 0444);
MODULE_PARM_DESC(preemption_timer, "Intel: the LAPIC timer ends the guest without a host interrupt");

/* IA32_VMX_MISC 4:0: the timer counts when this bit of the TSC changes (SDM 3D A.6) */
static unsigned int vmx_timer_shift __ro_after_init;

/*
 * CPUID.1:EAX of processors whose timer does not count at the rate that it says (Intel's
 * specification updates: AAJ124, AAK139, AAM126, AAN92, AAO95, AAP86, AAT59, AAU65, AAX65, BA86)
 */
static const u32 vmx_timer_errata[] __initconst = {
	0x000106a0, 0x000106a1, 0x000106a4, 0x000106a5,	/* Bloomfield, Gainestown */
	0x000106e5,					/* Lynnfield, Clarksfield */
	0x00020652, 0x00020655,				/* Clarkdale, Arrandale */
	0x000206e6,					/* Beckton */
	0x000306a8,					/* Ivy Bridge, early stepping */
};

static bool __init vmx_timer_broken(void)
{
	u32 signature = cpuid_eax(1);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmx_timer_errata); i++)
		if (vmx_timer_errata[i] == signature)
			return true;
	return false;
}

/**
 * vmx_timer_setup() - is the timer there, and does it keep time?
 *
 * It counts with the TSC, which must run at one rate.
 *
 * Context: module load, vmx_caps is filled in.
 */
void __init vmx_timer_setup(void)
{
	u64 misc;

	vmx_preemption_timer = vmx_preemption_timer &&
			       (vmx_caps.pin_optional & PIN_PREEMPTION_TIMER) &&
			       boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && !check_tsc_unstable() &&
			       !vmx_timer_broken();
	if (vmx_preemption_timer) {
		rdmsrl(MSR_IA32_VMX_MISC, misc);
		vmx_timer_shift = misc & 0x1f;
	}
	pr_info("hv: vmx: LAPIC timer by %s\n",
		vmx_preemption_timer ? "VMX preemption timer" : "host timer");
}

/**
 * vmx_timer_vcpu_create() - let a new vCPU use it
 * @vcpu: new vCPU
 */
void vmx_timer_vcpu_create(struct hv_vcpu *vcpu)
{
	if (vcpu->x86.lapic && vmx_preemption_timer)
		hv_lapic_timer_by_processor(vcpu);
}

/**
 * vmx_program_timer() - have the guest end when the LAPIC timer expires
 * @vcpu: loaded vCPU with a LAPIC, about to enter
 *
 * The first count takes less than the others, so there is one more: an exit too early would
 * be for nothing. A time that is too far away for 32 bits comes in steps.
 *
 * Context: interrupts off.
 */
void vmx_program_timer(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 tsc, now;

	if (!hv_lapic_timer_next(vcpu, &tsc)) {
		vmx_set_pin(vmx, 0, PIN_PREEMPTION_TIMER);
		return;
	}
	now = rdtsc();
	/* 0 ends the guest before its first instruction. */
	vmcs_write32(VMCS_PREEMPTION_TIMER,
		     tsc <= now ? 0 : min_t(u64, ((tsc - now) >> vmx_timer_shift) + 1, U32_MAX));
	vmx_set_pin(vmx, PIN_PREEMPTION_TIMER, 0);
}

/**
 * vmx_exit_preemption_timer() - the time has come: the run loop looks
 * @vcpu: loaded vCPU
 *
 * Return: HV_RESUME.
 */
int vmx_exit_preemption_timer(struct hv_vcpu *vcpu)
{
	return HV_RESUME;
}
