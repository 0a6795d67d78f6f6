/* SPDX-License-Identifier: MIT */
/* item.c - what the items of all fields have in common: '!', numbers, ports. */
#include "parse/item.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int tg_item_start(const char *item, const char **text, bool *negated)
{
	bool negative = *item == '!';
	const char *rest = item + negative;

	if (!*item)
		return tg_fail(-EINVAL, "\"\": an empty item: write a value, or \"*\" for all");
	if (strlen(item) > TG_ITEM_MAX)
		return tg_fail(-EINVAL, "\"%.20s…\": %zu characters are too many for one item",
			       item, strlen(item));
	if (!*rest)
		return tg_fail(-EINVAL, "\"!\": nothing after '!': write what to leave out");
	if (*rest == '!')
		return tg_fail(-EINVAL, "\"%s\": one '!' is enough", item);
	*text = rest;
	*negated = negative;
	return 0;
}

int tg_line_check(const char *item)
{
	for (const char *s = item; *s; s++) {
		if (*s == '\n' || *s == '\r')
			return tg_fail(-EINVAL,
				       "\"%.*s\\%c\": there is a line break in it: leave it out",
				       (int)(s - item), item, *s == '\n' ? 'n' : 'r');
		if (((uint8_t)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return tg_fail(-EINVAL,
				       "\"%s\": there is a control character in it: leave it out",
				       item);
	}
	return 0;
}

bool tg_number_scan(const char **text, uint64_t max, uint64_t *number)
{
	const char *s = *text;
	uint64_t value = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		value = value * 10 + (uint64_t)(*s - '0');
		if (value > max)
			return false;
	}
	*number = value;
	*text = s;
	return true;
}

/* How many characters are a number: digits, or "0x" and hexadecimal digits. */
static size_t number_length(const char *text, bool hexadecimal)
{
	if (hexadecimal && !strncasecmp(text, "0x", 2) && text[2] && strchr(TG_HEX_DIGITS, text[2]))
		return 2 + strspn(text + 2, TG_HEX_DIGITS);
	return strspn(text, TG_DIGITS);
}

static bool scan_number(const char *text, size_t length, uint64_t max, uint64_t *number)
{
	if (length < 3 || !strchr("xX", text[1]))
		return tg_number_scan(&text, max, number);
	text += 2 + strspn(text + 2, "0");
	*number = strchr(TG_HEX_DIGITS, *text) && *text ? strtoull(text, NULL, 16) : 0;
	return strspn(text, TG_HEX_DIGITS) <= 8 && *number <= max;
}

int tg_numbers_parse(const char *item, const char *text, const char *what, uint32_t max,
		     bool hexadecimal, uint32_t *first, uint32_t *last)
{
	const char *ends[2] = {text, strchr(text, '-')};
	uint64_t number[2];
	int count = ends[1] ? 2 : 1;

	if (ends[1])
		ends[1]++;
	for (int i = 0; i < count; i++) {
		size_t digits = number_length(ends[i], hexadecimal);
		char after = ends[i][digits];

		if (!digits)
			return tg_fail(-EINVAL, "\"%s\": the range \"%s\" has no end", item, text);
		if (i && after == '-')
			return tg_fail(-EINVAL,
				       "\"%s\": two ranges in one: write them as two items", item);
		if (after == ',')
			return tg_fail(-EINVAL,
				       "\"%s\": a ',' in it: write each %s as a separate item",
				       item, what);
		if (after == '/' && !strcmp(what, "port"))
			return tg_fail(
				-EINVAL,
				"\"%s\": a protocol is a condition of its own: proto = \"%s\"",
				item, ends[i] + digits + 1);
		if (after && strchr(":+", after) && !strcmp(what, "port"))
			return tg_fail(-EINVAL, "\"%s\": a range of ports is written %.*s-%s", item,
				       (int)digits, ends[i],
				       after == ':' && ends[i][digits + 1] ? ends[i] + digits + 1
									   : "65535");
		if (after == '/' && !strcmp(what, "mark"))
			return tg_fail(-EINVAL,
				       "\"%s\": masks are not supported: write each mark, or a "
				       "range such as 0x10-0x1f",
				       item);
		if (after && (i || after != '-'))
			return tg_fail(-EINVAL, "\"%s\": \"%s\" is not a %s", item, text, what);
		if (!scan_number(ends[i], digits, max, &number[i]))
			return tg_fail(-EINVAL, "\"%s\": %s %.*s is over %u", item, what,
				       (int)digits, ends[i], max);
	}
	*first = (uint32_t)number[0];
	*last = (uint32_t)number[count - 1];
	if (*first > *last)
		return tg_fail(-EINVAL, "\"%s\": the range is upside down: write %u-%u", item,
			       *last, *first);
	return 0;
}

int tg_word_check(const char *item, const char *text, const char *what)
{
	if (*text == '-')
		return tg_fail(-EINVAL, "\"%s\": a %s is not negative", item, what);
	if (strpbrk(text, " \t"))
		return tg_fail(-EINVAL,
			       "\"%s\": there is a space in it: leave it out, or "
			       "write two items",
			       item);
	return 0;
}

static int find_service(const char *item, const char *name, uint32_t *port)
{
	struct servent entry, *found = NULL;
	char texts[4096];

	if (getservbyname_r(name, NULL, &entry, texts, sizeof(texts), &found) || !found)
		return tg_fail(-ENOENT,
			       "\"%s\": service \"%s\" is not in /etc/services: write its number",
			       item, name);
	*port = ntohs((uint16_t)found->s_port);
	return 0;
}

int tg_port_parse(const char *item, const char *text, bool numeric, uint32_t *first, uint32_t *last)
{
	int error;

	if (!*text)
		return tg_fail(-EINVAL,
			       "\"%s\": no port after the ':': write one, or leave the ':' out",
			       item);
	if (!strcmp(text, "*")) {
		*first = 0;
		*last = 65535;
		return 0;
	}
	if (strchr(TG_DIGITS, *text))
		return tg_numbers_parse(item, text, "port", 65535, false, first, last);
	error = tg_word_check(item, text, "port");
	if (error)
		return error;
	if (strchr("<>=", *text))
		return tg_fail(-EINVAL, "\"%s\": a range of ports is written 0-1023, or 1024-65535",
			       item);
	if (strpbrk(text, "!:/*[],"))
		return tg_fail(-EINVAL, "\"%s\": \"%s\" is not a port, such as 443, 80-90 or https",
			       item, text);
	if (numeric)
		return tg_fail(-EINVAL,
			       "\"%s\": names are not looked up here: write the port's number",
			       item);
	error = find_service(item, text, first);
	if (!error)
		*last = *first;
	return error;
}
