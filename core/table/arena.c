/* SPDX-License-Identifier: MIT */
/*
 * arena.c - which units of an arena are taken: a bit a unit.
 *
 * Lists take a power of two of units, and start at a multiple of it, so that
 * what is free does not crumble.  The first is nobody's: unit 0 is none.
 */
#include "table/arena.h"

#include <string.h>

#define WORD_UNITS 64u

/* Ten backends are two units; the rest is for lists that are longer, or being changed. */
#define SERVICE_UNITS 2u
#define SPARE_UNITS   256u
#define SPARE_EIGHTHS 2u

_Static_assert(2 * SERVICE_UNITS * TG_MAX_SERVICES < 1u << TG_VIP_EXTENT_SHIFT,
	       "a state has room for each unit");

uint32_t tg_arena_units(uint32_t size)
{
	uint32_t units = size * SERVICE_UNITS;

	units += units / 8 * SPARE_EIGHTHS + SPARE_UNITS;
	return (units + WORD_UNITS * 8 - 1) / (WORD_UNITS * 8) * (WORD_UNITS * 8);
}

static uint64_t *words_of(const struct tg_table *table)
{
	const struct tg_service_header *header = tg_table_at(table, 0);

	return tg_table_at(table, header->bitmap_row);
}

static uint32_t word_count(const struct tg_table *table)
{
	const struct tg_service_header *header = tg_table_at(table, 0);

	return header->units / WORD_UNITS;
}

static uint32_t rounded_units(uint32_t backends)
{
	uint32_t units = 1;

	while (units * TG_UNIT_BACKENDS < backends)
		units *= 2;
	return units;
}

_Static_assert(TG_MAX_BACKENDS / TG_UNIT_BACKENDS < WORD_UNITS, "a list fits a word");

static uint64_t run(uint32_t units)
{
	return (1ull << units) - 1;
}

/* A free place in a word at `word` or behind, in units; ~0: there is none. */
static uint32_t find_from(const struct tg_table *table, uint32_t word, uint32_t units)
{
	const uint64_t *words = words_of(table);

	for (; word < word_count(table); word++)
		for (uint32_t at = 0; words[word] != ~0ull && at < WORD_UNITS; at += units)
			if (!(words[word] >> at & run(units)))
				return word * WORD_UNITS + at;
	return ~0u;
}

static void set_units(const struct tg_table *table, uint32_t unit, uint32_t units, bool taken)
{
	uint64_t *word = words_of(table) + unit / WORD_UNITS;
	uint64_t bits = run(units) << unit % WORD_UNITS;

	*word = taken ? *word | bits : *word & ~bits;
}

uint32_t tg_arena_take(const struct tg_table *table, uint32_t backends)
{
	struct tg_service_books *books = tg_service_books_of(table);
	uint32_t units = rounded_units(backends);
	uint32_t unit = find_from(table, books->word, units);

	if (unit == ~0u)
		unit = find_from(table, 0, units);
	if (unit == ~0u)
		return 0;
	set_units(table, unit, units, true);
	books->word = unit / WORD_UNITS;
	return unit;
}

void tg_arena_give(const struct tg_table *table, uint32_t unit, uint32_t backends)
{
	set_units(table, unit, rounded_units(backends), false);
}

void tg_arena_mark(const struct tg_table *table, uint32_t unit, uint32_t backends)
{
	set_units(table, unit, rounded_units(backends), true);
}

void tg_arena_clear(const struct tg_table *table)
{
	memset(words_of(table), 0, word_count(table) * sizeof(uint64_t));
	*words_of(table) = 1;
}
