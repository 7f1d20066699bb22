// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs from the VMM's side: the lists tell the truth, and every MSR that is
 * listed, or that QEMU saves without asking, can be read and written back.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define HYPERV_TIME_REF_COUNT	0x40000020	/* one of KVM's list */

FIXTURE(msrs)
{
	struct vm *vm;
	struct vcpu *vcpu;
	struct hv_msr_list *list;
};

FIXTURE_SETUP(msrs)
{
	uint64_t mcg_cap;

	self->vm = vm_create(VM_IRQCHIP);
	self->vcpu = vcpu_create(self->vm, 0);
	self->list = calloc(1, sizeof(*self->list) + 1024 * 4);
	self->list->nmsrs = 1024;
	must(hv_ioctl(self->vm->sys, HV_GET_MSR_INDEX_LIST, self->list));
	must(hv_ioctl(self->vm->sys, HV_X86_GET_MCE_CAP_SUPPORTED, &mcg_cap));
	mcg_cap |= 10;
	must(hv_ioctl(self->vcpu->fd, HV_X86_SETUP_MCE, &mcg_cap));
}

FIXTURE_TEARDOWN(msrs)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(msrs, list_protocol)
{
	struct hv_msr_list *l = calloc(1, sizeof(*l) + 1024 * 4);
	unsigned int n = self->list->nmsrs;

	l->nmsrs = 0;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->vm->sys, HV_GET_MSR_INDEX_LIST, l));
	EXPECT_EQ(n, l->nmsrs);
	l->nmsrs = n - 1;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->vm->sys, HV_GET_MSR_INDEX_LIST, l));
	EXPECT_EQ(n, l->nmsrs);
	EXPECT_EQ(0, l->indices[0]);
	l->nmsrs = n;
	EXPECT_EQ(0, hv_ioctl(self->vm->sys, HV_GET_MSR_INDEX_LIST, l));
	EXPECT_EQ(n, l->nmsrs);
	EXPECT_EQ(0, memcmp(l->indices, self->list->indices, n * 4));
	/* Firecracker and others give room for 256. */
	EXPECT_LE(n, 256);
	free(l);
}

TEST_F(msrs, list_has)
{
	static const uint32_t needed[] = {
		MSR_TSC, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR,
		MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_KERNEL_GS_BASE, MSR_PAT,
		MSR_MISC_ENABLE, MSR_TSC_DEADLINE,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_LEN(needed); i++) {
		for (j = 0; j < self->list->nmsrs; j++)
			if (self->list->indices[j] == needed[i])
				break;
		EXPECT_LT(j, self->list->nmsrs) {
			TH_LOG("MSR %#x", needed[i]);
		}
	}
	for (i = 0; i < self->list->nmsrs; i++)
		for (j = 0; j < i; j++)
			EXPECT_NE(self->list->indices[i], self->list->indices[j]);
}

TEST_F(msrs, every_listed_one_round_trips)
{
	unsigned int i;

	for (i = 0; i < self->list->nmsrs; i++) {
		uint32_t index = self->list->indices[i];
		uint64_t value, again;
		long ret = vcpu_get_msr(self->vcpu, index, &value);

		/* KVM lists a few that this vCPU's CPUID lacks; hv must not. */
		if (ret != 1 && device_is_kvm())
			continue;
		EXPECT_EQ(1, ret) {
			TH_LOG("MSR %#x can't be read", index);
		}
		EXPECT_EQ(1, vcpu_set_msr(self->vcpu, index, value)) {
			TH_LOG("MSR %#x can't be written with %#lx", index, value);
		}
		EXPECT_EQ(1, vcpu_get_msr(self->vcpu, index, &again));
		/* Time passes. */
		if (index != MSR_TSC && index != HYPERV_TIME_REF_COUNT)
			EXPECT_EQ(value, again) {
				TH_LOG("MSR %#x", index);
			}
	}
}

/* All at once, into a vCPU of another VM: a migration. */
TEST_F(msrs, whole_list)
{
	struct hv_msrs *m = calloc(1, sizeof(*m) + 256 * sizeof(m->entries[0]));
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	unsigned int i;

	if (device_is_kvm())
		SKIP(return, "KVM lists MSRs that this vCPU doesn't have");
	m->nmsrs = self->list->nmsrs;
	for (i = 0; i < m->nmsrs; i++)
		m->entries[i].index = self->list->indices[i];
	ASSERT_EQ(m->nmsrs, hv_ioctl(self->vcpu->fd, HV_GET_MSRS, m));
	EXPECT_EQ(m->nmsrs, hv_ioctl(vcpu->fd, HV_SET_MSRS, m));
	vcpu_free(vcpu);
	vm_free(vm);
	free(m);
}

/* QEMU reads and writes these whether they're listed or not, and aborts on failure. */
TEST_F(msrs, qemu)
{
	static const uint32_t always[] = {
		0x1b,					/* APIC_BASE */
		0xfe,					/* MTRRcap, read only */
		0x2ff, 0x250, 0x258, 0x259,		/* MTRRs */
		0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
		0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,
		0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f,
		0x17a, 0x17b,				/* MCG_STATUS, MCG_CTL */
		0x400, 0x401, 0x402, 0x403, 0x424, 0x425, 0x426, 0x427,
		MSR_EFER, MSR_FS_BASE, MSR_GS_BASE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(always); i++) {
		uint64_t value;

		EXPECT_EQ(1, vcpu_get_msr(self->vcpu, always[i], &value)) {
			TH_LOG("MSR %#x", always[i]);
		}
		if (always[i] == 0xfe)
			continue;
		EXPECT_EQ(1, vcpu_set_msr(self->vcpu, always[i], value)) {
			TH_LOG("MSR %#x", always[i]);
		}
	}
}

/* Values are kept. */
TEST_F(msrs, values)
{
	static const struct { uint32_t index; uint64_t value; } t[] = {
		{ MSR_SYSENTER_CS, 0x10 }, { MSR_SYSENTER_ESP, 0x80001000 },
		{ MSR_SYSENTER_EIP, 0x1000 }, { MSR_STAR, 0x0023001000000000 },
		{ MSR_LSTAR, 0xffffffff81000000 }, { MSR_CSTAR, 0xffffffff81000040 },
		{ MSR_SFMASK, 0x47700 }, { MSR_KERNEL_GS_BASE, 0xffff888000000000 },
		{ MSR_FS_BASE, 0x7fff00000000 }, { MSR_GS_BASE, 0xffff888000001000 },
		{ MSR_PAT, 0x0007010600070106 }, { 0x200, 0xc0000006 }, { 0x201, 0xfc0000800 },
		{ 0x2ff, 0xc06 }, { 0x250, 0x0606060606060606 }, { MSR_TSC_AUX, 0x55 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(t); i++)
		EXPECT_EQ(1, vcpu_set_msr(self->vcpu, t[i].index, t[i].value)) {
			TH_LOG("MSR %#x", t[i].index);
		}
	for (i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t value;

		EXPECT_EQ(1, vcpu_get_msr(self->vcpu, t[i].index, &value));
		EXPECT_EQ(t[i].value, value) {
			TH_LOG("MSR %#x", t[i].index);
		}
	}
}

TEST_F(msrs, stops_at_first_failure)
{
	struct {
		struct hv_msrs head;
		struct hv_msr_entry e[3];
	} m = {
		.head.nmsrs = 3,
		.e = {
			{ .index = MSR_SYSENTER_CS, .data = 0x77 },
			{ .index = 0x12345678 },
			{ .index = MSR_SYSENTER_ESP, .data = 0x99 },
		},
	};
	uint64_t value;

	EXPECT_EQ(1, hv_ioctl(self->vcpu->fd, HV_SET_MSRS, &m));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_SYSENTER_CS, &value));
	EXPECT_EQ(0x77, value);
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_SYSENTER_ESP, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(1, hv_ioctl(self->vcpu->fd, HV_GET_MSRS, &m));
	EXPECT_EQ(0x77, m.e[0].data);
}

TEST_F(msrs, bad_values)
{
	/* Types that PAT doesn't have, an address that isn't canonical. */
	EXPECT_EQ(0, vcpu_set_msr(self->vcpu, MSR_PAT, 0x0207040600070406));
	EXPECT_EQ(0, vcpu_set_msr(self->vcpu, MSR_LSTAR, 1UL << 62));
	EXPECT_EQ(0, vcpu_set_msr(self->vcpu, MSR_KERNEL_GS_BASE, 1UL << 55));
	EXPECT_EQ(0, vcpu_set_msr(self->vcpu, 0x2ff, 0x2));
	EXPECT_EQ(0, vcpu_set_msr(self->vcpu, MSR_APIC_BASE, APIC_BASE_EXTD));
	EXPECT_EQ(0, vcpu_set_msr(self->vcpu, 0xdeadbeef, 0));
}

TEST_F(msrs, features)
{
	struct hv_msr_list *l = calloc(1, sizeof(*l) + 256 * 4);
	struct hv_msrs *m = calloc(1, sizeof(*m) + 256 * sizeof(m->entries[0]));
	unsigned int i;

	if (!check_cap(self->vm->sys, HV_CAP_GET_MSR_FEATURES))
		SKIP(return, "no feature MSRs");
	l->nmsrs = 0;
	EXPECT_EQ(-E2BIG, hv_ioctl(self->vm->sys, HV_GET_MSR_FEATURE_INDEX_LIST, l));
	EXPECT_GT(l->nmsrs, 0);
	ASSERT_LE(l->nmsrs, 256);
	EXPECT_EQ(0, hv_ioctl(self->vm->sys, HV_GET_MSR_FEATURE_INDEX_LIST, l));
	m->nmsrs = l->nmsrs;
	for (i = 0; i < l->nmsrs; i++)
		m->entries[i].index = l->indices[i];
	EXPECT_EQ(m->nmsrs, hv_ioctl(self->vm->sys, HV_GET_MSRS, m));
	/* Others aren't to be had there. */
	m->nmsrs = 1;
	m->entries[0].index = MSR_LSTAR;
	EXPECT_EQ(0, hv_ioctl(self->vm->sys, HV_GET_MSRS, m));
}

TEST_F(msrs, setup_mce)
{
	uint64_t cap;

	cap = 0;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_X86_SETUP_MCE, &cap));
	cap = 255;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_X86_SETUP_MCE, &cap));
	cap = 10 | 1UL << 40;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_X86_SETUP_MCE, &cap));
	cap = 5 | 1 << 8;
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_X86_SETUP_MCE, &cap));
	ASSERT_EQ(1, vcpu_get_msr(self->vcpu, MSR_MCG_CAP, &cap));
	EXPECT_EQ(5 | 1 << 8, cap);
}

TEST_HARNESS_MAIN
