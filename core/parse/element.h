/* SPDX-License-Identifier: MIT */
/* element.h - the elements of a set, which are prefixes, from their text and back. */
#ifndef TG_PARSE_ELEMENT_H
#define TG_PARSE_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/image_layout.h"
#include "parse/address.h"
#include "tidegate.h"

/* Elements, in the order in which they were added. */
struct tg_elements {
	struct tg_element *at;
	size_t count, capacity;
};

/*
 * Append the prefixes that the items of a caller mean: "10.0.0.1", "10.0.0.0/8",
 * "2001:db8::/32", "*" (two prefixes of length 0).  Names of hosts are an error: no
 * resolver is asked for a live set.  `set_ttl_ms` is for those without a time to live of
 * their own.  Inside the library, 0 is for ever.
 */
int tg_elements_take(struct tg_elements *elements, const struct tg_set_entry *entries, size_t count,
		     uint64_t set_ttl_ms);

/* Append one item, or the items of a file, one per line; `ttl_ms` is as in struct tg_set_entry. */
int tg_elements_add(struct tg_elements *elements, const char *item, uint64_t ttl_ms,
		    uint64_t set_ttl_ms);
int tg_elements_load(struct tg_elements *elements, const char *path, uint64_t ttl_ms,
		     uint64_t set_ttl_ms);

/* Write an element as users see it to a struct that was checked; `shown` may be NULL. */
int tg_element_check(const struct tg_set_element *shown);
void tg_element_show(const struct tg_element *element, struct tg_set_element *shown);

/* Whether a caller's time to live is none that the library can keep: -EINVAL. */
int tg_ttl_check(uint64_t ttl_ms);

/* A time to live as users see it. */
static inline uint64_t tg_ttl_shown(uint64_t ttl_ms)
{
	return ttl_ms ? ttl_ms : TG_TTL_FOREVER;
}

void tg_elements_free(struct tg_elements *elements);

static inline bool tg_element_is4(const struct tg_element *element)
{
	return tg_address_is_mapped((struct tg_key128){element->high, element->low}) &&
	       element->length >= 96;
}

#endif
