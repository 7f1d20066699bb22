// SPDX-License-Identifier: GPL-2.0-only
/*
 * Around VM entry: host state on load and put, lazily switched MSRs, the entry
 * itself, and what must be done before interrupts are on again.
 */
#include <linux/compiler.h>
#include <asm/msr.h>
#include <asm/trapnr.h>
#include <hv/host_inline.h>
#include "vmx.h"

/**
 * vmx_load() - backend's load
 * @vcpu: vCPU
 * @cpu: this CPU, in VMX operation
 *
 * Context: preemption off, interrupts on.
 */
void vmx_load(struct hv_vcpu *vcpu, int cpu)
{
	vmx_vmcs_load(to_vmx(vcpu), cpu);
	vmx_posted_load(vcpu, cpu);
	/* Another thread, or this one's system call, has run here. */
	to_vmx(vcpu)->l1d_touched = true;
	hv_switch_load(vcpu);
}

/* Before the first entry after a load; interrupts off. */
static void vmx_switch_to_guest(struct vmx_vcpu *vmx)
{
	struct host_segs *s = &vmx->host_segs;

	host_save_segs(s);
	/* A user selector can't be in the VMCS: 0, and vmx_put() reloads it. */
	vmcs_write16(VMCS_HOST_FS_SELECTOR, s->fs_sel & 7 ? 0 : s->fs_sel);
	vmcs_write16(VMCS_HOST_GS_SELECTOR, s->gs_sel & 7 ? 0 : s->gs_sel);
	vmcs_writen(VMCS_HOST_FS_BASE, s->fs_base);
	wrmsrl(MSR_KERNEL_GS_BASE, vmx->vcpu->x86.kernel_gs_base);
	vmx->guest_loaded = true;
}

/**
 * vmx_put() - backend's put: this CPU is the host's again
 * @vcpu: vCPU
 *
 * Context: preemption off. The VMCS stays active here until it is needed elsewhere.
 */
void vmx_put(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_posted_put(vcpu);
	if (!vmx->guest_loaded)
		return;
	rdmsrl(MSR_KERNEL_GS_BASE, vcpu->x86.kernel_gs_base);
	host_load_segs(&vmx->host_segs);
	host_restore_limits();
	vmx->guest_loaded = false;
}

/* CR3 (another thread, another PCID) and CR4 of the host may have changed; interrupts off. */
static void vmx_refresh_host_cr(struct vmx_vcpu *vmx)
{
	u64 cr3 = host_cr3(), cr4 = host_cr4();

	if (unlikely(cr3 != vmx->host_cr3)) {
		vmcs_writen(VMCS_HOST_CR3, cr3);
		vmx->host_cr3 = cr3;
	}
	if (unlikely(cr4 != vmx->host_cr4)) {
		vmcs_writen(VMCS_HOST_CR4, cr4);
		vmx->host_cr4 = cr4;
	}
}

/* L1TF: is there something in the L1 data cache that the guest must not find? */
static noinstr bool vmx_must_flush_l1d(struct vmx_vcpu *vmx)
{
	bool touched;

	if (likely(vmx_mitigations.l1d_flush == HOST_L1D_NEVER))
		return false;
	touched = host_l1d_touched() || vmx->l1d_touched;
	vmx->l1d_touched = false;
	return touched || vmx_mitigations.l1d_flush == HOST_L1D_ALWAYS;
}

/* The part in which RCU is not watching. */
static noinstr void vmx_enter_noinstr(struct hv_vcpu *vcpu, struct vmx_vcpu *vmx)
{
	host_guest_state_enter();

	if (vmx_must_flush_l1d(vmx))
		host_flush_l1d();
	else if (vmx_mitigations.verw)
		host_clear_buffers();
	if (vcpu->x86.cr2 != native_read_cr2())
		native_write_cr2(vcpu->x86.cr2);

	vmx->fail = vmx_enter_guest(&vmx->sw, vcpu->x86.regs);

	vcpu->x86.cr2 = native_read_cr2();
	if (likely(!vmx->fail)) {
		vmx->exit_reason = vmcs_read32(VMCS_EXIT_REASON);
		/* NMIs are blocked until this handler's IRET. */
		if (vmx->exit_reason == EXIT_EXCEPTION_NMI) {
			vmx->intr_info = vmcs_read32(VMCS_EXIT_INTR_INFO);
			if ((vmx->intr_info & INTR_TYPE) == INTR_TYPE_NMI)
				host_handle_nmi();
		}
	}
	host_guest_state_exit();
}

/* What the exit delivered to the host; interrupts off. */
static void vmx_handle_host_events(struct vmx_vcpu *vmx)
{
	switch (vmx->exit_reason) {
	case EXIT_EXT_INTR:
		/* Acknowledged by the exit: the vector is in the interruption information. */
		vmx->intr_info = vmcs_read32(VMCS_EXIT_INTR_INFO);
		if (vmx->intr_info & INTR_VALID)
			host_handle_irq(vmx->intr_info & INTR_VECTOR);
		break;
	case EXIT_EXCEPTION_NMI:
		if ((vmx->intr_info & (INTR_TYPE | INTR_VECTOR)) ==
		    (INTR_TYPE_HARD_EXC | X86_TRAP_MC))
			host_handle_mce();
		break;
	case EXIT_FAILED_ENTRY | EXIT_MCE_DURING_ENTRY:
		host_handle_mce();
		break;
	}
}

/**
 * vmx_enter() - run the guest until the next VM exit
 * @vcpu: loaded vCPU
 *
 * Context: interrupts off before and after.
 * Return: 0; 1: a host interrupt ended it; -EIO: the entry failed, vmx_handle_exit() reports it.
 */
int vmx_enter(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	bool perf_switched;
	u64 debugctl;

	if (!vmx->guest_loaded)
		vmx_switch_to_guest(vmx);
	if (vcpu->x86.lazy_stale)
		hv_lazy_msrs_load(vcpu);
	vmx_refresh_host_cr(vmx);
	if (vcpu->x86.lapic)
		vmx_program_timer(vcpu);
	if (vmx->soft_apic)
		vmx_update_tpr_threshold(vcpu);
	/*
	 * TF that the VMM's single-stepping has set comes without a pending BS, and in the
	 * shadow of STI or MOV SS such an entry is refused (SDM 3C 26.3.1.5).
	 */
	if (unlikely(vcpu->x86.guest_debug & HV_GUESTDBG_SINGLESTEP))
		vmx_set_blocking(vcpu, vmx_get_blocking(vcpu) & HV_BLOCK_NMI);
	vmx_flush_regs(vcpu);
	/* Any interrupt may have changed it: perf starts and stops LBRs on other CPUs by IPI. */
	debugctl = host_debugctl();
	vmx->exit_reason = ~0u;
	vmx->intr_info = 0;
	perf_switched = host_perf_enter();
	hv_guest_state_enter(vcpu);

	vmx_enter_noinstr(vcpu, vmx);

	if (unlikely(perf_switched))
		host_perf_exit();
	if (unlikely(debugctl))
		host_restore_debugctl(debugctl);

	vcpu->x86.regs_avail = GENMASK(HV_REG_R15, 0) & ~BIT(HV_REG_RSP);
	vcpu->x86.regs_dirty = 0;
	hv_guest_state_exit(vcpu);
	host_note_guest_exit();
	if (unlikely(vmx->fail || (vmx->exit_reason & EXIT_FAILED_ENTRY))) {
		/* Nothing was delivered, and the processor has not cleared the request to. */
		if (vmx->fail != VMX_FAULTED)
			vmcs_write32(VMCS_ENTRY_INTR_INFO, 0);
		if (!vmx->fail)
			vmx_handle_host_events(vmx);
		return -EIO;
	}
	vmx->sw.launched = true;
	vmx_handle_host_events(vmx);
	vmx_note_event_delivery(vcpu);
	return vmx->exit_reason == EXIT_EXT_INTR;
}

static_assert(offsetof(struct vmx_switch, host_rsp) == VMX_SW_HOST_RSP);
static_assert(offsetof(struct vmx_switch, spec_ctrl.guest) == VMX_SW_SPEC_CTRL);
static_assert(offsetof(struct vmx_switch, launched) == VMX_SW_LAUNCHED);
static_assert(offsetof(struct vmx_switch, spec_ctrl.present) == VMX_SW_SWITCH_SPEC_CTRL);
static_assert(HV_REG_RSP == 4 && HV_REG_R15 == 15);
