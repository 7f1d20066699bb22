// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction at RIP, read through the guest's page tables and decoded.
 */
#include <linux/mm.h>
#include <hv/backend.h>
#include <hv/decode.h>
#include "internal.h"

/**
 * struct hv_code - where the instruction is
 * @mode: bits of the code segment: 16, 32 or 64
 * @rip: its linear address
 * @user: it is fetched with CPL 3
 */
struct hv_code {
	unsigned int mode;
	u64 rip;
	bool user;
};

/* As hv_64bit_code() and hv_linear_rip(), with one look at CS */
static struct hv_code hv_code(struct hv_vcpu *vcpu, unsigned int cpl)
{
	struct hv_code code = { 64, hv_rip(vcpu), cpl == 3 };
	u32 access = hv_call(get_access, vcpu, HV_SEG_CS);
	struct hv_segment cs;

	if (hv_long_mode(vcpu) && (access & HV_ACCESS_L))
		return code;
	hv_call(get_segment, vcpu, HV_SEG_CS, &cs);
	code.mode = access & HV_ACCESS_DB ? 32 : 16;
	code.rip = (u32)(cs.base + code.rip);
	return code;
}

/*
 * The bytes at RIP by the way that the last fetch took, decoded unless they are the same
 * again: a driver's accesses come from few places. False if it takes more than that.
 */
static bool hv_fetch_again(struct hv_vcpu *vcpu, struct hv_insn *insn, const struct hv_code *code,
			   enum hv_decode_result *res)
{
	struct hv_code_page *c = vcpu->x86.code_page;
	u64 bytes[2];

	if (offset_in_page(code->rip) > PAGE_SIZE - sizeof(bytes) ||
	    !hv_code_page_read(vcpu, c, code->rip, code->user, bytes))
		return false;
	*res = HV_DECODE_OK;
	if (c->rip == code->rip && c->mode == code->mode && c->bytes[0] == bytes[0] &&
	    c->bytes[1] == bytes[1]) {
		*insn = c->insn;
		return true;
	}
	*res = hv_insn_decode(insn, (u8 *)bytes, HV_INSN_MAX_LEN, code->mode);
	c->rip = ~0ULL;
	if (*res == HV_DECODE_OK) {
		c->rip = code->rip;
		c->mode = code->mode;
		memcpy(c->bytes, bytes, sizeof(bytes));
		c->insn = *insn;
	}
	return true;
}

/*
 * The bytes at RIP, decoded: first those of RIP's page, then those of the next one, which
 * may not be there, if the instruction needs them. 0, or 1 with *ev, or -errno.
 */
static int hv_fetch_bytes(struct hv_vcpu *vcpu, struct hv_insn *insn, const struct hv_code *code,
			  enum hv_decode_result *res, struct hv_event *ev)
{
	u64 rip = code->rip;
	unsigned int n = min_t(unsigned int, HV_INSN_MAX_LEN, PAGE_SIZE - offset_in_page(rip));
	u8 bytes[HV_INSN_MAX_LEN];
	int rc;

	if (hv_fetch_again(vcpu, insn, code, res))
		return 0;
	rc = hv_code_page_find(vcpu, vcpu->x86.code_page, rip, code->user, ev);
	if (rc)
		return rc;
	if (hv_fetch_again(vcpu, insn, code, res))
		return 0;
	rc = hv_read_linear(vcpu, rip, bytes, n, HV_ACC_EXEC, code->user, ev);
	if (rc)
		return rc;
	*res = hv_insn_decode(insn, bytes, n, code->mode);
	if (*res != HV_DECODE_MORE || n == HV_INSN_MAX_LEN)
		return 0;
	rc = hv_read_linear(vcpu, code->mode == 64 ? rip + n : (u32)(rip + n), bytes + n,
			    HV_INSN_MAX_LEN - n, HV_ACC_EXEC, code->user, ev);
	if (rc)
		return rc;
	*res = hv_insn_decode(insn, bytes, HV_INSN_MAX_LEN, code->mode);
	return 0;
}

/**
 * hv_decode_insn() - the instruction at RIP, perhaps from bytes that the processor gave
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @insn: result
 * @bytes: instruction bytes, not looked at if @len is 0
 * @len: their number; if they are not enough memory is read
 * @cpl: current privilege level
 * @r: what handle_exit is to return if there is no result
 *
 * Return: true, or false with *@r: an exception is queued, or the VMM is told.
 */
bool hv_decode_insn(struct hv_vcpu *vcpu, struct hv_insn *insn, const u8 *bytes,
		    unsigned int len, unsigned int cpl, int *r)
{
	enum hv_decode_result res = HV_DECODE_MORE;
	struct hv_code code = hv_code(vcpu, cpl);
	struct hv_event ev;
	int rc = 0;

	if (len)
		res = hv_insn_decode(insn, bytes, len, code.mode);
	if (res == HV_DECODE_MORE)
		rc = hv_fetch_bytes(vcpu, insn, &code, &res, &ev);
	if (!rc && res == HV_DECODE_OK)
		return true;

	*r = HV_RESUME;
	if (rc > 0)
		hv_queue_event(vcpu, &ev);
	else if (!rc && res == HV_DECODE_INVALID)
		hv_queue_ud(vcpu);
	else if (!rc && res == HV_DECODE_TOO_LONG)
		hv_queue_gp(vcpu);
	else
		*r = hv_emulation_failure(vcpu);
	return false;
}

/**
 * hv_fetch_insn() - the instruction at RIP
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @insn: result
 * @r: what handle_exit is to return if there is no result
 *
 * Return: as hv_decode_insn().
 */
bool hv_fetch_insn(struct hv_vcpu *vcpu, struct hv_insn *insn, int *r)
{
	return hv_decode_insn(vcpu, insn, NULL, 0, hv_cpl(vcpu), r);
}
