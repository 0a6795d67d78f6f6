/* SPDX-License-Identifier: MIT */
/* confine.h - keep a process that is about to execute a program from leaving its cgroup. */
#ifndef TG_SYSTEM_CONFINE_H
#define TG_SYSTEM_CONFINE_H

#include <stdbool.h>

/*
 * Confine this process, and all that it is going to start.  A program that it executes gets no
 * more rights than this process has; `as_root`: and root loses those that lead out of a cgroup.
 * -errno; the process is then good for nothing but its end.
 */
int tg_confine(bool as_root);

#endif
