// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls about interrupts.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <hv/ioctl.h>
#include <hv/vm.h>
#include "lapic.h"

static long create_irqchip(struct hv_vm *vm, void *data, unsigned long arg)
{
	int rc;

	if (vm->irqchip_in_kernel)
		return -EEXIST;
	if (vm->nr_vcpus)
		return -EINVAL;
	rc = hv_ioapic_create(vm);
	if (rc)
		return rc;
	rc = hv_pic_create(vm);
	if (rc)
		goto err_ioapic;
	rc = hv_routing_set_default(vm);
	if (rc)
		goto err_pic;
	/* Last: calls without vm->lock look at it first. */
	smp_store_release(&vm->irqchip_in_kernel, true);
	return 0;

err_pic:
	hv_pic_destroy(vm);
err_ioapic:
	hv_ioapic_destroy(vm);
	return rc;
}

/**
 * hv_irqchip_split() - LAPICs in the kernel, IOAPIC and PIC in the VMM
 * @vm: VM, lock held
 * @nr_routes: GSIs below it are the pins of the VMM's IOAPIC
 *
 * Return: 0; -EINVAL for too many; -EEXIST if there are controllers or vCPUs; -ENOMEM.
 */
long hv_irqchip_split(struct hv_vm *vm, u64 nr_routes)
{
	int rc;

	if (nr_routes > HV_MAX_IRQ_ROUTES)
		return -EINVAL;
	if (vm->irqchip_in_kernel || vm->nr_vcpus)
		return -EEXIST;
	rc = hv_routing_set(vm, NULL, 0);
	if (rc)
		return rc;
	vm->nr_ioapic_routes = nr_routes;
	/* Last: as in create_irqchip() */
	smp_store_release(&vm->irqchip_in_kernel, true);
	return 0;
}

static bool irqchip_there(struct hv_vm *vm)
{
	return smp_load_acquire(&vm->irqchip_in_kernel); /* pairs with create_irqchip() */
}

static long get_irqchip(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_irqchip *chip = data;

	if (!irqchip_there(vm) || !vm->ioapic)
		return -ENXIO;
	chip->pad = 0;
	memset(&chip->chip, 0, sizeof(chip->chip));
	switch (chip->chip_id) {
	case HV_IRQCHIP_PIC_MASTER:
	case HV_IRQCHIP_PIC_SLAVE:
		return hv_pic_get_state(vm, chip->chip_id - HV_IRQCHIP_PIC_MASTER,
					&chip->chip.pic);
	case HV_IRQCHIP_IOAPIC:
		return hv_ioapic_get_state(vm, &chip->chip.ioapic);
	default:
		return -EINVAL;
	}
}

static long set_irqchip(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_irqchip *chip = data;

	if (!irqchip_there(vm) || !vm->ioapic)
		return -ENXIO;
	switch (chip->chip_id) {
	case HV_IRQCHIP_PIC_MASTER:
	case HV_IRQCHIP_PIC_SLAVE:
		return hv_pic_set_state(vm, chip->chip_id - HV_IRQCHIP_PIC_MASTER,
					&chip->chip.pic);
	case HV_IRQCHIP_IOAPIC:
		return hv_ioapic_set_state(vm, &chip->chip.ioapic);
	default:
		return -EINVAL;
	}
}

static long create_pit(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_pit_create(vm, true);
}

static long create_pit2(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_pit_config *config = data;

	if (config->flags & ~HV_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	return hv_pit_create(vm, config->flags & HV_PIT_SPEAKER_DUMMY);
}

static long get_pit(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_pit_state *state = data;
	struct hv_pit_state2 s;
	int rc = hv_pit_get_state(vm, &s);

	if (!rc)
		memcpy(state->channels, s.channels, sizeof(state->channels));
	return rc;
}

static long get_pit2(struct hv_vm *vm, void *data, unsigned long arg)
{
	return hv_pit_get_state(vm, data);
}

static long set_pit(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_pit_state *state = data;

	return hv_pit_set_state(vm, state->channels, NULL);
}

static long set_pit2(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_pit_state2 *state = data;

	return hv_pit_set_state(vm, state->channels, &state->flags);
}

static long reinject_control(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_reinject_control control;

	if (copy_from_user(&control, (void __user *)arg, sizeof(control)))
		return -EFAULT;
	return hv_pit_reinject(vm, control.pit_reinject);
}

static long set_gsi_routing(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_irq_routing *header = data;
	struct hv_irq_routing __user *user = (void __user *)arg;
	struct hv_irq_routing_entry *entries;
	long rc;

	if (!irqchip_there(vm) || header->nr > HV_MAX_IRQ_ROUTES || header->flags)
		return -EINVAL;
	entries = kvmalloc_array(header->nr, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	if (copy_from_user(entries, user->entries, header->nr * sizeof(*entries)))
		rc = -EFAULT;
	else
		rc = hv_routing_set(vm, entries, header->nr);
	kvfree(entries);
	if (!rc)
		hv_irqfds_rerouted(vm);
	return rc;
}

static long irq_line(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_irq_level *line = data;
	int ret;

	if (!irqchip_there(vm))
		return -ENXIO;
	ret = hv_irq_line(vm, line->irq, line->level);
	return ret == -ENXIO ? ret : 0;
}

static long irq_line_status(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_irq_level *line = data;

	if (!irqchip_there(vm))
		return -ENXIO;
	line->status = hv_irq_line(vm, line->irq, line->level);
	return 0;
}

static long signal_msi(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_msi *msi = data;
	u64 addr = msi->address_lo | (u64)msi->address_hi << 32;

	if (!irqchip_there(vm) || msi->flags || !hv_msi_valid(vm, addr))
		return -EINVAL;
	return max(hv_msi_deliver(vm, addr, msi->data), 0);
}

/**
 * hv_irq_pio() - an access to ports of the controllers in the kernel
 * @vm: VM
 * @port: first port
 * @size: 1, 2 or 4; they have bytes, so a larger access is one to each of its ports
 * @data: read from or filled in
 * @write: direction
 *
 * Context: process context.
 * Return: true if all ports are theirs.
 */
bool hv_irq_pio(struct hv_vm *vm, u16 port, unsigned int size, void *data, bool write)
{
	unsigned int i;
	u8 *byte = data;

	if (!vm->pic)
		return false;
	for (i = 0; i < size; i++)
		if (!hv_pic_has_port(port + i) && !hv_pit_has_port(vm, port + i))
			return false;
	for (i = 0; i < size; i++) {
		if (hv_pic_has_port(port + i))
			hv_pic_pio(vm, port + i, byte + i, write);
		else
			hv_pit_pio(vm, port + i, byte + i, write);
	}
	return true;
}

static const struct hv_ioctl vm_ioctls[] = {
	{ HV_IRQ_LINE, 0, .vm = irq_line },
	{ HV_IRQ_LINE_STATUS, 0, .vm = irq_line_status },
	{ HV_SIGNAL_MSI, 0, .vm = signal_msi },
	{ HV_IRQFD, 0, .vm = hv_irqfd_call },
	{ HV_IOEVENTFD, 0, .vm = hv_ioeventfd_call },
	{ HV_SET_GSI_ROUTING, 0, .vm = set_gsi_routing },
	{ HV_CREATE_IRQCHIP, HV_IOC_LOCK, .vm = create_irqchip },
	{ HV_CREATE_PIT, HV_IOC_LOCK, .vm = create_pit },
	{ HV_CREATE_PIT2, HV_IOC_LOCK, .vm = create_pit2 },
	{ HV_GET_PIT, 0, .vm = get_pit },
	{ HV_SET_PIT, HV_IOC_COPYIN, .vm = set_pit },
	{ HV_GET_PIT2, 0, .vm = get_pit2 },
	{ HV_SET_PIT2, 0, .vm = set_pit2 },
	{ HV_REINJECT_CONTROL, 0, .vm = reinject_control },
	{ HV_GET_IRQCHIP, 0, .vm = get_irqchip },
	{ HV_SET_IRQCHIP, HV_IOC_COPYIN, .vm = set_irqchip },
};

const struct hv_ioctl_table hv_irq_vm_ioctls = { vm_ioctls, ARRAY_SIZE(vm_ioctls) };

static long get_lapic(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return hv_lapic_get_state(vcpu, data);
}

static long set_lapic(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	return hv_lapic_set_state(vcpu, data);
}

static const struct hv_ioctl vcpu_ioctls[] = {
	{ HV_GET_LAPIC, HV_IOC_LOCK, .vcpu = get_lapic },
	{ HV_SET_LAPIC, HV_IOC_LOCK, .vcpu = set_lapic },
};

const struct hv_ioctl_table hv_irq_vcpu_ioctls = { vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls) };
