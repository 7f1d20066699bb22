// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_GET_CLOCK, HV_SET_CLOCK, HV_KVMCLOCK_CTRL.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define SECOND	1000000000UL

FIXTURE(clock)
{
	struct vm *vm;
};

FIXTURE_SETUP(clock)
{
	self->vm = vm_create(VM_BARE);
}

FIXTURE_TEARDOWN(clock)
{
	vm_free(self->vm);
}

static struct hv_clock_data get(FIXTURE_DATA(clock) *self)
{
	struct hv_clock_data c;

	memset(&c, 0xff, sizeof(c));
	must(hv_ioctl(self->vm->fd, HV_GET_CLOCK, &c));
	return c;
}

TEST_F(clock, grows)
{
	struct hv_clock_data a = get(self), b;
	long caps = check_cap(self->vm->fd, HV_CAP_ADJUST_CLOCK);

	sleep_us(2000);
	b = get(self);
	EXPECT_GE(b.clock, a.clock + 1900000);
	EXPECT_LT(b.clock, a.clock + 10 * SECOND);
	EXPECT_LT(a.clock, 100 * SECOND);
	EXPECT_EQ(0, a.flags & ~caps);
	EXPECT_EQ(0, a.pad0);
}

TEST_F(clock, set)
{
	struct hv_clock_data c = { .clock = 5000 * SECOND };

	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_CLOCK, &c));
	c = get(self);
	EXPECT_GE(c.clock, 5000 * SECOND);
	EXPECT_LT(c.clock, 5010 * SECOND);
	/* Backwards, too: a snapshot was loaded. */
	c = (struct hv_clock_data){ .clock = 7 };
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_CLOCK, &c));
	EXPECT_LT(get(self).clock, 10 * SECOND);
}

TEST_F(clock, realtime)
{
	struct hv_clock_data c = get(self);

	if (!(c.flags & HV_CLOCK_REALTIME))
		SKIP(return, "no realtime");
	/* A minute has passed since the state was saved. */
	c.realtime -= 60 * SECOND;
	c.clock = 1000 * SECOND;
	c.flags = HV_CLOCK_REALTIME;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_CLOCK, &c));
	c = get(self);
	EXPECT_GE(c.clock, 1060 * SECOND);
	EXPECT_LT(c.clock, 1070 * SECOND);
}

TEST_F(clock, flags)
{
	struct hv_clock_data c = { .flags = 1U << 31 };

	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_CLOCK, &c));
	c.flags = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_CLOCK, &c));
}

/* A guest that has not asked for a paravirtual clock: EINVAL, which clients expect. */
TEST_F(clock, kvmclock_ctrl)
{
	struct vcpu *vcpu = vcpu_create(self->vm, 0);

	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_KVMCLOCK_CTRL, 0));
	vcpu_free(vcpu);
}

TEST_HARNESS_MAIN
