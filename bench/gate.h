/* SPDX-License-Identifier: MIT */
/* gate.h - gates for variants: compile a policy, publish it, attach it. */
#ifndef BENCH_GATE_H
#define BENCH_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "tidegate.h"

struct variant;

/* A gate that is not attached yet. NULL if this kernel lacks something: see tg_error(). */
struct tg_gate *gate_of_image(const struct tg_image *image);
struct tg_gate *gate_of_rule(const struct tg_rule *rule, const char *endpoint, const char *proto);
struct tg_gate *gate_of_policy(struct tg_policy *policy); /* frees the policy */

/* Attach a gate to a variant's cgroup, and note its program. */
void gate_attach(struct variant *variant, int family, struct tg_gate *gate);

/* A rule for the operation of a variant. */
struct tg_rule gate_rule(const struct variant *variant, enum tg_verb verb);

/* Add a rule to a policy, and return its index. `proto` may be NULL. */
uint32_t gate_add_rule(struct tg_policy *policy, const struct tg_rule *rule, const char *endpoint,
		       const char *proto);

/* Add a list to a rule, and free the list. */
void gate_match(struct tg_policy *policy, uint32_t index, struct tg_list *list);

/* Attach a policy of one rule to a variant of IPv4. */
void gate_with_rule(struct variant *variant, const struct tg_rule *rule, const char *endpoint,
		    const char *proto);

#endif
