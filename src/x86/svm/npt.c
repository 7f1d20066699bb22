// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables: their entries are those of the host's own long mode (APM 2 15.25.5).
 */
#include <linux/init.h>
#include <asm/cpufeature.h>
#include <asm/processor-flags.h>
#include <hv/host_inline.h>
#include "svm.h"

/* APM 2 5.3.3 and 5.4.1 */
#define NPT_PRESENT	BIT_ULL(0)
#define NPT_WRITE	BIT_ULL(1)
#define NPT_USER	BIT_ULL(2)
#define NPT_PCD		BIT_ULL(4)
#define NPT_ACCESSED	BIT_ULL(5)
#define NPT_DIRTY	BIT_ULL(6)
#define NPT_LARGE	BIT_ULL(7)
#define NPT_NX		BIT_ULL(63)
#define NPT_ADDR	GENMASK_ULL(51, 12)

/*
 * The processor treats every access of the guest as one by a user (APM 2 15.25.5). Memory types
 * are those of the host's PAT: entry 0, which Linux has write-back, for memory, and entry 2 (PCD
 * without PWT), uncached but for what the guest's PAT makes write-combining, for devices
 * (APM 2 15.25.8).
 */
struct hv_s2_format svm_npt_format __ro_after_init = {
	.table = NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED,
	.leaf = NPT_PRESENT | NPT_USER,
	.leaf_io = NPT_PRESENT | NPT_USER | NPT_PCD,
	.write = NPT_WRITE,
	.noexec = NPT_NX,
	.present = NPT_PRESENT,
	.large = NPT_LARGE,
	.accessed = NPT_ACCESSED,
	.dirty = NPT_DIRTY,
	.addr = NPT_ADDR,
	.levels = 4,
};

/**
 * svm_npt_setup() - complete the format with what this host has
 *
 * The tables have as many levels as the host's own (APM 2 15.25.3: nested paging is in the
 * host's mode), and with SME their entries say that memory is encrypted.
 */
void __init svm_npt_setup(void)
{
	if (host_cr4() & X86_CR4_LA57)
		svm_npt_format.levels = 5;
	/* APM 2 5.3.4; 1 GiB if CPUID says so (APM 3 E.4.2, Page1GB) */
	svm_npt_format.leaf_levels = boot_cpu_has(X86_FEATURE_GBPAGES) ? 3 : 2;
	svm_npt_format.addr &= ~sme_me_mask;
	svm_npt_format.table |= sme_me_mask;
	svm_npt_format.leaf |= sme_me_mask;
}

/**
 * svm_nested_cr3() - N_CR3 of a VM
 * @vm: VM with its tables
 */
u64 svm_nested_cr3(struct hv_vm *vm)
{
	return __sme_set(vm->mmu.s2.root_pa);
}
