#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC3043
#
# /init of the guest of test_linux.sh: uses every device, and tells on the serial
# console what it saw, in lines "@ WHAT RESULT". What it shall do is on the
# kernel's command line: do=STEP,STEP...

export PATH=/sbin:/bin

say()
{
	echo "@ $*"
}

sum()
{
	sha256sum | cut -c 1-64
}

prepare()
{
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev 2> /dev/null
	mount -t tmpfs tmpfs /tmp
	dmesg -n 4
	for module in virtio_pci virtio_blk virtio_net virtio_console virtio_rng button evdev \
			e1000e nvme; do
		modprobe $module
	done
	ip link set lo up
	# a reset may have come in the middle of a line
	echo
	say cpus "$(nproc)"
}

# irq NAME: the numbers of a device's interrupts
irq()
{
	sed -n "s/^ *\([0-9]*\):.*$1.*/\1/p" /proc/interrupts
}

pci()
{
	# shellcheck disable=SC2046 # one line
	say pci $(cat /sys/bus/pci/devices/*/device)
	say ecam "$(dmesg | grep -c 'PCI: Using configuration type 1\|MMCONFIG at .mem 0xe0000000\|ECAM .mem 0xe0000000')"
	say msix "$(grep -c 'PCI-MSI.*virtio' /proc/interrupts)"
}

disk()
{
	say serial "$(cat /sys/block/vda/serial)"
	say read "$(dd if=/dev/vda bs=64k iflag=direct 2> /dev/null | sum)"
	dd if=/dev/urandom of=/tmp/data bs=64k count=16 2> /dev/null
	dd if=/tmp/data of=/dev/vda bs=64k seek=8 oflag=direct 2> /dev/null
	sync
	say wrote "$(sum < /tmp/data)"
	# the last MiB
	blkdiscard -o 2097152 -l 1048576 /dev/vda
	say discard $?
	dd if=/dev/zero of=/dev/vdb bs=512 count=1 oflag=direct 2> /dev/null
	say readonly $?
	say readonly-read "$(sum < /dev/vdb)"
	rm /tmp/data
}

# Moves the interrupt of the entropy device while it is in use: the route changes
# under it.
affinity()
{
	local n round moved=0

	n=$(irq virtio4-input)
	for round in 1 2 3 4; do
		echo $((round % 2 + 1)) > "/proc/irq/$n/smp_affinity"
		dd if=/dev/hwrng of=/dev/null bs=4k count=1 2> /dev/null || return
	done
	# how many processors took some of them
	moved=$(sed -n "s/^ *$n://p" /proc/interrupts | tr -s ' ' '\n' | grep -c '^[1-9][0-9]*$')
	[ "$moved" -ge 2 ]
	say affinity $?
}

# The driver resets the device and starts again.
rebind()
{
	local drivers=/sys/bus/virtio/drivers before

	before=$(dd if=/dev/vdb iflag=direct 2> /dev/null | sum)
	echo virtio1 > $drivers/virtio_blk/unbind
	[ ! -e /dev/vdb ] && echo virtio1 > $drivers/virtio_blk/bind &&
		[ "$before" = "$(dd if=/dev/vdb iflag=direct 2> /dev/null | sum)" ]
	say rebind $?
}

rng()
{
	say rng "$(cat /sys/class/misc/hw_random/rng_current)"
	say entropy "$(head -c 64 /dev/hwrng | hexdump -v -e '/1 "%02x"')"
}

console()
{
	local line

	# open before the host knows, and all the time: who closes it throws away what has come
	exec 5<> /dev/hvc0
	say hvc-ready
	echo "hello host, this is hvc0" >&5
	read -r line <&5
	exec 5>&-
	say hvc "$line"
}

net()
{
	local patience=100

	ip addr add 10.9.9.2/24 dev eth0
	ip link set eth0 up
	# a real card negotiates
	until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] || [ $patience = 0 ]; do
		patience=$((patience - 1))
		sleep 0.1
	done
	ping -c 3 -W 5 10.9.9.1 > /dev/null
	say ping $?
	say down "$(wget -q -O - http://10.9.9.1/bulk | sum)"
	# the host comes and gets it
	mkdir -p /tmp/www
	dd if=/dev/urandom of=/tmp/www/bulk bs=64k count=16 2> /dev/null
	httpd -h /tmp/www
	say up "$(sum < /tmp/www/bulk)"
}

# A disk of the host's: what is at its beginning, and what the guest writes there
host_disk()
{
	local disk=/dev/$1 patience=100

	until [ -e "$disk" ] || [ $patience = 0 ]; do
		patience=$((patience - 1))
		sleep 0.1
	done
	say disk-read "$(dd if="$disk" bs=64k count=64 iflag=direct 2> /dev/null | sum)"
	dd if=/dev/urandom of=/tmp/data bs=64k count=16 2> /dev/null
	dd if=/tmp/data of="$disk" bs=64k seek=8 oflag=direct 2> /dev/null
	say disk-wrote "$(sum < /tmp/data)"
	rm /tmp/data
}

# Interrupts that came by messages, and by pins: lines of /proc/interrupts
interrupts()
{
	say msi "$(grep -cE "PCI-MSI.*($1)" /proc/interrupts)"
	say pins "$(grep -E "IO-APIC.*fasteoi.*($1)" /proc/interrupts | grep -vc ':  *0 ')"
}

# The card's expansion ROM, and a window to its registers in ports: IOADDR, IODATA
rom_and_ports()
{
	local card=/sys/class/net/eth0/device

	echo 1 > $card/rom
	say rom "$(sum < $card/rom)"
	# its driver does without ports: let them be decoded, too
	printf '\007' | dd of=$card/config bs=1 seek=4 conv=notrunc 2> /dev/null
	# the register at 8: is the link up? (bit 1)
	printf '\010\0\0\0' | dd of=$card/resource2 bs=4 conv=notrunc 2> /dev/null
	say ports "$(dd if=$card/resource2 bs=4 count=2 2> /dev/null | hexdump -v -e '/4 "%x "')"
}

hotplug()
{
	local cpu failed=0

	for cpu in /sys/devices/system/cpu/cpu[1-9]*; do
		echo 0 > "$cpu/online"
		[ "$(cat "$cpu/online")" = 0 ] || failed=1
	done
	say unplugged "$(nproc)"
	for cpu in /sys/devices/system/cpu/cpu[1-9]*; do
		echo 1 > "$cpu/online"
		[ "$(cat "$cpu/online")" = 1 ] || failed=1
	done
	say replugged "$(nproc) $failed"
}

# Every processor computes and moves memory, more jobs than processors.
load()
{
	local seconds=$1 jobs=$(($(nproc) * 2)) bad

	for _ in $(seq $jobs); do
		timeout "$seconds" sh -c 'while :; do
			dd if=/dev/zero bs=256k count=4 2> /dev/null | sha256sum > /dev/null
			seq 3000 > /dev/null
		done' &
	done
	wait
	bad='soft lockup|hard LOCKUP|rcu.*stall|blocked for more than'
	dmesg | grep -E -A 30 "$bad" | head -n 100
	say load "$(dmesg | grep -cE "$bad")"
}

# Disk and network, until the host ends it.
storm()
{
	ip addr add 10.9.9.2/24 dev eth0
	ip link set eth0 up
	while :; do
		dd if=/dev/vda of=/dev/null bs=64k iflag=direct 2> /dev/null
	done &
	while :; do
		dd if=/dev/zero of=/dev/vda bs=64k count=16 oflag=direct 2> /dev/null
	done &
	ping -f 10.9.9.1 > /dev/null 2>&1 || ping -A 10.9.9.1 > /dev/null 2>&1 &
	say storm
	while sleep 1; do
		say alive
	done
}

# Memory is written, and stays for a while, and all of it is checked after each write, until the host
# ends it.
churn()
{
	local round=0 file

	cd /tmp || return
	dd if=/dev/urandom of=old bs=64k count=32 2> /dev/null
	sha256sum old > old.sum
	while :; do
		file=new$((round % 32))
		dd if=/dev/urandom of=$file bs=64k count=1 2> /dev/null
		sha256sum $file > $file.sum
		cat ./*.sum | sha256sum -c -s || say corrupt $round
		round=$((round + 1))
		say churn $round
	done
}

# A press on the power button reaches the input device as an event, if it is open by then.
button()
{
	local event

	event=$(sed -n '/Power Button/,/^$/s/.*Handlers.*\(event[0-9]*\).*/\1/p' \
		/proc/bus/input/devices | head -n 1)
	exec 4< "/dev/input/$event"
	say button-ready
	dd bs=24 count=1 <&4 > /dev/null 2>&1
	say button $?
}

restart()
{
	reboot -f
	sleep 1000
}

prepare
# shellcheck disable=SC2046 # several words
for step in $(sed -n 's/.*\<do=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' '); do
	# the step's argument follows a colon
	"${step%%:*}" $(echo "$step" | sed -n 's/.*:/ /p')
done
say end
poweroff -f
