#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests of Linux guests share, to be sourced: results in TAP, and what the guest says.
# The guest's console is in the file out, hvrun's process in $pid.
# shellcheck disable=SC2034,SC2154,SC3043 # others use them, or set them; BusyBox has local

cr=$(printf '\r')
count=0
failed=0

# QEMU's emulation does not intercept XSETBV, so the guest would see wrong XSAVE sizes. And it parts
# STI from HLT at times (testing.rst): an idle processor then misses its wake-up until the next
# interrupt, which without a periodic tick may never come.
quirks=
[ "${TESTBED_HOST:-}" != svm ] || quirks="noxsave nohz=off"

# report STATUS NAME
report()
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count $2"
	else
		echo "not ok $count $2"
		failed=$((failed + 1))
	fi
}

sum()
{
	sha256sum | cut -c 1-64
}

# functions VENDOR DEVICE: the host's PCI functions of that kind
functions()
{
	local path

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

# find_devices: two cards on one network, nic and other, and a disk, nvme, of the host's
find_devices()
{
	nic=$(functions 0x8086 0x10d3 | sed -n 1p)
	other=$(functions 0x8086 0x10d3 | sed -n 2p)
	nvme=$(functions 0x1b36 0x0010)
	[ -n "$nic" ] && [ -n "$other" ] && [ -n "$nvme" ] && [ -e /sys/kernel/iommu_groups/0 ]
}

# serve CARD: the host has an address at a card, and a web server with www
serve()
{
	local card

	wait_for "/sys/bus/pci/devices/$1/net"
	report $? "the host has a card"
	card=$(basename "/sys/bus/pci/devices/$1"/net/*)
	ip addr flush dev "$card"
	ip addr add 10.9.9.1/24 dev "$card" && ip link set "$card" up
	mkdir www
	dd if=/dev/urandom of=www/bulk bs=64k count=32 2> /dev/null
	httpd -f -h www &
	server=$!
}

# make_disk: the host's files that are disks of the guest
make_disk()
{
	dd if=/dev/urandom of=disk bs=64k count=48 2> /dev/null
	dd if=/dev/urandom of=rodisk bs=64k count=8 2> /dev/null
}

# make_net [MODULE]: the host's end of a tap, and a web server with www. A test that was killed may
# have left the tap.
make_net()
{
	modprobe -a tun "$@" && { tunctl -d tap0; tunctl -t tap0; } > /dev/null 2>&1 &&
		ip addr add 10.9.9.1/24 dev tap0 && ip link set tap0 up || return
	mkdir -p www
	dd if=/dev/urandom of=www/bulk bs=64k count=32 2> /dev/null
	httpd -f -h www &
	server=$!
}

# clean_up: what these have made
clean_up()
{
	rm -rf "$dir"
	[ -z "$server" ] || kill "$server"
	tunctl -d tap0 > /dev/null
} 2> /dev/null

# forget: what the guest before said; the next one's process may open out and err late
forget()
{
	: > out
	: > err
}

# fill_disk NAME: the host writes its disk; what it reads then is before
fill_disk()
{
	wait_for "/dev/$1"
	report $? "$1: the host has the disk at first"
	dd if=/dev/urandom of="/dev/$1" bs=64k count=64 oflag=direct 2> /dev/null
	before=$(dd if="/dev/$1" bs=64k count=64 iflag=direct 2> /dev/null | sum)
}

# said WHAT: the guest's result, once it is there; nothing if hvrun ended without.
# A guest that says nothing for ten minutes never will.
said()
{
	local patience=3000

	# a terminal's line is whole when it ends with CR
	until grep -q "^@ $1\( .*\)*$cr\$" out; do
		kill -0 "$pid" 2> /dev/null || return 1
		patience=$((patience - 1))
		[ $patience != 0 ] || { kill -KILL "$pid"; return 1; }
		sleep 0.2
	done
	sed -n "s/^@ $1\( \(.*\)\)*$cr\$/\2/p" out | tail -n 1
}

# is WHAT VALUE NAME: the guest saw VALUE
is()
{
	local got

	got=$(said "$1")
	[ "$got" = "$2" ]
	report $? "$3"
	[ "$got" = "$2" ] || echo "# $1: got '$got', expected '$2'"
}

# check_host_disk NAME: the guest's step host_disk, after fill_disk; what it wrote is wrote
check_host_disk()
{
	is disk-read "$before" "$1: what the guest reads is what the host wrote"
	wrote=$(said disk-wrote)
}

# check_returned_disk NAME: the host has the disk again, after check_host_disk
check_returned_disk()
{
	[ "$(dd if="/dev/$1" bs=64k skip=8 count=16 iflag=direct 2> /dev/null | sum)" = "$wrote" ]
	report $? "$1: what the guest wrote is what the host reads"
}

# check_disk SUM: the guest's step disk, with the files disk and rodisk; SUM is what disk had before
check_disk()
{
	is serial disk "disk: serial number"
	is read "$1" "disk: what the guest reads is what the host wrote"
	is discard 0 "disk: discard"
	# the data was written before
	[ "$(dd if=disk bs=64k skip=8 count=16 2> /dev/null | sum)" = "$(said wrote)" ]
	report $? "disk: what the guest wrote is what the host reads"
	[ "$(dd if=disk bs=64k skip=32 2> /dev/null | tr -d '\0' | wc -c)" = 0 ]
	report $? "disk: what was discarded is empty"
	is readonly 1 "disk: a read-only one cannot be written"
	is readonly-read "$(sum < rodisk)" "disk: a read-only one can be read"
}

# check_net NAME: the guest's step net, with a web server that has www
check_net()
{
	is ping 0 "$1: ping"
	is down "$(sum < www/bulk)" "$1: 2 MiB to the guest by network"
	said up > /dev/null
	is up "$(timeout 60 wget -q -O - http://10.9.9.2/bulk | sum)" \
		"$1: 1 MiB from the guest by network"
}
