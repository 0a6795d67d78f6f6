/* SPDX-License-Identifier: MIT */
/*
 * cover.c - whether the terms before another one take all calls of a box.
 *
 * Bitsets of terms say, for all classes of a field at once, which terms take
 * some calls of the box and which take all of them.  If one term alone takes
 * them all, that is the answer.  If not, the box is cut into pieces, field by
 * field and class by class, and each piece keeps the terms that can still take
 * it.  A piece that no term is left for is a call that no term takes.
 */
#include "lint/cover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Pieces into which one box may be cut. */
#define MOST_PIECES 200000u
#define MASK_WORDS  (TG_COVER_TERMS / 64)

/* A bit for each candidate, by its number among the candidates. */
struct mask {
	uint64_t word[MASK_WORDS];
};

/* Classes of one field that have the same candidates; one of the classes stands for all. */
struct group {
	struct mask mask;
	uint16_t cls;
};

struct search {
	const struct tg_box *box;
	struct group *group[TG_KEYS]; /* by step: the groups of its field */
	uint32_t groups[TG_KEYS];
	enum tg_key key[TG_KEYS];      /* by step */
	struct mask rest[TG_KEYS + 1]; /* by step: candidates for all classes from it on */
	struct mask covering;
	uint32_t steps;
	uint32_t pieces;
	struct tg_cover *cover;
};

static int no_memory(void)
{
	return tg_fail(-ENOMEM, "out of memory: no room to compare terms");
}

static bool spend(struct tg_cover_work *work, uint64_t amount)
{
	bool enough = work->left >= amount;

	work->left -= enough ? amount : work->left;
	return enough;
}

static struct mask mask_and(const struct mask *a, const struct mask *b)
{
	struct mask both;

	for (uint32_t i = 0; i < MASK_WORDS; i++)
		both.word[i] = a->word[i] & b->word[i];
	return both;
}

static bool mask_is_empty(const struct mask *mask)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < MASK_WORDS; i++)
		any |= mask->word[i];
	return !any;
}

static bool mask_is_within(const struct mask *a, const struct mask *b)
{
	uint64_t outside = 0;

	for (uint32_t i = 0; i < MASK_WORDS; i++)
		outside |= a->word[i] & ~b->word[i];
	return !outside;
}

/* Add to `into` the first candidate of a mask: it is the one that decides. */
static void mask_take_first(struct mask *into, const struct mask *mask)
{
	for (uint32_t i = 0; i < MASK_WORDS; i++) {
		if (mask->word[i]) {
			into->word[i] |= mask->word[i] & -mask->word[i];
			return;
		}
	}
}

/* --- Candidates ----------------------------------------------------------------------- */

/* Keep in `some` the terms that hold for some class of the box, in `whole` those for all. */
static int narrow(struct tg_cover_work *work, const struct tg_section_reader *reader,
		  const struct tg_box *box, enum tg_key key, uint64_t *some, uint64_t *whole)
{
	const struct tg_section_reader_key *at = &reader->key[key];
	uint32_t words = reader->words;
	uint64_t *any = calloc(3 * (size_t)words, sizeof(*any));
	uint64_t *every = any + words, *cls = every + words;
	int error = any ? 0 : no_memory();

	if (error)
		return error;
	if (box->key[key].at == at->all.at) {
		memcpy(any, at->any, words * sizeof(*any));
		memcpy(every, at->every, words * sizeof(*every));
	} else {
		memset(every, 0xff, words * sizeof(*every));
		if (!spend(work, (uint64_t)box->key[key].count * words))
			error = -E2BIG;
		for (uint32_t i = 0; i < box->key[key].count && !error; i++) {
			error = tg_section_reader_terms(reader, key, box->key[key].at[i], cls);
			for (uint32_t j = 0; j < words && !error; j++) {
				any[j] |= cls[j];
				every[j] &= cls[j];
			}
		}
	}
	for (uint32_t i = 0; i < words && !error; i++) {
		some[i] &= any[i];
		whole[i] &= every[i];
	}
	free(any);
	return error;
}

/* Set the first `limit` bits of a bitset of `count` words. */
static void first_terms(uint64_t *words, uint32_t count, uint32_t limit)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t left = limit > i * 64 ? limit - i * 64 : 0;

		words[i] = left >= 64 ? UINT64_MAX : (1ull << left) - 1;
	}
}

/* List the terms of a bitset; returns how many, or, if they are more than `most`, most + 1. */
static uint32_t list_terms(const uint64_t *words, uint32_t count, uint32_t *list, uint32_t most)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (uint64_t word = words[i]; word; word &= word - 1) {
			if (found == most)
				return most + 1;
			list[found++] = i * 64 + (uint32_t)__builtin_ctzll(word);
		}
	}
	return found;
}

/* --- Cutting the box ------------------------------------------------------------------- */

static int compare_groups(const void *a, const void *b)
{
	return memcmp(&((const struct group *)a)->mask, &((const struct group *)b)->mask,
		      sizeof(struct mask));
}

static void mark(struct group *groups, struct tg_class_list box, struct tg_class_list held,
		 uint32_t candidate)
{
	for (uint32_t i = 0, j = 0; i < box.count && j < held.count;) {
		if (box.at[i] == held.at[j]) {
			groups[i].mask.word[candidate / 64] |= 1ull << (candidate % 64);
			i++;
			j++;
		} else if (box.at[i] < held.at[j]) {
			i++;
		} else {
			j++;
		}
	}
}

/*
 * Keep one class of each group, and only groups that are needed: if a group is
 * taken, then so is any group that has all of its candidates and more.
 */
static uint32_t thin(struct group *groups, uint32_t count)
{
	uint32_t kept = 0, least = 0;

	qsort(groups, count, sizeof(*groups), compare_groups);
	for (uint32_t i = 0; i < count; i++)
		if (!kept || compare_groups(&groups[kept - 1], &groups[i]))
			groups[kept++] = groups[i];
	if (kept > 1024)
		return kept;
	for (uint32_t i = 0; i < kept; i++) {
		bool needed = true;

		for (uint32_t j = 0; j < kept && needed; j++)
			needed = i == j || !mask_is_within(&groups[j].mask, &groups[i].mask);
		if (needed) {
			struct group swap = groups[least];

			groups[least++] = groups[i];
			groups[i] = swap;
		}
	}
	return least;
}

static struct mask all_candidates(uint32_t count)
{
	struct mask mask;

	first_terms(mask.word, MASK_WORDS, count);
	return mask;
}

/* Group the box's classes of a field; *whole: the candidates that hold for all of them. */
static int group_classes(struct tg_cover_work *work, const struct tg_section_reader *reader,
			 struct search *search, enum tg_key key, uint32_t candidates,
			 struct mask *whole)
{
	struct tg_class_list box = search->box->key[key];
	struct group *groups = calloc(box.count, sizeof(*groups));

	if (!groups)
		return no_memory();
	search->group[search->steps] = groups;
	search->key[search->steps] = key;
	for (uint32_t i = 0; i < box.count; i++)
		groups[i].cls = box.at[i];
	for (uint32_t i = 0; i < candidates; i++) {
		struct tg_class_list held =
			tg_section_reader_classes(reader, key, search->cover->covering[i]);

		if (!spend(work, box.count + held.count))
			return -E2BIG;
		mark(groups, box, held, i);
	}
	*whole = all_candidates(candidates);
	for (uint32_t i = 0; i < box.count; i++)
		*whole = mask_and(whole, &groups[i].mask);
	search->groups[search->steps++] = thin(groups, box.count);
	return 0;
}

/* Whether the candidates that are left take the whole piece, from `step` on: 1, 0, or -E2BIG. */
static int cut(struct search *search, uint32_t step, const struct mask *left)
{
	struct mask alone = mask_and(left, &search->rest[step]);

	if (!mask_is_empty(&alone)) {
		mask_take_first(&search->covering, &alone);
		return 1;
	}
	if (++search->pieces > MOST_PIECES)
		return -E2BIG;
	if (mask_is_empty(left))
		return 0;
	for (uint32_t i = 0; i < search->groups[step]; i++) {
		struct mask still = mask_and(left, &search->group[step][i].mask);
		int taken = cut(search, step + 1, &still);

		if (taken == 1)
			continue;
		if (!taken)
			search->cover->call[search->key[step]] = search->group[step][i].cls;
		return taken;
	}
	return 1;
}

/* Replace the list of candidates by that of the covering terms. */
static void name_covering(const struct search *search, uint32_t candidates)
{
	struct tg_cover *cover = search->cover;

	cover->covering_count = 0;
	for (uint32_t i = 0; i < candidates; i++)
		if (search->covering.word[i / 64] >> (i % 64) & 1)
			cover->covering[cover->covering_count++] = cover->covering[i];
}

/* Cut the box by the candidates, which are listed in cover->covering[]. */
static int cut_box(struct tg_cover_work *work, const struct tg_section_reader *reader,
		   const struct tg_box *box, uint32_t candidates, struct tg_cover *cover)
{
	struct search search = {.box = box, .cover = cover};
	struct mask left = all_candidates(candidates);
	int taken = 0;

	for (int key = 0; key < TG_KEYS && taken >= 0; key++)
		if (box->keys >> key & 1)
			taken = group_classes(work, reader, &search, (enum tg_key)key, candidates,
					      &search.rest[search.steps]);
	if (taken >= 0) {
		search.rest[search.steps] = left;
		for (uint32_t step = search.steps; step-- > 0;)
			search.rest[step] = mask_and(&search.rest[step], &search.rest[step + 1]);
		taken = cut(&search, 0, &left);
	}
	spend(work, search.pieces * MASK_WORDS);
	for (uint32_t step = 0; step < search.steps; step++)
		free(search.group[step]);
	if (taken < 0 && taken != -E2BIG)
		return taken;
	cover->answer = taken == 1 ? TG_COVER_WHOLE : taken == 0 ? TG_COVER_PART : TG_COVER_UNKNOWN;
	if (taken == 1)
		name_covering(&search, candidates);
	return 0;
}

/* Fill `some` and `whole`, as narrow() has them, for all fields of the box. */
static int narrow_all(struct tg_cover_work *work, const struct tg_section_reader *reader,
		      const struct tg_box *box, uint32_t limit, uint64_t *some, uint64_t *whole)
{
	int error = 0;

	first_terms(some, reader->words, limit);
	for (uint32_t i = 0; i < reader->words; i++)
		whole[i] = some[i] &= reader->deciding[i];
	for (int key = 0; key < TG_KEYS && !error; key++)
		if (box->keys >> key & 1)
			error = narrow(work, reader, box, (enum tg_key)key, some, whole);
	return error;
}

int tg_cover_touching(struct tg_cover_work *work, const struct tg_section_reader *reader,
		      const struct tg_box *box, uint32_t limit, uint64_t *words)
{
	uint64_t *whole = calloc(reader->words, sizeof(*whole));
	int error = whole ? narrow_all(work, reader, box, limit, words, whole) : no_memory();

	free(whole);
	return error;
}

int tg_cover_ask(struct tg_cover_work *work, const struct tg_section_reader *reader,
		 const struct tg_box *box, uint32_t limit, struct tg_cover *cover)
{
	uint64_t *some = calloc(2 * (size_t)reader->words, sizeof(*some));
	uint64_t *whole = some + reader->words;
	uint32_t candidates;
	int error = some ? 0 : no_memory();

	if (error)
		return error;
	*cover = (struct tg_cover){.answer = TG_COVER_UNKNOWN};
	for (int key = 0; key < TG_KEYS; key++)
		if (box->keys >> key & 1)
			cover->call[key] = box->key[key].at[0];
	error = narrow_all(work, reader, box, limit, some, whole);
	if (error)
		goto out;
	if (list_terms(whole, reader->words, cover->covering, 1)) {
		cover->answer = TG_COVER_WHOLE;
		cover->covering_count = 1;
		goto out;
	}
	candidates = list_terms(some, reader->words, cover->covering, TG_COVER_TERMS);
	if (candidates <= TG_COVER_TERMS)
		error = cut_box(work, reader, box, candidates, cover);
out:
	free(some);
	return error == -E2BIG ? 0 : error;
}
