/* SPDX-License-Identifier: MIT */
/* products.c - unions of products of addresses and ports, at most one a set of ports. */
#include "policy/products.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Room for one product more, with at least half of the buckets free. */
static int grow(struct tg_products *products)
{
	size_t room = products->room ? 2 * products->room : 4;
	struct tg_product *at;
	uint32_t *buckets;

	if (products->count < products->room)
		return 0;
	at = realloc(products->at, room * sizeof(*at));
	if (!at)
		return tg_fail(-ENOMEM, "out of memory: no room for %zu sets of ports", room);
	products->at = at;
	buckets = calloc(2 * room, sizeof(*buckets));
	if (!buckets)
		return tg_fail(-ENOMEM, "out of memory: no room for %zu sets of ports", room);
	free(products->buckets);
	products->room = room;
	products->buckets = buckets;
	products->bucket_count = 2 * room;
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

static bool equal_addresses(const struct tg_product *a, const struct tg_product *b)
{
	return tg_intervals_equal(&a->addr4, &b->addr4) && tg_intervals_equal(&a->addr6, &b->addr6);
}

/* Index of the product with the same addresses, or SIZE_MAX and the bucket to put it in. */
static size_t find_addresses(const struct tg_products *products, const uint64_t *hashes,
			     const uint32_t *buckets, size_t mask, const struct tg_product *product,
			     uint64_t hash, size_t *bucket)
{
	for (*bucket = hash & mask; buckets[*bucket]; *bucket = (*bucket + 1) & mask) {
		size_t index = buckets[*bucket] - 1;

		if (hashes[index] == hash && equal_addresses(&products->at[index], product))
			return index;
	}
	return SIZE_MAX;
}

int tg_products_join(struct tg_products *products)
{
	uint32_t *buckets = NULL;
	uint64_t *hashes = NULL;
	size_t size = 4, kept = 0, taken = 0;
	int error = 0;

	while (size < 2 * products->count)
		size *= 2;
	buckets = calloc(size, sizeof(*buckets));
	hashes = calloc(size, sizeof(*hashes));
	if (!buckets || !hashes) {
		error = tg_fail(-ENOMEM, "out of memory: no room to join %zu sets of ports",
				products->count);
		goto out;
	}
	for (; taken < products->count; taken++) {
		struct tg_product product = products->at[taken];
		uint64_t hash = hash_set(hash_set(0, &product.addr4) + 1, &product.addr6);
		size_t bucket, same;

		if (!product.addr4.count && !product.addr6.count) {
			tg_product_free(&product);
			continue;
		}
		same = find_addresses(products, hashes, buckets, size - 1, &product, hash, &bucket);
		if (same == SIZE_MAX) {
			hashes[kept] = hash;
			products->at[kept++] = product;
			buckets[bucket] = (uint32_t)kept;
			continue;
		}
		for (size_t i = 0; i < product.port.count && !error; i++)
			error = tg_intervals_add(&products->at[same].port, product.port.at[i].first,
						 product.port.at[i].last);
		if (error)
			break;
		tg_product_free(&product);
	}
	for (size_t i = 0; i < kept && !error; i++)
		error = tg_intervals_normalise(&products->at[i].port);
out:
	/* What was not looked at moves down behind what was kept: nothing is lost or freed twice.
	 */
	if (taken > kept && taken < products->count)
		memmove(&products->at[kept], &products->at[taken],
			(products->count - taken) * sizeof(*products->at));
	if (buckets && hashes)
		products->count -= taken - kept;
	free(buckets);
	free(hashes);
	/* Ports have changed: the buckets are of no more use. */
	free(products->buckets);
	products->buckets = NULL;
	products->bucket_count = 0;
	return error;
}

int tg_products_everything(struct tg_products *products)
{
	struct tg_product *product;
	struct tg_intervals ports;
	int error = tg_intervals_all(&ports, tg_key_max(TG_KEY_PORT));

	if (error)
		return error;
	error = tg_products_find(products, &ports, &product);
	if (!error)
		error = tg_intervals_all(&product->addr4, tg_key_max(TG_KEY_ADDR4));
	if (!error)
		error = tg_intervals_all(&product->addr6, tg_key_max(TG_KEY_ADDR6));
	tg_intervals_free(&ports);
	return error;
}
