// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_REGISTER_COALESCED_MMIO: writes in a zone wait in the ring, in order and complete, all
 * others exit; a full ring exits; a ring that the VMM has spoiled harms only the VMM; zones
 * come and go under writes; two vCPUs share the ring.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define PORT		0x510
#define RING_MAX	HV_COALESCED_MMIO_MAX

FIXTURE(coalesced)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_run *run;
	volatile struct hv_coalesced_mmio_ring *ring;
};

static volatile struct hv_coalesced_mmio_ring *ring_of(struct vcpu *vcpu)
{
	return (void *)((uint8_t *)vcpu->run + HV_COALESCED_MMIO_PAGE_OFFSET * PAGE);
}

FIXTURE_SETUP(coalesced)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "ioeventfd");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->run = self->vcpu->run;
	self->ring = ring_of(self->vcpu);
}

FIXTURE_TEARDOWN(coalesced)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long zone(struct vm *vm, unsigned long call, uint64_t addr, uint32_t size, uint32_t pio)
{
	return hv_ioctl(vm->fd, call, &(struct hv_coalesced_mmio_zone){
				.addr = addr, .size = size, .pio = pio });
}

static long add(struct vm *vm, uint64_t addr, uint32_t size)
{
	return zone(vm, HV_REGISTER_COALESCED_MMIO, addr, size, 0);
}

static long del(struct vm *vm, uint64_t addr, uint32_t size)
{
	return zone(vm, HV_UNREGISTER_COALESCED_MMIO, addr, size, 0);
}

static long add_ports(struct vm *vm, uint64_t port, uint32_t size)
{
	return zone(vm, HV_REGISTER_COALESCED_MMIO, port, size, 1);
}

static long del_ports(struct vm *vm, uint64_t port, uint32_t size)
{
	return zone(vm, HV_UNREGISTER_COALESCED_MMIO, port, size, 1);
}

/* Take the oldest entry; false: there's none. */
static bool take(volatile struct hv_coalesced_mmio_ring *ring, struct hv_coalesced_mmio *entry)
{
	uint32_t first = ring->first;

	if (first == __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE))
		return false;
	*entry = *(const struct hv_coalesced_mmio *)&ring->coalesced_mmio[first];
	__atomic_store_n(&ring->first, (first + 1) % RING_MAX, __ATOMIC_RELEASE);
	return true;
}

static uint64_t entry_value(const struct hv_coalesced_mmio *entry)
{
	uint64_t value = 0;

	memcpy(&value, entry->data, sizeof(value));
	return entry->len < 8 ? value & ((1ULL << entry->len * 8) - 1) : value;
}

/* The ring has one entry: this. */
#define EXPECT_TAKEN(address, length, is_port, value)			\
	do {								\
		struct hv_coalesced_mmio e = {};			\
									\
		EXPECT_TRUE(take(self->ring, &e));			\
		EXPECT_EQ((address), e.phys_addr);			\
		EXPECT_EQ((length), e.len);				\
		EXPECT_EQ((is_port), e.pio);				\
		EXPECT_EQ((value), entry_value(&e));			\
		EXPECT_FALSE(take(self->ring, &e));			\
	} while (0)

/* The function finishes without an exit, and the ring then has one entry: this. */
#define EXPECT_ENTRY(address, length, is_port, value, ...)		\
	do {								\
		guest_call(self->vcpu, __VA_ARGS__);			\
		EXPECT_TAKEN(address, length, is_port, value);		\
	} while (0)

/* The function exits, and nothing is in the ring. */
#define EXPECT_EXIT(reason, function, ...)				\
	do {								\
		const uint64_t args[] = { __VA_ARGS__ };		\
		struct hv_coalesced_mmio e;				\
									\
		guest_start(self->vcpu, function, ARRAY_LEN(args), args);	\
		EXPECT_EQ((reason), vcpu_run(self->vcpu));		\
		if (self->run->exit_reason == HV_EXIT_IO)		\
			EXPECT_NE(PORT_DONE, self->run->io.port);	\
		EXPECT_FALSE(take(self->ring, &e));			\
		guest_finish(self->vcpu);				\
		while (take(self->ring, &e))				\
			;						\
	} while (0)

TEST_F(coalesced, capabilities)
{
	EXPECT_EQ(HV_COALESCED_MMIO_PAGE_OFFSET, check_cap(self->vm->sys, HV_CAP_COALESCED_MMIO));
	EXPECT_EQ(1, check_cap(self->vm->sys, HV_CAP_COALESCED_PIO));
	EXPECT_GE(self->vm->run_size, (HV_COALESCED_MMIO_PAGE_OFFSET + 1) * PAGE);
	EXPECT_EQ(0, self->ring->first);
	EXPECT_EQ(0, self->ring->last);
}

TEST_F(coalesced, refused)
{
	EXPECT_EQ(-EINVAL, zone(self->vm, HV_REGISTER_COALESCED_MMIO, GUEST_MMIO, 8, 2));
	EXPECT_EQ(-EINVAL, zone(self->vm, HV_UNREGISTER_COALESCED_MMIO, GUEST_MMIO, 8, 2));
	EXPECT_EQ(-EFAULT, hv_ioctl(self->vm->fd, HV_REGISTER_COALESCED_MMIO, NULL));
	EXPECT_EQ(-EFAULT, hv_ioctl(self->vm->fd, HV_UNREGISTER_COALESCED_MMIO, NULL));
	/* KVM takes these for zones that match nothing. */
	if (!device_is_kvm()) {
		EXPECT_EQ(-EINVAL, add(self->vm, GUEST_MMIO, 0));
		EXPECT_EQ(-EINVAL, add(self->vm, -4ULL, 8));
		EXPECT_EQ(-EINVAL, del(self->vm, GUEST_MMIO, 0));
		EXPECT_EQ(-EINVAL, del(self->vm, -4ULL, 8));
	}
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO, 1);
}

TEST_F(coalesced, memory)
{
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 16));
	EXPECT_ENTRY(GUEST_MMIO, 1, 0, 0x34, "store8", GUEST_MMIO, 0x1234);
	EXPECT_ENTRY(GUEST_MMIO + 2, 2, 0, 0x1234, "store16", GUEST_MMIO + 2, 0x1234);
	EXPECT_ENTRY(GUEST_MMIO + 4, 4, 0, 0x89abcdef, "store32", GUEST_MMIO + 4, 0x89abcdef);
	EXPECT_ENTRY(GUEST_MMIO + 8, 8, 0, 0x0123456789abcdef, "store64", GUEST_MMIO + 8,
		     0x0123456789abcdef);
	EXPECT_ENTRY(GUEST_MMIO, 4, 0, 0x11223344, "store_imm", GUEST_MMIO);
	EXPECT_EXIT(HV_EXIT_MMIO, "load32", GUEST_MMIO);
	/* Read, modify, write: the read is the VMM's, the write waits. */
	guest_start(self->vcpu, "add32", 2, (uint64_t[]){ GUEST_MMIO, 5 });
	ASSERT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu));
	EXPECT_EQ(0, self->run->mmio.is_write);
	*(uint32_t *)self->run->mmio.data = 0x100;
	guest_finish(self->vcpu);
	EXPECT_TAKEN(GUEST_MMIO, 4, 0, 0x105);
}

/* All of a write has to be in a zone. */
TEST_F(coalesced, bounds)
{
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO + 0x10, 0x10));
	EXPECT_EXIT(HV_EXIT_MMIO, "store8", GUEST_MMIO + 0xf, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store16", GUEST_MMIO + 0xf, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store64", GUEST_MMIO + 0xc, 1);
	EXPECT_ENTRY(GUEST_MMIO + 0x10, 1, 0, 1, "store8", GUEST_MMIO + 0x10, 1);
	EXPECT_ENTRY(GUEST_MMIO + 0x1f, 1, 0, 1, "store8", GUEST_MMIO + 0x1f, 1);
	EXPECT_ENTRY(GUEST_MMIO + 0x18, 8, 0, 1, "store64", GUEST_MMIO + 0x18, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store16", GUEST_MMIO + 0x1f, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store64", GUEST_MMIO + 0x1c, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store8", GUEST_MMIO + 0x20, 1);
	EXPECT_EXIT(HV_EXIT_IO, "out8", GUEST_MMIO & 0xffff, 1);
}

TEST_F(coalesced, ports)
{
	struct hv_coalesced_mmio e;
	unsigned int i;

	ASSERT_EQ(0, add_ports(self->vm, PORT, 4));
	EXPECT_ENTRY(PORT, 1, 1, 0x78, "out8", PORT, 0x12345678);
	EXPECT_ENTRY(PORT + 2, 2, 1, 0x5678, "out16", PORT + 2, 0x12345678);
	EXPECT_ENTRY(PORT, 4, 1, 0x12345678, "out32", PORT, 0x12345678);
	EXPECT_EXIT(HV_EXIT_IO, "in32", PORT);
	EXPECT_EXIT(HV_EXIT_IO, "out16", PORT + 3, 1);
	EXPECT_EXIT(HV_EXIT_IO, "out8", PORT - 1, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store8", PORT + GUEST_MMIO, 1);
	/* Each element of a string is a write. */
	EXPECT_EQ(0, guest_call(self->vcpu, "outs8", PORT, guest_sym(self->vm, "bytes"), 8));
	for (i = 0; i < 8; i++) {
		ASSERT_TRUE(take(self->ring, &e));
		EXPECT_EQ(PORT, e.phys_addr);
		EXPECT_EQ(1, e.len);
		EXPECT_EQ("\1\2\3\3\4\3\5\6"[i], entry_value(&e));
	}
	EXPECT_FALSE(take(self->ring, &e));
	ASSERT_EQ(0, del_ports(self->vm, PORT, 4));
	EXPECT_EXIT(HV_EXIT_IO, "out32", PORT, 1);
}

/* Zones that overlap are one range as long as one of them holds the write; it is noted once. */
TEST_F(coalesced, overlap)
{
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 0x100));
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO + 0x10, 0x10));
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO + 0x10, 0x10));
	EXPECT_ENTRY(GUEST_MMIO + 0x10, 4, 0, 1, "store32", GUEST_MMIO + 0x10, 1);
	/* Behind the end of the zone that starts last. KVM's search doesn't find the first one. */
	if (!device_is_kvm()) {
		EXPECT_ENTRY(GUEST_MMIO + 0x80, 4, 0, 1, "store32", GUEST_MMIO + 0x80, 1);
		EXPECT_ENTRY(GUEST_MMIO + 0x1e, 4, 0, 1, "store32", GUEST_MMIO + 0x1e, 1);
	}
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 0x100, 1);
}

/* What is removed: zones that hold the whole range, as a whole. */
TEST_F(coalesced, removal)
{
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 0x100));
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO + 0x200, 0x10));
	EXPECT_EQ(0, del(self->vm, GUEST_MMIO + 0x1000, 4));
	EXPECT_EQ(0, del(self->vm, GUEST_MMIO, 0x101));
	EXPECT_EQ(0, del(self->vm, GUEST_MMIO + 0x1fe, 4));
	EXPECT_EQ(0, del_ports(self->vm, GUEST_MMIO, 0x100));
	EXPECT_ENTRY(GUEST_MMIO + 0xfc, 4, 0, 1, "store32", GUEST_MMIO + 0xfc, 1);
	EXPECT_ENTRY(GUEST_MMIO + 0x200, 4, 0, 1, "store32", GUEST_MMIO + 0x200, 1);
	EXPECT_EQ(0, del(self->vm, GUEST_MMIO + 0x10, 4));
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 0xfc, 1);
	EXPECT_ENTRY(GUEST_MMIO + 0x200, 4, 0, 1, "store32", GUEST_MMIO + 0x200, 1);
	/* Two that are the same go together. */
	ASSERT_EQ(0, add(self->vm, GUEST_MMIO + 0x200, 0x10));
	EXPECT_EQ(0, del(self->vm, GUEST_MMIO + 0x200, 0x10));
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 0x200, 1);
	EXPECT_EQ(0, del(self->vm, GUEST_MMIO + 0x200, 0x10));
}

TEST_F_TIMEOUT(coalesced, many, 120)
{
	const unsigned int n = 1000;
	unsigned int i;

	for (i = 0; i < n; i++)
		ASSERT_EQ(0, add(self->vm, GUEST_MMIO + 8 * (i * 7 % n), 4)) {
			TH_LOG("%u", i);
		}
	EXPECT_EQ(-ENOSPC, add(self->vm, GUEST_MMIO + 8 * n, 4));
	EXPECT_EQ(0, add_ports(self->vm, PORT, 4));
	for (i = 0; i < n; i += 37)
		EXPECT_ENTRY(GUEST_MMIO + 8 * i, 4, 0, i, "store32", GUEST_MMIO + 8 * i, i);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 8 * n, 1);
	EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 4, 1);
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(0, del(self->vm, GUEST_MMIO + 8 * i, 4));
	for (i = 0; i < n; i += 100) {
		EXPECT_EXIT(HV_EXIT_MMIO, "store32", GUEST_MMIO + 8 * i, 1);
		EXPECT_ENTRY(GUEST_MMIO + 8 * i + 8, 4, 0, i, "store32", GUEST_MMIO + 8 * i + 8, i);
	}
	EXPECT_EQ(0, add(self->vm, GUEST_MMIO, 4));
}

/* Memory slots come first; a write to a read-only one is a write to a device. */
TEST_F(coalesced, slots)
{
	uint8_t *page = self->vm->ram + GUEST_FREE;

	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 2 * PAGE));
	ASSERT_EQ(0, vm_slot(self->vm, 1, GUEST_MMIO, PAGE, page, 0));
	ASSERT_EQ(0, vm_slot(self->vm, 2, GUEST_MMIO + PAGE, PAGE, page, HV_MEM_READONLY));
	guest_call(self->vcpu, "store32", GUEST_MMIO, 0x1234);
	EXPECT_EQ(self->ring->first, self->ring->last);
	EXPECT_EQ(0x1234, *(uint32_t *)page);
	EXPECT_ENTRY(GUEST_MMIO + PAGE, 4, 0, 0x5678, "store32", GUEST_MMIO + PAGE, 0x5678);
	EXPECT_EQ(0x1234, *(uint32_t *)page);
}

/* More writes than the ring has room for: some exit, all arrive in order. */
TEST_F(coalesced, full)
{
	const unsigned int n = 1000;
	struct hv_coalesced_mmio e;
	unsigned int seen = 0, exits = 0, waited;

	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 4));
	guest_start(self->vcpu, "count_stores", 2, (uint64_t[]){ GUEST_MMIO, n });
	while (vcpu_run(self->vcpu) == HV_EXIT_MMIO) {
		for (waited = 0; take(self->ring, &e); waited++)
			ASSERT_EQ(++seen, entry_value(&e));
		/* KVM's sum of the two indices wraps, and the ring counts as full when it's half so. */
		EXPECT_GT(waited, 0);
		if (!device_is_kvm())
			EXPECT_EQ(RING_MAX - 1, waited);
		ASSERT_EQ(++seen, *(uint32_t *)self->run->mmio.data);
		exits++;
	}
	EXPECT_EQ(HV_EXIT_IO, self->run->exit_reason);
	while (take(self->ring, &e))
		ASSERT_EQ(++seen, entry_value(&e));
	EXPECT_EQ(n, seen);
	if (!device_is_kvm())
		EXPECT_EQ(n / RING_MAX, exits);
}

/* The same with ports, and with a string that is longer than the ring */
TEST_F(coalesced, full_ports)
{
	const uint64_t args[] = { PORT, GUEST_FREE, 400 };
	uint8_t *bytes = self->vm->ram + GUEST_FREE;
	struct hv_coalesced_mmio e;
	unsigned int seen = 0, i;

	for (i = 0; i < 400; i++)
		bytes[i] = i * 7;
	ASSERT_EQ(0, add_ports(self->vm, PORT, 1));
	guest_start(self->vcpu, "outs8", 3, args);
	while (vcpu_run(self->vcpu) == HV_EXIT_IO && self->run->io.port == PORT) {
		const uint8_t *data = (uint8_t *)self->run + self->run->io.data_offset;

		while (take(self->ring, &e)) {
			ASSERT_EQ(bytes[seen], entry_value(&e));
			seen++;
		}
		for (i = 0; i < self->run->io.count; i++, seen++)
			ASSERT_EQ(bytes[seen], data[i]);
	}
	while (take(self->ring, &e)) {
		ASSERT_EQ(bytes[seen], entry_value(&e));
		seen++;
	}
	EXPECT_EQ(400, seen);
	EXPECT_EQ(0, vcpu_regs(self->vcpu).rax);
}

/* Indices that the VMM has spoiled */
TEST_F(coalesced, hostile)
{
	static const uint32_t bad[] = { RING_MAX, RING_MAX + 1, 1000, 0x7fffffff, 0xffffffff };
	volatile uint8_t *page = (volatile uint8_t *)self->ring;
	unsigned int i;

	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 4));
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		self->ring->first = 0;
		self->ring->last = bad[i];
		guest_start(self->vcpu, "store32", 2, (uint64_t[]){ GUEST_MMIO, 1 });
		EXPECT_EQ(HV_EXIT_MMIO, vcpu_run(self->vcpu)) {
			TH_LOG("last %u", bad[i]);
		}
		EXPECT_EQ(bad[i], self->ring->last);
		guest_finish(self->vcpu);
		/* KVM exits for one of these, too. */
		if (device_is_kvm())
			continue;
		/* Whoever moves the first index away loses entries, nothing else. */
		self->ring->first = bad[i];
		self->ring->last = RING_MAX - 1;
		guest_call(self->vcpu, "store32", GUEST_MMIO, 2);
		EXPECT_LT(self->ring->last, RING_MAX);
	}
	self->ring->first = self->ring->last = RING_MAX - 1;
	EXPECT_ENTRY(GUEST_MMIO, 4, 0, 3, "store32", GUEST_MMIO, 3);
	EXPECT_EQ(0, self->ring->last);
	/* What is behind the last entry belongs to nobody. */
	for (i = sizeof(*self->ring) + RING_MAX * sizeof(struct hv_coalesced_mmio); i < PAGE; i++)
		EXPECT_EQ(0, page[i]);
}

/* A LAPIC in a zone gets its writes. */
TEST_F(coalesced, controllers_first)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu;

	vm_load(vm, "ioeventfd");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	guest_u32(vm, "eoi") = 1;
	ASSERT_EQ(0, add(vm, GUEST_APIC, PAGE));
	guest_call(vcpu, "apic_write", APIC_SVR, 0x1ff);
	EXPECT_EQ(0x1ff, lapic_reg(vcpu, APIC_SVR));
	EXPECT_EQ(0, ring_of(vcpu)->last);
	vcpu_free(vcpu);
	vm_free(vm);
}

/**
 * struct storm - a thread that makes and removes a zone
 * @vm: VM
 * @ring: its ring
 * @stop: end
 * @late: entries that came after the zone was gone
 */
struct storm {
	struct vm *vm;
	volatile struct hv_coalesced_mmio_ring *ring;
	volatile bool stop;
	unsigned long late;
};

static void *on_and_off(void *arg)
{
	struct storm *s = arg;
	uint32_t last;

	while (!s->stop) {
		must(add(s->vm, GUEST_MMIO, 4));
		sleep_us(100);
		must(del(s->vm, GUEST_MMIO, 4));
		last = s->ring->last;
		sleep_us(50);
		s->late += s->ring->last != last;
	}
	return NULL;
}

/* Each store waits or exits, in order; none waits after the call that removes the zone. */
TEST_F_TIMEOUT(coalesced, changes_under_stores, 120)
{
	const unsigned int n = 20000;
	struct storm s = { .vm = self->vm, .ring = self->ring };
	unsigned long exits = 0, waited = 0;
	struct hv_coalesced_mmio e;
	unsigned int seen = 0;
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, on_and_off, &s));
	guest_start(self->vcpu, "count_stores", 2, (uint64_t[]){ GUEST_MMIO, n });
	while (vcpu_run(self->vcpu) == HV_EXIT_MMIO) {
		for (; take(self->ring, &e); waited++)
			ASSERT_EQ(++seen, entry_value(&e));
		ASSERT_EQ(++seen, *(uint32_t *)self->run->mmio.data);
		exits++;
	}
	EXPECT_EQ(HV_EXIT_IO, self->run->exit_reason);
	s.stop = true;
	pthread_join(t, NULL);
	for (; take(self->ring, &e); waited++)
		ASSERT_EQ(++seen, entry_value(&e));
	EXPECT_EQ(n, seen);
	EXPECT_EQ(0, s.late);
	EXPECT_GT(exits, 0);
	EXPECT_GT(waited, 0);
	TH_LOG("%lu exits, %lu waited", exits, waited);
}

/**
 * struct writer - a thread that runs a vCPU which writes
 * @vcpu: vCPU
 * @n: number of writes
 * @address: where to
 * @drain: of all threads: who takes from the ring, or does a write, has it
 * @seen: writes that arrived, by address, of all threads
 * @wrong: one came out of order
 */
struct writer {
	struct vcpu *vcpu;
	unsigned int n;
	uint64_t address;
	pthread_mutex_t *drain;
	uint32_t *seen;
	bool wrong;
};

static void arrived(struct writer *w, uint64_t address, uint64_t value)
{
	if (value != ++w->seen[(address - GUEST_MMIO) / 4])
		w->wrong = true;
}

static void *write_all(void *arg)
{
	struct writer *w = arg;
	struct hv_run *run = w->vcpu->run;
	struct hv_coalesced_mmio e;
	bool done;

	guest_start(w->vcpu, "count_stores", 2, (uint64_t[]){ w->address, w->n });
	do {
		done = vcpu_run(w->vcpu) != HV_EXIT_MMIO;
		pthread_mutex_lock(w->drain);
		while (take(ring_of(w->vcpu), &e))
			arrived(w, e.phys_addr, entry_value(&e));
		if (!done)
			arrived(w, run->mmio.phys_addr, *(uint32_t *)run->mmio.data);
		pthread_mutex_unlock(w->drain);
	} while (!done);
	return NULL;
}

/* The ring is the VM's: what two vCPUs write is in it, each one's in order, nothing is lost. */
TEST_F_TIMEOUT(coalesced, two_vcpus, 120)
{
	const unsigned int n = 20000;
	pthread_mutex_t drain = PTHREAD_MUTEX_INITIALIZER;
	uint32_t seen[2] = {};
	struct writer w[2];
	pthread_t t[2];
	unsigned int i;

	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 8));
	for (i = 0; i < 2; i++) {
		w[i] = (struct writer){ .n = n, .address = GUEST_MMIO + 4 * i,
					.drain = &drain, .seen = seen };
		w[i].vcpu = i ? vcpu_create(self->vm, i) : self->vcpu;
		vcpu_long_mode(w[i].vcpu, NULL);
	}
	/* Both mappings show the same page. */
	ring_of(w[1].vcpu)->first = ring_of(w[1].vcpu)->last = 7;
	EXPECT_EQ(7, self->ring->last);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, write_all, &w[i]));
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(n, seen[i]);
		EXPECT_FALSE(w[i].wrong);
		EXPECT_EQ(HV_EXIT_IO, w[i].vcpu->run->exit_reason);
	}
	vcpu_free(w[1].vcpu);
}

/* Cycles of a write that waits. In the vmx host these are instructions. */
TEST_F(coalesced, cost)
{
	const uint64_t n = 80;	/* KVM takes no more at once */
	uint64_t empty, mem, port;

	ASSERT_EQ(0, add(self->vm, GUEST_MMIO, 4));
	ASSERT_EQ(0, add_ports(self->vm, PORT, 4));
	guest_call(self->vcpu, "store_loop", GUEST_MMIO, 0, n);
	self->ring->first = self->ring->last = 0;
	empty = guest_call(self->vcpu, "empty_loop", 0, 0, n);
	mem = guest_call(self->vcpu, "store_loop", GUEST_MMIO, 0, n);
	EXPECT_EQ(n, self->ring->last);
	self->ring->first = self->ring->last = 0;
	port = guest_call(self->vcpu, "out_loop", PORT, 0, n);
	EXPECT_EQ(n, self->ring->last);
	TH_LOG("cycles: store %lu, OUT %lu", (unsigned long)((mem - empty) / n),
	       (unsigned long)((port - empty) / n));
}

TEST_HARNESS_MAIN
