/* SPDX-License-Identifier: MIT */
/*
 * exe.c - an executable as the kernel knows it: by device and inode.
 *
 * The device is that of the file system.  stat() does not always report it (on
 * btrfs it reports a separate device for each subvolume); the table of mounts does.
 */
#define _GNU_SOURCE /* statx() */
#include "system/exe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

/* Packed like in the kernel. */
static uint64_t kernel_device(uint64_t major, uint64_t minor)
{
	return major << 20 | minor;
}

/* A line of /proc/self/mountinfo starts with "ID PARENT MAJOR:MINOR ". */
static bool find_mount(uint64_t id, uint64_t *device)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	unsigned long long number;
	unsigned int major, minor;
	bool found = false;
	char *line = NULL;
	size_t capacity = 0;

	while (file && !found && getline(&line, &capacity, file) > 0)
		if (sscanf(line, "%llu %*u %u:%u", &number, &major, &minor) == 3 && number == id) {
			*device = kernel_device(major, minor);
			found = true;
		}
	free(line);
	if (file)
		fclose(file);
	return found;
}

int tg_exe_find(const char *item, const char *path, struct tg_key128 *key)
{
	struct statx status;
	uint64_t device;

	if (*path != '/')
		return tg_fail(-EINVAL,
			       "\"%s\": write the whole path of the program, such as /usr/bin/curl",
			       item);
	if (statx(AT_FDCWD, path, 0, STATX_TYPE | STATX_MODE | STATX_INO | STATX_MNT_ID, &status))
		return tg_fail(-errno, "\"%s\": no program is found there: %s", item,
			       strerror(errno));
	if (!S_ISREG(status.stx_mode) || !(status.stx_mode & 0111))
		return tg_fail(-EINVAL, "\"%s\": is not a program: it cannot be executed", item);
	if (!(status.stx_mask & STATX_MNT_ID) || !find_mount(status.stx_mnt_id, &device))
		device = kernel_device(status.stx_dev_major, status.stx_dev_minor);
	*key = (struct tg_key128){device, status.stx_ino};
	return 0;
}
