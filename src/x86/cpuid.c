// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what this host can offer to a guest, and what a guest is told.
 *
 * A feature is offered when the host's kernel uses it or knows it (so boot options
 * count) and hv virtualizes it. Bits that follow the guest's own state (OSXSAVE, OSPKE,
 * APIC, sizes in leaf 0xd) are filled in when the guest asks.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/kvm_para.h>
#include <asm/processor.h>
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/irq.h>
#include "internal.h"

#define HV_MAX_CPUID_ENTRIES	256
/* Legacy region and header of an XSAVE area (SDM 1 13.4) */
#define HV_XSAVE_MIN_SIZE	576
#define HV_MIN_PHYADDR_BITS	32
#define HV_MAX_PHYADDR_BITS	52

/* Result registers */
enum { HV_EAX, HV_EBX, HV_ECX, HV_EDX };

/* Bits by their number in the manual (SDM 2A, CPUID) */
#define HV_1_EDX_APIC		BIT(9)
#define HV_1_ECX_X2APIC		BIT(21)
#define HV_1_ECX_OSXSAVE	BIT(27)
#define HV_1_ECX_HYPERVISOR	BIT(31)
#define HV_7_ECX_OSPKE		BIT(4)
#define HV_7_EBX_TSC_ADJUST	BIT(1)
#define HV_7_EDX_ARCH_CAP	BIT(29)
/* AMD: bits of leaf 1 EDX again (APM 3, appendix E.4.2) */
#define HV_8000_0001_EDX_COPY	0x0183f3ff
/* No nested data breakpoints, LFENCE serializes, null selectors clear their base (APM 3 E.4.18) */
#define HV_8000_0021_EAX	(BIT(0) | BIT(2) | BIT(6))
#define HV_D1_XSAVEC		BIT(1)
#define HV_D1_XSAVES		BIT(3)

/**
 * struct hv_cpuid_word - features of one result register that may be offered
 * @func: leaf
 * @index: subleaf
 * @reg: result register
 * @word: where the host's kernel keeps its copy
 * @always: bits that hv provides whatever the host has
 * @unnamed: bits offered if the host has them that the kernel has no name for
 * @features: X86_FEATURE_*, ended by 0 (FPU, which is feature 0, is in @always' place)
 */
struct hv_cpuid_word {
	u32 func;
	u32 index;
	u8 reg;
	u8 word;
	u32 always;
	u32 unnamed;
	const u16 *features;
};

#define HV_FEATURES(...) ((const u16 []) { __VA_ARGS__, 0 })
#define F(name)	X86_FEATURE_##name

static const struct hv_cpuid_word hv_cpuid_words[] = {
	{ 1, 0, HV_EDX, CPUID_1_EDX, BIT(0), 0,
	  HV_FEATURES(F(VME), F(DE), F(PSE), F(TSC), F(MSR), F(PAE), F(MCE), F(CX8), F(APIC),
		      F(SEP), F(MTRR), F(PGE), F(MCA), F(CMOV), F(PAT), F(PSE36), F(CLFLUSH),
		      F(MMX), F(FXSR), F(XMM), F(XMM2), F(SELFSNOOP)) },
	{ 1, 0, HV_ECX, CPUID_1_ECX, HV_1_ECX_X2APIC | HV_1_ECX_HYPERVISOR, 0,
	  HV_FEATURES(F(XMM3), F(PCLMULQDQ), F(SSSE3), F(FMA), F(CX16), F(PCID), F(XMM4_1),
		      F(XMM4_2), F(MOVBE), F(POPCNT), F(AES), F(XSAVE), F(AVX), F(F16C),
		      F(RDRAND)) },
	{ 7, 0, HV_EBX, CPUID_7_0_EBX, HV_7_EBX_TSC_ADJUST, 0,
	  HV_FEATURES(F(FSGSBASE), F(BMI1), F(HLE), F(AVX2), F(FDP_EXCPTN_ONLY), F(SMEP),
		      F(BMI2), F(ERMS), F(INVPCID), F(RTM), F(ZERO_FCS_FDS), F(AVX512F),
		      F(AVX512DQ), F(RDSEED), F(ADX), F(SMAP), F(AVX512IFMA), F(CLFLUSHOPT),
		      F(CLWB), F(AVX512CD), F(SHA_NI), F(AVX512BW), F(AVX512VL)) },
	{ 7, 0, HV_ECX, CPUID_7_ECX, 0, 0,
	  HV_FEATURES(F(AVX512VBMI), F(UMIP), F(PKU), F(AVX512_VBMI2), F(GFNI), F(VAES),
		      F(VPCLMULQDQ), F(AVX512_VNNI), F(AVX512_BITALG), F(AVX512_VPOPCNTDQ),
		      F(LA57), F(RDPID), F(CLDEMOTE), F(MOVDIRI), F(MOVDIR64B)) },
	{ 7, 0, HV_EDX, CPUID_7_EDX, HV_7_EDX_ARCH_CAP, 0,
	  HV_FEATURES(F(AVX512_4VNNIW), F(AVX512_4FMAPS), F(FSRM), F(AVX512_VP2INTERSECT),
		      F(MD_CLEAR), F(SERIALIZE), F(AVX512_FP16), F(SPEC_CTRL), F(INTEL_STIBP),
		      F(FLUSH_L1D), F(SPEC_CTRL_SSBD)) },
	{ 7, 1, HV_EAX, CPUID_7_1_EAX, 0, 0,
	  HV_FEATURES(F(AVX_VNNI), F(AVX512_BF16)) },
	{ 0xd, 1, HV_EAX, CPUID_D_1_EAX, 0, 0,
	  HV_FEATURES(F(XSAVEOPT), F(XSAVEC), F(XGETBV1), F(XSAVES)) },
	{ 0x80000001, 0, HV_EDX, CPUID_8000_0001_EDX, 0, HV_8000_0001_EDX_COPY,
	  HV_FEATURES(F(SYSCALL), F(NX), F(MMXEXT), F(FXSR_OPT), F(GBPAGES), F(RDTSCP), F(LM),
		      F(3DNOWEXT), F(3DNOW)) },
	{ 0x80000001, 0, HV_ECX, CPUID_8000_0001_ECX, 0, 0,
	  HV_FEATURES(F(LAHF_LM), F(ABM), F(SSE4A), F(MISALIGNSSE), F(3DNOWPREFETCH), F(XOP),
		      F(FMA4), F(TBM)) },
	{ 0x80000008, 0, HV_EBX, CPUID_8000_0008_EBX, 0, 0,
	  HV_FEATURES(F(CLZERO), F(XSAVEERPTR), F(WBNOINVD), F(AMD_IBPB), F(AMD_IBRS),
		      F(AMD_STIBP), F(AMD_STIBP_ALWAYS_ON), F(AMD_SSBD), F(AMD_SSB_NO)) },
};

/* Offered bits of each of hv_cpuid_words, and those that the backend can't give; written at load */
static u32 hv_cpuid_masks[ARRAY_SIZE(hv_cpuid_words)] __ro_after_init;
static u32 hv_cpuid_hidden[ARRAY_SIZE(hv_cpuid_words)] __ro_after_init;

/**
 * struct hv_xsave_component - where a state component is in the standard format
 * @offset: from the start of the area
 * @size: bytes
 * @align: 64-byte aligned in the compacted format
 */
static struct hv_xsave_component {
	u32 offset;
	u32 size;
	bool align;
} hv_xsave_components[64] __ro_after_init;

static u64 hv_offered_xcr0(void)
{
	return boot_cpu_has(X86_FEATURE_XSAVE) ? host_guest_xcr0() : 0;
}

/**
 * hv_cpuid_hide() - do not offer a feature, though the host has it
 * @func: leaf
 * @index: subleaf
 * @reg: 0 EAX .. 3 EDX
 * @bit: bit
 *
 * Context: module load, the backend's setup.
 */
void __init hv_cpuid_hide(u32 func, u32 index, int reg, unsigned int bit)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hv_cpuid_words); i++) {
		const struct hv_cpuid_word *w = &hv_cpuid_words[i];

		if (w->func == func && w->index == index && w->reg == reg)
			hv_cpuid_hidden[i] |= BIT(bit);
	}
}

void hv_cpuid_init(void)
{
	unsigned int i, n;
	u32 eax, ebx, ecx, edx;

	for (i = 0; i < ARRAY_SIZE(hv_cpuid_words); i++) {
		const struct hv_cpuid_word *w = &hv_cpuid_words[i];
		u32 mask = w->unnamed;

		for (n = 0; w->features[n]; n++)
			mask |= BIT(w->features[n] & 31);
		hv_cpuid_masks[i] = (mask & boot_cpu_data.x86_capability[w->word]) | w->always;
		hv_cpuid_masks[i] &= ~hv_cpuid_hidden[i];
	}
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	for (i = 2; i < 63; i++) {
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		hv_xsave_components[i] = (struct hv_xsave_component) {
			.offset = ebx, .size = eax, .align = ecx & BIT(1),
		};
	}
}

/*
 * Bytes of the XSAVE area for @xcr0 (with XSS merged in when compacted), header included.
 */
u32 hv_xsave_size(u64 xcr0, bool compacted)
{
	u32 size = HV_XSAVE_MIN_SIZE;
	unsigned int i;

	for (i = 2; i < 63; i++) {
		const struct hv_xsave_component *c = &hv_xsave_components[i];

		if (!(xcr0 & BIT_ULL(i)))
			continue;
		if (compacted)
			size = (c->align ? ALIGN(size, 64) : size) + c->size;
		else
			size = max(size, c->offset + c->size);
	}
	return size;
}

/* ---- what this host offers ---- */

/**
 * struct hv_cpuid_table - HV_GET_SUPPORTED_CPUID under construction
 * @entry: room
 * @nr: used
 * @max: room
 */
struct hv_cpuid_table {
	struct hv_cpuid_entry2 *entry;
	unsigned int nr;
	unsigned int max;
};

/* The next entry, with the host's values; NULL if the table is full. */
static struct hv_cpuid_entry2 *hv_add_leaf(struct hv_cpuid_table *t, u32 func, u32 index,
					   bool has_index)
{
	struct hv_cpuid_entry2 *e;

	if (t->nr == t->max)
		return NULL;
	e = &t->entry[t->nr++];
	*e = (struct hv_cpuid_entry2) {
		.function = func,
		.index = index,
		.flags = has_index ? HV_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	};
	cpuid_count(func, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	return e;
}

static u32 *hv_entry_reg(struct hv_cpuid_entry2 *e, int reg)
{
	switch (reg) {
	case HV_EAX:
		return &e->eax;
	case HV_EBX:
		return &e->ebx;
	case HV_ECX:
		return &e->ecx;
	default:
		return &e->edx;
	}
}

static void hv_zero_leaf(struct hv_cpuid_entry2 *e)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

/* Offered feature words replace the host's values. */
static void hv_mask_words(struct hv_cpuid_entry2 *e)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hv_cpuid_words); i++) {
		const struct hv_cpuid_word *w = &hv_cpuid_words[i];

		if (w->func == e->function && w->index == e->index)
			*hv_entry_reg(e, w->reg) = hv_cpuid_masks[i];
	}
}

/* Leaves with subleaves; -E2BIG when the table is full */
static int hv_add_cache_leaf(struct hv_cpuid_table *t, u32 func)
{
	struct hv_cpuid_entry2 *e;
	u32 index = 0;

	do {
		e = hv_add_leaf(t, func, index, true);
		if (!e)
			return -E2BIG;
	} while ((e->eax & 0x1f) && ++index < 16);
	return 0;
}

static int hv_add_features_leaf(struct hv_cpuid_table *t)
{
	struct hv_cpuid_entry2 *e = hv_add_leaf(t, 7, 0, true);
	u32 max;

	if (!e)
		return -E2BIG;
	max = min(e->eax, 1U);
	e->eax = max;
	hv_mask_words(e);
	if (!max)
		return 0;
	e = hv_add_leaf(t, 7, 1, true);
	if (!e)
		return -E2BIG;
	hv_zero_leaf(e);
	hv_mask_words(e);
	return 0;
}

static int hv_add_xsave_leaf(struct hv_cpuid_table *t)
{
	u64 xcr0 = hv_offered_xcr0();
	struct hv_cpuid_entry2 *e = hv_add_leaf(t, 0xd, 0, true);
	unsigned int i;

	if (!e)
		return -E2BIG;
	if (!xcr0) {
		hv_zero_leaf(e);
		return 0;
	}
	e->eax = xcr0;
	e->edx = xcr0 >> 32;
	e->ebx = hv_xsave_size(xcr0, false);
	e->ecx = e->ebx;

	e = hv_add_leaf(t, 0xd, 1, true);
	if (!e)
		return -E2BIG;
	hv_mask_words(e);
	/* No supervisor states: XSS stays 0. */
	e->ebx = e->eax & (HV_D1_XSAVEC | HV_D1_XSAVES) ? hv_xsave_size(xcr0, true) : 0;
	e->ecx = 0;
	e->edx = 0;

	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		e = hv_add_leaf(t, 0xd, i, true);
		if (!e)
			return -E2BIG;
		e->ecx &= BIT(1);
		e->edx = 0;
	}
	return 0;
}

/* Topology is the VMM's to say: subleaf 0 says "none" (SDM 2A, CPUID leaf 0xb). */
static int hv_add_topology_leaf(struct hv_cpuid_table *t, u32 func)
{
	struct hv_cpuid_entry2 *e = hv_add_leaf(t, func, 0, true);

	if (!e)
		return -E2BIG;
	hv_zero_leaf(e);
	return 0;
}

static void hv_fill_leaf(struct hv_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0:
		e->eax = min(e->eax, 0x1fU);
		break;
	case 1:
		/* APIC id and thread count are each vCPU's own. */
		e->ebx &= 0xff00;
		hv_mask_words(e);
		break;
	case 2:
		/* One call gives all (SDM 2A, CPUID leaf 2). */
		e->eax = (e->eax & ~0xffU) | 1;
		break;
	case 6:
		/* ARAT: the LAPIC timer never stops */
		hv_zero_leaf(e);
		e->eax = BIT(2);
		break;
	case 0x80000000:
		e->eax = clamp(e->eax, 0x80000000U, 0x80000021U);
		break;
	case 0x80000001:
		e->ebx = 0;
		hv_mask_words(e);
		break;
	case 0x80000007:
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		/* Invariant TSC, if the host's is */
		e->edx = boot_cpu_has(X86_FEATURE_CONSTANT_TSC) &&
			 boot_cpu_has(X86_FEATURE_NONSTOP_TSC) ? e->edx & BIT(8) : 0;
		break;
	case 0x80000008:
		/*
		 * Widths. Bits 23:16 are that of addresses with memory (APM 3 E.4.7); the first,
		 * which says what is reserved in page tables, can't be less than the processor's.
		 */
		e->eax = (e->eax & 0xffff) | hv_mmu_gpa_bits() << 16;
		hv_mask_words(e);
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0x80000002 ... 0x80000006:
	case 0x80000019:
		break;
	case 0x8000001a:
		/* Which instruction sequences are fast */
		e->eax &= 0x7;
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0x80000021:
		e->eax &= HV_8000_0021_EAX;
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	case KVM_CPUID_SIGNATURE:
	case KVM_CPUID_FEATURES:
		hv_pv_fill_leaf(e);
		break;
	default:
		hv_zero_leaf(e);
	}
}

static int hv_add_leaves(struct hv_cpuid_table *t, u32 func)
{
	struct hv_cpuid_entry2 *e;

	switch (func) {
	case 4:
		return hv_add_cache_leaf(t, func);
	case 7:
		return hv_add_features_leaf(t);
	case 0xb:
	case 0x1f:
		return hv_add_topology_leaf(t, func);
	case 0xd:
		return hv_add_xsave_leaf(t);
	case 3:
	case 5:
	case 8:
	case 9:
	case 0xc:
	case 0xe ... 0x13:
	case 0x17:
	case 0x18 ... 0x1e:
	/* SVM, IBS, extended topology, memory encryption ... */
	case 0x80000009 ... 0x80000018:
	case 0x8000001b ... 0x80000020:
		/* Nothing offered: as a leaf that is not there */
		return 0;
	case 0x14:
		e = hv_add_leaf(t, func, 0, true);
		break;
	default:
		e = hv_add_leaf(t, func, 0, false);
		break;
	}
	if (!e)
		return -E2BIG;
	hv_fill_leaf(e);
	return 0;
}

static int hv_add_range(struct hv_cpuid_table *t, u32 first)
{
	unsigned int start = t->nr;
	u32 func, last;
	int rc;

	rc = hv_add_leaves(t, first);
	if (rc)
		return rc;
	last = t->entry[start].eax;
	for (func = first + 1; func <= last; func++) {
		rc = hv_add_leaves(t, func);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * HV_GET_SUPPORTED_CPUID
 */
long hv_get_supported_cpuid(void *data, unsigned long arg)
{
	struct hv_cpuid2 __user *user = (void __user *)arg;
	struct hv_cpuid2 *head = data;
	struct hv_cpuid_table t = { .max = min_t(u32, head->nent, HV_MAX_CPUID_ENTRIES) };
	long rc;

	if (!t.max)
		return -E2BIG;
	t.entry = kvcalloc(t.max, sizeof(*t.entry), GFP_KERNEL_ACCOUNT);
	if (!t.entry)
		return -ENOMEM;
	rc = hv_add_range(&t, 0);
	if (!rc)
		rc = hv_add_range(&t, 0x80000000);
	if (!rc)
		rc = hv_add_range(&t, KVM_CPUID_SIGNATURE);
	if (!rc && copy_to_user(user->entries, t.entry, t.nr * sizeof(*t.entry)))
		rc = -EFAULT;
	head->nent = t.nr;
	kvfree(t.entry);
	return rc;
}

/* ---- what a guest is told ---- */

static const struct hv_cpuid_entry2 *hv_lookup(const struct hv_cpuid_entry2 *table,
					       unsigned int nent, u32 func, u32 index)
{
	unsigned int i;

	for (i = 0; i < nent; i++) {
		const struct hv_cpuid_entry2 *e = &table[i];

		if (e->function == func && (e->index == index ||
					    !(e->flags & HV_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

/**
 * hv_cpuid_find() - entry of the vCPU's table as the VMM gave it
 * @vcpu: vCPU with the mutex held
 * @func: leaf
 * @index: subleaf; ignored for leaves without
 *
 * Return: the entry or NULL.
 */
const struct hv_cpuid_entry2 *hv_cpuid_find(struct hv_vcpu *vcpu, u32 func, u32 index)
{
	return hv_lookup(vcpu->x86.cpuid, vcpu->x86.cpuid_nent, func, index);
}

/**
 * hv_cpuid_has() - feature bit in the vCPU's table
 * @vcpu: vCPU with the mutex held
 * @func: leaf
 * @index: subleaf
 * @reg: 0 EAX, 1 EBX, 2 ECX, 3 EDX
 * @bit: bit number
 */
bool hv_cpuid_has(struct hv_vcpu *vcpu, u32 func, u32 index, int reg, unsigned int bit)
{
	const struct hv_cpuid_entry2 *e = hv_cpuid_find(vcpu, func, index);
	const u32 regs[] = { e ? e->eax : 0, e ? e->ebx : 0, e ? e->ecx : 0, e ? e->edx : 0 };

	return regs[reg] & BIT(bit);
}

static void hv_assign(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

/* Bits and sizes that follow the guest's state, in a copy of the VMM's entry. */
static void hv_cpuid_dynamic(struct hv_vcpu *vcpu, struct hv_cpuid_entry2 *e)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;

	switch (e->function) {
	case 1:
		if (x->lapic)
			hv_assign(&e->edx, HV_1_EDX_APIC,
				  x->apic_base & MSR_IA32_APICBASE_ENABLE);
		if (boot_cpu_has(X86_FEATURE_XSAVE))
			hv_assign(&e->ecx, HV_1_ECX_OSXSAVE, hv_cr4(vcpu) & X86_CR4_OSXSAVE);
		break;
	case 7:
		if (!e->index && boot_cpu_has(X86_FEATURE_PKU))
			hv_assign(&e->ecx, HV_7_ECX_OSPKE, hv_cr4(vcpu) & X86_CR4_PKE);
		break;
	case 0xd:
		if (!e->index)
			e->ebx = hv_xsave_size(x->xcr0, false);
		else if (e->index == 1 && (e->eax & (HV_D1_XSAVEC | HV_D1_XSAVES)))
			e->ebx = hv_xsave_size(x->xcr0 | x->xss, true);
		break;
	}
}

/*
 * A leaf above the highest one of its range is answered with the highest basic leaf
 * (SDM 2A, CPUID), which AMD processors don't do.
 */
static const struct hv_cpuid_entry2 *hv_out_of_range(struct hv_vcpu *vcpu, u32 func, u32 index)
{
	const struct hv_cpuid_entry2 *basic = hv_cpuid_find(vcpu, 0, 0);
	const struct hv_cpuid_entry2 *range = hv_cpuid_find(vcpu, func & 0xc0000000, 0);

	/* "Genu", "ineI", "ntel" */
	if (!basic || basic->ebx != 0x756e6547 || basic->edx != 0x49656e69 ||
	    basic->ecx != 0x6c65746e)
		return NULL;
	if (range && func <= range->eax)
		return NULL;
	return hv_cpuid_find(vcpu, basic->eax, index);
}

static void hv_cpuid(struct hv_vcpu *vcpu, u32 func, u32 index, struct hv_cpuid_entry2 *out)
{
	const struct hv_cpuid_entry2 *e = hv_cpuid_find(vcpu, func, index);

	if (!e)
		e = hv_out_of_range(vcpu, func, index);
	if (e) {
		*out = *e;
		hv_cpuid_dynamic(vcpu, out);
		return;
	}
	memset(out, 0, sizeof(*out));
	/* Topology levels beyond the last still give the level and the APIC id. */
	if (func == 0xb || func == 0x1f) {
		e = hv_cpuid_find(vcpu, func, 1);
		if (e) {
			out->ecx = index & 0xff;
			out->edx = e->edx;
		}
	}
}

/**
 * hv_emulate_cpuid() - CPUID has exited
 * @vcpu: loaded vCPU
 *
 * Return: as handle_exit.
 */
int hv_emulate_cpuid(struct hv_vcpu *vcpu)
{
	struct hv_cpuid_entry2 e;

	hv_cpuid(vcpu, hv_reg_read(vcpu, HV_REG_RAX), hv_reg_read(vcpu, HV_REG_RCX), &e);
	hv_reg_write(vcpu, HV_REG_RAX, e.eax);
	hv_reg_write(vcpu, HV_REG_RBX, e.ebx);
	hv_reg_write(vcpu, HV_REG_RCX, e.ecx);
	hv_reg_write(vcpu, HV_REG_RDX, e.edx);
	return hv_skip(vcpu);
}

/**
 * hv_cpuid_changed() - recompute everything that depends on the vCPU's CPUID
 * @vcpu: loaded vCPU with a new table; caller holds vm->srcu
 */
void hv_cpuid_changed(struct hv_vcpu *vcpu)
{
	const struct hv_cpuid_entry2 *e = hv_cpuid_find(vcpu, 0x80000008, 0);
	struct hv_vcpu_x86 *x = &vcpu->x86;

	x->maxphyaddr = e && (e->eax & 0xff) ? e->eax & 0xff : HV_DEFAULT_MAXPHYADDR;
	e = hv_cpuid_find(vcpu, 0xd, 0);
	x->supported_xcr0 = e ? (e->eax | (u64)e->edx << 32) & hv_offered_xcr0() : 0;
	hv_cr_cpuid_changed(vcpu);
	hv_pv_cpuid_changed(vcpu);
	if (x->lapic)
		hv_lapic_update_timer(vcpu);
	hv_call(update, vcpu, HV_UPDATE_INTERCEPTS);
}

static int hv_check_cpuid(const struct hv_cpuid_entry2 *table, unsigned int nent)
{
	const struct hv_cpuid_entry2 *e = hv_lookup(table, nent, 0x80000008, 0);
	u32 virt, phys;

	if (!e)
		return 0;
	virt = (e->eax >> 8) & 0xff;
	phys = e->eax & 0xff;
	/* Canonical addresses have 48 or 57 bits; 0 is a table that does not say. */
	if (virt != 48 && virt != 57 && virt)
		return -EINVAL;
	if (phys && (phys < HV_MIN_PHYADDR_BITS || phys > HV_MAX_PHYADDR_BITS))
		return -EINVAL;
	return 0;
}

/* After the first HV_RUN the VMM may set the same table again, as it read it or wrote it. */
static bool hv_same_cpuid(struct hv_vcpu *vcpu, const struct hv_cpuid_entry2 *table,
			  unsigned int nent)
{
	struct hv_vcpu_x86 *x = &vcpu->x86;
	unsigned int i;

	if (nent != x->cpuid_nent)
		return false;
	for (i = 0; i < nent; i++) {
		struct hv_cpuid_entry2 old = x->cpuid[i];
		struct hv_cpuid_entry2 new = table[i];

		hv_cpuid_dynamic(vcpu, &old);
		hv_cpuid_dynamic(vcpu, &new);
		if (old.function != new.function || old.index != new.index ||
		    old.flags != new.flags || old.eax != new.eax || old.ebx != new.ebx ||
		    old.ecx != new.ecx || old.edx != new.edx)
			return false;
	}
	return true;
}

/*
 * HV_SET_CPUID2
 */
long hv_set_cpuid2(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_cpuid2 __user *user = (void __user *)arg;
	struct hv_vcpu_x86 *x = &vcpu->x86;
	const struct hv_cpuid2 *head = data;
	struct hv_cpuid_entry2 *table = NULL;
	u32 nent = head->nent;
	int rc, idx;

	if (nent > HV_MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (nent) {
		table = vmemdup_user(user->entries, nent * sizeof(*table));
		if (IS_ERR(table))
			return PTR_ERR(table);
	}
	rc = hv_check_cpuid(table, nent);
	if (!rc && x->has_run) {
		if (!hv_same_cpuid(vcpu, table, nent))
			rc = -EINVAL;
		kvfree(table);
		return rc;
	}
	if (rc) {
		kvfree(table);
		return rc;
	}
	kvfree(x->cpuid);
	x->cpuid = table;
	x->cpuid_nent = nent;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	hv_cpuid_changed(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return 0;
}

/*
 * HV_GET_CPUID2
 */
long hv_get_cpuid2(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	struct hv_cpuid2 __user *user = (void __user *)arg;
	struct hv_vcpu_x86 *x = &vcpu->x86;
	struct hv_cpuid2 *head = data;
	struct hv_cpuid_entry2 e;
	unsigned int i;

	if (head->nent < x->cpuid_nent) {
		if (put_user(x->cpuid_nent, &user->nent))
			return -EFAULT;
		return -E2BIG;
	}
	for (i = 0; i < x->cpuid_nent; i++) {
		e = x->cpuid[i];
		hv_cpuid_dynamic(vcpu, &e);
		if (copy_to_user(&user->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	head->nent = x->cpuid_nent;
	return 0;
}
