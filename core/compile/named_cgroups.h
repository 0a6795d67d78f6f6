/* SPDX-License-Identifier: MIT */
/* named_cgroups.h - the cgroups that one operation's rules name, together. */
#ifndef TG_COMPILE_NAMED_CGROUPS_H
#define TG_COMPILE_NAMED_CGROUPS_H

#include "bpf/layout/image_layout.h"
#include "policy/policy.h"

struct tg_named_cgroups {
	const struct tg_cgroup_chain **at; /* each once */
	size_t count;
	size_t capacity;
	struct tg_intervals keys; /* of all of them */
	uint32_t levels;
	uint32_t level[TG_CGROUP_LEVELS]; /* the deepest first */
};

/* *named is new; it points into the policy.  -E2BIG: too many depths; the text names the rule. */
int tg_named_cgroups_collect(const struct tg_policy *policy, enum tg_op op,
			     struct tg_named_cgroups *named);
void tg_named_cgroups_free(struct tg_named_cgroups *named);

/*
 * The keys that meet a condition: those of each named cgroup that does, and, if
 * calls outside all named cgroups do, all other keys.
 */
int tg_named_cgroups_select(const struct tg_named_cgroups *named,
			    const struct tg_cgroups *condition, struct tg_intervals *set);

#endif
