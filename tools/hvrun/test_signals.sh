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

# takes_signals PID: hvrun has blocked SIGINT and SIGQUIT, the last bits but one, to take them
# when it waits for events
takes_signals()
{
	soon grep -qs '^SigBlk:.*6$' "/proc/$1/status"
}
