/* SPDX-License-Identifier: MIT */
/* capability.h - the capabilities that loading and attaching programs takes, and dropping them. */
#ifndef TG_SYSTEM_CAPABILITY_H
#define TG_SYSTEM_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>

#define TG_CAPABILITIES "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"

/* The names of those that this process lacks: "CAP_BPF, CAP_PERFMON"; empty: it has all. */
void tg_capabilities_missing(char *text, size_t size);

bool tg_capabilities_suffice(void);

/* Whether it has CAP_SYS_ADMIN, which includes CAP_BPF and CAP_PERFMON. */
bool tg_capabilities_admin(void);

/*
 * Let a program that this process executes inherit none: the kernel then gives it those of its
 * user, all or none.  -errno.
 */
int tg_capabilities_pass_none(void);

/* Give up, also for such programs, those by which root leaves a cgroup.  -errno. */
int tg_capabilities_drop(void);

#endif
