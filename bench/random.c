/* SPDX-License-Identifier: MIT */
/*
 * random.c - prefixes, rules and streams of destinations, the same for the
 * same seed.
 *
 * Half of a stream's destinations are drawn from the prefixes (or rules) that
 * it is for, half from all addresses: the second half seldom matches.  VIPs are
 * all that is asked for.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define STREAM_COUNT (1u << 18)

static uint64_t state;

void random_seed(uint64_t seed)
{
	state = seed;
}

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)((next() >> 32) * limit >> 32);
}

void *allocate(size_t count, size_t size)
{
	void *place = calloc(count, size);

	if (!place)
		die("out of memory");
	return place;
}

/* 1.0.0.0 to 223.255.255.255 without 127.0.0.0/8, or 2000::/3: what one may connect to. */
static void random_addr(int family, uint8_t addr[16])
{
	uint64_t halves[2] = {next(), next()};

	memcpy(addr, halves, sizeof(halves));
	if (family == AF_INET6) {
		addr[0] = 0x20 | (addr[0] & 0x1f);
		return;
	}
	do
		addr[0] = (uint8_t)(1 + below(223));
	while (addr[0] == 127);
}

/* The first `length` bits of `prefix`, the rest of `addr`. */
static void put_prefix(uint8_t addr[16], const struct prefix *prefix)
{
	uint32_t whole = prefix->length / 8;

	memcpy(addr, prefix->addr, whole);
	if (prefix->length % 8) {
		uint8_t mask = (uint8_t)(0xff00 >> prefix->length % 8);

		addr[whole] = (prefix->addr[whole] & mask) | (addr[whole] & ~mask);
	}
}

static struct prefix random_prefix(int family, uint32_t length)
{
	struct prefix drawn = {.length = length}, prefix = {.length = length};

	random_addr(family, drawn.addr);
	put_prefix(prefix.addr, &drawn);
	return prefix;
}

/* Of lengths that leave most of them apart: shorter ones would swallow the rest. */
static uint32_t random_length(int family)
{
	if (family == AF_INET)
		return 20 + below(13);
	return below(4) ? 32 + below(33) : 128;
}

struct prefix *random_prefixes(int family, uint32_t count)
{
	struct prefix *prefixes = allocate(count, sizeof(*prefixes));

	for (uint32_t i = 0; i < count; i++)
		prefixes[i] = random_prefix(family, random_length(family));
	return prefixes;
}

struct prefix *random_hosts(int family, uint32_t count)
{
	struct prefix *hosts = allocate(count, sizeof(*hosts));

	for (uint32_t i = 0; i < count; i++) {
		random_addr(family, hosts[i].addr);
		hosts[i].length = family == AF_INET ? 32 : 128;
	}
	return hosts;
}

/* The first has an address, one port and a protocol: what it costs alone is what they share. */
struct random_rule *random_rules(uint32_t count)
{
	struct random_rule *rules = allocate(count, sizeof(*rules));

	for (uint32_t i = 0; i < count; i++) {
		struct random_rule *rule = &rules[i];
		uint32_t ports = i ? below(3) : 0;

		rule->prefix = random_prefix(AF_INET, 16 + below(17));
		rule->port_low = ports == 2 ? 0 : (uint16_t)(1 + below(60000));
		rule->port_high = ports == 2 ? 65535 : rule->port_low;
		if (ports == 1)
			rule->port_high += (uint16_t)below(5000);
		rule->udp = !i || !below(3);
	}
	return rules;
}

/* One address and one of the usual ports, all for UDP. */
struct random_rule *random_endpoint_rules(uint32_t count)
{
	static const uint16_t ports[] = {22,   53,   80,   123,  443,  853,  3306, 5432,
					 5672, 6379, 8080, 8443, 9000, 9092, 9200, 27017};
	struct random_rule *rules = allocate(count, sizeof(*rules));

	for (uint32_t i = 0; i < count; i++) {
		struct random_rule *rule = &rules[i];

		rule->prefix = random_prefix(AF_INET, 32);
		rule->port_low = rule->port_high = ports[below(COUNT_OF(ports))];
		rule->udp = true;
	}
	return rules;
}

bool random_rule_has(const struct random_rule *rule, const union address *address)
{
	uint32_t addr = ntohl(address->in4.sin_addr.s_addr), port = ntohs(address->in4.sin_port);
	uint32_t host_bits = 32 - rule->prefix.length;

	return addr >> host_bits == prefix_addr4(&rule->prefix) >> host_bits &&
	       rule->port_low <= port && port <= rule->port_high;
}

struct prefix prefix_of_addr4(uint32_t addr)
{
	struct prefix prefix = {.length = 32};
	uint32_t addr_be = htonl(addr);

	memcpy(prefix.addr, &addr_be, sizeof(addr_be));
	return prefix;
}

uint32_t prefix_addr4(const struct prefix *prefix)
{
	uint32_t addr_be;

	memcpy(&addr_be, prefix->addr, sizeof(addr_be));
	return ntohl(addr_be);
}

void prefix_text(int family, const struct prefix *prefix, char *text, size_t size)
{
	size_t used;

	if (!inet_ntop(family, prefix->addr, text, (socklen_t)size))
		die("prefix_text: no room");
	used = strlen(text);
	snprintf(text + used, size - used, "/%u", prefix->length);
}

/* --- Streams ------------------------------------------------------------------ */

static void put_address(union address *address, int family, const uint8_t addr[16], uint32_t port)
{
	if (family == AF_INET) {
		address->in4.sin_family = AF_INET;
		address->in4.sin_port = htons((uint16_t)port);
		memcpy(&address->in4.sin_addr, addr, 4);
	} else {
		address->in6.sin6_family = AF_INET6;
		address->in6.sin6_port = htons((uint16_t)port);
		memcpy(&address->in6.sin6_addr, addr, 16);
	}
}

static struct stream stream_new(int family, uint32_t count)
{
	return (struct stream){
		.family = family,
		.count = count,
		.addresses = allocate(count, sizeof(union address)),
	};
}

struct stream stream_of_one(uint32_t addr, uint16_t port)
{
	struct stream stream = stream_new(AF_INET, 1);

	put_address(&stream.addresses[0], AF_INET, prefix_of_addr4(addr).addr, port);
	return stream;
}

struct stream stream_of_prefixes(int family, const struct prefix *prefixes, uint32_t count)
{
	struct stream stream = stream_new(family, STREAM_COUNT);
	uint8_t addr[16];

	for (uint32_t i = 0; i < stream.count; i++) {
		random_addr(family, addr);
		if (below(2))
			put_prefix(addr, &prefixes[below(count)]);
		put_address(&stream.addresses[i], family, addr, 443);
	}
	return stream;
}

/* All of them drawn from the hosts: VIPs. */
struct stream stream_of_hosts(const struct prefix *hosts, uint32_t count)
{
	struct stream stream = stream_new(AF_INET, STREAM_COUNT);

	for (uint32_t i = 0; i < stream.count; i++)
		put_address(&stream.addresses[i], AF_INET, hosts[below(count)].addr, VIP_PORT);
	return stream;
}

struct stream stream_of_rules(const struct random_rule *rules, uint32_t count)
{
	struct stream stream = stream_new(AF_INET, STREAM_COUNT);
	uint8_t addr[16];

	for (uint32_t i = 0; i < stream.count; i++) {
		const struct random_rule *rule = &rules[below(count)];
		uint32_t port = 1 + below(65535);

		random_addr(AF_INET, addr);
		if (below(2)) {
			put_prefix(addr, &rule->prefix);
			port = rule->port_low + below(rule->port_high - rule->port_low + 1u);
		}
		put_address(&stream.addresses[i], AF_INET, addr, port ? port : 1);
	}
	return stream;
}
