/* SPDX-License-Identifier: MIT */
/* port_parts.h - all ports, split where what a list excludes begins and ends. */
#ifndef TG_POLICY_PORT_PARTS_H
#define TG_POLICY_PORT_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/interval.h"
#include "policy/products.h"
#include "policy/set_use.h"

/* Ports for which the same is excluded. */
struct tg_port_part {
	struct tg_intervals ports;
	struct tg_intervals except4, except6; /* addresses */
	uint32_t less;                        /* bits, 1 << number: live sets */
};

struct tg_port_parts {
	struct tg_port_part *at;
	size_t count, capacity;
};

/*
 * Split the ports by excluded products, which are normal, and by excluded live
 * sets, of which only the ports of their products count.  -E2BIG: too many parts.
 */
int tg_port_parts_split(struct tg_port_parts *parts, const struct tg_products *excluded,
			const struct tg_set_uses *less);

/* Add to `result` what remains of a product in one part. */
int tg_port_part_subtract(struct tg_products *result, const struct tg_product *product,
			  const struct tg_port_part *part);

void tg_port_parts_free(struct tg_port_parts *parts);

#endif
