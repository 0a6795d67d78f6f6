/* SPDX-License-Identifier: MIT */
/*
 * set_entry.h - one entry of a set's rows: where it is, what it says.
 *
 * Rows of IPv4 and IPv6 differ; this is what they have in common.
 */
#ifndef TG_TABLE_SET_ENTRY_H
#define TG_TABLE_SET_ENTRY_H

#include "bpf/engine/set_lookup.h"
#include "parse/element.h"
#include "table/table.h"

struct tg_entry {
	uint64_t *state;
	uint32_t row; /* among the rows of its family */
	uint32_t slot;
	bool is4;
	void *at; /* the row */
};

/* The length of an element in its own family: of IPv4 0 to 32. */
static inline uint32_t tg_entry_length(const struct tg_element *element)
{
	return tg_element_is4(element) ? element->length - 96 : element->length;
}

/* Its home row, no entry of it yet. */
struct tg_entry tg_entry_start(const struct tg_table *table, const struct tg_element *element);

/* The home row of the entry, whose prefix has `length` bits. */
uint32_t tg_entry_home(const struct tg_table *table, const struct tg_entry *entry, uint32_t length);

void tg_entry_next_row(const struct tg_table *table, struct tg_entry *entry);

/* Find, in its row, an entry that is free or has expired; one with this key. */
bool tg_entry_find_free(struct tg_entry *entry);
bool tg_entry_find_key(struct tg_entry *entry, const struct tg_element *element);

void tg_entry_write(const struct tg_entry *entry, const struct tg_element *element);
void tg_entry_read(const struct tg_entry *entry, uint64_t state, struct tg_element *element);

/* Whether something stands behind the row that belongs to it or to one before. */
uint32_t tg_entry_passed(const struct tg_table *table, const struct tg_entry *entry);

/* Tell the rows from `home` to before the entry's that it stands behind them, or no more. */
void tg_entry_pass(const struct tg_table *table, const struct tg_entry *entry, uint32_t home);
void tg_entry_unpass(const struct tg_table *table, const struct tg_entry *entry, uint32_t home);

/* Count anew, of all rows, what stands behind them; a reader meanwhile misses nothing. */
void tg_entries_recount(const struct tg_table *table);

/* Take out, by `remove`, what has expired in one row. */
void tg_entry_sweep_row(const struct tg_table *table, struct tg_entry *entry, uint64_t now,
			void (*remove)(const struct tg_table *, const struct tg_entry *));

/* All entries of the table, used or not, are numbered places: IPv4's first. */
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
