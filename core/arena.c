/* SPDX-License-Identifier: MIT */
/*
 * arena.c - which rows of an arena are taken: a bit a row.
 *
 * Blocks take a power of two of rows, and start at a multiple of it, so that
 * what is free does not crumble.  The first row is nobody's: block 0 is none.
 */
#include "arena.h"

#include <string.h>

#define WORD_ROWS 64u

/* Ten backends are eight rows; then there is as much for those that are being changed. */
#define SERVICE_ROWS  8u
#define SPARE_ROWS    1024u
#define SPARE_EIGHTHS 2u

uint32_t tg_arena_rows(uint32_t size)
{
	uint32_t rows = size * SERVICE_ROWS;

	rows += rows / 8 * SPARE_EIGHTHS + SPARE_ROWS;
	return (rows + WORD_ROWS * 8 - 1) / (WORD_ROWS * 8) * (WORD_ROWS * 8);
}

static uint64_t *words_of(const struct tg_table *table)
{
	const struct tg_service_header *header = tg_table_at(table, 0);

	return tg_table_at(table, header->bitmap_row);
}

static uint32_t word_count(const struct tg_table *table)
{
	const struct tg_service_header *header = tg_table_at(table, 0);

	return header->arena_rows / WORD_ROWS;
}

static uint32_t rounded_rows(uint32_t backends)
{
	uint32_t rows = 1;

	while (rows < tg_block_rows(backends))
		rows *= 2;
	return rows;
}

static uint64_t run(uint32_t rows)
{
	return rows < WORD_ROWS ? (1ull << rows) - 1 : ~0ull;
}

/* A free place in one word, or WORD_ROWS. */
static uint32_t find_in_word(uint64_t word, uint32_t rows)
{
	uint32_t at = 0;

	while (at < WORD_ROWS && word >> at & run(rows))
		at += rows;
	return at;
}

static bool words_are_free(const uint64_t *words, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (words[i])
			return false;
	return true;
}

/* A free place at a word or behind, in rows; ~0: there is none. */
static uint32_t find_from(const struct tg_table *table, uint32_t word, uint32_t rows)
{
	const uint64_t *words = words_of(table);
	uint32_t step = rows < WORD_ROWS ? 1 : rows / WORD_ROWS;

	word = (word + step - 1) / step * step;
	for (; word + step <= word_count(table); word += step) {
		uint32_t at = 0;

		if (rows >= WORD_ROWS && !words_are_free(words + word, step))
			continue;
		if (rows < WORD_ROWS)
			at = words[word] == ~0ull ? WORD_ROWS : find_in_word(words[word], rows);
		if (at < WORD_ROWS)
			return word * WORD_ROWS + at;
	}
	return ~0u;
}

static void set_rows(const struct tg_table *table, uint32_t block, uint32_t rows, bool taken)
{
	uint64_t *words = words_of(table) + block / WORD_ROWS;
	uint32_t count = rows < WORD_ROWS ? 1 : rows / WORD_ROWS;
	uint64_t bits = run(rows) << (rows < WORD_ROWS ? block % WORD_ROWS : 0);

	for (uint32_t i = 0; i < count; i++)
		words[i] = taken ? words[i] | bits : words[i] & ~bits;
}

uint32_t tg_arena_take(const struct tg_table *table, uint32_t backends)
{
	struct tg_service_books *books = tg_service_books_of(table);
	uint32_t rows = rounded_rows(backends);
	uint32_t block = find_from(table, books->word, rows);

	if (block == ~0u)
		block = find_from(table, 0, rows);
	if (block == ~0u)
		return 0;
	set_rows(table, block, rows, true);
	books->word = block / WORD_ROWS;
	return block;
}

void tg_arena_give(const struct tg_table *table, uint32_t block, uint32_t backends)
{
	set_rows(table, block, rounded_rows(backends), false);
}

void tg_arena_mark(const struct tg_table *table, uint32_t block, uint32_t backends)
{
	set_rows(table, block, rounded_rows(backends), true);
}

void tg_arena_clear(const struct tg_table *table)
{
	memset(words_of(table), 0, word_count(table) * sizeof(uint64_t));
	*words_of(table) = 1;
}
