/* SPDX-License-Identifier: MIT */
/* interval.c - sets of unsigned keys of up to 128 bits, as intervals. */
#include "base/interval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Below this many intervals qsort() is faster than the passes of a radix sort. */
#define RADIX_WORTHWHILE 1024
#define DIGIT_BITS       11
#define DIGITS           (1u << DIGIT_BITS)

static struct tg_key128 key_after(struct tg_key128 key)
{
	key.lo++;
	key.hi += key.lo == 0;
	return key;
}

static struct tg_key128 key_before(struct tg_key128 key)
{
	key.hi -= key.lo == 0;
	key.lo--;
	return key;
}

static bool key_is_last(struct tg_key128 key)
{
	return key.hi == UINT64_MAX && key.lo == UINT64_MAX;
}

int tg_intervals_reserve(struct tg_intervals *set, size_t count)
{
	struct tg_interval *at;
	size_t capacity = set->capacity;

	if (set->capacity - set->count >= count)
		return 0;
	/* The first capacity is exact, because most sets stay at one or two intervals. */
	if (capacity)
		capacity *= 2;
	if (capacity < set->count + count)
		capacity = set->count + count;
	at = realloc(set->at, capacity * sizeof(*at));
	if (!at)
		return tg_fail(-ENOMEM, "out of memory: no room for %zu intervals", capacity);
	set->at = at;
	set->capacity = capacity;
	return 0;
}

int tg_intervals_add(struct tg_intervals *set, struct tg_key128 first, struct tg_key128 last)
{
	int error = tg_intervals_reserve(set, 1);

	if (error)
		return error;
	set->at[set->count++] = (struct tg_interval){first, last};
	return 0;
}

/*
 * Append to a set that has room, in ascending order of `first`, or merge with the
 * last interval.
 */
static void append(struct tg_intervals *set, struct tg_interval interval)
{
	struct tg_interval *end = set->count ? &set->at[set->count - 1] : NULL;

	if (end &&
	    (key_is_last(end->last) || tg_key128_cmp(interval.first, key_after(end->last)) <= 0)) {
		if (tg_key128_cmp(interval.last, end->last) > 0)
			end->last = interval.last;
		return;
	}
	set->at[set->count++] = interval;
}

static int compare_first(const void *a, const void *b)
{
	return tg_key128_cmp(((const struct tg_interval *)a)->first,
			     ((const struct tg_interval *)b)->first);
}

static bool is_sorted(const struct tg_intervals *set)
{
	for (size_t i = 1; i < set->count; i++)
		if (tg_key128_cmp(set->at[i - 1].first, set->at[i].first) > 0)
			return false;
	return true;
}

/* One stable pass, by DIGIT_BITS bits of `hi` or `lo` of the first key. */
static void radix_pass(struct tg_interval *to, const struct tg_interval *from, size_t count,
		       bool hi, unsigned int shift)
{
	size_t place[DIGITS] = {0};
	size_t sum = 0;

#define DIGIT(interval)                                                                            \
	(((hi ? (interval)->first.hi : (interval)->first.lo) >> shift) & (DIGITS - 1))
	for (size_t i = 0; i < count; i++)
		place[DIGIT(&from[i])]++;
	for (size_t i = 0; i < DIGITS; i++) {
		size_t here = place[i];

		place[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[place[DIGIT(&from[i])]++] = from[i];
#undef DIGIT
}

/* Sort by first key, with one pass for each group of bits in which some keys differ. */
static int radix_sort(struct tg_intervals *set)
{
	struct tg_interval *from = set->at, *to, *scratch;
	struct tg_key128 differ = {0, 0};

	scratch = malloc(set->count * sizeof(*scratch));
	if (!scratch)
		return tg_fail(-ENOMEM, "out of memory: no room to sort %zu intervals", set->count);
	to = scratch;
	for (size_t i = 1; i < set->count; i++) {
		differ.hi |= from[i].first.hi ^ from[0].first.hi;
		differ.lo |= from[i].first.lo ^ from[0].first.lo;
	}
	for (int hi = 0; hi < 2; hi++) {
		uint64_t bits = hi ? differ.hi : differ.lo;

		while (bits) {
			unsigned int shift = (unsigned int)__builtin_ctzll(bits);
			struct tg_interval *swap = from;

			radix_pass(to, from, set->count, hi, shift);
			from = to;
			to = swap;
			bits &= ~((uint64_t)(DIGITS - 1) << shift);
		}
	}
	if (from == scratch)
		memcpy(set->at, scratch, set->count * sizeof(*scratch));
	free(scratch);
	return 0;
}

int tg_intervals_normalise(struct tg_intervals *set)
{
	struct tg_intervals merged = {set->at, 0, set->capacity};

	if (!is_sorted(set)) {
		if (set->count < RADIX_WORTHWHILE) {
			qsort(set->at, set->count, sizeof(*set->at), compare_first);
		} else {
			int error = radix_sort(set);

			if (error)
				return error;
		}
	}
	/* In place: writing never overtakes reading. */
	for (size_t i = 0; i < set->count; i++)
		append(&merged, set->at[i]);
	*set = merged;
	return 0;
}

int tg_intervals_copy(struct tg_intervals *out, const struct tg_intervals *set)
{
	struct tg_intervals copy = TG_INTERVALS_EMPTY;
	int error = tg_intervals_reserve(&copy, set->count);

	if (error)
		return error;
	if (set->count)
		memcpy(copy.at, set->at, set->count * sizeof(*set->at));
	copy.count = set->count;
	*out = copy;
	return 0;
}

int tg_intervals_unite(struct tg_intervals *out, const struct tg_intervals *a,
		       const struct tg_intervals *b)
{
	struct tg_intervals all = TG_INTERVALS_EMPTY;
	size_t i = 0, j = 0;
	int error = tg_intervals_reserve(&all, a->count + b->count);

	if (error)
		return error;
	while (i < a->count || j < b->count) {
		bool from_a = j == b->count ||
			      (i < a->count && tg_key128_cmp(a->at[i].first, b->at[j].first) <= 0);

		append(&all, from_a ? a->at[i++] : b->at[j++]);
	}
	*out = all;
	return 0;
}

int tg_intervals_intersect(struct tg_intervals *out, const struct tg_intervals *a,
			   const struct tg_intervals *b)
{
	struct tg_intervals both = TG_INTERVALS_EMPTY;
	size_t i = 0, j = 0;
	int error;

	while (i < a->count && j < b->count) {
		const struct tg_interval *x = &a->at[i], *y = &b->at[j];
		bool x_ends_first = tg_key128_cmp(x->last, y->last) < 0;
		struct tg_key128 first =
			tg_key128_cmp(x->first, y->first) > 0 ? x->first : y->first;
		struct tg_key128 last = x_ends_first ? x->last : y->last;

		if (tg_key128_cmp(first, last) <= 0) {
			error = tg_intervals_add(&both, first, last);
			if (error) {
				tg_intervals_free(&both);
				return error;
			}
		}
		if (x_ends_first)
			i++;
		else
			j++;
	}
	*out = both;
	return 0;
}

int tg_intervals_subtract(struct tg_intervals *out, const struct tg_intervals *a,
			  const struct tg_intervals *b)
{
	struct tg_intervals rest = TG_INTERVALS_EMPTY;
	size_t j = 0;
	int error = tg_intervals_reserve(&rest, a->count + b->count);

	if (error)
		return error;
	for (size_t i = 0; i < a->count; i++) {
		struct tg_interval left = a->at[i];
		bool any = true;

		while (j < b->count && tg_key128_cmp(b->at[j].last, left.first) < 0)
			j++;
		/* A hole that reaches into the next interval stays at j. */
		while (any && j < b->count && tg_key128_cmp(b->at[j].first, left.last) <= 0) {
			const struct tg_interval *hole = &b->at[j];

			if (tg_key128_cmp(hole->first, left.first) > 0)
				append(&rest,
				       (struct tg_interval){left.first, key_before(hole->first)});
			if (tg_key128_cmp(hole->last, left.last) >= 0) {
				any = false;
			} else {
				left.first = key_after(hole->last);
				j++;
			}
		}
		if (any)
			append(&rest, left);
	}
	*out = rest;
	return 0;
}

int tg_intervals_all(struct tg_intervals *out, struct tg_key128 max)
{
	struct tg_intervals all = TG_INTERVALS_EMPTY;
	int error = tg_intervals_add(&all, (struct tg_key128){0, 0}, max);

	if (error)
		return error;
	*out = all;
	return 0;
}

bool tg_intervals_is_all(const struct tg_intervals *set, struct tg_key128 max)
{
	return set->count == 1 && !set->at[0].first.hi && !set->at[0].first.lo &&
	       tg_key128_cmp(set->at[0].last, max) >= 0;
}

bool tg_intervals_contains(const struct tg_intervals *set, struct tg_key128 key)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tg_key128_cmp(set->at[middle].last, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && tg_key128_cmp(set->at[low].first, key) <= 0;
}

bool tg_intervals_equal(const struct tg_intervals *a, const struct tg_intervals *b)
{
	return a->count == b->count &&
	       (!a->count || !memcmp(a->at, b->at, a->count * sizeof(*a->at)));
}

void tg_intervals_free(struct tg_intervals *set)
{
	free(set->at);
	*set = TG_INTERVALS_EMPTY;
}
