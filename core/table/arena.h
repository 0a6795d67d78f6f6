/* SPDX-License-Identifier: MIT */
/* arena.h - which units of an arena are taken; the backends of services are in such units. */
#ifndef TG_TABLE_ARENA_H
#define TG_TABLE_ARENA_H

#include <stdint.h>

#define TG_ARENA_WORD_UNITS 64u

struct tg_arena {
	uint64_t *words; /* a bit for each unit: whether it is taken */
	uint32_t count;  /* of the words */
	uint32_t *hint;  /* the word at which the next search starts */
};

/* The units of an arena for `size` services: they fill whole rows of bits. */
uint32_t tg_arena_units(uint32_t size);

/* Take units for `backends` backends: the first of them; 0: there are none. */
uint32_t tg_arena_take(const struct tg_arena *arena, uint32_t backends);
void tg_arena_give(const struct tg_arena *arena, uint32_t unit, uint32_t backends);

/* To take stock again: mark all units as free, then mark those that are taken. */
void tg_arena_clear(const struct tg_arena *arena);
void tg_arena_mark(const struct tg_arena *arena, uint32_t unit, uint32_t backends);

#endif
