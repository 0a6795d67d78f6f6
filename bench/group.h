/* SPDX-License-Identifier: MIT */
/*
 * group.h - groups of variants, which is what is measured.
 *
 * A variant is one cgroup with one program, or none, and sockets that were made in it: a connect
 * or a datagram of one of those sockets runs that program. A group is a stream of destinations and
 * the variants that are measured with it.
 */
#ifndef BENCH_GROUP_H
#define BENCH_GROUP_H

#include <limits.h>
#include <stdint.h>

#include "bench/samples.h"
#include "bench/stream.h"
#include "tidegate.h"

struct cost;
struct prefix;

/* The speed of a socket depends on where in memory it happens to be, so one is not enough. */
#define VARIANT_SOCKETS 8

struct variant {
	const char *id;
	const char *label;
	char cgroup[PATH_MAX];
	int cgroup_fd;
	int sockets[VARIANT_SOCKETS]; /* used in turn */
	enum tg_op op;                /* of its group: connect or sendmsg */
	int error;                    /* how its calls end: 0 or an errno */
	uint32_t slow;                /* divides the length of its batches; 0: does not */
	int program;                  /* -1: none */
	int link;                     /* of a rival; a gate has its own */
	struct tg_gate *gate;
	const struct variant *against; /* whose figures are subtracted from its own */
	struct samples call;           /* ns a call, by round */
	struct samples run;            /* ns a run of the program, by round */
};

#define GROUP_VARIANTS 16

struct group {
	const char *id;
	const char *label;
	enum tg_op op;
	struct stream stream;
	struct variant variants[GROUP_VARIANTS];
	uint32_t count;
	uint32_t round;
	uint32_t cursor; /* in the stream; wraps around */
};

void group_begin(struct group *group, const char *id, const char *label);

/* Add a variant that has no program yet. The group must have its stream. */
struct variant *group_add(struct group *group, const char *id, const char *label,
			  const struct variant *against);

/* Add a rival with one map, or with none. Returns the map, or -1. */
int group_add_rival(struct group *group, const char *id, const char *label,
		    const struct variant *against, const char *program, const char *map,
		    uint32_t entries);

/*
 * Add a variant without a program, and one whose program does nothing. Returns the second: the
 * figures of others are compared with it.
 */
const struct variant *group_add_floor(struct group *group);

/*
 * Add a trie of the prefixes that `ours` has, check that both give the same answers, and report
 * the cost of filling them.
 */
void group_add_trie(struct group *group, struct variant *ours, struct cost *cost, int family,
		    const struct prefix *prefixes, uint32_t count);

#endif
