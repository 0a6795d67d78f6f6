/* SPDX-License-Identifier: MIT */
/* printable.c - what of a text may be shown as it is. */
#include "base/printable.h"

#include <string.h>

/*
 * Which second bytes may follow a first one, by table 3-7 of the Unicode
 * standard: no overlong forms, no surrogates, nothing past U+10FFFF.
 */
static bool may_follow(uint8_t first, uint8_t second)
{
	uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return second >= low && second <= high;
}

size_t tg_utf8_length(const uint8_t *bytes, size_t count)
{
	size_t length = bytes[0] < 0x80   ? 1
			: bytes[0] < 0xc2 ? 0
			: bytes[0] < 0xe0 ? 2
			: bytes[0] < 0xf0 ? 3
			: bytes[0] < 0xf5 ? 4
					  : 0;

	if (length > count || (length > 1 && !may_follow(bytes[0], bytes[1])))
		return 0;
	for (size_t i = 2; i < length; i++)
		if (bytes[i] >> 6 != 2)
			return 0;
	return length;
}

size_t tg_utf8_cut(const char *text, size_t most)
{
	size_t count = strnlen(text, most + 1);
	size_t kept = most;

	if (count <= most)
		return count;
	/* The last character may begin up to three bytes before the cut, and end after it. */
	for (size_t back = 1; back <= 3 && back <= most; back++) {
		const uint8_t *last = (const uint8_t *)text + most - back;

		if (*last >> 6 != 2) {
			if (tg_utf8_length(last, strnlen((const char *)last, 4)) > back)
				kept = most - back;
			break;
		}
	}
	return kept;
}

const char *tg_unprintable(const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	for (size_t left = strlen(text); left;) {
		size_t length = tg_utf8_length(at, left);

		if (!length)
			return "is not UTF-8";
		if (tg_is_control(at, length))
			return "has control characters";
		at += length;
		left -= length;
	}
	return NULL;
}
