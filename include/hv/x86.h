/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both x86 backends share: register state, events, CPUID, MSRs, FPU, and
 * the emulation of instructions that exit.
 *
 * Return values of the hv_emulate_*() functions are those of handle_exit:
 * HV_RESUME, HV_TO_USER or -errno.
 */
#ifndef HV_X86_H
#define HV_X86_H

#include <linux/hv.h>
#include <linux/types.h>
#include <asm/processor-flags.h>
#include <hv/pv.h>

struct fpu_guest;
struct hv_lapic;
struct hv_vcpu;
struct hv_code_page;
struct hv_emul;
struct hv_insn;

/* A locked 16-byte operand over a page boundary and its code make three pages. */
#define HV_NR_MMIO_PAGES	4

/**
 * struct hv_mmio_page - a page of linear addresses that the instruction in emulation uses
 * @la: linear address, page-aligned
 * @gpa: where it was found
 * @access: HV_ACC_* that were checked, 0: unused
 */
struct hv_mmio_page {
	u64 la;
	u64 gpa;
	unsigned int access;
};

/**
 * struct hv_mmio_exit - what the processor said of an access to a place without memory
 * @gpa: guest-physical address
 * @la: the linear address that it came from
 * @access: HV_ACC_* that the processor has found to be allowed at @la; 0: @la is not known
 * @own: HV_ACC_READ or HV_ACC_WRITE: it is what the instruction itself wanted of @gpa, and all
 *	checks but the last translation are passed. 0: something else, a page walk perhaps
 * @insn: bytes of the instruction if the processor gave them
 * @insn_len: their number, else 0
 * @doorbell: result: it was a store that signaled an eventfd, or waits for the VMM; of memory
 *	only the guest's instruction was read, as the guest had it itself
 */
struct hv_mmio_exit {
	u64 gpa;
	u64 la;
	unsigned int access;
	unsigned int own;
	const u8 *insn;
	unsigned int insn_len;
	bool doorbell;
};

/**
 * enum hv_reg - registers that are cached in struct hv_vcpu_x86
 *
 * The first 16 are numbered as in ModRM (SDM 2A 2.1.5) and saved by the entry
 * code, except RSP, which with the rest is held by the backend and read on demand.
 */
enum hv_reg {
	HV_REG_RAX, HV_REG_RCX, HV_REG_RDX, HV_REG_RBX,
	HV_REG_RSP, HV_REG_RBP, HV_REG_RSI, HV_REG_RDI,
	HV_REG_R8, HV_REG_R9, HV_REG_R10, HV_REG_R11,
	HV_REG_R12, HV_REG_R13, HV_REG_R14, HV_REG_R15,
	HV_REG_RIP,
	HV_NR_REGS,
	HV_REG_RFLAGS = HV_NR_REGS,
	HV_REG_CR0,
	HV_REG_CR3,
	HV_REG_CR4,
	HV_REG_DR7,		/* and DR6; only asked for while debug_regs_live */
	HV_REG_SEGS,		/* backend's own segment cache */
	HV_REG_EXIT_INFO,	/* backend's own: exit qualification etc. */
	HV_REG_LAST,
};

/*
 * As the segment registers are numbered in instructions (SDM 2A 2.1.5), then two more;
 * behind them what has a base and a limit only.
 */
enum hv_seg {
	HV_SEG_ES, HV_SEG_CS, HV_SEG_SS, HV_SEG_DS, HV_SEG_FS, HV_SEG_GS,
	HV_SEG_LDTR, HV_SEG_TR,
	HV_NR_SEGS,
	HV_SEG_GDTR = HV_NR_SEGS, HV_SEG_IDTR,
};

enum hv_event_type {
	HV_EVENT_NONE,
	HV_EVENT_INTR,		/* external interrupt */
	HV_EVENT_NMI,
	HV_EVENT_EXCEPTION,	/* hardware exception; it and what follows: of an instruction */
	HV_EVENT_SOFT_INTR,	/* INT n; re-injection only */
	HV_EVENT_SOFT_EXCEPTION,	/* INT3, INTO: RIP is at the instruction */
	HV_EVENT_PRIV_EXCEPTION,	/* INT1 */
};

/**
 * struct hv_event - something to deliver through the guest's IDT
 * @type: enum hv_event_type
 * @vector: 0..255
 * @has_error: @error is pushed
 * @error: error code
 * @insn_len: length of the instruction, for soft types
 * @has_payload: @payload goes to CR2 (#PF) or DR6 (#DB) at delivery
 * @payload: CR2 or the new DR6 bits
 */
struct hv_event {
	u8 type;
	u8 vector;
	bool has_error;
	bool has_payload;
	u32 error;
	u32 insn_len;
	u64 payload;
};

#define HV_NR_VAR_MTRRS	8

/**
 * struct hv_mtrr_state - MTRRs, kept for the guest to read back: memory types come from EPT
 * @def_type: IA32_MTRR_DEF_TYPE
 * @fixed: the 11 fixed-range registers in the order of their MSR numbers
 * @var: base and mask of 8 variable ranges
 */
struct hv_mtrr_state {
	u64 def_type;
	u64 fixed[11];
	u64 var[HV_NR_VAR_MTRRS * 2];
};

#define HV_NR_MCE_BANKS	32

/**
 * struct hv_pio - a port I/O instruction that userspace completes
 * @count: elements of @size bytes in the page still to be given to the guest (IN)
 * @port, @size, @in, @string, @rep: the access
 * @addr_size, @seg: bytes of an address, and enum hv_seg, of the memory operand (INS, OUTS)
 * @linear_rip: RIP at the exit; RIP advances only if userspace has not moved it
 */
struct hv_pio {
	u32 count;
	u16 port;
	u8 size;
	bool in;
	bool string;
	bool rep;
	u8 addr_size;
	u8 seg;
	u64 linear_rip;
};

/**
 * struct hv_vcpu_x86 - the x86 part of a vCPU; vcpu->mutex unless noted
 * @regs: GPRs and RIP by enum hv_reg
 * @rflags: RFLAGS
 * @regs_avail: bit set: the cached value is valid
 * @regs_dirty: bit set: the backend must write it before entry (RSP, RIP, RFLAGS)
 * @cr0: guest-visible CR0 (bits owned by the guest are stale until cached)
 * @cr2: CR2, switched by the entry path
 * @cr3, @cr4: as @cr0
 * @cr8: TPR when there is no in-kernel LAPIC
 * @efer: IA32_EFER
 * @cr4_reserved: CR4 bits that #GP for this guest, from its CPUID
 * @cr4_guest_owned, @cr0_guest_owned: bits that change without an exit
 * @xcr0: XCR0
 * @supported_xcr0: XCR0 bits that this guest may set, from its CPUID
 * @xss: IA32_XSS
 * @pkru: PKRU, switched by the entry path when CR4.PKE is on
 * @dr: DR0..3
 * @dr6, @dr7: guest's DR6 and DR7
 * @eff_dr, @eff_dr7: DR0..3 and DR7 in effect (guest's, or HV_SET_GUEST_DEBUG's)
 * @guest_debug: HV_GUESTDBG_* of HV_SET_GUEST_DEBUG
 * @guest_debug_dr, @guest_debug_dr7: DR0..3 and DR7 of HV_SET_GUEST_DEBUG
 * @debug_regs_live: the guest owns the debug registers until the next put: no DR exits,
 *	DR0..3 and DR6 are switched around entry
 * @exception: raised during emulation or by the VMM, not yet delivered
 * @injected: interrupted delivery to be redone (from the IDT-vectoring information);
 *	has precedence over everything
 * @bp_len: length of the INT3 that was last reported to the VMM, 1 before
 * @nmi_pending: NMIs waiting, 0..2; atomic (other threads raise them, with HV_REQ_EVENT)
 * @extint: interrupt from HV_INTERRUPT, -1 none
 * @mp_state: HV_MP_STATE_*; other threads look
 * @apic_base: IA32_APIC_BASE
 * @windows: hv_inject_events() has opened a window
 * @lapic: in-kernel LAPIC or NULL
 * @ioapic_eoi: vector for HV_REQ_IOAPIC_EOI
 * @cpuid: table from HV_SET_CPUID2
 * @cpuid_nent: entries in @cpuid
 * @maxphyaddr: guest physical address bits, from @cpuid
 * @has_run: HV_RUN was called: CPUID is frozen
 * @pat, @misc_enable, @hwcr, @mcg_status, @mcg_cap, @mcg_ctl, @mce_banks, @mtrr, @ucode_rev,
 *	@arch_capabilities, @spec_ctrl, @tsc_adjust, @star.. : MSR values
 * @spec_ctrl: IA32_SPEC_CTRL, switched by the entry path
 * @star, @lstar, @cstar, @sfmask, @tsc_aux: SYSCALL and RDTSCP MSRs, loaded lazily
 * @kernel_gs_base: IA32_KERNEL_GS_BASE while not loaded
 * @lazy_stale: lazily switched MSRs must be looked at before the entry
 * @serial: number that no other vCPU ever has, unlike an address; from 1
 * @tsc_offset: guest TSC = host TSC + offset
 * @tsc_khz: guest TSC rate
 * @fpu: guest FPU state, swapped by the host's FPU code
 * @fpu_loaded: @fpu is in the task (inside HV_RUN)
 * @host_xcr0, @host_xss, @host_pkru: host's XCR0, IA32_XSS and PKRU, to put back
 * @xcr_loaded: guest XCR0/XSS are in the processor; preemption off
 * @pio: port I/O in progress
 * @emul: instruction in emulation for MMIO (survives exits to userspace), allocated
 * @code_page: see there, allocated
 * @mmio_page: translations that it has used, as a TLB: it sees each page at one place
 * @mmio_next: entry of @mmio_page that is replaced next
 * @complete: called by the next HV_RUN to finish an exit to userspace
 * @ple_window: TSC cycles that the guest may spin, for the backend (HV_UPDATE_PLE)
 * @pv: paravirtual state
 * @triple_fault: reported once, cleared by HV_SET_VCPU_EVENTS and HV_SET_SREGS
 */
struct hv_vcpu_x86 {
	u64 regs[HV_NR_REGS];
	u64 rflags;
	unsigned long regs_avail;
	unsigned long regs_dirty;
	u64 cr0;
	u64 cr2;
	u64 cr3;
	u64 cr4;
	u64 cr8;
	u64 efer;
	u64 cr4_reserved;
	u64 cr0_guest_owned;
	u64 cr4_guest_owned;
	u64 xcr0;
	u64 supported_xcr0;
	u64 xss;
	u32 pkru;
	u32 host_pkru;
	u64 dr[4];
	u64 dr6;
	u64 dr7;
	u64 eff_dr[4];
	u64 eff_dr7;
	u32 guest_debug;
	u64 guest_debug_dr[4];
	u64 guest_debug_dr7;
	bool debug_regs_live;
	struct hv_event exception;
	struct hv_event injected;
	u32 bp_len;
	atomic_t nmi_pending;
	int extint;
	u32 mp_state;
	u64 apic_base;
	bool windows;
	struct hv_lapic *lapic;
	u8 ioapic_eoi;
	struct hv_cpuid_entry2 *cpuid;
	unsigned int cpuid_nent;
	unsigned int maxphyaddr;
	bool has_run;
	u64 pat;
	u64 misc_enable;
	u64 hwcr;
	u64 mcg_cap;
	u64 mcg_ctl;
	u64 mcg_status;
	u64 mce_banks[HV_NR_MCE_BANKS * 4];
	struct hv_mtrr_state mtrr;
	u64 ucode_rev;
	u64 arch_capabilities;
	u64 spec_ctrl;
	u64 tsc_adjust;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 tsc_aux;
	u64 kernel_gs_base;
	bool lazy_stale;
	u64 serial;
	u64 tsc_offset;
	u32 tsc_khz;
	struct fpu_guest *fpu;
	bool fpu_loaded;
	u64 host_xcr0;
	u64 host_xss;
	bool xcr_loaded;
	struct hv_pio pio;
	struct hv_emul *emul;
	struct hv_code_page *code_page;
	struct hv_mmio_page mmio_page[HV_NR_MMIO_PAGES];
	unsigned int mmio_next;
	int (*complete)(struct hv_vcpu *vcpu);
	u32 ple_window;
	struct hv_pv_vcpu pv;
	bool triple_fault;
};

/* ---- src/x86/regs.c; see also hv/regs.h ---- */
void hv_set_rflags(struct hv_vcpu *vcpu, u64 val);
unsigned int hv_cpl(struct hv_vcpu *vcpu);
unsigned int hv_cpl_unsafe(struct hv_vcpu *vcpu);
u64 hv_linear_rip(struct hv_vcpu *vcpu);
/* An exited instruction is done: skip it, single-step trap included; as handle_exit */
int hv_skip(struct hv_vcpu *vcpu);
bool hv_canonical(struct hv_vcpu *vcpu, u64 addr);
/* Architectural reset of all x86 state; init: by INIT, else power-up (SDM 3A 10.1.1) */
void hv_x86_vcpu_reset(struct hv_vcpu *vcpu, bool init);
int hv_x86_vcpu_create(struct hv_vcpu *vcpu);
void hv_x86_vcpu_destroy(struct hv_vcpu *vcpu);
int hv_x86_vm_create(struct hv_vm *vm);
void hv_x86_vm_destroy(struct hv_vm *vm);
int hv_x86_init(void);
void hv_x86_exit(void);

/* ---- src/x86/cr.c: 0, or 1 = #GP to be raised by the caller ---- */
int hv_set_cr0(struct hv_vcpu *vcpu, u64 val);
int hv_set_cr3(struct hv_vcpu *vcpu, u64 val);
int hv_set_cr4(struct hv_vcpu *vcpu, u64 val);
int hv_set_cr8(struct hv_vcpu *vcpu, u64 val);
u64 hv_get_cr8(struct hv_vcpu *vcpu);
int hv_set_efer(struct hv_vcpu *vcpu, u64 val, bool host);
int hv_set_xcr0(struct hv_vcpu *vcpu, u64 val);
int hv_emulate_mov_to_cr(struct hv_vcpu *vcpu, int cr, enum hv_reg gpr);
int hv_emulate_mov_from_cr(struct hv_vcpu *vcpu, int cr, enum hv_reg gpr);
int hv_emulate_clts(struct hv_vcpu *vcpu);
int hv_emulate_lmsw(struct hv_vcpu *vcpu, u16 msw);
int hv_emulate_lmsw_insn(struct hv_vcpu *vcpu, const struct hv_insn *insn);
int hv_emulate_smsw(struct hv_vcpu *vcpu, const struct hv_insn *insn);
int hv_emulate_xsetbv(struct hv_vcpu *vcpu);

/* ---- src/x86/debugreg.c ---- */
int hv_emulate_mov_dr(struct hv_vcpu *vcpu, int dr, enum hv_reg gpr, bool to_dr);
void hv_update_debugregs(struct hv_vcpu *vcpu);
/* Around entry, interrupts off: DR0..3 and DR6; DR7 is the backend's */
void hv_debugregs_enter(struct hv_vcpu *vcpu);
void hv_debugregs_exit(struct hv_vcpu *vcpu);
int hv_handle_db(struct hv_vcpu *vcpu, u64 dr6_bits);
int hv_handle_icebp(struct hv_vcpu *vcpu);	/* #DB by INT1 */
int hv_handle_bp(struct hv_vcpu *vcpu, u32 insn_len);
int hv_handle_ac(struct hv_vcpu *vcpu, u32 error);	/* #AC: perhaps a split lock */

/* ---- src/x86/event.c: exceptions and their merging (SDM 3A 6.15, table 6-5) ---- */
void hv_queue_event(struct hv_vcpu *vcpu, const struct hv_event *ev);
void hv_queue_exception(struct hv_vcpu *vcpu, u8 vector);
void hv_queue_exception_e(struct hv_vcpu *vcpu, u8 vector, u32 error);
void hv_queue_exception_p(struct hv_vcpu *vcpu, u8 vector, u64 payload);
void hv_queue_page_fault(struct hv_vcpu *vcpu, u64 addr, u32 error);
static inline void hv_queue_ud(struct hv_vcpu *vcpu) { hv_queue_exception(vcpu, 6); }
static inline void hv_queue_gp(struct hv_vcpu *vcpu) { hv_queue_exception_e(vcpu, 13, 0); }
void hv_triple_fault(struct hv_vcpu *vcpu);
void hv_queue_nmi(struct hv_vcpu *vcpu);
/*
 * Called by the run loop with interrupts off after the last check of requests:
 * gives at most one event to the backend and opens the windows for the rest.
 */
void hv_inject_events(struct hv_vcpu *vcpu);
/* An INIT or SIPI, or any event that ends HLT, is there. */
bool hv_vcpu_runnable(struct hv_vcpu *vcpu);
bool hv_vcpu_has_events(struct hv_vcpu *vcpu);
/* It is runnable: HALTED ends */
void hv_vcpu_resume_halted(struct hv_vcpu *vcpu);
/* No PIC in the kernel: HV_INTERRUPT would be delivered at once */
bool hv_ready_for_user_irq(struct hv_vcpu *vcpu);
bool hv_interrupt_allowed(struct hv_vcpu *vcpu);
bool hv_nmi_allowed(struct hv_vcpu *vcpu);
/* HLT: 1 with mp_state HALTED (LAPIC in kernel), or exit to userspace without. */
int hv_emulate_hlt(struct hv_vcpu *vcpu);
/* Fill run->if_flag, cr8, apic_base, ready_for_interrupt_injection, flags. */
void hv_update_run_page(struct hv_vcpu *vcpu);

/* ---- src/x86/cpuid.c ---- */
int hv_emulate_cpuid(struct hv_vcpu *vcpu);
const struct hv_cpuid_entry2 *hv_cpuid_find(struct hv_vcpu *vcpu, u32 func, u32 index);
/* A feature bit in the guest's table; @reg: 0 EAX .. 3 EDX */
bool hv_cpuid_has(struct hv_vcpu *vcpu, u32 func, u32 index, int reg, unsigned int bit);
void hv_cpuid_changed(struct hv_vcpu *vcpu);
void hv_cpuid_hide(u32 func, u32 index, int reg, unsigned int bit);

/* ---- src/x86/msr.c: 0, 1 = #GP, -errno; host: from the VMM, fewer checks ---- */
int hv_get_msr(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host);
int hv_set_msr(struct hv_vcpu *vcpu, u32 index, u64 val, bool host);
int hv_emulate_rdmsr(struct hv_vcpu *vcpu);
int hv_emulate_wrmsr(struct hv_vcpu *vcpu);

/* ---- src/x86/tsc.c ---- */
u64 hv_guest_tsc(struct hv_vcpu *vcpu, u64 host_tsc);
void hv_write_tsc(struct hv_vcpu *vcpu, u64 val, bool host);
void hv_tsc_refresh(struct hv_vcpu *vcpu);

/* ---- src/x86/switch.c: what backends switch lazily or outside of the control structures ---- */
#define HV_MAX_LAZY_MSRS	4

/**
 * struct hv_lazy_msr - MSR that the kernel does not use while in the kernel
 * @index: MSR
 * @offset: of the guest's value in struct hv_vcpu_x86
 */
struct hv_lazy_msr {
	u32 index;
	u32 offset;
};

void hv_lazy_msrs_setup(const struct hv_lazy_msr *msrs, unsigned int nr);
void hv_lazy_msrs_init(void);
void hv_lazy_msrs_load(struct hv_vcpu *vcpu);
void hv_lazy_msrs_restore(void);
void hv_switch_load(struct hv_vcpu *vcpu);

/**
 * struct hv_spec_ctrl - IA32_SPEC_CTRL around the entry; entry.S knows the offsets
 * @guest: the guest's value
 * @present: the MSR exists and is switched
 * @live: the guest may write it without an exit
 * @kernel_ibrs: the host's value must be written at each exit
 */
struct hv_spec_ctrl {
	u64 guest;
	bool present;
	bool live;
	bool kernel_ibrs;
};

u64 hv_spec_ctrl_bits(void);
void hv_restore_spec_ctrl(struct hv_spec_ctrl *sc);	/* noinstr */

/*
 * ---- src/x86/fpu.c ----
 *
 * Backends call these around the entry, interrupts off: the guest's XCR0, XSS, PKRU
 * and debug registers in, the host's back.
 */
void hv_guest_state_enter(struct hv_vcpu *vcpu);
void hv_guest_state_exit(struct hv_vcpu *vcpu);
int hv_fpu_create(struct hv_vcpu *vcpu);
void hv_fpu_destroy(struct hv_vcpu *vcpu);
void hv_fpu_load(struct hv_vcpu *vcpu);		/* HV_RUN begins; may sleep */
void hv_fpu_put(struct hv_vcpu *vcpu);		/* HV_RUN ends */
void hv_fpu_reset(struct hv_vcpu *vcpu, bool init);
/* XMM register of the guest, for MMIO emulation; @len 16 or 32 */
void hv_read_xmm(struct hv_vcpu *vcpu, int reg, void *data, unsigned int len);
void hv_write_xmm(struct hv_vcpu *vcpu, int reg, const void *data, unsigned int len);

/* ---- src/x86/gpt.c: the guest's own page tables ---- */
/*
 * Translate a linear address with the vCPU's current paging mode.
 * @access: HV_ACC_*; @user: as CPL 3. Returns 0, or 1 with *ev the #PF to inject, or -errno.
 */
int hv_translate(struct hv_vcpu *vcpu, u64 gva, unsigned int access, bool user,
		 u64 *gpa, struct hv_event *ev);
/* Read or write guest linear memory, page by page; same return values. */
int hv_read_linear(struct hv_vcpu *vcpu, u64 gva, void *data, unsigned int len,
		   unsigned int access, bool user, struct hv_event *ev);
int hv_write_linear(struct hv_vcpu *vcpu, u64 gva, const void *data, unsigned int len,
		    bool user, struct hv_event *ev);

/* ---- src/x86/pio.c ---- */
int hv_emulate_pio(struct hv_vcpu *vcpu, u16 port, unsigned int size, bool in);
int hv_emulate_string_pio(struct hv_vcpu *vcpu, u16 port, unsigned int size, bool in,
			  bool rep, unsigned int addr_size, enum hv_seg seg);

/* ---- src/x86/mmio.c: an access that no memory slot backs ---- */
int hv_emulate_mmio(struct hv_vcpu *vcpu, struct hv_mmio_exit *exit);

/* ---- src/x86/fetch.c: the instruction at RIP ---- */
/* false: *r is what handle_exit is to return instead */
bool hv_fetch_insn(struct hv_vcpu *vcpu, struct hv_insn *insn, int *r);

/* ---- src/x86/hypercall.c ---- */
int hv_emulate_hypercall(struct hv_vcpu *vcpu);

/* ---- src/x86/ple.c: pause-loop exiting ---- */
u32 hv_ple_gap(void);
int hv_emulate_pause(struct hv_vcpu *vcpu);
void hv_ple_sched_in(struct hv_vcpu *vcpu);	/* preemption off */
void hv_ple_reset(struct hv_vcpu *vcpu);

/* ---- src/x86/misc.c: INVD/WBINVD, MONITOR/MWAIT, task switch ---- */
int hv_emulate_invd(struct hv_vcpu *vcpu);
int hv_emulate_nop(struct hv_vcpu *vcpu);	/* skip: WBINVD, MWAIT, ... */
int hv_emulate_ud(struct hv_vcpu *vcpu);
/* Internal-error exit (HV_INTERNAL_ERROR_EMULATION) with the bytes at RIP, if readable */
int hv_emulation_failure(struct hv_vcpu *vcpu);
int hv_internal_error(struct hv_vcpu *vcpu, u32 suberror, const u64 *data, unsigned int ndata);

/* ---- src/x86/ioctl.c: tables of the x86 calls, searched by src/core/ioctl.c ---- */
struct hv_ioctl_table;
extern const struct hv_ioctl_table hv_x86_sys_ioctls;
extern const struct hv_ioctl_table hv_x86_vm_ioctls;
extern const struct hv_ioctl_table hv_x86_vcpu_ioctls;
long hv_x86_check_extension(u32 cap);

#endif
