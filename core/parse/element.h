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
 * Append the prefixes that an item means: "10.0.0.1", "10.0.0.0/8",
 * "2001:db8::/32", "*" (two prefixes of length 0), a name (its addresses).
 */
int tg_elements_add(struct tg_elements *elements, const char *item, uint64_t ttl_ms);

/* Append the items of a file, one per line. */
int tg_elements_load(struct tg_elements *elements, const char *path, uint64_t ttl_ms);

/* An element as users see it. */
void tg_element_show(const struct tg_element *element, struct tg_set_element *shown);

void tg_elements_free(struct tg_elements *elements);

static inline bool tg_element_is4(const struct tg_element *element)
{
	return tg_address_is_mapped((struct tg_key128){element->high, element->low}) &&
	       element->length >= 96;
}

#endif
