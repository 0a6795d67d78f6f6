/* SPDX-License-Identifier: MIT */
/* cgroup_mount.h - where cgroup2 is mounted, and the folder of a cgroup there. */
#ifndef TG_SYSTEM_CGROUP_MOUNT_H
#define TG_SYSTEM_CGROUP_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

/* The file system of a path, as linux/magic.h numbers them; or -errno. */
long tg_file_system(const char *path);

bool tg_is_cgroup2(const char *path);

/* Whether a folder of cgroup2 is the root of all cgroups, not only of what is seen from here. */
bool tg_cgroup_is_root(const char *path);

/* Fail with -ENOENT: cgroup2 is not mounted. */
int tg_cgroup_unmounted(void);

/* The folder of the cgroup that /proc/PID/cgroup names `cgroup`. */
int tg_cgroup_folder(const char *cgroup, char *path, size_t size);

/* Copy a path to the caller's buffer.  -ENAMETOOLONG: it does not fit. */
int tg_path_give(const char *found, char *path, size_t size);

#endif
