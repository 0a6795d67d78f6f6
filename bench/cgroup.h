/* SPDX-License-Identifier: MIT */
/* cgroup.h - a cgroup for each variant. */
#ifndef BENCH_CGROUP_H
#define BENCH_CGROUP_H

struct variant;

/* Find our own cgroup, and make the one that holds those of the variants. */
void cgroups_open(void);

/* Remove them all. Called at exit, and from signal handlers. */
void cgroups_remove(void);

/* Make a variant's cgroup, and its sockets of a family in it. */
void variant_place(struct variant *variant, int family);

#endif
