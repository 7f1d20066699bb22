// SPDX-License-Identifier: GPL-2.0-only
/*
 * What makes the guest exit, and getting past an instruction that did.
 */
#include <linux/kernel.h>
#include <asm/cpufeature.h>
#include <asm/processor-flags.h>
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <asm/debugreg.h>
#include <hv/decode.h>
#include "svm.h"

/**
 * svm_intercept() - change the intercepts of offset 00Ch
 * @svm: vCPU
 * @set: SVM_INTERCEPT_* to set
 * @clear: to clear
 */
void svm_intercept(struct svm_vcpu *svm, u32 set, u32 clear)
{
	struct vmcb_control *ctl = &svm->vmcb->control;
	u32 val = (ctl->intercepts & ~clear) | set;

	if (val == ctl->intercepts)
		return;
	ctl->intercepts = val;
	svm_dirty(svm, SVM_CLEAN_INTERCEPTS);
}

/*
 * #DB and #AC can be raised in their own delivery, for ever, with interrupts
 * never open (CVE-2015-5307, CVE-2015-8104): they exit always. #MC is the host's.
 */
#define SVM_EXCEPTIONS	(BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC))

/* What the guest's CPUID does not have is #UD for it: RDTSCP, INVPCID. */
static void svm_update_insn_intercepts(struct hv_vcpu *vcpu)
{
	struct vmcb_control *ctl = &to_svm(vcpu)->vmcb->control;

	if (hv_cpuid_has(vcpu, 0x80000001, 0, 3, 27))
		ctl->intercepts2 &= ~SVM_INTERCEPT_RDTSCP;
	else
		ctl->intercepts2 |= SVM_INTERCEPT_RDTSCP;
	/* Where the processor has no INVPCID there is no such intercept. */
	if (boot_cpu_has(X86_FEATURE_INVPCID) && !hv_cpuid_has(vcpu, 7, 0, 1, 10))
		ctl->intercepts3 |= SVM_INTERCEPT_INVPCID;
	else
		ctl->intercepts3 &= ~SVM_INTERCEPT_INVPCID;
}

/**
 * svm_update_intercepts() - recompute what exits
 * @vcpu: loaded vCPU
 */
void svm_update_intercepts(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *ctl = &svm->vmcb->control;
	struct hv_vcpu_x86 *x86 = &vcpu->x86;
	bool guest_drs = x86->debug_regs_live && !x86->guest_debug;

	ctl->exceptions = SVM_EXCEPTIONS;
	if ((x86->guest_debug & HV_GUESTDBG_ENABLE) &&
	    (x86->guest_debug & HV_GUESTDBG_USE_SW_BP))
		ctl->exceptions |= BIT(X86_TRAP_BP);
	ctl->dr = guest_drs ? 0 : SVM_DR_ALL;
	svm->vmcb->save.dr7 = x86->guest_debug & HV_GUESTDBG_USE_HW_BP ?
			      x86->guest_debug_dr7 : x86->dr7;
	/* IBPB: of the guest's own doing and harmless, if its CPUID says that it may */
	svm_msr_intercept(svm, MSR_IA32_PRED_CMD, true,
			  !boot_cpu_has(X86_FEATURE_IBPB) ||
			  !(hv_cpuid_has(vcpu, 7, 0, 3, 26) ||
			    hv_cpuid_has(vcpu, 0x80000008, 0, 1, 12)));
	svm_update_insn_intercepts(vcpu);
	svm_dirty(svm, SVM_CLEAN_INTERCEPTS | SVM_CLEAN_DR);
}

/* RIP after the instruction that exited; false: *r is what to return instead */
static bool svm_next_rip(struct hv_vcpu *vcpu, u64 *rip, int *r)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct vmcb_control *ctl = &svm->vmcb->control;
	struct hv_insn insn;

	if (svm->exit_code == SVM_EXIT_IOIO) {
		*rip = ctl->exit_info2;
		return true;
	}
	/* Zero where it is not defined (APM 2 15.7.1) */
	if (svm_caps.nrips && ctl->next_rip) {
		*rip = ctl->next_rip;
		return true;
	}
	if (!hv_fetch_insn(vcpu, &insn, r))
		return false;
	*rip = hv_rip(vcpu) + insn.len;
	/* EIP wraps. */
	if (insn.mode != 64)
		*rip = (u32)*rip;
	return true;
}

/**
 * svm_skip_insn() - backend's skip_insn
 * @vcpu: loaded vCPU after an exit by an instruction
 *
 * Without the processor's help the instruction is read again to learn its length. If another
 * vCPU has taken the page away meanwhile the guest gets the page fault, and the instruction
 * is executed again.
 *
 * Return: 0, or -EIO: its length is unknown.
 */
int svm_skip_insn(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 rip;
	int r;

	if (!svm_next_rip(vcpu, &rip, &r))
		return r == HV_RESUME ? 0 : -EIO;
	hv_set_rip(vcpu, rip);
	/* STI and MOV SS block for one instruction: this was it. */
	svm->vmcb->control.interrupt_state &= ~SVM_INTERRUPT_SHADOW;
	/* A single-stepped instruction ends with #DB whoever executed it. */
	if (unlikely(hv_rflags(vcpu) & X86_EFLAGS_TF))
		hv_queue_exception_p(vcpu, X86_TRAP_DB, DR_STEP);
	return 0;
}
