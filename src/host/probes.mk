# SPDX-License-Identifier: GPL-2.0-only
#
# What the host kernel offers, asked of its headers and of its list of exports, not
# of its version: stable kernels backport changes of signatures and of exports.
# Each answer is a HOST_HAVE_* macro and may be looked at in src/host only.

# $(call host-decl,MACRO,regular expression,header): declared in a header. No parentheses
# in the expression: make counts them; a dot does.
host-decl = $(if $(shell grep -s $(2) $(srctree)/$(3)),-DHOST_HAVE_$(1))
# $(call host-export,MACRO,symbol): exported to modules
host-export = $(if $(shell grep -sw $(2) $(objtree)/Module.symvers),-DHOST_HAVE_$(1))

# register_syscore(struct syscore *), else register_syscore_ops(struct syscore_ops *)
ccflags-y += $(call host-decl,SYSCORE,'register_syscore.struct syscore ',include/linux/syscore_ops.h)

# The kernel's hook for a crash: virtualization off on each CPU (one slot for the whole kernel)
ccflags-y += $(call host-export,EMERGENCY_CALLBACK,cpu_emergency_register_virt_callback)

# follow_pfnmap_start() for mappings without struct pages, else follow_pte()
ccflags-y += $(call host-export,FOLLOW_PFNMAP,follow_pfnmap_start)

# xfer_to_guest_mode_handle_work(void), else with a struct kvm_vcpu
ccflags-y += $(call host-decl,ENTRY_VIRT,'xfer_to_guest_mode_handle_work.void',include/linux/entry-virt.h)

# smp_send_reschedule() is a macro around a tracepoint
ccflags-y += $(call host-decl,IPI_TRACE,'define smp_send_reschedule',include/linux/smp.h)

# The NMI handler for a caller that has no IST stack, under its newer name
ccflags-y += $(call host-decl,NMI_KVM_VMX,'exc_nmi_kvm_vmx',arch/x86/include/asm/idtentry.h)

# eventfd_signal() with a count to add, else it adds 1
ccflags-y += $(call host-decl,EVENTFD_COUNT,'eventfd_signal.struct eventfd_ctx .ctx.\? __u64 n',include/linux/eventfd.h)

# hrtimer_setup(), else hrtimer_init() and a store of the callback
ccflags-y += $(call host-decl,HRTIMER_SETUP,'void hrtimer_setup.struct',include/linux/hrtimer.h)

# shrinker_alloc() and shrinker_register(), else register_shrinker() of a structure of one's own
ccflags-y += $(call host-export,SHRINKER_ALLOC,shrinker_alloc)

# vm_flags_set(), else the flags of a mapping are a plain member
ccflags-y += $(call host-decl,VM_FLAGS_SET,'void vm_flags_set.struct',include/linux/mm.h)

# irq_bypass_register_consumer() is given the eventfd, else it is the consumer's token
ccflags-y += $(call host-decl,IRQ_BYPASS_EVENTFD,'irq_bypass_register_consumer.struct irq_bypass_consumer .consumer',include/linux/irqbypass.h)

# What irq_set_vcpu_affinity() takes on Intel, under its newer name
ccflags-y += $(call host-decl,INTEL_PI_DATA,'struct intel_iommu_pi_data {',arch/x86/include/asm/irq_remapping.h)

# iommu_map_atomic() beside iommu_map(), else iommu_map() takes flags for its allocations
ccflags-y += $(call host-export,IOMMU_MAP_ATOMIC,iommu_map_atomic)

# iommu_paging_domain_alloc() for a device, else iommu_domain_alloc() for a bus
ccflags-y += $(call host-export,PAGING_DOMAIN,iommu_paging_domain_alloc)

# iommu_group_has_isolated_msi(), else two functions that tell it together
ccflags-y += $(call host-export,ISOLATED_MSI,iommu_group_has_isolated_msi)

# pci_enable_pcie_error_reporting() for drivers, else the PCI core does it for all functions
ccflags-y += $(call host-export,AER_ENABLE,pci_enable_pcie_error_reporting)

# vfio_file_is_valid() for groups and devices, else vfio_file_is_group()
ccflags-y += $(call host-decl,VFIO_FILE_VALID,vfio_file_is_valid,include/linux/vfio.h)
