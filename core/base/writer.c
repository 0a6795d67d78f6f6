/* SPDX-License-Identifier: MIT */
/* writer.c - text that is put together in a buffer. */
#include "base/writer.h"

#include <stdio.h>
#include <string.h>

#include "base/printable.h"
#include "tidegate_private.h"

static void put(struct tg_writer *writer, const char *text, size_t count)
{
	if (writer->cut || writer->size - writer->length <= count) {
		writer->cut = true;
		return;
	}
	memcpy(writer->text + writer->length, text, count);
	writer->length += count;
	writer->text[writer->length] = 0;
}

void tg_write(struct tg_writer *writer, const char *text)
{
	put(writer, text, strlen(text));
}

void tg_write_number(struct tg_writer *writer, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	put(writer, digits + at, sizeof(digits) - at);
}

/* --- Escapes -------------------------------------------------------------------- */

/* Whether the text is to be read by a parser, for which " and \ have a meaning. */
static bool is_quoted(enum tg_escape escape)
{
	return escape == TG_ESCAPE_JSON || escape == TG_ESCAPE_LUA;
}

static bool is_plain(enum tg_escape escape, uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f && !(is_quoted(escape) && (byte == '"' || byte == '\\'));
}

/* How many bytes from here on need no escape. */
static size_t plain(enum tg_escape escape, const uint8_t *at, const uint8_t *end)
{
	const uint8_t *start = at;

	while (at < end && is_plain(escape, *at))
		at++;
	return (size_t)(at - start);
}

/* Whether a character stays that is not plain; `length` 0: it is none. */
static bool remains(enum tg_escape escape, const uint8_t *bytes, size_t length)
{
	if (escape == TG_ESCAPE_LINES && (*bytes == '\n' || *bytes == '\t'))
		return true;
	return escape != TG_ESCAPE_ASCII && length > 1 && !tg_is_control(bytes, length);
}

static const char *lua_format(uint8_t byte)
{
	switch (byte) {
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	case '"':
	case '\\':
		return "\\%c";
	default:
		return "\\%03u";
	}
}

/* Write an escape for a byte, or for a control character of two bytes; returns how many. */
static size_t put_escape(struct tg_writer *writer, enum tg_escape escape, const uint8_t *at,
			 size_t length)
{
	const char *format = "\\x%02x";
	size_t taken = 1;
	char text[8];

	if (escape == TG_ESCAPE_LUA)
		format = lua_format(*at);
	else if (escape == TG_ESCAPE_JSON && (*at == '"' || *at == '\\'))
		format = "\\%c";
	else if (escape == TG_ESCAPE_JSON && length) {
		format = "\\u%04x";
		taken = length;
	} else if (escape == TG_ESCAPE_JSON)
		format = "\\\\x%02x";
	put(writer, text, (size_t)snprintf(text, sizeof(text), format, at[taken - 1]));
	return taken;
}

void tg_write_escaped(struct tg_writer *writer, enum tg_escape escape, const void *bytes,
		      size_t count)
{
	const uint8_t *at = bytes, *end = at + count;

	while (at < end) {
		size_t length = plain(escape, at, end);

		if (!length) {
			length = tg_utf8_length(at, (size_t)(end - at));
			if (!remains(escape, at, length)) {
				at += put_escape(writer, escape, at, length);
				continue;
			}
		}
		put(writer, (const char *)at, length);
		at += length;
	}
}

size_t tg_escape(uint32_t escape, const char *bytes, size_t count, char *text, size_t size)
{
	struct tg_writer out = {.text = text, .size = size};

	text[0] = 0;
	tg_write_escaped(&out, escape, bytes, count);
	return out.length;
}
