#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# hvrun on a real device, with kernels of a few instructions: what the guest finds
# and how each end of a VM is reported. TAP. Runs in an emulated host (BusyBox).
#
# Variables: HV_DEVICE (default /dev/hv), HVRUN (default hvrun)
# shellcheck disable=SC3043 # BusyBox has local
set -u

# shellcheck source-path=SCRIPTDIR source=test_signals.sh
. "$(dirname "$0")/hvrun_signals.sh"
device=${HV_DEVICE:-/dev/hv}
hvrun=${HVRUN:-hvrun}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0
failed=0

# mov $0x34, %al; mov $0x600, %dx; out; hlt forever: 10 bytes that power off
off='\x66\xba\x00\x06\xb0\x34\xee\xf4\xeb\xfd'
# likewise reset: where a wrong result ends, 10 bytes behind
reset='\x66\xba\x02\x06\xb0\x01\xee\xf4\xeb\xfd'
# jnz over the power-off, to the reset
verdict="\\x75\\x0a$off$reset"

report()
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count $2"
	else
		echo "not ok $count $2"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
		failed=$((failed + 1))
	fi
}

# make CODE: $tmp/kernel, an ELF kernel of one page at 16 MiB that starts with CODE
make()
{
	{
		printf '\177ELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00'
		printf '\x02\x00\x3e\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00'	# entry
		printf '\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00'
		printf '\x00\x00\x00\x00\x40\x00\x38\x00\x01\x00\x40\x00\x00\x00\x00\x00'
		printf '\x01\x00\x00\x00\x07\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00'	# PT_LOAD
		printf '\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00'
		printf '\x00\x10\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00'
		dd if=/dev/zero bs=3984 count=1 2> /dev/null
		# shellcheck disable=SC2059 # escapes
		printf "$1"
		dd if=/dev/zero bs=4096 count=1 2> /dev/null
	} > "$tmp/kernel"
}

# run STATUS ARGUMENTS...: hvrun ends with STATUS
run()
{
	local expected="$1" got

	shift
	timeout 60 "$hvrun" --device "$device" --memory 32M "$@" "$tmp/kernel" \
		> "$tmp/out" 2> "$tmp/err" < "${input:-/dev/null}"
	got=$?
	[ $got = "$expected" ] && return 0
	echo "# status $got, expected $expected"
	return 1
}

said()
{
	grep -q "$1" "$tmp/err"
}

echo "TAP version 13"

make "$off"
run 0 && said "powered itself off"
report $? "power-off"

run 0 --cpus 2 && said "powered itself off"
report $? "power-off while another vCPU waits to be started"

run 0 --cpus 64 && said "powered itself off"
report $? "64 vCPUs"

run 0 --stats && said '^  io  *1$' && said "guest memory: .* of 32768 KiB"
report $? "statistics"

make "$reset"
run 3 && said "asked for a reset"
report $? "reset"

# ud2, with an IDT of one byte
make '\x0f\x0b'
run 4 && said "triple fault" && said "gdt  base" &&
	# AMD's processors lose their state in a shutdown (APM 2, 15.14.3)
	{ grep -q AuthenticAMD /proc/cpuinfo ||
	  { said "rip  0000000001000000" && said "rsi  0000000000007000"; }; }
report $? "triple fault, with its registers"

# mov $0xd0000000, %eax; jmp *%rax
make '\xb8\x00\x00\x00\xd0\xff\xe0'
if run 5; then
	said "internal error" && said "rip  00000000d0000000"
else
	run 4 && said "triple fault"
fi
report $? "jump to where there is no memory"

# lea text(%rip), %rsi; mov $6, %ecx; mov $0x3f8, %dx; cld; rep outsb
make "\\x48\\x8d\\x35\\x16\\x00\\x00\\x00\\xb9\\x06\\x00\\x00\\x00\\x66\\xba\\xf8\\x03\\xfc\\xf3\\x6e${off}hello\\n"
run 0 && [ "$(cat "$tmp/out")" = hello ]
report $? "serial output, REP OUTSB"

# OUT2 and receive interrupts on; wait for data; cmp $'Z', %al
make "\\x66\\xba\\xfc\\x03\\xb0\\x08\\xee\\x66\\xba\\xf9\\x03\\xb0\\x01\\xee\\x66\\xba\\xfd\\x03\\xec\\xa8\\x01\\x74\\xfb\\x66\\xba\\xf8\\x03\\xec\\x3c\\x5a$verdict"
echo Z > "$tmp/input"
input=$tmp/input run 0
report $? "serial input"

# mov $0xd0000000, %eax; mov (%rax), %ebx; inc %ebx
make "\\xb8\\x00\\x00\\x00\\xd0\\x8b\\x18\\xff\\xc3$verdict"
run 0
report $? "nobody at an address: MMIO reads give all ones"

# mov $0x999, %dx; in; inc %al
make "\\x66\\xba\\x99\\x09\\xec\\xfe\\xc0$verdict"
run 0
report $? "nobody at a port: reads give all ones"

# cmpl $"HdrS", 0x202(%rsi)
make "\\x81\\xbe\\x02\\x02\\x00\\x00\\x48\\x64\\x72\\x53$verdict"
run 0
report $? "zero page in RSI"

# mov 0x228(%rsi), %eax; cmpl $"earl", (%rax)
make "\\x8b\\x86\\x28\\x02\\x00\\x00\\x81\\x38\\x65\\x61\\x72\\x6c$verdict"
run 0 --append early
report $? "command line"

# mov 0x218(%rsi), %eax; cmpl $"init", (%rax)
make "\\x8b\\x86\\x18\\x02\\x00\\x00\\x81\\x38\\x69\\x6e\\x69\\x74$verdict"
echo initrd > "$tmp/initrd"
run 0 --initrd "$tmp/initrd"
report $? "initial ramdisk"

# mov 0x70(%rsi), %eax; cmpl $"RSD ", (%rax)
make "\\x8b\\x46\\x70\\x81\\x38\\x52\\x53\\x44\\x20$verdict"
run 0
report $? "ACPI's root pointer"

# mov $1, %eax; cpuid; bt $31, %ecx; cmc; sbb %eax, %eax: 0 if CF was 1
make "\\xb8\\x01\\x00\\x00\\x00\\x0f\\xa2\\x0f\\xba\\xe1\\x1f\\xf5\\x19\\xc0$verdict"
run 0
report $? "CPUID says that there is a hypervisor"

# mov $0xfee00030, %eax; mov (%rax), %eax; test %al, %al; setz %al; test %al, %al
make "\\xb8\\x30\\x00\\xe0\\xfe\\x8b\\x00\\x3c\\x10\\x0f\\x92\\xc0\\x84\\xc0$verdict"
run 0
report $? "local APIC, version 0x10 or later"

# cli; hlt
make '\xfa\xf4\xeb\xfd'
for signals in INT "TERM TERM"; do
	# a background job ignores SIGINT; hvrun blocks it and takes it nonetheless
	"$hvrun" --device "$device" --memory 32M "$tmp/kernel" > "$tmp/out" 2> "$tmp/err" < /dev/null &
	pid=$!
	takes_signals $pid
	sleep 1
	for signal in $signals; do
		kill -"$signal" $pid
		[ "$signal" = INT ] || soon grep -q "SIGTERM: power button pressed" "$tmp/err"
	done
	wait $pid
	status=$?
	[ $status -gt 128 ] && said "ended by signal"
	report $? "SIG$signals ends a halted guest, status $status"
done

make "$off"
"$hvrun" --device "$device" --memory 32M "$tmp/kernel" > /dev/null 2>&1 < /dev/null &
pid=$!
run 0 && wait $pid
report $? "two at once"

echo "1..$count"
[ $failed = 0 ]
