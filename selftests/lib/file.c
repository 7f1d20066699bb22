// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of the kernel's that take a text, or have a number behind a name.
 */
#include <fcntl.h>
#include "file.h"
#include "hvtest.h"

/**
 * file_write() - write a text to a file
 * @path: file
 * @value: text
 *
 * Return: whether all of it was taken.
 */
bool file_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return done;
}

/**
 * file_number() - look a number up
 * @path: file
 * @name: what the line begins with, "" for the first
 *
 * Return: the number behind it, -1 if there is none.
 */
long file_number(const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[256];
	long value = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name), "%ld", &value) == 1)
			break;
	if (f)
		fclose(f);
	return value;
}

/* Free pages that each CPU keeps for itself; MemFree doesn't have them. */
static long kept_pages(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	long count, sum = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %ld", &count) == 1)
			sum += count;
	if (f)
		fclose(f);
	return sum;
}

/**
 * free_kib() - how much memory is free when caches are dropped
 *
 * What is freed a little later has been freed by then.
 *
 * Return: KiB.
 */
long free_kib(void)
{
	usleep(300000);
	if (!file_write("/proc/sys/vm/drop_caches", "3"))
		die("drop_caches: %s", strerror(errno));
	usleep(100000);
	return file_number("/proc/meminfo", "MemFree:") + kept_pages() * (PAGE / 1024);
}
