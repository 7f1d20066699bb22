// SPDX-License-Identifier: GPL-2.0-only
/*
 * HV_RUN: the loop that a vCPU spends its life in.
 */
#include <linux/sched/signal.h>
#include <hv/backend.h>
#include <hv/host.h>
#include <hv/host_inline.h>
#include <hv/irq.h>
#include <hv/vcpu.h>
#include "core.h"
#include "dirty.h"

/* A signal ends HV_RUN; userspace looks at exit_reason even after -EINTR. */
static int hv_run_interrupted(struct hv_vcpu *vcpu)
{
	vcpu->run->exit_reason = HV_EXIT_INTR;
	vcpu->stats.signal_exits++;
	return -EINTR;
}

/* Work asked for by others, and by the vCPU itself. Interrupts on. */
static int hv_handle_requests(struct hv_vcpu *vcpu)
{
	if (hv_req_take(vcpu, HV_REQ_DEAD))
		return -EIO;
	if (hv_req_take(vcpu, HV_REQ_TRIPLE_FAULT)) {
		vcpu->x86.triple_fault = false;
		vcpu->run->exit_reason = HV_EXIT_SHUTDOWN;
		return HV_TO_USER;
	}
	if (hv_req_take(vcpu, HV_REQ_DIRTY_RING) && hv_dirty_ring_full(vcpu)) {
		/* As long as it is full */
		hv_req_set(vcpu, HV_REQ_DIRTY_RING);
		vcpu->run->exit_reason = HV_EXIT_DIRTY_RING_FULL;
		return HV_TO_USER;
	}
	if (hv_req_take(vcpu, HV_REQ_DIRTY_LOG))
		hv_call(update, vcpu, HV_UPDATE_DIRTY_LOG);
	if (hv_req_take(vcpu, HV_REQ_IOAPIC_EOI)) {
		vcpu->run->exit_reason = HV_EXIT_IOAPIC_EOI;
		vcpu->run->eoi.vector = vcpu->x86.ioapic_eoi;
		return HV_TO_USER;
	}
	hv_req_take(vcpu, HV_REQ_UNBLOCK);
	if (hv_req_take(vcpu, HV_REQ_TSC))
		hv_tsc_refresh(vcpu);
	if (hv_req_take(vcpu, HV_REQ_MASTER_CLOCK))
		hv_clock_reconsider(vcpu->vm);
	if (hv_req_take(vcpu, HV_REQ_CLOCK))
		hv_pvclock_update(vcpu);
	if (hv_req_take(vcpu, HV_REQ_STEAL))
		hv_steal_update(vcpu);
	if (hv_req_take(vcpu, HV_REQ_APIC))
		hv_call(update, vcpu, HV_UPDATE_APIC);
	if (hv_req_take(vcpu, HV_REQ_TIMER))
		hv_lapic_timer_fire(vcpu);
	/* Every entry looks for events; the bit has done its work by getting us here. */
	if (hv_req_take(vcpu, HV_REQ_EVENT) && vcpu->x86.lapic &&
	    hv_lapic_has_init_sipi(vcpu))
		hv_lapic_do_init_sipi(vcpu);
	return HV_RESUME;
}

/*
 * Flushing is last and with preemption off: it concerns this CPU's TLB, and a migration
 * in between would ask for it again.
 */
static void hv_flush_if_asked(struct hv_vcpu *vcpu)
{
	bool guest = hv_req_take(vcpu, HV_REQ_TLB_FLUSH_GUEST);
	bool all = hv_req_take(vcpu, HV_REQ_TLB_FLUSH);

	vcpu->stats.tlb_guest_flushes += guest;
	vcpu->stats.tlb_flushes += all;
	/* One of all translations serves for both. */
	if (all || guest)
		hv_call(flush_tlb, vcpu, !all);
}

/* Run the guest once. Called and returns with vm->srcu held. */
static int hv_vcpu_enter(struct hv_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	preempt_disable();
	if (unlikely(!vcpu->loaded)) {
		/* The host shuts down: no CPU runs guests any more. */
		preempt_enable();
		return -EIO;
	}
	if (unlikely(hv_req_pending(vcpu)))
		hv_flush_if_asked(vcpu);
	local_irq_disable();
	hv_vcpu_srcu_unlock(vcpu);

	/* From here on whoever sets a request also sends an IPI. */
	WRITE_ONCE(vcpu->mode, HV_IN_GUEST);
	/* the mode before the requests are read; pairs with hv_vcpu_request() */
	smp_mb();
	if (hv_req_pending(vcpu) || host_work_pending()) {
		WRITE_ONCE(vcpu->mode, HV_OUTSIDE_GUEST);
		local_irq_enable();
		preempt_enable();
		hv_vcpu_srcu_lock(vcpu);
		return HV_RESUME;
	}

	hv_inject_events(vcpu);
	hv_pv_eoi_offer(vcpu);
	/* A request made by that: nobody has sent an IPI for it. */
	if (unlikely(hv_req_pending(vcpu)))
		host_kick_cpu(smp_processor_id());
	host_fpu_return();
	host_guest_timing_enter();
	/* Preempted from here on with an exit to handle, the guest is not between instructions. */
	vcpu->x86.pv.at_boundary = hv_call(enter, vcpu) > 0;

	WRITE_ONCE(vcpu->mode, HV_OUTSIDE_GUEST);
	/*
	 * A tick that is pending now belongs to the guest's time. It is taken after the instruction
	 * that follows STI (SDM 2B, STI), which must not be CLI. Both are barriers to the compiler.
	 */
	local_irq_enable();
	vcpu->stats.guest_entries++;
	local_irq_disable();
	host_guest_timing_exit();
	local_irq_enable();
	preempt_enable();

	hv_vcpu_srcu_lock(vcpu);
	if (vcpu->x86.pv.eoi_offered)
		hv_pv_eoi_collect(vcpu);
	return hv_call(handle_exit, vcpu);
}

/* Userspace wants to inject an interrupt (no in-kernel PIC) and can do it now. */
static bool hv_userspace_irq_window(struct hv_vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->request_interrupt_window) && hv_ready_for_user_irq(vcpu);
}

/* It need not sleep. A halt ends here. */
static bool hv_can_enter(struct hv_vcpu *vcpu)
{
	if (likely(READ_ONCE(vcpu->x86.mp_state) == HV_MP_STATE_RUNNABLE))
		return true;
	if (!hv_vcpu_runnable(vcpu))
		return false;
	hv_vcpu_resume_halted(vcpu);
	return true;
}

static long hv_vcpu_loop(struct hv_vcpu *vcpu)
{
	int r;

	for (;;) {
		vcpu->x86.pv.at_boundary = true;
		if (vcpu->x86.lapic)
			hv_lapic_timer_check(vcpu);
		if (hv_req_pending(vcpu)) {
			r = hv_handle_requests(vcpu);
			if (r <= 0)
				return r;
		}
		r = hv_can_enter(vcpu) ? hv_vcpu_enter(vcpu) : hv_vcpu_block(vcpu);
		if (r <= 0)
			return r;

		if (hv_userspace_irq_window(vcpu)) {
			vcpu->run->exit_reason = HV_EXIT_IRQ_WINDOW_OPEN;
			return HV_TO_USER;
		}
		if (host_work_pending_racy()) {
			hv_vcpu_srcu_unlock(vcpu);
			r = host_handle_work();
			hv_vcpu_srcu_lock(vcpu);
			if (r)
				return hv_run_interrupted(vcpu);
		}
	}
}

/*
 * An application processor waits for INIT and SIPI inside HV_RUN; when it has become
 * runnable HV_RUN returns -EAGAIN once, as KVM does, so that the VMM can notice.
 */
static long hv_wait_for_sipi(struct hv_vcpu *vcpu)
{
	int r;

	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;
	vcpu->run->exit_reason = HV_EXIT_UNKNOWN;
	do {
		hv_vcpu_block(vcpu);
		r = hv_handle_requests(vcpu);
		if (r <= 0)
			return r;
		if (signal_pending(current))
			return hv_run_interrupted(vcpu);
	} while (READ_ONCE(vcpu->x86.mp_state) == HV_MP_STATE_UNINITIALIZED);
	return -EAGAIN;
}

static long hv_run_locked(struct hv_vcpu *vcpu)
{
	int (*complete)(struct hv_vcpu *vcpu) = vcpu->x86.complete;
	int r;

	if (vcpu->x86.mp_state == HV_MP_STATE_UNINITIALIZED)
		return hv_wait_for_sipi(vcpu);
	/* Without a LAPIC here, TPR is the VMM's to set. */
	if (!vcpu->vm->irqchip_in_kernel && hv_set_cr8(vcpu, READ_ONCE(vcpu->run->cr8)))
		return -EINVAL;
	/* What the last exit left to be finished comes before anything else. */
	if (complete) {
		vcpu->x86.complete = NULL;
		r = complete(vcpu);
		if (r <= 0)
			return r;
	}
	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;
	vcpu->x86.has_run = true;
	return hv_vcpu_loop(vcpu);
}

/**
 * hv_vcpu_run() - HV_RUN
 * @vcpu: vCPU, its mutex held, not loaded
 *
 * Context: process context.
 * Return: 0 with the reason in the run page; -EINTR: signal or immediate_exit; -EAGAIN: an
 * application processor has been started; -EIO: the VM is dead; -EFAULT: a slot's
 * userspace memory is not there; other -errno.
 */
long hv_vcpu_run(struct hv_vcpu *vcpu)
{
	sigset_t saved;
	long r = -EIO;

	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &saved);
	vcpu->x86.pv.at_boundary = false;
	hv_vcpu_set_task(vcpu);
	hv_fpu_load(vcpu);
	hv_vcpu_load(vcpu);
	if (likely(vcpu->loaded)) {
		hv_vcpu_srcu_lock(vcpu);
		vcpu->run->flags = 0;
		r = hv_run_locked(vcpu);
		vcpu->stats.user_exits++;
		hv_update_run_page(vcpu);
		hv_vcpu_srcu_unlock(vcpu);
	}
	hv_vcpu_put(vcpu);
	hv_fpu_put(vcpu);
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &saved, NULL);
	return r;
}
