// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM: device, memory, interrupt controllers, and the main loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "pci.h"

/*
 * Three pages that a processor without unrestricted guest needs for real mode;
 * they have to lie outside of RAM, below 4 GiB.
 */
#define TSS_ADDR	0xfffbd000ul

static const struct {
	unsigned long cap;
	const char *name;
} required_caps[] = {
	{ HV_CAP_USER_MEMORY,		"HV_CAP_USER_MEMORY" },
	{ HV_CAP_IRQCHIP,		"HV_CAP_IRQCHIP" },
	{ HV_CAP_IRQ_ROUTING,		"HV_CAP_IRQ_ROUTING" },
	{ HV_CAP_IRQFD,			"HV_CAP_IRQFD" },
	{ HV_CAP_IOEVENTFD_ANY_LENGTH,	"HV_CAP_IOEVENTFD_ANY_LENGTH" },
	{ HV_CAP_EXT_CPUID,		"HV_CAP_EXT_CPUID" },
	{ HV_CAP_IMMEDIATE_EXIT,	"HV_CAP_IMMEDIATE_EXIT" },
};

/**
 * vm_check_extension() - ask the device for a capability
 * @vm: the VM; only its device has to be open
 * @cap: HV_CAP_*
 *
 * Return: the capability's value, 0 when it is absent.
 */
int vm_check_extension(const struct vm *vm, unsigned long cap)
{
	int ret = ioctl(vm->sys_fd, HV_CHECK_EXTENSION, cap);

	return ret < 0 ? 0 : ret;
}

static void open_device(struct vm *vm)
{
	const char *path = vm->opt->device;
	const char *hint = "";
	int version, max;
	size_t i;

	vm->sys_fd = open(path, O_RDWR | O_CLOEXEC);
	if (vm->sys_fd < 0) {
		if (errno == EACCES)
			hint = " (are you in the device's group?)";
		else if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			hint = " (is the module loaded?)";
		die("%s: %s%s", path, strerror(errno), hint);
	}
	version = ioctl(vm->sys_fd, HV_GET_API_VERSION, 0);
	if (version < 0)
		die("%s: not a hypervisor device: %s", path, strerror(errno));
	if (version != HV_API_VERSION)
		die("%s: API version %d, this hvrun speaks %d", path, version, HV_API_VERSION);
	for (i = 0; i < ARRAY_SIZE(required_caps); i++) {
		if (!vm_check_extension(vm, required_caps[i].cap))
			die("%s: lacks %s", path, required_caps[i].name);
	}
	max = vm_check_extension(vm, HV_CAP_MAX_VCPUS);
	if (max && vm->opt->cpus > (unsigned int)max)
		die("%s: at most %d CPUs, asked for %u", path, max, vm->opt->cpus);
	version = ioctl(vm->sys_fd, HV_GET_VCPU_MMAP_SIZE, 0);
	if (version < (int)sizeof(struct hv_run))
		die("%s: run page too small: %d bytes", path, version);
	vm->run_size = version;
}

static void add_slot(struct vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, uint8_t *mem)
{
	struct hv_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	if (ioctl(vm->fd, HV_SET_USER_MEMORY_REGION, &region))
		die("guest memory at %#llx: %s", (unsigned long long)gpa, strerror(errno));
}

static void add_memory(struct vm *vm)
{
	unsigned int bits = cpuid_phys_bits(vm);

	if (vm->high_size > (1ull << bits) - HIGH_RAM_BASE)
		die("%llu MiB of memory do not fit into the guest's %u address bits",
		    (unsigned long long)(vm->opt->memory / MIB), bits);
	add_slot(vm, 0, 0, vm->low_size, vm->mem);
	if (vm->high_size)
		add_slot(vm, 1, HIGH_RAM_BASE, vm->high_size, vm->mem + vm->low_size);
}

/**
 * vm_init() - allocate the guest's memory
 * @vm: all zero
 * @opt: command line, kept
 *
 * Needs no device: the memory can be filled before there is a VM.
 * Exits with a message on any error.
 */
void vm_init(struct vm *vm, const struct options *opt)
{
	uint64_t size = opt->memory;

	vm->opt = opt;
	vm->low_size = size < LOW_RAM_MAX ? size : LOW_RAM_MAX;
	vm->high_size = size - vm->low_size;
	vm->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->mem == MAP_FAILED)
		die("%llu MiB of guest memory: %s", (unsigned long long)(size / MIB),
		    strerror(errno));
	vm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->wake_fd < 0)
		die("eventfd: %s", strerror(errno));
	serial_init(&vm->serial, vm);
}

/**
 * vm_create() - open the device and make a VM with memory and interrupt controllers
 * @vm: after vm_init()
 *
 * Exits with a message on any error.
 */
void vm_create(struct vm *vm)
{
	open_device(vm);
	/* a signal may interrupt the creation, as KVM does */
	do {
		vm->fd = ioctl(vm->sys_fd, HV_CREATE_VM, 0);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		die("%s: cannot create a VM: %s%s", vm->opt->device, strerror(errno),
		    errno == EBUSY ? " (another hypervisor owns the processor)" : "");
	if (vm_check_extension(vm, HV_CAP_SET_TSS_ADDR) &&
	    ioctl(vm->fd, HV_SET_TSS_ADDR, TSS_ADDR))
		die("HV_SET_TSS_ADDR: %s", strerror(errno));
	/* before the first vCPU, so that each gets a LAPIC */
	if (ioctl(vm->fd, HV_CREATE_IRQCHIP, 0))
		die("HV_CREATE_IRQCHIP: %s", strerror(errno));
	cpuid_read_supported(vm);
	add_memory(vm);
	irq_init(vm);
	pci_init(vm);
}

/**
 * vm_memory() - this process's view of a piece of guest RAM
 * @vm: the VM
 * @gpa: guest-physical address
 * @size: bytes
 *
 * Return: a pointer, or NULL if the piece is not within one block of RAM.
 */
void *vm_memory(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	if (gpa <= vm->low_size && size <= vm->low_size - gpa)
		return vm->mem + gpa;
	if (gpa >= HIGH_RAM_BASE && gpa - HIGH_RAM_BASE <= vm->high_size &&
	    size <= vm->high_size - (gpa - HIGH_RAM_BASE))
		return vm->mem + vm->low_size + (gpa - HIGH_RAM_BASE);
	return NULL;
}

/**
 * vm_wake() - make the main loop look at its inputs again
 * @vm: the VM
 */
void vm_wake(struct vm *vm)
{
	uint64_t one = 1;

	/* it can only fail when the counter is full, then the loop is awake anyway */
	if (write(vm->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/**
 * vm_stop() - end the VM
 * @vm: the VM
 * @exit_code: exit status of hvrun, taken from the first caller
 *
 * Any thread. Returns at once: the main loop collects the vCPUs.
 *
 * Return: whether this was the first call, whose caller tells the reason.
 */
bool vm_stop(struct vm *vm, int exit_code)
{
	if (atomic_exchange(&vm->stopping, true))
		return false;
	atomic_store(&vm->exit_code, exit_code);
	vm_wake(vm);
	return true;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	/* inherited by the vCPU threads, so only the main loop sees these */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* a reader of the console that went away is an error of write(), not a death */
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd: %s", strerror(errno));
	return fd;
}

/* The first SIGTERM is for the guest, which may take its time or ignore it. */
static void take_signal(struct vm *vm, int fd)
{
	struct signalfd_siginfo info;
	static bool pressed;
	unsigned int i;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGQUIT) {
		for (i = 0; i < vm->opt->cpus; i++)
			vcpu_show(&vm->vcpus[i]);
		return;
	}
	if (info.ssi_signo == SIGTERM && !pressed) {
		msg("SIGTERM: power button pressed, once more ends the VM");
		acpi_power_button(vm);
		pressed = true;
		return;
	}
	msg("ended by signal %u (%s)", info.ssi_signo, strsignal(info.ssi_signo));
	vm_stop(vm, EXIT_SIGNAL + info.ssi_signo);
}

/* Kicked already; once more if its thread waits for the console's reader. */
static void join_vcpu(struct vcpu *vcpu)
{
	struct timespec until;

	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		if (!pthread_clockjoin_np(vcpu->thread, NULL, CLOCK_MONOTONIC, &until))
			return;
		vcpu_kick(vcpu);
	}
}

/**
 * vm_run() - start the vCPUs and serve the console until the VM ends
 * @vm: a VM that is ready to run
 *
 * Return: exit status for hvrun. All vCPU threads have ended.
 */
int vm_run(struct vm *vm)
{
	enum { WAKE, SIGNAL, INPUT, FUNCTIONS };
	struct pollfd fds[FUNCTIONS + MAX_FUNCTIONS] = {
		[WAKE]		= { .fd = vm->wake_fd, .events = POLLIN },
		[SIGNAL]	= { .fd = open_signals(), .events = POLLIN },
		[INPUT]		= { .events = POLLIN },
	};
	bool input_open = true;
	uint64_t count;
	unsigned int i, nr_functions = assign_poll(vm, fds + FUNCTIONS);

	serial_open_terminal();
	vcpu_prepare_kicks();
	virtio_start_all(vm);
	for (i = 0; i < vm->opt->cpus; i++)
		vcpu_start(&vm->vcpus[i]);
	while (!atomic_load(&vm->stopping)) {
		/* poll() passes over a negative descriptor */
		fds[INPUT].fd = input_open && serial_wants_input(&vm->serial) ? STDIN_FILENO : -1;
		if (poll(fds, FUNCTIONS + nr_functions, -1) < 0)
			continue;
		if (fds[WAKE].revents && read(vm->wake_fd, &count, sizeof(count)) < 0)
			continue;
		if (fds[SIGNAL].revents)
			take_signal(vm, fds[SIGNAL].fd);
		if (fds[INPUT].revents)
			input_open = serial_input(&vm->serial);
		for (i = 0; i < nr_functions; i++)
			assign_event(i, &fds[FUNCTIONS + i]);
	}
	for (i = 0; i < vm->opt->cpus; i++)
		vcpu_kick(&vm->vcpus[i]);
	for (i = 0; i < vm->opt->cpus; i++)
		join_vcpu(&vm->vcpus[i]);
	serial_close_terminal();
	close(fds[SIGNAL].fd);
	return atomic_load(&vm->exit_code);
}
