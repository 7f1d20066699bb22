// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of functions bound to hv-pci, without a VM: what they tell, one opener at a time,
 * configuration space against hostile writes, registers by mapping and by read and write,
 * and the end of all of that when the function is unbound or removed. The function is QEMU's edu.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "pci.h"
#include "kselftest_harness.h"

FIXTURE(pci_device)
{
	bdf_t bdf;
	int fd;
};

FIXTURE_SETUP(pci_device)
{
	self->fd = -1;
	if (device_is_kvm())
		SKIP(return, "stock KVM has no device files");
	if (!pci_find(EDU_VENDOR, EDU_DEVICE, true, self->bdf) &&
	    !pci_find(EDU_VENDOR, EDU_DEVICE, false, self->bdf))
		SKIP(return, NO_DEVICE);
	pci_bind(self->bdf);
	self->fd = pci_open(self->bdf);
	must(self->fd);
}

FIXTURE_TEARDOWN(pci_device)
{
	if (self->fd < 0)
		return;
	close(self->fd);
	if (!pci_present(self->bdf))
		pci_rescan();
	pci_attribute(self->bdf, "driver_override", "\n");
	if (pci_open(self->bdf) != -ENOENT)
		pci_unbind(self->bdf);
}

static long get_info(int fd, struct hv_pci_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return hv_ioctl(fd, HV_PCI_GET_INFO, info);
}

/* The registers need no guest: the VMM may use them, too. */
static uint32_t edu_invert(volatile uint32_t *edu, uint32_t value)
{
	edu[EDU_INVERT / 4] = value;
	return edu[EDU_INVERT / 4];
}

TEST_F(pci_device, info)
{
	struct hv_pci_info info;

	ASSERT_EQ(0, get_info(self->fd, &info));
	EXPECT_EQ(EDU_VENDOR, info.vendor);
	EXPECT_EQ(EDU_DEVICE, info.device);
	EXPECT_EQ(0x00ff00, info.class);
	EXPECT_EQ(1, info.nr_msi);
	EXPECT_EQ(0, info.nr_msix);
	EXPECT_EQ(HV_PCI_IRQ_NONE, info.irq_mode);
	EXPECT_LE(0, info.group);
	EXPECT_EQ(HV_PCI_HAS_INTX, info.flags & (HV_PCI_HAS_INTX | HV_PCI_ASSIGNED));
	EXPECT_EQ(1 << 20, info.region[0].size);
	EXPECT_EQ(HV_PCI_REGION_MMAP, info.region[0].flags);
	EXPECT_EQ(0, info.region[1].size);
	EXPECT_EQ(256, info.region[HV_PCI_REGION_CONFIG].size);
	EXPECT_EQ(region_offset(HV_PCI_REGION_CONFIG), info.region[HV_PCI_REGION_CONFIG].offset);

	info.size--;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_PCI_GET_INFO, &info));
	EXPECT_EQ(-EFAULT, hv_ioctl(self->fd, HV_PCI_GET_INFO, (void *)8));
	EXPECT_EQ(-ENOTTY, hv_ioctl(self->fd, HV_GET_API_VERSION, 0));
}

TEST_F(pci_device, one_opener)
{
	EXPECT_EQ(-EBUSY, pci_open(self->bdf));
	close(self->fd);
	self->fd = pci_open(self->bdf);
	EXPECT_LE(0, self->fd);
}

/* The calls that need a VM say so. */
TEST_F(pci_device, unassigned)
{
	struct hv_pci_irqs irqs = { .size = sizeof(irqs), .mode = HV_PCI_IRQ_MSI, .count = 1 };
	struct hv_pci_vector_route r = { .size = sizeof(r), .addr = GUEST_APIC };
	struct hv_pci_vector_state s = { .size = sizeof(s) };

	EXPECT_EQ(-ENXIO, hv_ioctl(self->fd, HV_PCI_SET_IRQS, &irqs));
	irqs.count = 2;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_PCI_SET_IRQS, &irqs));
	irqs = (struct hv_pci_irqs){ .size = sizeof(irqs), .mode = HV_PCI_IRQ_MSIX, .count = 1 };
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_PCI_SET_IRQS, &irqs));
	irqs = (struct hv_pci_irqs){ .size = sizeof(irqs) };
	EXPECT_EQ(0, hv_ioctl(self->fd, HV_PCI_SET_IRQS, &irqs));
	irqs.reserved = 1;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_PCI_SET_IRQS, &irqs));
	EXPECT_EQ(-ENXIO, hv_ioctl(self->fd, HV_PCI_SET_VECTOR, &r));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd, HV_PCI_GET_VECTOR, &s));
}

TEST_F(pci_device, bars_of_the_copy)
{
	uint32_t bar = hardware_config(self->bdf, PCI_BASE_ADDRESS_0, 4);
	volatile uint32_t *edu = bar_map(self->fd, 0, PAGE);

	EXPECT_EQ(0, config_read(self->fd, PCI_BASE_ADDRESS_0, 4));
	config_write(self->fd, PCI_BASE_ADDRESS_0, ~0U, 4);
	EXPECT_EQ(0xfff00000, config_read(self->fd, PCI_BASE_ADDRESS_0, 4));
	config_write(self->fd, PCI_BASE_ADDRESS_0, 0xfee00000, 4);
	EXPECT_EQ(0xfee00000, config_read(self->fd, PCI_BASE_ADDRESS_0, 4));
	config_write(self->fd, PCI_BASE_ADDRESS_1, ~0U, 4);
	EXPECT_EQ(0, config_read(self->fd, PCI_BASE_ADDRESS_1, 4));
	EXPECT_EQ(bar, hardware_config(self->bdf, PCI_BASE_ADDRESS_0, 4));
	EXPECT_EQ(~0x1234U, edu_invert(edu, 0x1234));
	munmap((void *)edu, PAGE);
}

TEST_F(pci_device, command)
{
	uint32_t hw = hardware_config(self->bdf, PCI_COMMAND, 2);
	volatile uint32_t *edu = bar_map(self->fd, 0, PAGE);

	EXPECT_EQ(0, hw & PCI_COMMAND_MASTER);
	/* No VM has it: it may not master the bus. */
	config_write(self->fd, PCI_COMMAND, 0xffff, 2);
	EXPECT_EQ(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		  PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,
		  config_read(self->fd, PCI_COMMAND, 2));
	EXPECT_EQ(hw, hardware_config(self->bdf, PCI_COMMAND, 2));
	/* Off in the copy: the VMM takes the BAR from the guest, it isn't switched off. */
	config_write(self->fd, PCI_COMMAND, 0, 2);
	EXPECT_EQ(hw, hardware_config(self->bdf, PCI_COMMAND, 2));
	EXPECT_EQ(~5U, edu_invert(edu, 5));
	munmap((void *)edu, PAGE);
}

/* All bytes written with all ones, then zeros: the hardware doesn't notice. */
TEST_F(pci_device, hostile_writes)
{
	uint32_t before[64], ids = config_read(self->fd, PCI_VENDOR_ID, 4);
	unsigned int i, pass;

	for (i = 0; i < 64; i++)
		before[i] = hardware_config(self->bdf, 4 * i, 4);
	for (pass = 0; pass < 4; pass++)
		for (i = 0; i < 64; i++)
			config_write(self->fd, 4 * i, pass & 1 ? 0 : ~0U >> pass, 4);
	for (i = 0; i < 64; i++)
		EXPECT_EQ(before[i], hardware_config(self->bdf, 4 * i, 4))
			TH_LOG("register 0x%x", 4 * i);
	EXPECT_EQ(ids, config_read(self->fd, PCI_VENDOR_ID, 4));
	EXPECT_EQ(1, config_read(self->fd, PCI_INTERRUPT_PIN, 1));
}

TEST_F(pci_device, msi_capability)
{
	unsigned int msi = config_cap(self->fd, PCI_CAP_ID_MSI);

	ASSERT_NE(0, msi);
	config_write(self->fd, msi + PCI_MSI_ADDRESS_LO, 0xfee01003, 4);
	config_write(self->fd, msi + PCI_MSI_DATA_64, 0x4051, 2);
	config_write(self->fd, msi + PCI_MSI_FLAGS, 0xffff, 2);
	EXPECT_EQ(0xfee01000, config_read(self->fd, msi + PCI_MSI_ADDRESS_LO, 4));
	EXPECT_EQ(0x4051, config_read(self->fd, msi + PCI_MSI_DATA_64, 2));
	EXPECT_EQ(PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_QSIZE | PCI_MSI_FLAGS_ENABLE,
		  config_read(self->fd, msi + PCI_MSI_FLAGS, 2));
	EXPECT_EQ(0, hardware_config(self->bdf, msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE);
}

static void write_hardware(const bdf_t bdf, unsigned int pos, uint32_t value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd);
	if (pwrite(fd, &value, 4, pos) != 4)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* What the host has once told the function to send isn't the guest's to see. */
TEST_F(pci_device, message_of_the_host)
{
	unsigned int msi = config_cap(self->fd, PCI_CAP_ID_MSI);
	bdf_t bdf;
	int fd;

	/* Opening resets the others. */
	if (!pci_find(EDU_VENDOR, EDU_DEVICE, false, bdf) || !strcmp(bdf, self->bdf))
		SKIP(return, "no second edu device, which can't be reset");
	pci_bind(bdf);
	write_hardware(bdf, msi + PCI_MSI_ADDRESS_LO, 0xfee01000);
	write_hardware(bdf, msi + PCI_MSI_DATA_64, 0x41);
	fd = pci_open(bdf);
	must(fd);
	EXPECT_EQ(0, config_read(fd, msi + PCI_MSI_ADDRESS_LO, 4));
	EXPECT_EQ(0, config_read(fd, msi + PCI_MSI_DATA_64, 2));
	EXPECT_EQ(0xfee01000, hardware_config(bdf, msi + PCI_MSI_ADDRESS_LO, 4));
	close(fd);
	write_hardware(bdf, msi + PCI_MSI_ADDRESS_LO, 0);
	write_hardware(bdf, msi + PCI_MSI_DATA_64, 0);
}

/* A capability that isn't on the list isn't there: an AHCI controller has one of its own. */
TEST_F(pci_device, hidden_capability)
{
	unsigned int pos;
	bdf_t ahci;
	int fd;

	/* QEMU's machine has one, too, at the end, whose interrupt the host can't switch on. */
	if (!pci_find_nth(0x8086, 0x2922, 1, ahci) || !pci_find_nth(0x8086, 0x2922, 0, ahci))
		SKIP(return, "no AHCI controller: tools/testbed/run --device ich9-ahci");
	pos = hardware_config(ahci, PCI_CAPABILITY_LIST, 1);
	while (pos && hardware_config(ahci, pos, 1) != PCI_CAP_ID_SATA)
		pos = hardware_config(ahci, pos + PCI_CAP_LIST_NEXT, 1);
	ASSERT_NE(0, pos);
	pci_bind(ahci);
	fd = pci_open(ahci);
	must(fd);
	EXPECT_NE(0, config_cap(fd, PCI_CAP_ID_MSI));
	EXPECT_EQ(0, config_cap(fd, PCI_CAP_ID_SATA));
	EXPECT_EQ(0, config_read(fd, pos, 4));
	close(fd);
	pci_unbind(ahci);
}

TEST_F(pci_device, bounds)
{
	struct hv_pci_info info;
	uint64_t size, data = 0;

	ASSERT_EQ(0, get_info(self->fd, &info));
	size = info.region[HV_PCI_REGION_CONFIG].size;
	EXPECT_EQ(2, region_read(self->fd, HV_PCI_REGION_CONFIG, size - 2, &data, 8));
	EXPECT_EQ(0, region_read(self->fd, HV_PCI_REGION_CONFIG, size, &data, 8));
	EXPECT_EQ(0, region_write(self->fd, HV_PCI_REGION_CONFIG, size, &data, 8));
	EXPECT_EQ(0, region_read(self->fd, 1, 0, &data, 8));
	EXPECT_EQ(0, region_read(self->fd, HV_PCI_NR_REGIONS, 0, &data, 8));
	EXPECT_EQ(4, region_read(self->fd, 0, EDU_ID, &data, 4));
	EXPECT_EQ(0xed, data & 0xff);
	data = 0x5a5a5a5a;
	EXPECT_EQ(4, region_write(self->fd, 0, EDU_INVERT, &data, 4));
	EXPECT_EQ(4, region_read(self->fd, 0, EDU_INVERT, &data, 4));
	EXPECT_EQ(0xa5a5a5a5, data);

	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, (1 << 20) + PAGE, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 1 << 20));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
				   region_offset(HV_PCI_REGION_CONFIG)));
}

#define BAR_SIZE	(1UL << 20)
#define UNTOUCHED	0xa5

static void read_all(int fd, uint8_t *to)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(region_read(fd, 0, 0, to, BAR_SIZE) == (long)BAR_SIZE ? 0 : 1);
}

/* Reading a BAR takes long. Who is killed does not read it to its end. */
TEST_F_TIMEOUT(pci_device, killed_while_reading, 120)
{
	uint8_t *to = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile uint8_t *first = to, *last = to + BAR_SIZE - 1;
	unsigned int round;
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, to);
	/* It may be done before it is killed, where the other process doesn't run meanwhile. */
	for (round = 0; round < 50; round++) {
		memset(to, UNTOUCHED, BAR_SIZE);
		pid = fork();
		must(pid < 0 ? -errno : 0);
		if (!pid)
			read_all(self->fd, to);
		while (*first == UNTOUCHED)
			sched_yield();
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (*last == UNTOUCHED)
			break;
	}
	EXPECT_EQ(UNTOUCHED, *last);
	EXPECT_TRUE(WIFSIGNALED(status));
	munmap(to, BAR_SIZE);
}

/* Lines of the kernel's log in which @text is */
static unsigned int log_lines(const char *text)
{
	static char log[1 << 20];
	int n = klogctl(3, log, sizeof(log) - 1);
	unsigned int lines = 0;
	const char *p;

	must(n < 0 ? -errno : 0);
	log[n] = 0;
	for (p = log; (p = strstr(p, text)); p++)
		lines++;
	return lines;
}

/* A ROM in which nothing is reads as ones, and the log hears of it once at most. */
TEST_F(pci_device, rom_without_image)
{
	const char *text = "Invalid PCI ROM header signature";
	unsigned int before = log_lines(text), round;
	struct hv_pci_info info;
	uint8_t *data;
	uint64_t i, size;

	ASSERT_EQ(0, get_info(self->fd, &info));
	size = info.region[HV_PCI_REGION_ROM].size;
	if (!size)
		SKIP(return, "no ROM: tools/testbed/run --device edu,romfile=FILE, of zeros");
	data = ram_alloc(size);
	for (round = 0; round < 2; round++) {
		memset(data, 0, size);
		ASSERT_EQ(size, region_read(self->fd, HV_PCI_REGION_ROM, 0, data, size));
		for (i = 0; i < size && data[i] == 0xff; i++)
			;
		EXPECT_EQ(size, i);
	}
	EXPECT_LE(log_lines(text), before + 1);
	munmap(data, size);
}

TEST_F(pci_device, reset)
{
	volatile uint32_t *edu = bar_map(self->fd, 0, PAGE);
	struct hv_pci_info info;
	long ret;

	ASSERT_EQ(0, get_info(self->fd, &info));
	config_write(self->fd, PCI_INTERRUPT_LINE, 9, 1);
	EXPECT_EQ(~7U, edu_invert(edu, 7));
	ret = hv_ioctl(self->fd, HV_PCI_RESET, 0);
	if (info.flags & HV_PCI_CAN_RESET) {
		EXPECT_EQ(0, ret);
		EXPECT_EQ(0, config_read(self->fd, PCI_INTERRUPT_LINE, 1));
	} else {
		EXPECT_EQ(-EOPNOTSUPP, ret);
		EXPECT_EQ(9, config_read(self->fd, PCI_INTERRUPT_LINE, 1));
	}
	/* The mapping was taken and comes back. */
	EXPECT_EQ(~8U, edu_invert(edu, 8));
	munmap((void *)edu, PAGE);
}

static void expect_gone(struct __test_metadata *_metadata, FIXTURE_DATA(pci_device) *self,
			volatile uint32_t *edu)
{
	struct hv_pci_info info;
	uint32_t data = 0;

	EXPECT_EQ(-ENODEV, get_info(self->fd, &info));
	EXPECT_EQ(-ENODEV, hv_ioctl(self->fd, HV_PCI_RESET, 0));
	EXPECT_EQ(-ENODEV, region_read(self->fd, HV_PCI_REGION_CONFIG, 0, &data, 4));
	EXPECT_EQ(-ENODEV, region_write(self->fd, 0, EDU_INVERT, &data, 4));
	EXPECT_EQ(~0U, edu[EDU_ID / 4]);
	/* Nobody hears it. */
	edu[EDU_INVERT / 4] = 3;
	munmap((void *)edu, PAGE);
}

TEST_F(pci_device, unbound_while_open)
{
	volatile uint32_t *edu = bar_map(self->fd, 0, PAGE);

	EXPECT_EQ(~9U, edu_invert(edu, 9));
	pci_unbind(self->bdf);
	expect_gone(_metadata, self, edu);
	EXPECT_EQ(-ENOENT, pci_open(self->bdf));
}

TEST_F(pci_device, removed_while_open)
{
	volatile uint32_t *edu = bar_map(self->fd, 0, PAGE);

	EXPECT_EQ(~9U, edu_invert(edu, 9));
	pci_attribute(self->bdf, "remove", "1");
	expect_gone(_metadata, self, edu);
	EXPECT_FALSE(pci_present(self->bdf));
}

TEST_HARNESS_MAIN
