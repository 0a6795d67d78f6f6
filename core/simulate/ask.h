/* SPDX-License-Identifier: MIT */
/* ask.h - a query as the hooks would read the call. */
#ifndef TG_SIMULATE_ASK_H
#define TG_SIMULATE_ASK_H

#include <stdbool.h>
#include <sys/socket.h>

#include "bpf/engine/keys.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/tree_search.h"
#include "tidegate.h"

#define TG_ROOT_CGROUP 1 /* the root's id */

#define TG_ALL_KEYS ((1ull << TG_KEYS) - 1)

static inline bool tg_query_is_unix(const struct tg_query *query)
{
	return query->family == AF_UNIX;
}

struct tg_asked {
	struct tg_view view;
	struct tg_keys keys;
	const struct tg_section *section; /* NULL: the image says nothing about the operation */
};

/*
 * Sets and services are looked up in `tables`; NULL: in the image's, with their
 * first contents.  -EINVAL: bad query, or damaged image; -ENOMEM.
 */
int tg_ask(const struct tg_image *image, const struct tg_table_rows *tables,
	   const struct tg_query *query, struct tg_asked *asked);

#endif
