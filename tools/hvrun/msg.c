// SPDX-License-Identifier: GPL-2.0-only
/*
 * What hvrun has to say, on standard error.
 */
#include <stdio.h>
#include <stdlib.h>

#include "hvrun.h"

static void vmsg(const char *fmt, va_list ap)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, ap);
	/* one write, so that lines of several threads do not mix */
	fprintf(stderr, "hvrun: %s\n", line);
}

/**
 * msg() - print one line about the VM on standard error
 * @fmt: printf format, without a newline
 */
void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
}

/**
 * die() - print one line on standard error and exit with EXIT_ERROR
 * @fmt: printf format, without a newline
 *
 * For the time before the vCPUs run; afterwards vm_stop() ends the VM.
 */
void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
	exit(EXIT_ERROR);
}

/**
 * bad_usage() - print one line on standard error and exit with EXIT_USAGE
 * @fmt: printf format, without a newline
 */
void bad_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
	exit(EXIT_USAGE);
}
