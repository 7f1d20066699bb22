#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A stock QEMU gives its guest a network card and an NVMe disk of the host with -device vfio-pci,
# in TAP: ping and bulk transfer between the guest's card and another one of the host's on the
# same network, checksums on both sides, the way of the interrupts, and the functions back with
# the host at the end. Runs in an emulated host (BusyBox), as root, that has an IOMMU, two
# e1000e and an nvme.
#
# Variables: HV_DEVICE (default /dev/hv), QEMU (default qemu-system-x86_64)
# shellcheck disable=SC3043 # BusyBox has local
set -u

# shellcheck source-path=SCRIPTDIR source=test_guest.sh
. "$(dirname "$0")/qemu_guest.sh"
pci=/sys/bus/pci
tracing=/sys/kernel/tracing
# the IOMMU's driver: intel or amd
iommu=amd
[ ! -e /sys/class/iommu/dmar0 ] || iommu=intel

# bind DRIVER FUNCTION...: take functions from their drivers; without a driver's name the kernel
# gives them back to its own
bind()
{
	local driver function

	driver=$1
	shift
	for function; do
		[ ! -e $pci/devices/"$function"/driver ] ||
			echo "$function" > $pci/devices/"$function"/driver/unbind
		echo "$driver" > $pci/devices/"$function"/driver_override
		echo "$function" > $pci/drivers_probe || return
	done
}

# traced: how often the handler of a device's interrupt called the VM's irqfd itself
traced()
{
	grep -c '\] ..h.* irqfd_wakeup' $tracing/trace
}

# VFIO's file in QEMU, by which the VM knows the groups
vm_knows_vfio()
{
	find /proc/"$pid"/fd -exec readlink {} \; | grep -q '^anon_inode:\(hv\|kvm\)-vfio$'
}

# What QEMU says if the IOMMU lets a device's DMA bypass caches: hv takes no such group, and
# QEMU goes on without. It is so with QEMU's VT-d.
refused="Failed to add group .* to KVM VFIO device: Operation not supported"

if ! find_devices; then
	echo "1..0 # SKIP needs two e1000e and an nvme behind an IOMMU"
	exit 0
fi
dir=$(mktemp -d)
cd "$dir" || exit 1

echo "TAP version 13"
echo "1..16"
modprobe -a e1000e nvme vfio-pci vfio_iommu_type1
serve "$other"
fill_disk nvme0n1
bind vfio-pci "$nic" "$nvme"
report $? "vfio-pci has two of them"
# names of tasks need probes in the scheduler, which QEMU may run into when they are gone (testing.rst)
echo 0 > $tracing/options/record-cmd
echo irqfd_wakeup > $tracing/set_ftrace_filter
echo function > $tracing/current_tracer
grep -q irqfd_wakeup $tracing/set_ftrace_filter
report $? "calls of irqfds are traced"

start "host_disk:nvme0n1,net,interrupts:eth0|nvme,button" -machine q35 -cpu host -smp 2 \
	-device vfio-pci,host="$nic",rombar=0 -device vfio-pci,host="$nvme",rombar=0
check_host_disk nvme0n1
check_net eth0
[ "$(said msi)" -ge 4 ]
report $? "messages interrupt the guest"
said button-ready > /dev/null
vm_knows_vfio
report $? "the VM has been told of VFIO's groups"
[ "$(grep -c 'vfio-msi' /proc/interrupts)" -ge 4 ] && [ "$(traced)" -gt 100 ]
report $? "interrupts go from their handlers to the VM"
echo "# $(traced) interrupts"
monitor system_powerdown
ends "the guest powers itself off" "$refused"
if [ "$device" = /dev/hv ] && [ "$iommu" = intel ]; then
	[ "$(grep -c "$refused" err)" = 2 ]
else
	! grep "$refused" err
fi
report $? "the groups are taken if their DMA can't bypass caches"
echo nop > $tracing/current_tracer
! grep vfio /proc/interrupts
report $? "no interrupt is left"
bind "" "$nic" "$nvme" && wait_for /dev/nvme0n1
report $? "the host gets the devices back"
check_returned_disk nvme0n1
kill "$server"
[ $failed = 0 ] || show
exit 0
