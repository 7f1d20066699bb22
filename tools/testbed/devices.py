# SPDX-License-Identifier: GPL-2.0-only
"""IOMMU and PCI devices of the svm host: QEMU's own strings, checked."""

import os
import re
import subprocess

QEMU = os.environ.get("QEMU", "qemu-system-x86_64")
DISK_SIZE = 64 << 20

# What -device takes, and what its kernel is told. Interrupt remapping is on
# only when asked for; QEMU's TCG has its interrupt controllers in user space,
# as remapping needs.
IOMMUS = {
    "intel": ("intel-iommu,intremap=on", "intel_iommu=on"),
    "amd": ("amd-iommu,intremap=on", ""),
}


# Parts of NVMe devices, which are on no PCI bus
PARTS = {"nvme-subsys", "nvme-ns"}


class Error(Exception):
    """A device that QEMU would not understand."""


def split(text):
    """Split a QEMU option string; a doubled comma is a comma."""
    parts = text.replace(",,", "\0").split(",")
    return [part.replace("\0", ",") for part in parts]


def ask(*words):
    """What QEMU says of itself."""
    result = subprocess.run([QEMU, "-machine", "none", *words], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise Error(result.stdout.strip())
    return result.stdout


def pci_devices():
    """Names and other names of QEMU's PCI devices."""
    names = set()
    for line in ask("-device", "help").splitlines():
        if "bus PCI" in line:
            names.update(re.findall(r'(?:name|alias) "([^"]+)"', line))
    return names


def options_of(name):
    """The options that a device has."""
    text = ask("-device", name + ",help")
    return set(re.findall(r"^  ([\w.-]+)=", text, re.MULTILINE))


def check(text):
    """The options that a device has, and those that it is given."""
    name, *words = split(text)
    if name not in pci_devices() | PARTS:
        raise Error("QEMU has no PCI device %s (see %s -device help)"
                    % (name, QEMU))
    known = options_of(name)
    given = {}
    for word in words:
        option, equals, value = word.partition("=")
        # these two every device has
        if not equals or option not in known | {"id", "bus"}:
            raise Error("device %s has no option '%s' (see %s -device %s,help)"
                        % (name, word, QEMU, name))
        given[option] = value
    return known, given


def complete(text, number, folder):
    """A device with what is behind it: a network of its own, an empty disk."""
    known, given = check(text)
    before = []
    if "netdev" in known and "netdev" not in given:
        network = "testbed-net%d" % number
        before = ["-netdev", "user,restrict=on,id=" + network]
        text += ",netdev=" + network
    # the disks of a subsystem are parts of their own
    if "drive" in known and not {"drive", "subsys"} & set(given):
        drive = "testbed-drive%d" % number
        path = os.path.join(folder, "drive%d" % number)
        with open(path, "wb") as file:
            file.truncate(DISK_SIZE)
        before = ["-drive", "if=none,format=raw,cache=unsafe,id=%s,file=%s"
                  % (drive, path.replace(",", ",,"))]
        text += ",drive=" + drive
        # NVMe devices must have one
        if "serial" in known and "serial" not in given:
            text += ",serial=" + drive
    return before + ["-device", text]


def arguments(iommu, devices, netdevs, folder):
    """QEMU's arguments for all of them; an IOMMU is to be the first device."""
    words = []
    if iommu:
        words += ["-device", IOMMUS[iommu][0]]
    for text in netdevs:
        words += ["-netdev", text]
    for number, text in enumerate(devices):
        words += complete(text, number, folder)
    return words


def cmdline(iommu):
    """What the host's kernel has to be told."""
    # Linux counts ticks of the timer against instructions, and panics when
    # the emulator was slow meanwhile.
    return IOMMUS[iommu][1] + " no_timer_check" if iommu else ""
