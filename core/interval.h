/* SPDX-License-Identifier: MIT */
/*
 * interval.h - sets of unsigned keys of up to 128 bits, as intervals.
 *
 * A CIDR, a range, a single value, a complement, a list: all of them are sets
 * of closed intervals.  A set is built with tg_set_add() in any order and is
 * then normalised once: sorted, disjoint, with touching neighbours merged.
 * Everything else here wants and gives normal sets.
 */
#ifndef TG_INTERVAL_H
#define TG_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_key128 {
	uint64_t hi, lo;
};

struct tg_interval {
	struct tg_key128 first, last; /* both belong to it */
};

struct tg_set {
	struct tg_interval *at;
	size_t count;
	size_t room;
};

#define TG_SET_EMPTY ((struct tg_set){NULL, 0, 0})

static inline int tg_key128_cmp(struct tg_key128 a, struct tg_key128 b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}

/* Room for `more` intervals, so that adding them cannot fail. */
int tg_set_reserve(struct tg_set *set, size_t more);

/* -ENOMEM; the set stays as it was. */
int tg_set_add(struct tg_set *set, struct tg_key128 first, struct tg_key128 last);

/* Sort and merge, in n log n or better. */
int tg_set_normalise(struct tg_set *set);

/* *out must be a new set; a failure leaves it as it was. */
int tg_set_copy(struct tg_set *out, const struct tg_set *set);
int tg_set_unite(struct tg_set *out, const struct tg_set *a, const struct tg_set *b);
int tg_set_subtract(struct tg_set *out, const struct tg_set *a, const struct tg_set *b);
int tg_set_intersect(struct tg_set *out, const struct tg_set *a, const struct tg_set *b);

/* The whole of 0..max, as a set of one. */
int tg_set_all(struct tg_set *out, struct tg_key128 max);
bool tg_set_is_all(const struct tg_set *set, struct tg_key128 max);
bool tg_set_contains(const struct tg_set *set, struct tg_key128 key);
bool tg_set_equal(const struct tg_set *a, const struct tg_set *b);

void tg_set_free(struct tg_set *set);

#endif
