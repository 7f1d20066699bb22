/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts of devices that the IOMMU posts straight to a vCPU, without the host. One way for
 * all who have such an interrupt: irqfds that an irqbypass producer feeds, assigned devices.
 *
 *	hv_post_init(&post, vm);		once
 *	request_irq(irq, ...);			the handler delivers as if nothing was posted
 *	hv_post_set(&post, irq, &route);	posted from here on, whenever that is possible
 *	hv_post_set(&post, irq, &other);	the guest has changed its message
 *	hv_post_set(&post, irq, NULL);		it has masked it: all comes to the handler
 *	hv_post_clear(&post);			before free_irq(), and before the VM goes
 *
 * What is posted does not come to the handler; what is not, does. Each interrupt takes one of the
 * two ways.
 */
#ifndef HV_POST_H
#define HV_POST_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct hv_lapic;
struct hv_vcpu;
struct hv_vm;

/**
 * struct hv_msi_route - a guest's MSI message
 * @addr: message address (SDM 3A 11.11.1); bits 63:40 as hv_msi_deliver() takes them
 * @data: message data (SDM 3A 11.11.2)
 */
struct hv_msi_route {
	u64 addr;
	u32 data;
};

/**
 * struct hv_post - a host interrupt that may be posted
 * @vm: VM
 * @all: in vm->posts.list while connected and @able
 * @mine: in the list of @lapic; its lock
 * @irq: Linux's number; vm->posts.lock
 * @connected: @irq is valid; vm->posts.lock
 * @able: the interrupt's chip can post; set when connected, cleared under @lapic's lock if it
 *	refuses after all
 * @routed: @route is valid: the guest wants the interrupt; vm->posts.lock
 * @route: message; vm->posts.lock
 * @lapic: the one LAPIC that the message names, or NULL; vm->posts.lock
 * @vector: of the message, while there is @lapic; vm->posts.lock
 * @posted: the IOMMU posts it; @lapic's lock
 */
struct hv_post {
	struct hv_vm *vm;
	struct list_head all;
	struct list_head mine;
	unsigned int irq;
	bool connected;
	bool able;
	bool routed;
	struct hv_msi_route route;
	struct hv_lapic *lapic;
	u8 vector;
	bool posted;
};

/**
 * struct hv_posts - the interrupts of a VM that may be posted
 * @lock: guards all of them
 * @list: of struct hv_post
 */
struct hv_posts {
	struct mutex lock;		/* guards the list and its members */
	struct list_head list;
};

/**
 * struct hv_post_info - where an interrupt goes
 * @target: the message names one vCPU only: @vcpu_id and @vector are valid
 * @posted: it is posted to it now; a vCPU that sleeps is woken by the host
 * @vcpu_id: vCPU
 * @vector: guest's vector
 */
struct hv_post_info {
	bool target;
	bool posted;
	u32 vcpu_id;
	u8 vector;
};

/* src/irq/post.c */
void hv_posts_init(struct hv_vm *vm);
void hv_post_init(struct hv_post *post, struct hv_vm *vm);
void hv_post_set(struct hv_post *post, unsigned int irq, const struct hv_msi_route *route);
void hv_post_clear(struct hv_post *post);
void hv_post_query(struct hv_post *post, struct hv_post_info *info);
void hv_post_refresh(struct hv_vm *vm);
void hv_post_sleep(struct hv_vcpu *vcpu, bool asleep);

#endif
