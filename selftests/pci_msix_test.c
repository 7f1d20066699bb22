// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI-X of an assigned device whose table the guest changes while the vectors fire: messages move
 * to other vectors and vCPUs, masks come and go. What isn't masked arrives once, at the old
 * place or the new one; what is masked waits.
 *
 * The device is an e1000e (Intel 82574), which raises on request the causes that its IVAR
 * register gives to the MSI-X vectors.
 */
#include "edu.h"
#include "kselftest_harness.h"

/* Registers (82574 datasheet, 10.2) */
#define NIC_CTRL_EXT	0x0018
#define NIC_ICS		0x00c8
#define NIC_IMS		0x00d0
#define NIC_EIAC	0x00dc
#define NIC_IVAR	0x00e4
#define CTRL_EXT_IAME	(1U << 27)	/* a cause that clears itself keeps its mask */
#define CAUSE(n)	(1U << (20 + (n)))
#define NIC_BAR_SIZE	0x20000

#define VECTORS		3U
#define ROUNDS		40U
#define TIME		300	/* s */

/* Guest's vectors: two for each of the device's, between which it moves */
#define GUEST_VECTOR(n, k)	(0x50 + 0x10 * (n) + (k))

FIXTURE(msix)
{
	struct vm *vm;
	struct vcpu *vcpu[2];
	struct runner runner[2];
	struct edu nic;
	volatile uint32_t *count;
	pthread_t thread;
	volatile bool stop, failed;
	volatile unsigned long fired[VECTORS];
};

static void nic_write(FIXTURE_DATA(msix) *self, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(self->nic.bar + reg) = value;
}

static long set_irqs(FIXTURE_DATA(msix) *self, uint32_t count)
{
	struct hv_pci_irqs irqs = {
		.size = sizeof(irqs), .mode = HV_PCI_IRQ_MSIX, .count = count,
	};

	return hv_ioctl(self->nic.fd, HV_PCI_SET_IRQS, &irqs);
}

/* Vector @n goes to vCPU @id, there to its guest's vector @k. */
static long set_vector(FIXTURE_DATA(msix) *self, unsigned int n, unsigned int id, unsigned int k,
		       uint32_t flags)
{
	struct hv_pci_vector_route r = {
		.size = sizeof(r), .vector = n, .flags = flags, .addr = GUEST_APIC | id << 12,
		.data = GUEST_VECTOR(n, k),
	};

	return hv_ioctl(self->nic.fd, HV_PCI_SET_VECTOR, &r);
}

static struct hv_pci_vector_state vector(FIXTURE_DATA(msix) *self, unsigned int n)
{
	struct hv_pci_vector_state s = { .size = sizeof(s), .vector = n };

	must(hv_ioctl(self->nic.fd, HV_PCI_GET_VECTOR, &s));
	return s;
}

/* How often the guest got vector @n */
static uint32_t arrived(FIXTURE_DATA(msix) *self, unsigned int n)
{
	return self->count[GUEST_VECTOR(n, 0)] + self->count[GUEST_VECTOR(n, 1)];
}

/*
 * Raise vector @n; true: the host has taken it, so it is on its way. QEMU's card, which limits how often it
 * interrupts, sometimes sends another one later.
 */
static bool fire(FIXTURE_DATA(msix) *self, unsigned int n)
{
	uint64_t before = vector(self, n).count;

	nic_write(self, NIC_ICS, CAUSE(n));
	if (!wait_for(vector(self, n).count > before))
		return false;
	self->fired[n]++;
	return true;
}

/* More than @before of vector @n have arrived by its message @k. */
static bool came(FIXTURE_DATA(msix) *self, unsigned int n, unsigned int k, uint32_t before)
{
	return wait_for((guest_call(self->vcpu[0], "window"),
			 self->count[GUEST_VECTOR(n, k)] > before));
}

/*
 * Before MSI-X is switched off: QEMU (7.2) aborts if the timer that limits the card's interrupts,
 * 128 us, ends afterwards.
 */
static void settle(void)
{
	sleep_us(300000);
}

/* What arrives has been sent: nothing comes twice. */
static void expect_no_more(struct __test_metadata *_metadata, FIXTURE_DATA(msix) *self)
{
	unsigned int n;

	for (n = 0; n < VECTORS; n++) {
		uint32_t got = arrived(self, n);

		EXPECT_LE(got, vector(self, n).count);
	}
}

FIXTURE_SETUP(msix)
{
	unsigned int i;

	self->vm = NULL;
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	if (!pci_find(0x8086, 0x10d3, true, self->nic.bdf) &&
	    !pci_find(0x8086, 0x10d3, false, self->nic.bdf))
		SKIP(return, NO_DEVICE);
	pci_bind(self->nic.bdf);
	self->nic.fd = pci_open(self->nic.bdf);
	must(self->nic.fd);
	self->nic.bar = bar_map(self->nic.fd, 0, NIC_BAR_SIZE);
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "apic");
	guest_u32(self->vm, "eoi") = 1;
	self->count = guest_var(self->vm, "irq_count");
	for (i = 0; i < 2; i++) {
		self->vcpu[i] = vcpu_create(self->vm, i);
		vcpu_make_runnable(self->vcpu[i]);
		vcpu_long_mode(self->vcpu[i], NULL);
		guest_call(self->vcpu[i], "apic_write", APIC_SVR, 0x1ff);
	}
	must(edu_assign(self->vm, &self->nic, HV_ASSIGN_WITHOUT_RESET, NULL));
	edu_bus_master(&self->nic);
	must(set_irqs(self, VECTORS));
	for (i = 0; i < VECTORS; i++) {
		self->fired[i] = 0;
		must(set_vector(self, i, 0, 0, 0));
	}
	nic_write(self, NIC_IVAR, 8 | 9 << 4 | 10 << 8);
	nic_write(self, NIC_CTRL_EXT, CTRL_EXT_IAME);
	nic_write(self, NIC_EIAC, CAUSE(0) | CAUSE(1) | CAUSE(2));
	nic_write(self, NIC_IMS, CAUSE(0) | CAUSE(1) | CAUSE(2));
}

FIXTURE_TEARDOWN(msix)
{
	if (!self->vm)
		return;
	settle();
	munmap((void *)self->nic.bar, NIC_BAR_SIZE);
	close(self->nic.fd);
	vcpu_free(self->vcpu[1]);
	vcpu_free(self->vcpu[0]);
	vm_free(self->vm);
	/* The next test wants the host's driver to have it. */
	pci_attribute(self->nic.bdf, "driver_override", "\n");
	pci_unbind(self->nic.bdf);
}

TEST_F(msix, each_vector)
{
	unsigned int n, i;
	uint32_t before;

	for (i = 1; i <= 5; i++) {
		for (n = 0; n < VECTORS; n++) {
			before = arrived(self, n);
			ASSERT_TRUE(fire(self, n));
			EXPECT_TRUE(came(self, n, 0, before));
		}
	}
	expect_no_more(_metadata, self);
	for (n = 0; n < VECTORS; n++)
		EXPECT_EQ(0, self->count[GUEST_VECTOR(n, 1)]);
	settle();
	/* Fewer of them: the others are gone. */
	ASSERT_EQ(0, set_irqs(self, 1));
	EXPECT_EQ(-EINVAL, set_vector(self, 1, 0, 0, 0));
	EXPECT_EQ(0, set_vector(self, 0, 0, 1, 0));
	ASSERT_TRUE(fire(self, 0));
	EXPECT_TRUE(came(self, 0, 1, 0));
	EXPECT_EQ(-EINVAL, set_irqs(self, 1000));
}

/* Messages are the host's to write: the table can't be reached, the rest of the BAR can. */
TEST_F(msix, table)
{
	unsigned int cap = config_cap(self->nic.fd, PCI_CAP_ID_MSIX), bar, pos;
	uint32_t value = 0;

	ASSERT_NE(0, cap);
	value = config_read(self->nic.fd, cap + PCI_MSIX_TABLE, 4);
	bar = value & PCI_MSIX_TABLE_BIR;
	pos = value & PCI_MSIX_TABLE_OFFSET;
	EXPECT_EQ(-EACCES, region_read(self->nic.fd, bar, pos, &value, 4));
	EXPECT_EQ(-EACCES, region_write(self->nic.fd, bar, pos, &value, 4));
	EXPECT_EQ(-EACCES, region_read(self->nic.fd, bar, pos + PCI_MSIX_ENTRY_SIZE, &value, 4));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->nic.fd,
				   region_offset(bar) + pos));
	EXPECT_EQ(EACCES, errno);
	value = config_read(self->nic.fd, cap + PCI_MSIX_PBA, 4);
	EXPECT_LE(0, region_read(self->nic.fd, value & PCI_MSIX_PBA_BIR,
				 value & PCI_MSIX_PBA_OFFSET, &value, 4));
}

/* What waits is delivered by the message that the vector has when the mask goes. */
TEST_F(msix, masked)
{
	ASSERT_EQ(0, set_vector(self, 1, 0, 0, HV_PCI_VECTOR_MASKED));
	ASSERT_TRUE(fire(self, 1));
	ASSERT_TRUE(fire(self, 0));
	EXPECT_TRUE(came(self, 0, 0, 0));
	EXPECT_EQ(0, arrived(self, 1));
	EXPECT_EQ(HV_PCI_VECTOR_MASKED | HV_PCI_VECTOR_PENDING, vector(self, 1).flags);
	ASSERT_EQ(0, set_vector(self, 1, 0, 1, HV_PCI_VECTOR_MASKED));
	EXPECT_EQ(HV_PCI_VECTOR_MASKED | HV_PCI_VECTOR_PENDING, vector(self, 1).flags);
	ASSERT_EQ(0, set_vector(self, 1, 0, 1, 0));
	guest_call(self->vcpu[0], "window");
	EXPECT_EQ(0, self->count[GUEST_VECTOR(1, 0)]);
	EXPECT_EQ(1, self->count[GUEST_VECTOR(1, 1)]);
}

/* Each vector in turn. Only vector 1 is ever masked: of the others, each has to arrive. */
static void *fire_all(void *arg)
{
	FIXTURE_DATA(msix) *self = arg;
	unsigned int n;
	uint32_t before;

	for (n = 0; !self->stop && !self->failed; n = (n + 1) % VECTORS) {
		before = arrived(self, n);
		if (!fire(self, n) || (n != 1 && !wait_for(arrived(self, n) > before)))
			self->failed = true;
	}
	return NULL;
}

static void start(struct __test_metadata *_metadata, FIXTURE_DATA(msix) *self)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		guest_start(self->vcpu[i], "run_until_stopped", 0, NULL);
		runner_start(&self->runner[i], self->vcpu[i]);
	}
	ASSERT_TRUE(wait_for(guest_u64(self->vm, "running") == 2));
	self->stop = false;
	self->failed = false;
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, fire_all, self));
}

static void stop(struct __test_metadata *_metadata, FIXTURE_DATA(msix) *self)
{
	unsigned int i;

	self->stop = true;
	pthread_join(self->thread, NULL);
	EXPECT_FALSE(self->failed) {
		for (i = 0; i < VECTORS; i++)
			TH_LOG("vector %u: fired %lu, arrived %u", i, self->fired[i],
			       arrived(self, i));
	}
	guest_u64(self->vm, "stop") = 1;
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(wait_for(self->runner[i].done));
		runner_join(&self->runner[i]);
	}
}

/*
 * Masked, nothing arrives; unmasked, what came meanwhile does. Vector 0 goes to the first vCPU,
 * vector 2 to the second.
 */
static void mask_and_unmask(struct __test_metadata *_metadata, FIXTURE_DATA(msix) *self,
			    unsigned int round)
{
	unsigned long fired, other[2] = { self->fired[0], self->fired[2] };
	uint32_t before;

	must(set_vector(self, 1, round % 2, round % 2, HV_PCI_VECTOR_MASKED));
	/* Who has taken two of the others' interrupts has taken what was delivered before. */
	EXPECT_TRUE(wait_for((self->fired[0] > other[0] + 2 && self->fired[2] > other[1] + 2) ||
			     self->failed));
	before = arrived(self, 1);
	fired = self->fired[1];
	EXPECT_TRUE(wait_for(self->fired[1] > fired + 1 || self->failed));
	EXPECT_EQ(before, arrived(self, 1));
	EXPECT_NE(0, vector(self, 1).flags & HV_PCI_VECTOR_PENDING);
	must(set_vector(self, 1, round % 2, round % 2, 0));
	EXPECT_TRUE(wait_for(arrived(self, 1) > before));
}

TEST_F_TIMEOUT(msix, changes_while_running, TIME)
{
	unsigned int i, k;

	start(_metadata, self);
	for (i = 0; i < ROUNDS && !self->failed; i++) {
		unsigned long fired = self->fired[2];

		/* Another vector of the same vCPU; another vCPU */
		k = i % 2;
		must(set_vector(self, 0, 0, k, 0));
		must(set_vector(self, 2, k, k, 0));
		if (i % 4 == 3)
			mask_and_unmask(_metadata, self, i / 4);
		/* One of each with the new message, at least */
		EXPECT_TRUE(wait_for(self->fired[2] > fired + 1 || self->failed));
	}
	stop(_metadata, self);
	for (i = 0; i < VECTORS; i++) {
		TH_LOG("vector %u: fired %lu, taken %lu, arrived %u and %u", i, self->fired[i],
		       (unsigned long)vector(self, i).count, self->count[GUEST_VECTOR(i, 0)],
		       self->count[GUEST_VECTOR(i, 1)]);
		EXPECT_LT(0, self->count[GUEST_VECTOR(i, 0)]);
		EXPECT_LT(0, self->count[GUEST_VECTOR(i, 1)]);
	}
	expect_no_more(_metadata, self);
	EXPECT_LE(self->fired[0], arrived(self, 0));
	EXPECT_LE(self->fired[2], arrived(self, 2));
}

TEST_HARNESS_MAIN
