/* SPDX-License-Identifier: MIT */
/* random.c - random prefixes and rules, the same for the same seed. */
#include "bench/random.h"

#include <arpa/inet.h>
#include <string.h>

#include "bench/bench.h"

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

uint32_t random_below(uint32_t limit)
{
	return (uint32_t)((next() >> 32) * limit >> 32);
}

void random_addr(int family, uint8_t addr[16])
{
	uint64_t halves[2] = {next(), next()};

	memcpy(addr, halves, sizeof(halves));
	if (family == AF_INET6) {
		addr[0] = 0x20 | (addr[0] & 0x1f);
		return;
	}
	do
		addr[0] = (uint8_t)(1 + random_below(223));
	while (addr[0] == 127);
}

static struct prefix random_prefix(int family, uint32_t length)
{
	struct prefix drawn = {.length = length}, prefix = {.length = length};

	random_addr(family, drawn.addr);
	prefix_put(prefix.addr, &drawn);
	return prefix;
}

/* A length that keeps most prefixes apart: shorter ones would cover the rest. */
static uint32_t random_length(int family)
{
	if (family == AF_INET)
		return 20 + random_below(13);
	return random_below(4) ? 32 + random_below(33) : 128;
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

struct random_rule *random_rules(uint32_t count)
{
	struct random_rule *rules = allocate(count, sizeof(*rules));

	for (uint32_t i = 0; i < count; i++) {
		struct random_rule *rule = &rules[i];
		uint32_t ports = i ? random_below(3) : 0;

		rule->prefix = random_prefix(AF_INET, 16 + random_below(17));
		rule->port_low = ports == 2 ? 0 : (uint16_t)(1 + random_below(60000));
		rule->port_high = ports == 2 ? 65535 : rule->port_low;
		if (ports == 1)
			rule->port_high += (uint16_t)random_below(5000);
		rule->udp = !i || !random_below(3);
	}
	return rules;
}

struct random_rule *random_endpoint_rules(uint32_t count)
{
	static const uint16_t ports[] = {22,   53,   80,   123,  443,  853,  3306, 5432,
					 5672, 6379, 8080, 8443, 9000, 9092, 9200, 27017};
	struct random_rule *rules = allocate(count, sizeof(*rules));

	for (uint32_t i = 0; i < count; i++) {
		struct random_rule *rule = &rules[i];

		rule->prefix = random_prefix(AF_INET, 32);
		rule->port_low = rule->port_high = ports[random_below(COUNT_OF(ports))];
		rule->udp = true;
	}
	return rules;
}

bool random_rule_matches(const struct random_rule *rule, const union address *address)
{
	uint32_t addr = ntohl(address->in4.sin_addr.s_addr), port = ntohs(address->in4.sin_port);
	uint32_t host_bits = 32 - rule->prefix.length;

	return addr >> host_bits == prefix_addr4(&rule->prefix) >> host_bits &&
	       rule->port_low <= port && port <= rule->port_high;
}
