/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of the kernel as the pure parts of src/core need, for unit tests.
 * Included before everything else by the compiler's -include.
 */
#ifndef KERNEL_COMPAT_H
#define KERNEL_COMPAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

/* As <linux/types.h> has them in the kernel, so that formats agree */
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

typedef struct {
	s64 counter;
} atomic64_t;

/*
 * Atomic rather than volatile, and acquire because C has no order by address
 * dependency: so that ThreadSanitizer understands.
 */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define atomic64_andnot(m, p)	__atomic_and_fetch(&(p)->counter, ~(m), __ATOMIC_SEQ_CST)
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define cond_resched()		((void)0)
typedef unsigned int gfp_t;
#define GFP_KERNEL		0
#define GFP_NOWAIT		1
#define __GFP_NOWARN		0
#define __GFP_ACCOUNT		0

#define BITS_PER_LONG		64
#define BIT(n)			(1ul << (n))
#define BIT_ULL(n)		(1ull << (n))
#define mul_u64_u32_div(a, m, d)	((u64)((__uint128_t)(a) * (u32)(m) / (u32)(d)))
#define div_u64(a, b)		((u64)(a) / (u32)(b))
#define div64_u64(a, b)		((u64)(a) / (u64)(b))
#define div64_u64_rem(a, b, r)	(*(r) = (u64)(a) % (u64)(b), (u64)(a) / (u64)(b))

/* Physical addresses are addresses. */
#define virt_to_phys(p)		((u64)(uintptr_t)(p))
#define phys_to_virt(a)		((void *)(uintptr_t)(a))

/* Pages allocated and not freed; how many more allocations succeed, -1: all */
extern long compat_pages;
extern long compat_pages_left;

/* Called before each compare-and-exchange, if set: what another processor does there */
extern void (*compat_race)(void);

#define cmpxchg64(p, o, n) ({							\
	if (compat_race)							\
		compat_race();							\
	__sync_val_compare_and_swap(p, o, n);					\
})

static inline unsigned long get_zeroed_page(unsigned int gfp)
{
	void *page;

	(void)gfp;
	if (!compat_pages_left)
		return 0;
	if (compat_pages_left > 0)
		compat_pages_left--;
	page = aligned_alloc(4096, 4096);
	if (!page)
		abort();
	memset(page, 0, 4096);
	__atomic_add_fetch(&compat_pages, 1, __ATOMIC_SEQ_CST);
	return (unsigned long)page;
}

static inline void host_count_table(void *table, int n)
{
	(void)table;
	(void)n;
}

static inline void free_page(unsigned long page)
{
	__atomic_sub_fetch(&compat_pages, 1, __ATOMIC_SEQ_CST);
	free((void *)page);
}

#endif
