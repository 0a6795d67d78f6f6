/* SPDX-License-Identifier: MIT */
/*
 * set.c - changing a set while others read it.
 *
 * A reader decides by the state word of a single entry, so each change takes
 * effect with a single store.  The other stores are ordered so that a reader that
 * sees only some of them can be wrong only about elements that are changing: a
 * prefix length is announced before its first element is stored, and withdrawn
 * after its last element is gone.  Likewise, the rows from an element's home to
 * its own count it in `passed` before it is stored, and until it is gone.
 */
#include "table/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "bpf/engine/set_lookup.h"
#include "table/set_entry.h"
#include "table/set_lengths.h"

/*
 * Tenths of an entry per element: two entries, so that new elements fit beside the
 * old ones while they replace them, and some to spare.
 */
#define CAPACITY_TENTHS 26

static uint32_t rows_for(uint32_t size, uint32_t row_entries)
{
	uint64_t rows = ((uint64_t)size * CAPACITY_TENTHS / 10 + row_entries - 1) / row_entries;

	return rows < 4 ? 4 : (uint32_t)rows;
}

uint64_t tg_set_table_rows(uint32_t size)
{
	return TG_SET_ROW + (uint64_t)rows_for(size, TG_ENTRIES4) + rows_for(size, TG_ENTRIES6);
}

static struct tg_set_header *header_of(const struct tg_table *table)
{
	return tg_table_at(table, 0);
}

#define LENGTHS4 ((1ull << 33) - 1) /* the bits of /0 to /32: at others a search would not end */

/* Tell readers where the parts are, and no length that there cannot be. */
static void write_header(const struct tg_table *table)
{
	struct tg_set_header *header = header_of(table);

	header->rows4 = table->parts.set.rows4;
	header->rows6 = table->parts.set.rows6;
	header->seed = table->parts.seed;
	__atomic_fetch_and(&header->lengths4, LENGTHS4, __ATOMIC_SEQ_CST);
}

void tg_set_table_init(struct tg_table *table, uint32_t size, uint64_t ttl_ms)
{
	struct tg_table_parts *parts = &table->parts;

	parts->size = size;
	parts->set.ttl_ms = ttl_ms;
	parts->set.rows4 = rows_for(size, TG_ENTRIES4);
	parts->set.rows6 = rows_for(size, TG_ENTRIES6);
	if (getrandom(&parts->seed, sizeof(parts->seed), GRND_NONBLOCK) < 0)
		parts->seed = TG_NOW_NS() ^ (uintptr_t)parts;
	write_header(table);
}

struct tg_set_books *tg_set_books_of(const struct tg_table *table)
{
	return tg_table_at(table, 1);
}

/* --- One entry ------------------------------------------------------------------------ */

static void entry_remove(const struct tg_table *table, const struct tg_entry *entry)
{
	struct tg_set_books *books = tg_set_books_of(table);
	uint64_t state = tg_entry_state(entry);
	uint32_t length = TG_ENTRY_LENGTH(state), home = tg_entry_home(table, entry, length);

	if (!(state & TG_ENTRY_MEMBERS))
		return; /* another process has just written over it */
	__atomic_store_n(entry->state, state & TG_ENTRY_VERSION, __ATOMIC_SEQ_CST);
	tg_entry_unpass(table, entry, home);
	tg_set_length_lost(table, entry->is4, length);
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

/* Put an element into the first free entry, searching from its home row. */
static int entry_insert(const struct tg_table *table, const struct tg_element *element,
			uint64_t members, uint64_t now)
{
	struct tg_entry entry = tg_entry_start(table, element);
	uint32_t length = tg_entry_length(element), home = entry.row, passed = 0;
	uint64_t before;

	while (!tg_entry_find_free(&entry, now)) {
		if (++passed > TG_MAX_PASSED)
			return -ENOSPC;
		tg_entry_next_row(table, &entry);
	}
	before = tg_entry_state(&entry);
	if (before & TG_ENTRY_MEMBERS) /* expired */
		entry_remove(table, &entry);
	tg_set_length_gained(table, entry.is4, length);
	tg_entry_pass(table, &entry, home);
	tg_entry_write(&entry, element);
	before = state_of(element, length, members, before + (1ull << TG_ENTRY_VERSION_SHIFT));
	__atomic_store_n(entry.state, before, __ATOMIC_SEQ_CST);
	note_expiry(table, before);
	tg_set_books_of(table)->count++;
	return 0;
}

/* Give an element that is already in the set a new expiry and these memberships. */
static void entry_update(const struct tg_table *table, const struct tg_entry *entry,
			 const struct tg_element *element, uint64_t members)
{
	uint64_t state =
		state_of(element, tg_entry_length(element), members, tg_entry_state(entry));

	__atomic_store_n(entry->state, state, __ATOMIC_SEQ_CST);
	note_expiry(table, state);
}

/* --- The whole set -------------------------------------------------------------------- */

/* Call `visit` for each entry that has a membership. */
static void each_entry(const struct tg_table *table,
		       void (*visit)(const struct tg_table *, const struct tg_entry *, uint64_t),
		       uint64_t argument)
{
	struct tg_entry entry = {0};

	for (bool more = tg_entry_first(table, &entry); more; more = tg_entry_next(table, &entry))
		if (tg_entry_state(&entry) & TG_ENTRY_MEMBERS)
			visit(table, &entry, argument);
}

/* Take all memberships except `keep` from an entry; if none is left, remove the entry. */
static void keep_members(const struct tg_table *table, const struct tg_entry *entry, uint64_t keep)
{
	uint64_t state = tg_entry_state(entry);
	uint64_t members = state & TG_ENTRY_MEMBERS & keep << TG_ENTRY_MEMBER_SHIFT;

	if (!members)
		entry_remove(table, entry);
	else
		__atomic_store_n(entry->state, (state & ~TG_ENTRY_MEMBERS) | members,
				 __ATOMIC_SEQ_CST);
}

static void sweep_entry(const struct tg_table *table, const struct tg_entry *entry, uint64_t now)
{
	uint64_t state = tg_entry_state(entry);

	if (tg_entry_expired_at(state, now))
		entry_remove(table, entry);
	else
		note_expiry(table, state);
}

static void sweep(const struct tg_table *table, uint64_t now)
{
	struct tg_set_books *books = tg_set_books_of(table);

	if (!books->next_expiry || now < books->next_expiry)
		return;
	books->next_expiry = 0;
	each_entry(table, sweep_entry, now);
}

void tg_set_table_sweep(const struct tg_table *table)
{
	sweep(table, tg_ticks_now());
}

static void count_entry(const struct tg_table *table, const struct tg_entry *entry, uint64_t unused)
{
	uint64_t state = tg_entry_state(entry);

	(void)unused;
	if (!(state & TG_ENTRY_MEMBERS))
		return;
	tg_set_books_of(table)->count++;
	note_expiry(table, state);
}

static void drop_entry(const struct tg_table *table, const struct tg_entry *entry, uint64_t unused)
{
	(void)unused;
	entry_remove(table, entry);
}

/* Remove what no search finds: no writer has put it there. */
static void remove_lost(const struct tg_table *table, const struct tg_entry *entry, uint64_t unused)
{
	uint32_t length = TG_ENTRY_LENGTH(tg_entry_state(entry));

	(void)unused;
	if (!tg_entry_is_near(table, entry, tg_entry_home(table, entry, length)))
		entry_remove(table, entry);
}

/* A writer died or did damage: undo what it had not finished, and count everything again. */
static void repair(const struct tg_table *table)
{
	struct tg_set_books *books = tg_set_books_of(table);

	write_header(table);
	each_entry(table, remove_lost, 0);
	each_entry(table, keep_members, tg_set_members(table));
	books->count = 0;
	books->next_expiry = 0;
	each_entry(table, count_entry, 0);
	tg_set_lengths_recount(table);
	tg_entries_recount(table);
	/* No writer has filled it like this: nobody can tell what is an element. */
	if (books->count > table->parts.size)
		each_entry(table, drop_entry, 0);
}

/* Whether no writer can have left the table as it is. */
static bool is_damaged(const struct tg_table *table)
{
	const struct tg_set_header *header = header_of(table);

	return tg_set_books_of(table)->count > table->parts.size ||
	       header->rows4 != table->parts.set.rows4 || header->rows6 != table->parts.set.rows6 ||
	       header->seed != table->parts.seed || header->lengths4 & ~LENGTHS4;
}

int tg_set_change(const struct tg_table *table)
{
	struct tg_set_books *books = tg_set_books_of(table);
	int error = tg_table_lock(table);

	if (error)
		return error;
	if (books->changing || is_damaged(table))
		repair(table);
	__atomic_store_n(&books->changing, 1, __ATOMIC_SEQ_CST);
	return 0;
}

void tg_set_change_end(const struct tg_table *table)
{
	__atomic_store_n(&tg_set_books_of(table)->changing, 0, __ATOMIC_SEQ_CST);
	tg_table_unlock(table);
}

/* Sweep a few rows with each change, so that expired elements disappear without a full sweep. */
static void sweep_some(const struct tg_table *table, uint64_t now)
{
	const struct tg_table_parts *parts = &table->parts;
	struct tg_set_books *books = tg_set_books_of(table);

	if (!books->next_expiry)
		return;
	for (int i = 0; i < 2; i++) {
		uint32_t row = __atomic_load_n(&books->sweep_row, __ATOMIC_RELAXED);
		struct tg_entry entry = {.row = row % parts->set.rows4, .is4 = true};

		tg_entry_sweep_row(table, &entry, now, entry_remove);
		entry = (struct tg_entry){.row = row % parts->set.rows6};
		tg_entry_sweep_row(table, &entry, now, entry_remove);
		books->sweep_row = row + 1;
	}
}

/* Whether there is room for one more element. */
static bool has_room(const struct tg_table *table, uint64_t now)
{
	const struct tg_set_books *books = tg_set_books_of(table);

	if (books->count >= table->parts.size)
		sweep(table, now);
	return books->count < table->parts.size;
}

static int add_one(const struct tg_table *table, const struct tg_element *element, uint64_t now)
{
	struct tg_entry entry;

	if (tg_entry_find(table, element, &entry)) {
		entry_update(table, &entry, element, tg_set_members(table));
		return 0;
	}
	return has_room(table, now) ? entry_insert(table, element, tg_set_members(table), now)
				    : -ENOSPC;
}

static uint64_t members_of(const struct tg_entry *entry)
{
	return (tg_entry_state(entry) & TG_ENTRY_MEMBERS) >> TG_ENTRY_MEMBER_SHIFT;
}

/* Whether the set has the element.  One that has expired at the start of the change is removed. */
static bool find_alive(const struct tg_table *table, const struct tg_element *element, uint64_t now,
		       struct tg_entry *entry)
{
	if (!tg_entry_find(table, element, entry))
		return false;
	if (!tg_entry_expired_at(tg_entry_state(entry), now))
		return true;
	entry_remove(table, entry);
	return false;
}

/* Insert those elements that are new, with the membership that is not in effect. */
static int add_hidden(const struct tg_table *table, const struct tg_element *elements, size_t count,
		      uint64_t now)
{
	uint64_t hidden = tg_set_members(table) ^ 3;

	for (size_t i = 0; i < count; i++) {
		struct tg_entry entry;

		if (find_alive(table, &elements[i], now, &entry))
			continue;
		if (!has_room(table, now) || entry_insert(table, &elements[i], hidden, now))
			return -ENOSPC;
	}
	return 0;
}

static void remove_hidden(const struct tg_table *table, const struct tg_element *elements,
			  size_t count)
{
	uint64_t hidden = tg_set_members(table) ^ 3;
	struct tg_entry entry;

	for (size_t i = 0; i < count; i++)
		if (tg_entry_find(table, &elements[i], &entry) && members_of(&entry) == hidden)
			entry_remove(table, &entry);
}

/* Put them in effect, with their expiry.  This cannot fail: all of them are there. */
static void show_all(const struct tg_table *table, const struct tg_element *elements, size_t count)
{
	struct tg_entry entry;

	for (size_t i = 0; i < count; i++)
		if (tg_entry_find(table, &elements[i], &entry))
			entry_update(table, &entry, &elements[i], tg_set_members(table));
}

int tg_set_table_add(const struct tg_table *table, const struct tg_element *elements, size_t count)
{
	uint64_t now = tg_ticks_now();
	int error;

	sweep_some(table, now);
	if (count == 1)
		return add_one(table, elements, now);
	error = add_hidden(table, elements, count, now);
	if (error)
		remove_hidden(table, elements, count);
	else
		show_all(table, elements, count);
	return error;
}

int tg_set_table_remove(const struct tg_table *table, const struct tg_element *element)
{
	uint64_t now = tg_ticks_now();
	struct tg_entry entry;
	bool expired;

	sweep_some(table, now);
	if (!tg_entry_find(table, element, &entry))
		return 0;
	expired = tg_entry_expired_at(tg_entry_state(&entry), now);
	entry_remove(table, &entry);
	return !expired;
}

/*
 * Give the elements the membership that is not in effect yet.  An element that is in
 * the set keeps its expiry: keep_members() must be able to undo all of this.
 */
static int build_next(const struct tg_table *table, const struct tg_element *elements, size_t count,
		      uint64_t next, uint32_t *distinct)
{
	uint64_t now = tg_ticks_now();

	for (size_t i = 0; i < count; i++) {
		struct tg_entry entry;
		bool found = find_alive(table, &elements[i], now, &entry);

		if (!found || !(members_of(&entry) & next))
			++*distinct;
		if (*distinct > table->parts.size ||
		    (!found && entry_insert(table, &elements[i], next, now)))
			return -ENOSPC;
		if (found && members_of(&entry) == next) /* it is twice in `elements` */
			entry_update(table, &entry, &elements[i], next);
		else if (found)
			__atomic_store_n(entry.state,
					 tg_entry_state(&entry) | next << TG_ENTRY_MEMBER_SHIFT,
					 __ATOMIC_SEQ_CST);
	}
	return 0;
}

/* Give the elements that stay in the set their new expiry.  This cannot fail. */
static void renew(const struct tg_table *table, const struct tg_element *elements, size_t count,
		  uint64_t next)
{
	for (size_t i = 0; i < count; i++) {
		struct tg_entry entry;

		if (tg_entry_find(table, &elements[i], &entry) && members_of(&entry) != next)
			entry_update(table, &entry, &elements[i], members_of(&entry));
	}
}

/* Take the other memberships from all entries; returns how many have this one. */
static uint32_t keep_only(const struct tg_table *table, uint64_t keep)
{
	struct tg_entry entry = {0};
	uint32_t kept = 0;

	for (bool more = tg_entry_first(table, &entry); more; more = tg_entry_next(table, &entry)) {
		if (tg_entry_state(&entry) & TG_ENTRY_MEMBERS)
			keep_members(table, &entry, keep);
		kept += members_of(&entry) == keep;
	}
	return kept;
}

/* 1: the set also has elements that are not to be in it, which no writer has put there. */
static int replace_once(const struct tg_table *table, const struct tg_element *elements,
			size_t count)
{
	struct tg_set_header *header = header_of(table);
	uint64_t now = tg_set_members(table), next = now ^ 3;
	uint32_t distinct = 0, kept;
	int error = build_next(table, elements, count, next, &distinct);

	if (!error) {
		renew(table, elements, count, next);
		__atomic_store_n(&header->epoch, header->epoch + 1, __ATOMIC_SEQ_CST);
	}
	kept = keep_only(table, error ? now : next);
	if (error)
		return error;
	tg_set_books_of(table)->count = kept;
	return kept != distinct;
}

int tg_set_table_replace(const struct tg_table *table, const struct tg_element *elements,
			 size_t count)
{
	int result;

	/* Wrong counts would make searches endless, or hide elements that are put in now. */
	tg_set_lengths_recount(table);
	tg_entries_recount(table);
	result = replace_once(table, elements, count);
	if (result == 1) {
		repair(table);
		result = replace_once(table, elements, count);
	}
	return result < 0 ? result : 0;
}
