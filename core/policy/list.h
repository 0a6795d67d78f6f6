/* SPDX-License-Identifier: MIT */
/*
 * list.h - a list of patterns, as list.c builds it and meaning.c reads it.
 */
#ifndef TG_POLICY_LIST_H
#define TG_POLICY_LIST_H

#include "policy/policy.h"
#include "policy/products.h"
#include "policy/set_use.h"
#include "tidegate.h"

/* The items without '!', or those with it.  Their sets are not normal yet. */
struct tg_list_side {
	bool any;                     /* there is an item, even if it has no values */
	struct tg_products endpoints; /* one a set of ports: a million addresses are one product */
	struct tg_path_set paths;     /* unix sockets among the endpoints */
	struct tg_intervals values;   /* of every other field but cgroups */
};

struct tg_list {
	enum tg_field field;
	struct tg_list_side included, excluded;
	struct tg_set_uses sets;   /* among the endpoints included */
	struct tg_set_use less;    /* sets that are excluded: its `not` */
	struct tg_cgroups cgroups; /* of both sides */
	/* An item is exactly 0.0.0.0, or ::. */
	bool names_any4, names_any6;
};

int tg_list_copy(struct tg_list **out, const struct tg_list *list);

/* Sort and merge the items: the list means the same, and tells it faster. */
int tg_list_normalise(struct tg_list *list);

#endif
