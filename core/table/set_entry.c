/* SPDX-License-Identifier: MIT */
/* set_entry.c - one entry of a set's rows. */
#include "table/set_entry.h"

#include <stdlib.h>

#include "bpf/engine/set_lookup.h"

static uint32_t row_count(const struct tg_table *table, bool is4)
{
	return is4 ? table->parts.set.rows4 : table->parts.set.rows6;
}

static void *row_at(const struct tg_table *table, bool is4, uint32_t row)
{
	return tg_table_at(table, (uint64_t)TG_SET_ROW + (is4 ? 0 : table->parts.set.rows4) + row);
}

static void go_to_row(const struct tg_table *table, struct tg_entry *entry, uint32_t row)
{
	entry->row = row;
	entry->at = row_at(table, entry->is4, row);
}

static uint32_t slot_count(const struct tg_entry *entry)
{
	return entry->is4 ? TG_ENTRIES4 : TG_ENTRIES6;
}

static void go_to_slot(struct tg_entry *entry, uint32_t slot)
{
	entry->slot = slot;
	/* The states are at the start of both kinds of rows. */
	entry->state = (uint64_t *)entry->at + slot;
}

struct tg_entry tg_entry_start(const struct tg_table *table, const struct tg_element *element)
{
	const struct tg_table_parts *parts = &table->parts;
	struct tg_entry entry = {.is4 = tg_element_is4(element)};
	uint32_t length = tg_entry_length(element);
	uint32_t home = entry.is4 ? tg_set_home4(parts->seed, (uint32_t)element->low, length,
						 parts->set.rows4)
				  : tg_set_home6(parts->seed, element->high, element->low, length,
						 parts->set.rows6);

	go_to_row(table, &entry, home);
	return entry;
}

uint32_t tg_entry_home(const struct tg_table *table, const struct tg_entry *entry, uint32_t length)
{
	const struct tg_table_parts *parts = &table->parts;
	const struct tg_set_row4 *row4 = entry->at;
	const struct tg_set_row6 *row6 = entry->at;

	if (entry->is4)
		return tg_set_home4(parts->seed, row4->addr[entry->slot], length, parts->set.rows4);
	return tg_set_home6(parts->seed, row6->addr[entry->slot][0], row6->addr[entry->slot][1],
			    length, parts->set.rows6);
}

void tg_entry_next_row(const struct tg_table *table, struct tg_entry *entry)
{
	uint32_t next = entry->row + 1;

	go_to_row(table, entry, next < row_count(table, entry->is4) ? next : 0);
}

bool tg_entry_find_free(struct tg_entry *entry, uint64_t now)
{
	for (uint32_t slot = 0; slot < slot_count(entry); slot++) {
		uint64_t state;

		go_to_slot(entry, slot);
		state = tg_entry_state(entry);
		if (!(state & TG_ENTRY_MEMBERS) || tg_entry_expired_at(state, now))
			return true;
	}
	return false;
}

static bool key_is(const struct tg_entry *entry, const struct tg_element *element)
{
	const struct tg_set_row4 *row4 = entry->at;
	const struct tg_set_row6 *row6 = entry->at;
	uint64_t state = tg_entry_state(entry);

	if (!(state & TG_ENTRY_MEMBERS) || TG_ENTRY_LENGTH(state) != tg_entry_length(element))
		return false;
	if (entry->is4)
		return row4->addr[entry->slot] == (uint32_t)element->low;
	return row6->addr[entry->slot][0] == element->high &&
	       row6->addr[entry->slot][1] == element->low;
}

bool tg_entry_find_key(struct tg_entry *entry, const struct tg_element *element)
{
	for (uint32_t slot = 0; slot < slot_count(entry); slot++) {
		go_to_slot(entry, slot);
		if (key_is(entry, element))
			return true;
	}
	return false;
}

void tg_entry_write(const struct tg_entry *entry, const struct tg_element *element)
{
	struct tg_set_row4 *row4 = entry->at;
	struct tg_set_row6 *row6 = entry->at;

	if (entry->is4) {
		__atomic_store_n(&row4->addr[entry->slot], (uint32_t)element->low,
				 __ATOMIC_RELEASE);
		return;
	}
	__atomic_store_n(&row6->addr[entry->slot][0], element->high, __ATOMIC_RELEASE);
	__atomic_store_n(&row6->addr[entry->slot][1], element->low, __ATOMIC_RELEASE);
}

/* The time that is left until a tick, at least 1 ms. */
static uint64_t ms_until(uint64_t expiry)
{
	uint64_t now = tg_ticks_now();

	return expiry > now ? (((expiry - now) << TG_TICK_SHIFT) + 999999) / 1000000 : 1;
}

bool tg_entry_read(const struct tg_entry *entry, uint64_t *state, struct tg_element *element)
{
	const struct tg_set_row4 *row4 = entry->at;
	const struct tg_set_row6 *row6 = entry->at;
	uint64_t before = tg_entry_state(entry), after, expiry;
	struct tg_element read = {0};

	*state = 0;
	if (!(before & TG_ENTRY_MEMBERS))
		return false;
	if (entry->is4) {
		read.low =
			TG_MAPPED_LO | __atomic_load_n(&row4->addr[entry->slot], __ATOMIC_RELAXED);
	} else {
		read.high = __atomic_load_n(&row6->addr[entry->slot][0], __ATOMIC_RELAXED);
		read.low = __atomic_load_n(&row6->addr[entry->slot][1], __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	after = tg_entry_state(entry);
	*state = after;
	if ((after ^ before) & TG_ENTRY_VERSION || !(after & TG_ENTRY_MEMBERS))
		return false;
	expiry = TG_ENTRY_EXPIRY(after);
	read.length = TG_ENTRY_LENGTH(after) + (entry->is4 ? 96 : 0);
	read.ttl_ms = expiry ? ms_until(expiry) : 0;
	*element = read;
	return true;
}

bool tg_entry_find(const struct tg_table *table, const struct tg_element *element,
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

static uint32_t *passed_of(const struct tg_table *table, bool is4, uint32_t row)
{
	void *at = row_at(table, is4, row);

	return is4 ? &((struct tg_set_row4 *)at)->passed : &((struct tg_set_row6 *)at)->passed;
}

uint32_t tg_entry_passed(const struct tg_table *table, const struct tg_entry *entry)
{
	return *passed_of(table, entry->is4, entry->row);
}

bool tg_entry_is_near(const struct tg_table *table, const struct tg_entry *entry, uint32_t home)
{
	return tg_rows_passed(home, entry->row, row_count(table, entry->is4)) <= TG_MAX_PASSED;
}

static void add_to_passed(const struct tg_table *table, const struct tg_entry *entry, uint32_t home,
			  uint32_t step)
{
	uint32_t rows = row_count(table, entry->is4);

	if (!tg_entry_is_near(table, entry, home))
		return;
	for (uint32_t row = home; row != entry->row; row = row + 1 < rows ? row + 1 : 0) {
		uint32_t *passed = passed_of(table, entry->is4, row);

		__atomic_store_n(passed, *passed + step, __ATOMIC_SEQ_CST);
	}
}

void tg_entry_pass(const struct tg_table *table, const struct tg_entry *entry, uint32_t home)
{
	add_to_passed(table, entry, home, 1);
}

void tg_entry_unpass(const struct tg_table *table, const struct tg_entry *entry, uint32_t home)
{
	add_to_passed(table, entry, home, -1u);
}

void tg_entries_recount(const struct tg_table *table)
{
	uint32_t rows4 = row_count(table, true), rows6 = row_count(table, false);
	uint32_t *passed = calloc((size_t)rows4 + rows6, sizeof(*passed));
	struct tg_entry entry = {0};

	/* Without memory the counts may stay too high: that only costs lookups time. */
	for (bool rest = passed && tg_entry_first(table, &entry); rest;
	     rest = tg_entry_next(table, &entry)) {
		uint32_t *of_family = entry.is4 ? passed : passed + rows4;
		uint32_t rows = entry.is4 ? rows4 : rows6;
		uint64_t state = tg_entry_state(&entry);
		uint32_t row = tg_entry_home(table, &entry, TG_ENTRY_LENGTH(state));

		if (!(state & TG_ENTRY_MEMBERS) || !tg_entry_is_near(table, &entry, row))
			continue;
		for (; row != entry.row; row = row + 1 < rows ? row + 1 : 0)
			of_family[row]++;
	}
	for (uint32_t row = 0; passed && row < rows4; row++)
		__atomic_store_n(passed_of(table, true, row), passed[row], __ATOMIC_SEQ_CST);
	for (uint32_t row = 0; passed && row < rows6; row++)
		__atomic_store_n(passed_of(table, false, row), passed[rows4 + row],
				 __ATOMIC_SEQ_CST);
	free(passed);
}

void tg_entry_sweep_row(const struct tg_table *table, struct tg_entry *entry, uint64_t now,
			void (*remove)(const struct tg_table *, const struct tg_entry *))
{
	go_to_row(table, entry, entry->row);
	for (uint32_t slot = 0; slot < slot_count(entry); slot++) {
		uint64_t state;

		go_to_slot(entry, slot);
		state = tg_entry_state(entry);
		if (state & TG_ENTRY_MEMBERS && tg_entry_expired_at(state, now))
			remove(table, entry);
	}
}

static uint64_t places4(const struct tg_table *table)
{
	return (uint64_t)row_count(table, true) * TG_ENTRIES4;
}

bool tg_entry_at(const struct tg_table *table, struct tg_entry *entry, uint64_t place)
{
	uint64_t first = places4(table);
	uint32_t entries;

	entry->is4 = place < first;
	entries = slot_count(entry);
	if (!entry->is4)
		place -= first;
	if (place / entries >= row_count(table, entry->is4))
		return false;
	go_to_row(table, entry, (uint32_t)(place / entries));
	go_to_slot(entry, (uint32_t)(place % entries));
	return true;
}

uint64_t tg_entry_place(const struct tg_table *table, const struct tg_entry *entry)
{
	uint64_t place = (uint64_t)entry->row * slot_count(entry) + entry->slot;

	return entry->is4 ? place : place + places4(table);
}
