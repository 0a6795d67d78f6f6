/* SPDX-License-Identifier: MIT */
/* element.c - the elements of a set, which are prefixes, from their text. */
#include "parse/element.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/text_file.h"
#include "parse/address.h"
#include "parse/endpoint.h"

/* The length of the prefix that equals this range, or -1 if no prefix does. */
static int prefix_length(struct tg_key128 first, struct tg_key128 last)
{
	uint64_t high = first.hi ^ last.hi, low = first.lo ^ last.lo;

	/* The bits that differ must be the last ones, and all zero in `first`. */
	if (high ? (high & (high + 1)) || low != UINT64_MAX : (low & (low + 1)) != 0)
		return -1;
	if (first.hi & high || first.lo & low)
		return -1;
	if (high)
		return __builtin_clzll(high);
	return low ? 64 + __builtin_clzll(low) : 128;
}

static int check_item(const char *item, const struct tg_endpoint *endpoint)
{
	if (endpoint->negated)
		return tg_fail(-EINVAL, "\"%s\": a set has no '!': leave out what is not in it",
			       item);
	if (endpoint->is_unix)
		return tg_fail(-EINVAL, "\"%s\": a set holds addresses, not unix sockets", item);
	if (endpoint->has_port)
		return tg_fail(-EINVAL,
			       "\"%s\": a set holds addresses without ports: write the port in the "
			       "rule that uses the set: { addr = set, port = %u }",
			       item, endpoint->port_first);
	return 0;
}

static int append(struct tg_elements *elements, const struct tg_element *element)
{
	int error = tg_array_reserve(elements->at, elements->capacity, elements->count + 1,
				     "elements of a set");

	if (!error)
		elements->at[elements->count++] = *element;
	return error;
}

int tg_elements_add(struct tg_elements *elements, const char *item, uint64_t ttl_ms)
{
	struct tg_endpoint endpoint;
	int error = tg_endpoint_parse(item, &endpoint);

	if (!error)
		error = check_item(item, &endpoint);
	for (unsigned int i = 0; !error && i < endpoint.count; i++) {
		const struct tg_address_range *range = &endpoint.ranges[i];
		struct tg_key128 first = tg_range_address(range, range->first);
		int length = prefix_length(first, tg_range_address(range, range->last));

		if (length < 0)
			return tg_fail(-EINVAL,
				       "\"%s\": a set holds addresses and prefixes, not ranges: "
				       "write it as prefixes",
				       item);
		error = append(elements, &(struct tg_element){first.hi, first.lo, ttl_ms,
							      (uint32_t)length, 0});
	}
	return error;
}

struct loading {
	struct tg_elements *elements;
	uint64_t ttl_ms;
};

static int add_line(void *context, const char *item)
{
	const struct loading *loading = context;

	return tg_elements_add(loading->elements, item, loading->ttl_ms);
}

int tg_elements_load(struct tg_elements *elements, const char *path, uint64_t ttl_ms)
{
	struct loading loading = {elements, ttl_ms};

	return tg_lines_each(path, add_line, &loading);
}

void tg_element_show(const struct tg_element *element, struct tg_set_element *shown)
{
	bool is4 = tg_element_is4(element);

	*shown = (struct tg_set_element){
		.length = is4 ? element->length - 96 : element->length,
		.is4 = is4,
		.ttl_ms = element->ttl_ms,
	};
	tg_address_bytes((struct tg_key128){element->high, element->low}, shown->addr);
}

void tg_elements_free(struct tg_elements *elements)
{
	free(elements->at);
	*elements = (struct tg_elements){0};
}
