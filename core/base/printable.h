/* SPDX-License-Identifier: MIT */
/*
 * printable.h - what of a text may be shown as it is.
 *
 * A printable text is UTF-8 without control characters: it cannot forge a line of a log, nor
 * give orders to a terminal.
 */
#ifndef TG_BASE_PRINTABLE_H
#define TG_BASE_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the character at the start of `count` bytes; 0: they start with none. */
size_t tg_utf8_length(const uint8_t *bytes, size_t count);

/* How many of the first `most` bytes are whole characters of UTF-8, or bytes that are none. */
size_t tg_utf8_cut(const char *text, size_t most);

/* U+0080 to U+009F are control characters too: some terminals obey them. */
static inline bool tg_is_control(const uint8_t *bytes, size_t length)
{
	return length == 1 ? bytes[0] < 0x20 || bytes[0] == 0x7f
			   : length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0;
}

/* Why a text is not printable: "has control characters"; NULL: it is printable. */
const char *tg_unprintable(const char *text);

#endif
