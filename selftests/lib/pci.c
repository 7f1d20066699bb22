// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions of the host: finding, binding, their files and registers.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include "file.h"
#include "pci.h"

#define DEVICES	"/sys/bus/pci/devices"

static long read_number(const bdf_t bdf, const char *name)
{
	char path[PATH_MAX], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return strtol(text, NULL, 0);
}

static void write_file(const char *path, const char *value)
{
	if (!file_write(path, value))
		die("%s < %s: %s", path, value, strerror(errno));
}

static bool has(const bdf_t bdf, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	return !access(path, F_OK);
}

/**
 * pci_find() - find a function behind an IOMMU
 * @vendor: vendor id
 * @device: device id
 * @resettable: one that the kernel can reset, else one that it can't
 * @bdf: filled in
 *
 * Return: false: there is none.
 */
bool pci_find(uint16_t vendor, uint16_t device, bool resettable, bdf_t bdf)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		if (strlen(entry->d_name) >= sizeof(bdf_t) || entry->d_name[0] == '.')
			continue;
		memcpy(bdf, entry->d_name, strlen(entry->d_name) + 1);
		found = read_number(bdf, "vendor") == vendor &&
			read_number(bdf, "device") == device && has(bdf, "iommu_group") &&
			has(bdf, "reset_method") == resettable;
	}
	if (dir)
		closedir(dir);
	return found;
}

/**
 * pci_find_nth() - find a function, also one without IOMMU
 * @vendor: vendor id
 * @device: device id
 * @n: which one, from 0, in the order of their addresses
 * @bdf: filled in
 *
 * Return: false: there is none.
 */
bool pci_find_nth(uint16_t vendor, uint16_t device, unsigned int n, bdf_t bdf)
{
	struct dirent **entry = NULL;
	int i, nr = scandir(DEVICES, &entry, NULL, alphasort);
	bool found = false;

	for (i = 0; i < nr; i++) {
		const char *name = entry[i]->d_name;

		if (!found && name[0] != '.' && strlen(name) < sizeof(bdf_t) &&
		    read_number(name, "vendor") == vendor &&
		    read_number(name, "device") == device && !n--) {
			memcpy(bdf, name, strlen(name) + 1);
			found = true;
		}
		free(entry[i]);
	}
	free(entry);
	return found;
}

/**
 * pci_find_rng() - find a virtio-rng below a port, where its errors are reported
 * @bdf: filled in
 *
 * Return: false: there is none.
 */
bool pci_find_rng(bdf_t bdf)
{
	unsigned int n;

	for (n = 0; pci_find_nth(0x1af4, 0x1044, n, bdf); n++)
		if (strncmp(bdf, "0000:00:", 8))
			return true;
	return false;
}

/**
 * pci_attribute() - write a file that a function has in sysfs
 * @bdf: function
 * @name: name of the file
 * @value: what to write
 */
void pci_attribute(const bdf_t bdf, const char *name, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	write_file(path, value);
}

/**
 * pci_present() - is the function there
 * @bdf: function
 */
bool pci_present(const bdf_t bdf)
{
	return has(bdf, "vendor");
}

/**
 * pci_rescan() - find what was removed again
 */
void pci_rescan(void)
{
	write_file("/sys/bus/pci/rescan", "1");
}

/**
 * pci_bind_to() - bind a function to a driver that takes what is put under it
 * @bdf: function
 * @driver: hv-pci or vfio-pci
 */
void pci_bind_to(const bdf_t bdf, const char *driver)
{
	if (has(bdf, "driver"))
		pci_unbind(bdf);
	pci_attribute(bdf, "driver_override", driver);
	write_file("/sys/bus/pci/drivers_probe", bdf);
	if (!has(bdf, "driver"))
		die("%s: %s does not take it", bdf, driver);
}

/**
 * pci_bind() - bind a function to hv-pci
 * @bdf: function
 */
void pci_bind(const bdf_t bdf)
{
	pci_bind_to(bdf, "hv-pci");
}

/**
 * pci_unbind() - unbind a function from whatever driver it has
 * @bdf: function
 */
void pci_unbind(const bdf_t bdf)
{
	pci_attribute(bdf, "driver/unbind", bdf);
}

/**
 * pci_probe() - let the host's drivers have a function that has none
 * @bdf: function
 */
void pci_probe(const bdf_t bdf)
{
	write_file("/sys/bus/pci/drivers_probe", bdf);
}

/**
 * pci_driver_is() - which driver has a function
 * @bdf: function
 * @name: driver; NULL: none
 */
bool pci_driver_is(const bdf_t bdf, const char *name)
{
	char path[PATH_MAX], to[PATH_MAX] = "";

	snprintf(path, sizeof(path), DEVICES "/%s/driver", bdf);
	if (readlink(path, to, sizeof(to) - 1) < 0)
		return !name;
	return name && !strcmp(strrchr(to, '/') + 1, name);
}

/**
 * pci_open() - open the device file of a bound function
 * @bdf: function
 *
 * Return: fd, or -errno.
 */
long pci_open(const bdf_t bdf)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/dev/hv-pci/%s", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/**
 * region_offset() - where a region begins in the device's file
 * @region: its number
 */
uint64_t region_offset(unsigned int region)
{
	return (uint64_t)region << HV_PCI_REGION_SHIFT;
}

/**
 * region_read() - read from a region
 * @fd: device
 * @region: number of the region
 * @pos: offset in it
 * @data: where to
 * @len: how much
 *
 * Return: number of bytes, or -errno.
 */
long region_read(int fd, unsigned int region, uint64_t pos, void *data, size_t len)
{
	ssize_t n = pread(fd, data, len, region_offset(region) + pos);

	return n < 0 ? -errno : n;
}

/**
 * region_write() - write to a region
 * @fd: device
 * @region: number of the region
 * @pos: offset in it
 * @data: what
 * @len: how much
 *
 * Return: number of bytes, or -errno.
 */
long region_write(int fd, unsigned int region, uint64_t pos, const void *data, size_t len)
{
	ssize_t n = pwrite(fd, data, len, region_offset(region) + pos);

	return n < 0 ? -errno : n;
}

/**
 * config_read() - read configuration space as a guest sees it
 * @fd: device
 * @pos: register
 * @len: 1, 2 or 4 bytes
 */
uint32_t config_read(int fd, unsigned int pos, unsigned int len)
{
	uint32_t value = 0;

	must(region_read(fd, HV_PCI_REGION_CONFIG, pos, &value, len));
	return value;
}

/**
 * config_write() - write configuration space as a guest does
 * @fd: device
 * @pos: register
 * @value: value
 * @len: 1, 2 or 4 bytes
 */
void config_write(int fd, unsigned int pos, uint32_t value, unsigned int len)
{
	must(region_write(fd, HV_PCI_REGION_CONFIG, pos, &value, len));
}

/**
 * hardware_config() - read the hardware's configuration space
 * @bdf: function
 * @pos: register
 * @len: 1, 2 or 4 bytes
 */
uint32_t hardware_config(const bdf_t bdf, unsigned int pos, unsigned int len)
{
	char path[PATH_MAX];
	uint32_t value = 0;
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &value, len, pos) != len)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return value;
}

/**
 * config_cap() - find a capability as a guest does
 * @fd: device
 * @id: PCI_CAP_ID_*
 *
 * Return: its offset, 0: there is none.
 */
unsigned int config_cap(int fd, uint8_t id)
{
	unsigned int pos, n = 0;

	if (!(config_read(fd, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return 0;
	for (pos = config_read(fd, PCI_CAPABILITY_LIST, 1); pos && n < 48; n++) {
		if (config_read(fd, pos, 1) == id)
			return pos;
		pos = config_read(fd, pos + PCI_CAP_LIST_NEXT, 1);
	}
	return 0;
}

/**
 * bar_map() - map a BAR from its beginning
 * @fd: device
 * @bar: its number
 * @size: how much
 */
void *bar_map(int fd, unsigned int bar, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, region_offset(bar));

	if (map == MAP_FAILED)
		die("BAR %u: %s", bar, strerror(errno));
	return map;
}
