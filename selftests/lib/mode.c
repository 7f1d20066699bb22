// SPDX-License-Identifier: GPL-2.0-only
/*
 * Putting a vCPU into a processor mode, with the tables that the mode needs.
 */
#include "hvtest.h"

#define DESC_CODE	0xbUL	/* execute, read, accessed */
#define DESC_DATA	0x3UL	/* read, write, accessed */
#define PTE_P		0x1UL
#define PTE_W		0x2UL
#define PTE_U		0x4UL
#define PTE_A		0x20UL
#define PTE_D		0x40UL
#define PTE_PS		0x80UL
#define STUB_SIZE	16

/* Flat code or data descriptor (SDM 3A 3.4.5). */
static uint64_t descriptor(uint64_t type, unsigned int dpl, unsigned int db,
			   unsigned int l, unsigned int g)
{
	uint64_t limit = g ? 0xfffff : 0xffff;

	return (limit & 0xffff) | (limit >> 16) << 48 | type << 40 | 1UL << 44 |
	       (uint64_t)dpl << 45 | 1UL << 47 | (uint64_t)l << 53 |
	       (uint64_t)db << 54 | (uint64_t)g << 55;
}

/* Descriptor of an available TSS, first half (SDM 3A 7.2.2). */
static uint64_t tss_descriptor(uint64_t base, uint64_t limit)
{
	return (limit & 0xffff) | (base & 0xffffff) << 16 | 0x9UL << 40 | 1UL << 47 |
	       (base >> 24 & 0xff) << 56;
}

/**
 * gdt_build() - write the GDT and the TSS that it points to
 * @vm: the VM
 * @long_mode: with a 64-bit TSS
 */
void gdt_build(struct vm *vm, bool long_mode)
{
	uint64_t *gdt = (uint64_t *)(vm->ram + GUEST_GDT);
	uint32_t *tss = (uint32_t *)(vm->ram + GUEST_TSS);

	memset(gdt, 0, GUEST_CODE - GUEST_GDT);
	gdt[SEL_CODE64 / 8] = descriptor(DESC_CODE, 0, 0, 1, 1);
	gdt[SEL_DATA / 8] = descriptor(DESC_DATA, 0, 1, 0, 1);
	gdt[SEL_CODE32 / 8] = descriptor(DESC_CODE, 0, 1, 0, 1);
	gdt[SEL_CODE16 / 8] = descriptor(DESC_CODE, 0, 0, 0, 0);
	gdt[SEL_DATA16 / 8] = descriptor(DESC_DATA, 0, 0, 0, 0);
	gdt[SEL_USER_DATA / 8] = descriptor(DESC_DATA, 3, 1, 0, 1);
	gdt[SEL_USER_CODE64 / 8] = descriptor(DESC_CODE, 3, 0, 1, 1);
	gdt[SEL_NOT_PRESENT / 8] = descriptor(DESC_DATA, 0, 1, 0, 1) & ~(1UL << 47);
	gdt[SEL_TSS / 8] = tss_descriptor(GUEST_TSS, 0x67);
	if (long_mode) {
		tss[1] = GUEST_IST;	/* RSP0 */
		tss[9] = GUEST_IST;	/* IST1 */
	} else {
		gdt[SEL_TSS2 / 8] = tss_descriptor(GUEST_TSS2, 0x67);
		tss[1] = GUEST_IST;	/* ESP0 */
		tss[2] = SEL_DATA;	/* SS0 */
	}
	tss[25] = 0x68U << 16;		/* I/O bitmap: none */
}

/**
 * idt_build() - write an IDT whose gates lead to the stubs of runtime.S
 * @vm: the VM
 * @long_mode: 64-bit gates
 */
void idt_build(struct vm *vm, bool long_mode)
{
	uint64_t stub = guest_sym(vm, long_mode ? "isr64" : "isr32");
	uint64_t *idt = (uint64_t *)(vm->ram + GUEST_IDT);
	unsigned int i;

	for (i = 0; i < 256; i++, stub += STUB_SIZE) {
		uint64_t sel = long_mode ? SEL_CODE64 : SEL_CODE32;
		uint64_t gate = (stub & 0xffff) | sel << 16 | 0xeUL << 40 | 1UL << 47 |
				(stub >> 16 & 0xffff) << 48;

		if (long_mode) {
			idt[2 * i] = gate;
			idt[2 * i + 1] = stub >> 32;
		} else {
			idt[i] = gate;
		}
	}
}

/**
 * page_tables_build() - write page tables: 0 to 4 GiB, identity
 * @vm: the VM
 *
 * 4-level tables of 2 MiB pages, and a directory of 4 MiB pages for 32-bit paging.
 */
void page_tables_build(struct vm *vm)
{
	uint64_t *pml4 = (uint64_t *)(vm->ram + GUEST_PML4);
	uint64_t *pdpt = (uint64_t *)(vm->ram + GUEST_PDPT);
	uint64_t *pd = (uint64_t *)(vm->ram + GUEST_PD);
	uint32_t *pd32 = (uint32_t *)(vm->ram + GUEST_PD32);
	unsigned int i;

	pml4[0] = GUEST_PDPT | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PD + i * PAGE) | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < 2048; i++)
		pd[i] = (uint64_t)i << 21 | PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_PS;
	for (i = 0; i < 1024; i++)
		pd32[i] = i << 22 | PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_PS;
}

/**
 * seg_set() - fill in a flat segment
 * @seg: the segment
 * @selector: selector
 * @type: descriptor type
 * @db: D/B bit
 * @l: L bit
 */
void seg_set(struct hv_segment *seg, uint16_t selector, uint8_t type, int db, int l)
{
	*seg = (struct hv_segment) {
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.dpl = selector & 3,
		.db = db,
		.s = 1,
		.l = l,
		.g = 1,
	};
}

static void set_entry(struct vcpu *vcpu, const char *entry, uint64_t sp)
{
	struct hv_regs regs = {
		.rip = entry ? guest_sym(vcpu->vm, entry) : GUEST_CODE,
		.rsp = sp,
		.rflags = RFLAGS_FIXED,
	};

	vcpu_set_regs(vcpu, &regs);
}

/**
 * vcpu_real_mode() - start in real mode with all segments at 0
 * @vcpu: the vCPU, after reset
 * @entry: symbol, or NULL for the start of the payload
 */
void vcpu_real_mode(struct vcpu *vcpu, const char *entry)
{
	struct hv_sregs sregs = vcpu_sregs(vcpu);

	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	vcpu_set_sregs(vcpu, &sregs);
	set_entry(vcpu, entry, GUEST_STACK16);
}

static void flat_segments(struct hv_sregs *sregs, bool long_mode)
{
	seg_set(&sregs->cs, long_mode ? SEL_CODE64 : SEL_CODE32, DESC_CODE, !long_mode,
		long_mode);
	seg_set(&sregs->ds, SEL_DATA, DESC_DATA, 1, 0);
	sregs->es = sregs->fs = sregs->gs = sregs->ss = sregs->ds;
	sregs->tr = (struct hv_segment) {
		.base = GUEST_TSS, .limit = 0x67, .selector = SEL_TSS, .type = 0xb,
		.present = 1,
	};
	sregs->ldt = (struct hv_segment) { .unusable = 1 };
	sregs->gdt.base = GUEST_GDT;
	sregs->gdt.limit = GUEST_TSS - GUEST_GDT - 1;
	sregs->idt.base = GUEST_IDT;
	sregs->idt.limit = long_mode ? 0xfff : 0x7ff;
}

static uint64_t stack_top(struct vcpu *vcpu)
{
	return GUEST_STACK - vcpu->id % 8 * GUEST_STACK_SIZE;
}

/**
 * vcpu_protected_mode() - start in flat 32-bit protected mode without paging
 * @vcpu: the vCPU, after reset
 * @entry: symbol, or NULL for the start of the payload
 */
void vcpu_protected_mode(struct vcpu *vcpu, const char *entry)
{
	struct hv_sregs sregs = vcpu_sregs(vcpu);

	gdt_build(vcpu->vm, false);
	idt_build(vcpu->vm, false);
	page_tables_build(vcpu->vm);
	flat_segments(&sregs, false);
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
	sregs.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
	sregs.efer = 0;
	vcpu_set_sregs(vcpu, &sregs);
	set_entry(vcpu, entry, stack_top(vcpu));
}

/*
 * Let the guest use its descriptor tables and stacks once. The emulated Intel processor forgets
 * which virtual interrupt it was delivering when that needs a page for the first time:
 * see "Limits" in Documentation/testing.rst.
 */
static void touch_tables(struct vcpu *vcpu)
{
	struct hv_mp_state s;

	if (!vcpu->vm->irqchip || vcpu->vm->touched)
		return;
	must(hv_ioctl(vcpu->fd, HV_GET_MP_STATE, &s));
	if (s.mp_state != HV_MP_STATE_RUNNABLE)
		return;
	vcpu->vm->touched = true;
	guest_call(vcpu, "touch_tables");
}

/**
 * vcpu_long_mode() - start in 64-bit mode, 0 to 4 GiB mapped to itself
 * @vcpu: the vCPU
 * @entry: symbol, or NULL for the start of the payload
 */
void vcpu_long_mode(struct vcpu *vcpu, const char *entry)
{
	struct hv_sregs sregs = vcpu_sregs(vcpu);

	gdt_build(vcpu->vm, true);
	idt_build(vcpu->vm, true);
	page_tables_build(vcpu->vm);
	flat_segments(&sregs, true);
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	sregs.efer = EFER_LME | EFER_LMA;
	vcpu_set_sregs(vcpu, &sregs);
	touch_tables(vcpu);
	set_entry(vcpu, entry, stack_top(vcpu));
}
