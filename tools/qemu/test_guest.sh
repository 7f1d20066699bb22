#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests with QEMU share, to be sourced: QEMU, its monitor, and what the tests of
# hvrun have (tools/hvrun/test_guest.sh).
# shellcheck disable=SC2034,SC2154,SC3043 # others use them, or set them; BusyBox has local

device=${HV_DEVICE:-/dev/hv}
qemu=${QEMU:-qemu-system-x86_64}
accel=kvm
kernel=/root/vmlinux initrd=/root/guest.cpio
# shellcheck source-path=SCRIPTDIR source=../hvrun/test_guest.sh
. "$(dirname "$0")/hvrun_guest.sh"

# QEMU before 8.2 knows one name of the device
[ "$device" = /dev/kvm ] || ln -sf "$device" /dev/kvm

# start STEPS OPTION...: QEMU with the guest, in the background. What the guest says is in out,
# what QEMU says in err and, in its monitor, in monitor.
start()
{
	local steps

	steps=$1
	shift
	forget
	rm -f commands
	mkfifo commands
	"$qemu" -nodefaults -no-user-config -accel "$accel" -m 192 -display none \
		-chardev file,id=serial,path=out -serial chardev:serial -monitor stdio \
		-kernel "$kernel" -initrd "$initrd" \
		-append "console=ttyS0 panic=-1 quiet $quirks do=$steps" \
		"$@" < commands > monitor 2> err &
	pid=$!
	exec 3> commands
}

# monitor COMMAND
monitor()
{
	echo "$1" >&3
}

# answers REGEX COMMAND: ask the monitor until it gives an answer like that
answers()
{
	local patience=200

	until grep -q "$1" monitor; do
		kill -0 "$pid" 2> /dev/null || return 1
		patience=$((patience - 1))
		[ $patience != 0 ] || return 1
		monitor "$2"
		sleep 1
	done
}

# said_lines WHAT: how often the guest has said so, in this QEMU
said_lines()
{
	grep -c "^@ $1" out
}

# says_again WHAT COUNT: the guest says it more often than COUNT times
says_again()
{
	local patience=1200

	until [ "$(said_lines "$1")" -gt "$2" ]; do
		kill -0 "$pid" 2> /dev/null || return 1
		patience=$((patience - 1))
		[ $patience != 0 ] || return 1
		sleep 0.2
	done
}

# ends NAME [REGEX]: QEMU ends by itself, when its guest has powered itself off or the monitor
# was told so, and has not complained of anything but the number of this host's processors and REGEX
ends()
{
	wait "$pid" && ! grep -vE "exceeds the recommended cpus supported by KVM${2:+|$2}" err
	report $? "$1"
	exec 3>&-
}

# What a boot with a failure said
show()
{
	echo "# the guest:"
	tail -n 150 out | sed 's/^/# /'
	echo "# QEMU:"
	head -n 30 err | sed 's/^/# /'
	tail -n 10 monitor | sed 's/^/# /'
}
