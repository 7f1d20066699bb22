# SPDX-License-Identifier: GPL-2.0-only
#
# hv: module, tools and tests.  Kbuild has the module's own list of files.
#
#   make			module (for the running kernel) and tools
#   make install		both, and load them with: modprobe hv; with DESTDIR=DIR
#				below DIR, to be packaged
#   make modules KERNEL=6.1	module for a stock Debian kernel, for the testbed
#   make demo, make check	in emulated hosts; missing packages are installed
#   make bench		what operations cost, on hv and on stock KVM, in emulated hosts
#
# Everything that is made lies in O, build by default.

top	:= $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
O	?= $(top)/build
override O := $(abspath $(O))
PREFIX	?= /usr/local
# Nobody needs to be root to install below DESTDIR.
SUDO	?= $(if $(DESTDIR),,$(if $(filter-out 0,$(shell id -u)),sudo))
testbed	:= $(top)/tools/testbed

# A series of stock Debian kernels, a kernel of our own, or any other by KDIR.
ifneq ($(KERNEL),)
KDIR	?= $(shell $(testbed)/kernel-dir $(KERNEL) $(O))
suffix	:= -$(KERNEL)
else
KDIR	?= /lib/modules/$(shell uname -r)/build
suffix	:=
endif
module_dir = $(O)/module$(suffix)
# For the packager to run where the files end up
depmod	= $(if $(DESTDIR),,$(SUDO) depmod $(release))
release	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)

all: modules tools

# The kernel's build writes beside its sources: it gets a tree of links to them.
modules:
	@$(testbed)/build-module "$(KDIR)" "$(module_dir)" $(MODULE_MAKEFLAGS)

# For selftests in emulated hosts, never installed
test-modules:
	@$(testbed)/build-module --tests "$(KDIR)" "$(O)/test-modules$(suffix)" $(MODULE_MAKEFLAGS)

tools:
	$(MAKE) -C tools/hvrun O=$(O)
	$(MAKE) -C tools/qemu O=$(O)
	$(MAKE) -C tools/bench O=$(O)
	$(MAKE) -C tools/hvctl O=$(O)

selftests:
	$(MAKE) -C selftests O=$(O) all

# Not $(MAKE), which a dry run executes too, and sudo drops the -n.  Our variables (O=) mean
# something else to the kernel, whose modules_install may run depmod.
install: all
	$(SUDO) env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES make -C $(KDIR) M=$(module_dir) \
		INSTALL_MOD_PATH=$(abspath $(DESTDIR)) INSTALL_MOD_DIR=updates \
		CONFIG_MODULE_SIG_ALL= DEPMOD=true modules_install
	$(depmod)
	$(SUDO) install -D -m 755 $(O)/hvrun/hvrun $(DESTDIR)$(PREFIX)/bin/hvrun
	$(SUDO) install -D -m 755 tools/hvctl/hvctl $(DESTDIR)$(PREFIX)/sbin/hvctl
	$(SUDO) install -D -m 644 Documentation/man/hvctl.8 $(DESTDIR)$(PREFIX)/share/man/man8/hvctl.8
	$(SUDO) install -D -m 644 Documentation/man/hvrun.1 $(DESTDIR)$(PREFIX)/share/man/man1/hvrun.1
	$(SUDO) install -D -m 644 tools/90-hv.rules $(DESTDIR)/etc/udev/rules.d/90-hv.rules

uninstall:
	$(SUDO) rm -f $(DESTDIR)$(PREFIX)/bin/hvrun $(DESTDIR)$(PREFIX)/share/man/man1/hvrun.1
	$(SUDO) rm -f $(DESTDIR)$(PREFIX)/sbin/hvctl $(DESTDIR)$(PREFIX)/share/man/man8/hvctl.8
	$(SUDO) rm -f $(DESTDIR)/etc/udev/rules.d/90-hv.rules
	$(SUDO) rm -f $(DESTDIR)/lib/modules/$(release)/updates/hv.ko*
	$(depmod)

packages:
	@$(testbed)/install-packages

# svm: an emulated AMD host, the fastest; vmx: an emulated Intel one; local: this machine
HOST ?= svm
demo: packages
	@tools/demo/run --host $(HOST) $(if $(KERNEL),--kernel $(KERNEL))

check: packages
	@$(testbed)/check --build $(O)

# Both hosts, unless one is named
bench_hosts = $(if $(filter file,$(origin HOST)),vmx svm,$(HOST))
bench: packages
	@$(MAKE) --no-print-directory modules KERNEL=$(or $(KERNEL),6.1) O=$(O)
	@tools/bench/run --build $(O) --kernel $(or $(KERNEL),6.1) $(bench_hosts:%=--host %)

lint: packages
	@$(testbed)/lint --build $(O)

# A small kernel, for hosts that boot faster; takes a quarter of an hour.
testkernel: packages
	@TESTBED_DIR=$(O)/testbed $(testbed)/prepare kernel small

# The prepared kernels and Bochs, in testbed, stay.
clean:
	rm -rf $(O)/module* $(O)/test-modules* $(O)/lint* $(O)/hvrun $(O)/bench $(O)/selftests \
		$(O)/selftests-obj $(O)/run $(O)/check $(O)/demo $(O)/testbed-fault

help:
	@sed -n '3,/^$$/s/^# \?//p' Makefile

.PHONY: all modules test-modules tools selftests install uninstall packages demo check bench lint testkernel clean help
