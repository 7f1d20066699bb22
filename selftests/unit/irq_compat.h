/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of the kernel and of hv as src/irq needs, with a clock that the test moves. Comes
 * before everything else (-include), in place of the headers that the Makefile makes empty.
 */
#ifndef IRQ_COMPAT_H
#define IRQ_COMPAT_H

#include <errno.h>
#include "kernel_compat.h"

typedef __s32 s32;

/* ---- bits, atomics, locks: one thread ---- */

#define __releases(lock)
#define PAGE_SIZE		4096ul
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define BUILD_BUG_ON(c)		_Static_assert(!(c), #c)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define __aligned(n)		__attribute__((aligned(n)))
#define fallthrough		__attribute__((fallthrough))
#define unlikely(x)		(x)
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define U32_MAX			0xffffffffu
#define max(a, b)		((a) > (b) ? (a) : (b))
#define max_t(t, a, b)		((t)(a) > (t)(b) ? (t)(a) : (t)(b))
#define smp_mb()		((void)0)
#define smp_wmb()		((void)0)
#define smp_mb()		((void)0)
#define smp_mb__after_atomic()	((void)0)
#define smp_load_acquire(p)	(*(p))
#define smp_store_release(p, v)	(*(p) = (v))
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define kzalloc(size, gfp)	calloc(1, size)
#define kfree(p)		free(p)
/* Pages of this test are not counted. */
#define get_zeroed_page(gfp)	\
	((unsigned long)memset(aligned_alloc(PAGE_SIZE, PAGE_SIZE), 0, PAGE_SIZE))
#define free_page(p)		free((void *)(p))
#define hweight32(x)		((unsigned int)__builtin_popcount(x))
#define preempt_disable()	((void)0)
#define preempt_enable()	((void)0)

static inline bool test_bit(unsigned int n, const unsigned long *map)
{
	return map[n / 64] >> n % 64 & 1;
}

static inline void set_bit(unsigned int n, unsigned long *map)
{
	map[n / 64] |= 1ul << n % 64;
}

static inline void clear_bit(unsigned int n, unsigned long *map)
{
	map[n / 64] &= ~(1ul << n % 64);
}

static inline bool test_and_set_bit(unsigned int n, unsigned long *map)
{
	bool was = test_bit(n, map);

	set_bit(n, map);
	return was;
}

static inline bool test_and_clear_bit(unsigned int n, unsigned long *map)
{
	bool was = test_bit(n, map);

	clear_bit(n, map);
	return was;
}

#define __set_bit		set_bit
#define __clear_bit		clear_bit

#define for_each_set_bit(bit, map, size)					\
	for ((bit) = 0; (bit) < (size); (bit)++)				\
		if (test_bit(bit, map))

typedef struct {
	int counter;
} atomic_t;

#define atomic_set(a, v)	((a)->counter = (v))
#define atomic_xchg(a, v)	xchg(&(a)->counter, v)

typedef struct {
	bool held;
} raw_spinlock_t;

struct mutex {
	bool held;
};

struct list_head {
	struct list_head *next;
};

#define INIT_LIST_HEAD(l)	((l)->next = (l))
#define mutex_init(l)	((l)->held = false)
#define mutex_lock(l)	((l)->held ? abort() : (void)((l)->held = true))
#define mutex_unlock(l)	((l)->held = false)
#define raw_spin_lock_init(l)			((l)->held = false)
/* Taken twice: a deadlock in the kernel */
#define raw_spin_lock_irqsave(l, f)	((f) = (l)->held ? (abort(), 0) : ((l)->held = true))
#define raw_spin_unlock_irqrestore(l, f)	((void)(f), (l)->held = false)
#define local_irq_save(f)			((f) = 0)
#define local_irq_restore(f)			((void)(f))

/* ---- time ---- */

typedef s64 ktime_t;

extern s64 now_ns;

#define ktime_to_ns(t)		((s64)(t))
#define fls64(x)		((x) ? 64 - __builtin_clzll(x) : 0)
#define HV_STATS_LOG_BUCKETS	32
static const u32 tsc_khz = 3000000;
#define ktime_get()		((ktime_t)now_ns)
#define ktime_get_ns()		((u64)now_ns)
#define ns_to_ktime(ns)		((ktime_t)(ns))
#define ktime_add_safe(a, b)	((a) + (b))
/* 3 GHz; 0 was at tsc_epoch_ns */
extern s64 tsc_epoch_ns;
#define rdtsc()			((u64)(now_ns - tsc_epoch_ns) * 3)
#define HRTIMER_MODE_ABS_PINNED_HARD	0

enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };

struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *timer);
	ktime_t expires;
	bool active;
};

static inline void hrtimer_start(struct hrtimer *t, ktime_t expires, int mode)
{
	(void)mode;
	t->expires = expires;
	t->active = true;
}

static inline bool hrtimer_cancel(struct hrtimer *t)
{
	bool was = t->active;

	t->active = false;
	return was;
}

#define hrtimer_get_expires(t)	((t)->expires)
#define hrtimer_set_expires(t, e)	((t)->expires = (e))
#define ktime_add_ns(t, ns)	((t) + (s64)(ns))

static inline u64 hrtimer_forward_now(struct hrtimer *t, ktime_t interval)
{
	u64 n = 0;

	for (; t->expires <= now_ns; n++)
		t->expires += interval;
	return n;
}

static inline void host_hrtimer_setup(struct hrtimer *t,
				      enum hrtimer_restart (*function)(struct hrtimer *timer),
				      int mode)
{
	(void)mode;
	t->function = function;
}

/* ---- from asm/apicdef.h ---- */

#define APIC_DEFAULT_PHYS_BASE	0xfee00000
#define APIC_BASE_MSR		0x800
#define APIC_ICR_BUSY		0x1000

/* ---- hv ---- */

struct hv_lapic;
struct hv_ioapic;
struct hv_msi_route {
	u64 addr;
	u32 data;
};

struct hv_pic;
struct hv_pit;
struct hv_vcpu;

#include <linux/hv.h>

#define HV_MAX_VCPUS	8

struct hv_vm {
	struct hv_vcpu *vcpus[HV_MAX_VCPUS];
	unsigned int nr_vcpus;
	u32 boot_vcpu_id;
	bool irqchip_in_kernel;
	bool x2apic_ids;
	bool x2apic_no_quirk;
	struct hv_ioapic *ioapic;
	struct hv_pic *pic;
	struct hv_pit *pit;
};

struct hv_vcpu {
	struct hv_vm *vm;
	u32 id;
	unsigned long requests;
	unsigned int kicks;
	unsigned int nmis;
	unsigned int inits;
	struct {
		u64 timer_late_hist[HV_STATS_LOG_BUCKETS];
	} stats;
	struct hv_segment cs;
	u64 rip;
	struct {
		struct hv_lapic *lapic;
		u64 apic_base;
		u32 mp_state;
		u32 tsc_khz;
		unsigned int maxphyaddr;
	} x86;
};

enum { HV_REQ_EVENT, HV_REQ_TIMER, HV_REQ_APIC };
enum { HV_UPDATE_IRQ_STATUS = 1, HV_UPDATE_EOI_EXITS = 2 };
enum { HV_SEG_CS };

#define hv_for_each_vcpu(i, v, vm)						\
	for ((i) = 0; (i) < (vm)->nr_vcpus && ((v) = (vm)->vcpus[i], true); (i)++)
#define hv_req_set(v, r)	set_bit(r, &(v)->requests)
#define hv_vcpu_request(v, r)	(set_bit(r, &(v)->requests), (v)->kicks++)
#define hv_vcpu_notify(v)	((v)->kicks++)
#define hv_post_refresh(vm)	((void)(vm))
#define hv_queue_nmi(v)		((v)->nmis++)
#define hv_guest_tsc(v, tsc)	((void)(v), tsc)
#define hv_set_rip(v, val)	((v)->rip = (val))
#define hv_call(op, v, seg, s)	compat_##op(v, s)

static inline void compat_get_segment(struct hv_vcpu *v, struct hv_segment *s)
{
	*s = v->cs;
}

static inline void compat_set_segment(struct hv_vcpu *v, const struct hv_segment *s)
{
	v->cs = *s;
}

bool hv_cpuid_has(struct hv_vcpu *vcpu, u32 func, u32 index, int reg, unsigned int bit);
void hv_x86_vcpu_reset(struct hv_vcpu *vcpu, bool init);

#endif
