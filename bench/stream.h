/* SPDX-License-Identifier: MIT */
/*
 * stream.h - streams of destinations.
 *
 * Half of a stream's destinations are drawn from the prefixes or rules that it is for, half from
 * all addresses: the second half seldom matches. A stream of hosts has no second half.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <netinet/in.h>
#include <stdint.h>

struct prefix;
struct random_rule;

union address {
	struct sockaddr any;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

struct stream {
	int family;
	uint32_t count; /* a power of two */
	union address *addresses;
};

struct stream stream_of_one(uint32_t addr, uint16_t port);
struct stream stream_of_prefixes(int family, const struct prefix *prefixes, uint32_t count);
struct stream stream_of_hosts(const struct prefix *hosts, uint32_t count, uint16_t port);
struct stream stream_of_rules(const struct random_rule *rules, uint32_t count);

#endif
