/* SPDX-License-Identifier: MIT */
/* rate.h - the rates of a rule: of its calls, and of its events. */
#ifndef TG_POLICY_RATE_H
#define TG_POLICY_RATE_H

#include <stdint.h>

#include "bpf/layout/image_layout.h"

/* A rule with a rate matches only the calls that exceed it. */
struct tg_rate {
	uint64_t interval_ns; /* of one call; 0: the rule has no rate */
	uint64_t window_ns;   /* what a burst may use */
	uint32_t per;         /* enum tg_per */
};

/* Read "100/s burst 200" and "uid"; both may be NULL. */
int tg_rate_parse(const char *over, const char *per, struct tg_rate *rate);

/*
 * Read "10/s", "1/100", "true" or "false", the rate of a rule's events; NULL: the
 * default of the verb of `term`.  Fills in what the term logs.
 */
int tg_log_rate_parse(const char *text, struct tg_term *term);

#endif
