/* SPDX-License-Identifier: MIT */
/*
 * named_range.c - what the built-in ranges contain.
 *
 * The rows are those of IANA's registries of special-purpose addresses for IPv4 and
 * IPv6 (RFC 6890), both as updated on 2025-10-09, and the multicast blocks of its
 * registries of address space.  "Globally reachable" is that column of the registries;
 * "N/A" counts as no.  Blocks of IPv6 outside 2000::/3, the global unicast space, are
 * listed only if a range has them: none of them is global.  The addresses of metadata
 * services are those that the providers document.
 */
#include "parse/named_range.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "parse/endpoint.h"
#include "tidegate_private.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const names[TG_RANGE_COUNT] = {
	[TG_RANGE_PRIVATE] = "private",     [TG_RANGE_METADATA] = "metadata",
	[TG_RANGE_LOOPBACK] = "loopback",   [TG_RANGE_LINKLOCAL] = "linklocal",
	[TG_RANGE_MULTICAST] = "multicast", [TG_RANGE_GLOBAL] = "global",
	[TG_RANGE_LOCAL] = "local",
};

/* The row is special, but belongs to no range. */
#define NONE TG_RANGE_COUNT

static const struct row {
	const char *prefix;
	uint8_t range; /* TG_RANGE_GLOBAL: special, and globally reachable */
	const char *what;
} rows[] = {
	{"10.0.0.0/8", TG_RANGE_PRIVATE, "private use, RFC 1918"},
	{"172.16.0.0/12", TG_RANGE_PRIVATE, "private use, RFC 1918"},
	{"192.168.0.0/16", TG_RANGE_PRIVATE, "private use, RFC 1918"},
	{"100.64.0.0/10", TG_RANGE_PRIVATE, "shared address space of providers, RFC 6598"},
	{"fc00::/7", TG_RANGE_PRIVATE, "unique local addresses, RFC 4193"},
	{"fec0::/10", TG_RANGE_PRIVATE, "site-local addresses, deprecated by RFC 3879"},

	{"169.254.169.254", TG_RANGE_METADATA,
	 "AWS, Azure, DigitalOcean, Google Cloud, Hetzner, IBM, Linode, OpenStack, Oracle, Vultr"},
	{"169.254.170.2", TG_RANGE_METADATA, "AWS: credentials of ECS tasks"},
	{"169.254.170.23", TG_RANGE_METADATA, "AWS: credentials of EKS pods"},
	{"fd00:ec2::254", TG_RANGE_METADATA, "AWS"},
	{"fd00:ec2::23", TG_RANGE_METADATA, "AWS: credentials of EKS pods"},
	{"fd20:ce::254", TG_RANGE_METADATA, "Google Cloud"},
	{"169.254.169.252", TG_RANGE_METADATA, "Google Cloud: metadata server of GKE nodes"},
	{"168.63.129.16", TG_RANGE_METADATA, "Azure: WireServer, also its resolver"},
	{"100.100.100.200", TG_RANGE_METADATA, "Alibaba Cloud"},
	{"169.254.0.23", TG_RANGE_METADATA, "Tencent Cloud"},
	{"169.254.42.42", TG_RANGE_METADATA, "Scaleway"},
	{"fd00:42::42", TG_RANGE_METADATA, "Scaleway"},
	{"192.0.0.192", TG_RANGE_METADATA, "Oracle Cloud Infrastructure Classic"},
	{"fd00:c1::a9fe:a9fe", TG_RANGE_METADATA, "Oracle"},
	{"fd00:a9fe:a9fe::1", TG_RANGE_METADATA, "Linode"},
	{"fe80::a9fe:a9fe", TG_RANGE_METADATA, "OpenStack"},

	{"127.0.0.0/8", TG_RANGE_LOOPBACK, "loopback, RFC 1122"},
	{"::1", TG_RANGE_LOOPBACK, "loopback, RFC 4291"},

	{"169.254.0.0/16", TG_RANGE_LINKLOCAL, "link-local, RFC 3927"},
	{"fe80::/10", TG_RANGE_LINKLOCAL, "link-local, RFC 4291"},

	{"224.0.0.0/4", TG_RANGE_MULTICAST, "multicast, RFC 5771"},
	{"ff00::/8", TG_RANGE_MULTICAST, "multicast, RFC 4291"},

	{"0.0.0.0/8", NONE, "this network, RFC 791"},
	{"192.0.0.0/24", NONE, "protocol assignments, RFC 6890"},
	{"192.0.0.9", TG_RANGE_GLOBAL, "Port Control Protocol anycast, RFC 7723"},
	{"192.0.0.10", TG_RANGE_GLOBAL, "TURN anycast, RFC 8155"},
	{"192.0.2.0/24", NONE, "documentation, RFC 5737"},
	{"192.88.99.0/24", NONE, "6to4 relays, deprecated by RFC 7526"},
	{"198.18.0.0/15", NONE, "benchmarking, RFC 2544"},
	{"198.51.100.0/24", NONE, "documentation, RFC 5737"},
	{"203.0.113.0/24", NONE, "documentation, RFC 5737"},
	{"240.0.0.0/4", NONE, "reserved, RFC 1112, and broadcast, RFC 919"},
	{"2001::/23", NONE, "protocol assignments, RFC 2928, and Teredo, RFC 4380"},
	{"2001:1::1", TG_RANGE_GLOBAL, "Port Control Protocol anycast, RFC 7723"},
	{"2001:1::2", TG_RANGE_GLOBAL, "TURN anycast, RFC 8155"},
	{"2001:1::3", TG_RANGE_GLOBAL, "DNS-SD service registration anycast, RFC 9665"},
	{"2001:3::/32", TG_RANGE_GLOBAL, "AMT, RFC 7450"},
	{"2001:4:112::/48", TG_RANGE_GLOBAL, "AS112, RFC 7535"},
	{"2001:20::/28", TG_RANGE_GLOBAL, "ORCHIDv2, RFC 7343"},
	{"2001:30::/28", TG_RANGE_GLOBAL, "drone remote identification, RFC 9374"},
	{"2001:db8::/32", NONE, "documentation, RFC 3849"},
	{"2002::/16", NONE, "6to4, RFC 3056"},
	{"3fff::/20", NONE, "documentation, RFC 9637"},
};

int tg_named_range_find(const char *name)
{
	for (int range = 0; range < TG_RANGE_COUNT; range++)
		if (!strcmp(names[range], name))
			return range;
	return -1;
}

const char *tg_range_name(uint32_t range)
{
	return range < TG_RANGE_COUNT ? names[range] : NULL;
}

int tg_range_next(uint32_t range, uint64_t *cursor, const char **prefix, const char **what)
{
	for (; *cursor < COUNT(rows); (*cursor)++)
		if (rows[*cursor].range == range) {
			*prefix = rows[*cursor].prefix;
			*what = rows[(*cursor)++].what;
			return 1;
		}
	return 0;
}

/* Addresses of both families, IPv6 second. */
struct addresses {
	struct tg_intervals of[2];
};

static void free_addresses(struct addresses *addresses)
{
	tg_intervals_free(&addresses->of[0]);
	tg_intervals_free(&addresses->of[1]);
}

static int add_row(struct addresses *addresses, const struct row *row)
{
	struct tg_endpoint endpoint;
	int error = tg_endpoint_parse_numeric(row->prefix, &endpoint);
	const struct tg_address_range *range = &endpoint.ranges[0];

	return error ?: tg_intervals_add(&addresses->of[range->v6], range->first, range->last);
}

static int add_rows_of(struct addresses *addresses, enum tg_named_range range)
{
	int error = 0;

	for (size_t i = 0; i < COUNT(rows) && !error; i++)
		if (rows[i].range == range)
			error = add_row(addresses, &rows[i]);
	return error;
}

/* Add what `space` has, and no special row that is not global. */
static int add_rest(struct addresses *addresses, const struct addresses *space,
		    struct addresses *special)
{
	int error = 0;

	for (int v6 = 0; v6 < 2 && !error; v6++) {
		struct tg_intervals rest = TG_INTERVALS_EMPTY;

		error = tg_intervals_normalise(&special->of[v6]);
		if (!error)
			error = tg_intervals_subtract(&rest, &space->of[v6], &special->of[v6]);
		for (size_t i = 0; i < rest.count && !error; i++)
			error = tg_intervals_add(&addresses->of[v6], rest.at[i].first,
						 rest.at[i].last);
		tg_intervals_free(&rest);
	}
	return error;
}

static int add_global(struct addresses *addresses)
{
	static const struct row spaces[] = {{.prefix = "0.0.0.0/0"}, {.prefix = "2000::/3"}};
	struct addresses space = {0}, special = {0};
	int error = add_row(&space, &spaces[0]) ?: add_row(&space, &spaces[1]);

	for (size_t i = 0; i < COUNT(rows) && !error; i++)
		if (rows[i].range != TG_RANGE_GLOBAL)
			error = add_row(&special, &rows[i]);
	if (!error)
		error = add_rest(addresses, &space, &special);
	free_addresses(&space);
	free_addresses(&special);
	/* Each of these lies in a block that is not global. */
	return error ?: add_rows_of(addresses, TG_RANGE_GLOBAL);
}

/* --- IPv4 addresses inside IPv6 addresses ------------------------------------------------ */

/* Prefixes of 96 bits, which the address follows.  The engine takes v4-mapped ones for IPv4. */
static const struct tg_key128 well_known_nat64 = {0x0064ff9b00000000, 0};
static const struct tg_key128 other_prefixes[] = {
	{0x0064ff9b00010000, 0}, /* 64:ff9b:1::/96, local-use NAT64, RFC 8215 */
	{0, 0},                  /* ::/96, v4-compatible, RFC 4291 */
	{0, 0xffff000000000000}, /* ::ffff:0:0:0/96, v4-translated, RFC 2765 */
};

static int embed_last(struct tg_intervals *addr6, struct tg_key128 prefix,
		      const struct tg_interval *v4)
{
	return tg_intervals_add(addr6, (struct tg_key128){prefix.hi, prefix.lo | v4->first.lo},
				(struct tg_key128){prefix.hi, prefix.lo | v4->last.lo});
}

/* 2002:AABB:CCDD::/48, RFC 3056 */
static int embed_6to4(struct tg_intervals *addr6, const struct tg_interval *v4)
{
	const uint64_t prefix = 0x2002ull << 48;

	return tg_intervals_add(
		addr6, (struct tg_key128){prefix | v4->first.lo << 16, 0},
		(struct tg_key128){prefix | v4->last.lo << 16 | 0xffff, UINT64_MAX});
}

/*
 * 64:ff9b:1:AABB:CC:DD00::/88, RFC 6052 for a prefix of 48 bits: bits 64 to 71 are zero.
 * If CC and DD do not matter, neither do these bits, so that the block stays an interval.
 */
static int embed_in_48(struct tg_intervals *addr6, const struct tg_interval *v4)
{
	const uint64_t prefix = 0x0064ff9b00010000;
	uint64_t first = v4->first.lo & 0xffff, last = v4->last.lo & 0xffff;
	bool whole = !first && last == 0xffff;

	return tg_intervals_add(addr6, (struct tg_key128){prefix | v4->first.lo >> 16, first << 40},
				(struct tg_key128){prefix | v4->last.lo >> 16,
						   whole ? UINT64_MAX : last << 40 | 0xffffffffff});
}

/* A translator of the well-known prefix reaches global addresses; the other forms reach none. */
static int embed(struct tg_intervals *addr6, const struct tg_interval *v4, bool global)
{
	int error = embed_last(addr6, well_known_nat64, v4);

	if (global || error)
		return error;
	for (size_t i = 0; i < COUNT(other_prefixes) && !error; i++)
		error = embed_last(addr6, other_prefixes[i], v4);
	return error ?: embed_6to4(addr6, v4) ?: embed_in_48(addr6, v4);
}

static int append(struct tg_intervals *to, const struct tg_intervals *from)
{
	int error = 0;

	for (size_t i = 0; i < from->count && !error; i++)
		error = tg_intervals_add(to, from->at[i].first, from->at[i].last);
	return error;
}

int tg_named_range_add(enum tg_named_range range, struct tg_intervals *addr4,
		       struct tg_intervals *addr6)
{
	bool global = range == TG_RANGE_GLOBAL;
	struct addresses addresses = {0};
	const struct tg_intervals *v4 = &addresses.of[0];
	int error = global ? add_global(&addresses) : add_rows_of(&addresses, range);

	if (!error)
		error = tg_intervals_normalise(&addresses.of[0]);
	for (size_t i = 0; i < v4->count && !error; i++)
		error = embed(&addresses.of[1], &v4->at[i], global);
	if (!error)
		error = append(addr4, v4) ?: append(addr6, &addresses.of[1]);
	free_addresses(&addresses);
	return error;
}
