// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns VMX on a CPU: CR4.VMXE is the lock, as for KVM.
 */
#include <linux/errno.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>
#include <hv/host.h>

/**
 * host_vmx_take() - become the owner of VMX on this CPU
 *
 * Sets CR4.VMXE through the kernel's shadow of CR4: a direct write would be undone by the
 * kernel's next change of CR4, which in VMX operation is a #GP (SDM 3C 23.8).
 *
 * Context: interrupts off.
 * Return: 0, or -EBUSY: another hypervisor has set CR4.VMXE.
 */
int host_vmx_take(void)
{
	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;
	/* Intel PT must not trace while VMXON happens (SDM 3C 32.5.1) */
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	return 0;
}

/**
 * host_vmx_release() - give VMX up on this CPU; VMXOFF is done
 *
 * Context: interrupts off.
 */
void host_vmx_release(void)
{
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/**
 * host_kvm_loaded() - is a module loaded?
 * @module: name, such as "kvm_intel"
 *
 * Context: process context.
 */
bool host_kvm_loaded(const char *module)
{
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, module);

	kobject_put(kobj);
	return kobj;
}
