/* SPDX-License-Identifier: MIT */
/* cgroup_find.c - find a cgroup by a path, a process or a systemd unit. */
#include "system/cgroup_find.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "system/cgroup_mount.h"
#include "system/cgroup_unit.h"
#include "tidegate.h"
#include "tidegate_private.h"

/* Read the "0::" line of /proc/PID/cgroup; `pid` may be "self". */
static int read_membership(const char *pid, char *cgroup, size_t size)
{
	char name[64], *line = NULL;
	size_t capacity = 0;
	FILE *file;
	int error = -ENOENT;

	snprintf(name, sizeof(name), "/proc/%.40s/cgroup", pid);
	file = fopen(name, "re");
	if (!file && errno == ENOENT)
		return tg_fail(-ESRCH, "pid %s: there is no such process", pid);
	if (!file)
		return tg_fail_errno(-errno, "%s", name);
	while (error == -ENOENT && getline(&line, &capacity, file) > 0) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = '\0';
		error = snprintf(cgroup, size, "%s", line + 3) < (int)size ? 0 : -ENAMETOOLONG;
	}
	if (error == -ENOENT)
		tg_cgroup_unmounted();
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
	return tg_cgroup_folder(cgroup, path, size);
}

static int find_pid(const char *pid, char *path, size_t size)
{
	if (!*pid || strspn(pid, "0123456789") != strlen(pid) || strlen(pid) > 10)
		return tg_fail(-EINVAL,
			       "\"pid:%s\" is not the number of a process, as in \"pid:42\"", pid);
	return find_process(pid, path, size);
}

/* "pid:" or "unit:", if that was probably meant: by 42, unit=nginx, nginx.service. */
static const char *missing_prefix(const char **word)
{
	char path[PATH_MAX];

	if (!strncmp(*word, "pid=", 4)) {
		*word += 4;
		return "pid:";
	}
	if (!strncmp(*word, "unit=", 5)) {
		*word += 5;
		return "unit:";
	}
	if (strchr(*word, '/'))
		return NULL;
	if (!(*word)[strspn(*word, "0123456789")])
		return "pid:";
	if (strstr(*word, ".service") || strstr(*word, ".scope") || strstr(*word, ".slice"))
		return "unit:";
	return tg_cgroup_find_unit(*word, path, sizeof(path)) ? NULL : "unit:";
}

static bool is_container(const char *name)
{
	static const char *const prefixes[] = {"container:", "docker:", "podman:"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static int fail_missing(const char *name, const char *root)
{
	const char *word = name, *prefix;
	char below[2 * PATH_MAX];

	snprintf(below, sizeof(below), "%s/%s", root, name + strspn(name, "/"));
	if (tg_is_cgroup2(below))
		return tg_fail(-ENOENT, "%s: there is no such folder; the cgroup is %s", name,
			       below);
	prefix = missing_prefix(&word);
	if (prefix)
		return tg_fail(-ENOENT, "%s: there is no such folder; did you mean \"%s%s\"?", name,
			       prefix, word);
	if (is_container(name))
		return tg_fail(
			-ENOENT,
			"%s is not supported yet; give pid:42, for a process in the container",
			name);
	if (!strncmp(name, root, strlen(root)))
		return tg_fail(-ENOENT, "%s: there is no such cgroup; make it with: mkdir -p %s",
			       name, name);
	return tg_fail(-ENOENT, "%s: there is no such folder; cgroups are below %s", name, root);
}

static int find_path(const char *name, char *path, size_t size)
{
	long type = tg_file_system(name);
	char root[PATH_MAX];
	struct stat info;
	int error;

	if (!*name)
		return tg_fail(-EINVAL,
			       "\"\" is not a cgroup; give a path, \"self\", \"pid:42\" or "
			       "\"unit:nginx.service\"");
	if (type != CGROUP2_SUPER_MAGIC) {
		error = tg_cgroup_root(root, sizeof(root));
		if (error)
			return error;
		if (type == -ENOENT)
			return fail_missing(name, root);
		if (type < 0)
			return tg_fail_errno((int)type, "%s", name);
		return tg_fail(-EINVAL, "%s is %s; cgroup2 is mounted at %s", name,
			       type == CGROUP_SUPER_MAGIC ? "a cgroup of version 1"
							  : "not a cgroup",
			       root);
	}
	if (stat(name, &info) || !S_ISDIR(info.st_mode))
		return tg_fail(-ENOTDIR, "%s is a file of a cgroup; give the folder that it is in",
			       name);
	return tg_path_give(name, path, size);
}

bool tg_cgroup_is_indirect(const char *name)
{
	return !strcmp(name, "self") || !strncmp(name, "pid:", 4) || !strncmp(name, "unit:", 5);
}

int tg_cgroup_find(const char *target, char *path, size_t size)
{
	int error = TG_REQUIRE(target) ?: TG_REQUIRE(path);

	if (error)
		return error;
	if (!strcmp(target, "self"))
		return find_process("self", path, size);
	if (!strncmp(target, "pid:", 4))
		return find_pid(target + 4, path, size);
	if (!strncmp(target, "unit:", 5))
		return tg_cgroup_find_unit(target + 5, path, size);
	return find_path(target, path, size);
}

/*
 * A process in the root cgroup is in no other one: many a service of a container is, and
 * every kernel thread.  That is no request to enforce a policy on the whole machine.
 */
static int check_root(const char *target, const char *path)
{
	if (!tg_cgroup_is_indirect(target) || !tg_cgroup_is_root(path))
		return 0;
	return tg_fail(-EPERM,
		       "\"%s\" is the root of all cgroups, where a policy would hold for every "
		       "process of this machine: to attach there, give its path, %s",
		       target, path);
}

int tg_target_find(const char *target, char *path, size_t size)
{
	char found[PATH_MAX];
	int error = tg_cgroup_find(target, found, sizeof(found)) ?: check_root(target, found);

	return error ? error : tg_path_give(found, path, size);
}
