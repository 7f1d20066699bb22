# SPDX-License-Identifier: GPL-2.0-only
"""The emulated hosts: what each needs and how its emulator is started."""

import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))

# No part of the host may load KVM, restart a dead kernel or stay silent.
CMDLINE = ("console=ttyS0,115200 quiet loglevel=4 panic=0 rdinit=/init "
           "net.ifnames=0 ipv6.disable=1 random.trust_cpu=on")


class Error(Exception):
    """A host cannot be prepared."""


class Host:
    """What the hosts have in common."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.testbed = os.path.join(arguments.build, "testbed")
        self.kernel = os.path.join(self.testbed, "kernel-" + arguments.kernel)

    def run_prepare(self, *words):
        environment = dict(os.environ, TESTBED_DIR=self.testbed)
        program = os.path.join(HERE, "prepare")
        result = subprocess.run([program, *words], env=environment)
        if result.returncode:
            raise Error("could not prepare %s" % " ".join(words))

    def cmdline(self, *more):
        return " ".join([CMDLINE, *more, self.arguments.append]).strip()


class SvmHost(Host):
    """AMD processors with SVM and nested paging, as QEMU emulates them."""

    def prepare(self):
        self.run_prepare("kernel", self.arguments.kernel)

    def command(self, folder):
        return ["qemu-system-x86_64", "-nodefaults", "-no-user-config",
                "-machine", "q35", "-accel", "tcg,thread=multi",
                "-cpu", "EPYC,+svm,+npt",
                "-smp", str(self.arguments.cpus),
                "-m", str(self.arguments.memory),
                "-display", "none", "-monitor", "none", "-no-reboot",
                "-serial", "file:" + os.path.join(folder, "console.log"),
                "-kernel", os.path.join(self.kernel, "vmlinuz"),
                "-initrd", os.path.join(folder, "initrd"),
                "-append", self.cmdline()]


HOSTS = {"svm": SvmHost}
