/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An assembler for ACPI's machine language (ACPI 6.4, chapter 20): as much of it
 * as describes this machine.
 *
 * What has a body, as a device or a method, is opened, filled and closed:
 *
 *	aml_open(a, AML_DEVICE, "COM1");
 *	...
 *	aml_close(a);
 */
#ifndef HVRUN_AML_H
#define HVRUN_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_MAX		2048	/* bytes of a table's code */
#define AML_DEPTH	8

/**
 * struct aml - code in the making
 * @code: the bytes
 * @size: how many
 * @open: positions behind the operators of what is open
 * @depth: how many are
 */
struct aml {
	uint8_t code[AML_MAX];
	size_t size;
	size_t open[AML_DEPTH];
	unsigned int depth;
};

/**
 * enum aml_block - what has a name and a body
 */
enum aml_block { AML_SCOPE, AML_DEVICE, AML_METHOD };

void aml_open(struct aml *a, enum aml_block block, const char *name);
void aml_open_resources(struct aml *a);
void aml_close(struct aml *a);
void aml_close_resources(struct aml *a);

void aml_name(struct aml *a, const char *name);
void aml_integer(struct aml *a, uint32_t value);
void aml_eisa_id(struct aml *a, const char *id);
void aml_string(struct aml *a, const char *text);
void aml_open_package(struct aml *a, unsigned int count);
void aml_package(struct aml *a, const uint8_t *values, unsigned int count);
void aml_notify(struct aml *a, const char *device, uint8_t value);

void aml_io(struct aml *a, uint16_t base, uint8_t length);
void aml_memory(struct aml *a, uint32_t base, uint32_t length);
void aml_interrupt(struct aml *a, uint32_t gsi);
void aml_bus_numbers(struct aml *a, uint16_t first, uint16_t last);
void aml_io_window(struct aml *a, uint16_t base, uint16_t length);
void aml_memory_window(struct aml *a, uint32_t base, uint32_t length);

#endif
