// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 interval timer of a PC (82C54 data sheet): counter 0 on GSI 0, by a host timer;
 * counters 1 and 2 only to be read; gate and output of counter 2 at port 0x61. A new count in
 * mode 2 or 3 begins a new period at once.
 *
 * Guests count ticks. A tick that comes while the last one has not been served is kept, and
 * given when the guest ends the interrupt (HV_REINJECT_CONTROL).
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <hv/host.h>
#include <hv/vm.h>
#include "lapic.h"
#include "pit_logic.h"

#define PIT_CHANNELS	3
#define PIT_SPEAKER	2	/* channel of which port 0x61 has gate and output */
/*
 * The guest chooses the period: its ticks are never closer than this. If it wants them that
 * close and does not keep up, it is left alone for longer.
 */
#define PIT_MIN_PERIOD	200000ULL	/* ns */
#define PIT_LATE_PERIOD	5000000ULL

#define PIT_PORT	0x40
#define PIT_CONTROL	0x43
#define PIT_PORT_B	0x61

/* Port 0x61 (ICH: NMI_SC) */
#define PORT_B_GATE	BIT(0)
#define PORT_B_DATA	BIT(1)
#define PORT_B_REFRESH	BIT(4)
#define PORT_B_OUT	BIT(5)

/* Control word (82C54, figures 5 and 7): read-back has 11 as channel, bits 5 and 4 inverted */
#define CW_READ_BACK	3
#define CW_NO_COUNT	BIT(5)
#define CW_NO_STATUS	BIT(4)
#define STATUS_OUT	BIT(7)
#define STATUS_NULL	BIT(6)

/* Which byte is read or written next, or latched; the first three are also access modes */
enum pit_byte { PIT_LATCH, PIT_LSB, PIT_MSB, PIT_WORD0, PIT_WORD1 };

#define PIT_FLAGS	(HV_PIT_FLAGS_HPET_LEGACY | HV_PIT_FLAGS_SPEAKER_DATA_ON)

/**
 * struct pit_channel - a counter
 * @s: as HV_GET_PIT2 reports it. count is 0 between the control word and the count;
 *	count_load_time is the start in ns of CLOCK_MONOTONIC
 * @started: a count is loaded and, in modes that need it, the gate has triggered
 * @stopped: ns that had been counted when the gate fell (modes 0 and 4)
 */
struct pit_channel {
	struct hv_pit_channel_state s;
	bool started;
	u64 stopped;
};

/**
 * struct hv_pit - interval timer
 * @vm: VM
 * @speaker: port 0x61 is here; fixed
 * @lock: registers: @flags and @ch; process context
 * @flags: HV_PIT_FLAGS_*
 * @ch: counters
 * @timer: expires with counter 0; its callback takes @tick_lock only
 * @period: ns between two expiries, 0: one only; fixed while @timer runs
 * @tick_lock: all below. Interrupts off, any context; chips' locks nest inside
 * @reinject: keep ticks
 * @missed: ticks that are owed to the guest
 */
struct hv_pit {
	struct hv_vm *vm;
	bool speaker;
	struct mutex lock;		/* registers */
	u32 flags;
	struct pit_channel ch[PIT_CHANNELS];
	struct hrtimer timer;
	u64 period;
	raw_spinlock_t tick_lock;
	bool reinject;
	u32 missed;
};

/* ---- ticks: any context ---- */

static void pit_pulse(struct hv_pit *pit)
{
	hv_irq_line_source(pit->vm, HV_PIT_GSI, HV_IRQ_PIT, true);
	hv_irq_line_source(pit->vm, HV_PIT_GSI, HV_IRQ_PIT, false);
}

/* @n periods are over. False: the tick before has not been served. */
static bool pit_tick(struct hv_pit *pit, u64 n)
{
	unsigned long flags;
	bool served;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	served = !hv_irq_pending(pit->vm, HV_PIT_GSI);
	if (!pit->reinject || served) {
		pit_pulse(pit);
		n--;
	}
	if (pit->reinject)
		pit->missed = min_t(u64, pit->missed + n, U32_MAX);
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
	return served;
}

static enum hrtimer_restart pit_callback(struct hrtimer *timer)
{
	struct hv_pit *pit = container_of(timer, struct hv_pit, timer);
	u64 n = 1;
	bool served;

	if (pit->period > PIT_MIN_PERIOD)
		n = hrtimer_forward_now(timer, ns_to_ktime(pit->period));
	served = pit_tick(pit, n);
	if (!pit->period)
		return HRTIMER_NORESTART;
	/* From now on: a host to which a tick costs more than the period still gets on. */
	if (pit->period == PIT_MIN_PERIOD)
		hrtimer_set_expires(timer, ktime_add_ns(ktime_get(), served ? PIT_MIN_PERIOD :
							PIT_LATE_PERIOD));
	return HRTIMER_RESTART;
}

/**
 * hv_pit_acked() - the guest has ended an interrupt of the timer's GSI
 * @vm: VM with a PIT
 *
 * Context: any, interrupts on or off; no lock of a chip held.
 */
void hv_pit_acked(struct hv_vm *vm)
{
	struct hv_pit *pit = vm->pit;
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	if (pit->missed && !hv_irq_pending(vm, HV_PIT_GSI)) {
		pit->missed--;
		pit_pulse(pit);
	}
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
}

static void pit_set_reinject(struct hv_pit *pit, bool reinject)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	pit->reinject = reinject;
	pit->missed = 0;
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
}

/* Counter 0 has begun, or ended, something new: what was missed before is void. */
static void pit_restart_timer(struct hv_pit *pit)
{
	const struct pit_channel *ch = &pit->ch[0];
	u64 ns;

	hrtimer_cancel(&pit->timer);
	pit_set_reinject(pit, pit->reinject);
	if (!ch->started || (pit->flags & HV_PIT_FLAGS_HPET_LEGACY))
		return;
	/* The strobe's end is the rising edge. */
	ns = pit_ns(ch->s.count + (ch->s.mode == PIT_STROBE));
	pit->period = 0;
	if (pit_periodic(ch->s.mode)) {
		ns = max(ns, PIT_MIN_PERIOD);
		pit->period = ns;
	}
	hrtimer_start(&pit->timer, ns_to_ktime(ch->s.count_load_time + ns),
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

/* ---- a counter: lock held ---- */

static bool ch_counts(const struct pit_channel *ch)
{
	return ch->started && (ch->s.gate || pit_gate_starts(ch->s.mode));
}

static u64 ch_ticks(const struct pit_channel *ch)
{
	return pit_ticks(ch_counts(ch) ? ktime_get_ns() - ch->s.count_load_time : ch->stopped);
}

static bool ch_out(const struct pit_channel *ch)
{
	if (!ch->started)
		return ch->s.mode != PIT_TERMINAL_COUNT;
	if (pit_periodic(ch->s.mode) && !ch->s.gate)
		return true;
	return pit_out(ch->s.mode, ch->s.count, ch_ticks(ch));
}

static u16 ch_value(const struct pit_channel *ch)
{
	u32 val = ch->s.count;

	if (ch->started)
		val = pit_counter(ch->s.mode, ch->s.count, ch_ticks(ch), ch->s.bcd);
	return pit_count_to_reg(val, ch->s.bcd);
}

static void ch_start(struct pit_channel *ch)
{
	ch->started = true;
	ch->stopped = 0;
	ch->s.count_load_time = ktime_get_ns();
}

/* A count is complete. */
static void ch_load(struct pit_channel *ch, u16 val)
{
	ch->s.count = pit_count_from_reg(val, ch->s.bcd);
	if (ch->s.mode != PIT_NO_MODE && !pit_gate_starts(ch->s.mode))
		ch_start(ch);
}

static void ch_latch_count(struct pit_channel *ch)
{
	if (ch->s.count_latched)
		return;
	ch->s.latched_count = ch_value(ch);
	ch->s.count_latched = ch->s.rw_mode;
}

static void ch_latch_status(struct pit_channel *ch)
{
	if (ch->s.status_latched)
		return;
	ch->s.status = (ch_out(ch) ? STATUS_OUT : 0) | (ch->s.count ? 0 : STATUS_NULL) |
		       ch->s.rw_mode << 4 | (ch->s.mode & 7) << 1 | ch->s.bcd;
	ch->s.status_latched = 1;
}

/* The counter's control word, or its latch command. True: it has stopped. */
static bool ch_control(struct pit_channel *ch, u8 val)
{
	u8 access = val >> 4 & 3, mode = val >> 1 & 7;

	if (access == PIT_LATCH) {
		ch_latch_count(ch);
		return false;
	}
	ch->s.rw_mode = access;
	ch->s.read_state = access;
	ch->s.write_state = access;
	ch->s.count_latched = 0;
	ch->s.status_latched = 0;
	ch->s.mode = mode > PIT_HW_STROBE ? mode - 4 : mode;
	ch->s.bcd = val & 1;
	/* Idle until there is a count */
	ch->s.count = 0;
	ch->started = false;
	return true;
}

/* A byte of a count. True: the counter has started or stopped. */
static bool ch_write(struct pit_channel *ch, u8 val)
{
	switch (ch->s.write_state) {
	case PIT_WORD0:
		ch->s.write_latch = val;
		ch->s.write_state = PIT_WORD1;
		/* In mode 0 the first byte stops the counter. */
		if (ch->s.mode != PIT_TERMINAL_COUNT)
			return false;
		ch->s.count = 0;
		ch->started = false;
		return true;
	case PIT_WORD1:
		ch->s.write_state = PIT_WORD0;
		ch_load(ch, ch->s.write_latch | val << 8);
		break;
	case PIT_MSB:
		ch_load(ch, val << 8);
		break;
	default:
		ch_load(ch, val);
		break;
	}
	return true;
}

/* The byte of @count that @state says, and what comes then */
static u8 ch_byte(u16 count, u8 *state, u8 after_word)
{
	switch (*state) {
	case PIT_WORD0:
		*state = PIT_WORD1;
		return count;
	case PIT_WORD1:
		*state = after_word;
		return count >> 8;
	case PIT_MSB:
		return count >> 8;
	default:
		return count;
	}
}

static u8 ch_read(struct pit_channel *ch)
{
	u8 val;

	if (ch->s.status_latched) {
		ch->s.status_latched = 0;
		return ch->s.status;
	}
	if (!ch->s.count_latched)
		return ch_byte(ch_value(ch), &ch->s.read_state, PIT_WORD0);
	val = ch_byte(ch->s.latched_count, &ch->s.count_latched, 0);
	/* A latch for two bytes lasts for two reads, else for one. */
	if (ch->s.count_latched != PIT_WORD1)
		ch->s.count_latched = 0;
	return val;
}

static void ch_set_gate(struct pit_channel *ch, bool gate)
{
	bool rises = gate && !ch->s.gate, falls = !gate && ch->s.gate;
	u8 mode = ch->s.mode;

	if (falls && ch->started && !pit_gate_starts(mode))
		ch->stopped = ktime_get_ns() - ch->s.count_load_time;
	ch->s.gate = gate;
	if (!rises || !ch->s.count || mode == PIT_NO_MODE)
		return;
	if (pit_gate_starts(mode) || pit_periodic(mode))
		ch_start(ch);
	else
		ch->s.count_load_time = ktime_get_ns() - ch->stopped;
}

/* ---- ports ---- */

static void pit_write_control(struct hv_pit *pit, u8 val)
{
	unsigned int n = val >> 6;

	if (n != CW_READ_BACK) {
		if (ch_control(&pit->ch[n], val) && !n)
			pit_restart_timer(pit);
		return;
	}
	for (n = 0; n < PIT_CHANNELS; n++) {
		if (!(val & BIT(n + 1)))
			continue;
		if (!(val & CW_NO_COUNT))
			ch_latch_count(&pit->ch[n]);
		if (!(val & CW_NO_STATUS))
			ch_latch_status(&pit->ch[n]);
	}
}

static void pit_write_port_b(struct hv_pit *pit, u8 val)
{
	pit->flags &= ~HV_PIT_FLAGS_SPEAKER_DATA_ON;
	if (val & PORT_B_DATA)
		pit->flags |= HV_PIT_FLAGS_SPEAKER_DATA_ON;
	ch_set_gate(&pit->ch[PIT_SPEAKER], val & PORT_B_GATE);
}

static u8 pit_read_port_b(struct hv_pit *pit)
{
	const struct pit_channel *ch = &pit->ch[PIT_SPEAKER];
	u8 val = 0;

	if (ch->s.gate)
		val |= PORT_B_GATE;
	if (pit->flags & HV_PIT_FLAGS_SPEAKER_DATA_ON)
		val |= PORT_B_DATA;
	if (ch_out(ch))
		val |= PORT_B_OUT;
	/* Toggles with each refresh of the memory, every 15 us */
	if (ktime_get_ns() >> 14 & 1)
		val |= PORT_B_REFRESH;
	return val;
}

static void pit_write(struct hv_pit *pit, u16 port, u8 val)
{
	unsigned int n = port - PIT_PORT;

	if (port == PIT_PORT_B)
		pit_write_port_b(pit, val);
	else if (port == PIT_CONTROL)
		pit_write_control(pit, val);
	else if (ch_write(&pit->ch[n], val) && !n)
		pit_restart_timer(pit);
}

/**
 * hv_pit_has_port() - a port of the PIT
 * @vm: VM
 * @port: port
 */
bool hv_pit_has_port(struct hv_vm *vm, u16 port)
{
	/* Pairs with the release in hv_pit_create(): vCPUs may run already. */
	const struct hv_pit *pit = smp_load_acquire(&vm->pit);

	if (!pit)
		return false;
	return (port & ~3) == PIT_PORT || (port == PIT_PORT_B && pit->speaker);
}

/**
 * hv_pit_pio() - a byte from or to a port
 * @vm: VM
 * @port: port for which hv_pit_has_port() is true
 * @val: read from or filled in
 * @write: direction
 *
 * Context: process context.
 */
void hv_pit_pio(struct hv_vm *vm, u16 port, u8 *val, bool write)
{
	struct hv_pit *pit = vm->pit;

	mutex_lock(&pit->lock);
	if (write)
		pit_write(pit, port, *val);
	else if (port == PIT_PORT_B)
		*val = pit_read_port_b(pit);
	else if (port == PIT_CONTROL)
		*val = 0;
	else
		*val = ch_read(&pit->ch[port - PIT_PORT]);
	mutex_unlock(&pit->lock);
}

/* ---- state ---- */

/**
 * hv_pit_get_state() - HV_GET_PIT2
 * @vm: VM
 * @s: filled in
 *
 * Return: 0, -ENXIO without a PIT.
 */
int hv_pit_get_state(struct hv_vm *vm, struct hv_pit_state2 *s)
{
	struct hv_pit *pit = smp_load_acquire(&vm->pit); /* as in hv_pit_has_port() */
	unsigned int n;

	if (!pit)
		return -ENXIO;
	memset(s, 0, sizeof(*s));
	mutex_lock(&pit->lock);
	for (n = 0; n < PIT_CHANNELS; n++)
		s->channels[n] = pit->ch[n].s;
	s->flags = pit->flags;
	mutex_unlock(&pit->lock);
	return 0;
}

static bool ch_state_valid(const struct hv_pit_channel_state *s)
{
	return s->count <= PIT_MAX_COUNT && s->rw_mode <= PIT_WORD0 && s->read_state <= PIT_WORD1 &&
	       s->write_state <= PIT_WORD1 && s->count_latched <= PIT_WORD1 &&
	       (s->mode <= PIT_HW_STROBE || s->mode == PIT_NO_MODE);
}

/* Counters start again, as with KVM: their time was that of another host. */
static void ch_set_state(struct pit_channel *ch, const struct hv_pit_channel_state *s, bool gated)
{
	*ch = (struct pit_channel) { .s = *s };
	ch->s.bcd = !!s->bcd;
	ch->s.status_latched = !!s->status_latched;
	/* The gates of 0 and 1 are tied high. */
	ch->s.gate = gated ? !!s->gate : 1;
	ch->s.count_load_time = ktime_get_ns();
	ch->started = s->count && s->mode != PIT_NO_MODE && !pit_gate_starts(s->mode);
}

/**
 * hv_pit_set_state() - HV_SET_PIT, HV_SET_PIT2
 * @vm: VM
 * @channels: three counters
 * @flags: HV_PIT_FLAGS_*, NULL: as they are
 *
 * Return: 0, -ENXIO without a PIT, -EINVAL: that cannot be.
 */
int hv_pit_set_state(struct hv_vm *vm, const struct hv_pit_channel_state *channels,
		     const u32 *flags)
{
	struct hv_pit *pit = smp_load_acquire(&vm->pit); /* as in hv_pit_has_port() */
	unsigned int n;

	if (!pit)
		return -ENXIO;
	if (flags && (*flags & ~PIT_FLAGS))
		return -EINVAL;
	for (n = 0; n < PIT_CHANNELS; n++)
		if (!ch_state_valid(&channels[n]))
			return -EINVAL;
	mutex_lock(&pit->lock);
	for (n = 0; n < PIT_CHANNELS; n++)
		ch_set_state(&pit->ch[n], &channels[n], n == PIT_SPEAKER);
	if (flags)
		pit->flags = *flags;
	pit_restart_timer(pit);
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * hv_pit_reinject() - HV_REINJECT_CONTROL
 * @vm: VM
 * @on: keep ticks that come while another one waits
 *
 * Return: 0, -ENXIO without a PIT.
 */
int hv_pit_reinject(struct hv_vm *vm, bool on)
{
	struct hv_pit *pit = smp_load_acquire(&vm->pit); /* as in hv_pit_has_port() */

	if (!pit)
		return -ENXIO;
	mutex_lock(&pit->lock);
	if (pit->reinject != on)
		pit_set_reinject(pit, on);
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * hv_pit_create() - HV_CREATE_PIT, HV_CREATE_PIT2
 * @vm: VM, lock held
 * @speaker: port 0x61 is the PIT's
 *
 * Return: 0, -EEXIST, -ENOENT without PICs, -ENOMEM.
 */
int hv_pit_create(struct hv_vm *vm, bool speaker)
{
	struct hv_pit *pit;
	unsigned int n;

	if (vm->pit)
		return -EEXIST;
	if (!vm->pic)
		return -ENOENT;
	pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	if (!pit)
		return -ENOMEM;
	pit->vm = vm;
	pit->speaker = speaker;
	pit->reinject = true;
	mutex_init(&pit->lock);
	raw_spin_lock_init(&pit->tick_lock);
	host_hrtimer_setup(&pit->timer, pit_callback, HRTIMER_MODE_ABS_PINNED_HARD);
	for (n = 0; n < PIT_CHANNELS; n++) {
		pit->ch[n].s.mode = PIT_NO_MODE;
		pit->ch[n].s.count = PIT_MAX_COUNT;
		pit->ch[n].s.gate = n != PIT_SPEAKER;
	}
	/* Whoever finds it finds it complete. */
	smp_store_release(&vm->pit, pit);
	return 0;
}

/**
 * hv_pit_destroy() - stop and free it
 * @vm: VM that nobody can reach any more; all else of it is still there
 *
 * Context: process context.
 */
void hv_pit_destroy(struct hv_vm *vm)
{
	hrtimer_cancel(&vm->pit->timer);
	kfree(vm->pit);
	vm->pit = NULL;
}
