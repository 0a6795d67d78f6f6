/* SPDX-License-Identifier: MIT */
/* cgroup_chain.h - a cgroup as rules know it: its id, and the ids of all cgroups above it. */
#ifndef TG_SYSTEM_CGROUP_CHAIN_H
#define TG_SYSTEM_CGROUP_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidegate.h"

struct tg_cgroup_chain {
	uint32_t depth;                   /* 0: the root */
	uint64_t id[TG_CGROUP_DEPTH + 1]; /* from the root to the cgroup itself, id[depth] */
};

struct tg_cgroup_item {
	bool negated;
	struct tg_cgroup_chain chain;
};

/* The cgroups that a list names, in its order. */
struct tg_cgroups {
	struct tg_cgroup_item *at;
	size_t count;
	size_t capacity;
};

/*
 * Find the cgroup of `text`, a part of `item`: "*" or "/" for the root, a path in
 * a cgroup2 mount, a path below the root, "self", "pid:42" or "unit:nginx.service".
 */
int tg_cgroup_chain_find(const char *item, const char *text, struct tg_cgroup_chain *chain);

/* Whether a cgroup is `other`, or below it. */
bool tg_cgroup_chain_below(const struct tg_cgroup_chain *chain,
			   const struct tg_cgroup_chain *other);

int tg_cgroups_add(struct tg_cgroups *cgroups, bool negated, const struct tg_cgroup_chain *chain);
int tg_cgroups_copy(struct tg_cgroups *out, const struct tg_cgroups *cgroups);
void tg_cgroups_free(struct tg_cgroups *cgroups);

#endif
