// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts a Linux kernel into guest memory, with all that its 64-bit entry point
 * expects (Documentation/x86/boot.rst): zero page, command line, initial
 * ramdisk, memory map, GDT and identity-mapped page tables.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <asm/bootparam.h>

#include "hvrun.h"

#define SECTOR			512
#define PAGE			4096ull
#define HEADER_OFFSET		0x1f1
#define HEADER_MAGIC		0x53726448	/* "HdrS" */
#define BOOT_FLAG		0xaa55
#define VERSION_64BIT		0x020c		/* first protocol with a 64-bit entry point */
#define ENTRY64_OFFSET		0x200
#define LOADER_UNDEFINED	0xff
#define VIDEO_NORMAL		0xffff
#define ELF_CMDLINE_MAX		2047		/* COMMAND_LINE_SIZE of x86, without the NUL */
#define ELF_INITRD_MAX		0x7fffffffu
#define MAX_PHDRS		64

#define E820_RAM		1
#define E820_RESERVED		2

/* Page table entries (SDM 3A 4.5) */
#define PTE_PRESENT		(1ull << 0)
#define PTE_WRITE		(1ull << 1)
#define PTE_LARGE		(1ull << 7)
#define ENTRIES			512

/**
 * struct input - an open file that goes into guest memory
 * @path: for messages
 * @fd: descriptor
 * @size: bytes
 */
struct input {
	const char *path;
	int fd;
	uint64_t size;
};

static void open_input(struct input *in, const char *path)
{
	struct stat st;

	in->path = path;
	in->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st))
		die("%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die("%s: not a regular file", path);
	in->size = st.st_size;
}

static void read_input(const struct input *in, uint64_t offset, void *to, uint64_t size)
{
	char *p = to;
	ssize_t n;

	while (size) {
		n = pread(in->fd, p, size, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("%s: %s", in->path, strerror(errno));
		if (!n)
			die("%s: truncated: ends at byte %llu", in->path,
			    (unsigned long long)offset);
		p += n;
		offset += n;
		size -= n;
	}
}

static void load(struct vm *vm, const struct input *in, uint64_t offset, uint64_t gpa,
		 uint64_t size)
{
	void *to = vm_memory(vm, gpa, size);

	if (!to)
		die("%s: does not fit into %llu MiB of guest memory", in->path,
		    (unsigned long long)(vm->opt->memory / MIB));
	read_input(in, offset, to, size);
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/**
 * struct kernel - what the loaders find out about the kernel
 * @header: setup header for the zero page
 * @entry: guest-physical 64-bit entry point
 * @end: guest-physical end of what the kernel needs before it reads the memory map
 */
struct kernel {
	struct setup_header header;
	uint64_t entry;
	uint64_t end;
};

/* Where the protected-mode part goes: where it prefers, or else as low as it can. */
static uint64_t place_bzimage(const struct vm *vm, const struct input *in,
			      const struct setup_header *h)
{
	uint64_t align = h->kernel_alignment;
	uint64_t addr = h->pref_address;

	if (addr >= MIB && vm_memory(vm, addr, h->init_size))
		return addr;
	if (!align || (align & (align - 1)) || align > GIB)
		die("%s: damaged bzImage: kernel alignment %#llx", in->path,
		    (unsigned long long)align);
	addr = align_up(MIB, align);
	if (!h->relocatable_kernel || !vm_memory(vm, addr, h->init_size))
		die("%s: needs %llu MiB to start, does not fit into %llu MiB of guest memory",
		    in->path, (unsigned long long)((addr + h->init_size + MIB - 1) / MIB),
		    (unsigned long long)(vm->opt->memory / MIB));
	return addr;
}

static void load_bzimage(struct vm *vm, const struct input *in, struct kernel *k)
{
	struct setup_header *h = &k->header;
	uint64_t offset, size, addr, header_size;
	uint8_t jump;

	/* the header ends where the jump instruction before its magic lands */
	read_input(in, HEADER_OFFSET, h, sizeof(*h));
	jump = h->jump >> 8;
	header_size = 0x202 + jump - HEADER_OFFSET;
	if (header_size < sizeof(*h))
		memset((uint8_t *)h + header_size, 0, sizeof(*h) - header_size);

	if (h->version < VERSION_64BIT || !(h->xloadflags & XLF_KERNEL_64) ||
	    !(h->loadflags & LOADED_HIGH))
		die("%s: bzImage without a 64-bit entry point (boot protocol %u.%02u)", in->path,
		    h->version >> 8, h->version & 0xff);
	offset = ((h->setup_sects ?: 4) + 1) * SECTOR;
	size = h->syssize * 16ull;
	if (size <= ENTRY64_OFFSET)
		die("%s: damaged bzImage: no kernel in it", in->path);
	if (offset + size > in->size)
		die("%s: truncated: %llu bytes, its header announces %llu", in->path,
		    (unsigned long long)in->size, (unsigned long long)(offset + size));
	if (size > h->init_size)
		die("%s: damaged bzImage: larger than what it needs to start", in->path);
	addr = place_bzimage(vm, in, h);
	load(vm, in, offset, addr, size);
	k->entry = addr + ENTRY64_OFFSET;
	k->end = addr + h->init_size;
}

static void load_elf(struct vm *vm, const struct input *in, struct kernel *k)
{
	Elf64_Phdr phdr[MAX_PHDRS], *p;
	Elf64_Ehdr ehdr;

	read_input(in, 0, &ehdr, sizeof(ehdr));
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS64 || ehdr.e_ident[EI_DATA] != ELFDATA2LSB ||
	    ehdr.e_machine != EM_X86_64 || ehdr.e_type != ET_EXEC)
		die("%s: not an x86-64 ELF executable", in->path);
	if (ehdr.e_phentsize != sizeof(*phdr) || !ehdr.e_phnum || ehdr.e_phnum > MAX_PHDRS)
		die("%s: damaged ELF program headers", in->path);
	read_input(in, ehdr.e_phoff, phdr, ehdr.e_phnum * sizeof(*phdr));

	for (p = phdr; p < phdr + ehdr.e_phnum; p++) {
		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_paddr < MIB)
			die("%s: damaged ELF segment at %#llx", in->path,
			    (unsigned long long)p->p_paddr);
		if (p->p_offset > in->size || p->p_filesz > in->size - p->p_offset)
			die("%s: truncated: a segment ends after byte %llu", in->path,
			    (unsigned long long)in->size);
		if (!vm_memory(vm, p->p_paddr, p->p_memsz))
			die("%s: does not fit into %llu MiB of guest memory", in->path,
			    (unsigned long long)(vm->opt->memory / MIB));
		/* the rest of the segment is zero, as all guest memory is */
		load(vm, in, p->p_offset, p->p_paddr, p->p_filesz);
		if (p->p_paddr + p->p_memsz > k->end)
			k->end = p->p_paddr + p->p_memsz;
	}
	k->entry = ehdr.e_entry;
	if (k->entry < MIB || k->entry >= k->end || k->end > LOW_RAM_MAX)
		die("%s: entry point %#llx is outside of the kernel; is it a Linux vmlinux?",
		    in->path, (unsigned long long)k->entry);
	/* what a bzImage's header would say */
	k->header = (struct setup_header) {
		.boot_flag = BOOT_FLAG,
		.header = HEADER_MAGIC,
		.version = VERSION_64BIT,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = ELF_INITRD_MAX,
		.cmdline_size = ELF_CMDLINE_MAX,
	};
}

static void load_kernel(struct vm *vm, struct kernel *k)
{
	unsigned char ident[SELFMAG];
	uint32_t magic;
	struct input in;

	memset(k, 0, sizeof(*k));
	open_input(&in, vm->opt->kernel);
	if (in.size < HEADER_OFFSET + sizeof(k->header))
		die("%s: too short to be a kernel: %llu bytes", in.path,
		    (unsigned long long)in.size);
	read_input(&in, 0, ident, sizeof(ident));
	read_input(&in, HEADER_OFFSET + offsetof(struct setup_header, header), &magic,
		   sizeof(magic));
	if (!memcmp(ident, ELFMAG, SELFMAG))
		load_elf(vm, &in, k);
	else if (magic == HEADER_MAGIC)
		load_bzimage(vm, &in, k);
	else
		die("%s: neither a bzImage nor an ELF vmlinux", in.path);
	close(in.fd);
}

/* As high as the kernel can take it, so that it is out of the kernel's way. */
static void load_initrd(struct vm *vm, struct kernel *k)
{
	uint64_t top = vm->low_size, addr;
	struct input in;

	if (!vm->opt->initrd)
		return;
	open_input(&in, vm->opt->initrd);
	if (!in.size)
		die("%s: empty", in.path);
	if (top > (uint64_t)k->header.initrd_addr_max + 1)
		top = (uint64_t)k->header.initrd_addr_max + 1;
	addr = (top - in.size) & ~(PAGE - 1);
	if (in.size > top || addr < k->end)
		die("%s: %llu KiB do not fit beside the kernel into %llu MiB of guest memory",
		    in.path, (unsigned long long)(in.size / KIB),
		    (unsigned long long)(vm->opt->memory / MIB));
	load(vm, &in, 0, addr, in.size);
	k->header.ramdisk_image = addr;
	k->header.ramdisk_size = in.size;
	close(in.fd);
}

static void set_cmdline(struct vm *vm, struct kernel *k)
{
	size_t length = strlen(vm->opt->append), max = k->header.cmdline_size;

	if (max > CMDLINE_MAX - 1)
		max = CMDLINE_MAX - 1;
	if (length > max)
		die("--append: %zu characters, the kernel takes %zu", length, max);
	memcpy(vm_memory(vm, CMDLINE_ADDR, length + 1), vm->opt->append, length + 1);
	k->header.cmd_line_ptr = CMDLINE_ADDR;
}

static void add_e820(struct boot_params *bp, uint64_t from, uint64_t to, uint32_t type)
{
	if (to > from)
		bp->e820_table[bp->e820_entries++] = (struct boot_e820_entry) {
			.addr = from, .size = to - from, .type = type,
		};
}

static void build_zero_page(struct vm *vm, const struct kernel *k, uint64_t rsdp)
{
	struct boot_params *bp = vm_memory(vm, ZERO_PAGE_ADDR, sizeof(*bp));

	bp->hdr = k->header;
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.vid_mode = VIDEO_NORMAL;
	bp->acpi_rsdp_addr = rsdp;
	add_e820(bp, 0, EBDA_ADDR, E820_RAM);
	add_e820(bp, ACPI_ADDR, ACPI_END, E820_RESERVED);
	add_e820(bp, MIB, vm->low_size, E820_RAM);
	/* Linux uses the memory of MCFG only if it is reserved */
	add_e820(bp, PCI_ECAM_BASE, PCI_ECAM_BASE + PCI_ECAM_SIZE, E820_RESERVED);
	add_e820(bp, HIGH_RAM_BASE, HIGH_RAM_BASE + vm->high_size, E820_RAM);
}

/* Null, unused, code, data: the selectors that the boot protocol names */
static void build_gdt(struct vm *vm)
{
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

	memcpy(vm_memory(vm, GDT_ADDR, sizeof(gdt)), gdt, sizeof(gdt));
}

/* The first 4 GiB, one to one, in 2 MiB pages: all processors have those */
static void build_page_tables(struct vm *vm)
{
	uint64_t *table = vm_memory(vm, PAGE_TABLE_ADDR, 6 * PAGE);
	uint64_t *pdpt = table + ENTRIES, *pd = pdpt + ENTRIES;
	unsigned int i;

	table[0] = (PAGE_TABLE_ADDR + PAGE) | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4; i++)
		pdpt[i] = (PAGE_TABLE_ADDR + (2 + i) * PAGE) | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4 * ENTRIES; i++)
		pd[i] = i * 2 * MIB | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

/*
 * On a hardware-reduced platform Linux reboots through EFI, and where there is
 * none, by a jump to the firmware in real mode. All that this firmware does is
 * to write the reset register: mov $port, %dx; mov $value, %al; out; hlt forever.
 */
static void build_reset_vector(struct vm *vm)
{
	static const uint8_t code[] = {
		0xba, ACPI_RESET_PORT & 0xff, ACPI_RESET_PORT >> 8,
		0xb0, ACPI_RESET_VALUE, 0xee, 0xf4, 0xeb, 0xfd,
	};

	memcpy(vm_memory(vm, RESET_VECTOR, sizeof(code)), code, sizeof(code));
}

/**
 * boot_load() - put kernel, initrd and boot data into guest memory
 * @vm: after vm_init()
 *
 * Exits with a message if a file is missing, damaged or too large.
 *
 * Return: guest-physical address of the 64-bit entry point.
 */
uint64_t boot_load(struct vm *vm)
{
	struct kernel k;

	load_kernel(vm, &k);
	load_initrd(vm, &k);
	set_cmdline(vm, &k);
	build_zero_page(vm, &k, ACPI_ADDR);
	build_gdt(vm);
	build_page_tables(vm);
	build_reset_vector(vm);
	return k.entry;
}
