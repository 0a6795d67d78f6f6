/* SPDX-License-Identifier: MIT */
/* cgroup_end.c - end everything in a cgroup, and remove it. */
#define _GNU_SOURCE
#include "system/cgroup_end.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TURN_MS 20

bool tg_cgroup_is_there(int cgroup)
{
	return !faccessat(cgroup, "cgroup.procs", F_OK, 0) || (errno != ENOENT && errno != ENODEV);
}

/* Call a function for each cgroup directly below one.  Returns the last failure. */
static int each_child(int cgroup, int (*call)(int cgroup, const char *name))
{
	int folder = openat(cgroup, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *children = folder < 0 ? NULL : fdopendir(folder);
	const struct dirent *entry;
	int error = 0;

	if (!children) {
		error = -errno;
		if (folder >= 0)
			close(folder);
		return error;
	}
	while ((entry = readdir(children))) {
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			error = call(folder, entry->d_name) ?: error;
	}
	closedir(children);
	return error;
}

static int open_child(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* --- Killing ------------------------------------------------------------------------- */

static int kill_child(int parent, const char *name);

/*
 * A threaded cgroup can list neither its processes nor kill them, and cgroup.kill misses a process
 * whose first thread has ended.  One thread stands for all.
 */
static int kill_by_threads(int cgroup)
{
	int fd = openat(cgroup, "cgroup.threads", O_RDONLY | O_CLOEXEC);
	FILE *threads = fd < 0 ? NULL : fdopen(fd, "r");
	int id;

	while (threads && fscanf(threads, "%d", &id) == 1) {
		if (id > 0)
			kill(id, SIGKILL);
	}
	if (threads)
		fclose(threads);
	return each_child(cgroup, kill_child);
}

static int kill_child(int parent, const char *name)
{
	int fd = open_child(parent, name);

	if (fd < 0)
		return 0;
	kill_by_threads(fd);
	close(fd);
	return 0;
}

static void kill_all(int cgroup)
{
	int fd = openat(cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1", 1) < 0)
		errno = 0; /* what follows kills them one by one */
	if (fd >= 0)
		close(fd);
	kill_by_threads(cgroup);
}

/* --- Removing ------------------------------------------------------------------------ */

static int remove_tree(int parent, const char *name)
{
	int fd = open_child(parent, name);

	if (fd < 0)
		return fd;
	each_child(fd, remove_tree);
	close(fd);
	return unlinkat(parent, name, AT_REMOVEDIR) ? -errno : 0;
}

/* Wait until cgroup.events says that the cgroup is empty, but only for a moment. */
static void wait_for_change(int cgroup)
{
	struct pollfd events = {
		.fd = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC),
		.events = POLLPRI,
	};
	char text[64];

	if (events.fd < 0 || read(events.fd, text, sizeof(text)) <= 0)
		events.events = 0;
	poll(&events, 1, TURN_MS);
	if (events.fd >= 0)
		close(events.fd);
}

int tg_cgroup_end(int parent, const char *name, int cgroup, int patience_ms)
{
	int error = remove_tree(parent, name);

	for (int waited = 0; error && error != -ENOENT && waited < patience_ms; waited += TURN_MS) {
		kill_all(cgroup);
		wait_for_change(cgroup);
		error = remove_tree(parent, name);
	}
	return error == -ENOENT ? 0 : error;
}
