// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's debug registers: values, refusals (SDM 3B 18.2), breakpoints and
 * single-stepping, and that they're the guest's and not the host's.
 */
#include <sys/prctl.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define DR6_FIXED	0xffff0ff0UL
#define DR6_BS		(1UL << 14)
#define DR7_FIXED	0x400UL
#define DR7_GD		(1UL << 13)

/* QEMU 7.2's TCG has no GD, no RF in faults and no INT1. */
#define NEED_WHOLE_CPU(what)						\
	do {								\
		if (cpu_is_tcg())					\
			SKIP(return, "TCG has no %s", what);		\
	} while (0)

FIXTURE(dr)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(dr)
{
	/*
	 * Bochs 3.0 loses the RF that a breakpoint pushes where the second stage maps a large
	 * page: the guest meets the breakpoint for ever, on stock KVM, too.
	 */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	self->vm = vm_create(0);
	vm_load(self->vm, "cr");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(dr)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static uint64_t read_db(FIXTURE_DATA(dr) *self, unsigned int n)
{
	char name[16];

	snprintf(name, sizeof(name), "read_db%u", n);
	return guest_call(self->vcpu, name);
}

static int write_db(FIXTURE_DATA(dr) *self, unsigned int n, uint64_t value)
{
	char name[16];

	snprintf(name, sizeof(name), "write_db%u", n);
	guest_call(self->vcpu, name, value);
	return guest_fault(self->vm);
}

TEST_F(dr, guest_round_trip)
{
	struct hv_debugregs d;
	unsigned int i;

	for (i = 0; i < 4; i++)
		EXPECT_EQ(NO_FAULT, write_db(self, i, 0xffff800000001000 + i));
	EXPECT_EQ(NO_FAULT, write_db(self, 7, 0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0xffff800000001000 + i, read_db(self, i));
	EXPECT_EQ(DR7_FIXED, read_db(self, 7));
	EXPECT_EQ(DR6_FIXED, read_db(self, 6));
	EXPECT_EQ(NO_FAULT, write_db(self, 6, 0xf));
	EXPECT_EQ(DR6_FIXED | 0xf, read_db(self, 6));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_DEBUGREGS, &d));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0xffff800000001000 + i, d.db[i]);
	EXPECT_EQ(DR6_FIXED | 0xf, d.dr6);
	EXPECT_EQ(DR7_FIXED, d.dr7);
}

TEST_F(dr, vmm_round_trip)
{
	struct hv_debugregs in = { .dr6 = DR6_FIXED | DR6_BS, .dr7 = DR7_FIXED }, out;
	unsigned int i;

	for (i = 0; i < 4; i++)
		in.db[i] = 0x123000 * (i + 1);
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_DEBUGREGS, &in));
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_DEBUGREGS, &out));
	EXPECT_EQ(0, memcmp(&in, &out, sizeof(in)));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(in.db[i], read_db(self, i));
	EXPECT_EQ(DR6_FIXED | DR6_BS, read_db(self, 6));
}

TEST_F(dr, vmm_refused)
{
	struct hv_debugregs d = { .dr6 = DR6_FIXED, .dr7 = DR7_FIXED };

	d.flags = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_DEBUGREGS, &d));
	d.flags = 0;
	d.dr6 = 1UL << 32;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_DEBUGREGS, &d));
	d.dr6 = DR6_FIXED;
	d.dr7 = 1UL << 63;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_DEBUGREGS, &d));
}

TEST_F(dr, refused)
{
	EXPECT_EQ(GP_VECTOR, write_db(self, 7, 1UL << 32));
	EXPECT_EQ(GP_VECTOR, write_db(self, 6, 1UL << 32));
	EXPECT_EQ(DR7_FIXED, read_db(self, 7));
}

/* DR4 and DR5 are DR6 and DR7, unless CR4.DE is set. */
TEST_F(dr, aliases)
{
	uint64_t cr4 = guest_call(self->vcpu, "read_cr4");

	EXPECT_EQ(DR6_FIXED, read_db(self, 4));
	EXPECT_EQ(NO_FAULT, write_db(self, 5, 0));
	EXPECT_EQ(NO_FAULT, (guest_call(self->vcpu, "write_cr4", cr4 | CR4_DE),
			     guest_fault(self->vm)));
	read_db(self, 4);
	EXPECT_EQ(UD_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(UD_VECTOR, write_db(self, 5, 0));
}

/* General detect: touching a debug register raises #DB before it's done. */
TEST_F(dr, general_detect)
{
	NEED_WHOLE_CPU("general detect");
	EXPECT_EQ(NO_FAULT, write_db(self, 7, DR7_FIXED | DR7_GD));
	guest_start(self->vcpu, "read_db0", 0, NULL);
	/* The handler must not touch them again: it clears nothing, GD is off in it. */
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(1UL << 13, guest_u64(self->vm, "fault_dr6") & 1UL << 13);
}

TEST_F(dr, execute_breakpoint)
{
	uint64_t target = guest_sym(self->vm, "break_target");

	NEED_WHOLE_CPU("RF in the flags of a breakpoint");
	EXPECT_EQ(NO_FAULT, write_db(self, 0, target));
	EXPECT_EQ(NO_FAULT, write_db(self, 7, DR7_FIXED | 2));
	guest_start(self->vcpu, "break_here", 0, NULL);
	/*
	 * It's a fault: RF in the flags that were pushed lets IRET go on
	 * (SDM 3B 18.3.1.1).
	 */
	guest_u64(self->vm, "fault_count") = 0;
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(PORT_DONE, self->vcpu->run->io.port);
	EXPECT_EQ(0xb4ea, vcpu_regs(self->vcpu).rax);
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(target, guest_u64(self->vm, "fault_rip"));
	EXPECT_EQ(1, guest_u64(self->vm, "fault_dr6") & 0xf);
	EXPECT_EQ(1, guest_u64(self->vm, "fault_count"));
}

TEST_F(dr, data_breakpoint)
{
	/* DR1: 8-byte write at GUEST_FREE (SDM 3B 18.2.4). */
	EXPECT_EQ(NO_FAULT, write_db(self, 1, GUEST_FREE));
	EXPECT_EQ(NO_FAULT, write_db(self, 7, DR7_FIXED | 8 | 1UL << 20 | 2UL << 22));
	guest_call(self->vcpu, "load", GUEST_FREE);
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	guest_call(self->vcpu, "store", GUEST_FREE, 1);
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(2, guest_u64(self->vm, "fault_dr6") & 0xf);
	/* They survive exits and other vCPUs, and don't bother the host. */
	*(volatile uint64_t *)(self->vm->ram + GUEST_FREE) = 2;
	guest_call(self->vcpu, "store", GUEST_FREE, 1);
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
}

TEST_F(dr, single_step)
{
	guest_u64(self->vm, "fault_count") = 0;
	guest_call(self->vcpu, "single_step");
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(DR6_BS, guest_u64(self->vm, "fault_dr6") & DR6_BS);
	/* After NOP, NOP, PUSHFQ, AND, POPFQ. */
	EXPECT_EQ(5, guest_u64(self->vm, "fault_count"));
}

/* An instruction that exits is one step, too. */
TEST_F(dr, single_step_over_exit)
{
	guest_u64(self->vm, "fault_count") = 0;
	guest_call(self->vcpu, "step_cpuid");
	/* After XOR, CPUID, NOP, PUSHFQ, AND, POPFQ. */
	EXPECT_EQ(6, guest_u64(self->vm, "fault_count"));
}

/* The step's trap is part of the state that the VMM saves after an exit. */
TEST_F(dr, single_step_is_saved)
{
	struct hv_vcpu_events e;
	struct hv_regs r;

	guest_start(self->vcpu, "out_", 0, NULL);
	r = vcpu_regs(self->vcpu);
	r.rflags |= RFLAGS_TF;
	vcpu_set_regs(self->vcpu, &r);
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	ASSERT_EQ(PORT_MARK, self->vcpu->run->io.port);
	self->vcpu->run->immediate_exit = 1;
	ASSERT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
	self->vcpu->run->immediate_exit = 0;
	must(hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.exception.injected);
	EXPECT_EQ(DB_VECTOR, e.exception.nr);
	must(hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &e));
	guest_finish(self->vcpu);
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(DR6_BS, guest_u64(self->vm, "fault_dr6") & DR6_BS);
	/* After OUT and RET; the one after the second OUT is yet to come. */
	EXPECT_EQ(2, guest_u64(self->vm, "fault_count"));
}

TEST_F(dr, int3)
{
	EXPECT_EQ(3, guest_call(self->vcpu, "int3_"));
	EXPECT_EQ(BP_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(guest_sym(self->vm, "int3_") + 1, guest_u64(self->vm, "fault_rip"));
}

TEST_F(dr, icebp)
{
	NEED_WHOLE_CPU("INT1");
	EXPECT_EQ(1, guest_call(self->vcpu, "icebp"));
	EXPECT_EQ(DB_VECTOR, guest_fault(self->vm));
}

/* Two vCPUs of two VMs in turns: each keeps its own. */
TEST_F(dr, not_shared)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu;
	unsigned int i;

	vm_load(vm, "cr");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	guest_call(self->vcpu, "write_db0", 0x1000);
	guest_call(vcpu, "write_db0", 0x2000);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0x1000, guest_call(self->vcpu, "read_db0"));
		EXPECT_EQ(0x2000, guest_call(vcpu, "read_db0"));
	}
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_HARNESS_MAIN
