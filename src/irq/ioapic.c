// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC (82093AA data sheet; Intel I/O Controller Hub manuals for the later edge
 * cases): 24 pins, version 0x11, so EOIs come only as broadcasts of LAPICs.
 */
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <hv/host.h>
#include <hv/vm.h>
#include "lapic.h"

#define IOAPIC_BASE		0xfec00000ULL
#define IOAPIC_SIZE		0x100
#define IOAPIC_PINS		HV_IOAPIC_NUM_PINS

/*
 * A level that is still there at this many EOIs in a row is one that the guest has no handler
 * for: it interrupts again after a pause, in which the guest can do something about it.
 */
#define IOAPIC_STUCK_EOIS	10000
#define IOAPIC_STUCK_PAUSE	10000000ULL	/* ns */

/* Memory-mapped registers (82093AA 3.1) */
#define IOAPIC_MM_SELECT	0x00
#define IOAPIC_MM_WINDOW	0x10

/* Registers behind the window (82093AA 3.2) */
#define IOAPIC_R_ID		0x00
#define IOAPIC_R_VERSION	0x01
#define IOAPIC_R_ARBITRATION	0x02
#define IOAPIC_R_RTE		0x10

#define IOAPIC_VERSION_VALUE	(0x11 | (IOAPIC_PINS - 1) << 16)

/* Redirection table entry (82093AA 3.2.4) */
#define RTE_LOGICAL		BIT_ULL(11)
#define RTE_STATUS		BIT_ULL(12)
#define RTE_REMOTE_IRR		BIT_ULL(14)
#define RTE_LEVEL		BIT_ULL(15)
#define RTE_MASK		BIT_ULL(16)
#define RTE_READ_ONLY		(RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_VALID		0xff0000000001ffffULL

/**
 * struct hv_ioapic - I/O APIC
 * @vm: VM
 * @lock: everything below. Taken with interrupts off, from any context; nothing but LAPICs
 *	is called with it held
 * @base: guest-physical address of the registers
 * @select: register selected
 * @id: 4 bits
 * @lines: lines that are asserted
 * @asserted: by enum hv_irq_source: lines that it asserts; wired or
 * @awaited: edge-triggered pins whose EOI somebody waits for (HV_IRQ_PIT)
 * @stuck: pins that interrupt again when @pause is over
 * @eois: by pin: EOIs in a row at which the level was still there
 * @pause: end of the pause of all pins in @stuck
 * @sent: edge-triggered pins whose edge has been delivered since the line rose
 * @rte: redirection table
 */
struct hv_ioapic {
	struct hv_vm *vm;
	raw_spinlock_t lock;
	u64 base;
	u32 select;
	u32 id;
	u32 lines;
	u32 asserted[HV_NR_IRQ_SOURCES];
	u32 awaited;
	u32 stuck;
	u16 eois[IOAPIC_PINS];
	struct hrtimer pause;
	u32 sent;
	u64 rte[IOAPIC_PINS];
};

/*
 * Lock held. Send what the pin's entry says; result as hv_apic_deliver(). @await: the sender
 * wants to hear of the EOI, which for an edge only happens if the LAPIC takes it for a level:
 * it looks at nothing else.
 */
static int ioapic_service(struct hv_vm *vm, struct hv_ioapic *io, unsigned int pin, bool await)
{
	u64 rte = io->rte[pin];
	struct hv_apic_msg msg = {
		.dest = rte >> 56,
		.vector = rte,
		.mode = rte >> 8 & 7,
		.logical = rte & RTE_LOGICAL,
		.level = await || (rte & RTE_LEVEL),
		.assert = true,
	};
	int ret;

	if (rte & RTE_MASK)
		return -1;
	/* Merged with the one that awaits its EOI */
	if ((rte & RTE_LEVEL) && (rte & RTE_REMOTE_IRR))
		return 0;
	ret = hv_apic_deliver(vm, NULL, &msg);
	if (ret < 0)
		return ret;
	if (!(rte & RTE_LEVEL)) {
		io->sent |= BIT(pin);
		if (await)
			io->awaited |= BIT(pin);
	} else if (msg.mode == HV_DM_FIXED || msg.mode == HV_DM_LOWEST) {
		/* Also if merged in the LAPIC with another pin's: one EOI is for both. */
		io->rte[pin] |= RTE_REMOTE_IRR;
	}
	return ret;
}

/* Lock held. A level-triggered line that is still asserted interrupts again. */
static void ioapic_service_level(struct hv_vm *vm, struct hv_ioapic *io, unsigned int pin)
{
	if ((io->rte[pin] & RTE_LEVEL) && (io->lines & BIT(pin)))
		ioapic_service(vm, io, pin, false);
}

/* Lock held. A source sets its level; the line's is that of all sources together. */
static bool ioapic_line_level(struct hv_ioapic *io, unsigned int pin, enum hv_irq_source src,
			      bool level)
{
	unsigned int i;

	if (level)
		io->asserted[src] |= BIT(pin);
	else
		io->asserted[src] &= ~BIT(pin);
	for (i = 0; i < HV_NR_IRQ_SOURCES; i++)
		if (io->asserted[i] & BIT(pin))
			return true;
	return false;
}

static enum hrtimer_restart ioapic_pause_ends(struct hrtimer *timer)
{
	struct hv_ioapic *io = container_of(timer, struct hv_ioapic, pause);
	unsigned long flags, pins;
	unsigned int pin;

	raw_spin_lock_irqsave(&io->lock, flags);
	pins = io->stuck;
	io->stuck = 0;
	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		ioapic_service_level(io->vm, io, pin);
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return HRTIMER_NORESTART;
}

/* Lock held. The interrupt of a pin has ended; it may come again, but not for ever. */
static void ioapic_ended(struct hv_vm *vm, struct hv_ioapic *io, unsigned int pin)
{
	io->rte[pin] &= ~RTE_REMOTE_IRR;
	if (!(io->rte[pin] & RTE_LEVEL) || !(io->lines & BIT(pin))) {
		io->eois[pin] = 0;
		return;
	}
	if (++io->eois[pin] < IOAPIC_STUCK_EOIS) {
		ioapic_service_level(vm, io, pin);
		return;
	}
	io->eois[pin] = 0;
	if (!io->stuck)
		hrtimer_start(&io->pause, ktime_add_ns(ktime_get(), IOAPIC_STUCK_PAUSE),
			      HRTIMER_MODE_ABS_PINNED_HARD);
	io->stuck |= BIT(pin);
}

/**
 * hv_ioapic_set_source() - set the level at which a source drives an input
 * @vm: VM
 * @pin: 0..23
 * @src: who; the line is asserted as long as one source asserts it
 * @level: asserted; polarity is the VMM's affair
 *
 * Context: any, interrupts on or off.
 * Return: as hv_apic_deliver(); 1 for a line that is released; -1 if masked.
 */
int hv_ioapic_set_source(struct hv_vm *vm, unsigned int pin, enum hv_irq_source src, bool level)
{
	struct hv_ioapic *io = vm->ioapic;
	unsigned long flags;
	bool was;
	int ret = 1;

	if (!io || pin >= IOAPIC_PINS)
		return -1;
	raw_spin_lock_irqsave(&io->lock, flags);
	level = ioapic_line_level(io, pin, src, level);
	was = io->lines & BIT(pin);
	if (!level) {
		io->lines &= ~BIT(pin);
		io->sent &= ~BIT(pin);
	} else {
		io->lines |= BIT(pin);
		if (was && !(io->rte[pin] & RTE_LEVEL))
			ret = 0;
		else
			ret = ioapic_service(vm, io, pin, src == HV_IRQ_PIT);
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return ret;
}

/**
 * hv_ioapic_eoi() - a LAPIC broadcasts the EOI of a level-triggered interrupt
 * @vm: VM
 * @vector: its vector
 *
 * Whoever waits for the end of a pin's interrupt hears of it before the pin can interrupt
 * again: a line that is released by that is not delivered once more.
 *
 * Context: any, interrupts on or off.
 */
void hv_ioapic_eoi(struct hv_vm *vm, u8 vector)
{
	struct hv_ioapic *io = vm->ioapic;
	unsigned long flags, pins = 0;
	unsigned int pin;

	if (!io)
		return;
	raw_spin_lock_irqsave(&io->lock, flags);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if ((u8)io->rte[pin] == vector &&
		    ((io->rte[pin] & RTE_REMOTE_IRR) || (io->awaited & BIT(pin))))
			pins |= BIT(pin);
	io->awaited &= ~pins;
	if (pins && hv_irq_acks_wanted(vm)) {
		raw_spin_unlock_irqrestore(&io->lock, flags);
		for_each_set_bit(pin, &pins, IOAPIC_PINS)
			hv_irq_acked(vm, HV_IRQCHIP_IOAPIC, pin);
		raw_spin_lock_irqsave(&io->lock, flags);
	}
	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		ioapic_ended(vm, io, pin);
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/**
 * hv_ioapic_pending() - a pin's interrupt is yet to be ended by the guest
 * @vm: VM with an IOAPIC
 * @pin: 0..23
 *
 * Of edges only those of HV_IRQ_PIT are known.
 *
 * Context: any, interrupts on or off.
 * Return: 1, 0; -1: the pin is masked.
 */
int hv_ioapic_pending(struct hv_vm *vm, unsigned int pin)
{
	struct hv_ioapic *io = vm->ioapic;
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&io->lock, flags);
	if (io->rte[pin] & RTE_MASK)
		ret = -1;
	else
		ret = (io->awaited & BIT(pin)) || (io->rte[pin] & RTE_REMOTE_IRR);
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return ret;
}

static u32 ioapic_read_reg(struct hv_ioapic *io)
{
	unsigned int rte = io->select - IOAPIC_R_RTE;

	switch (io->select) {
	case IOAPIC_R_ID:
	case IOAPIC_R_ARBITRATION:
		return io->id << 24;
	case IOAPIC_R_VERSION:
		return IOAPIC_VERSION_VALUE;
	default:
		if (rte >= 2 * IOAPIC_PINS)
			return 0;
		return io->rte[rte / 2] >> (rte % 2 * 32);
	}
}

static void ioapic_write_rte(struct hv_vm *vm, struct hv_ioapic *io, unsigned int pin,
			     unsigned int half, u32 val)
{
	u64 old = io->rte[pin], rte;

	if (half)
		rte = (u32)old | (u64)val << 32;
	else
		rte = (old & ~0xffffffffULL) | val;
	rte = (rte & RTE_VALID & ~RTE_READ_ONLY) | (old & RTE_READ_ONLY);
	/* Guests end a lost level interrupt by making the pin edge-triggered for a moment. */
	if (!(rte & RTE_LEVEL))
		rte &= ~RTE_REMOTE_IRR;
	io->rte[pin] = rte;
	io->awaited &= ~BIT(pin);
	ioapic_service_level(vm, io, pin);
}

static void ioapic_write_reg(struct hv_vm *vm, struct hv_ioapic *io, u32 val)
{
	unsigned int rte = io->select - IOAPIC_R_RTE;

	if (io->select == IOAPIC_R_ID)
		io->id = val >> 24 & 0xf;
	else if (io->select >= IOAPIC_R_RTE && rte < 2 * IOAPIC_PINS)
		ioapic_write_rte(vm, io, rte / 2, rte % 2, val);
}

/**
 * hv_ioapic_mmio() - an access to the registers
 * @vm: VM
 * @gpa: guest-physical address
 * @len: bytes; registers are 32 bits wide, more is ignored
 * @data: read from or filled in
 * @write: direction
 *
 * Context: any.
 * Return: false if the address is elsewhere.
 */
bool hv_ioapic_mmio(struct hv_vm *vm, u64 gpa, unsigned int len, void *data, bool write)
{
	struct hv_ioapic *io = vm->ioapic;
	unsigned long flags;
	u64 off;
	u32 val = 0;

	if (!io)
		return false;
	raw_spin_lock_irqsave(&io->lock, flags);
	off = gpa - io->base;
	if (off >= IOAPIC_SIZE) {
		raw_spin_unlock_irqrestore(&io->lock, flags);
		return false;
	}
	if (write) {
		memcpy(&val, data, min_t(unsigned int, len, sizeof(val)));
		if (off == IOAPIC_MM_SELECT)
			io->select = val & 0xff;
		else if (off == IOAPIC_MM_WINDOW)
			ioapic_write_reg(vm, io, val);
	} else {
		if (off == IOAPIC_MM_SELECT)
			val = io->select;
		else if (off == IOAPIC_MM_WINDOW)
			val = ioapic_read_reg(io);
		memset(data, 0, len);
		memcpy(data, &val, min_t(unsigned int, len, sizeof(val)));
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return true;
}

/**
 * hv_ioapic_get_state() - HV_GET_IRQCHIP
 * @vm: VM
 * @s: filled in
 *
 * Return: 0, -ENXIO without an IOAPIC.
 */
int hv_ioapic_get_state(struct hv_vm *vm, struct hv_ioapic_state *s)
{
	struct hv_ioapic *io = vm->ioapic;
	unsigned long flags;
	unsigned int pin;

	if (!io)
		return -ENXIO;
	memset(s, 0, sizeof(*s));
	raw_spin_lock_irqsave(&io->lock, flags);
	s->base_address = io->base;
	s->ioregsel = io->select;
	s->id = io->id;
	/* An edge that was delivered must not be delivered again where this is restored. */
	s->irr = io->lines & ~io->sent;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		s->redirtbl[pin].bits = io->rte[pin];
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return 0;
}

/**
 * hv_ioapic_set_state() - HV_SET_IRQCHIP
 * @vm: VM
 * @s: state; reserved bits are ignored. Asserted lines are delivered
 *
 * Return: 0, -ENXIO without an IOAPIC.
 */
int hv_ioapic_set_state(struct hv_vm *vm, const struct hv_ioapic_state *s)
{
	struct hv_ioapic *io = vm->ioapic;
	unsigned long flags;
	unsigned int pin;

	if (!io)
		return -ENXIO;
	raw_spin_lock_irqsave(&io->lock, flags);
	io->base = s->base_address;
	io->select = s->ioregsel & 0xff;
	io->id = s->id & 0xf;
	io->lines = s->irr & (BIT(IOAPIC_PINS) - 1);
	io->sent = 0;
	io->awaited = 0;
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		io->rte[pin] = s->redirtbl[pin].bits & RTE_VALID & ~RTE_STATUS;
		if (!(io->rte[pin] & RTE_LEVEL))
			io->rte[pin] &= ~RTE_REMOTE_IRR;
	}
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (io->lines & BIT(pin))
			ioapic_service(vm, io, pin, false);
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return 0;
}

/**
 * hv_ioapic_create() - give the VM its IOAPIC
 * @vm: VM, lock held, without vCPUs
 *
 * Return: 0 or -ENOMEM.
 */
int hv_ioapic_create(struct hv_vm *vm)
{
	struct hv_ioapic *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	unsigned int pin;

	if (!io)
		return -ENOMEM;
	io->vm = vm;
	raw_spin_lock_init(&io->lock);
	host_hrtimer_setup(&io->pause, ioapic_pause_ends, HRTIMER_MODE_ABS_PINNED_HARD);
	io->base = IOAPIC_BASE;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		io->rte[pin] = RTE_MASK;
	/* Whoever finds it finds it complete. */
	smp_store_release(&vm->ioapic, io);
	return 0;
}

/**
 * hv_ioapic_destroy() - free it
 * @vm: VM that nobody can reach any more
 */
void hv_ioapic_destroy(struct hv_vm *vm)
{
	hrtimer_cancel(&vm->ioapic->pause);
	kfree(vm->ioapic);
	vm->ioapic = NULL;
}
