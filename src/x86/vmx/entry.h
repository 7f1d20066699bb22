/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What entry.S and C agree on. The offsets are checked in enter.c.
 */
#ifndef VMX_ENTRY_H
#define VMX_ENTRY_H

/* struct vmx_switch */
#define VMX_SW_HOST_RSP		0
#define VMX_SW_SPEC_CTRL	8
#define VMX_SW_SWITCH_SPEC_CTRL	16
#define VMX_SW_LAUNCHED		24

/* Return values of vmx_enter_guest() */
#define VMX_EXITED	0	/* a VM exit: the VMCS says why */
#define VMX_FAILED	1	/* VMLAUNCH or VMRESUME failed: VM-instruction error */
#define VMX_FAULTED	2	/* it faulted: VMX is off (reboot) */

#ifndef __ASSEMBLY__
#include <linux/types.h>
#include <hv/x86.h>

/**
 * struct vmx_switch - what entry.S needs besides the registers
 * @host_rsp: value of HOST_RSP in the VMCS: written only when it changes
 * @spec_ctrl: the guest's IA32_SPEC_CTRL
 * @launched: VMRESUME instead of VMLAUNCH
 */
struct vmx_switch {
	u64 host_rsp;
	struct hv_spec_ctrl spec_ctrl;
	bool launched;
};

asmlinkage unsigned long vmx_enter_guest(struct vmx_switch *sw, u64 *regs);
void vmx_exit_point(void);
#endif
#endif
