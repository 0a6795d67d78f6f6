/* SPDX-License-Identifier: MIT */
/*
 * address.h - IPv4 and IPv6 addresses as text.
 *
 * Written by hand because a list may have millions of addresses: the functions
 * read in place, and leave the reader at the text after the address.
 */
#ifndef TG_PARSE_ADDRESS_H
#define TG_PARSE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/interval.h"

/* The low half of ::ffff:0:0, where the v4-mapped addresses begin. */
#define TG_MAPPED_LO 0x0000ffff00000000ull

/* Read "10.0.0.1" and move *text after it.  A failure leaves *text unchanged. */
bool tg_address_scan4(const char **text, uint32_t *address);

/* Like tg_address_scan4(), for "2001:db8::1" and "::ffff:1.2.3.4". */
bool tg_address_scan6(const char **text, struct tg_key128 *address);

/* Whether an address is IPv4, in its v4-mapped form. */
static inline bool tg_address_is_mapped(struct tg_key128 address)
{
	return !address.hi && address.lo >> 32 == TG_MAPPED_LO >> 32;
}

/* Like tg_address_is_mapped(), for 16 bytes in network order, of any type. */
static inline bool tg_bytes_are_mapped(const void *addr_be)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr_be, prefix, sizeof(prefix));
}

static inline uint64_t tg_be64(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Write an address as 16 bytes in network order. */
void tg_address_bytes(struct tg_key128 address, uint8_t bytes[16]);

#endif
