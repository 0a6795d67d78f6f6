/* SPDX-License-Identifier: MIT */
/*
 * list_sets.c - what a list means, as sets.
 *
 * A list of endpoints is a union of products A x P minus a union of products N x Q,
 * where A and N are known addresses, or those that a live set has at the time of a
 * call.  The ports are split where the excluded ones begin and end: port_parts.h.
 */
#include "policy/list_sets.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/field.h"
#include "policy/list.h"
#include "policy/port_parts.h"
#include "policy/set_use.h"

static int copy_normal(struct tg_products *out, const struct tg_products *products)
{
	int error = tg_products_copy(out, products);

	return error ? error : tg_products_normalise(out);
}

static int copy_normal_paths(struct tg_path_set *out, const struct tg_path_set *set)
{
	int error = tg_path_set_copy(out, set);

	return error ? error : tg_path_set_normalise(out);
}

/* If all items are negative and some are paths, the paths are all except those. */
static int path_sets(const struct tg_list *list, struct tg_path_set *paths)
{
	struct tg_path_set included = {0}, excluded = {0};
	int error = copy_normal_paths(&included, &list->included.paths);

	if (!error)
		error = copy_normal_paths(&excluded, &list->excluded.paths);
	if (!error && !list->included.any && excluded.count)
		error = tg_path_set_add(&included, &tg_path_any);
	if (!error)
		error = tg_path_set_subtract(paths, &included, &excluded);
	tg_path_set_free(&included);
	tg_path_set_free(&excluded);
	return error;
}

/* What a list of endpoints means, while it is worked out. */
struct meaning {
	const struct tg_list *list;
	struct tg_port_parts parts; /* none: the list excludes nothing */
	struct tg_products products;
	struct tg_set_uses uses;
};

static void free_meaning(struct meaning *meaning)
{
	tg_port_parts_free(&meaning->parts);
	tg_products_free(&meaning->products);
	tg_set_uses_free(&meaning->uses);
}

/* Add a use like `from`, or of no set, that also excludes `less`.  It takes over the products. */
static int add_use(struct meaning *meaning, const struct tg_set_use *from, uint32_t less,
		   struct tg_products *products)
{
	const struct tg_set_uses *excluded = &meaning->list->less;
	struct tg_set_use *use;
	int error = tg_set_uses_add(&meaning->uses, from ? from->set : NULL, &use);

	for (uint32_t i = 0; from && i < from->except_count && !error; i++)
		error = tg_set_use_less(use, from->except[i]);
	for (size_t i = 0; i < excluded->count && !error; i++)
		if (less >> i & 1)
			error = tg_set_use_less(use, excluded->at[i].set);
	if (error)
		return error;
	use->products = *products;
	*products = (struct tg_products){0};
	return 0;
}

/* Add what is left of the products of `from`, or of the list's own, without the sets `less`. */
static int add_rest(struct meaning *meaning, const struct tg_set_use *from, uint32_t less,
		    struct tg_products *products)
{
	int error = tg_products_join(products);

	if (error || !products->count)
		return error;
	if (from || less)
		return add_use(meaning, from, less, products);
	meaning->products = *products;
	*products = (struct tg_products){0};
	return 0;
}

/* Whether no earlier part excludes the same live sets. */
static bool is_first_alike(const struct tg_port_parts *parts, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (parts->at[i].less == parts->at[index].less)
			return false;
	return true;
}

/* The same, without what the list excludes.  The products are normal. */
static int add_included(struct meaning *meaning, const struct tg_set_use *from,
			struct tg_products *products)
{
	const struct tg_port_parts *parts = &meaning->parts;
	int error = parts->count ? 0 : add_rest(meaning, from, 0, products);

	for (size_t i = 0; i < parts->count && !error; i++) {
		uint32_t less = parts->at[i].less;
		struct tg_products rest = {0};

		if (!is_first_alike(parts, i))
			continue;
		for (size_t j = 0; j < products->count; j++)
			for (size_t k = i; k < parts->count && !error; k++)
				if (parts->at[k].less == less)
					error = tg_port_part_subtract(&rest, &products->at[j],
								      &parts->at[k]);
		if (!error)
			error = add_rest(meaning, from, less, &rest);
		tg_products_free(&rest);
	}
	return error;
}

/* The products of the items without '!'. */
static int add_products(struct meaning *meaning)
{
	const struct tg_list *list = meaning->list;
	struct tg_products included = {0};
	int error = 0;

	if (list->included.any)
		error = copy_normal(&included, &list->included.endpoints);
	else if (list->excluded.endpoints.count || list->less.count)
		error = tg_products_everything(&included);
	if (!error)
		error = add_included(meaning, NULL, &included);
	tg_products_free(&included);
	return error;
}

/* The live sets among the items without '!'. */
static int add_uses(struct meaning *meaning)
{
	const struct tg_set_uses *uses = &meaning->list->sets;
	int error = 0;

	for (size_t i = 0; i < uses->count && !error; i++) {
		struct tg_products included = {0};

		error = copy_normal(&included, &uses->at[i].products);
		if (!error)
			error = add_included(meaning, &uses->at[i], &included);
		tg_products_free(&included);
	}
	return error;
}

static int split_ports(struct meaning *meaning)
{
	const struct tg_list *list = meaning->list;
	struct tg_products excluded = {0};
	int error = 0;

	if (!list->excluded.endpoints.count && !list->less.count)
		return 0;
	error = copy_normal(&excluded, &list->excluded.endpoints);
	if (!error)
		error = tg_products_join(&excluded);
	if (!error)
		error = tg_port_parts_split(&meaning->parts, &excluded, &list->less);
	tg_products_free(&excluded);
	return error;
}

static int address_sets(const struct tg_list *list, struct tg_list_sets *sets)
{
	struct meaning meaning = {.list = list};
	struct tg_set_uses *uses = NULL;
	int error = split_ports(&meaning);

	if (!error)
		error = add_products(&meaning);
	if (!error)
		error = add_uses(&meaning);
	if (!error && meaning.uses.count) {
		uses = malloc(sizeof(*uses));
		if (!uses)
			error = tg_fail(-ENOMEM, "out of memory: no room for the sets of a list");
	}
	if (!error) {
		sets->products = meaning.products.at;
		sets->product_count = meaning.products.count;
		meaning.products = (struct tg_products){0};
	}
	if (!error && uses) {
		*uses = meaning.uses;
		sets->uses = uses;
		meaning.uses = (struct tg_set_uses){0};
	}
	free_meaning(&meaning);
	return error;
}

static int endpoint_sets(const struct tg_list *list, struct tg_list_sets *sets)
{
	int error = path_sets(list, &sets->paths);

	if (!error)
		error = address_sets(list, sets);
	if (error)
		tg_path_set_free(&sets->paths);
	return error;
}

static int copy_normal_set(struct tg_intervals *out, const struct tg_intervals *set)
{
	int error = tg_intervals_copy(out, set);

	return error ? error : tg_intervals_normalise(out);
}

static int value_sets(const struct tg_list *list, struct tg_list_sets *sets)
{
	struct tg_intervals included = TG_INTERVALS_EMPTY, excluded = TG_INTERVALS_EMPTY;
	int error = list->included.any
			    ? copy_normal_set(&included, &list->included.values)
			    : tg_intervals_all(&included, tg_key_max(tg_field_key(list->field)));

	if (!error)
		error = copy_normal_set(&excluded, &list->excluded.values);
	if (!error)
		error = tg_intervals_subtract(&sets->set, &included, &excluded);
	tg_intervals_free(&included);
	tg_intervals_free(&excluded);
	return error;
}

static int sets_of(const struct tg_list *list, struct tg_list_sets *sets)
{
	if (tg_field_is_endpoint(list->field))
		return endpoint_sets(list, sets);
	if (list->field == TG_FIELD_CGROUP)
		return tg_cgroups_copy(&sets->cgroups, &list->cgroups);
	return value_sets(list, sets);
}

int tg_list_to_sets(const struct tg_list *list, struct tg_list_sets *sets)
{
	struct tg_list_sets fresh = {.field = list->field};
	int error = 0;

	/* An empty list means nothing. */
	if (list->included.any || list->excluded.any)
		error = sets_of(list, &fresh);
	if (!error)
		*sets = fresh;
	return error;
}

void tg_list_sets_free(struct tg_list_sets *sets)
{
	for (size_t i = 0; i < sets->product_count; i++)
		tg_product_free(&sets->products[i]);
	free(sets->products);
	if (sets->uses)
		tg_set_uses_free(sets->uses);
	free(sets->uses);
	sets->uses = NULL;
	tg_path_set_free(&sets->paths);
	tg_intervals_free(&sets->set);
	tg_cgroups_free(&sets->cgroups);
	sets->products = NULL;
	sets->product_count = 0;
}
