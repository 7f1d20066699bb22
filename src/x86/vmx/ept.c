// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT: the format of its entries, the EPT pointer, TLB flushes, VPIDs.
 */
#include <linux/bitmap.h>
#include <linux/spinlock.h>
#include "vmx.h"

/* EPT entries (SDM 3C 28.3.2, tables 28-1 to 28-6) */
#define EPT_READ	BIT_ULL(0)
#define EPT_WRITE	BIT_ULL(1)
#define EPT_EXEC	BIT_ULL(2)
#define EPT_MEMTYPE_WB	(6ull << 3)
#define EPT_IGNORE_PAT	BIT_ULL(6)
#define EPT_LARGE	BIT_ULL(7)
#define EPT_ACCESSED	BIT_ULL(8)
#define EPT_DIRTY	BIT_ULL(9)
#define EPT_ADDR	GENMASK_ULL(51, 12)

/* EPT pointer (SDM 3C 24.6.11) */
#define EPTP_WB		6ull
#define EPTP_WALK_4	(3ull << 3)
#define EPTP_AD		BIT_ULL(6)

/*
 * Guest RAM is write-back whatever the guest's PAT says: no device that does
 * not snoop can reach it, and what the guest believes to be uncached stays coherent.
 */
struct hv_s2_format vmx_ept_format __ro_after_init = {
	.table = EPT_READ | EPT_WRITE | EPT_EXEC,
	.leaf = EPT_READ | EPT_MEMTYPE_WB | EPT_IGNORE_PAT,
	/* Memory type 0, uncached; the guest's PAT may turn it into write-combining */
	.leaf_io = EPT_READ,
	.write = EPT_WRITE,
	.exec = EPT_EXEC,
	.present = EPT_READ | EPT_WRITE | EPT_EXEC,
	.large = EPT_LARGE,
	.addr = EPT_ADDR,
	.levels = 4,
};

/**
 * vmx_ept_setup() - complete the format with what this processor has
 */
void __init vmx_ept_setup(void)
{
	vmx_ept_format.leaf_levels = vmx_caps.ept_leaf_levels;
	if (vmx_caps.ept_ad) {
		vmx_ept_format.accessed = EPT_ACCESSED;
		vmx_ept_format.dirty = EPT_DIRTY;
		vmx_ept_format.log_size = vmx_caps.pml ? VMX_PML_ENTRIES : 0;
	}
}

/**
 * vmx_eptp() - EPT pointer of a VM
 * @vm: VM with its tables
 */
u64 vmx_eptp(struct hv_vm *vm)
{
	return vm->mmu.s2.root_pa | EPTP_WB | EPTP_WALK_4 | (vmx_caps.ept_ad ? EPTP_AD : 0);
}

/**
 * vmx_flush_tlb() - drop what this CPU has cached for the vCPU
 * @vcpu: loaded vCPU
 * @guest_only: of the guest's own page tables only, not from the VM's EPT
 *
 * INVEPT drops guest-physical and combined mappings of every VPID (SDM 3C 28.4.3.1),
 * so no INVVPID is needed with it. With EPT all linear mappings are combined ones: INVVPID drops
 * those of one vCPU, and what is known of guest-physical addresses stays, for the others, too.
 *
 * Context: preemption off.
 */
void vmx_flush_tlb(struct hv_vcpu *vcpu, bool guest_only)
{
	u64 eptp = to_vmx_vm(vcpu->vm)->eptp;
	u16 vpid = to_vmx(vcpu)->vpid;

	if (guest_only && vpid && vmx_caps.invvpid_single) {
		vmx_insn_invvpid(VMX_INV_SINGLE, vpid);
		return;
	}
	vmx_insn_invept(vmx_caps.invept_single ? VMX_INV_SINGLE : VMX_INV_ALL, eptp);
}

#define VMX_NR_VPIDS	65536	/* VPID 0 is the host's (SDM 3C 28.1) */
static DECLARE_BITMAP(vmx_vpids, VMX_NR_VPIDS) = { 1 };
static DEFINE_SPINLOCK(vmx_vpid_lock);

/**
 * vmx_vpid_alloc() - a VPID that no other vCPU has
 *
 * Return: the VPID, or 0 (none left, or no VPIDs): the vCPU then flushes at each entry and exit.
 */
int vmx_vpid_alloc(void)
{
	unsigned int vpid;

	if (!vmx_caps.vpid)
		return 0;
	spin_lock(&vmx_vpid_lock);
	vpid = find_first_zero_bit(vmx_vpids, VMX_NR_VPIDS);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vmx_vpids);
	else
		vpid = 0;
	spin_unlock(&vmx_vpid_lock);
	return vpid;
}

/**
 * vmx_vpid_free() - give a VPID back
 * @vpid: from vmx_vpid_alloc(), may be 0
 *
 * What is cached under it stays until the next owner's first load on that CPU flushes.
 */
void vmx_vpid_free(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vmx_vpid_lock);
	__clear_bit(vpid, vmx_vpids);
	spin_unlock(&vmx_vpid_lock);
}
