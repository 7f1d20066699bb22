// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits that one instruction causes.
 */
#include <cpuid.h>
#include <sys/eventfd.h>
#include "bench.h"

#define ITERATIONS	32

static long bench_cpuid(void)
{
	return guest_best("bench_cpuid", ITERATIONS, 0);
}

/* An MSR of the guest that the processor doesn't switch: every hypervisor emulates it. */
static long bench_rdmsr(void)
{
	return guest_best("bench_rdmsr", ITERATIONS, MSR_MCG_CAP);
}

/* A read and a write */
static long bench_wrmsr(void)
{
	return guest_best("bench_wrmsr", ITERATIONS, MSR_MISC_ENABLE);
}

static long bench_hypercall(void)
{
	return guest_best(cpu_is_intel() ? "bench_vmcall" : "bench_vmmcall", ITERATIONS, 0);
}

static long bench_pio_out(void)
{
	return guest_best("bench_out", ITERATIONS, BENCH_PORT);
}

static long bench_pio_in(void)
{
	return guest_best("bench_in", ITERATIONS, BENCH_PORT);
}

static long bench_mmio_write(void)
{
	return guest_best("bench_store", ITERATIONS, BENCH_MMIO);
}

static long bench_mmio_read(void)
{
	return guest_best("bench_load", ITERATIONS, BENCH_MMIO);
}

static long bench_ioeventfd(const char *function, const struct hv_ioeventfd *args)
{
	struct guest guest = guest_new(VM_IRQCHIP);
	struct hv_ioeventfd ioeventfd = *args;
	uint64_t best = UINT64_MAX, empty = UINT64_MAX;
	unsigned int i;

	ioeventfd.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ioeventfd.fd < 0)
		die("eventfd: %s", strerror(errno));
	if (hv_ioctl(guest.vm->fd, HV_IOEVENTFD, &ioeventfd)) {
		close(ioeventfd.fd);
		guest_free(&guest);
		return UNAVAILABLE;
	}
	for (i = 0; i < ROUNDS; i++) {
		uint64_t cycles = guest_timed(guest.vcpu, "bench_empty", ITERATIONS, 0, 0);

		if (cycles < empty)
			empty = cycles;
		cycles = guest_timed(guest.vcpu, function, ITERATIONS, ioeventfd.addr, 0);
		if (cycles < best)
			best = cycles;
	}
	close(ioeventfd.fd);
	guest_free(&guest);
	return best < empty ? 0 : (best - empty) / ITERATIONS;
}

static long bench_ioeventfd_pio(void)
{
	return bench_ioeventfd("bench_out", &(struct hv_ioeventfd) {
		.addr = BENCH_PORT, .len = 4, .flags = HV_IOEVENTFD_FLAG_PIO });
}

static long bench_ioeventfd_mmio(void)
{
	return bench_ioeventfd("bench_store", &(struct hv_ioeventfd) {
		.addr = BENCH_MMIO, .len = 4 });
}

static long bench_ioeventfd_fast(void)
{
	return bench_ioeventfd("bench_store", &(struct hv_ioeventfd) { .addr = BENCH_MMIO });
}

const struct benchmark exit_benchmarks[] = {
	{ "CPUID exit", "cycles", bench_cpuid },
	{ "RDMSR exit", "cycles", bench_rdmsr },
	{ "RDMSR and WRMSR exit", "cycles", bench_wrmsr },
	{ "hypercall exit", "cycles", bench_hypercall },
	{ "OUT to userspace and back", "cycles", bench_pio_out },
	{ "IN to userspace and back", "cycles", bench_pio_in },
	{ "MMIO write to userspace and back", "cycles", bench_mmio_write },
	{ "MMIO read to userspace and back", "cycles", bench_mmio_read },
	{ "ioeventfd, OUT", "cycles", bench_ioeventfd_pio },
	{ "ioeventfd, MMIO write", "cycles", bench_ioeventfd_mmio },
	{ "ioeventfd, MMIO write of any length", "cycles", bench_ioeventfd_fast },
	{ NULL, NULL, NULL }
};
