// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt each CPU of the svm host 20 times a second, from a source of its own.
 *
 * QEMU's TCG loses interrupts where SVM is used: a CPU's #VMEXIT clears a bit in the word
 * of its pending interrupts without a lock, while another thread sets one there (mended in
 * QEMU 10.2). An interrupt that was lost so is taken together with the next one, but when
 * it was that of the LAPIC's timer, which the kernel arms anew each time, there may be
 * no next one, and the host hangs.
 *
 * The HPET's interrupt reaches one CPU; the others get one as this thread moves there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/hpet.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FREQUENCY	20	/* Hz */

int main(void)
{
	const struct sched_param first = { .sched_priority = 50 };
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	unsigned long data;
	int fd;

	fd = open("/dev/hpet", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, HPET_IRQFREQ, FREQUENCY) || ioctl(fd, HPET_EPI) ||
	    ioctl(fd, HPET_IE_ON)) {
		perror("pulse: /dev/hpet");
		return 1;
	}
	if (sched_setscheduler(0, SCHED_FIFO, &first)) {
		perror("pulse: sched_setscheduler");
		return 1;
	}
	while (read(fd, &data, sizeof(data)) == sizeof(data)) {
		cpu_set_t set;
		long i;

		for (i = 0; i < cpus; i++) {
			CPU_ZERO(&set);
			CPU_SET(i, &set);
			/* it may be offline */
			sched_setaffinity(0, sizeof(set), &set);
		}
	}
	perror("pulse: read");
	return 1;
}
