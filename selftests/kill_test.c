// SPDX-License-Identifier: GPL-2.0-only
/*
 * kill -9 of a VMM at any moment: while it makes a VM, runs vCPUs, changes
 * slots, waits in HLT. Everything is freed: the module has no user left.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include "hvtest.h"
#include "kselftest_harness.h"

/* References of the module, -1 if that can't be told. */
static long module_users(void)
{
	static const char * const paths[] = {
		"/sys/module/hv/refcnt", "/sys/module/kvm_intel/refcnt",
		"/sys/module/kvm_amd/refcnt",
	};
	unsigned int i = device_is_kvm() ? (cpu_is_intel() ? 1 : 2) : 0;
	char text[32] = "";
	int fd = open(paths[i], O_RDONLY);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	close(fd);
	return text[0] ? atol(text) : -1;
}

static void *run_thread(void *arg)
{
	struct vcpu *vcpu = arg;

	for (;;)
		vcpu_run_raw(vcpu);
	return NULL;
}

/* A busy VMM: makes VMs, runs two vCPUs, changes slots, until it's killed. */
static void victim(unsigned int kind)
{
	static const char * const what[] = { "count_sti", "ap_loop", "hlt_", "count_sti" };
	unsigned int i;

	for (;;) {
		struct vm *vm = vm_create(VM_IRQCHIP);
		struct vcpu *a, *b;
		pthread_t t;

		vm_load(vm, "interrupts");
		a = vcpu_create(vm, 0);
		b = vcpu_create(vm, 1);
		vcpu_make_runnable(b);
		vcpu_long_mode(a, NULL);
		vcpu_long_mode(b, NULL);
		guest_call(a, "apic_write", APIC_SVR, 0x1ff);
		guest_call(a, "apic_write", APIC_LVT_TIMER, 1 << 17 | 0xec);
		guest_call(a, "apic_write", APIC_TIMER_INIT, 100000);
		guest_start(a, what[kind % 4], 0, NULL);
		guest_start(b, what[(kind + 1) % 4], 0, NULL);
		pthread_create(&t, NULL, run_thread, a);
		pthread_create(&t, NULL, run_thread, b);
		for (i = 0; i < 10; i++) {
			vm_slot(vm, 1, 0x10000000, PAGE, vm->ram, 0);
			madvise(vm->ram + GUEST_FREE, PAGE, MADV_DONTNEED);
			hv_ioctl(vm->fd, HV_SIGNAL_MSI,
				 &(struct hv_msi){ .address_lo = GUEST_APIC, .data = 0x41 });
			vm_slot(vm, 1, 0, 0, NULL, 0);
			sleep_us(200);
		}
		/* The VM is left behind: its threads go on, the fds stay open. */
	}
}

TEST(kill_9)
{
	long before = module_users();
	unsigned int i, seed = 1;
	int status, fd;

	for (i = 0; i < 25; i++) {
		pid_t pid = fork();

		if (!pid) {
			victim(i);
			_exit(0);
		}
		seed = seed * 1103515245 + 12345;
		/* The first ones at once: in the middle of HV_CREATE_VM and so on. */
		sleep_us(i < 5 ? i * 300 : seed / 65536 % 15000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	/* The last references go when the last task of the process is reaped. */
	if (before >= 0)
		EXPECT_TRUE(wait_for(module_users() == before)) {
			TH_LOG("%ld users before, %ld after", before, module_users());
		}
	/* And the device works. */
	fd = device_open();
	EXPECT_GE(hv_ioctl(fd, HV_CREATE_VM, 0), 0);
	close(fd);
}

/* The same when the process ends by itself, with everything open. */
TEST(exit_with_all_open)
{
	long before = module_users();
	unsigned int i;
	int status;

	for (i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct vm *vm = vm_create(VM_IRQCHIP);
			struct vcpu *a;
			pthread_t t;

			vm_load(vm, "interrupts");
			a = vcpu_create(vm, 0);
			vcpu_long_mode(a, NULL);
			guest_start(a, i & 1 ? "count_sti" : "hlt_", 0, NULL);
			pthread_create(&t, NULL, run_thread, a);
			sleep_us(3000);
			_exit(7);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(7, WEXITSTATUS(status));
	}
	if (before >= 0)
		EXPECT_TRUE(wait_for(module_users() == before));
}

TEST_HARNESS_MAIN
