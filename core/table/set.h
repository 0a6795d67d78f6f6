/* SPDX-License-Identifier: MIT */
/*
 * set.h - changing and reading a set's table.
 *
 * The caller holds the table's lock in all functions except tg_set_table_rows()
 * and tg_set_table_has().
 */
#ifndef TG_TABLE_SET_H
#define TG_TABLE_SET_H

#include "parse/element.h"
#include "table/table.h"

/* Stored in rows 1 to TG_SET_ROW - 1, which only writers use. */
struct tg_set_books {
	uint32_t size;        /* elements that it has room for */
	uint32_t count;       /* elements; expired ones count until they are swept */
	uint32_t changing;    /* a writer is changing the set, or died while it did */
	uint32_t sweep_row;   /* where the next change starts to look for expired elements */
	uint64_t next_expiry; /* in ticks: no element expires earlier; 0: none expires */
	uint64_t ttl_ms;      /* of elements without one of their own; 0: for ever */

	/* Elements of each prefix length. */
	uint32_t of_length4[33];
	uint32_t of_length6[129];
};

_Static_assert(sizeof(struct tg_set_books) <= (TG_SET_ROW - 1) * TG_ROW_BYTES, "it fits");

/* The rows that a set of `size` elements takes, whatever their families. */
uint64_t tg_set_table_rows(uint32_t size);

/* Turn rows of zeros into an empty set. */
void tg_set_table_init(const struct tg_table *table, uint32_t size, uint64_t ttl_ms);

struct tg_set_books *tg_set_books_of(const struct tg_table *table);

/* Lock the table, and repair it if a writer has died in a change.  ..._end() unlocks it. */
int tg_set_change(const struct tg_table *table);
void tg_set_change_end(const struct tg_table *table);

/* Add an element, or give one that is in the set the new expiry.  -ENOSPC: the set is full. */
int tg_set_table_add(const struct tg_table *table, const struct tg_element *element);

/* Remove an element.  Returns 1, or 0 if it was not in the set or had expired. */
int tg_set_table_remove(const struct tg_table *table, const struct tg_element *element);

/* Replace all elements; to readers this is one step.  -ENOSPC: nothing has changed. */
int tg_set_table_replace(const struct tg_table *table, const struct tg_element *elements,
			 size_t count);

/* Remove all elements that have expired. */
void tg_set_table_sweep(const struct tg_table *table);

/*
 * Find the first element at place *at or after it, and set *at to the place after
 * that element.  Start with *at = 0.  Returns 1, or 0 if there are no more elements.
 * The element's ttl_ms is the time that it has left.
 */
int tg_set_table_next(const struct tg_table *table, uint64_t *at, struct tg_element *element);

/* Whether an address is in the set: 1 or 0. */
int tg_set_table_has(const struct tg_table *table, const struct tg_element *address);

#endif
