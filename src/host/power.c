// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU hotplug, suspend, reboot and crash of the host.
 *
 * What a module can't do, and what that means:
 *
 * - The kernel's hook for a crash (kdump, emergency reboot) exists once, and KVM's vendor
 *   module takes it when it is loaded. A second registration is a warning in the log and is
 *   refused without an error. So hv takes it only while a VM of hv exists and neither
 *   kvm_intel nor kvm_amd is loaded, and gives it up when one of them arrives. While KVM
 *   has the hook, its handler leaves VMX operation whenever CR4.VMXE is set, also when hv
 *   has set it; what is lost then is the flush of hv's loaded VMCSs to memory, which
 *   matters only to who reads a guest's VMCS in the dump.
 * - Without the hook in the kernel at all, a crash kernel may start on a CPU in VMX operation.
 *   INIT is blocked there, so only the crashing CPU comes up, as crash kernels do by default.
 * - The callback for a CPU that goes down runs before the last tasks have left that CPU;
 *   src/core/cpus.c copes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <linux/syscore_ops.h>
#include <asm/reboot.h>
#include <hv/host.h>

static const struct host_power_ops *power;
static enum cpuhp_state hotplug_state;

/* ---- suspend ---- */

#ifdef HOST_HAVE_SYSCORE
static int power_suspend(void *data)
{
	power->suspend();
	return 0;
}

static void power_resume(void *data)
{
	power->resume();
}

static const struct syscore_ops power_syscore_ops = {
	.suspend = power_suspend,
	.resume = power_resume,
};

static struct syscore power_syscore = {
	.ops = &power_syscore_ops,
};

static void suspend_register(void)
{
	register_syscore(&power_syscore);
}

static void suspend_unregister(void)
{
	unregister_syscore(&power_syscore);
}
#else
static int power_suspend(void)
{
	power->suspend();
	return 0;
}

static void power_resume(void)
{
	power->resume();
}

static struct syscore_ops power_syscore = {
	.suspend = power_suspend,
	.resume = power_resume,
};

static void suspend_register(void)
{
	register_syscore_ops(&power_syscore);
}

static void suspend_unregister(void)
{
	unregister_syscore_ops(&power_syscore);
}
#endif

/* ---- reboot and kexec ---- */

static int power_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	power->shutdown();
	return NOTIFY_OK;
}

static struct notifier_block reboot_notifier = {
	.notifier_call = power_reboot,
};

/* ---- crash ---- */

#ifdef HOST_HAVE_EMERGENCY_CALLBACK
/**
 * struct crash_hook - who has the kernel's only slot
 * @lock: guards the rest
 * @wanted: a VM exists
 * @taken: the slot is ours
 * @kvm: kvm_intel and kvm_amd are loaded or being loaded
 */
struct crash_hook {
	struct mutex lock;		/* guards the rest */
	bool wanted;
	bool taken;
	bool kvm[2];
};

static struct crash_hook crash_hook = {
	.lock = __MUTEX_INITIALIZER(crash_hook.lock),
};

static const char * const kvm_modules[] = { "kvm_intel", "kvm_amd" };

static void power_crash(void)
{
	power->crash();
}

static void crash_hook_update(void)
{
	bool take = crash_hook.wanted && !crash_hook.kvm[0] && !crash_hook.kvm[1];

	lockdep_assert_held(&crash_hook.lock);
	if (take == crash_hook.taken)
		return;
	if (take)
		cpu_emergency_register_virt_callback(power_crash);
	else
		cpu_emergency_unregister_virt_callback(power_crash);
	crash_hook.taken = take;
}

static int power_module(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *mod = data;
	unsigned int i;

	if (action != MODULE_STATE_COMING && action != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	for (i = 0; i < ARRAY_SIZE(kvm_modules); i++) {
		if (strcmp(mod->name, kvm_modules[i]))
			continue;
		mutex_lock(&crash_hook.lock);
		crash_hook.kvm[i] = action == MODULE_STATE_COMING;
		crash_hook_update();
		mutex_unlock(&crash_hook.lock);
	}
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = {
	.notifier_call = power_module,
};

static int crash_init(void)
{
	unsigned int i;
	int rc;

	rc = register_module_notifier(&module_notifier);
	if (rc)
		return rc;
	mutex_lock(&crash_hook.lock);
	for (i = 0; i < ARRAY_SIZE(kvm_modules); i++)
		if (host_kvm_loaded(kvm_modules[i]))
			crash_hook.kvm[i] = true;
	mutex_unlock(&crash_hook.lock);
	return 0;
}

static void crash_exit(void)
{
	unregister_module_notifier(&module_notifier);
}

/**
 * host_crash_register() - have ops->crash called on each CPU when the host crashes
 *
 * As far as the kernel lets a module, see the top of this file; hv works without.
 *
 * Context: process context, sleeps.
 */
void host_crash_register(void)
{
	mutex_lock(&crash_hook.lock);
	crash_hook.wanted = true;
	crash_hook_update();
	mutex_unlock(&crash_hook.lock);
}

/**
 * host_crash_unregister() - undo host_crash_register()
 *
 * Context: process context, sleeps. When it returns the callback does not run.
 */
void host_crash_unregister(void)
{
	mutex_lock(&crash_hook.lock);
	crash_hook.wanted = false;
	crash_hook_update();
	mutex_unlock(&crash_hook.lock);
}
#else
static int crash_init(void)
{
	return 0;
}

static void crash_exit(void)
{
}

void host_crash_register(void)
{
}

void host_crash_unregister(void)
{
}
#endif

/**
 * host_power_register() - be told of CPUs that come and go, suspend, reboot
 * @ops: callbacks, all of them; called until host_power_unregister()
 *
 * @ops->cpu_online is called on every online CPU before this returns.
 *
 * Context: process context, sleeps.
 * Return: 0 or -errno.
 */
int host_power_register(const struct host_power_ops *ops)
{
	int rc;

	power = ops;
	rc = crash_init();
	if (rc)
		return rc;
	rc = register_reboot_notifier(&reboot_notifier);
	if (rc)
		goto err_crash;
	rc = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "virt/hv:online",
			       ops->cpu_online, ops->cpu_offline);
	if (rc < 0)
		goto err_reboot;
	hotplug_state = rc;
	suspend_register();
	return 0;

err_reboot:
	unregister_reboot_notifier(&reboot_notifier);
err_crash:
	crash_exit();
	return rc;
}

/**
 * host_power_unregister() - undo host_power_register()
 *
 * @ops->cpu_offline is called on every online CPU.
 *
 * Context: process context, sleeps.
 */
void host_power_unregister(void)
{
	suspend_unregister();
	cpuhp_remove_state(hotplug_state);
	unregister_reboot_notifier(&reboot_notifier);
	crash_exit();
}
