// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits: one table names them all (APM 2 appendix C). Those by instructions with operands
 * are decoded in exit_insn.c.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <asm/debugreg.h>
#include "exit.h"
#include "svm.h"

/* In statistics nested page faults follow the last of the other codes. */
#define SVM_NR_CODES	(SVM_EXIT_TLBSYNC + 1)
#define SVM_NPF_INDEX	SVM_NR_CODES
#define SVM_NR_EXITS	(SVM_NPF_INDEX + 1)

static_assert(SVM_NR_EXITS <= HV_STATS_EXIT_REASONS);

static int svm_exit_intr(struct hv_vcpu *vcpu)
{
	/* Its handler ran as soon as interrupts were on again. */
	vcpu->stats.irq_exits++;
	return HV_RESUME;
}

/* NMI, SMI, INIT, #MC: the host's, done before interrupts came on */
static int svm_exit_host(struct hv_vcpu *vcpu)
{
	return HV_RESUME;
}

/* The window was opened for an event that hv_inject_events() will find again. */
static int svm_exit_vintr(struct hv_vcpu *vcpu)
{
	svm_open_window(vcpu, false, false);
	vcpu->stats.irq_window_exits++;
	hv_req_set(vcpu, HV_REQ_EVENT);
	return HV_RESUME;
}

/*
 * DR6 has its new value already, and DR7.GD is clear (APM 2 15.12.2). A step that hv made
 * to deliver an NMI is not the guest's.
 */
static int svm_exit_db(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 bits = svm->vmcb->save.dr6 ^ DR6_RESERVED;

	if (svm->stepped) {
		if (!(svm->step_rflags & X86_EFLAGS_TF))
			bits &= ~(u64)DR_STEP;
		if (!bits)
			return HV_RESUME;
	}
	return hv_handle_db(vcpu, bits);
}

static int svm_exit_bp(struct hv_vcpu *vcpu)
{
	const struct vmcb_control *ctl = &to_svm(vcpu)->vmcb->control;

	/* RIP is at the instruction. The next RIP is that of INT3, too (APM 2 15.7.1). */
	return hv_handle_bp(vcpu, svm_caps.nrips && ctl->next_rip ?
				  ctl->next_rip - hv_rip(vcpu) : 1);
}

static int svm_exit_ac(struct hv_vcpu *vcpu)
{
	return hv_handle_ac(vcpu, to_svm(vcpu)->vmcb->control.exit_info1);
}

/* RDPMC: no performance counters are offered, so every index is invalid. */
static int svm_exit_gp(struct hv_vcpu *vcpu)
{
	hv_queue_gp(vcpu);
	return HV_RESUME;
}

static int svm_exit_task_switch(struct hv_vcpu *vcpu)
{
	/* Hardware task switches belong to operating systems that need more emulation. */
	return hv_emulation_failure(vcpu);
}

/*
 * The guest's state in the VMCB is undefined now (APM 2 15.14.3): the vCPU gets that of
 * INIT, as on KVM, so that whatever the VMM does next finds a valid one.
 */
static int svm_exit_shutdown(struct hv_vcpu *vcpu)
{
	hv_x86_vcpu_reset(vcpu, true);
	hv_triple_fault(vcpu);
	return HV_RESUME;
}

/* EXITINFO1 of a nested page fault (APM 2 15.25.6) */
#define NPF_WRITE	BIT_ULL(1)
#define NPF_RESERVED	BIT_ULL(3)
#define NPF_FETCH	BIT_ULL(4)
#define NPF_FINAL	BIT_ULL(32)	/* not of a page walk */

/*
 * Event delivery that stopped at an address without memory: KVM gives it up with
 * the facts, and so does hv: the IDT, GDT or stack lies in device memory.
 */
static int svm_delivery_failure(struct hv_vcpu *vcpu)
{
	const struct vmcb_control *ctl = &to_svm(vcpu)->vmcb->control;
	const u64 data[] = {
		ctl->exit_int_info, ctl->exit_code, ctl->exit_info1, ctl->exit_info2,
	};

	return hv_internal_error(vcpu, HV_INTERNAL_ERROR_DELIVERY_EV, data, ARRAY_SIZE(data));
}

static int svm_exit_npf(struct hv_vcpu *vcpu)
{
	const struct vmcb_control *ctl = &to_svm(vcpu)->vmcb->control;
	struct hv_mmio_exit mmio = { .gpa = ctl->exit_info2, .insn = ctl->insn };
	unsigned int access = HV_ACC_READ;
	u64 error = ctl->exit_info1;
	int r;

	/* An entry that hv wrote and the processor does not understand */
	if (error & NPF_RESERVED) {
		hv_vm_dead(vcpu->vm, "reserved bits in nested page tables");
		return -EIO;
	}
	if (error & NPF_WRITE)
		access = HV_ACC_WRITE;
	else if (error & NPF_FETCH)
		access = HV_ACC_EXEC;

	if ((error & NPF_FINAL) && access != HV_ACC_EXEC)
		mmio.own = access;

	r = hv_mmu_fault(vcpu, mmio.gpa, access);
	if (r < 0)
		return r;
	if (r == HV_FAULT_DONE)
		return HV_RESUME;
	if (ctl->exit_int_info & SVM_EVENT_VALID)
		return svm_delivery_failure(vcpu);
	/* Zero for a fetch, and where the processor could not read them */
	if (svm_caps.decode_assists)
		mmio.insn_len = min_t(u8, ctl->insn_len, sizeof(ctl->insn));
	return hv_emulate_mmio(vcpu, &mmio);
}

struct svm_exit {
	int (*handler)(struct hv_vcpu *vcpu);
	const char *name;
};

static const struct svm_exit svm_exits[SVM_NR_EXITS] = {
	[SVM_EXIT_CR_READ + 0]		= { svm_exit_cr,		"cr0_read" },
	[SVM_EXIT_CR_READ + 4]		= { svm_exit_cr,		"cr4_read" },
	[SVM_EXIT_CR_READ + 8]		= { svm_exit_cr,		"cr8_read" },
	[SVM_EXIT_CR_WRITE + 0]		= { svm_exit_cr,		"cr0_write" },
	[SVM_EXIT_CR_WRITE + 4]		= { svm_exit_cr,		"cr4_write" },
	[SVM_EXIT_CR_WRITE + 8]		= { svm_exit_cr,		"cr8_write" },
	[SVM_EXIT_DR_READ + 0]		= { svm_exit_dr,		"dr0_read" },
	[SVM_EXIT_DR_READ + 1]		= { svm_exit_dr,		"dr1_read" },
	[SVM_EXIT_DR_READ + 2]		= { svm_exit_dr,		"dr2_read" },
	[SVM_EXIT_DR_READ + 3]		= { svm_exit_dr,		"dr3_read" },
	[SVM_EXIT_DR_READ + 4]		= { svm_exit_dr,		"dr4_read" },
	[SVM_EXIT_DR_READ + 5]		= { svm_exit_dr,		"dr5_read" },
	[SVM_EXIT_DR_READ + 6]		= { svm_exit_dr,		"dr6_read" },
	[SVM_EXIT_DR_READ + 7]		= { svm_exit_dr,		"dr7_read" },
	[SVM_EXIT_DR_WRITE + 0]		= { svm_exit_dr,		"dr0_write" },
	[SVM_EXIT_DR_WRITE + 1]		= { svm_exit_dr,		"dr1_write" },
	[SVM_EXIT_DR_WRITE + 2]		= { svm_exit_dr,		"dr2_write" },
	[SVM_EXIT_DR_WRITE + 3]		= { svm_exit_dr,		"dr3_write" },
	[SVM_EXIT_DR_WRITE + 4]		= { svm_exit_dr,		"dr4_write" },
	[SVM_EXIT_DR_WRITE + 5]		= { svm_exit_dr,		"dr5_write" },
	[SVM_EXIT_DR_WRITE + 6]		= { svm_exit_dr,		"dr6_write" },
	[SVM_EXIT_DR_WRITE + 7]		= { svm_exit_dr,		"dr7_write" },
	[SVM_EXIT_EXCEPTION + X86_TRAP_DB] = { svm_exit_db,		"db" },
	[SVM_EXIT_EXCEPTION + X86_TRAP_BP] = { svm_exit_bp,		"bp" },
	[SVM_EXIT_EXCEPTION + X86_TRAP_AC] = { svm_exit_ac,		"ac" },
	[SVM_EXIT_EXCEPTION + X86_TRAP_MC] = { svm_exit_host,		"mc" },
	[SVM_EXIT_INTR]			= { svm_exit_intr,		"intr" },
	[SVM_EXIT_NMI]			= { svm_exit_host,		"nmi" },
	[SVM_EXIT_SMI]			= { svm_exit_host,		"smi" },
	[SVM_EXIT_INIT]			= { svm_exit_host,		"init" },
	[SVM_EXIT_VINTR]		= { svm_exit_vintr,		"vintr" },
	[SVM_EXIT_CR0_SEL_WRITE]	= { svm_exit_cr,		"cr0_sel_write" },
	[SVM_EXIT_RDPMC]		= { svm_exit_gp,		"rdpmc" },
	[SVM_EXIT_CPUID]		= { hv_emulate_cpuid,		"cpuid" },
	[SVM_EXIT_RSM]			= { hv_emulate_ud,		"rsm" },
	[SVM_EXIT_IRET]			= { svm_exit_iret,		"iret" },
	[SVM_EXIT_INVD]			= { hv_emulate_invd,		"invd" },
	[SVM_EXIT_PAUSE]		= { hv_emulate_pause,		"pause" },
	[SVM_EXIT_HLT]			= { hv_emulate_hlt,		"hlt" },
	[SVM_EXIT_INVLPGA]		= { hv_emulate_ud,		"invlpga" },
	[SVM_EXIT_IOIO]			= { svm_exit_io,		"io" },
	[SVM_EXIT_MSR]			= { svm_exit_msr,		"msr" },
	[SVM_EXIT_TASK_SWITCH]		= { svm_exit_task_switch,	"task_switch" },
	[SVM_EXIT_SHUTDOWN]		= { svm_exit_shutdown,		"shutdown" },
	[SVM_EXIT_VMRUN]		= { hv_emulate_ud,		"vmrun" },
	[SVM_EXIT_VMMCALL]		= { hv_emulate_hypercall,	"vmmcall" },
	[SVM_EXIT_VMLOAD]		= { hv_emulate_ud,		"vmload" },
	[SVM_EXIT_VMSAVE]		= { hv_emulate_ud,		"vmsave" },
	[SVM_EXIT_STGI]			= { hv_emulate_ud,		"stgi" },
	[SVM_EXIT_CLGI]			= { hv_emulate_ud,		"clgi" },
	[SVM_EXIT_SKINIT]		= { hv_emulate_ud,		"skinit" },
	[SVM_EXIT_RDTSCP]		= { hv_emulate_ud,		"rdtscp" },
	[SVM_EXIT_ICEBP]		= { hv_handle_icebp,		"icebp" },
	[SVM_EXIT_WBINVD]		= { hv_emulate_nop,		"wbinvd" },
	[SVM_EXIT_MONITOR]		= { hv_emulate_nop,		"monitor" },
	[SVM_EXIT_MWAIT]		= { hv_emulate_nop,		"mwait" },
	[SVM_EXIT_XSETBV]		= { hv_emulate_xsetbv,		"xsetbv" },
	[SVM_EXIT_RDPRU]		= { hv_emulate_ud,		"rdpru" },
	[SVM_EXIT_INVLPGB]		= { hv_emulate_ud,		"invlpgb" },
	[SVM_EXIT_INVPCID]		= { hv_emulate_ud,		"invpcid" },
	[SVM_EXIT_MCOMMIT]		= { hv_emulate_ud,		"mcommit" },
	[SVM_EXIT_TLBSYNC]		= { hv_emulate_ud,		"tlbsync" },
	[SVM_NPF_INDEX]			= { svm_exit_npf,		"npf" },
};

/**
 * svm_exit_name() - name of an exit reason
 * @reason: index in the table
 *
 * Return: the name, or NULL if hv knows no such exit.
 */
const char *svm_exit_name(unsigned int reason)
{
	return reason < SVM_NR_EXITS ? svm_exits[reason].name : NULL;
}

/* The processor did not run the guest at all. */
static int svm_entry_failed(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct hv_run *run = vcpu->run;

	/* SVM was switched off under us: reboot, or an emergency. */
	if (svm->fail)
		return -EIO;
	svm_vmcb_dump(vcpu);
	run->exit_reason = HV_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = svm->exit_code;
	run->fail_entry.cpu = vcpu->cpu;
	return HV_TO_USER;
}

/**
 * svm_handle_exit() - backend's handle_exit
 * @vcpu: loaded vCPU
 *
 * Context: interrupts on, may sleep.
 * Return: HV_RESUME, HV_TO_USER or -errno.
 */
int svm_handle_exit(struct hv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 code = svm->exit_code;
	const struct svm_exit *exit;
	u64 data[2];

	if (unlikely(svm->fail || code == SVM_EXIT_INVALID))
		return svm_entry_failed(vcpu);

	vcpu->stats.exits++;
	if (code < SVM_NR_CODES || code == SVM_EXIT_NPF) {
		unsigned int i = code == SVM_EXIT_NPF ? SVM_NPF_INDEX : code;

		i = array_index_nospec(i, SVM_NR_EXITS);
		vcpu->stats.exit_reason[i]++;
		exit = &svm_exits[i];
		if (likely(exit->handler))
			return exit->handler(vcpu);
	}
	data[0] = code;
	data[1] = vcpu->cpu;
	return hv_internal_error(vcpu, HV_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, data, 2);
}
