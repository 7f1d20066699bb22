/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hvbench: what operations cost on one or more devices that speak the KVM ABI.
 *
 * It stands on the library of the selftests (VMs, modes, guest programs).
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "hvtest.h"

/* Not available on this device or processor */
#define UNAVAILABLE	(-1L)

/* A measurement is the least of so many rounds: those that a tick of the host hit don't count. */
#define ROUNDS		15

/* Guest-physical place of memory under test; where there is no memory, and a port of nobody's */
#define BENCH_MEMORY	0x80000000UL
#define BENCH_MMIO	(GUEST_MMIO + 0x1000)
#define BENCH_PORT	0x510

/**
 * struct benchmark - one line of the result
 * @name: what is measured
 * @unit: of the result: TSC cycles an operation, KiB ...
 * @run: measures; cost, or UNAVAILABLE
 */
struct benchmark {
	const char *name;
	const char *unit;
	long (*run)(void);
};

/**
 * struct guest - a VM with one vCPU in 64-bit mode and the payload
 * @vm: VM, with in-kernel interrupt controllers
 * @vcpu: vCPU 0
 */
struct guest {
	struct vm *vm;
	struct vcpu *vcpu;
};

extern const struct benchmark exit_benchmarks[];
extern const struct benchmark irq_benchmarks[];
extern const struct benchmark memory_benchmarks[];
extern const struct benchmark object_benchmarks[];

/* guest.c */
struct guest guest_new(unsigned int flags);
void guest_free(struct guest *guest);
uint64_t guest_timed(struct vcpu *vcpu, const char *function, uint64_t arg0, uint64_t arg1,
		     uint64_t arg2);
long guest_best(const char *function, uint64_t iterations, uint64_t arg);
uint64_t rdtsc_ordered(void);

#endif
