/* SPDX-License-Identifier: MIT */
/* rate.h - a rule's rate: only what exceeds it matches. */
#ifndef TG_POLICY_RATE_H
#define TG_POLICY_RATE_H

#include <stdint.h>

struct tg_rate {
	uint64_t interval_ns; /* of one call; 0: the rule has no rate */
	uint64_t window_ns;   /* what a burst may use up */
	uint32_t per;         /* enum tg_per */
};

/* From "100/s burst 200" and "uid"; both may be NULL. */
int tg_rate_parse(const char *over, const char *per, struct tg_rate *rate);

#endif
