// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running the guest.
 */
#include <signal.h>
#include <time.h>
#include "hvtest.h"

/**
 * vcpu_run_raw() - HV_RUN, once
 * @vcpu: the vCPU
 *
 * Return: 0 or -errno.
 */
long vcpu_run_raw(struct vcpu *vcpu)
{
	return hv_ioctl(vcpu->fd, HV_RUN, 0);
}

/**
 * vcpu_dump() - show why the guest stopped where it shouldn't
 * @vcpu: the vCPU
 */
void vcpu_dump(struct vcpu *vcpu)
{
	struct hv_regs r = vcpu_regs(vcpu);
	struct hv_sregs s = vcpu_sregs(vcpu);
	const struct hv_run *run = vcpu->run;
	unsigned int i;

	printf("# vcpu %u exit %u (%s) rip %llx rsp %llx rflags %llx rax %llx rcx %llx\n",
	       vcpu->id, run->exit_reason, exit_name(run->exit_reason), r.rip, r.rsp,
	       r.rflags, r.rax, r.rcx);
	printf("# cs %x/%llx ", s.cs.selector, s.cs.base);
	printf("cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx\n", s.cr0, s.cr2, s.cr3,
	       s.cr4, s.efer);
	switch (run->exit_reason) {
	case HV_EXIT_IO:
		printf("# port %x size %u dir %u count %u\n", run->io.port, run->io.size,
		       run->io.direction, run->io.count);
		if (run->io.port == PORT_FATAL && vcpu->vm->payload)
			printf("# exception %d error %llx rip %llx cr2 %llx\n",
			       guest_fault(vcpu->vm),
			       (unsigned long long)guest_u64(vcpu->vm, "fault_error"),
			       (unsigned long long)guest_u64(vcpu->vm, "fault_rip"),
			       (unsigned long long)guest_u64(vcpu->vm, "fault_cr2"));
		break;
	case HV_EXIT_MMIO:
		printf("# gpa %llx len %u write %u\n", run->mmio.phys_addr, run->mmio.len,
		       run->mmio.is_write);
		break;
	case HV_EXIT_FAIL_ENTRY:
		printf("# hardware reason %llx\n",
		       run->fail_entry.hardware_entry_failure_reason);
		break;
	case HV_EXIT_INTERNAL_ERROR:
		printf("# suberror %u:", run->internal.suberror);
		for (i = 0; i < run->internal.ndata && i < 16; i++)
			printf(" %llx", run->internal.data[i]);
		printf("\n");
		break;
	default:
		break;
	}
	fflush(stdout);
}

/**
 * vcpu_run() - HV_RUN until there's an exit
 * @vcpu: the vCPU
 *
 * Return: exit reason. The program ends if HV_RUN fails otherwise than by EAGAIN.
 */
uint32_t vcpu_run(struct vcpu *vcpu)
{
	long ret;

	do {
		ret = vcpu_run_raw(vcpu);
	} while (ret == -EAGAIN);
	if (ret) {
		vcpu_dump(vcpu);
		die("HV_RUN: %s", strerror(-ret));
	}
	return vcpu->run->exit_reason;
}

/**
 * guest_start() - get ready to call a function of the payload (64-bit mode, C calling
 *	convention)
 * @vcpu: the vCPU
 * @function: symbol
 * @nargs: number of arguments, at most 4
 * @args: arguments
 */
void guest_start(struct vcpu *vcpu, const char *function, unsigned int nargs,
		 const uint64_t *args)
{
	uint64_t sp = GUEST_STACK - vcpu->id % 8 * GUEST_STACK_SIZE - 8;
	struct hv_regs regs = {
		.rip = guest_sym(vcpu->vm, function),
		.rsp = sp,
		.rflags = RFLAGS_FIXED,
		.rdi = nargs > 0 ? args[0] : 0,
		.rsi = nargs > 1 ? args[1] : 0,
		.rdx = nargs > 2 ? args[2] : 0,
		.rcx = nargs > 3 ? args[3] : 0,
		.r8 = nargs > 4 ? args[4] : 0,
	};

	*(uint64_t *)(vcpu->vm->ram + sp) = guest_sym(vcpu->vm, "guest_done");
	guest_u64(vcpu->vm, "fault_vector") = NO_FAULT;
	vcpu_set_regs(vcpu, &regs);
}

/**
 * guest_finish() - run until the called function has returned
 * @vcpu: the vCPU
 *
 * Return: its result. Any other exit ends the program.
 */
uint64_t guest_finish(struct vcpu *vcpu)
{
	if (vcpu_run(vcpu) != HV_EXIT_IO || vcpu->run->io.port != PORT_DONE) {
		vcpu_dump(vcpu);
		die("the guest didn't finish");
	}
	return vcpu_regs(vcpu).rax;
}

/**
 * guest_call_args() - call a function of the payload; use guest_call()
 * @vcpu: the vCPU, in 64-bit mode
 * @function: symbol
 * @nargs: number of arguments
 * @args: arguments
 *
 * Return: its result.
 */
uint64_t guest_call_args(struct vcpu *vcpu, const char *function, unsigned int nargs,
			 const uint64_t *args)
{
	guest_start(vcpu, function, nargs, args);
	return guest_finish(vcpu);
}

/**
 * guest_fault() - the last exception that the guest took
 * @vm: the VM
 *
 * Return: vector, or NO_FAULT if there was none since guest_start().
 */
int guest_fault(struct vm *vm)
{
	return guest_u64(vm, "fault_vector");
}

static void on_kick(int sig)
{
	(void)sig;
}

/**
 * kick_setup() - let SIGUSR1 interrupt system calls and do nothing else
 */
void kick_setup(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	if (sigaction(SIGUSR1, &sa, NULL))
		die("sigaction: %s", strerror(errno));
}

/**
 * kick() - interrupt a thread's system call
 * @thread: the thread
 */
void kick(pthread_t thread)
{
	pthread_kill(thread, SIGUSR1);
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;

	/* Once in any case: it may be stopped before it had a CPU. */
	do {
		r->runs++;
		r->result = vcpu_run_raw(r->vcpu);
	} while (!r->stop && (r->result == -EAGAIN || r->result == -EINTR));
	r->done = true;
	return NULL;
}

/**
 * runner_start() - run a vCPU in a thread until it exits or is stopped
 * @runner: the thread
 * @vcpu: the vCPU
 */
void runner_start(struct runner *runner, struct vcpu *vcpu)
{
	kick_setup();
	*runner = (struct runner) { .vcpu = vcpu };
	errno = pthread_create(&runner->thread, NULL, runner_main, runner);
	if (errno)
		die("pthread_create: %s", strerror(errno));
}

/**
 * runner_join() - wait until the vCPU has exited
 * @runner: the thread
 */
void runner_join(struct runner *runner)
{
	pthread_join(runner->thread, NULL);
}

/**
 * runner_stop() - stop the vCPU
 * @runner: the thread
 */
void runner_stop(struct runner *runner)
{
	runner->stop = true;
	/* A kick that comes before the thread is in HV_RUN would be lost: */
	runner->vcpu->run->immediate_exit = 1;
	kick(runner->thread);
	runner_join(runner);
	runner->vcpu->run->immediate_exit = 0;
}

/**
 * now_us() - monotonic time
 *
 * Return: microseconds.
 */
uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000UL + ts.tv_nsec / 1000;
}

/**
 * sleep_us() - sleep
 * @us: microseconds
 */
void sleep_us(uint64_t us)
{
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}
