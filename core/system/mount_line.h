/* SPDX-License-Identifier: MIT */
/* mount_line.h - the mounts that this process sees. */
#ifndef TG_SYSTEM_MOUNT_LINE_H
#define TG_SYSTEM_MOUNT_LINE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A mount: `root`, a folder of its file system, is seen at `point`. */
struct tg_mount {
	char root[PATH_MAX];
	char point[PATH_MAX];
	char type[32];
};

/* The lines of /proc/self/mountinfo. */
struct tg_mounts {
	FILE *file;
	char *line;
	size_t capacity;
};

int tg_mounts_open(struct tg_mounts *mounts);
bool tg_mounts_next(struct tg_mounts *mounts, struct tg_mount *mount);
void tg_mounts_close(struct tg_mounts *mounts);

#endif
