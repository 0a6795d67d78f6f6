/* SPDX-License-Identifier: MIT */
/* set_entry.c - one entry of a set's rows. */
#include "table/set_entry.h"

#include <stdlib.h>

#include "bpf/engine/set_lookup.h"

static uint32_t row_count(const struct tg_table *table, bool is4)
{
	const struct tg_set_header *header = tg_table_at(table, 0);

	return is4 ? header->rows4 : header->rows6;
}

static void *row_at(const struct tg_table *table, bool is4, uint32_t row)
{
	const struct tg_set_header *header = tg_table_at(table, 0);

	return tg_table_at(table, (uint64_t)TG_SET_ROW + (is4 ? 0 : header->rows4) + row);
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
	const struct tg_set_header *header = tg_table_at(table, 0);
	struct tg_entry entry = {.is4 = tg_element_is4(element)};
	uint32_t length = tg_entry_length(element);
	uint32_t home = entry.is4 ? tg_set_home4(header->seed, (uint32_t)element->low, length,
						 header->rows4)
				  : tg_set_home6(header->seed, element->high, element->low, length,
						 header->rows6);

	go_to_row(table, &entry, home);
	return entry;
}

uint32_t tg_entry_home(const struct tg_table *table, const struct tg_entry *entry, uint32_t length)
{
	const struct tg_set_header *header = tg_table_at(table, 0);
	const struct tg_set_row4 *row4 = entry->at;
	const struct tg_set_row6 *row6 = entry->at;

	if (entry->is4)
		return tg_set_home4(header->seed, row4->addr[entry->slot], length, header->rows4);
	return tg_set_home6(header->seed, row6->addr[entry->slot][0], row6->addr[entry->slot][1],
			    length, header->rows6);
}

void tg_entry_next_row(const struct tg_table *table, struct tg_entry *entry)
{
	uint32_t next = entry->row + 1;

	go_to_row(table, entry, next < row_count(table, entry->is4) ? next : 0);
}

bool tg_entry_find_free(struct tg_entry *entry)
{
	for (uint32_t slot = 0; slot < slot_count(entry); slot++) {
		go_to_slot(entry, slot);
		if (!(*entry->state & TG_ENTRY_MEMBERS) || tg_entry_expired(*entry->state))
			return true;
	}
	return false;
}

static bool key_is(const struct tg_entry *entry, const struct tg_element *element)
{
	const struct tg_set_row4 *row4 = entry->at;
	const struct tg_set_row6 *row6 = entry->at;

	if (TG_ENTRY_LENGTH(*entry->state) != tg_entry_length(element))
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
		if (*entry->state & TG_ENTRY_MEMBERS && key_is(entry, element))
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

void tg_entry_read(const struct tg_entry *entry, uint64_t state, struct tg_element *element)
{
	const struct tg_set_row4 *row4 = entry->at;
	const struct tg_set_row6 *row6 = entry->at;
	uint64_t expiry = TG_ENTRY_EXPIRY(state), now = tg_ticks_now();
	uint32_t length = TG_ENTRY_LENGTH(state);

	*element = (struct tg_element){.length = entry->is4 ? length + 96 : length};
	if (entry->is4)
		element->low = 0xffffull << 32 | row4->addr[entry->slot];
	else
		*element = (struct tg_element){.high = row6->addr[entry->slot][0],
					       .low = row6->addr[entry->slot][1],
					       .length = length};
	if (expiry)
		element->ttl_ms =
			expiry > now ? (((expiry - now) << TG_TICK_SHIFT) + 999999) / 1000000 : 1;
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

static void add_to_passed(const struct tg_table *table, const struct tg_entry *entry, uint32_t home,
			  uint32_t step)
{
	uint32_t rows = row_count(table, entry->is4);

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

		if (!(*entry.state & TG_ENTRY_MEMBERS))
			continue;
		for (uint32_t row = tg_entry_home(table, &entry, TG_ENTRY_LENGTH(*entry.state));
		     row != entry.row; row = row + 1 < rows ? row + 1 : 0)
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
		uint64_t expiry;

		go_to_slot(entry, slot);
		expiry = TG_ENTRY_EXPIRY(*entry->state);
		if (*entry->state & TG_ENTRY_MEMBERS && expiry && expiry <= now)
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
