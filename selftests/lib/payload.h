/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of payloads that the build makes.
 */
#ifndef SELFTESTS_PAYLOAD_H
#define SELFTESTS_PAYLOAD_H

/**
 * struct payload - guest program
 * @name: file name without .S; NULL ends the table
 * @image: ELF file
 */
struct payload {
	const char *name;
	const void *image;
};

extern const struct payload payloads[];

#endif
