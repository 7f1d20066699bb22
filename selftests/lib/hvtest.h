/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests share: the device, VMs with a small guest in them, and
 * ways to run it and to look at what it did.
 *
 * The device is $HV_DEVICE, /dev/hv if that isn't set. A test that only needs
 * what stock KVM has, too, must pass with HV_DEVICE=/dev/kvm.
 *
 * Functions whose failure can't be what is tested end the program with a
 * message when they fail. Those that a test wants to see fail return -errno.
 */
#ifndef SELFTESTS_HVTEST_H
#define SELFTESTS_HVTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/hv.h>
#include "layout.h"

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096UL

#define CR0_PE		(1UL << 0)
#define CR0_MP		(1UL << 1)
#define CR0_EM		(1UL << 2)
#define CR0_TS		(1UL << 3)
#define CR0_ET		(1UL << 4)
#define CR0_NE		(1UL << 5)
#define CR0_WP		(1UL << 16)
#define CR0_AM		(1UL << 18)
#define CR0_NW		(1UL << 29)
#define CR0_CD		(1UL << 30)
#define CR0_PG		(1UL << 31)

#define CR4_VME		(1UL << 0)
#define CR4_TSD		(1UL << 2)
#define CR4_DE		(1UL << 3)
#define CR4_PSE		(1UL << 4)
#define CR4_PAE		(1UL << 5)
#define CR4_PGE		(1UL << 7)
#define CR4_OSFXSR	(1UL << 9)
#define CR4_OSXMMEXCPT	(1UL << 10)
#define CR4_VMXE	(1UL << 13)
#define CR4_OSXSAVE	(1UL << 18)

#define EFER_SCE	(1UL << 0)
#define EFER_LME	(1UL << 8)
#define EFER_LMA	(1UL << 10)
#define EFER_NX		(1UL << 11)

#define RFLAGS_FIXED	(1UL << 1)
#define RFLAGS_TF	(1UL << 8)
#define RFLAGS_IF	(1UL << 9)
#define RFLAGS_IOPL	(3UL << 12)

#define APIC_BASE_BSP		(1UL << 8)
#define APIC_BASE_EXTD		(1UL << 10)
#define APIC_BASE_ENABLE	(1UL << 11)

#define MSR_TSC			0x10
#define MSR_APIC_BASE		0x1b
#define MSR_TSC_ADJUST		0x3b
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_MCG_CAP		0x179
#define MSR_MISC_ENABLE		0x1a0
#define MSR_PAT			0x277
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_SFMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103

/* LAPIC registers, offsets in its page (SDM 3A table 11-1). */
#define APIC_ID			0x020
#define APIC_VERSION		0x030
#define APIC_TPR		0x080
#define APIC_PPR		0x0a0
#define APIC_EOI		0x0b0
#define APIC_LDR		0x0d0
#define APIC_DFR		0x0e0
#define APIC_SVR		0x0f0
#define APIC_ISR		0x100
#define APIC_TMR		0x180
#define APIC_IRR		0x200
#define APIC_ESR		0x280
#define APIC_ICR		0x300
#define APIC_ICR2		0x310
#define APIC_LVT_TIMER		0x320
#define APIC_LVT_LINT0		0x350
#define APIC_LVT_LINT1		0x360
#define APIC_LVT_ERROR		0x370
#define APIC_TIMER_INIT		0x380
#define APIC_TIMER_CURRENT	0x390
#define APIC_TIMER_DIVIDE	0x3e0

/* Exception vectors. */
#define DE_VECTOR	0
#define DB_VECTOR	1
#define NMI_VECTOR	2
#define BP_VECTOR	3
#define UD_VECTOR	6
#define NM_VECTOR	7
#define DF_VECTOR	8
#define NP_VECTOR	11
#define SS_VECTOR	12
#define GP_VECTOR	13
#define PF_VECTOR	14
#define NO_FAULT	(-1)

/**
 * struct vm - a VM under test
 * @sys: system fd
 * @fd: VM fd
 * @irqchip: it has an in-kernel LAPIC and IOAPIC
 * @touched: the guest has used the pages that event delivery needs
 * @run_size: size of the mapping of a vCPU fd
 * @ram: slot 0: GUEST_RAM_SIZE bytes at guest-physical 0; NULL in bare VMs
 * @payload: ELF image loaded by vm_load()
 */
struct vm {
	int sys;
	int fd;
	bool irqchip;
	bool touched;
	size_t run_size;
	uint8_t *ram;
	const void *payload;
};

/**
 * struct vcpu - a vCPU under test
 * @vm: its VM
 * @fd: vCPU fd
 * @id: id
 * @run: run page
 */
struct vcpu {
	struct vm *vm;
	int fd;
	unsigned int id;
	struct hv_run *run;
};

/* device.c: the device under test and the machine */
void __attribute__((noreturn, format(printf, 3, 4)))
die_at(const char *file, int line, const char *fmt, ...);
#define die(...)	die_at(__FILE__, __LINE__, __VA_ARGS__)
const char *device_path(void);
int device_open(void);
bool device_is_kvm(void);
bool cpu_is_intel(void);
bool parameter(const char *name);
bool cpu_is_tcg(void);
bool cpu_repeats_faults(void);
bool cpu_sends_spurious(void);
bool kvm_changes_tsc(void);
#define KVM_CHANGES_TSC	"stock KVM lets the TSC catch up on a host without a constant one"
long hv_ioctl(int fd, unsigned long nr, ...);
void must_at(const char *file, int line, const char *what, long result);
/* A call that has to succeed for the test to make sense. */
#define must(call)	must_at(__FILE__, __LINE__, #call, (long)(call))
long check_cap(int fd, long cap);

/* cpus.c: the host's CPUs */
unsigned int host_cpus(void);
void host_cpu_pin(pthread_t thread, unsigned int n);
long host_cpu_online(unsigned int n, bool online);

/* vm.c: VMs and vCPUs */
#define VM_IRQCHIP	(1U << 0)	/* with in-kernel LAPIC and IOAPIC */
#define VM_BARE		(1U << 1)	/* without memory */
struct vm *vm_create(unsigned int flags);
void vm_free(struct vm *vm);
long vm_slot(struct vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva,
	     uint32_t flags);
void *ram_alloc(size_t size);
bool ram_collapse(void *mem, size_t size);
bool ioapic_is_up(struct vm *vm, unsigned int pin);
struct vcpu *vcpu_create(struct vm *vm, unsigned int id);
struct vcpu *vcpu_create_nocpuid(struct vm *vm, unsigned int id);
void vcpu_free(struct vcpu *vcpu);
struct hv_cpuid2 *supported_cpuid(struct vm *vm);
struct hv_cpuid_entry2 *cpuid_entry(struct hv_cpuid2 *cpuid, uint32_t function,
				    uint32_t index);
struct hv_regs vcpu_regs(struct vcpu *vcpu);
struct hv_sregs vcpu_sregs(struct vcpu *vcpu);
void vcpu_set_regs(struct vcpu *vcpu, const struct hv_regs *regs);
void vcpu_set_sregs(struct vcpu *vcpu, const struct hv_sregs *sregs);
long vcpu_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value);
long vcpu_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value);
uint32_t lapic_reg(struct vcpu *vcpu, unsigned int reg);
void vcpu_make_runnable(struct vcpu *vcpu);
const char *exit_name(uint32_t reason);
bool stat_read(int fd, const char *name, uint64_t *value);
uint64_t vm_stat(struct vm *vm, const char *name);

/* stats.c */
uint64_t vcpu_stat(struct vcpu *vcpu, const char *name);
uint64_t vcpu_exits(struct vcpu *vcpu);

/* payload.c: guest code */
void vm_load(struct vm *vm, const char *payload);
uint64_t guest_sym(struct vm *vm, const char *name);
void *guest_var(struct vm *vm, const char *name);
#define guest_u64(vm, name)	(*(volatile uint64_t *)guest_var(vm, name))
#define guest_u32(vm, name)	(*(volatile uint32_t *)guest_var(vm, name))

/* mode.c: processor modes */
void vcpu_real_mode(struct vcpu *vcpu, const char *entry);
void vcpu_protected_mode(struct vcpu *vcpu, const char *entry);
void vcpu_long_mode(struct vcpu *vcpu, const char *entry);
void gdt_build(struct vm *vm, bool long_mode);
void idt_build(struct vm *vm, bool long_mode);
void page_tables_build(struct vm *vm);
void seg_set(struct hv_segment *seg, uint16_t selector, uint8_t type, int db, int l);

/* run.c: running the guest */
long vcpu_run_raw(struct vcpu *vcpu);
uint32_t vcpu_run(struct vcpu *vcpu);
uint64_t guest_call_args(struct vcpu *vcpu, const char *function, unsigned int nargs,
			 const uint64_t *args);
#define guest_call(vcpu, function, ...)					\
	guest_call_args(vcpu, function,					\
			ARRAY_LEN(((uint64_t[]){0, ##__VA_ARGS__})) - 1,	\
			(uint64_t[]){0, ##__VA_ARGS__} + 1)
void guest_start(struct vcpu *vcpu, const char *function, unsigned int nargs,
		 const uint64_t *args);
uint64_t guest_finish(struct vcpu *vcpu);
int guest_fault(struct vm *vm);
void vcpu_dump(struct vcpu *vcpu);

/**
 * struct runner - a thread that runs a vCPU
 * @vcpu: the vCPU
 * @thread: the thread
 * @result: what the last HV_RUN returned
 * @runs: calls of HV_RUN, the one that goes on included
 * @stop: leave at the next EINTR
 * @done: the guest has reported PORT_DONE, or the thread ended otherwise
 */
struct runner {
	struct vcpu *vcpu;
	pthread_t thread;
	volatile long result;
	volatile unsigned long runs;
	volatile bool stop;
	volatile bool done;
};

void runner_start(struct runner *runner, struct vcpu *vcpu);
void runner_stop(struct runner *runner);
void runner_join(struct runner *runner);
void kick_setup(void);
void kick(pthread_t thread);
uint64_t now_us(void);
void sleep_us(uint64_t us);
/*
 * Wait until @cond, at most @us; false if it didn't come true. It doesn't look again when it has,
 * and does look when the time is over, which may be long gone by then. It looks less and less
 * often: in a slow emulator, a look every 200 us takes all the time of a CPU that a vCPU needs.
 */
#define wait_at_most(us, cond)						\
({									\
	uint64_t __end = now_us() + (us);				\
	unsigned int __us;						\
	bool __true, __last;						\
	for (__us = 100;; __us += __us / 4) {				\
		__last = now_us() >= __end;				\
		__true = (cond);					\
		if (__true || __last)					\
			break;						\
		sleep_us(__us);						\
	}								\
	__true;								\
})

/* For what has to come: however busy the machine is, an emulator has got so far by then. */
#define wait_for(cond)	wait_at_most(20000000, cond)

/*
 * Is @value, which is measured anew each time, once less than @limit? Another process may hold a
 * step up, but not ten in a row. What a step may never be is its own affair.
 */
#define once_less(value, limit)						\
({									\
	unsigned int __tries;						\
	bool __less = false;						\
	for (__tries = 10; __tries && !__less; __tries--)		\
		__less = (value) < (limit);				\
	__less;								\
})

#endif
