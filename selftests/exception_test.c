// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions reach the guest's IDT, with the right error code, and once, also
 * when the memory that their delivery needs has to be mapped first.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define PTE_NX		(1UL << 63)
#define NOWHERE		0x7f0000000000UL

/* Error code of #PF (SDM 3A 4.7). */
#define PF_P		1
#define PF_W		2
#define PF_U		4
#define PF_RSVD		8
#define PF_I		16

FIXTURE(exc)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint64_t *pd;
};

FIXTURE_SETUP(exc)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "exceptions");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->pd = (uint64_t *)(self->vm->ram + GUEST_PD);
}

FIXTURE_TEARDOWN(exc)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

static void expect_fault(struct __test_metadata *_metadata, FIXTURE_DATA(exc) *self,
			 int vector, uint64_t error)
{
	EXPECT_EQ(vector, guest_fault(self->vm));
	EXPECT_EQ(error, guest_u64(self->vm, "fault_error"));
}

#define EXPECT_FAULT(vector, error)	expect_fault(_metadata, self, vector, error)

TEST_F(exc, without_error_code)
{
	guest_call(self->vcpu, "divide_error");
	EXPECT_FAULT(DE_VECTOR, 0);
	guest_call(self->vcpu, "undefined");
	EXPECT_FAULT(UD_VECTOR, 0);
	guest_call(self->vcpu, "breakpoint");
	EXPECT_FAULT(BP_VECTOR, 0);
}

TEST_F(exc, with_error_code)
{
	guest_call(self->vcpu, "gp_canonical");
	EXPECT_FAULT(GP_VECTOR, 0);
	guest_call(self->vcpu, "gp_selector");
	EXPECT_FAULT(GP_VECTOR, 0x1f8);
	guest_call(self->vcpu, "not_present");
	EXPECT_FAULT(NP_VECTOR, SEL_NOT_PRESENT);
}

TEST_F(exc, error_code_of_gate_and_stack)
{
	if (cpu_is_tcg())
		SKIP(return, "TCG scales the gate's vector by 16, and has #GP for #SS");
	guest_call(self->vcpu, "gp_int");
	/* Vector 0x50, bit 1: IDT. */
	EXPECT_FAULT(GP_VECTOR, 0x50 << 3 | 2);
	guest_call(self->vcpu, "ss_fault");
	EXPECT_FAULT(SS_VECTOR, 0);
}

TEST_F(exc, software_interrupt)
{
	EXPECT_EQ(0x80, guest_call(self->vcpu, "int_0x80"));
	EXPECT_EQ(1, ((uint32_t *)guest_var(self->vm, "irq_count"))[0x80]);
}

TEST_F(exc, page_fault_not_present)
{
	guest_call(self->vcpu, "load", NOWHERE + 0x123);
	EXPECT_FAULT(PF_VECTOR, 0);
	EXPECT_EQ(NOWHERE + 0x123, guest_u64(self->vm, "fault_cr2"));
	EXPECT_EQ(NOWHERE + 0x123, vcpu_sregs(self->vcpu).cr2);
	guest_call(self->vcpu, "store", NOWHERE, 1);
	EXPECT_FAULT(PF_VECTOR, PF_W);
	guest_call(self->vcpu, "execute", NOWHERE + 0x1000);
	EXPECT_EQ(PF_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(NOWHERE + 0x1000, guest_u64(self->vm, "fault_rip"));
}

TEST_F(exc, page_fault_protection)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	uint64_t va = 8 << 21;

	self->pd[8] = 0xe5;		/* not writable */
	guest_call(self->vcpu, "store", va + GUEST_FREE, 1);
	EXPECT_FAULT(PF_VECTOR, PF_P | PF_W);
	s.efer |= EFER_NX;
	vcpu_set_sregs(self->vcpu, &s);
	self->pd[10] = 0xe7 | PTE_NX;
	guest_call(self->vcpu, "execute", 10 << 21);
	EXPECT_FAULT(PF_VECTOR, PF_P | PF_I);
}

TEST_F(exc, page_fault_reserved)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	if (cpu_is_tcg())
		SKIP(return, "TCG leaves out P when a reserved bit is set");
	/* A reserved bit: bit 20 of a 2 MiB page's entry. */
	self->pd[9] = 0xe7 | 1 << 20;
	guest_call(self->vcpu, "load", 9 << 21);
	EXPECT_FAULT(PF_VECTOR, PF_P | PF_RSVD);
	/* Without EFER.NXE NX is reserved. */
	s.efer &= ~EFER_NX;
	vcpu_set_sregs(self->vcpu, &s);
	self->pd[10] = 0xe7 | PTE_NX;
	guest_call(self->vcpu, "load", 10 << 21);
	EXPECT_FAULT(PF_VECTOR, PF_P | PF_RSVD);
}

TEST_F(exc, page_fault_user)
{
	/* Present for the kernel only. */
	self->pd[8] = 0xe3;
	guest_start(self->vcpu, "user_load", 1, (uint64_t[]){ 8 << 21 });
	ASSERT_EQ(HV_EXIT_IO, vcpu_run(self->vcpu)) {
		vcpu_dump(self->vcpu);
	}
	EXPECT_EQ(PORT_FATAL, self->vcpu->run->io.port);
	/* The #PF came first, then #UD at CPL 3. */
	EXPECT_EQ(2, guest_u64(self->vm, "fault_count"));
	EXPECT_EQ(8 << 21, guest_u64(self->vm, "fault_cr2"));
	EXPECT_EQ(UD_VECTOR, guest_fault(self->vm));
}

/* #PF whose frame can't be pushed: #DF with error code 0, on its own stack. */
TEST_F(exc, double_fault)
{
	uint64_t *idt = (uint64_t *)(self->vm->ram + GUEST_IDT);

	idt[2 * DF_VECTOR] |= 1UL << 32;	/* IST1 */
	guest_call(self->vcpu, "double_fault");
	EXPECT_FAULT(DF_VECTOR, 0);
	EXPECT_EQ(1, guest_u64(self->vm, "fault_count"));
}

/* The same without a way out: shutdown. */
TEST_F(exc, triple_fault)
{
	guest_start(self->vcpu, "double_fault", 0, NULL);
	EXPECT_EQ(HV_EXIT_SHUTDOWN, vcpu_run(self->vcpu));
}

static void forget(struct vm *vm, uint64_t gpa)
{
	/* The host's page stays, the mapping in the second-stage tables goes. */
	if (mprotect(vm->ram + gpa, PAGE, PROT_NONE) ||
	    mprotect(vm->ram + gpa, PAGE, PROT_READ | PROT_WRITE))
		die("mprotect: %s", strerror(errno));
}

/*
 * The IDT, the handler's stack or its code isn't mapped when the exception is
 * delivered: the exit comes in the middle, and delivery is done again, once.
 */
TEST_F(exc, delivery_interrupted)
{
	static const uint64_t pages[] = { GUEST_IDT, GUEST_STACK - PAGE, GUEST_GDT };
	unsigned int i, round;

	for (round = 0; round < 5; round++)
		for (i = 0; i < ARRAY_LEN(pages); i++) {
			guest_u64(self->vm, "fault_count") = 0;
			forget(self->vm, pages[i]);
			guest_call(self->vcpu, "undefined");
			EXPECT_FAULT(UD_VECTOR, 0);
			EXPECT_EQ(1, guest_u64(self->vm, "fault_count"));
			forget(self->vm, pages[i]);
			guest_call(self->vcpu, "load", NOWHERE);
			EXPECT_FAULT(PF_VECTOR, 0);
			EXPECT_EQ(NOWHERE, guest_u64(self->vm, "fault_cr2"));
			EXPECT_EQ(2, guest_u64(self->vm, "fault_count"));
			forget(self->vm, pages[i]);
			EXPECT_EQ(0x80, guest_call(self->vcpu, "int_0x80"));
			forget(self->vm, pages[i]);
			guest_call(self->vcpu, "breakpoint");
			EXPECT_FAULT(BP_VECTOR, 0);
		}
	EXPECT_EQ(15, ((uint32_t *)guest_var(self->vm, "irq_count"))[0x80]);
}

/* No memory under the IDT: the VMM is told, nobody crashes. */
TEST_F(exc, idt_without_memory)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);
	uint32_t exit;

	s.idt.base = GUEST_MMIO;
	vcpu_set_sregs(self->vcpu, &s);
	guest_start(self->vcpu, "undefined", 0, NULL);
	exit = vcpu_run(self->vcpu);
	EXPECT_TRUE(exit == HV_EXIT_INTERNAL_ERROR || exit == HV_EXIT_MMIO ||
		    exit == HV_EXIT_SHUTDOWN) {
		TH_LOG("exit %s", exit_name(exit));
	}
	if (exit == HV_EXIT_INTERNAL_ERROR && !device_is_kvm())
		EXPECT_EQ(HV_INTERNAL_ERROR_DELIVERY_EV, self->vcpu->run->internal.suberror);
	/* The exception is still in flight: a VMM that goes on drops it. */
	EXPECT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &(struct hv_vcpu_events){}));
	vcpu_long_mode(self->vcpu, NULL);
	EXPECT_EQ(5, guest_call(self->vcpu, "identity", 5));
}

/* An exception that the VMM injects. */
TEST_F(exc, injected_by_vmm)
{
	struct hv_vcpu_events e;

	guest_start(self->vcpu, "identity", 1, (uint64_t[]){ 3 });
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	e.exception.injected = 1;
	e.exception.nr = GP_VECTOR;
	e.exception.has_error_code = 1;
	e.exception.error_code = 0x42;
	e.flags = 0;
	ASSERT_EQ(0, hv_ioctl(self->vcpu->fd, HV_SET_VCPU_EVENTS, &e));
	guest_u64(self->vm, "fixup") = guest_sym(self->vm, "identity");
	EXPECT_EQ(3, guest_finish(self->vcpu));
	EXPECT_FAULT(GP_VECTOR, 0x42);
	EXPECT_EQ(guest_sym(self->vm, "identity"), guest_u64(self->vm, "fault_rip"));
}

TEST_HARNESS_MAIN
