/* SPDX-License-Identifier: MIT */
/* named_range.h - the built-in ranges of addresses: "@private", "@metadata" … */
#ifndef TG_PARSE_NAMED_RANGE_H
#define TG_PARSE_NAMED_RANGE_H

#include "base/interval.h"

enum tg_named_range {
	TG_RANGE_PRIVATE,
	TG_RANGE_METADATA,
	TG_RANGE_LOOPBACK,
	TG_RANGE_LINKLOCAL,
	TG_RANGE_MULTICAST,
	TG_RANGE_GLOBAL,
	TG_RANGE_LOCAL, /* the addresses of this host, which change: a live set of this name */
	TG_RANGE_COUNT,
};

/* All of them, for messages. */
#define TG_RANGES_TEXT "@private, @metadata, @loopback, @linklocal, @multicast, @global and @local"

/* The range of this name, without the '@'; -1: there is none. */
int tg_named_range_find(const char *name);

/* Add the addresses of any range but TG_RANGE_LOCAL; the sets need not stay normal. */
int tg_named_range_add(enum tg_named_range range, struct tg_intervals *addr4,
		       struct tg_intervals *addr6);

#endif
