/* SPDX-License-Identifier: MIT */
/*
 * check.h - check what the measurement relies on: a call runs the program of its socket's cgroup
 * and no other, and variants that are compared give the same answers. Otherwise one could be fast
 * because it is wrong. A check that fails ends the benchmark.
 */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <stdint.h>

struct group;
struct prefix;
struct random_rule;
struct variant;

/* A call runs the program of its socket's cgroup, and no other. */
void check_programs(const struct group *groups, uint32_t count);

/* No call was decided by on_error, which would end it early. */
void check_errors(const struct group *groups, uint32_t count);

/* The rule that decides a call is the first one that matches. */
void check_rules(const struct group *group, const struct variant *variant,
		 const struct random_rule *rules, uint32_t count);

/* The first rule matches exactly what is in the trie. */
void check_prefixes(const struct group *group, const struct variant *variant, int trie);

/* A call of `dropping` fails if and only if a rule of `ours` matches it. */
void check_dropped(const struct group *group, const struct variant *ours,
		   const struct variant *dropping);

/* Each call goes to a backend of its own VIP. The variant must show the backend to the program. */
void check_balance(const struct group *group, const struct variant *variant,
		   const struct prefix *vips, uint32_t count, uint32_t backends);

#endif
