/* SPDX-License-Identifier: MIT */
/* query.h - queries to the simulator, as callers give them. */
#ifndef TG_SIMULATE_QUERY_H
#define TG_SIMULATE_QUERY_H

#include "tidegate.h"

/*
 * Copy the query of a caller, and fill in the protocol if it is left open.  -EINVAL, -E2BIG:
 * see struct_size.h.
 */
int tg_query_take(const struct tg_query *given, struct tg_query *query);

#endif
