/* SPDX-License-Identifier: MIT */
/* check.c - check what the measurement relies on. */
#include "bench/check.h"

#include <bpf/bpf.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/backends.h"
#include "bench/bench.h"
#include "bench/group.h"
#include "bench/measure_calls.h"
#include "bench/prefix.h"
#include "bench/random.h"
#include "bench/rival_layout.h"

/* How many destinations are checked. */
#define ANSWERS 4096

/* --- Programs ------------------------------------------------------------------- */

static uint64_t all_runs(const struct group *groups, uint32_t count)
{
	uint64_t runs = 0;

	for (uint32_t g = 0; g < count; g++)
		for (uint32_t i = 0; i < groups[g].count; i++)
			runs += program_info(&groups[g].variants[i]).run_cnt;
	return runs;
}

static void check_socket(const struct group *groups, uint32_t count, const struct group *group,
			 const struct variant *variant, int socket)
{
	uint64_t all = all_runs(groups, count), own = program_info(variant).run_cnt;
	uint64_t runs = variant->program >= 0;
	int error;

	error = call_once(variant, socket, &group->stream.addresses[0]);
	if (error != variant->error)
		die("%s/%s: a call ended with \"%s\"", group->id, variant->id, strerror(error));
	if (program_info(variant).run_cnt - own != runs || all_runs(groups, count) - all != runs)
		die("%s/%s: a call did not run only the program of its socket's cgroup", group->id,
		    variant->id);
}

void check_programs(const struct group *groups, uint32_t count)
{
	int statistics = count_runs();

	for (const struct group *group = groups; group < groups + count; group++)
		for (uint32_t i = 0; i < group->count; i++)
			for (uint32_t s = 0; s < VARIANT_SOCKETS; s++)
				check_socket(groups, count, group, &group->variants[i],
					     group->variants[i].sockets[s]);
	close(statistics);
}

void check_errors(const struct group *groups, uint32_t count)
{
	for (const struct group *group = groups; group < groups + count; group++) {
		for (uint32_t i = 0; i < group->count; i++) {
			struct tg_gate_stats stats = {.size = sizeof(stats)};
			struct tg_gate *gate = group->variants[i].gate;

			if (gate)
				check(tg_gate_stats(gate, NULL, 0, &stats));
			if (stats.errors)
				die("%s/%s: %llu calls were decided by on_error", group->id,
				    group->variants[i].id, (unsigned long long)stats.errors);
		}
	}
}

/* --- Answers -------------------------------------------------------------------- */

static uint64_t hits(const struct variant *variant, uint32_t rule)
{
	struct tg_gate_stats stats = {.size = sizeof(stats)};
	struct tg_counters counters;

	if (rule == TG_RULE_DEFAULT) {
		check(tg_gate_stats(variant->gate, NULL, 0, &stats));
		return stats.defaults[variant->op].hits;
	}
	check(tg_gate_rule_counters(variant->gate, rule, &counters));
	return counters.hits;
}

/* Check that this rule decides a call to that address. */
static void check_answer(const struct group *group, const struct variant *variant,
			 const union address *address, uint32_t rule)
{
	uint64_t before = hits(variant, rule);

	call_once(variant, variant->sockets[0], address);
	if (hits(variant, rule) != before + 1)
		die("%s/%s: rule %d did not decide a call that it should have", group->id,
		    variant->id, (int)rule);
}

static uint32_t first_match(const struct random_rule *rules, uint32_t count,
			    const union address *address)
{
	for (uint32_t i = 0; i < count; i++)
		if (random_rule_matches(&rules[i], address))
			return i;
	return TG_RULE_DEFAULT;
}

void check_rules(const struct group *group, const struct variant *variant,
		 const struct random_rule *rules, uint32_t count)
{
	for (uint32_t i = 0; i < ANSWERS; i++) {
		const union address *address = &group->stream.addresses[i];

		check_answer(group, variant, address, first_match(rules, count, address));
	}
}

static bool trie_has(int trie, const union address *address)
{
	struct rival_prefix6 key = {.length = 32};
	uint32_t verdict;

	if (address->any.sa_family == AF_INET) {
		key.addr_be[0] = address->in4.sin_addr.s_addr;
	} else {
		key.length = 128;
		memcpy(key.addr_be, &address->in6.sin6_addr, 16);
	}
	return !bpf_map_lookup_elem(trie, &key, &verdict);
}

void check_prefixes(const struct group *group, const struct variant *variant, int trie)
{
	for (uint32_t i = 0; i < ANSWERS; i++) {
		const union address *address = &group->stream.addresses[i];

		check_answer(group, variant, address,
			     trie_has(trie, address) ? 0 : TG_RULE_DEFAULT);
	}
}

void check_dropped(const struct group *group, const struct variant *ours,
		   const struct variant *dropping)
{
	for (uint32_t i = 0; i < ANSWERS; i++) {
		const union address *address =
			&group->stream.addresses[i & (group->stream.count - 1)];
		uint64_t missed = hits(ours, TG_RULE_DEFAULT);
		bool matched, dropped;

		call_once(ours, ours->sockets[0], address);
		matched = hits(ours, TG_RULE_DEFAULT) == missed;
		dropped = call_once(dropping, dropping->sockets[0], address) != 0;
		if (matched != dropped)
			die("%s/%s: does not drop exactly the calls that rules of %s match",
			    group->id, dropping->id, ours->id);
	}
}

static bool is_backend_of(const struct prefix *vips, uint32_t count, uint32_t backends,
			  uint32_t asked, uint32_t peer)
{
	uint32_t number = (peer - BACKEND_ADDR(0, 0, 0)) / backends;

	return number < count && prefix_addr4(&vips[number]) == asked;
}

void check_balance(const struct group *group, const struct variant *variant,
		   const struct prefix *vips, uint32_t count, uint32_t backends)
{
	for (uint32_t i = 0; i < ANSWERS; i++) {
		const union address *address =
			&group->stream.addresses[i & (group->stream.count - 1)];
		union address peer;
		socklen_t size = sizeof(peer);

		call_once(variant, variant->sockets[0], address);
		if (getpeername(variant->sockets[0], &peer.any, &size) ||
		    ntohs(peer.in4.sin_port) != BACKEND_PORT ||
		    !is_backend_of(vips, count, backends, ntohl(address->in4.sin_addr.s_addr),
				   ntohl(peer.in4.sin_addr.s_addr)))
			die("%s/%s: a call did not go to a backend of its VIP", group->id,
			    variant->id);
	}
}
