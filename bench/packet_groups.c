/* SPDX-License-Identifier: MIT */
/*
 * packet_groups.c - datagrams that are sent, judged by Tidegate's sendmsg hook, or by an output
 * chain of nftables whose rules mean the same.
 *
 * Figures are compared with the call without either. While the calls are measured, both let pass
 * what they match, because a dropped datagram takes less time. But nftables is first loaded with
 * rules that drop, to check that it drops what Tidegate's rules match.
 */
#include "bench/groups.h"

#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/check.h"
#include "bench/group.h"
#include "bench/large_policy.h"
#include "bench/nftables.h"
#include "bench/prefix.h"
#include "bench/random.h"
#include "bench/report.h"
#include "bench/rival_layout.h"

/* What a ruleset is made from: `count` rules, or `count` prefixes. */
struct content {
	const struct random_rule *rules;
	const struct prefix *prefixes;
	uint32_t count;
};

/* Writes a ruleset with some verdict, which replaces the one in force. */
typedef void (*writer)(FILE *script, const struct content *content, const char *verdict);

static void write_start(FILE *script)
{
	fputs("flush ruleset\ntable ip bench {\n", script);
}

static void write_chain(FILE *script)
{
	fputs("chain out {\ntype filter hook output priority 0; policy accept;\n", script);
}

static void write_end(FILE *script)
{
	fputs("}\n}\n", script);
}

static void write_addr(FILE *script, const struct prefix *prefix)
{
	char text[64];

	prefix_text(AF_INET, prefix, text, sizeof(text));
	if (prefix->length == 32)
		*strchr(text, '/') = 0;
	fputs(text, script);
}

/* One rule after the other, the first way that comes to mind: nftables tries each of them. */
static void write_rules(FILE *script, const struct content *content, const char *verdict)
{
	write_start(script);
	write_chain(script);
	for (uint32_t i = 0; i < content->count; i++) {
		fputs("ip daddr ", script);
		write_addr(script, &content->rules[i].prefix);
		fprintf(script, " udp dport %u %s\n", content->rules[i].port_low, verdict);
	}
	write_end(script);
}

/* A hash table from endpoints to verdicts. */
static void write_map(FILE *script, const struct content *content, const char *verdict)
{
	write_start(script);
	fprintf(script,
		"map endpoints {\n"
		"type ipv4_addr . inet_service : verdict; size %u;\nelements = {\n",
		content->count);
	for (uint32_t i = 0; i < content->count; i++) {
		write_addr(script, &content->rules[i].prefix);
		fprintf(script, " . %u : %s,\n", content->rules[i].port_low, verdict);
	}
	fputs("}\n}\n", script);
	write_chain(script);
	fputs("ip daddr . udp dport vmap @endpoints\n", script);
	write_end(script);
}

/* A set: a hash table if all are whole addresses, else a tree of intervals. */
static void write_set(FILE *script, const struct content *content, const char *verdict)
{
	bool whole = true;

	for (uint32_t i = 0; i < content->count && whole; i++)
		whole = content->prefixes[i].length == 32;
	write_start(script);
	fputs("set addresses {\ntype ipv4_addr;", script);
	if (whole)
		fprintf(script, " size %u;\nelements = {\n", content->count);
	else
		fputs(" flags interval; auto-merge;\nelements = {\n", script);
	for (uint32_t i = 0; i < content->count; i++) {
		write_addr(script, &content->prefixes[i]);
		fputs(",\n", script);
	}
	fputs("}\n}\n", script);
	write_chain(script);
	fprintf(script, "ip daddr @addresses %s\n", verdict);
	write_end(script);
}

/* Another verdict for the same set. */
static void write_set_verdict(FILE *script, const struct content *content, const char *verdict)
{
	(void)content;
	fprintf(script, "flush chain ip bench out\nadd rule ip bench out ip daddr @addresses %s\n",
		verdict);
}

/* Load a ruleset. Returns how many ms nft took. */
static double load(writer writer, const struct content *content, const char *verdict)
{
	FILE *script = open_scratch();

	writer(script, content, verdict);
	return nft_run(script);
}

/*
 * Add nftables to a group. `first` writes the ruleset, `again` changes its verdict. Returns how
 * many ms the first ruleset took.
 */
static double add_nft(struct group *group, const char *id, const char *label,
		      const struct variant *ours, writer first, writer again,
		      const struct content *content)
{
	struct variant *variant;
	double ms;

	sink_enter();
	variant = group_add(group, id, label, ours->against);
	ms = load(first, content, "drop");
	check_dropped(group, ours, variant);
	load(again, content, "accept");
	sink_leave();
	return ms;
}

/* Add a variant in a network namespace like that of the others. */
static struct variant *add(struct group *group, const char *id, const char *label,
			   const struct variant *against)
{
	struct variant *variant;

	sink_enter();
	variant = group_add(group, id, label, against);
	sink_leave();
	return variant;
}

/* Begin a group. Returns the variant of Tidegate, which has no policy yet. */
static struct variant *begin(struct group *group, const char *id, const char *label,
			     struct stream stream)
{
	group_begin(group, id, label);
	group->op = TG_OP_SENDMSG;
	group->stream = stream;
	return add(group, "tidegate", "tidegate", add(group, "none", "neither", NULL));
}

static void make_one(struct group *group)
{
	struct random_rule rule = {
		.prefix = prefix_of_addr4(RIVAL_FROM_ADDR),
		.port_low = RIVAL_FROM_PORT,
		.port_high = RIVAL_FROM_PORT,
		.udp = true,
	};
	struct content content = {.rules = &rule, .count = 1};
	struct variant *ours = begin(group, "sent-one", "sent: 1 rule",
				     stream_of_one(RIVAL_FROM_ADDR, RIVAL_FROM_PORT));
	struct cost cost;

	gate_with_rules(ours, &rule, 1, &cost);
	add_nft(group, "nft", "nftables, 1 rule", ours, write_rules, write_rules, &content);
}

static void make_endpoints(struct group *group, uint32_t count)
{
	struct random_rule *rules = random_endpoint_rules(count);
	struct content content = {.rules = rules, .count = count};
	struct variant *ours = begin(group, "sent-endpoints", "sent: 10,000 rules of one endpoint",
				     stream_of_rules(rules, count));
	struct cost cost;

	gate_with_rules(ours, rules, count, &cost);
	cost.rival_ms =
		add_nft(group, "map", "nftables, a map", ours, write_map, write_map, &content);
	add_nft(group, "rules", "nftables, 10,000 rules", ours, write_rules, write_rules, &content);
	group->variants[group->count - 1].slow = 64;
	report_cost(group, &cost);
	free(rules);
}

/* Addresses in a live set or in a rule's list, compared with a set of nftables. Frees them. */
static void make_addresses(struct group *group, const char *id, const char *label,
			   struct prefix *prefixes, uint32_t count,
			   void (*give)(struct variant *variant, int family,
					const struct prefix *prefixes, uint32_t count,
					struct cost *cost))
{
	struct content content = {.prefixes = prefixes, .count = count};
	struct variant *ours =
		begin(group, id, label, stream_of_prefixes(AF_INET, prefixes, count));
	struct cost cost;

	give(ours, AF_INET, prefixes, count, &cost);
	cost.rival_ms = add_nft(group, "nft", "nftables, a set", ours, write_set, write_set_verdict,
				&content);
	report_cost(group, &cost);
	free(prefixes);
}

struct group *make_packet_groups(struct group *groups)
{
	if (!nft_is_there())
		return groups;
	make_one(groups++);
	make_endpoints(groups++, 10000);
	make_addresses(groups++, "sent-set", "sent: a set of 1,000,000 addresses",
		       random_hosts(AF_INET, 1000000), 1000000, gate_with_set);
	/* Not 1,000,000: nft takes most of a minute to load those. */
	make_addresses(groups++, "sent-prefixes", "sent: 100,000 prefixes",
		       random_prefixes(AF_INET, 100000), 100000, gate_with_prefixes);
	return groups;
}
