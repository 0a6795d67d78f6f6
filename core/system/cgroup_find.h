/* SPDX-License-Identifier: MIT */
/* cgroup_find.h - names of cgroups that are not paths; tg_cgroup_find() is in tidegate.h. */
#ifndef TG_SYSTEM_CGROUP_FIND_H
#define TG_SYSTEM_CGROUP_FIND_H

#include <stdbool.h>

/* Whether a name leads to a cgroup by a process or a unit: "self", "pid:42", "unit:nginx". */
bool tg_cgroup_is_indirect(const char *name);

#endif
