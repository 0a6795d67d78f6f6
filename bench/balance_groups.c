/* SPDX-License-Identifier: MIT */
/*
 * balance_groups.c - fixed lists of backends and live services, compared with a hand-written
 * balancer: two lookups and a random number.
 *
 * Every destination is a VIP. The calling program sees the backend that it really reached, as with
 * the hand-written balancer; "VIP shown" adds the cost of remembering the VIP. The groups of
 * services also measure a single read from as much memory as many services need: no table of that
 * size can be faster.
 */
#include "bench/groups.h"

#include <stdlib.h>

#include "bench/backends.h"
#include "bench/bench.h"
#include "bench/check.h"
#include "bench/group.h"
#include "bench/prefix.h"
#include "bench/random.h"
#include "bench/report.h"
#include "bench/rival.h"
#include "bench/rival_layout.h"

#define VIP              "10.1.2.3:6000"
#define SERVICE_BACKENDS 10

static struct variant *add_list(struct group *group, const char *id, const char *label,
				const struct variant *against, uint32_t backends, bool weighted,
				bool reveal)
{
	struct variant *variant = group_add(group, id, label, against);

	gate_with_backends(variant, VIP, backends, weighted, reveal);
	return variant;
}

static void make_list(struct group *group, const char *id, const char *label, uint32_t backends)
{
	struct prefix vip = prefix_of_addr4(RIVAL_FROM_ADDR);
	const struct variant *empty;
	struct variant *rival;
	struct cost cost;

	group_begin(group, id, label);
	group->stream = stream_of_one(RIVAL_FROM_ADDR, RIVAL_FROM_PORT);
	empty = group_add_floor(group);
	check_balance(group,
		      add_list(group, "equal", "equal weights", empty, backends, false, true), &vip,
		      1, backends);
	check_balance(group,
		      add_list(group, "weighted", "unequal weights", empty, backends, true, true),
		      &vip, 1, backends);
	add_list(group, "kept", "equal weights, VIP shown", empty, backends, false, false);
	rival = group_add(group, "hand", "two lookups, by hand", empty);
	rival_attach_balancer(rival, &vip, 1, RIVAL_FROM_PORT, backends, &cost);
	check_balance(group, rival, &vip, 1, backends);
}

static void make_services(struct group *group, const char *id, const char *label, uint32_t count)
{
	struct prefix *vips = random_hosts(AF_INET, count);
	const struct variant *empty;
	struct variant *services, *rival;
	struct cost cost;

	group_begin(group, id, label);
	group->stream = stream_of_hosts(vips, count, VIP_PORT);
	empty = group_add_floor(group);
	services = group_add(group, "services", "live services", empty);
	gate_with_services(services, vips, count, SERVICE_BACKENDS, &cost);
	check_balance(group, services, vips, count, SERVICE_BACKENDS);
	rival = group_add(group, "hand", "two lookups, by hand", empty);
	rival_attach_balancer(rival, vips, count, VIP_PORT, SERVICE_BACKENDS, &cost);
	check_balance(group, rival, vips, count, SERVICE_BACKENDS);
	group_add_rival(group, "row", "one row of 64 MiB", empty, "row4", "rows",
			1u << RIVAL_ROW_BITS);
	report_cost(group, &cost);
	free(vips);
}

struct group *make_balance_groups(struct group *groups)
{
	make_list(groups++, "balance-2", "a fixed list of 2 backends", 2);
	make_list(groups++, "balance-10", "a fixed list of 10 backends", 10);
	make_list(groups++, "balance-256", "a fixed list of 256 backends", 256);
	make_services(groups++, "services-1", "1 service of 10 backends", 1);
	make_services(groups++, "services-100000", "100,000 services of 10 backends", 100000);
	return groups;
}
