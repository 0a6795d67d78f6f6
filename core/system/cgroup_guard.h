/* SPDX-License-Identifier: MIT */
/* cgroup_guard.h - a process that ends a cgroup together with the process that made it. */
#ifndef TG_SYSTEM_CGROUP_GUARD_H
#define TG_SYSTEM_CGROUP_GUARD_H

#include <sys/types.h>

struct tg_guard {
	pid_t pid;
	int pidfd; /* polls readable when the guard has ended; close-on-exec */
};

/*
 * Start the guard of a cgroup: `name` in the folder `parent`, opened as `cgroup`, whose
 * descriptors the guard keeps open.  When this process has ended, the guard kills everything in
 * the cgroup, and removes it.  No signal but SIGKILL and SIGSTOP reaches the guard.
 */
int tg_guard_start(int parent, const char *name, int cgroup, struct tg_guard *guard);

/* Kill the guard, if it has not ended, and wait for its end. */
void tg_guard_stop(struct tg_guard *guard);

#endif
