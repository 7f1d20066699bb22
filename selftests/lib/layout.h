/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are in the memory of a test guest, and the ports by which it
 * talks to its test. Shared by C and assembly: numbers only.
 */
#ifndef SELFTESTS_LAYOUT_H
#define SELFTESTS_LAYOUT_H

#define GUEST_RAM_SIZE		0x400000

/* 0x0000: interrupt vectors of real mode */
#define GUEST_PML4		0x1000
#define GUEST_PDPT		0x2000
#define GUEST_PD		0x3000	/* four pages: 0 to 4 GiB in 2 MiB pages */
#define GUEST_GDT		0x7000
#define GUEST_TSS		0x7200
#define GUEST_TSS2		0x7300
#define GUEST_CODE		0x8000	/* payload, all of it below 64 KiB */
#define GUEST_STACK16		0xfff0
#define GUEST_IDT		0x20000
#define GUEST_STACK		0x30000	/* top; each vCPU has 4 KiB of its own */
#define GUEST_STACK_SIZE	0x1000
#define GUEST_IST		0x38000
#define GUEST_PD32		0x39000	/* page directory of 4 MiB pages */
#define GUEST_FREE		0x40000	/* from here on tests use what they like */

/* Guest-physical memory where there's never a slot. */
#define GUEST_MMIO		0x40000000
#define GUEST_APIC		0xfee00000
#define GUEST_IOAPIC		0xfec00000

/* Ports. */
#define PORT_DONE		0xd0	/* the called function has returned; RAX */
#define PORT_FATAL		0xd1	/* exception that nobody expected */
#define PORT_MARK		0xd2	/* the guest got to some point; EAX says which */

/* Selectors. */
#define SEL_CODE64		0x08
#define SEL_DATA		0x10
#define SEL_CODE32		0x18
#define SEL_CODE16		0x20
#define SEL_DATA16		0x28
#define SEL_USER_DATA		0x33
#define SEL_USER_CODE64		0x3b
#define SEL_TSS			0x40	/* two entries in long mode */
#define SEL_TSS2		0x50
#define SEL_NOT_PRESENT		0x60

#endif
