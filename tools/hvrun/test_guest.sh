#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests of Linux guests share, to be sourced: results in TAP, and what the guest says.
# The guest's console is in the file out, hvrun's process in $pid.
# shellcheck disable=SC2034,SC2154,SC3043 # others use them, or set them; BusyBox has local

cr=$(printf '\r')
count=0
failed=0

# QEMU's emulation does not intercept XSETBV, so the guest would see wrong XSAVE sizes
quirks=
[ "${TESTBED_HOST:-}" != svm ] || quirks=noxsave

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

# said WHAT: the guest's result, once it is there; nothing if hvrun ended without.
# A guest that says nothing for ten minutes never will.
said()
{
	local patience=3000

	# a terminal's line is whole when it ends with CR
	until grep -q "^@ $1\( .*\)*$cr\$" out; do
		kill -0 "$pid" 2> /dev/null || return 1
		patience=$((patience - 1))
		[ $patience != 0 ] || kill -KILL "$pid"
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
