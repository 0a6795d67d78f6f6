/* SPDX-License-Identifier: MIT */
/* cgroup_chain.h - a cgroup as rules know it: its id, and those of all above it. */
#ifndef TG_SYSTEM_CGROUP_CHAIN_H
#define TG_SYSTEM_CGROUP_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidegate.h"

struct tg_cgroup_chain {
	uint32_t depth;                   /* the root's is 0 */
	uint64_t id[TG_CGROUP_DEPTH + 1]; /* from the root's to the cgroup's own, id[depth] */
};

/* Those that a list names, in its order. */
struct tg_cgroups {
	struct {
		bool negated;
		struct tg_cgroup_chain chain;
	} * at;
	size_t count;
	size_t room;
};

/* Find the cgroup of `text`, a part of `item`: "*" or "/", a path, or one below the root. */
int tg_cgroup_chain_find(const char *item, const char *text, struct tg_cgroup_chain *chain);

/* Whether a cgroup is another one, or below it. */
bool tg_cgroup_chain_below(const struct tg_cgroup_chain *chain,
			   const struct tg_cgroup_chain *other);

int tg_cgroups_add(struct tg_cgroups *cgroups, bool negated, const struct tg_cgroup_chain *chain);
int tg_cgroups_copy(struct tg_cgroups *out, const struct tg_cgroups *cgroups);
void tg_cgroups_free(struct tg_cgroups *cgroups);

#endif
