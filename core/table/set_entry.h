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

/* The longest prefix of a family. */
static inline uint32_t tg_entry_longest(bool is4)
{
	return is4 ? 32 : 128;
}

/*
 * Others may change the state at any time: what was checked must be what is used.  An entry
 * whose length cannot be is in no membership: it is no element to programs either, and free.
 */
static inline uint64_t tg_entry_state(const struct tg_entry *entry)
{
	uint64_t state = __atomic_load_n(entry->state, __ATOMIC_ACQUIRE);

	return TG_ENTRY_LENGTH(state) <= tg_entry_longest(entry->is4) ? state
								      : state & ~TG_ENTRY_MEMBERS;
}

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

/* Whether an entry with this state has expired at a tick. */
static inline bool tg_entry_expired_at(uint64_t state, uint64_t now)
{
	uint64_t expiry = TG_ENTRY_EXPIRY(state);

	return expiry && now >= expiry;
}

/* Move to an entry of the row that is free or has expired, or to the one with this key. */
bool tg_entry_find_free(struct tg_entry *entry, uint64_t now);
bool tg_entry_find_key(struct tg_entry *entry, const struct tg_element *element);

void tg_entry_write(const struct tg_entry *entry, const struct tg_element *element);

/* Whether the set has the element, visible to readers or not, expired or not. */
bool tg_entry_find(const struct tg_table *table, const struct tg_element *element,
		   struct tg_entry *entry);

/*
 * Read an entry while others may change it; *state is its state.  false: the entry is
 * free, or was changed meanwhile.
 */
bool tg_entry_read(const struct tg_entry *entry, uint64_t *state, struct tg_element *element);

/* How many elements have passed this row: their home is here or before, their own row after. */
uint32_t tg_entry_passed(const struct tg_table *table, const struct tg_entry *entry);

/* Whether a search that starts at the row `home` gets as far as the entry. */
bool tg_entry_is_near(const struct tg_table *table, const struct tg_entry *entry, uint32_t home);

/*
 * Count, or no longer count, the entry as one that has passed the rows from `home` to its own.
 * An entry that is further from it than a writer would go is damaged, and counts nowhere.
 */
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
