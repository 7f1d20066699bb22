#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A stock Linux kernel as an SMP guest with every device of hvrun, in TAP. Runs in
# an emulated host (BusyBox), as root.
#
#   hvrun_linux_test [-c CPUS] [-l SECONDS] [-k KERNEL] [-i INITRD]
#
# CPUS are the guest's (default 2), SECONDS how long it is loaded (default 20);
# INITRD is what mkguest made of guest_init.sh.
#
# Variables: HV_DEVICE (default /dev/hv), HVRUN (default hvrun)
# shellcheck disable=SC3043 # BusyBox has local
set -u

device=${HV_DEVICE:-/dev/hv}
hvrun=${HVRUN:-hvrun}
cpus=2 seconds=20 kernel=/root/vmlinux initrd=/root/guest.cpio
while getopts c:l:k:i: option; do
	case $option in
	c) cpus=$OPTARG ;;
	l) seconds=$OPTARG ;;
	k) kernel=$OPTARG ;;
	i) initrd=$OPTARG ;;
	*) exit 2 ;;
	esac
done
# shellcheck source-path=SCRIPTDIR source=test_guest.sh
. "$(dirname "$0")/hvrun_guest.sh"

# start STEPS: the guest, in the background; what it says is in out
start()
{
	forget
	"$hvrun" --device "$device" --cpus "$cpus" --stats --rng --console pty \
		--disk disk --disk rodisk,ro --net tap=tap0,mac=52:54:00:09:09:02 \
		--append "console=ttyS0 panic=-1 quiet $quirks do=$1" \
		--initrd "$initrd" "$kernel" > out 2> err < /dev/null &
	pid=$!
}

# What a boot with a failure said
show()
{
	[ $failed != 0 ] || return
	echo "# the guest:"
	tail -n 150 out | sed 's/^/# /'
	echo "# hvrun:"
	head -n 30 err | sed 's/^/# /'
}

# ---- all devices, hotplug, load, power button

test_devices()
{
	local pty before

	before=$(sum < disk)
	start "pci,disk,affinity,rebind,rng,console,net,hotplug,load:$seconds,button"
	is cpus "$cpus" "$cpus CPUs come up"
	is pci "0x0008 0x1042 0x1042 0x1041 0x1043 0x1044" "PCI devices are found"
	is ecam 2 "configuration space through ports and memory"
	is msix 12 "MSI-X of every device"
	check_disk "$before"
	is affinity 0 "an interrupt moves to the other CPU"
	is rebind 0 "a device starts again after a reset"
	is rng virtio_rng.0 "rng: the guest has it"
	[ "$(said entropy | tr -d '\n' | wc -c)" = 128 ]
	report $? "rng: 64 bytes"

	said hvc-ready > /dev/null
	pty=$(sed -n 's/.*console hvc0 is on //p' err)
	[ "$(timeout 60 head -n 1 "$pty" | tr -d '\r')" = "hello host, this is hvc0" ]
	report $? "console: the host reads what the guest writes"
	echo "hello guest" > "$pty"
	is hvc "hello guest" "console: the guest reads what the host writes"

	check_net net
	is unplugged 1 "all CPUs but one go offline"
	is replugged "$cpus 0" "and come back"
	is load 0 "$seconds seconds of load without a lockup"

	said button-ready > /dev/null
	kill -TERM $pid
	is button 0 "SIGTERM is the power button"
	wait $pid && grep -q "the guest powered itself off" err
	report $? "the guest powers itself off"
}

# ---- a VMM that stops, and one that dies

test_stop_and_kill()
{
	local lines

	start storm
	said alive > /dev/null
	kill -STOP $pid
	sleep 3
	kill -CONT $pid
	lines=$(grep -c '^@ alive' out)
	for _ in $(seq 3000); do
		sleep 0.2
		[ "$(grep -c '^@ alive' out)" -le $((lines + 2)) ] || break
	done
	[ "$(grep -c '^@ alive' out)" -gt $((lines + 2)) ]
	report $? "a stopped VMM goes on, under load"
	kill -KILL $pid
	wait $pid
	report $(($? != 137)) "a VMM is killed under load"
	# the tap and the disk are free again at once: nothing holds on to them
	start restart
	is cpus "$cpus" "its disk and its interface are free for the next"
	wait $pid
	report $(($? != 3)) "the guest's reboot ends it with status 3"
}

dir=$(mktemp -d)
server=
cd "$dir" || exit 1
trap clean_up EXIT
echo "TAP version 13"
# shellcheck disable=SC2119 # it needs no other module
if ! make_disk || ! make_net; then
	echo "Bail out! no disk or no network in this host"
	exit 1
fi
test_devices
show
test_stop_and_kill
[ $failed = 0 ] || tail -n 40 out | sed 's/^/# /'
echo "1..$count"
[ $failed = 0 ]
