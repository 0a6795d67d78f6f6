/* SPDX-License-Identifier: MIT */
/*
 * target.c - the effects `to` and `source`: the address that a call is sent to, and the
 * one that it comes from.  What a rule matches: endpoint.c.
 */
#include "parse/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "parse/address.h"
#include "parse/endpoint.h"
#include "tidegate.h"

/* Refuse more than one address or port. */
static int check_single(const char *text, const struct tg_endpoint *endpoint)
{
	const struct tg_address_range *range = &endpoint->ranges[0];

	if (endpoint->negated)
		return tg_fail(-EINVAL, "\"%s\": must be one address: '!' leaves many", text);
	/* Each address of a name is a range of one. */
	if (!endpoint->any_address && tg_key128_cmp(range->first, range->last) != 0)
		return tg_fail(-EINVAL, "\"%s\": must be one address, not a prefix or a range",
			       text);
	if (endpoint->has_port && endpoint->port_first != endpoint->port_last)
		return tg_fail(
			-EINVAL,
			"\"%s\": must be one port; leave it out to keep the port of the call",
			text);
	if (endpoint->has_port && !endpoint->port_first)
		return tg_fail(-EINVAL, "\"%s\": port 0 is not a port", text);
	return 0;
}

static void take_addresses(const struct tg_endpoint *endpoint, uint32_t first_be[4],
			   struct tg_target_addresses *addresses)
{
	for (unsigned int i = 0; i < endpoint->count; i++) {
		const struct tg_address_range *range = &endpoint->ranges[i];
		uint8_t bytes[16];

		tg_address_bytes(tg_range_address(range, range->first), bytes);
		memcpy(addresses->addr_be[i], bytes, sizeof(bytes));
	}
	addresses->count = endpoint->count;
	memcpy(first_be, addresses->addr_be[0], sizeof(addresses->addr_be[0]));
}

const uint32_t *tg_target_first(const struct tg_target_addresses *addresses, bool v6)
{
	for (uint32_t i = 0; i < addresses->count; i++)
		if (tg_bytes_are_mapped(addresses->addr_be[i]) != v6)
			return addresses->addr_be[i];
	return NULL;
}

int tg_target_parse(const char *text, uint32_t ops, bool numeric, struct tg_term *term,
		    struct tg_target_addresses *addresses)
{
	struct tg_endpoint to;
	int error;

	/* The rule keeps the path: see tg_target_path(). */
	if (tg_path_is(text)) {
		term->effects |= TG_EFFECT_TO_ADDR;
		return 0;
	}
	error = numeric ? tg_endpoint_parse_numeric(text, &to) : tg_endpoint_parse(text, &to);
	if (error)
		return error;
	error = check_single(text, &to);
	if (error)
		return error;
	if (to.any_address && !to.has_port)
		return tg_fail(-EINVAL,
			       "\"%s\": changes nothing: write an address, a port, "
			       "or both",
			       text);
	for (int v6 = 0; v6 < 2; v6++)
		if (ops & TG_OPS_EGRESS && !to.any_address && tg_endpoint_names_any(&to, v6))
			return tg_fail(-EINVAL,
				       "\"%s\": the kernel connects to %s instead: write that",
				       text, v6 ? "::1" : "127.0.0.1");
	if (!to.any_address) {
		take_addresses(&to, term->to_addr_be, addresses);
		term->effects |= TG_EFFECT_TO_ADDR;
	}
	if (to.has_port) {
		term->to_port_be = htons(to.port_first);
		term->effects |= TG_EFFECT_TO_PORT;
	}
	return 0;
}

int tg_target_path(const char *text, struct tg_path *path, uint32_t *bytes)
{
	return tg_path_is(text) ? tg_path_parse_one(text, path, bytes) : 0;
}

int tg_target_source(const char *text, struct tg_term *term, struct tg_target_addresses *addresses)
{
	struct tg_endpoint source;
	int error;

	if (tg_path_is(text))
		return tg_fail(-EINVAL, "\"%s\": a unix socket has none", text);
	error = tg_endpoint_parse(text, &source);
	if (error)
		return error;
	error = check_single(text, &source);
	if (error)
		return error;
	if (source.any_address || tg_endpoint_names_any(&source, false) ||
	    tg_endpoint_names_any(&source, true))
		return tg_fail(-EINVAL, "\"%s\": needs an address of this machine", text);
	take_addresses(&source, term->bind_source_addr_be, addresses);
	term->bind_source_port_be = htons(source.has_port ? source.port_first : 0);
	term->effects |= TG_EFFECT_BIND_SOURCE;
	return 0;
}
