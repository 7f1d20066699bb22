// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's clock, as userspace reads it (HV_GET_CLOCK) and as guests do (pvclock).
 *
 * A guest computes the time from its TSC: the vCPU's time page has a point (TSC, time) and
 * the rate. While the host itself keeps its time with the TSC, and all vCPUs of the VM have
 * the same TSC, one point serves all vCPUs and need not change for as long as the VM
 * lives ("master clock"). Then time is one function of the TSC for the whole VM, and
 * cannot go backwards however vCPUs migrate; the guest is told so with
 * PVCLOCK_TSC_STABLE_BIT. Against the host's raw clock it is off by the rounding of the two
 * rates, less than 1 in 10^6. HV_GET_CLOCK computes what the guest does.
 *
 * Otherwise each vCPU's point is taken from the host's clock when the vCPU comes to
 * another CPU, and guests compare what they read themselves, as without the stable
 * flag they must. A vCPU's own time does not go backwards then either.
 *
 * A point is kept in terms of the host's TSC: a write of the guest's TSC changes the page,
 * not the clock.
 */
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/math64.h>
#include <linux/srcu.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>
#include <hv/host.h>
#include <hv/memory.h>
#include "internal.h"

/* A TSC that is further off than this, and 1 in 2^20 since the point, has gone wrong. */
#define HV_CLOCK_BELIEVED_NS	NSEC_PER_SEC
#define HV_CLOCK_BELIEVED_SHIFT	20

/* ns = ((TSC << shift) * mult) >> 32; a negative shift is to the right (asm/pvclock.h) */
static u32 rate_mult __ro_after_init;
static s8 rate_shift __ro_after_init;

/* Clocks of all VMs, for what happens to the host's clock */
static DEFINE_SPINLOCK(clocks_lock);
static LIST_HEAD(clocks);
/* The host's TSC when it was suspended */
static u64 suspend_tsc;

/* The precision is best when mult uses all of its 32 bits: TSC << shift in (1, 2] GHz. */
static void hv_clock_init_rate(u32 khz)
{
	u64 scaled = khz;
	u64 num = (u64)USEC_PER_SEC << 32;

	for (; scaled > 2 * USEC_PER_SEC; scaled >>= 1, num <<= 1)
		rate_shift--;
	for (; scaled <= USEC_PER_SEC; scaled <<= 1, num >>= 1)
		rate_shift++;
	rate_mult = div_u64(num, khz);
}

static u64 hv_clock_scale(u64 tsc)
{
	tsc = rate_shift < 0 ? tsc >> -rate_shift : tsc << rate_shift;
	return mul_u64_u32_shr(tsc, rate_mult, 32);
}

static u64 hv_clock_at(const struct hv_clock_point *p, u64 tsc)
{
	return tsc > p->tsc ? p->ns + hv_clock_scale(tsc - p->tsc) : p->ns;
}

/* The host's clock, and a TSC as near to it as can be. Returns: they belong together. */
static bool hv_clock_sample(struct host_clock_sample *s)
{
	unsigned long flags;

	if (host_clock_sample(s))
		return true;
	local_irq_save(flags);
	s->ns = host_clock_ns();
	s->tsc = rdtsc_ordered();
	local_irq_restore(flags);
	s->real_ns = ktime_get_real_ns();
	return false;
}

/* What @p says of the sample's instant, by the TSC: true if it can be right and @ns is near. */
static bool hv_clock_believed(const struct hv_clock_point *p, const struct host_clock_sample *s,
			      u64 ns, u64 *then)
{
	if (!p->tsc)
		return false;
	*then = hv_clock_at(p, s->tsc);
	return abs((s64)(*then - ns)) <
	       HV_CLOCK_BELIEVED_NS + ((*then - p->ns) >> HV_CLOCK_BELIEVED_SHIFT);
}

/* @ns, but not less than what somebody may have read by @p. */
static u64 hv_clock_not_before(u64 ns, const struct hv_clock_point *p,
			       const struct host_clock_sample *s)
{
	u64 then;

	return hv_clock_believed(p, s, ns, &then) ? max(then, ns) : ns;
}

/* What the clock shows at the sample; clock->lock held. */
static u64 hv_clock_read(const struct hv_clock *clock, const struct host_clock_sample *s)
{
	return clock->master ? hv_clock_at(&clock->base, s->tsc) : s->ns + clock->offset;
}

/* Not less than any vCPU may have read; clock->lock held, no vCPU in the guest. */
static u64 hv_clock_latest(struct hv_vm *vm, const struct host_clock_sample *s)
{
	struct hv_clock *clock = &vm->x86.clock;
	u64 ns = s->ns + clock->offset;
	struct hv_vcpu *vcpu;
	unsigned int i;
	u64 then;

	if (clock->master)
		return hv_clock_believed(&clock->base, s, ns, &then) ? then : ns;
	hv_for_each_vcpu(i, vcpu, vm)
		ns = hv_clock_not_before(ns, &vcpu->x86.pv.clock_last, s);
	return ns;
}

/* From the sample on the clock goes on from @ns; clock->lock held. */
static void hv_clock_start(struct hv_vm *vm, const struct host_clock_sample *s, u64 ns)
{
	struct hv_clock *clock = &vm->x86.clock;

	clock->base.tsc = s->tsc;
	clock->base.ns = ns;
	clock->offset = ns - s->ns;
}

static bool hv_tscs_agree(struct hv_vm *vm)
{
	u64 offset = vm->nr_vcpus ? READ_ONCE(vm->vcpus[0]->x86.tsc_offset) : 0;
	struct hv_vcpu *vcpu;
	unsigned int i;

	hv_for_each_vcpu(i, vcpu, vm) {
		if (READ_ONCE(vcpu->x86.tsc_offset) != offset)
			return false;
	}
	return true;
}

/* A page is to be written by a vCPU that may sleep: others read the page of the first one. */
static void hv_clock_wake_all(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu;
	unsigned int i;

	hv_for_each_vcpu(i, vcpu, vm)
		hv_vcpu_wake(vcpu);
}

/**
 * hv_clock_reconsider() - master clock or not?
 * @vm: VM of which a vCPU's TSC has changed, or whose host has another clocksource
 *
 * A change is made while all vCPUs are outside the guest; each enters with the new page
 * only. The clock goes on where it was.
 *
 * Context: process context.
 */
void hv_clock_reconsider(struct hv_vm *vm)
{
	struct hv_clock *clock = &vm->x86.clock;
	struct host_clock_sample s;
	bool master;

	spin_lock(&clock->lock);
	master = hv_clock_sample(&s) && hv_tscs_agree(vm);
	if (master == clock->master) {
		spin_unlock(&clock->lock);
		return;
	}
	/* They wait for the lock before they look at the clock again. */
	hv_vm_request_all(vm, HV_REQ_CLOCK);
	master &= hv_clock_sample(&s);
	hv_clock_start(vm, &s, hv_clock_latest(vm, &s));
	clock->master = master;
	spin_unlock(&clock->lock);
	hv_clock_wake_all(vm);
}

static bool hv_pvclock_on(struct hv_vcpu *vcpu)
{
	return vcpu->x86.pv.system_time & KVM_MSR_ENABLED;
}

/* KVM's protocol: the version is odd while the rest changes. */
static void hv_pvclock_write(struct hv_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	u64 gpa = vcpu->x86.pv.system_time & ~(u64)KVM_MSR_ENABLED;
	struct pvclock_vcpu_time_info old;
	struct hv_vm *vm = vcpu->vm;

	/* An address without memory is the guest's mistake, and its loss. */
	if (hv_guest_read(vm, gpa, &old, sizeof(old)))
		return;
	/* The guest clears this one when it has seen it. */
	info->flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	info->version = (old.version + 1) | 1;
	if (hv_guest_write(vm, gpa, &info->version, sizeof(info->version)))
		return;
	smp_wmb(); /* the odd version before the rest */
	hv_guest_write(vm, gpa, info, sizeof(*info));
	smp_wmb(); /* the rest before the even version */
	info->version++;
	hv_guest_write(vm, gpa, &info->version, sizeof(info->version));
}

/**
 * hv_pvclock_update() - write the vCPU's time page
 * @vcpu: vCPU of this thread, outside the guest; caller holds vm->srcu
 *
 * Context: process context, may sleep.
 */
void hv_pvclock_update(struct hv_vcpu *vcpu)
{
	struct hv_clock *clock = &vcpu->vm->x86.clock;
	struct hv_pv_vcpu *pv = &vcpu->x86.pv;
	struct pvclock_vcpu_time_info info = {};
	struct host_clock_sample s;

	if (!hv_pvclock_on(vcpu))
		return;
	spin_lock(&clock->lock);
	if (clock->master) {
		pv->clock_last = clock->base;
		info.flags = PVCLOCK_TSC_STABLE_BIT;
	} else {
		hv_clock_sample(&s);
		pv->clock_last.ns = hv_clock_not_before(s.ns + clock->offset,
							&pv->clock_last, &s);
		pv->clock_last.tsc = s.tsc;
	}
	info.tsc_timestamp = hv_guest_tsc(vcpu, pv->clock_last.tsc);
	info.system_time = pv->clock_last.ns;
	spin_unlock(&clock->lock);

	info.tsc_to_system_mul = rate_mult;
	info.tsc_shift = rate_shift;
	if (pv->clock_stopped)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	pv->clock_stopped = false;
	hv_pvclock_write(vcpu, &info);
	vcpu->stats.clock_updates++;
}

/**
 * hv_pvclock_migrated() - the vCPU has come to another host CPU
 * @vcpu: vCPU of this thread
 *
 * Context: preemption off.
 */
void hv_pvclock_migrated(struct hv_vcpu *vcpu)
{
	if (hv_pvclock_on(vcpu) && !READ_ONCE(vcpu->vm->x86.clock.master))
		hv_req_set(vcpu, HV_REQ_CLOCK);
}

/* ---- MSRs ---- */

int hv_get_system_time(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	*val = vcpu->x86.pv.system_time;
	return 0;
}

int hv_set_system_time(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	vcpu->x86.pv.system_time = val;
	if (hv_pvclock_on(vcpu)) {
		hv_clock_reconsider(vcpu->vm);
		hv_req_set(vcpu, HV_REQ_CLOCK);
	}
	return 0;
}

int hv_get_wall_clock(struct hv_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	*val = READ_ONCE(vcpu->vm->x86.clock.wall_clock);
	return 0;
}

/* The wall clock's time when the VM's clock was 0, once for each write of the MSR. */
int hv_set_wall_clock(struct hv_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct hv_clock *clock = &vcpu->vm->x86.clock;
	struct pvclock_wall_clock wall = {};
	struct hv_vm *vm = vcpu->vm;
	struct host_clock_sample s;
	u32 version, nsec;
	u64 zero;
	int idx;

	if (!hv_pv_msr_allowed(vcpu, index, host))
		return 1;
	WRITE_ONCE(clock->wall_clock, val);
	if (!val)
		return 0;
	spin_lock(&clock->lock);
	hv_clock_sample(&s);
	zero = s.real_ns - hv_clock_read(clock, &s);
	spin_unlock(&clock->lock);
	wall.sec = div_u64_rem(zero, NSEC_PER_SEC, &nsec);
	wall.nsec = nsec;

	idx = srcu_read_lock(&vm->srcu);
	if (hv_guest_read(vm, val, &version, sizeof(version)))
		goto out;
	wall.version = (version + 1) | 1;
	if (hv_guest_write(vm, val, &wall.version, sizeof(wall.version)))
		goto out;
	smp_wmb(); /* the odd version before the rest */
	hv_guest_write(vm, val, &wall, sizeof(wall));
	smp_wmb(); /* the rest before the even version */
	wall.version++;
	hv_guest_write(vm, val, &wall.version, sizeof(wall.version));
out:
	srcu_read_unlock(&vm->srcu, idx);
	return 0;
}

/* KVM_HC_CLOCK_PAIRING: address, kind. The host's wall clock and the guest's TSC then */
long hv_hc_clock_pairing(struct hv_vcpu *vcpu, const u64 *arg)
{
	struct kvm_clock_pairing pair = {};
	struct host_clock_sample s;
	u32 nsec;

	if (arg[1] != KVM_CLOCK_PAIRING_WALLCLOCK || !host_clock_sample(&s))
		return -KVM_EOPNOTSUPP;
	pair.sec = div_u64_rem(s.real_ns, NSEC_PER_SEC, &nsec);
	pair.nsec = nsec;
	pair.tsc = hv_guest_tsc(vcpu, s.tsc);
	if (hv_guest_write(vcpu->vm, arg[0], &pair, sizeof(pair)))
		return -KVM_EFAULT;
	return 0;
}

void hv_pvclock_reset(struct hv_vcpu *vcpu)
{
	vcpu->x86.pv.system_time = 0;
	vcpu->x86.pv.clock_stopped = false;
}

/* ---- calls ---- */

long hv_kvmclock_ctrl(struct hv_vcpu *vcpu, void *data, unsigned long arg)
{
	if (!hv_pvclock_on(vcpu))
		return -EINVAL;
	vcpu->x86.pv.clock_stopped = true;
	hv_req_set(vcpu, HV_REQ_CLOCK);
	return 0;
}

/* HV_GET_CLOCK */
long hv_get_clock(struct hv_vm *vm, void *data, unsigned long arg)
{
	struct hv_clock *clock = &vm->x86.clock;
	struct hv_clock_data *out = data;
	struct host_clock_sample s;

	memset(out, 0, sizeof(*out));
	spin_lock(&clock->lock);
	if (hv_clock_sample(&s)) {
		out->realtime = s.real_ns;
		out->host_tsc = s.tsc;
		out->flags = HV_CLOCK_REALTIME | HV_CLOCK_HOST_TSC;
	}
	out->clock = hv_clock_read(clock, &s);
	if (clock->master)
		out->flags |= HV_CLOCK_TSC_STABLE;
	spin_unlock(&clock->lock);
	return 0;
}

/* HV_SET_CLOCK: the only way in which the clock goes backwards */
long hv_set_clock(struct hv_vm *vm, void *data, unsigned long arg)
{
	const struct hv_clock_data *in = data;
	struct hv_clock *clock = &vm->x86.clock;
	struct host_clock_sample s;
	struct hv_vcpu *vcpu;
	u64 ns = in->clock;
	unsigned int i;

	if (in->flags & ~(HV_CLOCK_TSC_STABLE | HV_CLOCK_REALTIME | HV_CLOCK_HOST_TSC))
		return -EINVAL;
	spin_lock(&clock->lock);
	/* They wait for the lock before they look at the clock again. */
	hv_vm_request_all(vm, HV_REQ_CLOCK);
	clock->master = hv_clock_sample(&s) && hv_tscs_agree(vm);
	/* Time has passed since it was saved, but never backwards. */
	if ((in->flags & HV_CLOCK_REALTIME) && s.real_ns > in->realtime)
		ns += s.real_ns - in->realtime;
	hv_clock_start(vm, &s, ns);
	hv_for_each_vcpu(i, vcpu, vm)
		vcpu->x86.pv.clock_last.tsc = 0;
	spin_unlock(&clock->lock);
	hv_clock_wake_all(vm);
	return 0;
}

/* ---- the host's clock ---- */

/* The host has another clocksource. Interrupt context. */
static void hv_host_clock_changed(void)
{
	struct hv_clock *clock;
	struct hv_vcpu *vcpu;
	unsigned long flags;
	struct hv_vm *vm;
	unsigned int i;

	spin_lock_irqsave(&clocks_lock, flags);
	list_for_each_entry(clock, &clocks, link) {
		vm = container_of(clock, struct hv_vm, x86.clock);
		hv_for_each_vcpu(i, vcpu, vm)
			hv_vcpu_request(vcpu, HV_REQ_MASTER_CLOCK);
	}
	spin_unlock_irqrestore(&clocks_lock, flags);
}

/**
 * hv_clock_suspend() - the host is about to be suspended
 *
 * The TSC may begin anew: from here on the clocks follow the host's, which counts the time in
 * suspend. Guests are told that they were paused.
 *
 * Context: one CPU, interrupts off, tasks frozen: no vCPU runs and nobody has a lock.
 */
void hv_clock_suspend(void)
{
	struct host_clock_sample s;
	struct hv_clock *clock;
	struct hv_vcpu *vcpu;
	struct hv_vm *vm;
	unsigned int i;

	hv_clock_sample(&s);
	suspend_tsc = rdtsc_ordered();
	list_for_each_entry(clock, &clocks, link) {
		vm = container_of(clock, struct hv_vm, x86.clock);
		hv_clock_start(vm, &s, hv_clock_latest(vm, &s));
		clock->master = false;
		hv_for_each_vcpu(i, vcpu, vm) {
			vcpu->x86.pv.clock_last.tsc = 0;
			vcpu->x86.pv.clock_stopped = true;
		}
	}
}

/**
 * hv_clock_resume() - the host is back: no guest's TSC goes backwards
 *
 * Context: as hv_clock_suspend().
 */
void hv_clock_resume(void)
{
	u64 now = rdtsc_ordered();
	struct hv_clock *clock;
	struct hv_vcpu *vcpu;
	struct hv_vm *vm;
	unsigned int i;
	u64 lost;

	lost = now < suspend_tsc ? suspend_tsc - now : 0;
	list_for_each_entry(clock, &clocks, link) {
		vm = container_of(clock, struct hv_vm, x86.clock);
		vm->x86.tsc_offset += lost;
		hv_for_each_vcpu(i, vcpu, vm) {
			vcpu->x86.tsc_offset += lost;
			hv_vcpu_request(vcpu, HV_REQ_TSC);
			hv_vcpu_request(vcpu, HV_REQ_CLOCK);
			hv_vcpu_request(vcpu, HV_REQ_MASTER_CLOCK);
		}
	}
}

/* ---- life ---- */

void hv_clock_vm_init(struct hv_vm *vm)
{
	struct hv_clock *clock = &vm->x86.clock;
	struct host_clock_sample s;

	spin_lock_init(&clock->lock);
	clock->master = hv_clock_sample(&s);
	hv_clock_start(vm, &s, 0);
	spin_lock_irq(&clocks_lock);
	list_add(&clock->link, &clocks);
	spin_unlock_irq(&clocks_lock);
}

/**
 * hv_clock_vm_leave() - changes of the host's clock concern this VM no more
 * @vm: VM whose vCPUs are about to be freed; may be called again
 */
void hv_clock_vm_leave(struct hv_vm *vm)
{
	spin_lock_irq(&clocks_lock);
	list_del_init(&vm->x86.clock.link);
	spin_unlock_irq(&clocks_lock);
}

int hv_clock_init(void)
{
	hv_clock_init_rate(tsc_khz);
	return host_clock_init(hv_host_clock_changed);
}

void hv_clock_exit(void)
{
	host_clock_exit();
}
