#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A disk from which the emulated Intel host boots without decompression.

disk.py flatten VMLINUX OUTPUT	lay a kernel out as it lies in memory
disk.py loader OUTPUT		assemble the boot loader

The module's write() then puts loader, kernel and initramfs on a disk.
"""

import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
SECTOR = 512
TRACK = 16 * 63 * SECTOR        # the disk's size is a multiple of this
BOOT_PARAMS = 0x90000
CMDLINE = 0x91000
CMDLINE_SIZE = 0x1000
INITRD = 0x8000000

# Offsets in boot_params, Documentation/arch/x86/boot.rst
SETUP_HEADER, HEADER_END = 0x1F1, 0x201
TYPE_OF_LOADER, LOADFLAGS = 0x210, 0x211
RAMDISK_IMAGE, RAMDISK_SIZE, CMD_LINE_PTR = 0x218, 0x21C, 0x228


def flatten(elf):
    """An ELF kernel's entry, address and content in memory."""
    entry, table = struct.unpack_from("<QQ", elf, 24)
    size, count = struct.unpack_from("<HH", elf, 54)
    pieces = []
    for index in range(count):
        kind, _, offset, _, address, length, _, _ = struct.unpack_from(
            "<IIQQQQQQ", elf, table + index * size)
        if kind == 1:
            pieces.append((address, elf[offset:offset + length]))
    base = min(address for address, _ in pieces)
    flat = bytearray(max(address + len(data) for address, data in pieces)
                     - base)
    for address, data in pieces:
        flat[address - base:address - base + len(data)] = data
    # the zeros at the end are the BSS, which the kernel clears itself
    return entry, base, bytes(flat).rstrip(b"\0")


def assemble(output):
    with tempfile.TemporaryDirectory() as folder:
        parts = [os.path.join(folder, name) for name in ("o", "elf")]
        subprocess.run(["gcc", "-c", "-o", parts[0],
                        os.path.join(HERE, "loader.S")], check=True)
        subprocess.run(["ld", "-Ttext=0x7c00", "-e", "_start",
                        "--no-warn-rwx-segments", "-o", *reversed(parts)],
                       check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", parts[1],
                        output], check=True)


def boot_params(bzimage, cmdline, initrd_size):
    """The zero page and the command line, as they lie in memory."""
    with open(bzimage, "rb") as file:
        image = file.read(4096)
    page = bytearray(CMDLINE - BOOT_PARAMS + CMDLINE_SIZE)
    end = 0x202 + image[HEADER_END]
    page[SETUP_HEADER:end] = image[SETUP_HEADER:end]
    page[TYPE_OF_LOADER] = 0xFF
    page[LOADFLAGS] = 0x01          # loaded high
    struct.pack_into("<II", page, RAMDISK_IMAGE, INITRD, initrd_size)
    struct.pack_into("<I", page, CMD_LINE_PTR, CMDLINE)
    text = cmdline.encode() + b"\0"
    if len(text) > min(CMDLINE_SIZE, 2048):
        raise ValueError("the kernel's command line is too long")
    page[CMDLINE - BOOT_PARAMS:CMDLINE - BOOT_PARAMS + len(text)] = text
    return bytes(page)


def append(disk, source):
    """Copy a file to the disk's next sector; return sector and count."""
    start = disk.tell()
    with open(source, "rb") as file:
        while True:
            data = file.read(1 << 22)
            if not data:
                break
            disk.write(data)
    disk.write(b"\0" * (-disk.tell() % SECTOR))
    return start // SECTOR, (disk.tell() - start) // SECTOR


def write(path, loader, kernel, initrd, cmdline):
    """Make the disk; kernel is a folder that prepare has made."""
    with open(os.path.join(kernel, "kernel.flat.address")) as file:
        entry, base = (int(word, 0) for word in file.read().split())
    params = boot_params(os.path.join(kernel, "vmlinuz"), cmdline,
                         os.path.getsize(initrd))
    with open(loader, "rb") as file:
        head = bytearray(file.read())
    with open(path, "wb") as disk:
        disk.seek(len(head))
        extents = [(disk.tell() // SECTOR, len(params) // SECTOR, BOOT_PARAMS)]
        disk.write(params)
        extents.append((*append(disk, os.path.join(kernel, "kernel.flat")),
                        base))
        extents.append((*append(disk, initrd), INITRD))
        disk.truncate(-(-disk.tell() // TRACK) * TRACK)
        struct.pack_into("<I", head, SECTOR, entry)
        for index, extent in enumerate(extents):
            struct.pack_into("<III", head, SECTOR + 4 + 12 * index, *extent)
        disk.seek(0)
        disk.write(head)


def main():
    if sys.argv[1] == "loader":
        assemble(sys.argv[2])
        return
    source, target = sys.argv[2:4]
    with open(source, "rb") as file:
        entry, base, flat = flatten(file.read())
    with open(target, "wb") as file:
        file.write(flat)
    with open(target + ".address", "w") as file:
        file.write("%#x %#x\n" % (entry, base))


if __name__ == "__main__":
    main()
