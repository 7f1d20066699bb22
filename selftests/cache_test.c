// SPDX-License-Identifier: GPL-2.0-only
/*
 * INVD, WBINVD, CLFLUSH: done or skipped, and no data is lost.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(cache)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(cache)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "insn");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(cache)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(cache, invd_and_wbinvd)
{
	uint64_t *p = (uint64_t *)(self->vm->ram + GUEST_FREE);

	*p = 0x1234;
	guest_call(self->vcpu, "invd_");
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(0x1234, *p);
	guest_call(self->vcpu, "wbinvd_");
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	EXPECT_EQ(0x1234, guest_call(self->vcpu, "clflush_", GUEST_FREE));
	/* They're skipped, once. */
	EXPECT_EQ(9, guest_call(self->vcpu, "identity", 9));
}

TEST_HARNESS_MAIN
