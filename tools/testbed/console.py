# SPDX-License-Identifier: GPL-2.0-only
"""The emulated host's console: follow it, show it, judge it."""

import os
import re
import sys
import time

# What the host's kernel says when something is wrong with it.
KERNEL_TROUBLE = re.compile(
    r"BUG: |Oops: |int3: |WARNING: CPU: |WARNING: possible|kernel BUG at"
    r"|general protection fault|Kernel panic|stack segment: "
    r"|double fault: |unchecked MSR access|soft lockup|hard LOCKUP"
    r"|rcu: INFO: \w+ (self-)?detected|blocked for more than \d+ seconds"
    r"|INFO: possible|bad: scheduling|scheduling while atomic"
    r"|suspicious RCU usage|unable to handle|refcount_t: |list_\w+ corruption"
    r"|Invalid wait context|Bad page state|Bad rss-counter|leaked")
FATAL = re.compile(r"Kernel panic - not syncing|end Kernel panic")
KERNEL_LINE = re.compile(r"\[ *\d+\.\d{6}\]")
GUEST_LINE = re.compile(r"# +\[ *\d+\.\d{6}\]")       # a test shows it in TAP
GRACE = 3.0             # seconds for a dying kernel to finish its last words
BEAT = 60.0             # seconds of processor time between two signs of life


class Progress:
    """Say what is awaited, during each wait of over two seconds."""

    def __init__(self):
        self.what = None
        self.since = self.last = time.monotonic()
        self.tty = sys.stderr.isatty()
        self.shown = False
        self.step = 2.0

    def enter(self, what):
        self.leave()
        self.what = what
        self.since = self.last = time.monotonic()
        self.step = 2.0

    def output(self):
        """Something was shown: the next line is due after a new silence."""
        self.leave()
        self.last = time.monotonic()
        self.step = 2.0

    def tick(self):
        now = time.monotonic()
        if self.what is None or now - self.last < self.step:
            return
        text = "testbed: %s, %d s" % (self.what, now - self.since)
        if self.tty:
            sys.stderr.write("\r" + text + "\033[K")
            self.step = 1.0
        else:
            sys.stderr.write(text + "\n")
            self.step = min(self.step * 2, 60.0)
        sys.stderr.flush()
        self.last = now
        self.shown = True

    def leave(self):
        if self.shown and self.tty:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
        self.shown = False


class Heart:
    """Is the host alive?  It says so every five of its own seconds.

    Those are a matter of how much the emulator gets to run, so that is what
    counts here, not the time on the wall.
    """

    def __init__(self, path, process):
        self.path = path
        self.process = process
        self.size = -1
        self.since = 0.0

    def stopped(self):
        size = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        used = self.used()
        if size != self.size:
            self.size = size
            self.since = used
        return used - self.since > BEAT

    def used(self):
        """Processor time that the emulator has used, in seconds."""
        try:
            with open("/proc/%d/stat" % self.process.pid) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return self.since
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Console:
    """Reads the serial port's file while the emulator writes it."""

    def __init__(self, path, token, arguments, progress):
        self.path = path
        self.mark = "@testbed-%s " % token
        self.limits = (arguments.boot_timeout, arguments.timeout)
        self.allow = [re.compile(text) for text in arguments.allow]
        self.verbose = arguments.verbose
        self.progress = progress
        self.lines = []
        self.partial = ""
        self.shown = 0          # characters of the partial line shown already
        self.loading = False
        self.started = False
        self.done = False
        self.status = None
        self.timed_out = None
        self.refused = None
        self.trouble = []
        self.emulator_log = []
        self.deadline = None

    def follow(self, process):
        """Until the host has powered off, died, or used up its time."""
        open(self.path, "ab").close()
        heart = Heart(os.path.join(os.path.dirname(self.path), "beats"),
                      process)
        self.enter("booting the host", self.limits[0])
        with open(self.path, "rb") as file:
            while True:
                ended = process.poll() is not None
                if self.read(file):
                    continue
                if ended or self.done:
                    break
                if time.monotonic() > self.deadline:
                    self.expire()
                    break
                if self.running() and heart.stopped():
                    self.timed_out = ("the host has hung: no sign of life in "
                                      "%d s of processor time" % BEAT)
                    break
                self.progress.tick()
                time.sleep(0.05)
        if self.partial:
            self.line(self.partial)

    def enter(self, what, limit):
        self.limit = limit
        self.deadline = time.monotonic() + limit
        self.progress.enter(what)

    def expire(self):
        """The time is up; after a kernel bug that was to be expected."""
        if not self.trouble or self.status is None and not self.dying():
            self.timed_out = "time limit: no end after %d s: %s" % (
                self.limit, self.progress.what)

    def dying(self):
        return any(FATAL.search(line) for line in self.trouble)

    def read(self, file):
        data = file.read(65536)
        if not data:
            return False
        text = data.decode("utf-8", "replace").replace("\r", "")
        *complete, rest = (self.partial + text).split("\n")
        for line in complete:
            self.line(line)
            self.shown = 0
        self.partial = rest
        self.show_partial()
        return True

    def show_partial(self):
        """Prompts have no newline; a mark in the making is not shown."""
        if self.visible() and "@" not in self.partial:
            self.show(self.partial[self.shown:])
            self.shown = len(self.partial)

    def running(self):
        """Has the command begun, and not ended?"""
        return self.started and self.status is None

    def visible(self):
        return self.verbose or self.running()

    def show(self, text):
        if text:
            self.progress.output()
            sys.stdout.write(text)
            sys.stdout.flush()

    def line(self, line):
        text, found, message = line.partition(self.mark)
        if text or not found:
            self.lines.append(text)
            self.look_for_trouble(text)
            if self.visible():
                self.show(text[self.shown:] + "\n")
        if found:
            self.message(message)

    def look_for_trouble(self, line):
        if not KERNEL_TROUBLE.search(line) or not KERNEL_LINE.search(line):
            return
        if GUEST_LINE.match(line):
            return
        if any(pattern.search(line) for pattern in self.allow):
            return
        self.trouble.append(line.strip())
        if FATAL.search(line):
            self.deadline = min(self.deadline, time.monotonic() + GRACE)

    def message(self, message):
        word, _, rest = message.partition(" ")
        if word == "loading":
            self.loading = True
        elif word == "start":
            self.started = True
            self.enter("the command is running", self.limits[1])
        elif word == "exit":
            self.status = int(rest)
            # a kernel with a bug may be unable to
            self.enter("unloading the module and powering off",
                       20 if self.trouble else 120)
        elif word == "refused":
            self.refused = rest
        elif word == "warning":
            if not any(pattern.search(rest) for pattern in self.allow):
                self.trouble.append(rest)
        elif word == "leak":
            self.trouble.append("module cannot be unloaded: " + rest)
        elif word == "done":
            self.done = True

    def stale_breakpoint(self):
        """Did the emulator run into a breakpoint that the host's kernel had
        taken away again while it patched itself, before any module?"""
        return not self.loading and any("int3: " in line
                                        for line in self.trouble)

    def problems(self):
        """Every reason for which this run has failed, most telling first."""
        found = list(dict.fromkeys(self.trouble))[:10]
        if self.timed_out:
            found.append(self.timed_out)
        elif self.refused:
            found.append(self.refused)
        elif not self.started:
            found.append("the host did not come up")
            found.extend(self.emulator_log)
        elif self.status is None:
            found.append("the host died while the command ran")
        elif not self.done:
            found.append("the host died before it could power off")
        return found

    def tail(self, count):
        return self.lines[-count:]
