/* SPDX-License-Identifier: MIT */
/* cgroup_end.h - end everything in a cgroup, and remove it. */
#ifndef TG_SYSTEM_CGROUP_END_H
#define TG_SYSTEM_CGROUP_END_H

#include <stdbool.h>

/* Whether the cgroup of this descriptor was not removed yet. */
bool tg_cgroup_is_there(int cgroup);

/*
 * Kill every process in a cgroup and below it, and remove them: `name` in the folder `parent`,
 * opened as `cgroup`.  Waits at most so long; sets no text.  -EBUSY: a process is still there.
 */
int tg_cgroup_end(int parent, const char *name, int cgroup, int patience_ms);

#endif
