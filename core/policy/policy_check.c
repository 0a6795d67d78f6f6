/* SPDX-License-Identifier: MIT */
/* policy_check.c - rules whose parts contradict each other. */
#include "policy/policy_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "parse/address.h"
#include "policy/policy.h"
#include "policy/set_use.h"
#include "policy/socket_options.h"

/* The calls that a rule can match, by the address asked for and by the socket. */
struct reach {
	bool address4, address6;
	bool socket4, socket6;
};

/* A live set may hold any address at some time. */
static void use_reach(const struct tg_set_use *use, struct reach *reach)
{
	for (size_t i = 0; i < use->products.count; i++) {
		reach->address4 |= use->products.at[i].addr4.count > 0;
		reach->address6 |= use->products.at[i].addr6.count > 0;
	}
}

static struct reach rule_reach(const struct tg_policy_rule *rule)
{
	const struct tg_list_sets *endpoint = &rule->match[TG_FIELD_ENDPOINT];
	const struct tg_intervals *family = &rule->match[TG_FIELD_FAMILY].set;
	bool any_endpoint = !(rule->given & 1u << TG_FIELD_ENDPOINT);
	bool any_family = !(rule->given & 1u << TG_FIELD_FAMILY);
	struct reach reach = {any_endpoint, any_endpoint, false, false};

	for (size_t i = 0; i < endpoint->product_count; i++) {
		reach.address4 |= endpoint->products[i].addr4.count > 0;
		reach.address6 |= endpoint->products[i].addr6.count > 0;
	}
	for (size_t i = 0; endpoint->uses && i < endpoint->uses->count; i++)
		use_reach(&endpoint->uses->at[i], &reach);
	reach.socket6 =
		any_family || tg_intervals_contains(family, (struct tg_key128){0, AF_INET6});
	reach.socket4 = any_family || tg_intervals_contains(family, (struct tg_key128){0, AF_INET});
	/* An IPv4 socket asks for IPv4 addresses only. */
	reach.socket4 &= reach.address4;
	reach.address6 &= reach.socket6;
	reach.address4 &= reach.socket4 || reach.socket6;
	return reach;
}

static int check_to(const struct tg_policy_rule *rule, const struct reach *reach)
{
	bool to6 = !tg_bytes_are_mapped(rule->effect.to_addr_be);

	if (to6 && reach->socket4)
		return tg_rule_error(rule, -EINVAL,
				     "to: an IPv4 socket cannot %s an IPv6 address: match IPv6 "
				     "addresses only, or add family = \"inet6\"",
				     rule->ops & 1u << TG_OP_CONNECT ? "connect to" : "have");
	/* udpv6_sendmsg() returns ENOTSUPP, 524, an errno that no program knows. */
	if (!to6 && rule->ops & 1u << TG_OP_SENDMSG && reach->address6)
		return tg_rule_error(rule, -EINVAL,
				     "to: the kernel sends no datagram for an IPv6 address to an "
				     "IPv4 one: match IPv4 addresses only, or add family = "
				     "\"inet\"");
	return 0;
}

static int check_source(const struct tg_policy_rule *rule, const struct reach *reach)
{
	bool source6 = !tg_bytes_are_mapped(rule->effect.source_addr_be);
	bool to4 = reach->address4, to6 = reach->address6;

	if (rule->effect.effects & TG_EFFECT_TO_ADDR) {
		to6 = !tg_bytes_are_mapped(rule->effect.to_addr_be);
		to4 = !to6;
	}
	if ((source6 ? to6 : to4) || (!to4 && !to6))
		return 0;
	return tg_rule_error(rule, -EINVAL,
			     "source: is IPv%d, and the rule's connections all go to IPv%d "
			     "addresses",
			     source6 ? 6 : 4, source6 ? 4 : 6);
}

/* The effects of a rule have to make sense for each kind of socket that it matches. */
static int check_unix(const struct tg_policy_rule *rule)
{
	const struct tg_list_sets *endpoint = &rule->match[TG_FIELD_ENDPOINT];
	bool inet = endpoint->product_count || endpoint->uses ||
		    !(rule->given & 1u << TG_FIELD_ENDPOINT);
	uint32_t rewrites = TG_EFFECT_TO_ADDR | TG_EFFECT_TO_PORT;

	if (rule->to_path_bytes && inet)
		return tg_rule_error(
			rule, -EINVAL,
			"to: only a unix socket can be redirected to a unix socket: match "
			"unix: endpoints only");
	if (!endpoint->paths.count)
		return 0;
	if (rule->ops & 1u << TG_OP_BIND)
		return tg_rule_error(rule, -EINVAL,
				     "bind: the kernel has no hook where unix sockets are bound: "
				     "match no unix: endpoints");
	if (rule->rate.per == TG_PER_DST)
		return tg_rule_error(rule, -EINVAL,
				     "per: a unix socket's path is not counted as a destination: "
				     "match no unix: endpoints, or write another");
	if (rule->effect.effects & TG_EFFECT_SET)
		return tg_rule_error(rule, -EINVAL,
				     "set: unix sockets have none of these options: match no unix: "
				     "endpoints");
	if (!rule->to_path_bytes && rule->effect.effects & rewrites)
		return tg_rule_error(
			rule, -EINVAL,
			"to: a unix socket cannot be redirected to an IP address: match no "
			"unix: endpoints, or write a path: to = \"unix:/run/x.sock\"");
	if (rule->effect.effects & TG_EFFECT_SOURCE)
		return tg_rule_error(rule, -EINVAL,
				     "source: a unix socket has none: match no unix: endpoints");
	return 0;
}

/* Setting an option of TCP on any other socket would fail the call. */
static int check_options(const struct tg_policy_rule *rule)
{
	const struct tg_intervals *proto = &rule->match[TG_FIELD_PROTO].set;
	const char *option = tg_options_of_tcp(&rule->options);
	bool only_tcp = rule->given & 1u << TG_FIELD_PROTO;

	if (!option)
		return 0;
	for (size_t i = 0; i < proto->count; i++)
		only_tcp &= tg_key128_cmp(proto->at[i].first, proto->at[i].last) == 0 &&
			    (proto->at[i].first.lo == IPPROTO_TCP ||
			     proto->at[i].first.lo == IPPROTO_MPTCP);
	if (only_tcp)
		return 0;
	return tg_rule_error(rule, -EINVAL,
			     "set: %s: is an option of TCP, and other sockets would fail: add "
			     "proto = \"tcp\"",
			     option);
}

static int check_table(const struct tg_policy *policy, const struct tg_policy_rule *rule,
		       enum tg_field field, const char *name, bool negated)
{
	int number = tg_policy_find_table(policy, name);

	if (number < 0)
		return tg_rule_error(
			rule, -EINVAL,
			"set \"%s\": is not declared: write set \"%s\" { … } before the "
			"rule",
			name, name);
	if (field == TG_FIELD_FROM && policy->tables[number].kind == TG_TABLE_SERVICES)
		return tg_rule_error(
			rule, -EINVAL,
			"from: services \"%s\": are what calls ask for, not a socket's own "
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

int tg_policy_check(const struct tg_policy *policy)
{
	int error = 0;

	for (uint32_t i = 0; i < policy->rule_count && !error; i++) {
		const struct tg_policy_rule *rule = &policy->rules[i];
		struct reach reach = rule_reach(rule);

		error = check_unix(rule);
		if (!error)
			error = check_uses(policy, rule, TG_FIELD_ENDPOINT);
		if (!error)
			error = check_uses(policy, rule, TG_FIELD_FROM);
		if (!error)
			error = check_backends(policy, rule);
		if (error || rule->to_path_bytes)
			continue;
		if (rule->effect.effects & TG_EFFECT_TO_ADDR)
			error = check_to(rule, &reach);
		if (!error && rule->effect.effects & TG_EFFECT_SOURCE)
			error = check_source(rule, &reach);
		if (!error && rule->effect.effects & TG_EFFECT_SET)
			error = check_options(rule);
	}
	return error;
}
