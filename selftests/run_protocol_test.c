// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_RUN: how it starts, how it ends and what the run page says then.
 */
#include <signal.h>
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(run)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_run *run;
};

FIXTURE_VARIANT(run)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(run, irqchip) { .flags = VM_IRQCHIP };
FIXTURE_VARIANT_ADD(run, no_irqchip) { .flags = 0 };

FIXTURE_SETUP(run)
{
	self->vm = vm_create(variant->flags);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	self->run = self->vcpu->run;
	vcpu_long_mode(self->vcpu, NULL);
	kick_setup();
}

FIXTURE_TEARDOWN(run)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(run, argument_is_zero)
{
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_RUN, 1));
}

TEST_F(run, io_exit)
{
	guest_start(self->vcpu, "identity", 1, (uint64_t[]){ 0x11223344 });
	EXPECT_EQ(0, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(HV_EXIT_IO, self->run->exit_reason);
	EXPECT_EQ(HV_EXIT_IO_OUT, self->run->io.direction);
	EXPECT_EQ(4, self->run->io.size);
	EXPECT_EQ(PORT_DONE, self->run->io.port);
	EXPECT_EQ(1, self->run->io.count);
	EXPECT_LT(self->run->io.data_offset, self->vm->run_size);
	EXPECT_EQ(0x11223344,
		  *(uint32_t *)((char *)self->run + self->run->io.data_offset));
}

/* Nothing of the guest runs, and the last exit reason stays. */
TEST_F(run, immediate_exit)
{
	uint64_t rip;

	EXPECT_EQ(1, guest_call(self->vcpu, "identity", 1));
	guest_start(self->vcpu, "identity", 0, NULL);
	rip = vcpu_regs(self->vcpu).rip;
	self->run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(HV_EXIT_IO, self->run->exit_reason);
	EXPECT_EQ(rip, vcpu_regs(self->vcpu).rip);
	EXPECT_EQ(1, self->run->immediate_exit);
	self->run->immediate_exit = 0;
	EXPECT_EQ(0, guest_finish(self->vcpu));
}

/* immediate_exit finishes the pending IN: RAX and RIP are then the guest's. */
TEST_F(run, immediate_exit_completes_in)
{
	uint64_t rip;
	struct hv_regs r;

	guest_start(self->vcpu, "in32", 1, (uint64_t[]){ 0x99 });
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	ASSERT_EQ(HV_EXIT_IO_IN, self->run->io.direction);
	r = vcpu_regs(self->vcpu);
	rip = r.rip;
	EXPECT_EQ(~0UL, r.rax);
	*(uint32_t *)((char *)self->run + self->run->io.data_offset) = 0xcafebabe;
	self->run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
	r = vcpu_regs(self->vcpu);
	EXPECT_EQ(0xcafebabe, r.rax);
	EXPECT_EQ(rip + 1, r.rip);
	self->run->immediate_exit = 0;
	EXPECT_EQ(0xcafebabe, guest_finish(self->vcpu));
}

TEST_F(run, in_completes_at_next_run)
{
	guest_start(self->vcpu, "in8", 1, (uint64_t[]){ 0x99 });
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(1, self->run->io.size);
	EXPECT_EQ(0x99, self->run->io.port);
	*((uint8_t *)self->run + self->run->io.data_offset) = 0x5a;
	/* AL only. */
	EXPECT_EQ(0xffffffffffffff5a, guest_finish(self->vcpu));
}

/* If the VMM moves RIP between exit and next run, it's not advanced. */
TEST_F(run, set_regs_between_in)
{
	struct hv_regs r;

	guest_start(self->vcpu, "in32", 1, (uint64_t[]){ 0x99 });
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	r = vcpu_regs(self->vcpu);
	r.rip = guest_sym(self->vm, "identity");
	r.rdi = 77;
	vcpu_set_regs(self->vcpu, &r);
	EXPECT_EQ(77, guest_finish(self->vcpu));
}

/* The same after OUT: the new RIP is where it goes on. */
TEST_F(run, set_regs_between_out)
{
	struct hv_regs r;

	guest_start(self->vcpu, "out32", 2, (uint64_t[]){ 0x99, 5 });
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	ASSERT_EQ(0x99, self->run->io.port);
	r = vcpu_regs(self->vcpu);
	r.rip = guest_sym(self->vm, "identity");
	r.rdi = 78;
	vcpu_set_regs(self->vcpu, &r);
	EXPECT_EQ(78, guest_finish(self->vcpu));
}

/* Registers other than RIP may be changed before an OUT ends. */
TEST_F(run, set_rax_after_out)
{
	struct hv_regs r;

	guest_start(self->vcpu, "out32", 2, (uint64_t[]){ 0x99, 5 });
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	r = vcpu_regs(self->vcpu);
	EXPECT_EQ(5, r.rax);
	r.rax = 1234;
	vcpu_set_regs(self->vcpu, &r);
	EXPECT_EQ(1234, guest_finish(self->vcpu));
}

static void *kicker(void *arg)
{
	volatile uint64_t *counter = ((void **)arg)[0];
	pthread_t *target = ((void **)arg)[1];

	wait_for(*counter > 1000);
	kick(*target);
	return NULL;
}

/* A signal: EINTR, and KVM_EXIT_INTR in the run page. */
TEST_F(run, signal_interrupts)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	pthread_t me = pthread_self(), t;
	void *arg[2] = { (void *)counter, &me };
	static const char * const loops[] = { "spin", "count_forever" };
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(loops); i++) {
		*counter = 0;
		guest_start(self->vcpu, loops[i], 0, NULL);
		pthread_create(&t, NULL, kicker, arg);
		EXPECT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
		EXPECT_EQ(HV_EXIT_INTR, self->run->exit_reason);
		EXPECT_GT(*counter, 1000);
		pthread_join(t, NULL);
	}
	/* It goes on where it was. */
	EXPECT_EQ(3, guest_call(self->vcpu, "identity", 3));
}

/* A signal that is pending when HV_RUN is called. */
TEST_F(run, pending_signal)
{
	sigset_t set, old;
	struct {
		uint32_t len;
		uint8_t sigset[8];
	} __attribute__((packed)) mask = { .len = 8 };

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	/* Blocked: HV_RUN doesn't see it. */
	EXPECT_EQ(4, guest_call(self->vcpu, "identity", 4));
	/* A mask that doesn't block it is in force during HV_RUN only. */
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_SIGNAL_MASK, &mask));
	guest_start(self->vcpu, "spin", 0, NULL);
	EXPECT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(HV_EXIT_INTR, self->run->exit_reason);
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	EXPECT_EQ(1, sigismember(&set, SIGUSR1));
	/* It's still pending, or was handled: HV_RUN can be called again. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigtimedwait(&set, NULL, &(struct timespec){ 0 });
	EXPECT_EQ(5, guest_call(self->vcpu, "identity", 5));
	/* NULL takes the mask away. */
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_SIGNAL_MASK, NULL));
	raise(SIGUSR1);
	EXPECT_EQ(6, guest_call(self->vcpu, "identity", 6));
	sigtimedwait(&set, NULL, &(struct timespec){ 0 });
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* A mask may also block what the thread doesn't. */
TEST_F(run, signal_mask_blocks)
{
	struct {
		uint32_t len;
		uint64_t sigset;
	} __attribute__((packed)) mask = { .len = 8, .sigset = 1UL << (SIGUSR1 - 1) };

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_SIGNAL_MASK, &mask));
	kick(pthread_self());
	EXPECT_EQ(7, guest_call(self->vcpu, "identity", 7));
}

/* if_flag, cr8 and apic_base are written at each return, failures included. */
TEST_F(run, out_fields)
{
	struct hv_regs r;

	guest_start(self->vcpu, "identity", 0, NULL);
	self->run->if_flag = 1;
	self->run->apic_base = 0;
	self->run->flags = 0xffff;
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(0, self->run->if_flag);
	EXPECT_EQ(0, self->run->flags);
	EXPECT_EQ(GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_BSP, self->run->apic_base);

	guest_start(self->vcpu, "identity", 0, NULL);
	r = vcpu_regs(self->vcpu);
	r.rflags |= RFLAGS_IF;
	vcpu_set_regs(self->vcpu, &r);
	self->run->immediate_exit = 1;
	self->run->apic_base = 0;
	EXPECT_EQ(-EINTR, vcpu_run_raw(self->vcpu));
	EXPECT_EQ(1, self->run->if_flag);
	EXPECT_EQ(GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_BSP, self->run->apic_base);
	self->run->immediate_exit = 0;
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	EXPECT_EQ(1, self->run->if_flag);
	if (self->vm->irqchip)
		EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
}

/* Without an in-kernel LAPIC CR8 goes through the run page. */
TEST_F(run, cr8_in_run_page)
{
	if (self->vm->irqchip)
		SKIP(return, "the LAPIC has it");
	self->run->cr8 = 7;
	EXPECT_EQ(1, guest_call(self->vcpu, "identity", 1));
	EXPECT_EQ(7, vcpu_sregs(self->vcpu).cr8);
	EXPECT_EQ(7, self->run->cr8);
}

/* Two threads call HV_RUN on the same vCPU: the second waits for the first. */
TEST_F(run, one_at_a_time)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	struct runner a, b;
	struct hv_regs r;

	guest_start(self->vcpu, "count_forever", 0, NULL);
	runner_start(&a, self->vcpu);
	ASSERT_TRUE(wait_for(*counter > 100));
	runner_start(&b, self->vcpu);
	ASSERT_TRUE(wait_for(b.runs));
	sleep_us(1000);
	a.stop = b.stop = true;
	self->run->immediate_exit = 1;
	kick(a.thread);
	kick(b.thread);
	runner_join(&a);
	runner_join(&b);
	EXPECT_EQ(-EINTR, a.result);
	EXPECT_EQ(-EINTR, b.result);
	self->run->immediate_exit = 0;
	r = vcpu_regs(self->vcpu);
	EXPECT_GE(r.rip, guest_sym(self->vm, "count_forever"));
}

/* GET_REGS from another thread while the guest runs waits for its exit. */
TEST_F(run, get_regs_waits)
{
	volatile uint64_t *counter = guest_var(self->vm, "counter");
	struct hv_regs regs;
	struct runner a;

	guest_start(self->vcpu, "count_forever", 0, NULL);
	runner_start(&a, self->vcpu);
	ASSERT_TRUE(wait_for(*counter > 100));
	a.stop = true;
	kick(a.thread);
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_REGS, &regs));
	EXPECT_EQ(0x34, regs.rip >= guest_sym(self->vm, "count_forever") ? 0x34 : 0);
	runner_stop(&a);
}

/* Without memory the first instruction can't be fetched. */
TEST_F(run, no_memory)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	long ret = vcpu_run_raw(vcpu);

	/* KVM sizes its page-table cache by the slots: none, no cache. */
	if (ret == -ENOSPC && device_is_kvm())
		SKIP(return, "KVM can't run a VM without memory");
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(vcpu->run->exit_reason == HV_EXIT_INTERNAL_ERROR ||
		    vcpu->run->exit_reason == HV_EXIT_SHUTDOWN) {
		TH_LOG("exit %u", vcpu->run->exit_reason);
	}
	vcpu_free(vcpu);
	vm_free(vm);
}

/* Memory of a slot that isn't there: HV_RUN fails, the VM doesn't die. */
TEST_F(run, slot_without_memory)
{
	char *hole = ram_alloc(PAGE);

	munmap(hole, PAGE);
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0x10000000, PAGE, hole, 0));
	guest_start(self->vcpu, "load", 1, (uint64_t[]){ 0x10000000 });
	EXPECT_EQ(-EFAULT, vcpu_run_raw(self->vcpu));
	/* Once it's there, the guest goes on. */
	ASSERT_EQ(hole, mmap(hole, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	*(uint64_t *)hole = 0x1d1;
	EXPECT_EQ(0x1d1, guest_finish(self->vcpu));
}

TEST_F(run, thousands_of_exits)
{
	unsigned int i;

	guest_start(self->vcpu, "in_forever", 1, (uint64_t[]){ 0x80 });
	for (i = 0; i < 2000; i++) {
		if (vcpu_run(self->vcpu) != HV_EXIT_IO)
			break;
		*(uint32_t *)((char *)self->run + self->run->io.data_offset) = i;
	}
	EXPECT_EQ(2000, i);
	EXPECT_EQ(1998, guest_u32(self->vm, "seen"));
}

TEST_HARNESS_MAIN
