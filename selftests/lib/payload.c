// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest code: each payload is a small static ELF program that the build has
 * put into the test program (payloads/, linked at GUEST_CODE with runtime.S).
 */
#include <elf.h>
#include "hvtest.h"
#include "payload.h"

static const struct payload *find_payload(const char *name)
{
	const struct payload *p;

	for (p = payloads; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	die("no payload %s", name);
}

/**
 * vm_load() - put a payload into a VM's memory
 * @vm: the VM
 * @payload: name of the file in payloads/, without .S
 */
void vm_load(struct vm *vm, const char *payload)
{
	const struct payload *p = find_payload(payload);
	const Elf64_Ehdr *eh = p->image;
	const Elf64_Phdr *ph = p->image + eh->e_phoff;
	unsigned int i;

	for (i = 0; i < eh->e_phnum; i++, ph++) {
		if (ph->p_type != PT_LOAD)
			continue;
		if (ph->p_paddr < GUEST_CODE || ph->p_paddr + ph->p_memsz > GUEST_STACK16 - 0x100)
			die("payload %s doesn't fit", payload);
		memset(vm->ram + ph->p_paddr, 0, ph->p_memsz);
		memcpy(vm->ram + ph->p_paddr, p->image + ph->p_offset, ph->p_filesz);
	}
	vm->payload = p->image;
	guest_u32(vm, "sti_hlt_splits") = cpu_is_tcg();
	guest_u32(vm, "stray_vector") = cpu_sends_spurious() ? 255 : 0;
}

/**
 * guest_sym() - address of a symbol of the payload
 * @vm: the VM
 * @name: symbol
 *
 * Return: its guest address (linear = physical).
 */
uint64_t guest_sym(struct vm *vm, const char *name)
{
	const Elf64_Ehdr *eh = vm->payload;
	const Elf64_Shdr *sh = vm->payload + eh->e_shoff;
	unsigned int i;

	for (i = 0; i < eh->e_shnum; i++) {
		const Elf64_Sym *sym, *end;
		const char *strings;

		if (sh[i].sh_type != SHT_SYMTAB)
			continue;
		sym = vm->payload + sh[i].sh_offset;
		end = (const void *)sym + sh[i].sh_size;
		strings = vm->payload + sh[sh[i].sh_link].sh_offset;
		for (; sym < end; sym++)
			if (!strcmp(strings + sym->st_name, name))
				return sym->st_value;
	}
	die("no symbol %s", name);
}

/**
 * guest_var() - a variable of the payload
 * @vm: the VM
 * @name: symbol
 *
 * Return: pointer to it in the test's memory.
 */
void *guest_var(struct vm *vm, const char *name)
{
	return vm->ram + guest_sym(vm, name);
}
