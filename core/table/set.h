/* SPDX-License-Identifier: MIT */
/*
 * set.h - changing a set's table.  To read one: set_read.h.
 *
 * The caller holds the table's lock in all functions except tg_set_table_rows().
 */
#ifndef TG_TABLE_SET_H
#define TG_TABLE_SET_H

#include "base/struct_size.h"
#include "parse/element.h"
#include "table/table.h"

/* Stored in rows 1 to TG_SET_ROW - 1, which only writers use.  See also struct tg_table_parts. */
struct tg_set_books {
	uint32_t count;     /* elements; expired ones count until they are swept */
	uint32_t changing;  /* a writer is changing the set, or died while it did */
	uint32_t sweep_row; /* where the next change starts to look for expired elements */
	uint32_t reserved;
	uint64_t refused;     /* elements that there was no room for */
	uint64_t next_expiry; /* in ticks: no element expires earlier; 0: none expires */

	/* Elements of each prefix length. */
	uint32_t of_length4[33];
	uint32_t of_length6[129];
};

_Static_assert(sizeof(struct tg_set_books) <= (TG_SET_ROW - 1) * TG_ROW_BYTES, "it fits");

#define TG_SET_INFO_KIND TG_STRUCT_KIND(tg_set_info, TG_STRUCT_FIRST(tg_set_info, refused))

/* The rows that a set of `size` elements takes, whatever their families. */
uint64_t tg_set_table_rows(uint32_t size);

/* Turn rows of zeros into an empty set. */
void tg_set_table_init(struct tg_table *table, uint32_t size, uint64_t ttl_ms);

struct tg_set_books *tg_set_books_of(const struct tg_table *table);

/*
 * Lock the table, and repair it if a writer has died in a change, or if its counts cannot be
 * right.  ..._end() unlocks it.
 */
int tg_set_change(const struct tg_table *table);
void tg_set_change_end(const struct tg_table *table);

/*
 * Add elements, all or none; one that is in the set gets the new expiry.  -ENOSPC: the
 * set has no room for all of them.
 */
int tg_set_table_add(const struct tg_table *table, const struct tg_element *elements, size_t count);

/* Remove an element.  Returns 1, or 0 if it was not in the set or had expired. */
int tg_set_table_remove(const struct tg_table *table, const struct tg_element *element);

/* Replace all elements; to readers this is one step.  -ENOSPC: nothing has changed. */
int tg_set_table_replace(const struct tg_table *table, const struct tg_element *elements,
			 size_t count);

/* Remove all elements that have expired. */
void tg_set_table_sweep(const struct tg_table *table);

/* The one of an entry's two memberships that counts for readers: 1 or 2. */
static inline uint64_t tg_set_members(const struct tg_table *table)
{
	const struct tg_set_header *header = tg_table_at(table, 0);

	return 1u << (__atomic_load_n(&header->epoch, __ATOMIC_RELAXED) & 1);
}

#endif
