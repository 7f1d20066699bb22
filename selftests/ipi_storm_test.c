// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts against everything that a vCPU does meanwhile: it runs, sleeps, is woken, moves
 * to another CPU of the host, exits to the VMM, is closed. Both sides count: none is lost, and
 * none comes twice. $STORM_ROUNDS says how many each vCPU sends, for a run of hours.
 */
#include <sched.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define CPUS		4
#define STORM_VECTOR	0x40	/* + sender * CPUS + receiver */
#define MSI_VECTOR	0x70	/* + receiver */
#define X2APIC(reg)	(0x800 + ((reg) >> 4))
#define LIMIT		200	/* s */

FIXTURE(storm)
{
	struct vm *vm;
	struct vcpu *vcpu[CPUS];
	struct runner runner[CPUS];
	uint32_t *count;
	uint32_t *sent;
	uint32_t msis[CPUS];
};

FIXTURE_VARIANT(storm)
{
	bool x2apic;
};

FIXTURE_VARIANT_ADD(storm, xapic) { .x2apic = false };
FIXTURE_VARIANT_ADD(storm, x2apic) { .x2apic = true };

/* Interrupts that each vCPU sends: emulated hosts are slow */
static uint64_t storm_rounds(void)
{
	const char *rounds = getenv("STORM_ROUNDS");

	if (rounds)
		return strtoull(rounds, NULL, 0);
	return cpu_is_intel() ? 5000 : 2500;
}

static void storm_create(FIXTURE_DATA(storm) *self, bool x2apic)
{
	unsigned int i;

	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "storm");
	self->count = guest_var(self->vm, "irq_count");
	self->sent = guest_var(self->vm, "storm_sent");
	guest_u32(self->vm, "eoi") = x2apic ? 2 : 1;
	for (i = 0; i < CPUS; i++) {
		struct vcpu *vcpu = vcpu_create(self->vm, i);

		self->vcpu[i] = vcpu;
		self->msis[i] = 0;
		vcpu_make_runnable(vcpu);
		vcpu_long_mode(vcpu, NULL);
		if (x2apic) {
			guest_call(vcpu, "msr_write", MSR_APIC_BASE,
				   GUEST_APIC | APIC_BASE_ENABLE | APIC_BASE_EXTD |
				   (i ? 0 : APIC_BASE_BSP));
			guest_call(vcpu, "msr_write", X2APIC(APIC_SVR), 0x1ff);
		} else {
			guest_call(vcpu, "apic_write", APIC_SVR, 0x1ff);
		}
	}
}

static void storm_start(FIXTURE_DATA(storm) *self, uint64_t rounds, bool x2apic)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++) {
		guest_start(self->vcpu[i], "storm", 3, (uint64_t[]){ i, rounds, x2apic });
		runner_start(&self->runner[i], self->vcpu[i]);
	}
}

static void storm_free(FIXTURE_DATA(storm) *self)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++)
		vcpu_free(self->vcpu[i]);
	vm_free(self->vm);
}

FIXTURE_SETUP(storm)
{
	storm_create(self, variant->x2apic);
}

FIXTURE_TEARDOWN(storm)
{
}

static void send_msi(FIXTURE_DATA(storm) *self, unsigned int to)
{
	struct hv_msi msi = {
		.address_lo = GUEST_APIC | to << 12, .data = MSI_VECTOR + to,
	};

	self->msis[to]++;
	must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
}

/* A message is there soon, whatever its receiver does. */
static bool msi_arrived(FIXTURE_DATA(storm) *self, unsigned int to)
{
	volatile uint32_t *count = &self->count[MSI_VECTOR + to];
	uint64_t end = now_us() + 20000000;

	while (*count != self->msis[to] && now_us() < end)
		sched_yield();
	return *count == self->msis[to];
}

/* Move a vCPU's thread to a CPU of the host. */
static void move(struct runner *runner, unsigned int n)
{
	host_cpu_pin(runner->thread, n % host_cpus());
}

/* Both sides have counted the same. */
static void compare(struct __test_metadata *_metadata, FIXTURE_DATA(storm) *self)
{
	unsigned int i, j, v, total = 0;

	for (i = 0; i < CPUS; i++) {
		for (j = 0; j < CPUS; j++) {
			v = STORM_VECTOR + i * CPUS + j;
			EXPECT_EQ(self->sent[v], self->count[v]) {
				TH_LOG("from %u to %u", i, j);
			}
			total += self->sent[v];
		}
		EXPECT_EQ(self->msis[i], self->count[MSI_VECTOR + i]);
		total += self->msis[i];
	}
	TH_LOG("%u interrupts", total);
}

/* It has a limit of its own, which is a matter of the rounds. */
TEST_F_TIMEOUT(storm, none_lost_none_twice, 86400)
{
	uint64_t last, done = 0, end, rounds = storm_rounds();
	unsigned int n = 0, i;

	storm_start(self, rounds, variant->x2apic);
	end = now_us() + (LIMIT + rounds / 100) * 1000000UL;
	for (last = now_us(); done < CPUS && now_us() < end; n++) {
		i = n % CPUS;
		send_msi(self, i);
		ASSERT_TRUE(msi_arrived(self, i)) {
			TH_LOG("message %u to vCPU %u", self->msis[i], i);
		}
		/* Now and then somewhere else, or out of HV_RUN for a moment */
		if (now_us() - last > 2000) {
			move(&self->runner[n / 3 % CPUS], n);
			kick(self->runner[n / 5 % CPUS].thread);
			last = now_us();
		}
		done = guest_u64(self->vm, "storm_done");
	}
	EXPECT_EQ(CPUS, done);
	/* Whatever is too many would come now. */
	sleep_us(20000);
	for (i = 0; i < CPUS; i++)
		runner_stop(&self->runner[i]);
	compare(_metadata, self);
	storm_free(self);
}

/* Two CPUs of an emulator take their time to start as many threads. */
static bool storm_is_up(FIXTURE_DATA(storm) *self)
{
	unsigned int i;

	for (i = 0; i < 10; i++)
		if (wait_for(guest_u64(self->vm, "storm_up") == CPUS))
			return true;
	return false;
}

/* VMs that end in the middle of it, with senders in the kernel */
TEST_F_TIMEOUT(storm, ends_in_the_middle, 200)
{
	unsigned int round, i, n;

	for (round = 0; round < 12; round++) {
		if (round)
			storm_create(self, variant->x2apic);
		storm_start(self, 1U << 30, variant->x2apic);
		ASSERT_TRUE(storm_is_up(self));
		for (n = 0; n < 20 * round; n++)
			send_msi(self, n % CPUS);
		for (i = 0; i < CPUS; i++)
			runner_stop(&self->runner[(i + round) % CPUS]);
		for (i = 0; i < CPUS; i++)
			EXPECT_EQ(-EINTR, self->runner[i].result);
		storm_free(self);
	}
}

TEST_HARNESS_MAIN
