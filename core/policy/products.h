/* SPDX-License-Identifier: MIT */
/* products.h - unions of products of addresses and ports, at most one product per set of ports. */
#ifndef TG_POLICY_PRODUCTS_H
#define TG_POLICY_PRODUCTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/interval.h"

/*
 * One product of an endpoint list: an address of addr4 or addr6, and a port.
 * The sets of one list's products may overlap.  "*" has all values in all three.  An
 * IPv4 pattern has an empty addr6, and an IPv6 pattern an empty addr4; v4-mapped
 * addresses are in addr4 (32 bits) only.
 */
struct tg_product {
	struct tg_intervals addr4;
	struct tg_intervals addr6;
	struct tg_intervals port;
};

struct tg_products {
	struct tg_product *at;
	size_t count;
	size_t capacity;
	/* Indexes into `at`, plus 1, by hash of the ports; their count is a power of two. */
	uint32_t *buckets;
	size_t bucket_count;
	size_t latest; /* found last: consecutive items often have the same ports */
};

/* The product with these ports, which must be normal; if there is none, a new one without
 * addresses. */
int tg_products_find(struct tg_products *products, const struct tg_intervals *ports,
		     struct tg_product **product);

int tg_products_copy(struct tg_products *out, const struct tg_products *products);
void tg_products_free(struct tg_products *products);

/* Add every address with these ports, or, for tg_products_everything(), with every port. */
int tg_products_any_address(struct tg_products *products, const struct tg_intervals *ports);
int tg_products_everything(struct tg_products *products);

/* Sort and merge the addresses of each product. */
int tg_products_normalise(struct tg_products *products);

/*
 * Unite the ports of products that have equal addresses, and the addresses of those that then have
 * equal ports, until there are none; drop products without addresses.  All sets must be normal.
 * tg_products_find() may not be used any more.
 */
int tg_products_join(struct tg_products *products);

void tg_product_free(struct tg_product *product);

#endif
