/* SPDX-License-Identifier: MIT */
/* products.h - unions of products of addresses and ports, at most one a set of ports. */
#ifndef TG_POLICY_PRODUCTS_H
#define TG_POLICY_PRODUCTS_H

#include "policy/policy.h"

struct tg_products {
	struct tg_product *at;
	size_t count;
	size_t room;
	/* Indexes into `at`, plus 1, by hash of the ports; a power of two of them. */
	uint32_t *buckets;
	size_t bucket_count;
	size_t latest; /* lists often say the same ports again */
};

/* The product with these ports, which are normal; a new one without addresses if there is none. */
int tg_products_find(struct tg_products *products, const struct tg_intervals *ports,
		     struct tg_product **product);

int tg_products_copy(struct tg_products *out, const struct tg_products *products);
void tg_products_free(struct tg_products *products);

/* Add every address with every port. */
int tg_products_everything(struct tg_products *products);

/* Sort and merge the addresses of all. */
int tg_products_normalise(struct tg_products *products);

/*
 * Unite the ports of products that have equal addresses, and drop those
 * without addresses.  All sets must be normal.  Ends the use of
 * tg_products_find().
 */
int tg_products_join(struct tg_products *products);

void tg_product_free(struct tg_product *product);

#endif
