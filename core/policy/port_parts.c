/* SPDX-License-Identifier: MIT */
/*
 * port_parts.c - all ports, split where what a list excludes begins and ends.
 *
 * In each part, all that is excluded is known, so a difference there is one of
 * addresses only.
 */
#include "policy/port_parts.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"

#define NO_PART SIZE_MAX

_Static_assert(TG_SECTION_SETS <= 32, "there is a bit for each set that a list excludes");

static void free_part(struct tg_port_part *part)
{
	tg_intervals_free(&part->ports);
	tg_intervals_free(&part->except4);
	tg_intervals_free(&part->except6);
}

void tg_port_parts_free(struct tg_port_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		free_part(&parts->at[i]);
	free(parts->at);
	*parts = (struct tg_port_parts){0};
}

static int too_many(void)
{
	return tg_fail(-E2BIG, "more than %u different sets of ports in one list", TG_MAX_TERMS);
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
static int append_part(struct tg_port_parts *parts, struct tg_intervals *ports, size_t like)
{
	struct tg_port_part part = {.ports = *ports};
	int error;

	if (parts->count >= TG_MAX_TERMS)
		return too_many();
	error = tg_array_reserve(parts->at, parts->capacity, parts->count + 1, "sets of ports");
	if (!error && like != NO_PART) {
		part.less = parts->at[like].less;
		error = tg_intervals_copy(&part.except4, &parts->at[like].except4);
	}
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

/* What is excluded for some ports: addresses, or a live set. */
struct exclusion {
	const struct tg_intervals *ports;
	const struct tg_product *addresses; /* NULL: none */
	uint32_t less;
};

static int exclude(struct tg_port_part *part, const struct exclusion *exclusion)
{
	int error = 0;

	part->less |= exclusion->less;
	if (exclusion->addresses) {
		error = unite_into(&part->except4, &exclusion->addresses->addr4);
		if (!error)
			error = unite_into(&part->except6, &exclusion->addresses->addr6);
	}
	return error;
}

/* Exclude it for those of a part's ports that it is about, after splitting off the other ports. */
static int split_part(struct tg_port_parts *parts, size_t index, const struct exclusion *exclusion)
{
	struct tg_intervals inside = TG_INTERVALS_EMPTY, outside = TG_INTERVALS_EMPTY;
	struct tg_port_part *part;
	int error = tg_intervals_intersect(&inside, &parts->at[index].ports, exclusion->ports);

	if (error || !inside.count)
		return error;
	error = tg_intervals_subtract(&outside, &parts->at[index].ports, exclusion->ports);
	if (!error && outside.count)
		error = append_part(parts, &outside, index);
	if (error)
		goto out;
	part = &parts->at[index];
	tg_intervals_free(&part->ports);
	part->ports = inside;
	inside = TG_INTERVALS_EMPTY;
	error = exclude(part, exclusion);
out:
	tg_intervals_free(&inside);
	tg_intervals_free(&outside);
	return error;
}

static int split_all(struct tg_port_parts *parts, const struct exclusion *exclusion)
{
	/* The parts that a split appends are outside these ports. */
	size_t count = parts->count;
	int error = 0;

	for (size_t i = 0; i < count && !error; i++)
		error = split_part(parts, i, exclusion);
	return error;
}

static int split_by_sets(struct tg_port_parts *parts, const struct tg_set_uses *less)
{
	int error = 0;

	for (size_t i = 0; i < less->count; i++) {
		const struct tg_products *products = &less->at[i].products;

		for (size_t k = 0; k < products->count && !error; k++)
			error = split_all(
				parts, &(struct exclusion){&products->at[k].port, NULL, 1u << i});
	}
	return error;
}

int tg_port_parts_split(struct tg_port_parts *parts, const struct tg_products *excluded,
			const struct tg_set_uses *less)
{
	struct tg_port_parts fresh = {0};
	struct tg_intervals all;
	int error = tg_intervals_all(&all, tg_key_max(TG_KEY_PORT));

	if (error)
		return error;
	error = append_part(&fresh, &all, NO_PART);
	tg_intervals_free(&all);
	for (size_t i = 0; i < excluded->count && !error; i++)
		error = split_all(&fresh,
				  &(struct exclusion){&excluded->at[i].port, &excluded->at[i], 0});
	if (!error)
		error = split_by_sets(&fresh, less);
	if (error)
		tg_port_parts_free(&fresh);
	else
		*parts = fresh;
	return error;
}

int tg_port_part_subtract(struct tg_products *result, const struct tg_product *product,
			  const struct tg_port_part *part)
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
			error = too_many();
	}
	tg_intervals_free(&ports);
	tg_intervals_free(&less4);
	tg_intervals_free(&less6);
	return error;
}
