/* SPDX-License-Identifier: MIT */
/*
 * cgroup_chain.c - from the path of a cgroup to the ids by which the kernel knows
 * it: the inode numbers of its folder and of the folders above.
 */
#define _GNU_SOURCE /* O_PATH */
#include "system/cgroup_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "system/cgroup_find.h"

#define ROOT_ID 1 /* of the root of the whole hierarchy */

#define FOLDER (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* The cgroup of "self", "pid:42" or "unit:nginx". */
static int open_indirect(const char *item, const char *text)
{
	char path[PATH_MAX];
	int error = tg_cgroup_find(text, path, sizeof(path));
	int fd = error ? -1 : open(path, FOLDER);

	if (error)
		return tg_fail(error, "\"%s\": %s", item, tg_error());
	return fd < 0 ? tg_fail_errno(-errno, "\"%s\": %s", item, path) : fd;
}

/* Open "/sys/fs/cgroup/app" as it is, or "app" or "/app" below the root. */
static int open_folder(const char *item, const char *text)
{
	char root[PATH_MAX], path[2 * PATH_MAX];
	struct statfs system;
	int fd, error;

	if (tg_cgroup_is_indirect(text))
		return open_indirect(item, text);

	fd = *text == '/' ? open(text, FOLDER) : -1;
	if (fd >= 0 && !fstatfs(fd, &system) && system.f_type == CGROUP2_SUPER_MAGIC)
		return fd;
	if (fd >= 0)
		close(fd);
	error = tg_cgroup_root(root, sizeof(root));
	if (error)
		return tg_fail(error, "\"%s\": %s", item, tg_error());
	snprintf(path, sizeof(path), "%s/%s", root, text);
	fd = open(path, FOLDER);
	if (fd < 0 || fstatfs(fd, &system) || system.f_type != CGROUP2_SUPER_MAGIC) {
		if (fd >= 0)
			close(fd);
		return tg_fail(-ENOENT,
			       "\"%s\": there is no such cgroup: make it first, or write a path "
			       "below %s",
			       item, root);
	}
	return fd;
}

/*
 * Read the ids from a folder up to the root, so that the root comes last.  Closes
 * `fd` in any case.
 */
static int climb(const char *item, int fd, uint64_t *id, uint32_t *count)
{
	struct stat status;
	int above, error = 0;
	dev_t device = 0;

	for (*count = 0; !error; fd = above) {
		above = -1;
		if (fstat(fd, &status))
			error = tg_fail_errno(-errno, "\"%s\"", item);
		else if (*count && status.st_dev != device)
			error = tg_fail(-EXDEV,
					"\"%s\": the depth of this cgroup cannot be seen from "
					"here, where only a part of the hierarchy is mounted: "
					"mount the whole, outside the container",
					item);
		else if (*count > TG_CGROUP_DEPTH)
			error = tg_fail(-E2BIG, "\"%s\": this cgroup lies deeper than %d levels",
					item, TG_CGROUP_DEPTH);
		if (!error) {
			device = status.st_dev;
			id[(*count)++] = status.st_ino;
			if (status.st_ino == ROOT_ID)
				break;
			above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (above < 0)
				error = tg_fail_errno(-errno, "\"%s\"", item);
		}
		close(fd);
	}
	if (!error)
		close(fd);
	return error;
}

int tg_cgroup_chain_find(const char *item, const char *text, struct tg_cgroup_chain *chain)
{
	uint64_t id[TG_CGROUP_DEPTH + 1];
	uint32_t count;
	int fd, error;

	if (!strcmp(text, "*") || !strcmp(text, "/")) {
		*chain = (struct tg_cgroup_chain){.id = {ROOT_ID}};
		return 0;
	}
	fd = open_folder(item, text);
	error = fd < 0 ? fd : climb(item, fd, id, &count);
	if (error)
		return error;
	*chain = (struct tg_cgroup_chain){.depth = count - 1};
	for (uint32_t i = 0; i < count; i++)
		chain->id[i] = id[count - 1 - i];
	return 0;
}

bool tg_cgroup_chain_below(const struct tg_cgroup_chain *chain, const struct tg_cgroup_chain *other)
{
	return chain->depth >= other->depth && chain->id[other->depth] == other->id[other->depth];
}

int tg_cgroups_add(struct tg_cgroups *cgroups, bool negated, const struct tg_cgroup_chain *chain)
{
	int error = tg_array_reserve(cgroups->at, cgroups->capacity, cgroups->count + 1, "cgroups");

	if (error)
		return error;
	cgroups->at[cgroups->count++] = (struct tg_cgroup_item){negated, *chain};
	return 0;
}

int tg_cgroups_copy(struct tg_cgroups *out, const struct tg_cgroups *cgroups)
{
	struct tg_cgroups copy = {0};
	int error = 0;

	for (size_t i = 0; i < cgroups->count && !error; i++)
		error = tg_cgroups_add(&copy, cgroups->at[i].negated, &cgroups->at[i].chain);
	if (error)
		tg_cgroups_free(&copy);
	else
		*out = copy;
	return error;
}

void tg_cgroups_free(struct tg_cgroups *cgroups)
{
	free(cgroups->at);
	*cgroups = (struct tg_cgroups){0};
}
