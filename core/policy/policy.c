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
#include "base/hook.h"
#include "base/printable.h"
#include "base/struct_size.h"
#include "parse/local_elements.h"
#include "parse/target.h"
#include "policy/effect.h"
#include "policy/list.h"
#include "policy/mistakes.h"
#include "policy/rule_name.h"
#include "policy/set_use.h"
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
	struct tg_policy *fresh;
	int error = TG_REQUIRE(policy);
	const char *wrong = name ? tg_unprintable(name) : NULL;

	if (error)
		return error;
	if (wrong)
		return tg_fail(-EINVAL, "policy: the name \"%s\" %s: choose another one", name,
			       wrong);
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return tg_fail(-ENOMEM, "out of memory: no room for a policy");
	if (copy_text(&fresh->name, name)) {
		free(fresh);
		return -ENOMEM;
	}
	memset(fresh->defaults, TG_VERB_ALLOW, sizeof(fresh->defaults));
	*policy = fresh;
	return 0;
}

static void free_rule(struct tg_policy_rule *rule)
{
	free(rule->name);
	free(rule->where);
	free(rule->text);
	free(rule->message);
	tg_backends_free(&rule->backends);
	tg_backends_free(&rule->choices.all);
	for (int field = 0; field < TG_FIELD_COUNT; field++)
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

/* Take a verdict for some operations; `what` is "default" or "on_error". */
static int take_verdict(const char *what, uint32_t ops, enum tg_verb verb, uint8_t *verdicts)
{
	if (verb != TG_VERB_ALLOW && verb != TG_VERB_DENY)
		return tg_fail(-EINVAL, "%s: must be allow or deny", what);
	if (!ops)
		return tg_fail(-EINVAL,
			       "%s: no operation: ops is 0; write TG_BIT(TG_OP_CONNECT), "
			       "not TG_OP_CONNECT",
			       what);
	if (ops >> TG_OP_COUNT)
		return tg_fail(-EINVAL, "%s: ops: 0x%x is not known to this library", what,
			       ops >> TG_OP_COUNT << TG_OP_COUNT);
	for (int op = 0; op < TG_OP_COUNT; op++)
		if (verb == TG_VERB_DENY && ops & TG_OPS_REPORTS & TG_BIT(op))
			return tg_fail(-EINVAL, "%s: the kernel cannot deny %s", what,
				       tg_op_name(op));
	for (int op = 0; op < TG_OP_COUNT; op++)
		if (ops & TG_BIT(op))
			verdicts[op] = (uint8_t)verb;
	return 0;
}

int tg_policy_default(struct tg_policy *policy, uint32_t ops, enum tg_verb verb)
{
	int error = TG_REQUIRE(policy);

	return error ? error : take_verdict("default", ops, verb, policy->defaults);
}

int tg_policy_on_error(struct tg_policy *policy, uint32_t ops, enum tg_verb verb)
{
	int error = TG_REQUIRE(policy);

	return error ? error : take_verdict("on_error", ops, verb, policy->on_error);
}

int tg_policy_flags(struct tg_policy *policy, uint32_t flags)
{
	int error = TG_REQUIRE(policy) ?: tg_check_bits("flags", flags, TG_POLICY_SHADOW);

	if (!error)
		policy->flags = flags;
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

static int copy_texts(struct tg_policy_rule *fresh, const struct tg_rule *rule, uint32_t number)
{
	char name[16];
	int error;

	snprintf(name, sizeof(name), "#%u", number);
	error = copy_text(&fresh->name, rule->name ? rule->name : name);
	if (!error)
		error = copy_text(&fresh->where, rule->where);
	if (!error)
		error = copy_text(&fresh->text, rule->text);
	if (!error)
		error = copy_text(&fresh->message, rule->message);
	return error;
}

static int check_name(const struct tg_policy *policy, const struct tg_policy_rule *fresh)
{
	int error = tg_rule_name_check(fresh);
	uint32_t taken = error ? 0 : policy->by_name[name_place(policy, fresh->name)];
	const char *where = taken ? policy->rules[taken - 1].where : NULL;

	if (taken)
		error = tg_rule_error(fresh, -EEXIST, "rule %u has this name too%s%s%s", taken,
				      where ? " (" : "", where ? where : "", where ? ")" : "");
	return error;
}

static int parse_to_path(struct tg_policy_rule *fresh, const char *to)
{
	int error = tg_target_path(to, &fresh->to_path, &fresh->to_path_bytes);

	return error ? tg_fail(error, "to: %s", tg_error()) : 0;
}

/* Fill in a rule.  After a failure the caller still calls free_rule(). */
static int make_rule(struct tg_policy_rule *fresh, const struct tg_rule *rule,
		     const struct tg_policy *policy)
{
	struct tg_mistakes mistakes;
	int error = copy_texts(fresh, rule, policy->rule_count + 1);

	if (error)
		return error;
	fresh->ops = rule->ops;
	fresh->effect.verb = (uint8_t)rule->verb;
	error = check_name(policy, fresh);
	if (!error)
		error = tg_rule_texts_check(fresh);
	if (error)
		return error;
	tg_mistakes_init(&mistakes, fresh);
	tg_effect_parse(fresh, rule, &mistakes);
	if (rule->to)
		tg_mistakes_add(&mistakes, parse_to_path(fresh, rule->to));
	if (rule->sockopt)
		tg_mistakes_add(&mistakes, tg_options_parse(rule->sockopt, &fresh->options));
	tg_mistakes_add(&mistakes, tg_rate_parse(rule->over, rule->per, &fresh->rate));
	if (fresh->rate.interval_ns)
		fresh->effect.effects |= TG_EFFECT_RATE;
	tg_mistakes_add(&mistakes, tg_balance_parse(rule, &fresh->balance));
	if (fresh->balance.sticky_ms)
		fresh->effect.effects |= TG_EFFECT_STICKY;
	return tg_mistakes_fail(&mistakes) ?: tg_rule_choose_families(fresh, NULL);
}

int tg_policy_add_rule(struct tg_policy *policy, const struct tg_rule *rule, uint32_t *index)
{
	struct tg_policy_rule fresh = {0};
	struct tg_rule given;
	int error = TG_REQUIRE(policy);

	if (!error)
		error = tg_struct_take(TG_STRUCT_KIND(tg_rule, 136), &given, rule);
	if (!error && !tg_verb_name(given.verb))
		error = tg_fail(-EINVAL, "a rule: %u is not a verb: set it to a TG_VERB_*",
				given.verb);
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
	if (index)
		*index = policy->rule_count;
	policy->rule_count++;
	return 0;
}

static int find_rule(struct tg_policy *policy, uint32_t index, struct tg_policy_rule **rule)
{
	if (index >= policy->rule_count)
		return tg_fail(-ERANGE, "there is no rule %u: the policy has %u", index,
			       policy->rule_count);
	*rule = &policy->rules[index];
	return 0;
}

int tg_policy_add_backend(struct tg_policy *policy, uint32_t index, const char *backend,
			  uint32_t weight)
{
	struct tg_backend_choices before;
	struct tg_policy_rule *rule = NULL;
	int error = TG_REQUIRE(policy) ?: TG_REQUIRE(backend) ?: find_rule(policy, index, &rule);

	if (error)
		return error;
	if (rule->effect.verb != TG_VERB_BALANCE)
		return tg_rule_error(rule, -EINVAL, "to: only balance has backends");
	before = rule->choices;
	error = tg_backend_choices_add(&rule->choices, backend, weight, rule->ops);
	if (!error)
		error = tg_rule_choose_families(rule, backend);
	if (!error)
		return 0;
	/* The array may have moved, and has room for more. */
	before.all.at = rule->choices.all.at;
	before.all.capacity = rule->choices.all.capacity;
	rule->choices = before;
	return tg_rule_error(rule, error, "to: %s", tg_error());
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

/* "@local" needs no declaration. */
static int declare_local(struct tg_policy *policy, const struct tg_list_sets *sets)
{
	if (!sets->uses || !tg_set_uses_name(sets->uses, TG_LOCAL_SET))
		return 0;
	return tg_policy_declare_local(policy);
}

int tg_policy_add_match(struct tg_policy *policy, uint32_t index, const struct tg_list *list)
{
	struct tg_policy_rule *rule = NULL;
	int error = TG_REQUIRE(policy) ?: TG_REQUIRE(list) ?: find_rule(policy, index, &rule);

	if (error)
		return error;
	if (rule->given & 1u << list->field)
		return tg_rule_error(rule, -EEXIST, "%s: is given already",
				     tg_field_info(list->field)->name);
	error = check_any_address(rule, list);
	if (error)
		return error;
	error = tg_list_to_sets(list, &rule->match[list->field]);
	if (!error)
		error = declare_local(policy, &rule->match[list->field]);
	if (error)
		return tg_rule_error(rule, error, "%s: %s", tg_field_info(list->field)->name,
				     tg_error());
	rule->given |= 1u << list->field;
	return tg_rule_choose_families(rule, "a backend");
}
