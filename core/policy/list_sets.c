/* SPDX-License-Identifier: MIT */
/*
 * list_sets.c - what a list means, as sets.
 *
 * A list of endpoints is a union of products A x P minus a union of products N x Q.
 * The ports are split where the excluded ones begin and end.  In each part all its
 * N are known, so the difference there is one of addresses only.
 */
#include "policy/list_sets.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"
#include "policy/list.h"
#include "policy/set_use.h"

/* Ports for which the same addresses are excluded. */
struct part {
	struct tg_intervals ports;
	struct tg_intervals except4, except6;
};

struct parts {
	struct part *at;
	size_t count, capacity;
};

#define NO_PART SIZE_MAX

static void free_part(struct part *part)
{
	tg_intervals_free(&part->ports);
	tg_intervals_free(&part->except4);
	tg_intervals_free(&part->except6);
}

static void free_parts(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		free_part(&parts->at[i]);
	free(parts->at);
}

/* Replace a set by its union with another. */
static int unite_into(struct tg_intervals *set, const struct tg_intervals *other)
{
	struct tg_intervals united;
	int error = tg_intervals_unite(&united, set, other);

	if (error)
		return error;
	tg_intervals_free(set);
	*set = united;
	return 0;
}

/*
 * Append a part that takes over `ports`, and excludes what part number `like`
 * excludes; NO_PART: nothing.
 */
static int append_part(struct parts *parts, struct tg_intervals *ports, size_t like)
{
	struct part part = {.ports = *ports};
	int error;

	if (parts->count >= TG_MAX_TERMS)
		return tg_fail(-E2BIG, "more than %u different sets of ports in one list",
			       TG_MAX_TERMS);
	error = tg_array_reserve(parts->at, parts->capacity, parts->count + 1, "sets of ports");
	if (!error && like != NO_PART)
		error = tg_intervals_copy(&part.except4, &parts->at[like].except4);
	if (!error && like != NO_PART)
		error = tg_intervals_copy(&part.except6, &parts->at[like].except6);
	if (error) {
		tg_intervals_free(&part.except4);
		return error;
	}
	parts->at[parts->count++] = part;
	*ports = TG_INTERVALS_EMPTY;
	return 0;
}

/*
 * Exclude addresses for the ports of a part that are in `excluded`, after splitting
 * off the other ports.
 */
static int split_part(struct parts *parts, size_t index, const struct tg_product *excluded)
{
	struct tg_intervals inside = TG_INTERVALS_EMPTY, outside = TG_INTERVALS_EMPTY;
	struct part *part;
	int error = tg_intervals_intersect(&inside, &parts->at[index].ports, &excluded->port);

	if (error || !inside.count)
		return error;
	error = tg_intervals_subtract(&outside, &parts->at[index].ports, &excluded->port);
	if (!error && outside.count)
		error = append_part(parts, &outside, index);
	if (error)
		goto out;
	part = &parts->at[index];
	tg_intervals_free(&part->ports);
	part->ports = inside;
	inside = TG_INTERVALS_EMPTY;
	error = unite_into(&part->except4, &excluded->addr4);
	if (!error)
		error = unite_into(&part->except6, &excluded->addr6);
out:
	tg_intervals_free(&inside);
	tg_intervals_free(&outside);
	return error;
}

static int split_ports(struct parts *parts, const struct tg_products *excluded)
{
	struct tg_intervals all;
	int error = tg_intervals_all(&all, tg_key_max(TG_KEY_PORT));

	if (error)
		return error;
	error = append_part(parts, &all, NO_PART);
	tg_intervals_free(&all);
	for (size_t i = 0; i < excluded->count && !error; i++) {
		/* The parts that a split appends are outside these excluded ports. */
		size_t count = parts->count;

		for (size_t j = 0; j < count && !error; j++)
			error = split_part(parts, j, &excluded->at[i]);
	}
	return error;
}

/* Add to the result what remains of a product in one part. */
static int subtract_part(struct tg_products *result, const struct tg_product *product,
			 const struct part *part)
{
	struct tg_intervals ports, less4 = TG_INTERVALS_EMPTY, less6 = TG_INTERVALS_EMPTY;
	struct tg_product *into;
	int error = tg_intervals_intersect(&ports, &product->port, &part->ports);

	if (error || !ports.count)
		return error;
	error = tg_intervals_subtract(&less4, &product->addr4, &part->except4);
	if (!error)
		error = tg_intervals_subtract(&less6, &product->addr6, &part->except6);
	if (!error && (less4.count || less6.count)) {
		error = tg_products_find(result, &ports, &into);
		if (!error)
			error = unite_into(&into->addr4, &less4);
		if (!error)
			error = unite_into(&into->addr6, &less6);
		if (!error && result->count > TG_MAX_TERMS)
			error = tg_fail(-E2BIG, "more than %u different sets of ports in one list",
					TG_MAX_TERMS);
	}
	tg_intervals_free(&ports);
	tg_intervals_free(&less4);
	tg_intervals_free(&less6);
	return error;
}

static int subtract(struct tg_products *result, const struct tg_products *included,
		    const struct tg_products *excluded)
{
	struct parts parts = {0};
	int error = split_ports(&parts, excluded);

	for (size_t i = 0; i < included->count && !error; i++)
		for (size_t j = 0; j < parts.count && !error; j++)
			error = subtract_part(result, &included->at[i], &parts.at[j]);
	free_parts(&parts);
	return error;
}

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

/* Replace products by what remains of them without the excluded ones, joined. */
static int less_excluded(const struct tg_products *excluded, struct tg_products *products)
{
	struct tg_products result = {0};
	int error = tg_products_join(products);

	if (error || !excluded->count)
		return error;
	error = subtract(&result, products, excluded);
	if (!error)
		error = tg_products_join(&result);
	if (error) {
		tg_products_free(&result);
		return error;
	}
	tg_products_free(products);
	*products = result;
	return 0;
}

static int use_sets(const struct tg_list *list, const struct tg_products *excluded,
		    struct tg_set_uses *uses)
{
	int error =
		tg_set_uses_append(uses, &list->sets, list->less.except, list->less.except_count);

	for (size_t i = 0; i < uses->count && !error; i++) {
		error = tg_products_normalise(&uses->at[i].products);
		if (!error)
			error = less_excluded(excluded, &uses->at[i].products);
	}
	return error;
}

/* If the list excludes live sets, its products become a use of those sets, too. */
static int products_as_use(const struct tg_list *list, struct tg_products *products,
			   struct tg_set_uses *uses)
{
	struct tg_set_use *use;
	int error = tg_set_uses_add(uses, NULL, &use);

	for (uint32_t i = 0; i < list->less.except_count && !error; i++)
		error = tg_set_use_less(use, list->less.except[i]);
	if (error)
		return error;
	use->products = *products;
	*products = (struct tg_products){0};
	return 0;
}

static int address_sets(const struct tg_list *list, struct tg_list_sets *sets)
{
	struct tg_products included = {0}, excluded = {0};
	struct tg_set_uses uses = {0};
	int error = 0;

	if (list->included.any)
		error = copy_normal(&included, &list->included.endpoints);
	else if (list->excluded.endpoints.count || list->less.except_count)
		error = tg_products_everything(&included);
	if (!error && list->excluded.any)
		error = copy_normal(&excluded, &list->excluded.endpoints);
	if (!error)
		error = tg_products_join(&excluded);
	if (!error)
		error = less_excluded(&excluded, &included);
	if (!error)
		error = use_sets(list, &excluded, &uses);
	if (!error && list->less.except_count && included.count)
		error = products_as_use(list, &included, &uses);
	if (!error && uses.count) {
		sets->uses = malloc(sizeof(uses));
		if (!sets->uses)
			error = tg_fail(-ENOMEM, "out of memory: no room for the sets of a list");
	}
	if (!error) {
		sets->products = included.at;
		sets->product_count = included.count;
		included.at = NULL;
		included.count = 0;
	}
	if (!error && uses.count) {
		*sets->uses = uses;
		uses = (struct tg_set_uses){0};
	}
	tg_set_uses_free(&uses);
	tg_products_free(&included);
	tg_products_free(&excluded);
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
	if (list->included.any || list->excluded.any || list->less.except_count)
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
