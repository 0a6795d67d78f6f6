/* SPDX-License-Identifier: MIT */
/* cgroup_unit.h - find the cgroup of a systemd unit. */
#ifndef TG_SYSTEM_CGROUP_UNIT_H
#define TG_SYSTEM_CGROUP_UNIT_H

#include <stddef.h>

/* The folder of a unit: "nginx.service", or "nginx" for short. */
int tg_cgroup_find_unit(const char *name, char *path, size_t size);

#endif
