// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests to measure with. A function of the payload does an operation many times and
 * returns the TSC cycles that passed; RDTSC doesn't exit.
 */
#include <x86intrin.h>
#include "bench.h"

/**
 * rdtsc_ordered() - the TSC, no earlier than what precedes
 *
 * Return: cycles.
 */
uint64_t rdtsc_ordered(void)
{
	_mm_lfence();
	return __rdtsc();
}

/**
 * guest_new() - make a guest
 * @flags: VM_* of the selftests' library
 *
 * Return: the guest.
 */
struct guest guest_new(unsigned int flags)
{
	struct guest guest = { .vm = vm_create(flags) };

	vm_load(guest.vm, "bench");
	guest.vcpu = vcpu_create(guest.vm, 0);
	vcpu_long_mode(guest.vcpu, NULL);
	return guest;
}

/**
 * guest_free() - free it
 * @guest: from guest_new()
 */
void guest_free(struct guest *guest)
{
	vcpu_free(guest->vcpu);
	vm_free(guest->vm);
}

/* What a VMM must do at the least: reads give zero, writes are ignored. */
static bool back_to_guest(struct vcpu *vcpu)
{
	struct hv_run *run = vcpu->run;

	switch (run->exit_reason) {
	case HV_EXIT_IO:
		if (run->io.port == PORT_DONE)
			return false;
		if (run->io.direction == HV_EXIT_IO_IN)
			memset((void *)run + run->io.data_offset, 0, run->io.size);
		return run->io.port != PORT_FATAL;
	case HV_EXIT_MMIO:
		if (!run->mmio.is_write)
			memset(run->mmio.data, 0, sizeof(run->mmio.data));
		return true;
	default:
		return false;
	}
}

/**
 * guest_timed() - call a function of the payload, give it its I/O
 * @vcpu: vCPU of a guest
 * @function: its name
 * @arg0: first argument
 * @arg1: second argument
 * @arg2: third argument
 *
 * Return: what the function returned.
 */
uint64_t guest_timed(struct vcpu *vcpu, const char *function, uint64_t arg0, uint64_t arg1,
		     uint64_t arg2)
{
	const uint64_t args[] = { arg0, arg1, arg2 };

	guest_start(vcpu, function, 3, args);
	do {
		vcpu_run(vcpu);
	} while (back_to_guest(vcpu));
	if (vcpu->run->exit_reason != HV_EXIT_IO || vcpu->run->io.port != PORT_DONE) {
		vcpu_dump(vcpu);
		die("%s didn't finish", function);
	}
	return vcpu_regs(vcpu).rax;
}

/* Least of several rounds of a function of a guest */
static uint64_t best_of(struct vcpu *vcpu, const char *function, uint64_t iterations, uint64_t arg)
{
	uint64_t best = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t cycles = guest_timed(vcpu, function, iterations, arg, 0);

		if (cycles < best)
			best = cycles;
	}
	return best;
}

/**
 * guest_best() - cost of an operation that a fresh guest does
 * @function: function of the payload (iterations, arg), gives the cycles
 * @iterations: operations in a round
 * @arg: second argument
 *
 * Return: cycles an operation, the loop and RDTSC taken off.
 */
long guest_best(const char *function, uint64_t iterations, uint64_t arg)
{
	struct guest guest = guest_new(VM_IRQCHIP);
	uint64_t empty = best_of(guest.vcpu, "bench_empty", iterations, arg);
	uint64_t cycles = best_of(guest.vcpu, function, iterations, arg);

	guest_free(&guest);
	return cycles < empty ? 0 : (cycles - empty) / iterations;
}
