// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions while exceptions are delivered: each cell of SDM 3A 6.15, table 6-5 that a guest
 * can reach, raised by the guest and injected by the VMM.
 *
 * The second exception comes of the first one's gate: one that is not present is #NP, a
 * contributory one; one whose stack (IST2) is not mapped is #PF.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define NOWHERE		0x7f0000000000UL
#define TSS_IST2	0x2c
#define GATE_PRESENT	(1UL << 47)
#define GATE_IST2	(2UL << 32)
/* Error code of #NP for a gate: vector, IDT (SDM 3A 6.13); EXT as the first came from outside */
#define NP_ERROR(vector)	((vector) << 3 | 2)

FIXTURE(df)
{
	struct vm *vm;
	struct vcpu *vcpu;
	uint64_t *idt;
};

FIXTURE_VARIANT(df)
{
	bool injected;
};

FIXTURE_VARIANT_ADD(df, raised)
{
	.injected = false,
};

FIXTURE_VARIANT_ADD(df, injected)
{
	.injected = true,
};

FIXTURE_SETUP(df)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "exceptions");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->idt = (uint64_t *)(self->vm->ram + GUEST_IDT);
	memcpy(self->vm->ram + GUEST_TSS + TSS_IST2, &(uint64_t){ NOWHERE }, 8);
}

FIXTURE_TEARDOWN(df)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/*
 * In a nested guest TCG forgets that an exception is being delivered when a gate is not there, or
 * when the first one was injected; and it scales the vector in the error code by 16.
 */
#define NOT_ON_TCG(what)						\
	do {								\
		if (cpu_is_tcg())					\
			SKIP(return, "TCG does not merge " what);	\
	} while (0)

/* Delivery of @vector ends in #NP. */
static void no_gate(FIXTURE_DATA(df) *self, int vector)
{
	self->idt[2 * vector] &= ~GATE_PRESENT;
}

/* Delivery of @vector ends in #PF. */
static void no_stack(FIXTURE_DATA(df) *self, int vector)
{
	self->idt[2 * vector] |= GATE_IST2;
}

static void inject(struct vcpu *vcpu, int vector)
{
	struct hv_vcpu_events e;

	must(hv_ioctl(vcpu->fd, HV_GET_VCPU_EVENTS, &e));
	e.exception.injected = 1;
	e.exception.nr = vector;
	e.exception.has_error_code = vector >= DF_VECTOR;
	e.exception.error_code = 0;
	e.flags = 0;
	must(hv_ioctl(vcpu->fd, HV_SET_VCPU_EVENTS, &e));
}

/* Raise it; the handler goes on at "identity". */
static uint32_t raise_first(FIXTURE_DATA(df) *self, bool injected, int vector)
{
	const char *function = vector == UD_VECTOR ? "undefined" :
			       vector == GP_VECTOR ? "gp_canonical" : "load";

	if (injected) {
		guest_start(self->vcpu, "identity", 0, NULL);
		guest_u64(self->vm, "fixup") = guest_sym(self->vm, "identity");
		inject(self->vcpu, vector);
	} else {
		guest_start(self->vcpu, function, 1, (uint64_t[]){ NOWHERE + 0x5000 });
	}
	return vcpu_run(self->vcpu);
}

static void delivered(struct __test_metadata *_metadata, FIXTURE_DATA(df) *self, bool injected,
		      int first, int vector, uint64_t error)
{
	ASSERT_EQ(HV_EXIT_IO, raise_first(self, injected, first)) {
		vcpu_dump(self->vcpu);
	}
	EXPECT_EQ(PORT_DONE, self->vcpu->run->io.port);
	EXPECT_EQ(vector, guest_fault(self->vm));
	/* EXT: VMX says that an injected exception came from outside, SVM that it did not. */
	EXPECT_EQ(error, guest_u64(self->vm, "fault_error") & ~1UL);
	EXPECT_EQ(1, guest_u64(self->vm, "fault_count"));
}

#define DELIVERED(first, vector, error)	\
	delivered(_metadata, self, variant->injected, first, vector, error)

TEST_F(df, benign_then_contributory)
{
	if (cpu_is_tcg())
		SKIP(return, "TCG scales the gate's vector by 16");
	no_gate(self, UD_VECTOR);
	DELIVERED(UD_VECTOR, NP_VECTOR, NP_ERROR(UD_VECTOR));
}

TEST_F(df, benign_then_page_fault)
{
	no_stack(self, UD_VECTOR);
	DELIVERED(UD_VECTOR, PF_VECTOR, 2);
	EXPECT_EQ(NOWHERE - 8, guest_u64(self->vm, "fault_cr2"));
}

TEST_F(df, contributory_then_contributory)
{
	NOT_ON_TCG("the #NP of a gate");
	no_gate(self, GP_VECTOR);
	DELIVERED(GP_VECTOR, DF_VECTOR, 0);
}

TEST_F(df, contributory_then_page_fault)
{
	no_stack(self, GP_VECTOR);
	DELIVERED(GP_VECTOR, PF_VECTOR, 2);
	EXPECT_EQ(NOWHERE - 8, guest_u64(self->vm, "fault_cr2"));
}

TEST_F(df, page_fault_then_contributory)
{
	NOT_ON_TCG("the #NP of a gate");
	no_gate(self, PF_VECTOR);
	DELIVERED(PF_VECTOR, DF_VECTOR, 0);
}

TEST_F(df, page_fault_then_page_fault)
{
	no_stack(self, PF_VECTOR);
	DELIVERED(PF_VECTOR, DF_VECTOR, 0);
}

/* The first is a double fault, of #GP or #PF that cannot be delivered, or injected as one. */
TEST_F(df, double_fault_then_contributory)
{
	NOT_ON_TCG("the #NP of a gate");
	no_gate(self, GP_VECTOR);
	no_gate(self, DF_VECTOR);
	EXPECT_EQ(HV_EXIT_SHUTDOWN, raise_first(self, variant->injected,
						variant->injected ? DF_VECTOR : GP_VECTOR));
}

TEST_F(df, double_fault_then_page_fault)
{
	if (variant->injected)
		NOT_ON_TCG("with an injected exception");
	no_stack(self, PF_VECTOR);
	no_stack(self, DF_VECTOR);
	EXPECT_EQ(HV_EXIT_SHUTDOWN, raise_first(self, variant->injected,
						variant->injected ? DF_VECTOR : PF_VECTOR));
}

TEST_HARNESS_MAIN
