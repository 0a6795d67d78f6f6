/* SPDX-License-Identifier: MIT */
/* attach_target.c - which cgroup a target names, and whether the gate is attached to it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "gate/gate.h"
#include "system/cgroup_mount.h"
#include "tidegate_private.h"

static int open_cgroup(const char *path, struct tg_cgroup *cgroup)
{
	struct tg_cgroup found = {.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct stat status;
	int error;

	if (found.fd < 0)
		return tg_fail_errno(-errno, "%s", path);
	if (fstat(found.fd, &status)) {
		error = tg_fail_errno(-errno, "%s", path);
		close(found.fd);
		return error;
	}
	found.path = strdup(path);
	if (!found.path) {
		close(found.fd);
		return tg_fail(-ENOMEM, "out of memory: no room for the path of a cgroup");
	}
	found.id[0] = status.st_dev;
	found.id[1] = status.st_ino;
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++)
		found.link[hook] = -1;
	*cgroup = found;
	return 0;
}

struct tg_cgroup *tg_gate_attached_to(const struct tg_gate *gate, const struct tg_cgroup *cgroup)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		if (!memcmp(gate->cgroups[i].id, cgroup->id, sizeof(cgroup->id)))
			return &gate->cgroups[i];
	}
	return NULL;
}

int tg_target_open(const char *target, uint32_t flags, struct tg_cgroup *cgroup)
{
	char path[PATH_MAX];
	int error = tg_target_find(target, path, sizeof(path));

	if (!error && flags & TG_ATTACH_UNTIL_REMOVED && tg_cgroup_is_root(path))
		error = tg_fail(
			-EINVAL,
			"%s: the root of all cgroups is never removed, so nothing can be "
			"attached to it until then; attach to a cgroup of your own below it",
			path);
	if (!error)
		error = open_cgroup(path, cgroup);
	if (error)
		return error;
	cgroup->until_removed = flags & TG_ATTACH_UNTIL_REMOVED;
	cgroup->owner = getpid();
	return 0;
}

struct tg_cgroup *tg_gate_find_attached(const struct tg_gate *gate, const char *target)
{
	char path[PATH_MAX];
	struct stat status;
	bool exists;

	if (tg_cgroup_find(target, path, sizeof(path)))
		snprintf(path, sizeof(path), "%s", target);
	exists = !stat(path, &status);
	for (uint32_t i = 0; exists && i < gate->cgroup_count; i++) {
		struct tg_cgroup *cgroup = &gate->cgroups[i];

		if (cgroup->id[0] == status.st_dev && cgroup->id[1] == status.st_ino)
			return cgroup;
	}
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		if (!strcmp(gate->cgroups[i].path, path))
			return &gate->cgroups[i];
	}
	return NULL;
}
