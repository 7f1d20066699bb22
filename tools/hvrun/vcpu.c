// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CPU: its initial state, its thread, and what to do with each exit.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "hvrun.h"

#define CR0_PE		(1u << 0)
#define CR0_MP		(1u << 1)
#define CR0_ET		(1u << 4)
#define CR0_NE		(1u << 5)
#define CR0_WP		(1u << 16)
#define CR0_PG		(1u << 31)
#define CR4_PAE		(1u << 5)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define RFLAGS_FIXED	(1u << 1)

#define MSR_MISC_ENABLE		0x1a0
#define MISC_ENABLE_FAST_STRING	(1u << 0)
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLE		(1u << 11)
#define MTRR_WRITE_BACK		6

#define LAPIC_LVT_LINT0		0x350
#define LAPIC_LVT_MASKED	(1u << 16)

#define KICK_SIGNAL	SIGUSR1

/* The run page of the thread that takes a kick */
static __thread struct hv_run *my_run;

/* ---- creation and initial state ---- */

/*
 * LINT0 of the first LAPIC is open for a PIC after reset. This machine has none,
 * and a device that makes one nonetheless has never been told its vectors.
 */
static void mask_lint0(struct vcpu *vcpu)
{
	struct hv_lapic_state lapic;
	uint32_t lvt = LAPIC_LVT_MASKED;

	if (ioctl(vcpu->fd, HV_GET_LAPIC, &lapic))
		die("HV_GET_LAPIC: %s", strerror(errno));
	memcpy(lapic.regs + LAPIC_LVT_LINT0, &lvt, sizeof(lvt));
	if (ioctl(vcpu->fd, HV_SET_LAPIC, &lapic))
		die("HV_SET_LAPIC: %s", strerror(errno));
}

/* What firmware leaves behind, and Linux complains about when it does not find it. */
static void set_firmware_msrs(struct vcpu *vcpu)
{
	static const struct hv_msr_entry values[] = {
		{ .index = MSR_MISC_ENABLE,	.data = MISC_ENABLE_FAST_STRING },
		{ .index = MSR_MTRR_DEF_TYPE,	.data = MTRR_ENABLE | MTRR_WRITE_BACK },
	};
	struct {
		struct hv_msrs head;
		struct hv_msr_entry entry;
	} msrs = { .head.nmsrs = 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		msrs.entry = values[i];
		if (ioctl(vcpu->fd, HV_SET_MSRS, &msrs) != 1)
			msg("vCPU %u: MSR %#x cannot be set, going on without", vcpu->id,
			    values[i].index);
	}
}

/**
 * vcpu_create() - make a virtual CPU in its reset state
 * @vm: after vm_create()
 * @id: index and APIC id
 */
void vcpu_create(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = &vm->vcpus[id];

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = ioctl(vm->fd, HV_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		die("cannot create vCPU %u: %s", id, strerror(errno));
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("run page of vCPU %u: %s", id, strerror(errno));
	cpuid_set(vcpu);
	mask_lint0(vcpu);
	set_firmware_msrs(vcpu);
}

/**
 * vcpu_set_boot_state() - let a vCPU start at the kernel's 64-bit entry point
 * @vcpu: the vCPU, which has not run yet
 * @entry: guest-physical address of the entry point
 *
 * As the 64-bit boot protocol asks (Documentation/x86/boot.rst): long mode,
 * identity mapping, flat segments, interrupts off, RSI at the zero page.
 */
void vcpu_set_boot_state(struct vcpu *vcpu, uint64_t entry)
{
	const struct hv_segment code = {
		.limit = 0xffffffff, .selector = BOOT_CS,
		.type = 0xb /* execute, read, accessed */, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	const struct hv_segment data = {
		.limit = 0xffffffff, .selector = BOOT_DS,
		.type = 0x3 /* read, write, accessed */, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct hv_regs regs = {
		.rip = entry,
		.rsi = ZERO_PAGE_ADDR,
		.rsp = BOOT_STACK_ADDR,
		.rflags = RFLAGS_FIXED,
	};
	struct hv_sregs sregs;

	/* the task register and the APIC base keep their reset values */
	if (ioctl(vcpu->fd, HV_GET_SREGS, &sregs))
		die("HV_GET_SREGS: %s", strerror(errno));
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.gdt.base = GDT_ADDR;
	sregs.gdt.limit = 4 * sizeof(uint64_t) - 1;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = PAGE_TABLE_ADDR;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu->fd, HV_SET_SREGS, &sregs))
		die("HV_SET_SREGS: %s", strerror(errno));
	if (ioctl(vcpu->fd, HV_SET_REGS, &regs))
		die("HV_SET_REGS: %s", strerror(errno));
}

/* ---- reports ---- */

static void print_segment(FILE *f, const char *name, const struct hv_segment *s)
{
	fprintf(f, "  %-4s %04x base %016llx limit %08x type %x", name, s->selector, s->base,
		s->limit, s->type);
	fprintf(f, " s %u dpl %u p %u l %u db %u g %u\n", s->s, s->dpl, s->present, s->l,
		s->db, s->g);
}

static void print_registers(FILE *f, const struct vcpu *vcpu)
{
	struct hv_sregs s;
	struct hv_regs r;

	if (ioctl(vcpu->fd, HV_GET_REGS, &r) || ioctl(vcpu->fd, HV_GET_SREGS, &s)) {
		fprintf(f, "  registers not readable: %s\n", strerror(errno));
		return;
	}
	fprintf(f, "  rip  %016llx rflags %016llx\n", r.rip, r.rflags);
	fprintf(f, "  rax  %016llx rbx %016llx rcx %016llx rdx %016llx\n",
		r.rax, r.rbx, r.rcx, r.rdx);
	fprintf(f, "  rsi  %016llx rdi %016llx rsp %016llx rbp %016llx\n",
		r.rsi, r.rdi, r.rsp, r.rbp);
	fprintf(f, "  r8   %016llx r9  %016llx r10 %016llx r11 %016llx\n",
		r.r8, r.r9, r.r10, r.r11);
	fprintf(f, "  r12  %016llx r13 %016llx r14 %016llx r15 %016llx\n",
		r.r12, r.r13, r.r14, r.r15);
	fprintf(f, "  cr0  %08llx cr2 %016llx cr3 %016llx cr4 %08llx cr8 %llx\n",
		s.cr0, s.cr2, s.cr3, s.cr4, s.cr8);
	fprintf(f, "  efer %llx apic base %llx\n", s.efer, s.apic_base);
	print_segment(f, "cs", &s.cs);
	print_segment(f, "ds", &s.ds);
	print_segment(f, "es", &s.es);
	print_segment(f, "fs", &s.fs);
	print_segment(f, "gs", &s.gs);
	print_segment(f, "ss", &s.ss);
	print_segment(f, "tr", &s.tr);
	print_segment(f, "ldt", &s.ldt);
	fprintf(f, "  gdt  base %016llx limit %04x\n", s.gdt.base, s.gdt.limit);
	fprintf(f, "  idt  base %016llx limit %04x\n", s.idt.base, s.idt.limit);
}

/* ---- exits: each handler does what the guest asked for, or stops the VM ---- */

static void shutdown_exit(struct vcpu *vcpu)
{
	struct report r;

	if (!vm_stop(vcpu->vm, EXIT_TRIPLE_FAULT))
		return;
	report_begin(&r, "vCPU %u: triple fault: the guest could not deliver an exception, nor the double fault",
		     vcpu->id);
	print_registers(r.file, vcpu);
	report_end(&r);
}

static void halt_exit(struct vcpu *vcpu)
{
	struct report r;

	if (!vm_stop(vcpu->vm, EXIT_BROKEN))
		return;
	report_begin(&r, "vCPU %u: HLT came to userspace although the LAPIC is in the kernel",
		     vcpu->id);
	print_registers(r.file, vcpu);
	report_end(&r);
}

static void fail_entry_exit(struct vcpu *vcpu)
{
	struct report r;

	if (!vm_stop(vcpu->vm, EXIT_BROKEN))
		return;
	report_begin(&r, "vCPU %u: the processor refused to enter the guest, hardware reason %#llx",
		     vcpu->id, vcpu->run->fail_entry.hardware_entry_failure_reason);
	print_registers(r.file, vcpu);
	report_end(&r);
}

static void print_instruction(FILE *f, const struct hv_run *run)
{
	unsigned int i, size = run->emulation_failure.insn_size;

	/* flags is data[0], sizes and bytes follow in data[1] and data[2] */
	if (run->internal.suberror != HV_INTERNAL_ERROR_EMULATION || run->internal.ndata < 1 ||
	    !(run->emulation_failure.flags & HV_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return;
	if (size > sizeof(run->emulation_failure.insn_bytes))
		size = sizeof(run->emulation_failure.insn_bytes);
	fprintf(f, "  instruction bytes:");
	for (i = 0; i < size; i++)
		fprintf(f, " %02x", run->emulation_failure.insn_bytes[i]);
	fprintf(f, "\n");
}

static void internal_error_exit(struct vcpu *vcpu)
{
	const struct hv_run *run = vcpu->run;
	struct report r;
	unsigned int i;

	if (!vm_stop(vcpu->vm, EXIT_BROKEN))
		return;
	report_begin(&r, "vCPU %u: internal error of the hypervisor, suberror %u%s", vcpu->id,
		     run->internal.suberror,
		     run->internal.suberror == HV_INTERNAL_ERROR_EMULATION ?
		     " (an instruction that it cannot emulate)" : "");
	for (i = 0; i < run->internal.ndata && i < ARRAY_SIZE(run->internal.data); i++)
		fprintf(r.file, "  data[%u] %#llx\n", i, run->internal.data[i]);
	print_instruction(r.file, run);
	print_registers(r.file, vcpu);
	report_end(&r);
}

static const struct {
	const char *name;
	void (*handle)(struct vcpu *vcpu);
} exits[EXIT_REASONS] = {
	[HV_EXIT_UNKNOWN]		= { "unknown" },
	[HV_EXIT_EXCEPTION]		= { "exception" },
	[HV_EXIT_IO]			= { "io",		io_port_exit },
	[HV_EXIT_HYPERCALL]		= { "hypercall" },
	[HV_EXIT_DEBUG]			= { "debug" },
	[HV_EXIT_HLT]			= { "hlt",		halt_exit },
	[HV_EXIT_MMIO]			= { "mmio",		io_mmio_exit },
	[HV_EXIT_IRQ_WINDOW_OPEN]	= { "irq window" },
	[HV_EXIT_SHUTDOWN]		= { "shutdown",		shutdown_exit },
	[HV_EXIT_FAIL_ENTRY]		= { "fail entry",	fail_entry_exit },
	[HV_EXIT_INTR]			= { "signal" },
	[HV_EXIT_INTERNAL_ERROR]	= { "internal error",	internal_error_exit },
};

/**
 * vcpu_exit_name() - name of an exit reason
 * @reason: index into struct vcpu's exits
 *
 * Return: the name, or NULL if hvrun has none for it.
 */
const char *vcpu_exit_name(unsigned int reason)
{
	return reason < ARRAY_SIZE(exits) ? exits[reason].name : NULL;
}

static void handle_exit(struct vcpu *vcpu)
{
	unsigned int reason = vcpu->run->exit_reason;
	struct report r;

	vcpu->exits[reason < EXIT_REASONS ? reason : EXIT_REASONS - 1]++;
	if (reason < EXIT_REASONS && exits[reason].handle) {
		exits[reason].handle(vcpu);
		return;
	}
	if (!vm_stop(vcpu->vm, EXIT_BROKEN))
		return;
	report_begin(&r, "vCPU %u: exit reason %u (%s), which hvrun does not handle; hardware reason %#llx",
		     vcpu->id, reason, vcpu_exit_name(reason) ?: "no name",
		     reason == HV_EXIT_UNKNOWN ? vcpu->run->hw.hardware_exit_reason : 0);
	print_registers(r.file, vcpu);
	report_end(&r);
}

/* ---- the thread ---- */

/*
 * Runs in the kicked thread. Whether the signal comes before HV_RUN or during
 * it, HV_RUN returns: the flag is what closes the gap between the two.
 */
static void kicked(int sig __maybe_unused)
{
	my_run->immediate_exit = 1;
}

/*
 * HV_RUN was interrupted. Whoever kicks has said before what for: the thread finds
 * vm->stopping or its show set. A kick that comes now makes the next HV_RUN return.
 */
static void take_kick(struct vcpu *vcpu)
{
	struct report r;

	vcpu->exits[HV_EXIT_INTR]++;
	vcpu->run->immediate_exit = 0;
	if (!atomic_exchange(&vcpu->show, false))
		return;
	report_begin(&r, "vCPU %u:", vcpu->id);
	print_registers(r.file, vcpu);
	report_end(&r);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vm *vm = vcpu->vm;
	struct timespec used;
	sigset_t set;

	my_run = vcpu->run;
	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	while (!atomic_load(&vm->stopping)) {
		if (!ioctl(vcpu->fd, HV_RUN, 0)) {
			handle_exit(vcpu);
		} else if (errno == EINTR) {
			take_kick(vcpu);
		} else if (errno != EAGAIN) {
			/* EAGAIN: an application processor was started: run it again */
			int error = errno;

			if (vm_stop(vm, EXIT_BROKEN))
				msg("vCPU %u: HV_RUN: %s", vcpu->id, strerror(error));
		}
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	vcpu->cpu_ns = used.tv_sec * 1000000000ull + used.tv_nsec;
	return NULL;
}

/**
 * vcpu_prepare_kicks() - let nobody but vCPU threads take kicks
 *
 * Blocks their signal in the caller, and so in the threads that it makes. A vCPU's
 * thread takes them as soon as it has set my_run.
 */
void vcpu_prepare_kicks(void)
{
	struct sigaction action = { .sa_handler = kicked };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(KICK_SIGNAL, &action, NULL);
}

/**
 * vcpu_start() - start the vCPU's thread
 * @vcpu: the vCPU, after vcpu_prepare_kicks()
 */
void vcpu_start(struct vcpu *vcpu)
{
	int ret;

	ret = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (ret)
		die("thread of vCPU %u: %s", vcpu->id, strerror(ret));
}

/**
 * vcpu_kick() - make HV_RUN of a vCPU return now
 * @vcpu: a started vCPU
 *
 * With vm->stopping set, its thread ends. If it waits in another call than HV_RUN it may
 * take a second kick: the first can come just before the call.
 */
void vcpu_kick(struct vcpu *vcpu)
{
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/**
 * vcpu_show() - print a vCPU's registers
 * @vcpu: a started vCPU
 *
 * Its thread does so, and the guest goes on.
 */
void vcpu_show(struct vcpu *vcpu)
{
	atomic_store(&vcpu->show, true);
	vcpu_kick(vcpu);
}
