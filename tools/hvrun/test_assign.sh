#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A stock Linux kernel as a guest that drives a network card and a disk of the host, in
# TAP: ping and bulk transfer between the guest's card and another one of the host's
# on the same network, checksums on both sides, and the functions back with the host at the end.
# First an e1000e and an NVMe disk, which interrupt by MSI-X, with the card's ROM and ports; then those of
# virtio, which interrupt by their pins.
# Runs in an emulated host (BusyBox), as root, that has an IOMMU, two e1000e, an nvme, and a
# virtio-net-pci and a virtio-blk-pci that are behind the IOMMU.
#
#   hvrun_assign_test [-k KERNEL] [-i INITRD]
#
# shellcheck disable=SC3043 # BusyBox has local
set -u

kernel=/root/vmlinux initrd=/root/guest.cpio
while getopts k:i: option; do
	case $option in
	k) kernel=$OPTARG ;;
	i) initrd=$OPTARG ;;
	*) exit 2 ;;
	esac
done
# shellcheck source-path=SCRIPTDIR source=test_guest.sh
. "$(dirname "$0")/hvrun_guest.sh"

virtio_net=$(functions 0x1af4 0x1041)
virtio_blk=$(functions 0x1af4 0x1042)
if [ ! -d /sys/bus/pci/drivers/hv-pci ] || ! find_devices ||
	[ -z "$virtio_net" ] || [ -z "$virtio_blk" ]; then
	echo "1..0 # SKIP needs hv, two e1000e, an nvme and two of virtio behind an IOMMU"
	exit 0
fi
dir=$(mktemp -d)
cd "$dir" || exit 1

# run CARD DISK NAME STEPS OPTION RESET: a guest that drives them; NAME is the disk's, on either
# side; with ",noreset" they needn't be reset between the host and the guest
run()
{
	local before wrote

	fill_disk "$3"
	hvctl device bind "$1" "$2"
	report $? "$3: hvctl binds it and the card"
	forget
	hvrun --device "/dev/hv-pci/$1$6" --device "/dev/hv-pci/$2$6" \
		--append "console=ttyS0 panic=-1 quiet $quirks $5 do=host_disk:$3,$4,button" \
		--initrd "$initrd" "$kernel" > out 2> err < /dev/null &
	pid=$!
	check_host_disk "$3"
	check_net "$3"
	said button-ready > /dev/null
	kill -TERM $pid
	wait $pid && grep -q "the guest powered itself off" err
	report $? "$3: the guest powers itself off"
	sed 's/^/# /' err
	[ "$(grep -c hv-pci /proc/interrupts)" = 0 ]
	report $? "$3: no interrupt is left"
	hvctl device unbind "$1" "$2" && wait_for "/dev/$3"
	report $? "$3: the host gets the devices back"
	check_returned_disk "$3"
}

# pull_out FUNCTION: the slot's button is pressed, which takes five seconds
pull_out()
{
	local patience=100

	hvctl device bind "$1" > /dev/null
	forget
	hvrun --device "/dev/hv-pci/$1" "$kernel" > out 2> err < /dev/null &
	pid=$!
	until grep -q hv-pci /proc/interrupts || [ $patience = 0 ]; do
		patience=$((patience - 1))
		sleep 0.1
	done
	monitor device_del pull
	patience=300
	until grep -q "$1: the function is gone" err || [ $patience = 0 ]; do
		patience=$((patience - 1))
		sleep 0.1
	done
	grep -q "$1: the function is gone" err && kill -0 $pid
	report $? "a function is pulled out: hvrun says so, and the VM runs on"
	kill -KILL $pid
	monitor device_add edu,dma_mask=0xffffffffffffffff,bus=rp,id=pull
}

echo "TAP version 13"
echo "1..28"
modprobe -a e1000e nvme virtio_pci virtio_blk
serve "$other"
echo 1 > "/sys/bus/pci/devices/$nic/rom"
rom=$(sum < "/sys/bus/pci/devices/$nic/rom")

run "$nic" "$nvme" nvme0n1 "net,interrupts:eth0|nvme,rom_and_ports" "" ""
[ "$(said msi)" -ge 3 ]
report $? "messages interrupt the guest"
is pins 0 "pins don't"
is rom "$rom" "the card's expansion ROM"
# the number of a register, and the register: device status, with its bit for the link
ports=$(said ports)
echo "$ports" | grep -q '^8 [0-9a-f]*[2367abef] *$'
report $? "the card's ports: $ports"

# QEMU's of virtio can be reset behind a port only, and there its AMD IOMMU does not reach them
run "$virtio_net" "$virtio_blk" vda "net,interrupts:virtio" "pci=nomsi" ",noreset"
is msi 0 "messages are off"
is pins 2 "pins interrupt the guest"

kill "$server"
pull=$(functions 0x1234 0x11e8 | grep -v '^0000:00:')
if [ -n "$pull" ] && monitor info status > /dev/null 2>&1; then
	pull_out "$pull"
else
	count=$((count + 1))
	echo "ok $count a function is pulled out # SKIP no edu called pull behind a port called rp"
fi
if [ $failed != 0 ]; then
	tail -n 100 out | sed 's/^/# /'
fi
exit 0
