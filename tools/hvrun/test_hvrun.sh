#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# hvrun's error paths, in TAP. Needs no device: hvrun-test is hvrun with a fake
# one, built with ASan and UBSan.
#
#   test_hvrun.sh BUILD-DIR	the folder with hvrun and hvrun-test
set -u

# shellcheck source-path=SCRIPTDIR source=test_signals.sh
. "$(dirname "$0")/test_signals.sh"
dir=${1:?usage: test_hvrun.sh BUILD-DIR}
hvrun=$dir/hvrun-test
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0
failed=0

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

# expect NAME STATUS TEXT ARGUMENTS...: exit status, one line on standard error
# that starts with hvrun: and contains TEXT (a regular expression)
expect()
{
	local name=$1 status=$2 text=$3 got lines

	shift 3
	timeout 20 "$hvrun" "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null
	got=$?
	lines=$(grep -c '' "$tmp/err")
	if [ $got = "$status" ] && [ "$lines" = "${max_lines:-1}" ] &&
	   head -n 1 "$tmp/err" | grep -Eq "^hvrun.*$text"; then
		report 0 "$name"
	else
		report 1 "$name"
		echo "# status $got, expected $status; $lines lines; standard error:"
		sed 's/^/#   /' "$tmp/err"
	fi
}

# fake NAME STATUS TEXT VARIABLE=VALUE...: a good command line on a bad device
fake()
{
	local name=$1 status=$2 text=$3 assignment

	shift 3
	for assignment; do
		export "${assignment?}"
	done
	expect "$name" "$status" "$text" --device /dev/fake "$tmp/good"
	for assignment; do
		unset "${assignment%%=*}"
	done
}

# bytes FILE OFFSET ESCAPES: overwrite
bytes()
{
	printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# A bzImage with nothing behind its header: boot protocol 2.15, one setup
# sector, 4 KiB of kernel that wants 64 KiB at 1 MiB.
make_bzimage()
{
	rm -f "$1"
	truncate -s 5120 "$1"
	bytes "$1" $((0x1f1)) '\x01'				# setup_sects
	bytes "$1" $((0x1f4)) '\x00\x01\x00\x00'		# syssize, 16 bytes each
	bytes "$1" $((0x1fe)) '\x55\xaa'
	bytes "$1" $((0x200)) '\xeb\x6aHdrS\x0f\x02'		# jump, magic, version
	bytes "$1" $((0x211)) '\x01'				# loadflags: high
	bytes "$1" $((0x22c)) '\xff\xff\xff\x7f'		# initrd_addr_max
	bytes "$1" $((0x230)) '\x00\x00\x20\x00\x01\x15\x01\x00'	# alignment, relocatable, xloadflags
	bytes "$1" $((0x238)) '\xff\x07\x00\x00'		# cmdline_size
	bytes "$1" $((0x258)) '\x00\x00\x10\x00\x00\x00\x00\x00'	# pref_address
	bytes "$1" $((0x260)) '\x00\x00\x01\x00'		# init_size
}

# An ELF kernel of one page at 16 MiB.
make_elf()
{
	rm -f "$1"
	truncate -s 8192 "$1"
	bytes "$1" 0 '\x7fELF\x02\x01\x01'
	bytes "$1" 16 '\x02\x00\x3e\x00\x01\x00\x00\x00\x00\x00\x00\x01'
	bytes "$1" 32 '\x40'
	bytes "$1" 52 '\x40\x00\x38\x00\x01\x00'
	bytes "$1" 64 '\x01\x00\x00\x00\x05\x00\x00\x00\x00\x10'	# PT_LOAD at file 0x1000
	bytes "$1" 88 '\x00\x00\x00\x01'			# physical address
	bytes "$1" 96 '\x00\x10'				# file size
	bytes "$1" 104 '\x00\x10'				# memory size
}

# damaged MAKER NAME STATUS TEXT OFFSET ESCAPES: one field of a good kernel changed
damaged()
{
	"$1" "$tmp/bad"
	bytes "$tmp/bad" "$5" "$6"
	expect "$2" "$3" "$4" "$tmp/bad"
}

make_bzimage "$tmp/good"
make_elf "$tmp/good-elf"

echo "TAP version 13"

# ---- command line
expect "no arguments" 2 "no kernel given"
expect "two kernels" 2 "unexpected argument 'b'" a b
expect "unknown option" 2 "unrecognized option" --nonsense a
expect "option without its value" 2 "requires an argument" --memory
for size in "" x -5 12Q 5MM 0x10M 99999999999999999999 18446744073709551615G; do
	expect "--memory '$size'" 2 "--memory $size:" --memory "$size" a
done
expect "--memory too small" 2 "too small" --memory 1M a
expect "--memory not a multiple of a page" 2 "multiple of 4K" --memory 8193K a
for cpus in "" x 0 -1 65 1x 99999999999999999999; do
	expect "--cpus '$cpus'" 2 "--cpus $cpus:" --cpus "$cpus" a
done
expect "--disk without a file" 2 "--disk: no file" --disk "" a
expect "--net without a tap" 2 "--net: no tap=NAME" --net "" a
expect "--net tap without a name" 2 "not an interface's name" --net tap= a
expect "--net with a name that is too long" 2 "not an interface's name" --net tap=0123456789abcdef a
expect "--device with something else" 2 "--device: unknown 'reset'" --device /dev/hv-pci/none,reset a
expect "--net with something else" 2 "--net: unknown 'bridge=br0'" --net tap=tap0,bridge=br0 a
for mac in "" 52:54:00:12:34 52:54:00:12:34:56:78 51:54:00:12:34:56 52:54:00:12:34:5g; do
	expect "--net mac=$mac" 2 "--net mac=$mac: not a station" --net "tap=t,mac=$mac" a
done
disks=()
for _ in {1..17}; do disks+=(--disk a); done
expect "17 disks" 2 "at most 16 disks" "${disks[@]}" a
"$hvrun" --help > "$tmp/out" 2>&1 && grep -q '^Usage: hvrun' "$tmp/out"
report $? "--help"

# ---- files
expect "kernel missing" 1 "$tmp/none: No such file" "$tmp/none"
expect "kernel is a folder" 1 "not a regular file" "$tmp"
: > "$tmp/empty"
expect "kernel empty" 1 "too short to be a kernel" "$tmp/empty"
head -c 100000 /dev/zero > "$tmp/zero"
expect "kernel all zero" 1 "neither a bzImage nor an ELF" "$tmp/zero"
head -c 100000 /dev/urandom > "$tmp/random"
bytes "$tmp/random" 0 'XX'
bytes "$tmp/random" $((0x202)) 'XX'
expect "kernel random" 1 "neither a bzImage nor an ELF" "$tmp/random"
cp "$tmp/good" "$tmp/short" && truncate -s 4000 "$tmp/short"
expect "bzImage truncated" 1 "truncated: 4000 bytes, its header announces 5120" "$tmp/short"
damaged make_bzimage "bzImage of an old protocol" 1 "without a 64-bit entry point" $((0x206)) '\x05\x02'
damaged make_bzimage "bzImage for 32 bits" 1 "without a 64-bit entry point" $((0x236)) '\x00\x00'
damaged make_bzimage "bzImage without a kernel" 1 "no kernel in it" $((0x1f4)) '\x00\x00\x00\x00'
damaged make_bzimage "bzImage with a huge kernel" 1 "truncated" $((0x1f4)) '\xff\xff\xff\xff'
damaged make_bzimage "bzImage larger than what it needs" 1 "damaged" $((0x260)) '\x00\x01\x00\x00'
damaged make_bzimage "bzImage that needs 4 GiB" 1 "does not fit" $((0x260)) '\xff\xff\xff\xff'
damaged make_bzimage "bzImage with a wrong alignment" 1 "damaged.*alignment" \
	$((0x230)) '\x03\x00\x00\x00\x01\x15\x01\x00\xff\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff'
cp "$tmp/good-elf" "$tmp/short" && truncate -s 6000 "$tmp/short"
expect "ELF truncated" 1 "truncated" "$tmp/short"
damaged make_elf "ELF of 32 bits" 1 "not an x86-64 ELF" 4 '\x01'
damaged make_elf "ELF of another machine" 1 "not an x86-64 ELF" 18 '\xb7'
damaged make_elf "ELF shared object" 1 "not an x86-64 ELF" 16 '\x03'
damaged make_elf "ELF without program headers" 1 "damaged ELF program headers" 56 '\x00'
damaged make_elf "ELF with 65535 program headers" 1 "damaged ELF program headers" 56 '\xff\xff'
damaged make_elf "ELF headers beyond the file" 1 "truncated" 32 '\x00\x00\x00\x00\x00\x00\x00\x7f'
damaged make_elf "ELF segment beyond the file" 1 "truncated" 72 '\xff\xff\xff\xff\xff\xff\xff\xff'
damaged make_elf "ELF segment larger than its memory" 1 "damaged ELF segment" 96 '\x01\x10'
damaged make_elf "ELF segment at address 0" 1 "damaged ELF segment" 88 '\x00\x00\x00\x00'
damaged make_elf "ELF segment beyond the memory" 1 "does not fit" 88 '\x00\x00\x00\x40'
damaged make_elf "ELF segment that wraps" 1 "does not fit" 88 '\xff\xff\xff\xff\xff\xff\xff\xff'
damaged make_elf "ELF entry outside" 1 "entry point" 24 '\x00\x00\x00\x00'
expect "initrd missing" 1 "none: No such file" --initrd "$tmp/none" "$tmp/good"
expect "initrd empty" 1 "empty" --initrd "$tmp/empty" "$tmp/good"
truncate -s 300M "$tmp/huge"
expect "initrd larger than the memory" 1 "307200 KiB do not fit" --initrd "$tmp/huge" "$tmp/good"
truncate -s 8G "$tmp/huge"
expect "initrd larger than 4 GiB" 1 "do not fit" --memory 4M --initrd "$tmp/huge" "$tmp/good"
truncate -s 3M "$tmp/huge"
expect "initrd over the kernel" 1 "do not fit" --memory 4M --initrd "$tmp/huge" "$tmp/good"
truncate -s 200M "$tmp/huge"
expect "memory too small for the kernel" 1 "does not fit into 4 MiB" --memory 4M "$tmp/good-elf"
expect "command line too long" 1 "--append: 3000 characters" --append "$(printf 'a%.0s' {1..3000})" "$tmp/good"
expect "memory that cannot be had" 1 "guest memory: Cannot allocate" --memory 100000000G "$tmp/good"

# ---- devices
expect "device missing" 1 "/dev/none: No such file.*module loaded" --device /dev/none "$tmp/good"
expect "device is none" 1 "/dev/null: not a hypervisor device" --device /dev/null "$tmp/good"
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
	chmod 755 "$tmp"
	: > "$tmp/device" && chmod 600 "$tmp/device"
	cp "$dir/hvrun" "$tmp/hvrun"
	setpriv --reuid 65534 --clear-groups "$tmp/hvrun" --device "$tmp/device" "$tmp/good" 2> "$tmp/err"
	[ $? = 1 ] && grep -q "Permission denied (are you in" "$tmp/err"
	report $? "device without permission"
else
	count=$((count + 1))
	echo "ok $count device without permission # SKIP needs root and setpriv"
fi
fake "API version" 1 "API version 11, this hvrun speaks 12" FAKE_VERSION=11
fake "capability missing" 1 "lacks HV_CAP_IRQCHIP" FAKE_CAP=0
fake "another hypervisor" 1 "another hypervisor owns the processor" FAKE_FAIL=createvm:16
for call in irqchip:22 cpuid:7 memory:17 vcpu:12 setcpuid:22 lapic:22 sregs:22 regs:22; do
	fake "failing call $call" 1 "" FAKE_FAIL=$call
done
fake "failing HV_RUN" 5 "HV_RUN: Bad address" FAKE_FAIL=run:14
expect "too many CPUs for the device" 1 "at most 8 CPUs, asked for 9" \
	--device /dev/fake --cpus 9 "$tmp/good"

# ---- virtio devices
# virtio NAME STATUS TEXT ARGUMENTS...: arguments for a good kernel on a good device
virtio()
{
	local name=$1 status=$2 text=$3

	shift 3
	FAKE_OUT=600:34 expect "$name" "$status" "$text" --device /dev/fake "$@" "$tmp/good"
}

truncate -s 1M "$tmp/disk"
truncate -s 1000 "$tmp/odd"
virtio "disk" 0 "powered itself off" --disk "$tmp/disk" --disk "$tmp/good,ro" --rng
virtio "disk missing" 1 "--disk $tmp/none: No such file" --disk "$tmp/none"
virtio "disk is a folder" 1 "$tmp: Is a directory" --disk "$tmp"
virtio "disk is a device of another kind" 1 "/dev/null: neither a file nor a block" --disk /dev/null
virtio "disk empty" 1 "0 bytes, not a multiple of 512" --disk "$tmp/empty"
virtio "disk with half a sector" 1 "1000 bytes, not a multiple of 512" --disk "$tmp/odd"
virtio "disk twice" 1 "another VM uses it" --disk "$tmp/disk" --disk "$tmp/disk"
virtio "disk twice, once to read" 1 "another VM uses it" --disk "$tmp/disk" --disk "$tmp/disk,ro"
virtio "disk twice, to read" 0 "powered itself off" --disk "$tmp/disk,ro" --disk "$tmp/disk,ro"
virtio "no such tap" 1 "--net tap=hvnone0: no such interface" --net tap=hvnone0
virtio "interface is no tap" 1 "--net" --net tap=lo
virtio "console on a file" 0 "powered itself off" --console "$tmp/console"
virtio "console in a folder that is not there" 1 "--console $tmp/none/x: No such file" \
	--console "$tmp/none/x"
virtio "console on a folder" 1 "--console $tmp: Is a directory" --console "$tmp"
max_lines=2
virtio "console on a pseudo-terminal" 0 "console hvc0 is on /dev/pts/" --console pty
unset max_lines
virtio "short options" 0 "powered itself off" -k "$tmp/disk" -o "$tmp/console" -r
virtio "short option -n" 1 "--net tap=hvnone0: no such interface" -n tap=hvnone0
FAKE_FAIL=irqfd:28 virtio "failing call irqfd" 1 "HV_IRQFD: No space" --rng

# ---- ends of the VM
fake "power-off" 0 "the guest powered itself off" FAKE_OUT=600:34
fake "reset" 3 "the guest asked for a reset" FAKE_OUT=602:1
max_lines=18
fake "triple fault" 4 "triple fault" FAKE_EXIT=8
fake "HLT in userspace" 5 "HLT came to userspace" FAKE_EXIT=5
fake "failed entry" 5 "refused to enter the guest" FAKE_EXIT=9
fake "unknown exit 4000000000" 5 "exit reason 4000000000 \(no name\)" FAKE_EXIT=4000000000
fake "exit that hvrun does not handle" 5 "exit reason 3 \(hypercall\)" FAKE_EXIT=3
max_lines=21
fake "internal error" 5 "internal error .* suberror 3" FAKE_EXIT=17 FAKE_SUBERROR=3
max_lines=22
fake "emulation failure" 5 "cannot emulate" FAKE_EXIT=17 FAKE_SUBERROR=1
unset max_lines

# a background job of a script ignores SIGINT, setsid of its own does not
env --default-signal=INT "$hvrun" --device /dev/fake "$tmp/good" 2> "$tmp/err" < /dev/null &
takes_signals $!
kill -INT $!
wait $!
[ $? = 130 ] && grep -q "ended by signal" "$tmp/err"
report $? "SIGINT ends a halted guest"
"$hvrun" --device /dev/fake "$tmp/good" 2> "$tmp/err" < /dev/null &
takes_signals $!
kill -TERM $!
soon grep -q "power button pressed" "$tmp/err"
kill -0 $! && grep -q "power button pressed" "$tmp/err"
report $? "SIGTERM presses the power button"
kill -TERM $!
wait $!
[ $? = 143 ] && grep -q "ended by signal" "$tmp/err"
report $? "a second SIGTERM ends a halted guest"
FAKE_OUT=3f8:41 timeout 20 "$hvrun" --device /dev/fake "$tmp/good" 2> "$tmp/err" | head -c 100 > "$tmp/out"
[ "${PIPESTATUS[0]}" = 1 ] && grep -q "console output: Broken pipe" "$tmp/err" &&
	[ "$(cat "$tmp/out")" = "$(printf 'A%.0s' {1..100})" ]
report $? "console's reader goes away"

# ended PID: it ends, and soon; the caller waits for it
ended()
{
	timeout 20 tail --pid="$1" -f /dev/null || { kill -KILL "$1"; return 1; }
}

# A console whose reader stops before the guest does
mkfifo "$tmp/pipe"
exec 8<> "$tmp/pipe"
FAKE_OUT=3f8:41 env --default-signal=INT "$hvrun" --device /dev/fake "$tmp/good" \
	> "$tmp/pipe" 2> "$tmp/err" < /dev/null &
takes_signals $!
sleep 2
kill -INT $!
ended $! && { wait $!; [ $? = 130 ]; } && grep -q "ended by signal" "$tmp/err"
report $? "SIGINT ends a guest that waits for its console's reader"
FAKE_OUT=3f8:41 "$hvrun" --device /dev/fake --cpus 8 "$tmp/good" \
	> "$tmp/pipe" 2>&1 < /dev/null &
takes_signals $!
sleep 1
kill -TERM $!
sleep 2
soon grep -qs '^ShdPnd:[[:space:]]*0*$' /proc/$!/status
kill -TERM $!
ended $! && { wait $!; [ $? = 143 ]; }
report $? "a second SIGTERM does, with standard error to the same reader"
# standard output does not block: a reader who is slow gets all of it
FAKE_OUT=3f8:41 timeout 20 python3 -c 'import os, sys
os.set_blocking(1, False)
os.execv(sys.argv[1], sys.argv[1:])' "$hvrun" --device /dev/fake "$tmp/good" 2> "$tmp/err" |
	{ sleep 2; head -c 200000; } > "$tmp/out"
[ "$(tr -d A < "$tmp/out" | wc -c) $(wc -c < "$tmp/out")" = "0 200000" ] &&
	grep -q "console output: Broken pipe" "$tmp/err"
report $? "console on a pipe that does not block"

# several PATTERN N: that many lines come, soon
several()
{
	local patience=100

	until [ "$(grep -c "$1" "$tmp/err")" -ge "$2" ] || [ $patience = 0 ]; do
		patience=$((patience - 1))
		sleep 0.1
	done
	[ "$(grep -c "$1" "$tmp/err")" = "$2" ]
}

env --default-signal=INT "$hvrun" --device /dev/fake --cpus 8 "$tmp/good" \
	2> "$tmp/err" < /dev/null &
takes_signals $!
sleep 0.5
kill -QUIT $!
# 18 lines each, which begin alike
several "^  idt" 8 && kill -QUIT $! && several "^  idt" 16 && awk '
	{ name = substr($0, 1, 6) }
	NR <= 18 { names[NR] = name }
	name != names[(NR - 1) % 18 + 1] { mixed = 1 }
	END { exit mixed || NR != 16 * 18 }' "$tmp/err"
report $? "SIGQUIT shows the registers of 8 vCPUs, one after the other"
kill -INT $!
ended $! && { wait $!; [ $? = 130 ]; }
report $? "and it goes on"
env --default-signal=INT "$hvrun" --stats --rng --device /dev/fake "$tmp/good" \
	2> "$tmp/err" < /dev/null &
takes_signals $!
sleep 0.5
for _ in {1..10}; do
	kill -QUIT $!
	kill -USR1 $!
done
# one that nobody waits for, and after which the thread could go on for ever
sleep 0.5
kill -USR1 $!
sleep 0.5
kill -INT $!
ended $! && { wait $!; [ $? = 130 ]; } &&
	exits=$(sed -n 's/^  signal *//p' "$tmp/err") && [ "$exits" -ge 1 ] && [ "$exits" -le 22 ]
report $? "each signal interrupts HV_RUN once"

# type_at KEYS [OUTPUT [SECONDS]]: types at a terminal, what script gives hvrun as its
# standard input; standard output is OUTPUT or the terminal
type_at()
{
	(sleep 0.5; printf '%b' "$1"; sleep 1) |
		timeout "${3:-20}" script -qec "$hvrun --device /dev/fake $tmp/good${2:+ > $2}" \
			/dev/null > "$tmp/out" 2> "$tmp/err"
}
if command -v script > /dev/null; then
	type_at 'abc\x01x' && grep -q "ended at the console" "$tmp/out"
	report $? "Ctrl-A x ends it"
	type_at '\x01\x01x' '' 4
	[ $? = 124 ] && ! grep -q "ended at the console" "$tmp/out"
	report $? "Ctrl-A Ctrl-A x does not"
	FAKE_OUT=3f8:41 type_at '\x01x' "$tmp/pipe" && grep -q "ended at the console" "$tmp/out"
	report $? "Ctrl-A x ends one that waits for its console's reader"
else
	for name in "Ctrl-A x ends it" "Ctrl-A Ctrl-A x does not" \
			"Ctrl-A x ends one that waits for its console's reader"; do
		count=$((count + 1))
		echo "ok $count $name # SKIP needs script(1)"
	done
fi

exec 8>&-
FAKE_OUT=600:34 "$hvrun" --stats --device /dev/fake "$tmp/good" 2> "$tmp/err" < /dev/null
grep -q "exits to userspace: 1$" "$tmp/err" && grep -Eq "^  io +1$" "$tmp/err" &&
	grep -Eq "guest memory: [0-9]+ KiB used of 262144 KiB" "$tmp/err"
report $? "--stats"

echo "1..$count"
[ $failed = 0 ]
