/* SPDX-License-Identifier: MIT */
/*
 * set.h - a set's table: who changes it, how.
 *
 * All but tg_set_table_rows() and tg_set_table_has() want the table's lock.
 */
#ifndef TG_TABLE_SET_H
#define TG_TABLE_SET_H

#include "parse/element.h"
#include "table/table.h"

/* Rows 1 to TG_SET_ROW: what the writers know. */
struct tg_set_books {
	uint32_t size;        /* elements that it has room for */
	uint32_t count;       /* elements, expired ones among them until they are swept */
	uint32_t changing;    /* a writer is at it, or died at it */
	uint32_t sweep_row;   /* that the next change looks at for expired elements */
	uint64_t next_expiry; /* in ticks: none expires before; 0: none does */
	uint64_t ttl_ms;      /* of elements without one of their own; 0: for ever */
	uint32_t of_length4[33];
	uint32_t of_length6[129];
};

_Static_assert(sizeof(struct tg_set_books) <= (TG_SET_ROW - 1) * TG_ROW_BYTES, "it fits");

/* The rows that a set of `size` elements, of either family, takes. */
uint64_t tg_set_table_rows(uint32_t size);

/* Make an empty set of zeros. */
void tg_set_table_init(const struct tg_table *table, uint32_t size, uint64_t ttl_ms);

struct tg_set_books *tg_set_books_of(const struct tg_table *table);

/*
 * Take up the lock, and what a writer that died left; tg_set_change_end() gives
 * it back.
 */
int tg_set_change(const struct tg_table *table);
void tg_set_change_end(const struct tg_table *table);

/* -ENOSPC: it is full.  One that is there already gets the new expiry. */
int tg_set_table_add(const struct tg_table *table, const struct tg_element *element);

/* 1, or 0 where it was not in the set. */
int tg_set_table_remove(const struct tg_table *table, const struct tg_element *element);

/* All at once, for who reads; -ENOSPC: nothing has changed. */
int tg_set_table_replace(const struct tg_table *table, const struct tg_element *elements,
			 size_t count);

/* Take out what has expired. */
void tg_set_table_sweep(const struct tg_table *table);

/*
 * The element at place `*at` or behind, and *at to the place after it: from 0
 * on, until it gives 0.  The ttl of `element` is what is left of it.
 */
int tg_set_table_next(const struct tg_table *table, uint64_t *at, struct tg_element *element);

/* Whether an address is in it: 1 or 0. */
int tg_set_table_has(const struct tg_table *table, const struct tg_element *address);

#endif
