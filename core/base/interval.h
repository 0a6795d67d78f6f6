/* SPDX-License-Identifier: MIT */
/*
 * interval.h - sets of unsigned keys of up to 128 bits, as intervals.
 *
 * A CIDR, a range, a single value, a complement, a list: all of them are sets
 * of closed intervals.  A set is built with tg_intervals_add() in any order and is
 * then normalised once: sorted, disjoint, with touching neighbours merged.
 * All other functions here take and return normal sets.
 */
#ifndef TG_BASE_INTERVAL_H
#define TG_BASE_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_key128 {
	uint64_t hi, lo;
};

struct tg_interval {
	struct tg_key128 first, last; /* both belong to it */
};

struct tg_intervals {
	struct tg_interval *at;
	size_t count;
	size_t capacity;
};

#define TG_INTERVALS_EMPTY ((struct tg_intervals){NULL, 0, 0})

static inline int tg_key128_cmp(struct tg_key128 a, struct tg_key128 b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}

/* Make room for `count` more intervals, so that adding them cannot fail. */
int tg_intervals_reserve(struct tg_intervals *set, size_t count);

/* -ENOMEM: the set is unchanged. */
int tg_intervals_add(struct tg_intervals *set, struct tg_key128 first, struct tg_key128 last);

/* Sort and merge, in O(n log n) or better. */
int tg_intervals_normalise(struct tg_intervals *set);

/* *out must be a new set; a failure leaves it unchanged. */
int tg_intervals_copy(struct tg_intervals *out, const struct tg_intervals *set);
int tg_intervals_unite(struct tg_intervals *out, const struct tg_intervals *a,
		       const struct tg_intervals *b);
int tg_intervals_subtract(struct tg_intervals *out, const struct tg_intervals *a,
			  const struct tg_intervals *b);
int tg_intervals_intersect(struct tg_intervals *out, const struct tg_intervals *a,
			   const struct tg_intervals *b);

/* All values 0..max, as a set of one interval. */
int tg_intervals_all(struct tg_intervals *out, struct tg_key128 max);
bool tg_intervals_is_all(const struct tg_intervals *set, struct tg_key128 max);
bool tg_intervals_contains(const struct tg_intervals *set, struct tg_key128 key);
bool tg_intervals_equal(const struct tg_intervals *a, const struct tg_intervals *b);

void tg_intervals_free(struct tg_intervals *set);

#endif
