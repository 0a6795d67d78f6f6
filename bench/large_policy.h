/* SPDX-License-Identifier: MIT */
/* large_policy.h - large policies: attach them to a variant, and report what each step costs. */
#ifndef BENCH_LARGE_POLICY_H
#define BENCH_LARGE_POLICY_H

#include <stdint.h>

#include "tidegate.h"

struct cost;
struct prefix;
struct random_rule;
struct variant;

/* All rules allow, and so does the default, because a call that is denied would end early. */
void gate_with_rules(struct variant *variant, const struct random_rule *rules, uint32_t count,
		     struct cost *cost);

/* One rule with a list that is read from a file, as a user's list would be. */
void gate_with_prefixes(struct variant *variant, int family, const struct prefix *prefixes,
			uint32_t count, struct cost *cost);

/* One rule with a live set that is loaded from a file. */
void gate_with_set(struct variant *variant, int family, const struct prefix *prefixes,
		   uint32_t count, struct cost *cost);

/* One rule with a live table, which the policy must declare and which is empty at first. */
void gate_with_table(struct variant *variant, int family, struct tg_policy *policy,
		     const struct tg_rule *rule, const char *table, struct cost *cost);

#endif
