// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_CREATE_DEVICE with HV_DEV_TYPE_VFIO, and a guest that drives QEMU's edu through vfio-pci:
 * registers through a slot over the mapping of the BAR, DMA to guest memory, its MSI by an irqfd.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include "kselftest_harness.h"
#include "pci.h"

#define GSI		64
#define VECTOR		0x61
#define BAR_GPA		0xd0000000UL
#define BAR_SIZE	0x100000UL

static long create_device(struct vm *vm, uint32_t flags, int *fd)
{
	struct hv_create_device call = { .type = HV_DEV_TYPE_VFIO, .flags = flags };
	long ret = hv_ioctl(vm->fd, HV_CREATE_DEVICE, &call);

	if (fd)
		*fd = ret ? -1 : (int)call.fd;
	return ret;
}

static long attribute(int dev, unsigned long call, uint64_t attr, int *fd)
{
	return hv_ioctl(dev, call, &(struct hv_device_attr) {
		.group = HV_DEV_VFIO_FILE, .attr = attr, .addr = (uintptr_t)fd });
}

TEST(create)
{
	struct hv_create_device call = { .type = 999 };
	struct vm *vm = vm_create(VM_BARE);
	int dev, other;

	if (device_is_kvm() && create_device(vm, HV_CREATE_DEVICE_TEST, NULL))
		SKIP(return, "no HV_DEV_TYPE_VFIO without the module that registers it");
	if (!device_is_kvm())	/* of 6.1, which does not tell */
		EXPECT_EQ(1, check_cap(vm->fd, HV_CAP_DEVICE_CTRL));
	EXPECT_EQ(-ENODEV, hv_ioctl(vm->fd, HV_CREATE_DEVICE, &call));
	EXPECT_EQ(0, create_device(vm, HV_CREATE_DEVICE_TEST, NULL));
	ASSERT_EQ(0, create_device(vm, 0, &dev));
	EXPECT_EQ(-EBUSY, create_device(vm, 0, &other));
	EXPECT_EQ(-ENOTTY, hv_ioctl(dev, HV_CREATE_VCPU, 0));
	EXPECT_EQ(0, attribute(dev, HV_HAS_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, NULL));
	EXPECT_EQ(0, attribute(dev, HV_HAS_DEVICE_ATTR, HV_DEV_VFIO_FILE_DEL, NULL));
	EXPECT_EQ(-ENXIO, attribute(dev, HV_HAS_DEVICE_ATTR, 77, NULL));
	EXPECT_EQ(-ENXIO, attribute(dev, HV_SET_DEVICE_ATTR, 77, NULL));
	EXPECT_EQ(-EPERM, attribute(dev, HV_GET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, NULL));
	EXPECT_EQ(-EFAULT, attribute(dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, NULL));
	other = 1000;
	EXPECT_EQ(-EBADF, attribute(dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, &other));
	/* A file that is not one of VFIO, whether VFIO is there or not */
	EXPECT_EQ(-EINVAL, attribute(dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, &vm->fd));
	EXPECT_EQ(-ENOENT, attribute(dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_DEL, &vm->fd));
	/* The device outlives the VM's fd. */
	vm_free(vm);
	EXPECT_EQ(0, attribute(dev, HV_HAS_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, NULL));
	close(dev);
}

FIXTURE(vfio)
{
	struct vm *vm;
	struct vcpu *vcpu;
	bdf_t bdf;
	char group_path[64];
	int container;
	int group;
	int device;
	int dev;	/* of HV_CREATE_DEVICE */
	uint8_t *bar;
	bool coherent;
};

static void group_path(FIXTURE_DATA(vfio) *self)
{
	char link[128], target[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", self->bdf);
	len = readlink(link, target, sizeof(target) - 1);
	must(len);
	target[len] = 0;
	snprintf(self->group_path, sizeof(self->group_path), "/dev/vfio/%.32s",
		 strrchr(target, '/') + 1);
}

static void open_device(FIXTURE_DATA(vfio) *self)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)self->vm->ram, .iova = 0, .size = GUEST_RAM_SIZE,
	};
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX };
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	/* Memory, bus master */
	uint16_t command = 6;

	self->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	must(self->container);
	self->group = open(self->group_path, O_RDWR | O_CLOEXEC);
	must(self->group);
	must(ioctl(self->group, VFIO_GROUP_SET_CONTAINER, &self->container));
	must(ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	self->coherent = ioctl(self->container, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU) == 1;
	must(ioctl(self->container, VFIO_IOMMU_MAP_DMA, &map));
	self->device = ioctl(self->group, VFIO_GROUP_GET_DEVICE_FD, self->bdf);
	must(self->device);
	must(ioctl(self->device, VFIO_DEVICE_GET_REGION_INFO, &bar));
	must(ioctl(self->device, VFIO_DEVICE_GET_REGION_INFO, &config));
	if (pwrite(self->device, &command, 2, config.offset + PCI_COMMAND) != 2)
		die("command register: %s", strerror(errno));
	self->bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->device,
			 bar.offset);
	if (self->bar == MAP_FAILED)
		die("BAR: %s", strerror(errno));
}

FIXTURE_SETUP(vfio)
{
	if (system("modprobe vfio-pci >/dev/null 2>&1") ||
	    system("modprobe vfio_iommu_type1 >/dev/null 2>&1"))
		SKIP(return, "no vfio-pci: tools/testbed/run --kmod vfio-pci --kmod vfio_iommu_type1");
	if (!pci_find(EDU_VENDOR, EDU_DEVICE, false, self->bdf))
		SKIP(return, NO_DEVICE);
	pci_bind_to(self->bdf, "vfio-pci");
	group_path(self);
	self->vm = vm_create(VM_IRQCHIP);
	vm_load(self->vm, "apic");
	open_device(self);
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	guest_call(self->vcpu, "apic_write", APIC_SVR, 0x1ff);
	guest_u32(self->vm, "eoi") = 1;
	must(vm_slot(self->vm, 5, BAR_GPA, BAR_SIZE, self->bar, 0));
	must(create_device(self->vm, 0, &self->dev));
}

FIXTURE_TEARDOWN(vfio)
{
	if (!self->vm)
		return;
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	munmap(self->bar, BAR_SIZE);
	close(self->dev);
	close(self->device);
	close(self->group);
	close(self->container);
	pci_unbind(self->bdf);
	pci_attribute(self->bdf, "driver_override", "\n");
}

/* The guest writes a register of the device. */
static void edu_write(FIXTURE_DATA(vfio) *self, unsigned int reg, uint32_t value)
{
	guest_call(self->vcpu, "apic_write", BAR_GPA + reg - GUEST_APIC, value);
}

static uint32_t edu_read(FIXTURE_DATA(vfio) *self, unsigned int reg)
{
	return guest_call(self->vcpu, "apic_read", BAR_GPA + reg - GUEST_APIC);
}

static void msi_to(FIXTURE_DATA(vfio) *self, int fd)
{
	struct {
		struct vfio_irq_set head;
		int fd;
	} set = {
		.head = {
			.argsz = sizeof(set), .index = VFIO_PCI_MSI_IRQ_INDEX, .count = 1,
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		},
		.fd = fd,
	};

	must(ioctl(self->device, VFIO_DEVICE_SET_IRQS, &set));
}

static void route_to(FIXTURE_DATA(vfio) *self, uint32_t vector)
{
	struct {
		struct hv_irq_routing head;
		struct hv_irq_routing_entry e;
	} t = {
		.head.nr = 1,
		.e = { .gsi = GSI, .type = HV_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = GUEST_APIC, .data = vector } },
	};

	must(hv_ioctl(self->vm->fd, HV_SET_GSI_ROUTING, &t));
}

static bool msi_comes(FIXTURE_DATA(vfio) *self, unsigned int vector, uint32_t count)
{
	volatile uint32_t *got = (uint32_t *)guest_var(self->vm, "irq_count") + vector;

	return wait_for((guest_call(self->vcpu, "window"), *got == count));
}

/* The guest makes the device interrupt it. */
TEST_F(vfio, interrupt)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	EXPECT_EQ(self->coherent || device_is_kvm() ? 0 : -EOPNOTSUPP,
		  attribute(self->dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, &self->group));
	EXPECT_EQ(0x010000ed, edu_read(self, EDU_ID));
	route_to(self, VECTOR);
	must(hv_ioctl(self->vm->fd, HV_IRQFD, &(struct hv_irqfd){ .fd = fd, .gsi = GSI }));
	msi_to(self, fd);
	edu_write(self, EDU_IRQ_RAISE, 5);
	EXPECT_TRUE(msi_comes(self, VECTOR, 1));
	EXPECT_EQ(5, edu_read(self, EDU_IRQ_STATUS));
	edu_write(self, EDU_IRQ_ACK, 5);
	route_to(self, VECTOR + 1);
	edu_write(self, EDU_IRQ_RAISE, 1);
	EXPECT_TRUE(msi_comes(self, VECTOR + 1, 1));
	EXPECT_TRUE(msi_comes(self, VECTOR, 1));
	edu_write(self, EDU_IRQ_ACK, 1);
	/* VFIO takes its interrupt away first, or the VMM its irqfd. */
	msi_to(self, -1);
	msi_to(self, fd);
	edu_write(self, EDU_IRQ_RAISE, 1);
	EXPECT_TRUE(msi_comes(self, VECTOR + 1, 2));
	must(hv_ioctl(self->vm->fd, HV_IRQFD, &(struct hv_irqfd) {
		.fd = fd, .gsi = GSI, .flags = HV_IRQFD_FLAG_DEASSIGN }));
	close(fd);
}

static bool edu_dma(FIXTURE_DATA(vfio) *self, uint32_t src, uint32_t dst, uint32_t command)
{
	edu_write(self, EDU_DMA_SRC, src);
	edu_write(self, EDU_DMA_DST, dst);
	edu_write(self, EDU_DMA_COUNT, 256);
	edu_write(self, EDU_DMA_CMD, command);
	return wait_for(!(edu_read(self, EDU_DMA_CMD) & 1));
}

/* DMA through VFIO's domain ends in guest memory. */
TEST_F(vfio, dma)
{
	const uint32_t from = GUEST_RAM_SIZE - 2 * PAGE, to = GUEST_RAM_SIZE - PAGE;
	unsigned int i;

	for (i = 0; i < 256; i++)
		self->vm->ram[from + i] = i * 7 + 3;
	memset(self->vm->ram + to, 0, 256);
	EXPECT_TRUE(edu_dma(self, from, EDU_BUFFER, 1));
	EXPECT_TRUE(edu_dma(self, EDU_BUFFER, to, 3));
	EXPECT_EQ(0, memcmp(self->vm->ram + from, self->vm->ram + to, 256));
}

/* The file stays with the VM when the VMM closes its fd, and goes with the device's. */
TEST_F(vfio, keeps_the_file)
{
	int fd, group = dup(self->group);

	if (device_is_kvm())
		SKIP(return, "stock KVM of 6.1 keeps it until the VM ends");
	if (!self->coherent)
		SKIP(return, "this IOMMU does not enforce coherency");
	EXPECT_EQ(-ENOENT,
		  attribute(self->dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_DEL, &group));
	EXPECT_EQ(0, attribute(self->dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, &group));
	EXPECT_EQ(-EEXIST,
		  attribute(self->dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, &group));
	EXPECT_EQ(0, attribute(self->dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_DEL, &group));
	EXPECT_EQ(-ENOENT,
		  attribute(self->dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_DEL, &group));
	EXPECT_EQ(0, attribute(self->dev, HV_SET_DEVICE_ATTR, HV_DEV_VFIO_FILE_ADD, &group));
	/* A group can be opened once at a time. */
	must(vm_slot(self->vm, 5, BAR_GPA, 0, NULL, 0));
	munmap(self->bar, BAR_SIZE);
	close(self->device);
	close(group);
	close(self->group);
	close(self->container);
	fd = open(self->group_path, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-1, fd);
	EXPECT_EQ(EBUSY, errno);
	close(self->dev);
	self->group = open(self->group_path, O_RDWR | O_CLOEXEC);
	EXPECT_GE(self->group, 0);
	self->device = -1;
	self->container = -1;
	self->dev = -1;
}

TEST_HARNESS_MAIN
