/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Execution of one decoded instruction whose memory operand no memory slot backs.
 *
 * Pure C over callbacks. The instruction runs on a copy of the registers and commits
 * only when all of it is done. A memory access that needs userspace abandons it; after
 * userspace has answered, the instruction is run again from its start, and accesses that
 * are complete are replayed from a log. So there is no state "in the middle" of an
 * instruction, and each MMIO access happens exactly once.
 *
 * How a caller uses it:
 *
 * 1. First time: hv_emul_init(), fill in @cpu, hv_insn_decode() into @insn.
 * 2. hv_emul_step():
 *    - %HV_EMUL_DONE: write @cpu's registers, RIP and RFLAGS back. Interrupt shadow and the
 *      #DB of RFLAGS.TF are the caller's.
 *    - %HV_EMUL_AGAIN: an iteration of a REP instruction is done, RIP still points at it.
 *      Look for signals and events (write @cpu back before taking one), then step again, or
 *      just enter the guest: it will come back.
 *    - %HV_EMUL_USERSPACE: hv_emul_pending() is the access to give to userspace. @cpu has
 *      not changed since the last DONE or AGAIN. When the answer is there:
 *      hv_emul_complete(), then step again.
 *    - %HV_EMUL_FAULT: write @cpu back (earlier iterations of REP), inject @fault.
 *    - %HV_EMUL_UNHANDLED: internal error exit with the instruction's bytes.
 *
 * What a read or write callback does: translate the linear address (one or two pages) with
 * the access rights of the flags; on failure fill in @fault and return %HV_EMUL_FAULT before
 * anything is accessed; then for each piece of at most 8 bytes inside a page: access memory,
 * or for MMIO call hv_emul_mmio() and return its value if it is not %HV_EMUL_OK. A device
 * in the kernel is served thus:
 *
 *	rc = hv_emul_mmio(e, gpa, p, n, write);
 *	if (rc == HV_EMUL_USERSPACE && in_kernel_device(gpa, n, p, write)) {
 *		hv_emul_complete(e, p);
 *		rc = HV_EMUL_OK;
 *	}
 */
#ifndef HV_EMULATE_H
#define HV_EMULATE_H

#include <hv/decode.h>

struct hv_emul;

/**
 * enum hv_emul_rc - result of a step and of the callbacks
 * @HV_EMUL_OK: callbacks only: access done
 * @HV_EMUL_DONE: the instruction has retired
 * @HV_EMUL_AGAIN: one iteration of a REP instruction has retired
 * @HV_EMUL_USERSPACE: an MMIO access waits for userspace
 * @HV_EMUL_FAULT: an exception is to be injected
 * @HV_EMUL_UNHANDLED: cannot be emulated
 */
enum hv_emul_rc {
	HV_EMUL_OK,
	HV_EMUL_DONE,
	HV_EMUL_AGAIN,
	HV_EMUL_USERSPACE,
	HV_EMUL_FAULT,
	HV_EMUL_UNHANDLED,
};

/*
 * Flags of an access.
 * HV_EMUL_RMW: on a read: it will be followed by a write of the same bytes, so write
 *	permission is checked (and faulted on) already now
 * HV_EMUL_LOCKED: part of a locked read-modify-write. MMIO has no atomicity; memory that is
 *	reached this way is accessed in two steps too
 */
#define HV_EMUL_RMW	BIT(0)
#define HV_EMUL_LOCKED	BIT(1)

/**
 * struct hv_emul_ops - what the emulation needs from the outside
 * @read: read @len bytes (1..32) at the linear address @la into @data. The range does not
 *	wrap around the end of the address space. Returns OK, USERSPACE, FAULT or UNHANDLED
 * @write: the same for a write
 * @get_vec: copy the low @len bytes (16 or 32) of vector register @reg to @data
 * @set_vec: write the low @len bytes. With 16 the rest of the register stays (legacy SSE),
 *	with 32 everything above is zeroed too (VEX)
 */
struct hv_emul_ops {
	enum hv_emul_rc (*read)(struct hv_emul *e, u64 la, void *data, unsigned int len,
				unsigned int flags);
	enum hv_emul_rc (*write)(struct hv_emul *e, u64 la, const void *data, unsigned int len,
				 unsigned int flags);
	void (*get_vec)(struct hv_emul *e, unsigned int reg, void *data, unsigned int len);
	void (*set_vec)(struct hv_emul *e, unsigned int reg, const void *data,
			unsigned int len);
};

/**
 * struct hv_emul_seg - what the emulation needs to know of a segment register
 * @base: base address
 * @limit: limit in bytes (granularity applied)
 * @type: 4-bit type of the descriptor; looked at in protected mode only
 * @db: D/B flag (upper bound of expand-down segments, stack size)
 * @unusable: null selector
 */
struct hv_emul_seg {
	u64 base;
	u32 limit;
	u8 type;
	bool db;
	bool unusable;
};

/**
 * struct hv_emul_cpu - registers before and, once it is committed, after the instruction
 * @gpr: in the order of ModRM: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. Updated
 * @rip: of the instruction; updated
 * @rflags: updated (status flags; RF is cleared)
 * @cr0: only PE, EM, TS and AM are looked at
 * @cr4: only OSFXSR, OSXSAVE and LA57 are looked at
 * @xcr0: looked at for VEX instructions
 * @seg: by enum hv_insn_seg
 * @cpl: current privilege level (for alignment checks; paging is the callbacks' concern)
 */
struct hv_emul_cpu {
	u64 gpr[16];
	u64 rip;
	u64 rflags;
	u64 cr0;
	u64 cr4;
	u64 xcr0;
	struct hv_emul_seg seg[HV_INSN_NR_SEGS];
	u8 cpl;
};

/**
 * struct hv_emul_fault - exception to inject
 * @cr2: for #PF (vector 14)
 * @error: error code
 * @vector: exception vector
 * @has_error: there is an error code. Never set for faults raised in real mode
 */
struct hv_emul_fault {
	u64 cr2;
	u32 error;
	u8 vector;
	bool has_error;
};

/**
 * struct hv_emul_frag - one MMIO access of at most 8 bytes inside a page
 * @gpa: guest physical address
 * @data: bytes to write, or that were read
 * @len: 1..8
 * @write: direction
 * @done: complete: replayed when the instruction is run again
 */
struct hv_emul_frag {
	u64 gpa;
	u8 data[8];
	u8 len;
	bool write;
	bool done;
};

/* A 32-byte access over a page boundary is 5 fragments, a locked 16-byte one 3 + 3 */
#define HV_EMUL_MAX_FRAGS	8

/**
 * struct hv_emul - one instruction in emulation
 * @insn: the caller decodes into it
 * @cpu: registers; see there
 * @ops: callbacks
 * @opaque: for the callbacks
 * @fault: valid after %HV_EMUL_FAULT
 * @log: MMIO accesses of this run in their order; private
 * @nr_log: valid entries in @log; private
 * @cursor: next entry to replay; private
 */
struct hv_emul {
	struct hv_insn insn;
	struct hv_emul_cpu cpu;
	const struct hv_emul_ops *ops;
	void *opaque;
	struct hv_emul_fault fault;
	struct hv_emul_frag log[HV_EMUL_MAX_FRAGS];
	u8 nr_log;
	u8 cursor;
};

/**
 * hv_emul_init() - begin with a new instruction
 * @e: zeroed, then @ops and @opaque are set; the caller fills in @cpu and @insn
 * @ops: callbacks
 * @opaque: for the callbacks
 */
void hv_emul_init(struct hv_emul *e, const struct hv_emul_ops *ops, void *opaque);

/**
 * hv_emul_step() - run the instruction, or one iteration of it, as far as possible
 * @e: with a decoded @insn (result %HV_DECODE_OK) and valid @cpu
 *
 * Context: whatever the callbacks need.
 *
 * Return: see the top of this file; never %HV_EMUL_OK.
 */
enum hv_emul_rc hv_emul_step(struct hv_emul *e);

/**
 * hv_emul_mmio() - for the callbacks: make or replay an MMIO access
 * @e: the emulation
 * @gpa: guest physical address
 * @data: bytes to write, or room for the bytes read
 * @len: 1..8, not crossing a page
 * @write: direction
 *
 * If the translation has changed between two runs so that the access does not match the log,
 * the rest of the log is dropped.
 *
 * Return: %HV_EMUL_OK: it was done in an earlier run, @data is filled in.
 * %HV_EMUL_USERSPACE: it is now hv_emul_pending(). %HV_EMUL_UNHANDLED: too many or too
 * long.
 */
enum hv_emul_rc hv_emul_mmio(struct hv_emul *e, u64 gpa, void *data, unsigned int len,
			     bool write);

/**
 * hv_emul_pending() - the access that waits
 * @e: the emulation
 *
 * Return: it, or NULL if none does.
 */
const struct hv_emul_frag *hv_emul_pending(const struct hv_emul *e);

/**
 * hv_emul_complete() - userspace or a device in the kernel has done the pending access
 * @e: the emulation
 * @data: the bytes read, as many as the fragment's @len; not looked at for a write. May be
 *	NULL then
 */
void hv_emul_complete(struct hv_emul *e, const void *data);

#endif
