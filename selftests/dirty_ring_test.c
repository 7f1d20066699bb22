// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_CAP_DIRTY_LOG_RING: each page that was written is in a ring, once for each reset; a vCPU
 * whose ring fills up stops with HV_EXIT_DIRTY_RING_FULL; no write is missed.
 */
#include <asm/kvm_para.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define GPA	0x20000000UL
#define NPAGES	4096UL
#define ENTRIES	4096U
#define BYTES	(ENTRIES * sizeof(struct hv_dirty_gfn))

/* A vCPU, its ring, and what has been taken from it */
struct ring {
	struct vcpu *vcpu;
	struct hv_dirty_gfn *gfn;
	uint32_t taken;
};

FIXTURE(ring)
{
	struct vm *vm;
	struct ring r;
	uint8_t *mem;
};

static long enable_ring(struct vm *vm, uint64_t bytes)
{
	struct hv_enable_cap cap = { .cap = HV_CAP_DIRTY_LOG_RING, .args = { bytes } };

	return hv_ioctl(vm->fd, HV_ENABLE_CAP, &cap);
}

static void ring_open(struct vm *vm, struct ring *r, unsigned int id)
{
	r->vcpu = vcpu_create(vm, id);
	vcpu_long_mode(r->vcpu, NULL);
	r->taken = 0;
	r->gfn = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r->vcpu->fd,
		      HV_DIRTY_LOG_PAGE_OFFSET * PAGE);
	if (r->gfn == MAP_FAILED)
		die("can't map the ring");
}

/* Take all entries; each sets a bit. Returns how many there were. */
static unsigned int ring_take(struct ring *r, uint8_t *dirty)
{
	unsigned int n = 0;

	for (;;) {
		struct hv_dirty_gfn *e = &r->gfn[r->taken % ENTRIES];

		if (!(__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) & HV_DIRTY_GFN_F_DIRTY))
			return n;
		if (e->slot != 1 || e->offset >= NPAGES)
			die("entry: slot %u page %llu", e->slot, e->offset);
		dirty[e->offset] = 1;
		__atomic_store_n(&e->flags, HV_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		r->taken++;
		n++;
	}
}

FIXTURE_SETUP(ring)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->mem = ram_alloc(NPAGES * PAGE);
	ASSERT_LT(0, check_cap(self->vm->fd, HV_CAP_DIRTY_LOG_RING));
	ASSERT_EQ(0, enable_ring(self->vm, BYTES));
	ring_open(self->vm, &self->r, 0);
	ASSERT_EQ(0, vm_slot(self->vm, 1, GPA, NPAGES * PAGE, self->mem, HV_MEM_LOG_DIRTY_PAGES));
}

FIXTURE_TEARDOWN(ring)
{
	munmap(self->r.gfn, BYTES);
	vcpu_free(self->r.vcpu);
	vm_free(self->vm);
}

TEST_F(ring, entries)
{
	uint8_t dirty[NPAGES] = { 0 };
	unsigned int i;

	guest_call(self->r.vcpu, "store", GPA + 5 * PAGE, 1);
	guest_call(self->r.vcpu, "store", GPA + 7 * PAGE, 1);
	guest_call(self->r.vcpu, "store", GPA + 5 * PAGE, 2);
	guest_call(self->r.vcpu, "sum", GPA, 100);
	EXPECT_EQ(2, ring_take(&self->r, dirty));
	EXPECT_EQ(1, dirty[5]);
	EXPECT_EQ(1, dirty[7]);
	/* Not protected yet: nothing new */
	guest_call(self->r.vcpu, "store", GPA + 5 * PAGE, 3);
	EXPECT_EQ(0, ring_take(&self->r, dirty));
	EXPECT_EQ(2, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
	guest_call(self->r.vcpu, "store", GPA + 5 * PAGE, 4);
	memset(dirty, 0, sizeof(dirty));
	EXPECT_EQ(1, ring_take(&self->r, dirty));
	EXPECT_EQ(1, dirty[5]);
	EXPECT_EQ(1, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
	for (i = 0; i < ENTRIES; i++)
		EXPECT_EQ(0, self->r.gfn[i].flags);
}

TEST_F(ring, refused)
{
	struct hv_dirty_log log = { .slot = 1, .dirty_bitmap = (uintptr_t)self->mem };
	struct vm *vm = vm_create(0);
	long max = check_cap(vm->fd, HV_CAP_DIRTY_LOG_RING);

	EXPECT_EQ(max, check_cap(vm->fd, HV_CAP_DIRTY_LOG_RING_ACQ_REL));
	EXPECT_EQ(-ENXIO, hv_ioctl(self->vm->fd, HV_GET_DIRTY_LOG, &log));
	EXPECT_EQ(-EINVAL, hv_ioctl(vm->fd, HV_RESET_DIRTY_RINGS, 0));
	EXPECT_EQ(-EINVAL, enable_ring(vm, 0));
	EXPECT_EQ(-EINVAL, enable_ring(vm, PAGE / 2));
	EXPECT_EQ(-EINVAL, enable_ring(vm, BYTES + PAGE));
	EXPECT_EQ(-E2BIG, enable_ring(vm, 2 * max));
	EXPECT_EQ(0, enable_ring(vm, max));
	EXPECT_EQ(-EINVAL, enable_ring(vm, max));
	vm_free(vm);
	/* Not after the first vCPU */
	vm = vm_create(0);
	vcpu_free(vcpu_create(vm, 0));
	EXPECT_EQ(-EINVAL, enable_ring(vm, max));
	vm_free(vm);
	/* A private or executable mapping, and beyond the end */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, self->r.vcpu->fd,
				   HV_DIRTY_LOG_PAGE_OFFSET * PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, BYTES, PROT_READ | PROT_EXEC, MAP_SHARED,
				   self->r.vcpu->fd, HV_DIRTY_LOG_PAGE_OFFSET * PAGE));
}

/* A hostile VMM's marks are no reason to take entries that were never made. */
TEST_F(ring, garbage)
{
	uint8_t dirty[NPAGES] = { 0 };
	unsigned int i;

	if (device_is_kvm())
		SKIP(return, "KVM believes what is in the ring");
	for (i = 0; i < ENTRIES; i++)
		self->r.gfn[i] = (struct hv_dirty_gfn) { ~0U, ~0U, ~0ULL };
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
	memset(self->r.gfn, 0, BYTES);
	guest_call(self->r.vcpu, "store", GPA, 1);
	self->r.gfn[0].offset = ~0ULL;
	self->r.gfn[0].flags = HV_DIRTY_GFN_F_RESET;
	EXPECT_EQ(1, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
	self->r.taken = 1;
	guest_call(self->r.vcpu, "store", GPA + PAGE, 1);
	EXPECT_EQ(1, ring_take(&self->r, dirty));
	EXPECT_EQ(1, dirty[1]);
}

TEST_F(ring, full)
{
	uint8_t dirty[NPAGES] = { 0 };
	unsigned int i, n, stops = 0, total = 0;

	guest_start(self->r.vcpu, "touch", 3, (uint64_t[]){ GPA, NPAGES, 1 });
	while (vcpu_run(self->r.vcpu) == HV_EXIT_DIRTY_RING_FULL) {
		/* As long as nothing is taken it doesn't run. */
		ASSERT_EQ(HV_EXIT_DIRTY_RING_FULL, vcpu_run(self->r.vcpu));
		n = ring_take(&self->r, dirty);
		total += n;
		EXPECT_LT(ENTRIES / 2, n);
		/* The rest is kept for what is written without an entry of the guest. */
		EXPECT_GE(ENTRIES - 64, n);
		EXPECT_EQ(n, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
		ASSERT_GT(10, ++stops);
	}
	total += ring_take(&self->r, dirty);
	EXPECT_LE(1, stops);
	/* The write that a stop came before is noted again. */
	EXPECT_LE(NPAGES, total);
	EXPECT_GE(NPAGES + stops, total);
	for (i = 0; i < NPAGES; i++)
		if (!dirty[i])
			break;
	EXPECT_EQ(NPAGES, i);
}

/*
 * The host itself writes when a vCPU is scheduled away, which is no moment to find that there is
 * no room: it does not, as long as the ring is full.
 */
TEST_F(ring, preempted_while_full)
{
	uint8_t dirty[NPAGES] = { 0 };
	unsigned int i;

	if (device_is_kvm())
		SKIP(return, "KVM overwrites what was not taken");
	memset(self->mem, 0, NPAGES * PAGE);
	guest_start(self->r.vcpu, "touch", 3, (uint64_t[]){ GPA, NPAGES, 1 });
	ASSERT_EQ(HV_EXIT_DIRTY_RING_FULL, vcpu_run(self->r.vcpu));
	for (i = 0; i < ENTRIES; i++)
		if (vcpu_set_msr(self->r.vcpu, MSR_KVM_STEAL_TIME, GPA | KVM_MSR_ENABLED) != 1)
			break;
	ASSERT_EQ(ENTRIES, i);
	ASSERT_EQ(HV_EXIT_DIRTY_RING_FULL, vcpu_run(self->r.vcpu));
	i = ring_take(&self->r, dirty);
	EXPECT_GE(ENTRIES - 64, i);
	EXPECT_EQ(i, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
	EXPECT_EQ(HV_EXIT_IO, vcpu_run(self->r.vcpu));
	EXPECT_NE(0, ring_take(&self->r, dirty));
}

/* ---- no write is missed ---- */

#define VCPUS	2
/* times that it is collected, at least */
#define ROUNDS	4

struct writer {
	struct ring r;
	pthread_t thread;
	volatile bool stop;
};

/* Run; when the ring is full wait for room. */
static void *write_on(void *arg)
{
	struct writer *w = arg;

	while (!w->stop)
		if (!vcpu_run_raw(w->r.vcpu) &&
		    w->r.vcpu->run->exit_reason == HV_EXIT_DIRTY_RING_FULL)
			sleep_us(100);
	return NULL;
}

TEST_F(ring, never_missed)
{
	uint8_t *copy = ram_alloc(NPAGES * PAGE), dirty[NPAGES];
	struct writer w[VCPUS] = { { .r = self->r } };
	unsigned int i, rounds = 0;
	bool done = false;
	uint64_t end;

	kick_setup();
	for (i = 0; i < VCPUS; i++) {
		if (i)
			ring_open(self->vm, &w[i].r, i);
		guest_start(w[i].r.vcpu, "scatter", 3,
			    (uint64_t[]){ GPA + 8 * i, NPAGES - 1, i + 1 });
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, write_on, &w[i]));
	}
	end = now_us() + 1500000;
	for (;;) {
		memset(dirty, 0, sizeof(dirty));
		for (i = 0; i < VCPUS; i++)
			ring_take(&w[i].r, dirty);
		ASSERT_LE(0, hv_ioctl(self->vm->fd, HV_RESET_DIRTY_RINGS, 0));
		for (i = 0; i < NPAGES; i++)
			if (dirty[i])
				memcpy(copy + i * PAGE, self->mem + i * PAGE, PAGE);
		rounds++;
		if (done)
			break;
		/* However slow the host is, they write while it is collected. */
		if (now_us() < end || rounds < ROUNDS)
			continue;
		for (i = 0; i < VCPUS; i++) {
			w[i].stop = true;
			while (pthread_tryjoin_np(w[i].thread, NULL)) {
				kick(w[i].thread);
				sleep_us(100);
			}
		}
		done = true;
	}
	for (i = 0; i < NPAGES; i++)
		EXPECT_EQ(0, memcmp(copy + i * PAGE, self->mem + i * PAGE, PAGE)) {
			TH_LOG("page %u differs after %u rounds", i, rounds);
		}
	TH_LOG("%u rounds", rounds);
}

TEST_HARNESS_MAIN
