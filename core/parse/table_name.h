/* SPDX-License-Identifier: MIT */
/* table_name.h - names of live tables, and items of lists with a name: "@banned:25", "@private". */
#ifndef TG_PARSE_TABLE_NAME_H
#define TG_PARSE_TABLE_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "parse/item.h"

/* The longest name, so that an item has room for it with "!@" and ports. */
#define TG_TABLE_NAME_MAX 255

/* "@banned", "!@banned", "@banned:25", "@private:80-90" */
struct tg_table_item {
	bool negated;
	bool has_port; /* false: any port */
	uint16_t port_first, port_last;
	char name[TG_TABLE_NAME_MAX + 1];
};

/* Whether an item, after its '!', names a live table or a range. */
bool tg_table_item_is(const char *item);

/* Read such an item.  `numeric`: its ports must be numbers. */
int tg_table_item_parse(const char *item, bool numeric, struct tg_table_item *parsed);

/* -EINVAL: no live table can have this name; the text says why, without the name. */
int tg_table_name_check(const char *name);

#endif
