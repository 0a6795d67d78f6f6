/* SPDX-License-Identifier: MIT */
/*
 * netns_call.c - call a function in another network namespace.
 *
 * A child process enters the namespace, because this process may have threads and
 * sockets that must not notice.
 */
#define _GNU_SOURCE /* setns() */
#include "system/netns_call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN "/proc/self/ns/net"

/* --- Entering --------------------------------------------------------------------------- */

/* To work in our own namespace needs no privileges. */
static bool is_own(int fd)
{
	struct stat own, other;

	return fd < 0 || (!stat(OWN, &own) && !fstat(fd, &other) && own.st_dev == other.st_dev &&
			  own.st_ino == other.st_ino);
}

static void answer_from_netns(int namespace, tg_netns_work work, const void *question, void *answer,
			      size_t size, int out)
{
	int error = setns(namespace, CLONE_NEWNET) ? -errno : 0;

	if (!error)
		work(question, answer);
	if (write(out, &error, sizeof(error)) != sizeof(error))
		_exit(1);
	if (!error && write(out, answer, size) != (ssize_t)size)
		_exit(1);
	_exit(0);
}

static int read_whole(int fd, void *into, size_t size)
{
	ssize_t got;

	do
		got = read(fd, into, size);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)size ? 0 : -EIO;
}

int tg_netns_call(int namespace, tg_netns_work work, const void *question, void *answer,
		  size_t size)
{
	int ends[2], error = -EIO, result = 0;
	pid_t child;

	if (is_own(namespace)) {
		work(question, answer);
		return 0;
	}
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child == 0)
		answer_from_netns(namespace, work, question, answer, size, ends[1]);
	if (child < 0)
		result = -errno;
	close(ends[1]);
	if (child > 0) {
		result = read_whole(ends[0], &error, sizeof(error));
		if (!result)
			result = error ? error : read_whole(ends[0], answer, size);
		/* The host may wait for all children and reap this one first. */
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	return result;
}

/* --- Finding ----------------------------------------------------------------------------- */

static bool has_inode(const char *path, uint32_t inode)
{
	struct stat status;

	return !stat(path, &status) && status.st_ino == inode;
}

static int open_namespace(const char *path, uint32_t inode, int *namespace)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* The path may show another namespace by now. */
	if (fstat(fd, &status) || status.st_ino != inode) {
		close(fd);
		return -ENOENT;
	}
	*namespace = fd;
	return 0;
}

/* Find it as the namespace of some process. */
static int find_process(uint32_t inode, int *namespace)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;
	char path[NAME_MAX + sizeof("/proc//ns/net")];
	int error = -ENOENT;

	if (!folder)
		return -errno;
	while (error && (entry = readdir(folder))) {
		if (*entry->d_name < '1' || *entry->d_name > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
		if (has_inode(path, inode))
			error = open_namespace(path, inode, namespace);
	}
	closedir(folder);
	return error;
}

/* Find it where it is mounted, as `ip netns` does: its root is "net:[INODE]". */
static int find_mount(uint32_t inode, int *namespace)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char root[sizeof("net:[4294967295]")], *line = NULL;
	size_t capacity = 0;
	int error = -ENOENT;

	if (!file)
		return -errno;
	snprintf(root, sizeof(root), "net:[%u]", inode);
	while (error && getline(&line, &capacity, file) > 0) {
		char *place = strstr(line, root), *end;

		/* The mount point follows. */
		if (!place || place[strlen(root)] != ' ')
			continue;
		place += strlen(root) + 1;
		end = strchr(place, ' ');
		if (!end)
			continue;
		*end = 0;
		error = open_namespace(place, inode, namespace);
	}
	free(line);
	fclose(file);
	return error;
}

int tg_netns_open(uint32_t inode, int *namespace)
{
	int error;

	if (has_inode(OWN, inode)) {
		*namespace = -1;
		return 0;
	}
	error = find_process(inode, namespace);
	return error ? find_mount(inode, namespace) : 0;
}
