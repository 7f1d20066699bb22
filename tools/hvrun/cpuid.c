// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID of the guest: what the device supports, plus what only the VMM knows:
 * topology, APIC ids, the hypervisor bit and the frequency of the TSC.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hvrun.h"

#define MAX_ENTRIES	256	/* room for the device's and for ours */
#define OUR_ENTRIES	8

#define LEAF1_EBX_CPUS_SHIFT	16
#define LEAF1_EBX_APIC_ID_SHIFT	24
#define LEAF1_ECX_TSC_DEADLINE	(1u << 24)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define LEAF1_EDX_HTT		(1u << 28)

/* Level types of leaf 0xB (SDM 2A, CPUID) */
#define LEVEL_SMT	(1u << 8)
#define LEVEL_CORE	(2u << 8)

/* EAX of leaf 4 */
#define CACHE_TYPE		0x1fu		/* 0: no more caches */
#define CACHE_LEVEL_SHIFT	5
#define CACHE_SHARING		(0xfffu << 14)	/* ids of threads that share it, minus one */
#define CACHE_CORES_SHIFT	26
#define CACHE_CORES		(0x3fu << CACHE_CORES_SHIFT)
_Static_assert(MAX_CPUS <= 64, "core ids have 6 bits in leaf 4");

/* The LAPIC timer's input clock, which the KVM ABI fixes at 1 GHz. */
#define CRYSTAL_HZ	1000000000u
/* Linux multiplies the crystal's kHz by EBX in 32 bits (native_calibrate_tsc()). */
#define MAX_NUMERATOR	(UINT32_MAX / (CRYSTAL_HZ / 1000))

static struct hv_cpuid_entry2 *find(struct hv_cpuid2 *cpuid, uint32_t leaf)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == leaf)
			return &cpuid->entries[i];
	}
	return NULL;
}

static void remove_leaf(struct hv_cpuid2 *cpuid, uint32_t leaf)
{
	unsigned int from, to = 0;

	for (from = 0; from < cpuid->nent; from++) {
		if (cpuid->entries[from].function != leaf)
			cpuid->entries[to++] = cpuid->entries[from];
	}
	cpuid->nent = to;
}

static void add(struct hv_cpuid2 *cpuid, struct hv_cpuid_entry2 entry)
{
	cpuid->entries[cpuid->nent++] = entry;
}

static bool vendor_is_intel(const struct hv_cpuid_entry2 *leaf0)
{
	return leaf0->ebx == 0x756e6547 && leaf0->edx == 0x49656e69 && leaf0->ecx == 0x6c65746e;
}

/**
 * cpuid_read_supported() - ask the device which CPUID it supports
 * @vm: vm->sys_fd is open; sets vm->cpuid
 */
void cpuid_read_supported(struct vm *vm)
{
	struct hv_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die("out of memory");
	vm->cpuid = cpuid;
	cpuid->nent = MAX_ENTRIES - OUR_ENTRIES;
	if (ioctl(vm->sys_fd, HV_GET_SUPPORTED_CPUID, cpuid))
		die("HV_GET_SUPPORTED_CPUID: %s", strerror(errno));
	if (!find(cpuid, 0) || !find(cpuid, 1))
		die("HV_GET_SUPPORTED_CPUID: leaf 0 or 1 is missing");
}

/**
 * cpuid_phys_bits() - width of a guest-physical address that can be mapped
 * @vm: after cpuid_read_supported()
 *
 * Return: bits; 36 if the device does not say.
 */
unsigned int cpuid_phys_bits(const struct vm *vm)
{
	const struct hv_cpuid_entry2 *e = find(vm->cpuid, 0x80000008);

	/* the guest's own width, then the processor's (APM 3 E.4.7) */
	if (e && (e->eax >> 16 & 0xff))
		return e->eax >> 16 & 0xff;
	return e && (e->eax & 0xff) ? e->eax & 0xff : 36;
}

static void set_leaf1(struct hv_cpuid_entry2 *e, const struct vcpu *vcpu)
{
	unsigned int cpus = vcpu->vm->opt->cpus;

	e->ebx &= 0xffff;
	e->ebx |= cpus << LEAF1_EBX_CPUS_SHIFT | vcpu->id << LEAF1_EBX_APIC_ID_SHIFT;
	e->edx &= ~LEAF1_EDX_HTT;
	if (cpus > 1)
		e->edx |= LEAF1_EDX_HTT;
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	/* not in the supported list because it depends on the in-kernel LAPIC */
	if (vm_check_extension(vcpu->vm, HV_CAP_TSC_DEADLINE_TIMER))
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
}

/*
 * Of the host's caches, the first two levels belong to one core, as a core has one
 * thread here (SDM 2A, CPUID leaf 4; AMD's 0x8000001d alike: APM 3, E.4).
 */
static void set_cache_topology(struct hv_cpuid2 *cpuid, unsigned int bits)
{
	struct hv_cpuid_entry2 *e;
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		e = &cpuid->entries[i];
		if ((e->function != 4 && e->function != 0x8000001d) || !(e->eax & CACHE_TYPE))
			continue;
		if ((e->eax >> CACHE_LEVEL_SHIFT & 7) <= 2)
			e->eax &= ~CACHE_SHARING;
		/* core ids in the package, minus one */
		if (e->function == 4)
			e->eax = (e->eax & ~CACHE_CORES) |
				 ((1u << bits) - 1) << CACHE_CORES_SHIFT;
	}
}

/* One socket, a core for each vCPU, no threads. */
static void set_topology(struct hv_cpuid2 *cpuid, const struct vcpu *vcpu)
{
	unsigned int cpus = vcpu->vm->opt->cpus, bits = 0;
	struct hv_cpuid_entry2 *e;

	while (1u << bits < cpus)
		bits++;
	set_cache_topology(cpuid, bits);
	/* leaf 0x1F would say the same, and Linux looks there first */
	remove_leaf(cpuid, 0xb);
	remove_leaf(cpuid, 0x1f);
	add(cpuid, (struct hv_cpuid_entry2) {
		.function = 0xb, .index = 0, .flags = HV_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0, .ebx = 1, .ecx = LEVEL_SMT | 0, .edx = vcpu->id,
	});
	add(cpuid, (struct hv_cpuid_entry2) {
		.function = 0xb, .index = 1, .flags = HV_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = bits, .ebx = cpus, .ecx = LEVEL_CORE | 1, .edx = vcpu->id,
	});
	add(cpuid, (struct hv_cpuid_entry2) {
		.function = 0xb, .index = 2, .flags = HV_CPUID_FLAG_SIGNIFCANT_INDEX,
		.ecx = 2, .edx = vcpu->id,
	});
	/* AMD's: number of cores minus one, and the extended APIC id (APM 3, E.4) */
	e = find(cpuid, 0x80000008);
	if (e)
		e->ecx = (e->ecx & ~0xf0ffu) | bits << 12 | (cpus - 1);
	e = find(cpuid, 0x8000001e);
	if (e) {
		e->eax = vcpu->id;
		e->ebx = vcpu->id;
		e->ecx = 0;
	}
}

/*
 * Leaf 0x15 gives the TSC's rate as a fraction of the crystal's. Among the
 * numerators that the guest can multiply, take the one that comes closest.
 */
static struct hv_cpuid_entry2 tsc_leaf(uint32_t tsc_khz)
{
	const uint64_t crystal_khz = CRYSTAL_HZ / 1000;
	uint64_t num, den, khz, error, best_error = UINT64_MAX;
	struct hv_cpuid_entry2 e = { .function = 0x15, .ecx = CRYSTAL_HZ };

	for (num = 1; num <= MAX_NUMERATOR; num++) {
		den = (num * crystal_khz + tsc_khz / 2) / tsc_khz;
		if (!den)
			continue;
		khz = num * crystal_khz / den;
		error = khz > tsc_khz ? khz - tsc_khz : tsc_khz - khz;
		if (error < best_error) {
			best_error = error;
			e.ebx = num;
			e.eax = den;
		}
	}
	return e;
}

/*
 * Without PIT, PM timer and HPET a guest can only learn the TSC's frequency from
 * CPUID (or from a paravirtual clock, which it prefers if the device has one).
 * Linux trusts leaf 0x15 on Intel processors only.
 */
static void set_tsc_frequency(struct hv_cpuid2 *cpuid, const struct vcpu *vcpu)
{
	int tsc_khz = ioctl(vcpu->fd, HV_GET_TSC_KHZ, 0);
	struct hv_cpuid_entry2 *leaf0 = find(cpuid, 0);

	if (tsc_khz <= 0 || !vendor_is_intel(leaf0))
		return;
	if (leaf0->eax < 0x16)
		leaf0->eax = 0x16;
	remove_leaf(cpuid, 0x15);
	remove_leaf(cpuid, 0x16);
	add(cpuid, tsc_leaf(tsc_khz));
	add(cpuid, (struct hv_cpuid_entry2) {
		.function = 0x16,
		.eax = tsc_khz / 1000, .ebx = tsc_khz / 1000, .ecx = CRYSTAL_HZ / 1000000,
	});
}

/**
 * cpuid_set() - give a vCPU its CPUID
 * @vcpu: a vCPU that has not run yet
 */
void cpuid_set(struct vcpu *vcpu)
{
	size_t size = sizeof(struct hv_cpuid2) + MAX_ENTRIES * sizeof(struct hv_cpuid_entry2);
	struct hv_cpuid2 *cpuid = malloc(size);
	int ret;

	if (!cpuid)
		die("out of memory");
	memcpy(cpuid, vcpu->vm->cpuid, size);
	set_leaf1(find(cpuid, 1), vcpu);
	set_topology(cpuid, vcpu);
	set_tsc_frequency(cpuid, vcpu);
	ret = ioctl(vcpu->fd, HV_SET_CPUID2, cpuid);
	free(cpuid);
	if (ret)
		die("HV_SET_CPUID2: %s", strerror(errno));
}
