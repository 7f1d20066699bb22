// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of devices posted by the IOMMU: from the device into the vCPU's struct hv_posted,
 * with a notification to the CPU where it is loaded, and neither a handler nor an exit between.
 *
 * An interrupt is posted while its message names one vCPU, is edge-triggered, that vCPU's LAPIC
 * would take it, and the vCPU is not asleep. Else it is remapped: the host's handler
 * delivers it. What changes that, and who tells:
 *
 *	the guest's message, mask		the interrupt's owner: hv_post_set()
 *	LAPIC: mode, id, enabled; new vCPU	hv_post_refresh()
 *	HLT, and waking up			hv_post_sleep()
 *
 * A vCPU that moves, or is preempted, stays as it is: its descriptor says so to the IOMMU (NDST,
 * SN: the backend's load and put).
 *
 * Why not asleep: the notification of the IOMMU is a vector of the host, and there is none whose
 * handler a module could have (src/host/posted.c). So who falls asleep takes its interrupts back
 * first; when that is done the IOMMU has posted whatever came before (VT-d specification,
 * "Interrupt Draining"), and the vCPU looks once more before it sleeps.
 */
#include <linux/list.h>
#include <linux/mutex.h>
#include <asm/io.h>
#include <hv/host.h>
#include <hv/post.h>
#include <hv/vm.h>
#include "lapic.h"

/* ---- one interrupt: the LAPIC's lock held ---- */

static void take_back(struct hv_post *post)
{
	lockdep_assert_held(&post->lapic->posts.lock);
	if (!post->posted)
		return;
	if (host_irq_remap(post->irq))
		hv_vm_dead(post->vm, "the IOMMU does not stop posting an interrupt");
	post->posted = false;
	atomic64_dec(&post->vm->stats.irqs_posted);
	atomic64_inc(&post->vm->stats.irq_post_changes);
}

static void give(struct hv_post *post)
{
	struct hv_lapic *apic = post->lapic;

	lockdep_assert_held(&apic->posts.lock);
	if (post->posted || !post->able)
		return;
	if (host_irq_post(post->irq, __pa(&apic->posted), post->vector)) {
		WRITE_ONCE(post->able, false);
		return;
	}
	post->posted = true;
	atomic64_inc(&post->vm->stats.irqs_posted);
	atomic64_inc(&post->vm->stats.irq_post_changes);
}

/* ---- where to: vm->posts.lock held ---- */

static void leave(struct hv_post *post)
{
	struct hv_lapic *apic = post->lapic;

	if (!apic)
		return;
	mutex_lock(&apic->posts.lock);
	take_back(post);
	list_del(&post->mine);
	mutex_unlock(&apic->posts.lock);
	post->lapic = NULL;
}

static void join(struct hv_post *post, struct hv_lapic *apic, u8 vector)
{
	post->lapic = apic;
	post->vector = vector;
	/* As each interrupt that software accepts would do (SDM 3A 11.8.4) */
	if (apic_test_vector(apic, APIC_R_TMR, vector))
		apic_clear_vector(apic, APIC_R_TMR, vector);
	mutex_lock(&apic->posts.lock);
	list_add_tail(&post->mine, &apic->posts.list);
	/* In the list before the look: pairs with hv_post_sleep() */
	smp_mb();
	if (!READ_ONCE(apic->posts.asleep))
		give(post);
	mutex_unlock(&apic->posts.lock);
}

/* Have it go where its message says. */
static void place(struct hv_post *post)
{
	struct hv_lapic *apic = NULL;
	u8 vector = 0;

	lockdep_assert_held(&post->vm->posts.lock);
	if (post->connected && READ_ONCE(post->able) && post->routed)
		apic = hv_msi_target(post->vm, &post->route, &vector);
	if (apic == post->lapic && (!apic || vector == post->vector))
		return;
	leave(post);
	if (apic)
		join(post, apic, vector);
}

static void disconnect(struct hv_post *post)
{
	if (!post->connected)
		return;
	leave(post);
	list_del_init(&post->all);
	post->connected = false;
}

static void connect(struct hv_post *post, unsigned int irq)
{
	post->irq = irq;
	post->connected = true;
	post->able = host_irq_can_post(irq);
	if (post->able)
		list_add_tail(&post->all, &post->vm->posts.list);
}

/* ---- the calls ---- */

/**
 * hv_post_init() - an interrupt that is not connected yet
 * @post: what to initialize
 * @vm: VM that outlives it
 */
void hv_post_init(struct hv_post *post, struct hv_vm *vm)
{
	*post = (struct hv_post){ .vm = vm };
	INIT_LIST_HEAD(&post->all);
}

/**
 * hv_post_set() - post an interrupt, if possible, from now on
 * @post: initialized
 * @irq: Linux's number; requested, and until hv_post_clear() not freed
 * @route: the guest's message; NULL: masked, not to be posted
 *
 * On return what the device sends goes where @route says. Whoever calls it and hv_post_clear() for
 * one @post does so one after the other.
 *
 * Context: process context, sleeps.
 */
void hv_post_set(struct hv_post *post, unsigned int irq, const struct hv_msi_route *route)
{
	struct hv_vm *vm = post->vm;

	mutex_lock(&vm->posts.lock);
	if (post->connected && post->irq != irq)
		disconnect(post);
	if (!post->connected)
		connect(post, irq);
	post->routed = route;
	if (route)
		post->route = *route;
	/* In the list before the LAPICs are looked at: pairs with hv_post_refresh() */
	smp_mb();
	place(post);
	mutex_unlock(&vm->posts.lock);
}

/**
 * hv_post_clear() - do not post any more
 * @post: initialized
 *
 * On return the IOMMU does not write to the VM's descriptors for this interrupt, and the
 * host's handler gets what comes.
 *
 * Context: process context, sleeps.
 */
void hv_post_clear(struct hv_post *post)
{
	mutex_lock(&post->vm->posts.lock);
	disconnect(post);
	mutex_unlock(&post->vm->posts.lock);
}

/**
 * hv_post_query() - where does an interrupt go?
 * @post: initialized
 * @info: filled in
 *
 * Context: process context, sleeps.
 */
void hv_post_query(struct hv_post *post, struct hv_post_info *info)
{
	*info = (struct hv_post_info){};
	mutex_lock(&post->vm->posts.lock);
	if (post->lapic) {
		info->target = true;
		info->vcpu_id = post->lapic->vcpu->id;
		info->vector = post->vector;
		info->posted = READ_ONCE(post->posted);
	}
	mutex_unlock(&post->vm->posts.lock);
}

/**
 * hv_post_refresh() - messages may name other vCPUs than before
 * @vm: VM; a LAPIC's mode, id or enable bit has changed, or there is a new vCPU
 *
 * Context: process context, sleeps.
 */
void hv_post_refresh(struct hv_vm *vm)
{
	struct hv_post *post;

	/* The change before the look: pairs with hv_post_set() */
	smp_mb();
	if (list_empty(&vm->posts.list))
		return;
	mutex_lock(&vm->posts.lock);
	list_for_each_entry(post, &vm->posts.list, all)
		place(post);
	mutex_unlock(&vm->posts.lock);
}

/**
 * hv_post_sleep() - a vCPU is about to sleep, or awake again
 * @vcpu: vCPU, by its own thread
 * @asleep: which
 *
 * After falling asleep it must look once more at what is posted: what comes later wakes it.
 *
 * Context: process context, vCPU loaded, may sleep.
 */
void hv_post_sleep(struct hv_vcpu *vcpu, bool asleep)
{
	struct hv_lapic *apic = vcpu->x86.lapic;
	struct hv_post *post;

	if (!apic || !apic->iommu_posts)
		return;
	WRITE_ONCE(apic->posts.asleep, asleep);
	/* pairs with join(): it sees this, or is in the list */
	smp_mb();
	if (list_empty(&apic->posts.list))
		return;
	mutex_lock(&apic->posts.lock);
	list_for_each_entry(post, &apic->posts.list, mine) {
		if (asleep)
			take_back(post);
		else
			give(post);
	}
	mutex_unlock(&apic->posts.lock);
}

/**
 * hv_posts_init() - a new VM
 * @vm: VM that nobody else sees yet
 */
void hv_posts_init(struct hv_vm *vm)
{
	mutex_init(&vm->posts.lock);
	INIT_LIST_HEAD(&vm->posts.list);
}
