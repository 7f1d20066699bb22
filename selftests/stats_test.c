// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_GET_STATS_FD: the format is right, the numbers grow, and the fd outlives
 * the fd that it's from.
 */
#include <fcntl.h>
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(stats)
{
	struct vm *vm;
	struct vcpu *vcpu;
	bool have;
};

FIXTURE_SETUP(stats)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "basic");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->have = check_cap(self->vm->fd, HV_CAP_BINARY_STATS_FD);
}

FIXTURE_TEARDOWN(stats)
{
}

static void check_format(struct __test_metadata *_metadata, int fd)
{
	struct hv_stats_header h;
	struct hv_stats_desc *d;
	size_t size;
	uint64_t value;
	unsigned int i, j;
	char id[256];

	ASSERT_EQ((ssize_t)sizeof(h), pread(fd, &h, sizeof(h), 0));
	EXPECT_EQ(0, h.flags);
	EXPECT_GT(h.num_desc, 0);
	EXPECT_GT(h.name_size, 0);
	ASSERT_LE(h.name_size, sizeof(id));
	EXPECT_GE(h.id_offset, sizeof(h));
	EXPECT_GE(h.desc_offset, sizeof(h));
	ASSERT_EQ(h.name_size, pread(fd, id, h.name_size, h.id_offset));
	EXPECT_NE(NULL, memchr(id, 0, h.name_size));
	size = sizeof(*d) + h.name_size;
	EXPECT_GE(h.data_offset, h.desc_offset + size * h.num_desc);
	d = calloc(1, size);
	for (i = 0; i < h.num_desc; i++) {
		ASSERT_EQ((ssize_t)size, pread(fd, d, size, h.desc_offset + i * size));
		EXPECT_NE(NULL, memchr(d->name, 0, h.name_size));
		EXPECT_GT(strlen(d->name), 0);
		EXPECT_GT(d->size, 0);
		EXPECT_LE(d->flags & HV_STATS_TYPE_MASK, HV_STATS_TYPE_MAX);
		EXPECT_LE(d->flags & HV_STATS_UNIT_MASK, HV_STATS_UNIT_MAX);
		EXPECT_LE(d->flags & HV_STATS_BASE_MASK, HV_STATS_BASE_MAX);
		for (j = 0; j < d->size; j++)
			EXPECT_EQ(8, pread(fd, &value, 8,
					   h.data_offset + d->offset + j * 8)) {
				TH_LOG("%s", d->name);
			}
	}
	/* Beyond the end there's nothing. */
	EXPECT_EQ(0, pread(fd, &value, 8, 1UL << 30));
	free(d);
}

TEST_F(stats, format)
{
	int fd;

	if (!self->have)
		SKIP(return, "no statistics");
	fd = hv_ioctl(self->vm->fd, HV_GET_STATS_FD, 0);
	ASSERT_GE(fd, 0);
	check_format(_metadata, fd);
	close(fd);
	fd = hv_ioctl(self->vcpu->fd, HV_GET_STATS_FD, 0);
	ASSERT_GE(fd, 0);
	check_format(_metadata, fd);
	close(fd);
}

TEST_F(stats, counts)
{
	uint64_t before, after;
	unsigned int i;
	int fd;

	if (!self->have)
		SKIP(return, "no statistics");
	fd = hv_ioctl(self->vcpu->fd, HV_GET_STATS_FD, 0);
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(stat_read(fd, "io_exits", &before));
	for (i = 0; i < 10; i++)
		guest_call(self->vcpu, "identity", i);
	ASSERT_TRUE(stat_read(fd, "io_exits", &after));
	EXPECT_EQ(10, after - before);
	ASSERT_TRUE(stat_read(fd, "exits", &after));
	EXPECT_GE(after, 10);
	close(fd);
}

TEST_F(stats, outlives)
{
	uint64_t value;
	int fd;

	if (!self->have)
		SKIP(return, "no statistics");
	fd = hv_ioctl(self->vcpu->fd, HV_GET_STATS_FD, 0);
	ASSERT_GE(fd, 0);
	guest_call(self->vcpu, "identity", 1);
	vcpu_free(self->vcpu);
	vm_free(self->vm);
	ASSERT_TRUE(stat_read(fd, "exits", &value));
	EXPECT_GE(value, 1);
	close(fd);
}

TEST_HARNESS_MAIN
