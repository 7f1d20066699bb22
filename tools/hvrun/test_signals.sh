#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests that send signals to hvrun share, to be sourced.
# shellcheck disable=SC3043 # BusyBox has local

# soon COMMAND...: until it succeeds, at most a minute
soon()
{
	local patience=600

	until "$@" || [ $patience = 0 ]; do
		patience=$((patience - 1))
		sleep 0.1
	done
}

# takes_signals PID: hvrun has blocked SIGINT and SIGQUIT, SIGUSR1 and SIGTERM (2, 3, 10 and 15: the
# bits 0x4206), to take them when it waits for events or enters the guest
takes_signals()
{
	soon grep -qs '^SigBlk:.*42.6$' "/proc/$1/status"
}
