// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts into a guest.
 */
#include <sched.h>
#include <sys/eventfd.h>
#include "bench.h"

#define VECTOR		0x41
#define ITERATIONS	32
#define WAKES		64

static long bench_self_ipi(void)
{
	struct guest guest = guest_new(VM_IRQCHIP);
	uint64_t best = UINT64_MAX;
	unsigned int i;

	guest_timed(guest.vcpu, "enable_x2apic", 0, 0, 0);
	for (i = 0; i < ROUNDS; i++) {
		uint64_t cycles = guest_timed(guest.vcpu, "bench_self_ipi", ITERATIONS, VECTOR, 0);

		if (cycles < best)
			best = cycles;
	}
	guest_free(&guest);
	return best / ITERATIONS;
}

/* GSI 0 becomes an MSI of VECTOR. */
static long route_msi(struct vm *vm)
{
	struct {
		struct hv_irq_routing head;
		struct hv_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry.type = HV_IRQ_ROUTING_MSI,
		.entry.u.msi = { .address_lo = GUEST_APIC, .data = VECTOR },
	};

	return hv_ioctl(vm->fd, HV_SET_GSI_ROUTING, &routing);
}

/* Each signal finds the vCPU halted, or about to be. */
static long wake_rounds(struct guest *guest, int fd)
{
	struct runner runner;
	const uint64_t one = 1, wakes = WAKES;
	volatile uint64_t *total = guest_var(guest->vm, "irq_total");
	uint64_t best = UINT64_MAX;
	unsigned int i;

	guest_timed(guest->vcpu, "enable_x2apic", 0, 0, 0);
	guest_start(guest->vcpu, "bench_halt", 1, &wakes);
	runner_start(&runner, guest->vcpu);
	for (i = 0; i < WAKES; i++) {
		uint64_t seen = *total, start;

		sleep_us(500);
		start = rdtsc_ordered();
		if (write(fd, &one, sizeof(one)) != sizeof(one))
			die("write to the eventfd: %s", strerror(errno));
		while (*total == seen)
			sched_yield();
		start = rdtsc_ordered() - start;
		if (start < best)
			best = start;
	}
	runner_join(&runner);
	return best;
}

static long bench_wake(void)
{
	struct guest guest = guest_new(VM_IRQCHIP);
	struct hv_irqfd irqfd = { .gsi = 0 };
	long result = UNAVAILABLE;
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		die("eventfd: %s", strerror(errno));
	irqfd.fd = fd;
	if (!route_msi(guest.vm) && !hv_ioctl(guest.vm->fd, HV_IRQFD, &irqfd))
		result = wake_rounds(&guest, fd);
	close(fd);
	guest_free(&guest);
	return result;
}

const struct benchmark irq_benchmarks[] = {
	{ "self-IPI, handler and EOI (x2APIC)", "cycles", bench_self_ipi },
	{ "irqfd signal to handler in a halted vCPU", "cycles", bench_wake },
	{ NULL, NULL, NULL }
};
