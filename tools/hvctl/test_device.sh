#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hvctl device: binding and unbinding, and what it refuses. TAP; runs as root on a host of
# its own that has an e1000e, an nvme disk and an edu device behind an IOMMU.
# shellcheck disable=SC2317
set -u

count=0

report() {
	count=$((count + 1))
	echo "$1 $count hvctl.$2"
}

# check NAME COMMAND...: the command has to succeed
check() {
	name=$1
	shift
	if "$@" > /tmp/check.out 2>&1; then
		report ok "$name"
	else
		sed 's/^/# /' /tmp/check.out
		report "not ok" "$name"
	fi
}

# refused PATTERN COMMAND...: exit status 1, and the reason
refused() {
	pattern=$1
	shift
	"$@" > /tmp/refused.out 2>&1
	status=$?
	cat /tmp/refused.out
	[ "$status" = 1 ] && grep -q "$pattern" /tmp/refused.out
}

# find_device VENDOR DEVICE: the first such function
find_device() {
	for path in /sys/bus/pci/devices/*; do
		if [ "$(cat "$path/vendor") $(cat "$path/device")" = "$1 $2" ]; then
			basename "$path"
			return
		fi
	done
}

bound_to() {
	[ "$(basename "$(readlink -f "/sys/bus/pci/devices/$1/driver")")" = "$2" ]
}

unbound() {
	[ ! -e "/sys/bus/pci/devices/$1/driver" ]
}

usage_error() {
	"$@"
	[ $? = 2 ]
}

listed() {
	hvctl device list | grep "^$1 .*$2"
}

edu=$(find_device 0x1234 0x11e8)
nic=$(find_device 0x8086 0x10d3)
disk=$(find_device 0x1b36 0x0010)
if [ ! -d /sys/bus/pci/drivers/hv-pci ] || [ -z "$edu" ] || [ -z "$nic" ] || [ -z "$disk" ]; then
	echo "1..0 # SKIP needs hv, and the devices edu, e1000e and nvme"
	exit 0
fi
modprobe -a e1000e nvme
for _ in 1 2 3 4 5 6 7 8 9 10; do
	net=$(basename /sys/bus/pci/devices/"$nic"/net/*)
	block=$(basename /sys/bus/pci/devices/"$disk"/nvme/nvme*/nvme*n1)
	[ -e "/sys/class/net/$net" ] && [ -e "/dev/$block" ] && break
	sleep 1
done

echo "1..20"
check help hvctl --help
check usage usage_error hvctl device bind
check unknown refused "no such PCI function" hvctl device bind 0000:7f:00.0
check bridge refused "bridge" hvctl device bind 0000:00:00.0
check bind hvctl device bind "$edu"
check bound bound_to "$edu" hv-pci
check bind_again hvctl device bind "$edu"
check listed listed "$edu" "hv-pci.*free"

exec 4<> "/dev/hv-pci/$edu"
check listed_opened listed "$edu" "opened by a VMM"
check opened refused "VMM has opened" hvctl device unbind "$edu"
exec 4>&-
check unbind hvctl device unbind "$edu"
check unbound unbound "$edu"

ip link set "$net" up
check interface_up refused "$net is up" hvctl device bind "$nic"
check still_up bound_to "$nic" e1000e

mkswap "/dev/$block" > /dev/null
swapon "/dev/$block"
check swap refused "swapped to" hvctl device bind "$disk"
swapoff "/dev/$block"
mount --bind /dev/full /sys/bus/pci/drivers/nvme/unbind
check not_given_up refused "nvme does not give it up" hvctl device bind "$disk"
umount /sys/bus/pci/drivers/nvme/unbind
check no_override grep -q "(null)" "/sys/bus/pci/devices/$disk/driver_override"
check disk_free hvctl device bind "$disk"
check disk_back hvctl device unbind "$disk"
check interface_forced hvctl device bind --force "$nic"
hvctl device unbind "$nic"
exit 0
