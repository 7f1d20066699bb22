// SPDX-License-Identifier: GPL-2.0-only
/*
 * The assembler of aml.h. Numbers in comments are sections of ACPI 6.4.
 */
#include <string.h>

#include "aml.h"
#include "hvrun.h"

#define METHOD_OP	0x14
#define SCOPE_OP	0x10
#define EXT_PREFIX	0x5b
#define DEVICE_OP	0x82
#define NAME_OP		0x08
#define BYTE_PREFIX	0x0a
#define DWORD_PREFIX	0x0c
#define STRING_PREFIX	0x0d
#define BUFFER_OP	0x11
#define PACKAGE_OP	0x12
#define NOTIFY_OP	0x86
#define ROOT_CHAR	'\\'
#define DUAL_PREFIX	0x2e
#define NAME_SEG	4

static void bytes(struct aml *a, const void *data, size_t size)
{
	/* what this machine has is known beforehand */
	if (size > sizeof(a->code) - a->size)
		die("the ACPI code does not fit into %d bytes", AML_MAX);
	memcpy(a->code + a->size, data, size);
	a->size += size;
}

static void byte(struct aml *a, uint8_t value)
{
	bytes(a, &value, 1);
}

static void number(struct aml *a, uint64_t value, unsigned int size)
{
	while (size--) {
		byte(a, value);
		value >>= 8;
	}
}

/* 20.2.2: segments of four characters, here one or two, "\_SB" or "\_SB.PWRB" */
static void name_string(struct aml *a, const char *name)
{
	char segments[2 * NAME_SEG];
	unsigned int n = 0;

	memset(segments, '_', sizeof(segments));
	if (*name == ROOT_CHAR)
		byte(a, *name++);
	for (; *name; name++) {
		if (*name == '.')
			n = NAME_SEG;
		else
			segments[n++] = *name;
	}
	if (n > NAME_SEG)
		byte(a, DUAL_PREFIX);
	bytes(a, segments, n > NAME_SEG ? 2 * NAME_SEG : NAME_SEG);
}

static void open_here(struct aml *a)
{
	if (a->depth == AML_DEPTH)
		die("the ACPI code is nested too deeply");
	a->open[a->depth++] = a->size;
}

/**
 * aml_open() - begin a scope, a device, or a method with one argument
 * @a: code
 * @block: which
 * @name: name
 */
void aml_open(struct aml *a, enum aml_block block, const char *name)
{
	static const uint8_t ops[][2] = {
		[AML_SCOPE]	= { SCOPE_OP },
		[AML_DEVICE]	= { EXT_PREFIX, DEVICE_OP },
		[AML_METHOD]	= { METHOD_OP },
	};

	bytes(a, ops[block], block == AML_DEVICE ? 2 : 1);
	open_here(a);
	name_string(a, name);
	/* 20.2.5.2: method flags: one argument, serialized */
	if (block == AML_METHOD)
		byte(a, 1 | 1 << 3);
}

/**
 * aml_close() - end what was opened last
 * @a: code
 *
 * 20.2.4: the length of the body and of itself precedes it, in one byte up to 63,
 * or in two: the low four bits with a mark, then eight more.
 */
void aml_close(struct aml *a)
{
	size_t at = a->open[--a->depth], body = a->size - at;
	unsigned int size = body + 1 <= 63 ? 1 : 2;
	size_t length = body + size;

	bytes(a, "\0", size);
	memmove(a->code + at + size, a->code + at, body);
	if (size == 1) {
		a->code[at] = length;
	} else {
		a->code[at] = 1 << 6 | (length & 0xf);
		a->code[at + 1] = length >> 4;
	}
}

/* ---- objects ---- */

/**
 * aml_name() - name the object that follows
 * @a: code
 * @name: four characters
 */
void aml_name(struct aml *a, const char *name)
{
	byte(a, NAME_OP);
	name_string(a, name);
}

/**
 * aml_integer() - a number
 * @a: code
 * @value: the number
 */
void aml_integer(struct aml *a, uint32_t value)
{
	byte(a, DWORD_PREFIX);
	number(a, value, 4);
}

/**
 * aml_eisa_id() - an identifier of a device as a number (19.3.4)
 * @a: code
 * @id: three letters, four hexadecimal digits
 */
void aml_eisa_id(struct aml *a, const char *id)
{
	uint32_t value = (id[0] & 0x1f) << 26 | (id[1] & 0x1f) << 21 | (id[2] & 0x1f) << 16;
	unsigned int i;

	for (i = 3; i < 7; i++)
		value |= (id[i] <= '9' ? id[i] - '0' : id[i] - 'A' + 10) << 4 * (6 - i);
	aml_integer(a, __builtin_bswap32(value));
}

/**
 * aml_string() - a string
 * @a: code
 * @text: ASCII
 */
void aml_string(struct aml *a, const char *text)
{
	byte(a, STRING_PREFIX);
	bytes(a, text, strlen(text) + 1);
}

/**
 * aml_open_package() - begin a package, which aml_close() ends
 * @a: code
 * @count: how many objects follow
 */
void aml_open_package(struct aml *a, unsigned int count)
{
	byte(a, PACKAGE_OP);
	open_here(a);
	byte(a, count);
}

/**
 * aml_package() - a package of bytes
 * @a: code
 * @values: the bytes
 * @count: how many
 */
void aml_package(struct aml *a, const uint8_t *values, unsigned int count)
{
	unsigned int i;

	aml_open_package(a, count);
	for (i = 0; i < count; i++) {
		byte(a, BYTE_PREFIX);
		byte(a, values[i]);
	}
	aml_close(a);
}

/**
 * aml_notify() - in a method: tell the driver of a device
 * @a: code
 * @device: its name
 * @value: what happened
 */
void aml_notify(struct aml *a, const char *device, uint8_t value)
{
	byte(a, NOTIFY_OP);
	name_string(a, device);
	byte(a, BYTE_PREFIX);
	byte(a, value);
}

/* ---- resource templates (6.4) ---- */

/**
 * aml_open_resources() - begin the object _CRS, a buffer of resource descriptors
 * @a: code
 */
void aml_open_resources(struct aml *a)
{
	aml_name(a, "_CRS");
	byte(a, BUFFER_OP);
	open_here(a);
	/* the size, as an integer that aml_close_resources() fills in */
	aml_integer(a, 0);
}

/**
 * aml_close_resources() - end _CRS
 * @a: code
 */
void aml_close_resources(struct aml *a)
{
	size_t at = a->open[a->depth - 1] + 1;
	uint32_t size;

	byte(a, 0x79);	/* 6.4.2.9: end tag; checksum 0 counts as good */
	byte(a, 0);
	size = a->size - at - sizeof(size);
	memcpy(a->code + at, &size, sizeof(size));
	aml_close(a);
}

/**
 * aml_io() - ports that a device uses (6.4.2.5)
 * @a: code
 * @base: first
 * @length: how many
 */
void aml_io(struct aml *a, uint16_t base, uint8_t length)
{
	byte(a, 0x47);
	byte(a, 1);		/* 16 bits are decoded */
	number(a, base, 2);
	number(a, base, 2);
	byte(a, 1);
	byte(a, length);
}

/**
 * aml_memory() - memory that a device uses (6.4.3.4)
 * @a: code
 * @base: first byte
 * @length: bytes
 */
void aml_memory(struct aml *a, uint32_t base, uint32_t length)
{
	byte(a, 0x86);
	number(a, 9, 2);
	byte(a, 1);		/* writable */
	number(a, base, 4);
	number(a, length, 4);
}

/**
 * aml_interrupt() - an interrupt that a device uses (6.4.3.6)
 * @a: code
 * @gsi: edge-triggered, active high
 */
void aml_interrupt(struct aml *a, uint32_t gsi)
{
	byte(a, 0x89);
	number(a, 6, 2);
	byte(a, 1 | 1 << 1);	/* consumer, edge */
	byte(a, 1);
	number(a, gsi, 4);
}

/* A range of 16-bit numbers that a host bridge hands down (6.4.3.5.3) */
static void word_window(struct aml *a, uint8_t type, uint8_t flags, uint16_t base, uint16_t length)
{
	byte(a, 0x88);
	number(a, 13, 2);
	byte(a, type);
	byte(a, 3 << 2);	/* minimum and maximum are fixed; producer */
	byte(a, flags);
	number(a, 0, 2);	/* granularity */
	number(a, base, 2);
	number(a, base + length - 1, 2);
	number(a, 0, 2);	/* translation */
	number(a, length, 2);
}

/**
 * aml_bus_numbers() - PCI busses below a host bridge
 * @a: code
 * @first: first bus
 * @last: last bus
 */
void aml_bus_numbers(struct aml *a, uint16_t first, uint16_t last)
{
	word_window(a, 2, 0, first, last - first + 1);
}

/**
 * aml_io_window() - ports that a host bridge hands down
 * @a: code
 * @base: first
 * @length: how many
 */
void aml_io_window(struct aml *a, uint16_t base, uint16_t length)
{
	word_window(a, 1, 3, base, length);	/* 3: all of them, not only those of ISA */
}

/**
 * aml_memory_window() - memory that a host bridge hands down (6.4.3.5.2)
 * @a: code
 * @base: first byte
 * @length: bytes
 */
void aml_memory_window(struct aml *a, uint32_t base, uint32_t length)
{
	byte(a, 0x87);
	number(a, 23, 2);
	byte(a, 0);		/* memory */
	byte(a, 3 << 2);
	byte(a, 1);		/* not cacheable, read and write */
	number(a, 0, 4);
	number(a, base, 4);
	number(a, base + length - 1, 4);
	number(a, 0, 4);
	number(a, length, 4);
}
