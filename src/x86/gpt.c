// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's own page tables (SDM 3A chapter 4): translation of linear addresses, with
 * the access rights and the accessed and dirty bits as the processor has them.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <hv/backend.h>
#include "internal.h"

/* Entry bits; the same in all modes (SDM 3A tables 4-5, 4-6, 4-19, 4-20) */
#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDR	GENMASK_ULL(51, 12)
#define PTE_PKEY_SHIFT	59

/* #PF error code (SDM 3A 4.7) */
#define PFEC_P		BIT(0)
#define PFEC_W		BIT(1)
#define PFEC_U		BIT(2)
#define PFEC_RSVD		BIT(3)
#define PFEC_I		BIT(4)
#define PFEC_PK		BIT(5)

/* What paging looks at in CR0 and CR4 */
#define HV_WALK_CR0	(X86_CR0_PG | X86_CR0_WP)
#define HV_WALK_CR4	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_LA57 | X86_CR4_SMEP | X86_CR4_SMAP | \
			 X86_CR4_PKE)

/* Changes under the walk make it start again; a hostile guest gets this many chances. */
#define HV_WALK_RETRIES	16
#define HV_MAX_LEVELS	5

/**
 * struct hv_walk - one translation
 * @cr0: with @cr4 and @efer the paging mode
 * @cr4: see @cr0
 * @efer: see @cr0
 * @access: HV_ACC_*; 0: no checks, nothing is written
 * @user: user-mode access
 * @levels: depth of the tables
 * @pae: entries have 8 bytes, else 4
 * @reserved: bits that no entry may have, whatever its level
 * @slot: memory slot of the entry read last
 * @pte: entries that were used, by level less one
 * @pte_gpa: where they are
 * @level: of the leaf
 * @gpa: result
 * @error: for #PF
 */
struct hv_walk {
	u64 cr0;
	u64 cr4;
	u64 efer;
	unsigned int access;
	bool user;
	bool pae;
	unsigned int levels;
	u64 reserved;
	const struct hv_memslot *slot;
	u64 pte[HV_MAX_LEVELS];
	u64 pte_gpa[HV_MAX_LEVELS];
	unsigned int level;
	u64 gpa;
	u32 error;
};

/* Address bits that an entry of one level translates */
static unsigned int hv_level_shift(const struct hv_walk *w, unsigned int level)
{
	return 12 + (level - 1) * (w->pae ? 9 : 10);
}

static bool hv_is_pdpte(const struct hv_walk *w, unsigned int level)
{
	return w->pae && w->levels == 3 && level == 3;
}

static bool hv_is_leaf(const struct hv_walk *w, unsigned int level, u64 pte)
{
	if (level == 1)
		return true;
	if (!(pte & PTE_PS))
		return false;
	if (!w->pae)
		return w->cr4 & X86_CR4_PSE;
	/* 1 GiB pages exist in IA-32e mode only; PS is reserved higher up. */
	return level == 2 || (level == 3 && w->levels > 3);
}

/* Reserved in entries of every level; the rest is hv_reserved_bits(). */
static u64 hv_always_reserved(struct hv_vcpu *vcpu, const struct hv_walk *w)
{
	u64 rsvd = PTE_ADDR & ~(BIT_ULL(vcpu->x86.maxphyaddr) - 1);

	if (!w->pae)
		return 0;
	if (!(w->efer & EFER_NX))
		rsvd |= PTE_NX;
	if (w->levels == 3)
		rsvd |= GENMASK_ULL(62, 52);
	return rsvd;
}

static u64 hv_reserved_bits(const struct hv_walk *w, unsigned int level, u64 pte)
{
	u64 rsvd = w->reserved;
	bool leaf = hv_is_leaf(w, level, pte);

	/* PSE-36: bits 20:13 are address bits 39:32, bit 21 is reserved (SDM 3A 4.3). */
	if (!w->pae)
		return leaf && level == 2 ? BIT_ULL(21) : 0;
	if (hv_is_pdpte(w, level))
		return rsvd | PTE_NX | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);
	if (level >= 4)
		rsvd |= PTE_PS;
	if (leaf && level > 1)
		rsvd |= GENMASK_ULL(hv_level_shift(w, level) - 1, 13);
	return rsvd;
}

static int hv_fault(struct hv_walk *w, u32 error)
{
	w->error = error;
	if (w->access & HV_ACC_WRITE)
		w->error |= PFEC_W;
	if (w->user)
		w->error |= PFEC_U;
	/* I is set only where fetches differ from reads (SDM 3A 4.7). */
	if ((w->access & HV_ACC_EXEC) &&
	    ((w->pae && (w->efer & EFER_NX)) || (w->cr4 & X86_CR4_SMEP)))
		w->error |= PFEC_I;
	return 1;
}

static bool hv_pkey_allows(struct hv_vcpu *vcpu, const struct hv_walk *w, u64 pte)
{
	unsigned int key = (pte >> PTE_PKEY_SHIFT) & 0xf;
	u32 bits = vcpu->x86.pkru >> (key * 2);

	if (!(w->cr4 & X86_CR4_PKE) || w->levels < 4 || (w->access & HV_ACC_EXEC))
		return true;
	if (bits & 1)
		return false;
	/* Write-disable binds supervisors only with CR0.WP (SDM 3A 4.6.2). */
	return !(w->access & HV_ACC_WRITE) || !(bits & 2) ||
	       (!w->user && !(w->cr0 & X86_CR0_WP));
}

/* SDM 3A 4.6.1; @rights: U, W and NX combined over all levels */
static int hv_check_rights(struct hv_vcpu *vcpu, struct hv_walk *w, u64 rights)
{
	bool user_page = rights & PTE_U;
	bool write = w->access & HV_ACC_WRITE;
	bool exec = w->access & HV_ACC_EXEC;

	if (w->user && !user_page)
		return hv_fault(w, PFEC_P);
	if (write && !(rights & PTE_W) && (w->user || (w->cr0 & X86_CR0_WP)))
		return hv_fault(w, PFEC_P);
	if (exec && (rights & PTE_NX))
		return hv_fault(w, PFEC_P);
	if (!w->user && user_page) {
		if (exec && (w->cr4 & X86_CR4_SMEP))
			return hv_fault(w, PFEC_P);
		if (!exec && (w->cr4 & X86_CR4_SMAP) &&
		    !(hv_rflags(vcpu) & X86_EFLAGS_AC))
			return hv_fault(w, PFEC_P);
	}
	if (user_page && !hv_pkey_allows(vcpu, w, w->pte[w->level - 1]))
		return hv_fault(w, PFEC_P | PFEC_PK);
	return 0;
}

/* 0, 1 = an entry has changed: walk again, or -errno */
static int hv_set_accessed(struct hv_vcpu *vcpu, struct hv_walk *w)
{
	unsigned int level;

	for (level = w->levels; level >= w->level; level--) {
		u64 old = w->pte[level - 1];
		u64 new = old | PTE_A;
		int rc;

		if (hv_is_pdpte(w, level))
			continue;
		if (level == w->level && (w->access & HV_ACC_WRITE))
			new |= PTE_D;
		if (new == old)
			continue;
		/* Little endian: the first four bytes are the low ones. */
		rc = hv_guest_cmpxchg(vcpu->vm, w->pte_gpa[level - 1], &old, &new,
				      w->pae ? 8 : 4);
		if (rc)
			return rc;
	}
	return 0;
}

/* Walk once. 0, 1 = #PF, or -errno if a table is not in memory. */
static int hv_walk_once(struct hv_vcpu *vcpu, struct hv_walk *w, u64 gva)
{
	unsigned int size = w->pae ? 8 : 4;
	u64 rights = PTE_U | PTE_W;
	unsigned int level = w->levels;
	u64 cr3 = hv_cr3(vcpu);
	u64 table, pte, offset;
	int rc;

	if (!w->pae)
		table = cr3 & 0xfffff000;
	else
		table = w->levels == 3 ? cr3 & 0xffffffe0 : cr3 & PTE_ADDR;

	for (;; level--) {
		unsigned int shift = hv_level_shift(w, level);
		u64 index = (gva >> shift) & (w->pae ? 0x1ff : 0x3ff);

		if (hv_is_pdpte(w, level))
			index &= 3;
		w->pte_gpa[level - 1] = table + index * size;
		rc = hv_guest_read_entry(vcpu->vm, &w->slot, w->pte_gpa[level - 1], &pte, size);
		if (rc)
			return rc;
		w->pte[level - 1] = pte;
		if (!(pte & PTE_P))
			return hv_fault(w, 0);
		if (pte & hv_reserved_bits(w, level, pte))
			return hv_fault(w, PFEC_P | PFEC_RSVD);
		if (!hv_is_pdpte(w, level))
			rights = (rights & pte & (PTE_U | PTE_W)) | ((rights | pte) & PTE_NX);
		if (hv_is_leaf(w, level, pte))
			break;
		table = pte & PTE_ADDR;
		if (!w->pae)
			table &= 0xfffff000;
	}

	w->level = level;
	offset = BIT_ULL(hv_level_shift(w, level)) - 1;
	w->gpa = (pte & PTE_ADDR & ~offset) | (gva & offset);
	if (!w->pae) {
		w->gpa = (pte & 0xfffff000 & ~offset) | (gva & offset);
		if (level == 2)
			w->gpa |= ((pte >> 13) & 0xff) << 32;
	}
	return w->access ? hv_check_rights(vcpu, w, rights) : 0;
}

/* 0 with w->gpa, 1 with w->error, or -errno */
static int hv_walk(struct hv_vcpu *vcpu, struct hv_walk *w, u64 gva)
{
	unsigned int try;
	int rc;

	w->cr0 = hv_cr0_bits(vcpu, HV_WALK_CR0);
	w->cr4 = hv_cr4_bits(vcpu, HV_WALK_CR4);
	w->efer = vcpu->x86.efer;
	if (!(w->cr0 & X86_CR0_PG)) {
		w->gpa = gva;
		return 0;
	}
	w->pae = w->cr4 & X86_CR4_PAE;
	if (w->efer & EFER_LMA)
		w->levels = w->cr4 & X86_CR4_LA57 ? 5 : 4;
	else
		w->levels = w->pae ? 3 : 2;
	w->reserved = hv_always_reserved(vcpu, w);

	for (try = 0; try < HV_WALK_RETRIES; try++) {
		rc = hv_walk_once(vcpu, w, gva);
		if (rc || !w->access)
			return rc;
		rc = hv_set_accessed(vcpu, w);
		if (rc <= 0)
			return rc;
	}
	return -EAGAIN;
}

/* hv_translate() with the walk for a result; only as much of it is filled in as was used. */
static int hv_translate_walk(struct hv_vcpu *vcpu, struct hv_walk *w, u64 gva,
			     unsigned int access, bool user, struct hv_event *ev)
{
	int rc;

	w->access = access;
	w->user = user;
	w->slot = NULL;
	rc = hv_walk(vcpu, w, gva);
	if (rc > 0)
		*ev = (struct hv_event) {
			.type = HV_EVENT_EXCEPTION,
			.vector = HV_VEC_PF,
			.has_error = true,
			.error = w->error,
			.has_payload = true,
			.payload = gva,
		};
	return rc;
}

/**
 * hv_translate() - translate a linear address as an access by the guest would
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @gva: linear address; canonical in 64-bit mode
 * @access: HV_ACC_*, at least one
 * @user: access at CPL 3, or explicit user access
 * @gpa: result
 * @ev: the #PF, if there is one
 *
 * Sets accessed and dirty bits.
 *
 * Context: process context, may sleep.
 *
 * Return: 0; 1 with *@ev to be raised; -errno if a page table is not in memory.
 */
int hv_translate(struct hv_vcpu *vcpu, u64 gva, unsigned int access, bool user,
		 u64 *gpa, struct hv_event *ev)
{
	struct hv_walk w;
	int rc = hv_translate_walk(vcpu, &w, gva, access, user, ev);

	if (!rc)
		*gpa = w.gpa;
	return rc;
}

/* Where an address of guest memory is for the VMM; 0: it is not in a slot. */
static unsigned long hv_gpa_to_hva(const struct hv_memslots *slots, u64 gpa)
{
	const struct hv_memslot *slot = hv_memslot_find(slots, gpa >> PAGE_SHIFT);

	return slot ? slot->hva + (gpa - (slot->gfn << PAGE_SHIFT)) : 0;
}

/* Remember the way of a walk for a fetch. Only IA-32e mode's: others have no use for it. */
static void hv_code_page_note(struct hv_vcpu *vcpu, struct hv_code_page *c, struct hv_walk *w,
			      u64 la)
{
	const struct hv_memslots *slots = hv_vm_memslots(vcpu->vm);
	unsigned int level;

	c->generation = 0;
	c->rip = ~0ULL;
	if (!(w->cr0 & X86_CR0_PG) || w->levels < 4)
		return;
	c->nr = 0;
	for (level = w->levels; level >= w->level; level--) {
		c->entry_hva[c->nr] = hv_gpa_to_hva(slots, w->pte_gpa[level - 1]);
		c->entry[c->nr] = w->pte[level - 1] | PTE_A;
		if (!c->entry_hva[c->nr++])
			return;
	}
	c->hva = hv_gpa_to_hva(slots, w->gpa & PAGE_MASK);
	if (!c->hva)
		return;
	c->la = la & PAGE_MASK;
	c->cr0 = w->cr0;
	c->cr3 = hv_cr3(vcpu);
	c->cr4 = w->cr4;
	c->efer = w->efer;
	c->user = w->user;
	c->generation = slots->generation;
}

/**
 * hv_code_page_find() - walk for a fetch and remember the way
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @c: filled in; its generation stays 0 if the page is not worth remembering
 * @la: linear address
 * @user: CPL is 3
 * @ev: the #PF, if there is one
 *
 * Return: as hv_translate().
 */
int hv_code_page_find(struct hv_vcpu *vcpu, struct hv_code_page *c, u64 la, bool user,
		      struct hv_event *ev)
{
	struct hv_walk w;
	int rc;

	rc = hv_translate_walk(vcpu, &w, la, HV_ACC_EXEC, user, ev);
	if (rc)
		c->generation = 0;
	else
		hv_code_page_note(vcpu, c, &w, la);
	return rc;
}

/**
 * hv_code_page_read() - read 16 bytes of code, if the way to them is still the same
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @c: from hv_code_page_find()
 * @la: linear address, not in the last 15 bytes of a page
 * @user: CPL is 3
 * @bytes: filled in
 *
 * The entries are read one after the other, as a walk would.
 *
 * Return: false: it isn't, or memory is not there now: find again.
 */
bool hv_code_page_read(struct hv_vcpu *vcpu, struct hv_code_page *c, u64 la, bool user,
		       u64 bytes[2])
{
	const u64 __user *code = (const u64 __user *)(c->hva + offset_in_page(la));
	unsigned int i;
	u64 entry;

	if (c->generation != hv_vm_memslots(vcpu->vm)->generation || c->la != (la & PAGE_MASK) ||
	    c->user != user || c->cr3 != hv_cr3(vcpu) || c->efer != vcpu->x86.efer ||
	    c->cr0 != hv_cr0_bits(vcpu, HV_WALK_CR0) || c->cr4 != hv_cr4_bits(vcpu, HV_WALK_CR4))
		return false;
	if (current->mm != vcpu->vm->mm || !user_read_access_begin(code, 2 * sizeof(u64)))
		return false;
	for (i = 0; i < c->nr; i++) {
		unsafe_get_user(entry, (const u64 __user *)c->entry_hva[i], gone);
		if (entry != c->entry[i])
			goto gone;
	}
	unsafe_get_user(bytes[0], code, gone);
	unsafe_get_user(bytes[1], code + 1, gone);
	user_read_access_end();
	return true;
gone:
	user_read_access_end();
	return false;
}

/*
 * For HV_TRANSLATE: no access rights, no accessed bits. False if it isn't mapped.
 */
bool hv_translate_system(struct hv_vcpu *vcpu, u64 gva, u64 *gpa)
{
	struct hv_walk w = { .access = 0 };

	if (hv_walk(vcpu, &w, gva))
		return false;
	*gpa = w.gpa;
	return true;
}

/* Bytes from @gva to the end of its page, at most @len */
static unsigned int hv_page_part(u64 gva, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gva));
}

/**
 * hv_read_linear() - read guest memory by linear address
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @gva: linear address
 * @data: result; may be partly written after a fault
 * @len: bytes
 * @access: HV_ACC_READ or HV_ACC_EXEC
 * @user: access at CPL 3
 * @ev: the #PF, if there is one
 *
 * Context: process context, may sleep.
 *
 * Return: as hv_translate(); -ENOENT where there is no memory slot.
 */
int hv_read_linear(struct hv_vcpu *vcpu, u64 gva, void *data, unsigned int len,
		   unsigned int access, bool user, struct hv_event *ev)
{
	unsigned int n;
	u64 gpa;
	int rc;

	for (; len; len -= n, gva += n, data += n) {
		n = hv_page_part(gva, len);
		rc = hv_translate(vcpu, gva, access, user, &gpa, ev);
		if (rc)
			return rc;
		rc = hv_guest_read(vcpu->vm, gpa, data, n);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * hv_write_linear() - write guest memory by linear address
 * @vcpu: loaded vCPU; caller holds vm->srcu
 * @gva: linear address
 * @data: bytes
 * @len: their number
 * @user: access at CPL 3
 * @ev: the #PF, if there is one
 *
 * A fault on the second page leaves the first unwritten, if there are two.
 *
 * Context: process context, may sleep.
 *
 * Return: as hv_translate(); -ENOENT where there is no memory slot, -EROFS.
 */
int hv_write_linear(struct hv_vcpu *vcpu, u64 gva, const void *data, unsigned int len,
		    bool user, struct hv_event *ev)
{
	unsigned int n = hv_page_part(gva, len);
	u64 gpa, next;
	int rc;

	rc = hv_translate(vcpu, gva, HV_ACC_WRITE, user, &gpa, ev);
	while (!rc) {
		if (n < len)
			rc = hv_translate(vcpu, gva + n, HV_ACC_WRITE, user, &next, ev);
		if (!rc)
			rc = hv_guest_write(vcpu->vm, gpa, data, n);
		if (rc || n == len)
			break;
		gva += n;
		data += n;
		len -= n;
		gpa = next;
		n = hv_page_part(gva, len);
	}
	return rc;
}
