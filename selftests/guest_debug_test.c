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

/* The VMM's breakpoint was the guest's own: the guest gets it, as the trap that it is. */
static void expect_trap(struct __test_metadata *_metadata, FIXTURE_DATA(debug) *self,
			const char *function, unsigned int len)
{
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(PORT_DONE, self->vcpu->run->io.port);
	EXPECT_EQ(3, vcpu_regs(self->vcpu).rax);
	EXPECT_EQ(BP_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(guest_sym(self->vm, function) + len, guest_u64(self->vm, "fault_rip"));
	/* A trap that came back to the INT3 would be followed by its own. */
	EXPECT_EQ(1, guest_u64(self->vm, "fault_count"));
}

static long inject_events(FIXTURE_DATA(debug) *self)
{
	struct hv_vcpu_events e;

	must(hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	e.exception.injected = 1;
	e.exception.nr = BP_VECTOR;
	return hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &e);
}

TEST_F(debug, software_breakpoint_given_back)
{
	static const struct { const char *function; unsigned int len; } t[] = {
		{ "int3_", 1 }, { "int3_prefixed", 2 },
	};
	const uint32_t on = HV_GUESTDBG_ENABLE | HV_GUESTDBG_USE_SW_BP;
	unsigned int i;

	NEED_BREAKPOINTS();
	for (i = 0; i < 2 * ARRAY_LEN(t); i++) {
		ASSERT_EQ(0, debug(self, (struct hv_guest_debug){ .control = on }));
		guest_u64(self->vm, "fault_count") = 0;
		guest_start(self->vcpu, t[i / 2].function, 0, NULL);
		ASSERT_EQ(HV_EXIT_DEBUG, vcpu_run(self->vcpu));
		ASSERT_EQ(0, i & 1 ? inject_events(self) : debug(self, (struct hv_guest_debug){
				.control = on | HV_GUESTDBG_INJECT_BP }));
		expect_trap(_metadata, self, t[i / 2].function, t[i / 2].len);
	}
}

/* The same on another vCPU than the one that met it; the delivery needs pages for the first time */
TEST_F(debug, breakpoint_without_exit)
{
	if (device_is_kvm() && cpu_is_intel())
		SKIP(return, "stock KVM knows no length before an INT3 has exited");
	guest_start(self->vcpu, "int3_", 0, NULL);
	ASSERT_EQ(0, inject_events(self));
	expect_trap(_metadata, self, "int3_", 1);
}

/* An event that was raised at one RIP is not delivered at another. */
TEST_F(debug, breakpoint_dropped)
{
	if (device_is_kvm())
		SKIP(return, "stock KVM keeps it");
	guest_start(self->vcpu, "int3_", 0, NULL);
	ASSERT_EQ(0, inject_events(self));
	EXPECT_EQ(7, guest_call(self->vcpu, "identity", 7));
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
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
