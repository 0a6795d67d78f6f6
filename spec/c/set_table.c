/* SPDX-License-Identifier: MIT */
/*
 * set_table.c - a set's table against a list of its elements: random changes, also
 * ones that do not fit, and what it then says of every address of a small world.
 * The seed is the first argument.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "table/set.h"
#include "table/set_read.h"

/* Prefixes of 28 to 32 bits in 10.0.0.0/26, and of 124 to 128 bits in 2001:db8::/122. */
#define WORLD   64
#define LENGTHS 5
#define MOST    48 /* elements of one change */

struct model {
	bool has[2][LENGTHS][WORLD]; /* by family, by bits that are open, by first address */
	uint32_t count, size;
};

static struct tg_element element_of(bool six, uint32_t open, uint32_t first)
{
	if (six)
		return (struct tg_element){
			.high = 0x20010db8ull << 32, .low = first, .length = 128 - open};
	return (struct tg_element){.low = TG_MAPPED_LO | 0x0a000000 | first, .length = 128 - open};
}

static bool *place_of(struct model *model, const struct tg_element *element)
{
	return &model->has[element->high != 0][128 - element->length][element->low % WORLD];
}

static uint32_t draw(struct tg_element elements[MOST])
{
	uint32_t count = 1 + (uint32_t)rand() % (rand() % 3 ? 6 : MOST);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t open = (uint32_t)rand() % LENGTHS;

		elements[i] =
			element_of(rand() % 2, open, ((uint32_t)rand() % WORLD) >> open << open);
	}
	return count;
}

static void add_to(struct model *model, const struct tg_element *elements, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		bool *has = place_of(model, &elements[i]);

		model->count += !*has;
		*has = true;
	}
}

/* What does not fit changes nothing. */
static void settle(struct model *model, const struct model *changed, int result)
{
	CHECK(result == (changed->count > model->size ? -ENOSPC : 0));
	if (!result)
		*model = *changed;
}

static void change(const struct tg_table *table, struct model *model)
{
	struct tg_element elements[MOST];
	uint32_t count = draw(elements), what = (uint32_t)rand() % 8;
	struct model changed = *model;

	CHECK(!tg_set_change(table));
	if (what == 0) {
		changed = (struct model){.size = model->size};
		add_to(&changed, elements, count);
		settle(model, &changed, tg_set_table_replace(table, elements, count));
	} else if (what < 4) {
		add_to(&changed, elements, count);
		settle(model, &changed, tg_set_table_add(table, elements, count));
	} else {
		bool *has = place_of(model, &elements[0]);

		CHECK(tg_set_table_remove(table, &elements[0]) == *has);
		model->count -= *has;
		*has = false;
	}
	CHECK(tg_set_books_of(table)->count == model->count);
	tg_set_change_end(table);
}

static void check_address(const struct tg_table *table, struct model *model, bool six,
			  uint32_t address)
{
	struct tg_element asked = element_of(six, 0, address), found;
	int result = tg_set_table_find(table, &asked, &found);

	for (uint32_t open = 0; open < LENGTHS; open++) {
		struct tg_element prefix = element_of(six, open, address >> open << open);

		if (!*place_of(model, &prefix))
			continue;
		CHECK(result == 1 && found.high == prefix.high && found.low == prefix.low);
		CHECK(found.length == prefix.length && !found.ttl_ms);
		return;
	}
	CHECK(result == 0);
}

static void check_walk(const struct tg_table *table, struct model *model)
{
	struct model seen = {0};
	struct tg_element element;
	uint64_t at = 0;

	while (tg_set_table_next(table, &at, &element)) {
		CHECK(*place_of(model, &element) && !*place_of(&seen, &element));
		add_to(&seen, &element, 1);
	}
	CHECK(seen.count == model->count);
}

int main(int argc, char **argv)
{
	srand(argc > 1 ? (unsigned int)atoi(argv[1]) : 1);
	for (int round = 0; round < 300; round++) {
		struct model model = {.size = 1 + (uint32_t)rand() % 100};
		struct tg_table table;

		CHECK(!tg_table_make_memory(&table, tg_set_table_rows(model.size)));
		tg_set_table_init(&table, model.size, 0);
		for (int step = 0; step < 60; step++) {
			change(&table, &model);
			for (uint32_t address = 0; address < WORLD; address++)
				check_address(&table, &model, rand() % 2, address);
			check_walk(&table, &model);
		}
		tg_table_close(&table);
	}
	puts("ok");
	return 0;
}
