// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-stage tables in each entry format: random maps and unmaps against a
 * model, every table page accounted for, and several threads at once.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
#include <hv/stage2.h>

#include <kselftest_harness.h>

long compat_pages;
long compat_pages_left = -1;
void (*compat_race)(void);

static const struct hv_s2_format formats[] = {
	{	/* EPT */
		.table = 7, .leaf = 0x71, .leaf_io = 1, .write = 2, .exec = 4, .present = 7,
		.large = 0x80, .accessed = 0x100, .dirty = 0x200,
		.addr = 0xffffffffff000, .levels = 4, .leaf_levels = 3,
	}, {	/* EPT of processors without accessed bits, five levels, no device memory */
		.table = 7, .leaf = 0x71, .write = 2, .exec = 4, .present = 7,
		.large = 0x80, .addr = 0xffffffffff000, .levels = 5,
		.leaf_levels = 3,
	}, {	/* NPT */
		.table = 7, .leaf = 5, .leaf_io = 0x1d, .write = 2, .noexec = 1ull << 63,
		.present = 1, .large = 0x80, .accessed = 0x20, .dirty = 0x40,
		.addr = 0xffffffffff000, .levels = 4, .leaf_levels = 3,
	},
};

#define RWX		(HV_ACC_READ | HV_ACC_WRITE | HV_ACC_EXEC)
#define RX		(HV_ACC_READ | HV_ACC_EXEC)

static __thread u64 seed = 1;

static u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* As a fault does it: pages on demand. @tables is raised by those that were used. */
static int map(struct hv_s2 *s2, u64 gfn, u64 pfn, unsigned int level, unsigned int access,
	       long *tables)
{
	struct hv_s2_cache cache = { 0 };
	long filled = 0;
	int ret;

	while ((ret = hv_s2_map(s2, &cache, gfn, pfn, level, access)) == -ENOMEM) {
		if (hv_s2_cache_fill(&cache, cache.want))
			abort();
		filled += cache.want;
	}
	*tables += filled - cache.nr;
	hv_s2_cache_free(&cache);
	return ret;
}

static u64 unmap(struct hv_s2 *s2, u64 gfn, u64 npages, bool reap, long *tables)
{
	struct hv_s2_unmapped gone = { .leaves = { 0 } };

	hv_s2_unmap(s2, gfn, npages, reap, &gone);
	*tables += gone.split;
	*tables -= gone.pages.nr;
	hv_s2_cache_free(&gone.pages);
	return gone.leaves[0] + gone.leaves[1] + gone.leaves[2];
}

FIXTURE(s2)
{
	struct hv_s2 s2;
	const struct hv_s2_format *fmt;
	long tables;
	u64 end;
};

FIXTURE_VARIANT(s2)
{
	unsigned int format;
};

FIXTURE_VARIANT_ADD(s2, ept) { .format = 0 };
FIXTURE_VARIANT_ADD(s2, ept5) { .format = 1 };
FIXTURE_VARIANT_ADD(s2, npt) { .format = 2 };

FIXTURE_SETUP(s2)
{
	compat_pages = 0;
	compat_pages_left = -1;
	self->fmt = &formats[variant->format];
	self->tables = 1;
	self->end = hv_s2_gfn_end(self->fmt);
	ASSERT_EQ(0, hv_s2_init(&self->s2, self->fmt));
}

/* Whatever a test did: no table is lost, none is freed twice. */
FIXTURE_TEARDOWN(s2)
{
	EXPECT_EQ(self->tables, compat_pages);
	EXPECT_EQ(self->tables, (long)hv_s2_destroy(&self->s2));
	EXPECT_EQ(0, compat_pages);
	EXPECT_EQ(0, (long)hv_s2_destroy(&self->s2));
}

TEST_F(s2, entries)
{
	const struct hv_s2_format *fmt = self->fmt;
	u64 ro = fmt->leaf | fmt->exec | fmt->accessed | 0x123456000;
	u64 rw = ro | fmt->write | fmt->dirty;
	unsigned int level = 0;

	EXPECT_EQ(1ull << (9 * fmt->levels), self->end);
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, 5, NULL));
	EXPECT_EQ(1, map(&self->s2, 5, 0x123456, 1, RX, &self->tables));
	EXPECT_EQ(fmt->levels, self->tables);
	EXPECT_EQ(ro, hv_s2_lookup(&self->s2, 5, &level));
	EXPECT_EQ(1, level);
	EXPECT_EQ(0, map(&self->s2, 5, 0x123456, 1, RX, &self->tables));
	EXPECT_EQ(0, map(&self->s2, 5, 0x123456, 1, RWX, &self->tables));
	EXPECT_EQ(rw, hv_s2_lookup(&self->s2, 5, NULL));
	/* Rights are never taken away by a map. */
	EXPECT_EQ(0, map(&self->s2, 5, 0x123456, 1, RX, &self->tables));
	EXPECT_EQ(rw, hv_s2_lookup(&self->s2, 5, NULL));
	EXPECT_EQ(-EEXIST, map(&self->s2, 5, 0x123457, 1, RWX, &self->tables));
	EXPECT_EQ(rw, hv_s2_lookup(&self->s2, 5, NULL));

	EXPECT_EQ(0, hv_s2_lookup(&self->s2, 4, NULL));
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, 6, NULL));
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, self->end + 5, NULL));
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, ~0ull, NULL));

	EXPECT_EQ(fmt->leaf_io ? 1 : -EOPNOTSUPP,
		  map(&self->s2, 7, 0xfee00, 1, RWX | HV_ACC_IO, &self->tables));
	if (fmt->leaf_io) {
		EXPECT_EQ(fmt->leaf_io | fmt->exec | fmt->accessed | fmt->write |
			  fmt->dirty | 0xfee00000, hv_s2_lookup(&self->s2, 7, NULL));
		EXPECT_EQ(-EEXIST, map(&self->s2, 7, 0xfee00, 1, RWX, &self->tables));
	}
	EXPECT_EQ(1, map(&self->s2, 8, 9, 1, HV_ACC_READ, &self->tables));
	EXPECT_EQ(fmt->leaf | fmt->noexec | fmt->accessed | 0x9000,
		  hv_s2_lookup(&self->s2, 8, NULL));
	/* The right to execute can be added, be it a bit that is set or one that is clear. */
	EXPECT_EQ(0, map(&self->s2, 8, 9, 1, RX, &self->tables));
	EXPECT_EQ(fmt->leaf | fmt->exec | fmt->accessed | 0x9000,
		  hv_s2_lookup(&self->s2, 8, NULL));
	EXPECT_EQ(0, map(&self->s2, 8, 9, 1, HV_ACC_READ, &self->tables));
	EXPECT_EQ(fmt->leaf | fmt->exec | fmt->accessed | 0x9000,
		  hv_s2_lookup(&self->s2, 8, NULL));
	/* The processor's bits don't make an entry another one. */
	EXPECT_EQ(1, map(&self->s2, 9, 9, 1, RX, &self->tables));
	if (fmt->accessed) {
		EXPECT_TRUE(hv_s2_young(&self->s2, 9, 1, true));
		EXPECT_FALSE(hv_s2_young(&self->s2, 9, 1, false));
		EXPECT_EQ(0, map(&self->s2, 9, 9, 1, RX, &self->tables));
		EXPECT_TRUE(hv_s2_young(&self->s2, 9, 1, false));
	}
}

TEST_F(s2, first_and_last)
{
	EXPECT_EQ(1, map(&self->s2, self->end - 1, 1, 1, RWX, &self->tables));
	EXPECT_EQ(1, map(&self->s2, 0, 2, 1, RWX, &self->tables));
	EXPECT_EQ(2 * self->fmt->levels - 1, self->tables);
	EXPECT_EQ(0, unmap(&self->s2, self->end, ~0ull, true, &self->tables));
	EXPECT_EQ(0, unmap(&self->s2, ~0ull, ~0ull, true, &self->tables));
	EXPECT_EQ(0, unmap(&self->s2, 1, self->end - 2, true, &self->tables));
	/* Tables stay unless they are asked for, then all that are empty go. */
	EXPECT_EQ(2, unmap(&self->s2, 0, ~0ull, false, &self->tables));
	EXPECT_EQ(2 * self->fmt->levels - 1, self->tables);
	EXPECT_EQ(0, unmap(&self->s2, 0, ~0ull, true, &self->tables));
	EXPECT_EQ(1, self->tables);
}

TEST_F(s2, out_of_memory)
{
	struct hv_s2_cache cache = { 0 };

	EXPECT_EQ(-ENOMEM, hv_s2_map(&self->s2, &cache, 0, 1, 1, RWX));
	EXPECT_EQ(self->fmt->levels - 1, cache.want);
	EXPECT_EQ(-ENOMEM, hv_s2_map(&self->s2, &cache, 0, 1, 2, RWX));
	EXPECT_EQ(self->fmt->levels - 2, cache.want);
	/* A part of what it takes: those tables stay, the next try needs only the rest. */
	compat_pages_left = 2;
	EXPECT_EQ(-ENOMEM, hv_s2_cache_fill(&cache, self->fmt->levels - 1));
	EXPECT_EQ(2, cache.nr);
	compat_pages_left = -1;
	EXPECT_EQ(-ENOMEM, hv_s2_map(&self->s2, &cache, 0, 1, 1, RWX));
	self->tables += 2;
	EXPECT_EQ(self->fmt->levels - 3, cache.want);
	EXPECT_EQ(0, cache.nr);
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, 0, NULL));
	EXPECT_EQ(1, map(&self->s2, 0, 1, 1, RWX, &self->tables));
	EXPECT_EQ(self->fmt->levels, self->tables);
}

/* A table that is waiting to be freed must not lead a processor anywhere. */
TEST_F(s2, reaped_tables_are_not_present)
{
	struct hv_s2_unmapped gone = { .leaves = { 0 } };
	const u64 *page;
	unsigned int i, n = 0;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(1, map(&self->s2, i * 512, i, 1, RWX, &self->tables));
	hv_s2_unmap(&self->s2, 0, self->end, true, &gone);
	EXPECT_EQ(100, gone.leaves[0]);
	EXPECT_EQ(self->tables - 1, gone.pages.nr);
	for (page = gone.pages.head; page; page = (u64 *)(uintptr_t)page[0], n++)
		for (i = 0; i < HV_S2_ENTRIES; i++)
			ASSERT_FALSE(page[i] & self->fmt->present);
	EXPECT_EQ(n, gone.pages.nr);
	self->tables -= n;
	hv_s2_cache_free(&gone.pages);
	EXPECT_EQ(0, gone.pages.nr);
}

TEST_F(s2, large)
{
	const struct hv_s2_format *fmt = self->fmt;
	unsigned int level = 0;

	EXPECT_EQ(1, map(&self->s2, 512, 0x200, 2, RWX, &self->tables));
	EXPECT_EQ(fmt->levels - 1, self->tables);
	EXPECT_EQ(fmt->leaf | fmt->exec | fmt->write | fmt->accessed | fmt->dirty |
		  fmt->large | 0x200000, hv_s2_lookup(&self->s2, 777, &level));
	EXPECT_EQ(2, level);
	EXPECT_EQ(-EEXIST, map(&self->s2, 777, 0x30a, 1, RWX, &self->tables));
	/* The same memory: nothing to do. */
	EXPECT_EQ(0, map(&self->s2, 777, 0x309, 1, RWX, &self->tables));
	EXPECT_EQ(fmt->levels - 1, self->tables);
	EXPECT_EQ(1, map(&self->s2, 1024, 0x200, 1, RWX, &self->tables));
	EXPECT_EQ(-EEXIST, map(&self->s2, 1024, 0x200, 2, RWX, &self->tables));
	EXPECT_EQ(-EEXIST, map(&self->s2, 0, 0, 3, RWX, &self->tables));
	EXPECT_TRUE(hv_s2_mapped(&self->s2, 1023, 1));
	EXPECT_TRUE(hv_s2_mapped(&self->s2, 1024, 1));
	EXPECT_FALSE(hv_s2_mapped(&self->s2, 1025, 100000));
	EXPECT_FALSE(hv_s2_mapped(&self->s2, ~0ull, 1));
	EXPECT_EQ(1, map(&self->s2, 1 << 18, 1 << 18, 3, RWX, &self->tables));
	EXPECT_EQ(-EEXIST, map(&self->s2, (1 << 18) + 512, 0x200, 2, RWX, &self->tables));
	EXPECT_EQ(0, map(&self->s2, (1 << 18) + 512, (1 << 18) + 512, 2, RX, &self->tables));
	EXPECT_EQ(0, map(&self->s2, (1 << 18) + 513, (1 << 18) + 513, 1, RX, &self->tables));
	hv_s2_lookup(&self->s2, (1 << 19) - 1, &level);
	EXPECT_EQ(3, level);
	EXPECT_EQ(1, unmap(&self->s2, 512, 512, true, &self->tables));
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, 512, NULL));
	EXPECT_EQ(2, unmap(&self->s2, 1024, (1 << 19) - 1024, true, &self->tables));
	EXPECT_EQ(1, self->tables);
}

/* What is left of a large leaf maps what it mapped before. */
static void expect_parts(struct __test_metadata *_metadata, struct hv_s2 *s2, u64 gfn, u64 n,
			 u64 pfn, unsigned int level)
{
	const struct hv_s2_format *fmt = s2->fmt;
	u64 span = 1ull << 9 * (level - 1);
	unsigned int at = 0;
	u64 i;

	for (i = 0; i < n; i += span) {
		ASSERT_EQ(fmt->leaf | fmt->exec | fmt->write | fmt->accessed | fmt->dirty |
			  (level > 1 ? fmt->large : 0) | (pfn + i) << 12,
			  hv_s2_lookup(s2, gfn + i, &at));
		ASSERT_EQ(level, at);
	}
}

TEST_F(s2, unmap_splits)
{
	const u64 g = 1 << 18, p = 7 << 18;
	struct hv_s2_unmapped gone = { .leaves = { 0 } };

	EXPECT_EQ(1, map(&self->s2, g, p, 3, RWX, &self->tables));
	hv_s2_unmap(&self->s2, g + 1023, 1, false, &gone);
	EXPECT_EQ(2, gone.split);
	EXPECT_EQ(1, gone.leaves[2]);
	EXPECT_EQ(-511, gone.leaves[1]);
	EXPECT_EQ(-511, gone.leaves[0]);
	EXPECT_EQ(0, gone.pages.nr);
	self->tables += 2;
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, g + 1023, NULL));
	expect_parts(_metadata, &self->s2, g, 512, p, 2);
	expect_parts(_metadata, &self->s2, g + 512, 511, p + 512, 1);
	expect_parts(_metadata, &self->s2, g + 1024, 510 * 512, p + 1024, 2);
	/* No memory for a table: the leaf goes as a whole, nothing stays that should go. */
	compat_pages_left = 0;
	EXPECT_EQ(1, unmap(&self->s2, g + 1100, 1, false, &self->tables));
	EXPECT_EQ(0, hv_s2_lookup(&self->s2, g + 1024, NULL));
	compat_pages_left = -1;
	expect_parts(_metadata, &self->s2, g + 1536, 509 * 512, p + 1536, 2);
	EXPECT_EQ(511 + 510, unmap(&self->s2, g, 1 << 18, true, &self->tables));
	EXPECT_EQ(1, self->tables);
}

/* A right that is missing in a large leaf is added where it is asked for, and only there. */
TEST_F(s2, rights_split)
{
	struct hv_s2_cache cache = { 0 };
	unsigned int level;

	EXPECT_EQ(1, map(&self->s2, 1 << 18, 0, 3, RX, &self->tables));
	EXPECT_EQ(-ENOMEM, hv_s2_map(&self->s2, &cache, (1 << 18) + 600, 600, 1, RWX));
	EXPECT_EQ(2, cache.want);
	ASSERT_EQ(0, hv_s2_cache_fill(&cache, 2));
	EXPECT_EQ(0, hv_s2_map(&self->s2, &cache, (1 << 18) + 600, 600, 1, RWX));
	EXPECT_EQ(-1, cache.leaves[2]);
	EXPECT_EQ(511, cache.leaves[1]);
	EXPECT_EQ(512, cache.leaves[0]);
	EXPECT_EQ(0, cache.nr);
	self->tables += 2;
	EXPECT_TRUE(hv_s2_lookup(&self->s2, (1 << 18) + 600, NULL) & self->fmt->write);
	EXPECT_FALSE(hv_s2_lookup(&self->s2, (1 << 18) + 601, NULL) & self->fmt->write);
	/* To all of a large leaf, if it is asked for all. */
	EXPECT_EQ(0, map(&self->s2, 1 << 18, 0, 2, RWX, &self->tables));
	EXPECT_TRUE(hv_s2_lookup(&self->s2, (1 << 18) + 511, &level) & self->fmt->write);
	EXPECT_EQ(2, level);
	/* Execution likewise, in formats that deny it by a bit, too. */
	EXPECT_EQ(1, map(&self->s2, 2048, 2048, 2, HV_ACC_READ, &self->tables));
	EXPECT_EQ(0, map(&self->s2, 2049, 2049, 1, RX, &self->tables));
	EXPECT_EQ(self->fmt->noexec, hv_s2_lookup(&self->s2, 2048, NULL) & self->fmt->noexec);
	EXPECT_FALSE(hv_s2_lookup(&self->s2, 2048, NULL) & self->fmt->exec);
	EXPECT_FALSE(hv_s2_lookup(&self->s2, 2049, NULL) & self->fmt->noexec);
	EXPECT_EQ(self->fmt->exec, hv_s2_lookup(&self->s2, 2049, NULL) & self->fmt->exec);
}

TEST_F(s2, protect)
{
	const struct hv_s2_format *fmt = self->fmt;

	EXPECT_EQ(1, map(&self->s2, 10, 10, 1, RWX, &self->tables));
	EXPECT_EQ(1, map(&self->s2, 11, 11, 1, RWX, &self->tables));
	EXPECT_EQ(1, map(&self->s2, 1024, 1024, 2, RWX, &self->tables));
	EXPECT_FALSE(hv_s2_protect(&self->s2, 12, 1000, false));
	EXPECT_FALSE(hv_s2_protect(&self->s2, ~0ull, 1000, false));
	if (fmt->dirty) {
		/* Still writable, but noted when it is. */
		EXPECT_TRUE(hv_s2_protect(&self->s2, 10, 1, true));
		EXPECT_EQ(fmt->write, hv_s2_lookup(&self->s2, 10, NULL) &
			  (fmt->write | fmt->dirty));
		EXPECT_FALSE(hv_s2_protect(&self->s2, 10, 1, true));
	}
	EXPECT_TRUE(hv_s2_protect(&self->s2, 10, 1, false));
	EXPECT_FALSE(hv_s2_protect(&self->s2, 10, 1, false));
	EXPECT_FALSE(hv_s2_lookup(&self->s2, 10, NULL) & fmt->write);
	EXPECT_TRUE(hv_s2_lookup(&self->s2, 11, NULL) & fmt->write);
	/* A large leaf as a whole, whichever way */
	EXPECT_TRUE(hv_s2_protect(&self->s2, 1030, 1, true));
	EXPECT_FALSE(hv_s2_lookup(&self->s2, 1024, NULL) & fmt->write);
	/* And a write then gives it back to one page. */
	EXPECT_EQ(0, map(&self->s2, 1030, 1030, 1, RWX, &self->tables));
	EXPECT_TRUE(hv_s2_lookup(&self->s2, 1030, NULL) & fmt->write);
	EXPECT_FALSE(hv_s2_lookup(&self->s2, 1031, NULL) & fmt->write);
}

TEST_F(s2, collapse)
{
	const struct hv_s2_format *fmt = self->fmt;
	struct hv_s2_unmapped gone = { .leaves = { 0 } };
	unsigned int i, level = 0;
	u64 leaf;

	/* Two that can be one, one of them read-only in a place; one with a hole; one askew */
	for (i = 0; i < 512; i++) {
		ASSERT_EQ(1, map(&self->s2, 512 + i, 512 + i, 1, RWX, &self->tables));
		ASSERT_EQ(1, map(&self->s2, 1024 + i, i, 1, i == 5 ? RX : RWX, &self->tables));
		if (i != 300)
			ASSERT_EQ(1, map(&self->s2, 1536 + i, 2048 + i, 1, RWX, &self->tables));
		ASSERT_EQ(1, map(&self->s2, 2048 + i, 513 + i, 1, RWX, &self->tables));
	}
	hv_s2_collapse(&self->s2, 513, 511, false, &gone);
	hv_s2_collapse(&self->s2, 0, self->end, true, &gone);
	EXPECT_EQ(0, gone.pages.nr);
	hv_s2_collapse(&self->s2, 0, self->end, false, &gone);
	EXPECT_EQ(2, gone.pages.nr);
	EXPECT_EQ(-2, gone.leaves[1]);
	EXPECT_EQ(1024, gone.leaves[0]);
	self->tables -= 2;
	hv_s2_cache_free(&gone.pages);
	leaf = hv_s2_lookup(&self->s2, 600, &level);
	EXPECT_EQ(2, level);
	EXPECT_EQ(fmt->leaf | fmt->exec | fmt->write | fmt->accessed | fmt->dirty | fmt->large |
		  512 << 12, leaf);
	leaf = hv_s2_lookup(&self->s2, 1024, &level);
	EXPECT_EQ(2, level);
	EXPECT_EQ(fmt->exec, leaf & (fmt->exec | fmt->write));
	EXPECT_EQ(0, leaf & fmt->addr);
	hv_s2_lookup(&self->s2, 1536, &level);
	EXPECT_EQ(1, level);
	hv_s2_lookup(&self->s2, 2048, &level);
	EXPECT_EQ(1, level);
	EXPECT_EQ(2 + 511 + 512, unmap(&self->s2, 0, self->end, true, &self->tables));

	/* 1 GiB of 2 MiB leaves */
	for (i = 0; i < 512; i++)
		ASSERT_EQ(1, map(&self->s2, (1 << 18) + i * 512, (3 << 18) + i * 512, 2,
				 HV_ACC_READ, &self->tables));
	gone = (struct hv_s2_unmapped) { .leaves = { 0 } };
	hv_s2_collapse(&self->s2, 1 << 18, 1 << 18, true, &gone);
	EXPECT_EQ(-1, gone.leaves[2]);
	EXPECT_EQ(512, gone.leaves[1]);
	self->tables -= gone.pages.nr;
	hv_s2_cache_free(&gone.pages);
	EXPECT_EQ((u64)3 << 30, hv_s2_lookup(&self->s2, (1 << 18) + 9, &level) & fmt->addr);
	EXPECT_EQ(3, level);
}

/* ---- against a model ---- */

#define WINDOW	1200	/* pages; more than two tables' worth */
#define WINDOWS	6

struct model_page {
	u64 pfn;
	unsigned int access;	/* 0: not mapped */
	bool young;
};

static struct model_page model[WINDOWS][WINDOW];

static u64 window_base(u64 end, unsigned int w)
{
	const u64 bases[WINDOWS] = {
		0, 3000, (1 << 18) - 600, (1 << 27) - 600, end / 2 - 600, end - WINDOW,
	};

	return bases[w];
}

static u64 model_leaf(const struct hv_s2_format *fmt, const struct model_page *p)
{
	u64 leaf = fmt->leaf | fmt->exec | p->pfn << 12;

	if (!p->access)
		return 0;
	if (p->access & HV_ACC_WRITE)
		leaf |= fmt->write | fmt->dirty;
	return leaf | (p->young ? fmt->accessed : 0);
}

TEST_F_TIMEOUT(s2, model, 250)
{
	const struct hv_s2_format *fmt = self->fmt;
	u64 leaves = 0, mapped = 0, collided = 0;
	unsigned int i, w, n;

	memset(model, 0, sizeof(model));
	for (i = 0; i < 60000; i++) {
		unsigned int at, len, op = rnd(16);
		struct model_page *p;
		u64 base;

		w = rnd(WINDOWS);
		at = rnd(WINDOW);
		base = window_base(self->end, w);
		p = &model[w][at];

		if (op < 12) {
			u64 pfn = rnd(8) && p->access ? p->pfn : rnd(1ull << 40);
			unsigned int access = rnd(2) ? RX : RWX;
			int want = p->access ? (p->pfn == pfn ? 0 : -EEXIST) : 1;

			ASSERT_EQ(want, map(&self->s2, base + at, pfn, 1, access, &self->tables));
			if (want >= 0) {
				p->pfn = pfn;
				p->access |= access;
				p->young = true;
				leaves += want;
				mapped++;
			} else {
				collided++;
			}
		} else if (op < 14) {
			u64 want = 0;

			len = 1 + rnd(rnd(4) ? 40 : WINDOW);
			if (len > WINDOW - at)
				len = WINDOW - at;
			for (n = 0; n < len; n++) {
				want += !!p[n].access;
				p[n].access = 0;
			}
			ASSERT_EQ(want, unmap(&self->s2, base + at, len, rnd(2), &self->tables));
			leaves -= want;
		} else if (fmt->accessed) {
			bool clear = rnd(2), young = false;

			len = 1 + rnd(WINDOW - at);
			for (n = 0; n < len; n++) {
				young |= p[n].access && p[n].young;
				if (clear)
					p[n].young = false;
			}
			ASSERT_EQ(young, hv_s2_young(&self->s2, base + at, len, clear));
		}
		ASSERT_EQ(self->tables, compat_pages);
		if (i % 1000)
			continue;
		for (w = 0; w < WINDOWS; w++)
			for (n = 0; n < WINDOW; n++)
				ASSERT_EQ(model_leaf(fmt, &model[w][n]),
					  hv_s2_lookup(&self->s2, window_base(self->end, w) + n,
						       NULL));
	}
	TH_LOG("%llu mapped, %llu collisions, %ld tables, %llu leaves at the end", mapped,
	       collided, self->tables, leaves);
	EXPECT_EQ(leaves, unmap(&self->s2, 0, self->end, true, &self->tables));
	EXPECT_EQ(1, self->tables);
}

/* A leaf as if it were the one of a small page; the processor's bits aside */
static u64 small_leaf(struct hv_s2 *s2, u64 gfn)
{
	const struct hv_s2_format *fmt = s2->fmt;
	unsigned int level = 1;
	u64 leaf = hv_s2_lookup(s2, gfn, &level);

	if (level > 1)
		leaf = (leaf & ~fmt->large) + ((gfn & ((1ull << 9 * (level - 1)) - 1)) << 12);
	return leaf & ~(fmt->accessed | fmt->dirty);
}

/* Map 2 MiB as a fault does: small leaves that are in the way go first. */
static void model_map_large(struct __test_metadata *_metadata, struct hv_s2 *s2,
			    struct model_page *p, u64 gfn, long *tables)
{
	bool again = p->access && !(p->pfn & 511) && rnd(2);
	u64 pfn = again ? p->pfn : rnd(1ull << 31) << 9;
	unsigned int access = rnd(2) ? RX : RWX, n;
	int ret = map(s2, gfn, pfn, 2, access, tables);

	if (ret == -EEXIST) {
		unmap(s2, gfn, 512, true, tables);
		for (n = 0; n < 512; n++)
			p[n].access = 0;
		ret = map(s2, gfn, pfn, 2, access, tables);
		ASSERT_EQ(1, ret);
	}
	ASSERT_LE(0, ret);
	for (n = 0; n < 512; n++) {
		p[n].pfn = pfn + n;
		p[n].access |= access;
	}
}

/* Protecting a part of a large leaf protects all of it. */
static void model_protect(struct hv_s2 *s2, struct model_page *p, u64 gfn, unsigned int at,
			  unsigned int len)
{
	unsigned int n, i;

	for (n = at; n < at + len; n++) {
		unsigned int level = 1;

		hv_s2_lookup(s2, gfn + n, &level);
		if (level == 1)
			p[n].access &= ~HV_ACC_WRITE;
		for (i = 0; level == 2 && i < 512; i++)
			p[n - ((gfn + n) & 511) + i].access &= ~HV_ACC_WRITE;
	}
	hv_s2_protect(s2, gfn + at, len, false);
}

TEST_F_TIMEOUT(s2, model_large, 250)
{
	const struct hv_s2_format *fmt = self->fmt;
	unsigned int i, w, n, large = 0;

	memset(model, 0, sizeof(model));
	for (i = 0; i < 30000; i++) {
		unsigned int at = rnd(WINDOW), len = 1 + rnd(WINDOW - at), op = rnd(16);
		struct model_page *p;
		u64 base, block;

		w = rnd(WINDOWS);
		base = window_base(self->end, w);
		p = model[w];
		block = (base + 511) & ~511ull;

		if (op < 8) {
			u64 pfn = rnd(8) && p[at].access ? p[at].pfn : rnd(1ull << 40);
			unsigned int access = rnd(2) ? RX : RWX;
			int want = p[at].access ? (p[at].pfn == pfn ? 0 : -EEXIST) : 1;

			ASSERT_EQ(want, map(&self->s2, base + at, pfn, 1, access, &self->tables));
			if (want >= 0) {
				p[at].pfn = pfn;
				p[at].access |= access;
			}
		} else if (op < 12) {
			model_map_large(_metadata, &self->s2, p + (block - base), block,
					&self->tables);
			large++;
		} else if (op < 14) {
			if (rnd(2))
				len = 1 + len / 100;
			unmap(&self->s2, base + at, len, rnd(2), &self->tables);
			for (n = 0; n < len; n++)
				p[at + n].access = 0;
		} else {
			model_protect(&self->s2, p, base, at, 1 + len / 50);
		}
		ASSERT_EQ(self->tables, compat_pages);
		if (i % 300)
			continue;
		for (w = 0; w < WINDOWS; w++)
			for (n = 0; n < WINDOW; n++) {
				u64 want = model_leaf(fmt, &model[w][n]);

				want &= ~(fmt->accessed | fmt->dirty);
				ASSERT_EQ(want, small_leaf(&self->s2,
							   window_base(self->end, w) + n));
			}
	}
	TH_LOG("%u large, %ld tables", large, self->tables);
	unmap(&self->s2, 0, self->end, true, &self->tables);
	EXPECT_EQ(1, self->tables);
}

/* ---- faults of several vCPUs on the same pages ---- */

/* Another vCPU's fault on frame 5, just before the race.at-th exchange of this one. */
static struct {
	struct hv_s2 *s2;
	unsigned int at, access;
	u64 pfn;
	long tables;
	int ret;
} race;

static void race_once(void)
{
	if (race.at && !--race.at) {
		compat_race = NULL;
		race.ret = map(race.s2, 5, race.pfn, 1, race.access, &race.tables);
	}
}

TEST_F(s2, lost_race)
{
	const struct hv_s2_format *fmt = self->fmt;
	unsigned int at;

	/* At each table, and at the leaf. */
	for (at = 1; at <= fmt->levels; at++) {
		race.s2 = &self->s2;
		race.at = at;
		race.access = RWX;
		race.pfn = 9;
		race.tables = 0;
		race.ret = -1;
		compat_race = race_once;
		EXPECT_EQ(0, map(&self->s2, 5, 9, 1, RX, &self->tables));
		compat_race = NULL;
		EXPECT_EQ(1, race.ret);
		self->tables += race.tables;
		EXPECT_EQ(fmt->levels, self->tables);
		EXPECT_EQ(self->tables, compat_pages);
		/* Neither loses the other's rights. */
		EXPECT_EQ(fmt->leaf | fmt->exec | fmt->write | fmt->accessed | fmt->dirty |
			  0x9000, hv_s2_lookup(&self->s2, 5, NULL));
		EXPECT_EQ(1, unmap(&self->s2, 0, self->end, true, &self->tables));
	}

	/* Another page is there first. */
	race.at = fmt->levels;
	race.pfn = 8;
	compat_race = race_once;
	EXPECT_EQ(-EEXIST, map(&self->s2, 5, 9, 1, RX, &self->tables));
	compat_race = NULL;
	self->tables += race.tables;
	EXPECT_EQ(8, hv_s2_lookup(&self->s2, 5, NULL) >> 12 & 0xffff);
}

#define THREADS		4
#define SPREAD		64	/* distance of pages: many tables are made at once */
#define SHARED		20000

struct worker {
	struct hv_s2 *s2;
	unsigned int nr;
	long tables;
	u64 new;
	unsigned int bad;
};

static unsigned int arrived;

/* Let all threads go on at the same moment, as far as there are processors. */
static void meet(unsigned int round)
{
	unsigned int spins = 0;

	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	while (READ_ONCE(arrived) < (round + 1) * THREADS)
		if (++spins % 1000 == 0)
			sched_yield();
}

static void *fault_all(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	seed = w->nr + 1;
	for (i = 0; i < SHARED; i++) {
		u64 gfn = i * SPREAD;
		int ret;

		if (i % 8 == 0)
			meet(i / 8);
		ret = map(w->s2, gfn, i, 1, i % THREADS == w->nr ? RWX : RX, &w->tables);
		if (ret < 0)
			w->bad++;
		else
			w->new += ret;
		if (w->s2->fmt->accessed && !rnd(4))
			hv_s2_young(w->s2, gfn, 1, true);
	}
	return NULL;
}

TEST_F_TIMEOUT(s2, parallel, 250)
{
	const u64 soft = self->fmt->accessed | self->fmt->dirty;
	const u64 want = self->fmt->leaf | self->fmt->exec | self->fmt->write;
	struct worker worker[THREADS];
	pthread_t thread[THREADS];
	unsigned int i;
	u64 new = 0;

	WRITE_ONCE(arrived, 0);
	for (i = 0; i < THREADS; i++) {
		worker[i] = (struct worker) { .s2 = &self->s2, .nr = i };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, fault_all, &worker[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, worker[i].bad);
		new += worker[i].new;
		self->tables += worker[i].tables;
	}
	EXPECT_EQ(SHARED, new);
	for (i = 0; i < SHARED; i++)
		ASSERT_EQ(want | (u64)i << 12,
			  hv_s2_lookup(&self->s2, (u64)i * SPREAD, NULL) & ~soft);
	EXPECT_EQ(SHARED, unmap(&self->s2, 0, self->end, true, &self->tables));
	EXPECT_EQ(1, self->tables);
}

/* The same, while another thread takes pages and tables away as the notifier does. */
static pthread_rwlock_t mmu_lock = PTHREAD_RWLOCK_INITIALIZER;
static bool stop_zapping;

static void *fault_locked(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	seed = w->nr + 1;
	for (i = 0; i < SHARED; i++) {
		struct hv_s2_cache cache = { 0 };
		u64 gfn = rnd(4000);
		long filled = 0;
		int ret;

		for (;;) {
			pthread_rwlock_rdlock(&mmu_lock);
			ret = hv_s2_map(w->s2, &cache, gfn * SPREAD, gfn, 1, RWX);
			pthread_rwlock_unlock(&mmu_lock);
			if (ret != -ENOMEM)
				break;
			if (hv_s2_cache_fill(&cache, cache.want))
				abort();
			filled += cache.nr;
		}
		w->tables += filled - cache.nr;
		hv_s2_cache_free(&cache);
		if (ret < 0)
			w->bad++;
		else
			w->new += ret;
	}
	return NULL;
}

static void *zap_locked(void *arg)
{
	struct worker *w = arg;

	while (!READ_ONCE(stop_zapping)) {
		pthread_rwlock_wrlock(&mmu_lock);
		w->new -= unmap(w->s2, rnd(4000) * SPREAD, 1 + rnd(50000), rnd(4), &w->tables);
		pthread_rwlock_unlock(&mmu_lock);
		usleep(10);
	}
	return NULL;
}

TEST_F_TIMEOUT(s2, parallel_with_unmap, 250)
{
	struct worker worker[THREADS + 1];
	pthread_t thread[THREADS + 1];
	unsigned int i;
	u64 leaves = 0;

	WRITE_ONCE(stop_zapping, false);
	for (i = 0; i <= THREADS; i++) {
		worker[i] = (struct worker) { .s2 = &self->s2, .nr = i };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL,
					    i < THREADS ? fault_locked : zap_locked, &worker[i]));
	}
	for (i = 0; i <= THREADS; i++) {
		if (i == THREADS)
			WRITE_ONCE(stop_zapping, true);
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, worker[i].bad);
		leaves += worker[i].new;
		self->tables += worker[i].tables;
	}
	ASSERT_EQ(self->tables, compat_pages);
	EXPECT_EQ(leaves, unmap(&self->s2, 0, self->end, true, &self->tables));
	EXPECT_EQ(1, self->tables);
}

TEST_HARNESS_MAIN
