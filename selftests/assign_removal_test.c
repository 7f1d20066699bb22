// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware that is pulled out while a VM uses it, by the slot's button (QEMU's device_del presses
 * it) and by surprise. The VMM hears of it by poll(), the guest reads ones, nothing of the VM stays
 * pinned, and a device that is plugged in again works.
 *
 * Needs a hotplug port and a device below it by these names:
 *
 *	tools/testbed/run --device pcie-root-port,id=rp --device edu,bus=rp,id=pull
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include "edu.h"
#include "kselftest_harness.h"

#define PLUG_IN		"monitor device_add edu,dma_mask=0xffffffffffffffff,bus=rp,id=pull"
#define PULL_OUT	"monitor device_del pull"
#define BAR_GPA		0x20000000UL
#define BAR_SIZE	0x100000UL
#define SIZE		0x4000UL
#define GPA		0x10000000UL
#define VECTOR		0x61

FIXTURE(removal)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct edu *edu;
	struct runner runner;
	uint8_t *mem;
};

static void assign(FIXTURE_DATA(removal) *self)
{
	struct hv_pci_irqs irqs = { .size = sizeof(irqs), .mode = HV_PCI_IRQ_MSI, .count = 1 };
	struct hv_pci_vector_route r = {
		.size = sizeof(r), .addr = GUEST_APIC, .data = VECTOR,
	};

	must(edu_assign(self->vm, self->edu, 0, NULL));
	edu_bus_master(self->edu);
	must(hv_ioctl(self->edu->fd, HV_PCI_SET_IRQS, &irqs));
	must(hv_ioctl(self->edu->fd, HV_PCI_SET_VECTOR, &r));
	must(vm_slot(self->vm, 2, BAR_GPA, BAR_SIZE, (void *)self->edu->bar, HV_MEM_NO_DMA));
}

FIXTURE_SETUP(removal)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	if (system("monitor info status > /dev/null 2>&1"))
		SKIP(return, "this host has no monitor to plug devices");
	self->edu = edu_open(true);
	if (!self->edu)
		SKIP(return, NO_DEVICE);
	self->vm = vm_create(VM_IRQCHIP);
	self->mem = ram_alloc(SIZE);
	must(vm_slot(self->vm, 1, GPA, SIZE, self->mem, 0));
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	assign(self);
}

FIXTURE_TEARDOWN(removal)
{
	if (!self->edu)
		return;
	edu_close(self->edu);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/* The configuration space of the port above a function */
static int port_open(const bdf_t bdf)
{
	char path[64], real[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	if (!realpath(path, real))
		return -1;
	strcpy(strrchr(real, '/') + 1, "config");
	return open(real, O_RDWR | O_CLOEXEC);
}

/*
 * Switch power and power indicator off in the port's Slot Control (PCI Express Base 5.0, 7.5.3.10) and
 * on again, behind the back of its driver. QEMU takes that for leave to pull the device out, and
 * does. The driver must not look in between: it thinks of a slot without power that it has disabled
 * it, and lets the function stand. So the interrupt is off for as long.
 */
static void pull_out(const bdf_t bdf)
{
	int fd = port_open(bdf);
	uint16_t on, off, cap = 0;
	unsigned int n;

	if (fd < 0 || pread(fd, &cap, 1, PCI_CAPABILITY_LIST) != 1)
		die("no port above %s", bdf);
	for (n = 0; cap && n < 48; n++) {
		uint8_t head[2];

		if (pread(fd, head, 2, cap) != 2 || head[0] == PCI_CAP_ID_EXP)
			break;
		cap = head[1];
	}
	if (!cap || pread(fd, &on, 2, cap + PCI_EXP_SLTCTL) != 2)
		die("the port has no slot");
	off = (on | PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC) & ~PCI_EXP_SLTCTL_HPIE;
	if (pwrite(fd, &off, 2, cap + PCI_EXP_SLTCTL) != 2 ||
	    pwrite(fd, &on, 2, cap + PCI_EXP_SLTCTL) != 2)
		die("Slot Control: %s", strerror(errno));
	close(fd);
}

/* It takes the slot's button five seconds. */
static int events(FIXTURE_DATA(removal) *self, int timeout_ms)
{
	struct pollfd p = { .fd = self->edu->fd, .events = POLLPRI };
	uint64_t start = now_us();

	if (poll(&p, 1, timeout_ms) < 0)
		return -errno;
	/* At its end poll() looks again, so that nobody would have to wake it. */
	return timeout_ms && now_us() - start >= timeout_ms * 1000UL ? -ETIME : p.revents;
}

static void use(struct __test_metadata *_metadata, FIXTURE_DATA(removal) *self)
{
	edu_start(self->edu, true, GPA, EDU_DMA_SIZE);
	/* A register of 64 bits, as the guest reads it */
	guest_start(self->vcpu, "poll", 1, (uint64_t[]){ BAR_GPA + EDU_DMA_SRC });
	runner_start(&self->runner, self->vcpu);
	EXPECT_TRUE(wait_for(guest_u64(self->vm, "seen") == EDU_BUFFER));
	EXPECT_EQ(0, events(self, 0));
}

static void expect_gone(struct __test_metadata *_metadata, FIXTURE_DATA(removal) *self)
{
	struct hv_pci_info info = { .size = sizeof(info) };
	uint64_t count;

	EXPECT_EQ(POLLHUP | POLLERR, events(self, 30000));
	EXPECT_FALSE(pci_driver_is(self->edu->bdf, "hv-pci"));
	EXPECT_EQ(-ENODEV, hv_ioctl(self->edu->fd, HV_PCI_GET_INFO, &info));
	EXPECT_EQ(-ENODEV, hv_ioctl(self->edu->fd, HV_PCI_RESET, 0));
	EXPECT_EQ(-ENODEV, region_read(self->edu->fd, 0, EDU_ID, &count, 4));
	EXPECT_EQ(-ENOENT, edu_deassign(self->vm, self->edu));
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));
	EXPECT_EQ(0, vm_stat(self->vm, "iommu_domains"));
	/* Nobody waits for that. */
	EXPECT_TRUE(wait_for(!vm_stat(self->vm, "pinned_bytes")));
	/* The guest goes on, and finds nobody. */
	EXPECT_TRUE(wait_for(guest_u64(self->vm, "seen") == ~0UL));
	count = guest_u64(self->vm, "counter");
	EXPECT_TRUE(wait_for(guest_u64(self->vm, "counter") > count + 100));
	runner_stop(&self->runner);
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
}

static bool plugged_in(const bdf_t bdf)
{
	unsigned int i;

	if (!wait_for(!pci_present(bdf)))
		return false;
	/* For a second after the power went the port's driver looks away. */
	sleep_us(1500000);
	for (i = 0; i < 200 && !pci_present(bdf); i++) {
		/* Refused, and not needed, unless the old one was still there the last time. */
		if (i % 50 == 0 && system(PLUG_IN " > /dev/null"))
			return false;
		sleep_us(100000);
	}
	/* The kernel has done with it when it can look for others. */
	pci_rescan();
	return pci_present(bdf);
}

/* The same VM has another device in its place. */
static void expect_back(struct __test_metadata *_metadata, FIXTURE_DATA(removal) *self)
{
	bdf_t bdf;

	memcpy(bdf, self->edu->bdf, sizeof(bdf));
	edu_close(self->edu);
	self->edu = NULL;
	ASSERT_TRUE(plugged_in(bdf));
	self->edu = edu_open(true);
	ASSERT_NE(NULL, self->edu);
	assign(self);
	EXPECT_EQ(0, events(self, 0));
	EXPECT_EQ(1, vm_stat(self->vm, "devices"));
	EXPECT_EQ(GUEST_RAM_SIZE + SIZE, vm_stat(self->vm, "pinned_bytes"));
	use(_metadata, self);
	edu_wait(self->edu);
	runner_stop(&self->runner);
}

TEST_F_TIMEOUT(removal, pulled_out, 120)
{
	use(_metadata, self);
	pull_out(self->edu->bdf);
	expect_gone(_metadata, self);
	expect_back(_metadata, self);
}

TEST_F_TIMEOUT(removal, device_del, 120)
{
	use(_metadata, self);
	must(system(PULL_OUT " > /dev/null"));
	expect_gone(_metadata, self);
	expect_back(_metadata, self);
}

/* The VMM is gone first, or at the same time. */
TEST_F_TIMEOUT(removal, closed_meanwhile, 120)
{
	use(_metadata, self);
	pull_out(self->edu->bdf);
	close(self->edu->fd);
	self->edu->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	runner_stop(&self->runner);
	/* It is still mapped, so it goes when it's unbound. */
	EXPECT_TRUE(wait_for(!vm_stat(self->vm, "devices")));
	must(vm_slot(self->vm, 2, 0, 0, NULL, 0));
	EXPECT_TRUE(wait_for(!pci_present(self->edu->bdf)));
	expect_back(_metadata, self);
}

TEST_HARNESS_MAIN
