// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls: KVM's (Documentation/virt/kvm/x86/hypercalls.rst of the kernel). The number is
 * in RAX, arguments are in RBX, RCX, RDX and RSI, the result is in RAX.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <hv/irq.h>
#include "internal.h"

#define HV_HYPERCALL_ARGS	4

/* Fields of the ICR's low half (SDM 3A 11.6.1) */
#define HV_ICR_MODE		GENMASK(10, 8)
#define HV_ICR_LOGICAL		BIT(11)
#define HV_ICR_ASSERT		BIT(14)
#define HV_ICR_LEVEL		BIT(15)
#define HV_ICR_SHORTHAND	GENMASK(19, 18)

/* An interrupt that does not matter to a guest that asks if one is there: KVM says 0. */
static long hv_hc_vapic_poll_irq(struct hv_vcpu *vcpu, const u64 *arg)
{
	return 0;
}

/* Yield to the vCPU with APIC id @id, if it is waiting for a CPU. */
static void hv_hc_yield_to(struct hv_vcpu *vcpu, u64 id)
{
	struct hv_vcpu *target = id <= U32_MAX ? hv_vcpu_by_id(vcpu->vm, id) : NULL;

	vcpu->stats.directed_yield_attempted++;
	if (target && target != vcpu && hv_vcpu_ready(target) && hv_vcpu_yield_to(target) > 0)
		vcpu->stats.directed_yield_successful++;
}

/* Flags, APIC id: end its HLT, or the next one. For locks whose waiters halt. */
static long hv_hc_kick_cpu(struct hv_vcpu *vcpu, const u64 *arg)
{
	struct hv_vcpu *target = arg[1] <= U32_MAX ? hv_vcpu_by_id(vcpu->vm, arg[1]) : NULL;

	if (target) {
		WRITE_ONCE(target->x86.pv.unhalted, true);
		hv_vcpu_request(target, HV_REQ_EVENT);
		hv_hc_yield_to(vcpu, arg[1]);
	}
	return 0;
}

/* Two words of a bitmap of APIC ids, the id of bit 0, an ICR. Returns the number reached. */
static long hv_hc_send_ipi(struct hv_vcpu *vcpu, const u64 *arg)
{
	unsigned int bits = hv_64bit_code(vcpu) ? 64 : 32;
	u64 min = arg[2], icr = arg[3];
	struct hv_apic_msg msg = {
		.vector = icr & 0xff,
		.mode = FIELD_GET(HV_ICR_MODE, icr),
		.level = icr & HV_ICR_LEVEL,
		.assert = icr & HV_ICR_ASSERT,
	};
	unsigned int i;
	long count = 0;
	int n;

	/* The destination is the bitmap. */
	if (icr & (HV_ICR_LOGICAL | HV_ICR_SHORTHAND))
		return -KVM_EINVAL;
	if (!vcpu->x86.lapic)
		return -KVM_EOPNOTSUPP;
	for (i = 0; i < 2 * bits && min + i < HV_MAX_VCPU_ID; i++) {
		if (!(arg[i / bits] & BIT_ULL(i % bits)))
			continue;
		msg.dest = min + i;
		n = hv_apic_deliver(vcpu->vm, vcpu, &msg);
		if (n > 0)
			count += n;
	}
	return count;
}

/* APIC id */
static long hv_hc_sched_yield(struct hv_vcpu *vcpu, const u64 *arg)
{
	hv_hc_yield_to(vcpu, arg[0]);
	return 0;
}

/**
 * struct hv_hypercall - a row of the table
 * @fn: what it does; returns what the guest gets. NULL: there is no such call
 * @feature: KVM_FEATURE_* bits of which the guest needs one when the VMM enforces
 *	CPUID; 0: none
 */
struct hv_hypercall {
	long (*fn)(struct hv_vcpu *vcpu, const u64 *arg);
	u32 feature;
};

static const struct hv_hypercall hv_hypercalls[] = {
	[KVM_HC_VAPIC_POLL_IRQ]	= { hv_hc_vapic_poll_irq },
	[KVM_HC_KICK_CPU]	= { hv_hc_kick_cpu, BIT(KVM_FEATURE_PV_UNHALT) },
	[KVM_HC_CLOCK_PAIRING]	= { hv_hc_clock_pairing },
	[KVM_HC_SEND_IPI]	= { hv_hc_send_ipi, BIT(KVM_FEATURE_PV_SEND_IPI) },
	[KVM_HC_SCHED_YIELD]	= { hv_hc_sched_yield, BIT(KVM_FEATURE_PV_SCHED_YIELD) },
};

static long hv_hypercall(struct hv_vcpu *vcpu, u64 nr, const u64 *arg)
{
	const struct hv_hypercall *call;

	/* Only the guest's kernel may. */
	if (hv_cpl(vcpu))
		return -KVM_EPERM;
	if (nr >= ARRAY_SIZE(hv_hypercalls))
		return -KVM_ENOSYS;
	call = &hv_hypercalls[array_index_nospec(nr, ARRAY_SIZE(hv_hypercalls))];
	if (!call->fn || (call->feature && !hv_pv_has(vcpu, __ffs(call->feature))))
		return -KVM_ENOSYS;
	return call->fn(vcpu, arg);
}

/**
 * hv_emulate_hypercall() - VMCALL or VMMCALL has exited
 * @vcpu: loaded vCPU; caller holds vm->srcu
 *
 * Return: as handle_exit.
 */
int hv_emulate_hypercall(struct hv_vcpu *vcpu)
{
	static const enum hv_reg regs[HV_HYPERCALL_ARGS] = {
		HV_REG_RBX, HV_REG_RCX, HV_REG_RDX, HV_REG_RSI,
	};
	u64 mask = hv_64bit_code(vcpu) ? U64_MAX : U32_MAX;
	u64 arg[HV_HYPERCALL_ARGS];
	unsigned int i;
	long ret;

	for (i = 0; i < HV_HYPERCALL_ARGS; i++)
		arg[i] = hv_reg_read(vcpu, regs[i]) & mask;
	ret = hv_hypercall(vcpu, hv_reg_read(vcpu, HV_REG_RAX) & mask, arg);
	vcpu->stats.hypercalls++;
	hv_reg_write(vcpu, HV_REG_RAX, ret & mask);
	return hv_skip(vcpu);
}
