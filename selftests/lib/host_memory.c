// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a host can do to the memory of a process: all that leaves its contents as they are,
 * and what makes zeros of them. How often each was done is counted, and what the kernel says
 * that came of it.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "file.h"
#include "host_memory.h"
#include "hvtest.h"

/* Not in every libc */
#define ADVICE_COLD		20
#define ADVICE_PAGEOUT		21
#define ADVICE_POPULATE_WRITE	23
#define ADVICE_COLLAPSE		25
#define MOVE_THESE		2	/* MPOL_MF_MOVE */

#define KSM		"/sys/kernel/mm/ksm/"
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define ZRAM		"/dev/zram0"
#define HUGE_PAGES	12

static bool has_swap, has_hugetlb;
static unsigned int nodes;

/**
 * rnd() - a number below @n, the same ones in each run
 */
uint32_t rnd(uint32_t n)
{
	static uint64_t seed = 88172645463325252ULL;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static long event(const char *name)
{
	return file_number("/proc/vmstat", name);
}

/* ---- the operations: each returns whether it was done ---- */

static bool write_protect(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	return !mprotect(at, len, PROT_READ) & !mprotect(at, len, PROT_READ | PROT_WRITE);
}

static bool no_access(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	return !mprotect(at, len, PROT_NONE) & !mprotect(at, len, PROT_READ | PROT_WRITE);
}

/* An address range of @size bytes, at a multiple of HUGE */
static uint8_t *reserve(size_t size)
{
	uint8_t *at = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("no addresses");
	return (uint8_t *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));
}

static bool move(struct memory *m, uint8_t *at, size_t len)
{
	static uint8_t *elsewhere;

	if (!elsewhere)
		elsewhere = reserve(m->size);
	/* Only what has one kind of advice can be moved at once. */
	if (mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) != elsewhere)
		return false;
	if (mremap(elsewhere, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
		die("mremap: %s", strerror(errno));
	/* Keep the place. */
	mmap(elsewhere, m->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return true;
}

static bool merge(struct memory *m, uint8_t *at, size_t len)
{
	if (m->flags & MEMORY_MERGES)
		return !madvise(m->at, m->size, MADV_MERGEABLE);
	return !madvise(at, len, MADV_MERGEABLE);
}

static bool unmerge(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	return !madvise(at, len, MADV_UNMERGEABLE);
}

static bool cold(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	return !madvise(at, len, ADVICE_COLD);
}

static bool swap_out(struct memory *m, uint8_t *at, size_t len)
{
	long before = event("pswpout ");

	(void)m;
	return !madvise(at, len, ADVICE_PAGEOUT) && event("pswpout ") > before;
}

/* All that is swapped comes back. */
static bool swap_off(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	(void)at;
	(void)len;
	if (system("swapoff " ZRAM))
		return false;
	if (system("swapon " ZRAM))
		die("swapon");
	return true;
}

static bool advise_huge(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	return !madvise(at, len, rnd(2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static bool collapse(struct memory *m, uint8_t *at, size_t len)
{
	uint8_t *huge = m->at + (at - m->at) / HUGE * HUGE;

	(void)len;
	/* With one kind of advice it may be one mapping again. */
	madvise(m->at, m->size, MADV_UNMERGEABLE);
	madvise(m->at, m->size, MADV_HUGEPAGE);
	madvise(huge, HUGE, ADVICE_POPULATE_WRITE);
	return !madvise(huge, HUGE, ADVICE_COLLAPSE);
}

/* The kernel doesn't split what somebody looks at right then. */
static bool split(struct memory *m, uint8_t *at, size_t len)
{
	long before = event("thp_split_page ");
	char text[64];
	int i;

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), (long)m->at,
		 (long)(m->at + m->size));
	for (i = 0; i < 4; i++) {
		collapse(m, at, len);
		if (!file_write("/sys/kernel/debug/split_huge_pages", text))
			return false;
		if (event("thp_split_page ") > before)
			return true;
	}
	return false;
}

static bool compact(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	(void)at;
	(void)len;
	return file_write("/proc/sys/vm/compact_memory", "1");
}

/* Pages go to one node or the other. */
static bool migrate(struct memory *m, uint8_t *at, size_t len)
{
	size_t step = m->flags & MEMORY_HUGETLB ? HUGE : PAGE;
	int node[16], status[16];
	void *page[16];
	unsigned int i, n;
	bool moved = false;

	for (n = 0; n < 16 && n * step < len; n++) {
		page[n] = at + n * step;
		node[n] = rnd(nodes);
	}
	if (syscall(SYS_move_pages, 0, n, page, node, status, MOVE_THESE) < 0)
		return false;
	for (i = 0; i < n; i++)
		moved |= status[i] == node[i];
	return moved;
}

/* What parent and child share is copied by the next write, and the child's stays. */
static bool fork_child(struct memory *m, uint8_t *at, size_t len)
{
	volatile uint64_t *word = (volatile uint64_t *)at;
	uint64_t value;
	int status;
	pid_t pid;

	(void)len;
	pid = fork();
	if (!pid) {
		value = *word;
		sleep_us(2000);
		_exit(*word != value);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	/* A child loses private pages of hugetlbfs when there are none left for its parent. */
	if (m->flags & (MEMORY_SHARED | MEMORY_HUGETLB))
		return true;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("a child saw its parent's guest write: status %x", status);
	return true;
}

static bool discard(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	return !madvise(at, len, MADV_DONTNEED);
}

static bool let_go(struct memory *m, uint8_t *at, size_t len)
{
	(void)m;
	return !madvise(at, len, MADV_FREE);
}

static bool punch_hole(struct memory *m, uint8_t *at, size_t len)
{
	return !fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at - m->at, len);
}

static bool truncate_file(struct memory *m, uint8_t *at, size_t len)
{
	(void)len;
	must(ftruncate(m->fd, at - m->at));
	must(ftruncate(m->fd, m->size));
	return true;
}

static bool map(struct memory *m)
{
	int flags = MAP_FIXED | (m->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	if (m->fd < 0 && m->flags & MEMORY_HUGETLB)
		flags |= MAP_HUGETLB;
	return mmap(m->at, m->size, PROT_READ | PROT_WRITE, flags, m->fd, 0) == m->at;
}

static bool map_anew(struct memory *m, uint8_t *at, size_t len)
{
	(void)at;
	(void)len;
	if (!map(m))
		die("mmap: %s", strerror(errno));
	return true;
}

static bool always(void)
{
	return true;
}

static bool if_swap(void)
{
	return has_swap;
}

static bool if_ksm(void)
{
	return !access(KSM "run", F_OK);
}

static bool if_thp(void)
{
	return !access(THP "enabled", F_OK);
}

static bool if_split(void)
{
	return if_thp() && !access("/sys/kernel/debug/split_huge_pages", F_OK);
}

static bool if_nodes(void)
{
	return nodes > 1;
}

struct operation {
	const char *name;
	unsigned int not;	/* flags of memory that it isn't for */
	unsigned int only;	/* flags that the memory has to have */
	unsigned int scale;	/* it's done once in so many times, as it takes long */
	bool (*run)(struct memory *m, uint8_t *at, size_t len);
	bool (*possible)(void);
};

static const struct operation operations[] = {
	/* In turn, these come before what makes mappings of pieces that can't be one again. */
	{ "collapse huge page", MEMORY_HUGETLB | MEMORY_MERGES, 0, 1, collapse, if_thp },
	{ "split huge pages", MEMORY_SHARED | MEMORY_HUGETLB | MEMORY_MERGES, 0, 1, split,
	  if_split },
	{ "mprotect, read-only", 0, 0, 1, write_protect, always },
	{ "mprotect, no access", 0, 0, 1, no_access, always },
	{ "mremap", 0, 0, 1, move, always },
	{ "fork", 0, 0, 1, fork_child, always },
	{ "merge", MEMORY_SHARED | MEMORY_HUGETLB, 0, 1, merge, if_ksm },
	{ "unmerge", MEMORY_SHARED | MEMORY_HUGETLB, 0, 2, unmerge, if_ksm },
	{ "cold", MEMORY_HUGETLB, 0, 1, cold, always },
	{ "swap out", MEMORY_HUGETLB, 0, 1, swap_out, if_swap },
	{ "swap off", 0, 0, 16, swap_off, if_swap },
	{ "advise huge pages", MEMORY_HUGETLB, 0, 1, advise_huge, if_thp },
	{ "compact", 0, 0, 8, compact, always },
	{ "move to another node", 0, 0, 1, migrate, if_nodes },
	{ "discard", 0, MEMORY_VANISHES, 1, discard, always },
	{ "let go", MEMORY_SHARED | MEMORY_HUGETLB, MEMORY_VANISHES, 1, let_go, always },
	{ "punch hole", 0, MEMORY_SHARED | MEMORY_VANISHES, 1, punch_hole, always },
	{ "truncate", 0, MEMORY_SHARED | MEMORY_VANISHES, 1, truncate_file, always },
	{ "map anew", MEMORY_SHARED, MEMORY_VANISHES, 4, map_anew, always },
};

static unsigned long tried[ARRAY_LEN(operations)], done[ARRAY_LEN(operations)];

/* Events of the kernel that show what came of it */
static const struct {
	const char *name;
	bool (*possible)(void);
} events[] = {
	{ "pswpout ", if_swap },
	{ "pswpin ", if_swap },
	{ "cow_ksm ", if_ksm },
	{ "thp_collapse_alloc ", if_thp },
	{ "thp_split_page ", if_split },
	{ "pgmigrate_success ", always },
};

static long before[ARRAY_LEN(events)];
static long most_merged;

/**
 * memory_operations() - how many operations there are
 */
unsigned int memory_operations(void)
{
	return ARRAY_LEN(operations);
}

/**
 * memory_operation() - do something to memory
 * @m: the memory; somewhere in it
 * @n: the operation, less than memory_operations()
 * @now: also if it's one that takes long, unless it has been done
 *
 * Return: whether it was done: it may not be for this memory or this host, or wasn't possible.
 */
bool memory_operation(struct memory *m, unsigned int n, bool now)
{
	size_t unit = m->flags & MEMORY_HUGETLB ? HUGE : PAGE;
	unsigned long units = m->size / unit, first = rnd(units);
	unsigned long nr = 1 + rnd(rnd(2) ? 8 : units - first);
	long merged;

	if (m->flags & operations[n].not || ~m->flags & operations[n].only ||
	    !operations[n].possible() || ((!now || done[n]) && rnd(operations[n].scale)))
		return false;
	if (nr > units - first)
		nr = units - first;
	tried[n]++;
	if (!operations[n].run(m, m->at + first * unit, nr * unit))
		return false;
	done[n]++;
	merged = file_number(KSM "pages_sharing", "");
	if (most_merged < merged)
		most_merged = merged;
	return true;
}

/* What did not happen, though this host can do it: its name is given to @missing. How many? */
static unsigned int find_missing(void (*missing)(const char *name))
{
	unsigned int i, nr = 0;

	for (i = 0; i < ARRAY_LEN(operations); i++) {
		if (operations[i].possible() && !done[i]) {
			missing(operations[i].name);
			nr++;
		}
	}
	for (i = 0; i < ARRAY_LEN(events); i++) {
		if (events[i].possible() && event(events[i].name) == before[i]) {
			missing(events[i].name);
			nr++;
		}
	}
	if (if_ksm() && !most_merged) {
		missing("pages_sharing");
		nr++;
	}
	return nr;
}

static void ignore(const char *name)
{
	(void)name;
}

/**
 * memory_all_done() - has all happened that this host can do?
 */
bool memory_all_done(void)
{
	return !find_missing(ignore);
}

static void report_missing(const char *name)
{
	fprintf(stderr, "# never happened: %s\n", name);
}

/**
 * memory_report() - say what was done, and what came of it
 *
 * Return: how many things did not happen, though this host can do them.
 */
unsigned int memory_report(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(operations); i++)
		fprintf(stderr, "# %s: %lu of %lu%s\n", operations[i].name, done[i], tried[i],
			operations[i].possible() ? "" : ", not possible here");
	for (i = 0; i < ARRAY_LEN(events); i++)
		fprintf(stderr, "# %s%ld\n", events[i].name,
			event(events[i].name) - before[i]);
	fprintf(stderr, "# pages merged at a time: %ld\n", most_merged);
	return find_missing(report_missing);
}

/**
 * memory_create() - map memory
 * @m: what becomes of it
 * @size: bytes, a multiple of HUGE
 * @flags: MEMORY_*
 *
 * Return: false if this host has no such memory.
 */
bool memory_create(struct memory *m, size_t size, unsigned int flags)
{
	*m = (struct memory) { .at = reserve(size), .size = size, .flags = flags, .fd = -1 };
	if (flags & MEMORY_HUGETLB && !has_hugetlb)
		return false;
	if (flags & MEMORY_SHARED) {
		m->fd = memfd_create("guest", flags & MEMORY_HUGETLB ? MFD_HUGETLB : 0);
		must(m->fd);
		must(ftruncate(m->fd, size));
	}
	if (!map(m))
		die("mmap: %s", strerror(errno));
	return true;
}

/**
 * host_swap_create() - have the host swap, to a zram
 *
 * Return: false if it has none.
 */
bool host_swap_create(void)
{
	return (!access(ZRAM, F_OK) || !system("modprobe zram >/dev/null 2>&1")) &&
	       file_write("/sys/block/zram0/disksize", "64M") &&
	       !system("mkswap " ZRAM " >/dev/null && swapon " ZRAM);
}

/**
 * host_swap_delete() - undo host_swap_create()
 *
 * Return: whether that went well.
 */
bool host_swap_delete(void)
{
	return !system("swapoff " ZRAM) && file_write("/sys/block/zram0/reset", "1");
}

/**
 * host_memory_prepare() - have the kernel merge, swap and reserve, as far as it can
 */
void host_memory_prepare(void)
{
	char text[32];
	unsigned int i;

	file_write(KSM "pages_to_scan", "500");
	file_write(KSM "sleep_millisecs", "20");
	file_write(KSM "run", "1");
	file_write(THP "shmem_enabled", "advise");
	snprintf(text, sizeof(text), "%d", HUGE_PAGES);
	file_write("/proc/sys/vm/nr_hugepages", text);
	has_hugetlb = file_number("/proc/sys/vm/nr_hugepages", "") == HUGE_PAGES;
	has_swap = host_swap_create();
	for (nodes = 0; ; nodes++) {
		snprintf(text, sizeof(text), "/sys/devices/system/node/node%u", nodes);
		if (access(text, F_OK))
			break;
	}
	for (i = 0; i < ARRAY_LEN(events); i++)
		before[i] = event(events[i].name);
}

/**
 * host_memory_done() - undo host_memory_prepare()
 */
void host_memory_done(void)
{
	file_write(KSM "run", "2");
	file_write("/proc/sys/vm/nr_hugepages", "0");
	if (has_swap && !host_swap_delete())
		die("swapoff");
}
