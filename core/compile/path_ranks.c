/* SPDX-License-Identifier: MIT */
/*
 * path_ranks.c - the paths of a section as ranks: the boundaries between them, and
 * sets of paths as sets of numbers, which the rest of the compiler handles like
 * those of any other field.
 */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"

static int compare(const void *a, const void *b)
{
	return tg_path_cmp(a, b);
}

/* No path is below the lowest one, so that needs no boundary. */
static bool is_lowest(const struct tg_path *path)
{
	return !tg_path_cmp(path, &tg_path_any.first);
}

int tg_path_ranks_add(struct tg_path_ranks *ranks, const struct tg_path_set *set)
{
	int error = tg_array_reserve(ranks->at, ranks->capacity, ranks->count + 2 * set->count,
				     "paths");

	if (error)
		return error;
	for (size_t i = 0; i < set->count; i++) {
		struct tg_path behind = set->at[i].last;

		if (!is_lowest(&set->at[i].first))
			ranks->at[ranks->count++] = set->at[i].first;
		if (tg_path_next(&behind))
			ranks->at[ranks->count++] = behind;
	}
	return 0;
}

int tg_path_ranks_sort(struct tg_path_ranks *ranks)
{
	size_t kept = 0;

	if (ranks->count)
		qsort(ranks->at, ranks->count, sizeof(*ranks->at), compare);
	for (size_t i = 0; i < ranks->count; i++) {
		const struct tg_path *before = kept ? &ranks->at[kept - 1] : NULL;

		if (!before || tg_path_cmp(before, &ranks->at[i]))
			ranks->at[kept++] = ranks->at[i];
	}
	ranks->count = kept;
	if (kept > TG_MAX_PATHS)
		return tg_fail(-E2BIG,
			       "the rules have %zu boundaries between paths, the limit is %u; use "
			       "fewer patterns",
			       kept, TG_MAX_PATHS);
	return 0;
}

/* The number of boundaries up to a path that is one. */
static uint32_t rank_of(const struct tg_path_ranks *ranks, const struct tg_path *path)
{
	const struct tg_path *at =
		bsearch(path, ranks->at, ranks->count, sizeof(*ranks->at), compare);

	return (uint32_t)(at - ranks->at) + 1;
}

int tg_path_ranks_of(const struct tg_path_ranks *ranks, const struct tg_path_set *set,
		     struct tg_intervals *out)
{
	struct tg_intervals fresh = TG_INTERVALS_EMPTY;
	int error = 0;

	for (size_t i = 0; i < set->count && !error; i++) {
		struct tg_key128 first = {0, 0};
		struct tg_key128 last = tg_key_max(TG_KEY_PATH);
		struct tg_path behind = set->at[i].last;

		if (!is_lowest(&set->at[i].first))
			first.lo = rank_of(ranks, &set->at[i].first);
		if (tg_path_next(&behind))
			last.lo = rank_of(ranks, &behind) - 1;
		error = tg_intervals_add(&fresh, first, last);
	}
	if (!error)
		error = tg_intervals_normalise(&fresh);
	if (error)
		tg_intervals_free(&fresh);
	else
		*out = fresh;
	return error;
}

static uint64_t word_at(const uint8_t *bytes)
{
	uint64_t word = 0;

	for (int i = 0; i < 8; i++)
		word = word << 8 | bytes[i];
	return word;
}

int tg_path_ranks_write(const struct tg_path_ranks *ranks, struct tg_rows *rows,
			struct tg_section *section)
{
	struct tg_path_key *key;
	int error;

	if (!ranks->count)
		return 0;
	error = tg_rows_add(rows, (uint64_t)ranks->count * TG_PATH_ROWS, &section->path_row);
	if (error)
		return error;
	key = (struct tg_path_key *)rows->at[section->path_row];
	for (size_t i = 0; i < ranks->count; i++)
		for (int word = 0; word < TG_PATH_WORDS; word++)
			key[i].word[word] = word_at(ranks->at[i].at + 8 * word);
	section->paths = (uint32_t)ranks->count;
	while (1u << section->path_steps <= section->paths)
		section->path_steps++;
	return 0;
}
