/* SPDX-License-Identifier: MIT */
/* endpoint.h - one item of an endpoint list: "10.0.0.0/8:443". */
#ifndef TG_PARSE_ENDPOINT_H
#define TG_PARSE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/interval.h"
#include "parse/address.h"
#include "parse/unix_path.h"

/* A name that has more addresses than this is an error. */
#define TG_HOST_ADDRESSES 64

struct tg_address_range {
	bool v6; /* false: IPv4 or v4-mapped, as a key of 32 bits */
	struct tg_key128 first, last;
};

struct tg_endpoint {
	bool negated;
	bool is_unix; /* then only `negated`, `path` and `count`, which is 0, are valid */
	struct tg_path_interval path;
	bool any_address; /* "*"; then ranges[0] is all of IPv4, and ranges[1] all of IPv6 */
	bool text_v6;     /* written as IPv6, even if it is v4-mapped */
	bool numeric;     /* names are an error */
	bool has_port;    /* false: any port */
	uint16_t port_first, port_last;
	unsigned int count;
	struct tg_address_range
		ranges[TG_HOST_ADDRESSES]; /* more than one: "*", or the addresses of a name */
};

/* An end of a range as 128 bits: IPv4 becomes v4-mapped. */
static inline struct tg_key128 tg_range_address(const struct tg_address_range *range,
						struct tg_key128 end)
{
	if (!range->v6)
		end.lo |= TG_MAPPED_LO;
	return end;
}

/*
 * A failure leaves *endpoint undefined.  A name of a host is looked up, which may
 * take long; the numeric variant refuses names.
 */
int tg_endpoint_parse(const char *item, struct tg_endpoint *endpoint);
int tg_endpoint_parse_numeric(const char *item, struct tg_endpoint *endpoint);

/* Whether the item is, or is a name that has, the single address 0.0.0.0 or, with `v6`, ::. */
bool tg_endpoint_names_any(const struct tg_endpoint *endpoint, bool v6);

#endif
