/* SPDX-License-Identifier: MIT */
/* set_lengths.c - the prefix lengths of a set's elements, for which readers look. */
#include "table/set_lengths.h"

#include "table/set.h"
#include "table/set_entry.h"

/* The counter of a prefix length's elements; `*bit` of `*word` tells readers if there are any. */
static uint32_t *length_count(const struct tg_table *table, bool is4, uint32_t length,
			      uint64_t **word, uint64_t *bit)
{
	struct tg_set_header *header = tg_table_at(table, 0);
	struct tg_set_books *books = tg_set_books_of(table);
	uint32_t place = (is4 ? 32 : 128) - length;

	*word = is4 ? (uint64_t *)&header->lengths4 : (uint64_t *)&header->lengths6[place / 64];
	*bit = 1ull << (place % 64);
	return is4 ? &books->of_length4[length] : &books->of_length6[length];
}

void tg_set_length_gained(const struct tg_table *table, bool is4, uint32_t length)
{
	uint64_t *word, bit;
	uint32_t *count = length_count(table, is4, length, &word, &bit);

	if ((*count)++ == 0)
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
}

void tg_set_length_lost(const struct tg_table *table, bool is4, uint32_t length)
{
	uint64_t *word, bit;
	uint32_t *count = length_count(table, is4, length, &word, &bit);

	if (--(*count) == 0)
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}

static void count_lengths(const struct tg_table *table, uint32_t counts[2][129])
{
	struct tg_entry entry = {0};

	for (bool more = tg_entry_first(table, &entry); more; more = tg_entry_next(table, &entry)) {
		uint64_t state = tg_entry_state(&entry);

		if (state & TG_ENTRY_MEMBERS)
			counts[entry.is4][TG_ENTRY_LENGTH(state)]++;
	}
}

void tg_set_lengths_recount(const struct tg_table *table)
{
	uint32_t counts[2][129] = {0};

	count_lengths(table, counts);
	for (int is4 = 0; is4 <= 1; is4++) {
		for (uint32_t length = 0; length <= tg_entry_longest(is4); length++) {
			uint64_t *word, bit;

			*length_count(table, is4, length, &word, &bit) = counts[is4][length];
			if (counts[is4][length])
				__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
			else
				__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
		}
	}
}
