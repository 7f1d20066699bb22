// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of a device that the IOMMU posts into the vCPU's descriptor: into a vCPU that runs, is
 * preempted, moves from CPU to CPU or sleeps. Both sides count: none is lost, none comes
 * twice, and the vCPU that runs does not exit. When the guest's message is not for one vCPU
 * alone they come by the eventfd, and afterwards are posted again.
 *
 * Device and IOMMU are the module post_device (selftests/modules). Where the processor has no
 * posted interrupts all of them come by the eventfd; nothing else is different.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
#include "hvtest.h"
#include "kselftest_harness.h"
#include "post_device.h"

#define LINES		32
#define FIRST_VECTOR	0x40
#define FIRST_GSI	64
/* Interrupts in a storm; few where none is posted, since irqfd_test and others have those */
#define STORM		(self->posts ? 100000 : 4000)
/* A vCPU that falls asleep takes all its interrupts back: with few of them it's soon asleep */
#define LINES_ASLEEP	4
#define LIMIT		900	/* s */

FIXTURE(post)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct vcpu *other;
	struct runner runner;
	volatile uint32_t *count;
	int device;
	int eventfd[LINES];
	struct hv_irq_routing *routing;
	unsigned int lines;	/* that are connected */
	uint32_t sent[LINES];
	bool posts;
};

static struct post_device_state line_state(FIXTURE_DATA(post) *self, unsigned int line)
{
	struct post_device_state state = { .line = line };

	must(ioctl(self->device, POST_DEVICE_STATE, &state));
	return state;
}

/* Sum of all lines */
static struct post_device_state all_states(FIXTURE_DATA(post) *self)
{
	struct post_device_state sum = {}, one;
	unsigned int i;

	for (i = 0; i < LINES; i++) {
		one = line_state(self, i);
		sum.posted += one.posted;
		sum.fired += one.fired;
		sum.remapped += one.remapped;
		sum.fresh += one.fresh;
		sum.merged += one.merged;
		sum.notified += one.notified;
		sum.suppressed += one.suppressed;
	}
	return sum;
}

static void fire(FIXTURE_DATA(post) *self, unsigned int first, unsigned int n)
{
	struct post_device_fire call = { first, n };
	unsigned int i;

	for (i = first; i < first + n; i++)
		self->sent[i]++;
	must(ioctl(self->device, POST_DEVICE_FIRE, &call));
}

static void set_routing(FIXTURE_DATA(post) *self)
{
	must(hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, self->routing));
}

static void set_route(FIXTURE_DATA(post) *self, unsigned int line, uint32_t addr, uint32_t data)
{
	struct hv_irq_routing_entry *e = &self->routing->entries[line];

	*e = (struct hv_irq_routing_entry) {
		.gsi = FIRST_GSI + line, .type = HV_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = addr, .data = data },
	};
}

static long irqfd(FIXTURE_DATA(post) *self, unsigned int line, uint32_t flags)
{
	return hv_ioctl(self->vm->fd, HV_IRQFD, &(struct hv_irqfd) {
		.fd = self->eventfd[line], .gsi = FIRST_GSI + line, .flags = flags });
}

static void connect_line(FIXTURE_DATA(post) *self, unsigned int line)
{
	struct post_device_line call = { line, self->eventfd[line] };

	must(ioctl(self->device, POST_DEVICE_CONNECT, &call));
}

static struct vcpu *ready_vcpu(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = vcpu_create(vm, id);

	vcpu_make_runnable(vcpu);
	vcpu_long_mode(vcpu, NULL);
	guest_call(vcpu, "apic_write", APIC_SVR, 0x1ff);
	return vcpu;
}

FIXTURE_SETUP(post)
{
	unsigned int i;

	if (access(POST_DEVICE, F_OK) && system("modprobe post_device >/dev/null 2>&1"))
		SKIP(return, "there is no module post_device: testing.rst says how to bring it");
	self->device = open(POST_DEVICE, O_RDWR | O_CLOEXEC);
	if (self->device < 0)
		die("%s: %s", POST_DEVICE, strerror(errno));
	if (device_is_kvm())
		SKIP(return, "counts what hv does");
	self->posts = cpu_is_intel() && parameter("posted");
	self->vm = vm_create(VM_IRQCHIP);
	/* Who sleeps is to sleep, not to poll. */
	must(hv_ioctl(self->vm->fd, HV_ENABLE_CAP,
		      &(struct hv_enable_cap){ .cap = HV_CAP_HALT_POLL }));
	vm_load(self->vm, "apic");
	self->count = guest_var(self->vm, "irq_count");
	guest_u32(self->vm, "eoi") = 1;
	self->vcpu = ready_vcpu(self->vm, 0);
	self->other = NULL;
	self->routing = calloc(1, sizeof(*self->routing) +
			       LINES * sizeof(self->routing->entries[0]));
	self->routing->nr = LINES;
	self->lines = LINES;
	for (i = 0; i < LINES; i++) {
		self->sent[i] = 0;
		set_route(self, i, GUEST_APIC, FIRST_VECTOR + i);
	}
	set_routing(self);
	for (i = 0; i < LINES; i++) {
		self->eventfd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		must(self->eventfd[i]);
		/* Either of the two may be the first to know the eventfd. */
		if (i % 2)
			connect_line(self, i);
		must(irqfd(self, i, 0));
		if (!(i % 2))
			connect_line(self, i);
	}
}

FIXTURE_TEARDOWN(post)
{
	if (!self->vm)
		return;
	if (self->other)
		vcpu_free(self->other);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	EXPECT_EQ(0, all_states(self).posted);
	close(self->device);
}

/* ---- storms ---- */

static void start(struct __test_metadata *_metadata, FIXTURE_DATA(post) *self,
		  const char *function)
{
	guest_u64(self->vm, "stop") = 0;
	guest_start(self->vcpu, function, 0, NULL);
	runner_start(&self->runner, self->vcpu);
	ASSERT_TRUE(wait_for(guest_u64(self->vm, "running")));
}

/* An interrupt has not come: where is it? Afterwards the vCPU does not run any more. */
static void explain(struct __test_metadata *_metadata, FIXTURE_DATA(post) *self)
{
	struct post_device_state line;
	struct hv_lapic_state state;
	unsigned int i, at;

	TH_LOG("%lu exits, %lu sleeps", vcpu_exits(self->vcpu),
	       vcpu_stat(self->vcpu, "halt_wakeups"));
	runner_stop(&self->runner);
	vcpu_dump(self->vcpu);
	must(hv_ioctl(self->vcpu->fd, HV_GET_LAPIC, &state));
	for (i = 0; i < self->lines; i++) {
		if (self->count[FIRST_VECTOR + i] == self->sent[i])
			continue;
		at = (FIRST_VECTOR + i) / 32 * 16;
		line = line_state(self, i);
		TH_LOG("line %u: %u sent, %u counted; %s; IRR %x, ISR %x", i, self->sent[i],
		       self->count[FIRST_VECTOR + i], line.posted ? "posted" : "remapped",
		       *(uint32_t *)(state.regs + APIC_IRR + at),
		       *(uint32_t *)(state.regs + APIC_ISR + at));
	}
}

static void stop(struct __test_metadata *_metadata, FIXTURE_DATA(post) *self)
{
	guest_u64(self->vm, "stop") = 1;
	fire(self, 0, 1);
	ASSERT_TRUE(wait_for(self->runner.done)) {
		explain(_metadata, self);
	}
	runner_join(&self->runner);
}

/* The guest has counted all. */
static bool arrived(FIXTURE_DATA(post) *self, unsigned int first, unsigned int n)
{
	unsigned int i;

	for (i = first; i < first + n; i++)
		if (self->count[FIRST_VECTOR + i] != self->sent[i])
			return false;
	return true;
}

/* Wait for it: with a CPU of its own (spin), or letting the vCPU have this one. */
static bool await(FIXTURE_DATA(post) *self, unsigned int first, unsigned int n, bool spin)
{
	uint64_t end = now_us() + 20000000;

	while (!arrived(self, first, n)) {
		if (!spin)
			sched_yield();
		if (now_us() > end)
			return arrived(self, first, n);
	}
	return true;
}

/*
 * Raise @total interrupts, some lines at a time, and each line again only when its last
 * has been counted: so none can be merged with the next.
 */
static void storm(struct __test_metadata *_metadata, FIXTURE_DATA(post) *self,
		  unsigned int total, bool spin, void (*meanwhile)(FIXTURE_DATA(post) *self,
								   unsigned int round))
{
	unsigned int done, n, first = 0, round = 0;

	for (done = 0; done < total; done += n, round++) {
		n = 1 + round % LINES;
		if (first + n > LINES)
			first = 0;
		fire(self, first, n);
		ASSERT_TRUE(await(self, first, n, spin)) {
			TH_LOG("round %u: %u from %u", round, n, first);
			explain(_metadata, self);
		}
		if (meanwhile)
			meanwhile(self, round);
		first = (first + n) % LINES;
	}
}

static void compare(struct __test_metadata *_metadata, FIXTURE_DATA(post) *self)
{
	struct post_device_state sum = all_states(self);
	uint64_t guest = 0, sent = 0;
	unsigned int i;

	/* Whatever is too many would come now. */
	guest_call(self->vcpu, "window");
	for (i = 0; i < LINES; i++) {
		EXPECT_EQ(self->sent[i], self->count[FIRST_VECTOR + i]);
		guest += self->count[FIRST_VECTOR + i];
		sent += self->sent[i];
	}
	EXPECT_EQ(sent, sum.fired);
	EXPECT_EQ(sent, guest);
	EXPECT_EQ(sent, sum.remapped + sum.fresh);
	EXPECT_EQ(0, sum.merged);
	EXPECT_EQ(self->posts ? self->lines : 0, sum.posted);
	EXPECT_EQ(sum.posted, vm_stat(self->vm, "irqs_posted"));
	TH_LOG("%lu sent: %lu by the host, %lu posted: %lu notified, %lu with SN", sent,
	       (unsigned long)sum.remapped, (unsigned long)sum.fresh,
	       (unsigned long)sum.notified, (unsigned long)sum.suppressed);
}

/* Into a vCPU that has a CPU for itself: no exit */
static void storm_without_exits(struct __test_metadata *_metadata, FIXTURE_DATA(post) *self,
				unsigned int total)
{
	uint64_t exits, irqs, notified;

	storm(_metadata, self, LINES * 10, true, NULL);
	exits = vcpu_exits(self->vcpu);
	irqs = vcpu_stat(self->vcpu, "irq_exits");
	notified = all_states(self).notified;
	storm(_metadata, self, total, true, NULL);
	exits = vcpu_exits(self->vcpu) - exits;
	irqs = vcpu_stat(self->vcpu, "irq_exits") - irqs;
	notified = all_states(self).notified - notified;
	TH_LOG("%lu exits, %lu host interrupts in the guest", exits, irqs);
	if (!self->posts)
		return;
	EXPECT_EQ(0, exits);
	EXPECT_GT(notified, total / LINES);
	/* The host's ticks: far less than the notifications */
	EXPECT_LT(irqs, notified / 4);
	EXPECT_EQ(0, all_states(self).remapped);
}

TEST_F_TIMEOUT(post, running, LIMIT)
{
	if (host_cpus() < 2)
		SKIP(return, "needs two CPUs");
	host_cpu_pin(pthread_self(), 0);
	start(_metadata, self, "run_until_stopped");
	host_cpu_pin(self->runner.thread, 1);
	storm_without_exits(_metadata, self, STORM / 2);
	/* Each has the other's CPU: the notifications go there, too. */
	host_cpu_pin(pthread_self(), 1);
	host_cpu_pin(self->runner.thread, 0);
	storm_without_exits(_metadata, self, STORM / 2);
	stop(_metadata, self);
	compare(_metadata, self);
}

/* Into one that has to wait for the CPU on which they are sent */
TEST_F_TIMEOUT(post, preempted, LIMIT)
{
	host_cpu_pin(pthread_self(), 0);
	start(_metadata, self, "run_until_stopped");
	host_cpu_pin(self->runner.thread, 0);
	storm(_metadata, self, STORM, false, NULL);
	if (self->posts) {
		EXPECT_GT(all_states(self).suppressed, STORM / 2);
		EXPECT_EQ(0, all_states(self).remapped);
	}
	stop(_metadata, self);
	compare(_metadata, self);
}

static void move(FIXTURE_DATA(post) *self, unsigned int round)
{
	if (round % 3 == 0)
		host_cpu_pin(self->runner.thread, round / 3 % host_cpus());
}

/* Into one that goes from CPU to CPU */
TEST_F_TIMEOUT(post, migrating, LIMIT)
{
	if (host_cpus() < 2)
		SKIP(return, "needs two CPUs");
	host_cpu_pin(pthread_self(), 0);
	start(_metadata, self, "run_until_stopped");
	storm(_metadata, self, STORM, false, move);
	if (self->posts)
		EXPECT_EQ(0, all_states(self).remapped);
	stop(_metadata, self);
	compare(_metadata, self);
}

/* Let it get to different places on its way to sleep. */
static void pause_a_little(FIXTURE_DATA(post) *self, unsigned int round)
{
	volatile unsigned int n = host_cpus() > 1 ? round * 7 % 4000 : 0;

	while (n)
		n--;
	if (round % 64 == 0)
		sleep_us(1000);
}

static void disconnect_line(FIXTURE_DATA(post) *self, unsigned int line)
{
	must(irqfd(self, line, HV_IRQFD_FLAG_DEASSIGN));
	must(ioctl(self->device, POST_DEVICE_CONNECT, &(struct post_device_line){ line, -1 }));
}

/* Into one that sleeps, or is about to: each wakes it */
TEST_F_TIMEOUT(post, blocked, LIMIT)
{
	unsigned int i, first, n, sent = 0;
	uint64_t wakeups;

	for (self->lines = LINES; self->lines > LINES_ASLEEP; )
		disconnect_line(self, --self->lines);
	host_cpu_pin(pthread_self(), 0);
	start(_metadata, self, "halt_until_stopped");
	host_cpu_pin(self->runner.thread, host_cpus() - 1);
	for (i = 0; sent < STORM; i++, sent += n) {
		first = i % LINES_ASLEEP;
		n = 1 + i / LINES_ASLEEP % LINES_ASLEEP;
		if (n > LINES_ASLEEP - first)
			n = LINES_ASLEEP - first;
		fire(self, first, n);
		ASSERT_TRUE(await(self, 0, LINES_ASLEEP, false)) {
			TH_LOG("interrupt %u", sent);
			explain(_metadata, self);
		}
		pause_a_little(self, i);
	}
	wakeups = vcpu_stat(self->vcpu, "halt_wakeups");
	TH_LOG("%u interrupts, %lu wakeups, %lu changes of remapping", sent, wakeups,
	       vm_stat(self->vm, "irq_post_changes"));
	EXPECT_GT(wakeups, i - i / 8);
	EXPECT_GT(all_states(self).remapped, STORM / 2);
	stop(_metadata, self);
	compare(_metadata, self);
}

/* ---- where to ---- */

/* Line 0 is posted, to that vector, or not at all (0) */
static void expect_vector(struct __test_metadata *_metadata, FIXTURE_DATA(post) *self,
			  unsigned int vector)
{
	struct post_device_state state = line_state(self, 0);

	if (!self->posts)
		vector = 0;
	EXPECT_EQ(!!vector, state.posted);
	EXPECT_EQ(vector, state.vector);
	EXPECT_EQ(LINES - (self->posts ? !vector : LINES), vm_stat(self->vm, "irqs_posted"));
}

/* What must not be posted comes nevertheless; and all is posted again afterwards. */
TEST_F(post, falls_back_and_returns)
{
	static const struct {
		uint32_t addr, data;
		int vector;	/* that vCPU 0 gets, 0: none */
	} routes[] = {
		{ 0x00000, 0x8071, 0x71 },	/* level-triggered */
		{ 0xff000, 0x0072, 0x72 },	/* to everybody */
		{ 0x05000, 0x0073, 0 },		/* to nobody */
		{ 0x00000, 0x0005, 0 },		/* an illegal vector */
		{ 0x03004, 0x0074, 0x74 },	/* to two by logical destination */
		{ 0x00000, 0x0400, NMI_VECTOR },
	};
	unsigned int i;
	uint32_t before;

	self->other = ready_vcpu(self->vm, 1);
	guest_call(self->vcpu, "apic_write", APIC_LDR, 1 << 24);
	guest_call(self->other, "apic_write", APIC_LDR, 2 << 24);
	for (i = 0; i < ARRAY_LEN(routes); i++) {
		TH_LOG("address %x, data %x", routes[i].addr, routes[i].data);
		set_route(self, 0, GUEST_APIC | routes[i].addr, routes[i].data);
		set_routing(self);
		expect_vector(_metadata, self, 0);
		before = self->count[routes[i].vector];
		fire(self, 0, 1);
		guest_call(self->vcpu, "window");
		EXPECT_EQ(!!routes[i].vector, self->count[routes[i].vector] - before);

		set_route(self, 0, GUEST_APIC, FIRST_VECTOR + i);
		set_routing(self);
		expect_vector(_metadata, self, FIRST_VECTOR + i);
		before = self->count[FIRST_VECTOR + i];
		fire(self, 0, 1);
		guest_call(self->vcpu, "window");
		EXPECT_EQ(1, self->count[FIRST_VECTOR + i] - before);
	}
	/* Routed nowhere: the eventfd is signaled, nobody gets it. */
	self->routing->entries[0] = self->routing->entries[1];
	self->routing->entries[0].gsi = FIRST_GSI + LINES;
	set_routing(self);
	expect_vector(_metadata, self, 0);
}

/* By any destination that names one vCPU only, and as long as it does */
TEST_F(post, follows_the_lapics)
{
	/* Logical, lowest priority, vCPUs with bit 0 or 1; everybody */
	set_route(self, 0, GUEST_APIC | 0x03004, 0x0175);
	set_routing(self);
	expect_vector(_metadata, self, 0);
	guest_call(self->vcpu, "apic_write", APIC_LDR, 1 << 24);
	expect_vector(_metadata, self, 0x75);
	fire(self, 0, 1);
	guest_call(self->vcpu, "window");
	EXPECT_EQ(1, self->count[0x75]);
	/* There are two now, but the new one has no logical id yet. */
	self->other = ready_vcpu(self->vm, 1);
	expect_vector(_metadata, self, 0x75);
	guest_call(self->other, "apic_write", APIC_LDR, 2 << 24);
	expect_vector(_metadata, self, 0);
	guest_call(self->vcpu, "apic_write", APIC_LDR, 4 << 24);
	expect_vector(_metadata, self, 0x75);
	fire(self, 0, 1);
	guest_call(self->other, "window");
	EXPECT_EQ(2, self->count[0x75]);
	/* Disabled by software, then for good; and reset */
	guest_call(self->other, "apic_write", APIC_SVR, 0xff);
	expect_vector(_metadata, self, 0);
	guest_call(self->other, "apic_write", APIC_SVR, 0x1ff);
	expect_vector(_metadata, self, 0x75);
	guest_call(self->other, "msr_write", MSR_APIC_BASE, GUEST_APIC);
	expect_vector(_metadata, self, 0);
}

/* A vCPU more makes "everybody" two. */
TEST_F(post, new_vcpu)
{
	set_route(self, 0, GUEST_APIC | 0xff000, 0x0076);
	set_routing(self);
	expect_vector(_metadata, self, 0x76);
	self->other = vcpu_create(self->vm, 1);
	expect_vector(_metadata, self, 0);
}

/* What was posted to a vCPU that does not run is in the state that is saved. */
TEST_F(post, saved)
{
	struct hv_lapic_state state;

	fire(self, 3, 1);
	must(hv_ioctl(self->vcpu->fd, HV_GET_LAPIC, &state));
	EXPECT_EQ(1 << 3, *(uint32_t *)(state.regs + APIC_IRR + FIRST_VECTOR / 32 * 16));
	if (self->posts)
		EXPECT_EQ(1, line_state(self, 3).suppressed);
	guest_call(self->vcpu, "window");
	EXPECT_EQ(1, self->count[FIRST_VECTOR + 3]);
}

/* Without irqfd the eventfd gets it; without the device nothing is left behind. */
TEST_F(post, disconnected)
{
	uint64_t value;

	must(irqfd(self, 0, HV_IRQFD_FLAG_DEASSIGN));
	expect_vector(_metadata, self, 0);
	fire(self, 0, 1);
	EXPECT_EQ(sizeof(value), read(self->eventfd[0], &value, sizeof(value)));
	EXPECT_EQ(1, value);
	must(irqfd(self, 0, 0));
	expect_vector(_metadata, self, FIRST_VECTOR);
	must(ioctl(self->device, POST_DEVICE_CONNECT, &(struct post_device_line){ 0, -1 }));
	expect_vector(_metadata, self, 0);
	/* The irqfd is one without a device now. */
	value = 1;
	EXPECT_EQ(sizeof(value), write(self->eventfd[0], &value, sizeof(value)));
	guest_call(self->vcpu, "window");
	EXPECT_EQ(1, self->count[FIRST_VECTOR]);
	/* With a resamplefd it is level-triggered, which nobody can post. */
	connect_line(self, 0);
	expect_vector(_metadata, self, FIRST_VECTOR);
	must(irqfd(self, 0, HV_IRQFD_FLAG_DEASSIGN));
	must(hv_ioctl(self->vm->fd, HV_IRQFD, &(struct hv_irqfd) {
		.fd = self->eventfd[0], .gsi = FIRST_GSI, .flags = HV_IRQFD_FLAG_RESAMPLE,
		.resamplefd = self->eventfd[1] }));
	expect_vector(_metadata, self, 0);
}

TEST_HARNESS_MAIN
