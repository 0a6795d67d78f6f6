/* SPDX-License-Identifier: MIT */
/* rule_groups.c - rules and lists of prefixes, compared with hash tables and tries. */
#include "bench/groups.h"

#include <errno.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/check.h"
#include "bench/gate.h"
#include "bench/group.h"
#include "bench/large_policy.h"
#include "bench/random.h"
#include "bench/report.h"
#include "bench/rival.h"
#include "bench/rival_layout.h"

#define ONE_ENDPOINT  "10.1.2.3:6000"
#define TABLE_ENTRIES 1000

/* One rule with an endpoint: does it match the one destination, and what does it do with it? */
static struct variant *add_rule(struct group *group, const char *id, const char *label,
				const struct variant *against, struct tg_rule rule,
				const char *endpoint, const char *proto)
{
	struct variant *variant = group_add(group, id, label, against);

	rule.size = sizeof(rule);
	rule.ops = TG_BIT(TG_OP_CONNECT);
	gate_with_rule(variant, &rule, endpoint, proto);
	return variant;
}

/* A hash table of TABLE_ENTRIES addresses, from `first` on. */
static void add_neighbours(struct group *group, const char *id, const char *label,
			   const struct variant *against, uint32_t first)
{
	int map = group_add_rival(group, id, label, against, "hash4", "endpoints", TABLE_ENTRIES);

	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		rival_put_endpoint(map, first + i, RIVAL_FROM_PORT);
}

/* Many rules around the one for the destination: their cost when all of it is in the caches. */
static void add_crowd(struct group *group, const char *id, const char *label,
		      const struct variant *against, uint32_t count)
{
	struct random_rule *rules = random_endpoint_rules(count);
	struct random_rule *mine = &rules[count / 2];
	struct cost cost;

	mine->prefix = prefix_of_addr4(RIVAL_FROM_ADDR);
	mine->port_low = mine->port_high = RIVAL_FROM_PORT;
	gate_with_rules(group_add(group, id, label, against), rules, count, &cost);
	free(rules);
}

static void make_one(struct group *group)
{
	struct tg_rule allow = {.verb = TG_VERB_ALLOW};
	struct tg_rule deny = {.verb = TG_VERB_DENY, .log = "false"};
	struct tg_rule rewrite = {.verb = TG_VERB_REWRITE, .to = "10.4.5.6:7000"};
	struct tg_rule reveal = {
		.verb = TG_VERB_REWRITE, .to = "10.4.5.6:7000", .flags = TG_RULE_REVEAL};
	const struct variant *empty;
	struct variant *refusal;

	group_begin(group, "one", "one destination, IPv4");
	group->stream = stream_of_one(RIVAL_FROM_ADDR, RIVAL_FROM_PORT);
	empty = group_add_floor(group);
	refusal = group_add(group, "empty-deny", "empty program that denies", NULL);
	refusal->error = EPERM;
	rival_attach(refusal, "deny4", NULL, 0);
	/* Its figure should be 0. The difference from 0 shows how precise the others are. */
	rival_attach(group_add(group, "empty-again", "empty program, once more", empty), "allow4",
		     NULL, 0);
	group_add_rival(group, "fixed", "fixed rewrite, by hand", empty, "rewrite4", NULL, 0);
	add_neighbours(group, "hash-hit", "one hash lookup, found", empty, RIVAL_FROM_ADDR);
	add_neighbours(group, "hash-miss", "one hash lookup, not found", empty,
		       RIVAL_FROM_ADDR + 1);
	add_rule(group, "rule-miss", "1 rule, missing", empty, allow, "10.9.9.9:9", NULL);
	add_rule(group, "rule-allow", "1 rule, allow", empty, allow, ONE_ENDPOINT, NULL);
	add_rule(group, "rule-proto", "1 rule, allow, with proto", empty, allow, ONE_ENDPOINT,
		 "udp");
	add_crowd(group, "rules-allow", "10,000 rules, one of them allow", empty, 10000);
	add_rule(group, "rule-deny", "1 rule, deny", refusal, deny, ONE_ENDPOINT, NULL)->error =
		EPERM;
	add_rule(group, "rule-rewrite", "1 rule, rewrite", empty, rewrite, ONE_ENDPOINT, NULL);
	add_rule(group, "rule-reveal", "1 rule, rewrite, reveal", empty, reveal, ONE_ENDPOINT,
		 NULL);
}

/* All rules, and the first one alone, which uses the same fields. */
static const struct variant *make_rules(struct group *group, const char *id, const char *label,
					const struct random_rule *rules, uint32_t count)
{
	const struct variant *empty;
	struct variant *all;
	struct cost alone, cost;

	group_begin(group, id, label);
	group->stream = stream_of_rules(rules, count);
	empty = group_add_floor(group);
	gate_with_rules(group_add(group, "first", "the first rule alone", empty), rules, 1, &alone);
	all = group_add(group, "all", "all rules", empty);
	gate_with_rules(all, rules, count, &cost);
	check_rules(group, all, rules, count);
	report_cost(group, &cost);
	return empty;
}

static void make_mixed_rules(struct group *group, const char *id, const char *label, uint32_t count)
{
	struct random_rule *rules = random_rules(count);

	make_rules(group, id, label, rules, count);
	free(rules);
}

/* Rules that a hash table can hold, and that hash table. */
static void make_endpoint_rules(struct group *group, const char *id, const char *label,
				uint32_t count)
{
	struct random_rule *rules = random_endpoint_rules(count);
	const struct variant *empty = make_rules(group, id, label, rules, count);
	int map = group_add_rival(group, "hash", "a hash table of all", empty, "hash4", "endpoints",
				  count);

	for (uint32_t i = 0; i < count; i++)
		rival_put_endpoint(map, prefix_addr4(&rules[i].prefix), rules[i].port_low);
	free(rules);
}

static void make_prefixes(struct group *group, const char *id, const char *label, int family,
			  uint32_t count)
{
	struct prefix *prefixes = random_prefixes(family, count);
	struct variant *tidegate;
	struct cost cost;

	group_begin(group, id, label);
	group->stream = stream_of_prefixes(family, prefixes, count);
	tidegate = group_add(group, "tidegate", "tidegate", group_add_floor(group));
	gate_with_prefixes(tidegate, family, prefixes, count, &cost);
	group_add_trie(group, tidegate, &cost, family, prefixes, count);
	free(prefixes);
}

struct group *make_rule_groups(struct group *groups)
{
	make_one(groups++);
	make_mixed_rules(groups++, "rules-100", "100 rules of all kinds", 100);
	make_mixed_rules(groups++, "rules-10000", "10,000 rules of all kinds", 10000);
	make_endpoint_rules(groups++, "endpoints-10000", "10,000 rules of one endpoint", 10000);
	make_prefixes(groups++, "prefixes4-1000", "1,000 prefixes, IPv4", AF_INET, 1000);
	make_prefixes(groups++, "prefixes4-100000", "100,000 prefixes, IPv4", AF_INET, 100000);
	make_prefixes(groups++, "prefixes4-1000000", "1,000,000 prefixes, IPv4", AF_INET, 1000000);
	make_prefixes(groups++, "prefixes6-1000", "1,000 prefixes, IPv6", AF_INET6, 1000);
	make_prefixes(groups++, "prefixes6-100000", "100,000 prefixes, IPv6", AF_INET6, 100000);
	make_prefixes(groups++, "prefixes6-1000000", "1,000,000 prefixes, IPv6", AF_INET6, 1000000);
	return groups;
}
