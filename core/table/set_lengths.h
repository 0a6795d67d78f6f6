/* SPDX-License-Identifier: MIT */
/* set_lengths.h - the prefix lengths of a set's elements.  The caller has the table locked. */
#ifndef TG_TABLE_SET_LENGTHS_H
#define TG_TABLE_SET_LENGTHS_H

#include "table/table.h"

/* Count one more, or one less, element of a prefix length, which must exist in its family. */
void tg_set_length_gained(const struct tg_table *table, bool is4, uint32_t length);
void tg_set_length_lost(const struct tg_table *table, bool is4, uint32_t length);

/* Count the elements of each length again, and tell readers of those that there are. */
void tg_set_lengths_recount(const struct tg_table *table);

#endif
