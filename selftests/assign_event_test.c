// SPDX-License-Identifier: GPL-2.0-only
/*
 * What befalls an assigned device: errors that its port reports, and the suspend of the host.
 *
 * Errors need a device by this name below a port, and QEMU's monitor. It is virtio's source of
 * randomness, as of QEMU's devices those of virtio can report errors:
 *
 *	tools/testbed/run --device pcie-root-port,id=rp2,chassis=2 \
 *		--device virtio-rng-pci,aer=on,disable-legacy=on,iommu_platform=on,bus=rp2,id=err
 */
#include <fcntl.h>
#include <poll.h>
#include "edu.h"
#include "kselftest_harness.h"

#define INJECT		"monitor pcie_aer_inject_error err "

static int events(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	uint64_t start = now_us();

	if (poll(&p, 1, timeout_ms) < 0)
		return -errno;
	/* At its end poll() looks again, so that nobody would have to wake it. */
	return timeout_ms && now_us() - start >= timeout_ms * 1000UL ? -ETIME : p.revents;
}

static struct hv_pci_info get_info(int fd)
{
	struct hv_pci_info info = { .size = sizeof(info) };

	must(hv_ioctl(fd, HV_PCI_GET_INFO, &info));
	return info;
}

static long assign_to(struct vm *vm, int fd)
{
	struct hv_assign_device a = { .size = sizeof(a), .fd = fd,
				      .flags = HV_ASSIGN_WITHOUT_RESET };

	return hv_ioctl(vm->fd, HV_ASSIGN_DEVICE, &a);
}

/* ---- errors ---- */

FIXTURE(error)
{
	struct vm *vm;
	bdf_t bdf;
	int fd;
	volatile uint32_t *regs;
};

FIXTURE_SETUP(error)
{
	self->fd = -1;
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	if (!pci_find_rng(self->bdf) || system("monitor info status > /dev/null 2>&1"))
		SKIP(return, "no virtio-rng below a port, or no monitor that lets it fail");
	pci_bind(self->bdf);
	self->fd = pci_open(self->bdf);
	must(self->fd);
	self->vm = vm_create(VM_IRQCHIP);
	must(assign_to(self->vm, self->fd));
	self->regs = bar_map(self->fd, RNG_BAR, PAGE);
}

FIXTURE_TEARDOWN(error)
{
	if (self->fd < 0)
		return;
	munmap((void *)self->regs, PAGE);
	close(self->fd);
	vm_free(self->vm);
}

static void inject(struct __test_metadata *_metadata, const char *error)
{
	char command[128];

	snprintf(command, sizeof(command), INJECT "%s > /dev/null", error);
	EXPECT_EQ(0, system(command));
}

/* As soon as the host's kernel has done with the error */
static bool reset_works(int fd)
{
	long rc;

	return wait_for((rc = hv_ioctl(fd, HV_PCI_RESET, 0)) != -EAGAIN) && !rc;
}

static void use(FIXTURE_DATA(error) *self)
{
	struct hv_pci_irqs irqs = { .size = sizeof(irqs), .mode = HV_PCI_IRQ_MSIX, .count = 2 };

	config_write(self->fd, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	config_write(self->fd, PCI_INTERRUPT_LINE, 9, 1);
	must(hv_ioctl(self->fd, HV_PCI_SET_IRQS, &irqs));
}

/* The function goes on, and its user knows. */
TEST_F_TIMEOUT(error, not_fatal, 60)
{
	uint32_t queues = self->regs[RNG_QUEUES / 4];

	use(self);
	EXPECT_NE(~0U, queues);
	EXPECT_EQ(0, events(self->fd, 0));
	EXPECT_EQ(0, get_info(self->fd).flags & HV_PCI_ERROR);
	inject(_metadata, "COMP_TIME");
	EXPECT_EQ(POLLPRI, events(self->fd, 20000));
	EXPECT_EQ(HV_PCI_ERROR, get_info(self->fd).flags & HV_PCI_ERROR);
	EXPECT_EQ(HV_PCI_IRQ_MSIX, get_info(self->fd).irq_mode);
	EXPECT_EQ(9, config_read(self->fd, PCI_INTERRUPT_LINE, 1));
	EXPECT_EQ(queues, self->regs[RNG_QUEUES / 4]);
	EXPECT_TRUE(reset_works(self->fd));
	EXPECT_EQ(0, events(self->fd, 0));
	EXPECT_EQ(0, get_info(self->fd).flags & HV_PCI_ERROR);
}

/* It is reset with its link: what it had is gone, but not where its registers are. */
TEST_F_TIMEOUT(error, fatal, 60)
{
	uint32_t bar = hardware_config(self->bdf, PCI_BASE_ADDRESS_4, 4);

	use(self);
	EXPECT_NE(~0U, self->regs[RNG_QUEUES / 4]);
	inject(_metadata, "DLP");
	EXPECT_EQ(POLLPRI, events(self->fd, 20000));
	/* Ones, until the link is there again */
	EXPECT_TRUE(wait_for(self->regs[RNG_QUEUES / 4] != ~0U));
	EXPECT_EQ(POLLPRI, events(self->fd, 0));
	EXPECT_EQ(HV_PCI_ERROR | HV_PCI_ASSIGNED,
		  get_info(self->fd).flags & (HV_PCI_ERROR | HV_PCI_ASSIGNED));
	EXPECT_EQ(HV_PCI_IRQ_NONE, get_info(self->fd).irq_mode);
	EXPECT_EQ(0, config_read(self->fd, PCI_INTERRUPT_LINE, 1));
	EXPECT_EQ(0, config_read(self->fd, PCI_COMMAND, 2));
	EXPECT_EQ(bar, hardware_config(self->bdf, PCI_BASE_ADDRESS_4, 4));
	EXPECT_EQ(PCI_COMMAND_MEMORY, hardware_config(self->bdf, PCI_COMMAND, 2) &
		  (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
	EXPECT_TRUE(reset_works(self->fd));
	EXPECT_EQ(0, events(self->fd, 0));
	use(self);
	EXPECT_EQ(HV_PCI_IRQ_MSIX, get_info(self->fd).irq_mode);
}

/**
 * struct watch - a thread that reads a register all the time, and writes to what isn't one
 * @reg: register that ignores writes
 * @value: what it has
 * @frozen: how often there was something else
 * @stale: ... that was not ones at first
 * @stop: enough
 */
struct watch {
	volatile uint32_t *reg;
	uint32_t value;
	volatile unsigned int frozen;
	volatile unsigned int stale;
	volatile bool stop;
};

static void *watch(void *data)
{
	struct watch *w = data;
	bool frozen = false;
	uint32_t value;

	while (!w->stop) {
		value = *w->reg;
		if (value != w->value && !frozen) {
			w->stale += value != ~0U;
			w->frozen++;
			*w->reg = 0x5a5a5a5a;
		}
		frozen = value != w->value;
	}
	return NULL;
}

/* What is written to a function that isn't there isn't what is found there the next time. */
TEST_F_TIMEOUT(error, ones_again, 300)
{
	struct watch w = { .reg = &self->regs[RNG_QUEUES / 4] };
	uint32_t value = 0;
	unsigned int round;
	pthread_t thread;

	w.value = *w.reg;
	ASSERT_NE(~0U, w.value);
	must(-pthread_create(&thread, NULL, watch, &w));
	/* Where the thread doesn't run meanwhile it goes on until it has seen two. */
	for (round = 0; round < 10 && w.frozen < 2; round++) {
		inject(_metadata, "DLP");
		EXPECT_EQ(POLLPRI, events(self->fd, 20000));
		EXPECT_TRUE(wait_for(region_read(self->fd, RNG_BAR, RNG_QUEUES, &value, 4) == 4));
		EXPECT_EQ(w.value, value);
		EXPECT_TRUE(reset_works(self->fd));
	}
	w.stop = true;
	pthread_join(thread, NULL);
	EXPECT_LE(2, w.frozen);
	EXPECT_EQ(0, w.stale);
}

/* Nobody has it open: nobody is told, and it can be opened afterwards. */
TEST_F_TIMEOUT(error, fatal_while_closed, 60)
{
	uint32_t bar;

	munmap((void *)self->regs, PAGE);
	close(self->fd);
	bar = hardware_config(self->bdf, PCI_BASE_ADDRESS_4, 4);
	inject(_metadata, "DLP");
	sleep_us(3000000);
	EXPECT_TRUE(wait_for(bar == hardware_config(self->bdf, PCI_BASE_ADDRESS_4, 4)));
	/* Nor may the host's kernel have done with it then. */
	EXPECT_TRUE(wait_for((self->fd = pci_open(self->bdf)) != -EAGAIN));
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, events(self->fd, 0));
	EXPECT_EQ(0, get_info(self->fd).flags & HV_PCI_ERROR);
	EXPECT_EQ(0, assign_to(self->vm, self->fd));
	self->regs = bar_map(self->fd, RNG_BAR, PAGE);
	EXPECT_NE(~0U, self->regs[RNG_QUEUES / 4]);
}

/* ---- suspend ---- */

static long put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* The host stays awake while a VM has a device; without, the device is there afterwards. */
TEST(host_suspend)
{
	struct edu *edu;
	struct vm *vm;

	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	edu = edu_open(false);
	if (!edu)
		SKIP(return, NO_DEVICE);
	if (put("/sys/power/pm_test", "devices"))
		SKIP(return, "this host has no test mode for suspend");
	/* seconds that it sleeps */
	put("/sys/module/suspend/parameters/pm_test_delay", "1");
	vm = vm_create(0);
	must(assign_to(vm, edu->fd));
	EXPECT_EQ(-EBUSY, put("/sys/power/state", "freeze"));
	edu_bus_master(edu);
	edu_copy(edu, true, 0, EDU_DMA_SIZE);
	must(edu_deassign(vm, edu));
	EXPECT_EQ(0, put("/sys/power/state", "freeze"));
	put("/sys/power/pm_test", "none");
	EXPECT_EQ(0x010000ed, *(volatile uint32_t *)(edu->bar + EDU_ID));
	EXPECT_EQ(0, assign_to(vm, edu->fd));
	edu_bus_master(edu);
	vm->ram[0] = 0x5e;
	edu_copy(edu, false, 0, 4);
	edu_copy(edu, true, PAGE, 4);
	EXPECT_EQ(0x5e, vm->ram[PAGE]);
	edu_close(edu);
	vm_free(vm);
}

TEST_HARNESS_MAIN
