/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What entry.S and C agree on. The offsets are checked in enter.c.
 */
#ifndef SVM_ENTRY_H
#define SVM_ENTRY_H

/* struct svm_switch */
#define SVM_SW_VMCB_PA		0
#define SVM_SW_HOST_PA		8
#define SVM_SW_SPEC_CTRL	16
#define SVM_SW_SWITCH_SPEC_CTRL	24

/* Return values of svm_enter_guest() */
#define SVM_EXITED	0	/* the VMCB says why */
#define SVM_FAULTED	1	/* SVM is off (reboot) */

#ifndef __ASSEMBLY__
#include <linux/types.h>
#include <hv/x86.h>

/**
 * struct svm_switch - what entry.S needs besides the registers
 * @vmcb_pa: physical address of the VMCB
 * @host_pa: of the page with the host's part of the state that VMLOAD loads, on this CPU
 * @spec_ctrl: the guest's IA32_SPEC_CTRL, where the VMCB does not hold it
 */
struct svm_switch {
	u64 vmcb_pa;
	u64 host_pa;
	struct hv_spec_ctrl spec_ctrl;
};

asmlinkage unsigned long svm_enter_guest(struct svm_switch *sw, u64 *regs);
#endif
#endif
