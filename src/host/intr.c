// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts, NMIs and machine checks that arrived while the guest ran are given
 * to the host's own handlers.
 */
#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/cpu.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/idtentry.h>
#include <asm/mce.h>
#include <asm/ptrace.h>
#include <hv/host.h>

void host_call_gate(unsigned long entry);

/**
 * host_uses_fred() - are interrupts delivered by FRED instead of the IDT?
 */
bool host_uses_fred(void)
{
#ifdef X86_FEATURE_FRED
	return cpu_feature_enabled(X86_FEATURE_FRED);
#else
	return false;
#endif
}

/**
 * host_handle_irq() - run the host's handler of an interrupt
 * @vector: taken from the interrupt controller by the VM exit (acknowledged)
 *
 * Goes through the handler that the host's IDT names, so every kind of vector works.
 *
 * Context: interrupts off, RCU watching.
 */
void host_handle_irq(unsigned int vector)
{
	const gate_desc *gate = (const gate_desc *)host_idt_base() + (vector & 0xff);

	host_call_gate(gate_offset(gate));
}

/**
 * host_handle_nmi() - run the host's NMI handler
 *
 * An exit caused by an NMI leaves NMIs blocked (SDM 3C 27.5.5, "blocking by NMI"), until
 * the handler's IRET. The entry is the one for a handler on the current stack.
 *
 * Context: noinstr, right after the exit, interrupts off.
 */
noinstr void host_handle_nmi(void)
{
#ifdef HOST_HAVE_NMI_KVM_VMX
	host_call_gate((unsigned long)asm_exc_nmi_kvm_vmx);
#else
	host_call_gate((unsigned long)asm_exc_nmi_noist);
#endif
}

/**
 * host_handle_mce() - run the host's machine-check handler
 *
 * Claims to come from user mode: the handler may then end this task, but
 * need not panic for state that it can't recover in the kernel.
 *
 * Context: interrupts off.
 */
void host_handle_mce(void)
{
	struct pt_regs regs = {
		.cs = 3,
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
}

/**
 * host_handle_split_lock() - the guest has locked across a cache line
 * @rip: the guest's RIP, for the message
 *
 * Only where the host's split-lock detection is on.
 *
 * Context: process context, interrupts on.
 * Return: true: the host has warned or slowed the task down, and the guest may go on; false: the
 * alignment check is the guest's own, or the host wants the guest to get it.
 */
bool host_handle_split_lock(u64 rip)
{
	return boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT) && handle_guest_split_lock(rip);
}
