/* SPDX-License-Identifier: MIT */
/* products.c - unions of products of addresses and ports, at most one product per set of ports. */
#include "policy/products.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"

static uint64_t hash_set(uint64_t hash, const struct tg_intervals *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const uint64_t words[4] = {set->at[i].first.hi, set->at[i].first.lo,
					   set->at[i].last.hi, set->at[i].last.lo};

		for (int j = 0; j < 4; j++) {
			hash = (hash ^ words[j]) * 0x9e3779b97f4a7c15ull;
			hash ^= hash >> 29;
		}
	}
	return hash;
}

void tg_product_free(struct tg_product *product)
{
	tg_intervals_free(&product->addr4);
	tg_intervals_free(&product->addr6);
	tg_intervals_free(&product->port);
}

void tg_products_free(struct tg_products *products)
{
	for (size_t i = 0; i < products->count; i++)
		tg_product_free(&products->at[i]);
	free(products->at);
	free(products->buckets);
	*products = (struct tg_products){0};
}

static void enter(struct tg_products *products, size_t index)
{
	size_t mask = products->bucket_count - 1;
	size_t bucket = hash_set(0, &products->at[index].port) & mask;

	while (products->buckets[bucket])
		bucket = (bucket + 1) & mask;
	products->buckets[bucket] = (uint32_t)index + 1;
}

/* Make room for one more product, with at least half of the buckets free. */
static int grow(struct tg_products *products)
{
	size_t capacity = products->capacity;
	uint32_t *buckets;
	int error;

	if (products->count < capacity)
		return 0;
	error = tg_array_reserve(products->at, capacity, products->count + 1, "sets of ports");
	if (error)
		return error;
	buckets = calloc(2 * capacity, sizeof(*buckets));
	if (!buckets)
		return tg_fail(-ENOMEM, "out of memory: no room for %zu sets of ports", capacity);
	free(products->buckets);
	products->capacity = capacity;
	products->buckets = buckets;
	products->bucket_count = 2 * capacity;
	for (size_t i = 0; i < products->count; i++)
		enter(products, i);
	return 0;
}

static bool lookup(struct tg_products *products, const struct tg_intervals *ports)
{
	size_t mask = products->bucket_count - 1;

	if (products->latest < products->count &&
	    tg_intervals_equal(&products->at[products->latest].port, ports))
		return true;
	if (!products->bucket_count)
		return false;
	for (size_t bucket = hash_set(0, ports) & mask; products->buckets[bucket];
	     bucket = (bucket + 1) & mask) {
		size_t index = products->buckets[bucket] - 1;

		if (tg_intervals_equal(&products->at[index].port, ports)) {
			products->latest = index;
			return true;
		}
	}
	return false;
}

int tg_products_find(struct tg_products *products, const struct tg_intervals *ports,
		     struct tg_product **product)
{
	struct tg_product fresh = {TG_INTERVALS_EMPTY, TG_INTERVALS_EMPTY, TG_INTERVALS_EMPTY};
	int error;

	if (!lookup(products, ports)) {
		error = grow(products);
		if (!error)
			error = tg_intervals_copy(&fresh.port, ports);
		if (error)
			return error;
		products->latest = products->count;
		products->at[products->count++] = fresh;
		enter(products, products->latest);
	}
	*product = &products->at[products->latest];
	return 0;
}

int tg_products_copy(struct tg_products *out, const struct tg_products *products)
{
	struct tg_products copy = {0};
	struct tg_product *product;
	int error;

	for (size_t i = 0; i < products->count; i++) {
		error = tg_products_find(&copy, &products->at[i].port, &product);
		if (!error)
			error = tg_intervals_copy(&product->addr4, &products->at[i].addr4);
		if (!error)
			error = tg_intervals_copy(&product->addr6, &products->at[i].addr6);
		if (error) {
			tg_products_free(&copy);
			return error;
		}
	}
	*out = copy;
	return 0;
}

int tg_products_normalise(struct tg_products *products)
{
	int error = 0;

	for (size_t i = 0; i < products->count && !error; i++) {
		error = tg_intervals_normalise(&products->at[i].addr4);
		if (!error)
			error = tg_intervals_normalise(&products->at[i].addr6);
	}
	return error;
}

/* Any order of sets, in which equal sets are neighbours. */
static int compare_sets(const struct tg_intervals *a, const struct tg_intervals *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	return a->count ? memcmp(a->at, b->at, a->count * sizeof(*a->at)) : 0;
}

static int compare_addresses(const struct tg_product *a, const struct tg_product *b)
{
	int order = compare_sets(&a->addr4, &b->addr4);

	return order ? order : compare_sets(&a->addr6, &b->addr6);
}

/* By addresses; products with equal addresses stay in their order. */
static int by_addresses(const void *a, const void *b)
{
	const struct tg_product *x = *(struct tg_product *const *)a;
	const struct tg_product *y = *(struct tg_product *const *)b;
	int order = compare_addresses(x, y);

	return order ? order : (x > y) - (x < y);
}

/* Move the ports of `from` to a product with equal addresses; `from` is empty after it. */
static int absorb(struct tg_product *product, struct tg_product *from)
{
	int error = tg_intervals_reserve(&product->port, from->port.count);

	if (error)
		return error;
	for (size_t i = 0; i < from->port.count; i++)
		tg_intervals_add(&product->port, from->port.at[i].first, from->port.at[i].last);
	tg_product_free(from);
	return 0;
}

static void drop_empty(struct tg_products *products)
{
	size_t kept = 0;

	for (size_t i = 0; i < products->count; i++) {
		struct tg_product *product = &products->at[i];

		if (product->addr4.count || product->addr6.count)
			products->at[kept++] = *product;
		else
			tg_product_free(product);
	}
	products->count = kept;
}

/* Unite the ports of products that have equal addresses. */
static int join_addresses(struct tg_products *products)
{
	struct tg_product **sorted = calloc(products->count + 1, sizeof(*sorted));
	size_t first = 0;
	int error = 0;

	if (!sorted)
		return tg_fail(-ENOMEM, "out of memory: no room to join %zu sets of ports",
			       products->count);
	for (size_t i = 0; i < products->count; i++)
		sorted[i] = &products->at[i];
	qsort(sorted, products->count, sizeof(*sorted), by_addresses);
	for (size_t i = 1; i < products->count && !error; i++) {
		if (compare_addresses(sorted[first], sorted[i]) == 0)
			error = absorb(sorted[first], sorted[i]);
		else
			first = i;
	}
	free(sorted);
	drop_empty(products);
	for (size_t i = 0; i < products->count && !error; i++)
		error = tg_intervals_normalise(&products->at[i].port);
	return error;
}

static int append_all(struct tg_intervals *to, const struct tg_intervals *from)
{
	int error = tg_intervals_reserve(to, from->count);

	for (size_t i = 0; i < from->count && !error; i++)
		error = tg_intervals_add(to, from->at[i].first, from->at[i].last);
	return error;
}

/* Unite the addresses of products that have equal ports; *fewer: there were some. */
static int join_ports(struct tg_products *products, bool *fewer)
{
	struct tg_products joined = {0};
	struct tg_product *product;
	int error = 0;

	for (size_t i = 0; i < products->count && !error; i++) {
		error = tg_products_find(&joined, &products->at[i].port, &product);
		if (!error)
			error = append_all(&product->addr4, &products->at[i].addr4);
		if (!error)
			error = append_all(&product->addr6, &products->at[i].addr6);
	}
	if (!error)
		error = tg_products_normalise(&joined);
	if (error) {
		tg_products_free(&joined);
		return error;
	}
	*fewer = joined.count < products->count;
	tg_products_free(products);
	*products = joined;
	return 0;
}

int tg_products_join(struct tg_products *products)
{
	bool fewer = true;
	int error = 0;

	while (fewer && !error) {
		error = join_addresses(products);
		if (!error)
			error = join_ports(products, &fewer);
	}
	/* Callers change the sets of ports, so the buckets would be of no use. */
	free(products->buckets);
	products->buckets = NULL;
	products->bucket_count = 0;
	return error;
}

static int replace_by_all(struct tg_intervals *set, struct tg_key128 max)
{
	struct tg_intervals all;
	int error = tg_intervals_all(&all, max);

	if (error)
		return error;
	tg_intervals_free(set);
	*set = all;
	return 0;
}

int tg_products_any_address(struct tg_products *products, const struct tg_intervals *ports)
{
	struct tg_product *product;
	int error = tg_products_find(products, ports, &product);

	if (!error)
		error = replace_by_all(&product->addr4, tg_key_max(TG_KEY_ADDR4));
	if (!error)
		error = replace_by_all(&product->addr6, tg_key_max(TG_KEY_ADDR6));
	return error;
}

int tg_products_everything(struct tg_products *products)
{
	struct tg_intervals ports;
	int error = tg_intervals_all(&ports, tg_key_max(TG_KEY_PORT));

	if (error)
		return error;
	error = tg_products_any_address(products, &ports);
	tg_intervals_free(&ports);
	return error;
}
