// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_GET_STATS_FD: the counters of a VM or a vCPU as a file in KVM's binary
 * statistics format: header, id, descriptors, values.
 *
 * The file is laid out once when it is opened; a read takes the values anew.
 * The values of one read need not belong to the same instant.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <hv/backend.h>
#include <hv/stats.h>
#include <hv/vcpu.h>
#include <hv/vm.h>

/* Length of a name with its final 0; a multiple of 8 keeps what follows aligned. */
#define NAME_SIZE	48
#define DESC_SIZE	(sizeof(struct hv_stats_desc) + NAME_SIZE)

/**
 * struct counter - one row of a file
 * @name: as the reader sees it
 * @offset: in struct hv_vm_stats or hv_vcpu_stats
 * @flags: HV_STATS_TYPE_* and HV_STATS_UNIT_*
 * @exponent: of 10, for the unit
 * @size: number of values, above 1 for histograms
 */
struct counter {
	const char *name;
	u32 offset;
	u32 flags;
	s16 exponent;
	u16 size;
};

#define VM_COUNTER(member, kind) \
	{ #member, offsetof(struct hv_vm_stats, member), HV_STATS_TYPE_##kind, 0, 1 }
#define VCPU_COUNTER(member) \
	{ #member, offsetof(struct hv_vcpu_stats, member), HV_STATS_TYPE_CUMULATIVE, 0, 1 }
#define VCPU_NS(member) \
	{ #member, offsetof(struct hv_vcpu_stats, member), \
	  HV_STATS_TYPE_CUMULATIVE | HV_STATS_UNIT_SECONDS, -9, 1 }
#define VCPU_NS_HISTOGRAM(member) \
	{ #member, offsetof(struct hv_vcpu_stats, member), \
	  HV_STATS_TYPE_LOG_HIST | HV_STATS_UNIT_SECONDS, -9, HV_STATS_LOG_BUCKETS }

static const struct counter vm_counters[] = {
	VM_COUNTER(pages_4k, INSTANT),
	VM_COUNTER(pages_2m, INSTANT),
	VM_COUNTER(pages_1g, INSTANT),
	VM_COUNTER(table_pages, INSTANT),
	VM_COUNTER(remote_flushes, CUMULATIVE),
	VM_COUNTER(irqs_posted, INSTANT),
	VM_COUNTER(irq_post_changes, CUMULATIVE),
	{ "pinned_bytes", offsetof(struct hv_vm_stats, pinned_bytes),
	  HV_STATS_TYPE_INSTANT | HV_STATS_UNIT_BYTES, 0, 1 },
	VM_COUNTER(devices, INSTANT),
	VM_COUNTER(iommu_domains, INSTANT),
};

static const struct counter vcpu_counters[] = {
	VCPU_COUNTER(exits),
	VCPU_COUNTER(guest_entries),
	VCPU_COUNTER(user_exits),
	VCPU_COUNTER(io_exits),
	VCPU_COUNTER(mmio_exits),
	VCPU_COUNTER(signal_exits),
	VCPU_COUNTER(halt_exits),
	VCPU_COUNTER(halt_wakeups),
	VCPU_COUNTER(irq_exits),
	VCPU_COUNTER(irq_injections),
	VCPU_COUNTER(nmi_injections),
	VCPU_COUNTER(exception_injections),
	VCPU_COUNTER(irq_window_exits),
	VCPU_COUNTER(nmi_window_exits),
	VCPU_COUNTER(tlb_flushes),
	VCPU_COUNTER(tlb_guest_flushes),
	VCPU_COUNTER(faults),
	VCPU_COUNTER(mmio_emulations),
	VCPU_COUNTER(clock_updates),
	VCPU_COUNTER(halt_attempted_poll),
	VCPU_COUNTER(halt_successful_poll),
	VCPU_NS(halt_poll_success_ns),
	VCPU_NS(halt_poll_fail_ns),
	VCPU_NS(halt_wait_ns),
	VCPU_NS_HISTOGRAM(halt_poll_success_hist),
	VCPU_NS_HISTOGRAM(halt_poll_fail_hist),
	VCPU_NS_HISTOGRAM(halt_wait_hist),
	VCPU_NS_HISTOGRAM(timer_late_hist),
	VCPU_COUNTER(pv_eois),
	VCPU_COUNTER(hypercalls),
	VCPU_COUNTER(directed_yield_attempted),
	VCPU_COUNTER(directed_yield_successful),
};

/**
 * struct stats_file - an open file
 * @vm: the VM (holds a reference)
 * @vcpu: the vCPU, NULL for the file of the VM
 * @lock: guards the values in @image
 * @size: bytes of @image
 * @nr: number of values
 * @values: the values, in @image
 * @offset: for each value, where it is in the statistics of @vm or @vcpu
 * @image: the file's content
 */
struct stats_file {
	struct hv_vm *vm;
	struct hv_vcpu *vcpu;
	struct mutex lock;		/* one reader at a time */
	size_t size;
	unsigned int nr;
	u64 *values;
	u32 *offset;
	void *image;
};

static void refresh(struct stats_file *sf)
{
	unsigned int i;

	for (i = 0; i < sf->nr; i++) {
		if (sf->vcpu)
			sf->values[i] = READ_ONCE(*(u64 *)((void *)&sf->vcpu->stats +
							   sf->offset[i]));
		else
			sf->values[i] = atomic64_read((void *)&sf->vm->stats +
						      sf->offset[i]);
	}
}

static ssize_t stats_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct stats_file *sf = file->private_data;
	ssize_t ret;

	mutex_lock(&sf->lock);
	refresh(sf);
	ret = simple_read_from_buffer(buf, count, pos, sf->image, sf->size);
	mutex_unlock(&sf->lock);
	return ret;
}

static void stats_free(struct stats_file *sf)
{
	kvfree(sf->image);
	kfree(sf->offset);
	kfree(sf);
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *sf = file->private_data;

	hv_vm_put(sf->vm);
	stats_free(sf);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

/* Describe one more row. @fmt and @name make its name. */
static void add(struct stats_file *sf, const char *fmt, const char *name,
		const struct counter *c)
{
	struct hv_stats_header *h = sf->image;
	struct hv_stats_desc *d = sf->image + h->desc_offset + h->num_desc++ * DESC_SIZE;
	unsigned int i;

	d->flags = c->flags | HV_STATS_BASE_POW10;
	d->exponent = c->exponent;
	d->size = c->size;
	d->offset = sf->nr * sizeof(u64);
	snprintf(d->name, NAME_SIZE, fmt, name);
	for (i = 0; i < c->size; i++)
		sf->offset[sf->nr++] = c->offset + i * sizeof(u64);
}

static const char *exit_name(unsigned int reason)
{
	return hv_backend->exit_name ? hv_backend->exit_name(reason) : NULL;
}

static struct stats_file *stats_create(struct hv_vm *vm, struct hv_vcpu *vcpu)
{
	const struct counter *c = vcpu ? vcpu_counters : vm_counters;
	unsigned int nr = vcpu ? ARRAY_SIZE(vcpu_counters) : ARRAY_SIZE(vm_counters);
	struct hv_stats_header *h;
	struct stats_file *sf;
	unsigned int i, rows = nr, total = 0;
	struct counter reason = { .flags = HV_STATS_TYPE_CUMULATIVE, .size = 1 };

	for (i = 0; i < nr; i++)
		total += c[i].size;
	for (i = 0; vcpu && i < HV_STATS_EXIT_REASONS; i++)
		if (exit_name(i))
			rows++;
	total += rows - nr;

	sf = kzalloc(sizeof(*sf), GFP_KERNEL_ACCOUNT);
	if (!sf)
		return NULL;
	mutex_init(&sf->lock);
	sf->vm = vm;
	sf->vcpu = vcpu;
	sf->size = sizeof(*h) + NAME_SIZE + rows * DESC_SIZE + total * sizeof(u64);
	sf->image = kvzalloc(sf->size, GFP_KERNEL_ACCOUNT);
	sf->offset = kcalloc(total, sizeof(*sf->offset), GFP_KERNEL_ACCOUNT);
	if (!sf->image || !sf->offset) {
		stats_free(sf);
		return NULL;
	}

	h = sf->image;
	h->name_size = NAME_SIZE;
	h->id_offset = sizeof(*h);
	h->desc_offset = h->id_offset + NAME_SIZE;
	h->data_offset = h->desc_offset + rows * DESC_SIZE;
	sf->values = sf->image + h->data_offset;
	if (vcpu)
		snprintf(sf->image + h->id_offset, NAME_SIZE, "hv-%u/vcpu-%u", vm->id, vcpu->id);
	else
		snprintf(sf->image + h->id_offset, NAME_SIZE, "hv-%u", vm->id);

	for (i = 0; i < nr; i++)
		add(sf, "%s", c[i].name, &c[i]);
	for (i = 0; vcpu && i < HV_STATS_EXIT_REASONS; i++) {
		reason.offset = offsetof(struct hv_vcpu_stats, exit_reason) + i * sizeof(u64);
		if (exit_name(i))
			add(sf, "exit_%s", exit_name(i), &reason);
	}
	return sf;
}

static long stats_open(struct hv_vm *vm, struct hv_vcpu *vcpu, const char *name)
{
	struct stats_file *sf;
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	sf = stats_create(vm, vcpu);
	if (!sf) {
		put_unused_fd(fd);
		return -ENOMEM;
	}
	file = anon_inode_getfile(name, &stats_fops, sf, O_RDONLY);
	if (IS_ERR(file)) {
		stats_free(sf);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	hv_vm_get(vm);
	/* Readers use pread() to skip what does not change. */
	file->f_mode |= FMODE_PREAD;
	fd_install(fd, file);
	return fd;
}

/**
 * hv_vm_stats_fd() - HV_GET_STATS_FD on a VM
 * @vm: the VM
 *
 * Context: process context, sleeps.
 * Return: a new fd or -errno.
 */
long hv_vm_stats_fd(struct hv_vm *vm)
{
	return stats_open(vm, NULL, "hv-vm-stats");
}

/**
 * hv_vcpu_stats_fd() - HV_GET_STATS_FD on a vCPU
 * @vcpu: the vCPU; its mutex is not needed
 *
 * Context: process context, sleeps.
 * Return: a new fd or -errno.
 */
long hv_vcpu_stats_fd(struct hv_vcpu *vcpu)
{
	return stats_open(vcpu->vm, vcpu, "hv-vcpu-stats");
}
