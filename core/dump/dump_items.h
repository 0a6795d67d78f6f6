/* SPDX-License-Identifier: MIT */
/* dump_items.h - sets of values as the items of a list again: "10.0.0.0/8", "80-90", "!6". */
#ifndef TG_DUMP_DUMP_ITEMS_H
#define TG_DUMP_DUMP_ITEMS_H

#include <stdbool.h>

#include "base/interval.h"
#include "bpf/layout/image_layout.h"
#include "dump/dump_texts.h"

/*
 * Add the items of a field that is one key.  Those of EXE and CGROUP are only numbers, which no
 * policy can have.  -EOPNOTSUPP: no items are this set.
 */
int tg_dump_items(enum tg_key key, const struct tg_intervals *set, struct tg_dump_texts *texts);

/* Add addresses of both families, to which calls go if `egress` is set. */
int tg_dump_addresses(const struct tg_intervals *addr4, const struct tg_intervals *addr6,
		      bool egress, struct tg_dump_texts *texts);

/* Add all addresses that are not in the sets, as items with a '!'. */
int tg_dump_addresses_except(const struct tg_intervals *addr4, const struct tg_intervals *addr6,
			     bool egress, struct tg_dump_texts *texts);

#endif
