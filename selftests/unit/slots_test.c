// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slot arithmetic: every refusal, and random changes against a model that
 * knows nothing of sorting.
 */
#include <errno.h>
#include <stdio.h>
#include <linux/hv.h>
#include <hv/slots.h>

#include <kselftest_harness.h>

#define KiB	1024ull
#define PAGE	4096ull
#define BIG	(1ull << 40)	/* frames in 2^52 bytes */
#define RO	HV_MEM_READONLY

long compat_pages;
long compat_pages_left = -1;
void (*compat_race)(void);

static const struct hv_slot_limits limits = {
	.flags = RO,
	.gfn_end = BIG,
	.hva_end = (1ull << 47) - PAGE,
};

/* The array under test: two buffers, of which each change fills the other. */
struct state {
	struct hv_memslots *now, *next;
};

static struct hv_memslots *slots_new(void)
{
	struct hv_memslots *slots = calloc(1, hv_slots_size(HV_MAX_MEMSLOTS));

	hv_slots_layout(slots, HV_MAX_MEMSLOTS);
	return slots;
}

static void state_init(struct state *s)
{
	s->now = slots_new();
	s->next = slots_new();
}

static void state_free(struct state *s)
{
	free(s->now);
	free(s->next);
}

static int set(struct state *s, u32 id, u32 flags, u64 gpa, u64 size, u64 hva)
{
	const struct hv_userspace_memory_region mem = { id, flags, gpa, size, hva };
	struct hv_memslots *old = s->now;
	struct hv_memslot new;
	int op;

	op = hv_slots_check(old, &mem, &limits, &new);
	if (op <= HV_SLOT_NONE)
		return op;
	hv_slots_apply(s->next, old, op, &new);
	s->now = s->next;
	s->next = old;
	return op;
}

TEST(refused)
{
	static const struct {
		const char *what;
		u32 slot, flags;
		u64 gpa, size, hva;
		int ret;
	} cases[] = {
		{ "unknown flag", 1, 0x8, 0, PAGE, 0, -EINVAL },
		{ "dirty logging", 1, HV_MEM_LOG_DIRTY_PAGES, 0, PAGE, 0, -EINVAL },
		{ "last id", 32763, 0, 0, PAGE, PAGE, HV_SLOT_CREATE },
		{ "id beyond", 32764, 0, 0, PAGE, PAGE, -EINVAL },
		{ "id -1", ~0u, 0, 0, PAGE, PAGE, -EINVAL },
		{ "address space 1", 0x10001, 0, 0, PAGE, PAGE, -EINVAL },
		{ "gpa + 1", 1, 0, 1, PAGE, PAGE, -EINVAL },
		{ "gpa + 2048", 1, 0, 2 * KiB, PAGE, PAGE, -EINVAL },
		{ "size 1", 1, 0, 0, 1, PAGE, -EINVAL },
		{ "size 4097", 1, 0, 0, 4097, PAGE, -EINVAL },
		{ "size -1", 1, 0, 0, ~0ull, PAGE, -EINVAL },
		{ "hva + 1", 1, 0, 0, PAGE, 1, -EINVAL },
		{ "hva 0", 1, 0, 0, PAGE, 0, HV_SLOT_CREATE },
		{ "last user page", 1, 0, 0, PAGE, (1ull << 47) - 2 * PAGE, HV_SLOT_CREATE },
		{ "page behind it", 1, 0, 0, PAGE, (1ull << 47) - PAGE, -EINVAL },
		{ "reaches out of userspace", 1, 0, 0, 2 * PAGE, (1ull << 47) - 2 * PAGE, -EINVAL },
		{ "not canonical", 1, 0, 0, PAGE, 1ull << 47, -EINVAL },
		{ "kernel", 1, 0, 0, PAGE, 0xffff888000000000, -EINVAL },
		{ "last page of all", 1, 0, 0, PAGE, -PAGE, -EINVAL },
		{ "hva wraps", 1, 0, 0, 2 * PAGE, -PAGE, -EINVAL },
		{ "last frame", 1, 0, (1ull << 52) - PAGE, PAGE, PAGE, HV_SLOT_CREATE },
		{ "first frame too many", 1, 0, 1ull << 52, PAGE, PAGE, -EINVAL },
		{ "reaches over 2^52", 1, 0, (1ull << 52) - PAGE, 2 * PAGE, PAGE, -EINVAL },
		{ "gpa wraps to 0", 1, 0, -PAGE, PAGE, PAGE, -EINVAL },
		{ "gpa wraps", 1, 0, -PAGE, 4 * PAGE, PAGE, -EINVAL },
		{ "longest", 1, 0, 0, HV_MAX_SLOT_PAGES * PAGE, PAGE, HV_SLOT_CREATE },
		{ "too long", 1, 0, 0, (HV_MAX_SLOT_PAGES + 1) * PAGE, PAGE, -EINVAL },
		{ "far too long", 1, 0, 0, 1ull << 63, PAGE, -EINVAL },
		{ "delete what isn't", 1, 0, 0, 0, PAGE, -EINVAL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct state s;

		state_init(&s);
		EXPECT_EQ(cases[i].ret, set(&s, cases[i].slot, cases[i].flags, cases[i].gpa,
					    cases[i].size, cases[i].hva))
			TH_LOG("%s", cases[i].what);
		EXPECT_EQ(cases[i].ret == HV_SLOT_CREATE, s.now->nr);
		state_free(&s);
	}
}

TEST(changes)
{
	struct state s;

	state_init(&s);
	EXPECT_EQ(HV_SLOT_CREATE, set(&s, 3, 0, 0x10000, 4 * PAGE, 0x100000));
	EXPECT_EQ(HV_SLOT_NONE, set(&s, 3, 0, 0x10000, 4 * PAGE, 0x100000));
	EXPECT_EQ(1, s.now->generation);
	EXPECT_EQ(-EINVAL, set(&s, 3, 0, 0x10000, 5 * PAGE, 0x100000));
	EXPECT_EQ(-EINVAL, set(&s, 3, 0, 0x10000, 3 * PAGE, 0x100000));
	EXPECT_EQ(-EINVAL, set(&s, 3, 0, 0x10000, 4 * PAGE, 0x101000));
	EXPECT_EQ(-EINVAL, set(&s, 3, RO, 0x10000, 4 * PAGE, 0x100000));
	/* To where it partly is already, and back. */
	EXPECT_EQ(HV_SLOT_MOVE, set(&s, 3, 0, 0x11000, 4 * PAGE, 0x100000));
	EXPECT_EQ(HV_SLOT_MOVE, set(&s, 3, 0, 0x10000, 4 * PAGE, 0x100000));

	EXPECT_EQ(-EEXIST, set(&s, 4, RO, 0x13000, PAGE, 0));
	EXPECT_EQ(-EEXIST, set(&s, 4, RO, 0xf000, 2 * PAGE, 0));
	EXPECT_EQ(-EEXIST, set(&s, 4, RO, 0, 1ull << 32, 0));
	EXPECT_EQ(HV_SLOT_CREATE, set(&s, 4, RO, 0x14000, PAGE, 0));
	EXPECT_EQ(HV_SLOT_CREATE, set(&s, 5, RO, 0xf000, PAGE, 0));
	EXPECT_EQ(-EEXIST, set(&s, 3, 0, 0x11000, 4 * PAGE, 0x100000));
	EXPECT_EQ(-EEXIST, set(&s, 3, 0, 0xf000, 4 * PAGE, 0x100000));
	EXPECT_EQ(HV_SLOT_MOVE, set(&s, 3, 0, 0x15000, 4 * PAGE, 0x100000));
	EXPECT_EQ(-EINVAL, set(&s, 4, 0, 0x14000, PAGE, 0));

	EXPECT_EQ(HV_SLOT_DELETE, set(&s, 4, 0, 0, 0, 0));
	EXPECT_EQ(-EINVAL, set(&s, 4, 0, 0, 0, 0));
	EXPECT_EQ(2, s.now->nr);
	EXPECT_EQ(NULL, hv_memslot_find(s.now, 0x14));
	EXPECT_NE(NULL, hv_memslot_find(s.now, 0x15));
	EXPECT_NE(NULL, hv_memslot_find(s.now, 0xf));
	state_free(&s);
}

/* ---- against a model ---- */

#define MODEL_SLOTS	512

struct model {
	struct hv_memslot slot[MODEL_SLOTS];	/* by id; npages 0: none */
};

static u64 seed = 1;

static u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* Crowded near both ends of the address space, so that slots meet. */
static u64 rnd_gfn(void)
{
	switch (rnd(4)) {
	case 0:
		return BIG - 1 - rnd(2000);
	case 1:
		return rnd(BIG);
	default:
		return rnd(2000);
	}
}

static int model_set(struct model *m, const struct hv_userspace_memory_region *mem)
{
	u64 gfn = mem->guest_phys_addr / PAGE, n = mem->memory_size / PAGE;
	struct hv_memslot *old = &m->slot[mem->slot];
	int op = HV_SLOT_CREATE;
	unsigned int i;

	if (!n) {
		if (!old->npages)
			return -EINVAL;
		old->npages = 0;
		return HV_SLOT_DELETE;
	}
	if (gfn + n > BIG)
		return -EINVAL;
	if (old->npages) {
		if (old->npages != n || old->hva != mem->userspace_addr ||
		    old->flags != mem->flags)
			return -EINVAL;
		if (old->gfn == gfn)
			return HV_SLOT_NONE;
		op = HV_SLOT_MOVE;
	}
	for (i = 0; i < MODEL_SLOTS; i++) {
		const struct hv_memslot *other = &m->slot[i];

		if (i != mem->slot && other->npages && gfn < other->gfn + other->npages &&
		    other->gfn < gfn + n)
			return -EEXIST;
	}
	*old = (struct hv_memslot) { gfn, n, mem->userspace_addr, mem->flags, mem->slot, NULL };
	return op;
}

static const struct hv_memslot *model_find(const struct model *m, u64 gfn)
{
	unsigned int i;

	for (i = 0; i < MODEL_SLOTS; i++)
		if (m->slot[i].npages && gfn >= m->slot[i].gfn &&
		    gfn - m->slot[i].gfn < m->slot[i].npages)
			return &m->slot[i];
	return NULL;
}

static bool find_agrees(const struct model *m, const struct hv_memslots *slots, u64 gfn)
{
	const struct hv_memslot *want = model_find(m, gfn), *got = hv_memslot_find(slots, gfn);

	if (!want || !got)
		return !want == !got;
	return !memcmp(want, got, sizeof(*want));
}

static bool overlaps(const struct hv_memslot *slot, u64 start, u64 end)
{
	return slot->npages && slot->hva < end && slot->hva + slot->npages * PAGE > start;
}

/* Everything that has memory in a range is found by address, and found once. */
static bool hva_agrees(const struct model *m, const struct hv_memslots *slots, u64 start, u64 end)
{
	bool seen[MODEL_SLOTS] = { false };
	const struct hv_memslot *slot;
	unsigned int i;

	hv_for_each_slot_in_hva(slots, i, slot, start, end) {
		if (seen[slot->id] || memcmp(slot, &m->slot[slot->id], sizeof(*slot)))
			return false;
		seen[slot->id] = true;
	}
	for (i = 0; i < MODEL_SLOTS; i++)
		if (overlaps(&m->slot[i], start, end) && !seen[i])
			return false;
	return true;
}

static bool ids_agree(const struct model *m, const struct hv_memslots *slots, u32 id)
{
	const struct hv_memslot *slot = hv_memslot_by_id(slots, id);

	return m->slot[id].npages ? slot && !memcmp(slot, &m->slot[id], sizeof(*slot)) : !slot;
}

/* The time limit is for machines that do something else as well. */
FIXTURE(slots)
{
};

FIXTURE_SETUP(slots)
{
}

FIXTURE_TEARDOWN(slots)
{
}

TEST_F_TIMEOUT(slots, model, 250)
{
	static struct model m;
	unsigned int count[HV_SLOT_FLAGS + 1] = { 0 }, refused = 0, i, j;
	struct state s;

	state_init(&s);
	for (i = 0; i < 200000; i++) {
		struct hv_userspace_memory_region mem = {
			.slot = rnd(i % 2000 < 1000 ? 16 : MODEL_SLOTS),
			.flags = rnd(4) ? 0 : RO,
			.guest_phys_addr = rnd_gfn() * PAGE,
			.memory_size = (1 + rnd(rnd(2) ? 8 : 300)) * PAGE,
			.userspace_addr = (rnd(4) ? rnd(1 << 20) : rnd(3)) * PAGE,
		};
		const struct hv_memslot *old = &m.slot[mem.slot];
		int want, got;
		u64 gfn;

		if (old->npages) {
			switch (rnd(4)) {
			case 0:
			case 1:
				mem.memory_size = 0;
				break;
			case 2: /* the same memory, here or elsewhere nearby */
				mem.guest_phys_addr = (old->gfn + rnd(3)) * PAGE;
				mem.memory_size = old->npages * PAGE;
				mem.userspace_addr = old->hva;
				mem.flags = old->flags;
				break;
			}
		}
		want = model_set(&m, &mem);
		got = set(&s, mem.slot, mem.flags, mem.guest_phys_addr, mem.memory_size,
			  mem.userspace_addr);
		ASSERT_EQ(want, got);
		if (got < 0)
			refused++;
		else
			count[got]++;

		for (j = 1; j < s.now->nr; j++)
			ASSERT_LE(s.now->slot[j - 1].gfn + s.now->slot[j - 1].npages,
				  s.now->slot[j].gfn);
		for (j = 0; j < 3; j++)
			ASSERT_TRUE(find_agrees(&m, s.now, rnd_gfn()));
		gfn = mem.guest_phys_addr / PAGE;
		for (j = 0; j < 3; j++) {
			ASSERT_TRUE(find_agrees(&m, s.now, gfn - 1 + j));
			ASSERT_TRUE(find_agrees(&m, s.now,
						gfn + mem.memory_size / PAGE - 1 + j));
		}
		ASSERT_TRUE(find_agrees(&m, s.now, ~0ull));
		if (i % 8 == 0) {
			u64 hva = rnd(1 << 20) * PAGE;

			ASSERT_TRUE(hva_agrees(&m, s.now, hva, hva + (1 + rnd(1000)) * PAGE));
			ASSERT_TRUE(hva_agrees(&m, s.now, hva + 5, hva + 6));
			ASSERT_TRUE(hva_agrees(&m, s.now, mem.userspace_addr,
					       mem.userspace_addr + 1));
		}
		ASSERT_TRUE(ids_agree(&m, s.now, mem.slot));
		ASSERT_TRUE(ids_agree(&m, s.now, rnd(MODEL_SLOTS)));
	}
	TH_LOG("%u created, %u deleted, %u moved, %u same, %u refused", count[HV_SLOT_CREATE],
	       count[HV_SLOT_DELETE], count[HV_SLOT_MOVE], count[HV_SLOT_NONE], refused);
	for (i = HV_SLOT_NONE; i < HV_SLOT_FLAGS; i++)
		EXPECT_GT(count[i], 100);
	state_free(&s);
}

/* Thousands, in an order that always inserts in the middle. */
TEST(thousands)
{
	const unsigned int n = 3000;
	struct state s;
	unsigned int i;

	state_init(&s);
	for (i = 0; i < n; i++)
		ASSERT_EQ(HV_SLOT_CREATE, set(&s, i, 0, (i * 211 % n) * PAGE, PAGE,
					      i * PAGE));
	EXPECT_EQ(n, s.now->nr);
	for (i = 0; i < n; i++) {
		const struct hv_memslot *slot = hv_memslot_find(s.now, i);

		ASSERT_NE(NULL, slot);
		EXPECT_EQ(i, slot->id * 211 % n);
		EXPECT_EQ(slot, hv_memslot_by_id(s.now, slot->id));
	}
	EXPECT_EQ(NULL, hv_memslot_find(s.now, n));
	for (i = 0; i < n; i++)
		ASSERT_EQ(HV_SLOT_DELETE, set(&s, i * 7 % n, 0, 0, 0, 0));
	EXPECT_EQ(0, s.now->nr);
	EXPECT_EQ(2 * n, s.now->generation);
	state_free(&s);
}

TEST(hva_range)
{
	const struct hv_memslot slot = { .gfn = 1000, .npages = 16, .hva = 64 * PAGE };
	unsigned int i, page;

	for (i = 0; i < 200000; i++) {
		u64 start = rnd(100 * PAGE), end = start + rnd(rnd(2) ? 100 * PAGE : 9000);
		u64 gfn = 0, npages = 0, first = 0, n = 0;

		for (page = 0; page < slot.npages; page++) {
			u64 at = slot.hva + page * PAGE;

			if (start < end && start < at + PAGE && at < end) {
				if (!n)
					first = slot.gfn + page;
				n++;
			}
		}
		ASSERT_EQ(n != 0, hv_memslot_hva_range(&slot, start, end, &gfn, &npages));
		ASSERT_EQ(first, gfn);
		ASSERT_EQ(n, npages);
	}
}

TEST_HARNESS_MAIN
