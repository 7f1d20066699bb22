// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 PIT in the kernel: its ports, counters and modes against the host's clock, ticks
 * through the PIC and the IOAPIC, ticks that the guest is late for, its state.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define MASTER		0x20
#define BASE		0x40
#define PIT_HZ		1193182
#define MS(n)		((uint32_t)((uint64_t)PIT_HZ * (n) / 1000))
#define CONTROL		0x43
#define PORT_B		0x61
#define PIN		2	/* of the IOAPIC, where PCs have GSI 0 */
#define VECTOR		0x71

FIXTURE(pit)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint32_t *count;
};

static long create_pit2(struct vm *vm, uint32_t flags)
{
	return hv_ioctl(vm->fd, HV_CREATE_PIT2, &(struct hv_pit_config){ .flags = flags });
}

static void out(FIXTURE_DATA(pit) *self, uint16_t port, uint8_t value)
{
	guest_call(self->vcpu, "out8", port, value);
}

static uint8_t in(FIXTURE_DATA(pit) *self, uint16_t port)
{
	return guest_call(self->vcpu, "in8", port);
}

static void program(FIXTURE_DATA(pit) *self, unsigned int n, unsigned int mode, uint16_t count)
{
	out(self, CONTROL, n << 6 | 0x30 | mode << 1);
	out(self, 0x40 + n, count);
	out(self, 0x40 + n, count >> 8);
}

static uint16_t latch(FIXTURE_DATA(pit) *self, unsigned int n)
{
	uint16_t low;

	out(self, CONTROL, n << 6);
	low = in(self, 0x40 + n);
	return low | in(self, 0x40 + n) << 8;
}

FIXTURE_SETUP(pit)
{
	self->vm = vm_create(VM_IRQCHIP);
	must(create_pit2(self->vm, HV_PIT_SPEAKER_DUMMY));
	vm_load(self->vm, "interrupts");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->count = guest_var(self->vm, "irq_count");
	/* PIC: automatic EOI, only line 0 */
	out(self, MASTER, 0x11);
	out(self, MASTER + 1, BASE);
	out(self, MASTER + 1, 4);
	out(self, MASTER + 1, 3);
	out(self, MASTER + 1, 0xfe);
}

FIXTURE_TEARDOWN(pit)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static unsigned int window(FIXTURE_DATA(pit) *self)
{
	return guest_call(self->vcpu, "window");
}

/* Tick interrupts by the IOAPIC, ended at the LAPIC, instead of by the PIC */
static void use_ioapic(FIXTURE_DATA(pit) *self)
{
	struct {
		struct hv_irq_routing head;
		struct hv_irq_routing_entry e[1];
	} t = {
		.head.nr = 1,
		.e[0] = { .gsi = 0, .type = HV_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { HV_IRQCHIP_IOAPIC, PIN } },
	};

	must(hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &t));
	out(self, MASTER + 1, 0xff);
	guest_u32(self->vm, "eoi") = 1;
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_call(self->vcpu, "ioapic_write", 0x11 + 2 * PIN, 0);
	guest_call(self->vcpu, "ioapic_write", 0x10 + 2 * PIN, VECTOR);
}

/* Interrupts that come one after the other when the guest lets them */
static unsigned int drain(FIXTURE_DATA(pit) *self)
{
	unsigned int n = window(self), was;

	do {
		was = n;
		n = window(self);
	} while (n != was);
	return n;
}

TEST_F(pit, create)
{
	struct hv_reinject_control reinject = { .pit_reinject = 1 };
	struct vm *vm = vm_create(VM_BARE);
	struct hv_pit_state2 s;

	EXPECT_EQ(1, check_cap(vm->fd, HV_CAP_PIT2));
	EXPECT_EQ(1, check_cap(vm->fd, HV_CAP_PIT_STATE2));
	EXPECT_EQ(1, check_cap(vm->fd, HV_CAP_REINJECT_CONTROL));
	EXPECT_EQ(-EEXIST, create_pit2(self->vm, 0));
	EXPECT_EQ(-EEXIST, hv_ioctl(self->vm->fd, HV_CREATE_PIT, 0));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_GET_PIT2, &s));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_SET_PIT2, &s));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_GET_PIT, &s));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_SET_PIT, &s));
	EXPECT_EQ(-ENXIO, hv_ioctl(vm->fd, HV_REINJECT_CONTROL, &reinject));
	/* Not without the PICs that it interrupts; older KVM makes one that does nothing. */
	if (!device_is_kvm())
		EXPECT_EQ(-ENOENT, create_pit2(vm, 0));
	vm_free(vm);
}

/* Port 0x61 is the PIT's with the flag only; the first interface always has it. */
TEST_F(pit, speaker_port)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu;

	must(create_pit2(vm, 0));
	vm_load(vm, "interrupts");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	guest_start(vcpu, "in8", 1, (uint64_t[]){ PORT_B });
	EXPECT_EQ(HV_EXIT_IO, vcpu_run(vcpu));
	EXPECT_EQ(PORT_B, vcpu->run->io.port);
	guest_finish(vcpu);
	vcpu_free(vcpu);
	vm_free(vm);

	vm = vm_create(VM_IRQCHIP);
	must(hv_ioctl(vm->fd, HV_CREATE_PIT, 0));
	vm_load(vm, "interrupts");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, NULL);
	guest_call(vcpu, "out8", PORT_B, 2);
	EXPECT_EQ(2, guest_call(vcpu, "in8", PORT_B) & 0xf);
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F(pit, counts_in_time)
{
	unsigned int tries = 0;
	uint64_t start, took;
	uint16_t a, b;

	program(self, 1, 2, 0);
	/* The period is 55 ms; a busy host may take longer to come back. */
	do {
		start = now_us();
		a = latch(self, 1);
		sleep_us(20000);
		b = latch(self, 1);
		took = now_us() - start;
	} while (took > 50000 && ++tries < 50);
	ASSERT_LT(took, 50001);
	EXPECT_GE((uint16_t)(a - b), MS(20));
	EXPECT_LE((uint16_t)(a - b), (uint64_t)PIT_HZ * took / 1000000 + 1);
	/* A latched value stays until it is read. */
	out(self, CONTROL, 0x40);
	sleep_us(1000);
	a = in(self, 0x41);
	a |= in(self, 0x41) << 8;
	b = latch(self, 1);
	EXPECT_GE((uint16_t)(a - b), MS(1));
}

TEST_F(pit, bytes)
{
	out(self, CONTROL, 0x50);	/* counter 1, low byte, mode 0 */
	out(self, 0x41, 0xff);
	out(self, CONTROL, 0xe4);
	EXPECT_EQ(0x10, in(self, 0x41) & 0x7f);
	program(self, 2, 0, 0x1234);
	out(self, PORT_B, 0);
	program(self, 2, 3, 0x1234);
	/* Status: mode 3, two bytes, count loaded */
	out(self, CONTROL, 0xe8);
	EXPECT_EQ(0x36, in(self, 0x42) & 0x7f);
}

/* Once, in 10 ms. Returns when. */
static uint64_t one_shot(struct __test_metadata *_metadata, FIXTURE_DATA(pit) *self)
{
	uint32_t before = self->count[BASE];
	uint64_t start = now_us(), took;

	program(self, 0, 0, MS(10));
	EXPECT_EQ(before + 1, guest_call(self->vcpu, "halt_until", before + 1));
	took = now_us() - start;
	EXPECT_GE(took, 9990);
	EXPECT_EQ(before + 1, self->count[BASE]);
	sleep_us(30000);
	EXPECT_EQ(before + 1, drain(self));
	return took;
}

TEST_F(pit, one_shot)
{
	EXPECT_TRUE(once_less(one_shot(_metadata, self), 500000));
}

/* Twenty times, in 100 ms, until it is stopped. Returns how long it took. */
static uint64_t periodic(struct __test_metadata *_metadata, FIXTURE_DATA(pit) *self,
			 unsigned int mode)
{
	uint64_t start, took;
	unsigned int n;

	guest_u64(self->vm, "irq_total") = 0;
	start = now_us();
	program(self, 0, mode, MS(5));
	EXPECT_GE(guest_call(self->vcpu, "halt_until", 20), 20);
	took = now_us() - start;
	EXPECT_GE(took, 99000);
	/* Stopped by a mode that needs a gate; a control word alone does not stop KVM's. */
	program(self, 0, 5, 100);
	drain(self);
	sleep_us(5000);
	n = drain(self);
	sleep_us(20000);
	EXPECT_EQ(n, drain(self));
	return took;
}

TEST_F(pit, periodic)
{
	unsigned int mode;

	for (mode = 2; mode <= 3; mode++)
		EXPECT_TRUE(once_less(periodic(_metadata, self, mode), 1000000));
}

TEST_F(pit, running_guest)
{
	program(self, 0, 2, MS(2));
	EXPECT_GE(guest_call(self->vcpu, "spin_until", 10), 10);
}

/* The guest is away for 20 periods: it gets all of them, none, as it is told to. */
static void late(struct __test_metadata *_metadata, FIXTURE_DATA(pit) *self)
{
	uint64_t start, us;
	unsigned int n;

	start = now_us();
	program(self, 0, 2, MS(10));
	sleep_us(200000);
	/* KVM has a thread give the next one. */
	EXPECT_TRUE(wait_for((n = window(self)) >= 19));
	us = now_us() - start;
	EXPECT_LE(n, us / 9990);

	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_REINJECT_CONTROL,
			      &(struct hv_reinject_control){ .pit_reinject = 0 }));
	n = drain(self);
	start = now_us();
	sleep_us(200000);
	n = drain(self) - n;
	us = now_us() - start;
	EXPECT_GE(n, 1);
	/* One that waited, and those that have come since */
	EXPECT_LE(n, 2 + (us - 200000) / 10000);
}

TEST_F(pit, reinjection_pic)
{
	late(_metadata, self);
}

TEST_F(pit, reinjection_ioapic)
{
	use_ioapic(self);
	late(_metadata, self);
	EXPECT_EQ(0, self->count[BASE]);
	EXPECT_EQ(self->count[VECTOR], guest_u64(self->vm, "irq_total"));
}

/* A guest that moves from the PIC to the IOAPIC while a tick waits goes on ticking. */
TEST_F(pit, pic_to_ioapic)
{
	program(self, 0, 2, MS(2));
	sleep_us(10000);
	use_ioapic(self);
	guest_u64(self->vm, "irq_total") = 0;
	EXPECT_GE(guest_call(self->vcpu, "halt_until", 5), 5);
	EXPECT_GE(self->count[VECTOR], 4);
}

/* However short the guest makes the period, the host and the guest get on. */
TEST_F(pit, storm)
{
	uint64_t start, us;
	unsigned int n;

	start = now_us();
	program(self, 0, 2, 2);
	guest_call(self->vcpu, "spin_until", 100);
	us = now_us() - start;
	out(self, CONTROL, 0x34);
	n = drain(self);
	/* At most one in 200 us */
	EXPECT_LE(n, 2 + (now_us() - start) / 199);
	EXPECT_GE(us, 100 * 199);
}

/* The output goes up once, after 10 ms. Returns when. */
static uint64_t output(struct __test_metadata *_metadata, FIXTURE_DATA(pit) *self)
{
	uint64_t start = now_us(), took;
	uint8_t before;

	program(self, 2, 0, MS(10));
	before = in(self, PORT_B);
	took = now_us() - start;
	if (took < 9990)
		EXPECT_EQ(0, before & 0x20);
	guest_call(self->vcpu, "in8_until", PORT_B, 0x20);
	took = now_us() - start;
	EXPECT_GE(took, 9990);
	EXPECT_EQ(0, guest_u64(self->vm, "irq_total"));
	EXPECT_EQ(0x21, in(self, PORT_B) & 0x2f);
	return took;
}

/* What is left of 10 ms when the gate goes down at once */
static uint16_t gated(FIXTURE_DATA(pit) *self)
{
	out(self, PORT_B, 1);
	program(self, 2, 0, MS(10));
	out(self, PORT_B, 0);
	/* The output is up: it had run down, and counts from the top. */
	return in(self, PORT_B) & 0x20 ? UINT16_MAX : latch(self, 2);
}

/* As guests measure their clocks: gate and output of counter 2 */
TEST_F(pit, gate_and_output)
{
	uint16_t left;

	out(self, PORT_B, 1);
	EXPECT_TRUE(once_less(output(_metadata, self), 500000));
	/* Stands still while the gate is low; KVM's goes on. */
	if (device_is_kvm())
		return;
	EXPECT_TRUE(once_less(left = gated(self), MS(10) + 1));
	sleep_us(20000);
	EXPECT_EQ(0, in(self, PORT_B) & 0x20);
	EXPECT_EQ(left, latch(self, 2));
}

TEST_F(pit, state)
{
	struct hv_pit_state2 s, back;

	out(self, PORT_B, 3);
	program(self, 0, 2, MS(5));
	program(self, 2, 3, 0x4321);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_PIT2, &s));
	EXPECT_EQ(MS(5), s.channels[0].count);
	EXPECT_EQ(2, s.channels[0].mode);
	EXPECT_EQ(3, s.channels[0].rw_mode);
	EXPECT_EQ(0x4321, s.channels[2].count);
	EXPECT_EQ(3, s.channels[2].mode);
	EXPECT_EQ(1, s.channels[2].gate);
	EXPECT_EQ(HV_PIT_FLAGS_SPEAKER_DATA_ON, s.flags & HV_PIT_FLAGS_SPEAKER_DATA_ON);
	out(self, CONTROL, 0x30);
	drain(self);
	guest_u64(self->vm, "irq_total") = 0;
	/* A state with a running timer runs. */
	s.channels[2].count = 0x10000;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_PIT2, &s));
	EXPECT_GE(guest_call(self->vcpu, "halt_until", 3), 3);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_PIT2, &back));
	EXPECT_EQ(0x10000, back.channels[2].count);
	EXPECT_EQ(MS(5), back.channels[0].count);
	/* Another one has the interrupt: no ticks. */
	s.flags |= HV_PIT_FLAGS_HPET_LEGACY;
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_PIT2, &s));
	drain(self);
	guest_u64(self->vm, "irq_total") = 0;
	sleep_us(20000);
	EXPECT_EQ(0, drain(self));
	/* The first interface has no flags and leaves them. */
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_PIT, &back));
	EXPECT_EQ(MS(5), back.channels[0].count);
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_SET_PIT, &back));
	sleep_us(20000);
	EXPECT_EQ(0, drain(self));
}

TEST_F(pit, state_refused)
{
	struct hv_pit_state2 good, s;

	if (device_is_kvm())
		SKIP(return, "KVM takes what it is given");
	ASSERT_EQ(0, hv_ioctl(self->vm->fd, HV_GET_PIT2, &good));
	s = good;
	s.flags = 4;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_PIT2, &s));
	s = good;
	s.channels[0].mode = 6;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_PIT2, &s));
	s = good;
	s.channels[1].count = 0x10001;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_PIT2, &s));
	s = good;
	s.channels[2].read_state = 5;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_SET_PIT2, &s));
	EXPECT_EQ(-EINVAL, create_pit2(vm_create(VM_IRQCHIP), 2));
}

TEST_HARNESS_MAIN
