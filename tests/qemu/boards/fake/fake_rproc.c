// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Remote processors that are memory alone, for what no vendor's driver can be made to do: it refuses, takes its time and
 * hangs as files in debugfs say. They have the names and meanings of the simulated board's (tests/board/README.md), in
 * fake-rproc/N/, with numbers for errnos.
 *
 *	insmod fake_rproc.ko names=m4,other
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/elf.h>
#include <linux/firmware.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/remoteproc.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#define MOST 8

static char *names[MOST];
static int count;
module_param_array(names, charp, &count, 0444);
MODULE_PARM_DESC(names, "what sysfs calls the processors");

/* Exported by the core, declared in a header of its own alone (drivers/remoteproc/remoteproc_internal.h). */
int rproc_elf_load_segments(struct rproc *rproc, const struct firmware *fw);
int rproc_elf_load_rsc_table(struct rproc *rproc, const struct firmware *fw);
struct resource_table *rproc_elf_find_loaded_rsc_table(struct rproc *rproc, const struct firmware *fw);
int rproc_elf_sanity_check(struct rproc *rproc, const struct firmware *fw);
u64 rproc_elf_get_boot_addr(struct rproc *rproc, const struct firmware *fw);

/* Where an STM32MP15's Cortex-M4 has memory. */
static const struct window {
	u64 address;
	size_t size;
} windows[] = {
	{ 0x00000000, SZ_64K },
	{ 0x10000000, 384 * SZ_1K },
	{ 0x30000000, 384 * SZ_1K },
};

/* What an operation is to do, beside nothing. */
struct fault {
	u32 error;
	u32 delay_ms;
	bool hangs;
};

struct fake {
	struct fault start, stop;
	u32 recovery_delay_ms;
	bool recovers;
	/* Whatever firmware it is: here it is a switch. */
	bool crashes;
	void *memory[ARRAY_SIZE(windows)];
	struct dentry *files;
};

static DECLARE_WAIT_QUEUE_HEAD(changed);

static int suffer(struct fault *fault)
{
	if (fault->delay_ms)
		msleep(fault->delay_ms);
	/* Nobody can be killed out of a driver: tell it to go on. Looks again by itself: debugfs tells nobody of a write. */
	while (READ_ONCE(fault->hangs))
		wait_event_timeout(changed, !READ_ONCE(fault->hangs), HZ / 20);
	return -(int)READ_ONCE(fault->error);
}

static int fake_start(struct rproc *rproc)
{
	struct fake *fake = rproc->priv;
	int error;

	if (fake->recovers) {
		fake->recovers = false;
		msleep(fake->recovery_delay_ms / 2);
	}
	error = suffer(&fake->start);
	/* Handled once the core lets go of its lock. */
	if (!error && READ_ONCE(fake->crashes))
		rproc_report_crash(rproc, RPROC_WATCHDOG);
	return error;
}

static int fake_stop(struct rproc *rproc)
{
	struct fake *fake = rproc->priv;

	if (rproc->state == RPROC_CRASHED) {
		fake->recovers = true;
		msleep(fake->recovery_delay_ms / 2);
	}
	return suffer(&fake->stop);
}

static int fake_attach(struct rproc *rproc)
{
	struct fake *fake = rproc->priv;

	return suffer(&fake->start);
}

static int fake_detach(struct rproc *rproc)
{
	struct fake *fake = rproc->priv;

	return suffer(&fake->stop);
}

static void fake_kick(struct rproc *rproc, int queue)
{
}

static void *fake_da_to_va(struct rproc *rproc, u64 address, size_t len, bool *is_iomem)
{
	struct fake *fake = rproc->priv;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		u64 offset = address - windows[i].address;

		if (address >= windows[i].address && offset < windows[i].size && len <= windows[i].size - offset)
			return fake->memory[i] + offset;
	}
	return NULL;
}

/* Firmware without a resource table will do. */
static int fake_parse_fw(struct rproc *rproc, const struct firmware *fw)
{
	int error = rproc_elf_load_rsc_table(rproc, fw);

	return error == -EINVAL ? 0 : error;
}

static int fake_prepare(struct rproc *rproc)
{
	return rproc_coredump_add_segment(rproc, windows[1].address, windows[1].size);
}

static const struct rproc_ops fake_ops = {
	.prepare = fake_prepare,
	.start = fake_start,
	.stop = fake_stop,
	.attach = fake_attach,
	.detach = fake_detach,
	.kick = fake_kick,
	.da_to_va = fake_da_to_va,
	.load = rproc_elf_load_segments,
	.parse_fw = fake_parse_fw,
	.find_loaded_rsc_table = rproc_elf_find_loaded_rsc_table,
	.sanity_check = rproc_elf_sanity_check,
	.get_boot_addr = rproc_elf_get_boot_addr,
};

/* The state it is in, by the number of enum rproc_state, as if something else had brought it there. */
static int state_set(void *data, u64 value)
{
	struct rproc *rproc = data;

	mutex_lock(&rproc->lock);
	rproc->state = value;
	atomic_set(&rproc->power, value == RPROC_RUNNING || value == RPROC_ATTACHED);
	mutex_unlock(&rproc->lock);
	return 0;
}

static int state_get(void *data, u64 *value)
{
	struct rproc *rproc = data;

	*value = rproc->state;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(state_file, state_get, state_set, "%llu\n");

static void make_files(struct rproc *rproc, int number)
{
	struct fake *fake = rproc->priv;
	char name[4];

	snprintf(name, sizeof(name), "%d", number);
	fake->files = debugfs_create_dir(name, debugfs_lookup("fake-rproc", NULL));
	debugfs_create_u32("start-error", 0600, fake->files, &fake->start.error);
	debugfs_create_u32("start-delay-ms", 0600, fake->files, &fake->start.delay_ms);
	debugfs_create_bool("start-hangs", 0600, fake->files, &fake->start.hangs);
	debugfs_create_u32("stop-error", 0600, fake->files, &fake->stop.error);
	debugfs_create_u32("stop-delay-ms", 0600, fake->files, &fake->stop.delay_ms);
	debugfs_create_bool("stop-hangs", 0600, fake->files, &fake->stop.hangs);
	debugfs_create_bool("crashes", 0600, fake->files, &fake->crashes);
	debugfs_create_u32("recovery-delay-ms", 0600, fake->files, &fake->recovery_delay_ms);
	debugfs_create_atomic_t("refcount", 0400, fake->files, &rproc->power);
	debugfs_create_file("state", 0600, fake->files, rproc, &state_file);
}

static void free_memory(struct fake *fake)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(windows); i++)
		vfree(fake->memory[i]);
}

static int fake_probe(struct platform_device *device)
{
	struct rproc *rproc;
	struct fake *fake;
	int error = -ENOMEM;
	size_t i;

	rproc = rproc_alloc(&device->dev, names[device->id], &fake_ops, NULL, sizeof(*fake));
	if (!rproc)
		return -ENOMEM;
	rproc->auto_boot = false;
	rproc_coredump_set_elf_info(rproc, ELFCLASS32, EM_ARM);
	fake = rproc->priv;
	fake->recovery_delay_ms = 1;
	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		fake->memory[i] = vzalloc(windows[i].size);
		if (!fake->memory[i])
			goto failed;
	}
	error = rproc_add(rproc);
	if (error)
		goto failed;
	make_files(rproc, device->id);
	platform_set_drvdata(device, rproc);
	return 0;

failed:
	free_memory(fake);
	rproc_free(rproc);
	return error;
}

static int fake_remove(struct platform_device *device)
{
	struct rproc *rproc = platform_get_drvdata(device);
	struct fake *fake = rproc->priv;

	rproc_del(rproc);
	debugfs_remove(fake->files);
	free_memory(fake);
	rproc_free(rproc);
	return 0;
}

static struct platform_driver fake_driver = {
	.probe = fake_probe,
	.remove = fake_remove,
	.driver = { .name = "fake-rproc" },
};

static struct platform_device *devices[MOST];

static void fake_exit(void)
{
	int i;

	for (i = 0; i < count; i++)
		if (!IS_ERR_OR_NULL(devices[i]))
			platform_device_unregister(devices[i]);
	platform_driver_unregister(&fake_driver);
	debugfs_lookup_and_remove("fake-rproc", NULL);
}

static int __init fake_init(void)
{
	int i, error;

	debugfs_create_dir("fake-rproc", NULL);
	error = platform_driver_register(&fake_driver);
	for (i = 0; !error && i < count; i++) {
		devices[i] = platform_device_register_simple("fake-rproc", i, NULL, 0);
		error = PTR_ERR_OR_ZERO(devices[i]);
	}
	if (error)
		fake_exit();
	return error;
}

module_init(fake_init);
module_exit(fake_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Remote processors that exist in memory alone, for tests");
