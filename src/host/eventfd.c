// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event file descriptors.
 */
#include <linux/eventfd.h>
#include <hv/host.h>

/**
 * host_eventfd_signal() - add 1 to an eventfd's counter
 * @ctx: eventfd
 *
 * Context: any.
 */
void host_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef HOST_HAVE_EVENTFD_COUNT
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}
