/* SPDX-License-Identifier: MIT */
/*
 * set_entry.h - one entry of a set's rows: where it is, and what it contains.
 *
 * The rows of IPv4 and of IPv6 differ; these functions hide the difference.
 */
#ifndef TG_TABLE_SET_ENTRY_H
#define TG_TABLE_SET_ENTRY_H

#include "parse/element.h"
#include "table/table.h"

struct tg_entry {
	uint64_t *state;
	uint32_t row; /* among the rows of its family */
	uint32_t slot;
	bool is4;
	void *at; /* the row */
};

/* The prefix length in the element's own family: for IPv4, 0 to 32. */
static inline uint32_t tg_entry_length(const struct tg_element *element)
{
	return tg_element_is4(element) ? element->length - 96 : element->length;
}

/* The home row of an element; `state` and `slot` are not valid yet. */
struct tg_entry tg_entry_start(const struct tg_table *table, const struct tg_element *element);

/* The home row of an entry whose prefix has `length` bits. */
uint32_t tg_entry_home(const struct tg_table *table, const struct tg_entry *entry, uint32_t length);

void tg_entry_next_row(const struct tg_table *table, struct tg_entry *entry);

/* Move to an entry of the row that is free or has expired, or to the one with this key. */
bool tg_entry_find_free(struct tg_entry *entry);
bool tg_entry_find_key(struct tg_entry *entry, const struct tg_element *element);

void tg_entry_write(const struct tg_entry *entry, const struct tg_element *element);
void tg_entry_read(const struct tg_entry *entry, uint64_t state, struct tg_element *element);

/* How many elements have passed this row: their home is here or before, their own row after. */
uint32_t tg_entry_passed(const struct tg_table *table, const struct tg_entry *entry);

/* Count, or no longer count, the entry as one that has passed the rows from `home` to its own. */
void tg_entry_pass(const struct tg_table *table, const struct tg_entry *entry, uint32_t home);
void tg_entry_unpass(const struct tg_table *table, const struct tg_entry *entry, uint32_t home);

/* Recount, for all rows, the entries that have passed them.  Meanwhile readers miss no element. */
void tg_entries_recount(const struct tg_table *table);

/* Call `remove` for the expired entries of one row. */
void tg_entry_sweep_row(const struct tg_table *table, struct tg_entry *entry, uint64_t now,
			void (*remove)(const struct tg_table *, const struct tg_entry *));

/* Each entry of the table, used or not, has a place, counted from 0: those of IPv4 come first. */
bool tg_entry_at(const struct tg_table *table, struct tg_entry *entry, uint64_t place);
uint64_t tg_entry_place(const struct tg_table *table, const struct tg_entry *entry);

static inline bool tg_entry_first(const struct tg_table *table, struct tg_entry *entry)
{
	return tg_entry_at(table, entry, 0);
}

static inline bool tg_entry_next(const struct tg_table *table, struct tg_entry *entry)
{
	return tg_entry_at(table, entry, tg_entry_place(table, entry) + 1);
}

#endif
