/* SPDX-License-Identifier: MIT */
/* policy.c - policies in memory: rules, their conditions, and the defaults. */
#include "policy/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"
#include "base/names.h"
#include "parse/target.h"
#include "policy/effect.h"
#include "policy/list.h"
#include "policy/socket_options.h"

int tg_rule_error(const struct tg_policy_rule *rule, int error, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return tg_fail(error, "%s%s%s \"%s\": %s", rule->where ? rule->where : "",
		       rule->where ? ": " : "", tg_verb_name(rule->effect.verb), rule->name, text);
}

static int copy_text(char **out, const char *text)
{
	if (text) {
		*out = strdup(text);
		if (!*out)
			return tg_fail(-ENOMEM, "out of memory: no room for a text");
	}
	return 0;
}

int tg_policy_new(const char *name, struct tg_policy **policy)
{
	struct tg_policy *fresh = calloc(1, sizeof(*fresh));

	if (!fresh)
		return tg_fail(-ENOMEM, "out of memory: no room for a policy");
	if (copy_text(&fresh->name, name)) {
		free(fresh);
		return -ENOMEM;
	}
	memset(fresh->defaults, TG_VERB_ALLOW, sizeof(fresh->defaults));
	fresh->on_error = TG_VERB_ALLOW;
	*policy = fresh;
	return 0;
}

static void free_rule(struct tg_policy_rule *rule)
{
	free(rule->name);
	free(rule->where);
	free(rule->text);
	tg_backends_free(&rule->backends);
	for (int field = 0; field < TG_FIELDS; field++)
		tg_list_sets_free(&rule->match[field]);
}

void tg_policy_free(struct tg_policy *policy)
{
	if (!policy)
		return;
	for (uint32_t i = 0; i < policy->rule_count; i++)
		free_rule(&policy->rules[i]);
	tg_policy_tables_free(policy);
	free(policy->rules);
	free(policy->by_name);
	free(policy->name);
	free(policy);
}

static int check_default_verb(const char *what, enum tg_verb verb)
{
	if (verb != TG_VERB_ALLOW && verb != TG_VERB_DENY)
		return tg_fail(-EINVAL, "%s: must be allow or deny", what);
	return 0;
}

int tg_policy_default(struct tg_policy *policy, uint32_t ops, enum tg_verb verb)
{
	int error = check_default_verb("default", verb);

	if (error)
		return error;
	if (!ops || ops >> TG_OPS)
		return tg_fail(-EINVAL, "default: %#x are not operations", ops);
	for (int op = 0; op < TG_OPS; op++)
		if (verb == TG_VERB_DENY && ops & TG_OPS_REPORTS & 1u << op)
			return tg_fail(-EINVAL, "default: the kernel cannot deny %s",
				       tg_op_name(op));
	for (int op = 0; op < TG_OPS; op++)
		if (ops & 1u << op)
			policy->defaults[op] = (uint8_t)verb;
	return 0;
}

int tg_policy_on_error(struct tg_policy *policy, enum tg_verb verb)
{
	int error = check_default_verb("on_error", verb);

	if (!error)
		policy->on_error = (uint8_t)verb;
	return error;
}

static uint32_t hash_name(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

/* The place of a name in by_name, or the free place for it. */
static uint32_t name_place(const struct tg_policy *policy, const char *name)
{
	uint32_t mask = 2 * policy->rule_capacity - 1;
	uint32_t place = hash_name(name) & mask;

	while (policy->by_name[place] &&
	       strcmp(policy->rules[policy->by_name[place] - 1].name, name) != 0)
		place = (place + 1) & mask;
	return place;
}

static int grow_rules(struct tg_policy *policy)
{
	uint32_t capacity = policy->rule_capacity;
	uint32_t *by_name;
	int error;

	if (policy->rule_count < capacity)
		return 0;
	error = tg_array_reserve(policy->rules, capacity, policy->rule_count + 1, "rules");
	if (error)
		return error;
	by_name = calloc(2 * (size_t)capacity, sizeof(*by_name));
	if (!by_name)
		return tg_fail(-ENOMEM, "out of memory: no room for %u rules", capacity);
	free(policy->by_name);
	policy->by_name = by_name;
	policy->rule_capacity = capacity;
	for (uint32_t i = 0; i < policy->rule_count; i++)
		policy->by_name[name_place(policy, policy->rules[i].name)] = i + 1;
	return 0;
}

/* Copy the caller's struct, which may be older and shorter: what it lacks becomes 0. */
static int take_rule(struct tg_rule *ours, const struct tg_rule *theirs)
{
	if (theirs->size < offsetof(struct tg_rule, name) || theirs->size > sizeof(*ours))
		return tg_fail(-EINVAL, "size of struct tg_rule is %zu: set it to sizeof, %zu",
			       theirs->size, sizeof(*ours));
	memset(ours, 0, sizeof(*ours));
	memcpy(ours, theirs, theirs->size);
	return 0;
}

/* Fill in a rule.  After a failure the caller still calls free_rule(). */
static int make_rule(struct tg_policy_rule *fresh, const struct tg_rule *rule,
		     const struct tg_policy *policy)
{
	char number[16];
	uint32_t taken;
	int error;

	snprintf(number, sizeof(number), "#%u", policy->rule_count + 1);
	error = copy_text(&fresh->name, rule->name ? rule->name : number);
	if (!error)
		error = copy_text(&fresh->where, rule->where);
	if (!error)
		error = copy_text(&fresh->text, rule->text);
	if (error)
		return error;
	fresh->ops = rule->ops;
	fresh->effect.verb = (uint8_t)rule->verb;
	if (!*fresh->name)
		return tg_rule_error(fresh, -EINVAL, "an empty name: leave it out, or give one");
	taken = policy->by_name[name_place(policy, fresh->name)];
	if (taken) {
		const char *where = policy->rules[taken - 1].where;

		return tg_rule_error(fresh, -EEXIST, "rule %u has this name too%s%s%s", taken,
				     where ? " (" : "", where ? where : "", where ? ")" : "");
	}
	error = tg_effect_parse(&fresh->effect, rule);
	if (!error && rule->to)
		error = tg_target_path(rule->to, &fresh->to_path, &fresh->to_path_bytes);
	if (!error && rule->set)
		error = tg_options_parse(rule->set, &fresh->options);
	if (!error)
		error = tg_rate_parse(rule->over, rule->per, &fresh->rate);
	if (!error && fresh->rate.interval_ns)
		fresh->effect.effects |= TG_EFFECT_RATE;
	if (!error)
		error = tg_balance_parse(rule, &fresh->balance);
	if (!error && fresh->balance.sticky_ms)
		fresh->effect.effects |= TG_EFFECT_STICKY;
	return error ? tg_rule_error(fresh, error, "%s", tg_error()) : 0;
}

int tg_policy_add(struct tg_policy *policy, const struct tg_rule *rule, uint32_t *index)
{
	struct tg_policy_rule fresh = {0};
	struct tg_rule given;
	int error = take_rule(&given, rule);

	if (!error && !tg_verb_name((int)given.verb))
		error = tg_fail(-EINVAL, "%u is not a verb", given.verb);
	if (!error)
		error = grow_rules(policy);
	if (!error)
		error = make_rule(&fresh, &given, policy);
	if (error) {
		free_rule(&fresh);
		return error;
	}
	policy->by_name[name_place(policy, fresh.name)] = policy->rule_count + 1;
	policy->rules[policy->rule_count] = fresh;
	*index = policy->rule_count++;
	return 0;
}

static struct tg_policy_rule *find_rule(struct tg_policy *policy, uint32_t index)
{
	if (index < policy->rule_count)
		return &policy->rules[index];
	tg_fail(-ERANGE, "there is no rule %u: the policy has %u", index, policy->rule_count);
	return NULL;
}

int tg_policy_backend(struct tg_policy *policy, uint32_t index, const char *backend,
		      uint32_t weight)
{
	struct tg_policy_rule *rule = find_rule(policy, index);
	int error;

	if (!rule)
		return -ERANGE;
	if (rule->effect.verb != TG_VERB_BALANCE)
		return tg_rule_error(rule, -EINVAL, "to: only balance has backends");
	error = tg_backends_add(&rule->backends, backend, weight, rule->ops);
	if (error)
		return tg_rule_error(rule, error, "%s", tg_error());
	/* All backends are of one family, so the checks need the first one only. */
	rule->effect.effects |= TG_EFFECT_TO_ADDR;
	memcpy(rule->effect.to_addr_be, rule->backends.at[0].addr_be,
	       sizeof(rule->effect.to_addr_be));
	return 0;
}

/* The kernel connects to loopback instead, and the image matches that address. */
static int check_any_address(const struct tg_policy_rule *rule, const struct tg_list *list)
{
	if (list->field != TG_FIELD_ENDPOINT || !(rule->ops & TG_OPS_EGRESS))
		return 0;
	if (list->names_any4)
		return tg_rule_error(rule, -EINVAL,
				     "endpoint: \"0.0.0.0\": the kernel takes it for 127.0.0.1, "
				     "and so do rules: write 127.0.0.1");
	if (list->names_any6)
		return tg_rule_error(rule, -EINVAL,
				     "endpoint: \"::\": the kernel takes it for ::1, "
				     "and so do rules: write ::1");
	return 0;
}

int tg_policy_match(struct tg_policy *policy, uint32_t index, const struct tg_list *list)
{
	struct tg_policy_rule *rule = find_rule(policy, index);
	int error;

	if (!rule)
		return -ERANGE;
	if (rule->given & 1u << list->field)
		return tg_rule_error(rule, -EEXIST, "%s: is given already",
				     tg_field_info(list->field)->name);
	error = check_any_address(rule, list);
	if (error)
		return error;
	error = tg_list_to_sets(list, &rule->match[list->field]);
	if (error)
		return tg_rule_error(rule, error, "%s: %s", tg_field_info(list->field)->name,
				     tg_error());
	rule->given |= 1u << list->field;
	return 0;
}
