/* SPDX-License-Identifier: MIT */
/* prefix.c - prefixes of addresses. */
#include "bench/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

void prefix_put(uint8_t addr[16], const struct prefix *prefix)
{
	uint32_t whole = prefix->length / 8;

	memcpy(addr, prefix->addr, whole);
	if (prefix->length % 8) {
		uint8_t mask = (uint8_t)(0xff00 >> prefix->length % 8);

		addr[whole] = (prefix->addr[whole] & mask) | (addr[whole] & ~mask);
	}
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
