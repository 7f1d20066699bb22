// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device and an IOMMU made of software, since no emulator has an IOMMU that posts interrupts.
 *
 * The interrupts come from a chip whose parent is an interrupt-remapping unit: it takes
 * irq_set_vcpu_affinity() as Intel's does, and then treats what the device raises as the
 * specification says (VT-d 5.2.3): sets the bit in PIR, and if neither SN nor ON is set, sets ON
 * and sends the notification vector NV to the CPU that NDST names. Remapped
 * interrupts go to the host's handler, which signals an eventfd, as that of VFIO does; and
 * like VFIO the device tells irqbypass.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqbypass.h>
#include <linux/irqdomain.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <asm/apic.h>
#include <asm/irq_remapping.h>
#include <asm/smp.h>
#include "post_device.h"

/* Posted-interrupt descriptor (VT-d 9.11) */
#define PD_ON			0
#define PD_SN			1
#define PD_NV_SHIFT		16
#define PD_NDST_SHIFT		32

struct pi_descriptor {
	unsigned long pir[4];
	u64 control;
};

/**
 * struct line - an interrupt of the device
 * @eventfd: what the handler signals, with a reference; NULL: not connected; device_mutex
 * @irq: Linux's number
 * @producer: what irqbypass knows of it
 * @lock: the entry of the remapping table: an interrupt sees it before a change or after;
 *	guards what is below
 * @descriptor: posted into this one; NULL: remapped
 * @vector: guest's vector
 * @state: counters
 */
struct line {
	struct eventfd_ctx *eventfd;
	unsigned int irq;
	struct irq_bypass_producer producer;
	raw_spinlock_t lock;		/* the entry and counters */
	struct pi_descriptor *descriptor;
	u8 vector;
	struct post_device_state state;
};

static DEFINE_MUTEX(device_mutex);	/* connections */
static struct line lines[POST_DEVICE_LINES];
static struct fwnode_handle *unit_fwnode, *device_fwnode;
static struct irq_domain *unit_domain, *device_domain;

/* ---- the remapping unit ---- */

static void unit_ack(struct irq_data *data)
{
}

static int unit_set_vcpu_affinity(struct irq_data *data, void *info)
{
	struct line *line = irq_data_get_irq_chip_data(data);
	const struct vcpu_data *pi = info;
	unsigned long flags;

	if (pi && (!IS_ALIGNED(pi->pi_desc_addr, 64) || pi->vector > 255))
		return -EINVAL;
	raw_spin_lock_irqsave(&line->lock, flags);
	line->descriptor = pi ? phys_to_virt(pi->pi_desc_addr) : NULL;
	line->vector = pi ? pi->vector : 0;
	raw_spin_unlock_irqrestore(&line->lock, flags);
	return 0;
}

static struct irq_chip unit_chip = {
	.name = "post-unit",
	.irq_ack = unit_ack,
	.irq_set_vcpu_affinity = unit_set_vcpu_affinity,
};

static int unit_alloc(struct irq_domain *domain, unsigned int virq, unsigned int nr, void *arg)
{
	struct line *line = arg;

	irq_domain_set_info(domain, virq, line - lines, &unit_chip, line, handle_edge_irq, NULL,
			    "edge");
	return 0;
}

static const struct irq_domain_ops unit_ops = {
	.alloc = unit_alloc,
	.free = irq_domain_free_irqs_common,
};

static void send_notification(u64 control)
{
	u32 ndst = control >> PD_NDST_SHIFT;
	u32 id = x2apic_mode ? ndst : ndst >> 8 & 0xff;
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		if (cpu_physical_id(cpu) != id)
			continue;
		apic->send_IPI(cpu, control >> PD_NV_SHIFT & 0xff);
		return;
	}
	WARN_ONCE(1, "a notification to CPU %x, which is not there\n", id);
}

/* VT-d 5.2.3; the line's lock held. The unit does this at once, with the cache line locked. */
static void unit_post(struct line *line)
{
	struct pi_descriptor *pd = line->descriptor;
	u64 old, new;

	if (test_and_set_bit(line->vector, pd->pir))
		line->state.merged++;
	else
		line->state.fresh++;
	old = READ_ONCE(pd->control);
	do {
		if (old & BIT(PD_SN)) {
			line->state.suppressed++;
			return;
		}
		if (old & BIT(PD_ON))
			return;
		new = old | BIT(PD_ON);
	} while (!try_cmpxchg(&pd->control, &old, new));
	line->state.notified++;
	send_notification(new);
}

static void fire(struct line *line)
{
	bool posted;
	unsigned long flags;

	raw_spin_lock_irqsave(&line->lock, flags);
	line->state.fired++;
	posted = line->descriptor;
	if (posted)
		unit_post(line);
	else
		line->state.remapped++;
	raw_spin_unlock_irqrestore(&line->lock, flags);
	if (!posted)
		generic_handle_irq_safe(line->irq);
}

/* ---- the device ---- */

static struct irq_chip device_chip = {
	.name = "post-device",
	.irq_ack = irq_chip_ack_parent,
	.irq_set_vcpu_affinity = irq_chip_set_vcpu_affinity_parent,
};

static int device_alloc(struct irq_domain *domain, unsigned int virq, unsigned int nr, void *arg)
{
	struct line *line = arg;
	int rc = irq_domain_alloc_irqs_parent(domain, virq, nr, arg);

	if (rc)
		return rc;
	rc = irq_domain_set_hwirq_and_chip(domain, virq, line - lines, &device_chip, line);
	if (rc)
		irq_domain_free_irqs_parent(domain, virq, nr);
	return rc;
}

static const struct irq_domain_ops device_ops = {
	.alloc = device_alloc,
	.free = irq_domain_free_irqs_common,
};

static irqreturn_t handler(int irq, void *data)
{
#ifdef HAVE_EVENTFD_COUNT
	eventfd_signal(data, 1);
#else
	eventfd_signal(data);
#endif
	return IRQ_HANDLED;
}

static void disconnect(struct line *line)
{
	if (!line->eventfd)
		return;
	irq_bypass_unregister_producer(&line->producer);
	WARN_ON(line->descriptor);
	free_irq(line->irq, line->eventfd);
	irq_dispose_mapping(line->irq);
	eventfd_ctx_put(line->eventfd);
	line->eventfd = NULL;
}

static int connect(struct line *line, int fd)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(fd);
	int irq, rc;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	line->state = (struct post_device_state){};
	irq = irq_domain_alloc_irqs(device_domain, 1, NUMA_NO_NODE, line);
	if (irq < 0) {
		rc = irq;
		goto err_eventfd;
	}
	line->irq = irq;
	rc = request_irq(irq, handler, 0, "post-device", eventfd);
	if (rc)
		goto err_irq;
	line->producer = (struct irq_bypass_producer){ .token = eventfd, .irq = irq };
	rc = irq_bypass_register_producer(&line->producer);
	if (rc)
		goto err_handler;
	line->eventfd = eventfd;
	return 0;

err_handler:
	free_irq(irq, eventfd);
err_irq:
	irq_dispose_mapping(irq);
err_eventfd:
	eventfd_ctx_put(eventfd);
	return rc;
}

static long call_connect(void __user *arg)
{
	struct post_device_line call;
	struct line *line;

	if (copy_from_user(&call, arg, sizeof(call)))
		return -EFAULT;
	if (call.line >= POST_DEVICE_LINES)
		return -EINVAL;
	line = &lines[call.line];
	disconnect(line);
	return call.eventfd < 0 ? 0 : connect(line, call.eventfd);
}

static long call_fire(void __user *arg)
{
	struct post_device_fire call;

	if (copy_from_user(&call, arg, sizeof(call)))
		return -EFAULT;
	if (call.first >= POST_DEVICE_LINES || call.count > POST_DEVICE_LINES - call.first)
		return -EINVAL;
	for (; call.count; call.count--, call.first++) {
		if (!lines[call.first].eventfd)
			return -ENXIO;
		fire(&lines[call.first]);
	}
	return 0;
}

static long call_state(void __user *arg)
{
	struct post_device_state state;
	struct line *line;
	u32 n;

	if (get_user(n, (u32 __user *)arg))
		return -EFAULT;
	if (n >= POST_DEVICE_LINES)
		return -EINVAL;
	line = &lines[n];
	raw_spin_lock_irq(&line->lock);
	state = line->state;
	state.line = n;
	state.posted = !!line->descriptor;
	state.vector = line->vector;
	raw_spin_unlock_irq(&line->lock);
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	long ret;

	mutex_lock(&device_mutex);
	switch (cmd) {
	case POST_DEVICE_CONNECT:
		ret = call_connect(user);
		break;
	case POST_DEVICE_FIRE:
		ret = call_fire(user);
		break;
	case POST_DEVICE_STATE:
		ret = call_state(user);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&device_mutex);
	return ret;
}

static void disconnect_all(void)
{
	unsigned int i;

	mutex_lock(&device_mutex);
	for (i = 0; i < POST_DEVICE_LINES; i++)
		disconnect(&lines[i]);
	mutex_unlock(&device_mutex);
}

static int device_release(struct inode *inode, struct file *file)
{
	disconnect_all();
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.release = device_release,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "post-device",
	.mode = 0600,
	.fops = &device_fops,
};

static void remove_domains(void)
{
	if (device_domain)
		irq_domain_remove(device_domain);
	if (unit_domain)
		irq_domain_remove(unit_domain);
	if (device_fwnode)
		irq_domain_free_fwnode(device_fwnode);
	if (unit_fwnode)
		irq_domain_free_fwnode(unit_fwnode);
}

static int create_domains(void)
{
	unit_fwnode = irq_domain_alloc_named_fwnode("post-unit");
	device_fwnode = irq_domain_alloc_named_fwnode("post-device");
	if (!unit_fwnode || !device_fwnode)
		return -ENOMEM;
	unit_domain = irq_domain_create_linear(unit_fwnode, POST_DEVICE_LINES, &unit_ops, NULL);
	if (!unit_domain)
		return -ENOMEM;
	device_domain = irq_domain_create_hierarchy(unit_domain, 0, POST_DEVICE_LINES,
						    device_fwnode, &device_ops, NULL);
	return device_domain ? 0 : -ENOMEM;
}

static int __init post_device_init(void)
{
	unsigned int i;
	int rc;

	for (i = 0; i < POST_DEVICE_LINES; i++)
		raw_spin_lock_init(&lines[i].lock);
	rc = create_domains();
	if (!rc)
		rc = misc_register(&device);
	if (rc)
		remove_domains();
	return rc;
}

static void __exit post_device_exit(void)
{
	misc_deregister(&device);
	remove_domains();
}

module_init(post_device_init);
module_exit(post_device_exit);

MODULE_DESCRIPTION("A device and an IOMMU that posts its interrupts, made of software");
MODULE_LICENSE("GPL");
