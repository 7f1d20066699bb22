// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259A interrupt controllers of a PC (82C59A data sheet; Intel I/O Controller
 * Hub manuals for the ELCR). The slave's output is line 2 of the master. What a chipset ties
 * down is ignored here too: single mode, MCS-80 mode, buffered mode, and LTIM, which the ELCR
 * replaces. A latched edge stays when its line falls before the acknowledge: VMMs pulse.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <hv/vm.h>
#include "lapic.h"

#define PIC_LINES	HV_PIC_LINES
#define PIC_CASCADE	2
/* What an acknowledge without a request gets (82C59A: "default IR7") */
#define PIC_SPURIOUS	7

#define PIC_ELCR_PORT	0x4d0

/* ICW1, ICW4, OCW2, OCW3 (82C59A, figures 8 and 9) */
#define ICW1_IC4	BIT(0)
#define ICW1_INIT	BIT(4)
#define ICW4_AEOI	BIT(1)
#define ICW4_SFNM	BIT(4)
#define OCW3_SELECT	BIT(3)
#define OCW3_READ_ISR	BIT(0)
#define OCW3_READ	BIT(1)
#define OCW3_POLL	BIT(2)
#define OCW3_SMM	BIT(5)
#define OCW3_SET_SMM	BIT(6)

/* Bits 7:5 of OCW2 */
#define OCW2_ROTATE	BIT(2)
#define OCW2_SPECIFIC	BIT(1)
#define OCW2_EOI	BIT(0)

/* Initialization word that comes next */
enum pic_init { PIC_READY, PIC_ICW2, PIC_ICW3, PIC_ICW4 };

enum { PIC_MASTER, PIC_SLAVE, PIC_CHIPS };

/* Lines 0, 1, 2 and 8, 13 are edge-triggered for good (ICH: ELCR1, ELCR2) */
static const u8 pic_elcr_mask[PIC_CHIPS] = { 0xf8, 0xde };

/**
 * struct hv_pic - the two controllers
 * @lock: everything below, see locking.rst. Interrupts off, any context
 * @output: INTR of the master; written with @lock, read without
 * @asserted: by enum hv_irq_source: lines that it asserts; wired or
 * @acked: lines whose interrupt has ended since the lock was taken
 * @chip: master and slave. last_irr has the levels of the lines
 */
struct hv_pic {
	raw_spinlock_t lock;
	bool output;
	u16 asserted[HV_NR_IRQ_SOURCES];
	u16 acked;
	struct hv_pic_state chip[PIC_CHIPS];
};

static unsigned int pic_rank(const struct hv_pic_state *s, unsigned int line)
{
	return (line - s->priority_add) % PIC_LINES;
}

/* The line of @lines that has the highest priority, -1: none */
static int pic_highest(const struct hv_pic_state *s, u8 lines)
{
	unsigned int i, line;

	for (i = 0; i < PIC_LINES; i++) {
		line = (s->priority_add + i) % PIC_LINES;
		if (lines & BIT(line))
			return line;
	}
	return -1;
}

/* The line that the controller would interrupt for, -1: none */
static int pic_request(const struct hv_pic *pic, unsigned int n)
{
	const struct hv_pic_state *s = &pic->chip[n];
	/* Special mask mode: a masked line in service holds back nobody. */
	u8 serving = s->special_mask ? s->isr & ~s->imr : s->isr;
	int line = pic_highest(s, s->irr & ~s->imr);
	int current_line = pic_highest(s, serving);

	if (line < 0 || current_line < 0)
		return line;
	/* Special fully nested mode: the slave may interrupt its own interrupt. */
	if (n == PIC_MASTER && s->special_fully_nested_mode && line == PIC_CASCADE &&
	    current_line == PIC_CASCADE)
		return line;
	return pic_rank(s, line) < pic_rank(s, current_line) ? line : -1;
}

static void pic_update(struct hv_pic *pic)
{
	if (pic_request(pic, PIC_SLAVE) >= 0)
		pic->chip[PIC_MASTER].irr |= BIT(PIC_CASCADE);
	WRITE_ONCE(pic->output, pic_request(pic, PIC_MASTER) >= 0);
}

/* The output, which is LINT0 of every LAPIC, has gone high. */
static void pic_raise(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu;
	unsigned int i;

	/* the output before LVT0 is read; pairs with the barrier of each entry */
	smp_mb();
	hv_for_each_vcpu(i, vcpu, vm)
		hv_lapic_lint0(vcpu);
}

/* Interrupts have ended: those who wait for that hear of it when the lock is released. */
static void pic_end(struct hv_pic *pic, unsigned int n, u8 lines)
{
	pic->chip[n].isr &= ~lines;
	pic->acked |= lines << n * PIC_LINES;
}

/* Lock held; releases it. */
static void pic_unlock(struct hv_vm *vm, bool was, unsigned long flags)
	__releases(&vm->pic->lock)
{
	struct hv_pic *pic = vm->pic;
	unsigned long acked = pic->acked;
	unsigned int line;
	bool raise;

	pic->acked = 0;
	pic_update(pic);
	raise = pic->output && !was;
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	if (raise)
		pic_raise(vm);
	if (!acked || !hv_irq_acks_wanted(vm))
		return;
	for_each_set_bit(line, &acked, PIC_CHIPS * PIC_LINES)
		hv_irq_acked(vm, HV_IRQCHIP_PIC_MASTER + line / PIC_LINES, line % PIC_LINES);
}

/* Lock held. A source sets its level; the line's is that of all sources together. */
static bool pic_line_level(struct hv_pic *pic, unsigned int pin, enum hv_irq_source src,
			   bool level)
{
	unsigned int i;

	if (level)
		pic->asserted[src] |= BIT(pin);
	else
		pic->asserted[src] &= ~BIT(pin);
	for (i = 0; i < HV_NR_IRQ_SOURCES; i++)
		if (pic->asserted[i] & BIT(pin))
			return true;
	return false;
}

/**
 * hv_pic_set_source() - set the level at which a source drives an input
 * @vm: VM
 * @pin: 0..7 of the master, 8..15 of the slave
 * @src: who; the line is asserted as long as one source asserts it
 * @level: level
 *
 * Context: any, interrupts on or off.
 * Return: 1, 0: that line had a request already, -1: masked, or no PICs.
 */
int hv_pic_set_source(struct hv_vm *vm, unsigned int pin, enum hv_irq_source src, bool level)
{
	struct hv_pic *pic = vm->pic;
	struct hv_pic_state *s;
	u8 bit = BIT(pin % PIC_LINES), was_irr;
	unsigned long flags;
	bool was;
	int ret = 1;

	if (!pic || pin >= PIC_CHIPS * PIC_LINES)
		return -1;
	raw_spin_lock_irqsave(&pic->lock, flags);
	was = pic->output;
	level = pic_line_level(pic, pin, src, level);
	s = &pic->chip[pin / PIC_LINES];
	was_irr = s->irr;
	if (level) {
		if ((s->elcr & bit) || !(s->last_irr & bit))
			s->irr |= bit;
		s->last_irr |= bit;
		if (s->irr == was_irr)
			ret = 0;
	} else {
		if (s->elcr & bit)
			s->irr &= ~bit;
		s->last_irr &= ~bit;
	}
	if (s->imr & bit)
		ret = -1;
	pic_unlock(vm, was, flags);
	return ret;
}

/**
 * hv_pic_pending() - a line's interrupt is yet to be ended by the guest
 * @vm: VM with PICs
 * @pin: 0..7 of the master, 8..15 of the slave
 *
 * Context: any, interrupts on or off.
 * Return: true if it is in service, or requested and not masked.
 */
bool hv_pic_pending(struct hv_vm *vm, unsigned int pin)
{
	struct hv_pic *pic = vm->pic;
	const struct hv_pic_state *s = &pic->chip[pin / PIC_LINES];
	unsigned long flags;
	bool ret;

	raw_spin_lock_irqsave(&pic->lock, flags);
	ret = (s->isr | (s->irr & ~s->imr)) & BIT(pin % PIC_LINES);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	return ret;
}

/* ---- acknowledge and end of interrupt: lock held ---- */

static void pic_take(struct hv_pic *pic, unsigned int n, unsigned int line)
{
	struct hv_pic_state *s = &pic->chip[n];

	if (!(s->elcr & BIT(line)))
		s->irr &= ~BIT(line);
	if (!s->auto_eoi) {
		s->isr |= BIT(line);
		return;
	}
	if (s->rotate_on_auto_eoi)
		s->priority_add = (line + 1) % PIC_LINES;
	pic_end(pic, n, BIT(line));
}

/* The processor's INTA cycles: the vector. */
static u8 pic_intack(struct hv_pic *pic)
{
	int line = pic_request(pic, PIC_MASTER);

	if (line < 0)
		return pic->chip[PIC_MASTER].irq_base + PIC_SPURIOUS;
	pic_take(pic, PIC_MASTER, line);
	if (line != PIC_CASCADE)
		return pic->chip[PIC_MASTER].irq_base + line;

	line = pic_request(pic, PIC_SLAVE);
	if (line < 0)
		return pic->chip[PIC_SLAVE].irq_base + PIC_SPURIOUS;
	pic_take(pic, PIC_SLAVE, line);
	return pic->chip[PIC_SLAVE].irq_base + line;
}

/**
 * hv_pic_output() - the controllers have an interrupt
 * @vm: VM
 *
 * Context: any. What it says may have changed by the time of hv_pic_ack(), which then
 * gives a spurious interrupt.
 */
bool hv_pic_output(struct hv_vm *vm)
{
	return vm->pic && READ_ONCE(vm->pic->output);
}

/**
 * hv_pic_ack() - the processor takes an interrupt
 * @vm: VM with PICs
 *
 * Context: any, interrupts on or off.
 * Return: its vector.
 */
u8 hv_pic_ack(struct hv_vm *vm)
{
	struct hv_pic *pic = vm->pic;
	unsigned long flags;
	u8 vector;

	raw_spin_lock_irqsave(&pic->lock, flags);
	vector = pic_intack(pic);
	/* If more is pending the vCPU that takes this one sees it: no news for others. */
	pic_unlock(vm, true, flags);
	return vector;
}

/* ---- registers: lock held ---- */

/* 82C59A, "Initialization Command Words": what ICW1 does by itself */
static void pic_icw1(struct hv_pic *pic, unsigned int n, u8 val)
{
	struct hv_pic_state *s = &pic->chip[n];

	s->init4 = val & ICW1_IC4;
	/* Edges are forgotten; a line that is high must fall first. */
	pic_end(pic, n, s->isr | (s->irr & ~s->elcr));
	s->irr &= s->elcr;
	s->imr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	if (!s->init4) {
		s->auto_eoi = 0;
		s->special_fully_nested_mode = 0;
	}
	s->rotate_on_auto_eoi = 0;
	s->init_state = PIC_ICW2;
}

static void pic_ocw2(struct hv_pic *pic, unsigned int n, u8 val)
{
	struct hv_pic_state *s = &pic->chip[n];
	u8 cmd = val >> 5;
	int line = val % PIC_LINES;

	if (cmd == OCW2_SPECIFIC)	/* no operation */
		return;
	if (!(cmd & (OCW2_SPECIFIC | OCW2_EOI))) {
		s->rotate_on_auto_eoi = !!(cmd & OCW2_ROTATE);
		return;
	}
	/* In special mask mode it leaves the masked lines alone (82C59A, "Special Mask Mode"). */
	if (!(cmd & OCW2_SPECIFIC))
		line = pic_highest(s, s->special_mask ? s->isr & ~s->imr : s->isr);
	if (line < 0)
		return;
	if (cmd & OCW2_EOI)
		pic_end(pic, n, s->isr & BIT(line));
	if (cmd & OCW2_ROTATE)
		s->priority_add = (line + 1) % PIC_LINES;
}

static void pic_ocw3(struct hv_pic_state *s, u8 val)
{
	if (val & OCW3_POLL)
		s->poll = 1;
	if (val & OCW3_READ)
		s->read_reg_select = val & OCW3_READ_ISR;
	if (val & OCW3_SET_SMM)
		s->special_mask = !!(val & OCW3_SMM);
}

static void pic_write_command(struct hv_pic *pic, unsigned int n, u8 val)
{
	if (val & ICW1_INIT)
		pic_icw1(pic, n, val);
	else if (val & OCW3_SELECT)
		pic_ocw3(&pic->chip[n], val);
	else
		pic_ocw2(pic, n, val);
}

static void pic_write_data(struct hv_pic_state *s, u8 val)
{
	switch (s->init_state) {
	case PIC_READY:
		s->imr = val;
		break;
	case PIC_ICW2:
		s->irq_base = val & ~(PIC_LINES - 1);
		s->init_state = PIC_ICW3;
		break;
	case PIC_ICW3:
		/* The wiring is what it is. */
		s->init_state = s->init4 ? PIC_ICW4 : PIC_READY;
		break;
	case PIC_ICW4:
		s->special_fully_nested_mode = !!(val & ICW4_SFNM);
		s->auto_eoi = !!(val & ICW4_AEOI);
		s->init_state = PIC_READY;
		break;
	}
}

/* A read after the poll command acknowledges: bit 7 and the line, or 0. */
static u8 pic_read_poll(struct hv_pic *pic, unsigned int n)
{
	int line = pic_request(pic, n);

	pic->chip[n].poll = 0;
	if (line < 0)
		return 0;
	pic_take(pic, n, line);
	return 0x80 | line;
}

static u8 pic_read(struct hv_pic *pic, unsigned int n, bool data)
{
	struct hv_pic_state *s = &pic->chip[n];

	if (s->poll)
		return pic_read_poll(pic, n);
	if (data)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

/* A line that is high requests as soon as it is level-triggered. */
static void pic_write_elcr(struct hv_pic_state *s, u8 val)
{
	u8 changed;

	val &= s->elcr_mask;
	changed = s->elcr ^ val;
	s->elcr = val;
	s->irr = (s->irr & ~changed) | (s->last_irr & changed & val);
}

static bool pic_is_elcr(u16 port)
{
	return (port & ~1) == PIC_ELCR_PORT;
}

/**
 * hv_pic_has_port() - a port of the controllers
 * @port: port
 */
bool hv_pic_has_port(u16 port)
{
	return (port & ~0x81) == 0x20 || pic_is_elcr(port);
}

/**
 * hv_pic_pio() - a byte from or to a port
 * @vm: VM with PICs
 * @port: port for which hv_pic_has_port() is true
 * @val: read from or filled in
 * @write: direction
 *
 * Context: any.
 */
void hv_pic_pio(struct hv_vm *vm, u16 port, u8 *val, bool write)
{
	struct hv_pic *pic = vm->pic;
	unsigned int n = pic_is_elcr(port) ? port & 1 : port >> 7;
	struct hv_pic_state *s = &pic->chip[n];
	unsigned long flags;
	bool was;

	raw_spin_lock_irqsave(&pic->lock, flags);
	was = pic->output;
	if (pic_is_elcr(port)) {
		if (write)
			pic_write_elcr(s, *val);
		else
			*val = s->elcr;
	} else if (!write) {
		*val = pic_read(pic, n, port & 1);
	} else if (port & 1) {
		pic_write_data(s, *val);
	} else {
		pic_write_command(pic, n, *val);
	}
	pic_unlock(vm, was, flags);
}

/* ---- state ---- */

/**
 * hv_pic_get_state() - HV_GET_IRQCHIP
 * @vm: VM
 * @n: 0 master, 1 slave
 * @s: filled in
 *
 * Return: 0, -ENXIO without PICs.
 */
int hv_pic_get_state(struct hv_vm *vm, unsigned int n, struct hv_pic_state *s)
{
	struct hv_pic *pic = vm->pic;
	unsigned long flags;

	if (!pic)
		return -ENXIO;
	raw_spin_lock_irqsave(&pic->lock, flags);
	*s = pic->chip[n];
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	return 0;
}

/**
 * hv_pic_set_state() - HV_SET_IRQCHIP
 * @vm: VM
 * @n: 0 master, 1 slave
 * @s: state; bits that no controller has are ignored
 *
 * Return: 0, -ENXIO without PICs.
 */
int hv_pic_set_state(struct hv_vm *vm, unsigned int n, const struct hv_pic_state *s)
{
	struct hv_pic *pic = vm->pic;
	unsigned long flags;
	bool was;

	if (!pic)
		return -ENXIO;
	raw_spin_lock_irqsave(&pic->lock, flags);
	was = pic->output;
	pic->chip[n] = (struct hv_pic_state) {
		.last_irr = s->last_irr,
		.irr = s->irr,
		.imr = s->imr,
		.isr = s->isr,
		.priority_add = s->priority_add % PIC_LINES,
		.irq_base = s->irq_base & ~(PIC_LINES - 1),
		.read_reg_select = !!s->read_reg_select,
		.poll = !!s->poll,
		.special_mask = !!s->special_mask,
		.init_state = s->init_state & PIC_ICW4,
		.auto_eoi = !!s->auto_eoi,
		.rotate_on_auto_eoi = !!s->rotate_on_auto_eoi,
		.special_fully_nested_mode = !!s->special_fully_nested_mode,
		.init4 = !!s->init4,
		.elcr = s->elcr & pic_elcr_mask[n],
		.elcr_mask = pic_elcr_mask[n],
	};
	pic_unlock(vm, was, flags);
	return 0;
}

/**
 * hv_pic_create() - give the VM its PICs
 * @vm: VM, lock held, without vCPUs
 *
 * Return: 0 or -ENOMEM.
 */
int hv_pic_create(struct hv_vm *vm)
{
	struct hv_pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	unsigned int n;

	if (!pic)
		return -ENOMEM;
	raw_spin_lock_init(&pic->lock);
	for (n = 0; n < PIC_CHIPS; n++) {
		pic->chip[n].elcr_mask = pic_elcr_mask[n];
		/* A guest that does not know of them must not get their vectors, 0 and up. */
		pic->chip[n].imr = 0xff;
	}
	/* Whoever finds it finds it complete. */
	smp_store_release(&vm->pic, pic);
	return 0;
}

/**
 * hv_pic_destroy() - free them
 * @vm: VM that nobody can reach any more
 */
void hv_pic_destroy(struct hv_vm *vm)
{
	kfree(vm->pic);
	vm->pic = NULL;
}
