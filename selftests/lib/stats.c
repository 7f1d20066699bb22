// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of a vCPU.
 */
#include "hvtest.h"

/**
 * vcpu_stat() - a counter
 * @vcpu: the vCPU; it may be running
 * @name: name in the statistics file; one that isn't there ends the program
 *
 * Return: its value.
 */
uint64_t vcpu_stat(struct vcpu *vcpu, const char *name)
{
	struct hv_stats_header h;
	struct hv_stats_desc *d;
	uint64_t value = 0;
	bool found = false;
	unsigned int i;
	size_t size;
	int fd;

	fd = hv_ioctl(vcpu->fd, HV_GET_STATS_FD, 0);
	must(fd);
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		die("no statistics");
	size = sizeof(*d) + h.name_size;
	d = malloc(size);
	for (i = 0; i < h.num_desc && !found; i++) {
		if (pread(fd, d, size, h.desc_offset + i * size) != (ssize_t)size)
			break;
		found = !strcmp(d->name, name) &&
			pread(fd, &value, 8, h.data_offset + d->offset) == 8;
	}
	if (!found)
		die("there's no counter %s", name);
	free(d);
	close(fd);
	return value;
}
