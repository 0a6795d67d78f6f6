/* SPDX-License-Identifier: MIT */
/* list_sets.h - what a list means, as sets. */
#ifndef TG_POLICY_LIST_SETS_H
#define TG_POLICY_LIST_SETS_H

#include <stddef.h>

#include "base/interval.h"
#include "parse/unix_path.h"
#include "policy/products.h"
#include "system/cgroup_chain.h"
#include "tidegate.h"

struct tg_set_uses;

/*
 * The sets of a list.  A list of endpoints is products and paths.  A list of
 * cgroups stays a list, because the keys of cgroups depend on all cgroups that the
 * rules of an operation name.  Any other field is one set of keys: numbers, or 16
 * bytes of comm as a big-endian number.
 */
struct tg_list_sets {
	enum tg_field field;
	struct tg_product *products;
	size_t product_count;
	struct tg_path_set paths; /* unix sockets, in addition to the products */
	struct tg_set_uses *uses; /* of live sets, in addition to the products; NULL: none */
	struct tg_intervals set;
	struct tg_cgroups cgroups; /* of TG_FIELD_CGROUP, instead of `set` */
};

/*
 * Work out what a list means: its positive items, or everything if all its items
 * are negative, without the negative ones.  An empty list means nothing.
 */
int tg_list_to_sets(const struct tg_list *list, struct tg_list_sets *sets);
void tg_list_sets_free(struct tg_list_sets *sets);

#endif
