/* SPDX-License-Identifier: MIT */
/* report.h - the results, printed as JSON, one object a line. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdint.h>

struct group;

/* What it takes to get a policy, a table or a ruleset into force. */
struct cost {
	double load_ms; /* to read the list from its file, or the rules from their text */
	double compile_ms;
	double publish_ms; /* into a gate that has its programs */
	uint64_t image_bytes;
	uint64_t kernel_bytes; /* of the map that holds the last images, or of the live table */
	double rival_ms;       /* to fill the rival's map, or to run nft; 0: there is no rival */
	uint64_t rival_bytes;  /* of the rival's maps; 0: not known */
};

void report_cost(const struct group *group, const struct cost *cost);

/* What was measured of each variant of a group. */
void report_group(const struct group *group);

#endif
