#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A stock Linux kernel as a guest that drives a network card and an NVMe disk of the host, in
# TAP: ping and bulk transfer between the guest's card and another one of the host's
# on the same network, checksums on both sides, and the functions back with the host at the end.
# Runs in an emulated host (BusyBox), as root, that has an IOMMU, two e1000e and an nvme.
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

# functions VENDOR DEVICE: all such functions
functions()
{
	for path in /sys/bus/pci/devices/*; do
		[ "$(cat "$path/vendor") $(cat "$path/device")" != "$1 $2" ] || basename "$path"
	done
}

# wait_for FILE: a driver makes it
wait_for()
{
	local patience=100

	until [ -e "$1" ] || [ $patience = 0 ]; do
		patience=$((patience - 1))
		sleep 0.1
	done
	[ -e "$1" ]
}

nic=$(functions 0x8086 0x10d3 | sed -n 1p)
other=$(functions 0x8086 0x10d3 | sed -n 2p)
disk=$(functions 0x1b36 0x0010)
if [ ! -d /sys/bus/pci/drivers/hv-pci ] || [ -z "$other" ] || [ -z "$disk" ]; then
	echo "1..0 # SKIP needs hv, and two e1000e and an nvme behind an IOMMU"
	exit 0
fi
dir=$(mktemp -d)
cd "$dir" || exit 1

echo "TAP version 13"
echo "1..11"
modprobe -a e1000e nvme
wait_for /dev/nvme0n1 && wait_for "/sys/bus/pci/devices/$other/net"
report $? "the host has the devices at first"
dd if=/dev/urandom of=/dev/nvme0n1 bs=64k count=64 oflag=direct 2> /dev/null
before=$(dd if=/dev/nvme0n1 bs=64k count=64 iflag=direct 2> /dev/null | sum)
card=$(basename "/sys/bus/pci/devices/$other"/net/*)
ip addr add 10.9.9.1/24 dev "$card" && ip link set "$card" up
mkdir www
dd if=/dev/urandom of=www/bulk bs=64k count=32 2> /dev/null
httpd -f -h www &
server=$!
hvctl device bind "$nic" "$disk"
report $? "hvctl binds them"

hvrun --device "/dev/hv-pci/$nic" --device "/dev/hv-pci/$disk" \
	--append "console=ttyS0 panic=-1 quiet $quirks do=nvme,net,button" \
	--initrd "$initrd" "$kernel" > out 2> err < /dev/null &
pid=$!
is nvme-read "$before" "disk: what the guest reads is what the host wrote"
wrote=$(said nvme-wrote)
[ "$(said nvme-msix)" -gt 0 ]
report $? "disk: MSI-X"
is ping 0 "net: ping"
is down "$(sum < www/bulk)" "net: 2 MiB to the guest"
said up > /dev/null
is up "$(timeout 60 wget -q -O - http://10.9.9.2/bulk | sum)" "net: 1 MiB from the guest"
said button-ready > /dev/null
kill -TERM $pid
wait $pid && grep -q "the guest powered itself off" err
report $? "the guest powers itself off"
sed 's/^/# /' err
[ "$(grep -c hv-pci /proc/interrupts)" = 0 ]
report $? "no interrupt is left"
hvctl device unbind "$nic" "$disk" && wait_for /dev/nvme0n1
report $? "the host gets the devices back"
[ "$(dd if=/dev/nvme0n1 bs=64k skip=8 count=16 iflag=direct 2> /dev/null | sum)" = "$wrote" ]
report $? "disk: what the guest wrote is what the host reads"
kill $server
if [ $failed != 0 ]; then
	tail -n 100 out | sed 's/^/# /'
fi
exit 0
