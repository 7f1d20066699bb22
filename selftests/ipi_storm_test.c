// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts against everything that a vCPU does meanwhile: it runs, sleeps, is woken, moves
 * to another CPU of the host, exits to the VMM, is closed. Both sides count: none is lost, and
 * none comes twice. $STORM_ROUNDS says how many each vCPU sends, for a run of hours, and
 * $STORM_MESSAGES how many IPIs and how many MSIs the tests of many at a time send.
 */
#include <sched.h>
#include "hvtest.h"
#include "kselftest_harness.h"

#define CPUS		4
#define STORM_VECTOR	0x40	/* + sender * CPUS + receiver */
#define MSI_VECTOR	0x70	/* + receiver */
#define X2APIC(reg)	(0x800 + ((reg) >> 4))
#define LIMIT		200	/* s */
#define FLOOD_CPUS	2
#define FLOOD_DEPTH	8
#define FLOOD_VECTOR	0x80	/* + sender * FLOOD_DEPTH */
#define FLOOD_MSI	0x90	/* + receiver * FLOOD_DEPTH */
/* The spurious vector is above: an emulated processor delivers that now and then. */
#define FLOOD_END	(FLOOD_MSI + FLOOD_CPUS * FLOOD_DEPTH)

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

/* IPIs, and MSIs, of both modes of the LAPIC together */
static uint64_t flood_messages(void)
{
	const char *messages = getenv("STORM_MESSAGES");

	if (messages)
		return strtoull(messages, NULL, 0);
	return cpu_is_intel() ? 20000 : 5000;
}

/* Send each vector of each vCPU whose last message has been counted. How many were sent? */
static unsigned int flood_send(FIXTURE_DATA(storm) *self, uint32_t *sent)
{
	unsigned int to, n, v, total = 0;

	for (to = 0; to < FLOOD_CPUS; to++) {
		for (n = 0; n < FLOOD_DEPTH; n++) {
			struct hv_msi msi = { .address_lo = GUEST_APIC | to << 12 };

			v = FLOOD_MSI + to * FLOOD_DEPTH + n;
			if (((volatile uint32_t *)self->count)[v] != sent[v])
				continue;
			msi.data = v;
			sent[v]++;
			must(hv_ioctl(self->vm->fd, HV_SIGNAL_MSI, &msi));
			total++;
		}
	}
	return total;
}

/* Everything that was sent has been counted. */
static bool flood_arrived(FIXTURE_DATA(storm) *self, const uint32_t *sent)
{
	const volatile uint32_t *count = self->count;
	unsigned int v;

	for (v = FLOOD_VECTOR; v < FLOOD_END; v++)
		if (count[v] != sent[v] + self->sent[v])
			return false;
	return true;
}

/*
 * As many as possible: several IPIs and MSIs are on their way to each vCPU at any time, while it
 * runs, sleeps, leaves HV_RUN and moves.
 */
TEST_F_TIMEOUT(storm, many_at_a_time, 86400)
{
	uint64_t messages = flood_messages() / 2, msis = 0, ipis = 0, now, moved, heard;
	uint32_t sent[256] = {};
	unsigned int n = 0, i, v;

	for (i = 0; i < FLOOD_CPUS; i++) {
		guest_start(self->vcpu[i], "flood", 4, (uint64_t[]){
			i, messages / FLOOD_CPUS, variant->x2apic, FLOOD_DEPTH,
		});
		runner_start(&self->runner[i], self->vcpu[i]);
	}
	for (now = moved = heard = now_us();
	     msis < messages || guest_u64(self->vm, "storm_done") != FLOOD_CPUS;
	     now = now_us()) {
		i = flood_send(self, sent);
		msis += i;
		if (i)
			heard = now;
		else
			sched_yield();
		ASSERT_LT(now, heard + 60000000);
		if (now - moved > 20000) {
			n++;
			move(&self->runner[n % FLOOD_CPUS], n / FLOOD_CPUS);
			if (n % 4 == 0)
				kick(self->runner[n / 4 % FLOOD_CPUS].thread);
			moved = now;
		}
	}
	/* What is missing is said below. */
	wait_for(flood_arrived(self, sent));
	/* Whatever is too many would come now. */
	sleep_us(20000);
	for (i = 0; i < FLOOD_CPUS; i++)
		runner_stop(&self->runner[i]);
	for (v = FLOOD_VECTOR; v < FLOOD_END; v++) {
		EXPECT_EQ(sent[v] + self->sent[v], self->count[v]) {
			TH_LOG("vector %u", v);
		}
		ipis += self->sent[v];
	}
	EXPECT_EQ(messages / FLOOD_CPUS * FLOOD_CPUS, ipis);
	TH_LOG("%lu IPIs, %lu MSIs", ipis, msis);
	storm_free(self);
}

/* VMs that end in the middle of it, with senders in the kernel */
TEST_F_TIMEOUT(storm, ends_in_the_middle, 200)
{
	unsigned int round, i, n;

	for (round = 0; round < 12; round++) {
		if (round)
			storm_create(self, variant->x2apic);
		storm_start(self, 1U << 30, variant->x2apic);
		ASSERT_TRUE(wait_for(guest_u64(self->vm, "storm_up") == CPUS));
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
