# SPDX-License-Identifier: GPL-2.0-only
"""The emulated hosts: what each needs and how its emulator is started."""

import os
import socket
import subprocess

import devices
from boot import disk

HERE = os.path.dirname(os.path.realpath(__file__))

# A dead kernel must stay where it is; the rest saves billions of emulated
# instructions: tests of ciphers, certificates, page-table isolation.
CMDLINE = ("console=ttyS0,115200 quiet loglevel=4 panic=0 rdinit=/init "
           "net.ifnames=0 ipv6.disable=1 random.trust_cpu=on audit=0 "
           "cryptomgr.notests initcall_blacklist=load_system_certificate_list "
           "pti=off")


class Error(Exception):
    """A host cannot be prepared."""


class Host:
    """What the hosts have in common."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.testbed = os.path.join(arguments.build, "testbed")
        self.kernel = os.path.join(self.testbed, "kernel-" + arguments.kernel)

    # whether the emulator wants a terminal to draw its screen on
    terminal = False

    def environment(self):
        return dict(os.environ)

    def run_prepare(self, *words):
        environment = dict(os.environ, TESTBED_DIR=self.testbed)
        program = os.path.join(HERE, "prepare")
        result = subprocess.run([program, *words], env=environment)
        if result.returncode:
            raise Error("could not prepare %s" % " ".join(words))

    def examine(self, folder):
        """Keep in FOLDER what a host that hangs is doing."""

    def cmdline(self, *more):
        words = [CMDLINE, *more, self.arguments.append]
        return " ".join(word for word in words if word)


class SvmHost(Host):
    """AMD processors with SVM and nested paging, as QEMU emulates them."""

    def prepare(self):
        self.run_prepare("kernel", self.arguments.kernel)

    def command(self, folder):
        wanted = self.arguments
        try:
            pci = devices.arguments(wanted.iommu, wanted.device,
                                    wanted.netdev, folder)
        except devices.Error as error:
            raise Error(str(error)) from None
        # QEMU enters an unpacked kernel by its PVH entry point, so that
        # nothing has to be decompressed in the emulator
        return [devices.QEMU, "-nodefaults", "-no-user-config",
                "-machine", "q35", "-accel", "tcg,thread=multi",
                "-cpu", "EPYC,+svm,+npt",
                "-smp", str(self.cpus()),
                "-m", str(wanted.memory),
                "-display", "none", "-no-reboot",
                "-monitor", "unix:monitor,server=on,wait=off",
                "-serial", "file:" + os.path.join(folder, "console.log"),
                "-serial", "file:" + os.path.join(folder, "beats"),
                "-kernel", os.path.join(self.kernel, "vmlinux"),
                "-initrd", os.path.join(folder, "initrd"),
                "-append", self.cmdline(devices.cmdline(wanted.iommu)),
                *(self.hotplug() if wanted.device else []), *pci]

    @staticmethod
    def hotplug():
        """A third serial port whose other end is a monitor of QEMU's.

        So the command can plug devices in and out (guest/monitor).  The ports
        tell it themselves, not ACPI: what is pulled out without asking the
        kernel is noticed then.
        """
        return ["-chardev", "socket,id=asked,path=asked,server=on,wait=off",
                "-mon", "chardev=asked,mode=readline",
                "-chardev", "socket,id=asking,path=asked",
                "-device", "isa-serial,index=2,iobase=0x3e8,irq=5,chardev=asking",
                "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]

    def cpus(self):
        """One more than wanted, if several: init keeps the first one free.

        With TCG, an instruction like XRSTOR on any CPU writes to the first
        CPU's flags, among them what SVM does there (cpu_clear_ignne()), and
        now and then undoes a VMRUN's or a #VMEXIT's change.
        """
        return self.arguments.cpus + (self.arguments.cpus > 1)

    def examine(self, folder):
        """The registers of all CPUs, several times, from QEMU's monitor."""
        questions = ["info registers -a\n"]
        questions += ["info lapic %d\n" % n for n in range(self.cpus())]
        # a path from here, as an absolute one may be too long for a socket
        path = os.path.relpath(os.path.join(folder, "monitor"))
        with socket.socket(socket.AF_UNIX) as monitor, \
                open(os.path.join(folder, "registers"), "wb") as file:
            monitor.settimeout(0.5)
            try:
                monitor.connect(path)
                for question in questions * 3:
                    monitor.send(question.encode())
                    file.write(self.answer(monitor))
            except OSError as error:
                file.write(b"no answer: %s\n" % str(error).encode())

    @staticmethod
    def answer(monitor):
        """All that comes until the monitor falls silent."""
        text = b""
        try:
            while data := monitor.recv(65536):
                text += data
        except socket.timeout:
            pass
        return text


# Bochs counts time in instructions: this many are a second.
INSTRUCTIONS_PER_SECOND = 50000000

BOCHSRC = """\
config_interface: textconfig
display_library: term
memory: guest={memory}, host={memory}
romimage: file=$BXSHARE/BIOS-bochs-latest
vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count={cpus}, ips={ips}, \
reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=utc
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path={folder}/disk, \
cylinders=0, heads=16, spt=63
ata1: enabled=0
boot: disk
com1: enabled=1, mode=file, dev={folder}/console.log
com2: enabled=1, mode=file, dev={folder}/beats
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
speaker: enabled=0
"""


class VmxHost(Host):
    """Intel processors with VMX as Bochs emulates them."""

    terminal = True

    def prepare(self):
        if self.arguments.iommu or self.arguments.device or self.arguments.netdev:
            raise Error("the vmx host has no IOMMU and no devices to choose: "
                        "take --host svm")
        self.run_prepare("bochs")
        self.run_prepare("kernel", self.arguments.kernel)

    def environment(self):
        root = os.path.join(self.testbed, "bochs/usr")
        return dict(os.environ, TERM="vt100",
                    BXSHARE=os.path.join(root, "share/bochs"),
                    LTDL_LIBRARY_PATH=os.path.join(
                        root, "lib/x86_64-linux-gnu/bochs/plugins"))

    def command(self, folder):
        self.make_disk(folder)
        settings = BOCHSRC.format(memory=self.arguments.memory,
                                  cpus=self.arguments.cpus, folder=folder,
                                  ips=INSTRUCTIONS_PER_SECOND)
        with open(os.path.join(folder, "bochsrc"), "w") as file:
            file.write(settings)
        root = os.path.join(self.testbed, "bochs/usr")
        libraries = os.path.join(root, "lib/x86_64-linux-gnu")
        return [os.path.join(libraries, "ld-linux-x86-64.so.2"),
                "--library-path", libraries,
                os.path.join(root, "bin/bochs-bin"), "-q", "-f", "bochsrc"]

    def make_disk(self, folder):
        """The disk that Bochs boots: loader, unpacked kernel, initramfs."""
        loader = os.path.join(folder, "loader")
        initrd = os.path.join(folder, "initrd")
        disk.assemble(loader)
        # CPUID promises 3.5 GHz, the TSC counts instructions
        words = ["tsc_early_khz=%d" % (INSTRUCTIONS_PER_SECOND // 1000),
                 "tsc=reliable", "no_timer_check"]
        # Bochs' MWAIT may sleep on when another CPU writes: testing.rst
        if self.arguments.cpus > 1:
            words.append("idle=halt")
        cmdline = self.cmdline(*words)
        disk.write(os.path.join(folder, "disk"), loader, self.kernel, initrd,
                   cmdline)
        os.unlink(initrd)


HOSTS = {"svm": SvmHost, "vmx": VmxHost}
