/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMX_EXIT_H
#define VMX_EXIT_H

#include <linux/types.h>

struct hv_vcpu;

/* exit.c */
int vmx_delivery_failure(struct hv_vcpu *vcpu, u64 gpa);

/* exit_insn.c */
int vmx_exit_cr_access(struct hv_vcpu *vcpu);
int vmx_exit_dr_access(struct hv_vcpu *vcpu);
int vmx_exit_io(struct hv_vcpu *vcpu);

/* apicv.c */
int vmx_exit_apic_access(struct hv_vcpu *vcpu);
int vmx_exit_apic_write(struct hv_vcpu *vcpu);
int vmx_exit_eoi(struct hv_vcpu *vcpu);
int vmx_exit_tpr_threshold(struct hv_vcpu *vcpu);

/* timer.c */
int vmx_exit_preemption_timer(struct hv_vcpu *vcpu);

#endif
