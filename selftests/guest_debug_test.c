// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_SET_GUEST_DEBUG: the VMM steps the guest and sets breakpoints in it.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(debug)
{
	struct vm *vm;
	struct vcpu *vcpu;
	bool have;
};

FIXTURE_SETUP(debug)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "cr");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->have = check_cap(self->vm->fd, HV_CAP_SET_GUEST_DEBUG);
}

FIXTURE_TEARDOWN(debug)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static long debug(FIXTURE_DATA(debug) *self, struct hv_guest_debug d)
{
	return hv_ioctl(self->vcpu->fd, HV_SET_GUEST_DEBUG, &d);
}

#define NEED_DEBUG()							\
	do {								\
		if (!self->have)					\
			SKIP(return, "no HV_SET_GUEST_DEBUG");		\
	} while (0)

/* QEMU 7.2's TCG has no intercept of INT3, and none of #DB by a debug register. */
#define NEED_BREAKPOINTS()						\
	do {								\
		NEED_DEBUG();						\
		if (cpu_is_tcg())					\
			SKIP(return, "TCG intercepts no breakpoint");	\
	} while (0)

/* Not offered: it must not look as if it worked. */
TEST_F(debug, not_offered)
{
	if (self->have)
		SKIP(return, "it is offered");
	EXPECT_NE(0, debug(self, (struct hv_guest_debug){ .control = HV_GUESTDBG_ENABLE |
							  HV_GUESTDBG_SINGLESTEP }));
}

TEST_F(debug, single_step)
{
	uint64_t rip;
	unsigned int i;

	NEED_DEBUG();
	guest_start(self->vcpu, "break_here", 0, NULL);
	rip = guest_sym(self->vm, "break_here");
	ASSERT_EQ(0, debug(self, (struct hv_guest_debug){
			.control = HV_GUESTDBG_ENABLE | HV_GUESTDBG_SINGLESTEP }));
	for (i = 1; i <= 2; i++) {
		ASSERT_EQ(HV_EXIT_DEBUG, vcpu_run(self->vcpu));
		EXPECT_EQ(DB_VECTOR, self->vcpu->run->debug.arch.exception);
		EXPECT_EQ(rip + i, self->vcpu->run->debug.arch.pc);
		EXPECT_EQ(rip + i, vcpu_regs(self->vcpu).rip);
		EXPECT_EQ(1UL << 14, self->vcpu->run->debug.arch.dr6 & 1UL << 14);
		/* The guest's own TF isn't touched. */
		EXPECT_EQ(0, vcpu_regs(self->vcpu).rflags & RFLAGS_TF);
	}
	ASSERT_EQ(0, debug(self, (struct hv_guest_debug){ 0 }));
	EXPECT_EQ(0xb4ea, guest_finish(self->vcpu));
}

TEST_F(debug, software_breakpoint)
{
	NEED_BREAKPOINTS();
	ASSERT_EQ(0, debug(self, (struct hv_guest_debug){
			.control = HV_GUESTDBG_ENABLE | HV_GUESTDBG_USE_SW_BP }));
	guest_start(self->vcpu, "int3_", 0, NULL);
	ASSERT_EQ(HV_EXIT_DEBUG, vcpu_run(self->vcpu));
	EXPECT_EQ(BP_VECTOR, self->vcpu->run->debug.arch.exception);
	EXPECT_EQ(guest_sym(self->vm, "int3_"), self->vcpu->run->debug.arch.pc);
	/* The guest hasn't seen it. */
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	ASSERT_EQ(0, debug(self, (struct hv_guest_debug){ 0 }));
	EXPECT_EQ(3, guest_finish(self->vcpu));
	EXPECT_EQ(BP_VECTOR, guest_fault(self->vm));
}

TEST_F(debug, hardware_breakpoint)
{
	uint64_t target = guest_sym(self->vm, "break_target");
	struct hv_guest_debug d = {
		.control = HV_GUESTDBG_ENABLE | HV_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { [0] = target, [7] = 0x402 },
	};

	NEED_BREAKPOINTS();
	ASSERT_EQ(0, debug(self, d));
	guest_start(self->vcpu, "break_here", 0, NULL);
	ASSERT_EQ(HV_EXIT_DEBUG, vcpu_run(self->vcpu));
	EXPECT_EQ(target, self->vcpu->run->debug.arch.pc);
	EXPECT_EQ(1, self->vcpu->run->debug.arch.dr6 & 0xf);
	/* The guest's own registers don't show it. */
	ASSERT_EQ(0, debug(self, (struct hv_guest_debug){ 0 }));
	EXPECT_EQ(0xb4ea, guest_finish(self->vcpu));
	EXPECT_EQ(0, guest_call(self->vcpu, "read_db0"));
}

TEST_HARNESS_MAIN
