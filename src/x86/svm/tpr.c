// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's CR8 (APM 2 15.21.1): with V_INTR_MASKING it is V_TPR in the VMCB, and neither
 * reads nor writes need an exit. The LAPIC's TPR is the other name of the same register: it is
 * copied to V_TPR before an entry and back after the exit.
 *
 * While the guest runs TPR may be behind; who looks at it then are senders of lowest-priority
 * interrupts, which may go to any processor.
 */
#include <hv/irq.h>
#include "svm.h"

/*
 * Must a write of CR8 exit? Yes while an interrupt waits for a lower TPR, or for its window,
 * which a higher TPR would close; and if TPR has a sub-class, which the write clears (SDM 3A
 * 11.8.6) whether or not it changes V_TPR.
 */
static bool svm_cr8_write_exits(struct hv_vcpu *vcpu)
{
	/* QEMU 7.2 aborts, too, when CR8 is written while a virtual interrupt is pending. */
	if (to_svm(vcpu)->vmcb->control.vintr & SVM_V_IRQ)
		return true;
	return hv_lapic_tpr_threshold(vcpu) || hv_lapic_tpr_subclass(vcpu);
}

/**
 * svm_tpr_enter() - V_TPR is the LAPIC's TPR, CR8 exits if it must
 * @vcpu: loaded vCPU with a LAPIC, about to enter; its windows are open
 *
 * Context: interrupts off.
 */
void svm_tpr_enter(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *ctl = &svm->vmcb->control;
	u32 vintr = (ctl->vintr & ~SVM_V_TPR) | hv_lapic_get_tpr(vcpu);
	u32 cr = ctl->cr & ~(SVM_CR_READ(8) | SVM_CR_WRITE(8));

	if (svm_cr8_write_exits(vcpu))
		cr |= SVM_CR_WRITE(8);
	if (vintr != ctl->vintr) {
		ctl->vintr = vintr;
		svm_dirty(svm, SVM_CLEAN_TPR);
	}
	if (cr != ctl->cr) {
		ctl->cr = cr;
		svm_dirty(svm, SVM_CLEAN_INTERCEPTS);
	}
}

/**
 * svm_tpr_exit() - the guest may have written CR8
 * @vcpu: loaded vCPU with a LAPIC, just exited
 *
 * Context: interrupts off.
 */
void svm_tpr_exit(struct hv_vcpu *vcpu)
{
	u32 cr8 = to_svm(vcpu)->vmcb->control.vintr & SVM_V_TPR;

	if (cr8 != hv_lapic_get_tpr(vcpu))
		hv_lapic_set_tpr(vcpu, cr8);
}
