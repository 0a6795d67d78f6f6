/* SPDX-License-Identifier: MIT */
/* address.c - one IPv4 or IPv6 address as text.  Prefixes, ranges and ports: endpoint.c. */
#include "parse/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tidegate.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 0..255 without leading zeros, which some programs read as octal. */
static bool scan_octet(const char **text, uint32_t *octet)
{
	const char *s = *text;
	unsigned int value = (unsigned int)(*s - '0');

	if (value > 9)
		return false;
	for (s++; *s >= '0' && *s <= '9'; s++) {
		if (!value)
			return false;
		value = value * 10 + (unsigned int)(*s - '0');
		if (value > 255)
			return false;
	}
	*octet = value;
	*text = s;
	return true;
}

bool tg_address_scan4(const char **text, uint32_t *address)
{
	const char *s = *text;
	uint32_t value = 0, octet;

	for (int i = 0; i < 4; i++) {
		if (i && *s++ != '.')
			return false;
		if (!scan_octet(&s, &octet))
			return false;
		value = value << 8 | octet;
	}
	*address = value;
	*text = s;
	return true;
}

/*
 * Read up to eight groups into `words`.  `*gap` becomes the number of groups
 * before "::", or -1.  Returns how many there are, or -1.
 */
static int scan_groups(const char **text, uint16_t words[8], int *gap)
{
	const char *s = *text;
	int count = 0;

	*gap = -1;
	if (*s == ':') {
		if (s[1] != ':')
			return -1;
		*gap = 0;
		s += 2;
	}
	while (count < 8) {
		const char *start = s;
		unsigned int value = 0;
		uint32_t address;
		int digit;

		for (; (digit = hex_digit(*s)) >= 0 && s - start < 5; s++)
			value = value << 4 | (unsigned int)digit;
		if (s == start)
			break; /* valid only after "::", which the caller checks */
		if (*s == '.') {
			s = start;
			if (count > 6 || !tg_address_scan4(&s, &address))
				return -1;
			words[count++] = (uint16_t)(address >> 16);
			words[count++] = (uint16_t)address;
			break;
		}
		if (s - start > 4)
			return -1;
		words[count++] = (uint16_t)value;
		if (*s != ':')
			break;
		if (s[1] == ':') {
			if (*gap >= 0)
				return -1;
			*gap = count;
			s += 2;
		} else if (hex_digit(*++s) < 0) {
			return -1;
		}
	}
	*text = s;
	return count;
}

bool tg_address_scan6(const char **text, struct tg_key128 *address)
{
	const char *s = *text;
	uint16_t words[8], whole[8] = {0};
	int gap, count = scan_groups(&s, words, &gap);

	if (count < 0 || (gap < 0 ? count != 8 : count > 7))
		return false;
	if (gap < 0)
		gap = count;
	memcpy(whole, words, (size_t)gap * sizeof(*words));
	memcpy(whole + 8 - (count - gap), words + gap, (size_t)(count - gap) * sizeof(*words));
	address->hi = (uint64_t)whole[0] << 48 | (uint64_t)whole[1] << 32 |
		      (uint64_t)whole[2] << 16 | whole[3];
	address->lo = (uint64_t)whole[4] << 48 | (uint64_t)whole[5] << 32 |
		      (uint64_t)whole[6] << 16 | whole[7];
	*text = s;
	return true;
}

void tg_address_bytes(struct tg_key128 address, uint8_t bytes[16])
{
	for (int i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)(address.hi >> (56 - 8 * i));
		bytes[8 + i] = (uint8_t)(address.lo >> (56 - 8 * i));
	}
}

_Static_assert(TG_ADDR_TEXT == INET6_ADDRSTRLEN, "as long as the system's");

static int required(const char *function, const uint8_t *addr, const char *text)
{
	int error = tg_require(addr, function, "addr");

	return error ? error : tg_require(text, function, "text");
}

int tg_addr_format(const uint8_t addr[16], char *text, size_t size)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	int error = required(__func__, addr, text);
	bool is_mapped = !error && !memcmp(addr, mapped, sizeof(mapped));

	if (error)
		return error;
	if (size < TG_ADDR_TEXT)
		return tg_fail(-ENOSPC, "the text of an address needs room for %d bytes",
			       TG_ADDR_TEXT);
	inet_ntop(is_mapped ? AF_INET : AF_INET6, is_mapped ? addr + 12 : addr, text,
		  (socklen_t)size);
	return 0;
}

int tg_endpoint_format(const uint8_t addr[16], uint32_t port, char *text, size_t size)
{
	char address[TG_ADDR_TEXT];
	int error = required(__func__, addr, text);

	if (error)
		return error;
	if (size < TG_ENDPOINT_TEXT)
		return tg_fail(-ENOSPC, "the text of an endpoint needs room for %d bytes",
			       TG_ENDPOINT_TEXT);
	if (port > 65535)
		return tg_fail(-EINVAL, "port %u is over 65535", port);
	tg_addr_format(addr, address, sizeof(address));
	snprintf(text, size, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
	return 0;
}
