// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that exit and need little: cache control, hints; and the
 * exits to userspace for what hv can't do.
 */
#include <linux/mm.h>
#include <hv/backend.h>
#include <hv/decode.h>
#include "internal.h"

/**
 * hv_emulate_invd() - INVD has exited
 * @vcpu: loaded vCPU
 *
 * Caches are coherent for the guest: there is nothing to do. Dropping dirty lines, which
 * the instruction may do, would hit the host's data.
 *
 * Return: as handle_exit.
 */
int hv_emulate_invd(struct hv_vcpu *vcpu)
{
	return hv_skip(vcpu);
}

/**
 * hv_emulate_nop() - an instruction without a visible effect has exited
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_nop(struct hv_vcpu *vcpu)
{
	return hv_skip(vcpu);
}

/**
 * hv_emulate_ud() - an instruction that this guest's processor does not have
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_ud(struct hv_vcpu *vcpu)
{
	hv_queue_ud(vcpu);
	return HV_RESUME;
}

/**
 * hv_internal_error() - leave HV_RUN: hv can't go on with this guest
 * @vcpu: vCPU
 * @suberror: HV_INTERNAL_ERROR_*
 * @data: more, see there
 * @ndata: number of elements, at most 16
 *
 * Return: HV_TO_USER.
 */
int hv_internal_error(struct hv_vcpu *vcpu, u32 suberror, const u64 *data, unsigned int ndata)
{
	struct hv_run *run = vcpu->run;

	ndata = min_t(unsigned int, ndata, ARRAY_SIZE(run->internal.data));
	run->exit_reason = HV_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = ndata;
	if (ndata)
		memcpy(run->internal.data, data, ndata * sizeof(*data));
	return HV_TO_USER;
}

/* As many instruction bytes as can be read at RIP, 0 to 15 */
static unsigned int hv_fetch_some(struct hv_vcpu *vcpu, u8 *insn)
{
	u64 rip = hv_linear_rip(vcpu);
	bool user = hv_cpl(vcpu) == 3;
	unsigned int first = min_t(unsigned int, HV_INSN_MAX_LEN,
				   PAGE_SIZE - offset_in_page(rip));
	struct hv_event ev;

	if (hv_read_linear(vcpu, rip, insn, first, HV_ACC_EXEC, user, &ev))
		return 0;
	if (first < HV_INSN_MAX_LEN &&
	    hv_read_linear(vcpu, rip + first, insn + first, HV_INSN_MAX_LEN - first,
			   HV_ACC_EXEC, user, &ev))
		return first;
	return HV_INSN_MAX_LEN;
}

/**
 * hv_emulation_failure() - leave HV_RUN: an instruction that hv can't emulate
 * @vcpu: loaded vCPU, RIP at the instruction; caller holds vm->srcu
 *
 * The exit carries the instruction's bytes, if they can be read.
 *
 * Return: HV_TO_USER.
 */
int hv_emulation_failure(struct hv_vcpu *vcpu)
{
	struct hv_run *run = vcpu->run;
	u8 insn[HV_INSN_MAX_LEN] = {};
	unsigned int len = hv_fetch_some(vcpu, insn);

	run->exit_reason = HV_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = HV_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 0;
	if (!len)
		return HV_TO_USER;
	/* flags, and two words of size and bytes */
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags = HV_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = len;
	memcpy(run->emulation_failure.insn_bytes, insn, sizeof(insn));
	return HV_TO_USER;
}
