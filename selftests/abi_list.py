#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""List every constant, structure and field of uapi/linux/hv.h for abi_test.c.

Writes calls of the macros CONSTANT(hv, kvm), SIZE(hv, kvm), FIELD(hv, kvm,
hv_path, kvm_path) and BITS(...) for bit-fields. As the list is made from the
header itself, nothing in the header can be left out of the test; what this
parser doesn't understand ends the build.
"""

import re
import sys

# Names that don't follow the rule HV_ -> KVM_, hv_ -> kvm_.
EXCEPTIONS = {
    "HVIO": "KVMIO",
    "HV_SYNC_REGS_SIZE_BYTES": "SYNC_REGS_SIZE_BYTES",
}

# What KVM doesn't have: the calls with hv's own type byte, and their arguments.
OWN = (r"HVIO_EXT|HV_(DE)?ASSIGN_\w+|HV_PCI_\w+|hv_((de)?assign|pci)_\w+"
       r"|HV_MEM_NO_DMA|HV_CAP_ASSIGN_DEVICE")

# What <linux/kvm.h> of Linux 6.1 lacks: compared if the header has it, known by a macro.
NEWER = {
    r"HV_DEV_VFIO_FILE\w*": "KVM_DEV_VFIO_FILE",
    r"HV_(CAP_|EXIT_)MEMORY_FAULT\w*|memory_fault.*": "KVM_CAP_MEMORY_FAULT_INFO",
    r"HV_(CAP_)?PRE_FAULT_MEMORY|hv_pre_fault_memory": "KVM_CAP_PRE_FAULT_MEMORY",
}


def show(line, *names):
    """Print a line of the list, in an #ifdef if one of @names is new."""
    for pattern, macro in NEWER.items():
        if any(re.fullmatch(pattern, name) for name in names):
            print(f"#ifdef {macro}\n{line}\n#endif")
            return
    print(line)


def kvm_name(name):
    if name in EXCEPTIONS:
        return EXCEPTIONS[name]
    return re.sub(r"\bHV_", "KVM_", re.sub(r"\bhv_", "kvm_", name))


def constants(text):
    for m in re.finditer(r"^#define\s+(\w+)(\(?)(.*)$", text, re.M):
        name, paren, value = m.groups()
        if name == "_LINUX_HV_H":
            continue
        if paren:
            sys.exit(f"macro with arguments: {name}")
        if not name.startswith("HV") or not value.strip():
            sys.exit(f"what is {name}?")
        if not re.fullmatch(OWN, name):
            yield name


class Parser:
    """Declarations inside the braces of a struct or union."""

    def __init__(self, text):
        self.tokens = re.findall(r"\w+|[{}\[\];:,*()/+-]", text)
        self.pos = 0

    def next(self):
        self.pos += 1
        return self.tokens[self.pos - 1]

    def peek(self):
        return self.tokens[self.pos]

    def expect(self, token):
        got = self.next()
        if got != token:
            sys.exit(f"{token} expected, {got} found near "
                     + " ".join(self.tokens[self.pos - 8:self.pos + 4]))

    def members(self, prefix):
        """Yield (path, kind): 'field', 'flex' or 'bits'."""
        self.expect("{")
        while self.peek() != "}":
            if self.peek() in ("struct", "union") and self.tokens[self.pos + 1] == "{":
                self.next()
                start = self.pos
                # The name comes after the braces: skip, then come back.
                for _ in self.members(""):
                    pass
                end = self.pos
                name, array = "", ""
                if self.peek() != ";":
                    name = self.next()
                    if self.peek() == "[":
                        while self.next() != "]":
                            pass
                        array = "[0]"
                    yield prefix + name, "field"
                self.expect(";")
                after = self.pos
                self.pos = start
                yield from self.members(prefix + (name + array + "." if name else ""))
                assert self.pos == end
                self.pos = after
                continue
            if self.next() == "struct":
                self.next()
            while True:
                name = self.next()
                kind = "field"
                while self.peek() == "[":
                    self.next()
                    if self.peek() == "]":
                        kind = "flex"
                    while self.next() != "]":
                        pass
                if self.peek() == ":":
                    self.next()
                    self.next()
                    kind = "bits"
                yield prefix + name, kind
                sep = self.next()
                if sep == ";":
                    break
                if sep != ",":
                    sys.exit(f"; expected after {name}")
        self.expect("}")


def main():
    text = open(sys.argv[1]).read()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S).replace("\\\n", " ")

    for name in constants(text):
        show(f"CONSTANT({name}, {kvm_name(name)})", name)

    code = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    found = set()
    for m in re.finditer(r"^struct (hv_\w+) \{", code, re.M):
        name = m.group(1)
        found.add(name)
        if re.fullmatch(OWN, name):
            continue
        show(f"SIZE({name}, {kvm_name(name)})", name)
        parser = Parser(code[m.end() - 1:])
        for path, kind in parser.members(""):
            macro = {"field": "FIELD", "flex": "FLEX", "bits": "BITS"}[kind]
            show(f"{macro}({name}, {kvm_name(name)}, {path}, {kvm_name(path)})", name, path)
    used = set(re.findall(r"\bstruct (hv_\w+)", code))
    if used - found:
        sys.exit(f"not understood: {used - found}")


main()
