// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space identifiers, which tag what a CPU's TLB holds (APM 2 15.16).
 *
 * Each CPU gives its ASIDs one after the other. When all have been used a new generation
 * begins: everything is flushed, and every vCPU gets another one at its next entry there. A
 * vCPU that comes from another CPU gets a new one too, as what the old one's TLB entries
 * stand for may have changed meanwhile.
 */
#include <linux/percpu.h>
#include "svm.h"

/**
 * svm_asid_cpu_init() - SVM is being switched on
 * @c: this CPU
 *
 * The next vCPU begins another generation and flushes what an earlier owner has left.
 *
 * Context: interrupts off.
 */
void svm_asid_cpu_init(struct svm_cpu *c)
{
	c->asid_generation++;
	c->next_asid = svm_caps.nr_asids;
}

static void svm_new_asid(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct vmcb_control *ctl = &svm->vmcb->control;

	if (c->next_asid >= svm_caps.nr_asids) {
		c->asid_generation++;
		c->next_asid = 1;
		ctl->tlb_control = SVM_TLB_FLUSH_ALL;
	}
	svm->asid_generation = c->asid_generation;
	ctl->asid = c->next_asid++;
	svm_dirty(svm, SVM_CLEAN_ASID);
}

/**
 * svm_asid_check() - the VMCB has an ASID that is its own on this CPU
 * @svm: vCPU, about to enter
 *
 * Context: interrupts off.
 */
void svm_asid_check(struct svm_vcpu *svm)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);

	if (unlikely(svm->asid_generation != c->asid_generation))
		svm_new_asid(svm, c);
}

/**
 * svm_flush_tlb() - drop all translations of this vCPU before the next entry
 * @vcpu: loaded vCPU
 * @guest_only: the linear ones would do; the processor makes no difference
 *
 * Nested translations are tagged by ASID as the guest's own are (APM 2 15.25.13).
 *
 * Context: preemption off.
 */
void svm_flush_tlb(struct hv_vcpu *vcpu, bool guest_only)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm_caps.flush_by_asid)
		svm->vmcb->control.tlb_control = SVM_TLB_FLUSH_ASID;
	else	/* Another ASID will do: nothing is cached under it. */
		svm->asid_generation = 0;
}
