// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module can't be removed while any of its fds is open.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include "hvtest.h"
#include "kselftest_harness.h"

static long remove_module(void)
{
	return syscall(SYS_delete_module, "hv", O_NONBLOCK) ? -errno : 0;
}

TEST(busy_while_open)
{
	struct vm *vm;
	struct vcpu *vcpu;
	long ret;

	if (device_is_kvm())
		SKIP(return, "it's about hv's module");
	if (access("/sys/module/hv/refcnt", F_OK))
		SKIP(return, "hv isn't a module here");
	vm = vm_create(0);
	vcpu = vcpu_create(vm, 0);
	ret = remove_module();
	EXPECT_TRUE(ret == -EBUSY || ret == -EWOULDBLOCK) {
		TH_LOG("system, VM and vCPU fd: %ld", ret);
	}
	close(vm->sys);
	ret = remove_module();
	EXPECT_TRUE(ret == -EBUSY || ret == -EWOULDBLOCK) {
		TH_LOG("VM and vCPU fd: %ld", ret);
	}
	close(vm->fd);
	ret = remove_module();
	EXPECT_TRUE(ret == -EBUSY || ret == -EWOULDBLOCK) {
		TH_LOG("vCPU fd: %ld", ret);
	}
	close(vcpu->fd);
	/* The mapping of the run page holds the fd's file, too. */
	ret = remove_module();
	EXPECT_TRUE(ret == -EBUSY || ret == -EWOULDBLOCK) {
		TH_LOG("mapping: %ld", ret);
	}
}

TEST_HARNESS_MAIN
