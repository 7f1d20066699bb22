// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_SIGNAL_MSI: messages to one LAPIC, to several, by physical and logical
 * destination (SDM 3A 11.11).
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define MSI_DEST(id)		(GUEST_APIC | (id) << 12)
#define MSI_LOGICAL		(1U << 2)
#define MSI_REDIRECT		(1U << 3)
#define DM_LOWEST		(1U << 8)
#define DM_NMI			(4U << 8)
#define NVCPUS			3

FIXTURE(msi)
{
	struct vm *vm;
	struct vcpu *vcpu[NVCPUS];
	uint32_t *count;
};

static void enable_apic(struct vcpu *vcpu)
{
	guest_call(vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_call(vcpu, "apic_write", APIC_LDR, 1U << (24 + vcpu->id));
}

FIXTURE_SETUP(msi)
{
	unsigned int i;

	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
	for (i = 0; i < NVCPUS; i++) {
		self->vcpu[i] = vcpu_create(self->vm, i);
		vcpu_make_runnable(self->vcpu[i]);
		vcpu_long_mode(self->vcpu[i], NULL);
		enable_apic(self->vcpu[i]);
	}
}

FIXTURE_TEARDOWN(msi)
{
	unsigned int i;

	for (i = 0; i < NVCPUS; i++)
		vcpu_free(self->vcpu[i]);
	vm_free(self->vm);
}

static long send(FIXTURE_DATA(msi) *self, uint32_t address, uint32_t data)
{
	return hv_ioctl(self->vm->fd, HV_SIGNAL_MSI,
			&(struct hv_msi){ .address_lo = address, .data = data });
}

static bool pending(struct vcpu *vcpu, unsigned int vector)
{
	return lapic_reg(vcpu, APIC_IRR + vector / 32 * 0x10) & 1U << vector % 32;
}

/* Which vCPUs have the vector pending, as a mask. */
static unsigned int pending_mask(FIXTURE_DATA(msi) *self, unsigned int vector)
{
	unsigned int i, mask = 0;

	for (i = 0; i < NVCPUS; i++)
		if (pending(self->vcpu[i], vector))
			mask |= 1U << i;
	return mask;
}

TEST_F(msi, delivered)
{
	EXPECT_EQ(1, send(self, MSI_DEST(0), 0x41));
	EXPECT_EQ(1, guest_call(self->vcpu[0], "window"));
	EXPECT_EQ(1, self->count[0x41]);
}

/* The second is merged with the first (KVM returns 1 all the same). */
TEST_F(msi, coalesced)
{
	EXPECT_EQ(1, send(self, MSI_DEST(0), 0x41));
	EXPECT_GE(send(self, MSI_DEST(0), 0x41), 0);
	EXPECT_EQ(1, guest_call(self->vcpu[0], "window"));
	EXPECT_EQ(1, guest_call(self->vcpu[0], "window"));
}

TEST_F(msi, physical_destination)
{
	EXPECT_EQ(1, send(self, MSI_DEST(1), 0x42));
	EXPECT_EQ(2, pending_mask(self, 0x42));
	EXPECT_EQ(1, send(self, MSI_DEST(2), 0x43));
	EXPECT_EQ(4, pending_mask(self, 0x43));
	/* Nobody has this id. */
	EXPECT_GE(0, send(self, MSI_DEST(77), 0x44));
	EXPECT_EQ(0, pending_mask(self, 0x44));
	/* All. */
	EXPECT_GT(send(self, MSI_DEST(0xff), 0x45), 0);
	EXPECT_EQ(7, pending_mask(self, 0x45));
}

TEST_F(msi, logical_destination)
{
	EXPECT_GT(send(self, MSI_DEST(2) | MSI_LOGICAL, 0x51), 0);
	EXPECT_EQ(2, pending_mask(self, 0x51));
	EXPECT_GT(send(self, MSI_DEST(5) | MSI_LOGICAL, 0x52), 0);
	EXPECT_EQ(5, pending_mask(self, 0x52));
	EXPECT_GE(0, send(self, MSI_DEST(0x80) | MSI_LOGICAL, 0x53));
	EXPECT_EQ(0, pending_mask(self, 0x53));
}

/* Lowest priority: exactly one of the destinations. */
TEST_F(msi, lowest_priority)
{
	unsigned int i, mask, all = 0;

	for (i = 0; i < 6; i++) {
		EXPECT_EQ(1, send(self, MSI_DEST(7) | MSI_LOGICAL | MSI_REDIRECT,
				  DM_LOWEST | (0x60 + i)));
		mask = pending_mask(self, 0x60 + i);
		EXPECT_EQ(1, __builtin_popcount(mask)) {
			TH_LOG("mask %x", mask);
		}
		all |= mask;
	}
	EXPECT_NE(0, all);
	EXPECT_EQ(1, send(self, MSI_DEST(4) | MSI_LOGICAL, DM_LOWEST | 0x70));
	EXPECT_EQ(4, pending_mask(self, 0x70));
}

TEST_F(msi, nmi)
{
	EXPECT_GT(send(self, MSI_DEST(1), DM_NMI | 0x33), 0);
	guest_call(self->vcpu[0], "identity", 0);
	EXPECT_EQ(0, self->count[NMI_VECTOR]);
	guest_call(self->vcpu[1], "identity", 0);
	EXPECT_EQ(1, self->count[NMI_VECTOR]);
	EXPECT_EQ(0, pending_mask(self, 0x33));
}

/* Vectors 0 to 15 are illegal (SDM 3A 11.5.2); none is delivered. */
TEST_F(msi, illegal_vector)
{
	send(self, MSI_DEST(0), 0x05);
	EXPECT_EQ(0, guest_call(self->vcpu[0], "window"));
}

/* A LAPIC that's switched off by software takes none. */
TEST_F(msi, software_disabled)
{
	guest_call(self->vcpu[1], "apic_write", APIC_SVR, 0xff);
	EXPECT_GE(0, send(self, MSI_DEST(1), 0x41));
	EXPECT_EQ(0, pending_mask(self, 0x41));
}

/* The highest vector first, and none above the task priority. */
TEST_F(msi, priority)
{
	uint8_t *order = guest_var(self->vm, "irq_order");

	send(self, MSI_DEST(0), 0x41);
	send(self, MSI_DEST(0), 0xe1);
	send(self, MSI_DEST(0), 0x91);
	EXPECT_EQ(3, guest_call(self->vcpu[0], "halt_until", 3));
	EXPECT_EQ(0xe1, order[0]);
	EXPECT_EQ(0x91, order[1]);
	EXPECT_EQ(0x41, order[2]);
	guest_call(self->vcpu[0], "apic_write", APIC_TPR, 0x80);
	send(self, MSI_DEST(0), 0x71);
	EXPECT_EQ(3, guest_call(self->vcpu[0], "window"));
	send(self, MSI_DEST(0), 0x92);
	EXPECT_EQ(4, guest_call(self->vcpu[0], "window"));
	EXPECT_EQ(0x92, order[3]);
	guest_call(self->vcpu[0], "apic_write", APIC_TPR, 0);
	EXPECT_EQ(5, guest_call(self->vcpu[0], "window"));
	EXPECT_EQ(0x71, order[4]);
}

TEST_F(msi, flags_refused)
{
	struct hv_msi m = { .address_lo = GUEST_APIC, .data = 0x41, .flags = 2 };

	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &m));
}

/* Sent from another thread to a guest that halts, many times: none is lost. */
TEST_F(msi, wakes_every_time)
{
	struct runner r;
	unsigned int i;

	guest_start(self->vcpu[0], "halt_until", 1, (uint64_t[]){ 200 });
	runner_start(&r, self->vcpu[0]);
	for (i = 1; i <= 200; i++) {
		EXPECT_GE(send(self, MSI_DEST(0), 0x41), 0);
		ASSERT_TRUE(wait_for(self->count[0x41] == i)) {
			TH_LOG("interrupt %u of 200", i);
		}
	}
	EXPECT_TRUE(wait_for(r.done));
	runner_stop(&r);
}

TEST_HARNESS_MAIN
