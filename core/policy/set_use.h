/* SPDX-License-Identifier: MIT */
/*
 * set_use.h - where a list names live sets: "in this set, and not in those, as
 * far as address and port are in these products".
 */
#ifndef TG_POLICY_SET_USE_H
#define TG_POLICY_SET_USE_H

#include "bpf/layout/image_layout.h"
#include "policy/products.h"

struct tg_set_use {
	char *set; /* NULL: any address of the products */
	char *except[TG_SECTION_SETS];
	uint32_t not_count;
	struct tg_products products;
};

struct tg_set_uses {
	struct tg_set_use *at;
	size_t count;
};

/* Append one without products; *use is valid until the next. */
int tg_set_uses_add(struct tg_set_uses *uses, const char *set, struct tg_set_use **use);

/* Append all of another's, each less the sets in `not`. */
int tg_set_uses_append(struct tg_set_uses *uses, const struct tg_set_uses *other,
		       char *const except[], uint32_t not_count);

/* One more set that the addresses are not in. -E2BIG. */
int tg_set_use_less(struct tg_set_use *use, const char *set);

void tg_set_uses_free(struct tg_set_uses *uses);

#endif
