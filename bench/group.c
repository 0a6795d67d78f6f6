/* SPDX-License-Identifier: MIT */
/* group.c - groups of variants, which is what is measured. */
#include "bench/group.h"

#include "bench/bench.h"
#include "bench/cgroup.h"
#include "bench/check.h"
#include "bench/report.h"
#include "bench/rival.h"

void group_begin(struct group *group, const char *id, const char *label)
{
	say("SET UP", label);
	*group = (struct group){.id = id, .label = label};
}

struct variant *group_add(struct group *group, const char *id, const char *label,
			  const struct variant *against)
{
	struct variant *variant = &group->variants[group->count++];

	if (group->count > GROUP_VARIANTS)
		die("%s: more than %d variants", group->id, GROUP_VARIANTS);
	*variant = (struct variant){
		.id = id,
		.label = label,
		.op = group->op,
		.program = -1,
		.link = -1,
		.against = against,
	};
	variant_place(variant, group->stream.family);
	return variant;
}

int group_add_rival(struct group *group, const char *id, const char *label,
		    const struct variant *against, const char *program, const char *map,
		    uint32_t entries)
{
	return rival_attach(group_add(group, id, label, against), program, map, entries);
}

const struct variant *group_add_floor(struct group *group)
{
	bool is4 = group->stream.family == AF_INET;
	struct variant *empty;

	group_add(group, "none", "no program", NULL);
	empty = group_add(group, "empty", "empty program", NULL);
	rival_attach(empty, is4 ? "allow4" : "allow6", NULL, 0);
	return empty;
}

void group_add_trie(struct group *group, struct variant *ours, struct cost *cost, int family,
		    const struct prefix *prefixes, uint32_t count)
{
	int trie = group_add_rival(group, "trie", "the kernel's LPM trie", ours->against,
				   family == AF_INET ? "lpm4" : "lpm6",
				   family == AF_INET ? "trie4" : "trie6", count);
	double start = now_ns();

	rival_fill_trie(trie, family, prefixes, count);
	cost->rival_ms = (now_ns() - start) / 1e6;
	cost->rival_bytes = map_bytes(trie);
	check_prefixes(group, ours, trie);
	report_cost(group, cost);
}
