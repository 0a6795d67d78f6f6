/* SPDX-License-Identifier: MIT */
/* verify_bitset.c - whether the bitsets of an image only name terms that exist. */
#include "image/verify_bitset.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

#define ROW_WORDS (TG_ROW_BYTES / sizeof(uint64_t))

/* The bits of the last word that stand for terms. */
static uint64_t last_word_mask(uint32_t terms)
{
	return terms % TG_WORD_TERMS ? (1ull << (terms % TG_WORD_TERMS)) - 1 : UINT64_MAX;
}

static int check_words(struct tg_verify *check, const struct tg_tree *tree, uint32_t terms)
{
	uint32_t rows = (tree->classes + ROW_WORDS - 1) / ROW_WORDS;
	uint64_t mask = terms ? last_word_mask(terms) : 0;
	int error = tg_verify_take(check, tree->bitset, rows, "bitsets");

	for (uint32_t i = 0; !error && i < rows; i++) {
		uint64_t words[ROW_WORDS];

		tg_verify_read(check, tree->bitset + i, words);
		for (size_t k = 0; k < ROW_WORDS; k++)
			if (words[k] & ~mask)
				return tg_fail(-EINVAL,
					       "damaged image: the bitsets at row %u have terms "
					       "that are not there",
					       tree->bitset + i);
	}
	return error;
}

/* Whether summary and ranks agree with each other and with the number of terms; *count: words. */
static bool summary_is_good(const struct tg_bitset *bitset, uint32_t terms, uint32_t *count)
{
	uint32_t words = (terms + TG_WORD_TERMS - 1) / TG_WORD_TERMS;

	*count = 0;
	for (uint32_t i = 0; i < TG_SUMMARY_WORDS; i++) {
		uint64_t allowed = words >= 64 ? UINT64_MAX : (1ull << words) - 1;

		if ((bitset->summary[i] & ~allowed) || bitset->rank[i] != *count)
			return false;
		*count += (uint32_t)__builtin_popcountll(bitset->summary[i]);
		words -= words >= 64 ? 64 : words;
	}
	return true;
}

static int check_bitset(const struct tg_verify *check, uint32_t row, uint32_t terms)
{
	uint32_t last = (terms - 1) / TG_WORD_TERMS, count;
	struct tg_bitset bitset;
	uint64_t word;

	tg_verify_read(check, row, &bitset);
	if (!summary_is_good(&bitset, terms, &count))
		return tg_fail(-EINVAL, "damaged image: the bitset at row %u contradicts itself",
			       row);
	if (bitset.word > (uint64_t)check->rows * ROW_WORDS ||
	    count > (uint64_t)check->rows * ROW_WORDS - bitset.word)
		return tg_fail(
			-EINVAL,
			"damaged image: the words of the bitset at row %u reach past its end", row);
	if (!(bitset.summary[last / 64] >> (last % 64) & 1))
		return 0;
	/* Only the last word can have bits for which there is no term. */
	memcpy(&word, check->bytes + ((size_t)bitset.word + count - 1) * sizeof(word),
	       sizeof(word));
	if (word & ~last_word_mask(terms))
		return tg_fail(-EINVAL,
			       "damaged image: the bitset at row %u has terms that are not there",
			       row);
	return 0;
}

/* The terms that a head lists are ascending, and exist. */
static bool list_is_good(uint64_t head, uint32_t terms)
{
	int64_t before = -1;

	for (int i = 0; i < TG_HEAD_TERMS; i++) {
		uint32_t term = TG_HEAD_TERM(head, i);

		if (term == TG_HEAD_NONE)
			return head >> 16 * i == UINT64_MAX >> 16 * i;
		if (term >= terms || term <= before)
			return false;
		before = term;
	}
	return true;
}

static uint64_t read_head(const struct tg_verify *check, const struct tg_tree *tree, uint32_t cls)
{
	uint64_t head;

	memcpy(&head, check->bytes + ((size_t)tree->bitset * ROW_WORDS + cls) * sizeof(head),
	       sizeof(head));
	return head;
}

/* The bitsets follow the heads, in the same order. */
static int check_heads(struct tg_verify *check, const struct tg_tree *tree, uint32_t terms)
{
	uint32_t rows = (tree->classes + ROW_WORDS - 1) / ROW_WORDS;
	uint32_t next = tree->bitset + rows;
	int error = tg_verify_take(check, tree->bitset, rows, "heads");

	for (uint32_t i = 0; !error && i < tree->classes; i++) {
		uint64_t head = read_head(check, tree, i);

		if ((head & 0xffff) != TG_HEAD_BITSET) {
			if (!list_is_good(head, terms))
				error = tg_fail(-EINVAL,
						"damaged image: the head of class %u at row %u "
						"lists terms that are not there",
						i, tree->bitset);
			continue;
		}
		if (TG_HEAD_ROW(head) != next)
			return tg_fail(-EINVAL,
				       "damaged image: the bitset of class %u is not where it "
				       "belongs",
				       i);
		error = tg_verify_take(check, next, 1, "bitsets");
		if (!error)
			error = check_bitset(check, next++, terms);
	}
	return error;
}

int tg_verify_bitsets(struct tg_verify *check, const struct tg_tree *tree, uint32_t terms)
{
	if (terms <= TG_WORD_TERMS)
		return check_words(check, tree, terms);
	return check_heads(check, tree, terms);
}

int tg_verify_singles(const struct tg_verify *check, const struct tg_tree *tree, uint32_t terms)
{
	bool good = terms > TG_WORD_TERMS && terms <= tree->classes;

	for (uint32_t term = 0; good && term < terms; term++)
		good = read_head(check, tree, tree->classes - terms + term) == TG_HEAD_SINGLE(term);
	if (good)
		return 0;
	return tg_fail(-EINVAL,
		       "damaged image: the last classes of the heads at row %u are not those of "
		       "one term each",
		       tree->bitset);
}
