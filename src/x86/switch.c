// SPDX-License-Identifier: GPL-2.0-only
/*
 * What both backends switch between host and guest outside of their control structures:
 * MSRs that can wait for the return to user space, IA32_SPEC_CTRL, and what one vCPU has
 * taught the branch predictors.
 */
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/barrier.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <hv/host.h>
#include "internal.h"

/**
 * struct hv_switch_cpu - a CPU; written on it with preemption off
 * @serial: of the last vCPU that ran here: another one gets an IBPB first
 * @urn: notifier that puts the lazy MSRs back
 * @urn_registered: @urn is registered
 * @host: the host's values of the lazy MSRs
 * @now: values in the processor
 */
struct hv_switch_cpu {
	u64 serial;
	struct user_return_notifier urn;
	bool urn_registered;
	u64 host[HV_MAX_LAZY_MSRS];
	u64 now[HV_MAX_LAZY_MSRS];
};

static DEFINE_PER_CPU(struct hv_switch_cpu, hv_switch_cpu);
static const struct hv_lazy_msr *hv_lazy_msrs __ro_after_init;
static unsigned int hv_nr_lazy_msrs __ro_after_init;

/**
 * hv_lazy_msrs_setup() - which MSRs are put back only when the CPU returns to user space
 * @msrs: the backend's list
 * @nr: how many of them this processor has
 *
 * Context: module load.
 */
void __init hv_lazy_msrs_setup(const struct hv_lazy_msr *msrs, unsigned int nr)
{
	hv_lazy_msrs = msrs;
	hv_nr_lazy_msrs = min_t(unsigned int, nr, HV_MAX_LAZY_MSRS);
}

/**
 * hv_lazy_msrs_init() - note the host's values
 *
 * Context: interrupts off; no guest's values are in the processor.
 */
void hv_lazy_msrs_init(void)
{
	struct hv_switch_cpu *c = this_cpu_ptr(&hv_switch_cpu);
	unsigned int i;

	for (i = 0; i < hv_nr_lazy_msrs; i++) {
		rdmsrl(hv_lazy_msrs[i].index, c->host[i]);
		c->now[i] = c->host[i];
	}
}

static void hv_lazy_msrs_put_back(struct hv_switch_cpu *c)
{
	unsigned int i;

	if (c->urn_registered) {
		c->urn_registered = false;
		user_return_notifier_unregister(&c->urn);
	}
	for (i = 0; i < hv_nr_lazy_msrs; i++)
		if (c->now[i] != c->host[i]) {
			wrmsrl(hv_lazy_msrs[i].index, c->host[i]);
			c->now[i] = c->host[i];
		}
}

/**
 * hv_lazy_msrs_restore() - put the host's values back
 *
 * Context: interrupts off.
 */
void hv_lazy_msrs_restore(void)
{
	hv_lazy_msrs_put_back(this_cpu_ptr(&hv_switch_cpu));
}

/* This CPU is about to return to user space. */
static void hv_on_user_return(struct user_return_notifier *urn)
{
	unsigned long flags;

	/* An IPI that switches the extension off restores too. */
	local_irq_save(flags);
	hv_lazy_msrs_put_back(container_of(urn, struct hv_switch_cpu, urn));
	local_irq_restore(flags);
}

/**
 * hv_lazy_msrs_load() - the guest's values into the processor
 * @vcpu: loaded vCPU with x86.lazy_stale
 *
 * Context: interrupts off, before the entry.
 */
void hv_lazy_msrs_load(struct hv_vcpu *vcpu)
{
	struct hv_switch_cpu *c = this_cpu_ptr(&hv_switch_cpu);
	bool changed = false;
	unsigned int i;

	for (i = 0; i < hv_nr_lazy_msrs; i++) {
		u64 want = *(u64 *)((void *)&vcpu->x86 + hv_lazy_msrs[i].offset);

		if (c->now[i] == want)
			continue;
		wrmsrl(hv_lazy_msrs[i].index, want);
		c->now[i] = want;
		changed = true;
	}
	if (changed && !c->urn_registered) {
		c->urn.on_user_return = hv_on_user_return;
		user_return_notifier_register(&c->urn);
		c->urn_registered = true;
	}
	vcpu->x86.lazy_stale = false;
}

/**
 * hv_switch_load() - a vCPU has come to this CPU
 * @vcpu: vCPU
 *
 * Context: preemption off.
 */
void hv_switch_load(struct hv_vcpu *vcpu)
{
	struct hv_switch_cpu *c = this_cpu_ptr(&hv_switch_cpu);

	vcpu->x86.lazy_stale = true;
	/* What the vCPU that ran here before has taught the branch predictors */
	if (c->serial != vcpu->x86.serial) {
		c->serial = vcpu->x86.serial;
		host_ibpb();
	}
}

/**
 * hv_spec_ctrl_bits() - bits of IA32_SPEC_CTRL that the processor has
 *
 * A guest whose CPUID tells the truth sets no others, and writing those is a #GP.
 */
u64 hv_spec_ctrl_bits(void)
{
	u64 bits = 0;

	if (boot_cpu_has(X86_FEATURE_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (boot_cpu_has(X86_FEATURE_STIBP))
		bits |= SPEC_CTRL_STIBP;
	/* Not the synthetic flag, which also stands for other ways */
	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) || boot_cpu_has(X86_FEATURE_AMD_SSBD))
		bits |= SPEC_CTRL_SSBD;
	return bits;
}

/**
 * hv_restore_spec_ctrl() - IA32_SPEC_CTRL is the host's again
 * @sc: what entry.S was given
 *
 * Called by entry.S when returns are safe. A guest that may write the MSR without an exit may
 * have changed it.
 *
 * Context: noinstr, interrupts off.
 */
noinstr void hv_restore_spec_ctrl(struct hv_spec_ctrl *sc)
{
	u64 host;

	if (!sc->present)
		return;
	host = host_spec_ctrl();
	if (sc->live)
		sc->guest = native_read_msr(MSR_IA32_SPEC_CTRL);
	/* Legacy IBRS has to be written even when it is unchanged: the write is the barrier. */
	if (sc->kernel_ibrs || sc->guest != host)
		native_wrmsrl(MSR_IA32_SPEC_CTRL, host);
	barrier_nospec();
}
