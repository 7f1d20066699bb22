/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers: LAPIC, IOAPIC, GSI routing, MSI. Vendor-neutral.
 */
#ifndef HV_IRQ_H
#define HV_IRQ_H

#include <linux/hv.h>
#include <linux/types.h>

struct hv_vm;
struct hv_vcpu;

/* Lines of one PIC */
#define HV_PIC_LINES		8

/* Entries of the routing table, and GSIs: the value of HV_CAP_IRQ_ROUTING */
#define HV_MAX_IRQ_ROUTES	4096

/* Delivery modes as encoded in ICR, LVT, RTE and MSI data (SDM 3A 11.6.1) */
enum hv_delivery_mode {
	HV_DM_FIXED = 0,
	HV_DM_LOWEST = 1,
	HV_DM_SMI = 2,
	HV_DM_NMI = 4,
	HV_DM_INIT = 5,
	HV_DM_SIPI = 6,
	HV_DM_EXTINT = 7,
};

/**
 * enum hv_irq_source - who drives an interrupt line
 * @HV_IRQ_VMM: HV_IRQ_LINE, and the edges of irqfds
 * @HV_IRQ_RESAMPLE: irqfds with HV_IRQFD_FLAG_RESAMPLE
 * @HV_IRQ_PIT: the PIT, which must hear of the end of its interrupt also if it is an edge
 * @HV_NR_IRQ_SOURCES: number of them
 */
enum hv_irq_source {
	HV_IRQ_VMM,
	HV_IRQ_RESAMPLE,
	HV_IRQ_PIT,
	HV_NR_IRQ_SOURCES,
};

/**
 * struct hv_apic_msg - an interrupt message on its way to one or more LAPICs
 * @dest: destination, 8 or 32 bits
 * @vector: 0..255
 * @mode: enum hv_delivery_mode
 * @logical: destination mode is logical
 * @level: trigger mode is level
 * @assert: level of the message (INIT de-assert is ignored)
 * @shorthand: ICR destination shorthand, 0 none, 1 self, 2 all, 3 all but self
 * @redirect: MSI redirection hint: deliver to one of the destinations
 */
struct hv_apic_msg {
	u32 dest;
	u8 vector;
	u8 mode;
	u8 shorthand;
	bool logical;
	bool level;
	bool assert;
	bool redirect;
};

/**
 * struct hv_posted - fixed interrupts on their way to a LAPIC
 * @pir: bit n: vector n is requested
 * @control: HV_POSTED_ON, and what the backend's processor wants there
 * @reserved: the processor's, 0
 *
 * Any context sets a bit of @pir and then, if it was clear, HV_POSTED_ON; whoever has set that
 * one tells the vCPU. The vCPU clears HV_POSTED_ON and then moves @pir into IRR.
 *
 * This is the posted-interrupt descriptor of Intel processors (SDM 3C 29.6, table 29-1), so
 * that one that has them takes interrupts over while the guest runs. It wants the descriptor
 * aligned to 64 bytes; Bochs 3.0 to a page (its bug 556), so it stands at the beginning of one.
 */
struct hv_posted {
	unsigned long pir[4];
	unsigned long control;
	u64 reserved[3];
} __aligned(64);

#define HV_POSTED_ON	0	/* bit: the vCPU has been told */

/* ---- src/irq/lapic.c, lapic_post.c, lapic_timer.c, apic_dest.c ---- */
int hv_lapic_create(struct hv_vcpu *vcpu);
void hv_lapic_destroy(struct hv_vcpu *vcpu);
void hv_lapic_reset(struct hv_vcpu *vcpu, bool init);
/* Vector of the highest interrupt that PPR lets through, or -1; own vCPU only */
int hv_lapic_pending(struct hv_vcpu *vcpu);
/* Take it: IRR -> ISR; own vCPU only */
void hv_lapic_accept(struct hv_vcpu *vcpu, int vector);
/* LVT0 would accept an ExtINT, of a PIC in the kernel or by HV_INTERRUPT; any context */
bool hv_lapic_accepts_extint(struct hv_vcpu *vcpu);
/* LINT0 rises: the PICs have an interrupt; any context */
void hv_lapic_lint0(struct hv_vcpu *vcpu);
/*
 * The timer on a processor that can end the guest at a host TSC: the backend says so when the
 * vCPU is created and asks before each entry; the run loop looks before each entry, and tells
 * when the vCPU sleeps.
 */
void hv_lapic_timer_by_processor(struct hv_vcpu *vcpu);
bool hv_lapic_timer_next(struct hv_vcpu *vcpu, u64 *tsc);
void hv_lapic_timer_check(struct hv_vcpu *vcpu);
void hv_lapic_timer_sleep(struct hv_vcpu *vcpu, bool asleep);
/* Expired timer: post its LVT entry (HV_REQ_TIMER) */
void hv_lapic_timer_fire(struct hv_vcpu *vcpu);
void hv_lapic_eoi(struct hv_vcpu *vcpu);
bool hv_lapic_eoi_is_private(struct hv_vcpu *vcpu);
u64 hv_lapic_get_tpr(struct hv_vcpu *vcpu);	/* as CR8, 0..15 */
void hv_lapic_set_tpr(struct hv_vcpu *vcpu, u64 cr8);
/* IA32_APIC_BASE: 0, or 1 = #GP */
int hv_lapic_set_base(struct hv_vcpu *vcpu, u64 val, bool host);
/* x2APIC MSRs 0x800..0x8ff: 0, or 1 = #GP */
int hv_lapic_msr_read(struct hv_vcpu *vcpu, u32 msr, u64 *val);
int hv_lapic_msr_write(struct hv_vcpu *vcpu, u32 msr, u64 val);
u64 hv_lapic_get_deadline(struct hv_vcpu *vcpu);
void hv_lapic_set_deadline(struct hv_vcpu *vcpu, u64 val);
/* Page of registers (HV_GET_LAPIC, HV_SET_LAPIC); 0 or -errno */
int hv_lapic_get_state(struct hv_vcpu *vcpu, struct hv_lapic_state *s);
int hv_lapic_set_state(struct hv_vcpu *vcpu, const struct hv_lapic_state *s);
/*
 * For a backend whose processor works on the page of registers by itself (SDM 3C chapter 29).
 * "Virtual" means that it delivers what is in IRR and takes EOIs; otherwise hv does, with
 * hv_lapic_pending() and hv_lapic_accept().
 */
bool hv_lapic_is_xapic(struct hv_vcpu *vcpu);
bool hv_lapic_is_x2apic(struct hv_vcpu *vcpu);
void *hv_lapic_regs(struct hv_vcpu *vcpu);
struct hv_posted *hv_lapic_posted(struct hv_vcpu *vcpu);
void hv_lapic_iommu_posts(struct hv_vcpu *vcpu);
/* An x2APIC read of register @reg (MSR - 0x800) may come from the page */
bool hv_lapic_page_readable(unsigned int reg);
bool hv_lapic_virtual(struct hv_vcpu *vcpu);
void hv_lapic_set_virtual(struct hv_vcpu *vcpu, bool on);
/* Nothing posted or pending: the entry need not look */
bool hv_lapic_quiet(struct hv_vcpu *vcpu);
/* Called by the run loop with interrupts off: HV_UPDATE_* bits for the backend */
unsigned int hv_lapic_before_entry(struct hv_vcpu *vcpu);
/* Highest vector in IRR (bits 7:0) and ISR (15:8), 0: none */
u16 hv_lapic_status(struct hv_vcpu *vcpu);
/* Bitmap of the vectors whose EOI must exit */
const unsigned long *hv_lapic_eoi_exits(struct hv_vcpu *vcpu);
void hv_lapic_eoi_exit(struct hv_vcpu *vcpu, u8 vector);
/* The guest has written the page at @offset */
void hv_lapic_written(struct hv_vcpu *vcpu, unsigned int offset);
/* Not virtual: TPR class (0..15) at which an interrupt waits, 0: none does */
unsigned int hv_lapic_tpr_threshold(struct hv_vcpu *vcpu);
/* TPR has more than CR8 can say */
bool hv_lapic_tpr_subclass(struct hv_vcpu *vcpu);
/*
 * INIT and SIPI that arrived: changes mp_state, resets the vCPU. vCPU loaded, process
 * context. Called by the run loop when hv_lapic_has_init_sipi().
 */
bool hv_lapic_has_init_sipi(struct hv_vcpu *vcpu);
void hv_lapic_do_init_sipi(struct hv_vcpu *vcpu);
/* For HV_SET_VCPU_EVENTS */
u8 hv_lapic_sipi_vector(struct hv_vcpu *vcpu);
void hv_lapic_set_sipi_vector(struct hv_vcpu *vcpu, u8 vector);
/* CPUID, TSC rate or TSC offset changed */
void hv_lapic_update_timer(struct hv_vcpu *vcpu);

/*
 * Deliver to every LAPIC that the message names. @src: sender or NULL. Any context,
 * interrupts off allowed. Returns the number of LAPICs that took it, -1 if none is
 * present there, 0 if all had it pending already (coalesced).
 */
int hv_apic_deliver(struct hv_vm *vm, struct hv_vcpu *src, const struct hv_apic_msg *msg);
/* Trigger mode in MSI data (SDM 3A 11.11.2) */
#define HV_MSI_LEVEL	BIT(15)
/* Reserved bits of a message's address are 0 */
bool hv_msi_valid(struct hv_vm *vm, u64 addr);
/* An MSI address/data pair (SDM 3A 11.11); same return value */
int hv_msi_deliver(struct hv_vm *vm, u64 addr, u32 data);

/*
 * In-kernel controllers' MMIO windows. Returns true if one of them took the access;
 * @data is read or filled in. Caller is the vCPU's thread.
 */
bool hv_irq_mmio(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write);
/* The same for ports: @size 1, 2 or 4 */
bool hv_irq_pio(struct hv_vm *vm, u16 port, unsigned int size, void *data, bool write);

/* ---- src/irq/pic.c ---- */
int hv_pic_create(struct hv_vm *vm);
void hv_pic_destroy(struct hv_vm *vm);
int hv_pic_set_source(struct hv_vm *vm, unsigned int pin, enum hv_irq_source src, bool level);
/* The line has an interrupt that is requested, and not masked, or in service */
bool hv_pic_pending(struct hv_vm *vm, unsigned int pin);
/* INTR is high: hv_pic_ack() has a vector; any context */
bool hv_pic_output(struct hv_vm *vm);
u8 hv_pic_ack(struct hv_vm *vm);
bool hv_pic_has_port(u16 port);
void hv_pic_pio(struct hv_vm *vm, u16 port, u8 *val, bool write);
int hv_pic_get_state(struct hv_vm *vm, unsigned int n, struct hv_pic_state *s);
int hv_pic_set_state(struct hv_vm *vm, unsigned int n, const struct hv_pic_state *s);

/* ---- src/irq/ioapic.c ---- */
int hv_ioapic_create(struct hv_vm *vm);
void hv_ioapic_destroy(struct hv_vm *vm);
int hv_ioapic_set_source(struct hv_vm *vm, unsigned int pin, enum hv_irq_source src, bool level);
static inline int hv_ioapic_set_pin(struct hv_vm *vm, unsigned int pin, bool level)
{
	return hv_ioapic_set_source(vm, pin, HV_IRQ_VMM, level);
}

void hv_ioapic_eoi(struct hv_vm *vm, u8 vector);
/* The pin's interrupt has not been ended: 1, 0, or -1: the pin is masked */
int hv_ioapic_pending(struct hv_vm *vm, unsigned int pin);
int hv_ioapic_get_state(struct hv_vm *vm, struct hv_ioapic_state *s);
int hv_ioapic_set_state(struct hv_vm *vm, const struct hv_ioapic_state *s);

/* ---- src/irq/pit.c ---- */
int hv_pit_create(struct hv_vm *vm, bool speaker);
void hv_pit_destroy(struct hv_vm *vm);
/* The guest has ended an interrupt of the timer's GSI; any context */
void hv_pit_acked(struct hv_vm *vm);
bool hv_pit_has_port(struct hv_vm *vm, u16 port);
void hv_pit_pio(struct hv_vm *vm, u16 port, u8 *val, bool write);
int hv_pit_get_state(struct hv_vm *vm, struct hv_pit_state2 *s);
int hv_pit_set_state(struct hv_vm *vm, const struct hv_pit_channel_state *channels,
		     const u32 *flags);
int hv_pit_reinject(struct hv_vm *vm, bool on);

/* ---- src/irq/routing.c ---- */
int hv_routing_set_default(struct hv_vm *vm);
void hv_routing_destroy(struct hv_vm *vm);
/* Returns delivered count, 0 coalesced, -1 ignored, or -errno (-ENXIO: no irqchip) */
int hv_irq_line(struct hv_vm *vm, u32 gsi, bool level);
int hv_irq_line_source(struct hv_vm *vm, u32 gsi, enum hv_irq_source src, bool level);
/* Up and down again */
void hv_irq_pulse(struct hv_vm *vm, u32 gsi);
/* An interrupt of the GSI has not been ended by the guest; MSIs end nowhere. Any context */
bool hv_irq_pending(struct hv_vm *vm, u32 gsi);
/* End of a level-triggered interrupt; own vCPU only */
void hv_irq_eoi(struct hv_vcpu *vcpu, u8 vector);
/* The guest has ended the interrupt of a pin: EOI. Any context, no lock of a chip held. */
void hv_irq_acked(struct hv_vm *vm, unsigned int chip, unsigned int pin);

/* HV_CAP_SPLIT_IRQCHIP: LAPICs here, the IOAPIC in the VMM; vm->lock */
long hv_irqchip_split(struct hv_vm *vm, u64 nr_routes);
/* src/irq/irqfd.c: somebody waits for the end of interrupts; any context */
bool hv_irqfd_resamples(struct hv_vm *vm);
/* src/irq/irqchip.c: handlers of HV_CREATE_IRQCHIP, GET/SET_IRQCHIP, SET_GSI_ROUTING,
 * IRQ_LINE(_STATUS), SIGNAL_MSI; listed in a table like those of src/x86/ioctl.c
 */
struct hv_ioctl_table;
extern const struct hv_ioctl_table hv_irq_vm_ioctls;
extern const struct hv_ioctl_table hv_irq_vcpu_ioctls;	/* GET/SET_LAPIC */

#endif
