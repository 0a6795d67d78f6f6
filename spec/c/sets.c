/* SPDX-License-Identifier: MIT */
/*
 * sets.c - the algebra of intervals against a slow and obvious one.
 *
 * Sets are drawn in a small window of keys, where a bool a key says what is
 * true; the window is laid over places where carries and ends are.  The seed
 * is the first argument.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interval.h"
#include "check.h"

#define WINDOW 64

static struct tg_key128 base;

static struct tg_key128 key_at(unsigned int offset)
{
	struct tg_key128 key = base;

	key.lo += offset;
	key.hi += key.lo < offset;
	return key;
}

static void check_normal(const struct tg_intervals *set)
{
	for (size_t i = 0; i < set->count; i++)
		CHECK(tg_key128_cmp(set->at[i].first, set->at[i].last) <= 0);
	for (size_t i = 1; i < set->count; i++) {
		struct tg_key128 next = set->at[i - 1].last;

		next.lo++;
		next.hi += next.lo == 0;
		/* Intervals neither overlap nor touch. */
		CHECK(tg_key128_cmp(set->at[i - 1].last, set->at[i].first) < 0);
		CHECK(tg_key128_cmp(next, set->at[i].first) != 0);
	}
}

static void check_same(const struct tg_intervals *set, const bool *truth)
{
	check_normal(set);
	for (unsigned int i = 0; i < WINDOW; i++)
		CHECK(tg_intervals_contains(set, key_at(i)) == truth[i]);
}

static struct tg_intervals draw(bool *truth)
{
	struct tg_intervals set = TG_INTERVALS_EMPTY;
	int count = rand() % 12;

	memset(truth, 0, WINDOW);
	for (int i = 0; i < count; i++) {
		unsigned int first = (unsigned int)rand() % WINDOW;
		unsigned int last = first + (unsigned int)rand() % (WINDOW - first);

		if (rand() % 2)
			last = first;
		CHECK(tg_intervals_add(&set, key_at(first), key_at(last)) == 0);
		for (unsigned int j = first; j <= last; j++)
			truth[j] = true;
	}
	CHECK(tg_intervals_normalise(&set) == 0);
	return set;
}

static void check_algebra(void)
{
	bool a_truth[WINDOW], b_truth[WINDOW], truth[WINDOW];
	struct tg_intervals a = draw(a_truth), b = draw(b_truth);
	struct tg_intervals unity, both, less, copy;

	check_same(&a, a_truth);
	CHECK(tg_intervals_unite(&unity, &a, &b) == 0);
	CHECK(tg_intervals_intersect(&both, &a, &b) == 0);
	CHECK(tg_intervals_subtract(&less, &a, &b) == 0);
	CHECK(tg_intervals_copy(&copy, &a) == 0);
	for (int i = 0; i < WINDOW; i++)
		truth[i] = a_truth[i] || b_truth[i];
	check_same(&unity, truth);
	for (int i = 0; i < WINDOW; i++)
		truth[i] = a_truth[i] && b_truth[i];
	check_same(&both, truth);
	for (int i = 0; i < WINDOW; i++)
		truth[i] = a_truth[i] && !b_truth[i];
	check_same(&less, truth);
	CHECK(tg_intervals_equal(&copy, &a));
	CHECK(tg_intervals_equal(&a, &b) == !memcmp(a_truth, b_truth, WINDOW));
	tg_intervals_free(&a);
	tg_intervals_free(&b);
	tg_intervals_free(&unity);
	tg_intervals_free(&both);
	tg_intervals_free(&less);
	tg_intervals_free(&copy);
}

static int compare(const void *a, const void *b)
{
	return tg_key128_cmp(*(const struct tg_key128 *)a, *(const struct tg_key128 *)b);
}

/* Enough keys for the radix sort; they differ in `hi_bits` and `lo_bits`. */
static void check_sort(uint64_t hi_bits, uint64_t lo_bits)
{
	static struct tg_key128 keys[20000];
	const size_t count = sizeof(keys) / sizeof(*keys);
	struct tg_intervals set = TG_INTERVALS_EMPTY;
	size_t distinct = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t hi = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 12 ^ (uint64_t)rand();
		uint64_t lo = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 12 ^ (uint64_t)rand();

		/* Even keys, so that no two intervals touch. */
		keys[i] = (struct tg_key128){hi & hi_bits, lo & lo_bits & ~1ull};
		CHECK(tg_intervals_add(&set, keys[i], keys[i]) == 0);
	}
	qsort(keys, count, sizeof(*keys), compare);
	CHECK(tg_intervals_normalise(&set) == 0);
	for (size_t i = 0; i < count; i++) {
		if (i && !compare(&keys[i - 1], &keys[i]))
			continue;
		CHECK(distinct < set.count && !compare(&set.at[distinct].first, &keys[i]));
		distinct++;
	}
	CHECK(distinct == set.count);
	tg_intervals_free(&set);
}

int main(int count, char **arguments)
{
	const struct tg_key128 bases[] = {
		{0, 0},
		{0, UINT64_MAX - WINDOW / 2},
		{0x20010db8ull << 32, UINT64_MAX - WINDOW / 2},
		{UINT64_MAX, UINT64_MAX - WINDOW + 1}, /* it ends with the largest key */
	};
	struct tg_key128 max = {UINT64_MAX, UINT64_MAX};
	struct tg_intervals all;

	srand(count > 1 ? (unsigned int)atoi(arguments[1]) : 1);
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		base = bases[i];
		for (int round = 0; round < 5000; round++)
			check_algebra();
	}
	check_sort(0, 0xffffffff);
	check_sort(0, 0xff00);
	check_sort(0xffffffffffff0000, 0);
	check_sort(UINT64_MAX, UINT64_MAX);
	CHECK(tg_intervals_all(&all, max) == 0);
	CHECK(tg_intervals_is_all(&all, max));
	tg_intervals_free(&all);
	puts("ok");
	return 0;
}
