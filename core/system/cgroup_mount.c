/* SPDX-License-Identifier: MIT */
/*
 * cgroup_mount.c - find cgroups: where cgroup2 is mounted, and the folder of a
 * process's cgroup.
 *
 * Three views have to be brought together.  /proc/PID/cgroup names a cgroup as
 * seen from the root of our cgroup namespace; a line of /proc/self/mountinfo
 * says which cgroup of that view is the root of a mount (perhaps only a
 * subtree), and where it is mounted; version 1 may be mounted beside it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "system/cgroup.h"
#include "tidegate.h"

#define CGROUP1_MAGIC 0x27e0eb
#define CGROUP2_MAGIC 0x63677270

/* A cgroup2 mount: `root` is the cgroup that is seen at `point`. */
struct mount {
	char root[PATH_MAX];
	char point[PATH_MAX];
};

/* The lines of /proc/self/mountinfo. */
struct mounts {
	FILE *file;
	char *line;
	size_t room;
};

/* mountinfo spells space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
					(text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw" */
static bool parse_mount(const char *line, struct mount *mount)
{
	const char *tail = strstr(line, " - ");

	if (!tail || strncmp(tail, " - cgroup2 ", strlen(" - cgroup2 ")))
		return false;
	if (sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root, mount->point) != 2)
		return false;
	unescape(mount->root);
	unescape(mount->point);
	return true;
}

static long file_system(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) ? -errno : (long)fs.f_type;
}

static bool is_cgroup2(const char *path)
{
	return file_system(path) == CGROUP2_MAGIC;
}

static int fail_unmounted(void)
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
 * Where `cgroup` ("/app", as /proc/PID/cgroup has it) is seen through a mount.
 * False if it is outside of the mount's root.
 */
static bool place(const struct mount *mount, const char *cgroup, char *path, size_t size)
{
	size_t length = strcmp(mount->root, "/") ? strlen(mount->root) : 0;

	/* "/..": a mount or a process from above our cgroup namespace. */
	if (!strncmp(mount->root, "/..", 3) || !strncmp(cgroup, "/..", 3))
		return false;
	if (strncmp(cgroup, mount->root, length) || (cgroup[length] && cgroup[length] != '/'))
		return false;
	cgroup += length;
	if (!strcmp(cgroup, "/"))
		cgroup = "";
	return snprintf(path, size, "%s%s", mount->point, cgroup) < (int)size;
}

static bool next_mount(struct mounts *mounts, struct mount *mount)
{
	while (getline(&mounts->line, &mounts->room, mounts->file) > 0)
		if (parse_mount(mounts->line, mount) && is_cgroup2(mount->point))
			return true;
	return false;
}

static int open_mounts(struct mounts *mounts)
{
	*mounts = (struct mounts){.file = fopen("/proc/self/mountinfo", "re")};
	return mounts->file ? 0 : tg_fail_errno(-errno, "/proc/self/mountinfo");
}

static void close_mounts(struct mounts *mounts)
{
	free(mounts->line);
	fclose(mounts->file);
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
	struct mounts mounts;
	struct mount mount;
	char found[PATH_MAX] = "";
	bool whole = false;
	int error;

	error = open_mounts(&mounts);
	if (error)
		return error;
	/* The mount that shows most: one of the root, else the first. */
	while (!whole && next_mount(&mounts, &mount)) {
		whole = !strcmp(mount.root, "/");
		if (whole || !*found)
			strcpy(found, mount.point);
	}
	close_mounts(&mounts);
	return *found ? tg_path_give(found, path, size) : fail_unmounted();
}

/* The folder of a cgroup that /proc/PID/cgroup has as `cgroup`. */
static int find_folder(const char *cgroup, char *path, size_t size)
{
	struct mounts mounts;
	struct mount mount;
	char found[PATH_MAX];
	bool any = false, seen = false;
	int error;

	error = open_mounts(&mounts);
	if (error)
		return error;
	while (!seen && next_mount(&mounts, &mount)) {
		any = true;
		seen = place(&mount, cgroup, found, sizeof(found));
	}
	close_mounts(&mounts);
	if (seen)
		return tg_path_give(found, path, size);
	if (!any)
		return fail_unmounted();
	return tg_fail(-ENOENT,
		       "cgroup %s is outside of the cgroup2 mounts that are seen from here; "
		       "give the path of a folder that is seen",
		       cgroup);
}

/* The "0::" line of /proc/PID/cgroup; `pid` may be "self". */
static int read_membership(const char *pid, char *cgroup, size_t size)
{
	char name[64], *line = NULL;
	size_t room = 0;
	FILE *file;
	int error = -ENOENT;

	snprintf(name, sizeof(name), "/proc/%.40s/cgroup", pid);
	file = fopen(name, "re");
	if (!file && errno == ENOENT)
		return tg_fail(-ESRCH, "pid %s: there is no such process", pid);
	if (!file)
		return tg_fail_errno(-errno, "%s", name);
	while (error == -ENOENT && getline(&line, &room, file) > 0) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = '\0';
		error = snprintf(cgroup, size, "%s", line + 3) < (int)size ? 0 : -ENAMETOOLONG;
	}
	if (error == -ENOENT)
		fail_unmounted();
	else if (error)
		tg_fail(error, "%s: the path of the cgroup is too long", name);
	free(line);
	fclose(file);
	return error;
}

static int find_process(const char *pid, char *path, size_t size)
{
	static const char gone[] = " (deleted)";
	char cgroup[PATH_MAX];
	size_t length;
	int error;

	error = read_membership(pid, cgroup, sizeof(cgroup));
	if (error)
		return error;
	length = strlen(cgroup);
	if (length >= strlen(gone) && !strcmp(cgroup + length - strlen(gone), gone))
		return tg_fail(-ENOENT, "pid %s: its cgroup %s was removed", pid, cgroup);
	return find_folder(cgroup, path, size);
}

static int find_pid(const char *pid, char *path, size_t size)
{
	if (!*pid || strspn(pid, "0123456789") != strlen(pid) || strlen(pid) > 10)
		return tg_fail(-EINVAL,
			       "\"pid:%s\" is not the number of a process, as in \"pid:42\"", pid);
	return find_process(pid, path, size);
}

static int fail_missing(const char *name, const char *root)
{
	char below[2 * PATH_MAX];

	snprintf(below, sizeof(below), "%s/%s", root, name + strspn(name, "/"));
	if (is_cgroup2(below))
		return tg_fail(-ENOENT, "%s: there is no such folder; the cgroup is %s", name,
			       below);
	if (!strncmp(name, root, strlen(root)))
		return tg_fail(-ENOENT, "%s: there is no such cgroup; make it with: mkdir -p %s",
			       name, name);
	return tg_fail(-ENOENT, "%s: there is no such folder; cgroups are below %s", name, root);
}

static int find_path(const char *name, char *path, size_t size)
{
	long type = file_system(name);
	char root[PATH_MAX];
	struct stat info;
	int error;

	if (!*name)
		return tg_fail(-EINVAL,
			       "\"\" is not a cgroup; give a path, \"self\", \"pid:42\" or "
			       "\"unit:nginx.service\"");
	if (type != CGROUP2_MAGIC) {
		error = tg_cgroup_root(root, sizeof(root));
		if (error)
			return error;
		if (type == -ENOENT)
			return fail_missing(name, root);
		if (type < 0)
			return tg_fail_errno((int)type, "%s", name);
		return tg_fail(-EINVAL, "%s is %s; cgroup2 is mounted at %s", name,
			       type == CGROUP1_MAGIC ? "a cgroup of version 1" : "not a cgroup",
			       root);
	}
	if (stat(name, &info) || !S_ISDIR(info.st_mode))
		return tg_fail(-ENOTDIR, "%s is a file of a cgroup; give the folder that it is in",
			       name);
	return tg_path_give(name, path, size);
}

int tg_cgroup_find(const char *name, char *path, size_t size)
{
	if (!strcmp(name, "self"))
		return find_process("self", path, size);
	if (!strncmp(name, "pid:", 4))
		return find_pid(name + 4, path, size);
	if (!strncmp(name, "unit:", 5))
		return tg_cgroup_find_unit(name + 5, path, size);
	return find_path(name, path, size);
}
