/* SPDX-License-Identifier: MIT */
/* cgroup_processes.h - the processes in a cgroup and in those below it. */
#ifndef TG_SYSTEM_CGROUP_PROCESSES_H
#define TG_SYSTEM_CGROUP_PROCESSES_H

#include <stdint.h>

/*
 * How many processes there are in the cgroup whose folder is `fd`, and below it:
 * at one moment each, so a process that moves meanwhile may count twice or not
 * at all.  0: also if the cgroup was removed.
 */
uint32_t tg_cgroup_processes(int fd);

#endif
