/* SPDX-License-Identifier: MIT */
/*
 * named_cgroups.c - cgroups as keys.
 *
 * A call is in every cgroup from the root down to its task's own.  Of those, the
 * deepest one that some rule names decides which conditions the call meets.  So a
 * condition is the set of named cgroups that meet it.
 */
#include "compile/named_cgroups.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"

/* Add all keys with this id, which is their high half. */
static int add_id(struct tg_intervals *set, uint64_t id)
{
	return tg_intervals_add(set, (struct tg_key128){id, 0}, (struct tg_key128){id, UINT64_MAX});
}

static int by_id(const void *a, const void *b)
{
	const struct tg_cgroup_chain *first = *(const struct tg_cgroup_chain *const *)a;
	const struct tg_cgroup_chain *second = *(const struct tg_cgroup_chain *const *)b;
	uint64_t one = first->id[first->depth], two = second->id[second->depth];

	return one < two ? -1 : one > two;
}

/* Insert a depth, unless it is there already: the deepest come first. */
static int add_level(const struct tg_policy_rule *rule, struct tg_named_cgroups *named,
		     uint32_t depth)
{
	uint32_t i = 0;

	while (i < named->levels && named->level[i] > depth)
		i++;
	if (i < named->levels && named->level[i] == depth)
		return 0;
	if (named->levels == TG_CGROUP_LEVELS)
		return tg_rule_error(rule, -E2BIG,
				     "cgroup: the rules name cgroups at more than %d different "
				     "depths, which is the limit: name fewer",
				     TG_CGROUP_LEVELS);
	for (uint32_t k = named->levels++; k > i; k--)
		named->level[k] = named->level[k - 1];
	named->level[i] = depth;
	return 0;
}

static int add_rule(const struct tg_policy_rule *rule, struct tg_named_cgroups *named)
{
	const struct tg_cgroups *cgroups = &rule->match[TG_FIELD_CGROUP].cgroups;
	int error = 0;

	for (size_t i = 0; i < cgroups->count && !error; i++) {
		error = tg_array_reserve(named->at, named->capacity, named->count + 1, "cgroups");
		if (error)
			break;
		named->at[named->count++] = &cgroups->at[i].chain;
		error = add_level(rule, named, cgroups->at[i].chain.depth);
	}
	return error;
}

static int finish(struct tg_named_cgroups *named)
{
	size_t kept = 0;
	int error = 0;

	if (named->count)
		qsort(named->at, named->count, sizeof(*named->at), by_id);
	for (size_t i = 0; i < named->count && !error; i++) {
		if (kept && !by_id(&named->at[kept - 1], &named->at[i]))
			continue;
		named->at[kept++] = named->at[i];
		error = add_id(&named->keys, named->at[i]->id[named->at[i]->depth]);
	}
	named->count = kept;
	return error ? error : tg_intervals_normalise(&named->keys);
}

int tg_named_cgroups_collect(const struct tg_policy *policy, enum tg_op op,
			     struct tg_named_cgroups *named)
{
	struct tg_named_cgroups fresh = {0};
	int error = 0;

	for (uint32_t i = 0; i < policy->rule_count && !error; i++)
		if (policy->rules[i].ops & 1u << op)
			error = add_rule(&policy->rules[i], &fresh);
	if (!error)
		error = finish(&fresh);
	if (error)
		tg_named_cgroups_free(&fresh);
	else
		*named = fresh;
	return error;
}

void tg_named_cgroups_free(struct tg_named_cgroups *named)
{
	free(named->at);
	tg_intervals_free(&named->keys);
	*named = (struct tg_named_cgroups){0};
}

/* Whether a call in this named cgroup meets the condition; NULL: a call in none of them. */
static bool is_meant(const struct tg_cgroups *condition, const struct tg_cgroup_chain *chain)
{
	bool positive = false, found = false;

	for (size_t i = 0; i < condition->count; i++) {
		bool inside = chain && tg_cgroup_chain_below(chain, &condition->at[i].chain);

		if (condition->at[i].negated && inside)
			return false;
		positive |= !condition->at[i].negated;
		found |= !condition->at[i].negated && inside;
	}
	return found || (condition->count && !positive);
}

int tg_named_cgroups_select(const struct tg_named_cgroups *named,
			    const struct tg_cgroups *condition, struct tg_intervals *set)
{
	struct tg_intervals chosen = TG_INTERVALS_EMPTY, all = TG_INTERVALS_EMPTY,
			    others = TG_INTERVALS_EMPTY;
	int error = 0;

	for (size_t i = 0; i < named->count && !error; i++)
		if (is_meant(condition, named->at[i]))
			error = add_id(&chosen, named->at[i]->id[named->at[i]->depth]);
	if (!error)
		error = tg_intervals_normalise(&chosen);
	if (!error && is_meant(condition, NULL)) {
		error = tg_intervals_all(&all, tg_key_max(TG_KEY_CGROUP));
		if (!error)
			error = tg_intervals_subtract(&others, &all, &named->keys);
	}
	if (!error)
		error = tg_intervals_unite(set, &chosen, &others);
	tg_intervals_free(&chosen);
	tg_intervals_free(&all);
	tg_intervals_free(&others);
	return error;
}
