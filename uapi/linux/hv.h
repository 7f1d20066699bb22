/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The userspace interface of /dev/hv.
 *
 * This is the only header that a virtual machine monitor (VMM) includes. Every
 * call here has the number, the structure layout and the meaning that the KVM
 * call of the same name has: replace HV_ by KVM_ and hv_ by kvm_. A program
 * written for /dev/kvm runs on /dev/hv without being compiled again.
 *
 * There are three kinds of file descriptors, and a section here for each:
 *
 *   open("/dev/hv")  ->  system fd  --HV_CREATE_VM-->  VM fd
 *                                   --HV_CREATE_VCPU-->  vCPU fd
 *
 * All fds are close-on-exec. They may be closed in any order: an object lives
 * as long as an fd that needs it. VM and vCPU fds belong to the process (the
 * address space) that made the VM: a call from any other, such as a forked
 * child, fails with EIO. VMs of which the kernel found an impossible state
 * are dead, and every call on them fails with EIO, too.
 *
 * Errors that every call may return and that are not repeated below: EFAULT
 * (a pointer argument that can't be read or written), EINVAL (on the system
 * fd and vCPU fds) or ENOTTY (on VM fds) for a number that isn't one of this
 * fd's calls, ENOMEM, and EIO as above. Calls on a vCPU fd wait for their turn
 * while another thread is in a call on the same vCPU, and fail with EINTR only
 * if the process is killed meanwhile.
 *
 * Padding and reserved fields are to be zero. Times are in nanoseconds,
 * frequencies in kHz, sizes and offsets in bytes unless a field says otherwise.
 */
#ifndef _LINUX_HV_H
#define _LINUX_HV_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* What HV_GET_API_VERSION returns; a VMM must refuse any other value. */
#define HV_API_VERSION	12

/* The type byte of all calls. */
#define HVIO		0xAE

/*
 * ---------------------------------------------------------------------------
 * Capabilities
 *
 * The argument of HV_CHECK_EXTENSION. 0 means absent. Unless stated otherwise
 * a present capability is 1. Numbers not listed here answer 0.
 * ---------------------------------------------------------------------------
 */

/* HV_CREATE_IRQCHIP and the in-kernel local APIC. */
#define HV_CAP_IRQCHIP				0
/* A guest's HLT blocks in the kernel or exits, it doesn't spin. */
#define HV_CAP_HLT				1
/* HV_SET_USER_MEMORY_REGION. */
#define HV_CAP_USER_MEMORY			3
/* HV_SET_TSS_ADDR. */
#define HV_CAP_SET_TSS_ADDR			4
/* HV_SET_VAPIC_ADDR and HV_TPR_ACCESS_REPORTING. */
#define HV_CAP_VAPIC				6
/* HV_GET_SUPPORTED_CPUID, HV_SET_CPUID2. */
#define HV_CAP_EXT_CPUID			7
/* Number of vCPUs per VM that is recommended. */
#define HV_CAP_NR_VCPUS				9
/* Number of memory slots per VM: slot ids are below it. */
#define HV_CAP_NR_MEMSLOTS			10
/* HV_CREATE_PIT, HV_GET_PIT, HV_SET_PIT: 0, only the second interface is announced. */
#define HV_CAP_PIT				11
/* A guest needs no delay after port I/O. */
#define HV_CAP_NOP_IO_DELAY			12
/* HV_GET_MP_STATE, HV_SET_MP_STATE. */
#define HV_CAP_MP_STATE				14
/* HV_REGISTER_COALESCED_MMIO for memory; the value is the page of the run mapping with the ring. */
#define HV_CAP_COALESCED_MMIO			15
/* The guest sees changes of the host's mappings (munmap, swap, KSM, ...). */
#define HV_CAP_SYNC_MMU				16
/* Deleting a slot really removes the memory from the guest. */
#define HV_CAP_DESTROY_MEMORY_REGION_WORKS	21
/* HV_NMI. */
#define HV_CAP_USER_NMI				22
/* HV_SET_GUEST_DEBUG. */
#define HV_CAP_SET_GUEST_DEBUG			23
/* HV_REINJECT_CONTROL */
#define HV_CAP_REINJECT_CONTROL			24
/* HV_SET_GSI_ROUTING; the value is the number of GSIs. */
#define HV_CAP_IRQ_ROUTING			25
/* HV_IRQ_LINE_STATUS. */
#define HV_CAP_IRQ_INJECT_STATUS		26
/* Slots that touch may be merged and split by the VMM. */
#define HV_CAP_JOIN_MEMORY_REGIONS_WORKS	30
/* HV_X86_SETUP_MCE; the value is the number of machine-check banks. */
#define HV_CAP_MCE				31
/* HV_IRQFD. */
#define HV_CAP_IRQFD				32
/* HV_CREATE_PIT2 */
#define HV_CAP_PIT2				33
/* HV_SET_BOOT_CPU_ID. */
#define HV_CAP_SET_BOOT_CPU_ID			34
/* HV_GET_PIT2, HV_SET_PIT2 */
#define HV_CAP_PIT_STATE2			35
/* HV_IOEVENTFD. */
#define HV_CAP_IOEVENTFD			36
/* HV_SET_IDENTITY_MAP_ADDR. */
#define HV_CAP_SET_IDENTITY_MAP_ADDR		37
/* HV_GET_CLOCK, HV_SET_CLOCK; the value is the mask of HV_CLOCK_* flags. */
#define HV_CAP_ADJUST_CLOCK			39
/* hv_run.internal carries data. */
#define HV_CAP_INTERNAL_ERROR_DATA		40
/* HV_GET_VCPU_EVENTS, HV_SET_VCPU_EVENTS. */
#define HV_CAP_VCPU_EVENTS			41
/* hv_vcpu_events.interrupt.shadow is valid. */
#define HV_CAP_INTR_SHADOW			49
/* HV_GET_DEBUGREGS, HV_SET_DEBUGREGS. */
#define HV_CAP_DEBUGREGS			50
/* Single-stepping from userspace keeps the guest's own RFLAGS.TF right. */
#define HV_CAP_X86_ROBUST_SINGLESTEP		51
/* HV_ENABLE_CAP on vCPU fds. */
#define HV_CAP_ENABLE_CAP			54
/* HV_GET_XSAVE, HV_SET_XSAVE. */
#define HV_CAP_XSAVE				55
/* HV_GET_XCRS, HV_SET_XCRS. */
#define HV_CAP_XCRS				56
/* HV_SET_TSC_KHZ can choose any frequency: the processor scales the TSC. hv: 0. */
#define HV_CAP_TSC_CONTROL			60
/* HV_GET_TSC_KHZ. */
#define HV_CAP_GET_TSC_KHZ			61
/* Greatest number of vCPUs per VM. */
#define HV_CAP_MAX_VCPUS			66
/* The in-kernel LAPIC timer has the TSC-deadline mode. */
#define HV_CAP_TSC_DEADLINE_TIMER		72
/* Mask of HV_SYNC_X86_* that hv_run.s.regs can carry. hv: 0. */
#define HV_CAP_SYNC_REGS			74
/* HV_KVMCLOCK_CTRL. */
#define HV_CAP_KVMCLOCK_CTRL			76
/* HV_SIGNAL_MSI. */
#define HV_CAP_SIGNAL_MSI			77
/* HV_MEM_READONLY. */
#define HV_CAP_READONLY_MEM			81
/* HV_IRQFD_FLAG_RESAMPLE. */
#define HV_CAP_IRQFD_RESAMPLE			82
/* HV_CREATE_DEVICE, and what its fds take. */
#define HV_CAP_DEVICE_CTRL			89
/* HV_ENABLE_CAP on VM fds. */
#define HV_CAP_ENABLE_CAP_VM			98
/* hv_ioeventfd.len may be 0 for ports ... */
#define HV_CAP_IOEVENTFD_NO_LENGTH		100
/* HV_CHECK_EXTENSION on VM fds. */
#define HV_CAP_CHECK_EXTENSION_VM		105
/* Mask of HV_X86_QUIRK_* that can be disabled, first interface. */
#define HV_CAP_DISABLE_QUIRKS			116
/* System management mode. */
#define HV_CAP_X86_SMM				117
/* Number of guest address spaces, when there's more than one. */
#define HV_CAP_MULTI_ADDRESS_SPACE		118
/*
 * HV_ENABLE_CAP on a VM fd before the first vCPU, instead of HV_CREATE_IRQCHIP: local APICs in
 * the kernel, IOAPIC and PIC in the VMM. args[0]: GSIs below it are pins of the IOAPIC, at
 * most HV_CAP_IRQ_ROUTING; the end of a level-triggered message of theirs is
 * HV_EXIT_IOAPIC_EOI. Errors: EINVAL for more, EEXIST if there are controllers or vCPUs.
 */
#define HV_CAP_SPLIT_IRQCHIP			121
/* ... and for memory. */
#define HV_CAP_IOEVENTFD_ANY_LENGTH		122
/* Greatest vCPU id plus one. */
#define HV_CAP_MAX_VCPU_ID			128
/* Mask of HV_X2APIC_API_* that can be enabled by HV_ENABLE_CAP on a VM fd. */
#define HV_CAP_X2APIC_API			129
/* hv_msi.devid means something. Always 0 on x86. */
#define HV_CAP_MSI_DEVID			131
/* hv_run.immediate_exit. */
#define HV_CAP_IMMEDIATE_EXIT			136
/* Mask of HV_X86_DISABLE_EXITS_* that can be enabled. */
#define HV_CAP_X86_DISABLE_EXITS		143
/* HV_GET_MSR_FEATURE_INDEX_LIST, and HV_GET_MSRS on the system fd. */
#define HV_CAP_GET_MSR_FEATURES			153
/* Size of the nested-virtualization state; 0: the guest has no VMX. */
#define HV_CAP_NESTED_STATE			157
/* HV_REGISTER_COALESCED_MMIO for ports. */
#define HV_CAP_COALESCED_PIO			162
/* hv_vcpu_events.exception_payload. */
#define HV_CAP_EXCEPTION_PAYLOAD		164
/* HV_CLEAR_DIRTY_LOG; value: HV_DIRTY_LOG_* that HV_ENABLE_CAP on a VM takes. */
#define HV_CAP_MANUAL_DIRTY_LOG_PROTECT2	168
/* To enable on a VM: args[0] is the longest poll after HLT, nanoseconds. */
#define HV_CAP_HALT_POLL			182
/* To enable on a vCPU: args[0] is 1: the guest may use what its CPUID shows, nothing else. */
#define HV_CAP_ENFORCE_PV_FEATURE_CPUID		190
/*
 * Dirty rings; value: greatest size in bytes. HV_ENABLE_CAP on a VM takes the size, a power of two.
 * Errors: E2BIG above the value; EINVAL for another size or one that is too small, once there are
 * rings or vCPUs, and while a slot is logged or a device is assigned.
 */
#define HV_CAP_DIRTY_LOG_RING			192
/* HV_GET_STATS_FD. */
#define HV_CAP_BINARY_STATS_FD			203
/*
 * Number of guest-physical address bits that memory can have; also in CPUID leaf 0x80000008, EAX
 * bits 23:16.
 */
#define HV_CAP_VM_GPA_BITS			207
/* HV_GET_XSAVE2; the value is the size of the area, at least 4096. */
#define HV_CAP_XSAVE2				208
/* Mask of HV_X86_QUIRK_* that can be disabled. */
#define HV_CAP_DISABLE_QUIRKS2			213
/* hv_vcpu_events.triple_fault. */
#define HV_CAP_X86_TRIPLE_FAULT_EVENT		218
/* The same, for callers that order their accesses to the ring by acquire and release. */
#define HV_CAP_DIRTY_LOG_RING_ACQ_REL		223
/* HV_EXIT_MEMORY_FAULT. */
#define HV_CAP_MEMORY_FAULT_INFO		232
/* HV_PRE_FAULT_MEMORY. */
#define HV_CAP_PRE_FAULT_MEMORY			236
/* hv's own: HV_ASSIGN_DEVICE, HV_DEASSIGN_DEVICE, HV_MEM_NO_DMA, and the files of PCI functions. */
#define HV_CAP_ASSIGN_DEVICE			0x48560001

/*
 * ---------------------------------------------------------------------------
 * Structures of the system fd
 * ---------------------------------------------------------------------------
 */

/**
 * struct hv_msr_list - indices of model-specific registers
 * @nmsrs: in: room in @indices; out: how many there are, also with E2BIG
 * @indices: MSR indices
 */
struct hv_msr_list {
	__u32 nmsrs;
	__u32 indices[];
};

/* @index takes part in the lookup: the leaf has subleaves. */
#define HV_CPUID_FLAG_SIGNIFCANT_INDEX	0x1
/* Reserved: leaves whose answer changes from call to call (leaf 2 of old). */
#define HV_CPUID_FLAG_STATEFUL_FUNC	0x2
#define HV_CPUID_FLAG_STATE_READ_NEXT	0x4

/**
 * struct hv_cpuid_entry2 - one CPUID leaf or subleaf
 * @function: leaf: the value of EAX before the instruction
 * @index: subleaf: the value of ECX before the instruction
 * @flags: HV_CPUID_FLAG_*
 * @eax: result
 * @ebx: result
 * @ecx: result
 * @edx: result
 * @padding: 0
 */
struct hv_cpuid_entry2 {
	__u32 function;
	__u32 index;
	__u32 flags;
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 padding[3];
};

/**
 * struct hv_cpuid2 - table of CPUID leaves
 * @nent: in: entries given, or room for them; out: entries written
 * @padding: 0
 * @entries: the leaves, in any order
 */
struct hv_cpuid2 {
	__u32 nent;
	__u32 padding;
	struct hv_cpuid_entry2 entries[];
};

/**
 * struct hv_msr_entry - a model-specific register and its value
 * @index: MSR index, the value of ECX for RDMSR
 * @reserved: 0
 * @data: value
 */
struct hv_msr_entry {
	__u32 index;
	__u32 reserved;
	__u64 data;
};

/**
 * struct hv_msrs - list of MSRs to read or write
 * @nmsrs: entries given, at most 255
 * @pad: 0
 * @entries: indices, and values (written by HV_GET_MSRS)
 */
struct hv_msrs {
	__u32 nmsrs;
	__u32 pad;
	struct hv_msr_entry entries[];
};

/*
 * ---------------------------------------------------------------------------
 * Calls on the system fd
 * ---------------------------------------------------------------------------
 */

/**
 * define HV_GET_API_VERSION - which interface this is
 *
 * Argument: 0. Returns %HV_API_VERSION.
 * Errors: EINVAL if the argument isn't 0.
 */
#define HV_GET_API_VERSION		_IO(HVIO, 0x00)

/**
 * define HV_CREATE_VM - make a virtual machine
 *
 * Argument: the type, 0. Returns the VM fd. The VM has no memory and no vCPUs.
 * The first VM turns the processors' virtualization on.
 * Errors: EINVAL for another type, EBUSY if another hypervisor owns the
 * virtualization hardware, EMFILE, ENFILE, EINTR (call again).
 */
#define HV_CREATE_VM			_IO(HVIO, 0x01)

/**
 * define HV_GET_MSR_INDEX_LIST - MSRs that a VMM has to save and restore
 *
 * Argument: struct hv_msr_list. Each MSR of the list can be read with HV_GET_MSRS
 * and what was read can be written with HV_SET_MSRS. Returns 0.
 * Errors: E2BIG if there's too little room; @nmsrs is then set to the number needed.
 */
#define HV_GET_MSR_INDEX_LIST		_IOWR(HVIO, 0x02, struct hv_msr_list)

/**
 * define HV_CHECK_EXTENSION - ask for a capability
 *
 * Argument: HV_CAP_*. Returns 0 if it's absent or unknown, otherwise its value.
 * Also a call of VM fds, with the same answers. Never fails.
 */
#define HV_CHECK_EXTENSION		_IO(HVIO, 0x03)

/**
 * define HV_GET_VCPU_MMAP_SIZE - size of the mapping of a vCPU fd
 *
 * Argument: 0. Returns the size, whole pages: struct hv_run is at offset 0.
 * Errors: EINVAL if the argument isn't 0.
 */
#define HV_GET_VCPU_MMAP_SIZE		_IO(HVIO, 0x04)

/**
 * define HV_GET_SUPPORTED_CPUID - CPUID leaves that a guest may be shown
 *
 * Argument: struct hv_cpuid2 with @nent set to the room in @entries. Returns 0 and
 * @nent, the number of entries written. A bit that is set here works in a guest.
 * Errors: E2BIG if there's too little room; nothing is written.
 */
#define HV_GET_SUPPORTED_CPUID		_IOWR(HVIO, 0x05, struct hv_cpuid2)

/**
 * define HV_GET_MSR_FEATURE_INDEX_LIST - MSRs that describe the processor
 *
 * As HV_GET_MSR_INDEX_LIST, for MSRs that HV_GET_MSRS reads on the system fd: what
 * they say about the features that a guest may be given.
 */
#define HV_GET_MSR_FEATURE_INDEX_LIST	_IOWR(HVIO, 0x0a, struct hv_msr_list)

/**
 * define HV_X86_GET_MCE_CAP_SUPPORTED - capabilities of the machine check
 *
 * Argument: pointer to __u64, written: greatest value of MCG_CAP that
 * HV_X86_SETUP_MCE accepts, without the bank count (HV_CAP_MCE tells it).
 */
#define HV_X86_GET_MCE_CAP_SUPPORTED	_IOR(HVIO, 0x9d, __u64)

/*
 * ---------------------------------------------------------------------------
 * Structures of VM fds: memory
 * ---------------------------------------------------------------------------
 */

/**
 * struct hv_dirty_log - HV_GET_DIRTY_LOG
 * @slot: number of the slot
 * @padding1: ignored
 * @dirty_bitmap: address of a bit for each page of the slot, in whole 64-bit words: written
 */
struct hv_dirty_log {
	__u32 slot;
	__u32 padding1;
	__u64 dirty_bitmap;
};

/**
 * struct hv_clear_dirty_log - HV_CLEAR_DIRTY_LOG
 * @slot: number of the slot
 * @num_pages: length of the range; a multiple of 64, unless it ends at the slot's end
 * @first_page: first page of the range, counted from the slot's; a multiple of 64
 * @dirty_bitmap: address of a bit for each page of the range, in whole 64-bit words: those
 *	that are set are cleared in the log
 */
struct hv_clear_dirty_log {
	__u32 slot;
	__u32 num_pages;
	__u64 first_page;
	__u64 dirty_bitmap;
};

/* Arguments of HV_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
/* HV_GET_DIRTY_LOG doesn't clear, HV_CLEAR_DIRTY_LOG does. */
#define HV_DIRTY_LOG_MANUAL_PROTECT_ENABLE	0x1
/* With the former: when logging begins all pages count as written, and nothing is protected. */
#define HV_DIRTY_LOG_INITIALLY_SET		0x2

/**
 * struct hv_pre_fault_memory - HV_PRE_FAULT_MEMORY
 * @gpa: in: guest-physical address, a multiple of 4096; out: where it has stopped
 * @size: in: bytes, a multiple of 4096, not 0; out: what is left
 * @flags: 0
 * @padding: ignored
 */
struct hv_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};

/* Note which pages were written: HV_GET_DIRTY_LOG. Can be switched on and off later. */
#define HV_MEM_LOG_DIRTY_PAGES	0x1UL
/* Guest writes exit with HV_EXIT_MMIO and don't reach memory (HV_CAP_READONLY_MEM). */
#define HV_MEM_READONLY		0x2UL
/*
 * hv's own (HV_CAP_ASSIGN_DEVICE): assigned devices don't reach it, so it isn't pinned for
 * them. Can be switched on and off later.
 */
#define HV_MEM_NO_DMA		0x80000000UL

/**
 * struct hv_userspace_memory_region - a memory slot
 * @slot: number of the slot, below HV_CAP_NR_MEMSLOTS; bits 31:16 are 0
 * @flags: HV_MEM_*
 * @guest_phys_addr: where the guest sees it; a multiple of 4096
 * @memory_size: length in bytes, a multiple of 4096; 0 deletes the slot
 * @userspace_addr: the caller's memory; a multiple of 4096. It needn't be mapped
 *	yet: pages are looked up when the guest touches them.
 */
struct hv_userspace_memory_region {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
};

/*
 * Structures of VM fds: interrupts
 */

/**
 * struct hv_irq_level - level of an interrupt line
 * @irq: in: the GSI (global system interrupt)
 * @status: out, HV_IRQ_LINE_STATUS only: above 0: number of vCPUs reached, 0:
 *	merged with one already pending, below 0: masked or routed nowhere
 * @level: 1 asserts the line, 0 releases it
 */
struct hv_irq_level {
	union {
		__u32 irq;
		__s32 status;
	};
	__u32 level;
};

/**
 * struct hv_pic_state - one 8259 interrupt controller
 * @last_irr: lines as last seen, for the edge detection
 * @irr: interrupt request register
 * @imr: interrupt mask register
 * @isr: interrupt in-service register
 * @priority_add: line with the highest priority
 * @irq_base: vector of line 0
 * @read_reg_select: 1: reads return @isr, 0: @irr
 * @poll: poll command given
 * @special_mask: special mask mode
 * @init_state: initialization word expected next
 * @auto_eoi: automatic end of interrupt
 * @rotate_on_auto_eoi: rotate priorities at automatic EOI
 * @special_fully_nested_mode: special fully nested mode
 * @init4: ICW4 is part of the initialization
 * @elcr: 1 bits: level-triggered lines
 * @elcr_mask: bits of @elcr that can be changed
 */
struct hv_pic_state {
	__u8 last_irr;
	__u8 irr;
	__u8 imr;
	__u8 isr;
	__u8 priority_add;
	__u8 irq_base;
	__u8 read_reg_select;
	__u8 poll;
	__u8 special_mask;
	__u8 init_state;
	__u8 auto_eoi;
	__u8 rotate_on_auto_eoi;
	__u8 special_fully_nested_mode;
	__u8 init4;
	__u8 elcr;
	__u8 elcr_mask;
};

/**
 * struct hv_pit_channel_state - a counter of the 8254
 * @count: count in force, up to 65536; 0: control word written, no count yet
 * @latched_count: count latched
 * @count_latched: byte of it that is read next: 0 nothing latched, 1 low, 2 high, 3 low of both,
 *	4 high of both
 * @status_latched: @status is read next
 * @status: status latched
 * @read_state: byte of the count that is read next, as @count_latched
 * @write_state: byte of the count that is written next, likewise
 * @write_latch: low byte, when the high byte is awaited
 * @rw_mode: 1 low byte only, 2 high byte only, 3 both
 * @mode: 0..5; 0xff: no control word yet
 * @bcd: counts in BCD
 * @gate: gate input; tied to 1 for counters 0 and 1
 * @count_load_time: when @count was loaded, ns of the host's CLOCK_MONOTONIC; ignored when set
 */
struct hv_pit_channel_state {
	__u32 count;
	__u16 latched_count;
	__u8 count_latched;
	__u8 status_latched;
	__u8 status;
	__u8 read_state;
	__u8 write_state;
	__u8 write_latch;
	__u8 rw_mode;
	__u8 mode;
	__u8 bcd;
	__u8 gate;
	__s64 count_load_time;
};

/**
 * struct hv_pit_state - the PIT, first interface
 * @channels: the three counters
 */
struct hv_pit_state {
	struct hv_pit_channel_state channels[3];
};

/* The HPET has the interrupt of counter 0 */
#define HV_PIT_FLAGS_HPET_LEGACY	0x00000001
/* Bit 1 of port 0x61 is set */
#define HV_PIT_FLAGS_SPEAKER_DATA_ON	0x00000002

/**
 * struct hv_pit_state2 - the PIT
 * @channels: the three counters
 * @flags: HV_PIT_FLAGS_*
 * @reserved: 0
 */
struct hv_pit_state2 {
	struct hv_pit_channel_state channels[3];
	__u32 flags;
	__u32 reserved[9];
};

/* Port 0x61, gate and output of counter 2, is the PIT's */
#define HV_PIT_SPEAKER_DUMMY	1

/**
 * struct hv_pit_config - what PIT to make
 * @flags: HV_PIT_SPEAKER_DUMMY or 0
 * @pad: 0
 */
struct hv_pit_config {
	__u32 flags;
	__u32 pad[15];
};

/**
 * struct hv_reinject_control - what becomes of ticks for which the guest is too slow
 * @pit_reinject: 1: kept, and given one by one as the guest ends the one before (the state at
 *	creation); 0: lost
 * @reserved: 0
 */
struct hv_reinject_control {
	__u8 pit_reinject;
	__u8 reserved[31];
};

#define HV_IOAPIC_NUM_PINS	24

/**
 * struct hv_ioapic_state - the I/O APIC
 * @base_address: guest-physical address of its registers, 0xfec00000 at reset
 * @ioregsel: register selected by IOREGSEL
 * @id: bits 27:24 of the ID register, shifted down
 * @irr: lines that are asserted, a bit each
 * @pad: 0
 * @redirtbl: redirection table entry of each pin
 * @redirtbl.bits: the entry as the guest sees it (82093AA data sheet 3.2.4)
 * @redirtbl.fields: the same, by field
 * @redirtbl.fields.vector: interrupt vector
 * @redirtbl.fields.delivery_mode: 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5
 *	INIT, 7 ExtINT
 * @redirtbl.fields.dest_mode: 0 physical, 1 logical
 * @redirtbl.fields.delivery_status: always 0
 * @redirtbl.fields.polarity: 0 active high, 1 active low; levels given with
 *	HV_IRQ_LINE are logical, polarity doesn't invert them
 * @redirtbl.fields.remote_irr: level interrupt accepted by a LAPIC, EOI awaited
 * @redirtbl.fields.trig_mode: 0 edge, 1 level
 * @redirtbl.fields.mask: 1: masked
 * @redirtbl.fields.reserve: 0
 * @redirtbl.fields.reserved: 0
 * @redirtbl.fields.dest_id: destination
 */
struct hv_ioapic_state {
	__u64 base_address;
	__u32 ioregsel;
	__u32 id;
	__u32 irr;
	__u32 pad;
	union {
		__u64 bits;
		struct {
			__u8 vector;
			__u8 delivery_mode:3;
			__u8 dest_mode:1;
			__u8 delivery_status:1;
			__u8 polarity:1;
			__u8 remote_irr:1;
			__u8 trig_mode:1;
			__u8 mask:1;
			__u8 reserve:7;
			__u8 reserved[4];
			__u8 dest_id;
		} fields;
	} redirtbl[HV_IOAPIC_NUM_PINS];
};

/* Chips of hv_irqchip.chip_id and hv_irq_routing_irqchip.irqchip. */
#define HV_IRQCHIP_PIC_MASTER	0
#define HV_IRQCHIP_PIC_SLAVE	1
#define HV_IRQCHIP_IOAPIC	2
#define HV_NR_IRQCHIPS		3

/**
 * struct hv_irqchip - state of an in-kernel interrupt controller
 * @chip_id: in: HV_IRQCHIP_*
 * @pad: 0
 * @chip: state of that chip
 * @chip.dummy: fixes the size
 * @chip.pic: if @chip_id is one of the PICs
 * @chip.ioapic: if @chip_id is HV_IRQCHIP_IOAPIC
 */
struct hv_irqchip {
	__u32 chip_id;
	__u32 pad;
	union {
		char dummy[512];
		struct hv_pic_state pic;
		struct hv_ioapic_state ioapic;
	} chip;
};

/**
 * struct hv_irq_routing_irqchip - route to a pin of a chip
 * @irqchip: HV_IRQCHIP_*
 * @pin: 0 to 7 (PICs), 0 to 23 (IOAPIC)
 */
struct hv_irq_routing_irqchip {
	__u32 irqchip;
	__u32 pin;
};

/**
 * struct hv_irq_routing_msi - route to a message
 * @address_lo: message address, bits 31:0 (SDM 3A 11.11.1)
 * @address_hi: bits 63:32; bits 31:8 of it hold bits 31:8 of the destination when
 *	HV_X2APIC_API_USE_32BIT_IDS is enabled, else 0
 * @data: message data (SDM 3A 11.11.2)
 * @pad: 0
 * @devid: 0
 */
struct hv_irq_routing_msi {
	__u32 address_lo;
	__u32 address_hi;
	__u32 data;
	union {
		__u32 pad;
		__u32 devid;
	};
};

/* Kinds of routes. */
#define HV_IRQ_ROUTING_IRQCHIP	1
#define HV_IRQ_ROUTING_MSI	2

/**
 * struct hv_irq_routing_entry - what a GSI is connected to
 * @gsi: the GSI, below HV_CAP_IRQ_ROUTING
 * @type: HV_IRQ_ROUTING_*
 * @flags: 0
 * @pad: 0
 * @u: the target
 * @u.irqchip: for HV_IRQ_ROUTING_IRQCHIP. A GSI may have one such entry for each chip.
 * @u.msi: for HV_IRQ_ROUTING_MSI. The GSI then has no other entry.
 * @u.pad: fixes the size
 */
struct hv_irq_routing_entry {
	__u32 gsi;
	__u32 type;
	__u32 flags;
	__u32 pad;
	union {
		struct hv_irq_routing_irqchip irqchip;
		struct hv_irq_routing_msi msi;
		__u32 pad[8];
	} u;
};

/**
 * struct hv_irq_routing - the routing table
 * @nr: number of entries; may be 0
 * @flags: 0
 * @entries: the whole table
 */
struct hv_irq_routing {
	__u32 nr;
	__u32 flags;
	struct hv_irq_routing_entry entries[];
};

/* hv_msi.devid is valid; refused unless HV_CAP_MSI_DEVID is there. */
#define HV_MSI_VALID_DEVID	0x1U

/**
 * struct hv_msi - a message-signaled interrupt
 * @address_lo: message address, bits 31:0
 * @address_hi: message address, bits 63:32
 * @data: message data
 * @flags: 0
 * @devid: not used
 * @pad: 0
 */
struct hv_msi {
	__u32 address_lo;
	__u32 address_hi;
	__u32 data;
	__u32 flags;
	__u32 devid;
	__u8 pad[12];
};

/* hv_irqfd.flags: disconnect; a level-triggered line with a resamplefd. */
#define HV_IRQFD_FLAG_DEASSIGN	0x1
#define HV_IRQFD_FLAG_RESAMPLE	0x2

/**
 * struct hv_irqfd - an eventfd that interrupts
 * @fd: eventfd
 * @gsi: GSI; routed now, later or never
 * @flags: HV_IRQFD_FLAG_*
 * @resamplefd: eventfd that is signaled at the end of an interrupt, with
 *	HV_IRQFD_FLAG_RESAMPLE
 * @pad: 0
 */
struct hv_irqfd {
	__u32 fd;
	__u32 gsi;
	__u32 flags;
	__u32 resamplefd;
	__u8 pad[16];
};

/*
 * hv_ioeventfd.flags: only writes of @datamatch; a port, else memory; disconnect.
 */
#define HV_IOEVENTFD_FLAG_DATAMATCH	0x1
#define HV_IOEVENTFD_FLAG_PIO		0x2
#define HV_IOEVENTFD_FLAG_DEASSIGN	0x4

/**
 * struct hv_ioeventfd - an address that signals an eventfd
 * @datamatch: value, with HV_IOEVENTFD_FLAG_DATAMATCH; above the length it has to be 0 to
 *	match anything
 * @addr: guest-physical address or port
 * @len: length of the write in bytes: 1, 2, 4, 8; 0: any
 * @fd: eventfd
 * @flags: HV_IOEVENTFD_FLAG_*
 * @pad: 0
 */
struct hv_ioeventfd {
	__u64 datamatch;
	__u64 addr;
	__u32 len;
	__s32 fd;
	__u32 flags;
	__u8 pad[36];
};

/**
 * struct hv_coalesced_mmio_zone - addresses whose writes may wait
 * @addr: first guest-physical address or port
 * @size: number of bytes or ports
 * @pad: the same as @pio
 * @pio: 0: memory, 1: ports
 */
struct hv_coalesced_mmio_zone {
	__u64 addr;
	__u32 size;
	union {
		__u32 pad;
		__u32 pio;
	};
};

/**
 * struct hv_coalesced_mmio - a write that waits
 * @phys_addr: guest-physical address or port
 * @len: bytes, 1 to 8
 * @pad: the same as @pio
 * @pio: 0: memory, 1: a port
 * @data: the bytes
 */
struct hv_coalesced_mmio {
	__u64 phys_addr;
	__u32 len;
	union {
		__u32 pad;
		__u32 pio;
	};
	__u8 data[8];
};

/**
 * struct hv_coalesced_mmio_ring - the page with the writes that wait
 * @first: the oldest entry; equal to @last: there is none. The VMM's: it takes the entry, then
 *	writes the next index (release)
 * @last: the entry that will be written next; hv's. Read it (acquire) before the entries
 * @coalesced_mmio: HV_COALESCED_MMIO_MAX entries; one of them is always free
 */
struct hv_coalesced_mmio_ring {
	__u32 first;
	__u32 last;
	struct hv_coalesced_mmio coalesced_mmio[];
};

/* Entries of the ring; behind the last one comes the first. */
#define HV_COALESCED_MMIO_MAX	\
	((4096 - sizeof(struct hv_coalesced_mmio_ring)) / sizeof(struct hv_coalesced_mmio))

/*
 * Structures of VM fds: time
 */

/* Out: @clock is the same on all vCPUs at an instant. */
#define HV_CLOCK_TSC_STABLE	2
/* @realtime is valid. */
#define HV_CLOCK_REALTIME	0x4
/* Out: @host_tsc is valid. */
#define HV_CLOCK_HOST_TSC	0x8

/**
 * struct hv_clock_data - the VM's clock
 * @clock: nanoseconds since the VM was made, or as set: what guests read as kvmclock
 * @flags: HV_CLOCK_*
 * @pad0: 0
 * @realtime: the host's CLOCK_REALTIME at the same instant
 * @host_tsc: the host's TSC at the same instant
 * @pad: 0
 */
struct hv_clock_data {
	__u64 clock;
	__u32 flags;
	__u32 pad0;
	__u64 realtime;
	__u64 host_tsc;
	__u32 pad[4];
};

/*
 * Structures of VM fds: options
 */

/* Arguments of HV_CAP_X86_DISABLE_EXITS: let the guest execute these itself. */
#define HV_X86_DISABLE_EXITS_MWAIT	0x1
#define HV_X86_DISABLE_EXITS_HLT	0x2
#define HV_X86_DISABLE_EXITS_PAUSE	0x4
#define HV_X86_DISABLE_EXITS_CSTATE	0x8

/* Arguments of HV_CAP_X2APIC_API. */
#define HV_X2APIC_API_USE_32BIT_IDS		0x1ULL
#define HV_X2APIC_API_DISABLE_BROADCAST_QUIRK	0x2ULL

/* Arguments of HV_CAP_DISABLE_QUIRKS2: deviations that old guests rely on. */
/* LVT0 of the boot CPU's LAPIC is unmasked, mode ExtINT, at reset. */
#define HV_X86_QUIRK_LINT0_REENABLED		0x1
/* CR0.CD and CR0.NW are kept but have no effect. */
#define HV_X86_QUIRK_CD_NW_CLEARED		0x2
/* The xAPIC page stays in place in x2APIC mode. */
#define HV_X86_QUIRK_LAPIC_MMIO_HOLE		0x4
/* OUT to port 0x7e: RIP is advanced before the exit. */
#define HV_X86_QUIRK_OUT_7E_INC_RIP		0x8
/* IA32_MISC_ENABLE doesn't change CPUID's MONITOR bit. */
#define HV_X86_QUIRK_MISC_ENABLE_NO_MWAIT	0x10
/* VMCALL is rewritten to VMMCALL or back, as the vendor needs. */
#define HV_X86_QUIRK_FIX_HYPERCALL_INSN		0x20
/* MONITOR and MWAIT are NOPs rather than #UD. */
#define HV_X86_QUIRK_MWAIT_NEVER_UD_FAULTS	0x40

/**
 * struct hv_enable_cap - switch a capability on
 * @cap: HV_CAP_*
 * @flags: 0
 * @args: depends on @cap
 * @pad: 0
 */
struct hv_enable_cap {
	__u32 cap;
	__u32 flags;
	__u64 args[4];
	__u8 pad[64];
};

/*
 * ---------------------------------------------------------------------------
 * Calls on VM fds
 *
 * HV_CHECK_EXTENSION and HV_GET_STATS_FD are calls of VM fds, too.
 * ---------------------------------------------------------------------------
 */

/**
 * define HV_CREATE_VCPU - make a virtual CPU
 *
 * Argument: its id, which becomes the APIC id. Returns the vCPU fd. The vCPU is
 * in the state after a hardware reset. The one with the boot CPU's id (0, or see
 * HV_SET_BOOT_CPU_ID) can run; with an in-kernel LAPIC the others wait for INIT
 * and SIPI.
 * Errors: EINVAL if the id or the number of vCPUs is too large, EEXIST if
 * the id is taken, EMFILE, ENFILE.
 */
#define HV_CREATE_VCPU			_IO(HVIO, 0x41)

/**
 * define HV_SET_USER_MEMORY_REGION - add, change, move or delete a memory slot
 *
 * Argument: struct hv_userspace_memory_region. A slot that exists can be moved
 * (another @guest_phys_addr) or deleted (@memory_size 0); to change its size or its
 * memory, delete it first. When the call returns, no vCPU uses the old slot.
 * Errors: EINVAL for unknown flags, a bad slot number, misaligned or wrapping
 * ranges, addresses beyond the processor's, a change that isn't possible or
 * the deletion of a slot that doesn't exist; EEXIST if it overlaps another slot.
 * With assigned devices, unless it has HV_MEM_NO_DMA, also EFAULT or EOPNOTSUPP if its memory can't
 * be pinned, ENOMEM above RLIMIT_MEMLOCK, ERANGE beyond what an IOMMU translates, and EINTR if the
 * process is killed meanwhile.
 */
#define HV_SET_USER_MEMORY_REGION	_IOW(HVIO, 0x46, struct hv_userspace_memory_region)

/**
 * define HV_GET_DIRTY_LOG - which pages of a slot were written
 *
 * Argument: struct hv_dirty_log. Since the call before, or since HV_MEM_LOG_DIRTY_PAGES was set.
 * With HV_CAP_MANUAL_DIRTY_LOG_PROTECT2 enabled nothing is forgotten until HV_CLEAR_DIRTY_LOG.
 * Errors: EINVAL for a bad slot number, ENOENT if there's no such slot or it isn't logged, ENXIO if
 * the VM has dirty rings, EFAULT.
 */
#define HV_GET_DIRTY_LOG		_IOW(HVIO, 0x42, struct hv_dirty_log)

/**
 * define HV_CLEAR_DIRTY_LOG - forget that pages of a slot were written
 *
 * Argument: struct hv_clear_dirty_log. The next write to each of them is noted again. Read a
 * page after it was cleared, not before: then no write is missed.
 * Errors: EINVAL for a bad slot number or range, ENOENT if there's no such slot or it isn't
 * logged, ENXIO if the VM has dirty rings, EFAULT.
 */
#define HV_CLEAR_DIRTY_LOG		_IOWR(HVIO, 0xc0, struct hv_clear_dirty_log)

/**
 * define HV_RESET_DIRTY_RINGS - take back entries of all dirty rings
 *
 * No argument. Entries with HV_DIRTY_GFN_F_RESET become free, in the order of each ring; the next
 * write to their pages is noted again. Returns how many there were.
 * Errors: EINVAL if the VM has no rings.
 */
#define HV_RESET_DIRTY_RINGS		_IO(HVIO, 0xc7)

/**
 * define HV_SET_TSS_ADDR - three pages for processors without unrestricted guest
 *
 * Argument: guest-physical address below 4 GiB. hv doesn't use them.
 * Errors: EINVAL if the pages don't fit below 4 GiB.
 */
#define HV_SET_TSS_ADDR			_IO(HVIO, 0x47)

/**
 * define HV_SET_IDENTITY_MAP_ADDR - a page for processors without unrestricted guest
 *
 * Argument: pointer to __u64, guest-physical address. hv doesn't use it.
 * Errors: EINVAL once a vCPU exists.
 */
#define HV_SET_IDENTITY_MAP_ADDR	_IOW(HVIO, 0x48, __u64)

/**
 * define HV_CREATE_IRQCHIP - interrupt controllers in the kernel
 *
 * Argument: ignored. The VM gets an IOAPIC, a pair of 8259 PICs at ports 0x20, 0x21, 0xa0, 0xa1,
 * 0x4d0 and 0x4d1, each vCPU made afterwards a LAPIC, and the routing table its default: GSI n to
 * pin n of the IOAPIC, those below 16 also to line n of the PICs.
 * Errors: EEXIST if they exist, EINVAL once a vCPU exists.
 */
#define HV_CREATE_IRQCHIP		_IO(HVIO, 0x60)

/**
 * define HV_IRQ_LINE - set the level of an interrupt line
 *
 * Argument: struct hv_irq_level. For a GSI routed to a message, level 1 sends it and
 * level 0 does nothing. A GSI that is routed nowhere is no error.
 * Errors: ENXIO without in-kernel interrupt controllers.
 */
#define HV_IRQ_LINE			_IOW(HVIO, 0x61, struct hv_irq_level)

/**
 * define HV_GET_IRQCHIP - read an interrupt controller's state
 *
 * Argument: struct hv_irqchip with @chip_id set.
 * Errors: ENXIO without in-kernel interrupt controllers, EINVAL for a chip
 * that the VM doesn't have.
 */
#define HV_GET_IRQCHIP			_IOWR(HVIO, 0x62, struct hv_irqchip)

/**
 * define HV_SET_IRQCHIP - write an interrupt controller's state
 *
 * As HV_GET_IRQCHIP. (The direction in the number is KVM's historical one.)
 */
#define HV_SET_IRQCHIP			_IOR(HVIO, 0x63, struct hv_irqchip)

/**
 * define HV_CREATE_PIT - the 8254 timer in the kernel
 *
 * Argument: ignored. HV_CREATE_PIT2 with HV_PIT_SPEAKER_DUMMY.
 */
#define HV_CREATE_PIT			_IO(HVIO, 0x64)

/**
 * define HV_GET_PIT - read the PIT's state, without flags
 *
 * Argument: struct hv_pit_state, written. Errors: ENXIO without a PIT.
 */
#define HV_GET_PIT			_IOWR(HVIO, 0x65, struct hv_pit_state)

/**
 * define HV_SET_PIT - write the PIT's state; the flags stay
 *
 * Argument: struct hv_pit_state. Errors: as HV_SET_PIT2. (The direction in the number is KVM's
 * historical one.)
 */
#define HV_SET_PIT			_IOR(HVIO, 0x66, struct hv_pit_state)

/**
 * define HV_IRQ_LINE_STATUS - HV_IRQ_LINE that tells what became of it
 *
 * Argument: struct hv_irq_level, @status is written. Errors: as HV_IRQ_LINE.
 */
#define HV_IRQ_LINE_STATUS		_IOWR(HVIO, 0x67, struct hv_irq_level)

/**
 * define HV_SET_GSI_ROUTING - replace the routing table
 *
 * Argument: struct hv_irq_routing. Interrupts see the old table or the new one,
 * never a mixture.
 * Errors: EINVAL without in-kernel interrupt controllers, for too many entries, for
 * flags, unknown types, chips, pins (with HV_CAP_SPLIT_IRQCHIP all) or GSIs, reserved bits of
 * a message's address with HV_X2APIC_API_USE_32BIT_IDS, or entries of one GSI that exclude each
 * other; the old table stays.
 */
#define HV_SET_GSI_ROUTING		_IOW(HVIO, 0x6a, struct hv_irq_routing)

/**
 * define HV_IRQFD - connect an eventfd to a GSI
 *
 * Argument: struct hv_irqfd. From now on, a signal of the eventfd resets its counter and
 * interrupts, from the context of whoever signals: the GSI goes up and down. If the
 * counter isn't 0 already, that is a signal, too. Where the GSI leads is looked up each time.
 *
 * With HV_IRQFD_FLAG_RESAMPLE the GSI goes up and stays up until the guest ends the
 * interrupt of one of its pins (EOI). Then it goes down and @resamplefd is signaled, whose reader
 * signals @fd again if the device still wants attention. The line is shared with other
 * irqfds of the GSI, whose resamplefds are all signaled, and with HV_IRQ_LINE.
 *
 * With HV_IRQFD_FLAG_DEASSIGN they are disconnected; after the call the eventfd
 * interrupts no more. It is no error if they were not connected. Closing the
 * last descriptor of the eventfd, or the VM fd, disconnects, too.
 *
 * Errors: EINVAL without in-kernel interrupt controllers, with HV_IRQFD_FLAG_RESAMPLE without
 * an in-kernel IOAPIC, for unknown flags, or for a descriptor that is no eventfd; EBADF;
 * EBUSY if the eventfd is connected to a GSI of this VM already; ENOSPC for more than
 * 1024 with HV_IRQFD_FLAG_RESAMPLE.
 */
#define HV_IRQFD			_IOW(HVIO, 0x76, struct hv_irqfd)

/**
 * define HV_REINJECT_CONTROL - what becomes of ticks for which the guest is too slow
 *
 * Argument: pointer to struct hv_reinject_control. Errors: ENXIO without a PIT.
 */
#define HV_REINJECT_CONTROL		_IO(HVIO, 0x71)

/**
 * define HV_CREATE_PIT2 - the 8254 timer in the kernel
 *
 * Argument: struct hv_pit_config. Ports 0x40 to 0x43 no longer exit; counter 0 is connected to
 * GSI 0. Errors: EEXIST if there is one, ENOENT without in-kernel PICs, EINVAL for unknown
 * flags.
 */
#define HV_CREATE_PIT2			_IOW(HVIO, 0x77, struct hv_pit_config)

/**
 * define HV_GET_PIT2 - read the PIT's state
 *
 * Argument: struct hv_pit_state2, written. Errors: ENXIO without a PIT.
 */
#define HV_GET_PIT2			_IOR(HVIO, 0x9f, struct hv_pit_state2)

/**
 * define HV_SET_PIT2 - write the PIT's state
 *
 * Argument: struct hv_pit_state2. Counters that have a count start again with it.
 * Errors: ENXIO without a PIT, EINVAL for unknown flags and impossible values; nothing
 * has changed then.
 */
#define HV_SET_PIT2			_IOW(HVIO, 0xa0, struct hv_pit_state2)

/**
 * define HV_IOEVENTFD - connect an eventfd to writes of the guest
 *
 * Argument: struct hv_ioeventfd. A write that matches adds 1 to the eventfd's counter and is
 * done: HV_RUN doesn't return, the value is dropped. Reads and writes that match nothing
 * exit as before. Memory slots come first, interrupt controllers in the kernel last.
 * An instruction that writes more than once signals once for each write that matches.
 *
 * With HV_IOEVENTFD_FLAG_DEASSIGN the one that has exactly these properties is removed; after the
 * call it signals no more. Closing the eventfd's descriptors does not remove it.
 *
 * Errors: EINVAL for unknown flags or lengths, length 0 with HV_IOEVENTFD_FLAG_DATAMATCH, a
 * range that wraps, or a descriptor that is no eventfd; EBADF; EEXIST if there are writes
 * that would match this and another one; ENOENT if there is none to remove; ENOSPC for
 * more than 65536.
 */
#define HV_IOEVENTFD			_IOW(HVIO, 0x79, struct hv_ioeventfd)

/**
 * define HV_REGISTER_COALESCED_MMIO - let writes to an address range or to ports wait
 *
 * Argument: struct hv_coalesced_mmio_zone. A write that lies in a zone as a whole is put in
 * struct hv_coalesced_mmio_ring, at page HV_COALESCED_MMIO_PAGE_OFFSET of the mapping of each
 * vCPU, and the guest goes on. The ring is the VM's: the VMM takes what is in it, with a lock of
 * its own between its threads, each time when HV_RUN returns, before it does what that is for.
 * A write exits if the ring is full. Reads always exit. Memory slots, eventfds and interrupt
 * controllers in the kernel come first.
 *
 * Zones may overlap; a write is noted once. Errors: EINVAL for size 0, a range that wraps, or
 * another value of pio; ENOSPC for more than 1000 of memory or of ports.
 */
#define HV_REGISTER_COALESCED_MMIO	_IOW(HVIO, 0x67, struct hv_coalesced_mmio_zone)

/**
 * define HV_UNREGISTER_COALESCED_MMIO - end that
 *
 * Argument: struct hv_coalesced_mmio_zone. Each zone that holds all of the range goes, as a whole;
 * it is no error if there is none. What is in the ring stays, nothing is added for the zone after
 * the call. Errors: EINVAL as above.
 */
#define HV_UNREGISTER_COALESCED_MMIO	_IOW(HVIO, 0x68, struct hv_coalesced_mmio_zone)

/**
 * define HV_SET_BOOT_CPU_ID - which vCPU starts
 *
 * Argument: its id. Errors: EBUSY once a vCPU exists, EINVAL for an id that is
 * too large.
 */
#define HV_SET_BOOT_CPU_ID		_IO(HVIO, 0x78)

/**
 * define HV_SET_CLOCK - set the VM's clock
 *
 * Argument: struct hv_clock_data. With HV_CLOCK_REALTIME the time that has passed since
 * @realtime is added to @clock.
 * Errors: EINVAL for flags that HV_CAP_ADJUST_CLOCK doesn't have; the others are ignored.
 */
#define HV_SET_CLOCK			_IOW(HVIO, 0x7b, struct hv_clock_data)

/**
 * define HV_GET_CLOCK - read the VM's clock
 *
 * Argument: struct hv_clock_data, written.
 */
#define HV_GET_CLOCK			_IOR(HVIO, 0x7c, struct hv_clock_data)

/**
 * define HV_SIGNAL_MSI - send an MSI
 *
 * Argument: struct hv_msi. Returns above 0 if it was delivered, 0 if the guest
 * blocked it (masked, or merged with one pending).
 * Errors: EINVAL without an in-kernel LAPIC, for flags, or for reserved bits of the address with
 * HV_X2APIC_API_USE_32BIT_IDS.
 */
#define HV_SIGNAL_MSI			_IOW(HVIO, 0xa5, struct hv_msi)

/**
 * define HV_ENABLE_CAP - switch a capability on
 *
 * Argument: struct hv_enable_cap. A call of VM fds; of vCPU fds, too, where
 * HV_CAP_ENABLE_CAP is there.
 * Errors: EINVAL for capabilities that can't be enabled, for flags, and for
 * arguments that the capability doesn't know.
 */
#define HV_ENABLE_CAP			_IOW(HVIO, 0xa3, struct hv_enable_cap)

/*
 * ---------------------------------------------------------------------------
 * Structures of vCPU fds: registers
 * ---------------------------------------------------------------------------
 */

/* Interrupt vectors of the processor. */
#define HV_NR_INTERRUPTS	256

/**
 * struct hv_regs - general registers
 * @rax: RAX
 * @rbx: RBX
 * @rcx: RCX
 * @rdx: RDX
 * @rsi: RSI
 * @rdi: RDI
 * @rsp: RSP
 * @rbp: RBP
 * @r8: R8
 * @r9: R9
 * @r10: R10
 * @r11: R11
 * @r12: R12
 * @r13: R13
 * @r14: R14
 * @r15: R15
 * @rip: instruction pointer
 * @rflags: flags; bit 1 is always set
 */
struct hv_regs {
	__u64 rax, rbx, rcx, rdx;
	__u64 rsi, rdi, rsp, rbp;
	__u64 r8, r9, r10, r11;
	__u64 r12, r13, r14, r15;
	__u64 rip, rflags;
};

/**
 * struct hv_segment - segment register with its descriptor
 * @base: linear address of the segment
 * @limit: last valid offset, in bytes (whatever @g says)
 * @selector: visible part
 * @type: type field of the descriptor (SDM 3A 3.4.5.1)
 * @present: P
 * @dpl: descriptor privilege level
 * @db: D/B: default operand size 32 bits
 * @s: 1: code or data, 0: system segment
 * @l: 64-bit code segment
 * @g: granularity of the limit in the descriptor
 * @avl: available to software
 * @unusable: 1: a null selector was loaded, using the segment faults
 * @padding: 0
 */
struct hv_segment {
	__u64 base;
	__u32 limit;
	__u16 selector;
	__u8 type;
	__u8 present, dpl, db, s, l, g, avl;
	__u8 unusable;
	__u8 padding;
};

/**
 * struct hv_dtable - GDTR or IDTR
 * @base: linear address of the table
 * @limit: last valid offset
 * @padding: 0
 */
struct hv_dtable {
	__u64 base;
	__u16 limit;
	__u16 padding[3];
};

/**
 * struct hv_sregs - segment and system registers
 * @cs: code segment
 * @ds: data segment
 * @es: data segment
 * @fs: data segment
 * @gs: data segment
 * @ss: stack segment; its @dpl is the current privilege level
 * @tr: task register
 * @ldt: local descriptor table register
 * @gdt: global descriptor table register
 * @idt: interrupt descriptor table register
 * @cr0: CR0
 * @cr2: CR2
 * @cr3: CR3
 * @cr4: CR4
 * @cr8: CR8, the task priority, 0 to 15
 * @efer: IA32_EFER
 * @apic_base: IA32_APIC_BASE
 * @interrupt_bitmap: at most one bit: the external interrupt (HV_INTERRUPT)
 *	that waits to be injected
 */
struct hv_sregs {
	struct hv_segment cs, ds, es, fs, gs, ss;
	struct hv_segment tr, ldt;
	struct hv_dtable gdt, idt;
	__u64 cr0, cr2, cr3, cr4, cr8;
	__u64 efer;
	__u64 apic_base;
	__u64 interrupt_bitmap[(HV_NR_INTERRUPTS + 63) / 64];
};

/**
 * struct hv_fpu - x87 and SSE state
 * @fpr: ST0 to ST7, 80 bits each
 * @fcw: control word
 * @fsw: status word
 * @ftwx: abridged tag word as in FXSAVE: a bit is set if the register isn't empty
 * @pad1: 0
 * @last_opcode: FOP
 * @last_ip: FIP
 * @last_dp: FDP
 * @xmm: XMM0 to XMM15
 * @mxcsr: MXCSR
 * @pad2: 0
 */
struct hv_fpu {
	__u8 fpr[8][16];
	__u16 fcw;
	__u16 fsw;
	__u8 ftwx;
	__u8 pad1;
	__u16 last_opcode;
	__u64 last_ip;
	__u64 last_dp;
	__u8 xmm[16][16];
	__u32 mxcsr;
	__u32 pad2;
};

/**
 * struct hv_xsave - extended processor state
 * @region: the XSAVE area in the standard format: legacy region, header, then each
 *	component at the offset that the host's CPUID leaf 0xd says. A
 *	component whose XSTATE_BV bit is 0 is in its initial state.
 * @extra: what doesn't fit 4096 bytes, HV_GET_XSAVE2 only
 */
struct hv_xsave {
	__u32 region[1024];
	__u32 extra[];
};

#define HV_MAX_XCRS	16

/**
 * struct hv_xcr - extended control register
 * @xcr: its number; only 0 exists
 * @reserved: 0
 * @value: value
 */
struct hv_xcr {
	__u32 xcr;
	__u32 reserved;
	__u64 value;
};

/**
 * struct hv_xcrs - extended control registers
 * @nr_xcrs: entries used
 * @flags: 0
 * @xcrs: registers
 * @padding: 0
 */
struct hv_xcrs {
	__u32 nr_xcrs;
	__u32 flags;
	struct hv_xcr xcrs[HV_MAX_XCRS];
	__u64 padding[16];
};

/**
 * struct hv_debugregs - debug registers
 * @db: DR0 to DR3
 * @dr6: DR6
 * @dr7: DR7
 * @flags: 0
 * @reserved: 0
 */
struct hv_debugregs {
	__u64 db[4];
	__u64 dr6;
	__u64 dr7;
	__u64 flags;
	__u64 reserved[9];
};

/*
 * Structures of vCPU fds: interrupts and events
 */

#define HV_APIC_REG_SIZE	0x400

/**
 * struct hv_lapic_state - local APIC registers
 * @regs: the register page's first KiB: a 32-bit register at each multiple of 16
 *	(SDM 3A 11.4.1). The id is at 0x20: bits 31:24 in xAPIC mode; in x2APIC mode
 *	all bits with HV_X2APIC_API_USE_32BIT_IDS, else bits 31:24, too.
 */
struct hv_lapic_state {
	char regs[HV_APIC_REG_SIZE];
};

/**
 * struct hv_interrupt - external interrupt from a PIC in the VMM
 * @irq: vector, 0 to 255
 */
struct hv_interrupt {
	__u32 irq;
};

/* It runs. */
#define HV_MP_STATE_RUNNABLE		0
/* An application processor before INIT. In-kernel LAPIC only, as all below. */
#define HV_MP_STATE_UNINITIALIZED	1
/* INIT came, SIPI is awaited. */
#define HV_MP_STATE_INIT_RECEIVED	2
/* HLT was executed, an interrupt is awaited. */
#define HV_MP_STATE_HALTED		3
/* SIPI came and isn't processed yet. */
#define HV_MP_STATE_SIPI_RECEIVED	4

/**
 * struct hv_mp_state - what a vCPU of a multiprocessor does
 * @mp_state: HV_MP_STATE_*
 */
struct hv_mp_state {
	__u32 mp_state;
};

/* HV_SET_VCPU_EVENTS: which optional fields are given. */
#define HV_VCPUEVENT_VALID_NMI_PENDING	0x00000001
#define HV_VCPUEVENT_VALID_SIPI_VECTOR	0x00000002
#define HV_VCPUEVENT_VALID_SHADOW	0x00000004
#define HV_VCPUEVENT_VALID_SMM		0x00000008
#define HV_VCPUEVENT_VALID_PAYLOAD	0x00000010
#define HV_VCPUEVENT_VALID_TRIPLE_FAULT	0x00000020

/* hv_vcpu_events.interrupt.shadow: the instruction after these is still protected. */
#define HV_X86_SHADOW_INT_MOV_SS	0x01
#define HV_X86_SHADOW_INT_STI		0x02

/**
 * struct hv_vcpu_events - events between the instructions
 * @exception: the exception to deliver
 * @exception.injected: it's being delivered and must be again at the next entry
 * @exception.nr: vector, 0 to 31
 * @exception.has_error_code: @exception.error_code is pushed
 * @exception.pending: it's raised and not delivered (HV_CAP_EXCEPTION_PAYLOAD)
 * @exception.error_code: error code
 * @interrupt: the external interrupt
 * @interrupt.injected: it's being delivered and must be again at the next entry
 * @interrupt.nr: vector
 * @interrupt.soft: it's an INT n
 * @interrupt.shadow: HV_X86_SHADOW_INT_*
 * @nmi: the non-maskable interrupt
 * @nmi.injected: it's being delivered and must be again at the next entry
 * @nmi.pending: number of NMIs that wait
 * @nmi.masked: blocked until IRET
 * @nmi.pad: 0
 * @sipi_vector: vector of the start-up IPI that waits
 * @flags: HV_VCPUEVENT_VALID_*
 * @smi: system management mode; all 0
 * @smi.smm: in SMM
 * @smi.pending: SMI waits
 * @smi.smm_inside_nmi: NMIs were blocked when SMM was entered
 * @smi.latched_init: INIT waits for the end of SMM
 * @triple_fault: shutdown (HV_CAP_X86_TRIPLE_FAULT_EVENT)
 * @triple_fault.pending: it waits to be reported
 * @reserved: 0
 * @exception_has_payload: @exception_payload is valid
 * @exception_payload: CR2 (#PF) or DR6 bits (#DB) that delivery will set
 */
struct hv_vcpu_events {
	struct {
		__u8 injected;
		__u8 nr;
		__u8 has_error_code;
		__u8 pending;
		__u32 error_code;
	} exception;
	struct {
		__u8 injected;
		__u8 nr;
		__u8 soft;
		__u8 shadow;
	} interrupt;
	struct {
		__u8 injected;
		__u8 pending;
		__u8 masked;
		__u8 pad;
	} nmi;
	__u32 sipi_vector;
	__u32 flags;
	struct {
		__u8 smm;
		__u8 pending;
		__u8 smm_inside_nmi;
		__u8 latched_init;
	} smi;
	struct {
		__u8 pending;
	} triple_fault;
	__u8 reserved[26];
	__u8 exception_has_payload;
	__u64 exception_payload;
};

/**
 * struct hv_signal_mask - signals blocked during HV_RUN
 * @len: size of @sigset: 8
 * @sigset: the kernel's sigset_t
 */
struct hv_signal_mask {
	__u32 len;
	__u8 sigset[];
};

/**
 * struct hv_tpr_access_ctl - reports of accesses to the task priority register
 * @enabled: 1: exit with HV_EXIT_TPR_ACCESS; hv accepts it and never does
 * @flags: 0
 * @reserved: 0
 */
struct hv_tpr_access_ctl {
	__u32 enabled;
	__u32 flags;
	__u32 reserved[8];
};

/**
 * struct hv_vapic_addr - where the guest shares its task priority
 * @vapic_addr: guest-physical address, 0: nowhere; hv doesn't use it
 */
struct hv_vapic_addr {
	__u64 vapic_addr;
};

/*
 * Structures of vCPU fds: debugging
 */

/* Debug this guest; without it all else is off. */
#define HV_GUESTDBG_ENABLE	0x00000001
/* Exit after each instruction. */
#define HV_GUESTDBG_SINGLESTEP	0x00000002
/* INT3 exits instead of raising #BP. */
#define HV_GUESTDBG_USE_SW_BP	0x00010000
/* Debug registers are the VMM's. */
#define HV_GUESTDBG_USE_HW_BP	0x00020000
/* Inject #DB. */
#define HV_GUESTDBG_INJECT_DB	0x00040000
/* Inject #BP, as INT3 at RIP does. */
#define HV_GUESTDBG_INJECT_BP	0x00080000
/* No interrupts while single-stepping. */
#define HV_GUESTDBG_BLOCKIRQ	0x00100000

/**
 * struct hv_guest_debug_arch - hardware breakpoints
 * @debugreg: DR0 to DR7; 0 to 3 and 7 are used
 */
struct hv_guest_debug_arch {
	__u64 debugreg[8];
};

/**
 * struct hv_guest_debug - debugging of the guest by the VMM
 * @control: HV_GUESTDBG_*
 * @pad: 0
 * @arch: hardware breakpoints
 */
struct hv_guest_debug {
	__u32 control;
	__u32 pad;
	struct hv_guest_debug_arch arch;
};

/**
 * struct hv_debug_exit_arch - why HV_EXIT_DEBUG
 * @exception: vector: 1 (#DB) or 3 (#BP)
 * @pad: 0
 * @pc: linear address of the instruction
 * @dr6: DR6 bits of the event
 * @dr7: DR7 in force
 */
struct hv_debug_exit_arch {
	__u32 exception;
	__u32 pad;
	__u64 pc;
	__u64 dr6;
	__u64 dr7;
};

/**
 * struct hv_translation - translation of a guest-linear address
 * @linear_address: in: the address
 * @physical_address: out: guest-physical address, all ones if there's none
 * @valid: out: 1 if it's mapped
 * @writeable: out: 1 (as KVM: not looked up)
 * @usermode: out: 0 (as KVM: not looked up)
 * @pad: 0
 */
struct hv_translation {
	__u64 linear_address;
	__u64 physical_address;
	__u8 valid;
	__u8 writeable;
	__u8 usermode;
	__u8 pad[5];
};

/*
 * ---------------------------------------------------------------------------
 * The run page: mmap of a vCPU fd at offset 0, MAP_SHARED, of
 * HV_GET_VCPU_MMAP_SIZE bytes
 * ---------------------------------------------------------------------------
 */

/* Pages of the mapping: data of port I/O, and the ring of HV_REGISTER_COALESCED_MMIO. */
#define HV_PIO_PAGE_OFFSET		1
#define HV_COALESCED_MMIO_PAGE_OFFSET	2
/* Where the dirty ring is, if HV_CAP_DIRTY_LOG_RING is enabled: its own mapping, MAP_SHARED */
#define HV_DIRTY_LOG_PAGE_OFFSET	64

/* hv_dirty_gfn.flags; none: the entry is free */
/* Written by hv: the page was written. */
#define HV_DIRTY_GFN_F_DIRTY		0x1UL
/* Written by the VMM: it has taken the entry. */
#define HV_DIRTY_GFN_F_RESET		0x2UL
#define HV_DIRTY_GFN_F_MASK		0x3

/**
 * struct hv_dirty_gfn - an entry of a dirty ring
 * @flags: HV_DIRTY_GFN_F_*; read it first (acquire), write it last (release)
 * @slot: number of the slot
 * @offset: page of the slot
 *
 * Entries are made and taken in the order of the ring. Read a page's contents after
 * HV_RESET_DIRTY_RINGS.
 */
struct hv_dirty_gfn {
	__u32 flags;
	__u32 slot;
	__u64 offset;
};

/* hv_run.exit_reason. Numbers not listed are other architectures' or unused. */
/* Nothing to report, or an unknown exit: hv_run.hw */
#define HV_EXIT_UNKNOWN		0
/* hv_run.ex; hv doesn't use it */
#define HV_EXIT_EXCEPTION	1
/* Port I/O: hv_run.io */
#define HV_EXIT_IO		2
/* hv_run.hypercall; hv doesn't use it */
#define HV_EXIT_HYPERCALL	3
/* Event asked for with HV_SET_GUEST_DEBUG: hv_run.debug */
#define HV_EXIT_DEBUG		4
/* HLT without an in-kernel LAPIC */
#define HV_EXIT_HLT		5
/* Access to guest-physical memory without a slot: hv_run.mmio */
#define HV_EXIT_MMIO		6
/* An interrupt can be injected now, as request_interrupt_window asked */
#define HV_EXIT_IRQ_WINDOW_OPEN	7
/* Triple fault: the processor shut down; set its state before it runs again */
#define HV_EXIT_SHUTDOWN	8
/* The processor refused the guest state: hv_run.fail_entry */
#define HV_EXIT_FAIL_ENTRY	9
/* A signal; HV_RUN also fails with EINTR */
#define HV_EXIT_INTR		10
/* CR8 was lowered, without an in-kernel LAPIC: hv_run.cr8 */
#define HV_EXIT_SET_TPR		11
/* hv_run.tpr_access; hv doesn't use it */
#define HV_EXIT_TPR_ACCESS	12
/* hv doesn't use it: NMIs of the host are the host's */
#define HV_EXIT_NMI		16
/* hv can't go on with this guest: hv_run.internal */
#define HV_EXIT_INTERNAL_ERROR	17
/* hv_run.system_event; hv doesn't use it */
#define HV_EXIT_SYSTEM_EVENT	24
/* End of interrupt, split irqchip: hv_run.eoi */
#define HV_EXIT_IOAPIC_EOI	26
/* RDMSR that the VMM asked for: hv_run.msr; hv doesn't use it */
#define HV_EXIT_X86_RDMSR	29
/* WRMSR that the VMM asked for: hv_run.msr; hv doesn't use it */
#define HV_EXIT_X86_WRMSR	30
/* The dirty ring is nearly full: take entries, call HV_RESET_DIRTY_RINGS */
#define HV_EXIT_DIRTY_RING_FULL	31
/* A slot's memory isn't there; HV_RUN fails with EFAULT: hv_run.memory_fault */
#define HV_EXIT_MEMORY_FAULT	39

/* hv_run.internal.suberror */
/* An instruction that hv can't decode or emulate: hv_run.emulation_failure */
#define HV_INTERNAL_ERROR_EMULATION			1
/* Exceptions that exclude each other; hv doesn't use it */
#define HV_INTERNAL_ERROR_SIMUL_EX			2
/*
 * An exit during event delivery that hv can't handle. Data: the IDT-vectoring
 * information, the exit reason, the exit qualification, the guest-physical address
 * if the exit has one, and the host CPU.
 */
#define HV_INTERNAL_ERROR_DELIVERY_EV			3
/* An exit reason that hv doesn't know. Data: the exit reason, the host CPU */
#define HV_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON	4

/* hv_run.emulation_failure.flags: insn_size and insn_bytes are valid. */
#define HV_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES	0x1ULL

/* hv_run.io.direction */
#define HV_EXIT_IO_IN	0
#define HV_EXIT_IO_OUT	1

/* hv_run.msr.reason: invalid access, unknown MSR, denied by the VMM's filter. */
#define HV_MSR_EXIT_REASON_INVAL	0x1
#define HV_MSR_EXIT_REASON_UNKNOWN	0x2
#define HV_MSR_EXIT_REASON_FILTER	0x4

/* hv_run.flags: in system management mode; a bus lock was taken. */
#define HV_RUN_X86_SMM		0x1
#define HV_RUN_X86_BUS_LOCK	0x2

/* Register classes of hv_run.hv_valid_regs and hv_dirty_regs. */
#define HV_SYNC_X86_REGS	0x1UL
#define HV_SYNC_X86_SREGS	0x2UL
#define HV_SYNC_X86_EVENTS	0x4UL

#define HV_SYNC_X86_VALID_FIELDS \
	(HV_SYNC_X86_REGS | \
	 HV_SYNC_X86_SREGS | \
	 HV_SYNC_X86_EVENTS)

/**
 * struct hv_sync_regs - registers in the run page (HV_CAP_SYNC_REGS)
 * @regs: as HV_GET_REGS
 * @sregs: as HV_GET_SREGS
 * @events: as HV_GET_VCPU_EVENTS
 */
struct hv_sync_regs {
	struct hv_regs regs;
	struct hv_sregs sregs;
	struct hv_vcpu_events events;
};

#define HV_SYNC_REGS_SIZE_BYTES	2048

/**
 * struct hv_run - what a vCPU and its VMM tell each other around HV_RUN
 * @request_interrupt_window: in: 1: exit with HV_EXIT_IRQ_WINDOW_OPEN as soon as an
 *	interrupt could be injected
 * @immediate_exit: in: 1: HV_RUN finishes what the last exit left to do (data of an
 *	I/O read), executes no guest instruction and fails with EINTR. The kernel
 *	doesn't clear it; a signal handler may set it.
 * @padding1: 0
 * @exit_reason: out: HV_EXIT_*
 * @ready_for_interrupt_injection: out: 1 if HV_INTERRUPT would deliver at once.
 *	Written at each return of HV_RUN, failures included, as the fields to @apic_base.
 * @if_flag: out: RFLAGS.IF
 * @flags: out: HV_RUN_X86_*
 * @cr8: in and out: CR8; in only without an in-kernel LAPIC
 * @apic_base: out: IA32_APIC_BASE
 * @hw: HV_EXIT_UNKNOWN
 * @hw.hardware_exit_reason: the processor's code
 * @fail_entry: HV_EXIT_FAIL_ENTRY
 * @fail_entry.hardware_entry_failure_reason: VMX: exit reason, or with bit 31 clear the
 *	VM-instruction error (SDM 3C 31.4)
 * @fail_entry.cpu: host CPU on which it happened
 * @ex: HV_EXIT_EXCEPTION
 * @ex.exception: vector
 * @ex.error_code: error code
 * @io: HV_EXIT_IO. The data is at @io.data_offset, @io.count elements of @io.size
 *	bytes. Data of an IN is taken at the next HV_RUN, which also finishes the
 *	instruction.
 * @io.direction: HV_EXIT_IO_IN or HV_EXIT_IO_OUT
 * @io.size: bytes of an access: 1, 2 or 4
 * @io.port: port
 * @io.count: number of accesses, above 1 for string instructions
 * @io.data_offset: offset of the data from the start of the run page
 * @debug: HV_EXIT_DEBUG
 * @debug.arch: what happened
 * @mmio: HV_EXIT_MMIO. Data of a read is taken at the next HV_RUN. An access of more than
 *	8 bytes or across a page comes as several exits.
 * @mmio.phys_addr: guest-physical address
 * @mmio.data: data, little endian
 * @mmio.len: bytes of the access, 1 to 8
 * @mmio.is_write: 1: write, 0: read
 * @hypercall: HV_EXIT_HYPERCALL
 * @hypercall.nr: number
 * @hypercall.args: arguments
 * @hypercall.ret: result
 * @hypercall.longmode: made in 64-bit mode
 * @hypercall.pad: 0
 * @tpr_access: HV_EXIT_TPR_ACCESS
 * @tpr_access.rip: instruction
 * @tpr_access.is_write: 1: write
 * @tpr_access.pad: 0
 * @internal: HV_EXIT_INTERNAL_ERROR
 * @internal.suberror: HV_INTERNAL_ERROR_*
 * @internal.ndata: elements of @internal.data that are valid
 * @internal.data: see HV_INTERNAL_ERROR_*
 * @emulation_failure: HV_EXIT_INTERNAL_ERROR with HV_INTERNAL_ERROR_EMULATION
 * @emulation_failure.suberror: HV_INTERNAL_ERROR_EMULATION
 * @emulation_failure.ndata: 64-bit words that follow: 0, or 3 and more
 * @emulation_failure.flags: which fields are valid
 * @emulation_failure.insn_size: valid bytes of @emulation_failure.insn_bytes
 * @emulation_failure.insn_bytes: the instruction, as much as could be fetched
 * @system_event: HV_EXIT_SYSTEM_EVENT
 * @system_event.type: kind of event
 * @system_event.ndata: elements of @system_event.data that are valid
 * @system_event.flags: flags of the event
 * @system_event.data: data of the event
 * @eoi: HV_EXIT_IOAPIC_EOI
 * @eoi.vector: vector whose service ended
 * @msr: HV_EXIT_X86_RDMSR, HV_EXIT_X86_WRMSR
 * @msr.error: in: 1: raise #GP
 * @msr.pad: 0
 * @msr.reason: HV_MSR_EXIT_REASON_*
 * @msr.index: MSR index
 * @msr.data: value, in for RDMSR, out for WRMSR
 * @memory_fault: HV_EXIT_MEMORY_FAULT
 * @memory_fault.flags: 0
 * @memory_fault.gpa: guest-physical address of the memory that isn't there, a multiple of 4096
 * @memory_fault.size: its size in bytes
 * @padding: fixes the size
 * @hv_valid_regs: in: register classes (HV_SYNC_X86_*) to store in @s at each exit; hv doesn't
 *	use it
 * @hv_dirty_regs: in: register classes to load from @s; hv doesn't use it
 * @s: registers
 * @s.regs: those of HV_SYNC_X86_*
 * @s.padding: fixes the size
 */
struct hv_run {
	__u8 request_interrupt_window;
	__u8 immediate_exit;
	__u8 padding1[6];

	__u32 exit_reason;
	__u8 ready_for_interrupt_injection;
	__u8 if_flag;
	__u16 flags;

	__u64 cr8;
	__u64 apic_base;

	union {
		struct {
			__u64 hardware_exit_reason;
		} hw;
		struct {
			__u64 hardware_entry_failure_reason;
			__u32 cpu;
		} fail_entry;
		struct {
			__u32 exception;
			__u32 error_code;
		} ex;
		struct {
			__u8 direction;
			__u8 size;
			__u16 port;
			__u32 count;
			__u64 data_offset;
		} io;
		struct {
			struct hv_debug_exit_arch arch;
		} debug;
		struct {
			__u64 phys_addr;
			__u8 data[8];
			__u32 len;
			__u8 is_write;
		} mmio;
		struct {
			__u64 nr;
			__u64 args[6];
			__u64 ret;
			__u32 longmode;
			__u32 pad;
		} hypercall;
		struct {
			__u64 rip;
			__u32 is_write;
			__u32 pad;
		} tpr_access;
		struct {
			__u32 suberror;
			__u32 ndata;
			__u64 data[16];
		} internal;
		struct {
			__u32 suberror;
			__u32 ndata;
			__u64 flags;
			union {
				struct {
					__u8 insn_size;
					__u8 insn_bytes[15];
				};
			};
		} emulation_failure;
		struct {
			__u32 type;
			__u32 ndata;
			union {
				__u64 flags;
				__u64 data[16];
			};
		} system_event;
		struct {
			__u8 vector;
		} eoi;
		struct {
			__u8 error;
			__u8 pad[7];
			__u32 reason;
			__u32 index;
			__u64 data;
		} msr;
		struct {
			__u64 flags;
			__u64 gpa;
			__u64 size;
		} memory_fault;
		char padding[256];
	};

	__u64 hv_valid_regs;
	__u64 hv_dirty_regs;
	union {
		struct hv_sync_regs regs;
		char padding[HV_SYNC_REGS_SIZE_BYTES];
	} s;
};

/*
 * ---------------------------------------------------------------------------
 * Calls on vCPU fds
 *
 * HV_GET_STATS_FD is a call of vCPU fds, too.
 * ---------------------------------------------------------------------------
 */

/**
 * define HV_RUN - run the guest
 *
 * Argument: 0. Returns 0 when the VMM has something to do: see hv_run.exit_reason.
 * Errors: EINTR after a signal (exit_reason is HV_EXIT_INTR) or because of
 * immediate_exit (exit_reason is what it was); EAGAIN when an application
 * processor was started by SIPI or INIT: call again; EINVAL if the
 * argument isn't 0; EFAULT if memory of a slot can't be accessed.
 */
#define HV_RUN				_IO(HVIO, 0x80)

/**
 * define HV_GET_REGS - read the general registers
 *
 * Argument: struct hv_regs, written.
 */
#define HV_GET_REGS			_IOR(HVIO, 0x81, struct hv_regs)

/**
 * define HV_SET_REGS - write the general registers
 *
 * Argument: struct hv_regs. A pending exception is dropped.
 */
#define HV_SET_REGS			_IOW(HVIO, 0x82, struct hv_regs)

/**
 * define HV_GET_SREGS - read the segment and system registers
 *
 * Argument: struct hv_sregs, written.
 */
#define HV_GET_SREGS			_IOR(HVIO, 0x83, struct hv_sregs)

/**
 * define HV_SET_SREGS - write the segment and system registers
 *
 * Argument: struct hv_sregs.
 * Errors: EINVAL if the control registers and EFER contradict each other, have bits
 * that the processor or the guest's CPUID doesn't know, or @apic_base is
 * invalid; nothing is changed.
 */
#define HV_SET_SREGS			_IOW(HVIO, 0x84, struct hv_sregs)

/**
 * define HV_TRANSLATE - translate an address with the guest's page tables
 *
 * Argument: struct hv_translation.
 */
#define HV_TRANSLATE			_IOWR(HVIO, 0x85, struct hv_translation)

/**
 * define HV_INTERRUPT - queue an external interrupt
 *
 * Argument: struct hv_interrupt. It's injected when the guest can take it; see
 * ready_for_interrupt_injection and request_interrupt_window.
 * Errors: EINVAL for a vector above 255, EEXIST if one is queued, ENXIO if
 * the PIC is in the kernel.
 */
#define HV_INTERRUPT			_IOW(HVIO, 0x86, struct hv_interrupt)

/**
 * define HV_GET_MSRS - read MSRs
 *
 * Argument: struct hv_msrs. Returns how many were read: it stops at the first that
 * can't be. On the system fd: those of HV_GET_MSR_FEATURE_INDEX_LIST.
 * Errors: E2BIG for more than 255 entries.
 */
#define HV_GET_MSRS			_IOWR(HVIO, 0x88, struct hv_msrs)

/**
 * define HV_SET_MSRS - write MSRs
 *
 * Argument: struct hv_msrs. Returns how many were written: it stops at the first
 * that can't be.
 * Errors: E2BIG for more than 255 entries.
 */
#define HV_SET_MSRS			_IOW(HVIO, 0x89, struct hv_msrs)

/**
 * define HV_SET_SIGNAL_MASK - signals blocked during HV_RUN
 *
 * Argument: struct hv_signal_mask, or NULL for the thread's own mask.
 * Errors: EINVAL for another length than 8.
 */
#define HV_SET_SIGNAL_MASK		_IOW(HVIO, 0x8b, struct hv_signal_mask)

/**
 * define HV_GET_FPU - read the x87 and SSE state
 *
 * Argument: struct hv_fpu, written.
 */
#define HV_GET_FPU			_IOR(HVIO, 0x8c, struct hv_fpu)

/**
 * define HV_SET_FPU - write the x87 and SSE state
 *
 * Argument: struct hv_fpu. Errors: EINVAL for reserved bits of MXCSR.
 */
#define HV_SET_FPU			_IOW(HVIO, 0x8d, struct hv_fpu)

/**
 * define HV_GET_LAPIC - read the local APIC
 *
 * Argument: struct hv_lapic_state, written. Errors: EINVAL without an in-kernel LAPIC.
 */
#define HV_GET_LAPIC			_IOR(HVIO, 0x8e, struct hv_lapic_state)

/**
 * define HV_SET_LAPIC - write the local APIC
 *
 * Argument: struct hv_lapic_state. Errors: EINVAL without an in-kernel LAPIC, or in
 * x2APIC mode for an id that isn't the vCPU's.
 */
#define HV_SET_LAPIC			_IOW(HVIO, 0x8f, struct hv_lapic_state)

/**
 * define HV_SET_CPUID2 - what the guest's CPUID instruction answers
 *
 * Argument: struct hv_cpuid2. After the first HV_RUN only the same table is accepted.
 * Errors: E2BIG for more than 256 entries, EINVAL for an impossible address width or
 * a different table after the first HV_RUN.
 */
#define HV_SET_CPUID2			_IOW(HVIO, 0x90, struct hv_cpuid2)

/**
 * define HV_GET_CPUID2 - read the CPUID table
 *
 * Argument: struct hv_cpuid2 with @nent set to the room. Errors: E2BIG if it's too
 * little; @nent is then the number needed.
 */
#define HV_GET_CPUID2			_IOWR(HVIO, 0x91, struct hv_cpuid2)

/**
 * define HV_TPR_ACCESS_REPORTING - report accesses to the task priority register
 *
 * Argument: struct hv_tpr_access_ctl. Errors: EINVAL for flags.
 */
#define HV_TPR_ACCESS_REPORTING		_IOWR(HVIO, 0x92, struct hv_tpr_access_ctl)

/**
 * define HV_SET_VAPIC_ADDR - where the guest shares its task priority
 *
 * Argument: struct hv_vapic_addr. Errors: EINVAL without an in-kernel LAPIC.
 */
#define HV_SET_VAPIC_ADDR		_IOW(HVIO, 0x93, struct hv_vapic_addr)

/**
 * define HV_GET_MP_STATE - read what the vCPU does
 *
 * Argument: struct hv_mp_state, written.
 */
#define HV_GET_MP_STATE			_IOR(HVIO, 0x98, struct hv_mp_state)

/**
 * define HV_SET_MP_STATE - write what the vCPU does
 *
 * Argument: struct hv_mp_state. Errors: EINVAL for unknown states, and for all
 * but HV_MP_STATE_RUNNABLE without an in-kernel LAPIC.
 */
#define HV_SET_MP_STATE			_IOW(HVIO, 0x99, struct hv_mp_state)

/**
 * define HV_NMI - queue an NMI
 *
 * Argument: ignored.
 */
#define HV_NMI				_IO(HVIO, 0x9a)

/**
 * define HV_SET_GUEST_DEBUG - debug the guest
 *
 * Argument: struct hv_guest_debug. Errors: EBUSY for HV_GUESTDBG_INJECT_* while
 * an exception is pending, EINVAL for unknown controls.
 */
#define HV_SET_GUEST_DEBUG		_IOW(HVIO, 0x9b, struct hv_guest_debug)

/**
 * define HV_X86_SETUP_MCE - set the capabilities of the machine check
 *
 * Argument: pointer to __u64: MCG_CAP: bits 7:0 number of banks, and capabilities that
 * HV_X86_GET_MCE_CAP_SUPPORTED has. Errors: EINVAL for 0 or too many banks or others.
 */
#define HV_X86_SETUP_MCE		_IOW(HVIO, 0x9c, __u64)

/**
 * define HV_GET_VCPU_EVENTS - read events in flight
 *
 * Argument: struct hv_vcpu_events, written.
 */
#define HV_GET_VCPU_EVENTS		_IOR(HVIO, 0x9f, struct hv_vcpu_events)

/**
 * define HV_SET_VCPU_EVENTS - write events in flight
 *
 * Argument: struct hv_vcpu_events. Fields whose HV_VCPUEVENT_VALID_* isn't set are
 * ignored. Errors: EINVAL for unknown flags or an impossible exception.
 */
#define HV_SET_VCPU_EVENTS		_IOW(HVIO, 0xa0, struct hv_vcpu_events)

/**
 * define HV_GET_DEBUGREGS - read the debug registers
 *
 * Argument: struct hv_debugregs, written.
 */
#define HV_GET_DEBUGREGS		_IOR(HVIO, 0xa1, struct hv_debugregs)

/**
 * define HV_SET_DEBUGREGS - write the debug registers
 *
 * Argument: struct hv_debugregs. Errors: EINVAL for flags or if bits 63:32 of DR6
 * or DR7 aren't 0.
 */
#define HV_SET_DEBUGREGS		_IOW(HVIO, 0xa2, struct hv_debugregs)

/**
 * define HV_SET_TSC_KHZ - set the guest's TSC frequency
 *
 * Argument: kHz; 0 is the host's. Errors: EINVAL if it differs from the host's by more than
 * 250 ppm: hv doesn't scale the TSC.
 */
#define HV_SET_TSC_KHZ			_IO(HVIO, 0xa2)

/**
 * define HV_GET_TSC_KHZ - the guest's TSC frequency
 *
 * Argument: ignored. Returns kHz.
 */
#define HV_GET_TSC_KHZ			_IO(HVIO, 0xa3)

/**
 * define HV_GET_XSAVE - read the extended state
 *
 * Argument: struct hv_xsave, 4096 bytes written. Errors: EINVAL if the state is larger.
 */
#define HV_GET_XSAVE			_IOR(HVIO, 0xa4, struct hv_xsave)

/**
 * define HV_SET_XSAVE - write the extended state
 *
 * Argument: struct hv_xsave of HV_CAP_XSAVE2 bytes (4096 if that is 0). Components
 * outside XCR0 are accepted. Errors: EINVAL for components that the host doesn't have,
 * bad header, or reserved bits of MXCSR.
 */
#define HV_SET_XSAVE			_IOW(HVIO, 0xa5, struct hv_xsave)

/**
 * define HV_GET_XCRS - read XCR0
 *
 * Argument: struct hv_xcrs, written. Errors: EINVAL if the host has no XSAVE.
 */
#define HV_GET_XCRS			_IOR(HVIO, 0xa6, struct hv_xcrs)

/**
 * define HV_SET_XCRS - write XCR0
 *
 * Argument: struct hv_xcrs. Errors: EINVAL for flags, too many entries, a value that
 * XSETBV would refuse with this guest's CPUID, or if the host has no XSAVE.
 */
#define HV_SET_XCRS			_IOW(HVIO, 0xa7, struct hv_xcrs)

/**
 * define HV_KVMCLOCK_CTRL - tell the guest that it was paused
 *
 * Argument: ignored. The vCPU's time page has the flag PVCLOCK_GUEST_STOPPED before the
 * guest runs again; the guest clears it. Errors: EINVAL if the vCPU has no time page
 * (MSR_KVM_SYSTEM_TIME_NEW).
 */
#define HV_KVMCLOCK_CTRL		_IO(HVIO, 0xad)

/**
 * define HV_GET_XSAVE2 - read the extended state, all of it
 *
 * Argument: struct hv_xsave, HV_CAP_XSAVE2 bytes written.
 */
#define HV_GET_XSAVE2			_IOR(HVIO, 0xcf, struct hv_xsave)

/*
 * ---------------------------------------------------------------------------
 * Statistics
 *
 * The fd that HV_GET_STATS_FD returns is read with read() or pread(): a struct
 * hv_stats_header at offset 0, an id string, @num_desc descriptors, the data.
 * All but the data is constant. The VM or vCPU lives as long as the fd.
 * ---------------------------------------------------------------------------
 */

/**
 * define HV_GET_STATS_FD - statistics of a VM or a vCPU
 *
 * Argument: ignored. A call of VM fds and of vCPU fds. Returns a file descriptor.
 * Errors: EMFILE, ENFILE.
 */
#define HV_GET_STATS_FD			_IO(HVIO, 0xce)

/**
 * struct hv_stats_header - start of the file
 * @flags: 0
 * @name_size: size of hv_stats_desc.name, its final 0 byte included
 * @num_desc: number of descriptors
 * @id_offset: offset of the id string, @name_size bytes
 * @desc_offset: offset of the first descriptor
 * @data_offset: offset of the data
 */
struct hv_stats_header {
	__u32 flags;
	__u32 name_size;
	__u32 num_desc;
	__u32 id_offset;
	__u32 desc_offset;
	__u32 data_offset;
};

/* hv_stats_desc.flags: how the value behaves, its unit, base of its exponent. */
#define HV_STATS_TYPE_SHIFT		0
#define HV_STATS_TYPE_MASK		(0xF << HV_STATS_TYPE_SHIFT)
#define HV_STATS_TYPE_CUMULATIVE	(0x0 << HV_STATS_TYPE_SHIFT)
#define HV_STATS_TYPE_INSTANT		(0x1 << HV_STATS_TYPE_SHIFT)
#define HV_STATS_TYPE_PEAK		(0x2 << HV_STATS_TYPE_SHIFT)
#define HV_STATS_TYPE_LINEAR_HIST	(0x3 << HV_STATS_TYPE_SHIFT)
#define HV_STATS_TYPE_LOG_HIST		(0x4 << HV_STATS_TYPE_SHIFT)
#define HV_STATS_TYPE_MAX		HV_STATS_TYPE_LOG_HIST

#define HV_STATS_UNIT_SHIFT		4
#define HV_STATS_UNIT_MASK		(0xF << HV_STATS_UNIT_SHIFT)
#define HV_STATS_UNIT_NONE		(0x0 << HV_STATS_UNIT_SHIFT)
#define HV_STATS_UNIT_BYTES		(0x1 << HV_STATS_UNIT_SHIFT)
#define HV_STATS_UNIT_SECONDS		(0x2 << HV_STATS_UNIT_SHIFT)
#define HV_STATS_UNIT_CYCLES		(0x3 << HV_STATS_UNIT_SHIFT)
#define HV_STATS_UNIT_BOOLEAN		(0x4 << HV_STATS_UNIT_SHIFT)
#define HV_STATS_UNIT_MAX		HV_STATS_UNIT_BOOLEAN

#define HV_STATS_BASE_SHIFT		8
#define HV_STATS_BASE_MASK		(0xF << HV_STATS_BASE_SHIFT)
#define HV_STATS_BASE_POW10		(0x0 << HV_STATS_BASE_SHIFT)
#define HV_STATS_BASE_POW2		(0x1 << HV_STATS_BASE_SHIFT)
#define HV_STATS_BASE_MAX		HV_STATS_BASE_POW2

/**
 * struct hv_stats_desc - one statistic
 * @flags: HV_STATS_TYPE_*, HV_STATS_UNIT_*, HV_STATS_BASE_*
 * @exponent: the unit is multiplied by the base to this power
 * @size: number of __u64 values, above 1 for histograms
 * @offset: offset of the first value from the start of the data
 * @bucket_size: width of a bucket of a linear histogram
 * @name: name, hv_stats_header.name_size bytes
 */
struct hv_stats_desc {
	__u32 flags;
	__s16 exponent;
	__u16 size;
	__u32 offset;
	__u32 bucket_size;
	char name[];
};

/**
 * define HV_PRE_FAULT_MEMORY - map guest memory before the guest touches it
 *
 * Argument: struct hv_pre_fault_memory, written. Pages are mapped as a read by the guest would.
 * If something was mapped the call succeeds, and the structure says what is left.
 * Errors: EINVAL for a misaligned or empty range or flags, ENOENT if there's no slot at @gpa,
 * EFAULT if the slot's memory isn't there, EINTR for a signal.
 */
#define HV_PRE_FAULT_MEMORY		_IOWR(HVIO, 0xd5, struct hv_pre_fault_memory)

/*
 * ---------------------------------------------------------------------------
 * HV_CREATE_DEVICE, a call on VM fds, and calls on the fds that it gives
 * ---------------------------------------------------------------------------
 */

/* struct hv_create_device.type: devices of VFIO that the guest has; one of these for each VM */
#define HV_DEV_TYPE_VFIO		4

/* struct hv_create_device.flags: only say whether there is this type */
#define HV_CREATE_DEVICE_TEST		1

/**
 * struct hv_create_device - HV_CREATE_DEVICE
 * @type: HV_DEV_TYPE_*
 * @fd: file descriptor of the device; out
 * @flags: HV_CREATE_DEVICE_*
 */
struct hv_create_device {
	__u32 type;
	__u32 fd;
	__u32 flags;
};

/**
 * struct hv_device_attr - HV_SET_DEVICE_ATTR, HV_GET_DEVICE_ATTR, HV_HAS_DEVICE_ATTR
 * @flags: not used
 * @group: group of attributes, of this type of device
 * @attr: attribute in it
 * @addr: address of its value
 */
struct hv_device_attr {
	__u32 flags;
	__u32 group;
	__u64 attr;
	__u64 addr;
};

/*
 * Attributes of HV_DEV_TYPE_VFIO: one group of them, whose older name is GROUP. The value is a
 * file descriptor (__s32) of a VFIO group or, in kernels that have those, device. It is kept
 * until it is deleted or the device's fd is closed.
 *
 * Errors of ADD: EBADF; EINVAL: not one of VFIO; EEXIST; EOPNOTSUPP: the IOMMU can't make all of
 * its DMA snoop the caches, and the guest can't manage caches. Of DEL: EBADF, ENOENT.
 */
#define HV_DEV_VFIO_GROUP		1
#define HV_DEV_VFIO_GROUP_ADD		1
#define HV_DEV_VFIO_GROUP_DEL		2
#define HV_DEV_VFIO_FILE		1
#define HV_DEV_VFIO_FILE_ADD		1
#define HV_DEV_VFIO_FILE_DEL		2

/**
 * define HV_CREATE_DEVICE - make a device of the hypervisor's
 *
 * Argument: struct hv_create_device. Returns 0.
 * Errors: ENODEV for an unknown type, EINVAL for unknown flags, EBUSY if the VM has it already,
 * EMFILE, ENOMEM.
 */
#define HV_CREATE_DEVICE		_IOWR(HVIO, 0xe0, struct hv_create_device)

/**
 * define HV_SET_DEVICE_ATTR - set an attribute
 *
 * Argument: struct hv_device_attr. Errors: ENXIO for an unknown one, EFAULT, and those of the
 * attribute.
 */
#define HV_SET_DEVICE_ATTR		_IOW(HVIO, 0xe1, struct hv_device_attr)

/**
 * define HV_GET_DEVICE_ATTR - read an attribute
 *
 * Argument: struct hv_device_attr. Errors: EPERM: those of this type can't be read.
 */
#define HV_GET_DEVICE_ATTR		_IOW(HVIO, 0xe2, struct hv_device_attr)

/**
 * define HV_HAS_DEVICE_ATTR - is there an attribute?
 *
 * Argument: struct hv_device_attr, @addr is not looked at. Returns 0. Errors: ENXIO if not.
 */
#define HV_HAS_DEVICE_ATTR		_IOW(HVIO, 0xe3, struct hv_device_attr)

/*
 * ---------------------------------------------------------------------------
 * Assigned devices
 *
 * From here on all is hv's own: KVM has none of it. The calls have a type byte of
 * their own; structures begin with their own size, which the caller fills in, and
 * unknown flags and reserved fields that aren't 0 are refused with EINVAL.
 *
 * A PCI function that is bound to the driver hv-pci has a file,
 * /dev/hv-pci/DDDD:BB:DD.F. It can be opened once at a time; open and close reset
 * the function. When the function is unbound or removed, every call on the file
 * fails with ENODEV from then on.
 * ---------------------------------------------------------------------------
 */

/* The type byte of calls that KVM doesn't have. */
#define HVIO_EXT	0xBE

/* struct hv_assign_device.flags: a function that can't be reset is welcome, too. It may come with
 * what its last user has left in it, and leave with what the guest has.
 */
#define HV_ASSIGN_WITHOUT_RESET		0x1

/* struct hv_assign_device.reason: why a function isn't assigned; each with its own errno */
/* No reason but the errno (or none at all) */
#define HV_ASSIGN_REASON_NONE		0
/* ENODEV: no IOMMU translates what the function reads and writes. */
#define HV_ASSIGN_REASON_NO_IOMMU	1
/* EPERM: interrupts aren't remapped, so the function could send any (allow_unsafe_interrupts). */
#define HV_ASSIGN_REASON_NO_INTR_REMAP	2
/* EBUSY: another function of its IOMMU group is in use, or the group is another VM's. */
#define HV_ASSIGN_REASON_GROUP_IN_USE	3
/* EADDRNOTAVAIL: the firmware wants memory mapped for it at the host's addresses. */
#define HV_ASSIGN_REASON_IDENTITY_MAP	4
/* EOPNOTSUPP: it can't be reset (HV_ASSIGN_WITHOUT_RESET). */
#define HV_ASSIGN_REASON_NO_RESET	5
/* EEXIST: a VM has it, this one or another. */
#define HV_ASSIGN_REASON_ASSIGNED	6
/* ENOMEM: what would be pinned exceeds RLIMIT_MEMLOCK. */
#define HV_ASSIGN_REASON_MEMLOCK	7
/* EFAULT: a slot's memory isn't there, or isn't of a kind that can be pinned (HV_MEM_NO_DMA). */
#define HV_ASSIGN_REASON_MEMORY		8
/* ERANGE: a slot is at an address that the IOMMU doesn't translate (HV_MEM_NO_DMA). */
#define HV_ASSIGN_REASON_ADDRESS	9
/* ENXIO: what the function reads and writes isn't coherent with the processors' caches. */
#define HV_ASSIGN_REASON_NOT_COHERENT	10
/* EXDEV: the VM has dirty rings, in which there's no place for what a device writes. */
#define HV_ASSIGN_REASON_DIRTY_RINGS	11

/**
 * struct hv_assign_device - HV_ASSIGN_DEVICE
 * @size: size of the structure, by the caller
 * @fd: the function's file
 * @flags: HV_ASSIGN_WITHOUT_RESET
 * @reason: out, also if the call fails: HV_ASSIGN_REASON_*
 * @reserved: 0
 * @message: out, also if the call fails: the reason in English, with the names of slots
 *	and functions; ends with 0
 */
struct hv_assign_device {
	__u64 size;
	__s32 fd;
	__u32 flags;
	__u32 reason;
	__u32 reserved;
	char message[120];
};

/**
 * define HV_ASSIGN_DEVICE - give a PCI function to the VM
 *
 * On a VM fd. Argument: struct hv_assign_device, written. The function reads and writes
 * the VM's slots, at the guest's addresses, and no other memory. For that the slots are pinned
 * and count as locked memory of the caller, now and when they are made later; slots with
 * HV_MEM_NO_DMA aren't. All of the function's IOMMU group is the VM's, until it
 * has the last function of it no more.
 * Errors: those of HV_ASSIGN_REASON_*. EINVAL for another size, unknown flags or a file that
 * isn't a function's, EBADF, EINTR when the process is killed, or what the reset or the IOMMU's
 * driver fails with.
 */
#define HV_ASSIGN_DEVICE		_IOWR(HVIO_EXT, 0x00, struct hv_assign_device)

/**
 * struct hv_deassign_device - HV_DEASSIGN_DEVICE
 * @size: size of the structure, by the caller
 * @fd: the function's file
 * @flags: 0
 */
struct hv_deassign_device {
	__u64 size;
	__s32 fd;
	__u32 flags;
};

/**
 * define HV_DEASSIGN_DEVICE - take a PCI function from the VM
 *
 * On a VM fd. Argument: struct hv_deassign_device. It's reset, and reaches no memory any more.
 * The same happens when its file or the VM fd is closed, or when the function is unbound or
 * removed. With the last one the slots are unpinned.
 * Errors: ENOENT if this VM doesn't have it, EINVAL for another size, flags or a file that
 * isn't a function's, EBADF.
 */
#define HV_DEASSIGN_DEVICE		_IOW(HVIO_EXT, 0x01, struct hv_deassign_device)

/* struct hv_pci_info.region: BARs 0 to 5 have their numbers */
#define HV_PCI_REGION_ROM	6
#define HV_PCI_REGION_CONFIG	7
#define HV_PCI_NR_REGIONS	8
/* A region begins at its number, shifted by this, in the file. */
#define HV_PCI_REGION_SHIFT	40

/* struct hv_pci_region.flags: a BAR of I/O ports, else of memory */
#define HV_PCI_REGION_PORTS	0x1
#define HV_PCI_REGION_PREFETCH	0x2
/* ... that takes the next BAR's register, too */
#define HV_PCI_REGION_64BIT	0x4
/* It can be mapped, but for the pages of the MSI-X table */
#define HV_PCI_REGION_MMAP	0x8

/**
 * struct hv_pci_region - a region of a function
 * @size: size in bytes, 0: absent
 * @offset: where it begins in the file
 * @flags: HV_PCI_REGION_*
 * @reserved: 0
 */
struct hv_pci_region {
	__u64 size;
	__u64 offset;
	__u32 flags;
	__u32 reserved;
};

/* struct hv_pci_info.flags: the kernel knows how to reset it */
#define HV_PCI_CAN_RESET	0x1
/* a VM has it */
#define HV_PCI_ASSIGNED		0x2
/* It has INTx */
#define HV_PCI_HAS_INTX		0x4
/* It is assigned, and the IOMMU keeps it from bypassing the processors' caches */
#define HV_PCI_SNOOP		0x8
/*
 * It has reported an error that could not be corrected, since it was opened or reset. If the error
 * was fatal the function was reset, and its interrupts are off.
 */
#define HV_PCI_ERROR		0x10

/**
 * struct hv_pci_info - what a function is
 * @size: size of the structure, by the caller
 * @flags: HV_PCI_*; out
 * @class: class, subclass and programming interface, 24 bits; out
 * @vendor: vendor id; out
 * @device: device id; out
 * @subvendor: subsystem vendor id; out
 * @subdevice: subsystem id; out
 * @group: number of its IOMMU group, -1: there's no IOMMU; out
 * @nr_msi: MSI vectors that it has; out
 * @nr_msix: entries of its MSI-X table; out
 * @msix_bar: BAR that has the table; out
 * @msix_table: offset of the table there; out
 * @msix_pba_bar: BAR that has the pending bits; out
 * @msix_pba: offset of them there; out
 * @irq_mode: HV_PCI_IRQ_*: what HV_PCI_SET_IRQS has set; out
 * @nr_vectors: ... and how many; out
 * @domain: number of its IOMMU domain: those of a VM with the same one share what they
 *	reach; 0: no VM has it; out
 * @pinned_bytes: memory of its VM that is pinned for devices; out
 * @region: regions by number; out
 */
struct hv_pci_info {
	__u64 size;
	__u32 flags;
	__u32 class;
	__u16 vendor;
	__u16 device;
	__u16 subvendor;
	__u16 subdevice;
	__s32 group;
	__u32 nr_msi;
	__u32 nr_msix;
	__u32 msix_bar;
	__u32 msix_table;
	__u32 msix_pba_bar;
	__u32 msix_pba;
	__u32 irq_mode;
	__u32 nr_vectors;
	__u32 domain;
	__u64 pinned_bytes;
	struct hv_pci_region region[HV_PCI_NR_REGIONS];
};

/**
 * define HV_PCI_GET_INFO - what the function is
 *
 * On a device's file. Argument: struct hv_pci_info, written. poll() on the file tells when to look:
 * POLLPRI while there is HV_PCI_ERROR, POLLHUP when the function is gone.
 * Errors: EINVAL for another size.
 */
#define HV_PCI_GET_INFO			_IOWR(HVIO_EXT, 0x40, struct hv_pci_info)

/**
 * define HV_PCI_RESET - reset the function
 *
 * On a device's file. No argument. It forgets everything and stops; its interrupts are off
 * and its configuration space is as after power-on. It stays assigned.
 * Errors: EOPNOTSUPP if there's no way to reset it, EAGAIN if the host has it locked at the moment:
 * it's being unbound, reset by sysfs, or its link recovers from an error.
 */
#define HV_PCI_RESET			_IO(HVIO_EXT, 0x41)

/* struct hv_pci_irqs.mode */
#define HV_PCI_IRQ_NONE		0
#define HV_PCI_IRQ_INTX		1
#define HV_PCI_IRQ_MSI		2
#define HV_PCI_IRQ_MSIX		3

/**
 * struct hv_pci_irqs - how a function interrupts
 * @size: size of the structure
 * @mode: HV_PCI_IRQ_*
 * @count: number of vectors; 1 with INTx, 0 with none
 * @gsi: INTx: the VM's GSI that it drives; else 0
 * @reserved: 0
 */
struct hv_pci_irqs {
	__u64 size;
	__u32 mode;
	__u32 count;
	__u32 gsi;
	__u32 reserved;
};

/* struct hv_pci_vector_route.flags: the guest has masked it */
#define HV_PCI_VECTOR_MASKED	0x1
/* struct hv_pci_vector_state.flags, also: it came while it was masked */
#define HV_PCI_VECTOR_PENDING	0x2
/* ... it goes to the vCPU without the host's doing, and isn't counted */
#define HV_PCI_VECTOR_POSTED	0x4

/**
 * struct hv_pci_vector_route - where an MSI or MSI-X vector goes
 * @size: size of the structure
 * @vector: its number
 * @flags: HV_PCI_VECTOR_MASKED or 0
 * @addr: message address, as the guest has written it
 * @data: message data
 * @reserved: 0
 */
struct hv_pci_vector_route {
	__u64 size;
	__u32 vector;
	__u32 flags;
	__u64 addr;
	__u32 data;
	__u32 reserved;
};

/**
 * struct hv_pci_vector_state - what becomes of a vector's interrupts
 * @size: size of the structure
 * @vector: its number; in
 * @mode: HV_PCI_IRQ_*; out
 * @flags: HV_PCI_VECTOR_*; out
 * @irq: number of the interrupt on the host, 0: it has no message yet; out
 * @addr: message address; out
 * @count: interrupts that the host has taken since HV_PCI_SET_IRQS; out
 * @data: message data; out
 * @reserved: 0
 */
struct hv_pci_vector_state {
	__u64 size;
	__u32 vector;
	__u32 mode;
	__u32 flags;
	__u32 irq;
	__u64 addr;
	__u64 count;
	__u32 data;
	__u32 reserved;
};

/**
 * define HV_PCI_SET_IRQS - choose how the function interrupts
 *
 * On the file of an assigned device. Argument: struct hv_pci_irqs. What was set before
 * ends. INTx is masked in the function when it comes, raises @gsi until the guest has
 * ended the interrupt, and is unmasked then. MSI and MSI-X vectors have no message at first: see
 * HV_PCI_SET_VECTOR.
 * Errors: EINVAL for a mode or number that the function doesn't have, INTx without an
 * IOAPIC in the kernel; ENXIO if no VM with a local APIC in the kernel has the device;
 * ENOSPC if the host has no interrupts left; EIO if its link has failed.
 */
#define HV_PCI_SET_IRQS			_IOW(HVIO_EXT, 0x42, struct hv_pci_irqs)

/**
 * define HV_PCI_SET_VECTOR - give a vector its message
 *
 * On the file of an assigned device with MSI or MSI-X. Argument: struct
 * hv_pci_vector_route. At any time, for any vector, also while it interrupts. An interrupt
 * of a masked vector is delivered when the mask goes. On return, what had come before is
 * delivered: nothing of a vector that was masked comes later.
 * Errors: EINVAL for a vector, an address or flags that don't exist; ENXIO in another mode.
 */
#define HV_PCI_SET_VECTOR		_IOW(HVIO_EXT, 0x43, struct hv_pci_vector_route)

/**
 * define HV_PCI_GET_VECTOR - what becomes of a vector's interrupts
 *
 * On a device's file. Argument: struct hv_pci_vector_state, written.
 * Errors: EINVAL if there's no such vector.
 */
#define HV_PCI_GET_VECTOR		_IOWR(HVIO_EXT, 0x44, struct hv_pci_vector_state)

#endif /* _LINUX_HV_H */
