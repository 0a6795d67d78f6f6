/* SPDX-License-Identifier: MIT */
/*
 * single_terms.c - classes for which only one term holds, put where a program
 * knows them without reading their heads.
 */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

/* The term of a class that has only one, else TG_MAX_TERMS. */
static uint32_t only_term(const struct tg_bitsets *bitsets, const struct tg_sparse *sparse)
{
	uint64_t word;

	if (sparse->count != 1)
		return TG_MAX_TERMS;
	word = bitsets->words[sparse->first];
	if (word & (word - 1))
		return TG_MAX_TERMS;
	for (uint32_t i = 0;; i++)
		if (sparse->summary[i])
			return (i * 64 + (uint32_t)__builtin_ctzll(sparse->summary[i])) *
				       TG_WORD_TERMS +
			       (uint32_t)__builtin_ctzll(word);
}

/*
 * Whether it pays: if at least half of the terms have such a class.  The other terms
 * get one too, which no value has.
 */
static bool are_many(const struct tg_bitsets *bitsets, uint32_t *others)
{
	uint32_t singles = 0;

	for (uint32_t i = 0; i < bitsets->count; i++)
		singles += only_term(bitsets, &bitsets->at[i]) < TG_MAX_TERMS;
	*others = bitsets->count - singles;
	return bitsets->terms > TG_WORD_TERMS && 2 * singles >= bitsets->terms &&
	       *others + bitsets->terms <= TG_MAX_CLASSES;
}

/* Put the other classes first, in their order; `number` gets the new number of each class. */
static void place(const struct tg_bitsets *bitsets, uint32_t others, struct tg_sparse *at,
		  uint32_t *number)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < bitsets->count; i++) {
		uint32_t term = only_term(bitsets, &bitsets->at[i]);

		number[i] = term < TG_MAX_TERMS ? others + term : next++;
		at[number[i]] = bitsets->at[i];
	}
}

/* Add the classes that no value has. */
static int fill(struct tg_bitsets *bitsets, struct tg_sparse *singles)
{
	uint64_t words[TG_BITSET_WORDS] = {0};
	int error = 0;

	for (uint32_t term = 0; term < bitsets->terms && !error; term++) {
		if (singles[term].count)
			continue;
		words[term / TG_WORD_TERMS] = 1ull << term % TG_WORD_TERMS;
		error = tg_bitsets_add(bitsets, words);
		words[term / TG_WORD_TERMS] = 0;
		if (!error)
			singles[term] = bitsets->at[bitsets->count - 1];
	}
	return error;
}

int tg_single_terms_part(struct tg_partition *partition, enum tg_key key, uint32_t *singles)
{
	struct tg_bitsets *bitsets = &partition->bitsets;
	struct tg_sparse *at;
	uint32_t others, *number;
	int error = 0;

	if (!are_many(bitsets, &others))
		return 0;
	at = calloc(others + bitsets->terms, sizeof(*at));
	number = calloc(bitsets->count, sizeof(*number));
	if (!at || !number) {
		error = tg_fail(-ENOMEM, "out of memory: no room for %u classes", bitsets->count);
		goto out;
	}
	place(bitsets, others, at, number);
	error = fill(bitsets, at + others);
	if (error)
		goto out;
	for (size_t i = 0; i < partition->count; i++)
		partition->at[i].cls = number[partition->at[i].cls];
	free(bitsets->at);
	bitsets->at = at;
	bitsets->count = bitsets->capacity = others + bitsets->terms;
	at = NULL;
	*singles |= 1u << key;
out:
	free(at);
	free(number);
	return error;
}
