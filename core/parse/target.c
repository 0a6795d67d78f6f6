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

/* Refuse more than one address or port; `field` is "to" or "source". */
static int check_single(const char *field, const char *text, const struct tg_endpoint *endpoint)
{
	const struct tg_address_range *range = &endpoint->ranges[0];

	if (endpoint->negated)
		return tg_fail(-EINVAL, "%s: \"%s\": must be one address: '!' leaves many", field,
			       text);
	/* The first address of a name is taken; each of them is a range of one. */
	if (!endpoint->any_address && tg_key128_cmp(range->first, range->last) != 0)
		return tg_fail(-EINVAL, "%s: \"%s\": must be one address, not a prefix or a range",
			       field, text);
	if (endpoint->has_port && endpoint->port_first != endpoint->port_last)
		return tg_fail(
			-EINVAL,
			"%s: \"%s\": must be one port; leave it out to keep the port of the call",
			field, text);
	if (endpoint->has_port && !endpoint->port_first)
		return tg_fail(-EINVAL, "%s: \"%s\": port 0 is not a port", field, text);
	return 0;
}

static void set_address(uint32_t words_be[4], const struct tg_address_range *range)
{
	uint8_t bytes[16];

	tg_address_bytes(tg_range_address(range, range->first), bytes);
	memcpy(words_be, bytes, sizeof(bytes));
}

int tg_target_parse(const char *text, uint32_t ops, struct tg_term *term)
{
	struct tg_endpoint to;
	int error;

	/* The rule keeps the path: see tg_target_path(). */
	if (tg_path_is(text)) {
		term->effects |= TG_EFFECT_TO_ADDR;
		return 0;
	}
	error = tg_endpoint_parse(text, &to);
	if (error)
		return tg_fail(error, "to: %s", tg_error());
	error = check_single("to", text, &to);
	if (error)
		return error;
	if (to.any_address && !to.has_port)
		return tg_fail(-EINVAL,
			       "to: \"%s\": changes nothing: write an address, a port, "
			       "or both",
			       text);
	for (int v6 = 0; v6 < 2; v6++)
		if (ops & TG_OPS_EGRESS && !to.any_address && tg_endpoint_names_any(&to, v6))
			return tg_fail(-EINVAL,
				       "to: \"%s\": the kernel connects to %s instead: write that",
				       text, v6 ? "::1" : "127.0.0.1");
	if (!to.any_address) {
		set_address(term->to_addr_be, &to.ranges[0]);
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
	int error = tg_path_is(text) ? tg_path_parse_one(text, path, bytes) : 0;

	return error ? tg_fail(error, "to: %s", tg_error()) : 0;
}

int tg_target_source(const char *text, struct tg_term *term)
{
	struct tg_endpoint source;
	int error;

	if (tg_path_is(text))
		return tg_fail(-EINVAL, "source: \"%s\": a unix socket has none", text);
	error = tg_endpoint_parse(text, &source);
	if (error)
		return tg_fail(error, "source: %s", tg_error());
	error = check_single("source", text, &source);
	if (error)
		return error;
	if (source.any_address || tg_endpoint_names_any(&source, false) ||
	    tg_endpoint_names_any(&source, true))
		return tg_fail(-EINVAL, "source: \"%s\": needs an address of this machine", text);
	set_address(term->source_addr_be, &source.ranges[0]);
	term->source_port_be = htons(source.has_port ? source.port_first : 0);
	term->effects |= TG_EFFECT_SOURCE;
	return 0;
}
