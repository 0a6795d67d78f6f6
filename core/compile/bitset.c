/* SPDX-License-Identifier: MIT */
/* bitset.c - which terms hold for each class of a field's values. */
#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define ROW_WORDS     (TG_ROW_BYTES / sizeof(uint64_t))
#define INPLACE_WORDS 2

/* Make room for one more class, of however many words. */
static int reserve_class(struct tg_bitsets *bitsets)
{
	int error = tg_array_reserve(bitsets->at, bitsets->capacity, bitsets->count + 1, "bitsets");

	return error ? error
		     : tg_array_reserve(bitsets->words, bitsets->word_capacity,
					bitsets->word_count + TG_BITSET_WORDS, "words of bitsets");
}

int tg_bitsets_add(struct tg_bitsets *bitsets, const uint64_t *words)
{
	struct tg_sparse sparse = {.first = bitsets->word_count};
	uint32_t used = (bitsets->terms + TG_WORD_TERMS - 1) / TG_WORD_TERMS;
	int error = reserve_class(bitsets);

	if (error)
		return error;
	for (uint32_t i = 0; i < used; i++) {
		if (!words[i])
			continue;
		sparse.summary[i / 64] |= 1ull << (i % 64);
		bitsets->words[sparse.first + sparse.count++] = words[i];
	}
	bitsets->word_count += sparse.count;
	bitsets->at[bitsets->count++] = sparse;
	return 0;
}

/* With at most 64 terms, a class is one word. */
static int write_words(const struct tg_bitsets *bitsets, struct tg_rows *rows, uint32_t *row)
{
	uint64_t *words;
	int error = tg_rows_add(rows, (bitsets->count + ROW_WORDS - 1) / ROW_WORDS, row);

	if (error)
		return error;
	words = (uint64_t *)rows->at[*row];
	for (uint32_t i = 0; i < bitsets->count; i++)
		if (bitsets->at[i].count)
			words[i] = bitsets->words[bitsets->at[i].first];
	return 0;
}

/* The head of a class that has few terms: it lists them. */
static uint64_t list_terms(const struct tg_bitsets *bitsets, const struct tg_sparse *sparse)
{
	uint64_t head = UINT64_MAX;
	uint32_t place = 0, at = 0;

	for (uint32_t i = 0; i < TG_BITSET_WORDS; i++) {
		uint64_t word;

		if (!(sparse->summary[i / 64] >> (i % 64) & 1))
			continue;
		for (word = bitsets->words[sparse->first + at++]; word; word &= word - 1) {
			uint64_t term = i * TG_WORD_TERMS + (uint32_t)__builtin_ctzll(word);

			head ^= (TG_HEAD_NONE ^ term) << (16 * place++);
		}
	}
	return head;
}

static bool has_few(const struct tg_bitsets *bitsets, const struct tg_sparse *sparse)
{
	uint32_t terms = 0;

	for (uint32_t i = 0; i < sparse->count && terms <= TG_HEAD_TERMS; i++)
		terms += (uint32_t)__builtin_popcountll(bitsets->words[sparse->first + i]);
	return terms <= TG_HEAD_TERMS;
}

/* Write a bitset's row.  Words that do not fit there go to `*overflow`, which moves on. */
static void write_bitset(const struct tg_bitsets *bitsets, const struct tg_sparse *sparse,
			 struct tg_rows *rows, uint32_t row, uint32_t *overflow)
{
	struct tg_bitset *bitset = (struct tg_bitset *)rows->at[row];
	uint16_t rank = 0;

	for (int s = 0; s < (int)TG_SUMMARY_WORDS; s++) {
		bitset->summary[s] = sparse->summary[s];
		bitset->rank[s] = rank;
		rank += (uint16_t)__builtin_popcountll(sparse->summary[s]);
	}
	if (sparse->count <= INPLACE_WORDS) {
		bitset->word =
			row * ROW_WORDS + offsetof(struct tg_bitset, inplace) / sizeof(uint64_t);
	} else {
		bitset->word = *overflow;
		*overflow += sparse->count;
	}
	memcpy((uint64_t *)rows->at + bitset->word, bitsets->words + sparse->first,
	       sparse->count * sizeof(uint64_t));
}

/* With more terms: a head a class, then the bitsets of those that need one, then their words. */
static int write_heads(const struct tg_bitsets *bitsets, struct tg_rows *rows, uint32_t *row)
{
	uint32_t many = 0, bitset_row, overflow_row, overflow;
	size_t spilled = 0;
	uint64_t *heads;
	int error;

	for (uint32_t i = 0; i < bitsets->count; i++) {
		if (has_few(bitsets, &bitsets->at[i]))
			continue;
		many++;
		if (bitsets->at[i].count > INPLACE_WORDS)
			spilled += bitsets->at[i].count;
	}
	error = tg_rows_add(rows, (bitsets->count + ROW_WORDS - 1) / ROW_WORDS, row);
	if (!error)
		error = tg_rows_add(rows, many, &bitset_row);
	if (!error)
		error = tg_rows_add(rows, (spilled + ROW_WORDS - 1) / ROW_WORDS, &overflow_row);
	if (error)
		return error;
	overflow = overflow_row * ROW_WORDS;
	heads = (uint64_t *)rows->at[*row];
	for (uint32_t i = 0; i < bitsets->count; i++) {
		if (has_few(bitsets, &bitsets->at[i])) {
			heads[i] = list_terms(bitsets, &bitsets->at[i]);
			continue;
		}
		heads[i] = (uint64_t)bitset_row << 32 | TG_HEAD_BITSET;
		write_bitset(bitsets, &bitsets->at[i], rows, bitset_row++, &overflow);
	}
	return 0;
}

int tg_bitsets_write(const struct tg_bitsets *bitsets, struct tg_rows *rows, uint32_t *row)
{
	if (bitsets->terms <= TG_WORD_TERMS)
		return write_words(bitsets, rows, row);
	return write_heads(bitsets, rows, row);
}

void tg_bitsets_free(struct tg_bitsets *bitsets)
{
	free(bitsets->at);
	free(bitsets->words);
	*bitsets = (struct tg_bitsets){0};
}
