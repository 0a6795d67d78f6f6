/* SPDX-License-Identifier: MIT */
/* cgroup.h - a cgroup for each variant. */
#ifndef BENCH_CGROUP_H
#define BENCH_CGROUP_H

struct variant;

/* Find our own cgroup, and make the cgroup that contains the variants' cgroups. */
void cgroups_open(void);

/* Remove all these cgroups. Called at exit, and from signal handlers. */
void cgroups_remove(void);

/* Make a variant's cgroup and, in it, the variant's sockets of this family. */
void variant_place(struct variant *variant, int family);

#endif
