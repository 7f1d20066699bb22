# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs of an emulated host: BusyBox, modules, tools, command."""

import glob
import os
import shlex
import shutil
import stat
import struct
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))

# Modules that modprobe finds in every host, besides hv.
KERNEL_MODULES = ["kvm-intel", "kvm-amd", "zram"]

# What QEMU's machines of a PC load; it looks for them relative to its program.
QEMU_FIRMWARE = ["/usr/share/seabios/*.bin", "/usr/share/qemu/kvmvapic.bin",
                 "/usr/share/qemu/linuxboot*.bin",
                 "/usr/share/qemu/multiboot*.bin", "/usr/share/qemu/pvh.bin",
                 "/usr/share/qemu/qboot.rom"]


class Error(Exception):
    """Something that the host needs is missing."""


class Cpio:
    """Writes a cpio archive in the "newc" format that Linux unpacks."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.inode = 0
        self.folders = {""}

    def entry(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0,
                  device[0], device[1], len(name) + 1, 0)
        header = "070701" + "".join("%08x" % field for field in fields)
        self.write(header.encode() + name.encode() + b"\0")
        self.write(data)

    def write(self, data):
        self.file.write(data + b"\0" * (-len(data) % 4))

    def folder(self, name):
        name = name.strip("/")
        if name not in self.folders:
            self.folder(os.path.dirname(name))
            self.folders.add(name)
            self.entry(name, stat.S_IFDIR | 0o755)

    def text(self, name, text, mode=0o644):
        self.folder(os.path.dirname(name))
        self.entry(name.strip("/"), stat.S_IFREG | mode, text.encode())

    def data(self, name, data):
        self.folder(os.path.dirname(name))
        self.entry(name.strip("/"), stat.S_IFREG | 0o644, data)

    def copy(self, source, name):
        self.folder(os.path.dirname(name))
        with open(source, "rb") as file:
            data = file.read()
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self.entry(name.strip("/"), stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self.entry(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def node(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self.entry(name.strip("/"), stat.S_IFCHR | 0o600, b"", (major, minor))

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.file.close()


def busybox(cpio):
    path = shutil.which("busybox")
    if not path or needs_libraries(path):
        raise Error("package busybox-static is not installed: "
                    "run tools/testbed/install-packages")
    cpio.copy(path, "/bin/busybox")
    names = subprocess.run([path, "--list"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    for name in names:
        if name != "busybox":
            cpio.link("/bin/" + name, "busybox")


def pulse(cpio, arguments):
    """The program that makes up for what QEMU's interrupts lack."""
    program = os.path.join(arguments.build, "testbed/pulse")
    source = os.path.join(HERE, "guest/pulse.c")
    if not os.path.exists(program) or \
            os.path.getmtime(program) < os.path.getmtime(source):
        new = "%s.%d" % (program, os.getpid())
        result = subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-static",
                                 "-o", new, source])
        if result.returncode:
            raise Error("could not build pulse.c")
        os.rename(new, program)
    cpio.copy(program, "/bin/pulse")


def modinfo(path, field):
    result = subprocess.run(["/sbin/modinfo", "-F", field, path], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode:
        raise Error(result.stderr.strip())
    return result.stdout.strip()


def unsigned(path):
    """A module without its signature, which takes seconds to verify."""
    magic = b"~Module signature appended~\n"
    with open(path, "rb") as file:
        data = file.read()
    if not data.endswith(magic):
        return data
    # struct module_signature ends with the length of what precedes it
    trailer = len(magic) + 12
    (length,) = struct.unpack_from(">I", data, len(data) - len(magic) - 4)
    return data[:len(data) - trailer - length]


class Modules:
    """The modules of a host and what each depends on."""

    def __init__(self, kernel, release):
        self.root = os.path.join(kernel, "lib/modules", release)
        self.target = "/lib/modules/" + release
        self.paths = {}         # name -> path below root
        self.depends = {}       # name -> what it needs, in any order
        with open(os.path.join(self.root, "modules.dep")) as file:
            for line in file:
                path, _, needs = line.partition(":")
                name = self.name(path)
                self.paths[name] = path
                self.depends[name] = [self.name(need) for need in needs.split()]
        with open(os.path.join(self.root, "modules.builtin")) as file:
            self.builtin = {self.name(line) for line in file}
        self.chosen = {}        # name -> source file

    @staticmethod
    def name(path):
        return os.path.basename(path).split(".")[0].replace("-", "_")

    def add(self, name):
        name = name.replace("-", "_")
        if name in self.chosen or name in self.builtin:
            return
        if name not in self.paths:
            raise Error("the kernel has no module %s" % name)
        self.chosen[name] = os.path.join(self.root, self.paths[name])
        for need in self.depends[name]:
            self.add(need)

    def add_file(self, path):
        """A module that is not the kernel's own."""
        name = self.name(path)
        needs = [need.replace("-", "_")
                 for need in modinfo(path, "depends").split(",") if need]
        self.chosen[name] = path
        self.depends[name] = list(needs)
        for need in needs:
            self.add(need)
            self.depends[name] += self.depends[need]

    def write(self, cpio):
        lines = []
        for name, source in self.chosen.items():
            cpio.data("%s/%s.ko" % (self.target, name), unsigned(source))
            needs = "".join(" %s.ko" % need for need in self.depends[name])
            lines.append("%s.ko:%s\n" % (name, needs))
        cpio.text(self.target + "/modules.dep", "".join(lines))
        # so that modprobe knows what need not be loaded
        cpio.text(self.target + "/modules.builtin", "".join(
            "kernel/%s.ko\n" % name for name in sorted(self.builtin)))
        cpio.text(self.target + "/modules.alias", "")
        cpio.text(self.target + "/modules.symbols", "")


def module_file(arguments):
    """The module that the run is about, built for the host's kernel."""
    if arguments.module.endswith(".ko"):
        return arguments.module
    path = os.path.join(arguments.build, "module-" + arguments.kernel, "hv.ko")
    if not os.path.exists(path):
        raise Error("%s is missing: run make modules KERNEL=%s"
                    % (path, arguments.kernel))
    return path


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def needs_libraries(path):
    """The shared libraries (with the loader) that a program needs."""
    result = subprocess.run(["ldd", path], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
    if result.returncode:
        return []
    words = [word for line in result.stdout.splitlines()
             for word in line.split() if word.startswith("/")]
    return sorted(set(words))


class Programs:
    """Programs with the libraries that they need, each copied once."""

    def __init__(self, cpio):
        self.cpio = cpio
        self.libraries = set()

    def add(self, source, name):
        self.cpio.copy(source, name)
        if not os.access(source, os.X_OK) or not is_elf(source):
            return
        for library in needs_libraries(source):
            if library not in self.libraries:
                self.libraries.add(library)
                self.cpio.copy(library, library)

    def add_tree(self, source, name):
        for folder, folders, files in os.walk(source):
            folders.sort()
            place = os.path.normpath(
                os.path.join(name, os.path.relpath(folder, source)))
            self.cpio.folder(place)
            for file in sorted(files):
                self.add(os.path.join(folder, file), os.path.join(place, file))


def add_built(programs, build):
    """What make tools has built, if it has."""
    hvrun = os.path.join(build, "hvrun/hvrun")
    if os.path.exists(hvrun):
        programs.add(hvrun, "/usr/local/bin/hvrun")
    selftests = os.path.join(build, "selftests")
    if not os.path.isdir(selftests):
        return
    for name in sorted(os.listdir(selftests)):
        path = os.path.join(selftests, name)
        if os.path.islink(path):
            programs.cpio.link("/selftests/" + name, os.readlink(path))
        elif os.path.isfile(path) and os.access(path, os.X_OK):
            programs.add(path, "/selftests/" + name)


def add_files(programs, files):
    for argument in files:
        source, _, target = argument.partition(":")
        if not os.path.exists(source):
            raise Error("no such file: %s" % source)
        if not target or target.endswith("/"):
            target = (target or "/root/") + os.path.basename(source.rstrip("/"))
        if os.path.isdir(source):
            programs.add_tree(source, target)
        else:
            programs.add(source, target)


def add_qemu(programs):
    """The QEMU of this machine, for PCs without network boot."""
    program = "/usr/bin/qemu-system-x86_64"
    if not os.path.exists(program):
        raise Error("package qemu-system-x86 is not installed: "
                    "run tools/testbed/install-packages")
    programs.add(program, program)
    for pattern in QEMU_FIRMWARE:
        for path in sorted(glob.glob(pattern)):
            programs.add(path, path)


def settings(arguments, token):
    """The shell variables that init reads."""
    module = arguments.module
    if module.endswith(".ko"):
        module = Modules.name(module)
    values = {
        "TOKEN": token,
        "MODULE": module,
        "MODULE_PARAMETERS": arguments.parameters,
        "KVM_PARAMETERS": arguments.parameters or
                          ("enable_apicv=0" if arguments.host == "vmx" else ""),
        "HV_DEVICE": "/dev/kvm" if module == "kvm" else "/dev/hv",
        "TESTBED_HOST": arguments.host,
        "TESTBED_KERNEL": arguments.kernel,
    }
    return "".join("%s=%s\n" % (name, shlex.quote(value))
                   for name, value in values.items())


def command_text(words):
    return (words[0] if len(words) == 1 else shlex.join(words)) + "\n"


def build(path, arguments, token):
    """Write the initramfs for one run."""
    kernel = os.path.join(arguments.build, "testbed/kernel-" + arguments.kernel)
    with open(os.path.join(kernel, "release")) as file:
        modules = Modules(kernel, file.read().strip())
    cpio = Cpio(path)
    cpio.node("/dev/console", 5, 1)
    cpio.node("/dev/null", 1, 3)
    for folder in ("proc", "sys", "dev", "tmp", "root", "run", "sbin", "etc"):
        cpio.folder(folder)
    busybox(cpio)
    cpio.copy(os.path.join(HERE, "guest/init"), "/init")
    cpio.copy(os.path.join(HERE, "guest/tap-runner"), "/bin/tap-runner")
    if arguments.host == "svm":
        pulse(cpio, arguments)
        cpio.copy(os.path.join(HERE, "guest/monitor"), "/bin/monitor")
    cpio.text("/etc/testbed", settings(arguments, token))
    cpio.text("/etc/testbed-command", command_text(arguments.command))
    cpio.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    cpio.text("/etc/group", "root:x:0:\n")
    for name in KERNEL_MODULES + arguments.kmod:
        if name.endswith(".ko"):
            modules.add_file(name)
        else:
            modules.add(name)
    if arguments.module not in ("kvm", "none"):
        modules.add_file(module_file(arguments))
    modules.write(cpio)
    programs = Programs(cpio)
    add_built(programs, arguments.build)
    if arguments.qemu:
        add_qemu(programs)
    add_files(programs, arguments.file)
    cpio.close()
