// SPDX-License-Identifier: GPL-2.0-only
/*
 * Around the entry: what a CPU's first entry after a load needs, the entry itself, and what
 * must be done before interrupts are on again.
 */
#include <linux/compiler.h>
#include <asm/trapnr.h>
#include <hv/host_inline.h>
#include "svm.h"

/**
 * svm_load() - backend's load
 * @vcpu: vCPU
 * @cpu: this CPU, SVM is on
 *
 * Context: preemption off, interrupts on.
 */
void svm_load(struct hv_vcpu *vcpu, int cpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->cpu != cpu) {
		svm->cpu = cpu;
		svm->sw.host_pa = svm_pa(this_cpu_read(svm_cpu.host));
		/* Clean bits are about what this CPU has cached (APM 2 15.15.1). */
		svm_dirty(svm, ~0u);
		/* What this CPU's TLB has of the vCPU may be stale by now. */
		svm->asid_generation = 0;
	}
	hv_switch_load(vcpu);
}

/**
 * svm_put() - backend's put
 * @vcpu: vCPU
 *
 * Each exit has given the CPU back to the host: nothing is left but lazily switched MSRs.
 *
 * Context: preemption off.
 */
void svm_put(struct hv_vcpu *vcpu)
{
	to_svm(vcpu)->host_saved = false;
}

/*
 * Before the first entry after a load: the bases of this thread, and what is the same for
 * all. VMLOAD brings it back after each exit.
 */
static void svm_save_host(struct svm_vcpu *svm)
{
	asm volatile("vmsave %0" : : "a" (svm->sw.host_pa) : "memory");
	svm->host_saved = true;
}

/* The part in which RCU is not watching. */
static noinstr void svm_enter_noinstr(struct hv_vcpu *vcpu, struct svm_vcpu *svm)
{
	host_guest_state_enter();
	svm->fail = svm_enter_guest(&svm->sw, vcpu->x86.regs);
	host_guest_state_exit();
}

/* Take from the VMCB what the next exit will overwrite; interrupts off. */
static void svm_read_exit(struct hv_vcpu *vcpu, struct svm_vcpu *svm)
{
	struct vmcb_control *ctl = &svm->vmcb->control;

	svm->exit_code = ctl->exit_code;
	if (unlikely(svm->exit_code == SVM_EXIT_INVALID)) {
		/* Nothing was delivered. */
		ctl->event_inject = 0;
		svm_int3_again(vcpu);
		return;
	}
	ctl->tlb_control = SVM_TLB_NOTHING;
	ctl->clean = svm_caps.clean_bits ? SVM_CLEAN_ALL : 0;
	vcpu->x86.regs[HV_REG_RAX] = svm->vmcb->save.rax;
	vcpu->x86.cr2 = svm->vmcb->save.cr2;
	if (vcpu->x86.lapic)
		svm_tpr_exit(vcpu);
	svm->stepped = svm->stepping;
	if (unlikely(svm->stepping)) {
		svm->stepping = false;
		svm_end_step(svm);
	}
	ctl->event_inject = 0;
	svm_note_event_delivery(vcpu);
}

/**
 * svm_enter() - run the guest until the next exit
 * @vcpu: loaded vCPU
 *
 * Context: interrupts off before and after.
 * Return: 0; 1: a host interrupt ended it; -EIO: the entry failed, svm_handle_exit() reports it.
 */
int svm_enter(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	bool perf_switched;

	/* SVM was switched off by a reboot since the vCPU was loaded. */
	if (unlikely(!this_cpu_read(svm_cpu.on))) {
		svm->fail = SVM_FAULTED;
		return -EIO;
	}
	if (!svm->host_saved)
		svm_save_host(svm);
	if (vcpu->x86.lazy_stale)
		hv_lazy_msrs_load(vcpu);
	svm_asid_check(svm);
	if (vcpu->x86.lapic)
		svm_tpr_enter(vcpu);
	svm_flush_regs(vcpu);
	svm->injected = svm->vmcb->control.event_inject;
	perf_switched = host_perf_enter();
	hv_guest_state_enter(vcpu);

	svm_enter_noinstr(vcpu, svm);

	if (unlikely(perf_switched))
		host_perf_exit();
	vcpu->x86.regs_avail = GENMASK(HV_REG_R15, 0) & ~BIT(HV_REG_RSP);
	vcpu->x86.regs_dirty = 0;
	if (likely(!svm->fail))
		svm_read_exit(vcpu, svm);
	hv_guest_state_exit(vcpu);
	host_note_guest_exit();
	if (unlikely(svm->fail || svm->exit_code == SVM_EXIT_INVALID))
		return -EIO;
	/* Interrupts are pending still: the run loop turns them on. An NMI was taken at STGI. */
	if (unlikely(svm->exit_code == SVM_EXIT_EXCEPTION + X86_TRAP_MC))
		host_handle_mce();
	return svm->exit_code == SVM_EXIT_INTR;
}

static_assert(offsetof(struct svm_switch, vmcb_pa) == SVM_SW_VMCB_PA);
static_assert(offsetof(struct svm_switch, host_pa) == SVM_SW_HOST_PA);
static_assert(offsetof(struct svm_switch, spec_ctrl.guest) == SVM_SW_SPEC_CTRL);
static_assert(offsetof(struct svm_switch, spec_ctrl.present) == SVM_SW_SWITCH_SPEC_CTRL);
static_assert(HV_REG_RSP == 4 && HV_REG_R15 == 15);
