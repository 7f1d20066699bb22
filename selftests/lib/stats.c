// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of a vCPU, by name.
 */
#include "hvtest.h"

#define MAX_VALUES	64

/* Called with the values of a counter: one, or the buckets of a histogram */
typedef void (*counter_fn)(const char *name, const uint64_t *values, unsigned int nr,
			   void *arg);

static void each_counter(struct vcpu *vcpu, counter_fn fn, void *arg)
{
	uint64_t values[MAX_VALUES];
	struct hv_stats_header h;
	struct hv_stats_desc *d;
	unsigned int i;
	size_t size;
	int fd;

	fd = hv_ioctl(vcpu->fd, HV_GET_STATS_FD, 0);
	must(fd);
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		die("no statistics");
	size = sizeof(*d) + h.name_size;
	d = malloc(size);
	for (i = 0; i < h.num_desc; i++) {
		if (pread(fd, d, size, h.desc_offset + i * size) != (ssize_t)size)
			die("no descriptor %u", i);
		if (d->size > MAX_VALUES || pread(fd, values, d->size * 8UL,
						  h.data_offset + d->offset) != d->size * 8L)
			die("no value of %s", d->name);
		fn(d->name, values, d->size, arg);
	}
	free(d);
	close(fd);
}

struct one {
	const char *name;
	bool found;
	uint64_t value;
};

static void find_one(const char *name, const uint64_t *values, unsigned int nr, void *arg)
{
	struct one *one = arg;

	if (strcmp(name, one->name))
		return;
	one->found = true;
	one->value = 0;
	while (nr)
		one->value += values[--nr];
}

/**
 * vcpu_stat() - a counter
 * @vcpu: the vCPU; it may be running
 * @name: name in the statistics file; one that isn't there ends the program
 *
 * Return: its value; of a histogram, the sum of the buckets.
 */
uint64_t vcpu_stat(struct vcpu *vcpu, const char *name)
{
	struct one one = { .name = name };

	each_counter(vcpu, find_one, &one);
	if (!one.found)
		die("there's no counter %s", name);
	return one.value;
}

static void add_exit(const char *name, const uint64_t *values, unsigned int nr, void *arg)
{
	(void)nr;
	if (!strncmp(name, "exit_", 5) && strcmp(name, "exit_external_interrupt"))
		*(uint64_t *)arg += values[0];
}

/**
 * vcpu_exits() - exits of all kinds but for those that the host's own interrupts cause
 * @vcpu: the vCPU; it may be running
 */
uint64_t vcpu_exits(struct vcpu *vcpu)
{
	uint64_t sum = 0;

	each_counter(vcpu, add_exit, &sum);
	return sum;
}
