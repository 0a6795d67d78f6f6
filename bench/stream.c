/* SPDX-License-Identifier: MIT */
/* stream.c - streams of destinations. */
#include "bench/stream.h"

#include <arpa/inet.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/prefix.h"
#include "bench/random.h"

#define STREAM_COUNT (1u << 18)

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
		if (random_below(2))
			prefix_put(addr, &prefixes[random_below(count)]);
		put_address(&stream.addresses[i], family, addr, 443);
	}
	return stream;
}

struct stream stream_of_hosts(const struct prefix *hosts, uint32_t count, uint16_t port)
{
	struct stream stream = stream_new(AF_INET, STREAM_COUNT);

	for (uint32_t i = 0; i < stream.count; i++)
		put_address(&stream.addresses[i], AF_INET, hosts[random_below(count)].addr, port);
	return stream;
}

struct stream stream_of_rules(const struct random_rule *rules, uint32_t count)
{
	struct stream stream = stream_new(AF_INET, STREAM_COUNT);
	uint8_t addr[16];

	for (uint32_t i = 0; i < stream.count; i++) {
		const struct random_rule *rule = &rules[random_below(count)];
		uint32_t port = 1 + random_below(65535);

		random_addr(AF_INET, addr);
		if (random_below(2)) {
			prefix_put(addr, &rule->prefix);
			port = rule->port_low + random_below(rule->port_high - rule->port_low + 1u);
		}
		put_address(&stream.addresses[i], AF_INET, addr, port ? port : 1);
	}
	return stream;
}
