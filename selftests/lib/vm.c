// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs and vCPUs under test.
 */
#include "hvtest.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/**
 * ram_alloc() - memory for a slot
 * @size: bytes
 *
 * Return: zeroed pages, not populated.
 */
void *ram_alloc(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap of %zu bytes: %s", size, strerror(errno));
	return mem;
}

/**
 * ram_collapse() - put large pages behind memory for a slot
 * @mem: memory that has its contents
 * @size: bytes
 *
 * What MADV_HUGEPAGE promises becomes small pages if the host has no others just then.
 *
 * Return: false if the host has none; errno says what it lacks.
 */
bool ram_collapse(void *mem, size_t size)
{
	unsigned int i;

	/* EAGAIN: somebody else looks at one of the pages just now */
	for (i = 0; i < 10; i++) {
		if (!madvise(mem, size, MADV_COLLAPSE))
			return true;
		if (errno != EAGAIN)
			return false;
		sleep_us(10000);
	}
	return false;
}

/**
 * vm_create() - make a VM
 * @flags: VM_*
 *
 * Return: the VM.
 */
struct vm *vm_create(unsigned int flags)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		die("no memory");
	vm->sys = device_open();
	vm->fd = hv_ioctl(vm->sys, HV_CREATE_VM, 0);
	must(vm->fd);
	vm->run_size = hv_ioctl(vm->sys, HV_GET_VCPU_MMAP_SIZE, 0);
	must(vm->run_size);
	if (flags & VM_IRQCHIP) {
		must(hv_ioctl(vm->fd, HV_CREATE_IRQCHIP, 0));
		vm->irqchip = true;
	}
	if (flags & VM_BARE)
		return vm;
	vm->ram = ram_alloc(GUEST_RAM_SIZE);
	must(vm_slot(vm, 0, 0, GUEST_RAM_SIZE, vm->ram, 0));
	return vm;
}

/**
 * vm_free() - close a VM whose vCPUs are closed
 * @vm: the VM
 */
void vm_free(struct vm *vm)
{
	close(vm->fd);
	close(vm->sys);
	if (vm->ram)
		munmap(vm->ram, GUEST_RAM_SIZE);
	free(vm);
}

/**
 * vm_slot() - HV_SET_USER_MEMORY_REGION
 * @vm: the VM
 * @slot: slot number
 * @gpa: guest-physical address
 * @size: bytes
 * @hva: memory
 * @flags: HV_MEM_*
 *
 * Return: 0 or -errno.
 */
long vm_slot(struct vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva,
	     uint32_t flags)
{
	struct hv_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return hv_ioctl(vm->fd, HV_SET_USER_MEMORY_REGION, &region);
}

/**
 * supported_cpuid() - HV_GET_SUPPORTED_CPUID
 * @vm: the VM
 *
 * Return: table, the caller's to free.
 */
struct hv_cpuid2 *supported_cpuid(struct vm *vm)
{
	const unsigned int room = 128;
	struct hv_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + room * sizeof(cpuid->entries[0]));

	if (!cpuid)
		die("no memory");
	cpuid->nent = room;
	must(hv_ioctl(vm->sys, HV_GET_SUPPORTED_CPUID, cpuid));
	return cpuid;
}

/**
 * cpuid_entry() - find a leaf
 * @cpuid: table
 * @function: leaf
 * @index: subleaf
 *
 * Return: the entry or NULL.
 */
struct hv_cpuid_entry2 *cpuid_entry(struct hv_cpuid2 *cpuid, uint32_t function,
				    uint32_t index)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		struct hv_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == function &&
		    (!(e->flags & HV_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	}
	return NULL;
}

/**
 * vcpu_create_nocpuid() - make a vCPU whose CPUID table is empty
 * @vm: its VM
 * @id: its id
 *
 * Return: the vCPU.
 */
struct vcpu *vcpu_create_nocpuid(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));

	if (!vcpu)
		die("no memory");
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = hv_ioctl(vm->fd, HV_CREATE_VCPU, id);
	must(vcpu->fd);
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("mmap of the run page: %s", strerror(errno));
	return vcpu;
}

/**
 * ioapic_is_up() - the level of a pin of the kernel's IOAPIC
 * @vm: VM that has one
 * @pin: number
 *
 * Return: whether somebody raises it.
 */
bool ioapic_is_up(struct vm *vm, unsigned int pin)
{
	struct hv_irqchip chip = { .chip_id = HV_IRQCHIP_IOAPIC };

	must(hv_ioctl(vm->fd, HV_GET_IRQCHIP, &chip));
	return chip.chip.ioapic.irr >> pin & 1;
}

/**
 * vcpu_create() - make a vCPU with all that can be had in its CPUID
 * @vm: its VM
 * @id: its id
 *
 * Return: the vCPU.
 */
struct vcpu *vcpu_create(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = vcpu_create_nocpuid(vm, id);
	struct hv_cpuid2 *cpuid = supported_cpuid(vm);
	struct hv_cpuid_entry2 *leaf1 = cpuid_entry(cpuid, 1, 0);

	if (leaf1) {
		leaf1->ebx = (leaf1->ebx & 0x00ffffff) | id << 24;
		if (check_cap(vm->sys, HV_CAP_TSC_DEADLINE_TIMER) > 0 && vm->irqchip)
			leaf1->ecx |= 1U << 24;
	}
	must(hv_ioctl(vcpu->fd, HV_SET_CPUID2, cpuid));
	free(cpuid);
	return vcpu;
}

/**
 * vcpu_free() - close a vCPU
 * @vcpu: the vCPU
 */
void vcpu_free(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->vm->run_size);
	close(vcpu->fd);
	free(vcpu);
}

/**
 * vcpu_regs() - HV_GET_REGS
 * @vcpu: the vCPU
 *
 * Return: its general registers.
 */
struct hv_regs vcpu_regs(struct vcpu *vcpu)
{
	struct hv_regs regs;

	must(hv_ioctl(vcpu->fd, HV_GET_REGS, &regs));
	return regs;
}

/**
 * vcpu_sregs() - HV_GET_SREGS
 * @vcpu: the vCPU
 *
 * Return: its segment and system registers.
 */
struct hv_sregs vcpu_sregs(struct vcpu *vcpu)
{
	struct hv_sregs sregs;

	must(hv_ioctl(vcpu->fd, HV_GET_SREGS, &sregs));
	return sregs;
}

/**
 * vcpu_set_regs() - HV_SET_REGS
 * @vcpu: the vCPU
 * @regs: general registers
 */
void vcpu_set_regs(struct vcpu *vcpu, const struct hv_regs *regs)
{
	must(hv_ioctl(vcpu->fd, HV_SET_REGS, regs));
}

/**
 * vcpu_set_sregs() - HV_SET_SREGS
 * @vcpu: the vCPU
 * @sregs: segment and system registers
 */
void vcpu_set_sregs(struct vcpu *vcpu, const struct hv_sregs *sregs)
{
	must(hv_ioctl(vcpu->fd, HV_SET_SREGS, sregs));
}

/**
 * vcpu_get_msr() - HV_GET_MSRS for one
 * @vcpu: the vCPU
 * @index: MSR
 * @value: its value, if 1 is returned
 *
 * Return: 1 if it could be read, 0 if not, or -errno.
 */
long vcpu_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	struct {
		struct hv_msrs head;
		struct hv_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry.index = index };
	long ret = hv_ioctl(vcpu->fd, HV_GET_MSRS, &msr);

	*value = msr.entry.data;
	return ret;
}

/**
 * vcpu_set_msr() - HV_SET_MSRS for one
 * @vcpu: the vCPU
 * @index: MSR
 * @value: value
 *
 * Return: 1 if it was written, 0 if not, or -errno.
 */
long vcpu_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct {
		struct hv_msrs head;
		struct hv_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry.index = index, .entry.data = value };

	return hv_ioctl(vcpu->fd, HV_SET_MSRS, &msr);
}

/**
 * lapic_reg() - a LAPIC register by HV_GET_LAPIC
 * @vcpu: the vCPU
 * @reg: offset of the register
 *
 * Return: its value.
 */
uint32_t lapic_reg(struct vcpu *vcpu, unsigned int reg)
{
	struct hv_lapic_state lapic;
	uint32_t value;

	must(hv_ioctl(vcpu->fd, HV_GET_LAPIC, &lapic));
	memcpy(&value, lapic.regs + reg, sizeof(value));
	return value;
}

/**
 * vcpu_make_runnable() - let an application processor run, without INIT and SIPI
 * @vcpu: the vCPU
 */
void vcpu_make_runnable(struct vcpu *vcpu)
{
	must(hv_ioctl(vcpu->fd, HV_SET_MP_STATE,
		      &(struct hv_mp_state){ HV_MP_STATE_RUNNABLE }));
}

/**
 * exit_name() - name of an exit reason
 * @reason: HV_EXIT_*
 *
 * Return: its name.
 */
const char *exit_name(uint32_t reason)
{
	static const char * const names[] = {
		[HV_EXIT_UNKNOWN] = "UNKNOWN", [HV_EXIT_EXCEPTION] = "EXCEPTION",
		[HV_EXIT_IO] = "IO", [HV_EXIT_HYPERCALL] = "HYPERCALL",
		[HV_EXIT_DEBUG] = "DEBUG", [HV_EXIT_HLT] = "HLT",
		[HV_EXIT_MMIO] = "MMIO", [HV_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
		[HV_EXIT_SHUTDOWN] = "SHUTDOWN", [HV_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
		[HV_EXIT_INTR] = "INTR", [HV_EXIT_SET_TPR] = "SET_TPR",
		[HV_EXIT_TPR_ACCESS] = "TPR_ACCESS", [HV_EXIT_NMI] = "NMI",
		[HV_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
		[HV_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
		[HV_EXIT_IOAPIC_EOI] = "IOAPIC_EOI", [HV_EXIT_X86_RDMSR] = "X86_RDMSR",
		[HV_EXIT_X86_WRMSR] = "X86_WRMSR",
	};

	if (reason >= ARRAY_LEN(names) || !names[reason])
		return "?";
	return names[reason];
}

/**
 * stat_read() - one counter of a statistics fd
 * @fd: from HV_GET_STATS_FD
 * @name: its name
 * @value: filled in
 *
 * Return: whether there is such a counter.
 */
bool stat_read(int fd, const char *name, uint64_t *value)
{
	struct hv_stats_header h;
	struct hv_stats_desc *d;
	bool found = false;
	unsigned int i, j;
	uint64_t one;
	size_t size;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		return false;
	size = sizeof(*d) + h.name_size;
	d = calloc(1, size);
	for (i = 0; i < h.num_desc && !found; i++) {
		if (pread(fd, d, size, h.desc_offset + i * size) != (ssize_t)size)
			break;
		if (strcmp(d->name, name))
			continue;
		/* The sum, if it is a histogram */
		found = true;
		for (j = 0, *value = 0; j < d->size && found; j++) {
			found = pread(fd, &one, 8, h.data_offset + d->offset + j * 8) == 8;
			*value += one;
		}
	}
	free(d);
	return found;
}

/**
 * vm_stat() - one counter of a VM
 * @vm: the VM
 * @name: a counter that hv and KVM both have
 */
uint64_t vm_stat(struct vm *vm, const char *name)
{
	int fd = hv_ioctl(vm->fd, HV_GET_STATS_FD, 0);
	uint64_t value = 0;

	if (fd < 0 || !stat_read(fd, name, &value))
		die("no statistic %s", name);
	close(fd);
	return value;
}
