// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware task switches always exit (SDM 3C 26.1.3). KVM does them in software;
 * hv needn't, but the guest gets an exception or the VMM a clean internal error.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

TEST(task_switch)
{
	struct vm *vm = vm_create(0);
	struct vcpu *vcpu;
	uint32_t exit;

	vm_load(vm, "insn");
	vcpu = vcpu_create(vm, 0);
	vcpu_protected_mode(vcpu, "task_switch");
	exit = vcpu_run(vcpu);
	if (exit == HV_EXIT_IO && vcpu->run->io.port == PORT_DONE) {
		uint32_t rax = vcpu_regs(vcpu).rax;

		/* Either the other task ran, or #UD came. */
		EXPECT_TRUE(rax == 0x7a5c || (rax == 0xbad && guest_fault(vm) == UD_VECTOR)) {
			TH_LOG("EAX %#x, exception %d", rax, guest_fault(vm));
		}
	} else {
		ASSERT_EQ(HV_EXIT_INTERNAL_ERROR, exit) {
			vcpu_dump(vcpu);
		}
	}
	/* The vCPU can be used again. */
	vcpu_long_mode(vcpu, NULL);
	EXPECT_EQ(5, guest_call(vcpu, "identity", 5));
	vcpu_free(vcpu);
	vm_free(vm);
}

TEST_HARNESS_MAIN
