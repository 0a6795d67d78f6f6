/* SPDX-License-Identifier: MIT */
/*
 * cgroup_mount.c - where cgroup2 is mounted, and the folder of a cgroup there.
 *
 * Three views have to be brought together.  /proc/PID/cgroup names a cgroup as
 * seen from the root of our cgroup namespace; a line of /proc/self/mountinfo
 * says which cgroup of that view is the root of a mount (perhaps only a
 * subtree), and where it is mounted; version 1 may be mounted beside it.
 */
#include "system/cgroup_mount.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "system/mount_line.h"
#include "tidegate.h"

long tg_file_system(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) ? -errno : (long)fs.f_type;
}

bool tg_is_cgroup2(const char *path)
{
	return tg_file_system(path) == CGROUP2_SUPER_MAGIC;
}

/* The kernel numbers the folders of a hierarchy from its root on. */
#define ROOT_INODE 1

bool tg_cgroup_is_root(const char *path)
{
	struct stat status;

	return tg_is_cgroup2(path) && !stat(path, &status) && status.st_ino == ROOT_INODE;
}

int tg_cgroup_unmounted(void)
{
	bool beside = access("/sys/fs/cgroup/memory", F_OK) == 0 ||
		      access("/sys/fs/cgroup/systemd", F_OK) == 0;
	const char *point = beside ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup";

	return tg_fail(-ENOENT,
		       "cgroup2 is not mounted; mount it with: "
		       "mkdir -p %s && mount -t cgroup2 cgroup2 %s",
		       point, point);
}

/*
 * Put into `path` where a mount shows `cgroup` ("/app", as /proc/PID/cgroup names
 * it).  false: it is outside the mount's root.
 */
static bool place(const struct tg_mount *mount, const char *cgroup, char *path, size_t size)
{
	size_t length = strcmp(mount->root, "/") ? strlen(mount->root) : 0;

	/* "/..": the mount or the process is above our cgroup namespace. */
	if (!strncmp(mount->root, "/..", 3) || !strncmp(cgroup, "/..", 3))
		return false;
	if (strncmp(cgroup, mount->root, length) || (cgroup[length] && cgroup[length] != '/'))
		return false;
	cgroup += length;
	if (!strcmp(cgroup, "/"))
		cgroup = "";
	return snprintf(path, size, "%s%s", mount->point, cgroup) < (int)size;
}

static bool next_mount(struct tg_mounts *mounts, struct tg_mount *mount)
{
	while (tg_mounts_next(mounts, mount))
		if (!strcmp(mount->type, "cgroup2") && tg_is_cgroup2(mount->point))
			return true;
	return false;
}

int tg_path_give(const char *found, char *path, size_t size)
{
	if (strlen(found) >= size)
		return tg_fail(-ENAMETOOLONG, "%s: the path is longer than %zu bytes", found,
			       size - 1);
	memmove(path, found, strlen(found) + 1);
	return 0;
}

int tg_cgroup_root(char *path, size_t size)
{
	struct tg_mounts mounts;
	struct tg_mount mount;
	char found[PATH_MAX] = "";
	bool whole = false;
	int error = TG_REQUIRE(path);

	if (!error)
		error = tg_mounts_open(&mounts);
	if (error)
		return error;
	/* The mount that shows most: a mount of the root, otherwise the first one. */
	while (!whole && next_mount(&mounts, &mount)) {
		whole = !strcmp(mount.root, "/");
		if (whole || !*found)
			strcpy(found, mount.point);
	}
	tg_mounts_close(&mounts);
	return *found ? tg_path_give(found, path, size) : tg_cgroup_unmounted();
}

int tg_cgroup_folder(const char *cgroup, char *path, size_t size)
{
	struct tg_mounts mounts;
	struct tg_mount mount;
	char found[PATH_MAX];
	bool any = false, seen = false;
	int error;

	error = tg_mounts_open(&mounts);
	if (error)
		return error;
	while (!seen && next_mount(&mounts, &mount)) {
		any = true;
		seen = place(&mount, cgroup, found, sizeof(found));
	}
	tg_mounts_close(&mounts);
	if (seen)
		return tg_path_give(found, path, size);
	if (!any)
		return tg_cgroup_unmounted();
	return tg_fail(-ENOENT,
		       "cgroup %s is outside the cgroup2 mounts that are seen from here; "
		       "give the path of a folder that is seen",
		       cgroup);
}
