// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_GET/SET_VCPU_EVENTS.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(events)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_vcpu_events e;
};

FIXTURE_SETUP(events)
{
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	must(hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &self->e));
}

FIXTURE_TEARDOWN(events)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long set(FIXTURE_DATA(events) *self)
{
	return hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &self->e);
}

static void get(FIXTURE_DATA(events) *self)
{
	must(hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &self->e));
}

TEST_F(events, round_trip)
{
	EXPECT_EQ(0, set(self));
	EXPECT_NE(0, self->e.flags & HV_VCPUEVENT_VALID_SHADOW);
	self->e.interrupt.shadow = HV_X86_SHADOW_INT_STI;
	EXPECT_EQ(0, set(self));
	get(self);
	EXPECT_NE(0, self->e.interrupt.shadow);
	/* Without its flag the field isn't looked at. */
	self->e.interrupt.shadow = 0;
	self->e.flags &= ~HV_VCPUEVENT_VALID_SHADOW;
	EXPECT_EQ(0, set(self));
	get(self);
	EXPECT_NE(0, self->e.interrupt.shadow);
}

TEST_F(events, refused)
{
	struct hv_vcpu_events good = self->e;

	self->e.flags = 1U << 31;
	EXPECT_EQ(-EINVAL, set(self));
	self->e = good;
	self->e.exception.injected = 1;
	self->e.exception.nr = 32;
	EXPECT_EQ(-EINVAL, set(self));
	self->e.exception.nr = NMI_VECTOR;
	EXPECT_EQ(-EINVAL, set(self));
	self->e = good;
	if (!check_cap(self->vm->fd, HV_CAP_EXCEPTION_PAYLOAD)) {
		self->e.flags |= HV_VCPUEVENT_VALID_PAYLOAD;
		EXPECT_EQ(-EINVAL, set(self));
	}
	self->e = good;
	EXPECT_EQ(0, set(self));
}

/* An interrupt in flight is delivered at the next entry. */
TEST_F(events, injected_interrupt)
{
	struct hv_regs r;

	guest_start(self->vcpu, "identity", 1, (uint64_t[]){ 5 });
	r = vcpu_regs(self->vcpu);
	r.rflags |= RFLAGS_IF;
	vcpu_set_regs(self->vcpu, &r);
	self->e.interrupt.injected = 1;
	self->e.interrupt.nr = 0x66;
	ASSERT_EQ(0, set(self));
	get(self);
	EXPECT_EQ(1, self->e.interrupt.injected);
	EXPECT_EQ(0x66, self->e.interrupt.nr);
	EXPECT_EQ(5, guest_finish(self->vcpu));
	EXPECT_EQ(1, ((uint32_t *)guest_var(self->vm, "irq_count"))[0x66]);
	get(self);
	EXPECT_EQ(0, self->e.interrupt.injected);
}

/* HV_SET_REGS drops a pending exception: KVM's clients rely on it at reset. */
TEST_F(events, set_regs_drops_exception)
{
	self->e.exception.injected = 1;
	self->e.exception.nr = GP_VECTOR;
	self->e.exception.has_error_code = 1;
	ASSERT_EQ(0, set(self));
	guest_start(self->vcpu, "identity", 1, (uint64_t[]){ 6 });
	get(self);
	EXPECT_EQ(0, self->e.exception.pending);
}

TEST_F(events, nmi)
{
	self->e.nmi.pending = 1;
	self->e.flags |= HV_VCPUEVENT_VALID_NMI_PENDING;
	ASSERT_EQ(0, set(self));
	EXPECT_EQ(1, guest_call(self->vcpu, "identity", 1));
	EXPECT_EQ(1, ((uint32_t *)guest_var(self->vm, "irq_count"))[NMI_VECTOR]);
	/* Pending, but without its flag: ignored. */
	get(self);
	self->e.nmi.pending = 1;
	self->e.flags &= ~HV_VCPUEVENT_VALID_NMI_PENDING;
	ASSERT_EQ(0, set(self));
	EXPECT_EQ(1, guest_call(self->vcpu, "identity", 1));
	EXPECT_EQ(1, ((uint32_t *)guest_var(self->vm, "irq_count"))[NMI_VECTOR]);
}

TEST_HARNESS_MAIN
