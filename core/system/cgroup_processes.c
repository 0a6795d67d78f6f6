/* SPDX-License-Identifier: MIT */
/* cgroup_processes.c - the processes in a cgroup and in those below it. */
#include "system/cgroup_processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A cgroup may have more levels, but none that a rule can name: see TG_CGROUP_DEPTH. */
#define DEEPEST 64

/* The processes of this cgroup alone: a line each. */
static uint32_t count_own(int folder)
{
	int fd = openat(folder, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	uint32_t count = 0;
	int byte;

	/* A threaded cgroup refuses to be read: its processes count where its domain is. */
	while (file && (byte = getc_unlocked(file)) != EOF)
		count += byte == '\n';
	if (file)
		fclose(file);
	else if (fd >= 0)
		close(fd);
	return count;
}

static uint32_t count_below(int folder, int depth)
{
	uint32_t count = count_own(folder);
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	while (entries && depth < DEEPEST && (entry = readdir(entries))) {
		int below;

		if (entry->d_type != DT_DIR || *entry->d_name == '.')
			continue;
		below = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0)
			continue; /* removed meanwhile */
		count += count_below(below, depth + 1);
		close(below);
	}
	if (entries)
		closedir(entries);
	else if (copy >= 0)
		close(copy);
	return count;
}

uint32_t tg_cgroup_processes(int fd)
{
	return count_below(fd, 0);
}
