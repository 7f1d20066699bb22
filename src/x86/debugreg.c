// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers, and debugging of the guest by the VMM.
 *
 * MOV DR exits once; from then on the guest owns the registers until the vCPU is put
 * (x86.debug_regs_live). With HV_GUESTDBG_USE_HW_BP the registers are the VMM's and the
 * guest's are only emulated.
 */
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/host_inline.h>
#include "internal.h"

#define HV_GUESTDBG_KNOWN	(HV_GUESTDBG_ENABLE | HV_GUESTDBG_SINGLESTEP | \
				 HV_GUESTDBG_USE_SW_BP | HV_GUESTDBG_USE_HW_BP | \
				 HV_GUESTDBG_INJECT_DB | HV_GUESTDBG_INJECT_BP | \
				 HV_GUESTDBG_BLOCKIRQ)

/* Bits of DR6 and DR7 that can be written (SDM 3B 18.2.3, 18.2.4) */
#define HV_DR6_WRITABLE		(DR_TRAP_BITS | BIT_ULL(13) | DR_STEP | BIT_ULL(15))
#define HV_DR7_WRITABLE		0xffff2bffULL

/**
 * hv_update_debugregs() - recompute the registers in effect
 * @vcpu: loaded vCPU
 *
 * Sets x86.eff_dr and x86.eff_dr7 from the guest's values or HV_SET_GUEST_DEBUG's and tells
 * the backend, which may read guest memory: the caller holds vm->srcu.
 */
void hv_update_debugregs(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->guest_debug & HV_GUESTDBG_USE_HW_BP) {
		memcpy(x->eff_dr, x->guest_debug_dr, sizeof(x->eff_dr));
		x->eff_dr7 = x->guest_debug_dr7;
	} else {
		memcpy(x->eff_dr, x->dr, sizeof(x->eff_dr));
		x->eff_dr7 = x->dr7;
	}
	hv_call(update, vcpu, HV_UPDATE_INTERCEPTS);
}

/* The registers hold the guest's values, or breakpoints are on: both need them loaded. */
static bool hv_debugregs_needed(const struct hv_vcpu_x86 *x)
{
	return x->debug_regs_live || (x->eff_dr7 & HV_DR7_ENABLES);
}

/**
 * hv_debugregs_enter() - load DR0..3 and DR6 for the guest
 * @vcpu: loaded vCPU
 *
 * Context: interrupts off, before the entry.
 */
void hv_debugregs_enter(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (likely(!hv_debugregs_needed(x)))
		return;
	/* The host's breakpoints must not trigger on the guest's addresses. */
	set_debugreg(0UL, 7);
	set_debugreg(x->eff_dr[0], 0);
	set_debugreg(x->eff_dr[1], 1);
	set_debugreg(x->eff_dr[2], 2);
	set_debugreg(x->eff_dr[3], 3);
	if (x->debug_regs_live)
		set_debugreg(x->dr6, 6);
}

/**
 * hv_debugregs_exit() - take what the guest has written, give the host its breakpoints
 * @vcpu: loaded vCPU
 *
 * Context: interrupts off, after the exit (which has cleared DR7, SDM 3C 28.5.1).
 */
void hv_debugregs_exit(struct hv_vcpu *vcpu)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (unlikely(x->debug_regs_live && !(x->guest_debug & HV_GUESTDBG_USE_HW_BP))) {
		get_debugreg(x->dr[0], 0);
		get_debugreg(x->dr[1], 1);
		get_debugreg(x->dr[2], 2);
		get_debugreg(x->dr[3], 3);
		hv_call(cache_regs, vcpu, BIT(HV_REG_DR7));
		x->eff_dr7 = x->dr7;
		memcpy(x->eff_dr, x->dr, sizeof(x->eff_dr));
		set_debugreg((unsigned long)DR6_RESERVED, 6);
	}
	if (host_hw_breakpoint_active())
		host_restore_debugregs();
}

/* Bits that happened, as DR6 shows them: BLD and RTM are 0 then (SDM 3B 18.2.3). */
static u64 hv_dr6_format(u64 bits)
{
	return (bits | DR6_RESERVED) ^ (bits & DR6_RESERVED);
}

static int hv_read_dr(struct hv_vcpu *vcpu, int dr, u64 *val)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (dr < 4)
		*val = x->dr[dr];
	else if (dr == 4 || dr == 6)
		*val = x->dr6;
	else
		*val = x->dr7;
	return 0;
}

static int hv_write_dr(struct hv_vcpu *vcpu, int dr, u64 val)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (dr < 4) {
		x->dr[dr] = val;
	} else {
		if (val >> 32)
			return 1;
		if (dr == 4 || dr == 6)
			x->dr6 = (val & HV_DR6_WRITABLE) | DR6_RESERVED;
		else
			x->dr7 = (val & HV_DR7_WRITABLE) | HV_DR7_FIXED;
	}
	hv_update_debugregs(vcpu);
	return 0;
}

static int hv_debug_exit(struct hv_vcpu *vcpu, u32 exception, u64 dr6, u64 dr7)
{
	struct hv_run *run = vcpu->run;

	run->exit_reason = HV_EXIT_DEBUG;
	run->debug.arch = (struct hv_debug_exit_arch) {
		.exception = exception,
		.pc = hv_linear_rip(vcpu),
		.dr6 = dr6,
		.dr7 = dr7,
	};
	return HV_TO_USER;
}

/**
 * hv_emulate_mov_dr() - MOV to or from a debug register has exited
 * @vcpu: loaded vCPU
 * @dr: 0 to 7
 * @gpr: the other register
 * @to_dr: direction
 *
 * Return: as handle_exit.
 */
int hv_emulate_mov_dr(struct hv_vcpu *vcpu, int dr, enum hv_reg gpr, bool to_dr)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u64 val;

	if ((dr == 4 || dr == 5) && (hv_cr4(vcpu) & X86_CR4_DE))
		return hv_emulate_ud(vcpu);
	if (hv_cpl(vcpu)) {
		hv_queue_gp(vcpu);
		return HV_RESUME;
	}
	/* General detect: #DB before the instruction, DR6.BD (SDM 3B 18.2.4) */
	if (x->dr7 & HV_DR7_GD) {
		if (x->guest_debug & HV_GUESTDBG_USE_HW_BP)
			return hv_debug_exit(vcpu, HV_VEC_DB,
					     hv_dr6_format(BIT_ULL(13)), x->dr7);
		hv_queue_exception_p(vcpu, HV_VEC_DB, BIT_ULL(13));
		return HV_RESUME;
	}
	if (!(x->guest_debug & HV_GUESTDBG_USE_HW_BP) && !x->debug_regs_live) {
		/* Give the registers to the guest and let it execute this again. */
		x->debug_regs_live = true;
		hv_update_debugregs(vcpu);
		return HV_RESUME;
	}

	if (!to_dr) {
		hv_read_dr(vcpu, dr, &val);
		hv_reg_write(vcpu, gpr, val);
		return hv_skip(vcpu);
	}
	val = hv_reg_read(vcpu, gpr);
	if (!hv_64bit_code(vcpu))
		val = (u32)val;
	if (hv_write_dr(vcpu, dr, val)) {
		hv_queue_gp(vcpu);
		return HV_RESUME;
	}
	return hv_skip(vcpu);
}

/**
 * hv_handle_db() - a debug exception has exited, or single-stepping an emulated instruction
 * @vcpu: loaded vCPU
 * @dr6_bits: what happened, as in the exit qualification (SDM 3C 28.2.1): 1 = happened
 *
 * Return: as handle_exit.
 */
int hv_handle_db(struct hv_vcpu *vcpu, u64 dr6_bits)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->guest_debug & (HV_GUESTDBG_SINGLESTEP | HV_GUESTDBG_USE_HW_BP))
		return hv_debug_exit(vcpu, HV_VEC_DB, hv_dr6_format(dr6_bits), x->eff_dr7);
	hv_queue_exception_p(vcpu, HV_VEC_DB, dr6_bits);
	return HV_RESUME;
}

/**
 * hv_handle_icebp() - the debug exception of INT1 has exited
 * @vcpu: loaded vCPU; RIP still at the instruction
 *
 * It is a trap: RIP is past the instruction when it is delivered, and no bit of DR6 tells
 * of it (SDM 3A 6.15).
 *
 * Return: as handle_exit.
 */
int hv_handle_icebp(struct hv_vcpu *vcpu)
{
	if (hv_call(skip_insn, vcpu))
		return -EIO;
	return hv_handle_db(vcpu, 0);
}

/**
 * hv_handle_bp() - INT3 has exited
 * @vcpu: loaded vCPU; RIP still at the instruction
 * @insn_len: its length
 *
 * Return: as handle_exit.
 */
int hv_handle_bp(struct hv_vcpu *vcpu, u32 insn_len)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	if (x->guest_debug & HV_GUESTDBG_USE_SW_BP) {
		/* In case that it is the guest's own and the VMM gives it back */
		x->bp_len = insn_len;
		return hv_debug_exit(vcpu, HV_VEC_BP, 0, x->eff_dr7);
	}
	hv_queue_event(vcpu, &(struct hv_event) {
		.type = HV_EVENT_SOFT_EXCEPTION,
		.vector = HV_VEC_BP,
		.insn_len = insn_len,
	});
	return HV_RESUME;
}

/*
 * HV_SET_GUEST_DEBUG. Control bits without HV_GUESTDBG_ENABLE switch everything off.
 */
long hv_set_guest_debug(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	const struct hv_guest_debug *dbg = data;
	struct hv_vcpu_x86 *x = &vcpu->x86;
	u32 inject = dbg->control & (HV_GUESTDBG_INJECT_DB | HV_GUESTDBG_INJECT_BP);
	struct hv_event ev;
	u64 rflags;
	int idx;

	if (dbg->control & ~HV_GUESTDBG_KNOWN)
		return -EINVAL;
	if (inject && x->exception.type != HV_EVENT_NONE)
		return -EBUSY;
	if (inject) {
		ev = hv_vmm_exception(vcpu, inject & HV_GUESTDBG_INJECT_DB ? HV_VEC_DB : HV_VEC_BP);
		hv_queue_event(vcpu, &ev);
	}

	/* With the old setting still in force, so that its TF is not taken for the guest's */
	rflags = hv_rflags(vcpu);
	x->guest_debug = dbg->control & HV_GUESTDBG_ENABLE ? dbg->control : 0;
	memcpy(x->guest_debug_dr, dbg->arch.debugreg, sizeof(x->guest_debug_dr));
	x->guest_debug_dr7 = (dbg->arch.debugreg[7] & HV_DR7_WRITABLE) | HV_DR7_FIXED;
	if (x->guest_debug & HV_GUESTDBG_USE_HW_BP)
		x->debug_regs_live = false;
	hv_set_rflags(vcpu, rflags);
	idx = srcu_read_lock(&vcpu->vm->srcu);
	hv_update_debugregs(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return 0;
}

long hv_get_debugregs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_debugregs *dr = data;

	memset(dr, 0, sizeof(*dr));
	memcpy(dr->db, x->dr, sizeof(dr->db));
	dr->dr6 = x->dr6;
	dr->dr7 = x->dr7;
	return 0;
}

long hv_set_debugregs(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	const struct hv_debugregs *dr = data;
	int idx;

	if (dr->flags || dr->dr6 >> 32 || dr->dr7 >> 32)
		return -EINVAL;
	memcpy(x->dr, dr->db, sizeof(x->dr));
	x->dr6 = (dr->dr6 & HV_DR6_WRITABLE) | DR6_RESERVED;
	x->dr7 = (dr->dr7 & HV_DR7_WRITABLE) | HV_DR7_FIXED;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	hv_update_debugregs(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return 0;
}
