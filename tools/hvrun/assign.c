// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions of the host on the guest's bus (Documentation/assignment.rst).
 *
 * Configuration space is the kernel's copy, read and written through the function's file. What
 * the guest sets there is acted upon here: BARs of memory become memory slots over mappings of the
 * file, and messages are given to the kernel, which delivers them. The MSI-X table is a table of
 * ours, as the page that has the function's own can't be mapped. Of the expansion ROM the guest
 * sees a copy, ports are read and written through the file. Each function has a line of the IOAPIC
 * for its interrupt pin.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pci.h"

#define NR_BARS		(HV_PCI_REGION_ROM + 1)	/* the last one is the ROM's */
#define NR_PIECES	2		/* before and behind the pages of the MSI-X table */
#define MAX_MSI		32
#define PAGE_BYTES	0x1000u
#define FIRST_SLOT	2		/* memory slots 0 and 1 are RAM */
/* BARs of virtio devices are below, one of PCI_BAR_SIZE for each slot of the bus. */
#define BARS_BASE	(PCI_WINDOW_BASE + MIB)

/**
 * struct piece - a part of a BAR that the guest accesses without an exit
 * @offset: where it begins in the BAR
 * @size: bytes, whole pages; 0: none
 * @map: the registers in this process
 * @slot: memory slot
 * @flags: HV_MEM_*
 */
struct piece {
	uint64_t offset;
	uint64_t size;
	void *map;
	unsigned int slot;
	uint32_t flags;
};

/**
 * struct bar - a BAR of the function, or its expansion ROM
 * @reg: its register
 * @size: bytes, 0: absent
 * @is_port: it has ports, else memory
 * @is_64: its upper half is in the next register
 * @mapped: the guest decodes it, at @gpa
 * @gpa: address
 * @pieces: slots
 */
struct bar {
	unsigned int reg;
	uint64_t size;
	bool is_port;
	bool is_64;
	bool mapped;
	uint64_t gpa;
	struct piece pieces[NR_PIECES];
};

/**
 * struct message - what a vector has been told
 * @addr: message address
 * @data: message data
 * @masked: the guest has masked it
 * @known: the kernel knows all that
 */
struct message {
	uint64_t addr;
	uint32_t data;
	bool masked;
	bool known;
};

/**
 * struct assigned - a function
 * @pci: its place on the bus
 * @path: its file's name
 * @fd: its file
 * @info: what it is
 * @msi: offset of the MSI capability, 0: none
 * @msix: offset of the MSI-X capability, 0: none
 * @pcie: offset of the PCI Express capability, 0: none
 * @said_write: that the function's file refused a write
 * @said_irq: that the kernel refused a change of its interrupts
 * @said_slot: that a BAR could not be mapped
 * @bars: guarded by vm->pci.lock
 * @lock: guards what follows; taken inside vm->pci.lock
 * @mode: HV_PCI_IRQ_*
 * @table: MSI-X table as the guest sees it
 * @messages: what the kernel has been told, by vector
 * @mask_all: the guest has masked the function
 */
struct assigned {
	struct pci_device pci;
	const char *path;
	int fd;
	struct hv_pci_info info;
	unsigned int msi, msix, pcie;
	atomic_bool said_write, said_irq, said_slot;
	struct bar bars[NR_BARS];
	pthread_mutex_t lock;
	uint32_t mode;
	uint8_t *table;
	struct message *messages;
	bool mask_all;
};

static struct assigned *to_assigned(struct pci_device *pci)
{
	return (struct assigned *)((char *)pci - offsetof(struct assigned, pci));
}

static off_t region(unsigned int number, uint64_t offset)
{
	return (off_t)((uint64_t)number << HV_PCI_REGION_SHIFT | offset);
}

/* Nobody answers for a function that has gone. */
static void read_region(struct assigned *a, unsigned int number, uint64_t offset, void *data,
			unsigned int size)
{
	if (pread(a->fd, data, size, region(number, offset)) != (ssize_t)size)
		memset(data, 0xff, size);
}

static void write_region(struct assigned *a, unsigned int number, uint64_t offset,
			 const void *data, unsigned int size)
{
	if (pwrite(a->fd, data, size, region(number, offset)) < 0 && errno != ENODEV)
		msg_once(&a->said_write, "%s: write to region %u at %#llx: %s", a->path, number,
			 (unsigned long long)offset, strerror(errno));
}

static uint32_t config32(struct assigned *a, unsigned int offset)
{
	uint8_t data[4];

	read_region(a, HV_PCI_REGION_CONFIG, offset, data, sizeof(data));
	return get32(data);
}

static uint16_t config16(struct assigned *a, unsigned int offset)
{
	uint8_t data[2];

	read_region(a, HV_PCI_REGION_CONFIG, offset, data, sizeof(data));
	return get16(data);
}

/* ---- interrupts; under a->lock ---- */

static void irq_call(struct assigned *a, unsigned long call, void *arg)
{
	if (ioctl(a->fd, call, arg) && errno != ENODEV)
		msg_once(&a->said_irq, "%s: interrupts: %s", a->path, strerror(errno));
}

static void set_mode(struct assigned *a, uint32_t mode, unsigned int count)
{
	struct hv_pci_irqs irqs = {
		.size = sizeof(irqs), .mode = mode, .count = count,
		.gsi = mode == HV_PCI_IRQ_INTX ? a->pci.gsi : 0,
	};
	unsigned int i;

	if (mode == a->mode)
		return;
	irq_call(a, HV_PCI_SET_IRQS, &irqs);
	a->mode = mode;
	for (i = 0; i < (a->info.nr_msix > MAX_MSI ? a->info.nr_msix : MAX_MSI); i++)
		a->messages[i].known = false;
}

static void set_vector(struct assigned *a, unsigned int vector, uint64_t addr, uint32_t data,
		       bool masked)
{
	struct hv_pci_vector_route r = {
		.size = sizeof(r), .vector = vector, .addr = addr, .data = data,
		.flags = masked ? HV_PCI_VECTOR_MASKED : 0,
	};
	struct message *m = &a->messages[vector];

	/* A vector that the guest does not use takes nothing of the host. */
	if (masked && !m->known)
		return;
	if (m->known && m->addr == addr && m->data == data && m->masked == masked)
		return;
	irq_call(a, HV_PCI_SET_VECTOR, &r);
	*m = (struct message){ .addr = addr, .data = data, .masked = masked, .known = true };
}

static void update_msix_vector(struct assigned *a, unsigned int vector)
{
	const uint8_t *entry = a->table + vector * PCI_MSIX_ENTRY_SIZE;

	if (a->mode != HV_PCI_IRQ_MSIX)
		return;
	set_vector(a, vector, get32(entry + PCI_MSIX_ENTRY_LOWER_ADDR) |
		   (uint64_t)get32(entry + PCI_MSIX_ENTRY_UPPER_ADDR) << 32,
		   get32(entry + PCI_MSIX_ENTRY_DATA),
		   a->mask_all || (get32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL) &
				   PCI_MSIX_ENTRY_CTRL_MASKBIT));
}

/* Of the vectors of an MSI, the low bits of the data are the number (PCI Local Bus 3.0, 6.8.1.6). */
static void update_msi(struct assigned *a, uint16_t flags)
{
	bool is_64 = flags & PCI_MSI_FLAGS_64BIT;
	unsigned int i, count = 1u << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4);
	uint64_t addr = config32(a, a->msi + PCI_MSI_ADDRESS_LO);
	uint32_t data, mask = 0;

	if (count > a->info.nr_msi)
		count = a->info.nr_msi;
	if (is_64)
		addr |= (uint64_t)config32(a, a->msi + PCI_MSI_ADDRESS_HI) << 32;
	data = config16(a, a->msi + (is_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32));
	if (flags & PCI_MSI_FLAGS_MASKBIT)
		mask = config32(a, a->msi + (is_64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32));
	set_mode(a, HV_PCI_IRQ_MSI, count);
	for (i = 0; i < count; i++)
		set_vector(a, i, addr, (data & ~(count - 1)) | i, mask >> i & 1);
}

static void update_interrupts(struct assigned *a)
{
	uint16_t msi = a->msi ? config16(a, a->msi + PCI_MSI_FLAGS) : 0;
	uint16_t msix = a->msix ? config16(a, a->msix + PCI_MSIX_FLAGS) : 0;
	unsigned int i;

	pthread_mutex_lock(&a->lock);
	if (msix & PCI_MSIX_FLAGS_ENABLE) {
		a->mask_all = msix & PCI_MSIX_FLAGS_MASKALL;
		set_mode(a, HV_PCI_IRQ_MSIX, a->info.nr_msix);
		for (i = 0; i < a->info.nr_msix; i++)
			update_msix_vector(a, i);
	} else if (msi & PCI_MSI_FLAGS_ENABLE) {
		update_msi(a, msi);
	} else if (a->pci.pin) {
		set_mode(a, HV_PCI_IRQ_INTX, 1);
	} else {
		set_mode(a, HV_PCI_IRQ_NONE, 0);
	}
	pthread_mutex_unlock(&a->lock);
}

static void table_access(struct assigned *a, uint64_t offset, void *data, unsigned int size,
			 bool is_write)
{
	/* Others than these are undefined (PCI Local Bus 3.0, 6.8.2). */
	if ((size != 4 && size != 8) || offset % size) {
		if (!is_write)
			memset(data, 0xff, size);
		return;
	}
	pthread_mutex_lock(&a->lock);
	if (is_write) {
		memcpy(a->table + offset, data, size);
		update_msix_vector(a, offset / PCI_MSIX_ENTRY_SIZE);
	} else {
		memcpy(data, a->table + offset, size);
	}
	pthread_mutex_unlock(&a->lock);
}

/* ---- BARs; under vm->pci.lock ---- */

static bool set_slot(struct assigned *a, const struct piece *piece, uint64_t gpa, uint64_t size)
{
	struct hv_userspace_memory_region slot = {
		.slot = piece->slot,
		.flags = piece->flags,
		.guest_phys_addr = gpa + piece->offset,
		.memory_size = size,
		.userspace_addr = (uintptr_t)piece->map,
	};

	if (!ioctl(a->pci.vm->fd, HV_SET_USER_MEMORY_REGION, &slot))
		return true;
	msg_once(&a->said_slot, "%s: BAR at %#llx: %s", a->path, (unsigned long long)gpa,
		 strerror(errno));
	return false;
}

/* What has no slot exits, and is done by read and write: slower, but right. */
static void map_bar(struct assigned *a, struct bar *bar, bool mapped, uint64_t gpa)
{
	unsigned int i;

	if (bar->mapped == mapped && (!mapped || bar->gpa == gpa))
		return;
	for (i = 0; bar->mapped && i < NR_PIECES; i++)
		if (bar->pieces[i].size)
			set_slot(a, &bar->pieces[i], bar->gpa, 0);
	bar->mapped = mapped;
	bar->gpa = gpa;
	for (i = 0; mapped && i < NR_PIECES; i++)
		if (bar->pieces[i].size)
			set_slot(a, &bar->pieces[i], gpa, bar->pieces[i].size);
}

static bool within(uint64_t addr, uint64_t size, uint64_t base, uint64_t room)
{
	return addr >= base && size <= room && addr - base <= room - size;
}

static void update_bar(struct assigned *a, struct bar *bar, uint16_t command)
{
	uint64_t addr = config32(a, bar->reg);

	/* The windows are all that there is, as for other devices. */
	if (bar->is_port) {
		addr &= PCI_BASE_ADDRESS_IO_MASK;
		map_bar(a, bar, (command & PCI_COMMAND_IO) &&
			within(addr, bar->size, PCI_PORTS_BASE, PCI_PORTS_SIZE), addr);
		return;
	}
	if (bar->reg == PCI_ROM_ADDRESS && !(addr & PCI_ROM_ADDRESS_ENABLE))
		command = 0;
	addr &= bar->reg == PCI_ROM_ADDRESS ? PCI_ROM_ADDRESS_MASK : PCI_BASE_ADDRESS_MEM_MASK;
	if (bar->is_64)
		addr |= (uint64_t)config32(a, bar->reg + 4) << 32;
	map_bar(a, bar, (command & PCI_COMMAND_MEMORY) &&
		within(addr, bar->size, PCI_WINDOW_BASE, PCI_WINDOW_SIZE), addr);
}

static void update_bars(struct assigned *a)
{
	uint16_t command = config16(a, PCI_COMMAND);
	unsigned int i;

	for (i = 0; i < NR_BARS; i++)
		if (a->bars[i].size)
			update_bar(a, &a->bars[i], command);
}

/* ---- the bus's view ---- */

/* Function Level Reset, after which the function does not interrupt */
static bool is_reset(const struct assigned *a, unsigned int offset, const uint8_t *data,
		     unsigned int size)
{
	unsigned int flr = a->pcie + PCI_EXP_DEVCTL + 1;

	return a->pcie && offset <= flr && flr < offset + size &&
	       (data[flr - offset] & (PCI_EXP_DEVCTL_BCR_FLR >> 8));
}

static void assigned_config(struct pci_device *pci, unsigned int offset, void *data,
			    unsigned int size, bool is_write)
{
	struct assigned *a = to_assigned(pci);

	if (!is_write) {
		read_region(a, HV_PCI_REGION_CONFIG, offset, data, size);
		return;
	}
	write_region(a, HV_PCI_REGION_CONFIG, offset, data, size);
	if (is_reset(a, offset, data, size)) {
		pthread_mutex_lock(&a->lock);
		a->mode = HV_PCI_IRQ_NONE;
		pthread_mutex_unlock(&a->lock);
	}
	update_bars(a);
	update_interrupts(a);
}

static int find_bar(struct assigned *a, bool is_port, uint64_t gpa, unsigned int size,
		    uint64_t *offset)
{
	unsigned int i;
	int found = -1;

	pthread_mutex_lock(&a->pci.vm->pci.lock);
	for (i = 0; i < NR_BARS && found < 0; i++) {
		if (!a->bars[i].mapped || a->bars[i].is_port != is_port || gpa < a->bars[i].gpa ||
		    gpa + size > a->bars[i].gpa + a->bars[i].size)
			continue;
		*offset = gpa - a->bars[i].gpa;
		found = i;
	}
	pthread_mutex_unlock(&a->pci.vm->pci.lock);
	return found;
}

/* What has no slot: ports, the ROM, small BARs, and the pages of the MSI-X table */
static bool assigned_access(struct pci_device *pci, bool is_port, uint64_t addr, void *data,
			    unsigned int size, bool is_write)
{
	struct assigned *a = to_assigned(pci);
	uint64_t offset, table = a->info.msix_table;
	int bar = find_bar(a, is_port, addr, size, &offset);

	if (bar < 0)
		return false;
	if ((unsigned int)bar == a->info.msix_bar && offset >= table &&
	    offset + size <= table + a->info.nr_msix * PCI_MSIX_ENTRY_SIZE)
		table_access(a, offset - table, data, size, is_write);
	else if (is_write && bar != HV_PCI_REGION_ROM)
		write_region(a, bar, offset, data, size);
	else if (!is_write)
		read_region(a, bar, offset, data, size);
	return true;
}

static const struct pci_ops assigned_ops = {
	.config = assigned_config,
	.access = assigned_access,
};

/* ---- setting it up ---- */

static void open_function(struct vm *vm, struct assigned *a, bool without_reset)
{
	struct hv_assign_device assign = {
		.size = sizeof(assign),
		.flags = without_reset ? HV_ASSIGN_WITHOUT_RESET : 0,
	};

	a->fd = open(a->path, O_RDWR | O_CLOEXEC);
	if (a->fd < 0)
		die("%s: %s%s", a->path, strerror(errno),
		    errno == ENOENT ? " (is it bound? see hvctl device bind)" : "");
	assign.fd = a->fd;
	if (ioctl(vm->fd, HV_ASSIGN_DEVICE, &assign))
		die("%s: %s", a->path, assign.reason ? assign.message : strerror(errno));
	a->info.size = sizeof(a->info);
	if (ioctl(a->fd, HV_PCI_GET_INFO, &a->info))
		die("%s: HV_PCI_GET_INFO: %s", a->path, strerror(errno));
}

static unsigned int find_cap(struct assigned *a, uint8_t id)
{
	unsigned int n, pos = 0;

	if (config16(a, PCI_STATUS) & PCI_STATUS_CAP_LIST)
		pos = config32(a, PCI_CAPABILITY_LIST) & 0xff;
	for (n = 0; pos && n < 48; n++) {
		if ((config16(a, pos) & 0xff) == id)
			return pos;
		pos = config16(a, pos) >> 8;
	}
	return 0;
}

static void add_piece(struct piece *piece, uint64_t offset, uint64_t end, uint32_t flags)
{
	static unsigned int slot = FIRST_SLOT;

	piece->offset = offset;
	piece->size = end - offset;
	piece->slot = slot++;
	piece->flags = flags;
}

static void map_piece(struct assigned *a, unsigned int bar, struct piece *piece, uint64_t offset,
		      uint64_t end)
{
	if (offset >= end)
		return;
	add_piece(piece, offset, end, HV_MEM_NO_DMA);
	piece->map = mmap(NULL, piece->size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd,
			  region(bar, offset));
	if (piece->map == MAP_FAILED)
		die("%s: BAR %u: %s", a->path, bar, strerror(errno));
}

static void map_pieces(struct assigned *a, unsigned int number, struct bar *bar)
{
	uint64_t table = a->info.msix_table & ~(uint64_t)(PAGE_BYTES - 1);
	uint64_t end = a->info.msix_table + (uint64_t)a->info.nr_msix * PCI_MSIX_ENTRY_SIZE;

	if (!a->info.nr_msix || number != a->info.msix_bar) {
		map_piece(a, number, &bar->pieces[0], 0, bar->size);
		return;
	}
	end = (end + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
	map_piece(a, number, &bar->pieces[0], 0, table);
	map_piece(a, number, &bar->pieces[1], end, bar->size);
}

/* The ROM behind the host's register is slow, and the guest reads all of it. */
static void copy_rom(struct assigned *a, struct bar *bar)
{
	struct piece *piece = &bar->pieces[0];

	if (bar->size % PAGE_BYTES)
		return;
	add_piece(piece, 0, bar->size, HV_MEM_NO_DMA | HV_MEM_READONLY);
	piece->map = mmap(NULL, piece->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (piece->map == MAP_FAILED)
		die("%s: expansion ROM: %s", a->path, strerror(errno));
	read_region(a, HV_PCI_REGION_ROM, 0, piece->map, piece->size);
}

/* hvrun is the firmware: it places the BARs, one behind the other. */
static void place_bar(struct assigned *a, unsigned int number, struct bar *bar)
{
	static uint64_t next_memory = BARS_BASE, next_port = PCI_PORTS_BASE;
	uint64_t *next = bar->is_port ? &next_port : &next_memory;
	uint64_t end = bar->is_port ? PCI_PORTS_BASE + PCI_PORTS_SIZE :
		       PCI_WINDOW_BASE + (uint64_t)PCI_WINDOW_SIZE;
	uint64_t align = bar->size > PAGE_BYTES || bar->is_port ? bar->size : PAGE_BYTES;
	uint8_t reg[4];

	*next = (*next + align - 1) & ~(align - 1);
	if (*next + bar->size > end)
		die("%s: BAR %u: no room for %llu KiB", a->path, number,
		    (unsigned long long)(bar->size / KIB));
	put32(reg, *next);
	write_region(a, HV_PCI_REGION_CONFIG, bar->reg, reg, sizeof(reg));
	*next += align;
}

static void create_bars(struct assigned *a)
{
	const struct hv_pci_region *r;
	unsigned int i;

	for (i = 0; i < NR_BARS; i++) {
		r = &a->info.region[i];
		if (!r->size)
			continue;
		a->bars[i].reg = i == HV_PCI_REGION_ROM ? PCI_ROM_ADDRESS :
				 PCI_BASE_ADDRESS_0 + 4 * i;
		a->bars[i].size = r->size;
		a->bars[i].is_port = r->flags & HV_PCI_REGION_PORTS;
		a->bars[i].is_64 = r->flags & HV_PCI_REGION_64BIT;
		if (i == HV_PCI_REGION_ROM)
			copy_rom(a, &a->bars[i]);
		else if (r->flags & HV_PCI_REGION_MMAP)
			map_pieces(a, i, &a->bars[i]);
		place_bar(a, i, &a->bars[i]);
	}
}

static void create_table(struct assigned *a)
{
	unsigned int i, nr = a->info.nr_msix;

	a->table = calloc(nr ? nr : 1, PCI_MSIX_ENTRY_SIZE);
	a->messages = calloc(nr > MAX_MSI ? nr : MAX_MSI, sizeof(*a->messages));
	if (!a->table || !a->messages)
		die("%s: out of memory", a->path);
	for (i = 0; i < nr; i++)
		put32(a->table + i * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL,
		      PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* The line goes into the register in which firmware notes it. */
static void connect_pin(struct assigned *a, unsigned int n)
{
	uint8_t line = PCI_PIN_IRQ + n;

	if (!(a->info.flags & HV_PCI_HAS_INTX))
		return;
	read_region(a, HV_PCI_REGION_CONFIG, PCI_INTERRUPT_PIN, &a->pci.pin, 1);
	a->pci.gsi = line;
	write_region(a, HV_PCI_REGION_CONFIG, PCI_INTERRUPT_LINE, &line, 1);
}

static struct assigned functions[MAX_FUNCTIONS];

/**
 * assign_all() - put the functions of the command line on the bus
 * @vm: a VM with memory and bus, whose vCPUs do not run yet
 *
 * Exits with a message on any error.
 */
void assign_all(struct vm *vm)
{
	struct assigned *a;
	unsigned int i;

	for (i = 0; i < vm->opt->nr_functions; i++) {
		a = &functions[i];
		a->path = vm->opt->functions[i].path;
		pthread_mutex_init(&a->lock, NULL);
		open_function(vm, a, vm->opt->functions[i].without_reset);
		create_table(a);
		a->msi = find_cap(a, PCI_CAP_ID_MSI);
		a->msix = find_cap(a, PCI_CAP_ID_MSIX);
		a->pcie = find_cap(a, PCI_CAP_ID_EXP);
		create_bars(a);
		connect_pin(a, i);
		pci_add(vm, &a->pci, &assigned_ops, a->info.vendor, a->info.device, a->info.class);
		update_interrupts(a);
	}
}

/**
 * assign_poll() - what the main loop is to wait for
 * @vm: the VM
 * @fds: MAX_FUNCTIONS of them, filled in
 *
 * Return: how many.
 */
unsigned int assign_poll(struct vm *vm, struct pollfd *fds)
{
	unsigned int i;

	for (i = 0; i < vm->opt->nr_functions; i++)
		fds[i] = (struct pollfd){ .fd = functions[i].fd, .events = POLLPRI };
	return i;
}

/**
 * assign_event() - something has befallen a function
 * @n: which
 * @fd: what assign_poll() filled in, with what has come
 *
 * The guest finds out by itself; this is for the user. Main loop.
 */
void assign_event(unsigned int n, struct pollfd *fd)
{
	if (fd->revents & POLLHUP) {
		msg("%s: the function is gone", functions[n].path);
		fd->fd = -1;
	} else if (fd->revents & POLLPRI) {
		msg("%s: the function has reported an error", functions[n].path);
		/* It lasts until the guest resets the function. That it goes is still heard of. */
		fd->events = 0;
	}
}
