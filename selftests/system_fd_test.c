// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system fd: version, capabilities, sizes, and making VMs.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(sys)
{
	int fd;
	int vm;
};

FIXTURE_SETUP(sys)
{
	self->fd = device_open();
	self->vm = hv_ioctl(self->fd, HV_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);
}

FIXTURE_TEARDOWN(sys)
{
	close(self->vm);
	close(self->fd);
}

TEST_F(sys, api_version)
{
	EXPECT_EQ(12, hv_ioctl(self->fd, HV_GET_API_VERSION, 0));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_GET_API_VERSION, 1));
}

TEST_F(sys, mmap_size)
{
	long size = hv_ioctl(self->fd, HV_GET_VCPU_MMAP_SIZE, 0);

	EXPECT_GE(size, (long)(2 * PAGE));
	EXPECT_EQ(0, size % PAGE);
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_GET_VCPU_MMAP_SIZE, 1));
}

TEST_F(sys, vm_type)
{
	long fd;

	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_CREATE_VM, 1));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_CREATE_VM, ~0UL));
	fd = hv_ioctl(self->fd, HV_CREATE_VM, 0);
	EXPECT_GE(fd, 0);
	close(fd);
}

/* Capabilities that clients can't do without. */
TEST_F(sys, required_capabilities)
{
	static const int yes[] = {
		HV_CAP_IRQCHIP, HV_CAP_HLT, HV_CAP_USER_MEMORY, HV_CAP_SET_TSS_ADDR,
		HV_CAP_EXT_CPUID, HV_CAP_MP_STATE, HV_CAP_SYNC_MMU,
		HV_CAP_DESTROY_MEMORY_REGION_WORKS, HV_CAP_JOIN_MEMORY_REGIONS_WORKS,
		HV_CAP_SET_IDENTITY_MAP_ADDR, HV_CAP_INTERNAL_ERROR_DATA,
		HV_CAP_VCPU_EVENTS, HV_CAP_DEBUGREGS, HV_CAP_XSAVE, HV_CAP_SIGNAL_MSI,
		HV_CAP_IMMEDIATE_EXIT, HV_CAP_USER_NMI, HV_CAP_CHECK_EXTENSION_VM,
		HV_CAP_IRQ_INJECT_STATUS, HV_CAP_X86_ROBUST_SINGLESTEP,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(yes); i++) {
		EXPECT_EQ(1, check_cap(self->fd, yes[i])) {
			TH_LOG("capability %d", yes[i]);
		}
	}
	EXPECT_GE(check_cap(self->fd, HV_CAP_NR_MEMSLOTS), 32);
	EXPECT_GE(check_cap(self->fd, HV_CAP_NR_VCPUS), 1);
	EXPECT_GE(check_cap(self->fd, HV_CAP_MAX_VCPUS),
		  check_cap(self->fd, HV_CAP_NR_VCPUS));
	EXPECT_GE(check_cap(self->fd, HV_CAP_MAX_VCPU_ID),
		  check_cap(self->fd, HV_CAP_MAX_VCPUS));
	EXPECT_GT(check_cap(self->fd, HV_CAP_IRQ_ROUTING), 25);
	EXPECT_GE(check_cap(self->fd, HV_CAP_MCE), 10);
	EXPECT_NE(0, check_cap(self->fd, HV_CAP_ADJUST_CLOCK) & HV_CLOCK_TSC_STABLE);
}

/* A number that means nothing is absent, not an error. */
TEST_F(sys, unknown_capabilities)
{
	EXPECT_EQ(0, check_cap(self->fd, 1000000));
	EXPECT_EQ(0, check_cap(self->fd, -1));
	EXPECT_EQ(0, check_cap(self->fd, 5));
	EXPECT_EQ(0, check_cap(self->fd, HV_CAP_MSI_DEVID));
}

TEST_F(sys, xsave2_is_a_size_or_absent)
{
	long size = check_cap(self->vm, HV_CAP_XSAVE2);

	if (size)
		EXPECT_GE(size, 4096);
}

/* The VM fd answers the same as the system fd, and twice the same. */
TEST_F(sys, capabilities_agree)
{
	long cap, ret;

	for (cap = 0; cap < 300; cap++) {
		ret = check_cap(self->fd, cap);
		EXPECT_GE(ret, 0) {
			TH_LOG("capability %ld", cap);
		}
		EXPECT_EQ(ret, check_cap(self->vm, cap)) {
			TH_LOG("capability %ld", cap);
		}
		EXPECT_EQ(ret, check_cap(self->fd, cap));
	}
}

/* hv doesn't claim what it doesn't have yet: no claim without the call. */
TEST_F(sys, no_empty_claims)
{
	/* KVM_IRQFD, KVM_IOEVENTFD, KVM_CREATE_PIT2, KVM_GET_NESTED_STATE */
	static const struct {
		int cap;
		unsigned long nr;
	} claims[] = {
		{ HV_CAP_IRQFD, 0x4020ae76 }, { HV_CAP_IOEVENTFD, 0x4040ae79 },
		{ HV_CAP_PIT2, 0x4040ae77 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(claims); i++) {
		bool claimed = check_cap(self->fd, claims[i].cap);
		bool known = hv_ioctl(self->vm, claims[i].nr, 0) != -ENOTTY;

		EXPECT_EQ(claimed, known) {
			TH_LOG("capability %d", claims[i].cap);
		}
	}
}

TEST_F(sys, mce_capabilities)
{
	uint64_t cap = 0;

	EXPECT_EQ(0, hv_ioctl(self->fd, HV_X86_GET_MCE_CAP_SUPPORTED, &cap));
	/* MCG_CTL_P; the bank count isn't in it. */
	EXPECT_NE(0, cap & 1 << 8);
	EXPECT_EQ(-EFAULT, hv_ioctl(self->fd, HV_X86_GET_MCE_CAP_SUPPORTED, 0));
}

/* Calls of the other fds aren't calls of the system fd. */
TEST_F(sys, foreign_calls)
{
	static char buffer[8192];

	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_RUN, 0));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_CREATE_VCPU, 0));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_GET_REGS, buffer));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_SET_USER_MEMORY_REGION, buffer));
	EXPECT_EQ(-ENOTTY, hv_ioctl(self->vm, HV_GET_API_VERSION, 0));
	EXPECT_EQ(-ENOTTY, hv_ioctl(self->vm, HV_CREATE_VM, 0));
	EXPECT_EQ(-ENOTTY, hv_ioctl(self->vm, HV_RUN, 0));
	EXPECT_EQ(-ENOTTY, hv_ioctl(self->vm, HV_GET_REGS, buffer));
}

/* There's nothing to read, write or map. */
TEST_F(sys, not_a_file)
{
	char c;

	EXPECT_GT(0, read(self->fd, &c, 1));
	EXPECT_GT(0, write(self->fd, &c, 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_GT(0, read(self->vm, &c, 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->vm, 0));
}

TEST_HARNESS_MAIN
