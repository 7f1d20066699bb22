// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM exits: one table names them all (SDM 3D appendix C). Exits by control-register,
 * debug-register and I/O instructions are decoded in exit_insn.c.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <asm/trapnr.h>
#include "vmx.h"
#include "exit.h"

/**
 * vmx_qualification() - exit qualification of the last exit, read once
 * @vmx: loaded vCPU
 */
u64 vmx_qualification(struct vmx_vcpu *vmx)
{
	unsigned long *avail = &vmx->vcpu->x86.regs_avail;

	if (!(*avail & BIT(HV_REG_EXIT_INFO))) {
		vmx->qualification = vmcs_readn(VMCS_EXIT_QUALIFICATION);
		*avail |= BIT(HV_REG_EXIT_INFO);
	}
	return vmx->qualification;
}

static int vmx_exit_ext_intr(struct hv_vcpu *vcpu)
{
	/* Its handler has run, see vmx_handle_host_events(). */
	vcpu->stats.irq_exits++;
	return HV_RESUME;
}

static int vmx_exit_triple_fault(struct hv_vcpu *vcpu)
{
	hv_triple_fault(vcpu);
	return HV_RESUME;
}

/* The window was opened for an event that hv_inject_events() will find again. */
static int vmx_exit_intr_window(struct hv_vcpu *vcpu)
{
	vmx_open_window(vcpu, false, false);
	vcpu->stats.irq_window_exits++;
	hv_req_set(vcpu, HV_REQ_EVENT);
	return HV_RESUME;
}

static int vmx_exit_nmi_window(struct hv_vcpu *vcpu)
{
	vmx_open_window(vcpu, true, false);
	vcpu->stats.nmi_window_exits++;
	hv_req_set(vcpu, HV_REQ_EVENT);
	return HV_RESUME;
}

/*
 * An IRET that faulted has already unblocked NMIs (SDM 3C 27.2.3, bit 12): block
 * them again, or a second NMI is delivered in the first one's handler. Not after a #DF,
 * nor when the fault came while delivering an event (the bit is undefined then).
 */
static void vmx_reblock_nmi(struct hv_vcpu *vcpu)
{
	if (vcpu->x86.injected.type == HV_EVENT_NONE)
		vmx_set_blocking(vcpu, vmx_get_blocking(vcpu) | HV_BLOCK_NMI);
}

/*
 * A #DB in the shadow of STI or MOV SS: if the guest single-steps, the entry that
 * delivers it is refused unless BS is pending (SDM 3C 26.3.1.5).
 */
static void vmx_fix_pending_bs(struct hv_vcpu *vcpu)
{
	if ((hv_rflags(vcpu) & X86_EFLAGS_TF) &&
	    (vmx_get_blocking(vcpu) & (HV_BLOCK_STI | HV_BLOCK_MOV_SS)))
		vmcs_writen(VMCS_GUEST_PENDING_DEBUG,
			    vmcs_readn(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static int vmx_exit_exception(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 info = vmx->intr_info;
	u8 vector = info & INTR_VECTOR;

	/* The host's, done before interrupts came on */
	if ((info & INTR_TYPE) == INTR_TYPE_NMI || vector == X86_TRAP_MC)
		return HV_RESUME;

	if ((info & INTR_NMI_UNBLOCKED) && vector != X86_TRAP_DF)
		vmx_reblock_nmi(vcpu);

	switch (vector) {
	case X86_TRAP_DB:
		if ((info & INTR_TYPE) == INTR_TYPE_PRIV_EXC)
			return hv_handle_icebp(vcpu);
		vmx_fix_pending_bs(vcpu);
		return hv_handle_db(vcpu, vmx_qualification(vmx));
	case X86_TRAP_BP:
		return hv_handle_bp(vcpu, vmcs_read32(VMCS_EXIT_INSN_LEN));
	case X86_TRAP_AC:
		return hv_handle_ac(vcpu, vmcs_read32(VMCS_EXIT_INTR_ERROR));
	}
	hv_vm_dead(vcpu->vm, "an exception exited that was not asked for");
	return -EIO;
}

static int vmx_exit_cpuid(struct hv_vcpu *vcpu)
{
	return hv_emulate_cpuid(vcpu);
}

/* RDPMC: no performance counters are offered, so every index is invalid. */
static int vmx_exit_gp(struct hv_vcpu *vcpu)
{
	hv_queue_gp(vcpu);
	return HV_RESUME;
}

static int vmx_exit_hypercall(struct hv_vcpu *vcpu)
{
	return hv_emulate_hypercall(vcpu);
}

static int vmx_exit_task_switch(struct hv_vcpu *vcpu)
{
	/* Hardware task switches belong to operating systems that need more emulation. */
	return hv_emulation_failure(vcpu);
}

/**
 * vmx_delivery_failure() - event delivery stopped at an address without memory
 * @vcpu: loaded vCPU
 * @gpa: the address
 *
 * KVM gives it up with the facts, and so does hv: the IDT, GDT or stack lies in device memory.
 *
 * Return: as handle_exit.
 */
int vmx_delivery_failure(struct hv_vcpu *vcpu, u64 gpa)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	const u64 data[] = {
		vmcs_read32(VMCS_IDT_VECTORING_INFO),
		vmx->exit_reason,
		vmx_qualification(vmx),
		gpa,
	};

	return hv_internal_error(vcpu, HV_INTERNAL_ERROR_DELIVERY_EV, data, ARRAY_SIZE(data));
}

/*
 * An access that gets as far as its own translation (SDM 3C table 27-7, bit 8) has passed the
 * checks of the guest's page tables: they need not be walked again for it.
 */
static int vmx_emulate_mmio(struct hv_vcpu *vcpu, u64 qual, u64 gpa, unsigned int access)
{
	struct hv_mmio_exit exit = { .gpa = gpa };
	int ret;

	if ((qual & EPT_VIOL_GLA_VALID) && (qual & EPT_VIOL_TRANSLATED)) {
		exit.la = vmcs_readn(VMCS_GUEST_LINEAR_ADDRESS);
		exit.access = access;
		if (access == HV_ACC_READ || access == HV_ACC_WRITE)
			exit.own = access;
	}
	ret = hv_emulate_mmio(vcpu, &exit);
	if (!exit.doorbell)
		to_vmx(vcpu)->l1d_touched = true;
	return ret;
}

static int vmx_exit_ept_violation(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 qual = vmx_qualification(vmx);
	u64 gpa = vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS);
	unsigned int access = 0;
	int r;

	if (qual & EPT_VIOL_NMI_UNBLOCKED)
		vmx_reblock_nmi(vcpu);
	if (qual & EPT_VIOL_READ)
		access |= HV_ACC_READ;
	if (qual & EPT_VIOL_WRITE)
		access |= HV_ACC_WRITE;
	if (qual & EPT_VIOL_FETCH)
		access |= HV_ACC_EXEC;

	r = hv_mmu_fault(vcpu, gpa, access);
	if (r < 0)
		return r;
	if (r == HV_FAULT_DONE)
		return HV_RESUME;
	if (!(access & HV_ACC_EXEC) && vmx_map_apic_access(vcpu, gpa))
		return HV_RESUME;
	if (vcpu->x86.injected.type != HV_EVENT_NONE)
		return vmx_delivery_failure(vcpu, gpa);
	return vmx_emulate_mmio(vcpu, qual, gpa, access);
}

/* The log is full; it has been emptied as after every exit. */
static int vmx_exit_pml_full(struct hv_vcpu *vcpu)
{
	if (vmx_qualification(to_vmx(vcpu)) & EPT_VIOL_NMI_UNBLOCKED)
		vmx_reblock_nmi(vcpu);
	return HV_RESUME;
}

/* An entry that hv wrote and the processor does not understand */
static int vmx_exit_ept_misconfig(struct hv_vcpu *vcpu)
{
	hv_vm_dead(vcpu->vm, "EPT misconfiguration");
	return -EIO;
}

/**
 * struct vmx_exit - what becomes of an exit
 * @handler: as handle_exit
 * @name: for statistics and traces
 * @loads: the handler accesses memory for an instruction that it emulates: the L1 data cache is
 *	flushed before the next entry if the part needs it
 */
struct vmx_exit {
	int (*handler)(struct hv_vcpu *vcpu);
	const char *name;
	bool loads;
};

static const struct vmx_exit vmx_exits[VMX_NR_EXITS] = {
	[EXIT_EXCEPTION_NMI]	= { vmx_exit_exception,		"exception_nmi" },
	[EXIT_EXT_INTR]		= { vmx_exit_ext_intr,		"external_interrupt" },
	[EXIT_TRIPLE_FAULT]	= { vmx_exit_triple_fault,	"triple_fault" },
	[EXIT_INTR_WINDOW]	= { vmx_exit_intr_window,	"interrupt_window" },
	[EXIT_NMI_WINDOW]	= { vmx_exit_nmi_window,	"nmi_window" },
	[EXIT_TASK_SWITCH]	= { vmx_exit_task_switch,	"task_switch", true },
	[EXIT_CPUID]		= { vmx_exit_cpuid,		"cpuid" },
	[EXIT_GETSEC]		= { hv_emulate_ud,		"getsec" },
	[EXIT_HLT]		= { hv_emulate_hlt,		"hlt" },
	[EXIT_INVD]		= { hv_emulate_invd,		"invd" },
	[EXIT_RDPMC]		= { vmx_exit_gp,		"rdpmc" },
	[EXIT_VMCALL]		= { vmx_exit_hypercall,		"vmcall" },
	[EXIT_VMCLEAR]		= { hv_emulate_ud,		"vmclear" },
	[EXIT_VMLAUNCH]		= { hv_emulate_ud,		"vmlaunch" },
	[EXIT_VMPTRLD]		= { hv_emulate_ud,		"vmptrld" },
	[EXIT_VMPTRST]		= { hv_emulate_ud,		"vmptrst" },
	[EXIT_VMREAD]		= { hv_emulate_ud,		"vmread" },
	[EXIT_VMRESUME]		= { hv_emulate_ud,		"vmresume" },
	[EXIT_VMWRITE]		= { hv_emulate_ud,		"vmwrite" },
	[EXIT_VMXOFF]		= { hv_emulate_ud,		"vmxoff" },
	[EXIT_VMXON]		= { hv_emulate_ud,		"vmxon" },
	[EXIT_CR_ACCESS]	= { vmx_exit_cr_access,		"cr_access" },
	[EXIT_DR_ACCESS]	= { vmx_exit_dr_access,		"dr_access" },
	[EXIT_IO]		= { vmx_exit_io,		"io" },
	[EXIT_RDMSR]		= { hv_emulate_rdmsr,		"rdmsr" },
	[EXIT_WRMSR]		= { hv_emulate_wrmsr,		"wrmsr" },
	[EXIT_MWAIT]		= { hv_emulate_nop,		"mwait" },
	[EXIT_MONITOR]		= { hv_emulate_nop,		"monitor" },
	[EXIT_PAUSE]		= { hv_emulate_pause,		"pause" },
	[EXIT_TPR_THRESHOLD]	= { vmx_exit_tpr_threshold,	"tpr_threshold" },
	[EXIT_APIC_ACCESS]	= { vmx_exit_apic_access,	"apic_access" },
	[EXIT_VIRTUAL_EOI]	= { vmx_exit_eoi,		"virtual_eoi" },
	[EXIT_EPT_VIOLATION]	= { vmx_exit_ept_violation,	"ept_violation" },
	[EXIT_EPT_MISCONFIG]	= { vmx_exit_ept_misconfig,	"ept_misconfig" },
	[EXIT_INVEPT]		= { hv_emulate_ud,		"invept" },
	[EXIT_INVVPID]		= { hv_emulate_ud,		"invvpid" },
	[EXIT_PREEMPTION_TIMER]	= { vmx_exit_preemption_timer,	"preemption_timer" },
	[EXIT_WBINVD]		= { hv_emulate_nop,		"wbinvd" },
	[EXIT_XSETBV]		= { hv_emulate_xsetbv,		"xsetbv" },
	[EXIT_APIC_WRITE]	= { vmx_exit_apic_write,	"apic_write" },
	[EXIT_PML_FULL]		= { vmx_exit_pml_full,		"pml_full" },
	[EXIT_ENCLS]		= { hv_emulate_ud,		"encls" },
};

/**
 * vmx_exit_name() - name of a basic exit reason
 * @reason: number
 *
 * Return: the name, or NULL if hv knows no such exit.
 */
const char *vmx_exit_name(unsigned int reason)
{
	return reason < VMX_NR_EXITS ? vmx_exits[reason].name : NULL;
}

/* Exits during which the delivery of an event can have been cut short (SDM 3C 27.2.4) */
static bool vmx_exit_during_delivery(u32 reason)
{
	const u64 mask = BIT_ULL(EXIT_EXCEPTION_NMI) | BIT_ULL(EXIT_TASK_SWITCH) |
			 BIT_ULL(EXIT_APIC_ACCESS) | BIT_ULL(EXIT_PML_FULL) |
			 BIT_ULL(EXIT_EPT_VIOLATION) | BIT_ULL(EXIT_EPT_MISCONFIG);

	return reason < 64 && (BIT_ULL(reason) & mask);
}

/**
 * vmx_note_event_delivery() - an event whose delivery this exit interrupted is to be redone
 * @vcpu: loaded vCPU, just exited
 *
 * Context: interrupts off.
 */
void vmx_note_event_delivery(struct hv_vcpu *vcpu)
{
	static const u8 types[] = {
		[INTR_TYPE_EXT >> 8] = HV_EVENT_INTR,
		[INTR_TYPE_NMI >> 8] = HV_EVENT_NMI,
		[INTR_TYPE_HARD_EXC >> 8] = HV_EVENT_EXCEPTION,
		[INTR_TYPE_SOFT_INTR >> 8] = HV_EVENT_SOFT_INTR,
		[INTR_TYPE_PRIV_EXC >> 8] = HV_EVENT_PRIV_EXCEPTION,
		[INTR_TYPE_SOFT_EXC >> 8] = HV_EVENT_SOFT_EXCEPTION,
		[7] = HV_EVENT_NONE,
	};
	struct hv_event *ev = &vcpu->x86.injected;
	u32 info;

	ev->type = HV_EVENT_NONE;
	if (!vmx_exit_during_delivery(to_vmx(vcpu)->exit_reason))
		return;
	info = vmcs_read32(VMCS_IDT_VECTORING_INFO);
	if (!(info & INTR_VALID))
		return;

	*ev = (struct hv_event){
		.type = types[(info & INTR_TYPE) >> 8],
		.vector = info & INTR_VECTOR,
		.has_error = info & INTR_HAS_ERROR,
	};
	if (ev->has_error)
		ev->error = vmcs_read32(VMCS_IDT_VECTORING_ERROR);
	if (ev->type >= HV_EVENT_SOFT_INTR)
		ev->insn_len = vmcs_read32(VMCS_EXIT_INSN_LEN);
	/* The NMI that was being delivered is redone, so it must not be blocked by itself. */
	if (ev->type == HV_EVENT_NMI)
		vmx_set_blocking(vcpu, vmx_get_blocking(vcpu) & ~HV_BLOCK_NMI);
}

/* The processor did not run the guest at all. */
static int vmx_entry_failed(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct hv_run *run = vcpu->run;

	/* VMX was switched off under us: reboot, or an emergency. */
	if (vmx->fail == VMX_FAULTED)
		return -EIO;
	vmx_vmcs_dump(vcpu);
	run->exit_reason = HV_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = vmx->fail ?
		vmcs_read32(VMCS_INSTRUCTION_ERROR) : vmx->exit_reason;
	run->fail_entry.cpu = vcpu->cpu;
	return HV_TO_USER;
}

/**
 * vmx_handle_exit() - backend's handle_exit
 * @vcpu: loaded vCPU
 *
 * Context: interrupts on, may sleep.
 * Return: HV_RESUME, HV_TO_USER or -errno.
 */
int vmx_handle_exit(struct hv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 reason = vmx->exit_reason;
	const struct vmx_exit *exit;
	u64 data[2];

	if (unlikely(vmx->fail || (reason & EXIT_FAILED_ENTRY)))
		return vmx_entry_failed(vcpu);

	if (unlikely(vmx->pml_on))
		vmx_pml_drain(vmx);
	vcpu->stats.exits++;
	if (likely(reason < VMX_NR_EXITS)) {
		reason = array_index_nospec(reason, VMX_NR_EXITS);
		vcpu->stats.exit_reason[reason]++;
		exit = &vmx_exits[reason];
		vmx->l1d_touched |= exit->loads;
		if (likely(exit->handler))
			return exit->handler(vcpu);
	}
	data[0] = vmx->exit_reason;
	data[1] = vcpu->cpu;
	return hv_internal_error(vcpu, HV_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, data, 2);
}
