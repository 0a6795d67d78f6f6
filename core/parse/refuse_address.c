/* SPDX-License-Identifier: MIT */
/* refuse_address.c - what to write instead of a text that is no address. */
#include "parse/refuse_address.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "parse/address.h"
#include "parse/item.h"

int tg_refuse_mask(const char *item, const char *mask)
{
	const char *end = mask;
	uint32_t bits;

	if (tg_address_scan4(&end, &bits) && !(~bits & (~bits + 1)))
		return tg_fail(-EINVAL,
			       "\"%s\": masks are not supported: write a prefix length, %.*s%d%s",
			       item, (int)(mask - item), item, __builtin_popcount(bits), end);
	return tg_fail(-EINVAL,
		       "\"%s\": masks are not supported: write a prefix length, such as 10.0.0.0/8",
		       item);
}

/* How many numbers of an IPv4 address `text` begins with; *rest is what follows them. */
static int count_numbers(const char *text, const char **rest)
{
	uint64_t number;
	int count = 0;

	while (count < 4 && tg_number_scan(&text, 255, &number)) {
		count++;
		*rest = text;
		if (*text != '.')
			break;
		text++;
	}
	return count;
}

int tg_refuse_short(const char *item, const char *text)
{
	static const char *const zeros[] = {"", ".0.0.0", ".0.0", ".0"};
	const char *rest = text;
	int count = count_numbers(text, &rest), length = (int)(rest - text);

	if (!count || count == 4)
		return 0;
	if (*rest == '/' && rest[1] && !rest[1 + strspn(rest + 1, TG_DIGITS)])
		return tg_fail(-EINVAL, "\"%s\": an IPv4 address has four numbers: write %.*s%s%s",
			       item, length, text, zeros[count], rest);
	if (!strncmp(rest, ".*", 2) && !rest[strspn(rest, ".*")])
		return tg_fail(-EINVAL,
			       "\"%s\": '*' stands for a whole address, not for a part: write "
			       "%.*s%s/%d",
			       item, length, text, zeros[count], 8 * count);
	return 0;
}

int tg_refuse_v4(const char *item, const char *text)
{
	int numbers = 0;

	if (!strchr(text, '.') && strchr(TG_DIGITS, *text) && !strchr(text, '/'))
		return tg_fail(-EINVAL, "\"%s\": not an address: for a port write \"*:%s\"", item,
			       text);
	if (!strchr(text, '.'))
		return tg_fail(-EINVAL, "\"%s\": neither an address nor a name", item);
	for (const char *s = text;; s++) {
		int digits = (int)strspn(s, TG_DIGITS);
		const char *end = s + digits;
		uint64_t number;

		numbers++;
		if (!digits)
			return tg_fail(-EINVAL, "\"%s\": a number is missing between the dots",
				       item);
		if (digits > 1 && *s == '0')
			return tg_fail(-EINVAL,
				       "\"%s\": %.*s begins with a zero, which may mean octal: "
				       "write it without",
				       item, digits, s);
		if (!tg_number_scan(&s, 255, &number))
			return tg_fail(-EINVAL, "\"%s\": %.*s is over 255", item, digits, s);
		if (*end != '.')
			break;
	}
	if (numbers != 4)
		return tg_fail(-EINVAL, "\"%s\": an IPv4 address has four numbers, this one has %d",
			       item, numbers);
	return tg_fail(-EINVAL, "\"%s\": not an IPv4 address", item);
}

int tg_refuse_slash(const char *item, const char *host)
{
	int digits = (int)strspn(host, TG_DIGITS);
	const char *rest = strchr(host, '/') + 1;

	if (*host == '/')
		return tg_fail(-EINVAL, "\"%s\": for a unix socket write \"unix:%s\"", item, host);
	if (host[digits] == '/')
		return tg_fail(-EINVAL,
			       "\"%s\": for a port write \"*:%.*s\", and the protocol as a "
			       "condition: proto = \"%s\"",
			       item, digits, host, rest);
	if (*rest && rest[strspn(rest, TG_DIGITS)])
		return tg_fail(-EINVAL, "\"%s\": an endpoint has no path: leave out \"/%s\"", item,
			       rest);
	return tg_fail(-EINVAL, "\"%s\": a name has no prefix length", item);
}

int tg_refuse_sigil(const char *item, const char *host)
{
	if ((*host == '$' || *host == '+') && host[1])
		return tg_fail(-EINVAL, "\"%s\": a live set is written \"@%s\"", item, host + 1);
	return 0;
}
