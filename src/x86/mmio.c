// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses that no memory slot backs: the instruction is fetched, decoded and emulated;
 * what belongs to an in-kernel interrupt controller is done here, the rest by userspace. The
 * most frequent ones, loads and stores of a register, need less: mmio_move.c.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <hv/backend.h>
#include <hv/emulate.h>
#include <hv/irq.h>
#include "internal.h"

/* Iterations of a REP instruction before the guest is entered again */
#define HV_REP_BATCH	64

static int hv_mmio_run(struct hv_vcpu *vcpu);

/* ---- memory accesses of the emulated instruction ---- */

static enum hv_emul_rc hv_mmio_fault(struct hv_emul *e, const struct hv_event *ev)
{
	e->fault = (struct hv_emul_fault) {
		.vector = ev->vector,
		.has_error = ev->has_error,
		.error = ev->error,
		.cr2 = ev->payload,
	};
	return HV_EMUL_FAULT;
}

static bool hv_mmio_in_kernel(struct hv_vcpu *vcpu, u64 gpa, void *data, unsigned int len,
			      bool write)
{
	if (write && hv_ioeventfd_signal(vcpu->vm, HV_IO_MEMORY, gpa, len, data))
		return true;
	if (vcpu->x86.lapic && hv_irq_mmio(vcpu, gpa, len, data, write))
		return true;
	return write && hv_coalesced_write(vcpu->vm, HV_IO_MEMORY, gpa, len, data);
}

/* At most 8 bytes inside a page */
static enum hv_emul_rc hv_mmio_piece(struct hv_emul *e, u64 gpa, void *data, unsigned int len,
				     bool write)
{
	struct hv_vcpu *vcpu = e->opaque;
	enum hv_emul_rc rc;
	int err;

	err = write ? hv_guest_write(vcpu->vm, gpa, data, len) :
		      hv_guest_read(vcpu->vm, gpa, data, len);
	if (!err)
		return HV_EMUL_OK;
	if (err != -ENOENT && err != -EROFS)
		return HV_EMUL_UNHANDLED;

	rc = hv_emul_mmio(e, gpa, data, len, write);
	if (rc == HV_EMUL_USERSPACE && hv_mmio_in_kernel(vcpu, gpa, data, len, write)) {
		hv_emul_complete(e, data);
		rc = HV_EMUL_OK;
	}
	return rc;
}

static void hv_mmio_remember(struct hv_vcpu_x86 *x, u64 la, u64 gpa, unsigned int access)
{
	x->mmio_page[x->mmio_next++ % HV_NR_MMIO_PAGES] = (struct hv_mmio_page) {
		.la = la & PAGE_MASK,
		.gpa = gpa & PAGE_MASK,
		.access = access,
	};
}

/*
 * As hv_translate(). A page that the instruction has used stays where it was: what was done
 * there is in the log of the emulation, and is not done again.
 */
static int hv_mmio_translate(struct hv_vcpu *vcpu, u64 la, unsigned int access, bool user,
			     u64 *gpa, struct hv_event *ev)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	unsigned int i;
	int rc;

	for (i = 0; i < HV_NR_MMIO_PAGES; i++)
		if ((x->mmio_page[i].access & access) && x->mmio_page[i].la == (la & PAGE_MASK)) {
			*gpa = x->mmio_page[i].gpa | offset_in_page(la);
			return 0;
		}
	rc = hv_translate(vcpu, la, access, user, gpa, ev);
	if (!rc)
		hv_mmio_remember(x, la, *gpa, access);
	return rc;
}

static enum hv_emul_rc hv_mmio_access(struct hv_emul *e, u64 la, void *data, unsigned int len,
				      unsigned int access, bool write)
{
	struct hv_vcpu *vcpu = e->opaque;
	unsigned int first = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(la));
	bool user = e->cpu.cpl == 3;
	struct hv_event ev = {};
	enum hv_emul_rc rc;
	unsigned int n;
	u64 gpa[2];
	int err;

	/* All faults come before the first access. */
	err = hv_mmio_translate(vcpu, la, access, user, &gpa[0], &ev);
	if (!err && first < len)
		err = hv_mmio_translate(vcpu, la + first, access, user, &gpa[1], &ev);
	if (err)
		return err > 0 ? hv_mmio_fault(e, &ev) : HV_EMUL_UNHANDLED;

	for (; len; len -= n, data += n) {
		if (!first) {
			gpa[0] = gpa[1];
			first = len;
		}
		n = min(first, 8U);
		rc = hv_mmio_piece(e, gpa[0], data, n, write);
		if (rc != HV_EMUL_OK)
			return rc;
		gpa[0] += n;
		first -= n;
	}
	return HV_EMUL_OK;
}

static enum hv_emul_rc hv_mmio_read(struct hv_emul *e, u64 la, void *data, unsigned int len,
				    unsigned int flags)
{
	unsigned int access = flags & HV_EMUL_RMW ? HV_ACC_WRITE : HV_ACC_READ;

	return hv_mmio_access(e, la, data, len, access, false);
}

static enum hv_emul_rc hv_mmio_write(struct hv_emul *e, u64 la, const void *data,
				     unsigned int len, unsigned int flags)
{
	u8 buf[32];

	if (len > sizeof(buf))
		return HV_EMUL_UNHANDLED;
	memcpy(buf, data, len);
	return hv_mmio_access(e, la, buf, len, HV_ACC_WRITE, true);
}

static void hv_mmio_get_vec(struct hv_emul *e, unsigned int reg, void *data, unsigned int len)
{
	hv_read_xmm(e->opaque, reg, data, len);
}

static void hv_mmio_set_vec(struct hv_emul *e, unsigned int reg, const void *data,
			    unsigned int len)
{
	hv_write_xmm(e->opaque, reg, data, len);
}

static const struct hv_emul_ops hv_mmio_ops = {
	.read = hv_mmio_read,
	.write = hv_mmio_write,
	.get_vec = hv_mmio_get_vec,
	.set_vec = hv_mmio_set_vec,
};

/* ---- registers ---- */

static void hv_emul_load_seg(struct hv_vcpu *vcpu, struct hv_emul_cpu *cpu, int seg)
{
	struct hv_segment s;

	hv_call(get_segment, vcpu, seg, &s);
	cpu->seg[seg] = (struct hv_emul_seg) {
		.base = s.base, .limit = s.limit, .type = s.type, .db = s.db,
		.unusable = s.unusable,
	};
}

/*
 * What the decoded instruction may look at: of segments, 64-bit code has FS and GS only. CPL is
 * there since the fetch.
 */
static void hv_emul_load(struct hv_vcpu *vcpu, struct hv_emul *e)
{
	struct hv_emul_cpu *cpu = &e->cpu;
	unsigned int i;

	cpu->rip = hv_rip(vcpu);
	hv_reg_read(vcpu, HV_REG_RSP);
	memcpy(cpu->gpr, vcpu->x86.regs, sizeof(cpu->gpr));
	cpu->rflags = hv_rflags(vcpu);
	cpu->cr0 = hv_cr0(vcpu);
	cpu->cr4 = hv_cr4(vcpu);
	cpu->xcr0 = vcpu->x86.xcr0;
	if (e->insn.mode != 64) {
		for (i = 0; i < HV_INSN_NR_SEGS; i++)
			hv_emul_load_seg(vcpu, cpu, i);
	} else if (e->insn.mem.seg == HV_INSN_FS || e->insn.mem.seg == HV_INSN_GS) {
		hv_emul_load_seg(vcpu, cpu, e->insn.mem.seg);
	}
}

static void hv_emul_store(struct hv_vcpu *vcpu, const struct hv_emul_cpu *cpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cpu->gpr); i++) {
		if (cpu->gpr[i] != vcpu->x86.regs[i])
			hv_reg_write(vcpu, i, cpu->gpr[i]);
	}
	if (cpu->rip != hv_rip(vcpu))
		hv_set_rip(vcpu, cpu->rip);
	if (cpu->rflags != hv_rflags(vcpu))
		hv_set_rflags(vcpu, cpu->rflags);
}

/* ---- the instruction ---- */

/*
 * An emulated instruction is done. As for any other, a shadow ends and single-stepping
 * traps. The traps of the guest's TF go through the exception, as the processor has not
 * seen the instruction.
 */
int hv_mmio_retire(struct hv_vcpu *vcpu, bool trap)
{
	u32 blocking = hv_call(get_blocking, vcpu);

	if (blocking & (HV_BLOCK_STI | HV_BLOCK_MOV_SS))
		hv_call(set_blocking, vcpu, blocking & ~(HV_BLOCK_STI | HV_BLOCK_MOV_SS));
	if (trap || (vcpu->x86.guest_debug & HV_GUESTDBG_SINGLESTEP))
		return hv_handle_db(vcpu, DR_STEP);
	return HV_RESUME;
}

/*
 * The access is userspace's: HV_RUN ends, and the next one begins with @complete.
 */
int hv_mmio_to_user(struct hv_vcpu *vcpu, u64 gpa, const void *data, unsigned int len, bool write,
		    int (*complete)(struct hv_vcpu *vcpu))
{
	struct hv_run *run = vcpu->run;

	run->exit_reason = HV_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = write;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (write)
		memcpy(run->mmio.data, data, len);
	vcpu->x86.complete = complete;
	vcpu->stats.mmio_exits++;
	return HV_TO_USER;
}

/* Userspace has done the access. */
static int hv_mmio_complete(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->x86.emul;
	u8 data[8];

	/* The VMM went elsewhere with this vCPU: the instruction is abandoned. */
	if (hv_rip(vcpu) != e->cpu.rip)
		return HV_RESUME;
	memcpy(data, vcpu->run->mmio.data, sizeof(data));
	hv_emul_complete(e, data);
	hv_emul_load(vcpu, e);
	return hv_mmio_run(vcpu);
}

static int hv_mmio_exit(struct hv_vcpu *vcpu)
{
	const struct hv_emul_frag *frag = hv_emul_pending(vcpu->x86.emul);

	if (!frag)
		return hv_emulation_failure(vcpu);
	return hv_mmio_to_user(vcpu, frag->gpa, frag->data, frag->len, frag->write,
			       hv_mmio_complete);
}

/* The exception that the emulation ended with */
static int hv_mmio_raise(struct hv_vcpu *vcpu)
{
	const struct hv_emul_fault *fault = &vcpu->x86.emul->fault;

	if (fault->vector == HV_VEC_PF)
		hv_queue_page_fault(vcpu, fault->cr2, fault->error);
	else if (fault->has_error)
		hv_queue_exception_e(vcpu, fault->vector, fault->error);
	else
		hv_queue_exception(vcpu, fault->vector);
	return HV_RESUME;
}

static bool hv_mmio_interrupted(struct hv_vcpu *vcpu)
{
	return hv_req_pending(vcpu) || need_resched() || signal_pending(current);
}

/* Run the decoded instruction as far as possible. */
static int hv_mmio_run(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->x86.emul;
	bool trap = e->cpu.rflags & X86_EFLAGS_TF;
	unsigned int n = 0;
	enum hv_emul_rc rc;

	do {
		rc = hv_emul_step(e);
	} while (rc == HV_EMUL_AGAIN && !trap && ++n < HV_REP_BATCH &&
		 !hv_mmio_interrupted(vcpu));

	/* Iterations that are complete count, whatever became of the last one. */
	hv_emul_store(vcpu, &e->cpu);
	switch (rc) {
	case HV_EMUL_DONE:
		return hv_mmio_retire(vcpu, trap);
	case HV_EMUL_AGAIN:
		/* Each iteration traps (SDM 3B 18.3.1.4); else the guest comes back here. */
		return trap ? hv_mmio_retire(vcpu, true) : HV_RESUME;
	case HV_EMUL_USERSPACE:
		return hv_mmio_exit(vcpu);
	case HV_EMUL_FAULT:
		return hv_mmio_raise(vcpu);
	default:
		return hv_emulation_failure(vcpu);
	}
}

/* A slot appeared since the fault: the access needs no emulation. */
static bool hv_mmio_is_memory(struct hv_vcpu *vcpu, u64 gpa)
{
	const struct hv_memslot *slot = hv_memslot_find(hv_vm_memslots(vcpu->vm),
							gpa >> PAGE_SHIFT);

	return slot && !(slot->flags & HV_MEM_READONLY);
}

/* ---- the exit ---- */

static struct hv_emul *hv_emulate_begin(struct hv_vcpu *vcpu, const struct hv_insn *insn,
					unsigned int cpl)
{
	struct hv_emul *e = vcpu->x86.emul;

	hv_emul_init(e, &hv_mmio_ops, vcpu);
	e->cpu.cpl = cpl;
	memset(vcpu->x86.mmio_page, 0, sizeof(vcpu->x86.mmio_page));
	e->insn = *insn;
	hv_emul_load(vcpu, e);
	return e;
}

/**
 * hv_emulate_mmio() - an access that no memory slot backs has exited
 * @vcpu: loaded vCPU, RIP at the instruction; caller holds vm->srcu
 * @exit: what the processor said of it; @doorbell is filled in
 *
 * Return: as handle_exit.
 */
int hv_emulate_mmio(struct hv_vcpu *vcpu, struct hv_mmio_exit *exit)
{
	unsigned int cpl = hv_cpl(vcpu);
	struct hv_insn insn;
	int r;

	if (hv_mmio_is_memory(vcpu, exit->gpa))
		return HV_RESUME;
	vcpu->stats.mmio_emulations++;
	if (!hv_decode_insn(vcpu, &insn, exit->insn, exit->insn_len, cpl, &r))
		return r;
	if (hv_is_move(vcpu, exit, &insn))
		return hv_emulate_move(vcpu, exit, &insn);
	hv_emulate_begin(vcpu, &insn, cpl);
	if (exit->access)
		hv_mmio_remember(&vcpu->x86, exit->la, exit->gpa, exit->access);
	return hv_mmio_run(vcpu);
}

/*
 * Run an instruction that was made up for its memory operand.
 */
int hv_emulate_insn(struct hv_vcpu *vcpu, const struct hv_insn *insn)
{
	hv_emulate_begin(vcpu, insn, hv_cpl(vcpu));
	return hv_mmio_run(vcpu);
}

/*
 * The 16-bit memory operand of an instruction, without executing it; false with *r: an
 * exception, or the operand is in device memory, which ends HV_RUN as a failed emulation.
 */
bool hv_read_operand16(struct hv_vcpu *vcpu, const struct hv_insn *insn, u16 *val, int *r)
{
	struct hv_emul *e = hv_emulate_begin(vcpu, insn, hv_cpl(vcpu));
	enum hv_emul_rc rc;

	e->insn.op = HV_OP_MOV;
	e->insn.src = HV_SRC_REG;
	e->insn.reg = HV_REG_RAX;
	e->insn.rm_is_dest = false;
	e->insn.op_size = 2;
	e->insn.mem_size = 2;
	rc = hv_emul_step(e);
	if (rc == HV_EMUL_DONE) {
		*val = e->cpu.gpr[HV_REG_RAX];
		return true;
	}
	*r = rc == HV_EMUL_FAULT ? hv_mmio_raise(vcpu) : hv_emulation_failure(vcpu);
	return false;
}
