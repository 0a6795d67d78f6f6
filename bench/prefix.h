/* SPDX-License-Identifier: MIT */
/* prefix.h - prefixes of addresses. */
#ifndef BENCH_PREFIX_H
#define BENCH_PREFIX_H

#include <stddef.h>
#include <stdint.h>

struct prefix {
	uint8_t addr[16]; /* network order; IPv4 in the first four bytes */
	uint32_t length;
};

/* Replace the first `length` bits of an address by those of the prefix. */
void prefix_put(uint8_t addr[16], const struct prefix *prefix);

/* IPv4 addresses, in host order. */
struct prefix prefix_of_addr4(uint32_t addr);
uint32_t prefix_addr4(const struct prefix *prefix);

/* "10.0.0.0/8" */
void prefix_text(int family, const struct prefix *prefix, char *text, size_t size);

#endif
