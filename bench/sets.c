/* SPDX-License-Identifier: MIT */
/* sets.c - live sets, beside the kernel's hash table and trie with the same elements. */
#include <stdlib.h>

#include "bench.h"

static void make_hosts(struct group *group, const char *id, const char *label, uint32_t count)
{
	struct prefix *hosts = random_hosts(AF_INET, count);
	const struct variant *empty;
	struct variant *set;
	struct cost cost;
	double start;
	int trie;

	group_begin(group, id, label);
	group->stream = stream_of_prefixes(AF_INET, hosts, count);
	empty = group_add_floor(group);
	set = group_add(group, "set", "a live set", empty);
	gate_with_set(set, AF_INET, hosts, count, &cost);
	rival_fill_set(group_add_rival(group, "hash", "the kernel's hash table", empty, "set4",
				       "addresses", count),
		       hosts, count);
	trie = group_add_rival(group, "trie", "the kernel's LPM trie", empty, "lpm4", "trie4",
			       count);
	start = now_ns();
	rival_fill_trie(trie, AF_INET, hosts, count);
	check_prefixes(group, set, trie);
	report_cost(group, &cost, (now_ns() - start) / 1e6, map_bytes(trie));
	free(hosts);
}

/* Of many lengths, each of which is one probe. */
static void make_nets(struct group *group, const char *id, const char *label, uint32_t count)
{
	struct prefix *prefixes = random_prefixes(AF_INET, count);
	const struct variant *empty;
	struct variant *set;
	struct cost cost;
	double start;
	int trie;

	group_begin(group, id, label);
	group->stream = stream_of_prefixes(AF_INET, prefixes, count);
	empty = group_add_floor(group);
	set = group_add(group, "set", "a live set", empty);
	gate_with_set(set, AF_INET, prefixes, count, &cost);
	trie = group_add_rival(group, "trie", "the kernel's LPM trie", empty, "lpm4", "trie4",
			       count);
	start = now_ns();
	rival_fill_trie(trie, AF_INET, prefixes, count);
	check_prefixes(group, set, trie);
	report_cost(group, &cost, (now_ns() - start) / 1e6, map_bytes(trie));
	free(prefixes);
}

void make_sets(struct group *groups)
{
	make_hosts(groups++, "set-1", "a set of 1 address", 1);
	make_hosts(groups++, "set-1000", "a set of 1,000 addresses", 1000);
	make_hosts(groups++, "set-1000000", "a set of 1,000,000 addresses", 1000000);
	make_nets(groups++, "set-prefixes", "a set of 100,000 prefixes", 100000);
}
