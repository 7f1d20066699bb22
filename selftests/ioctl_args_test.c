// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call with bad arguments: pointers that lead nowhere, numbers that are
 * nobody's, numbers that differ from a call only in their size, and the
 * same fd used by two threads.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define NOWHERE		0x10UL		/* never mapped */
#define KERNEL		0xffff888000000000UL

enum { SYS, VM, VCPU };

/* Calls that take a pointer. */
static const struct call {
	const char *name;
	unsigned long nr;
	int fd;
} calls[] = {
#define CALL(fd, nr)	{ #nr, nr, fd }
	CALL(SYS, HV_GET_MSR_INDEX_LIST),
	CALL(SYS, HV_GET_SUPPORTED_CPUID),
	CALL(SYS, HV_GET_MSR_FEATURE_INDEX_LIST),
	CALL(SYS, HV_GET_MSRS),
	CALL(SYS, HV_X86_GET_MCE_CAP_SUPPORTED),
	CALL(VM, HV_SET_USER_MEMORY_REGION),
	CALL(VM, HV_SET_IDENTITY_MAP_ADDR),
	CALL(VM, HV_GET_IRQCHIP),
	CALL(VM, HV_SET_IRQCHIP),
	CALL(VM, HV_IRQ_LINE),
	CALL(VM, HV_IRQ_LINE_STATUS),
	CALL(VM, HV_SET_GSI_ROUTING),
	CALL(VM, HV_SIGNAL_MSI),
	CALL(VM, HV_GET_CLOCK),
	CALL(VM, HV_SET_CLOCK),
	CALL(VM, HV_ENABLE_CAP),
	CALL(VCPU, HV_GET_REGS),
	CALL(VCPU, HV_SET_REGS),
	CALL(VCPU, HV_GET_SREGS),
	CALL(VCPU, HV_SET_SREGS),
	CALL(VCPU, HV_TRANSLATE),
	CALL(VCPU, HV_INTERRUPT),
	CALL(VCPU, HV_GET_MSRS),
	CALL(VCPU, HV_SET_MSRS),
	CALL(VCPU, HV_GET_FPU),
	CALL(VCPU, HV_SET_FPU),
	CALL(VCPU, HV_GET_LAPIC),
	CALL(VCPU, HV_SET_LAPIC),
	CALL(VCPU, HV_SET_CPUID2),
	CALL(VCPU, HV_GET_CPUID2),
	CALL(VCPU, HV_TPR_ACCESS_REPORTING),
	CALL(VCPU, HV_SET_VAPIC_ADDR),
	CALL(VCPU, HV_GET_MP_STATE),
	CALL(VCPU, HV_SET_MP_STATE),
	CALL(VCPU, HV_SET_GUEST_DEBUG),
	CALL(VCPU, HV_X86_SETUP_MCE),
	CALL(VCPU, HV_GET_VCPU_EVENTS),
	CALL(VCPU, HV_SET_VCPU_EVENTS),
	CALL(VCPU, HV_GET_DEBUGREGS),
	CALL(VCPU, HV_SET_DEBUGREGS),
	CALL(VCPU, HV_GET_XSAVE),
	CALL(VCPU, HV_SET_XSAVE),
	CALL(VCPU, HV_GET_XCRS),
	CALL(VCPU, HV_SET_XCRS),
	CALL(VCPU, HV_ENABLE_CAP),
};

FIXTURE(args)
{
	struct vm *vm;
	struct vcpu *vcpu;
	int fd[3];
};

FIXTURE_SETUP(args)
{
	self->vm = vm_create(VM_IRQCHIP);
	self->vcpu = vcpu_create(self->vm, 0);
	self->fd[SYS] = self->vm->sys;
	self->fd[VM] = self->vm->fd;
	self->fd[VCPU] = self->vcpu->fd;
}

FIXTURE_TEARDOWN(args)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static bool offered(int fd, const struct call *call)
{
	if (call->nr == HV_GET_MSR_FEATURE_INDEX_LIST ||
	    (call->nr == HV_GET_MSRS && call->fd == SYS))
		return check_cap(fd, HV_CAP_GET_MSR_FEATURES);
	if (call->nr == HV_ENABLE_CAP && call->fd == VCPU)
		return check_cap(fd, HV_CAP_ENABLE_CAP);
	return true;
}

/*
 * An address that isn't mapped, one of the kernel's, and one whose first byte
 * only is mapped: an error, and nothing happens.
 */
TEST_F(args, bad_pointers)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long bad[3];
	unsigned int i, j;

	ASSERT_NE(MAP_FAILED, page);
	munmap(page + PAGE, PAGE);
	bad[0] = NOWHERE;
	bad[1] = KERNEL;
	bad[2] = (unsigned long)page + PAGE - 1;

	for (i = 0; i < ARRAY_LEN(calls); i++) {
		const struct call *c = &calls[i];

		if (!offered(self->vm->sys, c))
			continue;
		for (j = 0; j < ARRAY_LEN(bad); j++) {
			long ret = hv_ioctl(self->fd[c->fd], c->nr, bad[j]);
			/* KVM looks at this call's state first: a vCPU exists. */
			long want = device_is_kvm() && c->nr == HV_SET_IDENTITY_MAP_ADDR ?
				    -EINVAL : -EFAULT;

			EXPECT_EQ(want, ret) {
				TH_LOG("%s(%#lx)", c->name, bad[j]);
			}
		}
	}
}

/* Memory that can be read but not written: results can't be stored. */
TEST_F(args, read_only_results)
{
	uint32_t *page = ram_alloc(4 * PAGE);
	unsigned int i;

	/* HV_GET_IRQCHIP's chip; the others are happy with it, too. */
	page[0] = HV_IRQCHIP_IOAPIC;
	ASSERT_EQ(0, mprotect(page, 4 * PAGE, PROT_READ));
	for (i = 0; i < ARRAY_LEN(calls); i++) {
		const struct call *c = &calls[i];

		/* KVM's SET_IRQCHIP has the wrong direction in its number. */
		if (!(c->nr >> 30 & _IOC_READ) || c->nr == HV_SET_IRQCHIP)
			continue;
		/* Empty lists have nothing to store. */
		if (c->nr == HV_GET_MSRS || c->nr == HV_GET_SUPPORTED_CPUID ||
		    c->nr == HV_GET_CPUID2 || !offered(self->vm->sys, c))
			continue;
		EXPECT_EQ(-EFAULT, hv_ioctl(self->fd[c->fd], c->nr, page)) {
			TH_LOG("%s", c->name);
		}
	}
}

/* Numbers that are nobody's. */
TEST_F(args, unknown_numbers)
{
	static char buffer[65536];
	static const unsigned int nr[] = { 0x0b, 0x3f, 0x5f, 0x7f, 0xf0, 0xff };
	static const unsigned int size[] = { 0, 1, 8, 4096, 16383 };
	unsigned int dir, i, j;

	for (dir = 0; dir < 4; dir++)
		for (i = 0; i < ARRAY_LEN(nr); i++)
			for (j = 0; j < ARRAY_LEN(size); j++) {
				unsigned long cmd = _IOC(dir, HVIO, nr[i], size[j]);

				EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[SYS], cmd, buffer));
				EXPECT_EQ(-ENOTTY, hv_ioctl(self->fd[VM], cmd, buffer));
				EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[VCPU], cmd, buffer));
			}
	/* Another driver's type byte. */
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[SYS], _IO('T', 0x00), 0));
	EXPECT_EQ(-ENOTTY, hv_ioctl(self->fd[VM], _IO('T', 0x41), 0));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[VCPU], _IO('T', 0x80), 0));
}

/* The number of a call with another size or direction is another call. */
TEST_F(args, sized_collisions)
{
	static char buffer[65536];
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(calls); i++) {
		const struct call *c = &calls[i];
		unsigned long cmd = _IOC(_IOC_DIR(c->nr), HVIO, _IOC_NR(c->nr),
					 _IOC_SIZE(c->nr) + 1);

		EXPECT_EQ(c->fd == VM ? -ENOTTY : -EINVAL,
			  hv_ioctl(self->fd[c->fd], cmd, buffer)) {
			TH_LOG("%s with a larger size", c->name);
		}
		cmd = _IOC(_IOC_DIR(c->nr) ^ (_IOC_READ | _IOC_WRITE), HVIO,
			   _IOC_NR(c->nr), _IOC_SIZE(c->nr) + 4);
		EXPECT_EQ(c->fd == VM ? -ENOTTY : -EINVAL,
			  hv_ioctl(self->fd[c->fd], cmd, buffer)) {
			TH_LOG("%s with another direction", c->name);
		}
	}
}

/* Calls that share the low byte of their number: SET_TSC_KHZ isn't SET_DEBUGREGS. */
TEST_F(args, same_low_byte)
{
	struct hv_debugregs regs, before;

	ASSERT_EQ(0, hv_ioctl(self->fd[VCPU], HV_GET_DEBUGREGS, &before));
	ASSERT_EQ(0, hv_ioctl(self->fd[VCPU], HV_SET_TSC_KHZ, 0));
	ASSERT_EQ(0, hv_ioctl(self->fd[VCPU], HV_GET_DEBUGREGS, &regs));
	EXPECT_EQ(0, memcmp(&before, &regs, sizeof(regs)));
	/* GET_TSC_KHZ and ENABLE_CAP: the former doesn't look at its argument. */
	EXPECT_GT(0, hv_ioctl(self->fd[VCPU], HV_ENABLE_CAP, NOWHERE));
	EXPECT_GT(hv_ioctl(self->fd[VCPU], HV_GET_TSC_KHZ, NOWHERE), 0);
}

TEST_F(args, huge_counts)
{
	struct hv_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 64);
	struct hv_msrs *msrs = calloc(1, sizeof(*msrs) + 64);
	struct hv_irq_routing *routing = calloc(1, sizeof(*routing) + 64);
	struct { uint32_t len; uint8_t set[16]; } mask = { .len = 0xffffffff };

	cpuid->nent = 0xffffffff;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->fd[VCPU], HV_SET_CPUID2, cpuid));
	cpuid->nent = 257;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->fd[VCPU], HV_SET_CPUID2, cpuid));
	msrs->nmsrs = 0xffffffff;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->fd[VCPU], HV_GET_MSRS, msrs));
	EXPECT_EQ(-E2BIG, hv_ioctl(self->fd[VCPU], HV_SET_MSRS, msrs));
	msrs->nmsrs = 256;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->fd[VCPU], HV_GET_MSRS, msrs));
	msrs->nmsrs = 0;
	EXPECT_EQ(0, hv_ioctl(self->fd[VCPU], HV_GET_MSRS, msrs));
	EXPECT_EQ(0, hv_ioctl(self->fd[VCPU], HV_SET_MSRS, msrs));
	routing->nr = 0xffffffff;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[VM], HV_SET_GSI_ROUTING, routing));
	routing->nr = 4097;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[VM], HV_SET_GSI_ROUTING, routing));
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[VCPU], HV_SET_SIGNAL_MASK, &mask));
	mask.len = 0;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->fd[VCPU], HV_SET_SIGNAL_MASK, &mask));
	free(cpuid);
	free(msrs);
	free(routing);
}

TEST_F(args, bad_fds)
{
	struct hv_regs regs;

	EXPECT_EQ(-EBADF, hv_ioctl(-1, HV_GET_REGS, &regs));
	EXPECT_EQ(-EBADF, hv_ioctl(4000, HV_CREATE_VM, 0));
	EXPECT_EQ(-ENOTTY, hv_ioctl(0, HV_GET_REGS, &regs));
}

/* Calls whose third argument clients leave uninitialized. */
TEST_F(args, ignored_arguments)
{
	struct vm *vm = vm_create(VM_BARE);

	EXPECT_EQ(0, hv_ioctl(vm->fd, HV_CREATE_IRQCHIP, 0xdeadbeef));
	EXPECT_EQ(0, hv_ioctl(self->fd[VCPU], HV_NMI, 0xdeadbeef));
	EXPECT_GT(hv_ioctl(self->fd[VCPU], HV_GET_TSC_KHZ, 0xdeadbeef), 0);
	vm_free(vm);
}

struct hammer {
	int fd;
	volatile bool stop;
	unsigned long bad;
};

static void *set_and_get(void *arg)
{
	struct hammer *h = arg;
	struct hv_regs regs = { .rflags = RFLAGS_FIXED };
	struct hv_sregs sregs;

	while (!h->stop) {
		regs.rax++;
		regs.rbx = ~regs.rax;
		if (hv_ioctl(h->fd, HV_SET_REGS, &regs) ||
		    hv_ioctl(h->fd, HV_GET_REGS, &regs) ||
		    hv_ioctl(h->fd, HV_GET_SREGS, &sregs) ||
		    hv_ioctl(h->fd, HV_SET_SREGS, &sregs) ||
		    regs.rbx != ~regs.rax)
			h->bad++;
	}
	return NULL;
}

/* Two threads on one vCPU: each call is whole. */
TEST_F(args, two_threads)
{
	struct hammer h = { .fd = self->fd[VCPU] };
	pthread_t t[2];

	pthread_create(&t[0], NULL, set_and_get, &h);
	pthread_create(&t[1], NULL, set_and_get, &h);
	sleep_us(50000);
	h.stop = true;
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	EXPECT_EQ(0, h.bad);
}

static void *create_vcpus(void *arg)
{
	struct vm *vm = arg;
	unsigned long made = 0;
	unsigned int id;

	for (id = 0; id < 4; id++) {
		long fd = hv_ioctl(vm->fd, HV_CREATE_VCPU, id);

		if (fd >= 0) {
			made++;
			close(fd);
		} else if (fd != -EEXIST) {
			return (void *)1000;
		}
	}
	return (void *)made;
}

/* Two threads make the same vCPUs: each id is given once. */
TEST_F(args, two_threads_create)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	void *made[2];
	pthread_t t[2];

	pthread_create(&t[0], NULL, create_vcpus, vm);
	pthread_create(&t[1], NULL, create_vcpus, vm);
	pthread_join(t[0], &made[0]);
	pthread_join(t[1], &made[1]);
	EXPECT_EQ(4, (unsigned long)made[0] + (unsigned long)made[1]);
	vm_free(vm);
}

static void *flip_slot(void *arg)
{
	struct vm *vm = arg;
	unsigned long i, bad = 0;

	for (i = 0; i < 50; i++) {
		long add = vm_slot(vm, 7, 0x10000000, PAGE, vm->ram, 0);

		/* The other thread may have it there already: same is no change. */
		if (add)
			bad++;
		add = vm_slot(vm, 7, 0, 0, NULL, 0);
		if (add && add != -EINVAL)
			bad++;
	}
	return (void *)bad;
}

TEST_F(args, two_threads_slots)
{
	void *bad[2];
	pthread_t t[2];

	pthread_create(&t[0], NULL, flip_slot, self->vm);
	pthread_create(&t[1], NULL, flip_slot, self->vm);
	pthread_join(t[0], &bad[0]);
	pthread_join(t[1], &bad[1]);
	EXPECT_EQ(NULL, bad[0]);
	EXPECT_EQ(NULL, bad[1]);
}

TEST_HARNESS_MAIN
