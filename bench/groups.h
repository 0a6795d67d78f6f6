/* SPDX-License-Identifier: MIT */
/* groups.h - all groups. Each function below is in the file that its comment names. */
#ifndef BENCH_GROUPS_H
#define BENCH_GROUPS_H

#include <stdint.h>

#include "bench/group.h"

#define MOST_GROUPS 32

/* groups.c: make all groups. Returns how many there are: fewer if nftables is missing. */
uint32_t make_groups(struct group groups[MOST_GROUPS]);

/* Each of the following functions makes some groups, and returns the place after the last one. */

/* rule_groups.c: rules and lists of prefixes, compared with hash tables and tries */
struct group *make_rule_groups(struct group *groups);

/* set_groups.c: live sets, compared with hash tables and tries */
struct group *make_set_groups(struct group *groups);

/* balance_groups.c: backends and services, compared with a hand-written balancer */
struct group *make_balance_groups(struct group *groups);

/* packet_groups.c: datagrams, compared with nftables */
struct group *make_packet_groups(struct group *groups);

#endif
