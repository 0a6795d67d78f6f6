/* SPDX-License-Identifier: MIT */
/* attach_conflict.h - the program of another owner that bars ours from a cgroup. */
#ifndef TG_SYSTEM_ATTACH_CONFLICT_H
#define TG_SYSTEM_ATTACH_CONFLICT_H

#include <stddef.h>

#include "tidegate.h"

/*
 * Describe the program that was attached to this cgroup, or to one above, in a
 * way that bars all others.  -ENOENT: there is none.
 */
int tg_owner_describe(int cgroup, enum tg_hook hook, char *text, size_t size);

#endif
