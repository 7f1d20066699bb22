/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMX_EXIT_H
#define VMX_EXIT_H

struct hv_vcpu;

/* exit_insn.c */
int vmx_exit_cr_access(struct hv_vcpu *vcpu);
int vmx_exit_dr_access(struct hv_vcpu *vcpu);
int vmx_exit_io(struct hv_vcpu *vcpu);

#endif
