/* SPDX-License-Identifier: MIT */
/* random.h - random prefixes and rules, the same for the same seed. */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/prefix.h"
#include "bench/stream.h"

/* A rule of a random policy: a prefix, ports (0 to 65535: any), and perhaps "udp". */
struct random_rule {
	struct prefix prefix;
	uint16_t port_low, port_high;
	bool udp;
};

void random_seed(uint64_t seed);
uint32_t random_below(uint32_t limit);

/* An address to connect to: 1.0.0.0 to 223.255.255.255 without 127.0.0.0/8, or 2000::/3. */
void random_addr(int family, uint8_t addr[16]);

/* Hosts are prefixes of full length. The caller frees them. */
struct prefix *random_prefixes(int family, uint32_t count);
struct prefix *random_hosts(int family, uint32_t count);

/*
 * Rules of all kinds. The first one has an address, one port and a protocol, so that it uses all
 * the fields that the others use.
 */
struct random_rule *random_rules(uint32_t count);

/* Rules with one address and one of the usual ports, all for UDP. */
struct random_rule *random_endpoint_rules(uint32_t count);

/* Whether a rule matches a UDP call to an IPv4 address. */
bool random_rule_matches(const struct random_rule *rule, const union address *address);

#endif
