/* SPDX-License-Identifier: MIT */
/*
 * balance.c - the choice of a backend: shares by weight, and which keys move when
 * a list changes.  It runs the programs' own source.  The seed is the first
 * argument.
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/engine/log2.h"
#include "bpf/engine/pick.h"
#include "check.h"
#include "table/backend_rows.h"

#define PICKS 100000

static uint64_t state;

static uint64_t draw(void)
{
	return tg_mix(state += 0x9e3779b97f4a7c15ull);
}

struct list {
	struct tg_backends backends;
	struct tg_table_rows table;
	struct tg_block *block; /* the only block of the table */
};

static void add(struct list *list, uint32_t number, uint32_t weight)
{
	struct tg_backend_spec spec = {.size = sizeof(spec), .weight = weight};
	char text[64];

	snprintf(text, sizeof(text), "10.0.%u.%u:8080", number / 200, number % 200 + 1);
	spec.address = text;
	CHECK(!tg_backends_take(&list->backends, &spec, 1));
}

static void write_list(struct list *list)
{
	uint32_t rows = tg_block_rows(list->backends.count);

	list->block = aligned_alloc(64, rows * 64);
	list->table = (struct tg_table_rows){list->block, rows};
	memset(list->block, 0, rows * 64);
	tg_block_write(&list->backends, 0, list->block);
}

static void write_again(struct list *list)
{
	free(list->block);
	write_list(list);
}

static void free_list(struct list *list)
{
	free(list->block);
	tg_backends_free(&list->backends);
	*list = (struct list){0};
}

/* The place of the backend that a key chooses, or a negative number. */
static int place_of(const struct list *list, uint64_t key, uint64_t wanted)
{
	return tg_block_pick(&list->table, 0, list->block->extent, key, wanted);
}

/* The address of the backend that a key chooses. */
static uint32_t pick(const struct list *list, uint64_t key, uint64_t wanted)
{
	int place = place_of(list, key, wanted);
	const struct tg_backend *backend;

	CHECK(place >= 0);
	backend = tg_backend_at(&list->table, (uint32_t)place);
	CHECK(backend);
	return ntohl(backend->addr_be[3]);
}

/* --- Shares ------------------------------------------------------------------------------ */

/* The upper 0.1 % of chi-square, by Wilson and Hilferty. */
static double critical(double freedom)
{
	double part = 2 / (9 * freedom), root = 1 - part + 3.0902 * sqrt(part);

	return freedom * root * root * root;
}

static void check_shares(const uint32_t *weights, uint32_t count, uint64_t (*key)(uint32_t),
			 uint64_t wanted)
{
	uint32_t picked[TG_MAX_BACKENDS] = {0};
	struct list list = {0};
	double sum = 0, square = 0;

	for (uint32_t i = 0; i < count; i++) {
		add(&list, i, weights[i]);
		sum += weights[i];
	}
	write_list(&list);
	for (uint32_t i = 0; i < PICKS; i++) {
		uint32_t addr = pick(&list, key(i), wanted) - 0x0a000000;

		picked[(addr >> 8) * 200 + (addr & 255) - 1]++;
	}
	for (uint32_t i = 0; i < count; i++) {
		double expected = (double)PICKS * weights[i] / sum, off = picked[i] - expected;

		CHECK(fabs(off) < PICKS / 100);
		square += off * off / expected;
	}
	if (count > 1)
		CHECK(square < critical(count - 1));
	free_list(&list);
}

static uint64_t by_chance(uint32_t i)
{
	(void)i;
	return draw();
}

/* Consecutive keys, as cookies, uids and pids are. */
static uint64_t in_order(uint32_t i)
{
	return i;
}

static void check_all_shares(void)
{
	static const uint32_t lists[][12] = {
		{1},
		{1, 1},
		{7, 7, 7},
		{1, 1, 1, 1, 1, 1, 1, 1, 1},
		{1, 2},
		{1, 3, 5, 7, 9, 11, 13, 15},
		{1, 100},
		{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 60},
		{65535, 32768, 1000},
	};
	uint32_t many[TG_MAX_BACKENDS];

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		uint32_t count = 0;

		while (count < 12 && lists[i][count])
			count++;
		check_shares(lists[i], count, by_chance, TG_SEED_OF_NONE);
		check_shares(lists[i], count, by_chance, TG_SEED_OF_ANY);
		check_shares(lists[i], count, in_order, TG_SEED_OF_NONE);
		check_shares(lists[i], count, in_order, TG_SEED_OF_ANY);
	}
	for (uint32_t i = 0; i < TG_MAX_BACKENDS; i++)
		many[i] = 1 + i % 3;
	check_shares(many, TG_MAX_BACKENDS, by_chance, TG_SEED_OF_NONE);
	check_shares(many, TG_MAX_BACKENDS, by_chance, TG_SEED_OF_ANY);
	for (uint32_t i = 0; i < TG_MAX_BACKENDS; i++)
		many[i] = 4;
	check_shares(many, TG_MAX_BACKENDS, in_order, TG_SEED_OF_NONE);
	check_shares(many, TG_MAX_BACKENDS, in_order, TG_SEED_OF_ANY);
}

/* --- What moves ---------------------------------------------------------------------------- */

static void check_order(bool weighted)
{
	struct list one = {0}, other = {0};

	for (uint32_t i = 0; i < 30; i++)
		add(&one, i, weighted ? 1 + i % 4 : 1);
	for (uint32_t i = 30; i-- > 0;)
		add(&other, i, weighted ? 1 + i % 4 : 1);
	write_list(&one);
	write_list(&other);
	for (uint32_t i = 0; i < PICKS / 10; i++) {
		uint64_t key = draw();

		CHECK(pick(&one, key, TG_SEED_OF_NONE) == pick(&other, key, TG_SEED_OF_NONE));
	}
	free_list(&one);
	free_list(&other);
}

/* Remove one of `count` backends: its keys are spread over the others, which keep theirs. */
static void check_moves(uint32_t count, bool weighted)
{
	uint32_t gone = (uint32_t)(draw() % count), moved = 0;
	struct list all = {0}, less = {0};
	double weight = 0, sum = 0, share;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t w = weighted ? 1 + i % 3 : 1;

		add(&all, i, w);
		sum += w;
		if (i != gone)
			add(&less, i, w);
		else
			weight = w;
	}
	write_list(&all);
	write_list(&less);
	for (uint32_t i = 0; i < PICKS; i++) {
		uint64_t key = draw();
		uint32_t before = pick(&all, key, TG_SEED_OF_NONE),
			 after = pick(&less, key, TG_SEED_OF_NONE);

		if (before == 0x0a000001 + gone)
			moved++;
		else
			CHECK(before == after);
	}
	share = weight / sum;
	CHECK(fabs(moved - PICKS * share) < 5 * sqrt(PICKS * share));
	free_list(&all);
	free_list(&less);
}

/* A random choice picks only backends that are up. */
static void check_lots(void)
{
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t count = 1 + (uint32_t)(draw() % (round % 4 ? 12 : TG_MAX_BACKENDS));
		uint32_t picked[TG_MAX_BACKENDS] = {0}, up = 0;
		struct list list = {0};

		for (uint32_t i = 0; i < count; i++) {
			add(&list, i, round % 2 ? 1 : 1 + (uint32_t)(draw() % TG_MAX_WEIGHT));
			list.backends.at[i].state = (uint32_t)(draw() % 3);
			up += list.backends.at[i].state == TG_BACKEND_UP;
		}
		write_list(&list);
		for (uint32_t i = 0; i < 1000; i++) {
			int place = place_of(&list, draw(), TG_SEED_OF_ANY);
			uint32_t first = tg_block_at(0, list.block->extent).backend_row * 2;

			CHECK(up ? place >= (int)first : place == TG_NO_BACKEND);
			if (up)
				picked[(uint32_t)place - first]++;
		}
		for (uint32_t i = 0; i < count; i++)
			CHECK(list.backends.at[i].state == TG_BACKEND_UP || !picked[i]);
		free_list(&list);
	}
}

/* A larger weight for one backend moves keys to it only, not between the others. */
static void check_weight(void)
{
	struct list before = {0}, after = {0};

	for (uint32_t i = 0; i < 10; i++) {
		add(&before, i, 2);
		add(&after, i, i == 3 ? 5 : 2);
	}
	write_list(&before);
	write_list(&after);
	for (uint32_t i = 0; i < PICKS; i++) {
		uint64_t key = draw();
		uint32_t now = pick(&after, key, TG_SEED_OF_NONE);

		CHECK(now == pick(&before, key, TG_SEED_OF_NONE) || now == 0x0a000004);
	}
	free_list(&before);
	free_list(&after);
}

/* --- Ends ---------------------------------------------------------------------------------- */

static void check_log2(void)
{
	for (uint32_t i = 0; i < PICKS; i++) {
		uint64_t number = draw() >> (draw() % 64) | 1;
		double exact = 64 - log2((double)number);
		double got = (double)tg_minus_log2(number) / (1 << TG_LOG2_SHIFT);

		CHECK(fabs(got - exact) < 4e-6);
	}
	CHECK(tg_minus_log2(0) == tg_minus_log2(1));
	CHECK(tg_minus_log2(1) == 64ull << TG_LOG2_SHIFT);
}

/* A sticky call stays at any place of a list while its backend is up or draining. */
static void check_stays(bool weighted)
{
	static const uint32_t states[] = {TG_BACKEND_UP, TG_BACKEND_DRAINING, TG_BACKEND_DOWN};

	for (uint32_t i = 0; i < 27; i++) {
		struct list list = {0};
		uint64_t seed;

		for (uint32_t k = 0; k < 9; k++)
			add(&list, k, weighted ? 1 + k * 100 : 1);
		list.backends.at[i / 3].state = states[i % 3];
		write_list(&list);
		seed = tg_backend_seed(0, 0xffff0a000001ull + i / 3, 8080);
		for (uint32_t k = 0; k < 200; k++) {
			uint64_t key = draw();
			int none = place_of(&list, key, TG_SEED_OF_NONE);
			int stays = place_of(&list, key, seed);

			CHECK(stays == (i % 3 == 2 ? none : (1 + 2) * 2 + (int)(i / 3)));
			CHECK(place_of(&list, key, seed + 1) == none);
		}
		free_list(&list);
	}
}

static void check_none(void)
{
	struct list list = {0};

	add(&list, 0, 1);
	add(&list, 1, 2);
	list.backends.at[1].state = TG_BACKEND_DOWN;
	write_list(&list);
	((struct tg_choices *)(list.block + 1))->choice[1] = 0; /* no backend */
	for (uint32_t i = 0; i < 100; i++) {
		CHECK(pick(&list, draw(), TG_SEED_OF_NONE) == 0x0a000001);
		CHECK(pick(&list, draw(), TG_SEED_OF_ANY) == 0x0a000001);
	}
	list.backends.at[0].state = TG_BACKEND_DRAINING;
	write_again(&list);
	for (uint32_t i = 0; i < 100; i++) {
		CHECK(place_of(&list, draw(), TG_SEED_OF_NONE) == TG_NO_BACKEND);
		CHECK(place_of(&list, draw(), TG_SEED_OF_ANY) == TG_NO_BACKEND);
	}
	list.block->extent = TG_EXTENT(0, 0);
	CHECK(place_of(&list, 1, TG_SEED_OF_NONE) == TG_NO_BACKEND);
	CHECK(place_of(&list, 1, TG_SEED_OF_ANY) == TG_NO_BACKEND);
	list.block->extent = TG_EXTENT(TG_MAX_BACKENDS + 1, 0);
	CHECK(place_of(&list, 1, TG_SEED_OF_NONE) == -TG_EFAULT);
	CHECK(place_of(&list, 1, TG_SEED_OF_ANY) == -TG_EFAULT);
	list.block->extent = TG_EXTENT(TG_MAX_BACKENDS, 0);
	CHECK(place_of(&list, 1, TG_SEED_OF_NONE) == -TG_EFAULT);
	free_list(&list);
}

int main(int count, char **arguments)
{
	state = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
	check_log2();
	check_all_shares();
	check_order(false);
	check_order(true);
	for (uint32_t n = 2; n <= 64; n *= 2) {
		check_moves(n, false);
		check_moves(n, true);
	}
	check_lots();
	check_weight();
	check_stays(false);
	check_stays(true);
	check_none();
	puts("ok");
	return 0;
}
