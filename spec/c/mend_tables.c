/* SPDX-License-Identifier: MIT */
/*
 * mend_tables.c - tables that somebody has written over, or whose writer has died: what a change
 * makes of them, and how far a search goes.
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "bpf/engine/set_lookup.h"
#include "table/service.h"
#include "table/set.h"
#include "table/set_read.h"

#define SIZE 20

static const struct tg_element first = {.low = TG_MAPPED_LO | 0x0a000001, .length = 128};
static const struct tg_element second = {.low = TG_MAPPED_LO | 0x0a000002, .length = 128};

static struct tg_table new_set(void)
{
	struct tg_table table;

	CHECK(!tg_table_make_memory(&table, tg_set_table_rows(SIZE)));
	tg_set_table_init(&table, SIZE, 0);
	CHECK(!tg_set_change(&table));
	CHECK(!tg_set_table_add(&table, &first, 1));
	tg_set_change_end(&table);
	return table;
}

static void has(const struct tg_table *table, const struct tg_element *address, int expected)
{
	struct tg_element found;

	CHECK(tg_set_table_find(table, address, &found) == expected);
}

static uint32_t walk(const struct tg_table *table)
{
	struct tg_element found;
	uint32_t count = 0;
	uint64_t at = 0;

	while (tg_set_table_next(table, &at, &found) == 1)
		count++;
	return count;
}

/* Fill all entries. */
static void fill(const struct tg_table *table, uint64_t state)
{
	for (uint32_t row = TG_SET_ROW; row < TG_SET_ROW + table->parts.set.rows4; row++) {
		struct tg_set_row4 *at = tg_table_at(table, row);

		memset(at->addr, (int)row, sizeof(at->addr));
		for (uint32_t i = 0; i < TG_ENTRIES4; i++)
			at->state[i] = state;
	}
}

static void add_second(const struct tg_table *table)
{
	CHECK(!tg_set_change(table));
	CHECK(!tg_set_table_add(table, &second, 1));
	tg_set_change_end(table);
	has(table, &second, 1);
}

/* What cannot be an element is in nobody's way. */
static void check_impossible_entries(void)
{
	struct tg_table table = new_set();

	fill(&table, UINT64_MAX);
	CHECK(!walk(&table));
	add_second(&table);
	has(&table, &first, 0);
	CHECK(walk(&table) == 1);
	tg_table_close(&table);
}

/* More elements than there is room for: the set is empty after the next change but for its own. */
static void check_too_many(void)
{
	struct tg_table table = new_set();

	fill(&table, 32 | TG_ENTRY_MEMBERS);
	tg_set_books_of(&table)->changing = 1;
	add_second(&table);
	CHECK(walk(&table) == 1 && tg_set_books_of(&table)->count == 1);
	tg_table_close(&table);
}

/* An element of both memberships, which only an unfinished change has. */
static void check_replaced(void)
{
	struct tg_table table = new_set();

	for (uint32_t row = TG_SET_ROW; row < table.rows.count; row++) {
		struct tg_set_row4 *at = tg_table_at(&table, row);

		for (uint32_t i = 0; i < TG_ENTRIES4 && row < TG_SET_ROW + table.parts.set.rows4;
		     i++)
			if (at->state[i] & TG_ENTRY_MEMBERS)
				at->state[i] |= TG_ENTRY_MEMBERS;
	}
	CHECK(!tg_set_change(&table));
	CHECK(!tg_set_table_replace(&table, &second, 1));
	tg_set_change_end(&table);
	has(&table, &first, 0);
	has(&table, &second, 1);
	CHECK(walk(&table) == 1 && tg_set_books_of(&table)->count == 1);
	tg_table_close(&table);
}

/* Where each row sends a search to the next, it ends, and does not say "not there". */
static void check_endless(void)
{
	struct tg_table table = new_set();

	for (uint32_t row = TG_SET_ROW; row < TG_SET_ROW + table.parts.set.rows4; row++)
		((struct tg_set_row4 *)tg_table_at(&table, row))->passed = 1;
	CHECK(tg_set_has4(&table.rows, 0x0a000001) == 1);
	CHECK(tg_set_has4(&table.rows, 0x0a000003) == 0);
	has(&table, &(struct tg_element){.low = TG_MAPPED_LO | 0x0a000003, .length = 128},
	    -EBADMSG);
	CHECK(!tg_set_change(&table));
	CHECK(!tg_set_table_replace(&table, &first, 1));
	tg_set_change_end(&table);
	CHECK(!tg_set_has4(&table.rows, 0x0a000003));
	has(&table, &first, 1);
	tg_table_close(&table);
}

/* A length that no prefix has would be looked for again and again. */
static void check_impossible_length(void)
{
	struct tg_table table = new_set();
	struct tg_set_header *header = tg_table_at(&table, 0);

	header->lengths4 |= 1ull << 40;
	CHECK(tg_set_has4(&table.rows, 0x0a000003) == 0);
	add_second(&table);
	has(&table, &first, 1);
	CHECK(!tg_set_has4(&table.rows, 0x0a000003));
	tg_table_close(&table);
}

/* Fewer of a length than there are: the first one to go would take the length from all. */
static void check_low_count(void)
{
	struct tg_table table = new_set();

	add_second(&table);
	tg_set_books_of(&table)->of_length4[32] = 0;
	tg_set_books_of(&table)->count = 0;
	CHECK(!tg_set_change(&table));
	CHECK(!tg_set_table_replace(&table, &first, 1));
	tg_set_change_end(&table);
	has(&table, &first, 1);
	has(&table, &second, 0);
	CHECK(tg_set_books_of(&table)->count == 1);
	CHECK(tg_set_books_of(&table)->of_length4[32] == 1);
	tg_table_close(&table);
}

/* Whether readers look for VIPs of any port. */
static uint32_t is_wide(const struct tg_table *table)
{
	return ((const struct tg_service_header *)tg_table_at(table, 0))->wide;
}

/* A writer has died: services stay, also those without backends. */
static void check_services(void)
{
	struct tg_backend_place place = {.addr_be = {1}, .port_be = 1, .weight = 1};
	const struct tg_backends lists[] = {{.count = 0}, {.at = &place, .count = 1}};
	struct tg_table table;
	uint32_t count;

	CHECK(!tg_table_make_memory(&table, tg_service_table_rows(SIZE)));
	tg_service_table_init(&table, SIZE);
	for (uint32_t i = 0; i < 2; i++)
		CHECK(!tg_service_table_put(&table, &(struct tg_vip_key){.low = i + 1, .what = 1},
					    &lists[i]));
	CHECK(tg_service_books_of(&table)->wide == 2);
	tg_service_books_of(&table)->wide = 3;
	CHECK(!tg_service_change(&table));
	tg_service_change_end(&table);
	for (uint32_t i = 0; i < 2; i++) {
		CHECK(tg_service_table_find(&table, &(struct tg_vip_key){.low = i + 1, .what = 1},
					    &count));
		CHECK(count == i);
	}
	CHECK(tg_service_books_of(&table)->count == 2);
	CHECK(tg_service_books_of(&table)->wide == 2 && is_wide(&table));
	tg_service_books_of(&table)->changing = 1;
	CHECK(!tg_service_change(&table));
	CHECK(tg_service_table_remove(&table, &(struct tg_vip_key){.low = 1, .what = 1}) == 1);
	CHECK(is_wide(&table));
	CHECK(tg_service_table_remove(&table, &(struct tg_vip_key){.low = 2, .what = 1}) == 1);
	CHECK(!is_wide(&table));
	tg_service_change_end(&table);
	tg_table_close(&table);
}

int main(void)
{
	check_impossible_entries();
	check_too_many();
	check_replaced();
	check_endless();
	check_impossible_length();
	check_low_count();
	check_services();
	puts("ok");
	return 0;
}
