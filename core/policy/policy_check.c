/* SPDX-License-Identifier: MIT */
/* policy_check.c - rules whose parts contradict each other. */
#include "policy/policy_check.h"

#include <errno.h>
#include <netinet/in.h>

#include "parse/address.h"
#include "parse/named_range.h"
#include "policy/family.h"
#include "policy/mistakes.h"
#include "policy/policy.h"
#include "policy/set_use.h"
#include "policy/socket_options.h"
#include "tidegate_private.h"

static int check_to(const struct tg_policy_rule *rule, const struct tg_reach *reach)
{
	bool to6 = !tg_bytes_are_mapped(rule->effect.to_addr_be);

	if (tg_rule_to_fits(rule, reach, to6))
		return 0;
	if (to6)
		return tg_rule_error(rule, -EINVAL,
				     "to: an IPv4 socket cannot %s an IPv6 address: match IPv6 "
				     "addresses only, or add family = \"inet6\"",
				     rule->ops & TG_BIT(TG_OP_CONNECT) ? "connect to" : "have");
	return tg_rule_error(rule, -EINVAL,
			     "to: the kernel sends no datagram for an IPv6 address to an "
			     "IPv4 one: match IPv4 addresses only, or add family = "
			     "\"inet\"");
}

static int check_source(const struct tg_policy_rule *rule, const struct tg_reach *reach)
{
	bool source6 = !tg_bytes_are_mapped(rule->effect.bind_source_addr_be);

	if (tg_rule_source_fits(rule, reach, source6))
		return 0;
	return tg_rule_error(rule, -EINVAL,
			     "bind_source: is IPv%d, and the rule's connections all go to IPv%d "
			     "addresses",
			     source6 ? 6 : 4, source6 ? 4 : 6);
}

/* The effects of a rule have to make sense for each kind of socket that it matches. */
static int check_unix(const struct tg_policy_rule *rule)
{
	const struct tg_list_sets *endpoint = &rule->match[TG_FIELD_ENDPOINT];
	bool inet = endpoint->product_count || endpoint->uses ||
		    !(rule->given & TG_BIT(TG_FIELD_ENDPOINT));
	uint32_t rewrites = TG_EFFECT_TO_ADDR | TG_EFFECT_TO_PORT;

	if (rule->to_path_bytes && inet)
		return tg_rule_error(
			rule, -EINVAL,
			"to: only a unix socket can be redirected to a unix socket: match "
			"unix: endpoints only");
	if (!endpoint->paths.count)
		return 0;
	if (rule->ops & TG_BIT(TG_OP_BIND))
		return tg_rule_error(rule, -EINVAL,
				     "bind: the kernel has no hook where unix sockets are bound: "
				     "match no unix: endpoints");
	if (rule->rate.per == TG_PER_ADDRESS)
		return tg_rule_error(rule, -EINVAL,
				     "per: a unix socket has no address: "
				     "match no unix: endpoints, or write another");
	if (rule->effect.effects & TG_EFFECT_SOCKOPT)
		return tg_rule_error(
			rule, -EINVAL,
			"sockopt: unix sockets have none of these options: match no unix: "
			"endpoints");
	if (!rule->to_path_bytes && rule->effect.effects & rewrites)
		return tg_rule_error(
			rule, -EINVAL,
			"to: a unix socket cannot be redirected to an IP address: match no "
			"unix: endpoints, or write a path: to = \"unix:/run/x.sock\"");
	if (rule->effect.effects & TG_EFFECT_BIND_SOURCE)
		return tg_rule_error(
			rule, -EINVAL,
			"bind_source: a unix socket has none: match no unix: endpoints");
	return 0;
}

/* Setting an option of TCP on any other socket would fail the call. */
static int check_options(const struct tg_policy_rule *rule)
{
	const struct tg_intervals *proto = &rule->match[TG_FIELD_PROTO].set;
	const char *option = tg_options_of_tcp(&rule->options);
	bool only_tcp = rule->given & TG_BIT(TG_FIELD_PROTO);

	if (!option)
		return 0;
	for (size_t i = 0; i < proto->count; i++)
		only_tcp &= tg_key128_cmp(proto->at[i].first, proto->at[i].last) == 0 &&
			    (proto->at[i].first.lo == IPPROTO_TCP ||
			     proto->at[i].first.lo == IPPROTO_MPTCP);
	if (only_tcp)
		return 0;
	return tg_rule_error(rule, -EINVAL,
			     "sockopt: %s: is an option of TCP, and other sockets would fail: add "
			     "proto = \"tcp\"",
			     option);
}

static int fail_undeclared(const struct tg_policy *policy, const struct tg_policy_rule *rule,
			   const char *name)
{
	struct tg_nearest nearest;
	const char *hint;

	tg_nearest_start(&nearest, name);
	tg_policy_look_for_table(policy, &nearest);
	for (uint32_t range = 0; range < TG_RANGE_COUNT; range++)
		tg_nearest_try(&nearest, tg_range_name(range));
	hint = tg_nearest_hint(&nearest, NULL);
	if (hint)
		return tg_rule_error(rule, -EINVAL, "set \"%s\": is not declared%s", name, hint);
	return tg_rule_error(rule, -EINVAL,
			     "set \"%s\": is not declared: write set \"%s\" { … } before the rule; "
			     "built-in ranges are " TG_RANGES_TEXT,
			     name, name);
}

static int check_table(const struct tg_policy *policy, const struct tg_policy_rule *rule,
		       enum tg_field field, const char *name, bool negated)
{
	int number = tg_policy_find_table(policy, name);

	if (number < 0)
		return fail_undeclared(policy, rule, name);
	if (field == TG_FIELD_SOURCE && policy->tables[number].kind == TG_TABLE_SERVICES)
		return tg_rule_error(
			rule, -EINVAL,
			"source: services \"%s\": are what calls ask for, not a socket's own "
			"address: name them in the operation, or a set here",
			name);
	if (negated && policy->tables[number].kind == TG_TABLE_SERVICES)
		return tg_rule_error(
			rule, -EINVAL,
			"services \"%s\": cannot be excluded from a list: they have ports, too",
			name);
	return 0;
}

static int check_uses(const struct tg_policy *policy, const struct tg_policy_rule *rule,
		      enum tg_field field)
{
	const struct tg_set_uses *uses = rule->match[field].uses;
	int error = 0;

	for (size_t i = 0; uses && i < uses->count && !error; i++) {
		if (uses->at[i].set)
			error = check_table(policy, rule, field, uses->at[i].set, false);
		for (uint32_t k = 0; k < uses->at[i].except_count && !error; k++)
			error = check_table(policy, rule, field, uses->at[i].except[k], true);
	}
	return error;
}

/* Whether any endpoint of a rule is a table of services; if `all`, whether all are. */
static bool is_about_services(const struct tg_policy *policy, const struct tg_policy_rule *rule,
			      bool all)
{
	const struct tg_list_sets *endpoint = &rule->match[TG_FIELD_ENDPOINT];
	size_t services = 0, others = endpoint->product_count + endpoint->paths.count;

	for (size_t i = 0; endpoint->uses && i < endpoint->uses->count; i++) {
		const char *name = endpoint->uses->at[i].set;

		if (name &&
		    policy->tables[tg_policy_find_table(policy, name)].kind == TG_TABLE_SERVICES)
			services++;
		else
			others++;
	}
	return services && (!all || !others);
}

/* The backends are those of the rule, or those of the services that it matches. */
static int check_backends(const struct tg_policy *policy, const struct tg_policy_rule *rule)
{
	if (rule->effect.verb != TG_VERB_BALANCE)
		return 0;
	if (!rule->backends.count && !is_about_services(policy, rule, true))
		return tg_rule_error(
			rule, -EINVAL,
			"to: missing: write the backends, or match services only, which "
			"have their own");
	if (rule->backends.count && is_about_services(policy, rule, false))
		return tg_rule_error(rule, -EINVAL,
				     "to: the services that it matches have backends of their own: "
				     "leave it out, or match no services");
	return 0;
}

/* What needs both ends of a call: those of IP addresses. */
static void check_addresses(const struct tg_policy_rule *rule, struct tg_mistakes *mistakes)
{
	struct tg_reach reach = tg_rule_reach(rule);

	if (rule->effect.effects & TG_EFFECT_TO_ADDR)
		tg_mistakes_add(mistakes, check_to(rule, &reach));
	if (rule->effect.effects & TG_EFFECT_BIND_SOURCE)
		tg_mistakes_add(mistakes, check_source(rule, &reach));
	if (rule->effect.effects & TG_EFFECT_SOCKOPT)
		tg_mistakes_add(mistakes, check_options(rule));
}

/* 1: the rule is right so far. */
static int check_tables(const struct tg_policy *policy, const struct tg_policy_rule *rule,
			struct tg_mistakes *mistakes)
{
	int endpoint = check_uses(policy, rule, TG_FIELD_ENDPOINT), source, backends;

	tg_mistakes_add(mistakes, endpoint);
	source = check_uses(policy, rule, TG_FIELD_SOURCE);
	tg_mistakes_add(mistakes, source);
	/* This asks what kind the tables of the endpoint are. */
	backends = endpoint ? 0 : check_backends(policy, rule);
	tg_mistakes_add(mistakes, backends);
	return !endpoint && !source && !backends;
}

int tg_policy_check(const struct tg_policy *policy)
{
	struct tg_mistakes mistakes;

	tg_mistakes_init(&mistakes, NULL);
	for (uint32_t i = 0; i < policy->rule_count; i++) {
		const struct tg_policy_rule *rule = &policy->rules[i];
		int error = check_unix(rule);

		tg_mistakes_add(&mistakes, error);
		if (check_tables(policy, rule, &mistakes) && !error && !rule->to_path_bytes)
			check_addresses(rule, &mistakes);
	}
	return tg_mistakes_fail(&mistakes);
}
