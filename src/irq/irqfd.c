// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts from eventfds (HV_IRQFD). Whoever signals the eventfd delivers: the wait-queue
 * callback runs in the signaler's context, which may be a hard interrupt, with the
 * queue's lock held, and goes all the way to the LAPIC. No thread, no work on that way.
 *
 * An irqfd belongs to the list of its VM, under vm->irqfds.lock; who removes it frees it,
 * after eventfd_ctx_remove_wait_queue() has waited for callbacks. The only thing that
 * a callback can't do is to remove itself when its eventfd is closed: it marks the irqfd and
 * leaves the rest to a work item of the VM.
 *
 * Where the eventfd is signaled by the interrupt of a device, its driver (VFIO) says which through
 * irqbypass, and the interrupt is posted to the vCPU if the host can (src/irq/post.c). Then
 * nobody signals the eventfd.
 */
#include <linux/eventfd.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/irqbypass.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <hv/host.h>
#include <hv/post.h>
#include <hv/vm.h>
#include "lapic.h"

/* All of them may be signaled by one EOI. */
#define HV_MAX_RESAMPLE		1024

/**
 * struct irqfd - an eventfd connected to a GSI
 * @vm: VM
 * @gsi: GSI
 * @closed: the eventfd has no descriptor any more; set by the callback
 * @eventfd: eventfd, with a reference
 * @resamplefd: signaled when the guest ends the interrupt, with a reference; NULL: edge
 * @wait: in the eventfd's wait queue
 * @poll: how it gets there
 * @all: in vm->irqfds.all, or in a list of those to free; vm->irqfds.lock
 * @resampler: in vm->irqfds.resample, with @resamplefd
 * @consumer: what irqbypass knows of it
 * @registered: it does; vm->irqfds.lock
 * @fed: in vm->irqfds.fed while a producer is known; vm->irqfds.fed_lock
 * @irq: the producer's interrupt; vm->irqfds.fed_lock
 * @post: where it goes; vm->irqfds.fed_lock
 */
struct irqfd {
	struct hv_vm *vm;
	u32 gsi;
	bool closed;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;
	wait_queue_entry_t wait;
	poll_table poll;
	struct list_head all;
	struct hv_resampler resampler;
	struct irq_bypass_consumer consumer;
	bool registered;
	struct list_head fed;
	unsigned int irq;
	struct hv_post post;
};

/* ---- delivery: any context ---- */

static void irqfd_deliver(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		hv_irq_line_source(irqfd->vm, irqfd->gsi, HV_IRQ_RESAMPLE, true);
	else
		hv_irq_pulse(irqfd->vm, irqfd->gsi);
}

/* The eventfd was signaled, or closed. Its wait queue is locked, interrupts are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	int taken = 0;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_deliver(irqfd);
		taken = 1;
	}
	if (events & EPOLLHUP) {
		WRITE_ONCE(irqfd->closed, true);
		schedule_work(&irqfd->vm->irqfds.cleanup);
	}
	return taken;
}

/**
 * hv_irqfd_resamples() - somebody waits for the end of interrupts
 * @vm: VM
 *
 * Context: any.
 */
bool hv_irqfd_resamples(struct hv_vm *vm)
{
	return READ_ONCE(vm->irqfds.nr_resample);
}

/**
 * hv_irqfd_acked() - an interrupt of a GSI has ended, by the guest or as a device was switched off
 * @vm: VM
 * @gsi: GSI
 *
 * The devices on a GSI share its level, so all of them are asked. The line goes down before: an
 * answer that comes at once stays.
 *
 * Context: any, interrupts on or off; no lock of a chip held.
 */
void hv_irqfd_acked(struct hv_vm *vm, u32 gsi)
{
	struct hv_resampler *r;
	bool released = false;

	rcu_read_lock();
	hash_for_each_possible_rcu(vm->irqfds.resample, r, node, gsi) {
		if (r->gsi != gsi)
			continue;
		if (!released)
			hv_irq_line_source(vm, gsi, HV_IRQ_RESAMPLE, false);
		released = true;
		r->acked(r);
	}
	rcu_read_unlock();
}

static void irqfd_acked(struct hv_resampler *resampler)
{
	host_eventfd_signal(container_of(resampler, struct irqfd, resampler)->resamplefd);
}

/* ---- resamplers: vm->irqfds.lock held ---- */

static int resample_add(struct hv_vm *vm, struct hv_resampler *r)
{
	struct hv_irqfds *irqfds = &vm->irqfds;

	lockdep_assert_held(&irqfds->lock);
	if (irqfds->nr_resample == HV_MAX_RESAMPLE)
		return -ENOSPC;
	hash_add_rcu(irqfds->resample, &r->node, r->gsi);
	WRITE_ONCE(irqfds->nr_resample, irqfds->nr_resample + 1);
	return 0;
}

static bool gsi_resamples(struct hv_vm *vm, u32 gsi)
{
	struct hv_resampler *r;

	hash_for_each_possible(vm->irqfds.resample, r, node, gsi)
		if (r->gsi == gsi)
			return true;
	return false;
}

static void resample_remove(struct hv_vm *vm, struct hv_resampler *r)
{
	struct hv_irqfds *irqfds = &vm->irqfds;

	lockdep_assert_held(&irqfds->lock);
	hash_del_rcu(&r->node);
	WRITE_ONCE(irqfds->nr_resample, irqfds->nr_resample - 1);
	/* Nobody is left who could release the line. */
	if (!gsi_resamples(vm, r->gsi))
		hv_irq_line_source(vm, r->gsi, HV_IRQ_RESAMPLE, false);
}

/**
 * hv_resampler_add() - want to hear of the end of interrupts
 * @vm: VM with an IOAPIC in the kernel
 * @resampler: with GSI and callback; stays until hv_resampler_remove()
 *
 * Context: process context, sleeps; takes vm->irqfds.lock.
 * Return: 0; -ENOSPC: too many in this VM.
 */
int hv_resampler_add(struct hv_vm *vm, struct hv_resampler *resampler)
{
	int rc;

	mutex_lock(&vm->irqfds.lock);
	rc = resample_add(vm, resampler);
	mutex_unlock(&vm->irqfds.lock);
	return rc;
}

/**
 * hv_resampler_remove() - undo hv_resampler_add(); on return its callback runs no more
 * @vm: VM
 * @resampler: that was added
 *
 * Context: process context, sleeps; takes vm->irqfds.lock.
 */
void hv_resampler_remove(struct hv_vm *vm, struct hv_resampler *resampler)
{
	mutex_lock(&vm->irqfds.lock);
	resample_remove(vm, resampler);
	mutex_unlock(&vm->irqfds.lock);
	synchronize_rcu();
}

/* ---- interrupts of devices: irqbypass ---- */

static struct irqfd *consumer_irqfd(struct irq_bypass_consumer *consumer)
{
	return container_of(consumer, struct irqfd, consumer);
}

/* The routing is looked at under the lock, so the last one who does finds the newest. */
static void irqfd_route(struct irqfd *irqfd)
{
	struct hv_msi_route msi;
	bool routed;

	lockdep_assert_held(&irqfd->vm->irqfds.fed_lock);
	routed = hv_routing_msi(irqfd->vm, irqfd->gsi, &msi);
	hv_post_set(&irqfd->post, irqfd->irq, routed ? &msi : NULL);
}

/* Called with a mutex of irqbypass held, while a producer or this consumer is registered */
static int irqfd_add_producer(struct irq_bypass_consumer *consumer,
			      struct irq_bypass_producer *producer)
{
	struct irqfd *irqfd = consumer_irqfd(consumer);
	struct hv_irqfds *irqfds = &irqfd->vm->irqfds;

	mutex_lock(&irqfds->fed_lock);
	irqfd->irq = producer->irq;
	list_add_tail(&irqfd->fed, &irqfds->fed);
	irqfd_route(irqfd);
	mutex_unlock(&irqfds->fed_lock);
	return 0;
}

static void irqfd_del_producer(struct irq_bypass_consumer *consumer,
			       struct irq_bypass_producer *producer)
{
	struct irqfd *irqfd = consumer_irqfd(consumer);
	struct hv_irqfds *irqfds = &irqfd->vm->irqfds;

	mutex_lock(&irqfds->fed_lock);
	hv_post_clear(&irqfd->post);
	list_del(&irqfd->fed);
	mutex_unlock(&irqfds->fed_lock);
}

/* Level-triggered interrupts end in software. Without irqbypass the eventfd does it all. */
static void irqfd_want_producer(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		return;
	irqfd->consumer.add_producer = irqfd_add_producer;
	irqfd->consumer.del_producer = irqfd_del_producer;
	irqfd->registered = !host_bypass_register(&irqfd->consumer, irqfd->eventfd);
}

/**
 * hv_irqfds_rerouted() - the routing table is another one
 * @vm: VM
 *
 * Context: process context, sleeps.
 */
void hv_irqfds_rerouted(struct hv_vm *vm)
{
	struct irqfd *irqfd;

	mutex_lock(&vm->irqfds.fed_lock);
	list_for_each_entry(irqfd, &vm->irqfds.fed, fed)
		irqfd_route(irqfd);
	mutex_unlock(&vm->irqfds.fed_lock);
}

/* ---- the end of an irqfd: vm->irqfds.lock held ---- */

/* Make it silent. On return it delivers no more; @dead is for irqfds_free(). */
static void irqfd_remove(struct irqfd *irqfd, struct list_head *dead)
{
	u64 count;

	lockdep_assert_held(&irqfd->vm->irqfds.lock);
	list_move(&irqfd->all, dead);
	/* What the device sends from here on still comes, by the eventfd. */
	if (irqfd->registered)
		host_bypass_unregister(&irqfd->consumer);
	/* Waits for a callback in progress. */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	if (irqfd->resamplefd)
		resample_remove(irqfd->vm, &irqfd->resampler);
}

static void irqfds_free(struct list_head *dead)
{
	struct irqfd *irqfd, *next;
	bool resample = false;

	list_for_each_entry(irqfd, dead, all)
		resample |= !!irqfd->resamplefd;
	/* Those that are in hv_irqfd_acked() */
	if (resample)
		synchronize_rcu();
	list_for_each_entry_safe(irqfd, next, dead, all) {
		if (irqfd->resamplefd)
			eventfd_ctx_put(irqfd->resamplefd);
		eventfd_ctx_put(irqfd->eventfd);
		kfree(irqfd);
	}
}

/* Work item: eventfds were closed. */
static void irqfds_cleanup(struct work_struct *work)
{
	struct hv_irqfds *irqfds = container_of(work, struct hv_irqfds, cleanup);
	struct irqfd *irqfd, *next;
	LIST_HEAD(dead);

	mutex_lock(&irqfds->lock);
	list_for_each_entry_safe(irqfd, next, &irqfds->all, all)
		if (READ_ONCE(irqfd->closed))
			irqfd_remove(irqfd, &dead);
	mutex_unlock(&irqfds->lock);
	irqfds_free(&dead);
}

/* ---- the call ---- */

static void irqfd_enqueue(struct file *file, wait_queue_head_t *queue, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	/* Before others that poll the eventfd: they find its counter reset. */
	add_wait_queue_priority(queue, &irqfd->wait);
}

static struct irqfd *irqfd_find(struct hv_vm *vm, const struct eventfd_ctx *eventfd)
{
	struct irqfd *irqfd;

	lockdep_assert_held(&vm->irqfds.lock);
	list_for_each_entry(irqfd, &vm->irqfds.all, all)
		if (irqfd->eventfd == eventfd)
			return irqfd;
	return NULL;
}

/* Lock held, as long as the caller has @file it isn't closed. */
static int irqfd_connect(struct hv_vm *vm, struct irqfd *irqfd, struct file *file)
{
	int rc;

	lockdep_assert_held(&vm->irqfds.lock);
	if (irqfd_find(vm, irqfd->eventfd))
		return -EBUSY;
	if (irqfd->resamplefd) {
		rc = resample_add(vm, &irqfd->resampler);
		if (rc)
			return rc;
	}
	list_add_tail(&irqfd->all, &vm->irqfds.all);
	/* It was signaled before it was connected. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		irqfd_deliver(irqfd);
	irqfd_want_producer(irqfd);
	return 0;
}

static struct irqfd *irqfd_alloc(struct hv_vm *vm, u32 gsi)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return NULL;
	irqfd->vm = vm;
	irqfd->gsi = gsi;
	irqfd->resampler.gsi = gsi;
	irqfd->resampler.acked = irqfd_acked;
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	INIT_LIST_HEAD(&irqfd->wait.entry);
	init_poll_funcptr(&irqfd->poll, irqfd_enqueue);
	hv_post_init(&irqfd->post, vm);
	return irqfd;
}

static long irqfd_assign(struct hv_vm *vm, const struct hv_irqfd *args, struct file *file)
{
	struct eventfd_ctx *eventfd, *resamplefd = NULL;
	struct irqfd *irqfd;
	long ret;

	eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	if (args->flags & HV_IRQFD_FLAG_RESAMPLE) {
		resamplefd = eventfd_ctx_fdget(args->resamplefd);
		if (IS_ERR(resamplefd)) {
			ret = PTR_ERR(resamplefd);
			goto err_eventfd;
		}
	}
	irqfd = irqfd_alloc(vm, args->gsi);
	if (!irqfd) {
		ret = -ENOMEM;
		goto err_resamplefd;
	}
	irqfd->eventfd = eventfd;
	irqfd->resamplefd = resamplefd;

	mutex_lock(&vm->irqfds.lock);
	ret = irqfd_connect(vm, irqfd, file);
	mutex_unlock(&vm->irqfds.lock);
	if (!ret)
		return 0;
	kfree(irqfd);
err_resamplefd:
	if (resamplefd)
		eventfd_ctx_put(resamplefd);
err_eventfd:
	eventfd_ctx_put(eventfd);
	return ret;
}

static long irqfd_deassign(struct hv_vm *vm, const struct hv_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct irqfd *irqfd;
	LIST_HEAD(dead);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	mutex_lock(&vm->irqfds.lock);
	irqfd = irqfd_find(vm, eventfd);
	if (irqfd && irqfd->gsi == args->gsi)
		irqfd_remove(irqfd, &dead);
	mutex_unlock(&vm->irqfds.lock);
	irqfds_free(&dead);
	eventfd_ctx_put(eventfd);
	return 0;
}

/**
 * hv_irqfd_call() - HV_IRQFD
 * @vm: VM
 * @data: struct hv_irqfd
 * @arg: not used
 *
 * Context: process context, sleeps.
 * Return: 0; -EINVAL for flags, without irqchip or for an fd that is no eventfd; -EBADF,
 * -EBUSY, -ENOSPC, -ENOMEM.
 */
long hv_irqfd_call(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_irqfd *args = data;
	struct file *file;
	long ret;

	if (args->flags & ~(HV_IRQFD_FLAG_DEASSIGN | HV_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & HV_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(vm, args);
	/* Pairs with the release in create_irqchip(). */
	if (!smp_load_acquire(&vm->irqchip_in_kernel))
		return -EINVAL;
	/* The EOI of an IOAPIC in the VMM is the VMM's to see. */
	if ((args->flags & HV_IRQFD_FLAG_RESAMPLE) && !vm->ioapic)
		return -EINVAL;
	file = fget(args->fd);
	if (!file)
		return -EBADF;
	ret = irqfd_assign(vm, args, file);
	fput(file);
	return ret;
}

/* ---- life ---- */

/**
 * hv_irqfds_init() - a new VM
 * @vm: VM that nobody else sees yet
 */
void hv_irqfds_init(struct hv_vm *vm)
{
	struct hv_irqfds *irqfds = &vm->irqfds;

	mutex_init(&irqfds->lock);
	mutex_init(&irqfds->fed_lock);
	INIT_LIST_HEAD(&irqfds->fed);
	INIT_LIST_HEAD(&irqfds->all);
	hash_init(irqfds->resample);
	INIT_WORK(&irqfds->cleanup, irqfds_cleanup);
}

/**
 * hv_irqfds_release() - disconnect all; nothing of them is left on return
 * @vm: VM on which no call can come any more
 *
 * Context: process context, sleeps.
 */
void hv_irqfds_release(struct hv_vm *vm)
{
	struct hv_irqfds *irqfds = &vm->irqfds;
	struct irqfd *irqfd, *next;
	LIST_HEAD(dead);

	mutex_lock(&irqfds->lock);
	list_for_each_entry_safe(irqfd, next, &irqfds->all, all)
		irqfd_remove(irqfd, &dead);
	mutex_unlock(&irqfds->lock);
	irqfds_free(&dead);
	/* No callback can schedule it again. It must not outlive the VM, nor the module. */
	cancel_work_sync(&irqfds->cleanup);
}
