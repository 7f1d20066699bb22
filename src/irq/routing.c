// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing: which IOAPIC pins and messages a line of the VMM is connected to.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <hv/vcpu.h>
#include <hv/vm.h>
#include "lapic.h"

/**
 * struct hv_route - one route
 * @gsi: its GSI
 * @next: index of the GSI's next route, -1: last
 * @pin_next: index of the next route to the same pin, -1: last
 * @msi: message, else a pin
 * @chip: HV_IRQCHIP_*
 * @pin: pin of it
 * @addr: message address
 * @data: message data
 */
struct hv_route {
	u32 gsi;
	int next;
	int pin_next;
	bool msi;
	u8 chip;
	u8 pin;
	u32 data;
	u64 addr;
};

/**
 * struct hv_route_pins - routes to the pins of one controller
 * @head: by pin: index of the first route to it, -1: none
 */
struct hv_route_pins {
	int head[HV_IOAPIC_NUM_PINS];
};

/**
 * struct hv_route_table - all routes of a VM; immutable once published
 * @rcu: for freeing
 * @nr_gsis: entries of @head
 * @head: by GSI: index of its first route, -1: none
 * @pins: by HV_IRQCHIP_*
 * @eoi: vectors whose end the VMM's IOAPIC wants to see: those of level-triggered messages of
 *	its GSIs
 * @routes: routes
 */
struct hv_route_table {
	struct rcu_head rcu;
	unsigned int nr_gsis;
	int *head;
	struct hv_route_pins pins[HV_IRQCHIP_IOAPIC + 1];
	DECLARE_BITMAP(eoi, HV_NR_INTERRUPTS);
	struct hv_route routes[];
};

static int route_irqchip(struct hv_vm *vm, struct hv_route *r,
			 const struct hv_irq_routing_entry *e)
{
	unsigned int pins;

	/* Split: the pins are the VMM's. */
	if (!vm->ioapic)
		return -EINVAL;
	switch (e->u.irqchip.irqchip) {
	case HV_IRQCHIP_PIC_MASTER:
	case HV_IRQCHIP_PIC_SLAVE:
		pins = HV_PIC_LINES;
		break;
	case HV_IRQCHIP_IOAPIC:
		pins = HV_IOAPIC_NUM_PINS;
		break;
	default:
		return -EINVAL;
	}
	if (e->u.irqchip.pin >= pins)
		return -EINVAL;
	r->chip = e->u.irqchip.irqchip;
	r->pin = e->u.irqchip.pin;
	return 0;
}

static int route_msi(struct hv_vm *vm, struct hv_route *r, const struct hv_irq_routing_entry *e)
{
	r->msi = true;
	r->addr = e->u.msi.address_lo | (u64)e->u.msi.address_hi << 32;
	r->data = e->u.msi.data;
	return hv_msi_valid(vm, r->addr) ? 0 : -EINVAL;
}

static int route_set(struct hv_vm *vm, struct hv_route *r, const struct hv_irq_routing_entry *e)
{
	if (e->flags || e->gsi >= HV_MAX_IRQ_ROUTES)
		return -EINVAL;
	switch (e->type) {
	case HV_IRQ_ROUTING_IRQCHIP:
		return route_irqchip(vm, r, e);
	case HV_IRQ_ROUTING_MSI:
		return route_msi(vm, r, e);
	default:
		return -EINVAL;
	}
}

/* A GSI has one message, or one pin of each chip. */
static bool route_fits(const struct hv_route_table *t, int first, const struct hv_route *r)
{
	int i;

	for (i = first; i >= 0; i = t->routes[i].next)
		if (r->msi || t->routes[i].msi || t->routes[i].chip == r->chip)
			return false;
	return true;
}

static struct hv_route_table *table_alloc(const struct hv_irq_routing_entry *entries,
					  unsigned int nr)
{
	struct hv_route_table *t;
	unsigned int i, nr_gsis = 0;
	size_t size;

	for (i = 0; i < nr; i++)
		if (entries[i].gsi < HV_MAX_IRQ_ROUTES)
			nr_gsis = max(nr_gsis, entries[i].gsi + 1);
	size = struct_size(t, routes, nr);
	t = kvzalloc(size_add(size, array_size(nr_gsis, sizeof(int))), GFP_KERNEL_ACCOUNT);
	if (!t)
		return NULL;
	t->nr_gsis = nr_gsis;
	t->head = (int *)((char *)t + size);
	for (i = 0; i < nr_gsis; i++)
		t->head[i] = -1;
	memset(t->pins, 0xff, sizeof(t->pins));
	return t;
}

static int table_fill(struct hv_vm *vm, struct hv_route_table *t,
		      const struct hv_irq_routing_entry *entries, unsigned int nr)
{
	unsigned int i;
	int *head, rc;

	for (i = 0; i < nr; i++) {
		rc = route_set(vm, &t->routes[i], &entries[i]);
		if (rc)
			return rc;
		head = &t->head[entries[i].gsi];
		if (!route_fits(t, *head, &t->routes[i]))
			return -EINVAL;
		t->routes[i].gsi = entries[i].gsi;
		t->routes[i].next = *head;
		*head = i;
		if (t->routes[i].msi) {
			if (entries[i].gsi < vm->nr_ioapic_routes &&
			    t->routes[i].data & HV_MSI_LEVEL)
				__set_bit(t->routes[i].data & 0xff, t->eoi);
			continue;
		}
		head = &t->pins[t->routes[i].chip].head[t->routes[i].pin];
		t->routes[i].pin_next = *head;
		*head = i;
	}
	return 0;
}

/**
 * hv_routing_set() - replace the table
 * @vm: VM
 * @entries: routes, in kernel memory, from userspace
 * @nr: number of them, at most HV_MAX_IRQ_ROUTES
 *
 * Interrupts see the old table or the new one. Nobody is waited for.
 *
 * Context: process context.
 * Return: 0, -EINVAL (the old table stays), -ENOMEM.
 */
int hv_routing_set(struct hv_vm *vm, const struct hv_irq_routing_entry *entries,
		   unsigned int nr)
{
	struct hv_route_table *t = table_alloc(entries, nr), *old;
	int rc;

	if (!t)
		return -ENOMEM;
	rc = table_fill(vm, t, entries, nr);
	if (rc) {
		kvfree(t);
		return rc;
	}
	mutex_lock(&vm->irq_lock);
	old = rcu_replace_pointer(vm->routing, t, lockdep_is_held(&vm->irq_lock));
	mutex_unlock(&vm->irq_lock);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/**
 * hv_routing_set_default() - GSI n to pin n of the IOAPIC, and of the PICs for n below 16
 * @vm: VM
 *
 * Return: 0 or -ENOMEM.
 */
int hv_routing_set_default(struct hv_vm *vm)
{
	struct hv_irq_routing_entry *e;
	unsigned int gsi, nr = 0;
	int rc;

	e = kcalloc(HV_IOAPIC_NUM_PINS + 2 * HV_PIC_LINES, sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	for (gsi = 0; gsi < HV_IOAPIC_NUM_PINS; gsi++) {
		e[nr].gsi = gsi;
		e[nr].type = HV_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = HV_IRQCHIP_IOAPIC;
		e[nr].u.irqchip.pin = gsi;
		nr++;
		if (gsi >= 2 * HV_PIC_LINES)
			continue;
		e[nr].gsi = gsi;
		e[nr].type = HV_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = HV_IRQCHIP_PIC_MASTER + gsi / HV_PIC_LINES;
		e[nr].u.irqchip.pin = gsi % HV_PIC_LINES;
		nr++;
	}
	rc = hv_routing_set(vm, e, nr);
	kfree(e);
	return rc;
}

/**
 * hv_routing_destroy() - free the table
 * @vm: VM that nobody can reach any more
 */
void hv_routing_destroy(struct hv_vm *vm)
{
	kvfree(rcu_dereference_protected(vm->routing, true));
	RCU_INIT_POINTER(vm->routing, NULL);
}

static unsigned int pic_line(const struct hv_route *r)
{
	return (r->chip - HV_IRQCHIP_PIC_MASTER) * HV_PIC_LINES + r->pin;
}

static int route_drive(struct hv_vm *vm, const struct hv_route *r, enum hv_irq_source src,
		       bool level)
{
	if (r->msi)
		return level ? hv_msi_deliver(vm, r->addr, r->data) : -1;
	if (r->chip == HV_IRQCHIP_IOAPIC)
		return hv_ioapic_set_source(vm, r->pin, src, level);
	return hv_pic_set_source(vm, pic_line(r), src, level);
}

/* Index of a GSI's first route, -1: none. RCU. */
static int first_route(const struct hv_route_table *t, u32 gsi)
{
	return t && gsi < t->nr_gsis ? t->head[gsi] : -1;
}

/**
 * hv_routing_msi() - the message of a GSI
 * @vm: VM
 * @gsi: GSI
 * @msi: filled in
 *
 * Context: any.
 * Return: false if it is routed to pins or nowhere.
 */
bool hv_routing_msi(struct hv_vm *vm, u32 gsi, struct hv_msi_route *msi)
{
	const struct hv_route_table *t;
	bool found;
	int i;

	rcu_read_lock();
	t = rcu_dereference(vm->routing);
	i = first_route(t, gsi);
	/* A message is alone: route_fits() */
	found = i >= 0 && t->routes[i].msi;
	if (found)
		*msi = (struct hv_msi_route){ t->routes[i].addr, t->routes[i].data };
	rcu_read_unlock();
	return found;
}

/**
 * hv_irq_line_source() - set the level at which a source drives a GSI
 * @vm: VM
 * @gsi: GSI; one that is routed nowhere is ignored
 * @src: who; pins are asserted as long as one source asserts them
 * @level: asserted; a message is sent when it is
 *
 * Context: any, interrupts on or off.
 * Return: number of LAPICs reached, 0 coalesced, -1 ignored; -ENXIO without an in-kernel
 * irqchip.
 */
int hv_irq_line_source(struct hv_vm *vm, u32 gsi, enum hv_irq_source src, bool level)
{
	const struct hv_route_table *t;
	int i, one, ret = -1;

	if (!vm->irqchip_in_kernel)
		return -ENXIO;
	rcu_read_lock();
	t = rcu_dereference(vm->routing);
	for (i = first_route(t, gsi); i >= 0; i = t->routes[i].next) {
		one = route_drive(vm, &t->routes[i], src, level);
		if (one >= 0)
			ret = one + max(ret, 0);
	}
	rcu_read_unlock();
	return ret;
}

/**
 * hv_irq_line() - set the level of a GSI for the VMM
 * @vm: VM
 * @gsi: GSI; one that is routed nowhere is ignored
 * @level: asserted; a message is sent when it is
 *
 * Context: any, interrupts on or off.
 * Return: as hv_irq_line_source().
 */
int hv_irq_line(struct hv_vm *vm, u32 gsi, bool level)
{
	return hv_irq_line_source(vm, gsi, HV_IRQ_VMM, level);
}

/**
 * hv_irq_pulse() - an edge: messages are sent, pins go up and down
 * @vm: VM with an in-kernel irqchip
 * @gsi: GSI; one that is routed nowhere is ignored
 *
 * Context: any, interrupts on or off.
 */
void hv_irq_pulse(struct hv_vm *vm, u32 gsi)
{
	const struct hv_route_table *t;
	int i;

	rcu_read_lock();
	t = rcu_dereference(vm->routing);
	for (i = first_route(t, gsi); i >= 0; i = t->routes[i].next) {
		route_drive(vm, &t->routes[i], HV_IRQ_VMM, true);
		if (!t->routes[i].msi)
			route_drive(vm, &t->routes[i], HV_IRQ_VMM, false);
	}
	rcu_read_unlock();
}

/**
 * hv_irq_pending() - an interrupt of a GSI has not been ended by the guest
 * @vm: VM
 * @gsi: GSI
 *
 * A pin of the IOAPIC that is not masked counts before the PICs: a guest that uses the IOAPIC may
 * leave a request in them for ever.
 *
 * Context: any, interrupts on or off.
 */
bool hv_irq_pending(struct hv_vm *vm, u32 gsi)
{
	const struct hv_route_table *t;
	int i, ioapic = -1;
	bool pic = false;

	rcu_read_lock();
	t = rcu_dereference(vm->routing);
	for (i = first_route(t, gsi); i >= 0; i = t->routes[i].next) {
		const struct hv_route *r = &t->routes[i];

		if (r->msi)
			continue;
		if (r->chip == HV_IRQCHIP_IOAPIC)
			ioapic = max(ioapic, hv_ioapic_pending(vm, r->pin));
		else
			pic |= hv_pic_pending(vm, pic_line(r));
	}
	rcu_read_unlock();
	return ioapic >= 0 ? ioapic : pic;
}

/**
 * hv_irq_acked() - the guest has ended the interrupt of a pin
 * @vm: VM
 * @chip: HV_IRQCHIP_*
 * @pin: pin of it
 *
 * Context: any, interrupts on or off; no lock of a chip held, since lines change.
 */
void hv_irq_acked(struct hv_vm *vm, unsigned int chip, unsigned int pin)
{
	const struct hv_route_table *t;
	int i;

	rcu_read_lock();
	t = rcu_dereference(vm->routing);
	for (i = t ? t->pins[chip].head[pin] : -1; i >= 0; i = t->routes[i].pin_next) {
		hv_irqfd_acked(vm, t->routes[i].gsi);
		if (t->routes[i].gsi == HV_PIT_GSI && vm->pit)
			hv_pit_acked(vm);
	}
	rcu_read_unlock();
}

/**
 * hv_irq_eoi() - a LAPIC broadcasts the end of a level-triggered interrupt
 * @vcpu: its vCPU, by its own thread or with the mutex held
 * @vector: vector
 *
 * Goes to the IOAPIC, wherever that is: HV_RUN returns to tell the VMM's.
 */
void hv_irq_eoi(struct hv_vcpu *vcpu, u8 vector)
{
	const struct hv_route_table *t;
	bool wanted;

	if (vcpu->vm->ioapic) {
		hv_ioapic_eoi(vcpu->vm, vector);
		return;
	}
	rcu_read_lock();
	t = rcu_dereference(vcpu->vm->routing);
	wanted = t && test_bit(vector, t->eoi);
	rcu_read_unlock();
	if (!wanted)
		return;
	vcpu->x86.ioapic_eoi = vector;
	hv_req_set(vcpu, HV_REQ_IOAPIC_EOI);
}
