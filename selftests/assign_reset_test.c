// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody finds what the last user has left in a function: it is reset after that user's last access,
 * however he loses it. The function is virtio's source of randomness, whose driver's progress is in a
 * register that a reset clears:
 *
 *	tools/testbed/run --device pcie-root-port,id=rp2,chassis=2 \
 *		--device virtio-rng-pci,disable-legacy=on,iommu_platform=on,bus=rp2
 */
#include <fcntl.h>
#include <sched.h>
#include "pci.h"
#include "kselftest_harness.h"

#define USED		3	/* RNG_STATUS: a driver knows it */
#define BIG		(64UL << 20)
#define BIG_GPA		0x10000000UL

FIXTURE(reset)
{
	struct vm *vm;
	bdf_t bdf;
	int fd;
	volatile uint8_t *regs;
	volatile bool closing;
	volatile bool stop;
};

static void take(FIXTURE_DATA(reset) *self)
{
	struct hv_assign_device a = { .size = sizeof(a) };
	struct hv_pci_irqs irqs = {
		.size = sizeof(irqs), .mode = HV_PCI_IRQ_INTX, .count = 1, .gsi = 20,
	};

	pci_bind(self->bdf);
	self->fd = pci_open(self->bdf);
	must(self->fd);
	a.fd = self->fd;
	must(hv_ioctl(self->vm->fd, HV_ASSIGN_DEVICE, &a));
	must(hv_ioctl(self->fd, HV_PCI_SET_IRQS, &irqs));
	self->regs = bar_map(self->fd, RNG_BAR, PAGE);
	self->regs[RNG_STATUS] = USED;
	if (self->regs[RNG_STATUS] != USED)
		die("the register can't be written");
}

FIXTURE_SETUP(reset)
{
	self->fd = -1;
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	if (!pci_find_rng(self->bdf))
		SKIP(return, "no virtio-rng below a port");
	self->vm = vm_create(VM_IRQCHIP);
	/* To take it from its last device takes a while. */
	must(vm_slot(self->vm, 1, BIG_GPA, BIG, ram_alloc(BIG), 0));
	take(self);
}

FIXTURE_TEARDOWN(reset)
{
	if (!self->vm)
		return;
	if (self->fd >= 0)
		close(self->fd);
	vm_free(self->vm);
}

/* What the host finds in the register when nobody has the function */
static uint8_t left_behind(const bdf_t bdf)
{
	volatile uint8_t *regs;
	char path[64];
	uint8_t status;
	int fd;

	pci_attribute(bdf, "enable", "1");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", bdf, RNG_BAR);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd);
	regs = bar_map(fd, 0, PAGE);
	status = regs[RNG_STATUS];
	munmap((void *)regs, PAGE);
	close(fd);
	pci_attribute(bdf, "enable", "0");
	return status;
}

static void *write_on(void *data)
{
	FIXTURE_DATA(reset) *self = data;

	while (!self->stop)
		self->regs[RNG_STATUS] = USED;
	return NULL;
}

/* As a guest that does not care */
TEST_F_TIMEOUT(reset, used_while_unbound, 120)
{
	pthread_t thread;

	must(-pthread_create(&thread, NULL, write_on, self));
	pci_unbind(self->bdf);
	self->stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, left_behind(self->bdf));
	munmap((void *)self->regs, PAGE);
}

static void *close_it(void *data)
{
	FIXTURE_DATA(reset) *self = data;

	self->closing = true;
	close(self->fd);
	return NULL;
}

/* Who closes can't reset it while another unbinds it; then that one does. */
TEST_F_TIMEOUT(reset, closed_while_unbound, 300)
{
	pthread_t thread;
	unsigned int round;

	for (round = 0; round < 20; round++) {
		munmap((void *)self->regs, PAGE);
		self->closing = false;
		must(-pthread_create(&thread, NULL, close_it, self));
		while (!self->closing)
			sched_yield();
		sleep_us(500 * round);
		pci_unbind(self->bdf);
		pthread_join(thread, NULL);
		self->fd = -1;
		ASSERT_EQ(0, left_behind(self->bdf))
			TH_LOG("round %u", round);
		take(self);
	}
	munmap((void *)self->regs, PAGE);
}

TEST_HARNESS_MAIN
