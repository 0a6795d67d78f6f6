/* SPDX-License-Identifier: MIT */
/*
 * own_cgroup.c - a cgroup that this process makes for processes that it confines.
 *
 * A lock on the folder says that the cgroup is in use.  The kernel keeps it as long as the maker
 * or the guard lives, and knows it in every namespace, where a process ID would be another
 * process or none.  What is not locked, the next maker ends and removes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "system/cgroup_end.h"
#include "system/cgroup_guard.h"
#include "tidegate_private.h"

#define PREFIX      "tidegate-"
#define DIGITS      16
#define PATIENCE_MS 1000
#define ATTEMPTS    100

struct tg_own_cgroup {
	char path[PATH_MAX];
	const char *name; /* in `path` */
	int parent;
	int fd; /* locked */
	struct tg_guard guard;
};

static bool is_ours(const char *name)
{
	const char *digits = name + sizeof(PREFIX) - 1;

	return !strncmp(name, PREFIX, sizeof(PREFIX) - 1) && strlen(digits) == DIGITS &&
	       strspn(digits, "0123456789abcdef") == DIGITS;
}

/* Open a cgroup and lock it.  A negative number: it is in use, or gone. */
static int open_locked(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB) && tg_cgroup_is_there(fd))
		return fd;
	close(fd);
	return -EBUSY;
}

/* End and remove what makers have left behind that were killed together with their guards. */
static void sweep(int parent)
{
	int folder = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = folder < 0 ? NULL : fdopendir(folder);
	const struct dirent *entry;

	while (names && (entry = readdir(names))) {
		int fd = is_ours(entry->d_name) ? open_locked(parent, entry->d_name) : -1;

		if (fd < 0)
			continue;
		tg_cgroup_end(parent, entry->d_name, fd, PATIENCE_MS);
		close(fd);
	}
	if (names)
		closedir(names);
	else if (folder >= 0)
		close(folder);
}

/* Make a cgroup and lock it.  Another maker that sweeps just then may be faster: try again. */
static int make_locked(struct tg_own_cgroup *own, const char *parent)
{
	int error = -EBUSY;

	for (int i = 0; i < ATTEMPTS && error; i++) {
		uint64_t number;

		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -errno;
		if ((size_t)snprintf(own->path, sizeof(own->path), "%s/" PREFIX "%016" PRIx64,
				     parent, number) >= sizeof(own->path))
			return -ENAMETOOLONG;
		own->name = strrchr(own->path, '/') + 1;
		if (mkdirat(own->parent, own->name, 0755)) {
			if (errno != EEXIST)
				return -errno;
			continue;
		}
		own->fd = open_locked(own->parent, own->name);
		error = own->fd < 0 ? own->fd : 0;
		if (error && error != -EBUSY && error != -ENOENT) {
			unlinkat(own->parent, own->name, AT_REMOVEDIR);
			return error;
		}
	}
	return error;
}

int tg_own_cgroup_make(const char *parent, struct tg_own_cgroup **out)
{
	struct tg_own_cgroup *own = calloc(1, sizeof(*own));
	int error;

	if (!own)
		return tg_fail(-ENOMEM, "out of memory: no room for a cgroup");
	own->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own->parent < 0) {
		error = tg_fail_errno(-errno, "no cgroup can be made below %s", parent);
		goto out;
	}
	sweep(own->parent);
	error = make_locked(own, parent);
	if (error) {
		error = tg_fail_errno(error, "no cgroup can be made below %s", parent);
		goto out_parent;
	}
	error = tg_guard_start(own->parent, own->name, own->fd, &own->guard);
	if (error) {
		unlinkat(own->parent, own->name, AT_REMOVEDIR);
		close(own->fd);
		goto out_parent;
	}
	*out = own;
	return 0;
out_parent:
	close(own->parent);
out:
	free(own);
	return error;
}

const char *tg_own_cgroup_path(const struct tg_own_cgroup *own)
{
	return own->path;
}

int tg_own_cgroup_guard(const struct tg_own_cgroup *own)
{
	return own->guard.pidfd;
}

int tg_own_cgroup_end(struct tg_own_cgroup *own)
{
	int error = tg_cgroup_end(own->parent, own->name, own->fd, PATIENCE_MS);

	if (error)
		return tg_fail_errno(error, "%s is still there", own->path);
	tg_guard_stop(&own->guard);
	close(own->fd);
	close(own->parent);
	free(own);
	return 0;
}
