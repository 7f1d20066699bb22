/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SVM_EXIT_H
#define SVM_EXIT_H

struct hv_vcpu;

/* exit_insn.c */
int svm_exit_cr(struct hv_vcpu *vcpu);
int svm_exit_dr(struct hv_vcpu *vcpu);
int svm_exit_io(struct hv_vcpu *vcpu);
int svm_exit_msr(struct hv_vcpu *vcpu);

#endif
