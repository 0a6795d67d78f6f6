/* SPDX-License-Identifier: MIT */
/* arena.h - the units of a table of services that lists of backends stand in. */
#ifndef TG_TABLE_ARENA_H
#define TG_TABLE_ARENA_H

#include "table/service.h"

/* The units that an arena for `size` services has: whole rows of bits. */
uint32_t tg_arena_units(uint32_t size);

/* The first unit of room for `backends`, 0: there is none. */
uint32_t tg_arena_take(const struct tg_table *table, uint32_t backends);
void tg_arena_give(const struct tg_table *table, uint32_t unit, uint32_t backends);

/* Forget all, then say again what is taken. */
void tg_arena_clear(const struct tg_table *table);
void tg_arena_mark(const struct tg_table *table, uint32_t unit, uint32_t backends);

#endif
