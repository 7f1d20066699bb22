// SPDX-License-Identifier: GPL-2.0-only
/*
 * COM1: a 16550A whose line is standard input and output.
 *
 * Registers after the PC16550D data sheet. Transmission takes no time that the guest
 * sees: its write ends when standard output has taken the byte, and the transmitter is
 * empty again. Input is taken from standard input only while the guest has receive
 * interrupts enabled, so that what is piped into hvrun waits for the guest's driver
 * instead of being lost while the guest boots.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <linux/serial_reg.h>

#include "hvrun.h"

#define CTRL_A		0x01

/* Carrier, data set ready, clear to send: there is always somebody there. */
#define MSR_CONNECTED	(UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define IIR_FIFO_ON	0xc0

static struct termios saved_termios;
static bool terminal_is_raw;

/**
 * serial_init() - make the UART, in its reset state
 * @s: the UART
 * @vm: whose interrupt line SERIAL_IRQ it drives
 */
void serial_init(struct serial *s, struct vm *vm)
{
	pthread_mutex_init(&s->lock, NULL);
	s->vm = vm;
}

/**
 * serial_open_terminal() - put a terminal on standard input into raw mode
 *
 * Undone by serial_close_terminal(), which also runs at exit().
 */
void serial_open_terminal(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved_termios))
		return;
	raw = saved_termios;
	cfmakeraw(&raw);
	/* the guest sends CR LF itself, but hvrun's own messages need the output mapping */
	raw.c_oflag = saved_termios.c_oflag;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw))
		return;
	terminal_is_raw = true;
	atexit(serial_close_terminal);
}

/**
 * serial_close_terminal() - give the terminal back as it was
 */
void serial_close_terminal(void)
{
	if (terminal_is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
	terminal_is_raw = false;
}

static unsigned int received(const struct serial *s)
{
	return s->head - s->tail;
}

static uint8_t pending_interrupt(const struct serial *s)
{
	if (s->ier & UART_IER_RDI && received(s))
		return UART_IIR_RDI;
	if (s->ier & UART_IER_THRI && s->thre_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* On a PC, OUT2 gates the interrupt; in loopback the pin is off. */
static bool interrupt_gate(const struct serial *s)
{
	return (s->mcr & UART_MCR_OUT2) && !(s->mcr & UART_MCR_LOOP);
}

static void update_line(struct serial *s)
{
	bool line = interrupt_gate(s) && pending_interrupt(s) != UART_IIR_NO_INT;

	if (line == s->line)
		return;
	s->line = line;
	irq_line(s->vm, SERIAL_IRQ, line);
}

/*
 * A driver that probes the UART enables its interrupts, too, and then empties the
 * FIFO: only one that lets them through is there to receive.
 */
static bool guest_listens(const struct serial *s)
{
	return (s->ier & UART_IER_RDI) && interrupt_gate(s) && received(s) < SERIAL_RING;
}

static void wake_if_starved(struct serial *s)
{
	if (!s->starved || !guest_listens(s))
		return;
	s->starved = false;
	vm_wake(s->vm);
}

static void receive(struct serial *s, uint8_t byte)
{
	if (received(s) < SERIAL_RING)
		s->ring[s->head++ % SERIAL_RING] = byte;
}

/*
 * The guest waits for the reader of its console, who may be slow, or never read again; so
 * this holds no lock that others need to end the VM, and a kick ends it.
 */
static void send_out(struct serial *s, uint8_t byte)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (!atomic_load(&s->vm->stopping) && write(STDOUT_FILENO, &byte, 1) < 0) {
		if (errno == EINTR)
			continue;
		/* who gave us standard output may have made it so */
		if (errno == EAGAIN) {
			poll(&fd, 1, -1);
			continue;
		}
		msg("console output: %s", strerror(errno));
		vm_stop(s->vm, EXIT_ERROR);
		return;
	}
}

/* Drops the lock meanwhile */
static void transmit(struct serial *s, uint8_t byte)
{
	if (s->mcr & UART_MCR_LOOP) {
		receive(s, byte);
	} else {
		pthread_mutex_unlock(&s->lock);
		send_out(s, byte);
		pthread_mutex_lock(&s->lock);
	}
	s->thre_pending = true;
}

static uint8_t modem_status(const struct serial *s)
{
	uint8_t msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

/**
 * serial_write() - the guest writes a register
 * @s: the UART
 * @reg: register 0 to 7
 * @value: byte
 *
 * Any vCPU thread.
 */
void serial_write(struct serial *s, uint8_t reg, uint8_t value)
{
	bool dlab;

	pthread_mutex_lock(&s->lock);
	dlab = s->lcr & UART_LCR_DLAB;
	switch (reg) {
	case UART_TX:
		if (dlab)
			s->dll = value;
		else
			transmit(s, value);
		break;
	case UART_IER:
		if (dlab) {
			s->dlm = value;
			break;
		}
		/* enabling it with an empty transmitter asks for the interrupt at once */
		if (value & ~s->ier & UART_IER_THRI)
			s->thre_pending = true;
		s->ier = value & 0x0f;
		break;
	case UART_FCR:
		s->fcr = value;
		if (value & UART_FCR_CLEAR_RCVR)
			s->tail = s->head;
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		s->mcr = value & 0x1f;
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
	update_line(s);
	wake_if_starved(s);
	pthread_mutex_unlock(&s->lock);
}

/**
 * serial_read() - the guest reads a register
 * @s: the UART
 * @reg: register 0 to 7
 *
 * Any vCPU thread.
 *
 * Return: the byte.
 */
uint8_t serial_read(struct serial *s, uint8_t reg)
{
	uint8_t value = 0;
	bool dlab;

	pthread_mutex_lock(&s->lock);
	dlab = s->lcr & UART_LCR_DLAB;
	switch (reg) {
	case UART_RX:
		if (dlab)
			value = s->dll;
		else if (received(s))
			value = s->ring[s->tail++ % SERIAL_RING];
		break;
	case UART_IER:
		value = dlab ? s->dlm : s->ier;
		break;
	case UART_IIR:
		value = pending_interrupt(s);
		/* reading it acknowledges the transmitter's interrupt, and only that */
		if (value == UART_IIR_THRI)
			s->thre_pending = false;
		if (s->fcr & UART_FCR_ENABLE_FIFO)
			value |= IIR_FIFO_ON;
		break;
	case UART_LCR:
		value = s->lcr;
		break;
	case UART_MCR:
		value = s->mcr;
		break;
	case UART_LSR:
		value = UART_LSR_THRE | UART_LSR_TEMT;
		if (received(s))
			value |= UART_LSR_DR;
		break;
	case UART_MSR:
		value = modem_status(s);
		break;
	case UART_SCR:
		value = s->scr;
		break;
	}
	update_line(s);
	wake_if_starved(s);
	pthread_mutex_unlock(&s->lock);
	return value;
}

/**
 * serial_wants_input() - shall the main loop read standard input?
 * @s: the UART
 *
 * On a terminal always, for the sake of Ctrl-A x. Otherwise when the guest
 * listens and there is room; if not, the UART wakes the main loop once it does.
 */
bool serial_wants_input(struct serial *s)
{
	bool wants;

	if (terminal_is_raw)
		return true;
	pthread_mutex_lock(&s->lock);
	wants = guest_listens(s);
	s->starved = !wants;
	pthread_mutex_unlock(&s->lock);
	return wants;
}

/* Returns whether the byte goes to the guest. Only the main loop comes here. */
static bool escape(struct vm *vm, uint8_t byte)
{
	static bool escaped;
	bool was_escaped = escaped;

	escaped = !was_escaped && byte == CTRL_A;
	if (was_escaped && byte == 'x') {
		msg("ended at the console");
		vm_stop(vm, EXIT_POWEROFF);
		return false;
	}
	return !escaped;
}

/**
 * serial_input() - standard input is readable: hand it to the guest
 * @s: the UART
 *
 * Main loop only, after serial_wants_input(). On a terminal, what the guest has
 * no room for is lost, as on a wire.
 *
 * Return: false at the end of the input.
 */
bool serial_input(struct serial *s)
{
	uint8_t buf[SERIAL_RING];
	ssize_t i, n;
	size_t room;

	pthread_mutex_lock(&s->lock);
	room = terminal_is_raw ? sizeof(buf) : SERIAL_RING - received(s);
	pthread_mutex_unlock(&s->lock);
	n = read(STDIN_FILENO, buf, room);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < n; i++) {
		if (!terminal_is_raw || escape(s->vm, buf[i]))
			receive(s, buf[i]);
	}
	update_line(s);
	pthread_mutex_unlock(&s->lock);
	return n > 0;
}
