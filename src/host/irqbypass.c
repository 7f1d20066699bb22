// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqbypass: brings those who have an interrupt (VFIO) and those who want it (irqfds) together by
 * the eventfd that both know. A module of its own, which the kernel builds for KVM.
 */
#include <linux/irqbypass.h>
#include <hv/host.h>

/**
 * host_bypass_register() - want the interrupt that signals an eventfd
 * @consumer: callbacks are filled in; they come with a mutex of irqbypass held, at once perhaps
 * @eventfd: eventfd, with a reference that outlives the consumer
 *
 * Context: process context, sleeps.
 * Return: 0; -EBUSY: somebody has that eventfd already; -ENOMEM; what a callback returned.
 */
int host_bypass_register(struct irq_bypass_consumer *consumer, struct eventfd_ctx *eventfd)
{
#ifdef HOST_HAVE_IRQ_BYPASS_EVENTFD
	return irq_bypass_register_consumer(consumer, eventfd);
#else
	consumer->token = eventfd;
	return irq_bypass_register_consumer(consumer);
#endif
}

/**
 * host_bypass_unregister() - on return no callback runs or comes any more
 * @consumer: registered, or refused
 *
 * Context: process context, sleeps.
 */
void host_bypass_unregister(struct irq_bypass_consumer *consumer)
{
	irq_bypass_unregister_consumer(consumer);
}
