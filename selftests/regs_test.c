// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_GET/SET_REGS and SREGS: what is set is read back and is what the guest
 * sees; contradictions are refused.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(regs)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(regs)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "regs");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(regs)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(regs, round_trip)
{
	struct hv_regs in, out;
	uint64_t *p = (uint64_t *)&in;
	unsigned int i;

	for (i = 0; i < sizeof(in) / 8; i++)
		p[i] = 0x1111111111111111UL * (i % 15 + 1) + i;
	in.rip = 0x123456;
	in.rflags = 0x246;
	vcpu_set_regs(self->vcpu, &in);
	out = vcpu_regs(self->vcpu);
	EXPECT_EQ(0, memcmp(&in, &out, sizeof(in)));
}

TEST_F(regs, rflags_bit_1)
{
	struct hv_regs r = vcpu_regs(self->vcpu);

	r.rflags = 0;
	vcpu_set_regs(self->vcpu, &r);
	EXPECT_EQ(2, vcpu_regs(self->vcpu).rflags);
}

/* The guest sees what was set: it stores every register. */
TEST_F(regs, guest_sees)
{
	struct hv_regs in = { .rip = guest_sym(self->vm, "save_all") };
	uint64_t *p = (uint64_t *)&in, *saved = guest_var(self->vm, "saved");
	unsigned int i;

	for (i = 0; i < 16; i++)
		p[i] = 0x0123456789abcdefUL ^ (uint64_t)i << 32 ^ i * 0x11;
	in.rsp = GUEST_STACK;
	in.rflags = RFLAGS_FIXED;
	vcpu_set_regs(self->vcpu, &in);
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	ASSERT_EQ(PORT_DONE, self->vcpu->run->io.port);
	/* Same order as in struct hv_regs. */
	for (i = 0; i < 16; i++)
		EXPECT_EQ(p[i], saved[i]) {
			TH_LOG("register %u", i);
		}
}

/* What the guest loads is read back. */
TEST_F(regs, guest_sets)
{
	struct hv_regs out;
	uint64_t *p = (uint64_t *)&out;
	unsigned int i;

	guest_start(self->vcpu, "load_all", 0, NULL);
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
	out = vcpu_regs(self->vcpu);
	/* All but RSP (6), each has its own number. */
	for (i = 0; i < 16; i++)
		if (i != 6)
			EXPECT_EQ(0x4142434445464700UL + i, p[i]) {
				TH_LOG("register %u", i);
			}
}

TEST_F(regs, rflags_guest)
{
	uint64_t args[1] = { 0 };
	struct hv_regs r;

	guest_start(self->vcpu, "get_flags", 1, args);
	r = vcpu_regs(self->vcpu);
	r.rflags = RFLAGS_FIXED | 0x8d5;	/* CF PF AF ZF SF OF */
	vcpu_set_regs(self->vcpu, &r);
	EXPECT_EQ(RFLAGS_FIXED | 0x8d5, guest_finish(self->vcpu));
}

TEST_F(regs, sregs_round_trip)
{
	struct hv_sregs in = vcpu_sregs(self->vcpu), out;

	in.cr2 = 0xdeadbeefcafe;
	in.fs.base = 0x7fff12345678;
	in.gs.base = 0xffff888000001000;
	in.ds.selector = 0x2b;
	in.ds.dpl = 3;
	in.gdt.limit = 0x77;
	in.idt.base = 0x123000;
	in.cr8 = 5;
	in.efer |= EFER_SCE;
	vcpu_set_sregs(self->vcpu, &in);
	out = vcpu_sregs(self->vcpu);
	EXPECT_EQ(in.cr0, out.cr0);
	EXPECT_EQ(in.cr2, out.cr2);
	EXPECT_EQ(in.cr3, out.cr3);
	EXPECT_EQ(in.cr4, out.cr4);
	EXPECT_EQ(in.cr8, out.cr8);
	EXPECT_EQ(in.efer, out.efer);
	EXPECT_EQ(in.apic_base, out.apic_base);
	EXPECT_EQ(0, memcmp(&in.cs, &out.cs, sizeof(in.cs)));
	EXPECT_EQ(0, memcmp(&in.fs, &out.fs, sizeof(in.fs)));
	EXPECT_EQ(0, memcmp(&in.gs, &out.gs, sizeof(in.gs)));
	EXPECT_EQ(0, memcmp(&in.ss, &out.ss, sizeof(in.ss)));
	EXPECT_EQ(0, memcmp(&in.tr, &out.tr, sizeof(in.tr)));
	EXPECT_EQ(0, memcmp(&in.gdt, &out.gdt, sizeof(in.gdt)));
	EXPECT_EQ(0, memcmp(&in.idt, &out.idt, sizeof(in.idt)));
	EXPECT_EQ(1, out.ldt.unusable);
	EXPECT_EQ(in.ds.selector, out.ds.selector);
	EXPECT_EQ(in.ds.dpl, out.ds.dpl);
}

/*
 * 64-bit code may have a null SS at CPL 0 to 2 (SDM 3A 5.4.1.1). The state goes through the VMM, and
 * back, while the guest is at CPL 1.
 */
TEST_F(regs, null_stack_segment)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	struct hv_regs r;
	unsigned int i;

	s.cs.selector |= 1;
	s.cs.dpl = 1;
	s.ss = (struct hv_segment) { .selector = 1, .dpl = 1, .unusable = 1 };
	vcpu_set_sregs(self->vcpu, &s);
	guest_start(self->vcpu, "out8", 2, (uint64_t[]){ PORT_MARK, 0 });
	r = vcpu_regs(self->vcpu);
	r.rflags |= RFLAGS_IOPL;
	vcpu_set_regs(self->vcpu, &r);
	for (i = 0; i < 2; i++) {
		s = vcpu_sregs(self->vcpu);
		EXPECT_EQ(1, s.ss.unusable);
		EXPECT_EQ(1, s.ss.dpl);
		EXPECT_EQ(1, s.cs.dpl);
		vcpu_set_sregs(self->vcpu, &s);
		ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu));
		EXPECT_EQ(i ? PORT_DONE : PORT_MARK, self->vcpu->run->io.port);
	}
}

TEST_F(regs, segments_of_the_guest)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	s.fs.base = GUEST_FREE;
	s.gs.base = GUEST_FREE + 0x100;
	vcpu_set_sregs(self->vcpu, &s);
	*(uint64_t *)(self->vm->ram + GUEST_FREE + 8) = 0xf5;
	*(uint64_t *)(self->vm->ram + GUEST_FREE + 0x108) = 0x65;
	EXPECT_EQ(0xf5, guest_call(self->vcpu, "load_fs", 8));
	EXPECT_EQ(0x65, guest_call(self->vcpu, "load_gs", 8));
}

/* Each of these contradicts itself or the processor. */
TEST_F(regs, impossible_sregs)
{
	const struct hv_sregs good = vcpu_sregs(self->vcpu);
	struct hv_sregs bad, now;
	unsigned int i;

#define REFUSED(change)							\
	do {								\
		bad = good;						\
		change;							\
		EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_SREGS, &bad)) { \
			TH_LOG("%s", #change);				\
		}							\
	} while (0)

	/* Long mode needs PAE (SDM 3A 10.8.5). */
	REFUSED(bad.cr4 &= ~CR4_PAE);
	/* LMA without LME; LME and paging without LMA. */
	REFUSED(bad.efer &= ~EFER_LMA);
	REFUSED(bad.cr0 &= ~CR0_PG);
	/* Paging without protection, NW without CD. */
	REFUSED((bad.efer = 0, bad.cr4 = 0, bad.cs.l = 0, bad.cr0 &= ~CR0_PE));
	/* Reserved bits. */
	REFUSED(bad.cr4 |= 1UL << 63);
	REFUSED(bad.cr4 |= 1UL << 15);
	REFUSED(bad.cr3 |= 1UL << 60);
	/* KVM lets these through to the processor. */
	if (!device_is_kvm()) {
		REFUSED(bad.efer |= 1UL << 1);
		REFUSED(bad.efer |= 1UL << 40);
	}
	/* Beyond the processor's address width. */
	REFUSED(bad.apic_base |= 1UL << 60);
#undef REFUSED

	/* 64 bit positions of CR4: what isn't in the CPUID table is refused. */
	for (i = 0; i < 64; i++) {
		long ret;

		bad = good;
		bad.cr4 ^= 1UL << i;
		ret = hv_ioctl(self->vcpu->fd, HV_SET_SREGS, &bad);
		EXPECT_TRUE(ret == 0 || ret == -EINVAL);
		now = vcpu_sregs(self->vcpu);
		EXPECT_EQ(ret ? good.cr4 : bad.cr4, now.cr4) {
			TH_LOG("CR4 bit %u: %ld", i, ret);
		}
		vcpu_set_sregs(self->vcpu, &good);
	}
	EXPECT_EQ(1, guest_call(self->vcpu, "identity", 1));
}

TEST_F(regs, apic_base)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	/* x2APIC without xAPIC is an impossible state (SDM 3A 11.12.5). */
	s.apic_base = (s.apic_base | APIC_BASE_EXTD) & ~APIC_BASE_ENABLE;
	EXPECT_EQ(-EINVAL, hv_ioctl(self->vcpu->fd, HV_SET_SREGS, &s));
}

/* One pending external interrupt is what the bitmap can hold. */
TEST_F(regs, interrupt_bitmap)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	s.interrupt_bitmap[1] = 1UL << 3;
	vcpu_set_sregs(self->vcpu, &s);
	s = vcpu_sregs(self->vcpu);
	EXPECT_EQ(1UL << 3, s.interrupt_bitmap[1]);
	EXPECT_EQ(0, s.interrupt_bitmap[0]);
	s.interrupt_bitmap[1] = 0;
	vcpu_set_sregs(self->vcpu, &s);
}

/* Without a CPUID table CR4 and EFER are limited, reset state isn't. */
TEST_F(regs, sregs_before_cpuid)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu = vcpu_create_nocpuid(vm, 0);
	struct hv_sregs s = vcpu_sregs(vcpu);

	s.cs.base = 0;
	s.cs.selector = 0;
	EXPECT_EQ(0, hv_ioctl(vcpu->fd, HV_SET_SREGS, &s));
	s.cr0 |= CR0_PE;
	EXPECT_EQ(0, hv_ioctl(vcpu->fd, HV_SET_SREGS, &s));
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_F(regs, translate)
{
	struct hv_translation t = { .linear_address = 0x123456 };

	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_TRANSLATE, &t));
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(0x123456, t.physical_address);
	t.linear_address = 0x7f0000000000;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_TRANSLATE, &t));
	EXPECT_EQ(0, t.valid);
	/* Two addresses for one page. */
	((uint64_t *)(self->vm->ram + GUEST_PD))[512 + 5] = 0x0 | 0xe7;
	t.linear_address = 0x40000000 + 5 * 0x200000 + 0x777;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_TRANSLATE, &t));
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(0x777, t.physical_address);
}

TEST_HARNESS_MAIN
