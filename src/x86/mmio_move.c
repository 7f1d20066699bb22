// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plain loads and stores of a device's registers: MOV and MOVZX between memory and a general
 * register or an immediate. The processor has found nothing wrong with such an access but the last
 * translation, and the exit tells its address. So all that is needed is the value, and to go on
 * behind the instruction: no copy of the registers, no segments, no second translation.
 */
#include <linux/mm.h>
#include <hv/backend.h>
#include <hv/emulate.h>
#include <hv/irq.h>
#include "internal.h"

/* Offset in its page of the memory operand */
static unsigned int hv_operand_offset(struct hv_vcpu *vcpu, const struct hv_insn *insn)
{
	const struct hv_insn_mem *m = &insn->mem;
	struct hv_segment s;
	u64 la = m->disp;

	if (m->rip_relative)
		la += hv_rip(vcpu) + insn->len;
	if (m->base != HV_INSN_NO_REG)
		la += hv_reg_read(vcpu, m->base);
	if (m->index != HV_INSN_NO_REG)
		la += hv_reg_read(vcpu, m->index) * m->scale;
	if (insn->mode != 64 || m->seg == HV_INSN_FS || m->seg == HV_INSN_GS) {
		hv_call(get_segment, vcpu, m->seg, &s);
		la += s.base;
	}
	return offset_in_page(la);
}

/*
 * Such an access? It must be aligned, so that it is one access and needs no alignment check, and
 * the exit must be for it, not for a page walk on its behalf.
 */
bool hv_is_move(struct hv_vcpu *vcpu, const struct hv_mmio_exit *exit, const struct hv_insn *insn)
{
	unsigned int want = insn->rm_is_dest ? HV_ACC_WRITE : HV_ACC_READ;

	if (insn->op != HV_OP_MOV && insn->op != HV_OP_MOVZX)
		return false;
	if (!insn->has_mem || exit->own != want || (exit->gpa & (insn->mem_size - 1)))
		return false;
	return offset_in_page(exit->gpa) == hv_operand_offset(vcpu, insn);
}

/*
 * Go on behind the instruction. Its length is in no register: SDM 3C 27.2.5 leaves the VM-exit
 * instruction length undefined for EPT violations (and misconfigurations), and NPT saves no
 * nRIP (APM 2 15.7.1).
 */
static int hv_move_done(struct hv_vcpu *vcpu, const struct hv_insn *insn)
{
	u64 rip = hv_rip(vcpu) + insn->len;
	u64 rflags = hv_rflags(vcpu);

	hv_set_rip(vcpu, insn->mode == 64 ? rip : (u32)rip);
	if (rflags & X86_EFLAGS_RF)
		hv_set_rflags(vcpu, rflags & ~(u64)X86_EFLAGS_RF);
	return hv_mmio_retire(vcpu, rflags & X86_EFLAGS_TF);
}

static u64 hv_stored_value(struct hv_vcpu *vcpu, const struct hv_insn *insn)
{
	if (insn->src == HV_SRC_IMM)
		return insn->imm;
	return hv_reg_read(vcpu, insn->reg) >> (insn->reg_high ? 8 : 0);
}

/* 32-bit results are zero-extended, smaller ones keep the rest (SDM 1 3.4.1.1). */
static void hv_load_value(struct hv_vcpu *vcpu, const struct hv_insn *insn, u64 val)
{
	unsigned int shift = insn->reg_high ? 8 : 0;
	u64 old = hv_reg_read(vcpu, insn->reg);
	u64 mask;

	if (insn->op_size < 4) {
		mask = (insn->op_size == 1 ? 0xffULL : 0xffffULL) << shift;
		val = (old & ~mask) | ((val << shift) & mask);
	}
	hv_reg_write(vcpu, insn->reg, val);
}

/* Userspace has done the access. */
static int hv_move_complete(struct hv_vcpu *vcpu)
{
	const struct hv_emul *e = vcpu->x86.emul;
	u64 val = 0;

	/* The VMM went elsewhere with this vCPU: the instruction is abandoned. */
	if (hv_rip(vcpu) != e->cpu.rip)
		return HV_RESUME;
	if (!e->insn.rm_is_dest) {
		memcpy(&val, vcpu->run->mmio.data, e->insn.mem_size);
		hv_load_value(vcpu, &e->insn, val);
	}
	return hv_move_done(vcpu, &e->insn);
}

/*
 * Do it; as handle_exit. exit->doorbell is filled in.
 */
int hv_emulate_move(struct hv_vcpu *vcpu, struct hv_mmio_exit *exit, const struct hv_insn *insn)
{
	bool write = insn->rm_is_dest;
	u64 val = write ? hv_stored_value(vcpu, insn) : 0;

	if (write && hv_ioeventfd_signal(vcpu->vm, HV_IO_MEMORY, exit->gpa, insn->mem_size, &val)) {
		exit->doorbell = true;
		return hv_move_done(vcpu, insn);
	}
	if (vcpu->x86.lapic && hv_irq_mmio(vcpu, exit->gpa, insn->mem_size, &val, write)) {
		if (!write)
			hv_load_value(vcpu, insn, val);
		return hv_move_done(vcpu, insn);
	}
	if (write && hv_coalesced_write(vcpu->vm, HV_IO_MEMORY, exit->gpa, insn->mem_size, &val)) {
		exit->doorbell = true;
		return hv_move_done(vcpu, insn);
	}
	vcpu->x86.emul->insn = *insn;
	vcpu->x86.emul->cpu.rip = hv_rip(vcpu);
	return hv_mmio_to_user(vcpu, exit->gpa, &val, insn->mem_size, write, hv_move_complete);
}
