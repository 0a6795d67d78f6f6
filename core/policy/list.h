/* SPDX-License-Identifier: MIT */
/* list.h - a list of patterns, which list.c builds and list_sets.c reads. */
#ifndef TG_POLICY_LIST_H
#define TG_POLICY_LIST_H

#include "parse/unix_path.h"
#include "policy/products.h"
#include "policy/set_use.h"
#include "system/cgroup_chain.h"
#include "tidegate.h"

/* The items without '!', or the items with it.  Their sets are not normal yet. */
struct tg_list_side {
	bool any; /* there is an item, even one without values */
	struct tg_products
		endpoints; /* one product per set of ports: it may have a million addresses */
	struct tg_path_set paths;   /* unix sockets among the endpoints */
	struct tg_intervals values; /* of all other fields except cgroups */
};

struct tg_list {
	enum tg_field field;
	uint32_t flags; /* TG_LIST_* */
	struct tg_list_side included, excluded;
	struct tg_set_uses sets; /* live sets among the included endpoints */
	struct tg_set_uses less; /* live sets that are excluded, for the ports of their products */
	struct tg_cgroups cgroups;   /* of both sides */
	bool names_any4, names_any6; /* an item is exactly 0.0.0.0, or :: */
};

int tg_list_copy(struct tg_list **out, const struct tg_list *list);

/* Sort and merge the items.  The list means the same, and its sets are found faster. */
int tg_list_normalise(struct tg_list *list);

#endif
