// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls: an unknown one is answered as on KVM. The other
 * vendor's instruction is #UD or the same. Instructions of VMX, SVM and TXT don't exist.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define KVM_ENOSYS	1000

FIXTURE(hypercall)
{
	struct vm *vm;
	struct vcpu *vcpu;
};

FIXTURE_SETUP(hypercall)
{
	struct hv_cpuid2 *c;

	self->vm = vm_create(0);
	vm_load(self->vm, "insn");
	self->vcpu = vcpu_create_nocpuid(self->vm, 0);
	/* A guest without VMX and SVM, also on a KVM that has nested. */
	c = supported_cpuid(self->vm);
	cpuid_entry(c, 1, 0)->ecx &= ~(1U << 5);
	cpuid_entry(c, 0x80000001, 0)->ecx &= ~(1U << 2);
	must(hv_ioctl(self->vcpu->fd, HV_SET_CPUID2, c));
	free(c);
	vcpu_long_mode(self->vcpu, NULL);
}

FIXTURE_TEARDOWN(hypercall)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

TEST_F(hypercall, own)
{
	const char *own = cpu_is_intel() ? "vmcall_" : "vmmcall_";

	EXPECT_EQ(-KVM_ENOSYS, (long)guest_call(self->vcpu, own, 0x7777));
	EXPECT_EQ(NO_FAULT, guest_fault(self->vm));
	/* It's skipped: the next call is right. */
	EXPECT_EQ(5, guest_call(self->vcpu, "identity", 5));
}

TEST_F(hypercall, foreign)
{
	const char *foreign = cpu_is_intel() ? "vmmcall_" : "vmcall_";
	long ret = guest_call(self->vcpu, foreign, 0x7777);

	EXPECT_TRUE(guest_fault(self->vm) == UD_VECTOR || ret == -KVM_ENOSYS) {
		TH_LOG("fault %d, result %ld", guest_fault(self->vm), ret);
	}
}

TEST_F(hypercall, no_such_instruction)
{
	static const char * const functions[] = {
		"vmxon_", "vmread_", "vmlaunch_", "vmrun_", "rsm_", "invept_",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(functions); i++) {
		guest_call(self->vcpu, functions[i]);
		EXPECT_EQ(UD_VECTOR, guest_fault(self->vm)) {
			TH_LOG("%s", functions[i]);
		}
	}
	guest_call(self->vcpu, "getsec_");
	EXPECT_TRUE(guest_fault(self->vm) == UD_VECTOR || guest_fault(self->vm) == GP_VECTOR);
	EXPECT_EQ(6, guest_call(self->vcpu, "identity", 6));
}

TEST_HARNESS_MAIN
