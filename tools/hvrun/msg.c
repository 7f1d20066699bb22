// SPDX-License-Identifier: GPL-2.0-only
/*
 * What hvrun has to say, on standard error.
 */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "hvrun.h"

/* How often, and how long each time, the reader of standard error is waited for */
#define TRIES		10
#define PATIENCE	100	/* ms */

/*
 * One write, so that what several threads say does not mix, and no lock, so that none of
 * them waits for another. What nobody reads in time is lost: hvrun has to end all the same.
 */
static void say(const char *text, size_t size)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };
	int tries = TRIES;

	while (poll(&fd, 1, PATIENCE) != 1) {
		if (!--tries)
			return;
	}
	if (write(STDERR_FILENO, text, size) < 0)
		return;
}

static void vmsg(const char *fmt, va_list ap)
{
	char text[512], line[sizeof(text) + 8];
	int size;

	vsnprintf(text, sizeof(text), fmt, ap);
	size = snprintf(line, sizeof(line), "hvrun: %s\n", text);
	say(line, size);
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
 * msg_once() - print one line of what a guest can make happen again and again
 * @said: whether it has been said
 * @fmt: printf format, without a newline
 */
void msg_once(atomic_bool *said, const char *fmt, ...)
{
	va_list ap;

	if (atomic_exchange(said, true))
		return;
	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
}

/**
 * report_begin() - begin a report of several lines, which comes in one piece
 * @r: the report; the caller prints the other lines into @r->file
 * @fmt: printf format of the first line, without a newline
 *
 * Without memory the lines come one by one.
 */
void report_begin(struct report *r, const char *fmt, ...)
{
	va_list ap;

	r->file = open_memstream(&r->text, &r->size) ?: stderr;
	fputs("hvrun: ", r->file);
	va_start(ap, fmt);
	vfprintf(r->file, fmt, ap);
	va_end(ap);
	fputc('\n', r->file);
}

/**
 * report_end() - print a report on standard error
 * @r: of report_begin()
 */
void report_end(struct report *r)
{
	if (r->file == stderr)
		return;
	if (!fclose(r->file))
		say(r->text, r->size);
	free(r->text);
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
