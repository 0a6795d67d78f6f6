/* SPDX-License-Identifier: MIT */
/* groups.c - all groups, in the order in which they are measured. */
#include "bench/groups.h"

uint32_t make_groups(struct group groups[MOST_GROUPS])
{
	struct group *end = make_rule_groups(groups);

	end = make_set_groups(end);
	end = make_balance_groups(end);
	end = make_packet_groups(end);
	return (uint32_t)(end - groups);
}
