/* SPDX-License-Identifier: MIT */
/* cgroup.h - what the finders of cgroups share. */
#ifndef TG_SYSTEM_CGROUP_H
#define TG_SYSTEM_CGROUP_H

#include <stddef.h>

/* Copy a path to a caller's buffer; -ENAMETOOLONG where it does not fit. */
int tg_path_give(const char *found, char *path, size_t size);

/* The folder of a unit: "nginx.service", or "nginx" for short. */
int tg_cgroup_find_unit(const char *name, char *path, size_t size);

#endif
