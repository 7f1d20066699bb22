/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC of a vCPU, for the files of src/irq.
 *
 * Who may write what: any context sets bits in posted, held, TMR, errors and events, and reads
 * TPR and the fields of struct apic_addr, lvt and svr (READ_ONCE; each is one word). All else
 * belongs to the vCPU's own thread, or to a call that holds vcpu->mutex; while the guest runs,
 * regs belongs to the processor. So no lock is needed, and a sender in a hard interrupt never
 * waits for the vCPU.
 */
#ifndef HV_LAPIC_PRIVATE_H
#define HV_LAPIC_PRIVATE_H

#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <linux/types.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <hv/irq.h>
#include <hv/post.h>
#include <hv/vcpu.h>
#include "apic_logic.h"

/* Register offsets / 16 = MSR number - 0x800 (SDM 3A tables 11-1 and 11-6) */
enum apic_reg {
	APIC_R_ID = 0x02,
	APIC_R_VERSION = 0x03,
	APIC_R_TPR = 0x08,
	APIC_R_PPR = 0x0a,
	APIC_R_EOI = 0x0b,
	APIC_R_LDR = 0x0d,
	APIC_R_DFR = 0x0e,
	APIC_R_SVR = 0x0f,
	APIC_R_ISR = 0x10,
	APIC_R_TMR = 0x18,
	APIC_R_IRR = 0x20,
	APIC_R_ESR = 0x28,
	APIC_R_ICR = 0x30,
	APIC_R_ICR2 = 0x31,
	APIC_R_LVT_TIMER = 0x32,
	APIC_R_LVT_THERMAL = 0x33,
	APIC_R_LVT_PERF = 0x34,
	APIC_R_LVT_LINT0 = 0x35,
	APIC_R_LVT_LINT1 = 0x36,
	APIC_R_LVT_ERROR = 0x37,
	APIC_R_TMICT = 0x38,
	APIC_R_TMCCT = 0x39,
	APIC_R_DCR = 0x3e,
	APIC_R_SELF_IPI = 0x3f,
	APIC_NR_REGS = 0x40,
};

#define APIC_NR_LVT		6
#define APIC_LVT(reg)		((reg) - APIC_R_LVT_TIMER)

#define APIC_SVR_ENABLE		BIT(8)
#define APIC_LVT_MASK		BIT(16)
#define APIC_LVT_MODE(lvt)	((lvt) >> 8 & 7)

/* LVT timer bits 18:17 (SDM 3A 11.5.4, figure 11-8) */
enum apic_timer_mode {
	APIC_TIMER_ONESHOT,
	APIC_TIMER_PERIODIC,
	APIC_TIMER_DEADLINE,
	APIC_TIMER_RESERVED,
};

#define APIC_TIMER_MODE(lvt)	((lvt) >> 17 & 3)

/* Bits of the error status register (SDM 3A 11.5.3) */
#define APIC_ESR_SEND_VECTOR	5
#define APIC_ESR_RECV_VECTOR	6
#define APIC_ESR_REGISTER	7

/* Bits of hv_lapic.events */
#define APIC_EVENT_INIT		0
#define APIC_EVENT_SIPI		1

/**
 * struct hv_lapic_timer - the timer
 * @timer: host timer; its callback only counts and asks
 * @processor: the processor can end the guest at a host TSC: the host timer is used only
 *	while the vCPU sleeps
 * @asleep: it does
 * @armed: @target_tsc is awaited, the host timer is not running
 * @target: next expiry, ns of CLOCK_MONOTONIC; while the host timer runs it knows better
 * @target_tsc: the same as host TSC, or earlier if that is far away
 * @due: expiry that is to be posted, ns
 * @expired: expiries that are not posted yet; atomic
 * @start: when the count was loaded, ns of CLOCK_MONOTONIC
 * @initial: initial count, 0: stopped
 * @dcr: divide configuration
 * @period: ns between two callbacks, 0: one only; fixed while @timer runs
 * @deadline: IA32_TSC_DEADLINE, 0: not armed
 */
struct hv_lapic_timer {
	struct hrtimer timer;
	bool processor;
	bool asleep;
	bool armed;
	u64 target;
	u64 target_tsc;
	u64 due;
	atomic_t expired;
	u64 start;
	u32 initial;
	u32 dcr;
	u64 period;
	u64 deadline;
};

/**
 * struct hv_lapic_posts - interrupts of devices that the IOMMU posts to a LAPIC
 * @lock: guards @list, and whether its members are posted
 * @list: of struct hv_post, by @mine
 * @asleep: the vCPU sleeps or is about to: nothing may be posted; written by its own thread
 */
struct hv_lapic_posts {
	struct mutex lock;		/* guards the list and its members */
	struct list_head list;
	bool asleep;
};

/**
 * struct hv_lapic - local APIC
 * @posted: interrupts that nobody has taken over yet
 * @vcpu: its vCPU
 * @regs: page of registers as the guest sees it. TPR, ISR, TMR, IRR, ESR and ICR are nowhere
 *	else; of the others it has a copy; PPR and the current count are computed when read
 * @virtual: the processor delivers and takes EOIs by itself while the guest runs
 * @status_stale: IRR or ISR was changed by software
 * @tmr_changed: @eoi_exits may have bits that TMR has not, or lack some
 * @eoi_stale: @eoi_exits has changed
 * @eoi_exits: vectors whose EOI exits, if @virtual: those in TMR at least, when they are
 *	posted; changed by the vCPU's thread, senders look
 * @held: level-triggered interrupts that must not be posted before @eoi_exits has them
 * @holding: bit 0: there is something in @held
 * @addr: what destinations are compared with
 * @svr: spurious interrupt vector register
 * @lvt: local vector table, by APIC_LVT()
 * @errors: errors since the last write of ESR
 * @events: APIC_EVENT_* that the vCPU has not looked at
 * @sipi_vector: of the last SIPI
 * @arbitrations: lowest-priority interrupts taken: the one with fewer is next
 * @timer: timer
 * @iommu_posts: the backend keeps @posted as an IOMMU wants it (NV, NDST, SN)
 * @posts: what an IOMMU posts to it
 */
struct hv_lapic {
	struct hv_posted posted;
	struct hv_vcpu *vcpu;
	u8 *regs;
	bool virtual;
	bool status_stale;
	bool tmr_changed;
	bool eoi_stale;
	unsigned long eoi_exits[4];
	unsigned long held[4];
	unsigned long holding;
	struct apic_addr addr;
	u32 svr;
	u32 lvt[APIC_NR_LVT];
	unsigned long errors;
	unsigned long events;
	u8 sipi_vector;
	u32 arbitrations;
	struct hv_lapic_timer timer;
	bool iommu_posts;
	struct hv_lapic_posts posts;
};

static inline u32 *apic_reg(const struct hv_lapic *apic, unsigned int reg)
{
	return (u32 *)(apic->regs + reg * 16);
}

/* Bit of a vector in ISR, TMR or IRR; @reg is the first of the eight registers. */
static inline unsigned long *apic_vector_reg(const struct hv_lapic *apic, unsigned int reg,
					     unsigned int vector)
{
	return (unsigned long *)apic_reg(apic, reg + vector / 32);
}

static inline bool apic_test_vector(const struct hv_lapic *apic, unsigned int reg,
				    unsigned int vector)
{
	return test_bit(vector % 32, apic_vector_reg(apic, reg, vector));
}

static inline void apic_set_vector(struct hv_lapic *apic, unsigned int reg, unsigned int vector)
{
	set_bit(vector % 32, apic_vector_reg(apic, reg, vector));
}

static inline void apic_clear_vector(struct hv_lapic *apic, unsigned int reg,
				     unsigned int vector)
{
	clear_bit(vector % 32, apic_vector_reg(apic, reg, vector));
}

static inline bool apic_hw_enabled(const struct hv_lapic *apic)
{
	return READ_ONCE(apic->addr.mode) != APIC_DISABLED;
}

static inline bool apic_sw_enabled(const struct hv_lapic *apic)
{
	return READ_ONCE(apic->svr) & APIC_SVR_ENABLE;
}

static inline bool apic_x2apic(const struct hv_lapic *apic)
{
	return READ_ONCE(apic->addr.mode) == APIC_X2APIC;
}

/* apic_dest.c */
struct hv_lapic *hv_msi_target(struct hv_vm *vm, const struct hv_msi_route *route, u8 *vector);

/* lapic_post.c */
int hv_lapic_post(struct hv_lapic *apic, u8 vector, bool level);
void hv_lapic_sync(struct hv_lapic *apic);
void hv_lapic_sync_all(struct hv_lapic *apic);
void hv_lapic_forget_posted(struct hv_lapic *apic);

/* lapic.c */
void hv_lapic_error(struct hv_lapic *apic, unsigned int bit);
/* Accept a message; 1 taken, 0 was pending already, -1 ignored. Any context. */
int hv_lapic_receive(struct hv_lapic *apic, const struct hv_apic_msg *msg);
void hv_lapic_deliver_lvt(struct hv_lapic *apic, unsigned int entry);
bool hv_lapic_mmio(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write);

/* ioapic.c */
bool hv_ioapic_mmio(struct hv_vm *vm, u64 gpa, unsigned int len, void *data, bool write);

/* The PIT's interrupt */
#define HV_PIT_GSI	0

/* Somebody waits for the end of interrupts; any context */
static inline bool hv_irq_acks_wanted(struct hv_vm *vm)
{
	return vm->pit || hv_irqfd_resamples(vm);
}

/* irqfd.c */
long hv_irqfd_call(struct hv_vm *vm, void *data, unsigned long arg);
void hv_irqfds_rerouted(struct hv_vm *vm);

/* ioeventfd.c */
long hv_ioeventfd_call(struct hv_vm *vm, void *data, unsigned long arg);

/* routing.c */
bool hv_routing_msi(struct hv_vm *vm, u32 gsi, struct hv_msi_route *msi);
int hv_routing_set(struct hv_vm *vm, const struct hv_irq_routing_entry *entries,
		   unsigned int nr);

/* lapic_timer.c: own thread or vcpu->mutex */
void hv_lapic_timer_init(struct hv_lapic *apic);
void hv_lapic_timer_stop(struct hv_lapic *apic);
void hv_lapic_timer_flush(struct hv_lapic *apic);
u32 hv_lapic_timer_count(struct hv_lapic *apic);
void hv_lapic_timer_set_count(struct hv_lapic *apic, u32 initial, u32 current_count);
void hv_lapic_timer_set_dcr(struct hv_lapic *apic, u32 dcr);
void hv_lapic_timer_set_mode(struct hv_lapic *apic, u32 lvt);

#endif
