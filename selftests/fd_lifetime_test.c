// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM and vCPU fds: close-on-exec, closing in any order, duplicates, the
 * mapping of the run page, and processes that aren't the VM's.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(fd)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(fd)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(fd)
{
}

TEST_F(fd, close_on_exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->vm->fd, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->vcpu->fd, F_GETFD));
}

TEST_F(fd, close_vcpu_vm_sys)
{
	EXPECT_EQ(5, guest_call(self->vcpu, "identity", 5));
	EXPECT_EQ(0, close(self->vcpu->fd));
	EXPECT_EQ(0, close(self->vm->fd));
	EXPECT_EQ(0, close(self->vm->sys));
}

/* The vCPU keeps the VM and its memory. */
TEST_F(fd, close_sys_and_vm_first)
{
	EXPECT_EQ(0, close(self->vm->sys));
	EXPECT_EQ(0, close(self->vm->fd));
	EXPECT_EQ(5, guest_call(self->vcpu, "identity", 5));
	EXPECT_EQ(0, close(self->vcpu->fd));
}

/* The mapping keeps the run page, not the vCPU's number in the VM. */
TEST_F(fd, mapping_outlives_fds)
{
	EXPECT_EQ(5, guest_call(self->vcpu, "identity", 5));
	close(self->vcpu->fd);
	close(self->vm->fd);
	close(self->vm->sys);
	EXPECT_EQ(HV_EXIT_IO, self->vcpu->run->exit_reason);
	self->vcpu->run->exit_reason = 1;
	EXPECT_EQ(1, self->vcpu->run->exit_reason);
	EXPECT_EQ(0, munmap(self->vcpu->run, self->vm->run_size));
}

/* Closing the vCPU's fd doesn't free its id while the VM lives. */
TEST_F(fd, id_stays_taken)
{
	close(self->vcpu->fd);
	EXPECT_EQ(-EEXIST, hv_ioctl(self->vm->fd, HV_CREATE_VCPU, 0));
}

TEST_F(fd, dup)
{
	int vm = dup(self->vm->fd), vcpu = dup(self->vcpu->fd);
	struct hv_regs regs;

	ASSERT_GE(vm, 0);
	ASSERT_GE(vcpu, 0);
	close(self->vm->fd);
	close(self->vcpu->fd);
	EXPECT_EQ(0, hv_ioctl(vcpu, HV_GET_REGS, &regs));
	self->vcpu->fd = vcpu;
	EXPECT_EQ(6, guest_call(self->vcpu, "identity", 6));
	EXPECT_GT(check_cap(vm, HV_CAP_USER_MEMORY), 0);
	close(vm);
	EXPECT_EQ(7, guest_call(self->vcpu, "identity", 7));
	close(vcpu);
}

TEST_F(fd, vcpu_ids)
{
	long max = check_cap(self->vm->fd, HV_CAP_MAX_VCPU_ID), fd;

	EXPECT_EQ(-EEXIST, hv_ioctl(self->vm->fd, HV_CREATE_VCPU, 0));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_CREATE_VCPU, max));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_CREATE_VCPU, -1L));
	fd = hv_ioctl(self->vm->fd, HV_CREATE_VCPU, max - 1);
	EXPECT_GE(fd, 0);
}

/* All that HV_CAP_MAX_VCPUS promises, and not one more. */
TEST_F(fd, max_vcpus)
{
	long max = check_cap(self->vm->fd, HV_CAP_MAX_VCPUS), i, fd;

	/* KVM has 1024: this is about hv's limit. */
	if (max > 256)
		SKIP(return, "%ld vCPUs are too many to try", max);
	for (i = 1; i < max; i++) {
		fd = hv_ioctl(self->vm->fd, HV_CREATE_VCPU, i);
		ASSERT_GE(fd, 0) {
			TH_LOG("vCPU %ld of %ld", i, max);
		}
		close(fd);
	}
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_CREATE_VCPU, max));
}

TEST_F(fd, run_page_mapping)
{
	size_t size = self->vm->run_size;
	struct hv_run *second;

	second = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu->fd, 0);
	ASSERT_NE(MAP_FAILED, second);
	self->vcpu->run->s.padding[100] = 0x12;
	EXPECT_EQ(0x12, second->s.padding[100]);
	EXPECT_EQ(8, guest_call(self->vcpu, "identity", 8));
	EXPECT_EQ(HV_EXIT_IO, second->exit_reason);
	munmap(second, size);

	/* The first page alone; the page of port I/O data alone. */
	second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->vcpu->fd, 0);
	ASSERT_NE(MAP_FAILED, second);
	EXPECT_EQ(HV_EXIT_IO, second->exit_reason);
	munmap(second, PAGE);
	second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->vcpu->fd, PAGE);
	ASSERT_NE(MAP_FAILED, second);
	EXPECT_EQ(8, *(uint32_t *)second);
	munmap(second, PAGE);
}

/* Beyond the end there's nothing: an error or a signal, never memory. */
TEST_F(fd, run_page_beyond_end)
{
	size_t size = self->vm->run_size;
	int status;
	char *p;
	pid_t pid;

	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->vcpu->fd, size + 64 * PAGE);
	if (p == MAP_FAILED)
		return;
	pid = fork();
	if (!pid) {
		*(volatile char *)p;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGBUS, WTERMSIG(status));
}

TEST_F(fd, run_page_private_executable)
{
	/* A private mapping may be refused; if not it must not change the page. */
	struct hv_run *run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				  self->vcpu->fd, 0);

	if (run == MAP_FAILED)
		return;
	self->vcpu->run->cr8 = 3;
	run->cr8 = 0x77;
	EXPECT_EQ(3, self->vcpu->run->cr8);
}

/* A child has the fds but isn't the VM's process. */
TEST_F(fd, fork_child)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct hv_regs regs;
		int bad = 0;

		bad |= hv_ioctl(self->vcpu->fd, HV_GET_REGS, &regs) != -EIO;
		bad |= (hv_ioctl(self->vcpu->fd, HV_RUN, 0) != -EIO) << 1;
		bad |= (hv_ioctl(self->vm->fd, HV_CREATE_VCPU, 3) != -EIO) << 2;
		bad |= (vm_slot(self->vm, 0, 0, 0, NULL, 0) != -EIO) << 3;
		/* The system fd is nobody's: the child may make a VM of its own. */
		bad |= (hv_ioctl(self->vm->sys, HV_CREATE_VM, 0) < 0) << 4;
		_exit(bad);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(9, guest_call(self->vcpu, "identity", 9));
}

/* The child outlives the parent's fds and closes its own last. */
TEST_F(fd, fork_child_closes_last)
{
	int go[2], status;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		char c;

		close(go[1]);
		_exit(read(go[0], &c, 1));
	}
	EXPECT_EQ(9, guest_call(self->vcpu, "identity", 9));
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

static void *use_vcpu(void *arg)
{
	struct vcpu *vcpu = arg;

	return guest_call(vcpu, "identity", 11) == 11 ? vcpu : NULL;
}

/* A vCPU isn't bound to the thread that made it. */
TEST_F(fd, other_thread)
{
	pthread_t t;
	void *ok;

	EXPECT_EQ(10, guest_call(self->vcpu, "identity", 10));
	pthread_create(&t, NULL, use_vcpu, self->vcpu);
	pthread_join(t, &ok);
	EXPECT_NE(NULL, ok);
	EXPECT_EQ(12, guest_call(self->vcpu, "identity", 12));
}

/* Closing the last fd of a vCPU while another thread is in its HV_RUN. */
TEST_F(fd, close_while_running)
{
	struct runner r;

	guest_start(self->vcpu, "count_forever", 0, NULL);
	runner_start(&r, self->vcpu);
	ASSERT_TRUE(wait_for(guest_u64(self->vm, "counter") > 1000));
	close(self->vcpu->fd);
	close(self->vm->fd);
	close(self->vm->sys);
	runner_stop(&r);
	EXPECT_TRUE(r.result == -EINTR || r.result == -EBADF);
}

/* Many VMs at once, and one after the other. */
TEST_F(fd, many_vms)
{
	struct vm *vm[8];
	struct vcpu *vcpu[8];
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 8; i++) {
			vm[i] = vm_create(i & 1 ? VM_IRQCHIP : 0);
			vm_load(vm[i], "basic");
			vcpu[i] = vcpu_create(vm[i], 0);
			vcpu_long_mode(vcpu[i], NULL);
		}
		for (i = 0; i < 8; i++)
			EXPECT_EQ(i, guest_call(vcpu[7 - i], "identity", i));
		for (i = 0; i < 8; i++) {
			vcpu_free(vcpu[i]);
			vm_free(vm[i]);
		}
	}
}

TEST_F(fd, no_more_fds)
{
	struct vm *vm = vm_create(0);
	int last = -1, fd;

	/* Use up the fds, then ask for one more: EMFILE, and nothing is lost. */
	while ((fd = dup(0)) >= 0)
		last = fd;
	EXPECT_EQ(-EMFILE, hv_ioctl(vm->sys, HV_CREATE_VM, 0));
	EXPECT_EQ(-EMFILE, hv_ioctl(vm->fd, HV_CREATE_VCPU, 0));
	close(last);
	EXPECT_GE(hv_ioctl(vm->fd, HV_CREATE_VCPU, 0), 0);
}

TEST_HARNESS_MAIN
