/* SPDX-License-Identifier: MIT */
/* element.c - the elements of a set, which are prefixes, from their text. */
#include "parse/element.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/error.h"
#include "base/struct_size.h"
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

int tg_ttl_check(uint64_t ttl_ms)
{
	if (ttl_ms <= TG_TTL_MAX || ttl_ms == TG_TTL_FOREVER)
		return 0;
	return tg_fail(-EINVAL,
		       "a time to live of %llu ms is over 18 years: TG_TTL_FOREVER is for ever",
		       (unsigned long long)ttl_ms);
}

/* A time to live of a caller, as the library has it. */
static uint64_t ttl_of(uint64_t ttl_ms, uint64_t set_ttl_ms)
{
	if (ttl_ms == TG_TTL_FOREVER)
		return 0;
	return ttl_ms ? ttl_ms : set_ttl_ms;
}

int tg_elements_add(struct tg_elements *elements, const char *item, uint64_t ttl_ms,
		    uint64_t set_ttl_ms)
{
	struct tg_endpoint endpoint;
	int error = tg_ttl_check(ttl_ms) ?: tg_endpoint_parse_numeric(item, &endpoint);

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
		error = append(elements,
			       &(struct tg_element){first.hi, first.lo, ttl_of(ttl_ms, set_ttl_ms),
						    (uint32_t)length, 0});
	}
	return error;
}

static const struct tg_struct_kind entry_kind = {
	"tg_set_entry", TG_STRUCT_FIRST(tg_set_entry, ttl_ms), sizeof(struct tg_set_entry)};

int tg_elements_take(struct tg_elements *elements, const struct tg_set_entry *entries, size_t count,
		     uint64_t set_ttl_ms)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		struct tg_set_entry entry;

		error = tg_struct_take_at(&entry_kind, &entry, entries, i);
		if (!error && !entry.item)
			error = tg_fail(-EINVAL, "element %zu has no item: it is NULL", i);
		if (!error)
			error = tg_elements_add(elements, entry.item, entry.ttl_ms, set_ttl_ms);
	}
	return error;
}

struct loading {
	struct tg_elements *elements;
	uint64_t ttl_ms;
	uint64_t set_ttl_ms;
};

static int add_line(void *context, const char *item)
{
	const struct loading *loading = context;

	return tg_elements_add(loading->elements, item, loading->ttl_ms, loading->set_ttl_ms);
}

int tg_elements_load(struct tg_elements *elements, const char *path, uint64_t ttl_ms,
		     uint64_t set_ttl_ms)
{
	struct loading loading = {elements, ttl_ms, set_ttl_ms};

	return tg_lines_each(path, add_line, &loading);
}

static const struct tg_struct_kind element_kind = {
	"tg_set_element", TG_STRUCT_FIRST(tg_set_element, ttl_ms), sizeof(struct tg_set_element)};

int tg_element_check(const struct tg_set_element *shown)
{
	return shown ? tg_struct_check(&element_kind, shown) : 0;
}

void tg_element_show(const struct tg_element *element, struct tg_set_element *shown)
{
	bool is4 = tg_element_is4(element);
	struct tg_set_element own = {
		.length = is4 ? element->length - 96 : element->length,
		.family = is4 ? AF_INET : AF_INET6,
		.ttl_ms = tg_ttl_shown(element->ttl_ms),
	};

	tg_address_bytes((struct tg_key128){element->high, element->low}, own.addr);
	if (shown)
		tg_struct_give(&element_kind, shown, &own);
}

void tg_elements_free(struct tg_elements *elements)
{
	free(elements->at);
	*elements = (struct tg_elements){0};
}
