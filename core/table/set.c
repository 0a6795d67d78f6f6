/* SPDX-License-Identifier: MIT */
/*
 * set.c - changing a set that others read.
 *
 * A reader decides by one state word of one entry, so each change takes effect
 * by one store.  The other stores are in an order in which a reader who sees
 * half of them is wrong at most about elements that change: a prefix length is
 * announced before its first element is stored, and withdrawn after its last
 * element is gone.  The same is true of the `passed` counts of the rows between
 * an element's home and its own.
 */
#include "table/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "bpf/engine/set_lookup.h"
#include "table/set_entry.h"

/* Twice as many entries as elements, so that a set can be replaced by another, and some more. */
#define CAPACITY_TENTHS 26

static uint32_t rows_for(uint32_t size, uint32_t entries)
{
	uint64_t rows = ((uint64_t)size * CAPACITY_TENTHS / 10 + entries - 1) / entries;

	return rows < 4 ? 4 : (uint32_t)rows;
}

uint64_t tg_set_table_rows(uint32_t size)
{
	return TG_SET_ROW + (uint64_t)rows_for(size, TG_ENTRIES4) + rows_for(size, TG_ENTRIES6);
}

void tg_set_table_init(const struct tg_table *table, uint32_t size, uint64_t ttl_ms)
{
	struct tg_set_header *header = tg_table_at(table, 0);
	struct tg_set_books *books = tg_set_books_of(table);

	header->rows4 = rows_for(size, TG_ENTRIES4);
	header->rows6 = rows_for(size, TG_ENTRIES6);
	if (getrandom(&header->seed, sizeof(header->seed), GRND_NONBLOCK) < 0)
		header->seed = TG_NOW_NS() ^ (uintptr_t)header;
	books->size = size;
	books->ttl_ms = ttl_ms;
}

struct tg_set_books *tg_set_books_of(const struct tg_table *table)
{
	return tg_table_at(table, 1);
}

static struct tg_set_header *header_of(const struct tg_table *table)
{
	return tg_table_at(table, 0);
}

/* --- Lengths ------------------------------------------------------------------------ */

/* How many elements have a length; `*bit` of `*word` shows readers whether any have. */
static uint32_t *length_count(const struct tg_table *table, bool is4, uint32_t length,
			      uint64_t **word, uint64_t *bit)
{
	struct tg_set_header *header = header_of(table);
	struct tg_set_books *books = tg_set_books_of(table);
	uint32_t place = (is4 ? 32 : 128) - length;

	*word = is4 ? (uint64_t *)&header->lengths4 : (uint64_t *)&header->lengths6[place / 64];
	*bit = 1ull << (place % 64);
	return is4 ? &books->of_length4[length] : &books->of_length6[length];
}

static void length_gained(const struct tg_table *table, bool is4, uint32_t length)
{
	uint64_t *word, bit;

	if ((*length_count(table, is4, length, &word, &bit))++ == 0)
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
}

static void length_lost(const struct tg_table *table, bool is4, uint32_t length)
{
	uint64_t *word, bit;

	if (--(*length_count(table, is4, length, &word, &bit)) == 0)
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}

/* --- One entry ------------------------------------------------------------------------ */

static void entry_remove(const struct tg_table *table, const struct tg_entry *entry)
{
	struct tg_set_books *books = tg_set_books_of(table);
	uint64_t state = *entry->state;
	uint32_t length = TG_ENTRY_LENGTH(state), home = tg_entry_home(table, entry, length);

	__atomic_store_n(entry->state, state & TG_ENTRY_VERSION, __ATOMIC_SEQ_CST);
	tg_entry_unpass(table, entry, home);
	length_lost(table, entry->is4, length);
	books->count--;
}

static uint64_t state_of(const struct tg_element *element, uint32_t length, uint64_t members,
			 uint64_t version)
{
	return length | members << TG_ENTRY_MEMBER_SHIFT | (version & TG_ENTRY_VERSION) |
	       tg_ticks_after(element->ttl_ms) << TG_ENTRY_EXPIRY_SHIFT;
}

static void note_expiry(const struct tg_table *table, uint64_t state)
{
	struct tg_set_books *books = tg_set_books_of(table);
	uint64_t expiry = TG_ENTRY_EXPIRY(state);

	if (expiry && (!books->next_expiry || expiry < books->next_expiry))
		books->next_expiry = expiry;
}

/* Put an element into the first free entry from its home row on. */
static int entry_insert(const struct tg_table *table, const struct tg_element *element,
			uint64_t members)
{
	struct tg_entry entry = tg_entry_start(table, element);
	uint32_t length = tg_entry_length(element), home = entry.row, passed = 0;
	uint64_t before;

	while (!tg_entry_find_free(&entry)) {
		if (++passed > TG_MAX_PASSED)
			return -ENOSPC;
		tg_entry_next_row(table, &entry);
	}
	before = *entry.state;
	if (before & TG_ENTRY_MEMBERS) /* expired */
		entry_remove(table, &entry);
	length_gained(table, entry.is4, length);
	tg_entry_pass(table, &entry, home);
	tg_entry_write(&entry, element);
	before = state_of(element, length, members, before + (1ull << TG_ENTRY_VERSION_SHIFT));
	__atomic_store_n(entry.state, before, __ATOMIC_SEQ_CST);
	note_expiry(table, before);
	tg_set_books_of(table)->count++;
	return 0;
}

/* Give an element that is in the set another expiry and these memberships. */
static void entry_update(const struct tg_table *table, const struct tg_entry *entry,
			 const struct tg_element *element, uint64_t members)
{
	uint64_t state = state_of(element, TG_ENTRY_LENGTH(*entry->state), members, *entry->state);

	__atomic_store_n(entry->state, state, __ATOMIC_SEQ_CST);
	note_expiry(table, state);
}

/* Whether the set has the element, expired or not. */
static bool entry_find(const struct tg_table *table, const struct tg_element *element,
		       struct tg_entry *entry)
{
	*entry = tg_entry_start(table, element);
	for (uint32_t passed = 0; passed <= TG_MAX_PASSED; passed++) {
		if (tg_entry_find_key(entry, element))
			return true;
		if (!tg_entry_passed(table, entry))
			return false;
		tg_entry_next_row(table, entry);
	}
	return false;
}

static uint64_t members_now(const struct tg_table *table)
{
	return 1u << (header_of(table)->epoch & 1);
}

/* --- The whole ------------------------------------------------------------------------ */

/* Call `visit` for each entry that has a membership. */
static void each_entry(const struct tg_table *table,
		       void (*visit)(const struct tg_table *, const struct tg_entry *, uint64_t),
		       uint64_t argument)
{
	struct tg_entry entry = {0};

	for (bool rest = tg_entry_first(table, &entry); rest; rest = tg_entry_next(table, &entry))
		if (*entry.state & TG_ENTRY_MEMBERS)
			visit(table, &entry, argument);
}

/* Take from an entry all memberships except `keep`; remove it if it has none of these. */
static void keep_members(const struct tg_table *table, const struct tg_entry *entry, uint64_t keep)
{
	uint64_t members = *entry->state & TG_ENTRY_MEMBERS & keep << TG_ENTRY_MEMBER_SHIFT;

	if (!members)
		entry_remove(table, entry);
	else
		__atomic_store_n(entry->state, (*entry->state & ~TG_ENTRY_MEMBERS) | members,
				 __ATOMIC_SEQ_CST);
}

static void sweep_entry(const struct tg_table *table, const struct tg_entry *entry, uint64_t now)
{
	uint64_t expiry = TG_ENTRY_EXPIRY(*entry->state);

	if (expiry && expiry <= now)
		entry_remove(table, entry);
	else
		note_expiry(table, *entry->state);
}

void tg_set_table_sweep(const struct tg_table *table)
{
	struct tg_set_books *books = tg_set_books_of(table);
	uint64_t now = tg_ticks_now();

	if (!books->next_expiry || now < books->next_expiry)
		return;
	books->next_expiry = 0;
	each_entry(table, sweep_entry, now);
}

static void count_entry(const struct tg_table *table, const struct tg_entry *entry, uint64_t unused)
{
	uint32_t length = TG_ENTRY_LENGTH(*entry->state);

	(void)unused;
	length_gained(table, entry->is4, length);
	tg_set_books_of(table)->count++;
	note_expiry(table, *entry->state);
}

/* A writer died: undo what it had not finished, and count everything again. */
static void repair(const struct tg_table *table)
{
	struct tg_set_books *books = tg_set_books_of(table);

	each_entry(table, keep_members, members_now(table));
	memset(books->of_length4, 0, sizeof(books->of_length4));
	memset(books->of_length6, 0, sizeof(books->of_length6));
	books->count = 0;
	books->next_expiry = 0;
	each_entry(table, count_entry, 0);
	tg_entries_recount(table);
}

int tg_set_change(const struct tg_table *table)
{
	struct tg_set_books *books = tg_set_books_of(table);
	int error = tg_table_lock(table);

	if (error)
		return error;
	if (books->changing)
		repair(table);
	__atomic_store_n(&books->changing, 1, __ATOMIC_SEQ_CST);
	return 0;
}

void tg_set_change_end(const struct tg_table *table)
{
	__atomic_store_n(&tg_set_books_of(table)->changing, 0, __ATOMIC_SEQ_CST);
	tg_table_unlock(table);
}

/* Sweep a few rows with each change, so that expired elements go without a full sweep. */
static void sweep_some(const struct tg_table *table)
{
	const struct tg_set_header *header = header_of(table);
	struct tg_set_books *books = tg_set_books_of(table);
	uint64_t now;

	if (!books->next_expiry)
		return;
	now = tg_ticks_now();
	for (int i = 0; i < 2; i++) {
		struct tg_entry entry = {.row = books->sweep_row % header->rows4, .is4 = true};

		tg_entry_sweep_row(table, &entry, now, entry_remove);
		entry = (struct tg_entry){.row = books->sweep_row % header->rows6};
		tg_entry_sweep_row(table, &entry, now, entry_remove);
		books->sweep_row++;
	}
}

int tg_set_table_add(const struct tg_table *table, const struct tg_element *element)
{
	struct tg_set_books *books = tg_set_books_of(table);
	struct tg_entry entry;

	sweep_some(table);
	if (entry_find(table, element, &entry)) {
		entry_update(table, &entry, element, members_now(table));
		return 0;
	}
	if (books->count >= books->size)
		tg_set_table_sweep(table);
	if (books->count >= books->size)
		return -ENOSPC;
	return entry_insert(table, element, members_now(table));
}

int tg_set_table_remove(const struct tg_table *table, const struct tg_element *element)
{
	struct tg_entry entry;
	bool expired;

	sweep_some(table);
	if (!entry_find(table, element, &entry))
		return 0;
	expired = tg_entry_expired(*entry.state);
	entry_remove(table, &entry);
	return !expired;
}

/* Give the elements the membership that is not in effect yet. */
static int build_next(const struct tg_table *table, const struct tg_element *elements, size_t count,
		      uint64_t next)
{
	uint32_t size = tg_set_books_of(table)->size, distinct = 0;

	for (size_t i = 0; i < count; i++) {
		struct tg_entry entry;
		bool found = entry_find(table, &elements[i], &entry);

		if (found && tg_entry_expired(*entry.state)) {
			entry_remove(table, &entry);
			found = false;
		}
		if (!found || !(*entry.state >> TG_ENTRY_MEMBER_SHIFT & next))
			distinct++;
		if (distinct > size || (!found && entry_insert(table, &elements[i], next)))
			return -ENOSPC;
		if (found)
			entry_update(table, &entry, &elements[i],
				     (*entry.state & TG_ENTRY_MEMBERS) >> TG_ENTRY_MEMBER_SHIFT |
					     next);
	}
	return 0;
}

int tg_set_table_replace(const struct tg_table *table, const struct tg_element *elements,
			 size_t count)
{
	struct tg_set_header *header = header_of(table);
	uint64_t now = members_now(table), next = now ^ 3;
	int error = build_next(table, elements, count, next);

	if (!error)
		__atomic_store_n(&header->epoch, header->epoch + 1, __ATOMIC_SEQ_CST);
	each_entry(table, keep_members, error ? now : next);
	return error;
}

int tg_set_table_next(const struct tg_table *table, uint64_t *at, struct tg_element *element)
{
	struct tg_entry entry = {0};
	uint64_t members = members_now(table) << TG_ENTRY_MEMBER_SHIFT;

	for (bool rest = tg_entry_at(table, &entry, *at); rest;
	     rest = tg_entry_next(table, &entry)) {
		uint64_t state = *entry.state;

		if (!(state & members) || tg_entry_expired(state))
			continue;
		tg_entry_read(&entry, state, element);
		*at = tg_entry_place(table, &entry) + 1;
		return 1;
	}
	return 0;
}

int tg_set_table_has(const struct tg_table *table, const struct tg_element *address)
{
	if (tg_element_is4(address))
		return tg_set_has4(&table->rows, (uint32_t)address->low);
	return tg_set_has6(&table->rows, address->high, address->low);
}
