/* SPDX-License-Identifier: MIT */
/* set_groups.c - live sets, compared with hash tables and tries of the same elements. */
#include "bench/groups.h"

#include <stdlib.h>

#include "bench/bench.h"
#include "bench/group.h"
#include "bench/large_policy.h"
#include "bench/random.h"
#include "bench/report.h"
#include "bench/rival.h"

/* Begin a group with a live set of addresses that calls go to. Returns that variant. */
static struct variant *make_set(struct group *group, const char *id, const char *label,
				const struct prefix *elements, uint32_t count, struct cost *cost)
{
	struct variant *set;

	group_begin(group, id, label);
	group->stream = stream_of_prefixes(AF_INET, elements, count);
	set = group_add(group, "set", "a live set", group_add_floor(group));
	gate_with_set(set, AF_INET, elements, count, cost);
	return set;
}

static void make_hosts(struct group *group, const char *id, const char *label, uint32_t count)
{
	struct prefix *hosts = random_hosts(AF_INET, count);
	struct cost cost;
	struct variant *set = make_set(group, id, label, hosts, count, &cost);

	rival_fill_set(group_add_rival(group, "hash", "the kernel's hash table", set->against,
				       "set4", "addresses", count),
		       hosts, count);
	group_add_trie(group, set, &cost, AF_INET, hosts, count);
	free(hosts);
}

/* Prefixes of many lengths: a lookup tries each length. */
static void make_nets(struct group *group, const char *id, const char *label, uint32_t count)
{
	struct prefix *prefixes = random_prefixes(AF_INET, count);
	struct cost cost;
	struct variant *set = make_set(group, id, label, prefixes, count, &cost);

	group_add_trie(group, set, &cost, AF_INET, prefixes, count);
	free(prefixes);
}

struct group *make_set_groups(struct group *groups)
{
	make_hosts(groups++, "set-1", "a set of 1 address", 1);
	make_hosts(groups++, "set-1000", "a set of 1,000 addresses", 1000);
	make_hosts(groups++, "set-1000000", "a set of 1,000,000 addresses", 1000000);
	make_nets(groups++, "set-prefixes", "a set of 100,000 prefixes", 100000);
	return groups;
}
