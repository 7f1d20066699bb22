#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A stock QEMU as the VMM, with a stock Linux kernel as the guest, in TAP: its machines and
# kinds of interrupt controllers, devices, reset, migration. Runs in an emulated host (BusyBox),
# as root.
#
#   qemu_linux_test [-l SECONDS] [TEST...]
#
# SECONDS are how long the guest is loaded (default 5). TEST: devices, vhost, userspace, migrate.
#
# Variables: HV_DEVICE (default /dev/hv), QEMU (default qemu-system-x86_64)
# shellcheck disable=SC3043 # BusyBox has local
# shellcheck disable=SC2046,SC2086 # options of QEMU are several words
set -u

seconds=5
while getopts l: option; do
	case $option in
	l) seconds=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source-path=SCRIPTDIR source=test_guest.sh
. "$(dirname "$0")/qemu_guest.sh"

# The first two are virtio0 and virtio1 in the guest.
disks="-drive if=none,id=disk,file=disk,format=raw,discard=unmap
	-drive if=none,id=rodisk,file=rodisk,format=raw,readonly=on
	-device virtio-blk-pci,drive=disk,serial=disk
	-device virtio-blk-pci,drive=rodisk"

# network on|off: with the kernel's virtio device, or QEMU's own
network()
{
	echo "-netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=$1
		-device virtio-net-pci,netdev=net,mac=52:54:00:09:09:02,romfile="
}

# ---- tests

# All devices, hotplug of processors, load, power button
test_devices()
{
	local before

	before=$(sum < disk)
	mkfifo hvc.in hvc.out
	start "disk,affinity,rebind,rng,console,net,hotplug,load:$seconds,button" \
		-machine q35 -cpu host -smp 2 $disks $(network off) \
		-device virtio-serial-pci -chardev pipe,id=hvc,path=hvc \
		-device virtconsole,chardev=hvc -device virtio-rng-pci
	is cpus 2 "q35: 2 CPUs come up"
	check_disk "$before"
	is affinity 0 "an interrupt moves to the other CPU"
	is rebind 0 "a device starts again after a reset"
	is rng virtio_rng.0 "rng: the guest has it"
	said hvc-ready > /dev/null
	[ "$(timeout 60 head -n 1 hvc.out | tr -d '\r')" = "hello host, this is hvc0" ]
	report $? "console: the host reads what the guest writes"
	echo "hello guest" > hvc.in
	is hvc "hello guest" "console: the guest reads what the host writes"
	check_net net
	is unplugged 1 "all CPUs but one go offline"
	is replugged "2 0" "and come back"
	is load 0 "$seconds seconds of load without a lockup"
	said button-ready > /dev/null
	monitor system_powerdown
	is button 0 "system_powerdown is the power button"
	ends "the guest powers itself off"
}

# LAPICs in the kernel, IOAPIC and PICs in QEMU; a network device in the kernel; a screen
test_vhost()
{
	start net,button -machine pc,kernel-irqchip=split -cpu qemu64 -smp 2 -vga std $(network on)
	is cpus 2 "pc, split interrupt controllers: 2 CPUs come up"
	check_net net
	said button-ready > /dev/null
	monitor system_powerdown
	# hv has no asynchronous page faults
	ends "the guest powers itself off" "requested feature: .*kvm-asyncpf"
}

# All interrupt controllers in QEMU. 7.2 hangs there with several processors, and offers MSRs
# that stock KVM has only with a LAPIC unless it hides itself.
test_userspace()
{
	local before

	before=$(sum < disk)
	start disk -machine q35,kernel-irqchip=off -cpu host,kvm=off -smp 1 $disks
	is cpus 1 "q35, interrupt controllers in user space: 1 CPU comes up"
	check_disk "$before"
	ends "the guest powers itself off" "Userspace local APIC is deprecated|Do not use kernel-irq"
}

# emigrate NAME: the guest's state goes into the file state while it runs, so slowly that it writes
# again what has been read
emigrate()
{
	monitor "migrate_set_parameter max-bandwidth 16M"
	monitor 'migrate "exec:cat > state"'
	answers "Migration status: completed" "info migrate"
	report $? "$1: its state is written while it runs"
	[ "$(said_lines corrupt)" = 0 ]
	report $? "$1: its memory was right all the time"
	monitor quit
	ends "$1: QEMU ends"
}

# immigrate NAME: another QEMU goes on with it; a guest that finds its memory wrong boots again
immigrate()
{
	start churn $machine -incoming "exec:cat state"
	says_again churn 1 && [ "$(said_lines cpus)" = 0 ]
	report $? "$1: another QEMU goes on with it"
}

# A guest goes from one QEMU to another while it runs, twice, then is reset. What it writes
# meanwhile is in bitmaps for the first one, in rings for the second.
test_migrate()
{
	local machine accel

	machine="-machine q35 -cpu host -smp 2 $(network off)"
	accel=kvm
	start churn $machine
	says_again churn 1
	report $? "the guest checks its memory over and over"
	emigrate bitmaps
	accel=kvm,dirty-ring-size=1024
	immigrate bitmaps
	emigrate rings
	immigrate rings
	[ "$(said_lines corrupt)" = 0 ]
	report $? "its memory is right"
	monitor system_reset
	said cpus > /dev/null && says_again churn "$(said_lines churn)"
	report $? "system_reset: it boots again"
	is cpus 2 "with 2 CPUs"
	monitor quit
	ends "QEMU ends"
	rm -f state
}

dir=$(mktemp -d)
server=
cd "$dir" || exit 1
trap clean_up EXIT
echo "TAP version 13"
if ! make_disk || ! make_net vhost_net; then
	echo "Bail out! no disk or no network in this host"
	exit 1
fi
[ $# != 0 ] || set -- devices vhost userspace migrate
for test; do
	before=$failed
	"test_$test"
	[ $failed = "$before" ] || show
done
echo "1..$count"
[ $failed = 0 ]
