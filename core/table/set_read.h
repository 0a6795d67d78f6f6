/* SPDX-License-Identifier: MIT */
/* set_read.h - reading a set while others change it: the caller need not lock its table. */
#ifndef TG_TABLE_SET_READ_H
#define TG_TABLE_SET_READ_H

#include "parse/element.h"
#include "table/table.h"

/*
 * Find the first element at place *at or after it, and set *at to the place after
 * that element.  Start with *at = 0.  Returns 1, or 0 if there are no more elements.
 * The element's ttl_ms is the time that it has left.
 */
int tg_set_table_next(const struct tg_table *table, uint64_t *at, struct tg_element *element);

/*
 * Find the longest prefix that contains an address: 1, 0 if none does, or -EBADMSG: the table is
 * damaged.
 */
int tg_set_table_find(const struct tg_table *table, const struct tg_element *address,
		      struct tg_element *element);

#endif
