// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O: IN, OUT, INS and OUTS go to userspace, but for the ports of interrupt controllers
 * in the kernel. The instruction is finished by the next HV_RUN: with the data, for the input
 * forms, and only if userspace has not moved RIP meanwhile.
 */
#include <linux/mm.h>
#include <hv/backend.h>
#include <hv/irq.h>
#include "internal.h"

/* RIP is past this OUT at the exit: VMMs patch the caller there (HV_X86_QUIRK_OUT_7E_INC_RIP) */
#define HV_PORT_7E	0x7e

static u64 hv_size_mask(unsigned int bytes)
{
	return bytes == 8 ? ~0ULL : BIT_ULL(bytes * 8) - 1;
}

static int hv_pio_exit(struct hv_vcpu *vcpu, int (*complete)(struct hv_vcpu *vcpu))
{
	const struct hv_pio *pio = &vcpu->x86.pio;
	struct hv_run *run = vcpu->run;

	run->exit_reason = HV_EXIT_IO;
	run->io.direction = pio->in ? HV_EXIT_IO_IN : HV_EXIT_IO_OUT;
	run->io.size = pio->size;
	run->io.port = pio->port;
	run->io.count = pio->count;
	run->io.data_offset = HV_PIO_PAGE_OFFSET * PAGE_SIZE;
	vcpu->x86.complete = complete;
	vcpu->stats.io_exits++;
	return HV_TO_USER;
}

static bool hv_pio_rip_moved(struct hv_vcpu *vcpu)
{
	return hv_linear_rip(vcpu) != vcpu->x86.pio.linear_rip;
}

static int hv_complete_out(struct hv_vcpu *vcpu)
{
	return hv_pio_rip_moved(vcpu) ? HV_RESUME : hv_skip(vcpu);
}

/* IN has read @data. */
static int hv_finish_in(struct hv_vcpu *vcpu, u64 data)
{
	const struct hv_pio *pio = &vcpu->x86.pio;
	u64 mask = hv_size_mask(pio->size);
	u64 rax = hv_reg_read(vcpu, HV_REG_RAX);

	/* A 32-bit result clears the upper half in 64-bit mode (SDM 1 3.4.1.1). */
	hv_reg_write(vcpu, HV_REG_RAX, pio->size == 4 ? data : (rax & ~mask) | data);
	return hv_skip(vcpu);
}

static int hv_complete_in(struct hv_vcpu *vcpu)
{
	u64 data = 0;

	if (hv_pio_rip_moved(vcpu))
		return HV_RESUME;
	memcpy(&data, vcpu->pio_data, vcpu->x86.pio.size);
	return hv_finish_in(vcpu, data);
}

static bool hv_out_in_kernel(struct hv_vm *vm, u16 port, unsigned int size, void *data)
{
	return hv_ioeventfd_signal(vm, HV_IO_PORTS, port, size, data) ||
	       hv_irq_pio(vm, port, size, data, true) ||
	       hv_coalesced_write(vm, HV_IO_PORTS, port, size, data);
}

/**
 * hv_emulate_pio() - IN or OUT has exited
 * @vcpu: loaded vCPU
 * @port: port
 * @size: 1, 2 or 4
 * @in: direction
 *
 * Return: as handle_exit.
 */
int hv_emulate_pio(struct hv_vcpu *vcpu, u16 port, unsigned int size, bool in)
{
	struct hv_pio *pio = &vcpu->x86.pio;
	u64 rax, data = 0;
	int rc;

	*pio = (struct hv_pio) {
		.count = 1, .port = port, .size = size, .in = in,
		.linear_rip = hv_linear_rip(vcpu),
	};
	if (in) {
		if (hv_irq_pio(vcpu->vm, port, size, &data, false))
			return hv_finish_in(vcpu, data);
		return hv_pio_exit(vcpu, hv_complete_in);
	}

	rax = hv_reg_read(vcpu, HV_REG_RAX);
	if (hv_out_in_kernel(vcpu->vm, port, size, &rax))
		return hv_skip(vcpu);
	memcpy(vcpu->pio_data, &rax, size);
	if (port != HV_PORT_7E)
		return hv_pio_exit(vcpu, hv_complete_out);
	rc = hv_skip(vcpu);
	return rc == HV_RESUME ? hv_pio_exit(vcpu, NULL) : rc;
}

/* ---- INS and OUTS ---- */

static void hv_raise_segment(struct hv_vcpu *vcpu, enum hv_seg seg)
{
	hv_queue_exception_e(vcpu, seg == HV_SEG_SS ? HV_VEC_SS : HV_VEC_GP, 0);
}

/* Offset range is inside the segment, and the segment allows the access (SDM 3A 5.3, 5.5) */
static bool hv_segment_allows(struct hv_vcpu *vcpu, const struct hv_segment *s, u64 offset,
			      unsigned int len, bool write)
{
	u64 last = offset + len - 1;
	u64 top = s->db ? U32_MAX : U16_MAX;

	if (s->unusable)
		return false;
	if ((hv_cr0(vcpu) & X86_CR0_PE) && !(hv_raw_rflags(vcpu) & X86_EFLAGS_VM)) {
		bool code = s->type & 8;

		if (write ? code || !(s->type & 2) : code && !(s->type & 2))
			return false;
		/* Expand-down: valid above the limit */
		if (!code && (s->type & 4))
			return offset > s->limit && last <= top;
	}
	return last <= s->limit;
}

/* Linear address of a string operand; false: an exception is queued. */
static bool hv_string_address(struct hv_vcpu *vcpu, enum hv_seg seg, u64 offset,
			      unsigned int len, bool write, u64 *la)
{
	struct hv_segment s;
	bool ok;

	hv_call(get_segment, vcpu, seg, &s);
	if (hv_64bit_code(vcpu)) {
		*la = offset + (seg == HV_SEG_FS || seg == HV_SEG_GS ? s.base : 0);
		ok = hv_canonical(vcpu, *la) && hv_canonical(vcpu, *la + len - 1);
	} else {
		*la = (u32)(s.base + offset);
		ok = hv_segment_allows(vcpu, &s, offset, len, write);
	}
	if (!ok)
		hv_raise_segment(vcpu, seg);
	return ok;
}

/* The index register after @count elements, with the upper part as addressing leaves it */
static void hv_advance(struct hv_vcpu *vcpu, enum hv_reg reg, s64 delta, unsigned int addr_size)
{
	u64 mask = hv_size_mask(addr_size);
	u64 old = hv_reg_read(vcpu, reg);
	u64 new = (old + delta) & mask;

	/* 32-bit results are zero-extended, 16-bit ones merged. */
	hv_reg_write(vcpu, reg, addr_size == 2 ? (old & ~mask) | new : new);
}

static bool hv_backwards(struct hv_vcpu *vcpu)
{
	return hv_rflags(vcpu) & X86_EFLAGS_DF;
}

static enum hv_reg hv_pio_index(const struct hv_pio *pio)
{
	return pio->in ? HV_REG_RDI : HV_REG_RSI;
}

/* @count elements are done: registers, and RIP after the last one. */
static int hv_string_done(struct hv_vcpu *vcpu)
{
	const struct hv_pio *pio = &vcpu->x86.pio;
	s64 delta = (s64)pio->count * pio->size;

	hv_advance(vcpu, hv_pio_index(pio), hv_backwards(vcpu) ? -delta : delta,
		   pio->addr_size);
	if (!pio->rep)
		return hv_skip(vcpu);
	hv_advance(vcpu, HV_REG_RCX, -(s64)pio->count, pio->addr_size);
	if (!(hv_reg_read(vcpu, HV_REG_RCX) & hv_size_mask(pio->addr_size)))
		return hv_skip(vcpu);
	/* More to do: the instruction runs again, interrupts may come in between. */
	return HV_RESUME;
}

static int hv_complete_outs(struct hv_vcpu *vcpu)
{
	return hv_pio_rip_moved(vcpu) ? HV_RESUME : hv_string_done(vcpu);
}

/* A memory access of the instruction failed; 1: as an exception, else not emulable */
static int hv_string_failed(struct hv_vcpu *vcpu, int rc, const struct hv_event *ev)
{
	if (rc < 0)
		return hv_emulation_failure(vcpu);
	hv_queue_event(vcpu, ev);
	return HV_RESUME;
}

static int hv_complete_ins(struct hv_vcpu *vcpu)
{
	const struct hv_pio *pio = &vcpu->x86.pio;
	u64 offset = hv_reg_read(vcpu, HV_REG_RDI) & hv_size_mask(pio->addr_size);
	unsigned int len = pio->count * pio->size;
	struct hv_event ev;
	u64 la;
	int rc;

	if (hv_pio_rip_moved(vcpu))
		return HV_RESUME;
	if (!hv_string_address(vcpu, pio->seg, offset, len, true, &la))
		return HV_RESUME;
	rc = hv_write_linear(vcpu, la, vcpu->pio_data, len, hv_cpl(vcpu) == 3, &ev);
	if (rc)
		return hv_string_failed(vcpu, rc, &ev);
	return hv_string_done(vcpu);
}

/* The elements of INS, if the port is in the kernel; false: it isn't */
static bool hv_ins_in_kernel(struct hv_vcpu *vcpu)
{
	const struct hv_pio *pio = &vcpu->x86.pio;
	void *data = vcpu->pio_data;
	unsigned int i;

	for (i = 0; i < pio->count; i++, data += pio->size)
		if (!hv_irq_pio(vcpu->vm, pio->port, pio->size, data, false))
			return false;
	return true;
}

/*
 * Do the first elements of OUTS that need no exit; if others follow the instruction runs
 * again for them. False: the first one needs one, the VMM gets it.
 */
static bool hv_outs_in_kernel(struct hv_vcpu *vcpu)
{
	struct hv_pio *pio = &vcpu->x86.pio;
	void *data = vcpu->pio_data;
	unsigned int n;

	for (n = 0; n < pio->count; n++, data += pio->size)
		if (!hv_out_in_kernel(vcpu->vm, pio->port, pio->size, data))
			break;
	/* The next one may be an eventfd's, so one at a time. */
	if (!n && hv_ioeventfd_at(vcpu->vm, HV_IO_PORTS, pio->port))
		pio->count = 1;
	if (n)
		pio->count = n;
	return n;
}

/*
 * How many elements one exit can carry: upwards all that are in the page and in the
 * address range, downwards one.
 */
static u32 hv_string_count(struct hv_vcpu *vcpu, u64 offset, u64 la)
{
	const struct hv_pio *pio = &vcpu->x86.pio;
	u64 mask = hv_size_mask(pio->addr_size);
	u64 left, room;

	if (!pio->rep || hv_backwards(vcpu))
		return 1;
	left = hv_reg_read(vcpu, HV_REG_RCX) & mask;
	room = min_t(u64, PAGE_SIZE - offset_in_page(la), mask - offset);
	return clamp_t(u64, min(left, room / pio->size), 1, PAGE_SIZE / pio->size);
}

/**
 * hv_emulate_string_pio() - INS or OUTS has exited
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @port: port
 * @size: bytes of an element: 1, 2 or 4
 * @in: INS
 * @rep: with a REP prefix
 * @addr_size: bytes of an address: 2, 4 or 8
 * @seg: segment of the memory operand
 *
 * Return: as handle_exit.
 */
int hv_emulate_string_pio(struct hv_vcpu *vcpu, u16 port, unsigned int size, bool in,
			  bool rep, unsigned int addr_size, enum hv_seg seg)
{
	struct hv_pio *pio = &vcpu->x86.pio;
	bool user = hv_cpl(vcpu) == 3;
	u64 offset, la, gpa;
	struct hv_segment s;
	struct hv_event ev;
	u32 count;
	int rc;

	*pio = (struct hv_pio) {
		.count = 1, .port = port, .size = size, .in = in, .string = true, .rep = rep,
		.addr_size = addr_size, .seg = seg, .linear_rip = hv_linear_rip(vcpu),
	};
	if (rep && !(hv_reg_read(vcpu, HV_REG_RCX) & hv_size_mask(addr_size)))
		return hv_skip(vcpu);

	offset = hv_reg_read(vcpu, hv_pio_index(pio)) & hv_size_mask(addr_size);
	if (!hv_string_address(vcpu, seg, offset, size, in, &la))
		return HV_RESUME;
	/* If the rest of a run is outside of the segment, that is for its own exit. */
	count = hv_string_count(vcpu, offset, la);
	if (count > 1 && !hv_64bit_code(vcpu)) {
		hv_call(get_segment, vcpu, seg, &s);
		if (!hv_segment_allows(vcpu, &s, offset, count * size, in))
			count = 1;
	}
	pio->count = count;

	if (in) {
		/* Faults come before the port is read. */
		rc = hv_translate(vcpu, la, HV_ACC_WRITE, user, &gpa, &ev);
		if (!rc && offset_in_page(la) + size > PAGE_SIZE)
			rc = hv_translate(vcpu, la + size - 1, HV_ACC_WRITE, user, &gpa, &ev);
		if (rc)
			return hv_string_failed(vcpu, rc, &ev);
		if (hv_ins_in_kernel(vcpu))
			return hv_complete_ins(vcpu);
		return hv_pio_exit(vcpu, hv_complete_ins);
	}
	rc = hv_read_linear(vcpu, la, vcpu->pio_data, pio->count * size, HV_ACC_READ, user,
			    &ev);
	if (rc)
		return hv_string_failed(vcpu, rc, &ev);
	if (hv_outs_in_kernel(vcpu))
		return hv_string_done(vcpu);
	return hv_pio_exit(vcpu, hv_complete_outs);
}
