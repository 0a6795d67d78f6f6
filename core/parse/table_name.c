/* SPDX-License-Identifier: MIT */
/* table_name.c - names of live tables. */
#include "parse/table_name.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "parse/named_range.h"

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" TG_DIGITS "_.-"

#define NAME_RULE "letters, digits, '_', '.' and '-'"

bool tg_table_item_is(const char *item)
{
	return item[*item == '!'] == '@';
}

static int read_ports(const char *item, const char *text, bool numeric,
		      struct tg_table_item *parsed)
{
	uint32_t first, last;
	int error = tg_port_parse(item, text, numeric, &first, &last);

	if (error)
		return error;
	parsed->has_port = true;
	parsed->port_first = (uint16_t)first;
	parsed->port_last = (uint16_t)last;
	return 0;
}

int tg_table_item_parse(const char *item, bool numeric, struct tg_table_item *parsed)
{
	struct tg_table_item fresh = {.port_last = 65535};
	const char *text;
	size_t length;
	int error = tg_item_start(item, &text, &fresh.negated) ?: tg_line_check(item);

	if (error)
		return error;
	length = strspn(++text, NAME_CHARACTERS);
	if (!*text || *text == ':')
		return tg_fail(-EINVAL,
			       "\"%s\": no name after the '@': write the name of a live set or a "
			       "range; built-in ranges are " TG_RANGES_TEXT,
			       item);
	if (text[length] && text[length] != ':')
		return tg_fail(
			-EINVAL,
			"\"%s\": after the '@' comes the name of a live set or a range: " NAME_RULE
			", and perhaps a port: \"@banned:25\"",
			item);
	if (length > TG_TABLE_NAME_MAX)
		return tg_fail(-EINVAL, "\"%s\": the name has more than %d characters", item,
			       TG_TABLE_NAME_MAX);
	memcpy(fresh.name, text, length);
	if (text[length])
		error = read_ports(item, text + length + 1, numeric, &fresh);
	if (!error)
		*parsed = fresh;
	return error;
}

int tg_table_name_check(const char *name)
{
	if (!*name)
		return tg_fail(-EINVAL, "the name is empty");
	if (name[strspn(name, NAME_CHARACTERS)])
		return tg_fail(-EINVAL, "a name has only " NAME_RULE);
	if (strlen(name) > TG_TABLE_NAME_MAX)
		return tg_fail(-EINVAL, "the name has more than %d characters", TG_TABLE_NAME_MAX);
	if (tg_named_range_find(name) >= 0)
		return tg_fail(-EINVAL, "the name is that of a built-in range: choose another");
	return 0;
}
