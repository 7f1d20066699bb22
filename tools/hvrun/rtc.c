// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time of day, as a PC's clock chip gives it (Motorola MC146818).
 *
 * The ACPI tables say that there is none, so that no driver expects its alarm
 * interrupt. Linux nonetheless asks it for the date while it boots, and waits
 * a second if nobody answers. It can be read only: binary, 24 hours, UTC.
 */
#include <string.h>
#include <time.h>

#include "hvrun.h"

#define RTC_A_DIVIDER	0x26	/* running at 32768 Hz, no update in progress */
#define RTC_B_24H	0x02
#define RTC_B_BINARY	0x04
#define RTC_D_VALID	0x80	/* the battery is good */

static uint8_t read_register(uint8_t index)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (index) {
	case 0x00:
		return tm.tm_sec;
	case 0x02:
		return tm.tm_min;
	case 0x04:
		return tm.tm_hour;
	case 0x06:
		return tm.tm_wday + 1;
	case 0x07:
		return tm.tm_mday;
	case 0x08:
		return tm.tm_mon + 1;
	case 0x09:
		return tm.tm_year % 100;
	case 0x0a:
		return RTC_A_DIVIDER;
	case 0x0b:
		return RTC_B_24H | RTC_B_BINARY;
	case 0x0d:
		return RTC_D_VALID;
	default:
		return 0;
	}
}

/**
 * rtc_write() - the guest writes the index or the data port
 * @vm: the VM
 * @port: RTC_INDEX_PORT or the one after it
 * @value: byte
 *
 * Any vCPU thread. Two that select registers at once confuse each other, as on
 * a real machine, where software takes a lock.
 */
void rtc_write(struct vm *vm, uint16_t port, uint8_t value)
{
	/* the top bit of the index is a PC's NMI mask */
	if (port == RTC_INDEX_PORT)
		atomic_store(&vm->rtc_index, value & 0x7f);
}

/**
 * rtc_read() - the guest reads the index or the data port
 * @vm: the VM
 * @port: RTC_INDEX_PORT or the one after it
 *
 * Return: the selected register; the index port cannot be read.
 */
uint8_t rtc_read(struct vm *vm, uint16_t port)
{
	return port == RTC_INDEX_PORT ? 0xff : read_register(atomic_load(&vm->rtc_index));
}
