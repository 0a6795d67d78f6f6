/* SPDX-License-Identifier: MIT */
/*
 * arena.c - which units of an arena are taken: a bit for each unit.
 *
 * The number of units taken together is a power of two, and the first is a
 * multiple of it, so that free units do not become fragmented.  Unit 0 is never
 * taken: it stands for "none".
 */
#include "table/arena.h"

#include <stdbool.h>
#include <string.h>

#include "bpf/layout/service_layout.h"

/* Ten backends take two units; the rest is for longer lists, and for lists under change. */
#define SERVICE_UNITS 2u
#define SPARE_UNITS   256u
#define SPARE_EIGHTHS 2u

_Static_assert(2 * SERVICE_UNITS * TG_MAX_SERVICES < 1u << TG_VIP_EXTENT_SHIFT,
	       "a state has room for the number of each unit");

uint32_t tg_arena_units(uint32_t size)
{
	const uint32_t row_units = TG_ARENA_WORD_UNITS * 8;
	uint32_t units = size * SERVICE_UNITS;

	units += units / 8 * SPARE_EIGHTHS + SPARE_UNITS;
	return (units + row_units - 1) / row_units * row_units;
}

static uint32_t rounded_units(uint32_t backends)
{
	uint32_t units = 1;

	while (units * TG_UNIT_BACKENDS < backends)
		units *= 2;
	return units;
}

_Static_assert(TG_MAX_BACKENDS / TG_UNIT_BACKENDS < TG_ARENA_WORD_UNITS,
	       "the longest list fits a word");

static uint64_t mask_of(uint32_t units)
{
	return (1ull << units) - 1;
}

/* The first of `units` free units, in `word` or after it; ~0: there are none. */
static uint32_t find_from(const struct tg_arena *arena, uint32_t word, uint32_t units)
{
	for (; word < arena->count; word++)
		for (uint32_t at = 0; arena->words[word] != ~0ull && at < TG_ARENA_WORD_UNITS;
		     at += units)
			if (!(arena->words[word] >> at & mask_of(units)))
				return word * TG_ARENA_WORD_UNITS + at;
	return ~0u;
}

/* Units that no writer can have taken together are left alone. */
static void set_units(const struct tg_arena *arena, uint32_t unit, uint32_t backends, bool taken)
{
	uint32_t units = rounded_units(backends);
	uint64_t *word, bits;

	if (backends > TG_MAX_BACKENDS || unit / TG_ARENA_WORD_UNITS >= arena->count)
		return;
	word = &arena->words[unit / TG_ARENA_WORD_UNITS];
	bits = mask_of(units) << unit % TG_ARENA_WORD_UNITS;

	*word = taken ? *word | bits : *word & ~bits;
}

uint32_t tg_arena_take(const struct tg_arena *arena, uint32_t backends)
{
	uint32_t units = rounded_units(backends);
	uint32_t unit = find_from(arena, *arena->hint, units);

	if (unit == ~0u)
		unit = find_from(arena, 0, units);
	if (unit == ~0u)
		return 0;
	set_units(arena, unit, backends, true);
	*arena->hint = unit / TG_ARENA_WORD_UNITS;
	return unit;
}

void tg_arena_give(const struct tg_arena *arena, uint32_t unit, uint32_t backends)
{
	set_units(arena, unit, backends, false);
}

void tg_arena_mark(const struct tg_arena *arena, uint32_t unit, uint32_t backends)
{
	set_units(arena, unit, backends, true);
}

void tg_arena_clear(const struct tg_arena *arena)
{
	memset(arena->words, 0, arena->count * sizeof(*arena->words));
	arena->words[0] = 1;
}
