/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hvrun: the reference virtual machine monitor of hv.
 *
 * Read main.c for the order in which a VM is put together, vcpu.c for the run
 * loop, then the rest by name.
 */
#ifndef HVRUN_H
#define HVRUN_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <pthread.h>

#include <linux/hv.h>

#define __printf(string, first)	__attribute__((format(printf, string, first)))
#define __aligned(bytes)	__attribute__((aligned(bytes)))
#define __noreturn		__attribute__((noreturn))
#define __maybe_unused		__attribute__((unused))
#define __packed		__attribute__((packed))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define KIB		1024ULL
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)

/* Guest-physical layout. RAM is one block, interrupted by the PCI-style hole. */
#define LOW_RAM_MAX	(3 * GIB)
#define HIGH_RAM_BASE	(4 * GIB)
#define PCI_ECAM_BASE	0xe0000000u
#define PCI_ECAM_SIZE	0x100000u		/* one bus */
#define PCI_WINDOW_BASE	0xc0000000u		/* from LOW_RAM_MAX on */
#define PCI_WINDOW_SIZE	0x20000000u
#define IOAPIC_BASE	0xfec00000u
#define LAPIC_BASE	0xfee00000u

/* What the boot code puts into the first megabyte. */
#define GDT_ADDR	0x500u
#define ZERO_PAGE_ADDR	0x7000u
#define BOOT_STACK_ADDR	0x8ff0u
#define PAGE_TABLE_ADDR	0x9000u		/* PML4, PDPT and four page directories */
#define CMDLINE_ADDR	0x20000u
#define CMDLINE_MAX	0x10000u
#define EBDA_ADDR	0x9fc00u
#define ACPI_ADDR	0xe0000u		/* the RSDP, then the other tables */
#define ACPI_END	0x100000u
#define RESET_VECTOR	0xffff0u		/* f000:fff0, where a PC's firmware starts */

/* Selectors that the x86 boot protocol asks for (Documentation/x86/boot.rst) */
#define BOOT_CS		0x10
#define BOOT_DS		0x18

#define RTC_INDEX_PORT	0x70

#define SERIAL_PORT	0x3f8
#define SERIAL_IRQ	4
#define ACPI_EVENT_IRQ	9
#define PCI_PIN_IRQ	16			/* and up: interrupt pins of assigned functions */

#define PCI_PORTS_BASE	0xc000u
#define PCI_PORTS_SIZE	0x4000u

/* Registers of the hardware-reduced ACPI platform (ACPI 6.4, 4.8.3.7) */
#define ACPI_SLEEP_CONTROL_PORT	0x600
#define ACPI_SLEEP_STATUS_PORT	0x601
#define ACPI_RESET_PORT		0x602
#define ACPI_RESET_VALUE	0x01
#define ACPI_S5_TYPE		5

#define MAX_CPUS	64

/**
 * enum exit_code - exit status of hvrun
 * @EXIT_POWEROFF: the guest powered itself off, or the user quit at the console
 * @EXIT_ERROR: hvrun could not set the VM up
 * @EXIT_USAGE: bad command line
 * @EXIT_RESET: the guest asked for a reset
 * @EXIT_TRIPLE_FAULT: the guest's processor shut down
 * @EXIT_BROKEN: the device ended the VM: internal error, failed entry, unknown exit
 * @EXIT_SIGNAL: plus the signal's number: ended by SIGINT or a second SIGTERM
 */
enum exit_code {
	EXIT_POWEROFF = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_RESET = 3,
	EXIT_TRIPLE_FAULT = 4,
	EXIT_BROKEN = 5,
	EXIT_SIGNAL = 128,
};

#define MAX_DISKS	16
#define MAX_NETS	8
#define MAX_FUNCTIONS	8

/**
 * struct disk_option - --disk
 * @path: file
 * @readonly: the guest must not write
 */
struct disk_option {
	const char *path;
	bool readonly;
};

/**
 * struct net_option - --net
 * @tap: interface, shorter than IFNAMSIZ
 * @mac: the guest's address, if @has_mac
 * @has_mac: it was given
 */
struct net_option {
	const char *tap;
	uint8_t mac[6];
	bool has_mac;
};

/**
 * struct function_option - --device, a PCI function of the host
 * @path: file
 * @without_reset: it may come as its last user left it
 */
struct function_option {
	const char *path;
	bool without_reset;
};

/**
 * struct options - the command line
 * @kernel: bzImage or ELF vmlinux
 * @initrd: file or NULL
 * @append: kernel command line
 * @device: device node with the KVM ABI
 * @memory: guest RAM in bytes, multiple of 4 KiB
 * @cpus: number of vCPUs
 * @disks: block devices
 * @nr_disks: how many
 * @nets: network cards
 * @nr_nets: how many
 * @functions: PCI functions of the host
 * @nr_functions: how many
 * @console: other end of the second console, or NULL
 * @rng: entropy device
 * @stats: print statistics at the end
 */
struct options {
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *device;
	uint64_t memory;
	unsigned int cpus;
	struct disk_option disks[MAX_DISKS];
	unsigned int nr_disks;
	struct net_option nets[MAX_NETS];
	unsigned int nr_nets;
	struct function_option functions[MAX_FUNCTIONS];
	unsigned int nr_functions;
	const char *console;
	bool rng;
	bool stats;
};

struct vm;

#define EXIT_REASONS	64	/* exit reasons counted one by one, larger ones share the last */

/**
 * struct vcpu - one virtual CPU and the thread that runs it
 * @vm: the VM
 * @id: vCPU id, which is its APIC id
 * @fd: the device's vCPU
 * @run: the shared run page
 * @thread: runs vcpu_thread()
 * @exits: returns of HV_RUN by exit reason
 * @cpu_ns: processor time that the thread took, ns; set when it ends
 * @show: the thread is to print its registers
 */
struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct hv_run *run;
	pthread_t thread;
	uint64_t exits[EXIT_REASONS];
	uint64_t cpu_ns;
	atomic_bool show;
};

#define SERIAL_RING	1024

/**
 * struct serial - a 16550 with the terminal at its other end
 * @lock: guards everything below
 * @vm: for the interrupt line
 * @ier: interrupt enable register
 * @fcr: FIFO control register
 * @lcr: line control register
 * @mcr: modem control register
 * @scr: scratch register
 * @dll: divisor latch, low
 * @dlm: divisor latch, high
 * @thre_pending: transmitter-empty interrupt not yet acknowledged
 * @ring: received bytes that the guest has not read
 * @head: total bytes put into @ring
 * @tail: total bytes taken from @ring
 * @line: level of the interrupt line
 * @starved: the main loop stopped reading stdin until serial_wants_input()
 */
struct serial {
	pthread_mutex_t lock;
	struct vm *vm;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	bool thre_pending;
	uint8_t ring[SERIAL_RING];
	unsigned int head, tail;
	bool line;
	bool starved;
};

/**
 * struct irq - where interrupts go
 * @lock: guards @routes once the vCPUs run
 * @max: number of GSIs that the device has
 * @routes: the routing table, entry N for GSI N
 */
struct irq {
	pthread_mutex_t lock;
	unsigned int max;
	struct hv_irq_routing *routes;
};

struct pci_device;

/**
 * struct pci - the PCI bus
 * @lock: guards the configuration spaces of all devices
 * @address: PCI_ADDRESS_PORT
 * @slots: the devices; do not change once the vCPUs run
 * @count: how many
 */
struct pci {
	pthread_mutex_t lock;
	atomic_uint address;
	struct pci_device *slots[32];
	unsigned int count;
};

struct virtio;

#define MAX_VIRTIO	31	/* slots of the PCI bus without the host bridge */

/**
 * struct vm - the virtual machine
 * @opt: command line
 * @sys_fd: the device
 * @fd: the device's VM
 * @run_size: size of a vCPU's run page
 * @mem: guest RAM in this process; guest-physical 0 and up, the part above
 *	LOW_RAM_MAX is at HIGH_RAM_BASE
 * @low_size: bytes of RAM below the hole
 * @high_size: bytes of RAM above 4 GiB
 * @cpuid: what the device supports, as HV_GET_SUPPORTED_CPUID gave it
 * @vcpus: all of them
 * @irq: interrupt routes
 * @pci: PCI bus
 * @virtio: virtio devices
 * @nr_virtio: how many
 * @serial: COM1
 * @rtc_index: selected register of the clock chip
 * @wake_fd: eventfd that wakes the main loop
 * @stopping: set by the first vm_stop()
 * @exit_code: given by the first vm_stop()
 */
struct vm {
	const struct options *opt;
	int sys_fd;
	int fd;
	size_t run_size;
	uint8_t *mem;
	uint64_t low_size;
	uint64_t high_size;
	struct hv_cpuid2 *cpuid;
	struct vcpu vcpus[MAX_CPUS];
	struct irq irq;
	struct pci pci;
	struct virtio *virtio[MAX_VIRTIO];
	unsigned int nr_virtio;
	struct serial serial;
	atomic_uchar rtc_index;
	int wake_fd;
	atomic_bool stopping;
	atomic_int exit_code;
};

/**
 * struct report - several lines about the VM
 * @file: where they are printed
 * @text: what has been printed there
 * @size: bytes of it
 */
struct report {
	FILE *file;
	char *text;
	size_t size;
};

/* msg.c */
void __printf(1, 2) msg(const char *fmt, ...);
void __printf(2, 3) msg_once(atomic_bool *said, const char *fmt, ...);
void __printf(2, 3) report_begin(struct report *r, const char *fmt, ...);
void report_end(struct report *r);
void __noreturn __printf(1, 2) die(const char *fmt, ...);
void __noreturn __printf(1, 2) bad_usage(const char *fmt, ...);

/* vm.c */
void vm_init(struct vm *vm, const struct options *opt);
void vm_create(struct vm *vm);
int vm_check_extension(const struct vm *vm, unsigned long cap);
void *vm_memory(const struct vm *vm, uint64_t gpa, uint64_t size);
void vm_wake(struct vm *vm);
bool vm_stop(struct vm *vm, int exit_code);
int vm_run(struct vm *vm);

/* options.c */
void options_parse(struct options *opt, int argc, char **argv);

/* irq.c */
void irq_init(struct vm *vm);
void irq_line(struct vm *vm, unsigned int gsi, bool level);
unsigned int irq_add(struct vm *vm, int fd);
void irq_route_msi(struct vm *vm, unsigned int gsi, const struct hv_irq_routing_msi *msi);

/* virtio.c */
void virtio_create_all(struct vm *vm);
void virtio_start_all(struct vm *vm);

/* assign.c */
struct pollfd;
void assign_all(struct vm *vm);
unsigned int assign_poll(struct vm *vm, struct pollfd *fds);
void assign_event(unsigned int n, struct pollfd *fd);

/* boot.c */
uint64_t boot_load(struct vm *vm);

/* acpi.c */
void acpi_build(struct vm *vm);
void acpi_write(struct vm *vm, uint16_t port, uint8_t value);
uint8_t acpi_read(struct vm *vm, uint16_t port);
void acpi_power_button(struct vm *vm);

/* cpuid.c */
void cpuid_read_supported(struct vm *vm);
void cpuid_set(struct vcpu *vcpu);
unsigned int cpuid_phys_bits(const struct vm *vm);

/* vcpu.c */
void vcpu_create(struct vm *vm, unsigned int id);
void vcpu_set_boot_state(struct vcpu *vcpu, uint64_t entry);
void vcpu_prepare_kicks(void);
void vcpu_start(struct vcpu *vcpu);
void vcpu_kick(struct vcpu *vcpu);
void vcpu_show(struct vcpu *vcpu);
const char *vcpu_exit_name(unsigned int reason);

/* io.c */
void io_port_exit(struct vcpu *vcpu);
void io_mmio_exit(struct vcpu *vcpu);

/* rtc.c */
void rtc_write(struct vm *vm, uint16_t port, uint8_t value);
uint8_t rtc_read(struct vm *vm, uint16_t port);

/* serial.c */
void serial_init(struct serial *s, struct vm *vm);
void serial_write(struct serial *s, uint8_t reg, uint8_t value);
uint8_t serial_read(struct serial *s, uint8_t reg);
bool serial_wants_input(struct serial *s);
bool serial_input(struct serial *s);
void serial_open_terminal(void);
void serial_close_terminal(void);

/* stats.c */
void stats_print(const struct vm *vm);

#endif
