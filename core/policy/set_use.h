/* SPDX-License-Identifier: MIT */
/*
 * set_use.h - live sets that a list names: "in this set, and not in those, if
 * address and port are in these products".
 */
#ifndef TG_POLICY_SET_USE_H
#define TG_POLICY_SET_USE_H

#include "bpf/layout/image_layout.h"
#include "policy/products.h"

struct tg_set_use {
	char *set; /* NULL: any address of the products */
	char *except[TG_SECTION_SETS];
	uint32_t except_count;
	struct tg_products products;
};

struct tg_set_uses {
	struct tg_set_use *at;
	size_t count, capacity;
};

/* Append a use without products; *use is valid until the next call. */
int tg_set_uses_add(struct tg_set_uses *uses, const char *set, struct tg_set_use **use);

/* The use of a set that excludes no other, or NULL. */
struct tg_set_use *tg_set_uses_find(const struct tg_set_uses *uses, const char *set);

/* Whether one of them names a set, or excludes it. */
bool tg_set_uses_name(const struct tg_set_uses *uses, const char *set);

/* Append all uses of `other`. */
int tg_set_uses_append(struct tg_set_uses *uses, const struct tg_set_uses *other);

/* Exclude the addresses of one more set.  -E2BIG: too many sets are excluded. */
int tg_set_use_less(struct tg_set_use *use, const char *set);

void tg_set_uses_free(struct tg_set_uses *uses);

#endif
