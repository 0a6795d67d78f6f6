/* SPDX-License-Identifier: MIT */
/*
 * terms.c - the rules of one operation as terms: products of sets.
 *
 * The sets are made already: the text of an item becomes intervals in core/parse.
 */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"

/* No value meets the condition, so the term can never match. */
#define NEVER 1

/* Make room for one more term in both arrays, which share one capacity. */
static int reserve_term(struct tg_terms *terms)
{
	uint32_t capacity = terms->capacity;
	int error = tg_array_reserve(terms->conditions, capacity, terms->count + 1, "terms");

	return error ? error
		     : tg_array_reserve(terms->at, terms->capacity, terms->count + 1, "terms");
}

/* Keep a set that was made here as long as the terms, also if this fails halfway. */
static int terms_own(struct tg_terms *terms, struct tg_intervals set,
		     const struct tg_intervals **kept)
{
	struct tg_intervals *copy = malloc(sizeof(*copy));
	int error = copy ? tg_array_reserve(terms->owned, terms->owned_capacity,
					    terms->owned_count + 1, "sets")
			 : tg_fail(-ENOMEM, "out of memory: no room for a set");

	if (error) {
		free(copy);
		tg_intervals_free(&set);
		return error;
	}
	*copy = set;
	terms->owned[terms->owned_count++] = copy;
	*kept = copy;
	return 0;
}

/* Restrict a field by one more set: to the values that are also in its set so far. */
static int restrict_key(struct tg_terms *terms, struct tg_condition *condition, enum tg_key key,
			const struct tg_intervals *set)
{
	struct tg_intervals both = TG_INTERVALS_EMPTY;
	int error;

	if (tg_intervals_is_all(set, tg_key_max(key)))
		return 0;
	if (!condition->set[key]) {
		condition->set[key] = set;
		return 0;
	}
	error = tg_intervals_intersect(&both, condition->set[key], set);
	if (error)
		return error;
	return terms_own(terms, both, &condition->set[key]);
}

/* Whether the set is empty.  NULL is not: it means no restriction. */
static bool is_never(const struct tg_intervals *set)
{
	return set && set->count == 0;
}

/* Restrict a term to the keys of the rule's cgroups. */
static int restrict_cgroup(struct tg_terms *terms, const struct tg_policy_rule *rule,
			   struct tg_condition *condition)
{
	const struct tg_intervals *kept;
	struct tg_intervals set;
	int error = tg_named_cgroups_select(&terms->cgroups, &rule->match[TG_FIELD_CGROUP].cgroups,
					    &set);

	if (!error)
		error = terms_own(terms, set, &kept);
	return error ? error : restrict_key(terms, condition, TG_KEY_CGROUP, kept);
}

/* All conditions of a rule except its endpoints. */
static int restrict_fields(struct tg_terms *terms, const struct tg_policy_rule *rule,
			   struct tg_condition *condition)
{
	for (int field = 0; field < TG_FIELD_COUNT; field++) {
		enum tg_key key = tg_field_key(field);
		int error;

		if (key == TG_KEYS || !(rule->given & (1u << field)))
			continue;
		if (field == TG_FIELD_CGROUP)
			error = restrict_cgroup(terms, rule, condition);
		else
			error = restrict_key(terms, condition, key, &rule->match[field].set);
		if (error)
			return error;
		if (is_never(condition->set[key]))
			return NEVER;
	}
	return 0;
}

/* Which keys the products of a list of endpoints restrict. */
struct place {
	enum tg_field field;
	enum tg_key addr4, addr6, port;
};

static const struct place places[] = {
	{TG_FIELD_ENDPOINT, TG_KEY_ADDR4, TG_KEY_ADDR6, TG_KEY_PORT},
	{TG_FIELD_SOURCE, TG_KEY_SOURCE4, TG_KEY_SOURCE6, TG_KEY_SOURCE_PORT},
};

#define PLACES (sizeof(places) / sizeof(*places))

static int restrict_product(struct tg_terms *terms, const struct place *place,
			    const struct tg_product *product, struct tg_condition *condition)
{
	int error = restrict_key(terms, condition, place->addr4, &product->addr4);

	if (!error)
		error = restrict_key(terms, condition, place->addr6, &product->addr6);
	if (!error)
		error = restrict_key(terms, condition, place->port, &product->port);
	if (error)
		return error;
	if (is_never(condition->set[place->addr4]) && is_never(condition->set[place->addr6]))
		return NEVER;
	return is_never(condition->set[place->port]) ? NEVER : 0;
}

static int add_term(struct tg_terms *terms, const struct tg_policy *policy, enum tg_op op,
		    uint32_t index, const struct tg_condition *condition)
{
	const struct tg_policy_rule *rule = &policy->rules[index];
	int error;

	if (terms->count == TG_MAX_TERMS)
		return tg_rule_error(rule, -E2BIG,
				     "%s: its rules need more than %u terms, which is the limit "
				     "(a rule is one term for each combination of addresses and "
				     "ports); use fewer rules, or lists with the same ports",
				     tg_op_name(op), TG_MAX_TERMS);
	error = reserve_term(terms);
	if (error)
		return error;
	terms->at[terms->count] = rule->effect;
	terms->at[terms->count].slot = TG_OP_COUNT + index;
	terms->at[terms->count].rule = index;
	if (condition->use || condition->own_use)
		terms->at[terms->count].effects |= TG_EFFECT_LIVE;
	terms->conditions[terms->count] = *condition;
	terms->count++;
	return 0;
}

/* All paths of a rule are one set, so they make one term. */
static int add_path_term(struct tg_terms *terms, const struct tg_policy *policy, enum tg_op op,
			 uint32_t index, struct tg_condition *condition)
{
	const struct tg_policy_rule *rule = &policy->rules[index];
	const struct tg_intervals *kept;
	struct tg_intervals ranks;
	int error;

	/* A unix socket has no port and no own address, so no such condition can hold for it. */
	if (!rule->match[TG_FIELD_ENDPOINT].paths.count || condition->set[TG_KEY_PORT] ||
	    rule->given & TG_BIT(TG_FIELD_SOURCE))
		return 0;
	error = tg_path_ranks_of(&terms->ranks, &rule->match[TG_FIELD_ENDPOINT].paths, &ranks);
	if (!error)
		error = terms_own(terms, ranks, &kept);
	if (!error)
		error = restrict_key(terms, condition, TG_KEY_PATH, kept);
	if (!error)
		error = add_term(terms, policy, op, index, condition);
	if (!error && rule->to_path_bytes)
		terms->at[terms->count - 1].to_addr_be[0] = terms->targets++;
	return error;
}

static int add_products(struct tg_terms *terms, const struct tg_policy *policy, enum tg_op op,
			uint32_t index, const struct tg_condition *common, size_t first);

/* Add a term for each of these products, combined with each product of the places that follow. */
static int add_each(struct tg_terms *terms, const struct tg_policy *policy, enum tg_op op,
		    uint32_t index, const struct tg_condition *common, size_t place,
		    const struct tg_product *products, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct tg_condition condition = *common;
		int error = restrict_product(terms, &places[place], &products[i], &condition);

		if (!error)
			error = add_products(terms, policy, op, index, &condition, place + 1);
		if (error && error != NEVER)
			return error;
	}
	return 0;
}

/* Add a term for each product of place `first`, combined with each of the places that follow. */
static int add_products(struct tg_terms *terms, const struct tg_policy *policy, enum tg_op op,
			uint32_t index, const struct tg_condition *common, size_t first)
{
	const struct tg_policy_rule *rule = &policy->rules[index];
	const struct tg_list_sets *sets;
	int error;

	if (first == PLACES)
		return add_term(terms, policy, op, index, common);
	if (!(rule->given & (1u << places[first].field)))
		return add_products(terms, policy, op, index, common, first + 1);
	sets = &rule->match[places[first].field];
	error = add_each(terms, policy, op, index, common, first, sets->products,
			 sets->product_count);
	for (size_t i = 0; sets->uses && i < sets->uses->count && !error; i++) {
		const struct tg_set_use *use = &sets->uses->at[i];
		struct tg_condition condition = *common;

		if (places[first].field == TG_FIELD_SOURCE)
			condition.own_use = use;
		else
			condition.use = use;
		error = add_each(terms, policy, op, index, &condition, first, use->products.at,
				 use->products.count);
	}
	return error;
}

static int add_rule(struct tg_terms *terms, const struct tg_policy *policy, enum tg_op op,
		    bool is_unix, uint32_t index)
{
	struct tg_condition common = {0};
	int error = restrict_fields(terms, &policy->rules[index], &common);

	if (!error)
		error = is_unix ? add_path_term(terms, policy, op, index, &common)
				: add_products(terms, policy, op, index, &common, 0);
	return error == NEVER ? 0 : error;
}

static int collect_path_ranks(const struct tg_policy *policy, enum tg_op op,
			      struct tg_path_ranks *ranks)
{
	int error = 0;

	for (uint32_t i = 0; i < policy->rule_count && !error; i++)
		if (policy->rules[i].ops & (1u << op))
			error = tg_path_ranks_add(ranks,
						  &policy->rules[i].match[TG_FIELD_ENDPOINT].paths);
	if (!error)
		error = tg_path_ranks_sort(ranks);
	return error ? tg_fail(error, "%s: %s", tg_op_name(op), tg_error()) : 0;
}

int tg_terms_collect(const struct tg_policy *policy, enum tg_op op, bool is_unix,
		     struct tg_terms *terms)
{
	struct tg_terms fresh = {0};
	int error = is_unix ? collect_path_ranks(policy, op, &fresh.ranks) : 0;

	if (!error)
		error = tg_named_cgroups_collect(policy, op, &fresh.cgroups);
	for (uint32_t i = 0; i < policy->rule_count && !error; i++)
		if (policy->rules[i].ops & (1u << op))
			error = add_rule(&fresh, policy, op, is_unix, i);
	if (error)
		tg_terms_free(&fresh);
	else
		*terms = fresh;
	return error;
}

uint32_t tg_terms_keys(const struct tg_terms *terms)
{
	uint32_t keys = 0;

	for (uint32_t i = 0; i < terms->count; i++)
		for (int key = 0; key < TG_KEYS; key++)
			if (terms->conditions[i].set[key])
				keys |= 1u << key;
	return keys;
}

void tg_terms_free(struct tg_terms *terms)
{
	for (size_t i = 0; i < terms->owned_count; i++) {
		tg_intervals_free(terms->owned[i]);
		free(terms->owned[i]);
	}
	free(terms->owned);
	tg_named_cgroups_free(&terms->cgroups);
	free(terms->ranks.at);
	free(terms->conditions);
	free(terms->at);
	*terms = (struct tg_terms){0};
}
