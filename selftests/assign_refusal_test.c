// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_ASSIGN_DEVICE refuses a device that can't be kept apart, or a VM that it can't be given to: each
 * reason with its errno, its number and a sentence, and nothing is left pinned. Which tests
 * run depends on the host: without IOMMU, without interrupt remapping, with functions that share a group.
 */
#include <dirent.h>
#include <fcntl.h>
#include "edu.h"
#include "kselftest_harness.h"

#define GPA	0x10000000UL
/* Calls of each of two threads */
#define ROUNDS	500U

/* Any edu device, also one without IOMMU */
static bool edu_any(unsigned int n, bdf_t bdf)
{
	return pci_find_nth(EDU_VENDOR, EDU_DEVICE, n, bdf);
}

static bool same_group(const bdf_t a, const bdf_t b)
{
	char path[128], to[2][256] = { "", "" };

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", a);
	if (readlink(path, to[0], sizeof(to[0]) - 1) < 0)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", b);
	if (readlink(path, to[1], sizeof(to[1]) - 1) < 0)
		return false;
	return !strcmp(to[0], to[1]);
}

/* A word of the kernel's command line */
static bool booted_with(const char *word)
{
	char line[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		die("/proc/cmdline");
	close(fd);
	return strstr(line, word);
}

FIXTURE(refusal)
{
	struct vm *vm;
	struct edu edu;
	struct hv_assign_device a;
};

FIXTURE_SETUP(refusal)
{
	if (device_is_kvm())
		SKIP(return, "KVM doesn't assign devices");
	if (!edu_any(0, self->edu.bdf))
		SKIP(return, NO_DEVICE);
	self->vm = vm_create(0);
	pci_bind(self->edu.bdf);
	self->edu.fd = pci_open(self->edu.bdf);
	must(self->edu.fd);
}

FIXTURE_TEARDOWN(refusal)
{
	if (!self->vm)
		return;
	close(self->edu.fd);
	vm_free(self->vm);
}

#define EXPECT_REFUSED(err, why, text)						\
do {										\
	EXPECT_EQ(-(err), edu_assign(self->vm, &self->edu, HV_ASSIGN_WITHOUT_RESET, &self->a)); \
	EXPECT_EQ(HV_ASSIGN_REASON_##why, self->a.reason);			\
	EXPECT_NE(NULL, strstr(self->a.message, text)) {			\
		TH_LOG("message: %s", self->a.message);				\
	}									\
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));			\
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));				\
} while (0)

static bool has_iommu(FIXTURE_DATA(refusal) *self)
{
	return same_group(self->edu.bdf, self->edu.bdf);
}

TEST_F(refusal, no_iommu)
{
	if (has_iommu(self))
		SKIP(return, "the host has an IOMMU");
	EXPECT_REFUSED(ENODEV, NO_IOMMU, "IOMMU");
}

/* A parameter allows it. */
TEST_F(refusal, no_interrupt_remapping)
{
	static const char path[] = "/sys/module/hv/parameters/allow_unsafe_interrupts";
	int fd;

	if (!has_iommu(self) || !booted_with("intremap=off"))
		SKIP(return, "the host remaps interrupts, or has no IOMMU");
	EXPECT_REFUSED(EPERM, NO_INTR_REMAP, "remapped");
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, write(fd, "Y", 1));
	EXPECT_EQ(0, edu_assign(self->vm, &self->edu, HV_ASSIGN_WITHOUT_RESET, &self->a));
	EXPECT_EQ(HV_ASSIGN_REASON_NONE, self->a.reason);
	EXPECT_EQ(0, edu_deassign(self->vm, &self->edu));
	ASSERT_EQ(1, pwrite(fd, "N", 1, 0));
	close(fd);
	EXPECT_REFUSED(EPERM, NO_INTR_REMAP, "remapped");
}

static bool assignable(FIXTURE_DATA(refusal) *self)
{
	return has_iommu(self) && !booted_with("intremap=off");
}

#define NOT_HERE "the host has no device that can be assigned"

TEST_F(refusal, no_reset)
{
	struct edu *edu[2];
	unsigned int i;

	if (!assignable(self))
		SKIP(return, NOT_HERE);
	close(self->edu.fd);
	self->edu.fd = -1;
	for (i = 0; i < 2; i++)
		edu[i] = edu_open(i);
	if (!edu[0] || !edu[1])
		SKIP(return, "no edu device of each kind");
	EXPECT_EQ(-EOPNOTSUPP, edu_assign(self->vm, edu[0], 0, &self->a));
	EXPECT_EQ(HV_ASSIGN_REASON_NO_RESET, self->a.reason);
	EXPECT_NE(NULL, strstr(self->a.message, "reset"));
	EXPECT_EQ(0, edu_assign(self->vm, edu[0], HV_ASSIGN_WITHOUT_RESET, &self->a));
	EXPECT_EQ(0, edu_assign(self->vm, edu[1], 0, &self->a));
	/* Behind one IOMMU they share a domain. */
	EXPECT_EQ(1, vm_stat(self->vm, "iommu_domains"));
	EXPECT_EQ(2, vm_stat(self->vm, "devices"));
	EXPECT_EQ(GUEST_RAM_SIZE, vm_stat(self->vm, "pinned_bytes"));
	EXPECT_EQ(0, edu_deassign(self->vm, edu[0]));
	EXPECT_EQ(GUEST_RAM_SIZE, vm_stat(self->vm, "pinned_bytes"));
	for (i = 0; i < 2; i++)
		edu_close(edu[i]);
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
}

TEST_F(refusal, assigned)
{
	struct vm *other;

	if (!assignable(self))
		SKIP(return, NOT_HERE);
	other = vm_create(0);
	must(edu_assign(other, &self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_REFUSED(EEXIST, ASSIGNED, "a VM has");
	EXPECT_EQ(-EEXIST, edu_assign(other, &self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_EQ(1, vm_stat(other, "devices"));
	vm_free(other);
}

TEST_F(refusal, memory)
{
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!assignable(self))
		SKIP(return, NOT_HERE);
	must(vm_slot(self->vm, 7, GPA, PAGE, hole, 0));
	EXPECT_REFUSED(EFAULT, MEMORY, "slot 7");
	must(vm_slot(self->vm, 7, GPA, PAGE, hole, HV_MEM_NO_DMA));
	EXPECT_EQ(0, edu_assign(self->vm, &self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
}

struct assigner {
	struct vm *vm;
	struct edu *edu;
	pthread_t thread;
	unsigned int refused;
	long other;		/* what came instead of a refusal */
};

static void *assign_often(void *arg)
{
	struct assigner *a = arg;
	long ret;

	while (a->refused < ROUNDS && !a->other) {
		ret = edu_assign(a->vm, a->edu, HV_ASSIGN_WITHOUT_RESET, NULL);
		if (ret == -EFAULT)
			a->refused++;
		else
			a->other = ret ?: 1;
	}
	return NULL;
}

/* None of the two calls at a time takes the slots that the other has got so far for all. */
TEST_F(refusal, memory_of_two)
{
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct assigner a[2] = {};
	unsigned int i;

	if (!assignable(self))
		SKIP(return, NOT_HERE);
	close(self->edu.fd);
	self->edu.fd = -1;
	for (i = 0; i < 2; i++)
		a[i] = (struct assigner){ .vm = self->vm, .edu = edu_open(i) };
	if (!a[0].edu || !a[1].edu)
		SKIP(return, "no edu device of each kind");
	must(vm_slot(self->vm, 7, GPA, PAGE, hole, 0));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&a[i].thread, NULL, assign_often, &a[i]));
	for (i = 0; i < 2; i++) {
		pthread_join(a[i].thread, NULL);
		EXPECT_EQ(0, a[i].other);
		EXPECT_EQ(ROUNDS, a[i].refused);
	}
	EXPECT_EQ(0, vm_stat(self->vm, "devices"));
	EXPECT_EQ(0, vm_stat(self->vm, "pinned_bytes"));
	must(vm_slot(self->vm, 7, 0, 0, NULL, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, edu_assign(self->vm, a[i].edu, HV_ASSIGN_WITHOUT_RESET, NULL));
		edu_close(a[i].edu);
	}
}

/* VT-d in QEMU translates 39 bits; others may do more. */
TEST_F(refusal, address)
{
	uint64_t gpa = 1UL << 39;
	void *mem = ram_alloc(PAGE);
	long ret;

	if (!assignable(self))
		SKIP(return, NOT_HERE);
	if (vm_slot(self->vm, 7, gpa, PAGE, mem, 0))
		SKIP(return, "guests have no such addresses");
	ret = edu_assign(self->vm, &self->edu, HV_ASSIGN_WITHOUT_RESET, &self->a);
	if (!ret)
		SKIP(return, "the IOMMU translates it");
	EXPECT_REFUSED(ERANGE, ADDRESS, "address");
	must(vm_slot(self->vm, 7, 0, 0, NULL, 0));
	EXPECT_EQ(0, edu_assign(self->vm, &self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_EQ(-ERANGE, vm_slot(self->vm, 7, gpa, PAGE, mem, 0));
	EXPECT_EQ(0, vm_slot(self->vm, 7, gpa, PAGE, mem, HV_MEM_NO_DMA));
}

TEST_F(refusal, dirty_rings)
{
	struct hv_enable_cap cap = { .cap = HV_CAP_DIRTY_LOG_RING_ACQ_REL, .args[0] = 65536 };

	if (!assignable(self))
		SKIP(return, NOT_HERE);
	EXPECT_EQ(0, edu_assign(self->vm, &self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vm->fd, HV_ENABLE_CAP, &cap));
	EXPECT_EQ(0, edu_deassign(self->vm, &self->edu));
	EXPECT_EQ(0, hv_ioctl(self->vm->fd, HV_ENABLE_CAP, &cap));
	EXPECT_REFUSED(EXDEV, DIRTY_RINGS, "dirty rings");
}

/* Functions of one group go to one VM, and with none of the host's drivers. */
TEST_F(refusal, group)
{
	struct edu second = { .fd = -1 };
	struct vm *other;
	bdf_t nic;

	if (!assignable(self) || !edu_any(1, second.bdf) ||
	    !same_group(self->edu.bdf, second.bdf) || !pci_find_nth(0x8086, 0x100e, 0, nic) ||
	    !same_group(self->edu.bdf, nic))
		SKIP(return, "the host has no two edu devices and an e1000 in a group");
	pci_bind(second.bdf);
	second.fd = pci_open(second.bdf);
	must(second.fd);
	other = vm_create(0);
	must(edu_assign(other, &second, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_REFUSED(EBUSY, GROUP_IN_USE, "in use");
	EXPECT_EQ(0, edu_assign(other, &self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	EXPECT_EQ(2, vm_stat(other, "devices"));
	EXPECT_EQ(1, vm_stat(other, "iommu_domains"));
	EXPECT_EQ(0, edu_deassign(other, &second));
	EXPECT_EQ(1, vm_stat(other, "iommu_domains"));
	/* A driver of the host can't have what is in a VM's group. */
	ASSERT_EQ(0, system("modprobe e1000"));
	EXPECT_TRUE(pci_driver_is(nic, NULL));
	EXPECT_EQ(0, edu_deassign(other, &self->edu));
	EXPECT_EQ(0, vm_stat(other, "iommu_domains"));
	pci_probe(nic);
	EXPECT_TRUE(pci_driver_is(nic, "e1000"));
	EXPECT_REFUSED(EBUSY, GROUP_IN_USE, nic);
	pci_unbind(nic);
	EXPECT_EQ(0, edu_assign(self->vm, &self->edu, HV_ASSIGN_WITHOUT_RESET, NULL));
	close(second.fd);
	vm_free(other);
}

TEST_HARNESS_MAIN
