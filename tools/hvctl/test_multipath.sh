#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hvctl device: a disk that an NVMe subsystem provides, which is not below its function. TAP;
# runs as root on a host of its own that has an nvme with a subsystem behind an IOMMU.
set -u

count=0

# report STATUS NAME
report() {
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count hvctl_multipath.$2"
	else
		sed 's/^/# /' /tmp/out
		echo "not ok $count hvctl_multipath.$2"
	fi
}

modprobe nvme
for _ in 1 2 3 4 5 6 7 8 9 10; do
	path=$(echo /sys/devices/virtual/nvme-subsystem/*/nvme*n*)
	[ -b "/dev/${path##*/}" ] && break
	sleep 1
done
disk=${path##*/}
if [ ! -d /sys/bus/pci/drivers/hv-pci ] || [ ! -b "/dev/$disk" ]; then
	echo "1..0 # SKIP needs hv, and an nvme with a subsystem"
	exit 0
fi
function=$(basename "$(readlink -f "${path%/*}"/nvme[0-9]/device)")

echo "1..4"
mkswap "/dev/$disk" > /dev/null
swapon "/dev/$disk"
hvctl device list > /tmp/out 2>&1
grep -q "^$function .*disk $disk: swapped to$" /tmp/out
report $? listed
hvctl device bind "$function" > /tmp/out 2>&1
[ $? = 1 ] && grep -q "disk $disk: swapped to" /tmp/out
report $? refused
swapoff "/dev/$disk"
hvctl device bind "$function" > /tmp/out 2>&1
report $? bind
hvctl device unbind "$function" > /tmp/out 2>&1
report $? unbind
exit 0
