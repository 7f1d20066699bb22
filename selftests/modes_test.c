// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest can be started in real, protected and long mode, and can go from one
 * to the other by itself.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

FIXTURE(mode)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(mode)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "modes");
	self->vcpu = vcpu_create(self->vm, 0);
}

FIXTURE_TEARDOWN(mode)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static uint32_t io_value(struct vcpu *vcpu)
{
	return *(uint32_t *)((char *)vcpu->run + vcpu->run->io.data_offset);
}

/* Run until the next report. */
#define EXPECT_MARK(value)						\
	do {								\
		ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu)) {		\
			vcpu_dump(self->vcpu);				\
		}							\
		ASSERT_EQ(PORT_MARK, self->vcpu->run->io.port) {	\
			vcpu_dump(self->vcpu);				\
		}							\
		EXPECT_EQ(value, io_value(self->vcpu));			\
	} while (0)

#define EXPECT_DONE()							\
	do {								\
		ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu)) {		\
			vcpu_dump(self->vcpu);				\
		}							\
		ASSERT_EQ(PORT_DONE, self->vcpu->run->io.port) {	\
			vcpu_dump(self->vcpu);				\
		}							\
	} while (0)

TEST_F(mode, real)
{
	vcpu_real_mode(self->vcpu, "real_entry");
	EXPECT_MARK(0x16);
	EXPECT_DONE();
	EXPECT_EQ(0, vcpu_sregs(self->vcpu).cr0 & CR0_PE);
}

/* kvmtool's way: only selectors and bases are changed. */
TEST_F(mode, real_high_segment)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	struct hv_regs r = { .rflags = 2, .rip = 0x200 };
	static const uint8_t code[] = { 0xb0, 0x77, 0xe6, PORT_DONE };

	s.cs.selector = s.ds.selector = s.es.selector = 0x1000;
	s.ss.selector = s.fs.selector = s.gs.selector = 0x1000;
	s.cs.base = s.ds.base = s.es.base = 0x10000;
	s.ss.base = s.fs.base = s.gs.base = 0x10000;
	vcpu_set_sregs(self->vcpu, &s);
	vcpu_set_regs(self->vcpu, &r);
	memcpy(self->vm->ram + 0x10200, code, sizeof(code));
	EXPECT_DONE();
	EXPECT_EQ(0x77, io_value(self->vcpu) & 0xff);
}

TEST_F(mode, real_segments)
{
	vcpu_real_mode(self->vcpu, "real_segments");
	EXPECT_DONE();
	EXPECT_EQ(0x1234, io_value(self->vcpu) & 0xffff);
	EXPECT_EQ(0x1234, *(uint16_t *)(self->vm->ram + 0x40010));
}

TEST_F(mode, real_interrupt)
{
	vcpu_real_mode(self->vcpu, "real_int");
	EXPECT_DONE();
	EXPECT_EQ(0x3333, io_value(self->vcpu));
}

TEST_F(mode, protected)
{
	vcpu_protected_mode(self->vcpu, "protected_entry");
	EXPECT_MARK(0x32);
	EXPECT_DONE();
	EXPECT_EQ(CR0_PE, vcpu_sregs(self->vcpu).cr0 & (CR0_PE | CR0_PG));
}

TEST_F(mode, long_mode)
{
	vcpu_long_mode(self->vcpu, "long_entry");
	EXPECT_MARK(0x64);
	EXPECT_DONE();
	EXPECT_EQ(EFER_LME | EFER_LMA, vcpu_sregs(self->vcpu).efer);
}

TEST_F(mode, paging_32_bit)
{
	vcpu_protected_mode(self->vcpu, "paging32");
	EXPECT_DONE();
	EXPECT_EQ(0x87654321, io_value(self->vcpu));
	EXPECT_EQ(0x87654321, *(uint32_t *)(self->vm->ram + 0x40000));
}

TEST_F(mode, paging_pae)
{
	vcpu_protected_mode(self->vcpu, "paging_pae");
	EXPECT_DONE();
	EXPECT_EQ(0x13572468, io_value(self->vcpu));
	EXPECT_EQ(CR4_PAE, vcpu_sregs(self->vcpu).cr4 & CR4_PAE);
}

/* PAE paging set by the VMM: the PDPTEs are read from memory. */
TEST_F(mode, paging_pae_start)
{
	struct hv_sregs s;
	struct hv_translation t = { .linear_address = 0x80001234 };
	uint64_t *pdpt = (uint64_t *)(self->vm->ram + GUEST_FREE);
	unsigned int i;

	vcpu_protected_mode(self->vcpu, "protected_entry");
	for (i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PD + i * PAGE) | 1;
	s = vcpu_sregs(self->vcpu);
	s.cr3 = GUEST_FREE;
	s.cr4 |= CR4_PAE;
	s.cr0 |= CR0_PG;
	vcpu_set_sregs(self->vcpu, &s);
	EXPECT_MARK(0x32);
	EXPECT_DONE();
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_TRANSLATE, &t));
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(0x80001234, t.physical_address);
}

TEST_F(mode, climb_and_descend)
{
	struct hv_sregs s;

	page_tables_build(self->vm);
	gdt_build(self->vm, true);
	vcpu_real_mode(self->vcpu, "climb");
	EXPECT_MARK(1);
	EXPECT_MARK(2);
	s = vcpu_sregs(self->vcpu);
	EXPECT_EQ(CR0_PE, s.cr0 & (CR0_PE | CR0_PG));
	EXPECT_EQ(SEL_CODE32, s.cs.selector);
	EXPECT_EQ(1, s.cs.db);
	EXPECT_MARK(3);
	s = vcpu_sregs(self->vcpu);
	EXPECT_EQ(EFER_LME | EFER_LMA, s.efer & (EFER_LME | EFER_LMA));
	EXPECT_EQ(0, s.cs.l);
	EXPECT_MARK(4);
	EXPECT_EQ(0x123456789abcdef0, guest_u64(self->vm, "wide"));
	EXPECT_EQ(1, vcpu_sregs(self->vcpu).cs.l);
	EXPECT_MARK(5);
	EXPECT_EQ(0, vcpu_sregs(self->vcpu).cs.l);
	EXPECT_MARK(6);
	EXPECT_MARK(7);
	s = vcpu_sregs(self->vcpu);
	EXPECT_EQ(0, s.efer & (EFER_LME | EFER_LMA));
	EXPECT_EQ(0, s.cr0 & CR0_PG);
	EXPECT_MARK(8);
	EXPECT_EQ(0, vcpu_sregs(self->vcpu).cr0 & CR0_PE);
	EXPECT_DONE();
}

TEST_F(mode, user_mode)
{
	vcpu_long_mode(self->vcpu, NULL);
	guest_start(self->vcpu, "user_mode", 0, NULL);
	/* Interrupts from CPL 3 take their stack from the TSS. */
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu)) {
		vcpu_dump(self->vcpu);
	}
	EXPECT_EQ(PORT_FATAL, self->vcpu->run->io.port);
	EXPECT_EQ(SEL_USER_CODE64, guest_u32(self->vm, "user_cs"));
	EXPECT_EQ(1, guest_u32(self->vm, "user_done"));
	EXPECT_EQ(UD_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(2, guest_u64(self->vm, "fault_count"));
}

/* The same vCPU is put from one mode into another between runs. */
TEST_F(mode, switch_by_vmm)
{
	struct hv_sregs reset = vcpu_sregs(self->vcpu);

	vcpu_long_mode(self->vcpu, "long_entry");
	EXPECT_MARK(0x64);
	EXPECT_DONE();
	vcpu_protected_mode(self->vcpu, "protected_entry");
	EXPECT_MARK(0x32);
	EXPECT_DONE();
	vcpu_set_sregs(self->vcpu, &reset);
	vcpu_real_mode(self->vcpu, "real_entry");
	EXPECT_MARK(0x16);
	EXPECT_DONE();
	vcpu_long_mode(self->vcpu, "long_entry");
	EXPECT_MARK(0x64);
	EXPECT_DONE();
}

TEST_HARNESS_MAIN
