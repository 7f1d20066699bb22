// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that clients make before they run anything: TSS and identity-map
 * addresses, HV_ENABLE_CAP, HV_SET_BOOT_CPU_ID.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(setup)
{
	struct vm *vm;
};

FIXTURE_SETUP(setup)
{
	self->vm = vm_create(VM_BARE);
}

FIXTURE_TEARDOWN(setup)
{
	vm_free(self->vm);
}

TEST_F(setup, tss_address)
{
	/* Those of kvmtool and QEMU. */
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_TSS_ADDR, 0xfffbd000));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_TSS_ADDR, 0xfeffd000));
	/* Three pages that end at 4 GiB, and beyond. */
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_TSS_ADDR, 0xffffd000));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_TSS_ADDR, 0xffffe000));
}

TEST_F(setup, identity_map)
{
	uint64_t address = 0xfeffc000;
	struct vcpu *vcpu;

	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_IDENTITY_MAP_ADDR, &address));
	address = 0;
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_IDENTITY_MAP_ADDR, &address));
	vcpu = vcpu_create(self->vm, 0);
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_IDENTITY_MAP_ADDR, &address));
	vcpu_free(vcpu);
}

TEST_F(setup, enable_cap)
{
	struct hv_enable_cap cap = { .cap = 0xffffffff };
	struct vcpu *vcpu = vcpu_create(self->vm, 0);

	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ENABLE_CAP, &cap));
	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_ENABLE_CAP, &cap));
	/* Nothing that can be enabled. */
	cap.cap = HV_CAP_USER_MEMORY;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ENABLE_CAP, &cap));
	EXPECT_EQ(-EINVAL, hv_ioctl(vcpu->fd, HV_ENABLE_CAP, &cap));
	/* Flags are reserved. */
	cap.cap = HV_CAP_X86_DISABLE_EXITS;
	cap.flags = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ENABLE_CAP, &cap));
	vcpu_free(vcpu);
}

TEST_F(setup, boot_cpu_id)
{
	if (!check_cap(self->vm->fd, HV_CAP_SET_BOOT_CPU_ID))
		SKIP(return, "no HV_SET_BOOT_CPU_ID");
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_BOOT_CPU_ID, 1));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_BOOT_CPU_ID, 0));
}

TEST_HARNESS_MAIN
