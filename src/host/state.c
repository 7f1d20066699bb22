// SPDX-License-Identifier: GPL-2.0-only
/*
 * State of the host that the processor restores at a VM exit, and what
 * it does not restore.
 */
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include <asm/tlbflush.h>
#include <hv/host.h>

/**
 * host_tss_base() - linear address of a CPU's TSS
 * @cpu: CPU number
 */
u64 host_tss_base(int cpu)
{
	return (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss;
}

/**
 * host_gdt_base() - linear address of a CPU's GDT
 * @cpu: CPU number
 */
u64 host_gdt_base(int cpu)
{
	return (unsigned long)get_cpu_gdt_ro(cpu);
}

/**
 * host_idt_base() - linear address of the IDT, the same on all CPUs
 */
u64 host_idt_base(void)
{
	struct desc_ptr dt;

	store_idt(&dt);
	return dt.address;
}

/**
 * host_kernel_gs_base() - GS base in the kernel
 * @cpu: CPU number
 */
u64 host_kernel_gs_base(int cpu)
{
	return cpu_kernelmode_gs_base(cpu);
}

/**
 * host_restore_limits() - put back what a VM exit widened
 *
 * A VM exit sets the limits of GDTR and TR to fixed values (SDM 3C 27.5.2). The
 * kernel relies on its own: a wide GDTR gives user space more to probe, and the
 * I/O bitmap code must know that the TSS limit is not what it set.
 *
 * Context: preemption off, this CPU has run a guest.
 */
void host_restore_limits(void)
{
	invalidate_tss_limit();
	load_fixmap_gdt(raw_smp_processor_id());
}

/**
 * host_save_segs() - note the user's segment state of current
 * @s: result
 *
 * Context: preemption off.
 */
void host_save_segs(struct host_segs *s)
{
	savesegment(ds, s->ds_sel);
	savesegment(es, s->es_sel);
	store_ldt(s->ldt_sel);
	current_save_fsgs();
	s->fs_sel = current->thread.fsindex;
	s->gs_sel = current->thread.gsindex;
	s->fs_base = current->thread.fsbase;
	s->gs_base = current->thread.gsbase;
}

/**
 * host_load_segs() - put back what the VM exit could not restore
 * @s: what host_save_segs() noted on this CPU
 *
 * The VMCS holds host selectors with RPL 0 and TI 0 only (SDM 3C 26.2.3); user selectors
 * in FS and GS (32-bit programs), and an LDT, have to be reloaded.
 *
 * Context: preemption off.
 */
void host_load_segs(const struct host_segs *s)
{
	if (s->ldt_sel || (s->gs_sel & 7)) {
		asm volatile("lldt %0" : : "m"(s->ldt_sel));
		load_gs_index(s->gs_sel);
	}
	if (s->fs_sel & 7)
		loadsegment(fs, s->fs_sel);
	if (unlikely(s->ds_sel | s->es_sel)) {
		loadsegment(ds, s->ds_sel);
		loadsegment(es, s->es_sel);
	}
	wrmsrl(MSR_KERNEL_GS_BASE, s->gs_base);
	/* Loading a selector has also loaded the base; a 64-bit task's own base counts. */
	if (s->fs_sel & 7)
		wrmsrl(MSR_FS_BASE, s->fs_base);
}

/**
 * host_restore_debugregs() - put back the host's breakpoints after the guest's
 *
 * Context: interrupts off.
 */
void host_restore_debugregs(void)
{
	hw_breakpoint_restore();
}
