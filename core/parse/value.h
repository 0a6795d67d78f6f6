/* SPDX-License-Identifier: MIT */
/* value.h - items of the fields that are one number or name: ports, users, commands … */
#ifndef TG_PARSE_VALUE_H
#define TG_PARSE_VALUE_H

#include <stdbool.h>

#include "base/interval.h"
#include "system/cgroup_chain.h"
#include "tidegate.h"

/* Longer ones are not items: they would push the reason out of an error's text. */
#define TG_ITEM_MAX 300

struct tg_value {
	bool negated;
	bool and_mptcp; /* "tcp", which means IPPROTO_MPTCP too */
	struct tg_key128 first, last;
	struct tg_cgroup_chain cgroup; /* of TG_FIELD_CGROUP, in their place */
};

/* Read an item of any field but those of endpoints. */
int tg_value_parse(enum tg_field field, const char *item, struct tg_value *value);

/*
 * What every item has: take the '!' off its front, and refuse what is empty or
 * too long.  *text is left at the rest.
 */
int tg_item_start(const char *item, const char **text, bool *negated);

/* Read "443", "80-90", "*" or "https", a part of `item`. */
int tg_port_parse(const char *item, const char *text, uint32_t *first, uint32_t *last);

/*
 * Read digits up to a number of at most `max`; what follows them is the
 * caller's.  false: no digits, or more than that.
 */
bool tg_number_scan(const char **text, uint64_t max, uint64_t *number);

#endif
