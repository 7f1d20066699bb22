// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-stage page tables: one walker over the backend's entry format.
 *
 * Locking (hv_mmu.lock): any number of hv_s2_map(), hv_s2_young() and
 * hv_s2_lookup() at a time hold the read side and change entries by
 * compare-and-exchange only; hv_s2_unmap() holds the write side, so that no
 * walker stands in a table that it takes away. The processor sets accessed
 * and dirty bits at any time, hence entries are cleared by atomic exchange.
 */
#include <linux/errno.h>
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <hv/host.h>
#endif
#include <hv/stage2.h>

#define S2_PAGE_SHIFT	12

static u64 *s2_alloc_page(gfp_t gfp)
{
	u64 *page = (u64 *)get_zeroed_page(gfp | __GFP_ACCOUNT);

	if (page)
		host_count_table(page, 1);
	return page;
}

static void s2_free_page(u64 *page)
{
	host_count_table(page, -1);
	free_page((unsigned long)page);
}

/*
 * The link between cached pages is in their first word. In a page that was a
 * table a moment ago a processor may still walk: a page-aligned address has the
 * low twelve bits clear and with them the present bits of both formats (EPT: SDM
 * 3C 28.3.2, bits 2:0; NPT: APM 2 15.25, bit 0).
 */
static void s2_cache_push(struct hv_s2_cache *cache, u64 *page)
{
	WRITE_ONCE(page[0], (u64)(unsigned long)cache->head);
	cache->head = page;
	cache->nr++;
}

static u64 *s2_cache_pop(struct hv_s2_cache *cache)
{
	u64 *page = cache->head;

	if (page) {
		cache->head = (u64 *)(unsigned long)page[0];
		cache->nr--;
		page[0] = 0;
	}
	return page;
}

/**
 * hv_s2_cache_fill - have table pages at hand for hv_s2_map()
 * @cache: cache
 * @nr: pages that it shall hold at least
 *
 * May sleep. The pages are charged to the caller's memory cgroup.
 *
 * Return: 0 or -ENOMEM (what was allocated stays in the cache).
 */
int hv_s2_cache_fill(struct hv_s2_cache *cache, unsigned int nr)
{
	while (cache->nr < nr) {
		u64 *page = s2_alloc_page(GFP_KERNEL);

		if (!page)
			return -ENOMEM;
		s2_cache_push(cache, page);
	}
	return 0;
}

/**
 * hv_s2_cache_free - free all pages of a cache
 * @cache: cache; empty afterwards
 *
 * Pages from hv_s2_unmap() only after every vCPU's TLB has been flushed.
 */
void hv_s2_cache_free(struct hv_s2_cache *cache)
{
	u64 *page;

	while ((page = s2_cache_pop(cache)))
		s2_free_page(page);
}

/**
 * hv_s2_gfn_end - first guest frame that tables of a format can't map
 * @fmt: format
 *
 * Return: a guest frame number.
 */
u64 hv_s2_gfn_end(const struct hv_s2_format *fmt)
{
	return 1ULL << (HV_S2_BITS * fmt->levels);
}

/* End of a range of @npages from @gfn, cut where the tables end; @gfn if it begins beyond */
static u64 s2_end(const struct hv_s2 *s2, u64 gfn, u64 npages)
{
	u64 limit = hv_s2_gfn_end(s2->fmt);

	return gfn >= limit ? gfn : gfn + min(npages, limit - gfn);
}

static u64 s2_span(unsigned int level)
{
	return 1ULL << (HV_S2_BITS * (level - 1));
}

static u64 *s2_entry(u64 *table, u64 gfn, unsigned int level)
{
	return &table[(gfn >> (HV_S2_BITS * (level - 1))) & (HV_S2_ENTRIES - 1)];
}

static bool s2_present(const struct hv_s2_format *fmt, u64 entry)
{
	return entry & fmt->present;
}

static bool s2_is_leaf(const struct hv_s2_format *fmt, u64 entry, unsigned int level)
{
	return level == 1 || (entry & fmt->large);
}

static u64 *s2_table(const struct hv_s2_format *fmt, u64 entry)
{
	return phys_to_virt(entry & fmt->addr);
}

static u64 s2_make_leaf(const struct hv_s2_format *fmt, u64 pfn, unsigned int level,
			unsigned int access)
{
	u64 leaf = (pfn << S2_PAGE_SHIFT) & fmt->addr;

	leaf |= access & HV_ACC_IO ? fmt->leaf_io : fmt->leaf;
	leaf |= access & HV_ACC_EXEC ? fmt->exec : fmt->noexec;
	if (access & HV_ACC_WRITE)
		leaf |= fmt->write;
	if (level > 1)
		leaf |= fmt->large;
	/* It's mapped because it is used now: spares the processor an atomic update. */
	return leaf | fmt->accessed | (access & HV_ACC_WRITE ? fmt->dirty : 0);
}

/**
 * hv_s2_init - allocate the top table
 * @s2: tables
 * @fmt: the backend's format
 *
 * Return: 0 or -ENOMEM.
 */
int hv_s2_init(struct hv_s2 *s2, const struct hv_s2_format *fmt)
{
	s2->fmt = fmt;
	s2->root = s2_alloc_page(GFP_KERNEL);
	if (!s2->root)
		return -ENOMEM;
	s2->root_pa = virt_to_phys(s2->root);
	return 0;
}

static u64 s2_free_tables(const struct hv_s2_format *fmt, u64 *table, unsigned int level)
{
	unsigned int i;
	u64 pages = 1;

	for (i = 0; level > 1 && i < HV_S2_ENTRIES; i++) {
		if (!s2_present(fmt, table[i]) || s2_is_leaf(fmt, table[i], level))
			continue;
		pages += s2_free_tables(fmt, s2_table(fmt, table[i]), level - 1);
		if (level > 2)
			cond_resched();
	}
	s2_free_page(table);
	return pages;
}

/**
 * hv_s2_destroy - free all tables
 * @s2: tables; no processor uses them, and no TLB holds anything from them that
 *	could be used again. Harmless after hv_s2_init() failed.
 *
 * May sleep.
 *
 * Return: number of table pages freed, the top one included.
 */
u64 hv_s2_destroy(struct hv_s2 *s2)
{
	u64 pages = 0;

	if (s2->root)
		pages = s2_free_tables(s2->fmt, s2->root, s2->fmt->levels);
	s2->root = NULL;
	s2->root_pa = 0;
	return pages;
}

/* The leaf of the level below that maps the @i-th part of what @leaf of @level maps */
static u64 s2_leaf_part(const struct hv_s2_format *fmt, u64 leaf, unsigned int level,
			unsigned int i)
{
	if (level == 2)
		leaf &= ~fmt->large;
	return leaf + ((i * s2_span(level - 1)) << S2_PAGE_SHIFT);
}

static void s2_fill_parts(const struct hv_s2_format *fmt, u64 *table, u64 leaf,
			  unsigned int level)
{
	unsigned int i;

	for (i = 0; i < HV_S2_ENTRIES; i++)
		table[i] = s2_leaf_part(fmt, leaf, level, i);
}

/*
 * The table below @entry of @level, made if there is none. A large leaf is replaced by
 * a table of smaller ones that map the same memory with the same rights: translations of the
 * old leaf that are still cached are right. NULL: a page is needed and @cache is empty.
 */
static u64 *s2_get_table(const struct hv_s2_format *fmt, struct hv_s2_cache *cache, u64 *entry,
			 unsigned int level)
{
	u64 old = READ_ONCE(*entry);

	for (;;) {
		u64 *table;
		u64 seen;

		if (s2_present(fmt, old) && !s2_is_leaf(fmt, old, level))
			return s2_table(fmt, old);

		table = s2_cache_pop(cache);
		if (!table)
			return NULL;
		if (s2_present(fmt, old))
			s2_fill_parts(fmt, table, old, level);
		seen = cmpxchg64(entry, old, fmt->table | virt_to_phys(table));
		if (seen == old) {
			if (s2_present(fmt, old)) {
				cache->leaves[level - 1]--;
				cache->leaves[level - 2] += HV_S2_ENTRIES;
			}
			return table;
		}
		/* Another vCPU was faster, or the processor has set a bit. */
		if (s2_present(fmt, old))
			memset(table, 0, HV_S2_ENTRIES * sizeof(*table));
		s2_cache_push(cache, table);
		old = seen;
	}
}

/* What @old becomes with the rights of @leaf; 0: they map different memory. */
static u64 s2_merge(const struct hv_s2_format *fmt, u64 old, u64 leaf)
{
	const u64 may_differ = fmt->accessed | fmt->dirty | fmt->write | fmt->exec | fmt->noexec;

	if ((old ^ leaf) & ~may_differ)
		return 0;
	return (old | leaf) & ~(fmt->noexec & ~(old & leaf));
}

/*
 * Does the large leaf @large of @at map @gfn to the same memory as @leaf of a lower level?
 * 0: and with its rights; 1: but not with all of them; -EEXIST: no.
 */
static int s2_large_has(const struct hv_s2_format *fmt, u64 large, unsigned int at, u64 gfn,
			u64 leaf, unsigned int level)
{
	u64 part = large + ((gfn & (s2_span(at) - 1)) << S2_PAGE_SHIFT);
	u64 merged;

	if (level == 1)
		part &= ~fmt->large;
	merged = s2_merge(fmt, part, leaf);
	if (!merged)
		return -EEXIST;
	return !!((merged ^ part) & ~(fmt->accessed | fmt->dirty));
}

/* Put @leaf at @entry, or add its rights to the equal mapping that is there. */
static int s2_set_leaf(const struct hv_s2_format *fmt, u64 *entry, u64 leaf)
{
	u64 old = READ_ONCE(*entry);

	for (;;) {
		u64 new = leaf, seen;

		if (s2_present(fmt, old)) {
			new = s2_merge(fmt, old, leaf);
			if (!new)
				return -EEXIST;
			if (new == old)
				return 0;
		}
		seen = cmpxchg64(entry, old, new);
		if (seen == old)
			return !s2_present(fmt, old);
		old = seen;
	}
}

/**
 * hv_s2_map - map a page, or add rights to its mapping
 * @s2: tables
 * @cache: table pages to use; leaves that came and went are added to @cache->leaves
 * @gfn: guest frame, aligned to the size of the leaf, below hv_s2_gfn_end()
 * @pfn: host frame, likewise aligned
 * @level: 1: 4 KiB, 2: 2 MiB, 3: 1 GiB
 * @access: HV_ACC_*
 *
 * A larger leaf that maps the same memory with all of @access is left alone; one that lacks
 * a right is split.
 *
 * Adding rights needs no TLB flush: what a processor has cached of the old
 * entry is dropped by the fault that it gives (SDM 3C 28.4.3.1; APM 2 15.25.6).
 *
 * Context: hv_mmu.lock held for reading; doesn't sleep.
 * Return: 1: a leaf is new; 0: there was one; -ENOMEM: add @cache->want pages to
 * @cache and call again; -EEXIST: something else is mapped there, or smaller leaves are, to be
 * unmapped first; -EOPNOTSUPP: no device memory in this format.
 */
int hv_s2_map(struct hv_s2 *s2, struct hv_s2_cache *cache, u64 gfn, u64 pfn,
	      unsigned int level, unsigned int access)
{
	const struct hv_s2_format *fmt = s2->fmt;
	u64 leaf = s2_make_leaf(fmt, pfn, level, access);
	u64 *table = s2->root;
	unsigned int at;
	u64 *entry;
	u64 old;
	int ret;

	if ((access & HV_ACC_IO) && !fmt->leaf_io)
		return -EOPNOTSUPP;

	for (at = fmt->levels; at > level; at--) {
		entry = s2_entry(table, gfn, at);
		old = READ_ONCE(*entry);
		if (s2_present(fmt, old) && s2_is_leaf(fmt, old, at)) {
			ret = s2_large_has(fmt, old, at, gfn, leaf, level);
			if (ret <= 0)
				return ret;
		}
		table = s2_get_table(fmt, cache, entry, at);
		if (!table) {
			cache->want = at - level;
			return -ENOMEM;
		}
	}

	entry = s2_entry(table, gfn, level);
	old = READ_ONCE(*entry);
	if (s2_present(fmt, old) && !s2_is_leaf(fmt, old, level))
		return -EEXIST;
	ret = s2_set_leaf(fmt, entry, leaf);
	if (ret > 0)
		cache->leaves[level - 1]++;
	return ret;
}

static bool s2_table_empty(const u64 *table)
{
	unsigned int i;

	for (i = 0; i < HV_S2_ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

/*
 * The table that takes the place of the large leaf at @entry, of which a part is to go.
 * NULL: no page to be had without waiting.
 */
static u64 *s2_split(const struct hv_s2_format *fmt, u64 *entry, unsigned int level,
		     struct hv_s2_unmapped *gone)
{
	u64 *table = s2_alloc_page(GFP_NOWAIT | __GFP_NOWARN);
	u64 old = READ_ONCE(*entry);
	u64 seen;

	if (!table)
		return NULL;
	for (;;) {
		s2_fill_parts(fmt, table, old, level);
		seen = cmpxchg64(entry, old, fmt->table | virt_to_phys(table));
		if (seen == old)
			break;
		old = seen;	/* the processor has set a bit */
	}
	gone->leaves[level - 1]++;
	gone->leaves[level - 2] -= HV_S2_ENTRIES;
	gone->split++;
	return table;
}

static void s2_unmap_table(const struct hv_s2_format *fmt, u64 *table, unsigned int level,
			   u64 gfn, u64 end, bool reap, struct hv_s2_unmapped *gone)
{
	u64 span = s2_span(level);
	u64 next;

	for (; gfn < end; gfn = next) {
		u64 *entry = s2_entry(table, gfn, level);
		u64 old = READ_ONCE(*entry);
		u64 *lower = NULL;

		next = min(end, (gfn | (span - 1)) + 1);
		if (!s2_present(fmt, old))
			continue;
		if (!s2_is_leaf(fmt, old, level))
			lower = s2_table(fmt, old);
		else if (next - gfn < span)
			lower = s2_split(fmt, entry, level, gone);
		if (!lower) {
			xchg(entry, 0);
			gone->leaves[level - 1]++;
			continue;
		}
		s2_unmap_table(fmt, lower, level - 1, gfn, next, reap, gone);
		if (reap && s2_table_empty(lower)) {
			xchg(entry, 0);
			s2_cache_push(&gone->pages, lower);
		}
	}
}

/**
 * hv_s2_unmap - remove every leaf that maps a part of a range
 * @s2: tables
 * @gfn: first guest frame
 * @npages: length in 4 KiB pages; a range that ends beyond the tables is cut
 * @reap: also take away tables that become empty
 * @gone: what was removed is added to it
 *
 * A large leaf that reaches out of the range is split, or goes as a whole if there is no
 * memory for a table. Translations of what was removed stay in use until the caller has
 * flushed TLBs.
 *
 * Context: hv_mmu.lock held for writing; doesn't sleep.
 */
void hv_s2_unmap(struct hv_s2 *s2, u64 gfn, u64 npages, bool reap,
		 struct hv_s2_unmapped *gone)
{
	s2_unmap_table(s2->fmt, s2->root, s2->fmt->levels, gfn, s2_end(s2, gfn, npages), reap,
		       gone);
}

static bool s2_young_table(const struct hv_s2_format *fmt, u64 *table, unsigned int level,
			   u64 gfn, u64 end, bool clear)
{
	u64 span = s2_span(level);
	bool young = false;
	u64 next;

	for (; gfn < end; gfn = next) {
		u64 *entry = s2_entry(table, gfn, level);
		u64 old = READ_ONCE(*entry);

		next = min(end, (gfn | (span - 1)) + 1);
		if (!s2_present(fmt, old))
			continue;
		if (!s2_is_leaf(fmt, old, level)) {
			young |= s2_young_table(fmt, s2_table(fmt, old), level - 1,
						gfn, next, clear);
		} else if (old & fmt->accessed) {
			young = true;
			/* Not if it has become something else: a split, or a bit was set. */
			if (clear)
				cmpxchg64(entry, old, old & ~fmt->accessed);
		}
		if (young && !clear)
			break;
	}
	return young;
}

/**
 * hv_s2_young - was a range used since the accessed bits were last cleared
 * @s2: tables; the format has an accessed bit
 * @gfn: first guest frame
 * @npages: length in 4 KiB pages
 * @clear: clear the accessed bits
 *
 * Context: hv_mmu.lock held for reading; doesn't sleep.
 * Return: whether any leaf of the range has its accessed bit set.
 */
bool hv_s2_young(struct hv_s2 *s2, u64 gfn, u64 npages, bool clear)
{
	return s2_young_table(s2->fmt, s2->root, s2->fmt->levels, gfn, s2_end(s2, gfn, npages),
			      clear);
}

static bool s2_mapped_table(const struct hv_s2_format *fmt, u64 *table, unsigned int level,
			    u64 gfn, u64 end)
{
	u64 span = s2_span(level);
	u64 next;

	for (; gfn < end; gfn = next) {
		u64 e = READ_ONCE(*s2_entry(table, gfn, level));

		next = min(end, (gfn | (span - 1)) + 1);
		if (s2_present(fmt, e) && (s2_is_leaf(fmt, e, level) ||
					   s2_mapped_table(fmt, s2_table(fmt, e), level - 1,
							   gfn, next)))
			return true;
	}
	return false;
}

/**
 * hv_s2_mapped - is anything mapped in a range
 * @s2: tables
 * @gfn: first guest frame
 * @npages: length in 4 KiB pages
 *
 * Context: hv_mmu.lock held for reading; doesn't sleep.
 * Return: whether a leaf maps a part of it.
 */
bool hv_s2_mapped(struct hv_s2 *s2, u64 gfn, u64 npages)
{
	return s2_mapped_table(s2->fmt, s2->root, s2->fmt->levels, gfn, s2_end(s2, gfn, npages));
}

static bool s2_protect_table(const struct hv_s2_format *fmt, u64 *table, unsigned int level,
			     u64 gfn, u64 end, bool dirty)
{
	u64 span = s2_span(level);
	bool changed = false;
	u64 next;

	for (; gfn < end; gfn = next) {
		u64 *entry = s2_entry(table, gfn, level);
		u64 old = READ_ONCE(*entry);
		u64 bit;

		next = min(end, (gfn | (span - 1)) + 1);
		if (!s2_present(fmt, old))
			continue;
		if (!s2_is_leaf(fmt, old, level)) {
			changed |= s2_protect_table(fmt, s2_table(fmt, old), level - 1,
						    gfn, next, dirty);
			continue;
		}
		/* What the processor notes of a large leaf doesn't say which page it was. */
		bit = dirty && level == 1 ? fmt->dirty : fmt->write;
		if (old & bit) {
			atomic64_andnot(bit, (atomic64_t *)entry);
			changed = true;
		}
	}
	return changed;
}

/**
 * hv_s2_protect - have the next write to each page of a range noticed
 * @s2: tables
 * @gfn: first guest frame
 * @npages: length in 4 KiB pages
 * @dirty: the processor logs the pages whose dirty bit it sets: clear that bit of 4 KiB
 *	leaves; else, and of large leaves, take the right to write
 *
 * Context: hv_mmu.lock held for writing; doesn't sleep.
 * Return: whether anything has changed; then processors may write unnoticed until the caller
 * has flushed TLBs.
 */
bool hv_s2_protect(struct hv_s2 *s2, u64 gfn, u64 npages, bool dirty)
{
	return s2_protect_table(s2->fmt, s2->root, s2->fmt->levels, gfn,
				s2_end(s2, gfn, npages), dirty);
}

static bool s2_executable(const struct hv_s2_format *fmt, u64 leaf)
{
	return fmt->noexec ? !(leaf & fmt->noexec) : leaf & fmt->exec;
}

/*
 * The leaf of @level that maps what all entries of the table below map, with the rights
 * that all of them have; 0: there is none. With @nx nothing executable is joined.
 */
static u64 s2_join(const struct hv_s2_format *fmt, const u64 *table, unsigned int level, bool nx)
{
	const u64 rights = fmt->write | fmt->exec | fmt->noexec;
	u64 step = s2_span(level - 1) << S2_PAGE_SHIFT;
	u64 first = READ_ONCE(table[0]);
	u64 soft = 0, common = rights, no = 0;
	unsigned int i;

	if (!s2_present(fmt, first) || !s2_is_leaf(fmt, first, level - 1) ||
	    first & fmt->addr & (step * HV_S2_ENTRIES - 1))
		return 0;
	for (i = 0; i < HV_S2_ENTRIES; i++) {
		u64 e = READ_ONCE(table[i]);

		if ((e ^ (first + i * step)) & ~(rights | fmt->accessed | fmt->dirty))
			return 0;
		if (nx && s2_executable(fmt, e))
			return 0;
		soft |= e & fmt->accessed;
		common &= e;
		no |= e & fmt->noexec;
	}
	/* As s2_make_leaf() does it: what can be written counts as written. */
	if (common & fmt->write)
		soft |= fmt->dirty;
	return (first & ~(rights | fmt->accessed | fmt->dirty)) | common | no | soft | fmt->large;
}

static void s2_collapse_table(const struct hv_s2_format *fmt, u64 *table, unsigned int level,
			      u64 gfn, u64 end, bool nx, struct hv_s2_unmapped *gone)
{
	u64 span = s2_span(level);
	u64 next;

	for (; gfn < end; gfn = next) {
		u64 *entry = s2_entry(table, gfn, level);
		u64 old = READ_ONCE(*entry);
		u64 *lower;
		u64 leaf;

		next = min(end, (gfn | (span - 1)) + 1);
		if (!s2_present(fmt, old) || s2_is_leaf(fmt, old, level))
			continue;
		lower = s2_table(fmt, old);
		if (level > 2)
			s2_collapse_table(fmt, lower, level - 1, gfn, next, nx, gone);
		if (level > fmt->leaf_levels || next - gfn < span)
			continue;
		leaf = s2_join(fmt, lower, level, nx);
		if (!leaf)
			continue;
		xchg(entry, leaf);
		memset(lower, 0, HV_S2_ENTRIES * sizeof(*lower));
		s2_cache_push(&gone->pages, lower);
		gone->leaves[level - 1]--;
		gone->leaves[level - 2] += HV_S2_ENTRIES;
	}
}

/**
 * hv_s2_collapse - put large leaves in the place of tables that map the same
 * @s2: tables
 * @gfn: first guest frame; only tables that lie in the range as a whole are looked at
 * @npages: length in 4 KiB pages
 * @nx: large leaves must not be executable: leave tables alone that map anything so
 * @gone: leaves and tables removed are added to it; new leaves are subtracted
 *
 * A right that some of the small leaves lack is missing in the large one: the next fault
 * adds it, or splits the leaf again if the host maps small pages.
 *
 * Context: hv_mmu.lock held for writing; doesn't sleep. The caller flushes TLBs: processors
 * may walk the tables that went, and have more rights cached.
 */
void hv_s2_collapse(struct hv_s2 *s2, u64 gfn, u64 npages, bool nx,
		    struct hv_s2_unmapped *gone)
{
	s2_collapse_table(s2->fmt, s2->root, s2->fmt->levels, gfn, s2_end(s2, gfn, npages), nx,
			  gone);
}

/**
 * hv_s2_lookup - the leaf that maps a guest frame
 * @s2: tables
 * @gfn: guest frame
 * @level: filled in with the leaf's level; may be NULL
 *
 * Context: hv_mmu.lock held for reading; doesn't sleep.
 * Return: the leaf as the processor sees it, 0 if there is none.
 */
u64 hv_s2_lookup(struct hv_s2 *s2, u64 gfn, unsigned int *level)
{
	const struct hv_s2_format *fmt = s2->fmt;
	u64 *table = s2->root;
	unsigned int at;

	if (gfn >= hv_s2_gfn_end(fmt))
		return 0;

	for (at = fmt->levels; at; at--) {
		u64 entry = READ_ONCE(*s2_entry(table, gfn, at));

		if (!s2_present(fmt, entry))
			return 0;
		if (s2_is_leaf(fmt, entry, at)) {
			if (level)
				*level = at;
			return entry;
		}
		table = s2_table(fmt, entry);
	}
	return 0;
}
