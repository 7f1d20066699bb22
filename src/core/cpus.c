// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which CPUs have the virtualization extension switched on, and when.
 *
 * It is on, on every online CPU, while a VM exists. A CPU that comes or goes,
 * a suspend, a reboot and a crash are told by the host layer.
 *
 * A CPU that goes down is a special case: a module's hotplug callback runs
 * before the last tasks have left the CPU, so a vCPU's thread may still be
 * scheduled there for a moment. Such a CPU is "leaving": the extension is
 * switched on when a vCPU is loaded there and off again when it is unloaded,
 * so that it is off whenever nobody needs it, and at the latest when the CPU
 * dies.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <hv/backend.h>
#include <hv/host.h>

/**
 * struct hv_cpu_state - the extension on one CPU; written on that CPU, interrupts off
 * @on: it is switched on
 * @leaving: the CPU goes down, @on only while a vCPU is loaded
 */
struct hv_cpu_state {
	bool on;
	bool leaving;
};

static DEFINE_PER_CPU(struct hv_cpu_state, cpu_state);

/*
 * Number of VMs. Written under cpus_mutex inside cpus_read_lock(): hotplug
 * callbacks, which run with that lock held for writing, read it without more.
 */
static unsigned int nr_users;
static DEFINE_MUTEX(cpus_mutex);

/* Set once by a shutdown of the host, before the CPUs are switched off */
static bool stopped;

/* Interrupts off; with @stopped set it stays off: shutdown's IPI comes after the flag. */
static int cpu_on(void)
{
	int rc;

	lockdep_assert_irqs_disabled();
	if (this_cpu_read(cpu_state.on))
		return 0;
	if (READ_ONCE(stopped))
		return -ESHUTDOWN;
	rc = hv_backend->cpu_enable();
	if (!rc)
		this_cpu_write(cpu_state.on, true);
	return rc;
}

/* Interrupts off, any context */
static void cpu_off(void)
{
	if (!this_cpu_read(cpu_state.on))
		return;
	/* First: from here on no vCPU is loaded or entered on this CPU. */
	this_cpu_write(cpu_state.on, false);
	hv_backend->cpu_disable();
}

/**
 * struct cpu_on_result - of switching all CPUs on
 * @failed: CPUs that could not
 * @error: errno of one of them
 */
struct cpu_on_result {
	atomic_t failed;
	int error;
};

static void cpu_on_ipi(void *data)
{
	struct cpu_on_result *result = data;
	int rc = cpu_on();

	if (!rc)
		return;
	atomic_inc(&result->failed);
	WRITE_ONCE(result->error, rc);
}

static void cpu_off_ipi(void *unused)
{
	cpu_off();
}

static void all_off(void)
{
	on_each_cpu(cpu_off_ipi, NULL, 1);
	host_crash_unregister();
}

/* All CPUs or none. Caller holds cpus_read_lock(), so that the set does not change. */
static int all_on(void)
{
	struct cpu_on_result result = { ATOMIC_INIT(0), 0 };

	/* Before the first CPU is switched on, so that a crash finds it */
	host_crash_register();
	on_each_cpu(cpu_on_ipi, &result, 1);
	if (!result.error)
		return 0;
	all_off();
	if (result.error == -EBUSY)
		pr_warn_ratelimited("no VM: another hypervisor uses virtualization on %d CPUs%s\n",
				    atomic_read(&result.failed), host_kvm_loaded("kvm") ?
				    "; unload KVM or load it with kvm.enable_virt_at_load=0" : "");
	else
		pr_warn_ratelimited("no VM: can't switch virtualization on: error %d on %d CPUs\n",
				    result.error, atomic_read(&result.failed));
	return result.error;
}

/**
 * hv_cpus_get() - a VM is created: switch the extension on if it is the first
 *
 * Context: process context, sleeps; caller holds no lock under which CPU hotplug could wait.
 * Return: 0, or -errno and nothing has changed: -EBUSY: another hypervisor owns a CPU;
 * -ESHUTDOWN: the host shuts down; what @cpu_enable of the backend returns.
 */
int hv_cpus_get(void)
{
	int rc = 0;

	cpus_read_lock();
	mutex_lock(&cpus_mutex);
	if (!nr_users)
		rc = all_on();
	if (!rc)
		nr_users++;
	mutex_unlock(&cpus_mutex);
	cpus_read_unlock();
	return rc;
}

/**
 * hv_cpus_put() - a VM is gone: switch the extension off after the last
 *
 * Context: as hv_cpus_get().
 */
void hv_cpus_put(void)
{
	cpus_read_lock();
	mutex_lock(&cpus_mutex);
	if (!--nr_users)
		all_off();
	mutex_unlock(&cpus_mutex);
	cpus_read_unlock();
}

/**
 * hv_cpu_enabled() - is the extension on, on this CPU?
 *
 * Context: preemption off. With interrupts off the answer stays true.
 */
bool hv_cpu_enabled(void)
{
	return this_cpu_read(cpu_state.on);
}

/**
 * hv_cpu_enter() - a vCPU is about to be loaded on this CPU
 *
 * Switches the extension on for a moment if the CPU is leaving.
 *
 * Context: preemption off.
 * Return: true if the extension is on. False: the host shuts down, or another hypervisor
 * has taken a CPU that was leaving.
 */
bool hv_cpu_enter(void)
{
	unsigned long flags;
	int rc;

	if (likely(this_cpu_read(cpu_state.on)))
		return true;
	local_irq_save(flags);
	rc = cpu_on();
	local_irq_restore(flags);
	return !rc;
}

/**
 * hv_cpu_leave() - a vCPU has been unloaded from this CPU
 *
 * Context: preemption off.
 */
void hv_cpu_leave(void)
{
	unsigned long flags;

	if (likely(!this_cpu_read(cpu_state.leaving)))
		return;
	local_irq_save(flags);
	cpu_off();
	local_irq_restore(flags);
}

/**
 * hv_cpus_stopped() - does the host shut down?
 *
 * Return: true: the extension is off on every CPU and stays off; vCPUs can't run any more.
 */
bool hv_cpus_stopped(void)
{
	return READ_ONCE(stopped);
}

/* A CPU comes online; on that CPU. An error keeps it offline. */
static int this_cpu_online(unsigned int cpu)
{
	unsigned long flags;
	int rc = 0;

	local_irq_save(flags);
	this_cpu_write(cpu_state.leaving, false);
	if (nr_users && !READ_ONCE(stopped))
		rc = cpu_on();
	local_irq_restore(flags);
	if (rc)
		pr_err("CPU %u: can't switch the virtualization extension on: error %d\n", cpu, rc);
	return rc;
}

static int this_cpu_offline(unsigned int cpu)
{
	unsigned long flags;

	/* No vCPU is loaded: this thread runs instead, and it has none. */
	local_irq_save(flags);
	this_cpu_write(cpu_state.leaving, true);
	cpu_off();
	local_irq_restore(flags);
	return 0;
}

/* The last CPU before a suspend; the others have been taken offline. */
static void cpus_suspend(void)
{
	hv_clock_suspend();
	cpu_off();
}

static void cpus_resume(void)
{
	hv_clock_resume();
	if (nr_users && cpu_on())
		pr_err("can't switch the virtualization extension on after resume\n");
}

/*
 * Takes no lock: whoever holds them may never let go. vCPUs that run at this
 * moment leave the guest for the IPI; what they do with the backend then must be
 * harmless (see @cpu_disable of struct hv_backend).
 */
static void cpus_shutdown(void)
{
	WRITE_ONCE(stopped, true);
	on_each_cpu(cpu_off_ipi, NULL, 1);
}

static const struct host_power_ops power_ops = {
	.cpu_online = this_cpu_online,
	.cpu_offline = this_cpu_offline,
	.suspend = cpus_suspend,
	.resume = cpus_resume,
	.shutdown = cpus_shutdown,
	.crash = cpu_off,
};

/**
 * hv_cpus_init() - module load: begin to follow the CPUs
 *
 * Return: 0 or -errno.
 */
int __init hv_cpus_init(void)
{
	int rc;

	/*
	 * Here and not with the first VM: it patches the scheduler, for which every CPU is
	 * interrupted several times. Without a VM it costs a task switch one look at a pointer.
	 */
	preempt_notifier_inc();
	rc = host_power_register(&power_ops);
	if (rc)
		preempt_notifier_dec();
	return rc;
}

/**
 * hv_cpus_exit() - module unload; no VM exists
 */
void hv_cpus_exit(void)
{
	host_power_unregister();
	preempt_notifier_dec();
}
